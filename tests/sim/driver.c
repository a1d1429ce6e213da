/* The driver around its scheduler: what driver/server does with the scheduler's events and actions, on the virtual network. */
#include "tests/sim/sim.h"

enum { TIMEOUT_US = 5000000 };

void driver_start(struct world *w)
{
    w->epoch++;
    w->first_attempt += 1000000;
    w->sched = sched_new(&(struct sched_config){.max_failures = 4, .losses_max = 200, .stage_reruns_max = 40, .executors_wait_us = 30 * SEC,
                                                .first_attempt = w->first_attempt, .driver_address = "sim"});
    w->sched_timer = 0;
}

static struct job_model *job_of(struct world *w, uint64_t id)
{
    ASSERT(id >= 1 && id <= w->job_count);
    return &w->jobs[id - 1];
}

/* ---- to the executors ---- */

static struct message *to(struct world *w, enum message_kind kind, uint32_t registration)
{
    struct registration *r = &w->registrations[registration];
    struct message *m = new_message(w, kind, &w->processes[r->process]);
    m->connection = r->connection;
    m->registration = registration;
    m->epoch = w->epoch;
    m->incarnation = r->incarnation;
    return m;
}

/* The newest registration of an executor's id and incarnation, NOBODY when there is none. */
static uint32_t find_registration(const struct world *w, uint64_t id, uint64_t incarnation)
{
    for (uint32_t i = w->registration_count; i-- > 0;) {
        if (w->registrations[i].id == id && w->registrations[i].incarnation == incarnation)
            return i;
    }
    return NOBODY;
}

static void grow_sent(struct world *w, struct job_model *job)
{
    if (job->sent_cap >= w->registration_count)
        return;
    uint32_t cap = w->registration_count * 2;
    for (uint32_t s = 0; s < job->stage_count; s++) {
        bool *plan = ARENA_ARRAY(&w->ar, bool, cap);
        uint32_t *version = ARENA_ARRAY(&w->ar, uint32_t, cap);
        if (job->sent_cap) {
            memcpy(plan, job->sent_plan[s], job->sent_cap * sizeof *plan);
            memcpy(version, job->sent_version[s], job->sent_cap * sizeof *version);
        }
        job->sent_plan[s] = plan;
        job->sent_version[s] = version;
    }
    job->sent_cap = cap;
}

/* An output is with the driver if it rode, whole, and on its executor if it did not. */
static void check_place(struct world *w, const struct job_model *job, uint32_t stage, uint32_t map, uint64_t executor, uint64_t attempt)
{
    uint32_t bytes;
    uint64_t id = 0;
    const struct attempt_model *a = find_attempt(w, attempt);
    const void *kept = sched_kept(w->sched, job->id, stage, map, &bytes);
    if (kept && bytes == sizeof id)
        memcpy(&id, kept, sizeof id);
    if (a->rides != (executor == 0) || id != (a->rides ? attempt : 0))
        violate(w, "I1", "job %llu: output %u of stage %u %s, but is said to lie with executor %llu, bytes of attempt %llx", (unsigned long long)job->id, map,
                stage, a->rides ? "rode" : "did not ride", (unsigned long long)executor, (unsigned long long)id);
}

static void send_inputs(struct world *w, struct job_model *job, uint32_t stage, uint32_t registration)
{
    uint32_t version = sched_output_version(w->sched, job->id, stage);
    if (job->sent_version[stage][registration] == version)
        return;
    job->sent_version[stage][registration] = version;
    struct message *m = to(w, M_INPUTS, registration);
    m->job = job->id;
    m->stage = stage;
    m->version = version;
    m->count = job->stages[stage].tasks;
    m->places = ARENA_ARRAY(&w->ar, struct place, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t executor;
        if (!sched_output(w->sched, job->id, stage, i, &executor, &m->places[i].attempt))
            violate(w, "I1", "job %llu: a reader of stage %u is launched while output %u is missing", (unsigned long long)job->id, stage, i);
        m->places[i].registration = executor ? find_attempt(w, m->places[i].attempt)->registration : NOBODY;
        check_place(w, job, stage, i, executor, m->places[i].attempt);
    }
    send_message(w, m);
}

static void launch(struct world *w, const struct sched_action *a)
{
    struct job_model *job = job_of(w, a->job_id);
    uint32_t reg = find_registration(w, a->executor_id, a->incarnation);
    ASSERT(reg != NOBODY && w->registrations[reg].live);
    grow_sent(w, job);
    for (uint32_t p = 0; p < job->stages[a->stage].parent_count; p++)
        send_inputs(w, job, job->stages[a->stage].parents[p], reg);
    if (!job->sent_plan[a->stage][reg]) {
        job->sent_plan[a->stage][reg] = true;
        struct message *m = to(w, M_PLAN, reg);
        m->job = job->id;
        m->stage = a->stage;
        send_message(w, m);
    }
    struct message *m = to(w, M_LAUNCH, reg);
    m->job = job->id;
    m->stage = a->stage;
    m->count = a->count;
    m->ids = arena_dup(&w->ar, a->attempt_ids, a->count * sizeof *m->ids);
    m->partitions = arena_dup(&w->ar, a->partitions, a->count * sizeof *m->partitions);
    for (uint32_t i = 0; i < a->count; i++) {
        struct attempt_model *at = add_attempt(w, a->attempt_ids[i]);
        at->job = job;
        at->stage = a->stage;
        at->partition = a->partitions[i];
        at->registration = reg;
        check_launch(w, at);
    }
    send_message(w, m);
}

static void kill_attempts(struct world *w, const struct sched_action *a)
{
    uint32_t reg = find_registration(w, a->executor_id, a->incarnation);
    struct message *m = to(w, M_KILL, reg);
    m->count = a->count;
    m->ids = arena_dup(&w->ar, a->attempt_ids, a->count * sizeof *m->ids);
    for (uint32_t i = 0; i < a->count; i++) {
        struct attempt_model *at = find_attempt(w, a->attempt_ids[i]);
        if (at->truth == TRUTH_LIVE)
            at->truth = TRUTH_KILLED;
    }
    send_message(w, m);
}

/* ---- actions ---- */

static void carry_out(struct world *w, const struct sched_action *a)
{
    switch (a->kind) {
    case SCHED_LAUNCH: launch(w, a); break;
    case SCHED_KILL: kill_attempts(w, a); break;
    case SCHED_RELEASE: {
        struct message *m = to(w, M_RELEASE, find_registration(w, a->executor_id, a->incarnation));
        m->job = a->job_id;
        send_message(w, m);
        break;
    }
    case SCHED_COMMIT: {
        struct job_model *job = job_of(w, a->job_id);
        check_commit(w, job);
        schedule(w, w->now + 1 + (int64_t)rng_below(&w->rng, SEC), E_COMMIT_DONE, 0, job->index, w->epoch, NULL);
        break;
    }
    case SCHED_ABORT: break;
    case SCHED_JOB_ENDED: check_ended(w, job_of(w, a->job_id), &a->error); break;
    case SCHED_SET_TIMER:
        w->sched_timer = a->at_us;
        schedule(w, a->at_us, E_SCHED_TIMER, 0, 0, w->epoch, NULL);
        break;
    }
}

void driver_event(struct world *w, struct sched_event *ev)
{
    struct sched_action a;
    sched_event(w->sched, w->now, ev);
    while (sched_next_action(w->sched, &a))
        carry_out(w, &a);
}

/* ---- results, as operation.c passes them on ---- */

static void give_credit(struct world *w, uint64_t attempt)
{
    struct attempt_model *a = find_attempt(w, attempt);
    if (a->truth != TRUTH_LIVE || !w->registrations[a->registration].live)
        return;
    struct part_model *p = &a->job->parts[a->partition];
    if (p->attempt == attempt) {
        p->held -= RESULT_RUN_BYTES;
        if (p->held <= RESULT_WINDOW && p->held + RESULT_RUN_BYTES > RESULT_WINDOW)
            driver_event(w, &(struct sched_event){.kind = SCHED_ATTEMPT_STALLED, .attempt_id = attempt, .stalled = false});
    }
    struct message *m = to(w, M_CREDIT, a->registration);
    m->attempt = attempt;
    m->bytes = RESULT_RUN_BYTES;
    send_message(w, m);
}

static bool is_live(struct world *w, uint64_t attempt)
{
    const struct attempt_model *a = find_attempt(w, attempt);
    uint64_t job;
    uint32_t stage, partition;
    return a && sched_attempt(w->sched, attempt, w->registrations[a->registration].id, &job, &stage, &partition);
}

static void pump(struct world *w, struct job_model *job)
{
    uint32_t parts = job->stages[job->stage_count - 1].tasks;
    while (job->head < parts && job->fate == FATE_RUNNING) {
        struct part_model *p = &job->parts[job->head];
        if (p->expected < 0 && !is_live(w, p->attempt)) {
            p->items = NULL; /* of an attempt that another one takes the place of */
            p->tail = &p->items;
        }
        bool repeats = job->stages[job->stage_count - 1].determinism == SCHED_DETERMINATE;
        if (p->expected < 0 && p->next_seq == 0 && !repeats && p->held <= RESULT_WINDOW / 2)
            return; /* few rows that another attempt would give in another order wait for the end of this one */
        for (; p->items; p->items = p->items->next) {
            struct run_model *it = p->items;
            if (it->seq == p->next_seq) {
                check_delivered(w, job, job->head, find_attempt(w, it->attempt), it->seq, it->value);
                if (p->next_seq++ == 0)
                    driver_event(w, &(struct sched_event){.kind = SCHED_ROWS_DELIVERED, .attempt_id = it->attempt});
            }
            give_credit(w, it->attempt);
        }
        p->tail = &p->items;
        if (p->expected < 0 || p->next_seq < p->expected)
            return;
        job->head++;
    }
}

/* The job, stage and partition that a result belongs to, when the scheduler knows the attempt. */
static struct job_model *result_of(struct world *w, const struct registration *r, uint64_t attempt, uint32_t *ret_partition)
{
    uint64_t id;
    uint32_t stage;
    if (!sched_attempt(w->sched, attempt, r->id, &id, &stage, ret_partition))
        return NULL;
    struct job_model *job = job_of(w, id);
    return stage == job->stage_count - 1 && !job->writes && job->fate == FATE_RUNNING ? job : NULL;
}

static void on_result(struct world *w, const struct registration *r, const struct message *m)
{
    uint32_t partition;
    struct job_model *job = result_of(w, r, m->attempt, &partition);
    struct part_model *p = job ? &job->parts[partition] : NULL;
    if (!p || p->expected >= 0)
        return;
    if (p->attempt != m->attempt) {
        p->items = NULL;
        p->tail = &p->items;
        p->attempt = m->attempt;
        p->held = 0;
    }
    p->held += RESULT_RUN_BYTES;
    struct run_model *it = ARENA_NEW(&w->ar, struct run_model);
    *it = (struct run_model){m->attempt, m->value, m->seq, NULL};
    *p->tail = it;
    p->tail = &it->next;
    if (p->held > RESULT_WINDOW)
        driver_event(w, &(struct sched_event){.kind = SCHED_ATTEMPT_STALLED, .attempt_id = m->attempt, .stalled = true});
    if (partition == job->head)
        pump(w, job);
}

static void result_done(struct world *w, const struct registration *r, uint64_t attempt)
{
    uint32_t partition;
    struct job_model *job = result_of(w, r, attempt, &partition);
    if (!job || job->parts[partition].expected >= 0)
        return;
    uint32_t runs = run_count(job, partition);
    if (runs > 0 && job->parts[partition].attempt != attempt)
        return;
    job->parts[partition].expected = runs;
    pump(w, job);
}

/* ---- from the executors ---- */

/* Whether the scheduler has to listen: the incarnation is live, the attempt is known and that executor's. */
static struct attempt_model *heard(struct world *w, uint32_t reg, uint64_t id)
{
    struct attempt_model *a = find_attempt(w, id);
    if (!w->registrations[reg].live || !a || a->truth == TRUTH_GONE || a->registration != reg)
        return NULL;
    return a;
}

static void check_not_believed(struct world *w, const struct attempt_model *a)
{
    uint64_t executor, attempt;
    if (a && a->job->fate == FATE_RUNNING && sched_output(w->sched, a->job->id, a->stage, a->partition, &executor, &attempt) && attempt == a->id &&
        a->job->winner[a->stage][a->partition] != a)
        violate(w, "I3", "the driver believes attempt %llx, which was killed or lost", (unsigned long long)a->id);
}

static void on_done(struct world *w, uint32_t reg, struct message *m)
{
    struct registration *r = &w->registrations[reg];
    uint64_t stale = sched_stale_events(w->sched), expect = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct attempt_model *a = heard(w, reg, m->results[i].attempt_id);
        expect += a == NULL;
        if (a && r->live)
            result_done(w, r, a->id);
        if (a && a->truth == TRUTH_LIVE)
            accept_done(w, a);
        else if (a)
            a->truth = TRUTH_GONE;
    }
    driver_event(
        w,
        &(struct sched_event){
            .kind = SCHED_ATTEMPTS_DONE, .executor_id = r->id, .incarnation = m->incarnation, .done_count = m->count, .done = m->results});
    if (sched_stale_events(w->sched) - stale != expect)
        violate(w, "I3", "%llu of %u completions are old, the driver ignored %llu", (unsigned long long)expect, m->count,
                (unsigned long long)(sched_stale_events(w->sched) - stale));
    for (uint32_t i = 0; i < m->count; i++)
        check_not_believed(w, find_attempt(w, m->results[i].attempt_id));
}

static void on_failed(struct world *w, uint32_t reg, struct message *m)
{
    struct registration *r = &w->registrations[reg];
    struct attempt_model *a = heard(w, reg, m->attempt);
    uint64_t stale = sched_stale_events(w->sched);
    struct error err = ERROR_INIT;
    error_set(&err, m->code, "message", m->text, "path", "sim", "output", m->text, "executor", "?", "reason", m->text, NULL);
    if (a && a->truth == TRUTH_LIVE && a->job->fate == FATE_RUNNING && !m->fetch_failed && errcode_policy(m->code) != POLICY_NEVER)
        a->job->failures[a->stage][a->partition]++;
    if (a)
        a->truth = TRUTH_GONE;
    for (uint32_t i = 0; a && i < m->lost_count; i++)
        find_attempt(w, m->lost_attempts[i])->missed = true;
    driver_event(w, &(struct sched_event){.kind = SCHED_ATTEMPT_FAILED, .executor_id = r->id, .incarnation = m->incarnation, .attempt_id = m->attempt,
                                          .error = &err, .fetch_failed = m->fetch_failed, .lost_stage = m->lost_stage, .lost_count = m->lost_count,
                                          .lost_partitions = m->lost, .lost_attempts = m->lost_attempts});
    error_fini(&err);
    if (sched_stale_events(w->sched) - stale != (a == NULL))
        violate(w, "I3", "the failure of attempt %llx is %s", (unsigned long long)m->attempt, a ? "news, but was ignored" : "old, but was believed");
}

static void on_register(struct world *w, struct message *m)
{
    struct process *p = &w->processes[m->process];
    ARRAY_GROW(w->registrations, w->registration_count, w->registration_cap);
    struct registration *r = &w->registrations[w->registration_count];
    *r = (struct registration){++w->next_executor, m->incarnation, m->process, m->connection, true, w->now};
    if (w->same_id)
        r->id = 1000000 + m->process;
    uint32_t reg = w->registration_count++;
    struct message *answer = to(w, M_REGISTERED, reg);
    send_message(w, answer);
    for (uint32_t i = 0; w->same_id && i < reg; i++) {
        if (w->registrations[i].live && w->registrations[i].process == m->process) { /* the scheduler notices by itself */
            w->registrations[i].live = false;
            for (uint32_t k = 0; k < w->attempt_cap; k++) {
                if (w->attempts[k] && w->attempts[k]->registration == i)
                    w->attempts[k]->truth = TRUTH_GONE;
            }
        }
    }
    char *host = arena_printf(&w->ar, "host%u", m->process / 2);
    driver_event(w, &(struct sched_event){.kind = SCHED_EXECUTOR_JOINED, .executor_id = w->registrations[reg].id, .incarnation = m->incarnation,
                                          .host = host, .slots = p->slots, .memory = 1 << 30});
}

void driver_message(struct world *w, struct message *m)
{
    if (m->kind == M_REGISTER) {
        if (m->connection == w->processes[m->process].connection && !m->again)
            on_register(w, m);
        return;
    }
    if (m->registration == NOBODY)
        return;
    struct registration *r = &w->registrations[m->registration];
    if (m->again && m->epoch != w->epoch)
        return; /* another driver's: the connection to it is no more */
    if (r->live && !m->again)
        r->heard_us = w->now;
    switch (m->kind) {
    case M_DONE: on_done(w, m->registration, m); break;
    case M_FAILED: on_failed(w, m->registration, m); break;
    case M_RESULT:
        if (r->live && !m->again)
            on_result(w, r, m);
        break;
    default: break;
    }
}

void driver_lose(struct world *w, uint32_t registration, const char *why)
{
    struct registration *r = &w->registrations[registration];
    if (!r->live)
        return;
    r->live = false;
    for (uint32_t i = 0; i < w->attempt_cap; i++) {
        if (w->attempts[i] && w->attempts[i]->registration == registration)
            w->attempts[i]->truth = TRUTH_GONE;
    }
    driver_event(w, &(struct sched_event){.kind = SCHED_EXECUTOR_LOST, .executor_id = r->id, .incarnation = r->incarnation, .reason = why});
}

void driver_tick(struct world *w)
{
    for (uint32_t i = 0; i < w->registration_count; i++) {
        struct registration *r = &w->registrations[i];
        if (!r->live || w->now - r->heard_us <= TIMEOUT_US)
            continue;
        struct process *p = &w->processes[r->process];
        uint32_t connection = r->connection;
        driver_lose(w, i, "injected silence");
        if (p->alive && p->connection == connection)
            schedule(w, w->now + some_delay(w), E_EXECUTOR_SEES_CLOSE, p->index, connection, 0, NULL);
    }
}

/* ---- jobs ---- */

void driver_submit(struct world *w, struct job_model *job)
{
    struct stage_spec st[STAGES_MAX] = {0};
    char *places[] = {"host0", "host1", "executor:3"};
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct stage_model *sm = &job->stages[i];
        uint32_t *prefer = ARENA_ARRAY(&w->ar, uint32_t, sm->tasks);
        for (uint32_t t = 0; t < sm->tasks; t++)
            prefer[t] = (uint32_t)rng_below(&w->rng, 4);
        st[i] = (struct stage_spec){.task_count = sm->tasks, .parent_count = sm->parent_count, .parents = sm->parents, .determinism = sm->determinism,
                                    .writes = job->writes && i == job->stage_count - 1, .result = !job->writes && i == job->stage_count - 1,
                                    .prefer = chance(w, 0.3) ? prefer : NULL};
    }
    struct job_spec spec = {.job_id = job->id, .stage_count = job->stage_count, .stages = st, .place_count = 3, .places = (const char *const *)places};
    job->fate = FATE_RUNNING;
    driver_event(w, &(struct sched_event){.kind = SCHED_JOB_SUBMIT, .job_id = job->id, .spec = &spec});
}

void driver_cancel(struct world *w, struct job_model *job)
{
    struct error err = ERROR_INIT;
    if (job->fate != FATE_RUNNING)
        return;
    w->fired[FAULT_CANCEL]++;
    job->cancelled = !job->committing;
    error_set(&err, ERR_CANCELLED, "reason", " by the simulator", NULL);
    driver_event(w, &(struct sched_event){.kind = SCHED_JOB_CANCEL, .job_id = job->id, .error = &err});
    if (job->cancelled && job->fate != FATE_FAILED)
        violate(w, "I9", "job %llu was cancelled and goes on", (unsigned long long)job->id);
}

void driver_commit_done(struct world *w, struct job_model *job)
{
    struct error err = ERROR_INIT;
    job->committed = !job->commit_fails;
    if (job->commit_fails) {
        w->fired[FAULT_COMMIT]++;
        error_set(&err, ERR_IO, "path", "sim", "message", "injected commit failure", NULL);
    }
    for (int twice = 0; twice < 2; twice++) /* the second one is late */
        driver_event(w, &(struct sched_event){.kind = SCHED_COMMIT_DONE, .job_id = job->id, .error = err.code ? &err : NULL});
    error_fini(&err);
}

/* A new process at the same address: nothing of the old one's jobs is known to it. */
void driver_restart(struct world *w)
{
    sched_free(w->sched);
    for (uint32_t i = 0; i < w->job_count; i++) {
        if (w->jobs[i].fate == FATE_RUNNING) {
            w->jobs[i].fate = FATE_DRIVER_LOST;
            w->ended++;
        }
    }
    for (uint32_t i = 0; i < w->registration_count; i++)
        w->registrations[i].live = false;
    for (uint32_t i = 0; i < w->attempt_cap; i++) {
        if (w->attempts[i])
            w->attempts[i]->truth = TRUTH_GONE;
    }
    for (uint32_t i = 0; i < w->process_count; i++) {
        struct process *p = &w->processes[i];
        if (p->alive && p->connection)
            schedule(w, w->now + some_delay(w), E_EXECUTOR_SEES_CLOSE, i, p->connection, 0, NULL);
    }
    driver_start(w);
}
