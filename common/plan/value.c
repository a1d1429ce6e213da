/*
 * Values and splits as bytes, self-delimiting, for launches and manifests: varints and little-endian words,
 * no protobuf, since a launch carries thousands of them. Every length is checked before use.
 */
#include "common/plan/plan_impl.h"

static void put_varint(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_addc(out, (char)(v | 0x80));
        v >>= 7;
    }
    buf_addc(out, (char)v);
}

static void put_bytes(struct buf *out, const void *p, size_t bytes)
{
    put_varint(out, bytes);
    buf_add(out, p, bytes);
}

static int damaged(struct error *err, const char *what)
{
    return error_setf(err, ERR_PROTOCOL, "message", "damaged %s", what);
}

static bool get_varint(const char **at, const char *end, uint64_t *ret)
{
    uint64_t v = 0;
    const char *p = *at;
    for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t c = (uint8_t)*p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            *at = p;
            return true;
        }
    }
    return false;
}

static bool get_bytes(const char **at, const char *end, const char **ret, size_t *ret_bytes)
{
    uint64_t n;
    if (!get_varint(at, end, &n) || n > (uint64_t)(end - *at))
        return false;
    *ret = *at;
    *ret_bytes = (size_t)n;
    *at += n;
    return true;
}

void nested_encode(const struct column *col, struct buf *out)
{
    struct builder bd;
    struct error err = ERROR_INIT;
    builder_init(&bd, 1, &col->type, NULL);
    struct column c = *col;
    struct batch b = {.rows = 1, .col_count = 1, .cols = &c, .sel_count = 1};
    if (builder_append(&bd, &b, &err) != 0)
        UNREACHABLE("a builder without an account cannot refuse");
    struct sealed *s = builder_seal(&bd);
    frame_encode(s, FRAME_RAW, out);
    sealed_unref(s);
    builder_fini(&bd);
}

static void unref_cb(void *arg)
{
    sealed_unref(arg);
}

int nested_decode(struct arena *ar, const struct type *type, const void *p, size_t bytes, const struct column **ret,
                  struct error *err)
{
    struct sealed *s = NULL;
    size_t used;
    /* Frames are 8-aligned where they were made; here they lie anywhere. */
    void *copy = arena_dup(ar, p, bytes);
    TRY(frame_decode(copy, bytes, NULL, &s, &used, err));
    arena_defer(ar, unref_cb, s);
    if (s->rows != 1 || s->col_count != 1 || s->cols[0].type != type)
        return damaged(err, "nested value");
    *ret = &s->cols[0];
    return 0;
}

void value_encode(const struct value *v, struct buf *out)
{
    put_bytes(out, v->type->ddl, strlen(v->type->ddl));
    buf_addc(out, v->null ? 1 : 0);
    if (v->null)
        return;
    switch (v->type->id) {
    case TYPE_DECIMAL:
        buf_add(out, &v->d, sizeof v->d);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        buf_add(out, &v->f, sizeof v->f);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        put_bytes(out, v->s.ptr, v->s.bytes);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: {
        struct buf frame = BUF_INIT;
        nested_encode(v->nested, &frame);
        put_bytes(out, frame.data, frame.bytes);
        buf_fini(&frame);
        break;
    }
    default:
        buf_add(out, &v->i, sizeof v->i);
    }
}

static bool get_fixed(const char **at, const char *end, void *ret, size_t bytes)
{
    if ((size_t)(end - *at) < bytes)
        return false;
    memcpy(ret, *at, bytes);
    *at += bytes;
    return true;
}

int value_decode(struct arena *ar, const char **at, const char *end, struct value *ret, struct error *err)
{
    const char *p = *at, *text;
    size_t bytes;
    struct value v = {0};
    if (!get_bytes(&p, end, &text, &bytes) || bytes > PLAN_TYPE_BYTES_MAX || p >= end)
        return damaged(err, "value");
    TRY(type_parse(arena_strndup(ar, text, bytes), &v.type, err));
    uint8_t null = (uint8_t)*p++;
    if (null > 1)
        return damaged(err, "value");
    v.null = null;
    if (!v.null) {
        bool ok;
        switch (v.type->id) {
        case TYPE_DECIMAL:
            ok = get_fixed(&p, end, &v.d, sizeof v.d);
            break;
        case TYPE_FLOAT:
        case TYPE_DOUBLE:
            ok = get_fixed(&p, end, &v.f, sizeof v.f);
            break;
        case TYPE_STRING:
        case TYPE_BINARY:
            ok = get_bytes(&p, end, &text, &bytes) && bytes <= UINT32_MAX;
            if (ok) {
                v.s.ptr = arena_strndup(ar, text, bytes);
                v.s.bytes = (uint32_t)bytes;
            }
            break;
        case TYPE_ARRAY:
        case TYPE_MAP:
        case TYPE_STRUCT:
            ok = get_bytes(&p, end, &text, &bytes);
            if (ok)
                TRY(nested_decode(ar, v.type, text, bytes, &v.nested, err));
            break;
        default:
            ok = get_fixed(&p, end, &v.i, sizeof v.i);
        }
        if (!ok)
            return damaged(err, "value");
    }
    *ret = v;
    *at = p;
    return 0;
}

void file_split_encode(const struct file_split *split, struct buf *out)
{
    put_bytes(out, split->path, strlen(split->path));
    put_varint(out, split->start);
    put_varint(out, split->length);
    put_varint(out, split->file_bytes);
    put_varint(out, (uint64_t)split->mtime_us);
    put_varint(out, split->partition_count);
    for (uint32_t i = 0; i < split->partition_count; i++)
        value_encode(&split->partition_values[i], out);
}

int file_split_decode(struct arena *ar, const char **at, const char *end, struct file_split *ret, struct error *err)
{
    const char *p = *at, *path;
    size_t path_bytes;
    struct file_split s = {0};
    uint64_t mtime, count;
    if (!get_bytes(&p, end, &path, &path_bytes) || !get_varint(&p, end, &s.start) || !get_varint(&p, end, &s.length) ||
        !get_varint(&p, end, &s.file_bytes) || !get_varint(&p, end, &mtime) || !get_varint(&p, end, &count) ||
        memchr(path, 0, path_bytes) || count > (uint64_t)(end - p) / 2) /* a value takes two bytes at least */
        return damaged(err, "split");
    s.path = arena_strndup(ar, path, path_bytes);
    s.mtime_us = (int64_t)mtime;
    s.partition_count = (uint32_t)count;
    struct value *values = ARENA_ARRAY(ar, struct value, count);
    for (uint64_t i = 0; i < count; i++)
        TRY(value_decode(ar, &p, end, &values[i], err));
    s.partition_values = values;
    *ret = s;
    *at = p;
    return 0;
}
