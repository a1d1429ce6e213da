/*
 * Bytes at a listening connection from its first one: the handshake with and without a secret, then frames. The real
 * state machine on a socket pair. Byte 0: bit 0 a secret is wanted, bit 1 this is the connecting side, bit 7 checksums
 * are made right.
 */
#include <sys/socket.h>

#include "common/log/log.h"
#include "common/rpc/conn_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned closes;

static void frame_cb(struct conn *conn, const struct frame *f)
{
    ASSERT(conn->impl->state == CONN_OPEN && f->message && f->type != MSG_HELLO);
}

static void ended_cb(struct conn *conn, const char *reason)
{
    ASSERT(reason && conn->end < CLOSE_COUNT);
    closes++;
}

static const struct conn_ops ops = {.on_frame = frame_cb, .on_close = ended_cb};

static void make_right(char *p, size_t bytes)
{
    while (bytes >= FRAME_HEADER_BYTES) {
        uint32_t message, bulk, crc;
        memcpy(&message, p + 8, 4);
        memcpy(&bulk, p + 12, 4);
        size_t total = FRAME_HEADER_BYTES + (size_t)message + bulk;
        if (total > bytes)
            return;
        memset(p + 16, 0, 4);
        crc = crc32c(0, p, FRAME_HEADER_BYTES + message);
        memcpy(p + 16, &crc, 4);
        p += total;
        bytes -= total;
    }
}

static void drop_cb(uv_handle_t *h, void *arg)
{
    (void)arg;
    ASSERT(uv_is_closing(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uv_loop_t loop;
    struct rpc rpc;
    int fds[2];
    if (size < 1 || size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return 0;
    log_set_level(LOG_OFF);
    uv_loop_init(&loop);
    rpc_init(&rpc, &loop, "fuzz");
    rpc.roles = 1u << ROLE_CLIENT | 1u << ROLE_EXECUTOR;
    if (data[0] & 1)
        rpc.secret = (struct rpc_secret){xstrdup("sixteen bytes or more"), 21};
    struct buf in = BUF_INIT;
    buf_add(&in, data + 1, size - 1);
    if (data[0] & 0x80)
        make_right(in.data, in.bytes);
    struct conn *conn = conn_new(&rpc, data[0] & 2, true);
    conn->ops = &ops;
    conn->role = ROLE_CLIENT;
    conn->peer = xstrdup("fuzz");
    conn_open_stream(conn);
    uv_pipe_open(&conn->impl->u.pipe, fds[0]);
    if (!(data[0] & 2))
        rpc.handshakes++;
    conn->impl->state = CONN_HELLO;
    memset(conn->impl->nonce, 7, NONCE_BYTES); /* so that an input is the same every time */
    conn_start(conn);
    closes = 0;
    ssize_t n = write(fds[1], in.data ? in.data : "", in.bytes);
    (void)n;
    for (int i = 0; i < 8; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    ASSERT(closes <= 1 && (closes == 1) == (rpc.conns == NULL));
    close(fds[1]);
    conn_close(rpc.conns, "done");
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_walk(&loop, drop_cb, NULL);
    ASSERT(rpc.handshakes == 0 && rpc.conn_count == 0);
    uv_loop_close(&loop);
    rpc_fini(&rpc);
    buf_fini(&in);
    return 0;
}
