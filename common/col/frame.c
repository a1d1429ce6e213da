/*
 * The batch frame: sealed runs as checksummed bytes, and back; see builder.h for the outer layout.
 *
 * Head, 32 bytes: u32 magic "DBF1", u32 crc32c of everything after it, u64 total bytes, u32 rows, u32 columns,
 * u32 codec, u32 bytes of the body when decompressed. The body is columns one after the other, each:
 *   u16 bytes of the type's ddl (65535: in the u32 that follows), the ddl; u8 phys, u8 kind (flat, const), u8 has nulls, u8 zero; u32 rows stored
 *   then 8-aligned: nulls; then 8-aligned: values. Strings are u32 lengths, 8-aligned, then all their bytes.
 *   Lists are u32 counts, then the children as columns; structs only their children.
 */
#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

#include "common/base/account.h"
#include "common/col/builder.h"

enum { ROWS_MAX = 1 << 24, HEAD = 32, DEPTH_MAX = TYPE_DEPTH_MAX, LONG_TYPE = 65535 };
static const uint32_t MAGIC = 0x31464244;

struct sealed_mem {
    uint32_t count, cap;
    void **items;
};

/* ---- writing ---- */

static void pad8(struct buf *out, size_t base)
{
    static const char zeros[8];
    buf_add(out, zeros, (8 - ((out->bytes - base) & 7)) & 7);
}

static void put_text(const struct column *col, uint32_t n, struct buf *out, size_t base)
{
    const struct strview *v = col->data;
    size_t total = 0;
    buf_reserve(out, (size_t)n * 4 + 16);
    uint32_t *lengths = (uint32_t *)(void *)(out->data + out->bytes);
    for (uint32_t i = 0; i < n; i++) {
        lengths[i] = col->nulls && col->nulls[i] ? 0 : v[i].bytes;
        total += lengths[i];
    }
    out->bytes += (size_t)n * 4;
    pad8(out, base);
    buf_reserve(out, total + 8);
    char *at = out->data + out->bytes;
    for (uint32_t i = 0; i < n; i++) {
        if (col->nulls && col->nulls[i])
            continue;
        memcpy(at, strview_data(&v[i]), v[i].bytes);
        at += v[i].bytes;
    }
    out->bytes += total;
}

static void put_column(const struct column *col, struct buf *out, size_t base);

static void put_lists(const struct column *col, uint32_t n, struct buf *out, size_t base)
{
    const struct listview *v = col->data;
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t count = col->nulls && col->nulls[i] ? 0 : v[i].count;
        total += count;
        buf_add(out, &count, 4);
    }
    uint32_t *idx = xmalloc(((size_t)total + 1) * sizeof *idx);
    for (uint32_t i = 0, k = 0; i < n; i++) {
        for (uint32_t j = 0; j < v[i].count && !(col->nulls && col->nulls[i]); j++)
            idx[k++] = v[i].offset + j;
    }
    struct arena ar;
    arena_init(&ar);
    for (uint32_t c = 0; c < col->type->child_count; c++) {
        struct column child = column_gather(&col->children[c], idx, total, &ar);
        put_column(&child, out, base);
    }
    arena_fini(&ar);
    xfree(idx);
}

static void put_column(const struct column *col, struct buf *out, size_t base)
{
    struct arena ar;
    arena_init(&ar);
    struct column flat = *col;
    if (col->kind == COL_DICT || (col->kind == COL_CONST && col->type->child_count))
        flat = column_flatten(col, NULL, col->rows, &ar);
    uint32_t n = flat.kind == COL_CONST ? (flat.rows > 0) : flat.rows;
    size_t text = strlen(flat.type->ddl);
    uint16_t text16 = text < LONG_TYPE ? (uint16_t)text : LONG_TYPE;
    uint32_t text32 = (uint32_t)text;
    buf_add(out, &text16, 2);
    buf_add(out, &text32, text16 == LONG_TYPE ? 4 : 0);
    buf_add(out, flat.type->ddl, text);
    uint8_t bytes[4] = {(uint8_t)flat.phys, flat.kind == COL_CONST, flat.nulls != NULL, 0};
    buf_add(out, bytes, 4);
    buf_add(out, &flat.rows, 4);
    pad8(out, base);
    if (flat.nulls) {
        buf_add(out, flat.nulls, n);
        pad8(out, base);
    }
    if (flat.phys == PHYS_STR) {
        put_text(&flat, n, out, base);
    } else if (flat.phys == PHYS_LIST) {
        put_lists(&flat, n, out, base);
    } else if (flat.phys == PHYS_STRUCT) {
        for (uint32_t c = 0; c < flat.type->child_count; c++)
            put_column(&flat.children[c], out, base);
    } else {
        buf_add(out, flat.data, (size_t)n * phys_bytes(flat.phys));
    }
    pad8(out, base);
    arena_fini(&ar);
}

static void compress(enum frame_codec codec, const struct buf *body, struct buf *out)
{
    if (codec == FRAME_LZ4) {
        int bound = LZ4_compressBound((int)body->bytes);
        buf_reserve(out, (size_t)bound);
        int n = LZ4_compress_default(body->data, out->data + out->bytes, (int)body->bytes, bound);
        ASSERT(n > 0);
        out->bytes += (size_t)n;
    } else {
        size_t bound = ZSTD_compressBound(body->bytes);
        buf_reserve(out, bound);
        size_t n = ZSTD_compress(out->data + out->bytes, bound, body->data, body->bytes, 1);
        ASSERT(!ZSTD_isError(n));
        out->bytes += n;
    }
}

void frame_encode(const struct sealed *s, enum frame_codec codec, struct buf *out)
{
    pad8(out, 0);
    size_t start = out->bytes;
    char head[HEAD] = {0};
    buf_add(out, head, HEAD);
    struct buf body = BUF_INIT;
    struct buf *to = codec == FRAME_RAW ? out : &body;
    size_t base = codec == FRAME_RAW ? start : 0;
    for (uint32_t i = 0; i < s->col_count; i++)
        put_column(&s->cols[i], to, base);
    uint32_t raw = (uint32_t)(codec == FRAME_RAW ? out->bytes - start - HEAD : body.bytes);
    if (codec != FRAME_RAW) {
        compress(codec, &body, out);
        buf_fini(&body);
    }
    pad8(out, start);
    uint64_t total = out->bytes - start;
    uint32_t codec32 = codec;
    char *h = out->data + start;
    memcpy(h, &MAGIC, 4);
    memcpy(h + 8, &total, 8);
    memcpy(h + 16, &s->rows, 4);
    memcpy(h + 20, &s->col_count, 4);
    memcpy(h + 24, &codec32, 4);
    memcpy(h + 28, &raw, 4);
    uint32_t crc = crc32c(0, h + 8, total - 8);
    memcpy(h + 4, &crc, 4);
}

/* ---- reading: every length is checked before it is used ---- */

struct in {
    const char *base, *at, *end;
    struct sealed_mem *mem;
    size_t bytes; /* held by what was decoded */
};

static bool take(struct in *in, size_t bytes, const char **ret)
{
    if ((size_t)(in->end - in->at) < bytes)
        return false;
    *ret = in->at;
    in->at += bytes;
    return true;
}

static bool align8(struct in *in)
{
    const char *skipped;
    return take(in, (8 - ((size_t)(in->at - in->base) & 7)) & 7, &skipped);
}

static void *keep(struct in *in, size_t bytes)
{
    void *p = xmalloc(bytes + 16);
    ARRAY_GROW(in->mem->items, in->mem->count, in->mem->cap);
    in->mem->items[in->mem->count++] = p;
    in->bytes += bytes;
    return p;
}

static bool get_text(struct in *in, uint32_t n, struct column *col)
{
    const char *lengths, *text;
    size_t total = 0;
    if (!take(in, (size_t)n * 4, &lengths) || !align8(in))
        return false;
    struct strview *views = keep(in, (size_t)n * sizeof *views);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, lengths + (size_t)i * 4, 4);
        total += len;
    }
    if (!take(in, total, &text))
        return false;
    char *copy = keep(in, total);
    memcpy(copy, text, total);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, lengths + (size_t)i * 4, 4);
        views[i] = strview_make(copy, len);
        copy += len;
    }
    col->data = views;
    return true;
}

static bool get_column(struct in *in, unsigned depth, const struct type *expected, uint32_t *ret_rows,
                       struct column *col);

static bool get_lists(struct in *in, unsigned depth, uint32_t n, struct column *col)
{
    const char *counts;
    if (!take(in, (size_t)n * 4, &counts))
        return false;
    struct listview *views = keep(in, (size_t)n * sizeof *views);
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t count;
        memcpy(&count, counts + (size_t)i * 4, 4);
        views[i] = (struct listview){(uint32_t)total, count};
        total += count;
        if (total > UINT32_MAX)
            return false;
    }
    col->data = views;
    col->children = keep(in, col->type->child_count * sizeof *col->children);
    for (uint32_t c = 0; c < col->type->child_count; c++) {
        uint32_t rows;
        if (!get_column(in, depth - 1, col->type->children[c], &rows, &col->children[c]) || rows != total)
            return false;
    }
    return true;
}

static bool valid_phys(const struct type *t, unsigned phys)
{
    return phys == (unsigned)type_phys(t) || (t->id == TYPE_DECIMAL && phys == PHYS_I64);
}

static bool get_type(struct in *in, const struct type *expected, const struct type **ret)
{
    const char *p, *text;
    uint16_t bytes16;
    if (!take(in, 2, &p))
        return false;
    memcpy(&bytes16, p, 2);
    uint32_t bytes = bytes16;
    if (bytes16 == LONG_TYPE) {
        if (!take(in, 4, &p))
            return false;
        memcpy(&bytes, p, 4);
    }
    if (!take(in, bytes, &text))
        return false;
    if (expected && strlen(expected->ddl) == bytes && memcmp(expected->ddl, text, bytes) == 0) {
        *ret = expected;
        return true;
    }
    if (expected)
        return false;
    char *copy = xstrndup(text, bytes);
    struct error err = ERROR_INIT;
    int rc = type_parse(copy, ret, &err);
    error_fini(&err);
    xfree(copy);
    return rc == 0;
}

static bool get_column(struct in *in, unsigned depth, const struct type *expected, uint32_t *ret_rows,
                       struct column *col)
{
    const char *p;
    uint8_t flags[4];
    *col = (struct column){0};
    if (depth == 0 || !get_type(in, expected, &col->type) || !take(in, 8, &p))
        return false;
    memcpy(flags, p, 4);
    memcpy(&col->rows, p + 4, 4);
    if (!align8(in) || !valid_phys(col->type, flags[0]) || flags[1] > 1 || flags[2] > 1)
        return false;
    col->phys = (enum phys)flags[0];
    col->kind = flags[1] ? COL_CONST : COL_FLAT;
    if (col->kind == COL_CONST && col->type->child_count)
        return false;
    uint32_t n = col->kind == COL_CONST ? (col->rows > 0) : col->rows;
    if (flags[2]) {
        if (!take(in, n, &p) || !align8(in))
            return false;
        uint8_t *nulls = keep(in, n);
        for (uint32_t i = 0; i < n; i++)
            nulls[i] = p[i] != 0;
        col->nulls = nulls;
    }
    *ret_rows = col->rows;
    if (col->phys == PHYS_STR) {
        if (!get_text(in, n, col))
            return false;
    } else if (col->phys == PHYS_LIST) {
        if (!get_lists(in, depth, n, col))
            return false;
    } else if (col->phys == PHYS_STRUCT) {
        col->children = keep(in, col->type->child_count * sizeof *col->children);
        for (uint32_t c = 0; c < col->type->child_count; c++) {
            uint32_t rows;
            if (!get_column(in, depth - 1, col->type->children[c], &rows, &col->children[c]) || rows != n)
                return false;
        }
    } else {
        size_t bytes = (size_t)n * phys_bytes(col->phys);
        if (!take(in, bytes, &p))
            return false;
        uint8_t *data = keep(in, bytes);
        memcpy(data, p, bytes);
        for (size_t i = 0; col->phys == PHYS_BOOL && i < bytes; i++)
            data[i] = data[i] != 0;
        col->data = data;
    }
    if (col->kind == COL_CONST && n == 0) {
        col->kind = COL_FLAT;
    }
    return align8(in);
}

static int damaged(struct error *err, const char *what)
{
    return error_set(err, ERR_CHUNK_DAMAGED, "message", what, NULL);
}

static bool decompress(uint32_t codec, const char *p, size_t bytes, char *out, uint32_t raw)
{
    if (codec == FRAME_LZ4) {
        /* Padding follows the block: decode exactly raw bytes. */
        return LZ4_decompress_safe_partial(p, out, (int)bytes, (int)raw, (int)raw) == (int)raw;
    }
    size_t frame = ZSTD_findFrameCompressedSize(p, bytes);
    return !ZSTD_isError(frame) && ZSTD_decompress(out, raw, p, frame) == raw;
}

static int decode_body(struct in *in, struct sealed *s, struct error *err)
{
    for (uint32_t i = 0; i < s->col_count; i++) {
        uint32_t rows;
        if (!get_column(in, DEPTH_MAX, NULL, &rows, &s->cols[i]) || rows != s->rows)
            return damaged(err, "a column that does not fit its frame");
    }
    return 0;
}

uint64_t frame_bytes(const void *p, size_t bytes)
{
    uint32_t magic;
    uint64_t total;
    if (bytes < 16)
        return 0;
    memcpy(&magic, p, 4);
    memcpy(&total, (const char *)p + 8, 8);
    return magic == MAGIC && total >= HEAD ? total : 0;
}

int frame_decode(const void *p, size_t bytes, struct account *account, struct sealed **ret_sealed, size_t *ret_used,
                 struct error *err)
{
    const char *h = p;
    uint32_t magic, crc, rows, cols, codec, raw;
    uint64_t total;
    if (bytes < HEAD)
        return damaged(err, "a frame that is cut short");
    memcpy(&magic, h, 4);
    memcpy(&crc, h + 4, 4);
    memcpy(&total, h + 8, 8);
    memcpy(&rows, h + 16, 4);
    memcpy(&cols, h + 20, 4);
    memcpy(&codec, h + 24, 4);
    memcpy(&raw, h + 28, 4);
    if (magic != MAGIC || total < HEAD || total > bytes)
        return damaged(err, "no frame where one should begin");
    if (crc32c(0, h + 8, total - 8) != crc)
        return damaged(err, "wrong checksum");
    /* A column takes 16 bytes at least, a compressed byte stands for 2^16 at most. */
    if (rows > ROWS_MAX || codec > FRAME_ZSTD || (codec == FRAME_RAW && raw > total - HEAD) ||
        raw / 65536 > total || (uint64_t)cols * 12 > raw)
        return damaged(err, "impossible sizes");
    struct sealed *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->rows = rows;
    s->col_count = cols;
    s->mem = xcalloc(1, sizeof *s->mem);
    s->cols = xcalloc(cols + 1, sizeof *s->cols);
    ARRAY_GROW(s->mem->items, s->mem->count, s->mem->cap);
    s->mem->items[s->mem->count++] = s->cols;
    char *unpacked = NULL;
    struct in in = {h, h + HEAD, h + total, s->mem, 0};
    int rc = 0;
    if (codec != FRAME_RAW) {
        unpacked = xmalloc((size_t)raw + 16);
        if (!decompress(codec, h + HEAD, total - HEAD, unpacked, raw))
            rc = damaged(err, "a body that does not decompress");
        in = (struct in){unpacked, unpacked, unpacked + raw, s->mem, 0};
    }
    if (rc == 0)
        rc = decode_body(&in, s, err);
    xfree(unpacked);
    if (rc == 0)
        rc = account_reserve(account, in.bytes, err);
    if (rc != 0) {
        sealed_unref(s);
        return rc;
    }
    s->account = account;
    s->bytes = in.bytes;
    *ret_sealed = s;
    *ret_used = total;
    return 0;
}
