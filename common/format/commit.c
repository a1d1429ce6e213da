/* See commit.h. */
#include "common/format/commit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/format/manifest.h"
#include "common/format/publish.h"
#include "common/fs/file.h"
#include "common/fs/list.h"

enum { INTENT_BYTES_MAX = 1 << 30, LOCK_WAIT_MS = 60000, REMOVE_TRIES = 50, UUID_BYTES = 36 };

struct file_write {
    struct arena ar;
    const char *target, *pending, *folder; /* TARGET, TARGET/_temporary, TARGET/_temporary/ID */
    const char *made;                      /* the topmost folder that did not exist before; NULL: the target did */
    const char *below;
    enum write_mode mode;
    bool dynamic, ended;
    int owner;
};

/* ---- waiting and locks ---- */

static void pause_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000l};
    nanosleep(&t, NULL);
}

/* rm -r that bears others at work in there: an attempt that has not heard yet that its job ended. */
static void remove_all(const char *path)
{
    for (int i = 0; i < REMOVE_TRIES && path_is_there(path); i++) {
        struct error err = ERROR_INIT;
        if (i > 0)
            pause_ms(20);
        if (fs_remove(path, &err) != 0)
            error_fini(&err);
    }
}

/* The commit lock of a target, _temporary made when it is not there. -1: the file system has no locks. */
static int lock_target(struct arena *ar, const char *pending, int *ret_fd, struct error *err)
{
    const char *path = path_join(ar, pending, "lock");
    for (int waited = 0;; waited += 5) {
        struct error failed = ERROR_INIT;
        if (mkdir(pending, 0777) != 0 && errno != EEXIST)
            return fs_failed(err, ERR_IO, pending, errno);
        int fd = -1;
        enum fs_lock_state state = fs_lock(path, true, &fd, &failed);
        if (state == FS_LOCK_TAKEN || state == FS_LOCK_UNKNOWN) {
            *ret_fd = fd;
            return 0;
        }
        if (state == FS_LOCK_ERROR && path_is_there(pending)) { /* else somebody removed the folder just now */
            error_move(err, &failed);
            return (int)err->code;
        }
        error_fini(&failed);
        if (waited >= LOCK_WAIT_MS)
            return error_set(err, ERR_IO, "path", path, "message", "another write has been committing to this folder for a minute", NULL);
        pause_ms(5);
    }
}

/* Takes _temporary away when nothing else is in it. The lock is held. */
static void leave_pending(struct arena *ar, const char *pending)
{
    DIR *d = opendir(pending);
    bool other = false;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        other |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "lock") != 0;
    if (d)
        closedir(d);
    if (other)
        return;
    unlink(path_join(ar, pending, "lock"));
    rmdir(pending);
}

/* ---- recovery ---- */

static bool is_write_folder(const char *name)
{
    return strlen(name) == UUID_BYTES && name[8] == '-' && name[13] == '-' && name[18] == '-' && name[23] == '-' &&
           strspn(name, "0123456789abcdef-") == UUID_BYTES;
}

static int read_intent(struct arena *ar, const char *path, struct write_intent *ret, struct error *err)
{
    struct buf text = BUF_INIT;
    int rc = fs_get_file(path, INTENT_BYTES_MAX, &text, err);
    if (rc == 0)
        rc = write_intent_decode(ar, text.data ? text.data : "", text.bytes, path, ret, err);
    buf_fini(&text);
    return rc;
}

/* A write whose owner is dead: whole, back, or away. */
static int recover_one(struct arena *ar, const char *target, const char *folder, struct error *err)
{
    struct write_intent in;
    const char *intent = path_join(ar, folder, "intent"), *rollback = path_join(ar, folder, "rollback");
    if (path_is_there(rollback)) {
        TRY(read_intent(ar, rollback, &in, err));
        TRY(publish_back(ar, target, folder, &in, err));
        TRY(publish_forget(ar, folder, "rollback", err));
    } else if (path_is_there(intent)) {
        TRY(read_intent(ar, intent, &in, err));
        TRY(publish_forward(ar, target, folder, &in, err));
        TRY(publish_forget(ar, folder, "intent", err));
    }
    remove_all(folder);
    return 0;
}

static bool owner_lives(struct arena *ar, const char *folder)
{
    int fd = -1;
    struct error err = ERROR_INIT;
    enum fs_lock_state state = fs_lock(path_join(ar, folder, "owner"), false, &fd, &err);
    error_fini(&err); /* no such file: it was being removed when its driver died */
    fs_unlock(fd);
    return state == FS_LOCK_HELD || state == FS_LOCK_UNKNOWN;
}

typedef int (*visit_fn)(struct arena *ar, const char *target, const char *folder, void *arg, struct error *err);

static int each_write(struct arena *ar, const char *target, const char *pending, visit_fn visit, void *arg, struct error *err)
{
    DIR *d = opendir(pending);
    int rc = 0;
    for (struct dirent *e; d && rc == 0 && (e = readdir(d)) != NULL;) {
        if (is_write_folder(e->d_name))
            rc = visit(ar, target, path_join(ar, pending, e->d_name), arg, err);
    }
    if (d)
        closedir(d);
    return rc;
}

static int recover_dead(struct arena *ar, const char *target, const char *folder, void *arg, struct error *err)
{
    (void)arg;
    return owner_lives(ar, folder) ? 0 : recover_one(ar, target, folder, err);
}

static int has_intent(struct arena *ar, const char *target, const char *folder, void *arg, struct error *err)
{
    (void)target;
    (void)err;
    *(bool *)arg |= path_is_there(path_join(ar, folder, "intent")) || path_is_there(path_join(ar, folder, "rollback"));
    return 0;
}

int file_write_recover(const char *target, struct error *err)
{
    struct arena ar;
    char path[4096];
    snprintf(path, sizeof path, "%s/_temporary", target);
    if (access(path, F_OK) != 0)
        return 0;
    bool found = false;
    int fd = -1;
    arena_init(&ar);
    int rc = each_write(&ar, target, path, has_intent, &found, err);
    if (rc == 0 && found) {
        rc = lock_target(&ar, path, &fd, err);
        if (rc == 0)
            rc = each_write(&ar, target, path, recover_dead, NULL, err);
        if (rc == 0)
            leave_pending(&ar, path);
        fs_unlock(fd);
        if (rc != 0)
            error_note(err, "while finishing the interrupted write in %s", path);
    }
    arena_fini(&ar);
    return rc;
}

int file_write_sweep(const char *target, struct error *err)
{
    struct arena ar;
    int fd = -1;
    arena_init(&ar);
    const char *pending = path_join(&ar, target, "_temporary");
    int rc = path_is_there(pending) ? lock_target(&ar, pending, &fd, err) : 0;
    if (rc == 0 && fd >= 0) {
        rc = each_write(&ar, target, pending, recover_dead, NULL, err);
        leave_pending(&ar, pending);
    }
    fs_unlock(fd);
    arena_fini(&ar);
    return rc;
}

/* ---- begin ---- */

static char *new_id(struct arena *ar)
{
    uint8_t r[16];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        UNREACHABLE("getrandom gives what is asked for up to 256 bytes");
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    return arena_printf(ar, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4], r[5],
                        r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

static const char *first_missing(struct arena *ar, const char *path)
{
    const char *missing = NULL;
    for (char *p = arena_strdup(ar, path), *slash; *p && !path_is_there(p); *slash = 0) {
        missing = arena_strdup(ar, p);
        slash = strrchr(p, '/');
        if (!slash || slash == p)
            break;
    }
    return missing;
}

static int check_target(struct file_write *w, struct error *err)
{
    struct stat st;
    struct file_list files = {0};
    if (stat(w->target, &st) != 0)
        return errno == ENOENT ? 0 : fs_failed(err, ERR_IO, w->target, errno);
    if (!S_ISDIR(st.st_mode))
        return w->mode == WRITE_NEW ? error_set(err, ERR_PATH_EXISTS, "outputPath", w->target, NULL)
                                    : fs_failed(err, ERR_IO, w->target, ENOTDIR);
    if (w->mode != WRITE_NEW)
        return 0;
    TRY(fs_list(&w->ar, w->target, &files, err));
    return files.count ? error_set(err, ERR_PATH_EXISTS, "outputPath", w->target, NULL) : 0;
}

static int make_folder(struct file_write *w, struct error *err)
{
    if (mkdir(w->folder, 0777) != 0)
        return fs_failed(err, ERR_IO, w->folder, errno);
    enum fs_lock_state state = fs_lock(path_join(&w->ar, w->folder, "owner"), true, &w->owner, err);
    ASSERT(state != FS_LOCK_HELD); /* nobody else knows its name */
    return state == FS_LOCK_ERROR ? (int)err->code : 0;
}

static int begin(struct file_write *w, struct error *err)
{
    int fd = -1;
    w->made = first_missing(&w->ar, w->target);
    TRY(check_target(w, err));
    TRY(fs_make_folder(w->target, err));
    TRY(lock_target(&w->ar, w->pending, &fd, err));
    int rc = each_write(&w->ar, w->target, w->pending, recover_dead, NULL, err);
    if (rc == 0)
        rc = check_target(w, err); /* what was recovered counts */
    if (rc == 0)
        rc = make_folder(w, err);
    fs_unlock(fd);
    return rc;
}

int file_write_begin(const struct write_target *t, struct file_write **ret, struct error *err)
{
    struct file_write *w = xcalloc(1, sizeof *w);
    arena_init(&w->ar);
    size_t n = strlen(t->path);
    while (n > 1 && t->path[n - 1] == '/')
        n--;
    w->target = arena_strndup(&w->ar, t->path, n);
    w->pending = path_join(&w->ar, w->target, "_temporary");
    w->folder = path_join(&w->ar, w->pending, new_id(&w->ar));
    w->mode = t->mode;
    w->below = t->below && *t->below ? arena_strdup(&w->ar, t->below) : NULL;
    w->dynamic = t->dynamic;
    w->owner = -1;
    int rc = begin(w, err);
    if (rc != 0) {
        file_write_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

const char *file_write_folder(const struct file_write *w)
{
    return w->folder;
}

/* ---- the ends ---- */

/* Away with the write's folder; with _temporary and what begin made when they are empty then. */
static void leave(struct file_write *w, bool remove_made)
{
    struct error err = ERROR_INIT;
    int fd = -1;
    w->ended = true;
    remove_all(w->folder);
    fs_unlock(w->owner);
    w->owner = -1;
    if (path_is_there(w->pending) && lock_target(&w->ar, w->pending, &fd, &err) == 0) {
        leave_pending(&w->ar, w->pending);
        fs_unlock(fd);
    }
    error_fini(&err);
    if (!remove_made || !w->made)
        return;
    for (char *p = arena_strdup(&w->ar, w->target); rmdir(p) == 0 && strlen(p) > strlen(w->made);)
        *strrchr(p, '/') = 0;
}

void file_write_abort(struct file_write *w)
{
    if (!w->ended)
        leave(w, true);
}

void file_write_free(struct file_write *w)
{
    if (!w)
        return;
    file_write_abort(w);
    fs_unlock(w->owner);
    arena_fini(&w->ar);
    xfree(w);
}

/* ---- commit ---- */

static int read_manifests(struct file_write *w, const void *const *manifests, const uint32_t *bytes, uint32_t count,
                          struct write_intent *in, struct write_done *done, struct error *err)
{
    for (uint32_t m = 0; m < count; m++) {
        struct manifest man;
        TRY(manifest_decode(&w->ar, manifests[m], bytes[m], &man, err));
        for (uint32_t i = 0; i < man.count; i++) {
            const struct manifest_entry *e = &man.entries[i];
            struct write_move move = {path_join(&w->ar, man.folder, e->name), e->path};
            ARENA_PUSH(&w->ar, in->moves, in->move_count, in->move_cap, move);
            done->rows += e->rows;
            done->bytes += e->bytes;
        }
    }
    done->files = in->move_count;
    return 0;
}

static void add_old(struct file_write *w, struct write_intent *in, const char *path)
{
    if (path_is_there(path_join(&w->ar, w->target, path)))
        ARENA_PUSH(&w->ar, in->olds, in->old_count, in->old_cap, path);
}

static void add_all_old(struct file_write *w, struct write_intent *in)
{
    DIR *d = opendir(w->target);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        bool keep = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "_temporary") == 0;
        if (!keep)
            add_old(w, in, arena_strdup(&w->ar, e->d_name));
    }
    if (d)
        closedir(d);
}

/* What goes: always _SUCCESS, so that whoever waits for it never sees a half-published folder. */
static void find_old(struct file_write *w, struct write_intent *in)
{
    if (w->mode == WRITE_OVERWRITE && !w->below && !w->dynamic) {
        add_all_old(w, in);
        return;
    }
    add_old(w, in, "_SUCCESS");
    if (w->mode == WRITE_OVERWRITE && !w->dynamic)
        add_old(w, in, w->below);
    if (w->mode != WRITE_OVERWRITE || !w->dynamic)
        return;
    struct strmap seen;
    strmap_init(&seen);
    for (uint32_t i = 0; i < in->move_count; i++) {
        const char *to = in->moves[i].to, *slash = strrchr(to, '/');
        char *folder = slash ? arena_strndup(&w->ar, to, (size_t)(slash - to)) : NULL;
        if (folder && !strmap_put(&seen, folder, w))
            add_old(w, in, folder);
    }
    strmap_fini(&seen);
}

static int put_intent(struct file_write *w, const struct write_intent *in, struct error *err)
{
    struct buf text = BUF_INIT;
    write_intent_encode(in, &text);
    int rc = fs_put_file(path_join(&w->ar, w->folder, "intent"), text.data, text.bytes, err);
    buf_fini(&text);
    return rc;
}

/* A step failed and we live: back to what was. */
static void roll_back(struct file_write *w, const struct write_intent *in, struct error *err)
{
    struct error failed = ERROR_INIT;
    if (!path_is_there(path_join(&w->ar, w->folder, "intent")))
        return; /* nothing has moved yet */
    int rc = path_move(path_join(&w->ar, w->folder, "intent"), path_join(&w->ar, w->folder, "rollback"), &failed);
    if (rc == 0)
        rc = fs_sync(w->folder, &failed);
    if (rc == 0)
        rc = publish_point("rollback-after-mark", &failed);
    if (rc == 0)
        rc = publish_back(&w->ar, w->target, w->folder, in, &failed);
    if (rc == 0)
        rc = publish_forget(&w->ar, w->folder, "rollback", &failed);
    if (rc != 0) { /* the folder stays, unlocked, for whoever touches the target next */
        struct buf text = BUF_INIT;
        error_sentence(&failed, &text);
        error_note(err, "%s is left half written, since undoing it failed too: %s; the next statement on it tries again", w->target,
                   text.data);
        buf_fini(&text);
        w->ended = true;
        fs_unlock(w->owner);
        w->owner = -1;
    }
    error_fini(&failed);
}

int file_write_commit(struct file_write *w, const void *const *manifests, const uint32_t *bytes, uint32_t count,
                      struct write_done *ret, struct error *err)
{
    struct write_intent in = {0};
    struct write_done done = {0};
    int fd = -1;
    ASSERT(!w->ended);
    int rc = read_manifests(w, manifests, bytes, count, &in, &done, err);
    if (rc == 0)
        rc = publish_point("commit-before-intent", err);
    if (rc == 0)
        rc = lock_target(&w->ar, w->pending, &fd, err);
    if (rc == 0 && w->mode == WRITE_NEW)
        rc = check_target(w, err); /* somebody else may have written here meanwhile */
    if (rc == 0) {
        find_old(w, &in);
        rc = put_intent(w, &in, err);
        if (rc == 0)
            rc = publish_point("commit-after-intent", err);
        if (rc == 0)
            rc = publish_forward(&w->ar, w->target, w->folder, &in, err);
        if (rc == 0)
            rc = publish_forget(&w->ar, w->folder, "intent", err);
        if (rc != 0)
            roll_back(w, &in, err);
    }
    fs_unlock(fd);
    if (rc != 0) {
        file_write_abort(w);
        return rc;
    }
    struct error none = ERROR_INIT;
    if (publish_point("commit-after-forget", &none) != 0)
        error_fini(&none); /* too late to fail */
    leave(w, false);
    *ret = done;
    return 0;
}
