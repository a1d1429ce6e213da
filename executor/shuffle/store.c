/* What this executor holds; see store.h. */
#include "executor/shuffle/store_impl.h"

struct stage_outputs {
    uint64_t job_id;
    uint32_t stage;
    uint32_t map_cap;
    struct map_output **maps;
    struct segment *segment; /* or NULL */
    struct stage_outputs *next;
};

struct store *store_new(struct account *account, const char *folder, uint64_t memory_max)
{
    struct store *st = xcalloc(1, sizeof *st);
    st->account = account;
    st->folder = folder;
    st->memory_max = memory_max;
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
    segment_unref(so->segment);
    xfree(so->maps);
    xfree(so);
}

void store_free(struct store *st)
{
    for (uint32_t i = 0; i < ARRAY_LEN(st->buckets); i++) {
        while (st->buckets[i]) {
            struct stage_outputs *so = st->buckets[i];
            st->buckets[i] = so->next;
            free_stage(so);
        }
    }
    pthread_mutex_destroy(&st->lock);
    xfree(st);
}

static struct stage_outputs **bucket_of(struct store *st, uint64_t job_id, uint32_t stage)
{
    return &st->buckets[hash_u64(job_id * 1000003 + stage) % ARRAY_LEN(st->buckets)];
}

static struct stage_outputs *find_stage(struct store *st, uint64_t job_id, uint32_t stage)
{
    struct stage_outputs *so = *bucket_of(st, job_id, stage);
    while (so && (so->job_id != job_id || so->stage != stage))
        so = so->next;
    return so;
}

/* Under the lock. */
static struct stage_outputs *need_stage(struct store *st, uint64_t job_id, uint32_t stage)
{
    struct stage_outputs *so = find_stage(st, job_id, stage);
    if (so)
        return so;
    struct stage_outputs **b = bucket_of(st, job_id, stage);
    so = xcalloc(1, sizeof *so);
    so->job_id = job_id;
    so->stage = stage;
    so->next = *b;
    *b = so;
    return so;
}

int store_segment(struct store *st, uint64_t job_id, uint32_t stage, struct segment **ret, struct error *err)
{
    pthread_mutex_lock(&st->lock);
    struct stage_outputs *so = need_stage(st, job_id, stage);
    int rc = so->segment ? 0 : segment_new(st->folder, &so->segment, err);
    if (rc == 0)
        *ret = segment_ref(so->segment);
    pthread_mutex_unlock(&st->lock);
    return rc;
}

void store_publish(struct store *st, struct map_output *take)
{
    pthread_mutex_lock(&st->lock);
    struct stage_outputs *so = need_stage(st, take->job_id, take->stage);
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

void store_drop(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id)
{
    struct map_output *gone = NULL;
    pthread_mutex_lock(&st->lock);
    struct stage_outputs *so = find_stage(st, job_id, stage);
    struct map_output **link = so && map < so->map_cap ? &so->maps[map] : NULL;
    while (link && *link && (*link)->attempt_id != attempt_id)
        link = &(*link)->next;
    if (link && *link) {
        gone = *link;
        *link = gone->next;
        st->bytes -= gone->bytes;
    }
    pthread_mutex_unlock(&st->lock);
    map_output_unref(gone);
}

void store_release(struct store *st, uint64_t job_id, uint32_t stage)
{
    struct stage_outputs *gone = NULL;
    pthread_mutex_lock(&st->lock);
    for (uint32_t i = 0; i < ARRAY_LEN(st->buckets); i++) {
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

uint64_t store_file_bytes(struct store *st)
{
    return __atomic_load_n(&st->file_bytes, __ATOMIC_RELAXED);
}
