/* drover-edit.so: lines, history and completion by libedit. See edit.h. */
#include "cli/edit.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HISTORY_MAX = 5000, SHOWN_MAX = 120 };

struct editor {
    EditLine *el;
    History *history;
    struct edit_config config;
    const char *prompt;
    char *line;
    bool interrupted;
    bool keyed;          /* ^C is a key since this line began */
};

/* Modules call nothing of the binary's, its memory functions neither. */
static char *copy(const char *s, size_t bytes)
{
    char *to = malloc(bytes + 1);
    if (!to)
        return NULL;
    memcpy(to, s, bytes);
    to[bytes] = 0;
    return to;
}

static char *prompt_cb(EditLine *el)
{
    struct editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    if (!e->keyed) { /* first the terminal as libedit wants it, which sets all its characters, then the one that we do not want */
        el_set(el, EL_PREP_TERM, 1);
        el_set(el, EL_SETTY, "-d", "intr=", NULL);
    }
    e->keyed = true;
    return (char *)(unsigned long)e->prompt;
}

static unsigned char interrupt_fn(EditLine *el, int ch)
{
    struct editor *e;
    (void)ch;
    el_get(el, EL_CLIENTDATA, &e);
    e->interrupted = true;
    return CC_EOF;
}

static size_t common_prefix(const struct edit_completion *c)
{
    size_t n = strlen(c->words[0]);
    for (size_t i = 1; i < c->count; i++) {
        size_t k = 0;
        while (k < n && (c->words[i][k] | 32) == (c->words[0][k] | 32))
            k++;
        n = k;
    }
    return n;
}

/* In columns below the line, as many as fit. */
static void list(const struct edit_completion *c)
{
    struct winsize w;
    size_t width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80, longest = 1;
    size_t shown = c->count < SHOWN_MAX ? c->count : SHOWN_MAX;
    for (size_t i = 0; i < shown; i++)
        longest = strlen(c->words[i]) > longest ? strlen(c->words[i]) : longest;
    size_t columns = width / (longest + 2), rows;
    columns = columns ? columns : 1;
    rows = (shown + columns - 1) / columns;
    printf("\n");
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = r; i < shown; i += rows)
            printf("%-*s", (int)longest + 2, c->words[i]);
        printf("\n");
    }
    if (shown < c->count)
        printf("... and %zu more\n", c->count - shown);
    fflush(stdout);
}

static void replace(EditLine *el, size_t bytes, const char *with, size_t with_bytes, char append)
{
    char text[512];
    if (with_bytes + 2 > sizeof text)
        return;
    memcpy(text, with, with_bytes);
    text[with_bytes] = append;
    text[with_bytes + 1] = 0;
    el_deletestr(el, (int)bytes);
    el_insertstr(el, text);
}

static unsigned char complete_fn(EditLine *el, int ch)
{
    struct editor *e;
    struct edit_completion c = {0};
    (void)ch;
    el_get(el, EL_CLIENTDATA, &e);
    const LineInfo *li = el_line(el);
    size_t cursor = (size_t)(li->cursor - li->buffer), bytes = (size_t)(li->lastchar - li->buffer);
    char *line = copy(li->buffer, bytes);
    if (!line)
        return CC_ERROR;
    e->config.complete(e->config.ctx, line, cursor, &c);
    free(line);
    if (c.count == 0)
        return CC_ERROR;
    size_t prefix = common_prefix(&c);
    if (c.count == 1)
        replace(el, c.replace, c.words[0], strlen(c.words[0]), c.append);
    else if (prefix > c.replace)
        replace(el, c.replace, c.words[0], prefix, 0);
    else {
        list(&c);
        return CC_REDISPLAY;
    }
    return CC_REFRESH;
}

static struct editor *editor_open(const struct edit_config *config)
{
    HistEvent ev;
    struct editor *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    setlocale(LC_CTYPE, "");
    e->config = *config;
    e->el = el_init("drover", stdin, stdout, stderr);
    e->history = history_init();
    if (!e->el || !e->history) {
        if (e->el)
            el_end(e->el);
        free(e);
        return NULL;
    }
    history(e->history, &ev, H_SETSIZE, HISTORY_MAX);
    history(e->history, &ev, H_SETUNIQUE, 1);
    if (config->history)
        history(e->history, &ev, H_LOAD, config->history);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, prompt_cb);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_HIST, history, e->history);
    el_set(e->el, EL_ADDFN, "drover-complete", "complete the word", complete_fn);
    el_set(e->el, EL_ADDFN, "drover-interrupt", "drop the line", interrupt_fn);
    el_source(e->el, NULL); /* the user's ~/.editrc */
    el_set(e->el, EL_BIND, "^I", "drover-complete", NULL);
    el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(e->el, EL_BIND, "\033[3~", "ed-delete-next-char", NULL);
    el_set(e->el, EL_BIND, "\033[H", "ed-move-to-beg", NULL);
    el_set(e->el, EL_BIND, "\033[F", "ed-move-to-end", NULL);
    el_set(e->el, EL_BIND, "^C", "drover-interrupt", NULL);
    return e;
}

static enum edit_result editor_read(struct editor *e, const char *prompt, const char **ret_line)
{
    int count = 0;
    e->prompt = prompt;
    e->interrupted = e->keyed = false;
    const char *line = el_gets(e->el, &count);
    if (e->interrupted) {
        fputs("^C\n", stdout);
        fflush(stdout);
        el_reset(e->el);
        return EDIT_INTERRUPT;
    }
    if (!line || count <= 0)
        return EDIT_END;
    free(e->line);
    e->line = copy(line, (size_t)count);
    if (!e->line)
        return EDIT_END;
    e->line[strcspn(e->line, "\n")] = 0;
    *ret_line = e->line;
    return EDIT_LINE;
}

static void editor_remember(struct editor *e, const char *text)
{
    HistEvent ev;
    history(e->history, &ev, H_ENTER, text);
    if (e->config.history)
        history(e->history, &ev, H_SAVE, e->config.history);
}

static void editor_close(struct editor *e)
{
    if (!e)
        return;
    history_end(e->history);
    el_end(e->el);
    free(e->line);
    free(e);
}

__attribute__((visibility("default")))
const struct edit_module drover_edit_module = {EDIT_MODULE_VERSION, editor_open, editor_read, editor_remember, editor_close};
