/* Sorting and merging against simple references, over random rows, through the local runner. */
#include "tests/unit/op_by_hand.h"

static const struct sort_key *cmp_keys;
static uint32_t cmp_key_count;
static const struct sealed *cmp_rows;

static int cmp_row(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    for (uint32_t k = 0; k < cmp_key_count; k++) {
        const struct column *c = &cmp_rows->cols[cmp_keys[k].expr->column];
        bool nx = column_is_null(c, x), ny = column_is_null(c, y);
        if (nx || ny) {
            if (nx != ny)
                return nx == cmp_keys[k].nulls_last ? 1 : -1;
            continue;
        }
        int r = column_cmp(c, x, c, y);
        if (r)
            return cmp_keys[k].descending ? -r : r;
    }
    return (x > y) - (x < y); /* stable */
}

static void check_sort(uint32_t n, uint32_t key_count, uint32_t variant, int64_t limit, int64_t offset, uint32_t batch, bool evict)
{
    init();
    batch_rows_set(batch);
    struct sealed *s;
    struct row *rows = make_rows(n, 50, n + variant, &s);
    struct pnode *src = values(s, ROW_COLS, row_types);
    struct pnode *sort = node(limit >= 0 ? PN_TOP : PN_SORT, 1, src, NULL);
    sort->sort_keys = keys_for(src, key_count, variant);
    sort->sort_key_count = key_count;
    sort->limit = limit;
    sort->offset = offset;
    struct stage_plan *plans[] = {stage(result(sort), 1, 1)};
    struct local_job job = {.stages = plans, .stage_count = 1, .evict = evict, .budget_us = evict ? 1 : 0};
    struct local_result res;
    uint32_t got_n;
    char **got = run_lines(&job, &got_n, &res);
    uint32_t *idx = xcalloc(n + 1, sizeof *idx);
    for (uint32_t i = 0; i < n; i++)
        idx[i] = i;
    cmp_keys = sort->sort_keys;
    cmp_key_count = key_count;
    cmp_rows = s;
    qsort(idx, n, sizeof *idx, cmp_row);
    int64_t from = limit >= 0 ? offset : 0, to = limit >= 0 ? offset + limit : n;
    to = to > n ? n : to;
    ck_assert_int_eq(got_n, to > from ? to - from : 0);
    for (int64_t i = from; i < to; i++) {
        struct buf b = BUF_INIT;
        for (uint32_t c = 0; c < ROW_COLS; c++) {
            column_format(&s->cols[c], idx[i], NULL, "-", &b);
            buf_addc(&b, '|');
        }
        ck_assert_str_eq(got[i - from], b.data);
        buf_fini(&b);
    }
    if (evict)
        ck_assert_uint_gt(res.evictions, 0);
    local_result_fini(&res);
    free_lines(got, got_n);
    free(idx);
    free(rows);
    sealed_unref(s);
    batch_rows_set(BATCH_ROWS);
    fini();
}

START_TEST(test_sort)
{
    static const uint32_t batches[] = {1, 7, 2048};
    for (uint32_t b = 0; b < 3; b++) {
        for (uint32_t v = 0; v < 8; v++) {
            for (uint32_t k = 1; k <= 3; k++) {
                check_sort(500, k, v, -1, 0, batches[b], false);
                check_sort(500, k, v, 10, 3, batches[b], false);
            }
        }
    }
    check_sort(20000, 2, 5, 100, 0, 2048, false);
    check_sort(20000, 1, 2, 3000, 10, 2048, false);
    check_sort(5, 1, 0, 0, 0, 7, false);
    check_sort(5, 1, 0, 10, 8, 7, false);
}
END_TEST

START_TEST(test_sort_evicts)
{
    for (uint32_t v = 0; v < 8; v++)
        check_sort(5000, 2, v, -1, 0, 512, true);
}
END_TEST

START_TEST(test_sorted_merge)
{
    init();
    struct sealed *s;
    struct row *rows = make_rows(3000, 50, 9, &s);
    struct pnode *src = values(s, ROW_COLS, row_types);
    struct stage_plan *plans[3];
    plans[0] = stage(exchange(src, EXCHANGE_ROUND_ROBIN, 4, 0), 1, 4);
    struct pnode *sort = node(PN_SORT, 1, read_of(0, src, false), NULL);
    sort->sort_keys = keys_for(src, 3, 2);
    sort->sort_key_count = 3;
    plans[1] = stage(exchange(sort, EXCHANGE_GATHER, 1, 0), 4, 1);
    struct pnode *merge = read_of(1, src, false);
    merge->merge_keys = sort->sort_keys;
    merge->merge_key_count = 3;
    plans[2] = stage(result(merge), 1, 1);
    struct local_job job = {.stages = plans, .stage_count = 3, .threads = 2};
    struct local_result res;
    struct error err = ERROR_INIT;
    ck_assert_int_eq(local_run(&job, &res, &err), 0);
    ck_assert_uint_eq(res.rows, 3000);
    cmp_keys = sort->sort_keys;
    cmp_key_count = 3;
    for (uint32_t r = 0; r < res.count; r++) {
        cmp_rows = res.runs[r];
        for (uint32_t i = 0; i + 1 < res.runs[r]->rows; i++) {
            uint32_t x = i, y = i + 1;
            ck_assert_int_lt(cmp_row(&x, &y), 1);
        }
    }
    local_result_fini(&res);
    free(rows);
    sealed_unref(s);
    fini();
}
END_TEST

static void add(TCase *tc)
{
    ADD_TESTS(tc, test_sort, test_sort_evicts, test_sorted_merge);
}

SUITE_MAIN("op_sort", add)
