/*
 * Joins. The probe side's columns stay where they are whenever a probe row can match once at most: the batch
 * gets a selection, and the build side's columns are dictionary views over the whole table, gathered by
 * whoever looks at them. With several matches, candidate pairs are made a batch at a time.
 */
#include "executor/op/join.h"

#include <stdlib.h>

#include "common/expr/program.h"

struct join_op {
    struct op op;
    const struct join_code *code;
    struct join_table own;
    struct join_table *table;   /* own or shared */
    struct exprs_state probe_keys, build_keys;
    struct expr_state *residual;
    uint32_t round;             /* of the shared build */
    bool joined_build;          /* takes part in one */
    struct builder *builder;    /* own build */
    uint8_t *build_matched;     /* RIGHT, FULL: per build row */
    size_t build_matched_bytes;
    uint32_t finish_at;
    /* scratch of a batch */
    struct column *key_cols, *all, *out;
    uint64_t *keys, *hashes;
    uint8_t *skip, *matched;    /* per live row; per position */
    uint32_t *head, *pair_probe, *pair_build;
    uint16_t *sel, *sel2;
};

struct join_build_op {
    struct op op;
};

/* ---- compiling ---- */

static void mark_need(struct expr *e, void *ctx)
{
    if (e->kind == EXPR_COLUMN)
        ((bool *)ctx)[e->column] = true;
}

static int join_compile(struct node_code *nc, struct error *err)
{
    const struct pnode *n = nc->node;
    struct arena *ar = &nc->stage->ar;
    struct join_code *c = ARENA_NEW(ar, struct join_code);
    nc->priv = c;
    c->probe_cols = nc->in_count;
    c->build_cols = n->inputs[1]->out.count;
    c->build_types = nc->stage->nodes[n->inputs[1]->id].out_types;
    c->key_count = n->join_key_count;
    c->null_safe = n->null_safe;
    c->all_types = ARENA_ARRAY(ar, const struct type *, c->probe_cols + c->build_cols);
    memcpy(c->all_types, nc->in_types, c->probe_cols * sizeof *c->all_types);
    memcpy(c->all_types + c->probe_cols, c->build_types, c->build_cols * sizeof *c->all_types);
    for (uint32_t i = 0; i < c->build_cols; i++)
        c->nested |= type_is_nested(c->build_types[i]);
    c->need = ARENA_ARRAY(ar, bool, c->probe_cols + c->build_cols + 1);
    for (uint32_t i = 0; i < n->out_column_count; i++)
        c->need[n->out_columns[i]] = true;
    if (n->residual) {
        struct expr *e = n->residual;
        TRY(program_compile(ar, &nc->stage->plan->cx, &e, 1, c->all_types, c->probe_cols + c->build_cols, &c->residual,
                            err));
        expr_walk(n->residual, mark_need, c->need);
    }
    const struct type **pt = ARENA_ARRAY(ar, const struct type *, c->key_count);
    const struct type **bt = ARENA_ARRAY(ar, const struct type *, c->key_count);
    bool *nullable = ARENA_ARRAY(ar, bool, c->key_count);
    for (uint32_t i = 0; i < c->key_count; i++) {
        pt[i] = n->probe_keys[i]->type;
        bt[i] = n->build_keys[i]->type;
        nullable[i] = n->null_safe && n->null_safe[i];
    }
    TRY(key_spec_init(ar, c->key_count, pt, bt, nullable, &c->ks, err));
    bool keeps_keys = n->join_kind == JOIN_ANTI_NULL_AWARE && n->residual; /* candidates are compared one by one */
    c->int_key = !keeps_keys && c->key_count == 1 && c->ks.words == 1 && pt[0]->id != TYPE_FLOAT && pt[0]->id != TYPE_DOUBLE;
    TRY(exprs_compile(nc->stage, n->probe_keys, c->key_count, nc->in_types, nc->in_count, &c->probe_keys, err));
    TRY(exprs_compile(nc->stage, n->build_keys, c->key_count, c->build_types, c->build_cols, &c->build_keys, err));
    if (n->shared_build) {
        if (n->inputs[1]->kind != PN_EXCHANGE_READ || n->join_kind == JOIN_RIGHT || n->join_kind == JOIN_FULL)
            return error_set(err, ERR_INTERNAL, "message", "a shared build that is not a broadcast read", NULL);
        c->shared = shared_build_new(c, nc->stage->account);
    }
    return 0;
}

static void join_free_code(struct node_code *nc)
{
    struct join_code *c = nc->priv;
    if (c)
        shared_build_free(c->shared);
}

static int join_open(struct op *op, struct error *err)
{
    (void)err;
    struct join_op *j = (struct join_op *)op;
    const struct join_code *c = j->code = op->nc->priv;
    exprs_open(&j->probe_keys, &c->probe_keys, op->task);
    exprs_open(&j->build_keys, &c->build_keys, op->task);
    if (c->residual)
        j->residual = task_expr_state(op->task, c->residual, j->residual);
    if (c->shared) {
        j->table = &c->shared->table;
    } else {
        join_table_init(&j->own, c, &op->account);
        j->table = &j->own;
    }
    j->round = 0;
    j->finish_at = 0;
    j->joined_build = false;
    return 0;
}

/* Scratch is made with the first batch: tasks without rows need none. */
static void need_scratch(struct join_op *j)
{
    if (j->all)
        return;
    const struct join_code *c = j->code;
    uint32_t cols = c->probe_cols + c->build_cols;
    j->key_cols = xcalloc(c->key_count + 1, sizeof *j->key_cols);
    j->all = xcalloc(cols + 1, sizeof *j->all);
    j->out = xcalloc(j->op.node->out_column_count + 1, sizeof *j->out);
    j->keys = xmalloc((size_t)c->ks.words * 8 * BATCH_ROWS + 8);
    j->hashes = xmalloc(8 * BATCH_ROWS);
    j->skip = xmalloc(BATCH_ROWS);
    j->matched = xmalloc(BATCH_ROWS);
    j->head = xmalloc(4 * BATCH_ROWS);
    j->pair_probe = xmalloc(4 * BATCH_ROWS);
    j->pair_build = xmalloc(4 * BATCH_ROWS);
    j->sel = xmalloc(2 * BATCH_ROWS);
    j->sel2 = xmalloc(2 * BATCH_ROWS);
}

static enum op_status join_prepare(struct op *op, struct error *err)
{
    struct join_op *j = (struct join_op *)op;
    const struct join_code *c = j->code;
    if (c->shared) {
        j->joined_build = true;
        enum op_status st =
            shared_build_step(c->shared, op, op->node->inputs[1]->exchange, &j->build_keys, &j->round, err);
        if (st != OP_MORE)
            return st;
    }
    enum join_kind kind = op->node->join_kind;
    if ((kind == JOIN_RIGHT || kind == JOIN_FULL) && j->table->view.rows) {
        j->build_matched_bytes = j->table->view.rows;
        if (account_reserve(&op->account, j->build_matched_bytes, err)) {
            j->build_matched_bytes = 0;
            return OP_ERROR;
        }
        j->build_matched = xcalloc(j->table->view.rows, 1);
    }
    return OP_MORE;
}

bool join_scan_filter(const struct op *op, struct scan_filter *ret, uint32_t *ret_column)
{
    const struct join_op *j = (const struct join_op *)op;
    enum join_kind kind = op->node->join_kind;
    if ((kind != JOIN_INNER && kind != JOIN_SEMI && kind != JOIN_RIGHT) || !j->code->int_key ||
        j->code->probe_keys.column[0] < 0 || !join_table_narrows(j->table) || (op->node->null_safe && op->node->null_safe[0]))
        return false;
    *ret = (struct scan_filter){.ctx = j->table, .narrow = join_table_narrow};
    *ret_column = (uint32_t)j->code->probe_keys.column[0];
    return true;
}

/* ---- output ---- */

/* The build side as a view: row number codes[i] at position i. */
static struct column build_view(const struct join_op *j, uint32_t col, const uint32_t *codes, uint32_t rows,
                                struct arena *ar)
{
    const struct column *c = &j->table->view.cols[col];
    if (j->code->nested && type_is_nested(c->type))
        return column_gather(c, codes, rows, ar);
    struct column v = *c;
    v.kind = COL_DICT;
    v.rows = rows;
    v.codes = codes;
    v.dict_rows = c->rows;
    v.dict_id = 0;
    return v;
}

/* A probe column at the positions idx. */
static struct column probe_view(const struct column *c, const uint32_t *idx, uint32_t n, struct arena *ar)
{
    struct column v = *c;
    if (c->kind == COL_CONST) {
        v.rows = n;
        return v;
    }
    if (c->kind == COL_DICT && !type_is_nested(c->type)) {
        uint32_t *codes = arena_alloc(ar, (n + 1) * sizeof *codes);
        for (uint32_t i = 0; i < n; i++)
            codes[i] = c->codes[idx[i]];
        v.rows = n;
        v.codes = codes;
        return v;
    }
    return column_gather(c, idx, n, ar);
}

/* Delivers j->all (probe ++ build) under a selection. */
static enum op_status deliver(struct join_op *j, uint32_t rows, const uint16_t *sel, uint32_t n, struct error *err)
{
    const struct pnode *node = j->op.node;
    if (n == 0)
        return OP_MORE;
    for (uint32_t i = 0; i < node->out_column_count; i++)
        j->out[i] = j->all[node->out_columns[i]];
    struct batch out = {.rows = rows, .col_count = node->out_column_count, .cols = j->out,
                        .sel = n == rows ? NULL : sel, .sel_count = n};
    return op_push(&j->op, &out, err);
}

static void probe_in_place(struct join_op *j, const struct batch *b)
{
    memcpy(j->all, b->cols, b->col_count * sizeof *j->all);
}

/* Build columns by position, JOIN_NONE where there is no match. */
static void build_in_place(struct join_op *j, const uint32_t *row_at, uint32_t rows, bool may_miss)
{
    const struct join_code *c = j->code;
    for (uint32_t i = 0; i < c->build_cols; i++) {
        struct column *out = &j->all[c->probe_cols + i];
        if (!c->need[c->probe_cols + i])
            continue;
        if (j->table->view.rows == 0)
            *out = column_null(c->build_types[i], rows, &j->op.ar);
        else if (may_miss)
            *out = column_gather(&j->table->view.cols[i], row_at, rows, &j->op.ar);
        else
            *out = build_view(j, i, row_at, rows, &j->op.ar);
    }
}

/* ---- candidates ---- */

static int find_heads(struct join_op *j, const struct batch *b, struct error *err)
{
    TRY(exprs_eval(&j->probe_keys, b, j->key_cols, err));
    uint32_t n = b->sel_count;
    memset(j->skip, 0, n);
    keys_encode(&j->code->ks, j->key_cols, b->sel, n, j->keys, j->skip, j->code->null_safe, &j->op.ar);
    if (!j->table->direct)
        keys_hash(&j->code->ks, j->keys, n, j->hashes);
    join_table_probe(j->table, j->keys, j->hashes, j->skip, n, j->head);
    return 0;
}

static inline uint32_t live(const struct batch *b, uint32_t i)
{
    return b->sel ? b->sel[i] : i;
}

static bool passes_probe(const struct join_op *j)
{
    enum join_kind k = j->op.node->join_kind;
    return k == JOIN_INNER || k == JOIN_LEFT || k == JOIN_RIGHT || k == JOIN_FULL || k == JOIN_SINGLE;
}

static bool keeps_unmatched(const struct join_op *j)
{
    enum join_kind k = j->op.node->join_kind;
    return k == JOIN_LEFT || k == JOIN_FULL || k == JOIN_SINGLE;
}

static int note_match(struct join_op *j, uint32_t position, uint32_t row, struct error *err)
{
    if (j->op.node->join_kind == JOIN_SINGLE && j->matched[position])
        return error_set(err, ERR_SCALAR_SUBQUERY_ROWS, NULL);
    j->matched[position] = 1;
    if (j->build_matched)
        j->build_matched[row] = 1;
    return 0;
}

/* Pairs [0, n) of pair_probe and pair_build: the residual, then what the kind wants of them. */
static enum op_status do_pairs(struct join_op *j, const struct batch *b, uint32_t n, struct error *err)
{
    const struct join_code *c = j->code;
    arena_reset(&j->op.ar); /* of the pairs before */
    uint32_t *build_codes = arena_dup(&j->op.ar, j->pair_build, n * sizeof *build_codes);
    bool out = passes_probe(j);
    for (uint32_t i = 0; i < c->probe_cols && (out || j->residual); i++) {
        if (c->need[i])
            j->all[i] = probe_view(&b->cols[i], j->pair_probe, n, &j->op.ar);
    }
    for (uint32_t i = 0; i < c->build_cols && (out || j->residual); i++) {
        if (c->need[c->probe_cols + i])
            j->all[c->probe_cols + i] = build_view(j, i, build_codes, n, &j->op.ar);
    }
    uint32_t kept = n;
    const uint16_t *sel = NULL;
    if (j->residual) {
        struct batch pairs = {.rows = n, .sel_count = n, .cols = j->all, .col_count = c->probe_cols + c->build_cols};
        if (program_filter(j->residual, &pairs, j->sel2, &kept, err))
            return OP_ERROR;
        sel = j->sel2;
    }
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t at = sel ? sel[i] : i;
        if (note_match(j, j->pair_probe[at], j->pair_build[at], err))
            return OP_ERROR;
    }
    return out ? deliver(j, n, sel, kept, err) : OP_MORE;
}

static enum op_status expand(struct join_op *j, const struct batch *b, struct error *err)
{
    uint32_t n = 0, most = batch_rows();
    const uint32_t *next = j->table->next;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        for (uint32_t row = j->head[i]; row != JOIN_NONE; row = next[row] - 1) {
            j->pair_probe[n] = live(b, i);
            j->pair_build[n++] = row;
            if (n < most)
                continue;
            enum op_status st = do_pairs(j, b, n, err);
            if (st != OP_MORE)
                return st;
            n = 0;
            if (task_cancelled(j->op.task)) {
                op_cancelled(err);
                return OP_ERROR;
            }
        }
    }
    return n ? do_pairs(j, b, n, err) : OP_MORE;
}

/* What is left to say about the probe rows once matched[] is known. */
static enum op_status rest_of_probe(struct join_op *j, const struct batch *b, bool null_unmatched, struct error *err)
{
    const struct join_code *c = j->code;
    enum join_kind kind = j->op.node->join_kind;
    uint32_t n = 0;
    if (kind == JOIN_MARK) {
        uint8_t *mark = arena_zalloc(&j->op.ar, b->rows + 1), *nulls = arena_zalloc(&j->op.ar, b->rows + 1);
        for (uint32_t i = 0; i < b->sel_count; i++) {
            uint32_t at = live(b, i);
            mark[at] = j->matched[at];
            bool key_null = c->key_count && j->skip[i];
            nulls[at] = !j->matched[at] && j->table->view.rows && (null_unmatched || key_null);
        }
        probe_in_place(j, b);
        j->all[c->probe_cols + c->build_cols] = (struct column){
            .type = type_of(TYPE_BOOLEAN), .phys = PHYS_BOOL, .rows = b->rows, .data = mark, .nulls = nulls};
        return deliver(j, b->rows, b->sel, b->sel_count, err);
    }
    if (!keeps_unmatched(j) && kind != JOIN_SEMI && kind != JOIN_ANTI && kind != JOIN_ANTI_NULL_AWARE)
        return OP_MORE;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        uint32_t at = live(b, i);
        j->sel[n] = (uint16_t)at;
        bool keep = kind == JOIN_SEMI ? j->matched[at] : !j->matched[at];
        if (kind == JOIN_ANTI_NULL_AWARE && j->table->view.rows && j->skip[i] && !j->residual)
            keep = false;
        n += keep;
    }
    probe_in_place(j, b);
    if (keeps_unmatched(j) && n) {
        for (uint32_t i = 0; i < c->build_cols; i++)
            j->all[c->probe_cols + i] = column_null(c->build_types[i], b->rows, &j->op.ar);
    }
    return deliver(j, b->rows, j->sel, n, err);
}

/* No residual and one match at most: the batch stays in place. */
static enum op_status push_unique(struct join_op *j, const struct batch *b, struct error *err)
{
    enum join_kind kind = j->op.node->join_kind;
    bool left = keeps_unmatched(j);
    uint32_t *row_at = arena_alloc(&j->op.ar, (b->rows + 1) * sizeof *row_at), n = 0;
    if (b->sel || left)
        memset(row_at, left ? 0xff : 0, b->rows * sizeof *row_at);
    bool missed = false;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        uint32_t at = live(b, i), row = j->head[i];
        bool hit = row != JOIN_NONE;
        missed |= !hit;
        row_at[at] = hit || left ? row : 0;
        j->sel[n] = (uint16_t)at;
        n += hit || left;
        if (hit && j->build_matched)
            j->build_matched[row] = 1;
        if (hit && kind == JOIN_SINGLE && j->table->next[row])
            return error_set(err, ERR_SCALAR_SUBQUERY_ROWS, NULL), OP_ERROR;
    }
    if (n == 0)
        return OP_MORE;
    probe_in_place(j, b);
    build_in_place(j, row_at, b->rows, left && (missed || b->sel));
    return deliver(j, b->rows, j->sel, n, err);
}

/* Unique keys with a residual, inner: in place too. */
static enum op_status push_unique_residual(struct join_op *j, const struct batch *b, struct error *err)
{
    uint32_t *row_at = arena_zalloc(&j->op.ar, (b->rows + 1) * sizeof *row_at), n = 0;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        uint32_t at = live(b, i);
        if (j->head[i] == JOIN_NONE)
            continue;
        row_at[at] = j->head[i];
        j->sel[n++] = (uint16_t)at;
    }
    if (n == 0)
        return OP_MORE;
    probe_in_place(j, b);
    build_in_place(j, row_at, b->rows, false);
    struct batch pairs = {.rows = b->rows, .sel = j->sel, .sel_count = n, .cols = j->all,
                          .col_count = j->code->probe_cols + j->code->build_cols};
    uint32_t kept;
    if (program_filter(j->residual, &pairs, j->sel2, &kept, err))
        return OP_ERROR;
    return deliver(j, b->rows, j->sel2, kept, err);
}

static enum op_status push_keyed(struct join_op *j, const struct batch *b, struct error *err)
{
    enum join_kind kind = j->op.node->join_kind;
    const struct join_table *t = j->table;
    if (find_heads(j, b, err))
        return OP_ERROR;
    if (!j->residual && passes_probe(j) && (!t->has_dups || kind == JOIN_SINGLE))
        return push_unique(j, b, err);
    if (j->residual && kind == JOIN_INNER && !t->has_dups)
        return push_unique_residual(j, b, err);
    memset(j->matched, 0, b->rows);
    enum op_status st = OP_MORE;
    if (!j->residual && !passes_probe(j)) {
        for (uint32_t i = 0; i < b->sel_count; i++)
            j->matched[live(b, i)] = j->head[i] != JOIN_NONE;
    } else {
        st = expand(j, b, err);
    }
    return st == OP_MORE ? rest_of_probe(j, b, t->has_null_key, err) : st;
}

/* ---- without keys, or keys that cannot be looked up: every pair is a candidate ---- */

static struct column build_const(const struct join_op *j, uint32_t col, uint32_t row, uint32_t rows, struct arena *ar)
{
    const struct column *c = &j->table->view.cols[col];
    struct column v = *c;
    if (type_is_nested(c->type)) {
        uint32_t *idx = arena_alloc(ar, (rows + 1) * sizeof *idx);
        for (uint32_t i = 0; i < rows; i++)
            idx[i] = row;
        return column_gather(c, idx, rows, ar);
    }
    v.kind = COL_CONST;
    v.rows = rows;
    v.data = (const char *)c->data + (size_t)row * phys_bytes(c->phys);
    v.nulls = c->nulls ? c->nulls + row : NULL;
    return v;
}

/* Null-aware NOT IN with a residual: rows whose keys equal this build row's, or where either is null. */
static uint32_t null_aware_candidates(const struct join_op *j, const struct batch *b, uint32_t row, uint16_t *sel)
{
    const struct join_table *t = j->table;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        bool yes = t->skip[row] || j->skip[i] ||
                   keys_eq(&j->code->ks, t->keys + (size_t)row * t->words, j->keys + (size_t)i * t->words);
        sel[n] = (uint16_t)live(b, i);
        n += yes;
    }
    return n;
}

static enum op_status one_build_row(struct join_op *j, const struct batch *b, uint32_t row, struct error *err)
{
    const struct join_code *c = j->code;
    arena_reset(&j->op.ar); /* of the row before */
    for (uint32_t i = 0; i < c->build_cols; i++) {
        if (c->need[c->probe_cols + i])
            j->all[c->probe_cols + i] = build_const(j, i, row, b->rows, &j->op.ar);
    }
    struct batch pairs = {.rows = b->rows, .sel = b->sel, .sel_count = b->sel_count, .cols = j->all,
                          .col_count = c->probe_cols + c->build_cols};
    if (c->key_count) {
        pairs.sel = j->sel;
        pairs.sel_count = null_aware_candidates(j, b, row, j->sel);
        if (pairs.sel_count == 0)
            return OP_MORE;
    }
    const uint16_t *sel = pairs.sel;
    uint32_t kept = pairs.sel_count;
    if (j->residual) {
        if (program_filter(j->residual, &pairs, j->sel2, &kept, err))
            return OP_ERROR;
        sel = j->sel2;
    }
    for (uint32_t i = 0; i < kept; i++) {
        if (note_match(j, sel ? sel[i] : i, row, err))
            return OP_ERROR;
    }
    return passes_probe(j) ? deliver(j, b->rows, sel, kept, err) : OP_MORE;
}

/* Few probe rows, many build rows: one probe row against windows of the build. */
static enum op_status one_probe_row(struct join_op *j, const struct batch *b, uint32_t at, struct error *err)
{
    const struct join_table *t = j->table;
    uint32_t most = batch_rows(), n;
    for (uint32_t from = 0; from < t->view.rows; from += n) {
        n = t->view.rows - from < most ? t->view.rows - from : most;
        for (uint32_t i = 0; i < n; i++) {
            j->pair_probe[i] = at;
            j->pair_build[i] = from + i;
        }
        enum op_status st = do_pairs(j, b, n, err);
        if (st != OP_MORE)
            return st;
        if (task_cancelled(j->op.task)) {
            op_cancelled(err);
            return OP_ERROR;
        }
    }
    return OP_MORE;
}

static enum op_status push_all_pairs(struct join_op *j, const struct batch *b, struct error *err)
{
    const struct join_table *t = j->table;
    enum op_status st = OP_MORE;
    memset(j->matched, 0, b->rows);
    memset(j->skip, 0, b->sel_count);
    if (j->code->key_count) { /* encodes the keys for null_aware_candidates */
        if (exprs_eval(&j->probe_keys, b, j->key_cols, err))
            return OP_ERROR;
        keys_encode(&j->code->ks, j->key_cols, b->sel, b->sel_count, j->keys, j->skip, j->code->null_safe, &j->op.ar);
    }
    if (!j->residual && !j->code->key_count && !passes_probe(j)) {
        if (t->view.rows)
            memset(j->matched, 1, b->rows);
    } else if (b->sel_count < 32 && t->view.rows > b->sel_count && !j->code->key_count) {
        for (uint32_t i = 0; i < b->sel_count && st == OP_MORE; i++)
            st = one_probe_row(j, b, live(b, i), err);
    } else {
        probe_in_place(j, b);
        for (uint32_t row = 0; row < t->view.rows && st == OP_MORE; row++) {
            st = one_build_row(j, b, row, err);
            if ((row & 63) == 63 && task_cancelled(j->op.task)) {
                op_cancelled(err);
                return OP_ERROR;
            }
        }
    }
    return st == OP_MORE ? rest_of_probe(j, b, false, err) : st;
}

static enum op_status join_push(struct op *op, struct batch *b, struct error *err)
{
    struct join_op *j = (struct join_op *)op;
    enum join_kind kind = op->node->join_kind;
    const struct join_table *t = j->table;
    if (t->view.rows == 0 && (kind == JOIN_INNER || kind == JOIN_SEMI || kind == JOIN_RIGHT))
        return OP_DONE;
    bool null_aware_residual = kind == JOIN_ANTI_NULL_AWARE && j->residual;
    if (kind == JOIN_ANTI_NULL_AWARE && !j->residual && t->has_null_key)
        return OP_DONE;
    need_scratch(j);
    arena_reset(&op->ar);
    return j->code->key_count == 0 || null_aware_residual ? push_all_pairs(j, b, err) : push_keyed(j, b, err);
}

/* RIGHT and FULL: build rows that nobody matched. */
static enum op_status join_finish(struct op *op, struct error *err)
{
    struct join_op *j = (struct join_op *)op;
    enum join_kind kind = op->node->join_kind;
    const struct join_code *c = j->code;
    uint32_t rows = j->table->view.rows, from = j->finish_at;
    if ((kind != JOIN_RIGHT && kind != JOIN_FULL) || from >= rows)
        return OP_DONE;
    need_scratch(j);
    arena_reset(&op->ar);
    uint32_t n = rows - from < batch_rows() ? rows - from : batch_rows(), kept = 0;
    j->finish_at += n;
    for (uint32_t i = 0; i < n; i++) {
        j->sel[kept] = (uint16_t)i;
        kept += !j->build_matched[from + i];
    }
    if (kept == 0)
        return OP_MORE;
    for (uint32_t i = 0; i < c->probe_cols; i++)
        j->all[i] = column_null(op->nc->in_types[i], n, &op->ar);
    struct batch window;
    sealed_window(&j->table->view, from, n, j->all + c->probe_cols, &window, &op->ar);
    return deliver(j, n, j->sel, kept, err);
}

static void join_close(struct op *op)
{
    struct join_op *j = (struct join_op *)op;
    if (j->joined_build)
        shared_build_leave(j->code->shared, op);
    j->joined_build = false;
    if (j->code && !j->code->shared)
        join_table_fini(&j->own);
    free(j->build_matched);
    j->build_matched = NULL;
    account_release(&op->account, j->build_matched_bytes);
    j->build_matched_bytes = 0;
}

static void join_fini(struct op *op)
{
    struct join_op *j = (struct join_op *)op;
    exprs_fini(&j->probe_keys);
    exprs_fini(&j->build_keys);
    expr_state_free(j->residual);
    free(j->key_cols);
    free(j->all);
    free(j->out);
    free(j->keys);
    free(j->hashes);
    free(j->skip);
    free(j->matched);
    free(j->head);
    free(j->pair_probe);
    free(j->pair_build);
    free(j->sel);
    free(j->sel2);
}

const struct op_vtable op_join = {
    .name = "HashJoin", .state_bytes = sizeof(struct join_op), .compile = join_compile, .free_code = join_free_code,
    .open = join_open, .prepare = join_prepare, .push = join_push, .finish = join_finish, .close = join_close,
    .fini = join_fini,
};

/* ---- the build side that runs in the task: the end of its chain ---- */

static int build_open(struct op *op, struct error *err)
{
    (void)err;
    struct join_op *j = (struct join_op *)op->peer;
    const struct join_code *c = op->nc->priv;
    j->builder = xcalloc(1, sizeof *j->builder);
    builder_init(j->builder, c->build_cols, c->build_types, &op->account);
    return 0;
}

static enum op_status build_push(struct op *op, struct batch *b, struct error *err)
{
    struct join_op *j = (struct join_op *)op->peer;
    return builder_append(j->builder, b, err) ? OP_ERROR : OP_MORE;
}

static enum op_status build_finish(struct op *op, struct error *err)
{
    struct join_op *j = (struct join_op *)op->peer;
    struct sealed *run = builder_seal(j->builder);
    if (run)
        join_table_add(&j->own, run);
    return join_table_build(&j->own, &j->build_keys, err) ? OP_ERROR : OP_DONE;
}

static void build_close(struct op *op)
{
    struct join_op *j = (struct join_op *)op->peer;
    /* the run in the table is charged to this account, which goes first */
    if (j->code && !j->code->shared)
        join_table_fini(&j->own);
    if (j->builder) {
        builder_fini(j->builder);
        free(j->builder);
        j->builder = NULL;
    }
}

const struct op_vtable op_join_build = {
    .name = "JoinBuild", .state_bytes = sizeof(struct join_build_op), .open = build_open, .push = build_push,
    .finish = build_finish, .close = build_close,
};
