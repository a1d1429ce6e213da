/*
 * Local paths: what files a path, folder or glob stands for. Hidden names (_ and . first) are left out. Thread: any.
 */
#pragma once

#include "common/error/error.h"

struct file_info {
    const char *path;      /* absolute */
    uint64_t bytes;
    int64_t mtime_us;
    const char *below;     /* the part after the root that was named: "year=2024/part-0.parquet" */
};
struct file_list {
    uint32_t count, cap;
    struct file_info *items; /* in the arena, ordered by path */
};
/* ERR_PATH_MISSING when nothing has that name. */
WARN_UNUSED int fs_list(struct arena *ar, const char *path, struct file_list *list, struct error *err);
/* mkdir -p. ERR_IO. */
WARN_UNUSED int fs_make_folder(const char *path, struct error *err);
/* rm -r; a missing path is fine. */
WARN_UNUSED int fs_remove(const char *path, struct error *err);
/* Whether a folder is there with anything in it that is not hidden by a dot. */
bool fs_has_entries(const char *path);
bool fs_exists(const char *path);
