/*
 * Expressions: recursive descent for what is nested, loops for what is a chain. The levels, loosest first:
 * OR, AND, NOT, predicates (IN, LIKE, BETWEEN, IS; one at most), then binary operators by precedence climbing;
 * below them are primary.c and call.c.
 */
#include "driver/sql/parser_impl.h"

static int p_or(struct ps *ps, struct ast_expr **ret);

struct ast_expr *p_new_expr(struct ps *ps, enum ast_expr_kind kind, uint32_t start)
{
    struct ast_expr *e = ARENA_NEW(ps->ar, struct ast_expr);
    e->kind = kind;
    e->span.start = start;
    return e;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t depth_of_sorts(const struct ast_sort *sorts, uint32_t count)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < count; i++)
        depth = max_u32(depth, sorts[i].expr->depth);
    return depth;
}

static uint32_t depth_of_window(const struct ast_window *w)
{
    uint32_t depth = depth_of_sorts(w->sorts, w->sort_count);
    for (uint32_t i = 0; i < w->partition_count; i++)
        depth = max_u32(depth, w->partitions[i]->depth);
    depth = w->low_expr ? max_u32(depth, w->low_expr->depth) : depth;
    return w->high_expr ? max_u32(depth, w->high_expr->depth) : depth;
}

/* The node without its span: that of built-up trees is set by hand. */
static int set_depth(struct ps *ps, struct ast_expr *e)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < e->arg_count; i++)
        depth = max_u32(depth, e->args[i]->depth);
    if (e->query)
        depth = max_u32(depth, e->query->depth);
    if (e->filter)
        depth = max_u32(depth, e->filter->depth);
    if (e->over)
        depth = max_u32(depth, depth_of_window(e->over));
    depth = max_u32(depth, depth_of_sorts(e->within, e->within_count));
    e->depth = depth + 1;
    return e->depth > AST_DEPTH_MAX ? p_too_deep(ps, e->span.start) : 0;
}

int p_done_expr(struct ps *ps, struct ast_expr *e)
{
    e->span = p_span(ps, e->span.start);
    return set_depth(ps, e);
}

struct ast_expr *p_new_op(struct ps *ps, const char *op, uint32_t start, uint32_t argc, struct ast_expr *a,
                               struct ast_expr *b, struct ast_expr *c)
{
    struct ast_expr *e = p_new_expr(ps, AST_OP, start);
    struct ast_expr *args[] = {a, b, c};
    e->op = op;
    e->arg_count = argc;
    e->args = arena_dup(ps->ar, args, argc * sizeof *args);
    return e;
}

/* op(a[, b]) from start to the last token read. */
int p_make_op(struct ps *ps, const char *op, uint32_t start, struct ast_expr *a, struct ast_expr *b,
                   struct ast_expr **ret)
{
    *ret = p_new_op(ps, op, start, b ? 2 : 1, a, b, NULL);
    return p_done_expr(ps, *ret);
}

static int make_not(struct ps *ps, bool negate, struct ast_expr *e, struct ast_expr **ret)
{
    if (!negate) {
        *ret = e;
        return 0;
    }
    return p_make_op(ps, "not", e->span.start, e, NULL, ret);
}

int p_make_string(struct ps *ps, const char *text, uint32_t bytes, uint32_t start, struct ast_expr **ret)
{
    *ret = p_new_expr(ps, AST_LITERAL, start);
    (*ret)->lit = (struct ast_literal){.kind = AST_LIT_STRING, .text = text, .bytes = bytes};
    return p_done_expr(ps, *ret);
}

/* ---- AND and OR: balanced as Spark balances them ---- */

struct chain {
    struct ast_expr **items;
    struct span *spans; /* with the parentheses around the item */
    uint32_t count, cap_items, cap_spans, span_count;
};

static int balance(struct ps *ps, const char *op, const struct chain *ch, uint32_t low, uint32_t high, struct ast_expr **ret)
{
    if (low == high) {
        *ret = ch->items[low];
        return 0;
    }
    uint32_t mid = low + (high - low) / 2;
    struct ast_expr *left, *right;
    if (high - low == 1)
        mid = low;
    TRY(balance(ps, op, ch, low, mid, &left));
    TRY(balance(ps, op, ch, mid + 1, high, &right));
    *ret = p_new_op(ps, op, ch->spans[low].start, 2, left, right, NULL);
    (*ret)->span.stop = ch->spans[high].stop;
    return set_depth(ps, *ret);
}

static void chain_add(struct ps *ps, struct chain *ch, struct ast_expr *e, struct span span)
{
    ARENA_PUSH(ps->ar, ch->items, ch->count, ch->cap_items, e);
    ARENA_PUSH(ps->ar, ch->spans, ch->span_count, ch->cap_spans, span);
}

/* ---- predicates ---- */

static int make_bool(struct ps *ps, bool v, uint32_t start, struct ast_expr **ret)
{
    *ret = p_new_expr(ps, AST_LITERAL, start);
    (*ret)->lit = (struct ast_literal){.kind = AST_LIT_BOOL, .i = v};
    return p_done_expr(ps, *ret);
}

static int p_in(struct ps *ps, struct ast_expr *left, bool negate, uint32_t start, struct ast_expr **ret)
{
    struct ast_expr *e;
    ps->at++;
    if (!p_is(ps, T_LPAREN))
        return p_fail(ps, "'(' after IN");
    if (p_is_query(ps, 1)) {
        ps->at++;
        e = p_new_expr(ps, AST_SUBQUERY, start);
        e->subquery_mode = AST_SUBQUERY_IN;
        TRY(p_query(ps, &e->query));
        TRY(p_need(ps, T_RPAREN, NULL));
        if (left->kind == AST_ROW) {
            e->args = left->args;
            e->arg_count = left->arg_count;
        } else {
            e->args = arena_dup(ps->ar, &left, sizeof left);
            e->arg_count = 1;
        }
    } else {
        ps->at++;
        struct ast_expr **items;
        uint32_t count;
        TRY(p_exprs(ps, &items, &count));
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
        e = p_new_expr(ps, AST_OP, start);
        e->op = "in";
        e->arg_count = count + 1;
        e->args = ARENA_ARRAY(ps->ar, struct ast_expr *, count + 1);
        e->args[0] = left;
        memcpy(e->args + 1, items, count * sizeof *items);
    }
    TRY(p_done_expr(ps, e));
    return make_not(ps, negate, e, ret);
}

/* An error with one parameter or none, about what was read from start on. */
static int p_raise(struct ps *ps, enum errcode code, uint32_t start, const char *name, const char *value)
{
    error_set(ps->err, code, name, value, NULL);
    error_at(ps->err, p_span(ps, start));
    return (int)ps->err->code;
}

static int p_like(struct ps *ps, struct ast_expr *left, bool negate, uint32_t start, struct ast_expr **ret)
{
    const char *op = p_is_kw(ps, KW_LIKE) ? "like" : p_is_kw(ps, KW_ILIKE) ? "ilike" : "rlike";
    uint32_t at = p_start(ps);
    ps->at++;
    bool any = p_is_kw(ps, KW_ANY) || p_is_kw(ps, KW_SOME), all = p_is_kw(ps, KW_ALL);
    struct ast_expr *e, *pattern;
    if ((any || all) && p_peek(ps, 1)->kind == T_LPAREN && strcmp(op, "rlike") != 0) {
        ps->at += 2;
        if (p_take(ps, T_RPAREN))
            return p_raise(ps, ERR_LIKE_NOTHING, at, NULL, NULL);
        e = p_new_expr(ps, AST_OP, start);
        e->op = arena_printf(ps->ar, "_%s%s%s", negate ? "not" : "", op, any ? "any" : "all");
        uint32_t cap = 0;
        ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, left);
        do {
            TRY(p_expr(ps, &pattern));
            ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, pattern);
        } while (p_take(ps, T_COMMA));
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
        *ret = e;
        return p_done_expr(ps, e);
    }
    TRY(p_value(ps, &pattern));
    struct ast_expr *escape = NULL;
    if (strcmp(op, "rlike") != 0 && p_is_kw(ps, KW_ESCAPE)) {
        ps->at++;
        const char *text;
        uint32_t bytes, from = p_start(ps);
        TRY(p_string(ps, &text, &bytes));
        if (bytes != 1)
            return p_raise(ps, ERR_LIKE_ESCAPE, at, "invalidEscape", arena_printf(ps->ar, "'%.*s'", (int)bytes, text));
        TRY(p_make_string(ps, text, bytes, from, &escape));
    }
    e = p_new_op(ps, op, start, escape ? 3 : 2, left, pattern, escape);
    TRY(p_done_expr(ps, e));
    return make_not(ps, negate, e, ret);
}

static int p_is_predicate(struct ps *ps, struct ast_expr *left, uint32_t start, struct ast_expr **ret)
{
    ps->at++;
    bool negate = p_take_kw(ps, KW_NOT);
    uint32_t at = p_start(ps);
    struct ast_expr *right, *e;
    if (p_take_kw(ps, KW_NULL) || p_take_kw(ps, KW_UNKNOWN))
        return p_make_op(ps, negate ? "isnotnull" : "isnull", start, left, NULL, ret);
    if (p_is_kw(ps, KW_TRUE) || p_is_kw(ps, KW_FALSE)) {
        bool v = p_is_kw(ps, KW_TRUE);
        ps->at++;
        TRY(make_bool(ps, v, at, &right));
    } else if (p_take_kw(ps, KW_DISTINCT)) {
        TRY(p_need_kw(ps, KW_FROM));
        TRY(p_value(ps, &right));
        negate = !negate;
    } else {
        return p_fail(ps, "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM");
    }
    TRY(p_make_op(ps, "<=>", start, left, right, &e));
    return make_not(ps, negate, e, ret);
}

static int p_predicate(struct ps *ps, struct ast_expr **ret)
{
    struct ast_expr *left;
    TRY(p_value(ps, &left));
    uint32_t start = p_start(ps); /* errors point at the predicate, as Spark's do */
    bool negate = p_is_kw(ps, KW_NOT);
    switch (p_peek(ps, negate)->kw) {
    case KW_IN:
        ps->at += negate;
        return p_in(ps, left, negate, start, ret);
    case KW_LIKE:
    case KW_ILIKE:
    case KW_RLIKE:
    case KW_REGEXP:
        if (p_peek(ps, negate + 1u)->kind == T_END)
            break;
        ps->at += negate;
        return p_like(ps, left, negate, start, ret);
    case KW_BETWEEN: {
        struct ast_expr *low, *high;
        ps->at += 1 + negate;
        TRY(p_value(ps, &low));
        TRY(p_need_kw(ps, KW_AND));
        TRY(p_value(ps, &high));
        struct ast_expr *e = p_new_op(ps, "between", start, 3, left, low, high);
        TRY(p_done_expr(ps, e));
        return make_not(ps, negate, e, ret);
    }
    case KW_IS:
        if (!negate)
            return p_is_predicate(ps, left, start, ret);
        break;
    default: break;
    }
    *ret = left;
    return 0;
}

static int p_not(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    uint8_t next = p_peek(ps, 1)->kind;
    bool word = p_is_kw(ps, KW_NOT) && next != T_END && next != T_COMMA && next != T_RPAREN && next != T_DOT;
    if (!word && !p_is(ps, T_BANG))
        return p_predicate(ps, ret);
    ps->at++;
    struct ast_expr *e;
    TRY(p_enter(ps));
    TRY(p_not(ps, &e));
    p_leave(ps);
    return p_make_op(ps, "not", start, e, NULL, ret);
}

static int p_chain(struct ps *ps, enum keyword kw, const char *op, int (*item)(struct ps *, struct ast_expr **),
                   struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    TRY(item(ps, ret));
    if (!p_is_kw(ps, kw))
        return 0;
    struct chain ch = {0};
    chain_add(ps, &ch, *ret, p_span(ps, start));
    while (p_take_kw(ps, kw)) {
        start = p_start(ps);
        TRY(item(ps, ret));
        chain_add(ps, &ch, *ret, p_span(ps, start));
    }
    return balance(ps, op, &ch, 0, ch.count - 1, ret);
}

static int p_and(struct ps *ps, struct ast_expr **ret)
{
    return p_chain(ps, KW_AND, "and", p_not, ret);
}

static int p_or(struct ps *ps, struct ast_expr **ret)
{
    return p_chain(ps, KW_OR, "or", p_and, ret);
}

int p_expr(struct ps *ps, struct ast_expr **ret)
{
    TRY(p_enter(ps));
    TRY(p_or(ps, ret));
    p_leave(ps);
    return 0;
}

/* ---- binary operators ---- */

enum { PREC_COMPARE = 1, PREC_OR, PREC_XOR, PREC_AND, PREC_SHIFT, PREC_ADD, PREC_MULTIPLY };

static const struct {
    const char *op;
    uint8_t prec;
} binary[] = {
    [T_EQ] = {"=", PREC_COMPARE},   [T_NSEQ] = {"<=>", PREC_COMPARE}, [T_NE] = {"!=", PREC_COMPARE},
    [T_LT] = {"<", PREC_COMPARE},   [T_LE] = {"<=", PREC_COMPARE},    [T_GT] = {">", PREC_COMPARE},
    [T_GE] = {">=", PREC_COMPARE},  [T_PIPE] = {"|", PREC_OR},        [T_CARET] = {"^", PREC_XOR},
    [T_AMP] = {"&", PREC_AND},      [T_SHL] = {"<<", PREC_SHIFT},     [T_SHR] = {">>", PREC_SHIFT},
    [T_USHR] = {">>>", PREC_SHIFT}, [T_PLUS] = {"+", PREC_ADD},       [T_MINUS] = {"-", PREC_ADD},
    [T_CONCAT] = {"||", PREC_ADD},  [T_STAR] = {"*", PREC_MULTIPLY},  [T_SLASH] = {"/", PREC_MULTIPLY},
    [T_PERCENT] = {"%", PREC_MULTIPLY}};

static bool binary_here(const struct ps *ps, const char **op, int *prec)
{
    const struct tok *t = p_tok(ps);
    if (t->kind < ARRAY_LEN(binary) && binary[t->kind].op) {
        *op = binary[t->kind].op;
        *prec = binary[t->kind].prec;
        return true;
    }
    if (t->kw == KW_DIV) {
        const struct tok *next = p_peek(ps, 1);
        if (next->kind == T_END || next->kind == T_COMMA || next->kind == T_RPAREN || next->kw == KW_FROM)
            return false; /* an alias */
        *op = "div";
        *prec = PREC_MULTIPLY;
        return true;
    }
    return false;
}

static int climb(struct ps *ps, int min, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    struct ast_expr *left, *right;
    TRY(p_unary(ps, &left));
    const char *op;
    int prec;
    while (binary_here(ps, &op, &prec) && prec >= min) {
        ps->at++;
        TRY(climb(ps, prec + 1, &right));
        TRY(p_make_op(ps, op, start, left, right, &left));
    }
    *ret = left;
    return 0;
}

int p_value(struct ps *ps, struct ast_expr **ret)
{
    return climb(ps, PREC_COMPARE, ret);
}

/* ---- lists and parts of clauses ---- */

int p_named_expr(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    struct ast_expr *e;
    TRY(p_expr(ps, &e));
    bool as = p_take_kw(ps, KW_AS);
    struct ast_expr *alias = p_new_expr(ps, AST_ALIAS, start);
    if (as && p_is(ps, T_LPAREN)) {
        TRY(p_identifier_list(ps, &alias->aliases, &alias->alias_count));
    } else if (as && p_is(ps, T_STRING) && ps->sql[p_start(ps)] == '"') {
        struct ast_part part = {.quoted = true, .span = {p_start(ps), p_tok(ps)->stop}}; /* Spark wants backticks; others write this */
        TRY(p_cstring(ps, &part.text, "an alias"));
        alias->name = (struct ast_name){1, arena_dup(ps->ar, &part, sizeof part), part.span};
    } else if (as || (p_is_name(p_tok(ps)) && !p_is_clause(ps, false))) {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "an alias"));
        alias->name = (struct ast_name){1, arena_dup(ps->ar, &part, sizeof part), part.span};
    } else {
        *ret = e;
        return 0;
    }
    alias->args = arena_dup(ps->ar, &e, sizeof e);
    alias->arg_count = 1;
    *ret = alias;
    return p_done_expr(ps, alias);
}

static int p_list(struct ps *ps, int (*item)(struct ps *, struct ast_expr **), struct ast_expr ***ret, uint32_t *ret_count)
{
    struct ast_expr **items = NULL, *e;
    uint32_t count = 0, cap = 0;
    do {
        TRY(item(ps, &e));
        ARENA_PUSH(ps->ar, items, count, cap, e);
    } while (p_take(ps, T_COMMA));
    *ret = items;
    *ret_count = count;
    return 0;
}

int p_named_exprs(struct ps *ps, struct ast_expr ***ret, uint32_t *ret_count)
{
    return p_list(ps, p_named_expr, ret, ret_count);
}

int p_exprs(struct ps *ps, struct ast_expr ***ret, uint32_t *ret_count)
{
    return p_list(ps, p_expr, ret, ret_count);
}

int p_sorts(struct ps *ps, struct ast_sort **ret, uint32_t *ret_count)
{
    struct ast_sort *items = NULL;
    uint32_t count = 0, cap = 0;
    do {
        struct ast_sort sort = {0};
        uint32_t start = p_start(ps);
        TRY(p_expr(ps, &sort.expr));
        if (!p_take_kw(ps, KW_ASC))
            sort.descending = p_take_kw(ps, KW_DESC);
        if (p_is_kw(ps, KW_NULLS)) {
            ps->at++;
            if (p_take_kw(ps, KW_FIRST))
                sort.nulls = AST_NULLS_FIRST;
            else if (p_take_kw(ps, KW_LAST))
                sort.nulls = AST_NULLS_LAST;
            else
                return p_fail(ps, "FIRST or LAST");
        }
        sort.span = p_span(ps, start);
        ARENA_PUSH(ps->ar, items, count, cap, sort);
    } while (p_take(ps, T_COMMA));
    *ret = items;
    *ret_count = count;
    return 0;
}
