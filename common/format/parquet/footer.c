/*
 * The end of a Parquet file: column and offset indexes, then the footer with the schema's tree, row groups, column chunks
 * and their statistics. The numbers are field ids of the format's Thrift definition.
 */
#include "common/format/parquet/writer_impl.h"

static void put_schema_node(struct thrift_out *t, const struct pq_wnode *n)
{
    thrift_put_begin(t, 0);
    if (n->leaf) {
        thrift_put_int(t, 1, THRIFT_I32, n->leaf->form.phys);
        if (n->leaf->form.phys == PQ_FIXED)
            thrift_put_int(t, 2, THRIFT_I32, n->leaf->form.width);
    }
    thrift_put_int(t, 3, THRIFT_I32, n->optional ? PQ_OPTIONAL : PQ_REQUIRED);
    thrift_put_binary(t, 4, n->name, strlen(n->name));
    if (n->leaf) {
        pq_form_put(&n->leaf->form, t);
        thrift_put_end(t);
        return;
    }
    bool list = n->type->id == TYPE_ARRAY, map = n->type->id == TYPE_MAP;
    thrift_put_int(t, 5, THRIFT_I32, list || map ? 1 : n->child_count);
    if (list || map) {
        thrift_put_int(t, 6, THRIFT_I32, list ? 3 : 1);
        thrift_put_begin(t, 10);
        thrift_put_begin(t, list ? 3 : 2);
        thrift_put_end(t);
        thrift_put_end(t);
    }
    thrift_put_end(t);
    if (list || map) {
        thrift_put_begin(t, 0);
        thrift_put_int(t, 3, THRIFT_I32, PQ_REPEATED);
        thrift_put_binary(t, 4, list ? "list" : "key_value", list ? 4 : 9);
        thrift_put_int(t, 5, THRIFT_I32, n->child_count);
        thrift_put_end(t);
    }
    for (uint32_t i = 0; i < n->child_count; i++)
        put_schema_node(t, &n->children[i]);
}

static uint32_t schema_count(const struct pq_wnode *n)
{
    uint32_t count = 1 + (n->type->id == TYPE_ARRAY || n->type->id == TYPE_MAP);
    for (uint32_t i = 0; i < n->child_count; i++)
        count += schema_count(&n->children[i]);
    return count;
}

/* Of each page: whether it is all null, its bounds, its nulls. */
static void put_column_index(const struct pq_chunk_meta *m, struct thrift_out *t)
{
    thrift_put_list(t, 1, THRIFT_TRUE, m->page_count);
    for (uint32_t k = 0; k < m->page_count; k++)
        buf_addc(t->buf, m->pages[k].all_null ? 1 : 2);
    thrift_put_list(t, 2, THRIFT_BINARY, m->page_count);
    for (uint32_t k = 0; k < m->page_count; k++)
        thrift_item_binary(t, m->bound_bytes.data + m->pages[k].min_at, m->pages[k].min_bytes);
    thrift_put_list(t, 3, THRIFT_BINARY, m->page_count);
    for (uint32_t k = 0; k < m->page_count; k++)
        thrift_item_binary(t, m->bound_bytes.data + m->pages[k].max_at, m->pages[k].max_bytes);
    thrift_put_int(t, 4, THRIFT_I32, 0);
    thrift_put_list(t, 5, THRIFT_I64, m->page_count);
    for (uint32_t k = 0; k < m->page_count; k++)
        thrift_item_int(t, m->pages[k].null_count);
}

/* Of each page: where it is, and its first row. */
static void put_offset_index(const struct pq_chunk_meta *m, struct thrift_out *t)
{
    thrift_put_list(t, 1, THRIFT_STRUCT, m->page_count);
    for (uint32_t k = 0; k < m->page_count; k++) {
        thrift_put_begin(t, 0);
        thrift_put_int(t, 1, THRIFT_I64, (int64_t)(m->data_offset + m->pages[k].offset));
        thrift_put_int(t, 2, THRIFT_I32, m->pages[k].bytes);
        thrift_put_int(t, 3, THRIFT_I64, m->pages[k].first_row);
        thrift_put_end(t);
    }
}

/* One index of a chunk into the file; where it lies comes out. */
static int put_index(struct writer *w, const struct pq_chunk_meta *m, void (*put)(const struct pq_chunk_meta *m, struct thrift_out *t),
                     uint64_t *ret_at, uint32_t *ret_bytes, struct error *err)
{
    struct thrift_out t;
    struct buf *out = &w->press.raw;
    buf_reset(out);
    thrift_out_init(&t, out);
    put(m, &t);
    buf_addc(out, 0);
    *ret_at = w->at;
    *ret_bytes = (uint32_t)out->bytes;
    return pq_put_bytes(w, out, err);
}

/* All column indexes, then all offset indexes, as readers like to find them. */
static int put_indexes(struct writer *w, bool offsets, struct error *err)
{
    for (uint32_t g = 0; g < w->group_count; g++)
        for (uint32_t i = 0; i < w->leaf_count; i++) {
            struct pq_chunk_meta *m = &w->groups[g].chunks[i];
            if (m->page_count == 0)
                continue;
            if (offsets)
                TRY(put_index(w, m, put_offset_index, &m->offset_index, &m->offset_index_bytes, err));
            else if (m->index)
                TRY(put_index(w, m, put_column_index, &m->column_index, &m->column_index_bytes, err));
        }
    return 0;
}

static void put_stats(struct thrift_out *t, const struct pq_chunk_meta *m)
{
    thrift_put_begin(t, 12);
    thrift_put_int(t, 3, THRIFT_I64, m->null_count);
    if (m->distinct >= 0)
        thrift_put_int(t, 4, THRIFT_I64, m->distinct);
    if (m->has_max)
        thrift_put_binary(t, 5, m->max.data, m->max.bytes);
    if (m->has_min)
        thrift_put_binary(t, 6, m->min.data, m->min.bytes);
    thrift_put_end(t);
}

/* How many pages there are of each kind. */
static void put_encoding_stats(struct thrift_out *t, const struct pq_chunk_meta *m)
{
    const struct {
        enum pq_page_type type;
        enum pq_encoding encoding;
        uint32_t pages;
    } kinds[] = {{PQ_DICTIONARY_PAGE, PQ_PLAIN, m->has_dict},
                 {PQ_DATA_PAGE, PQ_RLE_DICTIONARY, m->dict_pages},
                 {PQ_DATA_PAGE, PQ_PLAIN, m->plain_pages}};
    uint32_t count = 0;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        count += kinds[k].pages > 0;
    thrift_put_list(t, 13, THRIFT_STRUCT, count);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        if (!kinds[k].pages)
            continue;
        thrift_put_begin(t, 0);
        thrift_put_int(t, 1, THRIFT_I32, kinds[k].type);
        thrift_put_int(t, 2, THRIFT_I32, kinds[k].encoding);
        thrift_put_int(t, 3, THRIFT_I32, kinds[k].pages);
        thrift_put_end(t);
    }
}

static void put_chunk(const struct writer *w, struct thrift_out *t, const struct pq_leaf_writer *l, const struct pq_chunk_meta *m)
{
    thrift_put_begin(t, 0);
    thrift_put_int(t, 2, THRIFT_I64, 0);
    thrift_put_begin(t, 3);
    thrift_put_int(t, 1, THRIFT_I32, l->form.phys);
    thrift_put_list(t, 2, THRIFT_I32, m->has_dict ? 3 : 2);
    thrift_item_int(t, PQ_RLE);
    if (m->has_dict)
        thrift_item_int(t, PQ_RLE_DICTIONARY);
    thrift_item_int(t, PQ_PLAIN);
    thrift_put_list(t, 3, THRIFT_BINARY, l->path_count);
    for (uint32_t i = 0; i < l->path_count; i++)
        thrift_item_binary(t, l->path[i], strlen(l->path[i]));
    thrift_put_int(t, 4, THRIFT_I32, w->press.codec);
    thrift_put_int(t, 5, THRIFT_I64, m->value_count);
    thrift_put_int(t, 6, THRIFT_I64, m->bytes_raw);
    thrift_put_int(t, 7, THRIFT_I64, m->bytes);
    thrift_put_int(t, 9, THRIFT_I64, (int64_t)m->data_offset);
    if (m->has_dict)
        thrift_put_int(t, 11, THRIFT_I64, (int64_t)m->dict_offset);
    put_stats(t, m);
    put_encoding_stats(t, m);
    thrift_put_end(t);
    if (m->offset_index) {
        thrift_put_int(t, 4, THRIFT_I64, (int64_t)m->offset_index);
        thrift_put_int(t, 5, THRIFT_I32, m->offset_index_bytes);
    }
    if (m->column_index) {
        thrift_put_int(t, 6, THRIFT_I64, (int64_t)m->column_index);
        thrift_put_int(t, 7, THRIFT_I32, m->column_index_bytes);
    }
    thrift_put_end(t);
}

static void put_group(const struct writer *w, struct thrift_out *t, uint32_t number)
{
    const struct pq_group_meta *g = &w->groups[number];
    int64_t raw = 0, bytes = 0;
    thrift_put_begin(t, 0);
    thrift_put_list(t, 1, THRIFT_STRUCT, w->leaf_count);
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        put_chunk(w, t, &w->leaves[i], &g->chunks[i]);
        raw += g->chunks[i].bytes_raw;
        bytes += g->chunks[i].bytes;
    }
    thrift_put_int(t, 2, THRIFT_I64, raw);
    thrift_put_int(t, 3, THRIFT_I64, g->rows);
    thrift_put_int(t, 5, THRIFT_I64, (int64_t)g->start);
    thrift_put_int(t, 6, THRIFT_I64, bytes);
    if (number <= INT16_MAX)
        thrift_put_int(t, 7, THRIFT_I16, number);
    thrift_put_end(t);
}

static void put_schema(const struct writer *w, struct thrift_out *t)
{
    uint32_t nodes = 1;
    for (uint32_t i = 0; i < w->col_count; i++)
        nodes += schema_count(&w->cols[i]);
    thrift_put_list(t, 2, THRIFT_STRUCT, nodes);
    thrift_put_begin(t, 0);
    thrift_put_binary(t, 4, "spark_schema", 12);
    thrift_put_int(t, 5, THRIFT_I32, w->col_count);
    thrift_put_end(t);
    for (uint32_t i = 0; i < w->col_count; i++)
        put_schema_node(t, &w->cols[i]);
}

static void put_column_orders(const struct writer *w, struct thrift_out *t)
{
    thrift_put_list(t, 7, THRIFT_STRUCT, w->leaf_count);
    for (uint32_t i = 0; i < w->leaf_count; i++) { /* the order that each type defines */
        thrift_put_begin(t, 0);
        thrift_put_begin(t, 1);
        thrift_put_end(t);
        thrift_put_end(t);
    }
}

int pq_put_footer(struct writer *w, struct error *err)
{
    static const char created[] = "drover version 1.0.0";
    struct thrift_out t;
    struct buf *out = &w->press.raw;
    TRY(put_indexes(w, false, err));
    TRY(put_indexes(w, true, err));
    buf_reset(out);
    thrift_out_init(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, 1);
    put_schema(w, &t);
    thrift_put_int(&t, 3, THRIFT_I64, w->rows);
    thrift_put_list(&t, 4, THRIFT_STRUCT, w->group_count);
    for (uint32_t g = 0; g < w->group_count; g++)
        put_group(w, &t, g);
    thrift_put_binary(&t, 6, created, sizeof created - 1);
    put_column_orders(w, &t);
    buf_addc(out, 0);
    uint32_t bytes = (uint32_t)out->bytes;
    buf_add(out, &bytes, 4);
    buf_add(out, "PAR1", 4);
    return pq_put_bytes(w, out, err);
}
