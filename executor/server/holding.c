/*
 * What an executor holds of jobs beside their outputs: inputs (read by slots, hence the lock) and stages with their
 * plans and code. Which of them to keep and when to drop them is control's word; this file does it.
 */
#include "common/log/log.h"
#include "executor/server/executor_impl.h"

/* ---- inputs ---- */

void inputs_unref(struct inputs *in)
{
    if (!in || __atomic_sub_fetch(&in->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < in->peer_count; i++)
        xfree(in->addresses[i]);
    xfree(in->addresses);
    xfree(in->peer_ids);
    xfree(in->map_peer);
    xfree(in->map_attempt);
    account_release(in->account, in->charged);
    xfree(in->riding);
    xfree(in->riding_at);
    xfree(in);
}

struct inputs *executor_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange)
{
    struct inputs *found = NULL;
    pthread_mutex_lock(&ex->inputs_lock);
    for (struct inputs_link *l = ex->input_links; l && !found; l = l->next) {
        if (l->in->job_id == job_id && l->in->exchange == exchange)
            found = l->in;
    }
    if (found)
        __atomic_add_fetch(&found->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&ex->inputs_lock);
    return found;
}

/* Drops what is known of a job's inputs; of one exchange unless that is UINT32_MAX. */
static void forget_inputs(struct executor *ex, uint64_t job_id, uint32_t exchange)
{
    pthread_mutex_lock(&ex->inputs_lock);
    for (struct inputs_link **p = &ex->input_links; *p;) {
        struct inputs_link *l = *p;
        if (l->in->job_id != job_id || (exchange != UINT32_MAX && l->in->exchange != exchange)) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        inputs_unref(l->in);
        xfree(l);
    }
    pthread_mutex_unlock(&ex->inputs_lock);
}

/* Each map has a place: an executor of the list, or bytes of the bulk part. */
bool inputs_fit(const Drover__StageInputs *m, size_t bulk_bytes)
{
    uint64_t sum = 0;
    if (m->n_map_executor != m->n_map_attempt || m->n_executor_id != m->n_address || (m->n_map_bytes && m->n_map_bytes != m->n_map_attempt))
        return false;
    for (size_t i = 0; i < m->n_map_attempt; i++) {
        uint32_t bytes = m->n_map_bytes ? m->map_bytes[i] : 0;
        if (bytes == 0 && m->map_executor[i] >= m->n_executor_id)
            return false;
        sum += bytes;
    }
    return sum == bulk_bytes;
}

/*
 * The driver bounds what rides per stage, and the stage cannot run without it: when the account has no room, it is held
 * uncharged.
 */
static void take_riding(struct executor *ex, struct inputs *in, const Drover__StageInputs *m, const char *bulk, size_t bulk_bytes)
{
    if (!m->n_map_bytes)
        return;
    in->account = &ex->account;
    in->charged = account_try(in->account, bulk_bytes) ? bulk_bytes : 0;
    in->riding = xmalloc(bulk_bytes + 1);
    memcpy(in->riding, bulk, bulk_bytes);
    in->riding_at = xmalloc((m->n_map_bytes + 1) * sizeof *in->riding_at);
    in->riding_at[0] = 0;
    for (size_t i = 0; i < m->n_map_bytes; i++)
        in->riding_at[i + 1] = in->riding_at[i] + m->map_bytes[i];
}

void holding_set_inputs(struct executor *ex, const Drover__StageInputs *m, const char *bulk, size_t bulk_bytes)
{
    struct inputs *in = xcalloc(1, sizeof *in);
    in->refs = 1;
    in->job_id = m->job_id;
    in->exchange = m->exchange;
    in->version = m->version;
    in->map_count = (uint32_t)m->n_map_executor;
    in->peer_count = (uint32_t)m->n_executor_id;
    in->peer_ids = xmalloc((m->n_executor_id + 1) * sizeof *in->peer_ids);
    in->addresses = xcalloc(m->n_executor_id + 1, sizeof *in->addresses);
    in->map_peer = xmalloc((m->n_map_executor + 1) * sizeof *in->map_peer);
    in->map_attempt = xmalloc((m->n_map_executor + 1) * sizeof *in->map_attempt);
    for (uint32_t i = 0; i < in->peer_count; i++) {
        in->peer_ids[i] = m->executor_id[i];
        in->addresses[i] = xstrdup(m->address[i]);
    }
    for (uint32_t i = 0; i < in->map_count; i++) {
        in->map_peer[i] = m->n_map_bytes && m->map_bytes[i] ? INPUT_RODE : m->map_executor[i];
        in->map_attempt[i] = m->map_attempt[i];
    }
    take_riding(ex, in, m, bulk, bulk_bytes);
    forget_inputs(ex, in->job_id, in->exchange);
    pthread_mutex_lock(&ex->inputs_lock);
    struct inputs_link *l = xmalloc(sizeof *l);
    *l = (struct inputs_link){in, ex->input_links};
    ex->input_links = l;
    pthread_mutex_unlock(&ex->inputs_lock);
}

/* ---- stages ---- */

static struct stage_entry **stage_slot(struct executor *ex, uint64_t job_id, uint32_t stage)
{
    struct stage_entry **p = &ex->stages[hash_u64(job_id * 1000003 + stage) % ARRAY_LEN(ex->stages)];
    while (*p && ((*p)->job_id != job_id || (*p)->stage != stage))
        p = &(*p)->next;
    return p;
}

struct stage_entry *holding_stage(struct executor *ex, uint64_t job_id, uint32_t stage)
{
    return *stage_slot(ex, job_id, stage);
}

void stage_entry_unref(struct stage_entry *e)
{
    if (!e || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    stage_code_free(e->code);
    arena_fini(&e->ar);
    error_fini(&e->error);
    pthread_mutex_destroy(&e->compile);
    xfree(e);
}

void holding_add_plan(struct executor *ex, const Drover__StagePlan *m)
{
    struct stage_entry **p = stage_slot(ex, m->job_id, m->stage), *e = xcalloc(1, sizeof *e);
    ASSERT(*p == NULL);
    e->refs = 1;
    e->job_id = m->job_id;
    e->stage = m->stage;
    e->output_partitions = m->output_partitions ? m->output_partitions : 1;
    e->is_result = m->is_result;
    e->peers_read = m->peers_read;
    e->ride_max = m->ride_max;
    pthread_mutex_init(&e->compile, NULL);
    arena_init(&e->ar);
    if (stage_plan_decode(&e->ar, m->plan.data, m->plan.len, &e->plan, &e->error) != 0)
        log_warn("executor", "a stage plan could not be decoded; its attempts will fail");
    *p = e;
}

/* Stages go with their last attempt, outputs with their last reader. */
void holding_drop_job(struct executor *ex, uint64_t job_id)
{
    store_release(ex->store, job_id, UINT32_MAX);
    forget_inputs(ex, job_id, UINT32_MAX);
    for (size_t i = 0; i < ARRAY_LEN(ex->stages); i++) {
        for (struct stage_entry **p = &ex->stages[i]; *p;) {
            struct stage_entry *e = *p;
            if (e->job_id != job_id) {
                p = &e->next;
                continue;
            }
            *p = e->next;
            stage_entry_unref(e);
        }
    }
}

void holdings_free(struct executor *ex)
{
    while (ex->input_links) {
        struct inputs_link *next = ex->input_links->next;
        inputs_unref(ex->input_links->in);
        xfree(ex->input_links);
        ex->input_links = next;
    }
    for (size_t i = 0; i < ARRAY_LEN(ex->stages); i++) {
        while (ex->stages[i]) {
            struct stage_entry *next = ex->stages[i]->next;
            stage_entry_unref(ex->stages[i]);
            ex->stages[i] = next;
        }
    }
}
