/* The commands that look at a driver and act on it: jobs, stages, executors, config, kill. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/run.h"
#include "common/config/settings.h"
#include "driver/sql/parser.h"

enum cell_kind { CELL_TEXT, CELL_COUNT, CELL_BYTES, CELL_MS, CELL_STATE, CELL_SQL };

/* What a table shows, in the order of the columns; the last column of a command takes the room that is left. */
static const struct status_column {
    const char *command, *key, *title;
    enum cell_kind kind;
} status_columns[] = {
    {"jobs", "jobId", "JOB", CELL_COUNT},
    {"jobs", "status", "STATE", CELL_STATE},
    {"jobs", "numCompletedTasks", "DONE", CELL_COUNT},
    {"jobs", "numActiveTasks", "RUNNING", CELL_COUNT},
    {"jobs", "numTasks", "TASKS", CELL_COUNT},
    {"jobs", "numFailedTasks", "FAILED", CELL_COUNT},
    {"jobs", "inputRecords", "ROWS READ", CELL_COUNT},
    {"jobs", "durationMs", "TIME", CELL_MS},
    {"jobs", "name", "STATEMENT", CELL_SQL},
    {"stages", "jobId", "JOB", CELL_COUNT},
    {"stages", "stageOfJob", "STAGE", CELL_COUNT},
    {"stages", "status", "STATE", CELL_STATE},
    {"stages", "numCompleteTasks", "DONE", CELL_COUNT},
    {"stages", "numActiveTasks", "RUNNING", CELL_COUNT},
    {"stages", "numTasks", "TASKS", CELL_COUNT},
    {"stages", "numFailedTasks", "FAILED", CELL_COUNT},
    {"stages", "inputRecords", "ROWS READ", CELL_COUNT},
    {"stages", "shuffleReadBytes", "FETCHED", CELL_BYTES},
    {"stages", "shuffleWriteBytes", "LEFT", CELL_BYTES},
    {"stages", "durationMs", "TIME", CELL_MS},
    {"stages", "name", "WHAT IT DOES", CELL_TEXT},
    {"executors", "id", "ID", CELL_TEXT},
    {"executors", "isActive", "STATE", CELL_STATE},
    {"executors", "hostPort", "ADDRESS", CELL_TEXT},
    {"executors", "pid", "PID", CELL_TEXT},
    {"executors", "totalCores", "SLOTS", CELL_COUNT},
    {"executors", "activeTasks", "RUNNING", CELL_COUNT},
    {"executors", "completedTasks", "DONE", CELL_COUNT},
    {"executors", "failedTasks", "FAILED", CELL_COUNT},
    {"executors", "memoryUsed", "DATA", CELL_BYTES},
    {"executors", "maxMemory", "OF", CELL_BYTES},
    {"executors", "residentBytes", "RESIDENT", CELL_BYTES},
    {"executors", "removeReason", "HOW IT WAS LOST", CELL_TEXT},
    {"config", "key", "SETTING", CELL_TEXT},
    {"config", "default", "DEFAULT", CELL_TEXT},
    {"config", "meaning", "MEANING", CELL_TEXT},
};

static const char *state_word(const json_t *v)
{
    static const char *const words[][2] = {{"SUCCEEDED", "done"}, {"COMPLETE", "done"}, {"RUNNING", "running"}, {"ACTIVE", "running"},
                                           {"FAILED", "failed"}, {"PENDING", "waiting"}, {"SKIPPED", "not run"}};
    if (json_is_boolean(v))
        return json_is_true(v) ? "live" : "lost";
    const char *s = json_string_value(v);
    for (size_t i = 0; s && i < ARRAY_LEN(words); i++) {
        if (strcmp(s, words[i][0]) == 0)
            return words[i][1];
    }
    return s ? s : "";
}

static char *bytes_text(double n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t u = 0;
    for (; n >= 1024 && u + 1 < ARRAY_LEN(units); u++)
        n /= 1024;
    return xasprintf(u ? "%.1f %s" : "%.0f %s", n, units[u]);
}

static char *time_text(double ms)
{
    if (ms < 1000)
        return xasprintf("%.0f ms", ms);
    if (ms < 60000)
        return xasprintf("%.2f s", ms / 1000);
    return xasprintf("%.0f min %02.0f s", (double)(int)(ms / 60000), (double)((int)(ms / 1000) % 60));
}

/* A text in one line. */
static char *flat(const char *s)
{
    struct buf out = BUF_INIT;
    bool space = false;
    for (; *s; s++) {
        bool blank = (unsigned char)*s <= ' ';
        if (!blank && space && out.bytes)
            buf_addc(&out, ' ');
        if (!blank)
            buf_addc(&out, *s);
        space = blank;
    }
    return out.data ? buf_steal(&out) : xstrdup("");
}

/* A statement in one line, without the comments before it. */
static char *statement_text(const char *sql)
{
    bool open;
    return flat(sql + sql_skip_blank(sql, 0, &open));
}

static char *cell_of(const json_t *row, const struct status_column *col)
{
    const json_t *v = json_object_get(row, col->key);
    double n = json_is_number(v) ? json_number_value(v) : 0;
    switch (col->kind) {
    case CELL_STATE: return xstrdup(state_word(v));
    case CELL_BYTES: return bytes_text(n);
    case CELL_MS: return time_text(n);
    case CELL_SQL: return statement_text(json_is_string(v) ? json_string_value(v) : "");
    case CELL_COUNT:
    case CELL_TEXT: break;
    }
    return json_is_string(v) ? flat(json_string_value(v)) : json_is_integer(v) ? xasprintf("%lld", (long long)json_integer_value(v)) : xstrdup("");
}

static void put_cell(const char *s, uint32_t width, bool right, bool last)
{
    uint32_t w = text_width(s, strlen(s)), pad = w < width ? width - w : 0;
    if (right)
        printf("%*s", (int)pad, "");
    fputs(s, stdout);
    if (!last)
        printf("%*s  ", right ? 0 : (int)pad, "");
}

/* Cuts s to width columns. */
static void cut(char *s, uint32_t width)
{
    size_t bytes = strlen(s);
    if (text_width(s, bytes) <= width || width < 4)
        return;
    while (bytes && text_width(s, bytes) > width - 3) {
        bytes--;
        while (bytes && ((unsigned char)s[bytes] & 0xC0) == 0x80)
            bytes--;
    }
    memcpy(s + bytes, "...", 4); /* what it cuts off is at least as long, or the text would have fitted */
}

static void print_rows(const char *command, const json_t *rows)
{
    const struct status_column *cols[ARRAY_LEN(status_columns)];
    uint32_t width[ARRAY_LEN(status_columns)], n = 0, used = 0, screen = terminal_width(STDOUT_FILENO);
    size_t count = json_array_size(rows);
    for (size_t i = 0; i < ARRAY_LEN(status_columns); i++) {
        if (strcmp(status_columns[i].command, command) == 0)
            cols[n++] = &status_columns[i];
    }
    char **cells = xcalloc((count + 1) * n, sizeof *cells);
    for (uint32_t c = 0; c < n; c++) {
        cells[c] = xstrdup(cols[c]->title);
        width[c] = text_width(cells[c], strlen(cells[c]));
        for (size_t r = 0; r < count; r++) {
            char *s = cells[(r + 1) * n + c] = cell_of(json_array_get(rows, r), cols[c]);
            uint32_t w = text_width(s, strlen(s));
            width[c] = w > width[c] ? w : width[c];
        }
        used += c + 1 < n ? width[c] + 2 : 0;
    }
    uint32_t left = screen > used + 12 ? screen - used : 12;
    for (size_t i = 0; i < (count + 1) * n; i++) {
        uint32_t c = (uint32_t)(i % n);
        if (screen && c + 1 == n)
            cut(cells[i], left);
        put_cell(cells[i], width[c], cols[c]->kind == CELL_COUNT || cols[c]->kind == CELL_BYTES || cols[c]->kind == CELL_MS, c + 1 == n);
        if (c + 1 == n)
            putchar('\n');
        xfree(cells[i]);
    }
    xfree(cells);
}

/* The rows of one job. */
static json_t *of_job(json_t *rows, uint64_t job)
{
    json_t *out = json_array();
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        if ((uint64_t)json_integer_value(json_object_get(row, "jobId")) == job)
            json_array_append(out, row);
    }
    json_decref(rows);
    return out;
}

static int need_driver(const struct command_line *cl)
{
    if (cl->driver)
        return 0;
    fprintf(stderr, "drover %s: which driver? Give --driver HOST:PORT\n", cl->command);
    return EXIT_USAGE;
}

static int job_number(const struct command_line *cl, uint32_t arg, uint64_t *ret)
{
    char *end;
    *ret = strtoull(cl->args[arg], &end, 10);
    if (*end == 0 && end != cl->args[arg] && cl->args[arg][0] != '-')
        return 0;
    fprintf(stderr, "drover %s: %s is not the number of a job; `drover jobs` lists them\n", cl->command, cl->args[arg]);
    return EXIT_USAGE;
}

static int no_job(const struct command_line *cl, uint64_t job)
{
    fprintf(stderr, "drover %s: the driver knows no job %llu; `drover jobs` lists them\n", cl->command, (unsigned long long)job);
    return EXIT_FAILED;
}

/* Settings need no driver: they are a table of this binary. */
static json_t *own_settings(void)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < setting_count; i++)
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s}", "key", setting_rows[i].key, "default", setting_rows[i].fallback, "meaning",
                                              setting_rows[i].doc));
    return rows;
}

static int ask_driver(const struct command_line *cl, json_t **ret)
{
    struct client *c;
    struct error err = ERROR_INIT;
    char *json;
    unsigned status;
    int rc = open_client(cl, false, &c);
    if (rc != 0)
        return rc;
    if (client_status(c, cl->command, &status, &json, &err) != 0) {
        rc = complain(cl->command, &err, NULL);
    } else {
        *ret = json_loads(json, 0, NULL);
        if (status != 200 || !*ret) {
            fprintf(stderr, "drover %s: the driver answers %s\n", cl->command, json);
            rc = EXIT_FAILED;
        }
        xfree(json);
    }
    client_close(c);
    return rc;
}

/* Takes doc. */
static void put_json(json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(doc);
}

int command_status(const struct command_line *cl)
{
    bool config = strcmp(cl->command, "config") == 0, by_job = strcmp(cl->command, "jobs") == 0 || strcmp(cl->command, "stages") == 0;
    json_t *rows = NULL;
    uint64_t job = 0;
    if (cl->arg_count > (by_job ? 1 : 0)) {
        fprintf(stderr, "drover %s: what is %s?\n", cl->command, cl->args[by_job ? 1 : 0]);
        return EXIT_USAGE;
    }
    int rc = cl->arg_count ? job_number(cl, 0, &job) : 0;
    if (rc == 0 && config && !cl->driver)
        rows = own_settings();
    else if (rc == 0)
        rc = need_driver(cl);
    if (rc == 0 && !rows)
        rc = ask_driver(cl, &rows);
    if (rc == 0 && cl->arg_count) {
        rows = of_job(rows, job);
        rc = json_array_size(rows) ? 0 : no_job(cl, job);
    }
    if (rc == 0 && cl->json) {
        put_json(json_incref(rows));
    } else if (rc == 0) {
        print_rows(cl->command, rows);
    }
    json_decref(rows);
    return rc;
}

int command_kill(const struct command_line *cl)
{
    struct client *c;
    struct error err = ERROR_INIT;
    uint64_t job;
    int rc = need_driver(cl);
    if (rc == 0 && cl->arg_count == 0) {
        fprintf(stderr, "drover kill: give the number of a job; `drover jobs` lists them\n");
        rc = EXIT_USAGE;
    }
    for (uint32_t i = 0; rc == 0 && i < cl->arg_count; i++)
        rc = job_number(cl, i, &job);
    if (rc == 0)
        rc = open_client(cl, false, &c);
    if (rc != 0)
        return rc;
    json_t *killed = json_array();
    for (uint32_t i = 0; i < cl->arg_count; i++) {
        bool found = false;
        job_number(cl, i, &job);
        if (client_kill(c, job, &found, &err) != 0) {
            rc = complain("kill", &err, NULL);
            break;
        }
        if (found && cl->json)
            json_array_append_new(killed, json_integer((json_int_t)job));
        else if (found)
            printf("job %llu killed\n", (unsigned long long)job);
        else
            fprintf(stderr, "drover kill: no job %llu is running\n", (unsigned long long)job);
        rc = found ? rc : EXIT_FAILED;
    }
    if (cl->json)
        put_json(json_pack("{s:O}", "killed", killed));
    json_decref(killed);
    client_close(c);
    return rc;
}
