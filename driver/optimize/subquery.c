/*
 * Subqueries become joins.
 *
 *   WHERE EXISTS (S)            semi join        WHERE x IN (S)        semi join on x = S.c
 *   WHERE NOT EXISTS (S)        anti join        WHERE x NOT IN (S)    null-aware anti join when S is not correlated;
 *                                                otherwise an anti join on (x = c or x is null or c is null) and P
 *   EXISTS, IN anywhere else    mark join        (select f(..) ..)     cross join with its one row, left join on the
 *                                                                      correlation keys, or a JOIN_SINGLE
 *
 * A correlated S gives up the conjuncts that mention outer columns (pull_up): they climb through filters,
 * projections, inner joins and - when they are equalities - through aggregates, whose GROUP BY then gets the
 * inner side. That changes an aggregate without keys: where it made one row of no rows (count = 0), its
 * group is now missing. The join is then a left one, and results that are not null on empty input are put
 * back (`empty_value`), told from a true null by a marker column.
 *
 * What cannot climb at all is joined with the distinct outer values instead: domain.c. That is also so for whatever looks
 * at the one row of an aggregate without keys (HAVING count(*) = 0): its missing group would be missing there already.
 * A correlated scalar subquery with LIMIT is an aggregate first: pick.c.
 *
 * FILTER, SORT and LIMIT nodes may afterwards have more columns than they had: consumers go by ids, except
 * unions, writes and the result, which go by `out` and therefore keep theirs.
 */
#include "driver/optimize/rule.h"
#include "common/expr/fn.h"

static bool has_subquery(const struct expr *e)
{
    return expr_has_kind(e, EXPR_SUBQUERY);
}

static int unsupported(struct opt *o, struct span span, const char *what)
{
    error_setf(o->err, ERR_UNSUPPORTED_SUBQUERY, "message", "%s", what);
    error_at(o->err, span);
    return (int)o->err->code;
}

/* ---- outer references ---- */

static bool list_has(struct expr *const *list, uint32_t count, enum expr_kind kind)
{
    for (uint32_t i = 0; i < count; i++)
        if (expr_has_kind(list[i], kind))
            return true;
    return false;
}

static bool node_has(const struct logical *lp, enum expr_kind kind)
{
    if (list_has(lp->exprs, lp->expr_count, kind) || list_has(lp->aggs, lp->agg_count, kind) ||
        list_has(lp->conjuncts, lp->conjunct_count, kind) || (lp->condition && expr_has_kind(lp->condition, kind)))
        return true;
    for (uint32_t i = 0; i < lp->sort_count; i++)
        if (expr_has_kind(lp->sorts[i].expr, kind))
            return true;
    for (uint32_t i = 0; i < lp->row_count; i++)
        if (list_has(lp->rows[i], lp->out_count, kind))
            return true;
    for (uint32_t i = 0; i < lp->list_count; i++)
        if (list_has(lp->lists[i], lp->out_count, kind))
            return true;
    return false;
}

static bool has_outer(const struct logical *lp)
{
    if (node_has(lp, EXPR_OUTER))
        return true;
    for (uint32_t i = 0; i < lp->input_count; i++)
        if (has_outer(lp->inputs[i]))
            return true;
    return false;
}

static struct expr *bind_outer(struct arena *ar, struct expr *e, void *arg)
{
    const struct colset *available = arg;
    if (e->kind == EXPR_OUTER && colset_has(available, e->column)) {
        struct expr *col = expr_column(ar, e->column, e->type, e->nullable, e->name);
        col->span = e->span;
        return col;
    }
    return e;
}

/* Outer references to columns of `left` become plain columns; those of queries further out stay. */
static struct expr *bind_to(struct opt *o, struct expr *e, const struct logical *left)
{
    struct colset available = {0};
    colset_add_out(o->ar, &available, left);
    return expr_rewrite(o->ar, e, bind_outer, &available);
}

/* ---- pulling correlated conjuncts out of a subquery ---- */

struct pulled {
    struct exprs preds;
    const struct logical *plan; /* before it gave up anything */
    bool keyless_aggregate; /* passed an aggregate without keys: no group where there was one row */
};

static struct logical *with_all_columns(struct opt *o, struct logical *lp, struct logical *in)
{
    struct logical *copy = logical_copy(o, lp);
    copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    copy->inputs[0] = in;
    copy->out_count = in->out_count;
    copy->out = in->out;
    return copy;
}

/* lp's projection over in, with the columns that the conjuncts need passed through. */
static struct logical *project_through(struct opt *o, struct logical *lp, struct logical *in, const struct exprs *preds,
                                       uint32_t first)
{
    struct colset need = {0}, have = {0};
    for (uint32_t i = first; i < preds->count; i++)
        colset_add_expr(o->ar, &need, preds->items[i]);
    colset_add_out(o->ar, &have, lp);
    uint32_t count = lp->out_count;
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, count + in->out_count);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, count + in->out_count);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = lp->out[i];
        exprs[i] = lp->exprs[i];
    }
    for (uint32_t i = 0; i < in->out_count; i++) {
        if (colset_has(&need, in->out[i].id) && !colset_has(&have, in->out[i].id)) {
            out[count] = in->out[i];
            exprs[count++] = column_of(o, &in->out[i]);
        }
    }
    struct logical *ret = make_project(o, in, out, exprs, count);
    ret->span = lp->span;
    return ret;
}

/* A conjunct outer = inner: the inner side, with the conjunct's outer side in *ret_outer. */
static struct expr *correlation_side(struct expr *e, struct expr **ret_outer)
{
    bool null_safe;
    if (!is_equality(e, &null_safe))
        return NULL;
    for (uint32_t i = 0; i < 2; i++) {
        struct expr *inner = e->args[i], *outer = e->args[1 - i];
        if (!expr_has_kind(inner, EXPR_OUTER) && expr_has_columns(inner) && !expr_has_columns(outer) &&
            expr_has_kind(outer, EXPR_OUTER)) {
            *ret_outer = outer;
            return inner;
        }
    }
    return NULL;
}

static int looks_at_aggregate(struct opt *o, const struct logical *lp)
{
    return unsupported(o, lp->span, "an operator over a correlated aggregate");
}

static int pull_up(struct opt *o, struct logical *lp, struct pulled *pp, struct logical **ret);

static int pull_aggregate(struct opt *o, struct logical *lp, struct pulled *pp, struct logical **ret)
{
    struct pulled below = {0};
    struct logical *in;
    TRY(pull_up(o, lp->inputs[0], &below, &in));
    if (below.keyless_aggregate)
        return looks_at_aggregate(o, lp);
    if (list_has(lp->exprs, lp->expr_count, EXPR_OUTER) || list_has(lp->aggs, lp->agg_count, EXPR_OUTER))
        return unsupported(o, lp->span, "an outer column inside an aggregate function or GROUP BY of a subquery");
    uint32_t add = below.preds.count;
    struct logical *agg = logical_copy(o, lp);
    agg->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    agg->inputs[0] = in;
    agg->exprs = ARENA_ARRAY(o->ar, struct expr *, lp->expr_count + add);
    agg->out = ARENA_ARRAY(o->ar, struct lcol, lp->out_count + add);
    for (uint32_t i = 0; i < lp->expr_count; i++) {
        agg->exprs[i] = lp->exprs[i];
        agg->out[i] = lp->out[i];
    }
    uint32_t keys = lp->expr_count;
    for (uint32_t i = 0; i < below.preds.count; i++) {
        struct expr *pred = below.preds.items[i], *outer = NULL, *inner = correlation_side(pred, &outer);
        struct expr *key_col = NULL;
        if (inner) {
            for (uint32_t k = 0; k < keys && !key_col; k++)
                if (expr_eq(agg->exprs[k], inner))
                    key_col = column_of(o, &agg->out[k]);
            if (!key_col) {
                agg->exprs[keys] = inner;
                agg->out[keys] = new_col(o, "key", inner->type, inner->nullable);
                key_col = column_of(o, &agg->out[keys++]);
            }
            exprs_add(o->ar, &pp->preds, call2(o, pred->fn->name, outer, key_col));
            continue;
        }
        /* Anything else may only speak of the group: replace key expressions by key columns. */
        struct colset key_ids = {0};
        struct expr **by = ARENA_ARRAY(o->ar, struct expr *, lp->expr_count);
        struct lcol *ids = ARENA_ARRAY(o->ar, struct lcol, lp->expr_count);
        uint32_t n = 0;
        for (uint32_t k = 0; k < lp->expr_count; k++)
            if (lp->exprs[k]->kind == EXPR_COLUMN) {
                ids[n].id = lp->exprs[k]->column;
                by[n++] = column_of(o, &lp->out[k]);
                colset_add(o->ar, &key_ids, lp->exprs[k]->column);
            }
        if (!expr_within(pred, &key_ids))
            return unsupported(o, pred->span, "a correlated condition other than an equality below an aggregate");
        exprs_add(o->ar, &pp->preds, expr_replace(o, pred, ids, by, n));
    }
    for (uint32_t i = 0; i < lp->agg_count; i++)
        agg->out[keys + i] = lp->out[lp->expr_count + i];
    agg->expr_count = keys;
    agg->out_count = keys + lp->agg_count;
    if (lp->expr_count == 0)
        pp->keyless_aggregate = true;
    *ret = agg;
    return 0;
}

/* Whether each conjunct from `first` on is an equality of an outer value with one column: then it parts the rows by that column. */
static bool part_by_columns(const struct exprs *preds, uint32_t first)
{
    for (uint32_t i = first; i < preds->count; i++) {
        struct expr *outer, *inner = correlation_side(preds->items[i], &outer);
        if (!inner || inner->kind != EXPR_COLUMN)
            return false;
    }
    return true;
}

static int pull_up(struct opt *o, struct logical *lp, struct pulled *pp, struct logical **ret)
{
    if (!has_outer(lp)) {
        *ret = lp;
        return 0;
    }
    uint32_t first = pp->preds.count;
    struct logical *in = NULL;
    switch (lp->kind) {
    case LP_FILTER: {
        TRY(pull_up(o, lp->inputs[0], pp, &in));
        if (pp->keyless_aggregate)
            return looks_at_aggregate(o, lp);
        struct exprs all = {0}, stay = {0};
        exprs_add_conjuncts(o->ar, &all, lp->condition);
        for (uint32_t i = 0; i < all.count; i++)
            exprs_add(o->ar, expr_has_kind(all.items[i], EXPR_OUTER) ? &pp->preds : &stay, all.items[i]);
        *ret = make_filter(o, in, exprs_and(o->ar, &stay));
        return 0;
    }
    case LP_PROJECT:
        if (list_has(lp->exprs, lp->expr_count, EXPR_OUTER))
            return unsupported(o, lp->span, "an outer column in the select list of a subquery");
        TRY(pull_up(o, lp->inputs[0], pp, &in));
        *ret = project_through(o, lp, in, &pp->preds, first);
        return 0;
    case LP_AGGREGATE:
        return pull_aggregate(o, lp, pp, ret);
    case LP_LIMIT:
        if (lp->limit != 0)
            return unsupported(o, lp->span, "an outer column below a LIMIT of a subquery");
        *ret = make_empty(o, lp);
        return 0;
    case LP_SORT:
        return pull_up(o, lp->inputs[0], pp, ret); /* no limit above it: order means nothing here */
    case LP_DISTINCT:
        TRY(pull_up(o, lp->inputs[0], pp, &in));
        if (pp->keyless_aggregate)
            return looks_at_aggregate(o, lp);
        if (!part_by_columns(&pp->preds, first)) /* more columns would tell rows apart that are equal for one outer row */
            return unsupported(o, lp->span, "a correlated condition other than an equality below DISTINCT");
        *ret = with_all_columns(o, lp, in);
        return 0;
    case LP_JOIN: {
        struct logical *left, *right;
        TRY(pull_up(o, lp->inputs[0], pp, &left));
        if (lp->join_kind == JOIN_INNER) {
            TRY(pull_up(o, lp->inputs[1], pp, &right));
        } else {
            right = lp->inputs[1];
            if (has_outer(right) || lp->join_kind == JOIN_RIGHT || lp->join_kind == JOIN_FULL)
                return unsupported(o, lp->span, "an outer column below the optional side of a join");
        }
        if (pp->keyless_aggregate)
            return looks_at_aggregate(o, lp);
        struct exprs all = {0}, stay = {0};
        exprs_add_conjuncts(o->ar, &all, lp->condition);
        for (uint32_t i = 0; i < all.count; i++) {
            bool outer = expr_has_kind(all.items[i], EXPR_OUTER);
            if (outer && lp->join_kind != JOIN_INNER)
                return unsupported(o, all.items[i]->span, "an outer column in the condition of a join that is not inner");
            exprs_add(o->ar, outer ? &pp->preds : &stay, all.items[i]);
        }
        struct logical *join = make_join(o, lp->join_kind, left, right, exprs_and(o->ar, &stay));
        if (lp->join_kind == JOIN_MARK)
            join->out[join->out_count - 1] = lp->out[lp->out_count - 1];
        *ret = join;
        return 0;
    }
    default:
        return unsupported(o, lp->span, "an outer column below a UNION, LIMIT or set operation of a subquery");
    }
}

/* ---- what a scalar subquery is when its input is empty ---- */

static struct expr *empty_of(struct opt *o, const struct logical *lp, uint32_t id);

struct empty_ctx {
    struct opt *o;
    const struct logical *in;
    bool unknown;
};

static struct expr *empty_rewrite(struct arena *ar, struct expr *e, void *arg)
{
    (void)ar;
    struct empty_ctx *ec = arg;
    if (e->kind == EXPR_OUTER)
        ec->unknown = true;
    if (e->kind != EXPR_COLUMN)
        return e;
    struct expr *v = empty_of(ec->o, ec->in, e->column);
    if (!v)
        ec->unknown = true;
    return v ? v : e;
}

/* The value of column id when the keyless aggregate below got no rows; NULL when it cannot be told. */
static struct expr *empty_of(struct opt *o, const struct logical *lp, uint32_t id)
{
    while (lp->kind == LP_SORT)
        lp = lp->inputs[0];
    uint32_t at = 0;
    while (at < lp->out_count && lp->out[at].id != id)
        at++;
    if (lp->kind == LP_AGGREGATE && at < lp->out_count && lp->expr_count == 0) {
        const struct expr *agg = lp->aggs[at];
        return agg_counts(agg->agg) ? expr_bigint(o->ar, 0) : expr_null(o->ar, agg->type);
    }
    if (lp->kind == LP_PROJECT && at < lp->out_count) {
        struct empty_ctx ec = {o, lp->inputs[0], false};
        struct expr *e = expr_rewrite(o->ar, lp->exprs[at], empty_rewrite, &ec);
        return ec.unknown ? NULL : simplify_expr(o, e);
    }
    return NULL;
}

static bool keyless_below(const struct logical *lp)
{
    while (lp->kind == LP_PROJECT || lp->kind == LP_SORT)
        lp = lp->inputs[0];
    return lp->kind == LP_AGGREGATE && lp->expr_count == 0;
}

/* ---- joins for subqueries ---- */

static int decorrelate(struct opt *o, struct logical *lp, struct logical **ret);

/* The condition x = c for each column of IN; `loose` adds "or either is null". */
static struct expr *in_condition(struct opt *o, struct expr *sub, const struct lcol *cols, bool loose)
{
    struct expr *all = NULL;
    for (uint32_t i = 0; i < sub->arg_count; i++) {
        struct expr *x = sub->args[i], *c = column_of(o, &cols[i]);
        struct expr *eq = call2(o, "=", x, c);
        if (loose && x->nullable)
            eq = call2(o, "or", eq, call1(o, "isnull", x));
        if (loose && c->nullable)
            eq = call2(o, "or", eq, call1(o, "isnull", c));
        all = expr_and(o->ar, all, eq);
    }
    return all;
}

/* Whether x of x IN (S) can be a join's key, whose nulls the null-aware joins look at. A constant is none: it goes into the rest of the condition. */
static bool is_join_key(const struct expr *sub)
{
    return sub->arg_count == 1 && expr_has_columns(sub->args[0]) && expr_is_deterministic(sub->args[0]);
}

/* LIMIT under EXISTS only matters when it is 0; ORDER BY, DISTINCT and select lists never. */
static struct logical *strip_for_exists(struct logical *lp)
{
    for (;;) {
        bool strip = lp->kind == LP_SORT || lp->kind == LP_DISTINCT ||
                     (lp->kind == LP_LIMIT && lp->offset <= 0 && lp->limit != 0) ||
                     lp->kind == LP_PROJECT;
        if (!strip)
            return lp;
        if (lp->kind == LP_PROJECT)
            for (uint32_t i = 0; i < lp->expr_count; i++)
                if (has_subquery(lp->exprs[i]))
                    return lp;
        lp = lp->inputs[0];
    }
}

/* Nor do ORDER BY and DISTINCT under IN. */
static struct logical *strip_for_in(struct logical *lp)
{
    while (lp->kind == LP_SORT || lp->kind == LP_DISTINCT)
        lp = lp->inputs[0];
    return lp;
}

/* The plan of a subquery in the plan `in`, free of outer columns, and the conditions that they were in. */
static int sub_plan(struct opt *o, struct logical *in, struct expr *sub, struct pulled *pp, struct lcol **ret_cols, struct logical **ret)
{
    struct logical *plan = sub->subquery_mode == SUBQUERY_EXISTS ? strip_for_exists(sub->plan)
                           : sub->subquery_mode == SUBQUERY_IN   ? strip_for_in(sub->plan)
                                                                 : sub->plan;
    *ret_cols = plan->out;
    TRY(decorrelate(o, plan, &plan));
    if (sub->subquery_mode == SUBQUERY_SCALAR && has_outer(plan))
        plan = pick_row(o, plan);
    int rc = pull_up(o, plan, pp, ret);
    pp->plan = plan;
    bool lost_row = rc == 0 && sub->subquery_mode == SUBQUERY_IN && pp->keyless_aggregate && pp->preds.count;
    if (rc != (int)ERR_UNSUPPORTED_SUBQUERY && !lost_row)
        return rc;
    error_fini(o->err); /* conditions that cannot climb: compute it for all outer values */
    *pp = (struct pulled){.plan = plan};
    return domain_join(o, in, plan, &pp->preds, ret);
}

/* WHERE [NOT] EXISTS / IN. */
static int filter_by_subquery(struct opt *o, struct logical *in, struct expr *sub, bool negated, struct logical **ret)
{
    struct pulled pp = {0};
    struct lcol *cols;
    struct logical *right;
    TRY(sub_plan(o, in, sub, &pp, &cols, &right));
    struct expr *cond = exprs_and(o->ar, &pp.preds);
    bool is_in = sub->subquery_mode == SUBQUERY_IN;
    if (pp.keyless_aggregate && pp.preds.count && !is_in) {
        /* EXISTS over an aggregate that always has a row. */
        *ret = negated ? make_empty(o, in) : in;
        return 0;
    }
    enum join_kind kind = negated ? JOIN_ANTI : JOIN_SEMI;
    if (is_in) {
        bool nullable = false;
        for (uint32_t i = 0; i < sub->arg_count; i++)
            nullable = nullable || sub->args[i]->nullable || cols[i].nullable;
        if (negated && nullable && !cond && is_join_key(sub)) {
            kind = JOIN_ANTI_NULL_AWARE;
            cond = in_condition(o, sub, cols, false);
        } else {
            cond = expr_and(o->ar, in_condition(o, sub, cols, negated), cond);
        }
    } else if (!cond) {
        right = make_limit(o, right, 1, 0);
    }
    if (cond)
        cond = bind_to(o, cond, in);
    *ret = make_join(o, kind, in, right, cond);
    return 0;
}

static struct expr *mark_column(struct opt *o, struct logical **in, struct logical *right, struct expr *cond)
{
    *in = make_join(o, JOIN_MARK, *in, right, cond ? bind_to(o, cond, *in) : NULL);
    return column_of(o, &(*in)->out[(*in)->out_count - 1]);
}

/* A subquery inside an expression: *in gets the join, *ret what stands for the subquery. */
static int extract(struct opt *o, struct logical **in, struct expr *sub, bool null_matters, struct expr **ret)
{
    struct pulled pp = {0};
    struct lcol *cols;
    struct logical *right;
    if (sub->subquery_mode == SUBQUERY_SCALAR) {
        /* (select expression of outer columns) */
        struct logical *p = sub->plan;
        if (p->kind == LP_PROJECT && p->inputs[0]->kind == LP_VALUES && p->inputs[0]->row_count == 1 &&
            p->inputs[0]->out_count == 0 && !has_subquery(p->exprs[0])) {
            *ret = bind_to(o, p->exprs[0], *in);
            return 0;
        }
    }
    TRY(sub_plan(o, *in, sub, &pp, &cols, &right));
    struct expr *cond = exprs_and(o->ar, &pp.preds);
    struct expr *f = expr_bool(o->ar, false), *t = expr_bool(o->ar, true);
    switch (sub->subquery_mode) {
    case SUBQUERY_EXISTS:
        if (pp.keyless_aggregate && pp.preds.count) {
            *ret = t;
            return 0;
        }
        if (!cond)
            right = make_limit(o, right, 1, 0);
        *ret = call2(o, "coalesce", mark_column(o, in, right, cond), f);
        return 0;
    case SUBQUERY_IN: {
        struct expr *exact = in_condition(o, sub, cols, false);
        if (!cond && is_join_key(sub)) { /* the join knows IN's three values */
            *ret = mark_column(o, in, right, exact);
            return 0;
        }
        struct expr *hit = call2(o, "coalesce", mark_column(o, in, right, expr_and(o->ar, exact, cond)), f);
        if (!null_matters) {
            *ret = hit;
            return 0;
        }
        /* A second use of the plan would repeat column ids: rename them. */
        struct lcol *cols2 = ARENA_ARRAY(o->ar, struct lcol, right->out_count);
        struct expr **pass = ARENA_ARRAY(o->ar, struct expr *, right->out_count);
        struct expr **by = ARENA_ARRAY(o->ar, struct expr *, right->out_count);
        for (uint32_t i = 0; i < right->out_count; i++) {
            pass[i] = column_of(o, &right->out[i]);
            cols2[i] = new_col(o, right->out[i].name, right->out[i].type, right->out[i].nullable);
            by[i] = column_of(o, &cols2[i]);
        }
        struct logical *right2 = make_project(o, right, cols2, pass, right->out_count);
        struct expr *loose = expr_and(o->ar, in_condition(o, sub, cols, true), cond);
        loose = expr_replace(o, loose, right->out, by, right->out_count);
        struct expr *maybe = call2(o, "coalesce", mark_column(o, in, right2, loose), f);
        *ret = call3(o, "if", hit, t, call3(o, "if", maybe, expr_null(o->ar, type_of(TYPE_BOOLEAN)), f));
        return 0;
    }
    case SUBQUERY_SCALAR:
        break;
    }
    struct lcol value = cols[0];
    if (!cond) {
        bool one_row = keyless_below(right);
        *in = make_join(o, one_row ? JOIN_INNER : JOIN_SINGLE, *in, right, NULL);
        value.nullable = value.nullable || !one_row;
        *ret = column_of(o, &value);
        return 0;
    }
    value.nullable = true;
    if (!pp.keyless_aggregate) {
        *in = make_join(o, JOIN_SINGLE, *in, right, bind_to(o, cond, *in));
        *ret = column_of(o, &value);
        return 0;
    }
    struct expr *empty = empty_of(o, pp.plan, cols[0].id);
    uint32_t marker = 0;
    bool restore = empty && !is_literal_null(empty);
    if (restore)
        right = project_add(o, right, t, "matched", &marker);
    struct logical *left = *in;
    *in = make_join(o, JOIN_LEFT, left, right, bind_to(o, cond, left));
    *ret = column_of(o, &value);
    if (restore) {
        struct expr *m = expr_column(o->ar, marker, type_of(TYPE_BOOLEAN), true, "matched");
        *ret = call3(o, "if", call1(o, "isnull", m), expr_cast_must(o->ar, o->cx, empty, value.type), *ret);
    }
    return 0;
}

/* Replaces every subquery in e. under_not: null and false are not the same here. */
static int extract_all(struct opt *o, struct logical **in, struct expr *e, bool null_matters, struct expr **ret)
{
    if (!has_subquery(e)) {
        *ret = e;
        return 0;
    }
    bool monotone = !null_matters && (is_call(e, "and") || is_call(e, "or"));
    struct expr *copy = arena_dup(o->ar, e, sizeof *e);
    copy->args = ARENA_ARRAY(o->ar, struct expr *, e->arg_count);
    for (uint32_t i = 0; i < e->arg_count; i++)
        TRY(extract_all(o, in, e->args[i], !monotone, &copy->args[i]));
    if (e->filter)
        TRY(extract_all(o, in, e->filter, false, &copy->filter));
    if (e->kind == EXPR_SUBQUERY)
        return extract(o, in, copy, null_matters, ret);
    *ret = copy;
    return 0;
}

static int filter_subqueries(struct opt *o, struct logical *lp, struct logical **ret)
{
    struct logical *in = lp->inputs[0];
    struct exprs all = {0}, plain = {0};
    exprs_add_conjuncts(o->ar, &all, lp->condition);
    for (uint32_t i = 0; i < all.count; i++)
        if (!has_subquery(all.items[i]))
            exprs_add(o->ar, &plain, all.items[i]);
    in = make_filter(o, in, exprs_and(o->ar, &plain));
    for (uint32_t i = 0; i < all.count; i++) {
        struct expr *e = all.items[i];
        if (!has_subquery(e))
            continue;
        bool negated = is_call(e, "not") && e->args[0]->kind == EXPR_SUBQUERY;
        struct expr *sub = negated ? e->args[0] : e;
        bool plain_args = sub->kind == EXPR_SUBQUERY;
        for (uint32_t a = 0; plain_args && a < sub->arg_count; a++)
            plain_args = !has_subquery(sub->args[a]);
        if (plain_args && sub->subquery_mode != SUBQUERY_SCALAR) {
            TRY(filter_by_subquery(o, in, sub, negated, &in));
            continue;
        }
        struct expr *cond;
        TRY(extract_all(o, &in, e, false, &cond));
        in = make_filter(o, in, cond);
    }
    *ret = in;
    return 0;
}

static int extract_list(struct opt *o, struct logical **in, struct expr **list, uint32_t count, struct expr ***ret)
{
    struct expr **out = ARENA_ARRAY(o->ar, struct expr *, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(extract_all(o, in, list[i], true, &out[i]));
    *ret = out;
    return 0;
}

/* Where positions count, the columns that joins for subqueries added go again. */
static struct logical *without_gained(struct opt *o, struct logical *lp, const struct logical *before)
{
    if (lp->out_count == before->out_count)
        return lp;
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, before->out_count);
    for (uint32_t i = 0; i < before->out_count; i++)
        exprs[i] = column_of(o, &before->out[i]);
    return make_project(o, lp, before->out, exprs, before->out_count);
}

static int decorrelate(struct opt *o, struct logical *lp, struct logical **ret)
{
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++)
        TRY(decorrelate(o, lp->inputs[i], &inputs[i]));
    if (lp->kind == LP_UNION || lp->kind == LP_DISTINCT || lp->kind == LP_SETOP)
        for (uint32_t i = 0; i < lp->input_count; i++)
            inputs[i] = without_gained(o, inputs[i], lp->inputs[i]);
    lp = logical_with_inputs(o, lp, inputs);
    if (lp->kind == LP_FILTER && has_subquery(lp->condition))
        return filter_subqueries(o, lp, ret);
    if (lp->kind == LP_JOIN && lp->condition && has_subquery(lp->condition)) {
        if (lp->join_kind == JOIN_INNER) {
            struct logical *filter = make_filter(o, make_join(o, JOIN_INNER, lp->inputs[0], lp->inputs[1], NULL), lp->condition);
            return filter_subqueries(o, filter, ret);
        }
        /* A conjunct about the optional side alone can be decided below the join. */
        bool right_ok = lp->join_kind == JOIN_LEFT || lp->join_kind == JOIN_SEMI || lp->join_kind == JOIN_ANTI;
        struct exprs all = {0}, stay = {0}, down = {0};
        struct colset left = {0};
        colset_add_out(o->ar, &left, lp->inputs[0]);
        exprs_add_conjuncts(o->ar, &all, lp->condition);
        for (uint32_t i = 0; i < all.count; i++) {
            if (!has_subquery(all.items[i])) {
                exprs_add(o->ar, &stay, all.items[i]);
                continue;
            }
            if (!right_ok || expr_touches(all.items[i], &left))
                return unsupported(o, all.items[i]->span, "a subquery in the condition of an outer join");
            exprs_add(o->ar, &down, all.items[i]);
        }
        struct logical *right;
        TRY(filter_subqueries(o, make_filter(o, lp->inputs[1], exprs_and(o->ar, &down)), &right));
        struct logical *copy = logical_copy(o, lp);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 2);
        copy->inputs[0] = lp->inputs[0];
        copy->inputs[1] = right;
        copy->condition = exprs_and(o->ar, &stay);
        *ret = copy;
        return 0;
    }
    bool in_sorts = false;
    for (uint32_t i = 0; i < lp->sort_count; i++)
        in_sorts = in_sorts || has_subquery(lp->sorts[i].expr);
    if (list_has(lp->exprs, lp->expr_count, EXPR_SUBQUERY) || list_has(lp->aggs, lp->agg_count, EXPR_SUBQUERY) || in_sorts) {
        if (lp->input_count != 1)
            return unsupported(o, lp->span, "a subquery in this place");
        struct logical *copy = logical_copy(o, lp), *in = lp->inputs[0];
        TRY(extract_list(o, &in, lp->exprs, lp->expr_count, &copy->exprs));
        TRY(extract_list(o, &in, lp->aggs, lp->agg_count, &copy->aggs));
        copy->sorts = arena_dup(o->ar, lp->sort_count ? lp->sorts : &(struct lsort){0},
                                (lp->sort_count ? lp->sort_count : 1) * sizeof *lp->sorts);
        for (uint32_t i = 0; i < lp->sort_count; i++)
            TRY(extract_all(o, &in, lp->sorts[i].expr, true, &copy->sorts[i].expr));
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
        copy->inputs[0] = in;
        *ret = copy;
        return 0;
    }
    for (uint32_t i = 0; i < lp->row_count; i++)
        if (list_has(lp->rows[i], lp->out_count, EXPR_SUBQUERY))
            return unsupported(o, lp->span, "a subquery in VALUES");
    for (uint32_t i = 0; i < lp->list_count; i++)
        if (list_has(lp->lists[i], lp->out_count, EXPR_SUBQUERY))
            return unsupported(o, lp->span, "a subquery in grouping sets");
    *ret = lp;
    return 0;
}

/* What is left of a subquery would be nothing that executors know. */
static int check_gone(struct opt *o, const struct logical *lp)
{
    if (node_has(lp, EXPR_OUTER) || node_has(lp, EXPR_SUBQUERY))
        return unsupported(o, lp->span, "a subquery, or a column of an outer query, in this place");
    for (uint32_t i = 0; i < lp->input_count; i++)
        TRY(check_gone(o, lp->inputs[i]));
    return 0;
}

int rule_subqueries(struct opt *o, struct logical *lp, struct logical **ret)
{
    TRY(decorrelate(o, lp, ret));
    return check_gone(o, *ret);
}
