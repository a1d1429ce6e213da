/*
 * Aggregate functions: rows of a table, like scalar ones. State of a group is state_bytes of memory that
 * the hash table owns (zeroed at the start); bytes of variable length go to an arena of the operator.
 *
 * Partial aggregation emits the state as columns (the partial schema: one or more columns a function) that
 * merge takes again, so states cross exchanges as ordinary rows.
 */
#pragma once

#include "common/expr/expr.h"

struct agg_row;

const struct agg_row *agg_find(const char *name); /* any case; NULL: not an aggregate function */
const char *agg_name(const struct agg_row *row);
bool agg_counts(const struct agg_row *row); /* 0 of no rows, where the others are NULL */
/* Every name, ended by NULL. */
const char *const *agg_names(void);
/*
 * Builds an EXPR_AGG: coerces args by Spark's rules (casts written in place), sets type and nullable.
 * count(*) is count with one literal 1. filter may be NULL.
 */
WARN_UNUSED int agg_call(struct arena *ar, const struct query_ctx *cx, const struct agg_row *row, struct expr **args,
                         uint32_t arg_count, bool distinct, struct expr *filter, struct span span, struct expr **ret,
                         struct error *err);

/* One aggregate of a plan, its input columns given by type. */
struct agg_spec {
    const struct agg_row *row;
    const struct type *result;
    uint32_t arg_count;
    const struct type *const *arg_types;
    enum eval_mode mode;
    bool ignore_nulls;
};
enum { AGG_PARTIAL_MAX = 4 };
/* Types of the partial columns; returns how many. */
uint32_t agg_partial_types(const struct agg_spec *spec, const struct type *ret[AGG_PARTIAL_MAX]);
