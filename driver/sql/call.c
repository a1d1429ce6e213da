/*
 * Calls of functions: arguments, those with words between them (EXTRACT, TRIM, POSITION, ...) written out as plain ones,
 * then WITHIN GROUP, FILTER, the treatment of nulls, and windows.
 */
#include "driver/sql/parser_impl.h"

/* ---- arguments ---- */

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

/* timestampadd(DAY, 1, t): the unit is a word, which the functions get as a text. */
static int fix_unit(struct ps *ps, struct ast_expr *e)
{
    const char *f = e->name.parts[0].text;
    bool add = str_eq_nocase(f, "timestampadd") || str_eq_nocase(f, "dateadd") || str_eq_nocase(f, "date_add");
    bool diff = str_eq_nocase(f, "timestampdiff") || str_eq_nocase(f, "datediff") || str_eq_nocase(f, "date_diff") ||
                str_eq_nocase(f, "timediff");
    if ((!add && !diff) || e->arg_count != 3)
        return 0;
    struct ast_expr *unit = e->args[0];
    if (unit->kind == AST_LITERAL && unit->lit.kind == AST_LIT_STRING) {
        char *text = arena_strndup(ps->ar, ps->sql + unit->span.start, unit->span.stop - unit->span.start);
        error_set(ps->err, ERR_DATETIME_UNIT, "functionName", arena_printf(ps->ar, "`%s`", f), "parameter", "`unit`", "invalidValue", text, NULL);
        error_at(ps->err, p_span(ps, e->span.start));
        return (int)ps->err->code;
    }
    if (unit->kind != AST_COLUMN || unit->name.count != 1 || unit->name.parts[0].quoted ||
        !is_datetime_unit(unit->name.parts[0].text))
        return 0;
    const char *text = unit->name.parts[0].text;
    unit->kind = AST_LITERAL;
    unit->name = (struct ast_name){0};
    unit->lit = (struct ast_literal){.kind = AST_LIT_STRING, .text = text, .bytes = (uint32_t)strlen(text)};
    rename_call(ps, e, add ? "timestampadd" : "timestampdiff");
    return 0;
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
        TRY(p_make_string(ps, unit, (uint32_t)strlen(unit), t->start, &a));
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
        return fix_unit(ps, call);
    return 0;
}

int p_call(struct ps *ps, struct ast_expr *e)
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

/* ---- windows ---- */

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
