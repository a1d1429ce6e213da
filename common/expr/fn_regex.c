/*
 * Regular expressions, by PCRE2 with its JIT. Spark's are Java's: where the two differ in what is written
 * often (POSIX classes as \p{Alpha}, $1 in replacements), the pattern is put in PCRE2's words first.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <ctype.h>
#include <stdlib.h>

#include "common/expr/fn_impl.h"

struct regex {
    char *pattern;
    uint32_t pattern_bytes;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context; /* has stack; NULL until a text needs it */
    pcre2_jit_stack *stack;
    uint32_t groups;
    int failed;                   /* why the last search found out nothing: PCRE2's code, or 0 */
};

enum { STACK_FIRST = 64 << 10, STACK_MAX = 16 << 20 };

static void regex_free(void *data)
{
    struct regex *re = data;
    pcre2_match_data_free(re->match);
    pcre2_match_context_free(re->context);
    pcre2_jit_stack_free(re->stack);
    pcre2_code_free(re->code);
    xfree(re->pattern);
    xfree(re);
}

/* ---- Java's patterns in PCRE2's words ---- */

/* What follows \p or \P in braces, and what stands for it inside of a class. */
static const struct {
    const char *java, *pcre;
} properties[] = {{"Alpha", "[:alpha:]"}, {"Digit", "[:digit:]"}, {"Alnum", "[:alnum:]"}, {"Punct", "[:punct:]"}, {"Upper", "[:upper:]"},
                  {"Lower", "[:lower:]"}, {"Space", "[:space:]"}, {"XDigit", "[:xdigit:]"}, {"Blank", "[:blank:]"},
                  {"Cntrl", "[:cntrl:]"}, {"Graph", "[:graph:]"}, {"Print", "[:print:]"}, {"ASCII", "[:ascii:]"},
                  {"javaUpperCase", "\\p{Lu}"}, {"javaLowerCase", "\\p{Ll}"}, {"javaTitleCase", "\\p{Lt}"},
                  {"javaLetter", "\\p{L}"}, {"javaDigit", "\\p{Nd}"}, {"javaLetterOrDigit", "\\p{L}\\p{Nd}"},
                  {"javaWhitespace", "\\t-\\r\\x{1c}-\\x{20}\\x{1680}\\x{2000}-\\x{2006}\\x{2008}-\\x{200a}\\x{2028}\\x{2029}\\x{205f}\\x{3000}"},
                  {"IsAlphabetic", "\\p{L}\\p{Nl}"}, {"IsLetter", "\\p{L}"}, {"IsDigit", "\\p{Nd}"}, {"IsUppercase", "\\p{Lu}"},
                  {"IsLowercase", "\\p{Ll}"}, {"IsPunctuation", "\\p{P}"}, {"IsWhite_Space", "\\t-\\r\\x{85}\\p{Z}"},
                  {"IsIdeographic", "\\p{Han}"}, {"InBasicLatin", "\\x00-\\x7f"}, {"InLatin1Supplement", "\\x{80}-\\x{ff}"},
                  {"InLatin-1Supplement", "\\x{80}-\\x{ff}"}, {"InGreek", "\\x{370}-\\x{3ff}"}, {"InCyrillic", "\\x{400}-\\x{4ff}"},
                  {"InHebrew", "\\x{590}-\\x{5ff}"}, {"InArabic", "\\x{600}-\\x{6ff}"}, {"InThai", "\\x{e00}-\\x{e7f}"},
                  {"InHiragana", "\\x{3040}-\\x{309f}"}, {"InKatakana", "\\x{30a0}-\\x{30ff}"},
                  {"InCJKUnifiedIdeographs", "\\x{4e00}-\\x{9fff}"}, {"InHangulSyllables", "\\x{ac00}-\\x{d7af}"}};

struct java {
    const char *p, *end;
    bool fold;    /* (?i) without u: only ASCII letters lose their case */
    struct buf *out;
};

static bool is_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return false;
    }
    return true;
}

/* An escape, whose meaning inside of a class is the same but for properties. */
static void add_escape(struct java *j, bool in_class)
{
    size_t left = (size_t)(j->end - j->p);
    char c = left > 1 ? j->p[1] : 0;
    if ((c == 'p' || c == 'P') && left > 3 && j->p[2] == '{') {
        const char *name = j->p + 3, *close = memchr(name, '}', left - 3);
        size_t n = close ? (size_t)(close - name) : 0;
        for (size_t i = 0; close && i < ARRAY_LEN(properties); i++) {
            if (strlen(properties[i].java) != n || memcmp(properties[i].java, name, n) != 0)
                continue;
            const char *text = properties[i].pcre;
            if (!in_class)
                buf_addf(j->out, "[%s%s]", c == 'P' ? "^" : "", text);
            else if (c == 'P' && text[0] == '[')
                buf_addf(j->out, "[:^%s", text + 2);
            else if (c == 'P' && strchr(text, '}') && strchr(text, '}')[1] == 0)
                buf_addf(j->out, "\\P%s", text + 2);
            else
                buf_adds(j->out, text);
            j->p = close + 1;
            return;
        }
        if (n > 2 && strncmp(name, "Is", 2) == 0) { /* scripts and categories */
            buf_addf(j->out, "\\%c{%.*s}", c, (int)n - 2, name + 2);
            j->p = close + 1;
            return;
        }
    }
    if (c == 'u' && left >= 6 && is_hex(j->p + 2, 4)) {
        unsigned v = (unsigned)strtoul((char[]){j->p[2], j->p[3], j->p[4], j->p[5], 0}, NULL, 16);
        j->p += 6;
        if (v >= 0xd800 && v < 0xdc00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u' && is_hex(j->p + 2, 4)) {
            unsigned low = (unsigned)strtoul((char[]){j->p[2], j->p[3], j->p[4], j->p[5], 0}, NULL, 16);
            v = 0x10000 + ((v - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
            j->p += 6;
        }
        buf_addf(j->out, "\\x{%x}", v);
        return;
    }
    if (c == '0' && left > 2 && j->p[2] >= '0' && j->p[2] <= '7') {
        size_t n = 1, most = j->p[2] <= '3' ? 3 : 2;
        while (n < most && n + 2 < left && j->p[2 + n] >= '0' && j->p[2 + n] <= '7')
            n++;
        buf_addf(j->out, "\\o{%.*s}", (int)n, j->p + 2);
        j->p += 2 + n;
        return;
    }
    buf_add(j->out, j->p, left > 1 ? 2 : left);
    j->p += left > 1 ? 2 : left;
}

/*
 * A class, at its bracket. Java's have classes inside, whose union counts, and intersections; PCRE2's do not. What
 * is plain stays a class; what is not becomes alternatives and looks ahead: [ab[^c]] is (?:[ab]|[^c]), [a-z&&[^x]]
 * is (?:(?=[a-z])[^x]), and a negation of either (?:(?!...)(?s:.)).
 */
static void add_class(struct java *j, int depth)
{
    struct buf *whole = j->out, part = BUF_INIT, items = BUF_INIT, all = BUF_INIT;
    bool negate = j->p + 1 < j->end && j->p[1] == '^', plain = true, first = true, met = false;
    j->p += 1 + negate;
    for (;; first = false) {
        bool close = j->p >= j->end || (*j->p == ']' && !first), both = !close && j->end - j->p >= 2 && j->p[0] == '&' && j->p[1] == '&';
        if (close || both) { /* part: the alternatives so far */
            struct buf one = BUF_INIT;
            bool list = part.bytes > 0;
            if (items.bytes)
                buf_addf(&one, "[%.*s]", (int)items.bytes, items.data);
            if (list)
                buf_addf(&one, "%s%.*s", items.bytes ? "|" : "", (int)part.bytes, part.data);
            plain &= !both && !list && !met;
            if (!plain && one.bytes && both)
                buf_addf(&all, "(?=%.*s)", (int)one.bytes, one.data);
            else if (!plain && one.bytes)
                buf_addf(&all, "(?:%.*s)", (int)one.bytes, one.data);
            met |= both;
            buf_fini(&one);
            if (close)
                break;
            buf_reset(&items);
            buf_reset(&part);
            j->p += 2;
            continue;
        }
        if (*j->p == '[' && depth < 50) {
            if (part.bytes)
                buf_addc(&part, '|');
            j->out = &part;
            add_class(j, depth + 1);
            continue;
        }
        j->out = &items;
        if (*j->p == '\\')
            add_escape(j, true);
        else if (*j->p == 0) /* its parts are put together as text */
            buf_adds(&items, "\\x00"), j->p++;
        else if (strchr("[:.=", *j->p) || (*j->p == ']' && first)) /* no POSIX class, whatever it looks like */
            buf_addf(&items, "\\%c", *j->p++);
        else
            buf_addc(&items, *j->p++);
    }
    bool closed = j->p < j->end;
    j->p += closed;
    j->out = whole;
    if (plain)
        buf_addf(whole, negate ? "[^%.*s%s" : "[%.*s%s", (int)items.bytes, items.data ? items.data : "", closed ? "]" : "");
    else
        buf_addf(whole, negate ? "(?:(?!%.*s)(?s:.))" : "(?:%.*s)", (int)all.bytes, all.data ? all.data : "");
    buf_fini(&part);
    buf_fini(&items);
    buf_fini(&all);
}

/* (?iu) and its like: PCRE2 knows no u and no U. */
static void add_flags(struct java *j)
{
    const char *p = j->p + 2;
    bool off = false, i = false, u = false;
    while (p < j->end && *p && strchr("idmsuxU-", *p)) {
        off |= *p == '-';
        i |= *p == 'i' && !off;
        u |= (*p == 'u' || *p == 'U') && !off;
        p++;
    }
    if (p == j->p + 2 || p >= j->end || (*p != ')' && *p != ':')) {
        buf_add(j->out, j->p, 2);
        j->p += 2;
        return;
    }
    j->fold |= i && !u;
    buf_adds(j->out, "(?");
    for (j->p += 2; j->p < p; j->p++) {
        if (!strchr("udU", *j->p))
            buf_addc(j->out, *j->p);
    }
}

static void translate(const char *p, size_t n, struct buf *out)
{
    struct java j = {.p = p, .end = p + n, .out = out};
    while (j.p < j.end) {
        unsigned char c = (unsigned char)*j.p;
        const char *quote = j.end - j.p >= 2 && c == '\\' && j.p[1] == 'Q' ? memmem(j.p, (size_t)(j.end - j.p), "\\E", 2) : NULL;
        if (quote) {
            buf_add(out, j.p, (size_t)(quote + 2 - j.p));
            j.p = quote + 2;
        } else if (c == '\\') {
            add_escape(&j, false);
        } else if (c == '[') {
            add_class(&j, 0);
        } else if (c == '(' && j.end - j.p >= 2 && j.p[1] == '?') {
            add_flags(&j);
        } else if (c >= 0x80 && j.fold) {
            uint32_t bytes = utf8_bytes(c);
            bytes = bytes < (size_t)(j.end - j.p) ? bytes : (uint32_t)(j.end - j.p);
            buf_addf(out, "(?-i:%.*s)", (int)bytes, j.p);
            j.p += bytes;
        } else {
            buf_addc(out, (char)c);
            j.p++;
        }
    }
}

static int regex_compile(struct kernel *k, const struct strview *pattern, struct regex **ret)
{
    struct buf text = BUF_INIT;
    translate(strview_data(pattern), pattern->bytes, &text);
    int code;
    size_t offset;
    uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
    pcre2_code *re = pcre2_compile((const unsigned char *)(text.data ? text.data : ""), text.bytes, flags, &code, &offset, NULL);
    buf_fini(&text);
    if (!re) {
        char message[200];
        struct buf value = BUF_INIT, name = BUF_INIT;
        if (pcre2_get_error_message(code, (unsigned char *)message, sizeof message) < 0)
            message[0] = 0;
        text_quoted(strview_data(pattern), pattern->bytes, &value);
        buf_addf(&name, "`%s`", k->node->fn->name);
        int rc = kernel_raise(k, ERR_REGEX, "parameter", "`regexp`", "functionName", name.data, "value", value.data, "message", message, NULL);
        buf_fini(&value);
        buf_fini(&name);
        return rc;
    }
    struct regex *r = xcalloc(1, sizeof *r);
    r->code = re;
    r->pattern = xstrndup(strview_data(pattern), pattern->bytes);
    r->pattern_bytes = pattern->bytes;
    r->match = pcre2_match_data_create_from_pattern(re, NULL);
    ASSERT(r->match);
    pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); /* without it matching is slower, not wrong */
    pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &r->groups);
    *ret = r;
    return 0;
}

static int regex_get(struct kernel *k, const struct column *col, uint32_t row, struct regex **ret)
{
    const struct strview *p = arg_text(col, row);
    struct regex *re = k->cache->data;
    if (!re || re->pattern_bytes != p->bytes || memcmp(re->pattern, strview_data(p), p->bytes) != 0) {
        TRY(regex_compile(k, p, &re));
        kernel_cache_set(k, re, regex_free);
    }
    *ret = re;
    return 0;
}

/*
 * Whether there is a match from byte `from` on; its offsets are in pcre2_get_ovector_pointer(re->match). A search
 * that met a limit sets failed, which is looked at once a row: it says neither yes nor no.
 */
static bool search(struct regex *re, const char *s, size_t n, size_t from)
{
    int rc = pcre2_match(re->code, (const unsigned char *)s, n, from, 0, re->match, re->context);
    if (UNLIKELY(rc == PCRE2_ERROR_JIT_STACKLIMIT && !re->context)) {
        re->context = pcre2_match_context_create(NULL);
        re->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
        ASSERT(re->context && re->stack);
        pcre2_jit_stack_assign(re->context, NULL, re->stack);
        rc = pcre2_match(re->code, (const unsigned char *)s, n, from, 0, re->match, re->context);
    }
    re->failed = rc < 0 && rc != PCRE2_ERROR_NOMATCH ? rc : 0;
    return rc >= 0;
}

static int gave_up(struct kernel *k, const struct regex *re, const struct strview *text)
{
    char message[200] = "";
    struct buf name = BUF_INIT, bytes = BUF_INIT;
    pcre2_get_error_message(re->failed, (unsigned char *)message, sizeof message);
    buf_addf(&name, "`%s`", k->node->fn->name);
    buf_addf(&bytes, "%u", text->bytes);
    int rc = kernel_raise(k, ERR_REGEX_LIMIT, "functionName", name.data, "bytes", bytes.data, "pattern", re->pattern, "message", message, NULL);
    buf_fini(&name);
    buf_fini(&bytes);
    return rc;
}

/* The next match after one at [start, stop): an empty match moves on by a character. */
static bool search_next(struct regex *re, const char *s, size_t n, size_t start, size_t stop)
{
    if (stop > start)
        return search(re, s, n, stop);
    if (stop >= n)
        return false;
    uint32_t step = utf8_bytes((unsigned char)s[stop]);
    return search(re, s, n, stop + step > n ? n : stop + step);
}

/* ---- rlike, regexp_count, regexp_instr ---- */

static int resolve_rlike(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(i == 2 ? TYPE_INT : TYPE_STRING), err));
    c->type = type_of(strstr(c->row->name, "like") || strcmp(c->row->name, "regexp") == 0 ? TYPE_BOOLEAN : TYPE_INT);
    return 0;
}

static int run_rlike(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    struct regex *re = NULL;
    KERNEL_EACH_VALUE(k, r) {
        if (!re || args[1].kind != COL_CONST)
            TRY(regex_get(k, &args[1], r, &re));
        const struct strview *v = arg_text(&args[0], r);
        o[r] = search(re, strview_data(v), v->bytes, 0);
        if (UNLIKELY(re->failed))
            return gave_up(k, re, v);
    }
    return 0;
}

static int run_count(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    bool instr = strcmp(k->node->fn->name, "regexp_instr") == 0;
    struct regex *re = NULL;
    KERNEL_EACH_VALUE(k, r) {
        if (!re || args[1].kind != COL_CONST)
            TRY(regex_get(k, &args[1], r, &re));
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        const size_t *at = pcre2_get_ovector_pointer(re->match);
        int32_t count = 0;
        bool more = search(re, s, v->bytes, 0);
        if (instr)
            count = more ? (int32_t)utf8_count(s, at[0]) + 1 : 0;
        for (; more && !instr; more = search_next(re, s, v->bytes, at[0], at[1]))
            count++;
        if (UNLIKELY(re->failed))
            return gave_up(k, re, v);
        o[r] = count;
    }
    return 0;
}

/* ---- regexp_extract, regexp_substr ---- */

static int resolve_extract(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    TRY(fn_cast_text(c, 1, err));
    if (c->arg_count == 3)
        TRY(fn_cast_arg(c, 2, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_STRING);
    c->nullable |= strcmp(c->row->name, "regexp_substr") == 0;
    return 0;
}

static int bad_group(struct kernel *k, uint32_t groups, int64_t group)
{
    struct buf count = BUF_INIT, index = BUF_INIT, name = BUF_INIT;
    buf_addf(&count, "%u", groups);
    buf_addf(&index, "%lld", (long long)group);
    buf_addf(&name, "`%s`", k->node->fn->name);
    int rc = kernel_raise(k, ERR_REGEX_GROUP, "parameter", "`idx`", "functionName", name.data, "groupCount", count.data,
                          "groupIndex", index.data, NULL);
    buf_fini(&count);
    buf_fini(&index);
    buf_fini(&name);
    return rc;
}

/* A piece of a view: short ones are copied inside, long ones point where the whole points. */
static struct strview part_of(const struct strview *v, size_t from, size_t to)
{
    return strview_make(strview_data(v) + from, (uint32_t)(to - from));
}

static int run_extract(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    bool substr = strcmp(k->node->fn->name, "regexp_substr") == 0;
    uint8_t *nulls = NULL;
    struct regex *re = NULL;
    KERNEL_EACH_VALUE(k, r) {
        if (!re || args[1].kind != COL_CONST)
            TRY(regex_get(k, &args[1], r, &re));
        int64_t group = substr ? 0 : k->node->arg_count == 3 ? arg_i64(&args[2], r) : 1;
        const struct strview *v = arg_text(&args[0], r);
        if (!search(re, strview_data(v), v->bytes, 0)) {
            if (UNLIKELY(re->failed))
                return gave_up(k, re, v);
            o[r] = strview_make("", 0);
            if (substr)
                kernel_set_null(k, out, &nulls, r);
            continue;
        }
        if (group < 0 || group > re->groups)
            return bad_group(k, re->groups, group);
        const size_t *at = pcre2_get_ovector_pointer(re->match);
        bool set = at[2 * group] != PCRE2_UNSET;
        o[r] = set ? part_of(v, at[2 * group], at[2 * group + 1]) : strview_make("", 0);
    }
    return 0;
}

/* ---- regexp_replace ---- */

static int resolve_replace(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < 3; i++)
        TRY(fn_cast_text(c, i, err));
    c->type = type_of(TYPE_STRING);
    if (c->arg_count == 3)
        return 0;
    TRY(fn_cast_arg(c, 3, type_of(TYPE_INT), err));
    struct value v;
    TRY(fn_constant_arg(c, 3, "position", &v, err));
    return v.null || v.i > 0 ? 0 : fn_out_of_range(c, "position", v.i, "(0, 2147483647]", err);
}

/* Appends the replacement for the current match: $1, ${name} and backslashes as in Java. */
static bool add_replacement(struct regex *re, const char *s, const char *with, uint32_t n, struct buf *out)
{
    const size_t *at = pcre2_get_ovector_pointer(re->match);
    for (uint32_t i = 0; i < n; i++) {
        if (with[i] == '\\') {
            if (++i >= n)
                return false;
            buf_addc(out, with[i]);
            continue;
        }
        if (with[i] != '$') {
            buf_addc(out, with[i]);
            continue;
        }
        uint32_t group = 0;
        if (i + 1 < n && with[i + 1] == '{') {
            char name[64];
            const char *close = memchr(with + i, '}', n - i);
            size_t len = close ? (size_t)(close - with - i - 2) : 64;
            if (len >= sizeof name)
                return false;
            memcpy(name, with + i + 2, len);
            name[len] = 0;
            int number = pcre2_substring_number_from_name(re->code, (const unsigned char *)name);
            if (number < 0)
                return false;
            group = (uint32_t)number;
            i = (uint32_t)(close - with);
        } else if (i + 1 < n && with[i + 1] >= '0' && with[i + 1] <= '9') {
            group = (uint32_t)(with[++i] - '0');
            if (group > re->groups)
                return false;
            while (i + 1 < n && with[i + 1] >= '0' && with[i + 1] <= '9' && group * 10 + (uint32_t)(with[i + 1] - '0') <= re->groups)
                group = group * 10 + (uint32_t)(with[++i] - '0');
        } else {
            return false;
        }
        if (at[2 * group] != PCRE2_UNSET)
            buf_add(out, s + at[2 * group], at[2 * group + 1] - at[2 * group]);
    }
    return true;
}

static int bad_replacement(struct kernel *k, const struct column *args, uint32_t r, int64_t position)
{
    const struct strview *v[3] = {arg_text(&args[0], r), arg_text(&args[1], r), arg_text(&args[2], r)};
    struct buf b[4] = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
    for (int i = 0; i < 3; i++)
        buf_addf(&b[i], "%.*s", (int)v[i]->bytes, strview_data(v[i]));
    buf_addf(&b[3], "%lld", (long long)position);
    int rc = kernel_raise(k, ERR_REGEX_REPLACE, "source", b[0].data, "pattern", b[1].data, "replacement", b[2].data, "position",
                          b[3].data, NULL);
    for (int i = 0; i < 4; i++)
        buf_fini(&b[i]);
    return rc;
}

static int run_replace(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    struct regex *re = NULL;
    struct buf b = BUF_INIT;
    int rc = 0;
    KERNEL_EACH_VALUE(k, r) {
        if ((!re || args[1].kind != COL_CONST) && (rc = regex_get(k, &args[1], r, &re)) != 0)
            goto out;
        const struct strview *v = arg_text(&args[0], r), *with = arg_text(&args[2], r);
        int64_t position = k->node->arg_count == 4 ? arg_i64(&args[3], r) : 1;
        const char *s = strview_data(v);
        size_t from = 0, n = v->bytes;
        for (int64_t i = 1; i < position && from < n; i++)
            from += utf8_bytes((unsigned char)s[from]);
        if (!search(re, s, n, from)) {
            if (UNLIKELY(re->failed)) {
                rc = gave_up(k, re, v);
                goto out;
            }
            o[r] = *v;
            continue;
        }
        const size_t *at = pcre2_get_ovector_pointer(re->match);
        size_t done = 0;
        buf_reset(&b);
        do {
            buf_add(&b, s + done, at[0] - done);
            if (!add_replacement(re, s, strview_data(with), with->bytes, &b)) {
                rc = bad_replacement(k, args, r, position);
                goto out;
            }
            done = at[1];
            if ((rc = kernel_ask(k, b.bytes)) != 0)
                goto out;
        } while (search_next(re, s, n, at[0], at[1]));
        if (UNLIKELY(re->failed)) {
            rc = gave_up(k, re, v);
            goto out;
        }
        buf_add(&b, s + done, n - done);
        if ((rc = kernel_ask(k, b.bytes)) != 0)
            goto out;
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
out:
    buf_fini(&b);
    return rc;
}

const struct fn_row fn_regex_rows[] = {
    {"rlike", 2, 2, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_rlike, run_rlike, "whether the regular expression matches somewhere in the text"},
    {"regexp", 2, 2, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_rlike, run_rlike, "whether the regular expression matches somewhere in the text"},
    {"regexp_like", 2, 2, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_rlike, run_rlike, "whether the regular expression matches somewhere in the text"},
    {"regexp_count", 2, 2, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_rlike, run_count, "how often the regular expression matches"},
    {"regexp_instr", 2, 3, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_rlike, run_count, "position of the first match, 0 when there is none"},
    {"regexp_extract", 2, 3, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_extract, run_extract, "a group (1 unless given) of the first match"},
    {"regexp_substr", 2, 2, FN_NULL_ANY | FN_RAISES_PATTERN | FN_OWN_NULLS, resolve_extract, run_extract, "the first match, null when there is none"},
    {"regexp_replace", 3, 4, FN_NULL_ANY | FN_RAISES_PATTERN, resolve_replace, run_replace, "every match replaced"},
    {0}};
