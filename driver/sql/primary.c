/*
 * What operators stand between: unary signs, postfix ([..], .field, ::type, COLLATE) and primaries.
 *
 * No keyword is reserved, so a primary asks what follows a word before it takes the word for syntax: CAST is
 * one only before '(', CASE not before a comma, DATE only before a string.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>

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
            TRY(p_make_op(ps, "=", at, operand, item, &item));
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
        return p_make_string(ps, text, bytes, t->start, ret);
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
            TRY(p_make_string(ps, text, (uint32_t)strlen(text), at, &collation));
            e = p_new_op(ps, "collate", start, 2, left, collation, NULL);
        } else {
            *ret = left;
            return 0;
        }
        TRY(p_done_expr(ps, e));
        left = e;
    }
}

int p_unary(struct ps *ps, struct ast_expr **ret)
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
    return p_make_op(ps, op, start, e, NULL, ret);
}
