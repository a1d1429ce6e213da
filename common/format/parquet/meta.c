/* Footers: row groups, column chunks and what is around them; see meta.h. */
#include "common/format/parquet/meta.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const char *const phys_names[PQ_PHYS_COUNT] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                                      "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};

const char *pq_phys_name(enum pq_phys phys)
{
    return (unsigned)phys < PQ_PHYS_COUNT ? phys_names[phys] : "?";
}

int pq_damaged(struct error *err, const char *path, uint64_t offset, const char *fmt, ...)
{
    char text[512], at[32];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(at, sizeof at, "%" PRIu64, offset);
    return error_set(err, ERR_FILE_DAMAGED, "path", path, "offset", at, "message", text, NULL);
}

int pq_read(const char *path, int fd, void *p, size_t bytes, uint64_t offset, struct error *err)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(fd, (char *)p + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            char text[128];
            return error_set(err, ERR_FILE_READ, "path", path, "message", strerror_r(errno, text, sizeof text), NULL);
        }
        if (n == 0)
            return pq_damaged(err, path, offset + done, "the file ends %zu bytes too early", bytes - done);
        done += (size_t)n;
    }
    return 0;
}

/* ---- row groups ---- */

static void parse_stats(struct thrift *t, struct pq_stats *s)
{
    const uint8_t *old_min = NULL, *old_max = NULL;
    uint32_t old_min_bytes = 0, old_max_bytes = 0;
    struct thrift_field f = {0};
    *s = (struct pq_stats){.null_count = -1, .distinct_count = -1};
    if (!thrift_enter(t))
        return;
    while (thrift_field(t, &f)) {
        if (f.type == THRIFT_BINARY && f.id == 1)
            old_max = thrift_binary(t, &old_max_bytes);
        else if (f.type == THRIFT_BINARY && f.id == 2)
            old_min = thrift_binary(t, &old_min_bytes);
        else if (f.type == THRIFT_I64 && f.id == 3)
            s->null_count = thrift_int(t);
        else if (f.type == THRIFT_I64 && f.id == 4)
            s->distinct_count = thrift_int(t);
        else if (f.type == THRIFT_BINARY && f.id == 5)
            s->max = thrift_binary(t, &s->max_bytes);
        else if (f.type == THRIFT_BINARY && f.id == 6)
            s->min = thrift_binary(t, &s->min_bytes);
        else
            thrift_skip(t, f.type);
    }
    thrift_leave(t);
    if (!s->min && !s->max && (old_min || old_max)) {
        s->min = old_min;
        s->min_bytes = old_min_bytes;
        s->max = old_max;
        s->max_bytes = old_max_bytes;
        s->ordered_old = true;
    }
}

/* Dictionary filtering may rely on the counts of pages per encoding. */
static bool parse_encoding_stats(struct thrift *t)
{
    uint8_t type;
    uint32_t count = thrift_list(t, &type);
    bool all = count > 0 && type == THRIFT_STRUCT;
    for (uint32_t i = 0; i < count && !t->bad; i++) {
        if (type != THRIFT_STRUCT) {
            thrift_skip(t, type);
            continue;
        }
        struct thrift_field f = {0};
        int64_t page = -1, encoding = -1, pages = 0;
        if (!thrift_enter(t))
            return false;
        while (thrift_field(t, &f)) {
            if (f.type == THRIFT_I32 && f.id == 1)
                page = thrift_int(t);
            else if (f.type == THRIFT_I32 && f.id == 2)
                encoding = thrift_int(t);
            else if (f.type == THRIFT_I32 && f.id == 3)
                pages = thrift_int(t);
            else
                thrift_skip(t, f.type);
        }
        thrift_leave(t);
        if ((page == PQ_DATA_PAGE || page == PQ_DATA_PAGE_V2) && pages > 0 && encoding != PQ_RLE_DICTIONARY &&
            encoding != PQ_PLAIN_DICTIONARY)
            all = false;
    }
    return all;
}

static const char *parse_chunk(struct thrift *t, const struct pq_footer *ft, const struct pq_node *n, struct pq_chunk *c)
{
    struct thrift_field f = {0};
    int64_t data = -1, dictionary = -1, ci = 0, oi = 0, ci_bytes = 0, oi_bytes = 0, phys = -1, codec = -1;
    bool has_meta = false, elsewhere = false, stats_given = false;
    c->stats = (struct pq_stats){.null_count = -1, .distinct_count = -1};
    if (!thrift_enter(t))
        return "the metadata nests too deep";
    while (thrift_field(t, &f)) {
        if (f.id == 1 && f.type == THRIFT_BINARY) {
            uint32_t bytes;
            thrift_binary(t, &bytes);
            elsewhere = bytes > 0;
        } else if (f.id == 3 && f.type == THRIFT_STRUCT) {
            struct thrift_field g = {0};
            has_meta = true;
            if (!thrift_enter(t))
                return "the metadata nests too deep";
            while (thrift_field(t, &g)) {
                if (g.id == 1 && g.type == THRIFT_I32)
                    phys = thrift_int(t);
                else if (g.id == 4 && g.type == THRIFT_I32)
                    codec = thrift_int(t);
                else if (g.id == 5 && g.type == THRIFT_I64)
                    c->value_count = thrift_int(t);
                else if (g.id == 6 && g.type == THRIFT_I64)
                    c->bytes_raw = thrift_int(t);
                else if (g.id == 7 && g.type == THRIFT_I64)
                    c->bytes = thrift_int(t);
                else if (g.id == 9 && g.type == THRIFT_I64)
                    data = thrift_int(t);
                else if (g.id == 11 && g.type == THRIFT_I64)
                    dictionary = thrift_int(t);
                else if (g.id == 12 && g.type == THRIFT_STRUCT) {
                    parse_stats(t, &c->stats);
                    stats_given = true;
                } else if (g.id == 13 && g.type == THRIFT_LIST)
                    c->all_dictionary = parse_encoding_stats(t);
                else
                    thrift_skip(t, g.type);
            }
            thrift_leave(t);
        } else if (f.id == 4 && f.type == THRIFT_I64) {
            oi = thrift_int(t);
        } else if (f.id == 5 && f.type == THRIFT_I32) {
            oi_bytes = thrift_int(t);
        } else if (f.id == 6 && f.type == THRIFT_I64) {
            ci = thrift_int(t);
        } else if (f.id == 7 && f.type == THRIFT_I32) {
            ci_bytes = thrift_int(t);
        } else {
            thrift_skip(t, f.type);
        }
    }
    thrift_leave(t);
    (void)stats_given;
    if (t->bad || !has_meta)
        return "a column chunk's metadata is cut short";
    if (elsewhere)
        return "a column chunk lies in another file";
    if (phys != (int64_t)n->phys)
        return "a column chunk's type is not that of the schema";
    if (codec < 0 || codec >= PQ_CODEC_COUNT)
        return "the codec of a column chunk is unknown";
    c->codec = (enum pq_codec)codec;
    if (data < 0 || c->bytes < 0 || c->value_count < 0)
        return "a column chunk has a negative offset or size";
    c->data_offset = (uint64_t)data;
    c->start = c->data_offset;
    if (dictionary > 0 && dictionary < data) {
        c->start = (uint64_t)dictionary;
        c->has_dictionary = true;
    }
    if (c->start > ft->file_bytes || (uint64_t)c->bytes > ft->file_bytes - c->start)
        return "a column chunk reaches past the end of the file";
    if (ci > 0 && ci_bytes > 0 && (uint64_t)ci < ft->file_bytes && (uint64_t)ci_bytes <= ft->file_bytes - (uint64_t)ci) {
        c->column_index = (uint64_t)ci;
        c->column_index_bytes = (uint32_t)ci_bytes;
    }
    if (oi > 0 && oi_bytes > 0 && (uint64_t)oi < ft->file_bytes && (uint64_t)oi_bytes <= ft->file_bytes - (uint64_t)oi) {
        c->offset_index = (uint64_t)oi;
        c->offset_index_bytes = (uint32_t)oi_bytes;
    }
    return NULL;
}

static const char *parse_group(struct thrift *t, struct pq_footer *ft, struct pq_group *g)
{
    struct thrift_field f = {0};
    const char *why;
    if (!thrift_enter(t))
        return "the metadata nests too deep";
    g->rows = -1;
    while (thrift_field(t, &f)) {
        if (f.id == 1 && f.type == THRIFT_LIST) {
            uint8_t type;
            uint32_t count = thrift_list(t, &type);
            if (type != THRIFT_STRUCT || count != ft->leaf_count || g->chunks)
                return "a row group's columns are not those of the schema";
            g->chunks = ARENA_ARRAY(&ft->arena, struct pq_chunk, count);
            for (uint32_t i = 0; i < count; i++)
                if ((why = parse_chunk(t, ft, &ft->nodes[ft->leaf_nodes[i]], &g->chunks[i])))
                    return why;
        } else if (f.id == 3 && f.type == THRIFT_I64) {
            g->rows = thrift_int(t);
        } else {
            thrift_skip(t, f.type);
        }
    }
    thrift_leave(t);
    if (t->bad || g->rows < 0 || (!g->chunks && ft->leaf_count))
        return "a row group's metadata is cut short";
    g->start = UINT64_MAX;
    for (uint32_t i = 0; i < ft->leaf_count; i++) {
        if (g->chunks[i].start < g->start)
            g->start = g->chunks[i].start;
        if (ft->nodes[ft->leaf_nodes[i]].max_rep == 0 && g->chunks[i].value_count != g->rows)
            return "a column chunk has another count of values than its row group has rows";
    }
    if (ft->leaf_count == 0)
        g->start = 4;
    return NULL;
}

static const char *parse_footer(struct thrift *t, struct pq_footer *ft)
{
    struct thrift_field f = {0};
    const char *why;
    uint8_t type;
    uint32_t bytes;
    if (!thrift_enter(t))
        return "the metadata nests too deep";
    while (thrift_field(t, &f)) {
        if (f.id == 2 && f.type == THRIFT_LIST) {
            if ((why = pq_nodes_parse(t, ft)))
                return why;
        } else if (f.id == 3 && f.type == THRIFT_I64) {
            ft->rows = thrift_int(t);
        } else if (f.id == 4 && f.type == THRIFT_LIST) {
            uint32_t count = thrift_list(t, &type);
            if (type != THRIFT_STRUCT && count > 0)
                return "the row groups are not readable";
            if (!ft->nodes || ft->groups)
                return "the row groups come before the schema";
            ft->groups = ARENA_ARRAY(&ft->arena, struct pq_group, count);
            for (uint32_t i = 0; i < count; i++)
                if ((why = parse_group(t, ft, &ft->groups[i])))
                    return why;
            ft->group_count = count;
        } else if (f.id == 6 && f.type == THRIFT_BINARY) {
            const uint8_t *p = thrift_binary(t, &bytes);
            ft->created_by = arena_strndup(&ft->arena, (const char *)p, bytes);
        } else if (f.id == 7 && f.type == THRIFT_LIST) {
            ft->stats_ordered = true;
            thrift_skip(t, f.type);
        } else if (f.id == 8) {
            return PQ_ENCRYPTED;
        } else {
            thrift_skip(t, f.type);
        }
    }
    thrift_leave(t);
    if (t->bad || !ft->nodes)
        return "the footer is cut short";
    int64_t rows = 0;
    for (uint32_t i = 0; i < ft->group_count; i++)
        if (__builtin_add_overflow(rows, ft->groups[i].rows, &rows))
            return "the row counts overflow";
    if (rows != ft->rows)
        return "the row groups' rows are not those of the file";
    return NULL;
}

void pq_footer_unref(struct pq_footer *f)
{
    if (f && __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        arena_fini(&f->arena);
        xfree(f);
    }
}

int pq_footer_parse(const char *path, const void *bytes, size_t count, uint64_t offset, uint64_t file_bytes,
                    struct pq_footer **ret, struct error *err)
{
    struct pq_footer *ft = xcalloc(1, sizeof *ft);
    arena_init(&ft->arena);
    ft->refs = 1;
    ft->file_bytes = file_bytes;
    ft->created_by = "";
    const uint8_t *p = arena_dup(&ft->arena, bytes, count); /* statistics borrow from it */
    struct thrift t = {.p = p, .end = p + count};
    const char *why = parse_footer(&t, ft);
    if (why) {
        int rc = pq_damaged(err, path, offset + (uint64_t)(t.p - p), "%s", why);
        pq_footer_unref(ft);
        return rc;
    }
    *ret = ft;
    return 0;
}
