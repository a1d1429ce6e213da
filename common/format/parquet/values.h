/*
 * The values of one page behind its levels, in any encoding: decoded into a batch, under a selection where that saves
 * work, or passed over. Only dense values are here; who is null is the levels' matter. Views point into the page, or
 * into the arena where strings must be put together, until the batch's end. Thread: the reader's.
 */
#pragma once

#include "common/format/parquet/convert.h"
#include "common/format/parquet/page_source.h"

enum pq_mode { PQ_MODE_PLAIN, PQ_MODE_DICT, PQ_MODE_DELTA, PQ_MODE_DELTA_LENGTH, PQ_MODE_DELTA_BYTES, PQ_MODE_SPLIT,
               PQ_MODE_RLE };

struct pq_values {
    struct pq_page_source *source; /* its memory, and its place in messages */
    const struct pq_node *node;
    enum pq_raw raw;               /* how they come out */
    struct arena arena;            /* strings made for the batch: kept bytes of them, up to kept_cap reserved */
    size_t kept, kept_cap;

    enum pq_mode mode;
    const uint8_t *data, *data_end;
    struct pq_rle codes;           /* of a dictionary; booleans */
    struct pq_delta delta, delta2; /* values or lengths; prefix lengths, suffix lengths */
    uint32_t split_at, split_count; /* BYTE_STREAM_SPLIT */
    uint32_t bool_at;              /* bits consumed */
    char *last;                    /* DELTA_BYTE_ARRAY: the value before */
    size_t last_cap;
    uint32_t last_bytes;
    int64_t *lengths, *suffixes;
    size_t lengths_cap, suffixes_cap;
};
void pq_values_init(struct pq_values *v, struct pq_page_source *source, const struct pq_node *node, enum pq_raw raw);
void pq_values_fini(struct pq_values *v);
void pq_values_recycle(struct pq_values *v); /* a batch begins */
uint32_t pq_raw_bytes(enum pq_raw raw);
uint32_t pq_plain_width(const struct pq_node *n); /* bytes of a plain value, 0: varies or less than a byte */

/* Values of this encoding lie at [p, end). ERR_FILE_DAMAGED. */
WARN_UNUSED int pq_values_begin(struct pq_values *v, enum pq_encoding encoding, const uint8_t *p, const uint8_t *end,
                                struct error *err);
/*
 * The next count values (not of PQ_MODE_DICT) to raw[at...], or nowhere when raw is NULL. sel are batch rows in
 * [at, at + count): then only those need to be made. ERR_FILE_DAMAGED, ERR_TASK_MEMORY.
 */
WARN_UNUSED int pq_values_read(struct pq_values *v, void *raw, uint32_t at, uint32_t count, const uint16_t *sel, uint32_t sel_count,
                               struct error *err);
/* The next count plain numbers where they lie, NULL when they must be read; they go with the page. */
const void *pq_values_lend(struct pq_values *v, uint32_t count);
/* The next count codes, all below dict_count. */
WARN_UNUSED int pq_values_codes(struct pq_values *v, uint32_t *out, uint32_t count, uint32_t dict_count, struct error *err);
WARN_UNUSED int pq_values_skip(struct pq_values *v, uint32_t count, struct error *err);
