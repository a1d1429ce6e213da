/*
 * Preloaded into drover: makes the n-th call fail that touches a file below FAULT_PATH, counted over all processes of
 * one run in the shared file FAULT_STATE (two u64: calls so far, which to fail; 0 for none). What failed is told on
 * standard error with the places in the binary that asked for it, so a test knows which call sites it has reached.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS_MAX = 4096 };
static struct {
    uint64_t calls, fail_at; /* calls: atomic */
} *state;
static const char *below;
static bool ours[FDS_MAX];

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("FAULT_STATE");
    below = getenv("FAULT_PATH");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (p != MAP_FAILED)
        state = p;
}

static void tell(const char *call, const char *path)
{
    void *frames[6];
    char line[1024];
    int n = backtrace(frames, 6), at = snprintf(line, sizeof line, "fault %s", call);
    for (int i = 2; i < n; i++) { /* the code of ours that called: two places tell one caller of a wrapper from another */
        Dl_info info;
        if (dladdr(frames[i], &info) && info.dli_fname && strstr(info.dli_fname, "drover"))
            at += snprintf(line + at, sizeof line - (size_t)at, " +%lx", (unsigned long)((char *)frames[i] - (char *)info.dli_fbase));
    }
    at += snprintf(line + at, sizeof line - (size_t)at, " %s\n", path);
    ssize_t done = write(STDERR_FILENO, line, (size_t)at);
    (void)done;
}

/* Whether this call is the one to fail. */
static bool fails(const char *call, const char *path, int error)
{
    if (!state || __atomic_add_fetch(&state->calls, 1, __ATOMIC_RELAXED) != state->fail_at)
        return false;
    tell(call, path);
    errno = error;
    return true;
}

static bool watched(const char *path)
{
    return state && below && path && strncmp(path, below, strlen(below)) == 0;
}

static bool watched_fd(int fd)
{
    return state && fd > 2 && fd < FDS_MAX && ours[fd];
}

static int note(int fd)
{
    if (fd >= 0 && fd < FDS_MAX)
        ours[fd] = true;
    return fd;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int opened(const char *name, int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    if (!watched(path))
        return real(path, flags, mode);
    return fails(name, path, flags & O_CREAT ? ENOSPC : EIO) ? -1 : note(real(path, flags, mode));
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;                      \
        va_end(ap);                                                                                \
        REAL(name);                                                                                \
        return opened("open", real, path, flags, mode);                                            \
    }
OPEN(open)
OPEN(open64)

#define PATH_CALL(type, name, error, failed, args, ...)                                            \
    type name args                                                                                 \
    {                                                                                              \
        REAL(name);                                                                                \
        return watched(path) && fails(#name, path, error) ? failed : real(__VA_ARGS__);            \
    }
PATH_CALL(int, mkdir, ENOSPC, -1, (const char *path, mode_t mode), path, mode)
PATH_CALL(int, rename, EIO, -1, (const char *path, const char *to), path, to)
PATH_CALL(int, unlink, EIO, -1, (const char *path), path)
PATH_CALL(int, rmdir, EIO, -1, (const char *path), path)
PATH_CALL(int, remove, EIO, -1, (const char *path), path)
PATH_CALL(int, stat, EIO, -1, (const char *restrict path, struct stat *restrict st), path, st)
PATH_CALL(int, lstat, EIO, -1, (const char *restrict path, struct stat *restrict st), path, st)
PATH_CALL(DIR *, opendir, EMFILE, NULL, (const char *path), path)
PATH_CALL(FILE *, fopen, EMFILE, NULL, (const char *restrict path, const char *restrict mode), path, mode)

#define FD_CALL(type, name, error, args, ...)                                                      \
    type name args                                                                                 \
    {                                                                                              \
        REAL(name);                                                                                \
        return watched_fd(fd) && fails(#name, "", error) ? -1 : real(__VA_ARGS__);                 \
    }
FD_CALL(ssize_t, read, EIO, (int fd, void *p, size_t n), fd, p, n)
FD_CALL(ssize_t, pread, EIO, (int fd, void *p, size_t n, off_t at), fd, p, n, at)
FD_CALL(ssize_t, pread64, EIO, (int fd, void *p, size_t n, off64_t at), fd, p, n, at)
FD_CALL(ssize_t, write, ENOSPC, (int fd, const void *p, size_t n), fd, p, n)
FD_CALL(ssize_t, pwrite, ENOSPC, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
FD_CALL(int, fsync, EIO, (int fd), fd)
FD_CALL(int, syncfs, EIO, (int fd), fd)
FD_CALL(int, fdatasync, EIO, (int fd), fd)
FD_CALL(int, ftruncate, EIO, (int fd, off_t n), fd, n)
FD_CALL(int, fstat, EIO, (int fd, struct stat *st), fd, st)

int close(int fd)
{
    REAL(close);
    bool fail = watched_fd(fd);
    if (fd >= 0 && fd < FDS_MAX)
        ours[fd] = false;
    int rc = real(fd);
    return fail && fails("close", "", EIO) ? -1 : rc; /* closed all the same, as Linux does */
}
