/* What the rules share; see rule.h. */
#include "driver/optimize/rule.h"
#include "common/expr/fn.h"

void colset_add(struct arena *ar, struct colset *s, uint32_t id)
{
    uint32_t word = id / 64;
    if (word >= s->word_count) {
        uint32_t count = word + 8;
        uint64_t *words = ARENA_ARRAY(ar, uint64_t, count);
        if (s->word_count)
            memcpy(words, s->words, s->word_count * sizeof *words);
        s->words = words;
        s->word_count = count;
    }
    s->words[word] |= (uint64_t)1 << (id % 64);
}

bool colset_has(const struct colset *s, uint32_t id)
{
    return id / 64 < s->word_count && (s->words[id / 64] >> (id % 64) & 1);
}

void colset_add_expr(struct arena *ar, struct colset *s, const struct expr *e)
{
    if (e->kind == EXPR_COLUMN)
        colset_add(ar, s, e->column);
    for (uint32_t i = 0; i < e->arg_count; i++)
        colset_add_expr(ar, s, e->args[i]);
    if (e->filter)
        colset_add_expr(ar, s, e->filter);
}

void colset_add_out(struct arena *ar, struct colset *s, const struct logical *lp)
{
    for (uint32_t i = 0; i < lp->out_count; i++)
        colset_add(ar, s, lp->out[i].id);
}

void colset_add_set(struct arena *ar, struct colset *s, const struct colset *other)
{
    for (uint32_t w = 0; w < other->word_count; w++)
        for (uint32_t b = 0; b < 64; b++)
            if (other->words[w] >> b & 1)
                colset_add(ar, s, w * 64 + b);
}

bool colset_empty(const struct colset *s)
{
    for (uint32_t w = 0; w < s->word_count; w++)
        if (s->words[w])
            return false;
    return true;
}

bool colset_subset(const struct colset *a, const struct colset *b)
{
    for (uint32_t w = 0; w < a->word_count; w++)
        if (a->words[w] & ~(w < b->word_count ? b->words[w] : 0))
            return false;
    return true;
}

bool colset_meets(const struct colset *a, const struct colset *b)
{
    for (uint32_t w = 0; w < a->word_count && w < b->word_count; w++)
        if (a->words[w] & b->words[w])
            return true;
    return false;
}

bool expr_within(const struct expr *e, const struct colset *s)
{
    if (e->kind == EXPR_COLUMN && !colset_has(s, e->column))
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (!expr_within(e->args[i], s))
            return false;
    return !e->filter || expr_within(e->filter, s);
}

bool expr_touches(const struct expr *e, const struct colset *s)
{
    if (e->kind == EXPR_COLUMN && colset_has(s, e->column))
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (expr_touches(e->args[i], s))
            return true;
    return e->filter && expr_touches(e->filter, s);
}

bool expr_has_kind(const struct expr *e, enum expr_kind kind)
{
    if (e->kind == kind)
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++)
        if (expr_has_kind(e->args[i], kind))
            return true;
    return e->filter && expr_has_kind(e->filter, kind);
}

bool expr_has_columns(const struct expr *e)
{
    return expr_has_kind(e, EXPR_COLUMN);
}

void exprs_add(struct arena *ar, struct exprs *list, struct expr *e)
{
    ARENA_PUSH(ar, list->items, list->count, list->cap, e);
}

void exprs_add_conjuncts(struct arena *ar, struct exprs *list, struct expr *e)
{
    if (!e || is_literal_bool(e, true))
        return;
    if (is_call(e, "and")) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            exprs_add_conjuncts(ar, list, e->args[i]);
        return;
    }
    exprs_add(ar, list, e);
}

void exprs_add_disjuncts(struct arena *ar, struct exprs *list, struct expr *e)
{
    if (is_call(e, "or")) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            exprs_add_disjuncts(ar, list, e->args[i]);
        return;
    }
    exprs_add(ar, list, e);
}

bool exprs_has(const struct exprs *list, const struct expr *e)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (expr_eq(list->items[i], e))
            return true;
    return false;
}

struct expr *exprs_and(struct arena *ar, const struct exprs *list)
{
    struct expr *all = NULL;
    for (uint32_t i = 0; i < list->count; i++)
        all = expr_and(ar, all, list->items[i]);
    return all;
}

struct expr *exprs_or(struct opt *o, const struct exprs *list)
{
    struct expr *all = NULL;
    for (uint32_t i = 0; i < list->count; i++)
        all = all ? call2(o, "or", all, list->items[i]) : list->items[i];
    return all;
}

bool is_call(const struct expr *e, const char *name)
{
    return e->kind == EXPR_CALL && strcmp(e->fn->name, name) == 0;
}

bool is_literal_bool(const struct expr *e, bool v)
{
    return e->kind == EXPR_LITERAL && e->type->id == TYPE_BOOLEAN && !e->literal.null && (e->literal.i != 0) == v;
}

bool is_literal_null(const struct expr *e)
{
    return e->kind == EXPR_LITERAL && e->literal.null;
}

static struct expr *call_n(struct opt *o, const char *name, struct expr **args, uint32_t count)
{
    struct expr *ret = NULL;
    struct error err = ERROR_INIT;
    struct expr **copy = arena_dup(o->ar, args, count * sizeof *args);
    struct span span = count ? args[0]->span : (struct span){0, 0};
    if (expr_call(o->ar, o->cx, name, copy, count, span, &ret, &err) != 0)
        UNREACHABLE("the planner made an illegal call");
    return ret;
}

struct expr *call1(struct opt *o, const char *name, struct expr *a)
{
    return call_n(o, name, (struct expr *[]){a}, 1);
}

struct expr *call2(struct opt *o, const char *name, struct expr *a, struct expr *b)
{
    return call_n(o, name, (struct expr *[]){a, b}, 2);
}

struct expr *call3(struct opt *o, const char *name, struct expr *a, struct expr *b, struct expr *c)
{
    return call_n(o, name, (struct expr *[]){a, b, c}, 3);
}

struct expr *column_of(struct opt *o, const struct lcol *col)
{
    return expr_column(o->ar, col->id, col->type, col->nullable, col->name);
}

bool has_columns(const struct logical *lp, const struct lcol *out, uint32_t count)
{
    bool same = lp->out_count == count;
    for (uint32_t i = 0; same && i < count; i++)
        same = lp->out[i].id == out[i].id;
    return same;
}

bool is_equality(const struct expr *e, bool *ret_null_safe)
{
    if (is_call(e, "=")) {
        *ret_null_safe = false;
        return e->args[0]->type == e->args[1]->type;
    }
    if (is_call(e, "<=>")) {
        *ret_null_safe = true;
        return e->args[0]->type == e->args[1]->type;
    }
    return false;
}

struct replace_ctx {
    const struct lcol *ids;
    struct expr *const *by;
    uint32_t count;
};

static struct expr *replace_one(struct arena *ar, struct expr *e, void *arg)
{
    (void)ar;
    struct replace_ctx *rc = arg;
    if (e->kind == EXPR_COLUMN)
        for (uint32_t i = 0; i < rc->count; i++)
            if (rc->ids[i].id == e->column)
                return rc->by[i];
    return e;
}

struct expr *expr_replace(struct opt *o, struct expr *e, const struct lcol *ids, struct expr *const *by, uint32_t count)
{
    struct replace_ctx rc = {ids, by, count};
    return expr_rewrite(o->ar, e, replace_one, &rc);
}

/* Gives null when any argument is null. */
static bool is_strict(const struct expr *e)
{
    return e->fn->flags & FN_NULL_ANY;
}

bool null_on_null(const struct expr *e, const struct colset *s)
{
    if (e->kind == EXPR_COLUMN)
        return colset_has(s, e->column);
    if (e->kind == EXPR_LITERAL)
        return e->literal.null;
    if (e->kind != EXPR_CALL)
        return false;
    if (is_call(e, "in"))
        return null_on_null(e->args[0], s);
    if (is_call(e, "and") || is_call(e, "or")) { /* null needs both: false and null is false */
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (!null_on_null(e->args[i], s))
                return false;
        return true;
    }
    if (is_strict(e))
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (null_on_null(e->args[i], s))
                return true;
    return false;
}

bool null_rejecting(const struct expr *e, const struct colset *s)
{
    if (is_literal_bool(e, false) || null_on_null(e, s))
        return true;
    if (e->kind != EXPR_CALL)
        return false;
    if (is_call(e, "and")) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (null_rejecting(e->args[i], s))
                return true;
        return false;
    }
    if (is_call(e, "or")) {
        for (uint32_t i = 0; i < e->arg_count; i++)
            if (!null_rejecting(e->args[i], s))
                return false;
        return true;
    }
    if (is_call(e, "isnotnull"))
        return null_on_null(e->args[0], s);
    if (is_call(e, "not") && is_call(e->args[0], "isnull"))
        return null_on_null(e->args[0]->args[0], s);
    return false;
}

struct logical *logical_copy(struct opt *o, const struct logical *lp)
{
    return arena_dup(o->ar, lp, sizeof *lp);
}

struct logical *logical_with_inputs(struct opt *o, const struct logical *lp, struct logical *const *inputs)
{
    bool same = true;
    for (uint32_t i = 0; i < lp->input_count; i++)
        same = same && lp->inputs[i] == inputs[i];
    if (same)
        return (struct logical *)(uintptr_t)lp;
    struct logical *copy = logical_copy(o, lp);
    copy->inputs = arena_dup(o->ar, inputs, lp->input_count * sizeof *inputs);
    return copy;
}

struct map_state {
    struct opt *o;
    struct expr *(*fn)(struct opt *o, struct expr *e, void *ctx);
    void *ctx;
    bool changed;
};

static struct expr **map_list(struct map_state *ms, struct expr **list, uint32_t count)
{
    struct expr **out = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct expr *e = ms->fn(ms->o, list[i], ms->ctx);
        if (e != list[i] && !out) {
            out = arena_dup(ms->o->ar, list, count * sizeof *list);
            ms->changed = true;
        }
        if (out)
            out[i] = e;
    }
    return out ? out : list;
}

struct logical *logical_map(struct opt *o, const struct logical *lp,
                            struct expr *(*fn)(struct opt *o, struct expr *e, void *ctx), void *ctx)
{
    struct map_state ms = {o, fn, ctx, false};
    struct logical *copy = logical_copy(o, lp);
    copy->conjuncts = map_list(&ms, lp->conjuncts, lp->conjunct_count);
    copy->exprs = map_list(&ms, lp->exprs, lp->expr_count);
    copy->aggs = map_list(&ms, lp->aggs, lp->agg_count);
    if (lp->condition) {
        copy->condition = fn(o, lp->condition, ctx);
        ms.changed = ms.changed || copy->condition != lp->condition;
    }
    if (lp->sort_count) {
        copy->sorts = arena_dup(o->ar, lp->sorts, lp->sort_count * sizeof *lp->sorts);
        for (uint32_t i = 0; i < lp->sort_count; i++) {
            copy->sorts[i].expr = fn(o, lp->sorts[i].expr, ctx);
            ms.changed = ms.changed || copy->sorts[i].expr != lp->sorts[i].expr;
        }
    }
    if (lp->list_count) {
        copy->lists = arena_dup(o->ar, lp->lists, lp->list_count * sizeof *lp->lists);
        for (uint32_t i = 0; i < lp->list_count; i++)
            copy->lists[i] = map_list(&ms, lp->lists[i], lp->out_count);
    }
    if (lp->row_count) {
        copy->rows = arena_dup(o->ar, lp->rows, lp->row_count * sizeof *lp->rows);
        for (uint32_t i = 0; i < lp->row_count; i++)
            copy->rows[i] = map_list(&ms, lp->rows[i], lp->out_count);
    }
    return ms.changed ? copy : (struct logical *)(uintptr_t)lp;
}

static struct logical *new_node(struct opt *o, enum logical_kind kind, struct logical *a, struct logical *b)
{
    struct logical *lp = ARENA_NEW(o->ar, struct logical);
    lp->kind = kind;
    lp->limit = -1;
    lp->input_count = b ? 2 : a ? 1 : 0;
    lp->inputs = ARENA_ARRAY(o->ar, struct logical *, 2);
    lp->inputs[0] = a;
    lp->inputs[1] = b;
    if (a)
        lp->span = a->span;
    return lp;
}

struct logical *make_filter(struct opt *o, struct logical *in, struct expr *condition)
{
    if (!condition || is_literal_bool(condition, true))
        return in;
    if (is_literal_bool(condition, false) || is_literal_null(condition))
        return make_empty(o, in);
    struct logical *lp = new_node(o, LP_FILTER, in, NULL);
    lp->condition = condition;
    lp->out_count = in->out_count;
    lp->out = in->out;
    return lp;
}

struct logical *make_join(struct opt *o, enum join_kind kind, struct logical *left, struct logical *right,
                          struct expr *condition)
{
    struct logical *lp = new_node(o, LP_JOIN, left, right);
    lp->join_kind = kind;
    lp->condition = condition && is_literal_bool(condition, true) ? NULL : condition;
    bool right_out = kind != JOIN_SEMI && kind != JOIN_ANTI && kind != JOIN_ANTI_NULL_AWARE && kind != JOIN_MARK;
    lp->out_count = left->out_count + (right_out ? right->out_count : 0) + (kind == JOIN_MARK);
    lp->out = ARENA_ARRAY(o->ar, struct lcol, lp->out_count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < left->out_count; i++) {
        lp->out[n] = left->out[i];
        lp->out[n++].nullable |= kind == JOIN_RIGHT || kind == JOIN_FULL;
    }
    for (uint32_t i = 0; right_out && i < right->out_count; i++) {
        lp->out[n] = right->out[i];
        lp->out[n++].nullable |= kind == JOIN_LEFT || kind == JOIN_FULL || kind == JOIN_SINGLE;
    }
    if (kind == JOIN_MARK)
        lp->out[n] = new_col(o, "mark", type_of(TYPE_BOOLEAN), true);
    return lp;
}

struct logical *make_project(struct opt *o, struct logical *in, struct lcol *out, struct expr **exprs, uint32_t count)
{
    struct logical *lp = new_node(o, LP_PROJECT, in, NULL);
    lp->out_count = lp->expr_count = count;
    lp->out = out;
    lp->exprs = exprs;
    return lp;
}

struct logical *make_limit(struct opt *o, struct logical *in, int64_t limit, int64_t offset)
{
    struct logical *lp = new_node(o, LP_LIMIT, in, NULL);
    lp->limit = limit;
    lp->offset = offset;
    lp->out_count = in->out_count;
    lp->out = in->out;
    return lp;
}

struct logical *project_add(struct opt *o, struct logical *in, struct expr *e, const char *name, uint32_t *ret_id)
{
    uint32_t count = in->out_count + 1;
    struct lcol *out = ARENA_ARRAY(o->ar, struct lcol, count);
    struct expr **exprs = ARENA_ARRAY(o->ar, struct expr *, count);
    for (uint32_t i = 0; i < in->out_count; i++) {
        out[i] = in->out[i];
        exprs[i] = column_of(o, &in->out[i]);
    }
    out[count - 1] = new_col(o, name, e->type, e->nullable);
    exprs[count - 1] = e;
    *ret_id = out[count - 1].id;
    return make_project(o, in, out, exprs, count);
}

struct lcol new_col(struct opt *o, const char *name, const struct type *type, bool nullable)
{
    return (struct lcol){o->next_id++, name, type, nullable};
}

struct logical *make_empty(struct opt *o, const struct logical *like)
{
    struct logical *lp = new_node(o, LP_VALUES, NULL, NULL);
    lp->out_count = like->out_count;
    lp->out = like->out;
    lp->span = like->span;
    return lp;
}

bool logical_is_empty(const struct logical *lp)
{
    return lp->kind == LP_VALUES && lp->row_count == 0;
}
