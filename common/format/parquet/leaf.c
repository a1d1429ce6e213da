/* One leaf column as a stream of values; see leaf.h. */
#include "common/format/parquet/leaf.h"

#include <zlib.h>

enum {
    WINDOW_BYTES = 1 << 20,       /* read at once, when the page is not larger */
    WINDOW_FEW_BYTES = 64 << 10,  /* when only some pages are wanted */
    HEADER_FIRST = 512,           /* page headers mostly fit */
    HEADER_MAX = 32 << 20,
    LEVELS_AT_ONCE = 4096
};

static uint64_t next_dict_id; /* atomic, process-wide: equal ids mean the same dictionary */

int pq_mem_grow(struct pq_mem *m, void *pp, size_t *cap, size_t need, struct error *err)
{
    void **p = pp;
    if (need <= *cap)
        return 0;
    size_t want = *cap ? *cap + *cap / 2 : 0;
    if (want < need)
        want = need;
    want = (want + 63) & ~(size_t)63;
    TRY(account_reserve(m->account, want - *cap, err));
    m->bytes += want - *cap;
    *p = xrealloc(*p, want);
    *cap = want;
    return 0;
}

void pq_mem_free(struct pq_mem *m, void *pp, size_t *cap)
{
    void **p = pp;
    if (*cap)
        account_release(m->account, *cap);
    m->bytes -= *cap;
    xfree(*p);
    *p = NULL;
    *cap = 0;
}

static int damaged(struct pq_leaf *l, struct error *err, const char *why)
{
    int rc = pq_damaged(err, l->path, l->page_at, "%s", why);
    error_note(err, "reading the column %s", l->node->name);
    return rc;
}

void pq_leaf_init(struct pq_leaf *l, const char *path, int fd, struct pq_mem *mem, struct pq_codecs *codecs,
                  const struct pq_node *node, const struct type *type, struct pq_conv conv)
{
    *l = (struct pq_leaf){
        .path = path, .fd = fd, .mem = mem, .codecs = codecs, .node = node, .type = type, .conv = conv};
    arena_init(&l->arena);
}

void pq_leaf_fini(struct pq_leaf *l)
{
    if (!l->mem)
        return;
    for (uint32_t i = 0; i < l->buf_count; i++) {
        pq_mem_free(l->mem, &l->bufs[i]->p, &l->bufs[i]->cap);
        xfree(l->bufs[i]);
    }
    for (uint32_t i = 0; i < l->retired_count; i++) {
        pq_mem_free(l->mem, &l->retired[i]->p, &l->retired[i]->cap);
        xfree(l->retired[i]);
    }
    xfree(l->retired);
    if (l->body) {
        pq_mem_free(l->mem, &l->body->p, &l->body->cap);
        xfree(l->body);
    }
    if (l->dict_body) {
        pq_mem_free(l->mem, &l->dict_body->p, &l->dict_body->cap);
        xfree(l->dict_body);
    }
    pq_mem_free(l->mem, &l->window, &l->window_cap);
    pq_mem_free(l->mem, &l->last, &l->last_cap);
    pq_mem_free(l->mem, &l->dict, &l->dict_cap);
    pq_mem_free(l->mem, &l->dict_nulls, &l->dict_nulls_cap);
    pq_mem_free(l->mem, &l->out, &l->out_cap);
    pq_mem_free(l->mem, &l->raw, &l->raw_cap);
    pq_mem_free(l->mem, &l->codes, &l->codes_cap);
    pq_mem_free(l->mem, &l->nulls, &l->nulls_cap);
    pq_mem_free(l->mem, &l->tmp64, &l->tmp64_cap);
    pq_mem_free(l->mem, &l->tmp64b, &l->tmp64b_cap);
    pq_mem_free(l->mem, &l->lv_def, &l->lv_def_cap);
    pq_mem_free(l->mem, &l->lv_rep, &l->lv_rep_cap);
    pq_mem_free(l->mem, &l->e_def, &l->e_def_cap);
    pq_mem_free(l->mem, &l->e_rep, &l->e_rep_cap);
    account_release(l->mem->account, l->kept_cap);
    arena_fini(&l->arena);
}

void pq_leaf_begin(struct pq_leaf *l, const struct pq_chunk *chunk, const struct pq_location *locations,
                   uint32_t location_count)
{
    l->chunk = chunk;
    l->at = chunk->start;
    l->end = chunk->start + (uint64_t)chunk->bytes;
    l->entries_left = (uint64_t)chunk->value_count;
    l->skip = 0;
    l->locations = locations;
    l->location_count = location_count;
    l->window_bytes = 0;
    l->page_left = 0;
    l->dict_id = 0;
    l->lv_at = l->lv_count = 0;
}

/* ---- bytes of the file ---- */

/* bytes at the file offset `at`, which lie within the chunk; followed by PQ_PAD readable ones. */
static int window(struct pq_leaf *l, uint64_t at, size_t bytes, const uint8_t **ret, struct error *err)
{
    if (at < l->window_at || at - l->window_at > l->window_bytes || bytes > l->window_bytes - (at - l->window_at)) {
        size_t size = l->locations ? WINDOW_FEW_BYTES : WINDOW_BYTES;
        size_t left = (size_t)(l->end - at), want = bytes > size ? bytes : size;
        if (want > left || left < size + size / 4)
            want = left;
        l->window_bytes = 0;
        TRY(pq_mem_grow(l->mem, &l->window, &l->window_cap, want + PQ_PAD, err));
        TRY(pq_read(l->path, l->fd, l->window, want, at, err));
        *l->bytes_read += want;
        l->window_at = at;
        l->window_bytes = want;
    }
    *ret = l->window + (at - l->window_at);
    return 0;
}

static int next_header(struct pq_leaf *l, struct pq_page *page, struct error *err)
{
    size_t left = (size_t)(l->end - l->at), want = HEADER_FIRST;
    l->page_at = l->at;
    for (;;) {
        const uint8_t *p;
        if (want > left)
            want = left;
        if (want == 0)
            return damaged(l, err, "the column chunk ends before its last page");
        TRY(window(l, l->at, want, &p, err));
        int rc = pq_page_parse(p, want, page);
        if (rc == 0)
            break;
        if (rc < 0 || want == left || want >= HEADER_MAX)
            return damaged(l, err, "a page header is not readable");
        want *= 8;
    }
    l->at += page->header_bytes;
    if (page->bytes > l->end - l->at)
        return damaged(l, err, "a page is larger than its column chunk");
    return 0;
}

static int take_buf(struct pq_leaf *l, size_t bytes, struct pq_bytes **ret, struct error *err)
{
    struct pq_bytes *b;
    if (l->buf_count)
        b = l->bufs[--l->buf_count];
    else
        b = xcalloc(1, sizeof *b);
    int rc = pq_mem_grow(l->mem, &b->p, &b->cap, bytes + PQ_PAD, err);
    if (rc) {
        pq_mem_free(l->mem, &b->p, &b->cap);
        xfree(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static void drop_buf(struct pq_leaf *l, struct pq_bytes *b)
{
    if (l->buf_count < 4) {
        l->bufs[l->buf_count++] = b;
    } else {
        pq_mem_free(l->mem, &b->p, &b->cap);
        xfree(b);
    }
}

/* The body is done with, but the batch may still point into it. */
static void retire_body(struct pq_leaf *l)
{
    if (!l->body)
        return;
    ARRAY_GROW(l->retired, l->retired_count, l->retired_cap);
    l->retired[l->retired_count++] = l->body;
    l->body = NULL;
}

static void begin_batch(struct pq_leaf *l)
{
    while (l->retired_count)
        drop_buf(l, l->retired[--l->retired_count]);
    arena_reset(&l->arena);
    l->kept = 0;
}

/* Memory that lives as long as the batch: a few bytes of a page may ask for much of it. */
static void *keep(struct pq_leaf *l, size_t bytes, struct error *err)
{
    l->kept += bytes + 16; /* for the arena's alignment */
    if (l->kept > l->kept_cap) {
        size_t more = l->kept - l->kept_cap + l->kept / 2; /* its chunks are larger than what is asked for */
        if (account_reserve(l->mem->account, more, err) != 0)
            return NULL;
        l->kept_cap += more;
    }
    return arena_alloc(&l->arena, bytes);
}

/* The body of a page, decompressed into a buffer of its own; *ret_raw gets its size. */
static int page_body(struct pq_leaf *l, const struct pq_page *page, struct pq_bytes **ret, struct error *err)
{
    const uint8_t *p;
    const char *why;
    size_t plain = page->type == PQ_DATA_PAGE_V2 ? (size_t)page->def_bytes + page->rep_bytes : 0;
    enum pq_codec codec = page->v2_compressed ? l->chunk->codec : PQ_NONE;
    if (!pq_decompress_plausible(codec, page->bytes - plain, page->bytes_raw - plain))
        return damaged(l, err, "the sizes of a page do not go together");
    TRY(window(l, l->at, page->bytes, &p, err));
    if (page->has_crc && (uint32_t)crc32(0, p, page->bytes) != page->crc)
        return damaged(l, err, "a page fails its checksum");
    struct pq_bytes *b;
    TRY(take_buf(l, page->bytes_raw, &b, err));
    memcpy(b->p, p, plain);
    why = page->bytes_raw == plain ? NULL
                                   : pq_decompress(l->codecs, codec, p + plain, page->bytes - plain, b->p + plain,
                                                   page->bytes_raw - plain);
    memset(b->p + page->bytes_raw, 0, PQ_PAD);
    if (why) {
        drop_buf(l, b);
        return damaged(l, err, why);
    }
    l->at += page->bytes;
    *ret = b;
    return 0;
}

/* ---- values ---- */

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

static uint32_t raw_bytes(enum pq_raw raw)
{
    static const uint8_t sizes[] = {1, 4, 8, 16};
    return sizes[raw];
}

static uint32_t plain_width(const struct pq_leaf *l)
{
    switch (l->node->phys) {
    case PQ_INT32:
    case PQ_FLOAT:
        return 4;
    case PQ_INT64:
    case PQ_DOUBLE:
        return 8;
    case PQ_INT96:
        return 12;
    case PQ_FIXED:
        return l->node->type_length;
    default:
        return 0;
    }
}

/* Length-prefixed values: [0, count) of them lie before data_end; views go to out where wanted. */
static const uint8_t *walk_strings(const uint8_t *p, const uint8_t *end, struct strview *out, uint32_t at,
                                   uint32_t count, const uint16_t *sel, uint32_t sel_count)
{
    uint32_t bytes;
    if (!sel) {
        for (uint32_t i = 0; i < count; i++) {
            if ((size_t)(end - p) < 4)
                return NULL;
            memcpy(&bytes, p, 4);
            p += 4;
            if (bytes > (size_t)(end - p))
                return NULL;
            make_view(&out[at + i], p, bytes);
            p += bytes;
        }
        return p;
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < count; i++) {
        if ((size_t)(end - p) < 4)
            return NULL;
        memcpy(&bytes, p, 4);
        p += 4;
        if (bytes > (size_t)(end - p))
            return NULL;
        if (k < sel_count && sel[k] == at + i) {
            make_view(&out[at + i], p, bytes);
            k++;
        }
        p += bytes;
    }
    return p;
}

static void copy_bits(const uint8_t *bits, uint32_t from, uint8_t *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = bits[(from + i) >> 3] >> ((from + i) & 7) & 1;
}

static int64_t *tmp_lengths(struct pq_leaf *l, uint32_t count, struct error *err)
{
    return pq_mem_grow(l->mem, &l->tmp64, &l->tmp64_cap, (size_t)count * 8, err) ? NULL : l->tmp64;
}

static int read_delta_bytes(struct pq_leaf *l, struct strview *out, uint32_t count, struct error *err)
{
    int64_t *prefix = tmp_lengths(l, count, err);
    if (!prefix)
        return err->code;
    TRY(pq_mem_grow(l->mem, &l->tmp64b, &l->tmp64b_cap, (size_t)count * 8, err));
    int64_t *suffix = l->tmp64b;
    if (!pq_delta_read(&l->delta, prefix, count) || !pq_delta_read(&l->delta2, suffix, count))
        return damaged(l, err, "the lengths of delta-encoded strings end too early");
    for (uint32_t i = 0; i < count; i++) {
        if (prefix[i] < 0 || prefix[i] > l->last_bytes || suffix[i] < 0 || suffix[i] > l->data_end - l->data)
            return damaged(l, err, "a delta-encoded string has an impossible length");
        uint64_t bytes = (uint64_t)prefix[i] + (uint64_t)suffix[i];
        if (bytes > INT32_MAX)
            return damaged(l, err, "a delta-encoded string is too long");
        TRY(pq_mem_grow(l->mem, &l->last, &l->last_cap, bytes + PQ_PAD, err));
        memcpy(l->last + prefix[i], l->data, (size_t)suffix[i]);
        l->data += suffix[i];
        l->last_bytes = (uint32_t)bytes;
        if (out) {
            char *p = l->last;
            if (bytes > STRVIEW_INLINE) {
                if (!(p = keep(l, bytes, err)))
                    return err->code;
                memcpy(p, l->last, bytes);
            }
            make_view(&out[i], (const uint8_t *)p, (uint32_t)bytes);
        }
    }
    return 0;
}

/*
 * Decodes count values of the page to raw[at...], or passes over them when raw is NULL. sel are batch rows
 * in [at, at + count): then only those need to be made.
 */
static int read_raw(struct pq_leaf *l, void *raw, uint32_t at, uint32_t count, const uint16_t *sel, uint32_t sel_count,
                    struct error *err)
{
    uint32_t width = plain_width(l);
    size_t have = (size_t)(l->data_end - l->data);
    bool few = sel && sel_count < count / 4;
    switch (l->mode) {
    case PQ_MODE_PLAIN:
        if (l->node->phys == PQ_BYTE_ARRAY) {
            static const uint16_t none;
            const uint8_t *p = raw ? walk_strings(l->data, l->data_end, raw, at, count, sel, sel_count)
                                   : walk_strings(l->data, l->data_end, NULL, at, count, &none, 0);
            if (!p)
                return damaged(l, err, "a string reaches past the end of its page");
            l->data = p;
            return 0;
        }
        if (l->node->phys == PQ_BOOLEAN) {
            if (((uint64_t)l->bool_at + count + 7) / 8 > have)
                return damaged(l, err, "the values of a page end too early");
            if (raw)
                copy_bits(l->data, l->bool_at, (uint8_t *)raw + at, count);
            l->bool_at += count;
            return 0;
        }
        if ((uint64_t)count * width > have)
            return damaged(l, err, "the values of a page end too early");
        if (raw && l->conv.raw == PQ_RAW_4) {
            if (few)
                for (uint32_t k = 0; k < sel_count; k++)
                    memcpy((uint32_t *)raw + sel[k], l->data + (size_t)(sel[k] - at) * 4, 4);
            else
                memcpy((uint32_t *)raw + at, l->data, (size_t)count * 4);
        } else if (raw && l->conv.raw == PQ_RAW_8) {
            if (few)
                for (uint32_t k = 0; k < sel_count; k++)
                    memcpy((uint64_t *)raw + sel[k], l->data + (size_t)(sel[k] - at) * 8, 8);
            else
                memcpy((uint64_t *)raw + at, l->data, (size_t)count * 8);
        } else if (raw) {
            struct strview *v = raw;
            if (sel)
                for (uint32_t k = 0; k < sel_count; k++)
                    make_view(&v[sel[k]], l->data + (size_t)(sel[k] - at) * width, width);
            else
                for (uint32_t i = 0; i < count; i++)
                    make_view(&v[at + i], l->data + (size_t)i * width, width);
        }
        l->data += (size_t)count * width;
        return 0;
    case PQ_MODE_RLE: {
        uint8_t *out = raw;
        uint32_t full;
        if (out ? !pq_rle_levels(&l->codes_in, out + at, count, 1, &full) : !pq_rle_skip(&l->codes_in, count))
            return damaged(l, err, "the values of a page end too early");
        return 0;
    }
    case PQ_MODE_DELTA: {
        int64_t *out = raw && l->conv.raw == PQ_RAW_8 ? (int64_t *)raw + at : tmp_lengths(l, count, err);
        if (!out)
            return err->code;
        if (!pq_delta_read(&l->delta, out, count))
            return damaged(l, err, "delta-encoded values end too early");
        if (raw && l->conv.raw == PQ_RAW_4)
            for (uint32_t i = 0; i < count; i++)
                ((int32_t *)raw)[at + i] = (int32_t)out[i];
        return 0;
    }
    case PQ_MODE_DELTA_LENGTH: {
        int64_t *lengths = tmp_lengths(l, count, err);
        if (!lengths)
            return err->code;
        if (!pq_delta_read(&l->delta, lengths, count))
            return damaged(l, err, "the lengths of delta-encoded strings end too early");
        struct strview *v = raw;
        for (uint32_t i = 0; i < count; i++) {
            if (lengths[i] < 0 || lengths[i] > l->data_end - l->data)
                return damaged(l, err, "a string reaches past the end of its page");
            if (raw)
                make_view(&v[at + i], l->data, (uint32_t)lengths[i]);
            l->data += lengths[i];
        }
        return 0;
    }
    case PQ_MODE_DELTA_BYTES:
        TRY(read_delta_bytes(l, raw ? (struct strview *)raw + at : NULL, count, err));
        if (raw && l->node->phys == PQ_FIXED)
            for (uint32_t i = 0; i < count; i++)
                if (((struct strview *)raw)[at + i].bytes != width)
                    return damaged(l, err, "a value of fixed length has another length");
        return 0;
    case PQ_MODE_SPLIT: {
        if (count > l->split_count - l->split_at)
            return damaged(l, err, "the values of a page end too early");
        const uint8_t *p = l->data + l->split_at;
        if (raw && width == 4 && l->conv.raw == PQ_RAW_4) {
            for (uint32_t i = 0; i < count; i++)
                ((uint32_t *)raw)[at + i] = (uint32_t)p[i] | (uint32_t)p[l->split_count + i] << 8 |
                                            (uint32_t)p[2 * (size_t)l->split_count + i] << 16 |
                                            (uint32_t)p[3 * (size_t)l->split_count + i] << 24;
        } else if (raw && l->conv.raw == PQ_RAW_8) {
            for (uint32_t i = 0; i < count; i++) {
                uint64_t v = 0;
                for (unsigned b = 0; b < 8; b++)
                    v |= (uint64_t)p[b * (size_t)l->split_count + i] << (8 * b);
                ((uint64_t *)raw)[at + i] = v;
            }
        } else if (raw) {
            uint8_t *bytes = keep(l, (size_t)count * width + PQ_PAD, err);
            if (!bytes)
                return err->code;
            for (uint32_t b = 0; b < width; b++)
                for (uint32_t i = 0; i < count; i++)
                    bytes[(size_t)i * width + b] = p[b * (size_t)l->split_count + i];
            for (uint32_t i = 0; i < count; i++)
                make_view((struct strview *)raw + at + i, bytes + (size_t)i * width, width);
        }
        l->split_at += count;
        return 0;
    }
    case PQ_MODE_DICT:
        break;
    }
    UNREACHABLE("codes are read elsewhere");
}

static int read_codes(struct pq_leaf *l, uint32_t at, uint32_t count, struct error *err)
{
    if (!pq_rle_read(&l->codes_in, l->codes + at, count))
        return damaged(l, err, "the dictionary codes of a page end too early");
    if ((l->codes_in.width >= 32 || (uint64_t)1 << l->codes_in.width > l->dict_count) && count > 0 &&
        pq_max32(l->codes + at, count) >= l->dict_count)
        return damaged(l, err, "a dictionary code is larger than the dictionary");
    return 0;
}

/* out[i] = dictionary[codes[i]] for i in [from, to) that are selected. */
static void gather(struct pq_leaf *l, uint32_t from, uint32_t to, const uint16_t *sel, uint32_t sel_count)
{
    uint32_t bytes = phys_bytes(l->conv.phys);
    const uint32_t *codes = l->codes;
    if (!sel || sel_count >= (to - from) - (to - from) / 4) {
        switch (bytes) {
        case 4:
            pq_gather4(l->dict, codes + from, (uint32_t *)l->out + from, to - from);
            return;
        case 8:
            pq_gather8(l->dict, codes + from, (uint64_t *)l->out + from, to - from);
            return;
        case 16:
            for (uint32_t i = from; i < to; i++)
                memcpy((char *)l->out + (size_t)i * 16, (char *)l->dict + (size_t)codes[i] * 16, 16);
            return;
        default:
            for (uint32_t i = from; i < to; i++)
                memcpy((char *)l->out + (size_t)i * bytes, (char *)l->dict + (size_t)codes[i] * bytes, bytes);
            return;
        }
    }
    switch (bytes) {
    case 4:
        for (uint32_t k = 0; k < sel_count; k++)
            ((uint32_t *)l->out)[sel[k]] = ((uint32_t *)l->dict)[codes[sel[k]]];
        return;
    case 8:
        for (uint32_t k = 0; k < sel_count; k++)
            ((uint64_t *)l->out)[sel[k]] = ((uint64_t *)l->dict)[codes[sel[k]]];
        return;
    case 16:
        for (uint32_t k = 0; k < sel_count; k++)
            memcpy((char *)l->out + (size_t)sel[k] * 16, (char *)l->dict + (size_t)codes[sel[k]] * 16, 16);
        return;
    default:
        for (uint32_t k = 0; k < sel_count; k++)
            memcpy((char *)l->out + (size_t)sel[k] * bytes, (char *)l->dict + (size_t)codes[sel[k]] * bytes, bytes);
    }
}

/* ---- pages ---- */

static int load_dictionary(struct pq_leaf *l, const struct pq_page *page, struct error *err)
{
    struct pq_bytes *b;
    uint32_t bytes = phys_bytes(l->conv.phys), count = page->value_count, width = plain_width(l);
    if (l->dict_id)
        return damaged(l, err, "a column chunk has two dictionaries");
    if (page->encoding != PQ_PLAIN && page->encoding != PQ_PLAIN_DICTIONARY)
        return damaged(l, err, "the encoding of a dictionary is unknown");
    if (l->node->phys == PQ_BOOLEAN)
        return damaged(l, err, "a dictionary of booleans");
    if ((uint64_t)count * (width ? width : 4) > page->bytes_raw)
        return damaged(l, err, "a dictionary has fewer values than it says");
    TRY(page_body(l, page, &b, err));
    if (l->dict_body)
        drop_buf(l, l->dict_body);
    l->dict_body = b;
    /* Decoded as a page of plain values would be. */
    enum pq_mode mode = l->mode;
    const uint8_t *data = l->data, *data_end = l->data_end;
    const void *raw;
    TRY(pq_mem_grow(l->mem, &l->dict, &l->dict_cap, ((size_t)count + 1) * bytes, err));
    if (l->conv.op != PQ_CONV_NONE)
        TRY(pq_mem_grow(l->mem, &l->raw, &l->raw_cap, (size_t)count * raw_bytes(l->conv.raw), err));
    raw = l->conv.op == PQ_CONV_NONE ? l->dict : l->raw;
    l->mode = PQ_MODE_PLAIN;
    l->data = b->p;
    l->data_end = b->p + page->bytes_raw;
    TRY(read_raw(l, (void *)(uintptr_t)raw, 0, count, NULL, 0, err));
    if (l->conv.op != PQ_CONV_NONE && !pq_convert(&l->conv, raw, l->dict, NULL, count))
        return damaged(l, err, "a value does not fit its column's type");
    l->mode = mode;
    l->data = data;
    l->data_end = data_end;
    memset((char *)l->dict + (size_t)count * bytes, 0, bytes);
    TRY(pq_mem_grow(l->mem, &l->dict_nulls, &l->dict_nulls_cap, (size_t)count + 1, err));
    memset(l->dict_nulls, 0, count);
    l->dict_nulls[count] = 1;
    l->dict_count = count;
    l->dict_id = __atomic_add_fetch(&next_dict_id, 1, __ATOMIC_RELAXED);
    return 0;
}

static unsigned bits_for(unsigned max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* Levels of a v1 page: a length and runs, or the deprecated packed bits. */
static int v1_levels(struct pq_leaf *l, enum pq_encoding encoding, unsigned max, struct pq_rle *rle,
                     const uint8_t **msb, struct error *err)
{
    size_t have = (size_t)(l->data_end - l->data);
    *msb = NULL;
    if (max == 0)
        return 0;
    if (encoding == PQ_BIT_PACKED) {
        uint64_t bytes = ((uint64_t)l->page.value_count * bits_for(max) + 7) / 8;
        if (bytes > have)
            return damaged(l, err, "the levels of a page end too early");
        *msb = l->data;
        l->data += bytes;
        return 0;
    }
    uint32_t bytes;
    if (encoding != PQ_RLE)
        return damaged(l, err, "the encoding of a page's levels is unknown");
    if (have < 4)
        return damaged(l, err, "a page ends before its levels");
    memcpy(&bytes, l->data, 4);
    if (bytes > have - 4)
        return damaged(l, err, "the levels of a page end too early");
    pq_rle_init(rle, l->data + 4, l->data + 4 + bytes, bits_for(max));
    l->data += 4 + (size_t)bytes;
    return 0;
}

static int start_values(struct pq_leaf *l, struct error *err)
{
    enum pq_phys phys = l->node->phys;
    uint32_t bytes, width = plain_width(l);
    const uint8_t *p;
    l->bool_at = 0;
    switch (l->page.encoding) {
    case PQ_PLAIN:
        l->mode = PQ_MODE_PLAIN;
        return 0;
    case PQ_PLAIN_DICTIONARY:
    case PQ_RLE_DICTIONARY:
        l->mode = PQ_MODE_DICT;
        if (!l->dict_id)
            return damaged(l, err, "a page refers to a dictionary that is not there");
        if (l->data == l->data_end) { /* all null */
            pq_rle_init(&l->codes_in, l->data, l->data, 32);
            return 0;
        }
        if (*l->data > 32)
            return damaged(l, err, "dictionary codes of more than 32 bits");
        pq_rle_init(&l->codes_in, l->data + 1, l->data_end, *l->data);
        return 0;
    case PQ_RLE:
        if (phys != PQ_BOOLEAN)
            break;
        l->mode = PQ_MODE_RLE;
        if (l->data_end - l->data < 4)
            return l->data == l->data_end ? 0 : damaged(l, err, "a page ends before its values");
        memcpy(&bytes, l->data, 4);
        if (bytes > (size_t)(l->data_end - l->data) - 4)
            return damaged(l, err, "the values of a page end too early");
        pq_rle_init(&l->codes_in, l->data + 4, l->data + 4 + bytes, 1);
        return 0;
    case PQ_DELTA_BINARY_PACKED:
        if (phys != PQ_INT32 && phys != PQ_INT64)
            break;
        l->mode = PQ_MODE_DELTA;
        if (!pq_delta_init(&l->delta, l->data, l->data_end))
            return damaged(l, err, "delta-encoded values are not readable");
        return 0;
    case PQ_DELTA_LENGTH:
        if (phys != PQ_BYTE_ARRAY)
            break;
        l->mode = PQ_MODE_DELTA_LENGTH;
        if (!pq_delta_init(&l->delta, l->data, l->data_end) || !(p = pq_delta_end(&l->delta)))
            return damaged(l, err, "delta-encoded lengths are not readable");
        l->data = p;
        return 0;
    case PQ_DELTA_BYTE_ARRAY:
        if (phys != PQ_BYTE_ARRAY && phys != PQ_FIXED)
            break;
        l->mode = PQ_MODE_DELTA_BYTES;
        l->last_bytes = 0;
        if (!pq_delta_init(&l->delta, l->data, l->data_end) || !(p = pq_delta_end(&l->delta)) ||
            !pq_delta_init(&l->delta2, p, l->data_end) || !(p = pq_delta_end(&l->delta2)))
            return damaged(l, err, "delta-encoded lengths are not readable");
        l->data = p;
        return 0;
    case PQ_BYTE_STREAM_SPLIT:
        if (width == 0 || phys == PQ_INT96)
            break;
        l->mode = PQ_MODE_SPLIT;
        if ((size_t)(l->data_end - l->data) % width)
            return damaged(l, err, "the streams of a page have different lengths");
        l->split_at = 0;
        l->split_count = (uint32_t)((size_t)(l->data_end - l->data) / width);
        return 0;
    default:
        break;
    }
    return damaged(l, err, "the encoding of a page does not go with its column");
}

static int load_data_page(struct pq_leaf *l, const struct pq_page *page, struct error *err)
{
    struct pq_bytes *b;
    retire_body(l);
    TRY(page_body(l, page, &b, err));
    l->body = b;
    l->page = *page;
    l->data = b->p;
    l->data_end = b->p + page->bytes_raw;
    l->def_msb = l->rep_msb = NULL;
    l->msb_idx = 0;
    l->lv_at = l->lv_count = 0;
    if (page->type == PQ_DATA_PAGE_V2) {
        pq_rle_init(&l->rep, l->data, l->data + page->rep_bytes, bits_for(l->node->max_rep));
        l->data += page->rep_bytes;
        pq_rle_init(&l->def, l->data, l->data + page->def_bytes, bits_for(l->node->max_def));
        l->data += page->def_bytes;
    } else {
        TRY(v1_levels(l, page->rep_encoding, l->node->max_rep, &l->rep, &l->rep_msb, err));
        TRY(v1_levels(l, page->def_encoding, l->node->max_def, &l->def, &l->def_msb, err));
    }
    TRY(start_values(l, err));
    if (page->value_count > l->entries_left)
        return damaged(l, err, "the pages of a column chunk have more values than it says");
    l->entries_left -= page->value_count;
    l->page_left = page->value_count;
    return 0;
}

int pq_leaf_dictionary(struct pq_leaf *l, struct error *err)
{
    struct pq_page page;
    if (l->dict_id || l->at != l->chunk->start || l->entries_left == 0)
        return 0;
    TRY(next_header(l, &page, err));
    if (page.type == PQ_DICTIONARY_PAGE)
        return load_dictionary(l, &page, err);
    l->at = l->chunk->start;
    return 0;
}

/* The offset index knows where the page of the first wanted row begins (leaves without repetition). */
static int jump(struct pq_leaf *l, struct error *err)
{
    uint64_t next = (uint64_t)l->chunk->value_count - l->entries_left, target = next + l->skip;
    uint32_t lo = 0, hi = l->location_count;
    if (l->chunk->has_dictionary && !l->dict_id)
        TRY(pq_leaf_dictionary(l, err));
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if ((uint64_t)l->locations[mid].first_row <= target)
            lo = mid;
        else
            hi = mid;
    }
    uint64_t row = (uint64_t)l->locations[lo].first_row;
    if (row <= next || target >= (uint64_t)l->chunk->value_count)
        return 0;
    l->at = l->locations[lo].offset;
    for (; lo > 0 && (uint64_t)l->locations[lo - 1].first_row >= next; lo--)
        *l->pages_skipped += 1;
    l->entries_left = (uint64_t)l->chunk->value_count - row;
    l->skip = target - row;
    return 0;
}

/* Where the index says that a page begins, the page must have the rows that the index says. */
static bool page_agrees(const struct pq_leaf *l, const struct pq_page *page)
{
    uint32_t lo = 0, hi = l->location_count;
    int64_t row = l->chunk->value_count - (int64_t)l->entries_left;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->locations[mid].offset <= l->page_at)
            lo = mid;
        else
            hi = mid;
    }
    int64_t end = lo + 1 < l->location_count ? l->locations[lo + 1].first_row : l->chunk->value_count;
    return l->locations[lo].offset == l->page_at && l->locations[lo].first_row == row &&
           end - row == (int64_t)page->value_count;
}

/*
 * Goes to the next data page. Pages that skip wholly covers (leaves without repetition: an entry is a row)
 * are not decompressed. On return page_left > 0 or skip is 0 and the chunk has ended.
 */
static int next_page(struct pq_leaf *l, bool rows_are_entries, struct error *err)
{
    struct pq_page page;
    if (l->page_left == 0 && l->entries_left > 0 && l->skip > 0 && rows_are_entries && l->locations)
        TRY(jump(l, err));
    while (l->page_left == 0 && l->entries_left > 0) {
        TRY(next_header(l, &page, err));
        if (l->locations && (page.type == PQ_DATA_PAGE || page.type == PQ_DATA_PAGE_V2) && !page_agrees(l, &page))
            return damaged(l, err, "a page is not what the offset index says");
        switch (page.type) {
        case PQ_DICTIONARY_PAGE:
            TRY(load_dictionary(l, &page, err));
            break;
        case PQ_DATA_PAGE:
        case PQ_DATA_PAGE_V2:
            if (rows_are_entries && page.value_count <= l->skip) {
                if (page.value_count > l->entries_left)
                    return damaged(l, err, "the pages of a column chunk have more values than it says");
                l->entries_left -= page.value_count;
                l->skip -= page.value_count;
                l->at += page.bytes;
                *l->pages_skipped += 1;
                break;
            }
            TRY(load_data_page(l, &page, err));
            break;
        default:
            l->at += page.bytes;
        }
    }
    return 0;
}

/* Levels of the deprecated encoding: the first value is in the highest bits. */
static bool msb_levels(const uint8_t *bits, uint64_t idx, unsigned max, uint8_t *out, uint32_t count,
                       uint32_t *ret_full)
{
    unsigned width = bits_for(max);
    uint32_t full = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned v = 0;
        for (unsigned b = 0; b < width; b++) {
            uint64_t bit = (idx + i) * width + b;
            v = v << 1 | (bits[bit >> 3] >> (7 - (bit & 7)) & 1);
        }
        if (v > max)
            return false;
        out[i] = (uint8_t)v;
        full += v == max;
    }
    *ret_full = full;
    return true;
}

static int read_levels(struct pq_leaf *l, bool rep, uint8_t *out, uint32_t count, uint32_t *ret_full,
                       struct error *err)
{
    uint8_t max = rep ? l->node->max_rep : l->node->max_def;
    const uint8_t *msb = rep ? l->rep_msb : l->def_msb;
    if (max == 0) {
        memset(out, 0, count);
        *ret_full = count;
        return 0;
    }
    if (msb ? !msb_levels(msb, l->msb_idx, max, out, count, ret_full)
            : !pq_rle_levels(rep ? &l->rep : &l->def, out, count, max, ret_full))
        return damaged(l, err, "the levels of a page end too early or are too large");
    return 0;
}

/* ---- rows of flat leaves ---- */

static int skip_values(struct pq_leaf *l, uint32_t count, struct error *err)
{
    if (l->mode != PQ_MODE_DICT)
        return read_raw(l, NULL, 0, count, NULL, 0, err);
    if (!pq_rle_skip(&l->codes_in, count))
        return damaged(l, err, "the dictionary codes of a page end too early");
    return 0;
}

static int skip_rows(struct pq_leaf *l, struct error *err)
{
    while (l->skip > 0) {
        if (l->page_left == 0) {
            begin_batch(l);
            TRY(next_page(l, true, err));
            if (l->page_left == 0) {
                if (l->skip > 0)
                    return damaged(l, err, "a column chunk has fewer rows than its row group");
                return 0;
            }
            continue;
        }
        uint32_t n = l->skip < l->page_left ? (uint32_t)l->skip : l->page_left, full = n;
        if (n == l->page_left) { /* the rest of the page: nothing to decode */
            l->page_left = 0;
            l->skip -= n;
            continue;
        }
        if (l->node->max_def) {
            uint8_t tmp[1024];
            if (n > sizeof tmp)
                n = sizeof tmp;
            TRY(read_levels(l, false, tmp, n, &full, err));
            l->msb_idx += n;
        }
        TRY(skip_values(l, full, err));
        l->page_left -= n;
        l->skip -= n;
    }
    return 0;
}

/* Moves dense values apart: the value of row i comes from the front; null rows become zero. */
#define SPREAD(type)                                                                               \
    do {                                                                                           \
        type *v = values;                                                                          \
        for (uint32_t i = count, k = full; i-- > 0;)                                               \
            v[i] = nulls[i] ? (type){0} : v[--k];                                                  \
    } while (0)

static void spread(void *values, uint32_t bytes, const uint8_t *nulls, uint32_t count, uint32_t full)
{
    switch (bytes) {
    case 1:
        SPREAD(uint8_t);
        break;
    case 2:
        SPREAD(uint16_t);
        break;
    case 4:
        SPREAD(uint32_t);
        break;
    case 8:
        SPREAD(uint64_t);
        break;
    default:
        SPREAD(struct strview);
        break;
    }
}

static void spread_codes(uint32_t *codes, uint32_t null_code, const uint8_t *nulls, uint32_t count, uint32_t full)
{
    for (uint32_t i = count, k = full; i-- > 0;)
        codes[i] = nulls[i] ? null_code : codes[--k];
}

static int batch_room(struct pq_leaf *l, uint32_t count, struct error *err)
{
    TRY(pq_mem_grow(l->mem, &l->out, &l->out_cap, (size_t)count * phys_bytes(l->conv.phys), err));
    if (l->conv.op != PQ_CONV_NONE)
        TRY(pq_mem_grow(l->mem, &l->raw, &l->raw_cap, (size_t)count * raw_bytes(l->conv.raw), err));
    TRY(pq_mem_grow(l->mem, &l->nulls, &l->nulls_cap, count, err));
    return pq_mem_grow(l->mem, &l->codes, &l->codes_cap, (size_t)count * 4, err);
}

int pq_leaf_read(struct pq_leaf *l, uint32_t count, const uint16_t *sel, uint32_t sel_count, bool keep_codes,
                 struct column *ret, struct error *err)
{
    uint32_t at = 0, bytes = phys_bytes(l->conv.phys), sel_at = 0;
    bool coded = true, any_null = false, in_place = false;
    begin_batch(l);
    TRY(skip_rows(l, err));
    TRY(batch_room(l, count > BATCH_ROWS ? count : BATCH_ROWS, err));
    while (at < count) {
        uint32_t n, full, sel_n = 0;
        if (l->page_left == 0) {
            TRY(next_page(l, true, err));
            if (l->page_left == 0)
                return damaged(l, err, "a column chunk has fewer rows than its row group");
        }
        n = l->page_left < count - at ? l->page_left : count - at;
        const uint16_t *s = NULL;
        if (sel) {
            s = sel + sel_at;
            if (n == count)
                sel_n = sel_count;
            else
                while (sel_at + sel_n < sel_count && s[sel_n] < at + n)
                    sel_n++;
            sel_at += sel_n;
        }
        full = n;
        if (l->node->max_def) {
            uint8_t *nulls = l->nulls + at, max = l->node->max_def;
            if (!l->def_msb && pq_rle_take_run(&l->def, n, max)) {
                if (any_null)
                    memset(nulls, 0, n);
            } else {
                TRY(read_levels(l, false, nulls, n, &full, err));
                if (max == 1)
                    for (uint32_t i = 0; i < n; i++)
                        nulls[i] ^= 1;
                else
                    for (uint32_t i = 0; i < n; i++)
                        nulls[i] = nulls[i] < max;
                if (full < n && !any_null) {
                    memset(l->nulls, 0, at);
                    any_null = true;
                }
            }
            l->msb_idx += n;
        }
        if (full < n)
            s = NULL; /* dense values first */
        if (l->mode == PQ_MODE_DICT) {
            TRY(read_codes(l, at, full, err));
            if (full < n)
                spread_codes(l->codes + at, l->dict_count, l->nulls + at, n, full);
            if (!coded)
                gather(l, at, at + n, NULL, 0);
        } else {
            if (coded && at > 0)
                gather(l, 0, at, NULL, 0);
            coded = false;
            if (l->conv.op == PQ_CONV_NONE) {
                size_t size = (size_t)n * bytes;
                if (n == count && full == n && l->mode == PQ_MODE_PLAIN && l->conv.raw != PQ_RAW_VIEW &&
                    l->conv.raw != PQ_RAW_BOOL && ((uintptr_t)l->data & (bytes - 1)) == 0 &&
                    size <= (size_t)(l->data_end - l->data)) {
                    ret->data = l->data; /* no copy: the page outlives the batch */
                    in_place = true;
                    l->data += size;
                } else {
                    TRY(read_raw(l, l->out, at, full, s, sel_n, err));
                }
            } else {
                TRY(read_raw(l, l->raw, at, full, s, sel_n, err));
                if (s ? !pq_convert(&l->conv, l->raw, l->out, s, sel_n)
                      : !pq_convert(&l->conv, (char *)l->raw + (size_t)at * raw_bytes(l->conv.raw),
                                    (char *)l->out + (size_t)at * bytes, NULL, full))
                    return damaged(l, err, "a value does not fit its column's type");
            }
            if (full < n)
                spread((char *)l->out + (size_t)at * bytes, bytes, l->nulls + at, n, full);
        }
        l->page_left -= n;
        at += n;
    }
    ret->type = l->type;
    ret->phys = l->conv.phys;
    ret->rows = count;
    ret->children = NULL;
    ret->codes = NULL;
    ret->dict_rows = 0;
    ret->dict_id = 0;
    if (coded && count > 0) {
        ret->kind = COL_DICT;
        ret->codes = l->codes;
        ret->data = l->dict;
        ret->dict_rows = l->dict_count + 1;
        ret->dict_id = l->dict_id;
        ret->nulls = any_null ? l->dict_nulls : NULL;
        if (!keep_codes) {
            ret->nulls = any_null ? l->nulls : NULL;
            pq_leaf_flatten(l, ret, sel, sel_count);
        }
    } else {
        ret->kind = COL_FLAT;
        if (!in_place)
            ret->data = l->out;
        ret->nulls = any_null ? l->nulls : NULL;
    }
    return 0;
}

void pq_leaf_flatten(struct pq_leaf *l, struct column *col, const uint16_t *sel, uint32_t sel_count)
{
    gather(l, 0, col->rows, sel, sel_count);
    if (col->nulls)
        col->nulls = l->nulls;
    col->kind = COL_FLAT;
    col->data = l->out;
    col->codes = NULL;
    col->dict_rows = 0;
    col->dict_id = 0;
}

/* ---- entries of repeated leaves ---- */

static int more_levels(struct pq_leaf *l, struct error *err)
{
    uint32_t n = l->page_left < LEVELS_AT_ONCE ? l->page_left : LEVELS_AT_ONCE, full;
    TRY(pq_mem_grow(l->mem, &l->lv_def, &l->lv_def_cap, LEVELS_AT_ONCE, err));
    TRY(pq_mem_grow(l->mem, &l->lv_rep, &l->lv_rep_cap, LEVELS_AT_ONCE, err));
    TRY(read_levels(l, true, l->lv_rep, n, &full, err));
    TRY(read_levels(l, false, l->lv_def, n, &full, err));
    l->msb_idx += n;
    l->lv_at = 0;
    l->lv_count = n;
    l->page_left -= n;
    return 0;
}

/* Decodes count dense values to out[value_count...]. */
static int dense_values(struct pq_leaf *l, uint32_t count, struct error *err)
{
    uint32_t at = l->value_count, bytes = phys_bytes(l->conv.phys);
    TRY(batch_room(l, at + count, err));
    if (l->mode == PQ_MODE_DICT) {
        TRY(read_codes(l, at, count, err));
        gather(l, at, at + count, NULL, 0);
    } else if (l->conv.op == PQ_CONV_NONE) {
        TRY(read_raw(l, l->out, at, count, NULL, 0, err));
    } else {
        TRY(read_raw(l, l->raw, at, count, NULL, 0, err));
        if (!pq_convert(&l->conv, (char *)l->raw + (size_t)at * raw_bytes(l->conv.raw),
                        (char *)l->out + (size_t)at * bytes, NULL, count))
            return damaged(l, err, "a value does not fit its column's type");
    }
    l->value_count += count;
    return 0;
}

/* Takes entries until `rows` rows are complete; keep: they go to the batch. */
static int take_entries(struct pq_leaf *l, uint64_t rows, bool keep, struct error *err)
{
    uint64_t seen = 0;
    for (;;) {
        if (l->lv_at == l->lv_count) {
            if (l->page_left == 0) {
                if (!keep)
                    begin_batch(l);
                TRY(next_page(l, false, err));
            }
            if (l->page_left == 0)
                break;
            TRY(more_levels(l, err));
        }
        uint32_t from = l->lv_at, to = from, full = 0;
        for (; to < l->lv_count; to++) {
            if (l->lv_rep[to] == 0) {
                if (seen == rows)
                    break;
                seen++;
            } else if (seen == 0) {
                return damaged(l, err, "a row begins in its middle");
            }
            full += l->lv_def[to] == l->node->max_def;
        }
        if (keep) {
            uint32_t n = to - from;
            if ((uint64_t)l->entry_count + n > INT32_MAX)
                return damaged(l, err, "the lists of a batch are too long");
            TRY(pq_mem_grow(l->mem, &l->e_def, &l->e_def_cap, (size_t)l->entry_count + n + 1, err));
            TRY(pq_mem_grow(l->mem, &l->e_rep, &l->e_rep_cap, (size_t)l->entry_count + n + 1, err));
            memcpy(l->e_def + l->entry_count, l->lv_def + from, n);
            memcpy(l->e_rep + l->entry_count, l->lv_rep + from, n);
            l->entry_count += n;
            TRY(dense_values(l, full, err));
        } else {
            TRY(skip_values(l, full, err));
        }
        l->lv_at = to;
        if (to < l->lv_count)
            break;
    }
    if (seen < rows)
        return damaged(l, err, "a column chunk has fewer rows than its row group");
    return 0;
}

int pq_leaf_entries(struct pq_leaf *l, uint32_t rows, struct error *err)
{
    begin_batch(l);
    if (l->skip) {
        TRY(take_entries(l, l->skip, false, err));
        l->skip = 0;
    }
    l->entry_count = l->value_count = 0;
    TRY(batch_room(l, BATCH_ROWS, err));
    TRY(pq_mem_grow(l->mem, &l->e_def, &l->e_def_cap, BATCH_ROWS, err));
    TRY(pq_mem_grow(l->mem, &l->e_rep, &l->e_rep_cap, BATCH_ROWS, err));
    return take_entries(l, rows, true, err);
}
