/*
 * Text: a line is a row of one string column, or with `wholetext` the whole file is. Bytes stay as they are, valid
 * UTF-8 or not.
 */
#include "common/format/rows.h"
#include "common/format/text_writer.h"
#include "common/format/window.h"

struct reader {
    const struct scan_spec *spec;
    struct file_split split;
    struct arena arena, batch_arena;
    struct text_options o;
    bool whole;
    struct text_window window;
    struct row_scan scan;
    bool ended;
    struct strview *views; /* BATCH_ROWS of them */
    struct column *columns;
    struct batch batch;
    struct reader_metrics metrics;
};

static int read_options(const struct options *o, const struct query_ctx *cx, struct arena *ar, struct text_options *ret,
                        bool *ret_whole, struct error *err)
{
    TRY(text_options_read(o, "Text", cx, ar, ret, err));
    return option_bool(ret, "wholetext", ret_whole, err);
}

static int check_schema(const struct schema *sch, struct error *err)
{
    if (sch->count > 1)
        return error_setf(err, ERR_ANALYSIS, "message", "text files have a single column, but the schema has %u", sch->count);
    if (sch->count == 1 && sch->fields[0].type->id != TYPE_STRING)
        return text_type_refused("Text", sch->fields[0].name, sch->fields[0].type, err);
    return 0;
}

static int text_infer(const struct options *o, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
                      struct arena *ar, struct schema *ret, struct error *err)
{
    struct text_options t;
    bool whole = false;
    (void)paths;
    (void)path_count;
    TRY(read_options(o, cx, ar, &t, &whole, err));
    ret->count = 1;
    ret->fields = ARENA_NEW(ar, struct field);
    ret->fields[0] = (struct field){"value", type_of(TYPE_STRING), true};
    return 0;
}

static void text_close(struct reader *r)
{
    if (!r)
        return;
    row_scan_close(&r->scan);
    window_close(&r->window);
    arena_fini(&r->batch_arena);
    arena_fini(&r->arena);
    xfree(r);
}

static int text_open(const struct scan_spec *spec, const struct file_split *split, struct account *account,
                     struct reader **ret, struct error *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    int rc;
    r->spec = spec;
    r->split = *split;
    arena_init(&r->arena);
    arena_init(&r->batch_arena);
    r->split.path = arena_strdup(&r->arena, split->path);
    r->views = ARENA_ARRAY(&r->arena, struct strview, BATCH_ROWS);
    r->columns = ARENA_ARRAY(&r->arena, struct column, spec->column_count);
    if ((rc = read_options(&spec->options, spec->cx, &r->arena, &r->o, &r->whole, err)) != 0 ||
        (rc = check_schema(&spec->file_schema, err)) != 0 ||
        (rc = row_scan_open(&r->scan, spec, &r->arena, err)) != 0 ||
        (rc = window_open(&r->window, r->split.path, split->start, split->length, &r->o, account, err)) != 0) {
        text_close(r);
        return rc;
    }
    *ret = r;
    return 0;
}

static int collect(struct reader *r, uint32_t *ret_rows, struct error *err)
{
    uint32_t n = 0;
    if (r->whole) {
        if (!r->ended) {
            TRY(window_rest(&r->window, err));
            r->ended = true;
            r->views[n++] = strview_make(r->window.data + r->window.at, (uint32_t)(r->window.end - r->window.at));
        }
    } else {
        for (bool any = true; n < batch_rows(); n++) {
            const char *p;
            size_t bytes;
            TRY(window_line(&r->window, n > 0, &p, &bytes, &any, err));
            if (!any)
                break;
            r->views[n] = strview_make(p, (uint32_t)bytes);
        }
    }
    *ret_rows = n;
    return 0;
}

static int text_next(struct reader *r, struct batch **ret, struct error *err)
{
    uint32_t n, fields = r->spec->file_schema.count;
    *ret = NULL;
    TRY(collect(r, &n, err));
    r->metrics.bytes_read = byte_source_consumed(r->window.source);
    if (n == 0)
        return 0;
    arena_reset(&r->batch_arena);
    for (uint32_t i = 0; i < r->spec->column_count; i++) {
        uint32_t field = r->spec->columns[i];
        if (field >= fields)
            r->columns[i] = value_column(&r->split.partition_values[field - fields], n, &r->batch_arena);
        else
            r->columns[i] = (struct column){.type = type_of(TYPE_STRING), .phys = PHYS_STR, .kind = COL_FLAT,
                                            .rows = n, .data = r->views};
    }
    r->batch = (struct batch){.rows = n, .col_count = r->spec->column_count, .cols = r->columns, .sel_count = n};
    TRY(row_scan_apply(&r->scan, &r->batch, NULL, NULL, err));
    r->metrics.rows_read += n;
    r->metrics.rows_out += r->batch.sel_count;
    *ret = &r->batch;
    return 0;
}

static void text_metrics(const struct reader *r, struct reader_metrics *ret)
{
    *ret = r->metrics;
}

static void text_filter(struct reader *r, const struct scan_filter *filters, uint32_t count)
{
    row_scan_filters(&r->scan, filters, count);
}

/* ---- writing ---- */

static int text_can_write(const struct type *t, const char *name, struct error *err)
{
    return t->id == TYPE_STRING ? 0 : text_type_refused("Text", name, t, err);
}

static int open_writer(struct writer *w, const struct options *o, const struct schema *sch, const char *path,
                       const struct query_ctx *cx, struct account *account, struct error *err)
{
    struct text_options *t = ARENA_NEW(&w->arena, struct text_options);
    TRY(check_schema(sch, err));
    TRY(text_options_read(o, "Text", cx, &w->arena, t, err));
    return text_writer_open(w, t, path, account, err);
}

static int text_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
                       struct account *account, struct writer **ret, struct error *err)
{
    struct writer *w = text_writer_new(sizeof *w, sch);
    int rc = open_writer(w, o, sch, path, cx, account, err);
    if (rc == 0)
        *ret = w;
    else
        text_writer_discard(w);
    return rc;
}

/* A null is an empty line. A line may be a whole file's text, so none is copied on its way to the sink. */
static int text_write(struct writer *w, const struct batch *b, struct error *err)
{
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k;
        if (b->col_count && !column_is_null(&b->cols[0], row)) {
            const struct strview *s = (const struct strview *)b->cols[0].data + column_idx(&b->cols[0], row);
            TRY(byte_sink_write(w->sink, strview_data(s), s->bytes, err));
        }
        TRY(byte_sink_write(w->sink, w->line_sep, w->line_sep_bytes, err));
    }
    w->rows += b->sel_count;
    return 0;
}

static const char *text_extension(const struct options *o)
{
    static const char *const names[] = STREAM_EXTENSIONS(".txt");
    return text_writer_extension(o, "Text", names);
}

const struct format_row format_text = {
    .name = "text",
    .infer = text_infer,
    .splittable = text_splittable,
    .open = text_open,
    .next = text_next,
    .metrics = text_metrics,
    .filter = text_filter,
    .close = text_close,
    .can_write = text_can_write,
    .create = text_create,
    .write = text_write,
    .finish = text_writer_finish,
    .discard = text_writer_discard,
    .extension = text_extension,
};
