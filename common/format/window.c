/* See window.h. */
#include "common/format/window.h"

#include <emmintrin.h>
#include <stdio.h>

#include "common/base/utf8.h"
#include "common/format/cell.h"

enum { WINDOW_BYTES = 1 << 20, WINDOW_MIN = 64 << 10, READ_BYTES_MIN = 16 << 10, RECORD_BYTES_MAX = 1 << 30 };

static int reserve(struct text_window *w, size_t bytes, struct error *err)
{
    if (bytes > w->reserved) {
        TRY(account_reserve(w->account, bytes - w->reserved, err));
        w->reserved = bytes;
    }
    return 0;
}

static int set_cap(struct text_window *w, size_t cap, struct error *err)
{
    bool foreign = w->o->encoding != ENCODING_UTF8;
    TRY(reserve(w, cap + WINDOW_PAD + (foreign ? cap : 0), err));
    w->data = xrealloc(w->data, cap + WINDOW_PAD);
    if (foreign)
        w->raw = xrealloc(w->raw, cap);
    w->cap = cap;
    return 0;
}

/* One byte is one character: up to three bytes of UTF-8. */
static size_t transcode(enum text_encoding encoding, const uint8_t *in, size_t n, char *out)
{
    char *to = out;
    for (size_t i = 0; i < n; i++) {
        if (in[i] < 0x80 || encoding == ENCODING_LATIN1) {
            to += utf8_encode(in[i], to);
        } else {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        }
    }
    return (size_t)(to - out);
}

int window_fill(struct text_window *w, struct error *err)
{
    if (w->eof)
        return 0;
    if (w->at) {
        memmove(w->data, w->data + w->at, w->end - w->at);
        w->base += w->at;
        w->end -= w->at;
        w->at = 0;
    }
    if (w->cap - w->end < READ_BYTES_MIN || w->end > w->cap / 2) {
        if (w->cap >= RECORD_BYTES_MAX)
            return error_set(err, ERR_FILE_READ, "path", w->path, "message", "a record is longer than 1 GiB", NULL);
        TRY(set_cap(w, w->cap * 2, err));
    }
    size_t room = w->cap - w->end, n;
    if (w->o->encoding == ENCODING_UTF8) {
        TRY(byte_source_read(w->source, w->data + w->end, room, &n, err));
        w->end += n;
    } else {
        TRY(byte_source_read(w->source, w->raw, room / 3, &n, err));
        w->end += transcode(w->o->encoding, (const uint8_t *)w->raw, n, w->data + w->end);
    }
    w->eof = n == 0;
    memset(w->data + w->end, 0, WINDOW_PAD);
    return 0;
}

/* Where the line that begins at or after `from` ends: *ret_end its first byte after the text, *ret_next the next line. */
static bool find_end(const struct text_window *w, size_t from, size_t *ret_end, size_t *ret_next)
{
    const char *p = w->data + from, *end = w->data + w->end;
    if (w->o->line_sep) {
        uint32_t n = w->o->line_sep_bytes;
        const char *at = memmem(p, (size_t)(end - p), w->o->line_sep, n);
        if (!at)
            return false;
        *ret_end = (size_t)(at - w->data);
        *ret_next = *ret_end + n;
        return true;
    }
    const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    for (; p < end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr)));
        if (!mask)
            continue;
        p += __builtin_ctz(mask);
        if (p >= end)
            return false;
        if (*p == '\r' && p + 1 == end && !w->eof)
            return false; /* a \n may follow */
        *ret_end = (size_t)(p - w->data);
        *ret_next = *ret_end + (*p == '\r' && p[1] == '\n' && p + 1 < end ? 2 : 1);
        return true;
    }
    return false;
}

int window_line(struct text_window *w, bool stay, const char **ret_p, size_t *ret_bytes, bool *ret_any,
                struct error *err)
{
    size_t end, next, from = 0; /* from: what is searched already, after at */
    *ret_any = false;
    for (;;) {
        if (window_done(w))
            return 0;
        if (find_end(w, w->at + from, &end, &next))
            break;
        if (w->eof) {
            end = next = w->end;
            break;
        }
        if (stay)
            return 0;
        from = w->end - w->at;
        from -= from < w->o->line_sep_bytes + 1 ? from : w->o->line_sep_bytes + 1; /* one may be cut in two */
        TRY(window_fill(w, err));
    }
    *ret_p = w->data + w->at;
    *ret_bytes = end - w->at;
    *ret_any = true;
    w->at = next;
    return 0;
}

int window_rest(struct text_window *w, struct error *err)
{
    while (!w->eof)
        TRY(window_fill(w, err));
    return 0;
}

/* The window begins just before the split: at the bytes that tell whether a line begins right at its start. */
static int skip_partial(struct text_window *w, uint64_t start, struct error *err)
{
    size_t end, next;
    for (;;) {
        if (find_end(w, w->at, &end, &next)) {
            w->at = next;
            if (w->base + next >= start)
                return 0;
            continue;
        }
        if (w->eof) {
            w->at = w->end;
            return 0;
        }
        size_t keep = w->o->line_sep_bytes + 1; /* one may be cut in two */
        if (w->end - w->at > keep)
            w->at = w->end - keep;
        TRY(window_fill(w, err));
    }
}

static int skip_mark(struct text_window *w, struct error *err)
{
    while (!w->eof && w->end < 3)
        TRY(window_fill(w, err));
    if (w->end >= 3 && memcmp(w->data, "\xef\xbb\xbf", 3) == 0) {
        w->at = 3;
        w->limit = w->limit > 3 ? w->limit : 4; /* the first record begins with the mark, at 0 */
    }
    return 0;
}

int window_open(struct text_window *w, const char *path, uint64_t start, uint64_t length, const struct text_options *o,
                struct account *account, struct error *err)
{
    if (!text_splittable(o->all, path)) { /* offsets in the file say nothing about the text */
        ASSERT(start == 0);
        length = UINT64_MAX;
    }
    uint32_t before = start ? (o->line_sep_bytes ? o->line_sep_bytes : 1) : 0;
    if (before > start)
        before = (uint32_t)start;
    *w = (struct text_window){.path = path, .o = o, .account = account, .base = start - before,
                              .limit = length > UINT64_MAX - start ? UINT64_MAX : start + length};
    TRY(set_cap(w, length < WINDOW_BYTES ? WINDOW_MIN : WINDOW_BYTES, err));
    TRY(byte_source_open(path, start - before, account, &w->source, err));
    TRY(window_fill(w, err));
    return start ? skip_partial(w, start, err) : skip_mark(w, err);
}

void window_close(struct text_window *w)
{
    byte_source_close(w->source);
    account_release(w->account, w->reserved);
    xfree(w->data);
    xfree(w->raw);
    *w = (struct text_window){0};
}
