/*
 * Cardinality estimates: rows and bytes of a node, distinct values and ranges of its columns. From the
 * statistics of file footers where there are any, from DuckDB's kind of guesses elsewhere. Column ids are
 * unique in a query, so what is known of a column is kept by its id.
 */
#pragma once

#include "driver/analyze/logical.h"

struct col_est {
    bool known;
    bool ranged;
    double min, max;    /* of numbers, dates and timestamps, as their unscaled integer scaled to the value */
    double ndv;         /* distinct values, not more than the rows of the table it comes from */
    double null_frac;
    double bytes;       /* a value's, in memory */
};

struct estimates;
struct estimates *estimates_new(struct arena *ar, const struct query_ctx *cx,
                                struct file_stats *(*table_stats)(const struct table_ref *table, void *ctx), void *ctx);
/* Rows that a node delivers. */
double estimate_rows(struct estimates *es, const struct logical *lp);
/* Bytes of them in memory. */
double estimate_bytes(struct estimates *es, const struct logical *lp);
double estimate_row_bytes(struct estimates *es, const struct lcol *cols, uint32_t count);
/* Share of rows for which a condition holds, given the columns' estimates (estimate_rows ran on the inputs). */
double estimate_selectivity(struct estimates *es, struct expr *const *conjuncts, uint32_t count);
struct col_est *estimate_column(struct estimates *es, uint32_t id); /* never NULL; known says whether it means anything */
double estimate_groups(struct estimates *es, struct expr *const *keys, uint32_t count, double rows);
double estimate_ndv(struct estimates *es, const struct expr *e, double rows);
/* How many values the domain has that two equi-joined expressions share: rows are multiplied by 1 / domain. */
double estimate_domain(struct estimates *es, const struct expr *a, double rows_a, const struct expr *b, double rows_b);
/* Sizes of a table's files. */
struct table_est {
    double rows;             /* of all files; a guess when exact is false */
    bool exact;
    uint64_t bytes;          /* on disk */
    uint32_t file_count;
    struct file_est {
        const char *path;
        bool unknown;          /* it could not be looked at: the scan reads it whole, or says why not */
        uint64_t bytes;
        int64_t mtime_us;
        double rows;
    } *files;
};
const struct table_est *estimate_table(struct estimates *es, const struct table_ref *table);
