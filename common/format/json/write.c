/* The JSON writer: an object a line, as Spark's writer puts it; null fields are left out unless ignoreNullFields=false. */
#include <math.h>

#include "common/format/json/json.h"
#include "common/format/text_writer.h"

struct json_writer {
    struct writer base;
    struct json_options o;
    const char **keys; /* "name": with quotes and colon, in the arena */
};

static void put_string(struct buf *out, const char *p, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t from = 0;
    buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (LIKELY(c >= ' ' && c != '"' && c != '\\'))
            continue;
        buf_add(out, p + from, i - from);
        from = i + 1;
        const char *short_form = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\b' ? "\\b" : c == '\f' ? "\\f"
                               : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (short_form) {
            buf_add(out, short_form, 2);
        } else {
            buf_add(out, "\\u00", 4);
            buf_addc(out, hex[c >> 4]);
            buf_addc(out, hex[c & 15]);
        }
    }
    buf_add(out, p + from, n - from);
    buf_addc(out, '"');
}

static void put_base64(struct buf *out, const uint8_t *p, size_t n)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_addc(out, '"');
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        buf_addc(out, abc[v >> 18]);
        buf_addc(out, abc[v >> 12 & 63]);
        buf_addc(out, i + 1 < n ? abc[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < n ? abc[v & 63] : '=');
    }
    buf_addc(out, '"');
}

static void put_value(struct json_writer *w, const struct column *col, uint32_t at);

/* Names of fields are written raw in keys made once for the top; nested ones here. */
static void put_struct(struct json_writer *w, const struct column *col, uint32_t at)
{
    const struct type *t = col->type;
    bool first = true;
    buf_addc(&w->base.text, '{');
    for (uint32_t i = 0; i < t->child_count; i++) {
        const struct column *child = &col->children[i];
        bool null = child->type->id == TYPE_NULL || (child->nulls && child->nulls[at]);
        if (null && w->o.ignore_null_fields)
            continue;
        if (!first)
            buf_addc(&w->base.text, ',');
        first = false;
        put_string(&w->base.text, t->names[i], strlen(t->names[i]));
        buf_addc(&w->base.text, ':');
        put_value(w, child, at);
    }
    buf_addc(&w->base.text, '}');
}

/* A map's key as its internal value prints: dates are days, timestamps microseconds. */
static void put_key(struct json_writer *w, const struct column *key, uint32_t at)
{
    struct column plain = *key;
    buf_reset(&w->base.cell);
    switch (key->type->id) {
    case TYPE_DATE: plain.type = type_of(TYPE_INT); break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: plain.type = type_of(TYPE_BIGINT); break;
    default: break;
    }
    if (type_is_nested(key->type))
        column_format(key, at, NULL, "null", &w->base.cell);
    else
        cell_format(&w->o.text, &plain, at, &w->base.cell);
    put_string(&w->base.text, w->base.cell.data ? w->base.cell.data : "", w->base.cell.bytes);
}

static void put_list(struct json_writer *w, const struct column *col, uint32_t at)
{
    struct listview lv = ((const struct listview *)col->data)[at];
    bool map = col->type->id == TYPE_MAP;
    buf_addc(&w->base.text, map ? '{' : '[');
    for (uint32_t k = 0; k < lv.count; k++) {
        if (k)
            buf_addc(&w->base.text, ',');
        if (map) {
            put_key(w, &col->children[0], lv.offset + k);
            buf_addc(&w->base.text, ':');
        }
        put_value(w, &col->children[map], lv.offset + k);
    }
    buf_addc(&w->base.text, map ? '}' : ']');
}

static void put_real(struct json_writer *w, double v, const struct column *col, uint32_t at)
{
    bool quote = isnan(v) || isinf(v);
    if (quote)
        buf_addc(&w->base.text, '"');
    cell_format(&w->o.text, col, at, &w->base.text);
    if (quote)
        buf_addc(&w->base.text, '"');
}

static void put_value(struct json_writer *w, const struct column *col, uint32_t at)
{
    if (col->type->id == TYPE_NULL || (col->nulls && col->nulls[at])) {
        buf_adds(&w->base.text, "null");
        return;
    }
    const struct strview *s = (const struct strview *)col->data + at;
    switch (col->type->id) {
    case TYPE_STRUCT: put_struct(w, col, at); return;
    case TYPE_ARRAY:
    case TYPE_MAP: put_list(w, col, at); return;
    case TYPE_STRING: put_string(&w->base.text, strview_data(s), s->bytes); return;
    case TYPE_BINARY: put_base64(&w->base.text, (const uint8_t *)strview_data(s), s->bytes); return;
    case TYPE_FLOAT: put_real(w, (double)((const float *)col->data)[at], col, at); return;
    case TYPE_DOUBLE: put_real(w, ((const double *)col->data)[at], col, at); return;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT:
        buf_reset(&w->base.cell);
        cell_format(&w->o.text, col, at, &w->base.cell);
        put_string(&w->base.text, w->base.cell.data, w->base.cell.bytes);
        return;
    default: cell_format(&w->o.text, col, at, &w->base.text); return;
    }
}

static void put_row(struct writer *base, const struct batch *b, uint32_t row)
{
    struct json_writer *w = (struct json_writer *)base;
    bool first = true;
    buf_addc(&base->text, '{');
    for (uint32_t i = 0; i < b->col_count; i++) {
        const struct column *col = &b->cols[i];
        uint32_t at = column_idx(col, row);
        bool null = col->type->id == TYPE_NULL || (col->nulls && col->nulls[at]);
        if (null && w->o.ignore_null_fields)
            continue;
        if (!first)
            buf_addc(&base->text, ',');
        first = false;
        buf_adds(&base->text, w->keys[i]);
        put_value(w, col, at);
    }
    buf_addc(&base->text, '}');
    buf_add(&base->text, base->line_sep, base->line_sep_bytes);
}

int json_write(struct writer *w, const struct batch *b, struct error *err)
{
    return text_writer_rows(w, b, put_row, err);
}

int json_can_write(const struct type *t, const char *name, struct error *err)
{
    (void)t;
    (void)name;
    (void)err;
    return 0; /* every type has a form in JSON */
}

static int open_writer(struct json_writer *w, const struct options *o, const struct schema *sch, const char *path,
                       const struct query_ctx *cx, struct account *account, struct error *err)
{
    struct writer *base = &w->base;
    TRY(json_options_read(o, cx, &base->arena, &w->o, err));
    TRY(text_writer_open(base, &w->o.text, path, account, err));
    w->keys = ARENA_ARRAY(&base->arena, const char *, sch->count);
    for (uint32_t i = 0; i < sch->count; i++) {
        buf_reset(&base->cell);
        put_string(&base->cell, sch->fields[i].name, strlen(sch->fields[i].name));
        buf_addc(&base->cell, ':');
        w->keys[i] = arena_strndup(&base->arena, base->cell.data, base->cell.bytes);
    }
    return 0;
}

int json_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
                struct account *account, struct writer **ret, struct error *err)
{
    struct json_writer *w = text_writer_new(sizeof *w, sch);
    int rc = open_writer(w, o, sch, path, cx, account, err);
    if (rc == 0)
        *ret = &w->base;
    else
        text_writer_discard(&w->base);
    return rc;
}

const char *json_extension(const struct options *o)
{
    static const char *const names[] = STREAM_EXTENSIONS(".json");
    return text_writer_extension(o, "JSON", names);
}
