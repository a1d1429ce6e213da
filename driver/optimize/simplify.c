/*
 * Constant folding and boolean simplification.
 *
 * A constant whose evaluation fails (1/0) stays as it is: the error belongs to the rows that evaluate it.
 * (a and b) or (a and c) becomes a and (b or c): that is what gives TPC-H Q19 its join key. x = 1 or x = 2
 * becomes x in (1, 2), which statistics and dictionaries can use. NOT moves inwards where three-valued
 * logic allows it (comparisons and De Morgan), so that conjuncts can part.
 */
#include "driver/optimize/rule.h"
#include "common/expr/fn.h"

static bool all_literal(const struct expr *e)
{
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (e->args[i]->kind != EXPR_LITERAL)
            return false;
    return true;
}

static struct expr *fold(struct opt *o, struct expr *e)
{
    struct value v;
    struct error err = ERROR_INIT;
    if (type_is_nested(e->type) || expr_fold(o->ar, o->cx, e, &v, &err) != 0) {
        error_fini(&err);
        return e;
    }
    v.type = e->type;
    struct expr *lit = expr_literal(o->ar, v);
    lit->span = e->span;
    return lit;
}

static struct expr *simplify_and(struct opt *o, struct expr *e)
{
    struct exprs parts = {0}, kept = {0};
    exprs_add_conjuncts(o->ar, &parts, e);
    for (uint32_t i = 0; i < parts.count; i++) {
        if (is_literal_bool(parts.items[i], false))
            return expr_bool(o->ar, false);
        if (!exprs_has(&kept, parts.items[i]) || !expr_is_deterministic(parts.items[i]))
            exprs_add(o->ar, &kept, parts.items[i]);
    }
    if (kept.count == parts.count && parts.count > 1) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (is_literal_bool(e->args[i], true))
                return exprs_and(o->ar, &kept);
        return e;
    }
    return kept.count ? exprs_and(o->ar, &kept) : expr_bool(o->ar, true);
}

/* x = literal, or x in (literals): the values; NULL when it is neither. */
static struct expr *in_subject(const struct expr *e)
{
    if (is_call(e, "=") && e->args[1]->kind == EXPR_LITERAL && e->args[0]->kind == EXPR_COLUMN &&
        e->args[0]->type == e->args[1]->type)
        return e->args[0];
    if (is_call(e, "in") && e->args[0]->kind == EXPR_COLUMN) {
        for (uint32_t i = 1; i < e->arg_count; i++)
            if (e->args[i]->kind != EXPR_LITERAL || e->args[i]->type != e->args[0]->type)
                return NULL;
        return e->args[0];
    }
    return NULL;
}

/* Branches that test one column for constants become one IN. */
static void join_equalities(struct opt *o, struct exprs *branches)
{
    for (uint32_t i = 0; i < branches->count; i++) {
        struct expr *subject = in_subject(branches->items[i]);
        if (!subject)
            continue;
        struct exprs args = {0};
        exprs_add(o->ar, &args, subject);
        bool grew = false;
        uint32_t kept = i + 1;
        for (uint32_t j = i; j < branches->count; j++) {
            struct expr *b = branches->items[j], *s = in_subject(b);
            if (s && s->column == subject->column) {
                for (uint32_t k = 1; k < b->arg_count; k++)
                    if (!exprs_has(&args, b->args[k]))
                        exprs_add(o->ar, &args, b->args[k]);
                grew = grew || j > i;
            } else if (j > i) {
                branches->items[kept++] = b;
            }
        }
        if (!grew)
            continue;
        struct expr *in = NULL;
        struct error err = ERROR_INIT;
        if (expr_call(o->ar, o->cx, args.count == 2 ? "=" : "in", args.items, args.count, subject->span, &in, &err) != 0)
            UNREACHABLE("IN of equal types");
        branches->items[i] = in;
        branches->count = kept;
    }
}

static struct expr *simplify_or(struct opt *o, struct expr *e)
{
    struct exprs branches = {0}, kept = {0};
    exprs_add_disjuncts(o->ar, &branches, e);
    for (uint32_t i = 0; i < branches.count; i++) {
        if (is_literal_bool(branches.items[i], true))
            return expr_bool(o->ar, true);
        if (is_literal_bool(branches.items[i], false))
            continue;
        if (!exprs_has(&kept, branches.items[i]) || !expr_is_deterministic(branches.items[i]))
            exprs_add(o->ar, &kept, branches.items[i]);
    }
    if (kept.count == 0)
        return expr_bool(o->ar, false);
    if (kept.count == 1)
        return kept.items[0];
    /* Conjuncts that every branch has. */
    struct exprs *parts = ARENA_ARRAY(o->ar, struct exprs, kept.count);
    for (uint32_t i = 0; i < kept.count; i++)
        exprs_add_conjuncts(o->ar, &parts[i], kept.items[i]);
    struct exprs common = {0};
    for (uint32_t i = 0; i < parts[0].count; i++) {
        struct expr *c = parts[0].items[i];
        bool everywhere = expr_is_deterministic(c);
        for (uint32_t j = 1; everywhere && j < kept.count; j++)
            everywhere = exprs_has(&parts[j], c);
        if (everywhere && !exprs_has(&common, c))
            exprs_add(o->ar, &common, c);
    }
    if (common.count) {
        struct exprs rests = {0};
        for (uint32_t i = 0; i < kept.count; i++) {
            struct exprs rest = {0};
            for (uint32_t j = 0; j < parts[i].count; j++)
                if (!exprs_has(&common, parts[i].items[j]))
                    exprs_add(o->ar, &rest, parts[i].items[j]);
            if (rest.count == 0) { /* a or (a and b) is a */
                rests.count = 0;
                break;
            }
            exprs_add(o->ar, &rests, exprs_and(o->ar, &rest));
        }
        if (rests.count) {
            join_equalities(o, &rests);
            exprs_add(o->ar, &common, exprs_or(o, &rests));
        }
        return exprs_and(o->ar, &common);
    }
    uint32_t before = kept.count;
    join_equalities(o, &kept);
    if (kept.count == branches.count && kept.count == before)
        return e;
    return exprs_or(o, &kept);
}

static struct expr *simplify_not(struct opt *o, struct expr *e)
{
    static const char *const flips[][2] = {{"=", "!="}, {"!=", "="}, {"<", ">="}, {">=", "<"}, {">", "<="}, {"<=", ">"},
                                           {"isnull", "isnotnull"}, {"isnotnull", "isnull"}};
    struct expr *a = e->args[0];
    if (is_call(a, "not"))
        return a->args[0];
    for (uint32_t i = 0; i < ARRAY_LEN(flips); i++) {
        if (is_call(a, flips[i][0]))
            return a->arg_count == 1 ? call1(o, flips[i][1], a->args[0]) : call2(o, flips[i][1], a->args[0], a->args[1]);
    }
    if ((is_call(a, "and") || is_call(a, "or")) && !expr_has_kind(a, EXPR_SUBQUERY) && !expr_can_raise(a)) {
        bool is_and = is_call(a, "and");
        struct expr *all = NULL;
        for (uint32_t i = 0; i < a->arg_count; i++) {
            struct expr *part = simplify_not(o, call1(o, "not", a->args[i]));
            all = all ? call2(o, is_and ? "or" : "and", all, part) : part;
        }
        return is_and ? simplify_or(o, all) : simplify_and(o, all);
    }
    return e;
}

/* cast(int column as wider int) op literal: the literal goes to the column's type when it fits. */
static struct expr *unwrap_cast(struct opt *o, struct expr *e)
{
    if (e->arg_count != 2 || e->args[1]->kind != EXPR_LITERAL || e->args[1]->literal.null || !is_call(e->args[0], "cast"))
        return e;
    struct expr *inner = e->args[0]->args[0], *lit = e->args[1];
    if (!type_is_integral(inner->type) || !type_is_integral(e->args[0]->type) || inner->type->id >= e->args[0]->type->id)
        return e;
    static const int bits[] = {[TYPE_TINYINT] = 8, [TYPE_SMALLINT] = 16, [TYPE_INT] = 32, [TYPE_BIGINT] = 64};
    int64_t max = (int64_t)(((uint64_t)1 << (bits[inner->type->id] - 1)) - 1);
    if (lit->literal.i > max || lit->literal.i < -max - 1)
        return e;
    struct value v = {.type = inner->type, .i = lit->literal.i};
    struct expr *narrow = expr_literal(o->ar, v);
    narrow->span = lit->span;
    struct expr *ret = call2(o, e->fn->name, inner, narrow);
    ret->span = e->span;
    return ret;
}

static struct expr *flip_comparison(struct opt *o, struct expr *e)
{
    static const char *const flips[][2] = {{"=", "="}, {"!=", "!="}, {"<", ">"}, {">", "<"}, {"<=", ">="}, {">=", "<="}};
    if (e->arg_count != 2 || e->args[0]->kind != EXPR_LITERAL || e->args[1]->kind == EXPR_LITERAL)
        return e;
    for (uint32_t i = 0; i < ARRAY_LEN(flips); i++)
        if (is_call(e, flips[i][0])) {
            struct expr *ret = call2(o, flips[i][1], e->args[1], e->args[0]);
            ret->span = e->span;
            return ret;
        }
    return e;
}

/* NULL for a NULL among its arguments, whatever the others are: they are not evaluated, even where they would raise. */
static bool null_of_null(const struct expr *e)
{
    bool null = false;
    for (uint32_t i = 0; i < e->arg_count; i++)
        null |= is_literal_null(e->args[i]);
    return null && (e->fn->flags & (FN_NULL_ANY | FN_OWN_NULLS | FN_RANDOM)) == FN_NULL_ANY && !type_is_nested(e->type);
}

static struct expr *simplify_one(struct arena *ar, struct expr *e, void *arg)
{
    (void)ar;
    struct opt *o = arg;
    if (e->kind != EXPR_CALL)
        return e;
    if (all_literal(e) && expr_is_foldable(e))
        return fold(o, e);
    if (null_of_null(e)) {
        struct expr *null = expr_null(o->ar, e->type);
        null->span = e->span;
        return null;
    }
    if (is_call(e, "and"))
        return simplify_and(o, e);
    if (is_call(e, "or"))
        return simplify_or(o, e);
    if (is_call(e, "not"))
        return simplify_not(o, e);
    if (is_call(e, "if") && e->args[0]->kind == EXPR_LITERAL) {
        struct expr *pick = is_literal_bool(e->args[0], true) ? e->args[1] : e->args[2];
        return pick->type == e->type ? pick : e;
    }
    if (is_call(e, "=") || is_call(e, "!=") || is_call(e, "<") || is_call(e, "<=") || is_call(e, ">") ||
        is_call(e, ">="))
        return unwrap_cast(o, flip_comparison(o, e));
    return e;
}

struct expr *simplify_expr(struct opt *o, struct expr *e)
{
    return expr_rewrite(o->ar, e, simplify_one, o);
}

static struct expr *simplify_subplans(struct arena *ar, struct expr *e, void *arg)
{
    struct opt *o = arg;
    if (e->kind != EXPR_SUBQUERY)
        return e;
    struct logical *plan = rule_simplify(o, e->plan);
    if (plan == e->plan)
        return e;
    struct expr *copy = arena_dup(ar, e, sizeof *e);
    copy->plan = plan;
    return copy;
}

static struct expr *simplify_both(struct opt *o, struct expr *e, void *ctx)
{
    (void)ctx;
    struct expr *ret = simplify_expr(o, e);
    if (expr_has_kind(ret, EXPR_SUBQUERY))
        ret = expr_rewrite(o->ar, ret, simplify_subplans, o);
    return ret;
}

struct logical *rule_simplify(struct opt *o, struct logical *lp)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        inputs[i] = rule_simplify(o, lp->inputs[i]);
    struct logical *ret = logical_with_inputs(o, lp, inputs);
    ret = logical_map(o, ret, simplify_both, NULL);
    if (ret->kind == LP_FILTER &&
        (ret->condition->kind == EXPR_LITERAL)) {
        if (is_literal_bool(ret->condition, true))
            return ret->inputs[0];
        return make_empty(o, ret);
    }
    return ret;
}
