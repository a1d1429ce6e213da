/*
 * Reading other stages' outputs: from the own store, from what came with the inputs because it rode in completions, or
 * from peers. Runs come in map-index order whatever order they arrive in; a task that is ahead of the network is parked.
 *
 * Each cursor has one fetch, which asks every peer for all of its maps at once, under a window of bytes: a peer stops
 * when its part of the window is used up, the slot gives credit as it reads. What comes is kept as bytes and decoded
 * (and its checksum verified) on the slot's thread. No stream waits for another: every peer sends in the order of
 * maps in which the reader takes them.
 */
#include "common/base/testpoint.h"
#include "common/log/log.h"
#include "executor/server/executor_impl.h"
#include "executor/shuffle/riding.h"
#include "proto/cluster.pb-c.h"

static void chunk_free(struct chunk *c)
{
    if (!c)
        return;
    buf_fini(&c->bytes);
    xfree(c->maps);
    xfree(c->sizes);
    xfree(c);
}

void fetch_unref(struct fetch *f)
{
    if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < f->inputs->peer_count; i++) {
        struct stream *st = &f->streams[i];
        chunk_free(st->reading);
        while (st->head) {
            struct chunk *next = st->head->next;
            chunk_free(st->head);
            st->head = next;
        }
    }
    xfree(f->streams);
    xfree(f->reason);
    xfree(f->failed_maps);
    inputs_unref(f->inputs);
    pthread_mutex_destroy(&f->lock);
    xfree(f);
}

static struct fetch *find_fetch(struct attempt *a, uint64_t number)
{
    struct fetch *f = a->fetches;
    while (f && f->number != number)
        f = f->next;
    return f;
}

static bool is_remote(const struct attempt *a, const struct inputs *in, uint32_t map)
{
    return in->map_peer[map] != INPUT_RODE && in->peer_ids[in->map_peer[map]] != a->executor_id;
}

/* What may be on its way or unread is the task's memory: less of it when the grant is small or used up. */
static int reserve_window(struct attempt *a, struct fetch *f, uint32_t peers, struct error *err)
{
    uint64_t least = (uint64_t)FETCH_WINDOW_LEAST * peers, bytes = (uint64_t)a->account.limit / FETCH_GRANT_SHARE;
    bytes = bytes > FETCH_WINDOW ? FETCH_WINDOW : bytes;
    bytes = bytes < least ? least : bytes;
    while (bytes > least && !account_try(&f->account, bytes))
        bytes = bytes / 2 > least ? bytes / 2 : least;
    if (bytes == least)
        TRY(account_reserve(&f->account, bytes, err));
    f->window_bytes = f->reserved = bytes;
    f->window = bytes / peers;
    return 0;
}

/* NULL: its window does not fit into the task's grant. */
static struct fetch *open_fetch(struct attempt *a, struct inputs *take, uint32_t partition, struct error *err)
{
    struct fetch *f = xcalloc(1, sizeof *f);
    f->refs = 1;
    f->ex = a->ex;
    f->attempt = a;
    f->inputs = take;
    f->partition = partition;
    f->number = a->fetches ? a->fetches->number + 1 : 1;
    f->streams = xcalloc(take->peer_count + 1, sizeof *f->streams);
    pthread_mutex_init(&f->lock, NULL);
    uint32_t remote = 0;
    for (uint32_t i = 0; i < take->peer_count; i++) {
        f->streams[i].tail = &f->streams[i].head;
        remote += take->peer_ids[i] != a->executor_id;
    }
    f->next = a->fetches;
    a->fetches = f;
    account_init(&f->account, "fetch", &a->account, INT64_MAX);
    if (remote) {
        if (reserve_window(a, f, remote, err) != 0)
            return NULL;
        struct note *n = xcalloc(1, sizeof *n);
        n->kind = NOTE_FETCH;
        n->fetch = f;
        f->refs++;
        executor_note(a->ex, n);
    }
    return f;
}

/* What the driver is told: these outputs have to be made again. */
static void lose(struct attempt *a, const struct fetch *f, const uint32_t *maps, uint32_t count)
{
    if (a->lost_count)
        return;
    a->lost_stage = f->inputs->exchange;
    a->lost_count = count;
    a->lost_partitions = xmalloc(count * sizeof *a->lost_partitions);
    a->lost_attempts = xmalloc(count * sizeof *a->lost_attempts);
    for (uint32_t i = 0; i < count; i++) {
        a->lost_partitions[i] = maps[i];
        a->lost_attempts[i] = f->inputs->map_attempt[maps[i]];
    }
}

static int lost(struct attempt *a, const struct fetch *f, const uint32_t *maps, uint32_t count, const char *reason, struct error *err)
{
    uint32_t map = maps[0];
    char output[64], executor[32];
    struct buf b = BUF_INIT;
    buf_addf(&b, "%u of stage %u", map, f->inputs->exchange);
    memcpy(output, b.data, b.bytes + 1);
    buf_reset(&b);
    if (f->inputs->map_peer[map] == INPUT_RODE)
        buf_adds(&b, "that ran it");
    else
        buf_addf(&b, "%llu", (unsigned long long)f->inputs->peer_ids[f->inputs->map_peer[map]]);
    memcpy(executor, b.data, b.bytes + 1);
    buf_fini(&b);
    lose(a, f, maps, count);
    return error_set(err, ERR_FETCH_FAILED, "output", output, "executor", executor, "message", reason, NULL);
}

/* Bytes changed since they were written: the driver has the map output made again. */
static enum op_status unreadable(struct attempt *a, const struct fetch *f, uint32_t map, const struct error *err)
{
    if (err->code == ERR_CHUNK_DAMAGED)
        lose(a, f, &map, 1);
    return OP_ERROR;
}

/* cursor: [0] map, [1] [2] [3] the output cursor of a local map, [4] number of the fetch. */
static enum op_status next_local(struct attempt *a, struct fetch *f, uint32_t map, struct input_cursor *c, struct sealed **ret,
                                 struct error *err)
{
    struct map_output *o = store_find(a->ex->store, a->job_id, f->inputs->exchange, map, f->inputs->map_attempt[map]);
    if (!o) {
        lost(a, f, &map, 1, "it is not here any more", err);
        return OP_ERROR;
    }
    struct output_cursor oc = {.at = c->at[1], .partition = (uint32_t)c->at[2], .piece = (uint32_t)c->at[3]};
    int rc = map_output_next(o, f->partition, &oc, &a->ex->account, ret, err);
    c->at[1] = oc.at;
    c->at[2] = oc.partition;
    c->at[3] = oc.piece;
    map_output_unref(o);
    return rc != 0 ? unreadable(a, f, map, err) : *ret ? OP_MORE : OP_DONE;
}

/* c->at: [1] how far into the partition's frames. */
static enum op_status next_rode(struct attempt *a, struct fetch *f, uint32_t map, struct input_cursor *c, struct sealed **ret,
                                struct error *err)
{
    const struct inputs *in = f->inputs;
    const char *bytes = in->riding + in->riding_at[map];
    size_t from, to, used;
    if (riding_find(bytes, in->riding_at[map + 1] - in->riding_at[map], f->partition, &from, &to, err) != 0)
        return unreadable(a, f, map, err);
    from += c->at[1];
    if (from >= to)
        return OP_DONE;
    if (frame_decode(bytes + from, to - from, &a->ex->account, ret, &used, err) != 0)
        return unreadable(a, f, map, err);
    c->at[1] += used;
    return OP_MORE;
}

/* The next chunk of a stream into its `reading`. */
static enum op_status take_chunk(struct attempt *a, struct fetch *f, struct stream *st, struct error *err)
{
    pthread_mutex_lock(&f->lock);
    struct chunk *c = st->head;
    enum op_status status = OP_MORE;
    size_t over = c && f->held > f->reserved ? f->held - f->reserved : 0;
    if (over && account_reserve(&f->account, over, err) != 0) {
        status = OP_ERROR;
    } else if (c) {
        f->reserved += over;
        st->head = c->next;
        if (!st->head)
            st->tail = &st->head;
        st->reading = c;
        c->left = c->count ? c->sizes[0] : 0;
    } else if (f->failed) {
        lost(a, f, f->failed_maps, f->failed_count, f->reason, err);
        status = OP_ERROR;
    } else {
        status = OP_BLOCKED;
    }
    pthread_mutex_unlock(&f->lock);
    return status;
}

/* A chunk was read: its bytes are room for others. */
static void drop_chunk(struct fetch *f, uint32_t peer)
{
    struct stream *st = &f->streams[peer];
    size_t bytes = st->reading->bytes.bytes;
    st->taken += bytes;
    chunk_free(st->reading);
    st->reading = NULL;
    pthread_mutex_lock(&f->lock);
    f->held -= bytes;
    size_t needed = f->held > f->window_bytes ? f->held : f->window_bytes;
    if (f->reserved > needed) {
        account_release(&f->account, f->reserved - needed);
        f->reserved = needed;
    }
    pthread_mutex_unlock(&f->lock);
    if (st->taken < f->window / 4)
        return;
    struct note *n = xcalloc(1, sizeof *n);
    n->kind = NOTE_FETCH_CREDIT;
    n->fetch = f;
    n->peer = peer;
    n->credit = st->taken;
    st->taken = 0;
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    executor_note(f->ex, n);
}

static enum op_status decode_run(struct attempt *a, struct fetch *f, uint32_t map, struct chunk *c, struct sealed **ret,
                                 struct error *err)
{
    size_t used;
    if (frame_decode(c->bytes.data + c->offset, c->left, &a->ex->account, ret, &used, err) != 0)
        return unreadable(a, f, map, err);
    c->offset += used;
    c->left -= used;
    return OP_MORE;
}

/* The order of maps in a stream was checked when it came. */
static enum op_status next_remote(struct attempt *a, struct fetch *f, uint32_t map, struct sealed **ret, struct error *err)
{
    uint32_t peer = f->inputs->map_peer[map];
    struct stream *st = &f->streams[peer];
    for (;;) {
        struct chunk *c = st->reading;
        if (!c) {
            enum op_status status = take_chunk(a, f, st, err);
            if (status != OP_MORE)
                return status;
            continue;
        }
        if (c->at == c->count) {
            drop_chunk(f, peer);
            continue;
        }
        ASSERT(c->maps[c->at] == map);
        if (c->left > 0)
            return decode_run(a, f, map, c, ret, err);
        bool ends = c->at + 1 < c->count || c->whole;
        c->at++;
        c->left = c->at < c->count ? c->sizes[c->at] : 0;
        if (ends)
            return OP_DONE;
    }
}

enum op_status fetch_next(struct attempt *a, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                          struct sealed **ret, uint32_t *ret_map, struct error *err)
{
    struct fetch *f = cursor->at[4] ? find_fetch(a, cursor->at[4]) : NULL;
    if (!f) {
        struct inputs *in = executor_inputs(a->ex, a->job_id, exchange);
        if (!in) {
            error_setf(err, ERR_INTERNAL, "message", "the inputs from stage %u are not known here", exchange);
            return OP_ERROR;
        }
        f = open_fetch(a, in, partition, err);
        if (!f)
            return OP_ERROR;
        cursor->at[4] = f->number;
    }
    while (cursor->at[0] < f->inputs->map_count) {
        uint32_t map = (uint32_t)cursor->at[0];
        enum op_status st = is_remote(a, f->inputs, map)             ? next_remote(a, f, map, ret, err)
                            : f->inputs->map_peer[map] == INPUT_RODE ? next_rode(a, f, map, cursor, ret, err)
                                                                     : next_local(a, f, map, cursor, ret, err);
        if (st != OP_DONE) {
            *ret_map = map;
            return st;
        }
        *cursor = (struct input_cursor){{cursor->at[0] + 1, 0, 0, 0, f->number}};
    }
    return OP_DONE;
}

/* ---- the loop's side ---- */

static void fetch_fail(struct fetch *f, const uint32_t *maps, uint32_t count, const char *reason)
{
    pthread_mutex_lock(&f->lock);
    if (!f->failed) {
        f->failed = true;
        f->failed_maps = xmalloc(count * sizeof *maps);
        f->failed_count = count;
        memcpy(f->failed_maps, maps, count * sizeof *maps);
        f->reason = xstrdup(reason);
    }
    struct attempt *a = f->attempt;
    if (a)
        slot_wake(a);
    pthread_mutex_unlock(&f->lock);
}

/* Under the lock. What is over the window and does not fit the grant is the slot's to answer for, when it takes the next chunk. */
static void charge_chunk(struct fetch *f, const struct chunk *c)
{
    f->held += c->bytes.bytes;
    size_t over = f->held > f->reserved ? f->held - f->reserved : 0;
    if (over && account_try(&f->account, over))
        f->reserved += over;
}

/* All that has not come of a request will not come. */
static void fail_rest(struct request *r, const char *reason)
{
    uint32_t from = r->got < r->count ? r->got : 0;
    fetch_fail(r->fetch, r->maps + from, r->count - from, reason);
}

static void request_free(struct request *r)
{
    r->fetch->requests--;
    fetch_unref(r->fetch);
    xfree(r->maps);
    xfree(r);
}

/*
 * Asks for what has not come yet: all of it, or the rest after a connection that broke. The same attempt's output is
 * the same bytes, so what came of a map in part is skipped when it comes again.
 */
static void send_request(struct peer *p, struct request *r)
{
    Drover__Fetch m = DROVER__FETCH__INIT;
    const struct inputs *in = r->fetch->inputs;
    uint64_t *attempts = xmalloc(r->count * sizeof *attempts);
    for (uint32_t i = r->got; i < r->count; i++)
        attempts[i - r->got] = in->map_attempt[r->maps[i]];
    m.job_id = in->job_id;
    m.stage = in->exchange;
    m.partition = r->fetch->partition;
    m.n_map = m.n_attempt = r->count - r->got;
    m.map = r->maps + r->got;
    m.attempt = attempts;
    r->skip = r->partial;
    m.credit = r->unread < r->fetch->window ? r->fetch->window - r->unread : 0;
    conn_send(p->conn, MSG_FETCH, r->id, &m.base, NULL);
    xfree(attempts);
}

static void send_credit(struct peer *p, const struct request *r, uint64_t bytes)
{
    Drover__FetchCredit m = DROVER__FETCH_CREDIT__INIT;
    m.bytes = bytes;
    conn_send(p->conn, MSG_FETCH_CREDIT, r->id, &m.base, NULL);
}

void fetch_credit(struct executor *ex, struct fetch *take, uint32_t peer, uint64_t bytes)
{
    for (struct peer *p = ex->peers; p && take->requests > 0; p = p->next) {
        for (struct request *r = p->requests; r; r = r->next) {
            if (r->fetch != take || r->peer != peer)
                continue;
            r->unread -= bytes < r->unread ? bytes : r->unread;
            if (p->open)
                send_credit(p, r, bytes);
        }
    }
    fetch_unref(take);
}

/* Tells the peers that nobody reads any more. */
static void end_requests(struct executor *ex, struct fetch *f)
{
    for (struct peer *p = ex->peers; p && f->requests > 0; p = p->next) {
        for (struct request **at = &p->requests; *at;) {
            struct request *r = *at;
            if (r->fetch != f) {
                at = &r->next;
                continue;
            }
            if (p->open)
                send_credit(p, r, 0);
            *at = r->next;
            request_free(r);
        }
    }
}

void fetch_detach(struct attempt *a)
{
    for (struct fetch *f = a->fetches; f; f = f->next) {
        pthread_mutex_lock(&f->lock);
        bool was = f->attempt != NULL;
        f->attempt = NULL;
        pthread_mutex_unlock(&f->lock);
        end_requests(a->ex, f);
        if (was) {
            account_release(&f->account, f->reserved);
            account_fini(&f->account);
        }
    }
}

static void connect_peer(struct executor *ex, struct peer *p);

static void peer_open_cb(struct conn *conn)
{
    struct peer *p = conn->owner;
    p->open = true;
    for (struct request *r = p->requests; r; r = r->next)
        send_request(p, r);
}

/* A connection that broke may have been the network's fault: whether the peer is gone, the next one tells at once. */
static void peer_closed_cb(struct conn *conn, const char *reason)
{
    struct peer *p = conn->owner;
    bool again = p->open && p->requests && ++p->tries < PEER_TRIES && !p->requests->fetch->ex->stopping;
    p->conn = NULL;
    p->open = false;
    if (again) {
        log_info("executor", "the connection with executor %llu broke (%s); asking again for what has not come", (unsigned long long)p->executor_id, reason);
        connect_peer(p->requests->fetch->ex, p);
        return;
    }
    p->tries = 0;
    while (p->requests) {
        struct request *r = p->requests;
        p->requests = r->next;
        fail_rest(r, reason);
        request_free(r);
    }
}

/* An answer must go on where the last one ended. */
static bool fits(const struct request *r, const Drover__Fetched *m, size_t bulk_bytes)
{
    uint64_t sum = 0;
    if (m->n_map != m->n_bytes || m->n_map > r->count - r->got || (m->last && (!m->whole || m->n_map != r->count - r->got)))
        return false;
    if (m->n_map > 0 && m->bytes[0] < r->skip && (m->n_map > 1 || m->whole))
        return false; /* less of the map than came before */
    for (size_t i = 0; i < m->n_map; i++) {
        if (m->map[i] != r->maps[r->got + i])
            return false;
        sum += m->bytes[i];
    }
    return sum == bulk_bytes;
}

/* skip: bytes of the first map that came before. */
static struct chunk *chunk_of(const Drover__Fetched *m, const struct frame *f, size_t skip)
{
    struct chunk *c = xcalloc(1, sizeof *c);
    c->count = (uint32_t)m->n_map;
    c->whole = m->whole;
    c->maps = xmalloc((m->n_map + 1) * sizeof *c->maps);
    c->sizes = xmalloc((m->n_map + 1) * sizeof *c->sizes);
    if (m->n_map) {
        memcpy(c->maps, m->map, m->n_map * sizeof *c->maps);
        memcpy(c->sizes, m->bytes, m->n_map * sizeof *c->sizes);
    }
    if (c->count)
        c->sizes[0] -= (uint32_t)skip;
    buf_add(&c->bytes, f->bulk + skip, f->bulk_bytes - skip);
    return c;
}

/* What an answer brought, and how much of that had come before: that is returned. */
static size_t advance(struct request *r, const Drover__Fetched *m)
{
    if (m->n_map == 0)
        return 0;
    uint32_t last = (uint32_t)m->n_map - 1;
    size_t skip = m->bytes[0] < r->skip ? m->bytes[0] : (size_t)r->skip;
    r->skip -= skip;
    r->partial = m->whole ? 0 : last > 0 ? m->bytes[last] : r->partial + m->bytes[0] - skip;
    r->got += (uint32_t)m->n_map - !m->whole;
    return skip;
}

static void on_fetched(struct peer *p, const struct frame *f)
{
    const Drover__Fetched *m = f->message;
    struct request **at = &p->requests;
    while (*at && (*at)->id != f->id)
        at = &(*at)->next;
    struct request *r = *at;
    if (!r)
        return; /* of a fetch that has ended */
    struct fetch *fe = r->fetch;
    bool fit = fits(r, m, f->bulk_bytes);
    uint32_t missing = m->missing_map < fe->inputs->map_count ? m->missing_map : 0;
    if (fit) {
        uint32_t got = r->got;
        size_t skipped = advance(r, m);
        struct chunk *c = chunk_of(m, f, skipped);
        struct stream *st = &fe->streams[r->peer];
        fe->ex->fetched_bytes += f->bulk_bytes;
        r->unread += c->bytes.bytes;
        if (c->bytes.bytes > 0 || r->got > got)
            p->tries = 0;
        if (skipped && !m->last)
            send_credit(p, r, skipped); /* nobody has to read them first */
        pthread_mutex_lock(&fe->lock);
        if (fe->attempt) {
            charge_chunk(fe, c);
            *st->tail = c;
            st->tail = &c->next;
            slot_wake(fe->attempt);
        } else {
            chunk_free(c);
        }
        pthread_mutex_unlock(&fe->lock);
        TEST_POINT("mid-fetch");
    }
    if (m->has_missing_map)
        fetch_fail(fe, &missing, 1, m->reason ? m->reason : "it is not there any more");
    else if (!fit)
        fail_rest(r, "the peer's answer does not fit the request");
    if (m->has_missing_map || !fit || m->last) {
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

static void connect_peer(struct executor *ex, struct peer *p)
{
    p->conn = conn_connect(&ex->rpc, p->address, ROLE_PEER, &peer_ops, p);
}

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
        connect_peer(ex, p);
    return p;
}

void fetch_start(struct executor *ex, struct fetch *take)
{
    struct inputs *in = take->inputs;
    pthread_mutex_lock(&take->lock);
    uint64_t self = take->attempt ? take->attempt->executor_id : 0; /* 0: it ended meanwhile */
    pthread_mutex_unlock(&take->lock);
    for (uint32_t pi = 0; pi < in->peer_count && self; pi++) {
        if (in->peer_ids[pi] == self)
            continue;
        struct request *r = NULL;
        uint32_t cap = 0;
        for (uint32_t m = 0; m < in->map_count; m++) {
            if (in->map_peer[m] != pi)
                continue;
            if (!r) {
                r = xcalloc(1, sizeof *r);
                r->id = ++ex->next_request;
                r->fetch = take;
                r->peer = pi;
                take->requests++;
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
