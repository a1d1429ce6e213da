/*
 * What the fuzz targets of text formats share: the first bytes of the input choose options, the rest is a file that is
 * inferred, read whole and read in two parts. Rows or an error must come back, with no memory left.
 */
#pragma once

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/format/provider.h"

struct fuzz_choice {
    const char *name, *value;
};

static inline int fuzz_read(const struct format_row *format, const struct schema *sch, const struct options *o, const char *path,
                            uint64_t start, uint64_t length, struct error *err)
{
    static const struct query_ctx cx = {.ansi = true, .zone_name = "UTC"};
    struct account account;
    struct arena ar;
    struct reader *r = NULL;
    struct batch *b;
    arena_init(&ar);
    account_init(&account, "fuzz", NULL, 64 << 20);
    uint32_t *cols = ARENA_ARRAY(&ar, uint32_t, sch->count);
    for (uint32_t i = 0; i < sch->count; i++)
        cols[i] = i;
    struct scan_spec spec = {.format = format->name, .options = *o, .file_schema = *sch, .column_count = sch->count, .columns = cols, .cx = &cx};
    struct file_split split = {.path = path, .start = start, .length = length};
    int rc = format->open(&spec, &split, &account, &r, err);
    while (rc == 0 && (rc = format->next(r, &b, err)) == 0 && b)
        for (uint32_t i = 0; i < b->col_count; i++)
            for (uint32_t k = 0; k < b->sel_count; k++) {
                struct buf text = BUF_INIT;
                column_format(&b->cols[i], b->sel ? b->sel[k] : k, NULL, "NULL", &text);
                buf_fini(&text);
            }
    format->close(r);
    ASSERT(account.used == 0);
    arena_fini(&ar);
    return rc;
}

/* path holds the file. schema: "struct<...>", or NULL to infer one. */
static inline void fuzz_file(const struct format_row *format, const char *path, size_t bytes, const struct options *o, const char *schema)
{
    static const struct query_ctx cx = {.ansi = true, .zone_name = "UTC"};
    struct error err = ERROR_INIT;
    struct arena ar;
    struct schema sch = {0};
    const struct type *t;
    arena_init(&ar);
    int rc = 0;
    if (schema) {
        rc = type_parse(schema, &t, &err);
        ASSERT(rc == 0);
        sch.count = t->child_count;
        sch.fields = ARENA_ARRAY(&ar, struct field, t->child_count);
        for (uint32_t i = 0; i < t->child_count; i++)
            sch.fields[i] = (struct field){t->names[i], t->children[i], true};
    } else {
        rc = format->infer(o, &path, 1, &cx, &ar, &sch, &err);
    }
    if (rc == 0)
        rc = fuzz_read(format, &sch, o, path, 0, UINT64_MAX, &err);
    if (rc == 0 && format->splittable(o, path) && bytes > 1) {
        rc = fuzz_read(format, &sch, o, path, 0, bytes / 2, &err);
        if (rc == 0)
            rc = fuzz_read(format, &sch, o, path, bytes / 2, bytes, &err);
    }
    ASSERT(err.code != ERR_INTERNAL);
    error_fini(&err);
    arena_fini(&ar);
}

/* Bits of the first bytes choose among the options; the rest is the file. */
static inline void fuzz_format(const struct format_row *format, const uint8_t *data, size_t bytes, const struct fuzz_choice *choices,
                               unsigned choice_count, const char *schema)
{
    struct option items[16];
    struct options o = {.items = items};
    char path[64];
    if (bytes < 3)
        return;
    unsigned bits = data[0] | (unsigned)data[1] << 8;
    for (unsigned i = 0; i < choice_count && i < ARRAY_LEN(items); i++)
        if (bits >> i & 1)
            items[o.count++] = (struct option){choices[i].name, choices[i].value};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, data + 3, bytes - 3) == (ssize_t)(bytes - 3)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        fuzz_file(format, path, bytes - 3, &o, data[2] & 1 ? schema : NULL);
    }
    close(fd);
}
