/* Stages: their states, their tasks' outputs, and what runs again when outputs are lost. */
#include "driver/sched/sched_impl.h"

static bool parents_complete(const struct job *job, const struct stage *st)
{
    for (uint32_t i = 0; i < st->spec.parent_count; i++) {
        if (job->stages[st->parents[i]].state != STAGE_COMPLETE)
            return false;
    }
    return true;
}

static bool reads(const struct stage *st, uint32_t parent)
{
    for (uint32_t i = 0; i < st->spec.parent_count; i++) {
        if (st->parents[i] == parent)
            return true;
    }
    return false;
}

/* A single task goes where most of what it reads lies. */
static uint32_t home_of(const struct sched *s, const struct job *job, const struct stage *st)
{
    if (st->spec.task_count > 1 || st->spec.parent_count == 0 || s->live < 2)
        return NONE;
    uint64_t *bytes = xcalloc(s->executor_count, sizeof *bytes), most = 0;
    uint32_t home = NONE;
    for (uint32_t i = 0; i < st->spec.parent_count; i++) {
        const struct stage *parent = &job->stages[st->parents[i]];
        for (uint32_t p = 0; p < parent->spec.task_count; p++) {
            if (parent->tasks[p].executor != NONE)
                bytes[parent->tasks[p].executor] += parent->tasks[p].bytes_out;
        }
    }
    for (uint32_t e = 0; e < s->executor_count; e++) {
        if (bytes[e] > most) {
            most = bytes[e];
            home = e;
        }
    }
    xfree(bytes);
    return home;
}

/* Brings every stage's state in line with its tasks and parents. */
void sched_settle(struct sched *s, struct job *job)
{
    bool prefix = true;
    for (uint32_t i = job->first_open; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        enum stage_state to = st->done == st->spec.task_count ? STAGE_COMPLETE
                              : parents_complete(job, st)     ? STAGE_RUNNING
                                                              : STAGE_WAITING;
        if (to == STAGE_COMPLETE && st->state == STAGE_WAITING)
            sm_move(&stage_sm, &st->state, STAGE_RUNNING); /* its parents lost outputs while its last attempts ran */
        if (to != st->state) {
            sm_move(&stage_sm, &st->state, to);
            st->view.ended_us = to == STAGE_COMPLETE ? s->now : 0;
            if (to == STAGE_RUNNING) {
                st->view.started_us = st->view.started_us ? st->view.started_us : s->now;
                st->home = home_of(s, job, st);
                s->look_everywhere = true;
            }
        }
        prefix &= to == STAGE_COMPLETE;
        if (prefix)
            job->first_open = i + 1;
    }
}

/* ---- tasks ---- */

static void push_again(struct sched *s, struct stage *st, uint32_t partition)
{
    ARRAY_GROW(st->again, st->again_count, st->again_cap);
    st->again[st->again_count++] = partition;
    st->pending++;
    s->look_everywhere = true;
}

void sched_requeue(struct sched *s, struct stage *st, uint32_t partition)
{
    struct task *t = &st->tasks[partition];
    ASSERT(t->state == TASK_RUNNING);
    sm_move(&task_sm, &t->state, TASK_PENDING);
    st->running--;
    push_again(s, st, partition);
}

static void keep(struct stage *st, uint32_t partition, const void *bytes, uint32_t count)
{
    if (!st->kept)
        st->kept = xcalloc(st->spec.task_count, sizeof *st->kept);
    struct kept *k = &st->kept[partition];
    xfree(k->bytes);
    *k = (struct kept){xmalloc(count + 1), count};
    if (count)
        memcpy(k->bytes, bytes, count);
}

static void unkeep(struct stage *st, uint32_t partition)
{
    if (!st->kept)
        return;
    xfree(st->kept[partition].bytes);
    st->kept[partition] = (struct kept){NULL, 0};
}

void sched_free_kept(struct stage *st)
{
    for (uint32_t i = 0; st->kept && i < st->spec.task_count; i++)
        xfree(st->kept[i].bytes);
    xfree(st->kept);
    st->kept = NULL;
}

void sched_task_done(struct sched *s, struct job *job, uint32_t stage, uint32_t partition, uint32_t executor,
                     const struct attempt_result *r)
{
    struct stage *st = &job->stages[stage];
    struct task *t = &st->tasks[partition];
    struct executor *e = &s->executors[executor];
    sm_move(&task_sm, &t->state, TASK_DONE);
    bool rides = r->output_bytes > 0 && !st->spec.writes && !st->spec.result;
    t->executor = rides ? NONE : executor;
    t->done_attempt = r->attempt_id;
    t->rows_out = r->rows_out;
    t->bytes_out = r->bytes_out;
    e->outputs += !rides;
    st->running--;
    st->done++;
    st->version++;
    st->view.rows_out += r->rows_out;
    st->view.bytes_out += r->bytes_out;
    st->view.rows_in += r->rows_in;
    st->view.bytes_in += r->bytes_in;
    st->view.shuffle_bytes_in += r->shuffle_bytes_in;
    st->view.run_us += r->run_us;
    if (r->peak_memory > st->view.peak_memory)
        st->view.peak_memory = r->peak_memory;
    e->view.done++;
    e->view.run_us += r->run_us;
    e->view.rows_in += r->rows_in;
    e->view.bytes_in += r->bytes_in;
    e->view.shuffle_bytes_in += r->shuffle_bytes_in;
    e->view.bytes_out += r->bytes_out;
    if (rides)
        keep(st, partition, r->output, r->output_bytes);
    else if (st->spec.writes)
        keep(st, partition, r->manifest, r->manifest_bytes);
}

static void forget_output(struct sched *s, struct stage *st, struct task *t)
{
    ASSERT(t->state == TASK_DONE && (t->executor == NONE || s->executors[t->executor].outputs > 0));
    if (t->executor != NONE)
        s->executors[t->executor].outputs--;
    st->view.rows_out -= t->rows_out;
    st->view.bytes_out -= t->bytes_out;
}

/* The task runs again. */
static void undo(struct sched *s, struct job *job, uint32_t stage, uint32_t partition)
{
    struct stage *st = &job->stages[stage];
    struct task *t = &st->tasks[partition];
    forget_output(s, st, t);
    unkeep(st, partition);
    sm_move(&task_sm, &t->state, TASK_PENDING);
    st->done--;
    st->version++;
    push_again(s, st, partition);
    if (stage < job->first_open)
        job->first_open = stage;
}

void sched_drop_stage(struct sched *s, struct stage *st)
{
    for (uint32_t i = 0; st->tasks && i < st->spec.task_count; i++) {
        if (st->tasks[i].state == TASK_DONE && st->tasks[i].executor != NONE)
            s->executors[st->tasks[i].executor].outputs--;
    }
    sched_free_kept(st);
    xfree(st->tasks);
    xfree(st->again);
    xfree(st->place_head);
    xfree(st->place_next);
    st->tasks = NULL;
    st->again = st->place_head = st->place_next = NULL;
    st->again_count = st->again_cap = st->pending = st->running = 0;
}

/* ---- lost outputs ---- */

/* Whether anything may still read this stage's outputs. */
bool sched_outputs_needed(const struct job *job, uint32_t stage)
{
    const struct stage *st = &job->stages[stage];
    if (st->spec.result || st->spec.writes)
        return false; /* rows went to the driver, files to their folder */
    for (uint32_t i = stage + 1; i < job->spec.stage_count; i++) {
        const struct stage *c = &job->stages[i];
        if (c->done < c->spec.task_count && reads(c, stage))
            return true;
    }
    return false;
}

/*
 * An indeterminate stage lost outputs: they will hold other rows next time, so whatever has read the old ones, or
 * may have, starts over, and what read that in turn. Its own other outputs stay: they are read whole, by all, anew.
 * False: rows that came of the old ones have gone to the client already.
 */
static bool restart_readers(struct sched *s, struct job *job, uint32_t stage)
{
    bool *stale = xcalloc(job->spec.stage_count, sizeof *stale), ok = true;
    stale[stage] = true;
    for (uint32_t i = stage + 1; i < job->spec.stage_count && ok; i++) {
        struct stage *c = &job->stages[i];
        for (uint32_t p = 0; p < c->spec.parent_count; p++)
            stale[i] |= stale[c->parents[p]];
        if (!stale[i])
            continue;
        if (c->spec.result && (c->done > 0 || job->delivered)) {
            ok = false;
            break;
        }
        sched_kill(s, job, i);
        for (uint32_t t = 0; t < c->spec.task_count; t++) {
            if (c->tasks[t].state == TASK_RUNNING)
                sched_requeue(s, c, t);
            else if (c->tasks[t].state == TASK_DONE)
                undo(s, job, i, t);
        }
    }
    xfree(stale);
    return ok;
}

static bool lies_dead(const struct sched *s, const struct task *t)
{
    return t->state == TASK_DONE && t->executor != NONE && s->executors[t->executor].state == EXECUTOR_LOST;
}

static uint32_t lose_dead_of(struct sched *s, struct job *job, uint32_t stage)
{
    struct stage *st = &job->stages[stage];
    uint32_t lost = 0;
    for (uint32_t p = 0; p < st->spec.task_count; p++) {
        if (lies_dead(s, &st->tasks[p])) {
            undo(s, job, stage, p);
            lost++;
        }
    }
    return lost;
}

/* What losing outputs entails, once per stage and event: the bound, and stale readers. May end the job. */
static void after_loss(struct sched *s, struct job *job, uint32_t stage, bool was_complete)
{
    struct stage *st = &job->stages[stage];
    struct error err = ERROR_INIT;
    if (was_complete && ++st->reruns > s->config.stage_reruns_max) {
        error_setf(&err, ERR_JOB_FAILED, "message", "stage %u lost outputs %u times; the last loss: %s", stage, st->reruns,
                   s->last_loss ? s->last_loss : "a failed fetch");
        sched_end_job(s, job, &err);
    } else if (st->spec.determinism == SCHED_INDETERMINATE && !restart_readers(s, job, stage)) {
        error_setf(&err, ERR_JOB_FAILED, "message",
                   "stage %u gives other rows when it runs again, and a part of its rows was delivered already; run the query "
                   "again. What was lost: %s", stage, s->last_loss ? s->last_loss : "an output");
        sched_end_job(s, job, &err);
    }
}

/*
 * Consumers before their parents: a stage whose outputs nobody needed any more needs its own inputs again once it has
 * lost one, and those may lie on an executor that went earlier.
 */
void sched_lose_dead(struct sched *s, struct job *job)
{
    bool again = true;
    while (again && job->state == JOB_RUNNING) { /* restarted readers may need outputs of stages passed already */
        again = false;
        for (uint32_t i = job->spec.stage_count; i-- > 0 && job->state == JOB_RUNNING;) {
            bool was_complete = job->stages[i].done == job->stages[i].spec.task_count;
            if (sched_outputs_needed(job, i) && lose_dead_of(s, job, i)) {
                after_loss(s, job, i, was_complete);
                again = true;
            }
        }
    }
}

uint32_t sched_lose_named(struct sched *s, struct job *job, uint32_t stage, uint32_t count, const uint32_t *partitions,
                          const uint64_t *attempts)
{
    struct stage *st = &job->stages[stage];
    bool was_complete = st->done == st->spec.task_count;
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct task *t = &st->tasks[partitions[i]];
        if (t->state == TASK_DONE && t->done_attempt == attempts[i]) {
            t->avoid = t->executor + 1; /* it may be dead without our knowing yet */
            undo(s, job, stage, partitions[i]);
            lost++;
        }
    }
    if (lost == 0)
        return 0; /* they were lost before and made anew: the next attempt reads the new ones */
    after_loss(s, job, stage, was_complete);
    if (job->state == JOB_RUNNING && (was_complete || st->spec.determinism == SCHED_INDETERMINATE))
        sched_lose_dead(s, job);
    return lost;
}
