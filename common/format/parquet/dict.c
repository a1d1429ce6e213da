/* A dictionary that grows; see dict.h. */
#include "common/format/parquet/dict.h"

void pq_dict_reset(struct pq_dict *d)
{
    buf_reset(&d->values);
    d->count = 0;
    if (d->slot_count)
        memset(d->slots, 0, d->slot_count * sizeof *d->slots);
}

void pq_dict_fini(struct pq_dict *d)
{
    buf_fini(&d->values);
    xfree(d->at);
    xfree(d->slots);
}

/* The bytes of an entry, after its length if it has one. */
static const char *entry(const struct pq_dict *d, uint32_t i, uint32_t *ret_bytes)
{
    const char *p = d->values.data + d->at[i];
    *ret_bytes = d->width;
    if (d->width)
        return p;
    memcpy(ret_bytes, p, 4);
    return p + 4;
}

void pq_dict_rehash(struct pq_dict *d)
{
    uint32_t count = d->slot_count ? d->slot_count * 2 : 1024;
    xfree(d->slots);
    d->slots = xcalloc(count, sizeof *d->slots);
    d->slot_count = count;
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t bytes;
        const char *p = entry(d, i, &bytes);
        uint64_t at = pq_dict_hash(d, p, bytes) & (count - 1);
        while (d->slots[at])
            at = (at + 1) & (count - 1);
        d->slots[at] = i + 1;
    }
}

void pq_dict_put_plain(const struct pq_dict *d, const uint32_t *codes, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes;
        const char *p = entry(d, codes[i], &bytes);
        if (!d->width)
            buf_add(out, &bytes, 4);
        buf_add(out, p, bytes);
    }
}
