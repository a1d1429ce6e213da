/*
 * The scheduler: jobs, stages, attempts, executors, map outputs and commits, as a deterministic state machine.
 *
 * PURE: events in, actions out. It reads no clock (every event carries the time), draws no random numbers, does no
 * I/O, never depends on the order of pointers. The driver's server binds it to sockets and timers, the simulator
 * to a virtual network. One thread: the one that owns it. Its rules, and what was rejected, are in README.md.
 *
 * Nouns. A job is a DAG of stages, parents before children in index order. A stage runs one task per partition; a
 * try at a task is an attempt with a globally unique id. What a finished attempt of a stage with consumers left is a
 * map output: it lies on the executor that ran it, until that executor is lost or the job ends; a small one rides in
 * the completion, lies here and cannot be lost with any executor. A stage may launch when all of its parents are
 * complete; losing an output makes its parent incomplete again, and only the lost partitions run again.
 *
 *   job      RUNNING ──► COMMITTING ──► DONE
 *               │            │
 *               ├────────────┴────────► FAILED            (COMMITTING only with a writing stage)
 *               └─────────────────────► DONE
 *
 *   stage    WAITING ◄──► RUNNING ◄──► COMPLETE           (back when a parent or an own output is lost;
 *               ▲────────────────────────┘                 straight back when both are)
 *
 *   task     PENDING ──► RUNNING ──► DONE ──► PENDING     (the last when its output is lost)
 *                ▲──────────┘ failed, killed, executor lost
 *
 *   attempt  LAUNCHED ──► (gone: finished, failed, or lost with its executor)
 *                └──► KILLED ──► (gone)                   (keeps its credit until the executor lets go)
 *
 *   executor LIVE ──► LOST                                (another incarnation is another executor)
 */
#pragma once

#include "common/error/error.h"
#include "common/sm/sm.h"

enum job_state { JOB_RUNNING, JOB_COMMITTING, JOB_DONE, JOB_FAILED };
enum stage_state { STAGE_WAITING, STAGE_RUNNING, STAGE_COMPLETE };
enum task_state { TASK_PENDING, TASK_RUNNING, TASK_DONE };
enum attempt_state { ATTEMPT_FREE, ATTEMPT_LAUNCHED, ATTEMPT_KILLED };
enum executor_state { EXECUTOR_LIVE, EXECUTOR_LOST };
enum sched_determinism { SCHED_DETERMINATE, SCHED_UNORDERED, SCHED_INDETERMINATE };

struct sched_config {
    uint32_t max_failures;         /* attempts of a task that may fail: 4 */
    uint32_t losses_max;           /* executors that may be lost under one task before its job fails: 16 */
    uint32_t stage_reruns_max;     /* times that a complete stage may lose outputs before its job fails: 40 */
    int64_t executors_wait_us;     /* how long jobs wait without executors: 30 s */
    uint64_t first_attempt;        /* ids grow from here; at most 2^39. A later driver starts higher, so that no id comes back */
    const char *driver_address;    /* for the message that says how to start one; may be NULL */
};

struct stage_spec {
    uint32_t task_count;
    uint32_t parent_count;
    const uint32_t *parents;       /* stage indices, less than its own */
    enum sched_determinism determinism;
    bool writes;                   /* leaves manifests; the job commits them. The last stage only */
    bool result;                   /* rows go to the client: its outputs are not on executors. The last stage only */
    const uint32_t *prefer;        /* task_count: place of the job + 1 that has the task's data near, 0: none. May be NULL */
};
struct job_spec {
    uint64_t job_id;               /* unique for ever */
    uint32_t stage_count;
    const struct stage_spec *stages;
    uint32_t place_count;          /* hosts ("db7"), or single executors ("executor:12") */
    const char *const *places;
};

/* A finished attempt, as its executor reports it. */
struct attempt_result {
    uint64_t attempt_id;
    uint64_t rows_out, bytes_out, rows_in, bytes_in, shuffle_bytes_in, run_us, peak_memory;
    const void *manifest;          /* copied */
    const void *output;            /* copied: the output rides here and is not on its executor */
    uint32_t manifest_bytes, output_bytes; /* output_bytes 0: it does not ride */
};

enum sched_event_kind {
    SCHED_JOB_SUBMIT, SCHED_JOB_CANCEL, SCHED_EXECUTOR_JOINED, SCHED_EXECUTOR_LOST, SCHED_ATTEMPTS_DONE,
    SCHED_ATTEMPT_FAILED, SCHED_ATTEMPT_STALLED, SCHED_ROWS_DELIVERED, SCHED_RESULT_LIMIT, SCHED_COMMIT_DONE, SCHED_TIMER,
};
struct sched_event {
    enum sched_event_kind kind;
    uint64_t job_id;               /* SUBMIT (in spec too), CANCEL, COMMIT_DONE, RESULT_LIMIT */
    const struct job_spec *spec;   /* SUBMIT: copied */
    uint64_t executor_id, incarnation; /* all that come from executors: others than the known incarnation are ignored */
    uint32_t limit;                /* RESULT_LIMIT: tasks of the result stage from here on are not launched for now; those before it
                                      may be. UINT32_MAX: all may. Rows wait in the driver for a slow client, and must not pile up */
    const char *host;              /* JOINED */
    uint32_t slots;
    uint64_t memory;
    const char *reason;            /* LOST: one line */
    uint32_t done_count;           /* ATTEMPTS_DONE */
    const struct attempt_result *done;
    uint64_t attempt_id;           /* ATTEMPT_FAILED, ATTEMPT_STALLED, ROWS_DELIVERED: the first of its rows goes to the client */
    bool stalled;                  /* ATTEMPT_STALLED: its rows wait for their reader and so does it, in no slot; false: no more */
    struct error *error;           /* ATTEMPT_FAILED, CANCEL, COMMIT_DONE when it failed: moved from. CODE OK: none */
    bool fetch_failed;             /* ATTEMPT_FAILED: the outputs below could not be read */
    uint32_t lost_stage, lost_count;
    const uint32_t *lost_partitions;
    const uint64_t *lost_attempts;
};

enum sched_action_kind { SCHED_LAUNCH, SCHED_KILL, SCHED_RELEASE, SCHED_COMMIT, SCHED_ABORT, SCHED_JOB_ENDED, SCHED_SET_TIMER };
struct sched_action {
    enum sched_action_kind kind;
    uint64_t executor_id, incarnation;  /* LAUNCH, KILL, RELEASE */
    uint64_t job_id;
    uint32_t stage;                     /* LAUNCH, COMMIT */
    uint32_t count;                     /* LAUNCH, KILL */
    uint64_t *attempt_ids;
    uint32_t *partitions;               /* LAUNCH */
    struct error error;                 /* JOB_ENDED; owned by the queue until the next call */
    int64_t at_us;                      /* SET_TIMER: an event SCHED_TIMER is wanted then; replaces the earlier one */
};

struct sched;
struct sched *sched_new(const struct sched_config *config);
void sched_free(struct sched *s);
void sched_event(struct sched *s, int64_t now_us, const struct sched_event *ev);
/* The next action, valid until the next call of any function here; false when there is none. */
bool sched_next_action(struct sched *s, struct sched_action *ret);

/* ---- reading: for launches, pages and tests; all valid until the next event ---- */

/* Where a map output lies: executor 0 is here, for sched_kept. version changes whenever any output of the stage does. */
uint32_t sched_output_version(const struct sched *s, uint64_t job_id, uint32_t stage);
bool sched_output(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint64_t *ret_executor,
                  uint64_t *ret_attempt);
/* What the winning attempt left here: its manifest, or the output that rode in its completion. NULL and 0: nothing. */
const void *sched_kept(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint32_t *ret_bytes);
/* The partition and stage of a live attempt; false when it is not (any more) known, or of another executor. */
bool sched_attempt(const struct sched *s, uint64_t attempt_id, uint64_t executor_id, uint64_t *ret_job, uint32_t *ret_stage,
                   uint32_t *ret_partition);

/* The executor that a live attempt is on; 0: nobody has it any more. */
uint64_t sched_attempt_executor(const struct sched *s, uint64_t attempt_id);

struct stage_view {
    enum stage_state state;
    uint32_t tasks, done, running, failed_attempts, attempts;
    uint32_t reruns;              /* times that it was complete and lost outputs */
    uint32_t p50_us, p99_us;      /* launch of an attempt to its result here: upper edges of the histogram's buckets */
    uint64_t rows_out, bytes_out; /* of the outputs that count: those of lost ones are taken off */
    uint64_t rows_in, bytes_in, shuffle_bytes_in, run_us, peak_memory;
    int64_t started_us, ended_us; /* 0: not yet */
    bool result, writes;
};
struct job_view {
    uint64_t job_id;
    enum job_state state;
    uint32_t stage_count;
    int64_t submitted_us, ended_us;
    const struct error *error;
};
struct executor_view {
    uint64_t executor_id, incarnation;
    enum executor_state state;
    const char *host, *reason;
    uint32_t slots, stalled;
    uint32_t running, busy; /* attempts that it has, those that wait ahead, too; slots that they take */
    uint32_t outputs;       /* finished tasks of active jobs that it holds */
    uint64_t memory, done, failed, run_us, rows_in, bytes_in, shuffle_bytes_in, bytes_out;
    int64_t joined_us, lost_us;
};
/* Jobs in the order of submission, the oldest finished ones forgotten past JOBS_KEPT. False past the end. */
enum { SCHED_JOBS_KEPT = 1000, SCHED_EXECUTORS_KEPT = 100 };
bool sched_job_at(const struct sched *s, uint32_t index, struct job_view *ret);
bool sched_job_view(const struct sched *s, uint64_t job_id, struct job_view *ret);
bool sched_stage_view(const struct sched *s, uint64_t job_id, uint32_t stage, struct stage_view *ret);
bool sched_executor_at(const struct sched *s, uint32_t index, struct executor_view *ret);
/* The attempts that an executor holds, of whatever state; the first max of them. Returns how many there are. */
struct attempt_view {
    uint64_t attempt_id, job_id;
    uint32_t stage, partition;
};
uint32_t sched_running(const struct sched *s, uint64_t executor_id, uint32_t max, struct attempt_view *ret);
uint64_t sched_stale_events(const struct sched *s); /* ignored: wrong incarnation, unknown attempt, late answers */
/* Launch to result of all attempts so far: the duration that this share of them did not exceed, to 25 %. */
uint64_t sched_launch_to_result_us(const struct sched *s, double share);
uint32_t sched_active_jobs(const struct sched *s);
/* Bytes that a job's tasks and stages take here, but for what attempts left. */
uint64_t sched_job_bytes(const struct sched *s, uint64_t job_id);
/* Recounts everything and asserts that it agrees; O(tasks). For tests and the simulator. */
void sched_check(const struct sched *s);
/* Asserts that no executor has a free slot while there is a task that it may run: that somebody looked. O(tasks). */
void sched_check_idle(const struct sched *s);
