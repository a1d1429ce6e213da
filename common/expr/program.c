/*
 * Programs: unique nodes in topological order, evaluated on demand. See program.h.
 *
 * Each node keeps the result of the current batch together with the selection it was computed under; it is
 * used again when asked for the same selection or a part of the batch's whole selection that contains it.
 * Lazy functions ask for their arguments under sub-selections, everything else under the caller's.
 */
#include "common/expr/program.h"

#include "common/base/account.h"
#include "common/expr/fn.h"

struct step {
    const struct expr *e;
    uint32_t arg_count;
    uint32_t *args;     /* steps */
    bool constant;      /* no columns below: computed once per state and kept CONST */
    bool per_entry;     /* deterministic, cannot raise: may run on the entries of a dictionary */
};

struct program {
    const struct query_ctx *cx;
    uint32_t step_count, step_cap;
    struct step *steps;
    uint32_t out_count;
    uint32_t *outs;
    uint32_t lazy_depth;
};

struct memo {
    uint64_t batch;      /* number of the batch the result belongs to; 0: none */
    bool whole;          /* computed under the batch's own selection */
    struct column col;
    struct column kept;  /* constants: the CONST column */
    bool kept_set;
    uint64_t dict_id;    /* results over dictionary entries, kept across batches */
    struct column dict_result;
    struct arena dict_ar;
    struct kernel_cache cache;
};

struct expr_state {
    const struct program *p;
    struct memo *memos;
    struct arena ar;      /* reset with every batch */
    struct arena const_ar;
    struct account *account; /* what the two take is reserved here, or NULL */
    size_t charged, const_charged;
    struct rng rng;
    uint32_t partition;
    const struct value *params;
    uint64_t batch_no;
    const struct batch *b;
    float *pass_rate;     /* per conjunct: share of rows that pass, moving average */
    uint32_t *order;
};

/* ---- compiling ---- */

static uint32_t add_step(struct arena *ar, struct program *p, const struct expr *e)
{
    struct step s = {.e = e, .arg_count = e->arg_count};
    s.args = ARENA_ARRAY(ar, uint32_t, e->arg_count);
    bool constant = e->kind == EXPR_LITERAL || e->kind == EXPR_PARAM || (e->kind == EXPR_CALL && !(e->fn->flags & FN_RANDOM));
    for (uint32_t i = 0; i < e->arg_count; i++) {
        s.args[i] = add_step(ar, p, e->args[i]);
        constant &= p->steps[s.args[i]].constant;
    }
    s.constant = constant;
    s.per_entry = e->kind == EXPR_CALL && !(e->fn->flags & (FN_RANDOM | FN_LAZY)) && !fn_raises(e);
    bool random = e->kind == EXPR_CALL && (e->fn->flags & FN_RANDOM);
    for (uint32_t i = 0; i < p->step_count && !random; i++) {
        if (expr_eq(p->steps[i].e, e))
            return i;
    }
    ARENA_PUSH(ar, p->steps, p->step_count, p->step_cap, s);
    return p->step_count - 1;
}

int program_compile(struct arena *ar, const struct query_ctx *cx, struct expr *const *exprs, uint32_t count,
                    const struct type *const *input_types, uint32_t input_count, const struct program **ret,
                    struct error *err)
{
    struct program *p = ARENA_NEW(ar, struct program);
    p->cx = cx;
    p->out_count = count;
    p->outs = ARENA_ARRAY(ar, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        p->outs[i] = add_step(ar, p, exprs[i]);
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct expr *e = p->steps[i].e;
        if (e->kind == EXPR_COLUMN && (e->column >= input_count || strcmp(input_types[e->column]->text, e->type->text) != 0))
            return error_setf(err, ERR_INTERNAL, "message", "expression column %u of type %s does not fit its input",
                              e->column, e->type->text);
        if (e->kind == EXPR_OUTER || e->kind == EXPR_SUBQUERY || e->kind == EXPR_AGG)
            return error_setf(err, ERR_INTERNAL, "message", "an expression of kind %d in a physical plan", e->kind);
    }
    *ret = p;
    return 0;
}

struct expr_state *expr_state_new(const struct program *p, uint64_t seed, uint32_t stage, uint32_t partition,
                                  const struct value *params)
{
    struct expr_state *st = xcalloc(1, sizeof *st);
    st->p = p;
    st->memos = xcalloc(p->step_count + 1, sizeof *st->memos);
    st->pass_rate = xcalloc(p->out_count + 1, sizeof *st->pass_rate);
    st->order = xcalloc(p->out_count + 1, sizeof *st->order);
    for (uint32_t i = 0; i < p->out_count; i++) {
        st->order[i] = i;
        st->pass_rate[i] = 1;
    }
    arena_init(&st->ar);
    arena_init(&st->const_ar);
    expr_state_restart(st, seed, stage, partition, params);
    return st;
}

static void forget_constants(struct expr_state *st)
{
    for (uint32_t i = 0; i < st->p->step_count; i++)
        st->memos[i].kept_set = false;
}

void expr_state_restart(struct expr_state *st, uint64_t seed, uint32_t stage, uint32_t partition,
                        const struct value *params)
{
    rng_init(&st->rng, hash_combine(hash_combine(seed, stage), partition));
    st->partition = partition;
    if (st->params || params) { /* values of another launch, maybe at the same place */
        forget_constants(st);
        arena_reset(&st->const_ar);
    }
    st->params = params;
}

void expr_state_charge(struct expr_state *st, struct account *account)
{
    st->account = account;
    st->charged = st->const_charged = 0;
}

void expr_state_rest(struct expr_state *st)
{
    enum { KEEP = 256 << 10 };
    st->account = NULL;
    st->charged = st->const_charged = 0;
    if (st->ar.bytes > KEEP)
        arena_fini(&st->ar);
    if (st->const_ar.bytes > KEEP) {
        forget_constants(st);
        arena_fini(&st->const_ar);
    }
}

static int charge(const struct arena *ar, struct account *account, size_t *charged, struct error *err)
{
    if (account && ar->bytes > *charged) {
        TRY(account_reserve(account, ar->bytes - *charged, err));
        *charged = ar->bytes;
    }
    return 0;
}

int kernel_charge(struct kernel *k)
{
    return charge(k->ar, k->account, k->charged, k->err);
}

int kernel_ask(struct kernel *k, uint64_t bytes)
{
    if (bytes > INT32_MAX) {
        struct buf name = BUF_INIT;
        buf_addf(&name, "`%s`", k->node->fn->name);
        int rc = kernel_raise(k, ERR_INVALID_ARG, "functionName", name.data, "parameter", "the arguments", "message",
                              "the result would pass 2 GiB", NULL);
        buf_fini(&name);
        return rc;
    }
    TRY(kernel_charge(k));
    if (k->account && bytes > 64 << 10) { /* while it is made there are two of it */
        TRY(account_reserve(k->account, bytes * 2, k->err));
        account_release(k->account, bytes * 2);
    }
    return 0;
}

void expr_state_free(struct expr_state *st)
{
    if (!st)
        return;
    for (uint32_t i = 0; i < st->p->step_count; i++) {
        struct kernel_cache *cache = &st->memos[i].cache;
        if (cache->fini)
            cache->fini(cache->data);
        arena_fini(&st->memos[i].dict_ar);
    }
    arena_fini(&st->ar);
    arena_fini(&st->const_ar);
    xfree(st->memos);
    xfree(st->pass_rate);
    xfree(st->order);
    xfree(st);
}

/* ---- evaluating ---- */

/* The rows asked for. whole: the batch's own. */
struct rows {
    const uint16_t *sel; /* NULL: all rows of the batch */
    uint32_t count;
    bool whole;
};

static int eval(struct expr_state *st, uint32_t step, struct rows rows, struct column *ret, struct error *err);

/* Rows of `rows` for which take[r] is set. */
static struct rows narrow(struct expr_state *st, struct rows rows, const uint8_t *take)
{
    uint16_t *sel = arena_alloc(&st->ar, ((size_t)rows.count + 1) * sizeof *sel);
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint16_t r = rows.sel ? rows.sel[i] : (uint16_t)i;
        sel[n] = r;
        n += take[r];
    }
    return (struct rows){sel, n, false};
}

/* true/false/null of a boolean column as 1/0/2 into out. */
static void truth(const struct column *col, struct rows rows, uint8_t *out)
{
    const uint8_t *v = col->data;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t r = rows.sel ? rows.sel[i] : i, at = column_idx(col, r);
        out[r] = col->nulls && col->nulls[at] ? 2 : v[at] != 0;
    }
}

/* AND: arguments in turn, each under the rows that are not false yet. OR alike with true. */
static int eval_and_or(struct expr_state *st, const struct step *s, struct rows rows, struct column *ret, struct error *err)
{
    uint32_t n = st->b->rows;
    uint8_t decisive = strcmp(s->e->fn->name, "or") == 0;
    uint8_t *out = arena_alloc(&st->ar, n + 16), *nulls = arena_zalloc(&st->ar, n + 16);
    uint8_t *t = arena_alloc(&st->ar, n + 16), *open = arena_zalloc(&st->ar, n + 16);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t r = rows.sel ? rows.sel[i] : i;
        out[r] = !decisive;
        open[r] = 1;
    }
    struct rows left = rows;
    bool any_null = false;
    for (uint32_t a = 0; a < s->arg_count && left.count > 0; a++) {
        struct column col;
        TRY(eval(st, s->args[a], left, &col, err));
        truth(&col, left, t);
        uint32_t decided = 0;
        for (uint32_t i = 0; i < left.count; i++) {
            uint32_t r = left.sel ? left.sel[i] : i;
            if (t[r] == decisive) {
                out[r] = decisive;
                nulls[r] = 0;
                open[r] = 0;
                decided++;
            } else if (t[r] == 2) {
                nulls[r] = 1;
                any_null = true;
            }
        }
        if (decided > 0 && a + 1 < s->arg_count)
            left = narrow(st, left, open);
    }
    *ret = (struct column){.type = s->e->type, .phys = PHYS_BOOL, .rows = n, .data = out, .nulls = any_null ? nulls : NULL};
    return 0;
}

/* A flat column under construction, filled branch by branch. */
struct merge {
    struct column col;
    char *data;
    uint8_t *nulls;
};

static void merge_init(struct expr_state *st, const struct type *type, struct merge *m)
{
    uint32_t n = st->b->rows;
    m->col = (struct column){.type = type, .phys = type_phys(type), .rows = n};
    if (type->id == TYPE_DECIMAL)
        m->col.phys = PHYS_I64;
    m->data = arena_alloc(&st->ar, (size_t)n * 16 + 16);
    m->nulls = arena_zalloc(&st->ar, n + 16);
    m->col.data = m->data;
    m->col.nulls = m->nulls;
}

#define MERGE(ctype)                                                                               \
    for (uint32_t i = 0; i < rows.count; i++) {                                                    \
        uint32_t r = rows.sel ? rows.sel[i] : i, at = column_idx(col, r);                          \
        ((ctype *)(void *)m->data)[r] = ((const ctype *)col->data)[at];                            \
    }                                                                                              \
    break

static void merge_widen(struct merge *m)
{
    int128_t *wide = (int128_t *)(void *)m->data;
    const int64_t *narrow_values = (const int64_t *)(void *)m->data;
    for (uint32_t r = m->col.rows; r-- > 0;) /* backwards: in place */
        wide[r] = narrow_values[r];
    m->col.phys = PHYS_I128;
}

static void merge_put(struct merge *m, const struct column *col, struct rows rows)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t r = rows.sel ? rows.sel[i] : i;
        m->nulls[r] = column_is_null(col, r);
    }
    if (col->type->id == TYPE_NULL)
        return;
    if (m->col.phys == PHYS_I64 && col->phys == PHYS_I128)
        merge_widen(m);
    if (m->col.phys == PHYS_I128 && col->phys == PHYS_I64) {
        for (uint32_t i = 0; i < rows.count; i++) {
            uint32_t r = rows.sel ? rows.sel[i] : i, at = column_idx(col, r);
            ((int128_t *)(void *)m->data)[r] = ((const int64_t *)col->data)[at];
        }
        return;
    }
    switch (phys_bytes(m->col.phys)) {
    case 1: MERGE(uint8_t);
    case 2: MERGE(uint16_t);
    case 4: MERGE(uint32_t);
    case 8: MERGE(uint64_t);
    default: MERGE(uint128_t);
    }
}

/* Nested results cannot be merged in place: collect which branch each row takes, then gather from each. */
static int reject_nested(const struct step *s, struct error *err)
{
    error_setf(err, ERR_UNSUPPORTED_FEATURE, "message", "%s over values of the type %s", s->e->fn->name, s->e->type->text);
    error_at(err, s->e->span);
    return (int)err->code;
}

static int eval_case(struct expr_state *st, const struct step *s, struct rows rows, struct column *ret, struct error *err)
{
    if (type_is_nested(s->e->type))
        return reject_nested(s, err);
    uint32_t n = st->b->rows;
    uint8_t *t = arena_zalloc(&st->ar, n + 16), *not_taken = arena_alloc(&st->ar, n + 16);
    bool is_if = strcmp(s->e->fn->name, "if") == 0;
    uint32_t pairs = is_if ? 1 : s->arg_count / 2;
    struct merge m;
    merge_init(st, s->e->type, &m);
    struct rows left = rows;
    for (uint32_t i = 0; i < pairs && left.count > 0; i++) {
        struct column cond, value;
        TRY(eval(st, s->args[2 * i], left, &cond, err));
        truth(&cond, left, t);
        for (uint32_t j = 0; j < left.count; j++) {
            uint32_t r = left.sel ? left.sel[j] : j;
            t[r] = t[r] == 1;
            not_taken[r] = !t[r];
        }
        struct rows taken = narrow(st, left, t);
        if (taken.count > 0) {
            TRY(eval(st, s->args[2 * i + 1], taken.count == left.count ? left : taken, &value, err));
            merge_put(&m, &value, taken);
            left = narrow(st, left, not_taken);
        }
    }
    if (left.count > 0) {
        if (is_if || s->arg_count % 2 == 1) {
            struct column value;
            TRY(eval(st, s->args[s->arg_count - 1], left, &value, err));
            merge_put(&m, &value, left);
        } else {
            for (uint32_t j = 0; j < left.count; j++)
                m.nulls[left.sel ? left.sel[j] : j] = 1;
        }
    }
    *ret = m.col;
    return 0;
}

static int eval_coalesce(struct expr_state *st, const struct step *s, struct rows rows, struct column *ret, struct error *err)
{
    if (type_is_nested(s->e->type))
        return reject_nested(s, err);
    uint8_t *null = arena_alloc(&st->ar, st->b->rows + 16);
    struct merge m;
    merge_init(st, s->e->type, &m);
    struct rows left = rows;
    for (uint32_t a = 0; a < s->arg_count && left.count > 0; a++) {
        struct column col;
        TRY(eval(st, s->args[a], left, &col, err));
        merge_put(&m, &col, left);
        for (uint32_t j = 0; j < left.count; j++) {
            uint32_t r = left.sel ? left.sel[j] : j;
            null[r] = m.nulls[r];
        }
        left = narrow(st, left, null);
    }
    *ret = m.col;
    return 0;
}

/* Nulls of the result by the null rule: any null argument. False: every row is null (a constant one was). */
static bool merge_nulls(struct kernel *k, const struct column *args, uint32_t count)
{
    const uint8_t *nulls = NULL;
    uint8_t *own = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = &args[i];
        if (!c->nulls)
            continue;
        if (c->kind == COL_CONST) {
            if (c->nulls[0])
                return false;
            continue;
        }
        if (!nulls) {
            nulls = c->nulls;
            continue;
        }
        if (!own) {
            own = arena_alloc(k->ar, k->rows + 16);
            memcpy(own, nulls, k->rows);
            nulls = own;
        }
        for (uint32_t r = 0; r < k->rows; r++)
            own[r] |= c->nulls[r];
    }
    k->nulls = nulls;
    return true;
}

/* Runs the kernel over args, which are FLAT or CONST, k->rows rows. */
static int run_kernel(struct kernel *k, const struct step *s, const struct column *args, struct column *ret)
{
    const struct type *t = s->e->type;
    struct column out = {.type = t, .phys = type_phys(t), .kind = COL_FLAT, .rows = k->rows};
    if (s->e->fn->flags & FN_NULL_ANY) {
        if (!merge_nulls(k, args, s->arg_count)) {
            *ret = column_null(t, k->rows, k->ar);
            return 0;
        }
        out.nulls = k->nulls;
    }
    TRY(s->e->fn->kernel(k, args, &out));
    out.type = t;
    *ret = out;
    return 0;
}

static int eval_constant(struct expr_state *st, uint32_t index, struct column *ret, struct error *err)
{
    struct memo *m = &st->memos[index];
    const struct step *s = &st->p->steps[index];
    const struct expr *e = s->e;
    if (e->kind == EXPR_LITERAL) {
        m->kept = value_column(&e->literal, 1, &st->const_ar);
    } else if (e->kind == EXPR_PARAM) {
        ASSERT(st->params);
        m->kept = value_column(&st->params[e->column], 1, &st->const_ar);
    } else {
        struct column *args = ARENA_ARRAY(&st->const_ar, struct column, s->arg_count);
        for (uint32_t i = 0; i < s->arg_count; i++)
            TRY(eval(st, s->args[i], (struct rows){NULL, 1, false}, &args[i], err));
        for (uint32_t i = 0; i < s->arg_count; i++)
            args[i].rows = 1;
        struct kernel k = {.ar = &st->const_ar, .node = e, .cx = st->p->cx, .rows = 1, .sel_count = 1, .rng = &st->rng, .cache = &m->cache,
                           .partition = st->partition, .account = st->account, .charged = &st->const_charged, .err = err};
        TRY(run_kernel(&k, s, args, &m->kept));
        if (m->kept.kind == COL_FLAT && !m->kept.type->child_count)
            m->kept.kind = COL_CONST;
    }
    m->kept_set = true;
    *ret = m->kept;
    return 0;
}

/* The only argument that varies is one dictionary column: run over its entries, keep the codes. */
static int eval_entries(struct expr_state *st, uint32_t index, const struct column *args, uint32_t dict_arg,
                        struct column *ret, struct error *err)
{
    const struct step *s = &st->p->steps[index];
    struct memo *m = &st->memos[index];
    const struct column *d = &args[dict_arg];
    if (m->dict_id != d->dict_id || d->dict_id == 0) {
        arena_reset(&m->dict_ar);
        m->dict_id = 0;
        struct column *entries = ARENA_ARRAY(&m->dict_ar, struct column, s->arg_count);
        for (uint32_t i = 0; i < s->arg_count; i++) {
            entries[i] = args[i];
            entries[i].rows = d->dict_rows;
        }
        entries[dict_arg].kind = COL_FLAT;
        entries[dict_arg].codes = NULL;
        struct kernel k = {.ar = &m->dict_ar, .node = s->e, .cx = st->p->cx, .rows = d->dict_rows,
                           .sel_count = d->dict_rows, .rng = &st->rng, .cache = &m->cache, .partition = st->partition, .err = err};
        TRY(run_kernel(&k, s, entries, &m->dict_result));
        m->dict_id = d->dict_id;
    }
    *ret = m->dict_result;
    if (ret->kind == COL_FLAT) {
        ret->kind = COL_DICT;
        ret->codes = d->codes;
        ret->dict_rows = d->dict_rows;
        ret->dict_id = d->dict_id ? d->dict_id + ((uint64_t)index + 1) * 0x9e3779b97f4a7c15ull : 0;
    }
    ret->rows = st->b->rows;
    return 0;
}

/* Every argument is one value for all rows of this batch: so is the result. */
static int eval_once(struct expr_state *st, uint32_t index, struct column *args, struct column *ret, struct error *err)
{
    const struct step *s = &st->p->steps[index];
    for (uint32_t i = 0; i < s->arg_count; i++)
        args[i].rows = 1;
    struct kernel k = {.ar = &st->ar, .node = s->e, .cx = st->p->cx, .rows = 1, .sel_count = 1, .rng = &st->rng,
                       .cache = &st->memos[index].cache, .partition = st->partition, .account = st->account, .charged = &st->charged,
                       .err = err};
    TRY(run_kernel(&k, s, args, ret));
    if (ret->kind == COL_FLAT)
        ret->kind = COL_CONST;
    ret->rows = st->b->rows;
    return 0;
}

static int eval_call(struct expr_state *st, uint32_t index, struct rows rows, struct column *ret, struct error *err)
{
    const struct step *s = &st->p->steps[index];
    const char *name = s->e->fn->name;
    if (s->e->fn->flags & FN_LAZY) {
        if (name[0] == 'a' || name[0] == 'o')
            return eval_and_or(st, s, rows, ret, err);
        if (strcmp(name, "case") == 0 || strcmp(name, "if") == 0)
            return eval_case(st, s, rows, ret, err);
        return eval_coalesce(st, s, rows, ret, err);
    }
    struct column few[8];
    struct column *args = s->arg_count <= 8 ? few : ARENA_ARRAY(&st->ar, struct column, s->arg_count);
    uint32_t dicts = 0, flats = 0, dict_arg = 0;
    for (uint32_t i = 0; i < s->arg_count; i++) {
        TRY(eval(st, s->args[i], rows, &args[i], err));
        dicts += args[i].kind == COL_DICT;
        flats += args[i].kind == COL_FLAT;
        if (args[i].kind == COL_DICT)
            dict_arg = i;
    }
    if (dicts == 1 && flats == 0 && s->per_entry && !type_is_nested(s->e->type) &&
        (args[dict_arg].dict_rows <= rows.count * 2 || args[dict_arg].dict_id))
        return eval_entries(st, index, args, dict_arg, ret, err);
    if (dicts == 0 && flats == 0 && s->arg_count > 0 && rows.count > 0 && !(s->e->fn->flags & FN_RANDOM) && !type_is_nested(s->e->type))
        return eval_once(st, index, args, ret, err);
    for (uint32_t i = 0; i < s->arg_count; i++) {
        bool flat = args[i].kind == COL_DICT || (args[i].kind == COL_CONST && (s->e->fn->flags & FN_FLAT));
        if (flat)
            args[i] = column_flatten(&args[i], rows.sel, rows.count, &st->ar);
    }
    struct kernel k = {.ar = &st->ar, .node = s->e, .cx = st->p->cx, .rows = st->b->rows, .sel = rows.sel,
                       .sel_count = rows.count, .rng = &st->rng, .cache = &st->memos[index].cache, .partition = st->partition,
                       .account = st->account, .charged = &st->charged, .err = err};
    return run_kernel(&k, s, args, ret);
}

static int eval(struct expr_state *st, uint32_t index, struct rows rows, struct column *ret, struct error *err)
{
    const struct step *s = &st->p->steps[index];
    struct memo *m = &st->memos[index];
    if (s->e->kind == EXPR_COLUMN) {
        *ret = st->b->cols[s->e->column];
        return 0;
    }
    if (s->constant && !(s->e->kind == EXPR_CALL && (s->e->fn->flags & FN_LAZY))) {
        if (!m->kept_set)
            TRY(eval_constant(st, index, ret, err));
        *ret = m->kept;
        ret->rows = st->b->rows;
        return 0;
    }
    if (m->batch == st->batch_no && m->whole) { /* covers every sub-selection of this batch */
        *ret = m->col;
        return 0;
    }
    TRY(eval_call(st, index, rows, ret, err));
    if (rows.whole) {
        m->batch = st->batch_no;
        m->whole = true;
        m->col = *ret;
    }
    return 0;
}

int program_eval(struct expr_state *st, const struct batch *b, struct column *out, struct error *err)
{
    arena_reset(&st->ar);
    st->batch_no++;
    st->b = b;
    struct rows rows = {b->sel, b->sel_count, true};
    for (uint32_t i = 0; i < st->p->out_count; i++) {
        TRY(eval(st, st->p->outs[i], rows, &out[i], err));
        TRY(charge(&st->const_ar, st->account, &st->const_charged, err));
        TRY(charge(&st->ar, st->account, &st->charged, err));
    }
    return 0;
}

/* ---- filters ---- */

/* Rows of `rows` that are true in col, into sel_out; branch-free. */
static uint32_t select_true(const struct column *col, struct rows rows, uint16_t *sel_out)
{
    const uint8_t *v = col->data;
    uint32_t n = 0;
    if (col->kind == COL_CONST) {
        if (!v[0] || (col->nulls && col->nulls[0]))
            return 0;
        for (uint32_t i = 0; i < rows.count; i++)
            sel_out[i] = rows.sel ? rows.sel[i] : (uint16_t)i;
        return rows.count;
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t r = rows.sel ? rows.sel[i] : i, at = col->kind == COL_DICT ? col->codes[r] : r;
        sel_out[n] = (uint16_t)r;
        n += (v[at] != 0) & !(col->nulls && col->nulls[at]);
    }
    return n;
}

/* The conjunct that lets least through goes first, among neighbours that cannot raise. */
static void reorder(struct expr_state *st)
{
    const struct program *p = st->p;
    for (uint32_t i = 1; i < p->out_count; i++) {
        uint32_t a = st->order[i - 1], b = st->order[i];
        if (st->pass_rate[b] + 0.05f < st->pass_rate[a] && !expr_can_raise(p->steps[p->outs[a]].e) &&
            !expr_can_raise(p->steps[p->outs[b]].e)) {
            st->order[i - 1] = b;
            st->order[i] = a;
        }
    }
}

int program_filter(struct expr_state *st, const struct batch *b, uint16_t *sel_out, uint32_t *ret_count,
                   struct error *err)
{
    arena_reset(&st->ar);
    st->batch_no++;
    st->b = b;
    struct rows rows = {b->sel, b->sel_count, true};
    for (uint32_t i = 0; i < st->p->out_count && rows.count > 0; i++) {
        uint32_t c = st->order[i];
        struct column col;
        TRY(eval(st, st->p->outs[c], rows, &col, err));
        TRY(charge(&st->ar, st->account, &st->charged, err));
        uint32_t n = select_true(&col, rows, sel_out);
        st->pass_rate[c] = st->pass_rate[c] * 0.9f + 0.1f * (float)n / (float)rows.count;
        rows = (struct rows){sel_out, n, false};
    }
    if (st->p->out_count == 0) {
        for (uint32_t i = 0; i < rows.count; i++)
            sel_out[i] = rows.sel ? rows.sel[i] : (uint16_t)i;
    }
    if ((st->batch_no & 15) == 0)
        reorder(st);
    *ret_count = rows.count;
    return 0;
}
