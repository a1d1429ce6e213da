/* Map outputs in both forms, in memory and in files: every reader gets the same rows. */
#include <stdio.h>
#include <stdlib.h>

#include "executor/shuffle/riding.h"
#include "executor/shuffle/store_impl.h"
#include "tests/unit/suite.h"

enum { PARTITIONS = 5, RUNS = 40, ROWS = 1000 };
static struct account account;
static struct store *st;

static void open_store(uint64_t memory_max, const char *folder)
{
    account_init(&account, "executor", NULL, INT64_MAX);
    st = store_new(&account, folder, memory_max);
}

static void close_store(void)
{
    store_free(st);
    ck_assert_int_eq(account.used, 0); /* nothing leaks */
}

/* Run number i: ROWS rows i * ROWS..., of partition i % PARTITIONS. */
static struct sealed *run_of(uint32_t i)
{
    const struct type *types[2] = {type_of(TYPE_BIGINT), type_of(TYPE_STRING)};
    struct builder bd;
    struct error err = ERROR_INIT;
    builder_init(&bd, 2, types, NULL);
    for (uint32_t r = 0; r < ROWS; r++) {
        char text[64];
        int n = snprintf(text, sizeof text, "row %u of run %u, longer than a view holds", r, i);
        builder_put_i64(&bd, 0, (int64_t)i * ROWS + r);
        builder_put_str(&bd, 1, text, (uint32_t)n);
        ck_assert_int_eq(builder_end_row(&bd, &err), 0);
    }
    struct sealed *s = builder_seal(&bd);
    builder_fini(&bd);
    return s;
}

static struct map_output *publish(uint32_t stage, bool encode)
{
    struct error err = ERROR_INIT;
    struct map_output *o = map_output_new(st, 7, stage, 3, 99, PARTITIONS, encode);
    for (uint32_t i = 0; i < RUNS; i++)
        ck_assert_int_eq(map_output_add(o, i % (PARTITIONS - 1), run_of(i), &err), 0); /* the last partition stays empty */
    ck_assert_int_eq(map_output_finish(o, &err), 0);
    store_publish(st, o);
    ck_assert_ptr_null(store_find(st, 7, stage, 3, 98));
    ck_assert_ptr_null(store_find(st, 7, stage, 2, 99));
    o = store_find(st, 7, stage, 3, 99);
    ck_assert_ptr_nonnull(o);
    return o;
}

/* The numbers of a partition's rows must be those of its runs, in order. */
static void check_run(const struct sealed *s, uint32_t *next, uint32_t partition)
{
    ck_assert_uint_eq(s->rows, ROWS);
    ck_assert_uint_lt(*next, RUNS);
    ck_assert_uint_eq(*next % (PARTITIONS - 1), partition);
    for (uint32_t r = 0; r < ROWS; r++)
        ck_assert_int_eq(((const int64_t *)s->cols[0].data)[r], (int64_t)*next * ROWS + r);
    *next += PARTITIONS - 1;
}

static void read_runs(struct map_output *o)
{
    struct error err = ERROR_INIT;
    struct sealed *s;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct output_cursor c = {0};
        uint32_t next = p;
        for (;;) {
            ck_assert_int_eq(map_output_next(o, p, &c, &account, &s, &err), 0);
            if (!s)
                break;
            check_run(s, &next, p);
            sealed_unref(s);
        }
        ck_assert(p == PARTITIONS - 1 ? next == p : next >= RUNS);
    }
    struct output_cursor c = {0};
    uint32_t count = 0;
    for (;; count++) {
        ck_assert_int_eq(map_output_next(o, OUTPUT_ALL, &c, &account, &s, &err), 0);
        if (!s)
            break;
        sealed_unref(s);
    }
    ck_assert_uint_eq(count, RUNS);
}

/* What a peer gets in pieces of max bytes, rounded up to whole frames, decodes to the same runs. */
static void read_copies(struct map_output *o, size_t max)
{
    struct error err = ERROR_INIT;
    const size_t run_bytes = 128 * ROWS;
    for (uint32_t p = 0; p <= PARTITIONS; p++) {
        uint32_t partition = p == PARTITIONS ? OUTPUT_ALL : p, next = p, count = 0;
        struct output_cursor c = {0};
        struct buf all = BUF_INIT;
        for (bool done = false; !done;) {
            size_t before = all.bytes;
            ck_assert_int_eq(map_output_copy(o, partition, &c, max, &all, &done, &err), 0);
            ck_assert_uint_le(all.bytes - before, max + run_bytes);
            ck_assert(done || all.bytes - before >= max);
        }
        for (size_t at = 0, used; at < all.bytes; at += used, count++) {
            struct sealed *s;
            ck_assert_uint_ne(frame_bytes(all.data + at, all.bytes - at), 0);
            ck_assert_int_eq(frame_decode(all.data + at, all.bytes - at, NULL, &s, &used, &err), 0);
            if (partition != OUTPUT_ALL)
                check_run(s, &next, p);
            sealed_unref(s);
        }
        ck_assert_uint_eq(count, p == PARTITIONS ? RUNS : p == PARTITIONS - 1 ? 0 : RUNS / (PARTITIONS - 1));
        buf_fini(&all);
    }
}

START_TEST(runs_are_handed_over)
{
    open_store(1 << 30, "/tmp");
    struct map_output *o = publish(1, false);
    ck_assert_uint_eq(o->piece_count, 0);
    read_runs(o);
    read_copies(o, 100000); /* a peer came: frames beside the runs */
    ck_assert_uint_eq(o->piece_count, 1);
    read_runs(o);
    map_output_unref(o);
    close_store();
}
END_TEST

START_TEST(frames_in_memory)
{
    open_store(1 << 30, "/tmp");
    struct map_output *o = publish(1, true);
    ck_assert_uint_eq(o->run_count, 0);
    ck_assert_uint_eq(store_file_bytes(st), 0);
    read_runs(o);
    static const size_t sizes[] = {1000, 4096, 99991, 1 << 20, 1 << 30};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        read_copies(o, sizes[i]);
    map_output_unref(o);
    close_store();
}
END_TEST

START_TEST(frames_in_a_file)
{
    open_store(100000, getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    struct map_output *o = publish(1, _i == 1), *other = publish(2, _i == 1);
    ck_assert_uint_eq(o->run_count, 0);
    ck_assert_uint_gt(store_file_bytes(st), 1000000);
    read_runs(o);
    read_copies(other, 77777);
    map_output_unref(other);
    store_release(st, 7, 1);
    ck_assert_ptr_null(store_find(st, 7, 1, 3, 99));
    read_runs(o); /* who still holds it may read it */
    map_output_unref(o);
    store_release(st, 7, UINT32_MAX);
    ck_assert_uint_eq(store_file_bytes(st), 0);
    ck_assert_uint_eq(store_bytes(st), 0);
    close_store();
}
END_TEST

/* The executor has no room for what an attempt leaves: it goes to the file at once. */
START_TEST(a_full_account_moves_runs_out)
{
    open_store(1 << 30, "/tmp");
    account.limit = 300000;
    struct map_output *o = publish(1, false);
    ck_assert_uint_gt(store_file_bytes(st), 1000000);
    account.limit = INT64_MAX;
    read_runs(o);
    map_output_unref(o);
    close_store();
}
END_TEST

START_TEST(a_changed_byte_is_noticed)
{
    struct error err = ERROR_INIT;
    struct sealed *s;
    open_store(1 << 30, "/tmp");
    struct map_output *o = publish(1, true);
    o->pieces[0].bytes.data[o->pieces[0].bytes.bytes / 8] ^= 1;
    int rc = 0;
    struct output_cursor c = {0};
    for (uint32_t i = 0; i < RUNS && rc == 0; i++) {
        rc = map_output_next(o, 0, &c, &account, &s, &err);
        if (rc == 0)
            sealed_unref(s);
    }
    ck_assert_int_eq(rc, ERR_CHUNK_DAMAGED);
    error_fini(&err);
    map_output_unref(o);
    close_store();
}
END_TEST

/* What rides is the same frames, found by partition. */
START_TEST(an_output_rides)
{
    struct error err = ERROR_INIT;
    struct buf b = BUF_INIT;
    open_store(1 << 30, "/tmp");
    struct map_output *o = publish(1, true);
    size_t from, to, used, table = 8 + (PARTITIONS - 1) * 8, whole = table + o->pieces[0].bytes.bytes;
    ck_assert(!riding_encode(o, whole - 1, &b) && b.bytes == 0);
    ck_assert(riding_encode(o, whole, &b) && b.bytes == whole);
    for (uint32_t p = 0; p <= PARTITIONS; p++) {
        uint32_t next = p, count = 0;
        ck_assert_int_eq(riding_find(b.data, b.bytes, p == PARTITIONS ? OUTPUT_ALL : p, &from, &to, &err), 0);
        for (; from < to; from += used, count++) {
            struct sealed *s;
            ck_assert_int_eq(frame_decode(b.data + from, to - from, NULL, &s, &used, &err), 0);
            if (p < PARTITIONS)
                check_run(s, &next, p);
            sealed_unref(s);
        }
        ck_assert_uint_eq(count, p == PARTITIONS ? RUNS : p == PARTITIONS - 1 ? 0 : RUNS / (PARTITIONS - 1));
    }
    for (size_t at = 0; at < table; at++) { /* each byte of its table counts */
        b.data[at] ^= 64;
        ck_assert_int_eq(riding_find(b.data, b.bytes, 1, &from, &to, &err), ERR_CHUNK_DAMAGED);
        error_fini(&err);
        b.data[at] ^= 64;
    }
    ck_assert_int_eq(riding_find(b.data, b.bytes - 1, 1, &from, &to, &err), ERR_CHUNK_DAMAGED);
    error_fini(&err);
    buf_fini(&b);
    map_output_unref(o);
    o = map_output_new(st, 7, 2, 0, 1, PARTITIONS, true); /* no rows at all */
    ck_assert_int_eq(map_output_finish(o, &err), 0);
    ck_assert(riding_encode(o, 100, &b) && b.bytes > 0);
    ck_assert_int_eq(riding_find(b.data, b.bytes, OUTPUT_ALL, &from, &to, &err), 0);
    ck_assert_uint_eq(from, to);
    ck_assert(!riding_encode(o, 0, &b));
    map_output_unref(o);
    buf_fini(&b);
    close_store();
}
END_TEST

START_TEST(a_folder_that_is_not_there)
{
    struct error err = ERROR_INIT;
    open_store(1000, "/tmp/there is no such folder");
    struct map_output *o = map_output_new(st, 1, 1, 1, 1, 1, true);
    int rc = map_output_add(o, 0, run_of(0), &err);
    if (rc == 0)
        rc = map_output_finish(o, &err);
    ck_assert_int_eq(rc, ERR_IO);
    ck_assert_str_eq(error_param_get(&err, "path"), "/tmp/there is no such folder");
    error_fini(&err);
    map_output_unref(o);
    close_store();
}
END_TEST

static void add(TCase *tc)
{
    ADD_TESTS(tc, runs_are_handed_over, frames_in_memory);
    tcase_add_loop_test(tc, frames_in_a_file, 0, 2);
    ADD_TESTS(tc, a_full_account_moves_runs_out, an_output_rides, a_changed_byte_is_noticed, a_folder_that_is_not_there);
}

SUITE_MAIN("store", add)
