/* The commands that run statements: sql, submit, explain. */
#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/expr/zone.h"
#include "driver/sql/parser.h"

int complain(const char *command, struct error *err, const char *sql)
{
    struct buf text = BUF_INIT;
    error_format_caret(err, sql, &text);
    fprintf(stderr, "drover %s: %s\n", command, text.data);
    int rc = err->code == ERR_CONNECT || err->code == ERR_CONNECTION_LOST ? EXIT_NO_DRIVER
             : err->code == ERR_USAGE ? EXIT_USAGE
                                      : EXIT_FAILED;
    buf_fini(&text);
    error_fini(err);
    return rc;
}

int open_client(const struct command_line *cl, bool session, struct client **ret)
{
    struct error err = ERROR_INIT;
    struct client_setting *settings = xcalloc(cl->conf_count + 1, sizeof *settings);
    for (uint32_t i = 0; i < cl->conf_count; i++) {
        char *key = xstrdup(cl->confs[i]), *eq = strchr(key, '=');
        *eq = 0;
        settings[i] = (struct client_setting){key, eq + 1};
    }
    struct client_config config = {.driver = cl->driver, .secret_file = cl->secret_file, .executors = cl->executors, .no_session = !session,
                                   .slots = cl->slots, .memory = cl->memory, .setting_count = cl->conf_count, .settings = settings};
    int rc = client_open(&config, ret, &err);
    for (uint32_t i = 0; i < cl->conf_count; i++)
        xfree((void *)(uintptr_t)settings[i].name);
    xfree(settings);
    return rc ? complain(cl->command, &err, NULL) : 0;
}

/* ---- one statement ---- */

static int write_cb(void *ctx, const char *data, size_t bytes)
{
    (void)ctx;
    return fwrite(data, 1, bytes, stdout) == bytes && fflush(stdout) == 0 ? 0 : -1;
}

/* SET may have changed the zone in which timestamps are shown since the last result. */
static void follow_zone(struct runner *r, const char *name)
{
    struct error err = ERROR_INIT;
    const struct zone *zone = NULL;
    if (!name || (r->zone && strcmp(r->zone, name) == 0))
        return;
    if (zone_find(name, &zone, &err) != 0)
        error_fini(&err);
    xfree(r->zone);
    r->zone = xstrdup(name);
    printer_set_zone(r->printer, zone);
}

static void schema_cb(void *ctx, const struct schema *sch, const char *time_zone)
{
    struct runner *r = ctx;
    follow_zone(r, time_zone);
    printer_begin(r->printer, sch);
}

static bool rows_cb(void *ctx, const struct sealed *rows)
{
    struct runner *r = ctx;
    struct batch b = {.rows = rows->rows, .col_count = rows->col_count, .cols = rows->cols, .sel_count = rows->rows};
    printer_rows(r->printer, &b);
    return !printer_failed(r->printer);
}

int runner_open(struct runner *r, const struct command_line *cl)
{
    bool terminal = isatty(STDOUT_FILENO) != 0;
    *r = (struct runner){.cl = cl, .keep_going = cl->keep_going};
    int rc = open_client(cl, true, &r->client);
    if (rc != 0)
        return rc;
    struct printer_options options = {.format = cl->has_format ? cl->format : terminal ? OUTPUT_TABLE : OUTPUT_TSV, .counts = terminal,
                                      .terminal_width = terminal ? terminal_width(STDOUT_FILENO) : 0, .write = write_cb};
    r->printer = printer_new(&options);
    return 0;
}

void runner_close(struct runner *r)
{
    printer_free(r->printer);
    client_close(r->client);
    xfree(r->zone);
}

/* The statement as it was written, dim on a terminal. */
static void echo(const char *sql)
{
    bool terminal = isatty(STDOUT_FILENO) != 0;
    sql += strspn(sql, " \t\r\n");
    size_t bytes = strlen(sql);
    while (bytes && (sql[bytes - 1] == '\n' || sql[bytes - 1] == ' '))
        bytes--;
    printf("\n%s%.*s;%s\n", terminal ? "\033[2m" : "", (int)bytes, sql, terminal ? "\033[0m" : "");
}

bool run_statement(struct runner *r, const char *sql)
{
    if (r->cl->echo)
        echo(sql);
    struct error err = ERROR_INIT;
    struct client_sink sink = {schema_cb, rows_cb, r, isatty(STDERR_FILENO) != 0};
    uint64_t run_us = 0;
    int64_t t0 = clock_mono_us();
    int rc = client_execute(r->client, sql, &sink, &run_us, &err);
    double seconds = (double)(clock_mono_us() - t0) / 1e6;
    if (rc == 0)
        printer_end(r->printer, seconds * 1e3);
    if (r->cl->timing)
        fprintf(stderr, "time %.4f s\n", seconds);
    if (printer_failed(r->printer)) { /* nobody reads on: nothing to say */
        error_fini(&err);
        return false;
    }
    if (rc == 0)
        return true;
    r->lost = err.code == ERR_CONNECTION_LOST;
    bool say = printer_error(r->printer, &err, sql);
    if (say || r->lost) {
        r->exit_code = complain(r->cl->command, &err, sql);
    } else {
        error_fini(&err);
        r->exit_code = EXIT_FAILED;
    }
    return r->keep_going && !r->lost;
}

/* ---- texts of several statements ---- */

bool run_ready(struct runner *r, struct splitter *sp)
{
    struct split_statement st;
    while (split_next(sp, &st)) {
        if (!run_statement(r, st.text))
            return false;
    }
    return true;
}

static bool run_text(struct runner *r, const char *text)
{
    struct splitter sp;
    split_init(&sp);
    split_feed(&sp, text, strlen(text));
    split_finish(&sp);
    bool go_on = run_ready(r, &sp);
    split_fini(&sp);
    return go_on;
}

/* Runs each statement as soon as its ';' has come. */
static bool run_stream(struct runner *r, int fd)
{
    struct splitter sp;
    char bytes[65536];
    bool go_on = true;
    split_init(&sp);
    while (go_on) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        split_feed(&sp, bytes, (size_t)n);
        go_on = run_ready(r, &sp);
    }
    if (go_on) {
        split_finish(&sp);
        go_on = run_ready(r, &sp);
    }
    split_fini(&sp);
    return go_on;
}

static bool run_file(struct runner *r, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(stderr, "drover %s: %s: %s\n", r->cl->command, path, strerror(errno));
        r->exit_code = EXIT_USAGE;
        return false;
    }
    bool go_on = run_stream(r, fileno(f));
    fclose(f);
    return go_on;
}

static bool file_readable(const struct command_line *cl, const char *path)
{
    if (access(path, R_OK) == 0)
        return true;
    fprintf(stderr, "drover %s: %s: %s\n", cl->command, path, strerror(errno));
    return false;
}

/* ---- commands ---- */

int command_sql(const struct command_line *cl)
{
    struct runner r;
    for (uint32_t i = 0; i < cl->source_count; i++) {
        if (cl->sources[i].is_file && !file_readable(cl, cl->sources[i].text))
            return EXIT_USAGE;
    }
    int rc = runner_open(&r, cl);
    if (rc != 0)
        return rc;
    bool go_on = true;
    for (uint32_t i = 0; i < cl->source_count && go_on; i++)
        go_on = cl->sources[i].is_file ? run_file(&r, cl->sources[i].text) : run_text(&r, cl->sources[i].text);
    if (cl->source_count == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        r.exit_code = shell_run(&r);
    else if (cl->source_count == 0)
        run_stream(&r, STDIN_FILENO);
    runner_close(&r);
    return r.exit_code;
}

int command_submit(const struct command_line *cl)
{
    struct runner r;
    if (cl->arg_count != 1) {
        fprintf(stderr, "drover submit: give one file of statements\n");
        return EXIT_USAGE;
    }
    if (!str_has_suffix(cl->args[0], ".sql")) {
        fprintf(stderr, "drover submit: %s: only .sql files can be submitted\n", cl->args[0]);
        return EXIT_USAGE;
    }
    if (!file_readable(cl, cl->args[0]))
        return EXIT_USAGE;
    int rc = runner_open(&r, cl);
    if (rc != 0)
        return rc;
    if (*client_web(r.client))
        fprintf(stderr, "drover: follow it at http://%s/\n", client_web(r.client));
    run_file(&r, cl->args[0]);
    runner_close(&r);
    return r.exit_code;
}

static void plan_schema_cb(void *ctx, const struct schema *sch, const char *time_zone)
{
    (void)ctx, (void)sch, (void)time_zone;
}

static bool plan_rows_cb(void *ctx, const struct sealed *rows)
{
    for (uint32_t i = 0; i < rows->rows; i++)
        column_format_shell(&rows->cols[0], i, NULL, "", ctx);
    return true;
}

/* The plan is a text of lines: no format of results suits it. */
static void put_plan(const struct buf *plan, bool json)
{
    struct buf out = BUF_INIT;
    const char *text = plan->data ? plan->data : "";
    if (json) {
        buf_adds(&out, "{\"plan\":");
        buf_add_json(&out, text, plan->bytes);
        buf_addc(&out, '}');
        text = out.data;
    }
    size_t bytes = strlen(text);
    printf("%s%s", text, bytes && text[bytes - 1] == '\n' ? "" : "\n");
    buf_fini(&out);
}

int command_explain(const struct command_line *cl)
{
    struct client *client;
    struct error err = ERROR_INIT;
    struct buf plan = BUF_INIT;
    uint64_t run_us;
    if (cl->arg_count != 1) {
        fprintf(stderr, "drover explain: give one query\n");
        return EXIT_USAGE;
    }
    int rc = open_client(cl, true, &client);
    if (rc != 0)
        return rc;
    char *sql = xasprintf("EXPLAIN %s", cl->args[0]);
    struct client_sink sink = {plan_schema_cb, plan_rows_cb, &plan, isatty(STDERR_FILENO) != 0};
    if (client_execute(client, sql, &sink, &run_us, &err) == 0)
        put_plan(&plan, cl->json);
    else
        rc = complain(cl->command, &err, sql);
    xfree(sql);
    buf_fini(&plan);
    client_close(client);
    return rc;
}
