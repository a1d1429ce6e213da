/* The driver's half: the listening socket, and the module when the first connection comes. See web.h. */
#include "driver/web/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/module.h"
#include "common/log/log.h"
#include "driver/server/driver_impl.h"
#include "driver/web/module.h"

#define MODULE "drover-web.so"

struct web {
    struct driver *dr;
    uv_poll_t waiting;        /* until the first visitor comes */
    int fd;                   /* -1: the module has it */
    bool loopback;
    const struct web_module *module;
    struct web_server *server;
};

/* ---- what the module asks of the driver ---- */

static unsigned status_cb(void *ctx, const char *path, char **ret_body, size_t *ret_bytes)
{
    struct web *w = ctx;
    struct buf out = BUF_INIT;
    unsigned status = status_json(w->dr, path, &out);
    *ret_bytes = out.bytes;
    *ret_body = buf_steal(&out);
    return status;
}

static void log_cb(void *ctx, const char *text)
{
    (void)ctx;
    log_info("web", "%s", text);
}

/* ---- the module ---- */

static void load(struct web *w)
{
    char problem[200] = "", *missing = NULL;
    w->module = module_load(MODULE, "drover_web_module", &missing);
    if (!w->module || w->module->version != WEB_MODULE_VERSION) {
        log_error("web", "no status page: %s", w->module ? MODULE " is of another build" : missing);
        xfree(missing);
        return;
    }
    struct web_host host = {.loop = &w->dr->loop, .listen_fd = w->fd, .loopback = w->loopback, .ctx = w, .status = status_cb, .log = log_cb};
    w->server = w->module->start(&host, problem, sizeof problem);
    if (w->server)
        w->fd = -1;
    else
        log_error("web", "no status page: %s", problem);
}

static void visitor_cb(uv_poll_t *h, int status, int events)
{
    struct web *w = h->data;
    (void)status;
    (void)events;
    uv_poll_stop(h);
    load(w);
    if (w->fd >= 0) { /* it did not work and will not: no page rather than a busy loop */
        close(w->fd);
        w->fd = -1;
    }
}

/* ---- listening ---- */

static bool is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24) == 127;
    return sa->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* "HOST:PORT" or "[HOST]:PORT" in two pieces. */
static bool split_address(const char *address, char *host, size_t cap, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    size_t from = address[0] == '[', bytes = (size_t)(colon - address) - 2 * from;
    if (bytes >= cap || (from && colon[-1] != ']'))
        return false;
    memcpy(host, address + from, bytes);
    host[bytes] = 0;
    *ret_port = colon + 1;
    return true;
}

static int open_socket(struct web *w, const char *address, bool secret, char **ret_address, struct error *err)
{
    char host[256], number[64], service[16];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *ai;
    if (!split_address(address, host, sizeof host, &port))
        return rpc_listen_error(err, address, "it is no address", "give --web HOST:PORT, or none for no status page");
    int rc = getaddrinfo(host, port, &hints, &ai);
    if (rc != 0)
        return rpc_listen_error(err, address, gai_strerror(rc), "give --web an address of this machine");
    struct sockaddr_storage real;
    socklen_t bytes = sizeof real;
    int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    w->loopback = is_loopback(ai->ai_addr);
    if (!w->loopback && !secret)
        rc = rpc_listen_error(err, address, "beyond loopback the status page needs --secret-file, as the driver does", RPC_SECRET_ADVICE);
    else if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
             listen(fd, 64) != 0 || getsockname(fd, (struct sockaddr *)&real, &bytes) != 0)
        rc = rpc_listen_error(err, address, uv_strerror(-errno), "give --web another port, port 0 for any that is free, or none");
    freeaddrinfo(ai);
    if (rc != 0) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    getnameinfo((struct sockaddr *)&real, bytes, number, sizeof number, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
    *ret_address = xasprintf(strchr(number, ':') ? "[%s]:%s" : "%s:%s", number, service);
    w->fd = fd;
    return 0;
}

int web_start(struct driver *dr, const char *address, struct web **ret, char **ret_address, struct error *err)
{
    struct web *w = xcalloc(1, sizeof *w);
    w->dr = dr;
    char *path = module_path(MODULE);
    int rc = path ? 0 : rpc_listen_error(err, address, MODULE " is not beside the binary", "install it there, or give --web none");
    xfree(path);
    if (rc == 0)
        rc = open_socket(w, address, dr->config.secret_file != NULL, ret_address, err);
    if (rc != 0) {
        xfree(w);
        return rc;
    }
    uv_poll_init(&dr->loop, &w->waiting, w->fd);
    w->waiting.data = w;
    uv_poll_start(&w->waiting, UV_READABLE, visitor_cb);
    *ret = w;
    return 0;
}

static void closed_cb(uv_handle_t *h)
{
    xfree(h->data);
}

void web_stop(struct web *w)
{
    if (!w)
        return;
    if (w->server)
        w->module->stop(w->server);
    uv_poll_stop(&w->waiting);
    if (w->fd >= 0)
        close(w->fd);
    uv_close((uv_handle_t *)&w->waiting, closed_cb);
}
