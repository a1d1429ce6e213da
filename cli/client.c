/* The client's side of the protocol; see client.h. */
#include "cli/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/embedded.h"
#include "cli/progress.h"
#include "common/rpc/conn.h"
#include "proto/client.pb-c.h"

enum {
    CONNECT_TRIES = 400,     /* of an embedded driver, which needs a moment until its socket is there */
    COME_BACK_MS = 10000,    /* how long a lost connection is tried to be made anew */
    COME_BACK_PAUSE_MS = 200,
    COME_BACKS_MAX = 8,      /* within one statement */
};

struct client {
    uv_loop_t loop;
    struct rpc rpc;
    struct conn *conn;
    struct embedded *embedded; /* NULL: a driver elsewhere */
    bool opened, closed;
    char *address, *closed_reason, *session, *web;
    uv_signal_t sigint, sigchld;
    uv_timer_t timer;
    bool timer_done;
    /* the operation under way */
    char *operation;
    uint64_t last_seq;         /* results up to here were taken */
    uint32_t come_backs;
    const struct client_sink *sink;
    bool done, cancelled;
    uint64_t run_us;
    struct error error;
    struct progress progress;
    /* the request under way */
    bool answered, found;
    char *json;
    unsigned status;
};

/* ---- frames ---- */

static void show_progress(struct client *c, const Drover__Progress *m)
{
    struct progress_stage stages[PROGRESS_LINES];
    uint32_t n = 0;
    if (!c->sink || !c->sink->progress)
        return;
    for (; n < m->n_stages && n < PROGRESS_LINES; n++) {
        const Drover__StageProgress *st = m->stages[n];
        stages[n] = (struct progress_stage){st->stage, st->total, st->done, st->running, st->rows};
    }
    progress_show(&c->progress, stages, n, m->waits ? "no executor is there: the job waits for one (drover executor --driver ...)" : NULL);
}

static void ack(struct client *c, uint64_t seq)
{
    Drover__Ack m = DROVER__ACK__INIT;
    m.operation_id = c->operation;
    m.seq = seq;
    conn_send(c->conn, MSG_ACK, 0, &m.base, NULL);
}

static void cancel(struct client *c)
{
    if (!c->operation || !c->conn)
        return;
    Drover__CancelOperation m = DROVER__CANCEL_OPERATION__INIT;
    m.session_id = c->session;
    m.operation_id = c->operation;
    c->cancelled = true;
    conn_send(c->conn, MSG_CANCEL_OPERATION, 0, &m.base, NULL);
}

/* Whether a result is of this operation and was not taken before. */
static bool fresh(struct client *c, const char *operation, uint64_t seq)
{
    if (!c->operation || strcmp(c->operation, operation) != 0 || seq <= c->last_seq)
        return false;
    c->last_seq = seq;
    return true;
}

static void fail(struct client *c, struct error *err)
{
    error_move(&c->error, err);
    c->done = true;
}

static void on_schema(struct client *c, const Drover__ResultSchema *m)
{
    struct error err = ERROR_INIT;
    if (!fresh(c, m->operation_id, m->seq))
        return;
    struct schema sch = {.count = (uint32_t)m->n_name, .fields = xcalloc(m->n_name + 1, sizeof *sch.fields)};
    int rc = m->n_name == m->n_type ? 0 : error_set(&err, ERR_PROTOCOL, "message", "a schema that does not add up", NULL);
    for (uint32_t i = 0; i < sch.count && rc == 0; i++) {
        sch.fields[i] = (struct field){.name = m->name[i], .nullable = true};
        rc = type_parse(m->type[i], &sch.fields[i].type, &err);
    }
    if (rc != 0)
        fail(c, &err);
    else if (c->sink->schema)
        c->sink->schema(c->sink->ctx, &sch, m->time_zone);
    xfree(sch.fields);
    ack(c, m->seq);
}

static void on_batch(struct client *c, const Drover__ResultBatch *m, const struct frame *f)
{
    struct sealed *s;
    size_t used;
    struct error err = ERROR_INIT;
    if (!fresh(c, m->operation_id, m->seq))
        return;
    progress_clear(&c->progress);
    if (frame_decode(f->bulk, f->bulk_bytes, NULL, &s, &used, &err) != 0) {
        fail(c, &err);
        return;
    }
    if (c->sink->rows && !c->cancelled && !c->sink->rows(c->sink->ctx, s))
        cancel(c);
    sealed_unref(s);
    ack(c, m->seq);
}

static void on_end(struct client *c, const Drover__ResultEnd *m)
{
    if (!fresh(c, m->operation_id, m->seq))
        return;
    progress_clear(&c->progress);
    for (size_t i = 0; i < m->n_warnings; i++)
        fprintf(stderr, "drover: %s\n", m->warnings[i]);
    if (m->has_error && !error_decode(m->error.data, m->error.len, &c->error))
        error_set(&c->error, ERR_PROTOCOL, "message", "an error that cannot be read", NULL);
    c->run_us = m->run_us;
    c->done = true;
    ack(c, m->seq);
}

static void on_session(struct client *c, const Drover__SessionOpened *m)
{
    xfree(c->session);
    xfree(c->web);
    c->session = xstrdup(m->session_id);
    c->web = xstrdup(m->web);
    for (size_t i = 0; i < m->n_warnings; i++)
        fprintf(stderr, "drover: %s\n", m->warnings[i]);
    c->answered = true;
}

static void on_status(struct client *c, const Drover__StatusReply *m)
{
    xfree(c->json);
    c->json = xstrdup(m->json);
    c->status = m->status;
    c->answered = true;
}

static void frame_cb(struct conn *conn, const struct frame *f)
{
    struct client *c = conn->owner;
    switch (f->type) {
    case MSG_SESSION_OPENED: on_session(c, f->message); break;
    case MSG_RESULT_SCHEMA: on_schema(c, f->message); break;
    case MSG_RESULT_BATCH: on_batch(c, f->message, f); break;
    case MSG_RESULT_END: on_end(c, f->message); break;
    case MSG_PROGRESS: show_progress(c, f->message); break;
    case MSG_STATUS_REPLY: on_status(c, f->message); break;
    case MSG_KILL_REPLY:
        c->found = ((const Drover__KillReply *)f->message)->found;
        c->answered = true;
        break;
    default: break;
    }
}

static void open_cb(struct conn *conn)
{
    ((struct client *)conn->owner)->opened = true;
}

static void close_cb(struct conn *conn, const char *reason)
{
    struct client *c = conn->owner;
    c->conn = NULL;
    c->closed = true;
    xfree(c->closed_reason);
    c->closed_reason = xstrdup(reason);
}

static const struct conn_ops ops = {.on_open = open_cb, .on_frame = frame_cb, .on_close = close_cb};

static void sigint_cb(uv_signal_t *h, int signum)
{
    (void)signum;
    struct client *c = h->data;
    c->cancelled = true;
    cancel(c);
}

static void sigchld_cb(uv_signal_t *h, int signum)
{
    (void)signum;
    struct client *c = h->data;
    progress_clear(&c->progress);
    if (c->embedded)
        embedded_reap(c->embedded);
}

static void timer_cb(uv_timer_t *t)
{
    ((struct client *)t->data)->timer_done = true;
    uv_stop(t->loop); /* a timer that is due at once runs before the loop waits, and would not keep it from waiting */
}

static void wait_for(struct client *c, const bool *flag)
{
    while (!*flag && !c->closed)
        uv_run(&c->loop, UV_RUN_ONCE);
}

/* Whatever comes meanwhile is handled. */
static void wait_ms(struct client *c, uint64_t ms)
{
    c->timer_done = false;
    uv_timer_start(&c->timer, timer_cb, ms, 0);
    while (!c->timer_done && !c->cancelled)
        uv_run(&c->loop, UV_RUN_ONCE);
    uv_timer_stop(&c->timer);
}

static int lost(struct client *c, struct error *err)
{
    return error_set(err, ERR_CONNECTION_LOST, "address", c->address, "message", c->closed_reason ? c->closed_reason : "it is closed", NULL);
}

/* ---- connecting ---- */

static bool try_connect(struct client *c)
{
    c->closed = c->opened = false;
    c->conn = conn_connect(&c->rpc, c->address, ROLE_CLIENT, &ops, c);
    wait_for(c, &c->opened);
    return c->opened;
}

static int connect_driver(struct client *c, struct error *err)
{
    int tries = c->embedded ? CONNECT_TRIES : 1;
    for (int i = 0; i < tries; i++) {
        if (try_connect(c))
            return 0;
        if (i + 1 < tries)
            wait_ms(c, i < 20 ? 1 : 10);
    }
    return error_set(err, ERR_CONNECT, "address", c->address, "message", c->closed_reason ? c->closed_reason : "no answer", NULL);
}

static int open_session(struct client *c, const struct client_config *config, struct error *err)
{
    Drover__OpenSession m = DROVER__OPEN_SESSION__INIT;
    Drover__Setting *items = xcalloc(config->setting_count + 1, sizeof *items), **list = xcalloc(config->setting_count + 1, sizeof *list);
    char cwd[4096];
    for (uint32_t i = 0; i < config->setting_count; i++) {
        drover__setting__init(&items[i]);
        items[i].name = (char *)(uintptr_t)config->settings[i].name;
        items[i].value = (char *)(uintptr_t)config->settings[i].value;
        list[i] = &items[i];
    }
    m.session_id = c->session;
    m.n_settings = config->setting_count;
    m.settings = list;
    m.working_dir = getcwd(cwd, sizeof cwd) ? cwd : (char *)"/";
    m.user = getenv("USER") ? getenv("USER") : (char *)"root";
    c->answered = false;
    conn_send(c->conn, MSG_OPEN_SESSION, 0, &m.base, NULL);
    xfree(items);
    xfree(list);
    wait_for(c, &c->answered);
    return c->answered ? 0 : lost(c, err);
}

/* The connection broke while an operation runs: makes it anew and asks for the results after the last one taken. */
static bool come_back(struct client *c)
{
    int64_t until = clock_mono_us() + COME_BACK_MS * 1000ll;
    const struct client_config nothing = {0};
    struct error err = ERROR_INIT;
    if (c->embedded || !c->session || c->cancelled || ++c->come_backs > COME_BACKS_MAX)
        return false;
    char *session = xstrdup(c->session), *reason = xstrdup(c->closed_reason);
    progress_clear(&c->progress);
    fprintf(stderr, "drover: the connection to %s was lost (%s); trying to come back\n", c->address, reason);
    while (!try_connect(c) && clock_mono_us() < until && !c->cancelled)
        wait_ms(c, COME_BACK_PAUSE_MS);
    bool same = false;
    if (c->opened && open_session(c, &nothing, &err) == 0) {
        same = strcmp(session, c->session) == 0;
        xfree(c->closed_reason);
        c->closed_reason = xstrdup("the driver was started anew and does not know what ran");
    }
    error_fini(&err);
    if (same) {
        Drover__Attach m = DROVER__ATTACH__INIT;
        m.session_id = c->session;
        m.operation_id = c->operation;
        m.last_seq = c->last_seq;
        conn_send(c->conn, MSG_ATTACH, 0, &m.base, NULL);
    }
    xfree(session);
    xfree(reason);
    return same;
}

/* ---- life ---- */

int client_open(const struct client_config *config, struct client **ret, struct error *err)
{
    struct client *c = xcalloc(1, sizeof *c);
    signal(SIGPIPE, SIG_IGN);
    int rc = config->driver ? 0 : embedded_start(config, &c->embedded, err);
    c->address = xstrdup(config->driver ? config->driver : c->embedded ? embedded_address(c->embedded) : "");
    uv_loop_init(&c->loop);
    rpc_init(&c->rpc, &c->loop, "client");
    uv_timer_init(&c->loop, &c->timer);
    uv_signal_init(&c->loop, &c->sigint);
    uv_signal_init(&c->loop, &c->sigchld);
    c->timer.data = c->sigint.data = c->sigchld.data = c;
    uv_signal_start(&c->sigchld, sigchld_cb, SIGCHLD);
    if (rc == 0 && config->secret_file)
        rc = rpc_read_secret(&c->rpc, config->secret_file, err);
    if (rc == 0)
        rc = connect_driver(c, err);
    if (rc == 0 && !config->no_session)
        rc = open_session(c, config, err);
    if (rc != 0) {
        client_close(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    conn_close(c->conn, "done");
    uv_close((uv_handle_t *)&c->sigint, NULL);
    uv_close((uv_handle_t *)&c->sigchld, NULL);
    uv_close((uv_handle_t *)&c->timer, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    uv_loop_close(&c->loop);
    rpc_fini(&c->rpc);
    embedded_stop(c->embedded);
    error_fini(&c->error);
    xfree(c->address);
    xfree(c->closed_reason);
    xfree(c->session);
    xfree(c->web);
    xfree(c->json);
    xfree(c);
}

const char *client_web(const struct client *c)
{
    return c->web ? c->web : "";
}

/* ---- calls ---- */

int client_execute(struct client *c, const char *sql, const struct client_sink *sink, uint64_t *ret_run_us, struct error *err)
{
    static uint64_t number;
    if (!c->conn)
        return lost(c, err);
    size_t sql_bytes = strlen(sql), sql_max = msg_limit(MSG_EXECUTE) - 4096; /* the rest of the message is short */
    if (sql_bytes > sql_max) {
        char bytes[24], limit[24];
        snprintf(bytes, sizeof bytes, "%zu", sql_bytes);
        snprintf(limit, sizeof limit, "%zu", sql_max);
        return error_set(err, ERR_STATEMENT_TOO_LARGE, "what", "as written", "bytes", bytes, "limit", limit, NULL);
    }
    Drover__Execute m = DROVER__EXECUTE__INIT;
    c->operation = xasprintf("%s-%llu", c->session, (unsigned long long)++number);
    c->sink = sink;
    c->done = c->cancelled = false;
    c->last_seq = 0;
    c->come_backs = 0;
    progress_begin(&c->progress);
    m.session_id = c->session;
    m.operation_id = c->operation;
    m.sql = (char *)(uintptr_t)sql;
    uv_signal_start(&c->sigint, sigint_cb, SIGINT);
    conn_send(c->conn, MSG_EXECUTE, 0, &m.base, NULL);
    do
        wait_for(c, &c->done);
    while (!c->done && come_back(c));
    if (!c->done && c->embedded)
        wait_ms(c, 50); /* the dead driver's exit status is about to come, and is told */
    uv_signal_stop(&c->sigint);
    progress_clear(&c->progress);
    xfree(c->operation);
    c->operation = NULL;
    c->sink = NULL;
    *ret_run_us = c->run_us;
    if (!c->done)
        return lost(c, err);
    if (c->error.code == ERR_OK)
        return 0;
    error_move(err, &c->error);
    return (int)err->code;
}

static int ask(struct client *c, enum msg_type type, const ProtobufCMessage *m, struct error *err)
{
    if (!c->conn)
        return lost(c, err);
    c->answered = false;
    conn_send(c->conn, type, 1, m, NULL);
    wait_for(c, &c->answered);
    return c->answered ? 0 : lost(c, err);
}

int client_status(struct client *c, const char *path, unsigned *ret_status, char **ret_json, struct error *err)
{
    Drover__StatusRequest m = DROVER__STATUS_REQUEST__INIT;
    m.path = (char *)(uintptr_t)path;
    TRY(ask(c, MSG_STATUS_REQUEST, &m.base, err));
    *ret_status = c->status;
    *ret_json = c->json;
    c->json = NULL;
    return 0;
}

int client_kill(struct client *c, uint64_t job_id, bool *ret_found, struct error *err)
{
    Drover__KillJob m = DROVER__KILL_JOB__INIT;
    m.job_id = job_id;
    TRY(ask(c, MSG_KILL_JOB, &m.base, err));
    *ret_found = c->found;
    return 0;
}
