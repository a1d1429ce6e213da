/* Stage plans, values and splits as bytes and back; damaged bytes never crash the decoder. */

#include "common/expr/fn.h"
#include "common/plan/plan_impl.h"
#include "tests/unit/suite.h"

static struct arena ar;
static const struct query_ctx cx = {.now_us = 1234567, .zone_name = "UTC", .seed = 42, .ansi = true, .user = "me"};

static void set_up(void)
{
    arena_init(&ar);
}
static void tear_down(void)
{
    arena_fini(&ar);
}

static struct expr *call(const char *name, struct expr *a, struct expr *b)
{
    struct error err = ERROR_INIT;
    struct expr *ret, **args = ARENA_ARRAY(&ar, struct expr *, 2);
    args[0] = a;
    args[1] = b;
    ck_assert_int_eq(expr_call(&ar, &cx, name, args, 2, (struct span){3, 9}, &ret, &err), 0);
    return ret;
}

static struct pnode *node(enum pnode_kind kind, uint32_t id, struct pnode *a, struct pnode *b, uint32_t columns)
{
    struct pnode *n = ARENA_NEW(&ar, struct pnode);
    n->kind = kind;
    n->id = id;
    n->limit = -1;
    n->rows_estimate = 10.5;
    n->input_count = b ? 2 : a ? 1 : 0;
    n->inputs = ARENA_ARRAY(&ar, struct pnode *, 2);
    n->inputs[0] = a;
    n->inputs[1] = b;
    n->out.count = columns;
    n->out.fields = ARENA_ARRAY(&ar, struct field, columns);
    return n;
}

static struct plan_agg agg_of(const char *name, struct expr *arg)
{
    struct error err = ERROR_INIT;
    struct expr *e, **args = ARENA_ARRAY(&ar, struct expr *, 1);
    args[0] = arg;
    ck_assert_int_eq(agg_call(&ar, &cx, agg_find(name), args, 1, false, NULL, (struct span){0, 0}, &e, &err), 0);
    const struct type **types = ARENA_ARRAY(&ar, const struct type *, 1);
    types[0] = e->args[0]->type;
    return (struct plan_agg){.spec = {.row = e->agg, .result = e->type, .arg_count = 1, .arg_types = types, .mode = e->mode}, .args = e->args};
}

/* scan(a int, b string, p int) -> join with values -> partial sum -> hash exchange */
static struct stage_plan *sample(void)
{
    const struct type *t_int = type_of(TYPE_INT), *t_str = type_of(TYPE_STRING);
    struct pnode *scan = node(PN_SCAN, 4, NULL, NULL, 3);
    struct scan_spec *s = scan->scan = ARENA_NEW(&ar, struct scan_spec);
    s->format = "csv";
    struct option *opts = ARENA_ARRAY(&ar, struct option, 1);
    opts[0] = (struct option){"header", "true"};
    s->options = (struct options){1, opts};
    struct field *ff = ARENA_ARRAY(&ar, struct field, 2), *pf = ARENA_ARRAY(&ar, struct field, 1);
    ff[0] = (struct field){"a", t_int, true};
    ff[1] = (struct field){"b", t_str, true};
    pf[0] = (struct field){"p", t_int, true};
    s->file_schema = (struct schema){2, ff};
    s->partition_schema = (struct schema){1, pf};
    static const uint32_t columns[] = {0, 1, 2};
    s->column_count = 3;
    s->columns = columns;
    scan->out.fields[0] = ff[0];
    scan->out.fields[1] = ff[1];
    scan->out.fields[2] = pf[0];
    struct expr *a = expr_column(&ar, 0, t_int, true, "a"), *b = expr_column(&ar, 1, t_str, true, "b");
    struct expr **conj = ARENA_ARRAY(&ar, struct expr *, 2);
    conj[0] = call(">", a, expr_int(&ar, 5));
    conj[1] = call("=", b, expr_string(&ar, "x'y"));
    s->conjuncts = conj;
    s->conjunct_count = 2;
    struct value *v = ARENA_ARRAY(&ar, struct value, 1);
    v[0] = (struct value){.type = t_int, .i = 5};
    struct prune *prune = ARENA_ARRAY(&ar, struct prune, 2);
    prune[0] = (struct prune){.column = 0, .op = PRUNE_GT, .value_count = 1, .values = v};
    prune[1] = (struct prune){.column = 1, .op = PRUNE_NOT_NULL};
    s->prunes = prune;
    s->prune_count = 2;

    struct pnode *build = node(PN_EXCHANGE_READ, 5, NULL, NULL, 1);
    build->out.fields[0] = (struct field){"k", t_int, false};
    build->exchange = 1;
    build->read_all = true;
    struct pnode *join = node(PN_JOIN, 3, scan, build, 2);
    join->join_kind = JOIN_LEFT;
    join->shared_build = true;
    join->join_key_count = 1;
    join->probe_keys = ARENA_ARRAY(&ar, struct expr *, 1);
    join->build_keys = ARENA_ARRAY(&ar, struct expr *, 1);
    join->null_safe = ARENA_ARRAY(&ar, bool, 1);
    join->null_safe[0] = true;
    join->probe_keys[0] = a;
    join->build_keys[0] = expr_column(&ar, 0, t_int, false, "k");
    join->residual = call("<", a, expr_column(&ar, 3, t_int, false, "k"));
    join->out_column_count = 2;
    join->out_columns = ARENA_ARRAY(&ar, uint32_t, 2);
    join->out_columns[0] = 3;
    join->out_columns[1] = 1;
    join->out.fields[0] = (struct field){"k", t_int, true};
    join->out.fields[1] = ff[1];

    struct pnode *agg = node(PN_AGGREGATE, 1, join, NULL, 0);
    agg->agg_mode = AGG_MODE_PARTIAL;
    agg->key_count = 1;
    agg->keys = ARENA_ARRAY(&ar, struct expr *, 1);
    agg->keys[0] = expr_column(&ar, 1, t_str, true, "b");
    agg->agg_count = 1;
    agg->aggs = ARENA_ARRAY(&ar, struct plan_agg, 1);
    agg->aggs[0] = agg_of("sum", expr_column(&ar, 0, t_int, true, "k"));
    const struct type *parts[AGG_PARTIAL_MAX];
    uint32_t n = agg_partial_types(&agg->aggs[0].spec, parts);
    agg->out.count = 1 + n;
    agg->out.fields = ARENA_ARRAY(&ar, struct field, 1 + n);
    agg->out.fields[0] = ff[1];
    for (uint32_t i = 0; i < n; i++)
        agg->out.fields[1 + i] = (struct field){"sum", parts[i], true};

    struct pnode *sort = node(PN_TOP, 2, agg, NULL, 0);
    sort->out = agg->out;
    sort->limit = 7;
    sort->offset = 2;
    sort->sort_key_count = 1;
    sort->sort_keys = ARENA_ARRAY(&ar, struct sort_key, 1);
    sort->sort_keys[0] = (struct sort_key){expr_column(&ar, 0, t_str, true, "b"), true, false};

    struct pnode *sink = node(PN_SINK_EXCHANGE, 0, sort, NULL, 0);
    sink->exchange_kind = EXCHANGE_HASH;
    sink->exchange_partitions = 4;
    sink->expr_count = 1;
    sink->exprs = ARENA_ARRAY(&ar, struct expr *, 1);
    sink->exprs[0] = sort->sort_keys[0].expr;
    struct stage_plan *plan = ARENA_NEW(&ar, struct stage_plan);
    *plan = (struct stage_plan){.job_id = 77, .stage = 2, .root = sink, .node_count = 6, .partition_count = 3, .output_partitions = 4,
                                .cx = cx, .batch_rows = 1000, .sql = "select 1"};
    return plan;
}

START_TEST(round_trip)
{
    struct stage_plan *plan = sample(), *back = NULL;
    struct error err = ERROR_INIT;
    ck_assert_msg(stage_plan_check(plan, &err) == 0, "%s", error_param_get(&err, "message"));
    struct buf bytes = BUF_INIT, again = BUF_INIT, text = BUF_INIT, text2 = BUF_INIT;
    stage_plan_encode(plan, &bytes);
    ck_assert_msg(stage_plan_decode(&ar, bytes.data, bytes.bytes, &back, &err) == 0, "%s", error_param_get(&err, "message"));
    stage_plan_encode(back, &again);
    ck_assert_uint_eq(bytes.bytes, again.bytes);
    ck_assert_mem_eq(bytes.data, again.data, bytes.bytes);
    stage_plan_print(plan, &text);
    stage_plan_print(back, &text2);
    ck_assert_str_eq(text.data, text2.data);
    ck_assert_ptr_nonnull(strstr(text.data, "HashJoin left shared"));
    ck_assert_ptr_nonnull(strstr(text.data, "Exchange hash"));
    ck_assert_str_eq(back->sql, "select 1");
    ck_assert_int_eq(back->cx.now_us, 1234567);
    ck_assert_uint_eq(back->cx.seed, 42);
    const struct scan_spec *s = back->root->inputs[0]->inputs[0]->inputs[0]->inputs[0]->scan;
    ck_assert_str_eq(options_get(&s->options, "header") ? "true" : "", "true");
    ck_assert_int_eq(s->prunes[0].values[0].i, 5);
    buf_fini(&bytes);
    buf_fini(&again);
    buf_fini(&text);
    buf_fini(&text2);
}
END_TEST

/* The decoder refuses or accepts, and what it accepts can be encoded again. */
START_TEST(damage)
{
    struct buf bytes = BUF_INIT;
    stage_plan_encode(sample(), &bytes);
    struct rng rng;
    rng_init(&rng, 7);
    uint32_t accepted = 0;
    for (int i = 0; i < 20000; i++) {
        char *copy = xmalloc(bytes.bytes);
        memcpy(copy, bytes.data, bytes.bytes);
        uint32_t flips = 1 + (uint32_t)rng_below(&rng, 3);
        for (uint32_t f = 0; f < flips; f++)
            copy[rng_below(&rng, bytes.bytes)] = (char)rng_next(&rng);
        size_t n = rng_below(&rng, 4) ? bytes.bytes : rng_below(&rng, bytes.bytes);
        struct arena tmp;
        arena_init(&tmp);
        struct stage_plan *back = NULL;
        struct error err = ERROR_INIT;
        if (stage_plan_decode(&tmp, copy, n, &back, &err) == 0) {
            struct buf out = BUF_INIT;
            stage_plan_encode(back, &out);
            buf_fini(&out);
            accepted++;
        }
        error_fini(&err);
        arena_fini(&tmp);
        xfree(copy);
    }
    ck_assert_uint_gt(accepted, 0);
    buf_fini(&bytes);
}
END_TEST

START_TEST(inconsistent)
{
    struct error err = ERROR_INIT;
    struct stage_plan *plan = sample();
    plan->root->inputs[0]->inputs[0]->inputs[0]->out_columns[0] = 9;
    ck_assert_int_eq(stage_plan_check(plan, &err), ERR_PROTOCOL);
    error_fini(&err);
    plan = sample();
    plan->root->exprs[0] = expr_column(&ar, 5, type_of(TYPE_INT), true, "q");
    ck_assert_int_eq(stage_plan_check(plan, &err), ERR_PROTOCOL);
    error_fini(&err);
    plan = sample();
    plan->root->inputs[0]->inputs[0]->id = 0;
    ck_assert_int_eq(stage_plan_check(plan, &err), ERR_PROTOCOL);
    error_fini(&err);
}
END_TEST

START_TEST(splits_and_values)
{
    struct buf out = BUF_INIT;
    struct value vs[] = {
        {.type = type_of(TYPE_INT), .i = -7},
        {.type = type_of(TYPE_STRING), .s = {"hello", 5}},
        {.type = type_of(TYPE_STRING), .null = true},
        {.type = type_decimal(38, 3), .d = -((int128_t)1 << 100)},
        {.type = type_of(TYPE_DOUBLE), .f = 2.5},
    };
    struct file_split a = {.path = "/x/y z", .start = 5, .length = 1ull << 40, .file_bytes = 1ull << 41, .mtime_us = 99,
                           .partition_count = 5, .partition_values = vs}, b = {.path = "/q"};
    file_split_encode(&a, &out);
    file_split_encode(&b, &out);
    const char *at = out.data, *end = out.data + out.bytes;
    struct file_split x, y;
    struct error err = ERROR_INIT;
    ck_assert_int_eq(file_split_decode(&ar, &at, end, &x, &err), 0);
    ck_assert_int_eq(file_split_decode(&ar, &at, end, &y, &err), 0);
    ck_assert_ptr_eq(at, end);
    ck_assert_str_eq(x.path, "/x/y z");
    ck_assert_uint_eq(x.length, 1ull << 40);
    ck_assert_uint_eq(x.partition_count, 5);
    ck_assert_int_eq(x.partition_values[0].i, -7);
    ck_assert_mem_eq(x.partition_values[1].s.ptr, "hello", 5);
    ck_assert(x.partition_values[2].null);
    ck_assert(x.partition_values[3].d == -((int128_t)1 << 100));
    ck_assert_ptr_eq(x.partition_values[3].type, type_decimal(38, 3));
    ck_assert_str_eq(y.path, "/q");
    for (size_t n = 0; n < out.bytes / 2; n++) { /* cut anywhere in the first one: refused */
        const char *p = out.data;
        if (file_split_decode(&ar, &p, out.data + n, &x, &err) != 0)
            error_fini(&err);
    }
    buf_fini(&out);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    ADD_TESTS(tc, round_trip, damage, inconsistent, splits_and_values);
}

SUITE_MAIN("plan", add)
