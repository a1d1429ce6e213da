/* CSV's options, by Spark's names, and the format's row. */
#include "common/format/csv/csv.h"
#include "common/format/text_writer.h"

/* What a separator option stands for: "\t" is one character, "\\" a backslash. */
static int read_sep(struct csv_options *c, struct arena *ar, struct error *err)
{
    static const char from[] = "trbf\"'\\", to[] = "\t\r\b\f\"'\\";
    const char *name = "sep", *s = options_get(c->text.all, name);
    if (!s)
        s = options_get(c->text.all, name = "delimiter");
    if (!s)
        s = ",";
    if (!*s)
        return option_wrong(&c->text, name, s, "is empty: a separator needs a character", err);
    char *out = arena_alloc(ar, strlen(s) + 1);
    size_t n = 0;
    if (strcmp(s, "\\u0000") == 0) {
        out[n++] = 0;
    } else {
        for (const char *p = s; *p; p++) {
            if (*p != '\\') {
                out[n++] = *p;
                continue;
            }
            const char *at = p[1] ? strchr(from, p[1]) : NULL;
            if (!at)
                return option_wrong(&c->text, name, s, "has a backslash that escapes nothing; write it twice", err);
            out[n++] = to[at - from];
            p++;
        }
    }
    c->sep = out;
    c->sep_bytes = (uint32_t)n;
    return 0;
}

static const char *text_of(const struct csv_options *c, struct arena *ar, const char *name, const char *fallback,
                           uint32_t *ret_bytes)
{
    const char *s = options_get(c->text.all, name);
    size_t n = strlen(s ? s : fallback);
    char *copy = arena_zalloc(ar, n + 32); /* readers take values by whole words */
    memcpy(copy, s ? s : fallback, n);
    if (ret_bytes)
        *ret_bytes = (uint32_t)n;
    return copy;
}

static int read_flags(struct csv_options *c, struct error *err)
{
    struct {
        const char *name;
        bool *read, *write;
    } flags[] = {
        {"header", &c->header, NULL},           {"inferSchema", &c->infer, NULL},
        {"enforceSchema", &c->enforce, NULL},   {"preferDate", &c->prefer_date, NULL},
        {"quoteAll", &c->quote_all, NULL},      {"escapeQuotes", &c->escape_quotes, NULL},
        {"ignoreLeadingWhiteSpace", &c->trim_left, &c->write_trim_left},
        {"ignoreTrailingWhiteSpace", &c->trim_right, &c->write_trim_right},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        TRY(option_bool(&c->text, flags[i].name, flags[i].read, err));
        if (flags[i].write)
            TRY(option_bool(&c->text, flags[i].name, flags[i].write, err));
    }
    return 0;
}

int csv_options_read(const struct options *o, const struct query_ctx *cx, struct arena *ar, struct csv_options *ret,
                     struct error *err)
{
    struct csv_options c = {.quote = '"', .escape = '\\', .enforce = true, .prefer_date = true, .escape_quotes = true,
                            .write_trim_left = true, .write_trim_right = true, .columns_max = 20480,
                            .column_chars_max = -1, .sampling = 1};
    TRY(text_options_read(o, "CSV", cx, ar, &c.text, err));
    TRY(read_sep(&c, ar, err));
    TRY(option_char(&c.text, "quote", &c.quote, err));
    TRY(option_char(&c.text, "escape", &c.escape, err));
    TRY(option_char(&c.text, "comment", &c.comment, err));
    c.escape_escape = c.escape == c.quote ? 0 : c.escape;
    TRY(option_char(&c.text, "charToEscapeQuoteEscaping", &c.escape_escape, err));
    TRY(read_flags(&c, err));
    TRY(option_int(&c.text, "maxColumns", &c.columns_max, err));
    TRY(option_int(&c.text, "maxCharsPerColumn", &c.column_chars_max, err));
    TRY(option_double(&c.text, "samplingRatio", &c.sampling, err));
    c.null_value = text_of(&c, ar, "nullValue", "", &c.null_bytes);
    c.empty_value = text_of(&c, ar, "emptyValue", "", &c.empty_bytes);
    c.write_empty_value = text_of(&c, ar, "emptyValue", "\"\"", &c.write_empty_bytes);
    c.nan_value = text_of(&c, ar, "nanValue", "NaN", NULL);
    c.positive_inf = text_of(&c, ar, "positiveInf", "Inf", NULL);
    c.negative_inf = text_of(&c, ar, "negativeInf", "-Inf", NULL);
    if (c.text.line_sep_bytes > 2)
        return option_wrong(&c.text, "lineSep", c.text.line_sep, "is longer than two characters", err);
    *ret = c;
    return 0;
}

bool csv_can_hold(const struct type *t)
{
    return !type_is_nested(t) && t->id != TYPE_NULL;
}

int csv_can_write(const struct type *t, const char *name, struct error *err)
{
    return csv_can_hold(t) ? 0 : text_type_refused("CSV", name, t, err);
}

const struct format_row format_csv = {
    .name = "csv",
    .infer = csv_infer,
    .splittable = text_splittable,
    .open = csv_open,
    .next = csv_next,
    .metrics = csv_metrics,
    .filter = csv_filter,
    .close = csv_close,
    .can_write = csv_can_write,
    .create = csv_create,
    .write = csv_write,
    .finish = text_writer_finish,
    .discard = text_writer_discard,
    .extension = csv_extension,
};
