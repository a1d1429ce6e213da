/*
 * Framed connections on a libuv loop: listening, connecting, the handshake, bounded reading and writing.
 *
 *   CONNECTING -> HELLO -> OPEN -> CLOSING -> (gone)      accepted connections start in HELLO
 *
 * Handshake: the connecting side sends HELLO {version, role, nonce}; the accepting one answers HELLO
 * {version, role, nonce, proof}; with a secret the connecting side sends a second HELLO {proof}. A proof is
 * HMAC-SHA256(secret, side || nonce of the peer || own nonce). A side that finds the other's proof wrong still sends
 * its own, so that both can say what is wrong. Until OPEN no other type is accepted, lengths are bounded by HELLO's
 * row and the whole handshake by HANDSHAKE_MS, so a stranger can hold a file descriptor for a few seconds and
 * nothing else. Afterwards a frame that was begun must go on: STALL_MS without progress ends its connection.
 *
 * Every connection belongs to the loop thread; all of this file is @thread loop. Why a connection ended is counted
 * by kind (closes.def); those that a peer brought on itself are logged as warnings, a bounded number a second.
 */
#pragma once

#include <uv.h>

#include "common/rpc/frame.h"

enum peer_role {
    ROLE_CLIENT = 1,
    ROLE_EXECUTOR = 2,      /* control connection to the driver */
    ROLE_EXECUTOR_DATA = 3, /* results to the driver */
    ROLE_PEER = 4,          /* executor fetching from an executor */
    ROLE_DRIVER = 5,        /* accepting side */
};

enum {
    HANDSHAKE_MS = 5000,
    RESULT_WINDOW = 8 << 20,    /* bytes of one attempt's results that the driver has not taken, past which it waits */
    STALL_MS = 30000,             /* a frame that was begun must bring STALL_BYTES in so long, or be complete */
    STALL_BYTES = 16 << 10,
    WRITE_QUEUE_HIGH = 8 << 20,
    REQUEST_QUEUE_MAX = 32 << 20, /* who asks and does not read is not read from any more */
};

enum conn_end {
#define CLOSE(id, name, blame, doc) CLOSE_##id,
#include "common/rpc/closes.def"
#undef CLOSE
    CLOSE_COUNT
};
const char *conn_end_name(enum conn_end end); /* "protocol" */
bool conn_end_blamed(enum conn_end end);      /* the peer brought it on itself: warned of */

struct conn;
struct conn_ops {
    void (*on_open)(struct conn *conn);                         /* handshake done: may send from now on */
    void (*on_frame)(struct conn *conn, const struct frame *f); /* f is valid until this returns */
    /* The end, once, whatever the reason; the conn is freed after it. Not called after conn_close by ourselves. */
    void (*on_close)(struct conn *conn, const char *reason);
    void (*on_drain)(struct conn *conn);                        /* the write queue fell below its mark; may be NULL */
};

struct rpc_secret {
    char *bytes; /* NULL: none, only loopback and Unix sockets are trusted */
    size_t count;
};

struct rpc {
    uv_loop_t *loop;
    struct rpc_secret secret;
    uint64_t epoch, incarnation; /* written into every frame sent; a conn may have an incarnation of its own */
    const char *name;            /* ours, for the peer's messages */
    uint32_t roles;              /* bits 1 << role that its listeners take; 0: all */
    struct conn *conns;          /* all of them */
    uint32_t conn_count, handshakes;
    struct rpc_counters {
        uint64_t accepted, opened, frames_in, frames_out, bytes_in, bytes_out, closed[CLOSE_COUNT];
    } counters;
    int64_t warned_second;       /* warnings are bounded by the second */
    uint32_t warned, unwarned;
};

void rpc_init(struct rpc *rpc, uv_loop_t *loop, const char *name);
void rpc_fini(struct rpc *rpc); /* all connections are gone */
uint64_t rpc_blamed(const struct rpc *rpc); /* connections that ended by their peers' fault */
/* {"open":1,"handshakes":0,"accepted":..,"closed":{"peer":..},...}, appended. */
void rpc_counters_json(const struct rpc *rpc, struct buf *out);
WARN_UNUSED int rpc_read_secret(struct rpc *rpc, const char *path, struct error *err);

struct listener;
#define RPC_LISTEN_ADVICE "choose another port of this machine, or port 0 for any that is free"
#define RPC_SECRET_ADVICE "whoever connects takes the same file"
/* ERR_LISTEN, for whoever listens. */
int rpc_listen_error(struct error *err, const char *address, const char *why, const char *advice);
/*
 * address: "HOST:PORT" (port 0: the kernel's choice), "unix:PATH". Binding to something that is not loopback
 * without a secret is refused. accept is called with each new connection before its handshake: it sets
 * conn->ops and conn->owner. ret_address: the real one, owned by the listener.
 */
WARN_UNUSED int rpc_listen(struct rpc *rpc, const char *address, void (*accept)(struct conn *conn, void *arg), void *arg,
                           struct listener **ret, struct error *err);
const char *listener_address(const struct listener *l);
void listener_close(struct listener *l); /* accepts NULL */

/* Starts connecting; on_open or on_close follows, never before this returns. Names are resolved. */
struct conn *conn_connect(struct rpc *rpc, const char *address, enum peer_role role, const struct conn_ops *ops,
                          void *owner);
void conn_close(struct conn *conn, const char *reason); /* no callback but the freeing; accepts NULL and CLOSING ones */
/* The peer sent what it must not: ends as a broken protocol does, on_close is called. */
void conn_reject(struct conn *conn, const char *reason);
void conn_flush_close(struct conn *conn);               /* after what is queued was written */

/* Queues one frame. bulk may be NULL; it is taken (its memory freed after writing). Ignored when not OPEN. */
void conn_send(struct conn *conn, enum msg_type type, uint64_t id, const ProtobufCMessage *message, struct buf *bulk_take);
size_t conn_queued(const struct conn *conn); /* bytes not yet written */
/* Stops and restarts reading, for back-pressure. */
void conn_pause(struct conn *conn, bool paused);

struct conn {
    const struct conn_ops *ops;
    void *owner;            /* the user's */
    struct rpc *rpc;
    uint64_t incarnation;   /* written into its frames: the driver names whom it speaks to. 0: the rpc's */
    enum peer_role role;    /* of the peer once OPEN (accepted), or our own (connecting side) */
    enum conn_end end;      /* why it is closed: set before on_close */
    char *peer;             /* address or name, for messages */
    char *local_host;       /* address of our end, without port; "unix" for Unix sockets. Set when OPEN */
    uint64_t frames_in, bytes_in, bytes_out;
    struct conn_impl *impl; /* private */
    struct conn *next, *prev;
};
