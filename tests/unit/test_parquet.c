/*
 * Parquet: the decoders against simple models of themselves, round trips of every type through writer and
 * reader, filters with and without statistics, and damaged files.
 *
 * With arguments the same program is a tool for tests/parquet_check.py:
 *   test_parquet copy IN OUT CODEC [GROUP_ROWS] [BATCH]     test_parquet dump FILE [BATCH]
 *   test_parquet count FILE "COLUMN OP VALUE" [BATCH]       test_parquet scan FILE COL,COL|* [REPEAT]
 *   test_parquet mutate FOLDER COUNT SEED                   damage, half of it with checksums made valid again
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/format/parquet/decode.h"
#include "common/format/parquet/encode.h"
#include "common/format/parquet/leaf.h"
#include "common/format/provider.h"
#include "tests/unit/files.h"
#include "tests/unit/suite.h"

static const struct query_ctx cx = {.ansi = true};

/* ---- a scan of all (or some) columns ---- */

struct scan {
    struct arena ar;
    struct schema sch;
    struct scan_spec spec;
    struct options options;
    struct account account;
    struct reader *r;
    struct prune prune;
    struct value value;
};

static int scan_init(struct scan *s, const char *path, struct error *err)
{
    *s = (struct scan){0};
    arena_init(&s->ar);
    account_init(&s->account, "test", NULL, INT64_MAX);
    TRY(format_parquet.infer(&s->options, &path, 1, &cx, &s->ar, &s->sch, err));
    s->spec = (struct scan_spec){.format = "parquet", .file_schema = s->sch, .column_count = s->sch.count, .cx = &cx};
    uint32_t *cols = ARENA_ARRAY(&s->ar, uint32_t, s->sch.count);
    for (uint32_t i = 0; i < s->sch.count; i++)
        cols[i] = i;
    s->spec.columns = cols;
    return 0;
}

static int scan_open(struct scan *s, const char *path, struct error *err)
{
    struct file_split split = {.path = path, .length = UINT64_MAX};
    return format_parquet.open(&s->spec, &split, &s->account, &s->r, err);
}

static void scan_fini(struct scan *s)
{
    format_parquet.close(s->r);
    s->r = NULL;
    ASSERT(s->account.used == 0);
    arena_fini(&s->ar);
}

/* "column op value" as a conjunct and, if asked, a prune. */
static void scan_filter(struct scan *s, const char *text, bool prune)
{
    char name[64], op[8], lit[128] = "";
    struct error err = ERROR_INIT;
    uint32_t i = 0;
    if (sscanf(text, "%63s %7s %127s", name, op, lit) < 2)
        exit(2);
    while (i < s->sch.count && strcmp(s->sch.fields[i].name, name) != 0)
        i++;
    if (i == s->sch.count)
        exit(2);
    const struct type *t = s->sch.fields[i].type;
    struct value v = {.type = t};
    if (t->id == TYPE_STRING || t->id == TYPE_BINARY) {
        v.s.ptr = arena_strdup(&s->ar, lit);
        v.s.bytes = (uint32_t)strlen(lit);
    } else if (t->id == TYPE_DECIMAL) {
        v.d = atoll(lit);
    } else if (t->id == TYPE_DOUBLE || t->id == TYPE_FLOAT) {
        v.f = atof(lit);
    } else {
        v.i = atoll(lit);
    }
    struct expr *args[2] = {expr_column(&s->ar, i, t, true, name), expr_literal(&s->ar, v)};
    struct expr **conj = ARENA_ARRAY(&s->ar, struct expr *, 1);
    must(expr_call(&s->ar, &cx, op, args, 2, (struct span){0}, conj, &err), &err);
    s->spec.conjuncts = conj;
    s->spec.conjunct_count = 1;
    s->value = v;
    s->prune = (struct prune){.column = i, .value_count = 1, .values = &s->value};
    s->prune.op = !strcmp(op, "=")    ? PRUNE_EQ
                  : !strcmp(op, "<")  ? PRUNE_LT
                  : !strcmp(op, "<=") ? PRUNE_LE
                  : !strcmp(op, ">")  ? PRUNE_GT
                                      : PRUNE_GE;
    s->spec.prunes = &s->prune;
    s->spec.prune_count = prune;
}

static void row_text(const struct batch *b, uint32_t row, struct buf *out)
{
    for (uint32_t i = 0; i < b->col_count; i++) {
        if (i)
            buf_addc(out, '\t');
        column_format(&b->cols[i], row, NULL, "NULL", out);
    }
    buf_addc(out, '\n');
}

static int scan_text(struct scan *s, struct buf *out, uint64_t *ret_rows, struct error *err)
{
    struct batch *b;
    *ret_rows = 0;
    for (;;) {
        TRY(format_parquet.next(s->r, &b, err));
        if (!b)
            return 0;
        *ret_rows += b->sel_count;
        for (uint32_t k = 0; k < b->sel_count && out; k++)
            row_text(b, b->sel ? b->sel[k] : k, out);
    }
}

/* ---- the tool ---- */

static int tool_copy(int argc, char **argv)
{
    struct option items[] = {{"compression", argv[4]}, {"parquet.block.rows", argc > 5 ? argv[5] : "1048576"}};
    struct options o = {2, items};
    struct error err = ERROR_INIT;
    struct scan s;
    struct writer *w;
    struct batch *b;
    uint64_t rows, bytes;
    if (argc > 6)
        batch_rows_set((uint32_t)atoi(argv[6]));
    must(scan_init(&s, argv[2], &err), &err);
    must(scan_open(&s, argv[2], &err), &err);
    must(format_parquet.create(&o, &s.sch, argv[3], &cx, &s.account, &w, &err), &err);
    int64_t start = clock_mono_us();
    for (;;) {
        must(format_parquet.next(s.r, &b, &err), &err);
        if (!b)
            break;
        must(format_parquet.write(w, b, &err), &err);
    }
    must(format_parquet.finish(w, &rows, &bytes, &err), &err);
    format_parquet.close(s.r);
    printf("%ld rows %ld bytes %.1f ms peak %ld held %ld\n", (long)rows, (long)bytes,
           (double)(clock_mono_us() - start) / 1000, (long)s.account.peak, (long)s.account.used);
    return s.account.used != 0;
}

static int tool_scan(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    double best = 1e18;
    uint64_t rows = 0;
    for (int i = 0; i < (argc > 4 ? atoi(argv[4]) : 3); i++) {
        struct scan s;
        must(scan_init(&s, argv[2], &err), &err);
        if (strcmp(argv[3], "*") != 0) {
            uint32_t *cols = ARENA_ARRAY(&s.ar, uint32_t, s.sch.count), n = 0;
            char *names = arena_strdup(&s.ar, argv[3]);
            for (char *name = strtok(names, ","); name; name = strtok(NULL, ","))
                for (uint32_t k = 0; k < s.sch.count; k++)
                    if (!strcmp(s.sch.fields[k].name, name))
                        cols[n++] = k;
            s.spec.columns = cols;
            s.spec.column_count = n;
        }
        int64_t start = clock_mono_us();
        must(scan_open(&s, argv[2], &err), &err);
        must(scan_text(&s, NULL, &rows, &err), &err);
        double ms = (double)(clock_mono_us() - start) / 1000;
        best = ms < best ? ms : best;
        scan_fini(&s);
    }
    printf("%ld rows %.1f ms\n", (long)rows, best);
    return 0;
}

static int tool_mutate(char **argv);

static int tool(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct scan s;
    uint64_t rows;
    bool count = !strcmp(argv[1], "count");
    if (!strcmp(argv[1], "copy") && argc > 4)
        return tool_copy(argc, argv);
    if (!strcmp(argv[1], "scan") && argc > 3)
        return tool_scan(argc, argv);
    if (!strcmp(argv[1], "mutate") && argc > 4)
        return tool_mutate(argv);
    if ((!count && strcmp(argv[1], "dump") != 0) || argc < 3 + count)
        return 2;
    struct buf out = BUF_INIT;
    struct reader_metrics m;
    if (argc > 3 + count)
        batch_rows_set((uint32_t)atoi(argv[3 + count]));
    must(scan_init(&s, argv[2], &err), &err);
    if (count)
        scan_filter(&s, argv[3], true);
    must(scan_open(&s, argv[2], &err), &err);
    must(scan_text(&s, count ? NULL : &out, &rows, &err), &err);
    format_parquet.metrics(s.r, &m);
    if (count)
        printf("%ld rows, %ld read, %ld groups and %ld pages skipped\n", (long)rows, (long)m.rows_read,
               (long)m.groups_skipped, (long)m.pages_skipped);
    else
        fwrite(out.data, 1, out.bytes, stdout);
    return 0;
}

/* ---- decoders ---- */

START_TEST(rle_round_trip)
{
    struct rng r;
    rng_init(&r, 1);
    for (unsigned round = 0; round < 300; round++) {
        uint32_t n = (uint32_t)rng_below(&r, 3000), *v = xcalloc(n + 1, 4), *w = xcalloc(n + 1, 4);
        unsigned width = (unsigned)rng_below(&r, 33);
        uint32_t mask = width == 32 ? UINT32_MAX : (1u << width) - 1;
        for (uint32_t i = 0; i < n;) {
            uint32_t run = (uint32_t)rng_below(&r, rng_below(&r, 2) ? 40 : 2) + 1, x = (uint32_t)rng_next(&r) & mask;
            while (run-- && i < n)
                v[i++] = x;
        }
        struct buf b = BUF_INIT;
        pq_rle_encode(v, n, width, &b);
        size_t bytes = b.bytes;
        buf_reserve(&b, PQ_PAD);
        memset(b.data + bytes, 0xff, PQ_PAD);
        struct pq_rle rle;
        const uint8_t *p = (const uint8_t *)b.data;
        pq_rle_init(&rle, p, p + bytes, width);
        for (uint32_t i = 0; i < n;) {
            uint32_t k = (uint32_t)rng_below(&r, 100) + 1;
            k = k > n - i ? n - i : k;
            if (rng_below(&r, 3) == 0) {
                ck_assert(pq_rle_skip(&rle, k));
            } else {
                ck_assert(pq_rle_read(&rle, w + i, k));
                ck_assert(!memcmp(w + i, v + i, k * 4));
            }
            i += k;
        }
        if (width)
            ck_assert(!pq_rle_skip(&rle, 8)); /* at most the padding of one group is left */
        buf_fini(&b);
        xfree(v);
        xfree(w);
    }
}
END_TEST

START_TEST(unpack_all_widths)
{
    uint8_t bits[4096 + PQ_PAD];
    uint32_t out[900];
    struct rng r;
    rng_init(&r, 2);
    for (size_t i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t)rng_next(&r);
    for (unsigned width = 0; width <= 32; width++)
        for (unsigned idx = 0; idx < 20; idx++) {
            pq_unpack32(bits, idx, width, out, 900);
            for (unsigned i = 0; i < 900; i++) {
                uint32_t want = 0;
                for (unsigned b = 0; b < width; b++) {
                    size_t bit = (size_t)(idx + i) * width + b;
                    want |= (uint32_t)(bits[bit / 8] >> (bit % 8) & 1) << b;
                }
                ck_assert_uint_eq(out[i], want);
            }
        }
}
END_TEST

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addc(b, (char)(v | 0x80));
    buf_addc(b, (char)v);
}

static void put_zigzag(struct buf *b, int64_t v)
{
    put_varint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

/* A plain encoder of DELTA_BINARY_PACKED, bit by bit. */
static void encode_delta(const int64_t *v, uint32_t n, struct buf *b)
{
    put_varint(b, 128);
    put_varint(b, 4);
    put_varint(b, n);
    put_zigzag(b, n ? v[0] : 0);
    for (uint32_t at = 1; at < n; at += 128) {
        uint64_t deltas[128] = {0};
        int64_t min = INT64_MAX;
        uint32_t count = n - at < 128 ? n - at : 128;
        unsigned widths[4] = {0};
        for (uint32_t i = 0; i < count; i++) {
            deltas[i] = (uint64_t)v[at + i] - (uint64_t)v[at + i - 1];
            min = (int64_t)deltas[i] < min ? (int64_t)deltas[i] : min;
        }
        put_zigzag(b, min);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t x = deltas[i] -= (uint64_t)min;
            unsigned need = x ? 64 - (unsigned)__builtin_clzll(x) : 0;
            widths[i / 32] = need > widths[i / 32] ? need : widths[i / 32];
        }
        for (unsigned m = 0; m < 4; m++)
            buf_addc(b, (char)widths[m]);
        for (unsigned m = 0; m * 32 < count; m++) {
            uint8_t bytes[256] = {0};
            for (unsigned i = 0; i < 32; i++)
                for (unsigned k = 0; k < widths[m]; k++)
                    if (deltas[m * 32 + i] >> k & 1)
                        bytes[(i * widths[m] + k) / 8] |= (uint8_t)(1 << ((i * widths[m] + k) % 8));
            buf_add(b, bytes, widths[m] * 4);
        }
    }
}

START_TEST(delta_stream)
{
    struct rng r;
    rng_init(&r, 3);
    for (unsigned round = 0; round < 200; round++) {
        uint32_t n = (uint32_t)rng_below(&r, 700);
        unsigned spread = (unsigned)rng_below(&r, 65);
        int64_t *v = xcalloc(n + 1, 8), *w = xcalloc(n + 1, 8);
        for (uint32_t i = 0; i < n; i++)
            v[i] = spread == 0 ? 5 : (int64_t)(rng_next(&r) >> (64 - spread));
        struct buf b = BUF_INIT;
        encode_delta(v, n, &b);
        size_t bytes = b.bytes;
        buf_reserve(&b, PQ_PAD);
        memset(b.data + bytes, 0, PQ_PAD);
        struct pq_delta d;
        const uint8_t *p = (const uint8_t *)b.data;
        ck_assert(pq_delta_init(&d, p, p + bytes));
        ck_assert_ptr_eq(pq_delta_end(&d), p + bytes);
        for (uint32_t i = 0; i < n;) {
            uint32_t k = (uint32_t)rng_below(&r, 90) + 1;
            k = k > n - i ? n - i : k;
            ck_assert(pq_delta_read(&d, w + i, k));
            i += k;
        }
        ck_assert(!memcmp(v, w, n * 8));
        ck_assert(!pq_delta_read(&d, w, 1));
        for (size_t cut = 0; cut < bytes; cut++) { /* cut short: an end or an error, nothing else */
            struct pq_delta c;
            if (pq_delta_init(&c, p, p + cut))
                (void)pq_delta_end(&c);
        }
        buf_fini(&b);
        xfree(v);
        xfree(w);
    }
}
END_TEST

/* ---- round trips ---- */

static char tmp_path[64];

static void tmp_setup(void)
{
    snprintf(tmp_path, sizeof tmp_path, "/tmp/test_parquet.%d", (int)getpid());
}

static void tmp_teardown(void)
{
    unlink(tmp_path);
}

static const char *const ddl[] = {
    "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "string", "binary", "date", "timestamp",
    "timestamp_ntz", "decimal(5,2)", "decimal(9,0)", "decimal(15,2)", "decimal(20,4)", "decimal(38,38)",
    "array<int>", "array<array<string>>", "struct<a:int,b:struct<c:string,d:decimal(30,2)>>", "map<string,double>",
    "array<struct<x:bigint,y:array<boolean>>>", "map<int,map<int,string>>",
    "struct<l:array<date>,m:map<string,timestamp>>"};
enum { COLS = ARRAY_LEN(ddl) };

static void put_random(struct column_builder *cb, const struct type *t, struct rng *r, bool nullable, unsigned repeat)
{
    char text[80];
    if (nullable && rng_below(r, 5) == 0) {
        column_builder_put_null(cb);
        return;
    }
    uint64_t x = rng_below(r, repeat) * 0x9e3779b97f4a7c15ull;
    switch (t->id) {
    case TYPE_BOOLEAN:
        column_builder_put_i64(cb, (int64_t)(x >> 63));
        break;
    case TYPE_TINYINT:
        column_builder_put_i64(cb, (int8_t)(x >> 20));
        break;
    case TYPE_SMALLINT:
        column_builder_put_i64(cb, (int16_t)(x >> 20));
        break;
    case TYPE_INT:
    case TYPE_DATE:
        column_builder_put_i64(cb, (int32_t)(x >> 43));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        column_builder_put_f64(cb, (double)(float)((double)(int64_t)x / 3e10));
        break;
    case TYPE_DECIMAL: {
        int128_t limit = 1, v = (int128_t)(int64_t)x * (int64_t)(x >> 2);
        for (unsigned i = 0; i < t->precision; i++)
            limit *= 10;
        if (t->precision <= 18)
            column_builder_put_i64(cb, (int64_t)(v % limit));
        else
            column_builder_put_i128(cb, v % limit);
        break;
    }
    case TYPE_STRING:
    case TYPE_BINARY:
        snprintf(text, sizeof text, "%.*s%ld", (int)(x >> 58),
                 "a text that is longer than twelve bytes, sometimes by far.......", (long)(x >> 50));
        column_builder_put_str(cb, text, (uint32_t)strlen(text));
        break;
    case TYPE_ARRAY:
    case TYPE_MAP: {
        uint32_t n = (uint32_t)rng_below(r, 4);
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t i = 0; i < t->child_count; i++)
                put_random(column_builder_child(cb, i), t->children[i], r, t->id == TYPE_ARRAY || i == 1, repeat);
        column_builder_put_list(cb, n);
        break;
    }
    case TYPE_STRUCT:
        for (uint32_t i = 0; i < t->child_count; i++)
            put_random(column_builder_child(cb, i), t->children[i], r, true, repeat);
        column_builder_put_struct(cb);
        break;
    default:
        column_builder_put_i64(cb, (int64_t)(x >> 12));
    }
}

/* Writes random rows of all types; their text goes to want. */
static void write_random(const char *path, uint32_t rows, uint64_t seed, const char *codec, const char *group_rows,
                         bool nullable, unsigned repeat, struct buf *want)
{
    struct field fields[COLS];
    const struct type *types[COLS];
    struct error err = ERROR_INIT;
    char names[COLS][8];
    struct rng r;
    rng_init(&r, seed);
    for (uint32_t i = 0; i < COLS; i++) {
        must(type_parse(ddl[i], &types[i], &err), &err);
        snprintf(names[i], sizeof names[i], "c%u", i);
        fields[i] = (struct field){names[i], types[i], nullable};
    }
    struct schema sch = {COLS, fields};
    struct option items[] = {{"compression", codec}, {"parquet.block.rows", group_rows}};
    struct options o = {2, items};
    struct builder bd;
    builder_init(&bd, COLS, types, NULL);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t k = 0; k < COLS; k++)
            put_random(builder_column(&bd, k), types[k], &r, nullable, repeat);
        must(builder_end_row(&bd, &err), &err);
    }
    struct sealed *s = builder_seal(&bd);
    builder_fini(&bd);
    struct writer *w;
    struct account acc;
    account_init(&acc, "write", NULL, INT64_MAX);
    must(format_parquet.create(&o, &sch, path, &cx, &acc, &w, &err), &err);
    uint64_t got_rows, bytes;
    struct arena ar;
    arena_init(&ar);
    uint32_t step = batch_rows();
    for (uint32_t at = 0; at < rows; at += step) {
        struct column cols[COLS];
        struct batch b;
        sealed_window(s, at, rows - at < step ? rows - at : step, cols, &b, &ar);
        must(format_parquet.write(w, &b, &err), &err);
        for (uint32_t k = 0; k < b.rows && want; k++)
            row_text(&b, k, want);
    }
    must(format_parquet.finish(w, &got_rows, &bytes, &err), &err);
    ck_assert_uint_eq(got_rows, rows);
    ck_assert_int_eq(acc.used, 0);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq((uint64_t)st.st_size, bytes);
    sealed_unref(s);
    arena_fini(&ar);
}

START_TEST(round_trip)
{
    static const char *const codecs[] = {"snappy", "zstd", "none", "gzip", "lz4_raw"};
    static const char *const groups[] = {"1000000", "1000", "300"};
    struct error err = ERROR_INIT;
    struct buf want = BUF_INIT, got = BUF_INIT;
    uint64_t rows;
    batch_rows_set(_i % 3 == 0 ? BATCH_ROWS : _i % 3 == 1 ? 1000 : 3);
    write_random(tmp_path, _i == 4 ? 0 : 3000, (uint64_t)_i + 1, codecs[_i % 5], groups[_i % 3], _i % 2 == 0,
                 _i % 4 < 2 ? 20 : 1u << 30, &want);
    struct scan s;
    must(scan_init(&s, tmp_path, &err), &err);
    ck_assert_uint_eq(s.sch.count, COLS);
    for (uint32_t i = 0; i < s.sch.count; i++)
        ck_assert_str_eq(s.sch.fields[i].type->text, ddl[i]);
    must(scan_open(&s, tmp_path, &err), &err);
    must(scan_text(&s, &got, &rows, &err), &err);
    scan_fini(&s);
    ck_assert_uint_eq(got.bytes, want.bytes);
    if (want.bytes)
        ck_assert(!memcmp(got.data, want.data, want.bytes));
    buf_fini(&want);
    buf_fini(&got);
}
END_TEST

START_TEST(filters_agree)
{
    static const char *const filters[] = {"c3 < 100000", "c4 > 0",   "c4 >= 4000000000000000", "c7 = a1",
                                          "c7 > text",   "c9 <= 0",  "c10 > 0",                "c12 < 0",
                                          "c14 >= 99",   "c15 < 0",  "c6 > 0",                 "c5 <= 0"};
    struct error err = ERROR_INIT;
    for (unsigned round = 0; round < 4; round++) {
        write_random(tmp_path, 4000, 100 + round, "snappy", round % 2 ? "500" : "100000", round < 2,
                     round % 2 ? 40 : 1u << 30, NULL);
        for (size_t f = 0; f < ARRAY_LEN(filters); f++) {
            struct buf text[2] = {BUF_INIT, BUF_INIT};
            uint64_t rows[2];
            for (int prune = 0; prune < 2; prune++) {
                struct scan s;
                must(scan_init(&s, tmp_path, &err), &err);
                scan_filter(&s, filters[f], prune);
                must(scan_open(&s, tmp_path, &err), &err);
                must(scan_text(&s, &text[prune], &rows[prune], &err), &err);
                scan_fini(&s);
            }
            ck_assert_uint_eq(rows[0], rows[1]);
            ck_assert_uint_eq(text[0].bytes, text[1].bytes);
            if (text[0].bytes)
                ck_assert(!memcmp(text[0].data, text[1].data, text[0].bytes));
            buf_fini(&text[0]);
            buf_fini(&text[1]);
        }
    }
}
END_TEST

/* ---- damage ---- */

/* Where the checksum of a page header lies; 0 when it has none. */
static size_t crc_place(const uint8_t *header, size_t bytes, size_t *ret_bytes)
{
    struct thrift t = {.p = header, .end = header + bytes};
    struct thrift_field f = {0};
    while (thrift_field(&t, &f)) {
        const uint8_t *from = t.p;
        thrift_skip(&t, f.type);
        if (f.id == 4 && f.type == THRIFT_I32) {
            *ret_bytes = (size_t)(t.p - from);
            return (size_t)(from - header);
        }
    }
    return 0;
}

/* The checksum as a varint of exactly so many bytes; false when it needs more. */
static bool put_crc(uint8_t *p, size_t bytes, uint32_t crc)
{
    uint64_t v = ((uint64_t)(int64_t)(int32_t)crc << 1) ^ (uint64_t)((int64_t)(int32_t)crc >> 63);
    for (size_t i = 0; i < bytes; i++, v >>= 7)
        p[i] = (uint8_t)((v & 0x7f) | (i + 1 < bytes ? 0x80 : 0));
    return v == 0;
}

/* Damages the body of one page and makes its checksum valid again; false when it could not. */
static bool mutate_page(const struct pq_footer *f, uint8_t *file, struct rng *r)
{
    if (f->group_count == 0 || f->leaf_count == 0)
        return false;
    const struct pq_chunk *c = &f->groups[rng_below(r, f->group_count)].chunks[rng_below(r, f->leaf_count)];
    uint64_t at = c->start, end = c->start + (uint64_t)c->bytes, pick = 0, seen = 0;
    struct pq_page page, picked = {0};
    while (at < end && pq_page_parse(file + at, end - at, &page) == 0 && page.bytes <= end - at - page.header_bytes) {
        if (page.bytes > 0 && rng_below(r, ++seen) == 0) { /* each page alike */
            pick = at;
            picked = page;
        }
        at += page.header_bytes + page.bytes;
    }
    if (!seen)
        return false;
    uint8_t *body = file + pick + picked.header_bytes;
    size_t crc_bytes, crc_at = crc_place(file + pick, picked.header_bytes, &crc_bytes);
    for (unsigned tries = 0; tries < 8; tries++) {
        for (unsigned k = 1 + (unsigned)rng_below(r, 4); k > 0; k--) { /* the front holds levels and lengths */
            size_t span = rng_below(r, 2) && picked.bytes > 24 ? 24 : picked.bytes, place = rng_below(r, span);
            body[place] = rng_below(r, 2) ? (uint8_t)rng_next(r) : (uint8_t)(body[place] ^ 1u << rng_below(r, 8));
        }
        if (!crc_at || put_crc(file + pick + crc_at, crc_bytes, (uint32_t)crc32(0, body, picked.bytes)))
            return true;
    }
    return false;
}

struct damage {
    unsigned count, valid, errors, intact;
};

/* Reads count mutations of a file; the reader must give rows or an error that names the file. */
static void damage_file(const struct buf *good, const char *path, unsigned count, struct rng *r, struct damage *d)
{
    struct buf shown = BUF_INIT;
    struct error err = ERROR_INIT;
    struct pq_footer *f = NULL;
    uint8_t *copy = xmalloc(good->bytes + PQ_PAD);
    write_whole(path, good->data, good->bytes);
    int fd = open(path, O_RDONLY);
    must(pq_footer_get(path, fd, good->bytes, 0, &f, &err), &err);
    close(fd);
    for (unsigned round = 0; round < count; round++) {
        size_t bytes = good->bytes, tail = 2000;
        memcpy(copy, good->data, bytes);
        bool valid = rng_below(r, 8) < 5 && mutate_page(f, copy, r);
        if (!valid) {
            memcpy(copy, good->data, bytes);
            if (rng_below(r, 10) == 0)
                bytes = (size_t)rng_below(r, bytes) + 1;
            for (unsigned k = 1 + (unsigned)rng_below(r, 4); k > 0; k--) { /* half of them in the footer */
                size_t from_end = rng_below(r, bytes < tail ? bytes : tail);
                copy[rng_below(r, 2) ? rng_below(r, bytes) : bytes - 1 - from_end] = (uint8_t)rng_next(r);
            }
        }
        write_whole(path, (char *)copy, bytes);
        struct scan s;
        struct buf text = BUF_INIT;
        uint64_t rows;
        int rc = scan_init(&s, path, &err);
        s.account.limit = 256 << 20;
        if (!rc && s.sch.count > 0 && type_is_integral(s.sch.fields[s.sch.count - 1].type)) { /* the page index */
            s.value = (struct value){.type = s.sch.fields[s.sch.count - 1].type, .i = (int64_t)rng_below(r, 3000)};
            s.prune = (struct prune){s.sch.count - 1, PRUNE_GE, 1, &s.value};
            s.spec.prunes = &s.prune;
            s.spec.prune_count = round % 2;
        }
        if (!rc)
            rc = scan_open(&s, path, &err);
        if (!rc)
            rc = scan_text(&s, rng_below(r, 4) ? NULL : &text, &rows, &err);
        d->count++;
        d->valid += valid;
        d->errors += rc != 0;
        d->intact += rc == 0;
        if (rc) {
            buf_reset(&shown);
            error_format(&err, &shown);
            if ((err.code != ERR_TASK_MEMORY && !strstr(shown.data, path)) || err.code == ERR_INTERNAL) {
                fprintf(stderr, "%s\n", shown.data);
                abort();
            }
        }
        error_fini(&err);
        scan_fini(&s);
        buf_fini(&text);
    }
    pq_footer_unref(f);
    xfree(copy);
    buf_fini(&shown);
}

static bool damage_folder(const char *folder, const char *path, unsigned count, uint64_t seed, struct damage *d)
{
    DIR *dir = opendir(folder);
    struct rng r;
    unsigned files = 0;
    rng_init(&r, seed);
    if (!dir)
        return false;
    for (struct dirent *e; (e = readdir(dir));)
        files += str_has_suffix(e->d_name, ".parquet");
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct buf good = BUF_INIT;
        char name[512];
        if (!str_has_suffix(e->d_name, ".parquet"))
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        read_whole(name, &good);
        damage_file(&good, path, count / files + 1, &r, d);
        buf_fini(&good);
    }
    closedir(dir);
    return files > 0;
}

START_TEST(damage_is_an_error)
{
    struct buf good = BUF_INIT;
    struct rng r;
    struct damage d = {0};
    rng_init(&r, 77 + (uint64_t)_i);
    write_random(tmp_path, 600, 9 + (uint64_t)_i, _i % 2 ? "none" : "snappy", "250", true, _i % 3 ? 30 : 1u << 30, NULL);
    read_whole(tmp_path, &good);
    damage_file(&good, tmp_path, 300, &r, &d);
    ck_assert_uint_gt(d.errors, 50);
    buf_fini(&good);
}
END_TEST

START_TEST(damaged_corpus)
{
    struct damage d = {0};
    if (damage_folder("tests/fuzz/corpus/parquet", tmp_path, 3000, 5, &d)) {
        ck_assert_uint_gt(d.errors, 1000);
        ck_assert_uint_gt(d.valid, 1000);
    }
}
END_TEST

static int tool_mutate(char **argv)
{
    struct damage d = {0};
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/test_parquet.%d", (int)getpid());
    int64_t start = clock_mono_us();
    if (!damage_folder(argv[2], path, (unsigned)atoi(argv[3]), (uint64_t)atoll(argv[4]), &d))
        return 2;
    unlink(path);
    printf("parquet: %u mutations, %u with valid lengths and checksums (%.0f %%): %u errors, %u read whole, %.1f s\n",
           d.count, d.valid, 100.0 * d.valid / d.count, d.errors, d.intact, (double)(clock_mono_us() - start) / 1e6);
    return 0;
}

START_TEST(memory_is_bounded)
{
    struct error err = ERROR_INIT;
    struct scan s;
    uint64_t rows;
    write_random(tmp_path, 3000, 5, "snappy", "100000", true, 1u << 30, NULL);
    must(scan_init(&s, tmp_path, &err), &err);
    s.account.limit = 100 << 10;
    int rc = scan_open(&s, tmp_path, &err);
    if (!rc)
        rc = scan_text(&s, NULL, &rows, &err);
    ck_assert_int_eq(rc, ERR_TASK_MEMORY);
    error_fini(&err);
    scan_fini(&s);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, tmp_setup, tmp_teardown);
    ADD_TESTS(tc, rle_round_trip, unpack_all_widths, delta_stream);
    tcase_add_loop_test(tc, round_trip, 0, 12);
    ADD_TESTS(tc, filters_agree);
    tcase_add_loop_test(tc, damage_is_an_error, 0, 6);
    ADD_TESTS(tc, damaged_corpus, memory_is_bounded);
}

int main(int argc, char **argv)
{
    return argc > 1 ? tool(argc, argv) : suite_run("parquet", add);
}
