/*
 * Arithmetic of decimals: whole numbers of up to 38 digits with a scale, in 128 bits, exact through 256 where a step needs it,
 * rounded half up as Java's BigDecimal does for Spark. Thread: any.
 */
#pragma once

#include "common/col/column.h"

/* 10^n for n in 0..38. */
extern int128_t pow10_i128[39];
extern const int64_t pow10_i64[19];
/* v * 10^(to - from), rounded half up when to < from; false on overflow of 38 digits. */
bool decimal_rescale(int128_t v, int from, int to, int128_t *ret);
bool decimal_fits(int128_t v, unsigned precision);
const struct type *decimal_of_integral(const struct type *t);

enum arith { ARITH_ADD, ARITH_SUB, ARITH_MUL, ARITH_DIV, ARITH_REM, ARITH_IDIV, ARITH_PMOD };

/*
 * a op b of scales sa and sb as a value of type t (IDIV: a BIGINT). False when it does not fit: overflow is the caller's to judge. b is not
 * 0 for the operators from DIV on.
 */
bool decimal_arith(enum arith op, int128_t a, int sa, int128_t b, int sb, const struct type *t, int128_t *ret);
/* The text of a value that did not fit, in full, as Spark's errors have it; scale is that of the result's type. */
void decimal_overflown(enum arith op, int128_t a, int sa, int128_t b, int sb, int scale, struct buf *out);
