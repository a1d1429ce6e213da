/* Launch actions as frames: the plan once per executor, inputs when they changed, then the attempts. */
#include "driver/server/driver_impl.h"
#include "proto/cluster.pb-c.h"

static void grow_sent(struct stage_sent *st, uint32_t count)
{
    if (st->exec_count >= count)
        return;
    st->plan = xrealloc(st->plan, count * sizeof *st->plan);
    st->version = xrealloc(st->version, count * sizeof *st->version);
    memset(st->plan + st->exec_count, 0, (count - st->exec_count) * sizeof *st->plan);
    memset(st->version + st->exec_count, 0, (count - st->exec_count) * sizeof *st->version);
    st->exec_count = count;
}

uint32_t launch_ride_max(const struct operation *op, uint32_t stage)
{
    const struct dag_stage *ds = &op->dag->stages[stage];
    if (ds->result || ds->writes || op->shape.executors < 2)
        return 0; /* one executor hands its outputs over in memory */
    int64_t room = RIDE_STAGE_MAX / (int64_t)(ds->plan.partition_count ? ds->plan.partition_count : 1);
    return (uint32_t)(op->ride_max < room ? op->ride_max : room);
}

static void send_plan(struct operation *op, struct exec *x, uint32_t stage)
{
    struct dag_stage *ds = &op->dag->stages[stage];
    struct buf bytes = BUF_INIT;
    stage_plan_encode(&ds->plan, &bytes);
    Drover__StagePlan m = DROVER__STAGE_PLAN__INIT;
    m.job_id = op->job_id;
    m.stage = stage;
    m.plan = (ProtobufCBinaryData){bytes.bytes, (uint8_t *)bytes.data};
    m.partition_count = ds->plan.partition_count;
    m.output_partitions = ds->plan.output_partitions;
    m.is_result = ds->result;
    m.peers_read = op->shape.executors > 1;
    m.ride_max = launch_ride_max(op, stage);
    m.has_ride_max = m.ride_max > 0;
    conn_send(x->conn, MSG_STAGE_PLAN, 0, &m.base, NULL);
    buf_fini(&bytes);
}

static void send_inputs(struct operation *op, struct exec *x, uint32_t exchange, uint32_t version)
{
    struct driver *dr = op->dr;
    uint32_t maps = op->dag->stages[exchange].plan.partition_count;
    uint32_t *map_exec = xmalloc(maps * sizeof *map_exec), peers = 0;
    uint64_t *attempts = xmalloc(maps * sizeof *attempts), *ids = xmalloc((dr->exec_count + 1) * sizeof *ids);
    char **addresses = xmalloc((dr->exec_count + 1) * sizeof *addresses);
    uint32_t *peer_of = xmalloc((dr->exec_count + 1) * sizeof *peer_of);
    uint32_t *rode = xcalloc(maps + 1, sizeof *rode);
    struct buf bulk = BUF_INIT;
    memset(peer_of, 0xff, (dr->exec_count + 1) * sizeof *peer_of);
    for (uint32_t m = 0; m < maps; m++) {
        uint64_t id = 0;
        attempts[m] = 0;
        bool there = sched_output(dr->sched, op->job_id, exchange, m, &id, &attempts[m]);
        ASSERT(there); /* the parent is complete, or nothing would be launched */
        if (id == 0) {
            const void *bytes = sched_kept(dr->sched, op->job_id, exchange, m, &rode[m]);
            buf_add(&bulk, bytes, rode[m]);
            map_exec[m] = 0;
            continue;
        }
        ASSERT(id <= dr->exec_count);
        struct exec *from = dr->execs[id - 1];
        if (peer_of[from->index] == UINT32_MAX) {
            peer_of[from->index] = peers;
            ids[peers] = from->id;
            addresses[peers++] = from->address;
        }
        map_exec[m] = peer_of[from->index];
    }
    Drover__StageInputs m = DROVER__STAGE_INPUTS__INIT;
    m.job_id = op->job_id;
    m.exchange = exchange;
    m.version = version;
    m.n_executor_id = m.n_address = peers;
    m.executor_id = ids;
    m.address = addresses;
    m.n_map_executor = m.n_map_attempt = maps;
    m.map_executor = map_exec;
    m.map_attempt = attempts;
    if (bulk.bytes) {
        m.n_map_bytes = maps;
        m.map_bytes = rode;
    }
    conn_send(x->conn, MSG_STAGE_INPUTS, 0, &m.base, bulk.bytes ? &bulk : NULL);
    xfree(rode);
    xfree(map_exec);
    xfree(attempts);
    xfree(ids);
    xfree(addresses);
    xfree(peer_of);
}

/* (u32 scan index, u32 bytes, split)* of one task. */
static void put_splits(const struct dag_stage *ds, uint32_t partition, struct buf *out)
{
    for (uint32_t s = 0; s < ds->scan_count; s++) {
        const struct stage_scan *sc = &ds->scans[s];
        if (partition < sc->task_first || partition >= sc->task_first + sc->task_count)
            continue;
        uint32_t t = partition - sc->task_first;
        for (uint32_t i = sc->split_first[t]; i < sc->split_first[t + 1]; i++) {
            uint32_t head[2] = {s, 0};
            size_t at = out->bytes;
            buf_add(out, head, sizeof head);
            file_split_encode(&sc->splits[i], out);
            head[1] = (uint32_t)(out->bytes - at - sizeof head);
            memcpy(out->data + at, head, sizeof head);
        }
    }
}

void launch_send(struct driver *dr, const struct sched_action *a)
{
    struct operation *op = driver_find_job(dr, a->job_id);
    ASSERT(op && a->executor_id >= 1 && a->executor_id <= dr->exec_count);
    struct exec *x = dr->execs[a->executor_id - 1];
    if (op->record)
        history_launched(dr->history, op->record, a);
    if (!x->conn)
        return; /* its loss is about to be told */
    struct dag_stage *ds = &op->dag->stages[a->stage];
    for (uint32_t p = 0; p < ds->parent_count; p++) {
        uint32_t exchange = ds->parents[p].stage, version = sched_output_version(dr->sched, op->job_id, exchange);
        grow_sent(&op->sent[exchange], dr->exec_count);
        if (op->sent[exchange].version[x->index] == version)
            continue;
        op->sent[exchange].version[x->index] = version;
        send_inputs(op, x, exchange, version);
    }
    grow_sent(&op->sent[a->stage], dr->exec_count);
    if (!op->sent[a->stage].plan[x->index]) {
        op->sent[a->stage].plan[x->index] = true;
        send_plan(op, x, a->stage);
    }
    Drover__Launch m = DROVER__LAUNCH__INIT;
    m.job_id = a->job_id;
    m.stage = a->stage;
    m.n_attempt_id = m.n_partition = a->count;
    m.attempt_id = a->attempt_ids;
    m.partition = a->partitions;
    struct buf bytes = BUF_INIT;
    ProtobufCBinaryData *splits = NULL;
    if (ds->scan_count) {
        size_t *ends = xmalloc(a->count * sizeof *ends);
        splits = xmalloc(a->count * sizeof *splits);
        for (uint32_t i = 0; i < a->count; i++) {
            put_splits(ds, a->partitions[i], &bytes);
            ends[i] = bytes.bytes;
        }
        for (uint32_t i = 0; i < a->count; i++) {
            size_t from = i ? ends[i - 1] : 0;
            splits[i] = (ProtobufCBinaryData){ends[i] - from, (uint8_t *)bytes.data + from};
        }
        m.n_splits = a->count;
        m.splits = splits;
        xfree(ends);
    }
    if (ds->writes)
        m.write_dir = (char *)(uintptr_t)file_write_folder(op->write.files);
    conn_send(x->conn, MSG_LAUNCH, 0, &m.base, NULL);
    xfree(splits);
    buf_fini(&bytes);
}
