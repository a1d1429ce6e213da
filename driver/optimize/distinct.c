/*
 * Distinct aggregates.
 *
 * min and max do not care and lose the word. When all aggregates of a node are distinct over the same arguments,
 * they become plain ones over a GROUP BY keys and arguments, so that both steps run in parallel with partial
 * aggregation. sum, count, min and max may stand beside them: they are computed per inner group and then once
 * more (a count by summing). Anything else stays distinct; the physical planner then brings all rows of a
 * group together and the operator keeps a set per group.
 */
#include "driver/optimize/rule.h"

static bool same_args(const struct expr *a, const struct expr *b)
{
    if (a->arg_count != b->arg_count)
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!expr_eq(a->args[i], b->args[i]))
            return false;
    return true;
}

static bool named(const struct expr *agg, const char *name)
{
    return strcmp(agg_name(agg->agg), name) == 0;
}

static struct expr *drop_word(struct opt *o, struct expr *agg)
{
    if (!agg->distinct || !(named(agg, "min") || named(agg, "max")))
        return agg;
    struct expr *copy = arena_dup(o->ar, agg, sizeof *agg);
    copy->distinct = false;
    return copy;
}

static struct expr *plain_agg(struct opt *o, const char *name, struct expr *arg)
{
    struct expr *ret = NULL, **args = ARENA_ARRAY(o->ar, struct expr *, 1);
    struct error err = ERROR_INIT;
    args[0] = arg;
    if (agg_call(o->ar, o->cx, agg_find(name), args, 1, false, NULL, (struct span){0, 0}, &ret, &err) != 0)
        UNREACHABLE("an aggregate of an aggregate");
    return ret;
}

static struct logical *two_steps(struct opt *o, struct logical *lp)
{
    const struct expr *model = NULL;
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        const struct expr *a = lp->aggs[i];
        if (a->distinct) {
            if (a->filter || (model && !same_args(model, a)))
                return lp;
            model = a;
        } else if (!(named(a, "count") || named(a, "min") || named(a, "max") || (named(a, "sum") && a->type->id != TYPE_DECIMAL))) {
            return lp;
        }
    }
    if (!model || model->arg_count == 0)
        return lp;
    uint32_t keys = lp->expr_count, args = model->arg_count, total = keys + args;
    struct logical *inner = logical_copy(o, lp);
    inner->expr_count = total;
    inner->exprs = ARENA_ARRAY(o->ar, struct expr *, total);
    inner->out = ARENA_ARRAY(o->ar, struct lcol, total + lp->agg_count);
    inner->aggs = ARENA_ARRAY(o->ar, struct expr *, lp->agg_count);
    inner->agg_count = 0;
    for (uint32_t i = 0; i < total; i++) {
        struct expr *e = i < keys ? lp->exprs[i] : model->args[i - keys];
        inner->exprs[i] = e;
        inner->out[i] = new_col(o, e->name ? e->name : "key", e->type, e->nullable);
    }
    struct logical *outer = logical_copy(o, lp);
    outer->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    outer->inputs[0] = inner;
    outer->exprs = ARENA_ARRAY(o->ar, struct expr *, keys);
    outer->aggs = ARENA_ARRAY(o->ar, struct expr *, lp->agg_count);
    for (uint32_t i = 0; i < keys; i++)
        outer->exprs[i] = column_of(o, &inner->out[i]);
    bool restore = false; /* count over no groups is 0, a sum of counts is null */
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        struct expr *a = lp->aggs[i];
        if (a->distinct) {
            struct expr *copy = arena_dup(o->ar, a, sizeof *a);
            copy->distinct = false;
            copy->args = ARENA_ARRAY(o->ar, struct expr *, args);
            for (uint32_t j = 0; j < args; j++)
                copy->args[j] = column_of(o, &inner->out[keys + j]);
            outer->aggs[i] = copy;
            continue;
        }
        struct lcol col = new_col(o, "partial", a->type, true);
        inner->out[total + inner->agg_count] = col;
        inner->aggs[inner->agg_count++] = a;
        outer->aggs[i] = plain_agg(o, named(a, "count") ? "sum" : agg_name(a->agg), column_of(o, &col));
        if (outer->aggs[i]->type != a->type)
            return lp;
        restore = restore || named(a, "count");
    }
    inner->out_count = total + inner->agg_count;
    if (!restore || keys)
        return outer;
    /* No keys: coalesce the summed counts. */
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, lp->out_count);
    struct lcol *cols = ARENA_ARRAY(o->ar, struct lcol, lp->out_count);
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        cols[i] = new_col(o, lp->out[i].name, lp->out[i].type, true);
        exprs[i] = column_of(o, &cols[i]);
        if (!lp->aggs[i]->distinct && named(lp->aggs[i], "count"))
            exprs[i] = call2(o, "coalesce", exprs[i], expr_bigint(o->ar, 0));
    }
    outer->out = cols;
    return make_project(o, outer, lp->out, exprs, lp->out_count);
}

struct logical *rule_distinct_aggregates(struct opt *o, struct logical *lp)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        inputs[i] = rule_distinct_aggregates(o, lp->inputs[i]);
    lp = logical_with_inputs(o, lp, inputs);
    if (lp->kind != LP_AGGREGATE)
        return lp;
    bool any = false;
    struct expr **aggs = ARENA_ARRAY(o->ar, struct expr *, lp->agg_count);
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        aggs[i] = drop_word(o, lp->aggs[i]);
        any = any || lp->aggs[i]->distinct;
    }
    if (!any)
        return lp;
    struct logical *copy = logical_copy(o, lp);
    copy->aggs = aggs;
    return two_steps(o, copy);
}
