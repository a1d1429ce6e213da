/* Numbers and bytes as text and back: format_number, format_string, hex, base64, conv, bin. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/expr/fn_impl.h"
#include "common/expr/parse.h"

/* ---- digits ---- */

/* v rounded to `places` digits after the point as text without sign; half: half up as Java's Formatter, else half even. */
static void fixed_digits(double v, int places, bool half_up, struct buf *out)
{
    int128_t d;
    struct buf shortest = BUF_INIT;
    v = fabs(v);
    format_double(v, &shortest);
    const struct type *t = type_decimal(38, (unsigned)(places < 30 ? places : 30));
    if (half_up && places <= 20 && parse_decimal(shortest.data, shortest.bytes, t, &d)) {
        format_decimal(d, t->scale, out);
    } else {
        char text[512];
        int n = snprintf(text, sizeof text, "%.*f", places < 100 ? places : 100, v);
        buf_add(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    }
    buf_fini(&shortest);
}

/* Commas between each three digits of the whole part of text. */
static void group_digits(const char *text, size_t n, size_t group, char comma, struct buf *out)
{
    size_t whole = 0;
    while (whole < n && isdigit((unsigned char)text[whole]))
        whole++;
    for (size_t i = 0; i < whole; i++) {
        if (i && group && (whole - i) % group == 0)
            buf_addc(out, comma);
        buf_addc(out, text[i]);
    }
    buf_add(out, text + whole, n - whole);
}

/* The absolute value of row r of a numeric column rounded half even to `places`; *ret_negative tells its sign. */
static void even_digits(const struct column *col, uint32_t r, int places, bool *ret_negative, struct buf *out)
{
    uint32_t at = column_idx(col, r);
    if (col->type->id == TYPE_DOUBLE || col->type->id == TYPE_FLOAT) {
        double v = arg_f64(col, r);
        *ret_negative = signbit(v) != 0;
        fixed_digits(v, places, false, out);
        return;
    }
    int128_t v = col->phys == PHYS_I128 ? ((const int128_t *)col->data)[at] : (int128_t)arg_i64(col, r);
    int scale = col->type->id == TYPE_DECIMAL ? col->type->scale : 0;
    *ret_negative = v < 0;
    v = v < 0 ? -v : v;
    if (scale > places) {
        int128_t d = pow10_i128[scale - places], rest = v % d;
        v /= d;
        v += rest > d - rest || (rest == d - rest && v % 2 != 0);
        scale = places;
    }
    format_decimal(v, (unsigned)scale, out);
    if (scale < places) {
        if (scale == 0)
            buf_addc(out, '.');
        for (int i = scale; i < places; i++)
            buf_addc(out, '0');
    }
}

/* ---- format_number(number, places or pattern) ---- */

struct number_pattern {
    int whole_min, places_min, places_max;
    size_t group;
    bool percent, exponent;
    int exponent_min;
    const char *prefix, *suffix; /* in the pattern */
    uint32_t prefix_bytes, suffix_bytes;
};

static struct number_pattern number_pattern(const char *p, uint32_t n)
{
    struct number_pattern f = {.prefix = p};
    uint32_t i = 0;
    while (i < n && !strchr("#0,.", p[i]))
        i++;
    f.prefix_bytes = i;
    bool point = false, grouped = false;
    size_t since = 0;
    for (; i < n && strchr("#0,.", p[i]); i++) {
        if (p[i] == '.') {
            point = true;
        } else if (p[i] == ',') {
            grouped = true;
            since = 0;
        } else if (point) {
            f.places_max++;
            f.places_min += p[i] == '0';
        } else {
            f.whole_min += p[i] == '0';
            since++;
        }
    }
    f.group = grouped ? since : 0;
    if (i + 1 < n && p[i] == 'E' && p[i + 1] == '0') {
        f.exponent = true;
        for (i++; i < n && p[i] == '0'; i++)
            f.exponent_min++;
    }
    f.suffix = p + i;
    f.suffix_bytes = n - i;
    f.percent = memchr(f.suffix, '%', f.suffix_bytes) != NULL;
    return f;
}

static void add_affix(const char *p, uint32_t n, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] != '\'')
            buf_addc(out, p[i]);
    }
}

static void format_pattern(const struct column *col, uint32_t r, const struct number_pattern *f, struct buf *out)
{
    struct buf digits = BUF_INIT;
    bool negative;
    if (f->exponent) {
        char text[64];
        even_digits(col, r, 18, &negative, &digits);
        snprintf(text, sizeof text, "%.*e", f->places_max, strtod(digits.data, NULL));
        char *e = strchr(text, 'e');
        int exp = (int)strtol(e + 1, NULL, 10);
        while (f->places_max > f->places_min && e[-1] == '0' && e - strchr(text, '.') > f->places_min + 1)
            e--;
        if (negative)
            buf_addc(out, '-');
        add_affix(f->prefix, f->prefix_bytes, out);
        buf_add(out, text, (size_t)(e - text));
        buf_addf(out, exp < 0 ? "E-%0*d" : "E%0*d", f->exponent_min, abs(exp));
        add_affix(f->suffix, f->suffix_bytes, out);
        buf_fini(&digits);
        return;
    }
    even_digits(col, r, f->places_max + (f->percent ? 2 : 0), &negative, &digits);
    if (f->percent) { /* the point two places on */
        char *dot = memchr(digits.data, '.', digits.bytes);
        memmove(dot, dot + 1, 2);
        dot[2] = '.';
        size_t zeros = 0;
        while (digits.data[zeros] == '0' && digits.data + zeros + 1 < dot + 2)
            zeros++;
        digits.bytes -= zeros + (dot + 3 == digits.data + digits.bytes);
        memmove(digits.data, digits.data + zeros, digits.bytes);
    }
    char *p = digits.data;
    size_t n = digits.bytes;
    char *point = memchr(p, '.', n);
    if (point) {
        while (n > (size_t)(point - p) + 1 + (size_t)f->places_min && p[n - 1] == '0')
            n--;
        if (p[n - 1] == '.')
            n--;
    }
    if (f->whole_min == 0 && n > 1 && p[0] == '0') { /* #.##: no zero before the point */
        p++;
        n--;
    }
    if (negative)
        buf_addc(out, '-');
    add_affix(f->prefix, f->prefix_bytes, out);
    size_t whole = 0;
    while (whole < n && isdigit((unsigned char)p[whole]))
        whole++;
    struct buf padded = BUF_INIT;
    for (size_t i = whole; i < (size_t)f->whole_min; i++)
        buf_addc(&padded, '0');
    buf_add(&padded, p, n);
    group_digits(padded.data, padded.bytes, f->group, ',', out);
    add_affix(f->suffix, f->suffix_bytes, out);
    buf_fini(&padded);
    buf_fini(&digits);
}

static int resolve_format_number(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (t->id == TYPE_NULL)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_DOUBLE), err));
    else if (!type_is_numeric(t))
        return fn_wrong_arg(c, 0, "NUMERIC", err);
    t = c->args[1]->type;
    if (t->id == TYPE_NULL)
        TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    else if (t->id != TYPE_STRING && t->id != TYPE_INT)
        return fn_wrong_arg(c, 1, "(\"INT\" or \"STRING\")", err);
    c->type = type_of(TYPE_STRING);
    c->nullable = true;
    return 0;
}

static int run_format_number(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    struct buf b = BUF_INIT, digits = BUF_INIT;
    bool real = args[0].type->id == TYPE_DOUBLE || args[0].type->id == TYPE_FLOAT;
    KERNEL_EACH_VALUE(k, r) {
        bool pattern = args[1].phys == PHYS_STR;
        int64_t places = pattern ? 0 : arg_i64(&args[1], r);
        if (places < 0) {
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        buf_reset(&b);
        if (real && !isfinite(arg_f64(&args[0], r))) {
            double v = arg_f64(&args[0], r);
            buf_adds(&b, isnan(v) ? "NaN" : v < 0 ? "-∞" : "∞");
        } else if (pattern) {
            const struct strview *p = arg_text(&args[1], r);
            struct number_pattern f = number_pattern(strview_data(p), p->bytes);
            if (p->bytes == 0)
                f = (struct number_pattern){.whole_min = 1, .group = 3, .prefix = "", .suffix = ""};
            format_pattern(&args[0], r, &f, &b);
        } else {
            bool negative;
            buf_reset(&digits);
            even_digits(&args[0], r, (int)(places < 300 ? places : 300), &negative, &digits);
            if (negative)
                buf_addc(&b, '-');
            group_digits(digits.data, digits.bytes, 3, ',', &b);
        }
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    buf_fini(&digits);
    return 0;
}

/* ---- format_string: Java's Formatter ---- */

struct conversion {
    bool left, plus, space, zero, comma, paren, alt;
    int width, precision; /* -1: not given */
    char letter;
    bool upper;
};

static void pad(const struct conversion *f, const char *p, size_t n, struct buf *out)
{
    int64_t missing = f->width - (int64_t)utf8_count(p, n);
    for (int64_t i = 0; !f->left && i < missing; i++)
        buf_addc(out, ' ');
    for (size_t i = 0; i < n; i++)
        buf_addc(out, f->upper ? (char)toupper((unsigned char)p[i]) : p[i]);
    for (int64_t i = 0; f->left && i < missing; i++)
        buf_addc(out, ' ');
}

/* A number's digits with sign, grouping and zeros. */
static void add_number(const struct conversion *f, bool negative, const char *digits, size_t n, struct buf *out)
{
    struct buf b = BUF_INIT, body = BUF_INIT;
    if (f->comma)
        group_digits(digits, n, 3, ',', &body);
    else
        buf_add(&body, digits, n);
    const char *sign = negative ? (f->paren ? "(" : "-") : f->plus ? "+" : f->space ? " " : "";
    buf_adds(&b, sign);
    int64_t missing = f->width - (int64_t)(strlen(sign) + body.bytes + (negative && f->paren));
    for (int64_t i = 0; f->zero && i < missing; i++)
        buf_addc(&b, '0');
    buf_add(&b, body.data, body.bytes);
    if (negative && f->paren)
        buf_addc(&b, ')');
    pad(f, b.data, b.bytes, out);
    buf_fini(&b);
    buf_fini(&body);
}

static void add_real(const struct conversion *f, double v, struct buf *out)
{
    int places = f->precision >= 0 ? f->precision : 6;
    struct buf digits = BUF_INIT;
    if (!isfinite(v)) {
        struct conversion plain = *f;
        plain.zero = plain.comma = false;
        const char *t = isnan(v) ? "NaN" : "Infinity";
        add_number(&plain, v < 0, t, strlen(t), out);
        return;
    }
    double a = fabs(v);
    bool scientific = f->letter == 'e';
    if (f->letter == 'g') {
        places = f->precision < 0 ? 6 : f->precision == 0 ? 1 : f->precision;
        scientific = a != 0 && (a < 1e-4 || a >= pow(10, places));
        if (!scientific)
            places -= a == 0 ? 1 : (int)floor(log10(a)) + 1;
        else
            places -= 1;
    }
    if (scientific) {
        char text[128];
        snprintf(text, sizeof text, "%.*e", places < 100 ? places : 100, a);
        buf_adds(&digits, text);
    } else {
        fixed_digits(a, places < 0 ? 0 : places, true, &digits);
    }
    add_number(f, signbit(v) != 0, digits.data, digits.bytes, out);
    buf_fini(&digits);
}

static int bad_format(struct kernel *k, const char *why)
{
    return kernel_raise(k, ERR_INVALID_ARG, "functionName", k->node->fn->name, "parameter", "format", "message", why, NULL);
}

/* One value by one conversion. */
static int add_value(struct kernel *k, const struct conversion *f, const struct column *col, uint32_t r, struct buf *out)
{
    bool null = column_is_null(col, r) || col->type->id == TYPE_NULL;
    enum type_id id = col->type->id;
    bool whole = type_is_integral(col->type) || id == TYPE_DATE || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMP_NTZ ||
                 id == TYPE_INTERVAL_YM || id == TYPE_INTERVAL_DT;
    struct buf b = BUF_INIT;
    if (f->letter == 'b' || null) { /* the precision cuts words, whatever the letter */
        bool yes = !null && (id != TYPE_BOOLEAN || arg_i64(col, r));
        const char *word = f->letter != 'b' ? "null" : yes ? "true" : "false";
        size_t n = strlen(word);
        pad(f, word, f->precision >= 0 && (size_t)f->precision < n ? (size_t)f->precision : n, out);
        return 0;
    }
    char digits[64];
    switch (f->letter) {
    case 's':
        if (whole && !type_is_integral(col->type))
            buf_addf(&b, "%lld", (long long)arg_i64(col, r));
        else
            column_format(col, r, k->cx->zone, "null", &b);
        if (f->precision >= 0 && (size_t)f->precision < b.bytes) {
            size_t n = 0;
            for (int i = 0; i < f->precision && n < b.bytes; i++)
                n += utf8_bytes((unsigned char)b.data[n]);
            b.bytes = n < b.bytes ? n : b.bytes;
        }
        pad(f, b.data ? b.data : "", b.bytes, out);
        buf_fini(&b);
        return 0;
    case 'd': {
        if (!whole)
            return bad_format(k, "%d takes an integer");
        int64_t v = arg_i64(col, r);
        uint64_t a = v < 0 ? -(uint64_t)v : (uint64_t)v;
        int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)a);
        add_number(f, v < 0, digits, (size_t)n, out);
        return 0;
    }
    case 'x':
    case 'o': {
        if (!whole)
            return bad_format(k, "%x and %o take an integer");
        uint64_t v = (uint64_t)arg_i64(col, r);
        uint32_t bytes = phys_bytes(col->phys);
        v = bytes < 8 ? v & ((1ull << (8 * bytes)) - 1) : v;
        int n = snprintf(digits, sizeof digits, f->letter == 'o' ? (f->alt ? "0%llo" : "%llo") : f->alt ? "0x%llx" : "%llx", (unsigned long long)v);
        struct conversion plain = *f;
        plain.plus = plain.space = plain.comma = false;
        add_number(&plain, false, digits, (size_t)n, out);
        return 0;
    }
    case 'c': {
        if (!type_is_integral(col->type))
            return bad_format(k, "%c takes the number of a character");
        pad(f, digits, utf8_encode((uint32_t)arg_i64(col, r), digits), out);
        return 0;
    }
    default:
        if (id == TYPE_DECIMAL) {
            format_decimal(arg_i128(col, r), col->type->scale, &b);
            double v = strtod(b.data, NULL);
            int128_t d;
            int places = f->precision >= 0 ? f->precision : 6;
            if (f->letter == 'f' && places <= 37 && decimal_rescale(arg_i128(col, r), col->type->scale, places, &d)) {
                buf_reset(&b);
                format_decimal(d < 0 ? -d : d, (unsigned)places, &b);
                add_number(f, d < 0, b.data, b.bytes, out);
            } else {
                add_real(f, v, out);
            }
            buf_fini(&b);
            return 0;
        }
        if (id != TYPE_DOUBLE && id != TYPE_FLOAT)
            return bad_format(k, "%f, %e and %g take a floating-point number");
        add_real(f, arg_f64(col, r), out);
        return 0;
    }
}

static int format_row(struct kernel *k, const struct column *args, uint32_t r, struct buf *out)
{
    const struct strview *format = arg_text(&args[0], r);
    const char *p = strview_data(format), *end = p + format->bytes;
    uint32_t next = 1, count = k->node->arg_count;
    while (p < end) {
        if (*p != '%') {
            buf_addc(out, *p++);
            continue;
        }
        p++;
        struct conversion f = {.precision = -1};
        uint32_t index = 0;
        const char *at = p;
        uint32_t number = 0;
        while (at < end && isdigit((unsigned char)*at) && number < 100000000)
            number = number * 10 + (uint32_t)(*at++ - '0');
        if (at > p && at < end && *at == '$') {
            index = number;
            if (index == 0)
                return kernel_raise(k, ERR_INVALID_ARG_ZERO, "functionName", "`format_string`", "parameter", "`strfmt`", NULL);
            p = at + 1;
        }
        for (; p < end && strchr("-+ 0,(#", *p); p++) {
            f.left |= *p == '-';
            f.plus |= *p == '+';
            f.space |= *p == ' ';
            f.zero |= *p == '0';
            f.comma |= *p == ',';
            f.paren |= *p == '(';
            f.alt |= *p == '#';
        }
        for (; p < end && isdigit((unsigned char)*p) && f.width < 1000000; p++)
            f.width = f.width * 10 + (*p - '0');
        if (p < end && *p == '.') {
            f.precision = 0;
            for (p++; p < end && isdigit((unsigned char)*p) && f.precision < 100000; p++)
                f.precision = f.precision * 10 + (*p - '0');
        }
        if (p >= end)
            return bad_format(k, "a conversion is cut off at its end");
        char letter = *p++;
        if (letter == 'n') {
            buf_addc(out, '\n');
            continue;
        }
        if (letter == '%') {
            pad(&f, "%", 1, out);
            continue;
        }
        f.upper = isupper((unsigned char)letter) != 0;
        f.letter = (char)tolower((unsigned char)letter);
        if (f.letter == 'h' || !strchr("sdxocbfeg", f.letter))
            return bad_format(k, "it has an unknown conversion");
        uint32_t arg = index ? index : next++;
        if (arg >= count)
            return bad_format(k, "it has more conversions than there are arguments");
        TRY(add_value(k, &f, &args[arg], r, out));
    }
    return 0;
}

static int resolve_format_string(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    c->type = type_of(TYPE_STRING);
    c->nullable = c->args[0]->nullable;
    return 0;
}

static int run_format_string(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    struct buf b = BUF_INIT;
    int rc = 0;
    for (KERNEL_EACH(k, r)) {
        if (column_is_null(&args[0], r)) {
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        buf_reset(&b);
        if ((rc = format_row(k, args, r, &b)) != 0)
            break;
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    return rc;
}

/* ---- hexadecimal, binary, other bases ---- */

static int resolve_hex(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (t->id != TYPE_STRING && t->id != TYPE_BINARY && t->id != TYPE_BIGINT)
        TRY(fn_cast_arg(c, 0, type_of(type_is_numeric(t) || t->id == TYPE_NULL ? TYPE_BIGINT : TYPE_STRING), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_hex(struct kernel *k, const struct column *args, struct column *out)
{
    static const char digits[] = "0123456789ABCDEF";
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        if (args[0].phys == PHYS_I64) {
            char text[17];
            int n = snprintf(text, sizeof text, "%llX", (unsigned long long)arg_i64(&args[0], r));
            o[r] = kernel_keep(k, text, (size_t)n);
            continue;
        }
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        char *p = arena_alloc(k->ar, (size_t)v->bytes * 2 + 1);
        for (uint32_t i = 0; i < v->bytes; i++) {
            p[2 * i] = digits[(unsigned char)s[i] >> 4];
            p[2 * i + 1] = digits[s[i] & 15];
        }
        o[r] = strview_make(p, v->bytes * 2);
    }
    return 0;
}

static int resolve_unhex(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    c->type = type_of(TYPE_BINARY);
    c->nullable = true;
    return 0;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* unhex, and to_binary by hex: an odd first digit stands alone. */
static int run_unhex(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        uint32_t n = v->bytes, at = 0;
        char *p = arena_alloc(k->ar, n / 2 + 1);
        bool ok = true;
        for (uint32_t i = 0; i < n && ok; i += i == 0 && n % 2 ? 1 : 2) {
            int high = i == 0 && n % 2 ? 0 : nibble(s[i]), low = nibble(i == 0 && n % 2 ? s[0] : s[i + 1]);
            ok = high >= 0 && low >= 0;
            p[at++] = (char)((unsigned)high << 4 | (unsigned)low);
        }
        if (ok)
            o[r] = strview_make(p, at);
        else
            kernel_set_null(k, out, &nulls, r);
    }
    return 0;
}

static int resolve_bin(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_bin(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        uint64_t v = (uint64_t)arg_i64(&args[0], r);
        char text[64];
        int n = v ? 64 - __builtin_clzll(v) : 1;
        for (int i = 0; i < n; i++)
            text[i] = (char)('0' + (v >> (n - 1 - i) & 1));
        o[r] = kernel_keep(k, text, (size_t)n);
    }
    return 0;
}

static int resolve_conv(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    TRY(fn_cast_arg(c, 2, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_STRING);
    c->nullable = true;
    return 0;
}

/* conv(text, from, to): digits up to the first wrong one, as 64 bits without sign unless `to` is negative. */
static int run_conv(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v), *end = s + v->bytes;
        int64_t from = arg_i64(&args[1], r), to = arg_i64(&args[2], r), base = to < 0 ? -to : to;
        while (s < end && *s == ' ')
            s++;
        while (end > s && end[-1] == ' ')
            end--;
        if (from < 2 || from > 36 || base < 2 || base > 36 || s == end) {
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        bool negative = *s == '-', overflow = false;
        uint64_t value = 0;
        for (s += negative; s < end; s++) {
            int d = *s >= '0' && *s <= '9' ? *s - '0' : isalpha((unsigned char)*s) ? (*s | 32) - 'a' + 10 : 99;
            if (d >= from)
                break;
            overflow |= __builtin_mul_overflow(value, (uint64_t)from, &value);
            overflow |= __builtin_add_overflow(value, (uint64_t)d, &value);
        }
        if (overflow && k->node->mode == EVAL_ANSI)
            return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "overflow in conv()", "alternative", "", "config",
                                "\"spark.sql.ansi.enabled\"", NULL);
        if (overflow)
            value = UINT64_MAX;
        if (negative && to > 0)
            value = (int64_t)value < 0 && !overflow ? UINT64_MAX : -value;
        if (to < 0 && (int64_t)value < 0) {
            value = -value;
            negative = true;
        }
        char text[70];
        int at = 70;
        do {
            text[--at] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % (uint64_t)base];
            value /= (uint64_t)base;
        } while (value);
        if (negative && to < 0)
            text[--at] = '-';
        o[r] = kernel_keep(k, text + at, (size_t)(70 - at));
    }
    return 0;
}

/* ---- base64: written in lines of 76 as MIME has them, read whatever stands between ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int resolve_base64(struct fn_call *c, struct error *err)
{
    bool from = c->row->name[0] == 'u';
    TRY(fn_cast_arg(c, 0, type_of(from ? TYPE_STRING : TYPE_BINARY), err));
    c->type = type_of(from ? TYPE_BINARY : TYPE_STRING);
    return 0;
}

static int run_base64(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const unsigned char *s = (const unsigned char *)strview_data(v);
        uint32_t n = v->bytes, at = 0, line = 0;
        char *p = arena_alloc(k->ar, (size_t)n * 2 + 8);
        for (uint32_t i = 0; i < n; i += 3) {
            if (line == 76) {
                p[at++] = '\r';
                p[at++] = '\n';
                line = 0;
            }
            uint32_t left = n - i, w = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
            p[at++] = alphabet[w >> 18];
            p[at++] = alphabet[w >> 12 & 63];
            p[at++] = left > 1 ? alphabet[w >> 6 & 63] : '=';
            p[at++] = left > 2 ? alphabet[w & 63] : '=';
            line += 4;
        }
        o[r] = strview_make(p, at);
    }
    return 0;
}

static int run_unbase64(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        const char *s = strview_data(v);
        char *p = arena_alloc(k->ar, v->bytes + 1);
        uint32_t at = 0, bits = 0, have = 0;
        for (uint32_t i = 0; i < v->bytes && s[i] != '='; i++) {
            const char *d = s[i] ? strchr(alphabet, s[i]) : NULL;
            if (!d)
                continue;
            bits = bits << 6 | (uint32_t)(d - alphabet);
            have += 6;
            if (have >= 8) {
                have -= 8;
                p[at++] = (char)(bits >> have & 0xff);
            }
        }
        o[r] = strview_make(p, at);
    }
    return 0;
}

#define N FN_NULL_ANY
const struct fn_row fn_format_rows[] = {
    {"format_number", 2, 2, N | FN_OWN_NULLS, resolve_format_number, run_format_number, "a number with commas and so many places, or by a pattern"},
    {"format_string", 1, 255, FN_OWN_NULLS | FN_RAISES_ALWAYS, resolve_format_string, run_format_string, "arguments put into a format as of printf"},
    {"printf", 1, 255, FN_OWN_NULLS | FN_RAISES_ALWAYS, resolve_format_string, run_format_string, "arguments put into a format as of printf"},
    {"hex", 1, 1, N, resolve_hex, run_hex, "a number or bytes in hexadecimal"},
    {"unhex", 1, 1, N | FN_OWN_NULLS, resolve_unhex, run_unhex, "bytes from hexadecimal, null when it is none"},
    {"bin", 1, 1, N, resolve_bin, run_bin, "a number in binary digits"},
    {"conv", 3, 3, N | FN_RAISES | FN_OWN_NULLS, resolve_conv, run_conv, "a number from one base in another"},
    {"base64", 1, 1, N, resolve_base64, run_base64, "bytes in base 64"},
    {"unbase64", 1, 1, N, resolve_base64, run_unbase64, "bytes from base 64"},
    {0}};
