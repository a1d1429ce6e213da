/*
 * The status page and its JSON. The driver listens; what serves (drover-web.so, over libmicrohttpd on the driver's
 * loop) is loaded when the first visitor comes. Thread: loop.
 */
#pragma once

#include "common/error/error.h"

struct driver;
struct web;
/* address: HOST:PORT, port 0: the kernel's choice. *ret_address is the caller's. */
WARN_UNUSED int web_start(struct driver *dr, const char *address, struct web **ret, char **ret_address, struct error *err);
void web_stop(struct web *w); /* accepts NULL */
