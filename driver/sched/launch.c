/*
 * Who gets what: jobs in the order of their submission, stages in order, tasks near their data first, and nobody
 * idles while there is something to do.
 */
#include "driver/sched/sched_impl.h"

/* Attempts an executor may hold of this stage: its slots, and a queue that covers the round trip for short tasks. */
static uint32_t credit(const struct sched *s, const struct stage *st, const struct executor *e)
{
    uint32_t depth = 1;
    if (st->done > 0) {
        uint64_t average = st->view.run_us / st->done;
        depth = average == 0 ? QUEUE_DEPTH_MAX : (uint32_t)(QUEUE_AHEAD_US / average);
        if (depth > QUEUE_DEPTH_MAX)
            depth = QUEUE_DEPTH_MAX;
    }
    /* Near the end nothing is hoarded: others may be idle. */
    uint32_t share = st->pending / (s->live * e->slots + 1);
    if (depth > share && s->live > 1)
        depth = share;
    return e->slots * (1 + depth);
}

/* ---- which task ---- */

/* A task launched before, rather not one that failed on this executor while there are others. */
static uint32_t take_again(const struct sched *s, struct stage *st, uint32_t executor)
{
    uint32_t scan = st->again_count < AVOID_SCAN ? st->again_count : AVOID_SCAN;
    for (uint32_t i = 0; i < scan; i++) {
        uint32_t *slot = &st->again[st->again_count - 1 - i], p = *slot;
        if (st->tasks[p].avoid == executor + 1 && s->live > 1)
            continue;
        *slot = st->again[--st->again_count];
        return p;
    }
    return NONE;
}

/* A fresh task that prefers this executor or its host. */
static uint32_t take_near(const struct job *job, struct stage *st, const struct executor *e)
{
    for (uint32_t i = 0; i < job->spec.place_count; i++) {
        if (st->place_head[i + 1] == NONE || (strcmp(job->places[i], e->host) != 0 && strcmp(job->places[i], e->place) != 0))
            continue;
        while (st->place_head[i + 1] != NONE) {
            uint32_t p = st->place_head[i + 1];
            st->place_head[i + 1] = st->place_next[p];
            if (!st->tasks[p].launched)
                return p;
        }
    }
    return NONE;
}

static uint32_t take_fresh(struct stage *st)
{
    while (st->fresh < st->spec.task_count && st->tasks[st->fresh].launched)
        st->fresh++;
    return st->fresh < st->spec.task_count && st->fresh < st->limit ? st->fresh++ : NONE;
}

static uint32_t take_task(const struct sched *s, const struct job *job, struct stage *st, uint32_t executor)
{
    uint32_t p = take_again(s, st, executor);
    if (p == NONE && st->place_head && st->limit == UINT32_MAX)
        p = take_near(job, st, &s->executors[executor]);
    return p == NONE ? take_fresh(st) : p;
}

/* ---- launching ---- */

static void touch(struct job *job, uint32_t executor)
{
    uint32_t need = executor / 64 + 1;
    if (need > job->touched_words) {
        job->touched = xrealloc(job->touched, need * sizeof *job->touched);
        memset(job->touched + job->touched_words, 0, (need - job->touched_words) * sizeof *job->touched);
        job->touched_words = need;
    }
    job->touched[executor / 64] |= 1ull << executor % 64;
}

static void launch_on(struct sched *s, struct job *job, uint32_t stage, uint32_t executor, uint32_t max)
{
    struct stage *st = &job->stages[stage];
    struct sched_action *a = NULL;
    if (max > st->pending)
        max = st->pending;
    for (uint32_t i = 0; i < max; i++) {
        uint32_t p = take_task(s, job, st, executor);
        if (p == NONE)
            break;
        if (!a) {
            a = sched_act(s, SCHED_LAUNCH);
            a->executor_id = s->executors[executor].id;
            a->incarnation = s->executors[executor].incarnation;
            a->job_id = job->spec.job_id;
            a->stage = stage;
            a->attempt_ids = xmalloc(max * sizeof *a->attempt_ids);
            a->partitions = xmalloc(max * sizeof *a->partitions);
            touch(job, executor);
        }
        struct task *t = &st->tasks[p];
        uint64_t id = sched_new_attempt(s, job, stage, p, executor);
        sm_move(&task_sm, &t->state, TASK_RUNNING);
        t->launched = true;
        t->attempt = (uint32_t)(id & ((1u << SLOT_BITS) - 1));
        st->pending--;
        st->running++;
        st->view.attempts++;
        a->attempt_ids[a->count] = id;
        a->partitions[a->count++] = p;
    }
}

/* Fills an executor's room with tasks of the stage, in even shares while a stage is small. */
static void offer(struct sched *s, struct job *job, uint32_t stage, uint32_t executor)
{
    struct stage *st = &job->stages[stage];
    struct executor *e = &s->executors[executor];
    uint32_t may = credit(s, st, e);
    if (e->state != EXECUTOR_LIVE || sched_occupied(e) >= may)
        return;
    uint32_t room = may - sched_occupied(e), share = (st->pending + s->live - 1) / s->live;
    launch_on(s, job, stage, executor, room < share || room <= e->slots ? room : share > e->slots ? share : e->slots);
}

static void offer_to_all(struct sched *s, struct job *job, uint32_t stage)
{
    struct stage *st = &job->stages[stage];
    if (st->home != NONE && st->pending)
        offer(s, job, stage, st->home);
    for (uint32_t round = 0; round < s->executor_count && st->pending; round++)
        offer(s, job, stage, (s->next_executor + round) % s->executor_count);
    if (s->executor_count)
        s->next_executor = (s->next_executor + 1) % s->executor_count;
}

/*
 * After an event: everything that waits is offered to everybody when there is new work or new room in several
 * places; to one executor when all that happened is that it let attempts go, which is what nearly every event is.
 */
void sched_schedule(struct sched *s)
{
    for (struct job *job = s->live ? s->active : NULL; job; job = job->next) {
        if (job->state != JOB_RUNNING || (!s->look_everywhere && s->room == NONE))
            continue;
        for (uint32_t i = job->first_open; i < job->spec.stage_count; i++) {
            if (job->stages[i].state != STAGE_RUNNING || job->stages[i].pending == 0)
                continue;
            if (s->look_everywhere)
                offer_to_all(s, job, i);
            else
                offer(s, job, i, s->room);
        }
    }
    s->look_everywhere = false;
    s->room = NONE;
}
