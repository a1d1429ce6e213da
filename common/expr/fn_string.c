/* String functions. Positions and lengths count characters; ASCII goes the short way. */
#include <ctype.h>

#include "common/expr/fn_impl.h"

#include <locale.h>
#include <wctype.h>

/* Byte offset of character number at, n when past the end. */
static uint32_t char_offset(const char *p, uint32_t n, int64_t at)
{
    uint32_t i = 0;
    for (; at > 0 && i < n; at--)
        i += utf8_bytes((unsigned char)p[i]);
    return i < n ? i : n;
}

/* ---- shared ---- */

/* All arguments strings (binary stays for the functions that take it). */
static int strings(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_STRING), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int strings_to_bool(struct fn_call *c, struct error *err)
{
    TRY(strings(c, err));
    c->type = type_of(TYPE_BOOLEAN);
    return 0;
}

static int strings_to_int(struct fn_call *c, struct error *err)
{
    TRY(strings(c, err));
    c->type = type_of(TYPE_INT);
    return 0;
}

/* length functions: binary counts bytes. */
static int text_or_binary_to_int(struct fn_call *c, struct error *err)
{
    if (c->args[0]->type->id != TYPE_BINARY)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_STRING), err));
    c->type = type_of(TYPE_INT);
    return 0;
}

/* First argument text (or binary, kept), the others int. */
static int text_then_ints(struct fn_call *c, struct error *err)
{
    if (c->args[0]->type->id != TYPE_BINARY)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_STRING), err));
    for (uint32_t i = 1; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_INT), err));
    c->type = c->args[0]->type;
    return 0;
}

static int text_then_int(struct fn_call *c, struct error *err)
{
    static const enum type_id types[] = {TYPE_STRING, TYPE_INT};
    return fn_cast_all(c, types, 2, type_of(TYPE_STRING), err);
}

/* ---- pieces ---- */

/* substring(text, pos, [count]): positions from 1, negative from the end, 0 as 1. */
static struct strview substring(struct kernel *k, const struct strview *v, int64_t pos, int64_t count, bool binary)
{
    (void)k;
    const char *s = strview_data(v);
    bool narrow = binary || utf8_is_ascii(s, v->bytes);
    int64_t n = narrow ? v->bytes : utf8_count(s, v->bytes);
    int64_t start = pos > 0 ? pos - 1 : pos < 0 ? n + pos : 0;
    int64_t stop = count > n - start ? n : start + count;
    start = start < 0 ? 0 : start > n ? n : start;
    stop = stop < start ? start : stop > n ? n : stop;
    if (narrow)
        return strview_make(s + start, (uint32_t)(stop - start));
    uint32_t from = char_offset(s, v->bytes, start), to = char_offset(s, v->bytes, stop);
    return strview_make(s + from, to - from);
}

static int run_substring(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    const char *name = k->node->fn->name;
    bool binary = args[0].type->id == TYPE_BINARY;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        if (v->bytes <= STRVIEW_INLINE) { /* strview_data of a view that moves: copy out of the column first */
            v = arena_dup(k->ar, v, sizeof *v);
        }
        int64_t a = arg_i64(&args[1], r);
        if (name[0] == 'l')
            o[r] = substring(k, v, 1, a < 0 ? 0 : a, binary);
        else if (name[0] == 'r')
            o[r] = a <= 0 ? strview_make("", 0) : substring(k, v, -a, a, binary);
        else
            o[r] = substring(k, v, a, k->node->arg_count == 3 ? arg_i64(&args[2], r) : INT32_MAX, binary);
        if (name[0] == 'r' && a > v->bytes)
            o[r] = *v;
    }
    return 0;
}

static int resolve_concat(struct fn_call *c, struct error *err)
{
    bool all_binary = c->arg_count > 0;
    for (uint32_t i = 0; i < c->arg_count; i++)
        all_binary &= c->args[i]->type->id == TYPE_BINARY;
    c->type = type_of(all_binary ? TYPE_BINARY : TYPE_STRING);
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, c->type, err));
    return 0;
}

static int run_concat(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        size_t total = 0;
        for (uint32_t i = 0; i < k->node->arg_count; i++)
            total += arg_text(&args[i], r)->bytes;
        TRY(kernel_ask(k, total));
        char *p = arena_alloc(k->ar, total + 1), *at = p;
        for (uint32_t i = 0; i < k->node->arg_count; i++) {
            const struct strview *v = arg_text(&args[i], r);
            memcpy(at, strview_data(v), v->bytes);
            at += v->bytes;
        }
        o[r] = strview_make(p, (uint32_t)total);
    }
    return 0;
}

/* concat_ws(separator, ...): null arguments are left out. */
static int run_concat_ws(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = args[0].nulls ? kernel_nulls(k, out) : NULL;
    struct buf b = BUF_INIT;
    int rc = 0;
    for (KERNEL_EACH(k, r)) {
        if (column_is_null(&args[0], r)) {
            nulls[r] = 1;
            continue;
        }
        const struct strview *sep = arg_text(&args[0], r);
        buf_reset(&b);
        bool any = false;
        for (uint32_t i = 1; i < k->node->arg_count; i++) {
            if (column_is_null(&args[i], r))
                continue;
            if (any)
                buf_add(&b, strview_data(sep), sep->bytes);
            any = true;
            buf_add(&b, strview_data(arg_text(&args[i], r)), arg_text(&args[i], r)->bytes);
        }
        if ((rc = kernel_ask(k, b.bytes)) != 0)
            break;
        o[r] = kernel_keep(k, b.data ? b.data : "", b.bytes);
    }
    buf_fini(&b);
    return rc;
}

/* ---- lengths and searches ---- */

static int run_length(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    char kind = k->node->fn->name[0]; /* length, char_length, character_length, octet_length, bit_length */
    bool bytes = kind == 'o' || kind == 'b' || args[0].type->id == TYPE_BINARY;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        o[r] = (int32_t)(bytes ? v->bytes : utf8_count(strview_data(v), v->bytes));
        if (kind == 'b')
            o[r] *= 8;
    }
    return 0;
}

/* Character position of needle in hay from character from on: 1-based, 0 when absent. */
static int32_t find(const struct strview *hay, const struct strview *needle, int64_t from)
{
    const char *s = strview_data(hay);
    if (from < 1)
        return 0;
    uint32_t start = char_offset(s, hay->bytes, from - 1);
    if (from - 1 > utf8_count(s, hay->bytes))
        return 0;
    if (needle->bytes == 0)
        return 1;
    const char *hit = text_find(s + start, hay->bytes - start, strview_data(needle), needle->bytes);
    return hit ? (int32_t)utf8_count(s, (uint32_t)(hit - s)) + 1 : 0;
}

static int resolve_locate(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_STRING), err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_STRING), err));
    if (c->arg_count == 3)
        TRY(fn_cast_arg(c, 2, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_INT);
    return 0;
}

/* instr(text, part); locate(part, text, [from]) and position likewise, which say 0 to a null from. */
static int run_find(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    bool instr = k->node->fn->name[0] == 'i';
    uint8_t *nulls = args[0].nulls || args[1].nulls ? kernel_nulls(k, out) : NULL;
    for (KERNEL_EACH(k, r)) {
        o[r] = 0;
        if (k->node->arg_count == 3 && column_is_null(&args[2], r))
            continue;
        if (column_is_null(&args[0], r) || column_is_null(&args[1], r)) {
            nulls[r] = 1;
            continue;
        }
        const struct strview *hay = arg_text(&args[instr ? 0 : 1], r), *needle = arg_text(&args[instr ? 1 : 0], r);
        o[r] = find(hay, needle, k->node->arg_count == 3 ? arg_i64(&args[2], r) : 1);
    }
    return 0;
}

static int run_affix(struct kernel *k, const struct column *args, struct column *out)
{
    uint8_t *o = kernel_out(k, out);
    char kind = k->node->fn->name[0]; /* startswith, endswith, contains */
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *a = arg_text(&args[0], r), *b = arg_text(&args[1], r);
        const char *s = strview_data(a), *t = strview_data(b);
        if (kind == 'c')
            o[r] = b->bytes == 0 || text_find(s, a->bytes, t, b->bytes) != NULL;
        else
            o[r] = a->bytes >= b->bytes && memcmp(kind == 's' ? s : s + a->bytes - b->bytes, t, b->bytes) == 0;
    }
    return 0;
}

/* ---- case, trimming, padding ---- */

/* Characters whose other case is not one character, or has a form of its own at the start of a word. */
static const struct {
    uint32_t from;
    const char *upper, *title;
} odd_cases[] = {{0xDF, "SS", "Ss"},     {0x149, "\u02BCN", "\u02BCN"}, {0x1F0, "J\u030C", "J\u030C"}, {0x1C4, NULL, "\u01C5"},
                 {0x1C5, NULL, "\u01C5"}, {0x1C6, NULL, "\u01C5"},      {0x1C7, NULL, "\u01C8"},       {0x1C8, NULL, "\u01C8"},
                 {0x1C9, NULL, "\u01C8"}, {0x1CA, NULL, "\u01CB"},      {0x1CB, NULL, "\u01CB"},       {0x1CC, NULL, "\u01CB"},
                 {0x1F1, NULL, "\u01F2"}, {0x1F2, NULL, "\u01F2"},      {0x1F3, NULL, "\u01F2"},       {0x390, "\u0399\u0308\u0301", NULL},
                 {0x3B0, "\u03A5\u0308\u0301", NULL}, {0x587, "\u0535\u0552", "\u0535\u0582"}, {0xFB00, "FF", "Ff"}, {0xFB01, "FI", "Fi"},
                 {0xFB02, "FL", "Fl"},    {0xFB03, "FFI", "Ffi"},       {0xFB04, "FFL", "Ffl"},        {0xFB05, "ST", "St"},
                 {0xFB06, "ST", "St"}};

/* Unicode's simple case mappings come with the C library. */
static locale_t unicode;

__attribute__((constructor)) static void open_unicode(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

enum letter_case { CASE_LOWER, CASE_UPPER, CASE_TITLE };

static void put_case(struct buf *out, uint32_t ch, enum letter_case to)
{
    if (to != CASE_LOWER) {
        for (size_t i = 0; i < ARRAY_LEN(odd_cases); i++) {
            const char *text = to == CASE_UPPER ? odd_cases[i].upper : odd_cases[i].title;
            if (odd_cases[i].from == ch && text) {
                buf_adds(out, text);
                return;
            }
        }
    } else if (ch == 0x130) { /* a dotted capital I */
        buf_adds(out, "i\u0307");
        return;
    }
    wint_t w = !unicode ? ch : to == CASE_LOWER ? towlower_l((wint_t)ch, unicode) : towupper_l((wint_t)ch, unicode);
    char text[4];
    buf_add(out, text, utf8_encode((uint32_t)w, text));
}

static bool is_letter(const char *p, const char *end)
{
    uint32_t bytes;
    return p < end && (unicode ? iswalpha_l((wint_t)utf8_decode(p, (size_t)(end - p), &bytes), unicode) : isalpha((unsigned char)*p)) != 0;
}

static void change_case(const char *s, uint32_t n, char kind, struct buf *out)
{
    const char *end = s + n;
    bool start = true, letter_before = false;
    for (const char *p = s; p < end;) {
        uint32_t bytes, ch = utf8_decode(p, (size_t)(end - p), &bytes);
        enum letter_case to = kind == 'u' ? CASE_UPPER : kind == 'i' && start ? CASE_TITLE : CASE_LOWER;
        if (to == CASE_LOWER && ch == 0x3A3 && letter_before && !is_letter(p + bytes, end))
            buf_adds(out, "\u03C2"); /* a sigma that ends its word */
        else
            put_case(out, ch, to);
        letter_before = is_letter(p, end);
        start = ch == ' ';
        p += bytes;
    }
}

static int run_case(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    char kind = k->node->fn->name[0]; /* upper, ucase, lower, lcase, initcap */
    struct buf wide = BUF_INIT;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        if (!utf8_is_ascii(s, v->bytes)) {
            buf_reset(&wide);
            change_case(s, v->bytes, kind, &wide);
            o[r] = kernel_keep(k, wide.data, wide.bytes);
            continue;
        }
        char *p = arena_alloc(k->ar, v->bytes + 1);
        bool word = true;
        for (uint32_t i = 0; i < v->bytes; i++) {
            unsigned char ch = (unsigned char)s[i];
            bool up = kind == 'u' || (kind == 'i' && word);
            p[i] = (char)(up ? toupper(ch) : tolower(ch));
            word = ch == ' ';
        }
        o[r] = strview_make(p, v->bytes);
    }
    buf_fini(&wide);
    return 0;
}

static bool in_set(const char *set, uint32_t n, const char *ch, uint32_t bytes)
{
    for (uint32_t i = 0; i < n; i += utf8_bytes((unsigned char)set[i])) {
        if (utf8_bytes((unsigned char)set[i]) == bytes && i + bytes <= n && memcmp(set + i, ch, bytes) == 0)
            return true;
    }
    return false;
}

/* trim, ltrim, rtrim, btrim (text, [set]). */
static int run_trim(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    char kind = k->node->fn->name[0];
    static const struct strview blank = {.bytes = 1, .inl = " "};
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *set = k->node->arg_count == 2 ? arg_text(&args[1], r) : &blank;
        const char *s = strview_data(v), *t = strview_data(set);
        uint32_t from = 0, to = v->bytes;
        while (kind != 'r' && from < to) {
            uint32_t n = utf8_bytes((unsigned char)s[from]);
            if (from + n > to || !in_set(t, set->bytes, s + from, n))
                break;
            from += n;
        }
        while (kind != 'l' && from < to) {
            uint32_t at = to - 1;
            while (at > from && ((unsigned char)s[at] & 0xc0) == 0x80)
                at--;
            if (!in_set(t, set->bytes, s + at, to - at))
                break;
            to = at;
        }
        o[r] = kernel_keep(k, s + from, to - from);
    }
    return 0;
}

static int resolve_pad(struct fn_call *c, struct error *err)
{
    if (c->arg_count == 2) { /* a blank, or a zero byte, which shows in the column's name */
        struct value zero = {.type = type_of(TYPE_BINARY), .s = {.ptr = "", .bytes = 1}};
        struct expr **args = ARENA_ARRAY(c->ar, struct expr *, 3);
        memcpy(args, c->args, 2 * sizeof *args);
        args[2] = c->args[0]->type->id == TYPE_BINARY ? expr_literal(c->ar, zero) : expr_string(c->ar, " ");
        c->args = args;
        c->arg_count = 3;
    }
    bool binary = c->args[0]->type->id == TYPE_BINARY && c->args[2]->type->id == TYPE_BINARY;
    c->type = type_of(binary ? TYPE_BINARY : TYPE_STRING);
    TRY(fn_cast_arg(c, 0, c->type, err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    return fn_cast_arg(c, 2, c->type, err);
}

/* Bytes of the character at p, which is one byte of a binary. */
static uint32_t step(const char *p, bool binary)
{
    return binary ? 1 : utf8_bytes((unsigned char)*p);
}

/* In pieces that double: bytes * times were asked for. */
static void add_times(struct buf *b, const char *p, size_t bytes, int64_t times)
{
    if (times <= 0 || bytes == 0)
        return;
    size_t total = bytes * (size_t)times, first = b->bytes;
    buf_reserve(b, total + 1);
    buf_add(b, p, bytes);
    for (size_t have; (have = b->bytes - first) < total;)
        buf_add(b, b->data + first, have < total - have ? have : total - have);
}

static int run_pad(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    bool left = k->node->fn->name[0] == 'l', binary = args[0].type->id == TYPE_BINARY;
    struct buf b = BUF_INIT;
    int rc = 0;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *pad = arg_text(&args[2], r);
        const char *s = strview_data(v), *t = strview_data(pad);
        int64_t want = arg_i64(&args[1], r), have = binary ? v->bytes : utf8_count(s, v->bytes);
        buf_reset(&b);
        if (want <= have || pad->bytes == 0) {
            int64_t cut = want < 0 ? 0 : want;
            uint32_t n = want > have ? v->bytes : binary ? (uint32_t)cut : char_offset(s, v->bytes, cut);
            o[r] = kernel_keep(k, s, n);
            continue;
        }
        int64_t of_pad = binary ? pad->bytes : utf8_count(t, pad->bytes), more = want - have;
        int64_t times = of_pad ? more / of_pad : 0, over = of_pad ? more % of_pad : 0;
        uint32_t rest = binary ? (uint32_t)over : char_offset(t, pad->bytes, over);
        if ((rc = kernel_ask(k, v->bytes + (uint64_t)times * pad->bytes + rest)) != 0)
            break;
        if (!left)
            buf_add(&b, s, v->bytes);
        add_times(&b, t, pad->bytes, times);
        buf_add(&b, t, rest);
        if (left)
            buf_add(&b, s, v->bytes);
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    return rc;
}

/* ---- replacing, repeating, splitting ---- */

static int run_replace(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    struct buf b = BUF_INIT;
    static const struct strview nothing;
    int rc = 0;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *what = arg_text(&args[1], r),
                             *with = k->node->arg_count == 3 ? arg_text(&args[2], r) : &nothing;
        const char *s = strview_data(v), *end = s + v->bytes, *hit;
        buf_reset(&b);
        while (rc == 0 && what->bytes && (hit = text_find(s, (size_t)(end - s), strview_data(what), what->bytes)) != NULL) {
            buf_add(&b, s, (size_t)(hit - s));
            buf_add(&b, strview_data(with), with->bytes);
            s = hit + what->bytes;
            rc = kernel_ask(k, b.bytes);
        }
        buf_add(&b, s, (size_t)(end - s));
        if (rc != 0 || (rc = kernel_ask(k, b.bytes)) != 0)
            break;
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    return rc;
}

static int run_translate(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    struct buf b = BUF_INIT;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *from = arg_text(&args[1], r), *to = arg_text(&args[2], r);
        const char *s = strview_data(v), *f = strview_data(from), *t = strview_data(to);
        buf_reset(&b);
        for (uint32_t i = 0, n; i < v->bytes; i += n) {
            n = utf8_bytes((unsigned char)s[i]);
            int64_t at = 0, found = -1;
            for (uint32_t j = 0; j < from->bytes && found < 0; j += utf8_bytes((unsigned char)f[j]), at++) {
                if (utf8_bytes((unsigned char)f[j]) == n && memcmp(f + j, s + i, n) == 0)
                    found = at;
            }
            if (found < 0) {
                buf_add(&b, s + i, n);
            } else {
                uint32_t j = char_offset(t, to->bytes, found);
                if (j < to->bytes)
                    buf_add(&b, t + j, utf8_bytes((unsigned char)t[j]));
            }
        }
        o[r] = kernel_keep(k, b.data ? b.data : "", (uint32_t)b.bytes);
    }
    buf_fini(&b);
    return 0;
}

static int run_reverse(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        char *p = arena_alloc(k->ar, v->bytes + 1);
        for (uint32_t i = 0, n; i < v->bytes; i += n) {
            n = step(s + i, args[0].type->id == TYPE_BINARY);
            if (i + n > v->bytes)
                n = v->bytes - i;
            memcpy(p + v->bytes - i - n, s + i, n);
        }
        o[r] = strview_make(p, v->bytes);
    }
    return 0;
}

static int run_repeat(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    struct buf b = BUF_INIT;
    int rc = 0;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        int64_t n = arg_i64(&args[1], r);
        if ((rc = kernel_ask(k, n > 0 ? (uint64_t)n * v->bytes : 0)) != 0)
            break;
        buf_reset(&b);
        add_times(&b, strview_data(v), v->bytes, n);
        o[r] = kernel_keep(k, b.data ? b.data : "", (uint32_t)b.bytes);
    }
    buf_fini(&b);
    return rc;
}

static int resolve_split_part(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_STRING), err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_STRING), err));
    TRY(fn_cast_arg(c, 2, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_split_part(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r), *d = arg_text(&args[1], r);
        int64_t want = arg_i64(&args[2], r), parts = 1;
        if (want == 0)
            return error_set(k->err, ERR_INDEX_ZERO, NULL);
        const char *s = strview_data(v), *end = s + v->bytes, *hit;
        for (const char *at = s; d->bytes && (hit = text_find(at, (size_t)(end - at), strview_data(d), d->bytes)) != NULL;
             at = hit + d->bytes)
            parts++;
        if (want < 0)
            want += parts + 1;
        if (want < 1 || want > parts) {
            o[r] = strview_make("", 0);
            continue;
        }
        while (--want > 0)
            s = (const char *)text_find(s, (size_t)(end - s), strview_data(d), d->bytes) + d->bytes;
        hit = d->bytes ? text_find(s, (size_t)(end - s), strview_data(d), d->bytes) : NULL;
        o[r] = kernel_keep(k, s, (uint32_t)((hit ? hit : end) - s));
    }
    return 0;
}

static int run_ascii(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const unsigned char *s = (const unsigned char *)strview_data(v);
        uint32_t n = v->bytes ? utf8_bytes(s[0]) : 0;
        int32_t cp = n == 0 ? 0 : n == 1 ? s[0] : n == 2 ? s[0] & 0x1f : n == 3 ? s[0] & 0x0f : s[0] & 0x07;
        for (uint32_t i = 1; i < n && i < v->bytes; i++)
            cp = cp << 6 | (s[i] & 0x3f);
        o[r] = cp;
    }
    return 0;
}

static int resolve_chr(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_chr(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        int64_t v = arg_i64(&args[0], r);
        char text[4];
        o[r] = strview_make(text, v < 0 ? 0 : utf8_encode((uint32_t)(v & 0xff), text));
    }
    return 0;
}

#define TEXT FN_NULL_ANY
const struct fn_row fn_string_rows[] = {
    {"substring", 2, 3, TEXT, text_then_ints, run_substring, "part of a text from a position on"},
    {"substr", 2, 3, TEXT, text_then_ints, run_substring, "part of a text from a position on"},
    {"left", 2, 2, TEXT, text_then_ints, run_substring, "the first characters"},
    {"right", 2, 2, TEXT, text_then_int, run_substring, "the last characters"},
    {"concat", 0, 255, TEXT, resolve_concat, run_concat, "the arguments one after the other"},
    {"||", 2, 255, TEXT, resolve_concat, run_concat, "the arguments one after the other"},
    {"concat_ws", 1, 255, FN_OWN_NULLS, strings, run_concat_ws, "the arguments with a separator between, nulls left out"},
    {"length", 1, 1, TEXT, text_or_binary_to_int, run_length, "characters of a text, bytes of a binary"},
    {"len", 1, 1, TEXT, text_or_binary_to_int, run_length, "characters of a text, bytes of a binary"},
    {"char_length", 1, 1, TEXT, text_or_binary_to_int, run_length, "characters of a text"},
    {"character_length", 1, 1, TEXT, text_or_binary_to_int, run_length, "characters of a text"},
    {"octet_length", 1, 1, TEXT, text_or_binary_to_int, run_length, "bytes of a text"},
    {"bit_length", 1, 1, TEXT, text_or_binary_to_int, run_length, "bits of a text"},
    {"instr", 2, 2, FN_OWN_NULLS, strings_to_int, run_find, "position of the second text in the first, 0 when absent"},
    {"locate", 2, 3, FN_OWN_NULLS, resolve_locate, run_find, "position of the first text in the second, 0 when absent"},
    {"position", 2, 3, FN_OWN_NULLS, resolve_locate, run_find, "position of the first text in the second, 0 when absent"},
    {"startswith", 2, 2, TEXT, strings_to_bool, run_affix, "whether the first text begins with the second"},
    {"endswith", 2, 2, TEXT, strings_to_bool, run_affix, "whether the first text ends with the second"},
    {"contains", 2, 2, TEXT, strings_to_bool, run_affix, "whether the second text is in the first"},
    {"upper", 1, 1, TEXT, strings, run_case, "in capitals"},
    {"ucase", 1, 1, TEXT, strings, run_case, "in capitals"},
    {"lower", 1, 1, TEXT, strings, run_case, "in small letters"},
    {"lcase", 1, 1, TEXT, strings, run_case, "in small letters"},
    {"initcap", 1, 1, TEXT, strings, run_case, "each word with a capital"},
    {"trim", 1, 2, TEXT, strings, run_trim, "without blanks (or the given characters) at both ends"},
    {"btrim", 1, 2, TEXT, strings, run_trim, "without blanks (or the given characters) at both ends"},
    {"ltrim", 1, 2, TEXT, strings, run_trim, "without blanks (or the given characters) at the start"},
    {"rtrim", 1, 2, TEXT, strings, run_trim, "without blanks (or the given characters) at the end"},
    {"lpad", 2, 3, TEXT, resolve_pad, run_pad, "filled up on the left, or cut"},
    {"rpad", 2, 3, TEXT, resolve_pad, run_pad, "filled up on the right, or cut"},
    {"replace", 2, 3, TEXT, strings, run_replace, "every occurrence replaced"},
    {"translate", 3, 3, TEXT, strings, run_translate, "characters replaced one by one"},
    {"reverse", 1, 1, TEXT, text_then_ints, run_reverse, "backwards"},
    {"repeat", 2, 2, TEXT | FN_RAISES_ALWAYS, text_then_int, run_repeat, "so many times"},
    {"split_part", 3, 3, TEXT | FN_RAISES_PATTERN, resolve_split_part, run_split_part, "one part between delimiters"},
    {"ascii", 1, 1, TEXT, strings_to_int, run_ascii, "code of the first character"},
    {"chr", 1, 1, TEXT, resolve_chr, run_chr, "the character of a code"},
    {"char", 1, 1, TEXT, resolve_chr, run_chr, "the character of a code"},
    {0}};
