/*
 * The options that CSV, JSON and text files share, checked once: names are Spark's, unknown ones mean nothing, a bad
 * value is ERR_OPTION naming option and value. Values live in the arena that they were read into. Thread: any.
 */
#pragma once

#include "common/expr/datetime.h"
#include "common/expr/zone.h"
#include "common/format/provider.h"

enum parse_mode { MODE_PERMISSIVE, MODE_DROP, MODE_FAIL };
enum text_encoding { ENCODING_UTF8, ENCODING_LATIN1, ENCODING_ASCII };

struct text_options {
    const char *format; /* "CSV", for messages */
    const struct options *all;
    enum parse_mode mode;
    enum text_encoding encoding;
    const char *corrupt_column;
    bool multi_line;
    const char *line_sep; /* NULL: \n, \r or \r\n */
    uint32_t line_sep_bytes;
    struct datetime_pattern *date, *timestamp, *ntz; /* NULL: none was given */
    bool fallback_date, fallback_timestamp; /* what does not follow the pattern is read as a cast does */
    const struct zone *zone;
    const char *zone_name;
};
/* Patterns are freed with the arena. */
WARN_UNUSED int text_options_read(const struct options *o, const char *format, const struct query_ctx *cx,
                                  struct arena *ar, struct text_options *ret, struct error *err);
/* What only readers ask: whether the patterns can be read by. ERR_DATETIME_PATTERN*. */
WARN_UNUSED int text_options_for_reading(const struct text_options *t, struct error *err);
/* Each leaves *v alone when the option is absent. ERR_OPTION. */
WARN_UNUSED int option_bool(const struct text_options *t, const char *name, bool *v, struct error *err);
WARN_UNUSED int option_int(const struct text_options *t, const char *name, int64_t *v, struct error *err);
WARN_UNUSED int option_double(const struct text_options *t, const char *name, double *v, struct error *err);
/* At most one byte; empty: 0. */
WARN_UNUSED int option_char(const struct text_options *t, const char *name, char *v, struct error *err);
int option_wrong(const struct text_options *t, const char *name, const char *value, const char *why, struct error *err);
/* A file of these options can be read from its middle. */
bool text_splittable(const struct options *o, const char *path);
/* UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE. */
int text_type_refused(const char *format, const char *column, const struct type *t, struct error *err);
