/* Life-cycles as tables: what the table allows happens, everything else ends the process. */
#include <signal.h>

#include "common/sm/sm.h"
#include "tests/unit/suite.h"

enum { EGG, BIRD, STONE };
static const struct sm_state rows[] = {
    [EGG] = {"EGG", SM_TO(BIRD) | SM_TO(STONE)},
    [BIRD] = {"BIRD", SM_TO(BIRD) | SM_TO(EGG)},
    [STONE] = {"STONE", 0},
};
static const struct sm sm = SM("thing", rows);

START_TEST(moves_that_the_table_allows)
{
    uint8_t s = EGG;
    sm_move(&sm, &s, BIRD);
    sm_move(&sm, &s, BIRD);
    sm_move(&sm, &s, EGG);
    sm_move(&sm, &s, STONE);
    ck_assert_uint_eq(s, STONE);
    ck_assert(sm_is_final(&sm, s));
    ck_assert(!sm_is_final(&sm, EGG));
    ck_assert_str_eq(sm_name(&sm, s), "STONE");
    ck_assert(sm_may(&sm, EGG, BIRD) && !sm_may(&sm, BIRD, STONE) && !sm_may(&sm, EGG, 3) && !sm_may(&sm, 3, EGG));
}
END_TEST

START_TEST(a_final_state_is_final)
{
    uint8_t s = STONE;
    sm_move(&sm, &s, EGG);
}
END_TEST

START_TEST(a_state_that_does_not_exist)
{
    uint8_t s = EGG;
    sm_move(&sm, &s, 9);
}
END_TEST

START_TEST(a_move_that_the_table_forbids)
{
    uint8_t s = BIRD;
    sm_move(&sm, &s, STONE);
}
END_TEST

static void add(TCase *tc)
{
    ADD_TESTS(tc, moves_that_the_table_allows);
    tcase_add_test_raise_signal(tc, a_final_state_is_final, SIGABRT);
    tcase_add_test_raise_signal(tc, a_state_that_does_not_exist, SIGABRT);
    tcase_add_test_raise_signal(tc, a_move_that_the_table_forbids, SIGABRT);
}

SUITE_MAIN("sm", add)
