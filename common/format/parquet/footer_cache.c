/*
 * Footers of files. One is parsed once per file and kept in a small process-wide cache keyed by path, size and
 * modification time: a scan of many splits, and the driver's planning before it, pay for it once. The cache is the
 * process's own and no account's: it is bounded in files and in bytes of footers as they are in the files.
 */
#include "common/format/parquet/meta.h"

#include <inttypes.h>
#include <pthread.h>

enum {
    CACHE_SLOTS = 128,
    CACHE_BYTES = 16 << 20,
    SETTLED_US = 2000000 /* a file changed more recently may change again within the clock of its file system */
};
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cache_slot {
    char *path;
    uint64_t file_bytes;
    int64_t mtime_us;
    uint64_t used; /* of the last use, by count */
    size_t bytes;
    struct pq_footer *footer;
} cache[CACHE_SLOTS];
static uint64_t cache_uses;
static size_t cache_bytes;

static struct pq_footer *cache_find(const char *path, uint64_t file_bytes, int64_t mtime_us)
{
    struct pq_footer *f = NULL;
    pthread_mutex_lock(&cache_lock);
    for (size_t i = 0; i < CACHE_SLOTS && !f; i++) {
        struct cache_slot *s = &cache[i];
        if (s->footer && s->file_bytes == file_bytes && s->mtime_us == mtime_us && !strcmp(s->path, path)) {
            f = s->footer;
            s->used = ++cache_uses;
            __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
        }
    }
    pthread_mutex_unlock(&cache_lock);
    return f;
}

/* Under the lock: the slot of the path's footer, an empty one, or that of the footer used longest ago. */
static struct cache_slot *slot_for(const char *path)
{
    struct cache_slot *s = &cache[0];
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (cache[i].footer && !strcmp(cache[i].path, path))
            return &cache[i];
        if (cache[i].used < s->used)
            s = &cache[i];
    }
    return s;
}

/* Under the lock. Readers that have the footer keep it. */
static void clear_slot(struct cache_slot *s)
{
    cache_bytes -= s->bytes;
    xfree(s->path);
    pq_footer_unref(s->footer);
    *s = (struct cache_slot){0};
}

/* Under the lock: room for so many bytes more. */
static void make_room(size_t bytes)
{
    while (cache_bytes > 0 && cache_bytes + bytes > CACHE_BYTES) {
        struct cache_slot *oldest = NULL;
        for (size_t i = 0; i < CACHE_SLOTS; i++) {
            if (cache[i].footer && (!oldest || cache[i].used < oldest->used))
                oldest = &cache[i];
        }
        clear_slot(oldest);
    }
}

static void cache_add(const char *path, uint64_t file_bytes, int64_t mtime_us, struct pq_footer *f, size_t bytes)
{
    if (bytes > CACHE_BYTES)
        return;
    pthread_mutex_lock(&cache_lock);
    struct cache_slot *s = slot_for(path);
    clear_slot(s);
    make_room(bytes);
    *s = (struct cache_slot){xstrdup(path), file_bytes, mtime_us, ++cache_uses, bytes, f};
    cache_bytes += bytes;
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&cache_lock);
}

int pq_footer_get(const char *path, int fd, uint64_t file_bytes, int64_t mtime_us, struct pq_footer **ret,
                  struct error *err)
{
    enum { TAIL = 64 << 10 };
    if (mtime_us && (*ret = cache_find(path, file_bytes, mtime_us)))
        return 0;
    if (file_bytes < 12)
        return pq_damaged(err, path, 0, "%" PRIu64 " bytes are too few for a Parquet file", file_bytes);
    size_t have = file_bytes < TAIL ? (size_t)file_bytes : TAIL;
    uint8_t *tail = xmalloc(have);
    uint32_t bytes;
    int rc = pq_read(path, fd, tail, have, file_bytes - have, err);
    if (rc)
        goto out;
    if (memcmp(tail + have - 4, "PAR1", 4) != 0) {
        rc = pq_damaged(err, path, file_bytes - 4, "%s",
                        !memcmp(tail + have - 4, "PARE", 4) ? PQ_ENCRYPTED
                                                            : "this is not a Parquet file, or it is cut short");
        goto out;
    }
    memcpy(&bytes, tail + have - 8, 4);
    if (bytes > file_bytes - 12) {
        rc = pq_damaged(err, path, file_bytes - 8, "the footer's length, %" PRIu32 " bytes, is larger than the file", bytes);
        goto out;
    }
    if ((size_t)bytes + 8 > have) {
        xfree(tail);
        have = (size_t)bytes + 8;
        tail = xmalloc(have);
        if ((rc = pq_read(path, fd, tail, have, file_bytes - have, err)) != 0)
            goto out;
    }
    if ((rc = pq_footer_parse(path, tail + have - 8 - bytes, bytes, file_bytes - 8 - bytes, file_bytes, ret, err)) != 0)
        goto out;
    if (mtime_us && clock_wall_us() - mtime_us > SETTLED_US)
        cache_add(path, file_bytes, mtime_us, *ret, bytes);
out:
    xfree(tail);
    return rc;
}
