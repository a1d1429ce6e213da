/* Files without a name that outputs are appended to; see store_impl.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs/file.h"
#include "executor/shuffle/store_impl.h"

struct segment {
    uint32_t refs;
    int fd;
    uint64_t end; /* atomic: where the next append goes */
};

struct segment *segment_ref(struct segment *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void segment_unref(struct segment *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    close(s->fd);
    xfree(s);
}

/* O_TMPFILE is not known everywhere (overlay file systems of old kernels): a name that goes at once serves as well. */
static int open_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char *path = xasprintf("%s/drover-segment-XXXXXX", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    xfree(path);
    return fd;
}

int segment_new(const char *folder, struct segment **ret, struct error *err)
{
    int fd = open_unnamed(folder);
    if (fd < 0)
        return fs_failed(err, ERR_IO, folder, errno);
    struct segment *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->fd = fd;
    *ret = s;
    return 0;
}

int segment_append(struct segment *s, const void *p, size_t bytes, uint64_t *ret_offset, struct error *err)
{
    uint64_t at = __atomic_fetch_add(&s->end, bytes, __ATOMIC_RELAXED);
    *ret_offset = at;
    for (const char *c = p; bytes > 0;) {
        ssize_t n = pwrite(s->fd, c, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fs_failed(err, ERR_IO, "a segment file of map outputs", n < 0 ? errno : ENOSPC);
        c += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

int segment_read(const struct segment *s, uint64_t offset, void *to, size_t bytes, struct error *err)
{
    for (char *c = to; bytes > 0;) {
        ssize_t n = pread(s->fd, c, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fs_failed(err, ERR_IO, "a segment file of map outputs", errno);
        if (n == 0)
            return error_set(err, ERR_IO, "path", "a segment file of map outputs", "message", "it is cut short", NULL);
        c += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}
