/*
 * A dictionary that grows: distinct values of a leaf, plain-encoded one after the other, found again by hash. Looking up
 * is inline, since it is done for every value. Thread: the writer's.
 */
#pragma once

#include "common/base/base.h"

struct pq_dict {
    uint32_t width;      /* bytes of a value, 0: varies, then with a length before it */
    struct buf values;   /* the page's body */
    uint32_t *at;        /* where each entry begins in it */
    uint32_t count, cap;
    uint32_t *slots;     /* entry + 1 by hash */
    uint32_t slot_count; /* a power of two, or 0 */
};
void pq_dict_reset(struct pq_dict *d);
void pq_dict_fini(struct pq_dict *d);
void pq_dict_rehash(struct pq_dict *d);
/* Appends the entries of these codes as plain values. */
void pq_dict_put_plain(const struct pq_dict *d, const uint32_t *codes, uint32_t count, struct buf *out);

static inline uint64_t pq_dict_hash(const struct pq_dict *d, const char *p, size_t bytes)
{
    if (d->width == 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        return hash_u64(v);
    }
    if (d->width == 4) {
        uint32_t v;
        memcpy(&v, p, 4);
        return hash_u64(v);
    }
    return hash_bytes(p, bytes, 0);
}

/* The code of a value, which is added when it is new. */
static inline uint32_t pq_dict_code(struct pq_dict *d, const char *p, uint32_t bytes)
{
    if (d->count * 2 >= d->slot_count)
        pq_dict_rehash(d);
    uint64_t mask = d->slot_count - 1, at = pq_dict_hash(d, p, bytes) & mask;
    for (; d->slots[at]; at = (at + 1) & mask) {
        const char *q = d->values.data + d->at[d->slots[at] - 1];
        if (d->width) {
            if (d->width == 8 ? memcmp(p, q, 8) == 0 : memcmp(p, q, bytes) == 0)
                return d->slots[at] - 1;
        } else {
            uint32_t n;
            memcpy(&n, q, 4);
            if (n == bytes && memcmp(p, q + 4, n) == 0)
                return d->slots[at] - 1;
        }
    }
    ARRAY_GROW(d->at, d->count, d->cap);
    d->at[d->count++] = (uint32_t)d->values.bytes;
    d->slots[at] = d->count;
    if (!d->width)
        buf_add(&d->values, &bytes, 4);
    buf_add(&d->values, p, bytes);
    return d->count - 1;
}
