/*
 * Projections: two in a row become one, and one that only passes columns on goes, except where positions
 * count (below a union, a write, and at the top). What is computed twice by merging is not merged: an inner
 * expression that is more than a column and used more than once stays where it is.
 */
#include "driver/optimize/rule.h"

static void count_uses(const struct expr *e, const struct logical *in, uint32_t *uses)
{
    if (e->kind == EXPR_COLUMN)
        for (uint32_t i = 0; i < in->out_count; i++)
            if (in->out[i].id == e->column)
                uses[i]++;
    for (uint32_t i = 0; i < e->arg_count; i++)
        count_uses(e->args[i], in, uses);
}

static bool mergeable(struct opt *o, const struct logical *lp)
{
    const struct logical *in = lp->inputs[0];
    uint32_t *uses = ARENA_ARRAY(o->ar, uint32_t, in->out_count);
    for (uint32_t i = 0; i < lp->expr_count; i++)
        count_uses(lp->exprs[i], in, uses);
    for (uint32_t i = 0; i < in->expr_count; i++) {
        const struct expr *e = in->exprs[i];
        bool plain = e->kind == EXPR_COLUMN || e->kind == EXPR_LITERAL;
        if (!plain && (uses[i] > 1 || !expr_is_deterministic(e)))
            return false;
    }
    return true;
}

static bool passes_on(const struct logical *lp)
{
    for (uint32_t i = 0; i < lp->expr_count; i++)
        if (lp->exprs[i]->kind != EXPR_COLUMN || lp->exprs[i]->column != lp->out[i].id)
            return false;
    return true;
}

static struct logical *merge(struct opt *o, struct logical *lp, bool positional)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    bool below = lp->kind == LP_UNION || lp->kind == LP_WRITE || lp->kind == LP_DISTINCT || lp->kind == LP_SETOP;
    for (uint32_t i = 0; i < lp->input_count; i++)
        inputs[i] = merge(o, lp->inputs[i], below);
    lp = logical_with_inputs(o, lp, inputs);
    while (lp->kind == LP_PROJECT && lp->inputs[0]->kind == LP_PROJECT && mergeable(o, lp)) {
        struct logical *in = lp->inputs[0], *copy = logical_copy(o, lp);
        copy->exprs = ARENA_ARRAY(o->ar, struct expr *, lp->expr_count);
        for (uint32_t i = 0; i < lp->expr_count; i++)
            copy->exprs[i] = expr_replace(o, lp->exprs[i], in->out, in->exprs, in->out_count);
        copy->inputs = in->inputs;
        lp = copy;
    }
    if (lp->kind == LP_PROJECT && !positional && passes_on(lp))
        return lp->inputs[0];
    return lp;
}

struct logical *rule_merge_projects(struct opt *o, struct logical *lp)
{
    return merge(o, lp, true);
}
