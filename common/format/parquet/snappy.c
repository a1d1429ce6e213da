/*
 * Snappy's block format, decompressed. The distribution's library spends its time in calls of memmove for
 * literals of a few bytes; this one moves 32 bytes at once whether they are wanted or not, into buffers that
 * have room behind, and treats literals and copies alike so that the branches it has are mostly foreseen
 * (measured on lineitem: README.md).
 */
#include "common/format/parquet/codec.h"
#include "common/format/parquet/decode.h"

static inline void move16(uint8_t *d, const uint8_t *s)
{
    uint64_t a, b;
    memcpy(&a, s, 8);
    memcpy(&b, s + 8, 8);
    memcpy(d, &a, 8);
    memcpy(d + 8, &b, 8);
}

/* A copy from less than 16 bytes before: it repeats what it writes. len <= 64; up to 80 bytes are written. */
static inline void copy_near(uint8_t *d, size_t offset, size_t len)
{
    const uint8_t *s = d - offset;
    if (offset < 8) { /* eight bytes singly; from there a multiple of the offset reaches back far enough */
        static const uint8_t back[8] = {0, 8, 8, 9, 8, 10, 12, 14};
        for (unsigned i = 0; i < 8; i++)
            d[i] = s[i];
        s = d + 8 - back[offset];
        for (size_t i = 8; i < len; i += 8, s += 8)
            memmove(d + i, s, 8);
        return;
    }
    for (size_t i = 0; i < len; i += 8)
        memmove(d + i, s + i, 8);
}

bool pq_snappy(const uint8_t *p, size_t bytes, uint8_t *dst, size_t dst_bytes)
{
    const uint8_t *end = p + bytes;
    uint8_t *d = dst, *dst_end = dst + dst_bytes;
    uint64_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (p == end || shift > 28)
            return false;
        size |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80))
            break;
    }
    if (size != dst_bytes)
        return false;
    while (p < end) {
        uint8_t tag = *p;
        size_t len, offset, room = (size_t)(dst_end - d);
        if ((tag & 3) == 0) {
            len = tag >> 2;
            p++;
            if (UNLIKELY(len >= 60)) { /* one to four bytes of length */
                uint32_t v;
                unsigned more = (unsigned)len - 59;
                memcpy(&v, p, 4);
                len = more == 4 ? v : v & ((1u << (8 * more)) - 1);
                if (more > (size_t)(end - p))
                    return false;
                p += more;
            }
            len++;
            if (UNLIKELY(len > (size_t)(end - p) || len > room))
                return false;
            if (len <= 32) {
                move16(d, p);
                move16(d + 16, p + 16);
            } else {
                memcpy(d, p, len);
            }
            p += len;
            d += len;
            continue;
        }
        uint32_t v;
        memcpy(&v, p + 1, 4);
        if ((tag & 3) == 1) {
            len = (tag >> 2 & 7) + 4u;
            offset = (size_t)(tag >> 5) << 8 | (v & 0xff);
            p += 2;
        } else {
            len = (tag >> 2) + 1u;
            offset = (tag & 3) == 2 ? v & 0xffff : v;
            p += (tag & 3) == 2 ? 3 : 5;
        }
        if (UNLIKELY(p > end || offset - 1 >= (size_t)(d - dst) || len > room)) /* offset 0 wraps */
            return false;
        if (LIKELY(offset >= 16)) {
            const uint8_t *s = d - offset;
            move16(d, s);
            move16(d + 16, s + 16);
            if (UNLIKELY(len > 32)) {
                move16(d + 32, s + 32);
                move16(d + 48, s + 48);
            }
        } else {
            copy_near(d, offset, len);
        }
        d += len;
    }
    return d == dst_end;
}
