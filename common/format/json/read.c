/*
 * The JSON reader: a line is a document, an object in it a row, and of an array each element (with multiLine the whole
 * file is the document). Rows go into a builder; a batch is what it sealed last.
 */
#include "common/format/json/convert.h"
#include "common/format/rows.h"
#include "common/format/window.h"

struct reader {
    const struct scan_spec *spec;
    struct file_split split;
    struct arena arena, batch_arena;
    struct json_options o;
    struct text_window window;
    struct json_parser parser;
    struct json_convert convert;
    struct row_scan scan;
    struct json_shape shape;     /* the data columns that are read */
    uint32_t *shape_columns;     /* of the builder */
    uint32_t corrupt;            /* column of the builder, or UINT32_MAX */
    uint32_t *places;            /* scan column: of the builder, or UINT32_MAX: a partition column */
    uint32_t *found;
    struct builder builder;
    struct sealed *sealed;
    const char *record;          /* the document at hand */
    size_t record_bytes;
    uint32_t element, element_end; /* of an array at its root: rows that are still to come */
    bool array_bad;
    bool whole_done;             /* multiLine: the file was taken */
    uint32_t rows;
    uint8_t *bad;                /* BATCH_ROWS */
    struct column *columns, *built;
    struct batch batch;
    struct reader_metrics metrics;
};

static int check_column(const struct reader *r, const struct field *f, struct error *err)
{
    const struct type *refused = json_cannot_hold(f->type);
    if (refused)
        return text_type_refused("JSON", f->name, refused, err);
    if (strcmp(f->name, r->o.text.corrupt_column) == 0 && f->type->id != TYPE_STRING)
        return error_set(err, ERR_CORRUPT_TYPE, "columnName", f->name, "actualType", f->type->text, NULL);
    return 0;
}

static int open_columns(struct reader *r, struct account *account, struct error *err)
{
    const struct scan_spec *spec = r->spec;
    uint32_t n = spec->column_count, fields = spec->file_schema.count, built = 0, data = 0, most = n + fields;
    const struct type **types = ARENA_ARRAY(&r->arena, const struct type *, most);
    struct field *list = ARENA_ARRAY(&r->arena, struct field, most);
    r->places = ARENA_ARRAY(&r->arena, uint32_t, n);
    r->shape_columns = ARENA_ARRAY(&r->arena, uint32_t, most);
    r->columns = ARENA_ARRAY(&r->arena, struct column, n);
    r->built = ARENA_ARRAY(&r->arena, struct column, most);
    r->found = ARENA_ARRAY(&r->arena, uint32_t, most);
    r->bad = ARENA_ARRAY(&r->arena, uint8_t, BATCH_ROWS);
    r->corrupt = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        r->places[i] = UINT32_MAX;
        if (spec->columns[i] >= fields)
            continue;
        const struct field *f = &spec->file_schema.fields[spec->columns[i]];
        TRY(check_column(r, f, err));
        r->places[i] = built;
        types[built] = f->type;
        if (strcmp(f->name, r->o.text.corrupt_column) == 0) {
            r->corrupt = built;
        } else {
            r->shape_columns[data] = built;
            list[data++] = *f;
        }
        built++;
    }
    /* Corrupt records alone are asked for: what they are, all other columns tell. */
    for (uint32_t i = 0, only = data == 0 && r->corrupt != UINT32_MAX; i < fields && only; i++) {
        const struct field *f = &spec->file_schema.fields[i];
        if (strcmp(f->name, r->o.text.corrupt_column) == 0)
            continue;
        TRY(check_column(r, f, err));
        r->shape_columns[data] = built;
        list[data++] = *f;
        types[built++] = f->type;
    }
    json_shape_fields(&r->shape, list, data, &r->arena);
    builder_init(&r->builder, built, types, account);
    return 0;
}

void json_close(struct reader *r)
{
    if (!r)
        return;
    sealed_unref(r->sealed);
    if (r->builder.cols)
        builder_fini(&r->builder);
    row_scan_close(&r->scan);
    window_close(&r->window);
    json_parser_fini(&r->parser);
    buf_fini(&r->convert.scratch);
    arena_fini(&r->batch_arena);
    arena_fini(&r->arena);
    xfree(r);
}

int json_open(const struct scan_spec *spec, const struct file_split *split, struct account *account,
              struct reader **ret, struct error *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    int rc;
    r->spec = spec;
    r->split = *split;
    arena_init(&r->arena);
    arena_init(&r->batch_arena);
    json_parser_init(&r->parser, &r->o, account);
    r->convert.o = &r->o;
    r->split.path = arena_strdup(&r->arena, split->path);
    if ((rc = json_options_read(&spec->options, spec->cx, &r->arena, &r->o, err)) != 0 ||
        (rc = text_options_for_reading(&r->o.text, err)) != 0 ||
        (rc = open_columns(r, account, err)) != 0 || (rc = row_scan_open(&r->scan, spec, &r->arena, err)) != 0 ||
        (rc = window_open(&r->window, r->split.path, split->start, split->length, &r->o.text, account, err)) != 0) {
        json_close(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* ---- rows ---- */

static void put_record_text(struct reader *r, bool bad)
{
    if (r->corrupt == UINT32_MAX)
        return;
    if (!bad) {
        builder_put_null(&r->builder, r->corrupt);
        return;
    }
    struct buf text = BUF_INIT;
    utf8_repair(r->record, r->record_bytes, &text);
    builder_put_str(&r->builder, r->corrupt, text.data ? text.data : "", (uint32_t)text.bytes);
    buf_fini(&text);
}

static int malformed(struct reader *r, struct error *err)
{
    struct buf text = BUF_INIT;
    utf8_repair(r->record, r->record_bytes < 1000 ? r->record_bytes : 1000, &text);
    int rc = error_set(err, ERR_MALFORMED_RECORD, "badRecord", text.data ? text.data : "", "failFastMode", "FAILFAST", NULL);
    buf_fini(&text);
    if (r->parser.wrong)
        error_note(err, "the document has %s", r->parser.wrong);
    error_note(err, "while reading %s", r->split.path);
    return rc;
}

static int end_row(struct reader *r, bool bad, struct error *err)
{
    put_record_text(r, bad);
    r->bad[r->rows++] = bad;
    r->metrics.corrupt_records += bad;
    if (bad && r->o.text.mode == MODE_FAIL)
        return malformed(r, err);
    return builder_end_row(&r->builder, err);
}

static int put_nothing(struct reader *r, struct error *err)
{
    for (uint32_t i = 0; i < r->shape.child_count; i++)
        builder_put_null(&r->builder, r->shape_columns[i]);
    return end_row(r, true, err);
}

/* The values of the wanted columns in the object at node `at`. */
static void find_columns(struct reader *r, uint32_t at)
{
    const struct json_node *nodes = r->convert.nodes;
    uint32_t hint = 0;
    memset(r->found, 0xff, r->shape.child_count * sizeof *r->found);
    for (uint32_t i = at + 1; i < nodes[at].next; i = nodes[i + 1].next) {
        uint32_t k = json_shape_find(&r->shape, nodes[i].p, nodes[i].bytes, hint);
        if (k != UINT32_MAX) {
            r->found[k] = i + 1;
            hint = k + 1;
        }
    }
}

static int put_row(struct reader *r, uint32_t at, bool bad, struct error *err)
{
    find_columns(r, at);
    for (uint32_t i = 0; i < r->shape.child_count; i++)
        bad |= !json_put(&r->convert, &r->shape.children[i], r->found[i], builder_column(&r->builder, r->shape_columns[i]));
    return end_row(r, bad, err);
}

/* An array of rows: 0, or what is wrong with it: -1 all of it (an element is no object), 1 a value somewhere. */
static int array_fault(struct reader *r, uint32_t at)
{
    const struct json_node *nodes = r->convert.nodes;
    int fault = 0;
    for (uint32_t i = at + 1; i < nodes[at].next; i = nodes[i].next) {
        if (nodes[i].kind != JSON_OBJECT)
            return -1;
        find_columns(r, i);
        for (uint32_t k = 0; k < r->shape.child_count && !fault; k++)
            fault = !json_fits(&r->convert, &r->shape.children[k], r->found[k]);
    }
    return fault;
}

static int put_document(struct reader *r, struct error *err)
{
    enum json_result result;
    size_t used;
    TRY(json_parse(&r->parser, r->record, r->record_bytes, &result, &used, err));
    if (result == JSON_NOTHING)
        return 0;
    if (result == JSON_MALFORMED)
        return put_nothing(r, err);
    r->convert.nodes = r->parser.nodes;
    if (r->parser.nodes[0].kind == JSON_OBJECT)
        return put_row(r, 0, false, err);
    int fault = r->parser.nodes[0].kind == JSON_ARRAY ? array_fault(r, 0) : -1;
    if (fault < 0)
        return put_nothing(r, err);
    r->array_bad = fault > 0;
    r->element = 1;
    r->element_end = r->parser.nodes[0].next;
    return 0;
}

/* Takes documents until the batch is full; the window stays where it is as long as rows are made from it. */
static int fill_batch(struct reader *r, struct error *err)
{
    while (r->rows < batch_rows()) {
        if (r->element < r->element_end) {
            uint32_t at = r->element;
            r->element = r->convert.nodes[at].next;
            TRY(put_row(r, at, r->array_bad, err));
            continue;
        }
        bool any;
        if (r->o.text.multi_line) {
            if (r->whole_done)
                return 0;
            TRY(window_rest(&r->window, err));
            r->whole_done = true;
            r->record = r->window.data + r->window.at;
            r->record_bytes = r->window.end - r->window.at;
        } else {
            TRY(window_line(&r->window, false, &r->record, &r->record_bytes, &any, err));
            if (!any)
                return 0;
        }
        TRY(put_document(r, err));
    }
    return 0;
}

/* ---- batches ---- */

static void drop_bad(struct reader *r)
{
    struct batch *b = &r->batch;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->rows; i++)
        if (!r->bad[i])
            r->scan.sel[n++] = (uint16_t)i;
    if (n < b->rows) {
        b->sel = r->scan.sel;
        b->sel_count = n;
    }
}

static void make_batch(struct reader *r)
{
    const struct scan_spec *spec = r->spec;
    uint32_t fields = spec->file_schema.count;
    struct batch built;
    if (r->builder.col_count) {
        r->sealed = builder_seal(&r->builder);
        sealed_window(r->sealed, 0, r->rows, r->built, &built, &r->batch_arena);
    }
    for (uint32_t i = 0; i < spec->column_count; i++)
        r->columns[i] = r->places[i] != UINT32_MAX
                            ? r->built[r->places[i]]
                            : value_column(&r->split.partition_values[spec->columns[i] - fields], r->rows, &r->batch_arena);
    r->batch = (struct batch){.rows = r->rows, .col_count = spec->column_count, .cols = r->columns, .sel_count = r->rows};
}

int json_next(struct reader *r, struct batch **ret, struct error *err)
{
    *ret = NULL;
    sealed_unref(r->sealed);
    r->sealed = NULL;
    r->rows = 0;
    arena_reset(&r->batch_arena);
    TRY(fill_batch(r, err));
    r->metrics.bytes_read = byte_source_consumed(r->window.source);
    if (r->rows == 0)
        return 0;
    make_batch(r);
    if (r->o.text.mode == MODE_DROP)
        drop_bad(r);
    TRY(row_scan_apply(&r->scan, &r->batch, NULL, NULL, err));
    r->metrics.rows_read += r->rows;
    r->metrics.rows_out += r->batch.sel_count;
    *ret = &r->batch;
    return 0;
}

void json_metrics(const struct reader *r, struct reader_metrics *ret)
{
    *ret = r->metrics;
}

void json_filter(struct reader *r, const struct scan_filter *filters, uint32_t count)
{
    row_scan_filters(&r->scan, filters, count);
}
