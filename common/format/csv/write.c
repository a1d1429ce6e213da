/*
 * The CSV writer: Spark's text of each value, quoted where a reader would otherwise see something else (the separator,
 * a line end, a quote). A row of one null leaves no line, as in Spark.
 */
#include "common/format/csv/csv.h"
#include "common/format/stream.h"

struct writer {
    struct csv_options o;
    struct arena arena;
    struct byte_sink *sink;
    uint64_t rows;
    struct buf cell, line;
    bool special[256]; /* bytes that need quotes */
    const char *line_sep;
    uint32_t line_sep_bytes;
    struct schema sch;
    bool header_due;
};

static bool needs_quotes(const struct writer *w, const char *p, size_t n)
{
    if (n && p[0] == w->o.quote)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (w->special[(unsigned char)p[i]])
            return true;
        if (p[i] == w->o.sep[0] && n - i >= w->o.sep_bytes && memcmp(p + i, w->o.sep, w->o.sep_bytes) == 0)
            return true;
    }
    return false;
}

static void add_quoted(struct writer *w, const char *p, size_t n)
{
    struct buf *out = &w->line;
    buf_addc(out, w->o.quote);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == w->o.quote)
            buf_addc(out, w->o.escape);
        else if (p[i] == w->o.escape && w->o.escape_escape)
            buf_addc(out, w->o.escape_escape);
        buf_addc(out, p[i]);
    }
    buf_addc(out, w->o.quote);
}

/* A text that stands for no value (null, empty) is put as it is, unless everything is quoted. */
static void add_word(struct writer *w, const char *p, size_t n)
{
    bool quoted = n >= 2 && p[0] == w->o.quote && p[n - 1] == w->o.quote;
    if (w->o.quote_all && !quoted)
        add_quoted(w, p, n);
    else
        buf_add(&w->line, p, n);
}

static void add_text(struct writer *w, const char *p, size_t n)
{
    if (w->o.write_trim_left)
        for (; n && (unsigned char)*p <= ' '; n--)
            p++;
    bool quotes = w->o.quote_all || needs_quotes(w, p, n); /* also for what is cut off now */
    if (w->o.write_trim_right)
        while (n && (unsigned char)p[n - 1] <= ' ')
            n--;
    if (n == 0)
        add_word(w, w->o.write_empty_value, w->o.write_empty_bytes);
    else if (quotes)
        add_quoted(w, p, n);
    else
        buf_add(&w->line, p, n);
}

/* Types whose text never needs quotes with the usual separators. */
static bool is_plain(const struct writer *w, const struct type *t)
{
    return type_is_integral(t) && !w->o.quote_all && !strchr("-0123456789", w->o.sep[0]) && !strchr("-0123456789", w->o.quote);
}

static void add_cell(struct writer *w, const struct column *col, uint32_t row)
{
    uint32_t at = column_idx(col, row);
    if (col->nulls && col->nulls[at]) {
        add_word(w, w->o.null_value, w->o.null_bytes);
        return;
    }
    if (col->phys == PHYS_STR && col->type->id == TYPE_STRING) {
        const struct strview *s = (const struct strview *)col->data + at;
        add_text(w, strview_data(s), s->bytes);
        return;
    }
    if (is_plain(w, col->type)) {
        cell_format(&w->o.text, col, at, &w->line);
        return;
    }
    buf_reset(&w->cell);
    cell_format(&w->o.text, col, at, &w->cell);
    add_text(w, w->cell.data, w->cell.bytes);
}

static int end_line(struct writer *w, struct error *err)
{
    if (w->line.bytes == 0)
        return 0;
    buf_add(&w->line, w->line_sep, w->line_sep_bytes);
    int rc = byte_sink_write(w->sink, w->line.data, w->line.bytes, err);
    buf_reset(&w->line);
    return rc;
}

static int put_header(struct writer *w, struct error *err)
{
    w->header_due = false;
    for (uint32_t i = 0; i < w->sch.count; i++) {
        if (i)
            buf_add(&w->line, w->o.sep, w->o.sep_bytes);
        add_text(w, w->sch.fields[i].name, strlen(w->sch.fields[i].name));
    }
    return end_line(w, err);
}

int csv_write(struct writer *w, const struct batch *b, struct error *err)
{
    ASSERT(b->col_count == w->sch.count);
    if (w->header_due)
        TRY(put_header(w, err));
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k;
        for (uint32_t i = 0; i < b->col_count; i++) {
            if (i)
                buf_add(&w->line, w->o.sep, w->o.sep_bytes);
            add_cell(w, &b->cols[i], row);
        }
        TRY(end_line(w, err));
    }
    w->rows += b->sel_count;
    return 0;
}

static void writer_free(struct writer *w)
{
    buf_fini(&w->cell);
    buf_fini(&w->line);
    arena_fini(&w->arena);
    xfree(w);
}

int csv_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
               struct account *account, struct writer **ret, struct error *err)
{
    struct writer *w = xcalloc(1, sizeof *w);
    enum stream_codec codec;
    int rc;
    arena_init(&w->arena);
    if ((rc = csv_options_read(o, cx, &w->arena, &w->o, err)) != 0)
        goto out;
    for (uint32_t i = 0; i < sch->count; i++)
        if ((rc = csv_can_write(sch->fields[i].type, sch->fields[i].name, err)) != 0)
            goto out;
    if ((rc = stream_codec_of_options(o, "CSV", &codec, err)) != 0)
        goto out;
    w->line_sep = w->o.text.line_sep ? w->o.text.line_sep : "\n";
    w->line_sep_bytes = (uint32_t)strlen(w->line_sep);
    w->special['\n'] = w->special['\r'] = true;
    w->special[(unsigned char)w->o.quote] = w->o.escape_quotes;
    for (uint32_t i = 0; i < w->line_sep_bytes; i++)
        w->special[(unsigned char)w->line_sep[i]] = true;
    w->sch.count = sch->count;
    w->sch.fields = arena_alloc(&w->arena, (sch->count + 1) * sizeof *sch->fields);
    for (uint32_t i = 0; i < sch->count; i++)
        w->sch.fields[i] = (struct field){arena_strdup(&w->arena, sch->fields[i].name), sch->fields[i].type, true};
    w->header_due = w->o.header;
    if ((rc = byte_sink_create(path, codec, account, &w->sink, err)) != 0)
        goto out;
    *ret = w;
    return 0;
out:
    writer_free(w);
    return rc;
}

int csv_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err)
{
    int rc = w->header_due ? put_header(w, err) : 0;
    if (rc == 0)
        rc = byte_sink_finish(w->sink, ret_bytes, err);
    else
        byte_sink_discard(w->sink);
    if (rc == 0)
        *ret_rows = w->rows;
    writer_free(w);
    return rc;
}

void csv_discard(struct writer *w)
{
    if (!w)
        return;
    byte_sink_discard(w->sink);
    writer_free(w);
}

const char *csv_extension(const struct options *o)
{
    static const char *const names[STREAM_CODEC_COUNT] = {".csv", ".csv.gz", ".csv.deflate", ".csv.zst"};
    enum stream_codec codec;
    struct error err = ERROR_INIT;
    if (stream_codec_of_options(o, "CSV", &codec, &err) != 0) { /* create says so */
        error_fini(&err);
        return names[STREAM_PLAIN];
    }
    return names[codec];
}
