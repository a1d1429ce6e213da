/*
 * The executor daemon: registers with a driver, runs attempts on its slots, holds their outputs and serves them to
 * peers. One loop thread owns all connections; slots are threads that take attempts from one queue; one more thread
 * encodes outputs for peers. They meet in queues: loop -> slots by a condition, slots -> loop by uv_async.
 */
#pragma once

#include "common/error/error.h"

struct executor_config {
    const char *driver;       /* address of the driver */
    const char *listen;       /* where peers fetch; NULL: the local address of the connection to the driver */
    uint32_t slots;
    uint64_t memory;          /* bytes of data; a task's grant is memory / slots */
    const char *dir;          /* where files of outputs that do not fit into memory go */
    const char *secret_file;  /* or NULL */
    bool embedded;            /* ends when the driver goes */
    bool announce;            /* prints "ready executor=ID" */
};

/* Runs until told to stop (SIGTERM, SIGINT) or, embedded, until the driver is gone. Returns an exit code. */
int executor_main(const struct executor_config *config);
/* 80 % of the cgroup's or the machine's memory. */
uint64_t executor_default_memory(void);
