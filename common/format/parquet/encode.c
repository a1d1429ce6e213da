/* The writer's encodings; see encode.h. */
#include "common/format/parquet/encode.h"

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_addc(out, (char)(v | 0x80));
        v >>= 7;
    }
    buf_addc(out, (char)v);
}

/* count values as groups of eight; the last group is filled with zeros. */
static void put_packed(const uint32_t *v, size_t count, unsigned width, struct buf *out)
{
    size_t groups = (count + 7) / 8, bytes = groups * width;
    if (count == 0)
        return;
    put_varint(out, (uint64_t)groups << 1 | 1);
    buf_reserve(out, bytes + 8);
    uint8_t *p = (uint8_t *)out->data + out->bytes;
    uint64_t acc = 0;
    unsigned have = 0;
    for (size_t i = 0; i < groups * 8; i++) {
        acc |= (uint64_t)(i < count ? v[i] : 0) << have;
        have += width;
        while (have >= 8) {
            *p++ = (uint8_t)acc;
            acc >>= 8;
            have -= 8;
        }
    }
    out->bytes += bytes;
    out->data[out->bytes] = 0;
}

void pq_rle_encode(const uint32_t *v, size_t count, unsigned width, struct buf *out)
{
    size_t from = 0, at = 0; /* [from, at) waits to be packed */
    while (at < count) {
        size_t run = 1, pad = (8 - (at - from) % 8) % 8;
        while (at + run < count && v[at + run] == v[at])
            run++;
        if (run >= 8 + pad) {
            at += pad;
            put_packed(v + from, at - from, width, out);
            put_varint(out, (uint64_t)(run - pad) << 1);
            uint32_t value = v[at];
            buf_add(out, &value, (width + 7) / 8);
            at += run - pad;
            from = at;
        } else {
            at += run;
        }
    }
    put_packed(v + from, count - from, width, out);
}

void pq_pack_bits(const uint8_t *v, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i += 8) {
        uint8_t b = 0;
        for (size_t k = 0; k < 8 && i + k < count; k++)
            b = (uint8_t)(b | (v[i + k] & 1) << k);
        buf_addc(out, (char)b);
    }
}
