/* Aggregation, limits, unions and exchanges, and memory that is refused, against simple references, over random rows, through the local runner. */
#include "tests/unit/op_by_hand.h"

static void put_key(struct buf *b, const struct row *x, uint32_t keys)
{
    if (keys > 0) { if (x->null[0]) buf_addc(b, '-'); else buf_addf(b, "%d", x->i); buf_addc(b, '|'); }
    if (keys > 1) { if (x->null[1]) buf_addc(b, '-'); else buf_adds(b, x->s); buf_addc(b, '|'); }
    if (keys > 2) {
        if (x->null[2]) buf_addc(b, '-');
        else format_double(x->f == 0 ? 0.0 : x->f, b);
        buf_addc(b, '|');
    }
}

struct ref_group {
    char *key;
    int64_t count, count_v, sum_v;
    bool any_d, any_t;
    int64_t n_d;
    int128_t sum_d;
    char min_t[24];
    bool any_v;
    int64_t max_v;
};

static char **reference_groups(const struct row *rows, uint32_t n, uint32_t keys, uint32_t *ret)
{
    struct strmap m;
    strmap_init(&m);
    if (keys == 0)
        strmap_put(&m, "", xcalloc(1, sizeof(struct ref_group)));
    for (uint32_t r = 0; r < n; r++) {
        const struct row *x = &rows[r];
        struct buf b = BUF_INIT;
        buf_adds(&b, "");
        put_key(&b, x, keys);
        struct ref_group *g = strmap_get(&m, b.data ? b.data : "");
        if (!g)
            strmap_put(&m, b.data, g = xcalloc(1, sizeof *g));
        buf_fini(&b);
        g->count++;
        if (!x->null[3]) {
            g->count_v++;
            g->sum_v += x->v;
            if (!g->any_v || x->v > g->max_v) g->max_v = x->v;
            g->any_v = true;
        }
        if (!x->null[4]) { g->n_d++; g->sum_d += x->d; g->any_d = true; }
        if (!x->null[5] && (!g->any_t || strcmp(x->t, g->min_t) < 0)) { strcpy(g->min_t, x->t); g->any_t = true; }
    }
    char **out = xcalloc(m.count + 1, sizeof *out);
    uint32_t k = 0;
    STRMAP_EACH(&m, e) {
        struct ref_group *g = e->value;
        struct buf b = BUF_INIT;
        buf_addf(&b, "%s%lld|%lld|", e->key, (long long)g->count, (long long)g->count_v);
        if (g->any_v) buf_addf(&b, "%lld|%lld|", (long long)g->sum_v, (long long)g->max_v); else buf_adds(&b, "-|-|");
        if (g->any_d) {
            format_decimal(g->sum_d, 2, &b);
            buf_addc(&b, '|');
            int128_t scaled = g->sum_d * 10000, q = scaled / g->n_d, rest = scaled % g->n_d;
            if ((rest < 0 ? -rest : rest) * 2 >= g->n_d) q += scaled < 0 ? -1 : 1;
            format_decimal(q, 6, &b);
            buf_addc(&b, '|');
        } else {
            buf_adds(&b, "-|-|");
        }
        buf_addf(&b, "%s|", g->any_t ? g->min_t : "-");
        out[k++] = buf_steal(&b);
        free(g);
    }
    strmap_fini(&m);
    *ret = k;
    return out;
}

static void check_aggregate(uint32_t n, uint32_t distinct_keys, uint32_t keys, bool two_phase, uint32_t batch, bool evict)
{
    init();
    batch_rows_set(batch);
    struct sealed *s;
    struct row *rows = make_rows(n, distinct_keys, n + keys, &s);
    struct pnode *src = values(s, ROW_COLS, row_types);
    uint32_t count;
    struct plan_agg *aggs = test_aggs(src, &count);
    struct stage_plan *plans[3];
    struct local_job job = {.stages = plans, .threads = 2};
    if (two_phase) {
        struct pnode *partial = aggregate(src, AGG_MODE_PARTIAL, keys, aggs, count);
        plans[0] = stage(exchange(partial, keys ? EXCHANGE_HASH : EXCHANGE_GATHER, keys ? 3 : 1, keys), 2, keys ? 3 : 1);
        struct pnode *final = aggregate(read_of(0, partial, false), AGG_MODE_FINAL, keys, aggs, count);
        for (uint32_t i = 0; i < keys; i++)
            final->out.fields[i].type = partial->out.fields[i].type;
        plans[1] = stage(result(final), keys ? 3 : 1, 1);
        job.stage_count = 2;
    } else {
        plans[0] = stage(result(aggregate(src, AGG_MODE_COMPLETE, keys, aggs, count)), 1, 1);
        job.stage_count = 1;
    }
    if (evict) {
        job.evict = true;
        job.budget_us = 1;
    }
    uint32_t got_n, want_n;
    struct local_result res;
    char **got = run_lines(&job, &got_n, &res), **want = reference_groups(rows, n, keys, &want_n);
    same_lines(got, got_n, want, want_n, false);
    if (evict && n > 100)
        ck_assert_uint_gt(res.evictions, 0);
    local_result_fini(&res);
    free_lines(got, got_n);
    free_lines(want, want_n);
    free(rows);
    sealed_unref(s);
    batch_rows_set(BATCH_ROWS);
    fini();
}

START_TEST(test_aggregate)
{
    static const uint32_t batches[] = {1, 7, 2048};
    for (uint32_t b = 0; b < 3; b++) {
        for (uint32_t keys = 0; keys <= 3; keys++) {
            check_aggregate(3000, 40, keys, false, batches[b], false);
            check_aggregate(3000, 2000, keys, true, batches[b], false);
        }
    }
    check_aggregate(0, 10, 0, false, 2048, false);
    check_aggregate(0, 10, 2, false, 2048, false);
    check_aggregate(0, 10, 0, true, 2048, false);
    check_aggregate(60000, 50000, 1, true, 2048, false); /* gives up */
    check_aggregate(60000, 60000, 2, false, 2048, false);
}
END_TEST

START_TEST(test_aggregate_evicts)
{
    for (uint32_t keys = 1; keys <= 3; keys++)
        check_aggregate(20000, 3000, keys, false, 512, true);
}
END_TEST

/* ---- the rest ---- */

START_TEST(test_limit_union_range)
{
    init();
    static const struct type *one[1];
    one[0] = type_of(TYPE_BIGINT);
    struct pnode *r[2];
    for (uint32_t i = 0; i < 2; i++) {
        r[i] = node(PN_RANGE, 0, NULL, NULL);
        r[i]->out = schema_of(1, one);
        r[i]->range_start = i * 1000000;
        r[i]->range_end = i * 1000000 + 100000;
        r[i]->range_step = 3;
        r[i]->range_parts = i + 1;
    }
    struct pnode *u = node(PN_UNION, 2, r[0], r[1]);
    u->branch_first = ARENA_ARRAY(&ar, uint32_t, 3);
    u->branch_first[1] = 1;
    u->branch_first[2] = 3;
    struct expr *c = col(u, 0);
    struct plan_agg aggs[2];
    aggs[0] = agg("count", &c, 1);
    aggs[1] = agg("sum", &c, 1);
    struct pnode *partial = aggregate(u, AGG_MODE_PARTIAL, 0, aggs, 2);
    struct stage_plan *plans[2] = {stage(exchange(partial, EXCHANGE_GATHER, 1, 0), 3, 1),
                                   stage(result(aggregate(read_of(0, partial, false), AGG_MODE_FINAL, 0, aggs, 2)), 1, 1)};
    struct local_job job = {.stages = plans, .stage_count = 2, .threads = 2};
    uint32_t n;
    char **l = run_lines(&job, &n, NULL);
    long long sum = 0, count = 0;
    for (long long i = 0; i < 100000; i += 3) {
        sum += i + i + 1000000;
        count += 2;
    }
    char want[64];
    snprintf(want, sizeof want, "%lld|%lld|", count, sum);
    ck_assert_str_eq(l[0], want);
    free_lines(l, n);
    struct pnode *limit = node(PN_LIMIT, 1, r[0], NULL);
    limit->limit = 5;
    limit->offset = 3000;
    struct stage_plan *lp[1] = {stage(result(limit), 1, 1)};
    struct local_job lj = {.stages = lp, .stage_count = 1};
    l = run_lines(&lj, &n, NULL);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq(l[0], "9000|");
    free_lines(l, n);
    fini();
}
END_TEST

START_TEST(test_memory_refused)
{
    init();
    struct sealed *s;
    struct row *rows = make_rows(60000, 60000, 3, &s);
    struct pnode *src = values(s, ROW_COLS, row_types);
    uint32_t count;
    struct plan_agg *aggs = test_aggs(src, &count);
    struct pnode *sort = node(PN_SORT, 1, src, NULL);
    sort->sort_keys = keys_for(src, 1, 0);
    sort->sort_key_count = 1;
    struct pnode *roots[] = {aggregate(src, AGG_MODE_COMPLETE, 2, aggs, count), sort,
                             join_node(src, values(s, ROW_COLS, row_types), JOIN_INNER, 1, false)};
    for (uint32_t i = 0; i < 3; i++) {
        struct stage_plan *plans[] = {stage(result(roots[i]), 1, 1)};
        struct local_job job = {.stages = plans, .stage_count = 1, .memory = 1 << 20};
        struct local_result res;
        struct error err = ERROR_INIT;
        ck_assert_int_eq(local_run(&job, &res, &err), ERR_TASK_MEMORY);
        error_fini(&err);
        local_result_fini(&res);
    }
    free(rows);
    sealed_unref(s);
    fini();
}
END_TEST

/* Rows for many partitions take more memory together than the task has: the sink hands over what it has collected. */
START_TEST(test_exchange_under_pressure)
{
    init();
    struct sealed *s;
    struct row *rows = make_rows(60000, 60000, 3, &s);
    struct pnode *src = values(s, ROW_COLS, row_types);
    struct expr *c = col(src, 0);
    struct plan_agg aggs[1] = {agg("count", &c, 1)};
    struct pnode *read = read_of(0, src, false);
    struct stage_plan *plans[2] = {stage(exchange(src, EXCHANGE_HASH, 200, 1), 1, 200),
                                   stage(result(aggregate(read, AGG_MODE_COMPLETE, 0, aggs, 1)), 200, 1)};
    struct local_job job = {.stages = plans, .stage_count = 2, .memory = 1 << 20};
    uint32_t n;
    char **l = run_lines(&job, &n, NULL);
    long sum = 0, want = 0;
    for (uint32_t i = 0; i < 60000; i++)
        want += !rows[i].null[0];
    for (uint32_t i = 0; i < n; i++)
        sum += atol(l[i]);
    ck_assert_uint_eq(n, 200);
    ck_assert_int_eq(sum, want);
    free_lines(l, n);
    free(rows);
    sealed_unref(s);
    fini();
}
END_TEST

START_TEST(test_tiny_tasks)
{
    init();
    static const struct type *one[1];
    one[0] = type_of(TYPE_BIGINT);
    uint32_t parts = 100000;
    struct pnode *r = node(PN_RANGE, 0, NULL, NULL);
    r->out = schema_of(1, one);
    r->range_end = parts;
    r->range_step = 1;
    r->range_parts = parts;
    struct expr *c = col(r, 0);
    struct plan_agg aggs[2];
    aggs[0] = agg("count", &c, 1);
    aggs[1] = agg("sum", &c, 1);
    struct pnode *partial = aggregate(r, AGG_MODE_PARTIAL, 0, aggs, 2);
    struct stage_plan *plans[2] = {stage(exchange(partial, EXCHANGE_GATHER, 1, 0), parts, 1),
                                   stage(result(aggregate(read_of(0, partial, false), AGG_MODE_FINAL, 0, aggs, 2)), 1, 1)};
    struct local_job job = {.stages = plans, .stage_count = 2};
    struct local_result res;
    uint32_t n;
    char **l = run_lines(&job, &n, &res);
    ck_assert_str_eq(l[0], "100000|4999950000|");
    printf("tiny tasks: %.2f us each, final %.1f ms\n", (double)res.stage_us[0] / parts, (double)res.stage_us[1] / 1000);
    free_lines(l, n);
    local_result_fini(&res);
    fini();
}
END_TEST

static void add(TCase *tc)
{
    ADD_TESTS(tc, test_aggregate, test_aggregate_evicts, test_limit_union_range, test_memory_refused, test_exchange_under_pressure,
              test_tiny_tasks);
}

SUITE_MAIN("op", add)
