/* One leaf column as a stream of rows; see leaf.h. */
#include "common/format/parquet/leaf.h"

enum { LEVELS_AT_ONCE = 4096 };

static uint64_t next_dict_id; /* atomic, process-wide: equal ids mean the same dictionary */

static int damaged(const struct pq_leaf *l, struct error *err, const char *why)
{
    return pq_source_damaged(&l->source, err, why);
}

void pq_leaf_init(struct pq_leaf *l, const struct pq_file *file, const struct pq_node *node, const struct type *type,
                  struct pq_conv conv)
{
    *l = (struct pq_leaf){.node = node, .type = type, .conv = conv, .pages_skipped = file->pages_skipped};
    l->source = (struct pq_page_source){.path = file->path, .column = node->name, .fd = file->fd, .mem = file->mem,
                                        .codecs = file->codecs, .bytes_read = file->bytes_read};
    pq_values_init(&l->values, &l->source, node, conv.raw);
}

void pq_leaf_fini(struct pq_leaf *l)
{
    struct pq_mem *mem = l->source.mem;
    if (!mem)
        return;
    pq_source_drop(&l->source, l->body);
    pq_source_drop(&l->source, l->dict_body);
    pq_source_fini(&l->source);
    pq_values_fini(&l->values);
    pq_mem_free(mem, &l->dict, &l->dict_cap);
    pq_mem_free(mem, &l->dict_nulls, &l->dict_nulls_cap);
    pq_mem_free(mem, &l->out, &l->out_cap);
    pq_mem_free(mem, &l->raw, &l->raw_cap);
    pq_mem_free(mem, &l->codes, &l->codes_cap);
    pq_mem_free(mem, &l->nulls, &l->nulls_cap);
    pq_mem_free(mem, &l->lv_def, &l->lv_def_cap);
    pq_mem_free(mem, &l->lv_rep, &l->lv_rep_cap);
    pq_mem_free(mem, &l->e_def, &l->e_def_cap);
    pq_mem_free(mem, &l->e_rep, &l->e_rep_cap);
}

void pq_leaf_begin(struct pq_leaf *l, const struct pq_chunk *chunk, const struct pq_location *locations,
                   uint32_t location_count)
{
    pq_source_begin(&l->source, chunk, locations != NULL);
    l->chunk = chunk;
    l->entries_left = (uint64_t)chunk->value_count;
    l->skip = 0;
    l->locations = locations;
    l->location_count = location_count;
    l->page_left = 0;
    l->dict_id = 0;
    l->lv_at = l->lv_count = 0;
}

static void begin_batch(struct pq_leaf *l)
{
    pq_source_recycle(&l->source);
    pq_values_recycle(&l->values);
}

/* ---- the dictionary ---- */

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

/* Decoded as a page of plain values is, and converted. */
static int decode_dictionary(struct pq_leaf *l, const struct pq_bytes *body, const struct pq_page *page, struct error *err)
{
    uint32_t bytes = phys_bytes(l->conv.phys), count = page->value_count;
    struct pq_values plain = {.source = &l->source, .node = l->node, .raw = l->conv.raw}; /* plain: owns nothing */
    bool convert = l->conv.op != PQ_CONV_NONE;
    TRY(pq_mem_grow(l->source.mem, &l->dict, &l->dict_cap, ((size_t)count + 1) * bytes, err));
    if (convert)
        TRY(pq_mem_grow(l->source.mem, &l->raw, &l->raw_cap, (size_t)count * pq_raw_bytes(l->conv.raw), err));
    void *raw = convert ? l->raw : l->dict;
    TRY(pq_values_begin(&plain, PQ_PLAIN, body->p, body->p + page->bytes_raw, err));
    TRY(pq_values_read(&plain, raw, 0, count, NULL, 0, err));
    if (convert && !pq_convert(&l->conv, raw, l->dict, NULL, count))
        return damaged(l, err, "a value does not fit its column's type");
    memset((char *)l->dict + (size_t)count * bytes, 0, bytes);
    return 0;
}

static int load_dictionary(struct pq_leaf *l, const struct pq_page *page, struct error *err)
{
    struct pq_bytes *b;
    uint32_t count = page->value_count, width = pq_plain_width(l->node);
    if (l->dict_id)
        return damaged(l, err, "a column chunk has two dictionaries");
    if (page->encoding != PQ_PLAIN && page->encoding != PQ_PLAIN_DICTIONARY)
        return damaged(l, err, "the encoding of a dictionary is unknown");
    if (l->node->phys == PQ_BOOLEAN)
        return damaged(l, err, "a dictionary of booleans");
    if ((uint64_t)count * (width ? width : 4) > page->bytes_raw)
        return damaged(l, err, "a dictionary has fewer values than it says");
    TRY(pq_source_body(&l->source, page, &b, err));
    pq_source_drop(&l->source, l->dict_body);
    l->dict_body = b;
    TRY(decode_dictionary(l, b, page, err));
    TRY(pq_mem_grow(l->source.mem, &l->dict_nulls, &l->dict_nulls_cap, (size_t)count + 1, err));
    memset(l->dict_nulls, 0, count);
    l->dict_nulls[count] = 1;
    l->dict_count = count;
    l->dict_id = __atomic_add_fetch(&next_dict_id, 1, __ATOMIC_RELAXED);
    return 0;
}

/* ---- pages ---- */

static int begin_levels(struct pq_leaf *l, const struct pq_page *page, const uint8_t **p, const uint8_t *end, struct error *err)
{
    const struct pq_node *n = l->node;
    if (page->type == PQ_DATA_PAGE_V2) {
        pq_levels_begin(&l->rep, n->max_rep, *p, page->rep_bytes);
        pq_levels_begin(&l->def, n->max_def, *p + page->rep_bytes, page->def_bytes);
        *p += (size_t)page->rep_bytes + page->def_bytes;
        return 0;
    }
    const char *why = pq_levels_begin_v1(&l->rep, page->rep_encoding, n->max_rep, page->value_count, p, end);
    if (!why)
        why = pq_levels_begin_v1(&l->def, page->def_encoding, n->max_def, page->value_count, p, end);
    return why ? damaged(l, err, why) : 0;
}

static int load_data_page(struct pq_leaf *l, const struct pq_page *page, struct error *err)
{
    struct pq_bytes *b;
    pq_source_retire(&l->source, l->body);
    l->body = NULL;
    TRY(pq_source_body(&l->source, page, &b, err));
    l->body = b;
    l->lv_at = l->lv_count = 0;
    const uint8_t *p = b->p, *end = b->p + page->bytes_raw;
    TRY(begin_levels(l, page, &p, end, err));
    if ((page->encoding == PQ_PLAIN_DICTIONARY || page->encoding == PQ_RLE_DICTIONARY) && !l->dict_id)
        return damaged(l, err, "a page refers to a dictionary that is not there");
    TRY(pq_values_begin(&l->values, page->encoding, p, end, err));
    if (page->value_count > l->entries_left)
        return damaged(l, err, "the pages of a column chunk have more values than it says");
    l->entries_left -= page->value_count;
    l->page_left = page->value_count;
    return 0;
}

int pq_leaf_dictionary(struct pq_leaf *l, struct error *err)
{
    struct pq_page page;
    if (l->dict_id || l->source.at != l->chunk->start || l->entries_left == 0)
        return 0;
    TRY(pq_source_header(&l->source, &page, err));
    if (page.type == PQ_DICTIONARY_PAGE)
        return load_dictionary(l, &page, err);
    l->source.at = l->chunk->start;
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
    l->source.at = l->locations[lo].offset;
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
        if (l->locations[mid].offset <= l->source.page_at)
            lo = mid;
        else
            hi = mid;
    }
    int64_t end = lo + 1 < l->location_count ? l->locations[lo + 1].first_row : l->chunk->value_count;
    return l->locations[lo].offset == l->source.page_at && l->locations[lo].first_row == row &&
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
        TRY(pq_source_header(&l->source, &page, err));
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
                l->source.at += page.bytes;
                *l->pages_skipped += 1;
                break;
            }
            TRY(load_data_page(l, &page, err));
            break;
        default:
            l->source.at += page.bytes;
        }
    }
    return 0;
}

static int read_levels(struct pq_leaf *l, struct pq_levels *lv, uint8_t *out, uint32_t count, uint32_t *ret_full, struct error *err)
{
    if (!pq_levels_read(lv, out, count, ret_full))
        return damaged(l, err, "the levels of a page end too early or are too large");
    return 0;
}

/* ---- rows of flat leaves ---- */

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
            TRY(read_levels(l, &l->def, tmp, n, &full, err));
        }
        TRY(pq_values_skip(&l->values, full, err));
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
    TRY(pq_mem_grow(l->source.mem, &l->out, &l->out_cap, (size_t)count * phys_bytes(l->conv.phys), err));
    if (l->conv.op != PQ_CONV_NONE)
        TRY(pq_mem_grow(l->source.mem, &l->raw, &l->raw_cap, (size_t)count * pq_raw_bytes(l->conv.raw), err));
    TRY(pq_mem_grow(l->source.mem, &l->nulls, &l->nulls_cap, count, err));
    return pq_mem_grow(l->source.mem, &l->codes, &l->codes_cap, (size_t)count * 4, err);
}

/* Which of the next n rows are null, to nulls[at...] once any is; *ret_full are not. */
static int read_nulls(struct pq_leaf *l, uint32_t at, uint32_t n, bool *any_null, uint32_t *ret_full, struct error *err)
{
    uint8_t *nulls = l->nulls + at, max = l->node->max_def;
    *ret_full = n;
    if (max == 0)
        return 0;
    if (pq_levels_take_full(&l->def, n)) {
        if (*any_null)
            memset(nulls, 0, n);
        return 0;
    }
    TRY(read_levels(l, &l->def, nulls, n, ret_full, err));
    if (max == 1)
        for (uint32_t i = 0; i < n; i++)
            nulls[i] ^= 1;
    else
        for (uint32_t i = 0; i < n; i++)
            nulls[i] = nulls[i] < max;
    if (*ret_full < n && !*any_null) {
        memset(l->nulls, 0, at);
        *any_null = true;
    }
    return 0;
}

/* The next count values (no codes), converted, to out[at...]; under sel as pq_values_read has it. */
static int read_converted(struct pq_leaf *l, uint32_t at, uint32_t count, const uint16_t *sel, uint32_t sel_count, struct error *err)
{
    if (l->conv.op == PQ_CONV_NONE)
        return pq_values_read(&l->values, l->out, at, count, sel, sel_count, err);
    TRY(pq_values_read(&l->values, l->raw, at, count, sel, sel_count, err));
    bool fits = sel ? pq_convert(&l->conv, l->raw, l->out, sel, sel_count)
                    : pq_convert(&l->conv, (char *)l->raw + (size_t)at * pq_raw_bytes(l->conv.raw),
                                 (char *)l->out + (size_t)at * phys_bytes(l->conv.phys), NULL, count);
    return fits ? 0 : damaged(l, err, "a value does not fit its column's type");
}

/* Those of sel[0..count) that lie below stop, which is the batch's end when all is true. */
static uint32_t selected_below(const uint16_t *sel, uint32_t count, uint32_t stop, bool all)
{
    uint32_t n = 0;
    while (!all && n < count && sel[n] < stop)
        n++;
    return all ? count : n;
}

int pq_leaf_read(struct pq_leaf *l, uint32_t count, const uint16_t *sel, uint32_t sel_count, bool keep_codes,
                 struct column *ret, struct error *err)
{
    uint32_t at = 0, bytes = phys_bytes(l->conv.phys), sel_at = 0;
    bool coded = true, any_null = false;
    const void *lent = NULL;
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
        const uint16_t *s = sel ? sel + sel_at : NULL;
        if (sel)
            sel_at += sel_n = selected_below(s, sel_count - sel_at, at + n, n == count);
        TRY(read_nulls(l, at, n, &any_null, &full, err));
        if (full < n)
            s = NULL; /* dense values first */
        if (l->values.mode == PQ_MODE_DICT) {
            TRY(pq_values_codes(&l->values, l->codes + at, full, l->dict_count, err));
            if (full < n)
                spread_codes(l->codes + at, l->dict_count, l->nulls + at, n, full);
            if (!coded)
                gather(l, at, at + n, NULL, 0);
        } else {
            if (coded && at > 0)
                gather(l, 0, at, NULL, 0);
            coded = false;
            if (n == count && full == n && l->conv.op == PQ_CONV_NONE)
                lent = pq_values_lend(&l->values, n); /* no copy: the page outlives the batch */
            if (!lent)
                TRY(read_converted(l, at, full, s, sel_n, err));
            if (full < n)
                spread((char *)l->out + (size_t)at * bytes, bytes, l->nulls + at, n, full);
        }
        l->page_left -= n;
        at += n;
    }
    *ret = (struct column){.type = l->type, .phys = l->conv.phys, .kind = COL_FLAT, .rows = count, .data = lent ? lent : l->out,
                           .nulls = any_null ? l->nulls : NULL};
    if (coded && count > 0) {
        ret->kind = COL_DICT;
        ret->codes = l->codes;
        ret->data = l->dict;
        ret->dict_rows = l->dict_count + 1;
        ret->dict_id = l->dict_id;
        if (!keep_codes)
            pq_leaf_flatten(l, ret, sel, sel_count);
        else if (any_null)
            ret->nulls = l->dict_nulls;
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
    TRY(pq_mem_grow(l->source.mem, &l->lv_def, &l->lv_def_cap, LEVELS_AT_ONCE, err));
    TRY(pq_mem_grow(l->source.mem, &l->lv_rep, &l->lv_rep_cap, LEVELS_AT_ONCE, err));
    TRY(read_levels(l, &l->rep, l->lv_rep, n, &full, err));
    TRY(read_levels(l, &l->def, l->lv_def, n, &full, err));
    l->lv_at = 0;
    l->lv_count = n;
    l->page_left -= n;
    return 0;
}

/* Decodes count dense values to out[value_count...]. */
static int dense_values(struct pq_leaf *l, uint32_t count, struct error *err)
{
    uint32_t at = l->value_count;
    TRY(batch_room(l, at + count, err));
    if (l->values.mode == PQ_MODE_DICT) {
        TRY(pq_values_codes(&l->values, l->codes + at, count, l->dict_count, err));
        gather(l, at, at + count, NULL, 0);
    } else {
        TRY(read_converted(l, at, count, NULL, 0, err));
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
            TRY(pq_mem_grow(l->source.mem, &l->e_def, &l->e_def_cap, (size_t)l->entry_count + n + 1, err));
            TRY(pq_mem_grow(l->source.mem, &l->e_rep, &l->e_rep_cap, (size_t)l->entry_count + n + 1, err));
            memcpy(l->e_def + l->entry_count, l->lv_def + from, n);
            memcpy(l->e_rep + l->entry_count, l->lv_rep + from, n);
            l->entry_count += n;
            TRY(dense_values(l, full, err));
        } else {
            TRY(pq_values_skip(&l->values, full, err));
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
    TRY(pq_mem_grow(l->source.mem, &l->e_def, &l->e_def_cap, BATCH_ROWS, err));
    TRY(pq_mem_grow(l->source.mem, &l->e_rep, &l->e_rep_cap, BATCH_ROWS, err));
    return take_entries(l, rows, true, err);
}
