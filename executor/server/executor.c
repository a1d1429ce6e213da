/* The executor's loop thread: connections, plans, launches, completions, heartbeats. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/testpoint.h"
#include "common/log/log.h"
#include "executor/server/executor_impl.h"
#include "proto/cluster.pb-c.h"

enum { HEARTBEAT_MS = 1000, RECONNECT_MS = 100, RECONNECT_MS_MAX = 5000, EMBEDDED_TRIES = 2000, EMBEDDED_RETRY_MS = 2 };

/* ---- inputs ---- */

void inputs_unref(struct inputs *in)
{
    if (!in || __atomic_sub_fetch(&in->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < in->peer_count; i++)
        xfree(in->addresses[i]);
    xfree(in->addresses);
    xfree(in->peer_ids);
    xfree(in->map_peer);
    xfree(in->map_attempt);
    xfree(in);
}

struct inputs *executor_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange)
{
    struct inputs *found = NULL;
    pthread_mutex_lock(&ex->inputs_lock);
    for (struct inputs_link *l = ex->input_links; l && !found; l = l->next) {
        if (l->in->job_id == job_id && l->in->exchange == exchange)
            found = l->in;
    }
    if (found)
        __atomic_add_fetch(&found->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&ex->inputs_lock);
    return found;
}

/* Drops what is known of a job's inputs; of one exchange unless that is UINT32_MAX. */
static void forget_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange)
{
    pthread_mutex_lock(&ex->inputs_lock);
    for (struct inputs_link **p = &ex->input_links; *p;) {
        struct inputs_link *l = *p;
        if (l->in->job_id != job_id || (exchange != UINT32_MAX && l->in->exchange != exchange)) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        inputs_unref(l->in);
        xfree(l);
    }
    pthread_mutex_unlock(&ex->inputs_lock);
}

static void on_inputs(struct executor *ex, const Drover__StageInputs *m)
{
    if (m->n_map_executor != m->n_map_attempt || m->n_executor_id != m->n_address || m->n_executor_id == 0)
        return;
    struct inputs *in = xcalloc(1, sizeof *in);
    in->refs = 1;
    in->job_id = m->job_id;
    in->exchange = m->exchange;
    in->version = m->version;
    in->map_count = (uint32_t)m->n_map_executor;
    in->peer_count = (uint32_t)m->n_executor_id;
    in->peer_ids = xmalloc((m->n_executor_id + 1) * sizeof *in->peer_ids);
    in->addresses = xcalloc(m->n_executor_id + 1, sizeof *in->addresses);
    in->map_peer = xmalloc((m->n_map_executor + 1) * sizeof *in->map_peer);
    in->map_attempt = xmalloc((m->n_map_executor + 1) * sizeof *in->map_attempt);
    for (uint32_t i = 0; i < in->peer_count; i++) {
        in->peer_ids[i] = m->executor_id[i];
        in->addresses[i] = xstrdup(m->address[i]);
    }
    for (uint32_t i = 0; i < in->map_count; i++) {
        in->map_peer[i] = m->map_executor[i] < in->peer_count ? m->map_executor[i] : 0;
        in->map_attempt[i] = m->map_attempt[i];
    }
    forget_inputs(ex, in->job_id, in->exchange);
    pthread_mutex_lock(&ex->inputs_lock);
    struct inputs_link *l = xmalloc(sizeof *l);
    *l = (struct inputs_link){in, ex->input_links};
    ex->input_links = l;
    pthread_mutex_unlock(&ex->inputs_lock);
}

/* ---- stages ---- */

static struct stage_entry **stage_slot(struct executor *ex, uint64_t job_id, uint32_t stage)
{
    struct stage_entry **p = &ex->stages[hash_u64(job_id * 1000003 + stage) % ARRAY_LEN(ex->stages)];
    while (*p && ((*p)->job_id != job_id || (*p)->stage != stage))
        p = &(*p)->next;
    return p;
}

static void on_plan(struct executor *ex, const Drover__StagePlan *m)
{
    struct stage_entry **p = stage_slot(ex, m->job_id, m->stage);
    if (*p)
        return;
    struct stage_entry *e = xcalloc(1, sizeof *e);
    e->refs = 1;
    e->job_id = m->job_id;
    e->stage = m->stage;
    e->output_partitions = m->output_partitions ? m->output_partitions : 1;
    e->is_result = m->is_result;
    e->peers_read = m->peers_read;
    pthread_mutex_init(&e->compile, NULL);
    arena_init(&e->ar);
    if (stage_plan_decode(&e->ar, m->plan.data, m->plan.len, &e->plan, &e->error) != 0)
        log_warn("executor", "a stage plan could not be decoded; its attempts will fail");
    *p = e;
}

static void cancel(struct attempt *a)
{
    __atomic_store_n(&a->cancel, true, __ATOMIC_RELAXED);
    slot_wake(a);
}

static void on_release(struct executor *ex, uint64_t job_id, bool whole, uint32_t stage)
{
    store_release(ex->store, job_id, whole ? UINT32_MAX : stage);
    if (!whole)
        return;
    forget_inputs(ex, job_id, UINT32_MAX);
    for (struct attempt *a = ex->attempts; a; a = a->next) {
        if (a->job_id == job_id)
            cancel(a);
    }
    for (size_t i = 0; i < ARRAY_LEN(ex->stages); i++) {
        for (struct stage_entry **p = &ex->stages[i]; *p;) {
            struct stage_entry *e = *p;
            if (e->job_id != job_id) {
                p = &e->next;
                continue;
            }
            *p = e->next;
            stage_entry_unref(e);
        }
    }
}

/* ---- attempts ---- */

static void forget_attempt(struct executor *ex, struct attempt *a)
{
    if (a->prev)
        a->prev->next = a->next;
    else
        ex->attempts = a->next;
    if (a->next)
        a->next->prev = a->prev;
    ex->attempt_count--;
    attempt_free(a);
}

/* splits: (u32 scan index, u32 bytes, file_split)* */
static bool read_splits(struct attempt *a, const void *p, size_t bytes)
{
    a->splits = xmalloc(bytes + 1);
    if (bytes)
        memcpy(a->splits, p, bytes);
    uint32_t cap = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t head[2];
        if (bytes - at < sizeof head)
            return false;
        memcpy(head, a->splits + at, sizeof head);
        at += sizeof head;
        if (bytes - at < head[1])
            return false;
        ARRAY_GROW(a->split_items, a->split_count, cap);
        a->split_items[a->split_count++] = (struct task_split){head[0], a->splits + at, head[1]};
        at += head[1];
    }
    return true;
}

static void send_failed(struct executor *ex, uint64_t attempt_id, const struct error *err, struct attempt *a)
{
    Drover__AttemptFailed m = DROVER__ATTEMPT_FAILED__INIT;
    struct buf bytes = BUF_INIT;
    error_encode(err, &bytes);
    m.attempt_id = attempt_id;
    m.error = (ProtobufCBinaryData){bytes.bytes, (uint8_t *)bytes.data};
    if (a && a->fetch_failed) {
        m.has_lost_stage = true;
        m.lost_stage = a->lost_stage;
        m.n_lost_partition = m.n_lost_attempt = 1;
        m.lost_partition = (uint32_t *)&a->lost_partition;
        m.lost_attempt = (uint64_t *)&a->lost_attempt;
    }
    conn_send(ex->driver, MSG_ATTEMPT_FAILED, 0, &m.base, NULL);
    buf_fini(&bytes);
}

static void refuse(struct executor *ex, uint64_t attempt_id, const char *why)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_INTERNAL, "message", why, NULL);
    send_failed(ex, attempt_id, &err, NULL);
    error_fini(&err);
}

static void on_launch(struct executor *ex, const Drover__Launch *m)
{
    struct stage_entry *e = *stage_slot(ex, m->job_id, m->stage);
    struct attempt *first = NULL, **tail = &first;
    for (size_t i = 0; i < m->n_attempt_id; i++) {
        if (!e || i >= m->n_partition || (m->n_splits && i >= m->n_splits)) {
            refuse(ex, m->attempt_id[i], "a launch that does not fit its stage");
            continue;
        }
        struct attempt *a = xcalloc(1, sizeof *a);
        a->ex = ex;
        a->id = m->attempt_id[i];
        a->job_id = m->job_id;
        a->executor_id = ex->id;
        a->partition = m->partition[i];
        a->entry = e;
        __atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
        arena_init(&a->ar);
        a->next = ex->attempts;
        if (ex->attempts)
            ex->attempts->prev = a;
        ex->attempts = a;
        ex->attempt_count++;
        if (m->n_splits && !read_splits(a, m->splits[i].data, m->splits[i].len)) {
            refuse(ex, a->id, "splits that cannot be read");
            forget_attempt(ex, a);
            continue;
        }
        if (m->write_dir)
            a->write_dir = xasprintf("%s/%llu", m->write_dir, (unsigned long long)a->id);
        *tail = a;
        tail = &a->next_queued;
    }
    *tail = NULL;
    if (!first)
        return;
    pthread_mutex_lock(&ex->lock);
    uint32_t n = 0;
    for (struct attempt *a = first; a; a = a->next_queued, n++)
        a->state = RUN_QUEUED;
    *ex->queue_tail = first;
    ex->queue_tail = tail == &first ? ex->queue_tail : tail;
    for (uint32_t i = 0; i < n && i < ex->idle_slots; i++)
        pthread_cond_signal(&ex->wake_slots);
    pthread_mutex_unlock(&ex->lock);
}

static struct attempt *find_attempt(struct executor *ex, uint64_t id)
{
    struct attempt *a = ex->attempts;
    while (a && a->id != id)
        a = a->next;
    return a;
}

/* ---- notes from the slots ---- */

void executor_note(struct executor *ex, struct note *take)
{
    pthread_mutex_lock(&ex->note_lock);
    bool first = ex->note_head == NULL;
    take->next = NULL;
    *ex->note_tail = take;
    ex->note_tail = &take->next;
    pthread_mutex_unlock(&ex->note_lock);
    if (first)
        uv_async_send(&ex->async);
}

/* Completions of one turn of the loop go out in one frame. */
struct done_batch {
    uint32_t count, cap[10];
    uint32_t *runs;
    uint64_t *id, *rows_out, *bytes_out, *rows_in, *bytes_in, *shuffle_in, *run_us, *peak;
    ProtobufCBinaryData *manifests;
    struct attempt **attempts;
    uint32_t attempts_cap;
    bool any_manifest;
};

static void add_done(struct done_batch *d, struct attempt *a)
{
    ARRAY_GROW(d->id, d->count, d->cap[0]);
    ARRAY_GROW(d->rows_out, d->count, d->cap[1]);
    ARRAY_GROW(d->bytes_out, d->count, d->cap[2]);
    ARRAY_GROW(d->rows_in, d->count, d->cap[3]);
    ARRAY_GROW(d->bytes_in, d->count, d->cap[4]);
    ARRAY_GROW(d->shuffle_in, d->count, d->cap[5]);
    ARRAY_GROW(d->run_us, d->count, d->cap[6]);
    ARRAY_GROW(d->peak, d->count, d->cap[7]);
    ARRAY_GROW(d->manifests, d->count, d->cap[8]);
    ARRAY_GROW(d->runs, d->count, d->cap[9]);
    ARRAY_GROW(d->attempts, d->count, d->attempts_cap);
    uint32_t i = d->count++;
    d->id[i] = a->id;
    d->rows_out[i] = a->metrics.rows_out;
    d->bytes_out[i] = a->metrics.bytes_out;
    d->rows_in[i] = a->metrics.rows_in;
    d->bytes_in[i] = a->metrics.bytes_in;
    d->shuffle_in[i] = a->metrics.shuffle_bytes_in;
    d->run_us[i] = (uint64_t)a->run_us;
    d->peak[i] = (uint64_t)(a->metrics.peak_memory > 0 ? a->metrics.peak_memory : 0);
    d->manifests[i] = (ProtobufCBinaryData){a->manifest.bytes, (uint8_t *)a->manifest.data};
    d->any_manifest |= a->manifest.bytes > 0;
    d->runs[i] = a->result_seq;
    d->attempts[i] = a;
}

static void send_done(struct executor *ex, struct done_batch *d)
{
    Drover__Completions m = DROVER__COMPLETIONS__INIT;
    m.n_attempt_id = m.n_rows_out = m.n_bytes_out = m.n_rows_in = m.n_bytes_in = m.n_shuffle_bytes_in = m.n_run_us =
        m.n_peak_memory = m.n_result_runs = d->count;
    m.attempt_id = d->id;
    m.rows_out = d->rows_out;
    m.bytes_out = d->bytes_out;
    m.rows_in = d->rows_in;
    m.bytes_in = d->bytes_in;
    m.shuffle_bytes_in = d->shuffle_in;
    m.run_us = d->run_us;
    m.peak_memory = d->peak;
    m.result_runs = d->runs;
    if (d->any_manifest) {
        m.n_manifest = d->count;
        m.manifest = d->manifests;
    }
    if (d->count && ex->driver)
        conn_send(ex->driver, MSG_COMPLETIONS, 0, &m.base, NULL);
    for (uint32_t i = 0; i < d->count; i++)
        forget_attempt(ex, d->attempts[i]);
    d->count = 0;
    d->any_manifest = false;
}

static void done_fini(struct done_batch *d)
{
    xfree(d->id);
    xfree(d->rows_out);
    xfree(d->bytes_out);
    xfree(d->rows_in);
    xfree(d->bytes_in);
    xfree(d->shuffle_in);
    xfree(d->run_us);
    xfree(d->peak);
    xfree(d->runs);
    xfree(d->manifests);
    xfree(d->attempts);
}

static void on_result(struct executor *ex, struct note *n)
{
    struct attempt *a = n->attempt;
    Drover__ResultRows m = DROVER__RESULT_ROWS__INIT;
    m.job_id = a->job_id;
    m.attempt_id = a->id;
    m.partition = a->partition;
    m.seq = n->seq;
    m.rows = n->rows;
    if (ex->driver)
        conn_send(ex->driver, MSG_RESULT_ROWS, 0, &m.base, &n->bytes);
    buf_fini(&n->bytes);
}

static void notes_cb(uv_async_t *h)
{
    struct executor *ex = h->data;
    struct done_batch done = {0};
    pthread_mutex_lock(&ex->note_lock);
    struct note *n = ex->note_head;
    ex->note_head = NULL;
    ex->note_tail = &ex->note_head;
    pthread_mutex_unlock(&ex->note_lock);
    while (n) {
        struct note *next = n->next;
        switch (n->kind) {
        case NOTE_DONE: add_done(&done, n->attempt); break;
        case NOTE_FAILED:
            if (ex->driver)
                send_failed(ex, n->attempt->id, &n->attempt->error, n->attempt);
            forget_attempt(ex, n->attempt);
            break;
        case NOTE_RESULT: on_result(ex, n); break;
        case NOTE_FETCH: fetch_start(ex, n->fetch); break;
        case NOTE_FETCH_CREDIT: fetch_credit(ex, n->fetch, n->peer, n->credit); break;
        case NOTE_SERVED: serve_frame_ready(n->serve); break;
        }
        xfree(n);
        n = next;
        if (done.count >= 4096)
            send_done(ex, &done);
    }
    send_done(ex, &done);
    done_fini(&done);
}

/* ---- the driver ---- */

static void lose_driver(struct executor *ex, const char *reason);
static void heartbeat_cb(uv_timer_t *t);

static void on_credit(struct executor *ex, const Drover__ResultCredit *m)
{
    struct attempt *a = find_attempt(ex, m->attempt_id);
    if (!a)
        return;
    __atomic_sub_fetch(&a->unacked, (int64_t)m->bytes, __ATOMIC_RELAXED);
    slot_wake(a);
}

static void driver_frame_cb(struct conn *conn, const struct frame *f)
{
    struct executor *ex = conn->owner;
    switch (f->type) {
    case MSG_REGISTERED: {
        const Drover__Registered *m = f->message;
        ex->id = m->executor_id;
        ex->rpc.epoch = m->epoch;
        ex->registered = true;
        ex->connect_tries = 0;
        xfree(ex->connect_trouble);
        ex->connect_trouble = NULL;
        uv_timer_start(&ex->heartbeat, heartbeat_cb, 0, m->heartbeat_ms > 0 && m->heartbeat_ms < HEARTBEAT_MS ? m->heartbeat_ms : HEARTBEAT_MS);
        if (ex->config.announce) {
            printf("ready executor=%llu\n", (unsigned long long)ex->id);
            fflush(stdout);
        }
        break;
    }
    case MSG_STAGE_PLAN: on_plan(ex, f->message); break;
    case MSG_STAGE_INPUTS:
        on_inputs(ex, f->message);
        TEST_POINT("after-map"); /* the driver knows a whole stage's outputs, some of them here */
        break;
    case MSG_LAUNCH: on_launch(ex, f->message); break;
    case MSG_KILL_ATTEMPTS: {
        const Drover__KillAttempts *m = f->message;
        for (size_t i = 0; i < m->n_attempt_id; i++) {
            struct attempt *a = find_attempt(ex, m->attempt_id[i]);
            if (a)
                cancel(a);
        }
        break;
    }
    case MSG_RELEASE: {
        const Drover__Release *m = f->message;
        on_release(ex, m->job_id, !m->has_stage, m->stage);
        break;
    }
    case MSG_RESULT_CREDIT: on_credit(ex, f->message); break;
    case MSG_GOODBYE: log_warn("executor", "the driver says goodbye: %s", ((const Drover__Goodbye *)f->message)->reason); break;
    default: log_warn("executor", "the driver sent %s, which is not for executors; ignored", msg_name(f->type)); break;
    }
}

static void register_now(struct executor *ex)
{
    Drover__RegisterExecutor m = DROVER__REGISTER_EXECUTOR__INIT;
    m.host = ex->host;
    m.data_address = ex->data_address;
    m.slots = ex->config.slots;
    m.memory = ex->config.memory;
    m.pid = (uint64_t)getpid();
    m.incarnation = ex->incarnation;
    m.has_executor_id = ex->id != 0;
    m.executor_id = ex->id;
    conn_send(ex->driver, MSG_REGISTER_EXECUTOR, 0, &m.base, NULL);
}

static void try_register(struct executor *ex)
{
    if (!ex->driver_open || !ex->data_open)
        return;
    if (!ex->listener) {
        struct error err = ERROR_INIT;
        char *address = ex->config.listen         ? xstrdup(ex->config.listen)
                        : str_has_prefix(ex->config.driver, "unix:")
                            ? xasprintf("%s.x%d", ex->config.driver, (int)getpid())
                            : strchr(ex->driver->local_host, ':') ? xasprintf("[%s]:0", ex->driver->local_host)
                                                                  : xasprintf("%s:0", ex->driver->local_host);
        int rc = rpc_listen(&ex->rpc, address, serve_accept, ex, &ex->listener, &err);
        xfree(address);
        if (rc != 0) {
            struct buf text = BUF_INIT;
            error_format(&err, &text);
            log_error("executor", "%s", text.data);
            buf_fini(&text);
            error_fini(&err);
            ex->exit_code = 1;
            uv_stop(&ex->loop);
            return;
        }
        ex->data_address = xstrdup(listener_address(ex->listener));
    }
    register_now(ex);
}

static void driver_open_cb(struct conn *conn)
{
    struct executor *ex = conn->owner;
    if (conn == ex->driver)
        ex->driver_open = true;
    else
        ex->data_open = true;
    try_register(ex);
}

static void driver_closed_cb(struct conn *conn, const char *reason)
{
    struct executor *ex = conn->owner;
    if (conn == ex->driver)
        ex->driver = NULL;
    else
        ex->data = NULL;
    if (conn->end == CLOSE_AUTH && !ex->registered && !ex->config.embedded) {
        fprintf(stderr, "drover executor: the driver %s: %s\n", ex->config.driver, reason);
        ex->exit_code = 1; /* another secret does not come by waiting */
        ex->stopping = true;
        uv_stop(&ex->loop);
        return;
    }
    lose_driver(ex, reason);
}

static void data_frame_cb(struct conn *conn, const struct frame *f)
{
    driver_frame_cb(conn, f);
}

static const struct conn_ops driver_ops = {.on_open = driver_open_cb, .on_frame = driver_frame_cb, .on_close = driver_closed_cb};
static const struct conn_ops data_ops = {.on_open = driver_open_cb, .on_frame = data_frame_cb, .on_close = driver_closed_cb};

static void connect_driver(struct executor *ex)
{
    ex->driver_open = ex->data_open = ex->registered = false;
    ex->incarnation = (uint64_t)clock_wall_us();
    ex->rpc.incarnation = ex->incarnation;
    ex->driver = conn_connect(&ex->rpc, ex->config.driver, ROLE_EXECUTOR, &driver_ops, ex);
    ex->data = conn_connect(&ex->rpc, ex->config.driver, ROLE_EXECUTOR_DATA, &data_ops, ex);
}

static void reconnect_cb(uv_timer_t *t)
{
    struct executor *ex = t->data;
    if (!ex->driver && !ex->data)
        connect_driver(ex);
}

/* Doubling, and spread so that a hundred executors do not come back in one moment. */
static uint64_t reconnect_delay_ms(struct executor *ex)
{
    uint64_t ms = RECONNECT_MS;
    for (uint32_t i = 0; i < ex->connect_tries && ms < RECONNECT_MS_MAX; i++)
        ms *= 2;
    ex->connect_tries++;
    if (ms > RECONNECT_MS_MAX)
        ms = RECONNECT_MS_MAX;
    return ms / 2 + hash_u64(ex->incarnation) % ms;
}

/* Said when it begins and when the trouble is another one, not at every try. */
static void say_trouble(struct executor *ex, const char *reason)
{
    if (ex->connect_trouble && strcmp(ex->connect_trouble, reason) == 0)
        return;
    xfree(ex->connect_trouble);
    ex->connect_trouble = xstrdup(reason);
    fprintf(stderr, "drover executor: %s the driver %s: %s; trying again\n",
            ex->registered ? "the connection ended with" : "no connection to", ex->config.driver, reason);
}

/* Everything that the old driver knew of us is void: its attempts end, its outputs go. */
static void lose_driver(struct executor *ex, const char *reason)
{
    if (ex->stopping)
        return;
    conn_close(ex->driver, reason);
    conn_close(ex->data, reason);
    ex->driver = ex->data = NULL;
    bool starting = !ex->id && ex->connect_tries < EMBEDDED_TRIES; /* the driver beside us may need a moment */
    if (!ex->config.embedded)
        say_trouble(ex, reason);
    for (struct attempt *a = ex->attempts; a; a = a->next)
        cancel(a);
    for (size_t i = 0; i < ARRAY_LEN(ex->stages); i++) {
        while (ex->stages[i])
            on_release(ex, ex->stages[i]->job_id, true, 0);
    }
    ex->registered = false;
    ex->id = 0;
    if (!ex->config.embedded) {
        uv_timer_start(&ex->reconnect, reconnect_cb, reconnect_delay_ms(ex), 0);
    } else if (starting) {
        ex->connect_tries++;
        uv_timer_start(&ex->reconnect, reconnect_cb, EMBEDDED_RETRY_MS, 0);
    } else {
        uv_stop(&ex->loop);
    }
}

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total = 0, rss = 0;
    if (f) {
        if (fscanf(f, "%lu %lu", &total, &rss) != 2)
            rss = 0;
        fclose(f);
    }
    return (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void heartbeat_cb(uv_timer_t *t)
{
    struct executor *ex = t->data;
    if (!ex->registered || !ex->driver)
        return;
    Drover__Heartbeat m = DROVER__HEARTBEAT__INIT;
    m.rss_bytes = resident_bytes();
    m.running = ex->attempt_count;
    m.memory_used = (uint64_t)__atomic_load_n(&ex->account.used, __ATOMIC_RELAXED);
    m.has_output_bytes = true;
    m.output_bytes = store_bytes(ex->store);
    m.has_fetched_bytes = m.has_served_bytes = m.has_rejected = true;
    m.fetched_bytes = ex->fetched_bytes;
    m.served_bytes = ex->served_bytes;
    m.rejected = rpc_blamed(&ex->rpc);
    conn_send(ex->driver, MSG_HEARTBEAT, 0, &m.base, NULL);
}

static void signal_cb(uv_signal_t *h, int signum)
{
    struct executor *ex = h->data;
    log_info("executor", "signal %d: stopping", signum);
    if (ex->driver && ex->registered) {
        Drover__Goodbye m = DROVER__GOODBYE__INIT;
        char *reason = xasprintf("it was told to stop by signal %d", signum);
        m.reason = reason;
        conn_send(ex->driver, MSG_GOODBYE, 0, &m.base, NULL);
        conn_flush_close(ex->driver);
        ex->driver = NULL; /* it may be gone before the loop is */
        xfree(reason);
    }
    ex->stopping = true;
    uv_stop(&ex->loop);
}

/* ---- life ---- */

static uint64_t read_number(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long v = 0;
    if (f) {
        if (fscanf(f, "%llu", &v) != 1)
            v = 0;
        fclose(f);
    }
    return v;
}

uint64_t executor_default_memory(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t v2 = read_number("/sys/fs/cgroup/memory.max");
    uint64_t v1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (v2 && v2 < bytes)
        bytes = v2;
    if (v1 && v1 < bytes)
        bytes = v1;
    return bytes / 10 * 8;
}

static void close_handle_cb(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void close_all(struct executor *ex)
{
    ex->stopping = true;
    conn_close(ex->driver, "stopping");
    conn_close(ex->data, "stopping");
    listener_close(ex->listener);
    serves_close(ex);
    peers_close(ex);
    while (ex->rpc.conns)
        conn_close(ex->rpc.conns, "stopping");
    uv_close((uv_handle_t *)&ex->heartbeat, NULL);
    uv_close((uv_handle_t *)&ex->reconnect, NULL);
    uv_close((uv_handle_t *)&ex->async, NULL);
    uv_close((uv_handle_t *)&ex->sigterm, NULL);
    uv_close((uv_handle_t *)&ex->sigint, NULL);
    uv_run(&ex->loop, UV_RUN_DEFAULT);
    uv_walk(&ex->loop, close_handle_cb, NULL);
    uv_loop_close(&ex->loop);
}

static void drop_notes(struct executor *ex)
{
    while (ex->note_head) {
        struct note *n = ex->note_head;
        ex->note_head = n->next;
        buf_fini(&n->bytes);
        fetch_unref(n->fetch);
        xfree(n);
    }
}

int executor_main(const struct executor_config *config)
{
    struct executor *ex = xcalloc(1, sizeof *ex);
    struct error err = ERROR_INIT;
    char host[256] = "localhost";
    signal(SIGPIPE, SIG_IGN);
    gethostname(host, sizeof host - 1);
    ex->config = *config;
    ex->host = xstrdup(host);
    uv_loop_init(&ex->loop);
    rpc_init(&ex->rpc, &ex->loop, ex->host);
    ex->rpc.roles = 1u << ROLE_PEER;
    if (config->secret_file && rpc_read_secret(&ex->rpc, config->secret_file, &err) != 0) {
        struct buf text = BUF_INIT;
        error_format(&err, &text);
        fprintf(stderr, "drover executor: %s\n", text.data);
        buf_fini(&text);
        error_fini(&err);
        return 2;
    }
    account_init(&ex->account, "executor", NULL, (int64_t)config->memory);
    ex->store = store_new(&ex->account, config->dir, config->memory / 4);
    pthread_mutex_init(&ex->lock, NULL);
    pthread_mutex_init(&ex->note_lock, NULL);
    pthread_mutex_init(&ex->inputs_lock, NULL);
    pthread_cond_init(&ex->wake_slots, NULL);
    pthread_cond_init(&ex->wake_server, NULL);
    ex->note_tail = &ex->note_head;
    uv_async_init(&ex->loop, &ex->async, notes_cb);
    uv_timer_init(&ex->loop, &ex->heartbeat);
    uv_timer_init(&ex->loop, &ex->reconnect);
    uv_signal_init(&ex->loop, &ex->sigterm);
    uv_signal_init(&ex->loop, &ex->sigint);
    ex->async.data = ex->heartbeat.data = ex->reconnect.data = ex->sigterm.data = ex->sigint.data = ex;
    uv_signal_start(&ex->sigterm, signal_cb, SIGTERM);
    if (!config->embedded)
        uv_signal_start(&ex->sigint, signal_cb, SIGINT);
    slots_start(ex);
    connect_driver(ex);
    uv_run(&ex->loop, UV_RUN_DEFAULT);
    for (struct attempt *a = ex->attempts; a; a = a->next)
        __atomic_store_n(&a->cancel, true, __ATOMIC_RELAXED);
    slots_stop(ex);
    close_all(ex);
    drop_notes(ex);
    while (ex->attempts)
        forget_attempt(ex, ex->attempts);
    while (ex->input_links) {
        struct inputs_link *next = ex->input_links->next;
        inputs_unref(ex->input_links->in);
        xfree(ex->input_links);
        ex->input_links = next;
    }
    for (size_t i = 0; i < ARRAY_LEN(ex->stages); i++) {
        while (ex->stages[i]) {
            struct stage_entry *next = ex->stages[i]->next;
            stage_entry_unref(ex->stages[i]);
            ex->stages[i] = next;
        }
    }
    store_free(ex->store);
    account_fini(&ex->account);
    rpc_fini(&ex->rpc);
    xfree(ex->host);
    xfree(ex->data_address);
    xfree(ex->connect_trouble);
    int code = ex->exit_code;
    xfree(ex);
    return code;
}
