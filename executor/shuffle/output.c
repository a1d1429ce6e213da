/* One attempt's outputs; see output.h. */
#include "executor/shuffle/store_impl.h"

enum { PIECE_BYTES = 8 << 20, FRAME_HEAD = 32 };

struct map_output *map_output_new(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id,
                                  uint32_t partitions, bool encode)
{
    ASSERT(partitions > 0);
    struct map_output *o = xcalloc(1, sizeof *o);
    o->refs = 1;
    o->st = st;
    o->job_id = job_id;
    o->stage = stage;
    o->map = map;
    o->attempt_id = attempt_id;
    o->partitions = partitions;
    o->encode = encode;
    o->runs = &o->first;
    o->run_cap = 1;
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

uint64_t map_output_bytes(const struct map_output *o)
{
    return o->bytes;
}

uint32_t map_output_partitions(const struct map_output *o)
{
    return o->partitions;
}

static void drop_runs(struct map_output *o)
{
    for (uint32_t i = 0; i < o->run_count; i++)
        sealed_unref(o->runs[i].sealed);
    if (o->runs != &o->first)
        xfree(o->runs);
    xfree(o->sorted);
    xfree(o->first_of);
    o->sorted = NULL;
    o->first_of = NULL;
    o->runs = &o->first;
    o->run_cap = 1;
    o->run_count = 0;
    __atomic_sub_fetch(&o->st->memory, o->run_bytes, __ATOMIC_RELAXED);
    o->run_bytes = 0;
}

static void drop_memory(struct map_output *o, struct piece *p)
{
    account_release(o->st->account, p->bytes.bytes);
    __atomic_sub_fetch(&o->st->memory, p->bytes.bytes, __ATOMIC_RELAXED);
    buf_fini(&p->bytes);
}

void map_output_unref(struct map_output *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    drop_runs(o);
    for (uint32_t i = 0; i < o->piece_count; i++) {
        struct piece *p = &o->pieces[i];
        if (p->segment)
            __atomic_sub_fetch(&o->st->file_bytes, p->starts[o->partitions], __ATOMIC_RELAXED);
        else
            drop_memory(o, p);
        segment_unref(p->segment);
        xfree(p->starts);
    }
    xfree(o->pieces);
    pthread_mutex_destroy(&o->lock);
    xfree(o);
}

/* ---- from runs to frames ---- */

/* Counting sort of the runs by partition, stable: readers see them in the order of arrival. */
static void index_runs(struct map_output *o)
{
    if (o->partitions == 1 && o->run_count <= 1)
        return;
    o->first_of = xcalloc((size_t)o->partitions + 1, sizeof *o->first_of);
    o->sorted = xmalloc(((size_t)o->run_count + 1) * sizeof(struct sealed *));
    for (uint32_t i = 0; i < o->run_count; i++)
        o->first_of[o->runs[i].partition + 1]++;
    for (uint32_t p = 0; p < o->partitions; p++)
        o->first_of[p + 1] += o->first_of[p];
    uint32_t *at = xmalloc(((size_t)o->partitions + 1) * sizeof *at);
    memcpy(at, o->first_of, ((size_t)o->partitions + 1) * sizeof *at);
    for (uint32_t i = 0; i < o->run_count; i++)
        o->sorted[at[o->runs[i].partition]++] = o->runs[i].sealed;
    xfree(at);
}

static struct sealed *const *runs_of(const struct map_output *o, uint32_t partition, uint32_t *ret_count)
{
    if (!o->first_of) {
        *ret_count = o->run_count;
        return &o->first.sealed;
    }
    *ret_count = o->first_of[partition + 1] - o->first_of[partition];
    return o->sorted + o->first_of[partition];
}

/* All runs as one more piece in memory, not charged yet. Needs their index. */
static struct piece *encode_runs(struct map_output *o)
{
    ARRAY_GROW(o->pieces, o->piece_count, o->piece_cap);
    struct piece *piece = &o->pieces[o->piece_count];
    *piece = (struct piece){.starts = xmalloc(((size_t)o->partitions + 1) * sizeof *piece->starts)};
    for (uint32_t p = 0; p < o->partitions; p++) {
        uint32_t n;
        struct sealed *const *runs = runs_of(o, p, &n);
        piece->starts[p] = piece->bytes.bytes;
        for (uint32_t i = 0; i < n; i++)
            frame_encode(runs[i], FRAME_RAW, &piece->bytes);
    }
    piece->starts[o->partitions] = piece->bytes.bytes;
    return piece;
}

/* Memory while there is room (not with pressed, when somebody asked for room in vain), else the stage's file. */
static int place(struct map_output *o, struct piece *p, bool pressed, struct error *err)
{
    struct store *st = o->st;
    size_t bytes = p->bytes.bytes;
    if (!pressed && __atomic_load_n(&st->memory, __ATOMIC_RELAXED) + bytes <= st->memory_max && account_try(st->account, bytes)) {
        __atomic_add_fetch(&st->memory, bytes, __ATOMIC_RELAXED);
        return 0;
    }
    int rc = store_segment(st, o->job_id, o->stage, &p->segment, err);
    if (rc == 0)
        rc = segment_append(p->segment, p->bytes.data, bytes, &p->offset, err);
    if (rc != 0) {
        segment_unref(p->segment);
        p->segment = NULL;
        return error_note(err, "while moving %zu bytes of map outputs out of memory; the folder is set by --dir", bytes);
    }
    __atomic_add_fetch(&st->file_bytes, bytes, __ATOMIC_RELAXED);
    buf_fini(&p->bytes);
    return 0;
}

static int flush(struct map_output *o, bool pressed, struct error *err)
{
    index_runs(o);
    struct piece *p = encode_runs(o);
    drop_runs(o); /* first: their memory may be the room that the piece needs */
    int rc = place(o, p, pressed, err);
    if (rc != 0) {
        buf_fini(&p->bytes);
        xfree(p->starts);
        return rc;
    }
    o->piece_count++;
    return 0;
}

static bool store_is_full(const struct store *st)
{
    return __atomic_load_n(&st->memory, __ATOMIC_RELAXED) > st->memory_max;
}

/* What leaves a task belongs to the executor from here on. */
static int charge(struct map_output *o, struct sealed *s, struct error *err)
{
    if (s->account != o->st->account) {
        account_release(s->account, s->bytes);
        s->account = NULL;
        TRY(account_reserve(o->st->account, s->bytes, err));
        s->account = o->st->account;
    }
    __atomic_add_fetch(&o->st->memory, s->bytes, __ATOMIC_RELAXED);
    o->run_bytes += s->bytes;
    return 0;
}

int map_output_add(struct map_output *o, uint32_t partition, struct sealed *take, struct error *err)
{
    ASSERT(partition < o->partitions);
    int rc = charge(o, take, err);
    if (rc != 0 && o->run_count > 0) { /* the executor has no room: what is here goes to the file */
        error_fini(err);
        TRY(flush(o, true, err));
        rc = charge(o, take, err);
    }
    if (rc != 0) {
        sealed_unref(take);
        return rc;
    }
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
    /* An output is in one form: after the first piece, pieces it stays. */
    bool to_frames = o->encode || o->piece_count > 0 || store_is_full(o->st);
    return to_frames && o->run_bytes >= PIECE_BYTES ? flush(o, false, err) : 0;
}

int map_output_finish(struct map_output *o, struct error *err)
{
    if (o->run_count > 0 && (o->encode || o->piece_count > 0 || store_is_full(o->st)))
        return flush(o, false, err);
    index_runs(o);
    return 0;
}

/* ---- reading ---- */

static int piece_read(const struct piece *p, uint64_t at, void *to, size_t bytes, struct error *err)
{
    if (p->segment)
        return segment_read(p->segment, p->offset + at, to, bytes, err);
    memcpy(to, p->bytes.data + at, bytes);
    return 0;
}

/* The frame at byte c->at of the partition in a piece in a file, read into *tmp. */
static int read_frame(const struct piece *p, uint64_t at, uint64_t left, char **tmp, size_t *ret_bytes, struct error *err)
{
    char head[FRAME_HEAD];
    size_t n = left < sizeof head ? (size_t)left : sizeof head;
    TRY(piece_read(p, at, head, n, err));
    uint64_t total = frame_bytes(head, n);
    if (total == 0 || total > left)
        return error_set(err, ERR_CHUNK_DAMAGED, "message", "no frame where one should begin in a segment file", NULL);
    *tmp = xmalloc(total);
    *ret_bytes = total;
    return piece_read(p, at, *tmp, total, err);
}

static int next_frame(struct map_output *o, uint32_t partition, struct output_cursor *c, struct account *account,
                      struct sealed **ret, struct error *err)
{
    for (; c->piece < o->piece_count; c->piece++, c->at = 0) {
        const struct piece *p = &o->pieces[c->piece];
        uint64_t at = p->starts[partition] + c->at, stop = p->starts[partition + 1];
        if (at >= stop)
            continue;
        char *tmp = NULL;
        const char *bytes = p->segment ? NULL : p->bytes.data + at;
        size_t count = (size_t)(stop - at), used = 0;
        int rc = p->segment ? read_frame(p, at, stop - at, &tmp, &count, err) : 0;
        if (rc == 0)
            rc = frame_decode(tmp ? tmp : bytes, count, account, ret, &used, err);
        xfree(tmp);
        c->at += used;
        return rc;
    }
    return 0;
}

static bool has_frames(struct map_output *o)
{
    pthread_mutex_lock(&o->lock);
    bool ret = o->piece_count > 0 || o->run_count == 0;
    pthread_mutex_unlock(&o->lock);
    return ret;
}

static int next_of(struct map_output *o, uint32_t partition, struct output_cursor *c, struct account *account,
                   struct sealed **ret, struct error *err)
{
    /* Runs stay beside the frames that a peer called for: whoever began with runs goes on with them. */
    if (o->run_count == 0)
        return next_frame(o, partition, c, account, ret, err);
    uint32_t n;
    struct sealed *const *runs = runs_of(o, partition, &n);
    if (c->at < n)
        *ret = sealed_ref(runs[c->at++]);
    return 0;
}

int map_output_next(struct map_output *o, uint32_t partition, struct output_cursor *c, struct account *account,
                    struct sealed **ret, struct error *err)
{
    ASSERT(partition == OUTPUT_ALL || partition < o->partitions);
    *ret = NULL;
    if (partition != OUTPUT_ALL)
        return next_of(o, partition, c, account, ret, err);
    for (; c->partition < o->partitions; *c = (struct output_cursor){.partition = c->partition + 1}) {
        TRY(next_of(o, c->partition, c, account, ret, err));
        if (*ret)
            return 0;
    }
    return 0;
}

/* A peer came although none was expected: it joined while the job ran. */
static int make_frames(struct map_output *o, struct error *err)
{
    if (has_frames(o))
        return 0;
    pthread_mutex_lock(&o->lock);
    int rc = 0;
    if (o->piece_count == 0) {
        struct piece *p = encode_runs(o);
        rc = place(o, p, false, err);
        if (rc == 0) {
            o->piece_count++;
        } else {
            buf_fini(&p->bytes);
            xfree(p->starts);
        }
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/*
 * Bytes of whole frames in left bytes at `at` of a piece: as many as fit into max, or the first alone. Heads are read
 * one by one; of a file the reads are small against the copy that follows.
 */
static int whole_frames(const struct piece *p, uint64_t at, uint64_t left, size_t max, uint64_t *ret, struct error *err)
{
    *ret = 0;
    while (*ret < left && (*ret == 0 || *ret < max)) {
        char head[FRAME_HEAD];
        size_t n = left - *ret < sizeof head ? (size_t)(left - *ret) : sizeof head;
        TRY(piece_read(p, at + *ret, head, n, err));
        uint64_t total = frame_bytes(head, n);
        if (total == 0 || total > left - *ret)
            return error_set(err, ERR_CHUNK_DAMAGED, "message", "no frame where one should begin in a map output", NULL);
        *ret += total;
    }
    return 0;
}

static int copy_of(struct map_output *o, uint32_t partition, struct output_cursor *c, size_t end, struct buf *out, struct error *err)
{
    for (; c->piece < o->piece_count; c->piece++, c->at = 0) {
        const struct piece *p = &o->pieces[c->piece];
        uint64_t at = p->starts[partition] + c->at, left = p->starts[partition + 1] - at, n;
        if (left == 0)
            continue;
        if (out->bytes >= end)
            return 0;
        TRY(whole_frames(p, at, left, end - out->bytes, &n, err));
        buf_reserve(out, n);
        TRY(piece_read(p, at, out->data + out->bytes, n, err));
        out->bytes += n;
        c->at += n;
        if (n < left)
            return 0;
    }
    return 0;
}

int map_output_copy(struct map_output *o, uint32_t partition, struct output_cursor *c, size_t max, struct buf *out, bool *ret_done,
                    struct error *err)
{
    ASSERT(partition == OUTPUT_ALL || partition < o->partitions);
    size_t end = out->bytes + max;
    TRY(make_frames(o, err));
    if (partition != OUTPUT_ALL) {
        TRY(copy_of(o, partition, c, end, out, err));
        *ret_done = c->piece == o->piece_count;
        return 0;
    }
    for (; c->partition < o->partitions; *c = (struct output_cursor){.partition = c->partition + 1}) {
        TRY(copy_of(o, c->partition, c, end, out, err));
        if (c->piece < o->piece_count)
            break;
    }
    *ret_done = c->partition == o->partitions;
    return 0;
}
