/* What the kernels of several families share: reading arguments, making result strings. */
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/base/utf8.h"
#include "common/expr/fn.h"

/* Arguments are FLAT or CONST in kernels. */
static inline uint32_t arg_idx(const struct column *col, uint32_t r)
{
    return col->kind == COL_CONST ? 0 : r;
}

static inline const struct strview *arg_text(const struct column *col, uint32_t r)
{
    return (const struct strview *)col->data + arg_idx(col, r);
}

/* Microseconds. */
static const int64_t US_DAY = 86400000000, US_HOUR = 3600000000, US_MINUTE = 60000000, US_SECOND = 1000000;

/* The same day so many months later, or the last one where the month is shorter (fn_date.c). */
int32_t days_add_months(int32_t days, int64_t months);

static inline bool is_timestamp(const struct type *t)
{
    return t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_NTZ;
}

/* Booleans, integers, dates, timestamps, intervals and narrow decimals. */
static inline int64_t arg_i64(const struct column *col, uint32_t r)
{
    uint32_t at = arg_idx(col, r);
    switch (col->phys) {
    case PHYS_BOOL:
    case PHYS_I8: return ((const int8_t *)col->data)[at];
    case PHYS_I16: return ((const int16_t *)col->data)[at];
    case PHYS_I32: return ((const int32_t *)col->data)[at];
    default: return ((const int64_t *)col->data)[at];
    }
}

static inline int128_t arg_i128(const struct column *col, uint32_t r)
{
    return col->phys == PHYS_I128 ? ((const int128_t *)col->data)[arg_idx(col, r)] : (int128_t)arg_i64(col, r);
}

static inline double arg_f64(const struct column *col, uint32_t r)
{
    return col->phys == PHYS_F32 ? (double)((const float *)col->data)[arg_idx(col, r)] : ((const double *)col->data)[arg_idx(col, r)];
}

static inline bool kernel_null(const struct kernel *k, uint32_t r)
{
    return k->nulls && k->nulls[r];
}

/* KERNEL_EACH_VALUE(k, r) { ... }: r runs over the live rows of which no argument that counts is null. */
#define KERNEL_EACH_VALUE(k, r)                                                                    \
    for (KERNEL_EACH(k, r))                                                                        \
        if (!kernel_null(k, r))

/* Makes row r null; *nulls is NULL until the first one. */
static inline void kernel_set_null(struct kernel *k, struct column *out, uint8_t **nulls, uint32_t r)
{
    if (!*nulls)
        *nulls = kernel_nulls(k, out);
    (*nulls)[r] = 1;
}

/* A result string: a copy of the bytes in the kernel's arena. */
static inline struct strview kernel_keep(struct kernel *k, const char *p, size_t bytes)
{
    uint32_t n = (uint32_t)bytes;
    if (n == 0)
        return (struct strview){0};
    return strview_make(n <= STRVIEW_INLINE ? p : arena_dup(k->ar, p, n), n);
}

/*
 * First place of needle in hay[0..n), or NULL. Texts of rows are short and needles too, where memmem's
 * preparation costs more than the search: 16 places at once are tested by their first and last byte.
 */
static inline const char *text_find(const char *hay, size_t n, const char *needle, size_t m)
{
    if (m == 0)
        return hay;
    if (m > n)
        return NULL;
    size_t i = 0, last = n - m;
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8(needle[0]), end = _mm_set1_epi8(needle[m - 1]);
    for (; i + 16 <= last + 1; i += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(hay + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(hay + i + m - 1));
        unsigned hits = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, end)));
        for (; hits; hits &= hits - 1) {
            const char *at = hay + i + __builtin_ctz(hits);
            if (m <= 2 || memcmp(at + 1, needle + 1, m - 2) == 0)
                return at;
        }
    }
#endif
    for (; i <= last; i++) {
        if (hay[i] == needle[0] && hay[i + m - 1] == needle[m - 1] && (m <= 2 || memcmp(hay + i + 1, needle + 1, m - 2) == 0))
            return hay + i;
    }
    return NULL;
}

/* ---- resolvers ---- */

int fn_cast_text(struct fn_call *c, uint32_t i, struct error *err);           /* to string */
int fn_cast_text_or_binary(struct fn_call *c, uint32_t i, struct error *err); /* binary stays */
/* All arguments to these types (the last repeats), a fixed result. */
int fn_cast_all(struct fn_call *c, const enum type_id *types, uint32_t count, const struct type *result, struct error *err);
/* "INT" with its quotes, as messages name types; appended. */
void fn_quoted_type(const struct type *t, struct buf *out);
/* DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES of the call. */
int fn_diff_types(struct fn_call *c, const struct type *a, const struct type *b, struct error *err);
/* DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE of the call, whose operands have one type. */
int fn_wrong_operands(struct fn_call *c, const char *required, struct error *err);
/* DATATYPE_MISMATCH.DATA_DIFF_TYPES of the arguments first, first + step, ... and the last one if so. */
int fn_data_diff_types(struct fn_call *c, const char *name, uint32_t first, uint32_t step, bool with_last, struct error *err);
/* The argument is not of a type that the function takes: DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE. */
int fn_wrong_arg(struct fn_call *c, uint32_t i, const char *required, struct error *err);
/* The constant value of argument i; an error when it has none. */
int fn_constant_arg(struct fn_call *c, uint32_t i, const char *name, struct value *ret, struct error *err);
/* The constant `name` has a value outside of the range: DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE. */
int fn_out_of_range(struct fn_call *c, const char *name, int64_t v, const char *range, struct error *err);
/* Replaces the call by name(args): what Spark calls a runtime-replaceable function. */
int fn_become(struct fn_call *c, const char *name, struct expr **args, uint32_t count, struct error *err);
/* Replaces the call by an expression that is bound already. */
void fn_become_expr(struct fn_call *c, struct expr *e);
