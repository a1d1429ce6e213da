/*
 * Names, literals and types out of tokens: escapes of strings, numbers with their type suffixes, both styles of
 * intervals. What depends on the session (dates, timestamps) stays text for the analyzer.
 */
#include "common/base/utf8.h"
#include "common/expr/fn.h"
#include "driver/sql/parser_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- errors ---- */

bool p_word_is(const struct ps *ps, uint32_t n, const char *upper)
{
    const struct tok *t = p_peek(ps, n);
    if (t->kind != T_WORD || strlen(upper) != t->stop - t->start)
        return false;
    for (uint32_t i = t->start; i < t->stop; i++) {
        if (toupper((unsigned char)ps->sql[i]) != upper[i - t->start])
            return false;
    }
    return true;
}

int p_fail(struct ps *ps, const char *expected, ...)
{
    const struct tok *t = p_tok(ps);
    struct buf token = BUF_INIT, hint = BUF_INIT;
    if (t->kind == T_END)
        buf_adds(&token, "end of input");
    else
        buf_addf(&token, "'%.*s'", (int)(t->stop - t->start > 64 ? 64 : t->stop - t->start), ps->sql + t->start);
    buf_adds(&hint, "expected ");
    va_list ap;
    va_start(ap, expected);
    buf_vaddf(&hint, expected, ap);
    va_end(ap);
    struct span span = {t->start, t->stop};
    if (t->kind == T_END && ps->at) { /* the caret goes behind the last word */
        span.start = ps->toks[ps->at - 1].stop;
        span.stop = span.start + 1;
    }
    /* The mistyped word is the one here, or it was taken for a name just before. */
    for (uint32_t back = 0; back < 3 && back <= ps->at; back++) {
        const struct tok *w = &ps->toks[ps->at - back];
        enum keyword kw = w->kind == T_WORD && !w->kw ? keyword_nearest(ps->sql + w->start, w->stop - w->start) : KW_NO_KEYWORD;
        if (kw) {
            buf_addf(&hint, "; did you mean %s instead of %.*s?", keyword_text(kw), (int)(w->stop - w->start),
                     ps->sql + w->start);
            break;
        }
    }
    int rc = error_set(ps->err, ERR_PARSE_SYNTAX, "error", token.data, "hint", hint.data, NULL);
    error_at(ps->err, span);
    buf_fini(&token);
    buf_fini(&hint);
    return rc;
}

int p_fail_at(struct ps *ps, struct span span, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    int rc = error_set(ps->err, ERR_SEMANTICS, "inputString", text.data, NULL);
    error_at(ps->err, span);
    buf_fini(&text);
    return rc;
}

int p_fail_literal(struct ps *ps, struct span span, const char *type)
{
    int bytes = (int)(span.stop - span.start > 100 ? 100 : span.stop - span.start);
    char *text = arena_strndup(ps->ar, ps->sql + span.start, (size_t)bytes);
    int rc = error_set(ps->err, ERR_INVALID_LITERAL, "valueType", type, "value", text, NULL);
    error_at(ps->err, span);
    return rc;
}

static int fail_range(struct ps *ps, struct span span, const char *digits, bool negative, const char *type, const char *min, const char *max)
{
    int rc = error_set(ps->err, ERR_LITERAL_RANGE, "rawStrippedQualifier", arena_printf(ps->ar, "%s%s", negative ? "-" : "", digits), "typeName",
                       type, "minValue", min, "maxValue", max, NULL);
    error_at(ps->err, span);
    return rc;
}

static int fail_digits(struct ps *ps, struct span span, const char *text)
{
    size_t digits = strspn(text, "0123456789.");
    int64_t count = (int64_t)digits - (memchr(text, '.', digits) != NULL);
    if (text[digits] == 'e' || text[digits] == 'E')
        count += strtoll(text + digits + 1, NULL, 10);
    int rc = error_set(ps->err, ERR_DECIMAL_DIGITS, "precision", arena_printf(ps->ar, "%lld", (long long)count), "maxPrecision", "38", NULL);
    error_at(ps->err, span);
    return rc;
}

int p_too_deep(struct ps *ps, uint32_t start)
{
    char limit[16];
    snprintf(limit, sizeof limit, "%d", AST_DEPTH_MAX);
    int rc = error_set(ps->err, ERR_TOO_DEEP, "limit", limit, NULL);
    error_at(ps->err, (struct span){start, start + 1});
    return rc;
}

static const char *tok_what(enum tok_kind kind)
{
    switch (kind) {
    case T_LPAREN: return "'('";
    case T_RPAREN: return "')'";
    case T_RBRACKET: return "']'";
    case T_COMMA: return "','";
    case T_EQ: return "'='";
    case T_ARROW: return "'->'";
    case T_HINT_END: return "'*/'";
    default: return "another token";
    }
}

int p_need(struct ps *ps, enum tok_kind kind, const char *what)
{
    if (p_take(ps, kind))
        return 0;
    return p_fail(ps, "%s", what ? what : tok_what(kind));
}

int p_need_kw(struct ps *ps, enum keyword kw)
{
    if (p_take_kw(ps, kw))
        return 0;
    return p_fail(ps, "%s", keyword_text(kw));
}

/* ---- names ---- */

const char *p_text(struct ps *ps, const struct tok *t)
{
    return arena_strndup(ps->ar, ps->sql + t->start, t->stop - t->start);
}

int p_identifier(struct ps *ps, struct ast_part *ret, const char *what)
{
    const struct tok *t = p_tok(ps);
    if (!p_is_name(t))
        return p_fail(ps, "%s", what);
    struct ast_part part = {.quoted = t->kind == T_QUOTED, .span = {t->start, t->stop}};
    if (part.quoted) {
        char *out = arena_alloc(ps->ar, t->stop - t->start);
        size_t n = 0;
        for (uint32_t i = t->start + 1; i + 1 < t->stop; i++) {
            out[n++] = ps->sql[i];
            if (ps->sql[i] == '`')
                i++;
        }
        out[n] = 0;
        part.text = out;
    } else {
        part.text = p_text(ps, t);
    }
    ps->at++;
    *ret = part;
    return 0;
}

int p_name(struct ps *ps, struct ast_name *ret, const char *what)
{
    struct ast_name name = {0};
    uint32_t cap = 0, start = p_start(ps);
    do {
        struct ast_part part;
        TRY(p_identifier(ps, &part, name.count ? "a name after '.'" : what));
        ARENA_PUSH(ps->ar, name.parts, name.count, cap, part);
    } while (p_take(ps, T_DOT));
    name.span = p_span(ps, start);
    *ret = name;
    return 0;
}

int p_identifier_list(struct ps *ps, struct ast_part **ret, uint32_t *ret_count)
{
    struct ast_part *items = NULL;
    uint32_t count = 0, cap = 0;
    TRY(p_need(ps, T_LPAREN, NULL));
    do {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "a column name"));
        ARENA_PUSH(ps->ar, items, count, cap, part);
    } while (p_take(ps, T_COMMA));
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    *ret = items;
    *ret_count = count;
    return 0;
}

/* ---- strings ---- */

static bool hex_value(const char *s, size_t count, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < count; i++) {
        int c = tolower((unsigned char)s[i]);
        if (!isxdigit(c))
            return false;
        v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = v;
    return true;
}

/* One escape at s ("\n", s[0] is the backslash): writes to out, returns the bytes of s that it took. */
static size_t unescape(const char *s, size_t left, char *out, size_t *out_bytes)
{
    uint32_t v, low;
    if (left >= 6 && s[1] == 'u' && hex_value(s + 2, 4, &v)) {
        size_t used = 6;
        if (v >= 0xD800 && v < 0xDC00 && left >= 12 && s[6] == '\\' && s[7] == 'u' && hex_value(s + 8, 4, &low) &&
            low >= 0xDC00 && low < 0xE000) {
            v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
            used = 12;
        } else if (v >= 0xD800 && v < 0xE000) {
            v = '?'; /* half a pair: as Java writes it */
        }
        *out_bytes = utf8_encode(v, out);
        return used;
    }
    if (left >= 10 && s[1] == 'U' && hex_value(s + 2, 8, &v) && v <= 0x10FFFF) {
        *out_bytes = utf8_encode(v >= 0xD800 && v < 0xE000 ? '?' : v, out);
        return 10;
    }
    if (left >= 4 && s[1] >= '0' && s[1] <= '1' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
        out[0] = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
        *out_bytes = 1;
        return 4;
    }
    *out_bytes = 1;
    switch (s[1]) {
    case '0': out[0] = 0; break;
    case 'b': out[0] = '\b'; break;
    case 'n': out[0] = '\n'; break;
    case 'r': out[0] = '\r'; break;
    case 't': out[0] = '\t'; break;
    case 'Z': out[0] = 26; break;
    case '%':
    case '_': /* kept for LIKE */
        out[0] = '\\';
        out[1] = s[1];
        *out_bytes = 2;
        break;
    default: out[0] = s[1];
    }
    return 2;
}

int p_string(struct ps *ps, const char **ret, uint32_t *ret_bytes)
{
    if (!p_is(ps, T_STRING))
        return p_fail(ps, "a string");
    size_t room = 1;
    for (uint32_t i = 0; p_peek(ps, i)->kind == T_STRING; i++)
        room += p_peek(ps, i)->stop - p_peek(ps, i)->start;
    char *out = arena_alloc(ps->ar, room);
    size_t n = 0;
    for (; p_is(ps, T_STRING); ps->at++) {
        const struct tok *t = p_tok(ps);
        bool raw = t->flags & TOK_RAW;
        const char *s = ps->sql + t->start + raw + 1, *end = ps->sql + t->stop - 1;
        char quote = s[-1];
        while (s < end) {
            if (*s == '\\' && !raw && s + 1 < end) {
                size_t bytes;
                s += unescape(s, (size_t)(end - s), out + n, &bytes);
                n += bytes;
            } else {
                out[n++] = *s;
                s += *s == quote && !raw ? 2 : 1; /* '' is one ' */
            }
        }
    }
    out[n] = 0;
    *ret = out;
    *ret_bytes = (uint32_t)n;
    return 0;
}

int p_cstring(struct ps *ps, const char **ret, const char *what)
{
    if (!p_is(ps, T_STRING))
        return p_fail(ps, "%s", what);
    uint32_t bytes, start = p_start(ps);
    TRY(p_string(ps, ret, &bytes));
    if (strlen(*ret) != bytes)
        return p_fail_at(ps, p_span(ps, start), "a NUL character is not allowed here");
    return 0;
}

/* ---- numbers ---- */

/* Digits with at most one dot and an exponent to a decimal; false when it has over 38 digits. */
static bool decimal_of(const char *s, size_t bytes, struct ast_literal *lit)
{
    int128_t v = 0;
    int64_t scale = 0, exponent = 0;
    int digits = 0;
    bool dot = false;
    for (size_t i = 0; i < bytes; i++) {
        if (s[i] == '.') {
            dot = true;
        } else if (s[i] == 'e' || s[i] == 'E') {
            exponent = strtoll(s + i + 1, NULL, 10);
            break;
        } else {
            if (v != 0 || s[i] != '0')
                digits++;
            if (digits > DECIMAL_PRECISION_MAX)
                return false;
            v = v * 10 + (s[i] - '0');
            scale += dot;
        }
    }
    if (exponent > 100 || exponent < -100)
        return false;
    scale -= exponent;
    for (; scale < 0; scale++) { /* 1.5E2BD is 150 */
        v *= 10;
        digits += v != 0;
        if (digits > DECIMAL_PRECISION_MAX)
            return false;
    }
    if (scale > DECIMAL_PRECISION_MAX)
        return false;
    if (digits < 1)
        digits = 1;
    lit->kind = AST_LIT_DECIMAL;
    lit->d = v;
    lit->scale = (uint8_t)scale;
    lit->precision = (uint8_t)(digits > scale ? digits : scale);
    return true;
}

int p_number(struct ps *ps, bool negative, uint32_t start, struct ast_expr **ret)
{
    const struct tok *t = p_tok(ps);
    const char *s = ps->sql + t->start;
    size_t bytes = t->stop - t->start;
    char *text = arena_strndup(ps->ar, s, bytes);
    size_t n = bytes;
    while (n && isalpha((unsigned char)s[n - 1]))
        n--;
    char suffix = (char)tolower((unsigned char)s[n]);
    if (n == bytes)
        suffix = 0;
    bool exponent = memchr(s, 'e', n) || memchr(s, 'E', n), dot = memchr(s, '.', n) != NULL;
    text[n] = 0;
    ps->at++;
    struct span span = p_span(ps, start);
    struct ast_expr *e = p_new_expr(ps, AST_LITERAL, start);
    struct ast_literal lit = {0};
    if (suffix == 'b' || (!suffix && dot && !exponent)) {
        if (!decimal_of(text, n, &lit))
            return fail_digits(ps, span, text);
    } else if (suffix == 'd' || (!suffix && exponent)) {
        lit.kind = AST_LIT_DOUBLE;
        lit.f = strtod(text, NULL);
        if (isinf(lit.f))
            return fail_range(ps, span, text, negative, "double", "-1.7976931348623157E+308", "1.7976931348623157E+308");
    } else if (suffix == 'f') {
        lit.kind = AST_LIT_FLOAT;
        lit.f = (double)strtof(text, NULL);
        if (strtod(text, NULL) > 3.4028234663852886E38)
            return fail_range(ps, span, text, negative, "float", "-3.4028234663852886E+38", "3.4028234663852886E+38");
    } else {
        static const struct {
            char suffix;
            enum ast_lit_kind kind;
            int128_t max;
            const char *name, *low, *high;
        } kinds[] = {{'y', AST_LIT_TINYINT, INT8_MAX, "tinyint", "-128", "127"},
                     {'s', AST_LIT_SMALLINT, INT16_MAX, "smallint", "-32768", "32767"},
                     {'l', AST_LIT_BIGINT, INT64_MAX, "bigint", "-9223372036854775808", "9223372036854775807"},
                     {0, AST_LIT_INT, INT32_MAX, NULL, NULL, NULL},
                     {0, AST_LIT_BIGINT, INT64_MAX, NULL, NULL, NULL}};
        if (dot || exponent)
            return p_fail_literal(ps, span, "whole number");
        bool done = false;
        struct ast_literal whole = {0};
        bool fits = decimal_of(text, n, &whole);
        for (size_t i = 0; i < ARRAY_LEN(kinds) && !done; i++) {
            if (kinds[i].suffix != suffix)
                continue;
            if (fits && whole.d <= kinds[i].max + negative) {
                lit.kind = kinds[i].kind;
                lit.i = (int64_t)(negative ? -whole.d : whole.d);
                done = true;
            } else if (kinds[i].name) {
                return fail_range(ps, span, text, negative, kinds[i].name, kinds[i].low, kinds[i].high);
            }
        }
        if (!done) {
            if (!fits)
                return fail_digits(ps, span, text);
            lit = whole;
        }
    }
    if (negative) {
        lit.d = -lit.d;
        lit.f = -lit.f;
    }
    e->lit = lit;
    *ret = e;
    return p_done_expr(ps, e);
}

int p_integer(struct ps *ps, int64_t *ret, const char *what)
{
    uint32_t start = p_start(ps);
    bool negative = p_take(ps, T_MINUS);
    if (!p_is(ps, T_NUMBER))
        return p_fail(ps, "%s", what);
    struct ast_expr *e;
    TRY(p_number(ps, negative, start, &e));
    if (e->lit.kind < AST_LIT_TINYINT || e->lit.kind > AST_LIT_BIGINT)
        return p_fail_literal(ps, e->span, "BIGINT");
    *ret = e->lit.i;
    return 0;
}

/* ---- intervals ---- */

enum unit { U_YEAR, U_MONTH, U_DAY, U_HOUR, U_MINUTE, U_SECOND, U_WEEK, U_MILLI, U_MICRO, U_NANO, U_NONE };

static enum unit unit_of(const char *s, size_t bytes)
{
    static const struct {
        const char *name;
        enum unit unit;
    } names[] = {{"year", U_YEAR},     {"month", U_MONTH}, {"day", U_DAY},           {"hour", U_HOUR},
                 {"minute", U_MINUTE}, {"second", U_SECOND}, {"week", U_WEEK},       {"millisecond", U_MILLI},
                 {"microsecond", U_MICRO}, {"nanosecond", U_NANO}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i].name);
        bool plural = bytes == n + 1 && tolower((unsigned char)s[n]) == 's';
        if ((bytes == n || plural) && strncasecmp(s, names[i].name, n) == 0)
            return names[i].unit;
    }
    return U_NONE;
}

static enum unit tok_unit(const struct ps *ps, uint32_t n)
{
    const struct tok *t = p_peek(ps, n);
    return t->kind == T_WORD ? unit_of(ps->sql + t->start, t->stop - t->start) : U_NONE;
}

struct interval {
    int64_t months, us;
    unsigned units; /* bit per unit U_YEAR..U_SECOND */
    enum interval_fault {
        INTERVAL_SHAPE,    /* not written as it should be */
        INTERVAL_FIELD,    /* a field beyond its range */
        INTERVAL_FRACTION, /* a part of a unit that has none */
        INTERVAL_LARGE,    /* a number too large for its unit */
        INTERVAL_SUM       /* the whole is too large */
    } fault; /* what is wrong, when something is */
};

static bool mul_add(int64_t *sum, int64_t a, int64_t b)
{
    int64_t p;
    return !__builtin_mul_overflow(a, b, &p) && !__builtin_add_overflow(*sum, p, sum);
}

static const int64_t unit_us[] = {[U_DAY] = 86400000000, [U_HOUR] = 3600000000,     [U_MINUTE] = 60000000,
                                  [U_SECOND] = 1000000,  [U_WEEK] = 7 * 86400000000, [U_MILLI] = 1000,
                                  [U_MICRO] = 1};

/* [sign] digits [. digits] at *s, as whole and nanoseconds of a fraction; false when there is none. */
static bool interval_number(const char **s, bool *negative, int64_t *whole, int64_t *nanos, bool *fraction)
{
    const char *p = *s;
    *negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    while (*p == ' ')
        p++;
    *whole = *nanos = 0;
    *fraction = false;
    bool any = false;
    for (; isdigit((unsigned char)*p); p++, any = true) {
        if (*whole > (INT64_MAX - 9) / 10)
            return false;
        *whole = *whole * 10 + (*p - '0');
    }
    if (*p == '.') {
        *fraction = true;
        int64_t scale = 100000000;
        for (p++; isdigit((unsigned char)*p); p++, any = true) {
            *nanos += (*p - '0') * scale;
            scale /= 10;
        }
    }
    *s = p;
    return any;
}

static bool interval_bad(struct interval *iv, enum interval_fault why)
{
    iv->fault = why;
    return false;
}

/* Adds one "value unit"; false when the value is none for the unit or it overflows. */
static bool interval_add(struct interval *iv, const char *text, bool negative, enum unit unit)
{
    int64_t whole, nanos;
    bool neg, fraction;
    while (isspace((unsigned char)*text))
        text++;
    if (!interval_number(&text, &neg, &whole, &nanos, &fraction))
        return interval_bad(iv, isdigit((unsigned char)*text) ? INTERVAL_LARGE : INTERVAL_SHAPE);
    while (isspace((unsigned char)*text))
        text++;
    if (*text || unit == U_NONE)
        return interval_bad(iv, INTERVAL_SHAPE);
    if (fraction && unit != U_SECOND)
        return interval_bad(iv, INTERVAL_FRACTION);
    int64_t sign = neg != negative ? -1 : 1;
    switch (unit) {
    case U_YEAR:
    case U_MONTH:
        iv->units |= 1u << unit;
        return (mul_add(&iv->months, sign * whole, unit == U_YEAR ? 12 : 1) && iv->months == (int32_t)iv->months) ||
               interval_bad(iv, INTERVAL_LARGE);
    case U_NANO:
        iv->units |= 1u << U_SECOND;
        return mul_add(&iv->us, sign * whole / 1000, 1) || interval_bad(iv, INTERVAL_LARGE);
    case U_WEEK: iv->units |= 1u << U_DAY; break;
    case U_MILLI:
    case U_MICRO: iv->units |= 1u << U_SECOND; break;
    default: iv->units |= 1u << unit;
    }
    bool days = unit == U_DAY || unit == U_WEEK;
    if (days && whole > INT32_MAX / (unit == U_WEEK ? 7 : 1))
        return interval_bad(iv, INTERVAL_LARGE);
    return (mul_add(&iv->us, sign * whole, unit_us[unit]) && mul_add(&iv->us, sign * (nanos / 1000), 1)) ||
           interval_bad(iv, days ? INTERVAL_SUM : INTERVAL_LARGE);
}

/* 'y-m' or 'd h:m:s.f' between two units. */
static bool interval_range(struct interval *iv, const char *s, bool negative, enum unit from, enum unit to)
{
    while (isspace((unsigned char)*s))
        s++;
    if (*s == '-' || *s == '+') {
        negative ^= *s == '-';
        s++;
    }
    iv->fault = INTERVAL_SHAPE;
    for (enum unit u = from; u <= to; u++) {
        int64_t whole, nanos;
        bool neg, fraction;
        const char *before = s;
        if (!isdigit((unsigned char)*s) || !interval_number(&s, &neg, &whole, &nanos, &fraction) || (fraction && u != U_SECOND))
            return false;
        int64_t max = u == U_MONTH ? 11 : u == U_HOUR ? 23 : 59;
        if (u != from && s - before > (fraction ? 12 : 2))
            return false;
        if (u != from && whole > max)
            return interval_bad(iv, INTERVAL_FIELD);
        int64_t sign = negative ? -1 : 1;
        iv->units |= 1u << u;
        if (u <= U_MONTH ? !mul_add(&iv->months, sign * whole, u == U_YEAR ? 12 : 1) || iv->months != (int32_t)iv->months
                         : !mul_add(&iv->us, sign * whole, unit_us[u]) || !mul_add(&iv->us, sign * (nanos / 1000), 1))
            return interval_bad(iv, INTERVAL_FIELD);
        if (u == to)
            break;
        char separator = u == U_YEAR ? '-' : u == U_DAY ? ' ' : ':';
        if (*s != separator)
            return false;
        for (s++; separator == ' ' && *s == ' '; s++) {
        }
    }
    while (isspace((unsigned char)*s))
        s++;
    return *s == 0;
}

/* '3 days 2 hours', with or without "interval" in front. */
static bool interval_string(struct interval *iv, const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    if (strncasecmp(s, "interval", 8) == 0)
        s += 8;
    for (;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (!*s)
            return iv->units != 0;
        const char *value = s;
        int64_t whole, nanos;
        bool neg, fraction;
        if (!interval_number(&s, &neg, &whole, &nanos, &fraction))
            return false;
        char number[64];
        if ((size_t)(s - value) >= sizeof number)
            return false;
        memcpy(number, value, (size_t)(s - value));
        number[s - value] = 0;
        while (isspace((unsigned char)*s))
            s++;
        const char *word = s;
        while (isalpha((unsigned char)*s))
            s++;
        if (!interval_add(iv, number, false, unit_of(word, (size_t)(s - word))))
            return false;
    }
}

bool p_is_interval(const struct ps *ps)
{
    if (!p_is_kw(ps, KW_INTERVAL))
        return false;
    const struct tok *t = p_peek(ps, 1);
    if (t->kind == T_STRING)
        return true;
    uint32_t n = t->kind == T_MINUS || t->kind == T_PLUS ? 2 : 1;
    uint8_t kind = p_peek(ps, n)->kind;
    return (kind == T_NUMBER || kind == T_STRING) && tok_unit(ps, n + 1) != U_NONE;
}

/* INTERVAL 'text' FROM TO UNTIL: the fragment to blame starts at the text. */
static int p_interval_range(struct ps *ps, struct interval *iv, const char *text, bool negative, uint32_t start, enum unit from)
{
    const struct tok *first = p_peek(ps, 0) - 1; /* the word of `from` */
    ps->at++;
    enum unit to = tok_unit(ps, 0);
    if (to == U_NONE)
        return p_fail(ps, "a unit of time");
    const char *words[2] = {p_text(ps, first), p_text(ps, p_tok(ps))};
    ps->at++;
    bool ym = from <= U_MONTH, legal = to > from && to <= U_SECOND && ym == (to <= U_MONTH);
    if (!legal) {
        char *lower[2];
        for (int i = 0; i < 2; i++) {
            lower[i] = arena_strdup(ps->ar, words[i]);
            for (char *c = lower[i]; *c; c++)
                *c = (char)tolower((unsigned char)*c);
        }
        error_set(ps->err, ERR_INTERVAL_FROM_TO, "input", text, "from", lower[0], "to", lower[1], NULL);
    } else if (!interval_range(iv, text, negative, from, to)) {
        unsigned base = ym ? U_YEAR : U_DAY;
        if (iv->fault == INTERVAL_FIELD)
            error_set(ps->err, ERR_INTERVAL_PARSING, "input", text, "interval", ym ? "year-month" : "day-time", NULL);
        else
            interval_unmatched(type_interval(ym ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DT, from - base, to - base), text, ps->err);
    } else {
        return 0;
    }
    error_at(ps->err, p_span(ps, start));
    return (int)ps->err->code;
}

/* What is wrong with "value unit value unit", of which the last was read: input is all of it. */
static int fail_units(struct ps *ps, const struct interval *iv, const char *input, const char *word, uint32_t start)
{
    char *unit = arena_strdup(ps->ar, word);
    for (char *c = unit; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    size_t n = strlen(unit);
    if (n > 1 && unit[n - 1] == 's')
        unit[n - 1] = 0;
    int rc = 0;
    switch (iv->fault) {
    case INTERVAL_FRACTION: rc = error_set(ps->err, ERR_INTERVAL_FRACTION, "input", input, "unit", unit, NULL); break;
    case INTERVAL_LARGE: rc = error_set(ps->err, ERR_INTERVAL_LARGE, "input", input, NULL); break;
    case INTERVAL_SUM: rc = error_set(ps->err, ERR_INTERVAL_OVERFLOW, NULL); break;
    case INTERVAL_SHAPE:
    case INTERVAL_FIELD: rc = p_fail_literal(ps, p_span(ps, start), "\"INTERVAL\""); break;
    }
    error_at(ps->err, p_span(ps, start));
    return rc;
}

int p_interval(struct ps *ps, struct ast_expr **ret)
{
    uint32_t start = p_start(ps);
    struct ast_expr *e = p_new_expr(ps, AST_LITERAL, start);
    struct interval iv = {0};
    const char *input = "";
    ps->at++;
    bool first = true;
    for (;; first = false) {
        bool sign = p_is(ps, T_MINUS) || p_is(ps, T_PLUS), negative = p_is(ps, T_MINUS);
        uint8_t kind = p_peek(ps, sign)->kind;
        if (!first && (!(kind == T_NUMBER || kind == T_STRING) || tok_unit(ps, sign + 1u) == U_NONE))
            break;
        ps->at += sign;
        const char *text;
        uint32_t from = p_start(ps);
        if (kind == T_STRING)
            TRY(p_cstring(ps, &text, "a string"));
        else
            text = p_text(ps, &ps->toks[ps->at++]);
        enum unit unit = tok_unit(ps, 0);
        if (unit == U_NONE) { /* INTERVAL '3 days' */
            if (first && interval_string(&iv, text))
                break;
            struct span written = p_span(ps, from);
            const char *value = arena_strndup(ps->ar, ps->sql + written.start, written.stop - written.start);
            error_set(ps->err, ERR_INVALID_LITERAL, "valueType", "\"INTERVAL\"", "value", value, NULL);
            error_at(ps->err, p_span(ps, start));
            return (int)ps->err->code;
        }
        const char *word = p_text(ps, p_tok(ps));
        ps->at++;
        if (first && p_is_kw(ps, KW_TO)) {
            TRY(p_interval_range(ps, &iv, text, negative, from, unit));
            break;
        }
        input = arena_printf(ps->ar, "%s %s%s %s", input, negative ? "-" : "", text, word);
        if (!interval_add(&iv, text, negative, unit))
            return fail_units(ps, &iv, input, word, start);
    }
    unsigned ym = iv.units & 3u, dt = iv.units >> U_DAY;
    if (ym && dt)
        return p_fail_at(ps, p_span(ps, start), "one interval cannot mix years and months with days and times; add two intervals instead");
    unsigned bits = ym ? ym : dt;
    e->lit.kind = ym ? AST_LIT_INTERVAL_YM : AST_LIT_INTERVAL_DT;
    e->lit.i = ym ? iv.months : iv.us;
    e->lit.from = (uint8_t)__builtin_ctz(bits);
    e->lit.to = (uint8_t)(31 - __builtin_clz(bits));
    *ret = e;
    return p_done_expr(ps, e);
}

/* ---- types ---- */

int p_type(struct ps *ps, const struct type **ret, struct span *ret_span)
{
    uint32_t start = p_start(ps);
    if (!p_is(ps, T_WORD))
        return p_fail(ps, "a type");
    bool interval = p_is_kw(ps, KW_INTERVAL), stamp = p_is_kw(ps, KW_TIMESTAMP);
    ps->at++;
    const char *text = NULL;
    if (interval && tok_unit(ps, 0) != U_NONE) {
        ps->at++;
        if (p_is_kw(ps, KW_TO) && tok_unit(ps, 1) != U_NONE)
            ps->at += 2;
    } else if (stamp && (p_is_kw(ps, KW_WITHOUT) || p_is_kw(ps, KW_WITH)) && p_peek_kw(ps, 1, KW_TIME) &&
               p_peek_kw(ps, 2, KW_ZONE)) {
        text = p_is_kw(ps, KW_WITHOUT) ? "timestamp_ntz" : "timestamp";
        ps->at += 3;
    } else if (p_is(ps, T_LPAREN)) {
        if (!p_tok(ps)->match)
            return p_fail(ps, "a closing ')'");
        ps->at = p_tok(ps)->match + 1;
    } else if (p_is(ps, T_LT)) {
        int open = 0;
        do {
            switch (p_tok(ps)->kind) {
            case T_LT: open++; break;
            case T_GT: open--; break;
            case T_SHR: open -= 2; break;
            case T_USHR: open -= 3; break;
            case T_END:
            case T_SEMICOLON: return p_fail(ps, "'>' to end the type");
            default: break;
            }
            ps->at++;
        } while (open > 0);
    } else if (p_is(ps, T_NE)) { /* struct<> */
        ps->at++;
    }
    struct span span = p_span(ps, start);
    if (!text)
        text = arena_strndup(ps->ar, ps->sql + span.start, span.stop - span.start);
    int rc = type_parse(text, ret, ps->err);
    if (rc != 0)
        error_at(ps->err, span);
    *ret_span = span;
    return rc;
}
