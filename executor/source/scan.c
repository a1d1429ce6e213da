/* Files: the splits of the task, one reader after another. */
#include <errno.h>
#include <unistd.h>

#include "executor/op/op.h"

struct scan_op {
    struct op op;
    uint32_t at; /* next of the task's splits */
    const struct format_row *format;
    struct reader *reader;
    struct scan_filter filters[SCAN_FILTERS_MAX];
    uint32_t filter_count;
};

static int scan_compile(struct node_code *nc, struct error *err)
{
    const struct format_row *f = format_find(nc->node->scan->format);
    if (!f)
        return error_setf(err, ERR_INTERNAL, "message", "there is no format %s", nc->node->scan->format);
    nc->priv = (void *)(uintptr_t)f;
    return 0;
}

static int scan_open(struct op *op, struct error *err)
{
    (void)err;
    struct scan_op *s = (struct scan_op *)op;
    s->format = op->nc->priv;
    s->at = 0;
    s->filter_count = 0;
    return 0;
}

void scan_set_filters(struct op *scan, struct op **chain, uint32_t count)
{
    struct scan_op *s = (struct scan_op *)scan;
    if (s->format->filter)
        s->filter_count = chain_filters(chain, count, s->filters);
}

static void end_reader(struct scan_op *s)
{
    if (!s->reader)
        return;
    struct reader_metrics m = {0};
    s->format->metrics(s->reader, &m);
    s->op.task->metrics.rows_in += m.rows_read;
    s->op.task->metrics.bytes_in += m.bytes_read;
    s->format->close(s->reader);
    s->reader = NULL;
}

/* The driver has seen the file: when it is not there for us, that is what went wrong, not what the format says. */
static void explain_missing(const char *path, struct error *err)
{
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return;
    error_fini(err);
    error_set(err, ERR_FILE_READ, "path", path, "message",
              "this executor does not see the file, which the driver has listed: it was removed since, or its path is not one that is "
              "visible to the driver and to every executor",
              NULL);
}

/* Opens the next split of this scan: OP_MORE, or OP_DONE when none is left. */
static enum op_status open_split(struct scan_op *s, struct error *err)
{
    const struct task_spec *spec = s->op.task->spec;
    while (s->at < spec->split_count && spec->splits[s->at].scan_index != s->op.node->scan_index)
        s->at++;
    if (s->at == spec->split_count)
        return OP_DONE;
    const struct task_split *ts = &spec->splits[s->at++];
    arena_reset(&s->op.ar); /* the split's memory lives as long as its reader */
    struct file_split split;
    const char *at = ts->bytes;
    int rc = file_split_decode(&s->op.ar, &at, at + ts->byte_count, &split, err);
    if (rc == 0)
        rc = s->format->open(s->op.node->scan, &split, &s->op.account, &s->reader, err);
    if (rc != 0 && rc != ERR_TASK_MEMORY)
        explain_missing(split.path, err);
    if (rc == 0 && s->filter_count)
        s->format->filter(s->reader, s->filters, s->filter_count);
    return rc ? OP_ERROR : OP_MORE;
}

static enum op_status scan_next(struct op *op, struct batch **ret, struct error *err)
{
    struct scan_op *s = (struct scan_op *)op;
    for (;;) {
        if (!s->reader) {
            enum op_status st = open_split(s, err);
            if (st != OP_MORE)
                return st;
        }
        struct batch *b = NULL;
        if (s->format->next(s->reader, &b, err))
            return OP_ERROR;
        if (b) {
            *ret = b;
            return OP_MORE;
        }
        end_reader(s);
        if (task_cancelled(op->task)) { /* splits of which nothing is read */
            op_cancelled(err);
            return OP_ERROR;
        }
    }
}

static void scan_close(struct op *op)
{
    end_reader((struct scan_op *)op);
}

const struct op_vtable op_scan = {
    .name = "Scan", .state_bytes = sizeof(struct scan_op), .compile = scan_compile, .open = scan_open,
    .next = scan_next, .close = scan_close,
};
