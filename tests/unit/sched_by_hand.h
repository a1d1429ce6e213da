/*
 * The scheduler by hand: events go in, what it launches and tells is written down here, and after every event
 * everything is recounted. A test is a process, so all of this is static.
 */
#pragma once

#include <ctype.h>

#include "driver/sched/sched.h"
#include "tests/unit/suite.h"

enum { RUNS_MAX = 4096, WAIT_US = 30000000 };

struct run {
    uint64_t id, executor, incarnation, job;
    uint32_t stage, partition;
    bool killed, over;
};

static struct sched *s;
static int64_t now;
static struct run runs[RUNS_MAX];
static uint32_t run_count, launches, kills, releases, commits, aborts, ends;
static int64_t timer_at;
static struct error end_error;

static inline void drain(void)
{
    struct sched_action a;
    while (sched_next_action(s, &a)) {
        switch (a.kind) {
        case SCHED_LAUNCH:
            launches++;
            for (uint32_t i = 0; i < a.count; i++) {
                ck_assert_uint_lt(run_count, RUNS_MAX);
                for (uint32_t k = 0; k < run_count; k++)
                    ck_assert_uint_ne(runs[k].id, a.attempt_ids[i]);
                runs[run_count++] = (struct run){a.attempt_ids[i], a.executor_id, a.incarnation, a.job_id, a.stage, a.partitions[i], false, false};
            }
            break;
        case SCHED_KILL:
            kills++;
            for (uint32_t i = 0; i < a.count; i++) {
                for (uint32_t k = 0; k < run_count; k++) {
                    if (runs[k].id == a.attempt_ids[i]) {
                        ck_assert(!runs[k].killed && !runs[k].over && runs[k].executor == a.executor_id);
                        runs[k].killed = true;
                    }
                }
            }
            break;
        case SCHED_RELEASE: releases++; break;
        case SCHED_COMMIT: commits++; break;
        case SCHED_ABORT: aborts++; break;
        case SCHED_JOB_ENDED:
            ends++;
            error_fini(&end_error);
            error_copy(&end_error, &a.error);
            break;
        case SCHED_SET_TIMER: timer_at = a.at_us; break;
        }
    }
    sched_check(s);
    sched_check_idle(s);
}

static inline void event(struct sched_event ev)
{
    sched_event(s, now, &ev);
    drain();
}

static inline void set_up(void)
{
    struct sched_config c = {.max_failures = 4,
                             .losses_max = 16,
                             .stage_reruns_max = 3,
                             .executors_wait_us = WAIT_US,
                             .first_attempt = 77,
                             .driver_address = "d:1"};
    now = 1000;
    s = sched_new(&c);
    end_error = ERROR_INIT;
}

static inline void tear_down(void)
{
    error_fini(&end_error);
    sched_free(s);
}

static inline void join(uint64_t id, uint64_t incarnation, uint32_t slots)
{
    char *host = xasprintf("host%llu", (unsigned long long)id);
    event((struct sched_event){.kind = SCHED_EXECUTOR_JOINED, .executor_id = id, .incarnation = incarnation, .host = host, .slots = slots});
    xfree(host);
}

static inline void lose(uint64_t id, uint64_t incarnation)
{
    for (uint32_t i = 0; i < run_count; i++)
        runs[i].over |= runs[i].executor == id && runs[i].incarnation == incarnation;
    event((struct sched_event){.kind = SCHED_EXECUTOR_LOST, .executor_id = id, .incarnation = incarnation, .reason = "signal 9"});
}

/* "4 2<0 1<0,1r": stages of so many tasks, <parents, then r result, w writes, x indeterminate, u unordered. */
static inline void submit_near(uint64_t job, const char *dag, const uint32_t *prefer, uint32_t places, const char *const *names)
{
    struct stage_spec st[16] = {0};
    uint32_t parents[16][8], n = 0;
    for (const char *p = dag; *p; n++) {
        st[n].task_count = (uint32_t)strtoul(p, (char **)(uintptr_t)&p, 10);
        st[n].parents = parents[n];
        st[n].prefer = n == 0 ? prefer : NULL;
        if (*p == '<') {
            do
                parents[n][st[n].parent_count++] = (uint32_t)strtoul(p + 1, (char **)(uintptr_t)&p, 10);
            while (*p == ',');
        }
        for (; isalpha((unsigned char)*p); p++) {
            st[n].result |= *p == 'r';
            st[n].writes |= *p == 'w';
            st[n].determinism = *p == 'x' ? SCHED_INDETERMINATE : *p == 'u' ? SCHED_UNORDERED : st[n].determinism;
        }
        while (*p == ' ')
            p++;
    }
    struct job_spec spec = {.job_id = job, .stage_count = n, .stages = st, .place_count = places, .places = names};
    event((struct sched_event){.kind = SCHED_JOB_SUBMIT, .job_id = job, .spec = &spec});
}

static inline void submit(uint64_t job, const char *dag)
{
    submit_near(job, dag, NULL, 0, NULL);
}

/* The attempt that runs for a task now, or NULL. */
static inline struct run *find(uint64_t job, uint32_t stage, uint32_t partition)
{
    for (uint32_t i = run_count; i-- > 0;) {
        if (runs[i].job == job && runs[i].stage == stage && runs[i].partition == partition && !runs[i].killed && !runs[i].over)
            return &runs[i];
    }
    return NULL;
}

static inline struct run *get(uint64_t job, uint32_t stage, uint32_t partition)
{
    struct run *r = find(job, stage, partition);
    ck_assert_ptr_nonnull(r);
    return r;
}

static inline void done_as(const struct run *r, uint64_t incarnation)
{
    struct attempt_result res = {.attempt_id = r->id, .rows_out = 10, .bytes_out = 100 + r->partition, .run_us = 1000, .manifest = &r->id, .manifest_bytes = 8};
    event((struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = r->executor, .incarnation = incarnation, .done_count = 1, .done = &res});
}

static inline uint64_t done(struct run *r)
{
    r->over = true;
    done_as(r, r->incarnation);
    return r->id;
}

static inline void failed_with(struct run *r, enum errcode code)
{
    struct error err = ERROR_INIT;
    error_set(&err, code, "message", "injected", "path", "p", NULL);
    r->over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPT_FAILED, .executor_id = r->executor, .incarnation = r->incarnation, .attempt_id = r->id, .error = &err});
    error_fini(&err);
}

static inline void fetch_failed(struct run *r, uint32_t stage, uint32_t count, const uint32_t *partitions, const uint64_t *attempts)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_FETCH_FAILED, "message", "gone", NULL);
    r->over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPT_FAILED, .executor_id = r->executor, .incarnation = r->incarnation, .attempt_id = r->id,
                               .error = &err, .fetch_failed = true, .lost_stage = stage, .lost_count = count,
                               .lost_partitions = partitions, .lost_attempts = attempts});
    error_fini(&err);
}

static inline void fetch_failed_one(struct run *r, uint32_t stage, uint32_t partition, uint64_t attempt)
{
    fetch_failed(r, stage, 1, &partition, &attempt);
}

static inline void cancel(uint64_t job)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_CANCELLED, "reason", " by hand", NULL);
    event((struct sched_event){.kind = SCHED_JOB_CANCEL, .job_id = job, .error = &err});
}

static inline void commit_done(uint64_t job, bool ok)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_IO, "path", "/out", "message", "full", NULL);
    event((struct sched_event){.kind = SCHED_COMMIT_DONE, .job_id = job, .error = ok ? NULL : &err});
    error_fini(&err);
}

static inline void timer(void)
{
    event((struct sched_event){.kind = SCHED_TIMER});
}

static inline void finish_stage(uint64_t job, uint32_t stage, uint32_t tasks)
{
    for (uint32_t p = 0; p < tasks; p++) {
        struct run *r = find(job, stage, p);
        if (r)
            done(r);
    }
}

static inline enum job_state state(uint64_t job)
{
    struct job_view v;
    ck_assert(sched_job_view(s, job, &v));
    return v.state;
}

static inline struct stage_view stage(uint64_t job, uint32_t i)
{
    struct stage_view v;
    ck_assert(sched_stage_view(s, job, i, &v));
    return v;
}

static inline uint32_t running_of(uint64_t executor)
{
    struct executor_view v;
    for (uint32_t i = 0; sched_executor_at(s, i, &v); i++) {
        if (v.executor_id == executor && v.state == EXECUTOR_LIVE)
            return v.running;
    }
    return 0;
}
