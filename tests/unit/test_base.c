/* The ground floor: arenas, buffers, maps, sizes and durations, hashes with known answers, accounts. */
#include <stdio.h>

#include "common/base/account.h"
#include "common/metrics/metrics.h"
#include "tests/unit/suite.h"

static int calls[8], call_count;

static void note(void *arg)
{
    calls[call_count++] = (int)(intptr_t)arg;
}

START_TEST(arena_defers_run_backwards)
{
    struct arena ar;
    arena_init(&ar);
    for (intptr_t i = 1; i <= 3; i++)
        arena_defer(&ar, note, (void *)i);
    char *big = arena_alloc(&ar, 1 << 20), *small = arena_strdup(&ar, "x");
    memset(big, 1, 1 << 20);
    ck_assert_str_eq(small, "x");
    ck_assert_uint_eq((uintptr_t)arena_alloc(&ar, 3) % 16, 0);
    arena_reset(&ar);
    ck_assert_int_eq(call_count, 3);
    ck_assert(calls[0] == 3 && calls[1] == 2 && calls[2] == 1);
    char *again = arena_zalloc(&ar, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(again[i], 0);
    arena_fini(&ar);
    ck_assert_int_eq(call_count, 3);
}
END_TEST

START_TEST(buffers_grow_and_keep_their_end)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_addf(&b, "%d,", i % 10);
    ck_assert_uint_eq(b.bytes, 20000);
    ck_assert_uint_eq(strlen(b.data), 20000);
    buf_reset(&b);
    buf_add_json(&b, "a\"\\\n\x01\xff\xc3\xa4", 8);
    ck_assert_str_eq(b.data, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\"");
    char *s = buf_steal(&b);
    ck_assert_ptr_null(b.data);
    xfree(s);
}
END_TEST

START_TEST(maps_against_a_linear_list)
{
    enum { KEYS = 500, STEPS = 20000 };
    static char values[KEYS];
    void *expected[KEYS] = {0};
    struct strmap m;
    struct rng r;
    strmap_init(&m);
    rng_init(&r, 42);
    for (int i = 0; i < STEPS; i++) {
        char key[16];
        uint64_t k = rng_below(&r, KEYS), what = rng_below(&r, 3);
        snprintf(key, sizeof key, "k%llu", (unsigned long long)k);
        if (what == 0) {
            ck_assert_ptr_eq(strmap_put(&m, key, &values[k]), expected[k]);
            expected[k] = &values[k];
        } else if (what == 1) {
            ck_assert_ptr_eq(strmap_remove(&m, key), expected[k]);
            expected[k] = NULL;
        } else {
            ck_assert_ptr_eq(strmap_get(&m, key), expected[k]);
        }
    }
    uint32_t live = 0, seen = 0;
    for (int k = 0; k < KEYS; k++)
        live += expected[k] != NULL;
    STRMAP_EACH(&m, e)
    {
        ck_assert_ptr_eq(e->value, expected[strtol(e->key + 1, NULL, 10)]);
        seen++;
    }
    ck_assert_uint_eq(seen, live);
    strmap_fini(&m);
}
END_TEST

START_TEST(sizes_and_durations)
{
    ck_assert_int_eq(str_parse_bytes("1024"), 1024);
    ck_assert_int_eq(str_parse_bytes("64m"), 64 << 20);
    ck_assert_int_eq(str_parse_bytes("1.5g"), 3ll << 29);
    ck_assert_int_eq(str_parse_bytes("512KiB"), 512 << 10);
    static const char *const bad_sizes[] = {"", "m", "-1", "1x", "1 m m", "99999999999999999999g", "0x10"};
    for (size_t i = 0; i < ARRAY_LEN(bad_sizes); i++)
        ck_assert_msg(str_parse_bytes(bad_sizes[i]) == -1, "%s is no size", bad_sizes[i]);
    ck_assert_int_eq(str_parse_ms("10s", 1), 10000);
    ck_assert_int_eq(str_parse_ms("150ms", 1), 150);
    ck_assert_int_eq(str_parse_ms("2min", 1), 120000);
    ck_assert_int_eq(str_parse_ms("1h", 1), 3600000);
    ck_assert_int_eq(str_parse_ms("7", 1000), 7000);
    ck_assert_int_eq(str_parse_ms("soon", 1), -1);
    ck_assert_int_eq(str_distance("kitten", "sitting"), 3);
    ck_assert_int_eq(str_distance("", "abc"), 3);
    ck_assert_int_eq(str_distance("same", "same"), 0);
}
END_TEST

START_TEST(slips)
{
    static const char *const words[] = {"cot", "count", "sql", "encode", "radians", "rpad", "spark.sql.shuffle.partitions"};
    static const char *const cases[][2] = {
        {"cuont", "count"}, {"coutn", "count"}, {"cout", "cot"}, {"slq", "sql"}, {"sq", "sql"}, {"encdoe", "encode"}, {"count", "count"},
        {"spark.sql.shufle.partitons", "spark.sql.shuffle.partitions"}, {"array", NULL}, {"explode", NULL}, {"median", NULL}, {"nosuch", NULL},
        {"x", NULL}, {"", NULL}, {"spark.sql.shuffle.nothing", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slip s = {.wrong = cases[i][0]};
        for (size_t w = 0; w < ARRAY_LEN(words); w++)
            slip_try(&s, words[w]);
        ck_assert_msg(cases[i][1] ? s.meant && strcmp(s.meant, cases[i][1]) == 0 : !s.meant, "%s: %s", cases[i][0], s.meant ? s.meant : "nothing");
    }
}
END_TEST

/* RFC 3720 B.4 for CRC32C; xoshiro256** has no official vectors beyond its recurrence, so a seed must repeat itself. */
START_TEST(known_answers)
{
    unsigned char zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        up[i] = (unsigned char)i;
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xE3069283u);
    ck_assert_uint_eq(crc32c(0, zeros, 32), 0x8A9136AAu);
    ck_assert_uint_eq(crc32c(0, ones, 32), 0x62A8AB43u);
    ck_assert_uint_eq(crc32c(0, up, 32), 0x46DD794Eu);
    ck_assert_uint_eq(crc32c(crc32c(0, up, 7), up + 7, 25), 0x46DD794Eu);
    struct rng a, b;
    rng_init(&a, 7);
    rng_init(&b, 7);
    uint64_t sum[16] = {0};
    for (int i = 0; i < 16000; i++) {
        ck_assert_uint_eq(rng_next(&a), rng_next(&b));
        sum[rng_below(&a, 16)]++;
        rng_below(&b, 16);
        double d = rng_double(&a);
        ck_assert(d >= 0 && d < 1 && d == rng_double(&b));
    }
    for (int i = 0; i < 16; i++)
        ck_assert(sum[i] > 800 && sum[i] < 1200);
}
END_TEST

static int by_value(const void *a, const void *b, void *ctx)
{
    ++*(int *)ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

START_TEST(sorting_bad_orders)
{
    enum { N = 20000 };
    static uint32_t v[N];
    for (int shape = 0; shape < 5; shape++) {
        struct rng r;
        int compared = 0;
        rng_init(&r, (uint64_t)shape);
        for (uint32_t i = 0; i < N; i++)
            v[i] = shape == 0 ? i : shape == 1 ? N - i : shape == 2 ? 7 : shape == 3 ? i % 13 : (uint32_t)rng_next(&r);
        sort_items(v, N, sizeof *v, by_value, &compared);
        for (uint32_t i = 1; i < N; i++)
            ck_assert_uint_le(v[i - 1], v[i]);
        ck_assert_int_lt(compared, N * 60); /* n log n, whatever the shape */
    }
}
END_TEST

START_TEST(accounts_refuse_at_every_level)
{
    struct account executor, task, op;
    struct error err = ERROR_INIT;
    account_init(&executor, "executor", NULL, 1000);
    account_init(&task, "task", &executor, 600);
    account_init(&op, "Sort", &task, INT64_MAX);
    ck_assert_int_eq(account_reserve(&op, 500, &err), 0);
    ck_assert(!account_try(&op, 101)); /* the task's limit */
    ck_assert(account_try(&op, 100));
    ck_assert_int_eq(account_reserve(&op, 1, &err), ERR_TASK_MEMORY);
    struct buf text = BUF_INIT;
    error_format(&err, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "Sort"));
    buf_fini(&text);
    error_fini(&err);
    ck_assert_int_eq(executor.used, 600); /* a refusal leaves nothing behind at any level */
    ck_assert_int_eq(task.used, 600);
    struct account other;
    account_init(&other, "task 2", &executor, 600);
    ck_assert(account_try(&other, 400));
    ck_assert(!account_try(&other, 1)); /* the executor's limit */
    account_release(&op, 600);
    ck_assert_int_eq(op.peak, 600);
    account_release(&other, 400);
    account_fini(&other);
    account_fini(&op);
    account_fini(&task);
    ck_assert_int_eq(executor.used, 0);
    account_fini(&executor);
}
END_TEST

START_TEST(metrics_as_prometheus_reads_them)
{
    struct buf b = BUF_INIT;
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        const struct metric_row *row = &metric_rows[m];
        ck_assert_msg(row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == 0, "%s", row->name);
        size_t n = strlen(row->name);
        bool total = n > 6 && strcmp(row->name + n - 6, "_total") == 0;
        ck_assert_msg(total == (row->kind == METRIC_COUNTER), "%s: counters, and only they, end in _total", row->name);
        ck_assert(row->doc[0] && !strpbrk(row->doc, "\n\\"));
    }
    metric_head(METRIC_STATEMENTS, &b);
    metric_value(METRIC_STATEMENTS, "a\"b\\c\nd", 12345678901.0, &b);
    metric_value(METRIC_STATEMENTS_RUNNING, NULL, 0.5, &b);
    ck_assert_ptr_nonnull(strstr(b.data, "# TYPE drover_statements_total counter\n"));
    ck_assert_ptr_nonnull(strstr(b.data, "drover_statements_total{outcome=\"a\\\"b\\\\c\\nd\"} 12345678901\n"));
    ck_assert_ptr_nonnull(strstr(b.data, "drover_statements_running 0.5\n"));
    buf_fini(&b);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, arena_defers_run_backwards);
    tcase_add_test(tc, buffers_grow_and_keep_their_end);
    tcase_add_test(tc, maps_against_a_linear_list);
    tcase_add_test(tc, sizes_and_durations);
    tcase_add_test(tc, slips);
    tcase_add_test(tc, known_answers);
    tcase_add_test(tc, sorting_bad_orders);
    tcase_add_test(tc, accounts_refuse_at_every_level);
    tcase_add_test(tc, metrics_as_prometheus_reads_them);
}

SUITE_MAIN("base", add)
