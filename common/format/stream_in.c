/*
 * Reading: a file's bytes as they are, or through zlib or libzstd with one input buffer.
 *
 * Several gzip members or zstd frames may follow each other, as concatenated files have them. A file that ends inside
 * a member is damaged: rows that a lost tail took with it must not go unnoticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/format/stream.h"

enum { INPUT_BYTES = 256 << 10, ZLIB_BYTES = 48 << 10, ZSTD_BYTES = 256 << 10, ZSTD_WINDOW_LOG_MAX = 27 };

struct byte_source {
    char *path;
    int fd;
    enum stream_codec codec;
    struct account *account;
    size_t reserved;
    uint64_t at, start; /* where the next byte of the file comes from, and the first one did */
    uint8_t *in;     /* compressed bytes [in_at, in_end) wait */
    size_t in_at, in_end;
    bool file_end, open; /* open: inside a member or frame */
    bool any;            /* a member was begun */
    z_stream z;
    bool z_live;
    ZSTD_DCtx *zstd;
};

static int read_failed(struct byte_source *s, const char *why, struct error *err)
{
    return error_set(err, ERR_FILE_READ, "path", s->path, "message", why, NULL);
}

static int damaged(struct byte_source *s, const char *why, struct error *err)
{
    char at[32];
    snprintf(at, sizeof at, "%llu", (unsigned long long)(s->at - (s->in_end - s->in_at)));
    return error_set(err, ERR_FILE_DAMAGED, "path", s->path, "offset", at, "message", why, NULL);
}

static int read_file(struct byte_source *s, void *p, size_t bytes, size_t *ret, struct error *err)
{
    char text[128];
    ssize_t n;
    do
        n = read(s->fd, p, bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return read_failed(s, strerror_r(errno, text, sizeof text), err);
    s->at += (uint64_t)n;
    *ret = (size_t)n;
    return 0;
}

/* Makes sure that input waits, unless the file has ended. */
static int fill(struct byte_source *s, struct error *err)
{
    if (s->in_at < s->in_end || s->file_end)
        return 0;
    s->in_at = s->in_end = 0;
    TRY(read_file(s, s->in, INPUT_BYTES, &s->in_end, err));
    s->file_end = s->in_end == 0;
    return 0;
}

/* zlib: 15 bits of window; 32 tells gzip from zlib by itself, 16 wants gzip. Hadoop's deflate is zlib's format. */
static int zlib_read(struct byte_source *s, void *p, size_t bytes, size_t *ret, struct error *err)
{
    s->z.next_out = p;
    s->z.avail_out = bytes > 1u << 30 ? 1u << 30 : (uInt)bytes;
    size_t want = s->z.avail_out;
    while (s->z.avail_out == want) {
        TRY(fill(s, err));
        if (s->in_at == s->in_end) {
            if (s->open)
                return damaged(s, "the compressed data ends in the middle", err);
            break;
        }
        if (!s->open) {
            if (s->any && s->codec == STREAM_DEFLATE)
                return damaged(s, "there are bytes after the compressed data", err);
            if (s->any && s->in[s->in_at] == 0) { /* padding after the last member */
                s->in_at++;
                continue;
            }
            if (inflateReset(&s->z) != Z_OK)
                return damaged(s, "zlib could not start", err);
            s->open = s->any = true;
        }
        s->z.next_in = s->in + s->in_at;
        s->z.avail_in = (uInt)(s->in_end - s->in_at);
        int rc = inflate(&s->z, Z_NO_FLUSH);
        s->in_at = s->in_end - s->z.avail_in;
        if (rc == Z_STREAM_END)
            s->open = false;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(s, s->z.msg ? s->z.msg : "the compressed data is damaged", err);
    }
    *ret = want - s->z.avail_out;
    return 0;
}

/* The window is the writer's choice, known when a frame has begun: what it takes is charged then. */
static int charge_zstd(struct byte_source *s, struct error *err)
{
    size_t need = INPUT_BYTES + ZSTD_sizeof_DCtx(s->zstd);
    if (LIKELY(need <= s->reserved))
        return 0;
    TRY(account_reserve(s->account, need - s->reserved, err));
    s->reserved = need;
    return 0;
}

static int zstd_read(struct byte_source *s, void *p, size_t bytes, size_t *ret, struct error *err)
{
    ZSTD_outBuffer out = {p, bytes, 0};
    while (out.pos == 0) {
        TRY(fill(s, err));
        if (s->in_at == s->in_end && !s->open)
            break;
        ZSTD_inBuffer in = {s->in, s->in_end, s->in_at};
        size_t before = in.pos;
        size_t rc = ZSTD_decompressStream(s->zstd, &out, &in);
        s->in_at = in.pos;
        if (ZSTD_isError(rc))
            return damaged(s, ZSTD_getErrorName(rc), err);
        TRY(charge_zstd(s, err));
        s->open = rc != 0;
        if (s->open && out.pos == 0 && in.pos == before && s->file_end)
            return damaged(s, "the compressed data ends in the middle", err);
    }
    *ret = out.pos;
    return 0;
}

int byte_source_read(struct byte_source *s, void *p, size_t bytes, size_t *ret, struct error *err)
{
    ASSERT(bytes > 0);
    switch (s->codec) {
    case STREAM_PLAIN: return read_file(s, p, bytes, ret, err);
    case STREAM_GZIP:
    case STREAM_DEFLATE: return zlib_read(s, p, bytes, ret, err);
    case STREAM_ZSTD: return zstd_read(s, p, bytes, ret, err);
    case STREAM_CODEC_COUNT: break;
    }
    UNREACHABLE("a codec of the enum");
}

static int open_codec(struct byte_source *s, struct error *err)
{
    size_t need = INPUT_BYTES + (s->codec == STREAM_ZSTD ? ZSTD_BYTES : ZLIB_BYTES);
    TRY(account_reserve(s->account, need, err));
    s->reserved = need;
    s->in = xmalloc(INPUT_BYTES);
    if (s->codec == STREAM_ZSTD) {
        s->zstd = ZSTD_createDCtx();
        ASSERT(s->zstd);
        ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        return 0;
    }
    if (inflateInit2(&s->z, s->codec == STREAM_GZIP ? 15 + 16 : 15) != Z_OK)
        return damaged(s, "zlib could not start", err);
    s->z_live = true;
    return 0;
}

int byte_source_open(const char *path, uint64_t start, struct account *account, struct byte_source **ret,
                     struct error *err)
{
    char text[128];
    struct stat st;
    struct byte_source *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    s->account = account;
    s->fd = -1;
    int rc = stream_codec_of_path(path, &s->codec, err);
    if (rc != 0)
        goto out;
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        rc = read_failed(s, strerror_r(errno, text, sizeof text), err);
        goto out;
    }
    if (S_ISDIR(st.st_mode)) {
        rc = read_failed(s, "it is a folder", err);
        goto out;
    }
    ASSERT(start == 0 || s->codec == STREAM_PLAIN);
    if (start && lseek(s->fd, (off_t)start, SEEK_SET) < 0) {
        rc = read_failed(s, strerror_r(errno, text, sizeof text), err);
        goto out;
    }
    s->at = s->start = start;
    if (s->codec != STREAM_PLAIN && (rc = open_codec(s, err)) != 0)
        goto out;
    *ret = s;
    return 0;
out:
    byte_source_close(s);
    return rc;
}

uint64_t byte_source_consumed(const struct byte_source *s)
{
    return s->at - s->start;
}

void byte_source_close(struct byte_source *s)
{
    if (!s)
        return;
    if (s->z_live)
        inflateEnd(&s->z);
    ZSTD_freeDCtx(s->zstd);
    if (s->fd >= 0)
        close(s->fd);
    account_release(s->account, s->reserved);
    xfree(s->in);
    xfree(s->path);
    xfree(s);
}
