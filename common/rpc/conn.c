/* Connections: sockets, the handshake, framed reading and coalesced writing; see conn.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/log/log.h"
#include "common/rpc/conn_impl.h"
#include "proto/cluster.pb-c.h"

enum { READ_CHUNK = 256 << 10 };

struct out_frame { /* one write request: the head bytes, then the bulk */
    uv_write_t req;
    struct conn *conn;
    struct buf head, bulk;
    size_t bytes;
};

/* ---- rpc ---- */

void rpc_init(struct rpc *rpc, uv_loop_t *loop, const char *name)
{
    *rpc = (struct rpc){.loop = loop, .name = name};
}

void rpc_fini(struct rpc *rpc)
{
    ASSERT(rpc->conns == NULL);
    if (rpc->secret.bytes) {
        memset(rpc->secret.bytes, 0, rpc->secret.count);
        xfree(rpc->secret.bytes);
    }
    rpc->secret = (struct rpc_secret){0};
}

/* ---- closing ---- */

static void handle_closed_cb(uv_handle_t *h)
{
    struct conn *conn = h->data;
    struct conn_impl *im = conn->impl;
    if (--im->handles_open > 0)
        return;
    buf_fini(&im->in);
    buf_fini(&im->pending);
    arena_fini(&im->ar);
    xfree(im->address);
    xfree(im);
    xfree(conn->peer);
    xfree(conn->local_host);
    xfree(conn);
}

static void unlink_conn(struct conn *conn)
{
    struct rpc *rpc = conn->rpc;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        rpc->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    rpc->conn_count--;
}

static const struct close_row {
    const char *name;
    bool blamed;
} close_rows[] = {
#define CLOSE(id, name, blamed, doc) {name, blamed},
#include "common/rpc/closes.def"
#undef CLOSE
};

const char *conn_end_name(enum conn_end end)
{
    return close_rows[end].name;
}

bool conn_end_blamed(enum conn_end end)
{
    return close_rows[end].blamed;
}

uint64_t rpc_blamed(const struct rpc *rpc)
{
    uint64_t n = 0;
    for (int i = 0; i < CLOSE_COUNT; i++)
        n += close_rows[i].blamed ? rpc->counters.closed[i] : 0;
    return n;
}

void rpc_counters_json(const struct rpc *rpc, struct buf *out)
{
    const struct rpc_counters *c = &rpc->counters;
    buf_addf(out,
             "{\"open\":%u,\"handshakes\":%u,\"accepted\":%llu,\"opened\":%llu,\"framesIn\":%llu,\"framesOut\":%llu,\"bytesIn\":%llu,"
             "\"bytesOut\":%llu,\"closed\":{",
             rpc->conn_count, rpc->handshakes, (unsigned long long)c->accepted, (unsigned long long)c->opened,
             (unsigned long long)c->frames_in, (unsigned long long)c->frames_out, (unsigned long long)c->bytes_in,
             (unsigned long long)c->bytes_out);
    for (int i = 0; i < CLOSE_COUNT; i++)
        buf_addf(out, "%s\"%s\":%llu", i ? "," : "", close_rows[i].name, (unsigned long long)c->closed[i]);
    buf_adds(out, "}}");
}

/* Anybody can bring warnings about: a few a second are written, the others are counted. */
static void warn_of(struct conn *conn, enum conn_end end, const char *reason)
{
    enum { WARNINGS_A_SECOND = 20 };
    struct rpc *rpc = conn->rpc;
    int64_t second = clock_mono_us() / 1000000;
    if (second != rpc->warned_second) {
        if (rpc->unwarned)
            log_warn("rpc", "%u more connections were closed like that", rpc->unwarned);
        rpc->warned_second = second;
        rpc->warned = rpc->unwarned = 0;
    }
    if (rpc->warned++ < WARNINGS_A_SECOND)
        log_warn("rpc", "closing the connection with %s (%s): %s", conn->peer, close_rows[end].name, reason);
    else
        rpc->unwarned++;
}

void conn_finish(struct conn *conn, enum conn_end end, const char *reason, bool tell)
{
    struct conn_impl *im = conn->impl;
    if (im->state == CONN_CLOSING)
        return;
    if (im->state == CONN_HELLO && !im->initiator)
        conn->rpc->handshakes--;
    conn->end = end;
    conn->rpc->counters.closed[end]++;
    if (close_rows[end].blamed)
        warn_of(conn, end, reason);
    else
        log_debug("rpc", "connection with %s closed: %s", conn->peer, reason);
    im->state = CONN_CLOSING;
    unlink_conn(conn);
    if (tell && conn->ops && conn->ops->on_close)
        conn->ops->on_close(conn, reason);
    uv_cancel((uv_req_t *)&im->resolve);
    if (im->stream_open)
        uv_close((uv_handle_t *)&im->u.stream, handle_closed_cb);
    uv_close((uv_handle_t *)&im->timer, handle_closed_cb);
    uv_close((uv_handle_t *)&im->flusher, handle_closed_cb);
}

void conn_close(struct conn *conn, const char *reason)
{
    if (conn)
        conn_finish(conn, CLOSE_OURS, reason, false);
}

void conn_reject(struct conn *conn, const char *reason)
{
    conn_finish(conn, CLOSE_PROTOCOL, reason, true);
}

static void fail(struct conn *conn, struct error *err)
{
    struct buf text = BUF_INIT;
    error_sentence(err, &text);
    conn_finish(conn, err->code == ERR_AUTH ? CLOSE_AUTH : CLOSE_PROTOCOL, text.data, true);
    buf_fini(&text);
    error_fini(err);
}

/* ---- writing ---- */

static void resume_reading(struct conn *conn);

static void broken_cb(uv_timer_t *t)
{
    conn_finish(t->data, CLOSE_PEER, "it cannot be written to", true);
}

static void written_cb(uv_write_t *req, int status)
{
    struct out_frame *o = req->data;
    struct conn *conn = o->conn;
    struct conn_impl *im = conn->impl;
    im->queued -= o->bytes;
    buf_fini(&o->head);
    buf_fini(&o->bulk);
    xfree(o);
    if (im->state == CONN_CLOSING)
        return;
    if (status < 0) {
        conn_finish(conn, CLOSE_PEER, uv_strerror(status), true);
        return;
    }
    if (im->flush_close && im->queued == 0) {
        conn_finish(conn, CLOSE_OURS, "done", false);
        return;
    }
    if (im->choked && im->queued < REQUEST_QUEUE_MAX / 2) {
        im->choked = false;
        resume_reading(conn);
        if (im->state == CONN_CLOSING)
            return;
    }
    if (im->draining && im->queued < WRITE_QUEUE_HIGH / 2) {
        im->draining = false;
        if (conn->ops->on_drain)
            conn->ops->on_drain(conn);
    }
}

static void write_out(struct conn *conn, struct buf *head, struct buf *bulk)
{
    struct conn_impl *im = conn->impl;
    struct out_frame *o = xcalloc(1, sizeof *o);
    o->conn = conn;
    o->req.data = o;
    o->head = *head;
    *head = BUF_INIT;
    if (bulk) {
        o->bulk = *bulk;
        *bulk = BUF_INIT;
    }
    o->bytes = o->head.bytes + o->bulk.bytes;
    conn->bytes_out += o->bytes;
    conn->rpc->counters.bytes_out += o->bytes;
    uv_buf_t bufs[2] = {uv_buf_init(o->head.data, (unsigned)o->head.bytes),
                        uv_buf_init(o->bulk.data, (unsigned)o->bulk.bytes)};
    int rc = uv_write(&o->req, &im->u.stream, bufs, o->bulk.bytes ? 2 : 1, written_cb);
    if (rc < 0) {
        im->queued -= o->bytes;
        buf_fini(&o->head);
        buf_fini(&o->bulk);
        xfree(o);
        uv_timer_start(&im->timer, broken_cb, 0, 0); /* later: the caller of conn_send does not expect on_close */
    }
}

static void flush_pending(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    uv_idle_stop(&im->flusher);
    if (im->state == CONN_CLOSING || im->pending.bytes == 0)
        return;
    write_out(conn, &im->pending, NULL);
}

static void flush_cb(uv_idle_t *h)
{
    flush_pending(h->data);
}

static void send_frame(struct conn *conn, enum msg_type type, uint64_t id, const ProtobufCMessage *message,
                       struct buf *bulk)
{
    struct conn_impl *im = conn->impl;
    size_t before = im->pending.bytes;
    frame_put(&im->pending, type, conn->rpc->epoch, conn->incarnation ? conn->incarnation : conn->rpc->incarnation, id, message, bulk ? bulk->bytes : 0);
    im->queued += im->pending.bytes - before + (bulk ? bulk->bytes : 0);
    conn->rpc->counters.frames_out++;
    if (im->queued >= WRITE_QUEUE_HIGH)
        im->draining = true;
    if (bulk && bulk->bytes) {
        uv_idle_stop(&im->flusher);
        write_out(conn, &im->pending, bulk);
    } else if (im->pending.bytes >= 64 << 10) {
        flush_pending(conn);
    } else {
        uv_idle_start(&im->flusher, flush_cb);
    }
}

void conn_send(struct conn *conn, enum msg_type type, uint64_t id, const ProtobufCMessage *message,
               struct buf *bulk_take)
{
    struct conn_impl *im = conn->impl;
    if (im->state == CONN_OPEN && !im->flush_close)
        send_frame(conn, type, id, message, bulk_take);
    if (bulk_take)
        buf_fini(bulk_take);
}

size_t conn_queued(const struct conn *conn)
{
    return conn->impl->queued;
}

void conn_flush_close(struct conn *conn)
{
    if (!conn)
        return;
    struct conn_impl *im = conn->impl;
    if (im->state != CONN_OPEN || im->queued == 0) {
        conn_finish(conn, CLOSE_OURS, "done", false);
        return;
    }
    im->flush_close = true;
    flush_pending(conn);
}

/* ---- handshake ---- */

static void timeout_cb(uv_timer_t *t)
{
    conn_finish(t->data, CLOSE_HANDSHAKE, "no handshake in time", true);
}

static void send_hello(struct conn *conn, bool with_proof)
{
    struct conn_impl *im = conn->impl;
    Drover__Hello m = DROVER__HELLO__INIT;
    uint8_t proof[PROOF_BYTES];
    m.version = PROTOCOL_VERSION;
    m.role = im->initiator ? conn->role : ROLE_DRIVER;
    m.has_nonce = true;
    m.nonce = (ProtobufCBinaryData){NONCE_BYTES, im->nonce};
    m.name = (char *)conn->rpc->name;
    if (with_proof && conn->rpc->secret.bytes && secret_proof(&conn->rpc->secret, im->initiator, im->peer_nonce, im->nonce, proof)) {
        m.has_proof = true;
        m.proof = (ProtobufCBinaryData){PROOF_BYTES, proof};
    }
    send_frame(conn, MSG_HELLO, 0, &m.base, NULL);
}

static void set_local_host(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    char text[INET6_ADDRSTRLEN] = "unix";
    if (!im->is_pipe) {
        struct sockaddr_storage ss;
        int n = sizeof ss;
        if (uv_tcp_getsockname(&im->u.tcp, (struct sockaddr *)&ss, &n) == 0)
            uv_ip_name((struct sockaddr *)&ss, text, sizeof text);
    }
    xfree(conn->local_host);
    conn->local_host = xstrdup(text);
}

static void opened(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    if (!im->initiator)
        conn->rpc->handshakes--;
    im->state = CONN_OPEN;
    conn->rpc->counters.opened++;
    uv_timer_stop(&im->timer);
    set_local_host(conn);
    if (conn->ops->on_open)
        conn->ops->on_open(conn);
}

static int check_proof(struct conn *conn, const Drover__Hello *m, struct error *err)
{
    struct conn_impl *im = conn->impl;
    uint8_t want[PROOF_BYTES];
    if (!conn->rpc->secret.bytes && !m->has_proof)
        return 0;
    if (!conn->rpc->secret.bytes)
        return error_set(err, ERR_AUTH, "message", "it asks for a secret, and none was given here: use --secret-file", NULL);
    if (!m->has_proof)
        return error_set(err, ERR_AUTH, "message", "it has none: give both sides the same --secret-file", NULL);
    /* The peer computed over (our nonce, its nonce). */
    if (m->proof.len != PROOF_BYTES || !secret_proof(&conn->rpc->secret, !im->initiator, im->nonce, im->peer_nonce, want) ||
        !secret_same(want, m->proof.data))
        return error_set(err, ERR_AUTH, "message", "its secret is another one: give both sides the same --secret-file", NULL);
    return 0;
}

/*
 * The accepting side: first HELLO -> answer with nonce and proof; with a secret a second HELLO must bring
 * the proof. The connecting side: the one HELLO it gets must bring the proof.
 */
static int on_hello(struct conn *conn, const Drover__Hello *m, struct error *err)
{
    struct conn_impl *im = conn->impl;
    if (m->version != PROTOCOL_VERSION)
        return error_setf(err, ERR_PROTOCOL, "message", "the peer speaks version %u, this is version %u", m->version,
                          PROTOCOL_VERSION);
    if (!m->has_nonce || m->nonce.len != NONCE_BYTES)
        return error_set(err, ERR_PROTOCOL, "message", "HELLO without a nonce", NULL);
    bool first = !im->got_hello;
    if (first) {
        im->got_hello = true;
        memcpy(im->peer_nonce, m->nonce.data, NONCE_BYTES);
        if (!im->initiator) {
            if (m->role < ROLE_CLIENT || m->role > ROLE_PEER)
                return error_setf(err, ERR_PROTOCOL, "message", "unknown role %u", m->role);
            if (conn->rpc->roles && !(conn->rpc->roles & 1u << m->role))
                return error_setf(err, ERR_PROTOCOL, "message", "role %u has nothing to do on this port", m->role);
            conn->role = (enum peer_role)m->role;
            send_hello(conn, true);
            if (conn->rpc->secret.bytes)
                return 0; /* its proof comes in a second HELLO */
            opened(conn);
            return 0;
        }
    } else if (im->initiator || memcmp(im->peer_nonce, m->nonce.data, NONCE_BYTES) != 0) {
        return error_set(err, ERR_PROTOCOL, "message", "an unexpected HELLO", NULL);
    }
    int rc = check_proof(conn, m, err);
    if (im->initiator && (conn->rpc->secret.bytes || m->has_proof)) {
        send_hello(conn, true); /* a wrong one, too: the other side then knows why this one goes */
        flush_pending(conn);
    }
    if (rc == 0)
        opened(conn);
    return rc;
}

/* ---- reading ---- */

static enum msg_from sender(const struct conn *conn)
{
    if (conn->impl->state == CONN_HELLO)
        return FROM_ANY;
    if (conn->impl->initiator)
        return conn->role == ROLE_PEER ? FROM_SERVER : FROM_DRIVER;
    return conn->role == ROLE_CLIENT ? FROM_CLIENT : conn->role == ROLE_PEER ? FROM_PEER : FROM_EXECUTOR;
}

static int one_frame(struct conn *conn, size_t *ret_used, struct error *err)
{
    struct conn_impl *im = conn->impl;
    const char *p = im->in.data + im->in_at;
    size_t have = im->in.bytes - im->in_at;
    *ret_used = 0;
    if (have < FRAME_HEADER_BYTES)
        return 0;
    struct frame_header h;
    TRY(frame_header_parse(p, sender(conn), &h, err));
    if (im->state == CONN_HELLO && h.type != MSG_HELLO)
        return error_setf(err, ERR_PROTOCOL, "message", "%s before the handshake", msg_name(h.type));
    if (im->state == CONN_OPEN && h.type == MSG_HELLO)
        return conn->rpc->secret.bytes ? error_set(err, ERR_PROTOCOL, "message", "HELLO after the handshake", NULL)
                                       : error_set(err, ERR_AUTH, "message", "it proves a secret, and none was given here: use --secret-file", NULL);
    size_t total = FRAME_HEADER_BYTES + (size_t)h.message_bytes + h.bulk_bytes;
    if (have < total)
        return 0; /* room grows with what really comes */
    const void *message;
    TRY(frame_unpack(&h, p, p + FRAME_HEADER_BYTES, &im->ar, &message, err));
    *ret_used = total;
    conn->frames_in++;
    conn->rpc->counters.frames_in++;
    if (im->state == CONN_HELLO) {
        TRY(on_hello(conn, message, err));
    } else {
        struct frame f = {.type = h.type,
                          .epoch = h.epoch,
                          .incarnation = h.incarnation,
                          .id = h.id,
                          .message = message,
                          .bulk = p + FRAME_HEADER_BYTES + h.message_bytes,
                          .bulk_bytes = h.bulk_bytes};
        conn->ops->on_frame(conn, &f);
    }
    arena_reset(&im->ar);
    return 0;
}

/* The loop itself may have stood still: only the second look in a row without progress counts. */
static void stall_cb(uv_timer_t *t)
{
    struct conn *conn = t->data;
    struct conn_impl *im = conn->impl;
    if (conn->bytes_in - im->watch_mark >= STALL_BYTES) {
        im->strikes = 0;
    } else if (im->strikes++ > 0) {
        conn_finish(conn, CLOSE_STALLED, "a frame that does not come to its end", true);
        return;
    }
    im->watch_mark = conn->bytes_in;
    uv_timer_start(t, stall_cb, im->strikes ? 1000 : STALL_MS, 0);
}

/* Watches while a part of a frame is there and more is awaited. */
static void watch(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    bool wanted = im->state == CONN_OPEN && !im->paused && !im->choked && im->in.bytes > 0;
    if (wanted == im->watched)
        return;
    im->watched = wanted;
    im->strikes = 0;
    im->watch_mark = conn->bytes_in;
    if (wanted)
        uv_timer_start(&im->timer, stall_cb, STALL_MS, 0);
    else if (im->state == CONN_OPEN)
        uv_timer_stop(&im->timer);
}

/* One that asks without reading the answers: clients, and peers that fetch. */
static bool choke(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    if (im->initiator || im->queued < REQUEST_QUEUE_MAX || (conn->role != ROLE_CLIENT && conn->role != ROLE_PEER))
        return false;
    im->choked = true;
    uv_read_stop(&im->u.stream);
    return true;
}

static void parse(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    while (im->state != CONN_CLOSING && !im->paused && !im->choked && !choke(conn)) {
        size_t used;
        struct error err = ERROR_INIT;
        if (one_frame(conn, &used, &err) != 0) {
            if (im->state == CONN_CLOSING)
                error_fini(&err);
            else
                fail(conn, &err);
            return;
        }
        if (used == 0)
            break;
        im->in_at += used;
    }
    if (im->state == CONN_CLOSING)
        return;
    if (im->in_at == im->in.bytes) {
        im->in.bytes = 0;
        im->in_at = 0;
        if (im->in.cap > 4u << 20)
            buf_fini(&im->in);
    } else if (im->in_at > 0) {
        memmove(im->in.data, im->in.data + im->in_at, im->in.bytes - im->in_at);
        im->in.bytes -= im->in_at;
        im->in_at = 0;
    }
    watch(conn);
}

static void alloc_cb(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct conn_impl *im = ((struct conn *)h->data)->impl;
    /* Small until something comes in, so that idle connections stay cheap. */
    size_t want = im->in.bytes == 0 && im->in.cap < 8192 ? 8192 : im->in.cap - im->in.bytes > 65536 ? im->in.cap - im->in.bytes - 1 : 65536;
    if (want > READ_CHUNK * 4)
        want = READ_CHUNK * 4;
    buf_reserve(&im->in, want);
    *ret = uv_buf_init(im->in.data + im->in.bytes, (unsigned)want);
}

static void read_cb(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    (void)b;
    struct conn *conn = s->data;
    struct conn_impl *im = conn->impl;
    if (n < 0) {
        conn_finish(conn, CLOSE_PEER, n == UV_EOF ? "the peer closed it" : uv_strerror((int)n), true);
        return;
    }
    im->in.bytes += (size_t)n;
    conn->bytes_in += (size_t)n;
    conn->rpc->counters.bytes_in += (uint64_t)n;
    parse(conn);
}

static void resume_reading(struct conn *conn)
{
    if (conn->impl->paused || conn->impl->choked)
        return;
    uv_read_start(&conn->impl->u.stream, alloc_cb, read_cb);
    parse(conn);
}

void conn_pause(struct conn *conn, bool paused)
{
    struct conn_impl *im = conn->impl;
    if (im->state == CONN_CLOSING || im->paused == paused)
        return;
    im->paused = paused;
    if (paused) {
        uv_read_stop(&im->u.stream);
        watch(conn);
    } else {
        resume_reading(conn);
    }
}

/* ---- making connections ---- */

struct conn *conn_new(struct rpc *rpc, bool initiator, bool is_pipe)
{
    struct conn *conn = xcalloc(1, sizeof *conn);
    struct conn_impl *im = xcalloc(1, sizeof *im);
    conn->impl = im;
    conn->rpc = rpc;
    conn->next = rpc->conns;
    if (rpc->conns)
        rpc->conns->prev = conn;
    rpc->conns = conn;
    rpc->conn_count++;
    im->initiator = initiator;
    im->is_pipe = is_pipe;
    im->state = initiator ? CONN_CONNECTING : CONN_HELLO;
    if (getrandom(im->nonce, sizeof im->nonce, 0) != (ssize_t)sizeof im->nonce)
        UNREACHABLE("getrandom gives what is asked for up to 256 bytes");
    arena_init(&im->ar);
    uv_timer_init(rpc->loop, &im->timer);
    uv_idle_init(rpc->loop, &im->flusher);
    im->timer.data = im->flusher.data = im->u.stream.data = conn;
    im->handles_open = 2;
    return conn;
}

void conn_open_stream(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    if (im->is_pipe)
        uv_pipe_init(conn->rpc->loop, &im->u.pipe, 0);
    else
        uv_tcp_init(conn->rpc->loop, &im->u.tcp);
    im->u.stream.data = conn;
    im->stream_open = true;
    im->handles_open++;
}

void conn_start(struct conn *conn)
{
    struct conn_impl *im = conn->impl;
    if (!im->is_pipe)
        uv_tcp_nodelay(&im->u.tcp, 1);
    im->state = CONN_HELLO;
    uv_timer_start(&im->timer, timeout_cb, HANDSHAKE_MS, 0);
    uv_read_start(&im->u.stream, alloc_cb, read_cb);
    if (im->initiator)
        send_hello(conn, false);
}

static void connected_cb(uv_connect_t *req, int status)
{
    struct conn *conn = req->data;
    if (conn->impl->state == CONN_CLOSING)
        return;
    if (status < 0)
        conn_finish(conn, CLOSE_PEER, uv_strerror(status), true);
    else
        conn_start(conn);
}

static void resolved_cb(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct conn *conn = req->data;
    struct conn_impl *im = conn->impl;
    if (--im->handles_open == 0 || im->state == CONN_CLOSING) {
        uv_freeaddrinfo(res);
        im->handles_open++;
        if (im->state == CONN_CLOSING)
            handle_closed_cb((uv_handle_t *)&im->timer);
        return;
    }
    if (status < 0) {
        conn_finish(conn, CLOSE_PEER, uv_strerror(status), true);
        return;
    }
    int rc = uv_tcp_connect(&im->connect, &im->u.tcp, res->ai_addr, connected_cb);
    uv_freeaddrinfo(res);
    if (rc < 0)
        conn_finish(conn, CLOSE_PEER, uv_strerror(rc), true);
}

bool address_split(const char *address, char *host, size_t host_max, const char **port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon[1] == 0 || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    size_t n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    if (n >= host_max)
        return false;
    memcpy(host, address, n);
    host[n] = 0;
    *port = colon + 1;
    return true;
}

/* A failure found at once is told on the next turn of the loop: nobody wants callbacks inside connect. */
static void late_failure_cb(uv_timer_t *t)
{
    struct conn *conn = t->data;
    int rc = conn->impl->connect_rc;
    conn_finish(conn, CLOSE_OURS, rc ? uv_strerror(rc) : "not an address: it must be HOST:PORT or unix:PATH", true);
}

struct conn *conn_connect(struct rpc *rpc, const char *address, enum peer_role role, const struct conn_ops *ops,
                          void *owner)
{
    bool is_pipe = str_has_prefix(address, "unix:");
    struct conn *conn = conn_new(rpc, true, is_pipe);
    struct conn_impl *im = conn->impl;
    conn->ops = ops;
    conn->owner = owner;
    conn->role = role;
    conn->peer = xstrdup(address);
    im->connect.data = im->resolve.data = conn;
    if (is_pipe) {
        conn_open_stream(conn);
        uv_pipe_connect(&im->connect, &im->u.pipe, address + 5, connected_cb);
        return conn;
    }
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    int rc;
    if (!address_split(address, host, sizeof host, &port)) {
        uv_timer_start(&im->timer, late_failure_cb, 0, 0);
        return conn;
    }
    conn_open_stream(conn);
    if (uv_ip4_addr(host, (int)strtol(port, NULL, 10), &in4) == 0) {
        rc = uv_tcp_connect(&im->connect, &im->u.tcp, (struct sockaddr *)&in4, connected_cb);
    } else if (uv_ip6_addr(host, (int)strtol(port, NULL, 10), &in6) == 0) {
        rc = uv_tcp_connect(&im->connect, &im->u.tcp, (struct sockaddr *)&in6, connected_cb);
    } else {
        rc = uv_getaddrinfo(rpc->loop, &im->resolve, resolved_cb, host, port, &hints);
        if (rc == 0)
            im->handles_open++; /* the request keeps the conn alive */
    }
    im->connect_rc = rc;
    if (rc < 0)
        uv_timer_start(&im->timer, late_failure_cb, 0, 0);
    return conn;
}
