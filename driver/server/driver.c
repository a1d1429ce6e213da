/* The driver's loop thread: connections, executors' membership, sessions, the scheduler's clock and actions. */
#include "driver/server/driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log/log.h"
#include "driver/server/driver_impl.h"
#include "driver/web/web.h"
#include "proto/client.pb-c.h"
#include "proto/cluster.pb-c.h"

/* ---- planning workers ---- */

static void *planner_main(void *arg)
{
    struct driver *dr = arg;
    for (;;) {
        pthread_mutex_lock(&dr->lock);
        while (!dr->todo && !dr->quit)
            pthread_cond_wait(&dr->wake, &dr->lock);
        if (dr->quit) {
            pthread_mutex_unlock(&dr->lock);
            return NULL;
        }
        struct work *w = dr->todo;
        dr->todo = w->next;
        if (!dr->todo)
            dr->todo_tail = &dr->todo;
        pthread_mutex_unlock(&dr->lock);
        w->run(w);
        pthread_mutex_lock(&dr->lock);
        w->next = NULL;
        *dr->finished_tail = w;
        dr->finished_tail = &w->next;
        pthread_mutex_unlock(&dr->lock);
        uv_async_send(&dr->async);
    }
}

void driver_submit_work(struct driver *dr, struct work *w)
{
    w->next = NULL;
    w->busy = true;
    pthread_mutex_lock(&dr->lock);
    *dr->todo_tail = w;
    dr->todo_tail = &w->next;
    pthread_cond_signal(&dr->wake);
    pthread_mutex_unlock(&dr->lock);
}

static void finished_cb(uv_async_t *h)
{
    struct driver *dr = h->data;
    pthread_mutex_lock(&dr->lock);
    struct work *w = dr->finished;
    dr->finished = NULL;
    dr->finished_tail = &dr->finished;
    pthread_mutex_unlock(&dr->lock);
    while (w) {
        struct work *next = w->next;
        w->busy = false;
        w->done(w);
        w = next;
    }
}

/* ---- the scheduler ---- */

struct operation *driver_find_job(struct driver *dr, uint64_t job_id)
{
    struct operation *op = dr->ops;
    while (op && op->job_id != job_id)
        op = op->next;
    return op;
}

static void sched_timer_cb(uv_timer_t *t)
{
    driver_event(t->data, &(struct sched_event){.kind = SCHED_TIMER});
}

static void send_kill(struct driver *dr, const struct sched_action *a)
{
    struct exec *x = dr->execs[a->executor_id - 1];
    if (!x->conn)
        return;
    Drover__KillAttempts m = DROVER__KILL_ATTEMPTS__INIT;
    m.n_attempt_id = a->count;
    m.attempt_id = a->attempt_ids;
    conn_send(x->conn, MSG_KILL_ATTEMPTS, 0, &m.base, NULL);
}

static void send_release(struct driver *dr, const struct sched_action *a)
{
    struct exec *x = dr->execs[a->executor_id - 1];
    if (!x->conn)
        return;
    Drover__Release m = DROVER__RELEASE__INIT;
    m.job_id = a->job_id;
    conn_send(x->conn, MSG_RELEASE, 0, &m.base, NULL);
}

/* Events may come out of actions: only the outermost call carries actions out. */
void driver_event(struct driver *dr, const struct sched_event *ev)
{
    static int depth;
    struct sched_action a;
    sched_event(dr->sched, clock_mono_us(), ev);
    if (depth > 0)
        return;
    depth++;
    while (sched_next_action(dr->sched, &a)) {
        struct operation *op = driver_find_job(dr, a.job_id);
        switch (a.kind) {
        case SCHED_LAUNCH: launch_send(dr, &a); break;
        case SCHED_KILL: send_kill(dr, &a); break;
        case SCHED_RELEASE: send_release(dr, &a); break;
        case SCHED_COMMIT:
            ASSERT(op);
            commit_run(op, a.stage);
            break;
        case SCHED_ABORT:
            ASSERT(op);
            commit_clear(op);
            break;
        case SCHED_JOB_ENDED: {
            struct error err = ERROR_INIT;
            error_copy(&err, &a.error);
            if (op)
                operation_job_ended(op, &err);
            else
                error_fini(&err);
            break;
        }
        case SCHED_SET_TIMER: {
            int64_t in = (a.at_us - clock_mono_us()) / 1000 + 1;
            uv_timer_start(&dr->sched_timer, sched_timer_cb, in > 0 ? (uint64_t)in : 0, 0);
            break;
        }
        }
    }
    depth--;
}

/* ---- executors ---- */

/* "job 4 stage 2 partition 7, ...": what an executor was given and has not answered for. */
static void add_running(struct driver *dr, const struct exec *x, struct buf *out)
{
    struct attempt_view v[4];
    uint32_t n = sched_running(dr->sched, x->id, ARRAY_LEN(v), v);
    if (n == 0)
        buf_adds(out, "it ran nothing");
    for (uint32_t i = 0; i < n && i < ARRAY_LEN(v); i++)
        buf_addf(out, "%sjob %llu stage %u partition %u", i ? ", " : "it ran ", (unsigned long long)v[i].job_id, v[i].stage, v[i].partition);
    if (n > ARRAY_LEN(v))
        buf_addf(out, " and %u more", n - (uint32_t)ARRAY_LEN(v));
}

static void lose(struct driver *dr, struct exec *x, const char *reason)
{
    if (!x->live)
        return;
    struct conn *conn = x->conn, *data = x->data;
    struct buf text = BUF_INIT;
    x->live = false;
    x->conn = x->data = NULL;
    buf_addf(&text, "%s; last heartbeat %.1f s ago, resident %.1f MiB, ", reason,
             (double)(clock_mono_us() - x->last_heartbeat_us) / 1e6, (double)x->rss / (1 << 20));
    add_running(dr, x, &text);
    if (!dr->config.embedded) /* there the parent of both knows more and says it */
        fprintf(stderr, "drover: executor %llu on %s (pid %llu) was lost: %s\n", (unsigned long long)x->id, x->host,
                (unsigned long long)x->pid, text.data);
    if (conn)
        conn_close(conn, reason);
    if (data)
        conn_close(data, reason);
    history_executor_lost(dr->history, x->id, text.data);
    driver_event(dr, &(struct sched_event){.kind = SCHED_EXECUTOR_LOST, .executor_id = x->id, .incarnation = x->incarnation, .reason = text.data});
    buf_fini(&text);
}

static void on_register(struct driver *dr, struct conn *conn, const Drover__RegisterExecutor *m)
{
    if (m->slots == 0 || m->slots > 4096 || conn->owner != dr) {
        conn_reject(conn, "a registration that cannot be");
        return;
    }
    struct exec *x = xcalloc(1, sizeof *x);
    ARRAY_GROW(dr->execs, dr->exec_count, dr->exec_cap);
    x->index = dr->exec_count;
    x->id = ++dr->next_executor; /* ids are indices + 1: every registration is an executor of its own */
    dr->execs[dr->exec_count++] = x;
    x->incarnation = m->incarnation;
    x->conn = conn;
    x->host = xstrdup(m->host);
    x->address = xstrdup(m->data_address);
    x->slots = m->slots;
    x->memory = m->memory;
    x->pid = m->pid;
    x->live = true;
    x->last_heartbeat_us = clock_mono_us();
    conn->owner = x;
    conn->incarnation = x->incarnation;
    Drover__Registered r = DROVER__REGISTERED__INIT;
    r.executor_id = x->id;
    r.epoch = dr->rpc.epoch;
    r.heartbeat_ms = dr->executor_timeout_us < 4000 * HEARTBEAT_MS ? (uint32_t)(dr->executor_timeout_us / 4000) : HEARTBEAT_MS;
    conn_send(conn, MSG_REGISTERED, 0, &r.base, NULL);
    log_info("driver", "executor %llu registered from %s: %u slots, serves at %s", (unsigned long long)x->id, x->host, x->slots, x->address);
    driver_event(dr, &(struct sched_event){.kind = SCHED_EXECUTOR_JOINED, .executor_id = x->id, .incarnation = x->incarnation,
                                           .host = x->host, .slots = x->slots, .memory = x->memory});
}

/* Lists of one length, and the outputs that ride are the bulk part. */
static bool completions_fit(const Drover__Completions *m, size_t bulk_bytes)
{
    size_t n = m->n_attempt_id;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_output_bytes; i++)
        sum += m->output_bytes[i];
    return m->n_rows_out == n && m->n_bytes_out == n && m->n_rows_in == n && m->n_bytes_in == n && m->n_shuffle_bytes_in == n &&
           m->n_run_us == n && m->n_peak_memory == n && m->n_result_runs == n && (!m->n_manifest || m->n_manifest == n) &&
           (!m->n_output_bytes || m->n_output_bytes == n) && sum == bulk_bytes;
}

static void on_completions(struct driver *dr, struct exec *x, const Drover__Completions *m, const struct frame *f)
{
    size_t n = m->n_attempt_id;
    const char *output = f->bulk;
    if (!completions_fit(m, f->bulk_bytes)) {
        lose(dr, x, "it sent completions that do not add up");
        return;
    }
    struct attempt_result *r = xcalloc(n + 1, sizeof *r);
    for (size_t i = 0; i < n; i++) {
        r[i] = (struct attempt_result){.attempt_id = m->attempt_id[i], .rows_out = m->rows_out[i], .bytes_out = m->bytes_out[i],
                                       .rows_in = m->rows_in[i], .bytes_in = m->bytes_in[i], .shuffle_bytes_in = m->shuffle_bytes_in[i],
                                       .run_us = m->run_us[i], .peak_memory = m->peak_memory[i]};
        if (m->n_manifest) {
            r[i].manifest = m->manifest[i].data;
            r[i].manifest_bytes = (uint32_t)m->manifest[i].len;
        }
        if (m->n_output_bytes) {
            r[i].output = output;
            r[i].output_bytes = m->output_bytes[i];
            output += m->output_bytes[i];
        }
        uint64_t job;
        uint32_t stage, partition;
        if (sched_attempt(dr->sched, m->attempt_id[i], x->id, &job, &stage, &partition)) {
            struct operation *op = driver_find_job(dr, job);
            if (op && op->dag && r[i].output_bytes && r[i].output_bytes > launch_ride_max(op, stage)) {
                xfree(r);
                lose(dr, x, "it sent an output that is larger than may ride in a completion");
                return;
            }
            if (op && op->record)
                history_done(dr->history, op->record, stage, partition, &r[i]);
            if (op && op->dag && op->dag->stages[stage].result)
                operation_part_done(op, partition, m->attempt_id[i], m->result_runs[i]);
        }
    }
    driver_event(dr, &(struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = x->id, .incarnation = x->incarnation,
                                           .done_count = (uint32_t)n, .done = r});
    xfree(r);
}

static void on_attempt_failed(struct driver *dr, struct exec *x, const Drover__AttemptFailed *m)
{
    struct error err = ERROR_INIT;
    if (!error_decode(m->error.data, m->error.len, &err))
        error_set(&err, ERR_INTERNAL, "message", "an attempt failed with an error that cannot be read", NULL);
    if (errcode_policy(err.code) != POLICY_NEVER || err.code == ERR_INTERNAL) {
        char *origin = xasprintf("attempt %llu on executor %llu, %s", (unsigned long long)m->attempt_id, (unsigned long long)x->id, x->host);
        error_set_origin(&err, origin);
        xfree(origin);
    }
    uint64_t job;
    uint32_t stage, partition;
    struct operation *op = sched_attempt(dr->sched, m->attempt_id, x->id, &job, &stage, &partition) ? driver_find_job(dr, job) : NULL;
    if (op && op->record)
        history_failed(op->record, stage, partition, m->attempt_id, &err);
    struct sched_event ev = {.kind = SCHED_ATTEMPT_FAILED, .executor_id = x->id, .incarnation = x->incarnation,
                             .attempt_id = m->attempt_id, .error = &err, .fetch_failed = m->has_lost_stage, .lost_stage = m->lost_stage};
    if (m->n_lost_partition == m->n_lost_attempt) {
        ev.lost_count = (uint32_t)m->n_lost_partition;
        ev.lost_partitions = m->lost_partition;
        ev.lost_attempts = m->lost_attempt;
    }
    driver_event(dr, &ev);
    error_fini(&err);
}

static void on_result_rows(struct driver *dr, struct exec *x, const Drover__ResultRows *m, const struct frame *f)
{
    uint64_t job;
    uint32_t stage, partition;
    if (!sched_attempt(dr->sched, m->attempt_id, x->id, &job, &stage, &partition) || job != m->job_id || partition != m->partition)
        return; /* of an attempt that was killed */
    struct operation *op = driver_find_job(dr, job);
    if (op && op->dag && op->dag->stages[stage].result)
        operation_result(op, partition, m->attempt_id, m->seq, m->rows, f->bulk, f->bulk_bytes);
}

static void executor_frame(struct driver *dr, struct conn *conn, const struct frame *f)
{
    if (f->type == MSG_REGISTER_EXECUTOR) {
        on_register(dr, conn, f->message);
        return;
    }
    if (conn->owner == dr)
        return; /* nothing counts before the registration */
    struct exec *x = conn->owner;
    if (f->incarnation != x->incarnation)
        return;
    x->last_heartbeat_us = clock_mono_us(); /* any frame shows life */
    switch (f->type) {
    case MSG_HEARTBEAT: {
        const Drover__Heartbeat *m = f->message;
        x->rss = m->rss_bytes;
        x->running = m->running;
        x->memory_used = m->memory_used;
        x->output_bytes = m->output_bytes;
        x->fetched_bytes = m->fetched_bytes;
        x->served_bytes = m->served_bytes;
        x->rejected = m->rejected;
        break;
    }
    case MSG_GOODBYE:
        x->stopped = x->live;
        lose(dr, x, ((const Drover__Goodbye *)f->message)->reason);
        break;
    case MSG_COMPLETIONS: on_completions(dr, x, f->message, f); break;
    case MSG_ATTEMPT_FAILED: on_attempt_failed(dr, x, f->message); break;
    default:
        log_warn("driver", "executor %llu sent %s, which is not for its control connection; ignored", (unsigned long long)x->id, msg_name(f->type));
        break;
    }
}

static void on_register_data(struct driver *dr, struct conn *conn, const struct frame *f)
{
    uint64_t id = ((const Drover__RegisterData *)f->message)->executor_id;
    struct exec *x = id >= 1 && id <= dr->exec_count ? dr->execs[id - 1] : NULL;
    if (!x || !x->live || x->data || x->incarnation != f->incarnation || conn->owner != dr) {
        conn_reject(conn, "a data connection that cannot be");
        return;
    }
    x->data = conn;
    conn->owner = x;
}

static void data_frame(struct driver *dr, struct conn *conn, const struct frame *f)
{
    if (f->type == MSG_REGISTER_DATA) {
        on_register_data(dr, conn, f);
        return;
    }
    if (conn->owner == dr)
        return;
    struct exec *x = conn->owner;
    if (f->incarnation != x->incarnation || !x->live)
        return;
    x->last_heartbeat_us = clock_mono_us();
    if (f->type == MSG_RESULT_ROWS)
        on_result_rows(dr, x, f->message, f);
    else if (f->type == MSG_COMPLETIONS)
        on_completions(dr, x, f->message, f);
    else
        log_warn("driver", "executor %llu sent %s, which is not for its data connection; ignored", (unsigned long long)x->id, msg_name(f->type));
}

/* ---- clients ---- */

static struct session *find_session(struct driver *dr, const char *id)
{
    struct session *s = dr->sessions;
    while (s && strcmp(s->id, id) != 0)
        s = s->next;
    return s;
}

static void session_free(struct session *s)
{
    snapshot_unref(s->snapshot);
    settings_fini(&s->initial);
    xfree(s->id);
    xfree(s);
}

static struct operation *find_operation(struct driver *dr, const char *id)
{
    struct operation *op = dr->ops;
    while (op && strcmp(op->id, id) != 0)
        op = op->next;
    return op;
}

/* A setting that a session is opened with, as its initial and its present one. A warning or NULL. */
static char *open_setting(struct session *s, struct settings *now, const Drover__Setting *set)
{
    struct error err = ERROR_INIT;
    struct buf text = BUF_INIT;
    char *warning = NULL;
    if (settings_set(&s->initial, set->name, set->value, &warning, &err) == 0) {
        settings_reset(now, set->name, &s->initial);
        return warning;
    }
    error_format(&err, &text);
    error_fini(&err);
    return buf_steal(&text);
}

static void on_open_session(struct driver *dr, struct conn *conn, const struct frame *f)
{
    const Drover__OpenSession *m = f->message;
    Drover__SessionOpened r = DROVER__SESSION_OPENED__INIT;
    struct session *s = m->session_id ? find_session(dr, m->session_id) : NULL;
    char *warnings[64];
    if (!s) {
        uint64_t random[2];
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
            UNREACHABLE("getrandom gives what is asked for up to 256 bytes");
        s = xcalloc(1, sizeof *s);
        s->id = xasprintf("%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
        s->number = ++dr->next_session;
        s->started_us = clock_mono_us();
        s->snapshot = snapshot_new(dr->catalog, m->working_dir && m->working_dir[0] == '/' ? m->working_dir : "/", m->user ? m->user : "unknown");
        settings_init(&s->initial);
        if (!dr->config.embedded) /* then they are the session's own, which come with this message */
            settings_reset(&s->initial, NULL, &dr->settings);
        settings_reset(&s->snapshot->settings, NULL, &s->initial);
        s->next = dr->sessions;
        dr->sessions = s;
    }
    if (conn->owner == dr) {
        conn->owner = s;
        s->clients++;
        history_app_opened(history_app(dr->history, s->id, s->number, s->snapshot->user));
    }
    struct snapshot *next = snapshot_copy(s->snapshot);
    for (size_t i = 0; i < m->n_settings; i++) {
        char *warning = open_setting(s, &next->settings, m->settings[i]);
        if (warning && r.n_warnings < ARRAY_LEN(warnings))
            warnings[r.n_warnings++] = warning;
        else
            xfree(warning);
    }
    snapshot_unref(s->snapshot);
    s->snapshot = next;
    r.session_id = s->id;
    r.warnings = warnings;
    r.web = dr->web_address ? dr->web_address : (char *)"";
    conn_send(conn, MSG_SESSION_OPENED, f->id, &r.base, NULL);
    for (size_t i = 0; i < r.n_warnings; i++)
        xfree(warnings[i]);
}

static void on_status(struct driver *dr, struct conn *conn, const struct frame *f)
{
    const Drover__StatusRequest *m = f->message;
    struct buf json = BUF_INIT;
    Drover__StatusReply r = DROVER__STATUS_REPLY__INIT;
    r.status = status_json(dr, m->path, &json);
    if (json.bytes > msg_limit(MSG_STATUS_REPLY) - 64) {
        buf_reset(&json);
        buf_adds(&json, "{\"error\":\"the answer is too large\"}");
        r.status = 413;
    }
    r.json = json.data;
    conn_send(conn, MSG_STATUS_REPLY, f->id, &r.base, NULL);
    buf_fini(&json);
}

static void client_frame(struct driver *dr, struct conn *conn, const struct frame *f)
{
    switch (f->type) {
    case MSG_OPEN_SESSION: on_open_session(dr, conn, f); break;
    case MSG_EXECUTE: {
        const Drover__Execute *m = f->message;
        struct session *s = find_session(dr, m->session_id);
        if (s && !find_operation(dr, m->operation_id))
            operation_execute(dr, conn, s, m->operation_id, m->sql);
        else
            conn_reject(conn, "EXECUTE for a session that does not exist, or with an operation's id that does");
        break;
    }
    case MSG_ATTACH: {
        const Drover__Attach *m = f->message;
        struct operation *op = find_operation(dr, m->operation_id);
        if (op && strcmp(op->session->id, m->session_id) == 0)
            operation_attach(op, conn, m->last_seq);
        else
            conn_reject(conn, "ATTACH to an operation that does not exist");
        break;
    }
    case MSG_ACK: {
        const Drover__Ack *m = f->message;
        struct operation *op = find_operation(dr, m->operation_id);
        if (op && op->client == conn)
            operation_ack(op, m->seq);
        break;
    }
    case MSG_CANCEL_OPERATION: {
        const Drover__CancelOperation *m = f->message;
        struct operation *op = find_operation(dr, m->operation_id);
        if (op)
            operation_cancel(op, " by the user");
        break;
    }
    case MSG_STATUS_REQUEST: on_status(dr, conn, f); break;
    case MSG_KILL_JOB: {
        const Drover__KillJob *m = f->message;
        struct operation *op = driver_find_job(dr, m->job_id);
        Drover__KillReply r = DROVER__KILL_REPLY__INIT;
        r.found = op && op->state != OP_ENDED;
        if (r.found)
            operation_cancel(op, " by drover kill");
        conn_send(conn, MSG_KILL_REPLY, f->id, &r.base, NULL);
        break;
    }
    default: log_warn("driver", "a client sent %s, which is not for clients; ignored", msg_name(f->type)); break;
    }
}

/* ---- connections ---- */

static struct driver *driver_of(struct conn *conn)
{
    return (struct driver *)((char *)conn->rpc - offsetof(struct driver, rpc));
}

static void open_cb(struct conn *conn)
{
    struct driver *dr = driver_of(conn);
    if (conn->role == ROLE_CLIENT) {
        dr->clients++;
        dr->had_client = true;
    }
}

static void frame_cb(struct conn *conn, const struct frame *f)
{
    struct driver *dr = driver_of(conn);
    if (conn->role == ROLE_CLIENT)
        client_frame(dr, conn, f);
    else if (conn->role == ROLE_EXECUTOR)
        executor_frame(dr, conn, f);
    else
        data_frame(dr, conn, f);
}

static void leave_session(struct driver *dr, struct conn *conn)
{
    if (conn->owner == dr)
        return;
    struct session *s = conn->owner;
    history_app_closed(history_app(dr->history, s->id, s->number, s->snapshot->user));
    s->clients--;
    s->left_us = clock_mono_us();
}

/* Sessions outlive their connections; the oldest go when there are many. The list has the newest first. */
static void sweep_sessions(struct driver *dr)
{
    uint32_t kept = 0;
    for (struct session **p = &dr->sessions; *p;) {
        struct session *s = *p;
        bool idle = s->clients == 0 && s->open_ops == 0 && clock_mono_us() - s->left_us > DETACHED_KEEP_MS * 1000ll;
        if (!idle || kept++ < SESSIONS_KEPT) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        session_free(s);
    }
}

static void sample(struct driver *dr)
{
    struct history_sample s = {.at_us = clock_wall_us()};
    for (uint32_t i = 0; i < dr->exec_count; i++) {
        const struct exec *x = dr->execs[i];
        struct executor_view v;
        if (!x->live || !sched_executor_at(dr->sched, i, &v))
            continue;
        s.slots += x->slots;
        s.running += v.busy;
        s.memory += x->memory;
        s.memory_used += x->memory_used;
        s.resident += x->rss;
    }
    history_add_sample(dr->history, &s);
}

/*
 * An executor is lost when both of its connections have ended, or a moment after the first (tick_cb): what a dying process had
 * sent is read to its end, rows and the completion behind them, and a goodbye.
 */
static void executor_closed(struct driver *dr, struct conn *conn, const char *reason)
{
    struct exec *x = conn->owner;
    bool control = conn->role == ROLE_EXECUTOR;
    *(control ? &x->conn : &x->data) = NULL;
    if (!x->live)
        return;
    if (control || !x->end) {
        xfree(x->end);
        x->end = xasprintf("the connection %sended: %s", control ? "" : "for its results ", reason);
    }
    if (!x->conn && !x->data)
        lose(dr, x, x->end);
}

static void close_cb(struct conn *conn, const char *reason)
{
    struct driver *dr = driver_of(conn);
    if (dr->stopping || !conn->local_host)
        return; /* it was never open */
    if (conn->role == ROLE_CLIENT) {
        dr->clients--;
        operation_detach(dr, conn);
        leave_session(dr, conn);
        if (dr->config.embedded && dr->clients == 0)
            uv_stop(&dr->loop);
    } else if (conn->owner != dr) {
        executor_closed(dr, conn, reason);
    }
}

static const struct conn_ops ops = {.on_open = open_cb, .on_frame = frame_cb, .on_close = close_cb};

static void accept_cb(struct conn *conn, void *arg)
{
    conn->ops = &ops;
    conn->owner = arg;
}

/* Executors are not to blame for a driver that stood still itself: what it has not read yet may be heartbeats. */
static void forgive_own_pause(struct driver *dr, int64_t now)
{
    int64_t late = now - dr->last_tick_us - TICK_MS * 1000ll;
    dr->last_tick_us = now;
    for (uint32_t i = 0; i < dr->exec_count && late > 1000000; i++)
        dr->execs[i]->last_heartbeat_us += late;
}

static void tick_cb(uv_timer_t *t)
{
    struct driver *dr = t->data;
    int64_t now = clock_mono_us();
    static int turn;
    forgive_own_pause(dr, now);
    for (struct operation *op = dr->ops; op; op = op->next)
        operation_progress(op);
    for (uint32_t i = 0; i < dr->exec_count; i++) {
        struct exec *x = dr->execs[i];
        if (!x->live || (!x->end && now - x->last_heartbeat_us <= dr->executor_timeout_us))
            continue;
        char *why = x->end ? xstrdup(x->end) : xasprintf("nothing was heard from it for %.1f s", (double)dr->executor_timeout_us / 1e6);
        lose(dr, x, why);
        xfree(why);
    }
    if (++turn % 4)
        return;
    operations_sweep(dr);
    sweep_sessions(dr);
    if (!dr->config.embedded)
        sample(dr);
}

static void signal_cb(uv_signal_t *h, int signum)
{
    struct driver *dr = h->data;
    log_info("driver", "signal %d: stopping", signum);
    if (dr->config.embedded)
        alarm(3); /* its parent is gone: whatever a planner is at, it does not outlive that by more */
    uv_stop(&dr->loop);
}

static int fail(struct error *err)
{
    struct buf text = BUF_INIT;
    error_format(err, &text);
    fprintf(stderr, "drover driver: %s\n", text.data);
    buf_fini(&text);
    error_fini(err);
    return 2;
}

static void close_all(struct driver *dr)
{
    dr->stopping = true;
    web_stop(dr->web);
    listener_close(dr->listener);
    for (struct operation *op = dr->ops; op; op = op->next)
        __atomic_store_n(&op->cancel, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&dr->lock);
    dr->quit = true;
    pthread_cond_broadcast(&dr->wake);
    pthread_mutex_unlock(&dr->lock);
    for (int i = 0; i < PLANNERS; i++)
        pthread_join(dr->threads[i], NULL);
    while (dr->rpc.conns)
        conn_close(dr->rpc.conns, "stopping");
    uv_close((uv_handle_t *)&dr->tick, NULL);
    uv_close((uv_handle_t *)&dr->sched_timer, NULL);
    uv_close((uv_handle_t *)&dr->sigterm, NULL);
    uv_close((uv_handle_t *)&dr->sigint, NULL);
    uv_close((uv_handle_t *)&dr->async, NULL);
    uv_run(&dr->loop, UV_RUN_DEFAULT);
    uv_loop_close(&dr->loop);
}

static void free_all(struct driver *dr)
{
    while (dr->ops) {
        struct operation *next = dr->ops->next;
        operation_free(dr->ops);
        dr->ops = next;
    }
    while (dr->sessions) {
        struct session *next = dr->sessions->next;
        session_free(dr->sessions);
        dr->sessions = next;
    }
    for (uint32_t i = 0; i < dr->exec_count; i++) {
        xfree(dr->execs[i]->end);
        xfree(dr->execs[i]->host);
        xfree(dr->execs[i]->address);
        xfree(dr->execs[i]);
    }
    xfree(dr->execs);
    catalog_unref(dr->catalog);
    sched_free(dr->sched);
    history_free(dr->history);
    rpc_fini(&dr->rpc);
    settings_fini(&dr->settings);
    xfree(dr->web_address);
    xfree(dr);
}

static int read_confs(struct driver *dr, struct error *err)
{
    settings_init(&dr->settings);
    for (uint32_t i = 0; i < dr->config.conf_count; i++) {
        char *key = xstrdup(dr->config.confs[i]), *eq = strchr(key, '='), *warning = NULL;
        ASSERT(eq);
        *eq = 0;
        int rc = settings_set(&dr->settings, key, eq + 1, &warning, err);
        if (rc != 0 && dr->config.embedded) {
            error_fini(err); /* the session says it */
            rc = 0;
        } else if (warning && !dr->config.embedded) {
            fprintf(stderr, "drover driver: %s\n", warning);
        }
        xfree(warning);
        xfree(key);
        TRY(rc);
    }
    dr->executor_timeout_us = settings_i64(&dr->settings, "drover.executors.timeout") * 1000;
    return 0;
}

int driver_main(const struct driver_config *config)
{
    struct driver *dr = xcalloc(1, sizeof *dr);
    struct error err = ERROR_INIT;
    signal(SIGPIPE, SIG_IGN);
    dr->config = *config;
    uv_loop_init(&dr->loop);
    rpc_init(&dr->rpc, &dr->loop, "driver");
    dr->rpc.epoch = (uint64_t)clock_wall_us();
    dr->rpc.roles = 1u << ROLE_CLIENT | 1u << ROLE_EXECUTOR | 1u << ROLE_EXECUTOR_DATA;
    if (read_confs(dr, &err) != 0)
        return fail(&err);
    dr->next_job = 1;
    dr->catalog = catalog_new();
    dr->history = history_new();
    dr->started_us = clock_wall_us();
    if (config->secret_file && rpc_read_secret(&dr->rpc, config->secret_file, &err) != 0)
        return fail(&err);
    if (rpc_listen(&dr->rpc, config->listen, accept_cb, dr, &dr->listener, &err) != 0)
        return fail(&err);
    struct sched_config sc = {.max_failures = (uint32_t)settings_i64(&dr->settings, "spark.task.maxFailures"), .losses_max = 16, .stage_reruns_max = 40,
                              .executors_wait_us = settings_i64(&dr->settings, "drover.executors.wait") * 1000,
                              .first_attempt = dr->rpc.epoch / 1000 % (1ull << 39), .driver_address = listener_address(dr->listener)};
    dr->sched = sched_new(&sc);
    pthread_mutex_init(&dr->lock, NULL);
    pthread_cond_init(&dr->wake, NULL);
    dr->todo_tail = &dr->todo;
    dr->finished_tail = &dr->finished;
    uv_async_init(&dr->loop, &dr->async, finished_cb);
    uv_timer_init(&dr->loop, &dr->tick);
    uv_timer_init(&dr->loop, &dr->sched_timer);
    uv_signal_init(&dr->loop, &dr->sigterm);
    uv_signal_init(&dr->loop, &dr->sigint);
    dr->async.data = dr->tick.data = dr->sched_timer.data = dr->sigterm.data = dr->sigint.data = dr;
    dr->last_tick_us = clock_mono_us();
    uv_timer_start(&dr->tick, tick_cb, TICK_MS, TICK_MS);
    uv_signal_start(&dr->sigterm, signal_cb, SIGTERM);
    if (!config->embedded)
        uv_signal_start(&dr->sigint, signal_cb, SIGINT);
    for (int i = 0; i < PLANNERS; i++) {
        int rc = pthread_create(&dr->threads[i], NULL, planner_main, dr);
        ASSERT(rc == 0);
    }
    commit_recover(dr);
    if (config->web && web_start(dr, config->web, &dr->web, &dr->web_address, &err) != 0)
        return fail(&err);
    if (config->announce) {
        printf("ready driver=%s web=%s\n", listener_address(dr->listener), dr->web_address ? dr->web_address : "-");
        fflush(stdout);
    }
    uv_run(&dr->loop, UV_RUN_DEFAULT);
    close_all(dr);
    free_all(dr);
    return 0;
}
