/*
 * The table of scalar functions. A row says how arguments are coerced and what comes out, what null does,
 * whether it can raise, whether it is deterministic, and which kernel computes it. Rows live in families
 * (fn_*.c); fn.c lists the families. Names are lower case. Thread: any, all of it is constant.
 */
#pragma once

#include "common/expr/decimal.h"
#include "common/expr/expr.h"

/* What resolving works on: args may be replaced (casts), type, nullable and mode are to be set. */
struct fn_call {
    struct arena *ar;
    const struct query_ctx *cx;
    const struct fn_row *row;
    struct span span;
    struct expr **args;
    uint32_t arg_count;
    const struct type *type;
    bool nullable;
    enum eval_mode mode;
    bool bare;          /* named as what it became */
    struct expr *whole; /* set instead of all that: the call is another expression (see fn_become) */
};

/* What a kernel keeps from batch to batch, one per step and running program: a compiled pattern, a table. */
struct kernel_cache {
    void *data;
    void (*fini)(void *data); /* called when the program's state goes, or by kernel_cache_set */
};

/* What a kernel works in. Kernels write selected rows of out and leave the others alone. */
struct kernel {
    struct arena *ar;           /* scratch and results: reset with the next batch */
    const struct expr *node;
    const struct query_ctx *cx;
    uint32_t rows;
    const uint16_t *sel;        /* never NULL when sel_count < rows */
    uint32_t sel_count;
    const uint8_t *nulls;       /* rows that are null by the null rule, or NULL; values there are garbage */
    struct kernel_cache *cache; /* never NULL; empty at first */
    struct rng *rng;
    uint32_t partition;
    struct account *account;    /* of ar, or NULL */
    size_t *charged;            /* of ar, reserved from account */
    struct error *err;          /* set by raise */
};

typedef int (*kernel_fn)(struct kernel *k, const struct column *args, struct column *out);

enum fn_flags {
    FN_NULL_ANY = 1,    /* any null argument: null, kernel need not look */
    FN_RAISES = 2,      /* under ANSI may raise for some values */
    FN_RANDOM = 4,      /* not deterministic */
    FN_LAZY = 8,        /* program.c evaluates arguments itself: and, or, case, if, coalesce */
    FN_FLAT = 16,       /* the kernel wants all arguments flat, constants too */
    FN_NEVER_NULL = 32, /* result is never null */
    FN_BARE = 128,      /* a column without alias is named as the argument alone */
    FN_OWN_NULLS = 64,  /* the kernel sets nulls of its own (fallible functions that give NULL) */
    FN_RAISES_ALWAYS = 256,  /* may raise for some values, under ANSI or not */
    FN_RAISES_PATTERN = 512, /* so, but only by what an argument past the first has: not when they are literals */
};

struct fn_row {
    const char *name;
    uint8_t args_min, args_max; /* 255: any number */
    uint32_t flags;
    int (*resolve)(struct fn_call *c, struct error *err);
    kernel_fn kernel;
    const char *doc;
};

int fn_missing(const char *name, struct span span, struct error *err); /* UNRESOLVED_ROUTINE, with the nearest name there is */
bool fn_raises(const struct expr *call); /* whether the function may raise for some values; not its arguments */
const struct fn_row *fn_find(const char *name); /* any case; NULL */
/* All rows in order of families; NULL past the end. */
const struct fn_row *fn_at(uint32_t index);

extern const struct fn_row fn_arith_rows[], fn_compare_rows[], fn_logic_rows[], fn_string_rows[], fn_date_rows[],
    fn_cast_rows[], fn_math_rows[], fn_hash_rows[], fn_regex_rows[], fn_like_rows[], fn_format_rows[],
    fn_datetime_rows[], fn_bit_rows[], fn_misc_rows[], fn_text_rows[], fn_charset_rows[]; /* each ended by a row without a name */

/* Resolvers shared by families: cast every argument to the type, set the result. */
int fn_cast_arg(struct fn_call *c, uint32_t i, const struct type *type, struct error *err);
bool fn_any_nullable(const struct fn_call *c);

/* Allocates flat data for the result: rows values of out->phys (set it before when not type_phys(node->type)). */
void *kernel_out(struct kernel *k, struct column *out);
/* Writable nulls of out, a copy of k->nulls or zeroed. */
uint8_t *kernel_nulls(struct kernel *k, struct column *out);
/* Replaces what is kept. */
void kernel_cache_set(struct kernel *k, void *data, void (*fini)(void *data));
/* Reserves what the kernel's arena has grown by. */
WARN_UNUSED int kernel_charge(struct kernel *k);
/*
 * Before a value of so many bytes is made, by kernels whose results may be much larger than their arguments: there is
 * memory for it, and it is no longer than a text may be (2 GiB).
 */
WARN_UNUSED int kernel_ask(struct kernel *k, uint64_t bytes);
/* Sets the error with the node's span. */
int kernel_raise(struct kernel *k, enum errcode code, ...) __attribute__((sentinel, cold));

/* for (KERNEL_EACH(k, r)): r runs over the live rows. */
#define KERNEL_EACH(k, r)                                                                          \
    uint32_t i_##r = 0, r = 0;                                                                     \
    i_##r < (k)->sel_count && ((r = (k)->sel ? (k)->sel[i_##r] : i_##r), true);                    \
    i_##r++

/* A text that is no interval of the type: INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING, with what it should look like. */
int interval_unmatched(const struct type *t, const char *input, struct error *err);
/* A text as messages show it: in single quotes, with a backslash before quotes and backslashes; appended. */
void text_quoted(const char *p, size_t bytes, struct buf *out);
