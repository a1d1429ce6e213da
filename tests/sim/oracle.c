/* What is right: jobs with known answers, the truth about attempts, and the invariants. */
#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/sim.h"

/* ---- jobs ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    return hash_u64(hash_combine(a, b) + 0x9e3779b97f4a7c15ull);
}

static uint32_t below(struct world *w, uint32_t n)
{
    return (uint32_t)rng_below(&w->rng, n);
}

static void make_stage(struct world *w, struct job_model *job, uint32_t i, uint32_t tasks_max, bool wild)
{
    struct stage_model *st = &job->stages[i];
    st->tasks = 1 + below(w, tasks_max);
    st->run_us = 1ll << below(w, 19);
    uint32_t kind = below(w, 10);
    st->determinism = wild && kind < 3 ? SCHED_INDETERMINATE : kind < 5 ? SCHED_UNORDERED : SCHED_DETERMINATE;
    for (uint32_t p = 0; p < i; p++) {
        if (chance(w, i == job->stage_count - 1 ? 0.3 : 0.5))
            st->parents[st->parent_count++] = p;
    }
}

/* Every stage but the last has a reader. */
static void connect_stages(struct job_model *job)
{
    struct stage_model *last = &job->stages[job->stage_count - 1];
    for (uint32_t i = 0; i + 1 < job->stage_count; i++) {
        bool read = false;
        for (uint32_t c = i + 1; c < job->stage_count; c++) {
            for (uint32_t p = 0; p < job->stages[c].parent_count; p++)
                read |= job->stages[c].parents[p] == i;
        }
        if (!read)
            last->parents[last->parent_count++] = i;
    }
}

static uint64_t task_value(const struct job_model *job, uint32_t stage, uint32_t partition, uint64_t attempt, uint64_t read)
{
    bool own = job->stages[stage].determinism == SCHED_INDETERMINATE;
    return mix(mix(job->seed, (uint64_t)stage << 32 | partition), mix(own ? attempt : 0, read));
}

/* What a reader's partition finds in an output: a part of its value. Order of maps does not matter. */
static uint64_t part_value(uint64_t value, uint32_t reader, uint32_t partition)
{
    return mix(value, (uint64_t)reader << 32 | partition);
}

static uint64_t part_rows(uint64_t value, uint32_t reader, uint32_t partition)
{
    return part_value(value, reader, partition) % 7;
}

static void run_sequentially(struct job_model *job)
{
    for (uint32_t s = 0; s < job->stage_count; s++) {
        for (uint32_t p = 0; p < job->stages[s].tasks; p++) {
            uint64_t read = 0;
            for (uint32_t q = 0; q < job->stages[s].parent_count; q++) {
                uint32_t parent = job->stages[s].parents[q];
                for (uint32_t m = 0; m < job->stages[parent].tasks; m++)
                    read += part_value(job->values[parent][m], s, p);
            }
            job->values[s][p] = task_value(job, s, p, 0, read);
        }
    }
}

static void make_job(struct world *w, struct job_model *job, uint32_t tasks_max)
{
    bool wild = chance(w, 0.3);
    job->id = job->index + 1;
    job->seed = rng_next(&w->rng);
    job->stage_count = 1 + below(w, chance(w, 0.5) ? 3 : STAGES_MAX);
    job->writes = chance(w, 0.4);
    job->bad_stage = NOBODY;
    job->determinate = true;
    for (uint32_t i = 0; i < job->stage_count; i++)
        make_stage(w, job, i, tasks_max, wild);
    connect_stages(job);
    for (uint32_t i = 0; i < job->stage_count; i++) {
        uint32_t n = job->stages[i].tasks;
        job->determinate &= job->stages[i].determinism != SCHED_INDETERMINATE;
        job->values[i] = ARENA_ARRAY(&w->ar, uint64_t, n);
        job->winner[i] = ARENA_ARRAY(&w->ar, struct attempt_model *, n);
        job->failures[i] = ARENA_ARRAY(&w->ar, uint8_t, n);
        w->task_total += n;
    }
    run_sequentially(job);
    uint32_t last = job->stages[job->stage_count - 1].tasks;
    job->parts = ARENA_ARRAY(&w->ar, struct part_model, last);
    for (uint32_t p = 0; p < last; p++) {
        job->parts[p].expected = -1;
        job->parts[p].tail = &job->parts[p].items;
    }
    job->submit_us = (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.5) ? SEC : w->faults_end));
    if (w->on[FAULT_CANCEL] && chance(w, 0.3))
        job->cancel_us = job->submit_us + (int64_t)rng_below(&w->rng, (uint64_t)(chance(w, 0.5) ? SEC / 10 : 10 * SEC)) + 1;
    job->commit_fails = w->on[FAULT_COMMIT] && chance(w, 0.4);
    if (w->on[FAULT_PERSISTENT] && chance(w, 0.3)) {
        job->bad_stage = below(w, job->stage_count);
        job->bad_partition = below(w, job->stages[job->bad_stage].tasks);
        job->bad_code = chance(w, 0.3) ? ERR_DIVIDE_BY_ZERO : chance(w, 0.5) ? ERR_IO : ERR_FILE_READ;
    }
}

void make_jobs(struct world *w)
{
    bool many = chance(w, 0.08);
    uint32_t tasks_max = many ? 6 : chance(w, 0.2) ? 40 : 10;
    w->job_count = 1 + below(w, many ? 50 : 4);
    w->jobs = ARENA_ARRAY(&w->ar, struct job_model, w->job_count);
    for (uint32_t i = 0; i < w->job_count; i++) {
        w->jobs[i].index = i;
        make_job(w, &w->jobs[i], tasks_max);
    }
}

/* ---- attempts ---- */

static struct attempt_model **slot(struct world *w, uint64_t id)
{
    uint32_t i = (uint32_t)(hash_u64(id) & (w->attempt_cap - 1));
    while (w->attempts[i] && w->attempts[i]->id != id)
        i = (i + 1) & (w->attempt_cap - 1);
    return &w->attempts[i];
}

struct attempt_model *find_attempt(struct world *w, uint64_t id)
{
    return w->attempt_cap ? *slot(w, id) : NULL;
}

struct attempt_model *add_attempt(struct world *w, uint64_t id)
{
    if (w->attempt_count * 2 >= w->attempt_cap) {
        struct attempt_model **old = w->attempts;
        uint32_t cap = w->attempt_cap;
        w->attempt_cap = cap ? cap * 2 : 256;
        w->attempts = ARENA_ARRAY(&w->ar, struct attempt_model *, w->attempt_cap);
        for (uint32_t i = 0; i < cap; i++) {
            if (old[i])
                *slot(w, old[i]->id) = old[i];
        }
    }
    struct attempt_model **s = slot(w, id);
    if (*s)
        violate(w, "I3", "attempt %llx was launched before", (unsigned long long)id);
    *s = ARENA_NEW(&w->ar, struct attempt_model);
    (*s)->id = id;
    w->attempt_count++;
    return *s;
}

uint64_t run_value(uint64_t value, uint32_t seq)
{
    return mix(value, seq);
}

uint32_t run_count(const struct job_model *job, uint32_t partition)
{
    return (uint32_t)(mix(job->seed, partition) % 6);
}

static void inherit(struct attempt_model *a, uint32_t stage, uint64_t lineage)
{
    if (a->lineage[stage] && a->lineage[stage] != lineage)
        a->mixed = true;
    a->lineage[stage] = lineage;
}

/* What the task computes of the outputs that it read. */
void compute_attempt(struct world *w, struct task_model *t)
{
    struct attempt_model *a = t->attempt;
    struct job_model *job = a->job;
    const struct stage_model *st = &job->stages[a->stage];
    uint64_t read = 0;
    memset(a->lineage, 0, sizeof a->lineage);
    a->rows_in = a->rows_out = 0;
    for (uint32_t q = 0; q < st->parent_count; q++) {
        uint32_t parent = st->parents[q];
        uint64_t set = 1;
        for (uint32_t m = 0; m < job->stages[parent].tasks; m++) {
            struct attempt_model *from = find_attempt(w, t->inputs[q]->places[m].attempt);
            if (!from || !from->ended_well || from->job != job || from->stage != parent || from->partition != m)
                violate(w, "I1", "attempt %llx reads what is not map %u of stage %u", (unsigned long long)a->id, m, parent);
            read += part_value(from->value, a->stage, a->partition);
            a->rows_in += part_rows(from->value, a->stage, a->partition);
            set = mix(set, from->id);
            a->mixed |= from->mixed;
            for (uint32_t s = 0; s < parent; s++) {
                if (from->lineage[s])
                    inherit(a, s, from->lineage[s]);
            }
        }
        if (job->stages[parent].determinism == SCHED_INDETERMINATE)
            inherit(a, parent, set | 1);
    }
    a->value = task_value(job, a->stage, a->partition, a->id, read);
    for (uint32_t c = a->stage + 1; c < job->stage_count; c++) {
        for (uint32_t p = 0; p < job->stages[c].parent_count; p++) {
            for (uint32_t r = 0; job->stages[c].parents[p] == a->stage && r < job->stages[c].tasks; r++)
                a->rows_out += part_rows(a->value, c, r);
        }
    }
}

/* ---- invariants ---- */

void violate(struct world *w, const char *invariant, const char *fmt, ...)
{
    va_list ap;
    printf("seed %llu: %s violated at %.6f s: ", (unsigned long long)w->seed, invariant, (double)w->now / 1e6);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
    _Exit(1);
}

static void check_value(struct world *w, const struct attempt_model *a)
{
    const struct job_model *job = a->job;
    if (a->mixed)
        violate(w, "I13", "job %llu: stage %u partition %u mixes runs of an indeterminate stage", (unsigned long long)job->id, a->stage, a->partition);
    if (job->determinate && a->value != job->values[a->stage][a->partition])
        violate(w, "I1", "job %llu: stage %u partition %u has another value than a sequential run", (unsigned long long)job->id, a->stage, a->partition);
}

/* A completion that the driver has to believe. */
void accept_done(struct world *w, struct attempt_model *a)
{
    a->truth = TRUTH_GONE;
    if (a->job->fate != FATE_RUNNING || a->job->committing)
        return;
    if (!a->ended_well)
        violate(w, "I3", "attempt %llx is done for the driver, but it never ended well", (unsigned long long)a->id);
    a->job->winner[a->stage][a->partition] = a;
}

/* What is launched again was lost: its executor is gone, or a reader missed its output. */
void check_launch(struct world *w, const struct attempt_model *a)
{
    const struct attempt_model *winner = a->job->winner[a->stage][a->partition];
    if (winner && a->job->determinate && !winner->missed && (winner->rides || w->registrations[winner->registration].live))
        violate(w, "I6", "job %llu: stage %u partition %u runs again, but its output lies where it was", (unsigned long long)a->job->id, a->stage,
                a->partition);
}

/* Everything that came of indeterminate stages must come of the same runs of them. */
static void check_lineage(struct world *w, struct job_model *job, const struct attempt_model *a)
{
    for (uint32_t s = 0; s < job->stage_count; s++) {
        if (!a->lineage[s])
            continue;
        if (job->lineage[s] && job->lineage[s] != a->lineage[s])
            violate(w, "I13", "job %llu: rows of two runs of the indeterminate stage %u are in one result", (unsigned long long)job->id, s);
        job->lineage[s] = a->lineage[s];
    }
}

void check_delivered(struct world *w, struct job_model *job, uint32_t partition, struct attempt_model *a, uint32_t seq, uint64_t value)
{
    struct part_model *part = &job->parts[partition];
    check_lineage(w, job, a);
    if (!part->delivered_of)
        part->delivered_of = a->id;
    if (part->delivered_of != a->id && job->stages[job->stage_count - 1].determinism != SCHED_DETERMINATE)
        violate(w, "I13", "job %llu: rows of two attempts at partition %u, which differ, were delivered", (unsigned long long)job->id, partition);
    if (a->mixed)
        violate(w, "I13", "job %llu: rows of mixed runs were delivered", (unsigned long long)job->id);
    if (job->determinate && value != run_value(job->values[job->stage_count - 1][partition], seq))
        violate(w, "I1", "job %llu: run %u of partition %u is another than in a sequential run", (unsigned long long)job->id, seq, partition);
    if (seq >= run_count(job, partition))
        violate(w, "I1", "job %llu: partition %u has a run too many", (unsigned long long)job->id, partition);
}

/* At the end of a good job: one winner a task, edges balanced, counters that agree. */
static void check_result(struct world *w, struct job_model *job)
{
    uint64_t written[STAGES_MAX][STAGES_MAX] = {{0}};
    for (uint32_t s = 0; s < job->stage_count; s++) {
        const struct stage_model *st = &job->stages[s];
        uint64_t rows_out = 0, rows_in = 0, expected = 0;
        for (uint32_t p = 0; p < st->tasks; p++) {
            const struct attempt_model *a = job->winner[s][p];
            if (!a)
                violate(w, "I2", "job %llu is done without an attempt that counts for stage %u partition %u", (unsigned long long)job->id, s, p);
            if (s == job->stage_count - 1) {
                check_value(w, a);
                check_lineage(w, job, a);
            }
            rows_out += a->rows_out;
            rows_in += a->rows_in;
            for (uint32_t c = s + 1; c < job->stage_count; c++) {
                for (uint32_t r = 0; r < job->stages[c].tasks; r++)
                    written[s][c] += part_rows(a->value, c, r);
            }
        }
        for (uint32_t q = 0; q < st->parent_count; q++)
            expected += written[st->parents[q]][s];
        if (job->determinate && rows_in != expected)
            violate(w, "I4", "job %llu: stage %u read %llu rows of %llu written for it", (unsigned long long)job->id, s,
                    (unsigned long long)rows_in, (unsigned long long)expected);
        struct stage_view v;
        bool seen = sched_stage_view(w->sched, job->id, s, &v); /* outputs may be lost while their last readers end well */
        if (!seen || (s == job->stage_count - 1 && v.done != st->tasks) || (v.done == st->tasks && v.rows_out != rows_out))
            violate(w, "I9", "job %llu: the view of stage %u shows %llu rows in %u tasks, there are %llu in %u", (unsigned long long)job->id, s,
                    (unsigned long long)v.rows_out, v.done, (unsigned long long)rows_out, st->tasks);
    }
}

void check_commit(struct world *w, struct job_model *job)
{
    uint32_t last = job->stage_count - 1, bytes;
    if (!job->writes || job->committing || job->fate != FATE_RUNNING)
        violate(w, "I2", "job %llu is committed twice, or when it must not be", (unsigned long long)job->id);
    job->committing = true;
    for (uint32_t p = 0; p < job->stages[last].tasks; p++) {
        uint64_t id = 0, executor, attempt;
        const void *m = sched_kept(w->sched, job->id, last, p, &bytes);
        if (bytes == sizeof id)
            memcpy(&id, m, sizeof id);
        const struct attempt_model *a = job->winner[last][p];
        if (!a || a->id != id || !sched_output(w->sched, job->id, last, p, &executor, &attempt) || attempt != id)
            violate(w, "I2", "job %llu: the manifest of partition %u is not that of the attempt that counts", (unsigned long long)job->id, p);
        check_value(w, a);
    }
}

static bool says(const struct error *err, const char *what)
{
    struct buf b = BUF_INIT;
    error_format(err, &b);
    bool yes = strstr(b.data, what) != NULL;
    buf_fini(&b);
    return yes;
}

static uint32_t failures_max(const struct job_model *job)
{
    uint32_t most = 0;
    for (uint32_t s = 0; s < job->stage_count; s++) {
        for (uint32_t p = 0; p < job->stages[s].tasks; p++)
            most = job->failures[s][p] > most ? job->failures[s][p] : most;
    }
    return most;
}

/* Whether the error tells what was done to the job. */
static void check_cause(struct world *w, const struct job_model *job, const struct error *err)
{
    bool right = false;
    switch (err->code) {
    case ERR_CANCELLED: right = job->cancelled; break;
    case ERR_NO_EXECUTORS: right = says(err, "injected") || says(err, "none ever came") || says(err, "incarnation"); break;
    case ERR_JOB_FAILED: right = says(err, "injected") || says(err, "incarnation"); break;
    case ERR_DIVIDE_BY_ZERO: right = job->bad_code == ERR_DIVIDE_BY_ZERO; break;
    case ERR_IO: right = says(err, "injected"); break;
    case ERR_FILE_READ: right = says(err, "injected"); break;
    default: break;
    }
    if (!right)
        violate(w, "I10", "job %llu fails with %s, which nobody did to it", (unsigned long long)job->id, errcode_id(err->code));
    bool commit = says(err, "injected commit failure");
    if ((err->code == ERR_IO || err->code == ERR_FILE_READ) && !commit && failures_max(job) != 4)
        violate(w, "I5", "job %llu fails with a task that failed %u times", (unsigned long long)job->id, failures_max(job));
    if (commit && !(job->commit_fails && job->committing))
        violate(w, "I2", "job %llu fails with a commit that did not fail", (unsigned long long)job->id);
}

void check_ended(struct world *w, struct job_model *job, const struct error *err)
{
    if (job->fate != FATE_RUNNING)
        violate(w, "I9", "job %llu ends twice", (unsigned long long)job->id);
    job->fate = err->code ? FATE_FAILED : FATE_DONE;
    job->ended_us = w->now;
    w->ended++;
    if (err->code) {
        check_cause(w, job, err);
        return;
    }
    check_result(w, job);
    if (job->writes && !job->committed)
        violate(w, "I2", "job %llu is done without a commit", (unsigned long long)job->id);
}

static void check_jobs(struct world *w)
{
    for (uint32_t i = 0; i < w->job_count; i++) {
        const struct job_model *job = &w->jobs[i];
        struct job_view v;
        if (job->fate == FATE_NOT_YET || job->fate == FATE_DRIVER_LOST || !sched_job_view(w->sched, job->id, &v))
            continue;
        enum job_state want = job->fate == FATE_DONE ? JOB_DONE : job->fate == FATE_FAILED ? JOB_FAILED : job->committing ? JOB_COMMITTING : JOB_RUNNING;
        if (v.state != want)
            violate(w, "I9", "job %llu is in state %d, not %d", (unsigned long long)job->id, (int)v.state, (int)want);
        uint64_t tasks = 0;
        for (uint32_t s = 0; s < job->stage_count; s++)
            tasks += job->stages[s].tasks;
        if (sched_job_bytes(w->sched, job->id) > 64 * tasks + 16384ull * job->stage_count)
            violate(w, "I11", "job %llu takes %llu bytes in the driver", (unsigned long long)job->id, (unsigned long long)sched_job_bytes(w->sched, job->id));
        if (job->fate == FATE_RUNNING && failures_max(job) >= 4)
            violate(w, "I5", "job %llu goes on with a task that failed four times", (unsigned long long)job->id);
    }
}

static void check_process(struct world *w, const struct process *p)
{
    if (!p->alive)
        return;
    w->phase = "I9";
    control_check(p->control);
    w->phase = "I7";
    control_check_idle(p->control);
}

/* After every event: the driver and the executor that it touched; all executors, and large worlds, now and then. */
void check_step(struct world *w, struct process *touched)
{
    uint64_t every = 1 + w->task_total / 200 + w->process_count / 20;
    if (w->events % every)
        return;
    w->phase = "I9";
    sched_check(w->sched);
    w->phase = "I7";
    sched_check_idle(w->sched);
    for (uint32_t i = 0; w->events % (64 * every) == 0 && i < w->process_count; i++)
        check_process(w, &w->processes[i]);
    if (touched)
        check_process(w, touched);
    w->phase = "an assertion of the cores";
    check_jobs(w);
}

/* What stands where, for the reader of a failing seed. */
static void describe(struct world *w, const struct job_model *job)
{
    struct executor_view v;
    for (uint32_t s = 0; s < job->stage_count; s++) {
        struct stage_view st;
        if (sched_stage_view(w->sched, job->id, s, &st))
            printf("  job %llu stage %u: state %d, %u of %u done, %u running, %u attempts, %u failed, %u reruns\n", (unsigned long long)job->id, s,
                   (int)st.state, st.done, st.tasks, st.running, st.attempts, st.failed_attempts, st.reruns);
    }
    for (uint32_t p = job->head; !job->writes && p < job->stages[job->stage_count - 1].tasks; p++) {
        const struct part_model *part = &job->parts[p];
        printf("  result partition %u: attempt %llx, %u runs passed on, %lld of %u expected, %lld bytes held%s\n", p, (unsigned long long)part->attempt,
               part->next_seq, (long long)part->expected, run_count(job, p), (long long)part->held, part->items ? ", some wait" : "");
    }
    for (uint32_t i = 0; sched_executor_at(w->sched, i, &v); i++) {
        if (v.state == EXECUTOR_LIVE)
            printf("  driver: executor %llu incarnation %llu, %u slots, %u attempts, %u outputs\n", (unsigned long long)v.executor_id,
                   (unsigned long long)v.incarnation, v.slots, v.running, v.outputs);
    }
    for (uint32_t i = 0; i < w->process_count && i < 20; i++) {
        const struct process *p = &w->processes[i];
        struct control_view c = {0};
        if (p->alive)
            control_look(p->control, &c);
        printf("  process %u: %s, incarnation %llu, connection %u, %s, %u queued, %u running, %u parked, %u ended, %u busy slots\n", i,
               p->alive ? "alive" : "down", (unsigned long long)p->incarnation, p->connection, c.registered ? "registered" : "not registered", c.queued,
               c.running, c.parked, c.ended, p->busy);
    }
}

/* When all jobs are over and what was under way has come to rest: nothing is left anywhere. */
void check_end(struct world *w)
{
    struct executor_view v;
    for (uint32_t i = 0; i < w->job_count; i++) {
        if (w->jobs[i].fate < FATE_DONE)
            describe(w, &w->jobs[i]);
        if (w->jobs[i].fate < FATE_DONE)
            violate(w, "I7", "job %llu is not over %.1f s after the last fault", (unsigned long long)w->jobs[i].id, (double)(w->now - w->faults_end) / 1e6);
    }
    for (uint32_t i = 0; sched_executor_at(w->sched, i, &v); i++) {
        if (v.running || v.outputs)
            violate(w, "I8", "the driver still counts %u attempts and %u outputs on executor %llu", v.running, v.outputs, (unsigned long long)v.executor_id);
    }
    if (sched_active_jobs(w->sched))
        violate(w, "I8", "%u jobs are active in the driver", sched_active_jobs(w->sched));
    for (uint32_t i = 0; i < w->process_count; i++) {
        struct control_view c;
        if (!w->processes[i].alive)
            continue;
        control_look(w->processes[i].control, &c);
        if (c.queued + c.running + c.parked + c.ended + c.jobs + c.plans + c.inputs + c.outputs || w->processes[i].busy)
            violate(w, "I8",
                    "executor process %u is left with %u queued, %u running, %u parked, %u ended attempts, %u jobs, %u plans, %u inputs, "
                    "%u outputs, %u busy slots",
                    i, c.queued, c.running, c.parked, c.ended, c.jobs, c.plans, c.inputs, c.outputs, w->processes[i].busy);
    }
}
