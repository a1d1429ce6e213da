/*
 * Physical stage plans: what the driver sends an executor once per stage, and what the executor compiles.
 * A stage is a tree of nodes whose root is a sink (exchange, result or write) and whose leaves are sources
 * (scan, range, values, exchange read). Plans are immutable templates: what differs from task to task -
 * splits, parameters, the partition number - comes with the launch.
 *
 * On the wire (proto/plan.proto) nodes and expressions are flat arrays with indices; types are their
 * catalogString. stage_plan_decode bounds depth and counts before it builds anything. Thread: any.
 */
#pragma once

#include "common/expr/agg.h"
#include "common/expr/expr.h"
#include "common/format/provider.h"

enum pnode_kind {
    PN_SCAN,          /* source: files, filter included */
    PN_RANGE,         /* source: range(start, end, step) cut into partitions */
    PN_VALUES,        /* source: rows in the plan; only partition 0 of its branch has them */
    PN_EXCHANGE_READ, /* source: what another stage left for this partition */
    PN_FILTER,
    PN_PROJECT,
    PN_EXPAND,        /* each row once per projection list: grouping sets, several distinct aggregates */
    PN_AGGREGATE,     /* hash aggregation; no keys: one row */
    PN_JOIN,          /* inputs[0] probes, inputs[1] is built */
    PN_SORT,
    PN_TOP,           /* sort + limit in bounded memory */
    PN_LIMIT,
    PN_UNION,         /* task p runs the branch that owns partition p: see branch_first. Below it partitions count from the
                         branch's first task, for exchange reads, ranges and values alike */
    PN_SINK_EXCHANGE, /* root: rows to other stages */
    PN_SINK_RESULT,   /* root: rows to the client */
    PN_SINK_WRITE,    /* root: rows to files */
};

enum exchange_kind {
    EXCHANGE_HASH,      /* by column_hash of the keys modulo partitions (the high half: ((hash >> 32) * n) >> 32) */
    EXCHANGE_RANGE,     /* by boundaries: parameters of the launch */
    EXCHANGE_GATHER,    /* all to one partition, map-index order */
    EXCHANGE_BROADCAST, /* one output partition that every consumer reads whole */
    EXCHANGE_ROUND_ROBIN,
};

enum join_kind {
    JOIN_INNER,
    JOIN_LEFT,      /* probe side preserved */
    JOIN_RIGHT,     /* build side preserved: never with a shared build */
    JOIN_FULL,      /* both: never with a shared build */
    JOIN_SEMI,      /* probe rows with a match */
    JOIN_ANTI,      /* probe rows without one */
    JOIN_ANTI_NULL_AWARE, /* NOT IN: a null on either side means no row */
    JOIN_SINGLE,    /* as LEFT, but more than one match raises ERR_SCALAR_SUBQUERY_ROWS */
    JOIN_MARK,      /* probe columns and a boolean: true when a row matches; else null when, as IN says, a key is null on either
                       side (the build not being empty); else false. Without keys: whether the residual matches any row */
};

enum agg_mode {
    AGG_MODE_PARTIAL, /* in: rows; out: keys, partial states */
    AGG_MODE_FINAL,   /* in: keys, partial states; out: keys, results */
    AGG_MODE_COMPLETE /* in: rows; out: keys, results */
};

struct sort_key {
    struct expr *expr;
    bool descending, nulls_last;
};

struct plan_agg {
    struct agg_spec spec;
    struct expr **args;   /* spec.arg_count, over the input (PARTIAL, COMPLETE); FINAL reads its partial columns in order after the keys */
    struct expr *filter;  /* or NULL */
    bool distinct;        /* COMPLETE only, input partitioned by the keys: the operator dedups per group */
};

struct pnode {
    enum pnode_kind kind;
    uint32_t id;            /* number within the stage, for metrics and EXPLAIN */
    struct schema out;      /* what it delivers; SINK_WRITE: what the files hold, by position; empty for other sinks */
    uint32_t input_count;
    struct pnode **inputs;
    double rows_estimate;   /* < 0: unknown; sizes tables ahead */

    struct scan_spec *scan;         /* SCAN */
    uint32_t scan_index;            /* SCAN: number of the scan in the stage: splits name it */
    int64_t range_start, range_end, range_step, range_parts; /* RANGE */
    struct buf values_frame;        /* VALUES: one batch frame (arena memory; empty: no rows) */
    uint32_t exchange;              /* EXCHANGE_READ: stage index of the producer */
    bool read_all;                  /* EXCHANGE_READ: every output partition of it, not just the task's own */
    uint32_t merge_key_count;       /* EXCHANGE_READ of sorted gather: merge the map outputs by these keys */
    struct sort_key *merge_keys;
    uint32_t expr_count;            /* FILTER: conjuncts; PROJECT: outputs; SINK_EXCHANGE: hash keys */
    struct expr **exprs;
    uint32_t list_count;            /* EXPAND: lists of out.count expressions each */
    struct expr ***lists;
    enum agg_mode agg_mode;         /* AGGREGATE */
    uint32_t key_count;
    struct expr **keys;
    uint32_t agg_count;
    struct plan_agg *aggs;
    enum join_kind join_kind;       /* JOIN: equality keys (may be none: nested loop), then the residual over probe ++ build columns */
    uint32_t join_key_count;
    struct expr **probe_keys, **build_keys;
    bool *null_safe;                /* per key: <=> */
    struct expr *residual;
    bool shared_build;              /* the build input is a broadcast EXCHANGE_READ: one table per executor and stage */
    uint32_t out_column_count;      /* JOIN: which columns of probe ++ build (++ mark) it delivers, in order */
    uint32_t *out_columns;
    uint32_t sort_key_count;        /* SORT, TOP */
    struct sort_key *sort_keys;
    int64_t limit, offset;          /* TOP, LIMIT; limit < 0: none */
    uint32_t *branch_first;         /* UNION: input i runs in tasks [branch_first[i], branch_first[i + 1]); input_count + 1 entries */
    enum exchange_kind exchange_kind; /* SINK_EXCHANGE */
    uint32_t exchange_partitions;
    const char *write_format, *write_dir; /* SINK_WRITE: dir is the attempt-independent target folder */
    struct options write_options;
    uint32_t write_partition_count; /* trailing columns of the input that become key=value folders */
};

/* One stage as shipped. */
struct stage_plan {
    uint64_t job_id;
    uint32_t stage;             /* index in the job */
    struct pnode *root;
    uint32_t node_count;
    uint32_t partition_count;   /* tasks */
    uint32_t output_partitions; /* of its sink: 1 for gather, broadcast, result, write */
    uint32_t param_count;       /* typed parameters */
    const struct type **param_types;
    struct query_ctx cx;
    uint32_t batch_rows;
    const char *sql;            /* the statement, for query contexts; may be NULL */
};

enum { STAGE_PLAN_BYTES_MAX = 60 << 20 }; /* of what stage_plan_encode makes: the message that carries it has a limit */

void stage_plan_encode(const struct stage_plan *plan, struct buf *out);
WARN_UNUSED int stage_plan_decode(struct arena *ar, const void *p, size_t bytes, struct stage_plan **ret,
                                  struct error *err);
/* A split as bytes for the launch, and back. Self-delimiting: several follow each other. */
void file_split_encode(const struct file_split *split, struct buf *out);
WARN_UNUSED int file_split_decode(struct arena *ar, const char **at, const char *end, struct file_split *ret,
                                  struct error *err);
void value_encode(const struct value *v, struct buf *out);
WARN_UNUSED int value_decode(struct arena *ar, const char **at, const char *end, struct value *ret, struct error *err);

/* EXPLAIN's text of one stage, indented; appended. */
void stage_plan_print(const struct stage_plan *plan, struct buf *out);
const char *pnode_kind_name(enum pnode_kind kind); /* "Scan", "HashAggregate", ... */
