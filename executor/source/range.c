/* range(start, end, step) cut into equal pieces, and the rows that a plan carries. */
#include "executor/op/op.h"

struct range_op {
    struct op op;
    int64_t at;
    uint64_t left;
    int64_t few[8], *many; /* tasks of a few rows need no memory */
    struct column col;
    struct batch batch;
};

/* Spark's cut: piece p has the numbers [p * n / parts, (p + 1) * n / parts). */
static int range_open(struct op *op, struct error *err)
{
    struct range_op *r = (struct range_op *)op;
    const struct pnode *n = op->node;
    if (n->range_step == 0 || n->range_parts <= 0)
        return error_set(err, ERR_INTERNAL, "message", "a range without a step or parts", NULL);
    int128_t span = (int128_t)n->range_end - n->range_start, step = n->range_step, count = 0;
    if ((span > 0) == (step > 0) && span != 0)
        count = (span + step + (step > 0 ? -1 : 1)) / step;
    int128_t from = count * op->partition / n->range_parts, to = count * ((int128_t)op->partition + 1) / n->range_parts;
    r->left = op->partition < n->range_parts ? (uint64_t)(to - from) : 0;
    r->at = (int64_t)(n->range_start + from * step);
    return 0;
}

static enum op_status range_next(struct op *op, struct batch **ret, struct error *err)
{
    (void)err;
    struct range_op *r = (struct range_op *)op;
    if (r->left == 0)
        return OP_DONE;
    if (r->left > ARRAY_LEN(r->few) && !r->many)
        r->many = xmalloc(BATCH_ROWS * sizeof *r->many);
    uint32_t most = r->many ? batch_rows() : (uint32_t)ARRAY_LEN(r->few);
    int64_t *data = r->many ? r->many : r->few;
    uint32_t n = r->left < most ? (uint32_t)r->left : most;
    uint64_t v = (uint64_t)r->at, step = (uint64_t)op->node->range_step;
    for (uint32_t i = 0; i < n; i++)
        data[i] = (int64_t)(v + i * step);
    r->at = (int64_t)(v + n * step);
    r->left -= n;
    r->col = (struct column){.type = type_of(TYPE_BIGINT), .phys = PHYS_I64, .rows = n, .data = data};
    r->batch = (struct batch){.rows = n, .sel_count = n, .col_count = op->node->out.count, .cols = &r->col};
    op->task->metrics.rows_in += n;
    *ret = &r->batch;
    return OP_MORE;
}

static void range_fini(struct op *op)
{
    xfree(((struct range_op *)op)->many);
}

const struct op_vtable op_range = {
    .name = "Range", .state_bytes = sizeof(struct range_op), .open = range_open, .next = range_next, .fini = range_fini,
};

/* ---- values ---- */

struct values_op {
    struct op op;
    uint32_t at;
    struct column *cols;
    struct batch batch;
};

static int values_compile(struct node_code *nc, struct error *err)
{
    const struct buf *f = &nc->node->values_frame;
    struct sealed *s = NULL;
    size_t used;
    if (f->bytes)
        TRY(frame_decode(f->data, f->bytes, nc->stage->account, &s, &used, err));
    nc->priv = s;
    return 0;
}

static void values_free_code(struct node_code *nc)
{
    sealed_unref(nc->priv);
}

static int values_open(struct op *op, struct error *err)
{
    (void)err;
    struct values_op *v = (struct values_op *)op;
    v->at = 0;
    if (!v->cols)
        v->cols = xcalloc(op->node->out.count + 1, sizeof *v->cols);
    return 0;
}

static enum op_status values_next(struct op *op, struct batch **ret, struct error *err)
{
    (void)err;
    struct values_op *v = (struct values_op *)op;
    const struct sealed *s = op->nc->priv;
    if (!s || op->partition != 0 || v->at == s->rows)
        return OP_DONE;
    uint32_t n = s->rows - v->at < batch_rows() ? s->rows - v->at : batch_rows();
    arena_reset(&op->ar);
    sealed_window(s, v->at, n, v->cols, &v->batch, &op->ar);
    v->at += n;
    *ret = &v->batch;
    return OP_MORE;
}

static void values_fini(struct op *op)
{
    xfree(((struct values_op *)op)->cols);
}

const struct op_vtable op_values = {
    .name = "Values", .state_bytes = sizeof(struct values_op), .compile = values_compile,
    .free_code = values_free_code, .open = values_open, .next = values_next, .fini = values_fini,
};
