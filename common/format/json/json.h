/*
 * JSON inside its folder: options, the parser (parse.h) and the halves of the format's row. See README.md one folder up.
 */
#pragma once

#include "common/format/cell.h"

struct json_options {
    struct text_options text;
    bool comments, unquoted_names, single_quotes, leading_zeros, non_numeric, backslash_any, control_chars;
    bool primitives_as_string, prefers_decimal, drop_all_null, infer_timestamp;
    bool ignore_null_fields; /* writing */
    double sampling;
};
WARN_UNUSED int json_options_read(const struct options *o, const struct query_ctx *cx, struct arena *ar,
                                  struct json_options *ret, struct error *err);

int json_infer(const struct options *o, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
               struct arena *ar, struct schema *ret, struct error *err);
int json_open(const struct scan_spec *spec, const struct file_split *split, struct account *account,
              struct reader **ret, struct error *err);
int json_next(struct reader *r, struct batch **ret, struct error *err);
void json_metrics(const struct reader *r, struct reader_metrics *ret);
void json_filter(struct reader *r, const struct scan_filter *filters, uint32_t count);
void json_close(struct reader *r);

int json_can_write(const struct type *t, const char *name, struct error *err);
int json_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
                struct account *account, struct writer **ret, struct error *err);
int json_write(struct writer *w, const struct batch *b, struct error *err);
const char *json_extension(const struct options *o);
