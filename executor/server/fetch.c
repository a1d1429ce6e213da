/*
 * Reading other stages' outputs: from the own store, or from peers. Runs come in map-index order whatever order
 * they arrive in; a task that is ahead of the network is parked.
 *
 * Each attempt and input has one fetch, started when the first remote map is met: it asks every peer for all of its
 * maps at once, in their order, and each peer sends a window ahead of what the slot has taken. Since both go through
 * the maps in the same order, what a peer sends next is what the slot will want next of it: windows cannot lock each
 * other. A run larger than the window would: the slot that waits in the middle of one says so, and the peer is
 * allowed another window. What comes is kept as bytes and decoded (and its checksum verified) on the slot's thread.
 */
#include "executor/server/executor_impl.h"
#include "proto/cluster.pb-c.h"

void fetch_unref(struct fetch *f)
{
    if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < f->inputs->map_count; i++) {
        buf_fini(&f->maps[i].incoming);
        buf_fini(&f->maps[i].ready);
    }
    xfree(f->maps);
    xfree(f->peers);
    xfree(f->reason);
    inputs_unref(f->inputs);
    pthread_mutex_destroy(&f->lock);
    xfree(f);
}

/* A stage may read one exchange at several places: each reading has a fetch of its own, named by its cursor. */
static struct fetch *find_fetch(const struct attempt *a, uint64_t number)
{
    struct fetch *f = a->fetches;
    while (f && f->number != number)
        f = f->next;
    return f;
}

/* What all peers together may send ahead: an eighth of the task's grant, within reason. */
static uint64_t window_of(const struct attempt *a)
{
    uint64_t window = (uint64_t)a->account.limit / 8;
    return window < FETCH_WINDOW_MIN ? FETCH_WINDOW_MIN : window > FETCH_WINDOW_MAX ? FETCH_WINDOW_MAX : window;
}

static int open_fetch(struct attempt *a, struct inputs *take, uint32_t partition, struct fetch **ret, struct error *err)
{
    struct fetch *f = xcalloc(1, sizeof *f);
    f->refs = 1;
    f->ex = a->ex;
    f->attempt = a;
    f->inputs = take;
    f->partition = partition;
    f->maps = xcalloc(take->map_count + 1, sizeof *f->maps);
    f->peers = xcalloc(take->peer_count + 1, sizeof *f->peers);
    pthread_mutex_init(&f->lock, NULL);
    uint32_t remote_peers = 0;
    for (uint32_t m = 0; m < take->map_count; m++) {
        struct fetch_peer *p = &f->peers[take->map_peer[m]];
        f->maps[m].remote = take->peer_ids[take->map_peer[m]] != a->ex->id;
        remote_peers += f->maps[m].remote && !p->waiting;
        p->waiting |= f->maps[m].remote;
    }
    for (uint32_t p = 0; p < take->peer_count; p++)
        f->peers[p].waiting = false;
    if (remote_peers) {
        f->reserved = window_of(a);
        f->window = f->reserved / remote_peers;
        if (account_reserve(&a->account, f->reserved, err) != 0) {
            f->reserved = 0;
            fetch_unref(f);
            return (int)err->code;
        }
    }
    f->number = a->fetches ? a->fetches->number + 1 : 1;
    f->next = a->fetches;
    a->fetches = f;
    if (remote_peers) {
        struct note *n = xcalloc(1, sizeof *n);
        n->kind = NOTE_FETCH;
        n->fetch = f;
        __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
        executor_note(a->ex, n);
    }
    *ret = f;
    return 0;
}

static int lost(struct attempt *a, const struct fetch *f, uint32_t map, const char *reason, struct error *err)
{
    char output[64], executor[32];
    struct buf b = BUF_INIT;
    buf_addf(&b, "%u of stage %u", map, f->inputs->exchange);
    memcpy(output, b.data, b.bytes + 1);
    buf_reset(&b);
    buf_addf(&b, "%llu", (unsigned long long)f->inputs->peer_ids[f->inputs->map_peer[map]]);
    memcpy(executor, b.data, b.bytes + 1);
    buf_fini(&b);
    a->fetch_failed = true;
    a->lost_stage = f->inputs->exchange;
    a->lost_partition = map;
    a->lost_attempt = f->inputs->map_attempt[map];
    return error_set(err, ERR_FETCH_FAILED, "output", output, "executor", executor, "message", reason, NULL);
}

/* The map output could not be read whole: the driver has it made again. */
static enum op_status damaged(struct attempt *a, const struct fetch *f, uint32_t map, const struct error *err)
{
    if (err->code == ERR_CHUNK_DAMAGED) {
        a->fetch_failed = true;
        a->lost_stage = f->inputs->exchange;
        a->lost_partition = map;
        a->lost_attempt = f->inputs->map_attempt[map];
    }
    return OP_ERROR;
}

/* cursor: [0] map, [1] to [3] an output cursor of local ones, [4] number of the fetch. */
static enum op_status next_local(struct attempt *a, struct fetch *f, uint32_t map, struct input_cursor *c, struct sealed **ret,
                                 struct error *err)
{
    struct map_output *o = store_find(a->ex->store, a->job_id, f->inputs->exchange, map, f->inputs->map_attempt[map]);
    if (!o) {
        lost(a, f, map, "it is not here any more", err);
        return OP_ERROR;
    }
    struct output_cursor oc = {.at = c->at[1], .partition = (uint32_t)c->at[2], .piece = (uint32_t)c->at[3]};
    int rc = map_output_next(o, f->partition, &oc, &a->ex->account, ret, err);
    c->at[1] = oc.at;
    c->at[2] = oc.partition;
    c->at[3] = oc.piece;
    map_output_unref(o);
    return rc != 0 ? damaged(a, f, map, err) : *ret ? OP_MORE : OP_DONE;
}

static void note_more(struct fetch *f)
{
    if (f->more_noted)
        return;
    struct note *n = xcalloc(1, sizeof *n);
    f->more_noted = true;
    n->kind = NOTE_FETCH_MORE;
    n->fetch = f;
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    executor_note(f->ex, n);
}

static bool has_run(const struct fetched_map *m)
{
    size_t left = m->ready.bytes - m->at;
    uint64_t total = left ? frame_bytes(m->ready.data + m->at, left) : 0;
    return total && total <= left;
}

/* What came joins what is left of what came before. */
static void append_incoming(struct fetched_map *m)
{
    m->ready.bytes -= m->at;
    if (m->ready.bytes == 0) {
        struct buf empty = m->ready;
        m->ready = m->incoming;
        m->incoming = empty;
    } else {
        memmove(m->ready.data, m->ready.data + m->at, m->ready.bytes);
        buf_add(&m->ready, m->incoming.data, m->incoming.bytes);
    }
    m->at = 0;
    buf_reset(&m->incoming);
}

/* Takes what has come of the map until a run is whole. OP_MORE: one is; OP_DONE: the map is at its end. */
static enum op_status take_incoming(struct attempt *a, struct fetch *f, uint32_t map, struct error *err)
{
    struct fetched_map *m = &f->maps[map];
    struct fetch_peer *p = &f->peers[f->inputs->map_peer[map]];
    enum op_status st;
    pthread_mutex_lock(&f->lock);
    if (m->incoming.bytes) {
        p->taken += m->incoming.bytes;
        append_incoming(m);
        note_more(f);
    }
    if (has_run(m)) {
        st = OP_MORE;
    } else if (m->complete) {
        st = m->ready.bytes == m->at ? OP_DONE : OP_MORE; /* a cut run: decoding says so */
    } else if (f->failed) {
        lost(a, f, f->failed_map, f->reason, err);
        st = OP_ERROR;
    } else {
        p->waiting = true;
        note_more(f);
        st = OP_BLOCKED;
    }
    pthread_mutex_unlock(&f->lock);
    return st;
}

static enum op_status next_remote(struct attempt *a, struct fetch *f, uint32_t map, struct sealed **ret, struct error *err)
{
    struct fetched_map *m = &f->maps[map];
    if (!has_run(m)) {
        enum op_status st = take_incoming(a, f, map, err);
        if (st == OP_DONE) {
            buf_fini(&m->ready);
            buf_fini(&m->incoming);
            m->at = 0;
        }
        if (st != OP_MORE)
            return st;
    }
    size_t used;
    if (frame_decode(m->ready.data + m->at, m->ready.bytes - m->at, &a->ex->account, ret, &used, err) != 0)
        return damaged(a, f, map, err);
    m->at += used;
    return OP_MORE;
}

enum op_status fetch_next(struct attempt *a, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                          struct sealed **ret, uint32_t *ret_map, struct error *err)
{
    struct fetch *f = find_fetch(a, cursor->at[4]);
    if (!f) {
        struct inputs *in = executor_inputs(a->ex, a->job_id, exchange);
        if (!in) {
            error_setf(err, ERR_INTERNAL, "message", "the inputs from stage %u are not known here", exchange);
            return OP_ERROR;
        }
        if (open_fetch(a, in, partition, &f, err) != 0)
            return OP_ERROR;
        cursor->at[4] = f->number;
    }
    while (cursor->at[0] < f->inputs->map_count) {
        uint32_t map = (uint32_t)cursor->at[0];
        enum op_status st = f->maps[map].remote ? next_remote(a, f, map, ret, err) : next_local(a, f, map, cursor, ret, err);
        if (st != OP_DONE) {
            *ret_map = map;
            return st;
        }
        *cursor = (struct input_cursor){{cursor->at[0] + 1, 0, 0, 0, f->number}};
    }
    return OP_DONE;
}

/* ---- the loop's side ---- */

static void fetch_fail(struct fetch *f, uint32_t map, const char *reason)
{
    pthread_mutex_lock(&f->lock);
    if (!f->failed) {
        f->failed = true;
        f->failed_map = map;
        f->reason = xstrdup(reason);
    }
    struct attempt *a = f->attempt;
    if (a)
        slot_wake(a);
    pthread_mutex_unlock(&f->lock);
}

static void request_free(struct request *r)
{
    fetch_unref(r->fetch);
    xfree(r->maps);
    xfree(r);
}

static void send_request(struct peer *p, struct request *r)
{
    Drover__Fetch m = DROVER__FETCH__INIT;
    const struct inputs *in = r->fetch->inputs;
    uint64_t *attempts = xmalloc(r->count * sizeof *attempts);
    for (uint32_t i = 0; i < r->count; i++)
        attempts[i] = in->map_attempt[r->maps[i]];
    m.job_id = in->job_id;
    m.stage = in->exchange;
    m.partition = r->fetch->partition;
    m.n_map = m.n_attempt = r->count;
    m.map = r->maps;
    m.attempt = attempts;
    m.window = r->fetch->window;
    r->fetch->peers[r->peer_idx].allowed = r->fetch->window;
    conn_send(p->conn, MSG_FETCH, r->id, &m.base, NULL);
    xfree(attempts);
}

static void send_more(struct peer *p, const struct request *r, uint64_t bytes, bool cancel)
{
    Drover__FetchMore m = DROVER__FETCH_MORE__INIT;
    m.bytes = bytes;
    m.has_cancel = m.cancel = cancel;
    if (p->open)
        conn_send(p->conn, MSG_FETCH_MORE, r->id, &m.base, NULL);
}

static void peer_open_cb(struct conn *conn)
{
    struct peer *p = conn->owner;
    p->open = true;
    for (struct request *r = p->requests; r; r = r->next)
        send_request(p, r);
}

static void peer_closed_cb(struct conn *conn, const char *reason)
{
    struct peer *p = conn->owner;
    p->conn = NULL;
    p->open = false;
    while (p->requests) {
        struct request *r = p->requests;
        p->requests = r->next;
        fetch_fail(r->fetch, r->maps[r->got], reason);
        request_free(r);
    }
}

static void on_fetched(struct peer *p, const struct frame *f)
{
    const Drover__Fetched *m = f->message;
    struct request **at = &p->requests;
    while (*at && (*at)->id != f->id)
        at = &(*at)->next;
    struct request *r = *at;
    if (!r)
        return; /* of a fetch that has failed */
    size_t offset = 0;
    struct fetch *fe = r->fetch;
    bool bad = m->n_map != m->n_bytes;
    pthread_mutex_lock(&fe->lock);
    for (size_t i = 0; i < m->n_map && !bad; i++) {
        if (r->got >= r->count || m->map[i] != r->maps[r->got] || m->bytes[i] > f->bulk_bytes - offset) {
            bad = true;
            break;
        }
        struct fetched_map *fm = &fe->maps[m->map[i]];
        buf_add(&fm->incoming, f->bulk + offset, m->bytes[i]);
        offset += m->bytes[i];
        fm->complete = !(m->unfinished && i + 1 == m->n_map);
        r->got += fm->complete;
    }
    struct fetch_peer *fp = &fe->peers[r->peer_idx];
    fp->received += offset;
    bad |= fp->received > fp->allowed;
    fp->waiting = false;
    if (fe->attempt)
        slot_wake(fe->attempt);
    pthread_mutex_unlock(&fe->lock);
    if (m->has_missing_map)
        fetch_fail(fe, m->missing_map < fe->inputs->map_count ? m->missing_map : 0, m->reason ? m->reason : "it is not there any more");
    else if (bad || (m->last && r->got < r->count))
        fetch_fail(fe, r->got < r->count ? r->maps[r->got] : r->maps[0], "the peer's answer does not fit the request");
    if (m->has_missing_map || bad || m->last) {
        *at = r->next;
        request_free(r);
    }
}

static void peer_frame_cb(struct conn *conn, const struct frame *f)
{
    if (f->type == MSG_FETCHED)
        on_fetched(conn->owner, f);
}

static const struct conn_ops peer_ops = {.on_open = peer_open_cb, .on_frame = peer_frame_cb, .on_close = peer_closed_cb};

static struct peer *peer_of(struct executor *ex, uint64_t id, const char *address)
{
    struct peer *p = ex->peers;
    while (p && p->executor_id != id)
        p = p->next;
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->executor_id = id;
        p->address = xstrdup(address);
        p->next = ex->peers;
        ex->peers = p;
    }
    if (!p->conn)
        p->conn = conn_connect(&ex->rpc, p->address, ROLE_PEER, &peer_ops, p);
    return p;
}

void fetch_start(struct executor *ex, struct fetch *take)
{
    struct inputs *in = take->inputs;
    for (uint32_t pi = 0; take->attempt && pi < in->peer_count; pi++) {
        struct request *r = NULL;
        uint32_t cap = 0;
        for (uint32_t m = 0; m < in->map_count; m++) {
            if (in->map_peer[m] != pi || !take->maps[m].remote)
                continue;
            if (!r) {
                r = xcalloc(1, sizeof *r);
                r->id = ++ex->next_request;
                r->fetch = take;
                r->peer_idx = pi;
                __atomic_add_fetch(&take->refs, 1, __ATOMIC_RELAXED);
            }
            ARRAY_GROW(r->maps, r->count, cap);
            r->maps[r->count++] = m;
        }
        if (!r)
            continue;
        struct peer *p = peer_of(ex, in->peer_ids[pi], in->addresses[pi]);
        struct request **tail = &p->requests;
        while (*tail)
            tail = &(*tail)->next;
        *tail = r;
        if (p->open)
            send_request(p, r);
    }
    fetch_unref(take);
}

/* Lets peers go on whose bytes were taken: when half a window is free again, or the slot waits for more. */
void fetch_more(struct executor *ex, struct fetch *take)
{
    pthread_mutex_lock(&take->lock);
    take->more_noted = false; /* what the slot does from here on is noted anew */
    pthread_mutex_unlock(&take->lock);
    for (struct peer *p = ex->peers; p; p = p->next) {
        for (struct request *r = p->requests; r && p->open; r = r->next) {
            if (r->fetch != take)
                continue;
            struct fetch_peer *fp = &take->peers[r->peer_idx];
            pthread_mutex_lock(&take->lock);
            uint64_t base = fp->waiting && fp->received == fp->allowed ? fp->received : fp->taken;
            pthread_mutex_unlock(&take->lock);
            if (base + take->window < fp->allowed + take->window / 2)
                continue;
            send_more(p, r, base + take->window - fp->allowed, false);
            fp->allowed = base + take->window;
        }
    }
    fetch_unref(take);
}

void fetch_cancel(struct executor *ex, struct fetch *f)
{
    account_release(&f->attempt->account, f->reserved);
    pthread_mutex_lock(&f->lock);
    f->attempt = NULL;
    pthread_mutex_unlock(&f->lock);
    for (struct peer *p = ex->peers; p && f->reserved; p = p->next) {
        for (struct request **at = &p->requests; *at;) {
            struct request *r = *at;
            if (r->fetch != f) {
                at = &r->next;
                continue;
            }
            send_more(p, r, 0, true);
            *at = r->next;
            request_free(r);
        }
    }
}

void peers_close(struct executor *ex)
{
    while (ex->peers) {
        struct peer *p = ex->peers;
        ex->peers = p->next;
        conn_close(p->conn, "stopping");
        while (p->requests) {
            struct request *r = p->requests;
            p->requests = r->next;
            request_free(r);
        }
        xfree(p->address);
        xfree(p);
    }
}
