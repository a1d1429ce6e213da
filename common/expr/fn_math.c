/* Mathematical functions over doubles, rounding, and random numbers. */
#include <math.h>

#include "common/expr/fn_impl.h"
#include "common/expr/parse.h"

static int doubles(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_DOUBLE), err));
    c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static int doubles_null(struct fn_call *c, struct error *err)
{
    TRY(doubles(c, err));
    c->nullable = true; /* logarithms of what is not positive */
    return 0;
}

static double rint_half_even(double v)
{
    return nearbyint(v);
}

static double cotangent(double v)
{
    return 1 / tan(v);
}

static double secant(double v)
{
    return 1 / cos(v);
}

static double cosecant(double v)
{
    return 1 / sin(v);
}

static const struct unary {
    const char *name;
    double (*fn)(double);
    double null_upto; /* null for arguments up to here; NAN: for none */
} unary[] = {{"sqrt", sqrt, NAN}, {"cbrt", cbrt, NAN}, {"exp", exp, NAN}, {"expm1", expm1, NAN},
             {"ln", log, 0}, {"log10", log10, 0}, {"log2", log2, 0}, {"log1p", log1p, -1},
             {"sin", sin, NAN}, {"cos", cos, NAN}, {"tan", tan, NAN}, {"asin", asin, NAN}, {"acos", acos, NAN},
             {"atan", atan, NAN}, {"sinh", sinh, NAN}, {"cosh", cosh, NAN}, {"tanh", tanh, NAN},
             {"cot", cotangent, NAN}, {"sec", secant, NAN}, {"csc", cosecant, NAN}, {"asinh", asinh, NAN},
             {"acosh", acosh, NAN}, {"atanh", atanh, NAN}, {"rint", rint_half_even, NAN}};

static int run_unary(struct kernel *k, const struct column *args, struct column *out)
{
    const struct unary *u = unary;
    while (strcmp(u->name, k->node->fn->name) != 0)
        u++;
    double *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    for (KERNEL_EACH(k, r)) {
        double v = arg_f64(&args[0], r);
        o[r] = u->fn(v);
        if (v <= u->null_upto) {
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
        }
    }
    return 0;
}

static int run_angle(struct kernel *k, const struct column *args, struct column *out)
{
    double f = k->node->fn->name[0] == 'd' ? 180 / M_PI : M_PI / 180;
    double *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r))
        o[r] = arg_f64(&args[0], r) * f;
    return 0;
}

/* As Java has it: no number to the power of none, nor 1 to an infinite one. */
static double power(double a, double b)
{
    return b == 0 ? 1 : isnan(b) || (fabs(a) == 1 && isinf(b)) ? NAN : pow(a, b);
}

static int run_binary(struct kernel *k, const struct column *args, struct column *out)
{
    const char *n = k->node->fn->name;
    double *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r)) {
        double a = arg_f64(&args[0], r), b = arg_f64(&args[1], r);
        o[r] = n[0] == 'p' ? power(a, b) : n[0] == 'h' ? hypot(a, b) : atan2(a + 0.0, b + 0.0); /* no zero has a sign */
    }
    return 0;
}

/* log(base, x); one argument is ln. */
static int resolve_log(struct fn_call *c, struct error *err)
{
    TRY(doubles_null(c, err));
    if (c->arg_count == 1)
        c->row = fn_find("ln");
    return 0;
}

static int run_log(struct kernel *k, const struct column *args, struct column *out)
{
    double *o = kernel_out(k, out);
    uint8_t *nulls = kernel_nulls(k, out);
    for (KERNEL_EACH(k, r)) {
        double b = arg_f64(&args[0], r), x = arg_f64(&args[1], r);
        nulls[r] |= b <= 0 || x <= 0;
        o[r] = log(x) / log(b);
    }
    return 0;
}

static int run_constant(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    double *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r))
        o[r] = k->node->fn->name[0] == 'p' ? M_PI : M_E;
    return 0;
}

static int resolve_constant(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static int resolve_sign(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (t->id == TYPE_BOOLEAN || t->id == TYPE_BINARY || t->id == TYPE_DATE || t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_NTZ)
        return fn_wrong_arg(c, 0, "(\"DOUBLE\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")", err);
    if (t->id != TYPE_INTERVAL_YM && t->id != TYPE_INTERVAL_DT)
        return doubles(c, err);
    c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static int run_sign(struct kernel *k, const struct column *args, struct column *out)
{
    double *o = kernel_out(k, out);
    bool real = args[0].phys == PHYS_F64;
    for (KERNEL_EACH(k, r)) {
        double v = real ? arg_f64(&args[0], r) : (double)arg_i64(&args[0], r);
        o[r] = v > 0 ? 1 : v < 0 ? -1 : v;
    }
    return 0;
}

/* ---- round, bround, ceil, floor ---- */

/* More digits than any number has, in either direction: what lies beyond them rounds the same. */
static int64_t within_digits(int32_t places)
{
    enum { PLACES_MAX = 10000 };
    return places < -PLACES_MAX ? -PLACES_MAX : places > PLACES_MAX ? PLACES_MAX : places;
}

static int need_constant(struct fn_call *c, int64_t *ret, struct error *err)
{
    *ret = 0;
    if (c->arg_count == 1)
        return 0;
    struct value v;
    bool whole = c->row->name[0] == 'c' || c->row->name[0] == 'f';
    if (whole && (c->args[1]->type->id != TYPE_INT || !expr_is_foldable(c->args[1]))) {
        error_set(err, ERR_NON_FOLDABLE_INT, "funcName", c->row->name[0] == 'c' ? "`ceil`" : "`floor`", "paramName", "`scale`", "paramType",
                  "\"INT\"", NULL);
        error_at(err, c->span);
        return (int)err->code;
    }
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    TRY(fn_constant_arg(c, 1, "scale", &v, err));
    *ret = v.null ? 0 : within_digits((int32_t)v.i);
    return 0;
}

static int resolve_round(struct fn_call *c, struct error *err)
{
    int64_t s;
    TRY(need_constant(c, &s, err));
    const struct type *t = c->args[0]->type;
    bool whole = c->row->name[0] == 'c' || c->row->name[0] == 'f', text = t->id == TYPE_STRING;
    if (!type_is_numeric(t) && !text && t->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, !whole ? "NUMERIC" : c->arg_count == 2 ? "DECIMAL" : "(\"DOUBLE\" or \"DECIMAL\" or \"BIGINT\")", err);
    if (whole && text && c->arg_count == 2)
        TRY(fn_cast_arg(c, 0, t = type_decimal(38, 18), err));
    if (!type_is_numeric(t))
        TRY(fn_cast_arg(c, 0, t = type_of(TYPE_DOUBLE), err));
    if (t->id == TYPE_DECIMAL) {
        int whole_digits = t->precision - t->scale + 1, scale = t->scale < s ? t->scale : s < 0 ? 0 : (int)s;
        if (s < 0 && whole_digits < 1 - s)
            whole_digits = (int)(1 - s);
        int p = whole_digits + scale;
        c->type = type_decimal(p > 38 ? 38 : p < 1 ? 1 : (unsigned)p, (unsigned)scale);
    } else if (whole) {
        if (c->arg_count == 2) { /* Spark goes through the decimal that holds most of the type's values */
            const struct type *d = type_is_integral(t) ? decimal_of_integral(t) : t->id == TYPE_FLOAT ? type_decimal(14, 7) : type_decimal(30, 15);
            TRY(fn_cast_arg(c, 0, d, err));
            return resolve_round(c, err);
        }
        if (type_is_integral(t) && t->id != TYPE_BIGINT)
            TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
        if (t->id == TYPE_FLOAT)
            TRY(fn_cast_arg(c, 0, type_of(TYPE_DOUBLE), err));
        c->type = type_of(TYPE_BIGINT);
    } else {
        c->type = t;
    }
    return 0;
}

enum rounding { ROUND_UP_HALF, ROUND_EVEN_HALF, ROUND_CEIL, ROUND_FLOOR };

static int128_t divide(int128_t v, int128_t d, enum rounding how)
{
    int128_t q = v / d, rest = v % d;
    if (how == ROUND_CEIL)
        return q + (rest > 0);
    if (how == ROUND_FLOOR)
        return q - (rest < 0);
    int128_t a = rest < 0 ? -rest : rest;
    bool up = a > d - a || (a == d - a && (how == ROUND_UP_HALF || q % 2 != 0));
    return up ? q + (v < 0 ? -1 : 1) : q;
}

/*
 * Spark rounds the decimal that a double prints as. In extended precision that is the same except near a tie,
 * where the digits decide.
 */
static double round_digits(double v, bool is_float, int64_t s, enum rounding how)
{
    struct buf text = BUF_INIT;
    int128_t d;
    double ret = v;
    if (is_float)
        format_float((float)v, &text);
    else
        format_double(v, &text);
    int keep = s < 0 ? 0 : s > 37 ? 37 : (int)s;
    int128_t unit = s < 0 ? pow10_i128[s < -37 ? 37 : -s] : 1;
    /* 20 digits more than are kept: what a double prints has 17 */
    int scale = keep + 20 > 38 ? 38 : keep + 20;
    if (parse_decimal(text.data, text.bytes, type_decimal(38, (unsigned)scale), &d)) {
        d = divide(d, pow10_i128[scale - keep], how);
        d = s < 0 ? divide(d, unit, how) * unit : d;
        buf_reset(&text);
        format_decimal(d, (unsigned)keep, &text);
        parse_f64(text.data, text.bytes, &ret);
    }
    buf_fini(&text);
    return ret;
}

static double round_real(double v, bool is_float, int64_t s, enum rounding how)
{
    if (s >= 300)
        return v;
    if (s < -308)
        return 0;
    double p = pow(10, (double)(s < 0 ? -s : s));
    long double x = s < 0 ? (long double)v / p : (long double)v * p;
    long double f = floorl(x);
    if (fabsl(x - f - 0.5L) < 1e-6L && fabsl(x) < 1e15L)
        return round_digits(v, is_float, s, how);
    long double q = roundl(x);
    double w = (double)(s < 0 ? q * p : q / p);
    return !isfinite(w) ? v : w == 0 ? 0 : w;
}

static bool integral_fits(int128_t v, enum type_id id)
{
    return id == TYPE_TINYINT ? v == (int8_t)v : id == TYPE_SMALLINT ? v == (int16_t)v : id == TYPE_INT ? v == (int32_t)v : v == (int64_t)v;
}

/* q units of 10^places round to a number of more digits than the type has. */
static int raise_rounding(struct kernel *k, int128_t q, int64_t places)
{
    struct buf rounded = BUF_INIT, original = BUF_INIT, precision = BUF_INIT, scale = BUF_INIT;
    format_decimal(q, 0, &rounded);
    size_t digits = rounded.bytes - (q < 0), lead = 1 + (q < 0);
    buf_addf(&original, "%.*s%s%sE+%lld", (int)lead, rounded.data, digits > 1 ? "." : "", rounded.data + lead,
             (long long)((int64_t)digits - 1 + places));
    for (int64_t i = 0; i < places; i++)
        buf_addc(&rounded, '0');
    buf_addf(&precision, "%u", k->node->type->precision);
    buf_addf(&scale, "%u", k->node->type->scale);
    int rc = kernel_raise(k, ERR_ROUNDING_RANGE, "roundedValue", rounded.data, "originalValue", original.data, "precision",
                          precision.data, "scale", scale.data, NULL);
    buf_fini(&rounded);
    buf_fini(&original);
    buf_fini(&precision);
    buf_fini(&scale);
    return rc;
}

static int run_round(struct kernel *k, const struct column *args, struct column *out)
{
    char n = k->node->fn->name[0];
    enum rounding how = n == 'r' ? ROUND_UP_HALF : n == 'b' ? ROUND_EVEN_HALF : n == 'c' ? ROUND_CEIL : ROUND_FLOOR;
    int64_t s = k->node->arg_count == 2 ? within_digits(((const int32_t *)args[1].data)[0]) : 0;
    const struct column *a = &args[0];
    const struct type *to = k->node->type;
    void *data = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        uint32_t at = a->kind == COL_CONST ? 0 : r;
        if (a->phys == PHYS_F64 || a->phys == PHYS_F32) {
            double v = a->phys == PHYS_F64 ? ((const double *)a->data)[at] : ((const float *)a->data)[at];
            if (to->id == TYPE_BIGINT) {
                double w = how == ROUND_CEIL ? ceil(v) : floor(v);
                if (k->node->mode == EVAL_ANSI && (w >= 0x1p63 || w < -0x1p63))
                    return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "the result does not fit into BIGINT", "alternative", "",
                                        "config", "\"spark.sql.ansi.enabled\"", NULL);
                ((int64_t *)data)[r] = w >= 0x1p63 ? INT64_MAX : w < -0x1p63 ? INT64_MIN : w != w ? 0 : (int64_t)w;
                continue;
            }
            double w = v;
            if (isfinite(v))
                w = round_real(v, a->phys == PHYS_F32, s, how);
            if (a->phys == PHYS_F64)
                ((double *)data)[r] = w;
            else
                ((float *)data)[r] = (float)w;
            continue;
        }
        int128_t v = 0;
        switch (a->phys) {
        case PHYS_I8: v = ((const int8_t *)a->data)[at]; break;
        case PHYS_I16: v = ((const int16_t *)a->data)[at]; break;
        case PHYS_I32: v = ((const int32_t *)a->data)[at]; break;
        case PHYS_I64: v = ((const int64_t *)a->data)[at]; break;
        default: v = ((const int128_t *)a->data)[at]; break;
        }
        int scale = a->type->id == TYPE_DECIMAL ? a->type->scale : 0, drop = scale - (int)s;
        int to_scale = to->id == TYPE_DECIMAL ? to->scale : 0;
        if (drop > 38)
            v = how == ROUND_CEIL ? v > 0 : how == ROUND_FLOOR ? -(v < 0) : 0;
        else if (drop > 0)
            v = divide(v, pow10_i128[drop], how);
        int have = drop > 0 ? (int)s : scale;
        int128_t units = v;
        bool fits = units == 0 || have >= to_scale || decimal_rescale(units, have, to_scale, &v);
        if (UNLIKELY(to->id == TYPE_DECIMAL && !(fits && decimal_fits(v, to->precision))))
            return raise_rounding(k, units, to_scale - have);
        if (UNLIKELY(k->node->mode == EVAL_ANSI && type_is_integral(to) && !integral_fits(v, to->id)))
            return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "rounding overflowed", "alternative", "", "config",
                                "\"spark.sql.ansi.enabled\"", NULL);
        switch (out->phys) {
        case PHYS_I8: ((int8_t *)data)[r] = (int8_t)v; break;
        case PHYS_I16: ((int16_t *)data)[r] = (int16_t)v; break;
        case PHYS_I32: ((int32_t *)data)[r] = (int32_t)v; break;
        case PHYS_I64: ((int64_t *)data)[r] = (int64_t)v; break;
        default: ((int128_t *)data)[r] = v; break;
        }
    }
    return 0;
}

/* ---- factorial ---- */

static int resolve_factorial(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_BIGINT);
    c->nullable = true;
    return 0;
}

static int run_factorial(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    uint8_t *nulls = kernel_nulls(k, out);
    KERNEL_EACH_VALUE(k, r) {
        int64_t n = arg_i64(&args[0], r);
        nulls[r] = n < 0 || n > 20; /* 21! does not fit */
        o[r] = 1;
        for (int64_t i = 2; i <= n && !nulls[r]; i++)
            o[r] *= i;
    }
    return 0;
}

/* ---- rand ---- */

static int resolve_rand(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(TYPE_DOUBLE);
    c->nullable = false;
    return 0;
}

static int run_rand(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    double *o = kernel_out(k, out);
    bool normal = strcmp(k->node->fn->name, "randn") == 0;
    for (KERNEL_EACH(k, r)) {
        o[r] = rng_double(k->rng);
        if (normal)
            o[r] = sqrt(-2 * log(1 - o[r])) * cos(2 * M_PI * rng_double(k->rng));
    }
    return 0;
}

#define U(name, resolve, doc) {name, 1, 1, FN_NULL_ANY | FN_OWN_NULLS, resolve, run_unary, doc}
const struct fn_row fn_math_rows[] = {
    U("sqrt", doubles, "square root"),
    U("cbrt", doubles, "cube root"),
    U("exp", doubles, "e to the power"),
    U("expm1", doubles, "e to the power, less 1"),
    U("ln", doubles_null, "natural logarithm"),
    U("log10", doubles_null, "decimal logarithm"),
    U("log2", doubles_null, "binary logarithm"),
    U("log1p", doubles_null, "natural logarithm of 1 more"),
    U("cot", doubles, "cotangent"),
    U("sec", doubles, "secant"),
    U("csc", doubles, "cosecant"),
    U("asinh", doubles, "inverse hyperbolic sine"),
    U("acosh", doubles, "inverse hyperbolic cosine"),
    U("atanh", doubles, "inverse hyperbolic tangent"),
    U("sin", doubles, "sine"),
    U("cos", doubles, "cosine"),
    U("tan", doubles, "tangent"),
    U("asin", doubles, "arc sine"),
    U("acos", doubles, "arc cosine"),
    U("atan", doubles, "arc tangent"),
    U("sinh", doubles, "hyperbolic sine"),
    U("cosh", doubles, "hyperbolic cosine"),
    U("tanh", doubles, "hyperbolic tangent"),
    U("rint", doubles, "nearest whole number, ties to even"),
    {"degrees", 1, 1, FN_NULL_ANY, doubles, run_angle, "radians as degrees"},
    {"radians", 1, 1, FN_NULL_ANY, doubles, run_angle, "degrees as radians"},
    {"pow", 2, 2, FN_NULL_ANY, doubles, run_binary, "power"},
    {"power", 2, 2, FN_NULL_ANY, doubles, run_binary, "power"},
    {"atan2", 2, 2, FN_NULL_ANY, doubles, run_binary, "angle of a point"},
    {"hypot", 2, 2, FN_NULL_ANY, doubles, run_binary, "length of a hypotenuse"},
    {"log", 1, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_log, run_log, "logarithm to a base"},
    {"pi", 0, 0, FN_NEVER_NULL, resolve_constant, run_constant, "3.14159..."},
    {"e", 0, 0, FN_NEVER_NULL, resolve_constant, run_constant, "2.71828..."},
    {"sign", 1, 1, FN_NULL_ANY, resolve_sign, run_sign, "-1, 0 or 1"},
    {"signum", 1, 1, FN_NULL_ANY, resolve_sign, run_sign, "-1, 0 or 1"},
    {"round", 1, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_round, run_round, "rounded, ties away from zero"},
    {"bround", 1, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_round, run_round, "rounded, ties to even"},
    {"ceil", 1, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_round, run_round, "rounded up"},
    {"ceiling", 1, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_round, run_round, "rounded up"},
    {"floor", 1, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_round, run_round, "rounded down"},
    {"factorial", 1, 1, FN_NULL_ANY | FN_OWN_NULLS, resolve_factorial, run_factorial, "the product of the whole numbers up to it; null beyond 20"},
    {"rand", 0, 1, FN_RANDOM | FN_NEVER_NULL, resolve_rand, run_rand, "a random number from 0 to 1"},
    {"random", 0, 1, FN_RANDOM | FN_NEVER_NULL, resolve_rand, run_rand, "a random number from 0 to 1"},
    {"randn", 0, 1, FN_RANDOM | FN_NEVER_NULL, resolve_rand, run_rand, "a random number of the normal distribution"},
    {0}};
