/* The main function of a unit test: one suite of one case, each test in a process of its own. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* ADD_TESTS(tc, a, b, ...): tests that run once. */
#define ADD_TESTS(tc, ...)                                                                         \
    for (const TTest *all_[] = {__VA_ARGS__}, **t_ = all_; t_ < all_ + sizeof all_ / sizeof *all_; t_++) \
    tcase_add_test((tc), *t_)

/* add(tc) adds the tests, and what is to be set up around each. Returns what main does. */
static inline int suite_run(const char *name, void (*add)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 120);
    add(tc);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#define SUITE_MAIN(name, add)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        return suite_run(name, add);                                                               \
    }
