/* See file.h. */
#include "common/fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYNC_EACH_MAX = 16 };

static const struct advice {
    int errnum;
    const char *text;
} advices[] = {
    {ENOSPC, "; free space there or write elsewhere"},
    {EDQUOT, "; free space there or write elsewhere"},
    {EACCES, "; the user that the driver and the executors run as has no right to do this"},
    {EPERM, "; the user that the driver and the executors run as has no right to do this"},
    {EROFS, "; choose a folder on a file system that can be written"},
    {ENOTDIR, "; a file stands where a folder is needed: remove it or choose another path"},
    {EMFILE, "; raise the limit of open files (ulimit -n)"},
    {ENFILE, "; raise the limit of open files (fs.file-max)"},
    {ENAMETOOLONG, "; a value of a partition column is too long for the name of a folder"},
};

int fs_failed(struct error *err, enum errcode code, const char *path, int errnum)
{
    char text[128], message[256];
    const char *said = strerror_r(errnum, text, sizeof text), *advice = "";
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        if (advices[i].errnum == errnum)
            advice = advices[i].text;
    }
    snprintf(message, sizeof message, "%s%s", said, advice);
    return error_set(err, code, "path", path, "message", message, NULL);
}

/* Some file systems cannot sync folders and say EINVAL: they have nothing to lose there. */
static int synced(int rc, const char *path, struct error *err)
{
    return rc == 0 || errno == EINVAL ? 0 : fs_failed(err, ERR_FILE_WRITE, path, errno);
}

int fs_sync(const char *path, struct error *err)
{
    int fd;
    TRY(fs_since(path, &fd, err));
    int rc = synced(fsync(fd), path, err);
    close(fd);
    return rc;
}

int fs_since(const char *path, int *ret_since, struct error *err)
{
    *ret_since = open(path, O_RDONLY | O_CLOEXEC);
    return *ret_since < 0 ? fs_failed(err, ERR_FILE_WRITE, path, errno) : 0;
}

int fs_sync_all(int since, const char *const *paths, uint32_t count, struct error *err)
{
    if (count > SYNC_EACH_MAX)
        return synced(syncfs(since), paths[0], err);
    for (uint32_t i = 0; i < count; i++)
        TRY(fs_sync(paths[i], err));
    return 0;
}

static int write_all(int fd, const char *p, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int fs_create(const char *path, int *ret_fd, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fs_failed(err, ERR_FILE_WRITE, path, errno);
    *ret_fd = fd;
    return 0;
}

int fs_write(int fd, const char *path, const void *p, size_t bytes, struct error *err)
{
    return write_all(fd, p, bytes) == 0 ? 0 : fs_failed(err, ERR_FILE_WRITE, path, errno);
}

int fs_close(int fd, const char *path, struct error *err)
{
    return close(fd) == 0 ? 0 : fs_failed(err, ERR_FILE_WRITE, path, errno);
}

int fs_put_file(const char *path, const void *data, size_t bytes, struct error *err)
{
    char *temporary = xasprintf("%s.new", path), *slash;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && write_all(fd, data, bytes) == 0 && fsync(fd) == 0;
    int errnum = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        errnum = errno;
    }
    if (ok && rename(temporary, path) != 0) {
        ok = false;
        errnum = errno;
    }
    int rc = 0;
    if (!ok) {
        rc = fs_failed(err, ERR_FILE_WRITE, path, errnum);
        unlink(temporary);
    } else {
        slash = strrchr(temporary, '/');
        ASSERT(slash);
        *slash = 0;
        rc = fs_sync(temporary, err);
    }
    xfree(temporary);
    return rc;
}

int fs_get_file(const char *path, size_t max, struct buf *ret, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return fs_failed(err, ERR_IO, path, errno);
    int rc = fstat(fd, &st) != 0 ? fs_failed(err, ERR_IO, path, errno) : 0;
    if (rc == 0 && ((size_t)st.st_size > max || !S_ISREG(st.st_mode)))
        rc = error_set(err, ERR_IO, "path", path, "message", "it is too large to be what its name says", NULL);
    size_t at = ret->bytes, bytes = rc == 0 ? (size_t)st.st_size : 0;
    if (rc == 0)
        buf_reserve(ret, bytes);
    while (rc == 0 && ret->bytes < at + bytes) {
        ssize_t n = read(fd, ret->data + ret->bytes, at + bytes - ret->bytes);
        if (n < 0 && errno != EINTR)
            rc = fs_failed(err, ERR_IO, path, errno);
        else if (n == 0)
            break;
        else if (n > 0)
            ret->bytes += (size_t)n;
    }
    close(fd);
    if (rc == 0)
        buf_add(ret, "", 0);
    return rc;
}

enum fs_lock_state fs_lock(const char *path, bool create, int *ret_fd, struct error *err)
{
    for (;;) {
        struct stat st, now;
        int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0666);
        if (fd < 0) {
            fs_failed(err, ERR_FILE_WRITE, path, errno);
            return FS_LOCK_ERROR;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            enum fs_lock_state state = errno == EWOULDBLOCK ? FS_LOCK_HELD : FS_LOCK_UNKNOWN;
            if (errno == EINTR) {
                close(fd);
                continue;
            }
            if (state == FS_LOCK_UNKNOWN && create)
                *ret_fd = fd;
            else
                close(fd);
            return state;
        }
        /* its holder may have removed the file between our two calls: then this lock protects nothing */
        if (create && (fstat(fd, &st) != 0 || stat(path, &now) != 0 || st.st_ino != now.st_ino || st.st_dev != now.st_dev)) {
            close(fd);
            continue;
        }
        *ret_fd = fd;
        return FS_LOCK_TAKEN;
    }
}

void fs_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
