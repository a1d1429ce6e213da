/*
 * What one attempt wrote, as the bytes that travel from the executor's half of the file provider to the driver's:
 *   u32 attempt folder (bytes with NUL, then the text), u32 entries, and of each entry the name of its file in that
 *   folder, the path below the target where it is to be published, u64 rows, u64 bytes.
 * The decoder takes nothing that could lead out of the two folders. Thread: any.
 */
#pragma once

#include "common/error/error.h"

struct manifest_entry {
    const char *name;   /* in the attempt's folder: no slash */
    const char *path;   /* below the target: "year=2024/part-00000-....parquet" */
    uint64_t rows, bytes;
};
struct manifest {
    const char *folder; /* of the attempt, in the write's own: no slash */
    uint32_t count;
    struct manifest_entry *entries;
};

void manifest_encode(const struct manifest *m, struct buf *out);
/* Into ar. ERR_PROTOCOL for anything else than a manifest. */
WARN_UNUSED int manifest_decode(struct arena *ar, const void *p, size_t bytes, struct manifest *ret, struct error *err);
/* A path that stays below the folder that it is taken from: relative, without "..", not hidden in _temporary. */
bool manifest_path_ok(const char *path);
