/*
 * JSON lines: the parser's rules, splits at every byte, modes and partial records (the answers are Spark's), nested
 * types through writer and reader, schema inference, damaged files.
 *
 *   test_json mutate COUNT SEED      damage, most of it with checksums made valid again
 */
#include "common/format/json/parse.h"
#include "tests/unit/format_damage.h"

static void rows(const char *schema, const char *text, const char *const *options, const char *want)
{
    check_rows(&format_json, schema, text, options, want);
}

/* ---- the parser ---- */

/* The document written again from its nodes, names and strings in quotes; NULL when it is none. */
static void write_node(const struct json_parser *j, uint32_t at, struct buf *out)
{
    const struct json_node *n = &j->nodes[at];
    bool object = n->kind == JSON_OBJECT;
    if (!object && n->kind != JSON_ARRAY) {
        const char *quote = n->kind == JSON_STRING ? "\"" : "";
        buf_addf(out, "%s%.*s%s", quote, (int)n->bytes, n->p, quote);
        return;
    }
    buf_addc(out, object ? '{' : '[');
    for (uint32_t i = at + 1; i < n->next; i = j->nodes[i].next) {
        if (i > at + 1)
            buf_addc(out, ',');
        write_node(j, i, out);
        if (object) {
            buf_addc(out, ':');
            write_node(j, ++i, out);
        }
    }
    buf_addc(out, object ? '}' : ']');
}

static void parses(const char *text, const char *want)
{
    struct json_options o = {.single_quotes = true, .non_numeric = true};
    struct json_parser j;
    struct error err = ERROR_INIT;
    struct buf out = BUF_INIT, padded = BUF_INIT;
    enum json_result result;
    size_t used;
    buf_adds(&padded, text);
    buf_reserve(&padded, JSON_PAD);
    memset(padded.data + padded.bytes, 0, JSON_PAD);
    json_parser_init(&j, &o, NULL);
    must(json_parse(&j, padded.data, padded.bytes, &result, &used, &err), &err);
    if (result == JSON_DOCUMENT)
        write_node(&j, 0, &out);
    else
        buf_adds(&out, result == JSON_NOTHING ? "nothing" : "malformed");
    if (strcmp(out.data, want) != 0)
        ck_abort_msg("%s: %s, not %s", text, out.data, want);
    json_parser_fini(&j);
    buf_fini(&out);
    buf_fini(&padded);
}

START_TEST(documents)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {" {\"a\" : [1, -2.5e+3, true,null , \"x\"] } tail", "{\"a\":[1,-2.5e+3,true,null,\"x\"]}"},
        {"{}", "{}"}, {"[]", "[]"}, {"[[],{}]", "[[],{}]"}, {"", "nothing"}, {" \t\r\n", "nothing"},
        {"'it''s'", "\"it\""}, {"{'a':'b\\'c'}", "{\"a\":\"b'c\"}"}, {"\"\\u00e4\\n\\/\"", "\"\xc3\xa4\n/\""},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""}, {"\"\\ud83dx\"", "\"?x\""}, {"\"\\ude00\"", "\"?\""},
        {"[NaN,-Infinity,+INF]", "[NaN,-Infinity,+INF]"}, {"0", "0"}, {"-0", "-0"}, {"1e5", "1e5"},
        {"tru", "malformed"}, {"nulls", "malformed"}, {"01", "malformed"}, {"1.", "malformed"}, {".5", "malformed"},
        {"+1", "malformed"}, {"1e", "malformed"}, {"--1", "malformed"}, {"1x", "malformed"}, {"{", "malformed"}, {"{\"a\"", "malformed"},
        {"{\"a\":", "malformed"}, {"{\"a\":1", "malformed"}, {"{\"a\":1,", "malformed"}, {"{\"a\":1,}", "malformed"},
        {"{a:1}", "malformed"}, {"[1,]", "malformed"}, {"[1 2]", "malformed"}, {"[,1]", "malformed"}, {"]", "malformed"},
        {"\"a", "malformed"}, {"\"\\", "malformed"}, {"\"\\q\"", "malformed"}, {"\"\\u12\"", "malformed"}, {"\"a\nb\"", "malformed"},
        {"\"\xff\"", "malformed"}, {"/**/1", "malformed"}, {"\"\xc3\xa4\"", "\"\xc3\xa4\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        parses(rows[i].text, rows[i].want);
}
END_TEST

START_TEST(nesting)
{
    struct buf b = BUF_INIT, want = BUF_INIT;
    for (int n = 999; n <= 1001; n++) {
        buf_reset(&b);
        for (int i = 0; i < n; i++)
            buf_addc(&b, '[');
        for (int i = 0; i < n; i++)
            buf_addc(&b, ']');
        parses(b.data, n <= JSON_DEPTH_MAX ? b.data : "malformed");
    }
    buf_fini(&b);
    buf_fini(&want);
}
END_TEST

/* ---- rows ---- */

START_TEST(splits)
{
    static const struct split_file files[] = {
        {"{\"a\":1}\n{\"a\":2,\"b\":\"x\"}\r\n\r\n{\"b\":\"\xc3\xa4\"}", NULL},
        {"[{\"a\":1},{\"a\":2}]\rnonsense\n{\"a\":3}\n", NULL},
        {"{\"a\":1}||{\"a\":2}|{\"a\":3}", "lineSep=|"},
        {"{\"a\":1}\r\n{\"a\":2}\r\n", "lineSep=\r\n"},
        {"\xef\xbb\xbf{\"a\":1}\n{\"a\":2}\n", NULL},
    };
    check_splits(&format_json, "a int, b string, _corrupt_record string", files, ARRAY_LEN(files));
}
END_TEST

START_TEST(partial_records)
{
    const char *schema = "a int, b string, c struct<x:int,y:string>, d array<int>, m map<string,int>, _corrupt_record string";
    rows(schema, "{\"a\":\"x\",\"b\":1}\n", NONE, "NULL|1|NULL|NULL|NULL|{\"a\":\"x\",\"b\":1}\n");
    rows(schema, "{\"b\":[1, {\"a\" : 2}],\"c\":{\"x\":\"bad\",\"y\":\"ok\"}}\n", NONE,
         "NULL|[1, {\"a\" : 2}]|{null, ok}|NULL|NULL|{\"b\":[1, {\"a\" : 2}],\"c\":{\"x\":\"bad\",\"y\":\"ok\"}}\n");
    rows(schema, "{\"d\":[1,\"x\"],\"m\":{\"k\":1,\"j\":null}}\n", NONE,
         "NULL|NULL|NULL|NULL|{k -> 1, j -> null}|{\"d\":[1,\"x\"],\"m\":{\"k\":1,\"j\":null}}\n");
    rows("a int", "{\"a\":1} xx\ntru\n[{\"a\":2},{\"a\":3}]\n[]\n\nnull\n{\"a\":1,\"a\":4}\n", NONE, "1\nNULL\n2\n3\nNULL\n4\n");
    rows("a int", "{\"a\":1}\ntru\n{\"a\":\"x\"}\n[{\"a\":2},3]\n", OPTIONS("mode=DROPMALFORMED"), "1\n");
    rows("a int", "{\"a\":1}\ntru\n", OPTIONS("mode=FAILFAST"), "[MALFORMED_RECORD]\n");
    rows("a int, _corrupt_record string", "[{\"a\":1}, {\"a\":\"x\"}]\n", NONE,
         "1|[{\"a\":1}, {\"a\":\"x\"}]\nNULL|[{\"a\":1}, {\"a\":\"x\"}]\n");
    rows("a int", "[{\"a\":1},\n{\"a\":2}]", OPTIONS("multiLine=true"), "1\n2\n");
    rows("a map<int,int>", "{}\n", NONE, "[UNSUPPORTED_TYPE_IN]\n");
    rows("a int, _corrupt_record int", "{}\n", NONE, "[CORRUPT_TYPE]\n");
}
END_TEST

/* An array of more rows than a batch has. */
START_TEST(long_arrays)
{
    struct buf text = BUF_INIT, want = BUF_INIT;
    buf_addc(&text, '[');
    for (int i = 0; i < 5000; i++) {
        buf_addf(&text, "%s{\"a\":%d}", i ? "," : "", i);
        buf_addf(&want, "%d\n", i);
    }
    buf_adds(&text, "]\n{\"a\":7}\n");
    buf_adds(&want, "7\n");
    rows("a int", text.data, NONE, want.data);
    rows("a int", text.data, OPTIONS("mode=DROPMALFORMED"), want.data);
    buf_fini(&text);
    buf_fini(&want);
}
END_TEST

static void infers(const char *text, const char *const *options, const char *want)
{
    struct scan s;
    struct error err = ERROR_INIT;
    write_whole(scan_path, text, strlen(text));
    scan_init(&s, &format_json);
    scan_options(&s, options);
    int rc = scan_infer(&s, scan_path, &err);
    ck_assert_str_eq(rc ? errcode_id(err.code) : schema_as_struct(&s.sch)->text, want);
    error_fini(&err);
    scan_fini(&s);
}

START_TEST(inference)
{
    infers("{\"b\":1,\"a\":\"x\"}\n{\"b\":1.5,\"a\":2}\n", NONE, "struct<a:string,b:double>");
    infers("{\"f\":[1,2.5],\"g\":{\"x\":1},\"h\":[],\"i\":{},\"e\":null}\n{\"g\":{\"y\":\"s\"}}\n", NONE,
           "struct<e:string,f:array<double>,g:struct<x:bigint,y:string>,h:array<string>>");
    infers("{\"k\":12345678901234567890}\n{\"k\":1}\n", NONE, "struct<k:decimal(20,0)>");
    infers("{\"k\":[1]}\n{\"k\":{\"a\":1}}\n", NONE, "struct<k:string>");
    infers("{\"a\":1}\nnonsense\n", NONE, "struct<_corrupt_record:string,a:bigint>");
    infers("{\"a\":1}\nnonsense\n", OPTIONS("mode=DROPMALFORMED"), "struct<a:bigint>");
    infers("{\"a\":1}\nnonsense\n", OPTIONS("mode=FAILFAST"), "MALFORMED_RECORD");
    infers("{\"a\":1,\"b\":true}\n", OPTIONS("primitivesAsString=true"), "struct<a:string,b:string>");
    infers("{\"a\":null,\"b\":[],\"c\":1}\n", OPTIONS("dropFieldIfAllNull=true"), "struct<c:bigint>");
    infers("{\"a\":1.50,\"b\":\"1.5\"}\n", OPTIONS("prefersDecimal=true"), "struct<a:decimal(3,2),b:decimal(2,1)>");
    infers("{\"a\":1,\"A\":2}\n", NONE, "COLUMN_EXISTS");
}
END_TEST

/* ---- round trips ---- */

static void put_random(struct rng *r, struct buf *out, unsigned depth)
{
    unsigned k = (unsigned)rng_below(r, depth ? 7 : 5);
    if (k == 0) {
        buf_adds(out, "null");
    } else if (k == 1) {
        buf_addf(out, "%lld", (long long)(int64_t)rng_next(r) >> rng_below(r, 60));
    } else if (k == 2 || k == 3) {
        char text[24];
        size_t n = rng_below(r, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)rng_below(r, 128);
        buf_add_json(out, text, n);
    } else if (k == 4) {
        buf_addf(out, "%u.5e%d", (unsigned)rng_below(r, 1000), (int)rng_below(r, 40) - 20);
    } else {
        unsigned n = (unsigned)rng_below(r, 4);
        buf_addc(out, k == 5 ? '[' : '{');
        for (unsigned i = 0; i < n; i++) {
            buf_adds(out, i ? "," : "");
            if (k == 6)
                buf_addf(out, "\"%c\":", 'a' + (int)i);
            put_random(r, out, depth - 1);
        }
        buf_addc(out, k == 5 ? ']' : '}');
    }
}

/* What was read and written is read the same. */
START_TEST(round_trip)
{
    struct rng r;
    struct buf text = BUF_INIT, first = BUF_INIT, second = BUF_INIT;
    struct error err = ERROR_INIT;
    struct scan s;
    uint64_t rows_written, bytes;
    char again[80];
    snprintf(again, sizeof again, "%s.zst", scan_path);
    rng_init(&r, 100 + (uint64_t)_i);
    for (int i = 0; i < 300; i++) {
        buf_adds(&text, "{\"id\":1");
        for (char c = 'p'; c < 't'; c++) {
            buf_addf(&text, ",\"%c\":", c);
            put_random(&r, &text, 3);
        }
        buf_adds(&text, "}\n");
    }
    write_whole(scan_path, text.data, text.bytes);
    scan_init(&s, &format_json);
    scan_option(&s, "compression", "zstd");
    must(scan_infer(&s, scan_path, &err), &err);
    must(scan_open(&s, scan_path, 0, UINT64_MAX, NULL, 0, &err), &err);
    scan_copy(&s, &format_json, &s.options, again, &rows_written, &bytes);
    ck_assert_uint_eq(rows_written, 300);
    scan_end(&s);
    scan_part(&s, scan_path, 0, UINT64_MAX, &first);
    scan_part(&s, again, 0, UINT64_MAX, &second);
    ck_assert_str_eq(first.data, second.data);
    scan_fini(&s);
    unlink(again);
    buf_fini(&text);
    buf_fini(&first);
    buf_fini(&second);
}
END_TEST

/* ---- damage ---- */

static void put_good(struct buf *good)
{
    for (int i = 0; i < 20; i++)
        buf_addf(
            good,
            "{\"id\":%d,\"t\":\"text \\u00e4 "
            "\\\"%d\\\"\",\"s\":{\"x\":[1,%d,null],\"y\":{\"k\":%d.5}},\"d\":\"2020-01-1%d\",\"b\":\"YWJj\",\"n\":12345678901234567890}\n",
            i, i, i, i, i % 10);
    buf_adds(good, "[{\"id\":1},{\"s\":{\"x\":[]}}]\n");
}

static const struct damage_case damaged = {
    .format = &format_json,
    .schema = "id int, t string, s struct<x:array<int>,y:map<string,double>>, d date, b binary, n decimal(20,0), _corrupt_record string",
    .put_good = put_good,
    .choices = {
        {"multiLine", {"true"}}, {"mode", {"DROPMALFORMED", "FAILFAST"}}, {"allowComments", {"true"}},
        {"allowUnquotedFieldNames", {"true"}}, {"allowSingleQuotes", {"false"}}, {"allowNumericLeadingZeros", {"true"}},
        {"allowNonNumericNumbers", {"false"}}, {"allowBackslashEscapingAnyCharacter", {"true"}}, {"allowUnquotedControlChars", {"true"}},
        {"primitivesAsString", {"true"}}, {"prefersDecimal", {"true"}}, {"inferTimestamp", {"true"}}, {"lineSep", {"}", ","}},
        {"encoding", {"ISO-8859-1"}}, {"dateFormat", {"dd/MM/yyyy"}},
    },
};

START_TEST(damage_is_an_error)
{
    check_damage(&damaged, 33 + (uint64_t)_i, 20, 100);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, scan_path_setup, scan_path_teardown);
    ADD_TESTS(tc, documents, nesting, splits, partial_records, long_arrays, inference);
    tcase_add_loop_test(tc, round_trip, 0, 6);
    tcase_add_loop_test(tc, damage_is_an_error, 0, 4);
}

int main(int argc, char **argv)
{
    int rc = tool_mutate(&damaged, argc, argv);
    return rc < 0 ? suite_run("json", add) : rc;
}
