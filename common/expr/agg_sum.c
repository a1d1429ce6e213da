/* States of count, sum and avg; see agg_state.h. */
#include "common/expr/agg_impl.h"
#include "common/expr/fn.h"

/* ---- reading arguments ---- */

static bool is_int_phys(enum phys p)
{
    return p == PHYS_BOOL || p == PHYS_I8 || p == PHYS_I16 || p == PHYS_I32 || p == PHYS_I64;
}

/* Runs `body` for every live row that is not null, with `v` its value of the given C type. */
#define EACH(ctype, body)                                                                          \
    do {                                                                                           \
        const ctype *data_ = col.data;                                                             \
        if (!col.nulls && !r->sel) {                                                               \
            for (uint32_t i = 0; i < r->n; i++) {                                                  \
                ctype v = data_[i];                                                                \
                body;                                                                              \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < r->n; i++) {                                                  \
                uint32_t at_ = agg_at(r, i);                                                       \
                if (col.nulls && col.nulls[at_])                                                   \
                    continue;                                                                      \
                ctype v = data_[at_];                                                              \
                body;                                                                              \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#define EACH_INT(body)                                                                             \
    switch (col.phys) {                                                                            \
    case PHYS_BOOL:                                                                                \
    case PHYS_I8: EACH(int8_t, body); break;                                                       \
    case PHYS_I16: EACH(int16_t, body); break;                                                     \
    case PHYS_I32: EACH(int32_t, body); break;                                                     \
    case PHYS_I64: EACH(int64_t, body); break;                                                     \
    default: UNREACHABLE("an integer argument");                                                   \
    }

static int overflow(const struct agg_run *r, const char *what, const char *op)
{
    if (r->spec->mode != EVAL_ANSI)
        return 0;
    return error_set(r->err, ERR_ARITHMETIC_OVERFLOW, "message", what, "op", op, NULL);
}

/* Flat outputs of n rows. */
static void *out_data(struct agg_run *r, struct column *out, const struct type *type, enum phys phys)
{
    *out = (struct column){.type = type, .phys = phys, .kind = COL_FLAT, .rows = r->n};
    void *p = arena_alloc(r->scratch, (size_t)r->n * phys_bytes(phys) + 16);
    out->data = p;
    return p;
}

static uint8_t *out_nulls(struct agg_run *r, struct column *out)
{
    uint8_t *p = arena_alloc(r->scratch, r->n + 1u);
    memset(p, 0, r->n);
    out->nulls = p;
    return p;
}

/* Wide values as a decimal column: narrow when the precision says so or when all fit. */
static void out_decimals(struct agg_run *r, struct column *out, const struct type *type, const int128_t *v)
{
    bool narrow = true;
    for (uint32_t i = 0; i < r->n; i++)
        narrow &= (int128_t)(int64_t)v[i] == v[i];
    ASSERT(narrow || type->precision > 18);
    if (!narrow) {
        *out = (struct column){.type = type, .phys = PHYS_I128, .kind = COL_FLAT, .rows = r->n, .data = v};
        return;
    }
    int64_t *d = out_data(r, out, type, PHYS_I64);
    for (uint32_t i = 0; i < r->n; i++)
        d[i] = (int64_t)v[i];
}

/* ---- count ---- */

static int count_update(struct agg_run *r, const struct column *args)
{
    const uint8_t *skip = NULL;
    uint8_t *mask = NULL;
    for (uint32_t a = 0; a < r->spec->arg_count; a++) {
        const struct column *c = &args[a];
        if (!c->nulls || (c->kind == COL_CONST && !c->nulls[0]))
            continue;
        if (!mask) {
            mask = arena_alloc(r->scratch, r->n + 1u);
            memset(mask, 0, r->n);
        }
        for (uint32_t i = 0; i < r->n; i++)
            mask[i] |= c->nulls[column_idx(c, agg_at(r, i))];
        skip = mask;
    }
    if (!r->rows) {
        int64_t n = r->n;
        for (uint32_t i = 0; skip && i < r->n; i++)
            n -= skip[i];
        *(int64_t *)(void *)agg_state(r, 0) += n;
        return 0;
    }
    for (uint32_t i = 0; i < r->n; i++)
        *(int64_t *)(void *)agg_state(r, i) += skip ? !skip[i] : 1;
    return 0;
}

static int count_if_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    EACH(uint8_t, *(int64_t *)(void *)agg_state(r, i) += v);
    return 0;
}

static int count_merge(struct agg_run *r, const struct column *partial)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    EACH(int64_t, *(int64_t *)(void *)agg_state(r, i) += v);
    return 0;
}

static int count_emit(struct agg_run *r, struct column *ret)
{
    int64_t *out = out_data(r, ret, type_of(TYPE_BIGINT), PHYS_I64);
    for (uint32_t i = 0; i < r->n; i++)
        out[i] = *(int64_t *)(void *)agg_state(r, i);
    return 0;
}

const struct agg_ops agg_count_ops = {8, count_update, count_merge, count_emit, count_emit};
const struct agg_ops agg_count_if_ops = {8, count_if_update, count_merge, count_emit, count_emit};

/* ---- sum of integers and intervals ---- */

struct sum_i64 {
    int64_t sum;
    uint8_t seen, overflowed;
};

#define SUM_I64(s_)                                                                                \
    do {                                                                                           \
        struct sum_i64 *s = (s_);                                                                  \
        s->seen = 1;                                                                               \
        bad |= s->overflowed |= __builtin_add_overflow(s->sum, (int64_t)v, &s->sum);               \
    } while (0)

static int sum_i64_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    bool bad = false;
    if (!r->rows) { /* one group: the sum of a batch of narrow integers cannot overflow 128 bits */
        int128_t total = 0;
        uint32_t n = 0;
        if (col.phys == PHYS_I64) {
            EACH(int64_t, (total += v, n++));
        } else {
            int64_t t64 = 0;
            EACH_INT((t64 += v, n++));
            total = t64;
        }
        struct sum_i64 *s = (struct sum_i64 *)(void *)agg_state(r, 0);
        s->seen |= n > 0;
        total += s->sum;
        s->sum = (int64_t)total;
        bad = s->overflowed |= (int128_t)s->sum != total;
    } else {
        EACH_INT(SUM_I64((struct sum_i64 *)(void *)agg_state(r, i)));
    }
    return bad ? overflow(r, "long overflow", "sum") : 0;
}

static int sum_i64_merge(struct agg_run *r, const struct column *partial)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    struct column seen = column_flatten(&partial[1], r->sel, r->n, r->scratch);
    bool bad = false;
    EACH(int64_t, SUM_I64((struct sum_i64 *)(void *)agg_state(r, i)));
    if (col.nulls) { /* seen without a value: overflowed */
        for (uint32_t i = 0; i < r->n; i++) {
            uint32_t at = agg_at(r, i);
            struct sum_i64 *s = (struct sum_i64 *)(void *)agg_state(r, i);
            if (col.nulls[at] && ((const uint8_t *)seen.data)[at])
                s->seen = s->overflowed = 1;
        }
    }
    return bad ? overflow(r, "long overflow", "sum") : 0;
}

static int sum_i64_out(struct agg_run *r, struct column *ret, const struct type *type, bool wrap)
{
    enum phys phys = type_phys(type);
    struct sum_i64 **s = arena_alloc(r->scratch, r->n * sizeof *s + 16);
    void *out = out_data(r, ret, type, phys);
    uint8_t *nulls = out_nulls(r, ret);
    for (uint32_t i = 0; i < r->n; i++) {
        s[i] = (struct sum_i64 *)(void *)agg_state(r, i);
        nulls[i] = !s[i]->seen || (s[i]->overflowed && !wrap);
        if (phys == PHYS_I32) {
            if (s[i]->sum != (int32_t)s[i]->sum && !nulls[i])
                return error_set(r->err, ERR_INTERVAL_OVERFLOW, NULL);
            ((int32_t *)out)[i] = (int32_t)s[i]->sum;
        } else {
            ((int64_t *)out)[i] = s[i]->sum;
        }
    }
    return 0;
}

static int sum_i64_emit_partial(struct agg_run *r, struct column *ret)
{
    TRY(sum_i64_out(r, &ret[0], type_of(TYPE_BIGINT), r->spec->mode == EVAL_LEGACY));
    uint8_t *seen = out_data(r, &ret[1], type_of(TYPE_BOOLEAN), PHYS_BOOL);
    for (uint32_t i = 0; i < r->n; i++)
        seen[i] = ((struct sum_i64 *)(void *)agg_state(r, i))->seen;
    return 0;
}

static int sum_i64_emit(struct agg_run *r, struct column *ret)
{
    return sum_i64_out(r, ret, r->spec->result, r->spec->mode == EVAL_LEGACY);
}

const struct agg_ops agg_sum_i64_ops = {16, sum_i64_update, sum_i64_merge, sum_i64_emit_partial, sum_i64_emit};

/* ---- sum and avg of decimals (avg of integers and intervals too, where the sum is exact) ---- */

struct sum_i128 {
    i128_in_state sum;
    uint64_t count : 63, overflowed : 1;
};

#define SUM_I128(s_, n_)                                                                           \
    do {                                                                                           \
        struct sum_i128 *s = (s_);                                                                 \
        int128_t t_;                                                                               \
        s->count += (n_);                                                                          \
        if (UNLIKELY(__builtin_add_overflow((int128_t)s->sum, (int128_t)v, &t_)))                  \
            s->overflowed = 1;                                                                     \
        s->sum = t_;                                                                               \
    } while (0)

static int sum_i128_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    if (!r->rows && col.phys == PHYS_I64) {
        int128_t total = 0;
        uint32_t n = 0;
        EACH(int64_t, (total += v, n++));
        int128_t v = total;
        SUM_I128((struct sum_i128 *)(void *)agg_state(r, 0), n);
    } else if (is_int_phys(col.phys)) {
        EACH_INT(SUM_I128((struct sum_i128 *)(void *)agg_state(r, i), 1));
    } else {
        EACH(int128_t, SUM_I128((struct sum_i128 *)(void *)agg_state(r, i), 1));
    }
    return 0;
}

static int sum_i128_merge(struct agg_run *r, const struct column *partial)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    struct column n = column_flatten(&partial[1], r->sel, r->n, r->scratch);
    bool avg = n.phys == PHYS_I64;
#define COUNT_AT(at) (avg ? (uint64_t)((const int64_t *)n.data)[at] : (uint64_t)((const uint8_t *)n.data)[at])
    if (is_int_phys(col.phys))
        EACH(int64_t, SUM_I128((struct sum_i128 *)(void *)agg_state(r, i), COUNT_AT(agg_at(r, i))));
    else
        EACH(int128_t, SUM_I128((struct sum_i128 *)(void *)agg_state(r, i), COUNT_AT(agg_at(r, i))));
    if (col.nulls) {
        for (uint32_t i = 0; i < r->n; i++) {
            uint32_t at = agg_at(r, i);
            if (!col.nulls[at] || COUNT_AT(at) == 0)
                continue;
            struct sum_i128 *s = (struct sum_i128 *)(void *)agg_state(r, i);
            s->overflowed = 1;
            s->count += COUNT_AT(at);
        }
    }
    return 0;
}

static int sum_i128_emit_partial(struct agg_run *r, struct column *ret)
{
    const struct type *type = agg_sum_type(r->spec);
    bool avg = r->spec->row->kind == AGG_AVG;
    int128_t *v = arena_alloc(r->scratch, (size_t)r->n * sizeof *v + 16);
    uint8_t *nulls = arena_alloc(r->scratch, r->n + 1u);
    bool any = false;
    for (uint32_t i = 0; i < r->n; i++) {
        struct sum_i128 *s = (struct sum_i128 *)(void *)agg_state(r, i);
        bool fits = type->id == TYPE_DECIMAL ? decimal_fits(s->sum, DECIMAL_PRECISION_MAX)
                                             : (int128_t)(int64_t)s->sum == s->sum;
        nulls[i] = s->count == 0 || s->overflowed || !fits;
        if (nulls[i] && s->count > 0)
            TRY(overflow(r, "overflow in a sum of decimals", avg ? "avg" : "sum"));
        v[i] = nulls[i] ? 0 : (int128_t)s->sum;
        any |= nulls[i];
    }
    if (type->id == TYPE_DECIMAL) {
        out_decimals(r, &ret[0], type, v);
    } else {
        int64_t *d = out_data(r, &ret[0], type, PHYS_I64);
        for (uint32_t i = 0; i < r->n; i++)
            d[i] = (int64_t)v[i];
    }
    ret[0].nulls = any ? nulls : NULL;
    if (avg) {
        int64_t *n = out_data(r, &ret[1], type_of(TYPE_BIGINT), PHYS_I64);
        for (uint32_t i = 0; i < r->n; i++)
            n[i] = (int64_t)((struct sum_i128 *)(void *)agg_state(r, i))->count;
    } else {
        uint8_t *n = out_data(r, &ret[1], type_of(TYPE_BOOLEAN), PHYS_BOOL);
        for (uint32_t i = 0; i < r->n; i++)
            n[i] = ((struct sum_i128 *)(void *)agg_state(r, i))->count > 0;
    }
    return 0;
}

/* sum / count at `shift` more digits, rounded half away from zero; false: does not fit. */
static bool divide(int128_t sum, uint64_t count, int shift, int128_t *ret)
{
    bool neg = sum < 0;
    uint128_t abs = neg ? (uint128_t)0 - (uint128_t)sum : (uint128_t)sum;
    uint128_t q = abs / count, rest = abs % count;
    while (shift-- > 0) {
        if (q > (uint128_t)pow10_i128[38] || rest > ~(uint128_t)0 / 10)
            return false;
        rest *= 10;
        q = q * 10 + rest / count;
        rest %= count;
    }
    if (rest * 2 >= count)
        q++;
    if (q >= (uint128_t)1 << 127)
        return false;
    *ret = neg ? -(int128_t)q : (int128_t)q;
    return true;
}

static int sum_i128_emit(struct agg_run *r, struct column *ret)
{
    const struct type *type = r->spec->result, *in = r->spec->arg_types[0];
    bool avg = r->spec->row->kind == AGG_AVG;
    int128_t *v = arena_alloc(r->scratch, (size_t)r->n * sizeof *v + 16);
    uint8_t *nulls = arena_alloc(r->scratch, r->n + 1u);
    bool any = false;
    for (uint32_t i = 0; i < r->n; i++) {
        struct sum_i128 *s = (struct sum_i128 *)(void *)agg_state(r, i);
        v[i] = 0;
        nulls[i] = s->count == 0;
        if (s->count > 0) {
            bool ok = !s->overflowed;
            v[i] = s->sum;
            if (ok && avg)
                ok = divide(s->sum, s->count, type->id == TYPE_DECIMAL ? type->scale - in->scale : 0, &v[i]);
            if (ok && type->id == TYPE_DECIMAL)
                ok = decimal_fits(v[i], type->precision);
            if (!ok) {
                TRY(overflow(r, "overflow in a sum of decimals", avg ? "avg" : "sum"));
                nulls[i] = 1;
                v[i] = 0;
            }
        }
        any |= nulls[i];
    }
    if (type->id == TYPE_DECIMAL) {
        out_decimals(r, ret, type, v);
    } else if (type_phys(type) == PHYS_I32) {
        int32_t *d = out_data(r, ret, type, PHYS_I32);
        for (uint32_t i = 0; i < r->n; i++)
            d[i] = (int32_t)v[i];
    } else {
        int64_t *d = out_data(r, ret, type, PHYS_I64);
        for (uint32_t i = 0; i < r->n; i++)
            d[i] = (int64_t)v[i];
    }
    ret->nulls = any ? nulls : NULL;
    return 0;
}

const struct agg_ops agg_sum_i128_ops = {24, sum_i128_update, sum_i128_merge, sum_i128_emit_partial, sum_i128_emit};
const struct agg_ops agg_avg_i128_ops = {24, sum_i128_update, sum_i128_merge, sum_i128_emit_partial, sum_i128_emit};

/* ---- sum and avg in doubles ---- */

struct sum_f64 {
    double sum;
    int64_t count;
};

#define SUM_F64                                                                                    \
    do {                                                                                           \
        struct sum_f64 *s = (struct sum_f64 *)(void *)agg_state(r, i);                             \
        s->sum += (double)v;                                                                       \
        s->count++;                                                                                \
    } while (0)

static int sum_f64_update(struct agg_run *r, const struct column *args)
{
    struct column col = column_flatten(&args[0], r->sel, r->n, r->scratch);
    if (col.phys == PHYS_F64)
        EACH(double, SUM_F64);
    else if (col.phys == PHYS_F32)
        EACH(float, SUM_F64);
    else
        EACH_INT(SUM_F64);
    return 0;
}

static int sum_f64_merge(struct agg_run *r, const struct column *partial)
{
    struct column col = column_flatten(&partial[0], r->sel, r->n, r->scratch);
    struct column n = column_flatten(&partial[1], r->sel, r->n, r->scratch);
    bool avg = n.phys == PHYS_I64;
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t at = agg_at(r, i);
        if (col.nulls && col.nulls[at])
            continue;
        struct sum_f64 *s = (struct sum_f64 *)(void *)agg_state(r, i);
        s->sum += ((const double *)col.data)[at];
        s->count += avg ? ((const int64_t *)n.data)[at] : ((const uint8_t *)n.data)[at];
    }
    return 0;
}

static int sum_f64_emit_partial(struct agg_run *r, struct column *ret)
{
    bool avg = r->spec->row->kind == AGG_AVG;
    double *sum = out_data(r, &ret[0], type_of(TYPE_DOUBLE), PHYS_F64);
    uint8_t *nulls = out_nulls(r, &ret[0]);
    void *n = out_data(r, &ret[1], type_of(avg ? TYPE_BIGINT : TYPE_BOOLEAN), avg ? PHYS_I64 : PHYS_BOOL);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct sum_f64 *s = (struct sum_f64 *)(void *)agg_state(r, i);
        sum[i] = s->sum;
        nulls[i] = s->count == 0;
        if (avg)
            ((int64_t *)n)[i] = s->count;
        else
            ((uint8_t *)n)[i] = s->count > 0;
    }
    return 0;
}

static int sum_f64_emit(struct agg_run *r, struct column *ret)
{
    bool avg = r->spec->row->kind == AGG_AVG;
    double *out = out_data(r, ret, r->spec->result, PHYS_F64);
    uint8_t *nulls = out_nulls(r, ret);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct sum_f64 *s = (struct sum_f64 *)(void *)agg_state(r, i);
        nulls[i] = s->count == 0;
        out[i] = nulls[i] ? 0 : avg ? s->sum / (double)s->count : s->sum;
    }
    return 0;
}

const struct agg_ops agg_sum_f64_ops = {16, sum_f64_update, sum_f64_merge, sum_f64_emit_partial, sum_f64_emit};
const struct agg_ops agg_avg_f64_ops = {16, sum_f64_update, sum_f64_merge, sum_f64_emit_partial, sum_f64_emit};
