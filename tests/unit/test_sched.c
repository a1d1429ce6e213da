/* The scheduler's rules, one by one: events by hand, actions looked at. After every event everything is recounted. */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>

#include "driver/sched/latency.h"
#include "driver/sched/sched.h"

enum { RUNS_MAX = 4096, WAIT_US = 30000000 };

struct run {
    uint64_t id, executor, incarnation, job;
    uint32_t stage, partition;
    bool killed, over;
};

static struct sched *s;
static int64_t now;
static struct run runs[RUNS_MAX];
static uint32_t run_count, launches, kills, releases, commits, aborts, ends;
static int64_t timer_at;
static struct error end_error;

static void drain(void)
{
    struct sched_action a;
    while (sched_next_action(s, &a)) {
        switch (a.kind) {
        case SCHED_LAUNCH:
            launches++;
            for (uint32_t i = 0; i < a.count; i++) {
                ck_assert_uint_lt(run_count, RUNS_MAX);
                for (uint32_t k = 0; k < run_count; k++)
                    ck_assert_uint_ne(runs[k].id, a.attempt_ids[i]);
                runs[run_count++] = (struct run){a.attempt_ids[i], a.executor_id, a.incarnation, a.job_id, a.stage, a.partitions[i], false, false};
            }
            break;
        case SCHED_KILL:
            kills++;
            for (uint32_t i = 0; i < a.count; i++) {
                for (uint32_t k = 0; k < run_count; k++) {
                    if (runs[k].id == a.attempt_ids[i]) {
                        ck_assert(!runs[k].killed && !runs[k].over && runs[k].executor == a.executor_id);
                        runs[k].killed = true;
                    }
                }
            }
            break;
        case SCHED_RELEASE: releases++; break;
        case SCHED_COMMIT: commits++; break;
        case SCHED_ABORT: aborts++; break;
        case SCHED_JOB_ENDED:
            ends++;
            error_fini(&end_error);
            error_copy(&end_error, &a.error);
            break;
        case SCHED_SET_TIMER: timer_at = a.at_us; break;
        }
    }
    sched_check(s);
    sched_check_idle(s);
}

static void event(struct sched_event ev)
{
    sched_event(s, now, &ev);
    drain();
}

static void set_up(void)
{
    struct sched_config c = {.max_failures = 4,
                             .losses_max = 16,
                             .stage_reruns_max = 3,
                             .executors_wait_us = WAIT_US,
                             .first_attempt = 77,
                             .driver_address = "d:1"};
    now = 1000;
    s = sched_new(&c);
    end_error = ERROR_INIT;
}

static void tear_down(void)
{
    error_fini(&end_error);
    sched_free(s);
}

static void join(uint64_t id, uint64_t incarnation, uint32_t slots)
{
    char *host = xasprintf("host%llu", (unsigned long long)id);
    event((struct sched_event){.kind = SCHED_EXECUTOR_JOINED, .executor_id = id, .incarnation = incarnation, .host = host, .slots = slots});
    xfree(host);
}

static void lose(uint64_t id, uint64_t incarnation)
{
    for (uint32_t i = 0; i < run_count; i++)
        runs[i].over |= runs[i].executor == id && runs[i].incarnation == incarnation;
    event((struct sched_event){.kind = SCHED_EXECUTOR_LOST, .executor_id = id, .incarnation = incarnation, .reason = "signal 9"});
}

/* "4 2<0 1<0,1r": stages of so many tasks, <parents, then r result, w writes, x indeterminate, u unordered. */
static void submit_near(uint64_t job, const char *dag, const uint32_t *prefer, uint32_t places, const char *const *names)
{
    struct stage_spec st[16] = {0};
    uint32_t parents[16][8], n = 0;
    for (const char *p = dag; *p; n++) {
        st[n].task_count = (uint32_t)strtoul(p, (char **)(uintptr_t)&p, 10);
        st[n].parents = parents[n];
        st[n].prefer = n == 0 ? prefer : NULL;
        if (*p == '<') {
            do
                parents[n][st[n].parent_count++] = (uint32_t)strtoul(p + 1, (char **)(uintptr_t)&p, 10);
            while (*p == ',');
        }
        for (; isalpha((unsigned char)*p); p++) {
            st[n].result |= *p == 'r';
            st[n].writes |= *p == 'w';
            st[n].determinism = *p == 'x' ? SCHED_INDETERMINATE : *p == 'u' ? SCHED_UNORDERED : st[n].determinism;
        }
        while (*p == ' ')
            p++;
    }
    struct job_spec spec = {.job_id = job, .stage_count = n, .stages = st, .place_count = places, .places = names};
    event((struct sched_event){.kind = SCHED_JOB_SUBMIT, .job_id = job, .spec = &spec});
}

static void submit(uint64_t job, const char *dag)
{
    submit_near(job, dag, NULL, 0, NULL);
}

/* The attempt that runs for a task now, or NULL. */
static struct run *find(uint64_t job, uint32_t stage, uint32_t partition)
{
    for (uint32_t i = run_count; i-- > 0;) {
        if (runs[i].job == job && runs[i].stage == stage && runs[i].partition == partition && !runs[i].killed && !runs[i].over)
            return &runs[i];
    }
    return NULL;
}

static struct run *get(uint64_t job, uint32_t stage, uint32_t partition)
{
    struct run *r = find(job, stage, partition);
    ck_assert_ptr_nonnull(r);
    return r;
}

static void done_as(const struct run *r, uint64_t incarnation)
{
    struct attempt_result res = {.attempt_id = r->id, .rows_out = 10, .bytes_out = 100 + r->partition, .run_us = 1000, .manifest = &r->id, .manifest_bytes = 8};
    event((struct sched_event){.kind = SCHED_ATTEMPTS_DONE, .executor_id = r->executor, .incarnation = incarnation, .done_count = 1, .done = &res});
}

static uint64_t done(struct run *r)
{
    r->over = true;
    done_as(r, r->incarnation);
    return r->id;
}

static void failed_with(struct run *r, enum errcode code)
{
    struct error err = ERROR_INIT;
    error_set(&err, code, "message", "injected", "path", "p", NULL);
    r->over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPT_FAILED, .executor_id = r->executor, .incarnation = r->incarnation, .attempt_id = r->id, .error = &err});
    error_fini(&err);
}

static void fetch_failed(struct run *r, uint32_t stage, uint32_t count, const uint32_t *partitions, const uint64_t *attempts)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_FETCH_FAILED, "message", "gone", NULL);
    r->over = true;
    event((struct sched_event){.kind = SCHED_ATTEMPT_FAILED, .executor_id = r->executor, .incarnation = r->incarnation, .attempt_id = r->id,
                               .error = &err, .fetch_failed = true, .lost_stage = stage, .lost_count = count,
                               .lost_partitions = partitions, .lost_attempts = attempts});
    error_fini(&err);
}

static void fetch_failed_one(struct run *r, uint32_t stage, uint32_t partition, uint64_t attempt)
{
    fetch_failed(r, stage, 1, &partition, &attempt);
}

static void cancel(uint64_t job)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_CANCELLED, "reason", " by hand", NULL);
    event((struct sched_event){.kind = SCHED_JOB_CANCEL, .job_id = job, .error = &err});
}

static void commit_done(uint64_t job, bool ok)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_IO, "path", "/out", "message", "full", NULL);
    event((struct sched_event){.kind = SCHED_COMMIT_DONE, .job_id = job, .error = ok ? NULL : &err});
    error_fini(&err);
}

static void timer(void)
{
    event((struct sched_event){.kind = SCHED_TIMER});
}

static void finish_stage(uint64_t job, uint32_t stage, uint32_t tasks)
{
    for (uint32_t p = 0; p < tasks; p++) {
        struct run *r = find(job, stage, p);
        if (r)
            done(r);
    }
}

static enum job_state state(uint64_t job)
{
    struct job_view v;
    ck_assert(sched_job_view(s, job, &v));
    return v.state;
}

static struct stage_view stage(uint64_t job, uint32_t i)
{
    struct stage_view v;
    ck_assert(sched_stage_view(s, job, i, &v));
    return v;
}

static uint32_t running_of(uint64_t executor)
{
    struct executor_view v;
    for (uint32_t i = 0; sched_executor_at(s, i, &v); i++) {
        if (v.executor_id == executor && v.state == EXECUTOR_LIVE)
            return v.running;
    }
    return 0;
}

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

int main(void)
{
    const struct {
        const char *name;
        const TTest *test;
    } tests[] = {
#define T(x) {#x, x}
        T(one_task_runs_and_ends), T(children_wait_for_their_parents), T(independent_stages_run_side_by_side), T(jobs_go_in_order),
        T(a_later_job_takes_what_the_first_leaves), T(every_slot_is_filled), T(a_small_stage_is_shared),
        T(an_executor_that_comes_later_gets_work), T(completions_come_in_batches), T(launches_are_batched),
        T(short_tasks_are_queued_ahead), T(attempt_ids_grow_from_the_first), T(tasks_go_near_their_data), T(a_place_can_be_one_executor),
        T(nobody_waits_for_a_place), T(a_single_task_goes_where_most_bytes_lie), T(a_failed_task_is_tried_four_times),
        T(failures_of_other_tasks_do_not_add_up), T(an_error_that_never_goes_away_is_not_tried_again),
        T(a_retry_prefers_another_executor), T(a_retry_takes_the_same_executor_when_it_is_the_only_one),
        T(a_retry_comes_back_when_the_others_are_lost), T(failed_attempts_are_counted), T(a_lost_executor_costs_only_what_it_ran),
        T(a_lost_executor_is_no_failure_of_its_tasks), T(a_task_that_takes_executors_with_it_ends_its_job),
        T(only_lost_outputs_are_made_again),
        T(outputs_that_ride_outlive_their_executors), T(a_damaged_output_that_rode_is_made_again),
        T(outputs_that_nobody_needs_are_not_made_again), T(inputs_lost_earlier_are_noticed_when_they_are_needed_again),
        T(finished_results_stay_finished), T(a_new_incarnation_replaces_the_old), T(an_older_incarnation_is_refused),
        T(the_loss_of_an_old_incarnation_is_old_news), T(a_loss_is_told_once), T(lost_executors_are_forgotten_in_time),
        T(without_executors_a_job_waits_then_fails_with_the_cause), T(an_executor_in_time_saves_the_job),
        T(each_job_waits_its_whole_time), T(a_failed_fetch_makes_only_that_output_again),
        T(what_could_not_be_fetched_is_made_elsewhere), T(a_failed_fetch_is_no_failure_of_the_task),
        T(a_stage_is_not_made_again_for_ever), T(many_readers_of_one_loss_are_one_loss), T(one_report_may_name_many_outputs),
        T(an_output_made_anew_is_not_lost_by_old_reports), T(a_report_of_what_is_no_input_counts_as_a_failure),
        T(readers_of_an_indeterminate_stage_start_over), T(what_read_the_readers_starts_over_too),
        T(a_killed_reader_that_ends_well_does_not_count), T(unordered_stages_keep_their_readers), T(rows_delivered_cannot_be_taken_back),
        T(results_wait_for_a_slow_client), T(results_that_nobody_saw_can_start_over), T(a_write_commits_once), T(a_commit_that_fails_fails_the_job),
        T(a_commit_outlives_its_executors), T(a_lost_writer_is_replaced_and_only_one_counts), T(a_failed_write_is_cleaned_up),
        T(cancelling_kills_and_releases), T(only_executors_that_took_part_are_told), T(killed_attempts_keep_their_slot_until_let_go),
        T(a_slot_let_go_wakes_the_next_job), T(cancelling_twice_or_too_late_does_nothing), T(cancelling_one_job_leaves_the_others),
        T(duplicate_completions_are_counted_and_ignored), T(attempts_of_others_are_ignored),
        T(unknown_attempts_and_executors_are_ignored), T(a_timer_without_need_does_nothing), T(rows_of_lost_outputs_are_taken_off),
        T(memory_per_task_is_bounded), T(launch_to_result_is_measured), T(histogram_buckets_fit_together),
        T(old_jobs_are_forgotten_running_ones_never),
#undef T
    };
    Suite *suite = suite_create("sched");
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        TCase *tc = tcase_create(tests[i].name);
        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, tests[i].test);
        suite_add_tcase(suite, tc);
    }
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
