/* Listening: where strangers knock, and how many of them at a time; see conn.h. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/rpc/conn_impl.h"

struct listener {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct rpc *rpc;
    bool is_pipe;
    char *address;
    char *unlink_path;
    void (*accept)(struct conn *conn, void *arg);
    void *arg;
};

/* Strangers may hold this many unfinished handshakes; the oldest is dropped for a newer one. */
enum { HANDSHAKES_MAX = 256 };

static void drop_oldest_handshake(struct rpc *rpc)
{
    struct conn *oldest = NULL;
    for (struct conn *c = rpc->conns; c; c = c->next) {
        if (c->impl->state == CONN_HELLO && !c->impl->initiator)
            oldest = c; /* the list has the newest first */
    }
    if (oldest)
        conn_finish(oldest, CLOSE_CROWDED, "too many connections without a handshake", true);
}

static void set_peer_name(struct conn *conn)
{
    char text[INET6_ADDRSTRLEN] = "unix";
    int port = 0;
    if (!conn->impl->is_pipe) {
        struct sockaddr_storage ss;
        int n = sizeof ss;
        if (uv_tcp_getpeername(&conn->impl->u.tcp, (struct sockaddr *)&ss, &n) == 0) {
            uv_ip_name((struct sockaddr *)&ss, text, sizeof text);
            port = ntohs(((struct sockaddr_in *)&ss)->sin_port); /* the port lies at the same place for IPv6 */
        }
    }
    conn->peer = port ? xasprintf("%s:%d", text, port) : xstrdup(text);
}

static void incoming_cb(uv_stream_t *s, int status)
{
    struct listener *l = s->data;
    if (status < 0) {
        log_warn("rpc", "accepting on %s failed: %s", l->address, uv_strerror(status));
        return;
    }
    struct conn *conn = conn_new(l->rpc, false, l->is_pipe);
    conn->peer = xstrdup("?");
    conn_open_stream(conn);
    l->rpc->counters.accepted++;
    l->rpc->handshakes++;
    l->accept(conn, l->arg);
    ASSERT(conn->ops);
    int rc = uv_accept(s, &conn->impl->u.stream);
    if (rc < 0) {
        conn_finish(conn, CLOSE_PEER, uv_strerror(rc), true);
        return;
    }
    xfree(conn->peer);
    set_peer_name(conn);
    conn_start(conn);
    if (l->rpc->handshakes > HANDSHAKES_MAX)
        drop_oldest_handshake(l->rpc);
}

static bool is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static void listener_closed_cb(uv_handle_t *h)
{
    struct listener *l = h->data;
    if (l->unlink_path)
        unlink(l->unlink_path);
    xfree(l->unlink_path);
    xfree(l->address);
    xfree(l);
}

void listener_close(struct listener *l)
{
    if (l && !uv_is_closing((uv_handle_t *)&l->u.stream))
        uv_close((uv_handle_t *)&l->u.stream, listener_closed_cb);
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

int rpc_listen_error(struct error *err, const char *address, const char *why, const char *advice)
{
    return error_set(err, ERR_LISTEN, "address", address, "message", why, "advice", advice, NULL);
}

static int bind_tcp(struct listener *l, const char *address, struct error *err)
{
    char host[256];
    const char *port;
    if (!address_split(address, host, sizeof host, &port))
        return rpc_listen_error(err, address, "it is no address", "give HOST:PORT or unix:PATH");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *res;
    int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &res);
    if (rc != 0)
        return rpc_listen_error(err, address, gai_strerror(rc), "give an address of this machine");
    if (!l->rpc->secret.bytes && !is_loopback(res->ai_addr)) {
        freeaddrinfo(res);
        return rpc_listen_error(err, address, "beyond loopback it needs --secret-file", RPC_SECRET_ADVICE);
    }
    rc = uv_tcp_bind(&l->u.tcp, res->ai_addr, 0);
    freeaddrinfo(res);
    if (rc == 0)
        rc = uv_listen(&l->u.stream, 1024, incoming_cb);
    if (rc < 0)
        return rpc_listen_error(err, address, uv_strerror(rc), RPC_LISTEN_ADVICE);
    struct sockaddr_storage ss;
    int n = sizeof ss;
    uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&ss, &n);
    int real = ntohs(((struct sockaddr_in *)&ss)->sin_port);
    xfree(l->address);
    l->address = strchr(host, ':') ? xasprintf("[%s]:%d", host, real) : xasprintf("%s:%d", host[0] ? host : "0.0.0.0", real);
    return 0;
}

int rpc_listen(struct rpc *rpc, const char *address, void (*accept)(struct conn *conn, void *arg), void *arg,
               struct listener **ret, struct error *err)
{
    struct listener *l = xcalloc(1, sizeof *l);
    l->rpc = rpc;
    l->accept = accept;
    l->arg = arg;
    l->is_pipe = str_has_prefix(address, "unix:");
    l->address = xstrdup(address);
    int rc = 0;
    if (l->is_pipe) {
        uv_pipe_init(rpc->loop, &l->u.pipe, 0);
        l->u.stream.data = l;
        rc = uv_pipe_bind(&l->u.pipe, address + 5);
        if (rc == 0) {
            l->unlink_path = xstrdup(address + 5);
            rc = uv_listen(&l->u.stream, 1024, incoming_cb);
        }
        if (rc < 0)
            rc = rpc_listen_error(err, address, uv_strerror(rc), "give a path of your own");
    } else {
        uv_tcp_init(rpc->loop, &l->u.tcp);
        l->u.stream.data = l;
        rc = bind_tcp(l, address, err);
    }
    if (rc != 0) {
        listener_close(l);
        return rc;
    }
    *ret = l;
    return 0;
}
