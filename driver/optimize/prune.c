/*
 * Column pruning: each node delivers what is asked of it from above. Where nothing is asked (count(*)) one narrow
 * column stays, except of files: there every column costs, and one that nobody asked for would decide whether a
 * malformed record counts.
 */
#include "driver/optimize/rule.h"

static struct logical *prune(struct opt *o, struct logical *lp, const struct colset *need);

static void need_exprs(struct opt *o, struct colset *need, struct expr *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        colset_add_expr(o->ar, need, list[i]);
}

static unsigned width_of(const struct type *t)
{
    static const uint8_t bytes[] = {1, 2, 4, 8, 16, 4, 8, 32};
    enum phys p = type_phys(t);
    static const uint8_t by[PHYS_COUNT] = {[PHYS_BOOL] = 0, [PHYS_I8] = 0, [PHYS_I16] = 1, [PHYS_I32] = 2, [PHYS_I64] = 3,
                                           [PHYS_I128] = 4, [PHYS_F32] = 5, [PHYS_F64] = 6, [PHYS_STR] = 7, [PHYS_LIST] = 7,
                                           [PHYS_STRUCT] = 7};
    return bytes[by[p]];
}

/* The columns of out that are needed. keep[] gets their indices. */
static uint32_t needed_columns(const struct lcol *out, uint32_t count, const struct colset *need, uint32_t *keep)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (colset_has(need, out[i].id))
            keep[kept++] = i;
    }
    return kept;
}

/* The same, but the narrowest when none is. */
static uint32_t keep_columns(const struct lcol *out, uint32_t count, const struct colset *need, uint32_t *keep)
{
    uint32_t kept = needed_columns(out, count, need, keep), narrow = 0;
    if (kept || !count)
        return kept;
    for (uint32_t i = 1; i < count; i++) {
        if (width_of(out[i].type) < width_of(out[narrow].type))
            narrow = i;
    }
    keep[0] = narrow;
    return 1;
}

static struct lcol *pick(struct opt *o, const struct lcol *out, const uint32_t *keep, uint32_t kept)
{
    struct lcol *list = ARENA_ARRAY(o->ar, struct lcol, kept);
    for (uint32_t i = 0; i < kept; i++)
        list[i] = out[keep[i]];
    return list;
}

static struct logical *unary(struct opt *o, struct logical *lp, struct logical *in)
{
    struct logical *copy = logical_copy(o, lp);
    copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    copy->inputs[0] = in;
    return copy;
}

/* in's columns exactly as `out` lists them. */
static struct logical *exactly(struct opt *o, struct logical *in, struct lcol *out, uint32_t count)
{
    if (has_columns(in, out, count))
        return in;
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, count);
    for (uint32_t i = 0; i < count; i++)
        exprs[i] = column_of(o, &out[i]);
    return make_project(o, in, out, exprs, count);
}

static struct logical *prune_scan(struct opt *o, struct logical *lp, const struct colset *above)
{
    struct colset need = {0};
    colset_add_set(o->ar, &need, above);
    need_exprs(o, &need, lp->conjuncts, lp->conjunct_count);
    uint32_t *keep = ARENA_ARRAY(o->ar, uint32_t, lp->out_count);
    uint32_t kept = needed_columns(lp->out, lp->out_count, &need, keep);
    if (kept == lp->out_count)
        return lp;
    struct logical *copy = logical_copy(o, lp);
    copy->out = pick(o, lp->out, keep, kept);
    copy->out_count = kept;
    copy->table_columns = ARENA_ARRAY(o->ar, uint32_t, kept);
    for (uint32_t i = 0; i < kept; i++)
        copy->table_columns[i] = lp->table_columns[keep[i]];
    return copy;
}

/* Of these columns lp shows those that are asked for. */
static struct logical *show(struct opt *o, struct logical *lp, const struct lcol *out, uint32_t count, const struct colset *above)
{
    uint32_t *keep = ARENA_ARRAY(o->ar, uint32_t, count);
    uint32_t kept = keep_columns(out, count, above, keep);
    lp->out = pick(o, out, keep, kept);
    lp->out_count = kept;
    return lp;
}

/* A node that changes no columns shows those of its input's: filter columns end here. */
static struct logical *shown(struct opt *o, struct logical *lp, const struct colset *above)
{
    return show(o, lp, lp->inputs[0]->out, lp->inputs[0]->out_count, above);
}

static struct logical *prune_join(struct opt *o, struct logical *lp, const struct colset *above)
{
    struct colset need = {0};
    colset_add_set(o->ar, &need, above);
    if (lp->condition)
        colset_add_expr(o->ar, &need, lp->condition);
    struct logical *left = prune(o, lp->inputs[0], &need), *right = prune(o, lp->inputs[1], &need);
    struct logical *join = make_join(o, lp->join_kind, left, right, lp->condition);
    join->span = lp->span;
    if (lp->join_kind == JOIN_MARK)
        join->out[join->out_count - 1] = lp->out[lp->out_count - 1];
    return show(o, join, join->out, join->out_count, above);
}

static struct logical *prune(struct opt *o, struct logical *lp, const struct colset *above)
{
    struct colset need = {0};
    switch (lp->kind) {
    case LP_SCAN:
        return prune_scan(o, lp, above);
    case LP_RANGE:
        return lp;
    case LP_VALUES: {
        uint32_t *keep = ARENA_ARRAY(o->ar, uint32_t, lp->out_count);
        uint32_t kept = keep_columns(lp->out, lp->out_count, above, keep);
        if (kept == lp->out_count)
            return lp;
        struct logical *copy = logical_copy(o, lp);
        copy->out = pick(o, lp->out, keep, kept);
        copy->out_count = kept;
        copy->rows = ARENA_ARRAY(o->ar, struct expr **, lp->row_count);
        for (uint32_t r = 0; r < lp->row_count; r++) {
            copy->rows[r] = ARENA_ARRAY(o->ar, struct expr *, kept);
            for (uint32_t i = 0; i < kept; i++)
                copy->rows[r][i] = lp->rows[r][keep[i]];
        }
        return copy;
    }
    case LP_PROJECT: {
        uint32_t *keep = ARENA_ARRAY(o->ar, uint32_t, lp->out_count), kept = 0;
        for (uint32_t i = 0; i < lp->out_count; i++)
            if (colset_has(above, lp->out[i].id))
                keep[kept++] = i;
        if (kept == 0) /* only the rows count */
            return prune(o, lp->inputs[0], &need);
        struct logical *copy = logical_copy(o, lp);
        copy->out = pick(o, lp->out, keep, kept);
        copy->out_count = copy->expr_count = kept;
        copy->exprs = ARENA_ARRAY(o->ar, struct expr *, kept);
        for (uint32_t i = 0; i < kept; i++)
            copy->exprs[i] = lp->exprs[keep[i]];
        need_exprs(o, &need, copy->exprs, kept);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
        copy->inputs[0] = prune(o, lp->inputs[0], &need);
        return copy;
    }
    case LP_FILTER: {
        colset_add_set(o->ar, &need, above);
        colset_add_expr(o->ar, &need, lp->condition);
        return shown(o, unary(o, lp, prune(o, lp->inputs[0], &need)), above);
    }
    case LP_AGGREGATE: {
        struct logical *copy = logical_copy(o, lp);
        copy->aggs = ARENA_ARRAY(o->ar, struct expr *, lp->agg_count);
        copy->out = ARENA_ARRAY(o->ar, struct lcol, lp->out_count);
        memcpy(copy->out, lp->out, lp->expr_count * sizeof *lp->out);
        copy->agg_count = 0;
        for (uint32_t i = 0; i < lp->agg_count; i++) {
            bool last_resort = lp->expr_count == 0 && copy->agg_count == 0 && i + 1 == lp->agg_count;
            if (colset_has(above, lp->out[lp->expr_count + i].id) || last_resort) {
                copy->out[lp->expr_count + copy->agg_count] = lp->out[lp->expr_count + i];
                copy->aggs[copy->agg_count++] = lp->aggs[i];
            }
        }
        copy->out_count = lp->expr_count + copy->agg_count;
        need_exprs(o, &need, lp->exprs, lp->expr_count);
        need_exprs(o, &need, copy->aggs, copy->agg_count);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
        copy->inputs[0] = prune(o, lp->inputs[0], &need);
        return copy;
    }
    case LP_JOIN:
        return prune_join(o, lp, above);
    case LP_SORT:
    case LP_LIMIT: {
        colset_add_set(o->ar, &need, above);
        for (uint32_t i = 0; i < lp->sort_count; i++)
            colset_add_expr(o->ar, &need, lp->sorts[i].expr);
        return shown(o, unary(o, lp, prune(o, lp->inputs[0], &need)), above);
    }
    case LP_UNION: {
        uint32_t *keep = ARENA_ARRAY(o->ar, uint32_t, lp->out_count);
        uint32_t kept = keep_columns(lp->out, lp->out_count, above, keep);
        struct logical *copy = logical_copy(o, lp);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
        copy->out = pick(o, lp->out, keep, kept);
        copy->out_count = kept;
        for (uint32_t b = 0; b < lp->input_count; b++) {
            struct logical *in = lp->inputs[b];
            struct lcol *cols = pick(o, in->out, keep, kept);
            struct colset branch = {0};
            for (uint32_t i = 0; i < kept; i++)
                colset_add(o->ar, &branch, cols[i].id);
            copy->inputs[b] = exactly(o, prune(o, in, &branch), cols, kept);
        }
        return copy;
    }
    case LP_EXPAND:
        for (uint32_t i = 0; i < lp->list_count; i++)
            need_exprs(o, &need, lp->lists[i], lp->out_count);
        return unary(o, lp, prune(o, lp->inputs[0], &need));
    case LP_WRITE: {
        struct logical *in = lp->inputs[0];
        colset_add_out(o->ar, &need, in);
        return unary(o, lp, exactly(o, prune(o, in, &need), in->out, in->out_count));
    }
    case LP_SETOP:
    case LP_DISTINCT:
        break;
    }
    UNREACHABLE("set operations are gone before pruning");
}

struct logical *rule_prune(struct opt *o, struct logical *lp)
{
    struct colset need = {0};
    colset_add_out(o->ar, &need, lp);
    return prune(o, lp, &need);
}
