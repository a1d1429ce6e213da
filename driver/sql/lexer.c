/*
 * Text to tokens. Written by hand: Spark's words may start with a digit (1a), its numbers may end in a type
 * (1.5BD), comments nest and hints are comments that count. The longest token wins; of a word and a number of
 * the same length the number wins, as in Spark's grammar.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>
#include <stdio.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (isdigit((unsigned char)s[n]))
        n++;
    return n;
}

/* Bytes of the number at s with its type suffix, 0 when a word is longer or there is no number. */
static size_t number_bytes(const char *s)
{
    size_t whole = digits(s), n = whole;
    bool fraction = false;
    if (s[n] == '.') {
        size_t f = digits(s + n + 1);
        if (whole || f) {
            n += 1 + f;
            fraction = true;
        }
    }
    if (n == 0)
        return 0;
    if ((s[n] == 'e' || s[n] == 'E')) {
        size_t sign = s[n + 1] == '+' || s[n + 1] == '-';
        size_t e = digits(s + n + 1 + sign);
        if (e)
            n += 1 + sign + e;
    }
    char c = (char)tolower((unsigned char)s[n]);
    size_t suffix = c == 'b' && tolower((unsigned char)s[n + 1]) == 'd' ? 2 : c && strchr("dflsy", c) ? 1 : 0;
    if (suffix && !is_word(s[n + suffix]))
        return n + suffix;
    if (!is_word(s[n]))
        return n;
    /* 1a is a word; 1.5a is 1, a dot and 5a; 1.a is 1, a dot and a */
    if (fraction && whole && !is_word(s[whole]))
        return whole;
    return 0;
}

static int fail_at(struct ps *ps, size_t start, size_t stop, const char *token, const char *hint)
{
    int rc = error_set(ps->err, ERR_PARSE_SYNTAX, "error", token, "hint", hint, NULL);
    error_at(ps->err, (struct span){(uint32_t)start, (uint32_t)stop});
    return rc;
}

/* The end of the string whose opening quote is at s[i]; 0 when it has none. */
static size_t string_end(const char *s, size_t i, bool raw)
{
    char quote = s[i];
    for (i++; s[i]; i++) {
        if (s[i] == '\\' && !raw && s[i + 1]) {
            i++;
        } else if (s[i] == quote) {
            if (s[i + 1] == quote && !raw) {
                i++;
                continue;
            }
            return i + 1;
        }
    }
    return 0;
}

static size_t operator_at(const char *s, uint8_t *kind)
{
    static const struct {
        const char *text;
        uint8_t kind;
    } ops[] = {/* longer before shorter */
               {">>>", T_USHR}, {"<=>", T_NSEQ}, {"<<", T_SHL},  {">>", T_SHR},  {"<=", T_LE},   {">=", T_GE},
               {"<>", T_NE},    {"!=", T_NE},    {"!<", T_GE},   {"!>", T_LE},   {"==", T_EQ},   {"=>", T_FAT_ARROW},
               {"->", T_ARROW}, {"::", T_CAST},  {"||", T_CONCAT}, {"|>", T_PIPE_OP},
               {"(", T_LPAREN}, {")", T_RPAREN}, {"[", T_LBRACKET}, {"]", T_RBRACKET}, {"{", T_LBRACE}, {"}", T_RBRACE},
               {",", T_COMMA},  {".", T_DOT},    {";", T_SEMICOLON}, {":", T_COLON}, {"?", T_QUESTION},
               {"+", T_PLUS},   {"-", T_MINUS},  {"*", T_STAR},  {"/", T_SLASH}, {"%", T_PERCENT}, {"&", T_AMP},
               {"|", T_PIPE},   {"^", T_CARET},  {"~", T_TILDE}, {"=", T_EQ},    {"<", T_LT},    {">", T_GT},
               {"!", T_BANG}};
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        size_t n = strlen(ops[i].text);
        if (strncmp(s, ops[i].text, n) == 0) {
            *kind = ops[i].kind;
            return n;
        }
    }
    return 0;
}

size_t sql_skip_blank(const char *s, size_t i, bool *ret_open)
{
    *ret_open = false;
    for (;;) {
        if (isspace((unsigned char)s[i])) {
            i++;
        } else if (s[i] == '-' && s[i + 1] == '-') {
            while (s[i] && s[i] != '\n')
                i += s[i] == '\\' && s[i + 1] == '\n' ? 2 : 1;
        } else if (s[i] == '/' && s[i + 1] == '*' && s[i + 2] != '+') {
            size_t start = i;
            unsigned nesting = 1;
            for (i += 2; nesting && s[i]; i++) {
                if (s[i] == '*' && s[i + 1] == '/') {
                    nesting--;
                    i++;
                } else if (s[i] == '/' && s[i + 1] == '*') {
                    nesting++;
                    i++;
                }
            }
            if (nesting) {
                *ret_open = true;
                return start;
            }
        } else if (s[i] == (char)0xC2 && s[i + 1] == (char)0xA0) { /* no-break space, pasted from pages */
            i += 2;
        } else {
            return i;
        }
    }
}

/* *ret_i: the next byte from i on that counts. */
static int skip_blank(struct ps *ps, size_t i, size_t *ret_i)
{
    bool open;
    *ret_i = sql_skip_blank(ps->sql, i, &open);
    return open ? fail_at(ps, *ret_i, *ret_i + 2, "'/*'", "this comment has no closing */") : 0;
}

static void match_brackets(struct ps *ps)
{
    uint32_t *open = NULL, depth = 0, cap = 0;
    for (uint32_t i = 0; i < ps->count; i++) {
        uint8_t k = ps->toks[i].kind;
        if (k == T_LPAREN || k == T_LBRACKET) {
            ARRAY_GROW(open, depth, cap);
            open[depth++] = i;
        } else if (k == T_RPAREN || k == T_RBRACKET) {
            uint8_t want = k == T_RPAREN ? T_LPAREN : T_LBRACKET;
            if (depth && ps->toks[open[depth - 1]].kind == want) {
                uint32_t o = open[--depth];
                ps->toks[o].match = i;
                ps->toks[i].match = o;
            }
        }
    }
    xfree(open);
}

int lex(struct ps *ps)
{
    const char *s = ps->sql;
    if (strnlen(s, (size_t)SQL_BYTES_MAX + 1) > SQL_BYTES_MAX)
        return fail_at(ps, 0, 1, "the statement", "it is longer than 256 MiB");
    uint32_t cap = 0;
    bool hint = false, lenient = false; /* SET k = v: the value may be anything */
    size_t i = 0;
    for (;;) {
        size_t before = i;
        TRY(skip_blank(ps, i, &i));
        struct tok t = {.start = (uint32_t)i, .flags = i > before ? TOK_SPACE_BEFORE : 0};
        size_t n;
        if (!s[i]) {
            t.kind = T_END;
            n = 0;
        } else if (s[i] == '\'' || s[i] == '"' || ((s[i] == 'r' || s[i] == 'R') && (s[i + 1] == '\'' || s[i + 1] == '"'))) {
            bool raw = s[i] == 'r' || s[i] == 'R';
            size_t end = string_end(s, i + raw, raw);
            if (!end && !lenient)
                return fail_at(ps, i, i + 1 + raw, s[i + raw] == '"' ? "'\"'" : "'''", "this string has no closing quote");
            t.kind = end ? T_STRING : T_OTHER;
            t.flags |= raw ? TOK_RAW : 0;
            n = end ? end - i : 1u + raw;
        } else if (s[i] == '`') {
            size_t end = i + 1;
            while (s[end] && (s[end] != '`' || s[end + 1] == '`'))
                end += s[end] == '`' ? 2 : 1;
            if (!s[end] && !lenient)
                return fail_at(ps, i, i + 1, "'`'", "this quoted identifier has no closing `");
            t.kind = s[end] ? T_QUOTED : T_OTHER;
            n = s[end] ? end + 1 - i : 1;
            if (n == 2)
                return fail_at(ps, i, i + 2, "'``'", "an identifier cannot be empty");
        } else if ((isdigit((unsigned char)s[i]) || (s[i] == '.' && isdigit((unsigned char)s[i + 1]))) &&
                   !(ps->count && ps->toks[ps->count - 1].kind == T_DOT && i == ps->toks[ps->count - 1].stop) &&
                   (n = number_bytes(s + i)) > 0) {
            t.kind = T_NUMBER;
        } else if (is_word(s[i])) {
            n = 1;
            while (is_word(s[i + n]))
                n++;
            t.kind = T_WORD;
            t.kw = (uint16_t)keyword_find(s + i, n);
        } else if (strncmp(s + i, "/*+", 3) == 0) {
            t.kind = T_HINT;
            n = 3;
            hint = true;
        } else if (hint && s[i] == '*' && s[i + 1] == '/') {
            t.kind = T_HINT_END;
            n = 2;
            hint = false;
        } else {
            n = operator_at(s + i, &t.kind);
            if (n == 0 && lenient) {
                t.kind = T_OTHER;
                n = 1;
            } else if (n == 0) {
                char text[16];
                snprintf(text, sizeof text, isprint((unsigned char)s[i]) ? "'%c'" : "byte 0x%02X", (unsigned char)s[i]);
                return fail_at(ps, i, i + 1, text, "this character has no meaning in SQL");
            }
        }
        i += n;
        t.stop = (uint32_t)i;
        ARENA_PUSH(ps->ar, ps->toks, ps->count, cap, t);
        if (ps->count == 1)
            lenient = t.kw == KW_SET || t.kw == KW_RESET || t.kw == KW_ADD || t.kw == KW_REFRESH;
        if (t.kind == T_END)
            break;
    }
    match_brackets(ps);
    return 0;
}
