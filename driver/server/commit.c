/*
 * The files of a write, from the driver's side: opened before its job is submitted, committed when the scheduler says
 * so, cleared when it gives the job up. common/format/commit.h does the work, on a planning worker; here are the
 * order of things and what the operation waits for. A failed operation ends when its files are gone, so that who reads
 * "failed" finds nothing, and an embedded driver is not killed over half of a removal.
 */
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "common/fs/file.h"
#include "common/fs/list.h"
#include "common/log/log.h"
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

/* ---- notes: STATE/writes/ID holds the target of a write that is under way ---- */

/* Before anything is published: a driver that is started again on the same state looks there. */
static int put_note(struct operation *op)
{
    const struct driver *dr = op->dr;
    struct op_write *wr = &op->write;
    const char *target = op->dag->write->write_target.path;
    if (!dr->config.state)
        return 0;
    wr->note = xasprintf("%s/writes/%s", dr->config.state, strrchr(file_write_folder(wr->files), '/') + 1);
    return fs_put_file(wr->note, target, strlen(target), &wr->error);
}

static void forget_note(struct op_write *wr)
{
    if (wr->note)
        unlink(wr->note);
    xfree(wr->note);
    wr->note = NULL;
}

static void recover_note(const char *path)
{
    struct buf target = BUF_INIT;
    struct error err = ERROR_INIT;
    if (fs_get_file(path, PATH_MAX, &target, &err) == 0 && target.bytes && file_write_sweep(target.data, &err) == 0) {
        log_info("driver", "the write to %s that was under way when the driver ended: finished, or swept away", target.data);
        unlink(path);
    }
    if (err.code) { /* the note stays for the next start; whoever touches the folder tries, too */
        struct buf text = BUF_INIT;
        error_format(&err, &text);
        log_warn("driver", "%s: %s", path, text.data);
        buf_fini(&text);
        error_fini(&err);
    }
    buf_fini(&target);
}

static void recovery_run(struct work *w)
{
    struct driver *dr = (struct driver *)((char *)w - offsetof(struct driver, recovery));
    char *folder = xasprintf("%s/writes", dr->config.state);
    struct error err = ERROR_INIT;
    if (fs_make_folder(folder, &err) != 0)
        error_fini(&err); /* the first write says it */
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char *path = xasprintf("%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            recover_note(path);
        xfree(path);
    }
    if (d)
        closedir(d);
    xfree(folder);
}

static void recovery_done(struct work *w)
{
    (void)w;
}

void commit_recover(struct driver *dr)
{
    if (!dr->config.state)
        return;
    dr->recovery = (struct work){.run = recovery_run, .done = recovery_done};
    driver_submit_work(dr, &dr->recovery);
}

/* ---- clearing ---- */

static void clear_run(struct work *w)
{
    struct op_write *wr = &operation_of(w)->write;
    if (wr->files)
        file_write_abort(wr->files);
    forget_note(wr);
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
    sm_move(&operation_sm, &op->state, OP_CLEARING);
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
    else if (put_note(op) != 0)
        file_write_abort(op->write.files);
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
    struct error err = ERROR_INIT;
    bool done;
    if (effect_check(op, &done, &err) != 0 || done) {
        operation_effect_done(op, &err);
        return;
    }
    sm_move(&operation_sm, &op->state, OP_OPENING);
    submit(op, open_run, open_done);
}

/* ---- committing ---- */

static void files_run(struct work *w)
{
    struct operation *op = operation_of(w);
    struct op_write *wr = &op->write;
    if (file_write_commit(wr->files, wr->manifests, wr->manifest_bytes, op->part_count, &wr->done, &wr->error) != 0)
        error_at(&wr->error, op->dag->write->span);
    else
        forget_note(wr);
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
    sm_move(&operation_sm, &op->state, OP_COMMITTING);
    wr->manifests = ARENA_ARRAY(&op->ar, const void *, op->part_count);
    wr->manifest_bytes = ARENA_ARRAY(&op->ar, uint32_t, op->part_count);
    for (uint32_t p = 0; p < op->part_count; p++) {
        const void *m = sched_kept(op->dr->sched, op->job_id, stage, p, &wr->manifest_bytes[p]);
        wr->manifests[p] = arena_dup(&op->ar, m, wr->manifest_bytes[p]);
    }
    submit(op, files_run, files_done);
}

void commit_free(struct operation *op)
{
    file_write_free(op->write.files);
    forget_note(&op->write);
    op->write.files = NULL;
    error_fini(&op->write.error);
}
