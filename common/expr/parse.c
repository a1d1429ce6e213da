/* See parse.h. */
#include "common/expr/parse.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "common/col/column.h"
#include "common/expr/fn.h"
#include "common/expr/zone.h"

static void trim(const char **p, size_t *bytes)
{
    while (*bytes && (unsigned char)(*p)[0] <= ' ') {
        ++*p;
        --*bytes;
    }
    while (*bytes && (unsigned char)(*p)[*bytes - 1] <= ' ')
        --*bytes;
}

bool parse_i64(const char *p, size_t n, int64_t *ret)
{
    trim(&p, &n);
    bool negative = false;
    if (n && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
        n--;
    }
    if (n == 0)
        return false;
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned char)p[i] - '0';
        if (d > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, (int64_t)d, &v))
            return false;
    }
    if (!negative && v == INT64_MIN)
        return false;
    *ret = negative ? v : -v;
    return true;
}

bool parse_f64(const char *p, size_t n, double *ret)
{
    trim(&p, &n);
    char text[512];
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    const char *word = text + (text[0] == '-' || text[0] == '+');
    if (str_eq_nocase(word, "nan") || str_eq_nocase(word, "inf") || str_eq_nocase(word, "infinity")) {
        *ret = (word[0] | 32) == 'n' ? NAN : text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (n > 1 && strchr("dDfF", text[n - 1])) /* Java reads 1.0d */
        text[--n] = 0;
    if (strspn(text, "0123456789+-.eE") != n)
        return false;
    char *end;
    *ret = strtod(text, &end);
    return *end == 0;
}

enum number parse_number(const char *p, size_t n, const struct type *t, int128_t *ret)
{
    trim(&p, &n);
    size_t i = 0;
    bool negative = false, any = false, point = false;
    if (n && (p[0] == '-' || p[0] == '+'))
        negative = p[i++] == '-';
    int128_t v = 0;
    int scale = 0, dropped = 0; /* digits past 38: they only count */
    for (; i < n; i++) {
        unsigned d = (unsigned char)p[i] - '0';
        if (p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (d > 9)
            break;
        any = true;
        if (v > pow10_i128[37] - 1) {
            dropped += !point;
            continue;
        }
        v = v * 10 + (int)d;
        scale += point;
    }
    if (!any)
        return NUMBER_NONE;
    int exponent = 0;
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        int64_t e;
        if (!parse_i64(p + i + 1, n - i - 1, &e) || e != (int32_t)e)
            return NUMBER_NONE;
        exponent = e > 10000 ? 10000 : e < -10000 ? -10000 : (int)e;
        i = n;
    }
    if (i != n)
        return NUMBER_NONE;
    exponent += dropped;
    int whole = exponent - scale;
    for (int128_t left = v; left; left /= 10)
        whole++;
    if (v && whole > DECIMAL_PRECISION_MAX)
        return NUMBER_DIGITS;
    int128_t r;
    if (!decimal_rescale(v, scale - exponent, t->scale, &r) || !decimal_fits(r, t->precision))
        return NUMBER_RANGE;
    *ret = negative ? -r : r;
    return NUMBER_OK;
}

bool parse_decimal(const char *p, size_t n, const struct type *t, int128_t *ret)
{
    return parse_number(p, n, t, ret) == NUMBER_OK;
}

bool parse_bool(const char *p, size_t n, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"t", true}, {"yes", true}, {"y", true}, {"1", true},
                 {"false", false}, {"f", false}, {"no", false}, {"n", false}, {"0", false}};
    trim(&p, &n);
    char text[8];
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, p, n);
    text[n] = 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(text, words[i].word)) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

static bool digits(const char **p, const char *end, int min, int max, int64_t *ret)
{
    int n = 0;
    int64_t v = 0;
    while (*p < end && n < max && **p >= '0' && **p <= '9') {
        v = v * 10 + (**p - '0');
        ++*p;
        n++;
    }
    *ret = v;
    return n >= min && !(*p < end && **p >= '0' && **p <= '9');
}

/* [+-]yyyy[-m[m][-d[d]]]: what follows is left at *p. */
static bool civil(const char **p, const char *end, int32_t *ret)
{
    int sign = 1;
    if (*p < end && (**p == '-' || **p == '+'))
        sign = *(*p)++ == '-' ? -1 : 1;
    int64_t y, m = 1, d = 1;
    if (!digits(p, end, 4, 7, &y))
        return false;
    if (*p < end && **p == '-') {
        ++*p;
        if (!digits(p, end, 1, 2, &m))
            return false;
        if (*p < end && **p == '-') {
            ++*p;
            if (!digits(p, end, 1, 2, &d))
                return false;
        }
    }
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    y *= sign;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (m < 1 || m > 12 || d < 1 || d > lengths[m - 1] + (m == 2 && leap))
        return false;
    *ret = days_from_civil(y, (unsigned)m, (unsigned)d);
    return true;
}

bool parse_date(const char *p, size_t n, int32_t *ret)
{
    trim(&p, &n);
    const char *end = p + n;
    /* Spark takes anything after a T or a blank. */
    return civil(&p, end, ret) && (p == end || *p == ' ' || *p == 'T');
}

/* h[:m[:s[.f]]] at *p, which is moved behind it; false when a field is out of its range. */
static bool clock_at(const char **at, const char *end, int64_t *ret_us, int *ret_fields)
{
    const char *p = *at;
    int64_t h = 0, m = 0, s = 0, us = 0;
    *ret_fields = 1;
    if (!digits(&p, end, 1, 2, &h))
        return false;
    if (p < end && *p == ':') {
        p++;
        ++*ret_fields;
        if (!digits(&p, end, 1, 2, &m))
            return false;
        if (p < end && *p == ':') {
            p++;
            if (!digits(&p, end, 1, 2, &s))
                return false;
            if (p < end && *p == '.') {
                p++;
                int64_t unit = 100000;
                for (; p < end && *p >= '0' && *p <= '9'; p++, unit /= 10)
                    us += (*p - '0') * unit;
            }
        }
    }
    *at = p;
    *ret_us = (h * 3600 + m * 60 + s) * 1000000 + us;
    return h <= 23 && m <= 59 && s <= 59;
}

bool parse_time_of_day(const char *p, size_t n, int64_t *ret_us)
{
    trim(&p, &n);
    const char *end = p + n;
    int fields;
    if (p < end && *p == 'T')
        p++;
    return clock_at(&p, end, ret_us, &fields) && fields > 1 && p == end;
}

bool parse_timestamp(const char *p, size_t n, bool with_zone, const struct zone *zone, int64_t *ret_us)
{
    trim(&p, &n);
    const char *end = p + n;
    int32_t days;
    int64_t clock = 0;
    int fields;
    if (!civil(&p, end, &days))
        return false;
    if (p < end && (*p == ' ' || *p == 'T')) {
        p++;
        if (!clock_at(&p, end, &clock, &fields))
            return false;
    }
    int64_t local;
    if (__builtin_mul_overflow((int64_t)days, 86400000000, &local) || __builtin_add_overflow(local, clock, &local))
        return false;
    while (p < end && *p == ' ')
        p++;
    const struct zone *z = zone;
    if (p < end) {
        char name[64];
        size_t len = (size_t)(end - p);
        if (len >= sizeof name)
            return false;
        memcpy(name, p, len);
        name[len] = 0;
        struct error err = ERROR_INIT;
        if (zone_find(name, &z, &err) != 0) {
            error_fini(&err);
            return false;
        }
    }
    *ret_us = with_zone ? zone_to_utc_us(z, local) : local;
    return true;
}

/* INTERVAL '...' UNIT [TO UNIT]: the quoted part, when the units are those of t. */
static bool interval_literal(const char **p, size_t *n, const struct type *t, bool *ret_negative)
{
    const char *open = memchr(*p, '\'', *n), *close = open ? memchr(open + 1, '\'', (size_t)(*p + *n - open - 1)) : NULL;
    if (!close)
        return false;
    const char *head = *p + 8;
    while (head < open && *head == ' ')
        head++;
    *ret_negative = head < open && *head == '-';
    if (head + (*head == '-' || *head == '+') != open)
        return false;
    static const char *const ym[] = {"YEAR", "MONTH"}, *const dt[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
    const char *const *names = t->id == TYPE_INTERVAL_YM ? ym : dt;
    char want[64], have[64];
    struct buf b = BUF_INIT;
    buf_addf(&b, t->interval_from == t->interval_to ? "%s" : "%s TO %s", names[t->interval_from], names[t->interval_to]);
    memcpy(want, b.data, b.bytes + 1);
    buf_fini(&b);
    const char *rest = close + 1;
    size_t left = (size_t)(*p + *n - rest);
    trim(&rest, &left);
    if (left >= sizeof have)
        return false;
    memcpy(have, rest, left);
    have[left] = 0;
    *p = open + 1;
    *n = (size_t)(close - open - 1);
    return str_eq_nocase(want, have);
}

bool parse_interval(const char *p, size_t n, const struct type *t, int64_t *ret)
{
    static const int64_t unit[] = {86400000000, 3600000000, 60000000, 1000000};
    trim(&p, &n);
    bool negative = false;
    if (n > 9 && strncasecmp(p, "interval", 8) == 0 && !interval_literal(&p, &n, t, &negative))
        return false;
    trim(&p, &n);
    const char *end = p + n;
    if (p < end && (*p == '-' || *p == '+'))
        negative ^= *p++ == '-';
    int128_t total = 0;
    bool ym = t->id == TYPE_INTERVAL_YM;
    for (unsigned f = t->interval_from; f <= t->interval_to; f++) {
        if (f > t->interval_from) {
            char sep = ym ? '-' : f == 1 ? ' ' : ':';
            if (p >= end || *p++ != sep)
                return false;
            while (sep == ' ' && p < end && *p == ' ')
                p++;
        }
        int64_t v = 0;
        int digits_seen = 0;
        for (; p < end && *p >= '0' && *p <= '9' && digits_seen < 18; p++, digits_seen++)
            v = v * 10 + (*p - '0');
        if (digits_seen == 0)
            return false;
        if (f > t->interval_from && v > (ym ? 11 : f == 1 ? 23 : 59))
            return false;
        total += ym ? (int128_t)v * (f == 0 ? 12 : 1) : (int128_t)v * unit[f];
        if (!ym && f == 3 && p < end && *p == '.') {
            p++;
            for (int64_t scale = 100000; p < end && *p >= '0' && *p <= '9'; p++, scale /= 10)
                total += (*p - '0') * scale;
        }
    }
    if (p != end)
        return false;
    total = negative ? -total : total;
    if (ym ? total != (int32_t)total : total != (int64_t)total)
        return false;
    *ret = (int64_t)total;
    return true;
}
