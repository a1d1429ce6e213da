/*
 * Closing fragments: the sink on top, nodes numbered, the stage filed. A stage whose bytes, splits and task count
 * equal an earlier one's is not filed again: both consumers read the one that is there. Column ids are gone by
 * then, so a CTE used twice gives equal bytes and is computed once.
 */
#include "driver/physical/physical_impl.h"
#include "common/plan/plan_impl.h"

#include <math.h>
#include <stdio.h>

static uint32_t number_nodes(struct pnode *n, uint32_t next)
{
    n->id = next++;
    for (uint32_t i = 0; i < n->input_count; i++)
        next = number_nodes(n->inputs[i], next);
    return next;
}

static bool same_scans(const struct dag_stage *a, const struct dag_stage *b)
{
    if (a->scan_count != b->scan_count)
        return false;
    for (uint32_t i = 0; i < a->scan_count; i++) {
        const struct stage_scan *x = &a->scans[i], *y = &b->scans[i];
        if (x->split_count != y->split_count || x->task_first != y->task_first || x->task_count != y->task_count)
            return false;
        for (uint32_t s = 0; s < x->split_count; s++)
            if (strcmp(x->splits[s].path, y->splits[s].path) != 0 || x->splits[s].start != y->splits[s].start ||
                x->splits[s].length != y->splits[s].length)
                return false;
    }
    return true;
}

static void add_parent(struct planner *pl, struct dag_stage *st, uint32_t *cap, const struct stage_parent *p)
{
    for (uint32_t i = 0; i < st->parent_count; i++)
        if (st->parents[i].stage == p->stage) {
            st->parents[i].read_all |= p->read_all;
            return;
        }
    ARENA_PUSH(pl->ar, st->parents, st->parent_count, *cap, *p);
}

int check_tasks(struct planner *pl, int64_t tasks)
{
    if (tasks <= STAGE_TASKS_MAX)
        return 0;
    return error_setf(pl->err, ERR_UNSUPPORTED_FEATURE, "message",
                      "a stage of %lld tasks (%d is the most): give range() fewer partitions, or set spark.sql.shuffle.partitions lower "
                      "or spark.sql.files.maxPartitionBytes higher",
                      (long long)tasks, STAGE_TASKS_MAX);
}

/* Fails for a plan that no message can carry. key: its key, which is not much shorter than the plan. */
static int check_bytes(struct planner *pl, const struct stage_plan *plan, const struct buf *key)
{
    if (key->bytes < STAGE_PLAN_BYTES_MAX / 8)
        return 0;
    struct buf whole = BUF_INIT;
    stage_plan_encode(plan, &whole);
    char bytes[24], limit[24];
    snprintf(bytes, sizeof bytes, "%zu", whole.bytes);
    snprintf(limit, sizeof limit, "%d", STAGE_PLAN_BYTES_MAX);
    bool fits = whole.bytes <= STAGE_PLAN_BYTES_MAX;
    buf_fini(&whole);
    return fits ? 0 : error_set(pl->err, ERR_STATEMENT_TOO_LARGE, "what", "as planned", "bytes", bytes, "limit", limit, NULL);
}

int close_stage(struct planner *pl, struct frag *f, struct pnode *sink, uint32_t output_partitions, uint32_t *ret_stage)
{
    struct dag_stage st = {0};
    TRY(check_tasks(pl, f->tasks));
    TRY(check_tasks(pl, output_partitions));
    sink->inputs[0] = f->node;
    st.plan = (struct stage_plan){
        .job_id = pl->env->job_id,
        .root = sink,
        .node_count = number_nodes(sink, 0),
        .partition_count = f->tasks,
        .output_partitions = output_partitions,
        .cx = *pl->cx,
        .batch_rows = pl->env->batch_rows ? pl->env->batch_rows : BATCH_ROWS,
        .sql = pl->env->sql,
    };
    if (st.plan.node_count > PLAN_NODES_MAX)
        return error_set(pl->err, ERR_TOO_LARGE, "limit", arena_printf(pl->ar, "%d", PLAN_NODES_MAX), "what", "operators in one stage", NULL);
    for (struct scan_use *u = f->scans; u; u = u->next)
        st.scan_count++;
    st.scans = ARENA_ARRAY(pl->ar, struct stage_scan, st.scan_count);
    uint32_t at = st.scan_count;
    for (struct scan_use *u = f->scans; u; u = u->next) {
        st.scans[--at] = u->scan;
        ((struct pnode *)(uintptr_t)u->scan.node)->scan_index = at;
    }
    uint32_t parent_cap = 0;
    for (struct parent_use *u = f->parents; u; u = u->next)
        add_parent(pl, &st, &parent_cap, &u->parent);
    st.determinism = f->indeterminate ? STAGE_INDETERMINATE : f->unordered ? STAGE_UNORDERED : STAGE_DETERMINATE;
    st.rows_estimate = f->rows;
    st.bytes_estimate = f->rows * f->row_bytes;
    st.result = sink->kind == PN_SINK_RESULT;
    st.writes = sink->kind == PN_SINK_WRITE;

    struct buf bytes = BUF_INIT;
    st.plan.stage = 0;
    stage_plan_key(&st.plan, &bytes);
    for (uint32_t i = 0; sink->kind == PN_SINK_EXCHANGE && i < pl->stage_count; i++) {
        if (pl->encoded[i].bytes == bytes.bytes && memcmp(pl->encoded[i].data, bytes.data, bytes.bytes) == 0 &&
            same_scans(&pl->stages[i], &st)) {
            buf_fini(&bytes);
            *ret_stage = i;
            return 0;
        }
    }
    st.plan.stage = pl->stage_count;
    ARRAY_GROW(pl->encoded, pl->stage_count, pl->encoded_cap);
    pl->encoded[pl->stage_count] = bytes;
    ARENA_PUSH(pl->ar, pl->stages, pl->stage_count, pl->stage_cap, st);
    *ret_stage = pl->stage_count - 1;
    struct error wrong = ERROR_INIT;
    if (stage_plan_check(&pl->stages[*ret_stage].plan, &wrong) != 0) {
        const char *what = error_param_get(&wrong, "message");
        error_setf(pl->err, ERR_INTERNAL, "message", "an inconsistent plan: %s", what ? what : "");
        error_fini(&wrong);
        return ERR_INTERNAL;
    }
    return check_bytes(pl, &pl->stages[*ret_stage].plan, &bytes);
}

int exchange(struct planner *pl, struct frag *f, enum exchange_kind kind, struct expr **keys, uint32_t key_count,
             uint32_t partitions, struct frag **ret)
{
    struct pnode *sink = new_pnode(pl, PN_SINK_EXCHANGE, 1);
    sink->exchange_kind = kind;
    sink->exchange_partitions = partitions;
    sink->exprs = keys;
    sink->expr_count = key_count;
    sink->rows_estimate = f->node->rows_estimate;
    struct schema out = f->node->out;
    uint32_t stage;
    TRY(close_stage(pl, f, sink, partitions, &stage));
    struct pnode *read = new_pnode(pl, PN_EXCHANGE_READ, 0);
    read->exchange = stage;
    read->read_all = kind == EXCHANGE_BROADCAST;
    read->out = out;
    read->rows_estimate = f->rows;
    struct frag *g = ARENA_NEW(pl->ar, struct frag);
    *g = *f;
    g->node = read;
    g->tasks = partitions;
    g->scans = NULL;
    g->hashed = false;
    g->source_rows = f->rows;
    /* Outputs are read in map-index order, so order within them is as it was. */
    g->parents = ARENA_NEW(pl->ar, struct parent_use);
    g->parents->parent = (struct stage_parent){stage, kind, read->read_all};
    *ret = g;
    return 0;
}

int gather(struct planner *pl, struct frag *f, struct frag **ret)
{
    if (f->tasks == 1) {
        *ret = f;
        return 0;
    }
    return exchange(pl, f, EXCHANGE_GATHER, NULL, 0, 1, ret);
}

uint32_t hash_partitions(const struct planner *pl, double rows, double bytes)
{
    if (pl->env->shuffle_partitions)
        return pl->env->shuffle_partitions;
    uint32_t slots = pl->env->shape.slots ? pl->env->shape.slots : 1;
    if (rows <= 20000 && bytes <= (4 << 20) && !pl->env->no_single_task)
        return 1;
    double n = ceil(bytes / (4 << 20));
    if (n < slots)
        n = slots;
    if (n > slots * 4.0)
        n = slots * 4.0;
    return (uint32_t)n;
}
