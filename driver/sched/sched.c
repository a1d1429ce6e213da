/* The scheduler's door: events in, actions out, and the tables of its life-cycles; see sched.h. */
#include "driver/sched/sched_impl.h"

static const struct sm_state job_states[] = {
    [JOB_RUNNING] = {"RUNNING", SM_TO(JOB_COMMITTING) | SM_TO(JOB_DONE) | SM_TO(JOB_FAILED)},
    [JOB_COMMITTING] = {"COMMITTING", SM_TO(JOB_DONE) | SM_TO(JOB_FAILED)},
    [JOB_DONE] = {"DONE", 0},
    [JOB_FAILED] = {"FAILED", 0},
};
static const struct sm_state stage_states[] = {
    [STAGE_WAITING] = {"WAITING", SM_TO(STAGE_RUNNING)},
    [STAGE_RUNNING] = {"RUNNING", SM_TO(STAGE_WAITING) | SM_TO(STAGE_COMPLETE)},
    [STAGE_COMPLETE] = {"COMPLETE", SM_TO(STAGE_RUNNING) | SM_TO(STAGE_WAITING)},
};
static const struct sm_state task_states[] = {
    [TASK_PENDING] = {"PENDING", SM_TO(TASK_RUNNING)},
    [TASK_RUNNING] = {"RUNNING", SM_TO(TASK_DONE) | SM_TO(TASK_PENDING)},
    [TASK_DONE] = {"DONE", SM_TO(TASK_PENDING)},
};
static const struct sm_state attempt_states[] = {
    [ATTEMPT_FREE] = {"FREE", SM_TO(ATTEMPT_LAUNCHED)},
    [ATTEMPT_LAUNCHED] = {"LAUNCHED", SM_TO(ATTEMPT_KILLED) | SM_TO(ATTEMPT_FREE)},
    [ATTEMPT_KILLED] = {"KILLED", SM_TO(ATTEMPT_FREE)},
};
static const struct sm_state executor_states[] = {
    [EXECUTOR_LIVE] = {"LIVE", SM_TO(EXECUTOR_LOST)},
    [EXECUTOR_LOST] = {"LOST", 0},
};
const struct sm job_sm = SM("job", job_states), stage_sm = SM("stage", stage_states), task_sm = SM("task", task_states),
                attempt_sm = SM("attempt", attempt_states), executor_sm = SM("executor", executor_states);

struct sched *sched_new(const struct sched_config *config)
{
    struct sched *s = xcalloc(1, sizeof *s);
    ASSERT(config->losses_max > 0 && config->losses_max < UINT8_MAX);
    ASSERT(config->max_failures > 0 && config->max_failures < UINT8_MAX && config->first_attempt <= 1ull << 39);
    s->config = *config;
    s->driver_address = xstrdup(config->driver_address ? config->driver_address : "HOST:PORT");
    s->next_attempt = config->first_attempt ? config->first_attempt : 1;
    s->attempt_free = s->room = NONE;
    memset(s->live_by_id, 0xff, sizeof s->live_by_id);
    s->tail = &s->head;
    return s;
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
        sched_job_free(s->jobs[i]);
    for (uint32_t i = 0; i < s->executor_count; i++) {
        xfree(s->executors[i].host);
        xfree(s->executors[i].place);
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

struct sched_action *sched_act(struct sched *s, enum sched_action_kind kind)
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

/* ---- events ---- */

static void stale(struct sched *s, struct error *error)
{
    s->stale++;
    if (error)
        error_fini(error);
}

static void on_cancel(struct sched *s, const struct sched_event *ev)
{
    struct job *job = sched_find_job(s, ev->job_id);
    ASSERT(ev->error && ev->error->code != ERR_OK);
    if (job && job->state == JOB_RUNNING)
        sched_end_job(s, job, ev->error);
    else
        stale(s, ev->error); /* it ended, or its commit is past the point of return */
}

static void on_commit_done(struct sched *s, const struct sched_event *ev)
{
    struct job *job = sched_find_job(s, ev->job_id);
    struct error none = ERROR_INIT;
    if (job && job->state == JOB_COMMITTING)
        sched_end_job(s, job, ev->error ? ev->error : &none);
    else
        stale(s, ev->error);
}

static void on_delivered(struct sched *s, uint64_t attempt_id)
{
    struct attempt *a = sched_find_attempt(s, attempt_id);
    if (!a || a->state != ATTEMPT_LAUNCHED || a->job->state != JOB_RUNNING)
        return; /* it is done: then its rows stay what they are */
    a->job->delivered = true;
    a->job->stages[a->stage].tasks[a->partition].delivered = true;
}

static void on_result_limit(struct sched *s, const struct sched_event *ev)
{
    struct job *job = sched_find_job(s, ev->job_id);
    if (!job || job->state != JOB_RUNNING)
        return;
    struct stage *last = &job->stages[job->spec.stage_count - 1];
    s->look_everywhere |= ev->limit > last->limit;
    last->limit = ev->limit;
}

/* The attempt that an executor speaks of; NULL and counted when nobody waits for it. */
static struct attempt *spoken_of(struct sched *s, uint32_t executor, uint64_t attempt_id)
{
    struct attempt *a = executor == NONE ? NULL : sched_find_attempt(s, attempt_id);
    if (a && a->executor == executor)
        return a;
    stale(s, NULL);
    return NULL;
}

static void on_done(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = sched_find_executor(s, ev->executor_id, ev->incarnation);
    struct job *last = NULL;
    for (uint32_t i = 0; i < ev->done_count; i++) {
        struct attempt *a = spoken_of(s, index, ev->done[i].attempt_id);
        if (!a)
            continue;
        struct job *job = a->job;
        uint32_t stage = a->stage, partition = a->partition;
        bool counts = a->state == ATTEMPT_LAUNCHED && job->state == JOB_RUNNING;
        if (counts) {
            latency_add(&job->stages[stage].latency, s->now - a->launched_us);
            latency_add(&s->latency, s->now - a->launched_us);
        }
        sched_attempt_gone(s, a);
        if (!counts)
            continue;
        sched_task_done(s, job, stage, partition, index, &ev->done[i]);
        if (last && last != job)
            sched_check_job(s, last);
        last = job;
    }
    if (last)
        sched_check_job(s, last);
}

/* Whether the failure names outputs of a parent of the stage. */
static bool names_outputs(const struct job *job, uint32_t stage, const struct sched_event *ev)
{
    const struct stage *st = &job->stages[stage];
    bool parent = false;
    for (uint32_t p = 0; p < st->spec.parent_count; p++)
        parent |= st->parents[p] == ev->lost_stage;
    for (uint32_t i = 0; parent && i < ev->lost_count; i++) {
        if (ev->lost_partitions[i] >= job->stages[ev->lost_stage].spec.task_count)
            return false;
    }
    return parent && ev->lost_count > 0;
}

static void on_fetch_failed(struct sched *s, struct job *job, struct task *t, const struct sched_event *ev)
{
    struct buf text = BUF_INIT;
    xfree(s->last_loss);
    error_sentence(ev->error, &text);
    s->last_loss = buf_steal(&text);
    if (++t->fetch_failures > FETCH_FAILURES_MAX) {
        error_note(ev->error, "the task could not read its inputs %u times", t->fetch_failures);
        sched_end_job(s, job, ev->error);
        return;
    }
    error_fini(ev->error);
    sched_lose_named(s, job, ev->lost_stage, ev->lost_count, ev->lost_partitions, ev->lost_attempts);
}

static void on_failed(struct sched *s, const struct sched_event *ev)
{
    uint32_t index = sched_find_executor(s, ev->executor_id, ev->incarnation);
    struct attempt *a = spoken_of(s, index, ev->attempt_id);
    ASSERT(ev->error && ev->error->code != ERR_OK);
    if (!a) {
        error_fini(ev->error);
        return;
    }
    struct job *job = a->job;
    uint32_t stage = a->stage, partition = a->partition;
    bool counts = a->state == ATTEMPT_LAUNCHED && job->state == JOB_RUNNING;
    sched_attempt_gone(s, a);
    if (!counts) {
        error_fini(ev->error);
        return;
    }
    struct stage *st = &job->stages[stage];
    struct task *t = &st->tasks[partition];
    st->view.failed_attempts++;
    s->executors[index].view.failed++;
    sched_requeue(s, st, partition);
    enum err_policy policy = errcode_policy(ev->error->code);
    if (sched_cannot_repeat(st, t)) {
        error_note(ev->error, "some of its rows were delivered, and another attempt would give them in another order");
        sched_end_job(s, job, ev->error);
    } else if (policy == POLICY_PARENT && ev->fetch_failed && names_outputs(job, stage, ev)) {
        on_fetch_failed(s, job, t, ev);
    } else if (policy == POLICY_NEVER || ++t->failures >= s->config.max_failures) {
        if (policy != POLICY_NEVER)
            error_note(ev->error, "attempt %u of partition %u of stage %u; all of them failed", t->failures, partition, stage);
        sched_end_job(s, job, ev->error);
    } else {
        t->avoid = index + 1;
        error_fini(ev->error);
    }
    if (job->state == JOB_RUNNING)
        sched_settle(s, job);
}

void sched_event(struct sched *s, int64_t now_us, const struct sched_event *ev)
{
    s->now = now_us;
    switch (ev->kind) {
    case SCHED_JOB_SUBMIT: sched_on_submit(s, ev->spec); break;
    case SCHED_JOB_CANCEL: on_cancel(s, ev); break;
    case SCHED_EXECUTOR_JOINED: sched_on_joined(s, ev); break;
    case SCHED_EXECUTOR_LOST: sched_on_lost(s, ev); break;
    case SCHED_ATTEMPTS_DONE: on_done(s, ev); break;
    case SCHED_ATTEMPT_FAILED: on_failed(s, ev); break;
    case SCHED_ATTEMPT_STALLED: sched_on_stalled(s, ev->attempt_id, ev->stalled); break;
    case SCHED_RESULT_LIMIT: on_result_limit(s, ev); break;
    case SCHED_ROWS_DELIVERED: on_delivered(s, ev->attempt_id); break;
    case SCHED_COMMIT_DONE: on_commit_done(s, ev); break;
    case SCHED_TIMER: sched_on_timer(s); break;
    }
    sched_schedule(s);
    sched_wait(s);
}
