/* Shared by the two halves of the status: status.c has paths and lists, status_json.c what an object looks like. */
#pragma once

#include "driver/server/driver_impl.h"
#include "driver/server/json.h"

/* taskList answers at most so many, stages?details=true so many of a stage. */
enum { TASK_LIST_MAX = 1000, TASK_DETAILS_MAX = 200, QUANTILES_MAX = 16 };

/* A stage's state in Spark's words: PENDING, ACTIVE, COMPLETE, FAILED, SKIPPED. */
const char *stage_status(const struct job_view *job, const struct stage_view *v);
const char *job_status(enum job_state s);
const char *task_status(const struct task_record *t);
int64_t duration_ms(int64_t from_us, int64_t to_us); /* to 0: until now */

void sort_u64(uint64_t *values, uint32_t count);   /* ascending */

struct stage_options {
    bool details, summaries;
    const double *quantiles;
    uint32_t quantile_count;
};
void status_app(const struct app *app, struct json *j);
bool status_job(struct driver *dr, const struct statement *st, struct json *j); /* false, and nothing written: no job */
bool status_stage(struct driver *dr, const struct statement *st, uint32_t index, const struct stage_options *opt, struct json *j);
void status_task(struct driver *dr, const struct statement *st, const struct stage_record *sr, const struct task_record *t, struct json *j);
void status_task_summary(const struct stage_record *sr, const double *quantiles, uint32_t count, struct json *j);
void status_executor(struct driver *dr, const struct executor_view *v, struct json *j);
void status_sql(struct driver *dr, const struct statement *st, bool details, bool plan, struct json *j);
void status_settings(struct json *j);                                   /* key, default, meaning of each */
void status_metrics(struct driver *dr, struct buf *out); /* Prometheus' text; metrics.c */
void status_environment(struct driver *dr, const struct app *app, struct json *j);
