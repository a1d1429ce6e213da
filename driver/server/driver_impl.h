/* Shared inside the driver's server. All of it belongs to the loop thread unless said. */
#pragma once

#include <pthread.h>

#include "common/rpc/conn.h"
#include "driver/analyze/analyze.h"
#include "driver/physical/physical.h"
#include "driver/sched/sched.h"
#include "driver/server/driver.h"
#include "driver/server/history.h"

enum {
    HEARTBEAT_MS = 1000,
    TICK_MS = 250,
    DETACHED_KEEP_MS = 60000,   /* an operation without a client waits so long for it to come back */
    SESSIONS_KEPT = 100,        /* without a client, for the page */
    RESULT_HOLD = 32 << 20,     /* result bytes of one operation above which nothing new is started for it */
    RIDE_STAGE_MAX = 4 << 20,   /* bytes of one stage's outputs that may ride here in completions */
    PROGRESS_QUEUE_MAX = 1 << 20, /* a client that does not read gets no more progress */
    PLANNERS = 4,               /* one that reads a large file for its schema must not hold up the others */
};

/* Work for the planning threads; embedded in what it is about. */
struct work {
    void (*run)(struct work *w);  /* worker */
    void (*done)(struct work *w); /* loop */
    struct work *next;
    bool busy;                    /* loop: submitted and not done */
};

struct exec {
    uint32_t index;
    uint64_t id, incarnation;
    struct conn *conn;           /* NULL once it is gone */
    struct conn *data;           /* results come over it; NULL until it is registered and once it is gone */
    char *end;                   /* why the first of the two ended, while what the other brings is still read */
    char *host, *address;
    uint32_t slots;
    uint64_t memory, pid, rss, memory_used, output_bytes;
    uint64_t fetched_bytes, served_bytes, rejected;
    uint32_t running;
    int64_t last_heartbeat_us;
    bool live;
    bool stopped;                /* it said goodbye; false and not live: lost */
};

struct session {
    char *id;
    struct snapshot *snapshot;
    struct settings initial;     /* the driver's and what the session was opened with: RESET goes back to them */
    uint64_t number;             /* of the application that the page shows */
    int64_t started_us;
    uint32_t open_ops;
    uint32_t clients;            /* connections that opened it */
    int64_t left_us;             /* when the last one went */
    struct session *next;
};

/* The diagram is in operation.c. */
enum op_state { OP_PLANNING, OP_OPENING, OP_RUNNING, OP_COMMITTING, OP_CLEARING, OP_ENDED };
extern const struct sm operation_sm;

/* A result frame until the client has acknowledged it. */
struct result_frame {
    uint64_t seq;
    enum msg_type type;
    struct buf message;          /* packed protobuf */
    struct buf bulk;
    uint64_t attempt_id;         /* to give its executor credit */
    struct result_frame *next;
};

struct result_part {
    struct run_item {
        struct buf frame;
        uint32_t rows, seq;
        uint64_t attempt_id;
        struct run_item *next;
    } *items, **tail;            /* waiting for their turn, by seq of one attempt */
    uint64_t attempt_id;         /* whose items they are */
    uint32_t next_seq;           /* runs already passed on: another attempt's first ones are the same */
    int64_t expected;            /* runs in all, -1: not known yet */
    int64_t held;                /* bytes that came of its attempt and that no credit was given for */
};

/* What executors were told of a stage. */
struct stage_sent {
    uint32_t exec_count;
    bool *plan;                  /* by executor index */
    uint32_t *version;           /* of this stage's outputs */
};

struct operation {
    struct work work;
    struct driver *dr;
    char *id, *sql;
    struct session *session;
    struct statement *record;    /* for the page; NULL once it ended */
    struct conn *client;         /* NULL: detached */
    uint8_t state;               /* enum op_state; moved by operation_sm */
    int64_t started_us, ended_us, detached_us;
    bool cancel;                 /* atomic: planning looks at it */
    struct snapshot *snapshot;   /* a reference for planning */
    struct cluster_shape shape;
    int64_t ride_max;              /* drover.shuffle.ride.max */
    struct arena ar;             /* plans; freed at the end */
    struct query_ctx cx;
    struct analyzed analyzed;
    struct stage_dag *dag;
    struct buf explain;
    struct error plan_error;     /* the worker's while it plans: a cancel may end the operation meanwhile */
    struct error error;          /* what it ended with */
    uint64_t job_id;             /* 0: none */
    struct stage_sent *sent;     /* dag->stage_count */
    struct result_part *parts;
    uint32_t part_count, head;
    uint64_t held;               /* bytes of result rows here, from their executor until the client took them */
    bool held_back;              /* no more of the result stage is started than the client needs next */
    bool job_ended;
    uint64_t seq, rows;
    struct result_frame *unacked, **unacked_tail;
    struct buf warnings;
    struct operation *next;
    struct op_write {            /* see commit.c */
        struct work work;
        struct file_write *files; /* from OPENING until the operation goes */
        struct write_done done;
        const void **manifests;
        uint32_t *manifest_bytes;
        struct error error;      /* of the work under way, then what the operation ends with */
        bool cleared;
        char *note;              /* where STATE says that this write is under way; NULL: no state folder */
    } write;
};

struct driver {
    struct driver_config config;
    struct settings settings;    /* the driver's own */
    int64_t executor_timeout_us, last_tick_us;
    uv_loop_t loop;
    struct rpc rpc;
    struct listener *listener;
    uv_timer_t tick, sched_timer;
    uv_signal_t sigterm, sigint;
    uv_async_t async;
    struct sched *sched;
    struct history *history;
    struct exec **execs;
    uint32_t exec_count, exec_cap;
    struct session *sessions;
    struct catalog *catalog;     /* as it is now: replaced by every change */
    struct operation *ops;
    uint64_t next_executor, next_job, next_session, seed;
    uint32_t clients;
    int64_t started_us;          /* wall clock */
    bool had_client, stopping;
    struct work recovery;
    char *web_address;
    struct web *web;
    /* planning */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct work *todo, **todo_tail, *finished, **finished_tail;
    pthread_t threads[PLANNERS];
    bool quit;
};

/* driver.c */
void driver_submit_work(struct driver *dr, struct work *w);
void driver_event(struct driver *dr, const struct sched_event *ev); /* and carries out what follows */
struct operation *driver_find_job(struct driver *dr, uint64_t job_id);
/* operation.c */
void operation_execute(struct driver *dr, struct conn *client, struct session *s, const char *id, const char *sql);
void operation_attach(struct operation *op, struct conn *client, uint64_t last_seq);
/* The client took everything up to seq. An operation that ended goes with its last frame: op may be gone then. */
void operation_ack(struct operation *op, uint64_t seq);
void operation_cancel(struct operation *op, const char *reason);
void operation_detach(struct driver *dr, struct conn *client);
void operation_result(struct operation *op, uint32_t partition, uint64_t attempt_id, uint32_t seq, uint32_t rows, const char *frame, size_t bytes);
void operation_part_done(struct operation *op, uint32_t partition, uint64_t attempt_id, uint32_t runs);
void operation_job_ended(struct operation *op, struct error *err);
void operation_run(struct operation *op);                     /* its job may be submitted now */
void operation_end(struct operation *op, struct error *err);  /* moved from; OK: it succeeded */
void operation_effect_done(struct operation *op, struct error *err); /* of effect.c; moved from */
void operation_free(struct operation *op);
void operation_progress(struct operation *op);
void operations_sweep(struct driver *dr);
/* commit.c: the files of a write. Each returns at once and goes on when a worker has done its part */
void commit_open(struct operation *op);               /* then operation_run, or the operation ends */
void commit_run(struct operation *op, uint32_t stage); /* then SCHED_COMMIT_DONE */
void commit_clear(struct operation *op);              /* SCHED_ABORT: its files go away; the operation cannot end before */
void commit_end(struct operation *op, struct error *err); /* ends the operation, once its files are cleared when err says so */
void commit_free(struct operation *op);
/* At the start: finishes or sweeps the writes that the driver before this one left behind, on a worker. */
void commit_recover(struct driver *dr);
/* effect.c: what a statement changes */
void effect_apply(struct operation *op);               /* then operation_effect_done, when folders that go are gone */
/* Before its job runs: whether the name that a write will give its files belongs to another already, or to another's write
 * that is under way. 0; ERR_TABLE_EXISTS; *ret_done when IF NOT EXISTS makes that fine. */
WARN_UNUSED int effect_check(const struct operation *op, bool *ret_done, struct error *err);
void session_refresh(struct session *s, struct catalog *now); /* its snapshot gets the catalog as it is */
/* launch.c */
void launch_send(struct driver *dr, const struct sched_action *a);
uint32_t launch_ride_max(const struct operation *op, uint32_t stage); /* bytes up to which an output of the stage rides */
/* status.c: JSON of the REST shapes; path may have a query part; returns an HTTP status */
unsigned status_json(struct driver *dr, const char *path, struct buf *out);
