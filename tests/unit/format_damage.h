/*
 * Damage to text files: valid ones are changed at random, as they are or behind a compression whose lengths and
 * checksums are right for what it holds now, and must give rows or an error that names the file. Everything is
 * static.
 */
#pragma once

#include "common/format/stream.h"
#include "tests/unit/format_scan.h"

struct damage {
    unsigned count, valid, errors, read;
};

/* Changes a few places: bytes, runs, and what means something to the formats. */
static inline void damage_text(struct buf *b, struct rng *r)
{
    static const char marks[] = "\",\\\n\r'{}[]:.-+0e#| \t\xef\xbb\xbf\xff\x80tfnN";
    for (unsigned k = 1 + (unsigned)rng_below(r, 6); k > 0 && b->bytes > 0; k--) {
        size_t at = rng_below(r, b->bytes), run = 1 + rng_below(r, 12);
        run = run < b->bytes - at ? run : b->bytes - at;
        switch (rng_below(r, 6)) {
        case 0: b->data[at] = (char)rng_next(r); break;
        case 1:
        case 2: b->data[at] = marks[rng_below(r, sizeof marks - 1)]; break;
        case 3:
            memmove(b->data + at, b->data + at + run, b->bytes - at - run);
            b->bytes -= run;
            break;
        case 4: {
            char copy[16];
            memcpy(copy, b->data + at, run);
            buf_add(b, copy, run);
            break;
        }
        default:
            if (rng_below(r, 20) == 0)
                b->bytes = at;
        }
    }
}

static inline void damage_bytes(struct buf *b, struct rng *r)
{
    if (b->bytes && rng_below(r, 8) == 0)
        b->bytes = rng_below(r, b->bytes);
    for (unsigned k = 1 + (unsigned)rng_below(r, 4); k > 0 && b->bytes; k--)
        b->data[rng_below(r, 3) ? rng_below(r, b->bytes) : rng_below(r, b->bytes < 32 ? b->bytes : 32)] ^= (char)(1u << rng_below(r, 8));
}

/* Writes text to path with its extension's compression. */
static inline void write_compressed(const char *path, const struct buf *text)
{
    struct error err = ERROR_INIT;
    struct byte_sink *s;
    enum stream_codec codec;
    uint64_t bytes;
    must(stream_codec_of_path(path, &codec, &err), &err);
    must(byte_sink_create(path, codec, NULL, &s, &err), &err);
    must(byte_sink_write(s, text->data, text->bytes, &err), &err);
    must(byte_sink_finish(s, &bytes, &err), &err);
}

/* Options that change how the bytes are taken. */
struct damage_options {
    const char *name;
    const char *values[5];
};

static inline void damage_round(const struct format_row *format, const struct buf *good, const char *schema, const char *stem,
                                const struct damage_options *choices, unsigned choice_count, struct rng *r, struct damage *d)
{
    static const char *const extensions[STREAM_CODEC_COUNT] = {"", ".gz", ".deflate", ".zst"};
    unsigned codec = (unsigned)rng_below(r, STREAM_CODEC_COUNT);
    bool valid = rng_below(r, 8) < 5;
    struct buf text = BUF_INIT, shown = BUF_INIT;
    struct error err = ERROR_INIT;
    struct scan s;
    char path[300];
    snprintf(path, sizeof path, "%s%s", stem, extensions[codec]);
    buf_add(&text, good->data, good->bytes);
    if (valid || codec == STREAM_PLAIN) {
        damage_text(&text, r);
        valid = true;
        write_compressed(path, &text);
    } else {
        struct buf raw = BUF_INIT;
        write_compressed(path, &text);
        read_whole(path, &raw);
        damage_bytes(&raw, r);
        write_whole(path, raw.data, raw.bytes);
        buf_fini(&raw);
    }
    scan_init(&s, format);
    s.account.limit = 64 << 20;
    for (unsigned i = 0; i < choice_count; i++) {
        unsigned n = 0;
        while (n < ARRAY_LEN(choices[i].values) && choices[i].values[n])
            n++;
        unsigned pick = (unsigned)rng_below(r, n * 2); /* half of them stay as they are */
        if (pick < n)
            scan_option(&s, choices[i].name, choices[i].values[pick]);
    }
    int rc = 0;
    if (rng_below(r, 2))
        rc = scan_infer(&s, path, &err);
    else
        scan_schema(&s, schema);
    bool split = rc == 0 && format->splittable(&s.options, path) && rng_below(r, 2);
    uint64_t cut = split ? rng_below(r, text.bytes + 1) : UINT64_MAX;
    if (rc == 0)
        rc = scan_open(&s, path, 0, cut, NULL, 0, &err);
    struct buf rows = BUF_INIT;
    if (rc == 0)
        rc = scan_rows(&s, &rows, NULL, &err);
    if (rc == 0 && split) {
        scan_end(&s);
        rc = scan_open(&s, path, cut, UINT64_MAX, NULL, 0, &err);
        if (rc == 0)
            rc = scan_rows(&s, &rows, NULL, &err);
    }
    d->count++;
    d->valid += valid;
    d->errors += rc != 0;
    d->read += rc == 0;
    if (rc) {
        error_format(&err, &shown);
        bool must_name = err.code == ERR_FILE_DAMAGED || err.code == ERR_FILE_READ;
        if (err.code == ERR_INTERNAL || (must_name && !strstr(shown.data, path))) {
            fprintf(stderr, "%s\n", shown.data);
            abort();
        }
    }
    error_fini(&err);
    scan_fini(&s);
    buf_fini(&rows);
    buf_fini(&text);
    buf_fini(&shown);
    unlink(path);
}

static inline int tool_mutate(const char *what, unsigned count, uint64_t seed,
                              void (*rounds)(unsigned count, struct rng *r, const char *stem, struct damage *d))
{
    struct damage d = {0};
    struct rng r;
    char stem[64];
    snprintf(stem, sizeof stem, "/dev/shm/test_%s.%d", what, (int)getpid());
    rng_init(&r, seed);
    int64_t start = clock_mono_us();
    rounds(count, &r, stem, &d);
    printf("%s: %u mutations, %u with valid lengths and checksums (%.0f %%): %u errors, %u read whole, %.1f s\n", what, d.count, d.valid,
           100.0 * d.valid / d.count, d.errors, d.read, (double)(clock_mono_us() - start) / 1e6);
    return 0;
}
