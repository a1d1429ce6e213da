/* Shared by conn.c (connections) and listen.c (who accepts them). Thread: the loop's. */
#pragma once

#include "common/rpc/conn.h"
#include "common/rpc/secret.h"

enum conn_state { CONN_CONNECTING, CONN_HELLO, CONN_OPEN, CONN_CLOSING };

struct conn_impl {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    uv_timer_t timer;
    uv_connect_t connect;
    int connect_rc;              /* what connecting said at once; 0: nothing */
    uv_getaddrinfo_t resolve;
    enum conn_state state;
    bool initiator, is_pipe, paused, draining, flush_close, got_hello, stream_open;
    bool choked;        /* not read from until what it asked for has left */
    bool watched;       /* the timer watches an unfinished frame */
    unsigned strikes;   /* of that watch */
    uint64_t watch_mark;
    uint8_t nonce[NONCE_BYTES], peer_nonce[NONCE_BYTES];
    char *address;
    struct buf in;      /* unparsed bytes */
    size_t in_at;       /* parsed up to here */
    size_t queued;      /* bytes in writes under way and in pending */
    struct buf pending; /* small frames collected until the loop's next turn */
    uv_idle_t flusher;  /* runs once per turn while pending has bytes */
    int handles_open;
    struct arena ar;
};

/* In the list of its rpc, without a stream. */
struct conn *conn_new(struct rpc *rpc, bool initiator, bool is_pipe);
void conn_open_stream(struct conn *conn);
/* Its stream is connected: the handshake begins. */
void conn_start(struct conn *conn);
/* The one way that a connection ends. tell: its owner hears of it. */
void conn_finish(struct conn *conn, enum conn_end end, const char *reason, bool tell);
/* Splits HOST:PORT; host keeps no brackets. False when there is no port, or one that cannot be. */
bool address_split(const char *address, char *host, size_t host_max, const char **port);
