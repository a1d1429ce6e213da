/* = <=> < <= > >= != and IN: comparisons, with direct loops for fixed-width values and strings. */
#include "common/expr/fn_impl.h"

enum cmp { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

static enum cmp cmp_of(const char *n)
{
    switch (n[0]) {
    case '=': return CMP_EQ;
    case '!': return CMP_NE;
    case '<': return n[1] == 0 ? CMP_LT : n[1] == '=' && n[2] == 0 ? CMP_LE : CMP_EQ;
    default: return n[1] == 0 ? CMP_GT : CMP_GE;
    }
}

/* All arguments to one type. Decimals of different scale too, so that kernels compare like with like. */
/* != is the negation of =, which is what cannot be. */
static int not_comparable(struct fn_call *c, const struct type *a, const struct type *b, struct error *err)
{
    struct fn_call plain = *c;
    if (strcmp(c->row->name, "!=") == 0)
        plain.row = fn_find("=");
    return fn_diff_types(&plain, a, b, err);
}

static int resolve_compare(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    for (uint32_t i = 1; i < c->arg_count; i++) {
        const struct type *u = c->args[i]->type, *both = type_common(c->cx, t, u);
        if (!c->cx->ansi && t != u && (t->id == TYPE_STRING || u->id == TYPE_STRING)) {
            /* legacy: the string becomes the other side's type */
            const struct type *other = t->id == TYPE_STRING ? u : t;
            if (type_is_numeric(other))
                both = other->id == TYPE_DECIMAL || other->id == TYPE_FLOAT ? type_of(TYPE_DOUBLE) : other;
            else if (!type_is_nested(other) && other->id != TYPE_NULL)
                both = other;
        }
        if (!both && strcmp(c->row->name, "in") == 0)
            return fn_data_diff_types(c, "in", 0, 1, false, err);
        if (!both)
            return not_comparable(c, t, u, err);
        t = both;
    }
    if (t->id == TYPE_MAP)
        return not_comparable(c, t, t, err);
    if (t->id == TYPE_NULL)
        t = type_of(TYPE_BOOLEAN);
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, t, err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

#define LOOP(ctype, test)                                                                          \
    do {                                                                                           \
        const ctype *a = x->data, *b = y->data;                                                    \
        uint32_t sa = x->kind != COL_CONST, sb = y->kind != COL_CONST;                             \
        if (!k->sel && sa && !sb) {                                                                \
            const ctype vb = b[0];                                                                 \
            for (uint32_t i = 0; i < k->rows; i++) {                                               \
                const ctype va = a[i];                                                             \
                out[i] = (test);                                                                   \
            }                                                                                      \
        } else if (!k->sel && sa && sb) {                                                          \
            for (uint32_t i = 0; i < k->rows; i++) {                                               \
                const ctype va = a[i], vb = b[i];                                                  \
                out[i] = (test);                                                                   \
            }                                                                                      \
        } else {                                                                                   \
            for (KERNEL_EACH(k, r)) {                                                              \
                const ctype va = a[r * sa], vb = b[r * sb];                                        \
                out[r] = (test);                                                                   \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#define ALL_OPS(ctype)                                                                             \
    switch (op) {                                                                                  \
    case CMP_EQ: LOOP(ctype, va == vb); break;                                                     \
    case CMP_NE: LOOP(ctype, va != vb); break;                                                     \
    case CMP_LT: LOOP(ctype, va < vb); break;                                                      \
    case CMP_LE: LOOP(ctype, va <= vb); break;                                                     \
    case CMP_GT: LOOP(ctype, va > vb); break;                                                      \
    case CMP_GE: LOOP(ctype, va >= vb); break;                                                     \
    }

static bool holds(enum cmp op, int c)
{
    switch (op) {
    case CMP_EQ: return c == 0;
    case CMP_NE: return c != 0;
    case CMP_LT: return c < 0;
    case CMP_LE: return c <= 0;
    case CMP_GT: return c > 0;
    case CMP_GE: return c >= 0;
    }
    UNREACHABLE("an operator of the enum");
}

/* Strings: equality by the 16 bytes first; order by the prefix first. */
static void compare_text(const struct kernel *k, enum cmp op, const struct column *x, const struct column *y, uint8_t *out)
{
    const struct strview *a = x->data, *b = y->data;
    uint32_t sa = x->kind != COL_CONST, sb = y->kind != COL_CONST;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *va = &a[r * sa], *vb = &b[r * sb];
        out[r] = op <= CMP_NE ? strview_eq(va, vb) == (op == CMP_EQ) : holds(op, strview_cmp(va, vb));
    }
}

static void compare(struct kernel *k, enum cmp op, const struct column *x, const struct column *y, uint8_t *out)
{
    if (x->phys == y->phys) {
        switch (x->phys) {
        case PHYS_BOOL: ALL_OPS(uint8_t); return;
        case PHYS_I8: ALL_OPS(int8_t); return;
        case PHYS_I16: ALL_OPS(int16_t); return;
        case PHYS_I32: ALL_OPS(int32_t); return;
        case PHYS_I64: ALL_OPS(int64_t); return;
        case PHYS_I128: ALL_OPS(int128_t); return;
        case PHYS_STR: compare_text(k, op, x, y, out); return;
        default: break; /* floats order NaN last and equal to itself: column_cmp knows */
        }
    }
    for (KERNEL_EACH(k, r)) {
        if (!(k->nulls && k->nulls[r]))
            out[r] = holds(op, column_cmp(x, r, y, r));
    }
}

static int run_compare(struct kernel *k, const struct column *args, struct column *out)
{
    compare(k, cmp_of(k->node->fn->name), &args[0], &args[1], kernel_out(k, out));
    return 0;
}

static int run_null_safe(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r))
        o[r] = column_eq(&args[0], r, &args[1], r);
    return 0;
}

/* The rows where a or b is null; NULL when none is. Texts of null rows are not there to be looked at. */
static const uint8_t *either_null(struct kernel *k, const struct column *a, const struct column *b)
{
    const uint8_t *x = a->kind == COL_FLAT ? a->nulls : NULL, *y = b->kind == COL_FLAT ? b->nulls : NULL;
    if (!x || !y)
        return x ? x : y;
    uint8_t *both = arena_alloc(k->ar, k->rows + 1);
    for (uint32_t r = 0; r < k->rows; r++)
        both[r] = x[r] | y[r];
    return both;
}

/* value IN (list): true when any equals, null when none does and a null was met. Every item is compared with all rows. */
static int run_in(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out), *hit = arena_alloc(k->ar, k->rows + 16);
    bool any_null = args[0].nulls != NULL;
    for (KERNEL_EACH(k, r))
        o[r] = 0;
    for (uint32_t i = 1; i < k->node->arg_count; i++) {
        any_null |= args[i].nulls != NULL;
        if (args[i].kind == COL_CONST && column_is_null(&args[i], 0))
            continue;
        struct kernel inner = *k;
        inner.nulls = args[0].phys == PHYS_STR ? either_null(k, &args[0], &args[i]) : NULL;
        memset(hit, 0, k->rows);
        compare(&inner, CMP_EQ, &args[0], &args[i], hit);
        if (args[i].nulls) {
            for (KERNEL_EACH(k, r))
                o[r] |= hit[r] && !column_is_null(&args[i], r);
        } else if (k->sel) {
            for (KERNEL_EACH(k, r))
                o[r] |= hit[r];
        } else {
            for (uint32_t r = 0; r < k->rows; r++)
                o[r] |= hit[r];
        }
    }
    if (!any_null)
        return 0;
    uint8_t *nulls = kernel_nulls(k, out);
    for (KERNEL_EACH(k, r)) {
        bool null = column_is_null(&args[0], r);
        for (uint32_t i = 1; i < k->node->arg_count && !null && !o[r]; i++)
            null = column_is_null(&args[i], r);
        nulls[r] = null;
    }
    return 0;
}

#define ROW(name, doc) {name, 2, 2, FN_NULL_ANY, resolve_compare, run_compare, doc}
const struct fn_row fn_compare_rows[] = {
    ROW("=", "equal"),
    ROW("!=", "not equal"),
    ROW("<", "less"),
    ROW("<=", "less or equal"),
    ROW(">", "greater"),
    ROW(">=", "greater or equal"),
    {"<=>", 2, 2, FN_NEVER_NULL, resolve_compare, run_null_safe, "equal, two nulls too"},
    {"in", 2, 255, FN_OWN_NULLS, resolve_compare, run_in, "whether the first argument equals one of the others"},
    {0}};
