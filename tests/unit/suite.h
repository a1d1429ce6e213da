/* The main function of a unit test: one suite of one case, each test in a process of its own. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* SUITE_MAIN("name", add): add(tc) adds the tests. */
#define SUITE_MAIN(name, add)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        Suite *s = suite_create(name);                                                             \
        TCase *tc = tcase_create(name);                                                            \
        tcase_set_timeout(tc, 120);                                                                \
        add(tc);                                                                                   \
        suite_add_tcase(s, tc);                                                                    \
        SRunner *r = srunner_create(s);                                                            \
        srunner_run_all(r, CK_NORMAL);                                                             \
        int failed = srunner_ntests_failed(r);                                                     \
        srunner_free(r);                                                                           \
        return failed != 0;                                                                        \
    }
