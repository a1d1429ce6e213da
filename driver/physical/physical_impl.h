/* What the files of the physical planner share. */
#pragma once

#include "driver/optimize/estimate.h"
#include "driver/optimize/rule.h"
#include "driver/physical/physical.h"

/* Tasks of one stage: the driver keeps about 200 bytes of each, and serves others meanwhile. */
enum { STAGE_TASKS_MAX = 1 << 21 };

/* A column of a fragment: logical id and where it lies in the top node's output. */
struct place {
    uint32_t id, ordinal;
};

/*
 * A fragment is a stage in the making: a tree of nodes without a sink, what feeds it, and how its rows lie.
 * Projections of plain columns cost nothing: they only change `places`.
 */
struct frag {
    struct pnode *node;
    struct place *places;
    uint32_t place_count;
    uint32_t tasks;
    struct scan_use *scans;   /* newest first */
    struct parent_use *parents;
    bool hashed;              /* rows are partitioned by the hash of columns hash_ids, in this order */
    uint32_t hash_id_count;
    uint32_t *hash_ids;
    double rows, row_bytes;   /* estimates */
    double source_rows;       /* rows that its sources read */
    bool unordered, indeterminate;
};

struct scan_use {
    struct scan_use *next;
    struct stage_scan scan;
};
struct parent_use {
    struct parent_use *next;
    struct stage_parent parent;
};

/*
 * A small side of a join, already in an exchange, whose keys reduce the input of an aggregate on the other side: groups
 * that no row of the small side asks for are never made (TPC-H Q17, Q20).
 */
struct reduction {
    struct reduction *next;
    const struct logical *aggregate;
    const struct frag *small; /* reads the exchange */
    struct exprs small_keys;  /* over its columns */
    struct exprs keys;        /* over the aggregate's input, pairwise */
    bool *null_safe;
};

struct planner {
    struct arena *ar;
    const struct query_ctx *cx;
    const struct physical_env *env;
    struct estimates *es;
    struct dag_stage *stages;
    uint32_t stage_count, stage_cap;
    struct buf *encoded;      /* of each stage, to find equal ones; freed at the end */
    uint32_t encoded_cap;
    struct reduction *reductions;
    bool single;              /* inputs so small that everything runs in one task */
    struct error *err;
};

/* frag.c */
struct pnode *new_pnode(struct planner *pl, enum pnode_kind kind, uint32_t inputs);
struct frag *new_frag(struct planner *pl, struct pnode *node, const struct logical *lp, uint32_t tasks);
/* Puts a node with the same columns on top. */
struct pnode *stack(struct planner *pl, struct frag *f, enum pnode_kind kind);
uint32_t ordinal_of(const struct frag *f, uint32_t id); /* UINT32_MAX: not there */
bool frag_has(const struct frag *f, uint32_t id);
struct expr *place_expr(struct planner *pl, const struct frag *f, struct expr *e);
/* Columns of several fragments side by side, for residuals: the second one's ordinals come after the first one's. */
struct expr *place_expr2(struct planner *pl, const struct frag *a, const struct frag *b, struct expr *e);
/* Leaves exactly these columns in this order: a projection unless they lie so already. */
void exactly_columns(struct planner *pl, struct frag *f, const struct lcol *out, uint32_t count);
/* Drops the columns that nobody needs: before an exchange. */
void narrow(struct planner *pl, struct frag *f, const struct colset *need);
void set_places(struct planner *pl, struct frag *f, const struct lcol *out, uint32_t count); /* ordinal i is out[i] */
struct field field_of(const struct lcol *col);
/* f becomes part of `into`'s stage: scans, parents, flags. */
void absorb(struct frag *into, struct frag *f);

/* stage.c: closing fragments */
/* Ends f in an exchange; the new fragment reads it. */
WARN_UNUSED int exchange(struct planner *pl, struct frag *f, enum exchange_kind kind, struct expr **keys, uint32_t key_count,
                         uint32_t partitions, struct frag **ret);
/* Ends f; ret_stage is its number. The sink is the root to put on top, its input being f's node. */
WARN_UNUSED int close_stage(struct planner *pl, struct frag *f, struct pnode *sink, uint32_t output_partitions,
                            uint32_t *ret_stage);
WARN_UNUSED int gather(struct planner *pl, struct frag *f, struct frag **ret); /* to one task; f itself when it is one */
/* An error when a stage would have too many tasks, or partitions for the next one's. */
WARN_UNUSED int check_tasks(struct planner *pl, int64_t tasks);
uint32_t hash_partitions(const struct planner *pl, double rows, double bytes);

/* scan.c */
WARN_UNUSED int plan_scan(struct planner *pl, const struct logical *lp, struct frag **ret);
WARN_UNUSED int plan_values(struct planner *pl, const struct logical *lp, struct frag **ret);
WARN_UNUSED int plan_range(struct planner *pl, const struct logical *lp, struct frag **ret);
/* join.c, aggregate.c */
WARN_UNUSED int plan_join(struct planner *pl, const struct logical *lp, struct frag **ret);
/* Keeps f's rows whose keys appear in the exchange that small reads. */
void reduce_by(struct planner *pl, struct frag *f, const struct exprs *keys, const struct frag *small,
               const struct exprs *small_keys, const bool *null_safe);
WARN_UNUSED int plan_aggregate(struct planner *pl, const struct logical *lp, struct frag **ret);
/* physical.c */
WARN_UNUSED int plan_node(struct planner *pl, const struct logical *lp, struct frag **ret);
