/* + - * / % div, unary minus, abs, and their try_ forms: integers, decimals, floats, dates and intervals. */
#include <math.h>

#include "common/expr/fn_impl.h"

#define ADD(a, b, r) __builtin_add_overflow(a, b, r)
#define SUB(a, b, r) __builtin_sub_overflow(a, b, r)
#define MUL(a, b, r) __builtin_mul_overflow(a, b, r)
#define FADD(a, b, r) (*(r) = (a) + (b), false)
#define FSUB(a, b, r) (*(r) = (a) - (b), false)
#define FMUL(a, b, r) (*(r) = (a) * (b), false)

#define NAME add_i8
#define CTYPE int8_t
#define OVERFLOW ADD
#include "common/expr/arith.inc.h"
#define NAME add_i16
#define CTYPE int16_t
#define OVERFLOW ADD
#include "common/expr/arith.inc.h"
#define NAME add_i32
#define CTYPE int32_t
#define OVERFLOW ADD
#include "common/expr/arith.inc.h"
#define NAME add_i64
#define CTYPE int64_t
#define OVERFLOW ADD
#include "common/expr/arith.inc.h"
#define NAME add_f32
#define CTYPE float
#define OVERFLOW FADD
#include "common/expr/arith.inc.h"
#define NAME add_f64
#define CTYPE double
#define OVERFLOW FADD
#include "common/expr/arith.inc.h"
#define NAME sub_i8
#define CTYPE int8_t
#define OVERFLOW SUB
#include "common/expr/arith.inc.h"
#define NAME sub_i16
#define CTYPE int16_t
#define OVERFLOW SUB
#include "common/expr/arith.inc.h"
#define NAME sub_i32
#define CTYPE int32_t
#define OVERFLOW SUB
#include "common/expr/arith.inc.h"
#define NAME sub_i64
#define CTYPE int64_t
#define OVERFLOW SUB
#include "common/expr/arith.inc.h"
#define NAME sub_f32
#define CTYPE float
#define OVERFLOW FSUB
#include "common/expr/arith.inc.h"
#define NAME sub_f64
#define CTYPE double
#define OVERFLOW FSUB
#include "common/expr/arith.inc.h"
#define NAME mul_i8
#define CTYPE int8_t
#define OVERFLOW MUL
#include "common/expr/arith.inc.h"
#define NAME mul_i16
#define CTYPE int16_t
#define OVERFLOW MUL
#include "common/expr/arith.inc.h"
#define NAME mul_i32
#define CTYPE int32_t
#define OVERFLOW MUL
#include "common/expr/arith.inc.h"
#define NAME mul_i64
#define CTYPE int64_t
#define OVERFLOW MUL
#include "common/expr/arith.inc.h"
#define NAME mul_f32
#define CTYPE float
#define OVERFLOW FMUL
#include "common/expr/arith.inc.h"
#define NAME mul_f64
#define CTYPE double
#define OVERFLOW FMUL
#include "common/expr/arith.inc.h"

static enum arith arith_of(const struct fn_row *row)
{
    const char *n = row->name;
    if (str_has_prefix(n, "try_"))
        n += 4;
    switch (n[0]) {
    case '+': return ARITH_ADD;
    case '-': return ARITH_SUB;
    case '*': return ARITH_MUL;
    case '/': return ARITH_DIV;
    case '%': return ARITH_REM;
    case 'a': return ARITH_ADD;
    case 's': return ARITH_SUB;
    case 'm': return n[1] == 'u' ? ARITH_MUL : ARITH_REM;
    case 'p': return ARITH_PMOD;
    default: return str_eq_nocase(n, "div") ? ARITH_IDIV : ARITH_DIV;
    }
}

/* The operands do not go together: of two types, or of one that the operator does not take. */
static int wrong_types(struct fn_call *c, struct error *err)
{
    static const char *const operators[] = {[ARITH_ADD] = "+", [ARITH_SUB] = "-", [ARITH_MUL] = "*", [ARITH_DIV] = "/",
                                            [ARITH_REM] = "%", [ARITH_IDIV] = "div", [ARITH_PMOD] = "pmod"};
    const struct type *a = c->args[0]->type, *b = c->args[c->arg_count - 1]->type;
    enum arith op = arith_of(c->row);
    struct fn_call plain = *c; /* try_add is + here */
    plain.row = fn_find(operators[op]);
    if (a != b)
        return fn_diff_types(&plain, a, b, err);
    if (op == ARITH_DIV)
        return fn_wrong_operands(&plain, "(\"DOUBLE\" or \"DECIMAL\")", err);
    return fn_wrong_operands(&plain, op == ARITH_IDIV ? "(\"BIGINT\" or \"DECIMAL\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")"
                                                      : "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")", err);
}

static bool is_datetime(const struct type *t)
{
    return t->id == TYPE_DATE || t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_NTZ;
}

static bool is_interval(const struct type *t)
{
    return t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT;
}

/* try_add and its like are null where what they turn into raises. */
static int become(struct fn_call *c, const char *name, struct error *err)
{
    TRY(fn_become(c, name, c->args, 2, err));
    if (c->mode == EVAL_TRY) {
        c->whole->mode = EVAL_TRY;
        c->whole->nullable = true;
    }
    return 0;
}

/* Dates and intervals: which function it really is. 0 with c->type set, an error, or -1: not of this kind. */
static int resolve_datetime(struct fn_call *c, enum arith op, struct error *err)
{
    const struct type *a = c->args[0]->type, *b = c->args[1]->type;
    if (op == ARITH_ADD && !is_datetime(a) && (is_datetime(b) || (is_interval(b) && !is_interval(a) && a->id != TYPE_STRING) ||
                                               (is_interval(a) && b->id == TYPE_STRING))) {
        struct expr *swap = c->args[0];
        c->args[0] = c->args[1];
        c->args[1] = swap;
        a = c->args[0]->type;
        b = c->args[1]->type;
    }
    if (is_datetime(a) && (op == ARITH_ADD || op == ARITH_SUB)) {
        if (is_interval(b))
            return become(c, op == ARITH_ADD ? "_add_interval" : "_sub_interval", err);
        if (op == ARITH_SUB && b->id == TYPE_STRING && !c->cx->ansi && a->id == TYPE_DATE)
            return fn_wrong_arg(c, 1, "(\"INT\" or \"SMALLINT\" or \"TINYINT\")", err);
        if (op == ARITH_SUB && (is_datetime(b) || b->id == TYPE_STRING))
            return become(c, a->id == TYPE_DATE && b->id != TYPE_TIMESTAMP && b->id != TYPE_TIMESTAMP_NTZ
                                 ? "_date_minus_date" : "_timestamp_minus", err);
        if (a->id == TYPE_DATE && (type_is_integral(b) || b->id == TYPE_NULL || b->id == TYPE_STRING))
            return become(c, op == ARITH_ADD ? "date_add" : "date_sub", err);
        if (a->id == TYPE_DATE && is_datetime(b))
            return fn_wrong_arg(c, 1, "(\"INT\" or \"SMALLINT\" or \"TINYINT\")", err);
        if (a->id == TYPE_DATE && type_is_numeric(b))
            return become(c, op == ARITH_ADD ? "date_add" : "date_sub", err); /* which says what it takes */
        return wrong_types(c, err);
    }
    if (op == ARITH_SUB && a->id == TYPE_STRING && is_datetime(b))
        return become(c, b->id == TYPE_DATE ? "_date_minus_date" : "_timestamp_minus", err);
    if (a->id == TYPE_STRING && b->id == TYPE_INTERVAL_DT && (op == ARITH_ADD || op == ARITH_SUB)) {
        /* Spark shifts the timestamp that the text holds and makes a text again. */
        struct expr *sum;
        TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
        TRY(expr_call(c->ar, c->cx, c->row->name, c->args, 2, c->span, &sum, err));
        fn_become_expr(c, expr_cast_must(c->ar, c->cx, sum, type_of(TYPE_STRING)));
        return 0;
    }
    if (is_interval(a) && is_interval(b) && a->id == b->id && (op == ARITH_ADD || op == ARITH_SUB || op == ARITH_IDIV)) {
        const struct type *t = type_common(c->cx, a, b);
        c->type = op == ARITH_IDIV ? type_of(TYPE_BIGINT) : t;
        c->nullable |= c->mode != EVAL_ANSI;
        TRY(fn_cast_arg(c, 0, t, err));
        return fn_cast_arg(c, 1, t, err);
    }
    for (uint32_t i = 0; i < 2; i++) { /* a text is a number beside an interval */
        if (c->args[i]->type->id == TYPE_STRING && is_interval(c->args[1 - i]->type) && (op == ARITH_MUL || (op == ARITH_DIV && i == 1)))
            TRY(fn_cast_arg(c, i, type_of(TYPE_DOUBLE), err));
    }
    a = c->args[0]->type;
    b = c->args[1]->type;
    if ((is_interval(a) && type_is_numeric(b) && (op == ARITH_MUL || op == ARITH_DIV)) ||
        (type_is_numeric(a) && is_interval(b) && op == ARITH_MUL)) {
        if (is_interval(b)) {
            struct expr *swap = c->args[0];
            c->args[0] = c->args[1];
            c->args[1] = swap;
        }
        return become(c, op == ARITH_MUL ? "_mul_interval" : "_div_interval", err);
    }
    return -1;
}

/* An integer literal as a decimal has just its digits, as Spark's literals do. */
static const struct type *decimal_of(const struct expr *e)
{
    if (e->type->id == TYPE_DECIMAL)
        return e->type;
    if (e->kind == EXPR_LITERAL && !e->literal.null && e->type->id != TYPE_TINYINT) {
        unsigned digits = 1;
        for (int64_t v = e->literal.i / 10; v; v /= 10)
            digits++;
        return type_decimal(digits, 0);
    }
    return decimal_of_integral(e->type);
}

/* Spark's adjustPrecisionScale: whole digits are kept, the scale gives way down to 6. */
static const struct type *bounded(int precision, int scale)
{
    if (precision <= DECIMAL_PRECISION_MAX)
        return type_decimal((unsigned)precision, (unsigned)scale);
    int whole = precision - scale, floor = scale < 6 ? scale : 6;
    int s = DECIMAL_PRECISION_MAX - whole;
    return type_decimal(DECIMAL_PRECISION_MAX, (unsigned)(s > floor ? s : floor));
}

static const struct type *decimal_result(enum arith op, const struct type *a, const struct type *b)
{
    int p1 = a->precision, s1 = a->scale, p2 = b->precision, s2 = b->scale;
    int whole = p1 - s1 > p2 - s2 ? p1 - s1 : p2 - s2, scale = s1 > s2 ? s1 : s2;
    int least = p1 - s1 < p2 - s2 ? p1 - s1 : p2 - s2, sd;
    switch (op) {
    case ARITH_ADD:
    case ARITH_SUB: return bounded(whole + scale + 1, scale);
    case ARITH_MUL: return bounded(p1 + p2 + 1, s1 + s2);
    case ARITH_DIV:
        sd = s1 + p2 + 1 > 6 ? s1 + p2 + 1 : 6;
        return bounded(p1 - s1 + s2 + sd, sd);
    case ARITH_REM:
    case ARITH_PMOD: return bounded(least + scale > 0 ? least + scale : 1, scale);
    case ARITH_IDIV: return type_decimal((unsigned)(p1 - s1 + s2 > 38 ? 38 : p1 - s1 + s2 < 1 ? 1 : p1 - s1 + s2), 0);
    }
    UNREACHABLE("an operator of the enum");
}

static int resolve_binary(struct fn_call *c, struct error *err)
{
    enum arith op = arith_of(c->row);
    int rc = resolve_datetime(c, op, err);
    if (rc != -1)
        return rc;
    const struct type *a = c->args[0]->type, *b = c->args[1]->type;
    if (c->cx->ansi && (a->id == TYPE_STRING || a->id == TYPE_NULL) && (b->id == TYPE_STRING || b->id == TYPE_NULL) && a->id + b->id > 0) {
        TRY(fn_cast_arg(c, 0, type_of(TYPE_STRING), err));
        TRY(fn_cast_arg(c, 1, type_of(TYPE_STRING), err));
        return wrong_types(c, err);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct type *t = c->args[i]->type, *other = c->args[1 - i]->type;
        if (!type_is_numeric(t) && t->id != TYPE_STRING && t->id != TYPE_NULL)
            return wrong_types(c, err);
        if (t->id == TYPE_STRING && (type_is_numeric(other) || other->id == TYPE_NULL || other->id == TYPE_STRING)) {
            const struct type *to = type_of(c->cx->ansi && type_is_integral(other) ? TYPE_BIGINT : TYPE_DOUBLE);
            TRY(fn_cast_arg(c, i, to, err));
        }
    }
    a = c->args[0]->type;
    b = c->args[1]->type;
    const struct type *f64 = type_of(TYPE_DOUBLE);
    if (op == ARITH_IDIV && (a->id == TYPE_FLOAT || a == f64 || b->id == TYPE_FLOAT || b == f64)) {
        for (uint32_t i = 0; i < 2; i++) { /* refused, with the types that the operands have been widened to */
            const struct type *t = c->args[i]->type;
            bool text = c->args[1 - i]->kind == EXPR_CALL && c->args[1 - i]->implicit;
            if (t->id == TYPE_DECIMAL || (t->id == TYPE_FLOAT && text))
                TRY(fn_cast_arg(c, i, f64, err));
            else if (type_is_integral(t))
                TRY(fn_cast_arg(c, i, type_of(TYPE_BIGINT), err));
        }
        return wrong_types(c, err);
    }
    if ((a->id == TYPE_NULL && b->id == TYPE_NULL) || (op == ARITH_DIV && (a->id == TYPE_NULL || b->id == TYPE_NULL))) {
        TRY(fn_cast_arg(c, 0, a = f64, err));
        TRY(fn_cast_arg(c, 1, b = f64, err));
    } else if (a->id == TYPE_NULL) {
        TRY(fn_cast_arg(c, 0, a = b, err));
    } else if (b->id == TYPE_NULL) {
        TRY(fn_cast_arg(c, 1, b = a, err));
    }
    bool divides = op >= ARITH_DIV;
    c->nullable |= divides && c->mode != EVAL_ANSI;
    bool any_real = a->id == TYPE_FLOAT || a->id == TYPE_DOUBLE || b->id == TYPE_FLOAT || b->id == TYPE_DOUBLE;
    if ((a->id == TYPE_DECIMAL || b->id == TYPE_DECIMAL) && !any_real) {
        const struct type *da = decimal_of(c->args[0]), *db = decimal_of(c->args[1]);
        TRY(fn_cast_arg(c, 0, da, err));
        TRY(fn_cast_arg(c, 1, db, err));
        c->type = op == ARITH_IDIV ? type_of(TYPE_BIGINT) : decimal_result(op, da, db);
        if (c->mode != EVAL_ANSI && c->type->precision == DECIMAL_PRECISION_MAX)
            c->nullable = true;
        return 0;
    }
    const struct type *t = type_common(c->cx, a, b);
    if (op == ARITH_DIV)
        t = type_of(TYPE_DOUBLE);
    if (op == ARITH_IDIV && type_is_integral(t))
        t = type_of(TYPE_BIGINT);
    TRY(fn_cast_arg(c, 0, t, err));
    TRY(fn_cast_arg(c, 1, t, err));
    c->type = op == ARITH_IDIV ? type_of(TYPE_BIGINT) : t;
    if (c->mode == EVAL_TRY)
        c->nullable = true;
    return 0;
}

/* ---- integers and floats ---- */

static bool run_typed(enum arith op, enum phys phys, const struct column *a, const struct column *b,
                      const struct kernel *k, void *out)
{
#define OPS(suffix)                                                                                \
    return op == ARITH_ADD ? add_##suffix(a, b, k, out) : op == ARITH_SUB ? sub_##suffix(a, b, k, out) : mul_##suffix(a, b, k, out)
    switch (phys) {
    case PHYS_I8: OPS(i8);
    case PHYS_I16: OPS(i16);
    case PHYS_I32: OPS(i32);
    case PHYS_I64: OPS(i64);
    case PHYS_F32: OPS(f32);
    case PHYS_F64: OPS(f64);
    default: UNREACHABLE("a numeric phys");
    }
}

static int64_t int_at(const struct column *col, uint32_t row)
{
    uint32_t r = col->kind == COL_CONST ? 0 : row;
    switch (col->phys) {
    case PHYS_I8: return ((const int8_t *)col->data)[r];
    case PHYS_I16: return ((const int16_t *)col->data)[r];
    case PHYS_I32: return ((const int32_t *)col->data)[r];
    default: return ((const int64_t *)col->data)[r];
    }
}

static bool overflows(enum arith op, const struct type *t, int64_t a, int64_t b)
{
    int64_t r;
    bool bad = op == ARITH_ADD ? ADD(a, b, &r) : op == ARITH_SUB ? SUB(a, b, &r) : MUL(a, b, &r);
    int bits = t->id == TYPE_TINYINT ? 8 : t->id == TYPE_SMALLINT ? 16 : type_phys(t) == PHYS_I32 ? 32 : 64;
    return bad || (bits < 64 && (r < -(1ll << (bits - 1)) || r >= 1ll << (bits - 1)));
}

static int raise_overflow(struct kernel *k, enum arith op, int64_t a, int64_t b)
{
    static const char *const tries[] = {"`try_add`", "`try_subtract`", "`try_multiply`"};
    static const char *const hints[] = {" use try_add to get NULL instead,", " use try_subtract to get NULL instead,",
                                        " use try_multiply to get NULL instead,"};
    enum type_id id = k->node->type->id;
    if (id != TYPE_TINYINT && id != TYPE_SMALLINT)
        return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "overflow", "alternative", hints[op], "config",
                            "\"spark.sql.ansi.enabled\"", NULL);
    static const char *const symbols[] = {"+", "-", "*"};
    struct buf x = BUF_INIT, y = BUF_INIT;
    buf_addf(&x, "%lldS", (long long)a);
    buf_addf(&y, "%lldS", (long long)b);
    int rc = kernel_raise(k, ERR_BINARY_OVERFLOW, "value1", x.data, "symbol", symbols[op], "value2", y.data, "functionName",
                          tries[op], NULL);
    buf_fini(&x);
    buf_fini(&y);
    return rc;
}

/* Some row overflowed: null rows do not count; TRY gives null, LEGACY keeps the wrapped value, ANSI raises. */
static int settle_overflow(struct kernel *k, enum arith op, const struct column *args, struct column *out)
{
    if (k->node->mode == EVAL_LEGACY && !is_interval(k->node->type))
        return 0;
    uint8_t *nulls = NULL;
    for (KERNEL_EACH(k, r)) {
        if ((k->nulls && k->nulls[r]) || !overflows(op, k->node->type, int_at(&args[0], r), int_at(&args[1], r)))
            continue;
        if (k->node->mode != EVAL_TRY) {
            if (is_interval(k->node->type))
                return error_set(k->err, ERR_INTERVAL_OVERFLOW_TRY, "functionName", op == ARITH_ADD ? "`try_add`" : "`try_subtract`", NULL);
            return raise_overflow(k, op, int_at(&args[0], r), int_at(&args[1], r));
        }
        if (!nulls)
            nulls = kernel_nulls(k, out);
        nulls[r] = 1;
    }
    return 0;
}

/* ---- decimals: in 64 bits when both sides are narrow and nothing overflows, else in 128 ---- */

static int128_t dec_at(const struct column *col, uint32_t row)
{
    uint32_t r = col->kind == COL_CONST ? 0 : row;
    return col->phys == PHYS_I64 ? ((const int64_t *)col->data)[r] : ((const int128_t *)col->data)[r];
}

/* Both narrow: scaled into the result's scale, added or multiplied with overflow checks. False: take the wide way. */
static bool dec_narrow(struct kernel *k, enum arith op, const struct column *a, const struct column *b, struct column *out)
{
    const struct type *t = k->node->type;
    int sa = a->type->scale, sb = b->type->scale;
    if (a->phys != PHYS_I64 || b->phys != PHYS_I64 || op > ARITH_MUL)
        return false;
    out->phys = PHYS_I64;
    if (op == ARITH_MUL) {
        if (t->scale != sa + sb)
            return false;
        return !mul_i64(a, b, k, kernel_out(k, out));
    }
    if (t->scale != (sa > sb ? sa : sb))
        return false;
    struct column scaled[2] = {*a, *b};
    for (int i = 0; i < 2; i++) {
        int up = t->scale - (i ? sb : sa);
        if (up > 18)
            return false;
        if (up == 0)
            continue;
        struct column factor = {.kind = COL_CONST, .data = &pow10_i64[up]}, to = scaled[i];
        struct kernel one = *k;
        if (scaled[i].kind == COL_CONST) {
            one.rows = one.sel_count = 1;
            one.sel = NULL;
        }
        to.data = arena_alloc(k->ar, (size_t)one.rows * 8 + 64);
        if (mul_i64(&scaled[i], &factor, &one, (int64_t *)(uintptr_t)to.data))
            return false;
        scaled[i] = to;
    }
    int64_t *o = kernel_out(k, out);
    return op == ARITH_ADD ? !add_i64(&scaled[0], &scaled[1], k, o) : !sub_i64(&scaled[0], &scaled[1], k, o);
}

static int zero_divisor(struct kernel *k, enum arith op)
{
    if (op == ARITH_REM || op == ARITH_PMOD)
        return kernel_raise(k, ERR_REMAINDER_BY_ZERO, "config", "\"spark.sql.ansi.enabled\"", NULL);
    return kernel_raise(k, ERR_DIVIDE_BY_ZERO, "config", "\"spark.sql.ansi.enabled\"", NULL);
}

static int decimal_overflow(struct kernel *k, enum arith op, int128_t a, int sa, int128_t b, int sb)
{
    struct buf text = BUF_INIT, p = BUF_INIT, s = BUF_INIT;
    decimal_overflown(op, a, sa, b, sb, k->node->type->scale, &text);
    buf_addf(&p, "%u", op == ARITH_IDIV ? 38 : k->node->type->precision);
    buf_addf(&s, "%u", k->node->type->scale);
    int rc = kernel_raise(k, ERR_NUMERIC_RANGE, "value", text.data, "precision", p.data, "scale", s.data, "config",
                          "\"spark.sql.ansi.enabled\"", NULL);
    buf_fini(&text);
    buf_fini(&p);
    buf_fini(&s);
    return rc;
}

static int run_decimal(struct kernel *k, enum arith op, const struct column *args, struct column *out)
{
    if (dec_narrow(k, op, &args[0], &args[1], out))
        return 0;
    const struct type *t = k->node->type;
    int sa = args[0].type->scale, sb = args[1].type->scale;
    out->phys = type_phys(t);
    void *data = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        int128_t a = dec_at(&args[0], r), b = dec_at(&args[1], r), v = 0;
        bool zero = b == 0 && op >= ARITH_DIV;
        bool ok = !zero && decimal_arith(op, a, sa, b, sb, t, &v);
        if (!ok) {
            if (k->node->mode == EVAL_ANSI)
                return zero ? zero_divisor(k, op) : decimal_overflow(k, op, a, sa, b, sb);
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
            v = 0;
        }
        if (out->phys == PHYS_I64)
            ((int64_t *)data)[r] = (int64_t)v;
        else
            ((int128_t *)data)[r] = v;
    }
    return 0;
}

/* ---- division and remainder of integers and floats ---- */

static int run_divide(struct kernel *k, enum arith op, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    uint8_t *nulls = NULL;
    bool real = args[0].phys == PHYS_F64 || args[0].phys == PHYS_F32;
    KERNEL_EACH_VALUE(k, r) {
        uint32_t ra = args[0].kind == COL_CONST ? 0 : r, rb = args[1].kind == COL_CONST ? 0 : r;
        double x = 0, y = 0;
        int64_t i = 0, j = 0;
        if (args[0].phys == PHYS_F64) {
            x = ((const double *)args[0].data)[ra];
            y = ((const double *)args[1].data)[rb];
        } else if (real) {
            x = ((const float *)args[0].data)[ra];
            y = ((const float *)args[1].data)[rb];
        } else {
            i = int_at(&args[0], r);
            j = int_at(&args[1], r);
        }
        if (real ? y == 0 : j == 0) {
            if (k->node->mode == EVAL_ANSI)
                return zero_divisor(k, op);
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
            continue;
        }
        if (!real && j == -1 && i == INT64_MIN && op == ARITH_IDIV && k->node->mode == EVAL_ANSI)
            return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "overflow in integral division", "alternative",
                                " use try_divide to get NULL instead,", "config", "\"spark.sql.ansi.enabled\"", NULL);
        double d = 0;
        int64_t v = 0;
        if (real) {
            d = op == ARITH_DIV ? x / y : fmod(x, y);
            if (op == ARITH_PMOD && d < 0)
                d = fmod(d + y, y);
        } else if (op == ARITH_IDIV || op == ARITH_DIV) {
            v = j == -1 ? (int64_t)-(uint64_t)i : i / j;
        } else if (j != -1) {
            v = i % j;
            if (op == ARITH_PMOD && v < 0)
                v = (int64_t)(((int128_t)v + j) % j);
        }
        switch (out->phys) {
        case PHYS_F64: ((double *)data)[r] = d; break;
        case PHYS_F32: ((float *)data)[r] = (float)d; break;
        case PHYS_I8: ((int8_t *)data)[r] = (int8_t)v; break;
        case PHYS_I16: ((int16_t *)data)[r] = (int16_t)v; break;
        case PHYS_I32: ((int32_t *)data)[r] = (int32_t)v; break;
        default: ((int64_t *)data)[r] = v; break;
        }
    }
    return 0;
}

static int run_binary(struct kernel *k, const struct column *args, struct column *out)
{
    enum arith op = arith_of(k->node->fn);
    if (args[0].type->id == TYPE_DECIMAL)
        return run_decimal(k, op, args, out);
    if (op >= ARITH_DIV)
        return run_divide(k, op, args, out);
    void *data = kernel_out(k, out);
    if (!run_typed(op, out->phys, &args[0], &args[1], k, data))
        return 0;
    return settle_overflow(k, op, args, out);
}

/* ---- unary ---- */

static int resolve_unary(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (t->id == TYPE_STRING || t->id == TYPE_NULL) {
        t = type_of(TYPE_DOUBLE);
        TRY(fn_cast_arg(c, 0, t, err));
    }
    if (!type_is_numeric(t) && !is_interval(t))
        return fn_wrong_arg(c, 0, c->row->name[0] == 'a' ? "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\")"
                                                         : "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")", err);
    c->type = t;
    return 0;
}

/* abs (sign < 0 only) or minus. */
static int run_sign(struct kernel *k, const struct column *args, struct column *out, bool abs)
{
    out->phys = args[0].phys;
    void *data = kernel_out(k, out);
    for (KERNEL_EACH(k, r)) {
        uint32_t ra = args[0].kind == COL_CONST ? 0 : r;
        bool overflow = false;
#define NEG(ctype, low)                                                                            \
    do {                                                                                           \
        ctype v = ((const ctype *)args[0].data)[ra];                                               \
        overflow = v == (low);                                                                     \
        ((ctype *)data)[r] = !abs || v < 0 ? (ctype)(0 - (unsigned long long)v) : v;               \
    } while (0)
        switch (args[0].phys) {
        case PHYS_I8: NEG(int8_t, INT8_MIN); break;
        case PHYS_I16: NEG(int16_t, INT16_MIN); break;
        case PHYS_I32: NEG(int32_t, INT32_MIN); break;
        case PHYS_I64: NEG(int64_t, INT64_MIN); break;
        case PHYS_I128: {
            int128_t v = ((const int128_t *)args[0].data)[ra];
            ((int128_t *)data)[r] = !abs || v < 0 ? -v : v;
            break;
        }
        case PHYS_F32: {
            float v = ((const float *)args[0].data)[ra];
            ((float *)data)[r] = abs ? fabsf(v) : -v;
            break;
        }
        default: {
            double v = ((const double *)args[0].data)[ra];
            ((double *)data)[r] = abs ? fabs(v) : -v;
            break;
        }
        }
        if (UNLIKELY(overflow) && is_interval(args[0].type) && !(k->nulls && k->nulls[r]))
            return error_set(k->err, ERR_INTERVAL_OVERFLOW, NULL);
        if (UNLIKELY(overflow) && k->node->mode == EVAL_ANSI && !(k->nulls && k->nulls[r]) && args[0].type->id != TYPE_DECIMAL)
            return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "overflow", "alternative", "", "config",
                                "\"spark.sql.ansi.enabled\"", NULL);
    }
    return 0;
}

static int run_negative(struct kernel *k, const struct column *args, struct column *out)
{
    return run_sign(k, args, out, false);
}

static int run_abs(struct kernel *k, const struct column *args, struct column *out)
{
    return run_sign(k, args, out, true);
}

static int resolve_positive(struct fn_call *c, struct error *err)
{
    return resolve_unary(c, err);
}

static int run_positive(struct kernel *k, const struct column *args, struct column *out)
{
    (void)k;
    struct column same = args[0];
    same.type = out->type;
    *out = same;
    return 0;
}

const struct fn_row fn_arith_rows[] = {
    {"+", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "sum"},
    {"-", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "difference"},
    {"*", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "product"},
    {"/", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "quotient"},
    {"%", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "remainder, of the dividend's sign"},
    {"mod", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "remainder, of the dividend's sign"},
    {"div", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "whole quotient"},
    {"pmod", 2, 2, FN_NULL_ANY | FN_RAISES | FN_OWN_NULLS, resolve_binary, run_binary, "remainder, of the divisor's sign"},
    {"try_add", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_binary, run_binary, "sum, null on overflow"},
    {"try_subtract", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_binary, run_binary, "difference, null on overflow"},
    {"try_multiply", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_binary, run_binary, "product, null on overflow"},
    {"try_divide", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_binary, run_binary, "quotient, null by zero"},
    {"try_mod", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_binary, run_binary, "remainder, null by zero"},
    {"negative", 1, 1, FN_NULL_ANY | FN_RAISES, resolve_unary, run_negative, "the number with its sign turned"},
    {"positive", 1, 1, FN_NULL_ANY, resolve_positive, run_positive, "the number itself"},
    {"abs", 1, 1, FN_NULL_ANY | FN_RAISES, resolve_unary, run_abs, "absolute value"},
    {0}};
