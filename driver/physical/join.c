/*
 * Joins: keys and residual out of the condition, the build side, and how the sides meet.
 *
 *   both sides in one task and small      in that task, no exchange
 *   one executor                          the build is a broadcast exchange: one table for all slots, probed in place
 *   several, build small enough           the same, one table an executor
 *   several, build large                  both sides by hash of the keys
 *   RIGHT and FULL                        never a shared build: hash of the keys, or one task when there are none
 *   null-aware anti, IN's mark, no keys   broadcast always: they need the whole build
 *   LEFT with the larger side optional    both sides by hash, flipped to RIGHT: the smaller one is built (TPC-H Q13)
 *
 * Two ways to not build what nobody probes:
 *
 *   A semi or anti join whose left side is much smaller than its right one (TPC-H Q4, Q21, Q22): the left side goes into
 *   an exchange by its keys; the right side is first reduced by a semi join with all of it, and only what is left is
 *   built.
 *   A join of something small with an aggregate by the join's keys (Q17, Q20): the small side goes into an exchange and
 *   reduces the aggregate's input.
 */
#include "driver/physical/physical_impl.h"

#include <math.h>

enum { BROADCAST_BYTES = 64 << 20, REDUCE_ROWS_MIN = 100000, REDUCE_FACTOR = 5, FLIP_ROWS_MIN = 500000 };

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

static struct expr **place_list(struct planner *pl, const struct frag *f, const struct exprs *list)
{
    struct expr **out = ARENA_ARRAY(pl->ar, struct expr *, list->count);
    for (uint32_t i = 0; i < list->count; i++)
        out[i] = place_expr(pl, f, list->items[i]);
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

/* f by the hash of keys, in as many partitions as suit its size. */
static int exchange_by(struct planner *pl, struct frag *f, const struct exprs *keys, struct frag **ret)
{
    uint32_t n = hash_partitions(pl, f->rows, f->rows * f->row_bytes);
    TRY(exchange(pl, f, EXCHANGE_HASH, place_list(pl, f, keys), keys->count, n, ret));
    set_hashed(pl, *ret, keys);
    return 0;
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
        TRY(exchange(pl, p, EXCHANGE_HASH, place_list(pl, p, &ks->probe), ks->probe.count, n, &p));
    if (!keep_b && !(n == 1 && b->tasks == 1))
        TRY(exchange(pl, b, EXCHANGE_HASH, place_list(pl, b, &ks->build), ks->build.count, n, &b));
    set_hashed(pl, p, &ks->probe);
    *probe = p;
    *build = b;
    return 0;
}

/* The table of so many rows, built in every executor that reads it. */
static double table_bytes(double rows, double row_bytes)
{
    return rows * (row_bytes + 16);
}

static bool fits_memory(const struct planner *pl, double bytes)
{
    const struct cluster_shape *sh = &pl->env->shape;
    uint32_t executors = sh->executors ? sh->executors : 1;
    return bytes <= (sh->task_memory ? (double)sh->task_memory * sh->slots / executors : 4e9) * 0.4;
}

/* Whether all executors may be sent these rows. */
static bool may_broadcast(const struct planner *pl, double rows, double row_bytes)
{
    double bytes = table_bytes(rows, row_bytes), limit = pl->env->broadcast_given ? (double)pl->env->broadcast_bytes : BROADCAST_BYTES;
    return fits_memory(pl, bytes) && (pl->env->shape.executors <= 1 || bytes <= limit);
}

static bool worth_broadcast(const struct planner *pl, const struct frag *probe, const struct frag *build)
{
    double bytes = table_bytes(build->rows, build->row_bytes), probe_bytes = probe->rows * probe->row_bytes;
    if (may_broadcast(pl, build->rows, build->row_bytes))
        return true;
    return !pl->env->broadcast_given && fits_memory(pl, bytes) && bytes * pl->env->shape.executors * 2 <= probe_bytes;
}

void reduce_by(struct planner *pl, struct frag *f, const struct exprs *keys, const struct frag *small,
               const struct exprs *small_keys, const bool *null_safe)
{
    const struct parent_use *from = small->parents;
    struct pnode *read = new_pnode(pl, PN_EXCHANGE_READ, 0);
    read->exchange = from->parent.stage;
    read->read_all = true;
    read->out = small->node->out;
    read->rows_estimate = small->rows;
    struct pnode *n = new_pnode(pl, PN_JOIN, 2);
    n->inputs[0] = f->node;
    n->inputs[1] = read;
    n->join_kind = JOIN_SEMI;
    n->shared_build = true;
    n->join_key_count = keys->count;
    n->probe_keys = place_list(pl, f, keys);
    n->build_keys = place_list(pl, small, small_keys);
    n->null_safe = arena_dup(pl->ar, null_safe, keys->count * sizeof *null_safe);
    n->out = f->node->out;
    n->out_column_count = n->out.count;
    n->out_columns = ARENA_ARRAY(pl->ar, uint32_t, n->out.count);
    for (uint32_t i = 0; i < n->out.count; i++)
        n->out_columns[i] = i;
    f->rows = n->rows_estimate = fmin(f->rows, small->rows * 8);
    f->node = n;
    struct parent_use *use = ARENA_NEW(pl->ar, struct parent_use);
    use->parent = (struct stage_parent){from->parent.stage, from->parent.kind, true};
    use->next = f->parents;
    f->parents = use;
}

/* Follows column id down to an aggregate's key; the key's expression over the aggregate's input. */
static struct expr *aggregate_key(const struct logical *lp, uint32_t id, const struct logical **ret_aggregate)
{
    for (;;) {
        if (lp->kind == LP_FILTER) {
            lp = lp->inputs[0];
            continue;
        }
        if (lp->kind != LP_PROJECT && lp->kind != LP_AGGREGATE)
            return NULL;
        uint32_t at = 0;
        while (at < lp->expr_count && lp->out[at].id != id)
            at++;
        if (at == lp->expr_count)
            return NULL;
        if (lp->kind == LP_AGGREGATE) {
            *ret_aggregate = lp;
            return lp->exprs[at];
        }
        if (lp->exprs[at]->kind != EXPR_COLUMN)
            return NULL;
        id = lp->exprs[at]->column;
        lp = lp->inputs[0];
    }
}

/* A reduction of the aggregate below `side` by the other side's keys, when it is worth it; NULL otherwise. */
static struct reduction *find_reduction(struct planner *pl, const struct logical *side, const struct exprs *side_keys,
                                        const struct logical *other, const struct exprs *other_keys, const bool *null_safe)
{
    struct reduction *r = ARENA_NEW(pl->ar, struct reduction);
    uint32_t n = 0, cap = 0;
    for (uint32_t i = 0; i < side_keys->count && !pl->single; i++) {
        const struct expr *k = side_keys->items[i];
        const struct logical *aggregate = NULL;
        struct expr *e = k->kind == EXPR_COLUMN ? aggregate_key(side, k->column, &aggregate) : NULL;
        if (!e || (r->aggregate && r->aggregate != aggregate) || !expr_is_deterministic(e))
            continue;
        r->aggregate = aggregate;
        exprs_add(pl->ar, &r->keys, e);
        exprs_add(pl->ar, &r->small_keys, other_keys->items[i]);
        ARENA_PUSH(pl->ar, r->null_safe, n, cap, null_safe[i]);
    }
    if (!r->aggregate)
        return NULL;
    double in = estimate_rows(pl->es, r->aggregate->inputs[0]), small = estimate_rows(pl->es, other);
    bool worth = in > REDUCE_ROWS_MIN && small * REDUCE_FACTOR < in && small * 2 < estimate_rows(pl->es, r->aggregate) &&
                 may_broadcast(pl, small, estimate_row_bytes(pl->es, other->out, other->out_count));
    return worth ? r : NULL;
}

static void reduce_with(struct planner *pl, struct reduction *r, const struct frag *small)
{
    r->small = small;
    r->next = pl->reductions;
    pl->reductions = r;
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
    struct colset pcols = {0}, bcols = {0}, need = {0};
    colset_add_out(pl->ar, &pcols, left);
    colset_add_out(pl->ar, &bcols, right);
    colset_add_out(pl->ar, &need, lp);
    if (lp->condition)
        colset_add_expr(pl->ar, &need, lp->condition);
    struct keys ks = {0};
    split_condition(pl, lp->condition, &pcols, &bcols, &ks);
    bool keyed = ks.probe.count > 0, both_preserved = kind == JOIN_FULL;
    bool whole_build = kind == JOIN_ANTI_NULL_AWARE || kind == JOIN_MARK || !keyed;
    struct reduction *below_probe = NULL, *below_build = NULL;
    if (keyed && (kind == JOIN_INNER || kind == JOIN_SEMI))
        below_probe = find_reduction(pl, left, &ks.probe, right, &ks.build, ks.null_safe);
    if (keyed && !below_probe && !both_preserved && !whole_build)
        below_build = find_reduction(pl, right, &ks.build, left, &ks.probe, ks.null_safe);

    /* What reduces the other side is planned first and lies in an exchange that both the reduction and the join read. */
    struct frag *probe, *build;
    bool shared = false, placed = false;
    if (below_probe) {
        TRY(plan_node(pl, right, &build));
        narrow(pl, build, &need);
        TRY(exchange(pl, build, EXCHANGE_BROADCAST, NULL, 0, 1, &build));
        reduce_with(pl, below_probe, build);
        TRY(plan_node(pl, left, &probe));
        shared = placed = true;
    } else if (below_build) {
        TRY(plan_node(pl, left, &probe));
        narrow(pl, probe, &need);
        TRY(exchange_by(pl, probe, &ks.probe, &probe));
        reduce_with(pl, below_build, probe);
        TRY(plan_node(pl, right, &build));
        narrow(pl, build, &need);
        TRY(hash_sides(pl, &ks, &probe, &build));
        placed = true;
    } else {
        TRY(plan_node(pl, left, &probe));
        TRY(plan_node(pl, right, &build));
        /* The build keeps only what is asked of it; the probe's columns cost nothing where it is not exchanged. */
        narrow(pl, build, &need);
    }

    bool one_task = probe->tasks == 1 && build->tasks == 1;
    bool local = one_task && (pl->single || build->source_rows + build->rows < 100000 || both_preserved);
    if (placed || local) {
        /* nothing to move */
    } else if (both_preserved) {
        if (!keyed) {
            TRY(gather(pl, probe, &probe));
            TRY(gather(pl, build, &build));
        } else {
            narrow(pl, probe, &need);
            TRY(hash_sides(pl, &ks, &probe, &build));
        }
    } else if (keyed && !whole_build && (kind == JOIN_SEMI || kind == JOIN_ANTI) && build->rows > REDUCE_ROWS_MIN &&
               probe->rows * REDUCE_FACTOR < build->rows && may_broadcast(pl, probe->rows, probe->row_bytes)) {
        narrow(pl, probe, &need);
        TRY(exchange_by(pl, probe, &ks.probe, &probe));
        reduce_by(pl, build, &ks.build, probe, &ks.probe, ks.null_safe);
        TRY(hash_sides(pl, &ks, &probe, &build));
    } else if (keyed && kind == JOIN_LEFT && build->rows > FLIP_ROWS_MIN && build->rows > probe->rows * 2) {
        narrow(pl, probe, &need);
        TRY(hash_sides(pl, &ks, &probe, &build));
        struct frag *f = probe;
        probe = build;
        build = f;
        struct exprs list = ks.probe;
        ks.probe = ks.build;
        ks.build = list;
        kind = JOIN_RIGHT;
        set_hashed(pl, probe, &ks.build); /* null on the optional side: the preserved keys tell the partition */
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
    n->probe_keys = place_list(pl, probe, &ks.probe);
    n->build_keys = place_list(pl, build, &ks.build);
    n->null_safe = ks.null_safe ? ks.null_safe : ARENA_ARRAY(pl->ar, bool, 1);
    struct expr *residual = exprs_and(pl->ar, &ks.residual);
    n->residual = residual ? place_expr2(pl, probe, build, residual) : NULL;
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
