/* Levels of a page; see levels.h. */
#include "common/format/parquet/levels.h"

static unsigned bits_for(unsigned max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

void pq_levels_begin(struct pq_levels *lv, unsigned max, const uint8_t *p, size_t bytes)
{
    *lv = (struct pq_levels){.max = (uint8_t)max};
    pq_rle_init(&lv->rle, p, p + bytes, bits_for(max));
}

const char *pq_levels_begin_v1(struct pq_levels *lv, enum pq_encoding encoding, unsigned max, uint32_t count, const uint8_t **p,
                               const uint8_t *end)
{
    size_t have = (size_t)(end - *p);
    *lv = (struct pq_levels){.max = (uint8_t)max};
    if (max == 0)
        return NULL;
    if (encoding == PQ_BIT_PACKED) {
        uint64_t bytes = ((uint64_t)count * bits_for(max) + 7) / 8;
        if (bytes > have)
            return "the levels of a page end too early";
        lv->msb = *p;
        *p += bytes;
        return NULL;
    }
    uint32_t bytes;
    if (encoding != PQ_RLE)
        return "the encoding of a page's levels is unknown";
    if (have < 4)
        return "a page ends before its levels";
    memcpy(&bytes, *p, 4);
    if (bytes > have - 4)
        return "the levels of a page end too early";
    pq_levels_begin(lv, max, *p + 4, bytes);
    *p += 4 + (size_t)bytes;
    return NULL;
}

static bool read_msb(struct pq_levels *lv, uint8_t *out, uint32_t count, uint32_t *ret_full)
{
    unsigned width = bits_for(lv->max);
    uint32_t full = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned v = 0;
        for (unsigned b = 0; b < width; b++) {
            uint64_t bit = (lv->msb_idx + i) * width + b;
            v = v << 1 | (lv->msb[bit >> 3] >> (7 - (bit & 7)) & 1);
        }
        if (v > lv->max)
            return false;
        out[i] = (uint8_t)v;
        full += v == lv->max;
    }
    lv->msb_idx += count;
    *ret_full = full;
    return true;
}

bool pq_levels_read(struct pq_levels *lv, uint8_t *out, uint32_t count, uint32_t *ret_full)
{
    if (lv->max == 0) {
        memset(out, 0, count);
        *ret_full = count;
        return true;
    }
    return lv->msb ? read_msb(lv, out, count, ret_full) : pq_rle_levels(&lv->rle, out, count, lv->max, ret_full);
}
