/*
 * Runs a list of stage plans in this process, with an exchange in memory and as many slots as asked for:
 * operators can be tested and measured without daemons. Stages run one after another in the order given,
 * tasks of a stage on all threads; blocked tasks are parked until they are woken.
 */
#pragma once

#include "executor/op/task.h"

struct local_splits {
    uint32_t stage, scan_index;
    const struct file_split *splits; /* dealt to the stage's tasks in turn */
    uint32_t count;
};

struct local_job {
    struct stage_plan **stages;
    uint32_t stage_count;
    const struct local_splits *splits;
    uint32_t splits_count;
    uint32_t threads;            /* 0: 1 */
    int64_t budget_us;           /* of one task_run; 1 yields after every batch */
    bool evict;                  /* tries to evict something between two task_runs */
    int64_t memory;              /* of a task; 0: no limit */
    bool block_often;            /* input_next answers OP_BLOCKED every other time, woken by another thread */
    uint32_t fail_input;         /* the n-th input_next fails with FETCH_FAILED; 0: none */
    uint32_t cancel_after;       /* the n-th task_run is cancelled; 0: none */
};

struct local_result {
    struct sealed **runs; /* of the last stage, in partition order */
    uint32_t count;
    uint64_t rows;
    uint64_t evictions;
    int64_t *stage_us;
    struct node_metrics *metrics; /* stage_count * 64 */
};

WARN_UNUSED int local_run(const struct local_job *job, struct local_result *ret, struct error *err);
void local_result_fini(struct local_result *r);
