/* What an executor holds of jobs: plans, inputs, outputs. */
#include "executor/control/control_impl.h"

static struct held_job **bucket(const struct control *c, uint64_t job_id)
{
    return (struct held_job **)(uintptr_t)&c->jobs[hash_u64(job_id) % JOB_BUCKETS];
}

struct held_job *control_find_job(const struct control *c, uint64_t job_id)
{
    struct held_job *job = *bucket(c, job_id);
    while (job && (job->id != job_id || job->released))
        job = job->next;
    return job;
}

struct held_stage *control_find_stage(const struct held_job *job, uint32_t stage)
{
    return job && stage < job->stage_cap ? &job->stages[stage] : NULL;
}

/* The job, new if need be, with room for the stage. NULL: the number cannot be. */
static struct held_job *open_stage(struct control *c, uint64_t job_id, uint32_t stage)
{
    struct held_job *job = control_find_job(c, job_id);
    if (stage >= CONTROL_STAGES_MAX)
        return NULL;
    if (!job) {
        struct held_job **head = bucket(c, job_id);
        job = xcalloc(1, sizeof *job);
        job->id = job_id;
        job->next = *head;
        *head = job;
        c->job_count++;
    }
    uint32_t old = job->stage_cap;
    if (stage >= old) {
        ARRAY_RESERVE(job->stages, stage + 1, job->stage_cap);
        memset(job->stages + old, 0, (job->stage_cap - old) * sizeof *job->stages);
    }
    return job;
}

void control_on_plan(struct control *c, const struct control_event *ev)
{
    struct held_job *job = open_stage(c, ev->job_id, ev->stage);
    if (!job || job->stages[ev->stage].plan) {
        c->stale++;
        return;
    }
    job->stages[ev->stage].plan = true;
    job->stages[ev->stage].keeps_output = ev->keeps_output;
    c->plan_count++;
    struct control_action *a = control_act(c, CONTROL_ADD_PLAN);
    a->job_id = ev->job_id;
    a->stage = ev->stage;
}

void control_on_inputs(struct control *c, const struct control_event *ev)
{
    struct held_job *job = ev->version ? open_stage(c, ev->job_id, ev->stage) : NULL;
    if (!job || ev->version <= job->stages[ev->stage].inputs) {
        c->stale++;
        return;
    }
    c->input_count += job->stages[ev->stage].inputs == 0;
    job->stages[ev->stage].inputs = ev->version;
    struct control_action *a = control_act(c, CONTROL_SET_INPUTS);
    a->job_id = ev->job_id;
    a->stage = ev->stage;
}

/* What an earlier attempt left is nobody's any more. */
static void drop_earlier(struct control *c, struct held_stage *st, const struct control_attempt *a)
{
    uint64_t *output = &st->output[a->partition];
    if (!*output)
        return;
    struct control_action *drop = control_act(c, CONTROL_DROP_OUTPUT);
    drop->job_id = a->job->id;
    drop->stage = a->stage;
    drop->partition = a->partition;
    drop->attempt_id = *output;
    *output = 0;
    st->outputs--;
    c->output_count--;
}

void control_hold(struct control *c, const struct control_attempt *a)
{
    struct held_stage *st = control_find_stage(a->job, a->stage);
    ASSERT(st && !a->job->released && a->partition < CONTROL_PARTITIONS_MAX);
    if (!st->keeps_output)
        return;
    if (a->partition < st->cap)
        drop_earlier(c, st, a);
    if (a->rides)
        return;
    uint32_t old = st->cap;
    if (a->partition >= old) {
        ARRAY_RESERVE(st->output, a->partition + 1, st->cap);
        memset(st->output + old, 0, (st->cap - old) * sizeof *st->output);
    }
    st->output[a->partition] = a->id;
    st->outputs++;
    c->output_count++;
}

static void free_job(struct held_job *job)
{
    for (uint32_t i = 0; i < job->stage_cap; i++)
        xfree(job->stages[i].output);
    xfree(job->stages);
    xfree(job);
}

static void remove_if_over(struct control *c, struct held_job *job)
{
    if (!job->released || job->attempts > 0)
        return;
    struct held_job **link = bucket(c, job->id);
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    c->job_count--;
    free_job(job);
}

void control_release(struct control *c, struct held_job *job)
{
    ASSERT(!job->released);
    for (uint32_t i = 0; i < job->stage_cap; i++) {
        struct held_stage *st = &job->stages[i];
        c->plan_count -= st->plan;
        c->input_count -= st->inputs > 0;
        c->output_count -= st->outputs;
        xfree(st->output);
        *st = (struct held_stage){0};
    }
    control_act(c, CONTROL_DROP_JOB)->job_id = job->id;
    job->released = true; /* and not found any more: a later driver may use its id again */
    remove_if_over(c, job);
}

void control_job_left(struct control *c, struct held_job *job)
{
    ASSERT(job->attempts > 0);
    job->attempts--;
    remove_if_over(c, job);
}

void control_jobs_free(struct control *c)
{
    for (uint32_t b = 0; b < JOB_BUCKETS; b++) {
        while (c->jobs[b]) {
            struct held_job *next = c->jobs[b]->next;
            free_job(c->jobs[b]);
            c->jobs[b] = next;
        }
    }
}

bool control_holds(const struct control *c, uint64_t job_id, uint32_t stage, uint32_t partition, uint64_t attempt_id)
{
    const struct held_stage *st = control_find_stage(control_find_job(c, job_id), stage);
    return st && partition < st->cap && attempt_id && st->output[partition] == attempt_id;
}

uint32_t control_inputs(const struct control *c, uint64_t job_id, uint32_t stage)
{
    const struct held_stage *st = control_find_stage(control_find_job(c, job_id), stage);
    return st ? st->inputs : 0;
}
