/* See convert.h. */
#include "common/format/parquet/convert.h"

#include "common/format/parquet/decode.h"

static int mismatch(const char *path, const struct pq_node *n, const struct type *t, struct error *err)
{
    static const char *const notes[] = {
        [PQL_STRING] = " (STRING)", [PQL_DECIMAL] = " (DECIMAL)", [PQL_DATE] = " (DATE)",
        [PQL_TIMESTAMP_MILLIS] = " (TIMESTAMP)", [PQL_TIMESTAMP_MICROS] = " (TIMESTAMP)",
        [PQL_TIMESTAMP_NANOS] = " (TIMESTAMP)", [PQL_UUID] = " (UUID)"};
    char actual[96];
    const char *note = (unsigned)n->logical < ARRAY_LEN(notes) && notes[n->logical] ? notes[n->logical] : "";
    if (!n->is_leaf)
        memcpy(actual, "a group", 8);
    else
        memcpy(stpcpy(actual, pq_phys_name(n->phys)), note, strlen(note) + 1);
    return error_set(err, ERR_FILE_TYPE, "path", path, "column", n->name, "actualType", actual, "expectedType", t->text,
                     NULL);
}

static int128_t pow10_128(unsigned n)
{
    int128_t v = 1;
    while (n--)
        v *= 10;
    return v;
}

static bool decimal_conv(const struct pq_node *n, const struct type *t, struct pq_conv *cv)
{
    unsigned precision, scale = 0;
    if (n->logical == PQL_DECIMAL) {
        precision = n->precision;
        scale = n->scale;
    } else if (n->logical == PQL_UINT64) {
        precision = 20;
    } else if (n->phys == PQ_INT32 && (n->logical == PQL_NONE || (n->logical >= PQL_INT8 && n->logical <= PQL_INT32))) {
        precision = 10;
    } else if (n->phys == PQ_INT64 && (n->logical == PQL_NONE || n->logical == PQL_INT64)) {
        precision = 19; /* any int64 fits into 19 digits */
    } else {
        return false;
    }
    if (t->scale < scale || t->precision - t->scale < (int)(precision - scale))
        return false;
    cv->mul = pow10_128(t->scale - scale);
    bool wide = type_phys(t) == PHYS_I128;
    switch (n->phys) {
    case PQ_INT32:
        cv->raw = PQ_RAW_4;
        cv->op = wide ? PQ_CONV_I32_I128 : PQ_CONV_I32_I64;
        break;
    case PQ_INT64:
        cv->raw = PQ_RAW_8;
        cv->op = n->logical == PQL_UINT64 ? PQ_CONV_U64_I128 : wide ? PQ_CONV_I64_I128 : PQ_CONV_I64_MUL;
        if (cv->op == PQ_CONV_I64_MUL && cv->mul == 1)
            cv->op = PQ_CONV_NONE;
        break;
    default:
        cv->raw = PQ_RAW_VIEW;
        cv->op = wide ? PQ_CONV_VIEW_I128 : PQ_CONV_VIEW_I64;
    }
    return true;
}

int pq_conv_choose(const char *path, const struct pq_node *n, const struct type *t, struct pq_conv *ret,
                   struct error *err)
{
    struct pq_conv cv = {.raw = PQ_RAW_4, .op = PQ_CONV_NONE, .phys = type_phys(t), .mul = 1};
    bool ok = false, int32 = n->phys == PQ_INT32 && n->logical != PQL_DECIMAL && n->logical != PQL_DATE &&
                             n->logical != PQL_TIME;
    bool time64 = n->logical >= PQL_TIMESTAMP_MILLIS && n->logical <= PQL_TIMESTAMP_NANOS;
    if (!n->is_leaf)
        return mismatch(path, n, t, err);
    switch (t->id) {
    case TYPE_BOOLEAN:
        cv.raw = PQ_RAW_BOOL;
        ok = n->phys == PQ_BOOLEAN;
        break;
    case TYPE_TINYINT:
        cv.op = PQ_CONV_I32_I8;
        ok = int32;
        break;
    case TYPE_SMALLINT:
        cv.op = PQ_CONV_I32_I16;
        ok = int32;
        break;
    case TYPE_INT:
        ok = int32 && n->logical != PQL_UINT32;
        break;
    case TYPE_BIGINT:
        if (n->phys == PQ_INT64) {
            cv.raw = PQ_RAW_8;
            ok = n->logical == PQL_NONE || n->logical == PQL_INT64;
        } else {
            cv.op = n->logical == PQL_UINT32 ? PQ_CONV_U32_I64 : PQ_CONV_I32_I64;
            ok = int32;
        }
        break;
    case TYPE_FLOAT:
        ok = n->phys == PQ_FLOAT;
        if (n->logical == PQL_FLOAT16) {
            cv.raw = PQ_RAW_VIEW;
            cv.op = PQ_CONV_FLOAT16;
            ok = true;
        }
        break;
    case TYPE_DOUBLE:
        ok = true;
        if (n->phys == PQ_DOUBLE)
            cv.raw = PQ_RAW_8;
        else if (n->phys == PQ_FLOAT)
            cv.op = PQ_CONV_F32_F64;
        else if (int32 && n->logical != PQL_UINT32)
            cv.op = PQ_CONV_I32_F64;
        else
            ok = false;
        break;
    case TYPE_DECIMAL:
        ok = decimal_conv(n, t, &cv);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        cv.raw = PQ_RAW_VIEW;
        ok = (n->phys == PQ_BYTE_ARRAY || n->phys == PQ_FIXED) && n->logical != PQL_DECIMAL &&
             n->logical != PQL_FLOAT16 && n->logical != PQL_INTERVAL;
        break;
    case TYPE_DATE:
        ok = n->logical == PQL_DATE;
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        if (n->phys == PQ_INT96) {
            cv.raw = PQ_RAW_VIEW;
            cv.op = PQ_CONV_INT96;
            ok = true;
        } else if (n->logical == PQL_DATE && t->id == TYPE_TIMESTAMP_NTZ) {
            cv.op = PQ_CONV_I32_I64;
            cv.mul = 86400000000ll;
            ok = true;
        } else if (time64) {
            cv.raw = PQ_RAW_8;
            cv.op = n->logical == PQL_TIMESTAMP_MILLIS   ? PQ_CONV_I64_MUL
                    : n->logical == PQL_TIMESTAMP_MICROS ? PQ_CONV_NONE
                                                         : PQ_CONV_I64_DIV;
            cv.mul = 1000;
            ok = t->id == TYPE_TIMESTAMP || !n->utc;
        }
        break;
    default:
        break;
    }
    if (!ok)
        return mismatch(path, n, t, err);
    *ret = cv;
    return 0;
}

/* Big-endian two's complement of any length; false when it needs more than 128 bits. */
static bool be_int128(const uint8_t *p, uint32_t bytes, int128_t *ret)
{
    uint8_t sign = bytes && p[0] & 0x80 ? 0xff : 0;
    while (bytes > 16) {
        if (*p != sign)
            return false;
        p++;
        bytes--;
        if (bytes == 16 && (*p & 0x80) != (sign & 0x80))
            return false;
    }
    uint128_t v = sign ? ~(uint128_t)0 : 0;
    for (uint32_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    *ret = (int128_t)v;
    return true;
}

static float float16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, frac = h & 0x3ff, bits;
    if (exp == 0) {
        float f = (float)frac / 16777216.0f; /* 2^-24 */
        return sign ? -f : f;
    }
    bits = sign | (exp == 31 ? 0x7f800000u : (exp + 112) << 23) | frac << 13;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* Nanoseconds of the day and Julian day number; Spark wraps at the edges of its range, too. */
static int64_t int96(const uint8_t *p)
{
    uint64_t nanos;
    int32_t day;
    memcpy(&nanos, p, 8);
    memcpy(&day, p + 8, 4);
    return (int64_t)((uint64_t)((int64_t)day - 2440588) * 86400000000ull + (uint64_t)((int64_t)nanos / 1000));
}

static inline int64_t div_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

#define EACH(body)                                                                                 \
    do {                                                                                           \
        if (sel)                                                                                   \
            for (uint32_t k = 0; k < count; k++) {                                                 \
                uint32_t i = sel[k];                                                               \
                body;                                                                              \
            }                                                                                      \
        else                                                                                       \
            for (uint32_t i = 0; i < count; i++) {                                                 \
                body;                                                                              \
            }                                                                                      \
    } while (0)

PQ_HOT bool pq_convert(const struct pq_conv *cv, const void *raw, void *out, const uint16_t *sel, uint32_t count)
{
    const int32_t *i32 = raw;
    const int64_t *i64 = raw;
    const float *f32 = raw;
    const struct strview *view = raw;
    int64_t *o64 = out;
    int128_t *o128 = out, v;
    int64_t mul = (int64_t)cv->mul;
    bool over = false;
    switch (cv->op) {
    case PQ_CONV_NONE:
        UNREACHABLE("nothing to convert");
    case PQ_CONV_I32_I8:
        EACH(((int8_t *)out)[i] = (int8_t)i32[i]);
        break;
    case PQ_CONV_I32_I16:
        EACH(((int16_t *)out)[i] = (int16_t)i32[i]);
        break;
    case PQ_CONV_I32_I64:
        EACH(over |= __builtin_mul_overflow((int64_t)i32[i], mul, &o64[i]));
        break;
    case PQ_CONV_U32_I64:
        EACH(o64[i] = (uint32_t)i32[i]);
        break;
    case PQ_CONV_I32_F64:
        EACH(((double *)out)[i] = i32[i]);
        break;
    case PQ_CONV_I32_I128:
        EACH(over |= __builtin_mul_overflow((int128_t)i32[i], cv->mul, &o128[i]));
        break;
    case PQ_CONV_I64_MUL:
        EACH(over |= __builtin_mul_overflow(i64[i], mul, &o64[i]));
        break;
    case PQ_CONV_I64_DIV:
        EACH(o64[i] = div_floor(i64[i], mul));
        break;
    case PQ_CONV_I64_I128:
        EACH(over |= __builtin_mul_overflow((int128_t)i64[i], cv->mul, &o128[i]));
        break;
    case PQ_CONV_U64_I128:
        EACH(over |= __builtin_mul_overflow((int128_t)(uint64_t)i64[i], cv->mul, &o128[i]));
        break;
    case PQ_CONV_F32_F64:
        EACH(((double *)out)[i] = f32[i]);
        break;
    case PQ_CONV_VIEW_I64:
        EACH({
            if (!be_int128((const uint8_t *)strview_data(&view[i]), view[i].bytes, &v) || v != (int64_t)v)
                return false;
            over |= __builtin_mul_overflow((int64_t)v, mul, &o64[i]);
        });
        break;
    case PQ_CONV_VIEW_I128:
        EACH({
            if (!be_int128((const uint8_t *)strview_data(&view[i]), view[i].bytes, &v))
                return false;
            over |= __builtin_mul_overflow(v, cv->mul, &o128[i]);
        });
        break;
    case PQ_CONV_INT96:
        EACH(o64[i] = int96((const uint8_t *)strview_data(&view[i])));
        break;
    case PQ_CONV_FLOAT16:
        EACH({
            uint16_t h;
            memcpy(&h, view[i].inl, 2);
            ((float *)out)[i] = float16(h);
        });
        break;
    }
    return !over;
}
