/* The table of aggregate functions and how calls of them are typed; see agg.h. */
#include "common/expr/agg.h"

#include <stdio.h>

#include "common/expr/agg_impl.h"
#include "common/expr/fn_impl.h"

/* ---- typing: each resolver may cast args and sets type and nullable ---- */

struct agg_call {
    struct arena *ar;
    const struct query_ctx *cx;
    const struct agg_row *row;
    struct expr **args;
    uint32_t arg_count;
    struct span span;
    enum eval_mode mode;
    const struct type *type;
    bool nullable;
};

/* As fn_wrong_arg says it of a scalar function. */
static int mismatch(const struct agg_call *c, uint32_t i, const char *wanted, struct error *err)
{
    struct buf call = BUF_INIT, input = BUF_INIT, type = BUF_INIT;
    struct expr e = {.kind = EXPR_AGG, .agg = c->row, .args = c->args, .arg_count = c->arg_count};
    buf_addc(&call, '"');
    expr_print(&e, true, &call);
    buf_addc(&call, '"');
    buf_addc(&input, '"');
    expr_print(c->args[i], true, &input);
    buf_addc(&input, '"');
    fn_quoted_type(c->args[i]->type, &type);
    error_set(err, ERR_DATATYPE_MISMATCH, "sqlExpr", call.data, "paramIndex", i ? "second" : "first", "requiredType", wanted, "inputSql",
              input.data, "inputType", type.data, NULL);
    error_at(err, c->span);
    buf_fini(&call);
    buf_fini(&input);
    buf_fini(&type);
    return (int)err->code;
}

static int cast_arg(struct agg_call *c, uint32_t i, const struct type *type, struct error *err)
{
    struct expr *e = c->args[i];
    TRY(expr_cast(c->ar, e, type, c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, c->span, &c->args[i], err));
    c->args[i]->implicit |= c->args[i] != e;
    return 0;
}

static bool is_interval(const struct type *t)
{
    return t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT;
}

static unsigned cap38(unsigned v)
{
    return v < DECIMAL_PRECISION_MAX ? v : DECIMAL_PRECISION_MAX;
}

static int resolve_count(struct agg_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(TYPE_BIGINT);
    c->nullable = false;
    return 0;
}

static int resolve_count_if(struct agg_call *c, struct error *err)
{
    if (c->args[0]->type->id == TYPE_NULL)
        TRY(cast_arg(c, 0, type_of(TYPE_BOOLEAN), err));
    if (c->args[0]->type->id != TYPE_BOOLEAN)
        return mismatch(c, 0, "\"BOOLEAN\"", err);
    return resolve_count(c, err);
}

/* A string is read as a number; NULL is a double. */
static int numeric_arg(struct agg_call *c, uint32_t i, struct error *err)
{
    const struct type *t = c->args[i]->type;
    if (t->id == TYPE_STRING || t->id == TYPE_NULL)
        return cast_arg(c, i, type_of(TYPE_DOUBLE), err);
    if (!type_is_numeric(t) && !is_interval(t))
        return mismatch(c, i, "\"NUMERIC\" or \"ANSI INTERVAL\"", err);
    return 0;
}

static int resolve_sum(struct agg_call *c, struct error *err)
{
    TRY(numeric_arg(c, 0, err));
    const struct type *t = c->args[0]->type;
    if (type_is_integral(t))
        c->type = type_of(TYPE_BIGINT);
    else if (t->id == TYPE_DECIMAL)
        c->type = type_decimal(cap38(t->precision + 10u), t->scale);
    else if (is_interval(t))
        c->type = t;
    else
        c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static int resolve_avg(struct agg_call *c, struct error *err)
{
    TRY(numeric_arg(c, 0, err));
    const struct type *t = c->args[0]->type;
    if (t->id == TYPE_DECIMAL) {
        unsigned p = t->precision + 4u, s = t->scale + 4u;
        c->type = type_decimal(cap38(p), cap38(s));
    } else if (is_interval(t)) {
        c->type = type_of(t->id);
    } else {
        c->type = type_of(TYPE_DOUBLE);
    }
    return 0;
}

static int orderable(const struct agg_call *c, uint32_t i, struct error *err)
{
    if (type_is_nested(c->args[i]->type)) {
        struct buf what = BUF_INIT;
        buf_addf(&what, "%s of the type %s", c->row->name, c->args[i]->type->text);
        error_set(err, ERR_UNSUPPORTED_FEATURE, "message", what.data, NULL);
        error_at(err, c->span);
        buf_fini(&what);
        return (int)err->code;
    }
    return 0;
}

static int resolve_same(struct agg_call *c, struct error *err)
{
    TRY(orderable(c, 0, err));
    c->type = c->args[0]->type;
    return 0;
}

static int resolve_first(struct agg_call *c, struct error *err)
{
    if (c->arg_count == 2) {
        if (c->args[1]->type->id != TYPE_BOOLEAN || !expr_is_foldable(c->args[1]))
            return mismatch(c, 1, "\"BOOLEAN\"", err);
    }
    c->type = c->args[0]->type; /* no order is asked of it: nested types too */
    return 0;
}

static int resolve_bool(struct agg_call *c, struct error *err)
{
    if (c->args[0]->type->id == TYPE_NULL)
        TRY(cast_arg(c, 0, type_of(TYPE_BOOLEAN), err));
    if (c->args[0]->type->id != TYPE_BOOLEAN)
        return mismatch(c, 0, "\"BOOLEAN\"", err);
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

static int resolve_moments(struct agg_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (!type_is_numeric(t) && t->id != TYPE_STRING && t->id != TYPE_NULL)
        return mismatch(c, 0, "\"DOUBLE\"", err);
    TRY(cast_arg(c, 0, type_of(TYPE_DOUBLE), err));
    c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static int resolve_by(struct agg_call *c, struct error *err)
{
    TRY(orderable(c, 0, err));
    TRY(orderable(c, 1, err));
    c->type = c->args[0]->type;
    return 0;
}

static int resolve_sketch(struct agg_call *c, struct error *err)
{
    TRY(orderable(c, 0, err));
    if (c->arg_count == 2) {
        if (!expr_is_foldable(c->args[1]) || !type_is_numeric(c->args[1]->type))
            return mismatch(c, 1, "\"DOUBLE\"", err);
        TRY(cast_arg(c, 1, type_of(TYPE_DOUBLE), err));
    }
    c->type = type_of(TYPE_BIGINT);
    c->nullable = false;
    return 0;
}

/* ---- the table ---- */

static const struct agg_row rows[] = {
    /* name, fewest and most arguments, what computes it, typing */
    {"any", 1, 1, AGG_MAX, resolve_bool},
    {"any_value", 1, 2, AGG_FIRST, resolve_first},
    {"approx_count_distinct", 1, 2, AGG_SKETCH, resolve_sketch},
    {"avg", 1, 1, AGG_AVG, resolve_avg},
    {"bool_and", 1, 1, AGG_MIN, resolve_bool},
    {"bool_or", 1, 1, AGG_MAX, resolve_bool},
    {"count", 1, 255, AGG_COUNT, resolve_count},
    {"count_if", 1, 1, AGG_COUNT_IF, resolve_count_if},
    {"every", 1, 1, AGG_MIN, resolve_bool},
    {"first", 1, 2, AGG_FIRST, resolve_first},
    {"first_value", 1, 2, AGG_FIRST, resolve_first},
    {"last", 1, 2, AGG_LAST, resolve_first},
    {"last_value", 1, 2, AGG_LAST, resolve_first},
    {"max", 1, 1, AGG_MAX, resolve_same},
    {"max_by", 2, 2, AGG_MAX_BY, resolve_by},
    {"mean", 1, 1, AGG_AVG, resolve_avg},
    {"min", 1, 1, AGG_MIN, resolve_same},
    {"min_by", 2, 2, AGG_MIN_BY, resolve_by},
    {"some", 1, 1, AGG_MAX, resolve_bool},
    {"std", 1, 1, AGG_STDDEV_SAMP, resolve_moments},
    {"stddev", 1, 1, AGG_STDDEV_SAMP, resolve_moments},
    {"stddev_pop", 1, 1, AGG_STDDEV_POP, resolve_moments},
    {"stddev_samp", 1, 1, AGG_STDDEV_SAMP, resolve_moments},
    {"sum", 1, 1, AGG_SUM, resolve_sum},
    {"try_avg", 1, 1, AGG_AVG, resolve_avg},
    {"try_sum", 1, 1, AGG_SUM, resolve_sum},
    {"var_pop", 1, 1, AGG_VAR_POP, resolve_moments},
    {"var_samp", 1, 1, AGG_VAR_SAMP, resolve_moments},
    {"variance", 1, 1, AGG_VAR_SAMP, resolve_moments},
};

static const char *const names[] = {
    "any", "any_value", "approx_count_distinct", "avg", "bool_and", "bool_or", "count", "count_if", "every", "first",
    "first_value", "last", "last_value", "max", "max_by", "mean", "min", "min_by", "some", "std", "stddev",
    "stddev_pop", "stddev_samp", "sum", "try_avg", "try_sum", "var_pop", "var_samp", "variance", NULL,
};
_Static_assert(ARRAY_LEN(names) == ARRAY_LEN(rows) + 1, "every row is listed by name");

const struct agg_row *agg_find(const char *name)
{
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq_nocase(rows[i].name, name))
            return &rows[i];
    }
    return NULL;
}

const char *agg_name(const struct agg_row *row)
{
    return row->name;
}

bool agg_counts(const struct agg_row *row)
{
    return row->kind == AGG_COUNT || row->kind == AGG_COUNT_IF || row->kind == AGG_SKETCH;
}

const char *const *agg_names(void)
{
    return names;
}

static int arg_count_error(const struct agg_row *row, uint32_t count, struct span span, struct error *err)
{
    char wanted[32], got[16];
    if (row->args_min == row->args_max)
        snprintf(wanted, sizeof wanted, "%u", row->args_min);
    else if (row->args_max == 255)
        snprintf(wanted, sizeof wanted, "> %u", row->args_min - 1u);
    else
        snprintf(wanted, sizeof wanted, "[%u, %u]", row->args_min, row->args_max);
    snprintf(got, sizeof got, "%u", count);
    struct buf quoted = BUF_INIT;
    buf_addf(&quoted, "`%s`", row->name);
    error_set(err, ERR_FUNCTION_ARGS, "functionName", quoted.data, "expectedNum", wanted, "actualNum", got, NULL);
    buf_fini(&quoted);
    error_at(err, span);
    return (int)err->code;
}

int agg_call(struct arena *ar, const struct query_ctx *cx, const struct agg_row *row, struct expr **args,
             uint32_t arg_count, bool distinct, struct expr *filter, struct span span, struct expr **ret,
             struct error *err)
{
    if (arg_count < row->args_min || arg_count > row->args_max)
        return arg_count_error(row, arg_count, span, err);
    struct agg_call c = {.ar = ar, .cx = cx, .row = row, .arg_count = arg_count, .span = span, .nullable = true};
    c.args = arena_dup(ar, args, arg_count * sizeof *args);
    c.mode = str_has_prefix(row->name, "try_") ? EVAL_TRY : cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
    TRY(row->resolve(&c, err));
    struct expr *e = ARENA_NEW(ar, struct expr);
    e->kind = EXPR_AGG;
    e->type = c.type;
    e->nullable = c.nullable;
    e->span = span;
    e->args = c.args;
    e->arg_count = arg_count;
    e->agg = row;
    e->mode = c.mode;
    e->distinct = distinct;
    e->filter = filter;
    *ret = e;
    return 0;
}

/* ---- partial columns ---- */

const struct type *agg_sum_type(const struct agg_spec *spec)
{
    const struct type *t = spec->arg_types[0];
    if (type_is_integral(t) || is_interval(t))
        return type_of(TYPE_BIGINT);
    return t->id == TYPE_DECIMAL ? type_decimal(DECIMAL_PRECISION_MAX, t->scale) : type_of(TYPE_DOUBLE);
}

uint32_t agg_partial_types(const struct agg_spec *spec, const struct type *ret[AGG_PARTIAL_MAX])
{
    uint32_t n = 0;
    switch (spec->row->kind) {
    case AGG_COUNT:
    case AGG_COUNT_IF: ret[n++] = type_of(TYPE_BIGINT); break;
    case AGG_SUM:
        ret[n++] = agg_sum_type(spec); /* null: nothing seen, or overflowed */
        ret[n++] = type_of(TYPE_BOOLEAN); /* something seen */
        break;
    case AGG_AVG:
        ret[n++] = spec->arg_types[0]->id == TYPE_DECIMAL || is_interval(spec->arg_types[0]) ? agg_sum_type(spec)
                                                                                           : type_of(TYPE_DOUBLE);
        ret[n++] = type_of(TYPE_BIGINT);
        break;
    case AGG_MIN:
    case AGG_MAX: ret[n++] = spec->arg_types[0]; break;
    case AGG_FIRST:
    case AGG_LAST:
        ret[n++] = spec->arg_types[0];
        ret[n++] = type_of(TYPE_BOOLEAN);
        break;
    case AGG_MIN_BY:
    case AGG_MAX_BY:
        ret[n++] = spec->arg_types[0];
        ret[n++] = spec->arg_types[1];
        break;
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
        for (; n < 3; n++)
            ret[n] = type_of(TYPE_DOUBLE);
        break;
    case AGG_SKETCH: ret[n++] = type_of(TYPE_BINARY); break;
    }
    return n;
}
