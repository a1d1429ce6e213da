/* A Parquet file on its way out, for writer.c and footer.c: its schema's tree, its leaves, what its footer will say. */
#pragma once

#include "common/format/parquet/leaf_writer.h"
#include "common/format/parquet/writer.h"

/* The schema's tree. */
struct pq_wnode {
    const char *name;
    const struct type *type;
    bool optional;
    uint8_t def, rep; /* of the node, its own repetition included */
    struct pq_leaf_writer *leaf;
    uint32_t child_count;
    struct pq_wnode *children;
};

struct pq_group_meta {
    int64_t rows;
    uint64_t start;
    struct pq_chunk_meta *chunks; /* one a leaf */
};

struct writer {
    char *path;
    int fd;
    uint64_t at;          /* bytes written */
    struct account *account;
    size_t reserved;
    struct arena arena;
    struct pq_press press;
    uint32_t col_count;
    struct pq_wnode *cols;
    uint32_t leaf_count;
    struct pq_leaf_writer *leaves;
    int64_t rows, group_rows;
    int64_t group_rows_max;
    size_t group_bytes_max;
    struct pq_group_meta *groups;
    uint32_t group_count, group_cap;
};

/* Appends to the file. ERR_FILE_WRITE. */
WARN_UNUSED int pq_put_bytes(struct writer *w, const struct buf *b, struct error *err);
/* footer.c: column and offset indexes, the footer, the magic. All groups are written. */
WARN_UNUSED int pq_put_footer(struct writer *w, struct error *err);
