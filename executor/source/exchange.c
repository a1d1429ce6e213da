/* What other stages left for this partition, as batches: windows over sealed runs, never copied. */
#include "executor/op/op.h"

struct exchange_op {
    struct op op;
    struct input_cursor cursor;
    struct sealed *run; /* being read */
    uint32_t at;
    struct column *cols;
    struct batch batch;
};

static int exchange_open(struct op *op, struct error *err)
{
    (void)err;
    struct exchange_op *x = (struct exchange_op *)op;
    x->cursor = (struct input_cursor){0};
    if (!x->cols)
        x->cols = xcalloc(op->node->out.count + 1, sizeof *x->cols);
    return 0;
}

static enum op_status next_run(struct exchange_op *x, struct error *err)
{
    struct task *task = x->op.task;
    sealed_unref(x->run);
    x->run = NULL;
    x->at = 0;
    uint32_t map, partition = x->op.node->read_all ? INPUT_ALL : x->op.partition;
    enum op_status st =
        task->env->ops->input_next(task->env, x->op.node->exchange, partition, &x->cursor, &x->run, &map, err);
    if (st != OP_MORE)
        return st;
    if (x->run->col_count != x->op.node->out.count) {
        error_setf(err, ERR_CHUNK_DAMAGED, "message", "a run of stage %u has %u columns, not %u", x->op.node->exchange,
                   x->run->col_count, x->op.node->out.count);
        return OP_ERROR;
    }
    task->metrics.shuffle_rows_in += x->run->rows;
    task->metrics.shuffle_bytes_in += x->run->bytes;
    return OP_MORE;
}

static enum op_status exchange_next(struct op *op, struct batch **ret, struct error *err)
{
    struct exchange_op *x = (struct exchange_op *)op;
    while (!x->run || x->at == x->run->rows) {
        enum op_status st = next_run(x, err);
        if (st != OP_MORE)
            return st;
    }
    uint32_t left = x->run->rows - x->at, n = left < batch_rows() ? left : batch_rows();
    arena_reset(&op->ar);
    sealed_window(x->run, x->at, n, x->cols, &x->batch, &op->ar);
    x->at += n;
    *ret = &x->batch;
    return OP_MORE;
}

static void exchange_close(struct op *op)
{
    struct exchange_op *x = (struct exchange_op *)op;
    sealed_unref(x->run);
    x->run = NULL;
    x->at = 0;
}

static void exchange_fini(struct op *op)
{
    xfree(((struct exchange_op *)op)->cols);
}

const struct op_vtable op_exchange_read = {
    .name = "ExchangeRead", .state_bytes = sizeof(struct exchange_op), .open = exchange_open, .next = exchange_next,
    .close = exchange_close, .fini = exchange_fini,
};
