/*
 * The text of an intent; see commit.h. Lines, so that a person can read it:
 *     drover write 1
 *     old <path>
 *     new <name in the write's folder> <path>
 *     end <crc32c of all before, in hexadecimal>
 * with paths escaped as partition folders are, and blanks besides.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/format/commit.h"
#include "common/format/manifest.h"
#include "common/format/partition.h"

static const char head[] = "drover write 1\n";

static void put_path(struct buf *out, const char *path)
{
    for (const char *p = path; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == '%' || *p == 0x7f)
            buf_addf(out, "%%%02X", (unsigned char)*p);
        else
            buf_addc(out, *p);
    }
}

void write_intent_encode(const struct write_intent *in, struct buf *out)
{
    size_t at = out->bytes;
    buf_adds(out, head);
    for (uint32_t i = 0; i < in->old_count; i++) {
        buf_adds(out, "old ");
        put_path(out, in->olds[i]);
        buf_addc(out, '\n');
    }
    for (uint32_t i = 0; i < in->move_count; i++) {
        buf_adds(out, "new ");
        put_path(out, in->moves[i].from);
        buf_addc(out, ' ');
        put_path(out, in->moves[i].to);
        buf_addc(out, '\n');
    }
    buf_addf(out, "end %08x\n", crc32c(0, out->data + at, out->bytes - at));
}

static bool get_path(struct arena *ar, const char *p, size_t bytes, const char **ret)
{
    *ret = partition_unescape(ar, p, bytes);
    return manifest_path_ok(*ret);
}

static bool get_line(struct arena *ar, const char *p, size_t bytes, struct write_intent *in)
{
    const char *path, *blank;
    if (bytes > 4 && memcmp(p, "old ", 4) == 0) {
        if (!get_path(ar, p + 4, bytes - 4, &path))
            return false;
        ARENA_PUSH(ar, in->olds, in->old_count, in->old_cap, path);
        return true;
    }
    struct write_move m;
    if (bytes <= 4 || memcmp(p, "new ", 4) != 0 || !(blank = memchr(p + 4, ' ', bytes - 4)))
        return false;
    if (!get_path(ar, p + 4, (size_t)(blank - p - 4), &m.from) || !get_path(ar, blank + 1, (size_t)(p + bytes - blank - 1), &m.to))
        return false;
    ARENA_PUSH(ar, in->moves, in->move_count, in->move_cap, m);
    return true;
}

static bool decode(struct arena *ar, const char *text, size_t bytes, struct write_intent *in)
{
    enum { END_BYTES = 13 };
    char end[END_BYTES + 1];
    size_t n = sizeof head - 1;
    if (bytes < n + END_BYTES || memcmp(text, head, n) != 0)
        return false;
    const char *at = text + n, *stop = text + bytes - END_BYTES;
    snprintf(end, sizeof end, "end %08x\n", crc32c(0, text, bytes - END_BYTES));
    if (memcmp(stop, end, END_BYTES) != 0)
        return false;
    while (at < stop) {
        const char *line = memchr(at, '\n', (size_t)(stop - at));
        if (!line || !get_line(ar, at, (size_t)(line - at), in))
            return false;
        at = line + 1;
    }
    return true;
}

int write_intent_decode(struct arena *ar, const char *text, size_t bytes, const char *path, struct write_intent *ret, struct error *err)
{
    struct write_intent in = {0};
    if (!decode(ar, text, bytes, &in))
        return error_set(err, ERR_IO, "path", path, "message",
                         "the intent of a write is damaged: put the files of its folder in place or remove it by hand", NULL);
    *ret = in;
    return 0;
}
