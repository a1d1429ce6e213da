/*
 * Joins: keys and residual out of the condition, the build side, and how the sides meet.
 *
 *   both sides in one task and small      in that task, no exchange
 *   one executor                          the build is a broadcast exchange: one table for all slots, probed in place
 *   several, build small enough           the same, one table an executor
 *   several, build large                  both sides by hash of the keys
 *   RIGHT and FULL                        never a shared build: hash of the keys, or one task when there are none
 *   null-aware anti, IN's mark, no keys   broadcast always: they need the whole build
 */
#include "driver/physical/physical_impl.h"

struct keys {
    struct exprs probe, build; /* over logical columns */
    bool *null_safe;
    uint32_t cap;
    struct exprs residual;
};

static void split_condition(struct planner *pl, struct expr *condition, const struct colset *probe, const struct colset *build,
                            struct keys *ret)
{
    struct exprs all = {0};
    exprs_add_conjuncts(pl->ar, &all, condition);
    uint32_t count = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        struct expr *e = all.items[i];
        bool null_safe;
        if (is_equality(e, &null_safe) && expr_is_deterministic(e) && e->args[0]->type->id != TYPE_MAP) {
            struct expr *a = e->args[0], *b = e->args[1];
            if (expr_within(b, probe) && expr_within(a, build)) {
                struct expr *t = a;
                a = b;
                b = t;
            }
            if (expr_within(a, probe) && expr_within(b, build) && expr_has_columns(b) && expr_has_columns(a)) {
                exprs_add(pl->ar, &ret->probe, a);
                exprs_add(pl->ar, &ret->build, b);
                ARENA_PUSH(pl->ar, ret->null_safe, count, ret->cap, null_safe);
                continue;
            }
        }
        exprs_add(pl->ar, &ret->residual, e);
    }
}

static struct expr **bind_list(struct planner *pl, const struct frag *f, const struct exprs *list)
{
    struct expr **out = ARENA_ARRAY(pl->ar, struct expr *, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        out[i] = bind_expr(pl, f, list->items[i]);
    return out;
}

/* Whether f is already partitioned by exactly these keys. */
static bool hashed_by(const struct frag *f, const struct exprs *keys)
{
    if (!f->hashed || f->hash_id_count != keys->count)
        return false;
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->items[i]->kind != EXPR_COLUMN || keys->items[i]->column != f->hash_ids[i])
            return false;
    return true;
}

static void set_hashed(struct planner *pl, struct frag *f, const struct exprs *keys)
{
    f->hashed = true;
    f->hash_id_count = keys->count;
    f->hash_ids = ARENA_ARRAY(pl->ar, uint32_t, keys->count);
    for (uint32_t i = 0; i < keys->count; i++) {
        f->hash_ids[i] = keys->items[i]->column;
        if (keys->items[i]->kind != EXPR_COLUMN)
            f->hashed = false;
    }
}

static int hash_sides(struct planner *pl, const struct keys *ks, struct frag **probe, struct frag **build)
{
    struct frag *p = *probe, *b = *build;
    uint32_t n;
    bool keep_p = hashed_by(p, &ks->probe), keep_b = hashed_by(b, &ks->build);
    if (keep_p && keep_b && p->tasks != b->tasks)
        keep_b = false;
    if (keep_p)
        n = p->tasks;
    else if (keep_b)
        n = b->tasks;
    else
        n = hash_partitions(pl, p->rows + b->rows, p->rows * p->row_bytes * 0.25 + b->rows * b->row_bytes);
    if (!keep_p && !(n == 1 && p->tasks == 1))
        TRY(exchange(pl, p, EXCHANGE_HASH, bind_list(pl, p, &ks->probe), ks->probe.count, n, &p));
    if (!keep_b && !(n == 1 && b->tasks == 1))
        TRY(exchange(pl, b, EXCHANGE_HASH, bind_list(pl, b, &ks->build), ks->build.count, n, &b));
    set_hashed(pl, p, &ks->probe);
    *probe = p;
    *build = b;
    return 0;
}

static bool worth_broadcast(const struct planner *pl, const struct frag *probe, const struct frag *build)
{
    const struct cluster_shape *sh = &pl->env->shape;
    double bytes = build->rows * (build->row_bytes + 16), probe_bytes = probe->rows * probe->row_bytes;
    uint32_t executors = sh->executors ? sh->executors : 1;
    double memory = sh->task_memory ? (double)sh->task_memory * sh->slots / executors : 4e9;
    if (bytes > memory * 0.4)
        return false;
    if (executors == 1)
        return true;
    double limit = pl->env->broadcast_bytes ? (double)pl->env->broadcast_bytes : 64 << 20;
    return bytes <= limit || bytes * executors * 2 <= probe_bytes;
}

int plan_join(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct logical *left = lp->inputs[0], *right = lp->inputs[1];
    enum join_kind kind = lp->join_kind;
    if (kind == JOIN_RIGHT) {
        left = lp->inputs[1];
        right = lp->inputs[0];
        kind = JOIN_LEFT;
    }
    struct frag *probe, *build;
    TRY(plan_node(pl, left, &probe));
    TRY(plan_node(pl, right, &build));
    /* The build keeps only what is asked of it; the probe's columns cost nothing where it is not exchanged. */
    struct colset need = {0};
    colset_add_out(pl->ar, &need, lp);
    if (lp->condition)
        colset_add_expr(pl->ar, &need, lp->condition);
    narrow(pl, build, &need);
    struct colset pcols = {0}, bcols = {0};
    colset_add_out(pl->ar, &pcols, left);
    colset_add_out(pl->ar, &bcols, right);
    struct keys ks = {0};
    split_condition(pl, lp->condition, &pcols, &bcols, &ks);

    bool both_preserved = kind == JOIN_FULL;
    bool whole_build = kind == JOIN_ANTI_NULL_AWARE || kind == JOIN_MARK || ks.probe.count == 0;
    bool one_task = probe->tasks == 1 && build->tasks == 1;
    bool local = one_task && (pl->single || build->source_rows + build->rows < 100000 || both_preserved);
    bool shared = false;
    if (local) {
        /* nothing to move */
    } else if (both_preserved) {
        if (ks.probe.count == 0) {
            TRY(gather(pl, probe, &probe));
            TRY(gather(pl, build, &build));
        } else {
            narrow(pl, probe, &need);
            TRY(hash_sides(pl, &ks, &probe, &build));
        }
    } else if (whole_build || worth_broadcast(pl, probe, build)) {
        TRY(exchange(pl, build, EXCHANGE_BROADCAST, NULL, 0, 1, &build));
        shared = true;
    } else {
        narrow(pl, probe, &need);
        TRY(hash_sides(pl, &ks, &probe, &build));
    }

    struct pnode *n = new_pnode(pl, PN_JOIN, 2);
    n->inputs[0] = probe->node;
    n->inputs[1] = build->node;
    n->join_kind = kind;
    n->join_key_count = ks.probe.count;
    n->probe_keys = bind_list(pl, probe, &ks.probe);
    n->build_keys = bind_list(pl, build, &ks.build);
    n->null_safe = ks.null_safe ? ks.null_safe : ARENA_ARRAY(pl->ar, bool, 1);
    struct expr *residual = exprs_and(pl->ar, &ks.residual);
    n->residual = residual ? bind_expr2(pl, probe, build, residual) : NULL;
    n->shared_build = shared;

    /* Columns out: each logical one once. */
    uint32_t mark_at = probe->node->out.count + build->node->out.count;
    n->out_columns = ARENA_ARRAY(pl->ar, uint32_t, lp->out_count);
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++) {
        uint32_t at = ordinal_of(probe, lp->out[i].id);
        if (at == UINT32_MAX) {
            at = ordinal_of(build, lp->out[i].id);
            at = at == UINT32_MAX ? mark_at : at + probe->node->out.count;
        }
        n->out_columns[i] = at;
        n->out.fields[i] = field_of(&lp->out[i]);
    }
    n->out_column_count = n->out.count = lp->out_count;
    if (lp->out_count == 0 && probe->node->out.count) { /* only rows count: one column stays */
        n->out_columns = ARENA_ARRAY(pl->ar, uint32_t, 1);
        n->out.fields = arena_dup(pl->ar, &probe->node->out.fields[0], sizeof *n->out.fields);
        n->out_column_count = n->out.count = 1;
    }
    struct frag *f = probe;
    bool was_hashed = probe->hashed;
    absorb(f, build);
    f->node = n;
    set_places(pl, f, lp->out, lp->out_count);
    f->rows = n->rows_estimate = estimate_rows(pl->es, lp);
    f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
    f->hashed = was_hashed && !both_preserved;
    f->unordered |= shared; /* slots fill the shared table in any order */
    *ret = f;
    return 0;
}
