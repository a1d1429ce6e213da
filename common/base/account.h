/*
 * Memory accounts: data memory is reserved here before it is touched. Accounts form a tree (executor,
 * task, operator); a reservation counts in every account up to the root and is refused when any of them
 * would pass its limit. Counters are atomic: any thread may reserve and release.
 */
#pragma once

#include "common/base/base.h"
#include "common/error/error.h"

struct account {
    struct account *parent; /* NULL at the root */
    const char *name;       /* "HashAggregate", "task 3.0": not owned, outlives the account */
    int64_t limit;          /* bytes; INT64_MAX: none of its own */
    int64_t used;           /* atomic */
    int64_t peak;           /* atomic, monotonic */
    struct account *next_sibling, *first_child; /* for the table; changed only by the owning thread */
};

void account_init(struct account *a, const char *name, struct account *parent, int64_t limit);
/* Takes it out of its parent; what is still used is given back (and is a leak when it was data). */
void account_fini(struct account *a);
/* Reserves or refuses with ERR_TASK_MEMORY, whose text has the table of the nearest limited account. a may be NULL. */
WARN_UNUSED int account_reserve(struct account *a, size_t bytes, struct error *err);
WARN_UNUSED bool account_try(struct account *a, size_t bytes); /* the same without an error object */
void account_release(struct account *a, size_t bytes);
/* "HashJoin 12.0 MiB (peak 14.1), Sort 3.2 MiB": appended. */
void account_table(const struct account *a, struct buf *out);
