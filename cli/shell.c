/* The interactive shell: statements over several lines, history, completion. Errors end statements, never the shell. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/edit.h"
#include "cli/run.h"
#include "cli/words.h"
#include "common/base/module.h"
#include "common/fs/list.h"
#include "driver/sql/parser.h"

struct shell {
    struct runner *r;
    const struct edit_module *edit;
    struct editor *editor;
    struct words *words;
    struct splitter sp;
    char *history;          /* its file, or NULL */
    struct buf entry;       /* the lines of the open statement, for the history */
};

static const char help_text[] =
    "Statements end with ';' and may take several lines. Tab completes keywords, functions, tables, columns and files in quotes.\n"
    "\n"
    "  SHOW TABLES;                    tables and views of this session\n"
    "  DESCRIBE t;                     columns of a table\n"
    "  SELECT * FROM csv.`a.csv`;      a file as it lies there: csv, json, parquet or text\n"
    "  CREATE TEMPORARY VIEW t USING parquet OPTIONS (path 'folder');\n"
    "  EXPLAIN SELECT ...;             how a query would run\n"
    "  SET;  SET key = value;          settings; `drover config` lists them all\n"
    "  help;  quit;                    this text; the end, as Ctrl-D\n"
    "\n"
    "Ctrl-C drops what is typed or cancels the query that runs. Ctrl-R searches the history.\n";

static void complete_cb(void *ctx, const char *line, size_t cursor, struct edit_completion *ret)
{
    struct shell *sh = ctx;
    words_complete(sh->words, sh->entry.data ? sh->entry.data : "", line, cursor, ret);
}

/* $XDG_STATE_HOME/drover/history, or ~/.drover_history. NULL: nowhere. */
static char *history_path(void)
{
    struct error err = ERROR_INIT;
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state) {
        char *dir = xasprintf("%s/drover", state), *path = NULL;
        if (fs_make_folder(dir, &err) == 0)
            path = xasprintf("%s/history", dir);
        error_fini(&err);
        xfree(dir);
        return path;
    }
    return home && *home ? xasprintf("%s/.drover_history", home) : NULL;
}

/* Without the module the shell still works, line by line as the terminal gives them. */
static void open_editor(struct shell *sh)
{
    char *problem = NULL;
    sh->history = history_path();
    sh->edit = module_load("drover-edit.so", "drover_edit_module", &problem);
    if (sh->edit && sh->edit->version == EDIT_MODULE_VERSION)
        sh->editor = sh->edit->open(&(struct edit_config){.history = sh->history, .complete = complete_cb, .ctx = sh});
    if (!sh->editor)
        fprintf(stderr, "drover sql: no history and completion here: %s\n", problem ? problem : "the terminal is not one for it");
    xfree(problem);
}

static enum edit_result read_line(struct shell *sh, const char *prompt, const char **ret_line)
{
    static char line[65536];
    if (sh->editor)
        return sh->edit->read(sh->editor, prompt, ret_line);
    fputs(prompt, stdout);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return EDIT_END;
    line[strcspn(line, "\n")] = 0;
    *ret_line = line;
    return EDIT_LINE;
}

/* quit, exit and help are words of the shell when they stand alone. */
static const char *own_word(const char *line)
{
    static const char *const words[] = {"quit", "exit", "help"};
    size_t from = strspn(line, " \t"), bytes = strcspn(line + from, " \t;"), rest = strspn(line + from + bytes, " \t;");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (line[from + bytes + rest] == 0 && strlen(words[i]) == bytes && strncasecmp(words[i], line + from, bytes) == 0)
            return words[i];
    }
    return NULL;
}

static void remember(struct shell *sh)
{
    if (sh->editor && sh->entry.bytes)
        sh->edit->remember(sh->editor, sh->entry.data);
    buf_reset(&sh->entry);
}

/* False: the shell is over. */
static bool take_line(struct shell *sh, const char *line)
{
    if (!split_is_open(&sh->sp)) {
        const char *word = own_word(line);
        buf_reset(&sh->entry);
        if (word && word[0] != 'h')
            return false;
        if (word) {
            fputs(help_text, stdout);
            return true;
        }
    }
    if (sh->entry.bytes)
        buf_addc(&sh->entry, '\n');
    buf_adds(&sh->entry, line);
    split_feed(&sh->sp, line, strlen(line));
    split_feed(&sh->sp, "\n", 1);
    struct split_statement st;
    bool ran = false;
    while (!sh->r->lost && split_next(&sh->sp, &st)) {
        if (!ran)
            remember(sh);
        ran = true;
        printer_set_width(sh->r->printer, terminal_width(STDOUT_FILENO));
        run_statement(sh->r, st.text);
        words_forget(sh->words);
    }
    return !sh->r->lost;
}

static void drop_line(struct shell *sh)
{
    split_reset(&sh->sp);
    buf_reset(&sh->entry);
}

static void loop(struct shell *sh)
{
    for (;;) {
        const char *line;
        char prompt[16] = "drover> ";
        if (split_is_open(&sh->sp))
            snprintf(prompt, sizeof prompt, "     %c> ", split_prompt(&sh->sp));
        signal(SIGINT, SIG_IGN); /* at the prompt it is a key; while a statement runs the client takes it */
        enum edit_result got = read_line(sh, prompt, &line);
        if (got == EDIT_INTERRUPT) {
            drop_line(sh);
        } else if (got == EDIT_END) {
            putchar('\n');
            return;
        } else if (!take_line(sh, line)) {
            return;
        }
    }
}

int shell_run(struct runner *r)
{
    struct shell sh = {.r = r};
    r->keep_going = true;
    sh.words = words_new(r->client);
    split_init(&sh.sp);
    open_editor(&sh);
    printf("Drover: Spark SQL %s%s. help; says more, quit; ends.\n", r->cl->driver ? "on the driver at " : "on this machine",
           r->cl->driver ? r->cl->driver : "");
    if (*client_web(r->client))
        printf("Status page: http://%s/\n", client_web(r->client));
    loop(&sh);
    if (sh.editor)
        sh.edit->close(sh.editor);
    words_free(sh.words);
    split_fini(&sh.sp);
    buf_fini(&sh.entry);
    xfree(sh.history);
    return r->lost ? EXIT_NO_DRIVER : EXIT_DONE;
}
