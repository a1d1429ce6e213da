/*
 * Join order. A maximal tree of inner joins, with the filters between them and the semi and anti joins on
 * top of them, is taken apart into relations and conjuncts and put together again in the cheapest order:
 * dynamic programming over sets of relations up to DP_MAX of them, greedily above.
 *
 * A semi or anti join is a relation too, of a special kind: it can only be the right side of a join whose
 * left side has all the columns it speaks of, and it multiplies the rows by its share of matches. So a
 * selective IN goes to the bottom (TPC-H Q18), and an EXISTS that keeps nearly all goes to the top (Q21).
 *
 * Equalities of columns form classes: a = b and b = c also join a to c. Rows of a set of relations are
 * estimated from the first way found to split it: rows(A) * rows(B) / domain, where several keys between
 * the same two relations cannot have a larger domain than one of them has rows (a composite primary key).
 */
#include "driver/optimize/rule.h"

#include <math.h>

enum { DP_MAX = 11, RELATIONS_MAX = 60 };

struct relation {
    struct logical *lp;
    struct colset cols;
    double rows, base_rows; /* base: of the table, before its filters */
    double row_bytes;
    bool single;            /* certainly one row at most */
    bool semi;              /* SEMI or ANTI: */
    enum join_kind kind;
    struct expr *condition;
    struct colset refs;     /* columns of other relations that the condition speaks of */
    double share;           /* of left rows that stay */
};

/* Columns that are equal: one per relation at least two relations have. */
struct eq_class {
    struct expr **cols;
    uint32_t *rels;
    uint32_t count, cap, rel_cap;
};

struct edge { /* a conjunct over several relations */
    struct expr *e;
    uint64_t rels;
    bool is_class;  /* col = col: represented by its class */
    bool hashable;  /* equality of an expression over lrels with one over rrels */
    uint64_t lrels, rrels;
    double share;
};

struct graph {
    struct opt *o;
    struct relation rels[RELATIONS_MAX];
    uint32_t count;
    struct exprs conj;
    struct eq_class *classes;
    uint32_t class_count, class_cap;
    struct edge *edges;
    uint32_t edge_count, edge_cap;
    bool allow_cross;
};

struct best {
    double cost, rows; /* cost < 0: none */
    uint64_t left, right; /* right 0: a relation alone */
};

static struct logical *reorder(struct opt *o, struct logical *lp);

static bool one_row_at_most(const struct logical *lp)
{
    for (;;) {
        if (lp->kind == LP_AGGREGATE)
            return lp->expr_count == 0;
        if (lp->kind == LP_VALUES)
            return lp->row_count <= 1;
        if (lp->kind == LP_LIMIT && lp->limit >= 0 && lp->limit <= 1)
            return true;
        if (lp->kind != LP_PROJECT && lp->kind != LP_FILTER && lp->kind != LP_SORT)
            return false;
        lp = lp->inputs[0];
    }
}

static double base_rows(struct opt *o, const struct logical *lp)
{
    while (lp->kind == LP_FILTER || lp->kind == LP_PROJECT)
        lp = lp->inputs[0];
    return lp->kind == LP_SCAN ? estimate_table(o->est, lp->table)->rows : estimate_rows(o->est, lp);
}

/* False when there are too many relations. */
static bool collect(struct graph *g, struct logical *lp)
{
    struct opt *o = g->o;
    if (lp->kind == LP_FILTER) {
        struct exprs own = {0};
        exprs_add_conjuncts(o->ar, &own, lp->condition);
        bool pure = true;
        for (uint32_t i = 0; i < own.count; i++)
            pure = pure && expr_is_deterministic(own.items[i]);
        const struct logical *in = lp->inputs[0];
        if (pure && in->kind == LP_JOIN && (in->join_kind == JOIN_INNER || in->join_kind == JOIN_SEMI || in->join_kind == JOIN_ANTI)) {
            for (uint32_t i = 0; i < own.count; i++)
                exprs_add(o->ar, &g->conj, own.items[i]);
            return collect(g, lp->inputs[0]);
        }
    }
    if (lp->kind == LP_JOIN && lp->join_kind == JOIN_INNER) {
        exprs_add_conjuncts(o->ar, &g->conj, lp->condition);
        return collect(g, lp->inputs[0]) && collect(g, lp->inputs[1]);
    }
    bool semi = lp->kind == LP_JOIN && (lp->join_kind == JOIN_SEMI || lp->join_kind == JOIN_ANTI) && lp->condition;
    if (semi && !collect(g, lp->inputs[0]))
        return false;
    if (g->count == RELATIONS_MAX)
        return false;
    struct relation *r = &g->rels[g->count++];
    *r = (struct relation){.lp = reorder(o, semi ? lp->inputs[1] : lp)};
    colset_add_out(o->ar, &r->cols, r->lp);
    r->rows = fmax(estimate_rows(o->est, r->lp), 1);
    r->base_rows = fmax(base_rows(o, r->lp), 1);
    r->row_bytes = estimate_row_bytes(o->est, r->lp->out, r->lp->out_count);
    r->single = !semi && one_row_at_most(r->lp);
    if (semi) {
        r->semi = true;
        r->kind = lp->join_kind;
        r->condition = lp->condition;
        struct colset all = {0}, left = {0};
        colset_add_expr(o->ar, &all, lp->condition);
        for (uint32_t i = 0; i < all.word_count; i++)
            for (uint32_t b = 0; b < 64; b++)
                if (all.words[i] >> b & 1 && !colset_has(&r->cols, i * 64 + b))
                    colset_add(o->ar, &left, i * 64 + b);
        r->refs = left;
        double in = fmax(estimate_rows(o->est, lp->inputs[0]), 1);
        r->share = fmin(1, fmax(1e-6, estimate_rows(o->est, lp) / in));
    }
    return true;
}

static uint64_t rels_of(const struct graph *g, const struct expr *e)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < g->count; i++)
        if (!g->rels[i].semi && expr_touches(e, &g->rels[i].cols))
            mask |= (uint64_t)1 << i;
    return mask;
}

static void class_add(struct graph *g, struct eq_class *c, struct expr *col)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->cols[i]->column == col->column)
            return;
    uint64_t mask = rels_of(g, col);
    uint32_t n = c->count;
    ARENA_PUSH(g->o->ar, c->cols, c->count, c->cap, col);
    ARENA_PUSH(g->o->ar, c->rels, n, c->rel_cap, (uint32_t)__builtin_ctzll(mask));
}

static void add_equality(struct graph *g, struct expr *a, struct expr *b)
{
    struct eq_class *ca = NULL, *cb = NULL;
    for (uint32_t i = 0; i < g->class_count; i++)
        for (uint32_t j = 0; j < g->classes[i].count; j++) {
            if (g->classes[i].cols[j]->column == a->column)
                ca = &g->classes[i];
            if (g->classes[i].cols[j]->column == b->column)
                cb = &g->classes[i];
        }
    if (!ca && cb) {
        ca = cb;
        cb = NULL;
    }
    if (!ca) {
        struct eq_class fresh = {0};
        ARENA_PUSH(g->o->ar, g->classes, g->class_count, g->class_cap, fresh);
        ca = &g->classes[g->class_count - 1];
    }
    class_add(g, ca, a);
    class_add(g, ca, b);
    if (cb && cb != ca) {
        for (uint32_t j = 0; j < cb->count; j++)
            class_add(g, ca, cb->cols[j]);
        cb->count = 0;
    }
}

static void build_edges(struct graph *g)
{
    struct opt *o = g->o;
    struct exprs local[RELATIONS_MAX] = {0};
    for (uint32_t i = 0; i < g->conj.count; i++) {
        struct expr *e = g->conj.items[i];
        struct edge ed = {.e = e, .rels = rels_of(g, e), .share = 1};
        if (__builtin_popcountll(ed.rels) == 1) { /* a filter on one relation */
            exprs_add(o->ar, &local[__builtin_ctzll(ed.rels)], e);
            continue;
        }
        bool null_safe;
        if (is_equality(e, &null_safe)) {
            ed.lrels = rels_of(g, e->args[0]);
            ed.rrels = rels_of(g, e->args[1]);
            ed.hashable = ed.lrels && ed.rrels && !(ed.lrels & ed.rrels);
            ed.is_class = ed.hashable && !null_safe && e->args[0]->kind == EXPR_COLUMN && e->args[1]->kind == EXPR_COLUMN;
        }
        if (ed.is_class)
            add_equality(g, e->args[0], e->args[1]);
        else
            ed.share = ed.hashable ? 1 / estimate_domain(o->est, e->args[0], 1e6, e->args[1], 1e6)
                                   : estimate_selectivity(o->est, &e, 1);
        ARENA_PUSH(o->ar, g->edges, g->edge_count, g->edge_cap, ed);
    }
    /* Two columns of one relation that equal a third elsewhere equal each other: joins will use only one. */
    for (uint32_t c = 0; c < g->class_count; c++) {
        const struct eq_class *cl = &g->classes[c];
        for (uint32_t i = 0; i < cl->count; i++)
            for (uint32_t j = i + 1; j < cl->count; j++)
                if (cl->rels[i] == cl->rels[j]) {
                    exprs_add(o->ar, &local[cl->rels[i]], call2(o, "=", cl->cols[i], cl->cols[j]));
                    break;
                }
    }
    for (uint32_t i = 0; i < g->count; i++) {
        if (local[i].count == 0)
            continue;
        struct relation *r = &g->rels[i];
        r->lp = make_filter(o, r->lp, exprs_and(o->ar, &local[i]));
        r->rows = fmax(1, estimate_rows(o->est, r->lp));
    }
}

/* How A and B meet: the divisor of rows(A) * rows(B), whether by a hashable key, whether at all. */
static void meet(const struct graph *g, uint64_t a, uint64_t b, double *ret_share, bool *ret_keyed, bool *ret_edge)
{
    double share = 1;
    bool keyed = false, edge = false;
    double by_rel[RELATIONS_MAX];
    uint8_t keys_of[RELATIONS_MAX] = {0};
    for (uint32_t i = 0; i < g->count; i++)
        by_rel[i] = 1;
    double divisor = 1;
    for (uint32_t c = 0; c < g->class_count; c++) {
        const struct eq_class *cl = &g->classes[c];
        double domain = INFINITY;
        uint64_t members = 0;
        for (uint32_t i = 0; i < cl->count; i++) {
            if (!(a >> cl->rels[i] & 1))
                continue;
            for (uint32_t j = 0; j < cl->count; j++) {
                if (!(b >> cl->rels[j] & 1))
                    continue;
                domain = fmin(domain, estimate_domain(g->o->est, cl->cols[i], g->rels[cl->rels[i]].rows, cl->cols[j],
                                                      g->rels[cl->rels[j]].rows));
                members |= (uint64_t)1 << cl->rels[i] | (uint64_t)1 << cl->rels[j];
            }
        }
        if (!members)
            continue;
        keyed = true;
        divisor *= domain;
        for (uint32_t i = 0; i < g->count; i++)
            if (members >> i & 1) {
                by_rel[i] *= domain;
                keys_of[i]++;
            }
    }
    /* Several keys of one relation: their domain is not larger than its table. */
    double excess = 1;
    for (uint32_t i = 0; i < g->count; i++)
        if (keys_of[i] > 1 && by_rel[i] > g->rels[i].base_rows)
            excess = fmax(excess, by_rel[i] / g->rels[i].base_rows);
    share /= divisor / excess;
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct edge *ed = &g->edges[i];
        if (ed->is_class || (ed->rels & ~(a | b)) || !(ed->rels & a) || !(ed->rels & b))
            continue;
        share *= ed->share;
        edge = true;
        if (ed->hashable && (((ed->lrels & ~a) == 0 && (ed->rrels & ~b) == 0) || ((ed->lrels & ~b) == 0 && (ed->rrels & ~a) == 0)))
            keyed = true;
    }
    *ret_share = share;
    *ret_keyed = keyed;
    *ret_edge = edge || keyed;
}

static double probe_cost(double build)
{
    return build < 2e4 ? 1 : build < 3e5 ? 1.6 : 2.6; /* fits a cache, fits the next, memory */
}

/* Cost of joining; < 0 when it may not be. */
static double join_cost(const struct graph *g, uint64_t a, uint64_t b, const struct best *ba, const struct best *bb,
                        double *ret_rows)
{
    if (__builtin_popcountll(b) == 1) {
        const struct relation *r = &g->rels[__builtin_ctzll(b)];
        if (r->semi) {
            uint64_t need = 0;
            for (uint32_t i = 0; i < g->count; i++)
                if (!g->rels[i].semi && colset_meets(&g->rels[i].cols, &r->refs))
                    need |= (uint64_t)1 << i;
            if (need & ~a || !need)
                return -1;
            *ret_rows = fmax(1, ba->rows * r->share);
            return ba->cost + ba->rows * probe_cost(r->rows) + r->rows * 2;
        }
    }
    if (__builtin_popcountll(a) == 1 && g->rels[__builtin_ctzll(a)].semi)
        return -1;
    double share;
    bool keyed, edge;
    meet(g, a, b, &share, &keyed, &edge);
    bool single = (__builtin_popcountll(a) == 1 && g->rels[__builtin_ctzll(a)].single) ||
                  (__builtin_popcountll(b) == 1 && g->rels[__builtin_ctzll(b)].single);
    if (!edge && !single && !g->allow_cross)
        return -1;
    double rows = fmax(1, ba->rows * bb->rows * share);
    *ret_rows = rows;
    double small = fmin(ba->rows, bb->rows), large = fmax(ba->rows, bb->rows);
    double cost = keyed ? large * probe_cost(small) + small * 2.5 : large * small * 0.3 + large;
    return ba->cost + bb->cost + cost + rows * 0.7;
}

static struct logical *leaf(const struct graph *g, uint64_t mask)
{
    return g->rels[__builtin_ctzll(mask)].lp;
}

/* The join of two built sides: smaller one to the right. */
static struct logical *join_sides(struct graph *g, uint64_t a, struct logical *left, double rows_a, uint64_t b,
                                  struct logical *right, double rows_b)
{
    struct opt *o = g->o;
    if (__builtin_popcountll(b) == 1 && g->rels[__builtin_ctzll(b)].semi) {
        const struct relation *r = &g->rels[__builtin_ctzll(b)];
        return make_join(o, r->kind, left, right, r->condition);
    }
    struct expr *cond = NULL;
    for (uint32_t c = 0; c < g->class_count; c++) {
        const struct eq_class *cl = &g->classes[c];
        struct expr *x = NULL, *y = NULL;
        for (uint32_t i = 0; i < cl->count; i++) {
            if (!x && a >> cl->rels[i] & 1)
                x = cl->cols[i];
            if (!y && b >> cl->rels[i] & 1)
                y = cl->cols[i];
        }
        if (x && y)
            cond = expr_and(o->ar, cond, call2(o, "=", x, y));
    }
    for (uint32_t i = 0; i < g->edge_count; i++) {
        const struct edge *ed = &g->edges[i];
        if (!ed->is_class && !(ed->rels & ~(a | b)) && (ed->rels & ~a) && (ed->rels & ~b))
            cond = expr_and(o->ar, cond, ed->e);
    }
    if (rows_a < rows_b)
        return make_join(o, JOIN_INNER, right, left, cond);
    return make_join(o, JOIN_INNER, left, right, cond);
}

static struct logical *rebuild(struct graph *g, const struct best *table, uint64_t set)
{
    const struct best *b = &table[set];
    if (!b->right)
        return leaf(g, set);
    struct logical *left = rebuild(g, table, b->left), *right = rebuild(g, table, b->right);
    return join_sides(g, b->left, left, table[b->left].rows, b->right, right, table[b->right].rows);
}

static struct logical *by_dp(struct graph *g)
{
    uint64_t full = ((uint64_t)1 << g->count) - 1;
    struct best *table = ARENA_ARRAY(g->o->ar, struct best, full + 1);
    for (uint64_t set = 1; set <= full; set++) {
        struct best *best = &table[set];
        best->cost = -1;
        if (__builtin_popcountll(set) == 1) {
            const struct relation *r = &g->rels[__builtin_ctzll(set)];
            *best = (struct best){.cost = 0, .rows = r->rows};
            continue;
        }
        double rows_first = -1;
        for (uint64_t a = (set - 1) & set; a; a = (a - 1) & set) {
            uint64_t b = set & ~a;
            const struct best *ba = &table[a], *bb = &table[b];
            if (ba->cost < 0 || bb->cost < 0)
                continue;
            bool b_semi = __builtin_popcountll(b) == 1 && g->rels[__builtin_ctzll(b)].semi;
            if (!b_semi && a < b && !(__builtin_popcountll(a) == 1 && g->rels[__builtin_ctzll(a)].semi))
                continue; /* inner joins are symmetric */
            double rows, cost = join_cost(g, a, b, ba, bb, &rows);
            if (cost < 0)
                continue;
            if (rows_first < 0)
                rows_first = rows;
            if (best->cost < 0 || cost < best->cost)
                *best = (struct best){cost, rows_first, a, b};
        }
    }
    return table[full].cost < 0 ? NULL : rebuild(g, table, full);
}

static struct logical *greedily(struct graph *g)
{
    struct part {
        uint64_t set;
        struct best best;
        struct logical *lp;
    } parts[RELATIONS_MAX];
    uint32_t count = g->count;
    for (uint32_t i = 0; i < count; i++)
        parts[i] = (struct part){(uint64_t)1 << i, {.rows = g->rels[i].rows}, g->rels[i].lp};
    while (count > 1) {
        double best_cost = -1, best_rows = 0;
        uint32_t x = 0, y = 0;
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < count; j++) {
                double rows, cost = i == j ? -1 : join_cost(g, parts[i].set, parts[j].set, &parts[i].best, &parts[j].best, &rows);
                if (cost >= 0 && (best_cost < 0 || cost - parts[i].best.cost - parts[j].best.cost < best_cost)) {
                    best_cost = cost - parts[i].best.cost - parts[j].best.cost;
                    best_rows = rows;
                    x = i;
                    y = j;
                }
            }
        if (best_cost < 0)
            return NULL;
        struct part joined = {parts[x].set | parts[y].set, {.cost = parts[x].best.cost + parts[y].best.cost + best_cost, .rows = best_rows},
                              join_sides(g, parts[x].set, parts[x].lp, parts[x].best.rows, parts[y].set, parts[y].lp, parts[y].best.rows)};
        parts[x] = joined;
        parts[y] = parts[--count];
        if (x == count)
            parts[y] = joined;
    }
    return parts[0].lp;
}

static struct logical *order_graph(struct opt *o, struct logical *lp)
{
    struct graph *g = ARENA_NEW(o->ar, struct graph);
    g->o = o;
    if (!collect(g, lp) || g->count < 2)
        return NULL;
    build_edges(g);
    struct logical *ret = g->count <= DP_MAX ? by_dp(g) : greedily(g);
    if (!ret) {
        g->allow_cross = true;
        ret = g->count <= DP_MAX ? by_dp(g) : greedily(g);
    }
    if (!ret)
        return NULL;
    /* Conjuncts of no relation at all (1/0 = 1) hold over the whole. */
    struct exprs loose = {0};
    for (uint32_t i = 0; i < g->edge_count; i++)
        if (g->edges[i].rels == 0)
            exprs_add(o->ar, &loose, g->edges[i].e);
    return make_filter(o, ret, exprs_and(o->ar, &loose));
}

static struct logical *reorder(struct opt *o, struct logical *lp)
{
    bool joins = (lp->kind == LP_JOIN && (lp->join_kind == JOIN_INNER || lp->join_kind == JOIN_SEMI || lp->join_kind == JOIN_ANTI)) ||
                 (lp->kind == LP_FILTER && lp->inputs[0]->kind == LP_JOIN);
    if (joins && !o->env->no_join_reorder) {
        struct logical *first = lp->kind == LP_FILTER ? lp->inputs[0] : lp;
        if (first->join_kind == JOIN_INNER || (first->condition && (first->join_kind == JOIN_SEMI || first->join_kind == JOIN_ANTI))) {
            struct logical *ordered = order_graph(o, lp);
            if (ordered)
                return ordered;
        }
    }
    struct logical **inputs = ARENA_ARRAY(o->ar, struct logical *, lp->input_count);
    for (uint32_t i = 0; i < lp->input_count; i++) {
        struct logical *in = lp->inputs[i];
        inputs[i] = reorder(o, in);
        if (lp->kind == LP_UNION && inputs[i] != in) { /* positions count */
            struct expr **by = ARENA_ARRAY(o->ar, struct expr *, in->out_count);
            for (uint32_t c = 0; c < in->out_count; c++)
                by[c] = column_of(o, &in->out[c]);
            bool same = inputs[i]->out_count == in->out_count;
            for (uint32_t c = 0; same && c < in->out_count; c++)
                same = inputs[i]->out[c].id == in->out[c].id;
            if (!same)
                inputs[i] = make_project(o, inputs[i], in->out, by, in->out_count);
        }
    }
    struct logical *ret = logical_with_inputs(o, lp, inputs);
    if (lp->kind == LP_JOIN && ret != lp) {
        /* Its columns are those of its inputs. */
        struct logical *join = make_join(o, lp->join_kind, inputs[0], inputs[1], lp->condition);
        if (lp->join_kind == JOIN_MARK)
            join->out[join->out_count - 1] = lp->out[lp->out_count - 1];
        return join;
    }
    return ret;
}

struct logical *rule_reorder(struct opt *o, struct logical *lp)
{
    return reorder(o, lp);
}
