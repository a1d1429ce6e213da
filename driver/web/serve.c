/*
 * drover-web.so: HTTP by libmicrohttpd, driven by the driver's loop through its epoll descriptor. See module.h.
 *
 * libmicrohttpd's own time-out says "none" once its connection limit is reached, so MHD_run is called by a timer too
 * while there are connections: half-open ones then time out and the page comes back. Everything is answered at once;
 * nothing is suspended.
 */
#include "driver/web/module.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 256,
    CONNECTION_TIMEOUT_S = 5,
    CONNECTION_MEMORY = 16 << 10,
    TIMER_MS = 300,
    RUNS_MAX = 16,
    URI_MAX = 400,
};

struct request {
    bool seen;     /* its headers were announced: the next call is the one to answer, or the connection would be closed */
    char *uri;     /* as it came, query included; NULL: too long */
};

struct web_server {
    struct web_host host;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned open_handles;
    unsigned connections;
};

/* ---- assets: the files of the page, in the object file as they are ---- */

#define ASSET(name, file)                                                                                                              \
    __asm__(".section .rodata\n.global asset_" #name "\n.global asset_" #name "_end\nasset_" #name ":\n.incbin \"driver/web/assets/" file \
            "\"\nasset_" #name "_end:\n.byte 0\n.previous\n");                                                                         \
    extern __attribute__((visibility("hidden"))) const char asset_##name[], asset_##name##_end[]
ASSET(index, "index.html");
ASSET(css, "style.css");
ASSET(app, "app.js");
ASSET(dom, "dom.js");
ASSET(text, "text.js");
ASSET(overview, "overview.js");
ASSET(job, "job.js");
ASSET(dag, "dag.js");
ASSET(terms, "terms.js");
ASSET(settings, "settings.js");
ASSET(icon, "icon.svg");

static const char js[] = "text/javascript; charset=utf-8";
static const struct asset {
    const char *path, *type, *data, *end;
} assets[] = {
    {"/", "text/html; charset=utf-8", asset_index, asset_index_end},
    {"/style.css", "text/css; charset=utf-8", asset_css, asset_css_end},
    {"/app.js", js, asset_app, asset_app_end},
    {"/dom.js", js, asset_dom, asset_dom_end},
    {"/text.js", js, asset_text, asset_text_end},
    {"/overview.js", js, asset_overview, asset_overview_end},
    {"/job.js", js, asset_job, asset_job_end},
    {"/dag.js", js, asset_dag, asset_dag_end},
    {"/terms.js", js, asset_terms, asset_terms_end},
    {"/settings.js", js, asset_settings, asset_settings_end},
    {"/icon.svg", "image/svg+xml", asset_icon, asset_icon_end},
};
enum { ASSETS = sizeof assets / sizeof *assets };

static void etag_of(const struct asset *a, char out[24])
{
    uint64_t h = 14695981039346656037ull; /* FNV-1a */
    for (const char *p = a->data; p < a->end; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211ull;
    snprintf(out, 24, "\"%016llx\"", (unsigned long long)h);
}

/* ---- answers ---- */

static const struct header {
    const char *name, *value;
} headers[] = {
    {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-cache"},
};

static enum MHD_Result respond(struct MHD_Connection *conn, unsigned status, const char *type, const char *etag, struct MHD_Response *r)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(r, headers[i].name, headers[i].value);
    if (type)
        MHD_add_response_header(r, "Content-Type", type);
    if (etag)
        MHD_add_response_header(r, "ETag", etag);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result rc = MHD_queue_response(conn, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result say(struct MHD_Connection *conn, unsigned status, const char *text)
{
    char body[300];
    int n = snprintf(body, sizeof body, "{\"status\":%u,\"error\":\"%s\"}", status, text);
    return respond(conn, status, "application/json", NULL, MHD_create_response_from_buffer((size_t)n, body, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result answer_asset(struct MHD_Connection *conn, const struct asset *a)
{
    char etag[24];
    etag_of(a, etag);
    const char *have = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "If-None-Match");
    if (have && strcmp(have, etag) == 0)
        return respond(conn, MHD_HTTP_NOT_MODIFIED, NULL, etag, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
    return respond(conn, MHD_HTTP_OK, a->type, etag,
                   MHD_create_response_from_buffer((size_t)(a->end - a->data), (void *)(uintptr_t)a->data, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result answer_status(struct web_server *s, struct MHD_Connection *conn, const char *uri, const char *type)
{
    char *body;
    size_t bytes;
    unsigned status = s->host.status(s->host.ctx, uri, &body, &bytes);
    return respond(conn, status, status == MHD_HTTP_OK ? type : "application/json", NULL,
                   MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_MUST_FREE));
}

/* A page of another site that made its name resolve to this machine sends that name as Host. Ports do not matter: tunnels change them. */
static bool names_this_machine(const char *host)
{
    char name[80];
    struct in_addr v4;
    const char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
    size_t bytes = end ? (size_t)(end - host) + (host[0] == '[') : strlen(host);
    if (bytes >= sizeof name)
        return false;
    memcpy(name, host, bytes);
    name[bytes] = 0;
    if (strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static enum MHD_Result request_cb(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                                  const char *upload, size_t *upload_bytes, void **request)
{
    struct web_server *s = cls;
    struct request *rq = *request;
    const char *host = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Host");
    (void)version;
    (void)upload;
    if (!rq)
        return MHD_NO; /* out of memory */
    if (!rq->seen) {
        rq->seen = true;
        return MHD_YES;
    }
    if (*upload_bytes) {
        *upload_bytes = 0; /* a body that nobody wants */
        return MHD_YES;
    }
    if (s->host.loopback && host && !names_this_machine(host))
        return say(conn, MHD_HTTP_MISDIRECTED_REQUEST, "this Host is not served here; use 127.0.0.1 or localhost");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return say(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    if (!rq->uri)
        return say(conn, MHD_HTTP_URI_TOO_LONG, "the address is too long");
    if (strncmp(rq->uri, "/api/v1/", 8) == 0)
        return answer_status(s, conn, rq->uri, "application/json");
    if (strcmp(rq->uri, "/metrics/prometheus") == 0)
        return answer_status(s, conn, rq->uri, "text/plain; version=0.0.4; charset=utf-8");
    for (size_t i = 0; i < ASSETS; i++) {
        if (strcmp(url, assets[i].path) == 0)
            return answer_asset(conn, &assets[i]);
    }
    return say(conn, MHD_HTTP_NOT_FOUND, "no such page");
}

/* ---- libmicrohttpd on the loop ---- */

/* Becomes the request's value. */
static void *uri_cb(void *cls, const char *uri, struct MHD_Connection *conn)
{
    (void)cls;
    (void)conn;
    struct request *rq = calloc(1, sizeof *rq);
    if (rq && strlen(uri) < URI_MAX)
        rq->uri = strdup(uri);
    return rq;
}

static void completed_cb(void *cls, struct MHD_Connection *conn, void **request, enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)conn;
    (void)why;
    struct request *rq = *request;
    if (rq)
        free(rq->uri);
    free(rq);
    *request = NULL;
}

static void timer_cb(uv_timer_t *t);

static void run(struct web_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms = 1;
    for (int i = 0; i < RUNS_MAX; i++) {
        MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &ms) != MHD_YES || ms != 0)
            break;
    }
    if (ms == 0) /* more to do: soon, but others first */
        uv_timer_start(&s->timer, timer_cb, 1, TIMER_MS);
}

static void poll_cb(uv_poll_t *h, int status, int events)
{
    (void)status;
    (void)events;
    run(h->data);
}

static void timer_cb(uv_timer_t *t)
{
    run(t->data);
}

static void connection_cb(void *cls, struct MHD_Connection *conn, void **socket, enum MHD_ConnectionNotificationCode what)
{
    struct web_server *s = cls;
    (void)conn;
    (void)socket;
    s->connections += what == MHD_CONNECTION_NOTIFY_STARTED ? 1u : -1u;
    if (s->connections == 0)
        uv_timer_stop(&s->timer);
    else if (!uv_is_active((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, timer_cb, TIMER_MS, TIMER_MS);
}

__attribute__((format(printf, 2, 0))) static void log_cb(void *cls, const char *fmt, va_list ap)
{
    struct web_server *s = cls;
    char text[300];
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = 0;
    s->host.log(s->host.ctx, text);
}

static struct web_server *start(const struct web_host *host, char *problem, size_t problem_cap)
{
    struct web_server *s = calloc(1, sizeof *s);
    s->host = *host;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_cb, s, MHD_OPTION_EXTERNAL_LOGGER, log_cb, s,
                                 MHD_OPTION_LISTEN_SOCKET, host->listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, uri_cb, s, MHD_OPTION_NOTIFY_COMPLETED,
                                 completed_cb, s, MHD_OPTION_NOTIFY_CONNECTION, connection_cb, s, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        snprintf(problem, problem_cap, "libmicrohttpd does not start");
        if (s->daemon)
            MHD_stop_daemon(s->daemon);
        free(s);
        return NULL;
    }
    uv_poll_init(host->loop, &s->poll, info->epoll_fd);
    uv_timer_init(host->loop, &s->timer);
    s->poll.data = s->timer.data = s;
    s->open_handles = 2;
    uv_poll_start(&s->poll, UV_READABLE, poll_cb);
    run(s);
    return s;
}

static void closed_cb(uv_handle_t *h)
{
    struct web_server *s = h->data;
    if (--s->open_handles > 0)
        return;
    free(s);
}

static void stop(struct web_server *s)
{
    uv_poll_stop(&s->poll);
    uv_timer_stop(&s->timer);
    MHD_stop_daemon(s->daemon);
    uv_close((uv_handle_t *)&s->poll, closed_cb);
    uv_close((uv_handle_t *)&s->timer, closed_cb);
}

__attribute__((visibility("default"))) const struct web_module drover_web_module = {WEB_MODULE_VERSION, start, stop};
