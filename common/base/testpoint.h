/*
 * Test points: named places where a test can make a process die or stand still. DROVER_TEST_POINT holds rules,
 * "NAME:HIT:ACTION[,...]": at the HIT-th passing of the point (from 1, over all threads) the process does ACTION:
 * kill (SIGKILL), stop (SIGSTOP), abort, exit, sleep=MS (that thread alone), or fail (the step there fails, where that
 * can be: TEST_POINT_FAILS). HIT 0: at any passing for which the
 * process can take the token, a file called NAME in the folder DROVER_TEST_TOKENS: of several processes with the same
 * rules exactly one acts. What happens is told in one line on standard error before it does, so a test can tell that
 * it fired. Without the variable a point costs one load. Thread: any.
 */
#pragma once

#include "common/base/base.h"

extern bool testpoint_armed; /* set before main */
__attribute__((cold)) bool testpoint_pass(const char *name); /* whether the step is to fail */
/* Other rules than the environment's, for unit tests: before there are threads. "": none. */
void testpoint_set(const char *rules);

#define TEST_POINT(name)                                                                           \
    do {                                                                                           \
        if (UNLIKELY(testpoint_armed))                                                             \
            testpoint_pass(name);                                                                  \
    } while (0)
#define TEST_POINT_FAILS(name) (UNLIKELY(testpoint_armed) && testpoint_pass(name))
