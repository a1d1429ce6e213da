/*
 * Sort, top and the sorted merge of an exchange. Rows are kept in runs: a builder with the input columns and
 * the computed keys, and an entry a row with its normalised key. A run that is full is sorted; a run can leave
 * memory as frames in sorted order. The end merges the runs, or just reads the only one through its order.
 *
 * Top keeps one run: whenever it has grown to several times the limit it is cut to the limit again, and rows
 * that sort behind the last kept one are not taken any more.
 */
#include <stdlib.h>

#include "executor/op/order.h"

enum { RUN_ROWS = 1 << 20, EVICT_PIECE = 1 << 15 };

struct sort_run {
    struct sealed *rows;
    uint32_t *order;
    uint128_t *norm;    /* in order */
    struct buf frames;  /* evicted: rows is NULL */
    size_t bytes;       /* charged for order and norm, or for frames */
};

struct sort_op {
    struct op op;
    const struct order_code *code;
    struct exprs_state keys;
    struct column *key_cols, *cols;
    bool building;
    struct builder builder;
    struct order_entry *entries;
    uint32_t entry_count, entry_cap;
    size_t entry_bytes;
    uint128_t *norm;            /* of a batch */
    uint16_t *sel;
    struct sort_run *runs;
    uint32_t run_count, run_cap;
    int64_t keep;               /* rows wanted, offset included; -1: all */
    int64_t skip;               /* still to leave out at the start */
    bool has_threshold;
    uint128_t threshold;
    bool emitting;
    uint32_t emit_at;
    struct order_merge merge;
    struct sealed *merged;
};

static int sort_compile(struct node_code *nc, struct error *err)
{
    struct order_code *o = ARENA_NEW(&nc->stage->ar, struct order_code);
    nc->priv = o;
    return order_compile(nc, nc->node->sort_keys, nc->node->sort_key_count, o, err);
}

static int sort_open(struct op *op, struct error *err)
{
    (void)err;
    struct sort_op *s = (struct sort_op *)op;
    const struct order_code *o = s->code = op->nc->priv;
    exprs_open(&s->keys, &o->exprs, op->task);
    if (!s->cols) {
        s->key_cols = xcalloc(o->count + 1, sizeof *s->key_cols);
        s->cols = xcalloc(o->col_count + 1, sizeof *s->cols);
        s->norm = xmalloc(BATCH_ROWS * sizeof *s->norm);
        s->sel = xmalloc(BATCH_ROWS * sizeof *s->sel);
    }
    builder_init(&s->builder, o->col_count, o->types, &op->account);
    s->building = true;
    const struct pnode *n = op->node;
    bool top = n->kind == PN_TOP;
    s->keep = top && n->limit >= 0 ? n->limit + n->offset : -1;
    s->skip = top ? n->offset : 0;
    s->has_threshold = s->emitting = false;
    s->entry_count = s->emit_at = 0;
    return 0;
}

static int entries_room(struct sort_op *s, uint32_t more, struct error *err)
{
    if (s->entry_count + more <= s->entry_cap)
        return 0;
    uint32_t cap = s->entry_cap ? s->entry_cap * 2 : 4096;
    while (cap < s->entry_count + more)
        cap *= 2;
    size_t bytes = cap * sizeof *s->entries;
    TRY(account_reserve(&s->op.account, bytes - s->entry_bytes, err));
    s->entry_bytes = bytes;
    s->entries = xrealloc(s->entries, bytes);
    s->entry_cap = cap;
    return 0;
}

/* What sorting the entries takes for a while. */
static size_t sort_bytes(const struct sort_op *s)
{
    return (s->entry_count / 2 + 17) * sizeof *s->entries;
}

/* Sorts the entries over the rows of run, and gives the memory for it back. */
static void sort_entries(struct sort_op *s, const struct sealed *run)
{
    struct order_entry *tmp = xmalloc(sort_bytes(s));
    order_sort(s->code, s->entries, tmp, s->entry_count, run->cols);
    free(tmp);
    account_release(&s->op.account, sort_bytes(s));
}

/* Everything that can be refused comes before the rows leave the builder. */
static int close_run(struct sort_op *s, struct error *err)
{
    struct sort_run run = {0};
    uint32_t n = s->entry_count;
    size_t bytes = n * (sizeof *run.order + sizeof *run.norm);
    if (n == 0)
        return 0;
    TRY(account_reserve(&s->op.account, sort_bytes(s) + bytes, err));
    run.rows = builder_seal(&s->builder);
    run.bytes = bytes;
    sort_entries(s, run.rows);
    run.order = xmalloc(n * sizeof *run.order + 4);
    run.norm = xmalloc(n * sizeof *run.norm + 16);
    for (uint32_t i = 0; i < n; i++) {
        run.order[i] = s->entries[i].row;
        run.norm[i] = (uint128_t)s->entries[i].hi << 64 | s->entries[i].lo;
    }
    s->entry_count = 0;
    ARRAY_GROW(s->runs, s->run_count, s->run_cap);
    s->runs[s->run_count++] = run;
    return 0;
}

/* Top: back to the wanted rows. */
static int cut(struct sort_op *s, struct error *err)
{
    TRY(account_reserve(&s->op.account, sort_bytes(s), err));
    struct sealed *rows = builder_seal(&s->builder);
    sort_entries(s, rows);
    int rc = 0;
    uint32_t n = s->entry_count < s->keep ? s->entry_count : (uint32_t)s->keep;
    uint32_t *idx = xmalloc(n * sizeof *idx + 4);
    for (uint32_t i = 0; i < n; i++) {
        idx[i] = s->entries[i].row;
        s->entries[i].row = i;
    }
    struct batch b = {.rows = rows->rows, .sel_count = rows->rows, .cols = rows->cols, .col_count = rows->col_count};
    if (n)
        rc = builder_append_rows(&s->builder, &b, idx, n, err);
    s->entry_count = n;
    if (n == s->keep && n > 0) {
        s->has_threshold = true;
        s->threshold = (uint128_t)s->entries[n - 1].hi << 64 | s->entries[n - 1].lo;
    }
    free(idx);
    sealed_unref(rows);
    return rc;
}

static enum op_status sort_push(struct op *op, struct batch *b, struct error *err)
{
    struct sort_op *s = (struct sort_op *)op;
    const struct order_code *o = s->code;
    if (s->keep == 0)
        return OP_DONE;
    if (exprs_eval(&s->keys, b, s->key_cols, err))
        return OP_ERROR;
    order_norm(o, s->key_cols, b->sel, b->sel_count, s->norm);
    memcpy(s->cols, b->cols, o->in_count * sizeof *s->cols);
    for (uint32_t k = 0; k < o->count; k++) {
        if (o->key_col[k] >= o->in_count)
            s->cols[o->key_col[k]] = s->key_cols[k];
    }
    struct batch in = {.rows = b->rows, .col_count = o->col_count, .cols = s->cols, .sel = s->sel};
    if (entries_room(s, b->sel_count, err))
        return OP_ERROR;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        if (s->has_threshold && (s->norm[i] > s->threshold || (o->exact && s->norm[i] == s->threshold)))
            continue;
        s->entries[s->entry_count] = (struct order_entry){
            .hi = (uint64_t)(s->norm[i] >> 64), .lo = (uint64_t)s->norm[i], .row = s->builder.rows + in.sel_count};
        s->sel[in.sel_count++] = b->sel ? b->sel[i] : (uint16_t)i;
        s->entry_count++;
    }
    if (in.sel_count && builder_append(&s->builder, &in, err))
        return OP_ERROR;
    if (s->keep >= 0) {
        int64_t most = s->keep * 2 > 4096 ? s->keep * 2 : 4096;
        return s->entry_count > most && cut(s, err) ? OP_ERROR : OP_MORE;
    }
    return s->entry_count >= RUN_ROWS && close_run(s, err) ? OP_ERROR : OP_MORE;
}

static bool sort_evict(struct op *op, struct error *err)
{
    struct sort_op *s = (struct sort_op *)op;
    if (s->keep >= 0 || s->emitting || !s->building)
        return false;
    if (s->entry_count && close_run(s, err))
        return false;
    struct sort_run *run = NULL;
    for (uint32_t i = 0; i < s->run_count && !run; i++)
        run = s->runs[i].rows ? &s->runs[i] : NULL;
    if (!run)
        return false;
    struct builder bd;
    builder_init(&bd, s->code->col_count, s->code->types, &op->account);
    struct batch b = {.rows = run->rows->rows, .sel_count = run->rows->rows, .cols = run->rows->cols,
                      .col_count = run->rows->col_count};
    struct buf frames = BUF_INIT;
    for (uint32_t at = 0; at < b.rows; at += EVICT_PIECE) {
        uint32_t n = b.rows - at < EVICT_PIECE ? b.rows - at : EVICT_PIECE;
        if (builder_append_rows(&bd, &b, run->order + at, n, err)) {
            builder_fini(&bd);
            buf_fini(&frames);
            return false;
        }
        struct sealed *piece = builder_seal(&bd);
        frame_encode(piece, FRAME_RAW, &frames);
        sealed_unref(piece);
    }
    builder_fini(&bd);
    sealed_unref(run->rows);
    free(run->order);
    free(run->norm);
    account_release(&op->account, run->bytes);
    *run = (struct sort_run){.frames = frames};
    return true;
}

/* ---- output ---- */

static enum op_status push_rows(struct sort_op *s, struct column *cols, uint32_t rows, uint32_t from, struct error *err)
{
    uint16_t *sel = NULL;
    if (from) {
        sel = s->sel;
        for (uint32_t i = from; i < rows; i++)
            sel[i - from] = (uint16_t)i;
    }
    struct batch out = {.rows = rows, .sel = sel, .sel_count = rows - from, .cols = cols, .col_count = s->code->in_count};
    return out.sel_count ? op_push(&s->op, &out, err) : OP_MORE;
}

/* How many of n rows at the front are left out by the offset. */
static uint32_t skipped(struct sort_op *s, uint32_t n)
{
    uint32_t skip = s->skip < n ? (uint32_t)s->skip : n;
    s->skip -= skip;
    return skip;
}

static int start_merge(struct sort_op *s, struct error *err)
{
    s->merge = (struct order_merge){.code = s->code, .count = s->run_count};
    s->merge.cursors = xcalloc(s->run_count + 1, sizeof *s->merge.cursors);
    for (uint32_t i = 0; i < s->run_count; i++) {
        struct sort_run *r = &s->runs[i];
        struct order_cursor *c = &s->merge.cursors[i];
        if (r->rows) { /* order and norm stay the run's */
            c->piece = sealed_ref(r->rows);
            c->order = r->order;
            c->norm = r->norm;
        } else {
            c->frames = r->frames;
            r->frames = BUF_INIT;
            TRY(order_cursor_load(s->code, c, &s->op.account, err));
        }
    }
    return 0;
}

static enum op_status emit_only(struct sort_op *s, struct error *err)
{
    const struct sort_run *r = &s->runs[0];
    uint32_t total = r->rows->rows;
    if (s->keep >= 0 && s->keep < total)
        total = (uint32_t)s->keep;
    if (s->emit_at == total)
        return OP_DONE;
    uint32_t n = total - s->emit_at < batch_rows() ? total - s->emit_at : batch_rows(), from = skipped(s, n);
    arena_reset(&s->op.ar);
    for (uint32_t i = 0; i < s->code->in_count; i++)
        s->cols[i] = column_gather(&r->rows->cols[i], r->order + s->emit_at, n, &s->op.ar);
    s->emit_at += n;
    return push_rows(s, s->cols, n, from, err);
}

static enum op_status emit_merged(struct sort_op *s, struct error *err)
{
    sealed_unref(s->merged);
    s->merged = NULL;
    if (order_merge_next(&s->merge, batch_rows(), &s->op.account, &s->merged, err))
        return OP_ERROR;
    return s->merged ? push_rows(s, s->merged->cols, s->merged->rows, 0, err) : OP_DONE;
}

static enum op_status sort_finish(struct op *op, struct error *err)
{
    struct sort_op *s = (struct sort_op *)op;
    if (!s->emitting) {
        s->emitting = true;
        if (close_run(s, err))
            return OP_ERROR;
        if ((s->run_count > 1 || (s->run_count == 1 && !s->runs[0].rows)) && start_merge(s, err))
            return OP_ERROR;
    }
    if (s->run_count == 0)
        return OP_DONE;
    return s->merge.cursors ? emit_merged(s, err) : emit_only(s, err);
}

static void sort_close(struct op *op)
{
    struct sort_op *s = (struct sort_op *)op;
    order_merge_fini(&s->merge);
    sealed_unref(s->merged);
    s->merged = NULL;
    for (uint32_t i = 0; i < s->run_count; i++) {
        sealed_unref(s->runs[i].rows);
        free(s->runs[i].order);
        free(s->runs[i].norm);
        buf_fini(&s->runs[i].frames);
        account_release(&op->account, s->runs[i].bytes);
    }
    s->run_count = 0;
    if (s->building)
        builder_fini(&s->builder);
    s->building = false;
    free(s->entries);
    s->entries = NULL;
    s->entry_cap = s->entry_count = 0;
    account_release(&op->account, s->entry_bytes);
    s->entry_bytes = 0;
}

static void sort_fini(struct op *op)
{
    struct sort_op *s = (struct sort_op *)op;
    exprs_fini(&s->keys);
    free(s->key_cols);
    free(s->cols);
    free(s->norm);
    free(s->sel);
    free(s->runs);
}

const struct op_vtable op_sort = {
    .name = "Sort", .state_bytes = sizeof(struct sort_op), .compile = sort_compile, .open = sort_open,
    .push = sort_push, .finish = sort_finish, .evict = sort_evict, .close = sort_close, .fini = sort_fini,
};
const struct op_vtable op_top = {
    .name = "Top", .state_bytes = sizeof(struct sort_op), .compile = sort_compile, .open = sort_open,
    .push = sort_push, .finish = sort_finish, .close = sort_close, .fini = sort_fini,
};

/* ---- reading an exchange whose map outputs are each sorted ---- */

struct merge_op {
    struct op op;
    struct input_cursor cursor;
    struct order_merge merge;
    uint32_t cursor_cap, map; /* map of the last cursor */
    bool collected;
    struct sealed *merged;
    struct column *cols;
    struct batch batch;
};

static int merge_compile(struct node_code *nc, struct error *err)
{
    struct order_code *o = ARENA_NEW(&nc->stage->ar, struct order_code);
    nc->priv = o;
    TRY(order_compile(nc, nc->node->merge_keys, nc->node->merge_key_count, o, err));
    if (o->col_count != o->in_count)
        return error_set(err, ERR_INTERNAL, "message", "a merge by computed keys", NULL);
    return 0;
}

static int merge_open(struct op *op, struct error *err)
{
    (void)err;
    struct merge_op *m = (struct merge_op *)op;
    m->cursor = (struct input_cursor){0};
    m->merge = (struct order_merge){.code = op->nc->priv};
    m->cursor_cap = 0;
    m->collected = false;
    if (!m->cols)
        m->cols = xcalloc(op->node->out.count + 1, sizeof *m->cols);
    return 0;
}

/* Every run becomes a further piece of its map's cursor. */
static enum op_status merge_collect(struct merge_op *m, struct error *err)
{
    struct task *task = m->op.task;
    const struct pnode *n = m->op.node;
    for (;;) {
        struct sealed *run;
        uint32_t map, partition = n->read_all ? INPUT_ALL : m->op.partition;
        enum op_status st = task->env->ops->input_next(task->env, n->exchange, partition, &m->cursor, &run, &map, err);
        if (st == OP_DONE)
            return OP_MORE;
        if (st != OP_MORE)
            return st;
        if (run->col_count != n->out.count) {
            sealed_unref(run);
            error_set(err, ERR_CHUNK_DAMAGED, "message", "a run with the wrong number of columns", NULL);
            return OP_ERROR;
        }
        task->metrics.shuffle_rows_in += run->rows;
        task->metrics.shuffle_bytes_in += run->bytes;
        if (m->merge.count == 0 || m->map != map) {
            ARRAY_GROW(m->merge.cursors, m->merge.count, m->cursor_cap);
            m->merge.cursors[m->merge.count++] = (struct order_cursor){0};
            m->map = map;
        }
        struct order_cursor *c = &m->merge.cursors[m->merge.count - 1];
        struct sealed **more = xrealloc(c->more, (c->more_count + 1) * sizeof *more);
        more[c->more_count++] = run;
        c->more = more;
    }
}

static enum op_status merge_next(struct op *op, struct batch **ret, struct error *err)
{
    struct merge_op *m = (struct merge_op *)op;
    if (!m->collected) {
        enum op_status st = merge_collect(m, err);
        if (st != OP_MORE)
            return st;
        m->collected = true;
        for (uint32_t i = 0; i < m->merge.count; i++) {
            if (order_cursor_load(m->merge.code, &m->merge.cursors[i], &op->account, err))
                return OP_ERROR;
        }
    }
    sealed_unref(m->merged);
    m->merged = NULL;
    if (order_merge_next(&m->merge, batch_rows(), &op->account, &m->merged, err))
        return OP_ERROR;
    if (!m->merged)
        return OP_DONE;
    arena_reset(&op->ar);
    sealed_window(m->merged, 0, m->merged->rows, m->cols, &m->batch, &op->ar);
    *ret = &m->batch;
    return OP_MORE;
}

static void merge_close(struct op *op)
{
    struct merge_op *m = (struct merge_op *)op;
    order_merge_fini(&m->merge);
    sealed_unref(m->merged);
    m->merged = NULL;
}

static void merge_op_fini(struct op *op)
{
    xfree(((struct merge_op *)op)->cols);
}

const struct op_vtable op_merge_read = {
    .name = "MergeRead", .state_bytes = sizeof(struct merge_op), .compile = merge_compile, .open = merge_open,
    .next = merge_next, .close = merge_close, .fini = merge_op_fini,
};
