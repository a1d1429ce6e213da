/*
 * A small reader of SQL expressions for the unit tests of common/expr, which must not link the driver:
 * text to a bound expression, as the analyzer would make it. Literals, operators, calls, CASE, CAST,
 * EXTRACT, TRIM and intervals; no columns and no subqueries.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/expr/fn.h"
#include "common/expr/parse.h"

struct px {
    const char *text;
    uint32_t at;
    struct arena *ar;
    const struct query_ctx *cx;
    struct error *err;
};

static int px_expr(struct px *p, struct expr **ret);
static int px_value(struct px *p, int level, struct expr **ret);

static void px_blank(struct px *p)
{
    while (isspace((unsigned char)p->text[p->at]))
        p->at++;
}

static bool px_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool px_peek(struct px *p, const char *word)
{
    px_blank(p);
    size_t n = strlen(word);
    if (strncasecmp(p->text + p->at, word, n) != 0)
        return false;
    return !px_word_char(word[n - 1]) || !px_word_char(p->text[p->at + n]);
}

static bool px_take(struct px *p, const char *word)
{
    if (!px_peek(p, word))
        return false;
    p->at += (uint32_t)strlen(word);
    return true;
}

static int px_fail(struct px *p)
{
    return error_setf(p->err, ERR_PARSE_SYNTAX, "error", "%s", p->text + p->at);
}

#define PX_NEED(p, word)                                                                           \
    do {                                                                                           \
        if (!px_take(p, word))                                                                     \
            return px_fail(p);                                                                     \
    } while (0)

static struct expr *px_spanned(struct px *p, struct expr *e, uint32_t start)
{
    e->span = (struct span){start, p->at};
    return e;
}

static int px_call(struct px *p, const char *name, struct expr **args, uint32_t n, uint32_t start, struct expr **ret)
{
    return expr_call(p->ar, p->cx, name, args, n, (struct span){start, p->at}, ret, p->err);
}

static char *px_string(struct px *p, uint32_t *ret_bytes)
{
    char quote = p->text[p->at++];
    char *out = arena_alloc(p->ar, strlen(p->text) + 1);
    uint32_t n = 0;
    for (;; p->at++) {
        char c = p->text[p->at];
        if (c == 0)
            return NULL;
        if (c == quote) {
            if (p->text[p->at + 1] != quote)
                break;
            p->at++;
        } else if (c == '\\') {
            c = p->text[++p->at];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == '0' ? 0 : c;
            if (c == '%' || c == '_')
                out[n++] = '\\';
        }
        out[n++] = c;
    }
    p->at++;
    out[n] = 0;
    *ret_bytes = n;
    return out;
}

static int px_typed(struct px *p, const struct type *t, uint32_t start, struct expr **ret)
{
    uint32_t n;
    px_blank(p);
    char *s = px_string(p, &n);
    if (!s)
        return px_fail(p);
    struct expr *text = expr_string(p->ar, s), *cast;
    struct value v;
    TRY(expr_cast(p->ar, text, t, EVAL_TRY, (struct span){start, p->at}, &cast, p->err));
    TRY(expr_fold(p->ar, p->cx, cast, &v, p->err));
    if (v.null)
        return error_set(p->err, ERR_INVALID_LITERAL, "valueType", t->text, "value", s, NULL);
    *ret = px_spanned(p, expr_literal(p->ar, v), start);
    return 0;
}

static int px_unit(struct px *p)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second", "week", "millisecond", "microsecond"};
    for (int i = 0; i < 9; i++) {
        char plural[16];
        snprintf(plural, sizeof plural, "%ss", names[i]);
        if (px_take(p, names[i]) || px_take(p, plural))
            return i;
    }
    return -1;
}

/* INTERVAL '1-2' YEAR TO MONTH, INTERVAL 3 DAYS, INTERVAL 1 YEAR 2 MONTHS. */
static int px_interval(struct px *p, uint32_t start, struct expr **ret)
{
    static const int64_t us[] = {0, 0, 86400000000, 3600000000, 60000000, 1000000, 7 * 86400000000ll, 1000, 1};
    int lo = 9, hi = -1;
    int64_t total = 0;
    for (;;) {
        px_blank(p);
        uint32_t before = p->at;
        char number[64];
        bool minus = px_take(p, "-");
        px_blank(p);
        if (p->text[p->at] == '\'') {
            uint32_t n;
            char *s = px_string(p, &n);
            snprintf(number, sizeof number, "%s%s", minus ? "-" : "", s);
        } else if (isdigit((unsigned char)p->text[p->at])) {
            uint32_t n = p->at;
            while (isdigit((unsigned char)p->text[p->at]) || p->text[p->at] == '.')
                p->at++;
            snprintf(number, sizeof number, "%s%.*s", minus ? "-" : "", (int)(p->at - n), p->text + n);
        } else {
            p->at = before;
            break;
        }
        int unit = px_unit(p);
        if (unit < 0) {
            p->at = before;
            break;
        }
        if (px_take(p, "TO")) {
            int to = px_unit(p);
            bool ym = unit < 2;
            const struct type *t = ym ? type_interval(TYPE_INTERVAL_YM, (unsigned)unit, (unsigned)to)
                                      : type_interval(TYPE_INTERVAL_DT, (unsigned)unit - 2, (unsigned)to - 2);
            struct value v = {.type = t};
            if (!parse_interval(number, strlen(number), t, &v.i))
                return px_fail(p);
            *ret = px_spanned(p, expr_literal(p->ar, v), start);
            return 0;
        }
        bool ym = unit < 2;
        if (ym) {
            total += atoll(number) * (unit ? 1 : 12);
        } else if (unit == 5) {
            int128_t d;
            if (!parse_decimal(number, strlen(number), type_decimal(38, 6), &d))
                return px_fail(p);
            total += (int64_t)d;
        } else {
            total += atoll(number) * us[unit];
        }
        int at = unit == 6 ? 2 : unit > 6 ? 5 : unit;
        lo = at < lo ? at : lo;
        hi = at > hi ? at : hi;
    }
    if (hi < 0)
        return px_fail(p);
    struct value v = {.i = total};
    v.type = hi < 2 ? type_interval(TYPE_INTERVAL_YM, (unsigned)lo, (unsigned)hi)
                    : type_interval(TYPE_INTERVAL_DT, (unsigned)lo - 2, (unsigned)hi - 2);
    *ret = px_spanned(p, expr_literal(p->ar, v), start);
    return 0;
}

static int px_number(struct px *p, struct expr **ret)
{
    uint32_t start = p->at;
    bool point = false, exp = false;
    for (;; p->at++) {
        char c = p->text[p->at];
        if (c == '.' && !point && !exp)
            point = true;
        else if ((c == 'e' || c == 'E') && !exp && (isdigit((unsigned char)p->text[p->at + 1]) ||
                                                    (strchr("+-", p->text[p->at + 1]) && isdigit((unsigned char)p->text[p->at + 2])))) {
            exp = true;
            p->at++;
        } else if (!isdigit((unsigned char)c))
            break;
    }
    uint32_t n = p->at - start;
    const char *s = p->text + start;
    char suffix = (char)toupper((unsigned char)p->text[p->at]);
    bool bd = strncasecmp(p->text + p->at, "BD", 2) == 0;
    struct value v = {0};
    if (bd || (point && !exp && !strchr("DFLSY", suffix ? suffix : '?'))) {
        uint32_t digits = 0, scale = 0;
        bool after = false, lead = true;
        for (uint32_t i = 0; i < n; i++) {
            if (s[i] == '.') {
                after = true;
                continue;
            }
            if (s[i] != '0')
                lead = false;
            digits += !lead;
            scale += after;
        }
        if (digits < scale)
            digits = scale;
        v.type = type_decimal(digits ? digits : 1, scale);
        if (!parse_decimal(s, n, v.type, &v.d))
            return px_fail(p);
        p->at += bd ? 2 : 0;
    } else if (suffix == 'D' || suffix == 'F' || exp) {
        v.type = type_of(suffix == 'F' ? TYPE_FLOAT : TYPE_DOUBLE);
        parse_f64(s, n, &v.f);
        p->at += suffix == 'D' || suffix == 'F';
    } else {
        v.type = type_of(suffix == 'L' ? TYPE_BIGINT : suffix == 'S' ? TYPE_SMALLINT : suffix == 'Y' ? TYPE_TINYINT : TYPE_INT);
        p->at += suffix == 'L' || suffix == 'S' || suffix == 'Y';
        if (!parse_i64(s, n, &v.i) || (v.type->id == TYPE_INT && v.i > INT32_MAX)) {
            if (v.type->id == TYPE_INT && parse_i64(s, n, &v.i)) {
                v.type = type_of(TYPE_BIGINT);
            } else { /* out of range: a decimal; -9223372036854775808L is folded by the caller */
                v.type = type_decimal(n, 0);
                if (!parse_decimal(s, n, v.type, &v.d))
                    return px_fail(p);
            }
        }
    }
    *ret = px_spanned(p, expr_literal(p->ar, v), start);
    return 0;
}

static int px_type(struct px *p, const struct type **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    int depth = 0;
    for (; p->text[p->at]; p->at++) {
        char c = p->text[p->at];
        if (c == '(' || c == '<')
            depth++;
        else if (c == '>' && depth > 0)
            depth--;
        else if (c == ')' && depth-- == 0)
            break;
        else if (!px_word_char(c) && c != ' ' && c != ',' && c != ')')
            break;
    }
    return type_parse(arena_strndup(p->ar, p->text + start, p->at - start), ret, p->err);
}

static int px_list(struct px *p, struct expr ***ret, uint32_t *ret_count)
{
    struct expr **items = NULL;
    uint32_t count = 0, cap = 0;
    if (!px_peek(p, ")")) {
        do {
            struct expr *e;
            TRY(px_expr(p, &e));
            ARENA_PUSH(p->ar, items, count, cap, e);
        } while (px_take(p, ","));
    }
    PX_NEED(p, ")");
    *ret = items;
    *ret_count = count;
    return 0;
}

static int px_case(struct px *p, uint32_t start, struct expr **ret)
{
    struct expr **args = NULL, *subject = NULL, *e;
    uint32_t count = 0, cap = 0;
    if (!px_peek(p, "WHEN"))
        TRY(px_expr(p, &subject));
    while (px_take(p, "WHEN")) {
        TRY(px_expr(p, &e));
        if (subject) {
            struct expr *two[2] = {subject, e};
            TRY(px_call(p, "=", two, 2, start, &e));
        }
        ARENA_PUSH(p->ar, args, count, cap, e);
        PX_NEED(p, "THEN");
        TRY(px_expr(p, &e));
        ARENA_PUSH(p->ar, args, count, cap, e);
    }
    if (px_take(p, "ELSE")) {
        TRY(px_expr(p, &e));
        ARENA_PUSH(p->ar, args, count, cap, e);
    }
    PX_NEED(p, "END");
    return px_call(p, "case", args, count, start, ret);
}

static int px_function(struct px *p, const char *name, uint32_t start, struct expr **ret)
{
    struct expr **args, *few[3];
    uint32_t n;
    if (strcasecmp(name, "cast") == 0 || strcasecmp(name, "try_cast") == 0) {
        const struct type *t;
        TRY(px_expr(p, &few[0]));
        PX_NEED(p, "AS");
        TRY(px_type(p, &t));
        PX_NEED(p, ")");
        enum eval_mode mode = name[0] == 't' || name[0] == 'T' ? EVAL_TRY : p->cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
        return expr_cast(p->ar, few[0], t, mode, (struct span){start, p->at}, ret, p->err);
    }
    if (strcasecmp(name, "extract") == 0) {
        px_blank(p);
        uint32_t at = p->at;
        while (px_word_char(p->text[p->at]))
            p->at++;
        few[0] = expr_string(p->ar, arena_strndup(p->ar, p->text + at, p->at - at));
        PX_NEED(p, "FROM");
        TRY(px_expr(p, &few[1]));
        PX_NEED(p, ")");
        return px_call(p, "extract", few, 2, start, ret);
    }
    if (strcasecmp(name, "trim") == 0) {
        const char *fn = px_take(p, "LEADING") ? "ltrim" : px_take(p, "TRAILING") ? "rtrim" : (px_take(p, "BOTH"), "trim");
        n = 1;
        if (!px_take(p, "FROM")) {
            TRY(px_expr(p, &few[0]));
            if (px_take(p, "FROM"))
                n = 2;
            else if (px_take(p, ","))
                return px_fail(p);
        } else {
            TRY(px_expr(p, &few[0]));
            PX_NEED(p, ")");
            return px_call(p, fn, few, 1, start, ret);
        }
        if (n == 2) {
            few[1] = few[0];
            TRY(px_expr(p, &few[0]));
        }
        PX_NEED(p, ")");
        return px_call(p, fn, few, n, start, ret);
    }
    if (strcasecmp(name, "position") == 0) {
        TRY(px_value(p, 0, &few[0]));
        if (px_take(p, "IN")) {
            TRY(px_expr(p, &few[1]));
            PX_NEED(p, ")");
            return px_call(p, "locate", few, 2, start, ret);
        }
        n = 1;
        while (px_take(p, ",") && n < 3)
            TRY(px_expr(p, &few[n++]));
        PX_NEED(p, ")");
        return px_call(p, "position", few, n, start, ret);
    }
    bool units = strcasecmp(name, "timestampadd") == 0 || strcasecmp(name, "timestampdiff") == 0 || strcasecmp(name, "dateadd") == 0 ||
                 strcasecmp(name, "datediff") == 0 || strcasecmp(name, "date_add") == 0 || strcasecmp(name, "date_diff") == 0;
    if (units) {
        uint32_t at = p->at;
        int u = px_unit(p);
        if (u >= 0 && px_take(p, ",")) {
            few[0] = expr_string(p->ar, arena_strndup(p->ar, p->text + at, strcspn(p->text + at, ", ")));
            TRY(px_list(p, &args, &n));
            few[1] = args[0];
            few[2] = args[1];
            bool diff = strcasestr(name, "diff") != NULL;
            return px_call(p, diff ? "timestampdiff" : "timestampadd", few, 3, start, ret);
        }
        p->at = at;
    }
    if (strcasecmp(name, "substring") == 0 || strcasecmp(name, "overlay") == 0) {
        TRY(px_expr(p, &few[0]));
        struct expr *more[4] = {few[0]};
        n = 1;
        while (px_take(p, "FROM") || px_take(p, "FOR") || px_take(p, "PLACING") || px_take(p, ",")) {
            if (n == 4)
                return px_fail(p);
            TRY(px_expr(p, &more[n++]));
        }
        PX_NEED(p, ")");
        return px_call(p, name, more, n, start, ret);
    }
    TRY(px_list(p, &args, &n));
    bool two_trim = n == 2 && (strcasecmp(name, "ltrim") == 0 || strcasecmp(name, "rtrim") == 0);
    if (two_trim) {
        few[0] = args[1];
        few[1] = args[0];
        args = few;
    }
    return px_call(p, name, args, n, start, ret);
}

static int px_primary(struct px *p, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    char c = p->text[p->at];
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)p->text[p->at + 1])))
        return px_number(p, ret);
    if (c == '\'' || c == '"') {
        uint32_t n;
        struct value v = {.type = type_of(TYPE_STRING)};
        v.s.ptr = px_string(p, &n);
        if (!v.s.ptr)
            return px_fail(p);
        v.s.bytes = n;
        *ret = px_spanned(p, expr_literal(p->ar, v), start);
        return 0;
    }
    if (c == '(') {
        p->at++;
        TRY(px_expr(p, ret));
        PX_NEED(p, ")");
        return 0;
    }
    if ((c == 'X' || c == 'x') && p->text[p->at + 1] == '\'') {
        p->at++;
        uint32_t n;
        char *hex = px_string(p, &n), *out = arena_alloc(p->ar, n);
        for (uint32_t i = 0; i < n / 2; i++) {
            char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
            out[i] = (char)strtol(two, NULL, 16);
        }
        struct value v = {.type = type_of(TYPE_BINARY)};
        v.s.ptr = out;
        v.s.bytes = n / 2;
        *ret = px_spanned(p, expr_literal(p->ar, v), start);
        return 0;
    }
    if (px_take(p, "CASE"))
        return px_case(p, start, ret);
    if (px_take(p, "INTERVAL"))
        return px_interval(p, start, ret);
    while (px_word_char(p->text[p->at]))
        p->at++;
    if (p->at == start)
        return px_fail(p);
    char *name = arena_strndup(p->ar, p->text + start, p->at - start);
    px_blank(p);
    if (p->text[p->at] == '\'') {
        for (int i = 0; i < 3; i++) {
            static const char *const words[] = {"date", "timestamp", "timestamp_ntz"};
            static const enum type_id ids[] = {TYPE_DATE, TYPE_TIMESTAMP, TYPE_TIMESTAMP_NTZ};
            if (strcasecmp(name, words[i]) == 0)
                return px_typed(p, type_of(ids[i]), start, ret);
        }
    }
    if (px_take(p, "("))
        return px_function(p, name, start, ret);
    if (strcasecmp(name, "true") == 0 || strcasecmp(name, "false") == 0)
        *ret = expr_bool(p->ar, (name[0] | 32) == 't');
    else if (strcasecmp(name, "null") == 0)
        *ret = expr_null(p->ar, type_of(TYPE_NULL));
    else
        return px_call(p, name, NULL, 0, start, ret);
    px_spanned(p, *ret, start);
    return 0;
}

static int px_postfix(struct px *p, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    TRY(px_primary(p, ret));
    while (px_take(p, "::")) {
        const struct type *t;
        px_blank(p);
        TRY(px_type(p, &t));
        TRY(expr_cast(p->ar, *ret, t, p->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, (struct span){start, p->at}, ret, p->err));
    }
    return 0;
}

static int px_unary(struct px *p, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    if (px_take(p, "-")) {
        px_blank(p);
        bool number = isdigit((unsigned char)p->text[p->at]) || p->text[p->at] == '.';
        TRY(px_unary(p, ret));
        if (number && (*ret)->kind == EXPR_LITERAL && type_is_numeric((*ret)->type)) {
            struct value v = (*ret)->literal;
            if (v.type->id == TYPE_DECIMAL && v.type->scale == 0 && v.d == (int128_t)1 << 63 && p->text[p->at - 1] == 'L') {
                v.type = type_of(TYPE_BIGINT);
                v.i = INT64_MIN;
            } else if (v.type->id == TYPE_DECIMAL) {
                v.d = -v.d;
            } else if (v.type->id == TYPE_DOUBLE || v.type->id == TYPE_FLOAT) {
                v.f = -v.f;
            } else {
                v.i = -v.i;
                if (v.type->id == TYPE_BIGINT && v.i == INT32_MIN && p->text[p->at - 1] != 'L')
                    v.type = type_of(TYPE_INT);
            }
            *ret = px_spanned(p, expr_literal(p->ar, v), start);
            return 0;
        }
        struct expr *one[1] = {*ret};
        return px_call(p, "negative", one, 1, start, ret);
    }
    if (px_take(p, "+")) {
        struct expr *one[1];
        TRY(px_unary(p, &one[0]));
        return px_call(p, "positive", one, 1, start, ret);
    }
    if (px_take(p, "~")) {
        struct expr *one[1];
        TRY(px_unary(p, &one[0]));
        return px_call(p, "~", one, 1, start, ret);
    }
    return px_postfix(p, ret);
}

/* Binary operators by level, loosest first. */
static int px_value(struct px *p, int level, struct expr **ret)
{
    static const char *const ops[7][10] = {{"<=>", "<=", ">=", "<>", "!=", "==", "=", "<", ">", NULL},
                                          {"|", NULL}, {"^", NULL}, {"&", NULL}, {"<<", ">>>", ">>", NULL},
                                          {"+", "-", "||", NULL}, {"*", "/", "%", "DIV", NULL}};
    if (level == 7)
        return px_unary(p, ret);
    px_blank(p);
    uint32_t start = p->at;
    TRY(px_value(p, level + 1, ret));
    for (;;) {
        const char *op = NULL;
        for (int i = 0; ops[level][i] && !op; i++) {
            uint32_t before = p->at;
            if (!px_take(p, ops[level][i]))
                continue;
            char c = p->text[p->at];
            bool other = (level == 1 && c == '|') || (level == 0 && (c == '<' || c == '>'));
            if (other)
                p->at = before;
            else
                op = ops[level][i];
        }
        if (!op)
            return 0;
        struct expr *args[2] = {*ret, NULL};
        TRY(px_value(p, level + 1, &args[1]));
        op = strcmp(op, "<>") == 0 ? "!=" : strcmp(op, "==") == 0 ? "=" : strcmp(op, "DIV") == 0 ? "div" : op;
        TRY(px_call(p, op, args, 2, start, ret));
    }
}

static int px_not(struct px *p, bool no, uint32_t start, struct expr **e)
{
    struct expr *one[1] = {*e};
    return no ? px_call(p, "not", one, 1, start, e) : 0;
}

static int px_predicate(struct px *p, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    TRY(px_value(p, 0, ret));
    for (;;) {
        bool no = px_take(p, "NOT");
        struct expr **args, *three[3] = {*ret};
        uint32_t n;
        if (px_take(p, "BETWEEN")) {
            TRY(px_value(p, 1, &three[1]));
            PX_NEED(p, "AND");
            TRY(px_value(p, 1, &three[2]));
            TRY(px_call(p, "between", three, 3, start, ret));
        } else if (px_take(p, "IN")) {
            PX_NEED(p, "(");
            TRY(px_list(p, &args, &n));
            struct expr **all = ARENA_ARRAY(p->ar, struct expr *, n + 1);
            all[0] = *ret;
            memcpy(all + 1, args, n * sizeof *args);
            TRY(px_call(p, "in", all, n + 1, start, ret));
        } else if (px_peek(p, "LIKE") || px_peek(p, "ILIKE")) {
            const char *fn = px_take(p, "LIKE") ? "like" : (px_take(p, "ILIKE"), "ilike");
            if (px_peek(p, "ALL") || px_peek(p, "ANY"))
                return px_fail(p);
            TRY(px_value(p, 1, &three[1]));
            n = 2;
            if (px_take(p, "ESCAPE"))
                TRY(px_value(p, 1, &three[n++]));
            TRY(px_call(p, fn, three, n, start, ret));
        } else if (px_take(p, "RLIKE") || px_take(p, "REGEXP")) {
            TRY(px_value(p, 1, &three[1]));
            TRY(px_call(p, "rlike", three, 2, start, ret));
        } else if (px_take(p, "IS")) {
            no = px_take(p, "NOT");
            if (px_take(p, "NULL") || px_take(p, "UNKNOWN")) {
                TRY(px_call(p, no ? "isnotnull" : "isnull", three, 1, start, ret));
                no = false;
            } else if (px_take(p, "TRUE")) {
                TRY(px_call(p, "istrue", three, 1, start, ret));
            } else if (px_take(p, "FALSE")) {
                TRY(px_call(p, "isfalse", three, 1, start, ret));
            } else {
                PX_NEED(p, "DISTINCT");
                PX_NEED(p, "FROM");
                TRY(px_value(p, 1, &three[1]));
                TRY(px_call(p, "<=>", three, 2, start, ret));
                no = !no;
            }
        } else {
            return no ? px_fail(p) : 0;
        }
        TRY(px_not(p, no, start, ret));
    }
}

static int px_negation(struct px *p, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    if (px_take(p, "NOT") || (p->text[p->at] == '!' && px_take(p, "!"))) {
        TRY(px_negation(p, ret));
        return px_not(p, true, start, ret);
    }
    return px_predicate(p, ret);
}

static int px_junction(struct px *p, bool is_or, struct expr **ret)
{
    px_blank(p);
    uint32_t start = p->at;
    TRY(is_or ? px_junction(p, false, ret) : px_negation(p, ret));
    while (px_take(p, is_or ? "OR" : "AND")) {
        struct expr *args[2] = {*ret, NULL};
        TRY(is_or ? px_junction(p, false, &args[1]) : px_negation(p, &args[1]));
        TRY(px_call(p, is_or ? "or" : "and", args, 2, start, ret));
    }
    return 0;
}

static int px_expr(struct px *p, struct expr **ret)
{
    return px_junction(p, true, ret);
}

/* Reads the whole text. */
static int expr_from_sql(struct arena *ar, const struct query_ctx *cx, const char *text, struct expr **ret, struct error *err)
{
    struct px p = {.text = text, .ar = ar, .cx = cx, .err = err};
    TRY(px_expr(&p, ret));
    px_blank(&p);
    return p.text[p.at] ? px_fail(&p) : 0;
}
