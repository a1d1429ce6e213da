/* Shared inside the executor's server. Fields say which thread they belong to. */
#pragma once

#include <pthread.h>

#include "common/rpc/conn.h"
#include "executor/control/control.h"
#include "executor/op/task.h"
#include "executor/server/executor.h"
#include "executor/shuffle/store.h"
#include "proto/cluster.pb-c.h"

enum {
    SERVE_FRAME = 1 << 20,      /* an answer to a peer is sent when it has so many bytes */
    FETCH_WINDOW = 16 << 20,    /* bytes that one fetch may have on their way or unread, over all of its peers */
    FETCH_WINDOW_LEAST = 64 << 10, /* of one peer */
    PEER_TRIES = 3,             /* connections to a peer that break without a byte of progress: it is as good as gone */
    CREDIT_MAX = 1 << 30,       /* of one message: a run may be larger than the window, and is credited at once */
    FETCH_GRANT_SHARE = 8,      /* a fetch's window is at most this part of its task's grant */
    RUN_MAX = 192 << 20,        /* a run must fit a frame */
    SLOTS_AHEAD = 256,          /* attempts that the slots have ahead of each: no slot waits for the loop between short ones */
    REPORT_MAX = 4096,          /* completions of one frame */
    SERVES_MAX = 4096,          /* unfinished answers of one connection */
    REPORT_BYTES = 16 << 20,    /* of manifests and of outputs that ride, above which a frame of completions ends */
    MANIFEST_MAX = 32 << 20,    /* of one attempt */
};
#define INPUT_RODE UINT32_MAX   /* no peer has it: its bytes came with the inputs */

/* Where the outputs of one exchange lie, and those that rode; immutable, counted. */
struct inputs {
    uint32_t refs;
    struct account *account;       /* that charged bytes of riding were reserved from */
    size_t charged;
    char *riding;                  /* outputs that rode, one after the other */
    size_t *riding_at;             /* map_count + 1; NULL: none rode */
    uint64_t job_id;
    uint32_t exchange, version, map_count, peer_count;
    uint64_t *peer_ids;
    char **addresses;
    uint32_t *map_peer;            /* index of a peer, or INPUT_RODE */
    uint64_t *map_attempt;
};

/* A stage that this executor knows: its plan and code. Counted: the table and each attempt hold one. */
struct stage_entry {
    uint32_t refs;
    uint64_t job_id;
    uint32_t stage;
    struct arena ar;
    struct stage_plan *plan;
    uint32_t output_partitions, ride_max;
    bool is_result, peers_read;
    pthread_mutex_t compile;       /* held while the first slot compiles */
    struct stage_code *code;
    struct error error;            /* of decoding or compiling */
    struct stage_entry *next;
};

/* Everything that a slot tells the loop. */
enum note_kind { NOTE_FINISHED, NOTE_PARKED, NOTE_WOKEN, NOTE_RESULT, NOTE_FETCH, NOTE_FETCH_CREDIT, NOTE_SERVED };
struct note {
    enum note_kind kind;
    struct note *next;
    struct attempt *attempt;       /* FINISHED, PARKED, RESULT */
    uint64_t attempt_id;           /* the same, and WOKEN: it may be over */
    bool ok, rides;                /* FINISHED */
    struct buf bytes;              /* RESULT: frame */
    uint32_t rows, seq;
    struct fetch *fetch;           /* FETCH, FETCH_CREDIT: a reference */
    uint32_t peer;                 /* FETCH_CREDIT: index into its inputs' peers */
    uint64_t credit;
    struct serve *serve;           /* SERVED: one frame is ready */
};

struct attempt {
    struct executor *ex;
    uint64_t id, job_id, executor_id; /* executor_id: ours when it was launched */
    uint32_t partition;
    struct stage_entry *entry;
    struct task_env env;
    bool cancel;                   /* atomic */
    struct attempt *next_queued;   /* under ex->lock: for the slots */
    struct note note;              /* FINISHED or PARKED */
    char *splits;                  /* owned bytes of all splits */
    struct task_split *split_items;
    uint32_t split_count;
    struct value *params;
    uint32_t param_count;
    char *write_dir;
    struct arena ar;
    /* slot thread: */
    struct task *task;
    struct account account;
    struct map_output *output;
    struct buf riding;             /* the output, when it rides */
    uint32_t result_seq;
    int64_t unacked;               /* atomic: result bytes the driver has not taken */
    struct fetch *fetches;         /* slot thread makes them, newest first; list for the attempt's end */
    int64_t run_us;
    struct error error;
    uint32_t lost_stage, lost_count; /* outputs that it could not read */
    uint32_t *lost_partitions;
    uint64_t *lost_attempts;
    struct task_metrics metrics;
    struct buf manifest;
};

/*
 * The remote part of one input. What a peer sends is a stream of chunks in the order of the maps asked for; the slot
 * takes them off as it reads and gives credit for more, so a fetch holds a window of bytes at most (and one run a peer
 * over). The window is charged to the task when the fetch begins, what is over it as it comes.
 * Counted: its attempt, each open request and each note hold one.
 */
struct fetch {
    uint32_t refs;
    struct executor *ex;
    struct attempt *attempt;       /* NULL once it ended; under lock */
    struct inputs *inputs;
    uint32_t partition;
    uint64_t number;               /* in its attempt, from 1: the cursor knows its fetch by it */
    uint64_t window;               /* of each stream */
    struct account account;        /* "fetch", of the task; ends with the attempt's interest */
    size_t window_bytes;           /* slot thread, at the start: reserved for all streams */
    size_t held, reserved;         /* under lock: bytes of chunks that came and were not read; of the account */
    uint32_t requests;             /* loop: open ones */
    pthread_mutex_t lock;
    struct stream {
        struct chunk *head, **tail; /* under lock */
        struct chunk *reading;      /* slot thread */
        uint64_t taken;             /* slot thread: bytes read and not yet given as credit */
    } *streams;                    /* by peer of the inputs */
    bool failed;                   /* under lock */
    char *reason;
    uint32_t *failed_maps, failed_count;
    struct fetch *next;            /* in its attempt */
};

/* One answer of a peer: frames of several maps, the last of which may go on in the next chunk. */
struct chunk {
    struct chunk *next;
    struct buf bytes;
    size_t offset;                 /* read so far */
    uint32_t count, at;
    uint32_t *maps, *sizes;
    size_t left;                   /* of maps[at] */
    bool whole;                    /* the last map ends here */
};

struct peer {
    uint64_t executor_id;
    char *address;
    struct conn *conn;
    bool open;
    uint32_t tries;                /* connections that broke since the last answer */
    struct peer *next;
    struct request {
        uint64_t id;
        struct fetch *fetch;       /* a reference */
        uint32_t peer;             /* index into the fetch's inputs */
        uint32_t *maps;
        uint32_t count, got;       /* got: maps that came whole */
        uint64_t partial;          /* bytes that came of the map after those */
        uint64_t skip;             /* of partial: come again, over another connection, and are dropped */
        uint64_t unread;           /* bytes that no credit was given for */
        struct request *next;
    } *requests;
};

/*
 * One FETCH being answered: BUSY while the serving thread has it (queued or encoding), else it waits on the loop
 * for credit or for the connection to drain.
 */
struct serve {
    struct executor *ex;
    struct conn *conn;             /* loop: NULL once nobody wants it */
    bool busy;                     /* loop */
    int64_t credit;                /* bytes that may go out; the loop changes it only while not busy */
    int64_t credit_late;           /* loop: what came while busy */
    uint64_t id, job_id;
    uint32_t stage, partition, count;
    uint32_t at;                   /* next to send: index into maps, and where in it */
    struct output_cursor cursor;
    uint32_t *maps;
    uint64_t *attempts;
    struct buf frame;              /* serving thread fills, loop sends */
    uint32_t frame_first, frame_count;
    uint32_t *frame_bytes;
    char *missing;                 /* why maps[at] cannot be had; owned */
    struct serve *next, *next_all;
};

struct executor {
    struct executor_config config;
    uv_loop_t loop;
    struct rpc rpc;
    struct conn *driver, *data;    /* loop */
    bool driver_open, data_open, registered, stopping;
    uint32_t connect_tries;         /* since the last registration */
    char *connect_trouble;          /* what was said of them last */
    struct listener *listener;
    uv_timer_t heartbeat, reconnect;
    uv_async_t async;
    uv_signal_t sigterm, sigint;
    char *host, *data_address;
    uint64_t id, incarnation;
    struct control *control;       /* loop: what decides */
    int exit_code;
    struct account account;
    struct store *store;
    struct stage_entry *stages[64]; /* loop */
    struct inputs_link {
        struct inputs *in;
        struct inputs_link *next;
    } *input_links;
    pthread_mutex_t inputs_lock;
    struct peer *peers;            /* loop */
    uint64_t next_request;
    struct serve *serves;          /* loop: all of them */
    uint64_t fetched_bytes, served_bytes; /* loop: over connections */
    /* slots */
    pthread_mutex_t lock;
    pthread_cond_t wake_slots;
    struct attempt *queue_head, **queue_tail;
    bool quit;                     /* under lock */
    uint32_t idle_slots;
    pthread_t *threads;
    pthread_t serve_thread;
    /* serving thread */
    pthread_cond_t wake_server;
    struct serve *serve_head, **serve_tail;
    /* notes to the loop */
    pthread_mutex_t note_lock;
    struct note *note_head, **note_tail;
};

/* bind.c: control, bound; loop */
void executor_note(struct executor *ex, struct note *take); /* any thread */
void bind_notes_cb(uv_async_t *h);
bool bind_driver_frame(struct executor *ex, const struct frame *f); /* false: it is not for executors */
void bind_registered(struct executor *ex);
void bind_driver_lost(struct executor *ex);
void bind_flush(struct executor *ex);
void bind_cancel_all(struct executor *ex);
void bind_free(struct executor *ex); /* the slots have stopped */
/* holding.c */
bool inputs_fit(const Drover__StageInputs *m, size_t bulk_bytes);
void holding_set_inputs(struct executor *ex, const Drover__StageInputs *m, const char *bulk, size_t bulk_bytes);
void holding_add_plan(struct executor *ex, const Drover__StagePlan *m);
struct stage_entry *holding_stage(struct executor *ex, uint64_t job_id, uint32_t stage); /* NULL: unknown */
void holding_drop_job(struct executor *ex, uint64_t job_id);
void holdings_free(struct executor *ex);
void inputs_unref(struct inputs *in);
struct inputs *executor_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange); /* a reference or NULL; any thread */
/* slot.c */
void slots_start(struct executor *ex);
void slots_stop(struct executor *ex);
void slots_run(struct executor *ex, void *const *attempts, uint32_t count); /* behind those that are queued */
void slot_wake(struct attempt *a);                                          /* any thread */
void attempt_free(struct attempt *a);
void stage_entry_unref(struct stage_entry *e);
/* fetch.c */
enum op_status fetch_next(struct attempt *a, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                          struct sealed **ret, uint32_t *ret_map, struct error *err);
void fetch_detach(struct attempt *a);              /* loop: its fetches end and do not wake it any more */
void fetch_start(struct executor *ex, struct fetch *take); /* loop */
void fetch_credit(struct executor *ex, struct fetch *take, uint32_t peer, uint64_t bytes); /* loop */
void fetch_unref(struct fetch *f);
void peers_close(struct executor *ex);             /* loop */
/* serve.c */
void serve_accept(struct conn *conn, void *arg);
void serve_frame_ready(struct serve *s);           /* loop */
void *serve_thread_main(void *arg);
void serves_close(struct executor *ex);
