/* The executor's half of the protocol, rule by rule: events by hand, actions looked at, everything recounted. */
#include "executor/control/control.h"
#include "tests/unit/suite.h"

enum { SLOTS = 2, AHEAD = 1, WINDOW = 100, LOG_MAX = 4096 };

static struct control *c;
static uint64_t epoch, incarnation;
/* What came of each cookie; cookies are attempt ids here. */
static struct control_action log_[LOG_MAX];
static uint64_t listed[LOG_MAX]; /* cookies of RUN and REPORT, one row each */
static uint32_t log_count;

static void event(struct control_event ev)
{
    struct control_action a;
    log_count = 0;
    control_event(c, &ev);
    while (control_next_action(c, &a)) {
        uint32_t rows = a.kind == CONTROL_RUN || a.kind == CONTROL_REPORT ? a.count : 1;
        for (uint32_t i = 0; i < rows; i++) {
            ck_assert_uint_lt(log_count, LOG_MAX);
            log_[log_count] = a;
            listed[log_count++] = (uint64_t)(uintptr_t)(rows == 1 && a.kind != CONTROL_RUN && a.kind != CONTROL_REPORT ? a.cookie : a.cookies[i]);
        }
    }
    control_check(c);
    control_check_idle(c);
}

/* How many actions of a kind the last event had; about one attempt unless that is 0. */
static uint32_t acted(enum control_action_kind kind, uint64_t attempt)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < log_count; i++)
        n += log_[i].kind == kind && (attempt == 0 || listed[i] == attempt);
    return n;
}

static const struct control_action *action(enum control_action_kind kind)
{
    for (uint32_t i = 0; i < log_count; i++) {
        if (log_[i].kind == kind)
            return &log_[i];
    }
    return NULL;
}

static void from_driver(struct control_event ev)
{
    ev.epoch = epoch;
    ev.incarnation = incarnation;
    event(ev);
}

static void registered(uint64_t e, uint64_t i)
{
    epoch = e;
    incarnation = i;
    from_driver((struct control_event){.kind = CONTROL_REGISTERED});
}

static void set_up(void)
{
    c = control_new(&(struct control_config){.slots = SLOTS, .ahead = AHEAD, .result_window = WINDOW});
    registered(7, 70);
}

static void tear_down(void)
{
    control_free(c);
}

static void plan(uint64_t job, uint32_t stage, bool keeps)
{
    from_driver((struct control_event){.kind = CONTROL_PLAN, .job_id = job, .stage = stage, .keeps_output = keeps});
}

static void inputs(uint64_t job, uint32_t stage, uint32_t version)
{
    from_driver((struct control_event){.kind = CONTROL_INPUTS, .job_id = job, .stage = stage, .version = version});
}

/* Attempts first ... first + n - 1, of partitions 0 ... n - 1. */
static void launch(uint64_t job, uint32_t stage, uint64_t first, uint32_t n)
{
    uint64_t ids[64];
    uint32_t partitions[64];
    void *cookies[64];
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = first + i;
        partitions[i] = i;
        cookies[i] = (void *)(uintptr_t)(first + i);
    }
    from_driver((struct control_event){.kind = CONTROL_LAUNCH, .job_id = job, .stage = stage, .count = n, .attempt_ids = ids,
                                       .partitions = partitions, .cookies = cookies});
}

static void kill_attempt(uint64_t id)
{
    from_driver((struct control_event){.kind = CONTROL_KILL, .count = 1, .attempt_ids = &id});
}

static void release(uint64_t job)
{
    from_driver((struct control_event){.kind = CONTROL_RELEASE, .job_id = job});
}

static void credit(uint64_t id, uint64_t bytes)
{
    from_driver((struct control_event){.kind = CONTROL_CREDIT, .attempt_id = id, .bytes = bytes});
}

static void slot_says(enum control_event_kind kind, uint64_t id)
{
    event((struct control_event){.kind = kind, .attempt_id = id, .ok = true});
}

static void finished(uint64_t id, bool ok)
{
    event((struct control_event){.kind = CONTROL_FINISHED, .attempt_id = id, .ok = ok});
}

static void result(uint64_t id, uint64_t bytes)
{
    event((struct control_event){.kind = CONTROL_RESULT, .attempt_id = id, .bytes = bytes});
}

static void flush(void)
{
    event((struct control_event){.kind = CONTROL_FLUSH});
}

static void driver_lost(void)
{
    event((struct control_event){.kind = CONTROL_DRIVER_LOST});
}

static struct control_view look(void)
{
    struct control_view v;
    control_look(c, &v);
    return v;
}

/* ---- plans and inputs ---- */

START_TEST(a_plan_is_kept_once)
{
    plan(1, 0, true);
    ck_assert_uint_eq(acted(CONTROL_ADD_PLAN, 0), 1);
    plan(1, 0, true);
    ck_assert_uint_eq(acted(CONTROL_ADD_PLAN, 0), 0);
    ck_assert_uint_eq(look().plans, 1);
    ck_assert_uint_eq(look().stale, 1);
}
END_TEST

START_TEST(inputs_only_get_newer)
{
    inputs(1, 0, 3);
    ck_assert_uint_eq(acted(CONTROL_SET_INPUTS, 0), 1);
    inputs(1, 0, 2);
    inputs(1, 0, 3);
    ck_assert_uint_eq(acted(CONTROL_SET_INPUTS, 0), 0);
    inputs(1, 0, 4);
    ck_assert_uint_eq(acted(CONTROL_SET_INPUTS, 0), 1);
    ck_assert_uint_eq(control_inputs(c, 1, 0), 4);
    ck_assert_uint_eq(look().stale, 2);
}
END_TEST

START_TEST(inputs_of_other_exchanges_stay)
{
    inputs(1, 0, 1);
    inputs(1, 1, 9);
    inputs(2, 0, 5);
    ck_assert_uint_eq(control_inputs(c, 1, 0), 1);
    ck_assert_uint_eq(control_inputs(c, 2, 0), 5);
    ck_assert_uint_eq(control_inputs(c, 2, 1), 0);
}
END_TEST

START_TEST(stages_that_cannot_be_are_refused)
{
    plan(1, CONTROL_STAGES_MAX, true);
    inputs(1, CONTROL_STAGES_MAX, 1);
    ck_assert_uint_eq(look().jobs, 0);
    ck_assert_uint_eq(look().stale, 2);
}
END_TEST

/* ---- launching ---- */

START_TEST(attempts_run_in_order_as_slots_have_room)
{
    plan(1, 0, true);
    launch(1, 0, 10, 5);
    ck_assert_uint_eq(acted(CONTROL_RUN, 0), SLOTS + AHEAD);
    ck_assert_uint_eq(listed[0], 10);
    ck_assert_uint_eq(listed[2], 12);
    ck_assert_uint_eq(look().queued, 2);
    finished(10, true);
    ck_assert_uint_eq(acted(CONTROL_RUN, 13), 1);
}
END_TEST

START_TEST(a_launch_needs_its_plan)
{
    launch(1, 0, 10, 2);
    ck_assert_uint_eq(acted(CONTROL_REFUSE, 0), 2);
    ck_assert_ptr_nonnull(action(CONTROL_REFUSE)->reason);
    inputs(1, 0, 1);
    launch(1, 0, 20, 1);
    ck_assert_uint_eq(acted(CONTROL_REFUSE, 20), 1);
}
END_TEST

START_TEST(a_duplicate_launch_is_forgotten)
{
    plan(1, 0, true);
    launch(1, 0, 10, 2);
    launch(1, 0, 10, 2);
    ck_assert_uint_eq(acted(CONTROL_FORGET, 0), 2);
    ck_assert_uint_eq(look().stale, 2);
    ck_assert_uint_eq(look().running, 2);
}
END_TEST

START_TEST(a_launch_of_what_has_ended_is_a_duplicate_too)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    finished(10, true);
    flush();
    launch(1, 0, 10, 1);
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1);
    ck_assert_uint_eq(acted(CONTROL_RUN, 0), 0);
}
END_TEST

START_TEST(nothing_is_taken_before_the_registration)
{
    driver_lost();
    plan(1, 0, true);
    ck_assert_uint_eq(acted(CONTROL_ADD_PLAN, 0), 0);
    launch(1, 0, 10, 1);
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1);
    ck_assert_uint_eq(look().stale, 2);
}
END_TEST

START_TEST(another_epoch_is_ignored)
{
    plan(1, 0, true);
    epoch = 6;
    launch(1, 0, 10, 1);
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1);
    release(1);
    ck_assert_uint_eq(look().plans, 1);
    ck_assert_uint_eq(look().stale, 2);
}
END_TEST

START_TEST(another_incarnation_is_ignored)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    incarnation = 69;
    kill_attempt(10);
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 0), 0);
    ck_assert_uint_eq(look().stale, 1);
}
END_TEST

START_TEST(many_attempts_are_found_again)
{
    plan(1, 0, true);
    for (uint64_t i = 0; i < 100; i++)
        launch(1, 0, 1000 + i * 7919, 1);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t id = 1000 + i * 7919;
        if (!control_wants(c, id))
            ck_abort_msg("attempt %llu is not here", (unsigned long long)id);
        finished(id, true);
        if (i % 3 == 0)
            flush();
    }
    flush();
    ck_assert_uint_eq(look().running + look().queued + look().ended, 0);
}
END_TEST

/* ---- ends ---- */

START_TEST(completions_go_out_together_at_the_end_of_the_turn)
{
    plan(1, 0, true);
    launch(1, 0, 10, 3);
    finished(11, true);
    finished(10, true);
    ck_assert_uint_eq(acted(CONTROL_REPORT, 0), 0);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT, 0), 2);
    ck_assert_uint_eq(listed[0], 11);
    flush();
    ck_assert_uint_eq(log_count, 0);
}
END_TEST

START_TEST(outputs_are_held_once_they_are_reported)
{
    plan(1, 0, true);
    launch(1, 0, 10, 2);
    finished(11, true);
    ck_assert(!control_holds(c, 1, 0, 1, 11));
    flush();
    ck_assert(control_holds(c, 1, 0, 1, 11));
    ck_assert(!control_holds(c, 1, 0, 1, 10));
    ck_assert(!control_holds(c, 1, 0, 0, 11));
    ck_assert(!control_holds(c, 2, 0, 1, 11));
    ck_assert_uint_eq(look().outputs, 1);
}
END_TEST

START_TEST(results_leave_no_output)
{
    plan(1, 0, false);
    launch(1, 0, 10, 1);
    finished(10, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT, 10), 1);
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

START_TEST(a_failure_is_reported_and_leaves_nothing)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    finished(10, false);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 10), 1);
    ck_assert(!action(CONTROL_REPORT_FAILED)->killed);
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

START_TEST(a_later_attempt_replaces_the_output)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    finished(10, true);
    flush();
    launch(1, 0, 20, 1);
    finished(20, true);
    flush();
    ck_assert_uint_eq(action(CONTROL_DROP_OUTPUT)->attempt_id, 10);
    ck_assert(control_holds(c, 1, 0, 0, 20));
    ck_assert_uint_eq(look().outputs, 1);
}
END_TEST

START_TEST(an_output_that_rides_is_not_held)
{
    plan(1, 0, true);
    launch(1, 0, 10, 2);
    event((struct control_event){.kind = CONTROL_FINISHED, .attempt_id = 10, .ok = true, .rides = true});
    finished(11, true);
    flush();
    ck_assert_uint_eq(action(CONTROL_REPORT)->count, 2);
    ck_assert(!control_holds(c, 1, 0, 0, 10) && control_holds(c, 1, 0, 1, 11));
    launch(1, 0, 20, 2);
    event((struct control_event){.kind = CONTROL_FINISHED, .attempt_id = 21, .ok = true, .rides = true});
    flush();
    ck_assert_uint_eq(action(CONTROL_DROP_OUTPUT)->attempt_id, 11); /* what an earlier attempt left here is nobody's */
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

/* ---- kills ---- */

START_TEST(a_queued_attempt_is_killed_at_once)
{
    plan(1, 0, true);
    launch(1, 0, 10, 4);
    kill_attempt(13);
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 0), 0);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 13), 1);
    ck_assert(action(CONTROL_REPORT_FAILED)->killed);
}
END_TEST

START_TEST(a_running_attempt_is_told_and_reported_when_it_ends)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    kill_attempt(10);
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 10), 1);
    flush();
    ck_assert_uint_eq(log_count, 0);
    finished(10, false);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 10), 1);
}
END_TEST

START_TEST(a_killed_attempt_that_ends_well_leaves_nothing)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    kill_attempt(10);
    finished(10, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT, 0), 0);
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 10), 1);
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

START_TEST(a_kill_between_end_and_report_still_counts)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    finished(10, true);
    kill_attempt(10);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 10), 1);
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

START_TEST(a_parked_attempt_is_run_to_see_its_kill)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    slot_says(CONTROL_PARKED, 10);
    kill_attempt(10);
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 10), 1);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
}
END_TEST

START_TEST(a_killed_attempt_that_parks_goes_on_at_once)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    kill_attempt(10);
    slot_says(CONTROL_PARKED, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
}
END_TEST

START_TEST(killing_twice_or_the_unknown_does_nothing)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    kill_attempt(10);
    kill_attempt(10);
    kill_attempt(99);
    ck_assert_uint_eq(log_count, 0);
}
END_TEST

/* ---- parking ---- */

START_TEST(a_parked_attempt_gives_its_slot_away)
{
    plan(1, 0, true);
    launch(1, 0, 10, 4);
    slot_says(CONTROL_PARKED, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 13), 1);
    ck_assert_uint_eq(look().parked, 1);
}
END_TEST

START_TEST(a_woken_attempt_runs_again)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    slot_says(CONTROL_PARKED, 10);
    slot_says(CONTROL_WOKEN, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
    ck_assert_uint_eq(look().parked, 0);
}
END_TEST

START_TEST(a_wake_up_before_parking_is_not_lost)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    slot_says(CONTROL_WOKEN, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 0), 0);
    slot_says(CONTROL_PARKED, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
}
END_TEST

START_TEST(waking_what_has_ended_does_nothing)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    finished(10, true);
    slot_says(CONTROL_WOKEN, 10);
    flush();
    slot_says(CONTROL_WOKEN, 10);
    ck_assert_uint_eq(log_count, 0);
}
END_TEST

/* ---- results ---- */

START_TEST(results_are_sent_while_they_are_wanted)
{
    plan(1, 0, false);
    launch(1, 0, 10, 1);
    result(10, 50);
    ck_assert_uint_eq(acted(CONTROL_SEND_RESULT, 10), 1);
    kill_attempt(10);
    result(10, 50);
    ck_assert_uint_eq(acted(CONTROL_DROP_RESULT, 10), 1);
}
END_TEST

START_TEST(credit_wakes_who_waits_for_it)
{
    plan(1, 0, false);
    launch(1, 0, 10, 1);
    result(10, 80);
    result(10, 80);
    slot_says(CONTROL_PARKED, 10);
    credit(10, 30);
    ck_assert_uint_eq(acted(CONTROL_GRANT, 10), 1);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 0); /* 130 are still more than the window */
    credit(10, 30);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
}
END_TEST

START_TEST(more_credit_than_is_owed_is_not_taken)
{
    plan(1, 0, false);
    launch(1, 0, 10, 1);
    result(10, 80);
    credit(10, 80);
    ck_assert_uint_eq(action(CONTROL_GRANT)->bytes, 80);
    credit(10, 80);
    ck_assert_uint_eq(action(CONTROL_GRANT)->bytes, 0);
    ck_assert_uint_eq(look().stale, 1);
}
END_TEST

START_TEST(credit_before_parking_is_not_lost)
{
    plan(1, 0, false);
    launch(1, 0, 10, 1);
    result(10, 200);
    credit(10, 200);
    slot_says(CONTROL_PARKED, 10);
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
}
END_TEST

START_TEST(credit_for_the_gone_is_nothing)
{
    credit(10, 5);
    ck_assert_uint_eq(log_count, 0);
}
END_TEST

/* ---- releases ---- */

START_TEST(a_release_drops_everything_of_the_job)
{
    plan(1, 0, true);
    plan(2, 0, true);
    inputs(1, 0, 1);
    launch(1, 0, 10, 1);
    finished(10, true);
    flush();
    release(1);
    ck_assert_uint_eq(acted(CONTROL_DROP_JOB, 0), 1);
    ck_assert_uint_eq(action(CONTROL_DROP_JOB)->job_id, 1);
    ck_assert(!control_holds(c, 1, 0, 0, 10));
    ck_assert_uint_eq(look().jobs, 1);
    ck_assert_uint_eq(look().inputs + look().outputs, 0);
}
END_TEST

START_TEST(a_release_ends_the_attempts_of_the_job)
{
    plan(1, 0, true);
    launch(1, 0, 10, 4);
    release(1);
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 0), 3);
    for (uint64_t i = 10; i < 13; i++)
        finished(i, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT_FAILED, 0), 3 + 1);
    ck_assert_uint_eq(look().jobs, 0);
}
END_TEST

START_TEST(an_output_that_comes_after_the_release_is_not_held)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    release(1);
    finished(10, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_REPORT, 0), 0);
    ck_assert_uint_eq(look().outputs, 0);
}
END_TEST

START_TEST(releasing_twice_or_the_unknown_does_nothing)
{
    release(5);
    plan(1, 0, true);
    release(1);
    release(1);
    ck_assert_uint_eq(acted(CONTROL_DROP_JOB, 0), 0);
}
END_TEST

/* ---- the driver goes ---- */

START_TEST(with_the_driver_everything_goes)
{
    plan(1, 0, true);
    inputs(1, 0, 1);
    launch(1, 0, 10, 5);
    finished(10, true);
    driver_lost();
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1); /* ended, not reported */
    ck_assert_uint_eq(acted(CONTROL_FORGET, 14), 1); /* queued */
    ck_assert_uint_eq(acted(CONTROL_CANCEL, 11), 1);
    ck_assert_uint_eq(acted(CONTROL_DROP_JOB, 0), 1);
    finished(11, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_FORGET, 11), 1);
    ck_assert_uint_eq(acted(CONTROL_REPORT, 0) + acted(CONTROL_REPORT_FAILED, 0), 0);
}
END_TEST

START_TEST(orphans_do_not_disturb_the_next_driver)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    driver_lost();
    registered(8, 80);
    plan(1, 0, true); /* the same number, another job */
    ck_assert_uint_eq(acted(CONTROL_ADD_PLAN, 0), 1);
    launch(1, 0, 5, 1);
    ck_assert_uint_eq(acted(CONTROL_RUN, 5), 1);
    finished(10, true);
    finished(5, true);
    flush();
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1);
    ck_assert_uint_eq(acted(CONTROL_REPORT, 5), 1);
    ck_assert(control_holds(c, 1, 0, 0, 5));
}
END_TEST

START_TEST(an_orphans_id_cannot_be_used_again)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    driver_lost();
    registered(8, 80);
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    ck_assert_uint_eq(acted(CONTROL_REFUSE, 10), 1);
}
END_TEST

START_TEST(a_parked_orphan_is_run_to_its_end)
{
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    slot_says(CONTROL_PARKED, 10);
    driver_lost();
    ck_assert_uint_eq(acted(CONTROL_RUN, 10), 1);
    finished(10, false);
    flush();
    ck_assert_uint_eq(acted(CONTROL_FORGET, 10), 1);
}
END_TEST

START_TEST(the_word_of_the_old_driver_is_ignored_by_the_new)
{
    driver_lost();
    registered(8, 80);
    plan(1, 0, true);
    launch(1, 0, 10, 1);
    epoch = 7;
    incarnation = 70;
    kill_attempt(10);
    release(1);
    ck_assert(control_wants(c, 10));
    ck_assert_uint_eq(look().stale, 2);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    ADD_TESTS(tc, a_plan_is_kept_once, inputs_only_get_newer, inputs_of_other_exchanges_stay, stages_that_cannot_be_are_refused,
              attempts_run_in_order_as_slots_have_room, a_launch_needs_its_plan, a_duplicate_launch_is_forgotten,
              a_launch_of_what_has_ended_is_a_duplicate_too, nothing_is_taken_before_the_registration, another_epoch_is_ignored,
              another_incarnation_is_ignored, many_attempts_are_found_again, completions_go_out_together_at_the_end_of_the_turn,
              outputs_are_held_once_they_are_reported, results_leave_no_output, a_failure_is_reported_and_leaves_nothing,
              a_later_attempt_replaces_the_output, an_output_that_rides_is_not_held, a_queued_attempt_is_killed_at_once,
              a_running_attempt_is_told_and_reported_when_it_ends, a_killed_attempt_that_ends_well_leaves_nothing,
              a_kill_between_end_and_report_still_counts, a_parked_attempt_is_run_to_see_its_kill,
              a_killed_attempt_that_parks_goes_on_at_once, killing_twice_or_the_unknown_does_nothing,
              a_parked_attempt_gives_its_slot_away, a_woken_attempt_runs_again, a_wake_up_before_parking_is_not_lost,
              waking_what_has_ended_does_nothing, results_are_sent_while_they_are_wanted, credit_wakes_who_waits_for_it,
              more_credit_than_is_owed_is_not_taken, credit_before_parking_is_not_lost, credit_for_the_gone_is_nothing,
              a_release_drops_everything_of_the_job, a_release_ends_the_attempts_of_the_job,
              an_output_that_comes_after_the_release_is_not_held, releasing_twice_or_the_unknown_does_nothing,
              with_the_driver_everything_goes, orphans_do_not_disturb_the_next_driver, an_orphans_id_cannot_be_used_again,
              a_parked_orphan_is_run_to_its_end, the_word_of_the_old_driver_is_ignored_by_the_new);
}

SUITE_MAIN("control", add)
