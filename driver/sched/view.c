/* Reading the scheduler's state: for launches, pages and tests. */
#include "driver/sched/sched_impl.h"

uint32_t sched_output_version(const struct sched *s, uint64_t job_id, uint32_t stage)
{
    const struct job *job = sched_find_job(s, job_id);
    return job && stage < job->spec.stage_count ? job->stages[stage].version : 0;
}

bool sched_output(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint64_t *ret_executor,
                  uint64_t *ret_attempt)
{
    const struct job *job = sched_find_job(s, job_id);
    if (!job || stage >= job->spec.stage_count || partition >= job->stages[stage].spec.task_count || !job->stages[stage].tasks)
        return false;
    const struct task *t = &job->stages[stage].tasks[partition];
    if (t->state != TASK_DONE)
        return false;
    *ret_executor = t->executor == NONE ? 0 : s->executors[t->executor].id;
    *ret_attempt = t->done_attempt;
    return true;
}

const void *sched_kept(const struct sched *s, uint64_t job_id, uint32_t stage, uint32_t partition, uint32_t *ret_bytes)
{
    const struct job *job = sched_find_job(s, job_id);
    const struct kept *k = job && job->stages[stage].kept ? &job->stages[stage].kept[partition] : NULL;
    *ret_bytes = k ? k->count : 0;
    return k ? k->bytes : NULL;
}

bool sched_attempt(const struct sched *s, uint64_t attempt_id, uint64_t executor_id, uint64_t *ret_job, uint32_t *ret_stage,
                   uint32_t *ret_partition)
{
    const struct attempt *a = sched_find_attempt(s, attempt_id);
    if (!a || a->state != ATTEMPT_LAUNCHED || s->executors[a->executor].id != executor_id)
        return false;
    *ret_job = a->job->spec.job_id;
    *ret_stage = a->stage;
    *ret_partition = a->partition;
    return true;
}

uint64_t sched_attempt_executor(const struct sched *s, uint64_t attempt_id)
{
    const struct attempt *a = sched_find_attempt(s, attempt_id);
    return a && a->state == ATTEMPT_LAUNCHED ? s->executors[a->executor].id : 0;
}

static void fill_job_view(const struct job *job, struct job_view *ret)
{
    *ret = (struct job_view){job->spec.job_id, (enum job_state)job->state, job->spec.stage_count, job->submitted_us,
                             job->ended_us, &job->error};
}

bool sched_job_at(const struct sched *s, uint32_t index, struct job_view *ret)
{
    if (index >= s->job_count)
        return false;
    fill_job_view(s->jobs[index], ret);
    return true;
}

bool sched_job_view(const struct sched *s, uint64_t job_id, struct job_view *ret)
{
    const struct job *job = sched_find_job(s, job_id);
    if (job)
        fill_job_view(job, ret);
    return job != NULL;
}

bool sched_stage_view(const struct sched *s, uint64_t job_id, uint32_t stage, struct stage_view *ret)
{
    const struct job *job = sched_find_job(s, job_id);
    if (!job || stage >= job->spec.stage_count)
        return false;
    const struct stage *st = &job->stages[stage];
    *ret = st->view;
    ret->state = (enum stage_state)st->state;
    ret->tasks = st->spec.task_count;
    ret->done = st->done;
    ret->running = st->running;
    ret->reruns = st->reruns;
    ret->p50_us = (uint32_t)latency_at(&st->latency, 0.5);
    ret->p99_us = (uint32_t)latency_at(&st->latency, 0.99);
    ret->result = st->spec.result;
    ret->writes = st->spec.writes;
    return true;
}

bool sched_executor_at(const struct sched *s, uint32_t index, struct executor_view *ret)
{
    if (index >= s->executor_count)
        return false;
    const struct executor *e = &s->executors[index];
    *ret = e->view;
    ret->state = (enum executor_state)e->state;
    ret->host = e->host;
    ret->reason = e->reason;
    ret->running = e->running;
    ret->busy = e->running < e->view.slots ? e->running : e->view.slots;
    ret->stalled = e->stalled;
    ret->outputs = e->outputs;
    return true;
}

uint32_t sched_running(const struct sched *s, uint64_t executor_id, uint32_t max, struct attempt_view *ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->executor_count; i++) {
        if (s->executors[i].id != executor_id)
            continue;
        for (uint32_t at = s->executors[i].first; at != NONE; at = s->attempts[at].next, n++) {
            const struct attempt *a = &s->attempts[at];
            if (n < max)
                ret[n] = (struct attempt_view){a->id, a->job->spec.job_id, a->stage, a->partition};
        }
    }
    return n;
}

uint64_t sched_stale_events(const struct sched *s)
{
    return s->stale;
}

uint64_t sched_launch_to_result_us(const struct sched *s, double share)
{
    return latency_at(&s->latency, share);
}

uint32_t sched_active_jobs(const struct sched *s)
{
    return s->active_count;
}

uint64_t sched_job_bytes(const struct sched *s, uint64_t job_id)
{
    const struct job *job = sched_find_job(s, job_id);
    if (!job)
        return 0;
    uint64_t bytes = sizeof *job + job->touched_words * sizeof *job->touched;
    for (uint32_t i = 0; i < job->spec.stage_count; i++) {
        const struct stage *st = &job->stages[i];
        bytes += sizeof *st + st->again_cap * sizeof *st->again;
        bytes += st->tasks ? st->spec.task_count * sizeof *st->tasks : 0;
        bytes += st->kept ? st->spec.task_count * sizeof *st->kept : 0;
        bytes += st->place_next ? st->spec.task_count * sizeof *st->place_next : 0;
    }
    return bytes;
}
