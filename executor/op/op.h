/*
 * Operators: what all of executor/op and executor/source share, and nobody outside sees.
 *
 * A stage is compiled to a list of chains. A chain is a source and the operators that its batches are pushed
 * through, in order; the last one is a sink, or the build side of a join. Chains run one after another, the
 * one that ends in the stage's root last. A chain has three phases: every operator prepares (a shared join
 * build is made here), the source is drained, every operator finishes from the source's end to the sink's.
 * Blocking operators swallow what is pushed and push their own output while they finish, one batch a call.
 *
 * Only the task's loop suspends, between two batches: a sink whose window is full says so through
 * task_block(), and the loop returns once the batch in flight is through.
 *
 * Memory: what an operator pushes lives in its own arena `ar`, reset at the next push or finish; what it
 * keeps is charged to its account.
 */
#pragma once

#include "executor/op/task.h"

struct op;
struct node_code;

struct op_vtable {
    const char *name;
    uint32_t state_bytes; /* of the struct that starts with a struct op */
    /* Once per node and stage: what slots share. May be NULL. */
    int (*compile)(struct node_code *nc, struct error *err);
    void (*free_code)(struct node_code *nc);
    /* A task begins; the state is zeroed or was closed before. */
    int (*open)(struct op *op, struct error *err);
    /* Before the chain's source runs: OP_MORE when ready, OP_BLOCKED, OP_ERROR. May be NULL. */
    enum op_status (*prepare)(struct op *op, struct error *err);
    /* Sources: OP_MORE with a batch (valid until the next call), OP_DONE, OP_BLOCKED, OP_YIELD, OP_ERROR. */
    enum op_status (*next)(struct op *op, struct batch **ret, struct error *err);
    /* The others: OP_MORE, OP_DONE when no more input is wanted, OP_ERROR. */
    enum op_status (*push)(struct op *op, struct batch *b, struct error *err);
    /* OP_MORE: call again; OP_DONE; OP_ERROR. May be NULL. */
    enum op_status (*finish)(struct op *op, struct error *err);
    /* Blocking operators: lets one partition or run of their state leave memory; false: nothing can. May be NULL. */
    bool (*evict)(struct op *op, struct error *err);
    /* The task ended, in whatever state: gives up references and most memory. */
    void (*close)(struct op *op);
    /* The state itself goes. */
    void (*fini)(struct op *op);
};

struct op {
    const struct op_vtable *vt;
    struct node_code *nc;
    const struct pnode *node;
    struct task *task;
    struct op *down;         /* who gets what this one pushes */
    struct op *peer;         /* join: build sink <-> probe */
    uint32_t partition;      /* of the branch, for sources */
    uint32_t metric;         /* number of the node */
    struct account account;
    struct arena ar;
};

/* One node of the plan, compiled. Immutable but for what its operator guards itself. */
struct node_code {
    const struct pnode *node;
    const struct op_vtable *vt, *build_vt; /* build_vt: JOIN whose build side runs in the task */
    struct stage_code *stage;
    uint32_t in_count;                /* columns of input 0 */
    const struct type **in_types;
    const struct type **out_types;
    void *priv;                       /* the operator's */
};

struct stage_code {
    const struct stage_plan *plan;
    struct account *account;
    struct arena ar;
    struct node_code *nodes;          /* by pnode id */
    uint32_t variant_count;
    struct variant *variants;         /* by range of partitions, for UNION */
    bool lock;                        /* of the pools */
};

struct task {
    struct stage_code *code;
    struct variant *variant;
    struct task *next_free;
    const struct task_spec *spec;
    struct task_spec spec_copy;
    struct task_env *env;
    uint32_t op_count;
    struct op **ops;                  /* of all chains */
    struct account exprs;             /* what the results of expressions take */
    struct expr_state **states;       /* of all operators, which own them */
    uint32_t state_count, state_cap;
    uint32_t chain, at;               /* where the loop stands */
    enum { TASK_PREPARE, TASK_SOURCE, TASK_FINISH } phase;
    bool blocked, done;
    uint32_t metric_at;               /* node whose clock runs */
    int64_t metric_since;
    struct task_metrics metrics;
    struct node_metrics *node_metrics;
    struct buf manifest;
};

/* Pushes to the operator below, counting rows and time. */
enum op_status op_push(struct op *op, struct batch *b, struct error *err);
/* A sink's window is full: the loop returns OP_BLOCKED after this batch. */
static inline void task_block(struct task *task)
{
    task->blocked = true;
}
static inline bool task_cancelled(const struct task *task)
{
    return task->env->cancel && __atomic_load_n(task->env->cancel, __ATOMIC_RELAXED);
}
int op_cancelled(struct error *err); /* sets ERR_CANCELLED */
/* Makes the first operator that can evict something do so; false: none could. Between two calls of task_run. */
bool task_evict(struct task *task, struct error *err);

/* ---- lists of expressions: plain columns are passed on without a program ---- */

struct exprs {
    uint32_t count;
    int32_t *column;              /* ordinal of the input, or -1 - number in the program */
    uint32_t program_count;
    const struct program *program; /* NULL when all are plain columns */
};
struct exprs_state {
    const struct exprs *code;
    struct expr_state *st;
    struct column *tmp;
};
int exprs_compile(struct stage_code *stage, struct expr *const *list, uint32_t count, const struct type *const *input,
                  uint32_t input_count, struct exprs *ret, struct error *err);
void exprs_open(struct exprs_state *s, const struct exprs *code, struct task *task);
/* A state for the task's program, new when st is NULL: what expr_state_new and expr_state_restart give, charged to the task. */
struct expr_state *task_expr_state(struct task *task, const struct program *p, struct expr_state *st);
int exprs_eval(struct exprs_state *s, const struct batch *b, struct column *out, struct error *err);
void exprs_fini(struct exprs_state *s);

/* ---- run-time filters (pushdown.c) ---- */

/* Filters for the scan that is ops[0], from the joins of its chain, all of which are prepared. At most SCAN_FILTERS_MAX. */
uint32_t chain_filters(struct op **ops, uint32_t count, struct scan_filter *ret);
/* Collects and keeps them; source/scan.c. */
void scan_set_filters(struct op *scan, struct op **chain, uint32_t count);
/* What this join knows of one plain column of its probe side; join.c. */
bool join_scan_filter(const struct op *op, struct scan_filter *ret, uint32_t *ret_column);

/* Every operator, one row each. */
extern const struct op_vtable op_scan, op_range, op_values, op_exchange_read, op_merge_read, op_filter, op_project,
    op_expand, op_aggregate, op_join, op_join_build, op_sort, op_top, op_limit, op_sink_exchange, op_sink_result,
    op_sink_write;
