/*
 * Files read and written through a format's row, for the unit tests of text formats and the checks that compare them
 * with other engines. Everything is static.
 */
#pragma once

#include <sys/stat.h>

#include "common/format/provider.h"
#include "tests/unit/files.h"
#include "tests/unit/suite.h"

static const struct query_ctx scan_cx = {.ansi = true, .zone_name = "UTC"};

/* ---- scans ---- */

struct scan {
    const struct format_row *format;
    struct arena ar;
    struct options options;
    uint32_t option_cap;
    struct schema sch;
    struct scan_spec spec;
    struct account account;
    struct reader *r;
};

static inline void scan_option(struct scan *s, const char *name, const char *value)
{
    struct option o = {arena_strdup(&s->ar, name), arena_strdup(&s->ar, value)};
    ARENA_PUSH(&s->ar, s->options.items, s->options.count, s->option_cap, o);
}

/* Options as "name=value", ended by NULL. */
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((const char *const[]){NULL})
static inline void scan_options(struct scan *s, const char *const *texts)
{
    for (; *texts; texts++) {
        char *name = arena_strdup(&s->ar, *texts), *eq = strchr(name, '=');
        if (!eq)
            exit(2);
        *eq = 0;
        scan_option(s, name, eq + 1);
    }
}

static inline void scan_init(struct scan *s, const struct format_row *format)
{
    *s = (struct scan){.format = format};
    arena_init(&s->ar);
    account_init(&s->account, "test", NULL, INT64_MAX);
}

/* "a int, b string": one type a column, names without blanks. */
static inline void scan_schema(struct scan *s, const char *text)
{
    struct error err = ERROR_INIT;
    struct buf whole = BUF_INIT;
    const struct type *t;
    buf_adds(&whole, "struct<");
    for (const char *p = text; *p; p++) /* "a int" is "a:int", blanks of types stay */
        buf_addc(&whole, *p);
    buf_addc(&whole, '>');
    must(type_parse(whole.data, &t, &err), &err);
    s->sch.count = t->child_count;
    s->sch.fields = ARENA_ARRAY(&s->ar, struct field, t->child_count);
    for (uint32_t i = 0; i < t->child_count; i++)
        s->sch.fields[i] = (struct field){t->names[i], t->children[i], true};
    buf_fini(&whole);
}

static inline int scan_infer(struct scan *s, const char *path, struct error *err)
{
    return s->format->infer(&s->options, &path, 1, &scan_cx, &s->ar, &s->sch, err);
}

/* All columns, or those whose ordinals are given. */
static inline int scan_open(struct scan *s, const char *path, uint64_t start, uint64_t length, const uint32_t *columns,
                            uint32_t count, struct error *err)
{
    uint32_t *cols = ARENA_ARRAY(&s->ar, uint32_t, s->sch.count + count);
    for (uint32_t i = 0; i < (columns ? count : s->sch.count); i++)
        cols[i] = columns ? columns[i] : i;
    s->spec = (struct scan_spec){.format = s->format->name, .options = s->options, .file_schema = s->sch, .columns = cols,
                                 .column_count = columns ? count : s->sch.count, .conjuncts = s->spec.conjuncts,
                                 .conjunct_count = s->spec.conjunct_count, .cx = &scan_cx};
    struct file_split split = {.path = path, .start = start, .length = length};
    return s->format->open(&s->spec, &split, &s->account, &s->r, err);
}

static inline int scan_rows(struct scan *s, struct buf *out, uint64_t *ret_rows, struct error *err)
{
    struct batch *b;
    for (;;) {
        int rc = s->format->next(s->r, &b, err);
        if (rc || !b)
            return rc;
        ASSERT(b->sel_count <= b->rows && b->rows <= batch_rows());
        if (ret_rows)
            *ret_rows += b->sel_count;
        for (uint32_t k = 0; k < b->sel_count && out; k++) {
            for (uint32_t i = 0; i < b->col_count; i++) {
                if (i)
                    buf_addc(out, '|');
                column_format(&b->cols[i], b->sel ? b->sel[k] : k, NULL, "NULL", out);
            }
            buf_addc(out, '\n');
        }
    }
}

static inline void scan_end(struct scan *s)
{
    s->format->close(s->r);
    s->r = NULL;
    ASSERT(s->account.used == 0);
}

static inline void scan_fini(struct scan *s)
{
    scan_end(s);
    arena_fini(&s->ar);
}

/* The rest of what s reads, to a file of a format. */
static inline void scan_copy(struct scan *s, const struct format_row *format, const struct options *options, const char *path,
                             uint64_t *ret_rows, uint64_t *ret_bytes)
{
    struct error err = ERROR_INIT;
    struct account account;
    struct writer *w;
    struct batch *b;
    account_init(&account, "write", NULL, INT64_MAX);
    must(format->create(options, &s->sch, path, &scan_cx, &account, &w, &err), &err);
    for (;;) {
        must(s->format->next(s->r, &b, &err), &err);
        if (!b)
            break;
        must(format->write(w, b, &err), &err);
    }
    must(format->finish(w, ret_rows, ret_bytes, &err), &err);
    ASSERT(account.used == 0);
}

/* ---- tools: PROGRAM copy|scan ... ---- */

/* copy IN_FORMAT IN OUT_FORMAT OUT [name=value...]: options are those of the written file. */
static inline int tool_copy(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct scan s, out;
    uint64_t rows, bytes;
    if (argc < 6 || !format_find(argv[2]) || !format_find(argv[4]))
        return 2;
    scan_init(&s, format_find(argv[2]));
    scan_init(&out, format_find(argv[4]));
    scan_options(&out, (const char *const *)argv + 6);
    must(scan_infer(&s, argv[3], &err), &err);
    must(scan_open(&s, argv[3], 0, UINT64_MAX, NULL, 0, &err), &err);
    for (uint32_t i = 0; i < s.sch.count; i++)
        must(out.format->can_write(s.sch.fields[i].type, s.sch.fields[i].name, &err), &err);
    scan_copy(&s, out.format, &out.options, argv[5], &rows, &bytes);
    printf("%llu rows, %llu bytes, %s\n", (unsigned long long)rows, (unsigned long long)bytes, out.format->extension(&out.options));
    scan_fini(&s);
    scan_fini(&out);
    return 0;
}

/* scan FORMAT FILE SCHEMA|- COLUMN,COLUMN|* REPEAT [name=value...]: the speed of reading. */
static inline int tool_scan(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct scan s;
    struct stat st;
    if (argc < 7 || !format_find(argv[2]) || stat(argv[3], &st) != 0)
        return 2;
    scan_init(&s, format_find(argv[2]));
    scan_options(&s, (const char *const *)argv + 7);
    if (strcmp(argv[4], "-") == 0)
        must(scan_infer(&s, argv[3], &err), &err);
    else
        scan_schema(&s, argv[4]);
    uint32_t cols[256], count = 0;
    for (char *p = argv[5]; *argv[5] != '*' && *p && count < 256; p += *p == ',')
        cols[count++] = (uint32_t)strtoul(p, &p, 10);
    for (int i = 0; i < (int)strtol(argv[6], NULL, 10); i++) {
        uint64_t rows = 0;
        int64_t start = clock_mono_us();
        must(scan_open(&s, argv[3], 0, UINT64_MAX, *argv[5] == '*' ? NULL : cols, count, &err), &err);
        must(scan_rows(&s, NULL, &rows, &err), &err);
        double secs = (double)(clock_mono_us() - start) / 1e6;
        printf("%llu rows, %.3f s, %.0f MB/s\n", (unsigned long long)rows, secs, (double)st.st_size / 1e6 / secs);
        scan_end(&s);
    }
    scan_fini(&s);
    return 0;
}

/* ---- checks that every text format stands ---- */

static char scan_path[64];
static inline void scan_path_setup(void)
{
    snprintf(scan_path, sizeof scan_path, "%s/test_format.%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
}
static inline void scan_path_teardown(void)
{
    unlink(scan_path);
}

/* All rows of [start, start + length) of the file, or the error's class in brackets. */
static inline void scan_part(struct scan *s, const char *path, uint64_t start, uint64_t length, struct buf *out)
{
    struct error err = ERROR_INIT;
    int rc = scan_open(s, path, start, length, NULL, 0, &err);
    if (rc == 0)
        rc = scan_rows(s, out, NULL, &err);
    if (rc)
        buf_addf(out, "[%s]\n", errcode_id(err.code));
    error_fini(&err);
    scan_end(s);
}

struct split_file {
    const char *text, *option; /* or NULL */
};

/* However the file is cut in two or three, each row is read exactly once, in order. */
static inline void check_splits_of(struct scan *s, const char *text, size_t bytes)
{
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    write_whole(scan_path, text, bytes);
    scan_part(s, scan_path, 0, UINT64_MAX, &whole);
    ck_assert(s->format->splittable(&s->options, scan_path));
    for (size_t a = 1; a < bytes; a++) {
        size_t b = a + (a * 7 + 3) % (bytes - a);
        buf_reset(&parts);
        scan_part(s, scan_path, 0, a, &parts);
        scan_part(s, scan_path, a, b - a, &parts);
        scan_part(s, scan_path, b, bytes - b, &parts);
        if (parts.bytes != whole.bytes || memcmp(parts.data, whole.data, whole.bytes) != 0)
            ck_abort_msg("cut at %zu and %zu:\n%s\nnot\n%s", a, b, parts.data, whole.data);
    }
    buf_fini(&whole);
    buf_fini(&parts);
}

static inline void check_splits(const struct format_row *format, const char *schema, const struct split_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scan s;
        scan_init(&s, format);
        scan_options(&s, OPTIONS(files[i].option));
        scan_schema(&s, schema);
        check_splits_of(&s, files[i].text, strlen(files[i].text));
        scan_fini(&s);
    }
}

/* What a text gives under options, rows as lines of cells between bars. */
static inline void check_rows(const struct format_row *format, const char *schema, const char *text, const char *const *options,
                              const char *want)
{
    struct scan s;
    struct buf got = BUF_INIT;
    struct error err = ERROR_INIT;
    int rc = 0;
    write_whole(scan_path, text, strlen(text));
    scan_init(&s, format);
    scan_options(&s, options);
    if (schema)
        scan_schema(&s, schema);
    else
        rc = scan_infer(&s, scan_path, &err);
    if (rc)
        buf_addf(&got, "[%s]\n", errcode_id(err.code));
    else
        scan_part(&s, scan_path, 0, UINT64_MAX, &got);
    error_fini(&err);
    ck_assert_str_eq(got.data ? got.data : "", want);
    buf_fini(&got);
    scan_fini(&s);
}
