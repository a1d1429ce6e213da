/*
 * Shared by the files of the parser: tokens, the state of one parse, and who parses what. A statement is cut
 * into tokens first (lexer.c), with the partner of each bracket, so that looking ahead over a parenthesis is
 * one step; then recursive descent: statement.c, query.c, relation.c, grouping.c, expr.c, primary.c, call.c, literal.c.
 *
 * Functions that parse return 0 or the code of ps->err, already set. `p_` reads tokens.
 */
#pragma once

#include "driver/sql/keywords.h"
#include "driver/sql/parser.h"

enum tok_kind {
    T_END,
    T_WORD,   /* an unquoted identifier; kw tells whether it is a keyword */
    T_QUOTED, /* `...` */
    T_STRING, /* '..', "..", r'..' */
    T_NUMBER,
    T_HINT,      /* slash, star, plus */
    T_HINT_END,  /* star, slash after a T_HINT */
    T_LPAREN, T_RPAREN, T_LBRACKET, T_RBRACKET, T_LBRACE, T_RBRACE,
    T_COMMA, T_DOT, T_SEMICOLON, T_COLON, T_QUESTION,
    T_PLUS, T_MINUS, T_STAR, T_SLASH, T_PERCENT, T_CONCAT, T_AMP, T_PIPE, T_CARET, T_TILDE, T_SHL, T_SHR, T_USHR,
    T_EQ, T_NSEQ, T_NE, T_LT, T_LE, T_GT, T_GE, T_BANG,
    T_ARROW, T_FAT_ARROW, T_CAST, T_PIPE_OP,
    T_OTHER, /* a character without meaning, only in the free text of SET, RESET, ADD, REFRESH */
};

struct tok {
    uint8_t kind;     /* enum tok_kind */
    uint8_t flags;
    uint16_t kw;      /* enum keyword of a T_WORD */
    uint32_t start, stop;
    uint32_t match;   /* of a bracket: index of its partner, 0 when it has none */
};
enum { TOK_RAW = 1 /* r'...' */, TOK_SPACE_BEFORE = 2 };

struct ps {
    struct arena *ar;
    const char *sql;
    struct tok *toks; /* the last one is T_END */
    uint32_t count;
    uint32_t at;
    uint32_t depth;   /* of the descent */
    uint32_t params;  /* '?' seen */
    struct error *err;
};

/* lexer.c: fills ps->toks, allocated in ps->ar. */
int lex(struct ps *ps);

/* ---- tokens ---- */
static inline const struct tok *p_tok(const struct ps *ps)
{
    return &ps->toks[ps->at];
}
static inline const struct tok *p_peek(const struct ps *ps, uint32_t n)
{
    uint32_t i = ps->at + n;
    return &ps->toks[i < ps->count ? i : ps->count - 1];
}
static inline bool p_is(const struct ps *ps, enum tok_kind kind)
{
    return p_tok(ps)->kind == kind;
}
static inline bool p_is_kw(const struct ps *ps, enum keyword kw)
{
    return p_tok(ps)->kw == kw;
}
static inline bool p_peek_kw(const struct ps *ps, uint32_t n, enum keyword kw)
{
    return p_peek(ps, n)->kw == kw;
}
static inline bool p_take(struct ps *ps, enum tok_kind kind)
{
    if (!p_is(ps, kind))
        return false;
    ps->at++;
    return true;
}
static inline bool p_take_kw(struct ps *ps, enum keyword kw)
{
    if (!p_is_kw(ps, kw))
        return false;
    ps->at++;
    return true;
}
static inline bool p_is_name(const struct tok *t)
{
    return t->kind == T_WORD || t->kind == T_QUOTED;
}
/* Both or neither. */
static inline bool p_take_kw2(struct ps *ps, enum keyword a, enum keyword b)
{
    if (!p_is_kw(ps, a) || !p_peek_kw(ps, 1, b))
        return false;
    ps->at += 2;
    return true;
}
static inline uint32_t p_start(const struct ps *ps)
{
    return p_tok(ps)->start;
}
/* From start to the end of the token read last. */
static inline struct span p_span(const struct ps *ps, uint32_t start)
{
    uint32_t stop = ps->at ? ps->toks[ps->at - 1].stop : start;
    return (struct span){start, stop > start ? stop : start};
}
bool p_word_is(const struct ps *ps, uint32_t n, const char *upper); /* a T_WORD of this text in any case */

int p_need(struct ps *ps, enum tok_kind kind, const char *what);
int p_need_kw(struct ps *ps, enum keyword kw);
/* A syntax error at the current token: expected is what should be there ("a column name"). */
int p_fail(struct ps *ps, const char *expected, ...) PRINTF_LIKE(2, 3) __attribute__((cold));
/* A sentence about a fragment: ERR_SEMANTICS. */
int p_fail_at(struct ps *ps, struct span span, const char *fmt, ...) PRINTF_LIKE(3, 4) __attribute__((cold));
int p_fail_literal(struct ps *ps, struct span span, const char *type) __attribute__((cold)); /* ERR_INVALID_LITERAL */
int p_too_deep(struct ps *ps, uint32_t start) __attribute__((cold));

/* Depth of the descent: around everything that can nest. */
static inline int p_enter(struct ps *ps)
{
    if (UNLIKELY(++ps->depth > AST_DEPTH_MAX))
        return p_too_deep(ps, p_start(ps));
    return 0;
}
static inline void p_leave(struct ps *ps)
{
    ps->depth--;
}

/* ---- names and literals: literal.c ---- */
const char *p_text(struct ps *ps, const struct tok *t); /* as written, in the arena */
int p_identifier(struct ps *ps, struct ast_part *ret, const char *what);
int p_name(struct ps *ps, struct ast_name *ret, const char *what);
/* One or more adjacent string tokens, decoded. */
int p_string(struct ps *ps, const char **ret, uint32_t *ret_bytes);
/* The same, refusing NUL bytes: for options, paths, patterns. */
int p_cstring(struct ps *ps, const char **ret, const char *what);
int p_number(struct ps *ps, bool negative, uint32_t start, struct ast_expr **ret);
bool p_is_interval(const struct ps *ps); /* INTERVAL starts a literal here */
int p_interval(struct ps *ps, struct ast_expr **ret);
int p_integer(struct ps *ps, int64_t *ret, const char *what); /* a whole number, sign allowed */
int p_type(struct ps *ps, const struct type **ret, struct span *ret_span);
int p_identifier_list(struct ps *ps, struct ast_part **ret, uint32_t *ret_count); /* (a, b) */

/* ---- expressions: expr.c ---- */
int p_expr(struct ps *ps, struct ast_expr **ret);
int p_value(struct ps *ps, struct ast_expr **ret);      /* no AND, OR, NOT or predicates on top */
int p_named_expr(struct ps *ps, struct ast_expr **ret); /* expr [[AS] alias] */
int p_named_exprs(struct ps *ps, struct ast_expr ***ret, uint32_t *ret_count);
int p_exprs(struct ps *ps, struct ast_expr ***ret, uint32_t *ret_count); /* one or more, by commas */
int p_sorts(struct ps *ps, struct ast_sort **ret, uint32_t *ret_count);
struct ast_expr *p_new_expr(struct ps *ps, enum ast_expr_kind kind, uint32_t start);
/* Sets span and depth once the children stand; ERR_TOO_DEEP. */
int p_done_expr(struct ps *ps, struct ast_expr *e);
/* An operator without span and depth; a whole one of one or two arguments (b NULL), from start to the last token read. */
struct ast_expr *p_new_op(struct ps *ps, const char *op, uint32_t start, uint32_t argc, struct ast_expr *a, struct ast_expr *b,
                          struct ast_expr *c);
int p_make_op(struct ps *ps, const char *op, uint32_t start, struct ast_expr *a, struct ast_expr *b, struct ast_expr **ret);
int p_make_string(struct ps *ps, const char *text, uint32_t bytes, uint32_t start, struct ast_expr **ret); /* a literal */

/* ---- what operators stand between: primary.c, call.c ---- */
int p_unary(struct ps *ps, struct ast_expr **ret);
int p_call(struct ps *ps, struct ast_expr *e);             /* at '(' behind the name */
int p_call_args(struct ps *ps, struct ast_expr *call);     /* after '(' to and with ')' */
int p_window_spec(struct ps *ps, struct ast_window **ret); /* (...) or a name */

/* ---- queries: query.c ---- */
bool p_is_query(const struct ps *ps, uint32_t n);    /* a query starts at the n-th token from here */
int p_query(struct ps *ps, struct ast_rel **ret);
/* A word that goes on with the statement rather than naming what came before. */
bool p_is_clause(const struct ps *ps, bool table);
bool p_ends(const struct tok *t); /* no expression or name goes on here */
int p_group_by(struct ps *ps, struct ast_rel *rel); /* grouping.c; at GROUP BY */

/* ---- relations: relation.c ---- */
struct ast_rel *p_new_rel(struct ps *ps, enum ast_rel_kind kind, uint32_t start);
void p_set_input(struct ps *ps, struct ast_rel *rel, struct ast_rel *input);
/* Sets span and depth once the children stand; ERR_TOO_DEEP. */
int p_done_rel(struct ps *ps, struct ast_rel *rel);
int p_relation(struct ps *ps, struct ast_rel **ret); /* one item of FROM, with its joins */
int p_from(struct ps *ps, struct ast_rel **ret);     /* at FROM, all of it */
int p_values(struct ps *ps, struct ast_rel **ret);   /* at VALUES */
/* Wrap *rel: [TABLESAMPLE ..] [[AS] alias [(columns)]], with scope even without an alias; LATERAL VIEW. */
int p_alias(struct ps *ps, bool scope, struct ast_rel **rel);
int p_lateral_view(struct ps *ps, struct ast_rel **rel);
int p_options(struct ps *ps, struct ast_option **ret, uint32_t *ret_count); /* (k = v, ...) */

/* ---- statements: statement.c ---- */
int p_statement(struct ps *ps, struct ast_statement **ret);
int p_column_defs(struct ps *ps, struct ast_column_def **ret, uint32_t *ret_count, bool types); /* up to but without ')' */
