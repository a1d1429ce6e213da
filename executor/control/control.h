/*
 * The executor's half of the protocol as a deterministic state machine: what it knows of jobs, which attempts it
 * runs when, what it holds and for how long, what it believes and what it refuses.
 *
 * PURE: events in, actions out, as driver/sched/sched.h has it. It reads no clock, draws no random numbers, does no
 * I/O and never depends on the order of pointers. executor/server binds it to sockets, slots and the output store,
 * the simulator to a virtual network. One thread: the one that owns it.
 *
 * Nouns. An attempt is one try at a task that the driver launched here; its cookie is the binder's own object for
 * it, carried along and never looked at. A plan comes once per job and stage, inputs (where the outputs of an
 * exchange lie) come in versions. What an attempt of a stage with consumers leaves is an output, held from the
 * moment that its completion is reported until the job is released or a later attempt at the same task replaces it;
 * a small one rides in the completion and is the driver's from then on.
 *
 *   attempt  QUEUED ──► RUNNING ◄──► PARKED
 *               │           │
 *               └───────────┴──► ENDED ──► (gone: reported, or forgotten with its driver)
 *
 * A killed attempt is doomed, in whatever state: it ends as soon as it can, leaves no output, and is reported as
 * failed so that the driver gets its credit back. RUNNING is "given to the slots", which may hold a few more than
 * they can run at once, so that no slot waits for the loop between two short attempts.
 *
 * Fences. Everything from the driver names its epoch and the incarnation that it is meant for; what does not match
 * the registration is ignored and counted. Ids of attempts grow, so a launch that is not newer than the last is a
 * duplicate, whatever became of the attempt.
 */
#pragma once

#include "common/base/base.h"
#include "common/sm/sm.h"

enum control_attempt_state { CONTROL_QUEUED, CONTROL_RUNNING, CONTROL_WAITING, CONTROL_ENDED };

struct control_config {
    uint32_t slots;
    uint32_t ahead;           /* attempts given to the slots beyond those that can run */
    int64_t result_window;    /* bytes of results on their way, past which an attempt waits for credit */
};

enum {
    CONTROL_STAGES_MAX = 1 << 14,     /* of a job */
    CONTROL_PARTITIONS_MAX = 1 << 24, /* of a stage */
};

enum control_event_kind {
    /* the connection to the driver */
    CONTROL_REGISTERED, CONTROL_DRIVER_LOST,
    /* from the driver */
    CONTROL_PLAN, CONTROL_INPUTS, CONTROL_LAUNCH, CONTROL_KILL, CONTROL_RELEASE, CONTROL_CREDIT,
    /* from the slots */
    CONTROL_PARKED, CONTROL_WOKEN, CONTROL_RESULT, CONTROL_FINISHED,
    /* the end of a turn: what was collected goes out */
    CONTROL_FLUSH,
};
struct control_event {
    enum control_event_kind kind;
    uint64_t epoch, incarnation;     /* REGISTERED, and all that come from the driver */
    uint64_t job_id;                 /* PLAN, INPUTS, LAUNCH, RELEASE */
    uint32_t stage;                  /* PLAN, LAUNCH; INPUTS: the stage whose outputs they are */
    uint32_t version;                /* INPUTS */
    bool keeps_output;               /* PLAN: attempts leave outputs for other stages */
    uint32_t count;                  /* LAUNCH, KILL */
    const uint64_t *attempt_ids;     /* LAUNCH, KILL */
    const uint32_t *partitions;      /* LAUNCH */
    void *const *cookies;            /* LAUNCH: taken; each comes back once in REFUSE, FORGET, REPORT or REPORT_FAILED */
    uint64_t attempt_id;             /* CREDIT, PARKED, WOKEN, RESULT, FINISHED */
    uint64_t bytes;                  /* CREDIT, RESULT */
    bool ok;                         /* FINISHED */
    bool rides;                      /* FINISHED: its output goes with the report and is not held here */
};

enum control_action_kind {
    CONTROL_ADD_PLAN,       /* the event's plan is new here: keep it */
    CONTROL_SET_INPUTS,     /* the event's inputs are newer than what was known: replace */
    CONTROL_RUN,            /* give these to the slots, in order */
    CONTROL_CANCEL,         /* raise the attempt's flag; a parked one also comes in a RUN, to see it */
    CONTROL_GRANT,          /* so many bytes of its results are off its hands */
    CONTROL_SEND_RESULT,    /* the event's rows go to the driver */
    CONTROL_DROP_RESULT,    /* nobody wants them */
    CONTROL_REFUSE,         /* tell the driver that the attempt failed because of `reason`; then free it */
    CONTROL_REPORT,         /* publish the outputs of these, then tell the driver that they are done; then free them */
    CONTROL_REPORT_FAILED,  /* tell the driver that it failed: of its own error, or killed; then free it */
    CONTROL_FORGET,         /* free it, tell nobody */
    CONTROL_DROP_OUTPUT,    /* a later attempt's output replaces this one, here or with the driver */
    CONTROL_DROP_JOB,       /* plans, inputs and outputs of the job go */
};
struct control_action {
    enum control_action_kind kind;
    uint64_t job_id;
    uint32_t stage, partition;  /* DROP_OUTPUT; ADD_PLAN and SET_INPUTS: stage */
    uint64_t attempt_id;        /* REFUSE, DROP_OUTPUT, CANCEL, REPORT_FAILED */
    uint32_t count;             /* RUN, REPORT */
    void *const *cookies;       /* RUN, REPORT: valid until the next event */
    void *cookie;               /* all that speak of one attempt */
    uint64_t bytes;             /* GRANT */
    bool killed;                /* REPORT_FAILED */
    const char *reason;         /* REFUSE */
};

struct control;
struct control *control_new(const struct control_config *config);
void control_free(struct control *c); /* cookies that it still has are the binder's to find */
/* All actions of the event before must have been taken. */
void control_event(struct control *c, const struct control_event *ev);
/* The next action, valid until the next event; false when there is none. */
bool control_next_action(struct control *c, struct control_action *ret);

/* ---- reading ---- */

struct control_view {
    bool registered;
    uint64_t epoch, incarnation;
    uint32_t queued, running, parked, ended;
    uint32_t jobs, plans, inputs, outputs;
    uint64_t stale;  /* events ignored: another epoch or incarnation, duplicates, credit that nobody is owed */
};
void control_look(const struct control *c, struct control_view *ret);
/* Whether the output of this attempt is held. */
bool control_holds(const struct control *c, uint64_t job_id, uint32_t stage, uint32_t partition, uint64_t attempt_id);
/* Whether the attempt is here and wanted. */
bool control_wants(const struct control *c, uint64_t attempt_id);
/* The version of the inputs known of an exchange; 0: none. */
uint32_t control_inputs(const struct control *c, uint64_t job_id, uint32_t stage);
/* Each cookie still here, in no particular order, for the binder's end. */
void control_each_cookie(const struct control *c, void (*fn)(void *cookie, void *arg), void *arg);
/* Recounts everything and asserts that it agrees; O(everything). For tests and the simulator. */
void control_check(const struct control *c);
/* Asserts that nothing waits that could run. */
void control_check_idle(const struct control *c);
