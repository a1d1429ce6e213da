/*
 * A column is a borrowed view of values in memory; a batch is up to BATCH_ROWS rows in columns.
 *
 * Layout: as Arrow, except that strings are 16-byte views holding a pointer (German strings), nulls and
 * booleans are a byte a row (kernels stay branch-free without bit fiddling; 2 KiB a column of a batch),
 * and decimals may be narrower than their precision asks: phys says how they lie.
 *
 * Three encodings: FLAT (one value a row), CONST (one value for all rows), DICT (a u32 code a row into a
 * flat dictionary, whose entries may be null too). Kernels that do not care call column_flatten first.
 *
 * Lifetime: whoever pushes a batch down a pipeline keeps the memory valid until the push returns, no
 * longer. Who needs rows for longer copies them into a builder (builder.h), which seals them into a
 * `struct sealed`, immutable and reference-counted.
 *
 * Selections: a batch may carry sel, the ascending row numbers that are alive. Kernels compute only the
 * selected rows and leave the others of their output undefined; positions never move under a selection.
 */
#pragma once

#include "common/col/type.h"

/* Rows a batch holds at most: one constant, chosen by measurement (README.md). Tests lower batch_rows(). */
enum { BATCH_ROWS = 2048 };
uint32_t batch_rows(void);            /* BATCH_ROWS unless the setting drover.batch.rows lowered it */
void batch_rows_set(uint32_t rows);   /* 1..BATCH_ROWS; before any batch exists */

/* A string or binary value: up to 12 bytes inside, longer ones by pointer with their first 4 beside. */
struct strview {
    uint32_t bytes;
    union {
        char inl[12];
        struct {
            char prefix[4];
            const char *ptr __attribute__((packed, aligned(4)));
        };
    };
};
_Static_assert(sizeof(struct strview) == 16, "two words");
enum { STRVIEW_INLINE = 12 };

static inline const char *strview_data(const struct strview *s)
{
    return s->bytes <= STRVIEW_INLINE ? s->inl : s->ptr;
}
/* The unused bytes of an inlined view are zero: two views compare by their 16 bytes when inlined. */
static inline struct strview strview_make(const char *p, uint32_t bytes)
{
    struct strview s;
    s.bytes = bytes;
    if (bytes <= STRVIEW_INLINE) {
        memset(s.inl, 0, sizeof s.inl);
        memcpy(s.inl, p, bytes);
    } else {
        memcpy(s.prefix, p, 4);
        s.ptr = p;
    }
    return s;
}
static inline bool strview_eq(const struct strview *a, const struct strview *b)
{
    uint64_t wa, wb;
    memcpy(&wa, a, 8);
    memcpy(&wb, b, 8);
    if (wa != wb) /* length and prefix at once */
        return false;
    if (a->bytes <= STRVIEW_INLINE)
        return memcmp(a->inl + 4, b->inl + 4, 8) == 0;
    return memcmp(a->ptr + 4, b->ptr + 4, a->bytes - 4) == 0;
}
int strview_cmp(const struct strview *a, const struct strview *b); /* bytewise, as Spark's UTF8_BINARY */

struct listview {
    uint32_t offset, count; /* of the child's rows */
};

enum col_kind { COL_FLAT, COL_CONST, COL_DICT };

struct column {
    const struct type *type;
    enum phys phys;
    enum col_kind kind;
    uint32_t rows;        /* logical rows, also for CONST */
    const uint8_t *nulls; /* FLAT: a byte a row, 1 = null; CONST: one byte; DICT: of the dictionary; NULL: none null */
    const void *data;     /* FLAT: rows values; CONST: one value; DICT: the dictionary's values */
    const uint32_t *codes; /* DICT: rows codes, each < dict_rows (unselected rows too) */
    uint32_t dict_rows;
    uint64_t dict_id;     /* DICT: equal non-zero ids mean the same dictionary, so work per entry can be kept */
    struct column *children; /* child_count of the type; children are FLAT */
};

struct batch {
    uint32_t rows;
    uint32_t col_count;
    struct column *cols;
    const uint16_t *sel; /* ascending live rows, or NULL: all */
    uint32_t sel_count;  /* live rows: rows when sel is NULL */
};

uint32_t phys_bytes(enum phys phys); /* bytes of one value in data; 0 for PHYS_STRUCT */

/* Physical index of row i: codes and constants resolved. */
static inline uint32_t column_idx(const struct column *col, uint32_t row)
{
    return col->kind == COL_FLAT ? row : col->kind == COL_CONST ? 0 : col->codes[row];
}
static inline bool column_is_null(const struct column *col, uint32_t row)
{
    return col->nulls && col->nulls[column_idx(col, row)];
}

/* A flat view of col (col itself when it is flat); data comes from ar. Only selected rows are defined. */
struct column column_flatten(const struct column *col, const uint16_t *sel, uint32_t sel_count, struct arena *ar);
/* A constant column of `rows` rows that are all null. */
struct column column_null(const struct type *type, uint32_t rows, struct arena *ar);
/* Decimals: the same column with PHYS_I128 values. */
struct column column_widen(const struct column *col, struct arena *ar);
/*
 * A flat column of the rows idx[0..count) of col in that order, memory from ar, string bytes still those of
 * col. UINT32_MAX in idx gives a null row.
 */
struct column column_gather(const struct column *col, const uint32_t *idx, uint32_t count, struct arena *ar);

/*
 * Hash of each selected row into hashes[row]; combine=false overwrites, true mixes into what is there.
 * Equal values hash equally whatever kind and phys they have; null hashes as a value of its own; -0.0
 * hashes as 0.0 and all NaNs alike (Spark groups them so). Stable across processes and versions of a run:
 * exchanges partition by it.
 */
void column_hash(const struct column *col, const uint16_t *sel, uint32_t sel_count, uint64_t *hashes, bool combine);
/* Equality of two rows for grouping: null equals null, NaN equals NaN, -0.0 equals 0.0; types are equal. */
bool column_eq(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b);
/* Order of two rows, nulls first: <0, 0, >0. NaN is the largest. Arrays and structs by elements. */
int column_cmp(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b);

/* Text of a cell, appended; null prints as null_text. Timestamps in the zone (NULL: UTC), doubles in Java's shortest
 * form. As a cast to string makes it: {1, x}, [1, 2], INTERVAL '1' DAY; or as Spark's SQL shell shows it:
 * {"a":1,"b":"x"}, [1,2], 1 00:00:00.000000000. */
struct zone; /* common/expr/zone.h; NULL is UTC */
void column_format(const struct column *col, uint32_t row, const struct zone *zone, const char *null_text,
                   struct buf *out);
void column_format_shell(const struct column *col, uint32_t row, const struct zone *zone, const char *null_text,
                         struct buf *out);
/* Set by common/expr/zone.c when it is linked: the clock of a zone at a moment. NULL: UTC. */
extern int64_t (*column_zone_local_fn)(const struct zone *zone, int64_t utc_us);
/* Used by column_format, casts and writers. Appended. */
void format_double(double v, struct buf *out);
void format_float(float v, struct buf *out);
void format_decimal(int128_t unscaled, unsigned scale, struct buf *out); /* plain: no exponent */
void format_decimal_java(int128_t unscaled, unsigned scale, struct buf *out); /* BigDecimal.toString: small ones have an exponent */
void format_date(int32_t days, struct buf *out);
void format_timestamp(int64_t local_us, struct buf *out); /* trailing zeros of the fraction dropped */
void format_interval(const struct type *t, int64_t value, struct buf *out); /* "INTERVAL '1-2' YEAR TO MONTH" */

/* Towards minus infinity, as days go before 1970; b > 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
static inline int64_t floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

/* Proleptic Gregorian calendar. */
int32_t days_from_civil(int64_t year, unsigned month, unsigned day);
void civil_from_days(int32_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);
