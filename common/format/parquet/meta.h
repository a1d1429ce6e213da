/*
 * Parquet's metadata, parsed and checked: the footer (schema, row groups, column chunks), page headers,
 * column and offset indexes. What comes out of here can be trusted: indices are in range, offsets and sizes
 * lie within the file, the schema's tree is well formed and bounded in depth and count.
 */
#pragma once

#include "common/col/type.h"
#include "common/format/parquet/thrift.h"

enum pq_phys { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTE_ARRAY, PQ_FIXED, PQ_PHYS_COUNT };
enum pq_repetition { PQ_REQUIRED, PQ_OPTIONAL, PQ_REPEATED };
enum pq_codec {
    PQ_NONE,
    PQ_SNAPPY,
    PQ_GZIP,
    PQ_LZO,
    PQ_BROTLI,
    PQ_LZ4, /* Hadoop's framing */
    PQ_ZSTD,
    PQ_LZ4_RAW,
    PQ_CODEC_COUNT
};
enum pq_encoding {
    PQ_PLAIN = 0,
    PQ_PLAIN_DICTIONARY = 2,
    PQ_RLE = 3,
    PQ_BIT_PACKED = 4,
    PQ_DELTA_BINARY_PACKED = 5,
    PQ_DELTA_LENGTH = 6,
    PQ_DELTA_BYTE_ARRAY = 7,
    PQ_RLE_DICTIONARY = 8,
    PQ_BYTE_STREAM_SPLIT = 9
};
enum pq_page_type { PQ_DATA_PAGE, PQ_INDEX_PAGE, PQ_DICTIONARY_PAGE, PQ_DATA_PAGE_V2 };

/* One merged view of converted and logical types. */
enum pq_logical {
    PQL_NONE,
    PQL_STRING, /* UTF8, ENUM, JSON */
    PQL_DECIMAL,
    PQL_DATE,
    PQL_TIMESTAMP_MILLIS,
    PQL_TIMESTAMP_MICROS,
    PQL_TIMESTAMP_NANOS,
    PQL_TIME,
    PQL_INT8,
    PQL_INT16,
    PQL_INT32,
    PQL_INT64,
    PQL_UINT8,
    PQL_UINT16,
    PQL_UINT32,
    PQL_UINT64,
    PQL_LIST,
    PQL_MAP,
    PQL_INTERVAL,
    PQL_BSON,
    PQL_UUID,
    PQL_FLOAT16,
    PQL_UNKNOWN /* always null */
};

/* A node of the schema's tree. Node 0 is the root. */
struct pq_node {
    const char *name;
    enum pq_repetition repetition;
    bool is_leaf;
    enum pq_phys phys;    /* leaves */
    uint32_t type_length; /* PQ_FIXED */
    enum pq_logical logical;
    bool utc;             /* timestamps: adjusted to UTC */
    uint8_t precision, scale;
    uint32_t parent;
    uint32_t child_count;
    uint32_t *children;   /* node numbers */
    uint32_t leaf;        /* leaves: column number; groups: that of their first leaf */
    uint8_t max_def, max_rep;
};

struct pq_stats {
    const uint8_t *min, *max;       /* plain-encoded without length; NULL: unknown */
    uint32_t min_bytes, max_bytes;
    bool ordered_old;               /* from the deprecated fields: only for types of signed order */
    int64_t null_count;             /* -1 unknown */
    int64_t distinct_count;         /* -1 unknown */
};

struct pq_chunk {
    enum pq_codec codec;
    int64_t value_count;            /* nulls included */
    int64_t bytes, bytes_raw;       /* compressed and not, with headers */
    uint64_t start;                 /* of the first page, dictionary included */
    uint64_t data_offset;           /* of the first data page */
    bool has_dictionary;
    bool all_dictionary;            /* every data page uses the dictionary, as the encoding stats promise */
    struct pq_stats stats;
    uint64_t column_index, offset_index; /* 0: none */
    uint32_t column_index_bytes, offset_index_bytes;
};

struct pq_group {
    int64_t rows;
    uint64_t start;                 /* of the first byte: decides to which split the group belongs */
    struct pq_chunk *chunks;        /* one a leaf */
};

struct pq_footer {
    uint32_t refs;                  /* atomic; the cache holds one */
    struct arena arena;             /* everything below, the raw bytes too */
    int64_t rows;
    uint32_t node_count, leaf_count, group_count;
    struct pq_node *nodes;
    uint32_t *leaf_nodes;           /* node of each leaf */
    struct pq_group *groups;
    uint64_t file_bytes;
    const char *created_by;
    bool stats_ordered;             /* column orders are given: min_value and max_value are meaningful */
};

enum { PQ_NODES_MAX = 100000, PQ_DEPTH_MAX = 48 };

/* Reads (or finds in the process-wide cache) the footer of an open file. The path is for messages and the
 * cache; mtime_us is part of its key (0: not cached). Returns a reference. ERR_FILE_DAMAGED, ERR_FILE_READ. */
WARN_UNUSED int pq_footer_get(const char *path, int fd, uint64_t file_bytes, int64_t mtime_us,
                              struct pq_footer **ret, struct error *err);
void pq_footer_unref(struct pq_footer *f); /* accepts NULL */
/* Parses the thrift bytes of a footer; the offset is that of bytes in the file. For fuzzing, too. */
WARN_UNUSED int pq_footer_parse(const char *path, const void *bytes, size_t count, uint64_t offset,
                                uint64_t file_bytes, struct pq_footer **ret, struct error *err);

struct pq_page {
    enum pq_page_type type;
    uint32_t header_bytes;
    uint32_t bytes, bytes_raw;      /* of the body: as stored, and uncompressed */
    bool has_crc;
    uint32_t crc;
    uint32_t value_count;           /* entries with nulls; dictionary: its entries */
    enum pq_encoding encoding;
    enum pq_encoding def_encoding, rep_encoding; /* v1 */
    bool v2_compressed;             /* v2: the values after the levels are compressed */
    uint32_t def_bytes, rep_bytes;  /* v2 */
    uint32_t null_count, row_count; /* v2 */
};
/* 0: parsed; 1: more bytes are needed (or it is damaged); -1: damaged. */
int pq_page_parse(const uint8_t *p, size_t bytes, struct pq_page *ret);

struct pq_location {
    uint64_t offset;
    uint32_t bytes;                 /* with the header */
    int64_t first_row;
};
/* The page locations of a chunk, checked against it and the row count; NULL with count 0 when not sound. */
struct pq_location *pq_offset_index_parse(const uint8_t *p, size_t bytes, const struct pq_chunk *chunk, int64_t rows,
                                          struct arena *ar, uint32_t *ret_count);
struct pq_column_index {
    uint32_t count;
    const uint8_t *null_pages;      /* a byte a page */
    struct pq_stats *pages;         /* min, max, null_count */
};
/* False when not sound; binaries borrow from p. */
bool pq_column_index_parse(const uint8_t *p, size_t bytes, uint32_t page_count, struct arena *ar,
                           struct pq_column_index *ret);

#define PQ_ENCRYPTED "the file is encrypted, and there are no keys here: write it without Parquet encryption"
/* ERR_FILE_DAMAGED at an offset. */
int pq_damaged(struct error *err, const char *path, uint64_t offset, const char *fmt, ...) PRINTF_LIKE(4, 5)
    __attribute__((cold));
/* pread of exactly bytes; ERR_FILE_READ, or ERR_FILE_DAMAGED when the file ends before. */
WARN_UNUSED int pq_read(const char *path, int fd, void *p, size_t bytes, uint64_t offset, struct error *err);
const char *pq_phys_name(enum pq_phys phys);

/* nodes.c: the list of schema elements at t, once per footer. NULL, or what was wrong. */
const char *pq_nodes_parse(struct thrift *t, struct pq_footer *ft);

/* ---- schema.c ---- */
/* The type of a node as Spark reads it, everything inside nullable; NULL with the reason in err. */
WARN_UNUSED int pq_node_type(const char *path, const struct pq_footer *f, uint32_t node, const struct type **ret,
                             struct error *err);
/* For a LIST node: the node of its element and of the repeated level; MAP: the repeated group. */
bool pq_list_shape(const struct pq_footer *f, const struct pq_node *n, uint32_t *ret_repeated, uint32_t *ret_element);
bool pq_map_shape(const struct pq_footer *f, const struct pq_node *n, uint32_t *ret_repeated);
