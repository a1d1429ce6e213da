/*
 * What the status page and the REST API know of statements, their stages and attempts after the operation itself is
 * gone. The states of what runs are read from the scheduler; this holds the rest: texts, shapes of stages, one record
 * an attempt, samples of the cluster's load. Everything is bounded: the oldest ended statements are forgotten, and
 * their attempts' records sooner than they. Thread: loop.
 */
#pragma once

#include "driver/physical/physical.h"
#include "driver/sched/sched.h"

enum {
    HISTORY_STATEMENTS = 1000,
    HISTORY_APPS = 200,          /* ended ones */
    HISTORY_TASKS = 200000,      /* attempts' records in all */
    HISTORY_SQL_BYTES = 64 << 10,
    HISTORY_PLAN_BYTES = 16 << 10, /* of each stage */
    HISTORY_SAMPLES = 300,       /* one a second */
};

/* A session, as an application of Spark's. */
struct app {
    char *id, *user;
    uint64_t number;
    int64_t started_us, ended_us; /* wall clock; ended 0: its client is there */
    uint32_t clients, statements; /* records that point here */
    struct app *next;             /* older */
};

enum record_outcome { RECORD_RUNNING, RECORD_DONE, RECORD_FAILED, RECORD_KILLED };

struct task_record {
    uint64_t attempt_id;
    int64_t launched_us, ended_us; /* monotonic; ended 0: runs */
    uint64_t run_us, rows_in, bytes_in, shuffle_bytes_in, rows_out, bytes_out, peak_memory;
    char *error;                   /* FAILED */
    uint32_t partition, executor_id;
    uint8_t number, outcome;       /* number: 0 for the first try at the partition */
};

struct stage_record {
    uint64_t id;                   /* unique in the driver's life: the REST API's stageId */
    char *name, *details;          /* "Scan orders, Filter, HashAggregate"; the plan */
    uint32_t task_count, parent_count;
    struct stage_parent *parents;
    char *failure;                 /* the first failed attempt: error and origin */
    uint32_t lost_attempts, killed_attempts;
    uint32_t *latest;              /* by partition: index of its newest record + 1 */
    struct task_record *tasks;     /* in the order of launches; NULL once forgotten */
    uint32_t task_records, task_cap, unrecorded;
};

enum statement_state { STATEMENT_RUNNING, STATEMENT_DONE, STATEMENT_FAILED };

struct statement {
    uint64_t number;               /* also the number of its job */
    struct app *app;
    char *sql;
    enum statement_state state;
    bool cancelled;                /* FAILED because somebody wished it to end */
    int64_t started_us, ended_us;  /* monotonic */
    uint64_t rows;                 /* that the client got */
    char *error;
    uint32_t stage_count;          /* 0: no job */
    struct stage_record *stages;
};

struct history_sample {
    int64_t at_us;                 /* wall clock */
    uint32_t slots, running;
    uint64_t memory, memory_used, resident;
    uint64_t tasks, rows_in, bytes_in, shuffle_bytes_in; /* since the driver's start */
};

struct history {
    struct statement **statements; /* oldest first */
    uint32_t count, cap;
    struct app *apps;              /* newest first */
    uint64_t begun, ended, failed, rows; /* statements in the driver's life, and the rows that clients got */
    uint64_t next_stage, task_total;
    struct history_sample totals, samples[HISTORY_SAMPLES];
    uint32_t sample_count, sample_next;
};

struct history *history_new(void);
void history_free(struct history *h); /* accepts NULL */
struct app *history_app(struct history *h, const char *id, uint64_t number, const char *user); /* found or made */
void history_app_opened(struct app *app);
void history_app_closed(struct app *app); /* a client went */
struct statement *history_begin(struct history *h, struct app *app, uint64_t number, const char *sql);
void history_planned(struct history *h, struct statement *st, const struct stage_dag *dag);
void history_end(struct history *h, struct statement *st, uint64_t rows, const struct error *err);
void history_launched(struct history *h, struct statement *st, const struct sched_action *launch);
void history_done(struct history *h, struct statement *st, uint32_t stage, uint32_t partition, const struct attempt_result *r);
void history_failed(struct statement *st, uint32_t stage, uint32_t partition, uint64_t attempt_id,
                    const struct error *err);
void history_executor_lost(struct history *h, uint64_t executor_id, const char *reason);
void history_add_sample(struct history *h, const struct history_sample *s); /* the counters are filled in here */
struct statement *history_find(const struct history *h, uint64_t number);
struct statement *history_find_stage(const struct history *h, uint64_t id, uint32_t *ret_index);
