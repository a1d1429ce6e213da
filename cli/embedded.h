/*
 * Embedded mode: a driver and executors as children of this command, on Unix sockets in a private folder, gone when it ends.
 * They are forked before any thread exists; an executor that died is started again by an exec. Thread: one.
 */
#pragma once

#include "cli/client.h"

struct embedded;

/* Starts the processes; the driver's socket is there a moment later. */
WARN_UNUSED int embedded_start(const struct client_config *config, struct embedded **ret, struct error *err);
const char *embedded_address(const struct embedded *e);
/* Looks which children ended (SIGCHLD), says so and starts executors again. */
void embedded_reap(struct embedded *e);
void embedded_stop(struct embedded *e); /* kills them all and removes the folder; accepts NULL */
