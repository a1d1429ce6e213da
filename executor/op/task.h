/*
 * Running one task of a stage: the seam between operators and the daemon around them.
 *
 * stage_compile turns a stage plan into immutable code once per executor and stage; it also holds what the
 * slots share (a resident join build). task_new binds one attempt; task_run pushes batches until it is
 * done, blocked or out of its time share. A blocked task holds no thread: the environment wakes it, and
 * task_run is called again, maybe by another slot's thread, never by two at once.
 *
 * Threads: stage_compile, task_new, task_run and task_free on slot threads (a worker); wake from any.
 */
#pragma once

#include "common/base/account.h"
#include "common/col/builder.h"
#include "common/plan/plan.h"

enum op_status {
    OP_MORE,    /* give me more / there is more */
    OP_DONE,    /* finished: a LIMIT that is full answers this to stop its source */
    OP_BLOCKED, /* cannot go on now; the environment's wake was arranged before this was returned */
    OP_YIELD,   /* used its time share: run again when a slot is free */
    OP_ERROR    /* err is set */
};

enum { INPUT_ALL = UINT32_MAX };

/* One reading of an input; zero-filled at its begin. What the numbers mean is the environment's. */
struct input_cursor {
    uint64_t at[5];
};

/* What the daemon gives a task. One per attempt; ops run on the slot's thread unless said. */
struct task_env {
    const struct task_env_ops *ops;
    struct account *account; /* of the attempt; operators make children of it */
    const bool *cancel;      /* set by the loop thread: read with __atomic_load_n(relaxed) every batch and in long loops */
};

struct task_env_ops {
    /*
     * The next sealed run that stage `exchange` left for `partition` (INPUT_ALL: all of its output
     * partitions). *cursor starts at zero-filled and belongs to the env. Runs come in map-index order.
     * OP_MORE: *ret is a reference of the caller's, and *ret_map the map partition it came from.
     */
    enum op_status (*input_next)(struct task_env *env, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                                 struct sealed **ret, uint32_t *ret_map, struct error *err);
    /* Hands a sealed run to output partition `partition`. Takes the reference. OP_MORE or OP_ERROR, OP_BLOCKED for a full result window
     * (the run was taken). */
    enum op_status (*output_add)(struct task_env *env, uint32_t partition, struct sealed *take, struct error *err);
    /* Makes the task runnable again after OP_BLOCKED. Thread: any. Spurious wakes are harmless. */
    void (*wake)(struct task_env *env);
};

struct task_spec {
    uint32_t partition, attempt_no;
    uint64_t attempt_id;
    uint32_t split_count;
    struct task_split {
        uint32_t scan_index;
        const void *bytes; /* file_split_encode; borrowed until task_free */
        size_t byte_count;
    } *splits;
    uint32_t param_count;
    const struct value *params;
    const char *write_attempt_dir; /* SINK_WRITE: where this attempt's files go */
};

struct node_metrics {
    uint64_t rows_out, time_us;
};
struct task_metrics {
    uint64_t rows_in, bytes_in;             /* scanned */
    uint64_t shuffle_rows_in, shuffle_bytes_in;
    uint64_t rows_out;                      /* to the sink */
    uint64_t bytes_out;
    uint64_t files_written;
    int64_t peak_memory;
    uint32_t node_count;
    const struct node_metrics *nodes;       /* by pnode id; valid until task_free */
};

struct stage_code;
/* plan (in an arena of its own that outlives the code) is borrowed. account: the executor's, charged for what slots share. */
WARN_UNUSED int stage_compile(const struct stage_plan *plan, struct account *account, struct stage_code **ret,
                              struct error *err);
void stage_code_free(struct stage_code *code); /* no task of it lives; accepts NULL */

struct task;
WARN_UNUSED int task_new(struct stage_code *code, const struct task_spec *spec, struct task_env *env, struct task **ret,
                         struct error *err);
/* budget_us: yields after about so long (0: never). */
enum op_status task_run(struct task *task, int64_t budget_us, struct error *err);
void task_metrics(const struct task *task, struct task_metrics *ret);
/* The write manifest after OP_DONE, for SINK_WRITE; empty otherwise. Valid until task_free. */
const struct buf *task_manifest(const struct task *task);
/* Also frees a task in the middle (cancelled, failed): unlinks what it wrote. Accepts NULL. */
void task_free(struct task *task);
