/*
 * Logical types, as Spark names them. A type is an immutable, interned value: equal types are the same
 * pointer, so they are compared by ==, live as long as the process and are never freed. Interning takes
 * one process-wide lock; nothing per row or batch may intern. Thread: any.
 */
#pragma once

#include "common/base/base.h"
#include "common/error/error.h"

enum type_id {
    TYPE_NULL, /* "void": the type of a bare NULL */
    TYPE_BOOLEAN,
    TYPE_TINYINT,
    TYPE_SMALLINT,
    TYPE_INT,
    TYPE_BIGINT,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,       /* precision 1..38, scale 0..precision */
    TYPE_STRING,        /* UTF-8 */
    TYPE_BINARY,
    TYPE_DATE,          /* days since 1970-01-01 */
    TYPE_TIMESTAMP,     /* microseconds since 1970 UTC, shown in the session's zone */
    TYPE_TIMESTAMP_NTZ, /* microseconds since 1970 of a wall clock without a zone */
    TYPE_INTERVAL_YM,   /* months */
    TYPE_INTERVAL_DT,   /* microseconds */
    TYPE_ARRAY,         /* child 0: element */
    TYPE_MAP,           /* child 0: key, child 1: value */
    TYPE_STRUCT,        /* children with names */
    TYPE_ID_COUNT
};

/* How values of a column lie in memory; see column.h. */
enum phys {
    PHYS_BOOL, /* uint8_t 0 or 1 */
    PHYS_I8,
    PHYS_I16,
    PHYS_I32,  /* INT, DATE, INTERVAL_YM */
    PHYS_I64,  /* BIGINT, TIMESTAMP*, INTERVAL_DT; DECIMAL(p <= 18) always, wider decimals when narrowed */
    PHYS_I128, /* DECIMAL(p > 18) */
    PHYS_F32,
    PHYS_F64,
    PHYS_STR,    /* struct strview: STRING, BINARY */
    PHYS_LIST,   /* struct listview into child 0: ARRAY; MAP: into children 0 and 1 alike */
    PHYS_STRUCT, /* children of the same length as the parent; no data of its own */
    PHYS_COUNT
};

struct type {
    enum type_id id;
    uint8_t precision, scale;    /* DECIMAL */
    uint8_t interval_from, interval_to; /* INTERVAL_*: 0 YEAR 1 MONTH, or 0 DAY 1 HOUR 2 MINUTE 3 SECOND */
    uint32_t child_count;
    const struct type *const *children;
    const char *const *names;    /* STRUCT */
    const bool *child_nullable;  /* ARRAY: containsNull, MAP: [_, valueContainsNull], STRUCT: each */
    const char *text;            /* Spark's catalogString: "decimal(15,2)", "array<struct<a:int>>" */
    const char *ddl;             /* the same for type_parse: names that are no plain words in backticks */
};

enum { DECIMAL_PRECISION_MAX = 38, TYPE_DEPTH_MAX = 64 };

const struct type *type_of(enum type_id id); /* the types without parameters (intervals: full range) */
const struct type *type_decimal(unsigned precision, unsigned scale);
const struct type *type_interval(enum type_id id, unsigned from, unsigned to);
const struct type *type_array(const struct type *element, bool contains_null);
const struct type *type_map(const struct type *key, const struct type *value, bool value_contains_null);
const struct type *type_struct(uint32_t count, const struct type *const *types, const char *const *names,
                               const bool *nullable);

/* Parses a DDL type in any case ("BIGINT", "decimal(10, 2)", "array<int>", "long", "dec"). */
WARN_UNUSED int type_parse(const char *text, const struct type **ret_type, struct error *err);
/* Spark's SQL spelling: "DECIMAL(15,2)", "ARRAY<INT>". Appended. */
void type_sql(const struct type *t, struct buf *out);

enum phys type_phys(const struct type *t); /* the widest that a column of the type may have */
static inline bool type_is_integral(const struct type *t)
{
    return t->id >= TYPE_TINYINT && t->id <= TYPE_BIGINT;
}
static inline bool type_is_numeric(const struct type *t)
{
    return t->id >= TYPE_TINYINT && t->id <= TYPE_DECIMAL;
}
static inline bool type_is_nested(const struct type *t)
{
    return t->id >= TYPE_ARRAY;
}

/* Names, types and nullability of columns. Owned by whoever holds it, mostly in an arena. */
struct field {
    const char *name;
    const struct type *type;
    bool nullable;
};
struct schema {
    uint32_t count;
    struct field *fields;
};
const struct type *schema_as_struct(const struct schema *sch);
