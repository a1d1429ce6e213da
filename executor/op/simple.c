/* Filter, project, expand and limit: operators without memory. */
#include "common/expr/program.h"
#include "executor/op/op.h"

/* ---- filter ---- */

struct filter_op {
    struct op op;
    struct expr_state *st;
    uint16_t *sel;
};

static int filter_compile(struct node_code *nc, struct error *err)
{
    const struct program *p;
    TRY(program_compile(&nc->stage->ar, &nc->stage->plan->cx, nc->node->exprs, nc->node->expr_count, nc->in_types,
                        nc->in_count, &p, err));
    nc->priv = (void *)(uintptr_t)p;
    return 0;
}

static int filter_open(struct op *op, struct error *err)
{
    (void)err;
    struct filter_op *f = (struct filter_op *)op;
    f->st = task_expr_state(op->task, op->nc->priv, f->st);
    if (!f->sel)
        f->sel = xmalloc(BATCH_ROWS * sizeof *f->sel);
    return 0;
}

static enum op_status filter_push(struct op *op, struct batch *b, struct error *err)
{
    struct filter_op *f = (struct filter_op *)op;
    uint32_t n;
    if (program_filter(f->st, b, f->sel, &n, err))
        return OP_ERROR;
    if (n == 0)
        return OP_MORE;
    struct batch out = *b;
    if (n < b->rows)
        out.sel = f->sel;
    out.sel_count = n;
    return op_push(op, &out, err);
}

static void filter_fini(struct op *op)
{
    struct filter_op *f = (struct filter_op *)op;
    expr_state_free(f->st);
    xfree(f->sel);
}

const struct op_vtable op_filter = {
    .name = "Filter", .state_bytes = sizeof(struct filter_op), .compile = filter_compile, .open = filter_open,
    .push = filter_push, .fini = filter_fini,
};

/* ---- project ---- */

struct project_op {
    struct op op;
    struct exprs_state st;
    struct column *cols;
};

static int project_compile(struct node_code *nc, struct error *err)
{
    struct exprs *e = ARENA_NEW(&nc->stage->ar, struct exprs);
    nc->priv = e;
    return exprs_compile(nc->stage, nc->node->exprs, nc->node->expr_count, nc->in_types, nc->in_count, e, err);
}

static int project_open(struct op *op, struct error *err)
{
    (void)err;
    struct project_op *p = (struct project_op *)op;
    exprs_open(&p->st, op->nc->priv, op->task);
    if (!p->cols)
        p->cols = xcalloc(op->node->expr_count + 1, sizeof *p->cols);
    return 0;
}

static enum op_status project_push(struct op *op, struct batch *b, struct error *err)
{
    struct project_op *p = (struct project_op *)op;
    if (exprs_eval(&p->st, b, p->cols, err))
        return OP_ERROR;
    struct batch out = *b;
    out.cols = p->cols;
    out.col_count = op->node->expr_count;
    return op_push(op, &out, err);
}

static void project_fini(struct op *op)
{
    struct project_op *p = (struct project_op *)op;
    exprs_fini(&p->st);
    xfree(p->cols);
}

const struct op_vtable op_project = {
    .name = "Project", .state_bytes = sizeof(struct project_op), .compile = project_compile, .open = project_open,
    .push = project_push, .fini = project_fini,
};

/* ---- expand: each row once per list ---- */

struct expand_op {
    struct op op;
    struct exprs_state *st;
    struct column *cols;
};

static int expand_compile(struct node_code *nc, struct error *err)
{
    const struct pnode *n = nc->node;
    struct exprs *e = ARENA_ARRAY(&nc->stage->ar, struct exprs, n->list_count);
    nc->priv = e;
    for (uint32_t i = 0; i < n->list_count; i++)
        TRY(exprs_compile(nc->stage, n->lists[i], n->out.count, nc->in_types, nc->in_count, &e[i], err));
    return 0;
}

static int expand_open(struct op *op, struct error *err)
{
    (void)err;
    struct expand_op *x = (struct expand_op *)op;
    const struct exprs *e = op->nc->priv;
    if (!x->st) {
        x->st = xcalloc(op->node->list_count + 1, sizeof *x->st);
        x->cols = xcalloc(op->node->out.count + 1, sizeof *x->cols);
    }
    for (uint32_t i = 0; i < op->node->list_count; i++)
        exprs_open(&x->st[i], &e[i], op->task);
    return 0;
}

static enum op_status expand_push(struct op *op, struct batch *b, struct error *err)
{
    struct expand_op *x = (struct expand_op *)op;
    for (uint32_t i = 0; i < op->node->list_count; i++) {
        if (exprs_eval(&x->st[i], b, x->cols, err))
            return OP_ERROR;
        struct batch out = *b;
        out.cols = x->cols;
        out.col_count = op->node->out.count;
        enum op_status st = op_push(op, &out, err);
        if (st != OP_MORE)
            return st;
    }
    return OP_MORE;
}

static void expand_fini(struct op *op)
{
    struct expand_op *x = (struct expand_op *)op;
    for (uint32_t i = 0; x->st && i < op->node->list_count; i++)
        exprs_fini(&x->st[i]);
    xfree(x->st);
    xfree(x->cols);
}

const struct op_vtable op_expand = {
    .name = "Expand", .state_bytes = sizeof(struct expand_op), .compile = expand_compile, .open = expand_open,
    .push = expand_push, .fini = expand_fini,
};

/* ---- limit: stops its source ---- */

struct limit_op {
    struct op op;
    int64_t skip, left; /* left < 0: no limit */
    uint16_t *sel;
};

static int limit_open(struct op *op, struct error *err)
{
    (void)err;
    struct limit_op *l = (struct limit_op *)op;
    l->skip = op->node->offset;
    l->left = op->node->limit;
    if (!l->sel)
        l->sel = xmalloc(BATCH_ROWS * sizeof *l->sel);
    return 0;
}

static enum op_status limit_push(struct op *op, struct batch *b, struct error *err)
{
    struct limit_op *l = (struct limit_op *)op;
    if (l->left == 0)
        return OP_DONE;
    uint32_t from = l->skip < b->sel_count ? (uint32_t)l->skip : b->sel_count;
    l->skip -= from;
    uint32_t n = b->sel_count - from;
    if (l->left >= 0 && l->left < n)
        n = (uint32_t)l->left;
    if (n == 0)
        return OP_MORE;
    struct batch out = *b;
    if (n < b->sel_count) {
        for (uint32_t i = 0; i < n; i++)
            l->sel[i] = b->sel ? b->sel[from + i] : (uint16_t)(from + i);
        out.sel = l->sel;
        out.sel_count = n;
    }
    if (l->left >= 0)
        l->left -= n;
    enum op_status st = op_push(op, &out, err);
    return st == OP_MORE && l->left == 0 ? OP_DONE : st;
}

static void limit_fini(struct op *op)
{
    xfree(((struct limit_op *)op)->sel);
}

const struct op_vtable op_limit = {
    .name = "Limit", .state_bytes = sizeof(struct limit_op), .open = limit_open, .push = limit_push, .fini = limit_fini,
};
