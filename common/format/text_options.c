/* See text_options.h. */
#include "common/format/text_options.h"

#include <stdlib.h>

#include "common/format/stream.h"

int option_wrong(const struct text_options *t, const char *name, const char *value, const char *why, struct error *err)
{
    error_setf(err, ERR_OPTION, "message", "'%s' %s", value, why);
    error_add_param(err, "option", name);
    error_add_param(err, "format", t->format);
    return (int)err->code;
}

int option_bool(const struct text_options *t, const char *name, bool *v, struct error *err)
{
    const char *s = options_get(t->all, name);
    if (!s)
        return 0;
    if (!str_eq_nocase(s, "true") && !str_eq_nocase(s, "false"))
        return option_wrong(t, name, s, "is neither true nor false", err);
    *v = str_eq_nocase(s, "true");
    return 0;
}

int option_int(const struct text_options *t, const char *name, int64_t *v, struct error *err)
{
    const char *s = options_get(t->all, name);
    char *end;
    if (!s)
        return 0;
    long long n = strtoll(s, &end, 10);
    if (!*s || *end || n != (int32_t)n)
        return option_wrong(t, name, s, "is not an integer", err);
    *v = n;
    return 0;
}

int option_double(const struct text_options *t, const char *name, double *v, struct error *err)
{
    const char *s = options_get(t->all, name);
    char *end;
    if (!s)
        return 0;
    double d = strtod(s, &end);
    if (!*s || *end)
        return option_wrong(t, name, s, "is not a number", err);
    *v = d;
    return 0;
}

int option_char(const struct text_options *t, const char *name, char *v, struct error *err)
{
    const char *s = options_get(t->all, name);
    if (!s)
        return 0;
    if (*s && s[1])
        return option_wrong(t, name, s, "is longer than one character", err);
    *v = *s;
    return 0;
}

static int read_encoding(struct text_options *t, struct error *err)
{
    static const struct {
        const char *name;
        enum text_encoding encoding;
    } rows[] = {{"UTF-8", ENCODING_UTF8}, {"UTF8", ENCODING_UTF8}, {"ISO-8859-1", ENCODING_LATIN1},
                {"ISO8859-1", ENCODING_LATIN1}, {"latin1", ENCODING_LATIN1}, {"US-ASCII", ENCODING_ASCII},
                {"ASCII", ENCODING_ASCII}};
    const char *name = "encoding", *s = options_get(t->all, name);
    if (!s)
        s = options_get(t->all, name = "charset");
    if (!s)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq_nocase(s, rows[i].name)) {
            t->encoding = rows[i].encoding;
            return 0;
        }
    return option_wrong(t, name, s, "cannot be read: UTF-8, ISO-8859-1 and US-ASCII can", err);
}

static void free_pattern(void *p)
{
    datetime_pattern_free(p);
}

static int read_pattern(struct text_options *t, const char *name, struct arena *ar, struct datetime_pattern **ret,
                        struct error *err)
{
    const char *s = options_get(t->all, name);
    if (!s)
        return 0;
    if (datetime_pattern_new(s, strlen(s), ret, err) != 0) {
        error_fini(err);
        return option_wrong(t, name, s, "is not a pattern of dates and times", err);
    }
    arena_defer(ar, free_pattern, *ret);
    return 0;
}

static int read_line_sep(struct text_options *t, struct arena *ar, struct error *err)
{
    const char *s = options_get(t->all, "lineSep");
    if (!s)
        return 0;
    if (!*s)
        return option_wrong(t, "lineSep", s, "is empty", err);
    t->line_sep = arena_strdup(ar, s);
    t->line_sep_bytes = (uint32_t)strlen(s);
    return 0;
}

static int read_zone(struct text_options *t, struct arena *ar, struct error *err)
{
    const char *s = options_get(t->all, "timeZone");
    if (!s)
        return 0;
    if (zone_find(s, &t->zone, err) != 0) {
        error_fini(err);
        return option_wrong(t, "timeZone", s, "is not a time zone", err);
    }
    t->zone_name = arena_strdup(ar, s);
    return 0;
}

int text_options_for_reading(const struct text_options *t, struct error *err)
{
    const struct datetime_pattern *patterns[] = {t->date, t->timestamp, t->ntz};
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        if (patterns[i])
            TRY(datetime_pattern_reads(patterns[i], err));
    }
    return 0;
}

int text_options_read(const struct options *o, const char *format, const struct query_ctx *cx, struct arena *ar,
                      struct text_options *ret, struct error *err)
{
    struct text_options t = {.format = format, .all = o, .corrupt_column = "_corrupt_record"};
    const char *mode = options_get(o, "mode"), *corrupt = options_get(o, "columnNameOfCorruptRecord");
    if (cx) {
        t.zone = cx->zone;
        t.zone_name = cx->zone_name;
    }
    if (!t.zone_name)
        t.zone_name = "UTC";
    if (mode) /* an unknown one is PERMISSIVE, as in Spark */
        t.mode = str_eq_nocase(mode, "DROPMALFORMED") ? MODE_DROP : str_eq_nocase(mode, "FAILFAST") ? MODE_FAIL : MODE_PERMISSIVE;
    if (corrupt)
        t.corrupt_column = arena_strdup(ar, corrupt);
    TRY(read_encoding(&t, err));
    TRY(read_line_sep(&t, ar, err));
    TRY(read_zone(&t, ar, err));
    TRY(option_bool(&t, "multiLine", &t.multi_line, err));
    TRY(read_pattern(&t, "dateFormat", ar, &t.date, err));
    TRY(read_pattern(&t, "timestampFormat", ar, &t.timestamp, err));
    TRY(read_pattern(&t, "timestampNTZFormat", ar, &t.ntz, err));
    t.fallback_date = !t.date;
    t.fallback_timestamp = !t.timestamp;
    bool fallback = false;
    if (options_get(o, "enableDateTimeParsingFallback")) {
        TRY(option_bool(&t, "enableDateTimeParsingFallback", &fallback, err));
        t.fallback_date = t.fallback_timestamp = fallback;
    }
    *ret = t;
    return 0;
}

/* A separator that overlaps itself ("||") cannot be found from the middle of a run. */
static bool overlaps_itself(const char *s)
{
    size_t n = strlen(s);
    for (size_t k = 1; k < n; k++)
        if (memcmp(s, s + k, n - k) == 0)
            return true;
    return false;
}

bool text_splittable(const struct options *o, const char *path)
{
    enum stream_codec codec;
    struct error err = ERROR_INIT;
    const char *sep = options_get(o, "lineSep"), *encoding = options_get(o, "encoding");
    if (stream_codec_of_path(path, &codec, &err) != 0) {
        error_fini(&err);
        return false;
    }
    if (!encoding)
        encoding = options_get(o, "charset");
    bool utf8 = !encoding || str_eq_nocase(encoding, "UTF-8") || str_eq_nocase(encoding, "UTF8");
    return codec == STREAM_PLAIN && utf8 && !options_bool(o, "multiLine", false) && !options_bool(o, "wholetext", false) &&
           !(sep && overlaps_itself(sep));
}

int text_type_refused(const char *format, const char *column, const struct type *t, struct error *err)
{
    struct buf sql = BUF_INIT;
    type_sql(t, &sql);
    int rc = error_set(err, ERR_UNSUPPORTED_TYPE_IN, "columnName", column, "columnType", sql.data, "format", format, NULL);
    buf_fini(&sql);
    return rc;
}
