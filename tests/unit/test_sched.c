/* The scheduler's rules, one by one: how jobs run, commit and are cancelled. What goes wrong is in test_sched_loss.c. */
#include "driver/sched/latency.h"
#include "tests/unit/sched_by_hand.h"

/* ---- the plain way ---- */

START_TEST(one_task_runs_and_ends)
{
    join(1, 5, 1);
    submit(1, "1r");
    done(get(1, 0, 0));
    ck_assert_int_eq(state(1), JOB_DONE);
    ck_assert_uint_eq(ends, 1);
    ck_assert_uint_eq(releases, 1);
    ck_assert_int_eq(end_error.code, ERR_OK);
}
END_TEST

START_TEST(children_wait_for_their_parents)
{
    join(1, 5, 4);
    submit(1, "2 2<0 1<1r");
    ck_assert_ptr_null(find(1, 1, 0));
    done(get(1, 0, 0));
    ck_assert_ptr_null(find(1, 1, 0));
    ck_assert_int_eq(stage(1, 1).state, STAGE_WAITING);
    done(get(1, 0, 1));
    ck_assert_int_eq(stage(1, 1).state, STAGE_RUNNING);
    finish_stage(1, 1, 2);
    done(get(1, 2, 0));
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(independent_stages_run_side_by_side)
{
    join(1, 5, 8);
    submit(1, "2 2 1<0,1r");
    get(1, 0, 0);
    get(1, 1, 1);
}
END_TEST

START_TEST(jobs_go_in_order)
{
    join(1, 5, 2);
    submit(1, "3r");
    submit(2, "3r");
    done(get(1, 0, 0));
    get(1, 0, 2);
    for (uint32_t i = 0; i < run_count; i++)
        ck_assert(runs[i].job == 1 || i >= 3);
}
END_TEST

START_TEST(a_later_job_takes_what_the_first_leaves)
{
    join(1, 5, 4);
    submit(1, "1r");
    submit(2, "1r");
    get(2, 0, 0);
}
END_TEST

START_TEST(every_slot_is_filled)
{
    join(1, 5, 3);
    join(2, 5, 2);
    submit(1, "20r");
    ck_assert_uint_ge(running_of(1), 3);
    ck_assert_uint_ge(running_of(2), 2);
}
END_TEST

START_TEST(a_small_stage_is_shared)
{
    join(1, 5, 8);
    join(2, 5, 8);
    submit(1, "8r");
    ck_assert_uint_eq(running_of(1), 8);
}
END_TEST

START_TEST(an_executor_that_comes_later_gets_work)
{
    submit(1, "2r");
    ck_assert_uint_eq(run_count, 0);
    join(1, 5, 1);
    get(1, 0, 0);
}
END_TEST

START_TEST(completions_come_in_batches)
{
    join(1, 5, 4);
    submit(1, "3 1<0r");
    struct attempt_result r[3] = {{.attempt_id = get(1, 0, 0)->id}, {.attempt_id = get(1, 0, 1)->id}, {.attempt_id = get(1, 0, 2)->id}};
    event((struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = 1, .incarnation = 5, .done_count = 3, .done = r});
    get(1, 1, 0);
}
END_TEST

START_TEST(launches_are_batched)
{
    join(1, 5, 16);
    submit(1, "16r");
    ck_assert_uint_eq(launches, 1);
    ck_assert_uint_eq(run_count, 16);
}
END_TEST

START_TEST(short_tasks_are_queued_ahead)
{
    join(1, 5, 1);
    submit(1, "1000r");
    uint32_t before = running_of(1);
    struct attempt_result r = {.attempt_id = get(1, 0, 0)->id, .run_us = 2};
    runs[0].over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = 1, .incarnation = 5, .done_count = 1, .done = &r});
    ck_assert_uint_gt(running_of(1), before + 100);
    ck_assert_uint_le(running_of(1), 257);
}
END_TEST

START_TEST(attempt_ids_grow_from_the_first)
{
    join(1, 5, 4);
    submit(1, "4r");
    ck_assert_uint_eq(runs[0].id >> 24, 77);
    for (uint32_t i = 1; i < run_count; i++)
        ck_assert_uint_gt(runs[i].id, runs[i - 1].id);
}
END_TEST

/* ---- places ---- */

START_TEST(tasks_go_near_their_data)
{
    static const char *const names[] = {"host2", "host1"};
    static const uint32_t prefer[] = {1, 2, 1, 2};
    join(1, 5, 2);
    join(2, 5, 2);
    submit_near(1, "4r", prefer, 2, names);
    ck_assert_uint_eq(get(1, 0, 0)->executor, 2);
    ck_assert_uint_eq(get(1, 0, 1)->executor, 1);
    ck_assert_uint_eq(get(1, 0, 2)->executor, 2);
    ck_assert_uint_eq(get(1, 0, 3)->executor, 1);
}
END_TEST

START_TEST(a_place_can_be_one_executor)
{
    static const char *const names[] = {"executor:2"};
    static const uint32_t prefer[] = {0, 1};
    join(1, 5, 1);
    join(2, 5, 1);
    submit_near(1, "2r", prefer, 1, names);
    ck_assert_uint_eq(get(1, 0, 1)->executor, 2);
}
END_TEST

START_TEST(nobody_waits_for_a_place)
{
    static const char *const names[] = {"elsewhere"};
    static const uint32_t prefer[] = {1, 1, 1};
    join(1, 5, 4);
    submit_near(1, "3r", prefer, 1, names);
    ck_assert_uint_eq(running_of(1), 3);
}
END_TEST

START_TEST(a_single_task_goes_where_most_bytes_lie)
{
    join(1, 5, 1);
    join(2, 5, 1);
    submit(1, "2 1<0r");
    struct run *a = get(1, 0, 0), *b = get(1, 0, 1);
    uint64_t home = b->executor; /* 101 bytes against 100 */
    done(a);
    done(b);
    ck_assert_uint_eq(get(1, 1, 0)->executor, home);
}
END_TEST

/* ---- commits ---- */

START_TEST(a_write_commits_once)
{
    join(1, 5, 2);
    submit(1, "2w");
    finish_stage(1, 0, 2);
    ck_assert_uint_eq(commits, 1);
    ck_assert_int_eq(state(1), JOB_COMMITTING);
    uint32_t bytes;
    uint64_t winner, id;
    memcpy(&id, sched_kept(s, 1, 0, 1, &bytes), 8);
    ck_assert_uint_eq(bytes, 8);
    ck_assert(sched_output(s, 1, 0, 1, &winner, &winner));
    ck_assert_uint_eq(winner, id);
    commit_done(1, true);
    ck_assert_int_eq(state(1), JOB_DONE);
    commit_done(1, true);
    ck_assert_uint_eq(ends, 1);
    ck_assert_uint_eq(sched_stale_events(s), 1);
}
END_TEST

START_TEST(a_commit_that_fails_fails_the_job)
{
    join(1, 5, 1);
    submit(1, "1w");
    done(get(1, 0, 0));
    commit_done(1, false);
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_int_eq(end_error.code, ERR_IO);
    ck_assert_uint_eq(aborts, 1);
}
END_TEST

START_TEST(a_commit_outlives_its_executors)
{
    join(1, 5, 1);
    submit(1, "1w");
    done(get(1, 0, 0));
    lose(1, 5);
    now += 2 * WAIT_US;
    timer();
    ck_assert_int_eq(state(1), JOB_COMMITTING);
    commit_done(1, true);
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(a_lost_writer_is_replaced_and_only_one_counts)
{
    join(1, 5, 1);
    submit(1, "1w");
    struct run old = *get(1, 0, 0);
    lose(1, 5);
    join(2, 5, 1);
    done_as(&old, 5);
    ck_assert_uint_eq(commits, 0);
    uint64_t id = done(get(1, 0, 0)), got;
    uint32_t bytes;
    memcpy(&got, sched_kept(s, 1, 0, 0, &bytes), 8);
    ck_assert_uint_eq(got, id);
}
END_TEST

START_TEST(a_failed_write_is_cleaned_up)
{
    join(1, 5, 2);
    submit(1, "2w");
    failed_with(get(1, 0, 0), ERR_DIVIDE_BY_ZERO);
    ck_assert_uint_eq(aborts, 1);
    ck_assert_uint_eq(kills, 1);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelling_kills_and_releases)
{
    join(1, 5, 2);
    join(2, 5, 2);
    submit(1, "4r");
    cancel(1);
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_int_eq(end_error.code, ERR_CANCELLED);
    ck_assert_uint_eq(kills, 2);
    ck_assert_uint_eq(releases, 2);
}
END_TEST

START_TEST(only_executors_that_took_part_are_told)
{
    join(1, 5, 4);
    join(2, 5, 4);
    submit(1, "1r");
    done(get(1, 0, 0));
    ck_assert_uint_eq(releases, 1);
}
END_TEST

START_TEST(killed_attempts_keep_their_slot_until_let_go)
{
    join(1, 5, 1);
    submit(1, "1r");
    struct run *r = get(1, 0, 0);
    cancel(1);
    ck_assert_uint_eq(running_of(1), 1);
    failed_with(r, ERR_CANCELLED);
    ck_assert_uint_eq(running_of(1), 0);
    ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(a_slot_let_go_wakes_the_next_job)
{
    join(1, 5, 1);
    submit(1, "2r");
    submit(2, "1r");
    struct run *a = get(1, 0, 0), *b = get(1, 0, 1);
    cancel(1);
    failed_with(a, ERR_CANCELLED);
    failed_with(b, ERR_CANCELLED);
    get(2, 0, 0);
}
END_TEST

START_TEST(cancelling_twice_or_too_late_does_nothing)
{
    join(1, 5, 1);
    submit(1, "1w");
    done(get(1, 0, 0));
    cancel(1);
    ck_assert_int_eq(state(1), JOB_COMMITTING);
    commit_done(1, true);
    cancel(1);
    cancel(42);
    ck_assert_int_eq(state(1), JOB_DONE);
    ck_assert_uint_eq(sched_stale_events(s), 3);
}
END_TEST

START_TEST(cancelling_one_job_leaves_the_others)
{
    join(1, 5, 4);
    submit(1, "2r");
    submit(2, "2r");
    cancel(1);
    finish_stage(2, 0, 2);
    ck_assert_int_eq(state(2), JOB_DONE);
}
END_TEST

/* ---- unknown, late, twice ---- */

START_TEST(duplicate_completions_are_counted_and_ignored)
{
    join(1, 5, 2);
    submit(1, "2r");
    struct run *r = get(1, 0, 0);
    done(r);
    done_as(r, 5);
    ck_assert_uint_eq(stage(1, 0).done, 1);
    ck_assert_uint_eq(sched_stale_events(s), 1);
}
END_TEST

START_TEST(attempts_of_others_are_ignored)
{
    join(1, 5, 1);
    join(2, 5, 1);
    submit(1, "2r");
    struct run forged = *get(1, 0, 0);
    forged.executor = 3 - forged.executor;
    done_as(&forged, 5);
    ck_assert_uint_eq(stage(1, 0).done, 0);
    ck_assert_uint_eq(sched_stale_events(s), 1);
}
END_TEST

START_TEST(unknown_attempts_and_executors_are_ignored)
{
    struct run nobody = {.id = 12345, .executor = 9};
    done_as(&nobody, 1);
    failed_with(&nobody, ERR_IO);
    join(1, 5, 1);
    nobody.executor = 1;
    nobody.incarnation = 5;
    failed_with(&nobody, ERR_IO);
    ck_assert_uint_eq(sched_stale_events(s), 3);
}
END_TEST

START_TEST(a_timer_without_need_does_nothing)
{
    join(1, 5, 1);
    submit(1, "1r");
    now += 10ll * WAIT_US;
    timer();
    ck_assert_int_eq(state(1), JOB_RUNNING);
}
END_TEST

/* ---- figures ---- */

START_TEST(rows_of_lost_outputs_are_taken_off)
{
    join(1, 5, 2);
    submit(1, "2 1<0r");
    uint64_t a = get(1, 0, 0)->id;
    finish_stage(1, 0, 2);
    ck_assert_uint_eq(stage(1, 0).rows_out, 20);
    fetch_failed_one(get(1, 1, 0), 0, 0, a);
    ck_assert_uint_eq(stage(1, 0).rows_out, 10);
    done(get(1, 0, 0));
    ck_assert_uint_eq(stage(1, 0).rows_out, 20);
}
END_TEST

START_TEST(memory_per_task_is_bounded)
{
    join(1, 5, 1);
    submit(1, "100000 1<0r");
    ck_assert_uint_le(sched_job_bytes(s, 1), 64ull * 100001 + 2 * 16384);
    cancel(1);
    ck_assert_uint_le(sched_job_bytes(s, 1), 2 * 16384);
}
END_TEST

START_TEST(launch_to_result_is_measured)
{
    join(1, 5, 1);
    submit(1, "1r");
    now += 1000;
    done(get(1, 0, 0));
    ck_assert_uint_ge(stage(1, 0).p50_us, 1000);
    ck_assert_uint_le(stage(1, 0).p99_us, 1280);
}
END_TEST

START_TEST(histogram_buckets_fit_together)
{
    struct latency l = {0};
    for (uint64_t us = 0; us < 100000; us++) {
        uint32_t b = latency_bucket(us);
        ck_assert_uint_ge(latency_edge(b), us);
        ck_assert(b == 0 || latency_edge(b - 1) < us);
        ck_assert_uint_le(latency_edge(b), us + us / 4);
        latency_add(&l, (int64_t)us);
    }
    ck_assert_uint_lt(latency_bucket(UINT64_MAX), LATENCY_BUCKETS);
    ck_assert_uint_ge(latency_at(&l, 0.5), 49999);
    ck_assert_uint_le(latency_at(&l, 0.5), 62499);
}
END_TEST

START_TEST(old_jobs_are_forgotten_running_ones_never)
{
    struct job_view v;
    uint32_t n = 0;
    join(1, 5, 2);
    submit(1, "1r");
    for (uint64_t j = 2; j < SCHED_JOBS_KEPT + 50; j++) {
        submit(j, "1r");
        struct run *r = get(j, 0, 0);
        done(r);
        *r = runs[--run_count];
    }
    while (sched_job_at(s, n, &v))
        n++;
    ck_assert_uint_le(n, SCHED_JOBS_KEPT + 2);
    ck_assert_int_eq(state(1), JOB_RUNNING);
    ck_assert(!sched_job_view(s, 2, &v));
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    ADD_TESTS(tc, one_task_runs_and_ends, children_wait_for_their_parents, independent_stages_run_side_by_side, jobs_go_in_order,
              a_later_job_takes_what_the_first_leaves, every_slot_is_filled, a_small_stage_is_shared,
              an_executor_that_comes_later_gets_work, completions_come_in_batches, launches_are_batched,
              short_tasks_are_queued_ahead, attempt_ids_grow_from_the_first, tasks_go_near_their_data,
              a_place_can_be_one_executor, nobody_waits_for_a_place, a_single_task_goes_where_most_bytes_lie,
              a_write_commits_once, a_commit_that_fails_fails_the_job, a_commit_outlives_its_executors,
              a_lost_writer_is_replaced_and_only_one_counts, a_failed_write_is_cleaned_up, cancelling_kills_and_releases,
              only_executors_that_took_part_are_told, killed_attempts_keep_their_slot_until_let_go,
              a_slot_let_go_wakes_the_next_job, cancelling_twice_or_too_late_does_nothing, cancelling_one_job_leaves_the_others,
              duplicate_completions_are_counted_and_ignored, attempts_of_others_are_ignored,
              unknown_attempts_and_executors_are_ignored, a_timer_without_need_does_nothing, rows_of_lost_outputs_are_taken_off,
              memory_per_task_is_bounded, launch_to_result_is_measured, histogram_buckets_fit_together,
              old_jobs_are_forgotten_running_ones_never);
}

SUITE_MAIN("sched", add)
