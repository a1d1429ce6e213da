/* Which columns of the queries around it a subquery reads. */
#include "driver/analyze/analyze_impl.h"

struct visit {
    void (*outer)(const struct expr *e, void *ctx); /* for each reference, in the order of the plan */
    void *ctx;
};

static void visit_plan(const struct visit *v, const struct logical *lp);

static void visit_expr(const struct visit *v, const struct expr *e)
{
    if (e->kind == EXPR_OUTER)
        v->outer(e, v->ctx);
    for (uint32_t i = 0; i < e->arg_count; i++)
        visit_expr(v, e->args[i]);
    if (e->filter)
        visit_expr(v, e->filter);
    if (e->plan)
        visit_plan(v, e->plan);
}

static void visit_list(const struct visit *v, struct expr *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        visit_expr(v, list[i]);
}

static void visit_plan(const struct visit *v, const struct logical *lp)
{
    visit_list(v, lp->exprs, lp->expr_count);
    visit_list(v, lp->aggs, lp->agg_count);
    if (lp->condition)
        visit_expr(v, lp->condition);
    for (uint32_t i = 0; i < lp->sort_count; i++)
        visit_expr(v, lp->sorts[i].expr);
    for (uint32_t i = 0; i < lp->row_count; i++)
        visit_list(v, lp->rows[i], lp->out_count);
    for (uint32_t i = 0; i < lp->list_count; i++)
        visit_list(v, lp->lists[i], lp->out_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        visit_plan(v, lp->inputs[i]);
}

/* ---- a column that grouping leaves nothing of ---- */

struct search {
    const struct logical *in;
    const struct lcol *keys;
    uint32_t key_count;
    const struct expr *found;
};

static bool has(const struct lcol *cols, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (cols[i].id == id)
            return true;
    }
    return false;
}

static void search_one(const struct expr *e, void *ctx)
{
    struct search *s = ctx;
    if (!s->found && has(s->in->out, s->in->out_count, e->column) && !has(s->keys, s->key_count, e->column))
        s->found = e;
}

const struct expr *outer_but_keys(const struct expr *e, const struct logical *in, const struct lcol *keys, uint32_t key_count)
{
    struct search s = {in, keys, key_count, NULL};
    visit_expr(&(struct visit){search_one, &s}, e);
    return s.found;
}

/* ---- names ---- */

struct naming {
    const struct scope *scope;
    struct buf *out;
};

static void name_one(const struct expr *e, void *ctx)
{
    const struct naming *n = ctx;
    for (const struct scope *s = n->scope; s; s = s->outer) { /* a subquery further in may read columns of this one */
        for (uint32_t i = 0; i < s->count; i++) {
            if (s->cols[i].col.id != e->column)
                continue;
            buf_addf(n->out, "%s%s", n->out->bytes ? ", " : "", e->name);
            return;
        }
    }
}

const char *outer_names(struct binder *b, const struct scope *s, const struct logical *plan)
{
    struct buf text = BUF_INIT;
    struct naming n = {s, &text};
    visit_plan(&(struct visit){name_one, &n}, plan);
    const char *ret = text.bytes ? arena_strdup(b->ar, text.data) : NULL;
    buf_fini(&text);
    return ret;
}
