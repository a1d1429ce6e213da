/*
 * The physical planner: an optimized logical plan in, a DAG of stages out. It picks algorithms and places
 * exchanges by the estimates that the optimizer left, turns column ids into ordinals, packs file splits into
 * tasks, and cuts the plan where rows change place. Thread: a planning worker; the DAG lives in ar.
 */
#pragma once

#include "driver/analyze/logical.h"

struct estimates;

/* What runs: as far as the planner cares. */
struct cluster_shape {
    uint32_t executors;
    uint32_t slots;       /* of all executors together */
    uint64_t task_memory; /* bytes a task may use */
};

struct physical_env {
    struct cluster_shape shape;
    struct estimates *estimates;   /* optimize_env.ret_estimates; NULL: made anew */
    uint64_t max_partition_bytes;  /* spark.sql.files.maxPartitionBytes; 0: 128 MiB */
    uint32_t shuffle_partitions;   /* spark.sql.shuffle.partitions when the user set it; 0: the planner's choice */
    uint32_t batch_rows;           /* 0: BATCH_ROWS */
    uint64_t job_id;
    const char *sql;
    bool no_single_task;           /* tests: even tiny queries go through exchanges */
    bool broadcast_given;          /* the user set drover.broadcast.max: nothing larger is broadcast where a hash would do */
    uint64_t broadcast_bytes;      /* then: what is set. Else 64 MiB, or what is small against the probe */
};

/* Whether a second attempt gives the same rows: decides what a lost output invalidates. */
enum stage_determinism {
    STAGE_DETERMINATE,   /* the same rows in the same order */
    STAGE_UNORDERED,     /* the same rows in any order */
    STAGE_INDETERMINATE, /* maybe other rows: whoever has read one that is redone starts over */
};

struct stage_scan {
    const struct pnode *node;      /* PN_SCAN; its scan_index is the index in dag_stage.scans */
    const char *table;             /* its name, for messages */
    uint32_t task_first, task_count; /* tasks [task_first, task_first + task_count) have splits of it */
    uint32_t split_count;
    struct file_split *splits;
    uint32_t *split_first;         /* task_count + 1: task task_first + t reads splits [split_first[t], split_first[t + 1]) */
};

struct stage_parent {
    uint32_t stage;          /* index in the DAG: less than its child's */
    enum exchange_kind kind; /* of the parent's sink */
    bool read_all;           /* every task reads all of its outputs */
};

struct dag_stage {
    struct stage_plan plan;
    uint32_t scan_count;
    struct stage_scan *scans;
    uint32_t parent_count;
    struct stage_parent *parents;   /* each parent once */
    enum stage_determinism determinism;
    double rows_estimate, bytes_estimate; /* of what it leaves */
    bool writes;                    /* PN_SINK_WRITE: tasks leave manifests, the job commits them */
    bool result;                    /* PN_SINK_RESULT: rows go to the client in partition order */
};

struct stage_dag {
    uint32_t stage_count;
    struct dag_stage *stages;       /* parents first; the last one has the result or the write */
    struct schema result;           /* names and types the client sees; empty for a write */
    const struct logical *write;    /* the LP_WRITE node, or NULL */
};

WARN_UNUSED int physical_plan(struct arena *ar, const struct query_ctx *cx, const struct logical *lp,
                              const struct physical_env *env, struct stage_dag **ret, struct error *err);
/* EXPLAIN's text of all stages, appended. */
void stage_dag_print(const struct stage_dag *dag, struct buf *out);
