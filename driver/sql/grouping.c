/* GROUP BY: expressions, and ROLLUP, CUBE and GROUPING SETS written out as lists of sets of them. */
#include "driver/sql/parser_impl.h"

enum { SETS_MAX = 4096 };

struct groups {
    struct ast_rel *rel;
    const char **texts; /* of group_exprs, to find equal ones; filled when asked */
    uint32_t text_count, text_cap, expr_cap;
    struct ast_grouping_set *sets; /* of the items so far: their cross product */
    uint32_t set_count;
    bool analytic; /* some item is more than an expression */
};

static const char *text_of(struct ps *ps, const struct ast_expr *e)
{
    struct buf b = BUF_INIT;
    ast_print_expr(e, &b);
    const char *s = arena_strndup(ps->ar, b.data ? b.data : "", b.bytes);
    buf_fini(&b);
    return s;
}

static uint32_t group_add(struct ps *ps, struct groups *g, struct ast_expr *e, bool find)
{
    if (find) {
        while (g->text_count < g->rel->group_count) {
            const char *known = text_of(ps, g->rel->group_exprs[g->text_count]);
            ARENA_PUSH(ps->ar, g->texts, g->text_count, g->text_cap, known);
        }
        const char *text = text_of(ps, e);
        for (uint32_t i = 0; i < g->text_count; i++) {
            if (strcmp(g->texts[i], text) == 0)
                return i;
        }
    }
    ARENA_PUSH(ps->ar, g->rel->group_exprs, g->rel->group_count, g->expr_cap, e);
    return g->rel->group_count - 1;
}

static struct ast_grouping_set join_sets(struct ps *ps, struct ast_grouping_set a, struct ast_grouping_set b)
{
    struct ast_grouping_set s = {0};
    s.exprs = ARENA_ARRAY(ps->ar, uint32_t, a.count + b.count);
    if (a.count)
        memcpy(s.exprs, a.exprs, a.count * sizeof *a.exprs);
    s.count = a.count;
    for (uint32_t i = 0; i < b.count; i++) {
        bool there = false;
        for (uint32_t j = 0; j < s.count && !there; j++)
            there = s.exprs[j] == b.exprs[i];
        if (!there)
            s.exprs[s.count++] = b.exprs[i];
    }
    return s;
}

static int cross_sets(struct ps *ps, struct groups *g, const struct ast_grouping_set *sets, uint32_t count, uint32_t start)
{
    if ((uint64_t)g->set_count * count > SETS_MAX)
        return p_fail_at(ps, p_span(ps, start), "these are more than %d grouping sets", SETS_MAX);
    uint32_t total = g->set_count * count;
    struct ast_grouping_set *all = ARENA_ARRAY(ps->ar, struct ast_grouping_set, total);
    for (uint32_t i = 0; i < g->set_count; i++) {
        for (uint32_t j = 0; j < count; j++)
            all[i * count + j] = join_sets(ps, g->sets[i], sets[j]);
    }
    g->sets = all;
    g->set_count = total;
    return 0;
}

/* "(a, b)", "()" or "a" as one set. */
static int p_one_set(struct ps *ps, struct groups *g, struct ast_grouping_set *ret)
{
    struct ast_grouping_set s = {0};
    uint32_t cap = 0;
    bool paren = p_is(ps, T_LPAREN);
    if (paren) { /* (a) + 1 is an expression */
        const struct tok *after = p_tok(ps)->match ? &ps->toks[p_tok(ps)->match + 1] : NULL;
        paren = !after || after->kind == T_COMMA || after->kind == T_RPAREN;
    }
    ps->at += paren;
    if (!paren || !p_is(ps, T_RPAREN)) {
        do {
            struct ast_expr *e;
            TRY(p_expr(ps, &e));
            uint32_t idx = group_add(ps, g, e, true);
            ARENA_PUSH(ps->ar, s.exprs, s.count, cap, idx);
        } while (paren && p_take(ps, T_COMMA));
    }
    if (paren)
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    *ret = s;
    return 0;
}

/* The sets of ROLLUP or CUBE over units. */
static int unfold(struct ps *ps, bool cube, const struct ast_grouping_set *units, uint32_t count, uint32_t start,
                  struct ast_grouping_set **ret, uint32_t *ret_count)
{
    if (cube ? count > 12 : count >= SETS_MAX)
        return p_fail_at(ps, p_span(ps, start), "these are more than %d grouping sets", SETS_MAX);
    uint32_t n = cube ? 1u << count : count + 1;
    struct ast_grouping_set *sets = ARENA_ARRAY(ps->ar, struct ast_grouping_set, n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t u = 0; u < count; u++) {
            /* ROLLUP drops units from the right; CUBE counts down from all */
            if (cube ? (n - 1 - i) >> (count - 1 - u) & 1 : u < count - i)
                sets[i] = join_sets(ps, sets[i], units[u]);
        }
    }
    *ret = sets;
    *ret_count = n;
    return 0;
}

static int p_units(struct ps *ps, struct groups *g, struct ast_grouping_set **ret, uint32_t *ret_count)
{
    struct ast_grouping_set *units = NULL, one;
    uint32_t count = 0, cap = 0;
    TRY(p_need(ps, T_LPAREN, NULL));
    do {
        TRY(p_one_set(ps, g, &one));
        ARENA_PUSH(ps->ar, units, count, cap, one);
    } while (p_take(ps, T_COMMA));
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    *ret = units;
    *ret_count = count;
    return 0;
}

static bool is_grouping_word(const struct ps *ps)
{
    return ((p_is_kw(ps, KW_ROLLUP) || p_is_kw(ps, KW_CUBE)) && p_peek(ps, 1)->kind == T_LPAREN) ||
           (p_is_kw(ps, KW_GROUPING) && p_peek_kw(ps, 1, KW_SETS) && p_peek(ps, 2)->kind == T_LPAREN);
}

/* ROLLUP(..), CUBE(..) or GROUPING SETS(..), which may hold the others. */
static int p_grouping(struct ps *ps, struct groups *g, struct ast_grouping_set **ret, uint32_t *ret_count)
{
    uint32_t start = p_start(ps);
    if (!p_is_kw(ps, KW_GROUPING)) {
        bool cube = p_is_kw(ps, KW_CUBE);
        struct ast_grouping_set *units;
        uint32_t count;
        ps->at++;
        TRY(p_units(ps, g, &units, &count));
        return unfold(ps, cube, units, count, start, ret, ret_count);
    }
    struct ast_grouping_set *sets = NULL;
    uint32_t count = 0, cap = 0;
    ps->at += 3;
    do {
        struct ast_grouping_set one, *inner = &one;
        uint32_t inner_count = 1;
        if (is_grouping_word(ps)) {
            TRY(p_enter(ps));
            TRY(p_grouping(ps, g, &inner, &inner_count));
            p_leave(ps);
        } else {
            TRY(p_one_set(ps, g, &one));
        }
        for (uint32_t i = 0; i < inner_count; i++)
            ARENA_PUSH(ps->ar, sets, count, cap, inner[i]);
        if (count > SETS_MAX)
            return p_fail_at(ps, p_span(ps, start), "these are more than %d grouping sets", SETS_MAX);
    } while (p_take(ps, T_COMMA));
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    *ret = sets;
    *ret_count = count;
    return 0;
}

int p_group_by(struct ps *ps, struct ast_rel *rel)
{
    ps->at += 2;
    if (p_is_kw(ps, KW_ALL) && (p_ends(p_peek(ps, 1)) || p_is_name(p_peek(ps, 1))) && p_peek(ps, 1)->kind != T_COMMA) {
        ps->at++;
        rel->group_by_all = true;
        return 0;
    }
    struct groups g = {.rel = rel, .set_count = 1};
    g.sets = ARENA_NEW(ps->ar, struct ast_grouping_set);
    uint32_t start = p_start(ps), *plain = NULL, plain_count = 0, plain_cap = 0;
    do {
        uint32_t at = p_start(ps);
        if (is_grouping_word(ps)) {
            struct ast_grouping_set *sets;
            uint32_t count;
            g.analytic = true;
            TRY(p_grouping(ps, &g, &sets, &count));
            TRY(cross_sets(ps, &g, sets, count, at));
        } else {
            struct ast_expr *e;
            TRY(p_expr(ps, &e));
            uint32_t idx = group_add(ps, &g, e, g.analytic);
            ARENA_PUSH(ps->ar, plain, plain_count, plain_cap, idx);
        }
    } while (p_take(ps, T_COMMA));
    bool rollup = p_is_kw(ps, KW_WITH) && p_peek_kw(ps, 1, KW_ROLLUP), cube = p_is_kw(ps, KW_WITH) && p_peek_kw(ps, 1, KW_CUBE);
    if (rollup || cube) {
        ps->at += 2;
        struct ast_grouping_set *units = ARENA_ARRAY(ps->ar, struct ast_grouping_set, plain_count), *sets;
        uint32_t count;
        for (uint32_t i = 0; i < plain_count; i++)
            units[i] = (struct ast_grouping_set){1, &plain[i]};
        TRY(unfold(ps, cube, units, plain_count, start, &sets, &count));
        TRY(cross_sets(ps, &g, sets, count, start));
        g.analytic = true;
    } else if (!g.analytic && is_grouping_word(ps) && p_is_kw(ps, KW_GROUPING)) {
        struct ast_grouping_set *sets; /* GROUP BY a, b GROUPING SETS (..): the sets alone count */
        uint32_t count;
        TRY(p_grouping(ps, &g, &sets, &count));
        TRY(cross_sets(ps, &g, sets, count, start));
        g.analytic = true;
    } else if (g.analytic && plain_count) {
        struct ast_grouping_set set = {plain_count, plain};
        TRY(cross_sets(ps, &g, &set, 1, start));
    }
    if (g.analytic) {
        rel->sets = g.sets;
        rel->set_count = g.set_count;
    }
    return 0;
}
