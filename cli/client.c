/* The client's side of the protocol, and embedded mode; see client.h. */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs/list.h"
#include "common/rpc/conn.h"
#include "driver/server/driver.h"
#include "executor/server/executor.h"
#include "proto/client.pb-c.h"

enum { CONNECT_TRIES = 400, EXECUTORS_MAX = 64 };

struct child {
    pid_t pid;
    struct executor_config config;
};

struct client {
    uv_loop_t loop;
    struct rpc rpc;
    struct conn *conn;
    bool opened, closed;
    char *address, *closed_reason, *session, *web, *dir;
    uv_signal_t sigint, sigchld;
    uv_timer_t timer;
    pid_t driver_pid;
    uint32_t executor_count;
    struct child executors[EXECUTORS_MAX];
    bool closing;
    /* the operation under way */
    char *operation;
    const struct client_sink *sink;
    bool done, cancelled;
    uint64_t run_us;
    struct error error;
    bool progress_shown;
    uint64_t progress_rows;
    int64_t progress_at, started_at;
    /* the request under way */
    bool answered, found;
    char *json;
    unsigned status;
};

/* ---- embedded processes ---- */

static void child_of(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing outlives the command */
    if (getppid() != parent)
        _exit(1);
    signal(SIGINT, SIG_IGN);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
}

static pid_t start_driver(struct client *c, const struct client_config *config)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent);
    char **confs = xcalloc(config->setting_count + 1, sizeof *confs);
    for (uint32_t i = 0; i < config->setting_count; i++)
        confs[i] = xasprintf("%s=%s", config->settings[i].name, config->settings[i].value);
    struct driver_config dc = {.listen = c->address, .embedded = true, .conf_count = config->setting_count, .confs = (const char *const *)confs};
    _exit(driver_main(&dc));
}

static pid_t start_executor(const struct executor_config *config)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent);
    _exit(executor_main(config));
}

/* Started again after a death: by a fresh exec, since this process has connections now. */
static pid_t restart_executor(const struct executor_config *config)
{
    char slots[16], memory[32];
    snprintf(slots, sizeof slots, "%u", config->slots);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)config->memory);
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    child_of(parent);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    execl("/proc/self/exe", "drover", "executor", "--driver", config->driver, "--slots", slots, "--memory", memory, "--dir", config->dir, "--embedded",
          (char *)NULL);
    _exit(127);
}

static void sigchld_cb(uv_signal_t *h, int signum)
{
    (void)signum;
    struct client *c = h->data;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < c->executor_count && !c->closing; i++) {
            if (c->executors[i].pid != pid)
                continue;
            if (WIFSIGNALED(status))
                fprintf(stderr, "drover: the executor (pid %d) was killed by signal %d%s; starting it again\n", (int)pid, WTERMSIG(status),
                        WTERMSIG(status) == SIGKILL ? " (SIGKILL: by hand, or the kernel was out of memory)" : "");
            else
                fprintf(stderr, "drover: the executor (pid %d) ended with exit code %d; starting it again\n", (int)pid, WEXITSTATUS(status));
            c->executors[i].pid = restart_executor(&c->executors[i].config);
        }
        if (pid == c->driver_pid)
            c->driver_pid = 0;
    }
}

static int start_embedded(struct client *c, const struct client_config *config, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    c->dir = xasprintf("%s/drover-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(c->dir))
        return error_set(err, ERR_IO, "path", c->dir, "message", strerror(errno), NULL);
    c->address = xasprintf("unix:%s/driver", c->dir);
    uint32_t n = config->executors ? config->executors : 1;
    if (n > EXECUTORS_MAX)
        return error_setf(err, ERR_USAGE, "message", "--executors takes up to %d", EXECUTORS_MAX);
    uint32_t slots = config->slots;
    if (!slots) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        slots = cores > (long)n ? (uint32_t)cores / n : 1;
    }
    uint64_t memory = config->memory ? config->memory : executor_default_memory();
    c->driver_pid = start_driver(c, config);
    for (uint32_t i = 0; i < n; i++) {
        struct child *ch = &c->executors[c->executor_count++];
        ch->config = (struct executor_config){.driver = c->address, .slots = slots, .memory = memory / n, .dir = c->dir, .embedded = true};
        ch->pid = start_executor(&ch->config);
    }
    return 0;
}

/* ---- frames ---- */

static void clear_progress(struct client *c)
{
    if (c->progress_shown)
        fputs("\r\033[K", stderr);
    c->progress_shown = false;
}

static void show_progress(struct client *c, const Drover__Progress *m)
{
    if (!c->sink || !c->sink->progress || m->n_stages == 0 || clock_mono_us() - c->started_at < 400000)
        return;
    clear_progress(c);
    uint64_t rows = 0;
    for (size_t i = 0; i < m->n_stages && i < 3; i++) {
        const Drover__StageProgress *s = m->stages[i];
        rows += s->rows;
        fprintf(stderr, "%s[stage %u: %u/%u/%u]", i ? " " : "", s->stage, s->done, s->running, s->total);
    }
    int64_t now = clock_mono_us();
    double rate = c->progress_at && now > c->progress_at && rows > c->progress_rows ? (double)(rows - c->progress_rows) * 1e6 / (double)(now - c->progress_at) : 0;
    fprintf(stderr, " %llu rows, %.0f rows/s", (unsigned long long)rows, rate);
    c->progress_at = now;
    c->progress_rows = rows;
    c->progress_shown = true;
    fflush(stderr);
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

static bool mine(const struct client *c, const char *operation)
{
    return c->operation && strcmp(c->operation, operation) == 0;
}

static void on_schema(struct client *c, const Drover__ResultSchema *m)
{
    struct error err = ERROR_INIT;
    struct schema sch = {.count = (uint32_t)m->n_name, .fields = xcalloc(m->n_name + 1, sizeof *sch.fields)};
    int rc = m->n_name == m->n_type ? 0 : error_set(&err, ERR_PROTOCOL, "message", "a schema that does not add up", NULL);
    for (uint32_t i = 0; i < sch.count && rc == 0; i++) {
        sch.fields[i] = (struct field){.name = m->name[i], .nullable = true};
        rc = type_parse(m->type[i], &sch.fields[i].type, &err);
    }
    if (rc == 0 && c->sink->schema)
        c->sink->schema(c->sink->ctx, &sch);
    if (rc != 0) {
        error_move(&c->error, &err);
        c->done = true;
    }
    xfree(sch.fields);
    ack(c, m->seq);
}

static void on_batch(struct client *c, const Drover__ResultBatch *m, const struct frame *f)
{
    struct sealed *s;
    size_t used;
    struct error err = ERROR_INIT;
    if (!mine(c, m->operation_id))
        return;
    clear_progress(c);
    if (frame_decode(f->bulk, f->bulk_bytes, NULL, &s, &used, &err) != 0) {
        error_move(&c->error, &err);
        c->done = true;
        return;
    }
    if (c->sink->rows && !c->cancelled && !c->sink->rows(c->sink->ctx, s))
        cancel(c);
    sealed_unref(s);
    ack(c, m->seq);
}

static void on_end(struct client *c, const Drover__ResultEnd *m)
{
    if (!mine(c, m->operation_id))
        return;
    clear_progress(c);
    for (size_t i = 0; i < m->n_warnings; i++)
        fprintf(stderr, "drover: %s\n", m->warnings[i]);
    if (m->has_error && !error_decode(m->error.data, m->error.len, &c->error))
        error_set(&c->error, ERR_PROTOCOL, "message", "an error that cannot be read", NULL);
    c->run_us = m->run_us;
    c->done = true;
    ack(c, m->seq);
}

static void frame_cb(struct conn *conn, const struct frame *f)
{
    struct client *c = conn->owner;
    switch (f->type) {
    case MSG_SESSION_OPENED: {
        const Drover__SessionOpened *m = f->message;
        c->session = xstrdup(m->session_id);
        c->web = xstrdup(m->web);
        for (size_t i = 0; i < m->n_warnings; i++)
            fprintf(stderr, "drover: %s\n", m->warnings[i]);
        c->answered = true;
        break;
    }
    case MSG_RESULT_SCHEMA: {
        const Drover__ResultSchema *m = f->message;
        if (mine(c, m->operation_id))
            on_schema(c, m);
        break;
    }
    case MSG_RESULT_BATCH: on_batch(c, f->message, f); break;
    case MSG_RESULT_END: on_end(c, f->message); break;
    case MSG_PROGRESS: show_progress(c, f->message); break;
    case MSG_STATUS_REPLY: {
        const Drover__StatusReply *m = f->message;
        c->json = xstrdup(m->json);
        c->status = m->status;
        c->answered = true;
        break;
    }
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
    cancel(h->data);
}

static void wait_for(struct client *c, const bool *flag)
{
    while (!*flag && !c->closed)
        uv_run(&c->loop, UV_RUN_ONCE);
}

static int lost(struct client *c, struct error *err)
{
    return error_set(err, ERR_CONNECTION_LOST, "address", c->address, "message", c->closed_reason ? c->closed_reason : "it is closed", NULL);
}

/* ---- life ---- */

static void nothing_cb(uv_timer_t *t)
{
    (void)t;
}

/* An embedded driver needs a moment until its socket is there. */
static int connect_driver(struct client *c, struct error *err)
{
    for (int i = 0; i < (c->dir ? CONNECT_TRIES : 1); i++) {
        c->closed = false;
        c->conn = conn_connect(&c->rpc, c->address, ROLE_CLIENT, &ops, c);
        wait_for(c, &c->opened);
        if (c->opened)
            return 0;
        if (c->dir && i + 1 < CONNECT_TRIES) {
            bool over = false;
            (void)over;
            uv_timer_start(&c->timer, nothing_cb, i < 20 ? 1 : 10, 0);
            uv_run(&c->loop, UV_RUN_ONCE);
        }
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

int client_open(const struct client_config *config, struct client **ret, struct error *err)
{
    struct client *c = xcalloc(1, sizeof *c);
    signal(SIGPIPE, SIG_IGN);
    int rc = 0;
    if (config->driver)
        c->address = xstrdup(config->driver);
    else
        rc = start_embedded(c, config, err);
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
    if (rc == 0)
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
    c->closing = true;
    conn_close(c->conn, "done");
    uv_close((uv_handle_t *)&c->sigint, NULL);
    uv_close((uv_handle_t *)&c->sigchld, NULL);
    uv_close((uv_handle_t *)&c->timer, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    uv_loop_close(&c->loop);
    rpc_fini(&c->rpc);
    if (c->dir) {
        /* The results are out; nothing in these processes is worth a wait. */
        for (uint32_t i = 0; i < c->executor_count; i++)
            kill(c->executors[i].pid, SIGKILL);
        if (c->driver_pid > 0)
            kill(c->driver_pid, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0) {
        }
        struct error err = ERROR_INIT;
        if (fs_remove(c->dir, &err) != 0)
            error_fini(&err);
    }
    error_fini(&c->error);
    xfree(c->address);
    xfree(c->closed_reason);
    xfree(c->session);
    xfree(c->web);
    xfree(c->dir);
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
    Drover__Execute m = DROVER__EXECUTE__INIT;
    c->operation = xasprintf("%s-%llu", c->session, (unsigned long long)++number);
    c->sink = sink;
    c->done = c->cancelled = false;
    c->progress_at = 0;
    c->progress_rows = 0;
    c->started_at = clock_mono_us();
    m.session_id = c->session;
    m.operation_id = c->operation;
    m.sql = (char *)(uintptr_t)sql;
    uv_signal_start(&c->sigint, sigint_cb, SIGINT);
    conn_send(c->conn, MSG_EXECUTE, 0, &m.base, NULL);
    wait_for(c, &c->done);
    uv_signal_stop(&c->sigint);
    clear_progress(c);
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

int client_status(struct client *c, const char *path, char **ret_json, struct error *err)
{
    Drover__StatusRequest m = DROVER__STATUS_REQUEST__INIT;
    if (!c->conn)
        return lost(c, err);
    m.path = (char *)(uintptr_t)path;
    c->answered = false;
    conn_send(c->conn, MSG_STATUS_REQUEST, 1, &m.base, NULL);
    wait_for(c, &c->answered);
    if (!c->answered)
        return lost(c, err);
    *ret_json = c->json;
    c->json = NULL;
    return 0;
}

int client_kill(struct client *c, uint64_t job_id, bool *ret_found, struct error *err)
{
    Drover__KillJob m = DROVER__KILL_JOB__INIT;
    if (!c->conn)
        return lost(c, err);
    m.job_id = job_id;
    c->answered = false;
    conn_send(c->conn, MSG_KILL_JOB, 1, &m.base, NULL);
    wait_for(c, &c->answered);
    if (!c->answered)
        return lost(c, err);
    *ret_found = c->found;
    return 0;
}
