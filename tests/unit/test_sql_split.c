/* The splitter: the same statements whole and byte by byte, offsets, what a prompt shows; the table of keywords. */
#include "driver/sql/keywords.h"
#include "driver/sql/parser.h"
#include "tests/unit/suite.h"

#include <stdlib.h>

/* Statements joined by '|', each followed by '@' and its offset and line; fed in pieces of `piece` bytes. */
static char *split(const char *text, size_t piece)
{
    struct splitter sp;
    struct split_statement st;
    struct buf b = BUF_INIT;
    size_t bytes = strlen(text);
    split_init(&sp);
    for (size_t at = 0; at <= bytes; at += piece) {
        if (at + piece > bytes) {
            split_feed(&sp, text + at, bytes - at);
            split_finish(&sp);
        } else {
            split_feed(&sp, text + at, piece);
        }
        while (split_next(&sp, &st)) {
            ck_assert_uint_eq(strlen(st.text), st.bytes);
            ck_assert_int_eq(strncmp(text + st.offset, st.text, st.bytes), 0);
            buf_addf(&b, "%s%s@%d:%d%s", b.bytes ? "|" : "", st.text, (int)st.offset, (int)st.line, st.terminated ? "" : "!");
        }
    }
    split_fini(&sp);
    return b.data ? b.data : xstrdup("");
}

START_TEST(statements)
{
    static const struct {
        const char *text, *want;
    } cases[] = {{"select 1;", "select 1@0:1"},
                 {"select 1", "select 1@0:1!"},
                 {"", ""},
                 {" ;;\n; -- x\n", ""},
                 {"a;b", "a@0:1|b@2:1!"},
                 {"a;\n\n  b ;", "a@0:1|b @6:3"},
                 {"'a;''b\\';' ; c;", "'a;''b\\';' @0:1|c@13:1"},
                 {"r'a\\';b;", "r'a\\'@0:1|b@6:1"},
                 {"xr'a\\';b';", "xr'a\\';b'@0:1"},
                 {"\"a;\"`b;`;c;", "\"a;\"`b;`@0:1|c@9:1"},
                 {"a -- b;\n c;d;", "a -- b;\n c@0:1|d@11:2"},
                 {"/* ; /* ; */ ; */ a; b;", "/* ; /* ; */ ; */ a@0:1|b@21:1"},
                 {"select /*+ x(';') */ 1; b;", "select /*+ x(';') */ 1@0:1|b@24:1"},
                 {"/* only */;a;", "a@11:1"},
                 {"a - b / c * d;e;", "a - b / c * d@0:1|e@14:1"},
                 {"'open; a", "'open; a@0:1!"},
                 {"/* open ; a", "/* open ; a@0:1!"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 40; piece += piece < 4 ? 1 : 9) {
            char *got = split(cases[i].text, piece);
            ck_assert_msg(strcmp(got, cases[i].want) == 0, "%s by %zu\n gave %s\n want %s", cases[i].text, piece, got,
                          cases[i].want);
            xfree(got);
        }
    }
}
END_TEST

START_TEST(prompts)
{
    static const struct {
        const char *text;
        char prompt;
        bool open;
    } cases[] = {{"", '-', false},      {" -- x\n", '-', false},  {"select", '-', true}, {"a '", '\'', true}, {"a \"", '"', true},
                 {"a `", '`', true}, {"/* /* */ ", '*', true}, {"a; ", '-', false},    {"a 'b\\'", '\'', true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct splitter sp;
        struct split_statement st;
        split_init(&sp);
        split_feed(&sp, cases[i].text, strlen(cases[i].text));
        while (split_next(&sp, &st)) {
        }
        ck_assert_msg(split_prompt(&sp) == cases[i].prompt, "%s", cases[i].text);
        ck_assert_msg(split_is_open(&sp) == cases[i].open, "%s", cases[i].text);
        split_reset(&sp);
        ck_assert(!split_is_open(&sp));
        split_feed(&sp, "x;", 2);
        ck_assert(split_next(&sp, &st));
        ck_assert_str_eq(st.text, "x");
        ck_assert_uint_eq(st.offset, strlen(cases[i].text));
        split_fini(&sp);
    }
}
END_TEST

START_TEST(keywords)
{
    for (int kw = 1; kw < KW_COUNT; kw++) {
        const char *text = keyword_text((enum keyword)kw);
        ck_assert_msg(keyword_find(text, strlen(text)) == (enum keyword)kw, "%s", text);
    }
    ck_assert_int_eq(keyword_find("Select", 6), KW_SELECT);
    ck_assert_int_eq(keyword_find("selec", 5), KW_NO_KEYWORD);
    ck_assert(keyword_is_reserved(KW_SELECT) && !keyword_is_reserved(KW_DATE));
    ck_assert(keyword_is_strict(KW_JOIN) && !keyword_is_strict(KW_WHERE));
    ck_assert_int_eq(keyword_nearest("grop", 4), KW_GROUP);
    ck_assert_int_eq(keyword_nearest("customer", 8), KW_NO_KEYWORD);
}
END_TEST

static void add(TCase *tc)
{
    ADD_TESTS(tc, statements, prompts, keywords);
}

SUITE_MAIN("sql_split", add)
