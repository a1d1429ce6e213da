/*
 * LIMIT goes below projections (so that it meets its SORT and becomes a Top) and, copied, into the branches of
 * a union; two limits become one.
 */
#include "driver/optimize/rule.h"

static bool plus(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

static struct logical *push_limit(struct opt *o, struct logical *lp)
{
    struct logical *in = lp->inputs[0];
    if (lp->limit == 0)
        return make_empty(o, lp);
    if (lp->limit < 0 && lp->offset <= 0)
        return in;
    if (in->kind == LP_PROJECT) {
        struct logical *below = push_limit(o, make_limit(o, in->inputs[0], lp->limit, lp->offset));
        return logical_with_inputs(o, in, &below);
    }
    if (in->kind == LP_LIMIT) {
        int64_t offset, limit = lp->limit;
        int64_t left = in->limit < 0 ? -1 : in->limit > lp->offset ? in->limit - lp->offset : 0;
        if (left >= 0 && (limit < 0 || limit > left))
            limit = left;
        if (plus(in->offset, lp->offset, &offset))
            return push_limit(o, make_limit(o, in->inputs[0], limit, offset));
    }
    int64_t rows;
    if (in->kind == LP_UNION && lp->limit >= 0 && plus(lp->limit, lp->offset, &rows)) {
        struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, in->input_count);
        for (uint32_t i = 0; i < in->input_count; i++) {
            bool done = in->inputs[i]->kind == LP_LIMIT && in->inputs[i]->limit <= rows;
            inputs[i] = done ? in->inputs[i] : make_limit(o, in->inputs[i], rows, 0);
        }
        struct logical *copy = logical_copy(o, lp);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
        copy->inputs[0] = logical_with_inputs(o, in, inputs);
        return copy;
    }
    return lp;
}

struct logical *rule_limits(struct opt *o, struct logical *lp)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        inputs[i] = rule_limits(o, lp->inputs[i]);
    lp = logical_with_inputs(o, lp, inputs);
    return lp->kind == LP_LIMIT ? push_limit(o, lp) : lp;
}
