/* The JSON writer: an object a line, as Spark's writer puts it; null fields are left out unless ignoreNullFields=false. */
#include <math.h>

#include "common/format/json/json.h"
#include "common/format/stream.h"

enum { FLUSH_BYTES = 64 << 10 };

struct writer {
    struct json_options o;
    struct arena arena;
    struct byte_sink *sink;
    uint64_t rows;
    struct buf text, cell;
    const char *line_sep;
    uint32_t col_count;
    char **keys; /* "name": with quotes and colon */
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

static void put_value(struct writer *w, const struct column *col, uint32_t at);

/* Names of fields are written raw in keys made once for the top; nested ones here. */
static void put_struct(struct writer *w, const struct column *col, uint32_t at)
{
    const struct type *t = col->type;
    bool first = true;
    buf_addc(&w->text, '{');
    for (uint32_t i = 0; i < t->child_count; i++) {
        const struct column *child = &col->children[i];
        bool null = child->type->id == TYPE_NULL || (child->nulls && child->nulls[at]);
        if (null && w->o.ignore_null_fields)
            continue;
        if (!first)
            buf_addc(&w->text, ',');
        first = false;
        put_string(&w->text, t->names[i], strlen(t->names[i]));
        buf_addc(&w->text, ':');
        put_value(w, child, at);
    }
    buf_addc(&w->text, '}');
}

/* A map's key as its internal value prints: dates are days, timestamps microseconds. */
static void put_key(struct writer *w, const struct column *key, uint32_t at)
{
    struct column plain = *key;
    buf_reset(&w->cell);
    switch (key->type->id) {
    case TYPE_DATE: plain.type = type_of(TYPE_INT); break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: plain.type = type_of(TYPE_BIGINT); break;
    default: break;
    }
    if (type_is_nested(key->type))
        column_format(key, at, NULL, "null", &w->cell);
    else
        cell_format(&w->o.text, &plain, at, &w->cell);
    put_string(&w->text, w->cell.data ? w->cell.data : "", w->cell.bytes);
}

static void put_list(struct writer *w, const struct column *col, uint32_t at)
{
    struct listview lv = ((const struct listview *)col->data)[at];
    bool map = col->type->id == TYPE_MAP;
    buf_addc(&w->text, map ? '{' : '[');
    for (uint32_t k = 0; k < lv.count; k++) {
        if (k)
            buf_addc(&w->text, ',');
        if (map) {
            put_key(w, &col->children[0], lv.offset + k);
            buf_addc(&w->text, ':');
        }
        put_value(w, &col->children[map], lv.offset + k);
    }
    buf_addc(&w->text, map ? '}' : ']');
}

static void put_real(struct writer *w, double v, const struct column *col, uint32_t at)
{
    bool quote = isnan(v) || isinf(v);
    if (quote)
        buf_addc(&w->text, '"');
    cell_format(&w->o.text, col, at, &w->text);
    if (quote)
        buf_addc(&w->text, '"');
}

static void put_value(struct writer *w, const struct column *col, uint32_t at)
{
    if (col->type->id == TYPE_NULL || (col->nulls && col->nulls[at])) {
        buf_adds(&w->text, "null");
        return;
    }
    const struct strview *s = (const struct strview *)col->data + at;
    switch (col->type->id) {
    case TYPE_STRUCT: put_struct(w, col, at); return;
    case TYPE_ARRAY:
    case TYPE_MAP: put_list(w, col, at); return;
    case TYPE_STRING: put_string(&w->text, strview_data(s), s->bytes); return;
    case TYPE_BINARY: put_base64(&w->text, (const uint8_t *)strview_data(s), s->bytes); return;
    case TYPE_FLOAT: put_real(w, (double)((const float *)col->data)[at], col, at); return;
    case TYPE_DOUBLE: put_real(w, ((const double *)col->data)[at], col, at); return;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT:
        buf_reset(&w->cell);
        cell_format(&w->o.text, col, at, &w->cell);
        put_string(&w->text, w->cell.data, w->cell.bytes);
        return;
    default: cell_format(&w->o.text, col, at, &w->text); return;
    }
}

int json_write(struct writer *w, const struct batch *b, struct error *err)
{
    ASSERT(b->col_count == w->col_count);
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k;
        bool first = true;
        buf_addc(&w->text, '{');
        for (uint32_t i = 0; i < b->col_count; i++) {
            const struct column *col = &b->cols[i];
            uint32_t at = column_idx(col, row);
            bool null = col->type->id == TYPE_NULL || (col->nulls && col->nulls[at]);
            if (null && w->o.ignore_null_fields)
                continue;
            if (!first)
                buf_addc(&w->text, ',');
            first = false;
            buf_adds(&w->text, w->keys[i]);
            put_value(w, col, at);
        }
        buf_addc(&w->text, '}');
        buf_adds(&w->text, w->line_sep);
        if (w->text.bytes >= FLUSH_BYTES) {
            TRY(byte_sink_write(w->sink, w->text.data, w->text.bytes, err));
            buf_reset(&w->text);
        }
    }
    w->rows += b->sel_count;
    return 0;
}

int json_can_write(const struct type *t, const char *name, struct error *err)
{
    (void)t;
    (void)name;
    (void)err;
    return 0; /* every type has a form in JSON */
}

static void writer_free(struct writer *w)
{
    for (uint32_t i = 0; i < w->col_count; i++)
        xfree(w->keys[i]);
    buf_fini(&w->text);
    buf_fini(&w->cell);
    arena_fini(&w->arena);
    xfree(w);
}

int json_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
                struct account *account, struct writer **ret, struct error *err)
{
    struct writer *w = xcalloc(1, sizeof *w);
    enum stream_codec codec;
    int rc;
    arena_init(&w->arena);
    if ((rc = json_options_read(o, cx, &w->arena, &w->o, err)) != 0 ||
        (rc = stream_codec_of_options(o, "JSON", &codec, err)) != 0)
        goto out;
    w->line_sep = w->o.text.line_sep ? w->o.text.line_sep : "\n";
    w->keys = ARENA_ARRAY(&w->arena, char *, sch->count);
    for (; w->col_count < sch->count; w->col_count++) {
        struct buf key = BUF_INIT;
        put_string(&key, sch->fields[w->col_count].name, strlen(sch->fields[w->col_count].name));
        buf_addc(&key, ':');
        w->keys[w->col_count] = buf_steal(&key);
    }
    if ((rc = byte_sink_create(path, codec, account, &w->sink, err)) != 0)
        goto out;
    *ret = w;
    return 0;
out:
    writer_free(w);
    return rc;
}

int json_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err)
{
    int rc = w->text.bytes ? byte_sink_write(w->sink, w->text.data, w->text.bytes, err) : 0;
    if (rc == 0)
        rc = byte_sink_finish(w->sink, ret_bytes, err);
    else
        byte_sink_discard(w->sink);
    if (rc == 0)
        *ret_rows = w->rows;
    writer_free(w);
    return rc;
}

void json_discard(struct writer *w)
{
    if (!w)
        return;
    byte_sink_discard(w->sink);
    writer_free(w);
}

const char *json_extension(const struct options *o)
{
    static const char *const names[STREAM_CODEC_COUNT] = {".json", ".json.gz", ".json.deflate", ".json.zst"};
    enum stream_codec codec;
    struct error err = ERROR_INIT;
    if (stream_codec_of_options(o, "JSON", &codec, &err) != 0) { /* create says so */
        error_fini(&err);
        return names[STREAM_PLAIN];
    }
    return names[codec];
}
