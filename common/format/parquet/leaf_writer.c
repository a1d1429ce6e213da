/* Pages and chunks of a leaf; see leaf_writer.h. */
#include "common/format/parquet/leaf_writer.h"

#include <zlib.h>

#include "common/format/parquet/encode.h"

enum { DICT_BYTES_MAX = 1 << 20, DICT_COUNT_MAX = 1 << 17 };

void pq_chunk_meta_fini(struct pq_chunk_meta *m)
{
    buf_fini(&m->min);
    buf_fini(&m->max);
    buf_fini(&m->bound_bytes);
    xfree(m->pages);
}

void pq_press_fini(struct pq_press *p)
{
    buf_fini(&p->raw);
    buf_fini(&p->packed);
    pq_codecs_fini(&p->codecs);
}

void pq_leaf_writer_init(struct pq_leaf_writer *l, const struct type *t, bool optional, uint8_t max_def, uint8_t max_rep)
{
    struct pq_form form = pq_form_of(t);
    *l = (struct pq_leaf_writer){.form = form, .optional = optional, .max_def = max_def, .max_rep = max_rep, .dict.width = form.width};
}

void pq_leaf_writer_fini(struct pq_leaf_writer *l)
{
    xfree(l->defs);
    xfree(l->reps);
    xfree(l->codes);
    buf_fini(&l->plain);
    pq_dict_fini(&l->dict);
    buf_fini(&l->pages);
    xfree(l->in_codes);
    pq_bounds_fini(&l->bounds);
    pq_bounds_fini(&l->chunk_bounds);
    pq_chunk_meta_fini(&l->meta);
}

void pq_leaf_writer_begin(struct pq_leaf_writer *l)
{
    l->use_dict = l->form.hold != PQ_HOLD_BOOL;
    pq_dict_reset(&l->dict);
    buf_reset(&l->pages);
    l->chunk_bounds.any = false;
    l->chunk_rows = 0;
    l->meta = (struct pq_chunk_meta){.index = true};
    l->pages_cap = 0;
    l->in_dict_id = 0;
}

size_t pq_leaf_writer_held(const struct pq_leaf_writer *l)
{
    return l->plain.cap + l->dict.values.cap + l->pages.cap + (size_t)l->dict.slot_count * 4 +
           ((size_t)l->def_cap + l->rep_cap + l->code_cap + l->dict.cap + l->in_cap) * 4;
}

/* ---- pages ---- */

/* Appends raw to out as a page; *raw_bytes counts what it is without compression, header included. */
static int press_page(struct pq_press *press, enum pq_page_type type, const struct buf *raw, uint32_t value_count,
                      enum pq_encoding encoding, struct buf *out, int64_t *raw_bytes, struct error *err)
{
    if (raw->bytes > INT32_MAX)
        return error_set(err, ERR_FILE_WRITE, "path", press->path, "message", "a page of more than 2 GiB", NULL);
    struct buf *packed = &press->packed;
    buf_reset(packed);
    pq_compress(&press->codecs, press->codec, raw->data ? raw->data : "", raw->bytes, packed);
    struct thrift_out t;
    size_t from = out->bytes;
    thrift_out_init(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, type);
    thrift_put_int(&t, 2, THRIFT_I32, (int64_t)raw->bytes);
    thrift_put_int(&t, 3, THRIFT_I32, (int64_t)packed->bytes);
    thrift_put_int(&t, 4, THRIFT_I32, (int32_t)crc32(0, (const Bytef *)packed->data, (uInt)packed->bytes));
    thrift_put_begin(&t, type == PQ_DATA_PAGE ? 5 : 7);
    thrift_put_int(&t, 1, THRIFT_I32, value_count);
    thrift_put_int(&t, 2, THRIFT_I32, encoding);
    if (type == PQ_DATA_PAGE) {
        thrift_put_int(&t, 3, THRIFT_I32, PQ_RLE);
        thrift_put_int(&t, 4, THRIFT_I32, PQ_RLE);
    }
    thrift_put_end(&t);
    buf_addc(out, 0);
    *raw_bytes += (int64_t)(out->bytes - from + raw->bytes);
    buf_add(out, packed->data, packed->bytes);
    return 0;
}

static unsigned bits_for(uint32_t max)
{
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

static void put_levels(const uint32_t *levels, uint32_t count, unsigned max, struct buf *out)
{
    if (max == 0)
        return;
    size_t at = out->bytes;
    uint32_t bytes = 0;
    buf_add(out, &bytes, 4);
    pq_rle_encode(levels, count, bits_for(max), out);
    bytes = (uint32_t)(out->bytes - at - 4);
    memcpy(out->data + at, &bytes, 4);
}

/* After the first page it is known whether the dictionary pays. */
static void judge_dict(struct pq_leaf_writer *l)
{
    size_t code_bytes = (size_t)l->value_count * bits_for(l->dict.count) / 8;
    if (!l->use_dict || l->meta.page_count > 0 || l->value_count == 0 || l->dict.values.bytes + code_bytes <= l->value_bytes)
        return;
    pq_dict_put_plain(&l->dict, l->codes, l->value_count, &l->plain);
    l->use_dict = false;
    pq_dict_reset(&l->dict);
}

static void put_body(struct pq_leaf_writer *l, struct buf *out)
{
    struct pq_chunk_meta *m = &l->meta;
    put_levels(l->reps, l->entry_count, l->max_rep, out);
    put_levels(l->defs, l->entry_count, l->max_def, out);
    if (l->use_dict) {
        unsigned width = bits_for(l->dict.count > 1 ? l->dict.count - 1 : 0);
        buf_addc(out, (char)width);
        pq_rle_encode(l->codes, l->value_count, width, out);
        m->dict_pages++;
        return;
    }
    if (l->form.hold == PQ_HOLD_BOOL)
        pq_pack_bits((const uint8_t *)l->plain.data, l->plain.bytes, out);
    else
        buf_add(out, l->plain.data, l->plain.bytes);
    m->plain_pages++;
}

static void put_page_bound(struct pq_leaf_writer *l, bool max, uint32_t *ret_at, uint32_t *ret_bytes)
{
    struct pq_chunk_meta *m = &l->meta;
    bool exact;
    *ret_at = (uint32_t)m->bound_bytes.bytes;
    m->index &= pq_bounds_put(&l->bounds, &l->form, max, &m->bound_bytes, &exact);
    *ret_bytes = (uint32_t)m->bound_bytes.bytes - *ret_at;
}

static int flush_page(struct pq_leaf_writer *l, struct pq_press *press, struct error *err)
{
    if (l->entry_count == 0)
        return 0;
    struct pq_chunk_meta *m = &l->meta;
    judge_dict(l);
    buf_reset(&press->raw);
    put_body(l, &press->raw);
    ARRAY_GROW(m->pages, m->page_count, l->pages_cap);
    struct pq_page_meta *pm = &m->pages[m->page_count++];
    *pm = (struct pq_page_meta){.offset = l->pages.bytes,
                                .first_row = l->chunk_rows,
                                .null_count = l->null_count,
                                .all_null = l->value_count == 0 && l->plain.bytes == 0};
    TRY(press_page(press, PQ_DATA_PAGE, &press->raw, l->entry_count, l->use_dict ? PQ_RLE_DICTIONARY : PQ_PLAIN, &l->pages,
                   &m->bytes_raw, err));
    pm->bytes = (uint32_t)(l->pages.bytes - pm->offset);
    if (!pm->all_null) {
        put_page_bound(l, false, &pm->min_at, &pm->min_bytes);
        put_page_bound(l, true, &pm->max_at, &pm->max_bytes);
    }
    pq_bounds_merge(&l->chunk_bounds, &l->bounds, l->form.hold);
    m->value_count += l->entry_count;
    m->null_count += l->null_count;
    l->chunk_rows += l->rows;
    l->bounds.any = false;
    l->entry_count = l->value_count = 0;
    l->rows = l->null_count = 0;
    l->value_bytes = 0;
    buf_reset(&l->plain);
    if (l->use_dict && (l->dict.values.bytes > DICT_BYTES_MAX || l->dict.count > DICT_COUNT_MAX))
        l->use_dict = false; /* the pages so far keep it */
    return 0;
}

int pq_leaf_flush_full(struct pq_leaf_writer *l, struct pq_press *press, struct error *err)
{
    if (l->rows < PQ_PAGE_ROWS && l->value_bytes < PQ_PAGE_BYTES && l->entry_count < 8 * PQ_PAGE_ROWS)
        return 0;
    return flush_page(l, press, err);
}

int pq_leaf_writer_end(struct pq_leaf_writer *l, struct pq_press *press, struct buf *dict_page, struct error *err)
{
    struct pq_chunk_meta *m = &l->meta;
    bool exact;
    TRY(flush_page(l, press, err));
    m->has_min = pq_bounds_put(&l->chunk_bounds, &l->form, false, &m->min, &exact);
    m->has_max = pq_bounds_put(&l->chunk_bounds, &l->form, true, &m->max, &m->exact_max);
    m->distinct = m->dict_pages && !m->plain_pages && l->max_rep == 0 ? (int64_t)l->dict.count : -1;
    m->has_dict = m->dict_pages > 0;
    buf_reset(dict_page);
    if (m->has_dict)
        TRY(press_page(press, PQ_DICTIONARY_PAGE, &l->dict.values, l->dict.count, PQ_PLAIN, dict_page, &m->bytes_raw, err));
    return 0;
}

/* ---- values into the page ---- */

static void put_entry(struct pq_leaf_writer *l, uint32_t def, uint32_t rep)
{
    if (l->max_def) {
        ARRAY_GROW(l->defs, l->entry_count, l->def_cap);
        l->defs[l->entry_count] = def;
    }
    if (l->max_rep) {
        ARRAY_GROW(l->reps, l->entry_count, l->rep_cap);
        l->reps[l->entry_count] = rep;
    }
    l->entry_count++;
}

static int128_t load_int(const struct column *col, uint32_t i)
{
    switch (col->phys) {
    case PHYS_BOOL: return ((const uint8_t *)col->data)[i];
    case PHYS_I8: return ((const int8_t *)col->data)[i];
    case PHYS_I16: return ((const int16_t *)col->data)[i];
    case PHYS_I32: return ((const int32_t *)col->data)[i];
    case PHYS_I64: return ((const int64_t *)col->data)[i];
    default: {
        int128_t v;
        memcpy(&v, (const char *)col->data + (size_t)i * 16, 16);
        return v;
    }
    }
}

static void put_code(struct pq_leaf_writer *l, uint32_t code)
{
    ARRAY_GROW(l->codes, l->value_count, l->code_cap);
    l->codes[l->value_count++] = code;
}

/* One value, already at its place in the levels. */
static void put_value(struct pq_leaf_writer *l, const struct column *col, uint32_t idx)
{
    char tmp[16];
    const char *p = tmp;
    uint32_t bytes = l->form.width;
    switch (l->form.hold) {
    case PQ_HOLD_BOOL:
        tmp[0] = (char)(((const uint8_t *)col->data)[idx] != 0);
        pq_bounds_int(&l->bounds, tmp[0]);
        break;
    case PQ_HOLD_I64: {
        int128_t v = load_int(col, idx);
        int64_t x = (int64_t)v;
        memcpy(tmp, &x, 8);
        pq_bounds_int(&l->bounds, v);
        break;
    }
    case PQ_HOLD_FIXED: {
        int128_t v = load_int(col, idx);
        for (uint32_t i = 0; i < bytes; i++)
            tmp[i] = (char)(uint8_t)(v >> (8 * (bytes - 1 - i)));
        pq_bounds_int(&l->bounds, v);
        break;
    }
    case PQ_HOLD_F:
        p = (const char *)col->data + (size_t)idx * bytes;
        if (bytes == 4) {
            float f;
            memcpy(&f, p, 4);
            pq_bounds_float(&l->bounds, (double)f);
        } else {
            double d;
            memcpy(&d, p, 8);
            pq_bounds_float(&l->bounds, d);
        }
        break;
    case PQ_HOLD_BYTES: {
        const struct strview *v = &((const struct strview *)col->data)[idx];
        p = strview_data(v);
        bytes = v->bytes;
        pq_bounds_bytes(&l->bounds, p, bytes);
        l->value_bytes += 4;
        break;
    }
    }
    l->value_bytes += bytes;
    if (l->use_dict) {
        put_code(l, pq_dict_code(&l->dict, p, bytes));
        return;
    }
    if (l->form.hold == PQ_HOLD_BYTES)
        buf_add(&l->plain, &bytes, 4);
    buf_add(&l->plain, p, bytes);
}

/* Codes of an input dictionary are looked up once each. */
static void map_codes(struct pq_leaf_writer *l, const struct column *col)
{
    if (l->in_dict_id == col->dict_id)
        return;
    if (l->in_cap < col->dict_rows) {
        xfree(l->in_codes);
        l->in_cap = col->dict_rows;
        l->in_codes = xmalloc(l->in_cap * sizeof *l->in_codes);
    }
    memset(l->in_codes, 0xff, col->dict_rows * sizeof *l->in_codes);
    l->in_dict_id = col->dict_id;
}

static void put_mapped(struct pq_leaf_writer *l, const struct column *col, uint32_t idx)
{
    map_codes(l, col);
    if (l->in_codes[idx] == UINT32_MAX) {
        put_value(l, col, idx);
        l->in_codes[idx] = l->codes[l->value_count - 1];
        return;
    }
    const struct strview *v = &((const struct strview *)col->data)[idx];
    l->value_bytes += 4 + v->bytes;
    /* Bounds are of the page: an entry known from the page before still counts here. */
    pq_bounds_bytes(&l->bounds, strview_data(v), v->bytes);
    put_code(l, l->in_codes[idx]);
}

int pq_leaf_put_column(struct pq_leaf_writer *l, const struct column *col, const struct batch *b, struct pq_press *press,
                       struct error *err)
{
    bool mapped = col->kind == COL_DICT && col->dict_id != 0 && l->form.hold == PQ_HOLD_BYTES;
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k, idx = column_idx(col, row);
        bool null = col->nulls && col->nulls[idx];
        if (null && !l->optional)
            return error_set(err, ERR_FILE_WRITE, "path", press->path, "message", "a null in a column that has none", NULL);
        put_entry(l, null ? 0 : l->max_def, 0);
        l->rows++;
        if (null)
            l->null_count++;
        else if (mapped && l->use_dict)
            put_mapped(l, col, idx);
        else
            put_value(l, col, idx);
        TRY(pq_leaf_flush_full(l, press, err));
    }
    return 0;
}

void pq_leaf_put(struct pq_leaf_writer *l, uint32_t rep, const struct column *col, uint32_t idx)
{
    put_entry(l, l->max_def, rep);
    put_value(l, col, idx);
}

void pq_leaf_put_nothing(struct pq_leaf_writer *l, uint32_t rep, uint32_t def)
{
    put_entry(l, def, rep);
    l->null_count++;
}
