/*
 * The CSV reader: a batch of records is cut into fields, then columns are made of them one by one, each in a loop of
 * its type, filter columns first and the rest under the selection. Strings stay where the window has them.
 *
 * A record is bad when a wanted field is no value of its column's type, or when all columns are wanted and the count
 * of its fields is wrong (Spark prunes columns in its parser, so it does not see that otherwise).
 */
#include "common/format/csv/token.h"
#include "common/format/rows.h"
#include "common/expr/parse.h"

#include <math.h>

enum source { SOURCE_FIELD, SOURCE_CORRUPT, SOURCE_PARTITION };

struct csv_column {
    enum source source;
    const struct type *type;
    uint32_t partition;
    bool decoded;
    void *data; /* BATCH_ROWS values */
    uint8_t *nulls;
};

struct reader {
    const struct scan_spec *spec;
    struct file_split split;
    struct account *account;
    size_t reserved;
    struct arena arena, batch_arena;
    struct csv_options o;
    uint32_t nan_bytes, positive_bytes, negative_bytes;
    struct text_window window;
    struct csv_tokens tokens;
    struct row_scan scan;
    uint32_t column_count;
    uint32_t total; /* the scan's columns, then those that only the column of corrupt records needs */
    struct csv_column *cols;
    struct column *columns;
    struct batch batch;
    struct reader_metrics metrics;
};

/* ---- opening ---- */

static int reserve(struct reader *r, size_t bytes, struct error *err)
{
    TRY(account_reserve(r->account, bytes, err));
    r->reserved += bytes;
    return 0;
}

/* Fields of a record are the columns of the table without the one for corrupt records. */
static uint32_t field_number(const struct reader *r, uint32_t column)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < column; i++)
        n += strcmp(r->spec->file_schema.fields[i].name, r->o.text.corrupt_column) != 0;
    return n;
}

static bool is_corrupt_column(const struct reader *r, uint32_t field)
{
    return field < r->spec->file_schema.count && strcmp(r->spec->file_schema.fields[field].name, r->o.text.corrupt_column) == 0;
}

/* Column i of the reader is this one of the table. */
static int open_column(struct reader *r, uint32_t i, uint32_t field, struct error *err)
{
    const struct scan_spec *spec = r->spec;
    struct csv_column *c = &r->cols[i];
    struct csv_tokens *t = &r->tokens;
    uint32_t fields = spec->file_schema.count;
    if (field >= fields) {
        c->source = SOURCE_PARTITION;
        c->partition = field - fields;
        c->type = spec->partition_schema.fields[c->partition].type;
        return 0;
    }
    c->type = spec->file_schema.fields[field].type;
    bool corrupt = is_corrupt_column(r, field);
    if (corrupt && c->type->id != TYPE_STRING)
        return error_set(err, ERR_CORRUPT_TYPE, "columnName", r->o.text.corrupt_column, "actualType", c->type->text, NULL);
    if (!csv_can_hold(c->type))
        return text_type_refused("CSV", spec->file_schema.fields[field].name, c->type, err);
    uint32_t width = phys_bytes(type_phys(c->type));
    TRY(reserve(r, (size_t)BATCH_ROWS * (width + 1), err));
    c->data = arena_alloc(&r->arena, (size_t)BATCH_ROWS * width);
    c->nulls = arena_alloc(&r->arena, BATCH_ROWS);
    c->source = corrupt ? SOURCE_CORRUPT : SOURCE_FIELD;
    if (corrupt) {
        t->keep_records = true;
    } else {
        uint32_t k = field_number(r, field);
        t->slots[k] = i;
        if (t->slot_last <= k)
            t->slot_last = k + 1;
    }
    return 0;
}

/* Corrupt records alone are asked for: what they are, all other columns tell. */
static bool wants_only_corrupt(const struct reader *r)
{
    bool any = false;
    for (uint32_t i = 0; i < r->column_count; i++) {
        if (r->spec->columns[i] < r->spec->file_schema.count && !is_corrupt_column(r, r->spec->columns[i]))
            return false;
        any |= is_corrupt_column(r, r->spec->columns[i]);
    }
    return any;
}

static int open_columns(struct reader *r, struct error *err)
{
    const struct scan_spec *spec = r->spec;
    struct csv_tokens *t = &r->tokens;
    uint32_t wanted = 0, most = spec->column_count + spec->file_schema.count;
    r->column_count = r->total = spec->column_count;
    r->cols = ARENA_ARRAY(&r->arena, struct csv_column, most);
    r->columns = ARENA_ARRAY(&r->arena, struct column, most);
    t->o = &r->o;
    t->arena = &r->batch_arena;
    t->slot_count = t->expected = field_number(r, spec->file_schema.count);
    t->slots = ARENA_ARRAY(&r->arena, uint32_t, t->slot_count);
    memset(t->slots, 0xff, t->slot_count * sizeof *t->slots);
    for (uint32_t i = 0; i < r->column_count; i++)
        TRY(open_column(r, i, spec->columns[i], err));
    for (uint32_t f = 0; f < spec->file_schema.count && wants_only_corrupt(r); f++)
        if (!is_corrupt_column(r, f))
            TRY(open_column(r, r->total++, f, err));
    for (uint32_t k = 0; k < t->slot_count; k++)
        wanted += t->slots[k] != UINT32_MAX;
    t->count_fields = wanted == t->expected;
    t->keep_records |= r->o.text.mode == MODE_FAIL;
    TRY(reserve(r, (size_t)CSV_STRIDE * (r->total + 1) * sizeof *t->fields + BATCH_ROWS, err));
    t->fields = arena_alloc(&r->arena, (size_t)CSV_STRIDE * (r->total + 1) * sizeof *t->fields);
    t->to = ARENA_ARRAY(&r->arena, struct csv_field *, t->slot_last);
    for (uint32_t k = 0; k < t->slot_last; k++)
        if (t->slots[k] != UINT32_MAX)
            t->to[k] = t->fields + (size_t)t->slots[k] * CSV_STRIDE;
    t->records = arena_alloc(&r->arena, (size_t)BATCH_ROWS * sizeof *t->records);
    t->bad = arena_zalloc(&r->arena, BATCH_ROWS);
    return 0;
}

static int header_differs(struct reader *r, const char *why, struct error *err)
{
    int rc = error_setf(err, ERR_FILE_READ, "message", "the header does not conform to the schema: %s", why);
    error_add_param(err, "path", r->split.path);
    return rc;
}

/* enforceSchema=false: names of the header must be those of the schema, case aside. */
static int check_header(struct reader *r, struct error *err)
{
    const struct schema *sch = &r->spec->file_schema;
    struct csv_tokens *t = &r->tokens;
    if (r->o.enforce)
        return 0;
    if (t->last_count != t->expected)
        return header_differs(r, "it has another number of columns", err);
    for (uint32_t i = 0, k = 0; i < sch->count; i++) {
        if (strcmp(sch->fields[i].name, r->o.text.corrupt_column) == 0)
            continue;
        const struct csv_field *f = &t->all[k++];
        char *name = arena_strndup(&r->batch_arena, f->p ? f->p : "", f->bytes);
        if (!str_eq_nocase(name, sch->fields[i].name))
            return header_differs(r, arena_printf(&r->batch_arena, "%s is expected, but %s was found", sch->fields[i].name, name), err);
    }
    return 0;
}

static int take_header(struct reader *r, struct error *err)
{
    struct csv_tokens *t = &r->tokens;
    t->all_cap = t->expected;
    t->all = ARENA_ARRAY(&r->batch_arena, struct csv_field, t->all_cap);
    TRY(csv_take(t, &r->window, 1, err));
    int rc = t->rows ? check_header(r, err) : 0;
    t->all_cap = 0;
    return rc;
}

void csv_close(struct reader *r)
{
    if (!r)
        return;
    row_scan_close(&r->scan);
    window_close(&r->window);
    buf_fini(&r->tokens.scratch);
    account_release(r->account, r->reserved);
    arena_fini(&r->batch_arena);
    arena_fini(&r->arena);
    xfree(r);
}

int csv_open(const struct scan_spec *spec, const struct file_split *split, struct account *account, struct reader **ret,
             struct error *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    int rc;
    r->spec = spec;
    r->split = *split;
    r->account = account;
    arena_init(&r->arena);
    arena_init(&r->batch_arena);
    r->split.path = arena_strdup(&r->arena, split->path);
    if ((rc = csv_options_read(&spec->options, spec->cx, &r->arena, &r->o, err)) != 0 ||
        (rc = text_options_for_reading(&r->o.text, err)) != 0 ||
        (rc = open_columns(r, err)) != 0 || (rc = row_scan_open(&r->scan, spec, &r->arena, err)) != 0 ||
        (rc = window_open(&r->window, r->split.path, split->start, split->length, &r->o.text, account, err)) != 0)
        goto out;
    r->nan_bytes = (uint32_t)strlen(r->o.nan_value);
    r->positive_bytes = (uint32_t)strlen(r->o.positive_inf);
    r->negative_bytes = (uint32_t)strlen(r->o.negative_inf);
    if (r->o.text.multi_line)
        csv_detect_line_end(&r->tokens, &r->window);
    if (r->o.header && split->start == 0 && (rc = take_header(r, err)) != 0)
        goto out;
    *ret = r;
    return 0;
out:
    csv_close(r);
    return rc;
}

/* ---- columns ---- */

static inline bool is_text(const struct csv_field *f, const char *text, uint32_t bytes)
{
    return f->bytes == bytes && memcmp(f->p, text, bytes) == 0;
}

static inline bool is_null(const struct reader *r, const struct csv_field *f)
{
    return !f->p || is_text(f, r->o.null_value, r->o.null_bytes);
}

static bool special_real(const struct reader *r, const struct csv_field *f, double *ret)
{
    if (is_text(f, r->o.nan_value, r->nan_bytes))
        *ret = NAN;
    else if (is_text(f, r->o.negative_inf, r->negative_bytes))
        *ret = -INFINITY;
    else if (is_text(f, r->o.positive_inf, r->positive_bytes))
        *ret = INFINITY;
    else
        return false;
    return true;
}

/* strview_make for bytes that are followed by readable ones: made of two words, which are stored as such. */
static inline void put_view(struct strview *out, const char *p, uint32_t n)
{
    uint64_t words[2], a;
    uint32_t b;
    memcpy(&a, p, 8);
    memcpy(&b, p + 8, 4);
    if (n <= STRVIEW_INLINE) {
        a = n >= 8 ? a : a & ((1ull << 8 * n) - 1);
        b = n >= 12 ? b : n <= 8 ? 0 : b & ((1u << 8 * (n - 8)) - 1);
        words[1] = a >> 32 | (uint64_t)b << 32;
    } else {
        words[1] = (uintptr_t)p;
    }
    words[0] = n | a << 32;
    memcpy(out, words, sizeof *out);
}

static struct strview text_value(struct reader *r, const struct csv_field *f)
{
    if (LIKELY(!bytes_not_ascii(f->p, f->bytes)) || utf8_valid(f->p, f->bytes) == f->bytes)
        return strview_make(f->p, f->bytes);
    struct buf b = BUF_INIT;
    utf8_repair(f->p, f->bytes, &b);
    struct strview v = strview_make(arena_dup(&r->batch_arena, b.data, b.bytes), (uint32_t)b.bytes);
    buf_fini(&b);
    return v;
}

/* A loop over the live rows of a column: OK says whether the field is a value, and has put it into out[row]. */
#define CONVERT(ctype, OK)                                                                         \
    do {                                                                                           \
        ctype *out = c->data;                                                                      \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            uint32_t row = sel ? sel[i] : i;                                                       \
            const struct csv_field *f = &fields[row];                                              \
            bool null = is_null(r, f);                                                             \
            if (LIKELY(!null) && UNLIKELY(!(OK)))                                                  \
                bad[row] = null = true;                                                            \
            if (null)                                                                              \
                out[row] = (ctype){0};                                                             \
            c->nulls[row] = null;                                                                  \
            any |= null;                                                                           \
        }                                                                                          \
    } while (0)

static inline bool put_integer(const struct csv_field *f, const struct type *t, int64_t *v)
{
    return cell_parse_integer(f->p, f->bytes, t, v);
}

static bool put_double(const struct reader *r, const struct csv_field *f, double *out)
{
    return cell_parse_f64(f->p, f->bytes, out) || special_real(r, f, out);
}

static bool put_float(const struct reader *r, const struct csv_field *f, float *out)
{
    double d;
    if (cell_parse_f32(f->p, f->bytes, out))
        return true;
    if (!special_real(r, f, &d))
        return false;
    *out = (float)d;
    return true;
}

/* Values of a column's type from its fields; true when any is null. */
static bool convert(struct reader *r, struct csv_column *c, const struct csv_field *fields, const uint16_t *sel, uint32_t n)
{
    const struct type *t = c->type;
    const struct text_options *o = &r->o.text;
    uint8_t *bad = r->tokens.bad;
    bool any = false, truth;
    int64_t v;
    int128_t wide;
    switch (t->id) {
    case TYPE_BOOLEAN: CONVERT(uint8_t, cell_parse_bool(f->p, f->bytes, &truth) && (out[row] = truth, true)); break;
    case TYPE_TINYINT: CONVERT(int8_t, put_integer(f, t, &v) && (out[row] = (int8_t)v, true)); break;
    case TYPE_SMALLINT: CONVERT(int16_t, put_integer(f, t, &v) && (out[row] = (int16_t)v, true)); break;
    case TYPE_INT: CONVERT(int32_t, put_integer(f, t, &v) && (out[row] = (int32_t)v, true)); break;
    case TYPE_BIGINT: CONVERT(int64_t, put_integer(f, t, &out[row])); break;
    case TYPE_FLOAT: CONVERT(float, put_float(r, f, &out[row])); break;
    case TYPE_DOUBLE: CONVERT(double, put_double(r, f, &out[row])); break;
    case TYPE_DECIMAL:
        if (type_phys(t) == PHYS_I64)
            CONVERT(int64_t, cell_parse_decimal(f->p, f->bytes, t, &wide) && (out[row] = (int64_t)wide, true));
        else
            CONVERT(int128_t, cell_parse_decimal(f->p, f->bytes, t, &out[row]));
        break;
    case TYPE_STRING:
        if (r->tokens.not_ascii)
            CONVERT(struct strview, (out[row] = text_value(r, f), true));
        else
            CONVERT(struct strview, (put_view(&out[row], f->p, f->bytes), true));
        break;
    case TYPE_BINARY: CONVERT(struct strview, (out[row] = strview_make(f->p, f->bytes), true)); break;
    case TYPE_DATE: CONVERT(int32_t, cell_parse_date(o, f->p, f->bytes, &out[row])); break;
    case TYPE_TIMESTAMP: CONVERT(int64_t, cell_parse_timestamp(o, f->p, f->bytes, &out[row])); break;
    case TYPE_TIMESTAMP_NTZ: CONVERT(int64_t, cell_parse_ntz(o, f->p, f->bytes, &out[row])); break;
    case TYPE_INTERVAL_YM: CONVERT(int32_t, parse_interval(f->p, f->bytes, t, &v) && (out[row] = (int32_t)v, true)); break;
    case TYPE_INTERVAL_DT: CONVERT(int64_t, parse_interval(f->p, f->bytes, t, &out[row])); break;
    default: UNREACHABLE("open_column refuses other types");
    }
    return any;
}

static int decode(void *ctx, uint32_t i, struct error *err);

/* The column of corrupt records knows only when all the others have been made. */
static int corrupt(struct reader *r, struct csv_column *c, struct error *err)
{
    struct strview *out = c->data;
    struct batch *b = &r->batch;
    for (uint32_t i = 0; i < r->total; i++)
        if (r->cols[i].source == SOURCE_FIELD)
            TRY(decode(r, i, err));
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k;
        c->nulls[row] = !r->tokens.bad[row];
        out[row] = r->tokens.bad[row] ? text_value(r, &r->tokens.records[row]) : strview_make("", 0);
    }
    return 0;
}

static int decode(void *ctx, uint32_t i, struct error *err)
{
    struct reader *r = ctx;
    struct csv_column *c = &r->cols[i];
    struct batch *b = &r->batch;
    bool any_null = true;
    if (c->decoded)
        return 0;
    c->decoded = true;
    if (c->source == SOURCE_PARTITION) {
        r->columns[i] = value_column(&r->split.partition_values[c->partition], b->rows, &r->batch_arena);
        return 0;
    }
    if (c->source == SOURCE_CORRUPT)
        TRY(corrupt(r, c, err));
    else
        any_null = convert(r, c, r->tokens.fields + (size_t)i * CSV_STRIDE, b->sel, b->sel_count);
    r->columns[i] = (struct column){.type = c->type, .phys = type_phys(c->type), .kind = COL_FLAT, .rows = b->rows,
                                    .nulls = any_null ? c->nulls : NULL, .data = c->data};
    return 0;
}

/* ---- batches ---- */

static int malformed(struct reader *r, uint32_t row, struct error *err)
{
    struct buf text = BUF_INIT;
    const struct csv_field *f = &r->tokens.records[row];
    utf8_repair(f->p, f->bytes < 1000 ? f->bytes : 1000, &text);
    int rc = error_set(err, ERR_MALFORMED_RECORD, "badRecord", text.data ? text.data : "", "failFastMode", "FAILFAST", NULL);
    buf_fini(&text);
    error_note(err, "while reading %s", r->split.path);
    return rc;
}

/* What the mode makes of the bad ones among the live rows. */
static int judge(struct reader *r, struct error *err)
{
    struct batch *b = &r->batch;
    uint16_t *sel = r->scan.sel;
    uint32_t n = 0;
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k;
        if (r->tokens.bad[row]) {
            r->metrics.corrupt_records++;
            if (r->o.text.mode == MODE_FAIL)
                return malformed(r, row, err);
        }
        if (!r->tokens.bad[row] || r->o.text.mode == MODE_PERMISSIVE)
            sel[n++] = (uint16_t)row;
    }
    if (n < b->sel_count) {
        b->sel = sel;
        b->sel_count = n;
    }
    return 0;
}

int csv_next(struct reader *r, struct batch **ret, struct error *err)
{
    struct batch *b = &r->batch;
    *ret = NULL;
    arena_reset(&r->batch_arena);
    TRY(csv_take(&r->tokens, &r->window, batch_rows(), err));
    uint32_t n = r->tokens.rows;
    r->metrics.bytes_read = byte_source_consumed(r->window.source);
    if (n == 0)
        return 0;
    *b = (struct batch){.rows = n, .col_count = r->column_count, .cols = r->columns, .sel_count = n};
    for (uint32_t i = 0; i < r->total; i++) {
        r->cols[i].decoded = false;
        r->columns[i] = (struct column){.type = r->cols[i].type, .phys = type_phys(r->cols[i].type), .rows = n};
    }
    TRY(row_scan_apply(&r->scan, b, decode, r, err));
    for (uint32_t i = 0; i < r->column_count && b->sel_count > 0; i++)
        TRY(decode(r, i, err));
    if (b->sel_count > 0)
        TRY(judge(r, err));
    r->metrics.rows_read += n;
    r->metrics.rows_out += b->sel_count;
    *ret = b;
    return 0;
}

void csv_metrics(const struct reader *r, struct reader_metrics *ret)
{
    *ret = r->metrics;
}

void csv_filter(struct reader *r, const struct scan_filter *filters, uint32_t count)
{
    row_scan_filters(&r->scan, filters, count);
}
