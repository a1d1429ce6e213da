/*
 * Single steps on local files that a durable protocol is made of: each either happened and is on disk, or set an
 * error that names the path and what to do. Thread: any.
 */
#pragma once

#include "common/error/error.h"

/* Sets code with the parameters path and message: what the system said and what helps. Returns the code. */
int fs_failed(struct error *err, enum errcode code, const char *path, int errnum) __attribute__((cold));
/* What was written to a file, or made, renamed or removed in a folder, stays so. ERR_FILE_WRITE. */
WARN_UNUSED int fs_sync(const char *path, struct error *err);
/*
 * The same for many paths on one file system: each by itself while they are few, else with all that the file system has to
 * write: one wait for the device instead of thousands. since is a descriptor on that file system, opened (fs_since) before any
 * of it was written: the kernel tells it of all errors from then on, whoever else was told. (Before Linux 5.8 it told of none.)
 */
WARN_UNUSED int fs_since(const char *folder, int *ret_since, struct error *err); /* the caller closes it */
WARN_UNUSED int fs_sync_all(int since, const char *const *paths, uint32_t count, struct error *err);
/* A file to be written from its beginning; then all of it; then closed, whatever comes back: syncing is another step. ERR_FILE_WRITE. */
WARN_UNUSED int fs_create(const char *path, int *ret_fd, struct error *err);
WARN_UNUSED int fs_write(int fd, const char *path, const void *p, size_t bytes, struct error *err);
WARN_UNUSED int fs_close(int fd, const char *path, struct error *err);
/* A small file, whole or not at all: written beside, synced, renamed, its folder synced. ERR_FILE_WRITE. */
WARN_UNUSED int fs_put_file(const char *path, const void *data, size_t bytes, struct error *err);
/* The whole of a file that must not be larger than max. ERR_IO. */
WARN_UNUSED int fs_get_file(const char *path, size_t max, struct buf *ret, struct error *err);

/*
 * A lock that ends with its process, whatever ends that: flock on a file that is made when missing and that its
 * holder may remove. HELD by someone else, also in this process; UNKNOWN where the file system has no such locks.
 */
enum fs_lock_state { FS_LOCK_TAKEN, FS_LOCK_HELD, FS_LOCK_UNKNOWN, FS_LOCK_ERROR };
enum fs_lock_state fs_lock(const char *path, bool create, int *ret_fd, struct error *err);
void fs_unlock(int fd); /* accepts -1 */
