/*
 * The Parquet writer.
 *
 * Rows go straight into the pages of their leaves: levels, and codes into a dictionary that grows with the
 * row group, or plain values once the dictionary has proved useless or grown too large. A full page is
 * compressed at once; a row group is a few compressed pages a leaf in memory until it is written, leaf by
 * leaf, dictionary first. So memory is bounded by the group's compressed size plus a page a leaf, is
 * charged to the account, and a refusal first writes the group early.
 *
 * Written: data pages v1 with CRC-32, RLE_DICTIONARY or PLAIN, statistics with the count of distinct values
 * where a dictionary knows it, column and offset indexes, Spark's shapes of types (lists of three levels,
 * decimals as INT32, INT64 or fixed bytes by precision, timestamps in microseconds).
 */
#include "common/format/parquet/writer.h"

#include "common/format/parquet/codec.h"
#include "common/format/parquet/encode.h"
#include "common/fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

enum {
    PAGE_ROWS = 20000,
    PAGE_BYTES = 1 << 20,
    DICT_BYTES_MAX = 1 << 20,
    DICT_COUNT_MAX = 1 << 17,
    GROUP_ROWS = 1 << 20,
    GROUP_BYTES = 128 << 20,
    BOUND_BYTES_MAX = 64
};

/* How the writer holds values: canonical and dense. */
enum hold { HOLD_BOOL, HOLD_I64, HOLD_F, HOLD_FIXED, HOLD_BYTES };

struct bounds {
    bool any;
    int128_t lo, hi;   /* HOLD_BOOL, HOLD_I64, HOLD_FIXED */
    double flo, fhi;   /* HOLD_F */
    struct buf slo, shi;
};

struct page_meta {
    uint64_t offset;   /* in the chunk's pages */
    uint32_t bytes;
    int64_t first_row;
    int64_t null_count;
    bool all_null;
    uint32_t min_at, min_bytes, max_at, max_bytes; /* in bound_bytes */
};

struct chunk_meta {
    int64_t value_count, bytes, bytes_raw, null_count, distinct; /* -1 unknown */
    uint64_t dict_offset, data_offset;
    bool has_dict;
    uint32_t dict_pages, plain_pages; /* data pages by encoding */
    struct buf min, max;
    bool has_min, has_max, exact_max;
    bool index; /* every page has bounds */
    struct page_meta *pages;
    uint32_t page_count;
    struct buf bound_bytes;
    uint64_t column_index, offset_index;
    uint32_t column_index_bytes, offset_index_bytes;
};

struct leaf_writer {
    const struct type *type;
    enum pq_phys phys;
    uint32_t width;       /* plain bytes of a value, 0: varies */
    enum hold hold;
    uint8_t max_def, max_rep;
    const char **path;    /* names from the root, path_count of them */
    uint32_t path_count;

    /* The page. */
    uint32_t *defs, *reps;
    uint32_t entry_count, def_cap, rep_cap;
    uint32_t *codes;      /* while the dictionary lives */
    uint32_t value_count, code_cap;
    struct buf plain;     /* else: values as they are stored (booleans: bytes) */
    int64_t rows, null_count;
    size_t value_bytes;   /* plain size of the page's values */
    struct bounds bounds;

    /* The group. */
    bool use_dict;
    struct buf dict;      /* plain-encoded entries */
    uint32_t *dict_at;    /* offset of each entry */
    uint32_t dict_count, dict_cap;
    uint32_t *slots;      /* entry + 1 by hash */
    uint32_t slot_count;
    struct buf pages;     /* compressed, with headers */
    struct bounds chunk_bounds;
    int64_t chunk_rows;
    struct chunk_meta meta;
    uint32_t pages_cap;

    /* Codes of the last input dictionary. */
    uint64_t in_dict_id;
    uint32_t *in_codes, in_cap;
};

/* The schema's tree. */
struct wnode {
    const char *name;
    const struct type *type;
    bool optional;
    uint8_t def, rep;     /* of the node, its own repetition included */
    struct leaf_writer *leaf;
    uint32_t child_count;
    struct wnode *children;
};

struct group_meta {
    int64_t rows;
    uint64_t start;
    struct chunk_meta *chunks;
};

struct writer {
    char *path;
    int fd;
    uint64_t at;          /* bytes written */
    struct account *account;
    size_t reserved;
    struct arena arena;
    struct pq_codecs codecs;
    enum pq_codec codec;
    uint32_t col_count;
    struct wnode *cols;
    uint32_t leaf_count;
    struct leaf_writer *leaves;
    int64_t rows, group_rows;
    int64_t group_rows_max;
    size_t group_bytes_max;
    struct group_meta *groups;
    uint32_t group_count, group_cap;
    struct buf scratch, packed;
};

/* ---- options and types ---- */

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

int pq_can_write(const struct type *t, const char *name, struct error *err)
{
    if (t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT)
        return error_setf(err, ERR_UNSUPPORTED_FEATURE, "message",
                          "Parquet cannot hold the column %s of the type %s; cast it", name, t->text);
    for (uint32_t i = 0; i < t->child_count; i++)
        TRY(pq_can_write(t->children[i], name, err));
    return 0;
}

static uint32_t decimal_bytes(unsigned precision)
{
    uint128_t max = 1;
    uint32_t bytes = 1;
    for (unsigned i = 0; i < precision; i++)
        max *= 10;
    while (bytes < 16 && ((uint128_t)1 << (8 * bytes - 1)) < max)
        bytes++;
    return bytes;
}

static void leaf_init(struct leaf_writer *l, const struct type *t)
{
    l->type = t;
    switch (t->id) {
    case TYPE_NULL: /* as Spark: booleans, all null */
    case TYPE_BOOLEAN:
        l->phys = PQ_BOOLEAN;
        l->hold = HOLD_BOOL;
        l->width = 1;
        break;
    case TYPE_FLOAT:
        l->phys = PQ_FLOAT;
        l->hold = HOLD_F;
        l->width = 4;
        break;
    case TYPE_DOUBLE:
        l->phys = PQ_DOUBLE;
        l->hold = HOLD_F;
        l->width = 8;
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        l->phys = PQ_BYTE_ARRAY;
        l->hold = HOLD_BYTES;
        break;
    case TYPE_DECIMAL:
        l->phys = t->precision <= 9 ? PQ_INT32 : t->precision <= 18 ? PQ_INT64 : PQ_FIXED;
        l->hold = l->phys == PQ_FIXED ? HOLD_FIXED : HOLD_I64;
        l->width = t->precision <= 9 ? 4 : t->precision <= 18 ? 8 : decimal_bytes(t->precision);
        break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        l->phys = PQ_INT64;
        l->hold = HOLD_I64;
        l->width = 8;
        break;
    default:
        l->phys = PQ_INT32;
        l->hold = HOLD_I64;
        l->width = 4;
    }
}

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
static void node_init(struct writer *w, struct wnode *n, const char *name, const struct type *t, bool optional,
                      uint8_t def, uint8_t rep, const char *const *path, uint32_t path_count)
{
    const char *names[3 * TYPE_DEPTH_MAX];
    ASSERT(path_count + 3 < ARRAY_LEN(names));
    if (path_count)
        memcpy(names, path, path_count * sizeof *names);
    names[path_count++] = name;
    *n = (struct wnode){.name = name, .type = t, .optional = optional, .def = (uint8_t)(def + optional), .rep = rep};
    def = n->def;
    if (!type_is_nested(t)) {
        struct leaf_writer *l = &w->leaves[w->leaf_count++];
        n->leaf = l;
        leaf_init(l, t);
        l->max_def = def;
        l->max_rep = rep;
        l->path = arena_dup(&w->arena, names, path_count * sizeof *names);
        l->path_count = path_count;
        return;
    }
    n->child_count = t->child_count;
    n->children = ARENA_ARRAY(&w->arena, struct wnode, t->child_count);
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

static int write_failed(struct writer *w, struct error *err)
{
    return fs_failed(err, ERR_FILE_WRITE, w->path, errno);
}

static int put_bytes(struct writer *w, const void *p, size_t bytes, struct error *err)
{
    while (bytes > 0) {
        ssize_t n = write(w->fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return write_failed(w, err);
        p = (const char *)p + n;
        bytes -= (size_t)n;
        w->at += (uint64_t)n;
    }
    return 0;
}

static void group_begin(struct writer *w)
{
    w->group_rows = 0;
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        struct leaf_writer *l = &w->leaves[i];
        l->use_dict = l->hold != HOLD_BOOL;
        buf_reset(&l->dict);
        l->dict_count = 0;
        if (l->slot_count)
            memset(l->slots, 0, l->slot_count * sizeof *l->slots);
        buf_reset(&l->pages);
        l->chunk_bounds.any = false;
        l->chunk_rows = 0;
        l->meta = (struct chunk_meta){.index = true};
        l->pages_cap = 0;
        l->in_dict_id = 0;
    }
}

static void chunk_fini(struct chunk_meta *c)
{
    buf_fini(&c->min);
    buf_fini(&c->max);
    buf_fini(&c->bound_bytes);
    xfree(c->pages);
}

static void bounds_fini(struct bounds *b)
{
    buf_fini(&b->slo);
    buf_fini(&b->shi);
}

static void writer_free(struct writer *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        struct leaf_writer *l = &w->leaves[i];
        xfree(l->defs);
        xfree(l->reps);
        xfree(l->codes);
        buf_fini(&l->plain);
        buf_fini(&l->dict);
        xfree(l->dict_at);
        xfree(l->slots);
        buf_fini(&l->pages);
        xfree(l->in_codes);
        bounds_fini(&l->bounds);
        bounds_fini(&l->chunk_bounds);
        chunk_fini(&l->meta);
    }
    for (uint32_t g = 0; g < w->group_count; g++) {
        for (uint32_t i = 0; i < w->leaf_count; i++)
            chunk_fini(&w->groups[g].chunks[i]);
        xfree(w->groups[g].chunks);
    }
    xfree(w->groups);
    account_release(w->account, w->reserved);
    buf_fini(&w->scratch);
    buf_fini(&w->packed);
    pq_codecs_fini(&w->codecs);
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
    w->account = account;
    w->codec = codec->codec;
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
    w->cols = ARENA_ARRAY(&w->arena, struct wnode, sch->count);
    w->leaves = ARENA_ARRAY(&w->arena, struct leaf_writer, leaves);
    for (uint32_t i = 0; i < sch->count; i++)
        node_init(w, &w->cols[i], arena_strdup(&w->arena, sch->fields[i].name), sch->fields[i].type,
                  sch->fields[i].nullable, 0, 0, NULL, 0);
    group_begin(w);
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0 || put_bytes(w, "PAR1", 4, err) != 0) {
        int rc = err->code ? (int)err->code : write_failed(w, err);
        writer_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

/* ---- bounds ---- */

static int bytes_cmp(const char *a, size_t an, const char *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int c = n ? memcmp(a, b, n) : 0;
    return c ? c : (an > bn) - (an < bn);
}

static void bound_bytes(struct bounds *b, const char *p, size_t bytes)
{
    if (!b->any || bytes_cmp(p, bytes, b->slo.data, b->slo.bytes) < 0) {
        buf_reset(&b->slo);
        buf_add(&b->slo, p, bytes);
    }
    if (!b->any || bytes_cmp(p, bytes, b->shi.data, b->shi.bytes) > 0) {
        buf_reset(&b->shi);
        buf_add(&b->shi, p, bytes);
    }
    b->any = true;
}

static void bound_float(struct bounds *b, double v)
{
    if (isnan(v))
        return;
    if (!b->any || v < b->flo)
        b->flo = v;
    if (!b->any || v > b->fhi)
        b->fhi = v;
    b->any = true;
}

static void bounds_merge(const struct leaf_writer *l, struct bounds *to, const struct bounds *from)
{
    if (!from->any)
        return;
    if (l->hold == HOLD_BYTES) {
        bound_bytes(to, from->slo.data, from->slo.bytes);
        bound_bytes(to, from->shi.data, from->shi.bytes);
    } else if (l->hold == HOLD_F) {
        bound_float(to, from->flo);
        bound_float(to, from->fhi);
    } else {
        if (!to->any || from->lo < to->lo)
            to->lo = from->lo;
        if (!to->any || from->hi > to->hi)
            to->hi = from->hi;
        to->any = true;
    }
}

static void put_be(struct buf *out, int128_t v, uint32_t bytes)
{
    for (uint32_t i = bytes; i-- > 0;)
        buf_addc(out, (char)(uint8_t)(v >> (8 * i)));
}

/* A bound as statistics store it; false when there is none to give. */
static bool put_bound(const struct leaf_writer *l, const struct bounds *b, bool max, struct buf *out, bool *ret_exact)
{
    *ret_exact = true;
    if (!b->any)
        return false;
    int128_t v = max ? b->hi : b->lo;
    switch (l->hold) {
    case HOLD_BOOL:
        buf_addc(out, (char)v);
        return true;
    case HOLD_I64: {
        int64_t x = (int64_t)v;
        buf_add(out, &x, l->width); /* little-endian */
        return true;
    }
    case HOLD_FIXED:
        put_be(out, v, l->width);
        return true;
    case HOLD_F: {
        double d = max ? b->fhi : b->flo;
        float f = (float)d;
        if (d == 0) { /* both zeros may be there */
            d = max ? 0.0 : -0.0;
            f = max ? 0.0f : -0.0f;
        }
        buf_add(out, l->width == 4 ? (void *)&f : (void *)&d, l->width);
        return true;
    }
    case HOLD_BYTES:
        break;
    }
    const struct buf *s = max ? &b->shi : &b->slo;
    size_t bytes = s->bytes;
    if (bytes <= BOUND_BYTES_MAX) {
        buf_add(out, s->data, bytes);
        return true;
    }
    *ret_exact = false;
    bytes = BOUND_BYTES_MAX;
    while (l->type->id == TYPE_STRING && bytes > 0 && ((uint8_t)s->data[bytes] & 0xc0) == 0x80)
        bytes--; /* not within a character */
    if (!max) {
        buf_add(out, s->data, bytes);
        return true;
    }
    while (bytes > 0) { /* the next larger text: the last plain ASCII character counts up */
        uint8_t c = (uint8_t)s->data[bytes - 1];
        if (c < 0x7f) {
            buf_add(out, s->data, bytes - 1);
            buf_addc(out, (char)(c + 1));
            return true;
        }
        bytes--;
    }
    return false;
}

/* ---- values into pages ---- */

static uint64_t value_hash(const struct leaf_writer *l, const char *p, size_t bytes)
{
    if (l->width == 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        return hash_u64(v);
    }
    if (l->width == 4) {
        uint32_t v;
        memcpy(&v, p, 4);
        return hash_u64(v);
    }
    return hash_bytes(p, bytes, 0);
}

static void dict_rehash(struct leaf_writer *l)
{
    uint32_t count = l->slot_count ? l->slot_count * 2 : 1024;
    xfree(l->slots);
    l->slots = xcalloc(count, sizeof *l->slots);
    l->slot_count = count;
    for (uint32_t i = 0; i < l->dict_count; i++) {
        const char *p = l->dict.data + l->dict_at[i];
        uint32_t bytes = l->width;
        if (!bytes) {
            memcpy(&bytes, p, 4);
            p += 4;
        }
        uint64_t at = value_hash(l, p, bytes) & (count - 1);
        while (l->slots[at])
            at = (at + 1) & (count - 1);
        l->slots[at] = i + 1;
    }
}

static uint32_t dict_code(struct leaf_writer *l, const char *p, uint32_t bytes)
{
    if (l->dict_count * 2 >= l->slot_count)
        dict_rehash(l);
    uint64_t mask = l->slot_count - 1, at = value_hash(l, p, bytes) & mask;
    for (; l->slots[at]; at = (at + 1) & mask) {
        const char *q = l->dict.data + l->dict_at[l->slots[at] - 1];
        if (l->width) {
            if (l->width == 8 ? memcmp(p, q, 8) == 0 : memcmp(p, q, bytes) == 0)
                return l->slots[at] - 1;
        } else {
            uint32_t n;
            memcpy(&n, q, 4);
            if (n == bytes && memcmp(p, q + 4, n) == 0)
                return l->slots[at] - 1;
        }
    }
    ARRAY_GROW(l->dict_at, l->dict_count, l->dict_cap);
    l->dict_at[l->dict_count++] = (uint32_t)l->dict.bytes;
    l->slots[at] = l->dict_count;
    if (!l->width)
        buf_add(&l->dict, &bytes, 4);
    buf_add(&l->dict, p, bytes);
    return l->dict_count - 1;
}

static void put_code(struct leaf_writer *l, uint32_t code)
{
    ARRAY_GROW(l->codes, l->value_count, l->code_cap);
    l->codes[l->value_count++] = code;
}

/* The codes of the page become plain values. */
static void codes_to_plain(struct leaf_writer *l)
{
    for (uint32_t i = 0; i < l->value_count; i++) {
        const char *p = l->dict.data + l->dict_at[l->codes[i]];
        uint32_t bytes = l->width;
        if (!bytes) {
            memcpy(&bytes, p, 4);
            bytes += 4;
        }
        buf_add(&l->plain, p, bytes);
    }
}

static int compress_page(struct writer *w, struct leaf_writer *l, enum pq_page_type type, const struct buf *raw,
                         uint32_t value_count, enum pq_encoding encoding, struct error *err)
{
    if (raw->bytes > INT32_MAX)
        return error_set(err, ERR_FILE_WRITE, "path", w->path, "message", "a page of more than 2 GiB", NULL);
    buf_reset(&w->packed);
    pq_compress(&w->codecs, w->codec, raw->data ? raw->data : "", raw->bytes, &w->packed);
    struct thrift_out t;
    size_t from = l->pages.bytes;
    thrift_out_init(&t, &l->pages);
    thrift_put_int(&t, 1, THRIFT_I32, type);
    thrift_put_int(&t, 2, THRIFT_I32, (int64_t)raw->bytes);
    thrift_put_int(&t, 3, THRIFT_I32, (int64_t)w->packed.bytes);
    thrift_put_int(&t, 4, THRIFT_I32, (int32_t)crc32(0, (const Bytef *)w->packed.data, (uInt)w->packed.bytes));
    thrift_put_begin(&t, type == PQ_DATA_PAGE ? 5 : 7);
    thrift_put_int(&t, 1, THRIFT_I32, value_count);
    thrift_put_int(&t, 2, THRIFT_I32, encoding);
    if (type == PQ_DATA_PAGE) {
        thrift_put_int(&t, 3, THRIFT_I32, PQ_RLE);
        thrift_put_int(&t, 4, THRIFT_I32, PQ_RLE);
    }
    thrift_put_end(&t);
    buf_addc(&l->pages, 0);
    l->meta.bytes_raw += (int64_t)(l->pages.bytes - from + raw->bytes);
    buf_add(&l->pages, w->packed.data, w->packed.bytes);
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

static int flush_page(struct writer *w, struct leaf_writer *l, struct error *err)
{
    if (l->entry_count == 0)
        return 0;
    struct chunk_meta *m = &l->meta;
    size_t code_bytes = (size_t)l->value_count * bits_for(l->dict_count) / 8;
    /* After the first page it is known whether the dictionary pays; later it may have grown too large. */
    if (l->use_dict && m->page_count == 0 && l->value_count > 0 && l->dict.bytes + code_bytes > l->value_bytes) {
        codes_to_plain(l);
        l->use_dict = false;
        l->dict_count = 0;
        buf_reset(&l->dict);
    }
    struct buf *raw = &w->scratch;
    buf_reset(raw);
    put_levels(l->reps, l->entry_count, l->max_rep, raw);
    put_levels(l->defs, l->entry_count, l->max_def, raw);
    if (l->use_dict) {
        unsigned width = bits_for(l->dict_count > 1 ? l->dict_count - 1 : 0);
        buf_addc(raw, (char)width);
        pq_rle_encode(l->codes, l->value_count, width, raw);
        m->dict_pages++;
    } else if (l->hold == HOLD_BOOL) {
        pq_pack_bits((const uint8_t *)l->plain.data, l->plain.bytes, raw);
        m->plain_pages++;
    } else {
        buf_add(raw, l->plain.data, l->plain.bytes);
        m->plain_pages++;
    }
    ARRAY_GROW(m->pages, m->page_count, l->pages_cap);
    struct page_meta *pm = &m->pages[m->page_count++];
    *pm = (struct page_meta){.offset = l->pages.bytes,
                             .first_row = l->chunk_rows,
                             .null_count = l->null_count,
                             .all_null = l->value_count == 0 && l->plain.bytes == 0};
    TRY(compress_page(w, l, PQ_DATA_PAGE, raw, l->entry_count, l->use_dict ? PQ_RLE_DICTIONARY : PQ_PLAIN, err));
    pm->bytes = (uint32_t)(l->pages.bytes - pm->offset);
    if (!pm->all_null) {
        bool exact;
        pm->min_at = (uint32_t)m->bound_bytes.bytes;
        m->index &= put_bound(l, &l->bounds, false, &m->bound_bytes, &exact);
        pm->min_bytes = (uint32_t)m->bound_bytes.bytes - pm->min_at;
        pm->max_at = (uint32_t)m->bound_bytes.bytes;
        m->index &= put_bound(l, &l->bounds, true, &m->bound_bytes, &exact);
        pm->max_bytes = (uint32_t)m->bound_bytes.bytes - pm->max_at;
    }
    bounds_merge(l, &l->chunk_bounds, &l->bounds);
    m->value_count += l->entry_count;
    m->null_count += l->null_count;
    l->chunk_rows += l->rows;
    l->bounds.any = false;
    l->entry_count = l->value_count = 0;
    l->rows = l->null_count = 0;
    l->value_bytes = 0;
    buf_reset(&l->plain);
    if (l->use_dict && (l->dict.bytes > DICT_BYTES_MAX || l->dict_count > DICT_COUNT_MAX))
        l->use_dict = false; /* the pages so far keep it */
    return 0;
}

static int flush_group(struct writer *w, struct error *err)
{
    if (w->group_rows == 0)
        return 0;
    ARRAY_GROW(w->groups, w->group_count, w->group_cap);
    struct group_meta *g = &w->groups[w->group_count];
    *g = (struct group_meta){.rows = w->group_rows, .start = w->at};
    g->chunks = xcalloc(w->leaf_count + 1, sizeof *g->chunks);
    w->group_count++;
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        struct leaf_writer *l = &w->leaves[i];
        struct chunk_meta *m = &l->meta;
        TRY(flush_page(w, l, err));
        bool exact;
        m->has_min = put_bound(l, &l->chunk_bounds, false, &m->min, &exact);
        m->has_max = put_bound(l, &l->chunk_bounds, true, &m->max, &m->exact_max);
        m->distinct = m->dict_pages && !m->plain_pages && l->max_rep == 0 ? (int64_t)l->dict_count : -1;
        uint64_t start = w->at;
        if (m->dict_pages) { /* made last, written first */
            struct buf pages = l->pages;
            l->pages = BUF_INIT;
            int rc = compress_page(w, l, PQ_DICTIONARY_PAGE, &l->dict, l->dict_count, PQ_PLAIN, err);
            m->has_dict = true;
            m->dict_offset = w->at;
            if (!rc)
                rc = put_bytes(w, l->pages.data, l->pages.bytes, err);
            buf_fini(&l->pages);
            l->pages = pages;
            TRY(rc);
        }
        m->data_offset = w->at;
        TRY(put_bytes(w, l->pages.data, l->pages.bytes, err));
        m->bytes = (int64_t)(w->at - start);
        g->chunks[i] = *m;
        l->meta = (struct chunk_meta){0};
        if (l->pages.cap > 8 << 20)
            buf_fini(&l->pages);
    }
    group_begin(w);
    return 0;
}

/* Levels of n entries alike. */
static void put_entries(struct leaf_writer *l, uint32_t def, uint32_t rep, uint32_t count)
{
    if (l->max_def) {
        ARRAY_RESERVE(l->defs, l->entry_count + count, l->def_cap);
        for (uint32_t i = 0; i < count; i++)
            l->defs[l->entry_count + i] = def;
    }
    if (l->max_rep) {
        ARRAY_RESERVE(l->reps, l->entry_count + count, l->rep_cap);
        for (uint32_t i = 0; i < count; i++)
            l->reps[l->entry_count + i] = rep;
    }
    l->entry_count += count;
}

static int128_t load_int(const struct column *col, uint32_t i)
{
    switch (col->phys) {
    case PHYS_BOOL:
        return ((const uint8_t *)col->data)[i];
    case PHYS_I8:
        return ((const int8_t *)col->data)[i];
    case PHYS_I16:
        return ((const int16_t *)col->data)[i];
    case PHYS_I32:
        return ((const int32_t *)col->data)[i];
    case PHYS_I64:
        return ((const int64_t *)col->data)[i];
    default: {
        int128_t v;
        memcpy(&v, (const char *)col->data + (size_t)i * 16, 16);
        return v;
    }
    }
}

static void bound_int(struct bounds *b, int128_t v)
{
    if (!b->any) {
        b->lo = b->hi = v;
        b->any = true;
        return;
    }
    if (v < b->lo)
        b->lo = v;
    if (v > b->hi)
        b->hi = v;
}

/* One value, already at its place in the levels: idx is physical in col. */
static void put_value(struct leaf_writer *l, const struct column *col, uint32_t idx)
{
    char tmp[16];
    const char *p = tmp;
    uint32_t bytes = l->width;
    switch (l->hold) {
    case HOLD_BOOL:
        tmp[0] = (char)(((const uint8_t *)col->data)[idx] != 0);
        bound_int(&l->bounds, tmp[0]);
        break;
    case HOLD_I64: {
        int128_t v = load_int(col, idx);
        int64_t x = (int64_t)v;
        memcpy(tmp, &x, 8);
        bound_int(&l->bounds, v);
        break;
    }
    case HOLD_FIXED: {
        int128_t v = load_int(col, idx);
        for (uint32_t i = 0; i < bytes; i++)
            tmp[i] = (char)(uint8_t)(v >> (8 * (bytes - 1 - i)));
        bound_int(&l->bounds, v);
        break;
    }
    case HOLD_F:
        p = (const char *)col->data + (size_t)idx * bytes;
        if (bytes == 4) {
            float f;
            memcpy(&f, p, 4);
            bound_float(&l->bounds, (double)f);
        } else {
            double d;
            memcpy(&d, p, 8);
            bound_float(&l->bounds, d);
        }
        break;
    case HOLD_BYTES: {
        const struct strview *v = &((const struct strview *)col->data)[idx];
        p = strview_data(v);
        bytes = v->bytes;
        bound_bytes(&l->bounds, p, bytes);
        l->value_bytes += 4;
        break;
    }
    }
    l->value_bytes += bytes;
    if (l->use_dict) {
        put_code(l, dict_code(l, p, bytes));
        return;
    }
    if (l->hold == HOLD_BYTES)
        buf_add(&l->plain, &bytes, 4);
    buf_add(&l->plain, p, bytes);
}

/* Codes of an input dictionary are looked up once each. */
static void map_codes(struct leaf_writer *l, const struct column *col)
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

static int put_flat(struct writer *w, const struct wnode *n, const struct column *col, const struct batch *b,
                    struct error *err)
{
    struct leaf_writer *l = n->leaf;
    bool mapped = col->kind == COL_DICT && col->dict_id != 0;
    for (uint32_t k = 0; k < b->sel_count; k++) {
        uint32_t row = b->sel ? b->sel[k] : k, idx = column_idx(col, row);
        bool null = col->nulls && col->nulls[idx];
        if (null && !n->optional)
            return error_set(err, ERR_FILE_WRITE, "path", w->path, "message", "a null in a column that has none", NULL);
        put_entries(l, null ? 0 : l->max_def, 0, 1);
        l->rows++;
        if (null) {
            l->null_count++;
        } else if (mapped && l->use_dict && l->hold == HOLD_BYTES) {
            map_codes(l, col);
            if (l->in_codes[idx] == UINT32_MAX) {
                put_value(l, col, idx);
                l->in_codes[idx] = l->codes[l->value_count - 1];
            } else {
                const struct strview *v = &((const struct strview *)col->data)[idx];
                l->value_bytes += 4 + v->bytes;
                /* Bounds are of the page: an entry known from the page before still counts here. */
                bound_bytes(&l->bounds, strview_data(v), v->bytes);
                put_code(l, l->in_codes[idx]);
            }
        } else {
            put_value(l, col, idx);
        }
        if (l->rows >= PAGE_ROWS || l->value_bytes >= PAGE_BYTES)
            TRY(flush_page(w, l, err));
    }
    return 0;
}

/* All leaves below get an entry that stops at def. */
static void put_nothing(const struct wnode *n, uint32_t rep, uint32_t def)
{
    if (n->leaf) {
        put_entries(n->leaf, def, rep, 1);
        n->leaf->null_count++;
        return;
    }
    for (uint32_t i = 0; i < n->child_count; i++)
        put_nothing(&n->children[i], rep, def);
}

static int put_nested(struct writer *w, const struct wnode *n, const struct column *col, uint32_t row, uint32_t rep,
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
        put_entries(n->leaf, n->def, rep, 1);
        put_value(n->leaf, col, idx);
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

static void rows_done(const struct wnode *n)
{
    if (n->leaf)
        n->leaf->rows++;
    for (uint32_t i = 0; i < n->child_count; i++)
        rows_done(&n->children[i]);
}

static int flush_full(struct writer *w, const struct wnode *n, struct error *err)
{
    if (n->leaf && (n->leaf->rows >= PAGE_ROWS || n->leaf->value_bytes >= PAGE_BYTES ||
                    n->leaf->entry_count >= 8 * PAGE_ROWS))
        TRY(flush_page(w, n->leaf, err));
    for (uint32_t i = 0; i < n->child_count; i++)
        TRY(flush_full(w, &n->children[i], err));
    return 0;
}

static size_t held_bytes(const struct writer *w, size_t *ret_group)
{
    size_t bytes = w->scratch.cap + w->packed.cap, group = 0;
    for (uint32_t i = 0; i < w->leaf_count; i++) {
        const struct leaf_writer *l = &w->leaves[i];
        bytes += l->plain.cap + l->dict.cap + l->pages.cap + (size_t)l->slot_count * 4 +
                 ((size_t)l->def_cap + l->rep_cap + l->code_cap + l->dict_cap + l->in_cap) * 4;
        group += l->pages.bytes + l->dict.bytes;
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
        const struct wnode *n = &w->cols[i];
        const struct column *col = &b->cols[i];
        if (n->leaf) {
            TRY(put_flat(w, n, col, b, err));
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

/* ---- the footer ---- */

static void put_schema_leaf(struct thrift_out *t, const struct leaf_writer *l)
{
    const struct type *ty = l->type;
    int converted = -1;
    switch (ty->id) {
    case TYPE_STRING:
        converted = 0;
        break;
    case TYPE_DECIMAL:
        converted = 5;
        break;
    case TYPE_DATE:
        converted = 6;
        break;
    case TYPE_TIMESTAMP:
        converted = 10;
        break;
    case TYPE_TINYINT:
        converted = 15;
        break;
    case TYPE_SMALLINT:
        converted = 16;
        break;
    default:
        break;
    }
    if (converted >= 0)
        thrift_put_int(t, 6, THRIFT_I32, converted);
    if (ty->id == TYPE_DECIMAL) {
        thrift_put_int(t, 7, THRIFT_I32, ty->scale);
        thrift_put_int(t, 8, THRIFT_I32, ty->precision);
    }
    switch (ty->id) {
    case TYPE_STRING:
    case TYPE_DATE:
    case TYPE_NULL:
        thrift_put_begin(t, 10);
        thrift_put_begin(t, ty->id == TYPE_STRING ? 1 : ty->id == TYPE_DATE ? 6 : 11);
        thrift_put_end(t);
        thrift_put_end(t);
        break;
    case TYPE_DECIMAL:
        thrift_put_begin(t, 10);
        thrift_put_begin(t, 5);
        thrift_put_int(t, 1, THRIFT_I32, ty->scale);
        thrift_put_int(t, 2, THRIFT_I32, ty->precision);
        thrift_put_end(t);
        thrift_put_end(t);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        thrift_put_begin(t, 10);
        thrift_put_begin(t, 8);
        thrift_put_bool(t, 1, ty->id == TYPE_TIMESTAMP);
        thrift_put_begin(t, 2);
        thrift_put_begin(t, 2);
        thrift_put_end(t);
        thrift_put_end(t);
        thrift_put_end(t);
        thrift_put_end(t);
        break;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
        thrift_put_begin(t, 10);
        thrift_put_begin(t, 10);
        thrift_put_int(t, 1, THRIFT_I8, ty->id == TYPE_TINYINT ? 8 : 16);
        thrift_put_bool(t, 2, true);
        thrift_put_end(t);
        thrift_put_end(t);
        break;
    default:
        break;
    }
}

static uint32_t put_schema_node(struct thrift_out *t, const struct wnode *n)
{
    uint32_t count = 1;
    thrift_put_begin(t, 0);
    if (n->leaf) {
        thrift_put_int(t, 1, THRIFT_I32, n->leaf->phys);
        if (n->leaf->phys == PQ_FIXED)
            thrift_put_int(t, 2, THRIFT_I32, n->leaf->width);
    }
    thrift_put_int(t, 3, THRIFT_I32, n->optional ? PQ_OPTIONAL : PQ_REQUIRED);
    thrift_put_binary(t, 4, n->name, strlen(n->name));
    if (n->leaf) {
        put_schema_leaf(t, n->leaf);
        thrift_put_end(t);
        return 1;
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
        count++;
    }
    for (uint32_t i = 0; i < n->child_count; i++)
        count += put_schema_node(t, &n->children[i]);
    return count;
}

static uint32_t schema_count(const struct wnode *n)
{
    uint32_t count = 1 + (n->type->id == TYPE_ARRAY || n->type->id == TYPE_MAP);
    for (uint32_t i = 0; i < n->child_count; i++)
        count += schema_count(&n->children[i]);
    return count;
}

static int put_indexes(struct writer *w, struct error *err)
{
    struct thrift_out t;
    struct buf *out = &w->scratch;
    for (uint32_t g = 0; g < w->group_count; g++)
        for (uint32_t i = 0; i < w->leaf_count; i++) {
            struct chunk_meta *m = &w->groups[g].chunks[i];
            if (!m->index || m->page_count == 0)
                continue;
            buf_reset(out);
            thrift_out_init(&t, out);
            thrift_put_list(&t, 1, THRIFT_TRUE, m->page_count);
            for (uint32_t k = 0; k < m->page_count; k++)
                buf_addc(out, m->pages[k].all_null ? 1 : 2);
            thrift_put_list(&t, 2, THRIFT_BINARY, m->page_count);
            for (uint32_t k = 0; k < m->page_count; k++)
                thrift_item_binary(&t, m->bound_bytes.data + m->pages[k].min_at, m->pages[k].min_bytes);
            thrift_put_list(&t, 3, THRIFT_BINARY, m->page_count);
            for (uint32_t k = 0; k < m->page_count; k++)
                thrift_item_binary(&t, m->bound_bytes.data + m->pages[k].max_at, m->pages[k].max_bytes);
            thrift_put_int(&t, 4, THRIFT_I32, 0);
            thrift_put_list(&t, 5, THRIFT_I64, m->page_count);
            for (uint32_t k = 0; k < m->page_count; k++)
                thrift_item_int(&t, m->pages[k].null_count);
            buf_addc(out, 0);
            m->column_index = w->at;
            m->column_index_bytes = (uint32_t)out->bytes;
            TRY(put_bytes(w, out->data, out->bytes, err));
        }
    for (uint32_t g = 0; g < w->group_count; g++)
        for (uint32_t i = 0; i < w->leaf_count; i++) {
            struct chunk_meta *m = &w->groups[g].chunks[i];
            if (m->page_count == 0)
                continue;
            buf_reset(out);
            thrift_out_init(&t, out);
            thrift_put_list(&t, 1, THRIFT_STRUCT, m->page_count);
            for (uint32_t k = 0; k < m->page_count; k++) {
                thrift_put_begin(&t, 0);
                thrift_put_int(&t, 1, THRIFT_I64, (int64_t)(m->data_offset + m->pages[k].offset));
                thrift_put_int(&t, 2, THRIFT_I32, m->pages[k].bytes);
                thrift_put_int(&t, 3, THRIFT_I64, m->pages[k].first_row);
                thrift_put_end(&t);
            }
            buf_addc(out, 0);
            m->offset_index = w->at;
            m->offset_index_bytes = (uint32_t)out->bytes;
            TRY(put_bytes(w, out->data, out->bytes, err));
        }
    return 0;
}

static void put_chunk(struct writer *w, struct thrift_out *t, const struct leaf_writer *l, const struct chunk_meta *m)
{
    thrift_put_begin(t, 0);
    thrift_put_int(t, 2, THRIFT_I64, 0);
    thrift_put_begin(t, 3);
    thrift_put_int(t, 1, THRIFT_I32, l->phys);
    thrift_put_list(t, 2, THRIFT_I32, m->has_dict ? 3 : 2);
    thrift_item_int(t, PQ_RLE);
    if (m->has_dict)
        thrift_item_int(t, PQ_RLE_DICTIONARY);
    thrift_item_int(t, PQ_PLAIN);
    thrift_put_list(t, 3, THRIFT_BINARY, l->path_count);
    for (uint32_t i = 0; i < l->path_count; i++)
        thrift_item_binary(t, l->path[i], strlen(l->path[i]));
    thrift_put_int(t, 4, THRIFT_I32, w->codec);
    thrift_put_int(t, 5, THRIFT_I64, m->value_count);
    thrift_put_int(t, 6, THRIFT_I64, m->bytes_raw);
    thrift_put_int(t, 7, THRIFT_I64, m->bytes);
    thrift_put_int(t, 9, THRIFT_I64, (int64_t)m->data_offset);
    if (m->has_dict)
        thrift_put_int(t, 11, THRIFT_I64, (int64_t)m->dict_offset);
    thrift_put_begin(t, 12);
    thrift_put_int(t, 3, THRIFT_I64, m->null_count);
    if (m->distinct >= 0)
        thrift_put_int(t, 4, THRIFT_I64, m->distinct);
    if (m->has_max)
        thrift_put_binary(t, 5, m->max.data, m->max.bytes);
    if (m->has_min)
        thrift_put_binary(t, 6, m->min.data, m->min.bytes);
    thrift_put_end(t);
    uint32_t kinds = (m->has_dict ? 1u : 0) + (m->dict_pages ? 1u : 0) + (m->plain_pages ? 1u : 0);
    thrift_put_list(t, 13, THRIFT_STRUCT, kinds);
    for (int k = 0; k < 3; k++) {
        uint32_t pages = k == 0 ? m->has_dict : k == 1 ? m->dict_pages : m->plain_pages;
        if (!pages)
            continue;
        thrift_put_begin(t, 0);
        thrift_put_int(t, 1, THRIFT_I32, k == 0 ? PQ_DICTIONARY_PAGE : PQ_DATA_PAGE);
        thrift_put_int(t, 2, THRIFT_I32, k == 1 ? PQ_RLE_DICTIONARY : PQ_PLAIN);
        thrift_put_int(t, 3, THRIFT_I32, pages);
        thrift_put_end(t);
    }
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

static int put_footer(struct writer *w, struct error *err)
{
    struct thrift_out t;
    struct buf *out = &w->scratch;
    uint32_t nodes = 1;
    buf_reset(out);
    thrift_out_init(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, 1);
    for (uint32_t i = 0; i < w->col_count; i++)
        nodes += schema_count(&w->cols[i]);
    thrift_put_list(&t, 2, THRIFT_STRUCT, nodes);
    thrift_put_begin(&t, 0);
    thrift_put_binary(&t, 4, "spark_schema", 12);
    thrift_put_int(&t, 5, THRIFT_I32, w->col_count);
    thrift_put_end(&t);
    for (uint32_t i = 0; i < w->col_count; i++)
        put_schema_node(&t, &w->cols[i]);
    thrift_put_int(&t, 3, THRIFT_I64, w->rows);
    thrift_put_list(&t, 4, THRIFT_STRUCT, w->group_count);
    for (uint32_t g = 0; g < w->group_count; g++) {
        const struct group_meta *gm = &w->groups[g];
        int64_t raw = 0, bytes = 0;
        thrift_put_begin(&t, 0);
        thrift_put_list(&t, 1, THRIFT_STRUCT, w->leaf_count);
        for (uint32_t i = 0; i < w->leaf_count; i++) {
            put_chunk(w, &t, &w->leaves[i], &gm->chunks[i]);
            raw += gm->chunks[i].bytes_raw;
            bytes += gm->chunks[i].bytes;
        }
        thrift_put_int(&t, 2, THRIFT_I64, raw);
        thrift_put_int(&t, 3, THRIFT_I64, gm->rows);
        thrift_put_int(&t, 5, THRIFT_I64, (int64_t)gm->start);
        thrift_put_int(&t, 6, THRIFT_I64, bytes);
        if (g <= INT16_MAX)
            thrift_put_int(&t, 7, THRIFT_I16, g);
        thrift_put_end(&t);
    }
    static const char created[] = "drover version 1.0.0";
    thrift_put_binary(&t, 6, created, sizeof created - 1);
    thrift_put_list(&t, 7, THRIFT_STRUCT, w->leaf_count);
    for (uint32_t i = 0; i < w->leaf_count; i++) { /* the order that each type defines */
        thrift_put_begin(&t, 0);
        thrift_put_begin(&t, 1);
        thrift_put_end(&t);
        thrift_put_end(&t);
    }
    buf_addc(out, 0);
    uint32_t bytes = (uint32_t)out->bytes;
    buf_add(out, &bytes, 4);
    buf_add(out, "PAR1", 4);
    return put_bytes(w, out->data, out->bytes, err);
}

int pq_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err)
{
    int rc;
    if ((rc = flush_group(w, err)) != 0 || (rc = put_indexes(w, err)) != 0 || (rc = put_footer(w, err)) != 0)
        goto out;
    if (fsync(w->fd) != 0) {
        rc = write_failed(w, err);
        goto out;
    }
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0) {
        rc = write_failed(w, err);
        goto out;
    }
    *ret_rows = (uint64_t)w->rows;
    *ret_bytes = w->at;
out:
    writer_free(w);
    return rc;
}

void pq_discard(struct writer *w)
{
    writer_free(w);
}
