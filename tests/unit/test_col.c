/* Types and their texts, the calendar, texts of numbers as the JDK writes them. */
#include <math.h>
#include <stdio.h>

#include "common/col/builder.h"
#include "tests/unit/suite.h"

START_TEST(types_are_interned_and_spelt)
{
    static const char *const texts[] = {
        "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal(38,38)", "decimal(1,0)", "string", "binary",
        "date", "timestamp", "timestamp_ntz", "interval year to month", "interval day to second", "interval hour",
        "array<int>", "map<string,array<decimal(10,2)>>", "struct<a:int,b:struct<c:date>>", "void"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err = ERROR_INIT;
        const struct type *t, *again;
        ck_assert_msg(type_parse(texts[i], &t, &err) == 0, "%s", texts[i]);
        ck_assert_str_eq(t->text, texts[i]);
        ck_assert_int_eq(type_parse(t->text, &again, &err), 0);
        ck_assert_ptr_eq(t, again);
        struct buf sql = BUF_INIT;
        type_sql(t, &sql);
        ck_assert_int_eq(type_parse(sql.data, &again, &err), 0);
        ck_assert_ptr_eq(t, again);
        buf_fini(&sql);
    }
    static const struct {
        const char *text, *same;
    } other[] = {{"BIGINT", "bigint"}, {"long", "bigint"}, {"dec(5)", "decimal(5,0)"}, {"Decimal", "decimal(10,0)"}, {"real", "float"},
                 {"ARRAY < INT >", "array<int>"}, {"timestamp_ltz", "timestamp"}, {"integer", "int"}, {"short", "smallint"}};
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        struct error err = ERROR_INIT;
        const struct type *t;
        ck_assert_msg(type_parse(other[i].text, &t, &err) == 0, "%s", other[i].text);
        ck_assert_str_eq(t->text, other[i].same);
    }
    static const char *const bad[] = {"", "in", "decimal(39,0)", "decimal(5,6)", "array<>", "array<int", "map<int>", "struct<a>", "int int"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        const struct type *t;
        ck_assert_msg(type_parse(bad[i], &t, &err) != 0, "%s is no type", bad[i]);
        error_fini(&err);
    }
}
END_TEST

/* Names of fields may be anything: JSON's keys are. Plans and frames carry types as text, and must read them back. */
START_TEST(types_survive_their_text)
{
    char *many = xcalloc(1, 100001);
    memset(many, 'n', 100000);
    const char *names[] = {"plain", "a-b", "@type", "a b", "x:int,y", "`", "a``b>", "", many, "\xc3\xa4"};
    const struct type *inner = type_of(TYPE_INT), *types[ARRAY_LEN(names)];
    bool nullable[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        inner = types[i] = i % 2 ? type_struct(1, &inner, &names[i], (bool[]){true}) : type_array(inner, true);
        nullable[i] = true;
    }
    const struct type *t = type_struct(ARRAY_LEN(names), types, names, nullable), *again;
    struct error err = ERROR_INIT;
    ck_assert_int_eq(type_parse(t->ddl, &again, &err), 0);
    ck_assert_ptr_eq(t, again);
    ck_assert(strstr(t->text, "struct<plain:array<int>,a-b:struct<a-b:array<int>>,@type:") == t->text); /* Spark's catalogString */

    struct builder bd;
    builder_init(&bd, 1, &t, NULL);
    column_builder_put_null(builder_column(&bd, 0));
    ck_assert_int_eq(builder_end_row(&bd, &err), 0);
    struct sealed *run = builder_seal(&bd), *back;
    builder_fini(&bd);
    struct buf frame = BUF_INIT;
    frame_encode(run, FRAME_RAW, &frame);
    size_t used;
    ck_assert_int_eq(frame_decode(frame.data, frame.bytes, NULL, &back, &used, &err), 0);
    ck_assert_ptr_eq(back->cols[0].type, t);
    sealed_unref(back);
    sealed_unref(run);
    buf_fini(&frame);
    xfree(many);

    /* The text alone does not tell these apart. */
    const struct type *two[] = {type_of(TYPE_INT), type_of(TYPE_INT)};
    const char *left[] = {"x:int,y", "z"}, *right[] = {"x", "y:int,z"};
    ck_assert_ptr_ne(type_struct(2, two, left, nullable), type_struct(2, two, right, nullable));
}
END_TEST

/* Both directions agree over all days of 100 centuries, and here and there over the whole range. */
START_TEST(the_calendar_is_its_own_inverse)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t y = 1, day = days_from_civil(1, 1, 1);
    ck_assert_int_eq(days_from_civil(1970, 1, 1), 0);
    ck_assert_int_eq(day, -719162); /* proleptic */
    for (; y <= 9999; y++) {
        bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        for (unsigned m = 1; m <= 12; m++) {
            for (unsigned d = 1; d <= lengths[m - 1] + (m == 2 && leap); d++, day++) {
                int64_t yy;
                unsigned mm, dd;
                civil_from_days((int32_t)day, &yy, &mm, &dd);
                if (yy != y || mm != m || dd != d)
                    ck_abort_msg("day %lld is %lld-%u-%u, not %lld-%u-%u", (long long)day, (long long)y, m, d, (long long)yy, mm, dd);
            }
        }
    }
    for (int64_t v = INT32_MIN; v <= INT32_MAX; v += 99991) {
        int64_t yy;
        unsigned mm, dd;
        civil_from_days((int32_t)v, &yy, &mm, &dd);
        ck_assert(mm >= 1 && mm <= 12 && dd >= 1 && dd <= 31);
        if (yy > -5000000 && yy < 5000000)
            ck_assert_int_eq(days_from_civil(yy, mm, dd), v);
    }
}
END_TEST

/* Double.toString of JDK 19 and later. */
START_TEST(doubles_in_the_shortest_form)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {0.1, "0.1"}, {1e23, "1.0E23"}, {2e-3, "0.002"}, {9.5e-4, "9.5E-4"}, {1e7, "1.0E7"},
                {9999999, "9999999.0"}, {4.9e-324, "4.9E-324"}, {1.7976931348623157e308, "1.7976931348623157E308"},
                {123456.789, "123456.789"}, {1.0 / 3, "0.3333333333333333"}, {2.2250738585072014e-308, "2.2250738585072014E-308"}};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&b);
        format_double(rows[i].v, &b);
        ck_assert_str_eq(b.data, rows[i].text);
    }
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < 200000; i++) { /* every text reads back as its number */
        uint64_t bits = rng_next(&r);
        double v;
        memcpy(&v, &bits, 8);
        if (isnan(v))
            continue;
        buf_reset(&b);
        format_double(v, &b);
        ck_assert(strtod(b.data, NULL) == v);
    }
    buf_fini(&b);
}
END_TEST

START_TEST(string_views)
{
    static const char *const words[] = {"", "a", "ab", "abc", "abcd", "abce", "abcdefghijkl", "abcdefghijklm", "abcdefghijkln", "abcdefghijklmn", "b\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (size_t j = 0; j < ARRAY_LEN(words); j++) {
            char *copy = xstrdup(words[j]);
            struct strview a = strview_make(words[i], (uint32_t)strlen(words[i])), b = strview_make(copy, (uint32_t)strlen(copy));
            int want = strcmp(words[i], words[j]), have = strview_cmp(&a, &b);
            ck_assert_int_eq((want > 0) - (want < 0), (have > 0) - (have < 0));
            ck_assert_int_eq(strview_eq(&a, &b), want == 0);
            xfree(copy);
        }
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, types_are_interned_and_spelt);
    tcase_add_test(tc, types_survive_their_text);
    tcase_add_test(tc, the_calendar_is_its_own_inverse);
    tcase_add_test(tc, doubles_in_the_shortest_form);
    tcase_add_test(tc, string_views);
}

SUITE_MAIN("col", add)
