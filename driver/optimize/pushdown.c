/*
 * Predicates go down, to the scans when they can.
 *
 * push(node, conjuncts) returns the node with the conjuncts applied as low as they are right:
 *
 *   project     through, columns replaced by what computes them
 *   aggregate   those over keys only
 *   union       into each branch
 *   inner join  to the sides; what speaks of both is its condition
 *   outer join  the preserved side's own from above; the optional side's own from the condition. A filter that
 *               is false for null on the optional side turns the join into an inner one first
 *   semi, anti  left ones from above, right ones from the condition
 *   limit       not through
 *
 * Two kinds of conjuncts are derived at inner joins: x = y and x < 5 give y < 5; and an OR whose branches all say
 * something of one side gives that side the OR of those parts (TPC-H Q7). They are only ever extra.
 */
#include "driver/optimize/rule.h"
#include "common/expr/fn.h"

static struct logical *push(struct opt *o, struct logical *lp, const struct exprs *conj);

static struct logical *apply(struct opt *o, struct logical *lp, const struct exprs *conj)
{
    return make_filter(o, lp, exprs_and(o->ar, conj));
}

static struct logical *with_input(struct opt *o, struct logical *lp, struct logical *in)
{
    return logical_with_inputs(o, lp, &in);
}

/* Splits conj into those within `cols` and the rest. */
static void part(struct opt *o, const struct exprs *conj, const struct colset *cols, struct exprs *within, struct exprs *rest)
{
    for (uint32_t i = 0; i < conj->count; i++) {
        struct expr *e = conj->items[i];
        bool ok = expr_within(e, cols) && expr_is_deterministic(e);
        exprs_add(o->ar, ok ? within : rest, e);
    }
}

/* What each branch of an OR says of `cols` alone, as an OR; NULL when some branch says nothing. */
static struct expr *or_part(struct opt *o, struct expr *e, const struct colset *cols)
{
    struct exprs branches = {0}, parts = {0};
    exprs_add_disjuncts(o->ar, &branches, e);
    if (branches.count < 2)
        return NULL;
    for (uint32_t i = 0; i < branches.count; i++) {
        struct exprs conj = {0}, own = {0};
        exprs_add_conjuncts(o->ar, &conj, branches.items[i]);
        for (uint32_t j = 0; j < conj.count; j++)
            if (expr_within(conj.items[j], cols) && expr_has_columns(conj.items[j]) && expr_is_deterministic(conj.items[j]))
                exprs_add(o->ar, &own, conj.items[j]);
        if (own.count == 0)
            return NULL;
        exprs_add(o->ar, &parts, exprs_and(o->ar, &own));
    }
    return simplify_expr(o, exprs_or(o, &parts));
}

static const struct expr *single_column(const struct expr *e, const struct expr *found)
{
    static const struct expr many;
    if (e->kind == EXPR_COLUMN)
        return found && (found == &many || found->column != e->column) ? &many : e;
    for (uint32_t i = 0; i < e->arg_count; i++)
        found = single_column(e->args[i], found);
    return found;
}

/* The one column that e speaks of; NULL when it is none or several. */
static const struct expr *subject_of(const struct expr *e)
{
    const struct expr *col = single_column(e, NULL);
    return col && col->kind == EXPR_COLUMN && col->type ? col : NULL;
}

/* Adds to conj what follows from equalities of columns in `equalities` and conjuncts about one column in `about`. */
static void add_transitive(struct opt *o, const struct exprs *equalities, const struct exprs *about, struct exprs *conj)
{
    uint32_t end = about->count;
    for (uint32_t i = 0; i < end; i++) {
        struct expr *e = about->items[i];
        const struct expr *col = subject_of(e);
        if (!col || !expr_is_deterministic(e) || expr_can_raise(e) || is_call(e, "isnotnull"))
            continue;
        /* The closure over equalities is found by repeating: chains are short. */
        struct exprs same = {0};
        exprs_add(o->ar, &same, (struct expr *)(uintptr_t)col);
        for (uint32_t s = 0; s < same.count; s++) {
            for (uint32_t j = 0; j < equalities->count; j++) {
                struct expr *eq = equalities->items[j];
                bool null_safe;
                if (!is_equality(eq, &null_safe) || null_safe || eq->args[0]->kind != EXPR_COLUMN || eq->args[1]->kind != EXPR_COLUMN)
                    continue;
                for (uint32_t k = 0; k < 2; k++)
                    if (eq->args[k]->column == same.items[s]->column && !exprs_has(&same, eq->args[1 - k]))
                        exprs_add(o->ar, &same, eq->args[1 - k]);
            }
        }
        for (uint32_t s = 1; s < same.count; s++) {
            struct lcol id = {.id = col->column};
            struct expr *derived = expr_replace(o, e, &id, &same.items[s], 1);
            if (!exprs_has(conj, derived) && !exprs_has(about, derived))
                exprs_add(o->ar, conj, derived);
        }
    }
}

/* Whether any conjunct is false or null when all of cols are null. */
static bool any_rejects(const struct exprs *conj, const struct colset *cols)
{
    for (uint32_t i = 0; i < conj->count; i++)
        if (null_rejecting(conj->items[i], cols))
            return true;
    return false;
}

static struct logical *rejoin(struct opt *o, struct logical *lp, enum join_kind kind, struct logical *left,
                              struct logical *right, const struct exprs *cond)
{
    struct logical *join = make_join(o, kind, left, right, exprs_and(o->ar, cond));
    join->span = lp->span;
    if (kind == JOIN_MARK)
        join->out[join->out_count - 1] = lp->out[lp->out_count - 1];
    return join;
}

static struct logical *push_inner(struct opt *o, struct logical *lp, const struct exprs *above)
{
    struct logical *left = lp->inputs[0], *right = lp->inputs[1];
    struct colset lcols = {0}, rcols = {0};
    colset_add_out(o->ar, &lcols, left);
    colset_add_out(o->ar, &rcols, right);
    struct exprs all = {0}, fresh = {0};
    for (uint32_t i = 0; i < above->count; i++)
        exprs_add(o->ar, &all, above->items[i]);
    exprs_add_conjuncts(o->ar, &all, lp->condition);
    add_transitive(o, &all, &all, &fresh);
    for (uint32_t i = 0; i < fresh.count; i++)
        exprs_add(o->ar, &all, fresh.items[i]);
    struct exprs lc = {0}, rest = {0}, rc = {0}, both = {0};
    part(o, &all, &lcols, &lc, &rest);
    part(o, &rest, &rcols, &rc, &both);
    for (uint32_t i = 0; i < both.count; i++) {
        struct expr *l = or_part(o, both.items[i], &lcols), *r = or_part(o, both.items[i], &rcols);
        if (l && !exprs_has(&lc, l))
            exprs_add(o->ar, &lc, l);
        if (r && !exprs_has(&rc, r))
            exprs_add(o->ar, &rc, r);
    }
    left = push(o, left, &lc);
    right = push(o, right, &rc);
    /* What is not deterministic is decided once per joined row. */
    struct exprs cond = {0}, after = {0};
    for (uint32_t i = 0; i < both.count; i++)
        exprs_add(o->ar, expr_is_deterministic(both.items[i]) ? &cond : &after, both.items[i]);
    return apply(o, rejoin(o, lp, JOIN_INNER, left, right, &cond), &after);
}

static struct logical *push_join(struct opt *o, struct logical *lp, const struct exprs *above)
{
    struct colset lcols = {0}, rcols = {0};
    colset_add_out(o->ar, &lcols, lp->inputs[0]);
    colset_add_out(o->ar, &rcols, lp->inputs[1]);
    enum join_kind kind = lp->join_kind;
    if (kind == JOIN_LEFT && any_rejects(above, &rcols))
        kind = JOIN_INNER;
    else if (kind == JOIN_RIGHT && any_rejects(above, &lcols))
        kind = JOIN_INNER;
    else if (kind == JOIN_FULL) {
        bool l = any_rejects(above, &lcols), r = any_rejects(above, &rcols);
        kind = l && r ? JOIN_INNER : l ? JOIN_LEFT : r ? JOIN_RIGHT : JOIN_FULL;
    }
    if (kind == JOIN_INNER)
        return push_inner(o, lp, above);
    if (kind == JOIN_RIGHT) { /* as LEFT with the sides exchanged; consumers go by ids */
        struct logical *flipped = make_join(o, JOIN_LEFT, lp->inputs[1], lp->inputs[0], lp->condition);
        flipped->span = lp->span;
        return push_join(o, flipped, above);
    }
    struct exprs on = {0}, lc = {0}, rc = {0}, stay = {0}, cond = {0};
    exprs_add_conjuncts(o->ar, &on, lp->condition);
    if (kind == JOIN_FULL) {
        struct exprs none = {0};
        struct logical *full = rejoin(o, lp, kind, push(o, lp->inputs[0], &none), push(o, lp->inputs[1], &none), &on);
        return apply(o, full, above);
    }
    part(o, above, &lcols, &lc, &stay);
    /* Null-aware joins and marks need the whole right side and the condition as it is. */
    bool free_condition = kind == JOIN_LEFT || kind == JOIN_SEMI || kind == JOIN_ANTI;
    if (free_condition) {
        struct exprs about = {0}, fresh = {0};
        for (uint32_t i = 0; i < lc.count; i++)
            exprs_add(o->ar, &about, lc.items[i]);
        for (uint32_t i = 0; i < on.count; i++)
            exprs_add(o->ar, &about, on.items[i]);
        add_transitive(o, &on, &about, &fresh);
        for (uint32_t i = 0; i < fresh.count; i++)
            if (expr_within(fresh.items[i], &rcols))
                exprs_add(o->ar, &rc, fresh.items[i]);
        for (uint32_t i = 0; i < on.count; i++) {
            struct expr *e = on.items[i];
            bool pure = expr_is_deterministic(e) && expr_has_columns(e);
            if (pure && expr_within(e, &rcols)) {
                exprs_add(o->ar, &rc, e);
            } else if (pure && kind == JOIN_SEMI && expr_within(e, &lcols)) {
                exprs_add(o->ar, &lc, e);
            } else {
                struct expr *r = or_part(o, e, &rcols);
                if (r)
                    exprs_add(o->ar, &rc, r);
                exprs_add(o->ar, &cond, e);
            }
        }
    } else {
        cond = on;
    }
    struct logical *left = push(o, lp->inputs[0], &lc), *right = push(o, lp->inputs[1], &rc);
    return apply(o, rejoin(o, lp, kind, left, right, &cond), &stay);
}

static struct logical *push_scan(struct opt *o, struct logical *lp, const struct exprs *conj)
{
    struct exprs own = {0}, above = {0};
    for (uint32_t i = 0; i < lp->conjunct_count; i++)
        exprs_add(o->ar, &own, lp->conjuncts[i]);
    uint32_t before = own.count;
    for (uint32_t i = 0; i < conj->count; i++) {
        struct expr *e = conj->items[i];
        if (!expr_is_deterministic(e) || !expr_has_columns(e))
            exprs_add(o->ar, &above, e);
        else if (!exprs_has(&own, e))
            exprs_add(o->ar, &own, e);
    }
    if (own.count != before) {
        struct logical *copy = logical_copy(o, lp);
        copy->conjuncts = own.items;
        copy->conjunct_count = own.count;
        lp = copy;
    }
    return apply(o, lp, &above);
}

static bool cheap_and_pure(struct expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!expr_is_deterministic(exprs[i]))
            return false;
    return true;
}

static struct logical *push(struct opt *o, struct logical *lp, const struct exprs *conj)
{
    static const struct exprs none;
    switch (lp->kind) {
    case LP_FILTER: {
        struct exprs all = {0}; /* inner ones first: they were to be evaluated first */
        exprs_add_conjuncts(o->ar, &all, lp->condition);
        for (uint32_t i = 0; i < conj->count; i++)
            exprs_add(o->ar, &all, conj->items[i]);
        return push(o, lp->inputs[0], &all);
    }
    case LP_PROJECT: {
        if (!cheap_and_pure(lp->exprs, lp->expr_count))
            return apply(o, with_input(o, lp, push(o, lp->inputs[0], &none)), conj);
        struct exprs below = {0};
        for (uint32_t i = 0; i < conj->count; i++)
            exprs_add(o->ar, &below, simplify_expr(o, expr_replace(o, conj->items[i], lp->out, lp->exprs, lp->out_count)));
        return with_input(o, lp, push(o, lp->inputs[0], &below));
    }
    case LP_AGGREGATE: {
        struct colset keys = {0};
        for (uint32_t i = 0; i < lp->expr_count; i++)
            if (expr_is_deterministic(lp->exprs[i]))
                colset_add(o->ar, &keys, lp->out[i].id);
        struct exprs down = {0}, stay = {0}, below = {0};
        part(o, conj, &keys, &down, &stay);
        for (uint32_t i = 0; i < down.count; i++) {
            if (lp->expr_count == 0 || !expr_has_columns(down.items[i])) {
                exprs_add(o->ar, &stay, down.items[i]);
                continue;
            }
            exprs_add(o->ar, &below, expr_replace(o, down.items[i], lp->out, lp->exprs, lp->expr_count));
        }
        return apply(o, with_input(o, lp, push(o, lp->inputs[0], &below)), &stay);
    }
    case LP_UNION: {
        struct exprs down = {0}, stay = {0};
        for (uint32_t i = 0; i < conj->count; i++)
            exprs_add(o->ar, expr_is_deterministic(conj->items[i]) ? &down : &stay, conj->items[i]);
        struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
        for (uint32_t b = 0; b < lp->input_count; b++) {
            struct logical *in = lp->inputs[b];
            struct expr **by = ARENA_ARRAY(o->ar, struct expr *, lp->out_count);
            for (uint32_t c = 0; c < lp->out_count; c++)
                by[c] = column_of(o, &in->out[c]);
            struct exprs below = {0};
            for (uint32_t i = 0; i < down.count; i++)
                exprs_add(o->ar, &below, expr_replace(o, down.items[i], lp->out, by, lp->out_count));
            struct logical *pushed = push(o, in, &below);
            /* The branch's columns go by position: keep them if the push changed them. */
            bool same = pushed->out_count == in->out_count;
            for (uint32_t c = 0; same && c < in->out_count; c++)
                same = pushed->out[c].id == in->out[c].id;
            inputs[b] = same ? pushed : make_project(o, pushed, in->out, by, lp->out_count);
        }
        return apply(o, logical_with_inputs(o, lp, inputs), &stay);
    }
    case LP_SORT: {
        struct logical *in = push(o, lp->inputs[0], conj);
        struct logical *copy = logical_copy(o, lp);
        copy->inputs = ARENA_ARRAY(o->ar, struct logical *, 1);
        copy->inputs[0] = in;
        return copy;
    }
    case LP_JOIN:
        return push_join(o, lp, conj);
    case LP_SCAN:
        return push_scan(o, lp, conj);
    case LP_EXPAND:
    case LP_LIMIT:
        return apply(o, with_input(o, lp, push(o, lp->inputs[0], &none)), conj);
    case LP_WRITE:
        return with_input(o, lp, push(o, lp->inputs[0], &none));
    default:
        return apply(o, lp, conj);
    }
}

struct logical *rule_pushdown(struct opt *o, struct logical *lp)
{
    struct exprs none = {0};
    return push(o, lp, &none);
}
