/* Shared inside control: its objects. control.c (events), holding.c (jobs, plans, inputs, outputs), check.c. */
#pragma once

#include "executor/control/control.h"

enum { NONE = UINT32_MAX, JOB_BUCKETS = 256 };

extern const struct sm control_attempt_sm;

/* What is known and held of one stage of a job. */
struct held_stage {
    bool plan, keeps_output;
    uint32_t inputs;          /* version known of its outputs' places, 0: none */
    uint32_t outputs, cap;
    uint64_t *output;         /* by partition: the attempt whose output is held, 0: none */
};

struct held_job {
    uint64_t id;
    bool released;            /* goes when its last attempt has */
    uint32_t attempts;
    struct held_stage *stages;
    uint32_t stage_cap;
    struct held_job *next;
};

struct control_attempt {
    uint64_t id;              /* 0: free */
    uint8_t state;
    bool doomed;              /* killed, or its job released */
    bool orphan;              /* its driver is gone: nobody is told */
    bool woken;               /* while RUNNING: it may go on at once when it parks */
    bool ok, rides;           /* ENDED */
    uint32_t stage, partition;
    struct held_job *job;
    void *cookie;
    int64_t unacked;          /* bytes of results that no credit came for */
    uint32_t next, prev;      /* in the queue, or next free */
};

struct control {
    struct control_config config;
    bool registered;
    uint64_t epoch, incarnation;
    uint64_t last_attempt;    /* highest id launched in this registration */
    struct control_attempt *attempts;
    uint32_t attempt_cap, attempt_free, attempt_count;
    uint32_t *index;          /* open addressing: id → slot, NONE: empty */
    uint32_t index_cap;
    uint32_t queue_head, queue_tail;
    uint32_t state_count[4];
    struct held_job *jobs[JOB_BUCKETS];
    uint32_t job_count, plan_count, input_count, output_count;
    uint32_t *ended;          /* slots, in the order in which they ended */
    uint32_t ended_count, ended_cap;
    uint64_t stale;
    struct control_action *actions;
    uint32_t action_count, action_cap, action_at;
    void **cookies;           /* of RUN and REPORT actions of this event */
    uint32_t cookie_count, cookie_cap;
};

/* control.c */
struct control_action *control_act(struct control *c, enum control_action_kind kind);
struct control_attempt *control_find(const struct control *c, uint64_t id);
/* holding.c */
struct held_job *control_find_job(const struct control *c, uint64_t job_id); /* one that is not released, or NULL */
struct held_stage *control_find_stage(const struct held_job *job, uint32_t stage); /* NULL: nothing of it */
void control_on_plan(struct control *c, const struct control_event *ev);
void control_on_inputs(struct control *c, const struct control_event *ev);
/* Drops what is held of the job and frees it once it has no attempts. */
void control_release(struct control *c, struct held_job *job);
void control_job_left(struct control *c, struct held_job *job); /* an attempt of it is gone */
void control_hold(struct control *c, const struct control_attempt *a);
void control_jobs_free(struct control *c);
