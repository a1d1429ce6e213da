/* Shared inside the executor's server. Fields say which thread they belong to. */
#pragma once

#include <pthread.h>

#include "common/rpc/conn.h"
#include "executor/op/task.h"
#include "executor/server/executor.h"
#include "executor/shuffle/store.h"

/* Bytes: of results that the driver has not taken; of one answer to a fetch; that a fetch may be sent ahead, all peers. */
enum { RESULT_WINDOW = 8 << 20, SERVE_FRAME = 1 << 20, FETCH_WINDOW_MAX = 16 << 20, FETCH_WINDOW_MIN = 256 << 10 };

/* Where the outputs of one exchange lie; immutable, counted. */
struct inputs {
    uint32_t refs;
    uint64_t job_id;
    uint32_t exchange, version, map_count, peer_count;
    uint64_t *peer_ids;
    char **addresses;
    uint32_t *map_peer;
    uint64_t *map_attempt;
};

/* A stage that this executor knows: its plan and code. Counted: the table and each attempt hold one. */
struct stage_entry {
    uint32_t refs;
    uint64_t job_id;
    uint32_t stage;
    struct arena ar;
    struct stage_plan *plan;
    uint32_t output_partitions;
    bool is_result, peers_read;
    pthread_mutex_t compile;       /* held while the first slot compiles */
    struct stage_code *code;
    struct error error;            /* of decoding or compiling */
    struct stage_entry *next;
};

/* Everything that a slot tells the loop. */
enum note_kind { NOTE_DONE, NOTE_FAILED, NOTE_RESULT, NOTE_FETCH, NOTE_FETCH_MORE, NOTE_SERVED };
struct note {
    enum note_kind kind;
    struct note *next;
    struct attempt *attempt;
    struct buf bytes;              /* RESULT: frame */
    uint32_t rows, seq;
    struct fetch *fetch;           /* FETCH: to start, FETCH_MORE: to go on; a reference */
    struct serve *serve;           /* SERVED: one frame is ready */
};

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_PARKED };

struct attempt {
    struct executor *ex;
    uint64_t id, job_id;
    uint32_t partition;
    struct stage_entry *entry;
    struct task_env env;
    bool cancel;                   /* atomic */
    enum run_state state;          /* under ex->lock */
    bool woken;                    /* under ex->lock */
    struct attempt *next_queued;   /* under ex->lock */
    struct attempt *next, *prev;   /* loop: all attempts here */
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
    uint32_t result_seq;
    int64_t unacked;               /* atomic: result bytes the driver has not taken */
    struct fetch *fetches;         /* slot thread makes them; list for the attempt's end */
    int64_t run_us;
    struct error error;
    bool fetch_failed;
    uint32_t lost_stage, lost_partition;
    uint64_t lost_attempt;
    struct task_metrics metrics;
    struct buf manifest;
};

/*
 * The remote part of one input: what was asked of peers and what came. Counted. Bytes that a peer may have sent and
 * the slot has not decoded are at most window, which is charged to the attempt, and one run.
 */
struct fetch {
    uint32_t refs;
    struct executor *ex;
    struct attempt *attempt;       /* NULL once it ended; under lock */
    struct inputs *inputs;
    uint32_t partition;
    uint64_t window;               /* of each peer */
    uint64_t reserved;             /* from the attempt's account; slot thread */
    pthread_mutex_t lock;
    struct fetched_map {
        bool remote;
        bool complete;             /* under lock */
        struct buf incoming;       /* under lock: the loop appends, the slot takes */
        struct buf ready;          /* slot thread: decoded up to at */
        size_t at;
    } *maps;                       /* map_count */
    struct fetch_peer {
        uint64_t received, taken;  /* bytes; under lock */
        uint64_t allowed;          /* loop */
        bool waiting;              /* under lock: the slot cannot go on without more of this one */
    } *peers;                      /* peer_count */
    bool more_noted;               /* under lock: a note is under way */
    bool failed;                   /* under lock */
    char *reason;
    uint32_t failed_map;
    uint64_t number;               /* within its attempt, from 1 */
    struct fetch *next;            /* in its attempt */
};

struct peer {
    uint64_t executor_id;
    char *address;
    struct conn *conn;
    bool open;
    struct peer *next;
    struct request {
        uint64_t id;
        struct fetch *fetch;
        uint32_t *maps;
        uint32_t count, got;       /* maps; got whole */
        uint32_t peer_idx;         /* in the fetch's inputs */
        struct request *next;
    } *requests;
};

/*
 * One FETCH being answered. It is with the serving thread (busy) or with the loop; the loop gives it to the thread when
 * the peer's window and the connection's queue have room.
 */
struct serve {
    struct executor *ex;
    struct conn *conn;             /* loop: NULL once it is gone or the peer wants no more */
    uint64_t id, job_id;
    uint32_t stage, partition, count, at;
    uint32_t *maps;
    uint64_t *attempts;
    struct output_cursor cursor;   /* within the map at */
    uint64_t room;                 /* bytes that may still be sent; changed by who has it */
    uint64_t room_more;            /* loop: to be added when it comes back */
    bool busy;                     /* loop */
    struct buf frame;
    uint32_t frame_first, frame_count;
    uint32_t *frame_bytes;
    bool unfinished;               /* the last map of the frame goes on */
    char *missing;                 /* why maps[at] cannot be had; owned */
    struct serve *next, *next_all;
};

struct executor {
    struct executor_config config;
    uv_loop_t loop;
    struct rpc rpc;
    struct conn *driver, *data;    /* loop */
    bool driver_open, data_open, registered, stopping;
    struct listener *listener;
    uv_timer_t heartbeat, reconnect;
    uv_async_t async;
    uv_signal_t sigterm, sigint;
    char *host, *data_address;
    uint64_t id, incarnation;
    int exit_code;
    struct account account;
    struct store *store;
    struct stage_entry *stages[64]; /* loop */
    struct inputs_link {
        struct inputs *in;
        struct inputs_link *next;
    } *input_links;
    pthread_mutex_t inputs_lock;
    struct attempt *attempts;      /* loop */
    uint32_t attempt_count;
    struct peer *peers;            /* loop */
    uint64_t next_request;
    struct serve *serves;          /* loop: all of them */
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

/* executor.c */
void executor_note(struct executor *ex, struct note *take);
void inputs_unref(struct inputs *in);
struct inputs *executor_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange); /* a reference or NULL; any thread */
/* slot.c */
void slots_start(struct executor *ex);
void slots_stop(struct executor *ex);
void slot_enqueue(struct executor *ex, struct attempt *a);
void slot_wake(struct attempt *a); /* any thread */
void attempt_free(struct attempt *a);
void stage_entry_unref(struct stage_entry *e);
/* fetch.c */
enum op_status fetch_next(struct attempt *a, uint32_t exchange, uint32_t partition, struct input_cursor *cursor,
                          struct sealed **ret, uint32_t *ret_map, struct error *err);
void fetch_start(struct executor *ex, struct fetch *take); /* loop */
void fetch_more(struct executor *ex, struct fetch *take);  /* loop */
void fetch_cancel(struct executor *ex, struct fetch *f);   /* loop: its attempt ended */
void fetch_unref(struct fetch *f);
void peers_close(struct executor *ex);             /* loop */
/* serve.c */
void serve_accept(struct conn *conn, void *arg);
void serve_frame_ready(struct serve *s);           /* loop */
void *serve_thread_main(void *arg);
void serves_close(struct executor *ex);
