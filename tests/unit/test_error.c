/* Errors as rows and as objects that travel whole; settings as rows. */
#include <jansson.h>
#include <stdio.h>

#include "common/config/settings.h"
#include "common/format/cell.h"
#include "tests/unit/suite.h"

static const char *const texts[] = {
    "",
#define ERR(id, class, sqlstate, policy, text) text,
#include "common/error/errcodes.def"
#undef ERR
};

/* Every parameter that a text names has a place, every class and state has the form that clients match on. */
START_TEST(rows_are_well_formed)
{
    for (enum errcode c = 1; c < ERR_COUNT; c++) {
        const char *class = errcode_class(c), *state = errcode_sqlstate(c);
        ck_assert_msg(class[strspn(class, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")] == 0 && class[0], "%s", errcode_id(c));
        ck_assert_msg(strlen(state) == 5 && strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 5, "%s: %s", class, state);
        ck_assert_msg(texts[c][0] != 0, "%s has a sentence", class);
        for (const char *p = texts[c]; (p = strchr(p, '<')) != NULL; p++)
            ck_assert_msg(strchr(p, '>') && strcspn(p, " ") > strcspn(p, ">"), "%s: every < begins a parameter", class);
    }
}
END_TEST

static void make(struct error *err)
{
    error_set(err, ERR_FETCH_FAILED, "output", "3 of stage 1", "executor", "7", "message", "it is \"gone\"\n\xc3\xa4", NULL);
    error_note(err, "while reading %s", "part-0.parquet");
    error_note(err, "in stage %d", 4);
    error_at(err, (struct span){7, 12});
    error_at(err, (struct span){0, 1}); /* the innermost stays */
    error_set_origin(err, "attempt 5 on executor 7");
}

START_TEST(travels_whole)
{
    struct error err = ERROR_INIT, copy = ERROR_INIT, back = ERROR_INIT;
    struct buf bytes = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
    make(&err);
    error_encode(&err, &bytes);
    ck_assert(error_decode(bytes.data, bytes.bytes, &back));
    error_copy(&copy, &err);
    error_to_json(&err, "select 1 / 0", &a);
    error_to_json(&back, "select 1 / 0", &b);
    ck_assert_str_eq(a.data, b.data);
    ck_assert_str_eq(error_param_get(&copy, "executor"), "7");
    ck_assert_ptr_null(error_param_get(&copy, "nothing"));
    json_t *j = json_loads(a.data, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_str_eq(json_string_value(json_object_get(j, "errorClass")), errcode_class(ERR_FETCH_FAILED));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(j, "messageParameters"), "message")), "it is \"gone\"\n\xc3\xa4");
    const json_t *place = json_array_get(json_object_get(j, "queryContext"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(place, "fragment")), "1 / 0");
    json_decref(j);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&bytes);
    error_fini(&err);
    error_fini(&back);
    error_fini(&copy);
}
END_TEST

/* Any cut and any changed byte is refused or read as some error, never more. */
START_TEST(damaged_bytes)
{
    struct error err = ERROR_INIT;
    struct buf bytes = BUF_INIT;
    make(&err);
    error_encode(&err, &bytes);
    for (size_t n = 0; n < bytes.bytes; n++) {
        struct error back = ERROR_INIT;
        char *cut = xmalloc(n ? n : 1); /* of its own, so that a sanitizer sees the end */
        memcpy(cut, bytes.data, n);
        if (error_decode(cut, n, &back))
            ck_abort_msg("%zu of %zu bytes were taken for an error", n, bytes.bytes);
        xfree(cut);
    }
    for (size_t i = 0; i < bytes.bytes * 8; i++) {
        struct error back = ERROR_INIT;
        struct buf text = BUF_INIT;
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
        if (error_decode(bytes.data, bytes.bytes, &back)) {
            error_format_caret(&back, "select 1 / 0", &text);
            error_fini(&back);
        }
        buf_fini(&text);
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
    }
    buf_fini(&bytes);
    error_fini(&err);
}
END_TEST

START_TEST(the_caret_stands_below_its_place)
{
    struct error err = ERROR_INIT;
    struct buf b = BUF_INIT;
    error_set(&err, ERR_DIVIDE_BY_ZERO, NULL);
    error_at(&err, (struct span){20, 25});
    error_format_caret(&err, "SELECT a,\n  \xc3\xa4 + b, 1 / 0 AS x", &b);
    const char *line = strstr(b.data, "  \xc3\xa4 + b, 1 / 0 AS x\n"), *caret = strchr(b.data, '^');
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(caret);
    /* Both lines begin with the same indent; the umlaut is two bytes and one column. */
    const char *begin = line;
    while (begin > b.data && begin[-1] != '\n')
        begin--;
    ck_assert_int_eq(caret - (strchr(line, '\n') + 1), strstr(line, "1 / 0") - begin - 1);
    ck_assert_uint_eq(strspn(caret, "^"), 5);
    buf_fini(&b);
    error_fini(&err);
}
END_TEST

/* A message that carries an error has a limit, and nobody reads a text of megabytes. */
START_TEST(long_texts_are_cut)
{
    struct error err = ERROR_INIT;
    struct buf sql = BUF_INIT, text = BUF_INIT, bytes = BUF_INIT;
    for (int i = 0; i < 1000000; i++)
        buf_adds(&sql, "\xc3\xa4");
    error_set(&err, ERR_USER_RAISED, "errorMessage", sql.data, NULL);
    const char *value = error_param_get(&err, "errorMessage");
    ck_assert(strlen(value) < ERROR_TEXT_MAX + 100);
    ck_assert(utf8_valid(value, strlen(value)) == strlen(value));
    ck_assert_ptr_nonnull(strstr(value, "bytes more)"));
    for (int i = 0; i < 3; i++)
        error_note(&err, "%s", sql.data);
    error_encode(&err, &bytes);
    ck_assert(bytes.bytes < 4 * ERROR_TEXT_MAX);
    error_fini(&err);
    error_set(&err, ERR_DIVIDE_BY_ZERO, NULL);
    error_at(&err, (struct span){1000000, 1000002});
    error_format_caret(&err, sql.data, &text);
    ck_assert(text.bytes < 2000 && utf8_valid(text.data, text.bytes) == text.bytes);
    ck_assert_ptr_nonnull(strstr(text.data, "column 500001:"));
    ck_assert_ptr_nonnull(strchr(text.data, '^'));
    buf_fini(&sql);
    buf_fini(&text);
    buf_fini(&bytes);
    error_fini(&err);
}
END_TEST

START_TEST(of_a_long_line_the_part_around_the_place_is_shown)
{
    struct error err = ERROR_INIT;
    struct buf b = BUF_INIT, sql = BUF_INIT;
    buf_adds(&sql, "select ");
    for (int i = 0; i < 10000; i++)
        buf_addf(&sql, "%d, ", i);
    uint32_t at = (uint32_t)sql.bytes;
    buf_adds(&sql, "1 / 0");
    for (int i = 0; i < 10000; i++)
        buf_addf(&sql, ", %d", i);
    error_set(&err, ERR_DIVIDE_BY_ZERO, NULL);
    error_at(&err, (struct span){at, at + 5});
    error_format_caret(&err, sql.data, &b);
    ck_assert_uint_lt(b.bytes, 1000);
    const char *shown = strstr(b.data, "1 / 0"), *caret = strstr(b.data, "^^^^^");
    ck_assert_ptr_nonnull(shown);
    ck_assert_ptr_nonnull(caret);
    const char *line = shown, *below = caret;
    while (line[-1] != '\n')
        line--;
    while (below[-1] != '\n')
        below--;
    ck_assert_int_eq(shown - line, caret - below);
    buf_fini(&b);
    buf_fini(&sql);
    error_fini(&err);
}
END_TEST

START_TEST(settings_by_their_rows)
{
    struct settings s;
    struct error err = ERROR_INIT;
    char *warning = NULL;
    settings_init(&s);
    for (uint32_t i = 0; i + 1 < setting_count; i++)
        ck_assert_msg(strcmp(setting_rows[i].key, setting_rows[i + 1].key) < 0, "%s is in its place", setting_rows[i + 1].key);
    for (uint32_t i = 0; i < setting_count; i++) { /* defaults are values that could be set */
        const struct setting_row *r = &setting_rows[i];
        if (r->fallback[0] && settings_set(&s, r->key, r->fallback, &warning, &err) != 0)
            ck_abort_msg("the default of %s is refused", r->key);
        ck_assert_msg(r->doc[0], "%s is explained", r->key);
        settings_unset(&s, r->key);
    }
    ck_assert(settings_bool(&s, "spark.sql.ansi.enabled"));
    ck_assert_int_eq(settings_set(&s, "spark.sql.ansi.enabled", "FALSE", &warning, &err), 0);
    ck_assert(!settings_bool(&s, "spark.sql.ansi.enabled"));
    ck_assert_ptr_null(warning);
    ck_assert_int_eq(settings_set(&s, "spark.sql.ansi.enabeld", "false", &warning, &err), 0); /* kept, with a hint */
    ck_assert_ptr_nonnull(strstr(warning, "spark.sql.ansi.enabled"));
    ck_assert_str_eq(settings_text(&s, "spark.sql.ansi.enabeld"), "false");
    xfree(warning);
    ck_assert_int_ne(settings_set(&s, "drover.batch.row", "5", &warning, &err), 0);
    struct buf b = BUF_INIT;
    error_format(&err, &b);
    ck_assert_ptr_nonnull(strstr(b.data, "drover.batch.rows"));
    buf_fini(&b);
    error_fini(&err);
    ck_assert_int_eq(settings_set(&s, "drover.batch.rows", "many", &warning, &err), ERR_INVALID_SETTING);
    error_fini(&err);
    static const char *const refused[][2] = {{"drover.batch.rows", "0"}, {"drover.batch.rows", "2049"}, {"drover.executors.timeout", "0s"},
                                             {"spark.sql.shuffle.partitions", "0"}, {"spark.sql.shuffle.partitions", "99999999999"},
                                             {"spark.sql.timestampType", "TIMESTAMP_NTZ"}, {"drover.shuffle.ride.max", "-1"},
                                             {"spark.sql.files.maxPartitionBytes", "-1"}, {"spark.sql.files.maxRecordsPerFile", "99999999999999999999"},
                                             {"spark.task.maxFailures", "101"}, {"spark.sql.sources.partitionOverwriteMode", "stat"},
                                             {"spark.sql.parquet.compression.codec", ""}};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        ck_assert_int_ne(settings_set(&s, refused[i][0], refused[i][1], &warning, &err), 0);
        ck_assert(!settings_is_set(&s, refused[i][0]));
        error_fini(&err);
    }
    ck_assert_int_eq(settings_set(&s, "spark.sql.files.maxRecordsPerFile", "99999999999", &warning, &err), 0);
    struct settings copy;
    settings_copy(&copy, &s);
    settings_unset(&s, "spark.sql.ansi.enabled");
    ck_assert(!settings_bool(&copy, "spark.sql.ansi.enabled") && settings_bool(&s, "spark.sql.ansi.enabled"));
    settings_fini(&copy);
    settings_fini(&s);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, rows_are_well_formed);
    tcase_add_test(tc, travels_whole);
    tcase_add_test(tc, damaged_bytes);
    tcase_add_test(tc, the_caret_stands_below_its_place);
    tcase_add_test(tc, long_texts_are_cut);
    tcase_add_test(tc, of_a_long_line_the_part_around_the_place_is_shown);
    tcase_add_test(tc, settings_by_their_rows);
}

SUITE_MAIN("error", add)
