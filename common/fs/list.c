/* See list.h. */
#include "common/fs/list.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs/file.h"

static int io_error(struct error *err, const char *path)
{
    return fs_failed(err, ERR_IO, path, errno);
}

static int missing(struct error *err, const char *path)
{
    return errno == ENOENT ? error_set(err, ERR_PATH_MISSING, "path", path, NULL) : io_error(err, path);
}

/* _x=1 is a partition folder all the same; the suffix is that of a file still on its way. */
static bool is_hidden(const char *name)
{
    return name[0] == '.' || (name[0] == '_' && !strchr(name, '=')) || str_has_suffix(name, "._COPYING_");
}

/* root: where `below` begins in the paths of files. */
static int walk(struct arena *ar, const char *path, size_t root, unsigned depth, struct file_list *list, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return missing(err, path);
    if (!S_ISDIR(st.st_mode)) {
        const char *p = arena_strdup(ar, path);
        struct file_info f = {.path = p, .bytes = (uint64_t)st.st_size, .below = p + root,
                              .mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000};
        ARENA_PUSH(ar, list->items, list->count, list->cap, f);
        return 0;
    }
    if (depth == 0)
        return error_set(err, ERR_IO, "path", path, "message", "folders nest too deep", NULL);
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        return io_error(err, path);
    int rc = 0;
    for (int i = 0; i < n; i++) {
        if (!is_hidden(names[i]->d_name) && rc == 0)
            rc = walk(ar, arena_printf(ar, "%s/%s", path, names[i]->d_name), root, depth - 1, list, err);
        free(names[i]);
    }
    free(names);
    return rc;
}

static const char *without_slashes(struct arena *ar, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return arena_strndup(ar, path, n);
}

/* A file or folder that was named, or found by a pattern: nothing is below a file. */
static int walk_root(struct arena *ar, const char *path, struct file_list *list, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return missing(err, path);
    return walk(ar, path, strlen(path) + S_ISDIR(st.st_mode), 64, list, err);
}

int fs_list(struct arena *ar, const char *path, struct file_list *list, struct error *err)
{
    struct stat st;
    path = without_slashes(ar, path);
    if (stat(path, &st) == 0)
        return walk_root(ar, path, list, err);
    if (errno != ENOENT && errno != ENOTDIR)
        return io_error(err, path);
    if (!strpbrk(path, "*?[{"))
        return error_set(err, ERR_PATH_MISSING, "path", path, NULL);
    glob_t g;
    if (glob(path, GLOB_BRACE, NULL, &g) != 0)
        return error_set(err, ERR_PATH_MISSING, "path", path, NULL);
    int rc = 0;
    for (size_t i = 0; i < g.gl_pathc && rc == 0; i++) {
        const char *found = without_slashes(ar, g.gl_pathv[i]), *slash = strrchr(found, '/');
        if (!is_hidden(slash ? slash + 1 : found))
            rc = walk_root(ar, found, list, err);
    }
    globfree(&g);
    return rc;
}

int fs_make_folder(const char *path, struct error *err)
{
    char *copy = xstrdup(path);
    int rc = 0;
    for (char *p = copy + 1; rc == 0; p++) {
        if (*p != '/' && *p != 0)
            continue;
        char c = *p;
        *p = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            rc = io_error(err, copy);
        *p = c;
        if (c == 0)
            break;
    }
    xfree(copy);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int fs_remove(const char *path, struct error *err)
{
    if (!fs_exists(path))
        return 0;
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 ? io_error(err, path) : 0;
}

bool fs_has_entries(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e = NULL;
    while (d && (e = readdir(d)) && e->d_name[0] == '.') {
    }
    if (d)
        closedir(d);
    return e != NULL;
}

bool fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
