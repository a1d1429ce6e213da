/* The recount: counters against states, lists against tables. O(everything). */
#include "executor/control/control_impl.h"

static void check_jobs(const struct control *c)
{
    uint32_t jobs = 0, plans = 0, inputs = 0, outputs = 0, attempts = 0;
    for (uint32_t b = 0; b < JOB_BUCKETS; b++) {
        for (const struct held_job *job = c->jobs[b]; job; job = job->next, jobs++) {
            ASSERT(!job->released || job->attempts > 0);
            attempts += job->attempts;
            for (uint32_t i = 0; i < job->stage_cap; i++) {
                const struct held_stage *st = &job->stages[i];
                uint32_t held = 0;
                for (uint32_t p = 0; p < st->cap; p++)
                    held += st->output[p] != 0;
                ASSERT(held == st->outputs && (!held || (st->plan && st->keeps_output)));
                ASSERT(!job->released || (!st->plan && !st->inputs && !held));
                plans += st->plan;
                inputs += st->inputs > 0;
                outputs += held;
            }
        }
    }
    ASSERT(jobs == c->job_count && plans == c->plan_count && inputs == c->input_count && outputs == c->output_count);
    ASSERT(attempts == c->attempt_count);
}

void control_check(const struct control *c)
{
    uint32_t count[4] = {0}, used = 0, queued = 0, indexed = 0;
    for (uint32_t i = 0; i < c->attempt_cap; i++) {
        const struct control_attempt *a = &c->attempts[i];
        if (!a->id)
            continue;
        used++;
        count[a->state]++;
        ASSERT(control_find(c, a->id) == a && a->unacked >= 0);
        ASSERT(!a->doomed || a->state != CONTROL_QUEUED);
        ASSERT(c->registered || a->orphan);
        ASSERT(a->orphan || a->id <= c->last_attempt);
    }
    ASSERT(used == c->attempt_count);
    for (uint32_t i = 0; i < 4; i++)
        ASSERT(count[i] == c->state_count[i]);
    for (uint32_t i = 0; i < c->index_cap; i++)
        indexed += c->index[i] != NONE;
    ASSERT(indexed == used);
    for (uint32_t i = c->queue_head; i != NONE; i = c->attempts[i].next, queued++)
        ASSERT(c->attempts[i].state == CONTROL_QUEUED);
    ASSERT(queued == count[CONTROL_QUEUED]);
    ASSERT(count[CONTROL_ENDED] == c->ended_count);
    check_jobs(c);
}

void control_check_idle(const struct control *c)
{
    ASSERT(c->state_count[CONTROL_QUEUED] == 0 || c->state_count[CONTROL_RUNNING] >= c->config.slots + c->config.ahead);
    for (uint32_t i = 0; i < c->attempt_cap; i++)
        ASSERT(!c->attempts[i].id || c->attempts[i].state != CONTROL_WAITING || !(c->attempts[i].woken || c->attempts[i].doomed));
}
