/* See cell.h. */
#include "common/format/cell.h"

#include <math.h>
#include <stdlib.h>

#include "common/expr/fn.h"
#include "common/expr/parse.h"

/* ---- numbers ---- */

const int64_t cell_integer_max[TYPE_ID_COUNT] = {
    [TYPE_TINYINT] = INT8_MAX, [TYPE_SMALLINT] = INT16_MAX, [TYPE_INT] = INT32_MAX, [TYPE_BIGINT] = INT64_MAX};

bool cell_parse_long_integer(const char *p, size_t n, const struct type *t, int64_t *ret)
{
    const char *end = p + n;
    bool negative = n && *p == '-';
    uint64_t v = 0, limit = (uint64_t)cell_integer_max[t->id];
    if (n && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end; p++) {
        unsigned d = (unsigned char)*p - '0';
        if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    if (v > limit + negative)
        return false;
    *ret = negative ? (int64_t)-v : (int64_t)v;
    return true;
}

static void trim(const char **p, size_t *n)
{
    while (*n && (unsigned char)(*p)[0] <= ' ') {
        ++*p;
        --*n;
    }
    while (*n && (unsigned char)(*p)[*n - 1] <= ' ')
        --*n;
}

/* A number as digits and a power of ten. */
struct digits {
    uint64_t mantissa;
    int exponent, count; /* count of significant digits; > 19: the mantissa is cut */
    bool negative;
};

/* [+-]digits[.digits][e[+-]digits]: all of it, or false. */
static bool read_digits(const char *p, const char *end, struct digits *ret)
{
    struct digits d = {0};
    bool any = false;
    if (p < end && (*p == '-' || *p == '+'))
        d.negative = *p++ == '-';
    for (int point = 0; p < end; p++) {
        unsigned c = (unsigned char)*p - '0';
        if (*p == '.' && !point) {
            point = 1;
            continue;
        }
        if (c > 9)
            break;
        any = true;
        if (d.count < 19) {
            d.mantissa = d.mantissa * 10 + c;
            d.count += d.mantissa != 0;
            d.exponent -= point;
        } else {
            d.count = 20;
            d.exponent += !point;
        }
    }
    if (!any)
        return false;
    if (p < end && (*p | 32) == 'e') {
        bool minus = false;
        int e = 0;
        if (++p < end && (*p == '-' || *p == '+'))
            minus = *p++ == '-';
        if (p == end)
            return false;
        for (; p < end && (unsigned char)(*p - '0') <= 9; p++)
            e = e < 100000 ? e * 10 + (*p - '0') : e;
        d.exponent += minus ? -e : e;
    }
    *ret = d;
    return p == end;
}

/* The same for the usual: at most 18 digits, a point among them, no exponent. */
static inline bool plain_digits(const char *p, size_t n, struct digits *ret)
{
    const char *end = p + n, *point = NULL;
    uint64_t v = 0;
    bool negative = n && *p == '-';
    p += n && (*p == '-' || *p == '+');
    if (end - p > 18 || p == end)
        return false;
    const char *first = p;
    for (;; p++) {
        unsigned c = p < end ? (unsigned char)*p - '0' : 10;
        if (LIKELY(c <= 9)) {
            v = v * 10 + c;
        } else if (p < end && *p == '.' && !point) {
            point = p;
        } else {
            break;
        }
    }
    if (p != end || (point && end - first == 1))
        return false;
    *ret = (struct digits){v, point ? -(int)(end - point - 1) : 0, 0, negative};
    return true;
}

static inline uint64_t pow10_u64(unsigned n)
{
    return (uint64_t)pow10_i64[n < 18 ? n : 18];
}

static const double pow10_f64[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What is left to the C library: long mantissas, far exponents, words, hexadecimal. *ret_end is p when it is none. */
static bool real_text(const char *p, size_t n, char *text, size_t room)
{
    if (n == 0 || n >= room)
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    const char *word = text + (text[0] == '-' || text[0] == '+');
    if (strcmp(word, "NaN") == 0 || strcmp(word, "Infinity") == 0)
        return true;
    char last = text[n - 1];
    bool hex = word[0] == '0' && (word[1] | 32) == 'x';
    if (hex && !strpbrk(word, "pP")) /* Java wants the exponent */
        return false;
    if (n > 1 && (last == 'd' || last == 'D' || last == 'f' || last == 'F'))
        text[--n] = 0;
    return strspn(text, hex ? "0123456789abcdefABCDEFxXpP+-." : "0123456789+-.eE") == n;
}

bool cell_parse_f64(const char *p, size_t n, double *ret)
{
    struct digits d;
    trim(&p, &n);
    if ((plain_digits(p, n, &d) || read_digits(p, p + n, &d)) && d.count <= 19 && d.mantissa <= 1ull << 53 && d.exponent >= -22 && d.exponent <= 22) {
        double v = (double)d.mantissa; /* exact, and so is one operation with an exact power of ten */
        v = d.exponent < 0 ? v / pow10_f64[-d.exponent] : v * pow10_f64[d.exponent];
        *ret = d.negative ? -v : v;
        return true;
    }
    char text[1200], *end;
    if (!real_text(p, n, text, sizeof text))
        return false;
    *ret = strtod(text, &end);
    return end != text && *end == 0;
}

bool cell_parse_f32(const char *p, size_t n, float *ret)
{
    struct digits d;
    trim(&p, &n);
    if ((plain_digits(p, n, &d) || read_digits(p, p + n, &d)) && d.count <= 19 && d.mantissa <= 1u << 24 && d.exponent >= -10 && d.exponent <= 10) {
        float v = (float)d.mantissa;
        v = d.exponent < 0 ? v / (float)pow10_f64[-d.exponent] : v * (float)pow10_f64[d.exponent];
        *ret = d.negative ? -v : v;
        return true;
    }
    char text[1200], *end;
    if (!real_text(p, n, text, sizeof text))
        return false;
    *ret = strtof(text, &end);
    return end != text && *end == 0;
}

bool cell_parse_decimal(const char *p, size_t n, const struct type *t, int128_t *ret)
{
    struct digits d;
    if (plain_digits(p, n, &d) && -d.exponent <= t->scale) {
        unsigned up = (unsigned)(t->scale + d.exponent);
        if (up <= 18 && t->precision <= 18) {
            uint64_t v;
            if (__builtin_mul_overflow(d.mantissa, (uint64_t)pow10_i64[up], &v) || v >= (uint64_t)pow10_u64(t->precision))
                return false;
            *ret = d.negative ? -(int64_t)v : (int64_t)v;
            return true;
        }
        int128_t v;
        if (__builtin_mul_overflow((int128_t)d.mantissa, pow10_i128[up], &v) || !decimal_fits(v, t->precision))
            return false;
        *ret = d.negative ? -v : v;
        return true;
    }
    char text[512];
    size_t m = 0;
    if (n == 0 || n >= sizeof text)
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] != ',')
            text[m++] = p[i];
    if (m == 0 || (unsigned char)text[0] <= ' ' || (unsigned char)text[m - 1] <= ' ')
        return false;
    return parse_decimal(text, m, t, ret);
}

static bool is_word(const char *p, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((p[i] | 32) != word[i])
            return false;
    return true;
}

bool cell_parse_bool(const char *p, size_t n, bool *ret)
{
    *ret = n == 4;
    return (n == 4 && is_word(p, "true", 4)) || (n == 5 && is_word(p, "false", 5));
}

/* ---- dates and times ---- */

static bool two(const char *p, unsigned *ret)
{
    unsigned a = (unsigned char)p[0] - '0', b = (unsigned char)p[1] - '0';
    *ret = a * 10 + b;
    return a <= 9 && b <= 9;
}

/* yyyy-MM-dd, exactly. */
static bool plain_date(const char *p, int32_t *ret)
{
    unsigned c, y, m, d;
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!two(p, &c) || !two(p + 2, &y) || p[4] != '-' || !two(p + 5, &m) || p[7] != '-' || !two(p + 8, &d))
        return false;
    y += c * 100;
    if (m < 1 || m > 12 || d < 1 || d > days[m - 1] + (unsigned)(m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
        return false;
    *ret = days_from_civil(y, m, d);
    return true;
}

bool cell_parse_date(const struct text_options *o, const char *p, size_t n, int32_t *ret)
{
    size_t at;
    if (o->date && datetime_parse_date(o->date, p, n, ret, &at))
        return true;
    if (o->date && !o->fallback_date)
        return false;
    return (n == 10 && plain_date(p, ret)) || parse_date(p, n, ret);
}

/* yyyy-MM-dd HH:mm:ss, with a T or a blank between. */
static bool plain_timestamp(const char *p, int64_t *ret)
{
    int32_t days;
    unsigned h, m, s;
    if (!plain_date(p, &days) || (p[10] != ' ' && p[10] != 'T') || !two(p + 11, &h) || p[13] != ':' || !two(p + 14, &m) ||
        p[16] != ':' || !two(p + 17, &s) || h > 23 || m > 59 || s > 59)
        return false;
    *ret = (int64_t)days * 86400000000 + ((int64_t)h * 3600 + m * 60 + s) * 1000000;
    return true;
}

bool cell_parse_timestamp(const struct text_options *o, const char *p, size_t n, int64_t *ret)
{
    size_t at;
    int64_t local;
    if (o->timestamp && datetime_parse_timestamp(o->timestamp, p, n, o->zone, ret, &at))
        return true;
    if (o->timestamp && !o->fallback_timestamp)
        return false;
    if (n == 19 && plain_timestamp(p, &local)) {
        *ret = o->zone ? zone_to_utc_us(o->zone, local) : local;
        return true;
    }
    return parse_timestamp(p, n, true, o->zone, ret);
}

/* Whether the time of a timestamp is followed by something: a zone, which a wall clock has not. */
static bool has_zone(const char *p, size_t n)
{
    size_t i = 0;
    trim(&p, &n);
    while (i < n && p[i] != ' ' && p[i] != 'T')
        i++;
    for (; i < n; i++)
        if (!strchr("0123456789:. T", p[i]))
            return true;
    return false;
}

bool cell_parse_ntz(const struct text_options *o, const char *p, size_t n, int64_t *ret)
{
    size_t at;
    if (o->ntz)
        return datetime_parse_ntz(o->ntz, p, n, ret, &at);
    if (n == 19 && plain_timestamp(p, ret))
        return true;
    return !has_zone(p, n) && parse_timestamp(p, n, false, NULL, ret);
}

/* ---- writing ---- */

static void format_moment(const struct datetime_pattern *pattern, int64_t local, int64_t offset, const char *zone,
                          bool with_zone, struct buf *out)
{
    if (pattern) {
        datetime_format(pattern, local, offset, zone, out);
        return;
    }
    int64_t day = 86400000000, days = local / day, rest = local % day;
    if (rest < 0) {
        rest += day;
        days--;
    }
    format_date((int32_t)days, out); /* Spark's default: yyyy-MM-dd'T'HH:mm:ss.SSSXXX */
    int s = (int)(rest / 1000000), o = (int)(offset / 1000000);
    buf_addf(out, "T%02d:%02d:%02d.%03d", s / 3600, s / 60 % 60, s % 60, (int)(rest / 1000 % 1000));
    if (with_zone && o == 0)
        buf_addc(out, 'Z');
    else if (with_zone)
        buf_addf(out, "%c%02d:%02d", o < 0 ? '-' : '+', abs(o) / 3600, abs(o) / 60 % 60);
    if (with_zone && o % 60)
        buf_addf(out, ":%02d", abs(o) % 60);
}

static void format_binary(const struct strview *s, struct buf *out)
{
    const char *p = strview_data(s);
    buf_addc(out, '[');
    for (uint32_t i = 0; i < s->bytes; i++)
        buf_addf(out, i ? " %02X" : "%02X", (unsigned char)p[i]);
    buf_addc(out, ']');
}

static int64_t integer_at(const struct column *col, uint32_t at)
{
    switch (col->phys) {
    case PHYS_BOOL: return ((const uint8_t *)col->data)[at];
    case PHYS_I8: return ((const int8_t *)col->data)[at];
    case PHYS_I16: return ((const int16_t *)col->data)[at];
    case PHYS_I32: return ((const int32_t *)col->data)[at];
    case PHYS_I64: return ((const int64_t *)col->data)[at];
    default: return 0;
    }
}

static void add_integer(int64_t v, struct buf *out)
{
    char text[24], *p = text + sizeof text;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        *--p = '-';
    buf_add(out, p, (size_t)(text + sizeof text - p));
}

void cell_format(const struct text_options *o, const struct column *col, uint32_t at, struct buf *out)
{
    const struct type *t = col->type;
    int64_t v = integer_at(col, at);
    switch (t->id) {
    case TYPE_BOOLEAN: buf_adds(out, v ? "true" : "false"); return;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: add_integer(v, out); return;
    case TYPE_FLOAT: format_float(((const float *)col->data)[at], out); return;
    case TYPE_DOUBLE: format_double(((const double *)col->data)[at], out); return;
    case TYPE_DECIMAL:
        format_decimal_java(col->phys == PHYS_I128 ? ((const int128_t *)col->data)[at] : v, t->scale, out);
        return;
    case TYPE_STRING: {
        const struct strview *s = (const struct strview *)col->data + at;
        buf_add(out, strview_data(s), s->bytes);
        return;
    }
    case TYPE_BINARY: format_binary((const struct strview *)col->data + at, out); return;
    case TYPE_DATE:
        if (o->date)
            datetime_format(o->date, v * 86400000000, 0, "UTC", out);
        else
            format_date((int32_t)v, out);
        return;
    case TYPE_TIMESTAMP: {
        int64_t offset = zone_offset_us(o->zone, v);
        format_moment(o->timestamp, zone_local_us(o->zone, v), offset, o->zone_name, true, out);
        return;
    }
    case TYPE_TIMESTAMP_NTZ: format_moment(o->ntz, v, 0, "UTC", false, out); return;
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT: format_interval(t, v, out); return;
    default: UNREACHABLE("a type that text cannot hold: can_write refuses it");
    }
}

/* ---- UTF-8 ---- */

bool bytes_not_ascii(const char *p, size_t n)
{
    uint64_t all = 0, w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, 8);
        all |= w;
    }
    for (; i < n; i++)
        all |= (uint64_t)(unsigned char)p[i];
    return all & 0x8080808080808080ull;
}

/* Bytes of the character at p, 0 when it is none; *ret_bad: the bytes that one U+FFFD stands for. */
static size_t utf8_char(const uint8_t *p, size_t n, size_t *ret_bad)
{
    uint8_t c = p[0];
    size_t need = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    *ret_bad = 1;
    if (need <= 1)
        return need;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < need; i++) {
        if (i >= n || p[i] < (i == 1 ? low : 0x80) || p[i] > (i == 1 ? high : 0xbf)) {
            *ret_bad = i;
            return 0;
        }
    }
    return need;
}

size_t utf8_valid(const char *p, size_t n)
{
    size_t i = 0, bad;
    while (i < n) {
        size_t k = (unsigned char)p[i] < 0x80 ? 1 : utf8_char((const uint8_t *)p + i, n - i, &bad);
        if (k == 0)
            break;
        i += k;
    }
    return i;
}

void utf8_repair(const char *p, size_t n, struct buf *out)
{
    while (n) {
        size_t good = utf8_valid(p, n), bad;
        buf_add(out, p, good);
        p += good;
        n -= good;
        if (n == 0)
            return;
        utf8_char((const uint8_t *)p, n, &bad);
        buf_add(out, "\xef\xbf\xbd", 3);
        p += bad;
        n -= bad;
    }
}
