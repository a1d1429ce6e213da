/*
 * The optimizer and the physical planner together: logical plans made by hand, stage DAGs as text. What is
 * asserted are the lines that matter (which join, what is pushed where, how many stages), not whole texts.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/expr/fn.h"
#include "driver/optimize/estimate.h"
#include "driver/optimize/optimize.h"
#include "driver/physical/physical.h"
#include "tests/unit/suite.h"

static struct arena ar;
static const struct query_ctx cx = {.now_us = 1, .zone_name = "UTC", .seed = 42, .ansi = true};
static uint32_t next_id;
static struct buf text;
static struct physical_env settings; /* what a test wants to be different */
static char folder[] = "/tmp/drover-optimize-XXXXXX";

static void set_up(void)
{
    arena_init(&ar);
    next_id = 1;
    settings = (struct physical_env){0};
}
static void tear_down(void)
{
    buf_fini(&text);
    arena_fini(&ar);
}

/* ---- tables ---- */

struct col_def {
    const char *name;
    enum type_id type;
    int64_t min, max;
};
struct table_def {
    const char *name;
    int64_t rows;
    uint32_t count;
    struct col_def cols[6];
};
static const struct table_def tables[] = {
    {"lineitem",
     6000000,
     6,
     {{"l_orderkey", TYPE_BIGINT, 1, 6000000},
      {"l_partkey", TYPE_BIGINT, 1, 200000},
      {"l_suppkey", TYPE_BIGINT, 1, 10000},
      {"l_quantity", TYPE_DOUBLE, 1, 50},
      {"l_shipdate", TYPE_DATE, 8000, 10500},
      {"l_shipmode", TYPE_STRING, 0, 0}}},
    {"orders",
     1500000,
     4,
     {{"o_orderkey", TYPE_BIGINT, 1, 6000000},
      {"o_custkey", TYPE_BIGINT, 1, 150000},
      {"o_orderdate", TYPE_DATE, 8000, 10400},
      {"o_priority", TYPE_STRING, 0, 0}}},
    {"customer", 150000, 3, {{"c_custkey", TYPE_BIGINT, 1, 150000}, {"c_nationkey", TYPE_INT, 0, 24}, {"c_segment", TYPE_STRING, 0, 0}}},
    {"part",
     200000,
     4,
     {{"p_partkey", TYPE_BIGINT, 1, 200000},
      {"p_brand", TYPE_STRING, 0, 0},
      {"p_container", TYPE_STRING, 0, 0},
      {"p_size", TYPE_INT, 1, 50}}},
    {"nation", 25, 2, {{"n_nationkey", TYPE_INT, 0, 24}, {"n_name", TYPE_STRING, 0, 0}}},
};

static struct file_stats *stats_cb(const struct table_ref *table, void *ctx)
{
    (void)ctx;
    for (uint32_t t = 0; t < ARRAY_LEN(tables); t++) {
        const struct table_def *d = &tables[t];
        if (strcmp(d->name, table->name) != 0)
            continue;
        struct file_stats *fs = ARENA_NEW(&ar, struct file_stats);
        fs->rows = d->rows;
        fs->column_count = d->count;
        fs->columns = ARENA_ARRAY(&ar, struct column_stats, d->count);
        for (uint32_t i = 0; i < d->count; i++) {
            struct column_stats *c = &fs->columns[i];
            c->distinct_count = -1;
            c->has_range = d->cols[i].type != TYPE_STRING;
            c->min = (struct value){.type = type_of(d->cols[i].type), .i = d->cols[i].min};
            c->max = (struct value){.type = type_of(d->cols[i].type), .i = d->cols[i].max};
            if (d->cols[i].type == TYPE_DOUBLE) {
                c->min.f = (double)d->cols[i].min;
                c->max.f = (double)d->cols[i].max;
            }
        }
        return fs;
    }
    return NULL;
}

static struct logical *node(enum logical_kind kind, struct logical *a, struct logical *b)
{
    struct logical *lp = ARENA_NEW(&ar, struct logical);
    lp->kind = kind;
    lp->limit = -1;
    lp->input_count = b ? 2 : a ? 1 : 0;
    lp->inputs = ARENA_ARRAY(&ar, struct logical *, 2);
    lp->inputs[0] = a;
    lp->inputs[1] = b;
    if (a) {
        lp->out = a->out;
        lp->out_count = a->out_count;
    }
    return lp;
}

static struct logical *scan(const char *name)
{
    const struct table_def *d = tables;
    while (strcmp(d->name, name) != 0)
        d++;
    struct table_ref *t = ARENA_NEW(&ar, struct table_ref);
    t->name = d->name;
    t->format = "parquet";
    /* Files that are only as large as they should be: the statistics come from stats_cb. */
    t->path_count = (uint32_t)(d->rows / 500000) + 1;
    t->paths = ARENA_ARRAY(&ar, const char *, t->path_count);
    for (uint32_t i = 0; i < t->path_count; i++) {
        char *path = arena_printf(&ar, "%s/%s.%u", folder, d->name, i);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, d->rows * 30 / t->path_count), 0);
        close(fd);
        t->paths[i] = path;
    }
    t->file_schema.count = d->count;
    t->file_schema.fields = ARENA_ARRAY(&ar, struct field, d->count);
    struct logical *lp = node(LP_SCAN, NULL, NULL);
    lp->table = t;
    lp->out_count = d->count;
    lp->out = ARENA_ARRAY(&ar, struct lcol, d->count);
    lp->table_columns = ARENA_ARRAY(&ar, uint32_t, d->count);
    for (uint32_t i = 0; i < d->count; i++) {
        t->file_schema.fields[i] = (struct field){d->cols[i].name, type_of(d->cols[i].type), true};
        lp->out[i] = (struct lcol){next_id++, d->cols[i].name, type_of(d->cols[i].type), true};
        lp->table_columns[i] = i;
    }
    return lp;
}

static struct expr *col(const struct logical *lp, const char *name)
{
    for (uint32_t i = 0; i < lp->out_count; i++)
        if (strcmp(lp->out[i].name, name) == 0)
            return expr_column(&ar, lp->out[i].id, lp->out[i].type, lp->out[i].nullable, name);
    for (uint32_t i = 0; i < lp->input_count; i++) {
        struct expr *e = col(lp->inputs[i], name);
        if (e)
            return e;
    }
    return NULL;
}

static struct expr *outer(const struct logical *lp, const char *name)
{
    struct expr *e = col(lp, name);
    e->kind = EXPR_OUTER;
    return e;
}

static struct expr *call_n(const char *name, struct expr **args, uint32_t n)
{
    struct error err = ERROR_INIT;
    struct expr *ret;
    ck_assert_msg(expr_call(&ar, &cx, name, arena_dup(&ar, args, n * sizeof *args), n, (struct span){0, 0}, &ret, &err) == 0, "%s", name);
    return ret;
}
static struct expr *call(const char *name, struct expr *a, struct expr *b)
{
    return call_n(name, (struct expr *[]){a, b}, b ? 2 : 1);
}
static struct expr *str(const char *s)
{
    return expr_string(&ar, s);
}
static struct expr *num(int v)
{
    return expr_int(&ar, v);
}

static struct logical *filter(struct logical *in, struct expr *e)
{
    struct logical *lp = node(LP_FILTER, in, NULL);
    lp->condition = e;
    return lp;
}

static struct logical *join(enum join_kind kind, struct logical *a, struct logical *b, struct expr *cond)
{
    struct logical *lp = node(LP_JOIN, a, b);
    lp->join_kind = kind;
    lp->condition = cond;
    bool both = kind != JOIN_SEMI && kind != JOIN_ANTI;
    lp->out_count = a->out_count + (both ? b->out_count : 0);
    lp->out = ARENA_ARRAY(&ar, struct lcol, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        lp->out[i] = i < a->out_count ? a->out[i] : b->out[i - a->out_count];
    return lp;
}

static struct expr *agg_call_of(const char *name, struct expr *arg, bool distinct)
{
    struct error err = ERROR_INIT;
    struct expr *e, **args = ARENA_ARRAY(&ar, struct expr *, 1);
    args[0] = arg;
    ck_assert_int_eq(agg_call(&ar, &cx, agg_find(name), args, 1, distinct, NULL, (struct span){0, 0}, &e, &err), 0);
    return e;
}

static struct logical *aggregate(struct logical *in, struct expr *key, struct expr *agg, const char *name)
{
    struct logical *lp = node(LP_AGGREGATE, in, NULL);
    lp->expr_count = key ? 1 : 0;
    lp->exprs = ARENA_ARRAY(&ar, struct expr *, 1);
    lp->exprs[0] = key;
    lp->agg_count = agg ? 1 : 0;
    lp->aggs = ARENA_ARRAY(&ar, struct expr *, 1);
    lp->aggs[0] = agg;
    lp->out_count = 0;
    lp->out = ARENA_ARRAY(&ar, struct lcol, 2);
    if (key)
        lp->out[lp->out_count++] = (struct lcol){next_id++, key->name ? key->name : "key", key->type, key->nullable};
    if (agg)
        lp->out[lp->out_count++] = (struct lcol){next_id++, name, agg->type, agg->nullable};
    return lp;
}

static struct logical *project(struct logical *in, const char *name, struct expr *e)
{
    struct logical *lp = node(LP_PROJECT, in, NULL);
    lp->out_count = lp->expr_count = 1;
    lp->exprs = ARENA_ARRAY(&ar, struct expr *, 1);
    lp->exprs[0] = e;
    lp->out = ARENA_ARRAY(&ar, struct lcol, 1);
    lp->out[0] = (struct lcol){next_id++, name, e->type, e->nullable};
    return lp;
}

static struct logical *count_star(struct logical *in)
{
    return aggregate(in, NULL, agg_call_of("count", num(1), false), "n");
}

static struct expr *subquery(enum subquery_mode mode, struct logical *plan, struct expr *left)
{
    struct expr *e = ARENA_NEW(&ar, struct expr);
    e->kind = EXPR_SUBQUERY;
    e->subquery_mode = mode;
    e->plan = plan;
    e->type = mode == SUBQUERY_SCALAR ? plan->out[0].type : type_of(TYPE_BOOLEAN);
    e->nullable = mode != SUBQUERY_EXISTS;
    if (left) {
        e->arg_count = 1;
        e->args = ARENA_ARRAY(&ar, struct expr *, 1);
        e->args[0] = left;
    }
    return e;
}

static struct stage_dag *plan_with(struct logical *lp, uint32_t executors, bool reorder)
{
    struct optimize_env oe = {.table_stats = stats_cb, .no_join_reorder = !reorder};
    struct error err = ERROR_INIT;
    const struct logical *best = NULL;
    int rc = optimize(&ar, &cx, lp, &oe, &best, &err);
    struct buf why = BUF_INIT;
    if (rc)
        error_format(&err, &why);
    ck_assert_msg(rc == 0, "%s", why.data);
    struct physical_env pe = settings;
    pe.shape = (struct cluster_shape){executors, 2 * executors, 1 << 30};
    pe.estimates = oe.ret_estimates;
    struct stage_dag *dag = NULL;
    rc = physical_plan(&ar, &cx, best, &pe, &dag, &err);
    if (rc)
        error_format(&err, &why);
    ck_assert_msg(rc == 0, "%s", why.data);
    buf_reset(&text);
    stage_dag_print(dag, &text);
    return dag;
}

static struct stage_dag *plan(struct logical *lp)
{
    return plan_with(lp, 1, true);
}

#define HAS(s) ck_assert_msg(strstr(text.data, s) != NULL, "no \"%s\" in\n%s", s, text.data)
#define HAS_NOT(s) ck_assert_msg(strstr(text.data, s) == NULL, "\"%s\" in\n%s", s, text.data)

START_TEST(filters_reach_scans)
{
    struct logical *l = scan("lineitem"), *o = scan("orders");
    struct logical *j = join(JOIN_INNER, l, o, call("=", col(l, "l_orderkey"), col(o, "o_orderkey")));
    plan(count_star(filter(j, call("and", call("=", col(l, "l_shipmode"), str("AIR")), call("<", col(o, "o_orderkey"), expr_bigint(&ar, 1000))))));
    HAS("filter=[(l_shipmode = AIR), (l_orderkey < 1000)]"); /* the second through the equality */
    HAS("filter=[(o_orderkey < 1000)]");
    HAS("HashJoin inner shared");
    HAS_NOT("Filter");
    HAS_NOT("l_quantity"); /* pruned */
    HAS("HashAggregate partial");
    HAS("HashAggregate final");
}
END_TEST

START_TEST(outer_join_becomes_inner)
{
    struct logical *c = scan("customer"), *o = scan("orders");
    struct expr *on = call("=", col(c, "c_custkey"), col(o, "o_custkey"));
    plan(count_star(filter(join(JOIN_LEFT, c, o, on), call("=", col(o, "o_priority"), str("LOW")))));
    HAS("HashJoin inner");
    HAS("filter=[(o_priority = LOW)]");
    plan(count_star(filter(join(JOIN_LEFT, c, o, on), call("isnull", col(o, "o_priority"), NULL))));
    HAS("HashJoin right"); /* still outer, and flipped: the optional side is the larger */
    HAS("Filter [");
    struct expr *on2 = call("and", on, call("=", col(o, "o_priority"), str("LOW")));
    plan(count_star(join(JOIN_LEFT, c, o, on2)));
    HAS("HashJoin left");
    HAS("filter=[(o_priority = LOW)]");
    plan_with(count_star(join(JOIN_FULL, c, o, on)), 1, true);
    HAS("HashJoin full on");
    HAS("Exchange hash");
}
END_TEST

START_TEST(exists_and_in)
{
    struct logical *o = scan("orders"), *l = scan("lineitem");
    struct logical *sub = filter(l, call("=", col(l, "l_orderkey"), outer(o, "o_orderkey")));
    plan(count_star(filter(o, subquery(SUBQUERY_EXISTS, sub, NULL))));
    HAS("HashJoin semi shared on=[o_orderkey]=[l_orderkey]");
    plan(count_star(filter(o, call("not", subquery(SUBQUERY_EXISTS, sub, NULL), NULL))));
    HAS("HashJoin anti shared");
    struct logical *p = scan("part");
    plan(count_star(filter(l, call("not", subquery(SUBQUERY_IN, project(p, "k", col(p, "p_partkey")), col(l, "l_partkey")), NULL))));
    HAS("HashJoin null-aware anti shared");
    plan(count_star(filter(o, call("or", subquery(SUBQUERY_EXISTS, sub, NULL), call("=", col(o, "o_priority"), str("LOW"))))));
    HAS("HashJoin mark shared");
    HAS("mark");
    HAS("coalesce(mark");
}
END_TEST

START_TEST(correlated_scalar)
{
    /* TPC-H Q17's core: l_quantity < (select avg(l_quantity) from lineitem where l_partkey = p_partkey) */
    struct logical *l = scan("lineitem"), *p = scan("part"), *l2 = scan("lineitem");
    struct logical *in = filter(l2, call("=", col(l2, "l_partkey"), outer(p, "p_partkey")));
    struct logical *avg = aggregate(in, NULL, agg_call_of("avg", col(l2, "l_quantity"), false), "a");
    struct logical *j = join(JOIN_INNER, l, p, call("=", col(l, "l_partkey"), col(p, "p_partkey")));
    struct expr *brand = call("=", col(p, "p_brand"), str("Brand#23"));
    plan(count_star(filter(j, call("and", brand, call("<", col(l, "l_quantity"), subquery(SUBQUERY_SCALAR, avg, NULL))))));
    HAS("HashJoin inner");
    HAS_NOT("HashJoin left"); /* the comparison rejects null */
    HAS("keys=[l_partkey]");
    /* count(*) of nothing is 0, not null. */
    struct logical *cnt = aggregate(in, NULL, agg_call_of("count", num(1), false), "c");
    plan(count_star(filter(p, call("=", expr_bigint(&ar, 0), subquery(SUBQUERY_SCALAR, cnt, NULL)))));
    HAS("HashJoin left");
    HAS("matched IS NULL");
    /* Not correlated: one row, joined to all. */
    struct logical *l3 = scan("lineitem");
    struct logical *max = aggregate(l3, NULL, agg_call_of("max", col(l3, "l_quantity"), false), "m");
    plan(count_star(filter(l, call("=", col(l, "l_quantity"), subquery(SUBQUERY_SCALAR, max, NULL)))));
    HAS("HashJoin inner shared on=[l_quantity]=[m]");
}
END_TEST

START_TEST(or_gives_its_common_part)
{
    struct logical *l = scan("lineitem"), *p = scan("part");
    struct expr *key = call("=", col(p, "p_partkey"), col(l, "l_partkey"));
    struct expr *a = call("and", call("and", key, call("=", col(p, "p_brand"), str("A"))), call("<", col(l, "l_quantity"), num(5)));
    struct expr *b = call("and", call("and", key, call("=", col(p, "p_brand"), str("B"))), call(">", col(l, "l_quantity"), num(9)));
    plan(count_star(filter(join(JOIN_INNER, l, p, NULL), call("or", a, b))));
    HAS("on=[l_partkey]=[p_partkey]");
    HAS("Scan parquet [p_partkey, p_brand] filter=[(p_brand IN (A, B))]");
    HAS("residual=((");
}
END_TEST

START_TEST(join_order)
{
    /* customer x orders x lineitem x nation, written badly */
    struct logical *c = scan("customer"), *o = scan("orders"), *l = scan("lineitem"), *n = scan("nation");
    struct logical *j = join(JOIN_INNER, join(JOIN_INNER, join(JOIN_INNER, c, l, NULL), n, NULL), o, NULL);
    struct expr *e = call("and", call("=", col(c, "c_custkey"), col(o, "o_custkey")), call("=", col(l, "l_orderkey"), col(o, "o_orderkey")));
    e = call("and", e, call("and", call("=", col(c, "c_nationkey"), col(n, "n_nationkey")), call("=", col(n, "n_name"), str("PERU"))));
    struct stage_dag *dag = plan(count_star(filter(j, e)));
    HAS_NOT("HashJoin inner shared [");
    /* The largest table is probed; the others are built. */
    const struct dag_stage *st = NULL;
    for (uint32_t i = 0; i < dag->stage_count; i++)
        for (uint32_t s = 0; s < dag->stages[i].scan_count; s++)
            if (strcmp(dag->stages[i].scans[s].table, "lineitem") == 0)
                st = &dag->stages[i];
    ck_assert_ptr_nonnull(st);
    ck_assert_uint_eq(st->scan_count, 1);
    ck_assert_uint_ge(st->parent_count, 1);
}
END_TEST

START_TEST(distinct_aggregates)
{
    struct logical *o = scan("orders");
    plan(aggregate(o, col(o, "o_priority"), agg_call_of("count", col(o, "o_custkey"), true), "n"));
    HAS_NOT("DISTINCT");
    plan(aggregate(o, col(o, "o_priority"), agg_call_of("avg", col(o, "o_custkey"), true), "n"));
    HAS("aggs=[avg(");
    struct logical *d = node(LP_DISTINCT, project(o, "p", col(o, "o_priority")), NULL);
    plan(d);
    HAS("HashAggregate partial keys=[p]");
}
END_TEST

START_TEST(set_operations)
{
    struct logical *a = scan("nation"), *b = scan("nation");
    struct logical *s = node(LP_SETOP, project(a, "x", col(a, "n_name")), project(b, "x", col(b, "n_name")));
    s->setop = SETOP_EXCEPT;
    plan(s);
    HAS("HashJoin anti on=");
    s->setop = SETOP_INTERSECT;
    plan(s);
    HAS("HashJoin semi on=");
    s->setop_all = true;
    plan(s);
    HAS("least");
    HAS("Union");
}
END_TEST

START_TEST(top_and_limit)
{
    struct logical *o = scan("orders");
    struct logical *s = node(LP_SORT, o, NULL);
    s->sort_count = 1;
    s->sorts = ARENA_ARRAY(&ar, struct lsort, 1);
    s->sorts[0] = (struct lsort){col(o, "o_orderdate"), true, false};
    struct logical *p = project(s, "k", col(o, "o_orderkey"));
    struct logical *lim = node(LP_LIMIT, p, NULL);
    lim->limit = 10;
    lim->offset = 5;
    struct stage_dag *dag = plan(lim);
    HAS("Top [o_orderdate DESC NULLS FIRST] limit=10 offset=5");
    ck_assert_uint_eq(dag->result.count, 1);
    ck_assert_str_eq(dag->result.fields[0].name, "k");
    plan(p);
    HAS("Sort [o_orderdate DESC NULLS FIRST]");
    struct logical *n = scan("nation");
    struct logical *small = node(LP_LIMIT, n, NULL);
    small->limit = 3;
    dag = plan(small);
    ck_assert_uint_eq(dag->stage_count, 1);
}
END_TEST

START_TEST(ranges_and_values)
{
    struct logical *r = node(LP_RANGE, NULL, NULL);
    r->range_end = 100000;
    r->range_step = 1;
    r->range_parts = 100000;
    r->out_count = 1;
    r->out = ARENA_ARRAY(&ar, struct lcol, 1);
    r->out[0] = (struct lcol){next_id++, "id", type_of(TYPE_BIGINT), false};
    struct stage_dag *dag = plan(count_star(r));
    ck_assert_uint_eq(dag->stages[0].plan.partition_count, 100000);
    ck_assert_uint_eq(dag->stage_count, 2);
    r->range_parts = 0;
    dag = plan(count_star(r));
    ck_assert_uint_eq(dag->stage_count, 1);
    struct logical *one = node(LP_VALUES, NULL, NULL);
    one->row_count = 1;
    one->rows = ARENA_ARRAY(&ar, struct expr **, 1);
    dag = plan(project(one, "1", num(1)));
    ck_assert_uint_eq(dag->stage_count, 1);
    HAS("Project [1]");
}
END_TEST

START_TEST(equal_subplans_once)
{
    struct logical *a = scan("orders"), *b = scan("orders");
    struct logical *x = aggregate(a, col(a, "o_custkey"), agg_call_of("count", num(1), false), "n");
    struct logical *y = aggregate(b, col(b, "o_custkey"), agg_call_of("count", num(1), false), "n");
    struct stage_dag *dag = plan(count_star(
        join(JOIN_INNER, x, y,
             call("=", x->out[0].id ? col(x, "o_custkey") : NULL, expr_column(&ar, y->out[0].id, y->out[0].type, true, "o_custkey")))));
    uint32_t scans = 0;
    for (uint32_t i = 0; i < dag->stage_count; i++)
        scans += dag->stages[i].scan_count;
    ck_assert_uint_eq(scans, 1);
}
END_TEST

START_TEST(several_executors)
{
    struct logical *l = scan("lineitem"), *o = scan("orders");
    struct logical *j = join(JOIN_INNER, l, o, call("=", col(l, "l_orderkey"), col(o, "o_orderkey")));
    plan_with(aggregate(j, col(o, "o_priority"), agg_call_of("sum", col(l, "l_quantity"), false), "q"), 4, true);
    HAS("HashJoin inner");
    HAS("HashAggregate final");
    struct logical *n = scan("nation"), *c = scan("customer");
    plan_with(count_star(join(JOIN_INNER, c, n, call("=", col(c, "c_nationkey"), col(n, "n_nationkey")))), 4, true);
    HAS("HashJoin inner shared");
    HAS("Exchange broadcast");
}
END_TEST

START_TEST(nothing_is_broadcast_past_the_limit)
{
    settings.broadcast_given = true;
    struct logical *n = scan("nation"), *c = scan("customer");
    plan_with(count_star(join(JOIN_INNER, c, n, call("=", col(c, "c_nationkey"), col(n, "n_nationkey")))), 4, true);
    HAS("HashJoin inner");
    HAS_NOT("Exchange broadcast");
    HAS_NOT("shared");
    /* nor what would only reduce the other side */
    struct logical *o = scan("orders"), *l = scan("lineitem");
    struct logical *few = filter(o, call("<", col(o, "o_orderkey"), expr_bigint(&ar, 50000)));
    struct expr *eq = call("=", col(l, "l_suppkey"), outer(o, "o_custkey"));
    plan_with(count_star(filter(few, subquery(SUBQUERY_EXISTS, filter(l, eq), NULL))), 4, true);
    HAS("HashJoin semi");
    HAS_NOT("shared");
    struct logical *l2 = scan("lineitem"), *p = scan("part");
    struct logical *agg = aggregate(l2, col(l2, "l_partkey"), agg_call_of("avg", col(l2, "l_quantity"), false), "a");
    struct expr *key = expr_column(&ar, agg->out[0].id, agg->out[0].type, true, "k");
    plan_with(count_star(join(JOIN_INNER, filter(p, call("=", col(p, "p_brand"), str("x"))), agg, call("=", col(p, "p_partkey"), key))), 4, true);
    HAS_NOT("shared");
    /* a join without a key needs the whole side all the same */
    plan_with(count_star(join(JOIN_INNER, c, n, call("<", col(c, "c_nationkey"), col(n, "n_nationkey")))), 4, true);
    HAS("Exchange broadcast");
}
END_TEST

START_TEST(small_sides_reduce)
{
    /* Q4: few orders, many lines: the lines are reduced by the orders before any of them is built. */
    struct logical *o = scan("orders"), *l = scan("lineitem");
    struct logical *few = filter(o, call("<", col(o, "o_orderkey"), expr_bigint(&ar, 50000)));
    struct expr *eq = call("=", col(l, "l_suppkey"), outer(o, "o_custkey"));
    struct stage_dag *dag = plan(count_star(filter(few, subquery(SUBQUERY_EXISTS, filter(l, eq), NULL))));
    HAS("HashJoin semi shared on=[l_suppkey]=[o_custkey]");
    HAS("HashJoin semi on=[o_custkey]=[l_suppkey]");
    ck_assert_uint_ge(dag->stage_count, 3);
    /* Q17: an aggregate by the key of something small. */
    struct logical *l2 = scan("lineitem"), *p = scan("part");
    struct logical *agg = aggregate(l2, col(l2, "l_partkey"), agg_call_of("avg", col(l2, "l_quantity"), false), "a");
    struct logical *parts = filter(p, call("and", call("=", col(p, "p_brand"), str("x")), call("=", col(p, "p_container"), str("y"))));
    plan(count_star(join(JOIN_INNER, parts, agg, call("=", col(p, "p_partkey"), expr_column(&ar, agg->out[0].id, agg->out[0].type, true, "k")))));
    HAS("HashJoin semi shared on=[l_partkey]=[p_partkey]");
}
END_TEST

START_TEST(union_branches)
{
    struct logical *a = scan("orders"), *b = scan("customer");
    struct logical *u = node(LP_UNION, project(a, "k", col(a, "o_custkey")), project(b, "k", col(b, "c_custkey")));
    u->out = ARENA_ARRAY(&ar, struct lcol, 1);
    u->out[0] = (struct lcol){next_id++, "k", type_of(TYPE_BIGINT), true};
    struct stage_dag *dag = plan(count_star(filter(u, call("=", col(u, "k"), expr_bigint(&ar, 7)))));
    HAS("Union");
    HAS("filter=[(o_custkey = 7)]");
    HAS("filter=[(c_custkey = 7)]");
    ck_assert_uint_eq(dag->stages[0].scan_count, 2);
    const struct stage_scan *s = dag->stages[0].scans;
    ck_assert_uint_eq(s[0].task_first + s[0].task_count, s[1].task_first);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    ADD_TESTS(tc, filters_reach_scans, outer_join_becomes_inner, exists_and_in, correlated_scalar, or_gives_its_common_part,
              join_order, distinct_aggregates, set_operations, top_and_limit, ranges_and_values, equal_subplans_once,
              several_executors, nothing_is_broadcast_past_the_limit, small_sides_reduce, union_branches);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    int failed = suite_run("optimize", add);
    char *rm = xasprintf("rm -rf %s", folder);
    int rc = system(rm);
    xfree(rm);
    return rc || failed;
}
