/*
 * Hash aggregation. A batch becomes one group row per live row, then every aggregate updates its states
 * column by column.
 *
 * How rows find their group, cheapest first: no keys: one row for all; keys that are dictionary codes or one
 * integer of small range: an array from code to group (`direct`), filled on first sight; otherwise the hash
 * table of groups.h.
 *
 * A partial aggregation that does not reduce gives up: it hands out what it has and turns every further row
 * into a state of its own. One whose table is full but reduces hands out the table and starts a new one.
 */
#include <stdlib.h>

#include "common/expr/agg_state.h"
#include "common/expr/program.h"
#include "executor/op/groups.h"
#include "executor/op/op.h"

enum {
    PARTIAL_LOOK = 1 << 14,       /* rows after which a partial aggregation first judges its reduction */
    PARTIAL_SMALL = 1 << 14,      /* groups of a partial table that stays in the second cache: enough for clustered keys */
    PARTIAL_GROUPS = 1 << 17,     /* groups that a partial table holds at most */
    DIRECT_MAX = 1 << 16,
};

struct one_agg {
    const struct plan_agg *plan;
    const struct agg_ops *ops;
    uint32_t offset;          /* of the state in the group row */
    uint32_t arg_at;          /* first argument in the list of all, when there is no filter */
    uint32_t partial_at;      /* first partial column, in input (FINAL) or output (PARTIAL) */
    uint32_t partial_count;
    bool has_filter;
    const struct program *filter;
    struct exprs args;        /* of its own when there is a filter */
    bool dedup;
    struct key_spec dedup_key; /* group pointer, arguments */
};

struct agg_code {
    struct key_spec ks;
    struct exprs all;         /* keys, then arguments of aggregates without a filter */
    uint32_t key_count, agg_count, state_bytes, col_count;
    uint32_t col_max;         /* columns of any list at most */
    enum agg_mode mode;
    bool any_dedup;
    struct one_agg *aggs;
    const struct type **partial_types; /* keys, then partial columns */
    uint32_t partial_cols;
};

struct aggregate_op {
    struct op op;
    const struct agg_code *code;
    struct exprs_state all;
    struct expr_state **filters;
    struct exprs_state *filter_args;
    struct groups groups;
    struct groups *dedup;      /* per aggregate, those that dedup */
    struct column *cols, *out; /* keys and arguments; output */
    char *one;                 /* the row without keys */
    struct arena one_ar;
    size_t one_bytes;          /* charged for one_ar */
    uint64_t *keys, *hashes;   /* of a batch */
    char **rows;
    uint16_t *sel;
    uint8_t *fresh;
    /* direct map */
    char **direct;
    uint64_t dict_ids[4];
    uint32_t direct_used;      /* entries that may be set */
    int64_t direct_base;
    enum { DIRECT_NONE, DIRECT_DICT, DIRECT_INT, DIRECT_OFF } direct_kind;
    uint32_t direct_misses;
    /* partial */
    uint64_t rows_seen;
    bool gave_up;
    /* output */
    bool emitting;
    uint32_t part;
    const struct group_chunk *chunk;
    uint32_t chunk_at;
    /* what left: runs of partial rows by partition, in the order they left */
    struct evicted {
        struct sealed **runs;
        uint32_t count, cap;
    } evicted[GROUP_PARTS];
};

/* ---- compiling ---- */

static int compile_dedup(struct node_code *nc, struct one_agg *a, struct error *err)
{
    const struct agg_spec *spec = &a->plan->spec;
    const struct type **types = ARENA_ARRAY(&nc->stage->ar, const struct type *, spec->arg_count + 1);
    types[0] = type_of(TYPE_BIGINT);
    for (uint32_t i = 0; i < spec->arg_count; i++)
        types[i + 1] = spec->arg_types[i];
    a->dedup = true;
    return key_spec_init(&nc->stage->ar, spec->arg_count + 1, types, NULL, NULL, &a->dedup_key, err);
}

static int compile_agg(struct node_code *nc, struct agg_code *c, struct one_agg *a, struct expr **list, uint32_t *at,
                       struct error *err)
{
    const struct plan_agg *p = a->plan;
    if (p->spec.arg_count == 0)
        return error_set(err, ERR_INTERNAL, "message", "an aggregate without arguments", NULL);
    a->ops = agg_ops(&p->spec);
    a->offset = c->state_bytes;
    c->state_bytes += a->ops->state_bytes;
    const struct type *partial[AGG_PARTIAL_MAX];
    a->partial_at = c->partial_cols;
    a->partial_count = agg_partial_types(&p->spec, partial);
    for (uint32_t i = 0; i < a->partial_count; i++)
        c->partial_types[c->partial_cols++] = partial[i];
    if (c->mode == AGG_MODE_FINAL)
        return 0;
    if (p->distinct)
        TRY(compile_dedup(nc, a, err));
    c->any_dedup |= a->dedup;
    if (p->filter) {
        struct expr *f = p->filter;
        a->has_filter = true;
        TRY(program_compile(&nc->stage->ar, &nc->stage->plan->cx, &f, 1, nc->in_types, nc->in_count, &a->filter, err));
        return exprs_compile(nc->stage, p->args, p->spec.arg_count, nc->in_types, nc->in_count, &a->args, err);
    }
    a->arg_at = *at;
    for (uint32_t i = 0; i < p->spec.arg_count; i++)
        list[(*at)++] = p->args[i];
    return 0;
}

static int aggregate_compile(struct node_code *nc, struct error *err)
{
    const struct pnode *n = nc->node;
    struct arena *ar = &nc->stage->ar;
    struct agg_code *c = ARENA_NEW(ar, struct agg_code);
    nc->priv = c;
    c->mode = n->agg_mode;
    c->key_count = n->key_count;
    c->agg_count = n->agg_count;
    c->aggs = ARENA_ARRAY(ar, struct one_agg, n->agg_count);
    c->partial_types = ARENA_ARRAY(ar, const struct type *, n->key_count + n->agg_count * AGG_PARTIAL_MAX);
    const struct type **types = ARENA_ARRAY(ar, const struct type *, n->key_count);
    bool *nullable = ARENA_ARRAY(ar, bool, n->key_count);
    uint32_t most = n->key_count, at = 0;
    for (uint32_t i = 0; i < n->agg_count; i++)
        most += n->aggs[i].spec.arg_count;
    struct expr **list = ARENA_ARRAY(ar, struct expr *, most);
    for (uint32_t i = 0; i < n->key_count; i++) {
        if (c->mode == AGG_MODE_FINAL) {
            const struct field *f = &n->inputs[0]->out.fields[i];
            types[i] = f->type;
            nullable[i] = f->nullable;
        } else {
            types[i] = n->keys[i]->type;
            nullable[i] = n->keys[i]->nullable;
            list[at++] = n->keys[i];
        }
        c->partial_types[c->partial_cols++] = types[i];
    }
    TRY(key_spec_init(ar, n->key_count, types, NULL, nullable, &c->ks, err));
    for (uint32_t i = 0; i < n->agg_count; i++) {
        c->aggs[i].plan = &n->aggs[i];
        TRY(compile_agg(nc, c, &c->aggs[i], list, &at, err));
    }
    if (c->mode == AGG_MODE_FINAL && nc->in_count != c->partial_cols)
        return error_setf(err, ERR_INTERNAL, "message", "a final aggregate of %u columns, not %u", nc->in_count,
                          c->partial_cols);
    c->col_count = at;
    c->col_max = most > c->partial_cols ? most : c->partial_cols;
    return exprs_compile(nc->stage, list, at, nc->in_types, nc->in_count, &c->all, err);
}

static int aggregate_open(struct op *op, struct error *err)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    const struct agg_code *c = a->code = op->nc->priv;
    exprs_open(&a->all, &c->all, op->task);
    if (!a->cols) {
        a->cols = xcalloc(c->col_max + 1, sizeof *a->cols);
        a->out = xcalloc(c->col_max + op->node->out.count + 1, sizeof *a->out);
        a->filters = xcalloc(c->agg_count + 1, sizeof *a->filters);
        a->filter_args = xcalloc(c->agg_count + 1, sizeof *a->filter_args);
        a->dedup = xcalloc(c->agg_count + 1, sizeof *a->dedup);
        if (c->key_count == 0)
            a->one = xcalloc(1, c->state_bytes + 8);
        if (c->key_count || c->any_dedup) {
            uint32_t words = c->ks.words;
            for (uint32_t i = 0; i < c->agg_count; i++)
                words = c->aggs[i].dedup_key.words > words ? c->aggs[i].dedup_key.words : words;
            a->keys = xmalloc((size_t)words * 8 * BATCH_ROWS + 8);
            a->hashes = xmalloc(8 * BATCH_ROWS);
        }
        groups_init(&a->groups, &c->ks, c->state_bytes, &op->account);
        for (uint32_t i = 0; i < c->agg_count; i++) {
            if (c->aggs[i].dedup)
                groups_init(&a->dedup[i], &c->aggs[i].dedup_key, 0, &op->account);
        }
    }
    if (a->one)
        memset(a->one, 0, c->state_bytes);
    for (uint32_t i = 0; i < c->agg_count; i++) {
        const struct one_agg *g = &c->aggs[i];
        if (!g->has_filter)
            continue;
        exprs_open(&a->filter_args[i], &g->args, op->task);
        a->filters[i] = task_expr_state(op->task, g->filter, a->filters[i]);
    }
    a->direct_kind = DIRECT_NONE;
    a->direct_misses = 0;
    a->rows_seen = 0;
    a->gave_up = a->emitting = false;
    a->part = 0;
    a->chunk = NULL;
    a->chunk_at = 0;
    (void)err;
    return 0;
}

/* ---- rows to groups ---- */

static void scratch_rows(struct aggregate_op *a)
{
    if (!a->rows) {
        a->rows = xmalloc(BATCH_ROWS * sizeof *a->rows);
        a->sel = xmalloc(BATCH_ROWS * sizeof *a->sel);
        a->fresh = xmalloc(BATCH_ROWS);
    }
}

static void direct_clear(struct aggregate_op *a)
{
    if (a->direct && a->direct_used)
        memset(a->direct, 0, a->direct_used * sizeof *a->direct);
    a->direct_used = 0;
}

/* Codes of dictionary keys as one number; false: these keys do not suit. */
static bool dict_codes(struct aggregate_op *a, const struct batch *b, uint32_t *codes)
{
    uint32_t keys = a->code->key_count;
    uint64_t product = 1, ids[4] = {0};
    if (keys > ARRAY_LEN(ids))
        return false;
    for (uint32_t k = 0; k < keys; k++) {
        const struct column *col = &a->cols[k];
        if (col->kind != COL_DICT || col->dict_id == 0)
            return false;
        ids[k] = col->dict_id;
        product *= col->dict_rows;
        if (product > DIRECT_MAX || product > (uint64_t)b->sel_count * 16)
            return false;
    }
    if (a->direct_kind != DIRECT_DICT || memcmp(ids, a->dict_ids, sizeof ids) != 0) {
        direct_clear(a);
        a->direct_kind = DIRECT_DICT;
        memcpy(a->dict_ids, ids, sizeof ids);
    }
    a->direct_used = (uint32_t)product;
    for (uint32_t k = 0; k < keys; k++) {
        const struct column *col = &a->cols[k];
        uint32_t size = col->dict_rows;
        for (uint32_t i = 0; i < b->sel_count; i++) {
            uint32_t code = col->codes[b->sel ? b->sel[i] : i];
            codes[i] = k == 0 ? code : codes[i] * size + code;
        }
    }
    return true;
}

static int64_t int_at(const struct column *col, uint32_t at)
{
    return col->phys == PHYS_I32 ? ((const int32_t *)col->data)[at] : ((const int64_t *)col->data)[at];
}

static bool int_codes(struct aggregate_op *a, const struct batch *b, uint32_t *codes)
{
    const struct column *col = &a->cols[0];
    if (a->direct_kind == DIRECT_OFF || a->code->key_count != 1 || col->kind != COL_FLAT || col->nulls ||
        (col->phys != PHYS_I32 && col->phys != PHYS_I64) || b->sel_count < 64)
        return false;
    int64_t lo = INT64_MAX, hi = INT64_MIN;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        int64_t v = int_at(col, b->sel ? b->sel[i] : i);
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    if (a->direct_kind != DIRECT_INT) {
        direct_clear(a);
        a->direct_base = lo & ~(int64_t)(DIRECT_MAX - 1);
        a->direct_kind = DIRECT_INT;
    }
    if (lo < a->direct_base || (uint64_t)hi - (uint64_t)a->direct_base >= DIRECT_MAX) {
        if (++a->direct_misses > 4) {
            direct_clear(a);
            a->direct_kind = DIRECT_OFF;
        }
        return false;
    }
    if ((uint64_t)(hi - a->direct_base) >= a->direct_used)
        a->direct_used = (uint32_t)(hi - a->direct_base) + 1;
    for (uint32_t i = 0; i < b->sel_count; i++)
        codes[i] = (uint32_t)(int_at(col, b->sel ? b->sel[i] : i) - a->direct_base);
    return true;
}

static int hashed_rows(struct aggregate_op *a, const struct column *keys, const uint16_t *sel, uint32_t n,
                       struct error *err)
{
    keys_encode(&a->code->ks, keys, sel, n, a->keys, NULL, NULL, &a->op.ar);
    keys_hash(&a->code->ks, a->keys, n, a->hashes);
    return groups_find(&a->groups, a->keys, a->hashes, n, a->rows, NULL, err);
}

/* Sets a->rows for the live rows of b, whose keys are in a->cols. */
static int find_groups(struct aggregate_op *a, const struct batch *b, struct error *err)
{
    uint32_t *codes = arena_alloc(&a->op.ar, (b->sel_count + 1) * sizeof *codes);
    if (!dict_codes(a, b, codes) && !int_codes(a, b, codes))
        return hashed_rows(a, a->cols, b->sel, b->sel_count, err);
    if (!a->direct)
        a->direct = xcalloc(DIRECT_MAX, sizeof *a->direct);
    bool all = true;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        a->rows[i] = a->direct[codes[i]];
        all &= a->rows[i] != NULL;
    }
    if (all)
        return 0;
    TRY(hashed_rows(a, a->cols, b->sel, b->sel_count, err));
    for (uint32_t i = 0; i < b->sel_count; i++)
        a->direct[codes[i]] = a->rows[i];
    return 0;
}

/* ---- updating ---- */

/* Keeps the rows whose (group, arguments) are new; narrows sel, rows and n. */
static int dedup(struct aggregate_op *a, uint32_t which, const struct column *args, const struct batch *b,
                 struct agg_run *r, struct error *err)
{
    const struct one_agg *g = &a->code->aggs[which];
    uint32_t n = r->n, arg_count = g->plan->spec.arg_count;
    struct column *cols = ARENA_ARRAY(&a->op.ar, struct column, arg_count + 1);
    int64_t *group = arena_alloc(&a->op.ar, (b->rows + 1) * sizeof *group);
    for (uint32_t i = 0; i < n; i++)
        group[r->sel ? r->sel[i] : i] = r->rows ? (int64_t)(intptr_t)r->rows[i] : 0;
    cols[0] = (struct column){.type = type_of(TYPE_BIGINT), .phys = PHYS_I64, .rows = b->rows, .data = group};
    memcpy(cols + 1, args, arg_count * sizeof *args);
    keys_encode(&g->dedup_key, cols, r->sel, n, a->keys, NULL, NULL, &a->op.ar);
    keys_hash(&g->dedup_key, a->keys, n, a->hashes);
    char **found = arena_alloc(&a->op.ar, (n + 1) * sizeof *found);
    TRY(groups_find(&a->dedup[which], a->keys, a->hashes, n, found, a->fresh, err));
    TRY(groups_charge(&a->dedup[which], err));
    uint16_t *sel = arena_alloc(&a->op.ar, (n + 1) * sizeof *sel);
    char **rows = arena_alloc(&a->op.ar, (n + 1) * sizeof *rows);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        sel[kept] = r->sel ? r->sel[i] : (uint16_t)i;
        rows[kept] = r->rows ? r->rows[i] : NULL;
        kept += a->fresh[i];
    }
    r->sel = sel;
    r->rows = r->rows ? rows : NULL;
    r->n = kept;
    return 0;
}

static int update_filtered(struct aggregate_op *a, uint32_t which, const struct batch *b, struct agg_run *r,
                           struct column *args, struct error *err)
{
    const struct one_agg *g = &a->code->aggs[which];
    uint16_t *sel = arena_alloc(&a->op.ar, (b->rows + 1) * sizeof *sel);
    uint32_t n;
    TRY(program_filter(a->filters[which], b, sel, &n, err));
    struct batch sub = *b;
    sub.sel = sel;
    sub.sel_count = n;
    if (n > 0)
        TRY(exprs_eval(&a->filter_args[which], &sub, args, err));
    if (r->rows) {
        char **rows = arena_alloc(&a->op.ar, (n + 1) * sizeof *rows);
        for (uint32_t i = 0, k = 0; k < n; i++) {
            if ((b->sel ? b->sel[i] : i) == sel[k])
                rows[k++] = r->rows[i];
        }
        r->rows = rows;
    }
    r->sel = sel;
    r->n = n;
    (void)g;
    return 0;
}

/* All aggregates over the live rows of b; rows NULL: into `one`. */
static int update(struct aggregate_op *a, const struct batch *b, char *const *rows, char *one, uint32_t offset,
                  struct arena *ar, struct error *err)
{
    const struct agg_code *c = a->code;
    for (uint32_t i = 0; i < c->agg_count; i++) {
        const struct one_agg *g = &c->aggs[i];
        struct agg_run r = {.spec = &g->plan->spec, .ar = ar, .scratch = &a->op.ar, .sel = b->sel, .n = b->sel_count,
                            .rows = rows, .one = one, .offset = offset + g->offset, .err = err};
        if (c->mode == AGG_MODE_FINAL) {
            TRY(g->ops->merge(&r, b->cols + g->partial_at));
            continue;
        }
        struct column *args = a->cols + g->arg_at;
        if (g->has_filter) {
            args = ARENA_ARRAY(&a->op.ar, struct column, g->plan->spec.arg_count);
            TRY(update_filtered(a, i, b, &r, args, err));
        }
        if (g->dedup && r.n > 0)
            TRY(dedup(a, i, args, b, &r, err));
        if (r.n > 0)
            TRY(g->ops->update(&r, args));
    }
    return 0;
}

/* States allocate in the arena of their partition: rows of one partition at a time would cost too much, so a
 * batch's go to the arena of partition 0 when nothing can be evicted, and by partition otherwise. */
static struct arena *state_arena(struct aggregate_op *a)
{
    return &a->groups.parts[0].ar;
}

/* ---- output ---- */

/* One batch of the next groups; false when there are no more. */
static uint32_t next_rows(struct aggregate_op *a, uint32_t part_end)
{
    while (a->part < part_end) {
        if (!a->chunk)
            a->chunk = a->groups.parts[a->part].first;
        while (a->chunk && a->chunk_at == a->chunk->count) {
            a->chunk = a->chunk->next;
            a->chunk_at = 0;
        }
        if (!a->chunk) {
            a->part++;
            a->chunk_at = 0;
            continue;
        }
        uint32_t n = 0, most = batch_rows();
        while (n < most && a->chunk) {
            while (n < most && a->chunk_at < a->chunk->count)
                a->rows[n++] = (char *)(uintptr_t)a->chunk->rows + (size_t)a->chunk_at++ * a->groups.row_bytes;
            if (n < most) {
                a->chunk = a->chunk->next;
                a->chunk_at = 0;
            }
        }
        if (!a->chunk)
            a->part++;
        return n;
    }
    return 0;
}

/* States (or results) of rows as columns behind the keys. */
static int emit_states(struct aggregate_op *a, char *const *rows, char *one, uint32_t offset, uint32_t n, bool partial,
                       struct column *out, struct error *err)
{
    const struct agg_code *c = a->code;
    uint32_t at = c->key_count;
    for (uint32_t i = 0; i < c->agg_count; i++) {
        const struct one_agg *g = &c->aggs[i];
        struct agg_run r = {.spec = &g->plan->spec, .ar = &a->op.ar, .scratch = &a->op.ar, .n = n, .rows = rows,
                            .one = one, .offset = offset + g->offset, .err = err};
        if (partial) {
            TRY(g->ops->emit_partial(&r, out + at));
            at += g->partial_count;
        } else {
            TRY(g->ops->emit(&r, out + at));
            at++;
        }
    }
    return 0;
}

static uint32_t out_columns(const struct aggregate_op *a, bool partial)
{
    return partial ? a->code->partial_cols : a->code->key_count + a->code->agg_count;
}

static int groups_batch(struct aggregate_op *a, uint32_t n, bool partial, struct batch *ret, struct error *err)
{
    keys_decode(&a->code->ks, a->rows, GROUP_KEY_AT, n, a->out, &a->op.ar);
    TRY(emit_states(a, a->rows, NULL, a->groups.state_at, n, partial, a->out, err));
    *ret = (struct batch){.rows = n, .sel_count = n, .cols = a->out, .col_count = out_columns(a, partial)};
    return 0;
}

static void restart_output(struct aggregate_op *a)
{
    a->part = 0;
    a->chunk = NULL;
    a->chunk_at = 0;
}

/* Pushes every group and empties the table. */
static enum op_status flush(struct aggregate_op *a, struct error *err)
{
    restart_output(a);
    enum op_status st = OP_MORE;
    for (uint32_t n; st == OP_MORE && (n = next_rows(a, GROUP_PARTS)) > 0;) {
        struct batch out;
        arena_reset(&a->op.ar);
        if (groups_batch(a, n, true, &out, err))
            return OP_ERROR;
        st = op_push(&a->op, &out, err);
    }
    direct_clear(a);
    groups_clear(&a->groups);
    restart_output(a);
    return st;
}

/* Every row becomes a state of its own. */
static enum op_status pass_on(struct aggregate_op *a, const struct batch *b, struct error *err)
{
    uint32_t n = b->sel_count, width = a->code->state_bytes;
    char *states = arena_zalloc(&a->op.ar, (size_t)n * width + 8);
    for (uint32_t i = 0; i < n; i++)
        a->rows[i] = states + (size_t)i * width;
    if (update(a, b, a->rows, NULL, 0, &a->op.ar, err) || emit_states(a, a->rows, NULL, 0, n, true, a->out, err))
        return OP_ERROR;
    uint32_t *idx = NULL;
    if (b->sel) {
        idx = arena_alloc(&a->op.ar, (n + 1) * sizeof *idx);
        for (uint32_t i = 0; i < n; i++)
            idx[i] = b->sel[i];
    }
    for (uint32_t k = 0; k < a->code->key_count; k++)
        a->out[k] = idx ? column_gather(&a->cols[k], idx, n, &a->op.ar) : a->cols[k];
    struct batch out = {.rows = n, .sel_count = n, .cols = a->out, .col_count = a->code->partial_cols};
    return op_push(&a->op, &out, err);
}

/*
 * A partial table that is full, or that does not reduce. Small tables are handed out when they reduce well
 * (neighbouring rows share their groups); otherwise they may grow, as later rows may meet older groups.
 */
static enum op_status judge_partial(struct aggregate_op *a, struct error *err)
{
    uint64_t groups = a->groups.count, rows = a->rows_seen;
    bool full = groups >= PARTIAL_GROUPS || (groups >= PARTIAL_SMALL && rows >= groups * 3);
    bool useless = rows >= PARTIAL_LOOK && groups * 10 >= rows * 8;
    if (!full && !(useless && groups >= PARTIAL_SMALL))
        return OP_MORE;
    if (useless)
        a->gave_up = true;
    a->rows_seen = 0;
    return flush(a, err);
}

static enum op_status aggregate_push(struct op *op, struct batch *b, struct error *err)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    const struct agg_code *c = a->code;
    arena_reset(&op->ar);
    if (c->mode == AGG_MODE_FINAL)
        memcpy(a->cols, b->cols, c->key_count * sizeof *a->cols);
    else if (exprs_eval(&a->all, b, a->cols, err))
        return OP_ERROR;
    if (c->key_count == 0) {
        if (c->any_dedup)
            scratch_rows(a);
        if (update(a, b, NULL, a->one, 0, &a->one_ar, err))
            return OP_ERROR;
        if (a->one_ar.bytes > a->one_bytes) {
            if (account_reserve(&op->account, a->one_ar.bytes - a->one_bytes, err))
                return OP_ERROR;
            a->one_bytes = a->one_ar.bytes;
        }
        return OP_MORE;
    }
    scratch_rows(a);
    if (a->gave_up)
        return pass_on(a, b, err);
    if (find_groups(a, b, err) || update(a, b, a->rows, NULL, a->groups.state_at, state_arena(a), err) ||
        groups_charge(&a->groups, err))
        return OP_ERROR;
    a->rows_seen += b->sel_count;
    return c->mode == AGG_MODE_PARTIAL ? judge_partial(a, err) : OP_MORE;
}

/* ---- leaving memory and coming back ---- */

/* The groups of one partition become a sealed run of partial rows. */
static int evict_part(struct aggregate_op *a, uint32_t part, struct error *err)
{
    struct builder bd;
    builder_init(&bd, a->code->partial_cols, a->code->partial_types, &a->op.account);
    restart_output(a);
    a->part = part;
    int rc = 0;
    for (uint32_t n; rc == 0 && (n = next_rows(a, part + 1)) > 0;) {
        struct batch out;
        arena_reset(&a->op.ar);
        rc = groups_batch(a, n, true, &out, err);
        if (rc == 0)
            rc = builder_append(&bd, &out, err);
    }
    restart_output(a);
    struct sealed *run = rc == 0 ? builder_seal(&bd) : NULL;
    builder_fini(&bd);
    if (run) {
        struct evicted *e = &a->evicted[part];
        ARRAY_GROW(e->runs, e->count, e->cap);
        e->runs[e->count++] = run;
        direct_clear(a);
        /* what states of other partitions point to lies in the arena of partition 0 */
        struct arena keep = a->groups.parts[part].ar;
        a->groups.parts[part].ar = (struct arena){0};
        groups_reset_part(&a->groups, part);
        a->groups.parts[part].ar = keep;
    }
    return rc;
}

static bool aggregate_evict(struct op *op, struct error *err)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    if (a->code->key_count == 0 || a->code->any_dedup || a->emitting || a->groups.count == 0)
        return false;
    uint32_t best = 0;
    for (uint32_t p = 1; p < GROUP_PARTS; p++) {
        if (a->groups.parts[p].count > a->groups.parts[best].count)
            best = p;
    }
    scratch_rows(a);
    return evict_part(a, best, err) == 0;
}

/* Merges what left of a partition, oldest first, so that first and last hold. */
static int bring_back(struct aggregate_op *a, uint32_t part, struct error *err)
{
    struct evicted *e = &a->evicted[part];
    if (e->count == 0)
        return 0;
    if (a->groups.parts[part].count)
        TRY(evict_part(a, part, err));
    const struct agg_code *c = a->code;
    struct column *cols = xcalloc(c->partial_cols + 1, sizeof *cols);
    int rc = 0;
    for (uint32_t i = 0; i < e->count && rc == 0; i++) {
        struct sealed *s = e->runs[i];
        for (uint32_t at = 0; at < s->rows && rc == 0; at += batch_rows()) {
            struct batch b;
            arena_reset(&a->op.ar);
            uint32_t n = s->rows - at < batch_rows() ? s->rows - at : batch_rows();
            sealed_window(s, at, n, cols, &b, &a->op.ar);
            rc = hashed_rows(a, cols, NULL, n, err);
            for (uint32_t k = 0; k < c->agg_count && rc == 0; k++) {
                const struct one_agg *g = &c->aggs[k];
                struct agg_run r = {.spec = &g->plan->spec, .ar = state_arena(a), .scratch = &a->op.ar, .n = n,
                                    .rows = a->rows, .offset = a->groups.state_at + g->offset, .err = err};
                rc = g->ops->merge(&r, cols + g->partial_at);
            }
        }
    }
    free(cols);
    for (uint32_t i = 0; i < e->count; i++)
        sealed_unref(e->runs[i]);
    e->count = 0;
    restart_output(a);
    return rc ? rc : groups_charge(&a->groups, err);
}

static enum op_status emit_one(struct aggregate_op *a, struct error *err)
{
    bool partial = a->code->mode == AGG_MODE_PARTIAL;
    arena_reset(&a->op.ar);
    if (emit_states(a, NULL, a->one, 0, 1, partial, a->out, err))
        return OP_ERROR;
    struct batch out = {.rows = 1, .sel_count = 1, .cols = a->out, .col_count = out_columns(a, partial)};
    enum op_status st = op_push(&a->op, &out, err);
    return st == OP_ERROR ? st : OP_DONE;
}

static enum op_status aggregate_finish(struct op *op, struct error *err)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    if (a->code->key_count == 0)
        return emit_one(a, err);
    if (!a->emitting) {
        a->emitting = true;
        scratch_rows(a);
        for (uint32_t p = 0; p < GROUP_PARTS; p++) {
            if (bring_back(a, p, err))
                return OP_ERROR;
        }
        restart_output(a);
    }
    uint32_t n = next_rows(a, GROUP_PARTS);
    if (n == 0)
        return OP_DONE;
    struct batch out;
    arena_reset(&op->ar);
    if (groups_batch(a, n, a->code->mode == AGG_MODE_PARTIAL, &out, err))
        return OP_ERROR;
    return op_push(op, &out, err);
}

static void aggregate_close(struct op *op)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    if (!a->cols)
        return;
    direct_clear(a);
    groups_close(&a->groups);
    for (uint32_t i = 0; i < a->code->agg_count; i++)
        groups_close(&a->dedup[i]);
    for (uint32_t p = 0; p < GROUP_PARTS; p++) {
        for (uint32_t i = 0; i < a->evicted[p].count; i++)
            sealed_unref(a->evicted[p].runs[i]);
        a->evicted[p].count = 0;
    }
    arena_reset(&a->one_ar);
    account_release(&op->account, a->one_bytes);
    a->one_bytes = 0;
    if (a->one_ar.bytes > 1 << 16)
        arena_fini(&a->one_ar);
}

static void aggregate_fini(struct op *op)
{
    struct aggregate_op *a = (struct aggregate_op *)op;
    if (!a->cols)
        return;
    for (uint32_t i = 0; i < a->code->agg_count; i++) {
        exprs_fini(&a->filter_args[i]);
        expr_state_free(a->filters[i]);
    }
    for (uint32_t p = 0; p < GROUP_PARTS; p++)
        free(a->evicted[p].runs);
    exprs_fini(&a->all);
    arena_fini(&a->one_ar);
    free(a->cols);
    free(a->out);
    free(a->filters);
    free(a->filter_args);
    free(a->dedup);
    free(a->one);
    free(a->keys);
    free(a->hashes);
    free(a->rows);
    free(a->sel);
    free(a->fresh);
    free(a->direct);
}

const struct op_vtable op_aggregate = {
    .name = "HashAggregate", .state_bytes = sizeof(struct aggregate_op), .compile = aggregate_compile,
    .open = aggregate_open, .push = aggregate_push, .finish = aggregate_finish, .evict = aggregate_evict,
    .close = aggregate_close, .fini = aggregate_fini,
};
