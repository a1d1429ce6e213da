/* See decimal.h. */
#include "common/expr/decimal.h"

const int64_t pow10_i64[19] = {1,
                               10,
                               100,
                               1000,
                               10000,
                               100000,
                               1000000,
                               10000000,
                               100000000,
                               1000000000,
                               10000000000,
                               100000000000,
                               1000000000000,
                               10000000000000,
                               100000000000000,
                               1000000000000000,
                               10000000000000000,
                               100000000000000000,
                               1000000000000000000};
int128_t pow10_i128[39];

__attribute__((constructor)) static void fill_pow10(void)
{
    pow10_i128[0] = 1;
    for (int i = 1; i < 39; i++)
        pow10_i128[i] = pow10_i128[i - 1] * 10;
}

bool decimal_fits(int128_t v, unsigned precision)
{
    return v < pow10_i128[precision] && v > -pow10_i128[precision];
}

bool decimal_rescale(int128_t v, int from, int to, int128_t *ret)
{
    if (to >= from) {
        int128_t r;
        if (to - from > 38 || __builtin_mul_overflow(v, pow10_i128[to - from], &r))
            return v == 0 ? (*ret = 0, true) : false;
        *ret = r;
        return decimal_fits(r, 38);
    }
    if (from - to > 38) {
        *ret = 0;
        return true;
    }
    int128_t d = pow10_i128[from - to], q = v / d, rest = v % d;
    if (rest < 0)
        rest = -rest;
    if (rest >= d - rest)
        q += v < 0 ? -1 : 1;
    *ret = q;
    return true;
}

const struct type *decimal_of_integral(const struct type *t)
{
    switch (t->id) {
    case TYPE_TINYINT: return type_decimal(3, 0);
    case TYPE_SMALLINT: return type_decimal(5, 0);
    case TYPE_INT: return type_decimal(10, 0);
    case TYPE_BIGINT: return type_decimal(20, 0);
    default: UNREACHABLE("an integral type");
    }
}

/* ---- one operation ---- */

/* (a * b) / 10^drop rounded half up, through 256 bits. False when it does not fit 38 digits. */
static bool mul_rescaled(int128_t a, int128_t b, int drop, int128_t *ret)
{
    int128_t r;
    if (!__builtin_mul_overflow(a, b, &r))
        return decimal_rescale(r, drop, 0, ret);
    bool negative = (a < 0) != (b < 0);
    uint128_t x = a < 0 ? -(uint128_t)a : (uint128_t)a, y = b < 0 ? -(uint128_t)b : (uint128_t)b;
    uint128_t x0 = (uint64_t)x, x1 = x >> 64, y0 = (uint64_t)y, y1 = y >> 64;
    uint128_t p00 = x0 * y0, p01 = x0 * y1, p10 = x1 * y0, p11 = x1 * y1;
    uint128_t mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10;
    uint64_t limb[4] = {(uint64_t)p00, (uint64_t)mid, 0, 0};
    uint128_t high = p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64);
    limb[2] = (uint64_t)high;
    limb[3] = (uint64_t)(high >> 64);
    uint64_t last = 0; /* the digits dropped, most significant first: only the first decides half up */
    for (int d = 0; d < drop; d++) {
        uint128_t rest = 0;
        for (int i = 3; i >= 0; i--) {
            uint128_t cur = rest << 64 | limb[i];
            limb[i] = (uint64_t)(cur / 10);
            rest = cur % 10;
        }
        last = (uint64_t)rest;
    }
    if (limb[2] || limb[3])
        return false;
    uint128_t v = (uint128_t)limb[1] << 64 | limb[0];
    v += last >= 5;
    if (v >= (uint128_t)pow10_i128[38])
        return false;
    *ret = negative ? -(int128_t)v : (int128_t)v;
    return true;
}

/* a * 10^up / b rounded half up (truncated when whole), by long division digit by digit past 128 bits. */
static bool div_scaled(int128_t a, int128_t b, int up, bool whole, int128_t *ret)
{
    bool negative = (a < 0) != (b < 0);
    uint128_t x = a < 0 ? -(uint128_t)a : (uint128_t)a, y = b < 0 ? -(uint128_t)b : (uint128_t)b;
    while (up < 0) { /* scale of the divisor larger: multiply it instead */
        if (y > (uint128_t)pow10_i128[37])
            break;
        y *= 10;
        up++;
    }
    while (up > 0 && x < (~(uint128_t)0) / 10) {
        x *= 10;
        up--;
    }
    uint128_t q = x / y, rest = x % y;
    for (; up > 0; up--) {
        if (q > (uint128_t)pow10_i128[37])
            return false;
        /* rest < y <= 10^38, so rest * 10 may pass 128 bits: take the digit by repeated subtraction. */
        unsigned digit = 0;
        uint128_t acc = 0;
        for (int i = 0; i < 10; i++) {
            if (acc >= y - rest) {
                acc -= y - rest;
                digit++;
            } else {
                acc += rest;
            }
        }
        q = q * 10 + digit;
        rest = acc;
    }
    if (!whole && rest >= y - rest)
        q++;
    if (q >= (uint128_t)pow10_i128[38])
        return false;
    *ret = negative ? -(int128_t)q : (int128_t)q;
    return true;
}

/* (a * 10^up_a) % (b * 10^up_b), of a's sign; one of the two is 0. */
static int128_t rem_scaled(int128_t a, int up_a, int128_t b, int up_b)
{
    uint128_t x = a < 0 ? -(uint128_t)a : (uint128_t)a, y = b < 0 ? -(uint128_t)b : (uint128_t)b;
    for (; up_b > 0; up_b--) {
        if (y > x) /* larger than any dividend already: the dividend is the rest */
            return a;
        y *= 10;
    }
    x %= y;
    for (; up_a > 0; up_a--) { /* x < y < 10^38: ten times x by addition, modulo y */
        uint128_t acc = 0;
        for (int i = 0; i < 10; i++)
            acc = acc >= y - x ? acc - (y - x) : acc + x;
        x = acc;
    }
    return a < 0 ? -(int128_t)x : (int128_t)x;
}

bool decimal_arith(enum arith op, int128_t a, int sa, int128_t b, int sb, const struct type *t, int128_t *ret)
{
    int s = t->id == TYPE_DECIMAL ? t->scale : 0, wide = sa > sb ? sa : sb;
    int128_t x, y, r;
    switch (op) {
    case ARITH_ADD:
    case ARITH_SUB:
        if (!decimal_rescale(a, sa, wide, &x) || !decimal_rescale(b, sb, wide, &y)) {
            /* only reachable when both scales differ hugely: drop to the result's scale first */
            if (!decimal_rescale(a, sa, s, &x) || !decimal_rescale(b, sb, s, &y))
                return false;
            wide = s;
        }
        if (op == ARITH_ADD ? __builtin_add_overflow(x, y, &r) : __builtin_sub_overflow(x, y, &r))
            return false;
        return decimal_rescale(r, wide, s, ret) && decimal_fits(*ret, t->precision);
    case ARITH_MUL: return mul_rescaled(a, b, sa + sb - s, ret) && decimal_fits(*ret, t->precision);
    case ARITH_DIV: return div_scaled(a, b, s - sa + sb, false, ret) && decimal_fits(*ret, t->precision);
    case ARITH_IDIV: return div_scaled(a, b, sb - sa, true, ret);
    case ARITH_REM:
    case ARITH_PMOD:
        r = rem_scaled(a, wide - sa, b, wide - sb);
        if (op == ARITH_PMOD && r < 0 && decimal_rescale(b, sb, wide, &y))
            r = (r + y) % y;
        return decimal_rescale(r, wide, s, ret) && decimal_fits(*ret, t->precision);
    }
    UNREACHABLE("an operator of the enum");
}

/* ---- what no register holds: messages alone need it ---- */

/* Decimal digits, the last first. */
struct digits {
    uint8_t at[240];
    int count;
};

static void digits_of(int128_t v, int zeros, struct digits *ret)
{
    uint128_t u = v < 0 ? -(uint128_t)v : (uint128_t)v;
    *ret = (struct digits){.count = zeros};
    for (; u; u /= 10)
        ret->at[ret->count++] = (uint8_t)(u % 10);
}

static void digits_multiply(const struct digits *a, const struct digits *b, struct digits *ret)
{
    *ret = (struct digits){.count = a->count + b->count};
    for (int i = 0; i < a->count; i++) {
        unsigned carry = 0;
        for (int j = 0; j < b->count || carry; j++) {
            carry += ret->at[i + j] + (j < b->count ? a->at[i] * b->at[j] : 0u);
            ret->at[i + j] = (uint8_t)(carry % 10);
            carry /= 10;
        }
    }
}

/* The sum, or the difference, a being the larger then. */
static void digits_add(const struct digits *a, const struct digits *b, bool minus, struct digits *ret)
{
    int carry = 0, n = a->count > b->count ? a->count : b->count;
    *ret = (struct digits){.count = n + 1};
    for (int i = 0; i <= n; i++) {
        int v = (i < a->count ? a->at[i] : 0) + (minus ? -1 : 1) * (i < b->count ? b->at[i] : 0) + carry;
        carry = v < 0 ? -1 : v / 10;
        ret->at[i] = (uint8_t)((v + 10) % 10);
    }
}

/* a / b, rounded half up. */
static void digits_divide(const struct digits *a, int128_t b, struct digits *ret)
{
    uint128_t y = b < 0 ? -(uint128_t)b : (uint128_t)b, rest = 0;
    struct digits q = {.count = a->count}, one = {.at = {1}, .count = 1};
    for (int i = a->count - 1; i >= 0; i--) {
        uint128_t low = a->at[i];
        for (int n = 0; n < 10; n++) { /* ten times the rest, modulo y */
            if (low >= y - rest) {
                low -= y - rest;
                q.at[i]++;
            } else {
                low += rest;
            }
        }
        rest = low;
        for (; rest >= y; rest -= y)
            q.at[i]++;
    }
    if (rest >= y - rest)
        digits_add(&q, &one, false, ret);
    else
        *ret = q;
}

/* Java keeps 39 digits of a product: the rest is rounded away. */
static void digits_round(struct digits *d, int keep)
{
    while (d->count > 0 && d->at[d->count - 1] == 0)
        d->count--;
    int drop = d->count - keep;
    if (drop <= 0)
        return;
    struct digits one = {.count = drop + 1}, sum;
    one.at[drop] = 1;
    bool up = d->at[drop - 1] >= 5;
    memset(d->at, 0, (size_t)drop);
    if (up) {
        digits_add(d, &one, false, &sum);
        *d = sum;
    }
}

static void digits_text(const struct digits *d, bool negative, int scale, struct buf *out)
{
    int n = d->count;
    while (n > scale + 1 && d->at[n - 1] == 0)
        n--;
    buf_adds(out, negative ? "-" : "");
    for (int i = n > scale ? n - 1 : scale; i >= 0; i--) {
        buf_addc(out, (char)('0' + (i < n ? d->at[i] : 0)));
        if (i == scale && i > 0)
            buf_addc(out, '.');
    }
}

void decimal_overflown(enum arith op, int128_t a, int sa, int128_t b, int sb, int scale, struct buf *out)
{
    struct digits x, y, r;
    int wide = sa > sb ? sa : sb;
    bool negative = (a < 0) != (b < 0);
    if (op == ARITH_MUL) {
        digits_of(a, 0, &x);
        digits_of(b, 0, &y);
        digits_multiply(&x, &y, &r);
        digits_round(&r, 39);
        int drop = 0; /* rounded digits are not shown */
        while (drop < sa + sb && r.count > 39 && drop < r.count - 39)
            drop++;
        memmove(r.at, r.at + drop, sizeof r.at - (size_t)drop);
        r.count -= drop;
        digits_text(&r, negative, sa + sb - drop, out);
    } else if (op == ARITH_ADD || op == ARITH_SUB) {
        bool minus = (a < 0) != ((op == ARITH_SUB) != (b < 0));
        digits_of(a, wide - sa, &x);
        digits_of(b, wide - sb, &y);
        digits_add(&x, &y, minus, &r); /* what overflows has operands of one sign, or the first is the larger */
        digits_text(&r, a < 0, wide, out);
    } else {
        digits_of(a, scale - sa + sb > 0 ? scale - sa + sb : 0, &x);
        digits_divide(&x, b, &r);
        digits_text(&r, negative, scale, out);
    }
}
