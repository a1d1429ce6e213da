/*
 * LIMIT of a correlated scalar subquery, which would have to be one for every outer row: it becomes an aggregate, and
 * aggregates can be computed for all outer rows at once.
 *
 *   select e .. limit 1                    first(e)
 *   select e .. order by k limit 1         the e of the least k: min_by(e, k), and first(e) for where the nulls are
 *   select e .. order by k, l limit 1      by l within every k first, then by k
 *   select e .. limit 2                    as without: a second row is an error with it as well
 *
 * No row becomes a row of null, which is what a scalar subquery without a row is.
 */
#include "driver/optimize/rule.h"

static struct expr *agg_of(struct opt *o, const char *name, struct expr *a, struct expr *b, struct expr *filter)
{
    struct expr *ret = NULL, **args = ARENA_ARRAY(o->ar, struct expr *, 2);
    struct error err = ERROR_INIT;
    args[0] = a;
    args[1] = b;
    if (agg_call(o->ar, o->cx, agg_find(name), args, b ? 2 : 1, false, filter, (struct span){0, 0}, &ret, &err) != 0)
        UNREACHABLE("an aggregate of a column");
    return ret;
}

static struct expr *add_agg(struct opt *o, struct logical *agg, struct expr *e)
{
    struct lcol *col = &agg->out[agg->out_count++];
    agg->aggs[agg->agg_count++] = e;
    *col = new_col(o, "picked", e->type, true);
    return column_of(o, col);
}

/* The value of the first row by one key, over aggregates that are added to agg. */
static struct expr *first_by(struct opt *o, struct logical *agg, struct expr *value, const struct lsort *key)
{
    struct expr *zero = expr_bigint(o->ar, 0), *k = key->expr;
    struct expr *best = add_agg(o, agg, agg_of(o, key->descending ? "max_by" : "min_by", value, k, NULL));
    if (!k->nullable)
        return best;
    if (key->nulls_last) {
        struct expr *any = add_agg(o, agg, agg_of(o, "count", k, NULL, NULL));
        return call3(o, "if", call2(o, ">", any, zero), best, add_agg(o, agg, agg_of(o, "first", value, NULL, NULL)));
    }
    struct expr *null = call1(o, "isnull", k);
    struct expr *nulls = add_agg(o, agg, agg_of(o, "count", expr_int(o->ar, 1), NULL, null));
    return call3(o, "if", call2(o, ">", nulls, zero), add_agg(o, agg, agg_of(o, "first", value, NULL, null)), best);
}

/* One row for every combination of keys [0, key_count): the keys, and the value that comes first by key number key_count. */
static struct logical *pick_by(struct opt *o, struct logical *in, const struct lsort *keys, uint32_t key_count, bool sorted,
                               struct expr **value, struct lcol value_col)
{
    enum { AGGS_MAX = 3 };
    struct logical *agg = ARENA_NEW(o->ar, struct logical);
    *agg = (struct logical){.kind = LP_AGGREGATE, .span = in->span, .limit = -1, .input_count = 1, .expr_count = key_count, .out_count = key_count};
    agg->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
    agg->inputs[0] = in;
    agg->exprs = ARENA_ARRAY(o->ar, struct expr *, key_count);
    agg->aggs = ARENA_ARRAY(o->ar, struct expr *, AGGS_MAX);
    agg->out = ARENA_ARRAY(o->ar, struct lcol, key_count + AGGS_MAX);
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, key_count + 1);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, key_count + 1);
    for (uint32_t i = 0; i < key_count; i++) {
        const struct expr *k = keys[i].expr;
        agg->exprs[i] = keys[i].expr;
        agg->out[i] = out[i] = (struct lcol){k->column, k->name, k->type, k->nullable};
        exprs[i] = column_of(o, &out[i]);
    }
    exprs[key_count] = sorted ? first_by(o, agg, *value, &keys[key_count]) : add_agg(o, agg, agg_of(o, "first", *value, NULL, NULL));
    out[key_count] = value_col;
    *value = column_of(o, &out[key_count]);
    return make_project(o, agg, out, exprs, key_count + 1);
}

static bool one_row(const struct logical *lp)
{
    while (lp->kind == LP_PROJECT)
        lp = lp->inputs[0];
    return lp->kind == LP_AGGREGATE && lp->expr_count == 0;
}

/* The SORT below projections, or NULL. */
static struct logical *sort_below(struct logical *lp)
{
    while (lp->kind == LP_PROJECT)
        lp = lp->inputs[0];
    return lp->kind == LP_SORT ? lp : NULL;
}

/* Keys and value as columns of their own, over what is sorted. */
static struct logical *lay_out(struct opt *o, struct logical *in, struct expr **value, struct lsort *keys, uint32_t count)
{
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, count + 1);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, count + 1);
    for (uint32_t i = 0; i <= count; i++) {
        exprs[i] = i < count ? keys[i].expr : *value;
        out[i] = new_col(o, i < count ? "sort" : "value", exprs[i]->type, exprs[i]->nullable);
        *(i < count ? &keys[i].expr : value) = column_of(o, &out[i]);
    }
    return make_project(o, in, out, exprs, count + 1);
}

/* Types that min_by and its like take. */
static bool is_plain(const struct type *t)
{
    return !type_is_nested(t) && t->id != TYPE_NULL;
}

static bool all_plain(const struct logical *sort, const struct lcol *value)
{
    bool plain = is_plain(value->type);
    for (uint32_t i = 0; sort && i < sort->sort_count; i++)
        plain &= is_plain(sort->sorts[i].expr->type);
    return plain;
}

struct logical *pick_row(struct opt *o, struct logical *lp)
{
    if (lp->kind != LP_LIMIT || lp->offset > 0 || lp->limit == 0)
        return lp;
    struct logical *in = lp->inputs[0], *sort = sort_below(in);
    if (lp->limit != 1 || one_row(in))
        return in;
    if (!all_plain(sort, &lp->out[0]))
        return lp;
    struct expr *value = column_of(o, &lp->out[0]);
    struct lcol result = lp->out[0];
    result.nullable = true;
    if (!sort)
        return pick_by(o, in, NULL, 0, false, &value, result);
    for (; in != sort; in = in->inputs[0])
        value = expr_replace(o, value, in->out, in->exprs, in->out_count);
    struct lsort *keys = arena_dup(o->ar, sort->sorts, sort->sort_count * sizeof *keys);
    in = lay_out(o, sort->inputs[0], &value, keys, sort->sort_count);
    for (uint32_t k = sort->sort_count; k-- > 0;)
        in = pick_by(o, in, keys, k, true, &value, k ? new_col(o, "value", value->type, true) : result);
    return in;
}
