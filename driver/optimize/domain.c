/*
 * Correlated subqueries whose outer columns cannot climb to a join condition: a comparison other than equality
 * below an aggregate, an outer column in a select list, below a UNION.
 *
 * The subquery is computed for every combination of outer values at once. Its domain - the distinct values of
 * the outer columns in the plan around it - is joined in where the outer columns are used, and from there on every
 * operator carries the domain's columns: aggregates group by them, unions append them. The subquery then is an
 * uncorrelated plan that is joined to the outer one on equality (null-safe) with its domain's columns.
 *
 * An aggregate without keys gives a row for every combination, also where it got none: it is joined back to the
 * domain, and counts that found nothing are 0.
 */
#include "driver/optimize/rule.h"

enum { DOMAIN_MAX = 16 };

struct domain {
    struct opt *o;
    struct logical *left;           /* the plan around the subquery */
    uint32_t count;
    struct expr *outer[DOMAIN_MAX]; /* EXPR_OUTER of each column */
};

static void collect_expr(struct domain *d, struct expr *e, bool *ret_too_many)
{
    for (uint32_t i = 0; i < e->arg_count; i++)
        collect_expr(d, e->args[i], ret_too_many);
    if (e->filter)
        collect_expr(d, e->filter, ret_too_many);
    if (e->kind != EXPR_OUTER)
        return;
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->outer[i]->column == e->column)
            return;
    }
    if (d->count == DOMAIN_MAX)
        *ret_too_many = true;
    else
        d->outer[d->count++] = e;
}

struct collect_ctx {
    struct domain *d;
    bool too_many;
};

static struct expr *collect_one(struct opt *o, struct expr *e, void *ctx)
{
    (void)o;
    struct collect_ctx *c = ctx;
    collect_expr(c->d, e, &c->too_many);
    return e;
}

static void collect(struct domain *d, struct logical *lp, struct collect_ctx *c)
{
    logical_map(d->o, lp, collect_one, c);
    for (uint32_t i = 0; i < lp->input_count; i++)
        collect(d, lp->inputs[i], c);
}

static bool mentions(struct domain *d, struct logical *lp)
{
    struct domain found = {.o = d->o};
    struct collect_ctx c = {&found, false};
    collect(&found, lp, &c);
    return found.count > 0;
}

/* A fresh reading of the domain: its columns have new ids. */
static struct logical *domain_new(struct domain *d)
{
    struct opt *o = d->o;
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, d->count);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, d->count);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct expr *e = d->outer[i];
        out[i] = new_col(o, e->name ? e->name : "outer", e->type, true);
        exprs[i] = expr_column(o->ar, e->column, e->type, e->nullable, e->name);
    }
    struct logical *values = make_project(o, d->left, out, exprs, d->count);
    struct logical *lp = logical_copy(o, values);
    *lp = (struct logical){.kind = LP_DISTINCT, .span = values->span, .limit = -1, .input_count = 1, .out_count = d->count, .out = out};
    lp->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    lp->inputs[0] = values;
    return lp;
}

/* ---- pushing ---- */

struct bind_ctx {
    struct domain *d;
    const struct lcol *cols; /* of the domain, here */
};

static struct expr *bind_node(struct arena *ar, struct expr *e, void *ctx)
{
    struct bind_ctx *b = ctx;
    for (uint32_t i = 0; e->kind == EXPR_OUTER && i < b->d->count; i++) {
        if (b->d->outer[i]->column == e->column) {
            struct expr *col = expr_column(ar, b->cols[i].id, e->type, true, e->name);
            col->span = e->span;
            return col;
        }
    }
    return e;
}

static struct expr *bind_one(struct opt *o, struct expr *e, void *ctx)
{
    return expr_rewrite(o->ar, e, bind_node, ctx);
}

static int refuse(struct domain *d, const struct logical *lp, const char *what)
{
    error_setf(d->o->err, ERR_UNSUPPORTED_SUBQUERY, "message", "%s", what);
    error_at(d->o->err, lp->span);
    return (int)d->o->err->code;
}

/* a.i <=> b.i for all columns of the domain. */
static struct expr *same_domain(struct domain *d, const struct lcol *a, const struct lcol *b)
{
    struct expr *all = NULL;
    for (uint32_t i = 0; i < d->count; i++)
        all = expr_and(d->o->ar, all, call2(d->o, "<=>", column_of(d->o, &a[i]), column_of(d->o, &b[i])));
    return all;
}

static int push(struct domain *d, struct logical *lp, struct logical **ret, const struct lcol **ret_cols);

static struct logical *one_input(struct domain *d, struct logical *lp, struct logical *in)
{
    struct logical *copy = logical_copy(d->o, lp);
    copy->inputs = ARENA_ARRAY(d->o->ar, struct logical *, 1);
    copy->inputs[0] = in;
    return copy;
}

/* lp's projection, and the domain's columns behind it. */
static struct logical *append(struct domain *d, struct logical *in, const struct logical *like, struct expr **exprs, const struct lcol *cols)
{
    uint32_t n = like->out_count;
    struct lcol *out = ARENA_ARRAY(d->o->ar, struct lcol, n + d->count);
    struct expr **all = ARENA_ARRAY(d->o->ar, struct expr *, n + d->count);
    for (uint32_t i = 0; i < n + d->count; i++) {
        out[i] = i < n ? like->out[i] : cols[i - n];
        all[i] = i < n ? exprs[i] : column_of(d->o, &cols[i - n]);
    }
    return make_project(d->o, in, out, all, n + d->count);
}

/* Every combination has a row: those that the aggregate got nothing for too. */
static struct logical *with_empty_groups(struct domain *d, const struct logical *lp, struct logical *agg, const struct lcol **cols)
{
    struct opt *o = d->o;
    struct logical *all = domain_new(d);
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, lp->out_count);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, lp->out_count);
    struct logical *join = make_join(o, JOIN_LEFT, all, agg, same_domain(d, all->out, *cols));
    for (uint32_t i = 0; i < lp->out_count; i++) {
        struct expr *v = expr_column(o->ar, lp->out[i].id, lp->out[i].type, true, lp->out[i].name);
        /* the columns of the aggregate under new ids: those of lp belong to the result */
        out[i] = new_col(o, lp->out[i].name, lp->out[i].type, true);
        exprs[i] = agg_counts(lp->aggs[i]->agg) ? call2(o, "coalesce", v, expr_bigint(o->ar, 0)) : v;
    }
    struct logical like = {.out_count = lp->out_count, .out = out};
    struct logical *values = append(d, join, &like, exprs, all->out);
    for (uint32_t i = 0; i < lp->out_count; i++)
        exprs[i] = column_of(o, &out[i]);
    *cols = all->out;
    return append(d, values, lp, exprs, all->out);
}

static int push_aggregate(struct domain *d, struct logical *lp, struct logical **ret, const struct lcol **ret_cols)
{
    struct opt *o = d->o;
    struct logical *in;
    const struct lcol *cols;
    TRY(push(d, lp->inputs[0], &in, &cols));
    struct bind_ctx b = {d, cols};
    struct logical *agg = logical_copy(o, logical_map(o, lp, bind_one, &b));
    uint32_t keys = agg->expr_count;
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, keys + d->count);
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, agg->out_count + d->count);
    for (uint32_t i = 0; i < keys + d->count; i++) {
        exprs[i] = i < keys ? agg->exprs[i] : column_of(o, &cols[i - keys]);
        out[i] = i < keys ? agg->out[i] : cols[i - keys];
    }
    for (uint32_t i = 0; i < agg->agg_count; i++)
        out[keys + d->count + i] = lp->out[keys + i];
    agg->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    agg->inputs[0] = in;
    agg->exprs = exprs;
    agg->expr_count = keys + d->count;
    agg->out = out;
    agg->out_count += d->count;
    *ret_cols = out + keys;
    *ret = keys == 0 ? with_empty_groups(d, lp, agg, ret_cols) : agg;
    return 0;
}

static int push_join(struct domain *d, struct logical *lp, struct logical **ret, const struct lcol **ret_cols)
{
    struct opt *o = d->o;
    struct logical *left = lp->inputs[0], *right = lp->inputs[1];
    const struct lcol *cols, *right_cols = NULL;
    if (lp->join_kind == JOIN_RIGHT || lp->join_kind == JOIN_FULL || lp->join_kind == JOIN_ANTI_NULL_AWARE)
        return refuse(d, lp, "an outer column below a RIGHT or FULL join or NOT IN of a subquery");
    bool right_too = mentions(d, right);
    TRY(push(d, left, &left, &cols));
    if (right_too)
        TRY(push(d, right, &right, &right_cols));
    struct bind_ctx b = {d, cols};
    struct expr *cond = lp->condition ? bind_one(o, lp->condition, &b) : NULL;
    if (right_too)
        cond = expr_and(o->ar, cond, same_domain(d, cols, right_cols));
    struct logical *join = make_join(o, lp->join_kind, left, right, cond);
    if (lp->join_kind == JOIN_MARK)
        join->out[join->out_count - 1] = lp->out[lp->out_count - 1];
    *ret = join;
    *ret_cols = cols;
    return 0;
}

/* UNION ALL, INTERSECT, EXCEPT: the domain's columns behind those of each input. */
static int push_by_position(struct domain *d, struct logical *lp, struct logical **ret, const struct lcol **ret_cols)
{
    struct opt *o = d->o;
    struct logical *copy = logical_copy(o, lp);
    copy->inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++) {
        const struct lcol *cols;
        struct logical *in;
        TRY(push(d, lp->inputs[i], &in, &cols));
        struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, lp->out_count);
        for (uint32_t j = 0; j < lp->out_count; j++)
            exprs[j] = column_of(o, &lp->inputs[i]->out[j]);
        copy->inputs[i] = append(d, in, lp->inputs[i], exprs, cols);
    }
    copy->out = ARENA_ARRAY(o->ar, struct lcol, lp->out_count + d->count);
    memcpy(copy->out, lp->out, lp->out_count * sizeof *lp->out);
    for (uint32_t i = 0; i < d->count; i++)
        copy->out[lp->out_count + i] = new_col(o, "outer", d->outer[i]->type, true);
    copy->out_count = lp->out_count + d->count;
    *ret = copy;
    *ret_cols = copy->out + lp->out_count;
    return 0;
}

static int push(struct domain *d, struct logical *lp, struct logical **ret, const struct lcol **ret_cols)
{
    struct opt *o = d->o;
    struct logical *in;
    if (!mentions(d, lp)) {
        struct logical *all = domain_new(d);
        *ret = make_join(o, JOIN_INNER, all, lp, NULL);
        *ret_cols = all->out;
        return 0;
    }
    switch (lp->kind) {
    case LP_FILTER: {
        TRY(push(d, lp->inputs[0], &in, ret_cols));
        struct bind_ctx b = {d, *ret_cols};
        *ret = make_filter(o, in, bind_one(o, lp->condition, &b));
        return 0;
    }
    case LP_PROJECT: {
        TRY(push(d, lp->inputs[0], &in, ret_cols));
        struct bind_ctx b = {d, *ret_cols};
        struct logical *bound = logical_map(o, lp, bind_one, &b);
        *ret = append(d, in, lp, bound->exprs, *ret_cols);
        return 0;
    }
    case LP_AGGREGATE: return push_aggregate(d, lp, ret, ret_cols);
    case LP_JOIN: return push_join(d, lp, ret, ret_cols);
    case LP_UNION:
    case LP_SETOP: return push_by_position(d, lp, ret, ret_cols);
    case LP_SORT: return push(d, lp->inputs[0], ret, ret_cols); /* no limit above it: order means nothing here */
    case LP_DISTINCT:
        TRY(push(d, lp->inputs[0], &in, ret_cols));
        *ret = one_input(d, lp, in);
        (*ret)->out = in->out;
        (*ret)->out_count = in->out_count;
        return 0;
    default: return refuse(d, lp, "an outer column below a LIMIT, VALUES or grouping sets of a subquery");
    }
}

int domain_join(struct opt *o, struct logical *left, struct logical *sub, struct exprs *ret_preds, struct logical **ret)
{
    struct domain d = {.o = o, .left = left};
    struct collect_ctx c = {&d, false};
    struct colset available = {0};
    collect(&d, sub, &c);
    colset_add_out(o->ar, &available, left);
    for (uint32_t i = 0; i < d.count; i++) {
        if (c.too_many || !colset_has(&available, d.outer[i]->column))
            return refuse(&d, sub, "outer columns of queries further out, in this place");
    }
    const struct lcol *cols;
    TRY(push(&d, sub, ret, &cols));
    for (uint32_t i = 0; i < d.count; i++)
        exprs_add(o->ar, ret_preds, call2(o, "<=>", d.outer[i], column_of(o, &cols[i])));
    return 0;
}
