/* Shared by agg.c (typing) and agg_*.c (states). */
#pragma once

#include "common/expr/agg_state.h"

enum agg_kind {
    AGG_COUNT,
    AGG_COUNT_IF,
    AGG_SUM,
    AGG_AVG,
    AGG_MIN,
    AGG_MAX,
    AGG_FIRST,
    AGG_LAST,
    AGG_MIN_BY,
    AGG_MAX_BY,
    AGG_STDDEV_SAMP,
    AGG_STDDEV_POP,
    AGG_VAR_SAMP,
    AGG_VAR_POP,
    AGG_SKETCH,
};

struct agg_call;
struct agg_row {
    const char *name;
    uint8_t args_min, args_max;
    enum agg_kind kind;
    int (*resolve)(struct agg_call *c, struct error *err);
};

/* What sum and avg accumulate in. */
const struct type *agg_sum_type(const struct agg_spec *spec);

/* States are aligned to 8 bytes only. */
typedef int128_t i128_in_state __attribute__((aligned(8)));

/* One kept value. */
struct kept {
    union {
        int64_t i;
        double f;
        i128_in_state d;
        struct strview s;
        const struct column *nested; /* of one row, in the groups' arena: first and last only */
    } v;
    uint32_t cap;      /* bytes of room behind s.ptr */
    uint8_t seen;      /* a value (or a null, for first and last) is kept */
    uint8_t null;
};
_Static_assert(sizeof(struct kept) == 24, "kept values are three words");

extern const struct agg_ops agg_count_ops, agg_count_if_ops, agg_sum_i64_ops, agg_sum_i128_ops, agg_sum_f64_ops,
    agg_avg_f64_ops, agg_avg_i128_ops, agg_min_ops, agg_max_ops, agg_first_ops, agg_last_ops, agg_min_by_ops,
    agg_max_by_ops, agg_moments_ops, agg_sketch_ops;

/* The state of live row i. */
static inline char *agg_state(const struct agg_run *r, uint32_t i)
{
    return (r->rows ? r->rows[i] : r->one) + r->offset;
}
static inline uint32_t agg_at(const struct agg_run *r, uint32_t i)
{
    return r->sel ? r->sel[i] : i;
}
