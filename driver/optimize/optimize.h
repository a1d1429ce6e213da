/*
 * The optimizer: a bound logical plan in, an equivalent one out that names no subquery, set operation or
 * DISTINCT any more, whose filters lie as low as they may and whose inner joins are ordered by cost. One
 * file per rule; optimize() runs them in a fixed order. Thread: a planning worker; everything is in ar.
 */
#pragma once

#include "driver/analyze/logical.h"

struct estimates; /* rows and column ranges of plan nodes, made as asked; see estimate.h */

struct optimize_env {
    const bool *cancel;   /* looked at between rules; may be NULL */
    bool no_join_reorder; /* spark.sql.drover.* switches of tests: keep the order that was written */
    struct file_stats *(*table_stats)(const struct table_ref *table, void *ctx); /* NULL: footers are read */
    void *table_stats_ctx;
    struct estimates *ret_estimates; /* out: for physical_plan */
};

WARN_UNUSED int optimize(struct arena *ar, const struct query_ctx *cx, const struct logical *lp, struct optimize_env *env,
                         const struct logical **ret, struct error *err);
