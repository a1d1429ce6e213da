/* See convert.h. */
#include "common/format/json/convert.h"

#include <math.h>

#include "common/expr/parse.h"

/* ---- shapes ---- */

static void index_names(struct json_shape *s, struct arena *ar)
{
    uint32_t slots = 4;
    while (slots < s->child_count * 2)
        slots *= 2;
    s->slots = ARENA_ARRAY(ar, uint32_t, slots);
    s->slot_mask = slots - 1;
    s->name_bytes = ARENA_ARRAY(ar, uint32_t, s->child_count);
    for (uint32_t i = 0; i < s->child_count; i++) {
        s->name_bytes[i] = (uint32_t)strlen(s->names[i]);
        uint32_t at = (uint32_t)hash_bytes(s->names[i], s->name_bytes[i], 0) & s->slot_mask;
        while (s->slots[at])
            at = (at + 1) & s->slot_mask;
        s->slots[at] = i + 1;
    }
}

void json_shape_init(struct json_shape *s, const struct type *t, struct arena *ar)
{
    *s = (struct json_shape){.type = t, .child_count = t->child_count};
    s->children = ARENA_ARRAY(ar, struct json_shape, t->child_count);
    for (uint32_t i = 0; i < t->child_count; i++)
        json_shape_init(&s->children[i], t->children[i], ar);
    if (t->id == TYPE_STRUCT) {
        s->names = ARENA_ARRAY(ar, const char *, t->child_count);
        for (uint32_t i = 0; i < t->child_count; i++)
            s->names[i] = t->names[i];
        index_names(s, ar);
    }
}

void json_shape_fields(struct json_shape *s, const struct field *fields, uint32_t count, struct arena *ar)
{
    *s = (struct json_shape){.child_count = count};
    s->children = ARENA_ARRAY(ar, struct json_shape, count);
    s->names = ARENA_ARRAY(ar, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        json_shape_init(&s->children[i], fields[i].type, ar);
        s->names[i] = fields[i].name;
    }
    index_names(s, ar);
}

static bool is_name(const struct json_shape *s, uint32_t i, const char *name, uint32_t bytes)
{
    return s->name_bytes[i] == bytes && memcmp(s->names[i], name, bytes) == 0;
}

uint32_t json_shape_find(const struct json_shape *s, const char *name, uint32_t bytes, uint32_t hint)
{
    if (hint < s->child_count && is_name(s, hint, name, bytes))
        return hint;
    for (uint32_t at = (uint32_t)hash_bytes(name, bytes, 0) & s->slot_mask; s->slots[at]; at = (at + 1) & s->slot_mask)
        if (is_name(s, s->slots[at] - 1, name, bytes))
            return s->slots[at] - 1;
    return UINT32_MAX;
}

const struct type *json_cannot_hold(const struct type *t)
{
    if (t->id == TYPE_MAP && t->children[0]->id != TYPE_STRING)
        return t;
    for (uint32_t i = 0; i < t->child_count; i++) {
        const struct type *bad = json_cannot_hold(t->children[i]);
        if (bad)
            return bad;
    }
    return NULL;
}

/* ---- single values ---- */

struct scalar {
    int64_t i;
    int128_t d;
    double f;
    const char *p;
    uint32_t bytes;
};

static bool word_is(const struct json_node *n, const char *word)
{
    return n->bytes == strlen(word) && memcmp(n->p, word, n->bytes) == 0;
}

/* NaN and the infinities, as words or in quotes. */
static bool special_real(const struct json_node *n, double *ret)
{
    if (word_is(n, "NaN"))
        *ret = NAN;
    else if (word_is(n, "+INF") || word_is(n, "+Infinity") || word_is(n, "Infinity"))
        *ret = INFINITY;
    else if (word_is(n, "-INF") || word_is(n, "-Infinity"))
        *ret = -INFINITY;
    else
        return false;
    return true;
}

static bool to_real(struct json_convert *c, const struct json_node *n, bool is_float, double *ret)
{
    float f;
    if (n->kind == JSON_STRING)
        return c->o->non_numeric && special_real(n, ret);
    if (n->kind != JSON_INT && n->kind != JSON_REAL)
        return false;
    if (special_real(n, ret))
        return true;
    if (!is_float)
        return cell_parse_f64(n->p, n->bytes, ret);
    if (!cell_parse_f32(n->p, n->bytes, &f))
        return false;
    *ret = (double)f;
    return true;
}

static bool to_integer(const struct json_node *n, const struct type *t, int64_t *ret)
{
    if (n->kind != JSON_INT)
        return false;
    if (t->id != TYPE_TINYINT)
        return cell_parse_integer(n->p, n->bytes, t, ret);
    if (!cell_parse_integer(n->p, n->bytes, type_of(TYPE_INT), ret) || *ret < -128 || *ret > 255)
        return false;
    *ret = (int8_t)*ret; /* Jackson takes unsigned bytes, too */
    return true;
}

/* Base64 with its padding, nothing else. */
static bool to_binary(struct json_convert *c, const struct json_node *n, struct scalar *ret)
{
    if (n->kind != JSON_STRING || n->bytes % 4)
        return false;
    buf_reset(&c->scratch);
    buf_reserve(&c->scratch, n->bytes);
    for (uint32_t i = 0; i < n->bytes; i += 4) {
        uint32_t v = 0, pad = 0;
        for (uint32_t k = 0; k < 4; k++) {
            char x = n->p[i + k];
            int d = x >= 'A' && x <= 'Z'   ? x - 'A'
                    : x >= 'a' && x <= 'z' ? x - 'a' + 26
                    : x >= '0' && x <= '9' ? x - '0' + 52
                    : x == '+'             ? 62
                    : x == '/'             ? 63
                                           : -1;
            if (x == '=' && k >= 2 && i + 4 == n->bytes)
                pad++;
            else if (d < 0 || pad)
                return false;
            v = v << 6 | (d < 0 ? 0 : (uint32_t)d);
        }
        buf_addc(&c->scratch, (char)(v >> 16));
        if (pad < 2)
            buf_addc(&c->scratch, (char)(v >> 8));
        if (pad < 1)
            buf_addc(&c->scratch, (char)v);
    }
    ret->p = c->scratch.data ? c->scratch.data : "";
    ret->bytes = (uint32_t)c->scratch.bytes;
    return true;
}

static bool to_timestamp(struct json_convert *c, const struct json_node *n, int64_t *ret)
{
    if (n->kind == JSON_INT)
        return cell_parse_integer(n->p, n->bytes, type_of(TYPE_BIGINT), ret) && !__builtin_mul_overflow(*ret, 1000000, ret);
    return n->kind == JSON_STRING && cell_parse_timestamp(&c->o->text, n->p, n->bytes, ret);
}

static bool to_scalar(struct json_convert *c, const struct json_node *n, const struct type *t, struct scalar *ret)
{
    bool text = n->kind == JSON_STRING, truth = n->kind == JSON_TRUE;
    int32_t days;
    switch (t->id) {
    case TYPE_BOOLEAN: ret->i = truth; return truth || n->kind == JSON_FALSE;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: return to_integer(n, t, &ret->i);
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return to_real(c, n, t->id == TYPE_FLOAT, &ret->f);
    case TYPE_DECIMAL:
        return (text || n->kind == JSON_INT || n->kind == JSON_REAL) && cell_parse_decimal(n->p, n->bytes, t, &ret->d);
    case TYPE_STRING:
        ret->p = n->p;
        ret->bytes = n->bytes;
        return true;
    case TYPE_BINARY: return to_binary(c, n, ret);
    case TYPE_DATE: /* Spark 1.5 wrote the days since 1970 */
        if (!text)
            return false;
        if (!cell_parse_date(&c->o->text, n->p, n->bytes, &days))
            return c->o->text.fallback_date && cell_parse_integer(n->p, n->bytes, type_of(TYPE_INT), &ret->i);
        ret->i = days;
        return true;
    case TYPE_TIMESTAMP: return to_timestamp(c, n, &ret->i);
    case TYPE_TIMESTAMP_NTZ: return text && cell_parse_ntz(&c->o->text, n->p, n->bytes, &ret->i);
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT: return text && parse_interval(n->p, n->bytes, t, &ret->i);
    default: return false;
    }
}

static void put_scalar(const struct type *t, const struct scalar *v, struct column_builder *cb)
{
    if (t->id == TYPE_DECIMAL)
        column_builder_put_i128(cb, v->d);
    else if (t->id == TYPE_FLOAT || t->id == TYPE_DOUBLE)
        column_builder_put_f64(cb, v->f);
    else if (t->id == TYPE_STRING || t->id == TYPE_BINARY)
        column_builder_put_str(cb, v->p, v->bytes);
    else
        column_builder_put_i64(cb, v->i);
}

/* ---- nested values ---- */

/* Children of node `at`: i runs over the values (of an object: name nodes are at `name`). */
#define EACH_VALUE(nodes, at, i)                                                                   \
    uint32_t i = (at) + 1 + ((nodes)[at].kind == JSON_OBJECT), end_##i = (nodes)[at].next;         \
    i < end_##i;                                                                                   \
    i = (nodes)[i].next + ((nodes)[at].kind == JSON_OBJECT)

/* A value that leaves nothing behind: the array or map around it is lost with it. */
static bool is_lost(struct json_convert *c, const struct type *t, uint32_t at)
{
    const struct json_node *n = &c->nodes[at];
    struct scalar v;
    if (n->kind == JSON_NULL || t->id == TYPE_NULL)
        return false;
    if (!type_is_nested(t))
        return !to_scalar(c, n, t, &v);
    if (n->kind != (t->id == TYPE_ARRAY ? JSON_ARRAY : JSON_OBJECT))
        return true;
    if (t->id == TYPE_STRUCT)
        return false;
    for (EACH_VALUE(c->nodes, at, i))
        if (is_lost(c, t->children[t->id == TYPE_MAP], i))
            return true;
    return false;
}

enum { FIELDS_ON_STACK = 64 };

/* Which value each field of a struct has; of two with one name the later one. */
static void find_fields(struct json_convert *c, const struct json_shape *s, uint32_t at, uint32_t *found)
{
    memset(found, 0xff, s->child_count * sizeof *found);
    uint32_t hint = 0;
    for (EACH_VALUE(c->nodes, at, i)) {
        const struct json_node *name = &c->nodes[i - 1];
        uint32_t k = json_shape_find(s, name->p, name->bytes, hint);
        if (k != UINT32_MAX) {
            found[k] = i;
            hint = k + 1;
        }
    }
}

static bool put_struct(struct json_convert *c, const struct json_shape *s, uint32_t at, struct column_builder *cb)
{
    uint32_t stack[FIELDS_ON_STACK], *found = s->child_count <= FIELDS_ON_STACK ? stack : xmalloc(s->child_count * sizeof *found);
    bool whole = true;
    find_fields(c, s, at, found);
    for (uint32_t i = 0; i < s->child_count; i++)
        whole &= json_put(c, &s->children[i], found[i], column_builder_child(cb, i));
    column_builder_put_struct(cb);
    if (found != stack)
        xfree(found);
    return whole;
}

static bool put_list(struct json_convert *c, const struct json_shape *s, uint32_t at, struct column_builder *cb)
{
    bool whole = true, map = s->type->id == TYPE_MAP;
    uint32_t count = 0;
    for (EACH_VALUE(c->nodes, at, i)) {
        if (map)
            column_builder_put_str(column_builder_child(cb, 0), c->nodes[i - 1].p, c->nodes[i - 1].bytes);
        whole &= json_put(c, &s->children[map], i, column_builder_child(cb, map));
        count++;
    }
    column_builder_put_list(cb, count);
    return whole;
}

bool json_put(struct json_convert *c, const struct json_shape *s, uint32_t at, struct column_builder *cb)
{
    const struct type *t = s->type;
    struct scalar v;
    if (at == UINT32_MAX || c->nodes[at].kind == JSON_NULL || t->id == TYPE_NULL) {
        column_builder_put_null(cb);
        return true;
    }
    if (!type_is_nested(t)) {
        if (to_scalar(c, &c->nodes[at], t, &v)) {
            put_scalar(t, &v, cb);
            return true;
        }
    } else if (!is_lost(c, t, at)) {
        return t->id == TYPE_STRUCT ? put_struct(c, s, at, cb) : put_list(c, s, at, cb);
    }
    column_builder_put_null(cb);
    return false;
}

bool json_fits(struct json_convert *c, const struct json_shape *s, uint32_t at)
{
    if (at == UINT32_MAX || c->nodes[at].kind == JSON_NULL)
        return true;
    if (is_lost(c, s->type, at))
        return false;
    if (!type_is_nested(s->type))
        return true;
    uint32_t hint = 0;
    for (EACH_VALUE(c->nodes, at, i)) {
        uint32_t k = s->type->id == TYPE_MAP;
        if (s->type->id == TYPE_STRUCT)
            k = json_shape_find(s, c->nodes[i - 1].p, c->nodes[i - 1].bytes, hint++);
        if (k != UINT32_MAX && !json_fits(c, &s->children[k], i))
            return false;
    }
    return true;
}
