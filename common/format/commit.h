/*
 * Writing files whole or not at all: the driver's half of a write, on a target folder.
 *
 *   begin ──► (attempts write into folders of their own below file_write_folder) ──► commit
 *     └──────────────────────────────────────────────────────────────────────────► abort
 *
 * All of a write's files lie in TARGET/_temporary/ID until it is committed, where no reader looks. What the commit is
 * about to do (old entries to move away, new files to move in) is first written down durably in ID/intent: that is
 * the moment from which the write will happen. Then old entries move to ID/old, new files move to their places,
 * _SUCCESS is made, the intent is removed, and at last ID with the old data. Every step is a rename and can be done
 * again, so that after a death of the driver anyone who touches the target finishes it from the intent; without an
 * intent it is swept away. A commit that fails in a driver that lives turns its intent into "rollback" first and then
 * goes back the same way.
 *
 * Who lives is told by locks that the kernel ends with their holder: ID/owner for the life of a write,
 * _temporary/lock while somebody begins, commits or recovers. Thread: a worker (all of it may wait for disks and locks).
 */
#pragma once

#include "common/error/error.h"

enum write_mode {
    WRITE_NEW,       /* the target must hold no file yet */
    WRITE_APPEND,
    WRITE_OVERWRITE,
};
struct write_target {
    const char *path;  /* absolute */
    enum write_mode mode;
    const char *below; /* OVERWRITE: only this folder below path ("year=2024") is replaced; NULL: everything */
    bool dynamic;      /* OVERWRITE: only the folders that get files are replaced */
};
struct write_done {
    uint64_t files, rows, bytes;
};

struct file_write;
/* Recovers or sweeps what the dead left in the target, then makes the write's folder. ERR_PATH_EXISTS, ERR_IO. */
WARN_UNUSED int file_write_begin(const struct write_target *t, struct file_write **ret, struct error *err);
/* Where attempts make their folders. It exists until the write ends, and does not come back afterwards. */
const char *file_write_folder(const struct file_write *w);
/* Publishes what the manifests (manifest.h) list. After an error nothing of it is visible; the error says when it is. */
WARN_UNUSED int file_write_commit(struct file_write *w, const void *const *manifests, const uint32_t *bytes, uint32_t count,
                                  struct write_done *ret, struct error *err);
/* Removes all of it. Without effect on a write that has ended. */
void file_write_abort(struct file_write *w);
void file_write_free(struct file_write *w); /* aborts what has not ended; accepts NULL */

/*
 * For readers and others about to touch a target: finishes commits that a dead driver left half done, waits for one
 * that is under way. Cheap when there is none.
 */
WARN_UNUSED int file_write_recover(const char *target, struct error *err);

/* The same, and sweeps away the writes of dead drivers that never came to their intent: what begin does first. */
WARN_UNUSED int file_write_sweep(const char *target, struct error *err);

/* ---- for tests ---- */

/* An intent as text, and back: what commit writes down. The decoder checks a sum and every path. */
struct write_move {
    const char *from, *to; /* below ID; below the target */
};
struct write_intent {
    uint32_t old_count, old_cap, move_count, move_cap;
    const char **olds;     /* entries below the target that go */
    struct write_move *moves;
};
void write_intent_encode(const struct write_intent *in, struct buf *out);
WARN_UNUSED int write_intent_decode(struct arena *ar, const char *text, size_t bytes, const char *path,
                                    struct write_intent *ret, struct error *err);
