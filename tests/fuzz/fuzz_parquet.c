/*
 * A whole Parquet file from the outside: footer, statistics, then every column that has a type. Checksums
 * that do not match end most mutations early, so the corpus also has files without them, and
 * `test_parquet mutate` repairs them after mutating.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/format/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct query_ctx cx = {.ansi = true};
    struct error err = ERROR_INIT;
    struct options o = {0};
    struct arena ar;
    struct account account;
    struct schema sch;
    struct file_stats *stats;
    struct reader *r = NULL;
    struct batch *b;
    char path[64];
    const char *paths = path;
    int fd = memfd_create("parquet", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    if (write(fd, data, bytes) != (ssize_t)bytes) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    arena_init(&ar);
    account_init(&account, "fuzz", NULL, 64 << 20);
    if (format_parquet.infer(&o, &paths, 1, &cx, &ar, &sch, &err) == 0 &&
        format_parquet.stats(path, &sch, &ar, &stats, &err) == 0) {
        struct scan_spec spec = {.format = "parquet", .file_schema = sch, .column_count = sch.count, .cx = &cx};
        struct file_split split = {.path = path, .length = UINT64_MAX};
        uint32_t *cols = ARENA_ARRAY(&ar, uint32_t, sch.count);
        for (uint32_t i = 0; i < sch.count; i++)
            cols[i] = i;
        spec.columns = cols;
        struct prune *prunes = ARENA_ARRAY(&ar, struct prune, sch.count);
        struct value *values = ARENA_ARRAY(&ar, struct value, sch.count);
        for (uint32_t i = 0; i < sch.count && bytes % 2; i++) { /* every other file goes through its page index, too */
            if (type_is_nested(sch.fields[i].type))
                continue;
            values[i].type = sch.fields[i].type;
            if (type_phys(sch.fields[i].type) == PHYS_STR)
                values[i].s.ptr = "value 5", values[i].s.bytes = 7;
            else if (sch.fields[i].type->id == TYPE_FLOAT || sch.fields[i].type->id == TYPE_DOUBLE)
                values[i].f = 0.5;
            else
                values[i].i = 5; /* decimals: the low half of zeroes */
            prunes[spec.prune_count++] = (struct prune){i, (enum prune_op)((bytes / 2 + i) % (PRUNE_PREFIX + 1)), 1, &values[i]};
        }
        for (uint32_t i = 0; i < spec.prune_count; i++)
            if (prunes[i].op == PRUNE_PREFIX && type_phys(prunes[i].values->type) != PHYS_STR)
                prunes[i].op = PRUNE_GE;
        spec.prunes = prunes;
        if (format_parquet.open(&spec, &split, &account, &r, &err) == 0) {
            unsigned batches = 0; /* a few bytes may stand for a billion rows */
            while (batches++ < 64 && format_parquet.next(r, &b, &err) == 0 && b)
                for (uint32_t i = 0; i < b->col_count; i++) {
                    struct buf text = BUF_INIT;
                    column_format(&b->cols[i], b->sel ? b->sel[0] : 0, NULL, "NULL", &text);
                    buf_fini(&text);
                }
        }
        format_parquet.close(r);
    }
    ASSERT(account.used == 0);
    error_fini(&err);
    arena_fini(&ar);
    close(fd);
    return 0;
}
