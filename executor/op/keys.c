/* Keys as words; see keys.h. */
#include "executor/op/keys.h"

#include <math.h>

int key_spec_init(struct arena *ar, uint32_t count, const struct type *const *types, const struct type *const *b,
                  const bool *nullable, struct key_spec *ret, struct error *err)
{
    struct key_spec ks = {.part_count = count, .null_word = -1, .parts = ARENA_ARRAY(ar, struct key_part, count)};
    if (count > KEY_PARTS_MAX)
        return error_setf(err, ERR_UNSUPPORTED_FEATURE, "message", "%u grouping or join keys; at most %d", count,
                          KEY_PARTS_MAX);
    bool any_null = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct type *t = types[i];
        if (b && b[i]->id == TYPE_DECIMAL && b[i]->precision > t->precision)
            t = b[i];
        struct key_part *p = &ks.parts[i];
        *p = (struct key_part){.type = types[i], .at = ks.words};
        switch (type_phys(t)) {
        case PHYS_LIST:
        case PHYS_STRUCT:
            return error_setf(err, ERR_UNSUPPORTED_FEATURE, "message", "grouping or joining by the type %s", t->text);
        case PHYS_STR: p->kind = KEY_TEXT; break;
        case PHYS_I128: p->kind = KEY_WIDE; break;
        default: p->kind = KEY_WORD; break;
        }
        ks.any_text |= p->kind == KEY_TEXT;
        ks.words += p->kind == KEY_WORD ? 1 : 2;
        any_null |= !nullable || nullable[i];
    }
    if (any_null)
        ks.null_word = (int32_t)ks.words++;
    *ret = ks;
    return 0;
}

static uint64_t word_of_double(double v)
{
    uint64_t bits;
    if (v == 0)
        v = 0;
    if (v != v)
        v = NAN;
    memcpy(&bits, &v, 8);
    return bits;
}

#define ENCODE(ctype, expr)                                                                        \
    do {                                                                                           \
        const ctype *d = col->data;                                                                \
        if (col->kind == COL_FLAT && !sel) {                                                       \
            for (uint32_t i = 0; i < n; i++) {                                                     \
                ctype v = d[i];                                                                    \
                out[(size_t)i * w] = (uint64_t)(expr);                                             \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < n; i++) {                                                     \
                ctype v = d[column_idx(col, sel ? sel[i] : i)];                                    \
                out[(size_t)i * w] = (uint64_t)(expr);                                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static void encode_word(const struct column *col, const uint16_t *sel, uint32_t n, uint64_t *out, uint32_t w)
{
    switch (col->phys) {
    case PHYS_BOOL: ENCODE(uint8_t, v); break;
    case PHYS_I8: ENCODE(int8_t, (int64_t)v); break;
    case PHYS_I16: ENCODE(int16_t, (int64_t)v); break;
    case PHYS_I32: ENCODE(int32_t, (int64_t)v); break;
    case PHYS_I64: ENCODE(int64_t, v); break;
    case PHYS_F32: ENCODE(float, word_of_double((double)v)); break;
    case PHYS_F64: ENCODE(double, word_of_double(v)); break;
    default: UNREACHABLE("a one-word key");
    }
}

static void encode_pair(const struct column *col, const uint16_t *sel, uint32_t n, uint64_t *out, uint32_t w)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = column_idx(col, sel ? sel[i] : i);
        if (col->phys == PHYS_I64) {
            int128_t v = ((const int64_t *)col->data)[at];
            memcpy(out + (size_t)i * w, &v, 16);
        } else {
            memcpy(out + (size_t)i * w, (const char *)col->data + (size_t)at * 16, 16);
        }
    }
}

static void encode_nulls(const struct key_spec *ks, uint32_t part, const struct column *col, const uint16_t *sel,
                         uint32_t n, uint64_t *keys, uint8_t *skip)
{
    const struct key_part *p = &ks->parts[part];
    for (uint32_t i = 0; i < n; i++) {
        if (!col->nulls[column_idx(col, sel ? sel[i] : i)])
            continue;
        uint64_t *key = keys + (size_t)i * ks->words;
        if (ks->null_word >= 0)
            key[ks->null_word] |= 1ull << part;
        key[p->at] = 0;
        if (p->kind != KEY_WORD)
            key[p->at + 1] = 0;
        if (skip)
            skip[i] = 1;
    }
}

void keys_encode(const struct key_spec *ks, const struct column *cols, const uint16_t *sel, uint32_t n, uint64_t *out,
                 uint8_t *skip, const bool *null_safe, struct arena *ar)
{
    (void)ar;
    if (ks->null_word >= 0) {
        for (uint32_t i = 0; i < n; i++)
            out[(size_t)i * ks->words + (uint32_t)ks->null_word] = 0;
    }
    for (uint32_t k = 0; k < ks->part_count; k++) {
        const struct key_part *p = &ks->parts[k];
        if (p->kind == KEY_WORD)
            encode_word(&cols[k], sel, n, out + p->at, ks->words);
        else
            encode_pair(&cols[k], sel, n, out + p->at, ks->words);
    }
    for (uint32_t k = 0; k < ks->part_count; k++) {
        bool null_skips = skip && !(null_safe && null_safe[k]);
        if (cols[k].nulls)
            encode_nulls(ks, k, &cols[k], sel, n, out, null_skips ? skip : NULL);
    }
}

/* Not column_hash: the rows of one exchange partition agree in its high bits. */
static inline uint64_t mix(uint64_t h, uint64_t w)
{
    h = (h ^ w) * 0x9fb21c651e98df25ull;
    return h ^ (h >> 32);
}

static uint64_t finish_hash(uint64_t h)
{
    h *= 0xc2b2ae3d27d4eb4full;
    return h ^ (h >> 29);
}

void keys_hash(const struct key_spec *ks, const uint64_t *keys, uint32_t n, uint64_t *hashes)
{
    uint32_t words = ks->words;
    if (words == 1) {
        for (uint32_t i = 0; i < n; i++)
            hashes[i] = finish_hash(mix(0x27d4eb2f165667c5ull, keys[i]));
        return;
    }
    if (!ks->any_text) {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t h = 0x27d4eb2f165667c5ull;
            for (uint32_t w = 0; w < words; w++)
                h = mix(h, keys[(size_t)i * words + w]);
            hashes[i] = finish_hash(h);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t *key = keys + (size_t)i * words;
        uint64_t h = 0x27d4eb2f165667c5ull;
        for (uint32_t k = 0; k < ks->part_count; k++) {
            const struct key_part *p = &ks->parts[k];
            h = mix(h, key[p->at]);
            if (p->kind == KEY_WIDE)
                h = mix(h, key[p->at + 1]);
            if (p->kind == KEY_TEXT) {
                const struct strview *s = (const struct strview *)(const void *)&key[p->at];
                h = mix(h, s->bytes <= STRVIEW_INLINE ? key[p->at + 1] : hash_bytes(s->ptr, s->bytes, 0));
            }
        }
        if (ks->null_word >= 0)
            h = mix(h, key[ks->null_word]);
        hashes[i] = finish_hash(h);
    }
}

bool keys_eq_text(const struct key_spec *ks, const uint64_t *a, const uint64_t *b)
{
    for (uint32_t k = 0; k < ks->part_count; k++) {
        const struct key_part *p = &ks->parts[k];
        if (a[p->at] != b[p->at])
            return false;
        if (p->kind == KEY_WORD || a[p->at + 1] == b[p->at + 1])
            continue;
        if (p->kind == KEY_WIDE || (uint32_t)a[p->at] <= STRVIEW_INLINE)
            return false;
        if (!strview_eq((const struct strview *)(const void *)&a[p->at], (const struct strview *)(const void *)&b[p->at]))
            return false;
    }
    return ks->null_word < 0 || a[ks->null_word] == b[ks->null_word];
}

#define DECODE(ctype, expr)                                                                        \
    do {                                                                                           \
        ctype *d = data;                                                                           \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            uint64_t w;                                                                            \
            memcpy(&w, rows[i] + at, 8);                                                           \
            d[i] = (ctype)(expr);                                                                  \
        }                                                                                          \
    } while (0)

static double double_of(uint64_t w)
{
    double v;
    memcpy(&v, &w, 8);
    return v;
}

void keys_decode(const struct key_spec *ks, char *const *rows, uint32_t offset, uint32_t n, struct column *ret,
                 struct arena *ar)
{
    for (uint32_t k = 0; k < ks->part_count; k++) {
        const struct key_part *p = &ks->parts[k];
        enum phys phys = type_phys(p->type);
        void *data = arena_alloc(ar, (size_t)n * phys_bytes(phys) + 16);
        uint32_t at = offset + p->at * 8;
        ret[k] = (struct column){.type = p->type, .phys = phys, .kind = COL_FLAT, .rows = n, .data = data};
        switch (phys) {
        case PHYS_BOOL:
        case PHYS_I8: DECODE(int8_t, w); break;
        case PHYS_I16: DECODE(int16_t, w); break;
        case PHYS_I32: DECODE(int32_t, w); break;
        case PHYS_I64: DECODE(int64_t, w); break;
        case PHYS_F32: DECODE(float, double_of(w)); break;
        case PHYS_F64: DECODE(double, double_of(w)); break;
        default:
            for (uint32_t i = 0; i < n; i++)
                memcpy((char *)data + (size_t)i * 16, rows[i] + at, 16);
            break;
        }
        if (ks->null_word < 0)
            continue;
        uint8_t *nulls = arena_alloc(ar, n + 1u);
        bool any = false;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t w;
            memcpy(&w, rows[i] + offset + (uint32_t)ks->null_word * 8, 8);
            nulls[i] = w >> k & 1;
            any |= nulls[i];
        }
        if (any)
            ret[k].nulls = nulls;
    }
}

size_t key_text_bytes(const struct key_spec *ks, const uint64_t *key)
{
    size_t total = 0;
    for (uint32_t k = 0; ks->any_text && k < ks->part_count; k++) {
        uint32_t bytes = (uint32_t)key[ks->parts[k].at];
        if (ks->parts[k].kind == KEY_TEXT && bytes > STRVIEW_INLINE)
            total += bytes;
    }
    return total;
}

void key_text_move(const struct key_spec *ks, uint64_t *key, char *to)
{
    for (uint32_t k = 0; k < ks->part_count; k++) {
        struct strview *s = (struct strview *)(void *)&key[ks->parts[k].at];
        if (ks->parts[k].kind != KEY_TEXT || s->bytes <= STRVIEW_INLINE)
            continue;
        memcpy(to, s->ptr, s->bytes);
        s->ptr = to;
        to += s->bytes;
    }
}
