/*
 * Jobs, stages, attempts, executors and settings as JSON. Every key of Spark's REST API is there, so that its tools
 * find what they look for; what has no meaning here (a JVM's collector, say) is zero. Keys that Spark lacks stand
 * beside them.
 */
#include <stdlib.h>

#include "common/base/version.h"
#include "driver/server/status_impl.h"

/* ---- what is always zero here ---- */

static const char *const memory_metric_names[] = {
    "JVMHeapMemory", "JVMOffHeapMemory", "OnHeapExecutionMemory", "OffHeapExecutionMemory", "OnHeapStorageMemory", "OffHeapStorageMemory",
    "OnHeapUnifiedMemory", "OffHeapUnifiedMemory", "DirectPoolMemory", "MappedPoolMemory", "ProcessTreeJVMVMemory", "ProcessTreeJVMRSSMemory",
    "ProcessTreePythonVMemory", "ProcessTreePythonRSSMemory", "ProcessTreeOtherVMemory", "ProcessTreeOtherRSSMemory", "MinorGCCount",
    "MinorGCTime", "MajorGCCount", "MajorGCTime", "TotalGCTime", "ConcurrentGCCount", "ConcurrentGCTime"};

static const char stage_zeros[] =
    "\"executorDeserializeTime\":0,\"executorDeserializeCpuTime\":0,\"executorCpuTime\":0,\"resultSize\":0,\"jvmGcTime\":0,"
    "\"resultSerializationTime\":0,\"memoryBytesSpilled\":0,\"diskBytesSpilled\":0,\"shuffleRemoteBlocksFetched\":0,"
    "\"shuffleLocalBlocksFetched\":0,\"shuffleFetchWaitTime\":0,\"shuffleRemoteBytesReadToDisk\":0,\"shuffleLocalBytesRead\":0,"
    "\"shuffleCorruptMergedBlockChunks\":0,\"shuffleMergedFetchFallbackCount\":0,\"shuffleMergedRemoteBlocksFetched\":0,"
    "\"shuffleMergedLocalBlocksFetched\":0,\"shuffleMergedRemoteChunksFetched\":0,\"shuffleMergedLocalChunksFetched\":0,"
    "\"shuffleMergedRemoteBytesRead\":0,\"shuffleMergedLocalBytesRead\":0,\"shuffleRemoteReqsDuration\":0,"
    "\"shuffleMergedRemoteReqsDuration\":0,\"shuffleWriteTime\":0,\"schedulingPool\":\"default\",\"rddIds\":[],"
    "\"accumulatorUpdates\":[],\"killedTasksSummary\":{},\"resourceProfileId\":0,\"isShufflePushEnabled\":false,"
    "\"shuffleMergersCount\":0";

static const char task_zeros[] =
    "\"executorDeserializeTime\":0,\"executorDeserializeCpuTime\":0,\"executorCpuTime\":0,\"resultSize\":0,\"jvmGcTime\":0,"
    "\"resultSerializationTime\":0,\"memoryBytesSpilled\":0,\"diskBytesSpilled\":0";

static const char push_read_zeros[] =
    "{\"corruptMergedBlockChunks\":0,\"mergedFetchFallbackCount\":0,\"remoteMergedBlocksFetched\":0,"
    "\"localMergedBlocksFetched\":0,\"remoteMergedChunksFetched\":0,\"localMergedChunksFetched\":0,"
    "\"remoteMergedBytesRead\":0,\"localMergedBytesRead\":0,\"remoteMergedReqsDuration\":0}";

static const char executor_zeros[] =
    "\"rddBlocks\":0,\"diskUsed\":0,\"totalGCTime\":0,\"isBlacklisted\":false,\"executorLogs\":{},\"blacklistedInStages\":[],"
    "\"attributes\":{},\"resources\":{},\"resourceProfileId\":0,\"isExcluded\":false,\"excludedInStages\":[]";

/* One number of each, or with quantiles a list; only what the process holds is known. */
static void memory_metrics(struct json *j, const char *key, uint64_t resident, uint32_t quantile_count)
{
    json_open(j, key, '{');
    for (size_t i = 0; i < ARRAY_LEN(memory_metric_names); i++) {
        uint64_t v = strcmp(memory_metric_names[i], "ProcessTreeOtherRSSMemory") == 0 ? resident : 0;
        if (quantile_count == 0) {
            json_u64(j, memory_metric_names[i], v);
            continue;
        }
        json_open(j, memory_metric_names[i], '[');
        for (uint32_t q = 0; q < quantile_count; q++)
            json_double(j, NULL, (double)v);
        json_close(j, ']');
    }
    json_close(j, '}');
}

int64_t duration_ms(int64_t from_us, int64_t to_us)
{
    return from_us ? ((to_us ? to_us : clock_mono_us()) - from_us) / 1000 : 0;
}

/* ---- applications ---- */

void status_app(const struct app *app, struct json *j)
{
    int64_t end = app->ended_us, last = end ? end : app->started_us;
    json_open(j, NULL, '{');
    json_text(j, "id", app->id);
    json_key(j, "name");
    buf_addf(j->out, "\"drover session %llu\"", (unsigned long long)app->number);
    j->comma = true;
    json_open(j, "attempts", '[');
    json_open(j, NULL, '{');
    json_wall(j, "startTime", app->started_us);
    if (end)
        json_wall(j, "endTime", end);
    else
        json_text(j, "endTime", "1969-12-31T23:59:59.999GMT"); /* Spark's way to say: not yet */
    json_wall(j, "lastUpdated", last);
    json_i64(j, "duration", ((end ? end : clock_wall_us()) - app->started_us) / 1000);
    json_text(j, "sparkUser", app->user);
    json_bool(j, "completed", end != 0);
    json_text(j, "appSparkVersion", SPARK_VERSION);
    json_i64(j, "startTimeEpoch", app->started_us / 1000);
    json_i64(j, "endTimeEpoch", end ? end / 1000 : -1);
    json_i64(j, "lastUpdatedEpoch", last / 1000);
    json_close(j, '}');
    json_close(j, ']');
    json_close(j, '}');
}

/* ---- jobs ---- */

const char *job_status(enum job_state s)
{
    return s == JOB_DONE ? "SUCCEEDED" : s == JOB_FAILED ? "FAILED" : "RUNNING";
}

const char *stage_status(const struct job_view *job, const struct stage_view *v)
{
    if (v->state == STAGE_COMPLETE)
        return "COMPLETE";
    if (job->state == JOB_FAILED || job->state == JOB_DONE)
        return v->attempts ? "FAILED" : "SKIPPED";
    return v->state == STAGE_RUNNING ? "ACTIVE" : "PENDING";
}

struct job_totals {
    uint64_t tasks, done, running, failed, killed, rows_in, bytes_in;
    uint32_t active, complete, skipped, failed_stages;
};

static void add_up(struct driver *dr, const struct statement *st, const struct job_view *job, struct job_totals *t)
{
    *t = (struct job_totals){0};
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct stage_view v;
        if (!sched_stage_view(dr->sched, job->job_id, i, &v))
            continue;
        const char *status = stage_status(job, &v);
        t->tasks += v.tasks;
        t->done += v.done;
        t->running += v.running;
        t->failed += v.failed_attempts + st->stages[i].lost_attempts;
        t->killed += st->stages[i].killed_attempts;
        t->rows_in += v.rows_in;
        t->bytes_in += v.bytes_in;
        t->active += status[0] == 'A';
        t->complete += status[0] == 'C';
        t->skipped += status[0] == 'S';
        t->failed_stages += status[0] == 'F';
    }
}

bool status_job(struct driver *dr, const struct statement *st, struct json *j)
{
    struct job_view v;
    struct job_totals t;
    if (!st->stage_count || !sched_job_view(dr->sched, st->number, &v))
        return false;
    add_up(dr, st, &v, &t);
    json_open(j, NULL, '{');
    json_u64(j, "jobId", st->number);
    json_text(j, "name", st->sql);
    json_text(j, "description", st->sql);
    json_time(j, "submissionTime", v.submitted_us);
    json_time(j, "completionTime", v.ended_us);
    json_open(j, "stageIds", '[');
    for (uint32_t i = 0; i < st->stage_count; i++)
        json_u64(j, NULL, st->stages[i].id);
    json_close(j, ']');
    json_raw(j, "jobTags", "[]");
    json_text(j, "status", job_status(v.state));
    json_u64(j, "numTasks", t.tasks);
    json_u64(j, "numActiveTasks", t.running);
    json_u64(j, "numCompletedTasks", t.done);
    json_u64(j, "numSkippedTasks", 0);
    json_u64(j, "numFailedTasks", t.failed);
    json_u64(j, "numKilledTasks", t.killed);
    json_u64(j, "numCompletedIndices", t.done);
    json_u64(j, "numActiveStages", t.active);
    json_u64(j, "numCompletedStages", t.complete);
    json_u64(j, "numSkippedStages", t.skipped);
    json_u64(j, "numFailedStages", t.failed_stages);
    json_raw(j, "killedTasksSummary", "{}");
    json_u64(j, "durationMs", (uint64_t)duration_ms(v.submitted_us, v.ended_us));
    json_u64(j, "inputRecords", t.rows_in);
    json_u64(j, "inputBytes", t.bytes_in);
    json_u64(j, "resultRecords", st->rows);
    json_bool(j, "cancelled", st->cancelled);
    json_text(j, "applicationId", st->app->id);
    if (st->error)
        json_text(j, "error", st->error);
    json_close(j, '}');
    return true;
}

/* ---- attempts ---- */

const char *task_status(const struct task_record *t)
{
    static const char *const names[] = {"RUNNING", "SUCCESS", "FAILED", "KILLED"};
    return names[t->outcome];
}

static const char *host_of(const struct driver *dr, uint32_t executor_id)
{
    return executor_id >= 1 && executor_id <= dr->exec_count ? dr->execs[executor_id - 1]->host : "";
}

static bool keeps_output(const struct driver *dr, const struct statement *st, uint32_t index)
{
    struct stage_view v;
    return sched_stage_view(dr->sched, st->number, index, &v) && !v.result && !v.writes;
}

void status_task(struct driver *dr, const struct statement *st, const struct stage_record *sr, const struct task_record *t, struct json *j)
{
    bool shuffles = keeps_output(dr, st, (uint32_t)(sr - st->stages));
    int64_t held_ms = duration_ms(t->launched_us, t->ended_us), run_ms = (int64_t)(t->run_us + 500) / 1000;
    json_open(j, NULL, '{');
    json_u64(j, "taskId", t->attempt_id);
    json_key(j, "taskIdText"); /* digits that survive a reader whose numbers are doubles, as a browser's are */
    buf_addf(j->out, "\"%llu\"", (unsigned long long)t->attempt_id);
    j->comma = true;
    json_u64(j, "index", t->partition);
    json_u64(j, "attempt", t->number);
    json_u64(j, "partitionId", t->partition);
    json_time(j, "launchTime", t->launched_us);
    json_i64(j, "duration", held_ms);
    json_key(j, "executorId");
    buf_addf(j->out, "\"%u\"", t->executor_id);
    j->comma = true;
    json_text(j, "host", host_of(dr, t->executor_id));
    json_text(j, "status", task_status(t));
    json_raw(j, NULL, "\"taskLocality\":\"ANY\",\"speculative\":false,\"accumulatorUpdates\":[]");
    if (t->error)
        json_text(j, "errorMessage", t->error);
    json_open(j, "taskMetrics", '{');
    json_raw(j, NULL, task_zeros);
    json_i64(j, "executorRunTime", run_ms);
    json_u64(j, "peakExecutionMemory", t->peak_memory);
    json_open(j, "inputMetrics", '{');
    json_u64(j, "bytesRead", t->bytes_in);
    json_u64(j, "recordsRead", t->rows_in);
    json_close(j, '}');
    json_open(j, "outputMetrics", '{');
    json_u64(j, "bytesWritten", shuffles ? 0 : t->bytes_out);
    json_u64(j, "recordsWritten", shuffles ? 0 : t->rows_out);
    json_close(j, '}');
    json_open(j, "shuffleReadMetrics", '{');
    json_raw(j, NULL, "\"remoteBlocksFetched\":0,\"localBlocksFetched\":0,\"fetchWaitTime\":0,\"remoteBytesReadToDisk\":0,"
                      "\"localBytesRead\":0,\"recordsRead\":0,\"remoteReqsDuration\":0");
    json_u64(j, "remoteBytesRead", t->shuffle_bytes_in);
    json_raw(j, "shufflePushReadMetrics", push_read_zeros);
    json_close(j, '}');
    json_open(j, "shuffleWriteMetrics", '{');
    json_u64(j, "bytesWritten", shuffles ? t->bytes_out : 0);
    json_u64(j, "writeTime", 0);
    json_u64(j, "recordsWritten", shuffles ? t->rows_out : 0);
    json_close(j, '}');
    json_close(j, '}');
    json_raw(j, "executorLogs", "{}");
    json_i64(j, "schedulerDelay", t->ended_us && held_ms > run_ms ? held_ms - run_ms : 0);
    json_u64(j, "gettingResultTime", 0);
    json_close(j, '}');
}

/* ---- distributions ---- */

enum metric { M_ZERO, M_DURATION, M_RUN, M_DELAY, M_PEAK, M_BYTES_IN, M_ROWS_IN, M_BYTES_OUT, M_ROWS_OUT, M_SHUFFLE_IN, M_SHUFFLE_BYTES, M_SHUFFLE_ROWS };

static uint64_t metric_of(const struct task_record *t, enum metric m)
{
    uint64_t held = (uint64_t)duration_ms(t->launched_us, t->ended_us), run = (t->run_us + 500) / 1000;
    switch (m) {
    case M_ZERO: return 0;
    case M_DURATION: return held;
    case M_RUN: return run;
    case M_DELAY: return held > run ? held - run : 0;
    case M_PEAK: return t->peak_memory;
    case M_BYTES_IN: return t->bytes_in;
    case M_ROWS_IN: return t->rows_in;
    case M_BYTES_OUT:
    case M_SHUFFLE_BYTES: return t->bytes_out;
    case M_ROWS_OUT:
    case M_SHUFFLE_ROWS: return t->rows_out;
    case M_SHUFFLE_IN: return t->shuffle_bytes_in;
    }
    UNREACHABLE("a metric of the enum");
}

/* Rows in the order of the JSON; group opens a nested object, "" closes the one that is open. */
static const struct summary_row {
    const char *group, *key;
    enum metric metric;
} summary_rows[] = {
    {NULL, "duration", M_DURATION}, {NULL, "executorDeserializeTime", M_ZERO}, {NULL, "executorDeserializeCpuTime", M_ZERO},
    {NULL, "executorRunTime", M_RUN}, {NULL, "executorCpuTime", M_ZERO}, {NULL, "resultSize", M_ZERO}, {NULL, "jvmGcTime", M_ZERO},
    {NULL, "resultSerializationTime", M_ZERO}, {NULL, "gettingResultTime", M_ZERO}, {NULL, "schedulerDelay", M_DELAY},
    {NULL, "peakExecutionMemory", M_PEAK}, {NULL, "memoryBytesSpilled", M_ZERO}, {NULL, "diskBytesSpilled", M_ZERO},
    {"inputMetrics", "bytesRead", M_BYTES_IN}, {NULL, "recordsRead", M_ROWS_IN}, {"", NULL, M_ZERO},
    {"outputMetrics", "bytesWritten", M_BYTES_OUT}, {NULL, "recordsWritten", M_ROWS_OUT}, {"", NULL, M_ZERO},
    {"shuffleReadMetrics", "readBytes", M_SHUFFLE_IN}, {NULL, "readRecords", M_ZERO}, {NULL, "remoteBlocksFetched", M_ZERO},
    {NULL, "localBlocksFetched", M_ZERO}, {NULL, "fetchWaitTime", M_ZERO}, {NULL, "remoteBytesRead", M_SHUFFLE_IN},
    {NULL, "remoteBytesReadToDisk", M_ZERO}, {NULL, "totalBlocksFetched", M_ZERO}, {NULL, "remoteReqsDuration", M_ZERO},
    {"shufflePushReadMetricsDist", "corruptMergedBlockChunks", M_ZERO}, {NULL, "mergedFetchFallbackCount", M_ZERO},
    {NULL, "remoteMergedBlocksFetched", M_ZERO}, {NULL, "localMergedBlocksFetched", M_ZERO}, {NULL, "remoteMergedChunksFetched", M_ZERO},
    {NULL, "localMergedChunksFetched", M_ZERO}, {NULL, "remoteMergedBytesRead", M_ZERO}, {NULL, "localMergedBytesRead", M_ZERO},
    {NULL, "remoteMergedReqsDuration", M_ZERO}, {"", NULL, M_ZERO}, {"", NULL, M_ZERO},
    {"shuffleWriteMetrics", "writeBytes", M_SHUFFLE_BYTES}, {NULL, "writeRecords", M_SHUFFLE_ROWS}, {NULL, "writeTime", M_ZERO}, {"", NULL, M_ZERO},
};

/* By bytes, those that are the same everywhere skipped: a stage of 100,000 tasks has ten such sorts in one answer. */
void sort_u64(uint64_t *values, uint32_t count)
{
    uint64_t differ = 0, *other = xmalloc((count + 1) * sizeof *other), *from = values, *to = other;
    for (uint32_t i = 1; i < count; i++)
        differ |= values[i] ^ values[0];
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint32_t first[256] = {0};
        if (!(differ >> shift & 255))
            continue;
        for (uint32_t i = 0; i < count; i++)
            first[from[i] >> shift & 255]++;
        for (uint32_t b = 0, at = 0; b < 256; b++) {
            uint32_t n = first[b];
            first[b] = at;
            at += n;
        }
        for (uint32_t i = 0; i < count; i++)
            to[first[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != values)
        memcpy(values, from, count * sizeof *values);
    xfree(other);
}

static void json_quantiles(struct json *j, const double *quantiles, uint32_t count)
{
    json_open(j, "quantiles", '[');
    for (uint32_t q = 0; q < count; q++)
        json_double(j, NULL, quantiles[q]);
    json_close(j, ']');
}

/* Sorts values. */
static void json_distribution(struct json *j, const char *key, uint64_t *values, uint32_t n, const double *quantiles, uint32_t count)
{
    sort_u64(values, n);
    json_open(j, key, '[');
    for (uint32_t q = 0; q < count; q++) {
        uint32_t at = (uint32_t)(quantiles[q] * n);
        json_double(j, NULL, n == 0 ? 0 : (double)values[at < n ? at : n - 1]);
    }
    json_close(j, ']');
}

/* Over the attempts that succeeded, as Spark does. */
void status_task_summary(const struct stage_record *sr, const double *quantiles, uint32_t count, struct json *j)
{
    uint64_t *values = xmalloc((sr->task_records + 1) * sizeof *values);
    json_quantiles(j, quantiles, count);
    for (size_t r = 0; r < ARRAY_LEN(summary_rows); r++) {
        const struct summary_row *row = &summary_rows[r];
        uint32_t n = 0;
        if (row->group && !*row->group) {
            json_close(j, '}');
            continue;
        }
        if (row->group)
            json_open(j, row->group, '{');
        for (uint32_t i = 0; row->metric != M_ZERO && i < sr->task_records; i++) {
            if (sr->tasks[i].outcome == RECORD_DONE)
                values[n++] = metric_of(&sr->tasks[i], row->metric);
        }
        json_distribution(j, row->key, values, n, quantiles, count);
    }
    xfree(values);
}

/* ---- stages ---- */

/* What a stage's attempts on one executor came to; the rows below are in the order of the JSON. */
struct executor_sums {
    uint64_t task_time, failed, done, killed, bytes_in, rows_in, bytes_out, rows_out, shuffle_in, nothing, shuffle_bytes_out, shuffle_rows_out;
};

static const struct sum_row {
    const char *key;
    size_t offset;
} sum_rows[] = {
#define SUM(key, field) {key, offsetof(struct executor_sums, field)}
    SUM("taskTime", task_time), SUM("failedTasks", failed), SUM("succeededTasks", done), SUM("killedTasks", killed), SUM("inputBytes", bytes_in),
    SUM("inputRecords", rows_in), SUM("outputBytes", bytes_out), SUM("outputRecords", rows_out), SUM("shuffleRead", shuffle_in),
    SUM("shuffleReadRecords", nothing), SUM("shuffleWrite", shuffle_bytes_out), SUM("shuffleWriteRecords", shuffle_rows_out),
    SUM("memoryBytesSpilled", nothing), SUM("diskBytesSpilled", nothing),
#undef SUM
};

static uint64_t sum_of(const struct executor_sums *s, const struct sum_row *row)
{
    uint64_t v;
    memcpy(&v, (const char *)s + row->offset, sizeof v);
    return v;
}

/* By executor id, for the caller to free; run times are microseconds until the end. */
static struct executor_sums *add_up_executors(const struct driver *dr, const struct stage_record *sr, bool shuffles)
{
    struct executor_sums *sums = xcalloc(dr->exec_count + 1, sizeof *sums);
    for (uint32_t i = 0; i < sr->task_records; i++) {
        const struct task_record *t = &sr->tasks[i];
        struct executor_sums *s = &sums[t->executor_id <= dr->exec_count ? t->executor_id : 0];
        s->task_time += t->run_us;
        s->done += t->outcome == RECORD_DONE;
        s->failed += t->outcome == RECORD_FAILED;
        s->killed += t->outcome == RECORD_KILLED;
        s->bytes_in += t->bytes_in;
        s->rows_in += t->rows_in;
        *(shuffles ? &s->shuffle_bytes_out : &s->bytes_out) += t->bytes_out;
        *(shuffles ? &s->shuffle_rows_out : &s->rows_out) += t->rows_out;
        s->shuffle_in += t->shuffle_bytes_in;
    }
    for (uint32_t e = 0; e <= dr->exec_count; e++)
        sums[e].task_time /= 1000;
    return sums;
}

static bool took_part(const struct executor_sums *s)
{
    return s->failed || s->done || s->killed;
}

static void executor_summary(const struct driver *dr, const struct executor_sums *sums, struct json *j)
{
    json_open(j, "executorSummary", '{');
    for (uint32_t e = 1; e <= dr->exec_count; e++) {
        char key[16];
        if (!took_part(&sums[e]))
            continue;
        snprintf(key, sizeof key, "%u", e);
        json_open(j, key, '{');
        for (size_t r = 0; r < ARRAY_LEN(sum_rows); r++)
            json_u64(j, sum_rows[r].key, sum_of(&sums[e], &sum_rows[r]));
        json_bool(j, "isBlacklistedForStage", false);
        memory_metrics(j, "peakMemoryMetrics", 0, 0);
        json_bool(j, "isExcludedForStage", false);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void executor_distributions(const struct driver *dr, const struct executor_sums *sums, const struct stage_options *opt, struct json *j)
{
    uint64_t *values = xmalloc((dr->exec_count + 1) * sizeof *values);
    json_open(j, "executorMetricsDistributions", '{');
    json_quantiles(j, opt->quantiles, opt->quantile_count);
    for (size_t r = 0; r < ARRAY_LEN(sum_rows); r++) {
        uint32_t n = 0;
        for (uint32_t e = 1; e <= dr->exec_count; e++) {
            if (took_part(&sums[e]))
                values[n++] = sum_of(&sums[e], &sum_rows[r]);
        }
        json_distribution(j, sum_rows[r].key, values, n, opt->quantiles, opt->quantile_count);
    }
    memory_metrics(j, "peakMemoryMetrics", 0, opt->quantile_count);
    json_close(j, '}');
    xfree(values);
}

static void stage_tasks(struct driver *dr, const struct statement *st, const struct stage_record *sr, struct json *j)
{
    json_open(j, "tasks", '{');
    uint32_t from = sr->task_records > TASK_DETAILS_MAX ? sr->task_records - TASK_DETAILS_MAX : 0;
    for (uint32_t i = from; i < sr->task_records; i++) {
        char key[24];
        snprintf(key, sizeof key, "%llu", (unsigned long long)sr->tasks[i].attempt_id);
        json_key(j, key);
        status_task(dr, st, sr, &sr->tasks[i], j);
    }
    json_close(j, '}');
}

static void stage_details(struct driver *dr, const struct statement *st, const struct stage_record *sr, bool shuffles,
                          const struct stage_options *opt, struct json *j)
{
    struct executor_sums *sums = add_up_executors(dr, sr, shuffles);
    if (opt->details) {
        stage_tasks(dr, st, sr, j);
        executor_summary(dr, sums, j);
    }
    if (opt->summaries) {
        json_open(j, "taskMetricsDistributions", '{');
        status_task_summary(sr, opt->quantiles, opt->quantile_count, j);
        json_close(j, '}');
        executor_distributions(dr, sums, opt, j);
    }
    xfree(sums);
}

static void stage_parents(const struct statement *st, const struct stage_record *sr, struct json *j)
{
    static const char *const kinds[] = {"hash", "range", "gather", "broadcast", "round robin"};
    json_open(j, "parents", '[');
    for (uint32_t p = 0; p < sr->parent_count; p++) {
        json_open(j, NULL, '{');
        json_u64(j, "stageId", st->stages[sr->parents[p].stage].id);
        json_text(j, "exchange", kinds[sr->parents[p].kind]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

bool status_stage(struct driver *dr, const struct statement *st, uint32_t index, const struct stage_options *opt, struct json *j)
{
    struct stage_view v;
    struct job_view job;
    const struct stage_record *sr = &st->stages[index];
    if (!sched_job_view(dr->sched, st->number, &job) || !sched_stage_view(dr->sched, st->number, index, &v))
        return false;
    bool shuffles = !v.result && !v.writes;
    const char *status = stage_status(&job, &v);
    json_open(j, NULL, '{');
    json_text(j, "status", status);
    json_bool(j, "cancelled", st->cancelled && status[0] == 'F');
    json_u64(j, "stageId", sr->id);
    json_u64(j, "attemptId", 0);
    json_u64(j, "numTasks", v.tasks);
    json_u64(j, "numActiveTasks", v.running);
    json_u64(j, "numCompleteTasks", v.done);
    json_u64(j, "numFailedTasks", v.failed_attempts + sr->lost_attempts);
    json_u64(j, "numKilledTasks", sr->killed_attempts);
    json_u64(j, "numCompletedIndices", v.done);
    json_time(j, "submissionTime", v.started_us);
    json_time(j, "firstTaskLaunchedTime", sr->task_records ? sr->tasks[0].launched_us : v.started_us);
    json_time(j, "completionTime", v.ended_us);
    if (sr->failure)
        json_text(j, "failureReason", sr->failure);
    json_u64(j, "executorRunTime", v.run_us / 1000);
    json_u64(j, "peakExecutionMemory", v.peak_memory);
    json_u64(j, "inputBytes", v.bytes_in);
    json_u64(j, "inputRecords", v.rows_in);
    json_u64(j, "outputBytes", v.writes ? v.bytes_out : 0);
    json_u64(j, "outputRecords", v.writes ? v.rows_out : 0);
    json_u64(j, "shuffleRemoteBytesRead", v.shuffle_bytes_in);
    json_u64(j, "shuffleReadBytes", v.shuffle_bytes_in);
    json_u64(j, "shuffleReadRecords", 0);
    json_u64(j, "shuffleWriteBytes", shuffles ? v.bytes_out : 0);
    json_u64(j, "shuffleWriteRecords", shuffles ? v.rows_out : 0);
    json_text(j, "applicationId", st->app->id);
    json_text(j, "name", sr->name);
    json_text(j, "details", sr->details);
    json_text(j, "description", st->sql);
    json_raw(j, NULL, stage_zeros);
    memory_metrics(j, "peakExecutorMetrics", 0, 0);
    json_u64(j, "jobId", st->number);
    json_u64(j, "stageOfJob", index); /* as EXPLAIN and messages number it */
    json_u64(j, "launchToResultP50Us", v.p50_us);
    json_u64(j, "launchToResultP99Us", v.p99_us);
    json_u64(j, "numAttempts", v.attempts);
    json_u64(j, "durationMs", (uint64_t)duration_ms(v.started_us, v.ended_us));
    json_u64(j, "resultRecords", v.result ? v.rows_out : 0);
    stage_parents(st, sr, j);
    if (opt->details || opt->summaries)
        stage_details(dr, st, sr, shuffles, opt, j);
    json_close(j, '}');
    return true;
}

/* ---- executors ---- */

void status_executor(struct driver *dr, const struct executor_view *v, struct json *j)
{
    const struct exec *x = v->executor_id >= 1 && v->executor_id <= dr->exec_count ? dr->execs[v->executor_id - 1] : NULL;
    bool live = v->state == EXECUTOR_LIVE;
    json_open(j, NULL, '{');
    json_key(j, "id");
    buf_addf(j->out, "\"%llu\"", (unsigned long long)v->executor_id);
    j->comma = true;
    json_text(j, "hostPort", x ? x->address : v->host);
    json_bool(j, "isActive", live);
    json_bool(j, "stopped", x && x->stopped);
    json_u64(j, "memoryUsed", x ? x->memory_used : 0);
    json_u64(j, "totalCores", v->slots);
    json_u64(j, "maxTasks", v->slots);
    json_u64(j, "activeTasks", v->busy);
    json_u64(j, "failedTasks", v->failed);
    json_u64(j, "completedTasks", v->done);
    json_u64(j, "totalTasks", v->done + v->failed + v->busy);
    json_u64(j, "totalDuration", v->run_us / 1000);
    json_u64(j, "totalInputBytes", v->bytes_in);
    json_u64(j, "totalShuffleRead", v->shuffle_bytes_in);
    json_u64(j, "totalShuffleWrite", v->bytes_out);
    json_u64(j, "maxMemory", v->memory);
    json_time(j, "addTime", v->joined_us);
    json_time(j, "removeTime", v->lost_us);
    if (v->reason)
        json_text(j, "removeReason", v->reason);
    json_raw(j, NULL, executor_zeros);
    json_open(j, "memoryMetrics", '{');
    json_u64(j, "usedOnHeapStorageMemory", 0);
    json_u64(j, "usedOffHeapStorageMemory", x ? x->memory_used : 0);
    json_u64(j, "totalOnHeapStorageMemory", 0);
    json_u64(j, "totalOffHeapStorageMemory", v->memory);
    json_close(j, '}');
    memory_metrics(j, "peakMemoryMetrics", x ? x->rss : 0, 0);
    json_text(j, "host", v->host);
    json_u64(j, "pid", x ? x->pid : 0);
    json_u64(j, "residentBytes", x ? x->rss : 0);
    json_u64(j, "outputBytesHeld", x && live ? x->output_bytes : 0);
    json_u64(j, "totalInputRecords", v->rows_in);
    json_u64(j, "peerBytesIn", x ? x->fetched_bytes : 0);
    json_u64(j, "peerBytesOut", x ? x->served_bytes : 0);
    json_u64(j, "connectionsRejected", x ? x->rejected : 0);
    json_u64(j, "heartbeatAgeMs", x && live ? (uint64_t)duration_ms(x->last_heartbeat_us, 0) : 0);
    json_close(j, '}');
}

/* ---- statements ---- */

static void job_list(const char *key, const struct statement *st, bool in, struct json *j)
{
    json_open(j, key, '[');
    if (in)
        json_u64(j, NULL, st->number);
    json_close(j, ']');
}

static void sql_graph(struct driver *dr, const struct statement *st, struct json *j)
{
    json_open(j, "nodes", '[');
    for (uint32_t i = 0; i < st->stage_count; i++) {
        struct stage_view v;
        if (!sched_stage_view(dr->sched, st->number, i, &v))
            continue;
        json_open(j, NULL, '{');
        json_u64(j, "nodeId", st->stages[i].id);
        json_text(j, "nodeName", st->stages[i].name);
        json_open(j, "metrics", '[');
        json_key(j, NULL);
        buf_addf(j->out, "{\"name\":\"number of output rows\",\"value\":\"%llu\"}", (unsigned long long)v.rows_out);
        json_close(j, ']');
        json_text(j, "desc", st->stages[i].details);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_open(j, "edges", '[');
    for (uint32_t i = 0; i < st->stage_count; i++) {
        for (uint32_t p = 0; p < st->stages[i].parent_count; p++) {
            json_open(j, NULL, '{');
            json_u64(j, "fromId", st->stages[st->stages[i].parents[p].stage].id);
            json_u64(j, "toId", st->stages[i].id);
            json_close(j, '}');
        }
    }
    json_close(j, ']');
}

void status_sql(struct driver *dr, const struct statement *st, bool details, bool plan, struct json *j)
{
    static const char *const states[] = {"RUNNING", "COMPLETED", "FAILED"};
    bool job = st->stage_count != 0;
    json_open(j, NULL, '{');
    json_u64(j, "id", st->number);
    json_text(j, "status", states[st->state]);
    json_text(j, "description", st->sql);
    json_key(j, "planDescription");
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; plan && i < st->stage_count; i++)
        buf_addf(&text, "%sStage %llu\n%s", i ? "\n" : "", (unsigned long long)st->stages[i].id, st->stages[i].details);
    buf_add_json(j->out, text.data ? text.data : "", text.bytes);
    buf_fini(&text);
    j->comma = true;
    json_time(j, "submissionTime", st->started_us);
    json_i64(j, "duration", duration_ms(st->started_us, st->ended_us));
    job_list("runningJobIds", st, job && st->state == STATEMENT_RUNNING, j);
    job_list("successJobIds", st, job && st->state == STATEMENT_DONE, j);
    job_list("failedJobIds", st, job && st->state == STATEMENT_FAILED, j);
    if (details)
        sql_graph(dr, st, j);
    else
        json_raw(j, NULL, "\"nodes\":[],\"edges\":[]");
    json_text(j, "queryId", st->app->id);
    json_text(j, "errorMessage", st->error ? st->error : "");
    json_u64(j, "rootExecutionId", st->number);
    json_raw(j, "modifiedConfigs", "{}");
    json_close(j, '}');
}

/* ---- settings ---- */

void status_settings(struct json *j)
{
    json_open(j, NULL, '[');
    for (uint32_t i = 0; i < setting_count; i++) {
        json_open(j, NULL, '{');
        json_text(j, "key", setting_rows[i].key);
        json_text(j, "default", setting_rows[i].fallback);
        json_text(j, "meaning", setting_rows[i].doc);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void pair(struct json *j, const char *key, const char *value)
{
    json_open(j, NULL, '[');
    json_text(j, NULL, key);
    json_text(j, NULL, value);
    json_close(j, ']');
}

void status_environment(struct driver *dr, const struct app *app, struct json *j)
{
    const struct session *s = dr->sessions;
    while (s && strcmp(s->id, app->id) != 0)
        s = s->next;
    json_open(j, NULL, '{');
    json_raw(j, "runtime", "{\"javaVersion\":\"\",\"javaHome\":\"\",\"scalaVersion\":\"\"}");
    json_open(j, "sparkProperties", '[');
    pair(j, "spark.app.id", app->id);
    for (uint32_t i = 0; i < setting_count; i++)
        pair(j, setting_rows[i].key, s ? settings_text(&s->snapshot->settings, setting_rows[i].key) : setting_rows[i].fallback);
    json_close(j, ']');
    json_raw(j, NULL, "\"hadoopProperties\":[],\"systemProperties\":[],\"metricsProperties\":[],\"classpathEntries\":[],\"resourceProfiles\":[]");
    json_close(j, '}');
}
