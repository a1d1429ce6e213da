/* Serving outputs to peers: one thread encodes them into frames, the loop sends, a slow peer holds up only itself. */
#include "executor/server/executor_impl.h"
#include "proto/cluster.pb-c.h"

static void serve_free(struct serve *s)
{
    buf_fini(&s->frame);
    xfree(s->maps);
    xfree(s->attempts);
    xfree(s->frame_bytes);
    xfree(s);
}

static void enqueue(struct serve *s)
{
    struct executor *ex = s->ex;
    pthread_mutex_lock(&ex->lock);
    s->next = NULL;
    *ex->serve_tail = s;
    ex->serve_tail = &s->next;
    pthread_cond_signal(&ex->wake_server);
    pthread_mutex_unlock(&ex->lock);
}

/* Whole maps until the frame is full. */
static void encode(struct serve *s)
{
    s->frame_first = s->at;
    s->frame_count = 0;
    while (s->at < s->count && s->frame.bytes < SERVE_FRAME) {
        struct output *o = store_find(s->ex->store, s->job_id, s->stage, s->maps[s->at], s->attempts[s->at]);
        bool all = s->partition == INPUT_ALL;
        if (!o || (!all && s->partition >= output_partitions(o))) {
            output_unref(o);
            s->missing = true;
            return;
        }
        size_t before = s->frame.bytes;
        uint32_t first = all ? 0 : s->partition, last = all ? output_partitions(o) - 1 : s->partition;
        for (uint32_t p = first; p <= last; p++) {
            uint32_t n;
            struct sealed *const *runs = output_runs(o, p, &n);
            for (uint32_t i = 0; i < n; i++)
                frame_encode(runs[i], FRAME_RAW, &s->frame);
        }
        output_unref(o);
        s->frame_bytes[s->frame_count++] = (uint32_t)(s->frame.bytes - before);
        s->at++;
    }
}

void *serve_thread_main(void *arg)
{
    struct executor *ex = arg;
    for (;;) {
        pthread_mutex_lock(&ex->lock);
        while (!ex->serve_head && !ex->quit)
            pthread_cond_wait(&ex->wake_server, &ex->lock);
        if (ex->quit) {
            pthread_mutex_unlock(&ex->lock);
            return NULL;
        }
        struct serve *s = ex->serve_head;
        ex->serve_head = s->next;
        if (!ex->serve_head)
            ex->serve_tail = &ex->serve_head;
        pthread_mutex_unlock(&ex->lock);
        encode(s);
        struct note *n = xcalloc(1, sizeof *n);
        n->kind = NOTE_SERVED;
        n->serve = s;
        executor_note(ex, n);
    }
}

static void forget(struct serve *s)
{
    struct serve **at = &s->ex->serves;
    while (*at != s)
        at = &(*at)->next_all;
    *at = s->next_all;
    serve_free(s);
}

void serve_frame_ready(struct serve *s)
{
    if (!s->conn) {
        forget(s);
        return;
    }
    Drover__Fetched m = DROVER__FETCHED__INIT;
    m.n_map = m.n_bytes = s->frame_count;
    m.map = s->maps + s->frame_first;
    m.bytes = s->frame_bytes;
    m.last = s->at == s->count && !s->missing;
    if (s->missing) {
        m.has_missing_map = true;
        m.missing_map = s->maps[s->at];
        m.reason = (char *)"the executor does not hold it any more";
    }
    bool done = s->missing || s->at == s->count;
    conn_send(s->conn, MSG_FETCHED, s->id, &m.base, &s->frame);
    if (done)
        forget(s);
    else if (conn_queued(s->conn) < WRITE_QUEUE_HIGH)
        enqueue(s);
    else
        s->frame_count = 0; /* waits for on_drain */
}

static void drain_cb(struct conn *conn)
{
    struct executor *ex = conn->owner;
    for (struct serve *s = ex->serves; s; s = s->next_all) {
        if (s->conn == conn && s->frame_count == 0 && s->frame.bytes == 0 && s->at > 0)
            enqueue(s);
    }
}

static void frame_cb(struct conn *conn, const struct frame *f)
{
    if (f->type != MSG_FETCH || conn->role != ROLE_PEER)
        return;
    const Drover__Fetch *m = f->message;
    if (m->n_map == 0 || m->n_map != m->n_attempt)
        return;
    struct executor *ex = conn->owner;
    struct serve *s = xcalloc(1, sizeof *s);
    s->ex = ex;
    s->conn = conn;
    s->id = f->id;
    s->job_id = m->job_id;
    s->stage = m->stage;
    s->partition = m->partition;
    s->count = (uint32_t)m->n_map;
    s->maps = xmalloc(m->n_map * sizeof *s->maps);
    s->attempts = xmalloc(m->n_map * sizeof *s->attempts);
    s->frame_bytes = xmalloc(m->n_map * sizeof *s->frame_bytes);
    memcpy(s->maps, m->map, m->n_map * sizeof *s->maps);
    memcpy(s->attempts, m->attempt, m->n_map * sizeof *s->attempts);
    s->next_all = ex->serves;
    ex->serves = s;
    enqueue(s);
}

static void close_cb(struct conn *conn, const char *reason)
{
    (void)reason;
    struct executor *ex = conn->owner;
    struct serve *next;
    for (struct serve *s = ex->serves; s; s = next) {
        next = s->next_all;
        if (s->conn != conn)
            continue;
        s->conn = NULL;
        if (s->frame_count == 0 && s->frame.bytes == 0 && s->at > 0)
            forget(s); /* it waited for on_drain: nobody else will */
    }
}

static const struct conn_ops ops = {.on_frame = frame_cb, .on_close = close_cb, .on_drain = drain_cb};

void serve_accept(struct conn *conn, void *arg)
{
    conn->ops = &ops;
    conn->owner = arg;
}

void serves_close(struct executor *ex)
{
    while (ex->serves) {
        struct serve *s = ex->serves;
        ex->serves = s->next_all;
        serve_free(s);
    }
}
