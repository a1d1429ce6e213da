/* Less common functions of text: distances, sounds, pieces between delimiters, choices from a list. */
#include <ctype.h>
#include <stdio.h>

#include "common/expr/fn_impl.h"

static int text(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_STRING};
    return fn_cast_all(c, types, 1, type_of(TYPE_STRING), err);
}

static int two_texts_to_int(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_STRING, TYPE_STRING, TYPE_INT};
    return fn_cast_all(c, types, 3, type_of(TYPE_INT), err);
}

static int texts_then_int(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_STRING, TYPE_STRING, TYPE_INT};
    return fn_cast_all(c, types, 3, type_of(TYPE_STRING), err);
}

/* ---- levenshtein(a, b, [limit]) ---- */

static uint32_t *code_points(struct arena *ar, const struct strview *v, uint32_t *ret_count)
{
    const char *s = strview_data(v);
    uint32_t *out = arena_alloc(ar, ((size_t)v->bytes + 1) * sizeof *out), n = 0;
    for (uint32_t at = 0, bytes; at < v->bytes; at += bytes)
        out[n++] = utf8_decode(s + at, v->bytes - at, &bytes);
    *ret_count = n;
    return out;
}

static int32_t distance(struct arena *ar, const struct strview *x, const struct strview *y)
{
    uint32_t n, m;
    const uint32_t *a = code_points(ar, x, &n), *b = code_points(ar, y, &m);
    int32_t *row = arena_alloc(ar, ((size_t)m + 1) * sizeof *row);
    for (uint32_t j = 0; j <= m; j++)
        row[j] = (int32_t)j;
    for (uint32_t i = 1; i <= n; i++) {
        int32_t diagonal = row[0];
        row[0] = (int32_t)i;
        for (uint32_t j = 1; j <= m; j++) {
            int32_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[m];
}

static int run_levenshtein(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        o[r] = distance(k->ar, arg_text(&args[0], r), arg_text(&args[1], r));
        if (k->node->arg_count == 3 && o[r] > arg_i64(&args[2], r))
            o[r] = -1;
    }
    return 0;
}

/* ---- soundex ---- */

/* Takes texts alone: Spark casts nothing here. */
static int resolve_soundex(struct fn_call *c, struct error *err)
{
    enum type_id id = c->args[0]->type->id;
    return id == TYPE_STRING || id == TYPE_NULL ? text(c, err) : fn_wrong_arg(c, 0, "STRING", err);
}

static int run_soundex(struct kernel *k, const struct column *args, struct column *out)
{
    /* Codes of A to Z; 0 separates equal codes, 7 (H and W) does not. */
    static const char codes[] = "01230127022455012623017202";
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        if (v->bytes == 0 || (unsigned char)s[0] >= 0x80 || !isalpha((unsigned char)s[0])) {
            o[r] = *v;
            continue;
        }
        char code[4] = {(char)toupper((unsigned char)s[0]), '0', '0', '0'}, last = codes[code[0] - 'A'];
        for (uint32_t i = 1, n = 1; i < v->bytes && n < 4; i++) {
            unsigned char ch = (unsigned char)s[i];
            if (ch >= 0x80 || !isalpha(ch)) {
                last = '0';
                continue;
            }
            char c = codes[toupper(ch) - 'A'];
            if (c == '7')
                continue;
            if (c != '0' && c != last)
                code[n++] = c;
            last = c;
        }
        o[r] = strview_make(code, 4);
    }
    return 0;
}

/* ---- substring_index(text, delimiter, count) ---- */

static struct strview before_nth(struct kernel *k, const char *s, uint32_t n, const char *d, uint32_t m, int64_t count)
{
    const char *at = s;
    while (count-- > 0) {
        const char *hit = text_find(at, (size_t)(s + n - at), d, m);
        if (!hit)
            return kernel_keep(k, s, n);
        if (count == 0)
            return kernel_keep(k, s, (size_t)(hit - s));
        at = hit + 1;
    }
    return (struct strview){0};
}

static struct strview after_nth_last(struct kernel *k, const char *s, uint32_t n, const char *d, uint32_t m, int64_t count)
{
    int64_t at = (int64_t)n - m;
    for (; at >= 0; at--) {
        if (memcmp(s + at, d, m) == 0 && --count == 0)
            return kernel_keep(k, s + at + m, n - (uint32_t)at - m);
    }
    return kernel_keep(k, s, n);
}

static int run_substring_index(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *d = arg_text(&args[1], r);
        int64_t count = arg_i64(&args[2], r);
        const char *s = strview_data(v), *delimiter = strview_data(d);
        if (count == 0 || d->bytes == 0)
            o[r] = (struct strview){0};
        else if (count > 0)
            o[r] = before_nth(k, s, v->bytes, delimiter, d->bytes, count);
        else
            o[r] = after_nth_last(k, s, v->bytes, delimiter, d->bytes, -count);
    }
    return 0;
}

/* find_in_set(text, "a,b,c"): its place in the list from 1; 0 when it is not there or has a comma. */
static int run_find_in_set(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *list = arg_text(&args[1], r);
        const char *s = strview_data(v), *p = strview_data(list), *end = p + list->bytes;
        o[r] = 0;
        for (int32_t at = 1; !memchr(s, ',', v->bytes); at++) {
            const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
            if ((size_t)(stop - p) == v->bytes && memcmp(p, s, v->bytes) == 0) {
                o[r] = at;
                break;
            }
            if (!comma)
                break;
            p = comma + 1;
        }
    }
    return 0;
}

/* ---- overlay(text, replacement, position, [count]) is left, replacement, rest ---- */

static int resolve_overlay(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_STRING, TYPE_STRING, TYPE_INT};
    if (c->arg_count == 3) {
        struct expr **args = ARENA_ARRAY(c->ar, struct expr *, 4);
        memcpy(args, c->args, 3 * sizeof *args);
        args[3] = expr_int(c->ar, -1);
        c->args = args;
        c->arg_count = 4;
    }
    return fn_cast_all(c, types, 3, type_of(TYPE_STRING), err);
}

/* Bytes before character number `count`. */
static uint32_t prefix_bytes(const struct strview *v, int64_t count)
{
    const char *s = strview_data(v);
    uint32_t at = 0;
    while (count-- > 0 && at < v->bytes)
        at += utf8_bytes((unsigned char)s[at]);
    return at < v->bytes ? at : v->bytes;
}

static int run_overlay(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    struct buf b = BUF_INIT;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *with = arg_text(&args[1], r);
        int64_t at = arg_i64(&args[2], r), count = arg_i64(&args[3], r);
        if (count < 0)
            count = utf8_count(strview_data(with), with->bytes);
        uint32_t head = prefix_bytes(v, at - 1), tail = prefix_bytes(v, at - 1 + count);
        buf_reset(&b);
        buf_add(&b, strview_data(v), head);
        buf_add(&b, strview_data(with), with->bytes);
        buf_add(&b, strview_data(v) + tail, v->bytes - tail);
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    return 0;
}

/* ---- elt(n, text, ...) ---- */

static int resolve_elt(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_INT, TYPE_STRING};
    c->nullable = true;
    return fn_cast_all(c, types, 2, type_of(TYPE_STRING), err);
}

static int run_elt(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = kernel_nulls(k, out);
    int64_t count = (int64_t)k->node->arg_count - 1;
    for (KERNEL_EACH(k, r)) {
        nulls[r] = column_is_null(&args[0], r);
        if (nulls[r])
            continue;
        int64_t n = arg_i64(&args[0], r);
        if (n >= 1 && n <= count) {
            nulls[r] = column_is_null(&args[n], r);
            if (!nulls[r])
                o[r] = *arg_text(&args[n], r);
            continue;
        }
        if (k->node->mode == EVAL_ANSI) {
            char index[24], size[24];
            snprintf(index, sizeof index, "%lld", (long long)n);
            snprintf(size, sizeof size, "%lld", (long long)count);
            return kernel_raise(k, ERR_ARRAY_INDEX, "indexValue", index, "arraySize", size, NULL);
        }
        nulls[r] = 1;
    }
    return 0;
}

/* ---- space(n) ---- */

static int resolve_space(struct fn_call *c, struct error *err)
{
    struct expr *args[2] = {expr_string(c->ar, " "), c->args[0]};
    return fn_become(c, "repeat", args, 2, err);
}

/* ---- luhn_check(digits) ---- */

static int resolve_luhn(struct fn_call *c, struct error *err)
{
    TRY(text(c, err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

static int run_luhn(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        unsigned sum = 0;
        bool digits = v->bytes > 0;
        for (uint32_t i = 0; i < v->bytes && digits; i++) {
            unsigned d = (unsigned char)s[v->bytes - 1 - i] - '0';
            digits = d <= 9;
            d = i % 2 ? d * 2 : d;
            sum += d > 9 ? d - 9 : d;
        }
        o[r] = digits && sum % 10 == 0;
    }
    return 0;
}

#define N FN_NULL_ANY
const struct fn_row fn_text_rows[] = {
    {"levenshtein", 2, 3, N, two_texts_to_int, run_levenshtein, "edits from one text to the other; -1 when more than a limit"},
    {"soundex", 1, 1, N, resolve_soundex, run_soundex, "the Soundex code of a text"},
    {"substring_index", 3, 3, N, texts_then_int, run_substring_index, "what is before the n-th delimiter, or after it from the end"},
    {"find_in_set", 2, 2, N, two_texts_to_int, run_find_in_set, "the place of a text in a comma-separated list"},
    {"overlay", 3, 4, N, resolve_overlay, run_overlay, "a text with a part replaced"},
    {"elt", 2, 255, FN_RAISES | FN_OWN_NULLS, resolve_elt, run_elt, "the n-th of the other arguments"},
    {"space", 1, 1, N, resolve_space, NULL, "so many blanks"},
    {"luhn_check", 1, 1, N, resolve_luhn, run_luhn, "whether digits end with their Luhn check digit"},
    {0}};
