/* Page headers, column and offset indexes; see meta.h. */
#include "common/format/parquet/meta.h"

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
