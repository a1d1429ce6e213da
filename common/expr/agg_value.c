/* States that keep values: min, max, first, last, min_by, max_by; then moments and the distinct sketch. */
#include <math.h>

#include "common/col/builder.h"
#include "common/expr/agg_impl.h"

/* xxh64, as Spark's sketch hashes */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- kept values ---- */

/* Texts of a column that was gathered, in memory of its own. */
static void own_texts(struct column *col, struct arena *ar)
{
    struct strview *s = (struct strview *)(uintptr_t)col->data;
    for (uint32_t i = 0; col->phys == PHYS_STR && i < col->rows; i++) {
        if (s[i].bytes > STRVIEW_INLINE && !(col->nulls && col->nulls[i]))
            s[i] = strview_make(arena_dup(ar, s[i].ptr, s[i].bytes), s[i].bytes);
    }
    for (uint32_t c = 0; c < col->type->child_count; c++)
        own_texts(&col->children[c], ar);
}

static const struct column *keep_nested(const struct column *col, uint32_t at, struct arena *ar)
{
    struct column *kept = ARENA_NEW(ar, struct column);
    *kept = column_gather(col, &at, 1, ar);
    own_texts(kept, ar);
    return kept;
}

static void unref_sealed(void *s)
{
    sealed_unref(s);
}

/* A column of kept nested values. */
static void nested_out(struct agg_run *r, struct column *ret, const struct type *type, uint32_t at)
{
    struct builder bd;
    struct error err = ERROR_INIT;
    builder_init(&bd, 1, &type, NULL);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct kept *k = (const struct kept *)(const void *)(agg_state(r, i) + at);
        struct column none = column_null(type, 1, r->scratch);
        struct column *one = k->seen && !k->null ? (struct column *)(uintptr_t)k->v.nested : &none;
        struct batch b = {.rows = 1, .col_count = 1, .cols = one, .sel_count = 1};
        int rc = builder_append(&bd, &b, &err);
        ASSERT(rc == 0); /* nothing is charged */
    }
    struct sealed *s = builder_seal(&bd);
    builder_fini(&bd);
    if (!s) {
        *ret = column_null(type, r->n, r->scratch);
        return;
    }
    *ret = s->cols[0];
    arena_defer(r->scratch, unref_sealed, s);
}

static void kept_set(struct kept *k, const struct column *col, uint32_t at, struct arena *ar)
{
    k->seen = 1;
    k->null = col->nulls && col->nulls[at];
    if (k->null)
        return;
    switch (col->phys) {
    case PHYS_BOOL:
    case PHYS_I8: k->v.i = ((const int8_t *)col->data)[at]; return;
    case PHYS_I16: k->v.i = ((const int16_t *)col->data)[at]; return;
    case PHYS_I32: k->v.i = ((const int32_t *)col->data)[at]; return;
    case PHYS_I64:
        if (col->type->id == TYPE_DECIMAL)
            k->v.d = ((const int64_t *)col->data)[at];
        else
            k->v.i = ((const int64_t *)col->data)[at];
        return;
    case PHYS_I128: k->v.d = ((const int128_t *)col->data)[at]; return;
    case PHYS_F32: k->v.f = (double)((const float *)col->data)[at]; return;
    case PHYS_F64: k->v.f = ((const double *)col->data)[at]; return;
    case PHYS_STR: break;
    default: k->v.nested = keep_nested(col, at, ar); return;
    }
    const struct strview *s = (const struct strview *)col->data + at;
    if (s->bytes <= STRVIEW_INLINE) {
        struct strview v = *s; /* the old room is forgotten: the arena has it */
        k->v.s = v;
        k->cap = 0;
        return;
    }
    char *room = k->cap >= s->bytes ? (char *)(uintptr_t)k->v.s.ptr : NULL;
    if (!room) {
        k->cap = s->bytes + s->bytes / 2;
        room = arena_alloc(ar, k->cap);
    }
    memcpy(room, s->ptr, s->bytes);
    k->v.s = strview_make(room, s->bytes);
}

static int f_cmp(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

/* Order of a row (not null) against a kept value (not null). */
static int kept_cmp(const struct column *col, uint32_t at, const struct kept *k)
{
    int64_t i;
    switch (col->phys) {
    case PHYS_BOOL:
    case PHYS_I8: i = ((const int8_t *)col->data)[at]; break;
    case PHYS_I16: i = ((const int16_t *)col->data)[at]; break;
    case PHYS_I32: i = ((const int32_t *)col->data)[at]; break;
    case PHYS_I64:
        i = ((const int64_t *)col->data)[at];
        if (col->type->id == TYPE_DECIMAL)
            return ((int128_t)i > k->v.d) - ((int128_t)i < k->v.d);
        break;
    case PHYS_I128: {
        int128_t d = ((const int128_t *)col->data)[at];
        return (d > k->v.d) - (d < k->v.d);
    }
    case PHYS_F32: return f_cmp((double)((const float *)col->data)[at], k->v.f);
    case PHYS_F64: return f_cmp(((const double *)col->data)[at], k->v.f);
    case PHYS_STR: return strview_cmp((const struct strview *)col->data + at, &k->v.s);
    default: UNREACHABLE("agg_call lets no nested values through");
    }
    return (i > k->v.i) - (i < k->v.i);
}

/* A column of kept values; `at` is the offset of the kept value in the state. */
static void kept_out(struct agg_run *r, struct column *ret, const struct type *type, uint32_t at)
{
    enum phys phys = type_phys(type);
    if (type_is_nested(type)) {
        nested_out(r, ret, type, at);
        return;
    }
    *ret = (struct column){.type = type, .phys = phys, .kind = COL_FLAT, .rows = r->n};
    char *data = arena_zalloc(r->scratch, (size_t)r->n * phys_bytes(phys) + 16);
    uint8_t *nulls = arena_alloc(r->scratch, r->n + 1u);
    bool any = false;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct kept *k = (const struct kept *)(const void *)(agg_state(r, i) + at);
        nulls[i] = !k->seen || k->null;
        any |= nulls[i];
        if (nulls[i])
            continue;
        switch (phys) {
        case PHYS_BOOL:
        case PHYS_I8: ((int8_t *)(void *)data)[i] = (int8_t)k->v.i; break;
        case PHYS_I16: ((int16_t *)(void *)data)[i] = (int16_t)k->v.i; break;
        case PHYS_I32: ((int32_t *)(void *)data)[i] = (int32_t)k->v.i; break;
        case PHYS_I64: ((int64_t *)(void *)data)[i] = type->id == TYPE_DECIMAL ? (int64_t)k->v.d : k->v.i; break;
        case PHYS_I128: ((int128_t *)(void *)data)[i] = k->v.d; break;
        case PHYS_F32: ((float *)(void *)data)[i] = (float)k->v.f; break;
        case PHYS_F64: ((double *)(void *)data)[i] = k->v.f; break;
        case PHYS_STR: ((struct strview *)(void *)data)[i] = k->v.s; break;
        default: UNREACHABLE("nested values went another way");
        }
    }
    ret->data = data;
    ret->nulls = any ? nulls : NULL;
}

/* ---- min, max ---- */

#define BEST(ctype, field, better)                                                                 \
    do {                                                                                           \
        const ctype *d = col.data;                                                                 \
        for (uint32_t i = 0; i < r->n; i++) {                                                      \
            uint32_t at = agg_at(r, i);                                                            \
            struct kept *k = (struct kept *)(void *)agg_state(r, i);                               \
            if (!(col.nulls && col.nulls[at]) && (!k->seen || (better))) {                         \
                k->v.field = d[at];                                                                \
                k->seen = 1;                                                                       \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static int best_update(struct agg_run *r, const struct column *args, int sign)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    if (col.phys == PHYS_I32) {
        if (sign < 0)
            BEST(int32_t, i, d[at] < k->v.i);
        else
            BEST(int32_t, i, d[at] > k->v.i);
        return 0;
    }
    if (col.phys == PHYS_I64 && col.type->id == TYPE_DECIMAL) {
        if (sign < 0)
            BEST(int64_t, d, d[at] < k->v.d);
        else
            BEST(int64_t, d, d[at] > k->v.d);
        return 0;
    }
    if (col.phys == PHYS_I64) {
        if (sign < 0)
            BEST(int64_t, i, d[at] < k->v.i);
        else
            BEST(int64_t, i, d[at] > k->v.i);
        return 0;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (col.nulls && col.nulls[at])
            continue;
        struct kept *k = (struct kept *)(void *)agg_state(r, i);
        if (!k->seen || kept_cmp(&col, at, k) * sign > 0)
            kept_set(k, &col, at, r->ar);
    }
    return 0;
}

static int min_update(struct agg_run *r, const struct column *args)
{
    return best_update(r, args, -1);
}
static int max_update(struct agg_run *r, const struct column *args)
{
    return best_update(r, args, 1);
}
static int best_emit(struct agg_run *r, struct column *ret)
{
    kept_out(r, ret, r->spec->arg_types[0], 0);
    return 0;
}

const struct agg_ops agg_min_ops = {sizeof(struct kept), min_update, min_update, best_emit, best_emit};
const struct agg_ops agg_max_ops = {sizeof(struct kept), max_update, max_update, best_emit, best_emit};

/* ---- first, last ---- */

static bool ignores_nulls(const struct agg_run *r, const struct column *args)
{
    if (r->spec->ignore_nulls)
        return true;
    if (r->spec->arg_count < 2 || r->n == 0)
        return false;
    uint32_t at = column_idx(&args[1], agg_at(r, 0));
    return !(args[1].nulls && args[1].nulls[at]) && ((const uint8_t *)args[1].data)[at];
}

static int edge_update(struct agg_run *r, const struct column *args, bool last)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    bool skip_nulls = ignores_nulls(r, args);
    if (!r->rows && last) { /* one group: only the last row can matter */
        for (uint32_t i = r->n; i-- > 0;) {
            uint32_t at = agg_at(r, i);
            if (skip_nulls && col.nulls && col.nulls[at])
                continue;
            kept_set((struct kept *)(void *)agg_state(r, i), &col, at, r->ar);
            break;
        }
        return 0;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        struct kept *k = (struct kept *)(void *)agg_state(r, i);
        if ((!last && k->seen) || (skip_nulls && col.nulls && col.nulls[at]))
            continue;
        kept_set(k, &col, at, r->ar);
    }
    return 0;
}

static int first_update(struct agg_run *r, const struct column *args)
{
    return edge_update(r, args, false);
}
static int last_update(struct agg_run *r, const struct column *args)
{
    return edge_update(r, args, true);
}

static int edge_merge(struct agg_run *r, const struct column *partial, bool last)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    struct column seen = column_flatten(&partial[1], r->sel, r->n, r->scratch);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        struct kept *k = (struct kept *)(void *)agg_state(r, i);
        if (((const uint8_t *)seen.data)[at] && (last || !k->seen))
            kept_set(k, &col, at, r->ar);
    }
    return 0;
}
static int first_merge(struct agg_run *r, const struct column *partial)
{
    return edge_merge(r, partial, false);
}
static int last_merge(struct agg_run *r, const struct column *partial)
{
    return edge_merge(r, partial, true);
}

static int edge_emit_partial(struct agg_run *r, struct column *ret)
{
    kept_out(r, &ret[0], r->spec->arg_types[0], 0);
    uint8_t *seen = arena_alloc(r->scratch, r->n + 1u);
    for (uint32_t i = 0; i < r->n; i++)
        seen[i] = ((struct kept *)(void *)agg_state(r, i))->seen;
    ret[1] = (struct column){.type = type_of(TYPE_BOOLEAN), .phys = PHYS_BOOL, .rows = r->n, .data = seen};
    return 0;
}

const struct agg_ops agg_first_ops = {sizeof(struct kept), first_update, first_merge, edge_emit_partial, best_emit};
const struct agg_ops agg_last_ops = {sizeof(struct kept), last_update, last_merge, edge_emit_partial, best_emit};

/* ---- min_by, max_by ---- */

struct kept_pair {
    struct kept value, order;
};

static int by_update(struct agg_run *r, const struct column *args, int sign)
{
    struct column value = column_flatten(&args[0], r->sel, r->n, r->scratch);
    struct column order = column_flatten(&args[1], r->sel, r->n, r->scratch);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (order.nulls && order.nulls[at])
            continue;
        struct kept_pair *p = (struct kept_pair *)(void *)agg_state(r, i);
        if (p->order.seen && kept_cmp(&order, at, &p->order) * sign < 0)
            continue; /* of equals the last one stays */
        kept_set(&p->order, &order, at, r->ar);
        kept_set(&p->value, &value, at, r->ar);
    }
    return 0;
}
static int min_by_update(struct agg_run *r, const struct column *args)
{
    return by_update(r, args, -1);
}
static int max_by_update(struct agg_run *r, const struct column *args)
{
    return by_update(r, args, 1);
}
static int by_emit_partial(struct agg_run *r, struct column *ret)
{
    kept_out(r, &ret[0], r->spec->arg_types[0], offsetof(struct kept_pair, value));
    kept_out(r, &ret[1], r->spec->arg_types[1], offsetof(struct kept_pair, order));
    return 0;
}

const struct agg_ops agg_min_by_ops = {sizeof(struct kept_pair), min_by_update, min_by_update, by_emit_partial, best_emit};
const struct agg_ops agg_max_by_ops = {sizeof(struct kept_pair), max_by_update, max_by_update, by_emit_partial, best_emit};

/* ---- variance and standard deviation: count, mean, sum of squared distances (Welford; Chan's merge) ---- */

struct moments {
    double n, mean, m2;
};

static int moments_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (col.nulls && col.nulls[at])
            continue;
        struct moments *m = (struct moments *)(void *)agg_state(r, i);
        double v = ((const double *)col.data)[at], delta = v - m->mean;
        m->n += 1;
        m->mean += delta / m->n;
        m->m2 += delta * (v - m->mean);
    }
    return 0;
}

static int moments_merge(struct agg_run *r, const struct column *partial)
{
    struct column n = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    struct column mean = column_flatten(&partial[1], r->sel, r->n, r->scratch);
    struct column m2 = column_flatten(&partial[2], r->sel, r->n, r->scratch);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        struct moments *m = (struct moments *)(void *)agg_state(r, i);
        double nb = ((const double *)n.data)[at];
        if (nb == 0)
            continue;
        double total = m->n + nb, delta = ((const double *)mean.data)[at] - m->mean;
        m->m2 += ((const double *)m2.data)[at] + delta * delta * m->n * nb / total;
        m->mean += delta * nb / total;
        m->n = total;
    }
    return 0;
}

static int moments_emit_partial(struct agg_run *r, struct column *ret)
{
    for (uint32_t c = 0; c < 3; c++) {
        double *out = arena_alloc(r->scratch, (size_t)r->n * 8 + 16);
        for (uint32_t i = 0; i < r->n; i++) {
            const struct moments *m = (struct moments *)(void *)agg_state(r, i);
            out[i] = c == 0 ? m->n : c == 1 ? m->mean : m->m2;
        }
        ret[c] = (struct column){.type = type_of(TYPE_DOUBLE), .phys = PHYS_F64, .rows = r->n, .data = out};
    }
    return 0;
}

static int moments_emit(struct agg_run *r, struct column *ret)
{
    enum agg_kind kind = r->spec->row->kind;
    bool sample = kind == AGG_STDDEV_SAMP || kind == AGG_VAR_SAMP;
    bool root = kind == AGG_STDDEV_SAMP || kind == AGG_STDDEV_POP;
    double *out = arena_alloc(r->scratch, (size_t)r->n * 8 + 16);
    uint8_t *nulls = arena_alloc(r->scratch, r->n + 1u);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct moments *m = (struct moments *)(void *)agg_state(r, i);
        nulls[i] = m->n == 0 || (sample && m->n == 1);
        double v = nulls[i] ? 0 : m->m2 / (sample ? m->n - 1 : m->n);
        out[i] = root ? sqrt(v) : v;
    }
    *ret = (struct column){.type = type_of(TYPE_DOUBLE), .phys = PHYS_F64, .rows = r->n, .data = out, .nulls = nulls};
    return 0;
}

const struct agg_ops agg_moments_ops = {sizeof(struct moments), moments_update, moments_merge, moments_emit_partial,
                                        moments_emit};

/*
 * ---- approx_count_distinct: HyperLogLog with Spark's precision and hash (xxh64, seed 42) ----
 * The estimate is Ertl's improved one, which needs no table of measured biases; Spark's HLL++ corrects with
 * such a table. Both have the same standard error, but their numbers differ within it.
 */

struct sketch {
    uint8_t *regs;
    uint32_t p;
    uint32_t bytes;
};
enum { SKETCH_P_MIN = 4, SKETCH_P_MAX = 18 };

static uint32_t sketch_precision(double rsd)
{
    double p = ceil(2.0 * log2(1.106 / rsd));
    return p < SKETCH_P_MIN ? SKETCH_P_MIN : p > SKETCH_P_MAX ? SKETCH_P_MAX : (uint32_t)p;
}

static void sketch_init(struct sketch *s, uint32_t p, struct arena *ar)
{
    s->p = p;
    s->bytes = 1u << p;
    s->regs = arena_zalloc(ar, s->bytes);
}

static uint64_t sketch_hash(const struct column *col, uint32_t at)
{
    int32_t i4;
    int64_t i8;
    double f;
    switch (col->phys) {
    case PHYS_BOOL:
    case PHYS_I8: i4 = ((const int8_t *)col->data)[at]; return XXH64(&i4, 4, 42);
    case PHYS_I16: i4 = ((const int16_t *)col->data)[at]; return XXH64(&i4, 4, 42);
    case PHYS_I32: i4 = ((const int32_t *)col->data)[at]; return XXH64(&i4, 4, 42);
    case PHYS_I64: i8 = ((const int64_t *)col->data)[at]; return XXH64(&i8, 8, 42);
    case PHYS_I128: {
        int128_t d = ((const int128_t *)col->data)[at];
        i8 = (int64_t)d;
        return (int128_t)i8 == d ? XXH64(&i8, 8, 42) : XXH64(&d, 16, 42); /* whatever the width, one hash a value */
    }
    case PHYS_F32:
        f = (double)((const float *)col->data)[at];
        break;
    case PHYS_F64: f = ((const double *)col->data)[at]; break;
    case PHYS_STR: {
        const struct strview *s = (const struct strview *)col->data + at;
        return XXH64(strview_data(s), s->bytes, 42);
    }
    default: UNREACHABLE("agg_call lets no nested values through");
    }
    if (f == 0)
        f = 0;
    if (f != f)
        f = NAN;
    return XXH64(&f, 8, 42);
}

static int sketch_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    double rsd = 0.05;
    if (r->spec->arg_count == 2 && r->n > 0) {
        double given = ((const double *)args[1].data)[column_idx(&args[1], agg_at(r, 0))];
        if (given > 0)
            rsd = given;
    }
    uint32_t p = sketch_precision(rsd);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (col.nulls && col.nulls[at])
            continue;
        struct sketch *s = (struct sketch *)(void *)agg_state(r, i);
        if (!s->regs)
            sketch_init(s, p, r->ar);
        uint64_t h = sketch_hash(&col, at);
        uint64_t rest = h << p | 1ull << (p - 1);
        uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
        uint8_t *reg = &s->regs[h >> (64 - p)];
        if (*reg < rank)
            *reg = rank;
    }
    return 0;
}

static int sketch_merge(struct agg_run *r, const struct column *partial)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (col.nulls && col.nulls[at])
            continue;
        const struct strview *v = (const struct strview *)col.data + at;
        struct sketch *s = (struct sketch *)(void *)agg_state(r, i);
        if (!s->regs)
            sketch_init(s, (uint32_t)__builtin_ctz(v->bytes), r->ar);
        if (v->bytes != s->bytes)
            return error_setf(r->err, ERR_INTERNAL, "message", "sketches of %u and %u registers", v->bytes, s->bytes);
        const uint8_t *regs = (const uint8_t *)strview_data(v);
        for (uint32_t k = 0; k < s->bytes; k++)
            s->regs[k] = regs[k] > s->regs[k] ? regs[k] : s->regs[k];
    }
    return 0;
}

static int sketch_emit_partial(struct agg_run *r, struct column *ret)
{
    struct strview *out = arena_zalloc(r->scratch, (size_t)r->n * sizeof *out + 16);
    uint8_t *nulls = arena_alloc(r->scratch, r->n + 1u);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct sketch *s = (struct sketch *)(void *)agg_state(r, i);
        nulls[i] = !s->regs;
        if (s->regs)
            out[i] = strview_make((const char *)s->regs, s->bytes);
    }
    *ret = (struct column){.type = type_of(TYPE_BINARY), .phys = PHYS_STR, .rows = r->n, .data = out, .nulls = nulls};
    return 0;
}

static double sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double y = 1, z = x, last;
    do {
        x *= x;
        last = z;
        z += x * y;
        y += y;
    } while (z != last);
    return z;
}

static double tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double y = 1, z = 1 - x, last;
    do {
        x = sqrt(x);
        last = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != last);
    return z / 3;
}

static int64_t sketch_estimate(const struct sketch *s)
{
    if (!s->regs)
        return 0;
    uint32_t q = 64 - s->p, counts[66] = {0};
    for (uint32_t k = 0; k < s->bytes; k++)
        counts[s->regs[k] > q + 1 ? q + 1 : s->regs[k]]++;
    double m = s->bytes, z = m * tau(1 - counts[q + 1] / m);
    for (uint32_t k = q; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return llround(m * m / (2 * log(2.0)) / z);
}

static int sketch_emit(struct agg_run *r, struct column *ret)
{
    int64_t *out = arena_alloc(r->scratch, (size_t)r->n * 8 + 16);
    for (uint32_t i = 0; i < r->n; i++)
        out[i] = sketch_estimate((const struct sketch *)(void *)agg_state(r, i));
    *ret = (struct column){.type = type_of(TYPE_BIGINT), .phys = PHYS_I64, .rows = r->n, .data = out};
    return 0;
}

const struct agg_ops agg_sketch_ops = {sizeof(struct sketch), sketch_update, sketch_merge, sketch_emit_partial, sketch_emit};

const struct agg_ops *agg_ops(const struct agg_spec *spec)
{
    const struct type *in = spec->arg_types[0];
    bool interval = in->id == TYPE_INTERVAL_YM || in->id == TYPE_INTERVAL_DT;
    switch (spec->row->kind) {
    case AGG_COUNT: return &agg_count_ops;
    case AGG_COUNT_IF: return &agg_count_if_ops;
    case AGG_SUM:
        return type_is_integral(in) || interval ? &agg_sum_i64_ops
               : in->id == TYPE_DECIMAL         ? &agg_sum_i128_ops
                                                : &agg_sum_f64_ops;
    case AGG_AVG: return in->id == TYPE_DECIMAL || interval ? &agg_avg_i128_ops : &agg_avg_f64_ops;
    case AGG_MIN: return &agg_min_ops;
    case AGG_MAX: return &agg_max_ops;
    case AGG_FIRST: return &agg_first_ops;
    case AGG_LAST: return &agg_last_ops;
    case AGG_MIN_BY: return &agg_min_by_ops;
    case AGG_MAX_BY: return &agg_max_by_ops;
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
    case AGG_VAR_SAMP:
    case AGG_VAR_POP: return &agg_moments_ops;
    case AGG_SKETCH: return &agg_sketch_ops;
    }
    UNREACHABLE("a kind of the table");
}
