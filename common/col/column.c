/* Columns: decoding of their encodings, gathering, hashing, equality and order; see column.h. */
#include "common/col/column.h"

#include <math.h>

static uint32_t rows_per_batch = BATCH_ROWS;

uint32_t batch_rows(void)
{
    return rows_per_batch;
}

void batch_rows_set(uint32_t rows)
{
    ASSERT(rows >= 1 && rows <= BATCH_ROWS);
    rows_per_batch = rows;
}

uint32_t phys_bytes(enum phys phys)
{
    static const uint8_t bytes[PHYS_COUNT] = {
        [PHYS_BOOL] = 1, [PHYS_I8] = 1,  [PHYS_I16] = 2, [PHYS_I32] = 4,  [PHYS_I64] = 8,    [PHYS_I128] = 16,
        [PHYS_F32] = 4,  [PHYS_F64] = 8, [PHYS_STR] = 16, [PHYS_LIST] = 8, [PHYS_STRUCT] = 0};
    return bytes[phys];
}

int strview_cmp(const struct strview *a, const struct strview *b)
{
    uint32_t n = a->bytes < b->bytes ? a->bytes : b->bytes;
    int c = memcmp(strview_data(a), strview_data(b), n);
    return c != 0 ? c : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

#define CTYPE uint8_t
#define SUFFIX 1
#include "common/col/gather.inc.h"
#define CTYPE uint16_t
#define SUFFIX 2
#include "common/col/gather.inc.h"
#define CTYPE uint32_t
#define SUFFIX 4
#include "common/col/gather.inc.h"
#define CTYPE uint64_t
#define SUFFIX 8
#include "common/col/gather.inc.h"
#define CTYPE uint128_t
#define SUFFIX 16
#include "common/col/gather.inc.h"

static void decode(uint32_t width, const void *dict, const uint32_t *codes, const uint16_t *sel, uint32_t n, void *out)
{
    switch (width) {
    case 1: decode_1(dict, codes, sel, n, out); break;
    case 2: decode_2(dict, codes, sel, n, out); break;
    case 4: decode_4(dict, codes, sel, n, out); break;
    case 8: decode_8(dict, codes, sel, n, out); break;
    case 16: decode_16(dict, codes, sel, n, out); break;
    default: break; /* structs have no data of their own */
    }
}

static void gather(uint32_t width, const void *src, const uint32_t *idx, uint32_t n, void *out)
{
    switch (width) {
    case 1: gather_1(src, idx, n, out); break;
    case 2: gather_2(src, idx, n, out); break;
    case 4: gather_4(src, idx, n, out); break;
    case 8: gather_8(src, idx, n, out); break;
    case 16: gather_16(src, idx, n, out); break;
    default: break;
    }
}

static void fill(uint32_t width, const void *v, uint32_t n, void *out)
{
    uint16_t v2;
    uint32_t v4;
    uint64_t v8;
    uint128_t v16;
    switch (width) {
    case 1: fill_1(*(const uint8_t *)v, n, out); break;
    case 2: memcpy(&v2, v, 2); fill_2(v2, n, out); break;
    case 4: memcpy(&v4, v, 4); fill_4(v4, n, out); break;
    case 8: memcpy(&v8, v, 8); fill_8(v8, n, out); break;
    case 16: memcpy(&v16, v, 16); fill_16(v16, n, out); break;
    default: break;
    }
}

struct column column_flatten(const struct column *col, const uint16_t *sel, uint32_t sel_count, struct arena *ar)
{
    if (col->kind == COL_FLAT)
        return *col;
    struct column out = *col;
    uint32_t width = phys_bytes(col->phys), n = col->rows;
    out.kind = COL_FLAT;
    out.codes = NULL;
    out.dict_id = 0;
    if (col->type->child_count) {
        uint32_t *idx = arena_alloc(ar, (n + 1) * sizeof *idx);
        for (uint32_t i = 0; i < n; i++)
            idx[i] = column_idx(col, i);
        struct column base = *col;
        base.kind = COL_FLAT;
        base.rows = col->kind == COL_CONST ? 1 : col->dict_rows;
        return column_gather(&base, idx, n, ar);
    }
    void *data = arena_alloc(ar, (size_t)width * n + 16);
    uint8_t *nulls = col->nulls ? arena_alloc(ar, n + 1) : NULL;
    if (col->kind == COL_CONST) {
        fill(width, col->data, n, data);
        if (nulls)
            memset(nulls, col->nulls[0], n);
    } else {
        decode(width, col->data, col->codes, sel, sel_count, data);
        if (nulls)
            decode_1(col->nulls, col->codes, sel, sel_count, nulls);
    }
    out.data = data;
    out.nulls = nulls;
    return out;
}

struct column column_null(const struct type *type, uint32_t rows, struct arena *ar)
{
    struct column out = {.type = type, .phys = type_phys(type), .kind = COL_CONST, .rows = rows};
    uint8_t *nulls = arena_alloc(ar, 1);
    nulls[0] = 1;
    out.nulls = nulls;
    out.data = arena_zalloc(ar, 16);
    if (type->child_count) {
        out.children = ARENA_ARRAY(ar, struct column, type->child_count);
        for (uint32_t i = 0; i < type->child_count; i++) {
            const struct type *ct = type->children[i];
            uint32_t child_rows = type->id == TYPE_STRUCT ? 1 : 0;
            struct column c = column_null(ct, child_rows, ar);
            c.kind = COL_FLAT;
            out.children[i] = c;
        }
    }
    return out;
}

struct column column_widen(const struct column *col, struct arena *ar)
{
    if (col->phys != PHYS_I64)
        return *col;
    struct column out = *col;
    uint32_t n = col->kind == COL_FLAT ? col->rows : col->kind == COL_CONST ? 1 : col->dict_rows;
    int128_t *wide = arena_alloc(ar, (n + 1) * sizeof *wide);
    const int64_t *narrow = col->data;
    for (uint32_t i = 0; i < n; i++)
        wide[i] = narrow[i];
    out.phys = PHYS_I128;
    out.data = wide;
    return out;
}

/* Physical indices for idx: codes and constants looked through. */
static const uint32_t *physical_idx(const struct column *col, const uint32_t *idx, uint32_t count, struct arena *ar)
{
    if (col->kind == COL_FLAT)
        return idx;
    uint32_t *out = arena_alloc(ar, (count + 1) * sizeof *out);
    for (uint32_t i = 0; i < count; i++)
        out[i] = idx[i] == UINT32_MAX ? UINT32_MAX : column_idx(col, idx[i]);
    return out;
}

static void gather_children(const struct column *col, const uint32_t *idx, uint32_t count, struct column *out,
                            struct arena *ar)
{
    uint32_t n = col->type->child_count;
    out->children = ARENA_ARRAY(ar, struct column, n);
    if (col->phys == PHYS_STRUCT) {
        for (uint32_t i = 0; i < n; i++)
            out->children[i] = column_gather(&col->children[i], idx, count, ar);
        return;
    }
    const struct listview *src = col->data;
    struct listview *dst = arena_alloc(ar, (count + 1) * sizeof *dst);
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool none = idx[i] == UINT32_MAX || (col->nulls && col->nulls[idx[i]]);
        dst[i] = (struct listview){total, none ? 0 : src[idx[i]].count};
        total += dst[i].count;
    }
    uint32_t *child_idx = arena_alloc(ar, ((size_t)total + 1) * sizeof *child_idx);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < dst[i].count; k++)
            child_idx[dst[i].offset + k] = src[idx[i]].offset + k;
    }
    for (uint32_t i = 0; i < n; i++)
        out->children[i] = column_gather(&col->children[i], child_idx, total, ar);
    out->data = dst;
}

struct column column_gather(const struct column *col, const uint32_t *idx, uint32_t count, struct arena *ar)
{
    struct column out = {.type = col->type, .phys = col->phys, .kind = COL_FLAT, .rows = count};
    bool any_missing = false;
    for (uint32_t i = 0; i < count; i++)
        any_missing |= idx[i] == UINT32_MAX;
    idx = physical_idx(col, idx, count, ar);
    if (col->nulls || any_missing) {
        uint8_t *nulls = arena_alloc(ar, count + 1);
        for (uint32_t i = 0; i < count; i++)
            nulls[i] = idx[i] == UINT32_MAX ? 1 : col->nulls ? col->nulls[idx[i]] : 0;
        out.nulls = nulls;
    }
    if (col->type->child_count) {
        gather_children(col, idx, count, &out, ar);
        return out;
    }
    uint32_t width = phys_bytes(col->phys);
    void *data = arena_alloc(ar, (size_t)width * count + 16);
    gather(width, col->data, idx, count, data);
    out.data = data;
    return out;
}

/* ---- hashing ---- */

static const uint64_t NULL_HASH = 0x9ae16a3b2f90404full;

static uint64_t hash_double(double v)
{
    uint64_t bits;
    if (v == 0)
        v = 0; /* -0.0 */
    if (v != v)
        return 0x7ff8000000000000ull * 31;
    memcpy(&bits, &v, 8);
    return hash_u64(bits);
}

static uint64_t hash_strview(const struct strview *s)
{
    if (s->bytes <= STRVIEW_INLINE) {
        uint64_t a;
        uint32_t b;
        memcpy(&a, s->inl, 8);
        memcpy(&b, s->inl + 8, 4);
        return hash_u64(a ^ hash_u64(((uint64_t)b << 32 | s->bytes) + 0x9e3779b97f4a7c15ull));
    }
    return hash_bytes(s->ptr, s->bytes, 0);
}

static uint64_t hash_i128(int128_t v)
{
    int64_t lo = (int64_t)v;
    if ((int128_t)lo == v)
        return hash_u64((uint64_t)lo); /* as a narrow decimal of this value */
    return hash_combine(hash_u64((uint64_t)lo), hash_u64((uint64_t)(v >> 64)));
}

static uint64_t hash_at(const struct column *col, uint32_t at);

static uint64_t hash_nested(const struct column *col, uint32_t at)
{
    uint64_t h = 0x51ed270b;
    if (col->phys == PHYS_STRUCT) {
        for (uint32_t i = 0; i < col->type->child_count; i++)
            h = hash_combine(h, hash_at(&col->children[i], at));
        return h;
    }
    const struct listview *v = (const struct listview *)col->data + at;
    for (uint32_t k = 0; k < v->count; k++) {
        for (uint32_t i = 0; i < col->type->child_count; i++)
            h = hash_combine(h, hash_at(&col->children[i], v->offset + k));
    }
    return hash_combine(h, v->count);
}

/* Hash of the value at a physical index. */
static uint64_t hash_at(const struct column *col, uint32_t at)
{
    if (col->nulls && col->nulls[at])
        return NULL_HASH;
    switch (col->phys) {
    case PHYS_BOOL: return hash_u64(((const uint8_t *)col->data)[at]);
    case PHYS_I8: return hash_u64((uint64_t)(int64_t)((const int8_t *)col->data)[at]);
    case PHYS_I16: return hash_u64((uint64_t)(int64_t)((const int16_t *)col->data)[at]);
    case PHYS_I32: return hash_u64((uint64_t)(int64_t)((const int32_t *)col->data)[at]);
    case PHYS_I64: return hash_u64(((const uint64_t *)col->data)[at]);
    case PHYS_I128: return hash_i128(((const int128_t *)col->data)[at]);
    case PHYS_F32: return hash_double(((const float *)col->data)[at]);
    case PHYS_F64: return hash_double(((const double *)col->data)[at]);
    case PHYS_STR: return hash_strview((const struct strview *)col->data + at);
    case PHYS_LIST:
    case PHYS_STRUCT: return hash_nested(col, at);
    case PHYS_COUNT: break;
    }
    UNREACHABLE("a phys of the enum");
}

#define HASH_LOOP(expr)                                                                            \
    for (uint32_t i = 0; i < n; i++) {                                                             \
        uint32_t r = sel ? sel[i] : i;                                                             \
        uint64_t h = (expr);                                                                       \
        hashes[r] = combine ? hash_combine(hashes[r], h) : h;                                      \
    }                                                                                              \
    return

/* The common kinds without nulls, in tight loops; false: not one of them. */
static bool hash_flat(const struct column *col, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine);
static void hash_flat_i64(const uint64_t *v, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine)
{
    HASH_LOOP(hash_u64(v[r]));
}
static void hash_flat_i32(const int32_t *v, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine)
{
    HASH_LOOP(hash_u64((uint64_t)(int64_t)v[r]));
}
static void hash_flat_str(const struct strview *v, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine)
{
    HASH_LOOP(hash_strview(&v[r]));
}
static void hash_any(const struct column *col, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine)
{
    HASH_LOOP(hash_at(col, column_idx(col, r)));
}

static bool hash_flat(const struct column *col, const uint16_t *sel, uint32_t n, uint64_t *hashes, bool combine)
{
    if (col->kind != COL_FLAT || col->nulls)
        return false;
    if (col->phys == PHYS_I64)
        hash_flat_i64(col->data, sel, n, hashes, combine);
    else if (col->phys == PHYS_I32)
        hash_flat_i32(col->data, sel, n, hashes, combine);
    else if (col->phys == PHYS_STR)
        hash_flat_str(col->data, sel, n, hashes, combine);
    else
        return false;
    return true;
}

void column_hash(const struct column *col, const uint16_t *sel, uint32_t sel_count, uint64_t *hashes, bool combine)
{
    if (col->kind == COL_CONST && sel_count > 0) {
        uint64_t h = hash_at(col, 0);
        for (uint32_t i = 0; i < sel_count; i++) {
            uint32_t r = sel ? sel[i] : i;
            hashes[r] = combine ? hash_combine(hashes[r], h) : h;
        }
        return;
    }
    if (!hash_flat(col, sel, sel_count, hashes, combine))
        hash_any(col, sel, sel_count, hashes, combine);
}

/* ---- equality and order, at physical indices ---- */

static int cmp_at(const struct column *a, uint32_t x, const struct column *b, uint32_t y);

static int128_t wide_at(const struct column *col, uint32_t at)
{
    return col->phys == PHYS_I64 ? ((const int64_t *)col->data)[at] : ((const int128_t *)col->data)[at];
}

static int cmp_double(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

static int cmp_nested(const struct column *a, uint32_t x, const struct column *b, uint32_t y)
{
    if (a->phys == PHYS_STRUCT) {
        for (uint32_t i = 0; i < a->type->child_count; i++) {
            int c = cmp_at(&a->children[i], x, &b->children[i], y);
            if (c != 0)
                return c;
        }
        return 0;
    }
    struct listview va = ((const struct listview *)a->data)[x], vb = ((const struct listview *)b->data)[y];
    uint32_t n = va.count < vb.count ? va.count : vb.count;
    for (uint32_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < a->type->child_count; i++) {
            int c = cmp_at(&a->children[i], va.offset + k, &b->children[i], vb.offset + k);
            if (c != 0)
                return c;
        }
    }
    return (va.count > vb.count) - (va.count < vb.count);
}

#define CMP(ctype) \
    ((((const ctype *)a->data)[x] > ((const ctype *)b->data)[y]) - (((const ctype *)a->data)[x] < ((const ctype *)b->data)[y]))

static int cmp_at(const struct column *a, uint32_t x, const struct column *b, uint32_t y)
{
    bool na = a->nulls && a->nulls[x], nb = b->nulls && b->nulls[y];
    if (na || nb)
        return nb - na;
    if (a->phys != b->phys || a->phys == PHYS_I128) {
        int128_t va = wide_at(a, x), vb = wide_at(b, y);
        return (va > vb) - (va < vb);
    }
    switch (a->phys) {
    case PHYS_BOOL: return CMP(uint8_t);
    case PHYS_I8: return CMP(int8_t);
    case PHYS_I16: return CMP(int16_t);
    case PHYS_I32: return CMP(int32_t);
    case PHYS_I64: return CMP(int64_t);
    case PHYS_F32: return cmp_double(((const float *)a->data)[x], ((const float *)b->data)[y]);
    case PHYS_F64: return cmp_double(((const double *)a->data)[x], ((const double *)b->data)[y]);
    case PHYS_STR: return strview_cmp((const struct strview *)a->data + x, (const struct strview *)b->data + y);
    case PHYS_LIST:
    case PHYS_STRUCT: return cmp_nested(a, x, b, y);
    case PHYS_I128:
    case PHYS_COUNT: break;
    }
    UNREACHABLE("a phys of the enum");
}

bool column_eq(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b)
{
    uint32_t x = column_idx(a, row_a), y = column_idx(b, row_b);
    if (a->phys == PHYS_STR) {
        bool na = a->nulls && a->nulls[x], nb = b->nulls && b->nulls[y];
        return na || nb ? na == nb
                        : strview_eq((const struct strview *)a->data + x, (const struct strview *)b->data + y);
    }
    return cmp_at(a, x, b, y) == 0;
}

int column_cmp(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b)
{
    return cmp_at(a, column_idx(a, row_a), b, column_idx(b, row_b));
}
