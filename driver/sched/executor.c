/* Executors: who is there, in which incarnation, and what their loss means. */
#include "driver/sched/sched_impl.h"

static uint32_t *bucket(const struct sched *s, uint64_t id)
{
    return (uint32_t *)(uintptr_t)&s->live_by_id[id % EXECUTOR_BUCKETS];
}

/* The live executor of an id in whatever incarnation, or NONE. */
static uint32_t find_live(const struct sched *s, uint64_t id)
{
    uint32_t i = *bucket(s, id);
    while (i != NONE && s->executors[i].id != id)
        i = s->executors[i].next_hash;
    return i;
}

uint32_t sched_find_executor(const struct sched *s, uint64_t id, uint64_t incarnation)
{
    uint32_t i = find_live(s, id);
    return i != NONE && s->executors[i].incarnation == incarnation ? i : NONE;
}

/* A place in the table: of the executor that was lost longest ago when enough are remembered and no task names it. */
static uint32_t new_index(struct sched *s)
{
    uint32_t best = NONE;
    if (s->executor_count - s->live > SCHED_EXECUTORS_KEPT) {
        for (uint32_t i = 0; i < s->executor_count; i++) {
            const struct executor *e = &s->executors[i];
            if (e->state == EXECUTOR_LOST && e->outputs == 0 && (best == NONE || e->view.lost_us < s->executors[best].view.lost_us))
                best = i;
        }
    }
    if (best != NONE) {
        struct executor *e = &s->executors[best];
        ASSERT(e->running == 0);
        xfree(e->host);
        xfree(e->place);
        xfree(e->reason);
        return best;
    }
    ARRAY_GROW(s->executors, s->executor_count, s->executor_cap);
    return s->executor_count++;
}

static void end_unrepeatable(struct sched *s, struct job *job)
{
    struct error err = ERROR_INIT;
    error_setf(&err, ERR_JOB_FAILED, "message",
               "some rows of a partition were delivered, and another attempt would give them in another order; run the query again. "
               "What was lost: %s", s->last_loss);
    sched_end_job(s, job, &err);
}

/* A task that takes every executor with it would keep its job, and all that is restarted for it, busy for ever. */
static void end_deadly(struct sched *s, struct job *job, uint32_t stage, uint32_t partition)
{
    struct error err = ERROR_INIT;
    error_setf(&err, ERR_JOB_FAILED, "message",
               "%u executors were lost while they had an attempt at partition %u of stage %u; the last was %s", s->config.losses_max,
               partition, stage, s->last_loss);
    sched_end_job(s, job, &err);
}

static void lose(struct sched *s, uint32_t index, const char *reason)
{
    struct executor *e = &s->executors[index];
    uint32_t *link = bucket(s, e->id);
    while (*link != index)
        link = &s->executors[*link].next_hash;
    *link = e->next_hash;
    sm_move(&executor_sm, &e->state, EXECUTOR_LOST);
    e->reason = xstrdup(reason);
    e->view.lost_us = s->now;
    s->live--;
    s->look_everywhere = true; /* what avoided other executors may have to make do with them */
    if (s->live == 0)
        s->none_since = s->now;
    xfree(s->last_loss);
    s->last_loss = xasprintf("executor %llu on %s: %s", (unsigned long long)e->id, e->host, e->reason);
    while (e->first != NONE) {
        struct attempt *a = &s->attempts[e->first];
        struct job *job = a->job;
        struct stage *st = &job->stages[a->stage];
        uint32_t stage = a->stage, partition = a->partition;
        bool counts = a->state == ATTEMPT_LAUNCHED && job->state == JOB_RUNNING;
        sched_attempt_gone(s, a);
        if (!counts)
            continue;
        sched_requeue(s, st, partition);
        if (sched_cannot_repeat(st, &st->tasks[partition]))
            end_unrepeatable(s, job);
        else if (++st->tasks[partition].losses >= s->config.losses_max)
            end_deadly(s, job, stage, partition);
    }
    struct job *next;
    for (struct job *job = s->active; job; job = next) {
        next = job->next;
        if (job->state != JOB_RUNNING)
            continue;
        sched_lose_dead(s, job);
        if (job->state == JOB_RUNNING)
            sched_settle(s, job);
    }
}

void sched_on_joined(struct sched *s, const struct sched_event *ev)
{
    uint32_t old = find_live(s, ev->executor_id);
    ASSERT(ev->slots > 0 && ev->host);
    if (old != NONE && ev->incarnation <= s->executors[old].incarnation) {
        s->stale++;
        return;
    }
    if (old != NONE)
        lose(s, old, "it came back in another incarnation");
    uint32_t index = new_index(s), *head = bucket(s, ev->executor_id);
    struct executor *e = &s->executors[index];
    *e = (struct executor){.id = ev->executor_id, .incarnation = ev->incarnation, .state = EXECUTOR_LIVE, .host = xstrdup(ev->host),
                           .place = xasprintf("executor:%llu", (unsigned long long)ev->executor_id), .slots = ev->slots,
                           .first = NONE, .next_hash = *head};
    e->view = (struct executor_view){.executor_id = e->id, .incarnation = e->incarnation, .slots = e->slots,
                                     .memory = ev->memory, .joined_us = s->now};
    *head = index;
    s->live++;
    s->look_everywhere = true;
}

void sched_on_lost(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = sched_find_executor(s, ev->executor_id, ev->incarnation);
    if (index == NONE)
        s->stale++;
    else
        lose(s, index, ev->reason ? ev->reason : "the connection ended");
}
