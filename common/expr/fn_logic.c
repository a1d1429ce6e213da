/* Boolean logic, null tests and conditionals. The lazy ones are evaluated by program.c under sub-selections. */
#include <math.h>

#include "common/expr/fn_impl.h"

static bool boolean_like(const struct type *t)
{
    return t->id == TYPE_BOOLEAN || t->id == TYPE_STRING || t->id == TYPE_NULL;
}

/* A text is read as a boolean beside one, by ANSI's rules. */
static bool takes_text(const struct fn_call *c, const struct type *a, const struct type *b)
{
    bool text = a->id == TYPE_STRING || b->id == TYPE_STRING;
    return !text || (c->cx->ansi && (a->id == TYPE_BOOLEAN || b->id == TYPE_BOOLEAN));
}

/* A condition is no text. */
static int need_condition(struct fn_call *c, uint32_t i, struct error *err)
{
    return c->args[i]->type->id == TYPE_STRING ? fn_wrong_arg(c, i, "BOOLEAN", err) : fn_cast_arg(c, i, type_of(TYPE_BOOLEAN), err);
}

static int to_boolean(struct fn_call *c, struct error *err)
{
    const struct type *a = c->args[0]->type, *b = c->args[c->arg_count - 1]->type;
    if (c->arg_count == 2 && (!boolean_like(a) || !boolean_like(b) || !takes_text(c, a, b))) {
        if (c->cx->ansi && a->id == TYPE_NULL && b->id == TYPE_STRING)
            TRY(fn_cast_text(c, 0, err));
        else if (a != b && !(c->cx->ansi && a->id == TYPE_STRING && b->id == TYPE_NULL))
            return fn_diff_types(c, a, b, err);
        return fn_wrong_operands(c, "\"BOOLEAN\"", err);
    }
    if (c->arg_count == 1 && !c->cx->ansi)
        TRY(need_condition(c, 0, err));
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_BOOLEAN), err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

static int any_to_boolean(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

/* Casts args first, first + step, ... to their common type, which is returned. */
static int unify(struct fn_call *c, const char *name, uint32_t first, uint32_t step, bool with_last, const struct type **ret, struct error *err)
{
    const struct type *t = c->args[first]->type;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = first; i < c->arg_count; i += step) {
            if (pass == 1) {
                TRY(fn_cast_arg(c, i, t, err));
                continue;
            }
            const struct type *both = type_common(c->cx, t, c->args[i]->type);
            if (!both)
                return fn_data_diff_types(c, name, first, step, with_last, err);
            t = both;
        }
        if (with_last) {
            uint32_t last = c->arg_count - 1;
            if (pass == 1) {
                TRY(fn_cast_arg(c, last, t, err));
            } else {
                const struct type *both = type_common(c->cx, t, c->args[last]->type);
                if (!both)
                    return fn_data_diff_types(c, name, first, step, with_last, err);
                t = both;
            }
        }
    }
    *ret = t;
    return 0;
}

/* case(cond, value, cond, value, ..., [else]) */
static int resolve_case(struct fn_call *c, struct error *err)
{
    bool has_else = c->arg_count % 2 == 1;
    for (uint32_t i = 0; i + 1 < c->arg_count; i += 2)
        TRY(need_condition(c, i, err));
    TRY(unify(c, "casewhen", 1, 2, has_else, &c->type, err));
    c->nullable = !has_else || c->args[c->arg_count - 1]->nullable;
    for (uint32_t i = 1; i < c->arg_count; i += 2)
        c->nullable |= c->args[i]->nullable;
    return 0;
}

static int resolve_if(struct fn_call *c, struct error *err)
{
    TRY(need_condition(c, 0, err));
    TRY(unify(c, "if", 1, 1, false, &c->type, err));
    c->nullable = c->args[1]->nullable || c->args[2]->nullable;
    return 0;
}

static int resolve_coalesce(struct fn_call *c, struct error *err)
{
    const struct fn_row *row = c->row;
    c->row = fn_find("coalesce"); /* errors name it so */
    int rc = unify(c, "coalesce", 0, 1, false, &c->type, err);
    c->row = row;
    TRY(rc);
    c->nullable = true;
    for (uint32_t i = 0; i < c->arg_count; i++)
        c->nullable &= c->args[i]->nullable;
    return 0;
}

/* nvl2(a, b, c) is if(a is not null, b, c); nullif(a, b) is if(a = b, null, a). */
static int resolve_nvl2(struct fn_call *c, struct error *err)
{
    struct expr *test, *args[3] = {NULL, c->args[1], c->args[2]};
    TRY(expr_call(c->ar, c->cx, "isnotnull", c->args, 1, c->span, &test, err));
    args[0] = test;
    return fn_become(c, "if", args, 3, err);
}

static int resolve_nullif(struct fn_call *c, struct error *err)
{
    struct expr *test, *args[3];
    TRY(expr_call(c->ar, c->cx, "=", c->args, 2, c->span, &test, err));
    args[0] = test;
    args[1] = expr_null(c->ar, c->args[0]->type);
    args[2] = c->args[0];
    return fn_become(c, "if", args, 3, err);
}

static int resolve_nanvl(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (c->args[i]->type->id != TYPE_FLOAT)
            TRY(fn_cast_arg(c, i, type_of(TYPE_DOUBLE), err));
    }
    if (c->args[0]->type != c->args[1]->type) {
        TRY(fn_cast_arg(c, 0, type_of(TYPE_DOUBLE), err));
        TRY(fn_cast_arg(c, 1, type_of(TYPE_DOUBLE), err));
    }
    struct expr *test, *args[3];
    TRY(expr_call(c->ar, c->cx, "isnan", c->args, 1, c->span, &test, err));
    args[0] = test;
    args[1] = c->args[1];
    args[2] = c->args[0];
    return fn_become(c, "if", args, 3, err);
}

static int resolve_isnan(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (!type_is_numeric(t) && t->id != TYPE_STRING && t->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "(\"DOUBLE\" or \"FLOAT\")", err);
    if (t->id != TYPE_FLOAT)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_DOUBLE), err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

static int run_lazy(struct kernel *k, const struct column *args, struct column *out)
{
    (void)k;
    (void)args;
    (void)out;
    UNREACHABLE("lazy functions are evaluated by program.c");
}

static int run_not(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    const uint8_t *a = args[0].data;
    if (args[0].kind == COL_CONST) {
        for (KERNEL_EACH(k, r))
            o[r] = !a[0];
    } else {
        for (uint32_t r = 0; r < k->rows; r++) /* the dead rows do no harm */
            o[r] = !a[r];
    }
    return 0;
}

static int run_is_null(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    bool want = strcmp(k->node->fn->name, "isnull") == 0;
    for (KERNEL_EACH(k, r))
        o[r] = column_is_null(&args[0], r) == want;
    return 0;
}

static int run_isnan(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r)) {
        uint32_t at = column_idx(&args[0], r);
        double v = args[0].phys == PHYS_F32 ? ((const float *)args[0].data)[at] : ((const double *)args[0].data)[at];
        o[r] = !column_is_null(&args[0], r) && isnan(v);
    }
    return 0;
}

static int resolve_extreme(struct fn_call *c, struct error *err)
{
    bool text = false, other = false;
    for (uint32_t i = 0; i < c->arg_count; i++) {
        text |= c->args[i]->type->id == TYPE_STRING;
        other |= c->args[i]->type->id != TYPE_STRING && c->args[i]->type->id != TYPE_NULL;
    }
    if (text && other) /* no promotion of texts here */
        return fn_data_diff_types(c, c->row->name, 0, 1, false, err);
    TRY(unify(c, c->row->name, 0, 1, false, &c->type, err));
    c->nullable = true;
    for (uint32_t i = 0; i < c->arg_count; i++)
        c->nullable &= c->args[i]->nullable;
    return 0;
}

/* greatest and least skip nulls. */
static int run_extreme(struct kernel *k, const struct column *args, struct column *out)
{
    bool greatest = k->node->fn->name[0] == 'g';
    uint32_t n = k->node->arg_count;
    /* One column holding all arguments' values, one after the other, then a gather of the winners. */
    uint32_t *pick = arena_alloc(k->ar, (size_t)k->rows * sizeof *pick + 4);
    for (KERNEL_EACH(k, r)) {
        pick[r] = UINT32_MAX;
        for (uint32_t i = 0; i < n; i++) {
            if (column_is_null(&args[i], r))
                continue;
            if (pick[r] == UINT32_MAX) {
                pick[r] = i;
                continue;
            }
            int d = column_cmp(&args[i], r, &args[pick[r]], r);
            if (greatest ? d > 0 : d < 0)
                pick[r] = i;
        }
    }
    bool wide = false;
    for (uint32_t i = 0; i < n; i++)
        wide |= args[i].phys == PHYS_I128;
    out->phys = wide ? PHYS_I128 : args[0].phys;
    uint32_t width = phys_bytes(out->phys);
    char *data = kernel_out(k, out);
    uint8_t *nulls = kernel_nulls(k, out);
    for (KERNEL_EACH(k, r)) {
        nulls[r] = pick[r] == UINT32_MAX;
        if (nulls[r])
            continue;
        const struct column *from = &args[pick[r]];
        uint32_t at = column_idx(from, r);
        if (wide && from->phys == PHYS_I64)
            ((int128_t *)(void *)data)[r] = ((const int64_t *)from->data)[at];
        else
            memcpy(data + (size_t)r * width, (const char *)from->data + (size_t)at * width, width);
    }
    return 0;
}

const struct fn_row fn_logic_rows[] = {
    {"and", 2, 255, FN_LAZY, to_boolean, run_lazy, "all are true"},
    {"or", 2, 255, FN_LAZY, to_boolean, run_lazy, "any is true"},
    {"not", 1, 1, FN_NULL_ANY, to_boolean, run_not, "true for false"},
    {"case", 2, 255, FN_LAZY, resolve_case, run_lazy, "the value after the first true condition"},
    {"if", 3, 3, FN_LAZY, resolve_if, run_lazy, "the second argument when the first is true, else the third"},
    {"coalesce", 1, 255, FN_LAZY, resolve_coalesce, run_lazy, "the first argument that is not null"},
    {"nvl", 2, 2, FN_LAZY, resolve_coalesce, run_lazy, "the first argument unless it is null, else the second"},
    {"ifnull", 2, 2, FN_LAZY, resolve_coalesce, run_lazy, "the first argument unless it is null, else the second"},
    {"nvl2", 3, 3, FN_LAZY, resolve_nvl2, run_lazy, "the second argument unless the first is null, else the third"},
    {"nullif", 2, 2, FN_LAZY, resolve_nullif, run_lazy, "null when both are equal, else the first"},
    {"nanvl", 2, 2, FN_LAZY, resolve_nanvl, run_lazy, "the first argument unless it is NaN, else the second"},
    {"isnull", 1, 1, FN_NEVER_NULL, any_to_boolean, run_is_null, "whether the argument is null"},
    {"isnotnull", 1, 1, FN_NEVER_NULL, any_to_boolean, run_is_null, "whether the argument is not null"},
    {"isnan", 1, 1, FN_NEVER_NULL, resolve_isnan, run_isnan, "whether the argument is NaN"},
    {"greatest", 2, 255, FN_OWN_NULLS, resolve_extreme, run_extreme, "the largest argument, nulls skipped"},
    {"least", 2, 255, FN_OWN_NULLS, resolve_extreme, run_extreme, "the smallest argument, nulls skipped"},
    {0}};
