/* See publish.h. */
#include "common/format/publish.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/testpoint.h"
#include "common/fs/file.h"
#include "common/fs/list.h"

int publish_point(const char *name, struct error *err)
{
    return TEST_POINT_FAILS(name) ? fs_failed(err, ERR_IO, name, EIO) : 0;
}

const char *path_join(struct arena *ar, const char *folder, const char *path)
{
    return arena_printf(ar, "%s/%s", folder, path);
}

bool path_is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int make_parent(struct arena *ar, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = arena_strndup(ar, path, (size_t)(slash - path));
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return 0;
    return fs_make_folder(folder, err);
}

int path_move(const char *from, const char *to, struct error *err)
{
    return rename(from, to) == 0 ? 0 : fs_failed(err, ERR_IO, to, errno);
}

/* Folders whose entries changed: synced at the end, each once. */
struct folders {
    struct strmap seen;
    int since; /* of the target's file system */
};

static int folders_init(struct folders *f, const char *target, struct error *err)
{
    TRY(fs_since(target, &f->since, err));
    strmap_init(&f->seen);
    return 0;
}

static void folders_fini(struct folders *f)
{
    strmap_fini(&f->seen);
    close(f->since);
}

static void note_folder(struct folders *f, struct arena *ar, const char *path)
{
    const char *slash = strrchr(path, '/');
    strmap_put(&f->seen, arena_strndup(ar, path, (size_t)(slash - path)), f);
}

static int sync_folders(struct folders *f, struct error *err)
{
    const char **paths = xmalloc((f->seen.live + 1) * sizeof *paths);
    uint32_t n = 0;
    STRMAP_EACH(&f->seen, e)
        paths[n++] = e->key;
    int rc = fs_sync_all(f->since, paths, n, err);
    xfree(paths);
    return rc;
}

static const char *old_place(struct arena *ar, const char *folder, uint32_t i)
{
    return arena_printf(ar, "%s/old/%u", folder, i);
}

static int move_old(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct folders *f,
                    struct error *err)
{
    if (in->old_count)
        TRY(fs_make_folder(path_join(ar, folder, "old"), err));
    for (uint32_t i = 0; i < in->old_count; i++) {
        const char *to = old_place(ar, folder, i), *from = path_join(ar, target, in->olds[i]);
        if (path_is_there(to) || !path_is_there(from))
            continue; /* done before, or somebody else removed it */
        TRY(path_move(from, to, err));
        note_folder(f, ar, from);
        if (i == 0)
            TRY(publish_point("commit-after-first-old", err));
    }
    return publish_point("commit-after-old", err);
}

static int move_new(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct folders *f,
                    struct error *err)
{
    for (uint32_t i = 0; i < in->move_count; i++) {
        const char *from = path_join(ar, folder, in->moves[i].from), *to = path_join(ar, target, in->moves[i].to);
        if (path_is_there(from)) {
            if (rename(from, to) != 0) {
                TRY(make_parent(ar, to, err));
                TRY(path_move(from, to, err));
            }
        } else if (!path_is_there(to)) {
            return error_set(err, ERR_IO, "path", from, "message", "a file that was written for this commit is gone", NULL);
        }
        for (const char *p = to; strlen(p) > strlen(target); p = arena_strndup(ar, p, (size_t)(strrchr(p, '/') - p)))
            note_folder(f, ar, p); /* up to the target: folders on the way may be new */
        if (i == 0)
            TRY(publish_point("commit-after-first-new", err));
    }
    return publish_point("commit-after-new", err);
}

int publish_forward(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct error *err)
{
    struct folders f;
    TRY(folders_init(&f, target, err));
    note_folder(&f, ar, path_join(ar, target, "_SUCCESS"));
    note_folder(&f, ar, target);
    int rc = move_old(ar, target, folder, in, &f, err);
    if (rc == 0)
        rc = move_new(ar, target, folder, in, &f, err);
    if (rc == 0)
        rc = sync_folders(&f, err);
    if (rc == 0)
        rc = fs_put_file(path_join(ar, target, "_SUCCESS"), "", 0, err);
    folders_fini(&f);
    TRY(rc);
    return publish_point("commit-after-success", err);
}

/* Whether _SUCCESS is still the one from before: listed, and not moved away yet. */
static bool old_success_stands(struct arena *ar, const char *folder, const struct write_intent *in)
{
    for (uint32_t i = 0; i < in->old_count; i++) {
        if (strcmp(in->olds[i], "_SUCCESS") == 0)
            return !path_is_there(old_place(ar, folder, i));
    }
    return false;
}

int publish_back(struct arena *ar, const char *target, const char *folder, const struct write_intent *in, struct error *err)
{
    struct folders f;
    TRY(folders_init(&f, target, err));
    note_folder(&f, ar, path_join(ar, target, "_SUCCESS"));
    int rc = 0;
    for (uint32_t i = in->move_count; i-- > 0 && rc == 0;) {
        const char *from = path_join(ar, folder, in->moves[i].from), *to = path_join(ar, target, in->moves[i].to);
        if (path_is_there(from) || !path_is_there(to))
            continue; /* it never left */
        if (unlink(to) != 0)
            rc = fs_failed(err, ERR_IO, to, errno);
        for (const char *p = to; rc == 0;) { /* folders that this leaves empty */
            p = arena_strndup(ar, p, (size_t)(strrchr(p, '/') - p));
            if (strlen(p) <= strlen(target) || rmdir(p) != 0)
                break;
        }
    }
    if (rc == 0 && !old_success_stands(ar, folder, in))
        unlink(path_join(ar, target, "_SUCCESS"));
    for (uint32_t i = in->old_count; i-- > 0 && rc == 0;) {
        const char *from = old_place(ar, folder, i), *to = path_join(ar, target, in->olds[i]);
        if (!path_is_there(from))
            continue;
        rc = make_parent(ar, to, err);
        if (rc == 0)
            rc = path_move(from, to, err);
        note_folder(&f, ar, to);
    }
    if (rc == 0)
        rc = sync_folders(&f, err);
    folders_fini(&f);
    return rc;
}

int publish_forget(struct arena *ar, const char *folder, const char *name, struct error *err)
{
    struct error ignored = ERROR_INIT;
    if (unlink(path_join(ar, folder, name)) != 0)
        return fs_failed(err, ERR_IO, path_join(ar, folder, name), errno);
    if (fs_sync(folder, &ignored) != 0)
        error_fini(&ignored);
    return 0;
}

