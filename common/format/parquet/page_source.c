/* Pages as bytes; see page_source.h. */
#include "common/format/parquet/page_source.h"

#include <zlib.h>

enum {
    WINDOW_BYTES = 1 << 20,      /* read at once, when the page is not larger */
    WINDOW_FEW_BYTES = 64 << 10, /* when only some pages are wanted */
    HEADER_FIRST = 512,          /* page headers mostly fit */
    HEADER_MAX = 32 << 20
};

int pq_source_damaged(const struct pq_page_source *s, struct error *err, const char *why)
{
    int rc = pq_damaged(err, s->path, s->page_at, "%s", why);
    error_note(err, "reading the column %s", s->column);
    return rc;
}

void pq_source_begin(struct pq_page_source *s, const struct pq_chunk *chunk, bool few)
{
    s->codec = chunk->codec;
    s->few = few;
    s->at = chunk->start;
    s->end = chunk->start + (uint64_t)chunk->bytes;
    s->window_bytes = 0;
}

static void free_body(struct pq_page_source *s, struct pq_bytes *b)
{
    pq_mem_free(s->mem, &b->p, &b->cap);
    xfree(b);
}

void pq_source_fini(struct pq_page_source *s)
{
    while (s->free_count)
        free_body(s, s->free_bodies[--s->free_count]);
    while (s->retired_count)
        free_body(s, s->retired[--s->retired_count]);
    xfree(s->retired);
    pq_mem_free(s->mem, &s->window, &s->window_cap);
}

/* bytes at the file offset `at`, which lie within the chunk; followed by PQ_PAD readable ones. */
static int window(struct pq_page_source *s, uint64_t at, size_t bytes, const uint8_t **ret, struct error *err)
{
    if (at < s->window_at || at - s->window_at > s->window_bytes || bytes > s->window_bytes - (at - s->window_at)) {
        size_t size = s->few ? WINDOW_FEW_BYTES : WINDOW_BYTES;
        size_t left = (size_t)(s->end - at), want = bytes > size ? bytes : size;
        if (want > left || left < size + size / 4)
            want = left;
        s->window_bytes = 0;
        TRY(pq_mem_grow(s->mem, &s->window, &s->window_cap, want + PQ_PAD, err));
        TRY(pq_read(s->path, s->fd, s->window, want, at, err));
        *s->bytes_read += want;
        s->window_at = at;
        s->window_bytes = want;
    }
    *ret = s->window + (at - s->window_at);
    return 0;
}

int pq_source_header(struct pq_page_source *s, struct pq_page *ret, struct error *err)
{
    size_t left = (size_t)(s->end - s->at), want = HEADER_FIRST;
    s->page_at = s->at;
    for (;;) {
        const uint8_t *p;
        if (want > left)
            want = left;
        if (want == 0)
            return pq_source_damaged(s, err, "the column chunk ends before its last page");
        TRY(window(s, s->at, want, &p, err));
        int rc = pq_page_parse(p, want, ret);
        if (rc == 0)
            break;
        if (rc < 0 || want == left || want >= HEADER_MAX)
            return pq_source_damaged(s, err, "a page header is not readable");
        want *= 8;
    }
    s->at += ret->header_bytes;
    if (ret->bytes > s->end - s->at)
        return pq_source_damaged(s, err, "a page is larger than its column chunk");
    return 0;
}

static int take_body(struct pq_page_source *s, size_t bytes, struct pq_bytes **ret, struct error *err)
{
    struct pq_bytes *b = s->free_count ? s->free_bodies[--s->free_count] : xcalloc(1, sizeof *b);
    int rc = pq_mem_grow(s->mem, &b->p, &b->cap, bytes + PQ_PAD, err);
    if (rc == 0)
        *ret = b;
    else
        free_body(s, b);
    return rc;
}

void pq_source_drop(struct pq_page_source *s, struct pq_bytes *body)
{
    if (!body)
        return;
    if (s->free_count < ARRAY_LEN(s->free_bodies))
        s->free_bodies[s->free_count++] = body;
    else
        free_body(s, body);
}

void pq_source_retire(struct pq_page_source *s, struct pq_bytes *body)
{
    if (!body)
        return;
    ARRAY_GROW(s->retired, s->retired_count, s->retired_cap);
    s->retired[s->retired_count++] = body;
}

void pq_source_recycle(struct pq_page_source *s)
{
    while (s->retired_count)
        pq_source_drop(s, s->retired[--s->retired_count]);
}

int pq_source_body(struct pq_page_source *s, const struct pq_page *page, struct pq_bytes **ret, struct error *err)
{
    const uint8_t *p;
    size_t plain = page->type == PQ_DATA_PAGE_V2 ? (size_t)page->def_bytes + page->rep_bytes : 0;
    enum pq_codec codec = page->v2_compressed ? s->codec : PQ_NONE;
    if (!pq_decompress_plausible(codec, page->bytes - plain, page->bytes_raw - plain))
        return pq_source_damaged(s, err, "the sizes of a page do not go together");
    TRY(window(s, s->at, page->bytes, &p, err));
    if (page->has_crc && (uint32_t)crc32(0, p, page->bytes) != page->crc)
        return pq_source_damaged(s, err, "a page fails its checksum");
    struct pq_bytes *b;
    TRY(take_body(s, page->bytes_raw, &b, err));
    memcpy(b->p, p, plain);
    const char *why = page->bytes_raw == plain ? NULL
                                               : pq_decompress(s->codecs, codec, p + plain, page->bytes - plain, b->p + plain,
                                                               page->bytes_raw - plain);
    memset(b->p + page->bytes_raw, 0, PQ_PAD);
    if (why) {
        pq_source_drop(s, b);
        return pq_source_damaged(s, err, why);
    }
    s->at += page->bytes;
    *ret = b;
    return 0;
}
