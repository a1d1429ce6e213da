/* Bits of integers: & | ^ ~, shifts, counts. */
#include <stdio.h>

#include "common/expr/fn_impl.h"

/* Both sides to the wider integral type. */
/* Beside a text the other operand's type is wanted of it; without ANSI mode it counts as a number with a point. */
static int take_text(struct fn_call *c, uint32_t i, struct error *err)
{
    const struct type *other = c->args[1 - i]->type;
    if (c->args[i]->type->id != TYPE_STRING)
        return 0;
    if (!c->cx->ansi)
        return fn_cast_arg(c, i, type_of(TYPE_DOUBLE), err);
    if (other->id == TYPE_NULL)
        return fn_cast_text(c, 1 - i, err);
    return fn_cast_arg(c, i, type_is_integral(other) ? type_of(TYPE_BIGINT) : other, err);
}

static int resolve_bits(struct fn_call *c, struct error *err)
{
    const struct type *t = type_of(TYPE_NULL);
    if (c->arg_count == 2) {
        TRY(take_text(c, 0, err));
        TRY(take_text(c, 1, err));
    }
    for (uint32_t i = 0; i < c->arg_count; i++) {
        const struct type *u = c->args[i]->type;
        if (type_is_integral(u) || u->id == TYPE_NULL) {
            t = type_common(c->cx, t, u);
            continue;
        }
        if (c->arg_count == 1)
            return fn_wrong_arg(c, i, "INTEGRAL", err);
        const struct type *a = c->args[0]->type, *b = c->args[1]->type;
        return a == b ? fn_wrong_operands(c, "\"INTEGRAL\"", err) : fn_diff_types(c, a, b, err);
    }
    if (t->id == TYPE_NULL)
        t = type_of(TYPE_INT);
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, t, err));
    c->type = t;
    return 0;
}

static void put(struct column *out, uint32_t r, int64_t v)
{
    void *data = (void *)(uintptr_t)out->data;
    switch (out->phys) {
    case PHYS_I8: ((int8_t *)data)[r] = (int8_t)v; break;
    case PHYS_I16: ((int16_t *)data)[r] = (int16_t)v; break;
    case PHYS_I32: ((int32_t *)data)[r] = (int32_t)v; break;
    default: ((int64_t *)data)[r] = v; break;
    }
}

static int run_bits(struct kernel *k, const struct column *args, struct column *out)
{
    kernel_out(k, out);
    char op = k->node->fn->name[0];
    KERNEL_EACH_VALUE(k, r) {
        int64_t a = arg_i64(&args[0], r), b = op == '~' ? 0 : arg_i64(&args[1], r);
        put(out, r, op == '&' ? (a & b) : op == '|' ? (a | b) : op == '^' ? (a ^ b) : ~a);
    }
    return 0;
}

static int resolve_shift(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (t->id != TYPE_BIGINT) {
        if (t->id == TYPE_STRING || t->id == TYPE_DOUBLE || t->id == TYPE_FLOAT || t->id == TYPE_DECIMAL || t->id == TYPE_BOOLEAN)
            return fn_wrong_arg(c, 0, "(\"INT\" or \"BIGINT\")", err);
        TRY(fn_cast_arg(c, 0, type_of(TYPE_INT), err));
    }
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    c->type = c->args[0]->type;
    return 0;
}

static int run_shift(struct kernel *k, const struct column *args, struct column *out)
{
    kernel_out(k, out);
    const char *n = k->node->fn->name;
    bool left = n[0] == '<' || strcmp(n, "shiftleft") == 0, fill = strcmp(n, ">>>") == 0 || strcmp(n, "shiftrightunsigned") == 0;
    bool wide = out->phys == PHYS_I64;
    KERNEL_EACH_VALUE(k, r) {
        int64_t a = arg_i64(&args[0], r);
        unsigned by = (unsigned)arg_i64(&args[1], r) & (wide ? 63 : 31);
        uint64_t bits = wide ? (uint64_t)a : (uint32_t)a;
        put(out, r, left ? (int64_t)((uint64_t)a << by) : fill ? (int64_t)(bits >> by) : a >> by);
    }
    return 0;
}

static int resolve_count(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (!type_is_integral(t) && t->id != TYPE_BOOLEAN && t->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "(\"INTEGRAL\" or \"BOOLEAN\")", err);
    if (t->id != TYPE_BOOLEAN)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    c->type = type_of(TYPE_INT);
    return 0;
}

static int run_count(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r))
        o[r] = __builtin_popcountll((uint64_t)arg_i64(&args[0], r));
    return 0;
}

static int resolve_get(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (!type_is_integral(t) && t->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "INTEGRAL", err);
    if (t->id == TYPE_NULL)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_TINYINT);
    return 0;
}

static int bad_position(struct kernel *k, int64_t at, int64_t bits)
{
    char name[32], pos[24], upper[24];
    snprintf(name, sizeof name, "`%s`", k->node->fn->name);
    snprintf(pos, sizeof pos, "%lld", (long long)at);
    snprintf(upper, sizeof upper, "%lld", (long long)bits);
    return kernel_raise(k, ERR_INVALID_ARG_BIT, "functionName", name, "parameter", "`pos`", "invalidValue", pos, "upper", upper, NULL);
}

static int run_get(struct kernel *k, const struct column *args, struct column *out)
{
    int8_t *o = kernel_out(k, out);
    int64_t bits = phys_bytes(args[0].phys) * 8;
    KERNEL_EACH_VALUE(k, r) {
        int64_t at = arg_i64(&args[1], r);
        if (at < 0 || at >= bits)
            return bad_position(k, at, bits);
        o[r] = (int8_t)(arg_i64(&args[0], r) >> at & 1);
    }
    return 0;
}

#define N FN_NULL_ANY
const struct fn_row fn_bit_rows[] = {
    {"&", 2, 2, N, resolve_bits, run_bits, "bits that both have"},
    {"|", 2, 2, N, resolve_bits, run_bits, "bits that any has"},
    {"^", 2, 2, N, resolve_bits, run_bits, "bits that one has"},
    {"~", 1, 1, N, resolve_bits, run_bits, "all bits turned"},
    {"<<", 2, 2, N, resolve_shift, run_shift, "bits moved left"},
    {">>", 2, 2, N, resolve_shift, run_shift, "bits moved right, the sign kept"},
    {">>>", 2, 2, N, resolve_shift, run_shift, "bits moved right, zeros from the left"},
    {"shiftleft", 2, 2, N, resolve_shift, run_shift, "bits moved left"},
    {"shiftright", 2, 2, N, resolve_shift, run_shift, "bits moved right, the sign kept"},
    {"shiftrightunsigned", 2, 2, N, resolve_shift, run_shift, "bits moved right, zeros from the left"},
    {"bit_count", 1, 1, N, resolve_count, run_count, "how many bits are set"},
    {"bit_get", 2, 2, N | FN_RAISES_ALWAYS, resolve_get, run_get, "one bit"},
    {"getbit", 2, 2, N | FN_RAISES_ALWAYS, resolve_get, run_get, "one bit"},
    {0}};
