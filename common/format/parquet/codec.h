/*
 * Page compression, both ways. A codec set keeps what the libraries like to keep between calls (zstd's
 * contexts); it belongs to one reader or writer and so to one thread.
 */
#pragma once

#include "common/format/parquet/meta.h"

struct pq_codecs {
    void *zstd_in, *zstd_out;
};
void pq_codecs_fini(struct pq_codecs *c);
/* Decompresses src into exactly dst_bytes; NULL when it did, else what was wrong. PQ_PAD bytes behind src are
 * readable and behind dst writable. */
const char *pq_decompress(struct pq_codecs *c, enum pq_codec codec, const void *src, size_t src_bytes, void *dst,
                          size_t dst_bytes);
bool pq_snappy(const uint8_t *src, size_t src_bytes, uint8_t *dst, size_t dst_bytes); /* snappy.c: the same */
/* Whether so many bytes can come out of so few: keeps a damaged header from asking for memory. */
bool pq_decompress_plausible(enum pq_codec codec, size_t src_bytes, size_t dst_bytes);
/* Appends the compressed bytes. NONE, SNAPPY, ZSTD, LZ4_RAW and GZIP are written. */
void pq_compress(struct pq_codecs *c, enum pq_codec codec, const void *src, size_t src_bytes, struct buf *out);
const char *pq_codec_name(enum pq_codec codec);
