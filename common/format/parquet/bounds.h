/*
 * The smallest and the largest of a leaf's values, of a page or a chunk: collected value by value (so the collecting is
 * inline), merged, and stored as statistics. Long texts are cut to bounds that still hold. Thread: the writer's.
 */
#pragma once

#include <math.h>

#include "common/format/parquet/form.h"

struct pq_bounds {
    bool any;
    int128_t lo, hi; /* PQ_HOLD_BOOL, PQ_HOLD_I64, PQ_HOLD_FIXED */
    double flo, fhi; /* PQ_HOLD_F */
    struct buf slo, shi;
};
void pq_bounds_fini(struct pq_bounds *b);

static inline void pq_bounds_int(struct pq_bounds *b, int128_t v)
{
    if (!b->any || v < b->lo)
        b->lo = v;
    if (!b->any || v > b->hi)
        b->hi = v;
    b->any = true;
}

static inline void pq_bounds_float(struct pq_bounds *b, double v)
{
    if (isnan(v))
        return;
    if (!b->any || v < b->flo)
        b->flo = v;
    if (!b->any || v > b->fhi)
        b->fhi = v;
    b->any = true;
}

static inline int pq_bytes_cmp(const char *a, size_t an, const char *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int c = n ? memcmp(a, b, n) : 0;
    return c ? c : (an > bn) - (an < bn);
}

static inline void pq_bounds_bytes(struct pq_bounds *b, const char *p, size_t bytes)
{
    if (!b->any || pq_bytes_cmp(p, bytes, b->slo.data, b->slo.bytes) < 0) {
        buf_reset(&b->slo);
        buf_add(&b->slo, p, bytes);
    }
    if (!b->any || pq_bytes_cmp(p, bytes, b->shi.data, b->shi.bytes) > 0) {
        buf_reset(&b->shi);
        buf_add(&b->shi, p, bytes);
    }
    b->any = true;
}

void pq_bounds_merge(struct pq_bounds *to, const struct pq_bounds *from, enum pq_hold hold);
/* Appends the bound as statistics store it; false when there is none to give. *ret_exact: it is a value. */
bool pq_bounds_put(const struct pq_bounds *b, const struct pq_form *f, bool max, struct buf *out, bool *ret_exact);
