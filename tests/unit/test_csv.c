/*
 * CSV: splits at every byte, quotes and their odd corners (the answers are Spark's), modes, records larger than a
 * window, filters against whole scans, round trips, damaged files.
 *
 * With arguments the same program is a tool for tests/formats_check.py, for all text formats:
 *   test_csv copy IN_FORMAT IN OUT_FORMAT OUT [name=value...]      test_csv scan FORMAT FILE SCHEMA|- COLUMNS|* REPEAT [name=value...]
 *   test_csv mutate COUNT SEED                                     damage, most of it with checksums made valid again
 */
#include "tests/unit/format_damage.h"

static void rows(const char *schema, const char *text, const char *const *options, const char *want)
{
    check_rows(&format_csv, schema, text, options, want);
}

START_TEST(splits)
{
    static const struct split_file files[] = {
        {"1,a\n2,b\n3,c\n", NULL},
        {"1,a\r\n2,b\r\n\r\n3,c", NULL},
        {"1,a\r2,b\r\n3,c\n\r4,d\r", NULL},
        {"\n\n1,\"x\ny\"\n  \n2,\"q\"\"\"\n", NULL},
        {"1,a;2,b;;3,c", "lineSep=;"},
        {"1,a;|2,b;|3;c|;|4,e", "lineSep=;|"},
        {"x,y\n1,a\n2,b\n", "header=true"},
        {"\xef\xbb\xbf" "1,\xc3\xa4\n2,\xe2\x82\xac\n", NULL},
        {"#c\n1,a\n#2\n2,b\n", "comment=#"},
    };
    check_splits(&format_csv, "a string, b string", files, ARRAY_LEN(files));
}
END_TEST

/* A file of many windows, cut where it may. */
START_TEST(large_splits)
{
    struct buf text = BUF_INIT, got = BUF_INIT, want = BUF_INIT;
    struct scan s;
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 200000; i++) {
        int n = (int)rng_below(&r, 40);
        buf_addf(&text, "%d,%.*s\n", i, n, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
        buf_addf(&want, n ? "%d|%.*s\n" : "%d|NULL\n", i, n, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
    }
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_csv);
    scan_schema(&s, "a int, b string");
    for (uint64_t at = 0; at < text.bytes;) {
        uint64_t n = 1 + rng_below(&r, 900000);
        scan_part(&s, scan_path, at, n, &got);
        at += n;
    }
    ck_assert_uint_eq(got.bytes, want.bytes);
    ck_assert_int_eq(memcmp(got.data, want.data, want.bytes), 0);
    scan_fini(&s);
    buf_fini(&text);
    buf_fini(&got);
    buf_fini(&want);
}
END_TEST

START_TEST(quotes)
{
    const char *abc = "a string, b string, c string";
    rows(abc, "\"a,b\",\"c\"\"d\",e\n", OPTIONS("escape=\""), "a,b|c\"d|e\n");
    rows(abc, "\"a\"\"b\",\"c\\\"d\",\"e\\\\f\"\n", NONE, "\"a\"\"b\"|c\"d|e\\f\n");
    rows(abc, "\"x\"y,\"a\" b,a\"b\n", NONE, "\"x\"y|\"a\" b|a\"b\n");
    rows(abc, "\"open,1\n", NONE, "open,1|NULL|NULL\n");
    rows(abc, "\"q\" ,2,\" z\"\n", NONE, "q|2| z\n");
    rows(abc, "\"\"\",x,y\n", NONE, "\"|x|y\n");
    rows(abc, "\"\"\\\"\\,b\n", NONE, "\"\\\"\\b|NULL|NULL\n");
    rows(abc, "\"\",,x\n", OPTIONS("nullValue=NULL"), "|NULL|x\n");
    rows(abc, "\"\",,x\n", OPTIONS("emptyValue=E"), "E|NULL|x\n");
    rows(abc, "'a,b','c''d',\"e\"\n", OPTIONS("quote='", "escape='"), "a,b|c'd|\"e\"\n");
    rows(abc, "\"a\",\"b\",\n", OPTIONS("quote="), "\"a\"|\"b\"|NULL\n");
    rows(abc, "a||b||\"c||d\"\n|||\n", OPTIONS("sep=||"), "a|b|c||d\nNULL|||NULL\n");
    rows(abc, " 1 , \"2 \" ,3\n", OPTIONS("ignoreLeadingWhiteSpace=true", "ignoreTrailingWhiteSpace=true"), "1|2 |3\n");
    rows(abc, "a\tb\tc\n", OPTIONS("sep=\\t"), "a|b|c\n");
}
END_TEST

START_TEST(lines_in_quotes)
{
    const char *ab = "a string, b int";
    rows(ab, "\"a\nb\",1\n\n\"c\",2", OPTIONS("multiLine=true"), "a\nb|1\nc|2\n");
    rows(ab, "x,y\r\n\"a\r\nb\",1\r\n\"c\",2\r\n", OPTIONS("multiLine=true", "header=true"), "a\nb|1\nc|2\n");
    rows(ab, "#x\na,1\n#y\n", OPTIONS("multiLine=true", "comment=#"), "a|1\n");
    rows(ab, "a,1;\"b;c\",2;", OPTIONS("multiLine=true", "lineSep=;"), "a|1\nb;c|2\n");
}
END_TEST

START_TEST(modes)
{
    const char *text = "1,2,3\n4,5\n6,7,8,9\nx,1,2\n", *abc = "a int, b int, c int";
    rows(abc, text, NONE, "1|2|3\n4|5|NULL\n6|7|8\nNULL|1|2\n");
    rows("a int, b int, c int, _corrupt_record string", text, NONE,
         "1|2|3|NULL\n4|5|NULL|4,5\n6|7|8|6,7,8,9\nNULL|1|2|x,1,2\n");
    rows("a int, bad string, b int, c int", text, OPTIONS("columnNameOfCorruptRecord=bad"),
         "1|NULL|2|3\n4|4,5|5|NULL\n6|6,7,8,9|7|8\nNULL|x,1,2|1|2\n");
    rows(abc, text, OPTIONS("mode=DROPMALFORMED"), "1|2|3\n");
    rows(abc, text, OPTIONS("mode=failfast"), "[MALFORMED_RECORD]\n");
    rows("a int, _corrupt_record int", text, NONE, "[CORRUPT_TYPE]\n");
    rows("a array<int>", text, NONE, "[UNSUPPORTED_TYPE_IN]\n");
    rows(abc, text, OPTIONS("maxColumns=2"), "[MALFORMED_CSV]\n");
    rows(abc, text, OPTIONS("maxColumns=two"), "[OPTION]\n");
    rows(abc, text, OPTIONS("header=maybe"), "[OPTION]\n");
    rows(abc, text, OPTIONS("encoding=klingon"), "[OPTION]\n");
    rows("x int, b int, c int", "a,b,c\n1,2,3\n", OPTIONS("header=true", "enforceSchema=false"), "[FILE_READ]\n");
    rows("A int, b int, c int", "a,b,c\n1,2,3\n", OPTIONS("header=true", "enforceSchema=false"), "1|2|3\n");
}
END_TEST

/* The column of corrupt records alone, as a query for them reads it. */
static void only_corrupt(const struct format_row *format, const char *text, const char *want)
{
    struct scan s;
    struct error err = ERROR_INIT;
    struct buf got = BUF_INIT;
    uint32_t column = 1;
    write_whole(scan_path, text, strlen(text));
    scan_init(&s, format);
    scan_schema(&s, "a int, _corrupt_record string, b int");
    must(scan_open(&s, scan_path, 0, UINT64_MAX, &column, 1, &err), &err);
    must(scan_rows(&s, &got, NULL, &err), &err);
    ck_assert_str_eq(got.data, want);
    scan_fini(&s);
    buf_fini(&got);
}

START_TEST(corrupt_records_alone)
{
    only_corrupt(&format_csv, "1,2\nx,2\n1\n1,y\n", "NULL\nx,2\n1\n1,y\n");
    only_corrupt(&format_json, "{\"a\":1}\n{\"a\":\"x\"}\nno\n{\"b\":[]}\n", "NULL\n{\"a\":\"x\"}\nno\n{\"b\":[]}\n");
}
END_TEST

START_TEST(options_are_named)
{
    struct scan s;
    struct error err = ERROR_INIT;
    struct buf text = BUF_INIT;
    write_whole(scan_path, "a\n", 2);
    scan_init(&s, &format_csv);
    scan_option(&s, "samplingRatio", "lots");
    scan_option(&s, "noSuchOption", "is ignored");
    ck_assert_int_eq(scan_infer(&s, scan_path, &err), ERR_OPTION);
    error_format(&err, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "samplingRatio"));
    ck_assert_ptr_nonnull(strstr(text.data, "lots"));
    error_fini(&err);
    buf_fini(&text);
    scan_fini(&s);
}
END_TEST

/* Columns one by one, in any order, and filters give what the whole scan gives. */
START_TEST(columns_and_filters)
{
    struct buf text = BUF_INIT, got = BUF_INIT, want = BUF_INIT;
    struct error err = ERROR_INIT;
    struct scan s;
    uint32_t columns[] = {2, 0};
    for (int i = 0; i < 5000; i++) {
        buf_addf(&text, i % 7 ? "%d,\"q%d\",%d.5\n" : "%d,,%d%d\n", i, i % 100, i % 11);
        if (i % 100 == 42 && i % 7)
            buf_addf(&want, "%d.5|%d\n", i % 11, i);
    }
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_csv);
    scan_schema(&s, "a int, b string, c double");
    uint32_t three[] = {2, 0, 1};
    struct value v = {.type = type_of(TYPE_STRING), .s = {"q42", 3}};
    struct expr *args[2] = {expr_column(&s.ar, 2, v.type, true, "b"), expr_literal(&s.ar, v)}, *conjunct;
    must(expr_call(&s.ar, &scan_cx, "=", args, 2, (struct span){0}, &conjunct, &err), &err);
    s.spec.conjuncts = &conjunct;
    s.spec.conjunct_count = 1;
    must(scan_open(&s, scan_path, 0, UINT64_MAX, three, 3, &err), &err);
    must(scan_rows(&s, &got, NULL, &err), &err);
    for (char *p = got.data; (p = strstr(p, "|q42\n"));) /* the filter's column is the last */
        memmove(p, p + 4, strlen(p + 4) + 1);
    ck_assert_str_eq(got.data, want.data);
    scan_end(&s);
    s.spec.conjunct_count = 0;
    uint64_t count = 0;
    must(scan_open(&s, scan_path, 0, UINT64_MAX, columns, 2, &err), &err);
    must(scan_rows(&s, NULL, &count, &err), &err);
    ck_assert_uint_eq(count, 5000);
    scan_fini(&s);
    buf_fini(&text);
    buf_fini(&got);
    buf_fini(&want);
}
END_TEST

/* The way for lines without surprises and the one for all others cut alike. */
START_TEST(both_ways_agree)
{
    static const char alphabet[] = "ab\"\\, '#\t1\xc3";
    struct rng r;
    struct buf text = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
    struct scan s;
    rng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        for (unsigned k = 1 + (unsigned)rng_below(&r, 90); k > 0; k--)
            buf_addc(&text, rng_below(&r, 3) ? 'x' : alphabet[rng_below(&r, sizeof alphabet - 1)]);
        buf_addc(&text, '\n');
    }
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_csv);
    scan_schema(&s, "a string, b string, c string, d string, _corrupt_record string");
    scan_part(&s, scan_path, 0, UINT64_MAX, &a);
    scan_option(&s, "maxCharsPerColumn", "100000"); /* what must be measured is not taken the plain way */
    scan_part(&s, scan_path, 0, UINT64_MAX, &b);
    ck_assert_uint_gt(a.bytes, text.bytes);
    ck_assert_str_eq(a.data, b.data);
    scan_fini(&s);
    buf_fini(&text);
    buf_fini(&a);
    buf_fini(&b);
}
END_TEST

START_TEST(batch_sizes_agree)
{
    struct buf text = BUF_INIT, got = BUF_INIT, want = BUF_INIT;
    struct scan s;
    uint32_t sizes[] = {1, 7, 1000};
    for (int i = 0; i < 3000; i++) {
        buf_addf(&text, "%d,\"%d\",x\n", i, i * 3);
        buf_addf(&want, "%d|%d|x\n", i, i * 3);
    }
    batch_rows_set(sizes[_i]);
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_csv);
    scan_schema(&s, "a int, b bigint, c string");
    scan_part(&s, scan_path, 0, UINT64_MAX, &got);
    ck_assert_str_eq(got.data, want.data);
    scan_fini(&s);
    buf_fini(&text);
    buf_fini(&got);
    buf_fini(&want);
}
END_TEST

START_TEST(long_records)
{
    struct buf text = BUF_INIT;
    struct error err = ERROR_INIT;
    struct scan s;
    uint64_t count = 0;
    for (int i = 0; i < 5; i++) {
        buf_addf(&text, "%d,", i);
        for (int k = 0; k < 3 << 20; k++)
            buf_addc(&text, (char)('a' + k % 26));
        buf_addc(&text, '\n');
    }
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_csv);
    scan_schema(&s, "a int, b string");
    must(scan_open(&s, scan_path, 0, UINT64_MAX, NULL, 0, &err), &err);
    must(scan_rows(&s, NULL, &count, &err), &err);
    ck_assert_uint_eq(count, 5);
    ck_assert_int_lt(s.account.peak, 20 << 20);
    scan_end(&s);
    s.account.limit = 2 << 20; /* too little for one record */
    int rc = scan_open(&s, scan_path, 0, UINT64_MAX, NULL, 0, &err);
    if (rc == 0)
        rc = scan_rows(&s, NULL, &count, &err);
    ck_assert_int_eq(rc, ERR_TASK_MEMORY);
    error_fini(&err);
    scan_fini(&s);
    buf_fini(&text);
}
END_TEST

START_TEST(inference)
{
    struct scan s;
    struct error err = ERROR_INIT;
    const char *text = "id,when,what,id,\n1,2020-01-01,x,1.5,\n2,2020-01-02,,99999999999,true\n";
    static const struct {
        const char *name;
        enum type_id type;
    } want[] = {{"id0", TYPE_INT}, {"when", TYPE_DATE}, {"what", TYPE_STRING}, {"id3", TYPE_DOUBLE}, {"_c4", TYPE_BOOLEAN}};
    write_whole(scan_path, text, strlen(text));
    scan_init(&s, &format_csv);
    scan_option(&s, "header", "true");
    scan_option(&s, "INFERschema", "TRUE");
    must(scan_infer(&s, scan_path, &err), &err);
    ck_assert_uint_eq(s.sch.count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        ck_assert_str_eq(s.sch.fields[i].name, want[i].name);
        ck_assert_int_eq(s.sch.fields[i].type->id, want[i].type);
    }
    scan_fini(&s);
}
END_TEST

/* ---- damage ---- */

static void put_good(struct buf *good)
{
    buf_adds(good, "id,text,day,price,amount,at,flag,_corrupt\n");
    for (int i = 0; i < 30; i++)
        buf_addf(good, "%d,\"text, \"\"%d\"\" \\\" z\",2020-0%d-1%d,%d.25,%d.5e1,2020-01-02 03:04:%02d,%s\n", i, i, 1 + i % 9, i % 10, i, i,
                 i, i % 2 ? "true" : "");
}

static const struct damage_case damaged = {
    .format = &format_csv,
    .schema = "id int, text string, day date, price decimal(10,2), amount double, at timestamp, flag boolean, _corrupt_record string",
    .put_good = put_good,
    .choices = {
        {"multiLine", {"true"}},       {"mode", {"DROPMALFORMED", "FAILFAST"}}, {"header", {"true"}},
        {"inferSchema", {"true"}},     {"sep", {";", "||", "\t", "x"}},        {"quote", {"'", "", "a"}},
        {"escape", {"\"", "", "'"}},   {"comment", {"#"}},                      {"lineSep", {";", "\r\n"}},
        {"ignoreLeadingWhiteSpace", {"true"}}, {"ignoreTrailingWhiteSpace", {"true"}}, {"encoding", {"ISO-8859-1", "US-ASCII"}},
        {"dateFormat", {"dd/MM/yyyy", "yyyy"}}, {"nullValue", {"x", "1"}},     {"maxCharsPerColumn", {"5", "1000"}},
    },
};

START_TEST(damage_is_an_error)
{
    check_damage(&damaged, 21 + (uint64_t)_i, 20, 100);
}
END_TEST

static int tool(int argc, char **argv)
{
    if (strcmp(argv[1], "copy") == 0)
        return tool_copy(argc, argv);
    if (strcmp(argv[1], "scan") == 0)
        return tool_scan(argc, argv);
    int rc = tool_mutate(&damaged, argc, argv);
    return rc < 0 ? 2 : rc;
}

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, scan_path_setup, scan_path_teardown);
    ADD_TESTS(tc, splits, large_splits, quotes, lines_in_quotes, modes, corrupt_records_alone, options_are_named,
              columns_and_filters, both_ways_agree);
    tcase_add_loop_test(tc, batch_sizes_agree, 0, 3);
    ADD_TESTS(tc, long_records, inference);
    tcase_add_loop_test(tc, damage_is_an_error, 0, 4);
}

int main(int argc, char **argv)
{
    return argc > 1 ? tool(argc, argv) : suite_run("csv", add);
}
