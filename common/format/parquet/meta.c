/*
 * Footers, page headers and indexes; see meta.h.
 *
 * The footer is parsed once per file and kept in a small process-wide cache keyed by path, size and
 * modification time: a scan of many splits, and the driver's planning before it, pay for it once.
 */
#include "common/format/parquet/meta.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
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

/* ---- schema ---- */

static enum pq_logical logical_of_converted(int64_t v)
{
    static const uint8_t table[] = {PQL_STRING,           PQL_MAP,    PQL_MAP,    PQL_LIST,   PQL_STRING, PQL_DECIMAL,
                                    PQL_DATE,             PQL_TIME,   PQL_TIME,   PQL_TIMESTAMP_MILLIS,
                                    PQL_TIMESTAMP_MICROS, PQL_UINT8,  PQL_UINT16, PQL_UINT32, PQL_UINT64, PQL_INT8,
                                    PQL_INT16,            PQL_INT32,  PQL_INT64,  PQL_STRING, PQL_BSON,   PQL_INTERVAL};
    return v >= 0 && v < (int64_t)sizeof table ? table[v] : PQL_NONE;
}

static int parse_unit(struct thrift *t) /* 1 ms, 2 us, 3 ns, 0 unknown */
{
    int unit = 0;
    struct thrift_field f = {0};
    if (!thrift_enter(t))
        return 0;
    while (thrift_field(t, &f)) {
        if (f.id >= 1 && f.id <= 3)
            unit = f.id;
        thrift_skip(t, f.type);
    }
    thrift_leave(t);
    return unit;
}

static void parse_logical(struct thrift *t, struct pq_node *n)
{
    struct thrift_field f = {0};
    if (!thrift_enter(t))
        return;
    while (thrift_field(t, &f)) {
        if (f.type != THRIFT_STRUCT) {
            thrift_skip(t, f.type);
            continue;
        }
        int64_t a = 0;
        bool flag = false;
        int unit = 0;
        int64_t b = 0;
        struct thrift_field g = {0};
        if (!thrift_enter(t))
            return;
        while (thrift_field(t, &g)) {
            if (g.id == 1 && g.type == THRIFT_I32)
                a = thrift_int(t);
            else if (g.id == 2 && g.type == THRIFT_I32)
                b = thrift_int(t);
            else if (g.id == 1 && g.type == THRIFT_I8)
                a = t->p < t->end ? *t->p++ : 0;
            else if (g.type == THRIFT_TRUE)
                flag = true;
            else if (g.id == 2 && g.type == THRIFT_STRUCT)
                unit = parse_unit(t);
            else
                thrift_skip(t, g.type);
        }
        thrift_leave(t);
        switch (f.id) {
        case 1:
        case 4:
        case 12:
            n->logical = PQL_STRING;
            break;
        case 2:
            n->logical = PQL_MAP;
            break;
        case 3:
            n->logical = PQL_LIST;
            break;
        case 5:
            n->logical = PQL_DECIMAL;
            n->scale = a >= 0 && a <= 255 ? (uint8_t)a : 255;
            n->precision = b >= 0 && b <= 255 ? (uint8_t)b : 255;
            break;
        case 6:
            n->logical = PQL_DATE;
            break;
        case 7:
            n->logical = PQL_TIME;
            break;
        case 8:
            n->logical = unit == 1   ? PQL_TIMESTAMP_MILLIS
                         : unit == 2 ? PQL_TIMESTAMP_MICROS
                         : unit == 3 ? PQL_TIMESTAMP_NANOS
                                     : PQL_NONE;
            n->utc = flag;
            break;
        case 10:
            n->logical = a == 8    ? (flag ? PQL_INT8 : PQL_UINT8)
                         : a == 16 ? (flag ? PQL_INT16 : PQL_UINT16)
                         : a == 32 ? (flag ? PQL_INT32 : PQL_UINT32)
                         : a == 64 ? (flag ? PQL_INT64 : PQL_UINT64)
                                   : PQL_NONE;
            break;
        case 11:
            n->logical = PQL_UNKNOWN;
            break;
        case 13:
            n->logical = PQL_BSON;
            break;
        case 14:
            n->logical = PQL_UUID;
            break;
        case 15:
            n->logical = PQL_FLOAT16;
            break;
        default:
            break;
        }
    }
    thrift_leave(t);
}

/* An annotation that does not go with its physical type is ignored, as other readers do. */
static bool logical_fits(const struct pq_node *n)
{
    if (!n->is_leaf)
        return n->logical == PQL_LIST || n->logical == PQL_MAP || n->logical == PQL_NONE;
    switch (n->logical) {
    case PQL_NONE:
    case PQL_UNKNOWN:
        return true;
    case PQL_STRING:
        return n->phys == PQ_BYTE_ARRAY || n->phys == PQ_FIXED;
    case PQL_BSON:
        return n->phys == PQ_BYTE_ARRAY;
    case PQL_DECIMAL:
        if (n->precision < 1 || n->precision > DECIMAL_PRECISION_MAX || n->scale > n->precision)
            return false;
        return n->phys == PQ_INT32 || n->phys == PQ_INT64 || n->phys == PQ_BYTE_ARRAY || n->phys == PQ_FIXED;
    case PQL_DATE:
    case PQL_INT8:
    case PQL_INT16:
    case PQL_INT32:
    case PQL_UINT8:
    case PQL_UINT16:
    case PQL_UINT32:
        return n->phys == PQ_INT32;
    case PQL_TIMESTAMP_MILLIS:
    case PQL_TIMESTAMP_MICROS:
    case PQL_TIMESTAMP_NANOS:
    case PQL_INT64:
    case PQL_UINT64:
        return n->phys == PQ_INT64;
    case PQL_TIME:
        return n->phys == PQ_INT32 || n->phys == PQ_INT64;
    case PQL_INTERVAL:
        return n->phys == PQ_FIXED && n->type_length == 12;
    case PQL_UUID:
        return n->phys == PQ_FIXED && n->type_length == 16;
    case PQL_FLOAT16:
        return n->phys == PQ_FIXED && n->type_length == 2;
    default:
        return false;
    }
}

static bool parse_node(struct thrift *t, struct arena *ar, struct pq_node *n)
{
    struct thrift_field f = {0};
    int64_t converted = -1, scale = 0, precision = 0, children = 0, v;
    bool has_type = false, has_logical = false;
    uint32_t bytes;
    n->name = "";
    n->utc = true;
    if (!thrift_enter(t))
        return false;
    while (thrift_field(t, &f)) {
        if (f.id == 4 && f.type == THRIFT_BINARY) {
            const uint8_t *p = thrift_binary(t, &bytes);
            n->name = arena_strndup(ar, (const char *)p, bytes);
        } else if (f.id == 10 && f.type == THRIFT_STRUCT) {
            parse_logical(t, n);
            has_logical = n->logical != PQL_NONE;
        } else if (f.type == THRIFT_I32 && f.id >= 1 && f.id <= 8) {
            v = thrift_int(t);
            switch (f.id) {
            case 1:
                if (v < 0 || v >= PQ_PHYS_COUNT)
                    return false;
                n->phys = (enum pq_phys)v;
                has_type = true;
                break;
            case 2:
                if (v < 0 || v > 1 << 24)
                    return false;
                n->type_length = (uint32_t)v;
                break;
            case 3:
                if (v < 0 || v > 2)
                    return false;
                n->repetition = (enum pq_repetition)v;
                break;
            case 5:
                if (v < 0 || v > PQ_NODES_MAX)
                    return false;
                children = v;
                break;
            case 6:
                converted = v;
                break;
            case 7:
                scale = v;
                break;
            case 8:
                precision = v;
                break;
            }
        } else {
            thrift_skip(t, f.type);
        }
    }
    thrift_leave(t);
    n->is_leaf = has_type && children == 0;
    n->child_count = n->is_leaf ? 0 : (uint32_t)children;
    if (!has_logical && converted >= 0) {
        n->logical = logical_of_converted(converted);
        n->scale = scale >= 0 && scale <= 255 ? (uint8_t)scale : 255;
        n->precision = precision >= 0 && precision <= 255 ? (uint8_t)precision : 255;
    }
    if (!logical_fits(n))
        n->logical = PQL_NONE;
    if (n->is_leaf && n->phys == PQ_FIXED && n->type_length == 0)
        return false;
    return !t->bad;
}

/* Links children; the list is in depth-first order. */
static bool link_nodes(struct pq_footer *f)
{
    struct {
        uint32_t node, next;
    } stack[PQ_DEPTH_MAX];
    uint32_t depth = 0, at = 1, leaf = 0;
    if (f->node_count == 0 || f->nodes[0].is_leaf)
        return false;
    f->leaf_nodes = ARENA_ARRAY(&f->arena, uint32_t, f->node_count);
    f->nodes[0].repetition = PQ_REQUIRED;
    f->nodes[0].children = ARENA_ARRAY(&f->arena, uint32_t, 1);
    stack[depth].node = 0;
    stack[depth++].next = 0;
    if (f->nodes[0].child_count > f->node_count)
        return false;
    f->nodes[0].children = ARENA_ARRAY(&f->arena, uint32_t, f->nodes[0].child_count);
    while (depth > 0) {
        struct pq_node *p = &f->nodes[stack[depth - 1].node];
        if (stack[depth - 1].next == p->child_count) {
            depth--;
            continue;
        }
        if (at >= f->node_count)
            return false;
        struct pq_node *n = &f->nodes[at];
        p->children[stack[depth - 1].next++] = at;
        n->parent = stack[depth - 1].node;
        n->max_def = (uint8_t)(p->max_def + (n->repetition != PQ_REQUIRED));
        n->max_rep = (uint8_t)(p->max_rep + (n->repetition == PQ_REPEATED));
        n->leaf = leaf;
        if (n->is_leaf) {
            f->leaf_nodes[leaf++] = at;
        } else {
            if (n->child_count > f->node_count - at || depth == PQ_DEPTH_MAX)
                return false;
            n->children = ARENA_ARRAY(&f->arena, uint32_t, n->child_count);
            stack[depth].node = at;
            stack[depth++].next = 0;
        }
        at++;
    }
    f->leaf_count = leaf;
    return at == f->node_count;
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
            uint32_t count = thrift_list(t, &type);
            if (type != THRIFT_STRUCT || ft->nodes || count > PQ_NODES_MAX)
                return "the schema is not readable";
            ft->nodes = ARENA_ARRAY(&ft->arena, struct pq_node, count);
            ft->node_count = count;
            for (uint32_t i = 0; i < count; i++)
                if (!parse_node(t, &ft->arena, &ft->nodes[i]))
                    return "an element of the schema is not readable";
            if (!link_nodes(ft))
                return "the schema is not a tree";
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
            return "the file is encrypted, which is not supported";
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

/* ---- the cache ---- */

enum {
    CACHE_SLOTS = 128,
    SETTLED_US = 2000000 /* a file changed more recently may change again within the clock of its file system */
};
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cache_slot {
    char *path;
    uint64_t file_bytes;
    int64_t mtime_us;
    uint64_t used; /* of the last use, by count */
    struct pq_footer *footer;
} cache[CACHE_SLOTS];
static uint64_t cache_uses;

void pq_footer_unref(struct pq_footer *f)
{
    if (f && __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        arena_fini(&f->arena);
        xfree(f);
    }
}

static struct pq_footer *cache_find(const char *path, uint64_t file_bytes, int64_t mtime_us)
{
    struct pq_footer *f = NULL;
    pthread_mutex_lock(&cache_lock);
    for (size_t i = 0; i < CACHE_SLOTS && !f; i++) {
        struct cache_slot *s = &cache[i];
        if (s->footer && s->file_bytes == file_bytes && s->mtime_us == mtime_us && !strcmp(s->path, path)) {
            f = s->footer;
            s->used = ++cache_uses;
            __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
        }
    }
    pthread_mutex_unlock(&cache_lock);
    return f;
}

static void cache_add(const char *path, uint64_t file_bytes, int64_t mtime_us, struct pq_footer *f)
{
    pthread_mutex_lock(&cache_lock);
    struct cache_slot *s = &cache[0];
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (cache[i].footer && !strcmp(cache[i].path, path)) {
            s = &cache[i];
            break;
        }
        if (cache[i].used < s->used)
            s = &cache[i];
    }
    struct pq_footer *old = s->footer;
    char *old_path = s->path;
    *s = (struct cache_slot){xstrdup(path), file_bytes, mtime_us, ++cache_uses, f};
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&cache_lock);
    xfree(old_path);
    pq_footer_unref(old);
}

int pq_footer_get(const char *path, int fd, uint64_t file_bytes, int64_t mtime_us, struct pq_footer **ret,
                  struct error *err)
{
    enum { TAIL = 64 << 10 };
    if (mtime_us && (*ret = cache_find(path, file_bytes, mtime_us)))
        return 0;
    if (file_bytes < 12)
        return pq_damaged(err, path, 0, "%" PRIu64 " bytes are too few for a Parquet file", file_bytes);
    size_t have = file_bytes < TAIL ? (size_t)file_bytes : TAIL;
    uint8_t *tail = xmalloc(have);
    uint32_t bytes;
    int rc = pq_read(path, fd, tail, have, file_bytes - have, err);
    if (rc)
        goto out;
    if (memcmp(tail + have - 4, "PAR1", 4) != 0) {
        rc = pq_damaged(err, path, file_bytes - 4, "%s",
                        !memcmp(tail + have - 4, "PARE", 4) ? "the file is encrypted, which is not supported"
                                                            : "this is not a Parquet file, or it is cut short");
        goto out;
    }
    memcpy(&bytes, tail + have - 8, 4);
    if (bytes > file_bytes - 12) {
        rc = pq_damaged(err, path, file_bytes - 8, "the footer's length, %" PRIu32 " bytes, is larger than the file", bytes);
        goto out;
    }
    if ((size_t)bytes + 8 > have) {
        xfree(tail);
        have = (size_t)bytes + 8;
        tail = xmalloc(have);
        if ((rc = pq_read(path, fd, tail, have, file_bytes - have, err)) != 0)
            goto out;
    }
    if ((rc = pq_footer_parse(path, tail + have - 8 - bytes, bytes, file_bytes - 8 - bytes, file_bytes, ret, err)) != 0)
        goto out;
    if (mtime_us && clock_wall_us() - mtime_us > SETTLED_US)
        cache_add(path, file_bytes, mtime_us, *ret);
out:
    xfree(tail);
    return rc;
}

/* ---- pages ---- */

int pq_page_parse(const uint8_t *p, size_t bytes, struct pq_page *ret)
{
    struct thrift t = {.p = p, .end = p + bytes};
    struct thrift_field f = {0};
    int64_t type = -1, raw = -1, stored = -1, values = -1, encoding = -1, nulls = 0, rows = -1, def = 0, rep = 0;
    int64_t def_encoding = PQ_RLE, rep_encoding = PQ_RLE;
    bool body = false;
    *ret = (struct pq_page){.v2_compressed = true};
    thrift_enter(&t);
    while (thrift_field(&t, &f)) {
        if (f.type == THRIFT_I32 && f.id == 1) {
            type = thrift_int(&t);
        } else if (f.type == THRIFT_I32 && f.id == 2) {
            raw = thrift_int(&t);
        } else if (f.type == THRIFT_I32 && f.id == 3) {
            stored = thrift_int(&t);
        } else if (f.type == THRIFT_I32 && f.id == 4) {
            ret->crc = (uint32_t)thrift_int(&t);
            ret->has_crc = true;
        } else if (f.type == THRIFT_STRUCT && (f.id == 5 || f.id == 7 || f.id == 8)) {
            struct thrift_field g = {0};
            bool v2 = f.id == 8;
            body = true;
            thrift_enter(&t);
            while (thrift_field(&t, &g)) {
                if (v2 && g.id == 7 && (g.type == THRIFT_TRUE || g.type == THRIFT_FALSE)) {
                    ret->v2_compressed = g.type == THRIFT_TRUE;
                    continue;
                }
                if (g.type != THRIFT_I32) {
                    thrift_skip(&t, g.type);
                    continue;
                }
                int64_t v = thrift_int(&t);
                if (g.id == 1)
                    values = v;
                else if (g.id == (v2 ? 4 : 2))
                    encoding = v;
                else if (v2 && g.id == 2)
                    nulls = v;
                else if (v2 && g.id == 3)
                    rows = v;
                else if (v2 && g.id == 5)
                    def = v;
                else if (v2 && g.id == 6)
                    rep = v;
                else if (!v2 && f.id == 5 && g.id == 3)
                    def_encoding = v;
                else if (!v2 && f.id == 5 && g.id == 4)
                    rep_encoding = v;
            }
            thrift_leave(&t);
        } else {
            thrift_skip(&t, f.type);
        }
    }
    if (t.bad)
        return 1;
    if (type < 0 || raw < 0 || raw > INT32_MAX || stored < 0 || stored > INT32_MAX)
        return -1;
    if (type != PQ_INDEX_PAGE && type <= PQ_DATA_PAGE_V2 &&
        (!body || values < 0 || values > INT32_MAX || encoding < 0 || encoding > PQ_BYTE_STREAM_SPLIT))
        return -1;
    if (type == PQ_DATA_PAGE_V2 && (nulls < 0 || nulls > values || rows < 0 || rows > INT32_MAX || def < 0 || rep < 0 ||
                                    def + rep > stored || def + rep > raw))
        return -1;
    ret->type = (enum pq_page_type)(type > PQ_DATA_PAGE_V2 ? PQ_INDEX_PAGE : type); /* unknown pages are skipped */
    ret->header_bytes = (uint32_t)(t.p - p);
    ret->bytes = (uint32_t)stored;
    ret->bytes_raw = (uint32_t)raw;
    ret->value_count = values < 0 ? 0 : (uint32_t)values;
    ret->encoding = (enum pq_encoding)encoding;
    ret->def_encoding = (enum pq_encoding)def_encoding;
    ret->rep_encoding = (enum pq_encoding)rep_encoding;
    ret->def_bytes = (uint32_t)def;
    ret->rep_bytes = (uint32_t)rep;
    ret->null_count = (uint32_t)nulls;
    ret->row_count = rows < 0 ? 0 : (uint32_t)rows;
    return 0;
}

struct pq_location *pq_offset_index_parse(const uint8_t *p, size_t bytes, const struct pq_chunk *chunk, int64_t rows,
                                          struct arena *ar, uint32_t *ret_count)
{
    struct thrift t = {.p = p, .end = p + bytes};
    struct thrift_field f = {0};
    struct pq_location *locations = NULL;
    uint32_t count = 0;
    *ret_count = 0;
    thrift_enter(&t);
    while (thrift_field(&t, &f)) {
        uint8_t type;
        if (f.id != 1 || f.type != THRIFT_LIST || locations) {
            thrift_skip(&t, f.type);
            continue;
        }
        count = thrift_list(&t, &type);
        if (type != THRIFT_STRUCT)
            return NULL;
        locations = ARENA_ARRAY(ar, struct pq_location, count);
        for (uint32_t i = 0; i < count; i++) {
            struct thrift_field g = {0};
            int64_t offset = -1, size = -1, row = -1;
            thrift_enter(&t);
            while (thrift_field(&t, &g)) {
                if (g.id == 1 && g.type == THRIFT_I64)
                    offset = thrift_int(&t);
                else if (g.id == 2 && g.type == THRIFT_I32)
                    size = thrift_int(&t);
                else if (g.id == 3 && g.type == THRIFT_I64)
                    row = thrift_int(&t);
                else
                    thrift_skip(&t, g.type);
            }
            thrift_leave(&t);
            if (t.bad || offset < (int64_t)chunk->start || size <= 0 || row < 0 || row >= rows ||
                (uint64_t)offset - chunk->start > (uint64_t)chunk->bytes ||
                (uint64_t)size > (uint64_t)chunk->bytes - ((uint64_t)offset - chunk->start))
                return NULL;
            if (i == 0 ? row != 0 : row <= locations[i - 1].first_row || (uint64_t)offset <= locations[i - 1].offset)
                return NULL;
            locations[i] = (struct pq_location){(uint64_t)offset, (uint32_t)size, row};
        }
    }
    if (t.bad || count == 0)
        return NULL;
    *ret_count = count;
    return locations;
}

bool pq_column_index_parse(const uint8_t *p, size_t bytes, uint32_t page_count, struct arena *ar,
                           struct pq_column_index *ret)
{
    struct thrift t = {.p = p, .end = p + bytes};
    struct thrift_field f = {0};
    uint8_t *null_pages = NULL;
    bool has_min = false, has_max = false;
    ret->count = page_count;
    ret->pages = ARENA_ARRAY(ar, struct pq_stats, page_count);
    for (uint32_t i = 0; i < page_count; i++)
        ret->pages[i].null_count = ret->pages[i].distinct_count = -1;
    thrift_enter(&t);
    while (thrift_field(&t, &f)) {
        uint8_t type;
        if (f.type != THRIFT_LIST || f.id < 1 || f.id == 4 || f.id > 5) {
            thrift_skip(&t, f.type);
            continue;
        }
        uint32_t count = thrift_list(&t, &type);
        if (count != page_count)
            return false;
        if (f.id == 1) {
            if (type != THRIFT_TRUE && type != THRIFT_FALSE)
                return false;
            null_pages = ARENA_ARRAY(ar, uint8_t, count);
            for (uint32_t i = 0; i < count && t.p < t.end; i++)
                null_pages[i] = *t.p++ == 1;
        } else if (f.id == 5) {
            if (type != THRIFT_I64)
                return false;
            for (uint32_t i = 0; i < count; i++)
                ret->pages[i].null_count = thrift_int(&t);
        } else {
            if (type != THRIFT_BINARY)
                return false;
            for (uint32_t i = 0; i < count; i++) {
                uint32_t n;
                const uint8_t *v = thrift_binary(&t, &n);
                if (f.id == 2) {
                    ret->pages[i].min = v;
                    ret->pages[i].min_bytes = n;
                    has_min = true;
                } else {
                    ret->pages[i].max = v;
                    ret->pages[i].max_bytes = n;
                    has_max = true;
                }
            }
        }
    }
    ret->null_pages = null_pages;
    return !t.bad && null_pages && has_min && has_max;
}
