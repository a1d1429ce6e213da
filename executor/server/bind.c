/*
 * Control bound to the world: frames of the driver and notes of the slots become its events, its actions become
 * frames, runs and releases. Nothing here decides; all of it is the loop's.
 */
#include "common/base/testpoint.h"
#include "common/log/log.h"
#include "executor/server/executor_impl.h"

/* What an event came with: the message or note that its actions speak of. */
struct about {
    const struct frame *frame;
    struct note *note;
};

/* ---- to the driver ---- */

static void send_failed(struct executor *ex, uint64_t attempt_id, const struct error *err, const struct attempt *a)
{
    Drover__AttemptFailed m = DROVER__ATTEMPT_FAILED__INIT;
    struct buf bytes = BUF_INIT;
    error_encode(err, &bytes);
    m.attempt_id = attempt_id;
    m.error = (ProtobufCBinaryData){bytes.bytes, (uint8_t *)bytes.data};
    if (a && a->lost_count) {
        m.has_lost_stage = true;
        m.lost_stage = a->lost_stage;
        m.n_lost_partition = m.n_lost_attempt = a->lost_count;
        m.lost_partition = a->lost_partitions;
        m.lost_attempt = a->lost_attempts;
    }
    conn_send(ex->driver, MSG_ATTEMPT_FAILED, 0, &m.base, NULL);
    buf_fini(&bytes);
}

static void refuse(struct executor *ex, uint64_t attempt_id, const char *why)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_INTERNAL, "message", why, NULL);
    send_failed(ex, attempt_id, &err, NULL);
    error_fini(&err);
}

static void report_failed(struct executor *ex, struct attempt *a, bool killed)
{
    struct error err = ERROR_INIT;
    if (killed)
        error_set(&err, ERR_CANCELLED, "reason", "", NULL);
    send_failed(ex, a->id, killed ? &err : &a->error, killed ? NULL : a);
    error_fini(&err);
    attempt_free(a);
}

/* Completions of one turn of the loop go out in one frame. */
struct done_batch {
    uint32_t count, cap[11];
    uint32_t *runs, *output_bytes;
    struct buf outputs;
    uint64_t *id, *rows_out, *bytes_out, *rows_in, *bytes_in, *shuffle_in, *run_us, *peak;
    ProtobufCBinaryData *manifests;
    size_t manifest_bytes;
};

static void add_done(struct done_batch *d, struct attempt *a)
{
    ARRAY_GROW(d->id, d->count, d->cap[0]);
    ARRAY_GROW(d->rows_out, d->count, d->cap[1]);
    ARRAY_GROW(d->bytes_out, d->count, d->cap[2]);
    ARRAY_GROW(d->rows_in, d->count, d->cap[3]);
    ARRAY_GROW(d->bytes_in, d->count, d->cap[4]);
    ARRAY_GROW(d->shuffle_in, d->count, d->cap[5]);
    ARRAY_GROW(d->run_us, d->count, d->cap[6]);
    ARRAY_GROW(d->peak, d->count, d->cap[7]);
    ARRAY_GROW(d->manifests, d->count, d->cap[8]);
    ARRAY_GROW(d->runs, d->count, d->cap[9]);
    ARRAY_GROW(d->output_bytes, d->count, d->cap[10]);
    uint32_t i = d->count++;
    d->id[i] = a->id;
    d->rows_out[i] = a->metrics.rows_out;
    d->bytes_out[i] = a->metrics.bytes_out;
    d->rows_in[i] = a->metrics.rows_in;
    d->bytes_in[i] = a->metrics.bytes_in;
    d->shuffle_in[i] = a->metrics.shuffle_bytes_in;
    d->run_us[i] = (uint64_t)a->run_us;
    d->peak[i] = (uint64_t)(a->metrics.peak_memory > 0 ? a->metrics.peak_memory : 0);
    d->manifests[i] = (ProtobufCBinaryData){a->manifest.bytes, (uint8_t *)a->manifest.data};
    d->manifest_bytes += a->manifest.bytes;
    d->runs[i] = a->result_seq;
    d->output_bytes[i] = (uint32_t)a->riding.bytes;
    if (a->riding.bytes)
        buf_add(&d->outputs, a->riding.data, a->riding.bytes);
}

/* conn NULL: the driver went meanwhile. */
static void send_done(struct conn *conn, struct done_batch *d)
{
    Drover__Completions m = DROVER__COMPLETIONS__INIT;
    m.n_attempt_id = m.n_rows_out = m.n_bytes_out = m.n_rows_in = m.n_bytes_in = m.n_shuffle_bytes_in = m.n_run_us =
        m.n_peak_memory = m.n_result_runs = d->count;
    m.attempt_id = d->id;
    m.rows_out = d->rows_out;
    m.bytes_out = d->bytes_out;
    m.rows_in = d->rows_in;
    m.bytes_in = d->bytes_in;
    m.shuffle_bytes_in = d->shuffle_in;
    m.run_us = d->run_us;
    m.peak_memory = d->peak;
    m.result_runs = d->runs;
    if (d->manifest_bytes) {
        m.n_manifest = d->count;
        m.manifest = d->manifests;
    }
    if (d->outputs.bytes) {
        m.n_output_bytes = d->count;
        m.output_bytes = d->output_bytes;
    }
    if (d->count && conn)
        conn_send(conn, MSG_COMPLETIONS, 0, &m.base, d->outputs.bytes ? &d->outputs : NULL);
    buf_fini(&d->outputs); /* empty once it was sent */
    d->count = 0;
    d->manifest_bytes = 0;
}

static void done_fini(struct done_batch *d)
{
    xfree(d->id);
    xfree(d->rows_out);
    xfree(d->bytes_out);
    xfree(d->rows_in);
    xfree(d->bytes_in);
    xfree(d->shuffle_in);
    xfree(d->run_us);
    xfree(d->peak);
    xfree(d->runs);
    xfree(d->manifests);
    xfree(d->output_bytes);
}

/* Outputs first: who hears of one can have it. Completions of result attempts follow their rows. */
static void report(struct executor *ex, void *const *attempts, uint32_t count)
{
    struct done_batch done = {0}, results = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct attempt *a = attempts[i];
        bool map = a->output || a->riding.bytes;
        if (a->output)
            store_publish(ex->store, a->output);
        a->output = NULL;
        if (map)
            TEST_POINT("end-map");
        add_done(a->entry->is_result ? &results : &done, a);
        if (done.outputs.bytes + done.manifest_bytes >= REPORT_BYTES)
            send_done(ex->driver, &done);
    }
    send_done(ex->driver, &done);
    send_done(ex->data, &results);
    done_fini(&done);
    done_fini(&results);
    for (uint32_t i = 0; i < count; i++)
        attempt_free(attempts[i]);
}

static void send_result(struct executor *ex, struct note *n)
{
    struct attempt *a = n->attempt;
    Drover__ResultRows m = DROVER__RESULT_ROWS__INIT;
    m.job_id = a->job_id;
    m.attempt_id = a->id;
    m.partition = a->partition;
    m.seq = n->seq;
    m.rows = n->rows;
    conn_send(ex->data, MSG_RESULT_ROWS, 0, &m.base, &n->bytes);
}

/* ---- actions ---- */

static void carry_out(struct executor *ex, const struct control_action *act, const struct about *about)
{
    struct attempt *a = act->cookie;
    switch (act->kind) {
    case CONTROL_ADD_PLAN: holding_add_plan(ex, about->frame->message); break;
    case CONTROL_SET_INPUTS: holding_set_inputs(ex, about->frame->message, about->frame->bulk, about->frame->bulk_bytes); break;
    case CONTROL_RUN: slots_run(ex, act->cookies, act->count); break;
    case CONTROL_CANCEL: __atomic_store_n(&a->cancel, true, __ATOMIC_RELAXED); break;
    case CONTROL_GRANT: __atomic_sub_fetch(&a->unacked, (int64_t)act->bytes, __ATOMIC_RELAXED); break;
    case CONTROL_SEND_RESULT: send_result(ex, about->note); break;
    case CONTROL_DROP_RESULT: break;
    case CONTROL_REFUSE:
        refuse(ex, act->attempt_id, act->reason);
        attempt_free(a);
        break;
    case CONTROL_REPORT: report(ex, act->cookies, act->count); break;
    case CONTROL_REPORT_FAILED: report_failed(ex, a, act->killed); break;
    case CONTROL_FORGET: attempt_free(a); break;
    case CONTROL_DROP_OUTPUT: store_drop(ex->store, act->job_id, act->stage, act->partition, act->attempt_id); break;
    case CONTROL_DROP_JOB: holding_drop_job(ex, act->job_id); break;
    }
}

static void tell(struct executor *ex, const struct control_event *ev, const struct about *about)
{
    struct control_action act;
    control_event(ex->control, ev);
    while (control_next_action(ex->control, &act))
        carry_out(ex, &act, about);
}

void bind_flush(struct executor *ex)
{
    tell(ex, &(struct control_event){.kind = CONTROL_FLUSH}, &(struct about){0});
}

void bind_registered(struct executor *ex)
{
    tell(ex, &(struct control_event){.kind = CONTROL_REGISTERED, .epoch = ex->rpc.epoch, .incarnation = ex->incarnation}, &(struct about){0});
}

void bind_driver_lost(struct executor *ex)
{
    tell(ex, &(struct control_event){.kind = CONTROL_DRIVER_LOST}, &(struct about){0});
}

/* ---- frames of the driver ---- */

/* splits: (u32 scan index, u32 bytes, file_split)* */
static bool read_splits(struct attempt *a, const void *p, size_t bytes)
{
    a->splits = xmalloc(bytes + 1);
    if (bytes)
        memcpy(a->splits, p, bytes);
    uint32_t cap = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t head[2];
        if (bytes - at < sizeof head)
            return false;
        memcpy(head, a->splits + at, sizeof head);
        at += sizeof head;
        if (bytes - at < head[1])
            return false;
        ARRAY_GROW(a->split_items, a->split_count, cap);
        a->split_items[a->split_count++] = (struct task_split){head[0], a->splits + at, head[1]};
        at += head[1];
    }
    return true;
}

static struct attempt *new_attempt(struct executor *ex, const Drover__Launch *m, size_t i)
{
    struct attempt *a = xcalloc(1, sizeof *a);
    a->ex = ex;
    a->id = m->attempt_id[i];
    a->job_id = m->job_id;
    a->executor_id = ex->id;
    a->partition = m->partition[i];
    arena_init(&a->ar);
    a->entry = holding_stage(ex, m->job_id, m->stage);
    if (a->entry)
        __atomic_add_fetch(&a->entry->refs, 1, __ATOMIC_RELAXED);
    if (m->write_dir)
        a->write_dir = xasprintf("%s/%llu", m->write_dir, (unsigned long long)a->id);
    return a;
}

static void on_launch(struct executor *ex, const Drover__Launch *m, struct control_event *ev)
{
    uint32_t n = 0;
    void **cookies = xmalloc((m->n_attempt_id + 1) * sizeof *cookies);
    uint64_t *ids = xmalloc((m->n_attempt_id + 1) * sizeof *ids);
    uint32_t *partitions = xmalloc((m->n_attempt_id + 1) * sizeof *partitions);
    for (size_t i = 0; i < m->n_attempt_id; i++) {
        if (i >= m->n_partition || (m->n_splits && i >= m->n_splits)) {
            refuse(ex, m->attempt_id[i], "a launch whose lists do not fit together");
            continue;
        }
        struct attempt *a = new_attempt(ex, m, i);
        if (m->n_splits && !read_splits(a, m->splits[i].data, m->splits[i].len)) {
            refuse(ex, a->id, "splits that cannot be read");
            attempt_free(a);
            continue;
        }
        ids[n] = a->id;
        partitions[n] = a->partition;
        cookies[n++] = a;
    }
    ev->count = n;
    ev->attempt_ids = ids;
    ev->partitions = partitions;
    ev->cookies = (void *const *)cookies;
    tell(ex, ev, &(struct about){0});
    xfree(cookies);
    xfree(ids);
    xfree(partitions);
}

bool bind_driver_frame(struct executor *ex, const struct frame *f)
{
    struct control_event ev = {.epoch = f->epoch, .incarnation = f->incarnation};
    struct about about = {.frame = f};
    switch (f->type) {
    case MSG_STAGE_PLAN: {
        const Drover__StagePlan *m = f->message;
        ev.kind = CONTROL_PLAN;
        ev.job_id = m->job_id;
        ev.stage = m->stage;
        ev.keeps_output = !m->is_result;
        break;
    }
    case MSG_STAGE_INPUTS: {
        const Drover__StageInputs *m = f->message;
        ev.kind = CONTROL_INPUTS;
        ev.job_id = m->job_id;
        ev.stage = m->exchange;
        ev.version = inputs_fit(m, f->bulk_bytes) ? m->version : 0;
        break;
    }
    case MSG_LAUNCH: {
        const Drover__Launch *m = f->message;
        ev.kind = CONTROL_LAUNCH;
        ev.job_id = m->job_id;
        ev.stage = m->stage;
        on_launch(ex, m, &ev);
        return true;
    }
    case MSG_KILL_ATTEMPTS: {
        const Drover__KillAttempts *m = f->message;
        ev.kind = CONTROL_KILL;
        ev.count = (uint32_t)m->n_attempt_id;
        ev.attempt_ids = m->attempt_id;
        break;
    }
    case MSG_RELEASE: {
        const Drover__Release *m = f->message;
        ev.kind = CONTROL_RELEASE;
        ev.job_id = m->job_id;
        break;
    }
    case MSG_RESULT_CREDIT: {
        const Drover__ResultCredit *m = f->message;
        ev.kind = CONTROL_CREDIT;
        ev.attempt_id = m->attempt_id;
        ev.bytes = m->bytes;
        break;
    }
    default: return false;
    }
    tell(ex, &ev, &about);
    if (f->type == MSG_STAGE_INPUTS)
        TEST_POINT("after-map"); /* the driver knows a whole stage's outputs, some of them here */
    if (f->type == MSG_KILL_ATTEMPTS || f->type == MSG_RELEASE)
        bind_flush(ex); /* what was killed before it ran */
    return true;
}

/* ---- notes of the slots ---- */

void executor_note(struct executor *ex, struct note *take)
{
    pthread_mutex_lock(&ex->note_lock);
    bool first = ex->note_head == NULL;
    take->next = NULL;
    *ex->note_tail = take;
    ex->note_tail = &take->next;
    pthread_mutex_unlock(&ex->note_lock);
    if (first)
        uv_async_send(&ex->async);
}

static void on_note(struct executor *ex, struct note *n)
{
    struct control_event ev = {.attempt_id = n->attempt_id};
    switch (n->kind) {
    case NOTE_FINISHED:
        ev.kind = CONTROL_FINISHED;
        ev.ok = n->ok;
        ev.rides = n->rides;
        break;
    case NOTE_PARKED: ev.kind = CONTROL_PARKED; break;
    case NOTE_WOKEN: ev.kind = CONTROL_WOKEN; break;
    case NOTE_RESULT:
        ev.kind = CONTROL_RESULT;
        ev.bytes = n->bytes.bytes;
        break;
    case NOTE_FETCH: fetch_start(ex, n->fetch); return;
    case NOTE_FETCH_CREDIT: fetch_credit(ex, n->fetch, n->peer, n->credit); return;
    case NOTE_SERVED: serve_frame_ready(n->serve); return;
    }
    tell(ex, &ev, &(struct about){.note = n});
}

void bind_notes_cb(uv_async_t *h)
{
    struct executor *ex = h->data;
    uint32_t finished = 0;
    pthread_mutex_lock(&ex->note_lock);
    struct note *n = ex->note_head;
    ex->note_head = NULL;
    ex->note_tail = &ex->note_head;
    pthread_mutex_unlock(&ex->note_lock);
    while (n) {
        struct note *next = n->next;
        bool embedded = n->kind == NOTE_FINISHED || n->kind == NOTE_PARKED; /* gone with its attempt */
        finished += n->kind == NOTE_FINISHED;
        on_note(ex, n);
        if (!embedded) {
            buf_fini(&n->bytes);
            xfree(n);
        }
        n = next;
        if (finished == REPORT_MAX) {
            bind_flush(ex);
            finished = 0;
        }
    }
    if (finished)
        bind_flush(ex);
}

/* ---- the end ---- */

static void free_cookie(void *cookie, void *arg)
{
    (void)arg;
    attempt_free(cookie);
}

static void cancel_cookie(void *cookie, void *arg)
{
    (void)arg;
    __atomic_store_n(&((struct attempt *)cookie)->cancel, true, __ATOMIC_RELAXED);
}

void bind_cancel_all(struct executor *ex)
{
    control_each_cookie(ex->control, cancel_cookie, NULL);
}

void bind_free(struct executor *ex)
{
    while (ex->note_head) {
        struct note *n = ex->note_head;
        ex->note_head = n->next;
        if (n->kind == NOTE_FINISHED || n->kind == NOTE_PARKED)
            continue;
        buf_fini(&n->bytes);
        fetch_unref(n->fetch);
        xfree(n);
    }
    control_each_cookie(ex->control, free_cookie, NULL);
    control_free(ex->control);
}
