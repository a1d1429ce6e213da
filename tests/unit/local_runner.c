/* See local_runner.h. Linked into the tests by inclusion: archives hold no test code. */
#include "tests/unit/local_runner.h"

#include <pthread.h>
#include <stdlib.h>

#include "executor/op/op.h"

struct local_output { /* of one map, one partition */
    struct sealed **runs;
    uint32_t count, cap;
};

struct local_stage_out {
    uint32_t maps, partitions;
    struct local_output *outs; /* maps * partitions */
};

struct runner {
    const struct local_job *job;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct local_stage_out *outs;
    struct account root;
    uint32_t inputs;          /* calls of input_next so far */
    uint32_t runs;
    uint64_t evictions;
    struct error error;
    bool failed;
    /* of the stage */
    uint32_t stage;
    struct stage_code *code;
    struct local_task *tasks;
    uint32_t task_count, done;
    struct local_task **queue;
    uint32_t head, tail;
    struct local_task *delayed; /* blocked inputs that another thread wakes */
};

struct local_task {
    struct task_env env;
    struct runner *r;
    uint32_t partition;
    struct task *task;
    struct task_split *splits;
    uint32_t split_count;
    struct buf *split_bytes;
    struct account account;
    bool cancel;
    enum { L_QUEUED, L_RUNNING, L_PARKED, L_DONE } state;
    bool woken;
    bool input_blocked;
    struct local_task *next_delayed;
};

static void enqueue(struct runner *r, struct local_task *t)
{
    t->state = L_QUEUED;
    r->queue[r->tail++ % r->task_count] = t;
    pthread_cond_broadcast(&r->cond);
}

static void local_wake_locked(struct local_task *t)
{
    if (t->state == L_PARKED)
        enqueue(t->r, t);
    else
        t->woken = true;
}

static void local_wake(struct task_env *env)
{
    struct local_task *t = (struct local_task *)env;
    pthread_mutex_lock(&t->r->lock);
    local_wake_locked(t);
    pthread_mutex_unlock(&t->r->lock);
}

static enum op_status local_input(struct task_env *env, uint32_t exchange, uint32_t partition,
                                  struct input_cursor *cursor, struct sealed **ret, uint32_t *ret_map, struct error *err)
{
    struct local_task *t = (struct local_task *)env;
    struct runner *r = t->r;
    struct local_stage_out *o = &r->outs[exchange];
    uint32_t call = __atomic_add_fetch(&r->inputs, 1, __ATOMIC_RELAXED);
    if (r->job->fail_input && call == r->job->fail_input) {
        error_set(err, ERR_FETCH_FAILED, "output", "0", "executor", "1", "message", "test", NULL);
        return OP_ERROR;
    }
    if (r->job->block_often && !t->input_blocked) {
        t->input_blocked = true;
        pthread_mutex_lock(&r->lock);
        t->next_delayed = r->delayed;
        r->delayed = t;
        pthread_cond_broadcast(&r->cond);
        pthread_mutex_unlock(&r->lock);
        return OP_BLOCKED;
    }
    t->input_blocked = false;
    /* at[0]: map, at[1]: partition when all are wanted, at[2]: run */
    while (cursor->at[0] < o->maps) {
        uint32_t p = partition == INPUT_ALL ? (uint32_t)cursor->at[1] : partition;
        struct local_output *lo = &o->outs[cursor->at[0] * o->partitions + p];
        if (cursor->at[2] < lo->count) {
            *ret = sealed_ref(lo->runs[cursor->at[2]++]);
            *ret_map = (uint32_t)cursor->at[0];
            return OP_MORE;
        }
        cursor->at[2] = 0;
        if (partition == INPUT_ALL && ++cursor->at[1] < o->partitions)
            continue;
        cursor->at[1] = 0;
        cursor->at[0]++;
    }
    return OP_DONE;
}

static enum op_status local_output_add(struct task_env *env, uint32_t partition, struct sealed *take, struct error *err)
{
    (void)err;
    struct local_task *t = (struct local_task *)env;
    struct local_stage_out *o = &t->r->outs[t->r->stage];
    ASSERT(partition < o->partitions);
    struct local_output *lo = &o->outs[t->partition * o->partitions + partition];
    ARRAY_GROW(lo->runs, lo->count, lo->cap);
    lo->runs[lo->count++] = take;
    return OP_MORE;
}

static const struct task_env_ops local_ops = {local_input, local_output_add, local_wake};

static void drop_outputs(struct runner *r, const struct local_task *t)
{
    struct local_stage_out *o = &r->outs[r->stage];
    for (uint32_t p = 0; p < o->partitions; p++) {
        struct local_output *lo = &o->outs[t->partition * o->partitions + p];
        for (uint32_t i = 0; i < lo->count; i++)
            sealed_unref(lo->runs[i]);
        lo->count = 0;
    }
}

/* One turn of a task, without the lock. */
static enum op_status turn(struct runner *r, struct local_task *t, struct error *err)
{
    if (!t->task) {
        struct task_spec spec = {.partition = t->partition, .attempt_id = t->partition + 1, .split_count = t->split_count,
                                 .splits = t->splits};
        pthread_mutex_lock(&r->lock); /* the root's list of children */
        account_init(&t->account, "task", &r->root, r->job->memory ? r->job->memory : INT64_MAX);
        pthread_mutex_unlock(&r->lock);
        t->env = (struct task_env){.ops = &local_ops, .account = &t->account, .cancel = &t->cancel};
        if (task_new(r->code, &spec, &t->env, &t->task, err))
            return OP_ERROR;
    }
    if (r->job->cancel_after && __atomic_add_fetch(&r->runs, 1, __ATOMIC_RELAXED) == r->job->cancel_after)
        __atomic_store_n(&t->cancel, true, __ATOMIC_RELAXED);
    enum op_status st = task_run(t->task, r->job->budget_us, err);
    if (st == OP_YIELD && r->job->evict && task_evict(t->task, err))
        __atomic_add_fetch(&r->evictions, 1, __ATOMIC_RELAXED);
    return st;
}

static struct node_metrics *stage_metrics;

static void end_task(struct runner *r, struct local_task *t)
{
    struct task_metrics m;
    if (t->task) {
        task_metrics(t->task, &m);
        for (uint32_t i = 0; i < m.node_count && i < 64 && stage_metrics; i++) {
            stage_metrics[r->stage * 64 + i].rows_out += m.nodes[i].rows_out;
            stage_metrics[r->stage * 64 + i].time_us += m.nodes[i].time_us;
        }
    }
    pthread_mutex_unlock(&r->lock);
    task_free(t->task);
    pthread_mutex_lock(&r->lock);
    t->task = NULL;
    ASSERT(t->account.used == 0); /* nothing leaks */
    account_fini(&t->account);
    t->state = L_DONE;
    r->done++;
    pthread_cond_broadcast(&r->cond);
}

static void *slot(void *arg)
{
    struct runner *r = arg;
    pthread_mutex_lock(&r->lock);
    while (r->done < r->task_count) {
        while (r->delayed) {
            struct local_task *t = r->delayed;
            r->delayed = t->next_delayed;
            local_wake_locked(t);
        }
        if (r->head == r->tail) {
            if (r->failed) { /* parked tasks of a failed job are cancelled */
                bool any = false;
                for (uint32_t i = 0; i < r->task_count; i++) {
                    if (r->tasks[i].state == L_PARKED) {
                        r->tasks[i].cancel = true;
                        enqueue(r, &r->tasks[i]);
                        any = true;
                    }
                }
                if (any)
                    continue;
            }
            pthread_cond_wait(&r->cond, &r->lock);
            continue;
        }
        struct local_task *t = r->queue[r->head++ % r->task_count];
        t->state = L_RUNNING;
        t->woken = false;
        if (r->failed)
            t->cancel = true;
        pthread_mutex_unlock(&r->lock);
        struct error err = ERROR_INIT;
        enum op_status st = turn(r, t, &err);
        pthread_mutex_lock(&r->lock);
        if (st == OP_DONE) {
            end_task(r, t);
        } else if (st == OP_ERROR) {
            drop_outputs(r, t);
            if (!r->failed || r->error.code == ERR_CANCELLED) {
                error_fini(&r->error);
                error_move(&r->error, &err);
            }
            error_fini(&err);
            r->failed = true;
            end_task(r, t);
        } else if (st == OP_BLOCKED && !t->woken) {
            t->state = L_PARKED;
        } else {
            enqueue(r, t);
        }
    }
    pthread_cond_broadcast(&r->cond);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void deal_splits(struct runner *r)
{
    for (uint32_t s = 0; s < r->job->splits_count; s++) {
        const struct local_splits *ls = &r->job->splits[s];
        for (uint32_t i = 0; i < ls->count && ls->stage == r->stage; i++) {
            struct local_task *t = &r->tasks[i % r->task_count];
            t->splits = xrealloc(t->splits, (t->split_count + 1) * sizeof *t->splits);
            t->split_bytes = xrealloc(t->split_bytes, (t->split_count + 1) * sizeof *t->split_bytes);
            struct buf b = BUF_INIT;
            file_split_encode(&ls->splits[i], &b);
            t->split_bytes[t->split_count] = b;
            t->splits[t->split_count++] =
                (struct task_split){.scan_index = ls->scan_index, .bytes = b.data, .byte_count = b.bytes};
        }
    }
}

static int run_stage(struct runner *r, uint32_t stage, struct error *err)
{
    const struct stage_plan *plan = r->job->stages[stage];
    r->stage = stage;
    TRY(stage_compile(plan, &r->root, &r->code, err));
    r->task_count = plan->partition_count;
    r->outs[stage] = (struct local_stage_out){.maps = plan->partition_count, .partitions = plan->output_partitions};
    r->outs[stage].outs = xcalloc((size_t)plan->partition_count * plan->output_partitions, sizeof(struct local_output));
    r->tasks = xcalloc(r->task_count, sizeof *r->tasks);
    r->queue = xcalloc(r->task_count, sizeof *r->queue);
    r->head = r->tail = r->done = 0;
    r->delayed = NULL;
    for (uint32_t i = 0; i < r->task_count; i++) {
        r->tasks[i].r = r;
        r->tasks[i].partition = i;
        enqueue(r, &r->tasks[i]);
    }
    deal_splits(r);
    uint32_t threads = r->job->threads ? r->job->threads : 1;
    pthread_t ids[64];
    for (uint32_t i = 1; i < threads; i++)
        pthread_create(&ids[i], NULL, slot, r);
    slot(r);
    for (uint32_t i = 1; i < threads; i++)
        pthread_join(ids[i], NULL);
    for (uint32_t i = 0; i < r->task_count; i++) {
        for (uint32_t k = 0; k < r->tasks[i].split_count; k++)
            buf_fini(&r->tasks[i].split_bytes[k]);
        free(r->tasks[i].split_bytes);
        free(r->tasks[i].splits);
    }
    free(r->tasks);
    free(r->queue);
    stage_code_free(r->code);
    if (r->failed) {
        error_move(err, &r->error);
        return (int)err->code;
    }
    return 0;
}

int local_run(const struct local_job *job, struct local_result *ret, struct error *err)
{
    struct runner r = {.job = job};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.cond, NULL);
    account_init(&r.root, "executor", NULL, INT64_MAX);
    r.outs = xcalloc(job->stage_count, sizeof *r.outs);
    *ret = (struct local_result){.stage_us = xcalloc(job->stage_count, sizeof *ret->stage_us),
                                 .metrics = xcalloc(job->stage_count * 64ul, sizeof *ret->metrics)};
    stage_metrics = ret->metrics;
    int rc = 0;
    for (uint32_t s = 0; s < job->stage_count && rc == 0; s++) {
        int64_t from = clock_mono_us();
        rc = run_stage(&r, s, err);
        ret->stage_us[s] = clock_mono_us() - from;
    }
    uint32_t last = job->stage_count - 1;
    for (uint32_t s = 0; s < job->stage_count; s++) {
        for (uint32_t i = 0; r.outs[s].outs && i < r.outs[s].maps * r.outs[s].partitions; i++) {
            struct local_output *lo = &r.outs[s].outs[i];
            if (s == last && rc == 0) {
                ret->runs = xrealloc(ret->runs, (ret->count + lo->count + 1) * sizeof *ret->runs);
                for (uint32_t k = 0; k < lo->count; k++) {
                    ret->rows += lo->runs[k]->rows;
                    ret->runs[ret->count++] = lo->runs[k];
                }
            } else {
                for (uint32_t k = 0; k < lo->count; k++)
                    sealed_unref(lo->runs[k]);
            }
            free(lo->runs);
        }
        free(r.outs[s].outs);
    }
    free(r.outs);
    ret->evictions = r.evictions;
    ASSERT(r.root.used == 0);
    account_fini(&r.root);
    error_fini(&r.error);
    pthread_mutex_destroy(&r.lock);
    pthread_cond_destroy(&r.cond);
    return rc;
}

void local_result_fini(struct local_result *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        sealed_unref(r->runs[i]);
    free(r->runs);
    free(r->stage_us);
    free(r->metrics);
    *r = (struct local_result){0};
}
