/* Text of values as Spark's SQL shell shows them; see column.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/col/column.h"

int64_t (*column_zone_local_fn)(const struct zone *zone, int64_t utc_us);

/*
 * The shortest digits that read back as the same number, the closest of these, but not fewer than two: Java since 19
 * prints those. Any decimal of up to 15 digits (float: 6) survives the way to a normal number and back, so 15 digits
 * without the zeros at their end are the shortest if they read back at all; subnormal numbers have less to tell and
 * are tried from two digits up.
 */
static void shortest(double v, bool is_float, char *digits, int *ret_count, int *ret_exp)
{
    char text[40];
    int max = is_float ? 9 : 17;
    bool normal = v >= (is_float ? FLT_MIN : DBL_MIN);
    for (int p = !normal ? 2 : is_float ? 6 : 15; p <= max; p++) {
        snprintf(text, sizeof text, "%.*e", p - 1, v);
        if (is_float ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
            break;
    }
    int n = 0;
    char *e = strchr(text, 'e');
    for (char *c = text; c < e; c++) {
        if (*c != '.')
            digits[n++] = *c;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *ret_count = n;
    *ret_exp = (int)strtol(e + 1, NULL, 10);
}

static void format_real(double v, bool is_float, struct buf *out)
{
    if (isnan(v)) {
        buf_adds(out, "NaN");
        return;
    }
    if (signbit(v)) {
        buf_addc(out, '-');
        v = -v;
    }
    if (isinf(v)) {
        buf_adds(out, "Infinity");
        return;
    }
    if (v == 0) {
        buf_adds(out, "0.0");
        return;
    }
    char digits[40];
    int n, exp;
    shortest(v, is_float, digits, &n, &exp);
    if (exp >= -3 && exp < 7) {
        if (exp < 0) {
            buf_adds(out, "0.");
            for (int i = -1; i > exp; i--)
                buf_addc(out, '0');
            buf_add(out, digits, (size_t)n);
            return;
        }
        for (int i = 0; i <= exp; i++)
            buf_addc(out, i < n ? digits[i] : '0');
        buf_addc(out, '.');
        if (n > exp + 1)
            buf_add(out, digits + exp + 1, (size_t)(n - exp - 1));
        else
            buf_addc(out, '0');
        return;
    }
    buf_addc(out, digits[0]);
    buf_addc(out, '.');
    if (n > 1)
        buf_add(out, digits + 1, (size_t)(n - 1));
    else
        buf_addc(out, '0');
    buf_addf(out, "E%d", exp);
}

void format_double(double v, struct buf *out)
{
    format_real(v, false, out);
}

void format_float(float v, struct buf *out)
{
    format_real(v, true, out);
}

void format_decimal(int128_t unscaled, unsigned scale, struct buf *out)
{
    char digits[48];
    int n = 0;
    uint128_t u = unscaled < 0 ? -(uint128_t)unscaled : (uint128_t)unscaled;
    do {
        digits[n++] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u);
    while (n <= (int)scale)
        digits[n++] = '0';
    if (unscaled < 0)
        buf_addc(out, '-');
    while (n > 0) {
        if (n == (int)scale)
            buf_addc(out, '.');
        buf_addc(out, digits[--n]);
    }
}

void format_decimal_java(int128_t v, unsigned scale, struct buf *out)
{
    uint128_t u = v < 0 ? -(uint128_t)v : (uint128_t)v;
    char digits[48];
    int n = 0;
    do {
        digits[n++] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u);
    int exponent = n - 1 - (int)scale;
    if (exponent >= -6) {
        format_decimal(v, scale, out);
        return;
    }
    if (v < 0)
        buf_addc(out, '-');
    buf_addc(out, digits[--n]);
    if (n > 0)
        buf_addc(out, '.');
    while (n > 0)
        buf_addc(out, digits[--n]);
    buf_addf(out, "E%d", exponent);
}

/* ---- the proleptic Gregorian calendar (Howard Hinnant's days_from_civil, 400-year eras) ---- */

int32_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (int32_t)(era * 146097 + (int64_t)doe - 719468);
}

/* The whole range of days; H. Hinnant's chrono-compatible algorithm. */
static void civil_slow(int32_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = (int64_t)days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *ret_day = doy - (153 * mp + 2) / 5 + 1;
    *ret_month = mp < 10 ? mp + 3 : mp - 9;
    *ret_year = (int64_t)yoe + era * 400 + (*ret_month <= 2);
}

/*
 * C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022): divisions
 * by multiplication. Within 2^28 days of 1970, some 700,000 years; years begin in March and are shifted by 82 * 400.
 */
void civil_from_days(int32_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    enum { RANGE = 1 << 28, CYCLES = 2000, SHIFT_DAYS = 719468 + 146097 * CYCLES, SHIFT_YEARS = 400 * CYCLES };
    if (UNLIKELY(days <= -RANGE || days >= RANGE)) {
        civil_slow(days, ret_year, ret_month, ret_day);
        return;
    }
    uint64_t n = 4 * (uint64_t)(uint32_t)(days + SHIFT_DAYS) + 3;
    uint64_t century = n / 146097;
    uint32_t of_century = (uint32_t)(n % 146097) / 4;
    uint64_t product = 2939745 * (uint64_t)(4 * of_century + 3);
    uint32_t year = (uint32_t)(product >> 32), of_year = (uint32_t)product / 2939745 / 4;
    uint32_t month_day = 2141 * of_year + 197913;
    uint32_t month = month_day >> 16;
    bool next = of_year >= 306; /* January and February belong to the year that follows */
    *ret_year = (int64_t)(100 * century + year) - SHIFT_YEARS + next;
    *ret_month = next ? month - 12 : month;
    *ret_day = (month_day & 0xFFFF) / 2141 + 1;
}

void format_date(int32_t days, struct buf *out)
{
    int64_t y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    buf_addf(out, "%s%04lld-%02u-%02u", y > 9999 ? "+" : y < 0 ? "-" : "", (long long)(y < 0 ? -y : y), m, d);
}

void format_timestamp(int64_t us, struct buf *out)
{
    const int64_t day = 86400000000;
    int64_t rest = floor_mod(us, day);
    format_date((int32_t)floor_div(us, day), out);
    int64_t s = rest / 1000000, frac = rest % 1000000;
    buf_addf(out, " %02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    if (frac) {
        char text[16];
        snprintf(text, sizeof text, ".%06d", (int)frac);
        for (int n = 6; text[n] == '0'; n--)
            text[n] = 0;
        buf_adds(out, text);
    }
}

static void add_second(uint64_t us, bool pad, struct buf *out)
{
    buf_addf(out, pad ? "%02llu" : "%llu", (unsigned long long)(us / 1000000));
    if (us % 1000000) {
        char text[16];
        snprintf(text, sizeof text, ".%06d", (int)(us % 1000000));
        for (int n = 6; text[n] == '0'; n--)
            text[n] = 0;
        buf_adds(out, text);
    }
}

void format_interval(const struct type *t, int64_t value, struct buf *out)
{
    bool negative = value < 0;
    uint64_t v = negative ? -(uint64_t)value : (uint64_t)value;
    buf_adds(out, "INTERVAL '");
    if (negative)
        buf_addc(out, '-');
    unsigned from = t->interval_from, to = t->interval_to;
    if (t->id == TYPE_INTERVAL_YM) {
        if (from == 0)
            buf_addf(out, "%llu", (unsigned long long)(v / 12));
        if (from != to)
            buf_addc(out, '-');
        if (to == 1)
            buf_addf(out, "%llu", (unsigned long long)(from == 0 ? v % 12 : v));
        buf_addf(out, "' %s", from == to ? (from ? "MONTH" : "YEAR") : "YEAR TO MONTH");
        return;
    }
    static const char *const names[] = {"DAY", "HOUR", "MINUTE", "SECOND"};
    static const uint64_t unit[] = {86400000000, 3600000000, 60000000, 1000000};
    for (unsigned f = from; f <= to; f++) {
        if (f > from)
            buf_addc(out, f == 1 ? ' ' : ':');
        if (f == 3)
            add_second(v, true, out);
        else
            buf_addf(out, f > 0 ? "%02llu" : "%llu", (unsigned long long)(v / unit[f]));
        v %= unit[f];
    }
    buf_addf(out, "' %s", names[from]);
    if (from != to)
        buf_addf(out, " TO %s", names[to]);
}

/* "1-2" and "1 02:03:04.500000000", whatever the units of the type. */
static void format_interval_shell(const struct type *t, int64_t value, struct buf *out)
{
    uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
    buf_adds(out, value < 0 ? "-" : "");
    if (t->id == TYPE_INTERVAL_YM) {
        buf_addf(out, "%llu-%llu", (unsigned long long)(v / 12), (unsigned long long)(v % 12));
        return;
    }
    uint64_t s = v / 1000000;
    buf_addf(out, "%llu %02u:%02u:%02u.%06u000", (unsigned long long)(s / 86400), (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
             (unsigned)(s % 60), (unsigned)(v % 1000000));
}

static void format_at(const struct column *col, uint32_t at, const struct zone *zone, const char *null_text, bool shell,
                      struct buf *out);

/* A value inside another: the shell quotes texts there. */
static void format_child(const struct column *child, uint32_t at, const struct zone *zone, bool shell, struct buf *out)
{
    at = column_idx(child, at);
    bool quote = shell && child->type->id == TYPE_STRING && !(child->nulls && child->nulls[at]);
    buf_adds(out, quote ? "\"" : "");
    format_at(child, at, zone, "null", shell, out);
    buf_adds(out, quote ? "\"" : "");
}

/* shell: as the SQL shell shows it, else as a cast to string makes it. They differ in intervals and nested values. */
static void format_at(const struct column *col, uint32_t at, const struct zone *zone, const char *null_text, bool shell,
                      struct buf *out)
{
    if (col->nulls && col->nulls[at]) {
        buf_adds(out, null_text);
        return;
    }
    const struct type *t = col->type;
    int64_t v = 0;
    switch (col->phys) {
    case PHYS_BOOL: v = ((const uint8_t *)col->data)[at]; break;
    case PHYS_I8: v = ((const int8_t *)col->data)[at]; break;
    case PHYS_I16: v = ((const int16_t *)col->data)[at]; break;
    case PHYS_I32: v = ((const int32_t *)col->data)[at]; break;
    case PHYS_I64: v = ((const int64_t *)col->data)[at]; break;
    default: break;
    }
    switch (t->id) {
    case TYPE_NULL: buf_adds(out, null_text); return;
    case TYPE_BOOLEAN: buf_adds(out, v ? "true" : "false"); return;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: buf_addf(out, "%lld", (long long)v); return;
    case TYPE_FLOAT: format_float(((const float *)col->data)[at], out); return;
    case TYPE_DOUBLE: format_double(((const double *)col->data)[at], out); return;
    case TYPE_DECIMAL:
        format_decimal(col->phys == PHYS_I64 ? (int128_t)v : ((const int128_t *)col->data)[at], t->scale, out);
        return;
    case TYPE_STRING:
    case TYPE_BINARY: {
        const struct strview *s = (const struct strview *)col->data + at;
        buf_add(out, strview_data(s), s->bytes);
        return;
    }
    case TYPE_DATE: format_date((int32_t)v, out); return;
    case TYPE_TIMESTAMP:
        format_timestamp(zone && column_zone_local_fn ? column_zone_local_fn(zone, v) : v, out);
        return;
    case TYPE_TIMESTAMP_NTZ: format_timestamp(v, out); return;
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DT: (shell ? format_interval_shell : format_interval)(t, v, out); return;
    case TYPE_STRUCT:
        buf_addc(out, '{');
        for (uint32_t i = 0; i < t->child_count; i++) {
            buf_adds(out, !i ? "" : shell ? "," : ", ");
            if (shell)
                buf_addf(out, "\"%s\":", t->names[i]);
            format_child(&col->children[i], at, zone, shell, out);
        }
        buf_addc(out, '}');
        return;
    case TYPE_ARRAY:
    case TYPE_MAP: {
        struct listview lv = ((const struct listview *)col->data)[at];
        buf_addc(out, t->id == TYPE_ARRAY ? '[' : '{');
        for (uint32_t k = 0; k < lv.count; k++) {
            buf_adds(out, !k ? "" : shell ? "," : ", ");
            for (uint32_t i = 0; i < t->child_count; i++) {
                buf_adds(out, !i ? "" : shell ? ":" : " -> ");
                format_child(&col->children[i], lv.offset + k, zone, shell, out);
            }
        }
        buf_addc(out, t->id == TYPE_ARRAY ? ']' : '}');
        return;
    }
    case TYPE_ID_COUNT: break;
    }
    UNREACHABLE("a type of the enum");
}

void column_format(const struct column *col, uint32_t row, const struct zone *zone, const char *null_text,
                   struct buf *out)
{
    format_at(col, column_idx(col, row), zone, null_text, false, out);
}

void column_format_shell(const struct column *col, uint32_t row, const struct zone *zone, const char *null_text,
                         struct buf *out)
{
    format_at(col, column_idx(col, row), zone, null_text, true, out);
}
