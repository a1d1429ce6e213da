/*
 * A provider is what a kind of table is, in two halves.
 *
 * Driver half: lists files, infers a schema, gives statistics, plans splits, begins, commits or aborts a
 * write. Executor half: reads a split, writes a file. Splits and write manifests are opaque bytes between
 * the halves of one provider; the scheduler only knows a split's size and the hosts it prefers.
 *
 * The formats (parquet, csv, json, text) share one file provider (format/files.h): listing, globs, partition
 * folders and atomic commits are done once there; a format is a row of functions below it.
 */
#pragma once

#include "common/base/account.h"
#include "common/col/builder.h"
#include "common/expr/expr.h"

/* Options of a table as the user wrote them; names compare without case. */
struct options {
    uint32_t count;
    struct option {
        const char *name, *value;
    } *items;
};
const char *options_get(const struct options *o, const char *name); /* NULL when absent */
bool options_bool(const struct options *o, const char *name, bool fallback);

/* A conjunct of the form column op constant, for skipping by statistics. Sound to ignore. */
enum prune_op { PRUNE_EQ, PRUNE_LT, PRUNE_LE, PRUNE_GT, PRUNE_GE, PRUNE_IN, PRUNE_IS_NULL, PRUNE_NOT_NULL, PRUNE_PREFIX };
struct prune {
    uint32_t column; /* of the scan's columns */
    enum prune_op op;
    uint32_t value_count;
    const struct value *values;
};

/* What a scan reads: agreed on by both halves; immutable. */
struct scan_spec {
    const char *format;            /* "parquet", "csv", ... */
    struct options options;
    struct schema file_schema;     /* data columns of the table, in table order, partition columns excluded */
    struct schema partition_schema; /* columns from key=value folders */
    uint32_t column_count;         /* columns to deliver, in this order */
    const uint32_t *columns;       /* index into file_schema, or file_schema.count + i: partition column i */
    uint32_t prune_count;
    const struct prune *prunes;
    uint32_t conjunct_count;       /* the whole filter: over the delivered columns by ordinal */
    struct expr *const *conjuncts; /* the reader applies them all: what it delivers satisfies them */
    const struct query_ctx *cx;
};

/* A piece of a file. For Parquet: row groups whose first byte lies in [start, start + length). Text: lines likewise. */
struct file_split {
    const char *path;
    uint64_t start, length, file_bytes;
    int64_t mtime_us;
    uint32_t partition_count;
    const struct value *partition_values; /* of partition_schema */
};

/* ---- reading: executor half ---- */
/*
 * A filter that came to be while the query ran (the keys of a join's build side): keeps the rows of one column
 * that may be wanted. Sound to ignore, so a reader drops one that keeps nearly all.
 */
struct scan_filter {
    uint32_t column; /* of the scan's columns */
    const void *ctx; /* lives as long as the reader */
    /* Writes the rows of sel[0..n) (NULL: rows 0..n-1) to keep into out; returns how many. out may be sel. */
    uint32_t (*narrow)(const void *ctx, const struct column *col, const uint16_t *sel, uint32_t n, uint16_t *out);
};
enum { SCAN_FILTERS_MAX = 8 };
struct reader; /* a format's own */
struct writer;
struct file_stats;
struct reader_metrics {
    uint64_t bytes_read, rows_read /* before the filter */, rows_out, groups_skipped, pages_skipped, corrupt_records;
};
struct format_row {
    const char *name;
    /* Driver half: schema of one file (options, e.g. header, apply). Sampling as Spark does. */
    int (*infer)(const struct options *o, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
                 struct arena *ar, struct schema *ret, struct error *err);
    /* Driver half: rows and per-column ranges of one file from its footer, when the format has one; NULL: unknown. */
    int (*stats)(const char *path, const struct schema *sch, struct arena *ar, struct file_stats **ret,
                 struct error *err);
    /* Whether a file with this path and options can be read from its middle. */
    bool (*splittable)(const struct options *o, const char *path);
    /* Executor half. The reader keeps spec by reference; memory is charged to account. */
    int (*open)(const struct scan_spec *spec, const struct file_split *split, struct account *account,
                struct reader **ret, struct error *err);
    /* Next batch of up to batch_rows() rows, valid until the next call; *ret NULL at the end. A batch of which the filter
     * left no row is handed out, too: between two calls the caller looks whether it is to go on. */
    int (*next)(struct reader *r, struct batch **ret, struct error *err);
    void (*metrics)(const struct reader *r, struct reader_metrics *ret);
    /* Before the first next: filters to apply after the conjuncts, before other columns are decoded. May be NULL. */
    void (*filter)(struct reader *r, const struct scan_filter *filters, uint32_t count);
    void (*close)(struct reader *r); /* accepts NULL */
    /* Whether a column of this type can be written; the reason in err when not. */
    int (*can_write)(const struct type *t, const char *name, struct error *err);
    /* Schema and options are copied. */
    int (*create)(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
                  struct account *account, struct writer **ret, struct error *err);
    int (*write)(struct writer *w, const struct batch *b, struct error *err);
    /* Finishes and closes the file, which the caller syncs; rows and bytes of it out. The writer is freed whatever comes back. */
    int (*finish)(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err);
    void (*discard)(struct writer *w); /* frees without finishing; the caller unlinks. Accepts NULL */
    const char *(*extension)(const struct options *o); /* ".snappy.parquet", ".csv", ".json.gz" */
};
struct column_stats {
    bool has_range;
    struct value min, max;
    int64_t null_count;     /* -1 unknown */
    int64_t distinct_count; /* -1 unknown */
};
struct file_stats {
    int64_t rows;
    uint32_t column_count;
    struct column_stats *columns; /* of the schema asked for */
    uint64_t *column_bytes;       /* uncompressed, for memory estimates; may be NULL */
};
extern const struct format_row format_parquet, format_csv, format_json, format_text;
const struct format_row *format_find(const char *name); /* any case, "json"/"org.apache...JsonFileFormat" names too; NULL */
