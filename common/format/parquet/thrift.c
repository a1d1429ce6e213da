/* Thrift's compact protocol; see thrift.h. */
#include "common/format/parquet/thrift.h"

uint64_t thrift_varint(struct thrift *t)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (UNLIKELY(t->p >= t->end))
            break;
        uint8_t b = *t->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    t->bad = true;
    t->p = t->end;
    return 0;
}

bool thrift_field(struct thrift *t, struct thrift_field *f)
{
    if (t->p >= t->end) {
        t->bad = true;
        return false;
    }
    uint8_t b = *t->p++;
    if ((b & 15) == THRIFT_STOP)
        return false;
    f->type = b & 15;
    if (b >> 4)
        f->id = (int16_t)(f->id + (b >> 4));
    else
        f->id = (int16_t)thrift_int(t);
    return !t->bad;
}

uint32_t thrift_list(struct thrift *t, uint8_t *ret_type)
{
    *ret_type = 0;
    if (t->p >= t->end) {
        t->bad = true;
        return 0;
    }
    uint8_t b = *t->p++;
    uint64_t count = b >> 4;
    if (count == 15)
        count = thrift_varint(t);
    *ret_type = b & 15;
    if (count > (size_t)(t->end - t->p)) { /* every item takes a byte at least */
        t->bad = true;
        t->p = t->end;
        return 0;
    }
    return (uint32_t)count;
}

const uint8_t *thrift_binary(struct thrift *t, uint32_t *ret_bytes)
{
    uint64_t bytes = thrift_varint(t);
    *ret_bytes = 0;
    if (bytes > (size_t)(t->end - t->p)) {
        t->bad = true;
        t->p = t->end;
        return t->end;
    }
    const uint8_t *p = t->p;
    t->p += bytes;
    *ret_bytes = (uint32_t)bytes;
    return p;
}

bool thrift_enter(struct thrift *t)
{
    if (t->depth >= THRIFT_DEPTH_MAX) {
        t->bad = true;
        t->p = t->end;
        return false;
    }
    t->depth++;
    return true;
}

void thrift_leave(struct thrift *t)
{
    t->depth--;
}

static void skip_bytes(struct thrift *t, size_t bytes)
{
    if (bytes > (size_t)(t->end - t->p)) {
        t->bad = true;
        t->p = t->end;
    } else {
        t->p += bytes;
    }
}

/* Recursion is bounded by THRIFT_DEPTH_MAX: containers enter as structs do. */
void thrift_skip(struct thrift *t, uint8_t type)
{
    uint32_t bytes;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return;
    case THRIFT_I8:
        skip_bytes(t, 1);
        return;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        thrift_varint(t);
        return;
    case THRIFT_DOUBLE:
        skip_bytes(t, 8);
        return;
    case THRIFT_BINARY:
        thrift_binary(t, &bytes);
        return;
    case THRIFT_LIST:
    case THRIFT_SET: {
        uint8_t item;
        uint32_t count = thrift_list(t, &item);
        if (!thrift_enter(t))
            return;
        for (uint32_t i = 0; i < count && !t->bad; i++) {
            if (item == THRIFT_TRUE || item == THRIFT_FALSE)
                skip_bytes(t, 1); /* a bool in a list is a byte */
            else
                thrift_skip(t, item);
        }
        thrift_leave(t);
        return;
    }
    case THRIFT_MAP: {
        uint64_t count = thrift_varint(t);
        if (count == 0)
            return;
        if (count > (size_t)(t->end - t->p) || !thrift_enter(t)) {
            t->bad = true;
            return;
        }
        uint8_t kv = *t->p++;
        for (uint64_t i = 0; i < count && !t->bad; i++) {
            thrift_skip(t, kv >> 4);
            thrift_skip(t, kv & 15);
        }
        thrift_leave(t);
        return;
    }
    case THRIFT_STRUCT: {
        struct thrift_field f = {0};
        if (!thrift_enter(t))
            return;
        while (thrift_field(t, &f))
            thrift_skip(t, f.type);
        thrift_leave(t);
        return;
    }
    default:
        t->bad = true;
        t->p = t->end;
    }
}

void thrift_out_init(struct thrift_out *t, struct buf *buf)
{
    *t = (struct thrift_out){.buf = buf};
}

void thrift_put_varint(struct thrift_out *t, uint64_t v)
{
    while (v >= 0x80) {
        buf_addc(t->buf, (char)(v | 0x80));
        v >>= 7;
    }
    buf_addc(t->buf, (char)v);
}

void thrift_item_int(struct thrift_out *t, int64_t v)
{
    thrift_put_varint(t, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void thrift_put_field(struct thrift_out *t, int16_t id, uint8_t type)
{
    int delta = id - t->last[t->depth];
    if (delta > 0 && delta < 16) {
        buf_addc(t->buf, (char)(delta << 4 | type));
    } else {
        buf_addc(t->buf, (char)type);
        thrift_item_int(t, id);
    }
    t->last[t->depth] = id;
}

void thrift_put_int(struct thrift_out *t, int16_t id, uint8_t type, int64_t v)
{
    thrift_put_field(t, id, type);
    if (type == THRIFT_I8)
        buf_addc(t->buf, (char)v);
    else
        thrift_item_int(t, v);
}

void thrift_put_bool(struct thrift_out *t, int16_t id, bool v)
{
    thrift_put_field(t, id, v ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_item_binary(struct thrift_out *t, const void *p, size_t bytes)
{
    thrift_put_varint(t, bytes);
    buf_add(t->buf, p, bytes);
}

void thrift_put_binary(struct thrift_out *t, int16_t id, const void *p, size_t bytes)
{
    thrift_put_field(t, id, THRIFT_BINARY);
    thrift_item_binary(t, p, bytes);
}

void thrift_put_list(struct thrift_out *t, int16_t id, uint8_t type, uint32_t count)
{
    thrift_put_field(t, id, THRIFT_LIST);
    if (count < 15) {
        buf_addc(t->buf, (char)(count << 4 | type));
    } else {
        buf_addc(t->buf, (char)(0xf0 | type));
        thrift_put_varint(t, count);
    }
}

void thrift_put_begin(struct thrift_out *t, int16_t id)
{
    if (id)
        thrift_put_field(t, id, THRIFT_STRUCT);
    ASSERT(t->depth + 1 < (int)ARRAY_LEN(t->last));
    t->last[++t->depth] = 0;
}

void thrift_put_end(struct thrift_out *t)
{
    buf_addc(t->buf, 0);
    t->depth--;
}
