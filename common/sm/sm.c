/* The end of an illegal move; see sm.h. */
#include "common/sm/sm.h"

#include <stdio.h>

void sm_illegal(const struct sm *sm, uint32_t from, uint32_t to)
{
    const char *a = from < sm->count ? sm->states[from].name : "?", *b = to < sm->count ? sm->states[to].name : "?";
    fprintf(stderr, "a %s may not go from %s to %s\n", sm->noun, a, b);
    UNREACHABLE("an illegal move of a state machine");
}
