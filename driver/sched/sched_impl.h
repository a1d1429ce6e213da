/*
 * Shared inside the scheduler: its objects and what one file offers to the others. One file per noun: sched.c
 * (events, actions), job.c, stage.c (states, outputs and their loss), attempt.c, executor.c, launch.c (who gets what),
 * latency.h, view.c (reading), check.c (the recount).
 */
#pragma once

#include "driver/sched/latency.h"
#include "driver/sched/sched.h"

enum {
    NONE = UINT32_MAX,
    QUEUE_DEPTH_MAX = 256,  /* attempts ahead of one slot */
    QUEUE_AHEAD_US = 2000,  /* run time that is queued ahead of a slot: covers the round trip */
    SLOT_BITS = 24,         /* of an attempt's id; the rest is a counter that never comes back */
    FETCH_FAILURES_MAX = 100, /* of one task, in all: outputs that nobody misses cannot keep a job busy for ever */
    AVOID_SCAN = 64,        /* tasks looked at to find one that did not fail on this executor */
};

extern const struct sm job_sm, stage_sm, task_sm, attempt_sm, executor_sm;

struct task {
    uint8_t state, failures, fetch_failures;
    uint8_t losses;         /* executors lost while they held an attempt at it; no failures of its own, but not without end */
    bool launched;          /* ever: it is not among the fresh ones any more */
    bool delivered;         /* rows of it have gone to the client */
    uint32_t avoid;         /* executor index + 1 where it last failed, or whose output of it could not be read; 0: none */
    uint32_t attempt;       /* RUNNING: slot of its attempt */
    uint32_t executor;      /* DONE: index of the executor that holds the output, NONE: it rode here */
    uint64_t done_attempt;  /* DONE */
    uint64_t rows_out, bytes_out; /* DONE */
};
_Static_assert(sizeof(struct task) <= 64, "a job of a million tasks stays under 64 MB");

/* What the winning attempt left with the driver: a write's manifest, or an output that rode in its completion. */
struct kept {
    void *bytes;
    uint32_t count;
};

struct stage {
    struct stage_spec spec;
    uint32_t *parents;
    uint8_t state;
    struct task *tasks;         /* NULL once the job ended */
    struct kept *kept;          /* by task; NULL until one leaves something */
    uint32_t pending, running, done; /* tasks by state */
    uint32_t fresh;             /* tasks from here on were never launched, but for those taken by place */
    uint32_t *again;            /* pending tasks that were launched before */
    uint32_t again_count, again_cap;
    uint32_t *place_head, *place_next; /* fresh tasks by place; NULL without preferences */
    uint32_t limit;             /* tasks from here on are not launched for the first time, for now */
    uint32_t home;              /* executor index that a single task goes to, NONE */
    uint32_t reruns, version;
    struct stage_view view;     /* counters */
    struct latency latency;
};

struct job {
    struct job_spec spec;
    char **places;
    struct stage *stages;
    uint8_t state;
    bool delivered;             /* rows have gone to the client */
    uint32_t first_open;        /* stages before this one are complete */
    uint32_t held;              /* attempts that executors have not let go */
    uint64_t *touched;          /* bit set of executor indices that were sent anything */
    uint32_t touched_words;
    int64_t submitted_us, ended_us;
    struct error error;
    struct job *next, *prev;    /* active ones, in the order of submission */
    struct job *next_hash;
};

struct attempt {
    uint64_t id;
    uint8_t state;
    bool stalled;
    uint32_t stage, partition, executor;
    struct job *job;
    int64_t launched_us;
    uint32_t next, prev;        /* in its executor's list, or next free */
};

struct executor {
    uint64_t id, incarnation;
    uint8_t state;
    char *host, *place, *reason; /* place: "executor:ID" */
    uint32_t slots, running, stalled; /* stalled: of those running, in no slot */
    uint32_t outputs;           /* finished tasks of active jobs whose output it has or had: its index is still needed */
    uint32_t first;             /* attempt */
    uint32_t next_hash;         /* live ones */
    struct executor_view view;
};

struct queued {
    struct sched_action a;
    struct queued *next;
};

enum { JOB_BUCKETS = 1024, EXECUTOR_BUCKETS = 1024 };

struct sched {
    struct sched_config config;
    char *driver_address;
    struct job **jobs;          /* all that are remembered, in the order of submission */
    uint32_t job_count, job_cap, active_count;
    struct job *active, *active_last;
    struct job *by_id[JOB_BUCKETS];
    struct attempt *attempts;
    uint32_t attempt_cap, attempt_free;
    uint64_t next_attempt;
    struct executor *executors;
    uint32_t executor_count, executor_cap, live, next_executor;
    uint32_t live_by_id[EXECUTOR_BUCKETS];
    int64_t none_since;         /* when the last executor went; only looked at while there is none */
    int64_t timer_us;           /* the timer asked for, 0: none */
    char *last_loss;
    bool look_everywhere;       /* new work or new room beyond `room` */
    uint32_t room;              /* executor index that let attempts go, NONE */
    struct queued *head, **tail, *taken;
    uint64_t stale;
    struct latency latency;     /* of all jobs */
    int64_t now;
};

/* sched.c */
struct sched_action *sched_act(struct sched *s, enum sched_action_kind kind);
/* attempt.c */
struct attempt *sched_find_attempt(const struct sched *s, uint64_t id);
uint64_t sched_new_attempt(struct sched *s, struct job *job, uint32_t stage, uint32_t partition, uint32_t executor);
void sched_attempt_gone(struct sched *s, struct attempt *a);
void sched_on_stalled(struct sched *s, uint64_t attempt_id, bool stalled);
/* Kills what runs of a job, or of one stage of it unless that is NONE: one action per executor. */
void sched_kill(struct sched *s, struct job *job, uint32_t stage);
/* executor.c */
uint32_t sched_find_executor(const struct sched *s, uint64_t id, uint64_t incarnation); /* a live one, or NONE */
void sched_on_joined(struct sched *s, const struct sched_event *ev);
void sched_on_lost(struct sched *s, const struct sched_event *ev);
/* stage.c */
void sched_settle(struct sched *s, struct job *job);
void sched_requeue(struct sched *s, struct stage *st, uint32_t partition);
void sched_task_done(struct sched *s, struct job *job, uint32_t stage, uint32_t partition, uint32_t executor,
                     const struct attempt_result *r);
/* Takes back the named outputs that still count; how many did. May end the job. */
uint32_t sched_lose_named(struct sched *s, struct job *job, uint32_t stage, uint32_t count, const uint32_t *partitions,
                          const uint64_t *attempts);
/* Takes back all needed outputs that lie on lost executors. May end the job. */
void sched_lose_dead(struct sched *s, struct job *job);
bool sched_outputs_needed(const struct job *job, uint32_t stage);
void sched_drop_stage(struct sched *s, struct stage *st);
void sched_free_kept(struct stage *st);
/* job.c */
struct job *sched_find_job(const struct sched *s, uint64_t job_id);
void sched_on_submit(struct sched *s, const struct job_spec *spec);
void sched_end_job(struct sched *s, struct job *job, struct error *error);
void sched_check_job(struct sched *s, struct job *job);
void sched_job_free(struct job *job);
void sched_wait(struct sched *s);
void sched_on_timer(struct sched *s);
/* launch.c */
void sched_schedule(struct sched *s);

/* Attempts that want a slot. Those whose rows wait for their reader want none: else tasks that these wait for might. */
static inline uint32_t sched_occupied(const struct executor *e)
{
    return e->running - e->stalled;
}

/* A result that was delivered in part can only be continued by an attempt that gives the same rows in the same order. */
static inline bool sched_cannot_repeat(const struct stage *st, const struct task *t)
{
    return t->delivered && st->spec.determinism != SCHED_DETERMINATE;
}

static inline bool sched_is_touched(const struct job *job, uint32_t executor)
{
    return executor / 64 < job->touched_words && (job->touched[executor / 64] >> executor % 64 & 1);
}
