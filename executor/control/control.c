/* Attempts and the driver's word: events in, actions out; see control.h. */
#include "executor/control/control_impl.h"

static const struct sm_state attempt_states[] = {
    [CONTROL_QUEUED] = {"QUEUED", SM_TO(CONTROL_RUNNING) | SM_TO(CONTROL_ENDED)},
    [CONTROL_RUNNING] = {"RUNNING", SM_TO(CONTROL_WAITING) | SM_TO(CONTROL_ENDED)},
    [CONTROL_WAITING] = {"PARKED", SM_TO(CONTROL_RUNNING)},
    [CONTROL_ENDED] = {"ENDED", 0},
};
const struct sm control_attempt_sm = SM("attempt here", attempt_states);

struct control *control_new(const struct control_config *config)
{
    struct control *c = xcalloc(1, sizeof *c);
    ASSERT(config->slots > 0);
    c->config = *config;
    c->attempt_free = c->queue_head = c->queue_tail = NONE;
    return c;
}

void control_free(struct control *c)
{
    control_jobs_free(c);
    xfree(c->attempts);
    xfree(c->index);
    xfree(c->ended);
    xfree(c->actions);
    xfree(c->cookies);
    xfree(c);
}

/* ---- actions ---- */

struct control_action *control_act(struct control *c, enum control_action_kind kind)
{
    ARRAY_GROW(c->actions, c->action_count, c->action_cap);
    struct control_action *a = &c->actions[c->action_count++];
    *a = (struct control_action){.kind = kind};
    return a;
}

static struct control_action *act_on(struct control *c, enum control_action_kind kind, const struct control_attempt *a)
{
    struct control_action *act = control_act(c, kind);
    act->attempt_id = a->id;
    act->cookie = a->cookie;
    act->job_id = a->job->id;
    return act;
}

bool control_next_action(struct control *c, struct control_action *ret)
{
    if (c->action_at == c->action_count)
        return false;
    *ret = c->actions[c->action_at++];
    return true;
}

/* Lists of cookies stay put from here to the next event: room for all of them is made before the first. */
static void room_for_cookies(struct control *c)
{
    ARRAY_RESERVE(c->cookies, c->attempt_count + 1, c->cookie_cap);
}

/* ---- the table of attempts ---- */

static uint32_t home(const struct control *c, uint64_t id)
{
    return (uint32_t)(hash_u64(id) & (c->index_cap - 1));
}

/* Where the id is, or the empty place where it would go. */
static uint32_t place(const struct control *c, uint64_t id)
{
    uint32_t i = home(c, id);
    while (c->index[i] != NONE && c->attempts[c->index[i]].id != id)
        i = (i + 1) & (c->index_cap - 1);
    return i;
}

struct control_attempt *control_find(const struct control *c, uint64_t id)
{
    uint32_t slot = c->index_cap && id ? c->index[place(c, id)] : NONE;
    return slot == NONE ? NULL : &c->attempts[slot];
}

static void grow(struct control *c)
{
    uint32_t old = c->attempt_cap, cap = old ? old * 2 : 64;
    c->attempts = xrealloc(c->attempts, cap * sizeof *c->attempts);
    memset(c->attempts + old, 0, (cap - old) * sizeof *c->attempts);
    for (uint32_t i = cap; i-- > old;) {
        c->attempts[i].next = c->attempt_free;
        c->attempt_free = i;
    }
    c->attempt_cap = cap;
    c->index_cap = cap * 2;
    c->index = xrealloc(c->index, c->index_cap * sizeof *c->index);
    memset(c->index, 0xff, c->index_cap * sizeof *c->index);
    for (uint32_t i = 0; i < old; i++) {
        if (c->attempts[i].id)
            c->index[place(c, c->attempts[i].id)] = i;
    }
}

static void unindex(struct control *c, uint64_t id)
{
    uint32_t mask = c->index_cap - 1, hole = place(c, id);
    for (uint32_t i = (hole + 1) & mask; c->index[i] != NONE; i = (i + 1) & mask) {
        uint32_t at = home(c, c->attempts[c->index[i]].id);
        if (((i - at) & mask) >= ((i - hole) & mask)) {
            c->index[hole] = c->index[i];
            hole = i;
        }
    }
    c->index[hole] = NONE;
}

static uint32_t slot_of(const struct control *c, const struct control_attempt *a)
{
    return (uint32_t)(a - c->attempts);
}

static void move(struct control *c, struct control_attempt *a, enum control_attempt_state to)
{
    c->state_count[a->state]--;
    sm_move(&control_attempt_sm, &a->state, to);
    c->state_count[to]++;
}

/* The binder has been told what to do with its cookie. */
static void gone(struct control *c, struct control_attempt *a)
{
    uint32_t slot = slot_of(c, a);
    ASSERT(a->state == CONTROL_ENDED);
    c->state_count[CONTROL_ENDED]--;
    control_job_left(c, a->job);
    unindex(c, a->id);
    a->id = 0;
    a->next = c->attempt_free;
    c->attempt_free = slot;
    c->attempt_count--;
}

/* ---- the queue ---- */

static void enqueue(struct control *c, struct control_attempt *a)
{
    uint32_t slot = slot_of(c, a);
    a->prev = c->queue_tail;
    a->next = NONE;
    *(c->queue_tail == NONE ? &c->queue_head : &c->attempts[c->queue_tail].next) = slot;
    c->queue_tail = slot;
}

static void dequeue(struct control *c, struct control_attempt *a)
{
    *(a->prev == NONE ? &c->queue_head : &c->attempts[a->prev].next) = a->next;
    *(a->next == NONE ? &c->queue_tail : &c->attempts[a->next].prev) = a->prev;
}

static void run(struct control *c, struct control_attempt *a)
{
    move(c, a, CONTROL_RUNNING);
    a->woken = false;
    c->cookies[c->cookie_count++] = a->cookie;
}

/* It may be on its way to being parked: then that must not last. */
static void wake(struct control *c, struct control_attempt *a)
{
    if (a->state == CONTROL_WAITING)
        run(c, a);
    else
        a->woken = true;
}

static bool has_room(const struct control *c)
{
    return c->state_count[CONTROL_RUNNING] < c->config.slots + c->config.ahead;
}

/* Gives the slots what they have room for, after those that were woken in this event. */
static void fill_slots(struct control *c, uint32_t first)
{
    while (c->queue_head != NONE && has_room(c)) {
        struct control_attempt *a = &c->attempts[c->queue_head];
        dequeue(c, a);
        run(c, a);
    }
    if (c->cookie_count == first)
        return;
    struct control_action *act = control_act(c, CONTROL_RUN);
    act->count = c->cookie_count - first;
    act->cookies = c->cookies + first;
}

/* ---- ends ---- */

static void end(struct control *c, struct control_attempt *a, bool ok, bool rides)
{
    move(c, a, CONTROL_ENDED);
    a->ok = ok;
    a->rides = rides;
    ARRAY_GROW(c->ended, c->ended_count, c->ended_cap);
    c->ended[c->ended_count++] = slot_of(c, a);
}

static void doom(struct control *c, struct control_attempt *a)
{
    if (a->doomed)
        return;
    a->doomed = true;
    switch ((enum control_attempt_state)a->state) {
    case CONTROL_QUEUED:
        dequeue(c, a);
        end(c, a, false, false);
        break;
    case CONTROL_WAITING:
        act_on(c, CONTROL_CANCEL, a);
        run(c, a);
        break;
    case CONTROL_RUNNING: act_on(c, CONTROL_CANCEL, a); break;
    case CONTROL_ENDED: break; /* it is reported as killed */
    }
}

static void report_failed(struct control *c, struct control_attempt *a)
{
    struct control_action *act = act_on(c, a->orphan ? CONTROL_FORGET : CONTROL_REPORT_FAILED, a);
    act->killed = a->doomed;
}

static void flush(struct control *c)
{
    uint32_t first = c->cookie_count;
    for (uint32_t i = 0; i < c->ended_count; i++) {
        struct control_attempt *a = &c->attempts[c->ended[i]];
        if (!a->ok || a->doomed) {
            report_failed(c, a);
        } else {
            control_hold(c, a);
            c->cookies[c->cookie_count++] = a->cookie;
        }
    }
    if (c->cookie_count > first) {
        struct control_action *act = control_act(c, CONTROL_REPORT);
        act->count = c->cookie_count - first;
        act->cookies = c->cookies + first;
    }
    for (uint32_t i = 0; i < c->ended_count; i++)
        gone(c, &c->attempts[c->ended[i]]);
    c->ended_count = 0;
}

/* ---- from the driver ---- */

static void refuse(struct control *c, const struct control_event *ev, uint32_t i, const char *reason)
{
    struct control_action *act = control_act(c, reason ? CONTROL_REFUSE : CONTROL_FORGET);
    act->attempt_id = ev->attempt_ids[i];
    act->cookie = ev->cookies[i];
    act->job_id = ev->job_id;
    act->reason = reason;
}

static void on_launch(struct control *c, const struct control_event *ev)
{
    struct held_job *job = control_find_job(c, ev->job_id);
    const struct held_stage *st = control_find_stage(job, ev->stage);
    for (uint32_t i = 0; i < ev->count; i++) {
        uint64_t id = ev->attempt_ids[i];
        if (id <= c->last_attempt) {
            c->stale++;
            refuse(c, ev, i, NULL);
            continue;
        }
        c->last_attempt = id;
        if (control_find(c, id)) {
            refuse(c, ev, i, "an attempt of an earlier driver has its id and is not over yet");
            continue;
        }
        if (!st || !st->plan || ev->partitions[i] >= CONTROL_PARTITIONS_MAX) {
            refuse(c, ev, i, st && st->plan ? "a launch of a partition that cannot be" : "a launch of a stage whose plan is not here");
            continue;
        }
        if (c->attempt_free == NONE)
            grow(c);
        struct control_attempt *a = &c->attempts[c->attempt_free];
        c->attempt_free = a->next;
        *a = (struct control_attempt){.id = id, .state = CONTROL_QUEUED, .stage = ev->stage, .partition = ev->partitions[i],
                                      .job = job, .cookie = ev->cookies[i]};
        c->index[place(c, id)] = slot_of(c, a);
        c->attempt_count++;
        c->state_count[CONTROL_QUEUED]++;
        job->attempts++;
        enqueue(c, a);
    }
    room_for_cookies(c);
}

static void on_kill(struct control *c, const struct control_event *ev)
{
    for (uint32_t i = 0; i < ev->count; i++) {
        struct control_attempt *a = control_find(c, ev->attempt_ids[i]);
        if (a)
            doom(c, a); /* else it ended before it was told */
    }
}

static void doom_all_of(struct control *c, const struct held_job *job)
{
    for (uint32_t i = 0; i < c->attempt_cap && job->attempts; i++) {
        if (c->attempts[i].id && c->attempts[i].job == job)
            doom(c, &c->attempts[i]);
    }
}

static void on_release(struct control *c, uint64_t job_id)
{
    struct held_job *job = control_find_job(c, job_id);
    if (!job)
        return; /* nothing of it ever came here, or it was released before */
    doom_all_of(c, job);
    control_release(c, job);
}

static void on_credit(struct control *c, const struct control_event *ev)
{
    struct control_attempt *a = control_find(c, ev->attempt_id);
    if (!a)
        return; /* it ended before its last rows were taken */
    int64_t bytes = (int64_t)ev->bytes;
    if (ev->bytes > (uint64_t)a->unacked) {
        c->stale++;
        bytes = a->unacked;
    }
    a->unacked -= bytes;
    act_on(c, CONTROL_GRANT, a)->bytes = (uint64_t)bytes;
    if (a->unacked <= c->config.result_window)
        wake(c, a);
}

static void from_driver(struct control *c, const struct control_event *ev)
{
    if (!c->registered || ev->epoch != c->epoch || ev->incarnation != c->incarnation) {
        c->stale++;
        for (uint32_t i = 0; ev->kind == CONTROL_LAUNCH && i < ev->count; i++)
            refuse(c, ev, i, NULL);
        return;
    }
    switch (ev->kind) {
    case CONTROL_PLAN: control_on_plan(c, ev); break;
    case CONTROL_INPUTS: control_on_inputs(c, ev); break;
    case CONTROL_LAUNCH: on_launch(c, ev); break;
    case CONTROL_KILL: on_kill(c, ev); break;
    case CONTROL_RELEASE: on_release(c, ev->job_id); break;
    case CONTROL_CREDIT: on_credit(c, ev); break;
    default: UNREACHABLE("only what comes from the driver comes here");
    }
}

static void on_registered(struct control *c, const struct control_event *ev)
{
    ASSERT(!c->registered);
    c->registered = true;
    c->epoch = ev->epoch;
    c->incarnation = ev->incarnation;
    c->last_attempt = 0;
}

/* Everything that the old driver knew of us is void. */
static void on_driver_lost(struct control *c)
{
    c->registered = false;
    for (uint32_t i = 0; i < c->attempt_cap; i++) {
        if (!c->attempts[i].id)
            continue;
        c->attempts[i].orphan = true;
        doom(c, &c->attempts[i]);
    }
    for (uint32_t b = 0; b < JOB_BUCKETS; b++) {
        struct held_job *next;
        for (struct held_job *job = c->jobs[b]; job; job = next) {
            next = job->next;
            if (!job->released)
                control_release(c, job);
        }
    }
    flush(c);
}

/* ---- from the slots ---- */

static void from_slots(struct control *c, const struct control_event *ev)
{
    struct control_attempt *a = control_find(c, ev->attempt_id);
    if (!a) {
        ASSERT(ev->kind == CONTROL_WOKEN); /* what waited for it may notice its end late; nothing else may */
        return;
    }
    switch (ev->kind) {
    case CONTROL_PARKED:
        move(c, a, CONTROL_WAITING);
        if (a->woken || a->doomed)
            run(c, a);
        break;
    case CONTROL_WOKEN: wake(c, a); break;
    case CONTROL_RESULT:
        if (a->doomed) {
            act_on(c, CONTROL_DROP_RESULT, a);
            break;
        }
        a->unacked += (int64_t)ev->bytes;
        act_on(c, CONTROL_SEND_RESULT, a);
        break;
    case CONTROL_FINISHED: end(c, a, ev->ok, ev->rides); break;
    default: UNREACHABLE("only what comes from the slots comes here");
    }
}

void control_event(struct control *c, const struct control_event *ev)
{
    ASSERT(c->action_at == c->action_count);
    c->action_at = c->action_count = c->cookie_count = 0;
    switch (ev->kind) {
    case CONTROL_REGISTERED: on_registered(c, ev); break;
    case CONTROL_DRIVER_LOST: on_driver_lost(c); break;
    case CONTROL_PLAN: case CONTROL_INPUTS: case CONTROL_LAUNCH: case CONTROL_KILL: case CONTROL_RELEASE: case CONTROL_CREDIT:
        from_driver(c, ev);
        break;
    case CONTROL_PARKED: case CONTROL_WOKEN: case CONTROL_RESULT: case CONTROL_FINISHED: from_slots(c, ev); break;
    case CONTROL_FLUSH: flush(c); break;
    }
    fill_slots(c, ev->kind == CONTROL_FLUSH ? c->cookie_count : 0);
}

/* ---- reading ---- */

void control_look(const struct control *c, struct control_view *ret)
{
    *ret = (struct control_view){.registered = c->registered, .epoch = c->epoch, .incarnation = c->incarnation,
                                 .queued = c->state_count[CONTROL_QUEUED], .running = c->state_count[CONTROL_RUNNING],
                                 .parked = c->state_count[CONTROL_WAITING], .ended = c->state_count[CONTROL_ENDED],
                                 .jobs = c->job_count, .plans = c->plan_count, .inputs = c->input_count,
                                 .outputs = c->output_count, .stale = c->stale};
}

bool control_wants(const struct control *c, uint64_t attempt_id)
{
    const struct control_attempt *a = control_find(c, attempt_id);
    return a && !a->doomed;
}

void control_each_cookie(const struct control *c, void (*fn)(void *cookie, void *arg), void *arg)
{
    for (uint32_t i = 0; i < c->attempt_cap; i++) {
        if (c->attempts[i].id)
            fn(c->attempts[i].cookie, arg);
    }
}
