/*
 * The text of a split as a window that moves over the file: whole records lie in one piece of memory, so readers hand
 * out views instead of copies. Decompression and other encodings end here: a window holds UTF-8, or what the file has
 * in its place. One thread.
 *
 * A record belongs to the split in which its first byte lies. A split that begins inside a record skips to its end.
 */
#pragma once

#include "common/format/stream.h"
#include "common/format/text_options.h"

enum { WINDOW_PAD = 64 }; /* readable bytes behind the text, the first of them zero */

struct text_window {
    char *data;
    size_t at, end;   /* what is not yet used: data[at..end) */
    bool eof;         /* nothing comes after data[end] */
    uint64_t base;    /* offset of data[0] in the text (the file, when plain) */
    uint64_t limit;   /* records that begin here or later are not ours */
    const char *path; /* borrowed */
    const struct text_options *o;
    struct account *account;
    size_t cap, reserved;
    struct byte_source *source;
    char *raw;        /* bytes of another encoding on their way */
};

/* Opens and skips to the first record of [start, start + length). o and path are borrowed. */
WARN_UNUSED int window_open(struct text_window *w, const char *path, uint64_t start, uint64_t length,
                            const struct text_options *o, struct account *account, struct error *err);
void window_close(struct text_window *w); /* accepts one that was zeroed only */
/*
 * Moves what is unused to the front and adds more text behind it, growing when the window is full of one record.
 * Pointers into the window are void then. ERR_FILE_DAMAGED, ERR_FILE_READ, ERR_TASK_MEMORY.
 */
WARN_UNUSED int window_fill(struct text_window *w, struct error *err);
static inline bool window_done(const struct text_window *w)
{
    return (w->eof && w->at == w->end) || w->base + w->at >= w->limit;
}

/*
 * The next line without its end, false in *ret_any when there is none. Fills the window as needed: only with
 * `stay` set does it give up instead (*ret_any false, window_done false), so that earlier lines stay where they are.
 */
WARN_UNUSED int window_line(struct text_window *w, bool stay, const char **ret_p, size_t *ret_bytes, bool *ret_any,
                            struct error *err);
/* Everything that is left, as one piece. */
WARN_UNUSED int window_rest(struct text_window *w, struct error *err);
