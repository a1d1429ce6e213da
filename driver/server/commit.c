/*
 * The files of a write, from the driver's side: opened before its job is submitted, committed when the scheduler says
 * so, cleared when it gives the job up. common/format/commit.h does the work, on a planning worker; here are the
 * order of things and what the operation waits for. A failed operation ends when its files are gone, so that who reads
 * "failed" finds nothing, and an embedded driver is not killed over half of a removal.
 */
#include "driver/server/driver_impl.h"

static struct operation *operation_of(struct work *w)
{
    return (struct operation *)((char *)w - offsetof(struct operation, write.work));
}

static void submit(struct operation *op, void (*run)(struct work *w), void (*done)(struct work *w))
{
    ASSERT(!op->write.work.busy);
    op->write.work = (struct work){.run = run, .done = done};
    driver_submit_work(op->dr, &op->write.work);
}

/* ---- clearing ---- */

static void clear_run(struct work *w)
{
    struct op_write *wr = &operation_of(w)->write;
    if (wr->files)
        file_write_abort(wr->files);
}

static void clear_done(struct work *w)
{
    struct operation *op = operation_of(w);
    op->write.cleared = true;
    if (op->write.error.code)
        operation_end(op, &op->write.error);
}

void commit_clear(struct operation *op)
{
    ASSERT(op->state == OP_OPENING || op->state == OP_RUNNING || op->state == OP_COMMITTING);
    op->state = OP_CLEARING;
    submit(op, clear_run, clear_done);
}

void commit_end(struct operation *op, struct error *err)
{
    if (err->code && !op->write.cleared) {
        ASSERT(op->state == OP_CLEARING);
        error_fini(&op->write.error);
        error_move(&op->write.error, err);
        return;
    }
    operation_end(op, err);
}

/* ---- opening ---- */

static void open_run(struct work *w)
{
    struct operation *op = operation_of(w);
    const struct logical *lp = op->dag->write;
    if (file_write_begin(&lp->write_target, &op->write.files, &op->write.error) != 0)
        error_at(&op->write.error, lp->span);
}

static void open_done(struct work *w)
{
    struct operation *op = operation_of(w);
    if (op->write.error.code) {
        operation_end(op, &op->write.error);
    } else if (__atomic_load_n(&op->cancel, __ATOMIC_RELAXED)) {
        error_set(&op->write.error, ERR_CANCELLED, "reason", "", NULL);
        commit_clear(op);
    } else {
        operation_run(op);
    }
}

void commit_open(struct operation *op)
{
    op->state = OP_OPENING;
    submit(op, open_run, open_done);
}

/* ---- committing ---- */

static void files_run(struct work *w)
{
    struct operation *op = operation_of(w);
    struct op_write *wr = &op->write;
    if (file_write_commit(wr->files, wr->manifests, wr->manifest_bytes, op->part_count, &wr->done, &wr->error) != 0)
        error_at(&wr->error, op->dag->write->span);
}

static void files_done(struct work *w)
{
    struct operation *op = operation_of(w);
    struct error err = ERROR_INIT;
    error_move(&err, &op->write.error);
    driver_event(op->dr, &(struct sched_event){.kind = SCHED_COMMIT_DONE, .job_id = op->job_id, .error = err.code ? &err : NULL});
}

void commit_run(struct operation *op, uint32_t stage)
{
    struct op_write *wr = &op->write;
    ASSERT(op->state == OP_RUNNING);
    op->state = OP_COMMITTING;
    wr->manifests = ARENA_ARRAY(&op->ar, const void *, op->part_count);
    wr->manifest_bytes = ARENA_ARRAY(&op->ar, uint32_t, op->part_count);
    for (uint32_t p = 0; p < op->part_count; p++) {
        const void *m = sched_manifest(op->dr->sched, op->job_id, stage, p, &wr->manifest_bytes[p]);
        wr->manifests[p] = arena_dup(&op->ar, m, wr->manifest_bytes[p]);
    }
    submit(op, files_run, files_done);
}

void commit_free(struct operation *op)
{
    file_write_free(op->write.files);
    op->write.files = NULL;
    error_fini(&op->write.error);
}
