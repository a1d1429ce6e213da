/* The metrics of a driver and its executors, read from the states as they are; see common/metrics. */
#include "common/metrics/metrics.h"
#include "driver/server/status_impl.h"

#include <stdio.h>

/* What the rows labelled by executor show of one. */
static double of_executor(enum metric m, const struct executor_view *v, const struct exec *x)
{
    switch (m) {
    case METRIC_ATTEMPTS_DONE: return (double)v->done;
    case METRIC_ATTEMPTS_FAILED: return (double)v->failed;
    case METRIC_EXCHANGE_BYTES: return (double)v->shuffle_bytes_in;
    case METRIC_FETCHED_BYTES: return (double)x->fetched_bytes;
    case METRIC_INPUT_BYTES: return (double)v->bytes_in;
    case METRIC_INPUT_ROWS: return (double)v->rows_in;
    case METRIC_MEMORY_BYTES: return (double)v->memory;
    case METRIC_MEMORY_USED_BYTES: return (double)x->memory_used;
    case METRIC_OUTPUT_BYTES: return (double)x->output_bytes;
    case METRIC_RESIDENT_BYTES: return (double)x->rss;
    case METRIC_RUN_SECONDS: return (double)v->run_us / 1e6;
    case METRIC_SERVED_BYTES: return (double)x->served_bytes;
    case METRIC_SLOTS: return v->slots;
    case METRIC_SLOTS_BUSY: return v->running;
    default: UNREACHABLE("a metric with the label executor");
    }
}

static void executors(const struct driver *dr, enum metric m, struct buf *out)
{
    struct executor_view v;
    for (uint32_t i = 0; sched_executor_at(dr->sched, i, &v); i++) {
        /* Counters of the lost stay, so that rates over them stay true; what a lost one holds is nothing. */
        if (v.state != EXECUTOR_LIVE && metric_rows[m].kind == METRIC_GAUGE)
            continue;
        char id[24];
        snprintf(id, sizeof id, "%llu", (unsigned long long)v.executor_id);
        metric_value(m, id, of_executor(m, &v, dr->execs[v.executor_id - 1]), out);
    }
}

static void executor_states(const struct driver *dr, struct buf *out)
{
    uint64_t live = 0, lost = 0;
    struct executor_view v;
    for (uint32_t i = 0; sched_executor_at(dr->sched, i, &v); i++) {
        live += v.state == EXECUTOR_LIVE;
        lost += v.state != EXECUTOR_LIVE;
    }
    metric_value(METRIC_EXECUTORS, "live", (double)live, out);
    metric_value(METRIC_EXECUTORS, "lost", (double)lost, out);
}

static void launch_to_result(const struct driver *dr, struct buf *out)
{
    metric_value(METRIC_LAUNCH_TO_RESULT, "0.5", (double)sched_launch_to_result_us(dr->sched, 0.5) / 1e6, out);
    metric_value(METRIC_LAUNCH_TO_RESULT, "0.99", (double)sched_launch_to_result_us(dr->sched, 0.99) / 1e6, out);
}

static void closes(const struct rpc *rpc, struct buf *out)
{
    static const char *const names[] = {
#define CLOSE(id, name, blamed, doc) name,
#include "common/rpc/closes.def"
#undef CLOSE
    };
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        metric_value(METRIC_CONNECTIONS_CLOSED, names[i], (double)rpc->counters.closed[i], out);
}

void status_metrics(struct driver *dr, struct buf *out)
{
    const struct rpc_counters *c = &dr->rpc.counters;
    const struct history *h = dr->history;
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        metric_head(m, out);
        switch (m) {
        case METRIC_CONNECTIONS_ACCEPTED: metric_value(m, NULL, (double)c->accepted, out); break;
        case METRIC_CONNECTIONS_CLOSED: closes(&dr->rpc, out); break;
        case METRIC_CONNECTIONS_OPEN: metric_value(m, NULL, dr->rpc.conn_count, out); break;
        case METRIC_EVENTS_STALE: metric_value(m, NULL, (double)sched_stale_events(dr->sched), out); break;
        case METRIC_EXECUTORS: executor_states(dr, out); break;
        case METRIC_LAUNCH_TO_RESULT: launch_to_result(dr, out); break;
        case METRIC_RPC_BYTES_IN: metric_value(m, NULL, (double)c->bytes_in, out); break;
        case METRIC_RPC_BYTES_OUT: metric_value(m, NULL, (double)c->bytes_out, out); break;
        case METRIC_RPC_FRAMES_IN: metric_value(m, NULL, (double)c->frames_in, out); break;
        case METRIC_RPC_FRAMES_OUT: metric_value(m, NULL, (double)c->frames_out, out); break;
        case METRIC_STATEMENTS:
            metric_value(m, "done", (double)(h->ended - h->failed), out);
            metric_value(m, "failed", (double)h->failed, out);
            break;
        case METRIC_STATEMENTS_RUNNING: metric_value(m, NULL, (double)(h->begun - h->ended), out); break;
        case METRIC_STATEMENT_ROWS: metric_value(m, NULL, (double)h->rows, out); break;
        default: executors(dr, m, out); break;
        }
    }
}
