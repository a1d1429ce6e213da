/*
 * Operations: one statement from its text to its acknowledged results.
 *
 *   PLANNING ──► [OPENING] ──► RUNNING ──► [COMMITTING] ──► ENDED
 *       │             ├─────────────┼──────────────┴──► [CLEARING] ──► ENDED   (a write that failed or was cancelled)
 *       └─────────────┴─────────────┴──► ENDED    (failed, cancelled, or answered by the driver itself)
 *
 * The states in brackets are of writes: commit.c has them.
 *
 * Results are numbered frames; each is kept until the client acknowledged it, so a client that comes back
 * (ATTACH) gets what it has not seen. Rows of a partition are passed on in partition order; a second attempt of a
 * partition repeats the same runs, so those already passed on are dropped by their number.
 */
#include "common/col/builder.h"
#include "common/log/log.h"
#include "driver/optimize/optimize.h"
#include "driver/server/driver_impl.h"
#include "driver/sql/parser.h"
#include "proto/client.pb-c.h"
#include "proto/cluster.pb-c.h"

static const struct sm_state operation_states[] = {
    [OP_PLANNING] = {"PLANNING", SM_TO(OP_OPENING) | SM_TO(OP_RUNNING) | SM_TO(OP_ENDED)},
    [OP_OPENING] = {"OPENING", SM_TO(OP_RUNNING) | SM_TO(OP_CLEARING) | SM_TO(OP_ENDED)},
    [OP_RUNNING] = {"RUNNING", SM_TO(OP_COMMITTING) | SM_TO(OP_CLEARING) | SM_TO(OP_ENDED)},
    [OP_COMMITTING] = {"COMMITTING", SM_TO(OP_CLEARING) | SM_TO(OP_ENDED)},
    [OP_CLEARING] = {"CLEARING", SM_TO(OP_ENDED)},
    [OP_ENDED] = {"ENDED", 0},
};
const struct sm operation_sm = SM("operation", operation_states);

/* ---- frames to the client ---- */

static void send_frame(struct operation *op, struct result_frame *f)
{
    if (!op->client)
        return;
    struct buf copy = BUF_INIT;
    buf_add(&copy, f->bulk.data, f->bulk.bytes);
    const ProtobufCMessageDescriptor *d = f->type == MSG_RESULT_SCHEMA  ? &drover__result_schema__descriptor
                                          : f->type == MSG_RESULT_BATCH ? &drover__result_batch__descriptor
                                                                        : &drover__result_end__descriptor;
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, f->message.bytes, (const uint8_t *)f->message.data);
    ASSERT(m);
    conn_send(op->client, f->type, 0, m, &copy);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void push_frame(struct operation *op, enum msg_type type, const ProtobufCMessage *m, struct buf *bulk_take, uint64_t attempt_id)
{
    struct result_frame *f = xcalloc(1, sizeof *f);
    f->seq = op->seq;
    f->type = type;
    f->attempt_id = attempt_id;
    buf_reserve(&f->message, protobuf_c_message_get_packed_size(m));
    f->message.bytes = protobuf_c_message_pack(m, (uint8_t *)f->message.data);
    if (bulk_take) {
        f->bulk = *bulk_take;
        *bulk_take = BUF_INIT;
    }
    *op->unacked_tail = f;
    op->unacked_tail = &f->next;
    send_frame(op, f);
}

static void push_schema(struct operation *op, const struct schema *sch)
{
    Drover__ResultSchema m = DROVER__RESULT_SCHEMA__INIT;
    m.operation_id = op->id;
    m.seq = ++op->seq;
    char **names = xcalloc(sch->count + 1, sizeof *names), **types = xcalloc(sch->count + 1, sizeof *types);
    for (uint32_t i = 0; i < sch->count; i++) {
        names[i] = (char *)(uintptr_t)sch->fields[i].name;
        types[i] = (char *)(uintptr_t)sch->fields[i].type->ddl;
    }
    m.n_name = m.n_type = sch->count;
    m.name = names;
    m.type = types;
    m.time_zone = (char *)(uintptr_t)op->cx.zone_name;
    push_frame(op, MSG_RESULT_SCHEMA, &m.base, NULL, 0);
    xfree(names);
    xfree(types);
}

static void push_batch(struct operation *op, uint32_t rows, struct buf *frame_take, uint64_t attempt_id)
{
    Drover__ResultBatch m = DROVER__RESULT_BATCH__INIT;
    m.operation_id = op->id;
    m.seq = ++op->seq;
    m.rows = rows;
    op->rows += rows;
    push_frame(op, MSG_RESULT_BATCH, &m.base, frame_take, attempt_id);
}

void operation_end(struct operation *op, struct error *err)
{
    if (op->state == OP_ENDED) {
        error_fini(err);
        return;
    }
    Drover__ResultEnd m = DROVER__RESULT_END__INIT;
    struct buf bytes = BUF_INIT;
    sm_move(&operation_sm, &op->state, OP_ENDED);
    op->ended_us = clock_mono_us();
    if (err->code) {
        error_encode(err, &bytes);
        m.has_error = true;
        m.error = (ProtobufCBinaryData){bytes.bytes, (uint8_t *)bytes.data};
    }
    char *warning = op->warnings.data;
    if (op->warnings.bytes) {
        m.n_warnings = 1;
        m.warnings = &warning;
    }
    m.operation_id = op->id;
    m.seq = ++op->seq;
    m.has_run_us = true;
    m.run_us = (uint64_t)(op->ended_us - op->started_us);
    m.has_job_id = op->job_id != 0;
    m.job_id = op->job_id;
    history_end(op->dr->history, op->record, op->rows, err);
    op->record = NULL;
    push_frame(op, MSG_RESULT_END, &m.base, NULL, 0);
    buf_fini(&bytes);
    error_fini(&op->error);
    error_move(&op->error, err);
}

/* ---- planning: on a worker ---- */

static struct file_stats *no_stats(const struct table_ref *t, void *ctx)
{
    (void)t;
    (void)ctx;
    return NULL;
}

/* Spark's name for it counts where ours is not set; a negative size is none. */
static void set_broadcast(const struct settings *set, struct physical_env *pe)
{
    static const char *const keys[] = {"drover.broadcast.max", "spark.sql.autoBroadcastJoinThreshold"};
    for (size_t i = 0; i < ARRAY_LEN(keys) && !pe->broadcast_given; i++) {
        int64_t bytes = settings_i64(set, keys[i]);
        pe->broadcast_given = settings_is_set(set, keys[i]);
        pe->broadcast_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    }
}

static int plan(struct operation *op)
{
    struct error *err = &op->plan_error;
    struct arena *ar = &op->ar;
    struct ast_statement *st;
    const struct settings *set = &op->snapshot->settings;
    TRY(snapshot_context(op->snapshot, ar, clock_wall_us(), op->job_id * 0x9e3779b97f4a7c15ull, &op->cx, err));
    op->cx.cancel = &op->cancel;
    TRY(sql_parse(ar, op->sql, &st, err));
    TRY(analyze_statement(ar, op->snapshot, &op->cx, st, op->sql, &op->analyzed, err));
    if (op->analyzed.kind == ANALYZED_ROWS)
        return 0;
    struct optimize_env oe = {.cancel = &op->cancel, .no_join_reorder = !settings_bool(set, "drover.join.reorder")};
    if (settings_is_set(set, "drover.test.no_stats"))
        oe.table_stats = no_stats;
    const struct logical *best;
    TRY(optimize(ar, &op->cx, op->analyzed.plan, &oe, &best, err));
    struct physical_env pe = {.shape = op->shape, .estimates = oe.ret_estimates, .job_id = op->job_id, .sql = op->sql,
                              .max_partition_bytes = (uint64_t)settings_i64(set, "spark.sql.files.maxPartitionBytes"),
                              .batch_rows = (uint32_t)settings_i64(set, "drover.batch.rows"),
                              .no_single_task = !settings_bool(set, "drover.plan.single")};
    set_broadcast(set, &pe);
    op->ride_max = settings_i64(set, "drover.shuffle.ride.max");
    if (settings_is_set(set, "spark.sql.shuffle.partitions"))
        pe.shuffle_partitions = (uint32_t)settings_i64(set, "spark.sql.shuffle.partitions");
    TRY(physical_plan(ar, &op->cx, best, &pe, &op->dag, err));
    /* Names are the analyzed plan's: a projection that only renames may be optimized away. */
    for (uint32_t i = 0; i < op->dag->result.count; i++)
        op->dag->result.fields[i].name = op->analyzed.plan->out[i].name;
    if (op->analyzed.kind == ANALYZED_EXPLAIN) {
        enum ast_explain mode = op->analyzed.explain;
        if (mode == AST_EXPLAIN_EXTENDED) {
            buf_adds(&op->explain, "== Parsed Logical Plan ==\n");
            ast_print(op->analyzed.explained, &op->explain);
            buf_adds(&op->explain, "\n== Analyzed Logical Plan ==\n");
            logical_print(op->analyzed.plan, 0, &op->explain);
            buf_addc(&op->explain, '\n');
        }
        if (mode == AST_EXPLAIN_EXTENDED || mode == AST_EXPLAIN_COST) {
            buf_adds(&op->explain, "== Optimized Logical Plan ==\n");
            logical_print(best, 0, &op->explain);
            buf_addc(&op->explain, '\n');
        }
        buf_adds(&op->explain, "== Physical Plan ==\n");
        stage_dag_print(op->dag, &op->explain);
    }
    return 0;
}

static void plan_run(struct work *w)
{
    struct operation *op = (struct operation *)((char *)w - offsetof(struct operation, work));
    plan(op);
}

/* ---- what follows planning: on the loop ---- */

static void answer_rows(struct operation *op, const struct schema *sch, struct sealed *rows)
{
    struct error none = ERROR_INIT;
    push_schema(op, sch);
    if (rows) {
        struct buf frame = BUF_INIT;
        uint32_t n = rows->rows;
        frame_encode(rows, FRAME_RAW, &frame);
        sealed_unref(rows);
        push_batch(op, n, &frame, 0);
    }
    operation_end(op, &none);
}

void operation_effect_done(struct operation *op, struct error *err)
{
    if (err->code || op->analyzed.kind != ANALYZED_ROWS || op->state == OP_ENDED) {
        if (op->seq == 0 && !err->code)
            push_schema(op, &(struct schema){0});
        operation_end(op, err);
        return;
    }
    answer_rows(op, &op->analyzed.schema, op->analyzed.rows);
    op->analyzed.rows = NULL;
}

static void answer_explain(struct operation *op)
{
    struct field f = {"plan", type_of(TYPE_STRING), false};
    struct schema sch = {1, &f};
    struct builder bd;
    struct error err = ERROR_INIT;
    builder_init(&bd, 1, &f.type, NULL);
    builder_put_str(&bd, 0, op->explain.data, (uint32_t)op->explain.bytes);
    int rc = builder_end_row(&bd, &err);
    ASSERT(rc == 0);
    answer_rows(op, &sch, builder_seal(&bd));
    builder_fini(&bd);
}

static void submit_job(struct operation *op)
{
    struct stage_dag *dag = op->dag;
    struct driver *dr = op->dr;
    struct job_spec spec = {.job_id = op->job_id, .stage_count = dag->stage_count};
    struct stage_spec *stages = ARENA_ARRAY(&op->ar, struct stage_spec, dag->stage_count);
    for (uint32_t i = 0; i < dag->stage_count; i++) {
        struct dag_stage *ds = &dag->stages[i];
        uint32_t *parents = ARENA_ARRAY(&op->ar, uint32_t, ds->parent_count);
        for (uint32_t p = 0; p < ds->parent_count; p++)
            parents[p] = ds->parents[p].stage;
        stages[i] = (struct stage_spec){.task_count = ds->plan.partition_count, .parent_count = ds->parent_count, .parents = parents,
                                        .determinism = (enum sched_determinism)ds->determinism, .writes = ds->writes, .result = ds->result};
    }
    spec.stages = stages;
    op->sent = xcalloc(dag->stage_count, sizeof *op->sent);
    op->part_count = dag->stages[dag->stage_count - 1].plan.partition_count;
    op->parts = xcalloc(op->part_count, sizeof *op->parts);
    for (uint32_t i = 0; i < op->part_count; i++) {
        op->parts[i].tail = &op->parts[i].items;
        op->parts[i].expected = -1;
    }
    sm_move(&operation_sm, &op->state, OP_RUNNING);
    history_planned(dr->history, op->record, dag);
    driver_event(dr, &(struct sched_event){.kind = SCHED_JOB_SUBMIT, .job_id = op->job_id, .spec = &spec});
}

void operation_run(struct operation *op)
{
    /* The names as written: rules may have renamed columns. A write's is empty. */
    push_schema(op, op->analyzed.kind == ANALYZED_QUERY ? &op->analyzed.schema : &op->dag->result);
    submit_job(op);
}

static void plan_done(struct work *w)
{
    struct operation *op = (struct operation *)((char *)w - offsetof(struct operation, work));
    struct error err = ERROR_INIT;
    if (op->state == OP_ENDED) { /* cancelled meanwhile */
        error_fini(&op->plan_error);
        sealed_unref(op->analyzed.rows);
        op->analyzed.rows = NULL;
        return;
    }
    if (op->plan_error.code) {
        error_move(&err, &op->plan_error);
        operation_end(op, &err);
        return;
    }
    switch (op->analyzed.kind) {
    case ANALYZED_ROWS: effect_apply(op); return;
    case ANALYZED_EXPLAIN: answer_explain(op); return;
    case ANALYZED_WRITE: commit_open(op); return;
    case ANALYZED_QUERY: operation_run(op); return;
    }
}

/* What statements are planned for: the executors that are there; embedded, those that are about to be. */
static struct cluster_shape shape_of(const struct driver *dr)
{
    const struct driver_config *c = &dr->config;
    struct cluster_shape sh = {0};
    if (c->executors)
        return (struct cluster_shape){c->executors, c->executors * c->slots, c->memory / c->slots};
    for (uint32_t i = 0; i < dr->exec_count; i++) {
        const struct exec *x = dr->execs[i];
        if (!x->live)
            continue;
        sh.executors++;
        sh.slots += x->slots;
        uint64_t grant = x->memory / x->slots;
        if (!sh.task_memory || grant < sh.task_memory)
            sh.task_memory = grant;
    }
    return sh.executors ? sh : (struct cluster_shape){1, 1, 1ull << 30};
}

void operation_execute(struct driver *dr, struct conn *client, struct session *s, const char *id, const char *sql)
{
    struct operation *op = xcalloc(1, sizeof *op);
    op->dr = dr;
    op->id = xstrdup(id);
    op->sql = xstrdup(sql);
    op->session = s;
    s->open_ops++;
    op->client = client;
    op->started_us = clock_mono_us();
    session_refresh(s, dr->catalog);
    op->snapshot = snapshot_ref(s->snapshot);
    op->job_id = dr->next_job++;
    op->unacked_tail = &op->unacked;
    op->record = history_begin(dr->history, history_app(dr->history, s->id, s->number, s->snapshot->user), op->job_id, sql);
    arena_init(&op->ar);
    op->shape = shape_of(dr);
    op->work = (struct work){.run = plan_run, .done = plan_done};
    op->next = dr->ops;
    dr->ops = op;
    driver_submit_work(dr, &op->work);
}

/* ---- results ---- */

/* An attempt whose rows wait for their reader waits too, and its slot is for others meanwhile. */
static void hold(struct operation *op, struct result_part *p, int64_t bytes)
{
    bool before = p->held > RESULT_WINDOW;
    p->held += bytes;
    if ((p->held > RESULT_WINDOW) != before)
        driver_event(op->dr, &(struct sched_event){.kind = SCHED_ATTEMPT_STALLED, .attempt_id = p->attempt_id, .stalled = !before});
}

static void credit(struct operation *op, uint64_t attempt_id, size_t bytes)
{
    struct driver *dr = op->dr;
    uint64_t job, executor = sched_attempt_executor(dr->sched, attempt_id);
    uint32_t stage, partition;
    if (!executor || !sched_attempt(dr->sched, attempt_id, executor, &job, &stage, &partition))
        return; /* the attempt is gone */
    struct result_part *p = &op->parts[partition];
    if (p->attempt_id == attempt_id)
        hold(op, p, -(int64_t)bytes);
    struct exec *x = dr->execs[executor - 1];
    Drover__ResultCredit m = DROVER__RESULT_CREDIT__INIT;
    m.attempt_id = attempt_id;
    m.bytes = bytes;
    if (x->conn)
        conn_send(x->conn, MSG_RESULT_CREDIT, 0, &m.base, NULL);
}

/*
 * A slow client holds up its own query: what waits for it here is bounded. Once it has taken all that was passed on,
 * the partition that it needs next may start whatever else is held.
 */
static void hold_back(struct operation *op)
{
    uint32_t limit = op->held_back ? op->head + !op->unacked : UINT32_MAX;
    if (op->state == OP_RUNNING && !op->job_ended)
        driver_event(op->dr, &(struct sched_event){.kind = SCHED_RESULT_LIMIT, .job_id = op->job_id, .limit = limit});
}

static void add_held(struct operation *op, size_t bytes)
{
    op->held += bytes;
    if (op->held > RESULT_HOLD && !op->held_back) {
        op->held_back = true;
        hold_back(op);
    }
}

static void drop_held(struct operation *op, size_t bytes)
{
    ASSERT(op->held >= bytes);
    op->held -= bytes;
    if (op->held < RESULT_HOLD / 2 && op->held_back) {
        op->held_back = false;
        hold_back(op);
    }
}

static void drop_items(struct operation *op, struct result_part *p)
{
    while (p->items) {
        struct run_item *next = p->items->next;
        drop_held(op, p->items->frame.bytes);
        buf_fini(&p->items->frame);
        xfree(p->items);
        p->items = next;
    }
    p->tail = &p->items;
}

static void try_finish(struct operation *op)
{
    if (!op->job_ended || op->state != OP_RUNNING || op->head < op->part_count)
        return;
    struct error none = ERROR_INIT;
    operation_end(op, &none);
}

/*
 * Rows that another attempt would give in another order bind the client to this one from the first that is passed on: they wait
 * for its end, as long as there are few.
 */
static bool may_deliver(const struct operation *op, const struct result_part *p)
{
    bool repeats = op->dag->stages[op->dag->stage_count - 1].determinism == STAGE_DETERMINATE;
    return p->expected >= 0 || p->next_seq > 0 || repeats || p->held > RESULT_WINDOW / 2;
}

/* Passes on what the head of the partitions has, and moves the head. */
static void pump(struct operation *op)
{
    while (op->head < op->part_count && op->state == OP_RUNNING) {
        struct result_part *p = &op->parts[op->head];
        if (p->expected < 0 && p->items && !sched_attempt_executor(op->dr->sched, p->attempt_id))
            drop_items(op, p); /* another attempt takes its place, and may give other rows */
        while (p->items && may_deliver(op, p)) {
            struct run_item *it = p->items;
            p->items = it->next;
            if (!p->items)
                p->tail = &p->items;
            if (it->seq == p->next_seq) {
                if (p->next_seq++ == 0)
                    driver_event(op->dr, &(struct sched_event){.kind = SCHED_ROWS_DELIVERED, .attempt_id = it->attempt_id});
                push_batch(op, it->rows, &it->frame, it->attempt_id);
            } else {
                drop_held(op, it->frame.bytes);
                credit(op, it->attempt_id, it->frame.bytes); /* of an earlier attempt, passed on already */
            }
            buf_fini(&it->frame);
            xfree(it);
        }
        if (p->expected < 0 || p->next_seq < p->expected)
            break;
        op->head++;
        if (op->held_back)
            hold_back(op);
    }
    try_finish(op);
}

void operation_result(struct operation *op, uint32_t partition, uint64_t attempt_id, uint32_t seq, uint32_t rows, const char *frame, size_t bytes)
{
    if (op->state != OP_RUNNING || partition >= op->part_count)
        return;
    struct result_part *p = &op->parts[partition];
    if (p->expected >= 0)
        return;
    if (p->attempt_id != attempt_id) { /* a new attempt begins again */
        drop_items(op, p);
        p->attempt_id = attempt_id;
        p->held = 0;
    }
    hold(op, p, (int64_t)bytes);
    struct run_item *it = xcalloc(1, sizeof *it);
    it->rows = rows;
    it->seq = seq;
    it->attempt_id = attempt_id;
    buf_add(&it->frame, frame, bytes);
    *p->tail = it;
    p->tail = &it->next;
    add_held(op, bytes);
    if (partition == op->head)
        pump(op);
}

void operation_part_done(struct operation *op, uint32_t partition, uint64_t attempt_id, uint32_t runs)
{
    if (!op->parts || partition >= op->part_count || op->parts[partition].expected >= 0)
        return;
    struct result_part *p = &op->parts[partition];
    if (runs > 0 && p->attempt_id != attempt_id)
        return;
    p->expected = runs;
    pump(op);
}

void operation_job_ended(struct operation *op, struct error *err)
{
    op->job_ended = true;
    if (err->code) {
        if (op->dag->write)
            commit_end(op, err);
        else
            operation_end(op, err);
        return;
    }
    if (op->dag->write) {
        effect_apply(op);
        return;
    }
    pump(op);
}

static void drop_taken(struct operation *op, uint64_t seq)
{
    while (op->unacked && op->unacked->seq <= seq) {
        struct result_frame *f = op->unacked;
        op->unacked = f->next;
        if (f->attempt_id) {
            drop_held(op, f->bulk.bytes);
            credit(op, f->attempt_id, f->bulk.bytes);
        }
        buf_fini(&f->message);
        buf_fini(&f->bulk);
        xfree(f);
    }
    if (!op->unacked) {
        op->unacked_tail = &op->unacked;
        if (op->held_back)
            hold_back(op);
    }
}

void operation_attach(struct operation *op, struct conn *client, uint64_t last_seq)
{
    op->client = client;
    op->detached_us = 0;
    drop_taken(op, last_seq);
    for (struct result_frame *f = op->unacked; f; f = f->next)
        send_frame(op, f);
}

void operation_detach(struct driver *dr, struct conn *client)
{
    for (struct operation *op = dr->ops; op; op = op->next) {
        if (op->client == client) {
            op->client = NULL;
            op->detached_us = clock_mono_us();
        }
    }
}

void operation_cancel(struct operation *op, const char *reason)
{
    struct error err = ERROR_INIT;
    if (op->state == OP_ENDED)
        return;
    error_set(&err, ERR_CANCELLED, "reason", reason, NULL);
    __atomic_store_n(&op->cancel, true, __ATOMIC_RELAXED);
    if (op->state == OP_PLANNING) {
        operation_end(op, &err);
        return;
    }
    if (op->state == OP_OPENING || op->state == OP_CLEARING) { /* commit.c looks at cancel; what is being cleared has failed */
        error_fini(&err);
        return;
    }
    driver_event(op->dr, &(struct sched_event){.kind = SCHED_JOB_CANCEL, .job_id = op->job_id, .error = &err});
}

/* ---- progress, sweeping ---- */

void operation_progress(struct operation *op)
{
    if (!op->client || op->state != OP_RUNNING || !op->dag || conn_queued(op->client) > PROGRESS_QUEUE_MAX)
        return;
    Drover__Progress m = DROVER__PROGRESS__INIT;
    Drover__StageProgress *items = xcalloc(op->dag->stage_count, sizeof *items);
    Drover__StageProgress **list = xcalloc(op->dag->stage_count, sizeof *list);
    uint32_t n = 0;
    for (uint32_t i = 0; i < op->dag->stage_count; i++) {
        struct stage_view v;
        if (!sched_stage_view(op->dr->sched, op->job_id, i, &v) || v.state != STAGE_RUNNING)
            continue;
        drover__stage_progress__init(&items[n]);
        items[n].stage = i;
        items[n].total = v.tasks;
        items[n].done = v.done;
        items[n].running = v.running;
        items[n].rows = v.rows_in ? v.rows_in : v.rows_out;
        items[n].run_us = v.run_us;
        list[n] = &items[n];
        n++;
    }
    m.has_waits = m.waits = true;
    for (uint32_t i = 0; i < op->dr->exec_count && m.waits; i++)
        m.waits = !op->dr->execs[i]->live;
    m.operation_id = op->id;
    m.n_stages = n;
    m.stages = list;
    conn_send(op->client, MSG_PROGRESS, 0, &m.base, NULL);
    xfree(items);
    xfree(list);
}

void operation_free(struct operation *op)
{
    for (uint32_t i = 0; op->parts && i < op->part_count; i++)
        drop_items(op, &op->parts[i]);
    for (uint32_t i = 0; op->sent && i < op->dag->stage_count; i++) {
        xfree(op->sent[i].plan);
        xfree(op->sent[i].version);
    }
    while (op->unacked) {
        struct result_frame *f = op->unacked;
        op->unacked = f->next;
        buf_fini(&f->message);
        buf_fini(&f->bulk);
        xfree(f);
    }
    commit_free(op);
    relation_unref(op->analyzed.effect.relation);
    sealed_unref(op->analyzed.rows);
    snapshot_unref(op->snapshot);
    arena_fini(&op->ar);
    buf_fini(&op->explain);
    buf_fini(&op->warnings);
    error_fini(&op->plan_error);
    error_fini(&op->error);
    xfree(op->parts);
    xfree(op->sent);
    xfree(op->id);
    xfree(op->sql);
    xfree(op);
}

/* Takes an operation out of the list and ends it. */
static void forget(struct operation **link)
{
    struct operation *op = *link;
    *link = op->next;
    op->session->open_ops--;
    operation_free(op);
}

static bool may_go(const struct operation *op, bool stale)
{
    return op->state == OP_ENDED && (!op->unacked || stale) && !op->work.busy && !op->write.work.busy;
}

void operation_ack(struct operation *op, uint64_t seq)
{
    drop_taken(op, seq);
    if (!may_go(op, false))
        return;
    struct operation **link = &op->dr->ops;
    while (*link != op)
        link = &(*link)->next;
    forget(link);
}

void operations_sweep(struct driver *dr)
{
    int64_t now = clock_mono_us();
    for (struct operation **p = &dr->ops; *p;) {
        struct operation *op = *p;
        bool stale = op->detached_us && now - op->detached_us > DETACHED_KEEP_MS * 1000ll;
        if (stale && op->state != OP_ENDED)
            operation_cancel(op, ": its client was gone for a minute");
        if (may_go(op, stale))
            forget(p);
        else
            p = &op->next;
    }
}
