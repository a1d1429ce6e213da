/*
 * Life-cycles as tables. A noun with a life-cycle has an enum of states, a diagram above it, and a `struct sm`:
 * one row per state with its name and the set of states that may follow. Its state changes in one way only,
 * through sm_move, which refuses what the table does not allow: an illegal move is a bug, never an input.
 *
 * A state is kept as one byte in its object, so that tables of tasks stay small.
 */
#pragma once

#include "common/base/base.h"

#define SM_TO(state) (1u << (state))

struct sm_state {
    const char *name;
    uint32_t next;      /* SM_TO of all that may follow; 0: final */
};
struct sm {
    const char *noun;
    uint32_t count;
    const struct sm_state *states;
};
#define SM(noun, rows) {noun, ARRAY_LEN(rows), rows}

/* Prints noun, from and to, and aborts. */
__attribute__((noreturn, cold)) void sm_illegal(const struct sm *sm, uint32_t from, uint32_t to);

static inline bool sm_may(const struct sm *sm, uint32_t from, uint32_t to)
{
    return from < sm->count && to < sm->count && (sm->states[from].next >> to & 1);
}

static inline bool sm_is_final(const struct sm *sm, uint32_t state)
{
    return sm->states[state].next == 0;
}

static inline const char *sm_name(const struct sm *sm, uint32_t state)
{
    return sm->states[state].name;
}

static inline void sm_move(const struct sm *sm, uint8_t *state, uint32_t to)
{
    if (UNLIKELY(!sm_may(sm, *state, to)))
        sm_illegal(sm, *state, to);
    *state = (uint8_t)to;
}
