/* The recount: every counter against the states it counts, every state against its neighbours. O(everything). */
#include "driver/sched/sched_impl.h"

static void check_executor(const struct sched *s, uint32_t index)
{
    const struct executor *e = &s->executors[index];
    uint32_t n = 0, stalled = 0;
    for (uint32_t a = e->first; a != NONE; stalled += s->attempts[a].stalled, a = s->attempts[a].next, n++)
        ASSERT(s->attempts[a].id && s->attempts[a].executor == index && s->attempts[a].state != ATTEMPT_FREE);
    ASSERT(n == e->running && stalled == e->stalled);
    ASSERT(e->state == EXECUTOR_LIVE || n == 0);
    ASSERT((e->state == EXECUTOR_LOST) == (e->reason != NULL));
    ASSERT((sched_find_executor(s, e->id, e->incarnation) == index) == (e->state == EXECUTOR_LIVE));
}

static void check_task(const struct sched *s, const struct job *job, uint32_t stage, uint32_t partition, bool needed)
{
    const struct task *t = &job->stages[stage].tasks[partition];
    if (t->state == TASK_RUNNING) {
        const struct attempt *a = &s->attempts[t->attempt];
        ASSERT(a->state == ATTEMPT_LAUNCHED && a->job == job && a->stage == stage && a->partition == partition);
    }
    if (t->state == TASK_DONE && needed)
        ASSERT(t->executor == NONE || s->executors[t->executor].state == EXECUTOR_LIVE);
    const struct stage *st = &job->stages[stage];
    bool keeps = t->state == TASK_DONE && (st->spec.writes || t->executor == NONE);
    ASSERT((st->kept && st->kept[partition].bytes) == keeps);
    ASSERT(t->failures < s->config.max_failures);
}

static void check_no_idle_in(const struct sched *s, const struct stage *st)
{
    if (st->state != STAGE_RUNNING || st->pending == 0 || st->again_count > AVOID_SCAN)
        return;
    uint32_t first = st->fresh;
    while (first < st->spec.task_count && st->tasks[first].launched)
        first++;
    bool fresh = st->pending > st->again_count && (st->limit == UINT32_MAX || first < st->limit);
    for (uint32_t e = 0; e < s->executor_count; e++) {
        if (s->executors[e].state != EXECUTOR_LIVE || sched_occupied(&s->executors[e]) >= s->executors[e].slots)
            continue;
        ASSERT(!fresh);
        for (uint32_t i = 0; i < st->again_count; i++)
            ASSERT(st->tasks[st->again[i]].avoid == e + 1 && s->live > 1);
    }
}

static void check_stage(const struct sched *s, const struct job *job, uint32_t stage, uint32_t *outputs)
{
    const struct stage *st = &job->stages[stage];
    uint32_t count[3] = {0};
    uint64_t rows = 0, bytes = 0;
    bool needed = job->state == JOB_RUNNING && sched_outputs_needed(job, stage), parents = true;
    for (uint32_t p = 0; p < st->spec.task_count; p++) {
        const struct task *t = &st->tasks[p];
        count[t->state]++;
        check_task(s, job, stage, p, needed);
        if (t->state == TASK_DONE) {
            outputs[t->executor == NONE ? s->executor_count : t->executor]++;
            rows += t->rows_out;
            bytes += t->bytes_out;
        }
    }
    for (uint32_t p = 0; p < st->spec.parent_count; p++)
        parents &= job->stages[st->parents[p]].state == STAGE_COMPLETE;
    ASSERT(count[TASK_DONE] == st->done && count[TASK_RUNNING] == st->running && count[TASK_PENDING] == st->pending);
    ASSERT(rows == st->view.rows_out && bytes == st->view.bytes_out);
    ASSERT((st->state == STAGE_COMPLETE) == (st->done == st->spec.task_count));
    ASSERT(st->state == STAGE_COMPLETE || (st->state == STAGE_RUNNING) == parents);
    ASSERT(st->reruns <= s->config.stage_reruns_max);
    ASSERT(stage >= job->first_open || st->state == STAGE_COMPLETE);
}

void sched_check(const struct sched *s)
{
    uint32_t live = 0, held = 0, listed = 0, active = 0, job_held = 0;
    uint32_t *outputs = xcalloc(s->executor_count + 1, sizeof *outputs);
    for (uint32_t i = 0; i < s->executor_count; i++) {
        check_executor(s, i);
        live += s->executors[i].state == EXECUTOR_LIVE;
        listed += s->executors[i].running;
    }
    ASSERT(live == s->live);
    for (uint32_t a = 0; a < s->attempt_cap; a++)
        held += s->attempts[a].id != 0;
    ASSERT(held == listed);
    for (const struct job *job = s->active; job; job = job->next, active++) {
        ASSERT(!sm_is_final(&job_sm, job->state) && job->ended_us == 0);
        for (uint32_t i = 0; i < job->spec.stage_count; i++)
            check_stage(s, job, i, outputs);
    }
    ASSERT(active == s->active_count);
    for (uint32_t j = 0; j < s->job_count; j++)
        job_held += s->jobs[j]->held;
    ASSERT(job_held == held);
    for (uint32_t i = 0; i < s->executor_count; i++)
        ASSERT(outputs[i] == s->executors[i].outputs);
    xfree(outputs);
}

void sched_check_idle(const struct sched *s)
{
    for (const struct job *job = s->active; job; job = job->next) {
        for (uint32_t i = 0; job->state == JOB_RUNNING && i < job->spec.stage_count; i++)
            check_no_idle_in(s, &job->stages[i]);
    }
}
