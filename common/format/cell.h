/*
 * One value of a text file and its bytes: reading as Spark's CSV and JSON readers convert (stricter than casts: no
 * blanks around numbers), writing as its writers do. Thread: any.
 */
#pragma once

#include "common/col/column.h"
#include "common/format/text_options.h"

/* Each false when the bytes are no such value. */
bool cell_parse_long_integer(const char *p, size_t bytes, const struct type *t, int64_t *ret);
extern const int64_t cell_integer_max[TYPE_ID_COUNT];
static inline bool cell_parse_integer(const char *p, size_t bytes, const struct type *t, int64_t *ret) /* TINYINT to BIGINT */
{
    const char *end = p + bytes;
    uint64_t v = 0;
    if (UNLIKELY(bytes > 18 || bytes == 0))
        return cell_parse_long_integer(p, bytes, t, ret);
    bool negative = *p == '-';
    p += negative || *p == '+';
    if (p == end)
        return false;
    do {
        unsigned d = (unsigned char)*p - '0';
        if (d > 9)
            return false;
        v = v * 10 + d;
    } while (++p < end);
    *ret = negative ? (int64_t)-v : (int64_t)v;
    return v <= (uint64_t)cell_integer_max[t->id] + negative;
}
bool cell_parse_f64(const char *p, size_t bytes, double *ret);  /* as Java's Double.parseDouble */
bool cell_parse_f32(const char *p, size_t bytes, float *ret);
bool cell_parse_decimal(const char *p, size_t bytes, const struct type *t, int128_t *ret); /* commas mean nothing */
bool cell_parse_bool(const char *p, size_t bytes, bool *ret); /* true, false */
bool cell_parse_date(const struct text_options *o, const char *p, size_t bytes, int32_t *ret);
bool cell_parse_timestamp(const struct text_options *o, const char *p, size_t bytes, int64_t *ret);
bool cell_parse_ntz(const struct text_options *o, const char *p, size_t bytes, int64_t *ret);

/* Valid UTF-8 as Java decodes it: the bytes of the valid prefix. */
size_t utf8_valid(const char *p, size_t bytes);
/* Appends the bytes with every fault replaced by U+FFFD, as Java decodes. */
void utf8_repair(const char *p, size_t bytes, struct buf *out);
/* Whether any byte has its high bit set. */
bool bytes_not_ascii(const char *p, size_t bytes);

/* The value at `at` of a flat column, as the writers put it, without quotes; appended. Not for nested types. */
void cell_format(const struct text_options *o, const struct column *col, uint32_t at, struct buf *out);
