/* Parquet's encodings; see decode.h. */
#include "common/format/parquet/decode.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static void unpack32_scalar(const uint8_t *bits, uint64_t idx, unsigned width, uint32_t *out, size_t count)
{
    uint64_t mask = width >= 32 ? UINT32_MAX : (1ull << width) - 1, bit = idx * width;
    for (size_t i = 0; i < count; i++, bit += width)
        out[i] = (uint32_t)(load64(bits + (bit >> 3)) >> (bit & 7) & mask);
}

#if defined(__x86_64__)
/*
 * Eight values of up to 25 bits lie in `width` bytes: each lane of four gets 16 bytes from where its first
 * value begins, a shuffle brings every value's bytes to its place, a variable shift aligns them.
 */
__attribute__((target("avx2"))) static void unpack32_avx2(const uint8_t *bits, uint64_t idx, unsigned width,
                                                          uint32_t *out, size_t count)
{
    if (width == 0 || width > 25) {
        unpack32_scalar(bits, idx, width, out, count);
        return;
    }
    size_t i = (8 - (idx & 7)) & 7;
    if (i > count)
        i = count;
    unpack32_scalar(bits, idx, width, out, i);
    if (count - i < 8) {
        unpack32_scalar(bits, idx + i, width, out + i, count - i);
        return;
    }
    uint8_t shuffle[32];
    uint32_t shift[8];
    unsigned high = 4 * width / 8;
    for (unsigned v = 0; v < 8; v++) {
        unsigned bit = v < 4 ? v * width : v * width - 8 * high;
        for (unsigned b = 0; b < 4; b++)
            shuffle[v * 4 + b] = (uint8_t)(bit / 8 + b > 15 ? 0x80 : bit / 8 + b);
        shift[v] = bit % 8;
    }
    __m256i sh = _mm256_loadu_si256((const __m256i *)shuffle), sr = _mm256_loadu_si256((const __m256i *)shift),
            mask = _mm256_set1_epi32((int)((1u << width) - 1));
    const uint8_t *p = bits + (idx + i) / 8 * width;
    for (; count - i >= 8; i += 8, p += width) {
        __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)),
                                            _mm_loadu_si128((const __m128i *)(p + high)), 1);
        v = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(v, sh), sr), mask);
        _mm256_storeu_si256((__m256i *)(out + i), v);
    }
    unpack32_scalar(bits, idx + i, width, out + i, count - i);
}
#endif

typedef void (*unpack_fn)(const uint8_t *, uint64_t, unsigned, uint32_t *, size_t);

static unpack_fn unpack_chosen(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return unpack32_avx2;
#endif
    return unpack32_scalar;
}

void pq_unpack32(const uint8_t *bits, uint64_t idx, unsigned width, uint32_t *out, size_t count)
{
    static unpack_fn fn; /* every thread would write the same */
    unpack_fn f = __atomic_load_n(&fn, __ATOMIC_RELAXED);
    if (UNLIKELY(!f))
        __atomic_store_n(&fn, f = unpack_chosen(), __ATOMIC_RELAXED);
    f(bits, idx, width, out, count);
}

/* ---- RLE/bit-packed hybrid ---- */

void pq_rle_init(struct pq_rle *r, const uint8_t *p, const uint8_t *end, unsigned width)
{
    *r = (struct pq_rle){.p = p, .end = end, .width = (uint8_t)width};
}

static bool rle_next(struct pq_rle *r)
{
    uint64_t head = 0;
    unsigned shift = 0;
    if (r->p == r->end && r->width == 0) { /* one value: some writers leave the runs out */
        r->packed = false;
        r->value = 0;
        r->left = UINT32_MAX;
        return true;
    }
    for (;;) {
        if (r->p >= r->end || shift > 28)
            return false;
        uint8_t b = *r->p++;
        head |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
        shift += 7;
    }
    uint64_t count = head >> 1;
    size_t have = (size_t)(r->end - r->p);
    if (head & 1) {
        uint64_t bytes = count * r->width;
        count *= 8;
        if (bytes > have) { /* the last group may be cut where its padding was */
            bytes = have;
            count = r->width ? (uint64_t)have * 8 / r->width : 0;
        }
        if (count > UINT32_MAX)
            count = UINT32_MAX;
        r->packed = true;
        r->bits = r->p;
        r->idx = 0;
        r->p += bytes;
    } else {
        size_t bytes = (r->width + 7u) / 8;
        if (bytes > have)
            return false;
        r->packed = false;
        r->value = 0;
        memcpy(&r->value, r->p, bytes);
        r->p += bytes;
        if (r->width < 32 && r->value >> r->width) /* callers rely on the width as a bound */
            return false;
    }
    r->left = (uint32_t)count;
    return true;
}

/* How many of the next count values the current run has; 0 when there are no more runs. */
static inline uint32_t rle_some(struct pq_rle *r, uint32_t count)
{
    while (r->left == 0)
        if (!rle_next(r))
            return 0;
    return r->left < count ? r->left : count;
}

bool pq_rle_read(struct pq_rle *r, uint32_t *out, uint32_t count)
{
    while (count > 0) {
        uint32_t n = rle_some(r, count);
        if (n == 0)
            return false;
        if (r->packed) {
            pq_unpack32(r->bits, r->idx, r->width, out, n);
            r->idx += n;
        } else {
            for (uint32_t i = 0; i < n; i++)
                out[i] = r->value;
        }
        r->left -= n;
        out += n;
        count -= n;
    }
    return true;
}

bool pq_rle_skip(struct pq_rle *r, uint32_t count)
{
    while (count > 0) {
        uint32_t n = rle_some(r, count);
        if (n == 0)
            return false;
        if (r->packed)
            r->idx += n;
        r->left -= n;
        count -= n;
    }
    return true;
}

PQ_HOT static uint32_t narrow(const uint32_t *in, uint8_t *out, uint32_t count, uint32_t max, uint32_t *ret_over)
{
    uint32_t full = 0, over = 0;
    for (uint32_t i = 0; i < count; i++) {
        full += in[i] == max;
        over |= in[i] > max;
        out[i] = (uint8_t)in[i];
    }
    *ret_over = over;
    return full;
}

bool pq_rle_levels(struct pq_rle *r, uint8_t *out, uint32_t count, uint8_t max, uint32_t *ret_full)
{
    uint32_t tmp[256], full = 0;
    while (count > 0) {
        uint32_t n = rle_some(r, count);
        if (n == 0)
            return false;
        if (r->packed) {
            uint32_t over;
            if (n > ARRAY_LEN(tmp))
                n = ARRAY_LEN(tmp);
            pq_unpack32(r->bits, r->idx, r->width, tmp, n);
            r->idx += n;
            full += narrow(tmp, out, n, max, &over);
            if (over)
                return false;
        } else {
            if (r->value > max)
                return false;
            memset(out, (int)r->value, n);
            full += r->value == max ? n : 0;
        }
        r->left -= n;
        out += n;
        count -= n;
    }
    *ret_full = full;
    return true;
}

bool pq_rle_take_run(struct pq_rle *r, uint32_t count, uint32_t value)
{
    while (r->left == 0)
        if (!rle_next(r))
            return false;
    if (r->packed || r->left < count || r->value != value)
        return false;
    r->left -= count;
    return true;
}

/* ---- delta ---- */

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*p >= end)
            return false;
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool pq_delta_init(struct pq_delta *d, const uint8_t *p, const uint8_t *end)
{
    uint64_t block, minis, total, first;
    if (!varint(&p, end, &block) || !varint(&p, end, &minis) || !varint(&p, end, &total) || !varint(&p, end, &first))
        return false;
    if (block == 0 || block > 1 << 20 || block % 128 || minis == 0 || minis > 1024 || block % minis ||
        (block / minis) % 32)
        return false;
    *d = (struct pq_delta){.p = p,
                           .end = end,
                           .values_per_mini = (uint32_t)(block / minis),
                           .minis = (uint32_t)minis,
                           .mini = (uint32_t)minis,
                           .left = total,
                           .last = unzigzag(first),
                           .first = total > 0};
    return true;
}

/* The next miniblock that has values; false at damage. */
static bool delta_mini(struct pq_delta *d)
{
    if (d->mini == d->minis) {
        uint64_t v;
        if (!varint(&d->p, d->end, &v) || (size_t)(d->end - d->p) < d->minis)
            return false;
        d->min_delta = unzigzag(v);
        d->widths = d->p;
        d->p += d->minis;
        d->mini = 0;
    }
    d->width = d->widths[d->mini++];
    if (d->width > 64)
        return false;
    uint64_t bytes = (uint64_t)d->values_per_mini * d->width / 8;
    if (bytes > (size_t)(d->end - d->p)) {
        /* Writers may cut the last miniblock after its last value. */
        if (((uint64_t)(d->left < d->values_per_mini ? d->left : d->values_per_mini) * d->width + 7) / 8 >
            (size_t)(d->end - d->p))
            return false;
        bytes = (size_t)(d->end - d->p);
    }
    d->bits = d->p;
    d->p += bytes;
    d->mini_idx = 0;
    d->mini_left = d->values_per_mini;
    return true;
}

static inline uint64_t bits64(const uint8_t *bits, uint64_t bit, unsigned width)
{
    uint64_t v = load64(bits + (bit >> 3)) >> (bit & 7);
    if ((bit & 7) + width > 64)
        v |= (uint64_t)bits[(bit >> 3) + 8] << (64 - (bit & 7));
    return width == 64 ? v : v & ((1ull << width) - 1);
}

bool pq_delta_read(struct pq_delta *d, int64_t *out, uint32_t count)
{
    if (count > d->left)
        return false;
    if (count > 0 && d->first) {
        *out++ = d->last;
        count--;
        d->left--;
        d->first = false;
    }
    while (count > 0) {
        if (d->mini_left == 0 && !delta_mini(d))
            return false;
        uint32_t n = d->mini_left < count ? d->mini_left : count;
        uint64_t last = (uint64_t)d->last, min = (uint64_t)d->min_delta;
        if (d->width == 0) {
            for (uint32_t i = 0; i < n; i++)
                out[i] = (int64_t)(last += min);
        } else if (d->width <= 32) {
            uint32_t tmp[128];
            if (n > ARRAY_LEN(tmp))
                n = ARRAY_LEN(tmp);
            pq_unpack32(d->bits, d->mini_idx, d->width, tmp, n);
            for (uint32_t i = 0; i < n; i++)
                out[i] = (int64_t)(last += min + tmp[i]);
        } else {
            uint64_t bit = d->mini_idx * d->width;
            for (uint32_t i = 0; i < n; i++, bit += d->width)
                out[i] = (int64_t)(last += min + bits64(d->bits, bit, d->width));
        }
        d->last = (int64_t)last;
        d->mini_idx += n;
        d->mini_left -= n;
        d->left -= n;
        out += n;
        count -= n;
    }
    return true;
}

const uint8_t *pq_delta_end(const struct pq_delta *d)
{
    struct pq_delta c = *d;
    if (c.first && c.left > 0) {
        c.left--;
        c.first = false;
    }
    while (c.left > 0) {
        if (c.mini_left == 0 && !delta_mini(&c))
            return NULL;
        uint32_t n = c.mini_left < c.left ? c.mini_left : (uint32_t)c.left;
        c.left -= n;
        c.mini_left -= n;
    }
    return c.p;
}

/* ---- kernels ---- */

PQ_HOT uint32_t pq_max32(const uint32_t *v, size_t count)
{
    uint32_t max = 0;
    for (size_t i = 0; i < count; i++)
        max = v[i] > max ? v[i] : max;
    return max;
}

void pq_gather4(const uint32_t *dict, const uint32_t *codes, uint32_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = dict[codes[i]];
}

void pq_gather8(const uint64_t *dict, const uint32_t *codes, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = dict[codes[i]];
}

void pq_gather16(const uint128_t *dict, const uint32_t *codes, uint128_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(&out[i], &dict[codes[i]], 16);
}
