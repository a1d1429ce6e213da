/* What statistics prove; see prune.h. */
#include "common/format/parquet/prune.h"

#include <math.h>

static bool stats_usable(const struct pq_footer *f, const struct pq_node *n, const struct pq_stats *s)
{
    (void)f;
    if (n->phys == PQ_INT96 || n->logical == PQL_FLOAT16 || n->logical == PQL_INTERVAL)
        return false;
    if (s->ordered_old) /* by signed bytes or worse for anything that is not a signed number */
        return (n->phys == PQ_INT32 || n->phys == PQ_INT64 || n->phys == PQ_FLOAT || n->phys == PQ_DOUBLE) &&
               !(n->logical >= PQL_UINT8 && n->logical <= PQL_UINT64);
    return true;
}

bool pq_stats_value(const struct pq_footer *f, const struct pq_node *n, const struct type *t, const struct pq_stats *s,
                    bool max, struct value *ret)
{
    const uint8_t *p = max ? s->max : s->min;
    uint32_t bytes = max ? s->max_bytes : s->min_bytes;
    struct pq_conv cv;
    struct error err = ERROR_INIT;
    union {
        uint8_t b;
        uint64_t u64;
        struct strview view;
    } raw = {.u64 = 0};
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        int128_t i128;
        float f32;
        double f64;
    } out;
    if (!p || !n->is_leaf || !stats_usable(f, n, s))
        return false;
    if (pq_conv_choose("", n, t, &cv, &err) != 0) {
        error_fini(&err);
        return false;
    }
    *ret = (struct value){.type = t};
    if (t->id == TYPE_STRING || t->id == TYPE_BINARY) {
        ret->s.ptr = (const char *)p;
        ret->s.bytes = bytes;
        return true;
    }
    static const uint8_t widths[] = {1, 4, 8, 0};
    if (cv.raw == PQ_RAW_VIEW)
        raw.view = strview_make((const char *)p, bytes);
    else if (bytes != widths[cv.raw])
        return false;
    else
        memcpy(&raw, p, bytes);
    if (cv.op == PQ_CONV_NONE)
        memcpy(&out, &raw, 8);
    else if (!pq_convert(&cv, &raw, &out, NULL, 1))
        return false;
    switch (cv.phys) {
    case PHYS_BOOL:
        ret->i = raw.b & 1;
        break;
    case PHYS_I8:
        ret->i = out.i8;
        break;
    case PHYS_I16:
        ret->i = out.i16;
        break;
    case PHYS_I32:
        ret->i = out.i32;
        break;
    case PHYS_I64:
        if (t->id == TYPE_DECIMAL)
            ret->d = out.i64;
        else
            ret->i = out.i64;
        break;
    case PHYS_I128:
        ret->d = out.i128;
        break;
    case PHYS_F32:
        ret->f = (double)out.f32;
        break;
    case PHYS_F64:
        ret->f = out.f64;
        break;
    default:
        return false;
    }
    return !((t->id == TYPE_FLOAT || t->id == TYPE_DOUBLE) && isnan(ret->f));
}

static int bytes_cmp(const char *a, uint32_t an, const char *b, uint32_t bn)
{
    uint32_t n = an < bn ? an : bn;
    int c = n ? memcmp(a, b, n) : 0;
    return c ? c : (an > bn) - (an < bn);
}

static int cmp(const struct value *a, const struct value *b)
{
    switch (a->type->id) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return (a->f > b->f) - (a->f < b->f);
    case TYPE_DECIMAL:
        return (a->d > b->d) - (a->d < b->d);
    case TYPE_STRING:
    case TYPE_BINARY:
        return bytes_cmp(a->s.ptr, a->s.bytes, b->s.ptr, b->s.bytes);
    default:
        return (a->i > b->i) - (a->i < b->i);
    }
}

static bool prefix_possible(const struct value *prefix, const struct value *min, const struct value *max)
{
    uint32_t n = prefix->s.bytes;
    /* All values are >= min: if min's prefix is above, so is everything; max likewise. */
    if (min && bytes_cmp(min->s.ptr, min->s.bytes < n ? min->s.bytes : n, prefix->s.ptr, n) > 0)
        return false;
    if (max && bytes_cmp(max->s.ptr, max->s.bytes < n ? max->s.bytes : n, prefix->s.ptr, n) < 0)
        return false;
    return true;
}

bool pq_may_match(const struct pq_footer *f, const struct pq_node *n, const struct type *t, const struct pq_stats *s,
                  int64_t rows, const struct prune *p)
{
    if (p->op == PRUNE_IS_NULL)
        return s->null_count != 0;
    if (rows >= 0 && s->null_count == rows)
        return false;
    if (p->op == PRUNE_NOT_NULL)
        return true;
    struct value lo, hi;
    bool has_lo = pq_stats_value(f, n, t, s, false, &lo), has_hi = pq_stats_value(f, n, t, s, true, &hi);
    bool floating = t->id == TYPE_FLOAT || t->id == TYPE_DOUBLE;
    for (uint32_t i = 0; i < p->value_count; i++) {
        const struct value *v = &p->values[i];
        bool may = true;
        if (v->type != t)
            return true;
        if (v->null)
            continue; /* comparison with null is never true */
        if (floating && isnan(v->f))
            return true;
        switch (p->op) {
        case PRUNE_EQ:
        case PRUNE_IN:
            may = !(has_lo && cmp(v, &lo) < 0) && !(has_hi && cmp(v, &hi) > 0);
            break;
        case PRUNE_LT:
            may = !(has_lo && cmp(&lo, v) >= 0);
            break;
        case PRUNE_LE:
            may = !(has_lo && cmp(&lo, v) > 0);
            break;
        case PRUNE_GT: /* NaN is above all and in no statistics */
            may = floating || !(has_hi && cmp(&hi, v) <= 0);
            break;
        case PRUNE_GE:
            may = floating || !(has_hi && cmp(&hi, v) < 0);
            break;
        case PRUNE_PREFIX:
            may = prefix_possible(v, has_lo ? &lo : NULL, has_hi ? &hi : NULL);
            break;
        default:
            break;
        }
        if (may)
            return true;
    }
    return p->value_count == 0;
}

bool pq_may_match_missing(const struct prune *p)
{
    return p->op == PRUNE_IS_NULL;
}
