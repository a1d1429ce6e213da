/*
 * Relations: the nodes of the tree, and those of FROM (tables, subqueries, VALUES, functions, samples, pivots, joins,
 * lateral views). Joins are left-deep and count towards the depth.
 */
#include "driver/sql/parser_impl.h"

/* ---- nodes ---- */

struct ast_rel *p_new_rel(struct ps *ps, enum ast_rel_kind kind, uint32_t start)
{
    struct ast_rel *rel = ARENA_NEW(ps->ar, struct ast_rel);
    rel->kind = kind;
    rel->span.start = start;
    return rel;
}

void p_set_input(struct ps *ps, struct ast_rel *rel, struct ast_rel *input)
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

int p_done_rel(struct ps *ps, struct ast_rel *rel)
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
        } else if (!p_ends(p_tok(ps))) {
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
    struct ast_rel *s = p_new_rel(ps, AST_SAMPLE, (*rel)->span.start);
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
    p_set_input(ps, s, *rel);
    *rel = s;
    return p_done_rel(ps, s);
}

/* [TABLESAMPLE ..] [[AS] alias [(columns)]]; scope: wrap even without an alias. */
int p_alias(struct ps *ps, bool scope, struct ast_rel **rel)
{
    if (p_is_kw(ps, KW_TABLESAMPLE) && p_is_clause(ps, true))
        TRY(p_sample(ps, rel));
    bool as = p_take_kw(ps, KW_AS);
    bool named = as || (p_is_name(p_tok(ps)) && !p_is_clause(ps, true));
    if (!named && !scope)
        return 0;
    struct ast_rel *a = p_new_rel(ps, AST_REL_ALIAS, (*rel)->span.start);
    if (named && !(as && p_is(ps, T_LPAREN)))
        TRY(p_identifier(ps, &a->alias, "an alias"));
    if (named && p_is(ps, T_LPAREN))
        TRY(p_identifier_list(ps, &a->columns, &a->column_count));
    p_set_input(ps, a, *rel);
    *rel = a;
    return p_done_rel(ps, a);
}

int p_values(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *rel = p_new_rel(ps, AST_VALUES, p_start(ps));
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
    return p_done_rel(ps, rel);
}

static int p_pivot(struct ps *ps, struct ast_rel **rel)
{
    struct ast_rel *p = p_new_rel(ps, AST_PIVOT, (*rel)->span.start);
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
    p_set_input(ps, p, *rel);
    *rel = p;
    return p_done_rel(ps, p);
}

static int p_table_fn(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *rel = p_new_rel(ps, AST_TABLE_FN, p_start(ps));
    struct ast_expr *call = p_new_expr(ps, AST_CALL, p_start(ps));
    TRY(p_name(ps, &rel->name, "a function"));
    call->name = rel->name;
    ps->at++; /* ( */
    TRY(p_call_args(ps, call));
    rel->exprs = call->args;
    rel->expr_count = call->arg_count;
    *ret = rel;
    return p_done_rel(ps, rel);
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
    } else if (p_is_kw(ps, KW_VALUES) && !p_ends(p_peek(ps, 1)) && p_peek(ps, 1)->kind != T_DOT) {
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
            rel = p_new_rel(ps, AST_TABLE, start);
            TRY(p_name(ps, &rel->name, "a table"));
            if (p_is_kw(ps, KW_WITH) && p_peek(ps, 1)->kind == T_LPAREN) {
                ps->at++;
                TRY(p_options(ps, &rel->options, &rel->option_count));
            }
            TRY(p_done_rel(ps, rel));
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
        struct ast_rel *j = p_new_rel(ps, AST_JOIN, (*left)->span.start);
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
        TRY(p_done_rel(ps, j));
    }
}

int p_relation(struct ps *ps, struct ast_rel **ret)
{
    TRY(p_primary_rel(ps, ret));
    return p_joins(ps, ret);
}

int p_lateral_view(struct ps *ps, struct ast_rel **rel)
{
    struct ast_rel *v = p_new_rel(ps, AST_LATERAL_VIEW, (*rel)->span.start);
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
    p_set_input(ps, v, *rel);
    *rel = v;
    return p_done_rel(ps, v);
}

int p_from(struct ps *ps, struct ast_rel **ret)
{
    struct ast_rel *left = NULL;
    ps->at++; /* FROM */
    do {
        if (!left) {
            p_take_kw(ps, KW_LATERAL);
            TRY(p_primary_rel(ps, &left));
        } else {
            struct ast_rel *j = p_new_rel(ps, AST_JOIN, left->span.start);
            j->join = AST_JOIN_CROSS;
            TRY(finish_join(ps, j, &left)); /* a, b JOIN c is (a, b) JOIN c in Spark: ON may name a */
            TRY(p_done_rel(ps, j));
        }
        TRY(p_joins(ps, &left));
    } while (p_take(ps, T_COMMA));
    while (p_is_kw(ps, KW_LATERAL) && p_peek_kw(ps, 1, KW_VIEW))
        TRY(p_lateral_view(ps, &left));
    *ret = left;
    return 0;
}
