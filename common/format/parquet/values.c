/* Values of a page; see values.h. */
#include "common/format/parquet/values.h"

void pq_values_init(struct pq_values *v, struct pq_page_source *source, const struct pq_node *node, enum pq_raw raw)
{
    *v = (struct pq_values){.source = source, .node = node, .raw = raw};
    arena_init(&v->arena);
}

void pq_values_recycle(struct pq_values *v)
{
    arena_reset(&v->arena);
    v->kept = 0;
}

void pq_values_fini(struct pq_values *v)
{
    struct pq_mem *mem = v->source->mem;
    pq_mem_free(mem, &v->last, &v->last_cap);
    pq_mem_free(mem, &v->lengths, &v->lengths_cap);
    pq_mem_free(mem, &v->suffixes, &v->suffixes_cap);
    account_release(mem->account, v->kept_cap);
    arena_fini(&v->arena);
}

/* Memory that lives as long as the batch: a few bytes of a page may ask for much of it. */
static int keep(struct pq_values *v, size_t bytes, void *ret, struct error *err)
{
    v->kept += bytes + 16; /* for the arena's alignment */
    if (v->kept > v->kept_cap) {
        size_t more = v->kept - v->kept_cap + v->kept / 2; /* its chunks are larger than what is asked for */
        TRY(account_reserve(v->source->mem->account, more, err));
        v->kept_cap += more;
    }
    *(void **)ret = arena_alloc(&v->arena, bytes);
    return 0;
}

static int damaged(const struct pq_values *v, struct error *err, const char *why)
{
    return pq_source_damaged(v->source, err, why);
}

uint32_t pq_raw_bytes(enum pq_raw raw)
{
    static const uint8_t sizes[] = {1, 4, 8, 16};
    return sizes[raw];
}

uint32_t pq_plain_width(const struct pq_node *n)
{
    switch (n->phys) {
    case PQ_INT32:
    case PQ_FLOAT: return 4;
    case PQ_INT64:
    case PQ_DOUBLE: return 8;
    case PQ_INT96: return 12;
    case PQ_FIXED: return n->type_length;
    default: return 0;
    }
}

/* ---- beginning ---- */

static int begin_codes(struct pq_values *v, struct error *err)
{
    if (v->data == v->data_end) { /* all null */
        pq_rle_init(&v->codes, v->data, v->data, 32);
        return 0;
    }
    if (*v->data > 32)
        return damaged(v, err, "dictionary codes of more than 32 bits");
    pq_rle_init(&v->codes, v->data + 1, v->data_end, *v->data);
    return 0;
}

static int begin_rle(struct pq_values *v, struct error *err)
{
    uint32_t bytes;
    pq_rle_init(&v->codes, v->data, v->data, 1);
    if (v->data_end - v->data < 4)
        return v->data == v->data_end ? 0 : damaged(v, err, "a page ends before its values");
    memcpy(&bytes, v->data, 4);
    if (bytes > (size_t)(v->data_end - v->data) - 4)
        return damaged(v, err, "the values of a page end too early");
    pq_rle_init(&v->codes, v->data + 4, v->data + 4 + bytes, 1);
    return 0;
}

/* A stream of numbers before the strings; data moves behind it. */
static int begin_lengths(struct pq_values *v, struct pq_delta *d, struct error *err)
{
    const uint8_t *p;
    if (!pq_delta_init(d, v->data, v->data_end) || !(p = pq_delta_end(d)))
        return damaged(v, err, "delta-encoded lengths are not readable");
    v->data = p;
    return 0;
}

static int begin_split(struct pq_values *v, struct error *err)
{
    size_t width = pq_plain_width(v->node), bytes = (size_t)(v->data_end - v->data);
    if (bytes % width)
        return damaged(v, err, "the streams of a page have different lengths");
    v->split_at = 0;
    v->split_count = (uint32_t)(bytes / width);
    return 0;
}

/* Which encoding is read how, for which physical types. */
static const struct {
    enum pq_mode mode;
    uint16_t phys; /* a bit each, 0: not read */
} encodings[] = {
#define OF(phys) (1u << (phys))
    [PQ_PLAIN] = {PQ_MODE_PLAIN, UINT16_MAX},
    [PQ_PLAIN_DICTIONARY] = {PQ_MODE_DICT, UINT16_MAX},
    [PQ_RLE_DICTIONARY] = {PQ_MODE_DICT, UINT16_MAX},
    [PQ_RLE] = {PQ_MODE_RLE, OF(PQ_BOOLEAN)},
    [PQ_DELTA_BINARY_PACKED] = {PQ_MODE_DELTA, OF(PQ_INT32) | OF(PQ_INT64)},
    [PQ_DELTA_LENGTH] = {PQ_MODE_DELTA_LENGTH, OF(PQ_BYTE_ARRAY)},
    [PQ_DELTA_BYTE_ARRAY] = {PQ_MODE_DELTA_BYTES, OF(PQ_BYTE_ARRAY) | OF(PQ_FIXED)},
    [PQ_BYTE_STREAM_SPLIT] = {PQ_MODE_SPLIT, OF(PQ_INT32) | OF(PQ_INT64) | OF(PQ_FLOAT) | OF(PQ_DOUBLE) | OF(PQ_FIXED)},
#undef OF
};

int pq_values_begin(struct pq_values *v, enum pq_encoding encoding, const uint8_t *p, const uint8_t *end, struct error *err)
{
    uint32_t phys = (unsigned)encoding < ARRAY_LEN(encodings) ? encodings[encoding].phys : 0;
    if (!(phys >> v->node->phys & 1) || (encoding == PQ_BYTE_STREAM_SPLIT && pq_plain_width(v->node) == 0))
        return damaged(v, err, "the encoding of a page does not go with its column");
    v->mode = encodings[encoding].mode;
    v->data = p;
    v->data_end = end;
    v->bool_at = 0;
    v->last_bytes = 0;
    switch (v->mode) {
    case PQ_MODE_PLAIN: return 0;
    case PQ_MODE_DICT: return begin_codes(v, err);
    case PQ_MODE_RLE: return begin_rle(v, err);
    case PQ_MODE_DELTA:
        return pq_delta_init(&v->delta, p, end) ? 0 : damaged(v, err, "delta-encoded values are not readable");
    case PQ_MODE_DELTA_LENGTH: return begin_lengths(v, &v->delta, err);
    case PQ_MODE_DELTA_BYTES:
        TRY(begin_lengths(v, &v->delta, err));
        return begin_lengths(v, &v->delta2, err);
    case PQ_MODE_SPLIT: return begin_split(v, err);
    }
    UNREACHABLE("a mode");
}

/* ---- strings ---- */

static const uint64_t low_mask[9] = {0,          0xff,         0xffff,         0xffffff,        0xffffffff, 0xffffffffff,
                                     0xffffffffffff, 0xffffffffffffff, ~0ull};

/* strview_make for bytes that have room behind them. */
static inline void make_view(struct strview *v, const uint8_t *p, uint32_t bytes)
{
    if (LIKELY(bytes > STRVIEW_INLINE)) {
        v->bytes = bytes;
        memcpy(v->prefix, p, 4);
        v->ptr = (const char *)p;
    } else {
        uint64_t lo, mask = low_mask[bytes < 8 ? bytes : 8];
        uint32_t hi;
        memcpy(&lo, p, 8);
        memcpy(&hi, p + 8, 4);
        lo &= mask;
        hi &= (uint32_t)low_mask[bytes > 8 ? bytes - 8 : 0];
        v->bytes = bytes;
        memcpy(v->inl, &lo, 8);
        memcpy(v->inl + 8, &hi, 4);
    }
}

/* The next length-prefixed string of [p, end): NULL when it reaches beyond. */
static inline const uint8_t *next_string(const uint8_t *p, const uint8_t *end, uint32_t *ret_bytes)
{
    if ((size_t)(end - p) < 4)
        return NULL;
    memcpy(ret_bytes, p, 4);
    return *ret_bytes <= (size_t)(end - p) - 4 ? p + 4 : NULL;
}

/* Passes over count strings, making views in out of the selected ones (sel NULL: all); NULL when they end too early. */
static const uint8_t *walk_strings(const uint8_t *p, const uint8_t *end, struct strview *out, uint32_t at, uint32_t count,
                                   const uint16_t *sel, uint32_t sel_count)
{
    uint32_t bytes, k = 0;
    if (!sel) {
        for (uint32_t i = 0; i < count; i++) {
            if (!(p = next_string(p, end, &bytes)))
                return NULL;
            make_view(&out[at + i], p, bytes);
            p += bytes;
        }
        return p;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!(p = next_string(p, end, &bytes)))
            return NULL;
        if (k < sel_count && sel[k] == at + i) {
            make_view(&out[at + i], p, bytes);
            k++;
        }
        p += bytes;
    }
    return p;
}

static int read_lengths(struct pq_values *v, uint32_t count, struct error *err)
{
    TRY(pq_mem_grow(v->source->mem, &v->lengths, &v->lengths_cap, (size_t)count * 8, err));
    if (!pq_delta_read(&v->delta, v->lengths, count))
        return damaged(v, err, "the lengths of delta-encoded strings end too early");
    return 0;
}

static int read_delta_length(struct pq_values *v, struct strview *out, uint32_t count, struct error *err)
{
    TRY(read_lengths(v, count, err));
    for (uint32_t i = 0; i < count; i++) {
        int64_t bytes = v->lengths[i];
        if (bytes < 0 || bytes > v->data_end - v->data)
            return damaged(v, err, "a string reaches past the end of its page");
        if (out)
            make_view(&out[i], v->data, (uint32_t)bytes);
        v->data += bytes;
    }
    return 0;
}

static int read_delta_bytes(struct pq_values *v, struct strview *out, uint32_t count, struct error *err)
{
    struct pq_mem *mem = v->source->mem;
    TRY(read_lengths(v, count, err));
    TRY(pq_mem_grow(mem, &v->suffixes, &v->suffixes_cap, (size_t)count * 8, err));
    if (!pq_delta_read(&v->delta2, v->suffixes, count))
        return damaged(v, err, "the lengths of delta-encoded strings end too early");
    for (uint32_t i = 0; i < count; i++) {
        int64_t prefix = v->lengths[i], suffix = v->suffixes[i];
        if (prefix < 0 || prefix > v->last_bytes || suffix < 0 || suffix > v->data_end - v->data)
            return damaged(v, err, "a delta-encoded string has an impossible length");
        uint64_t bytes = (uint64_t)prefix + (uint64_t)suffix;
        if (bytes > INT32_MAX)
            return damaged(v, err, "a delta-encoded string is too long");
        TRY(pq_mem_grow(mem, &v->last, &v->last_cap, bytes + PQ_PAD, err));
        memcpy(v->last + prefix, v->data, (size_t)suffix);
        v->data += suffix;
        v->last_bytes = (uint32_t)bytes;
        if (out && v->node->phys == PQ_FIXED && bytes != v->node->type_length)
            return damaged(v, err, "a value of fixed length has another length");
        if (out) {
            char *p = v->last;
            if (bytes > STRVIEW_INLINE) {
                TRY(keep(v, bytes, &p, err));
                memcpy(p, v->last, bytes);
            }
            make_view(&out[i], (const uint8_t *)p, (uint32_t)bytes);
        }
    }
    return 0;
}

/* ---- numbers and fixed bytes ---- */

static int ends_early(const struct pq_values *v, struct error *err)
{
    return damaged(v, err, "the values of a page end too early");
}

static int read_bits(struct pq_values *v, uint8_t *out, uint32_t count, struct error *err)
{
    if (((uint64_t)v->bool_at + count + 7) / 8 > (size_t)(v->data_end - v->data))
        return ends_early(v, err);
    for (uint32_t i = 0; out && i < count; i++)
        out[i] = v->data[(v->bool_at + i) >> 3] >> ((v->bool_at + i) & 7) & 1;
    v->bool_at += count;
    return 0;
}

static int read_plain(struct pq_values *v, void *raw, uint32_t at, uint32_t count, const uint16_t *sel, uint32_t sel_count,
                      struct error *err)
{
    uint32_t width = pq_plain_width(v->node);
    bool few = sel && sel_count < count / 4;
    const uint8_t *data = v->data;
    if ((uint64_t)count * width > (size_t)(v->data_end - data))
        return ends_early(v, err);
    v->data += (size_t)count * width;
    if (!raw)
        return 0;
    if (v->raw == PQ_RAW_4) {
        if (few)
            for (uint32_t k = 0; k < sel_count; k++)
                memcpy((uint32_t *)raw + sel[k], data + (size_t)(sel[k] - at) * 4, 4);
        else
            memcpy((uint32_t *)raw + at, data, (size_t)count * 4);
    } else if (v->raw == PQ_RAW_8) {
        if (few)
            for (uint32_t k = 0; k < sel_count; k++)
                memcpy((uint64_t *)raw + sel[k], data + (size_t)(sel[k] - at) * 8, 8);
        else
            memcpy((uint64_t *)raw + at, data, (size_t)count * 8);
    } else {
        struct strview *out = raw;
        if (sel)
            for (uint32_t k = 0; k < sel_count; k++)
                make_view(&out[sel[k]], data + (size_t)(sel[k] - at) * width, width);
        else
            for (uint32_t i = 0; i < count; i++)
                make_view(&out[at + i], data + (size_t)i * width, width);
    }
    return 0;
}

const void *pq_values_lend(struct pq_values *v, uint32_t count)
{
    size_t width = pq_raw_bytes(v->raw), bytes = count * width;
    if (v->mode != PQ_MODE_PLAIN || v->raw == PQ_RAW_VIEW || v->raw == PQ_RAW_BOOL || ((uintptr_t)v->data & (width - 1)) != 0 ||
        bytes > (size_t)(v->data_end - v->data))
        return NULL;
    const void *p = v->data;
    v->data += bytes;
    return p;
}

static int read_delta(struct pq_values *v, void *raw, uint32_t at, uint32_t count, struct error *err)
{
    int64_t *out = raw && v->raw == PQ_RAW_8 ? (int64_t *)raw + at : NULL;
    if (!out) {
        TRY(pq_mem_grow(v->source->mem, &v->lengths, &v->lengths_cap, (size_t)count * 8, err));
        out = v->lengths;
    }
    if (!pq_delta_read(&v->delta, out, count))
        return damaged(v, err, "delta-encoded values end too early");
    if (raw && v->raw == PQ_RAW_4)
        for (uint32_t i = 0; i < count; i++)
            ((int32_t *)raw)[at + i] = (int32_t)out[i];
    return 0;
}

/* Byte b of value i lies at p[b * split_count + i]. */
static int read_split(struct pq_values *v, void *raw, uint32_t at, uint32_t count, struct error *err)
{
    size_t stride = v->split_count, width = pq_plain_width(v->node);
    const uint8_t *p = v->data + v->split_at;
    if (count > v->split_count - v->split_at)
        return ends_early(v, err);
    v->split_at += count;
    if (!raw)
        return 0;
    if (width == 4 && v->raw == PQ_RAW_4) {
        for (uint32_t i = 0; i < count; i++)
            ((uint32_t *)raw)[at + i] = (uint32_t)p[i] | (uint32_t)p[stride + i] << 8 | (uint32_t)p[2 * stride + i] << 16 |
                                        (uint32_t)p[3 * stride + i] << 24;
    } else if (v->raw == PQ_RAW_8) {
        for (uint32_t i = 0; i < count; i++) {
            uint64_t x = 0;
            for (unsigned b = 0; b < 8; b++)
                x |= (uint64_t)p[b * stride + i] << (8 * b);
            ((uint64_t *)raw)[at + i] = x;
        }
    } else {
        uint8_t *bytes;
        TRY(keep(v, count * width + PQ_PAD, &bytes, err));
        for (size_t b = 0; b < width; b++)
            for (uint32_t i = 0; i < count; i++)
                bytes[i * width + b] = p[b * stride + i];
        for (uint32_t i = 0; i < count; i++)
            make_view((struct strview *)raw + at + i, bytes + i * width, (uint32_t)width);
    }
    return 0;
}

/* ---- all of them ---- */

int pq_values_read(struct pq_values *v, void *raw, uint32_t at, uint32_t count, const uint16_t *sel, uint32_t sel_count,
                   struct error *err)
{
    struct strview *views = raw ? (struct strview *)raw + at : NULL;
    uint8_t *bytes = raw ? (uint8_t *)raw + at : NULL;
    uint32_t full;
    switch (v->mode) {
    case PQ_MODE_PLAIN:
        if (v->node->phys == PQ_BYTE_ARRAY) {
            static const uint16_t none;
            const uint8_t *p = raw ? walk_strings(v->data, v->data_end, raw, at, count, sel, sel_count)
                                   : walk_strings(v->data, v->data_end, NULL, at, count, &none, 0);
            if (!p)
                return damaged(v, err, "a string reaches past the end of its page");
            v->data = p;
            return 0;
        }
        if (v->node->phys == PQ_BOOLEAN)
            return read_bits(v, bytes, count, err);
        return read_plain(v, raw, at, count, sel, sel_count, err);
    case PQ_MODE_RLE:
        if (raw ? !pq_rle_levels(&v->codes, bytes, count, 1, &full) : !pq_rle_skip(&v->codes, count))
            return ends_early(v, err);
        return 0;
    case PQ_MODE_DELTA: return read_delta(v, raw, at, count, err);
    case PQ_MODE_DELTA_LENGTH: return read_delta_length(v, views, count, err);
    case PQ_MODE_DELTA_BYTES: return read_delta_bytes(v, views, count, err);
    case PQ_MODE_SPLIT: return read_split(v, raw, at, count, err);
    case PQ_MODE_DICT: break;
    }
    UNREACHABLE("codes are read elsewhere");
}

int pq_values_codes(struct pq_values *v, uint32_t *out, uint32_t count, uint32_t dict_count, struct error *err)
{
    if (!pq_rle_read(&v->codes, out, count))
        return damaged(v, err, "the dictionary codes of a page end too early");
    if ((v->codes.width >= 32 || (uint64_t)1 << v->codes.width > dict_count) && count > 0 && pq_max32(out, count) >= dict_count)
        return damaged(v, err, "a dictionary code is larger than the dictionary");
    return 0;
}

int pq_values_skip(struct pq_values *v, uint32_t count, struct error *err)
{
    if (v->mode != PQ_MODE_DICT)
        return pq_values_read(v, NULL, 0, count, NULL, 0, err);
    if (!pq_rle_skip(&v->codes, count))
        return damaged(v, err, "the dictionary codes of a page end too early");
    return 0;
}
