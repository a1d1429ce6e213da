/* See words.h. */
#include "cli/words.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/col/column.h"
#include "driver/sql/keywords.h"

enum { TABLES_MAX = 200 };

struct names {
    char **items;
    uint32_t count, cap;
};

struct words {
    struct client *client;
    bool fresh;                 /* tables and columns are as the driver has them */
    struct names functions, tables;
    struct names columns[TABLES_MAX]; /* of the table with the same index */
    /* the answer */
    struct arena ar;
    const char **found;
    uint32_t found_count, found_cap;
};

static void names_clear(struct names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        xfree(n->items[i]);
    n->count = 0;
}

static void names_fini(struct names *n)
{
    names_clear(n);
    xfree(n->items);
}

struct words *words_new(struct client *c)
{
    struct words *w = xcalloc(1, sizeof *w);
    w->client = c;
    arena_init(&w->ar);
    return w;
}

void words_free(struct words *w)
{
    if (!w)
        return;
    names_fini(&w->functions);
    names_fini(&w->tables);
    for (uint32_t i = 0; i < TABLES_MAX; i++)
        names_fini(&w->columns[i]);
    arena_fini(&w->ar);
    xfree(w->found);
    xfree(w);
}

void words_forget(struct words *w)
{
    w->fresh = false;
}

/* ---- asking the driver ---- */

struct collect {
    struct names *to;
    uint32_t column;
};

static bool collect_rows(void *ctx, const struct sealed *rows)
{
    struct collect *c = ctx;
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; i < rows->rows && c->column < rows->col_count; i++) {
        buf_reset(&text);
        column_format(&rows->cols[c->column], i, NULL, "", &text);
        ARRAY_GROW(c->to->items, c->to->count, c->to->cap);
        c->to->items[c->to->count++] = xstrdup(text.data ? text.data : "");
    }
    buf_fini(&text);
    return true;
}

/* One column of what a statement gives; nothing when it fails. */
static void ask(struct words *w, const char *sql, uint32_t column, struct names *to)
{
    struct collect c = {to, column};
    struct client_sink sink = {.rows = collect_rows, .ctx = &c};
    struct error err = ERROR_INIT;
    uint64_t run_us;
    if (client_execute(w->client, sql, &sink, &run_us, &err) != 0)
        error_fini(&err);
}

static void refresh(struct words *w)
{
    if (w->fresh)
        return;
    w->fresh = true;
    if (w->functions.count == 0)
        ask(w, "SHOW FUNCTIONS", 0, &w->functions);
    names_clear(&w->tables);
    ask(w, "SHOW TABLES", 1, &w->tables);
    for (uint32_t i = 0; i < w->tables.count && i < TABLES_MAX; i++) {
        char *sql = xasprintf("SHOW COLUMNS IN `%s`", w->tables.items[i]);
        names_clear(&w->columns[i]);
        ask(w, sql, 0, &w->columns[i]);
        xfree(sql);
    }
}

/* ---- finding ---- */

static void offer(struct words *w, const char *word, const char *prefix, size_t bytes)
{
    if (strncasecmp(word, prefix, bytes) != 0)
        return;
    ARRAY_GROW(w->found, w->found_count, w->found_cap);
    w->found[w->found_count++] = word;
}

static void offer_all(struct words *w, const struct names *n, const char *prefix, size_t bytes)
{
    for (uint32_t i = 0; i < n->count; i++) {
        if (isalpha((unsigned char)n->items[i][0]) || n->items[i][0] == '_')
            offer(w, n->items[i], prefix, bytes);
    }
}

/* In the case of what was typed. */
static void offer_keywords(struct words *w, const char *prefix, size_t bytes)
{
    bool lower = bytes && islower((unsigned char)prefix[bytes - 1]);
    for (int k = KW_NO_KEYWORD + 1; k < KW_COUNT; k++) {
        const char *text = keyword_text((enum keyword)k);
        if (strncasecmp(text, prefix, bytes) != 0)
            continue;
        char *word = arena_strdup(&w->ar, text);
        for (char *p = word; lower && *p; p++)
            *p = (char)tolower((unsigned char)*p);
        offer(w, word, prefix, bytes);
    }
}

static int by_name(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static void finish(struct words *w, size_t replace, char append, struct edit_completion *ret)
{
    uint32_t n = 0;
    sort_items(w->found, w->found_count, sizeof *w->found, by_name, NULL);
    for (uint32_t i = 0; i < w->found_count; i++) {
        if (n == 0 || strcasecmp(w->found[n - 1], w->found[i]) != 0)
            w->found[n++] = w->found[i];
    }
    w->found_count = n;
    *ret = (struct edit_completion){.replace = replace, .words = w->found, .count = n, .append = append};
}

/* The quote that is open at the end of text, or 0. */
static char open_quote(const char *text, size_t bytes, size_t *ret_start)
{
    char quote = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (quote ? text[i] == quote : text[i] == '\'' || text[i] == '"' || text[i] == '`') {
            quote = quote ? 0 : text[i];
            *ret_start = i + 1;
        }
    }
    return quote;
}

static void complete_file(struct words *w, const char *path, size_t bytes, char quote, struct edit_completion *ret)
{
    glob_t g;
    char *pattern = arena_printf(&w->ar, "%.*s*", (int)bytes, path);
    if (glob(pattern, GLOB_MARK | GLOB_TILDE, NULL, &g) != 0)
        return;
    for (size_t i = 0; i < g.gl_pathc; i++)
        offer(w, arena_strdup(&w->ar, g.gl_pathv[i]), path, bytes);
    globfree(&g);
    bool folder = w->found_count == 1 && str_has_suffix(w->found[0], "/");
    finish(w, bytes, folder ? 0 : quote, ret);
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Whether the word before `at` is one after which a table stands. */
static bool wants_table(const char *line, size_t at)
{
    static const char *const words[] = {"from", "join", "into", "table", "describe", "desc", "view", "update", "columns", "in"};
    while (at && !word_char(line[at - 1]))
        at--;
    size_t end = at;
    while (at && word_char(line[at - 1]))
        at--;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i]) == end - at && strncasecmp(words[i], line + at, end - at) == 0)
            return true;
    }
    return false;
}

/* Columns of the table before the dot; of all when an alias stands there. */
static void offer_columns(struct words *w, const char *table, size_t table_bytes, const char *prefix, size_t bytes)
{
    bool known = false;
    for (int pass = 0; pass < 2 && !known; pass++) {
        for (uint32_t i = 0; i < w->tables.count && i < TABLES_MAX; i++) {
            bool this = table_bytes && strlen(w->tables.items[i]) == table_bytes && strncasecmp(w->tables.items[i], table, table_bytes) == 0;
            known |= this;
            if (this || pass == 1 || !table_bytes)
                offer_all(w, &w->columns[i], prefix, bytes);
        }
    }
}

void words_complete(struct words *w, const char *before, const char *line, size_t cursor, struct edit_completion *ret)
{
    size_t start = 0, word = cursor;
    arena_reset(&w->ar);
    w->found_count = 0;
    *ret = (struct edit_completion){0};
    char quote = open_quote(line, cursor, &start);
    if (quote && quote != '"' && (quote == '\'' || memchr(line + start, '/', cursor - start))) {
        complete_file(w, line + start, cursor - start, quote, ret);
        return;
    }
    while (word && word_char(line[word - 1]))
        word--;
    const char *prefix = line + word;
    size_t bytes = cursor - word, table = word ? word - 1 : 0;
    refresh(w);
    if (word && line[word - 1] == '.') {
        while (table && word_char(line[table - 1]))
            table--;
        offer_columns(w, line + table, word - 1 - table, prefix, bytes);
    } else if (wants_table(line, word) || (word == 0 && wants_table(before, strlen(before)))) {
        offer_all(w, &w->tables, prefix, bytes);
    } else if (bytes) {
        offer_keywords(w, prefix, bytes);
        offer_all(w, &w->functions, prefix, bytes);
        offer_all(w, &w->tables, prefix, bytes);
        offer_columns(w, NULL, 0, prefix, bytes);
    }
    finish(w, bytes, ' ', ret);
}
