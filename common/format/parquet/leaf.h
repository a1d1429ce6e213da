/*
 * One leaf column of one row group at a time, as a stream of values: pages are found, checked,
 * decompressed and decoded as rows are asked for; rows that nobody wants are passed over, whole pages of
 * them without decompressing.
 *
 * Lifetime of what comes out: until the next read of the same leaf (dictionaries: until the next chunk).
 * Page buffers of one batch therefore retire first and are recycled at the next read. Thread: the reader's.
 */
#pragma once

#include "common/base/account.h"
#include "common/format/parquet/codec.h"
#include "common/format/parquet/decode.h"

/* Memory of a reader, charged before it is touched. */
struct pq_mem {
    struct account *account;
    size_t bytes;
};
/* Grows *p to at least need bytes (contents kept up to the old capacity). ERR_TASK_MEMORY. */
WARN_UNUSED int pq_mem_grow(struct pq_mem *m, void *pp, size_t *cap, size_t need, struct error *err);
void pq_mem_free(struct pq_mem *m, void *pp, size_t *cap);

/* How values lie after decoding, before conversion to the column's type. */
enum pq_raw { PQ_RAW_BOOL, PQ_RAW_4, PQ_RAW_8, PQ_RAW_VIEW };
enum pq_conv_op {
    PQ_CONV_NONE,
    PQ_CONV_I32_I8,
    PQ_CONV_I32_I16,
    PQ_CONV_I32_I64,  /* times mul */
    PQ_CONV_U32_I64,
    PQ_CONV_I32_F64,
    PQ_CONV_I32_I128, /* times mul */
    PQ_CONV_I64_MUL,
    PQ_CONV_I64_DIV,  /* floor */
    PQ_CONV_I64_I128, /* times mul */
    PQ_CONV_U64_I128,
    PQ_CONV_F32_F64,
    PQ_CONV_VIEW_I64, /* big-endian decimals, times mul */
    PQ_CONV_VIEW_I128,
    PQ_CONV_INT96,
    PQ_CONV_FLOAT16
};
struct pq_conv {
    enum pq_raw raw;
    enum pq_conv_op op;
    enum phys phys; /* of the result */
    int128_t mul;
};
/* How a file's leaf becomes a column of type t; ERR_FILE_TYPE when it cannot. */
WARN_UNUSED int pq_conv_choose(const char *path, const struct pq_node *n, const struct type *t, struct pq_conv *ret,
                               struct error *err);
/* Converts the selected (sel NULL: all count) values; false when one does not fit. */
WARN_UNUSED bool pq_convert(const struct pq_conv *cv, const void *raw, void *out, const uint16_t *sel, uint32_t count);

struct pq_bytes {
    uint8_t *p;
    size_t cap;
};

enum pq_mode { PQ_MODE_PLAIN, PQ_MODE_DICT, PQ_MODE_DELTA, PQ_MODE_DELTA_LENGTH, PQ_MODE_DELTA_BYTES, PQ_MODE_SPLIT,
               PQ_MODE_RLE };

struct pq_leaf {
    /* For the reader's life. */
    const char *path;
    int fd;
    struct pq_mem *mem;
    struct pq_codecs *codecs;
    const struct pq_node *node;
    const struct type *type;
    struct pq_conv conv;
    uint64_t *bytes_read, *pages_skipped; /* counters of the reader */

    /* The chunk. */
    const struct pq_chunk *chunk;
    uint64_t at, end;          /* file offsets: the next page, the chunk's end */
    uint64_t entries_left;     /* of the chunk, not yet in a loaded page */
    uint64_t skip;             /* rows to pass over before the next read */
    const struct pq_location *locations; /* pages, when the offset index was read */
    uint32_t location_count;
    uint8_t *window;           /* bytes of the file from window_at */
    size_t window_cap, window_bytes;
    uint64_t window_at;

    /* The page. */
    struct pq_page page;
    uint64_t page_at;          /* its offset, for messages */
    uint32_t page_left;        /* entries not yet consumed */
    struct pq_bytes *body;     /* decompressed */
    const uint8_t *data, *data_end;
    struct pq_rle def, rep, codes_in;
    bool levels_msb;           /* deprecated BIT_PACKED levels: bits from the top, at levels_* */
    const uint8_t *def_msb, *rep_msb;
    uint64_t msb_idx;
    enum pq_mode mode;
    struct pq_delta delta, delta2; /* values or lengths; prefix lengths, suffix lengths */
    uint32_t split_at, split_count; /* BYTE_STREAM_SPLIT */
    uint32_t bool_at;          /* bits consumed */
    char *last;                /* DELTA_BYTE_ARRAY: the value before */
    size_t last_cap;
    uint32_t last_bytes;

    /* The dictionary: values converted, one null entry more at dict_count. */
    struct pq_bytes *dict_body;
    void *dict;
    size_t dict_cap;
    uint32_t dict_count;
    uint64_t dict_id;          /* 0: none in this chunk */
    uint8_t *dict_nulls;
    size_t dict_nulls_cap;

    /* Page buffers. */
    struct pq_bytes *bufs[4], **retired;
    uint32_t buf_count, retired_count, retired_cap;

    /* The batch. */
    void *out, *raw;           /* values: converted, and before */
    size_t out_cap, raw_cap;
    uint32_t *codes;
    size_t codes_cap;
    uint8_t *nulls;
    size_t nulls_cap;
    struct arena arena;        /* strings made for the batch: kept bytes of them, up to kept_cap reserved */
    size_t kept, kept_cap;
    int64_t *tmp64, *tmp64b;
    size_t tmp64_cap, tmp64b_cap;

    /* Entries of repeated columns. */
    uint8_t *lv_def, *lv_rep;  /* decoded, not consumed */
    size_t lv_def_cap, lv_rep_cap;
    uint32_t lv_at, lv_count;
    uint8_t *e_def, *e_rep;    /* of the batch */
    size_t e_def_cap, e_rep_cap;
    uint32_t entry_count, value_count;
};

void pq_leaf_init(struct pq_leaf *l, const char *path, int fd, struct pq_mem *mem, struct pq_codecs *codecs,
                  const struct pq_node *node, const struct type *type, struct pq_conv conv);
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
