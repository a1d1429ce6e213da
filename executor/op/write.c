/*
 * Files: the sink of a write. Every attempt writes into a folder of its own below the write's folder, under plain
 * numbers; the manifest says under which names the driver will publish them. So nothing of it is visible before the
 * commit, attempts of one task never meet, and one sync at the end makes all of it durable.
 *
 * Without partition columns there is one file. With them the trailing columns of the input choose a folder key=value
 * for every row. The first few folders that turn up have their writer open to the end, so that rows sorted or
 * clustered by the partition columns stream through; rows of further folders are collected and written folder by
 * folder when they have become many, or at the end. A folder thus gets one file a task, unless memory is short.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/expr/context.h"
#include "common/format/manifest.h"
#include "common/format/partition.h"
#include "common/fs/file.h"
#include "common/fs/list.h"
#include "executor/op/groups.h"
#include "executor/op/op.h"

enum { OPEN_MAX = 16, REST_BYTES_MAX = 256 << 20, REST_BYTES_MIN = 1 << 20, NO_FOLDER = UINT32_MAX };

struct write_code {
    const struct format_row *format;
    struct schema data;        /* columns that the files hold */
    uint32_t part_count;
    struct key_spec keys;      /* of the partition columns */
    const struct type **rest_types; /* data columns, then the folder's number */
    uint64_t records_max;      /* of a file; 0: any */
};

struct folder {
    char *name;                /* "a=1/b=2"; "" without partitions */
    struct writer *writer;     /* or NULL */
    uint64_t rows;             /* in the open file */
    uint32_t files;
    bool direct;               /* its rows are written as they come, not collected */
    uint32_t first, last;      /* rows of the batch at hand, a list in `next` */
};

struct out_file {
    char *path;                /* below the target */
    uint64_t rows, bytes;
};

struct write_op {
    struct op op;
    const struct write_code *code;
    struct folder *folders;
    uint32_t folder_count, folder_cap, direct_count;
    struct strmap names;       /* folder name -> number + 1: null and '' are one folder */
    struct groups groups;      /* partition values -> number + 1 */
    struct out_file *files;
    uint32_t file_count, file_cap;
    uint32_t *file_of, file_of_cap; /* by folder: the file that its writer writes */
    struct builder rest;
    bool has_rest, made, finished;
    int since;                 /* once made: the file system, from before anything was written (fs_since) */
    uint32_t closing;          /* finish: the next folder to close */
    /* scratch of a batch */
    uint64_t *key_words, *hashes;
    char **rows;
    uint32_t *next, *touched, *idx;
    int32_t *number;
    uint16_t *sel;
    struct column *cols;
};

/* ---- compiling ---- */

static int write_compile(struct node_code *nc, struct error *err)
{
    const struct pnode *n = nc->node;
    struct arena *ar = &nc->stage->ar;
    struct write_code *c = ARENA_NEW(ar, struct write_code);
    const struct schema *in = &n->out;
    c->format = format_find(n->write_format);
    if (!c->format || !c->format->create)
        return error_setf(err, ERR_INTERNAL, "message", "the format %s cannot be written", n->write_format);
    c->part_count = n->write_partition_count;
    c->data = (struct schema){in->count - c->part_count, ARENA_ARRAY(ar, struct field, in->count)};
    c->rest_types = ARENA_ARRAY(ar, const struct type *, in->count + 1);
    for (uint32_t i = 0; i < c->data.count; i++) {
        c->data.fields[i] = (struct field){in->fields[i].name, in->fields[i].type, true};
        c->rest_types[i] = in->fields[i].type;
    }
    c->rest_types[c->data.count] = type_of(TYPE_INT);
    const char *max = options_get(&n->write_options, "maxRecordsPerFile");
    c->records_max = max && atoll(max) > 0 ? (uint64_t)atoll(max) : 0;
    nc->priv = c;
    if (c->part_count == 0)
        return 0;
    return key_spec_init(ar, c->part_count, nc->in_types + c->data.count, NULL, NULL, &c->keys, err);
}

static int write_open(struct op *op, struct error *err)
{
    (void)err;
    struct write_op *w = (struct write_op *)op;
    const struct write_code *c = w->code = op->nc->priv;
    ASSERT(op->task->spec->write_attempt_dir);
    strmap_init(&w->names);
    if (c->part_count)
        groups_init(&w->groups, &c->keys, 8, &op->account);
    w->made = w->finished = w->has_rest = false;
    w->closing = 0;
    if (w->sel)
        return 0;
    w->sel = xcalloc(BATCH_ROWS, sizeof *w->sel);
    w->cols = xcalloc(c->data.count + 1, sizeof *w->cols);
    if (c->part_count) {
        w->key_words = xcalloc((size_t)BATCH_ROWS * c->keys.words, sizeof *w->key_words);
        w->hashes = xcalloc(BATCH_ROWS, sizeof *w->hashes);
        w->rows = xcalloc(BATCH_ROWS, sizeof *w->rows);
        w->next = xcalloc(BATCH_ROWS, sizeof *w->next);
        w->touched = xcalloc(BATCH_ROWS, sizeof *w->touched);
        w->idx = xcalloc(BATCH_ROWS, sizeof *w->idx);
        w->number = xcalloc(BATCH_ROWS, sizeof *w->number);
    }
    return 0;
}

/* ---- one file ---- */

static const char *attempt_folder(const struct write_op *w)
{
    return w->op.task->spec->write_attempt_dir;
}

/* The write's folder was made by the driver: an executor that does not see it must not make one of its own. */
static int make_attempt_folder(struct write_op *w, struct error *err)
{
    if (w->made)
        return 0;
    if (mkdir(attempt_folder(w), 0777) != 0 && errno != EEXIST) {
        if (errno != ENOENT)
            return fs_failed(err, ERR_FILE_WRITE, attempt_folder(w), errno);
        return error_set(err, ERR_FILE_WRITE, "path", w->op.node->write_dir, "message",
                         "this executor does not see the folder that the driver has made there: paths must be visible to the driver and to every executor",
                         NULL);
    }
    w->made = true;
    w->since = -1;
    return fs_since(attempt_folder(w), &w->since, err);
}

static char *file_name(struct write_op *w, uint32_t number)
{
    return arena_printf(&w->op.ar, "%s/%u", attempt_folder(w), number);
}

/* part-00003-<the write's id>-c000.snappy.parquet, with a dot before the c in partition folders, as Spark has it. */
static char *final_path(const struct write_op *w, const struct folder *f)
{
    const char *dir = attempt_folder(w), *stop = strrchr(dir, '/'), *id = stop;
    while (id > dir && id[-1] != '/')
        id--;
    return xasprintf("%s%spart-%05u-%.*s%cc%03u%s", f->name, *f->name ? "/" : "", w->op.task->spec->partition, (int)(stop - id), id,
                     w->code->part_count ? '.' : '-', f->files, w->code->format->extension(&w->op.node->write_options));
}

static int open_file(struct write_op *w, struct folder *f, struct error *err)
{
    uint32_t number = w->file_count, at = (uint32_t)(f - w->folders);
    TRY(make_attempt_folder(w, err));
    TRY(w->code->format->create(&w->op.node->write_options, &w->code->data, file_name(w, number), &w->op.task->code->plan->cx, &w->op.account,
                                &f->writer, err));
    ARRAY_GROW(w->files, w->file_count, w->file_cap);
    w->files[w->file_count++] = (struct out_file){.path = final_path(w, f)};
    ARRAY_RESERVE(w->file_of, at + 1, w->file_of_cap);
    w->file_of[at] = number;
    f->rows = 0;
    f->files++;
    return 0;
}

static int close_file(struct write_op *w, struct folder *f, struct error *err)
{
    struct out_file *file = &w->files[w->file_of[f - w->folders]];
    struct writer *writer = f->writer;
    f->writer = NULL;
    TRY(w->code->format->finish(writer, &file->rows, &file->bytes, err));
    w->op.task->metrics.bytes_out += file->bytes;
    w->op.task->metrics.files_written++;
    return 0;
}

/* Writes the n rows sel (NULL: 0 to n - 1) of the data columns to the folder, file after file as records_max says. */
static int write_rows(struct write_op *w, struct folder *f, const struct batch *b, const uint16_t *sel, uint32_t n, struct error *err)
{
    uint64_t max = w->code->records_max;
    for (uint32_t at = 0; at < n;) {
        if (!f->writer)
            TRY(open_file(w, f, err));
        uint32_t some = max && n - at > max - f->rows ? (uint32_t)(max - f->rows) : n - at;
        struct batch part = {.rows = b->rows, .col_count = w->code->data.count, .cols = b->cols, .sel = sel, .sel_count = n};
        if (some < n) {
            for (uint32_t i = 0; i < some; i++)
                w->sel[i] = sel ? sel[at + i] : (uint16_t)(at + i);
            part.sel = w->sel;
            part.sel_count = some;
        }
        TRY(w->code->format->write(f->writer, &part, err));
        f->rows += some;
        at += some;
        if (max && f->rows == max)
            TRY(close_file(w, f, err));
    }
    return 0;
}

/* ---- folders ---- */

static size_t grant(const struct write_op *w)
{
    const struct account *task = w->op.account.parent;
    return task && task->limit > 0 && task->limit < INT64_MAX ? (size_t)task->limit : SIZE_MAX;
}

/* A writer takes memory: further folders are collected once half of the grant is taken. */
static bool may_open(const struct write_op *w)
{
    const struct account *task = w->op.account.parent;
    return w->direct_count < OPEN_MAX && (!task || (size_t)__atomic_load_n(&task->used, __ATOMIC_RELAXED) < grant(w) / 2);
}

static uint32_t folder_add(struct write_op *w, const char *name)
{
    void *have = strmap_get(&w->names, name);
    if (have)
        return (uint32_t)(uintptr_t)have - 1;
    ARRAY_GROW(w->folders, w->folder_count, w->folder_cap);
    bool direct = may_open(w);
    w->folders[w->folder_count] = (struct folder){.name = xstrdup(name), .direct = direct, .first = NO_FOLDER, .last = NO_FOLDER};
    w->direct_count += direct;
    strmap_put(&w->names, name, (void *)(uintptr_t)(w->folder_count + 1));
    return w->folder_count++;
}

/* The one folder of a write without partition columns. */
static struct folder *whole(struct write_op *w)
{
    uint32_t number = folder_add(w, "");
    return &w->folders[number];
}

static uint32_t folder_of_row(struct write_op *w, const struct batch *b, uint32_t row)
{
    struct buf name = BUF_INIT;
    const struct schema *in = &w->op.node->out;
    for (uint32_t i = w->code->data.count; i < in->count; i++) {
        if (name.bytes)
            buf_addc(&name, '/');
        partition_folder(in->fields[i].name, &b->cols[i], row, w->op.task->code->plan->cx.zone, &name);
    }
    uint32_t number = folder_add(w, name.data);
    buf_fini(&name);
    return number;
}

/* The folder's number of each live row, into number[row]. */
static int choose_folders(struct write_op *w, const struct batch *b, struct error *err)
{
    const struct write_code *c = w->code;
    uint32_t n = b->sel_count;
    keys_encode(&c->keys, b->cols + c->data.count, b->sel, n, w->key_words, NULL, NULL, &w->op.ar);
    keys_hash(&c->keys, w->key_words, n, w->hashes);
    TRY(groups_find(&w->groups, w->key_words, w->hashes, n, w->rows, NULL, err));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *state = (uint64_t *)(void *)(w->rows[i] + w->groups.state_at);
        uint32_t row = b->sel ? b->sel[i] : i;
        if (*state == 0)
            *state = folder_of_row(w, b, row) + 1ull;
        w->number[row] = (int32_t)(*state - 1);
    }
    return groups_charge(&w->groups, err);
}

/* ---- rows of folders that have no open file ---- */

static size_t rest_bytes_max(const struct write_op *w)
{
    size_t quarter = grant(w) / 4;
    return quarter < REST_BYTES_MIN ? REST_BYTES_MIN : quarter < REST_BYTES_MAX ? quarter : REST_BYTES_MAX;
}

static int write_folder_rows(struct write_op *w, struct folder *f, const struct sealed *rest, const uint32_t *rows, uint32_t n,
                             struct error *err)
{
    for (uint32_t at = 0; at < n; at += batch_rows()) {
        uint32_t some = n - at < batch_rows() ? n - at : batch_rows();
        if (task_cancelled(w->op.task))
            return op_cancelled(err);
        arena_reset(&w->op.ar);
        for (uint32_t i = 0; i < w->code->data.count; i++)
            w->cols[i] = column_gather(&rest->cols[i], rows + at, some, &w->op.ar);
        struct batch b = {.rows = some, .col_count = w->code->data.count, .cols = w->cols, .sel_count = some};
        TRY(write_rows(w, f, &b, NULL, some, err));
    }
    return f->writer ? close_file(w, f, err) : 0;
}

/* Writes what was collected, folder by folder in the order of their numbers, rows in the order they came. */
static int drain_rest(struct write_op *w, struct error *err)
{
    struct sealed *rest = w->has_rest ? builder_seal(&w->rest) : NULL;
    if (!rest)
        return 0;
    const int32_t *number = rest->cols[w->code->data.count].data;
    size_t bytes = ((size_t)w->folder_count + 1 + rest->rows) * sizeof(uint32_t);
    int rc = account_reserve(&w->op.account, bytes, err);
    uint32_t *starts = rc == 0 ? xcalloc(w->folder_count + 1, sizeof *starts) : NULL, *rows = rc == 0 ? xcalloc(rest->rows, sizeof *rows) : NULL;
    if (rc == 0) {
        for (uint32_t i = 0; i < rest->rows; i++)
            starts[number[i] + 1]++;
        for (uint32_t f = 0; f < w->folder_count; f++)
            starts[f + 1] += starts[f];
        for (uint32_t i = 0; i < rest->rows; i++)
            rows[starts[number[i]]++] = i;
        /* starts[f] is the end of f now */
        for (uint32_t f = 0, from = 0; f < w->folder_count && rc == 0; from = starts[f++]) {
            if (starts[f] > from)
                rc = write_folder_rows(w, &w->folders[f], rest, rows + from, starts[f] - from, err);
        }
        account_release(&w->op.account, bytes);
    }
    xfree(starts);
    xfree(rows);
    sealed_unref(rest);
    return rc;
}

static int keep_rows(struct write_op *w, const struct batch *b, uint32_t n, struct error *err)
{
    const struct write_code *c = w->code;
    if (!w->has_rest)
        builder_init(&w->rest, c->data.count + 1, c->rest_types, &w->op.account);
    w->has_rest = true;
    memcpy(w->cols, b->cols, c->data.count * sizeof *w->cols);
    w->cols[c->data.count] = (struct column){.type = type_of(TYPE_INT), .phys = PHYS_I32, .kind = COL_FLAT, .rows = b->rows, .data = w->number};
    struct batch part = {.rows = b->rows, .col_count = c->data.count + 1, .cols = w->cols, .sel_count = b->rows};
    TRY(builder_append_rows(&w->rest, &part, w->idx, n, err));
    return w->rest.bytes > rest_bytes_max(w) ? drain_rest(w, err) : 0;
}

/* ---- pushing ---- */

/* The rows of the batch by folder: lists through next, the folders that have one in touched. */
static uint32_t sort_rows(struct write_op *w, const struct batch *b)
{
    uint32_t touched = 0;
    for (uint32_t i = 0; i < b->sel_count; i++) {
        uint32_t row = b->sel ? b->sel[i] : i, number = (uint32_t)w->number[row];
        struct folder *f = &w->folders[number];
        if (f->first == NO_FOLDER) {
            f->first = row;
            w->touched[touched++] = number;
        } else {
            w->next[f->last] = row;
        }
        f->last = row;
        w->next[row] = NO_FOLDER;
    }
    return touched;
}

static int push_partitioned(struct write_op *w, const struct batch *b, struct error *err)
{
    uint16_t sel[BATCH_ROWS];
    uint32_t kept = 0;
    int rc = choose_folders(w, b, err);
    uint32_t touched = rc == 0 ? sort_rows(w, b) : 0;
    for (uint32_t t = 0; t < touched; t++) {
        struct folder *f = &w->folders[w->touched[t]];
        uint32_t n = 0;
        for (uint32_t row = f->first; row != NO_FOLDER; row = w->next[row]) {
            if (f->direct)
                sel[n++] = (uint16_t)row;
            else
                w->idx[kept++] = row;
        }
        f->first = f->last = NO_FOLDER;
        if (rc == 0 && f->direct)
            rc = write_rows(w, f, b, sel, n, err);
    }
    return rc == 0 && kept ? keep_rows(w, b, kept, err) : rc;
}

static enum op_status write_push(struct op *op, struct batch *b, struct error *err)
{
    struct write_op *w = (struct write_op *)op;
    op->task->metrics.rows_out += b->sel_count;
    arena_reset(&op->ar);
    int rc = w->code->part_count ? push_partitioned(w, b, err)
                                 : write_rows(w, whole(w), b, b->sel, b->sel_count, err);
    return rc ? OP_ERROR : OP_MORE;
}

/* ---- the end ---- */

static void put_manifest(struct write_op *w)
{
    struct arena *ar = &w->op.ar;
    struct manifest m = {strrchr(attempt_folder(w), '/') + 1, w->file_count, ARENA_ARRAY(ar, struct manifest_entry, w->file_count)};
    for (uint32_t i = 0; i < w->file_count; i++)
        m.entries[i] = (struct manifest_entry){arena_printf(ar, "%u", i), w->files[i].path, w->files[i].rows, w->files[i].bytes};
    manifest_encode(&m, &w->op.task->manifest);
}

/* Files and names, before anybody is told of them. */
static int sync_files(struct write_op *w, struct error *err)
{
    const char **paths = ARENA_ARRAY(&w->op.ar, const char *, w->file_count + 1);
    paths[0] = attempt_folder(w);
    for (uint32_t i = 0; i < w->file_count; i++)
        paths[i + 1] = file_name(w, i);
    return fs_sync_all(w->since, paths, w->file_count + 1, err);
}

static int finish_step(struct write_op *w, bool *ret_done, struct error *err)
{
    /* A write without any row still says what its columns are. */
    if (!w->code->part_count && w->op.task->spec->partition == 0 && w->file_count == 0)
        TRY(open_file(w, whole(w), err));
    while (w->closing < w->folder_count && !w->folders[w->closing].writer)
        w->closing++;
    *ret_done = w->closing == w->folder_count;
    if (!*ret_done)
        return close_file(w, &w->folders[w->closing++], err);
    TRY(drain_rest(w, err));
    if (w->made)
        TRY(sync_files(w, err));
    arena_reset(&w->op.ar);
    put_manifest(w);
    w->finished = true;
    return 0;
}

static enum op_status write_finish(struct op *op, struct error *err)
{
    bool done = false;
    if (finish_step((struct write_op *)op, &done, err) != 0)
        return OP_ERROR;
    return done ? OP_DONE : OP_MORE;
}

/* A failed attempt leaves nothing; the last one out of a write that was aborted takes its folder along. */
static void remove_files(struct write_op *w)
{
    struct error err = ERROR_INIT;
    if (fs_remove(attempt_folder(w), &err) != 0)
        error_fini(&err);
    char *folder = xstrdup(attempt_folder(w));
    for (int up = 0; up < 2; up++) { /* ID, _temporary; the driver's lock keeps them while the write lives */
        *strrchr(folder, '/') = 0;
        if (rmdir(folder) != 0)
            break;
    }
    xfree(folder);
}

static void write_close(struct op *op)
{
    struct write_op *w = (struct write_op *)op;
    for (uint32_t i = 0; i < w->folder_count; i++) {
        w->code->format->discard(w->folders[i].writer);
        xfree(w->folders[i].name);
    }
    for (uint32_t i = 0; i < w->file_count; i++)
        xfree(w->files[i].path);
    w->folder_count = w->file_count = w->direct_count = 0;
    if (w->has_rest)
        builder_fini(&w->rest);
    w->has_rest = false;
    strmap_fini(&w->names);
    groups_close(&w->groups);
    if (w->made && !w->finished)
        remove_files(w);
    if (w->made && w->since >= 0)
        close(w->since);
    w->made = false;
}

static void write_fini(struct op *op)
{
    struct write_op *w = (struct write_op *)op;
    xfree(w->folders);
    xfree(w->files);
    xfree(w->file_of);
    xfree(w->key_words);
    xfree(w->hashes);
    xfree(w->rows);
    xfree(w->next);
    xfree(w->touched);
    xfree(w->idx);
    xfree(w->number);
    xfree(w->sel);
    xfree(w->cols);
}

const struct op_vtable op_sink_write = {
    .name = "Write", .state_bytes = sizeof(struct write_op), .compile = write_compile, .open = write_open, .push = write_push,
    .finish = write_finish, .close = write_close, .fini = write_fini,
};
