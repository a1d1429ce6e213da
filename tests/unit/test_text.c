/*
 * Text files and the streams below them: lines, splits at every byte, whole files, compressed files made of several
 * members, cut short or changed.
 *
 *   test_text mutate COUNT SEED      damage, most of it with checksums made valid again
 */
#include "tests/unit/format_damage.h"

static void rows(const char *schema, const char *text, const char *const *options, const char *want)
{
    check_rows(&format_text, schema, text, options, want);
}

START_TEST(lines)
{
    rows(NULL, "a\nb\r\nc\rd\n\ne", NONE, "a\nb\nc\nd\n\ne\n");
    rows(NULL, "", NONE, "");
    rows(NULL, "\n", NONE, "\n");
    rows("line string", "x", NONE, "x\n");
    rows(NULL, "a||b||c", OPTIONS("lineSep=||"), "a\nb\nc\n");
    rows(NULL, "a\nb", OPTIONS("wholetext=true"), "a\nb\n");
    rows("a int", "x", NONE, "[UNSUPPORTED_TYPE_IN]\n");
    rows("a string, b string", "x", NONE, "[ANALYSIS]\n");
    rows(NULL, "a", OPTIONS("wholetext=perhaps"), "[OPTION]\n");
}
END_TEST

START_TEST(splits)
{
    static const struct split_file files[] = {
        {"a\nbb\n\nccc", NULL}, {"a\r\nbb\r\n\r\nccc\r\n", NULL}, {"a\rbb\r\r\nccc\n\r", NULL}, {"\n\n\n", NULL}, {"\r\n\r\n", NULL},
        {"a;bb;;ccc", "lineSep=;"}, {"a<>bb<><>c<c>c<>", "lineSep=<>"}, {"abc", NULL}, {"\xef\xbb\xbf" "ab\nc", NULL},
    };
    check_splits(&format_text, "value string", files, ARRAY_LEN(files));
}
END_TEST

START_TEST(what_splits)
{
    static const struct {
        const char *path, *name, *value;
        bool splits;
    } files[] = {
        {"a.csv", NULL, NULL, true}, {"a.csv.gz", NULL, NULL, false}, {"a.zst", NULL, NULL, false}, {"a.deflate", NULL, NULL, false},
        {"a.csv", "multiLine", "true", false}, {"a.csv", "wholetext", "true", false}, {"a.csv", "encoding", "ISO-8859-1", false},
        {"a.csv", "lineSep", "||", false}, {"a.csv", "lineSep", "|;", true}, {"a.csv.bz2", NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct option item = {files[i].name, files[i].value};
        struct options o = {files[i].name != NULL, &item};
        ck_assert_int_eq(format_text.splittable(&o, files[i].path), files[i].splits);
    }
}
END_TEST

/* ---- streams ---- */

static void make_text(struct buf *text, size_t bytes, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    buf_reset(text);
    while (text->bytes < bytes)
        buf_addf(text, "line %llu of it\n", (unsigned long long)rng_below(&r, 100000));
}

static int read_stream(const char *path, struct buf *out, struct error *err)
{
    struct byte_source *s;
    char part[7777];
    size_t n = 1;
    buf_reset(out);
    int rc = byte_source_open(path, 0, NULL, &s, err);
    if (rc)
        return rc;
    while (rc == 0 && n) {
        rc = byte_source_read(s, part, sizeof part, &n, err);
        if (rc == 0)
            buf_add(out, part, n);
    }
    byte_source_close(s);
    return rc;
}

static const char *const extensions[] = STREAM_EXTENSIONS("");

START_TEST(streams)
{
    struct buf text = BUF_INIT, back = BUF_INIT, raw = BUF_INIT;
    struct error err = ERROR_INIT;
    char path[80];
    snprintf(path, sizeof path, "%s%s", scan_path, extensions[_i]);
    static const size_t sizes[] = {0, 1, 1000, 262144, 3000000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        make_text(&text, sizes[i], i);
        write_compressed(path, &text);
        must(read_stream(path, &back, &err), &err);
        ck_assert_uint_eq(back.bytes, text.bytes);
        ck_assert(text.bytes == 0 || memcmp(back.data, text.data, text.bytes) == 0);
    }
    read_whole(path, &raw);
    if (_i == 1 || _i == 3) { /* members one after the other are one text */
        struct buf twice = BUF_INIT;
        buf_add(&twice, raw.data, raw.bytes);
        buf_add(&raw, twice.data, twice.bytes);
        buf_fini(&twice);
        write_whole(path, raw.data, raw.bytes);
        must(read_stream(path, &back, &err), &err);
        ck_assert_uint_eq(back.bytes, 2 * text.bytes);
    }
    unlink(path);
    buf_fini(&text);
    buf_fini(&back);
    buf_fini(&raw);
}
END_TEST

/* Every way to cut a compressed file short is an error that says where. */
START_TEST(cut_short)
{
    struct buf text = BUF_INIT, raw = BUF_INIT, back = BUF_INIT, shown = BUF_INIT;
    struct error err = ERROR_INIT;
    char path[80];
    snprintf(path, sizeof path, "%s%s", scan_path, extensions[_i]);
    make_text(&text, 4000, 9);
    write_compressed(path, &text);
    read_whole(path, &raw);
    for (size_t n = 1; n < raw.bytes; n++) {
        write_whole(path, raw.data, n);
        ck_assert_int_eq(read_stream(path, &back, &err), ERR_FILE_DAMAGED);
        buf_reset(&shown);
        error_format(&err, &shown);
        ck_assert_ptr_nonnull(strstr(shown.data, path));
        ck_assert_ptr_nonnull(error_param_get(&err, "offset"));
        error_fini(&err);
    }
    unlink(path);
    buf_fini(&text);
    buf_fini(&raw);
    buf_fini(&back);
    buf_fini(&shown);
}
END_TEST

START_TEST(foreign_compression)
{
    struct buf back = BUF_INIT;
    struct error err = ERROR_INIT;
    ck_assert_int_eq(read_stream("/tmp/none.bz2", &back, &err), ERR_FILE_READ);
    error_fini(&err);
    struct option item = {"compression", "bzip2"};
    struct options o = {1, &item};
    struct field f = {"value", type_of(TYPE_STRING), true};
    struct schema sch = {1, &f};
    struct writer *w;
    ck_assert_int_eq(format_text.create(&o, &sch, scan_path, &scan_cx, NULL, &w, &err), ERR_OPTION);
    error_fini(&err);
    buf_fini(&back);
}
END_TEST

/* A few bytes that stand for very many stay few in memory. */
START_TEST(bombs)
{
    struct buf text = BUF_INIT;
    struct error err = ERROR_INIT;
    struct scan s;
    uint64_t count = 0;
    char path[80];
    snprintf(path, sizeof path, "%s.gz", scan_path);
    for (int i = 0; i < 40 << 20; i++)
        buf_addc(&text, i % 64 ? 'x' : '\n');
    write_compressed(path, &text);
    scan_init(&s, &format_text);
    scan_schema(&s, "value string");
    must(scan_open(&s, path, 0, UINT64_MAX, NULL, 0, &err), &err);
    must(scan_rows(&s, NULL, &count, &err), &err);
    ck_assert_uint_eq(count, (40u << 20) / 64 + 1);
    ck_assert_int_lt(s.account.peak, 8 << 20);
    scan_fini(&s);
    unlink(path);
    buf_fini(&text);
}
END_TEST

/* ---- damage ---- */

static void put_good(struct buf *good)
{
    make_text(good, 900, 4);
    buf_adds(good, "\xc3\xa4\r\n\r\xef\xbb\xbf\n");
}

static const struct damage_case damaged = {
    .format = &format_text,
    .schema = "value string",
    .put_good = put_good,
    .choices = {
        {"wholetext", {"true"}}, {"lineSep", {"e", "\r\n", "||"}}, {"encoding", {"ISO-8859-1", "US-ASCII"}},
    },
};

START_TEST(damage_is_an_error)
{
    check_damage(&damaged, 55 + (uint64_t)_i, 50, 200); /* of the compressed ones that were not repaired */
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, scan_path_setup, scan_path_teardown);
    ADD_TESTS(tc, lines, splits, what_splits);
    tcase_add_loop_test(tc, streams, 0, 4);
    tcase_add_loop_test(tc, cut_short, 1, 4);
    ADD_TESTS(tc, foreign_compression, bombs);
    tcase_add_loop_test(tc, damage_is_an_error, 0, 4);
}

int main(int argc, char **argv)
{
    int rc = tool_mutate(&damaged, argc, argv);
    return rc < 0 ? suite_run("text", add) : rc;
}
