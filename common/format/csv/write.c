/*
 * The CSV writer: Spark's text of each value, quoted where a reader would otherwise see something else (the separator,
 * a line end, a quote). A row of one null leaves no line, as in Spark.
 */
#include "common/format/csv/csv.h"
#include "common/format/text_writer.h"

struct csv_writer {
    struct writer base;
    struct csv_options o;
    bool special[256]; /* bytes that need quotes */
};

static bool needs_quotes(const struct csv_writer *w, const char *p, size_t n)
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

static void add_quoted(struct csv_writer *w, const char *p, size_t n)
{
    struct buf *out = &w->base.text;
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
static void add_word(struct csv_writer *w, const char *p, size_t n)
{
    bool quoted = n >= 2 && p[0] == w->o.quote && p[n - 1] == w->o.quote;
    if (w->o.quote_all && !quoted)
        add_quoted(w, p, n);
    else
        buf_add(&w->base.text, p, n);
}

static void add_text(struct csv_writer *w, const char *p, size_t n)
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
        buf_add(&w->base.text, p, n);
}

/* Types whose text never needs quotes with the usual separators. */
static bool is_plain(const struct csv_writer *w, const struct type *t)
{
    return type_is_integral(t) && !w->o.quote_all && !strchr("-0123456789", w->o.sep[0]) && !strchr("-0123456789", w->o.quote);
}

static void add_cell(struct csv_writer *w, const struct column *col, uint32_t row)
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
        cell_format(&w->o.text, col, at, &w->base.text);
        return;
    }
    buf_reset(&w->base.cell);
    cell_format(&w->o.text, col, at, &w->base.cell);
    add_text(w, w->base.cell.data, w->base.cell.bytes);
}

/* Ends the line that began at `from` unless nothing is in it. */
static void end_line(struct csv_writer *w, size_t from)
{
    if (w->base.text.bytes > from)
        buf_add(&w->base.text, w->base.line_sep, w->base.line_sep_bytes);
}

static void put_row(struct writer *base, const struct batch *b, uint32_t row)
{
    struct csv_writer *w = (struct csv_writer *)base;
    size_t from = base->text.bytes;
    for (uint32_t i = 0; i < b->col_count; i++) {
        if (i)
            buf_add(&base->text, w->o.sep, w->o.sep_bytes);
        add_cell(w, &b->cols[i], row);
    }
    end_line(w, from);
}

int csv_write(struct writer *w, const struct batch *b, struct error *err)
{
    return text_writer_rows(w, b, put_row, err);
}

static void put_header(struct csv_writer *w, const struct schema *sch)
{
    for (uint32_t i = 0; i < sch->count; i++) {
        if (i)
            buf_add(&w->base.text, w->o.sep, w->o.sep_bytes);
        add_text(w, sch->fields[i].name, strlen(sch->fields[i].name));
    }
    end_line(w, 0);
}

static int open_writer(struct csv_writer *w, const struct options *o, const struct schema *sch, const char *path,
                       const struct query_ctx *cx, struct account *account, struct error *err)
{
    TRY(csv_options_read(o, cx, &w->base.arena, &w->o, err));
    for (uint32_t i = 0; i < sch->count; i++)
        TRY(csv_can_write(sch->fields[i].type, sch->fields[i].name, err));
    TRY(text_writer_open(&w->base, &w->o.text, path, account, err));
    w->special['\n'] = w->special['\r'] = true;
    w->special[(unsigned char)w->o.quote] = w->o.escape_quotes;
    for (uint32_t i = 0; i < w->base.line_sep_bytes; i++)
        w->special[(unsigned char)w->base.line_sep[i]] = true;
    if (w->o.header)
        put_header(w, sch);
    return 0;
}

int csv_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
               struct account *account, struct writer **ret, struct error *err)
{
    struct csv_writer *w = text_writer_new(sizeof *w, sch);
    int rc = open_writer(w, o, sch, path, cx, account, err);
    if (rc == 0)
        *ret = &w->base;
    else
        text_writer_discard(&w->base);
    return rc;
}

const char *csv_extension(const struct options *o)
{
    static const char *const names[] = STREAM_EXTENSIONS(".csv");
    return text_writer_extension(o, "CSV", names);
}
