/*
 * CSV inside its folder: the options as one struct, the tokenizer, and the halves of the format's row. See README.md
 * one folder up.
 */
#pragma once

#include "common/format/cell.h"

struct csv_options {
    struct text_options text;
    const char *sep;
    uint32_t sep_bytes;
    char quote, escape, escape_escape, comment; /* 0: none */
    bool header, infer, enforce, prefer_date, quote_all, escape_quotes;
    bool trim_left, trim_right;             /* reading */
    bool write_trim_left, write_trim_right; /* writing */
    const char *null_value, *nan_value, *positive_inf, *negative_inf;
    const char *empty_value, *write_empty_value;
    uint32_t null_bytes, empty_bytes, write_empty_bytes;
    int64_t columns_max, column_chars_max;
    double sampling;
};
WARN_UNUSED int csv_options_read(const struct options *o, const struct query_ctx *cx, struct arena *ar,
                                 struct csv_options *ret, struct error *err);
bool csv_can_hold(const struct type *t);

int csv_infer(const struct options *o, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
              struct arena *ar, struct schema *ret, struct error *err);
int csv_open(const struct scan_spec *spec, const struct file_split *split, struct account *account, struct reader **ret,
             struct error *err);
int csv_next(struct reader *r, struct batch **ret, struct error *err);
void csv_metrics(const struct reader *r, struct reader_metrics *ret);
void csv_filter(struct reader *r, const struct scan_filter *filters, uint32_t count);
void csv_close(struct reader *r);

int csv_can_write(const struct type *t, const char *name, struct error *err);
int csv_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
               struct account *account, struct writer **ret, struct error *err);
int csv_write(struct writer *w, const struct batch *b, struct error *err);
const char *csv_extension(const struct options *o);
