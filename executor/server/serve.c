/*
 * Serving outputs to peers: one thread copies their frames into answers, the loop sends. A peer that reads slowly holds
 * up only itself: what is copied for it is bounded by the credit it gave and by the connection's queue.
 */
#include "common/base/testpoint.h"
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

/* Gives it to the serving thread when it may go on. */
static void go_on(struct serve *s)
{
    struct executor *ex = s->ex;
    s->credit += s->credit_late;
    s->credit_late = 0;
    if (s->credit <= 0 || conn_queued(s->conn) >= WRITE_QUEUE_HIGH)
        return;
    s->busy = true;
    pthread_mutex_lock(&ex->lock);
    s->next = NULL;
    *ex->serve_tail = s;
    ex->serve_tail = &s->next;
    pthread_cond_signal(&ex->wake_server);
    pthread_mutex_unlock(&ex->lock);
}

/* Bytes that the answer may still take. */
static size_t room(const struct serve *s)
{
    size_t max = s->credit < SERVE_FRAME ? (size_t)s->credit : SERVE_FRAME;
    return s->frame.bytes < max ? max - s->frame.bytes : 0;
}

/* The next frames of the map at hand. False: it is not here, or cannot be read. */
static bool copy_map(struct serve *s, bool *ret_whole)
{
    struct error err = ERROR_INIT;
    struct map_output *o = store_find(s->ex->store, s->job_id, s->stage, s->maps[s->at], s->attempts[s->at]);
    if (!o || (s->partition != OUTPUT_ALL && s->partition >= map_output_partitions(o))) {
        s->missing = xstrdup("the executor does not hold it any more");
    } else if (map_output_copy(o, s->partition, &s->cursor, room(s), &s->frame, ret_whole, &err) != 0) {
        struct buf text = BUF_INIT;
        error_sentence(&err, &text);
        s->missing = buf_steal(&text);
        error_fini(&err);
    }
    map_output_unref(o);
    return !s->missing;
}

static void fill(struct serve *s)
{
    s->frame_first = s->at;
    s->frame_count = 0;
    while (s->at < s->count && room(s) > 0) {
        size_t before = s->frame.bytes;
        bool whole = false;
        if (!copy_map(s, &whole))
            return;
        s->frame_bytes[s->frame_count++] = (uint32_t)(s->frame.bytes - before);
        if (!whole)
            return;
        s->at++;
        s->cursor = (struct output_cursor){0};
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

void serve_frame_ready(struct serve *s)
{
    s->busy = false;
    if (!s->conn) {
        forget(s);
        return;
    }
    Drover__Fetched m = DROVER__FETCHED__INIT;
    m.n_map = m.n_bytes = s->frame_count;
    m.map = s->maps + s->frame_first;
    m.bytes = s->frame_bytes;
    m.whole = s->frame_first + s->frame_count == s->at;
    m.last = s->at == s->count && !s->missing;
    if (s->missing) {
        m.has_missing_map = true;
        m.missing_map = s->maps[s->at];
        m.reason = s->missing;
    }
    bool done = s->missing || s->at == s->count;
    s->credit -= (int64_t)s->frame.bytes;
    s->ex->served_bytes += s->frame.bytes;
    conn_send(s->conn, MSG_FETCHED, s->id, &m.base, &s->frame);
    TEST_POINT("mid-serve");
    if (TEST_POINT_FAILS("serve-reset")) {
        struct conn *conn = s->conn;
        if (done)
            forget(s);
        conn_reject(conn, "a test point"); /* its end abandons the others */
        return;
    }
    if (done)
        forget(s);
    else
        go_on(s);
}

static void drain_cb(struct conn *conn)
{
    struct executor *ex = conn->owner;
    for (struct serve *s = ex->serves; s; s = s->next_all) {
        if (s->conn == conn && !s->busy)
            go_on(s);
    }
}

/* Nobody wants the rest. */
static void abandon(struct serve *s)
{
    s->conn = NULL;
    if (!s->busy)
        forget(s);
}

static void on_credit(struct executor *ex, struct conn *conn, uint64_t id, uint64_t bytes)
{
    struct serve *s = ex->serves;
    while (s && (s->conn != conn || s->id != id))
        s = s->next_all;
    if (!s)
        return; /* all of it is sent */
    if (bytes == 0) {
        abandon(s);
        return;
    }
    s->credit_late += bytes < CREDIT_MAX ? (int64_t)bytes : CREDIT_MAX;
    if (!s->busy)
        go_on(s);
}

static void on_fetch(struct executor *ex, struct conn *conn, uint64_t id, const Drover__Fetch *m)
{
    uint32_t unfinished = 0;
    for (struct serve *s = ex->serves; s; s = s->next_all)
        unfinished += s->conn == conn;
    if (m->n_map == 0 || m->n_map != m->n_attempt || unfinished >= SERVES_MAX) {
        conn_reject(conn, "a FETCH that cannot be answered");
        return;
    }
    struct serve *s = xcalloc(1, sizeof *s);
    s->ex = ex;
    s->conn = conn;
    s->id = id;
    s->job_id = m->job_id;
    s->stage = m->stage;
    s->partition = m->partition;
    s->credit = m->credit < FETCH_WINDOW ? (int64_t)m->credit : FETCH_WINDOW;
    s->count = (uint32_t)m->n_map;
    s->maps = xmalloc(m->n_map * sizeof *s->maps);
    s->attempts = xmalloc(m->n_map * sizeof *s->attempts);
    s->frame_bytes = xmalloc(m->n_map * sizeof *s->frame_bytes);
    memcpy(s->maps, m->map, m->n_map * sizeof *s->maps);
    memcpy(s->attempts, m->attempt, m->n_map * sizeof *s->attempts);
    s->next_all = ex->serves;
    ex->serves = s;
    go_on(s);
}

static void frame_cb(struct conn *conn, const struct frame *f)
{
    struct executor *ex = conn->owner;
    if (f->type == MSG_FETCH)
        on_fetch(ex, conn, f->id, f->message);
    else if (f->type == MSG_FETCH_CREDIT)
        on_credit(ex, conn, f->id, ((const Drover__FetchCredit *)f->message)->bytes);
}

static void close_cb(struct conn *conn, const char *reason)
{
    (void)reason;
    struct executor *ex = conn->owner;
    struct serve *next;
    for (struct serve *s = ex->serves; s; s = next) {
        next = s->next_all;
        if (s->conn == conn)
            abandon(s);
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
