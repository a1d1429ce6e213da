/* The scheduler's state machine; see sched.h. */
#include "driver/sched/sched.h"

enum { NONE = UINT32_MAX, QUEUE_DEPTH_MAX = 256, QUEUE_AHEAD_US = 2000 };

struct task {
    uint8_t state, failures;
    uint16_t avoid;        /* executor index + 1 where it last failed, 0: none */
    uint32_t attempt;      /* RUNNING: slot of its attempt */
    uint32_t executor;     /* DONE: index of the executor that holds the output */
    uint64_t done_attempt; /* DONE */
};

struct manifest {
    void *bytes;
    uint32_t count;
};

struct stage {
    struct stage_spec spec;
    uint32_t *parents;
    enum stage_state state;
    struct task *tasks;        /* NULL once the job ended */
    struct manifest *manifests; /* writes only */
    uint32_t fresh;            /* tasks from here on were never launched */
    uint32_t *again;           /* partitions to launch again */
    uint32_t again_count, again_cap;
    uint32_t done, running, reruns;
    uint32_t version;
    struct stage_view view;    /* counters */
};

struct job {
    struct job_spec spec;
    struct stage *stages;
    enum job_state state;
    uint32_t first_open;       /* stages before this one are complete */
    int64_t submitted_us, ended_us;
    struct error error;
};

struct attempt {
    uint64_t id;               /* 0: free */
    struct job *job;
    uint32_t stage, partition, executor;
    bool killed;
    uint32_t next, prev;       /* in its executor's list, or next free */
};

struct executor {
    uint64_t id, incarnation;
    enum executor_state state;
    char *host, *reason;
    uint32_t slots, running;
    uint32_t first;            /* attempt */
    struct executor_view view;
};

struct queued {
    struct sched_action a;
    struct queued *next;
};

struct sched {
    struct sched_config config;
    char *driver_address;
    struct job **jobs;
    uint32_t job_count, job_cap, first_active;
    struct attempt *attempts;
    uint32_t attempt_cap, attempt_free;
    uint64_t next_attempt;
    struct executor *executors;
    uint32_t executor_count, executor_cap, live, total_slots, next_executor;
    int64_t no_executors_since; /* 0: there are some, or nothing waits */
    char *last_loss;
    struct queued *head, **tail, *taken;
    uint64_t stale;
    int64_t now;
};

struct sched *sched_new(const struct sched_config *config)
{
    struct sched *s = xcalloc(1, sizeof *s);
    s->config = *config;
    s->driver_address = xstrdup(config->driver_address ? config->driver_address : "HOST:PORT");
    s->next_attempt = 1;
    s->attempt_free = NONE;
    s->tail = &s->head;
    return s;
}

static void drop_stage_data(struct stage *st)
{
    for (uint32_t i = 0; st->manifests && i < st->spec.task_count; i++)
        xfree(st->manifests[i].bytes);
    xfree(st->manifests);
    xfree(st->tasks);
    xfree(st->again);
    st->manifests = NULL;
    st->tasks = NULL;
    st->again = NULL;
    st->again_count = st->again_cap = 0;
}

static void job_free(struct job *job)
{
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        drop_stage_data(&job->stages[i]);
        xfree(job->stages[i].parents);
    }
    xfree(job->stages);
    error_fini(&job->error);
    xfree(job);
}

static void free_queued(struct queued *q)
{
    if (!q)
        return;
    xfree(q->a.attempt_ids);
    xfree(q->a.partitions);
    error_fini(&q->a.error);
    xfree(q);
}

void sched_free(struct sched *s)
{
    for (uint32_t i = 0; i < s->job_count; i++)
        job_free(s->jobs[i]);
    for (uint32_t i = 0; i < s->executor_count; i++) {
        xfree(s->executors[i].host);
        xfree(s->executors[i].reason);
    }
    while (s->head) {
        struct queued *next = s->head->next;
        free_queued(s->head);
        s->head = next;
    }
    free_queued(s->taken);
    xfree(s->jobs);
    xfree(s->attempts);
    xfree(s->executors);
    xfree(s->last_loss);
    xfree(s->driver_address);
    xfree(s);
}

/* ---- actions ---- */

static struct sched_action *act(struct sched *s, enum sched_action_kind kind)
{
    struct queued *q = xcalloc(1, sizeof *q);
    q->a.kind = kind;
    *s->tail = q;
    s->tail = &q->next;
    return &q->a;
}

bool sched_next_action(struct sched *s, struct sched_action *ret)
{
    free_queued(s->taken);
    s->taken = s->head;
    if (!s->head)
        return false;
    s->head = s->head->next;
    if (!s->head)
        s->tail = &s->head;
    *ret = s->taken->a;
    return true;
}

/* ---- looking up ---- */

static struct job *find_job(const struct sched *s, uint64_t job_id)
{
    for (uint32_t i = s->job_count; i-- > 0;) {
        if (s->jobs[i]->spec.job_id == job_id)
            return s->jobs[i];
    }
    return NULL;
}

static uint32_t find_executor(const struct sched *s, uint64_t id, uint64_t incarnation)
{
    for (uint32_t i = s->executor_count; i-- > 0;) {
        const struct executor *e = &s->executors[i];
        if (e->id == id && e->incarnation == incarnation)
            return e->state == EXECUTOR_LIVE ? i : NONE;
    }
    return NONE;
}

static struct attempt *find_attempt(const struct sched *s, uint64_t id)
{
    uint32_t slot = (uint32_t)(id & 0xffffff);
    return slot < s->attempt_cap && s->attempts[slot].id == id ? &s->attempts[slot] : NULL;
}

/* ---- attempts ---- */

/* Ids: a counter that never comes back in the high 40 bits, the slot in the low 24. */
static uint64_t attempt_new(struct sched *s, struct job *job, uint32_t stage, uint32_t partition, uint32_t executor)
{
    if (s->attempt_free == NONE) {
        uint32_t cap = s->attempt_cap ? s->attempt_cap * 2 : 64;
        ASSERT(cap <= 1u << 24);
        s->attempts = xrealloc(s->attempts, cap * sizeof *s->attempts);
        memset(s->attempts + s->attempt_cap, 0, (cap - s->attempt_cap) * sizeof *s->attempts);
        for (uint32_t i = cap; i-- > s->attempt_cap;) {
            s->attempts[i].next = s->attempt_free;
            s->attempt_free = i;
        }
        s->attempt_cap = cap;
    }
    uint32_t slot = s->attempt_free;
    struct attempt *a = &s->attempts[slot];
    struct executor *e = &s->executors[executor];
    s->attempt_free = a->next;
    *a = (struct attempt){.id = s->next_attempt++ << 24 | slot, .job = job, .stage = stage, .partition = partition,
                          .executor = executor, .next = e->first, .prev = NONE};
    if (e->first != NONE)
        s->attempts[e->first].prev = slot;
    e->first = slot;
    e->running++;
    return a->id;
}

static void attempt_gone(struct sched *s, struct attempt *a)
{
    struct executor *e = &s->executors[a->executor];
    uint32_t slot = (uint32_t)(a->id & 0xffffff);
    if (a->prev != NONE)
        s->attempts[a->prev].next = a->next;
    else
        e->first = a->next;
    if (a->next != NONE)
        s->attempts[a->next].prev = a->prev;
    ASSERT(e->running > 0);
    e->running--;
    a->id = 0;
    a->next = s->attempt_free;
    s->attempt_free = slot;
}

/* ---- stages ---- */

static bool parents_complete(const struct job *job, const struct stage *st)
{
    for (uint32_t i = 0; i < st->spec.parent_count; i++) {
        if (job->stages[st->parents[i]].state != STAGE_COMPLETE)
            return false;
    }
    return true;
}

/* Brings every stage's state in line with its tasks and parents. */
static void settle_stages(struct sched *s, struct job *job)
{
    bool prefix = true;
    for (uint32_t i = job->first_open; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        enum stage_state to = st->done == st->spec.task_count ? STAGE_COMPLETE
                              : parents_complete(job, st)     ? STAGE_RUNNING
                                                              : STAGE_WAITING;
        if (to != st->state) {
            st->state = to;
            if (to == STAGE_RUNNING && !st->view.started_us)
                st->view.started_us = s->now;
            st->view.ended_us = to == STAGE_COMPLETE ? s->now : 0;
        }
        prefix &= to == STAGE_COMPLETE;
        if (prefix)
            job->first_open = i + 1;
    }
}

static void push_again(struct stage *st, uint32_t partition)
{
    ARRAY_GROW(st->again, st->again_count, st->again_cap);
    st->again[st->again_count++] = partition;
}

/* A running task goes back to pending. */
static void requeue(struct stage *st, uint32_t partition)
{
    struct task *t = &st->tasks[partition];
    ASSERT(t->state == TASK_RUNNING);
    t->state = TASK_PENDING;
    st->running--;
    push_again(st, partition);
}

static uint32_t index_of(const struct job *job, const struct stage *st)
{
    return (uint32_t)(st - job->stages);
}

static void end_job(struct sched *s, struct job *job, struct error *error);

/* Whether anything may still read this stage's outputs. */
static bool outputs_needed(const struct job *job, uint32_t stage)
{
    const struct stage *st = &job->stages[stage];
    if (st->spec.result || st->spec.writes)
        return false; /* rows went to the driver, files to their folder */
    for (uint32_t i = stage + 1; i < job->spec.stage_count; i++) {
        const struct stage *c = &job->stages[i];
        for (uint32_t p = 0; p < c->spec.parent_count; p++) {
            if (c->parents[p] == stage && c->done < c->spec.task_count)
                return true;
        }
    }
    return false;
}

/* The consumers of an indeterminate stage start over: what they read may be other rows now. False: too late. */
static bool restart_consumers(struct sched *s, struct job *job, uint32_t stage)
{
    for (uint32_t i = stage + 1; i < job->spec.stage_count; i++) {
        struct stage *c = &job->stages[i];
        bool reads = false;
        for (uint32_t p = 0; p < c->spec.parent_count; p++)
            reads |= c->parents[p] == stage;
        if (!reads || c->fresh == 0)
            continue;
        if (c->spec.result && (c->done || c->running))
            return false;
        for (uint32_t t = 0; t < c->fresh; t++) {
            struct task *task = &c->tasks[t];
            if (task->state == TASK_RUNNING) {
                struct attempt *a = &s->attempts[task->attempt];
                struct sched_action *k = act(s, SCHED_KILL);
                k->executor_id = s->executors[a->executor].id;
                k->incarnation = s->executors[a->executor].incarnation;
                k->job_id = job->spec.job_id;
                k->count = 1;
                k->attempt_ids = xmalloc(sizeof *k->attempt_ids);
                k->attempt_ids[0] = a->id;
                a->killed = true;
                requeue(c, t);
            } else if (task->state == TASK_DONE) {
                task->state = TASK_PENDING;
                c->done--;
                push_again(c, t);
            }
        }
        c->version++;
        if (!restart_consumers(s, job, i))
            return false;
    }
    return true;
}

/* Output of (stage, partition) is gone: its task runs again. */
static void lose_output(struct sched *s, struct job *job, uint32_t stage, uint32_t partition)
{
    struct stage *st = &job->stages[stage];
    struct task *t = &st->tasks[partition];
    ASSERT(t->state == TASK_DONE);
    t->state = TASK_PENDING;
    st->done--;
    st->version++;
    push_again(st, partition);
    if (stage < job->first_open)
        job->first_open = stage;
    (void)s;
}

/* After outputs of a stage were lost: bounds, and what an indeterminate one drags along. May end the job. */
static void after_loss(struct sched *s, struct job *job, uint32_t stage)
{
    struct stage *st = &job->stages[stage];
    st->reruns++;
    struct error err = ERROR_INIT;
    if (st->reruns > s->config.stage_reruns_max) {
        error_setf(&err, ERR_JOB_FAILED, "message", "stage %u lost outputs %u times; the last loss: %s", stage, st->reruns,
                   s->last_loss ? s->last_loss : "a failed fetch");
        end_job(s, job, &err);
        return;
    }
    if (st->spec.determinism != SCHED_INDETERMINATE)
        return;
    for (uint32_t p = 0; p < st->fresh; p++) {
        if (st->tasks[p].state == TASK_DONE)
            lose_output(s, job, stage, p);
    }
    if (!restart_consumers(s, job, stage)) {
        error_setf(&err, ERR_JOB_FAILED, "message",
                   "stage %u gives other rows when it runs again, and a part of its rows was delivered already; run the query again",
                   stage);
        end_job(s, job, &err);
    }
}

/* ---- ending jobs ---- */

static void kill_running(struct sched *s, struct job *job)
{
    for (uint32_t e = 0; e < s->executor_count; e++) {
        struct executor *ex = &s->executors[e];
        uint32_t n = 0;
        for (uint32_t a = ex->first; ex->state == EXECUTOR_LIVE && a != NONE; a = s->attempts[a].next)
            n += s->attempts[a].job == job && !s->attempts[a].killed;
        if (n == 0)
            continue;
        struct sched_action *k = act(s, SCHED_KILL);
        k->executor_id = ex->id;
        k->incarnation = ex->incarnation;
        k->job_id = job->spec.job_id;
        k->attempt_ids = xmalloc(n * sizeof *k->attempt_ids);
        for (uint32_t a = ex->first; a != NONE; a = s->attempts[a].next) {
            if (s->attempts[a].job == job && !s->attempts[a].killed) {
                k->attempt_ids[k->count++] = s->attempts[a].id;
                s->attempts[a].killed = true;
            }
        }
    }
}

static void end_job(struct sched *s, struct job *job, struct error *error)
{
    ASSERT(job->state == JOB_RUNNING || job->state == JOB_COMMITTING);
    bool failed = error->code != ERR_OK;
    bool writes = false;
    kill_running(s, job);
    job->state = failed ? JOB_FAILED : JOB_DONE;
    job->ended_us = s->now;
    error_move(&job->error, error);
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        struct stage *st = &job->stages[i];
        writes |= st->spec.writes;
        if (st->view.started_us && !st->view.ended_us)
            st->view.ended_us = s->now;
        st->running = 0;
        drop_stage_data(st);
    }
    if (failed && writes)
        act(s, SCHED_ABORT)->job_id = job->spec.job_id;
    for (uint32_t e = 0; e < s->executor_count; e++) {
        if (s->executors[e].state != EXECUTOR_LIVE)
            continue;
        struct sched_action *r = act(s, SCHED_RELEASE);
        r->executor_id = s->executors[e].id;
        r->incarnation = s->executors[e].incarnation;
        r->job_id = job->spec.job_id;
    }
    struct sched_action *end = act(s, SCHED_JOB_ENDED);
    end->job_id = job->spec.job_id;
    error_copy(&end->error, &job->error);
    while (s->first_active < s->job_count && s->jobs[s->first_active]->state >= JOB_DONE)
        s->first_active++;
}

static void forget_old_jobs(struct sched *s)
{
    uint32_t drop = s->job_count > SCHED_JOBS_KEPT ? s->job_count - SCHED_JOBS_KEPT : 0;
    if (drop > s->first_active)
        drop = s->first_active;
    /* attempts still held by executors may point at a job: keep those */
    for (uint32_t i = 0; i < drop; i++) {
        for (uint32_t a = 0; a < s->attempt_cap; a++) {
            if (s->attempts[a].id && s->attempts[a].job == s->jobs[i]) {
                drop = i;
                break;
            }
        }
    }
    if (drop == 0)
        return;
    for (uint32_t i = 0; i < drop; i++)
        job_free(s->jobs[i]);
    memmove(s->jobs, s->jobs + drop, (s->job_count - drop) * sizeof *s->jobs);
    s->job_count -= drop;
    s->first_active -= drop;
}

/* Complete stages may end or commit the job. */
static void check_job(struct sched *s, struct job *job)
{
    if (job->state != JOB_RUNNING)
        return;
    settle_stages(s, job);
    const struct stage *last = &job->stages[job->spec.stage_count - 1];
    if (last->state != STAGE_COMPLETE)
        return;
    if (last->spec.writes) {
        job->state = JOB_COMMITTING;
        struct sched_action *c = act(s, SCHED_COMMIT);
        c->job_id = job->spec.job_id;
        c->stage = job->spec.stage_count - 1;
        return;
    }
    struct error none = ERROR_INIT;
    end_job(s, job, &none);
}

/* ---- launching ---- */

static uint32_t pending(const struct stage *st)
{
    return st->spec.task_count - st->fresh + st->again_count;
}

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
    uint32_t share = pending(st) / (s->live * e->slots + 1);
    if (depth > share && s->live > 1)
        depth = share;
    return e->slots * (1 + depth);
}

static uint32_t next_partition(struct stage *st, uint32_t executor, bool only_one)
{
    for (uint32_t tries = st->again_count; tries-- > 0;) {
        uint32_t p = st->again[st->again_count - 1];
        if (st->tasks[p].avoid == executor + 1 && !only_one) { /* rather elsewhere: to the other end */
            memmove(st->again + 1, st->again, (st->again_count - 1) * sizeof *st->again);
            st->again[0] = p;
            continue;
        }
        st->again_count--;
        return p;
    }
    return st->fresh < st->spec.task_count ? st->fresh++ : NONE;
}

/* Whether a task of the stage that this executor failed could run on another live one now or soon. */
static bool others_live(const struct sched *s)
{
    return s->live > 1;
}

static void launch_on(struct sched *s, struct job *job, struct stage *st, uint32_t executor, uint32_t max)
{
    struct executor *e = &s->executors[executor];
    struct sched_action *a = NULL;
    uint32_t cap = 0, cap_p = 0;
    for (uint32_t i = 0; i < max; i++) {
        uint32_t p = next_partition(st, executor, !others_live(s));
        if (p == NONE)
            break;
        if (!a) {
            a = act(s, SCHED_LAUNCH);
            a->executor_id = e->id;
            a->incarnation = e->incarnation;
            a->job_id = job->spec.job_id;
            a->stage = index_of(job, st);
        }
        struct task *t = &st->tasks[p];
        ASSERT(t->state == TASK_PENDING);
        uint64_t id = attempt_new(s, job, a->stage, p, executor);
        t->state = TASK_RUNNING;
        t->attempt = (uint32_t)(id & 0xffffff);
        st->running++;
        st->view.attempts++;
        ARRAY_GROW(a->attempt_ids, a->count, cap);
        ARRAY_GROW(a->partitions, a->count, cap_p);
        a->attempt_ids[a->count] = id;
        a->partitions[a->count++] = p;
    }
}

static void schedule_stage(struct sched *s, struct job *job, struct stage *st)
{
    for (uint32_t round = 0; round < s->executor_count && pending(st) > 0; round++) {
        uint32_t i = (s->next_executor + round) % s->executor_count;
        struct executor *e = &s->executors[i];
        if (e->state != EXECUTOR_LIVE)
            continue;
        uint32_t may = credit(s, st, e);
        if (e->running >= may)
            continue;
        uint32_t room = may - e->running;
        /* an even share first, so that the first executor does not take a small stage whole */
        uint32_t share = (pending(st) + s->live - 1) / s->live;
        launch_on(s, job, st, i, room < share || room <= e->slots ? room : share > e->slots ? share : e->slots);
    }
    if (s->executor_count)
        s->next_executor = (s->next_executor + 1) % s->executor_count;
}

static void schedule(struct sched *s)
{
    bool waiting = false;
    for (uint32_t j = s->first_active; j < s->job_count; j++) {
        struct job *job = s->jobs[j];
        if (job->state != JOB_RUNNING)
            continue;
        waiting = true;
        for (uint32_t i = job->first_open; s->live && i < job->spec.stage_count; i++) {
            struct stage *st = &job->stages[i];
            if (st->state == STAGE_RUNNING && pending(st) > 0)
                schedule_stage(s, job, st);
        }
    }
    if (waiting && s->live == 0 && s->no_executors_since == 0) {
        s->no_executors_since = s->now ? s->now : 1;
        act(s, SCHED_SET_TIMER)->at_us = s->no_executors_since + s->config.executors_wait_us;
    }
    if (s->live > 0 || !waiting)
        s->no_executors_since = 0;
}

/* ---- events ---- */

static void on_submit(struct sched *s, const struct job_spec *spec)
{
    ASSERT(spec->stage_count > 0 && !find_job(s, spec->job_id));
    forget_old_jobs(s);
    struct job *job = xcalloc(1, sizeof *job);
    job->spec = *spec;
    job->spec.stages = NULL;
    job->submitted_us = s->now;
    job->stages = xcalloc(spec->stage_count, sizeof *job->stages);
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        struct stage *st = &job->stages[i];
        st->spec = spec->stages[i];
        ASSERT(st->spec.task_count > 0);
        st->parents = xmalloc((st->spec.parent_count + 1) * sizeof *st->parents);
        for (uint32_t p = 0; p < st->spec.parent_count; p++) {
            ASSERT(st->spec.parents[p] < i);
            st->parents[p] = st->spec.parents[p];
        }
        st->spec.parents = st->parents;
        st->tasks = xcalloc(st->spec.task_count, sizeof *st->tasks);
        if (st->spec.writes)
            st->manifests = xcalloc(st->spec.task_count, sizeof *st->manifests);
        st->version = 1;
    }
    ARRAY_GROW(s->jobs, s->job_count, s->job_cap);
    s->jobs[s->job_count++] = job;
    settle_stages(s, job);
}

static void on_joined(struct sched *s, const struct sched_event *ev)
{
    if (find_executor(s, ev->executor_id, ev->incarnation) != NONE) {
        s->stale++;
        return;
    }
    ASSERT(ev->slots > 0);
    ARRAY_GROW(s->executors, s->executor_count, s->executor_cap);
    struct executor *e = &s->executors[s->executor_count++];
    *e = (struct executor){.id = ev->executor_id, .incarnation = ev->incarnation, .state = EXECUTOR_LIVE,
                           .host = xstrdup(ev->host), .slots = ev->slots, .first = NONE};
    e->view = (struct executor_view){.executor_id = e->id, .incarnation = e->incarnation, .slots = e->slots,
                                     .memory = ev->memory, .joined_us = s->now};
    s->live++;
    s->total_slots += ev->slots;
}

static void on_lost(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = find_executor(s, ev->executor_id, ev->incarnation);
    if (index == NONE) {
        s->stale++;
        return;
    }
    struct executor *e = &s->executors[index];
    e->state = EXECUTOR_LOST;
    e->reason = xstrdup(ev->reason ? ev->reason : "the connection ended");
    e->view.lost_us = s->now;
    s->live--;
    s->total_slots -= e->slots;
    xfree(s->last_loss);
    s->last_loss = xasprintf("executor %llu on %s: %s", (unsigned long long)e->id, e->host, e->reason);
    while (e->first != NONE) {
        struct attempt *a = &s->attempts[e->first];
        if (!a->killed)
            requeue(&a->job->stages[a->stage], a->partition);
        attempt_gone(s, a);
    }
    for (uint32_t j = s->first_active; j < s->job_count; j++) {
        struct job *job = s->jobs[j];
        for (uint32_t i = 0; job->state == JOB_RUNNING && i < job->spec.stage_count; i++) {
            struct stage *st = &job->stages[i];
            bool lost = false;
            if (!outputs_needed(job, i))
                continue;
            for (uint32_t p = 0; p < st->fresh; p++) {
                if (st->tasks[p].state == TASK_DONE && st->tasks[p].executor == index) {
                    lose_output(s, job, i, p);
                    lost = true;
                }
            }
            if (lost)
                after_loss(s, job, i);
        }
        if (job->state == JOB_RUNNING)
            settle_stages(s, job);
    }
}

static void on_done(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = find_executor(s, ev->executor_id, ev->incarnation);
    struct job *last = NULL;
    for (uint32_t i = 0; i < ev->done_count; i++) {
        const struct attempt_result *r = &ev->done[i];
        struct attempt *a = find_attempt(s, r->attempt_id);
        if (index == NONE || !a || a->executor != index) {
            s->stale++;
            continue;
        }
        struct job *job = a->job;
        uint32_t stage = a->stage, partition = a->partition;
        bool killed = a->killed;
        attempt_gone(s, a);
        if (killed || job->state != JOB_RUNNING)
            continue;
        struct stage *st = &job->stages[stage];
        struct task *t = &st->tasks[partition];
        ASSERT(t->state == TASK_RUNNING);
        t->state = TASK_DONE;
        t->executor = index;
        t->done_attempt = r->attempt_id;
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
        struct executor_view *v = &s->executors[index].view;
        v->done++;
        v->run_us += r->run_us;
        v->rows_in += r->rows_in;
        v->bytes_in += r->bytes_in;
        v->shuffle_bytes_in += r->shuffle_bytes_in;
        v->bytes_out += r->bytes_out;
        if (st->manifests) {
            xfree(st->manifests[partition].bytes);
            st->manifests[partition].bytes = xmalloc(r->manifest_bytes);
            st->manifests[partition].count = r->manifest_bytes;
            if (r->manifest_bytes)
                memcpy(st->manifests[partition].bytes, r->manifest, r->manifest_bytes);
        }
        if (last && last != job)
            check_job(s, last);
        last = job;
    }
    if (last)
        check_job(s, last);
}

static void on_failed(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = find_executor(s, ev->executor_id, ev->incarnation);
    struct attempt *a = find_attempt(s, ev->attempt_id);
    if (index == NONE || !a || a->executor != index) {
        s->stale++;
        error_fini(ev->error);
        return;
    }
    struct job *job = a->job;
    uint32_t stage = a->stage, partition = a->partition;
    bool killed = a->killed;
    attempt_gone(s, a);
    if (killed || job->state != JOB_RUNNING) {
        error_fini(ev->error);
        return;
    }
    struct stage *st = &job->stages[stage];
    struct task *t = &st->tasks[partition];
    st->view.failed_attempts++;
    s->executors[index].view.failed++;
    requeue(st, partition);
    enum err_policy policy = errcode_policy(ev->error->code);
    if (ev->fetch_failed && policy == POLICY_PARENT) {
        bool known = ev->lost_stage < stage && ev->lost_partition < job->stages[ev->lost_stage].spec.task_count;
        struct task *p = known ? &job->stages[ev->lost_stage].tasks[ev->lost_partition] : NULL;
        if (p && p->state == TASK_DONE && p->done_attempt == ev->lost_attempt) {
            xfree(s->last_loss);
            struct buf text = BUF_INIT;
            error_sentence(ev->error, &text);
            s->last_loss = buf_steal(&text);
            lose_output(s, job, ev->lost_stage, ev->lost_partition);
            after_loss(s, job, ev->lost_stage);
        }
        error_fini(ev->error);
    } else if (policy == POLICY_NEVER || ++t->failures >= s->config.max_failures) {
        if (policy != POLICY_NEVER)
            error_note(ev->error, "attempt %u of partition %u of stage %u; all of them failed", t->failures, partition, stage);
        end_job(s, job, ev->error);
    } else {
        t->avoid = (uint16_t)(index + 1);
        error_fini(ev->error);
    }
    if (job->state == JOB_RUNNING)
        settle_stages(s, job);
}

static void on_timer(struct sched *s)
{
    if (s->no_executors_since == 0 || s->now < s->no_executors_since + s->config.executors_wait_us)
        return;
    char seconds[32];
    struct buf b = BUF_INIT;
    buf_addf(&b, "%lld", (long long)(s->config.executors_wait_us / 1000000));
    memcpy(seconds, b.data, b.bytes + 1);
    buf_fini(&b);
    for (uint32_t j = s->first_active; j < s->job_count;) {
        struct job *job = s->jobs[j++];
        if (job->state != JOB_RUNNING)
            continue;
        struct error err = ERROR_INIT;
        error_set(&err, ERR_NO_EXECUTORS, "seconds", seconds, "reason", s->last_loss ? s->last_loss : "none ever came", "driver",
                  s->driver_address, NULL);
        end_job(s, job, &err);
    }
    s->no_executors_since = 0;
}

void sched_event(struct sched *s, int64_t now_us, const struct sched_event *ev)
{
    struct job *job;
    s->now = now_us;
    switch (ev->kind) {
    case SCHED_JOB_SUBMIT: on_submit(s, ev->spec); break;
    case SCHED_JOB_CANCEL:
        job = find_job(s, ev->job_id);
        if (job && job->state == JOB_RUNNING)
            end_job(s, job, ev->error);
        else
            error_fini(ev->error);
        break;
    case SCHED_EXECUTOR_JOINED: on_joined(s, ev); break;
    case SCHED_EXECUTOR_LOST: on_lost(s, ev); break;
    case SCHED_ATTEMPTS_DONE: on_done(s, ev); break;
    case SCHED_ATTEMPT_FAILED: on_failed(s, ev); break;
    case SCHED_COMMIT_DONE:
        job = find_job(s, ev->job_id);
        if (job && job->state == JOB_COMMITTING) {
            struct error none = ERROR_INIT;
            end_job(s, job, ev->error ? ev->error : &none);
        }
        break;
    case SCHED_TIMER: on_timer(s); break;
    }
    schedule(s);
}

/* ---- reading ---- */

uint32_t sched_output_version(const struct sched *s, uint64_t job_id, uint32_t stage)
{
    const struct job *job = find_job(s, job_id);
    return job && stage < job->spec.stage_count ? job->stages[stage].version : 0;
}

static const struct task *done_task(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition)
{
    const struct job *job = find_job(s, job_id);
    if (!job || stage >= job->spec.stage_count || partition >= job->stages[stage].spec.task_count || !job->stages[stage].tasks)
        return NULL;
    const struct task *t = &job->stages[stage].tasks[partition];
    return t->state == TASK_DONE ? t : NULL;
}

bool sched_output(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint64_t *ret_executor,
                  uint64_t *ret_attempt)
{
    const struct task *t = done_task(s, job_id, stage, partition);
    if (!t)
        return false;
    *ret_executor = s->executors[t->executor].id;
    *ret_attempt = t->done_attempt;
    return true;
}

const void *sched_manifest(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint32_t *ret_bytes)
{
    const struct job *job = find_job(s, job_id);
    ASSERT(job && job->stages[stage].manifests);
    *ret_bytes = job->stages[stage].manifests[partition].count;
    return job->stages[stage].manifests[partition].bytes;
}

bool sched_attempt(const struct sched *s, uint64_t attempt_id, uint64_t executor_id, uint64_t *ret_job, uint32_t *ret_stage,
                   uint32_t *ret_partition)
{
    const struct attempt *a = find_attempt(s, attempt_id);
    if (!a || a->killed || s->executors[a->executor].id != executor_id)
        return false;
    *ret_job = a->job->spec.job_id;
    *ret_stage = a->stage;
    *ret_partition = a->partition;
    return true;
}

static void fill_job_view(const struct job *job, struct job_view *ret)
{
    *ret = (struct job_view){job->spec.job_id, job->state, job->spec.stage_count, job->submitted_us, job->ended_us, &job->error};
}

bool sched_job_at(const struct sched *s, uint32_t index, struct job_view *ret)
{
    if (index >= s->job_count)
        return false;
    fill_job_view(s->jobs[index], ret);
    return true;
}

bool sched_job_view(const struct sched *s, uint64_t job_id, struct job_view *ret)
{
    const struct job *job = find_job(s, job_id);
    if (job)
        fill_job_view(job, ret);
    return job != NULL;
}

bool sched_stage_view(const struct sched *s, uint64_t job_id, uint32_t stage, struct stage_view *ret)
{
    const struct job *job = find_job(s, job_id);
    if (!job || stage >= job->spec.stage_count)
        return false;
    const struct stage *st = &job->stages[stage];
    *ret = st->view;
    ret->state = st->state;
    ret->tasks = st->spec.task_count;
    ret->done = st->done;
    ret->running = st->running;
    ret->result = st->spec.result;
    ret->writes = st->spec.writes;
    return true;
}

bool sched_executor_at(const struct sched *s, uint32_t index, struct executor_view *ret)
{
    if (index >= s->executor_count)
        return false;
    const struct executor *e = &s->executors[index];
    *ret = e->view;
    ret->state = e->state;
    ret->host = e->host;
    ret->reason = e->reason;
    ret->running = e->running;
    return true;
}

uint32_t sched_running(const struct sched *s, uint64_t executor_id, uint32_t max, struct attempt_view *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->executor_count; i++) {
        if (s->executors[i].id != executor_id)
            continue;
        for (uint32_t at = s->executors[i].first; at != NONE; at = s->attempts[at].next, n++) {
            const struct attempt *a = &s->attempts[at];
            if (n < max)
                ret[n] = (struct attempt_view){a->id, a->job->spec.job_id, a->stage, a->partition};
        }
    }
    return n;
}

uint64_t sched_stale_events(const struct sched *s)
{
    return s->stale;
}

void sched_check(const struct sched *s)
{
    uint32_t live = 0, held = 0, listed = 0;
    for (uint32_t i = 0; i < s->executor_count; i++) {
        const struct executor *e = &s->executors[i];
        live += e->state == EXECUTOR_LIVE;
        uint32_t n = 0;
        for (uint32_t a = e->first; a != NONE; a = s->attempts[a].next, n++)
            ASSERT(s->attempts[a].id && s->attempts[a].executor == i);
        ASSERT(n == e->running && (e->state == EXECUTOR_LIVE || n == 0));
        listed += n;
    }
    ASSERT(live == s->live);
    for (uint32_t a = 0; a < s->attempt_cap; a++)
        held += s->attempts[a].id != 0;
    ASSERT(held == listed);
    for (uint32_t j = 0; j < s->job_count; j++) {
        const struct job *job = s->jobs[j];
        for (uint32_t i = 0; job->state == JOB_RUNNING && i < job->spec.stage_count; i++) {
            const struct stage *st = &job->stages[i];
            uint32_t count[3] = {0};
            for (uint32_t p = 0; p < st->spec.task_count; p++) {
                const struct task *t = &st->tasks[p];
                count[t->state]++;
                if (t->state == TASK_RUNNING) {
                    const struct attempt *a = &s->attempts[t->attempt];
                    ASSERT(a->id && !a->killed && a->job == job && a->stage == i && a->partition == p);
                }
                if (t->state == TASK_DONE && outputs_needed(job, i))
                    ASSERT(s->executors[t->executor].state == EXECUTOR_LIVE);
            }
            ASSERT(count[TASK_DONE] == st->done && count[TASK_RUNNING] == st->running);
            ASSERT(count[TASK_PENDING] == pending(st));
            ASSERT((st->state == STAGE_COMPLETE) == (st->done == st->spec.task_count));
        }
    }
}
