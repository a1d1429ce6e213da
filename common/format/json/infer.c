/*
 * The schema of JSON documents: each one is merged into a tree of what was seen so far, by Spark's rules (bigint, then
 * double or decimal, then string; structs grow, their fields sorted by name). Only the end makes types of it.
 */
#include "common/format/json/parse.h"
#include "common/format/window.h"

enum seen { SEEN_NULL, SEEN_BOOLEAN, SEEN_LONG, SEEN_DOUBLE, SEEN_DECIMAL, SEEN_TIMESTAMP, SEEN_STRING, SEEN_STRUCT, SEEN_ARRAY };

struct shape {
    enum seen seen;
    int precision, scale;  /* DECIMAL */
    uint32_t count, cap;   /* STRUCT: fields by name */
    struct shape_field {
        const char *name;
        uint32_t bytes;
        struct shape *shape;
    } *fields;
    struct shape *element; /* ARRAY */
};

struct infer {
    const struct query_ctx *cx;
    struct json_options o;
    struct arena *ar;
    struct json_parser parser;
    struct rng rng;
    struct shape root; /* STRUCT */
};

/* ---- merging ---- */

static void merge_decimal(struct shape *s, int precision, int scale)
{
    if (precision > DECIMAL_PRECISION_MAX || scale > DECIMAL_PRECISION_MAX) {
        s->seen = SEEN_DOUBLE;
        return;
    }
    int most = s->scale > scale ? s->scale : scale;
    int whole = s->precision - s->scale > precision - scale ? s->precision - s->scale : precision - scale;
    s->seen = whole + most > DECIMAL_PRECISION_MAX ? SEEN_DOUBLE : SEEN_DECIMAL;
    s->precision = whole + most;
    s->scale = most;
}

/* What s becomes when a value of another kind comes, nested ones apart. */
static void merge_kind(struct shape *s, enum seen k, int precision, int scale)
{
    if (k == SEEN_NULL || s->seen == SEEN_STRING)
        return;
    if (s->seen == SEEN_NULL) {
        s->seen = k;
        s->precision = precision;
        s->scale = scale;
    } else if (s->seen == SEEN_DECIMAL && k == SEEN_DECIMAL) {
        merge_decimal(s, precision, scale);
    } else if (s->seen == SEEN_DECIMAL && k == SEEN_LONG) {
        if (s->precision - s->scale < 20)
            merge_decimal(s, 20, 0);
    } else if (s->seen == SEEN_LONG && k == SEEN_DECIMAL) {
        s->seen = SEEN_DECIMAL;
        s->precision = precision;
        s->scale = scale;
        if (precision - scale < 20)
            merge_decimal(s, 20, 0);
    } else if (s->seen != k) {
        bool numbers = s->seen >= SEEN_LONG && s->seen <= SEEN_DECIMAL && k >= SEEN_LONG && k <= SEEN_DECIMAL;
        s->seen = numbers ? SEEN_DOUBLE : SEEN_STRING;
    }
}

/* Whether s is or becomes a shape of the nested kind k. */
static bool become(struct shape *s, enum seen k)
{
    if (s->seen == SEEN_NULL)
        s->seen = k;
    else if (s->seen != k)
        s->seen = SEEN_STRING;
    return s->seen == k;
}

static struct shape *field_of(struct infer *in, struct shape *s, const char *name, uint32_t bytes)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct shape_field *f = &s->fields[mid];
        int c = memcmp(f->name, name, f->bytes < bytes ? f->bytes : bytes);
        if (c == 0)
            c = f->bytes < bytes ? -1 : f->bytes > bytes;
        if (c == 0)
            return f->shape;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    struct shape_field f = {arena_strndup(in->ar, name, bytes), bytes, ARENA_NEW(in->ar, struct shape)};
    ARENA_PUSH(in->ar, s->fields, s->count, s->cap, f);
    memmove(s->fields + low + 1, s->fields + low, (s->count - 1 - low) * sizeof f);
    s->fields[low] = f;
    return f.shape;
}

/* Digits before and behind the point of a number's text, as BigDecimal counts; false when it is none. */
static bool decimal_of(const char *p, size_t n, int *ret_precision, int *ret_scale)
{
    int precision = 0, scale = 0, exponent = 0;
    bool any = false, point = false;
    size_t i = n && (*p == '-' || *p == '+');
    for (; i < n; i++) {
        if (p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (p[i] == ',')
            continue;
        if (p[i] < '0' || p[i] > '9')
            break;
        any = true;
        precision += precision || p[i] != '0';
        scale += point;
    }
    if (!any)
        return false;
    if (i < n && (p[i] | 32) == 'e') {
        int64_t e;
        if (!cell_parse_integer(p + i + 1, n - i - 1, type_of(TYPE_INT), &e) || e > 1000 || e < -1000)
            return false;
        exponent = (int)e;
        i = n;
    }
    if (i != n)
        return false;
    precision = precision ? precision : 1;
    scale -= exponent;
    if (scale < 0) { /* whole tens and hundreds are digits, too */
        precision -= scale;
        scale = 0;
    }
    *ret_precision = precision > scale ? precision : scale;
    *ret_scale = scale;
    return true;
}

static void merge_number(struct infer *in, struct shape *s, const struct json_node *n)
{
    int64_t v;
    int precision, scale;
    if (in->o.primitives_as_string)
        merge_kind(s, SEEN_STRING, 0, 0);
    else if (n->kind == JSON_INT && cell_parse_integer(n->p, n->bytes, type_of(TYPE_BIGINT), &v))
        merge_kind(s, SEEN_LONG, 0, 0);
    else if ((n->kind == JSON_INT || in->o.prefers_decimal) && decimal_of(n->p, n->bytes, &precision, &scale) &&
             precision <= DECIMAL_PRECISION_MAX)
        merge_kind(s, SEEN_DECIMAL, precision, scale);
    else
        merge_kind(s, SEEN_DOUBLE, 0, 0);
}

static void merge_text(struct infer *in, struct shape *s, const struct json_node *n)
{
    int precision, scale;
    int64_t us;
    if (n->bytes == 0) /* stands for null with some writers */
        return;
    if (in->o.prefers_decimal && decimal_of(n->p, n->bytes, &precision, &scale) && precision <= DECIMAL_PRECISION_MAX)
        merge_kind(s, SEEN_DECIMAL, precision, scale);
    else if (in->o.infer_timestamp && (cell_parse_ntz(&in->o.text, n->p, n->bytes, &us) ||
                                       cell_parse_timestamp(&in->o.text, n->p, n->bytes, &us)))
        merge_kind(s, SEEN_TIMESTAMP, 0, 0);
    else
        merge_kind(s, SEEN_STRING, 0, 0);
}

/* Types do not nest deeper than TYPE_DEPTH_MAX: what does is its text. */
static void merge(struct infer *in, struct shape *s, uint32_t at, unsigned depth)
{
    const struct json_node *nodes = in->parser.nodes, *n = &nodes[at];
    if (depth == 0 && (n->kind == JSON_OBJECT || n->kind == JSON_ARRAY)) {
        merge_kind(s, SEEN_STRING, 0, 0);
        return;
    }
    switch ((enum json_kind)n->kind) {
    case JSON_NULL: return;
    case JSON_TRUE:
    case JSON_FALSE: merge_kind(s, in->o.primitives_as_string ? SEEN_STRING : SEEN_BOOLEAN, 0, 0); return;
    case JSON_INT:
    case JSON_REAL: merge_number(in, s, n); return;
    case JSON_STRING: merge_text(in, s, n); return;
    case JSON_OBJECT:
        if (become(s, SEEN_STRUCT))
            for (uint32_t i = at + 1; i < n->next; i = nodes[i + 1].next)
                merge(in, field_of(in, s, nodes[i].p, nodes[i].bytes), i + 1, depth - 1);
        return;
    case JSON_ARRAY:
        if (!become(s, SEEN_ARRAY))
            return;
        if (!s->element)
            s->element = ARENA_NEW(in->ar, struct shape);
        for (uint32_t i = at + 1; i < n->next; i = nodes[i].next)
            merge(in, s->element, i, depth - 1);
        return;
    }
}

/* ---- documents ---- */

/* A document that gives no rows: its text has a column of its own. */
static int merge_corrupt(struct infer *in, const char *p, size_t n, struct error *err)
{
    const char *name = in->o.text.corrupt_column;
    if (in->o.text.mode == MODE_PERMISSIVE)
        merge_kind(field_of(in, &in->root, name, (uint32_t)strlen(name)), SEEN_STRING, 0, 0);
    if (in->o.text.mode != MODE_FAIL)
        return 0;
    struct buf text = BUF_INIT;
    utf8_repair(p, n < 1000 ? n : 1000, &text);
    int rc = error_set(err, ERR_MALFORMED_RECORD, "badRecord", text.data ? text.data : "", "failFastMode", "FAILFAST", NULL);
    buf_fini(&text);
    return rc;
}

/* Arrays at the root are rows: what counts is what is in them. */
static int merge_root(struct infer *in, const char *p, size_t n, struct error *err)
{
    const struct json_node *nodes = in->parser.nodes;
    bool array = nodes[0].kind == JSON_ARRAY;
    if (nodes[0].kind == JSON_NULL)
        return 0;
    if (nodes[0].kind != JSON_OBJECT && !array)
        return merge_corrupt(in, p, n, err);
    for (uint32_t i = 1; array && i < nodes[0].next; i = nodes[i].next)
        if (nodes[i].kind != JSON_OBJECT && nodes[i].kind != JSON_NULL)
            return merge_corrupt(in, p, n, err);
    if (!array) {
        merge(in, &in->root, 0, TYPE_DEPTH_MAX - 2);
        return 0;
    }
    for (uint32_t i = 1; i < nodes[0].next; i = nodes[i].next)
        merge(in, &in->root, i, TYPE_DEPTH_MAX - 2);
    return 0;
}

static int merge_document(struct infer *in, const char *p, size_t n, struct error *err)
{
    enum json_result result;
    size_t used;
    TRY(json_parse(&in->parser, p, n, &result, &used, err));
    if (result == JSON_NOTHING)
        return 0;
    return result == JSON_DOCUMENT ? merge_root(in, p, n, err) : merge_corrupt(in, p, n, err);
}

static int merge_lines(struct infer *in, struct text_window *w, struct error *err)
{
    for (;;) {
        const char *p;
        size_t n;
        bool any;
        TRY(window_line(w, false, &p, &n, &any, err));
        if (!any)
            return 0;
        if (query_is_cancelled(in->cx))
            return error_set(err, ERR_CANCELLED, "reason", "", NULL);
        if (in->o.sampling < 1 && rng_double(&in->rng) >= in->o.sampling)
            continue;
        TRY(merge_document(in, p, n, err));
    }
}

static int merge_file(struct infer *in, const char *path, struct error *err)
{
    struct text_window w = {0};
    int rc = window_open(&w, path, 0, UINT64_MAX, &in->o.text, NULL, err);
    if (rc == 0 && in->o.text.multi_line) {
        rc = window_rest(&w, err);
        if (rc == 0)
            rc = merge_document(in, w.data + w.at, w.end - w.at, err);
    } else if (rc == 0) {
        rc = merge_lines(in, &w, err);
    }
    window_close(&w);
    return rc;
}

/* ---- types ---- */

/* NULL: nothing is left of it. */
static const struct type *type_of_shape(struct infer *in, const struct shape *s)
{
    switch (s->seen) {
    case SEEN_NULL: return in->o.drop_all_null ? NULL : type_of(TYPE_STRING);
    case SEEN_BOOLEAN: return type_of(TYPE_BOOLEAN);
    case SEEN_LONG: return type_of(TYPE_BIGINT);
    case SEEN_DOUBLE: return type_of(TYPE_DOUBLE);
    case SEEN_DECIMAL: return type_decimal((unsigned)s->precision, (unsigned)s->scale);
    case SEEN_TIMESTAMP: return type_of(TYPE_TIMESTAMP);
    case SEEN_STRING: return type_of(TYPE_STRING);
    case SEEN_ARRAY: {
        const struct type *e = type_of_shape(in, s->element);
        return e ? type_array(e, true) : NULL;
    }
    case SEEN_STRUCT: {
        const struct type **types = ARENA_ARRAY(in->ar, const struct type *, s->count);
        const char **names = ARENA_ARRAY(in->ar, const char *, s->count);
        bool *nullable = ARENA_ARRAY(in->ar, bool, s->count);
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            const struct type *t = s->fields[i].bytes ? type_of_shape(in, s->fields[i].shape) : NULL;
            if (!t)
                continue;
            types[n] = t;
            names[n] = s->fields[i].name;
            nullable[n++] = true;
        }
        return n ? type_struct(n, types, names, nullable) : NULL;
    }
    }
    UNREACHABLE("a kind of the enum");
}

static int make_schema(struct infer *in, struct schema *ret, struct error *err)
{
    const struct type *t = type_of_shape(in, &in->root);
    ret->count = t ? t->child_count : 0;
    ret->fields = ARENA_ARRAY(in->ar, struct field, ret->count);
    for (uint32_t i = 0; i < ret->count; i++) {
        for (uint32_t k = 0; k < i; k++)
            if (str_eq_nocase(t->names[k], t->names[i]))
                return error_set(err, ERR_COLUMN_EXISTS, "columnName", t->names[i], NULL);
        ret->fields[i] = (struct field){t->names[i], t->children[i], true};
    }
    return 0;
}

int json_infer(const struct options *o, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
               struct arena *ar, struct schema *ret, struct error *err)
{
    struct infer in = {.ar = ar, .cx = cx, .root = {.seen = SEEN_STRUCT}};
    TRY(json_options_read(o, cx, ar, &in.o, err));
    TRY(text_options_for_reading(&in.o.text, err));
    json_parser_init(&in.parser, &in.o, NULL);
    rng_init(&in.rng, 1);
    int rc = 0;
    for (uint32_t i = 0; i < path_count && rc == 0; i++)
        rc = merge_file(&in, paths[i], err);
    json_parser_fini(&in.parser);
    return rc ? rc : make_schema(&in, ret, err);
}
