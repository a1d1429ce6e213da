/* Building one table by many tasks; see join.h. */
#include <stdlib.h>

#include "executor/op/join.h"

struct shared_build *shared_build_new(const struct join_code *code, struct account *account)
{
    struct shared_build *sb = xcalloc(1, sizeof *sb);
    pthread_mutex_init(&sb->lock, NULL);
    join_table_init(&sb->table, code, account);
    sb->round = 1;
    return sb;
}

void shared_build_free(struct shared_build *sb)
{
    if (!sb)
        return;
    join_table_fini(&sb->table);
    error_fini(&sb->failure);
    pthread_mutex_destroy(&sb->lock);
    free(sb->waiters);
    free(sb);
}

/* ---- under the lock ---- */

static void wake_all(struct shared_build *sb)
{
    for (uint32_t i = 0; i < sb->waiter_count; i++) {
        struct task_env *env = sb->waiters[i]->task->env;
        env->ops->wake(env);
    }
    sb->waiter_count = 0;
}

static void start_over(struct shared_build *sb)
{
    const struct join_code *code = sb->table.code;
    struct account *account = sb->table.account;
    join_table_fini(&sb->table);
    join_table_init(&sb->table, code, account);
    __atomic_store_n(&sb->phase, BUILD_COLLECT, __ATOMIC_RELAXED);
    sb->collector = NULL;
    sb->cursor = (struct input_cursor){0};
    sb->failing = false;
    sb->item_count = sb->item_next = sb->item_done = 0;
}

static void fail(struct shared_build *sb, const struct error *err)
{
    if (!sb->failing) {
        sb->failing = true;
        error_fini(&sb->failure);
        error_copy(&sb->failure, err);
        sb->failed_round = sb->round++;
    }
    if (sb->busy == 0) {
        start_over(sb);
        wake_all(sb);
    }
}

static void set_items(struct shared_build *sb, int phase, uint32_t count)
{
    __atomic_store_n(&sb->phase, phase, __ATOMIC_RELAXED);
    sb->item_count = count;
    sb->item_next = sb->item_done = 0;
}

/* Moves on while a phase has nothing (left) to do. Layout allocates: it may fail. */
static int advance(struct shared_build *sb, struct error *err)
{
    uint32_t items;
    while (sb->phase != BUILD_READY && sb->item_done == sb->item_count) {
        if (sb->phase == BUILD_COLLECT) {
            TRY(join_table_layout(&sb->table, &items, err));
            set_items(sb, BUILD_FILL, items);
        } else if (sb->phase == BUILD_FILL) {
            TRY(join_table_plan_index(&sb->table, &items, err));
            set_items(sb, BUILD_INDEX, items);
        } else {
            join_table_ready(&sb->table);
            __atomic_store_n(&sb->phase, BUILD_READY, __ATOMIC_RELEASE);
        }
        wake_all(sb);
    }
    return 0;
}

static enum op_status wait_here(struct shared_build *sb, struct op *op)
{
    ARRAY_GROW(sb->waiters, sb->waiter_count, sb->waiter_cap);
    sb->waiters[sb->waiter_count++] = op;
    return OP_BLOCKED;
}

/* ---- the collector: reads without the lock, as nobody else touches the table ---- */

static enum op_status collect(struct shared_build *sb, struct op *op, uint32_t exchange, struct error *err)
{
    struct task *task = op->task;
    for (;;) {
        struct sealed *run = NULL;
        uint32_t map;
        enum op_status st = OP_ERROR;
        if (task_cancelled(task))
            op_cancelled(err);
        else
            st = task->env->ops->input_next(task->env, exchange, INPUT_ALL, &sb->cursor, &run, &map, err);
        if (st == OP_MORE && run->col_count != sb->table.code->build_cols) {
            error_setf(err, ERR_CHUNK_DAMAGED, "message", "a run of stage %u has %u columns, not %u", exchange,
                       run->col_count, sb->table.code->build_cols);
            sealed_unref(run);
            st = OP_ERROR;
        }
        if (st != OP_MORE)
            return st;
        task->metrics.shuffle_rows_in += run->rows;
        task->metrics.shuffle_bytes_in += run->bytes;
        join_table_add(&sb->table, run);
    }
}

static enum op_status collect_step(struct shared_build *sb, struct op *op, uint32_t exchange, struct error *err)
{
    pthread_mutex_unlock(&sb->lock);
    enum op_status st = collect(sb, op, exchange, err);
    pthread_mutex_lock(&sb->lock);
    if (st == OP_BLOCKED)
        return st; /* still the collector; the environment wakes it */
    if (st == OP_ERROR && err->code == ERR_CANCELLED) { /* its own end only: another may take over */
        start_over(sb);
        wake_all(sb);
        return st;
    }
    sb->collector = NULL;
    if (st == OP_ERROR || advance(sb, err)) {
        fail(sb, err);
        return OP_ERROR;
    }
    return OP_MORE;
}

static enum op_status item_step(struct shared_build *sb, struct exprs_state *keys, struct error *err)
{
    uint32_t item = sb->item_next++;
    int phase = sb->phase;
    sb->busy++;
    pthread_mutex_unlock(&sb->lock);
    int rc = 0;
    if (phase == BUILD_FILL)
        rc = join_table_fill(&sb->table, item, keys, err);
    else
        join_table_index(&sb->table, item);
    pthread_mutex_lock(&sb->lock);
    sb->busy--;
    sb->item_done++;
    if (rc == 0 && !sb->failing)
        rc = advance(sb, err);
    if (rc)
        fail(sb, err);
    else if (sb->failing) { /* somebody else's error is ours too */
        error_copy(err, &sb->failure);
        rc = (int)err->code;
        if (sb->busy == 0) {
            start_over(sb);
            wake_all(sb);
        }
    }
    return rc ? OP_ERROR : OP_MORE;
}

enum op_status shared_build_step(struct shared_build *sb, struct op *op, uint32_t exchange, struct exprs_state *keys,
                                 uint32_t *round, struct error *err)
{
    if (__atomic_load_n(&sb->phase, __ATOMIC_ACQUIRE) == BUILD_READY)
        return OP_MORE;
    enum op_status st = OP_MORE;
    pthread_mutex_lock(&sb->lock);
    while (st == OP_MORE && sb->phase != BUILD_READY) {
        if (*round != 0 && *round <= sb->failed_round) {
            error_copy(err, &sb->failure);
            st = OP_ERROR;
            break;
        }
        if (!sb->failing)
            *round = sb->round;
        if (sb->failing) {
            st = wait_here(sb, op);
        } else if (sb->phase == BUILD_COLLECT) {
            if (sb->collector && sb->collector != op) {
                st = wait_here(sb, op);
            } else {
                sb->collector = op;
                st = collect_step(sb, op, exchange, err);
            }
        } else if (sb->item_next < sb->item_count) {
            st = item_step(sb, keys, err);
        } else {
            st = wait_here(sb, op);
        }
    }
    pthread_mutex_unlock(&sb->lock);
    return st;
}

void shared_build_leave(struct shared_build *sb, struct op *op)
{
    pthread_mutex_lock(&sb->lock); /* ready or not: a wake-up may be under way */
    for (uint32_t i = 0; i < sb->waiter_count; i++) {
        if (sb->waiters[i] == op)
            sb->waiters[i--] = sb->waiters[--sb->waiter_count];
    }
    if (sb->collector == op) {
        start_over(sb);
        wake_all(sb);
    }
    pthread_mutex_unlock(&sb->lock);
}
