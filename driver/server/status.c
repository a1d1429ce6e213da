/*
 * The paths of the REST API, in Spark's shapes: read straight from the scheduler's state, so they can neither lag nor
 * disagree; texts and attempts come from the history. One application a session. The commands' bare words (jobs, stages,
 * executors, config, connections) give the same lists over all sessions. Lists answer in one pass with bounded length.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/version.h"
#include "driver/server/status_impl.h"

struct request {
    struct driver *dr;
    const char *query;      /* after '?', or "" */
    struct app *app;        /* NULL: all */
    char part[3][80];       /* what stood for each star of the pattern */
    uint64_t number[3];     /* and its value where it is one */
    struct json j;
    char problem[160];      /* of a bad request */
};

enum { OK = 200, BAD = 400, MISSING = 404 };

static unsigned problem(struct request *rq, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
static unsigned problem(struct request *rq, unsigned status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(rq->problem, sizeof rq->problem, fmt, ap);
    va_end(ap);
    return status;
}

/* ---- the query part ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

/* The n-th value of a name, decoded and cut to cap; false: there are not so many. */
static bool parameter(const struct request *rq, const char *name, uint32_t nth, char *out, size_t cap)
{
    size_t bytes = strlen(name), used = 0;
    const char *p = rq->query;
    for (; *p; p += *p != 0) {
        if (strncmp(p, name, bytes) == 0 && p[bytes] == '=' && nth-- == 0)
            break;
        p += strcspn(p, "&");
    }
    if (!*p)
        return false;
    for (p += bytes + 1; *p && *p != '&' && used + 1 < cap; p++) {
        if (*p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            out[used++] = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        } else {
            out[used++] = *p == '+' ? ' ' : *p;
        }
    }
    out[used] = 0;
    return true;
}

static bool flag(const struct request *rq, const char *name)
{
    char v[8];
    return parameter(rq, name, 0, v, sizeof v) && str_eq_nocase(v, "true");
}

static bool number(struct request *rq, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret)
{
    char v[32], *end;
    *ret = fallback;
    if (!parameter(rq, name, 0, v, sizeof v))
        return true;
    uint64_t n = strtoull(v, &end, 10);
    if (*end || end == v || v[0] == '-') {
        problem(rq, BAD, "%s takes a number, not %.40s", name, v);
        return false;
    }
    *ret = n < max ? n : max;
    return true;
}

/* Whether a status is asked for by status=..., which may come several times; false in *ret_ok: one that is none. */
static bool wanted(struct request *rq, const char *status, const char *const *names, bool *ret_ok)
{
    char v[24];
    uint32_t i = 0;
    bool any = false, hit = false;
    for (; parameter(rq, "status", i, v, sizeof v); i++) {
        bool known = false;
        for (const char *const *n = names; *n; n++)
            known |= str_eq_nocase(v, *n);
        if (!known) {
            problem(rq, BAD, "there is no status %.20s", v);
            *ret_ok = false;
        }
        any = true;
        hit |= str_eq_nocase(v, status);
    }
    return !any || hit;
}

static const char *const job_names[] = {"RUNNING", "SUCCEEDED", "FAILED", "UNKNOWN", NULL};
static const char *const stage_names[] = {"ACTIVE", "COMPLETE", "FAILED", "PENDING", "SKIPPED", NULL};
static const char *const app_names[] = {"running", "completed", NULL};

/* Numbers from 0 to 1; *ret_count as many as given, Spark's five otherwise. */
static bool quantiles(struct request *rq, double *ret, uint32_t *ret_count)
{
    char v[200] = "0.05,0.25,0.5,0.75,0.95", *p = v;
    parameter(rq, "quantiles", 0, v, sizeof v);
    for (*ret_count = 0; *p && *ret_count < QUANTILES_MAX; p += *p == ',') {
        char *end;
        double q = strtod(p, &end);
        if (end == p || !(q >= 0 && q <= 1) || (*end && *end != ',')) {
            problem(rq, BAD, "quantiles takes numbers from 0 to 1, not %.40s", p);
            return false;
        }
        ret[(*ret_count)++] = q;
        p = end;
    }
    return true;
}

/* "2026-01-02" or "2026-01-02T03:04:05.678GMT" in microseconds; fallback when the parameter is not there. */
static bool date(struct request *rq, const char *name, int64_t fallback, int64_t *ret)
{
    char v[40];
    struct tm tm = {0};
    int millis = 0;
    *ret = fallback;
    if (!parameter(rq, name, 0, v, sizeof v))
        return true;
    const char *rest = strptime(v, "%Y-%m-%d", &tm);
    if (rest && *rest == 'T')
        rest = strptime(rest, "T%H:%M:%S", &tm);
    if (!rest) {
        problem(rq, BAD, "%s takes a date such as 2026-01-02 or 2026-01-02T03:04:05.678GMT, not %.30s", name, v);
        return false;
    }
    if (*rest == '.')
        millis = (int)strtol(rest + 1, NULL, 10);
    *ret = (int64_t)timegm(&tm) * 1000000 + millis * 1000;
    return true;
}

/* ---- applications ---- */

static unsigned get_version(struct request *rq)
{
    json_raw(&rq->j, NULL, "{\"spark\":\"" SPARK_VERSION "\",\"drover\":\"" DROVER_VERSION "\"}");
    return OK;
}

static unsigned get_applications(struct request *rq)
{
    int64_t from, to, end_from, end_to;
    uint64_t limit, n = 0;
    bool ok = true;
    wanted(rq, "", app_names, &ok);
    if (!ok || !number(rq, "limit", UINT32_MAX, UINT32_MAX, &limit) || !date(rq, "minDate", 0, &from) || !date(rq, "maxDate", INT64_MAX, &to) ||
        !date(rq, "minEndDate", 0, &end_from) || !date(rq, "maxEndDate", INT64_MAX, &end_to))
        return BAD;
    json_open(&rq->j, NULL, '[');
    for (const struct app *a = rq->dr->history->apps; a && n < limit; a = a->next) {
        bool in = a->started_us >= from && a->started_us <= to && (a->ended_us ? a->ended_us >= end_from && a->ended_us <= end_to : end_to == INT64_MAX);
        if (!wanted(rq, a->ended_us ? "completed" : "running", app_names, &ok) || !in)
            continue;
        status_app(a, &rq->j);
        n++;
    }
    json_close(&rq->j, ']');
    return OK;
}

static unsigned get_application(struct request *rq)
{
    status_app(rq->app, &rq->j);
    return OK;
}

static bool of_app(const struct request *rq, const struct statement *st)
{
    return !rq->app || st->app == rq->app;
}

/* ---- jobs ---- */

static unsigned get_jobs(struct request *rq)
{
    const struct history *h = rq->dr->history;
    uint64_t limit, n = 0;
    bool ok = true;
    wanted(rq, "", job_names, &ok);
    if (!ok || !number(rq, "limit", UINT32_MAX, UINT32_MAX, &limit))
        return BAD;
    json_open(&rq->j, NULL, '[');
    for (uint32_t i = h->count; i-- > 0 && n < limit;) {
        struct job_view v;
        const struct statement *st = h->statements[i];
        if (!of_app(rq, st) || !st->stage_count || !sched_job_view(rq->dr->sched, st->number, &v) ||
            !wanted(rq, job_status(v.state), job_names, &ok))
            continue;
        n += status_job(rq->dr, st, &rq->j);
    }
    json_close(&rq->j, ']');
    return OK;
}

static unsigned get_job(struct request *rq)
{
    const struct statement *st = history_find(rq->dr->history, rq->number[1]);
    if (!st || !of_app(rq, st) || !status_job(rq->dr, st, &rq->j))
        return problem(rq, MISSING, "unknown job: %s", rq->part[1]);
    return OK;
}

/* ---- stages ---- */

static bool stage_options(struct request *rq, double *q, struct stage_options *ret)
{
    *ret = (struct stage_options){.details = flag(rq, "details"), .summaries = flag(rq, "withSummaries"), .quantiles = q};
    return quantiles(rq, q, &ret->quantile_count);
}

static unsigned get_stages(struct request *rq)
{
    const struct history *h = rq->dr->history;
    struct stage_options opt;
    double q[QUANTILES_MAX];
    uint64_t limit, n = 0;
    bool ok = true;
    wanted(rq, "", stage_names, &ok);
    if (!ok || !number(rq, "limit", UINT32_MAX, UINT32_MAX, &limit) || !stage_options(rq, q, &opt))
        return BAD;
    json_open(&rq->j, NULL, '[');
    for (uint32_t i = h->count; i-- > 0;) {
        const struct statement *st = h->statements[i];
        struct job_view job;
        if (!of_app(rq, st) || !st->stage_count || !sched_job_view(rq->dr->sched, st->number, &job))
            continue;
        for (uint32_t s = st->stage_count; s-- > 0 && n < limit;) {
            struct stage_view v;
            if (sched_stage_view(rq->dr->sched, st->number, s, &v) && wanted(rq, stage_status(&job, &v), stage_names, &ok))
                n += status_stage(rq->dr, st, s, &opt, &rq->j);
        }
    }
    json_close(&rq->j, ']');
    return OK;
}

static const struct statement *find_stage(struct request *rq, uint32_t *ret_index)
{
    const struct statement *st = history_find_stage(rq->dr->history, rq->number[1], ret_index);
    if (!st || !of_app(rq, st)) {
        problem(rq, MISSING, "unknown stage: %s", rq->part[1]);
        return NULL;
    }
    if (rq->part[2][0] && rq->number[2] != 0) {
        problem(rq, MISSING, "unknown attempt for stage %s. Found attempts: [0]", rq->part[1]);
        return NULL;
    }
    return st;
}

/* All attempts at a stage: there is one, whose lost outputs are made again within it. */
static unsigned get_stage(struct request *rq)
{
    uint32_t index;
    struct stage_options opt;
    double q[QUANTILES_MAX];
    bool list = rq->part[2][0] == 0;
    const struct statement *st = find_stage(rq, &index);
    if (!st)
        return MISSING;
    if (!stage_options(rq, q, &opt))
        return BAD;
    opt.details |= !flag(rq, "details") && !parameter(rq, "details", 0, rq->part[0], sizeof rq->part[0]);
    if (list)
        json_open(&rq->j, NULL, '[');
    bool there = status_stage(rq->dr, st, index, &opt, &rq->j);
    if (list)
        json_close(&rq->j, ']');
    return there ? OK : problem(rq, MISSING, "stage %s is not known any more", rq->part[1]);
}

/* The page knows a stage's number alone. */
static unsigned get_any_stage(struct request *rq)
{
    memcpy(rq->part[1], rq->part[0], sizeof rq->part[1]);
    rq->number[1] = rq->number[0];
    rq->part[2][0] = 0;
    uint32_t index;
    const struct stage_options plain = {0};
    const struct statement *st = find_stage(rq, &index);
    if (!st)
        return MISSING;
    json_open(&rq->j, NULL, '[');
    bool there = status_stage(rq->dr, st, index, &plain, &rq->j);
    json_close(&rq->j, ']');
    return there ? OK : problem(rq, MISSING, "stage %s is not known any more", rq->part[1]);
}

static unsigned get_task_summary(struct request *rq)
{
    uint32_t index, count;
    double q[QUANTILES_MAX];
    const struct statement *st = find_stage(rq, &index);
    if (!st)
        return MISSING;
    if (!quantiles(rq, q, &count))
        return BAD;
    json_open(&rq->j, NULL, '{');
    status_task_summary(&st->stages[index], q, count, &rq->j);
    json_close(&rq->j, '}');
    return OK;
}

static unsigned get_task_list(struct request *rq)
{
    uint32_t index, n = 0;
    uint64_t offset, length;
    char sort[24] = "ID", status[24] = "";
    const struct statement *st = find_stage(rq, &index);
    if (!st)
        return MISSING;
    if (!number(rq, "offset", 0, UINT32_MAX, &offset) || !number(rq, "length", 20, TASK_LIST_MAX, &length))
        return BAD;
    parameter(rq, "sortBy", 0, sort, sizeof sort);
    parameter(rq, "status", 0, status, sizeof status);
    /* as in Spark: ID, runtime, -runtime, or their long names */
    bool up = str_has_suffix(sort, "runtime") || str_eq_nocase(sort, "INCREASING_RUNTIME"), down = sort[0] == '-' || str_eq_nocase(sort, "DECREASING_RUNTIME");
    const struct stage_record *sr = &st->stages[index];
    uint64_t *order = xmalloc((sr->task_records + 1) * sizeof *order); /* what is sorted by, and the record's index */
    for (uint32_t i = 0; i < sr->task_records; i++) {
        const struct task_record *t = &sr->tasks[i];
        if (!*status || str_eq_nocase(status, task_status(t)))
            order[n++] = (up || down ? (uint64_t)duration_ms(t->launched_us, t->ended_us) << 32 : 0) | i;
    }
    sort_u64(order, n);
    json_open(&rq->j, NULL, '[');
    for (uint64_t i = offset; i < n && i < offset + length; i++)
        status_task(rq->dr, st, sr, &sr->tasks[(uint32_t)order[down ? n - 1 - i : i]], &rq->j);
    json_close(&rq->j, ']');
    xfree(order);
    return OK;
}

/* ---- the rest ---- */

static unsigned executors(struct request *rq, bool all)
{
    struct executor_view v;
    json_open(&rq->j, NULL, '[');
    for (uint32_t i = 0; sched_executor_at(rq->dr->sched, i, &v); i++) {
        if (all || v.state == EXECUTOR_LIVE)
            status_executor(rq->dr, &v, &rq->j);
    }
    json_close(&rq->j, ']');
    return OK;
}

static unsigned get_executors(struct request *rq)
{
    return executors(rq, false);
}

static unsigned get_all_executors(struct request *rq)
{
    return executors(rq, true);
}

static unsigned get_environment(struct request *rq)
{
    status_environment(rq->dr, rq->app, &rq->j);
    return OK;
}

static unsigned get_config(struct request *rq)
{
    status_settings(&rq->j);
    return OK;
}

/* Counters of the driver's own connections. */
static unsigned get_connections(struct request *rq)
{
    rpc_counters_json(&rq->dr->rpc, rq->j.out);
    return OK;
}

static unsigned get_metrics(struct request *rq)
{
    status_metrics(rq->dr, rq->j.out);
    return OK;
}

static unsigned get_nothing(struct request *rq)
{
    json_raw(&rq->j, NULL, "[]");
    return OK;
}

static unsigned get_sql(struct request *rq)
{
    const struct history *h = rq->dr->history;
    uint64_t offset, length;
    char v[8];
    bool plan = !parameter(rq, "planDescription", 0, v, sizeof v) || str_eq_nocase(v, "true");
    bool details = !parameter(rq, "details", 0, v, sizeof v) || str_eq_nocase(v, "true");
    if (!number(rq, "offset", 0, UINT32_MAX, &offset) || !number(rq, "length", 20, UINT32_MAX, &length))
        return BAD;
    json_open(&rq->j, NULL, '[');
    for (uint32_t i = 0; i < h->count && length; i++) {
        if (!of_app(rq, h->statements[i]) || (offset && offset--))
            continue;
        status_sql(rq->dr, h->statements[i], details, plan, &rq->j);
        length--;
    }
    json_close(&rq->j, ']');
    return OK;
}

static unsigned get_one_sql(struct request *rq)
{
    const struct statement *st = history_find(rq->dr->history, rq->number[1]);
    if (!st || !of_app(rq, st))
        return problem(rq, MISSING, "unknown query execution id: %s", rq->part[1]);
    status_sql(rq->dr, st, true, true, &rq->j);
    return OK;
}

/* ---- what the page asks for: one consistent answer a look ---- */

static void samples(struct request *rq)
{
    const struct history *h = rq->dr->history;
    struct json *j = &rq->j;
    json_open(j, "samples", '[');
    for (uint32_t i = 0; i < h->sample_count; i++) {
        const struct history_sample *s = &h->samples[(h->sample_next + HISTORY_SAMPLES - h->sample_count + i) % HISTORY_SAMPLES];
        json_open(j, NULL, '[');
        json_i64(j, NULL, s->at_us / 1000);
        json_u64(j, NULL, s->slots);
        json_u64(j, NULL, s->running);
        json_u64(j, NULL, s->memory);
        json_u64(j, NULL, s->memory_used);
        json_u64(j, NULL, s->resident);
        json_u64(j, NULL, s->tasks);
        json_u64(j, NULL, s->rows_in);
        json_u64(j, NULL, s->bytes_in);
        json_u64(j, NULL, s->shuffle_bytes_in);
        json_close(j, ']');
    }
    json_close(j, ']');
}

/* A statement in a line: a job as in /jobs, or one that the driver answered or refused without a job. */
static void statement_line(struct request *rq, const struct statement *st)
{
    static const char *const states[] = {"RUNNING", "SUCCEEDED", "FAILED"};
    struct json *j = &rq->j;
    if (status_job(rq->dr, st, j))
        return;
    json_open(j, NULL, '{');
    json_u64(j, "jobId", st->number);
    json_text(j, "name", st->sql);
    json_text(j, "status", states[st->state]);
    json_time(j, "submissionTime", st->started_us);
    json_time(j, "completionTime", st->ended_us);
    json_i64(j, "durationMs", duration_ms(st->started_us, st->ended_us));
    json_raw(j, NULL, "\"stageIds\":[],\"numTasks\":0,\"numActiveTasks\":0,\"numCompletedTasks\":0,\"numFailedTasks\":0,\"inputRecords\":0");
    json_u64(j, "resultRecords", st->rows);
    json_bool(j, "cancelled", st->cancelled);
    json_text(j, "applicationId", st->app->id);
    if (st->error)
        json_text(j, "error", st->error);
    json_close(j, '}');
}

static void frame_of_page(struct request *rq)
{
    struct json *j = &rq->j;
    json_wall(j, "now", clock_wall_us());
    json_wall(j, "started", rq->dr->started_us);
    json_text(j, "driver", listener_address(rq->dr->listener));
}

/* What the head of every page says, for those that ask for nothing else of the driver itself. */
static unsigned get_driver(struct request *rq)
{
    json_open(&rq->j, NULL, '{');
    frame_of_page(rq);
    json_close(&rq->j, '}');
    return OK;
}

static unsigned get_overview(struct request *rq)
{
    const struct history *h = rq->dr->history;
    const struct stage_options plain = {0};
    struct json *j = &rq->j;
    uint64_t limit, n = 0, apps = 0, running = 0, failed = 0, cancelled = 0;
    if (!number(rq, "limit", 50, HISTORY_STATEMENTS, &limit))
        return BAD;
    bool all = flag(rq, "all"); /* also what the driver answered without a job */
    for (const struct app *a = h->apps; a; a = a->next)
        apps += a->ended_us == 0;
    json_open(j, NULL, '{');
    frame_of_page(rq);
    json_u64(j, "sessions", apps);
    json_open(j, "jobs", '[');
    for (uint32_t i = h->count; i-- > 0;) {
        const struct statement *st = h->statements[i];
        running += st->state == STATEMENT_RUNNING;
        failed += st->state == STATEMENT_FAILED && !st->cancelled;
        cancelled += st->cancelled;
        bool shown = all || st->stage_count || st->state != STATEMENT_DONE;
        if (shown && (n < limit || st->state == STATEMENT_RUNNING)) {
            statement_line(rq, st);
            n++;
        }
    }
    json_close(j, ']');
    json_u64(j, "statements", h->count);
    json_u64(j, "running", running);
    json_u64(j, "failed", failed);
    json_u64(j, "cancelled", cancelled);
    json_open(j, "stages", '[');
    for (uint32_t i = h->count, left = 40; i-- > 0;) {
        const struct statement *st = h->statements[i];
        for (uint32_t s = 0; st->state == STATEMENT_RUNNING && s < st->stage_count && left; s++, left--)
            status_stage(rq->dr, st, s, &plain, j);
    }
    json_close(j, ']');
    json_key(j, "executors");
    executors(rq, true);
    samples(rq);
    json_close(j, '}');
    return OK;
}

static unsigned get_job_page(struct request *rq)
{
    const struct stage_options plain = {0};
    struct json *j = &rq->j;
    const struct statement *st = history_find(rq->dr->history, rq->number[0]);
    if (!st)
        return problem(rq, MISSING, "unknown job: %s", rq->part[0]);
    json_open(j, NULL, '{');
    frame_of_page(rq);
    json_key(j, "job");
    statement_line(rq, st);
    json_text(j, "user", st->app->user);
    json_open(j, "stages", '[');
    for (uint32_t i = 0; i < st->stage_count; i++)
        status_stage(rq->dr, st, i, &plain, j);
    json_close(j, ']');
    /* [stage, partition, executor, outcome, start ms, end ms] of the first attempts of each stage, for the timeline */
    json_open(j, "attempts", '[');
    for (uint32_t s = 0; s < st->stage_count; s++) {
        const struct stage_record *sr = &st->stages[s];
        for (uint32_t i = 0; i < sr->task_records && i < TASK_LIST_MAX / st->stage_count + 1; i++) {
            const struct task_record *t = &sr->tasks[i];
            int64_t end = t->ended_us ? t->ended_us : clock_mono_us(), run = (int64_t)t->run_us;
            int64_t start = t->ended_us && run && end - run > t->launched_us ? end - run : t->launched_us;
            json_open(j, NULL, '[');
            json_u64(j, NULL, sr->id);
            json_u64(j, NULL, t->partition);
            json_u64(j, NULL, t->executor_id);
            json_u64(j, NULL, t->outcome);
            json_double(j, NULL, (double)(start - st->started_us) / 1000);
            json_double(j, NULL, (double)(end - st->started_us) / 1000);
            json_close(j, ']');
        }
    }
    json_close(j, ']');
    json_key(j, "executors");
    executors(rq, true);
    json_close(j, '}');
    return OK;
}

/* ---- routes ---- */

/* '*' takes one part; the first of "applications/ * /..." must be an application's id. '#' takes a number. */
static const struct route {
    const char *pattern;
    unsigned (*get)(struct request *rq);
} routes[] = {
    {"version", get_version},
    {"applications", get_applications},
    {"applications/*", get_application},
    {"applications/*/jobs", get_jobs},
    {"applications/*/jobs/#", get_job},
    {"applications/*/stages", get_stages},
    {"applications/*/stages/#", get_stage},
    {"applications/*/stages/#/#", get_stage},
    {"applications/*/stages/#/#/taskSummary", get_task_summary},
    {"applications/*/stages/#/#/taskList", get_task_list},
    {"applications/*/executors", get_executors},
    {"applications/*/allexecutors", get_all_executors},
    {"applications/*/environment", get_environment},
    {"applications/*/sql", get_sql},
    {"applications/*/sql/#", get_one_sql},
    {"applications/*/storage/rdd", get_nothing},
    {"jobs", get_jobs},
    {"stages", get_stages},
    {"stages/#", get_any_stage},
    {"executors", get_all_executors},
    {"config", get_config},
    {"driver", get_driver},
    {"connections", get_connections},
    {"metrics/prometheus", get_metrics},
    {"overview", get_overview},
    {"overview/#", get_job_page},
};

static bool match(struct request *rq, const char *pattern, const char *path)
{
    uint32_t n = 0;
    memset(rq->part, 0, sizeof rq->part);
    while (*pattern && *path) {
        if (*pattern != '*' && *pattern != '#') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t bytes = strcspn(path, "/");
        char *end;
        if (bytes == 0 || bytes >= sizeof rq->part[n])
            return false;
        memcpy(rq->part[n], path, bytes);
        rq->number[n] = strtoull(rq->part[n], &end, 10);
        if (*pattern == '#' && (*end || !isdigit((unsigned char)path[0])))
            return false;
        n++;
        pattern++;
        path += bytes;
    }
    return *pattern == 0 && *path == 0;
}

static unsigned answer(struct request *rq, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (!match(rq, routes[i].pattern, path))
            continue;
        if (str_has_prefix(routes[i].pattern, "applications/")) {
            rq->app = rq->dr->history->apps;
            while (rq->app && strcmp(rq->app->id, rq->part[0]) != 0)
                rq->app = rq->app->next;
            if (!rq->app)
                return problem(rq, MISSING, "no such app: %s", rq->part[0]);
        }
        return routes[i].get(rq);
    }
    return problem(rq, MISSING, "no such path");
}

unsigned status_json(struct driver *dr, const char *path, struct buf *out)
{
    char plain[400];
    if (path[0] == '/')
        path++;
    if (str_has_prefix(path, "api/v1/"))
        path += 7;
    size_t bytes = strcspn(path, "?");
    struct request rq = {.dr = dr, .query = path[bytes] ? path + bytes + 1 : "", .j = {.out = out}};
    while (bytes && path[bytes - 1] == '/')
        bytes--;
    snprintf(plain, sizeof plain, "%.*s", (int)(bytes < sizeof plain ? bytes : sizeof plain - 1), path);
    size_t before = out->bytes;
    unsigned status = answer(&rq, plain);
    if (status == OK)
        return OK;
    out->bytes = before;
    rq.j.comma = false;
    json_open(&rq.j, NULL, '{');
    json_u64(&rq.j, "status", status);
    json_text(&rq.j, "error", rq.problem);
    json_close(&rq.j, '}');
    return status;
}
