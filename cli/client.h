/*
 * The client: a connection to a driver, or to one that it starts itself on this machine together with executors
 * (embedded mode). Calls block; the loop runs inside them. A connection that breaks while a statement runs is made anew,
 * and the results go on where they stopped. One thread.
 */
#pragma once

#include "common/col/builder.h"
#include "common/error/error.h"

struct client;

struct client_setting {
    const char *name, *value;
};
struct client_config {
    const char *driver;        /* HOST:PORT; NULL: embedded */
    const char *secret_file;
    bool no_session;           /* only client_status and client_kill will be called */
    uint32_t executors, slots; /* embedded: 0 for the defaults: 1 executor, a slot a core */
    uint64_t memory;           /* embedded: of all executors together; 0: default */
    uint32_t setting_count;
    const struct client_setting *settings;
};

/* What a statement gives, as it comes. rows returns false when nobody wants more: the statement is cancelled. */
struct client_sink {
    void (*schema)(void *ctx, const struct schema *sch, const char *time_zone); /* time_zone: the session's, or NULL */
    bool (*rows)(void *ctx, const struct sealed *rows);
    void *ctx;
    bool progress;             /* lines on standard error while stages run */
};

/* Starts what is needed and connects. Must be called before any thread exists. */
WARN_UNUSED int client_open(const struct client_config *config, struct client **ret, struct error *err);
void client_close(struct client *c); /* ends embedded processes; accepts NULL */
/* Runs one statement. *ret_run_us: as the driver measured. Ctrl-C cancels it. */
WARN_UNUSED int client_execute(struct client *c, const char *sql, const struct client_sink *sink, uint64_t *ret_run_us, struct error *err);
/* JSON of a path of the REST API, which the caller frees, and its HTTP status. */
WARN_UNUSED int client_status(struct client *c, const char *path, unsigned *ret_status, char **ret_json, struct error *err);
WARN_UNUSED int client_kill(struct client *c, uint64_t job_id, bool *ret_found, struct error *err);
const char *client_web(const struct client *c); /* "" when the driver has no page */
