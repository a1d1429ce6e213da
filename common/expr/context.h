/*
 * The frozen context of a query: what an expression may depend on besides its rows. Made once on the
 * driver when the query starts, sent with every stage plan, never changed. Thread: any.
 */
#pragma once

#include "common/base/base.h"

struct zone; /* zone.h: a time zone's rules */

struct query_ctx {
    int64_t now_us;          /* current_timestamp of the whole query, UTC */
    const struct zone *zone; /* session time zone, process-wide object */
    const char *zone_name;
    uint64_t seed;           /* of rand(), uuid(), ... mixed with stage and partition */
    bool ansi;               /* spark.sql.ansi.enabled */
    const char *user;
    const char *catalog, *database; /* current_catalog(), current_database() */
    const bool *cancel;      /* on the driver while it plans: set by another thread once nobody wants the query; NULL: never */
};

/* Looked at in loops whose end depends on data. */
static inline bool query_is_cancelled(const struct query_ctx *cx)
{
    return cx->cancel && __atomic_load_n(cx->cancel, __ATOMIC_RELAXED);
}
