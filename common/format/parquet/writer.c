/*
 * The Parquet writer.
 *
 * Rows go straight into the pages of their leaves (leaf_writer.c). A row group is a few compressed pages a leaf in memory
 * until it is written, leaf by leaf, dictionary first. So memory is bounded by the group's compressed size plus a page a
 * leaf, is charged to the account, and a refusal first writes the group early.
 *
 * Written: data pages v1 with CRC-32, RLE_DICTIONARY or PLAIN, statistics with the count of distinct values where a
 * dictionary knows it, column and offset indexes, Spark's shapes of types (lists of three levels, decimals as INT32,
 * INT64 or fixed bytes by precision, timestamps in microseconds).
 */
#include "common/format/parquet/writer_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fs/file.h"

enum { GROUP_ROWS = 1 << 20, GROUP_BYTES = 128 << 20 };

/* ---- options ---- */

static const struct codec_name {
    const char *name, *extension;
    enum pq_codec codec;
} codec_names[] = {
    {"snappy", ".snappy.parquet", PQ_SNAPPY}, {"zstd", ".zstd.parquet", PQ_ZSTD},
    {"none", ".parquet", PQ_NONE},            {"uncompressed", ".parquet", PQ_NONE},
    {"gzip", ".gz.parquet", PQ_GZIP},         {"lz4_raw", ".lz4raw.parquet", PQ_LZ4_RAW},
    {"lz4raw", ".lz4raw.parquet", PQ_LZ4_RAW},
};

static const struct codec_name *codec_find(const struct options *o)
{
    const char *name = o ? options_get(o, "compression") : NULL;
    if (!name && o)
        name = options_get(o, "parquet.compression");
    if (!name)
        return &codec_names[0];
    for (size_t i = 0; i < ARRAY_LEN(codec_names); i++)
        if (str_eq_nocase(codec_names[i].name, name))
            return &codec_names[i];
    return NULL;
}

const char *pq_extension(const struct options *o)
{
    const struct codec_name *c = codec_find(o);
    return c ? c->extension : ".parquet";
}

/* ---- the schema's tree ---- */

static uint32_t leaves_below(const struct type *t)
{
    uint32_t n = 0;
    if (t->child_count == 0)
        return 1;
    for (uint32_t i = 0; i < t->child_count; i++)
        n += leaves_below(t->children[i]);
    return n;
}

/* Path names of the structure that arrays and maps add; depth is bounded by TYPE_DEPTH_MAX. */
static void node_init(struct writer *w, struct pq_wnode *n, const char *name, const struct type *t, bool optional,
                      uint8_t def, uint8_t rep, const char *const *path, uint32_t path_count)
{
    const char *names[3 * TYPE_DEPTH_MAX];
    ASSERT(path_count + 3 < ARRAY_LEN(names));
    if (path_count)
        memcpy(names, path, path_count * sizeof *names);
    names[path_count++] = name;
    *n = (struct pq_wnode){.name = name, .type = t, .optional = optional, .def = (uint8_t)(def + optional), .rep = rep};
    def = n->def;
    if (!type_is_nested(t)) {
        n->leaf = &w->leaves[w->leaf_count++];
        pq_leaf_writer_init(n->leaf, t, optional, def, rep);
        n->leaf->path = arena_dup(&w->arena, names, path_count * sizeof *names);
        n->leaf->path_count = path_count;
        return;
    }
    n->child_count = t->child_count;
    n->children = ARENA_ARRAY(&w->arena, struct pq_wnode, t->child_count);
    if (t->id == TYPE_ARRAY || t->id == TYPE_MAP) {
        names[path_count++] = t->id == TYPE_ARRAY ? "list" : "key_value";
        def++;
        rep++;
    }
    for (uint32_t i = 0; i < t->child_count; i++) {
        const char *child = t->id == TYPE_ARRAY ? "element" : t->id == TYPE_MAP ? (i ? "value" : "key") : t->names[i];
        bool nullable = t->id == TYPE_MAP && i == 0 ? false : !t->child_nullable || t->child_nullable[i];
        node_init(w, &n->children[i], child, t->children[i], nullable, def, rep, names, path_count);
    }
}

int pq_put_bytes(struct writer *w, const struct buf *b, struct error *err)
{
    TRY(fs_write(w->fd, w->path, b->data, b->bytes, err));
    w->at += b->bytes;
    return 0;
}

/* ---- life ---- */

static void group_begin(struct writer *w)
{
    w->group_rows = 0;
    for (uint32_t i = 0; i < w->leaf_count; i++)
        pq_leaf_writer_begin(&w->leaves[i]);
}

static void writer_free(struct writer *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->leaf_count; i++)
        pq_leaf_writer_fini(&w->leaves[i]);
    for (uint32_t g = 0; g < w->group_count; g++) {
        for (uint32_t i = 0; i < w->leaf_count; i++)
            pq_chunk_meta_fini(&w->groups[g].chunks[i]);
        xfree(w->groups[g].chunks);
    }
    xfree(w->groups);
    account_release(w->account, w->reserved);
    pq_press_fini(&w->press);
    if (w->fd >= 0)
        close(w->fd);
    arena_fini(&w->arena);
    xfree(w->path);
    xfree(w);
}

int pq_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
              struct account *account, struct writer **ret, struct error *err)
{
    (void)cx;
    const struct codec_name *codec = codec_find(o);
    if (!codec)
        return error_set(err, ERR_OPTION, "option", "compression", "format", "Parquet", "message",
                         "it is one of snappy, zstd, gzip, lz4_raw, none", NULL);
    for (uint32_t i = 0; i < sch->count; i++)
        TRY(pq_can_write(sch->fields[i].type, sch->fields[i].name, err));
    struct writer *w = xcalloc(1, sizeof *w);
    arena_init(&w->arena);
    w->path = xstrdup(path);
    w->fd = -1;
    w->account = account;
    w->press = (struct pq_press){.path = w->path, .codec = codec->codec};
    w->group_rows_max = GROUP_ROWS;
    w->group_bytes_max = GROUP_BYTES;
    const char *size = o ? options_get(o, "parquet.block.size") : NULL;
    if (size && str_parse_bytes(size) > 0)
        w->group_bytes_max = (size_t)str_parse_bytes(size);
    size = o ? options_get(o, "parquet.block.rows") : NULL;
    if (size && str_parse_bytes(size) > 0)
        w->group_rows_max = str_parse_bytes(size);
    uint32_t leaves = 0;
    for (uint32_t i = 0; i < sch->count; i++)
        leaves += leaves_below(sch->fields[i].type);
    w->col_count = sch->count;
    w->cols = ARENA_ARRAY(&w->arena, struct pq_wnode, sch->count);
    w->leaves = ARENA_ARRAY(&w->arena, struct pq_leaf_writer, leaves);
    for (uint32_t i = 0; i < sch->count; i++)
        node_init(w, &w->cols[i], arena_strdup(&w->arena, sch->fields[i].name), sch->fields[i].type,
                  sch->fields[i].nullable, 0, 0, NULL, 0);
    group_begin(w);
    struct buf magic = BUF_INIT;
    buf_adds(&magic, "PAR1");
    int rc = fs_create(path, &w->fd, err);
    if (rc == 0)
        rc = pq_put_bytes(w, &magic, err);
    buf_fini(&magic);
    if (rc == 0)
        *ret = w;
    else
        writer_free(w);
    return rc;
}

/* ---- row groups ---- */

/* The chunk's pages into the file, the dictionary, which was made last, first. */
static int put_chunk(struct writer *w, struct pq_leaf_writer *l, struct buf *dict_page, struct error *err)
{
    struct pq_chunk_meta *m = &l->meta;
    uint64_t start = w->at;
    TRY(pq_leaf_writer_end(l, &w->press, dict_page, err));
    m->dict_offset = m->has_dict ? start : 0;
    TRY(pq_put_bytes(w, dict_page, err));
    m->data_offset = w->at;
    TRY(pq_put_bytes(w, &l->pages, err));
    m->bytes = (int64_t)(w->at - start);
    return 0;
}

static int flush_group(struct writer *w, struct error *err)
{
    struct buf dict_page = BUF_INIT;
    int rc = 0;
    if (w->group_rows == 0)
        return 0;
    ARRAY_GROW(w->groups, w->group_count, w->group_cap);
    struct pq_group_meta *g = &w->groups[w->group_count++];
    *g = (struct pq_group_meta){.rows = w->group_rows, .start = w->at, .chunks = xcalloc(w->leaf_count + 1, sizeof *g->chunks)};
    for (uint32_t i = 0; i < w->leaf_count && rc == 0; i++) {
        struct pq_leaf_writer *l = &w->leaves[i];
        rc = put_chunk(w, l, &dict_page, err);
        if (rc == 0) {
            g->chunks[i] = l->meta;
            l->meta = (struct pq_chunk_meta){0};
        }
        if (l->pages.cap > 8 << 20)
            buf_fini(&l->pages);
    }
    buf_fini(&dict_page);
    if (rc == 0)
        group_begin(w);
    return rc;
}

/* ---- rows into leaves ---- */

/* All leaves below get an entry that stops at def. */
static void put_nothing(const struct pq_wnode *n, uint32_t rep, uint32_t def)
{
    if (n->leaf) {
        pq_leaf_put_nothing(n->leaf, rep, def);
        return;
    }
    for (uint32_t i = 0; i < n->child_count; i++)
        put_nothing(&n->children[i], rep, def);
}

static int put_nested(struct writer *w, const struct pq_wnode *n, const struct column *col, uint32_t row, uint32_t rep,
                      struct error *err)
{
    uint32_t idx = column_idx(col, row);
    if (col->nulls && col->nulls[idx]) {
        if (!n->optional)
            return error_set(err, ERR_FILE_WRITE, "path", w->path, "message", "a null where the type has none", NULL);
        put_nothing(n, rep, n->def - 1u);
        return 0;
    }
    if (n->leaf) {
        pq_leaf_put(n->leaf, rep, col, idx);
        return 0;
    }
    if (n->type->id == TYPE_STRUCT) {
        for (uint32_t i = 0; i < n->child_count; i++)
            TRY(put_nested(w, &n->children[i], &col->children[i], idx, rep, err));
        return 0;
    }
    struct listview list = ((const struct listview *)col->data)[idx];
    if (list.count == 0)
        put_nothing(n, rep, n->def);
    for (uint32_t k = 0; k < list.count; k++)
        for (uint32_t i = 0; i < n->child_count; i++)
            TRY(put_nested(w, &n->children[i], &col->children[i], list.offset + k, k ? n->rep + 1u : rep, err));
    return 0;
}

static void rows_done(const struct pq_wnode *n)
{
    if (n->leaf)
        n->leaf->rows++;
    for (uint32_t i = 0; i < n->child_count; i++)
        rows_done(&n->children[i]);
}

static int flush_full(struct writer *w, const struct pq_wnode *n, struct error *err)
{
    if (n->leaf)
        return pq_leaf_flush_full(n->leaf, &w->press, err);
    for (uint32_t i = 0; i < n->child_count; i++)
        TRY(flush_full(w, &n->children[i], err));
    return 0;
}

static size_t held_bytes(const struct writer *w, size_t *ret_group)
{
    size_t bytes = w->press.raw.cap + w->press.packed.cap, group = 0;
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        bytes += pq_leaf_writer_held(&w->leaves[i]);
        group += w->leaves[i].pages.bytes + w->leaves[i].dict.values.bytes;
    }
    *ret_group = group;
    return bytes;
}

static int charge(struct writer *w, struct error *err)
{
    size_t group, held = held_bytes(w, &group);
    if (w->group_rows >= w->group_rows_max || group >= w->group_bytes_max) {
        TRY(flush_group(w, err));
        held = held_bytes(w, &group);
    }
    if (held > w->reserved) {
        if (!account_try(w->account, held - w->reserved)) {
            TRY(flush_group(w, err));
            for (uint32_t i = 0; i < w->leaf_count; i++)
                buf_fini(&w->leaves[i].pages);
            held = held_bytes(w, &group);
            if (held > w->reserved)
                TRY(account_reserve(w->account, held - w->reserved, err));
        }
    }
    if (held < w->reserved)
        account_release(w->account, w->reserved - held);
    w->reserved = held;
    return 0;
}

int pq_write(struct writer *w, const struct batch *b, struct error *err)
{
    ASSERT(b->col_count == w->col_count);
    for (uint32_t i = 0; i < w->col_count; i++) {
        const struct pq_wnode *n = &w->cols[i];
        const struct column *col = &b->cols[i];
        if (n->leaf) {
            TRY(pq_leaf_put_column(n->leaf, col, b, &w->press, err));
            continue;
        }
        for (uint32_t k = 0; k < b->sel_count; k++) {
            TRY(put_nested(w, n, col, b->sel ? b->sel[k] : k, 0, err));
            rows_done(n);
            TRY(flush_full(w, n, err));
        }
    }
    w->rows += b->sel_count;
    w->group_rows += b->sel_count;
    return charge(w, err);
}

int pq_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err)
{
    int rc = flush_group(w, err);
    if (rc == 0)
        rc = pq_put_footer(w, err);
    if (rc == 0) {
        *ret_rows = (uint64_t)w->rows;
        *ret_bytes = w->at;
        rc = fs_close(w->fd, w->path, err);
        w->fd = -1;
    }
    writer_free(w);
    return rc;
}

void pq_discard(struct writer *w)
{
    writer_free(w);
}
