/* Slots: threads that run attempts, and the environment that tasks see. */
#include "common/base/testpoint.h"
#include "executor/server/executor_impl.h"
#include "executor/shuffle/riding.h"

void attempt_free(struct attempt *a)
{
    task_free(a->task);
    if (a->output && !holding_stage(a->ex, a->job_id, a->entry->stage)) { /* its job was dropped before: what it spilled since is nobody's */
        map_output_unref(a->output);
        store_release(a->ex->store, a->job_id, a->entry->stage);
    } else {
        map_output_unref(a->output);
    }
    fetch_detach(a);
    while (a->fetches) {
        struct fetch *next = a->fetches->next;
        fetch_unref(a->fetches);
        a->fetches = next;
    }
    account_fini(&a->account);
    arena_fini(&a->ar);
    error_fini(&a->error);
    buf_fini(&a->manifest);
    buf_fini(&a->riding);
    stage_entry_unref(a->entry);
    xfree(a->lost_partitions);
    xfree(a->lost_attempts);
    xfree(a->splits);
    xfree(a->split_items);
    xfree(a->write_dir);
    xfree(a);
}

/* ---- the queue ---- */

static void push_locked(struct executor *ex, struct attempt *a)
{
    a->next_queued = NULL;
    *ex->queue_tail = a;
    ex->queue_tail = &a->next_queued;
}

void slots_run(struct executor *ex, void *const *attempts, uint32_t count)
{
    pthread_mutex_lock(&ex->lock);
    for (uint32_t i = 0; i < count; i++)
        push_locked(ex, attempts[i]);
    for (uint32_t i = 0; i < count && i < ex->idle_slots; i++)
        pthread_cond_signal(&ex->wake_slots);
    pthread_mutex_unlock(&ex->lock);
}

void slot_wake(struct attempt *a)
{
    struct note *n = xcalloc(1, sizeof *n);
    n->kind = NOTE_WOKEN;
    n->attempt_id = a->id; /* it may be over by then */
    executor_note(a->ex, n);
}

/* ---- what tasks see ---- */

static struct attempt *attempt_of(struct task_env *env)
{
    return (struct attempt *)((char *)env - offsetof(struct attempt, env));
}

static enum op_status env_input_next(struct task_env *env, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                                     struct sealed **ret, uint32_t *ret_map, struct error *err)
{
    return fetch_next(attempt_of(env), exchange, partition, cursor, ret, ret_map, err);
}

static enum op_status env_output_add(struct task_env *env, uint32_t partition, struct sealed *take, struct error *err)
{
    struct attempt *a = attempt_of(env);
    if (take->bytes > RUN_MAX) {
        error_setf(err, ERR_RESULT_TOO_LARGE, "message", "%u rows of %zu MiB in all: a row may have %d MiB", take->rows,
                   take->bytes >> 20, RUN_MAX >> 20);
        sealed_unref(take);
        return OP_ERROR;
    }
    if (!a->entry->is_result) {
        int rc = map_output_add(a->output, partition, take, err);
        TEST_POINT("mid-map");
        return rc == 0 ? OP_MORE : OP_ERROR;
    }
    struct note *n = xcalloc(1, sizeof *n);
    n->kind = NOTE_RESULT;
    n->attempt = a;
    n->attempt_id = a->id;
    n->rows = take->rows;
    n->seq = a->result_seq++;
    frame_encode(take, FRAME_RAW, &n->bytes);
    sealed_unref(take);
    int64_t held = __atomic_add_fetch(&a->unacked, (int64_t)n->bytes.bytes, __ATOMIC_RELAXED);
    executor_note(a->ex, n);
    TEST_POINT("mid-result");
    return held > RESULT_WINDOW ? OP_BLOCKED : OP_MORE;
}

static void env_wake(struct task_env *env)
{
    slot_wake(attempt_of(env));
}

static const struct task_env_ops env_ops = {env_input_next, env_output_add, env_wake};

/* ---- running ---- */

static int compile(struct attempt *a)
{
    struct stage_entry *e = a->entry;
    int rc = 0;
    if (__atomic_load_n(&e->code, __ATOMIC_ACQUIRE))
        return 0;
    pthread_mutex_lock(&e->compile);
    if (e->error.code != ERR_OK) {
        error_copy(&a->error, &e->error);
        rc = (int)e->error.code;
    } else if (!e->code) {
        struct stage_code *code = NULL;
        rc = stage_compile(e->plan, &a->ex->account, &code, &a->error);
        if (rc == 0) /* else the next attempt tries again: there may be memory then */
            __atomic_store_n(&e->code, code, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&e->compile);
    return rc;
}

static enum op_status run(struct attempt *a)
{
    struct executor *ex = a->ex;
    if (__atomic_load_n(&a->cancel, __ATOMIC_RELAXED)) {
        error_set(&a->error, ERR_CANCELLED, "reason", "", NULL);
        return OP_ERROR;
    }
    if (!a->task) {
        if (compile(a) != 0)
            return OP_ERROR;
        account_init(&a->account, "task", NULL, INT64_MAX);
        a->account.parent = &ex->account; /* counted there; not listed: slots come and go on many threads */
        a->account.limit = (int64_t)(ex->config.memory / ex->config.slots);
        a->env = (struct task_env){&env_ops, &a->account, &a->cancel};
        if (!a->entry->is_result)
            a->output = map_output_new(ex->store, a->job_id, a->entry->stage, a->partition, a->id, a->entry->output_partitions,
                                       a->entry->peers_read);
        struct task_spec spec = {.partition = a->partition, .attempt_id = a->id, .split_count = a->split_count,
                                 .splits = a->split_items, .param_count = a->param_count, .params = a->params,
                                 .write_attempt_dir = a->write_dir};
        if (task_new(a->entry->code, &spec, &a->env, &a->task, &a->error) != 0)
            return OP_ERROR;
    }
    enum op_status st = task_run(a->task, 100000, &a->error);
    size_t manifest = st == OP_DONE ? task_manifest(a->task)->bytes : 0;
    if (manifest > MANIFEST_MAX) {
        error_setf(&a->error, ERR_RESULT_TOO_LARGE, "message",
                   "the list of files that one task wrote takes %zu MiB, more than %d MiB; partition by columns with fewer values",
                   manifest >> 20, MANIFEST_MAX >> 20);
        return OP_ERROR;
    }
    if (st != OP_DONE || !a->output)
        return st;
    if (map_output_finish(a->output, &a->error) != 0)
        return OP_ERROR;
    if (riding_encode(a->output, a->entry->ride_max, &a->riding)) {
        map_output_unref(a->output);
        a->output = NULL;
    }
    return OP_DONE;
}

/* Tells the loop, with the note that every attempt has in it: one of this kind is under way at most. */
static void tell(struct attempt *a, enum note_kind kind, bool ok)
{
    a->note = (struct note){.kind = kind, .attempt = a, .attempt_id = a->id, .ok = ok, .rides = a->riding.bytes > 0};
    executor_note(a->ex, &a->note);
}

static void finish(struct attempt *a, bool ok)
{
    if (ok) {
        task_metrics(a->task, &a->metrics);
        a->metrics.nodes = NULL;
        const struct buf *m = task_manifest(a->task);
        buf_add(&a->manifest, m->data, m->bytes);
        if (m->bytes)
            TEST_POINT("mid-commit");
    }
    task_free(a->task);
    a->task = NULL;
    tell(a, NOTE_FINISHED, ok);
}

static void *slot_main(void *arg)
{
    struct executor *ex = arg;
    struct attempt *again = NULL; /* it has used its turn up: behind the others */
    for (;;) {
        pthread_mutex_lock(&ex->lock);
        if (again)
            push_locked(ex, again);
        ex->idle_slots++;
        while (!ex->queue_head && !ex->quit)
            pthread_cond_wait(&ex->wake_slots, &ex->lock);
        ex->idle_slots--;
        struct attempt *a = ex->queue_head;
        if (ex->quit) {
            pthread_mutex_unlock(&ex->lock);
            return NULL;
        }
        ex->queue_head = a->next_queued;
        if (!ex->queue_head)
            ex->queue_tail = &ex->queue_head;
        pthread_mutex_unlock(&ex->lock);
        int64_t t0 = clock_mono_us();
        enum op_status st = run(a);
        a->run_us += clock_mono_us() - t0;
        again = st == OP_YIELD ? a : NULL;
        if (st == OP_DONE || st == OP_ERROR)
            finish(a, st == OP_DONE);
        else if (st == OP_BLOCKED)
            tell(a, NOTE_PARKED, false);
    }
}

void slots_start(struct executor *ex)
{
    ex->queue_tail = &ex->queue_head;
    ex->serve_tail = &ex->serve_head;
    ex->threads = xcalloc(ex->config.slots, sizeof *ex->threads);
    for (uint32_t i = 0; i < ex->config.slots; i++) {
        int rc = pthread_create(&ex->threads[i], NULL, slot_main, ex);
        ASSERT(rc == 0);
    }
    int rc = pthread_create(&ex->serve_thread, NULL, serve_thread_main, ex);
    ASSERT(rc == 0);
}

void slots_stop(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    ex->quit = true;
    pthread_cond_broadcast(&ex->wake_slots);
    pthread_cond_broadcast(&ex->wake_server);
    pthread_mutex_unlock(&ex->lock);
    for (uint32_t i = 0; i < ex->config.slots; i++)
        pthread_join(ex->threads[i], NULL);
    pthread_join(ex->serve_thread, NULL);
    xfree(ex->threads);
}
