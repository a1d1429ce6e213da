/*
 * A histogram of durations: four buckets per power of two, so a percentile read from it is at most 25 % above the
 * true one. Adding costs a few instructions; 512 bytes hold everything from a microsecond to an hour.
 */
#pragma once

#include "common/base/base.h"

enum { LATENCY_BUCKETS = 128 };

struct latency {
    uint32_t counts[LATENCY_BUCKETS];
};

static inline uint32_t latency_bucket(uint64_t us)
{
    if (us > UINT32_MAX)
        us = UINT32_MAX;
    if (us < 4)
        return (uint32_t)us;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(us);
    return (log - 1) * 4 + (uint32_t)(us >> (log - 2) & 3);
}

/* The largest duration that falls into the bucket. */
static inline uint64_t latency_edge(uint32_t bucket)
{
    if (bucket < 4)
        return bucket;
    uint32_t log = bucket / 4 + 1;
    return ((uint64_t)(4 + bucket % 4 + 1) << (log - 2)) - 1;
}

static inline void latency_add(struct latency *l, int64_t us)
{
    l->counts[latency_bucket(us > 0 ? (uint64_t)us : 0)]++;
}

/* The upper edge of the bucket that holds the given share of what was added; 0 when nothing was. */
static inline uint64_t latency_at(const struct latency *l, double share)
{
    uint64_t all = 0, seen = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        all += l->counts[i];
    for (uint32_t i = 0; all && i < LATENCY_BUCKETS; i++) {
        seen += l->counts[i];
        if ((double)seen >= share * (double)all && l->counts[i])
            return latency_edge(i);
    }
    return 0;
}
