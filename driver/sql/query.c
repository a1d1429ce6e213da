/*
 * Queries and relations. A query is [WITH] a set-operation tree of cores, then ORDER BY, LIMIT, OFFSET. Chains
 * (set operations of one kind, VALUES rows) become flat nodes; joins are left-deep and count towards the depth.
 *
 * Three questions need more than one token of lookahead, because any keyword may be a name: does a parenthesis
 * hold a query (p_is_query), does the word after an expression or a table go on with the statement or name it
 * (p_is_clause), and are these grouping sets. Brackets know their partners, so looking behind one is a step.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>

static int p_set_tree(struct ps *ps, struct ast_rel **ret);

/* ---- looking ahead ---- */

static bool ends(const struct tok *t)
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
    case KW_OFFSET: return !ends(next);
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
    case KW_SELECT: return table && !ends(next);
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
    case KW_VALUES: return !ends(next) && next->kind != T_DOT && (next->kind < T_PLUS || next->kind == T_MINUS);
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
        if ((after->kw == KW_LIMIT || after->kw == KW_OFFSET) && !ends(after + 1))
            continue;
        return false;
    }
    return true;
}

/* ---- nodes ---- */

static struct ast_rel *new_rel(struct ps *ps, enum ast_rel_kind kind, uint32_t start)
{
    struct ast_rel *rel = ARENA_NEW(ps->ar, struct ast_rel);
    rel->kind = kind;
    rel->span.start = start;
    return rel;
}

static void set_input(struct ps *ps, struct ast_rel *rel, struct ast_rel *input)
{
    rel->inputs = arena_dup(ps->ar, &input, sizeof input);
    rel->input_count = 1;
}

static void deepen(uint32_t *depth, const struct ast_expr *e)
{
    if (e && e->depth > *depth)
        *depth = e->depth;
}

static void deepen_all(uint32_t *depth, struct ast_expr *const *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        deepen(depth, items[i]);
}

static int done_rel(struct ps *ps, struct ast_rel *rel)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < rel->input_count; i++)
        depth = rel->inputs[i]->depth > depth ? rel->inputs[i]->depth : depth;
    deepen_all(&depth, rel->exprs, rel->expr_count);
    deepen_all(&depth, rel->rows, rel->row_count * rel->row_width);
    deepen_all(&depth, rel->group_exprs, rel->group_count);
    deepen_all(&depth, rel->distribute, rel->distribute_count);
    deepen_all(&depth, rel->pivot_columns, rel->pivot_column_count);
    deepen_all(&depth, rel->pivot_values, rel->pivot_value_count);
    deepen(&depth, rel->on);
    deepen(&depth, rel->where);
    deepen(&depth, rel->having);
    deepen(&depth, rel->qualify);
    deepen(&depth, rel->limit);
    deepen(&depth, rel->offset);
    deepen(&depth, rel->sample_value);
    for (uint32_t i = 0; i < rel->sort_count; i++)
        deepen(&depth, rel->sorts[i].expr);
    for (uint32_t i = 0; i < rel->hint_count; i++)
        deepen_all(&depth, rel->hints[i].args, rel->hints[i].arg_count);
    for (uint32_t i = 0; i < rel->cte_count; i++)
        depth = rel->ctes[i].query->depth > depth ? rel->ctes[i].query->depth : depth;
    for (uint32_t i = 0; i < rel->window_count; i++) {
        const struct ast_window *w = rel->windows[i].window;
        deepen_all(&depth, w->partitions, w->partition_count);
        for (uint32_t j = 0; j < w->sort_count; j++)
            deepen(&depth, w->sorts[j].expr);
    }
    rel->depth = depth + 1;
    rel->span = p_span(ps, rel->span.start);
    return rel->depth > AST_DEPTH_MAX ? p_too_deep(ps, rel->span.start) : 0;
}

/* ---- relations of FROM ---- */

int p_options(struct ps *ps, struct ast_option **ret, uint32_t *ret_count)
{
    struct ast_option *items = NULL;
    uint32_t count = 0, cap = 0;
    TRY(p_need(ps, T_LPAREN, NULL));
    while (!p_is(ps, T_RPAREN)) {
        struct ast_option opt = {0};
        uint32_t start = p_start(ps);
        if (p_is(ps, T_STRING)) {
            TRY(p_cstring(ps, &opt.key, "the name of an option"));
        } else {
            struct buf key = BUF_INIT;
            do {
                if (!p_is_name(p_tok(ps)) && !p_is(ps, T_NUMBER)) {
                    buf_fini(&key);
                    return p_fail(ps, "the name of an option");
                }
                struct ast_part part = {.text = p_text(ps, p_tok(ps))};
                if (p_is_name(p_tok(ps))) {
                    int rc = p_identifier(ps, &part, "the name of an option");
                    if (rc != 0) {
                        buf_fini(&key);
                        return rc;
                    }
                } else {
                    ps->at++;
                }
                buf_addf(&key, "%s%s", key.bytes ? "." : "", part.text);
            } while (p_take(ps, T_DOT));
            opt.key = arena_strdup(ps->ar, key.data);
            buf_fini(&key);
        }
        p_take(ps, T_EQ);
        if (p_is(ps, T_STRING)) {
            TRY(p_cstring(ps, &opt.value, "a value"));
        } else if (!ends(p_tok(ps))) {
            bool negative = p_take(ps, T_MINUS);
            if (!p_is(ps, T_NUMBER) && !p_is_name(p_tok(ps)))
                return p_fail(ps, "the value of the option: a string, a number or a boolean");
            opt.value = arena_printf(ps->ar, "%s%s", negative ? "-" : "", p_text(ps, p_tok(ps)));
            ps->at++;
        }
        opt.span = p_span(ps, start);
        ARENA_PUSH(ps->ar, items, count, cap, opt);
        if (!p_take(ps, T_COMMA))
            break;
    }
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    *ret = items;
    *ret_count = count;
    return 0;
}

static int p_sample(struct ps *ps, struct ast_rel **rel)
{
    struct ast_rel *s = new_rel(ps, AST_SAMPLE, (*rel)->span.start);
    ps->at++;
    if (p_is_kw(ps, KW_SYSTEM) || p_is_kw(ps, KW_BERNOULLI))
        ps->at++;
    TRY(p_need(ps, T_LPAREN, NULL));
    if (p_take_kw(ps, KW_BUCKET)) {
        s->sample = AST_SAMPLE_BUCKET;
        TRY(p_integer(ps, &s->sample_bucket, "the number of a bucket"));
        TRY(p_need_kw(ps, KW_OUT));
        TRY(p_need_kw(ps, KW_OF));
        TRY(p_integer(ps, &s->sample_buckets, "the number of buckets"));
    } else {
        TRY(p_expr(ps, &s->sample_value));
        if (p_take_kw(ps, KW_ROWS))
            s->sample = AST_SAMPLE_ROWS;
        else if (p_take_kw(ps, KW_PERCENT))
            s->sample = AST_SAMPLE_PERCENT;
        else
            return p_fail(ps, "PERCENT or ROWS");
    }
    TRY(p_need(ps, T_RPAREN, NULL));
    if (p_is_kw(ps, KW_REPEATABLE) && p_peek(ps, 1)->kind == T_LPAREN) {
        ps->at += 2;
        s->sample_seeded = true;
        TRY(p_integer(ps, &s->sample_seed, "a seed"));
        TRY(p_need(ps, T_RPAREN, NULL));
    }
    set_input(ps, s, *rel);
    *rel = s;
    return done_rel(ps, s);
}

/* [TABLESAMPLE ..] [[AS] alias [(columns)]]; scope: wrap even without an alias. */
static int p_alias(struct ps *ps, bool scope, struct ast_rel **rel)
{
    if (p_is_kw(ps, KW_TABLESAMPLE) && p_is_clause(ps, true))
        TRY(p_sample(ps, rel));
    bool as = p_take_kw(ps, KW_AS);
    bool named = as || (p_is_name(p_tok(ps)) && !p_is_clause(ps, true));
    if (!named && !scope)
        return 0;
    struct ast_rel *a = new_rel(ps, AST_REL_ALIAS, (*rel)->span.start);
    if (named && !(as && p_is(ps, T_LPAREN)))
        TRY(p_identifier(ps, &a->alias, "an alias"));
    if (named && p_is(ps, T_LPAREN))
        TRY(p_identifier_list(ps, &a->columns, &a->column_count));
    set_input(ps, a, *rel);
    *rel = a;
    return done_rel(ps, a);
}

static int p_values(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *rel = new_rel(ps, AST_VALUES, p_start(ps));
    uint32_t cap = 0, count = 0;
    ps->at++;
    do {
        struct ast_expr *row;
        uint32_t start = p_start(ps);
        if (p_is(ps, T_LPAREN) && p_peek_kw(ps, 1, KW_DEFAULT) && p_peek(ps, 2)->kind == T_RPAREN) {
            ps->at++;
            TRY(p_expr(ps, &row));
            ps->at++;
        } else {
            TRY(p_expr(ps, &row));
        }
        uint32_t width = row->kind == AST_ROW ? row->arg_count : 1;
        if (rel->row_count && width != rel->row_width) {
            int rc = error_set(ps->err, ERR_INLINE_TABLE_WIDTH, "expectedNumCols", arena_printf(ps->ar, "%u", rel->row_width), "actualNumCols",
                               arena_printf(ps->ar, "%u", width), "rowIndex", arena_printf(ps->ar, "%u", rel->row_count), NULL);
            error_at(ps->err, p_span(ps, start));
            return rc;
        }
        rel->row_width = width;
        rel->row_count++;
        if (row->kind == AST_ROW) {
            for (uint32_t i = 0; i < width; i++)
                ARENA_PUSH(ps->ar, rel->rows, count, cap, row->args[i]);
        } else {
            ARENA_PUSH(ps->ar, rel->rows, count, cap, row);
        }
    } while (p_take(ps, T_COMMA));
    *ret = rel;
    return done_rel(ps, rel);
}

static int p_pivot(struct ps *ps, struct ast_rel **rel)
{
    struct ast_rel *p = new_rel(ps, AST_PIVOT, (*rel)->span.start);
    uint32_t cap = 0;
    ps->at += 2;
    TRY(p_named_exprs(ps, &p->exprs, &p->expr_count));
    TRY(p_need_kw(ps, KW_FOR));
    bool several = p_take(ps, T_LPAREN);
    do {
        struct ast_expr *col = p_new_expr(ps, AST_COLUMN, p_start(ps));
        TRY(p_name(ps, &col->name, "a column"));
        TRY(p_done_expr(ps, col));
        ARENA_PUSH(ps->ar, p->pivot_columns, p->pivot_column_count, cap, col);
    } while (several && p_take(ps, T_COMMA));
    if (several)
        TRY(p_need(ps, T_RPAREN, NULL));
    TRY(p_need_kw(ps, KW_IN));
    TRY(p_need(ps, T_LPAREN, NULL));
    TRY(p_named_exprs(ps, &p->pivot_values, &p->pivot_value_count));
    TRY(p_need(ps, T_RPAREN, NULL));
    TRY(p_need(ps, T_RPAREN, NULL));
    set_input(ps, p, *rel);
    *rel = p;
    return done_rel(ps, p);
}

static int p_table_fn(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *rel = new_rel(ps, AST_TABLE_FN, p_start(ps));
    struct ast_expr *call = p_new_expr(ps, AST_CALL, p_start(ps));
    TRY(p_name(ps, &rel->name, "a function"));
    call->name = rel->name;
    ps->at++; /* ( */
    TRY(p_call_args(ps, call));
    rel->exprs = call->args;
    rel->expr_count = call->arg_count;
    *ret = rel;
    return done_rel(ps, rel);
}

static int p_primary_rel(struct ps *ps, struct ast_rel **ret)
{
    uint32_t start = p_start(ps);
    struct ast_rel *rel;
    bool scope = false;
    if (p_is(ps, T_LPAREN)) {
        scope = p_is_query(ps, 1);
        ps->at++;
        TRY(p_enter(ps));
        TRY(scope ? p_query(ps, &rel) : p_relation(ps, &rel));
        p_leave(ps);
        TRY(p_need(ps, T_RPAREN, scope ? "')'" : "a join or ')'"));
    } else if (p_is_kw(ps, KW_VALUES) && !ends(p_peek(ps, 1)) && p_peek(ps, 1)->kind != T_DOT) {
        TRY(p_values(ps, &rel));
    } else if (!p_is_name(p_tok(ps))) {
        return p_fail(ps, "a table, a subquery or VALUES");
    } else {
        uint32_t n = 1;
        while (p_peek(ps, n)->kind == T_DOT && p_is_name(p_peek(ps, n + 1)))
            n += 2;
        if (p_peek(ps, n)->kind == T_LPAREN && n == 1) {
            TRY(p_table_fn(ps, &rel));
        } else {
            rel = new_rel(ps, AST_TABLE, start);
            TRY(p_name(ps, &rel->name, "a table"));
            if (p_is_kw(ps, KW_WITH) && p_peek(ps, 1)->kind == T_LPAREN) {
                ps->at++;
                TRY(p_options(ps, &rel->options, &rel->option_count));
            }
            TRY(done_rel(ps, rel));
        }
    }
    TRY(p_alias(ps, scope, &rel));
    *ret = rel;
    return 0;
}

/* The words before a right side; false when no join is here. */
static bool join_words(struct ps *ps, struct ast_rel *j)
{
    uint32_t n = 0;
    j->natural = p_is_kw(ps, KW_NATURAL);
    n += j->natural;
    bool joined = true;
    switch (p_peek(ps, n)->kw) {
    case KW_JOIN: joined = false; break;
    case KW_INNER: break;
    case KW_CROSS: j->join = AST_JOIN_CROSS; break;
    case KW_SEMI: j->join = AST_JOIN_LEFT_SEMI; break;
    case KW_ANTI: j->join = AST_JOIN_LEFT_ANTI; break;
    case KW_LEFT:
        j->join = AST_JOIN_LEFT;
        if (p_peek_kw(ps, n + 1, KW_SEMI) || p_peek_kw(ps, n + 1, KW_ANTI)) {
            j->join = p_peek_kw(ps, n + 1, KW_SEMI) ? AST_JOIN_LEFT_SEMI : AST_JOIN_LEFT_ANTI;
            n++;
        } else {
            n += p_peek_kw(ps, n + 1, KW_OUTER);
        }
        break;
    case KW_RIGHT:
    case KW_FULL:
        j->join = p_peek_kw(ps, n, KW_RIGHT) ? AST_JOIN_RIGHT : AST_JOIN_FULL;
        n += p_peek_kw(ps, n + 1, KW_OUTER);
        break;
    default: return false;
    }
    n += joined;
    if (!p_peek_kw(ps, n, KW_JOIN))
        return false;
    ps->at += n + 1;
    return true;
}

static int finish_join(struct ps *ps, struct ast_rel *j, struct ast_rel **left)
{
    j->lateral = p_is_kw(ps, KW_LATERAL) && !p_peek_kw(ps, 1, KW_VIEW) && p_take_kw(ps, KW_LATERAL);
    struct ast_rel *inputs[2] = {*left, NULL};
    TRY(p_primary_rel(ps, &inputs[1]));
    j->inputs = arena_dup(ps->ar, inputs, sizeof inputs);
    j->input_count = 2;
    *left = j;
    return 0;
}

/* One item of FROM: a primary and its joins. */
static int p_joins(struct ps *ps, struct ast_rel **left)
{
    for (;;) {
        struct ast_rel *j = new_rel(ps, AST_JOIN, (*left)->span.start);
        if (p_is_kw(ps, KW_PIVOT) && p_is_clause(ps, true)) {
            TRY(p_pivot(ps, left));
            TRY(p_alias(ps, false, left));
            continue;
        }
        if (!join_words(ps, j))
            return 0;
        TRY(finish_join(ps, j, left));
        if (p_is_kw(ps, KW_ON)) {
            ps->at++;
            TRY(p_expr(ps, &j->on));
        } else if (p_is_kw(ps, KW_USING)) {
            ps->at++;
            TRY(p_identifier_list(ps, &j->columns, &j->column_count));
        }
        TRY(done_rel(ps, j));
    }
}

int p_relation(struct ps *ps, struct ast_rel **ret)
{
    TRY(p_primary_rel(ps, ret));
    return p_joins(ps, ret);
}

static int p_lateral_view(struct ps *ps, struct ast_rel **rel)
{
    struct ast_rel *v = new_rel(ps, AST_LATERAL_VIEW, (*rel)->span.start);
    ps->at += 2;
    v->outer = p_take_kw(ps, KW_OUTER);
    struct ast_expr *call = p_new_expr(ps, AST_CALL, p_start(ps));
    TRY(p_name(ps, &call->name, "a function"));
    TRY(p_need(ps, T_LPAREN, NULL));
    TRY(p_call_args(ps, call));
    v->name = call->name;
    v->exprs = call->args;
    v->expr_count = call->arg_count;
    if (p_is_name(p_tok(ps)) && !p_is_kw(ps, KW_AS) && !p_is_clause(ps, true))
        TRY(p_identifier(ps, &v->alias, "an alias"));
    if (p_take_kw(ps, KW_AS)) {
        uint32_t cap = 0;
        do {
            struct ast_part part;
            TRY(p_identifier(ps, &part, "a column name"));
            ARENA_PUSH(ps->ar, v->columns, v->column_count, cap, part);
        } while (p_take(ps, T_COMMA));
    }
    set_input(ps, v, *rel);
    *rel = v;
    return done_rel(ps, v);
}

static int p_from(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *left = NULL;
    ps->at++; /* FROM */
    do {
        if (!left) {
            p_take_kw(ps, KW_LATERAL);
            TRY(p_primary_rel(ps, &left));
        } else {
            struct ast_rel *j = new_rel(ps, AST_JOIN, left->span.start);
            j->join = AST_JOIN_CROSS;
            TRY(finish_join(ps, j, &left)); /* a, b JOIN c is (a, b) JOIN c in Spark: ON may name a */
            TRY(done_rel(ps, j));
        }
        TRY(p_joins(ps, &left));
    } while (p_take(ps, T_COMMA));
    while (p_is_kw(ps, KW_LATERAL) && p_peek_kw(ps, 1, KW_VIEW))
        TRY(p_lateral_view(ps, &left));
    *ret = left;
    return 0;
}

/* ---- GROUP BY ---- */

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

static int p_group_by(struct ps *ps, struct ast_rel *rel)
{
    ps->at += 2;
    if (p_is_kw(ps, KW_ALL) && (ends(p_peek(ps, 1)) || p_is_name(p_peek(ps, 1))) && p_peek(ps, 1)->kind != T_COMMA) {
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
    struct ast_rel *rel = new_rel(ps, AST_SELECT, start);
    ps->at++;
    TRY(p_hints(ps, rel));
    if ((p_is_kw(ps, KW_DISTINCT) || p_is_kw(ps, KW_ALL)) && !ends(p_peek(ps, 1)) && p_peek(ps, 1)->kind != T_DOT &&
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
        set_input(ps, rel, from);
    *ret = rel;
    return done_rel(ps, rel);
}

/* FROM t [SELECT ..]: without SELECT it is SELECT *. */
static int p_from_first(struct ps *ps, struct ast_rel **ret)
{
    uint32_t start = p_start(ps);
    struct ast_rel *from;
    TRY(p_from(ps, &from));
    if (p_is_kw(ps, KW_SELECT))
        return p_select(ps, from, start, ret);
    struct ast_rel *rel = new_rel(ps, AST_SELECT, start);
    struct ast_expr *star = p_new_expr(ps, AST_STAR, start);
    TRY(p_core_tail(ps, rel));
    TRY(p_done_expr(ps, star));
    rel->exprs = arena_dup(ps->ar, &star, sizeof star);
    rel->expr_count = 1;
    set_input(ps, rel, from);
    *ret = rel;
    return done_rel(ps, rel);
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
        struct ast_rel *rel = new_rel(ps, AST_TABLE, start);
        ps->at++;
        TRY(p_name(ps, &rel->name, "a table"));
        *ret = rel;
        return done_rel(ps, rel);
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
            chain = new_rel(ps, AST_SETOP, start);
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
    struct ast_rel *q = new_rel(ps, AST_QUERY, p_start(ps)), *body;
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
    set_input(ps, q, body);
    *ret = q;
    return done_rel(ps, q);
}

int p_query(struct ps *ps, struct ast_rel **ret)
{
    TRY(p_enter(ps));
    TRY(p_query_level(ps, ret));
    p_leave(ps);
    return 0;
}
