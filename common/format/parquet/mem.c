/* See mem.h. */
#include "common/format/parquet/mem.h"

int pq_mem_grow(struct pq_mem *m, void *pp, size_t *cap, size_t need, struct error *err)
{
    void **p = pp;
    if (need <= *cap)
        return 0;
    size_t want = *cap ? *cap + *cap / 2 : 0;
    if (want < need)
        want = need;
    want = (want + 63) & ~(size_t)63;
    TRY(account_reserve(m->account, want - *cap, err));
    m->bytes += want - *cap;
    *p = xrealloc(*p, want);
    *cap = want;
    return 0;
}

void pq_mem_free(struct pq_mem *m, void *pp, size_t *cap)
{
    void **p = pp;
    if (*cap)
        account_release(m->account, *cap);
    m->bytes -= *cap;
    xfree(*p);
    *p = NULL;
    *cap = 0;
}
