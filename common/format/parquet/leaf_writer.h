/*
 * One leaf column of one row group on its way out: levels and values go into a page, full pages are compressed at once
 * and wait for the group's end. Values are codes into a dictionary that grows with the group, or plain once it has
 * proved useless or grown too large. What a footer must know of the chunk is collected meanwhile. Thread: the writer's.
 */
#pragma once

#include "common/col/column.h"
#include "common/format/parquet/bounds.h"
#include "common/format/parquet/codec.h"
#include "common/format/parquet/dict.h"

enum { PQ_PAGE_ROWS = 20000, PQ_PAGE_BYTES = 1 << 20 };

struct pq_page_meta {
    uint64_t offset; /* in the chunk's data pages */
    uint32_t bytes;
    int64_t first_row;
    int64_t null_count;
    bool all_null;
    uint32_t min_at, min_bytes, max_at, max_bytes; /* in bound_bytes */
};

struct pq_chunk_meta {
    int64_t value_count, bytes, bytes_raw, null_count, distinct; /* -1 unknown */
    uint64_t dict_offset, data_offset;
    bool has_dict;
    uint32_t dict_pages, plain_pages; /* data pages by encoding */
    struct buf min, max;
    bool has_min, has_max, exact_max;
    bool index; /* every page has bounds */
    struct pq_page_meta *pages;
    uint32_t page_count;
    struct buf bound_bytes;
    uint64_t column_index, offset_index;
    uint32_t column_index_bytes, offset_index_bytes;
};
void pq_chunk_meta_fini(struct pq_chunk_meta *m);

/* What turns the bodies of pages into compressed pages with headers: one for all leaves of a writer. */
struct pq_press {
    const char *path; /* for messages */
    enum pq_codec codec;
    struct pq_codecs codecs;
    struct buf raw, packed;
};
void pq_press_fini(struct pq_press *p);

struct pq_leaf_writer {
    struct pq_form form;
    bool optional;     /* the leaf itself may be null */
    uint8_t max_def, max_rep;
    const char **path; /* names from the root, path_count of them */
    uint32_t path_count;

    /* The page. */
    uint32_t *defs, *reps;
    uint32_t entry_count, def_cap, rep_cap;
    uint32_t *codes;   /* while the dictionary lives */
    uint32_t value_count, code_cap;
    struct buf plain;  /* else: values as they are stored (booleans: bytes) */
    int64_t rows, null_count;
    size_t value_bytes; /* plain size of the page's values */
    struct pq_bounds bounds;

    /* The chunk. */
    bool use_dict;
    struct pq_dict dict;
    struct buf pages;  /* compressed, with headers */
    struct pq_bounds chunk_bounds;
    int64_t chunk_rows;
    struct pq_chunk_meta meta;
    uint32_t pages_cap;

    /* Codes of the last input dictionary. */
    uint64_t in_dict_id;
    uint32_t *in_codes, in_cap;
};
void pq_leaf_writer_init(struct pq_leaf_writer *l, const struct type *t, bool optional, uint8_t max_def, uint8_t max_rep);
void pq_leaf_writer_fini(struct pq_leaf_writer *l);
void pq_leaf_writer_begin(struct pq_leaf_writer *l); /* a chunk */

/* A whole flat column: every row is an entry. */
WARN_UNUSED int pq_leaf_put_column(struct pq_leaf_writer *l, const struct column *col, const struct batch *b, struct pq_press *press,
                                   struct error *err);
/* Entry by entry, for nested columns, whose owner counts rows: a value (idx is physical in col), or nothing at level def. */
void pq_leaf_put(struct pq_leaf_writer *l, uint32_t rep, const struct column *col, uint32_t idx);
void pq_leaf_put_nothing(struct pq_leaf_writer *l, uint32_t rep, uint32_t def);
/* Between rows: the page is compressed when it is full. */
WARN_UNUSED int pq_leaf_flush_full(struct pq_leaf_writer *l, struct pq_press *press, struct error *err);
/*
 * Ends the chunk: l->pages has its data pages, dict_page (reset here) the page of the dictionary when meta.has_dict.
 * Offsets and bytes of the chunk are for the caller to fill in, who takes meta over.
 */
WARN_UNUSED int pq_leaf_writer_end(struct pq_leaf_writer *l, struct pq_press *press, struct buf *dict_page, struct error *err);
size_t pq_leaf_writer_held(const struct pq_leaf_writer *l);
