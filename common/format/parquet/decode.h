/*
 * Parquet's encodings as decoders over plain memory: RLE/bit-packed hybrid, delta, and the kernels that
 * unpack bits and gather values. Input must be followed by PQ_PAD readable bytes (page buffers are), so
 * that the kernels may load whole words; what lies there does not matter.
 *
 * Every decoder stops at its end: a false comes back, never a read beyond. Thread: the caller's.
 */
#pragma once

#include "common/col/column.h"

enum { PQ_PAD = 96 };

#if defined(__GNUC__) && !defined(__clang__)
#define PQ_HOT __attribute__((optimize("O3")))
#else
#define PQ_HOT
#endif

/* out[i] = value at bit (idx + i) * width of bits, width 0..32. */
void pq_unpack32(const uint8_t *bits, uint64_t idx, unsigned width, uint32_t *out, size_t count);

struct pq_rle {
    const uint8_t *p, *end; /* the runs to come */
    const uint8_t *bits;    /* packed run */
    uint64_t idx;           /* of the next value in the packed run */
    uint32_t left;          /* values left in the run */
    uint32_t value;         /* of a repeated run */
    uint8_t width;
    bool packed;
};
void pq_rle_init(struct pq_rle *r, const uint8_t *p, const uint8_t *end, unsigned width);
/* False when the runs end before count values. */
WARN_UNUSED bool pq_rle_read(struct pq_rle *r, uint32_t *out, uint32_t count);
WARN_UNUSED bool pq_rle_skip(struct pq_rle *r, uint32_t count);
/* Levels as bytes; false also when one is above max. *ret_full counts those equal to max. */
WARN_UNUSED bool pq_rle_levels(struct pq_rle *r, uint8_t *out, uint32_t count, uint8_t max, uint32_t *ret_full);
/* Whether the next count values are one repeated run of value: then they are consumed. */
bool pq_rle_take_run(struct pq_rle *r, uint32_t count, uint32_t value);

/* DELTA_BINARY_PACKED as a stream; 32-bit columns wrap the 64-bit values. */
struct pq_delta {
    const uint8_t *p, *end; /* the next block or miniblock header */
    const uint8_t *widths, *bits;
    uint32_t values_per_mini, minis, mini; /* mini: number of the next miniblock in this block */
    uint32_t mini_left;     /* values left in the current miniblock, padding included */
    uint64_t mini_idx;
    unsigned width;
    uint64_t left;          /* values left in the stream, the first one included */
    int64_t min_delta, last;
    bool first;
};
WARN_UNUSED bool pq_delta_init(struct pq_delta *d, const uint8_t *p, const uint8_t *end);
WARN_UNUSED bool pq_delta_read(struct pq_delta *d, int64_t *out, uint32_t count);
/* Where the stream ends; NULL when damaged. Leaves d as it is. */
const uint8_t *pq_delta_end(const struct pq_delta *d);

/* Largest of count codes: to check them against a dictionary. */
uint32_t pq_max32(const uint32_t *v, size_t count);
void pq_gather4(const uint32_t *dict, const uint32_t *codes, uint32_t *out, size_t count);
void pq_gather8(const uint64_t *dict, const uint32_t *codes, uint64_t *out, size_t count);
void pq_gather16(const uint128_t *dict, const uint32_t *codes, uint128_t *out, size_t count);
