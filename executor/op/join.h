/* The shared build of a join: one table per stage and executor, made by all tasks that come by. */
#pragma once

#include <pthread.h>

#include "executor/op/join_table.h"

/*
 *  COLLECT ──► FILL ──► INDEX ──► READY          one task reads the runs of the exchange; then every task that
 *     ▲          │        │                      prepares takes items. Who finds none left waits; the last to
 *     └──────────┴────────┘ an error goes to     finish an item moves the phase on and wakes all.
 *       everyone who takes part, then anew
 *
 * The lock is held for moves only, never while an item is worked on, but also while waiters are woken, so that
 * none can end meanwhile. A task that ends early as the collector gives the role back; the runs it had are dropped.
 */
struct shared_build {
    pthread_mutex_t lock;
    enum { BUILD_COLLECT, BUILD_FILL, BUILD_INDEX, BUILD_READY } phase;
    struct join_table table;
    struct op *collector;
    struct input_cursor cursor;
    uint32_t item_count, item_next, item_done;
    uint32_t busy;            /* tasks inside an item */
    bool failing;             /* no more items are handed out; reset when busy is 0 */
    struct error failure;     /* of the round `failed_round` */
    uint32_t round, failed_round; /* rounds count from 1 */
    struct op **waiters;
    uint32_t waiter_count, waiter_cap;
};

struct shared_build *shared_build_new(const struct join_code *code, struct account *account);
void shared_build_free(struct shared_build *sb);
/* OP_MORE: the table is ready; OP_BLOCKED; OP_ERROR. *round: 0 at first, kept by the caller. */
enum op_status shared_build_step(struct shared_build *sb, struct op *op, uint32_t exchange, struct exprs_state *keys,
                                 uint32_t *round, struct error *err);
/* The task ends. */
void shared_build_leave(struct shared_build *sb, struct op *op);
