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

/* What is damaged: a good file of a format, and options that change how its bytes are taken. */
struct damage_case {
    const struct format_row *format;
    const char *schema;
    void (*put_good)(struct buf *out);
    struct damage_options {
        const char *name;
        const char *values[5];
    } choices[16];
};

static inline void damage_round(const struct damage_case *c, const struct buf *good, const char *stem, struct rng *r, struct damage *d)
{
    static const char *const extensions[] = STREAM_EXTENSIONS("");
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
    scan_init(&s, c->format);
    s.account.limit = 64 << 20;
    for (const struct damage_options *o = c->choices; o < c->choices + ARRAY_LEN(c->choices) && o->name; o++) {
        unsigned n = 0;
        while (n < ARRAY_LEN(o->values) && o->values[n])
            n++;
        unsigned pick = (unsigned)rng_below(r, n * 2); /* half of them stay as they are */
        if (pick < n)
            scan_option(&s, o->name, o->values[pick]);
    }
    int rc = 0;
    if (rng_below(r, 2))
        rc = scan_infer(&s, path, &err);
    else
        scan_schema(&s, c->schema);
    bool split = rc == 0 && c->format->splittable(&s.options, path) && rng_below(r, 2);
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

static inline void damage_rounds(const struct damage_case *c, unsigned count, struct rng *r, const char *stem, struct damage *d)
{
    struct buf good = BUF_INIT;
    c->put_good(&good);
    for (unsigned i = 0; i < count; i++)
        damage_round(c, &good, stem, r, d);
    buf_fini(&good);
}

/* So many of 500 damaged files at least are errors, and so many are read. */
static inline void check_damage(const struct damage_case *c, uint64_t seed, unsigned errors, unsigned read)
{
    struct damage d = {0};
    struct rng r;
    rng_init(&r, seed);
    damage_rounds(c, 500, &r, scan_path, &d);
    ck_assert_uint_gt(d.errors, errors);
    ck_assert_uint_gt(d.read, read);
    ck_assert_uint_gt(d.valid * 2, d.count);
}

/* PROGRAM mutate COUNT SEED; -1 when that is not what the command line says. */
static inline int tool_mutate(const struct damage_case *c, int argc, char **argv)
{
    struct damage d = {0};
    struct rng r;
    char stem[64];
    if (argc != 4 || strcmp(argv[1], "mutate") != 0)
        return -1;
    snprintf(stem, sizeof stem, "/dev/shm/test_%s.%d", c->format->name, (int)getpid());
    rng_init(&r, strtoull(argv[3], NULL, 10));
    int64_t start = clock_mono_us();
    damage_rounds(c, (unsigned)strtoul(argv[2], NULL, 10), &r, stem, &d);
    printf("%s: %u mutations, %u with valid lengths and checksums (%.0f %%): %u errors, %u read whole, %.1f s\n", c->format->name, d.count,
           d.valid, 100.0 * d.valid / d.count, d.errors, d.read, (double)(clock_mono_us() - start) / 1e6);
    return 0;
}
