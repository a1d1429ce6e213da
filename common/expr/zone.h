/*
 * Time zones: IANA names read from the system's TZif files (RFC 8536), or fixed offsets such as "+02:00".
 * A zone is a process-wide object, loaded once, never freed. Thread: any.
 */
#pragma once

#include "common/error/error.h"

struct zone;

/* NULL in *ret for UTC. ERR_INVALID_SETTING-like ERR_INVALID_ARG when there is no such zone. */
WARN_UNUSED int zone_find(const char *name, const struct zone **ret, struct error *err);
int64_t zone_offset_us(const struct zone *z, int64_t utc_us); /* local - UTC at this moment; z may be NULL */
/* The clock on the wall there; within a day of the ends of the type it stops at them. */
int64_t zone_local_us(const struct zone *z, int64_t utc_us);
/* "CEST": what tzdata calls the time that holds there; empty when it has no letters for it. */
const char *zone_abbreviation(const struct zone *z, int64_t utc_us);
/* The moment of a wall-clock time. In a gap the offset before it holds, in an overlap the earlier one, as in Java. */
int64_t zone_to_utc_us(const struct zone *z, int64_t local_us);
