/* Page compression; see codec.h. */
#include "common/format/parquet/codec.h"

#include <brotli/decode.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

static const char *const names[PQ_CODEC_COUNT] = {"none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"};

const char *pq_codec_name(enum pq_codec codec)
{
    return (unsigned)codec < PQ_CODEC_COUNT ? names[codec] : "?";
}

void pq_codecs_fini(struct pq_codecs *c)
{
    ZSTD_freeDCtx(c->zstd_in);
    ZSTD_freeCCtx(c->zstd_out);
    *c = (struct pq_codecs){0};
}

bool pq_decompress_plausible(enum pq_codec codec, size_t src_bytes, size_t dst_bytes)
{
    switch (codec) {
    case PQ_NONE:
        return src_bytes == dst_bytes;
    case PQ_SNAPPY:
        return dst_bytes / 40 <= src_bytes;
    case PQ_LZ4:
    case PQ_LZ4_RAW:
        return dst_bytes / 260 <= src_bytes;
    case PQ_GZIP:
        return dst_bytes / 1100 <= src_bytes;
    default:
        return dst_bytes <= 1u << 30 && (src_bytes > 0 || dst_bytes == 0);
    }
}

static const char *gunzip(const void *src, size_t src_bytes, void *dst, size_t dst_bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)src,
                  .avail_in = (uInt)src_bytes,
                  .next_out = dst,
                  .avail_out = (uInt)dst_bytes};
    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return "gzip could not start";
    int rc = Z_OK;
    for (;;) { /* several members may follow each other */
        rc = inflate(&z, Z_FINISH);
        if (rc != Z_STREAM_END || z.avail_in == 0 || z.avail_out == 0 || inflateReset(&z) != Z_OK)
            break;
    }
    size_t left = z.avail_out;
    inflateEnd(&z);
    return rc == Z_STREAM_END && left == 0 ? NULL : "a gzip page does not decompress to its size";
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Hadoop's LZ4: blocks, each with both sizes in front, big-endian. */
static bool lz4_hadoop(const uint8_t *src, size_t src_bytes, char *dst, size_t dst_bytes)
{
    size_t done = 0;
    while (src_bytes >= 8) {
        uint32_t raw = be32(src), stored = be32(src + 4);
        src += 8;
        src_bytes -= 8;
        if (stored > src_bytes || raw > dst_bytes - done)
            return false;
        if (LZ4_decompress_safe((const char *)src, dst + done, (int)stored, (int)raw) != (int)raw)
            return false;
        src += stored;
        src_bytes -= stored;
        done += raw;
    }
    return src_bytes == 0 && done == dst_bytes;
}

const char *pq_decompress(struct pq_codecs *c, enum pq_codec codec, const void *src, size_t src_bytes, void *dst,
                          size_t dst_bytes)
{
    size_t n = dst_bytes;
    switch (codec) {
    case PQ_NONE:
        if (src_bytes != dst_bytes)
            return "an uncompressed page has two sizes";
        if (dst_bytes)
            memcpy(dst, src, dst_bytes);
        return NULL;
    case PQ_SNAPPY:
        if (!pq_snappy(src, src_bytes, dst, dst_bytes))
            return "a snappy page does not decompress to its size";
        return NULL;
    case PQ_GZIP:
        return gunzip(src, src_bytes, dst, dst_bytes);
    case PQ_BROTLI:
        if (BrotliDecoderDecompress(src_bytes, src, &n, dst) != BROTLI_DECODER_RESULT_SUCCESS || n != dst_bytes)
            return "a brotli page does not decompress to its size";
        return NULL;
    case PQ_ZSTD:
        if (!c->zstd_in)
            c->zstd_in = ZSTD_createDCtx();
        n = ZSTD_decompressDCtx(c->zstd_in, dst, dst_bytes, src, src_bytes);
        if (ZSTD_isError(n) || n != dst_bytes)
            return "a zstd page does not decompress to its size";
        return NULL;
    case PQ_LZ4:
        if (lz4_hadoop(src, src_bytes, dst, dst_bytes))
            return NULL;
        __attribute__((fallthrough)); /* some writers mean LZ4_RAW */
    case PQ_LZ4_RAW:
        if (LZ4_decompress_safe(src, dst, (int)src_bytes, (int)dst_bytes) != (int)dst_bytes)
            return "an lz4 page does not decompress to its size";
        return NULL;
    default:
        return "the codec is none of snappy, gzip, brotli, zstd, lz4 and uncompressed: write the file with one of these";
    }
}

void pq_compress(struct pq_codecs *c, enum pq_codec codec, const void *src, size_t src_bytes, struct buf *out)
{
    size_t n;
    switch (codec) {
    case PQ_SNAPPY:
        n = snappy_max_compressed_length(src_bytes);
        buf_reserve(out, n);
        ASSERT(snappy_compress(src, src_bytes, out->data + out->bytes, &n) == SNAPPY_OK);
        break;
    case PQ_ZSTD:
        if (!c->zstd_out)
            c->zstd_out = ZSTD_createCCtx();
        n = ZSTD_compressBound(src_bytes);
        buf_reserve(out, n);
        n = ZSTD_compressCCtx(c->zstd_out, out->data + out->bytes, n, src, src_bytes, 3);
        ASSERT(!ZSTD_isError(n));
        break;
    case PQ_LZ4_RAW:
        n = (size_t)LZ4_compressBound((int)src_bytes);
        buf_reserve(out, n);
        n = (size_t)LZ4_compress_default(src, out->data + out->bytes, (int)src_bytes, (int)n);
        break;
    case PQ_GZIP: {
        z_stream z = {.next_in = (Bytef *)(uintptr_t)src, .avail_in = (uInt)src_bytes};
        ASSERT(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        n = deflateBound(&z, src_bytes);
        buf_reserve(out, n);
        z.next_out = (Bytef *)out->data + out->bytes;
        z.avail_out = (uInt)n;
        ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END);
        n -= z.avail_out;
        deflateEnd(&z);
        break;
    }
    default:
        buf_add(out, src, src_bytes);
        return;
    }
    out->bytes += n;
    out->data[out->bytes] = 0;
}
