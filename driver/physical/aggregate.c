/*
 * Aggregation: in one step where all rows of a group are together already, else partial ones per task, an exchange by
 * the keys' hash (or a gather when groups are few or there are no keys), and final ones.
 * Aggregates that are still distinct need a group's raw rows together: no partial step.
 */
#include "driver/physical/physical_impl.h"

#include <math.h>

static void fill_agg(struct planner *pl, const struct frag *f, const struct expr *e, struct plan_agg *a)
{
    const struct type **types = ARENA_ARRAY(pl->ar, const struct type *, e->arg_count);
    a->args = ARENA_ARRAY(pl->ar, struct expr *, e->arg_count);
    for (uint32_t i = 0; i < e->arg_count; i++) {
        a->args[i] = place_expr(pl, f, e->args[i]);
        types[i] = e->args[i]->type;
    }
    a->spec = (struct agg_spec){.row = e->agg, .result = e->type, .arg_count = e->arg_count, .arg_types = types, .mode = e->mode};
    a->filter = e->filter ? place_expr(pl, f, e->filter) : NULL;
    a->distinct = e->distinct;
}

/* Whether rows of one group are in one task. */
static bool together(const struct frag *f, const struct logical *lp)
{
    if (f->tasks == 1)
        return true;
    if (!f->hashed || lp->expr_count == 0)
        return false;
    for (uint32_t i = 0; i < f->hash_id_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < lp->expr_count && !found; k++)
            found = lp->exprs[k]->kind == EXPR_COLUMN && lp->exprs[k]->column == f->hash_ids[i];
        if (!found)
            return false;
    }
    return true;
}

static struct pnode *agg_node(struct planner *pl, struct frag *f, const struct logical *lp, enum agg_mode mode)
{
    struct pnode *n = new_pnode(pl, PN_AGGREGATE, 1);
    n->inputs[0] = f->node;
    n->agg_mode = mode;
    n->key_count = lp->expr_count;
    n->keys = ARENA_ARRAY(pl->ar, struct expr *, lp->expr_count);
    n->agg_count = lp->agg_count;
    n->aggs = ARENA_ARRAY(pl->ar, struct plan_agg, lp->agg_count);
    for (uint32_t i = 0; i < lp->expr_count; i++)
        n->keys[i] = place_expr(pl, f, lp->exprs[i]);
    for (uint32_t i = 0; i < lp->agg_count; i++)
        fill_agg(pl, f, lp->aggs[i], &n->aggs[i]);
    n->out.count = lp->out_count;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        n->out.fields[i] = field_of(&lp->out[i]);
    return n;
}

static void partial_schema(struct planner *pl, struct pnode *n, const struct logical *lp)
{
    uint32_t cap = lp->expr_count + lp->agg_count * AGG_PARTIAL_MAX;
    struct field *fields = ARENA_ARRAY(pl->ar, struct field, cap);
    uint32_t count = 0;
    for (uint32_t i = 0; i < lp->expr_count; i++)
        fields[count++] = field_of(&lp->out[i]);
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        const struct type *types[AGG_PARTIAL_MAX];
        uint32_t parts = agg_partial_types(&n->aggs[i].spec, types);
        for (uint32_t p = 0; p < parts; p++)
            fields[count++] = (struct field){lp->out[lp->expr_count + i].name, types[p], true};
    }
    n->out.fields = fields;
    n->out.count = count;
}

static bool order_matters(const struct expr *agg)
{
    static const char *const names[] = {"first", "first_value", "last", "last_value", "any_value", "collect_list", NULL};
    for (uint32_t i = 0; names[i]; i++)
        if (strcmp(agg_name(agg->agg), names[i]) == 0)
            return true;
    return false;
}

static struct expr **column_keys(struct planner *pl, const struct frag *f, uint32_t count)
{
    struct expr **keys = ARENA_ARRAY(pl->ar, struct expr *, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct field *fd = &f->node->out.fields[i];
        keys[i] = expr_column(pl->ar, i, fd->type, fd->nullable, fd->name);
    }
    return keys;
}

static void finish(struct planner *pl, struct frag *f, struct pnode *n, const struct logical *lp)
{
    f->node = n;
    set_places(pl, f, lp->out, lp->out_count);
    f->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
}

/* The final keys are the columns lp->out[0 .. keys): that is what rows are partitioned by now. */
static void hashed_by_keys(struct planner *pl, struct frag *f, const struct logical *lp)
{
    f->hashed = f->tasks > 1 && lp->expr_count > 0;
    f->hash_id_count = lp->expr_count;
    f->hash_ids = ARENA_ARRAY(pl->ar, uint32_t, lp->expr_count);
    for (uint32_t i = 0; i < lp->expr_count; i++)
        f->hash_ids[i] = lp->out[i].id;
}

int plan_aggregate(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    TRY(plan_node(pl, lp->inputs[0], &f));
    for (const struct reduction *r = pl->reductions; r; r = r->next)
        if (r->aggregate == lp)
            reduce_by(pl, f, &r->keys, r->small, &r->small_keys, r->null_safe);
    bool distinct = false;
    for (uint32_t i = 0; i < lp->agg_count; i++) {
        distinct = distinct || lp->aggs[i]->distinct;
        f->indeterminate |= f->unordered && order_matters(lp->aggs[i]);
    }
    double groups = estimate_rows(pl->es, lp), bytes = groups * (estimate_row_bytes(pl->es, lp->out, lp->out_count) + 8);
    if (together(f, lp)) {
        /* The columns that the rows are partitioned by go under their new ids. */
        uint32_t *ids = ARENA_ARRAY(pl->ar, uint32_t, f->hash_id_count);
        for (uint32_t i = 0; f->hashed && i < f->hash_id_count; i++)
            for (uint32_t k = 0; k < lp->expr_count; k++)
                if (lp->exprs[k]->kind == EXPR_COLUMN && lp->exprs[k]->column == f->hash_ids[i])
                    ids[i] = lp->out[k].id;
        f->hash_ids = ids;
        finish(pl, f, agg_node(pl, f, lp, AGG_MODE_COMPLETE), lp);
        *ret = f;
        return 0;
    }
    uint32_t partitions = 1;
    if (lp->expr_count > 0) {
        double arriving = distinct ? f->rows : fmin(f->rows, groups * f->tasks);
        if (arriving > 60000 || pl->env->shuffle_partitions || pl->env->no_single_task)
            partitions = hash_partitions(pl, arriving, distinct ? f->rows * f->row_bytes : bytes);
    }
    enum exchange_kind kind = partitions > 1 ? EXCHANGE_HASH : EXCHANGE_GATHER;
    if (distinct) {
        /* Key expressions are computed below the exchange too: it goes by them. */
        struct colset need = {0};
        for (uint32_t i = 0; i < lp->expr_count; i++)
            colset_add_expr(pl->ar, &need, lp->exprs[i]);
        for (uint32_t i = 0; i < lp->agg_count; i++)
            colset_add_expr(pl->ar, &need, lp->aggs[i]);
        narrow(pl, f, &need);
        struct expr **keys = ARENA_ARRAY(pl->ar, struct expr *, lp->expr_count);
        for (uint32_t i = 0; i < lp->expr_count; i++)
            keys[i] = place_expr(pl, f, lp->exprs[i]);
        TRY(exchange(pl, f, kind, keys, kind == EXCHANGE_HASH ? lp->expr_count : 0, partitions, &f));
        finish(pl, f, agg_node(pl, f, lp, AGG_MODE_COMPLETE), lp);
        hashed_by_keys(pl, f, lp);
        *ret = f;
        return 0;
    }
    struct pnode *partial = agg_node(pl, f, lp, AGG_MODE_PARTIAL);
    partial_schema(pl, partial, lp);
    partial->rows_estimate = fmin(f->rows, groups * f->tasks);
    f->node = partial;
    f->rows = partial->rows_estimate;
    f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
    TRY(exchange(pl, f, kind, column_keys(pl, f, lp->expr_count), kind == EXCHANGE_HASH ? lp->expr_count : 0, partitions, &f));
    struct pnode *final = new_pnode(pl, PN_AGGREGATE, 1);
    final->inputs[0] = f->node;
    final->agg_mode = AGG_MODE_FINAL;
    final->key_count = lp->expr_count;
    final->keys = column_keys(pl, f, lp->expr_count);
    final->agg_count = lp->agg_count;
    final->aggs = ARENA_ARRAY(pl->ar, struct plan_agg, lp->agg_count);
    for (uint32_t i = 0; i < lp->agg_count; i++)
        final->aggs[i].spec = partial->aggs[i].spec;
    final->out.count = lp->out_count;
    final->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        final->out.fields[i] = field_of(&lp->out[i]);
    finish(pl, f, final, lp);
    hashed_by_keys(pl, f, lp);
    *ret = f;
    return 0;
}
