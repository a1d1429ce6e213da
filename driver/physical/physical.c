/* The physical planner's walk over the logical plan; see physical.h and README.md. */
#include "driver/physical/physical_impl.h"

#include <math.h>

enum { SINGLE_TASK_ROWS = 130000, TOP_ROWS_MAX = 1 << 20 };

static int plan_filter(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    TRY(plan_node(pl, lp->inputs[0], &f));
    struct exprs conj = {0};
    exprs_add_conjuncts(pl->ar, &conj, lp->condition);
    struct pnode *n = stack(pl, f, PN_FILTER);
    n->expr_count = conj.count;
    n->exprs = ARENA_ARRAY(pl->ar, struct expr *, conj.count);
    for (uint32_t i = 0; i < conj.count; i++) {
        n->exprs[i] = place_expr(pl, f, conj.items[i]);
        f->indeterminate |= f->unordered && !expr_is_deterministic(conj.items[i]);
    }
    f->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    *ret = f;
    return 0;
}

static int plan_project(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    TRY(plan_node(pl, lp->inputs[0], &f));
    bool plain = true;
    for (uint32_t i = 0; i < lp->expr_count; i++) {
        plain = plain && lp->exprs[i]->kind == EXPR_COLUMN && lp->exprs[i]->type == lp->out[i].type;
        f->indeterminate |= f->unordered && !expr_is_deterministic(lp->exprs[i]);
    }
    struct place *places = ARENA_ARRAY(pl->ar, struct place, lp->out_count);
    uint32_t *hash_ids = ARENA_ARRAY(pl->ar, uint32_t, f->hash_id_count);
    uint32_t kept = 0;
    for (uint32_t h = 0; f->hashed && h < f->hash_id_count; h++)
        for (uint32_t i = 0; i < lp->expr_count; i++)
            if (lp->exprs[i]->kind == EXPR_COLUMN && lp->exprs[i]->column == f->hash_ids[h]) {
                hash_ids[kept++] = lp->out[i].id;
                break;
            }
    f->hashed = f->hashed && kept == f->hash_id_count;
    f->hash_ids = hash_ids;
    if (plain) {
        for (uint32_t i = 0; i < lp->out_count; i++)
            places[i] = (struct place){lp->out[i].id, ordinal_of(f, lp->exprs[i]->column)};
        f->places = places;
        f->place_count = lp->out_count;
    } else {
        struct pnode *n = new_pnode(pl, PN_PROJECT, 1);
        n->inputs[0] = f->node;
        n->expr_count = n->out.count = lp->out_count;
        n->exprs = ARENA_ARRAY(pl->ar, struct expr *, lp->out_count);
        n->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
        for (uint32_t i = 0; i < lp->out_count; i++) {
            n->exprs[i] = place_expr(pl, f, lp->exprs[i]);
            n->out.fields[i] = field_of(&lp->out[i]);
        }
        n->rows_estimate = estimate_rows(pl->es, lp);
        f->node = n;
        set_places(pl, f, lp->out, lp->out_count);
    }
    f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
    *ret = f;
    return 0;
}

static int plan_expand(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    TRY(plan_node(pl, lp->inputs[0], &f));
    struct pnode *n = new_pnode(pl, PN_EXPAND, 1);
    n->inputs[0] = f->node;
    n->list_count = lp->list_count;
    n->lists = ARENA_ARRAY(pl->ar, struct expr **, lp->list_count);
    n->out.count = lp->out_count;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
    for (uint32_t c = 0; c < lp->out_count; c++)
        n->out.fields[c] = field_of(&lp->out[c]);
    for (uint32_t i = 0; i < lp->list_count; i++) {
        n->lists[i] = ARENA_ARRAY(pl->ar, struct expr *, lp->out_count);
        for (uint32_t c = 0; c < lp->out_count; c++)
            n->lists[i][c] = place_expr(pl, f, lp->lists[i][c]);
    }
    f->node = n;
    f->hashed = false;
    set_places(pl, f, lp->out, lp->out_count);
    f->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
    *ret = f;
    return 0;
}

static struct sort_key *bind_keys(struct planner *pl, const struct frag *f, const struct logical *sort)
{
    struct sort_key *keys = ARENA_ARRAY(pl->ar, struct sort_key, sort->sort_count);
    for (uint32_t i = 0; i < sort->sort_count; i++)
        keys[i] = (struct sort_key){place_expr(pl, f, sort->sorts[i].expr), sort->sorts[i].descending, sort->sorts[i].nulls_last};
    return keys;
}

static void add_sort(struct planner *pl, struct frag *f, const struct logical *sort, int64_t limit, int64_t offset)
{
    struct pnode *n = stack(pl, f, limit >= 0 ? PN_TOP : PN_SORT);
    n->sort_key_count = sort->sort_count;
    n->sort_keys = bind_keys(pl, f, sort);
    n->limit = limit;
    n->offset = offset;
    n->rows_estimate = limit >= 0 ? fmin(f->rows, (double)limit) : f->rows;
}

/* What lp shows and the sort above it asks for. */
static void narrow_for(struct planner *pl, struct frag *f, const struct logical *lp, const struct logical *sort)
{
    struct colset need = {0};
    colset_add_out(pl->ar, &need, lp);
    for (uint32_t i = 0; sort && i < sort->sort_count; i++)
        colset_add_expr(pl->ar, &need, sort->sorts[i].expr);
    narrow(pl, f, &need);
}

static int plan_sort(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    TRY(plan_node(pl, lp->inputs[0], &f));
    if (f->tasks > 1) {
        narrow_for(pl, f, lp, lp);
        add_sort(pl, f, lp, -1, 0);
        TRY(exchange(pl, f, EXCHANGE_GATHER, NULL, 0, 1, &f));
        f->node->merge_key_count = lp->sort_count;
        f->node->merge_keys = bind_keys(pl, f, lp);
    } else {
        add_sort(pl, f, lp, -1, 0);
    }
    f->hashed = false;
    *ret = f;
    return 0;
}

static int plan_limit(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *f;
    const struct logical *in = lp->inputs[0];
    int64_t offset = lp->offset > 0 ? lp->offset : 0, all = lp->limit;
    bool bounded = lp->limit >= 0 && !__builtin_add_overflow(lp->limit, offset, &all);
    if (in->kind == LP_SORT && bounded && all <= TOP_ROWS_MAX) {
        TRY(plan_node(pl, in->inputs[0], &f));
        if (f->tasks > 1) {
            narrow_for(pl, f, lp, in);
            add_sort(pl, f, in, all, 0);
            f->rows = fmin(f->rows, (double)all * f->tasks);
            TRY(exchange(pl, f, EXCHANGE_GATHER, NULL, 0, 1, &f));
        }
        add_sort(pl, f, in, lp->limit, offset);
        f->rows = fmin(f->rows, (double)lp->limit);
        f->hashed = false;
        *ret = f;
        return 0;
    }
    TRY(plan_node(pl, in, &f));
    if (f->tasks > 1) {
        narrow_for(pl, f, lp, NULL);
        if (bounded) {
            struct pnode *n = stack(pl, f, PN_LIMIT);
            n->limit = all;
            f->rows = n->rows_estimate = fmin(f->rows, (double)all * f->tasks);
        }
        TRY(exchange(pl, f, EXCHANGE_GATHER, NULL, 0, 1, &f));
    }
    struct pnode *n = stack(pl, f, PN_LIMIT);
    n->limit = lp->limit;
    n->offset = offset;
    f->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    f->indeterminate |= f->unordered;
    f->hashed = false;
    *ret = f;
    return 0;
}

static int plan_union(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct frag *all = ARENA_NEW(pl->ar, struct frag);
    struct pnode *n = new_pnode(pl, PN_UNION, 0);
    uint32_t cap = 0, first_cap = 0, first_count = 0;
    ARENA_PUSH(pl->ar, n->branch_first, first_count, first_cap, 0);
    for (uint32_t i = 0; i < lp->input_count; i++) {
        struct logical *in = lp->inputs[i];
        struct frag *f;
        TRY(plan_node(pl, in, &f));
        exactly_columns(pl, f, in->out, in->out_count);
        for (struct scan_use *u = f->scans; u; u = u->next)
            u->scan.task_first += all->tasks;
        bool nested = f->node->kind == PN_UNION;
        TRY(check_tasks(pl, (int64_t)all->tasks + f->tasks));
        all->tasks += f->tasks;
        for (uint32_t b = 0; b < (nested ? f->node->input_count : 1); b++) {
            ARENA_PUSH(pl->ar, n->inputs, n->input_count, cap, nested ? f->node->inputs[b] : f->node);
            uint32_t end = nested ? all->tasks - f->tasks + f->node->branch_first[b + 1] : all->tasks;
            ARENA_PUSH(pl->ar, n->branch_first, first_count, first_cap, end);
        }
        absorb(all, f);
    }
    n->out.count = lp->out_count ? lp->out_count : n->inputs[0]->out.count;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, n->out.count);
    n->out.fields[0] = n->inputs[0]->out.fields[0];
    for (uint32_t i = 0; i < lp->out_count; i++)
        n->out.fields[i] = field_of(&lp->out[i]);
    all->node = n;
    set_places(pl, all, lp->out, lp->out_count);
    all->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    all->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
    *ret = all;
    return 0;
}

int plan_node(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    switch (lp->kind) {
    case LP_SCAN:
        return plan_scan(pl, lp, ret);
    case LP_RANGE:
        return plan_range(pl, lp, ret);
    case LP_VALUES:
        return plan_values(pl, lp, ret);
    case LP_PROJECT:
        return plan_project(pl, lp, ret);
    case LP_FILTER:
        return plan_filter(pl, lp, ret);
    case LP_AGGREGATE:
        return plan_aggregate(pl, lp, ret);
    case LP_JOIN:
        return plan_join(pl, lp, ret);
    case LP_SORT:
        return plan_sort(pl, lp, ret);
    case LP_LIMIT:
        return plan_limit(pl, lp, ret);
    case LP_UNION:
        return plan_union(pl, lp, ret);
    case LP_EXPAND:
        return plan_expand(pl, lp, ret);
    case LP_WRITE:
    case LP_SETOP:
    case LP_DISTINCT:
        break;
    }
    UNREACHABLE("a logical node that the optimizer should have replaced");
}

/* Rows that all scans and ranges read. */
static double source_rows(struct planner *pl, const struct logical *lp)
{
    double rows = 0;
    if (lp->kind == LP_SCAN)
        return estimate_table(pl->es, lp->table)->rows;
    if (lp->kind == LP_RANGE)
        return lp->range_parts > 1 ? INFINITY : estimate_rows(pl->es, lp) / 8;
    if (lp->kind == LP_VALUES)
        return lp->row_count;
    for (uint32_t i = 0; i < lp->input_count; i++)
        rows += source_rows(pl, lp->inputs[i]);
    return rows;
}

int physical_plan(struct arena *ar, const struct query_ctx *cx, const struct logical *lp, const struct physical_env *env,
                  struct stage_dag **ret, struct error *err)
{
    struct planner pl = {.ar = ar, .cx = cx, .env = env, .es = env->estimates, .err = err};
    if (!pl.es)
        pl.es = estimates_new(ar, cx, NULL, NULL);
    const struct logical *query = lp->kind == LP_WRITE ? lp->inputs[0] : lp;
    pl.single = !env->no_single_task && !env->shuffle_partitions && source_rows(&pl, query) <= SINGLE_TASK_ROWS;
    struct stage_dag *dag = ARENA_NEW(ar, struct stage_dag);
    struct frag *f;
    uint32_t stage;
    int rc = plan_node(&pl, query, &f);
    if (rc == 0) {
        if (query->out_count)
            exactly_columns(&pl, f, query->out, query->out_count);
        struct pnode *sink = new_pnode(&pl, lp->kind == LP_WRITE ? PN_SINK_WRITE : PN_SINK_RESULT, 1);
        if (lp->kind == LP_WRITE) {
            sink->out = lp->write_schema;
            sink->write_format = lp->write_format;
            sink->write_dir = lp->write_target.path;
            sink->write_options = lp->write_options;
            sink->write_partition_count = lp->write_partition_count;
            dag->write = lp;
        } else {
            dag->result.count = query->out_count;
            dag->result.fields = ARENA_ARRAY(ar, struct field, query->out_count);
            for (uint32_t i = 0; i < query->out_count; i++)
                dag->result.fields[i] = field_of(&query->out[i]);
        }
        rc = close_stage(&pl, f, sink, 1, &stage);
    }
    for (uint32_t i = 0; i < pl.stage_count; i++)
        buf_fini(&pl.encoded[i]);
    xfree(pl.encoded);
    TRY(rc);
    dag->stages = pl.stages;
    dag->stage_count = pl.stage_count;
    *ret = dag;
    return 0;
}

void stage_dag_print(const struct stage_dag *dag, struct buf *out)
{
    for (uint32_t i = 0; i < dag->stage_count; i++)
        stage_plan_print(&dag->stages[i].plan, out);
}
