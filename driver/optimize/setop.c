/*
 * DISTINCT, INTERSECT and EXCEPT as aggregates and joins.
 *
 * DISTINCT is a GROUP BY all columns. INTERSECT is a semi join, EXCEPT an anti join of the distinct left side
 * on null-safe equality of all columns. The ALL variants count: both sides go through one GROUP BY with a
 * count of each side; a row is then due min(l, r) or l - r times, which a chain of joins with the sixteen
 * digits of a hexadecimal number makes without any operator of its own: a copy number's digits are joined
 * from the highest down, each under the condition that the number is still below the count.
 */
#include "driver/optimize/rule.h"

static struct logical *distinct_of(struct opt *o, struct logical *in)
{
    struct logical *lp = ARENA_NEW(o->ar, struct logical);
    lp->kind = LP_AGGREGATE;
    lp->span = in->span;
    lp->limit = -1;
    lp->input_count = 1;
    lp->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    lp->inputs[0] = in;
    lp->out_count = lp->expr_count = in->out_count;
    lp->out = in->out;
    lp->exprs = ARENA_ARRAY(o->ar, struct expr *, in->out_count);
    for (uint32_t i = 0; i < in->out_count; i++)
        lp->exprs[i] = column_of(o, &in->out[i]);
    return lp;
}

/* Columns of in under the names and ids of out, position by position; casts where types differ. */
static struct logical *rename_to(struct opt *o, struct logical *in, const struct lcol *out, uint32_t count)
{
    if (has_columns(in, out, count))
        return in;
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, count);
    for (uint32_t i = 0; i < count; i++)
        exprs[i] = expr_cast_must(o->ar, o->cx, column_of(o, &in->out[i]), out[i].type);
    return make_project(o, in, arena_dup(o->ar, out, (count ? count : 1) * sizeof *out), exprs, count);
}

static struct logical *by_join(struct opt *o, struct logical *lp)
{
    struct logical *left = distinct_of(o, lp->inputs[0]), *right = lp->inputs[1];
    struct expr *cond = NULL;
    for (uint32_t i = 0; i < left->out_count; i++)
        cond = expr_and(o->ar, cond, call2(o, "<=>", column_of(o, &left->out[i]), column_of(o, &right->out[i])));
    return make_join(o, lp->setop == SETOP_INTERSECT ? JOIN_SEMI : JOIN_ANTI, left, right, cond);
}

/* in's columns under fresh ids, then two counters. */
static struct logical *with_counts(struct opt *o, struct logical *in, int64_t left, int64_t right)
{
    uint32_t n = in->out_count;
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, n + 2);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, n + 2);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = new_col(o, in->out[i].name, in->out[i].type, in->out[i].nullable);
        exprs[i] = column_of(o, &in->out[i]);
    }
    out[n] = new_col(o, "l", type_of(TYPE_BIGINT), false);
    exprs[n] = expr_bigint(o->ar, left);
    out[n + 1] = new_col(o, "r", type_of(TYPE_BIGINT), false);
    exprs[n + 1] = expr_bigint(o->ar, right);
    return make_project(o, in, out, exprs, n + 2);
}

static struct expr *sum_of(struct opt *o, const struct lcol *col)
{
    struct expr *ret = NULL, **args = ARENA_ARRAY(o->ar, struct expr *, 1);
    struct error err = ERROR_INIT;
    args[0] = column_of(o, col);
    if (agg_call(o->ar, o->cx, agg_find("sum"), args, 1, false, NULL, (struct span){0, 0}, &ret, &err) != 0)
        UNREACHABLE("sum of a bigint");
    return ret;
}

static struct logical *by_counting(struct opt *o, struct logical *lp)
{
    enum { DIGIT_BITS = 4, DIGITS = 8 };
    uint32_t n = lp->out_count;
    struct logical *both = ARENA_NEW(o->ar, struct logical);
    both->kind = LP_UNION;
    both->span = lp->span;
    both->limit = -1;
    both->input_count = 2;
    both->inputs = ARENA_ARRAY(o->ar, struct logical *, 2);
    both->inputs[0] = with_counts(o, lp->inputs[0], 1, 0);
    both->inputs[1] = with_counts(o, lp->inputs[1], 0, 1);
    both->out_count = n + 2;
    both->out = ARENA_ARRAY(o->ar, struct lcol, n + 2);
    for (uint32_t i = 0; i < n + 2; i++) {
        struct lcol *l = &both->inputs[0]->out[i], *r = &both->inputs[1]->out[i];
        both->out[i] = new_col(o, l->name, l->type, l->nullable || r->nullable);
    }
    struct logical *agg = ARENA_NEW(o->ar, struct logical);
    agg->kind = LP_AGGREGATE;
    agg->span = lp->span;
    agg->limit = -1;
    agg->input_count = 1;
    agg->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    agg->inputs[0] = both;
    agg->expr_count = n;
    agg->exprs = ARENA_ARRAY(o->ar, struct expr *, n);
    agg->out_count = n + 2;
    agg->out = ARENA_ARRAY(o->ar, struct lcol, n + 2);
    for (uint32_t i = 0; i < n; i++) {
        agg->exprs[i] = column_of(o, &both->out[i]);
        agg->out[i] = new_col(o, both->out[i].name, both->out[i].type, both->out[i].nullable);
    }
    agg->agg_count = 2;
    agg->aggs = ARENA_ARRAY(o->ar, struct expr *, 2);
    for (uint32_t i = 0; i < 2; i++) {
        agg->aggs[i] = sum_of(o, &both->out[n + i]);
        agg->out[n + i] = new_col(o, "n", agg->aggs[i]->type, true);
    }
    struct expr *l = column_of(o, &agg->out[n]), *r = column_of(o, &agg->out[n + 1]);
    struct expr *due = lp->setop == SETOP_INTERSECT ? call2(o, "least", l, r) : call2(o, "-", l, r);
    uint32_t due_id;
    struct logical *ret = project_add(o, agg, due, "due", &due_id);
    due = column_of(o, &ret->out[ret->out_count - 1]);
    ret = make_filter(o, ret, call2(o, ">", due, expr_bigint(o->ar, 0)));
    struct expr *number = NULL;
    for (int digit = DIGITS - 1; digit >= 0; digit--) {
        struct logical *range = ARENA_NEW(o->ar, struct logical);
        range->kind = LP_RANGE;
        range->limit = -1;
        range->range_end = 1 << DIGIT_BITS;
        range->range_step = 1;
        range->range_parts = 1;
        range->out_count = 1;
        range->out = ARENA_ARRAY(o->ar, struct lcol, 1);
        range->out[0] = new_col(o, "id", type_of(TYPE_BIGINT), false);
        struct expr *value = call2(o, "*", column_of(o, &range->out[0]), expr_bigint(o->ar, (int64_t)1 << (digit * DIGIT_BITS)));
        number = number ? call2(o, "+", number, value) : value;
        ret = make_join(o, JOIN_INNER, ret, range, call2(o, "<", number, due));
    }
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, n);
    for (uint32_t i = 0; i < n; i++)
        exprs[i] = column_of(o, &agg->out[i]);
    return make_project(o, ret, arena_dup(o->ar, agg->out, (n ? n : 1) * sizeof *agg->out), exprs, n);
}

struct logical *rule_setops(struct opt *o, struct logical *lp)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        inputs[i] = rule_setops(o, lp->inputs[i]);
    lp = logical_with_inputs(o, lp, inputs);
    if (lp->kind == LP_DISTINCT)
        return rename_to(o, distinct_of(o, lp->inputs[0]), lp->out, lp->out_count);
    if (lp->kind == LP_SETOP)
        return rename_to(o, lp->setop_all ? by_counting(o, lp) : by_join(o, lp), lp->out, lp->out_count);
    return lp;
}
