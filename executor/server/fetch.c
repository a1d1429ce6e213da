/*
 * Reading other stages' outputs: from the own store, or from peers. Runs come in map-index order whatever order
 * they arrive in; a task that is ahead of the network is parked.
 *
 * Each attempt and input has one fetch, started when the first remote map is met: it asks every peer for all of its
 * maps at once. What comes is kept as bytes and decoded (and its checksum verified) on the slot's thread.
 */
#include "executor/server/executor_impl.h"
#include "proto/cluster.pb-c.h"

void fetch_unref(struct fetch *f)
{
    if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < f->inputs->map_count; i++)
        buf_fini(&f->maps[i].bytes);
    xfree(f->maps);
    xfree(f->reason);
    inputs_unref(f->inputs);
    pthread_mutex_destroy(&f->lock);
    xfree(f);
}

void fetch_detach(struct attempt *a)
{
    for (struct fetch *f = a->fetches; f; f = f->next) {
        pthread_mutex_lock(&f->lock);
        f->attempt = NULL;
        pthread_mutex_unlock(&f->lock);
    }
}

static struct fetch *find_fetch(struct attempt *a, uint32_t exchange, uint32_t partition)
{
    struct fetch *f = a->fetches;
    while (f && (f->inputs->exchange != exchange || f->partition != partition))
        f = f->next;
    return f;
}

static struct fetch *open_fetch(struct attempt *a, struct inputs *take, uint32_t partition)
{
    struct fetch *f = xcalloc(1, sizeof *f);
    f->refs = 1;
    f->ex = a->ex;
    f->attempt = a;
    f->inputs = take;
    f->partition = partition;
    f->maps = xcalloc(take->map_count + 1, sizeof *f->maps);
    pthread_mutex_init(&f->lock, NULL);
    bool any = false;
    for (uint32_t m = 0; m < take->map_count; m++) {
        f->maps[m].remote = take->peer_ids[take->map_peer[m]] != a->ex->id;
        any |= f->maps[m].remote;
    }
    f->next = a->fetches;
    a->fetches = f;
    if (any) {
        struct note *n = xcalloc(1, sizeof *n);
        n->kind = NOTE_FETCH;
        n->fetch = f;
        f->refs++;
        executor_note(a->ex, n);
    }
    return f;
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

/* cursor: [0] map, [1] run within the map (local: index; remote: byte offset), [2] output partition for INPUT_ALL. */
static enum op_status next_local(struct attempt *a, struct fetch *f, uint32_t map, struct input_cursor *c, struct sealed **ret,
                                 struct error *err)
{
    struct output *o = store_find(a->ex->store, a->job_id, f->inputs->exchange, map, f->inputs->map_attempt[map]);
    if (!o) {
        lost(a, f, map, "it is not here any more", err);
        return OP_ERROR;
    }
    enum op_status st = OP_DONE;
    uint32_t last = f->partition == INPUT_ALL ? output_partitions(o) - 1 : f->partition;
    uint32_t p = f->partition == INPUT_ALL ? (uint32_t)c->at[2] : f->partition;
    for (; p <= last; p++, c->at[1] = 0, c->at[2] = p) {
        uint32_t n;
        struct sealed *const *runs = output_runs(o, p, &n);
        if (c->at[1] < n) {
            *ret = sealed_ref(runs[c->at[1]++]);
            st = OP_MORE;
            break;
        }
    }
    output_unref(o);
    return st;
}

static enum op_status next_remote(struct attempt *a, struct fetch *f, uint32_t map, struct input_cursor *c, struct sealed **ret,
                                  struct error *err)
{
    pthread_mutex_lock(&f->lock);
    struct fetched_map *m = &f->maps[map];
    if (!m->here) {
        bool failed = f->failed;
        if (failed)
            lost(a, f, f->failed_map, f->reason, err);
        pthread_mutex_unlock(&f->lock);
        return failed ? OP_ERROR : OP_BLOCKED;
    }
    pthread_mutex_unlock(&f->lock); /* bytes of a map that is here change no more */
    if (c->at[1] >= m->bytes.bytes) {
        buf_fini(&m->bytes);
        return OP_DONE;
    }
    size_t used;
    if (frame_decode(m->bytes.data + c->at[1], m->bytes.bytes - c->at[1], &a->ex->account, ret, &used, err) != 0) {
        if (err->code == ERR_CHUNK_DAMAGED) {
            a->fetch_failed = true;
            a->lost_stage = f->inputs->exchange;
            a->lost_partition = map;
            a->lost_attempt = f->inputs->map_attempt[map];
        }
        return OP_ERROR;
    }
    c->at[1] += used;
    return OP_MORE;
}

enum op_status fetch_next(struct attempt *a, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                          struct sealed **ret, uint32_t *ret_map, struct error *err)
{
    struct fetch *f = find_fetch(a, exchange, partition);
    if (!f) {
        struct inputs *in = executor_inputs(a->ex, a->job_id, exchange);
        if (!in) {
            error_setf(err, ERR_INTERNAL, "message", "the inputs from stage %u are not known here", exchange);
            return OP_ERROR;
        }
        f = open_fetch(a, in, partition);
    }
    while (cursor->at[0] < f->inputs->map_count) {
        uint32_t map = (uint32_t)cursor->at[0];
        enum op_status st = f->maps[map].remote ? next_remote(a, f, map, cursor, ret, err) : next_local(a, f, map, cursor, ret, err);
        if (st != OP_DONE) {
            *ret_map = map;
            return st;
        }
        cursor->at[0]++;
        cursor->at[1] = cursor->at[2] = 0;
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
    conn_send(p->conn, MSG_FETCH, r->id, &m.base, NULL);
    r->sent = true;
    xfree(attempts);
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
        buf_add(&fm->bytes, f->bulk + offset, m->bytes[i]);
        fm->here = true;
        offset += m->bytes[i];
        r->got++;
    }
    struct attempt *a = fe->attempt;
    if (a)
        slot_wake(a);
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
    for (uint32_t pi = 0; pi < in->peer_count; pi++) {
        struct request *r = NULL;
        uint32_t cap = 0;
        for (uint32_t m = 0; m < in->map_count; m++) {
            if (in->map_peer[m] != pi || !take->maps[m].remote)
                continue;
            if (!r) {
                r = xcalloc(1, sizeof *r);
                r->id = ++ex->next_request;
                r->fetch = take;
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
