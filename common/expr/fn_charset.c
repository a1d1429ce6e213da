/* encode and decode: texts as bytes of the seven character sets that Spark knows, and back. */
#include <strings.h>

#include "common/base/utf8.h"
#include "common/expr/fn_impl.h"

enum charset { UTF_8, ISO_8859_1, US_ASCII, UTF_16, UTF_16BE, UTF_16LE, UTF_32, CHARSETS };
static const char *const charset_names[CHARSETS] = {"UTF-8", "ISO-8859-1", "US-ASCII", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32"};

static int resolve_encode(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    TRY(fn_cast_text(c, 1, err));
    c->type = type_of(TYPE_BINARY);
    return 0;
}

/* decode(value, search, result, ..., [default]) is a CASE with <=>; decode(binary, charset) is of texts. */
static int resolve_decode(struct fn_call *c, struct error *err)
{
    if (c->arg_count == 2) {
        TRY(fn_cast_arg(c, 0, type_of(TYPE_BINARY), err));
        TRY(fn_cast_text(c, 1, err));
        c->type = type_of(TYPE_STRING);
        return 0;
    }
    struct expr **args = ARENA_ARRAY(c->ar, struct expr *, c->arg_count);
    uint32_t n = 0;
    for (uint32_t i = 1; i + 1 < c->arg_count; i += 2) {
        struct expr *two[2] = {c->args[0], c->args[i]};
        TRY(expr_call(c->ar, c->cx, "<=>", two, 2, c->span, &args[n], err));
        args[n + 1] = c->args[i + 1];
        n += 2;
    }
    if (c->arg_count % 2 == 0)
        args[n++] = c->args[c->arg_count - 1];
    return fn_become(c, "case", args, n, err);
}

static int find_charset(struct kernel *k, const struct strview *name, enum charset *ret)
{
    for (int i = 0; i < CHARSETS; i++) {
        *ret = (enum charset)i;
        if (name->bytes == strlen(charset_names[i]) && strncasecmp(strview_data(name), charset_names[i], name->bytes) == 0)
            return 0;
    }
    struct buf text = BUF_INIT, fn = BUF_INIT;
    buf_addf(&text, "%.*s", (int)name->bytes, strview_data(name));
    buf_addf(&fn, "`%s`", k->node->fn->name);
    int rc = kernel_raise(k, ERR_CHARSET, "functionName", fn.data, "parameter", "`charset`", "charset", text.data, "charsets",
                          "iso-8859-1, us-ascii, utf-16, utf-16be, utf-16le, utf-32, utf-8", NULL);
    buf_fini(&text);
    buf_fini(&fn);
    return rc;
}

static int malformed(struct kernel *k, enum charset set)
{
    struct buf fn = BUF_INIT;
    buf_addf(&fn, "`%s`", k->node->fn->name);
    int rc = kernel_raise(k, ERR_CHARSET_MALFORMED, "function", fn.data, "charset", charset_names[set], NULL);
    buf_fini(&fn);
    return rc;
}

static void add_unit(struct buf *out, uint32_t unit, int bytes, bool little)
{
    for (int i = 0; i < bytes; i++)
        buf_addc(out, (char)(unit >> 8 * (little ? i : bytes - 1 - i)));
}

/* One code point; false when the set has none such. */
static bool encode_one(enum charset set, uint32_t c, struct buf *out)
{
    bool little = set == UTF_16LE;
    switch (set) {
    case UTF_8:
    case CHARSETS: break;
    case ISO_8859_1: add_unit(out, c, 1, false); return c < 0x100;
    case US_ASCII: add_unit(out, c, 1, false); return c < 0x80;
    case UTF_32: add_unit(out, c, 4, false); return true;
    case UTF_16:
    case UTF_16BE:
    case UTF_16LE:
        if (c < 0x10000) {
            add_unit(out, c, 2, little);
        } else {
            add_unit(out, 0xD800 + ((c - 0x10000) >> 10), 2, little);
            add_unit(out, 0xDC00 + (c & 0x3FF), 2, little);
        }
        return true;
    }
    return false;
}

static bool encode_text(enum charset set, const char *s, size_t n, struct buf *out)
{
    bool fits = true;
    if (set == UTF_16 && n)
        add_unit(out, 0xFEFF, 2, false);
    for (uint32_t bytes; n && fits; s += bytes, n -= bytes)
        fits = encode_one(set, utf8_decode(s, n, &bytes), out);
    return fits;
}

static uint32_t unit_at(const unsigned char *p, int bytes, bool little)
{
    uint32_t unit = 0;
    for (int i = 0; i < bytes; i++)
        unit |= (uint32_t)p[i] << 8 * (little ? i : bytes - 1 - i);
    return unit;
}

static void add_utf8(struct buf *out, uint32_t c)
{
    char text[4];
    buf_add(out, text, utf8_encode(c, text));
}

/* What decoding and encoding leaves as it is. */
static bool is_utf8(const char *p, size_t n)
{
    char text[4];
    for (size_t i = 0; i < n;) {
        uint32_t bytes, c = utf8_decode(p + i, n - i, &bytes);
        if ((c >= 0xD800 && c < 0xE000) || c > 0x10FFFF || utf8_encode(c, text) != bytes || memcmp(text, p + i, bytes) != 0)
            return false;
        i += bytes;
    }
    return true;
}

static bool decode_wide(enum charset set, const unsigned char *p, size_t n, struct buf *out)
{
    int bytes = set == UTF_32 ? 4 : 2;
    bool little = set == UTF_16LE;
    if ((set == UTF_16 || set == UTF_32) && n >= (size_t)bytes) { /* a byte order mark is none of the characters */
        bool swapped = unit_at(p, bytes, true) == 0xFEFF, mark = swapped || unit_at(p, bytes, false) == 0xFEFF;
        little = swapped;
        p += mark ? bytes : 0;
        n -= mark ? (size_t)bytes : 0;
    }
    for (size_t i = 0; i < n; i += (size_t)bytes) {
        if (n - i < (size_t)bytes)
            return false;
        uint32_t c = unit_at(p + i, bytes, little);
        if (bytes == 2 && c >= 0xD800 && c < 0xDC00 && n - i >= 4) {
            uint32_t low = unit_at(p + i + 2, 2, little);
            if (low < 0xDC00 || low > 0xDFFF)
                return false;
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            i += 2;
        }
        if ((c >= 0xD800 && c < 0xE000) || c > 0x10FFFF)
            return false;
        add_utf8(out, c);
    }
    return true;
}

static bool decode_bytes(enum charset set, const unsigned char *p, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (set == US_ASCII && p[i] >= 0x80)
            return false;
        add_utf8(out, p[i]);
    }
    return true;
}

static bool decode_text(enum charset set, const char *s, size_t n, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)s;
    return set == ISO_8859_1 || set == US_ASCII ? decode_bytes(set, p, n, out) : decode_wide(set, p, n, out);
}

static int run_charset(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    bool encode = k->node->fn->name[0] == 'e';
    struct buf b = BUF_INIT;
    enum charset set = UTF_8;
    int rc = 0;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        if ((rc = find_charset(k, arg_text(&args[1], r), &set)) != 0 || (rc = kernel_ask(k, 4 * (uint64_t)v->bytes)) != 0)
            break;
        buf_reset(&b);
        bool fits = set == UTF_8 ? encode || is_utf8(s, v->bytes) : (encode ? encode_text : decode_text)(set, s, v->bytes, &b);
        if (!fits && (rc = malformed(k, set)) != 0)
            break;
        o[r] = set == UTF_8 ? *v : kernel_keep(k, b.data ? b.data : "", b.bytes);
    }
    buf_fini(&b);
    return rc;
}

const struct fn_row fn_charset_rows[] = {
    {"decode", 2, 255, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_decode, run_charset, "the result after the first search value that equals, or text from bytes"},
    {"encode", 2, 2, FN_NULL_ANY | FN_RAISES_ALWAYS, resolve_encode, run_charset, "bytes of a text"},
    {0}};
