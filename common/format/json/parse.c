/* See parse.h. */
#include "common/format/json/parse.h"

#include <emmintrin.h>

#include "common/base/utf8.h"

void json_parser_init(struct json_parser *j, const struct json_options *o, struct account *account)
{
    *j = (struct json_parser){.o = o, .account = account};
}

void json_parser_fini(struct json_parser *j)
{
    account_release(j->account, j->reserved);
    xfree(j->nodes);
    xfree(j->text);
    *j = (struct json_parser){0};
}

static bool wrong(struct json_parser *j, const char *why)
{
    if (!j->wrong)
        j->wrong = why;
    return false;
}

static bool grow_nodes(struct json_parser *j)
{
    size_t cap = j->cap ? (size_t)j->cap * 2 : 256, more = (cap - j->cap) * sizeof *j->nodes;
    if (!account_try(j->account, more)) {
        j->refused = true;
        return wrong(j, "memory");
    }
    j->reserved += more;
    j->nodes = xrealloc(j->nodes, cap * sizeof *j->nodes);
    j->cap = (uint32_t)cap;
    return true;
}

static inline struct json_node *add(struct json_parser *j, enum json_kind kind, const char *p)
{
    if (UNLIKELY(j->count == j->cap) && !grow_nodes(j))
        return NULL;
    struct json_node *n = &j->nodes[j->count++];
    n->kind = (uint8_t)kind;
    n->p = p;
    n->next = j->count;
    return n;
}

/* ---- blanks and comments ---- */

static bool skip_comment(struct json_parser *j)
{
    if (!j->o->comments || j->p + 1 >= j->end)
        return wrong(j, "a comment");
    if (j->p[1] == '/') {
        while (j->p < j->end && *j->p != '\n' && *j->p != '\r')
            j->p++;
        return true;
    }
    if (j->p[1] != '*')
        return wrong(j, "a slash");
    for (j->p += 2; j->p + 1 < j->end; j->p++)
        if (j->p[0] == '*' && j->p[1] == '/') {
            j->p += 2;
            return true;
        }
    return wrong(j, "a comment without an end");
}

static inline bool skip(struct json_parser *j)
{
    for (;;) {
        while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
            j->p++;
        if (LIKELY(j->p == j->end || *j->p != '/'))
            return true;
        if (!skip_comment(j))
            return false;
    }
}

/* ---- strings ---- */

/* The first quote, backslash or control character from p on. */
static const char *find_special(const char *p, const char *end, char quote)
{
    const __m128i q = _mm_set1_epi8(quote), b = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x1f);
    for (; p < end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(v, space), space);
        __m128i hit = _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(v, q), _mm_cmpeq_epi8(v, b)));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return end;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i], d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* \uXXXX at j->p (behind the u); half a pair alone is a question mark, as Java encodes it. */
static char *put_unicode(struct json_parser *j, char *to)
{
    int c = hex4(j->p, j->end);
    if (c < 0) {
        wrong(j, "an escape");
        return NULL;
    }
    j->p += 4;
    if (c >= 0xd800 && c <= 0xdbff && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
        int low = hex4(j->p + 2, j->end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            j->p += 6;
            return to + utf8_encode(0x10000 + (((unsigned)c - 0xd800) << 10) + ((unsigned)low - 0xdc00), to);
        }
    }
    if (c >= 0xd800 && c <= 0xdfff) {
        *to++ = '?';
        return to;
    }
    return to + utf8_encode((unsigned)c, to);
}

static char *put_escape(struct json_parser *j, char *to)
{
    static const char from[] = "\"\\/bfnrt", out[] = "\"\\/\b\f\n\r\t";
    if (j->p == j->end) {
        wrong(j, "a string without an end");
        return NULL;
    }
    char c = *j->p++;
    const char *at = c ? strchr(from, c) : NULL;
    if (at)
        *to++ = out[at - from];
    else if (c == 'u')
        return put_unicode(j, to);
    else if (j->o->backslash_any || (c == '\'' && j->o->single_quotes))
        *to++ = c;
    else
        return wrong(j, "an escape"), NULL;
    return to;
}

/* The rest of a string with escapes, from its start on; text has room for all of it. */
static bool escaped(struct json_parser *j, const char *start, char quote, struct json_node *n)
{
    char *base = j->text + j->text_bytes, *to = base;
    j->p = start;
    for (;;) {
        const char *q = find_special(j->p, j->end, quote);
        memcpy(to, j->p, (size_t)(q - j->p));
        to += q - j->p;
        if (q == j->end)
            return wrong(j, "a string without an end");
        j->p = q + 1;
        if (*q == quote)
            break;
        if (*q == '\\') {
            if ((to = put_escape(j, to)) == NULL)
                return false;
        } else if (j->o->control_chars) {
            *to++ = *q;
        } else {
            return wrong(j, "a control character in a string");
        }
    }
    n->p = base;
    n->bytes = (uint32_t)(to - base);
    j->text_bytes += n->bytes;
    return true;
}

static bool string(struct json_parser *j, char quote)
{
    const char *start = ++j->p, *q = find_special(start, j->end, quote);
    struct json_node *n = add(j, JSON_STRING, start);
    if (!n)
        return false;
    if (q < j->end && *q == quote) {
        n->bytes = (uint32_t)(q - start);
        j->p = q + 1;
        return true;
    }
    if (q == j->end)
        return wrong(j, "a string without an end");
    return escaped(j, start, quote, n);
}

/* ---- other values ---- */

static inline bool is_digit(const struct json_parser *j)
{
    return j->p < j->end && (unsigned char)(*j->p - '0') <= 9;
}

/* A value ends where something else may begin. */
static bool ends_value(const struct json_parser *j)
{
    static const bool ends[256] = {[' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, [','] = true, [']'] = true, ['}'] = true, ['/'] = true};
    return j->p == j->end || ends[(unsigned char)*j->p];
}

static bool word(struct json_parser *j, const char *text, enum json_kind kind)
{
    size_t n = strlen(text);
    const char *start = j->p;
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, text, n) != 0)
        return wrong(j, "an unknown word");
    j->p += n;
    if (j->p < j->end && ((unsigned char)*j->p >= 0x80 || *j->p == '_' || *j->p == '$' || is_digit(j) ||
                          ((unsigned char)((*j->p | 32) - 'a') < 26)))
        return wrong(j, "an unknown word");
    struct json_node *node = add(j, kind, start);
    if (!node)
        return false;
    node->bytes = (uint32_t)n;
    return true;
}

static bool non_numeric(struct json_parser *j)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity", "-INF", "+Infinity", "+INF"};
    for (size_t i = 0; i < ARRAY_LEN(words) && j->o->non_numeric; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(j->end - j->p) >= n && memcmp(j->p, words[i], n) == 0)
            return word(j, words[i], JSON_REAL);
    }
    return wrong(j, "an unknown word");
}

static bool number(struct json_parser *j)
{
    const char *start = j->p;
    enum json_kind kind = JSON_INT;
    if (*j->p == '-')
        j->p++;
    if (!is_digit(j)) {
        j->p = start;
        return non_numeric(j);
    }
    if (*j->p == '0' && j->p + 1 < j->end && (unsigned char)(j->p[1] - '0') <= 9 && !j->o->leading_zeros)
        return wrong(j, "a number that begins with 0");
    while (is_digit(j))
        j->p++;
    if (j->p < j->end && *j->p == '.') {
        kind = JSON_REAL;
        j->p++;
        if (!is_digit(j))
            return wrong(j, "a number without digits behind the point");
        while (is_digit(j))
            j->p++;
    }
    if (j->p < j->end && (*j->p | 32) == 'e') {
        kind = JSON_REAL;
        j->p++;
        if (j->p < j->end && (*j->p == '-' || *j->p == '+'))
            j->p++;
        if (!is_digit(j))
            return wrong(j, "a number without digits in its exponent");
        while (is_digit(j))
            j->p++;
    }
    if (j->p - start > 1000)
        return wrong(j, "a number of more than 1000 digits");
    struct json_node *n = add(j, kind, start);
    if (!n)
        return false;
    n->bytes = (uint32_t)(j->p - start);
    return true;
}

static bool unquoted_name(struct json_parser *j)
{
    const char *start = j->p;
    while (j->p < j->end && *j->p && ((unsigned char)*j->p >= 0x80 || strchr("_$@#*-+", *j->p) || is_digit(j) ||
                                      (unsigned char)((*j->p | 32) - 'a') < 26))
        j->p++;
    if (j->p == start)
        return wrong(j, "a name is missing");
    struct json_node *n = add(j, JSON_STRING, start);
    if (!n)
        return false;
    n->bytes = (uint32_t)(j->p - start);
    return true;
}

static bool value(struct json_parser *j, unsigned depth);

static bool name(struct json_parser *j)
{
    if (j->p < j->end && *j->p == '"')
        return string(j, '"');
    if (j->p < j->end && *j->p == '\'' && j->o->single_quotes)
        return string(j, '\'');
    if (j->o->unquoted_names)
        return unquoted_name(j);
    return wrong(j, "a name without quotes");
}

static bool close(struct json_parser *j, uint32_t at, const char *start)
{
    j->p++;
    j->nodes[at].bytes = (uint32_t)(j->p - start);
    j->nodes[at].next = j->count;
    return true;
}

static bool object(struct json_parser *j, unsigned depth)
{
    const char *start = j->p++;
    uint32_t at = j->count;
    if (!add(j, JSON_OBJECT, start) || !skip(j))
        return false;
    if (j->p < j->end && *j->p == '}')
        return close(j, at, start);
    for (;;) {
        if (!name(j) || !skip(j))
            return false;
        if (j->p == j->end || *j->p != ':')
            return wrong(j, "a colon is missing");
        j->p++;
        if (!skip(j) || !value(j, depth) || !skip(j))
            return false;
        if (j->p == j->end)
            return wrong(j, "an object without an end");
        if (*j->p == '}')
            return close(j, at, start);
        if (*j->p++ != ',')
            return wrong(j, "a comma is missing");
        if (!skip(j))
            return false;
    }
}

static bool array(struct json_parser *j, unsigned depth)
{
    const char *start = j->p++;
    uint32_t at = j->count;
    if (!add(j, JSON_ARRAY, start) || !skip(j))
        return false;
    if (j->p < j->end && *j->p == ']')
        return close(j, at, start);
    for (;;) {
        if (!skip(j) || !value(j, depth) || !skip(j))
            return false;
        if (j->p == j->end)
            return wrong(j, "an array without an end");
        if (*j->p == ']')
            return close(j, at, start);
        if (*j->p++ != ',')
            return wrong(j, "a comma is missing");
    }
}

static bool value(struct json_parser *j, unsigned depth)
{
    if (j->p == j->end)
        return wrong(j, "a value is missing");
    switch (*j->p) {
    case '{': return depth ? object(j, depth - 1) : wrong(j, "it nests too deep");
    case '[': return depth ? array(j, depth - 1) : wrong(j, "it nests too deep");
    case '"': return string(j, '"');
    case '\'': return j->o->single_quotes ? string(j, '\'') : wrong(j, "a string in single quotes");
    case 't': return word(j, "true", JSON_TRUE);
    case 'f': return word(j, "false", JSON_FALSE);
    case 'n': return word(j, "null", JSON_NULL);
    case 'N':
    case 'I':
    case '+': return non_numeric(j);
    default:
        if (*j->p != '-' && !is_digit(j))
            return wrong(j, "no value begins so");
        return number(j) && (ends_value(j) || wrong(j, "a number ends strangely"));
    }
}

static bool reserve_text(struct json_parser *j, size_t n)
{
    j->text_bytes = 0;
    if (j->text_cap >= n)
        return true;
    size_t cap = n < 4096 ? 4096 : n * 2;
    if (!account_try(j->account, cap - j->text_cap)) {
        j->refused = true;
        return wrong(j, "memory");
    }
    j->reserved += cap - j->text_cap;
    xfree(j->text);
    j->text = xmalloc(cap);
    j->text_cap = cap;
    return true;
}

int json_parse(struct json_parser *j, const char *p, size_t n, enum json_result *ret, size_t *ret_used, struct error *err)
{
    j->count = 0;
    j->p = p;
    j->end = p + n;
    j->wrong = NULL;
    j->refused = false;
    *ret_used = n;
    *ret = JSON_MALFORMED;
    if (skip(j) && j->p == j->end) {
        *ret = JSON_NOTHING;
        return 0;
    }
    if (!j->wrong && reserve_text(j, n) && value(j, JSON_DEPTH_MAX)) {
        size_t used = (size_t)(j->p - p);
        if (bytes_not_ascii(p, used) && utf8_valid(p, used) != used)
            return 0;
        *ret_used = used;
        *ret = JSON_DOCUMENT;
    }
    if (!j->refused)
        return 0;
    size_t more = (size_t)(j->cap + 256) * sizeof *j->nodes + n;
    TRY(account_reserve(j->account, more, err)); /* says who holds the memory */
    account_release(j->account, more);           /* some came free meanwhile */
    return json_parse(j, p, n, ret, ret_used, err);
}
