/*
 * One leaf column of one row group at a time, as a stream of rows: pages (page_source.h) are taken apart into levels and
 * values as rows are asked for; rows that nobody wants are passed over, whole pages of them without decompressing.
 *
 * Lifetime of what comes out: until the next read of the same leaf (dictionaries: until the next chunk). Thread: the
 * reader's.
 */
#pragma once

#include "common/format/parquet/levels.h"
#include "common/format/parquet/values.h"

struct pq_leaf {
    /* For the reader's life. */
    const struct pq_node *node;
    const struct type *type;
    struct pq_conv conv;
    uint64_t *pages_skipped;   /* a counter of the reader */

    /* The chunk. */
    struct pq_page_source source;
    const struct pq_chunk *chunk;
    uint64_t entries_left;     /* of the chunk, not yet in a loaded page */
    uint64_t skip;             /* rows to pass over before the next read */
    const struct pq_location *locations; /* pages, when the offset index was read */
    uint32_t location_count;

    /* The page. */
    struct pq_bytes *body;     /* decompressed, or NULL */
    uint32_t page_left;        /* entries not yet consumed */
    struct pq_levels def, rep;
    struct pq_values values;

    /* The dictionary: values converted, one null entry more at dict_count. */
    struct pq_bytes *dict_body;
    void *dict;
    size_t dict_cap;
    uint32_t dict_count;
    uint64_t dict_id;          /* 0: none in this chunk */
    uint8_t *dict_nulls;
    size_t dict_nulls_cap;

    /* The batch. */
    void *out, *raw;           /* values: converted, and before */
    size_t out_cap, raw_cap;
    uint32_t *codes;
    size_t codes_cap;
    uint8_t *nulls;
    size_t nulls_cap;

    /* Entries of repeated columns. */
    uint8_t *lv_def, *lv_rep;  /* decoded, not consumed */
    size_t lv_def_cap, lv_rep_cap;
    uint32_t lv_at, lv_count;
    uint8_t *e_def, *e_rep;    /* of the batch */
    size_t e_def_cap, e_rep_cap;
    uint32_t entry_count, value_count;
};

/* What a reader's leaves share: the file, memory, counters. What it points to outlives them. */
struct pq_file {
    const char *path;
    int fd;
    struct pq_mem *mem;
    struct pq_codecs *codecs;
    uint64_t *bytes_read, *pages_skipped;
};
void pq_leaf_init(struct pq_leaf *l, const struct pq_file *file, const struct pq_node *node, const struct type *type,
                  struct pq_conv conv);
void pq_leaf_fini(struct pq_leaf *l);
/* Starts a row group's chunk. The page locations may be NULL. */
void pq_leaf_begin(struct pq_leaf *l, const struct pq_chunk *chunk, const struct pq_location *locations,
                   uint32_t location_count);
/* Loads the dictionary when the chunk starts with one: dict_id tells. */
WARN_UNUSED int pq_leaf_dictionary(struct pq_leaf *l, struct error *err);
/* Passes over rows: nothing is done before the next read. */
static inline void pq_leaf_skip(struct pq_leaf *l, uint64_t rows)
{
    l->skip += rows;
}
/*
 * The next count rows of a leaf without repetition (count <= BATCH_ROWS). Only the selected ones are
 * defined; sel NULL: all. keep_codes: the result may be DICT, when the whole of it is.
 */
WARN_UNUSED int pq_leaf_read(struct pq_leaf *l, uint32_t count, const uint16_t *sel, uint32_t sel_count,
                             bool keep_codes, struct column *ret, struct error *err);
/* A DICT column of this leaf made flat for the selected rows. */
void pq_leaf_flatten(struct pq_leaf *l, struct column *col, const uint16_t *sel, uint32_t sel_count);
/*
 * The next rows of any leaf as levels and dense values: e_def, e_rep (entry_count) and out (value_count
 * converted values).
 */
WARN_UNUSED int pq_leaf_entries(struct pq_leaf *l, uint32_t rows, struct error *err);
