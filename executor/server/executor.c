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

/* ---- the driver ---- */

static void lose_driver(struct executor *ex, const char *reason);
static void heartbeat_cb(uv_timer_t *t);

static void on_registered(struct executor *ex, const Drover__Registered *m)
{
    if (ex->registered)
        return;
    ex->id = m->executor_id;
    ex->rpc.epoch = m->epoch;
    ex->registered = true;
    Drover__RegisterData d = DROVER__REGISTER_DATA__INIT;
    d.executor_id = ex->id;
    conn_send(ex->data, MSG_REGISTER_DATA, 0, &d.base, NULL);
    ex->connect_tries = 0;
    xfree(ex->connect_trouble);
    ex->connect_trouble = NULL;
    bind_registered(ex);
    uv_timer_start(&ex->heartbeat, heartbeat_cb, 0, m->heartbeat_ms > 0 && m->heartbeat_ms < HEARTBEAT_MS ? m->heartbeat_ms : HEARTBEAT_MS);
    if (ex->config.announce) {
        printf("ready executor=%llu\n", (unsigned long long)ex->id);
        fflush(stdout);
    }
}

static void driver_frame_cb(struct conn *conn, const struct frame *f)
{
    struct executor *ex = conn->owner;
    if (f->type == MSG_REGISTERED)
        on_registered(ex, f->message);
    else if (f->type == MSG_GOODBYE)
        log_warn("executor", "the driver says goodbye: %s", ((const Drover__Goodbye *)f->message)->reason);
    else if (!bind_driver_frame(ex, f))
        log_warn("executor", "the driver sent %s, which is not for executors; ignored", msg_name(f->type));
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
    bind_driver_lost(ex);
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
    struct control_view v;
    control_look(ex->control, &v);
    m.running = v.queued + v.running + v.parked + v.ended;
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
    ex->control = control_new(&(struct control_config){.slots = config->slots, .ahead = config->slots * SLOTS_AHEAD, .result_window = RESULT_WINDOW});
    ex->store = store_new(&ex->account, config->dir, config->memory / 4);
    pthread_mutex_init(&ex->lock, NULL);
    pthread_mutex_init(&ex->note_lock, NULL);
    pthread_mutex_init(&ex->inputs_lock, NULL);
    pthread_cond_init(&ex->wake_slots, NULL);
    pthread_cond_init(&ex->wake_server, NULL);
    ex->note_tail = &ex->note_head;
    uv_async_init(&ex->loop, &ex->async, bind_notes_cb);
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
    bind_cancel_all(ex);
    slots_stop(ex);
    close_all(ex);
    bind_free(ex);
    holdings_free(ex);
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
