/* What each subcommand does. */
#include "cli/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client.h"
#include "common/expr/zone.h"
#include "driver/server/driver.h"
#include "driver/sql/parser.h"
#include "executor/server/executor.h"

static int complain(const char *command, struct error *err, const char *sql)
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

static int open_client(const struct command_line *cl, struct client **ret)
{
    struct error err = ERROR_INIT;
    struct client_setting *settings = xcalloc(cl->conf_count + 1, sizeof *settings);
    for (uint32_t i = 0; i < cl->conf_count; i++) {
        char *key = xstrdup(cl->confs[i]), *eq = strchr(key, '=');
        *eq = 0;
        settings[i] = (struct client_setting){key, eq + 1};
    }
    struct client_config config = {.driver = cl->driver, .secret_file = cl->secret_file, .executors = cl->executors,
                                   .slots = cl->slots, .memory = cl->memory, .setting_count = cl->conf_count, .settings = settings};
    int rc = client_open(&config, ret, &err);
    for (uint32_t i = 0; i < cl->conf_count; i++)
        xfree((void *)(uintptr_t)settings[i].name);
    xfree(settings);
    return rc ? complain(cl->command, &err, NULL) : 0;
}

/* ---- statements ---- */

struct runner {
    const struct command_line *cl;
    struct client *client;
    struct printer *printer;
    enum output_format format;
    const struct zone *zone;
    int exit_code;
};

static int write_cb(void *ctx, const char *data, size_t bytes)
{
    (void)ctx;
    return fwrite(data, 1, bytes, stdout) == bytes && fflush(stdout) == 0 ? 0 : -1;
}

static void schema_cb(void *ctx, const struct schema *sch)
{
    printer_begin(ctx, sch);
}

static bool rows_cb(void *ctx, const struct sealed *rows)
{
    struct batch b = {.rows = rows->rows, .col_count = rows->col_count, .cols = rows->cols, .sel_count = rows->rows};
    printer_rows(ctx, &b);
    return !printer_failed(ctx);
}

static void find_zone(struct runner *r)
{
    struct error err = ERROR_INIT;
    const char *tz = getenv("TZ");
    for (uint32_t i = 0; i < r->cl->conf_count; i++) {
        if (str_has_prefix(r->cl->confs[i], "spark.sql.session.timeZone="))
            tz = strchr(r->cl->confs[i], '=') + 1;
    }
    if (tz && *tz && zone_find(tz, &r->zone, &err) != 0)
        error_fini(&err);
}

static int runner_open(struct runner *r)
{
    const struct command_line *cl = r->cl;
    bool terminal = isatty(STDOUT_FILENO) != 0;
    int rc = open_client(cl, &r->client);
    if (rc != 0)
        return rc;
    find_zone(r);
    r->format = cl->has_format ? cl->format : terminal ? OUTPUT_TABLE : OUTPUT_TSV;
    struct printer_options options = {.format = r->format, .terminal_width = terminal ? terminal_width(STDOUT_FILENO) : 0,
                                      .counts = terminal, .zone = r->zone, .write = write_cb};
    r->printer = printer_new(&options);
    return 0;
}

static void runner_close(struct runner *r)
{
    printer_free(r->printer);
    client_close(r->client);
}

/* False: stop here. */
static bool run_statement(struct runner *r, const char *sql)
{
    struct error err = ERROR_INIT;
    struct client_sink sink = {schema_cb, rows_cb, r->printer, isatty(STDERR_FILENO) != 0};
    uint64_t run_us = 0;
    int64_t t0 = clock_mono_us();
    int rc = client_execute(r->client, sql, &sink, &run_us, &err);
    double seconds = (double)(clock_mono_us() - t0) / 1e6;
    if (r->cl->timing)
        fprintf(stderr, "time %.4f s\n", seconds);
    if (rc == 0) {
        printer_end(r->printer, seconds * 1e3);
        return !printer_failed(r->printer);
    }
    if (printer_failed(r->printer)) { /* nobody reads on: nothing to say */
        error_fini(&err);
        return false;
    }
    bool lost = err.code == ERR_CONNECTION_LOST;
    if (printer_error(r->printer, &err, sql) || lost) {
        r->exit_code = complain(r->cl->command, &err, sql);
    } else {
        error_fini(&err);
        r->exit_code = EXIT_FAILED;
    }
    return r->cl->keep_going && !lost;
}

static bool run_ready(struct runner *r, struct splitter *sp)
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
        fprintf(stderr, "drover sql: %s: %s\n", path, strerror(errno));
        r->exit_code = EXIT_USAGE;
        return false;
    }
    bool go_on = run_stream(r, fileno(f));
    fclose(f);
    return go_on;
}

static bool file_readable(const char *path)
{
    if (access(path, R_OK) == 0)
        return true;
    fprintf(stderr, "drover: %s: %s\n", path, strerror(errno));
    return false;
}

int command_sql(const struct command_line *cl)
{
    struct runner r = {.cl = cl};
    for (uint32_t i = 0; i < cl->source_count; i++) {
        if (cl->sources[i].is_file && !file_readable(cl->sources[i].text))
            return EXIT_USAGE;
    }
    int rc = runner_open(&r);
    if (rc != 0)
        return rc;
    bool go_on = true;
    for (uint32_t i = 0; i < cl->arg_count && go_on; i++)
        go_on = run_text(&r, cl->args[i]);
    for (uint32_t i = 0; i < cl->source_count && go_on; i++)
        go_on = cl->sources[i].is_file ? run_file(&r, cl->sources[i].text) : run_text(&r, cl->sources[i].text);
    if (cl->arg_count == 0 && cl->source_count == 0)
        run_stream(&r, STDIN_FILENO);
    runner_close(&r);
    return r.exit_code;
}

int command_submit(const struct command_line *cl)
{
    if (cl->arg_count != 1) {
        fprintf(stderr, "drover submit: give one file of statements\n");
        return EXIT_USAGE;
    }
    if (!str_has_suffix(cl->args[0], ".sql")) {
        fprintf(stderr, "drover submit: %s: only .sql files can be submitted\n", cl->args[0]);
        return EXIT_USAGE;
    }
    if (!file_readable(cl->args[0]))
        return EXIT_USAGE;
    struct runner r = {.cl = cl};
    int rc = runner_open(&r);
    if (rc != 0)
        return rc;
    run_file(&r, cl->args[0]);
    runner_close(&r);
    return r.exit_code;
}

int command_explain(const struct command_line *cl)
{
    if (cl->arg_count != 1) {
        fprintf(stderr, "drover explain: give one query\n");
        return EXIT_USAGE;
    }
    struct runner r = {.cl = cl};
    int rc = runner_open(&r);
    if (rc != 0)
        return rc;
    char *sql = xasprintf("EXPLAIN %s", cl->args[0]);
    run_statement(&r, sql);
    xfree(sql);
    runner_close(&r);
    return r.exit_code;
}

/* ---- looking ---- */

static const struct status_column {
    const char *command, *key, *title;
} status_columns[] = {
    {"jobs", "jobId", "JOB"}, {"jobs", "status", "STATUS"}, {"jobs", "numCompletedTasks", "DONE"}, {"jobs", "numActiveTasks", "RUNNING"},
    {"jobs", "numTasks", "TASKS"}, {"jobs", "durationMs", "MS"}, {"jobs", "name", "STATEMENT"},
    {"stages", "jobId", "JOB"}, {"stages", "stageId", "STAGE"}, {"stages", "status", "STATUS"}, {"stages", "numCompleteTasks", "DONE"},
    {"stages", "numActiveTasks", "RUNNING"}, {"stages", "numTasks", "TASKS"}, {"stages", "numFailedTasks", "FAILED"},
    {"stages", "inputRecords", "ROWS IN"}, {"stages", "shuffleReadBytes", "READ B"}, {"stages", "shuffleWriteBytes", "WRITTEN B"}, {"stages", "durationMs", "MS"}, {"stages", "name", "SOURCE"},
    {"executors", "id", "ID"}, {"executors", "isActive", "ACTIVE"}, {"executors", "hostPort", "ADDRESS"}, {"executors", "pid", "PID"},
    {"executors", "totalCores", "SLOTS"}, {"executors", "activeTasks", "RUNNING"}, {"executors", "completedTasks", "DONE"},
    {"executors", "failedTasks", "FAILED"}, {"executors", "memoryUsed", "MEMORY B"}, {"executors", "residentBytes", "RESIDENT B"}, {"executors", "removeReason", "LOST"},
    {"config", "key", "KEY"}, {"config", "default", "DEFAULT"}, {"config", "meaning", "MEANING"},
};

static char *cell_of(const json_t *row, const char *key)
{
    const json_t *v = json_object_get(row, key);
    if (json_is_string(v)) {
        char *s = xstrdup(json_string_value(v));
        for (char *p = s; *p; p++)
            *p = *p == '\n' ? ' ' : *p;
        if (strlen(s) > 100)
            memcpy(s + 97, "...", 4);
        return s;
    }
    if (json_is_boolean(v))
        return xstrdup(json_is_true(v) ? "yes" : "no");
    return json_is_integer(v) ? xasprintf("%lld", (long long)json_integer_value(v)) : xstrdup("");
}

static void print_rows(const char *command, const json_t *rows)
{
    size_t n = json_array_size(rows);
    for (int pass = 0; pass < 1; pass++) {
        size_t width[ARRAY_LEN(status_columns)];
        for (size_t c = 0; c < ARRAY_LEN(status_columns); c++) {
            width[c] = strlen(status_columns[c].title);
            for (size_t r = 0; r < n && strcmp(status_columns[c].command, command) == 0; r++) {
                char *s = cell_of(json_array_get(rows, r), status_columns[c].key);
                width[c] = strlen(s) > width[c] ? strlen(s) : width[c];
                xfree(s);
            }
        }
        for (size_t r = 0; r <= n; r++) {
            for (size_t c = 0; c < ARRAY_LEN(status_columns); c++) {
                if (strcmp(status_columns[c].command, command) != 0)
                    continue;
                char *s = r == 0 ? xstrdup(status_columns[c].title) : cell_of(json_array_get(rows, r - 1), status_columns[c].key);
                printf("%-*s  ", (int)width[c], s);
                xfree(s);
            }
            printf("\n");
        }
    }
}

static int need_driver(const struct command_line *cl)
{
    if (cl->driver || strcmp(cl->command, "config") == 0)
        return 0;
    fprintf(stderr, "drover %s: which driver? Give --driver HOST:PORT\n", cl->command);
    return EXIT_USAGE;
}

int command_status(const struct command_line *cl)
{
    struct client *c;
    struct error err = ERROR_INIT;
    char *json;
    int rc = need_driver(cl);
    if (rc == 0)
        rc = open_client(cl, &c);
    if (rc != 0)
        return rc;
    if (client_status(c, cl->command, &json, &err) != 0) {
        rc = complain(cl->command, &err, NULL);
    } else {
        json_t *rows = cl->json ? NULL : json_loads(json, 0, NULL);
        if (rows)
            print_rows(cl->command, rows);
        else
            puts(json);
        json_decref(rows);
        xfree(json);
    }
    client_close(c);
    return rc;
}

int command_kill(const struct command_line *cl)
{
    struct client *c;
    struct error err = ERROR_INIT;
    bool found = false;
    char *end = NULL;
    int rc = need_driver(cl);
    uint64_t job = cl->arg_count == 1 ? strtoull(cl->args[0], &end, 10) : 0;
    if (rc == 0 && (cl->arg_count != 1 || *end)) {
        fprintf(stderr, "drover kill: give the number of a job; `drover jobs` lists them\n");
        rc = EXIT_USAGE;
    }
    if (rc == 0)
        rc = open_client(cl, &c);
    if (rc != 0)
        return rc;
    if (client_kill(c, job, &found, &err) != 0) {
        rc = complain("kill", &err, NULL);
    } else if (!found) {
        fprintf(stderr, "drover kill: no job %llu is running\n", (unsigned long long)job);
        rc = EXIT_FAILED;
    } else {
        printf("job %llu killed\n", (unsigned long long)job);
    }
    client_close(c);
    return rc;
}

/* ---- daemons ---- */

int command_driver(const struct command_line *cl)
{
    const char *web = cl->web ? cl->web : "127.0.0.1:4040";
    struct driver_config config = {.listen = cl->listen ? cl->listen : "127.0.0.1:7077", .secret_file = cl->secret_file, .announce = true,
                                   .conf_count = cl->conf_count, .confs = cl->confs,
                                   .web = strcmp(web, "none") == 0 ? NULL : web};
    return driver_main(&config);
}

int command_executor(const struct command_line *cl)
{
    if (!cl->driver) {
        fprintf(stderr, "drover executor: which driver? Give --driver HOST:PORT\n");
        return EXIT_USAGE;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct executor_config config = {.driver = cl->driver, .listen = cl->listen, .slots = cl->slots ? cl->slots : cores > 0 ? (uint32_t)cores : 1,
                                     .memory = cl->memory ? cl->memory : executor_default_memory(), .secret_file = cl->secret_file,
                                     .dir = cl->dir ? cl->dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                                     .embedded = cl->embedded, .announce = !cl->embedded};
    return executor_main(&config);
}
