/* Bounds of values; see bounds.h. */
#include "common/format/parquet/bounds.h"

enum { BOUND_BYTES_MAX = 64 };

void pq_bounds_fini(struct pq_bounds *b)
{
    buf_fini(&b->slo);
    buf_fini(&b->shi);
}

void pq_bounds_merge(struct pq_bounds *to, const struct pq_bounds *from, enum pq_hold hold)
{
    if (!from->any)
        return;
    switch (hold) {
    case PQ_HOLD_BYTES:
        pq_bounds_bytes(to, from->slo.data, from->slo.bytes);
        pq_bounds_bytes(to, from->shi.data, from->shi.bytes);
        break;
    case PQ_HOLD_F:
        pq_bounds_float(to, from->flo);
        pq_bounds_float(to, from->fhi);
        break;
    default:
        pq_bounds_int(to, from->lo);
        pq_bounds_int(to, from->hi);
    }
}

static void put_big_endian(struct buf *out, int128_t v, uint32_t bytes)
{
    for (uint32_t i = bytes; i-- > 0;)
        buf_addc(out, (char)(uint8_t)(v >> (8 * i)));
}

static void put_float(struct buf *out, double d, uint32_t width, bool max)
{
    float f = (float)d;
    if (d == 0) { /* both zeros may be there */
        d = max ? 0.0 : -0.0;
        f = max ? 0.0f : -0.0f;
    }
    buf_add(out, width == 4 ? (void *)&f : (void *)&d, width);
}

/* A text that is too long: its beginning is below it, its beginning counted up above. False when that cannot be. */
static bool put_cut(const struct buf *s, bool text, bool max, struct buf *out)
{
    size_t bytes = BOUND_BYTES_MAX;
    while (text && bytes > 0 && ((uint8_t)s->data[bytes] & 0xc0) == 0x80)
        bytes--; /* not within a character */
    if (!max) {
        buf_add(out, s->data, bytes);
        return true;
    }
    for (; bytes > 0; bytes--) { /* the last plain ASCII character counts up */
        uint8_t c = (uint8_t)s->data[bytes - 1];
        if (c < 0x7f) {
            buf_add(out, s->data, bytes - 1);
            buf_addc(out, (char)(c + 1));
            return true;
        }
    }
    return false;
}

bool pq_bounds_put(const struct pq_bounds *b, const struct pq_form *f, bool max, struct buf *out, bool *ret_exact)
{
    *ret_exact = true;
    if (!b->any)
        return false;
    int128_t v = max ? b->hi : b->lo;
    switch (f->hold) {
    case PQ_HOLD_BOOL: buf_addc(out, (char)v); return true;
    case PQ_HOLD_I64: {
        int64_t x = (int64_t)v;
        buf_add(out, &x, f->width); /* little-endian */
        return true;
    }
    case PQ_HOLD_FIXED: put_big_endian(out, v, f->width); return true;
    case PQ_HOLD_F: put_float(out, max ? b->fhi : b->flo, f->width, max); return true;
    case PQ_HOLD_BYTES: break;
    }
    const struct buf *s = max ? &b->shi : &b->slo;
    if (s->bytes > BOUND_BYTES_MAX) {
        *ret_exact = false;
        return put_cut(s, f->type->id == TYPE_STRING, max, out);
    }
    buf_add(out, s->data, s->bytes);
    return true;
}
