/*
 * Queries. A query is [WITH] a set-operation tree of cores, then ORDER BY, LIMIT, OFFSET. Chains (set operations of one
 * kind, VALUES rows) become flat nodes. What a core reads is in relation.c, GROUP BY in grouping.c.
 *
 * Three questions need more than one token of lookahead, because any keyword may be a name: does a parenthesis
 * hold a query (p_is_query), does the word after an expression or a table go on with the statement or name it
 * (p_is_clause), and are these grouping sets. Brackets know their partners, so looking behind one is a step.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>

static int p_set_tree(struct ps *ps, struct ast_rel **ret);

/* ---- looking ahead ---- */

bool p_ends(const struct tok *t)
{
    return t->kind == T_END || t->kind == T_RPAREN || t->kind == T_SEMICOLON || t->kind == T_COMMA;
}

static bool is_set_word(uint16_t kw)
{
    return kw == KW_UNION || kw == KW_EXCEPT || kw == KW_INTERSECT || kw == KW_MINUS;
}

bool p_is_clause(const struct ps *ps, bool table)
{
    const struct tok *t = p_tok(ps), *next = p_peek(ps, 1);
    if (t->kind != T_WORD)
        return false;
    switch (t->kw) {
    case KW_FROM:
    case KW_WHERE:
    case KW_HAVING:
    case KW_QUALIFY:
    case KW_LIMIT:
    case KW_OFFSET: return !p_ends(next);
    case KW_GROUP:
    case KW_ORDER:
    case KW_SORT:
    case KW_CLUSTER:
    case KW_DISTRIBUTE: return next->kw == KW_BY;
    case KW_UNION:
    case KW_EXCEPT:
    case KW_INTERSECT:
    case KW_MINUS:
        return table || next->kind == T_LPAREN || next->kw == KW_ALL || next->kw == KW_DISTINCT || next->kw == KW_SELECT ||
               next->kw == KW_VALUES || next->kw == KW_FROM || next->kw == KW_TABLE || next->kw == KW_WITH;
    case KW_WINDOW: return p_is_name(next) && p_peek_kw(ps, 2, KW_AS);
    case KW_LATERAL: return table || next->kw == KW_VIEW;
    case KW_TABLESAMPLE:
        return table && (next->kind == T_LPAREN || next->kw == KW_SYSTEM || next->kw == KW_BERNOULLI);
    case KW_PIVOT:
    case KW_UNPIVOT: return table && next->kind == T_LPAREN;
    case KW_SELECT: return table && !p_ends(next);
    case KW_WITH: return table && next->kind == T_LPAREN;
    case KW_FOR: return next->kind == T_LPAREN || (p_is_name(next) && p_peek_kw(ps, 2, KW_IN));
    default: return table && keyword_is_strict((enum keyword)t->kw);
    }
}

/* Whether the word at token i begins a query, judged by what follows. */
static bool starts_query(const struct ps *ps, uint32_t i)
{
    const struct tok *t = &ps->toks[i], *next = i + 1 < ps->count ? t + 1 : t;
    switch (t->kw) {
    case KW_SELECT:
        switch (next->kind) {
        case T_WORD:
        case T_QUOTED:
        case T_STRING:
        case T_NUMBER:
        case T_LPAREN:
        case T_STAR:
        case T_MINUS:
        case T_PLUS:
        case T_TILDE:
        case T_BANG:
        case T_HINT:
        case T_QUESTION:
        case T_COLON: return next->kw != KW_IS && next->kw != KW_AND && next->kw != KW_OR && next->kw != KW_IN;
        default: return false;
        }
    case KW_WITH: return p_is_name(next);
    case KW_VALUES: return !p_ends(next) && next->kind != T_DOT && (next->kind < T_PLUS || next->kind == T_MINUS);
    case KW_TABLE: return p_is_name(next) && !keyword_is_strict((enum keyword)next->kw);
    case KW_FROM: return p_is_name(next) || next->kind == T_LPAREN;
    default: return false;
    }
}

bool p_is_query(const struct ps *ps, uint32_t n)
{
    uint32_t first = ps->at + n, i = first;
    while (i < ps->count && ps->toks[i].kind == T_LPAREN && i - first < AST_DEPTH_MAX)
        i++;
    if (i >= ps->count || !starts_query(ps, i))
        return false;
    /* ((select 1) + 1) is none, ((select 1) union ...) is one: each closing has to be followed by more of a query. */
    for (; i > first; i--) {
        uint32_t close = ps->toks[i - 1].match;
        if (!close)
            return true; /* a bracket is missing: the query's parser will say so */
        const struct tok *after = &ps->toks[close + 1];
        if (after->kind == T_RPAREN && i - 1 > first)
            continue;
        if (after->kind == T_RPAREN || after->kind == T_END || after->kind == T_SEMICOLON || is_set_word(after->kw) ||
            after->kind == T_PIPE_OP)
            continue;
        if ((after->kw == KW_ORDER || after->kw == KW_SORT || after->kw == KW_CLUSTER || after->kw == KW_DISTRIBUTE) &&
            after[1].kw == KW_BY)
            continue;
        if ((after->kw == KW_LIMIT || after->kw == KW_OFFSET) && !p_ends(after + 1))
            continue;
        return false;
    }
    return true;
}

/* ---- the core ---- */

static int p_hints(struct ps *ps, struct ast_rel *rel)
{
    uint32_t cap = 0;
    while (p_take(ps, T_HINT)) {
        while (!p_is(ps, T_HINT_END)) {
            struct ast_hint hint = {.span = {p_start(ps), 0}};
            struct ast_part part;
            TRY(p_identifier(ps, &part, "the name of a hint or */"));
            char *name = arena_strdup(ps->ar, part.text);
            for (char *c = name; *c; c++)
                *c = (char)toupper((unsigned char)*c);
            hint.name = name;
            if (p_take(ps, T_LPAREN)) {
                if (!p_is(ps, T_RPAREN))
                    TRY(p_exprs(ps, &hint.args, &hint.arg_count));
                TRY(p_need(ps, T_RPAREN, "',' or ')'"));
            }
            hint.span = p_span(ps, hint.span.start);
            ARENA_PUSH(ps->ar, rel->hints, rel->hint_count, cap, hint);
            p_take(ps, T_COMMA);
        }
        ps->at++;
    }
    return 0;
}

/* What follows the select list, FROM apart. */
static int p_core_tail(struct ps *ps, struct ast_rel *rel)
{
    if (p_is_kw(ps, KW_WHERE)) {
        ps->at++;
        TRY(p_expr(ps, &rel->where));
    }
    if (p_is_kw(ps, KW_GROUP) && p_peek_kw(ps, 1, KW_BY))
        TRY(p_group_by(ps, rel));
    if (p_is_kw(ps, KW_HAVING)) {
        ps->at++;
        TRY(p_expr(ps, &rel->having));
    }
    if (p_is_kw(ps, KW_QUALIFY)) {
        ps->at++;
        TRY(p_expr(ps, &rel->qualify));
    }
    if (p_is_kw(ps, KW_WINDOW) && p_is_clause(ps, true)) {
        uint32_t cap = 0;
        ps->at++;
        do {
            struct ast_named_window w;
            struct ast_part part;
            TRY(p_identifier(ps, &part, "the name of a window"));
            w.name = part.text;
            TRY(p_need_kw(ps, KW_AS));
            TRY(p_window_spec(ps, &w.window));
            ARENA_PUSH(ps->ar, rel->windows, rel->window_count, cap, w);
        } while (p_take(ps, T_COMMA));
    }
    return 0;
}

/* At SELECT; from is what FROM-first gave, or NULL. */
static int p_select(struct ps *ps, struct ast_rel *from, uint32_t start, struct ast_rel **ret)
{
    struct ast_rel *rel = p_new_rel(ps, AST_SELECT, start);
    ps->at++;
    TRY(p_hints(ps, rel));
    if ((p_is_kw(ps, KW_DISTINCT) || p_is_kw(ps, KW_ALL)) && !p_ends(p_peek(ps, 1)) && p_peek(ps, 1)->kind != T_DOT &&
        !p_peek_kw(ps, 1, KW_FROM)) {
        rel->distinct = p_is_kw(ps, KW_DISTINCT);
        ps->at++;
    }
    TRY(p_named_exprs(ps, &rel->exprs, &rel->expr_count));
    if (!from && p_is_kw(ps, KW_FROM))
        TRY(p_from(ps, &from));
    while (p_is_kw(ps, KW_LATERAL) && p_peek_kw(ps, 1, KW_VIEW)) {
        if (!from)
            return p_fail(ps, "FROM before LATERAL VIEW");
        TRY(p_lateral_view(ps, &from));
    }
    TRY(p_core_tail(ps, rel));
    if (from)
        p_set_input(ps, rel, from);
    *ret = rel;
    return p_done_rel(ps, rel);
}

/* FROM t [SELECT ..]: without SELECT it is SELECT *. */
static int p_from_first(struct ps *ps, struct ast_rel **ret)
{
    uint32_t start = p_start(ps);
    struct ast_rel *from;
    TRY(p_from(ps, &from));
    if (p_is_kw(ps, KW_SELECT))
        return p_select(ps, from, start, ret);
    struct ast_rel *rel = p_new_rel(ps, AST_SELECT, start);
    struct ast_expr *star = p_new_expr(ps, AST_STAR, start);
    TRY(p_core_tail(ps, rel));
    TRY(p_done_expr(ps, star));
    rel->exprs = arena_dup(ps->ar, &star, sizeof star);
    rel->expr_count = 1;
    p_set_input(ps, rel, from);
    *ret = rel;
    return p_done_rel(ps, rel);
}

static int p_core(struct ps *ps, struct ast_rel **ret)
{
    uint32_t start = p_start(ps);
    if (p_is(ps, T_LPAREN)) {
        ps->at++;
        TRY(p_query(ps, ret));
        return p_need(ps, T_RPAREN, NULL);
    }
    switch (p_tok(ps)->kw) {
    case KW_SELECT: return p_select(ps, NULL, start, ret);
    case KW_FROM: return p_from_first(ps, ret);
    case KW_VALUES:
        TRY(p_values(ps, ret));
        return p_alias(ps, false, ret);
    case KW_TABLE: {
        struct ast_rel *rel = p_new_rel(ps, AST_TABLE, start);
        ps->at++;
        TRY(p_name(ps, &rel->name, "a table"));
        *ret = rel;
        return p_done_rel(ps, rel);
    }
    default: return p_fail(ps, "a query (SELECT, VALUES, FROM, TABLE or WITH)");
    }
}

/* ---- set operations and the rest of a query ---- */

/* A chain at one level; INTERSECT (level 1) binds tighter than UNION and EXCEPT. */
static int p_set_level(struct ps *ps, int level, struct ast_rel **ret)
{
    uint32_t start = p_start(ps), cap = 0;
    struct ast_rel *left, *right, *chain = NULL;
    TRY(level == 0 ? p_set_level(ps, 1, &left) : p_core(ps, &left));
    for (;;) {
        uint16_t kw = p_tok(ps)->kw;
        if (!is_set_word(kw) || (kw == KW_INTERSECT) != (level == 1))
            break;
        enum ast_setop op = kw == KW_UNION ? AST_UNION : kw == KW_INTERSECT ? AST_INTERSECT : AST_EXCEPT;
        ps->at++;
        bool all = p_is_kw(ps, KW_ALL);
        if (all || p_is_kw(ps, KW_DISTINCT))
            ps->at++;
        TRY(level == 0 ? p_set_level(ps, 1, &right) : p_core(ps, &right));
        if (!chain || chain->setop != op || chain->all != all) {
            chain = p_new_rel(ps, AST_SETOP, start);
            chain->setop = op;
            chain->all = all;
            cap = 0;
            ARENA_PUSH(ps->ar, chain->inputs, chain->input_count, cap, left);
            chain->depth = left->depth + 1;
            left = chain;
        }
        ARENA_PUSH(ps->ar, chain->inputs, chain->input_count, cap, right);
        if (right->depth + 1 > chain->depth)
            chain->depth = right->depth + 1;
        if (chain->depth > AST_DEPTH_MAX)
            return p_too_deep(ps, start);
        chain->span = p_span(ps, start);
    }
    *ret = left;
    return 0;
}

static int p_set_tree(struct ps *ps, struct ast_rel **ret)
{
    return p_set_level(ps, 0, ret);
}

static int p_ctes(struct ps *ps, struct ast_rel *q)
{
    uint32_t cap = 0;
    ps->at++;
    q->recursive = p_is_kw(ps, KW_RECURSIVE) && p_is_name(p_peek(ps, 1)) && !p_peek_kw(ps, 1, KW_AS) && p_take_kw(ps, KW_RECURSIVE);
    do {
        struct ast_cte cte = {0};
        uint32_t start = p_start(ps);
        TRY(p_identifier(ps, &cte.name, "the name of a common table expression"));
        if (p_is(ps, T_LPAREN) && !p_is_query(ps, 1))
            TRY(p_identifier_list(ps, &cte.columns, &cte.column_count));
        if (p_is_kw(ps, KW_AS))
            ps->at++;
        TRY(p_need(ps, T_LPAREN, "AS ("));
        TRY(p_query(ps, &cte.query));
        TRY(p_need(ps, T_RPAREN, NULL));
        cte.span = p_span(ps, start);
        ARENA_PUSH(ps->ar, q->ctes, q->cte_count, cap, cte);
    } while (p_take(ps, T_COMMA));
    return 0;
}

static int p_query_level(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *q = p_new_rel(ps, AST_QUERY, p_start(ps)), *body;
    bool any = false;
    if (p_is_kw(ps, KW_WITH)) {
        TRY(p_ctes(ps, q));
        any = true;
    }
    TRY(p_set_tree(ps, &body));
    for (;;) {
        bool taken = true;
        if (p_take_kw2(ps, KW_ORDER, KW_BY)) {
            TRY(p_sorts(ps, &q->sorts, &q->sort_count));
        } else if (p_take_kw2(ps, KW_SORT, KW_BY)) {
            q->sort_scope = AST_SORT_LOCAL;
            TRY(p_sorts(ps, &q->sorts, &q->sort_count));
        } else if (p_take_kw2(ps, KW_CLUSTER, KW_BY)) {
            q->sort_scope = AST_SORT_CLUSTER;
            TRY(p_sorts(ps, &q->sorts, &q->sort_count));
        } else if (p_take_kw2(ps, KW_DISTRIBUTE, KW_BY)) {
            TRY(p_exprs(ps, &q->distribute, &q->distribute_count));
        } else {
            taken = false;
        }
        if (!taken)
            break;
        any = true;
    }
    if (p_is_kw(ps, KW_WINDOW) && p_is_clause(ps, true))
        return p_fail(ps, "WINDOW before ORDER BY");
    if (p_is_kw(ps, KW_LIMIT)) {
        ps->at++;
        any = true;
        if (!(p_is_kw(ps, KW_ALL) && p_take_kw(ps, KW_ALL)))
            TRY(p_expr(ps, &q->limit));
    }
    if (p_is_kw(ps, KW_OFFSET)) {
        ps->at++;
        any = true;
        TRY(p_expr(ps, &q->offset));
        if (!q->limit && p_is_kw(ps, KW_LIMIT)) { /* the other order is common elsewhere */
            ps->at++;
            TRY(p_expr(ps, &q->limit));
        }
    }
    if (!any) {
        *ret = body;
        return 0;
    }
    p_set_input(ps, q, body);
    *ret = q;
    return p_done_rel(ps, q);
}

int p_query(struct ps *ps, struct ast_rel **ret)
{
    TRY(p_enter(ps));
    TRY(p_query_level(ps, ret));
    p_leave(ps);
    return 0;
}
