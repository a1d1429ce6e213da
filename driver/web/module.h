/*
 * Between the driver and drover-web.so, which holds everything that needs libmicrohttpd: the driver dlopens it when the
 * first browser comes, so a driver without visitors, and every embedded one, loads neither it nor GnuTLS. The module
 * calls nothing of the driver's but what stands here. Thread: loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { WEB_MODULE_VERSION = 1 };

struct web_host {
    uv_loop_t *loop;
    int listen_fd;    /* taken: bound, listening, non-blocking */
    bool loopback;    /* then only Host headers that name this machine are answered, against DNS rebinding */
    void *ctx;
    /* JSON of a path of the REST API with its query; the body is malloc'ed and taken. Returns an HTTP status. */
    unsigned (*status)(void *ctx, const char *path, char **ret_body, size_t *ret_bytes);
    void (*log)(void *ctx, const char *text);
};

struct web_server;

struct web_module {
    unsigned version; /* WEB_MODULE_VERSION */
    /* NULL and a sentence in problem when it cannot. */
    struct web_server *(*start)(const struct web_host *host, char *problem, size_t problem_cap);
    void (*stop)(struct web_server *s); /* the loop must run once more: handles close there */
};

/* The symbol that the module exports. */
extern const struct web_module drover_web_module;
