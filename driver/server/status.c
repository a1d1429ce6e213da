/*
 * What runs, as JSON in the shapes of Spark's REST API: read straight from the scheduler's state, so it can
 * neither lag nor disagree. One application a session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "driver/server/driver_impl.h"

static void add_time(struct buf *out, const char *key, int64_t mono_us)
{
    if (mono_us == 0)
        return;
    int64_t wall = clock_wall_us() - (clock_mono_us() - mono_us);
    time_t t = (time_t)(wall / 1000000);
    struct tm tm;
    char text[40];
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_addf(out, ",\"%s\":\"%s.%03dGMT\"", key, text, (int)(wall / 1000 % 1000));
}

static void add_text(struct buf *out, const char *key, const char *value)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add_json(out, value, strlen(value));
}

static const char *job_status(enum job_state s)
{
    return s == JOB_DONE ? "SUCCEEDED" : s == JOB_FAILED ? "FAILED" : "RUNNING";
}

static void add_error(struct buf *out, const char *key, const struct error *err)
{
    struct buf text = BUF_INIT;
    if (err->code == ERR_OK)
        return;
    error_format(err, &text);
    add_text(out, key, text.data);
    buf_fini(&text);
}

static void add_job(struct driver *dr, const struct job_view *v, struct buf *out)
{
    struct operation *op = driver_find_job(dr, v->job_id);
    uint64_t tasks = 0, done = 0, running = 0, failed = 0;
    uint32_t active = 0, complete = 0;
    buf_addf(out, "{\"jobId\":%llu,\"status\":\"%s\"", (unsigned long long)v->job_id, job_status(v->state));
    buf_adds(out, ",\"stageIds\":[");
    for (uint32_t i = 0; i < v->stage_count; i++) {
        struct stage_view st;
        sched_stage_view(dr->sched, v->job_id, i, &st);
        tasks += st.tasks;
        done += st.done;
        running += st.running;
        failed += st.failed_attempts;
        active += st.state == STAGE_RUNNING;
        complete += st.state == STAGE_COMPLETE;
        buf_addf(out, "%s%u", i ? "," : "", i);
    }
    buf_adds(out, "]");
    add_text(out, "name", op ? op->sql : "");
    add_text(out, "description", op ? op->sql : "");
    add_time(out, "submissionTime", v->submitted_us);
    add_time(out, "completionTime", v->ended_us);
    buf_addf(out, ",\"numTasks\":%llu,\"numCompletedTasks\":%llu,\"numActiveTasks\":%llu,\"numFailedTasks\":%llu,\"numActiveStages\":%u,\"numCompletedStages\":%u,\"durationMs\":%lld",
             (unsigned long long)tasks, (unsigned long long)done, (unsigned long long)running, (unsigned long long)failed, active, complete,
             (long long)((v->ended_us ? v->ended_us : clock_mono_us()) - v->submitted_us) / 1000);
    add_error(out, "error", v->error);
    buf_addc(out, '}');
}

static void add_stage(struct driver *dr, uint64_t job_id, uint32_t index, struct buf *out)
{
    static const char *const states[] = {"PENDING", "ACTIVE", "COMPLETE"};
    struct stage_view v;
    if (!sched_stage_view(dr->sched, job_id, index, &v))
        return;
    struct operation *op = driver_find_job(dr, job_id);
    buf_addf(out, "{\"jobId\":%llu,\"stageId\":%u,\"attemptId\":0,\"status\":\"%s\",\"numTasks\":%u,\"numActiveTasks\":%u,\"numCompleteTasks\":%u,\"numFailedTasks\":%u,\"numAttempts\":%u",
             (unsigned long long)job_id, index, states[v.state], v.tasks, v.running, v.done, v.failed_attempts, v.attempts);
    buf_addf(out, ",\"inputBytes\":%llu,\"inputRecords\":%llu,\"outputBytes\":%llu,\"outputRecords\":%llu,\"shuffleReadBytes\":%llu,\"shuffleWriteBytes\":%llu,"
              "\"shuffleWriteRecords\":%llu,\"executorRunTime\":%llu,\"peakExecutionMemory\":%llu",
             (unsigned long long)v.bytes_in, (unsigned long long)v.rows_in, (unsigned long long)(v.writes ? v.bytes_out : 0),
             (unsigned long long)(v.writes ? v.rows_out : 0), (unsigned long long)v.shuffle_bytes_in,
             (unsigned long long)(v.result || v.writes ? 0 : v.bytes_out), (unsigned long long)(v.result || v.writes ? 0 : v.rows_out),
             (unsigned long long)v.run_us / 1000, (unsigned long long)v.peak_memory);
    add_time(out, "submissionTime", v.started_us);
    add_time(out, "completionTime", v.ended_us);
    buf_addf(out, ",\"durationMs\":%lld", v.started_us ? (long long)((v.ended_us ? v.ended_us : clock_mono_us()) - v.started_us) / 1000 : 0);
    const char *name = "";
    if (op && op->dag && index < op->dag->stage_count) {
        const struct pnode *n = op->dag->stages[index].plan.root;
        while (n->input_count)
            n = n->inputs[0];
        name = pnode_kind_name(n->kind);
    }
    add_text(out, "name", name);
    add_text(out, "description", op ? op->sql : "");
    buf_addc(out, '}');
}

static void add_executor(struct driver *dr, const struct executor_view *v, struct buf *out)
{
    struct exec *x = v->executor_id >= 1 && v->executor_id <= dr->exec_count ? dr->execs[v->executor_id - 1] : NULL;
    buf_addf(out, "{\"id\":\"%llu\",\"isActive\":%s,\"totalCores\":%u,\"maxTasks\":%u,\"activeTasks\":%u,\"completedTasks\":%llu,\"failedTasks\":%llu,\"totalTasks\":%llu",
             (unsigned long long)v->executor_id, v->state == EXECUTOR_LIVE ? "true" : "false", v->slots, v->slots, v->running,
             (unsigned long long)v->done, (unsigned long long)v->failed, (unsigned long long)(v->done + v->failed + v->running));
    add_text(out, "hostPort", x ? x->address : v->host);
    add_text(out, "host", v->host);
    buf_addf(out, ",\"maxMemory\":%llu,\"memoryUsed\":%llu,\"residentBytes\":%llu,\"totalInputBytes\":%llu,\"totalShuffleRead\":%llu,\"totalShuffleWrite\":%llu,\"totalDuration\":%llu,\"pid\":%llu,\"peerBytesIn\":%llu,\"peerBytesOut\":%llu,\"connectionsRejected\":%llu",
             (unsigned long long)v->memory, (unsigned long long)(x ? x->memory_used : 0), (unsigned long long)(x ? x->rss : 0),
             (unsigned long long)v->bytes_in, (unsigned long long)v->shuffle_bytes_in, (unsigned long long)v->bytes_out,
             (unsigned long long)v->run_us / 1000, (unsigned long long)(x ? x->pid : 0),
             (unsigned long long)(x ? x->fetched_bytes : 0), (unsigned long long)(x ? x->served_bytes : 0), (unsigned long long)(x ? x->rejected : 0));
    add_time(out, "addTime", v->joined_us);
    add_time(out, "removeTime", v->lost_us);
    if (v->reason)
        add_text(out, "removeReason", v->reason);
    buf_addc(out, '}');
}

static void applications(struct driver *dr, struct buf *out)
{
    buf_addc(out, '[');
    bool first = true;
    for (struct session *s = dr->sessions; s; s = s->next) {
        buf_addf(out, "%s{\"id\":\"%s\",\"name\":\"drover session %llu\"", first ? "" : ",", s->id, (unsigned long long)s->number);
        add_text(out, "sparkUser", s->snapshot->user);
        buf_adds(out, ",\"attempts\":[{\"completed\":false");
        add_time(out, "startTime", s->started_us);
        buf_adds(out, "}]}");
        first = false;
    }
    buf_addc(out, ']');
}

static bool of_session(struct driver *dr, uint64_t job_id, const char *session)
{
    struct operation *op = driver_find_job(dr, job_id);
    return !session || (op && strcmp(op->session->id, session) == 0);
}

static void jobs(struct driver *dr, const char *session, struct buf *out)
{
    struct job_view v;
    bool first = true;
    uint32_t n = 0;
    while (sched_job_at(dr->sched, n, &v))
        n++;
    buf_addc(out, '[');
    while (n-- > 0) {
        sched_job_at(dr->sched, n, &v);
        if (!of_session(dr, v.job_id, session))
            continue;
        buf_adds(out, first ? "" : ",");
        add_job(dr, &v, out);
        first = false;
    }
    buf_addc(out, ']');
}

static void stages(struct driver *dr, const char *session, struct buf *out)
{
    struct job_view v;
    bool first = true;
    uint32_t n = 0;
    while (sched_job_at(dr->sched, n, &v))
        n++;
    buf_addc(out, '[');
    while (n-- > 0) {
        sched_job_at(dr->sched, n, &v);
        for (uint32_t i = v.stage_count; i-- > 0;) {
            if (!of_session(dr, v.job_id, session))
                continue;
            buf_adds(out, first ? "" : ",");
            add_stage(dr, v.job_id, i, out);
            first = false;
        }
    }
    buf_addc(out, ']');
}

static void executors(struct driver *dr, struct buf *out)
{
    struct executor_view v;
    buf_addc(out, '[');
    for (uint32_t i = 0; sched_executor_at(dr->sched, i, &v); i++) {
        buf_adds(out, i ? "," : "");
        add_executor(dr, &v, out);
    }
    buf_addc(out, ']');
}

static void config_rows(struct buf *out)
{
    buf_addc(out, '[');
    for (uint32_t i = 0; i < setting_count; i++) {
        buf_addf(out, "%s{\"key\":\"%s\"", i ? "," : "", setting_rows[i].key);
        add_text(out, "default", setting_rows[i].fallback);
        add_text(out, "meaning", setting_rows[i].doc);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

/* /applications[/ID[/jobs|stages|executors|allexecutors|environment]], and the bare words jobs, stages, executors, config, connections. */
unsigned status_json(struct driver *dr, const char *path, struct buf *out)
{
    char session[80] = "", what[40] = "";
    if (path[0] == '/')
        path++;
    if (str_has_prefix(path, "api/v1/"))
        path += 7;
    const char *in = NULL;
    if (sscanf(path, "applications/%79[^/]/%39[^/]", session, what) == 2) {
        in = session;
        path = what;
    } else if (sscanf(path, "applications/%79[^/]", session) == 1) {
        for (struct session *s = dr->sessions; s; s = s->next) {
            if (strcmp(s->id, session) == 0) {
                buf_addf(out, "{\"id\":\"%s\",\"name\":\"drover session %llu\"}", s->id, (unsigned long long)s->number);
                return 200;
            }
        }
        buf_adds(out, "{\"error\":\"no such application\"}");
        return 404;
    }
    if (strcmp(path, "applications") == 0)
        applications(dr, out);
    else if (strcmp(path, "jobs") == 0)
        jobs(dr, in, out);
    else if (strcmp(path, "stages") == 0)
        stages(dr, in, out);
    else if (strcmp(path, "executors") == 0 || strcmp(path, "allexecutors") == 0)
        executors(dr, out);
    else if (strcmp(path, "config") == 0 || strcmp(path, "environment") == 0)
        config_rows(out);
    else if (strcmp(path, "connections") == 0)
        rpc_counters_json(&dr->rpc, out);
    else if (strcmp(path, "version") == 0)
        buf_adds(out, "{\"spark\":\"4.0.0\",\"drover\":\"0.1\"}");
    else {
        buf_adds(out, "{\"error\":\"no such path\"}");
        return 404;
    }
    return 200;
}
