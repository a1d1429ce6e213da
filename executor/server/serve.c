/*
 * Serving outputs to peers: one thread copies bytes of outputs into answers, the loop sends them. A peer gets no more than
 * its window ahead of what it has taken, and a slow one holds up only itself.
 */
#include "executor/server/executor_impl.h"
#include "proto/cluster.pb-c.h"

static void serve_free(struct serve *s)
{
    buf_fini(&s->frame);
    xfree(s->maps);
    xfree(s->attempts);
    xfree(s->frame_bytes);
    xfree(s->missing);
    xfree(s);
}

static void enqueue(struct serve *s)
{
    struct executor *ex = s->ex;
    s->busy = true;
    pthread_mutex_lock(&ex->lock);
    s->next = NULL;
    *ex->serve_tail = s;
    ex->serve_tail = &s->next;
    pthread_cond_signal(&ex->wake_server);
    pthread_mutex_unlock(&ex->lock);
}

/* The next bytes of the map at hand. False: it is not here, or cannot be read. */
static bool copy_map(struct serve *s, size_t max, bool *ret_done)
{
    struct error err = ERROR_INIT;
    struct map_output *o = store_find(s->ex->store, s->job_id, s->stage, s->maps[s->at], s->attempts[s->at]);
    if (!o || (s->partition != OUTPUT_ALL && s->partition >= map_output_partitions(o))) {
        s->missing = xstrdup("the executor does not hold it any more");
    } else if (map_output_copy(o, s->partition, &s->cursor, max, &s->frame, ret_done, &err) != 0) {
        struct buf text = BUF_INIT;
        error_sentence(&err, &text);
        s->missing = buf_steal(&text);
        error_fini(&err);
    }
    map_output_unref(o);
    return !s->missing;
}

/* Fills the frame, map after map. */
static void fill(struct serve *s)
{
    size_t max = s->room < SERVE_FRAME ? (size_t)s->room : SERVE_FRAME;
    s->frame_first = s->at;
    s->frame_count = 0;
    s->unfinished = false;
    while (s->at < s->count && (s->frame.bytes < max || s->frame_count == 0)) {
        size_t before = s->frame.bytes;
        bool done = false;
        if (!copy_map(s, max - s->frame.bytes, &done))
            break;
        s->frame_bytes[s->frame_count++] = (uint32_t)(s->frame.bytes - before);
        s->unfinished = !done;
        if (!done)
            break;
        s->at++;
        s->cursor = (struct output_cursor){0};
    }
    s->room -= s->frame.bytes;
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
        fill(s);
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

/* With the loop: on to the thread, if there is room. */
static void go_on(struct serve *s)
{
    if (!s->busy && s->room > 0 && conn_queued(s->conn) < WRITE_QUEUE_HIGH)
        enqueue(s);
}

void serve_frame_ready(struct serve *s)
{
    s->busy = false;
    s->room += s->room_more;
    s->room_more = 0;
    if (!s->conn) {
        forget(s);
        return;
    }
    Drover__Fetched m = DROVER__FETCHED__INIT;
    m.n_map = m.n_bytes = s->frame_count;
    m.map = s->maps + s->frame_first;
    m.bytes = s->frame_bytes;
    bool done = s->missing || s->at == s->count;
    m.last = done && !s->missing;
    m.has_unfinished = m.unfinished = s->unfinished;
    if (s->missing) {
        m.has_missing_map = true;
        m.missing_map = s->maps[s->at];
        m.reason = s->missing;
    }
    conn_send(s->conn, MSG_FETCHED, s->id, &m.base, &s->frame);
    s->frame = BUF_INIT;
    if (done)
        forget(s);
    else
        go_on(s);
}

static void drain_cb(struct conn *conn)
{
    struct executor *ex = conn->owner;
    for (struct serve *s = ex->serves; s; s = s->next_all) {
        if (s->conn == conn)
            go_on(s);
    }
}

/* Nobody wants the rest. */
static void stop(struct serve *s)
{
    s->conn = NULL;
    if (!s->busy)
        forget(s); /* else when it comes back */
}

static void on_more(struct executor *ex, const struct conn *conn, uint64_t id, const Drover__FetchMore *m)
{
    struct serve *s = ex->serves;
    while (s && (s->conn != conn || s->id != id))
        s = s->next_all;
    if (!s)
        return; /* all is sent */
    if (m->has_cancel && m->cancel) {
        stop(s);
        return;
    }
    if (s->busy) {
        s->room_more += m->bytes;
        return;
    }
    s->room += m->bytes;
    go_on(s);
}

static void close_cb(struct conn *conn, const char *reason)
{
    (void)reason;
    struct executor *ex = conn->owner;
    struct serve *next;
    for (struct serve *s = ex->serves; s; s = next) {
        next = s->next_all;
        if (s->conn == conn)
            stop(s);
    }
}

static void refuse(struct conn *conn, const char *reason)
{
    close_cb(conn, reason);
    conn_close(conn, reason);
}

static void on_fetch(struct executor *ex, struct conn *conn, uint64_t id, const Drover__Fetch *m)
{
    if (m->n_map == 0 || m->n_map != m->n_attempt || m->window == 0) {
        refuse(conn, "a fetch that asks for nothing");
        return;
    }
    struct serve *s = xcalloc(1, sizeof *s);
    s->ex = ex;
    s->conn = conn;
    s->id = id;
    s->job_id = m->job_id;
    s->stage = m->stage;
    s->partition = m->partition;
    s->room = m->window;
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

static void frame_cb(struct conn *conn, const struct frame *f)
{
    if (f->type == MSG_FETCH && conn->role == ROLE_PEER)
        on_fetch(conn->owner, conn, f->id, f->message);
    else if (f->type == MSG_FETCH_MORE && conn->role == ROLE_PEER)
        on_more(conn->owner, conn, f->id, f->message);
    else
        refuse(conn, "a message that peers do not send");
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
