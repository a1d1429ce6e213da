/* Attempts: a table of slots with a free list, and a list per executor of those that it has not let go. */
#include "driver/sched/sched_impl.h"

enum { SLOTS = 1u << SLOT_BITS };

struct attempt *sched_find_attempt(const struct sched *s, uint64_t id)
{
    uint32_t slot = (uint32_t)(id % SLOTS);
    return slot < s->attempt_cap && id && s->attempts[slot].id == id ? &s->attempts[slot] : NULL;
}

static void grow(struct sched *s)
{
    uint32_t cap = s->attempt_cap ? s->attempt_cap * 2 : 64;
    ASSERT(cap <= SLOTS);
    s->attempts = xrealloc(s->attempts, cap * sizeof *s->attempts);
    memset(s->attempts + s->attempt_cap, 0, (cap - s->attempt_cap) * sizeof *s->attempts);
    for (uint32_t i = cap; i-- > s->attempt_cap;) {
        s->attempts[i].next = s->attempt_free;
        s->attempt_free = i;
    }
    s->attempt_cap = cap;
}

uint64_t sched_new_attempt(struct sched *s, struct job *job, uint32_t stage, uint32_t partition, uint32_t executor)
{
    if (s->attempt_free == NONE)
        grow(s);
    uint32_t slot = s->attempt_free;
    struct attempt *a = &s->attempts[slot];
    struct executor *e = &s->executors[executor];
    s->attempt_free = a->next;
    *a = (struct attempt){.id = s->next_attempt++ << SLOT_BITS | slot, .job = job, .stage = stage, .partition = partition,
                          .executor = executor, .launched_us = s->now, .next = e->first, .prev = NONE};
    sm_move(&attempt_sm, &a->state, ATTEMPT_LAUNCHED);
    if (e->first != NONE)
        s->attempts[e->first].prev = slot;
    e->first = slot;
    e->running++;
    job->held++;
    return a->id;
}

static void has_room(struct sched *s, uint32_t executor)
{
    s->look_everywhere |= s->room != NONE && s->room != executor;
    s->room = executor;
}

void sched_attempt_gone(struct sched *s, struct attempt *a)
{
    struct executor *e = &s->executors[a->executor];
    uint32_t slot = (uint32_t)(a->id % SLOTS);
    if (a->prev != NONE)
        s->attempts[a->prev].next = a->next;
    else
        e->first = a->next;
    if (a->next != NONE)
        s->attempts[a->next].prev = a->prev;
    ASSERT(e->running > 0 && a->job->held > 0);
    e->running--;
    e->stalled -= a->stalled;
    a->job->held--;
    has_room(s, a->executor);
    sm_move(&attempt_sm, &a->state, ATTEMPT_FREE);
    a->id = 0;
    a->next = s->attempt_free;
    s->attempt_free = slot;
}

void sched_on_stalled(struct sched *s, uint64_t attempt_id, bool stalled)
{
    struct attempt *a = sched_find_attempt(s, attempt_id);
    if (!a || a->stalled == stalled)
        return; /* it ended meanwhile, or that is known */
    struct executor *e = &s->executors[a->executor];
    a->stalled = stalled;
    e->stalled += stalled ? 1 : UINT32_MAX;
    if (stalled)
        has_room(s, a->executor);
}

static void kill_on(struct sched *s, struct job *job, uint32_t stage, const struct executor *e)
{
    struct sched_action *k = NULL;
    uint32_t cap = 0;
    for (uint32_t i = e->first; i != NONE; i = s->attempts[i].next) {
        struct attempt *a = &s->attempts[i];
        if (a->job != job || a->state == ATTEMPT_KILLED || (stage != NONE && a->stage != stage))
            continue;
        if (!k) {
            k = sched_act(s, SCHED_KILL);
            k->executor_id = e->id;
            k->incarnation = e->incarnation;
            k->job_id = job->spec.job_id;
        }
        ARRAY_GROW(k->attempt_ids, k->count, cap);
        k->attempt_ids[k->count++] = a->id;
        sm_move(&attempt_sm, &a->state, ATTEMPT_KILLED);
    }
}

void sched_kill(struct sched *s, struct job *job, uint32_t stage)
{
    for (uint32_t i = 0; job->held && i < s->executor_count; i++) {
        if (s->executors[i].state == EXECUTOR_LIVE && sched_is_touched(job, i))
            kill_on(s, job, stage, &s->executors[i]);
    }
}
