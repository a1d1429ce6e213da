/* The scheduler's rules, one by one: attempts that fail, executors and outputs that are lost, and what is done again. */
#include "tests/unit/sched_by_hand.h"

/* ---- failures ---- */

START_TEST(a_failed_task_is_tried_four_times)
{
    join(1, 5, 1);
    submit(1, "1r");
    for (int i = 0; i < 3; i++) {
        failed_with(get(1, 0, 0), ERR_IO);
        ck_assert_int_eq(state(1), JOB_RUNNING);
    }
    failed_with(get(1, 0, 0), ERR_IO);
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_int_eq(end_error.code, ERR_IO);
    ck_assert_str_eq(error_param_get(&end_error, "message"), "injected");
}
END_TEST

START_TEST(failures_of_other_tasks_do_not_add_up)
{
    join(1, 5, 3);
    submit(1, "3r");
    for (int i = 0; i < 3; i++) {
        for (uint32_t p = 0; p < 3; p++)
            failed_with(get(1, 0, p), ERR_IO);
    }
    ck_assert_int_eq(state(1), JOB_RUNNING);
}
END_TEST

START_TEST(an_error_that_never_goes_away_is_not_tried_again)
{
    join(1, 5, 1);
    submit(1, "1r");
    failed_with(get(1, 0, 0), ERR_DIVIDE_BY_ZERO);
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_uint_eq(run_count, 1);
}
END_TEST

START_TEST(a_retry_prefers_another_executor)
{
    join(1, 5, 2);
    join(2, 5, 2);
    submit(1, "2r");
    struct run *r = get(1, 0, 0);
    uint64_t first = r->executor;
    failed_with(r, ERR_IO);
    ck_assert_uint_ne(get(1, 0, 0)->executor, first);
}
END_TEST

START_TEST(a_retry_takes_the_same_executor_when_it_is_the_only_one)
{
    join(1, 5, 1);
    submit(1, "1r");
    failed_with(get(1, 0, 0), ERR_IO);
    ck_assert_uint_eq(get(1, 0, 0)->executor, 1);
}
END_TEST

START_TEST(a_retry_comes_back_when_the_others_are_lost)
{
    join(1, 5, 1);
    join(2, 5, 1);
    submit(1, "4r");
    struct run *r = find(1, 0, 0);
    uint64_t bad = r->executor, other = 3 - bad;
    failed_with(r, ERR_IO);
    lose(other, 5);
    for (int i = 0; i < 10 && !find(1, 0, 0); i++)
        for (uint32_t p = 1; p < 4; p++)
            if (find(1, 0, p))
                done(get(1, 0, p));
    ck_assert_uint_eq(get(1, 0, 0)->executor, bad);
}
END_TEST

START_TEST(failed_attempts_are_counted)
{
    join(1, 5, 1);
    submit(1, "1r");
    failed_with(get(1, 0, 0), ERR_IO);
    done(get(1, 0, 0));
    ck_assert_uint_eq(stage(1, 0).failed_attempts, 1);
    ck_assert_uint_eq(stage(1, 0).attempts, 2);
}
END_TEST

/* ---- lost executors ---- */

START_TEST(a_lost_executor_costs_only_what_it_ran)
{
    join(1, 5, 1);
    join(2, 5, 1);
    submit(1, "2r");
    uint64_t kept = runs[0].executor == 1 ? runs[0].id : runs[1].id;
    lose(2, 5);
    ck_assert_ptr_nonnull(find(1, 0, 0));
    done(runs[0].id == kept ? &runs[0] : &runs[1]);
    ck_assert_uint_eq(run_count, 3);
}
END_TEST

START_TEST(a_lost_executor_is_no_failure_of_its_tasks)
{
    submit(1, "1r");
    for (uint64_t i = 1; i <= 10; i++) {
        join(i, 5, 1);
        get(1, 0, 0);
        lose(i, 5);
    }
    ck_assert_int_eq(state(1), JOB_RUNNING);
    ck_assert_uint_eq(stage(1, 0).failed_attempts, 0);
}
END_TEST

START_TEST(a_task_that_takes_executors_with_it_ends_its_job)
{
    submit(1, "1 1<0r");
    for (uint64_t i = 1; i <= 16; i++) {
        ck_assert_int_eq(end_error.code, ERR_OK);
        join(i, 10, 1);
        get(1, 0, 0);
        lose(i, 10);
    }
    ck_assert_int_eq(end_error.code, ERR_JOB_FAILED);
    const char *message = error_param_get(&end_error, "message");
    ck_assert(strstr(message, "16 executors") && strstr(message, "partition 0 of stage 0") && strstr(message, "signal 9"));
}
END_TEST

START_TEST(only_lost_outputs_are_made_again)
{
    join(1, 5, 2);
    join(2, 5, 2);
    submit(1, "4 1<0r");
    uint32_t on1 = 0;
    for (uint32_t p = 0; p < 4; p++)
        on1 += get(1, 0, p)->executor == 1;
    finish_stage(1, 0, 4);
    uint32_t before = run_count;
    lose(1, 5);
    uint32_t again = 0;
    for (uint32_t i = before; i < run_count; i++)
        again += runs[i].stage == 0;
    ck_assert_uint_eq(again, on1);
    ck_assert_uint_eq(stage(1, 0).done, 4 - on1);
}
END_TEST

/* Done, and its output, the attempt's id, rides. */
static uint64_t done_riding(struct run *r)
{
    struct attempt_result res = {.attempt_id = r->id, .rows_out = 10, .bytes_out = 100, .run_us = 1000, .output = &r->id, .output_bytes = sizeof r->id};
    r->over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = r->executor, .incarnation = r->incarnation, .done_count = 1, .done = &res});
    return r->id;
}

static uint64_t kept(uint32_t stage, uint32_t partition)
{
    uint64_t id = 0;
    uint32_t bytes;
    const void *p = sched_kept(s, 1, stage, partition, &bytes);
    ck_assert(p ? bytes == sizeof id : bytes == 0);
    if (p)
        memcpy(&id, p, sizeof id);
    return id;
}

START_TEST(outputs_that_ride_outlive_their_executors)
{
    uint64_t executor, attempt, rode[4];
    join(1, 5, 2);
    join(2, 5, 2);
    submit(1, "4 1<0r");
    for (uint32_t p = 0; p < 4; p++)
        rode[p] = p < 3 ? done_riding(get(1, 0, p)) : done(get(1, 0, p));
    for (uint32_t p = 0; p < 4; p++) {
        ck_assert(sched_output(s, 1, 0, p, &executor, &attempt) && attempt == rode[p]);
        ck_assert_int_eq(executor == 0, p < 3);
        ck_assert_uint_eq(kept(0, p), p < 3 ? rode[p] : 0);
    }
    uint64_t holder = executor;
    ck_assert_uint_eq(get(1, 1, 0)->executor, holder); /* what rode pulls nowhere */
    uint32_t before = run_count;
    lose(3 - holder, 5);
    ck_assert_uint_eq(run_count, before);
    lose(holder, 5);
    join(3, 5, 4);
    ck_assert_ptr_null(find(1, 0, 0));
    done(get(1, 0, 3));
    done(get(1, 1, 0));
    ck_assert_int_eq(state(1), JOB_DONE);
    ck_assert_uint_eq(kept(0, 0), 0); /* let go with the job */
}
END_TEST

START_TEST(a_damaged_output_that_rode_is_made_again)
{
    uint64_t executor, attempt;
    join(1, 5, 2);
    submit(1, "2 1<0r");
    uint64_t first = done_riding(get(1, 0, 0));
    done_riding(get(1, 0, 1));
    fetch_failed_one(get(1, 1, 0), 0, 0, first);
    ck_assert_uint_eq(kept(0, 0), 0);
    ck_assert(!sched_output(s, 1, 0, 0, &executor, &attempt));
    ck_assert_ptr_null(find(1, 0, 1));
    done(get(1, 0, 0)); /* it does not ride this time */
    ck_assert(sched_output(s, 1, 0, 0, &executor, &attempt) && executor == 1);
    fetch_failed_one(get(1, 1, 0), 0, 0, first); /* old news */
    ck_assert_ptr_null(find(1, 0, 0));
    done(get(1, 1, 0));
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(outputs_that_nobody_needs_are_not_made_again)
{
    join(1, 5, 1);
    submit(1, "1 1<0 1<1r");
    done(get(1, 0, 0));
    join(2, 5, 1);
    done(get(1, 1, 0));
    get(1, 2, 0);
    lose(1, 5); /* held stage 0 and, unless it went to 2, stage 1 */
    ck_assert_uint_le(stage(1, 0).attempts, 2);
    ck_assert_int_eq(state(1), JOB_RUNNING);
}
END_TEST

START_TEST(inputs_lost_earlier_are_noticed_when_they_are_needed_again)
{
    join(1, 5, 1);
    submit(1, "1 2<0 1<1r");
    done(get(1, 0, 0)); /* on 1 */
    join(2, 5, 1);
    while (find(1, 1, 0) || find(1, 1, 1)) {
        struct run *r = find(1, 1, 0);
        done(r ? r : get(1, 1, 1));
    }
    ck_assert_int_eq(stage(1, 1).state, STAGE_COMPLETE);
    struct run *reader = get(1, 2, 0);
    if (reader->executor == 1) { /* make it run on 2, so that 1 may go */
        failed_with(reader, ERR_IO);
        reader = get(1, 2, 0);
    }
    lose(1, 5);
    /* whatever of stage 1 lay on 1 needs stage 0 again, which lay there too */
    if (stage(1, 1).state != STAGE_COMPLETE)
        ck_assert_int_eq(stage(1, 0).done, 0);
    for (int i = 0; i < 10; i++) {
        finish_stage(1, 0, 1);
        finish_stage(1, 1, 2);
        finish_stage(1, 2, 1);
    }
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(finished_results_stay_finished)
{
    join(1, 5, 1);
    submit(1, "2r");
    done(get(1, 0, 0));
    lose(1, 5);
    ck_assert_uint_eq(stage(1, 0).done, 1);
    join(2, 5, 1);
    ck_assert_ptr_null(find(1, 0, 0));
    done(get(1, 0, 1));
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(a_new_incarnation_replaces_the_old)
{
    join(1, 5, 1);
    submit(1, "1r");
    struct run old = *get(1, 0, 0);
    runs[0].over = true;
    join(1, 6, 1);
    struct run *r = get(1, 0, 0);
    ck_assert_uint_eq(r->incarnation, 6);
    uint64_t stale = sched_stale_events(s);
    done_as(&old, 5);
    ck_assert_uint_eq(sched_stale_events(s), stale + 1);
    ck_assert_int_eq(state(1), JOB_RUNNING);
    done(r);
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(an_older_incarnation_is_refused)
{
    join(1, 6, 1);
    join(1, 5, 9);
    ck_assert_uint_eq(sched_stale_events(s), 1);
    submit(1, "9r");
    ck_assert_uint_lt(running_of(1), 9);
}
END_TEST

START_TEST(the_loss_of_an_old_incarnation_is_old_news)
{
    join(1, 5, 1);
    join(1, 6, 1);
    submit(1, "1r");
    lose(1, 5);
    ck_assert_uint_eq(sched_stale_events(s), 1);
    get(1, 0, 0);
}
END_TEST

START_TEST(a_loss_is_told_once)
{
    join(1, 5, 1);
    lose(1, 5);
    lose(1, 5);
    ck_assert_uint_eq(sched_stale_events(s), 1);
}
END_TEST

START_TEST(lost_executors_are_forgotten_in_time)
{
    struct executor_view v;
    uint32_t n = 0;
    for (uint64_t i = 1; i <= 3 * SCHED_EXECUTORS_KEPT; i++) {
        now++;
        join(i, 5, 1);
        lose(i, 5);
    }
    while (sched_executor_at(s, n, &v))
        n++;
    ck_assert_uint_le(n, SCHED_EXECUTORS_KEPT + 2);
}
END_TEST

/* ---- no executors ---- */

START_TEST(without_executors_a_job_waits_then_fails_with_the_cause)
{
    join(1, 5, 1);
    submit(1, "1r");
    now += 500;
    lose(1, 5);
    ck_assert_int_eq(timer_at, now + WAIT_US);
    now = timer_at - 1;
    timer();
    ck_assert_int_eq(state(1), JOB_RUNNING);
    now++;
    timer();
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_int_eq(end_error.code, ERR_NO_EXECUTORS);
    ck_assert_ptr_nonnull(strstr(error_param_get(&end_error, "reason"), "signal 9"));
}
END_TEST

START_TEST(an_executor_in_time_saves_the_job)
{
    submit(1, "1r");
    now = timer_at - 1;
    join(1, 5, 1);
    now += 2;
    timer();
    done(get(1, 0, 0));
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

START_TEST(each_job_waits_its_whole_time)
{
    submit(1, "1r");
    now += WAIT_US / 2;
    submit(2, "1r");
    now = 1000 + WAIT_US;
    timer();
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_int_eq(state(2), JOB_RUNNING);
    ck_assert_int_eq(timer_at, 1000 + WAIT_US / 2 + WAIT_US);
    now = timer_at;
    timer();
    ck_assert_int_eq(state(2), JOB_FAILED);
}
END_TEST

/* ---- fetch failures ---- */

START_TEST(a_failed_fetch_makes_only_that_output_again)
{
    join(1, 5, 4);
    submit(1, "3 2<0r");
    uint64_t a1 = get(1, 0, 1)->id;
    finish_stage(1, 0, 3);
    fetch_failed_one(get(1, 1, 0), 0, 1, a1);
    ck_assert_uint_eq(stage(1, 0).done, 2);
    get(1, 0, 1);
    ck_assert_ptr_null(find(1, 0, 0));
    ck_assert_ptr_nonnull(find(1, 1, 1)); /* the other reader goes on */
    ck_assert_ptr_null(find(1, 1, 0));    /* this one waits */
    done(get(1, 0, 1));
    get(1, 1, 0);
}
END_TEST

START_TEST(what_could_not_be_fetched_is_made_elsewhere)
{
    join(1, 5, 2);
    join(2, 5, 2);
    submit(1, "2 2<0r");
    struct run *r = get(1, 0, 0);
    uint64_t dead = r->executor, a = r->id;
    finish_stage(1, 0, 2);
    struct run *reader = get(1, 1, 0)->executor == dead ? get(1, 1, 1) : get(1, 1, 0);
    fetch_failed_one(reader, 0, 0, a); /* the driver does not know of the death yet */
    ck_assert_uint_ne(get(1, 0, 0)->executor, dead);
    lose(3 - dead, 5); /* nobody else is there now */
    ck_assert_uint_eq(get(1, 0, 0)->executor, dead);
}
END_TEST

START_TEST(a_failed_fetch_is_no_failure_of_the_task)
{
    join(1, 5, 2);
    submit(1, "1 1<0r");
    for (int i = 0; i < 3; i++) {
        uint64_t a = done(get(1, 0, 0));
        fetch_failed_one(get(1, 1, 0), 0, 0, a);
    }
    done(get(1, 0, 0));
    failed_with(get(1, 1, 0), ERR_IO);
    ck_assert_int_eq(state(1), JOB_RUNNING);
}
END_TEST

START_TEST(a_stage_is_not_made_again_for_ever)
{
    join(1, 5, 2);
    submit(1, "1 1<0r");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(state(1), JOB_RUNNING);
        uint64_t a = done(get(1, 0, 0));
        fetch_failed_one(get(1, 1, 0), 0, 0, a);
    }
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_ptr_nonnull(strstr(error_param_get(&end_error, "message"), "gone"));
}
END_TEST

START_TEST(many_readers_of_one_loss_are_one_loss)
{
    join(1, 5, 16);
    submit(1, "8 8<0r");
    uint64_t a[8];
    for (uint32_t p = 0; p < 8; p++)
        a[p] = get(1, 0, p)->id;
    finish_stage(1, 0, 8);
    for (uint32_t p = 0; p < 8; p++) /* more than stage_reruns_max */
        fetch_failed_one(get(1, 1, p), 0, p, a[p]);
    ck_assert_int_eq(state(1), JOB_RUNNING);
    ck_assert_uint_eq(stage(1, 0).reruns, 1);
}
END_TEST

START_TEST(one_report_may_name_many_outputs)
{
    join(1, 5, 8);
    submit(1, "4 1<0r");
    uint64_t a[4];
    for (uint32_t p = 0; p < 4; p++)
        a[p] = get(1, 0, p)->id;
    finish_stage(1, 0, 4);
    fetch_failed(get(1, 1, 0), 0, 2, (uint32_t[]){1, 3}, (uint64_t[]){a[1], a[3]});
    ck_assert_uint_eq(stage(1, 0).done, 2);
    get(1, 0, 1);
    get(1, 0, 3);
}
END_TEST

START_TEST(an_output_made_anew_is_not_lost_by_old_reports)
{
    join(1, 5, 4);
    submit(1, "1 2<0r");
    uint64_t old = done(get(1, 0, 0));
    fetch_failed_one(get(1, 1, 0), 0, 0, old);
    done(get(1, 0, 0));
    fetch_failed_one(get(1, 1, 1), 0, 0, old);
    ck_assert_uint_eq(stage(1, 0).done, 1);
    get(1, 1, 1);
}
END_TEST

START_TEST(a_report_of_what_is_no_input_counts_as_a_failure)
{
    join(1, 5, 2);
    submit(1, "1 1<0r");
    uint64_t a = done(get(1, 0, 0));
    for (int i = 0; i < 3; i++)
        fetch_failed_one(get(1, 1, 0), 7, 0, a);
    ck_assert_uint_eq(stage(1, 0).done, 1);
    fetch_failed_one(get(1, 1, 0), 0, 99, a);
    ck_assert_int_eq(state(1), JOB_FAILED);
}
END_TEST

/* ---- determinism ---- */

START_TEST(readers_of_an_indeterminate_stage_start_over)
{
    join(1, 5, 8);
    submit(1, "2x 3<0 1<1r");
    uint64_t a = get(1, 0, 0)->id;
    finish_stage(1, 0, 2);
    struct run *running = get(1, 1, 1);
    done(get(1, 1, 0));
    fetch_failed_one(get(1, 1, 2), 0, 0, a);
    ck_assert(running->killed);
    ck_assert_uint_eq(stage(1, 1).done, 0);
    ck_assert_uint_eq(stage(1, 0).done, 1); /* its other output stays */
    ck_assert_uint_eq(kills, 1);
}
END_TEST

START_TEST(what_read_the_readers_starts_over_too)
{
    join(1, 5, 8);
    submit(1, "1x 2<0 2<1 1<0,2w");
    uint64_t a = done(get(1, 0, 0));
    finish_stage(1, 1, 2);
    done(get(1, 2, 0));
    done(get(1, 2, 1));
    fetch_failed_one(get(1, 3, 0), 0, 0, a);
    ck_assert_int_eq(state(1), JOB_RUNNING);
    ck_assert_uint_eq(stage(1, 1).done, 0);
    ck_assert_uint_eq(stage(1, 2).done, 0);
}
END_TEST

START_TEST(a_killed_reader_that_ends_well_does_not_count)
{
    join(1, 5, 8);
    submit(1, "1x 2<0 1<1w");
    uint64_t a = done(get(1, 0, 0));
    struct run *running = get(1, 1, 1);
    fetch_failed_one(get(1, 1, 0), 0, 0, a);
    ck_assert(running->killed);
    done(running);
    ck_assert_uint_eq(stage(1, 1).done, 0);
}
END_TEST

START_TEST(unordered_stages_keep_their_readers)
{
    join(1, 5, 8);
    submit(1, "2u 2<0r");
    uint64_t a = get(1, 0, 0)->id;
    finish_stage(1, 0, 2);
    done(get(1, 1, 0));
    fetch_failed_one(get(1, 1, 1), 0, 0, a);
    ck_assert_uint_eq(stage(1, 1).done, 1);
}
END_TEST

START_TEST(rows_delivered_cannot_be_taken_back)
{
    join(1, 5, 8);
    submit(1, "2x 2<0r");
    uint64_t a = get(1, 0, 0)->id;
    finish_stage(1, 0, 2);
    event((struct sched_event){.kind = SCHED_ROWS_DELIVERED, .attempt_id = get(1, 1, 0)->id});
    fetch_failed_one(get(1, 1, 1), 0, 0, a);
    ck_assert_int_eq(state(1), JOB_FAILED);
    ck_assert_ptr_nonnull(strstr(error_param_get(&end_error, "message"), "delivered"));
}
END_TEST

START_TEST(results_wait_for_a_slow_client)
{
    submit(1, "40r");
    event((struct sched_event){.kind = SCHED_RESULT_LIMIT, .job_id = 1, .limit = 3});
    join(1, 5, 8);
    join(2, 6, 8);
    ck_assert_uint_eq(run_count, 3);
    lose(1, 5); /* what was launched before runs again whatever the limit */
    ck_assert_uint_eq(stage(1, 0).running, 3);
    done(get(1, 0, 2));
    ck_assert_uint_eq(stage(1, 0).running, 2);
    event((struct sched_event){.kind = SCHED_RESULT_LIMIT, .job_id = 1, .limit = 4});
    ck_assert_ptr_nonnull(find(1, 0, 3));
    ck_assert_ptr_null(find(1, 0, 4));
    event((struct sched_event){.kind = SCHED_RESULT_LIMIT, .job_id = 1, .limit = UINT32_MAX});
    ck_assert_ptr_nonnull(find(1, 0, 4));
}
END_TEST

START_TEST(results_that_nobody_saw_can_start_over)
{
    join(1, 5, 8);
    submit(1, "2x 2<0r");
    uint64_t a = get(1, 0, 0)->id;
    finish_stage(1, 0, 2);
    fetch_failed_one(get(1, 1, 1), 0, 0, a);
    ck_assert_int_eq(state(1), JOB_RUNNING);
    done(get(1, 0, 0));
    finish_stage(1, 1, 2);
    ck_assert_int_eq(state(1), JOB_DONE);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    ADD_TESTS(tc, a_failed_task_is_tried_four_times, failures_of_other_tasks_do_not_add_up,
              an_error_that_never_goes_away_is_not_tried_again, a_retry_prefers_another_executor,
              a_retry_takes_the_same_executor_when_it_is_the_only_one, a_retry_comes_back_when_the_others_are_lost,
              failed_attempts_are_counted, a_lost_executor_costs_only_what_it_ran, a_lost_executor_is_no_failure_of_its_tasks,
              a_task_that_takes_executors_with_it_ends_its_job, only_lost_outputs_are_made_again,
              outputs_that_ride_outlive_their_executors, a_damaged_output_that_rode_is_made_again,
              outputs_that_nobody_needs_are_not_made_again, inputs_lost_earlier_are_noticed_when_they_are_needed_again,
              finished_results_stay_finished, a_new_incarnation_replaces_the_old, an_older_incarnation_is_refused,
              the_loss_of_an_old_incarnation_is_old_news, a_loss_is_told_once, lost_executors_are_forgotten_in_time,
              without_executors_a_job_waits_then_fails_with_the_cause, an_executor_in_time_saves_the_job,
              each_job_waits_its_whole_time, a_failed_fetch_makes_only_that_output_again,
              what_could_not_be_fetched_is_made_elsewhere, a_failed_fetch_is_no_failure_of_the_task,
              a_stage_is_not_made_again_for_ever, many_readers_of_one_loss_are_one_loss, one_report_may_name_many_outputs,
              an_output_made_anew_is_not_lost_by_old_reports, a_report_of_what_is_no_input_counts_as_a_failure,
              readers_of_an_indeterminate_stage_start_over, what_read_the_readers_starts_over_too,
              a_killed_reader_that_ends_well_does_not_count, unordered_stages_keep_their_readers,
              rows_delivered_cannot_be_taken_back, results_wait_for_a_slow_client, results_that_nobody_saw_can_start_over);
}

SUITE_MAIN("sched_loss", add)
