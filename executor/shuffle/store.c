/* Map outputs in memory; see store.h. */
#include "executor/shuffle/store.h"

#include <pthread.h>

/* Most outputs have one run in one partition: it sits in the output itself. */
struct map_output {
    uint32_t refs;
    uint64_t job_id, attempt_id, bytes;
    uint32_t stage, map, partitions;
    uint32_t run_count, run_cap;
    struct run {
        uint32_t partition;
        struct sealed *sealed;
    } first, *runs;          /* in order of arrival until sorted */
    struct sealed **sorted;  /* by partition, built at publication; NULL for one partition */
    uint32_t *first_of;      /* partitions + 1 entries into sorted */
    struct map_output *next;     /* in its map slot: outputs of other attempts of the same map */
};

struct stage_outputs {
    uint64_t job_id;
    uint32_t stage;
    uint32_t map_cap;
    struct map_output **maps;
    struct stage_outputs *next;
};

enum { BUCKETS = 256 };

struct store {
    pthread_mutex_t lock;
    struct stage_outputs *buckets[BUCKETS];
    uint64_t bytes;
};

struct store *store_new(void)
{
    struct store *st = xcalloc(1, sizeof *st);
    pthread_mutex_init(&st->lock, NULL);
    return st;
}

static void free_stage(struct stage_outputs *so)
{
    for (uint32_t i = 0; i < so->map_cap; i++) {
        for (struct map_output *o = so->maps[i]; o;) {
            struct map_output *next = o->next;
            map_output_unref(o);
            o = next;
        }
    }
    xfree(so->maps);
    xfree(so);
}

void store_free(struct store *st)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (st->buckets[i]) {
            struct stage_outputs *so = st->buckets[i];
            st->buckets[i] = so->next;
            free_stage(so);
        }
    }
    pthread_mutex_destroy(&st->lock);
    xfree(st);
}

/* ---- one output ---- */

struct map_output *map_output_new(uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id, uint32_t partitions)
{
    ASSERT(partitions > 0);
    struct map_output *o = xcalloc(1, sizeof *o);
    o->refs = 1;
    o->job_id = job_id;
    o->stage = stage;
    o->map = map;
    o->attempt_id = attempt_id;
    o->partitions = partitions;
    o->runs = &o->first;
    o->run_cap = 1;
    return o;
}

void map_output_add(struct map_output *o, uint32_t partition, struct sealed *take)
{
    ASSERT(partition < o->partitions);
    if (o->run_count == o->run_cap) {
        uint32_t cap = o->run_cap == 1 ? 8 : o->run_cap * 2;
        struct run *runs = xmalloc(cap * sizeof *runs);
        memcpy(runs, o->runs, o->run_count * sizeof *runs);
        if (o->runs != &o->first)
            xfree(o->runs);
        o->runs = runs;
        o->run_cap = cap;
    }
    o->runs[o->run_count++] = (struct run){partition, take};
    o->bytes += take->bytes;
}

uint64_t map_output_bytes(const struct map_output *o)
{
    return o->bytes;
}

uint32_t map_output_partitions(const struct map_output *o)
{
    return o->partitions;
}

void map_output_unref(struct map_output *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < o->run_count; i++)
        sealed_unref(o->runs[i].sealed);
    if (o->runs != &o->first)
        xfree(o->runs);
    xfree(o->sorted);
    xfree(o->first_of);
    xfree(o);
}

/* Counting sort of the runs by partition, stable: readers see them in the order of arrival. */
static void index_runs(struct map_output *o)
{
    if (o->partitions == 1 && o->run_count <= 1)
        return;
    o->first_of = xcalloc(o->partitions + 1, sizeof *o->first_of);
    o->sorted = xmalloc(o->run_count * sizeof(struct sealed *));
    for (uint32_t i = 0; i < o->run_count; i++)
        o->first_of[o->runs[i].partition + 1]++;
    for (uint32_t p = 0; p < o->partitions; p++)
        o->first_of[p + 1] += o->first_of[p];
    uint32_t *at = xmalloc((o->partitions + 1) * sizeof *at);
    memcpy(at, o->first_of, (o->partitions + 1) * sizeof *at);
    for (uint32_t i = 0; i < o->run_count; i++)
        o->sorted[at[o->runs[i].partition]++] = o->runs[i].sealed;
    xfree(at);
}

struct sealed *const *map_output_runs(const struct map_output *o, uint32_t partition, uint32_t *ret_count)
{
    ASSERT(partition < o->partitions);
    if (!o->first_of) {
        *ret_count = o->run_count;
        return &o->first.sealed;
    }
    *ret_count = o->first_of[partition + 1] - o->first_of[partition];
    return o->sorted + o->first_of[partition];
}

/* ---- the store ---- */

static struct stage_outputs **bucket_of(struct store *st, uint64_t job_id, uint32_t stage)
{
    return &st->buckets[hash_u64(job_id * 1000003 + stage) % BUCKETS];
}

static struct stage_outputs *find_stage(struct store *st, uint64_t job_id, uint32_t stage)
{
    struct stage_outputs *so = *bucket_of(st, job_id, stage);
    while (so && (so->job_id != job_id || so->stage != stage))
        so = so->next;
    return so;
}

void store_publish(struct store *st, struct map_output *take)
{
    index_runs(take);
    pthread_mutex_lock(&st->lock);
    struct stage_outputs *so = find_stage(st, take->job_id, take->stage);
    if (!so) {
        struct stage_outputs **b = bucket_of(st, take->job_id, take->stage);
        so = xcalloc(1, sizeof *so);
        so->job_id = take->job_id;
        so->stage = take->stage;
        so->next = *b;
        *b = so;
    }
    if (take->map >= so->map_cap) {
        uint32_t cap = so->map_cap ? so->map_cap : 8;
        while (cap <= take->map)
            cap *= 2;
        so->maps = xrealloc(so->maps, cap * sizeof *so->maps);
        memset(so->maps + so->map_cap, 0, (cap - so->map_cap) * sizeof *so->maps);
        so->map_cap = cap;
    }
    take->next = so->maps[take->map];
    so->maps[take->map] = take;
    st->bytes += take->bytes;
    pthread_mutex_unlock(&st->lock);
}

struct map_output *store_find(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id)
{
    struct map_output *found = NULL;
    pthread_mutex_lock(&st->lock);
    struct stage_outputs *so = find_stage(st, job_id, stage);
    if (so && map < so->map_cap) {
        for (found = so->maps[map]; found && found->attempt_id != attempt_id;)
            found = found->next;
    }
    if (found)
        __atomic_add_fetch(&found->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&st->lock);
    return found;
}

void store_release(struct store *st, uint64_t job_id, uint32_t stage)
{
    struct stage_outputs *gone = NULL;
    pthread_mutex_lock(&st->lock);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct stage_outputs **p = &st->buckets[i]; *p;) {
            struct stage_outputs *so = *p;
            if (so->job_id != job_id || (stage != UINT32_MAX && so->stage != stage)) {
                p = &so->next;
                continue;
            }
            *p = so->next;
            so->next = gone;
            gone = so;
            for (uint32_t m = 0; m < so->map_cap; m++) {
                for (struct map_output *o = so->maps[m]; o; o = o->next)
                    st->bytes -= o->bytes;
            }
        }
    }
    pthread_mutex_unlock(&st->lock);
    while (gone) { /* freeing takes time: outside of the lock */
        struct stage_outputs *next = gone->next;
        free_stage(gone);
        gone = next;
    }
}

uint64_t store_bytes(struct store *st)
{
    pthread_mutex_lock(&st->lock);
    uint64_t bytes = st->bytes;
    pthread_mutex_unlock(&st->lock);
    return bytes;
}
