/* An executor around its control: slots, output store, fetches, as executor/server has them, on virtual time. */
#include "tests/sim/sim.h"

void executor_start(struct process *p)
{
    p->alive = true;
    p->slow = 1;
    p->registration = NOBODY;
    p->connection = 0;
    p->control = control_new(&(struct control_config){.slots = p->slots, .ahead = p->slots * SLOTS_AHEAD, .result_window = RESULT_WINDOW});
    p->ready = NULL;
    p->ready_tail = &p->ready;
    p->busy = 0;
    p->flush_due = p->connecting = false;
    p->inputs = NULL;
}

static void free_task(void *cookie, void *arg)
{
    struct task_model *t = cookie;
    (void)arg;
    t->on = NULL;
    error_fini(&t->error);
}

void executor_stop(struct process *p)
{
    control_each_cookie(p->control, free_task, NULL);
    control_free(p->control);
    p->control = NULL;
    p->alive = false;
}

void executor_connect(struct world *w, struct process *p)
{
    p->connecting = false;
    p->connection = ++w->next_connection;
    p->incarnation = ++w->next_incarnation;
    p->to_driver_at = p->to_executor_at = p->data_at = w->now;
    send_message(w, new_message(w, M_REGISTER, p));
}

static struct message *report(struct world *w, struct process *p, enum message_kind kind)
{
    struct message *m = new_message(w, kind, p);
    m->registration = p->registration;
    return m;
}

/* ---- slots ---- */

static void start_ready(struct world *w, struct process *p)
{
    while (p->ready && p->busy < p->slots) {
        struct task_model *t = p->ready;
        p->ready = t->next;
        if (!p->ready)
            p->ready_tail = &p->ready;
        p->busy++;
        schedule(w, w->now, E_STEP, p->index, 0, p->incarnation, t);
    }
}

static void run(struct world *w, struct process *p, struct task_model *t)
{
    if (!t->started && t->attempt->ran)
        violate(w, "I3", "attempt %llx runs twice", (unsigned long long)t->attempt->id);
    t->started = t->attempt->ran = true;
    if (t->on != p)
        violate(w, "I3", "attempt %llx runs where it was not launched", (unsigned long long)t->attempt->id);
    t->next = NULL;
    *p->ready_tail = t;
    p->ready_tail = &t->next;
}

static void send_failed(struct world *w, struct process *p, struct task_model *t, bool killed)
{
    struct message *m = report(w, p, M_FAILED);
    m->attempt = t->attempt->id;
    m->code = killed || !t->error.code ? ERR_CANCELLED : t->error.code;
    m->text = (char *)"cancelled";
    if (!killed && t->error.code) {
        const char *text = error_param_get(&t->error, "message");
        m->text = arena_strdup(&w->ar, text ? text : "");
        m->fetch_failed = t->lost_count > 0;
        m->lost_stage = t->lost_stage;
        m->lost_count = t->lost_count;
        m->lost = t->lost;
        m->lost_attempts = t->lost_attempts;
    }
    send_message(w, m);
}

static bool is_result(const struct attempt_model *a)
{
    return !a->job->writes && a->stage == a->job->stage_count - 1;
}

/* Those of result attempts follow their rows; the others go beside them. */
static void send_done(struct world *w, struct process *p, void *const *cookies, uint32_t count, bool results)
{
    struct message *m = report(w, p, M_DONE);
    m->data = results;
    m->results = ARENA_ARRAY(&w->ar, struct attempt_result, count);
    for (uint32_t i = 0; i < count; i++) {
        struct task_model *t = cookies[i];
        struct attempt_model *a = t->attempt;
        if (is_result(a) != results)
            continue;
        m->results[m->count++] = (struct attempt_result){.attempt_id = a->id, .rows_out = a->rows_out, .rows_in = a->rows_in, .bytes_out = a->rows_out * 8,
                                                .run_us = (uint64_t)a->job->stages[a->stage].run_us, .manifest = &a->id, .manifest_bytes = sizeof a->id,
                                                .output = &a->id, .output_bytes = a->rides ? sizeof a->id : 0};
        free_task(t, NULL);
    }
    if (m->count)
        send_message(w, m);
}

static void send_result(struct world *w, struct process *p, const struct task_model *t)
{
    struct message *m = report(w, p, M_RESULT);
    m->data = true;
    m->attempt = t->attempt->id;
    m->seq = t->emitted - 1;
    m->value = run_value(t->attempt->value, m->seq);
    send_message(w, m);
}

/* ---- control's actions ---- */

static void drop_inputs(struct process *p, uint64_t job)
{
    for (struct inputs_model **in = &p->inputs; *in;) {
        if ((*in)->job == job)
            *in = (*in)->next;
        else
            in = &(*in)->next;
    }
}

static void set_inputs(struct world *w, struct process *p, const struct message *m)
{
    for (struct inputs_model **in = &p->inputs; *in; in = &(*in)->next) {
        if ((*in)->job == m->job && (*in)->stage == m->stage) {
            *in = (*in)->next; /* readers keep the one that they have */
            break;
        }
    }
    struct inputs_model *in = ARENA_NEW(&w->ar, struct inputs_model);
    *in = (struct inputs_model){m->job, m->stage, m->version, m->count, m->places, p->inputs};
    p->inputs = in;
}

static void carry_out(struct world *w, struct process *p, const struct control_action *a, const struct message *m)
{
    struct task_model *t = a->cookie;
    switch (a->kind) {
    case CONTROL_ADD_PLAN: break;
    case CONTROL_SET_INPUTS: set_inputs(w, p, m); break;
    case CONTROL_RUN:
        for (uint32_t i = 0; i < a->count; i++)
            run(w, p, a->cookies[i]);
        start_ready(w, p);
        break;
    case CONTROL_CANCEL: t->cancel = true; break;
    case CONTROL_GRANT:
        t->unacked -= (int64_t)a->bytes;
        if (t->unacked < 0)
            violate(w, "I8", "attempt %llx was granted more than it sent", (unsigned long long)t->attempt->id);
        break;
    case CONTROL_SEND_RESULT: send_result(w, p, t); break;
    case CONTROL_DROP_RESULT: break;
    case CONTROL_REFUSE:
        violate(w, "I8", "executor process %u refuses attempt %llx, what that needs was let go: %s", p->index,
                (unsigned long long)a->attempt_id, a->reason);
    case CONTROL_REPORT:
        send_done(w, p, a->cookies, a->count, false);
        send_done(w, p, a->cookies, a->count, true);
        break;
    case CONTROL_REPORT_FAILED:
        send_failed(w, p, t, a->killed);
        free_task(t, NULL);
        break;
    case CONTROL_FORGET: free_task(t, NULL); break;
    case CONTROL_DROP_OUTPUT: break;
    case CONTROL_DROP_JOB: drop_inputs(p, a->job_id); break;
    }
}

static void tell(struct world *w, struct process *p, const struct control_event *ev, const struct message *m)
{
    struct control_action a;
    control_event(p->control, ev);
    while (control_next_action(p->control, &a))
        carry_out(w, p, &a, m);
    if (!p->flush_due) {
        p->flush_due = true;
        schedule(w, w->now + (int64_t)rng_below(&w->rng, 50), E_FLUSH, p->index, 0, p->incarnation, NULL);
    }
}

void executor_flush(struct world *w, struct process *p)
{
    struct control_action a;
    p->flush_due = false;
    control_event(p->control, &(struct control_event){.kind = CONTROL_FLUSH});
    while (control_next_action(p->control, &a))
        carry_out(w, p, &a, NULL);
}

static void say(struct world *w, struct task_model *t, enum control_event_kind kind, uint64_t bytes, bool ok)
{
    tell(w, t->on, &(struct control_event){.kind = kind, .attempt_id = t->attempt->id, .bytes = bytes, .ok = ok, .rides = t->attempt->rides}, NULL);
}

/* ---- from the driver ---- */

static void on_launch(struct world *w, struct process *p, const struct message *m, struct control_event *ev)
{
    void **cookies = ARENA_ARRAY(&w->ar, void *, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct task_model *t = ARENA_NEW(&w->ar, struct task_model);
        t->attempt = find_attempt(w, m->ids[i]);
        t->on = p;
        cookies[i] = t;
    }
    ev->cookies = (void *const *)cookies;
}

/* Whether control has to ignore it: not for this registration, or here before. */
static bool is_old(const struct process *p, const struct message *m)
{
    struct control_view v;
    control_look(p->control, &v);
    return !v.registered || m->epoch != v.epoch || m->incarnation != v.incarnation;
}

void executor_message(struct world *w, struct process *p, struct message *m)
{
    static const enum control_event_kind kinds[] = {[M_PLAN] = CONTROL_PLAN, [M_INPUTS] = CONTROL_INPUTS, [M_LAUNCH] = CONTROL_LAUNCH,
                                                    [M_KILL] = CONTROL_KILL, [M_RELEASE] = CONTROL_RELEASE, [M_CREDIT] = CONTROL_CREDIT};
    struct control_event ev = {.kind = CONTROL_REGISTERED, .epoch = m->epoch, .incarnation = m->incarnation, .job_id = m->job, .stage = m->stage,
                               .version = m->version, .keeps_output = true, .count = m->count, .attempt_ids = m->ids, .partitions = m->partitions,
                               .attempt_id = m->attempt, .bytes = m->bytes};
    struct control_view before, after;
    if (m->kind == M_REGISTERED) {
        if (m->again || p->registration != NOBODY)
            return;
        p->registration = m->registration;
        tell(w, p, &ev, m);
        schedule(w, w->now, E_HEARTBEAT, p->index, p->connection, p->incarnation, NULL);
        return;
    }
    ev.kind = kinds[m->kind];
    if (m->kind == M_PLAN) {
        const struct job_model *job = &w->jobs[m->job - 1];
        ev.keeps_output = job->writes || m->stage + 1 < job->stage_count;
    }
    if (m->kind == M_LAUNCH)
        on_launch(w, p, m, &ev);
    control_look(p->control, &before);
    bool old = is_old(p, m);
    tell(w, p, &ev, m);
    control_look(p->control, &after);
    uint32_t there = before.queued + before.running + before.parked + before.ended, here = after.queued + after.running + after.parked + after.ended;
    if (old && (after.stale == before.stale || here != there || after.jobs != before.jobs || after.outputs != before.outputs || after.inputs != before.inputs))
        violate(w, "I3", "executor process %u believes a message of kind %d that is not for it", p->index, (int)m->kind);
    if (!old && m->kind == M_LAUNCH && m->again && (here > there || after.stale - before.stale != m->count))
        violate(w, "I3", "executor process %u takes a launch twice", p->index);
}

void executor_lost_driver(struct world *w, struct process *p)
{
    p->registration = NOBODY;
    p->connection = 0;
    tell(w, p, &(struct control_event){.kind = CONTROL_DRIVER_LOST}, NULL);
    if (p->inputs)
        violate(w, "I8", "executor process %u keeps inputs without a driver", p->index);
    if (!p->connecting) {
        p->connecting = true;
        schedule(w, w->now + SEC / 10 + (int64_t)rng_below(&w->rng, SEC), E_CONNECT, p->index, 0, 0, NULL);
    }
}

/* ---- fetching ---- */

static void lose_map(struct world *w, struct task_model *t, uint32_t parent, uint32_t map, enum errcode code)
{
    const struct inputs_model *in = t->inputs[parent];
    if (t->lost_count && t->lost_stage != in->stage)
        return; /* one report speaks of one stage; the others are met by the next attempt */
    if (!t->lost) {
        t->lost = ARENA_ARRAY(&w->ar, uint32_t, in->count);
        t->lost_attempts = ARENA_ARRAY(&w->ar, uint64_t, in->count);
        t->lost_stage = in->stage;
        error_set(&t->error, code, "message", "injected loss", "output", "injected", "executor", "?", NULL);
    }
    if (t->lost_count == in->count)
        return;
    t->lost[t->lost_count] = map;
    t->lost_attempts[t->lost_count++] = in->places[map].attempt;
}

static struct inputs_model *known_inputs(struct world *w, struct process *p, const struct task_model *t, uint32_t stage)
{
    struct inputs_model *in = p->inputs;
    while (in && (in->job != t->attempt->job->id || in->stage != stage))
        in = in->next;
    if (!in)
        violate(w, "I1", "attempt %llx runs where the inputs of stage %u are not known", (unsigned long long)t->attempt->id, stage);
    return in;
}

static void ask(struct world *w, struct task_model *t, uint32_t parent, uint32_t registration)
{
    const struct inputs_model *in = t->inputs[parent];
    struct fetch_model *f = ARENA_NEW(&w->ar, struct fetch_model);
    f->task = t;
    f->parent = parent;
    f->registration = registration;
    f->maps = ARENA_ARRAY(&w->ar, uint32_t, in->count);
    for (uint32_t m = 0; m < in->count; m++) {
        if (in->places[m].registration == registration)
            f->maps[f->count++] = m;
    }
    f->next = t->fetches;
    t->fetches = f;
    t->outstanding++;
    schedule(w, w->now + some_delay(w), E_FETCH, t->on->index, 0, t->on->incarnation, f);
}

/* Asks every peer for its maps; false: nothing lies elsewhere. */
static bool start_fetching(struct world *w, struct process *p, struct task_model *t)
{
    const struct stage_model *st = &t->attempt->job->stages[t->attempt->stage];
    for (uint32_t q = 0; q < st->parent_count; q++) {
        struct inputs_model *in = t->inputs[q] = known_inputs(w, p, t, st->parents[q]);
        for (uint32_t m = 0; m < in->count; m++) {
            bool asked = in->places[m].registration == p->registration || in->places[m].registration == NOBODY;
            for (uint32_t k = 0; k < m && !asked; k++)
                asked = in->places[k].registration == in->places[m].registration;
            if (!asked)
                ask(w, t, q, in->places[m].registration);
        }
    }
    return t->outstanding > 0;
}

/* The question reaches the peer, if that is still who it was. */
void executor_serve(struct world *w, struct fetch_model *f)
{
    struct task_model *t = f->task;
    if (!t->on)
        return;
    const struct inputs_model *in = t->inputs[f->parent];
    struct process *peer = &w->processes[w->registrations[f->registration].process];
    bool reached = peer->alive && !strikes(w, FAULT_UNREACHABLE_PEER);
    bool damaged = reached && f->count > 0 && strikes(w, FAULT_CORRUPT);
    for (uint32_t i = 0; i < f->count; i++) {
        bool held = reached && control_holds(peer->control, in->job, in->stage, f->maps[i], in->places[f->maps[i]].attempt);
        if (held && find_attempt(w, in->places[f->maps[i]].attempt)->truth == TRUTH_LIVE)
            violate(w, "I3", "an output is served whose attempt the driver has not heard of");
        if (held && strikes(w, FAULT_GONE))
            held = false;
        if (!held || (damaged && i == 0))
            lose_map(w, t, f->parent, f->maps[i], held ? ERR_CHUNK_DAMAGED : ERR_FETCH_FAILED);
    }
    int64_t until = reached ? some_delay(w) : SEC / 2;
    if (peer->alive && peer->paused_until > w->now)
        until += peer->paused_until - w->now;
    schedule(w, w->now + until, E_FETCHED, t->on->index, 0, t->on->incarnation, f);
}

void executor_fetched(struct world *w, struct fetch_model *f)
{
    struct task_model *t = f->task;
    if (!t->on || f->over)
        return;
    f->over = true;
    t->outstanding--;
    say(w, t, CONTROL_WOKEN, 0, false);
}

/* ---- steps of a task ---- */

static void finish(struct world *w, struct process *p, struct task_model *t, bool ok)
{
    p->busy--;
    t->attempt->ended_well |= ok;
    t->attempt->rides = ok && t->attempt->stage + 1 < t->attempt->job->stage_count && chance(w, w->rides);
    say(w, t, CONTROL_FINISHED, 0, ok);
    start_ready(w, p);
}

static void park(struct world *w, struct process *p, struct task_model *t)
{
    p->busy--;
    say(w, t, CONTROL_PARKED, 0, false);
    start_ready(w, p);
}

static int64_t work_us(struct world *w, const struct process *p, const struct task_model *t)
{
    int64_t typical = t->attempt->job->stages[t->attempt->stage].run_us;
    return (int64_t)((double)typical * p->slow * (0.5 + rng_double(&w->rng)));
}

static bool fails(struct world *w, struct task_model *t)
{
    const struct attempt_model *a = t->attempt;
    const struct job_model *job = a->job;
    if (a->stage == job->bad_stage && a->partition == job->bad_partition) {
        w->fired[FAULT_PERSISTENT]++;
        error_set(&t->error, job->bad_code, "message", "injected, always", "path", "sim", NULL);
        return true;
    }
    if (!strikes(w, FAULT_TRANSIENT))
        return false;
    error_set(&t->error, chance(w, 0.5) ? ERR_IO : ERR_FILE_READ, "message", "injected, once", "path", "sim", NULL);
    return true;
}

/* What lies here, and what came with the inputs. */
static void read_local(struct world *w, struct process *p, struct task_model *t)
{
    const struct stage_model *st = &t->attempt->job->stages[t->attempt->stage];
    for (uint32_t q = 0; q < st->parent_count; q++) {
        const struct inputs_model *in = t->inputs[q];
        bool rode = false;
        for (uint32_t m = 0; m < in->count; m++) {
            uint32_t at = in->places[m].registration;
            if (at == NOBODY && !rode && strikes(w, FAULT_CORRUPT))
                lose_map(w, t, q, m, ERR_CHUNK_DAMAGED);
            else if (at != NOBODY && at == p->registration && !control_holds(p->control, in->job, in->stage, m, in->places[m].attempt))
                lose_map(w, t, q, m, ERR_FETCH_FAILED);
            rode |= at == NOBODY;
        }
    }
}

static void work(struct world *w, struct process *p, struct task_model *t)
{
    struct attempt_model *a = t->attempt;
    read_local(w, p, t);
    if (t->lost_count || fails(w, t)) {
        finish(w, p, t, false);
        return;
    }
    compute_attempt(w, t);
    t->runs = is_result(a) ? run_count(a->job, a->partition) : 0;
    t->phase = PHASE_EMIT;
    schedule(w, w->now + 1, E_STEP, p->index, 0, p->incarnation, t);
}

static void emit(struct world *w, struct process *p, struct task_model *t)
{
    if (t->emitted == t->runs) {
        finish(w, p, t, true);
        return;
    }
    t->emitted++;
    t->unacked += RESULT_RUN_BYTES;
    say(w, t, CONTROL_RESULT, RESULT_RUN_BYTES, false);
    if (t->unacked > RESULT_WINDOW)
        park(w, p, t);
    else
        schedule(w, w->now + work_us(w, p, t) / 4 + 1, E_STEP, p->index, 0, p->incarnation, t);
}

void executor_step(struct world *w, struct process *p, struct task_model *t)
{
    if (t->cancel) {
        finish(w, p, t, chance(w, 0.2) && t->phase == PHASE_EMIT && t->emitted == t->runs);
        return;
    }
    switch (t->phase) {
    case PHASE_START:
        t->phase = PHASE_FETCH;
        if (start_fetching(w, p, t)) {
            park(w, p, t);
            return;
        }
        __attribute__((fallthrough));
    case PHASE_FETCH:
        if (t->outstanding) { /* woken by the first of several answers */
            park(w, p, t);
            return;
        }
        t->phase = PHASE_WORK;
        schedule(w, w->now + work_us(w, p, t) + 1, E_STEP, p->index, 0, p->incarnation, t);
        return;
    case PHASE_WORK: work(w, p, t); return;
    case PHASE_EMIT: emit(w, p, t); return;
    }
}
