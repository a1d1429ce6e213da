/*
 * Expressions: recursive descent for what is nested, loops for what is a chain. The levels, loosest first:
 * OR, AND, NOT, predicates (IN, LIKE, BETWEEN, IS; one at most), then binary operators by precedence climbing,
 * unary signs, postfix ([..], .field, ::type, COLLATE) and primaries.
 *
 * No keyword is reserved, so a primary asks what follows a word before it takes the word for syntax: CAST is
 * one only before '(', CASE not before a comma, DATE only before a string.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>
#include <stdlib.h>

static int p_or(struct ps *ps, struct ast_expr **ret);
static int p_unary(struct ps *ps, struct ast_expr **ret);

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

static struct ast_expr *new_op(struct ps *ps, const char *op, uint32_t start, uint32_t argc, struct ast_expr *a,
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
static int make_op(struct ps *ps, const char *op, uint32_t start, struct ast_expr *a, struct ast_expr *b,
                   struct ast_expr **ret)
{
    *ret = new_op(ps, op, start, b ? 2 : 1, a, b, NULL);
    return p_done_expr(ps, *ret);
}

static int make_not(struct ps *ps, bool negate, struct ast_expr *e, struct ast_expr **ret)
{
    if (!negate) {
        *ret = e;
        return 0;
    }
    return make_op(ps, "not", e->span.start, e, NULL, ret);
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
    *ret = new_op(ps, op, ch->spans[low].start, 2, left, right, NULL);
    (*ret)->span.stop = ch->spans[high].stop;
    return set_depth(ps, *ret);
}

static void chain_add(struct ps *ps, struct chain *ch, struct ast_expr *e, struct span span)
{
    ARENA_PUSH(ps->ar, ch->items, ch->count, ch->cap_items, e);
    ARENA_PUSH(ps->ar, ch->spans, ch->span_count, ch->cap_spans, span);
}

/* ---- predicates ---- */

static int make_string(struct ps *ps, const char *text, uint32_t bytes, uint32_t start, struct ast_expr **ret)
{
    *ret = p_new_expr(ps, AST_LITERAL, start);
    (*ret)->lit = (struct ast_literal){.kind = AST_LIT_STRING, .text = text, .bytes = bytes};
    return p_done_expr(ps, *ret);
}

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
        TRY(make_string(ps, text, bytes, from, &escape));
    }
    e = new_op(ps, op, start, escape ? 3 : 2, left, pattern, escape);
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
        return make_op(ps, negate ? "isnotnull" : "isnull", start, left, NULL, ret);
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
    TRY(make_op(ps, "<=>", start, left, right, &e));
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
        struct ast_expr *e = new_op(ps, "between", start, 3, left, low, high);
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
    return make_op(ps, "not", start, e, NULL, ret);
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
        TRY(make_op(ps, op, start, left, right, &left));
    }
    *ret = left;
    return 0;
}

int p_value(struct ps *ps, struct ast_expr **ret)
{
    return climb(ps, PREC_COMPARE, ret);
}

/* ---- primaries ---- */

static int p_case(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps), cap = 0;
    struct ast_expr *e = p_new_expr(ps, AST_CASE, start), *operand = NULL, *item;
    ps->at++;
    if (!p_is_kw(ps, KW_WHEN))
        TRY(p_expr(ps, &operand));
    if (!p_is_kw(ps, KW_WHEN))
        return p_fail(ps, "WHEN");
    while (p_take_kw(ps, KW_WHEN)) {
        uint32_t at = p_start(ps);
        TRY(p_expr(ps, &item));
        if (operand)
            TRY(make_op(ps, "=", at, operand, item, &item));
        ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, item);
        TRY(p_need_kw(ps, KW_THEN));
        TRY(p_expr(ps, &item));
        ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, item);
    }
    if (p_take_kw(ps, KW_ELSE)) {
        TRY(p_expr(ps, &item));
        ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, item);
    }
    if (!p_is_kw(ps, KW_END))
        return p_fail(ps, "WHEN, ELSE or END");
    ps->at++;
    *ret = e;
    return p_done_expr(ps, e);
}

static int p_cast(struct ps *ps, struct ast_expr **ret)
{
    struct ast_expr *e = p_new_expr(ps, AST_CAST, p_start(ps)), *arg;
    e->try_cast = p_is_kw(ps, KW_TRY_CAST);
    ps->at += 2;
    TRY(p_expr(ps, &arg));
    if (!p_is_kw(ps, KW_AS))
        return p_fail(ps, "AS and a type");
    ps->at++;
    TRY(p_type(ps, &e->type, &e->type_span));
    TRY(p_need(ps, T_RPAREN, NULL));
    e->args = arena_dup(ps->ar, &arg, sizeof arg);
    e->arg_count = 1;
    *ret = e;
    return p_done_expr(ps, e);
}

static int p_star(struct ps *ps, struct ast_expr *e, struct ast_expr **ret)
{
    ps->at++; /* the star; name is set */
    if (p_is_kw(ps, KW_EXCEPT) && p_peek(ps, 1)->kind == T_LPAREN && !p_is_query(ps, 2)) {
        ps->at += 2;
        uint32_t cap = 0;
        do {
            struct ast_name name;
            TRY(p_name(ps, &name, "a column name"));
            ARENA_PUSH(ps->ar, e->excepts, e->except_count, cap, name);
        } while (p_take(ps, T_COMMA));
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    }
    *ret = e;
    return p_done_expr(ps, e);
}

/* DATE '..', X'..': word directly before a string. */
static int p_typed_literal(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps), bytes;
    struct ast_expr *e = p_new_expr(ps, AST_LITERAL, start);
    const char *text;
    const struct tok *word = p_tok(ps);
    ps->at++;
    if (word->kw == KW_DATE || word->kw == KW_TIMESTAMP || word->kw == KW_TIMESTAMP_LTZ || word->kw == KW_TIMESTAMP_NTZ) {
        e->lit.kind = word->kw == KW_DATE            ? AST_LIT_DATE
                      : word->kw == KW_TIMESTAMP_NTZ ? AST_LIT_TIMESTAMP_NTZ
                                                     : AST_LIT_TIMESTAMP;
        TRY(p_cstring(ps, &text, "a string"));
        bytes = (uint32_t)strlen(text);
    } else if (word->kw == KW_X) {
        const char *hex;
        TRY(p_string(ps, &hex, &bytes));
        uint32_t digits = bytes, odd = digits & 1;
        char *out = arena_alloc(ps->ar, digits / 2 + 2);
        for (uint32_t i = 0; i < digits; i++) {
            int c = tolower((unsigned char)hex[i]);
            if (!isxdigit(c))
                return p_fail_literal(ps, p_span(ps, start), "BINARY");
            int v = c <= '9' ? c - '0' : c - 'a' + 10;
            uint32_t at = (i + odd) / 2;
            out[at] = (char)((i + odd) % 2 ? out[at] | v : v << 4);
            if (i == 0 && odd)
                out[0] = (char)v;
        }
        bytes = (digits + odd) / 2;
        out[bytes] = 0;
        text = out;
        e->lit.kind = AST_LIT_BINARY;
    } else {
        ps->at--;
        return p_fail(ps, "an operator, or one of DATE, TIMESTAMP, TIMESTAMP_NTZ, INTERVAL, X before a string");
    }
    e->lit.text = text;
    e->lit.bytes = bytes;
    *ret = e;
    return p_done_expr(ps, e);
}

/* At '(' of "(a, b) ->", or at the name of "a ->". */
static bool is_lambda(const struct ps *ps)
{
    if (p_is_name(p_tok(ps)))
        return p_peek(ps, 1)->kind == T_ARROW;
    const struct tok *t = p_tok(ps);
    if (t->kind != T_LPAREN || !t->match || ps->toks[t->match + 1].kind != T_ARROW)
        return false;
    for (uint32_t i = ps->at + 1; i < t->match; i += 2) {
        if (!p_is_name(&ps->toks[i]) || (i + 1 < t->match && ps->toks[i + 1].kind != T_COMMA))
            return false;
    }
    return true;
}

static int p_lambda(struct ps *ps, struct ast_expr **ret)
{
    struct ast_expr *e = p_new_expr(ps, AST_LAMBDA, p_start(ps)), *body;
    if (p_is(ps, T_LPAREN)) {
        TRY(p_identifier_list(ps, &e->aliases, &e->alias_count));
    } else {
        e->aliases = ARENA_NEW(ps->ar, struct ast_part);
        e->alias_count = 1;
        TRY(p_identifier(ps, e->aliases, "a name"));
    }
    ps->at++; /* -> */
    TRY(p_expr(ps, &body));
    e->args = arena_dup(ps->ar, &body, sizeof body);
    e->arg_count = 1;
    *ret = e;
    return p_done_expr(ps, e);
}

static int p_paren(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    struct ast_expr *e;
    if (is_lambda(ps))
        return p_lambda(ps, ret);
    if (p_is_query(ps, 1)) {
        ps->at++;
        e = p_new_expr(ps, AST_SUBQUERY, start);
        e->subquery_mode = AST_SUBQUERY_SCALAR;
        TRY(p_query(ps, &e->query));
        TRY(p_need(ps, T_RPAREN, NULL));
        *ret = e;
        return p_done_expr(ps, e);
    }
    ps->at++;
    TRY(p_named_expr(ps, ret));
    if (p_is(ps, T_COMMA)) {
        uint32_t cap = 0;
        e = p_new_expr(ps, AST_ROW, start);
        ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, *ret);
        while (p_take(ps, T_COMMA)) {
            TRY(p_named_expr(ps, ret));
            ARENA_PUSH(ps->ar, e->args, e->arg_count, cap, *ret);
        }
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
        *ret = e;
        return p_done_expr(ps, e);
    }
    if ((*ret)->kind == AST_ALIAS)
        return p_fail(ps, "',' after the first of several values");
    return p_need(ps, T_RPAREN, "an operator, ',' or ')'");
}

static bool is_datetime_unit(const char *s)
{
    static const char *const units[] = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "HOUR", "MINUTE", "SECOND",
                                        "MILLISECOND", "MICROSECOND"};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_eq_nocase(s, units[i]))
            return true;
    }
    return false;
}

static void rename_call(struct ps *ps, struct ast_expr *e, const char *name)
{
    struct ast_part *part = ARENA_NEW(ps->ar, struct ast_part);
    *part = e->name.parts[0];
    part->text = name;
    e->name.parts = part;
}

/* timestampadd(DAY, 1, t): the unit is a word. */
static void fix_unit(struct ps *ps, struct ast_expr *e)
{
    const char *f = e->name.parts[0].text;
    bool add = str_eq_nocase(f, "timestampadd") || str_eq_nocase(f, "dateadd") || str_eq_nocase(f, "date_add");
    bool diff = str_eq_nocase(f, "timestampdiff") || str_eq_nocase(f, "datediff") || str_eq_nocase(f, "date_diff") ||
                str_eq_nocase(f, "timediff");
    if ((!add && !diff) || e->arg_count != 3)
        return;
    struct ast_expr *unit = e->args[0];
    if (unit->kind != AST_COLUMN || unit->name.count != 1 || unit->name.parts[0].quoted ||
        !is_datetime_unit(unit->name.parts[0].text))
        return;
    const char *text = unit->name.parts[0].text;
    unit->kind = AST_LITERAL;
    unit->name = (struct ast_name){0};
    unit->lit = (struct ast_literal){.kind = AST_LIT_STRING, .text = text, .bytes = (uint32_t)strlen(text)};
    rename_call(ps, e, add ? "timestampadd" : "timestampdiff");
}

static void add_arg(struct ps *ps, struct ast_expr *call, uint32_t *cap, struct ast_expr *arg)
{
    ARENA_PUSH(ps->ar, call->args, call->arg_count, *cap, arg);
}

/* The forms with words between their arguments. Returns with *ret_done when it took everything up to ')'. */
static int p_special_args(struct ps *ps, struct ast_expr *call, uint32_t *cap, bool *ret_done)
{
    enum keyword kw = (enum keyword)ps->toks[ps->at - 2].kw; /* the word before '(' */
    struct ast_expr *a;
    const struct tok *t = p_tok(ps);
    *ret_done = false;
    if (call->name.count != 1)
        return 0;
    if (kw == KW_EXTRACT && t->kind == T_WORD && p_peek_kw(ps, 1, KW_FROM)) {
        const char *unit = p_text(ps, t);
        ps->at++;
        TRY(make_string(ps, unit, (uint32_t)strlen(unit), t->start, &a));
        add_arg(ps, call, cap, a);
        ps->at++;
        TRY(p_value(ps, &a));
        add_arg(ps, call, cap, a);
        *ret_done = true;
    } else if (kw == KW_TRIM && !p_is(ps, T_RPAREN)) {
        uint8_t next = p_peek(ps, 1)->kind;
        bool side = (t->kw == KW_BOTH || t->kw == KW_LEADING || t->kw == KW_TRAILING) && next != T_RPAREN && next != T_COMMA &&
                    next != T_DOT;
        const char *name = side && t->kw == KW_LEADING ? "ltrim" : side && t->kw == KW_TRAILING ? "rtrim" : "trim";
        ps->at += side;
        if (!side || !p_is_kw(ps, KW_FROM) || p_peek(ps, 1)->kind == T_RPAREN) {
            TRY(p_expr(ps, &a));
            add_arg(ps, call, cap, a);
        }
        if (p_take_kw(ps, KW_FROM)) {
            TRY(p_expr(ps, &a));
            add_arg(ps, call, cap, a);
            *ret_done = true;
        } else if (side) {
            return p_fail(ps, "FROM");
        }
        rename_call(ps, call, name);
    } else if (kw == KW_POSITION) {
        TRY(p_value(ps, &a));
        add_arg(ps, call, cap, a);
        if (p_take_kw(ps, KW_IN)) {
            TRY(p_value(ps, &a));
            add_arg(ps, call, cap, a);
            rename_call(ps, call, "locate");
            *ret_done = true;
        }
    } else if (kw == KW_SUBSTRING || kw == KW_SUBSTR || kw == KW_OVERLAY) {
        if (p_is(ps, T_RPAREN) || (p_is_name(p_tok(ps)) && p_peek(ps, 1)->kind == T_FAT_ARROW))
            return 0;
        TRY(p_expr(ps, &a));
        add_arg(ps, call, cap, a);
        enum keyword first = kw == KW_OVERLAY ? KW_PLACING : KW_FROM;
        if (!p_take_kw(ps, first))
            return 0;
        TRY(p_value(ps, &a));
        add_arg(ps, call, cap, a);
        if (kw == KW_OVERLAY) {
            TRY(p_need_kw(ps, KW_FROM));
            TRY(p_value(ps, &a));
            add_arg(ps, call, cap, a);
        }
        if (p_take_kw(ps, KW_FOR)) {
            TRY(p_value(ps, &a));
            add_arg(ps, call, cap, a);
        }
        if (kw == KW_SUBSTR)
            rename_call(ps, call, "substring");
        *ret_done = true;
    }
    return 0;
}

static int p_arg(struct ps *ps, struct ast_expr *call, struct ast_expr **ret)
{
    if (p_is_name(p_tok(ps)) && p_peek(ps, 1)->kind == T_FAT_ARROW) {
        struct ast_expr *e = p_new_expr(ps, AST_NAMED_ARG, p_start(ps)), *value;
        struct ast_part part;
        TRY(p_identifier(ps, &part, "a name"));
        e->name = (struct ast_name){1, arena_dup(ps->ar, &part, sizeof part), part.span};
        ps->at++;
        TRY(p_expr(ps, &value));
        e->args = arena_dup(ps->ar, &value, sizeof value);
        e->arg_count = 1;
        *ret = e;
        return p_done_expr(ps, e);
    }
    if (call->name.count == 1 && str_eq_nocase(call->name.parts[0].text, "struct"))
        return p_named_expr(ps, ret);
    return p_expr(ps, ret);
}

int p_call_args(struct ps *ps, struct ast_expr *call)
{
    uint32_t cap = 0;
    uint8_t next = p_peek(ps, 1)->kind;
    if ((p_is_kw(ps, KW_DISTINCT) || p_is_kw(ps, KW_ALL)) && next != T_RPAREN && next != T_COMMA && next != T_DOT &&
        next != T_LBRACKET && next != T_FAT_ARROW) {
        call->distinct = p_is_kw(ps, KW_DISTINCT);
        ps->at++;
    }
    bool done;
    TRY(p_special_args(ps, call, &cap, &done));
    if (!done && (call->arg_count == 0 ? !p_is(ps, T_RPAREN) : p_take(ps, T_COMMA))) {
        do {
            struct ast_expr *arg;
            TRY(p_arg(ps, call, &arg));
            add_arg(ps, call, &cap, arg);
        } while (p_take(ps, T_COMMA));
    }
    if (p_take_kw2(ps, KW_IGNORE, KW_NULLS))
        call->nulls = AST_NULLS_IGNORE;
    else if (p_take_kw2(ps, KW_RESPECT, KW_NULLS))
        call->nulls = AST_NULLS_RESPECT;
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    if (call->name.count == 1)
        fix_unit(ps, call);
    return 0;
}

static int p_call(struct ps *ps, struct ast_expr *e)
{
    ps->at++; /* ( */
    TRY(p_call_args(ps, e));
    if (p_is_kw(ps, KW_WITHIN) && p_peek_kw(ps, 1, KW_GROUP)) {
        ps->at += 2;
        TRY(p_need(ps, T_LPAREN, NULL));
        TRY(p_need_kw(ps, KW_ORDER));
        TRY(p_need_kw(ps, KW_BY));
        TRY(p_sorts(ps, &e->within, &e->within_count));
        TRY(p_need(ps, T_RPAREN, NULL));
    }
    if (p_is_kw(ps, KW_FILTER) && p_peek(ps, 1)->kind == T_LPAREN && p_peek_kw(ps, 2, KW_WHERE)) {
        ps->at += 3;
        TRY(p_expr(ps, &e->filter));
        TRY(p_need(ps, T_RPAREN, NULL));
    }
    if (p_take_kw2(ps, KW_IGNORE, KW_NULLS))
        e->nulls = AST_NULLS_IGNORE;
    else if (p_take_kw2(ps, KW_RESPECT, KW_NULLS))
        e->nulls = AST_NULLS_RESPECT;
    if (p_is_kw(ps, KW_OVER) && (p_peek(ps, 1)->kind == T_LPAREN || p_is_name(p_peek(ps, 1)))) {
        ps->at++;
        TRY(p_window_spec(ps, &e->over));
    }
    return 0;
}

static int p_name_expr(struct ps *ps, struct ast_expr **ret)
{
    struct ast_expr *e = p_new_expr(ps, AST_COLUMN, p_start(ps));
    uint32_t cap = 0;
    for (;;) {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "an expression"));
        ARENA_PUSH(ps->ar, e->name.parts, e->name.count, cap, part);
        if (!p_is(ps, T_DOT))
            break;
        if (p_peek(ps, 1)->kind == T_STAR) {
            e->name.span = p_span(ps, e->span.start);
            ps->at++;
            e->kind = AST_STAR;
            return p_star(ps, e, ret);
        }
        ps->at++;
        if (!p_is_name(p_tok(ps)))
            return p_fail(ps, "a name or * after '.'");
    }
    e->name.span = p_span(ps, e->span.start);
    if (p_is(ps, T_LPAREN)) {
        e->kind = AST_CALL;
        TRY(p_call(ps, e));
    }
    *ret = e;
    return p_done_expr(ps, e);
}

static int p_primary(struct ps *ps, struct ast_expr **ret)
{
    const struct tok *t = p_tok(ps), *next = p_peek(ps, 1);
    struct ast_expr *e;
    switch (t->kind) {
    case T_NUMBER: return p_number(ps, false, t->start, ret);
    case T_STRING: {
        const char *text;
        uint32_t bytes;
        TRY(p_string(ps, &text, &bytes));
        return make_string(ps, text, bytes, t->start, ret);
    }
    case T_LPAREN: return p_paren(ps, ret);
    case T_STAR: return p_star(ps, p_new_expr(ps, AST_STAR, t->start), ret);
    case T_QUESTION:
        e = p_new_expr(ps, AST_PARAM, t->start);
        e->lit.i = ps->params++;
        ps->at++;
        *ret = e;
        return p_done_expr(ps, e);
    case T_COLON:
        if (!p_is_name(next))
            return p_fail(ps, "an expression");
        e = p_new_expr(ps, AST_PARAM, t->start);
        ps->at++;
        struct ast_part part;
        TRY(p_identifier(ps, &part, "a name"));
        e->name = (struct ast_name){1, arena_dup(ps->ar, &part, sizeof part), part.span};
        *ret = e;
        return p_done_expr(ps, e);
    case T_WORD: break;
    case T_QUOTED: return is_lambda(ps) ? p_lambda(ps, ret) : p_name_expr(ps, ret);
    default: return p_fail(ps, "an expression");
    }
    if (next->kind == T_ARROW)
        return p_lambda(ps, ret);
    switch (t->kw) {
    case KW_NULL:
    case KW_TRUE:
    case KW_FALSE:
        if (next->kind == T_LPAREN || next->kind == T_DOT)
            break;
        e = p_new_expr(ps, AST_LITERAL, t->start);
        e->lit.kind = t->kw == KW_NULL ? AST_LIT_NULL : AST_LIT_BOOL;
        e->lit.i = t->kw == KW_TRUE;
        ps->at++;
        *ret = e;
        return p_done_expr(ps, e);
    case KW_CASE:
        if (next->kind == T_COMMA || next->kind == T_RPAREN || next->kind == T_DOT || next->kind == T_END || next->kw == KW_FROM)
            break;
        return p_case(ps, ret);
    case KW_CAST:
    case KW_TRY_CAST:
        if (next->kind == T_LPAREN)
            return p_cast(ps, ret);
        break;
    case KW_EXISTS:
        if (next->kind == T_LPAREN && p_is_query(ps, 2)) {
            e = p_new_expr(ps, AST_SUBQUERY, t->start);
            e->subquery_mode = AST_SUBQUERY_EXISTS;
            ps->at += 2;
            TRY(p_query(ps, &e->query));
            TRY(p_need(ps, T_RPAREN, NULL));
            *ret = e;
            return p_done_expr(ps, e);
        }
        break;
    case KW_INTERVAL:
        if (p_is_interval(ps))
            return p_interval(ps, ret);
        break;
    case KW_DEFAULT: /* a whole value of VALUES; the analyzer knows where it may stand */
        if (next->kind == T_COMMA || next->kind == T_RPAREN) {
            e = p_new_expr(ps, AST_DEFAULT, t->start);
            ps->at++;
            *ret = e;
            return p_done_expr(ps, e);
        }
        break;
    default: break;
    }
    if (next->kind == T_STRING)
        return p_typed_literal(ps, ret);
    return p_name_expr(ps, ret);
}

static int p_postfix(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    struct ast_expr *left, *e;
    TRY(p_primary(ps, &left));
    for (;;) {
        if (p_is(ps, T_LBRACKET)) {
            e = p_new_expr(ps, AST_SUBSCRIPT, start);
            struct ast_expr *args[2] = {left, NULL};
            ps->at++;
            TRY(p_expr(ps, &args[1]));
            TRY(p_need(ps, T_RBRACKET, NULL));
            e->args = arena_dup(ps->ar, args, sizeof args);
            e->arg_count = 2;
        } else if (p_is(ps, T_DOT) && p_is_name(p_peek(ps, 1))) {
            e = p_new_expr(ps, AST_FIELD, start);
            ps->at++;
            struct ast_part part;
            TRY(p_identifier(ps, &part, "a field"));
            e->name = (struct ast_name){1, arena_dup(ps->ar, &part, sizeof part), part.span};
            e->args = arena_dup(ps->ar, &left, sizeof left);
            e->arg_count = 1;
        } else if (p_is(ps, T_CAST)) {
            e = p_new_expr(ps, AST_CAST, start);
            ps->at++;
            TRY(p_type(ps, &e->type, &e->type_span));
            e->args = arena_dup(ps->ar, &left, sizeof left);
            e->arg_count = 1;
        } else if (p_is_kw(ps, KW_COLLATE) && p_is_name(p_peek(ps, 1)) && !p_peek_kw(ps, 1, KW_FROM)) {
            ps->at++;
            struct ast_name name;
            uint32_t at = p_start(ps);
            TRY(p_name(ps, &name, "a collation"));
            const char *text = name.parts[name.count - 1].text;
            struct ast_expr *collation;
            TRY(make_string(ps, text, (uint32_t)strlen(text), at, &collation));
            e = new_op(ps, "collate", start, 2, left, collation, NULL);
        } else {
            *ret = left;
            return 0;
        }
        TRY(p_done_expr(ps, e));
        left = e;
    }
}

static int p_unary(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    const char *op = p_is(ps, T_MINUS) ? "negative" : p_is(ps, T_PLUS) ? "positive" : p_is(ps, T_TILDE) ? "~" : NULL;
    if (!op)
        return p_postfix(ps, ret);
    struct ast_expr *e;
    if (p_is(ps, T_MINUS) && p_peek(ps, 1)->kind == T_NUMBER) {
        const struct tok *after = p_peek(ps, 2);
        if (after->kind != T_LBRACKET && after->kind != T_DOT && after->kind != T_CAST) {
            ps->at++;
            return p_number(ps, true, start, ret);
        }
        if (after->kind == T_CAST) { /* -1::string casts -1 */
            ps->at++;
            TRY(p_number(ps, true, start, &e));
            while (p_take(ps, T_CAST)) {
                struct ast_expr *cast = p_new_expr(ps, AST_CAST, start);
                TRY(p_type(ps, &cast->type, &cast->type_span));
                cast->args = arena_dup(ps->ar, &e, sizeof e);
                cast->arg_count = 1;
                TRY(p_done_expr(ps, cast));
                e = cast;
            }
            *ret = e;
            return 0;
        }
    }
    ps->at++;
    TRY(p_enter(ps));
    TRY(p_unary(ps, &e));
    p_leave(ps);
    return make_op(ps, op, start, e, NULL, ret);
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

static int p_bound(struct ps *ps, enum ast_bound_kind *kind, struct ast_expr **expr)
{
    if (p_is_kw(ps, KW_CURRENT) && p_peek_kw(ps, 1, KW_ROW)) {
        ps->at += 2;
        *kind = AST_BOUND_CURRENT;
        return 0;
    }
    bool unbounded = p_is_kw(ps, KW_UNBOUNDED) && (p_peek_kw(ps, 1, KW_PRECEDING) || p_peek_kw(ps, 1, KW_FOLLOWING));
    if (unbounded)
        ps->at++;
    else
        TRY(p_value(ps, expr)); /* no AND: that separates the bounds */
    if (p_take_kw(ps, KW_PRECEDING))
        *kind = unbounded ? AST_BOUND_UNBOUNDED_PRECEDING : AST_BOUND_PRECEDING;
    else if (p_take_kw(ps, KW_FOLLOWING))
        *kind = unbounded ? AST_BOUND_UNBOUNDED_FOLLOWING : AST_BOUND_FOLLOWING;
    else
        return p_fail(ps, "PRECEDING or FOLLOWING");
    return 0;
}

int p_window_spec(struct ps *ps, struct ast_window **ret)
{
    struct ast_window *w = ARENA_NEW(ps->ar, struct ast_window);
    uint32_t start = p_start(ps);
    struct ast_part part;
    *ret = w;
    if (!p_is(ps, T_LPAREN)) {
        TRY(p_identifier(ps, &part, "the name of a window or '('"));
        w->name = part.text;
        w->span = part.span;
        return 0;
    }
    ps->at++;
    if (p_is_name(p_tok(ps)) && !((p_is_kw(ps, KW_PARTITION) || p_is_kw(ps, KW_ORDER) || p_is_kw(ps, KW_DISTRIBUTE) ||
                                   p_is_kw(ps, KW_SORT) || p_is_kw(ps, KW_CLUSTER)) &&
                                  p_peek_kw(ps, 1, KW_BY)) &&
        !p_is_kw(ps, KW_ROWS) && !p_is_kw(ps, KW_RANGE)) {
        TRY(p_identifier(ps, &part, "the name of a window"));
        w->name = part.text;
    }
    if (p_take_kw2(ps, KW_PARTITION, KW_BY) || p_take_kw2(ps, KW_DISTRIBUTE, KW_BY) || p_take_kw2(ps, KW_CLUSTER, KW_BY))
        TRY(p_exprs(ps, &w->partitions, &w->partition_count));
    if (p_take_kw2(ps, KW_ORDER, KW_BY) || p_take_kw2(ps, KW_SORT, KW_BY))
        TRY(p_sorts(ps, &w->sorts, &w->sort_count));
    if (p_is_kw(ps, KW_ROWS) || p_is_kw(ps, KW_RANGE)) {
        w->unit = p_is_kw(ps, KW_ROWS) ? AST_FRAME_ROWS : AST_FRAME_RANGE;
        ps->at++;
        bool between = p_take_kw(ps, KW_BETWEEN);
        w->high = AST_BOUND_CURRENT;
        TRY(p_bound(ps, &w->low, &w->low_expr));
        if (between) {
            TRY(p_need_kw(ps, KW_AND));
            TRY(p_bound(ps, &w->high, &w->high_expr));
        }
    }
    TRY(p_need(ps, T_RPAREN, "PARTITION BY, ORDER BY, ROWS, RANGE or ')'"));
    w->span = p_span(ps, start);
    return 0;
}
