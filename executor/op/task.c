/* Stages to chains, chains to tasks, and the loop that runs them; see op.h and task.h. */
#include <sched.h>
#include <stdlib.h>

#include "common/expr/program.h"
#include "executor/op/op.h"

/* ---- compiling: chains per variant ---- */

struct chain_op {
    struct node_code *nc;
    bool build; /* the build end of a join */
};

struct chain {
    struct chain_op *ops; /* ops[0] is the source */
    uint32_t count, cap;
    uint32_t partition_shift; /* taken from the task's partition: where its branch of a union begins */
};

/* What runs for partitions [first, next variant's first): the choice of union branches is fixed. */
struct variant {
    uint32_t first;
    struct chain *chains;
    uint32_t chain_count, chain_cap, op_count;
    struct task *free; /* pooled */
};

static const struct op_vtable *vtable_of(const struct pnode *n)
{
    switch (n->kind) {
    case PN_SCAN: return &op_scan;
    case PN_RANGE: return &op_range;
    case PN_VALUES: return &op_values;
    case PN_EXCHANGE_READ: return n->merge_key_count ? &op_merge_read : &op_exchange_read;
    case PN_FILTER: return &op_filter;
    case PN_PROJECT: return &op_project;
    case PN_EXPAND: return &op_expand;
    case PN_AGGREGATE: return &op_aggregate;
    case PN_JOIN: return &op_join;
    case PN_SORT: return &op_sort;
    case PN_TOP: return &op_top;
    case PN_LIMIT: return &op_limit;
    case PN_UNION: return NULL;
    case PN_SINK_EXCHANGE: return &op_sink_exchange;
    case PN_SINK_RESULT: return &op_sink_result;
    case PN_SINK_WRITE: return &op_sink_write;
    }
    UNREACHABLE("a kind of the enum");
}

static const struct type **types_of(struct arena *ar, const struct schema *sch)
{
    const struct type **t = ARENA_ARRAY(ar, const struct type *, sch->count);
    for (uint32_t i = 0; i < sch->count; i++)
        t[i] = sch->fields[i].type;
    return t;
}

static int compile_node(struct stage_code *code, const struct pnode *n, struct error *err)
{
    if (n->id >= code->plan->node_count)
        return error_setf(err, ERR_INTERNAL, "message", "node %u of %u", n->id, code->plan->node_count);
    struct node_code *nc = &code->nodes[n->id];
    if (nc->node)
        return 0; /* reached by two branches */
    nc->node = n;
    nc->stage = code;
    nc->vt = vtable_of(n);
    nc->build_vt = n->kind == PN_JOIN && !n->shared_build ? &op_join_build : NULL;
    nc->out_types = types_of(&code->ar, &n->out);
    for (uint32_t i = 0; i < n->input_count; i++)
        TRY(compile_node(code, n->inputs[i], err));
    if (n->input_count) {
        nc->in_count = n->inputs[0]->out.count;
        nc->in_types = code->nodes[n->inputs[0]->id].out_types;
    }
    if (nc->vt && nc->vt->compile) {
        int rc = nc->vt->compile(nc, err);
        if (rc)
            nc->vt = NULL; /* nothing to free */
        return rc;
    }
    return 0;
}

static void add_op(struct stage_code *code, struct variant *v, struct chain *c, struct node_code *nc, bool build)
{
    ARENA_PUSH(&code->ar, c->ops, c->count, c->cap, ((struct chain_op){nc, build}));
    v->op_count++;
}

static void walk(struct stage_code *code, struct variant *v, const struct pnode *n, struct chain *c, uint32_t partition)
{
    struct node_code *nc = &code->nodes[n->id];
    if (n->kind == PN_UNION) {
        uint32_t i = 0;
        while (i + 1 < n->input_count && partition >= n->branch_first[i + 1])
            i++;
        c->partition_shift += n->branch_first[i];
        walk(code, v, n->inputs[i], c, partition - n->branch_first[i]);
        return;
    }
    if (n->kind == PN_JOIN && !n->shared_build) {
        struct chain sub = {.partition_shift = c->partition_shift};
        walk(code, v, n->inputs[1], &sub, partition);
        add_op(code, v, &sub, nc, true);
        ARENA_PUSH(&code->ar, v->chains, v->chain_count, v->chain_cap, sub);
    }
    if (n->input_count)
        walk(code, v, n->inputs[0], c, partition);
    add_op(code, v, c, nc, false);
}

static int cmp_u32(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where the choice of a union may change, in partitions of the stage. */
static void collect_cuts(struct stage_code *code, const struct pnode *n, uint32_t shift, uint32_t **cuts,
                         uint32_t *count, uint32_t *cap)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        uint32_t at = shift;
        if (n->kind == PN_UNION) {
            at += n->branch_first[i];
            ARENA_PUSH(&code->ar, *cuts, *count, *cap, at);
        }
        collect_cuts(code, n->inputs[i], at, cuts, count, cap);
    }
}

static void build_variants(struct stage_code *code)
{
    uint32_t *cuts = NULL, count = 0, cap = 0;
    ARENA_PUSH(&code->ar, cuts, count, cap, 0u);
    collect_cuts(code, code->plan->root, 0, &cuts, &count, &cap);
    sort_items(cuts, count, sizeof *cuts, cmp_u32, NULL);
    code->variants = ARENA_ARRAY(&code->ar, struct variant, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && cuts[i] == cuts[i - 1])
            continue;
        struct variant *v = &code->variants[code->variant_count++];
        v->first = cuts[i];
        struct chain main = {0};
        walk(code, v, code->plan->root, &main, v->first);
        ARENA_PUSH(&code->ar, v->chains, v->chain_count, v->chain_cap, main);
    }
}

int stage_compile(const struct stage_plan *plan, struct account *account, struct stage_code **ret, struct error *err)
{
    struct stage_code *code = xcalloc(1, sizeof *code);
    code->plan = plan;
    code->account = account;
    arena_init(&code->ar);
    code->nodes = ARENA_ARRAY(&code->ar, struct node_code, plan->node_count);
    int rc = compile_node(code, plan->root, err);
    if (rc) {
        stage_code_free(code);
        return rc;
    }
    build_variants(code);
    *ret = code;
    return 0;
}

static void task_destroy(struct task *task)
{
    for (uint32_t i = 0; i < task->op_count; i++) {
        struct op *op = task->ops[i];
        if (op->vt->fini)
            op->vt->fini(op);
        arena_fini(&op->ar);
        free(op);
    }
    buf_fini(&task->manifest);
    free(task->states);
    free(task->node_metrics);
    free(task->ops);
    free(task);
}

void stage_code_free(struct stage_code *code)
{
    if (!code)
        return;
    for (uint32_t i = 0; i < code->variant_count; i++) {
        for (struct task *t = code->variants[i].free, *next; t; t = next) {
            next = t->next_free;
            task_destroy(t);
        }
    }
    for (uint32_t i = 0; i < code->plan->node_count; i++) {
        struct node_code *nc = &code->nodes[i];
        if (nc->vt && nc->vt->free_code)
            nc->vt->free_code(nc);
    }
    arena_fini(&code->ar);
    free(code);
}

/* ---- tasks ---- */

static void pool_lock(struct stage_code *code)
{
    while (__atomic_test_and_set(&code->lock, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void pool_unlock(struct stage_code *code)
{
    __atomic_clear(&code->lock, __ATOMIC_RELEASE);
}

static struct op *make_op(struct task *task, const struct chain *c, uint32_t i)
{
    const struct chain_op *co = &c->ops[i];
    const struct op_vtable *vt = co->build ? co->nc->build_vt : co->nc->vt;
    struct op *op = xcalloc(1, vt->state_bytes);
    op->vt = vt;
    op->nc = co->nc;
    op->node = co->nc->node;
    op->task = task;
    op->metric = op->node->id;
    arena_init(&op->ar);
    return op;
}

static struct task *task_make(struct stage_code *code, struct variant *v)
{
    struct task *task = xcalloc(1, sizeof *task);
    task->code = code;
    task->variant = v;
    task->op_count = v->op_count;
    task->ops = xcalloc(v->op_count, sizeof *task->ops);
    task->node_metrics = xcalloc(code->plan->node_count, sizeof *task->node_metrics);
    uint32_t k = 0;
    for (uint32_t c = 0; c < v->chain_count; c++) {
        for (uint32_t i = 0; i < v->chains[c].count; i++, k++) {
            task->ops[k] = make_op(task, &v->chains[c], i);
            if (i > 0)
                task->ops[k - 1]->down = task->ops[k];
        }
    }
    for (uint32_t a = 0; a < k; a++) {
        for (uint32_t b = 0; b < k; b++) {
            if (a != b && task->ops[a]->nc == task->ops[b]->nc)
                task->ops[a]->peer = task->ops[b];
        }
    }
    return task;
}

static struct variant *variant_of(struct stage_code *code, uint32_t partition)
{
    uint32_t i = 0;
    while (i + 1 < code->variant_count && partition >= code->variants[i + 1].first)
        i++;
    return &code->variants[i];
}

static void task_close(struct task *task)
{
    for (uint32_t i = 0; i < task->op_count; i++) {
        struct op *op = task->ops[i];
        if (op->vt->close)
            op->vt->close(op);
        account_fini(&op->account);
    }
    for (uint32_t i = 0; i < task->state_count; i++)
        expr_state_rest(task->states[i]);
    account_fini(&task->exprs);
}

int task_new(struct stage_code *code, const struct task_spec *spec, struct task_env *env, struct task **ret,
             struct error *err)
{
    struct variant *v = variant_of(code, spec->partition);
    pool_lock(code);
    struct task *task = v->free;
    if (task)
        v->free = task->next_free;
    pool_unlock(code);
    if (!task)
        task = task_make(code, v);
    task->spec_copy = *spec;
    task->spec = &task->spec_copy;
    task->env = env;
    task->chain = task->at = 0;
    task->phase = TASK_PREPARE;
    task->blocked = task->done = false;
    task->metrics = (struct task_metrics){.node_count = code->plan->node_count, .nodes = task->node_metrics};
    memset(task->node_metrics, 0, code->plan->node_count * sizeof *task->node_metrics);
    buf_reset(&task->manifest);
    account_init(&task->exprs, "Expressions", env->account, INT64_MAX);
    uint32_t k = 0, opened = 0;
    for (uint32_t c = 0; c < v->chain_count; c++) {
        for (uint32_t i = 0; i < v->chains[c].count; i++, k++) {
            struct op *op = task->ops[k];
            op->partition = spec->partition - v->chains[c].partition_shift;
            account_init(&op->account, op->vt->name, env->account, INT64_MAX);
        }
    }
    int rc = 0;
    for (; opened < k && rc == 0; opened++) {
        if (task->ops[opened]->vt->open)
            rc = task->ops[opened]->vt->open(task->ops[opened], err);
    }
    if (rc) {
        task_close(task);
        task_destroy(task);
        return rc;
    }
    *ret = task;
    return 0;
}

/* ---- clocks: time goes to the node that runs ---- */

static void clock_to(struct task *task, uint32_t node)
{
    int64_t now = clock_mono_us();
    task->node_metrics[task->metric_at].time_us += (uint64_t)(now - task->metric_since);
    task->metric_at = node;
    task->metric_since = now;
}

enum op_status op_push(struct op *op, struct batch *b, struct error *err)
{
    struct op *down = op->down;
    struct task *task = op->task;
    task->node_metrics[op->metric].rows_out += b->sel_count;
    uint32_t back = task->metric_at;
    clock_to(task, down->metric);
    enum op_status st = down->vt->push(down, b, err);
    clock_to(task, back);
    return st;
}

int op_cancelled(struct error *err)
{
    return error_set(err, ERR_CANCELLED, "reason", "", NULL);
}

/* ---- the loop ---- */

static struct op **chain_ops(const struct task *task)
{
    uint32_t k = 0;
    for (uint32_t c = 0; c < task->chain; c++)
        k += task->variant->chains[c].count;
    return task->ops + k;
}

static enum op_status step_prepare(struct task *task, struct op **ops, uint32_t count, struct error *err)
{
    for (; task->at < count; task->at++) {
        struct op *op = ops[task->at];
        if (!op->vt->prepare)
            continue;
        clock_to(task, op->metric);
        enum op_status st = op->vt->prepare(op, err);
        if (st != OP_MORE)
            return st;
    }
    if (count > 1 && ops[0]->vt == &op_scan)
        scan_set_filters(ops[0], ops, count);
    task->phase = TASK_SOURCE;
    return OP_MORE;
}

static enum op_status step_source(struct task *task, struct op **ops, struct error *err)
{
    struct batch *b = NULL;
    clock_to(task, ops[0]->metric);
    enum op_status st = ops[0]->vt->next(ops[0], &b, err);
    if (st == OP_MORE && b->sel_count > 0)
        st = op_push(ops[0], b, err);
    if (st == OP_DONE) {
        task->phase = TASK_FINISH;
        task->at = 1;
        return OP_MORE;
    }
    return st;
}

static enum op_status step_finish(struct task *task, struct op **ops, uint32_t count, struct error *err)
{
    while (task->at < count) {
        struct op *op = ops[task->at];
        clock_to(task, op->metric);
        enum op_status st = op->vt->finish ? op->vt->finish(op, err) : OP_DONE;
        if (st != OP_DONE)
            return st;
        task->at++;
    }
    task->phase = TASK_PREPARE;
    task->at = 0;
    return ++task->chain == task->variant->chain_count ? OP_DONE : OP_MORE;
}

enum op_status task_run(struct task *task, int64_t budget_us, struct error *err)
{
    task->metric_since = clock_mono_us();
    int64_t until = budget_us > 0 ? task->metric_since + budget_us : INT64_MAX;
    while (!task->done) {
        if (task_cancelled(task)) {
            op_cancelled(err);
            return OP_ERROR;
        }
        struct op **ops = chain_ops(task);
        uint32_t count = task->variant->chains[task->chain].count;
        enum op_status st = task->phase == TASK_PREPARE  ? step_prepare(task, ops, count, err)
                            : task->phase == TASK_SOURCE ? step_source(task, ops, err)
                                                         : step_finish(task, ops, count, err);
        if (st == OP_DONE) {
            task->done = true;
            clock_to(task, task->metric_at);
        } else if (st != OP_MORE) {
            return st;
        }
        if (task->blocked) {
            task->blocked = false;
            return OP_BLOCKED;
        }
        if (task->metric_since >= until && !task->done)
            return OP_YIELD;
    }
    return OP_DONE;
}

bool task_evict(struct task *task, struct error *err)
{
    for (uint32_t i = 0; i < task->op_count; i++) {
        struct op *op = task->ops[i];
        if (op->vt->evict && op->vt->evict(op, err))
            return true;
    }
    return false;
}

void task_metrics(const struct task *task, struct task_metrics *ret)
{
    *ret = task->metrics;
    if (task->env->account)
        ret->peak_memory = __atomic_load_n(&task->env->account->peak, __ATOMIC_RELAXED);
}

const struct buf *task_manifest(const struct task *task)
{
    return &task->manifest;
}

void task_free(struct task *task)
{
    if (!task)
        return;
    task_close(task);
    pool_lock(task->code);
    task->next_free = task->variant->free;
    task->variant->free = task;
    pool_unlock(task->code);
}
