/*
 * A cluster in one thread: the scheduler and the executors' control, the very objects that the daemons link, on
 * virtual time and a virtual network, driven by one seed. See README.md for the faults and the invariants.
 */
#pragma once

#include "common/base/base.h"
#include "common/error/error.h"
#include "driver/sched/sched.h"
#include "executor/control/control.h"

enum { STAGES_MAX = 8, RESULT_RUN_BYTES = 60, RESULT_WINDOW = 150, SLOTS_AHEAD = 2, NOBODY = UINT32_MAX };
#define SEC 1000000ll

/* ---- faults ---- */

#define FAULTS(F)                                                                                                      \
    F(DELAY, "delayed message") F(RESET, "connection reset") F(DUPLICATE, "message delivered again")                   \
    F(CRASH, "executor crashed") F(PAUSE, "executor paused") F(SLOW, "executor slowed") F(TRANSIENT, "task failed once") \
    F(PERSISTENT, "task that always fails") F(GONE, "output gone") F(CORRUPT, "output corrupt")                        \
    F(UNREACHABLE_PEER, "peer unreachable") F(CANCEL, "job cancelled") F(COMMIT, "commit failed")                      \
    F(ALL_LOST, "all executors lost") F(DRIVER, "driver restarted")
enum fault {
#define F(id, text) FAULT_##id,
    FAULTS(F)
#undef F
    FAULT_COUNT
};
extern const char *const fault_names[];

/* ---- the model of a job ---- */

struct stage_model {
    uint32_t tasks, parents[STAGES_MAX], parent_count;
    enum sched_determinism determinism;
    int64_t run_us;             /* of a task, typically */
};

/* What the client's side knows of one result partition; as driver/server/operation.c keeps it. */
struct part_model {
    uint64_t attempt;           /* whose runs they are */
    uint32_t next_seq;          /* runs passed on */
    int64_t expected;           /* runs in all, -1: not known */
    int64_t held;               /* bytes that no credit was given for */
    uint64_t delivered_of;      /* attempt whose rows were passed on first */
    struct run_model {
        uint64_t attempt, value;
        uint32_t seq;
        struct run_model *next;
    } *items, **tail;
};

enum job_fate { FATE_NOT_YET, FATE_RUNNING, FATE_DONE, FATE_FAILED, FATE_DRIVER_LOST };
struct job_model {
    uint32_t index;
    uint64_t id, seed;
    struct stage_model stages[STAGES_MAX];
    uint32_t stage_count;
    bool writes, determinate;
    int64_t submit_us, cancel_us; /* cancel_us 0: never */
    bool cancelled, commit_fails;
    enum job_fate fate;
    int64_t ended_us;
    uint32_t bad_stage, bad_partition;   /* a task that always fails; NOBODY: none */
    enum errcode bad_code;
    uint64_t *values[STAGES_MAX];        /* what a sequential run gives; determinate jobs */
    struct attempt_model **winner[STAGES_MAX];
    uint8_t *failures[STAGES_MAX];       /* real ones, as the driver was told */
    struct part_model *parts;
    uint32_t head;
    bool committed, committing;
    uint64_t lineage[STAGES_MAX];        /* of the rows delivered */
    bool *sent_plan[STAGES_MAX];         /* by registration */
    uint32_t *sent_version[STAGES_MAX];
    uint32_t sent_cap;
};

/* What really happened to an attempt, whatever anybody was told. */
enum attempt_truth { TRUTH_LIVE, TRUTH_KILLED, TRUTH_GONE };
struct attempt_model {
    uint64_t id;
    struct job_model *job;
    uint32_t stage, partition, registration;
    enum attempt_truth truth;
    bool ran, ended_well;
    bool mixed;                          /* it read outputs that do not belong together */
    bool missed;                         /* a reader has told the driver that its output cannot be read */
    bool rides;                          /* its output went to the driver with the completion */
    uint64_t value, rows_out, rows_in;
    uint64_t lineage[STAGES_MAX];        /* which outputs of each indeterminate ancestor it came of */
};

/* ---- processes ---- */

struct place {                           /* where one map output lies */
    uint32_t registration;               /* NOBODY: it came with the inputs */
    uint64_t attempt;
};

struct inputs_model {
    uint64_t job;
    uint32_t stage, version, count;
    struct place *places;
    struct inputs_model *next;
};

enum task_phase { PHASE_START, PHASE_FETCH, PHASE_WORK, PHASE_EMIT };
struct task_model {                      /* a cookie */
    struct attempt_model *attempt;
    struct process *on;
    enum task_phase phase;
    bool cancel, started;
    struct inputs_model *inputs[STAGES_MAX]; /* by index of parent, as they were when it read them */
    uint32_t outstanding;                /* answers of peers */
    uint32_t emitted, runs;
    int64_t unacked;
    uint32_t lost_stage, lost_count;     /* outputs that it could not read, of one stage */
    uint32_t *lost;
    uint64_t *lost_attempts;
    struct error error;
    struct task_model *next;             /* ready */
    struct fetch_model *fetches;
};

struct fetch_model {                     /* one question to a peer */
    struct task_model *task;
    uint32_t parent, registration, count;
    uint32_t *maps;
    uint64_t *attempts;
    bool over;
    struct fetch_model *next;
};

struct process {                         /* an executor */
    uint32_t index, slots;
    bool alive, connecting;
    int64_t paused_until;
    double slow;
    uint64_t incarnation;
    uint32_t registration;               /* as the driver calls it; NOBODY: not registered */
    uint32_t connection;                 /* number of its connection to the driver; 0: none */
    struct control *control;
    struct task_model *ready, **ready_tail;
    uint32_t busy;
    bool flush_due;
    struct inputs_model *inputs;
    int64_t to_driver_at, to_executor_at; /* last delivery on its connection, each way */
    int64_t data_at;                     /* and on the one for its results */
};

struct registration {                    /* what the driver knows of an executor */
    uint64_t id, incarnation;
    uint32_t process, connection;
    bool live;
    int64_t heard_us;
};

/* ---- messages and events ---- */

enum message_kind {
    M_REGISTER, M_REGISTERED, M_PLAN, M_INPUTS, M_LAUNCH, M_KILL, M_RELEASE, M_CREDIT, M_DONE, M_FAILED, M_RESULT, M_HEARTBEAT,
};
struct message {
    enum message_kind kind;
    bool to_driver, data, again, delivered; /* data: on the connection for results */
    struct message *original;   /* of one that comes again */
    uint32_t process, connection, registration;
    uint64_t epoch, incarnation, job;
    uint32_t stage, version, count, seq;
    uint64_t *ids;
    uint32_t *partitions;
    struct place *places;
    struct attempt_result *results;
    uint64_t attempt, bytes, value;
    bool fetch_failed;
    uint32_t lost_stage, lost_count;
    uint32_t *lost;
    uint64_t *lost_attempts;
    enum errcode code;
    char *text;
};

enum event_kind {
    E_MESSAGE, E_STEP, E_FLUSH, E_FETCH, E_FETCHED, E_CONNECT, E_DRIVER_SEES_CLOSE, E_EXECUTOR_SEES_CLOSE, E_RESTART, E_SCHED_TIMER,
    E_TICK, E_HEARTBEAT, E_SUBMIT, E_CANCEL, E_COMMIT_DONE, E_FAULT,
};
struct event {
    int64_t at;
    uint64_t order;
    enum event_kind kind;
    uint32_t process, number;
    uint64_t incarnation;
    void *what;
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct arena ar;
    int64_t now, faults_end, deadline;
    struct event *heap;
    uint32_t heap_count, heap_cap;
    uint64_t order, hash, events;
    bool on[FAULT_COUNT];
    double rate[FAULT_COUNT];
    double rides;                        /* share of outputs that ride in completions */
    uint64_t fired[FAULT_COUNT];
    int64_t delay_us, fault_gap_us;
    bool healed, never_return, same_id;
    /* driver */
    struct sched *sched;
    uint64_t epoch, next_incarnation;
    int64_t sched_timer;
    struct registration *registrations;
    uint32_t registration_count, registration_cap;
    uint64_t next_executor, first_attempt;
    uint32_t next_connection;
    /* executors */
    struct process *processes;
    uint32_t process_count;
    /* jobs */
    struct job_model *jobs;
    uint32_t job_count, ended;
    uint64_t task_total;
    struct attempt_model **attempts;     /* open addressing by id */
    uint32_t attempt_count, attempt_cap;
    const char *phase;                   /* the invariant that a failing assertion breaks now */
    bool verbose;
};

/* world.c: time, network, faults */
void world_run(struct world *w, uint64_t seed, uint32_t processes);
void world_free(struct world *w);
void schedule(struct world *w, int64_t at, enum event_kind kind, uint32_t process, uint32_t number, uint64_t incarnation, void *what);
void send_message(struct world *w, struct message *m);
struct message *new_message(struct world *w, enum message_kind kind, struct process *p);
bool chance(struct world *w, double probability);
bool strikes(struct world *w, enum fault f);  /* whether a fault of this class happens now; counts it */
int64_t some_delay(struct world *w);
void close_connection(struct world *w, struct process *p);
void crash(struct world *w, struct process *p);
/* driver.c */
void driver_start(struct world *w);
void driver_restart(struct world *w);
void driver_message(struct world *w, struct message *m);
void driver_event(struct world *w, struct sched_event *ev);
void driver_lose(struct world *w, uint32_t registration, const char *why);
void driver_tick(struct world *w);
void driver_submit(struct world *w, struct job_model *job);
void driver_cancel(struct world *w, struct job_model *job);
void driver_commit_done(struct world *w, struct job_model *job);
/* executor.c */
void executor_start(struct process *p);
void executor_stop(struct process *p);
void executor_connect(struct world *w, struct process *p);
void executor_message(struct world *w, struct process *p, struct message *m);
void executor_lost_driver(struct world *w, struct process *p);
void executor_step(struct world *w, struct process *p, struct task_model *t);
void executor_flush(struct world *w, struct process *p);
void executor_serve(struct world *w, struct fetch_model *f);
void executor_fetched(struct world *w, struct fetch_model *f);
/* oracle.c: what is right */
__attribute__((noreturn)) void violate(struct world *w, const char *invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);
void make_jobs(struct world *w);
struct attempt_model *find_attempt(struct world *w, uint64_t id); /* NULL: never launched */
struct attempt_model *add_attempt(struct world *w, uint64_t id);
uint64_t run_value(uint64_t value, uint32_t seq);
uint32_t run_count(const struct job_model *job, uint32_t partition);
void compute_attempt(struct world *w, struct task_model *t);
void accept_done(struct world *w, struct attempt_model *a);
void check_launch(struct world *w, const struct attempt_model *a);
void check_delivered(struct world *w, struct job_model *job, uint32_t partition, struct attempt_model *a, uint32_t seq, uint64_t value);
void check_commit(struct world *w, struct job_model *job);
void check_ended(struct world *w, struct job_model *job, const struct error *err);
void check_step(struct world *w, struct process *touched);
void check_end(struct world *w);
