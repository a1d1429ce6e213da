/* CAST and TRY_CAST among all types, by Spark's rules for ANSI, legacy and try modes. */
#include <math.h>
#include <stdlib.h>

#include "common/expr/fn_impl.h"
#include "common/expr/parse.h"
#include "common/expr/zone.h"

static int resolve_cast(struct fn_call *c, struct error *err)
{
    (void)c;
    return error_set(err, ERR_INTERNAL, "message", "cast is built by expr_cast", NULL);
}

/* One value on its way: integers and dates in i, decimals in d, floats in f, text in s. */
struct cell {
    int64_t i;
    int128_t d;
    double f;
    struct strview s;
};

enum outcome {
    CAST_OK,
    CAST_BAD /* not a value of the type */,
    CAST_RANGE /* does not fit */,
    CAST_DIGITS /* over 38 of them */,
    CAST_NULL /* in every mode */
};

static void load(const struct column *col, uint32_t at, struct cell *c)
{
    switch (col->phys) {
    case PHYS_BOOL: c->i = ((const uint8_t *)col->data)[at]; break;
    case PHYS_I8: c->i = ((const int8_t *)col->data)[at]; break;
    case PHYS_I16: c->i = ((const int16_t *)col->data)[at]; break;
    case PHYS_I32: c->i = ((const int32_t *)col->data)[at]; break;
    case PHYS_I64: c->i = ((const int64_t *)col->data)[at]; break;
    case PHYS_I128: c->d = ((const int128_t *)col->data)[at]; break;
    case PHYS_F32: c->f = ((const float *)col->data)[at]; break;
    case PHYS_F64: c->f = ((const double *)col->data)[at]; break;
    case PHYS_STR: c->s = ((const struct strview *)col->data)[at]; break;
    default: break;
    }
    if (col->type->id == TYPE_DECIMAL && col->phys == PHYS_I64)
        c->d = c->i;
}

static void store(void *data, enum phys phys, uint32_t r, const struct cell *c)
{
    switch (phys) {
    case PHYS_BOOL: ((uint8_t *)data)[r] = c->i != 0; break;
    case PHYS_I8: ((int8_t *)data)[r] = (int8_t)c->i; break;
    case PHYS_I16: ((int16_t *)data)[r] = (int16_t)c->i; break;
    case PHYS_I32: ((int32_t *)data)[r] = (int32_t)c->i; break;
    case PHYS_I64: ((int64_t *)data)[r] = c->i; break;
    case PHYS_I128: ((int128_t *)data)[r] = c->d; break;
    case PHYS_F32: ((float *)data)[r] = (float)c->f; break;
    case PHYS_F64: ((double *)data)[r] = c->f; break;
    case PHYS_STR: ((struct strview *)data)[r] = c->s; break;
    default: break;
    }
}

static bool int_fits(int64_t v, enum type_id id)
{
    switch (id) {
    case TYPE_TINYINT: return v == (int8_t)v;
    case TYPE_SMALLINT: return v == (int16_t)v;
    case TYPE_INT: return v == (int32_t)v;
    default: return true;
    }
}

static int bits_of(enum type_id id)
{
    return id == TYPE_TINYINT ? 8 : id == TYPE_SMALLINT ? 16 : id == TYPE_INT ? 32 : 64;
}

static double decimal_to_f64(int128_t v, unsigned scale)
{
    if (v > -(1ll << 53) && v < (1ll << 53) && scale <= 22) {
        static const double p[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
        return (double)(int64_t)v / p[scale]; /* both exact: one rounding */
    }
    struct buf b = BUF_INIT;
    double f = 0;
    format_decimal(v, scale, &b);
    parse_f64(b.data, b.bytes, &f);
    buf_fini(&b);
    return f;
}

static enum outcome f64_to_int(double f, const struct type *to, enum eval_mode mode, int64_t *ret)
{
    int bits = bits_of(to->id);
    double limit = ldexp(1, bits - 1);
    if (mode == EVAL_LEGACY) { /* as the JVM: saturates at int or long, then wraps */
        if (f != f) {
            *ret = 0;
            return CAST_OK;
        }
        double wide = bits == 64 ? 0x1p63 : 0x1p31;
        int64_t max = bits == 64 ? INT64_MAX : INT32_MAX, min = bits == 64 ? INT64_MIN : INT32_MIN;
        int64_t v = f >= wide ? max : f < -wide ? min : (int64_t)f;
        *ret = bits == 8 ? (int8_t)v : bits == 16 ? (int16_t)v : v;
        return CAST_OK;
    }
    double t = trunc(f);
    if (!(t >= -limit && t < limit))
        return CAST_RANGE;
    *ret = (int64_t)t;
    return CAST_OK;
}

static int64_t wrap(int64_t v, enum type_id id)
{
    return id == TYPE_TINYINT ? (int8_t)v : id == TYPE_SMALLINT ? (int16_t)v : id == TYPE_INT ? (int32_t)v : v;
}

/* An interval as a number of its smallest unit. */
static int64_t interval_units(const struct type *t, int64_t v)
{
    static const int64_t unit[] = {86400000000, 3600000000, 60000000, 1000000};
    if (t->id == TYPE_INTERVAL_YM)
        return t->interval_to == 0 ? v / 12 : v;
    return v / unit[t->interval_to];
}

static enum outcome to_integral(const struct type *from, const struct type *to, enum eval_mode mode, struct cell *c)
{
    int128_t whole;
    switch (from->id) {
    case TYPE_STRING: {
        int64_t v;
        const char *p = strview_data(&c->s);
        if (!parse_i64(p, c->s.bytes, &v)) {
            /* legacy takes "1.9" as 1 */
            int128_t d;
            if (mode != EVAL_LEGACY || memchr(p, 'e', c->s.bytes) || memchr(p, 'E', c->s.bytes) ||
                !parse_decimal(p, c->s.bytes, type_decimal(38, 18), &d) || d / pow10_i128[18] != (int64_t)(d / pow10_i128[18]))
                return CAST_BAD;
            v = (int64_t)(d / pow10_i128[18]);
        }
        if (!int_fits(v, to->id))
            return CAST_BAD;
        c->i = v;
        return CAST_OK;
    }
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return f64_to_int(c->f, to, mode, &c->i);
    case TYPE_DECIMAL:
        whole = c->d / pow10_i128[from->scale];
        if (whole != (int64_t)whole || !int_fits((int64_t)whole, to->id)) {
            if (mode != EVAL_LEGACY)
                return CAST_RANGE;
        }
        c->i = wrap((int64_t)whole, to->id);
        return CAST_OK;
    case TYPE_TIMESTAMP: {
        int64_t s = c->i / 1000000 - (c->i % 1000000 < 0);
        c->i = s;
        return int_fits(s, to->id) ? CAST_OK : mode == EVAL_LEGACY ? CAST_NULL : CAST_RANGE;
    }
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT: {
        int64_t v = interval_units(from, c->i);
        if (!int_fits(v, to->id))
            return CAST_RANGE;
        c->i = v;
        return CAST_OK;
    }
    default:
        if (!int_fits(c->i, to->id)) {
            if (mode != EVAL_LEGACY)
                return CAST_RANGE;
            c->i = wrap(c->i, to->id);
        }
        return CAST_OK;
    }
}

static enum outcome to_decimal(const struct type *from, const struct type *to, struct cell *c)
{
    int128_t v = c->i;
    int scale = 0;
    if (from->id == TYPE_STRING) {
        switch (parse_number(strview_data(&c->s), c->s.bytes, to, &c->d)) {
        case NUMBER_OK: return CAST_OK;
        case NUMBER_NONE: return CAST_BAD;
        case NUMBER_RANGE: return CAST_RANGE;
        case NUMBER_DIGITS: return CAST_DIGITS;
        }
    }
    if (from->id == TYPE_FLOAT || from->id == TYPE_DOUBLE) {
        struct buf b = BUF_INIT;
        format_double(c->f, &b); /* of a float too: Spark goes through double */
        bool ok = isfinite(c->f) && parse_decimal(b.data, b.bytes, to, &c->d);
        buf_fini(&b);
        return ok ? CAST_OK : isfinite(c->f) ? CAST_RANGE : CAST_NULL;
    }
    if (from->id == TYPE_DECIMAL) {
        v = c->d;
        scale = from->scale;
    } else if (from->id == TYPE_TIMESTAMP || (from->id == TYPE_INTERVAL_DT && from->interval_to == 3)) {
        scale = 6;
    } else if (from->id == TYPE_INTERVAL_DT || from->id == TYPE_INTERVAL_YM) {
        v = interval_units(from, c->i);
    }
    if (!decimal_rescale(v, scale, to->scale, &c->d) || !decimal_fits(c->d, to->precision))
        return CAST_RANGE;
    return CAST_OK;
}

static enum outcome to_text(struct kernel *k, const struct column *col, uint32_t row, struct cell *c, struct buf *scratch)
{
    if (col->type->id == TYPE_BINARY)
        return CAST_OK;
    buf_reset(scratch);
    if (col->type->id == TYPE_DECIMAL && k->node->mode == EVAL_LEGACY)
        format_decimal_java(arg_i128(col, row), col->type->scale, scratch);
    else
        column_format(col, row, k->cx->zone, "null", scratch);
    char *p = arena_strndup(k->ar, scratch->data, scratch->bytes);
    c->s = strview_make(p, (uint32_t)scratch->bytes);
    return CAST_OK;
}

static enum outcome to_datetime(struct kernel *k, const struct type *from, const struct type *to, struct cell *c)
{
    const struct zone *z = k->cx->zone;
    if (from->id == TYPE_STRING) {
        const char *p = strview_data(&c->s);
        int32_t days;
        if (to->id == TYPE_DATE) {
            if (!parse_date(p, c->s.bytes, &days))
                return CAST_BAD;
            c->i = days;
            return CAST_OK;
        }
        if (parse_timestamp(p, c->s.bytes, to->id == TYPE_TIMESTAMP, z, &c->i))
            return CAST_OK;
        int64_t clock;
        if (to->id != TYPE_TIMESTAMP || !parse_time_of_day(p, c->s.bytes, &clock))
            return CAST_BAD;
        c->i = zone_to_utc_us(z, floor_div(zone_local_us(z, k->cx->now_us), US_DAY) * US_DAY + clock); /* today */
        return CAST_OK;
    }
    if (to->id == TYPE_DATE) {
        int64_t local = from->id == TYPE_TIMESTAMP ? zone_local_us(z, c->i) : c->i;
        c->i = floor_div(local, US_DAY);
        return CAST_OK;
    }
    int64_t local = c->i;
    if (from->id == TYPE_DATE) {
        if (__builtin_mul_overflow(c->i, US_DAY, &local))
            return CAST_RANGE;
    } else if (from->id == TYPE_TIMESTAMP)
        local = zone_local_us(z, c->i);
    else if (from->id == TYPE_FLOAT || from->id == TYPE_DOUBLE) {
        double us = c->f * 1e6;
        if (!isfinite(c->f))
            return CAST_BAD;
        if (us >= 0x1p63 || us < -0x1p63) {
            c->i = us < 0 ? INT64_MIN : INT64_MAX;
            return k->node->mode == EVAL_LEGACY ? CAST_OK : CAST_RANGE;
        }
        c->i = (int64_t)us;
        return CAST_OK;
    } else if (from->id == TYPE_DECIMAL) {
        int128_t us = from->scale > 6 ? c->d / pow10_i128[from->scale - 6] : 0; /* what is below a microsecond is cut off */
        if ((from->scale <= 6 && !decimal_rescale(c->d, from->scale, 6, &us)) || us != (int64_t)us)
            return CAST_RANGE;
        c->i = (int64_t)us;
        return CAST_OK;
    } else if (from->id == TYPE_BOOLEAN) { /* legacy: a microsecond */
        return CAST_OK;
    } else if (from->id != TYPE_TIMESTAMP_NTZ) { /* a number: seconds */
        if (__builtin_mul_overflow(c->i, 1000000, &c->i)) /* as Java's TimeUnit converts */
            c->i = local < 0 ? INT64_MIN : INT64_MAX;
        return CAST_OK;
    }
    c->i = to->id == TYPE_TIMESTAMP ? zone_to_utc_us(z, local) : local;
    return CAST_OK;
}

static enum outcome cast_cell(struct kernel *k, const struct column *col, uint32_t row, const struct type *to,
                              struct cell *c, struct buf *scratch)
{
    const struct type *from = col->type;
    enum eval_mode mode = k->node->mode;
    bool b;
    if (from->id == TYPE_DATE && (type_is_numeric(to) || to->id == TYPE_BOOLEAN))
        return CAST_NULL;
    switch (to->id) {
    case TYPE_BOOLEAN:
        if (from->id == TYPE_STRING) {
            if (!parse_bool(strview_data(&c->s), c->s.bytes, &b))
                return CAST_BAD;
            c->i = b;
        } else if (from->id == TYPE_DECIMAL) {
            c->i = c->d != 0;
        } else if (from->id == TYPE_FLOAT || from->id == TYPE_DOUBLE) {
            c->i = c->f != 0;
        }
        return CAST_OK;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: return to_integral(from, to, mode, c);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (from->id == TYPE_STRING)
            return parse_f64(strview_data(&c->s), c->s.bytes, &c->f) ? CAST_OK : CAST_BAD;
        if (from->id == TYPE_DECIMAL)
            c->f = decimal_to_f64(c->d, from->scale);
        else if (from->id == TYPE_TIMESTAMP)
            c->f = (double)c->i / 1e6;
        else if (from->id != TYPE_FLOAT && from->id != TYPE_DOUBLE)
            c->f = (double)c->i;
        return CAST_OK;
    case TYPE_DECIMAL: return to_decimal(from, to, c);
    case TYPE_STRING: return to_text(k, col, row, c, scratch);
    case TYPE_BINARY:
        if (type_is_integral(from)) { /* legacy: its bytes, the highest first */
            char bytes[8];
            uint32_t n = (uint32_t)bits_of(from->id) / 8;
            for (uint32_t i = 0; i < n; i++)
                bytes[i] = (char)(c->i >> (8 * (n - 1 - i)));
            c->s = kernel_keep(k, bytes, n);
        }
        return CAST_OK;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return to_datetime(k, from, to, c);
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT: {
        static const int64_t unit[] = {86400000000, 3600000000, 60000000, 1000000};
        /* What is below the last field goes. */
        int64_t last = to->id == TYPE_INTERVAL_DT ? (to->interval_to < 3 ? unit[to->interval_to] : 1) : to->interval_to == 0 ? 12 : 1;
        if (from->id == to->id) {
            c->i -= c->i % last;
            return CAST_OK;
        }
        if (from->id == TYPE_STRING)
            return parse_interval(strview_data(&c->s), c->s.bytes, to, &c->i) ? CAST_OK : CAST_BAD;
        int64_t u = to->id == TYPE_INTERVAL_YM ? (to->interval_to == 0 ? 12 : 1) : unit[to->interval_to];
        if (from->id == TYPE_DECIMAL) {
            int128_t d;
            if (__builtin_mul_overflow(c->d, u, &d) || !decimal_rescale(d, from->scale, 0, &d) || d != (int64_t)d)
                return CAST_RANGE;
            c->i = (int64_t)d - (int64_t)d % last;
            return to->id == TYPE_INTERVAL_YM && c->i != (int32_t)c->i ? CAST_RANGE : CAST_OK;
        }
        return __builtin_mul_overflow(c->i, u, &c->i) || (to->id == TYPE_INTERVAL_YM && c->i != (int32_t)c->i) ? CAST_RANGE : CAST_OK;
    }
    default: return CAST_BAD;
    }
}

/* What a text of an interval looks like: "d h:m:s.n" and "DAY TO SECOND". */
static void interval_shape(const struct type *t, struct buf *fields, struct buf *units)
{
    static const char *const ym[] = {"y", "m"}, *const dt[] = {"d", "h", "m", "s.n"};
    static const char *const ym_names[] = {"YEAR", "MONTH"}, *const dt_names[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
    bool months = t->id == TYPE_INTERVAL_YM;
    for (unsigned f = t->interval_from; f <= t->interval_to; f++)
        buf_addf(fields, "%s%s", f == t->interval_from ? "" : months ? "-" : f == 1 ? " " : ":", (months ? ym : dt)[f]);
    buf_adds(units, (months ? ym_names : dt_names)[t->interval_from]);
    if (t->interval_from != t->interval_to)
        buf_addf(units, " TO %s", (months ? ym_names : dt_names)[t->interval_to]);
}

int interval_unmatched(const struct type *t, const char *input, struct error *err)
{
    struct buf fields = BUF_INIT, units = BUF_INIT, format = BUF_INIT;
    interval_shape(t, &fields, &units);
    buf_addf(&format, "`[+|-]%s`, `INTERVAL [+|-]'[+|-]%s' %s`", fields.data, fields.data, units.data);
    bool months = t->id == TYPE_INTERVAL_YM;
    int rc = error_set(err, months ? ERR_INTERVAL_FORMAT : ERR_INTERVAL_FORMAT_NOTICE, "intervalStr", months ? "year-month" : "day-time",
                       "supportedFormat", format.data, "typeName", t->text, "input", input, NULL);
    buf_fini(&fields);
    buf_fini(&units);
    buf_fini(&format);
    return rc;
}

static int raise_interval(struct kernel *k, const char *input)
{
    int rc = interval_unmatched(k->node->type, input, k->err);
    error_at(k->err, k->node->span);
    return rc;
}

static int raise_decimal(struct kernel *k, const char *value)
{
    struct buf p = BUF_INIT, s = BUF_INIT;
    buf_addf(&p, "%u", k->node->type->precision);
    buf_addf(&s, "%u", k->node->type->scale);
    int rc = kernel_raise(k, ERR_NUMERIC_RANGE, "value", value, "precision", p.data, "scale", s.data, "config",
                          "\"spark.sql.ansi.enabled\"", NULL);
    buf_fini(&p);
    buf_fini(&s);
    return rc;
}

/* An INSERT's cast: the message is of the column, whose name is the second argument. */
static bool is_stored(const struct kernel *k)
{
    return k->node->fn->name[0] == '_';
}

static int raise_stored(struct kernel *k, const char *from, const char *to)
{
    struct buf column = BUF_INIT;
    const struct value *name = &k->node->args[1]->literal; /* empty when a plan from elsewhere has no literal there */
    buf_addf(&column, "`%.*s`", (int)name->s.bytes, name->s.bytes ? name->s.ptr : "");
    int rc = kernel_raise(k, ERR_INSERT_OVERFLOW, "sourceType", from, "targetType", to, "columnName", column.data, NULL);
    buf_fini(&column);
    return rc;
}

/* "1.5E10" as 15000000000: how Java shows the decimal that a floating-point number becomes. */
static void without_exponent(struct buf *text)
{
    char *e = memchr(text->data, 'E', text->bytes), *point = memchr(text->data, '.', text->bytes);
    long exponent = e ? strtol(e + 1, NULL, 10) : 0;
    if (!e || !point || exponent <= 0)
        return;
    struct buf plain = BUF_INIT;
    buf_add(&plain, text->data, (size_t)(point - text->data));
    size_t fraction = (size_t)(e - point) - 1;
    for (long i = 0; i < exponent || i < (long)fraction; i++) {
        if (i == exponent)
            buf_addc(&plain, '.');
        buf_addc(&plain, i < (long)fraction ? point[1 + i] : '0');
    }
    buf_fini(text);
    *text = plain;
}

static int raise(struct kernel *k, const struct column *col, uint32_t row, enum outcome what)
{
    struct buf plain = BUF_INIT, value = BUF_INIT, from = BUF_INIT, to = BUF_INIT;
    const struct type *t = k->node->type;
    fn_quoted_type(col->type, &from);
    fn_quoted_type(t, &to);
    bool text = col->type->id == TYPE_STRING;
    struct value v = column_value(col, row);
    if (col->type->id == TYPE_TIMESTAMP && t->id == TYPE_DECIMAL)
        format_decimal(v.i, 6, &plain);
    else
        column_format(col, row, k->cx->zone, "NULL", &plain);
    if (t->id == TYPE_DECIMAL && (col->type->id == TYPE_DOUBLE || col->type->id == TYPE_FLOAT))
        without_exponent(&plain);
    if (t->id == TYPE_DECIMAL && col->type->id == TYPE_BOOLEAN) {
        buf_reset(&plain);
        buf_addc(&plain, v.i ? '1' : '0');
    }
    if (col->type->id == TYPE_FLOAT)
        buf_adds(&value, plain.data);
    else if (text)
        text_quoted(plain.data ? plain.data : "", plain.bytes, &value);
    else
        value_literal(&v, &value);
    int rc;
    if (what == CAST_DIGITS)
        rc = kernel_raise(k, ERR_NUMERIC_DIGITS, "value", plain.data, NULL);
    else if (is_stored(k) && what != CAST_BAD)
        rc = raise_stored(k, from.data, to.data);
    else if (t->id == TYPE_DECIMAL && what == CAST_RANGE)
        rc = raise_decimal(k, plain.data);
    else if (text && (t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT))
        rc = raise_interval(k, plain.data ? plain.data : "");
    else if (what == CAST_BAD)
        rc = kernel_raise(k, ERR_CAST_INVALID, "expression", value.data, "sourceType", from.data, "targetType", to.data,
                          "ansiConfig", "\"spark.sql.ansi.enabled\"", NULL);
    else
        rc = kernel_raise(k, ERR_CAST_OVERFLOW, "value", value.data, "sourceType", from.data, "targetType", to.data,
                          "ansiConfig", "\"spark.sql.ansi.enabled\"", NULL);
    buf_fini(&plain);
    buf_fini(&value);
    buf_fini(&from);
    buf_fini(&to);
    return rc;
}

/* Casts that cannot fail over plain arrays. False: not one of them. */
static bool cast_plain(struct kernel *k, const struct column *col, struct column *out)
{
    const struct type *from = col->type, *to = k->node->type;
    uint32_t n = col->kind == COL_CONST ? 1 : k->rows;
    if (col->kind == COL_CONST || k->sel)
        return false;
    if (from->id == TYPE_DECIMAL && to->id == TYPE_DECIMAL && col->phys == PHYS_I64 && to->scale >= from->scale &&
        to->precision - to->scale >= from->precision - from->scale && to->precision <= 18) {
        int64_t f = pow10_i64[to->scale - from->scale];
        const int64_t *v = col->data;
        int64_t *o = kernel_out(k, out);
        for (uint32_t i = 0; i < n; i++)
            o[i] = (int64_t)((uint64_t)v[i] * (uint64_t)f);
        return true;
    }
    if (from->id == TYPE_DECIMAL && to->id == TYPE_DECIMAL && from->scale == to->scale && to->precision >= from->precision) {
        out->phys = col->phys; /* the same digits in a wider type */
        out->data = col->data;
        return true;
    }
    if (from->id == TYPE_INT && to->id == TYPE_BIGINT) {
        const int32_t *v = col->data;
        int64_t *o = kernel_out(k, out);
        for (uint32_t i = 0; i < n; i++)
            o[i] = v[i];
        return true;
    }
    if ((from->id == TYPE_INT || from->id == TYPE_BIGINT) && to->id == TYPE_DOUBLE) {
        double *o = kernel_out(k, out);
        for (uint32_t i = 0; i < n; i++)
            o[i] = from->id == TYPE_INT ? (double)((const int32_t *)col->data)[i] : (double)((const int64_t *)col->data)[i];
        return true;
    }
    if (from->id == TYPE_INT && to->id == TYPE_DECIMAL && to->precision - to->scale >= 10 && to->precision <= 18) {
        const int32_t *v = col->data;
        int64_t *o = kernel_out(k, out);
        for (uint32_t i = 0; i < n; i++)
            o[i] = v[i] * pow10_i64[to->scale];
        return true;
    }
    return false;
}

static int run_nested(struct kernel *k, const struct column *col, struct column *out)
{
    (void)out;
    return kernel_raise(k, ERR_UNSUPPORTED_FEATURE, "message", "a cast between these nested types", NULL) + 0 * (int)col->rows;
}

static int run_cast(struct kernel *k, const struct column *args, struct column *out)
{
    const struct column *col = &args[0];
    const struct type *to = k->node->type;
    if (cast_plain(k, col, out))
        return 0;
    if (type_is_nested(to))
        return run_nested(k, col, out);
    if (col->type->id == TYPE_NULL) {
        *out = column_null(to, k->rows, k->ar);
        return 0;
    }
    struct buf scratch = BUF_INIT;
    if (to->id == TYPE_DECIMAL && to->precision > 18)
        out->phys = PHYS_I128;
    void *data = kernel_out(k, out);
    uint8_t *nulls = NULL;
    int rc = 0;
    for (KERNEL_EACH(k, r)) {
        if (k->nulls && k->nulls[r]) {
            if (out->phys == PHYS_STR)
                ((struct strview *)data)[r] = (struct strview){0};
            continue;
        }
        struct cell c = {0};
        load(col, column_idx(col, r), &c);
        enum outcome what = cast_cell(k, col, r, to, &c, &scratch);
        if (UNLIKELY(what != CAST_OK)) {
            bool always = to->id == TYPE_INTERVAL_YM || to->id == TYPE_INTERVAL_DT || col->type->id == TYPE_DATE; /* without ANSI, too */
            if ((k->node->mode == EVAL_ANSI || (always && k->node->mode == EVAL_LEGACY)) && what != CAST_NULL) {
                rc = raise(k, col, r, what);
                break;
            }
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
            continue;
        }
        if (to->id == TYPE_DECIMAL && out->phys == PHYS_I64)
            c.i = (int64_t)c.d;
        store(data, out->phys, r, &c);
    }
    buf_fini(&scratch);
    return rc;
}

/* Spark's type functions: int(x), string(x), ... are casts. */
static int resolve_type_name(struct fn_call *c, struct error *err)
{
    const struct type *t;
    TRY(type_parse(c->row->name, &t, err));
    struct expr *e;
    enum eval_mode mode = c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
    TRY(expr_cast(c->ar, c->args[0], t, mode, c->span, &e, err));
    e->implicit |= e != c->args[0]; /* the column keeps the argument's name */
    fn_become_expr(c, e);
    return 0;
}

static int resolve_typeof(struct fn_call *c, struct error *err)
{
    (void)err;
    const char *text = c->args[0]->type->text;
    fn_become_expr(c, expr_string(c->ar, text));
    return 0;
}

/* expr_cast_stored gives the type. */
static int resolve_stored(struct fn_call *c, struct error *err)
{
    if (c->args[1]->kind != EXPR_LITERAL || c->args[1]->type->id != TYPE_STRING)
        return error_set(err, ERR_FUNCTION_MISSING, "routineName", "`_stored`", "searchPath", "", "advice", "use cast", NULL);
    c->type = c->args[0]->type;
    return 0;
}

static int resolve_same(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = c->args[0]->type;
    return 0;
}

static int run_typeof(struct kernel *k, const struct column *args, struct column *out)
{
    (void)k;
    *out = args[0];
    return 0;
}

#define TYPE_ROW(name) {name, 1, 1, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS | FN_BARE, resolve_type_name, run_cast, "cast to " name}
const struct fn_row fn_cast_rows[] = {
    {"cast", 1, 1, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_cast, run_cast, "the value as another type"},
    TYPE_ROW("boolean"),
    TYPE_ROW("tinyint"),
    TYPE_ROW("smallint"),
    TYPE_ROW("int"),
    TYPE_ROW("bigint"),
    TYPE_ROW("float"),
    TYPE_ROW("double"),
    TYPE_ROW("decimal"),
    TYPE_ROW("string"),
    TYPE_ROW("binary"),
    TYPE_ROW("date"),
    TYPE_ROW("timestamp"),
    {"_stored", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_stored, run_cast, "the value as the type of a table's column"},
    {"_same", 1, 1, FN_NULL_ANY, resolve_same, run_typeof, "the argument itself"},
    {"typeof", 1, 1, FN_NEVER_NULL, resolve_typeof, run_typeof, "the name of the argument's type"},
    {0}};
