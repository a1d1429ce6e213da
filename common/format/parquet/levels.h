/*
 * Definition or repetition levels of one page, as bytes: runs with a length before them (v1) or in the header (v2), or the
 * deprecated packed bits, whose first value is in the highest places. Thread: the caller's.
 */
#pragma once

#include "common/format/parquet/decode.h"
#include "common/format/parquet/meta.h"

struct pq_levels {
    uint8_t max; /* 0: there are none, all are 0 */
    struct pq_rle rle;
    const uint8_t *msb; /* the packed bits, or NULL */
    uint64_t msb_idx;
};
/* Runs of exactly these bytes. */
void pq_levels_begin(struct pq_levels *lv, unsigned max, const uint8_t *p, size_t bytes);
/* Those of a v1 page of count entries, which begins at *p; *p moves behind them. NULL, or what was wrong. */
const char *pq_levels_begin_v1(struct pq_levels *lv, enum pq_encoding encoding, unsigned max, uint32_t count, const uint8_t **p,
                               const uint8_t *end);
/* The next count; false when they end before or one is above max. *ret_full counts those equal to max. */
WARN_UNUSED bool pq_levels_read(struct pq_levels *lv, uint8_t *out, uint32_t count, uint32_t *ret_full);
/* Whether the next count are one run of max: then they are consumed. */
static inline bool pq_levels_take_full(struct pq_levels *lv, uint32_t count)
{
    return !lv->msb && pq_rle_take_run(&lv->rle, count, lv->max);
}
