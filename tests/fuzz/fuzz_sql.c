/* Fuzzes the parser and the splitter: any bytes give a plan or an error with a span inside the text. */
#include "driver/sql/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_split(const char *sql, size_t bytes)
{
    struct splitter whole, pieces;
    struct split_statement a, b;
    size_t fed = 0, count = 0, found = 0;
    split_init(&whole);
    split_init(&pieces);
    split_feed(&whole, sql, bytes);
    split_finish(&whole);
    while (split_next(&whole, &a))
        count++;
    for (;;) { /* byte by byte gives the same statements */
        if (split_next(&pieces, &b)) {
            found++;
            continue;
        }
        if (fed == bytes) {
            if (pieces.finished)
                break;
            split_finish(&pieces);
        } else {
            split_feed(&pieces, sql + fed++, 1);
        }
    }
    ASSERT(found == count);
    split_fini(&whole);
    split_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *sql = xstrndup((const char *)data, bytes);
    size_t length = strlen(sql);
    struct arena ar;
    struct error err = ERROR_INIT;
    struct ast_statement *st;
    struct buf out = BUF_INIT;
    arena_init(&ar);
    if (sql_parse(&ar, sql, &st, &err) == 0) {
        ASSERT(st->span.start < st->span.stop && st->span.stop <= length);
        ast_print(st, &out);
    } else {
        ASSERT(!err.detail || (err.detail->span.start <= length && err.detail->span.stop <= length + 1));
        error_format_caret(&err, sql, &out);
    }
    if (length < 4096)
        check_split(sql, length);
    buf_fini(&out);
    error_fini(&err);
    arena_fini(&ar);
    xfree(sql);
    return 0;
}
