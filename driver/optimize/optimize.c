/* Runs the rules in order; see optimize.h and README.md. */
#include "driver/optimize/rule.h"

static uint32_t max_id_expr(const struct expr *e);

static uint32_t max_id(const struct logical *lp)
{
    uint32_t max = 0, v;
#define TAKE(x)                                                                                    \
    do {                                                                                           \
        v = (x);                                                                                   \
        max = v > max ? v : max;                                                                   \
    } while (0)
    for (uint32_t i = 0; i < lp->out_count; i++)
        TAKE(lp->out[i].id);
    for (uint32_t i = 0; i < lp->input_count; i++)
        TAKE(max_id(lp->inputs[i]));
    for (uint32_t i = 0; i < lp->expr_count; i++)
        TAKE(max_id_expr(lp->exprs[i]));
    for (uint32_t i = 0; i < lp->agg_count; i++)
        TAKE(max_id_expr(lp->aggs[i]));
    if (lp->condition)
        TAKE(max_id_expr(lp->condition));
    for (uint32_t i = 0; i < lp->sort_count; i++)
        TAKE(max_id_expr(lp->sorts[i].expr));
    return max;
}

static uint32_t max_id_expr(const struct expr *e)
{
    uint32_t max = e->kind == EXPR_COLUMN || e->kind == EXPR_OUTER ? e->column : 0, v;
    for (uint32_t i = 0; i < e->arg_count; i++)
        TAKE(max_id_expr(e->args[i]));
    if (e->filter)
        TAKE(max_id_expr(e->filter));
    if (e->plan)
        TAKE(max_id(e->plan));
    return max;
#undef TAKE
}

/* The result's columns go by position: as they were asked for. */
static struct logical *restore(struct opt *o, struct logical *lp, const struct logical *asked)
{
    bool same = lp->out_count == asked->out_count;
    for (uint32_t i = 0; same && i < lp->out_count; i++)
        same = lp->out[i].id == asked->out[i].id;
    if (same)
        return lp;
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, asked->out_count);
    for (uint32_t i = 0; i < asked->out_count; i++)
        exprs[i] = column_of(o, &asked->out[i]);
    return make_project(o, lp, asked->out, exprs, asked->out_count);
}

int optimize(struct arena *ar, const struct query_ctx *cx, const struct logical *asked, struct optimize_env *env,
             const struct logical **ret, struct error *err)
{
    struct opt o = {.ar = ar, .cx = cx, .env = env, .next_id = max_id(asked) + 1, .err = err};
    o.est = estimates_new(ar, cx, env->table_stats, env->table_stats_ctx);
    struct logical *lp = (struct logical *)(uintptr_t)asked;
    lp = rule_simplify(&o, lp);
    TRY(rule_subqueries(&o, lp, &lp));
    if (asked->kind != LP_WRITE)
        lp = restore(&o, lp, asked); /* filters may have gained columns */
    lp = rule_setops(&o, lp);
    lp = rule_limits(&o, lp);
    lp = rule_pushdown(&o, lp);
    lp = rule_simplify(&o, lp);
    lp = rule_distinct_aggregates(&o, lp);
    lp = rule_prune(&o, lp); /* widths matter to the order of joins */
    if (env->cancel && __atomic_load_n(env->cancel, __ATOMIC_RELAXED))
        return error_set(err, ERR_CANCELLED, "reason", "", NULL);
    lp = rule_reorder(&o, lp);
    lp = rule_pushdown(&o, lp); /* joins in another order derive other filters, and semi joins parted from filters */
    lp = rule_merge_projects(&o, lp);
    lp = rule_limits(&o, lp);
    if (asked->kind != LP_WRITE)
        lp = restore(&o, lp, asked);
    lp = rule_prune(&o, lp);
    if (asked->kind != LP_WRITE)
        lp = restore(&o, lp, asked);
    env->ret_estimates = o.est;
    *ret = lp;
    return 0;
}
