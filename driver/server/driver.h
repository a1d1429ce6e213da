/*
 * The driver daemon: sessions, operations, the scheduler bound to sockets and timers. One loop thread owns all
 * state; planning workers turn statements into stages over a snapshot; commits run on them too.
 */
#pragma once

#include "common/error/error.h"

struct driver_config {
    const char *listen;       /* HOST:PORT or unix:PATH */
    const char *web;          /* HOST:PORT or NULL: no page */
    const char *secret_file;  /* or NULL */
    const char *state;        /* a folder that outlives the driver, or NULL */
    bool announce;            /* prints "ready driver=HOST:PORT web=HOST:PORT" */
    uint32_t conf_count;      /* of the driver, and defaults of its sessions: KEY=VALUE; a wrong one is an error unless embedded */
    const char *const *confs;
    bool embedded;            /* ends when its last client is gone */
    uint32_t executors, slots; /* embedded: that are being started, and slots of each: known before they register */
    uint64_t memory;          /* of each */
};

/* Runs until SIGTERM or SIGINT, embedded until the client goes. Returns an exit code. */
int driver_main(const struct driver_config *config);
