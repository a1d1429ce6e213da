/* Jobs: from submission to their one end, and the wait for executors. */
#include "driver/sched/sched_impl.h"

static struct job **bucket(const struct sched *s, uint64_t job_id)
{
    return (struct job **)(uintptr_t)&s->by_id[hash_u64(job_id) % JOB_BUCKETS];
}

struct job *sched_find_job(const struct sched *s, uint64_t job_id)
{
    struct job *job = *bucket(s, job_id);
    while (job && job->spec.job_id != job_id)
        job = job->next_hash;
    return job;
}

/* A stage that is not running has nothing to drop any more, whose executors would have to be told. */
void sched_job_free(struct job *job)
{
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        sched_free_kept(st);
        xfree(st->tasks);
        xfree(st->again);
        xfree(st->place_head);
        xfree(st->place_next);
        xfree(st->parents);
    }
    for (uint32_t i = 0; i < job->spec.place_count; i++)
        xfree(job->places[i]);
    xfree(job->places);
    xfree(job->stages);
    xfree(job->touched);
    error_fini(&job->error);
    xfree(job);
}

/* Forgets the oldest ended jobs beyond SCHED_JOBS_KEPT. */
static void forget_old_jobs(struct sched *s)
{
    while (s->job_count - s->active_count > SCHED_JOBS_KEPT) {
        uint32_t i = 0;
        while (i < s->job_count && (!sm_is_final(&job_sm, s->jobs[i]->state) || s->jobs[i]->held))
            i++;
        if (i == s->job_count)
            return; /* killed attempts of all of them are still out there */
        struct job *job = s->jobs[i], **link = bucket(s, job->spec.job_id);
        while (*link != job)
            link = &(*link)->next_hash;
        *link = job->next_hash;
        memmove(s->jobs + i, s->jobs + i + 1, (s->job_count - i - 1) * sizeof(struct job *));
        s->job_count--;
        sched_job_free(job);
    }
}

/* ---- submission ---- */

/* Lists of fresh tasks by the place that they prefer, in order. */
static void index_places(struct stage *st, const uint32_t *prefer, uint32_t place_count)
{
    st->place_head = xmalloc((place_count + 1) * sizeof *st->place_head);
    st->place_next = xmalloc(st->spec.task_count * sizeof *st->place_next);
    memset(st->place_head, 0xff, (place_count + 1) * sizeof *st->place_head);
    for (uint32_t t = st->spec.task_count; t-- > 0;) {
        ASSERT(prefer[t] <= place_count);
        st->place_next[t] = st->place_head[prefer[t]];
        st->place_head[prefer[t]] = t;
    }
}

static void stage_init(struct stage *st, const struct job_spec *job, uint32_t index)
{
    st->spec = job->stages[index];
    ASSERT(st->spec.task_count > 0);
    ASSERT(index == job->stage_count - 1 || !(st->spec.writes || st->spec.result));
    st->parents = xmalloc((st->spec.parent_count + 1) * sizeof *st->parents);
    for (uint32_t p = 0; p < st->spec.parent_count; p++) {
        ASSERT(st->spec.parents[p] < index);
        st->parents[p] = st->spec.parents[p];
    }
    if (st->spec.prefer && job->place_count)
        index_places(st, st->spec.prefer, job->place_count);
    st->spec.parents = NULL;
    st->spec.prefer = NULL;
    st->tasks = xcalloc(st->spec.task_count, sizeof *st->tasks);
    st->pending = st->spec.task_count;
    st->home = NONE;
    st->limit = UINT32_MAX;
    st->version = 1;
}

void sched_on_submit(struct sched *s, const struct job_spec *spec)
{
    ASSERT(spec->stage_count > 0 && !sched_find_job(s, spec->job_id));
    forget_old_jobs(s);
    struct job *job = xcalloc(1, sizeof *job), **head = bucket(s, spec->job_id);
    job->spec = *spec;
    job->submitted_us = s->now;
    job->places = xcalloc(spec->place_count + 1, sizeof *job->places);
    for (uint32_t i = 0; i < spec->place_count; i++)
        job->places[i] = xstrdup(spec->places[i]);
    job->stages = xcalloc(spec->stage_count, sizeof *job->stages);
    for (uint32_t i = 0; i < spec->stage_count; i++)
        stage_init(&job->stages[i], spec, i);
    job->spec.stages = NULL;
    job->spec.places = NULL;
    ARRAY_GROW(s->jobs, s->job_count, s->job_cap);
    s->jobs[s->job_count++] = job;
    job->next_hash = *head;
    *head = job;
    job->prev = s->active_last;
    *(s->active_last ? &s->active_last->next : &s->active) = job;
    s->active_last = job;
    s->active_count++;
    sched_settle(s, job);
}

/* ---- the end ---- */

static void tell_release(struct sched *s, const struct job *job)
{
    for (uint32_t e = 0; e < s->executor_count; e++) {
        if (s->executors[e].state != EXECUTOR_LIVE || !sched_is_touched(job, e))
            continue;
        struct sched_action *r = sched_act(s, SCHED_RELEASE);
        r->executor_id = s->executors[e].id;
        r->incarnation = s->executors[e].incarnation;
        r->job_id = job->spec.job_id;
    }
}

void sched_end_job(struct sched *s, struct job *job, struct error *error)
{
    bool failed = error->code != ERR_OK, writes = false;
    sched_kill(s, job, NONE);
    sm_move(&job_sm, &job->state, failed ? JOB_FAILED : JOB_DONE);
    job->ended_us = s->now;
    error_move(&job->error, error);
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        writes |= st->spec.writes;
        if (st->view.started_us && !st->view.ended_us)
            st->view.ended_us = s->now;
        sched_drop_stage(s, st);
    }
    if (failed && writes)
        sched_act(s, SCHED_ABORT)->job_id = job->spec.job_id;
    tell_release(s, job);
    struct sched_action *end = sched_act(s, SCHED_JOB_ENDED);
    end->job_id = job->spec.job_id;
    error_copy(&end->error, &job->error);
    *(job->prev ? &job->prev->next : &s->active) = job->next;
    *(job->next ? &job->next->prev : &s->active_last) = job->prev;
    job->next = job->prev = NULL;
    s->active_count--;
}

/* The last stage may be complete while outputs that it has read are being made anew: nobody needs them any more. */
static void stop_all(struct sched *s, struct job *job)
{
    sched_kill(s, job, NONE);
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        for (uint32_t t = 0; st->running > 0; t++) {
            if (st->tasks[t].state == TASK_RUNNING)
                sched_requeue(s, st, t);
        }
    }
}

/* Complete stages may end or commit the job. */
void sched_check_job(struct sched *s, struct job *job)
{
    if (job->state != JOB_RUNNING)
        return;
    sched_settle(s, job);
    const struct stage *last = &job->stages[job->spec.stage_count - 1];
    if (last->state != STAGE_COMPLETE)
        return;
    if (last->spec.writes) {
        stop_all(s, job);
        sm_move(&job_sm, &job->state, JOB_COMMITTING);
        struct sched_action *c = sched_act(s, SCHED_COMMIT);
        c->job_id = job->spec.job_id;
        c->stage = job->spec.stage_count - 1;
        return;
    }
    struct error none = ERROR_INIT;
    sched_end_job(s, job, &none);
}

/* ---- without executors ---- */

static int64_t gives_up_at(const struct sched *s, const struct job *job)
{
    return (job->submitted_us > s->none_since ? job->submitted_us : s->none_since) + s->config.executors_wait_us;
}

/* Asks for the timer when jobs wait for executors: each its whole time, from when it came or the last one went. */
void sched_wait(struct sched *s)
{
    int64_t first = INT64_MAX;
    for (const struct job *job = s->live ? NULL : s->active; job; job = job->next) {
        if (job->state == JOB_RUNNING && gives_up_at(s, job) < first)
            first = gives_up_at(s, job);
    }
    if (first == INT64_MAX) {
        s->timer_us = 0;
        return;
    }
    if (first != s->timer_us)
        sched_act(s, SCHED_SET_TIMER)->at_us = first;
    s->timer_us = first;
}

void sched_on_timer(struct sched *s)
{
    char *seconds = xasprintf("%g", (double)s->config.executors_wait_us / 1e6);
    struct job *next;
    s->timer_us = 0;
    for (struct job *job = s->live ? NULL : s->active; job; job = next) {
        struct error err = ERROR_INIT;
        next = job->next;
        if (job->state != JOB_RUNNING || s->now < gives_up_at(s, job))
            continue;
        error_set(&err, ERR_NO_EXECUTORS, "seconds", seconds, "reason", s->last_loss ? s->last_loss : "none ever came", "driver",
                  s->driver_address, NULL);
        sched_end_job(s, job, &err);
    }
    xfree(seconds);
}
