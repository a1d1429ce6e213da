/* Writing: one buffer of content, and one of compressed bytes where there is a compression; see stream.h. */
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/format/stream.h"
#include "common/fs/file.h"

enum { BUFFER_BYTES = 256 << 10, ZLIB_BYTES = 272 << 10, ZSTD_BYTES = 5 << 20, ZSTD_LEVEL = 3 };

struct byte_sink {
    char *path;
    int fd;
    enum stream_codec codec;
    struct account *account;
    size_t reserved;
    uint64_t at;    /* bytes of the file */
    uint8_t *plain; /* content that waits: plain_bytes of it */
    size_t plain_bytes;
    uint8_t *out;   /* compressed */
    z_stream z;
    bool z_live;
    ZSTD_CCtx *zstd;
};

static int write_file(struct byte_sink *s, const uint8_t *p, size_t bytes, struct error *err)
{
    TRY(fs_write(s->fd, s->path, p, bytes, err));
    s->at += bytes;
    return 0;
}

static int zlib_flush(struct byte_sink *s, bool end, struct error *err)
{
    s->z.next_in = s->plain;
    s->z.avail_in = (uInt)s->plain_bytes;
    for (;;) {
        s->z.next_out = s->out;
        s->z.avail_out = BUFFER_BYTES;
        int rc = deflate(&s->z, end ? Z_FINISH : Z_NO_FLUSH);
        ASSERT(rc != Z_STREAM_ERROR);
        TRY(write_file(s, s->out, BUFFER_BYTES - s->z.avail_out, err));
        if (end ? rc == Z_STREAM_END : s->z.avail_out > 0)
            return 0;
    }
}

static int zstd_flush(struct byte_sink *s, bool end, struct error *err)
{
    ZSTD_inBuffer in = {s->plain, s->plain_bytes, 0};
    for (;;) {
        ZSTD_outBuffer out = {s->out, BUFFER_BYTES, 0};
        size_t left = ZSTD_compressStream2(s->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return error_set(err, ERR_FILE_WRITE, "path", s->path, "message", ZSTD_getErrorName(left), NULL);
        TRY(write_file(s, s->out, out.pos, err));
        if (end ? left == 0 : in.pos == in.size)
            return 0;
    }
}

static int flush(struct byte_sink *s, bool end, struct error *err)
{
    if (s->codec == STREAM_PLAIN)
        TRY(write_file(s, s->plain, s->plain_bytes, err));
    else if (s->codec == STREAM_ZSTD)
        TRY(zstd_flush(s, end, err));
    else
        TRY(zlib_flush(s, end, err));
    s->plain_bytes = 0;
    return 0;
}

int byte_sink_write(struct byte_sink *s, const void *p, size_t bytes, struct error *err)
{
    const uint8_t *from = p;
    while (bytes) {
        size_t room = BUFFER_BYTES - s->plain_bytes, n = bytes < room ? bytes : room;
        memcpy(s->plain + s->plain_bytes, from, n);
        s->plain_bytes += n;
        from += n;
        bytes -= n;
        if (s->plain_bytes == BUFFER_BYTES)
            TRY(flush(s, false, err));
    }
    return 0;
}

static void sink_free(struct byte_sink *s)
{
    if (s->z_live)
        deflateEnd(&s->z);
    ZSTD_freeCCtx(s->zstd);
    if (s->fd >= 0)
        close(s->fd);
    account_release(s->account, s->reserved);
    xfree(s->plain);
    xfree(s->out);
    xfree(s->path);
    xfree(s);
}

int byte_sink_create(const char *path, enum stream_codec codec, struct account *account, struct byte_sink **ret,
                     struct error *err)
{
    struct byte_sink *s = xcalloc(1, sizeof *s);
    size_t need = BUFFER_BYTES + (codec == STREAM_PLAIN  ? 0
                                  : codec == STREAM_ZSTD ? BUFFER_BYTES + ZSTD_BYTES
                                                         : BUFFER_BYTES + ZLIB_BYTES);
    s->path = xstrdup(path);
    s->codec = codec;
    s->account = account;
    s->fd = -1;
    int rc = account_reserve(account, need, err);
    if (rc != 0)
        goto out;
    s->reserved = need;
    s->plain = xmalloc(BUFFER_BYTES);
    if (codec != STREAM_PLAIN)
        s->out = xmalloc(BUFFER_BYTES);
    if (codec == STREAM_ZSTD) {
        s->zstd = ZSTD_createCCtx();
        ASSERT(s->zstd);
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
    } else if (codec != STREAM_PLAIN) {
        int bits = codec == STREAM_GZIP ? 15 + 16 : 15;
        ASSERT(deflateInit2(&s->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        s->z_live = true;
    }
    if ((rc = fs_create(path, &s->fd, err)) != 0)
        goto out;
    *ret = s;
    return 0;
out:
    sink_free(s);
    return rc;
}

int byte_sink_finish(struct byte_sink *s, uint64_t *ret_bytes, struct error *err)
{
    int rc = flush(s, true, err);
    if (rc == 0) {
        *ret_bytes = s->at;
        rc = fs_close(s->fd, s->path, err);
        s->fd = -1;
    }
    sink_free(s);
    return rc;
}

void byte_sink_discard(struct byte_sink *s)
{
    if (s)
        sink_free(s);
}
