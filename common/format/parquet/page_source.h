/*
 * The pages of one column chunk as bytes: headers are found and checked, bodies checked and decompressed, through a window
 * over the file. Bodies live in buffers that are recycled; a batch may still point into those of pages that it has left
 * behind, so they retire first. Thread: the reader's.
 */
#pragma once

#include "common/format/parquet/codec.h"
#include "common/format/parquet/decode.h"
#include "common/format/parquet/mem.h"

struct pq_page_source {
    /* For the reader's life. */
    const char *path, *column; /* for messages */
    int fd;
    struct pq_mem *mem;
    struct pq_codecs *codecs;
    uint64_t *bytes_read;      /* a counter of the reader */

    /* The chunk. */
    enum pq_codec codec;
    bool few;                  /* only some pages are wanted: less is read at once */
    uint64_t at, end;          /* file offsets: the next header or body, the chunk's end */
    uint64_t page_at;          /* the last header, for messages */
    uint8_t *window;           /* bytes of the file from window_at */
    size_t window_cap, window_bytes;
    uint64_t window_at;

    struct pq_bytes *free_bodies[4], **retired;
    uint32_t free_count, retired_count, retired_cap;
};
void pq_source_begin(struct pq_page_source *s, const struct pq_chunk *chunk, bool few);
void pq_source_fini(struct pq_page_source *s);

/* The header at `at`, which then is its body's place. ERR_FILE_DAMAGED, ERR_FILE_READ, ERR_TASK_MEMORY. */
WARN_UNUSED int pq_source_header(struct pq_page_source *s, struct pq_page *ret, struct error *err);
/* The body of that page, decompressed, PQ_PAD zeros behind it; the caller drops or retires it. Errors as above. */
WARN_UNUSED int pq_source_body(struct pq_page_source *s, const struct pq_page *page, struct pq_bytes **ret, struct error *err);
void pq_source_drop(struct pq_page_source *s, struct pq_bytes *body);   /* accepts NULL */
void pq_source_retire(struct pq_page_source *s, struct pq_bytes *body); /* until the next recycle; accepts NULL */
void pq_source_recycle(struct pq_page_source *s);
/* ERR_FILE_DAMAGED at the last page, naming the column. */
int pq_source_damaged(const struct pq_page_source *s, struct error *err, const char *why) __attribute__((cold));
