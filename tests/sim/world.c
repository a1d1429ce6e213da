/* Virtual time, the network, and what goes wrong. */
#include "tests/sim/sim.h"

const char *const fault_names[] = {
#define F(id, text) text,
    FAULTS(F)
#undef F
};

/* ---- time ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct world *w, struct event e)
{
    ARRAY_GROW(w->heap, w->heap_count, w->heap_cap);
    uint32_t i = w->heap_count++;
    for (; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
}

void schedule(struct world *w, int64_t at, enum event_kind kind, uint32_t process, uint32_t number, uint64_t incarnation, void *what)
{
    put(w, (struct event){at < w->now ? w->now : at, w->order++, kind, process, number, incarnation, what});
}

static struct event take(struct world *w)
{
    struct event first = w->heap[0], last = w->heap[--w->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c >= w->heap_count)
            break;
        if (c + 1 < w->heap_count && before(&w->heap[c + 1], &w->heap[c]))
            c++;
        if (!before(&w->heap[c], &last))
            break;
        w->heap[i] = w->heap[c];
        i = c;
    }
    if (w->heap_count)
        w->heap[i] = last;
    return first;
}

/* ---- chance ---- */

bool chance(struct world *w, double probability)
{
    return rng_double(&w->rng) < probability;
}

bool strikes(struct world *w, enum fault f)
{
    if (!w->on[f] || w->now >= w->faults_end || !chance(w, w->rate[f]))
        return false;
    w->fired[f]++;
    return true;
}

int64_t some_delay(struct world *w)
{
    int64_t us = 20 + (int64_t)rng_below(&w->rng, (uint64_t)w->delay_us);
    if (strikes(w, FAULT_DELAY))
        us += (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.1) ? 10 * SEC : SEC / 4));
    return us;
}

/* ---- the network ---- */

struct message *new_message(struct world *w, enum message_kind kind, struct process *p)
{
    struct message *m = ARENA_NEW(&w->ar, struct message);
    m->kind = kind;
    m->process = p->index;
    m->connection = p->connection;
    m->registration = NOBODY;
    m->incarnation = p->incarnation;
    m->epoch = w->epoch;
    m->to_driver = kind == M_REGISTER || kind >= M_DONE;
    return m;
}

/* In order on one connection and way, in any order between them. */
void send_message(struct world *w, struct message *m)
{
    struct process *p = &w->processes[m->process];
    int64_t *last = m->data ? &p->data_at : m->to_driver ? &p->to_driver_at : &p->to_executor_at;
    int64_t at = w->now + some_delay(w);
    if (m->connection == p->connection) {
        at = at > *last ? at : *last;
        *last = at;
    }
    schedule(w, at, E_MESSAGE, m->process, 0, 0, m);
    if (m->kind != M_PLAN && m->kind != M_REGISTER && m->kind != M_REGISTERED && strikes(w, FAULT_DUPLICATE)) {
        struct message *twin = arena_dup(&w->ar, m, sizeof *m);
        twin->again = true;
        twin->original = m;
        schedule(w, at + (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.5) ? SEC / 10 : 10 * SEC)) + 1, E_MESSAGE, m->process, 0, 0, twin);
    }
}

static void deliver(struct world *w, struct message *m)
{
    struct process *p = &w->processes[m->process];
    bool open = p->alive && m->connection == p->connection;
    if (m->again && (m->kind == M_RELEASE || m->kind == M_INPUTS || m->kind == M_CREDIT) && open)
        return; /* within a connection nothing comes twice that the protocol has no fence for */
    if (m->again && !m->original->delivered && m->to_driver && m->registration != NOBODY && w->registrations[m->registration].live)
        return; /* what a connection has lost does not come over it */
    if (m->to_driver ? open || m->again : p->alive && (open || m->again)) {
        m->delivered = true;
        if (m->to_driver)
            driver_message(w, m);
        else
            executor_message(w, p, m);
    }
}

/* Both ends notice, each in its time. */
void close_connection(struct world *w, struct process *p)
{
    uint32_t connection = p->connection;
    schedule(w, w->now + some_delay(w), E_DRIVER_SEES_CLOSE, p->index, connection, 0, (void *)(uintptr_t)"injected reset");
    schedule(w, w->now + some_delay(w), E_EXECUTOR_SEES_CLOSE, p->index, connection, 0, NULL);
}

void crash(struct world *w, struct process *p)
{
    if (!p->alive)
        return;
    if (p->connection)
        schedule(w, w->now + some_delay(w), E_DRIVER_SEES_CLOSE, p->index, p->connection, 0, (void *)(uintptr_t)"injected crash");
    executor_stop(p);
    p->connection = 0;
    p->registration = NOBODY;
    p->paused_until = 0;
    if (!w->never_return)
        schedule(w, w->now + (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.3) ? 40 * SEC : SEC)), E_RESTART, p->index, 0, 0, NULL);
}

static void driver_sees_close(struct world *w, uint32_t process, uint32_t connection, const char *why)
{
    for (uint32_t i = w->registration_count; i-- > 0;) {
        if (w->registrations[i].process == process && w->registrations[i].connection == connection)
            driver_lose(w, i, why);
    }
}

/* ---- faults that come by themselves ---- */

static void pause_process(struct world *w, struct process *p)
{
    int64_t until = w->now + (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.5) ? SEC : 15 * SEC));
    p->paused_until = until > p->paused_until ? until : p->paused_until;
}

static void fault(struct world *w)
{
    struct process *p = &w->processes[rng_below(&w->rng, w->process_count)];
    if (p->alive && p->connection && strikes(w, FAULT_RESET))
        close_connection(w, p);
    if (p->alive && strikes(w, FAULT_CRASH))
        crash(w, p);
    if (p->alive && strikes(w, FAULT_PAUSE))
        pause_process(w, p);
    if (p->alive && strikes(w, FAULT_SLOW))
        p->slow = (double)(2 + rng_below(&w->rng, chance(w, 0.5) ? 10 : 99));
    if (chance(w, 0.05) && strikes(w, FAULT_ALL_LOST)) {
        for (uint32_t i = 0; i < w->process_count; i++)
            crash(w, &w->processes[i]);
    }
    if (chance(w, 0.02) && strikes(w, FAULT_DRIVER))
        driver_restart(w);
    if (w->now < w->faults_end)
        schedule(w, w->now + 1 + (int64_t)rng_below(&w->rng, (uint64_t)w->fault_gap_us), E_FAULT, 0, 0, 0, NULL);
}

/* The last fault is over: what is down comes back, what is slow is well; what stands still wakes up in its time. */
static void heal(struct world *w)
{
    w->healed = true;
    for (uint32_t i = 0; i < w->process_count; i++) {
        struct process *p = &w->processes[i];
        p->slow = 1;
        if (!p->alive && !w->never_return)
            schedule(w, w->now + 1, E_RESTART, i, 0, 0, NULL);
    }
}

/* ---- the course of things ---- */

/* Events of an executor that stands still wait for it, and keep their order. */
static bool waits(struct world *w, const struct event *e)
{
    bool of_executor = e->kind == E_STEP || e->kind == E_FLUSH || e->kind == E_FETCHED || e->kind == E_CONNECT || e->kind == E_EXECUTOR_SEES_CLOSE ||
                       e->kind == E_HEARTBEAT || (e->kind == E_MESSAGE && !((struct message *)e->what)->to_driver);
    const struct process *p = &w->processes[e->process];
    if (!of_executor || !p->alive || p->paused_until <= w->now)
        return false;
    struct event later = *e;
    later.at = p->paused_until;
    put(w, later);
    return true;
}

static void happen(struct world *w, const struct event *e)
{
    struct process *p = w->process_count ? &w->processes[e->process] : NULL;
    switch (e->kind) {
    case E_MESSAGE: deliver(w, e->what); break;
    case E_STEP:
        if (((struct task_model *)e->what)->on)
            executor_step(w, p, e->what);
        break;
    case E_FLUSH:
        if (p->alive && p->flush_due)
            executor_flush(w, p);
        break;
    case E_FETCH: executor_serve(w, e->what); break;
    case E_FETCHED: executor_fetched(w, e->what); break;
    case E_CONNECT:
        if (p->alive && p->connecting)
            executor_connect(w, p);
        break;
    case E_DRIVER_SEES_CLOSE: driver_sees_close(w, e->process, e->number, e->what); break;
    case E_EXECUTOR_SEES_CLOSE:
        if (p->alive && p->connection == e->number)
            executor_lost_driver(w, p);
        break;
    case E_RESTART:
        if (!p->alive) {
            executor_start(p);
            executor_connect(w, p);
        }
        break;
    case E_SCHED_TIMER:
        if (e->incarnation == w->epoch && e->at == w->sched_timer)
            driver_event(w, &(struct sched_event){.kind = SCHED_TIMER});
        break;
    case E_TICK:
        driver_tick(w);
        schedule(w, w->now + SEC, E_TICK, 0, 0, 0, NULL);
        break;
    case E_HEARTBEAT:
        if (p->alive && p->connection == e->number && p->registration != NOBODY) {
            struct message *m = new_message(w, M_HEARTBEAT, p);
            m->registration = p->registration;
            send_message(w, m);
            schedule(w, w->now + 2 * SEC, E_HEARTBEAT, e->process, e->number, 0, NULL);
        }
        break;
    case E_SUBMIT: driver_submit(w, &w->jobs[e->number]); break;
    case E_CANCEL: driver_cancel(w, &w->jobs[e->number]); break;
    case E_COMMIT_DONE:
        if (e->incarnation == w->epoch)
            driver_commit_done(w, &w->jobs[e->number]);
        break;
    case E_FAULT: fault(w); break;
    }
}

static void step(struct world *w)
{
    struct event e = take(w);
    w->now = e.at;
    if (waits(w, &e))
        return;
    w->events++;
    uint64_t detail = e.kind == E_MESSAGE ? (uint64_t)((struct message *)e.what)->kind << 8 | ((struct message *)e.what)->count : e.number;
    w->hash = hash_combine(w->hash, hash_combine((uint64_t)e.at, (uint64_t)e.kind << 40 | (uint64_t)e.process << 20 | detail));
    happen(w, &e);
    check_step(w, w->process_count ? &w->processes[e.process] : NULL);
}

/* Each fault class is there with p = 0.5; its rate is log-uniform. */
static void choose_faults(struct world *w)
{
    static const double high[FAULT_COUNT] = {[FAULT_DELAY] = 0.3, [FAULT_RESET] = 0.3, [FAULT_DUPLICATE] = 0.3, [FAULT_CRASH] = 0.3, [FAULT_PAUSE] = 0.3,
                                             [FAULT_SLOW] = 0.3, [FAULT_TRANSIENT] = 0.15, [FAULT_PERSISTENT] = 1, [FAULT_GONE] = 0.1, [FAULT_CORRUPT] = 0.2,
                                             [FAULT_UNREACHABLE_PEER] = 0.2, [FAULT_CANCEL] = 1, [FAULT_COMMIT] = 1, [FAULT_ALL_LOST] = 1, [FAULT_DRIVER] = 1};
    for (uint32_t f = 0; f < FAULT_COUNT; f++) {
        w->on[f] = chance(w, 0.5);
        double lowest = high[f] / 300;
        double u = rng_double(&w->rng);
        w->rate[f] = lowest;
        for (uint32_t i = 0; i < (uint32_t)(u * 100); i++)
            w->rate[f] *= 1.0587; /* 300 ^ (1 / 100) */
    }
    w->delay_us = 1ll << (5 + rng_below(&w->rng, 12));
    w->fault_gap_us = SEC / 100 << rng_below(&w->rng, 7);
    w->faults_end = (int64_t)(2 + rng_below(&w->rng, 30)) * SEC;
    w->same_id = chance(w, 0.3);
    w->rides = chance(w, 0.4) ? 0 : rng_double(&w->rng);
    w->never_return = w->on[FAULT_ALL_LOST] && chance(w, 0.15);
}

/* Three times the work done one after the other without a fault, the wait without executors, and a minute. */
static int64_t liveness_bound(const struct world *w)
{
    int64_t work = 0;
    for (uint32_t j = 0; j < w->job_count; j++) {
        for (uint32_t s = 0; s < w->jobs[j].stage_count; s++)
            work += (int64_t)w->jobs[j].stages[s].tasks * (w->jobs[j].stages[s].run_us * 4 + w->delay_us * 4);
    }
    return 3 * work / (w->process_count ? w->process_count : 1) + 30 * SEC + 60 * SEC;
}

void world_run(struct world *w, uint64_t seed, uint32_t processes)
{
    w->seed = seed;
    w->hash = seed;
    w->phase = "an assertion of the cores";
    rng_init(&w->rng, seed * 0x9e3779b97f4a7c15ull + 1);
    arena_init(&w->ar);
    choose_faults(w);
    w->process_count = processes         ? processes
                       : chance(w, 0.01) ? 200 + (uint32_t)rng_below(&w->rng, 1800)
                                         : 1 + (uint32_t)rng_below(&w->rng, chance(w, 0.9) ? 5 : 40);
    w->processes = ARENA_ARRAY(&w->ar, struct process, w->process_count);
    make_jobs(w);
    driver_start(w);
    for (uint32_t i = 0; i < w->process_count; i++) {
        w->processes[i].index = i;
        w->processes[i].slots = 1 + (uint32_t)rng_below(&w->rng, 4);
        schedule(w, (int64_t)rng_below(&w->rng, chance(w, 0.8) ? SEC / 100 : 5 * SEC), E_RESTART, i, 0, 0, NULL);
    }
    for (uint32_t j = 0; j < w->job_count; j++) {
        schedule(w, w->jobs[j].submit_us, E_SUBMIT, 0, j, 0, NULL);
        if (w->jobs[j].cancel_us)
            schedule(w, w->jobs[j].cancel_us, E_CANCEL, 0, j, 0, NULL);
    }
    schedule(w, SEC, E_TICK, 0, 0, 0, NULL);
    schedule(w, 1, E_FAULT, 0, 0, 0, NULL);
    w->deadline = w->faults_end + liveness_bound(w);
    int64_t rest = 0; /* when all jobs were over, a while for what was under way */
    while (w->now < (rest ? rest : w->deadline)) {
        if (!w->healed && w->now >= w->faults_end)
            heal(w);
        step(w);
        if (!rest && w->ended == w->job_count && w->healed)
            rest = w->now + 60 * SEC; /* the longest step of the slowest executor takes 40 */
    }
    check_end(w);
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->process_count; i++) {
        if (w->processes[i].alive)
            executor_stop(&w->processes[i]);
    }
    sched_free(w->sched);
    arena_fini(&w->ar);
    xfree(w->heap);
    xfree(w->registrations);
}
