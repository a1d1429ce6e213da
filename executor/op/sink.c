/*
 * Sinks of rows: to other stages and to the client. Rows are copied once, into a builder per output
 * partition; a run is sealed and handed over when it is large enough to be worth its overheads.
 */
#include <stdlib.h>

#include "executor/op/order.h"

enum { RUN_ROWS_MAX = 1 << 16, RUN_BYTES_MAX = 1 << 20 };

struct exchange_code {
    struct exprs keys;
    struct order_code order; /* RANGE */
};

struct sink_op {
    struct op op;
    struct exprs_state keys;
    uint32_t partitions;
    struct builder *builders;
    bool *used;            /* builders that are initialised */
    uint32_t round_robin;
    uint32_t flush_at;
    struct column *key_cols;
    uint64_t *hashes;
    uint32_t *part_of, *idx, *starts;
};

static int sink_compile(struct node_code *nc, struct error *err)
{
    const struct pnode *n = nc->node;
    struct exchange_code *c = ARENA_NEW(&nc->stage->ar, struct exchange_code);
    nc->priv = c;
    if (n->kind == PN_SINK_EXCHANGE && n->exchange_kind == EXCHANGE_RANGE)
        return error_set(err, ERR_UNSUPPORTED_FEATURE, "message", "range exchanges", NULL);
    bool keyed = n->kind == PN_SINK_EXCHANGE && n->exchange_kind == EXCHANGE_HASH;
    return exprs_compile(nc->stage, n->exprs, keyed ? n->expr_count : 0, nc->in_types, nc->in_count, &c->keys, err);
}

static int sink_open(struct op *op, struct error *err)
{
    (void)err;
    struct sink_op *s = (struct sink_op *)op;
    const struct exchange_code *c = op->nc->priv;
    const struct pnode *n = op->node;
    bool many = n->kind == PN_SINK_EXCHANGE &&
                (n->exchange_kind == EXCHANGE_HASH || n->exchange_kind == EXCHANGE_ROUND_ROBIN);
    s->partitions = many && n->exchange_partitions > 1 ? n->exchange_partitions : 1;
    exprs_open(&s->keys, &c->keys, op->task);
    if (!s->builders) {
        s->builders = xcalloc(s->partitions, sizeof *s->builders);
        s->used = xcalloc(s->partitions, sizeof *s->used);
        if (s->partitions > 1) {
            s->key_cols = xcalloc(c->keys.count + 1, sizeof *s->key_cols);
            s->starts = xcalloc(s->partitions + 1, sizeof *s->starts);
        }
    }
    s->round_robin = op->task->spec->partition; /* Spark starts each task elsewhere, too */
    s->flush_at = 0;
    return 0;
}

static struct builder *builder_of(struct sink_op *s, uint32_t p)
{
    if (!s->used[p]) {
        builder_init(&s->builders[p], s->op.nc->in_count, s->op.nc->in_types, &s->op.account);
        s->used[p] = true;
    }
    return &s->builders[p];
}

static enum op_status hand_over(struct sink_op *s, uint32_t p, struct error *err)
{
    struct task *task = s->op.task;
    size_t held = builder_held(&s->builders[p]);
    struct sealed *run = builder_seal(&s->builders[p]);
    if (!run)
        return OP_MORE;
    /* the run outlives the operator, whose account ends with the task: who holds it charges it */
    account_release(&s->op.account, run->bytes);
    run->account = NULL;
    run->bytes = held;
    task->metrics.bytes_out += run->bytes;
    enum op_status st = task->env->ops->output_add(task->env, p, run, err);
    if (st == OP_BLOCKED) {
        task_block(task);
        st = OP_MORE;
    }
    return st;
}

static enum op_status hand_over_full(struct sink_op *s, uint32_t p, struct error *err)
{
    const struct builder *bd = &s->builders[p];
    return bd->rows >= RUN_ROWS_MAX || bd->bytes >= RUN_BYTES_MAX ? hand_over(s, p, err) : OP_MORE;
}

/* After an append: a run that is large enough goes. When memory was refused, all go: many partitions hold much together. */
static enum op_status after_append(struct sink_op *s, uint32_t p, int rc, struct error *err)
{
    if (rc == 0)
        return hand_over_full(s, p, err);
    if (rc != ERR_TASK_MEMORY)
        return OP_ERROR;
    error_fini(err);
    enum op_status st = OP_MORE;
    for (uint32_t i = 0; i < s->partitions && st == OP_MORE; i++) {
        if (s->used[i])
            st = hand_over(s, i, err);
    }
    return st;
}

/* Partition of each live row, and how many each gets. */
static int choose_partitions(struct sink_op *s, const struct batch *b, struct error *err)
{
    uint32_t n = b->sel_count, parts = s->partitions;
    memset(s->starts, 0, (parts + 1) * sizeof *s->starts);
    if (s->op.node->exchange_kind == EXCHANGE_ROUND_ROBIN) {
        for (uint32_t i = 0; i < n; i++)
            s->part_of[i] = s->round_robin++ % parts;
    } else {
        if (exprs_eval(&s->keys, b, s->key_cols, err))
            return (int)err->code;
        for (uint32_t k = 0; k < s->keys.code->count; k++) {
            struct column col = s->key_cols[k];
            if (col.kind == COL_DICT)
                col = column_flatten(&col, b->sel, n, &s->op.ar);
            column_hash(&col, b->sel, n, s->hashes, k > 0);
        }
        for (uint32_t i = 0; i < n; i++)
            s->part_of[i] = (uint32_t)(((s->hashes[b->sel ? b->sel[i] : i] >> 32) * parts) >> 32);
    }
    for (uint32_t i = 0; i < n; i++)
        s->starts[s->part_of[i] + 1]++;
    return 0;
}

static enum op_status push_many(struct sink_op *s, const struct batch *b, struct error *err)
{
    if (!s->hashes) {
        s->hashes = xmalloc(BATCH_ROWS * sizeof *s->hashes);
        s->part_of = xmalloc(BATCH_ROWS * sizeof *s->part_of);
        s->idx = xmalloc(BATCH_ROWS * sizeof *s->idx);
    }
    arena_reset(&s->op.ar);
    if (choose_partitions(s, b, err))
        return OP_ERROR;
    for (uint32_t p = 0; p < s->partitions; p++)
        s->starts[p + 1] += s->starts[p];
    for (uint32_t i = 0; i < b->sel_count; i++)
        s->idx[s->starts[s->part_of[i]]++] = b->sel ? b->sel[i] : i;
    /* starts[p] is the end of p now */
    for (uint32_t p = 0, from = 0; p < s->partitions; from = s->starts[p++]) {
        uint32_t n = s->starts[p] - from;
        if (n == 0)
            continue;
        enum op_status st = after_append(s, p, builder_append_rows(builder_of(s, p), b, s->idx + from, n, err), err);
        if (st != OP_MORE)
            return st;
    }
    return OP_MORE;
}

static enum op_status sink_push(struct op *op, struct batch *b, struct error *err)
{
    struct sink_op *s = (struct sink_op *)op;
    op->task->metrics.rows_out += b->sel_count;
    if (s->partitions > 1)
        return push_many(s, b, err);
    return after_append(s, 0, builder_append(builder_of(s, 0), b, err), err);
}

static enum op_status sink_finish(struct op *op, struct error *err)
{
    struct sink_op *s = (struct sink_op *)op;
    while (s->flush_at < s->partitions) {
        uint32_t p = s->flush_at++;
        enum op_status st = s->used[p] ? hand_over(s, p, err) : OP_MORE;
        if (st != OP_MORE || op->task->blocked)
            return st;
    }
    return OP_DONE;
}

static void sink_close(struct op *op)
{
    struct sink_op *s = (struct sink_op *)op;
    for (uint32_t p = 0; s->builders && p < s->partitions; p++) {
        if (s->used[p])
            builder_fini(&s->builders[p]);
        s->used[p] = false;
    }
}

static void sink_fini(struct op *op)
{
    struct sink_op *s = (struct sink_op *)op;
    exprs_fini(&s->keys);
    free(s->builders);
    free(s->used);
    free(s->key_cols);
    free(s->hashes);
    free(s->part_of);
    free(s->idx);
    free(s->starts);
}

const struct op_vtable op_sink_exchange = {
    .name = "ExchangeWrite", .state_bytes = sizeof(struct sink_op), .compile = sink_compile, .open = sink_open,
    .push = sink_push, .finish = sink_finish, .close = sink_close, .fini = sink_fini,
};
const struct op_vtable op_sink_result = {
    .name = "Result", .state_bytes = sizeof(struct sink_op), .compile = sink_compile, .open = sink_open,
    .push = sink_push, .finish = sink_finish, .close = sink_close, .fini = sink_fini,
};
