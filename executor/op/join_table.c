/* The built side of a join; see join_table.h. */
#include "executor/op/join_table.h"

#include <stdlib.h>

#include "executor/op/big.h"

void join_table_init(struct join_table *t, const struct join_code *code, struct account *account)
{
    *t = (struct join_table){.code = code, .account = account, .key_min = INT64_MAX, .key_max = INT64_MIN};
    t->words = code->ks.words;
}

void join_table_fini(struct join_table *t)
{
    for (uint32_t i = 0; i < t->run_count; i++)
        sealed_unref(t->runs[i]);
    if (t->copied) {
        for (uint32_t c = 0; c < t->view.col_count; c++) {
            free((void *)(uintptr_t)t->view.cols[c].data);
            free((void *)(uintptr_t)t->view.cols[c].nulls);
        }
    }
    if (t->copied)
        free(t->view.cols);
    for (uint32_t i = 0; t->texts && i < t->text_count; i++)
        arena_fini(&t->texts[i]);
    free(t->texts);
    free(t->runs);
    free(t->run_at);
    free(t->keys);
    free(t->hashes);
    free(t->skip);
    free(t->next);
    free(t->direct);
    free(t->bits);
    free(t->dir);
    account_release(t->account, t->bytes);
    *t = (struct join_table){0};
}

void join_table_add(struct join_table *t, struct sealed *take)
{
    ARRAY_GROW(t->runs, t->run_count, t->run_cap);
    t->runs[t->run_count++] = take;
}

static void *take_room(struct join_table *t, size_t bytes, bool zeroed, struct error *err)
{
    if (account_reserve(t->account, bytes, err))
        return NULL;
    t->bytes += bytes;
    return big_alloc(bytes, zeroed);
}

/* Runs with nested columns become one run. */
static int merge_runs(struct join_table *t, struct error *err)
{
    struct builder bd;
    builder_init(&bd, t->code->build_cols, t->code->build_types, t->account);
    struct column *cols = xcalloc(t->code->build_cols + 1, sizeof *cols);
    struct arena ar;
    arena_init(&ar);
    int rc = 0;
    for (uint32_t i = 0; i < t->run_count; i++) {
        for (uint32_t at = 0; at < t->runs[i]->rows && rc == 0; at += BATCH_ROWS) {
            uint32_t n = t->runs[i]->rows - at < BATCH_ROWS ? t->runs[i]->rows - at : BATCH_ROWS;
            struct batch b;
            arena_reset(&ar);
            sealed_window(t->runs[i], at, n, cols, &b, &ar);
            rc = builder_append(&bd, &b, err);
        }
        sealed_unref(t->runs[i]);
    }
    t->run_count = 0;
    if (rc == 0)
        join_table_add(t, builder_seal(&bd));
    builder_fini(&bd);
    arena_fini(&ar);
    free(cols);
    return rc;
}

static bool usable_as_is(const struct join_table *t)
{
    if (t->run_count != 1)
        return false;
    for (uint32_t c = 0; c < t->runs[0]->col_count; c++) {
        if (t->runs[0]->cols[c].kind != COL_FLAT)
            return false;
    }
    return true;
}

static int layout_columns(struct join_table *t, uint32_t rows, struct error *err)
{
    t->copied = true;
    t->view.cols = xcalloc(t->code->build_cols + 1, sizeof *t->view.cols);
    for (uint32_t c = 0; c < t->code->build_cols; c++) {
        struct column *col = &t->view.cols[c];
        *col = (struct column){.type = t->code->build_types[c], .kind = COL_FLAT, .rows = rows};
        col->phys = type_phys(col->type);
        bool nulls = false, wide = false;
        for (uint32_t i = 0; i < t->run_count; i++) {
            nulls |= t->runs[i]->cols[c].nulls != NULL;
            wide |= t->runs[i]->cols[c].phys == PHYS_I128;
        }
        if (col->phys == PHYS_I128 && !wide)
            col->phys = PHYS_I64;
        if (!(col->data = take_room(t, (size_t)rows * phys_bytes(col->phys) + 16, false, err)))
            return (int)err->code;
        if (nulls && !(col->nulls = take_room(t, rows + 1ul, true, err)))
            return (int)err->code;
    }
    return 0;
}

int join_table_layout(struct join_table *t, uint32_t *ret_items, struct error *err)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < t->run_count; i++)
        rows += t->runs[i]->rows;
    if (rows >= UINT32_MAX - 1)
        return error_set(err, ERR_UNSUPPORTED_FEATURE, "message", "a join side of more than 4 billion rows", NULL);
    if (t->code->nested && t->run_count > 1)
        TRY(merge_runs(t, err));
    t->view.rows = (uint32_t)rows;
    t->view.col_count = t->code->build_cols;
    t->run_at = xcalloc(t->run_count + 1, sizeof *t->run_at);
    for (uint32_t i = 1; i < t->run_count; i++)
        t->run_at[i] = t->run_at[i - 1] + t->runs[i - 1]->rows;
    if (t->code->ks.any_text && t->code->build_keys.program) {
        t->text_count = t->run_count;
        t->texts = xcalloc(t->run_count + 1, sizeof *t->texts);
    }
    if (usable_as_is(t))
        t->view.cols = t->runs[0]->cols;
    else
        TRY(layout_columns(t, t->view.rows, err));
    if (t->code->key_count) {
        if (!(t->keys = take_room(t, rows * t->words * 8, false, err)) ||
            !(t->hashes = take_room(t, rows * 8, false, err)) || !(t->skip = take_room(t, rows + 1, true, err)))
            return (int)err->code;
    }
    *ret_items = t->run_count;
    return 0;
}

static void copy_window(struct join_table *t, const struct batch *b, uint32_t at, struct arena *ar)
{
    for (uint32_t c = 0; c < b->col_count; c++) {
        struct column col = column_flatten(&b->cols[c], NULL, b->rows, ar);
        const struct column *to = &t->view.cols[c];
        if (to->phys == PHYS_I128)
            col = column_widen(&col, ar);
        uint32_t width = phys_bytes(to->phys);
        memcpy((char *)(uintptr_t)to->data + (size_t)at * width, col.data, (size_t)b->rows * width);
        if (col.nulls)
            memcpy((uint8_t *)(uintptr_t)to->nulls + at, col.nulls, b->rows);
    }
}

static void widen_range(struct join_table *t, int64_t lo, int64_t hi)
{
    int64_t now = __atomic_load_n(&t->key_min, __ATOMIC_RELAXED);
    while (lo < now && !__atomic_compare_exchange_n(&t->key_min, &now, lo, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    now = __atomic_load_n(&t->key_max, __ATOMIC_RELAXED);
    while (hi > now && !__atomic_compare_exchange_n(&t->key_max, &now, hi, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* What a program computed does not outlive its batch: long text of keys is kept here. */
static void keep_text(const struct join_table *t, struct arena *ar, uint64_t *words, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *key = words + (size_t)i * t->words;
        size_t text = key_text_bytes(&t->code->ks, key);
        if (text)
            key_text_move(&t->code->ks, key, arena_alloc(ar, text));
    }
}

int join_table_fill(struct join_table *t, uint32_t item, struct exprs_state *keys, struct error *err)
{
    const struct sealed *run = t->runs[item];
    struct column *cols = xcalloc(run->col_count + 1 + t->code->key_count, sizeof *cols);
    struct column *key_cols = cols + run->col_count + 1;
    struct arena ar;
    arena_init(&ar);
    int rc = 0;
    int64_t lo = INT64_MAX, hi = INT64_MIN;
    bool nulls = false;
    for (uint32_t at = 0; at < run->rows && rc == 0; at += batch_rows()) {
        uint32_t n = run->rows - at < batch_rows() ? run->rows - at : batch_rows(), to = t->run_at[item] + at;
        struct batch b;
        arena_reset(&ar);
        sealed_window(run, at, n, cols, &b, &ar);
        if (t->copied)
            copy_window(t, &b, to, &ar);
        if (t->code->key_count == 0)
            continue;
        rc = exprs_eval(keys, &b, key_cols, err);
        if (rc)
            break;
        uint64_t *words = t->keys + (size_t)to * t->words;
        keys_encode(&t->code->ks, key_cols, NULL, n, words, t->skip + to, t->code->null_safe, &ar);
        keys_hash(&t->code->ks, words, n, t->hashes + to);
        for (uint32_t i = 0; i < n; i++) {
            nulls |= t->skip[to + i];
            if (t->code->int_key && !t->skip[to + i]) {
                lo = (int64_t)words[i] < lo ? (int64_t)words[i] : lo;
                hi = (int64_t)words[i] > hi ? (int64_t)words[i] : hi;
            }
        }
        if (t->code->ks.any_text && t->code->build_keys.program)
            keep_text(t, &t->texts[item], words, n);
    }
    if (rc == 0 && t->texts && account_reserve(t->account, t->texts[item].bytes, err) == 0)
        __atomic_add_fetch(&t->bytes, t->texts[item].bytes, __ATOMIC_RELAXED);
    else if (t->texts && rc == 0)
        rc = (int)err->code;
    if (nulls)
        __atomic_store_n(&t->has_null_key, true, __ATOMIC_RELAXED);
    if (lo <= hi)
        widen_range(t, lo, hi);
    arena_fini(&ar);
    free(cols);
    return rc;
}

static uint64_t pow2_at_least(uint64_t v)
{
    uint64_t p = 16;
    while (p < v)
        p *= 2;
    return p;
}

enum { DIRECT_ALWAYS = 1 << 18, BITS_ALWAYS = 1 << 23 };

/* Ranges whose array or bits stay in the second cache are worth it however few rows there are. */
static int add_bits(struct join_table *t, uint64_t range, struct error *err)
{
    if (!t->code->int_key || range >= BITS_ALWAYS + (uint64_t)t->view.rows * 64)
        return 0;
    t->direct_size = range + 1;
    t->bits = take_room(t, range / 8 + 1, true, err);
    return t->bits ? 0 : (int)err->code;
}

int join_table_plan_index(struct join_table *t, uint32_t *ret_items, struct error *err)
{
    uint32_t rows = t->view.rows;
    *ret_items = 0;
    if (t->code->key_count == 0 || rows == 0)
        return 0;
    t->regions = rows > 1 << 15 ? JOIN_REGIONS : 1;
    if (!(t->next = take_room(t, (size_t)rows * 4, false, err)))
        return (int)err->code;
    uint64_t range = t->key_min <= t->key_max ? (uint64_t)t->key_max - (uint64_t)t->key_min : UINT64_MAX;
    if (t->code->int_key && range < DIRECT_ALWAYS + (uint64_t)rows * 8) {
        t->direct_size = range + 1;
        if (!(t->direct = take_room(t, t->direct_size * 4, true, err)))
            return (int)err->code;
    } else {
        uint32_t counts[JOIN_REGIONS] = {0}, most = 0;
        for (uint32_t i = 0; i < rows && t->regions > 1; i++)
            counts[t->hashes[i] >> 61]++;
        for (uint32_t r = 0; r < t->regions; r++)
            most = counts[r] > most ? counts[r] : most;
        uint64_t slots = pow2_at_least((t->regions > 1 ? most : (uint64_t)rows) * 3 / 2 + 2);
        t->region_mask = slots - 1;
        if (!(t->dir = take_room(t, slots * t->regions * 8, true, err)))
            return (int)err->code;
        TRY(add_bits(t, range, err));
    }
    *ret_items = t->regions;
    return 0;
}

static bool index_direct(struct join_table *t, uint32_t item)
{
    uint64_t lo = t->direct_size * item / t->regions, hi = t->direct_size * (item + 1ull) / t->regions;
    uint64_t min = (uint64_t)t->key_min;
    bool dups = false;
    for (uint32_t row = t->view.rows; row-- > 0;) {
        uint64_t k = t->keys[row] - min;
        if (k < lo || k >= hi || t->skip[row])
            continue;
        dups |= t->direct[k] != 0;
        t->next[row] = t->direct[k];
        t->direct[k] = row + 1;
    }
    return dups;
}

static inline uint64_t *region_of(const struct join_table *t, uint64_t hash)
{
    return t->regions == 1 ? t->dir : t->dir + (hash >> 61) * (t->region_mask + 1);
}

static bool index_hashed(struct join_table *t, uint32_t item)
{
    bool dups = false;
    uint64_t mask = t->region_mask;
    enum { AHEAD = 8 };
    for (uint32_t row = t->view.rows; row-- > 0;) {
        uint64_t hash = t->hashes[row];
        if (row >= AHEAD) {
            uint64_t h = t->hashes[row - AHEAD];
            if (t->regions == 1 || h >> 61 == item)
                __builtin_prefetch(&region_of(t, h)[h >> 16 & mask], 1);
        }
        if (t->skip[row] || (t->regions > 1 && hash >> 61 != item))
            continue;
        uint64_t *dir = region_of(t, hash), at = hash >> 16 & mask, tag = hash & 0xffff;
        const uint64_t *key = t->keys + (size_t)row * t->words;
        uint32_t head = 0;
        if (t->bits) { /* regions meet in a byte */
            uint64_t k = key[0] - (uint64_t)t->key_min;
            __atomic_fetch_or(&t->bits[k >> 3], (uint8_t)(1u << (k & 7)), __ATOMIC_RELAXED);
        }
        for (uint64_t e; (e = dir[at]) != 0; at = (at + 1) & mask) {
            uint32_t other = (uint32_t)e - 1;
            if (e >> 48 == tag && keys_eq(&t->code->ks, t->keys + (size_t)other * t->words, key)) {
                head = (uint32_t)e;
                break;
            }
        }
        dups |= head != 0;
        t->next[row] = head;
        dir[at] = tag << 48 | (row + 1ull);
    }
    return dups;
}

void join_table_index(struct join_table *t, uint32_t item)
{
    bool dups = t->direct ? index_direct(t, item) : index_hashed(t, item);
    if (dups)
        __atomic_store_n(&t->has_dups, true, __ATOMIC_RELAXED);
}

static void give_room(struct join_table *t, void *p, size_t bytes)
{
    free(p);
    account_release(t->account, bytes);
    t->bytes -= bytes;
}

void join_table_ready(struct join_table *t)
{
    size_t rows = t->view.rows;
    if (!t->keys)
        return;
    give_room(t, t->hashes, rows * 8);
    t->hashes = NULL;
    if (t->direct) {
        give_room(t, t->keys, rows * t->words * 8);
        t->keys = NULL;
    }
}

int join_table_build(struct join_table *t, struct exprs_state *keys, struct error *err)
{
    uint32_t items;
    TRY(join_table_layout(t, &items, err));
    for (uint32_t i = 0; i < items; i++)
        TRY(join_table_fill(t, i, keys, err));
    TRY(join_table_plan_index(t, &items, err));
    if (t->regions > 1 && t->direct) /* alone: one pass over the rows */
        items = t->regions = 1;
    for (uint32_t i = 0; i < items; i++)
        join_table_index(t, i);
    join_table_ready(t);
    return 0;
}

/* ---- probing ---- */

static void probe_direct(const struct join_table *t, const uint64_t *keys, const uint8_t *skip, uint32_t n, uint32_t *ret)
{
    uint64_t min = (uint64_t)t->key_min, size = t->direct_size;
    const uint32_t *direct = t->direct;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t k = keys[i] - min;
        ret[i] = k < size && !skip[i] ? direct[k] - 1 : JOIN_NONE; /* 0 - 1 is none */
    }
}

static inline uint32_t probe_one(const struct join_table *t, const uint64_t *key, uint64_t hash, uint32_t words)
{
    const uint64_t *dir = region_of(t, hash);
    uint64_t mask = t->region_mask, at = hash >> 16 & mask, tag = hash & 0xffff;
    for (uint64_t e; (e = dir[at]) != 0; at = (at + 1) & mask) {
        if (e >> 48 != tag)
            continue;
        uint32_t row = (uint32_t)e - 1;
        const uint64_t *have = t->keys + (size_t)row * words;
        if (words == 1 ? have[0] == key[0] : keys_eq(&t->code->ks, have, key))
            return row;
    }
    return JOIN_NONE;
}

static inline bool has_bit(const struct join_table *t, uint64_t k)
{
    return k < t->direct_size && (t->bits[k >> 3] >> (k & 7) & 1);
}

/* Bits first; the few that pass are looked up with their slots asked for ahead. */
static void probe_bits(const struct join_table *t, const uint64_t *keys, const uint64_t *hashes, const uint8_t *skip,
                       uint32_t n, uint32_t *ret)
{
    uint64_t min = (uint64_t)t->key_min;
    uint16_t hits[BATCH_ROWS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = JOIN_NONE;
        hits[count] = (uint16_t)i;
        count += has_bit(t, keys[i] - min) && !skip[i];
    }
    enum { AHEAD = 16 };
    for (uint32_t k = 0; k < count; k++) {
        if (k + AHEAD < count) {
            uint64_t h = hashes[hits[k + AHEAD]];
            __builtin_prefetch(&region_of(t, h)[h >> 16 & t->region_mask]);
        }
        if (k + AHEAD / 2 < count) {
            uint64_t h = hashes[hits[k + AHEAD / 2]], e = region_of(t, h)[h >> 16 & t->region_mask];
            if (e)
                __builtin_prefetch(t->keys + ((uint32_t)e - 1));
        }
        ret[hits[k]] = probe_one(t, keys + hits[k], hashes[hits[k]], 1);
    }
}

bool join_table_narrows(const struct join_table *t)
{
    return t->direct || t->bits;
}

#define NARROW(ctype)                                                                              \
    do {                                                                                           \
        const ctype *d = col->data;                                                                \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            uint32_t row = sel ? sel[i] : i, at = column_idx(col, row);                            \
            uint64_t k = (uint64_t)(int64_t)d[at] - min;                                           \
            bool yes = t->direct ? k < t->direct_size && t->direct[k] : has_bit(t, k);             \
            out[count] = (uint16_t)row;                                                            \
            count += yes && !(col->nulls && col->nulls[at]);                                       \
        }                                                                                          \
        return count;                                                                              \
    } while (0)

uint32_t join_table_narrow(const void *table, const struct column *col, const uint16_t *sel, uint32_t n, uint16_t *out)
{
    const struct join_table *t = table;
    uint64_t min = (uint64_t)t->key_min;
    uint32_t count = 0;
    if (col->phys == PHYS_I32)
        NARROW(int32_t);
    if (col->phys == PHYS_I64)
        NARROW(int64_t);
    for (uint32_t i = 0; i < n; i++)
        out[i] = sel ? sel[i] : (uint16_t)i;
    return n;
}

void join_table_probe(const struct join_table *t, const uint64_t *keys, const uint64_t *hashes, const uint8_t *skip,
                      uint32_t n, uint32_t *ret)
{
    if (t->view.rows == 0 || (!t->direct && !t->dir)) {
        for (uint32_t i = 0; i < n; i++)
            ret[i] = JOIN_NONE;
        return;
    }
    if (t->direct) {
        probe_direct(t, keys, skip, n, ret);
        return;
    }
    if (t->bits) {
        probe_bits(t, keys, hashes, skip, n, ret);
        return;
    }
    enum { AHEAD = 16 };
    uint32_t words = t->words;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(&region_of(t, hashes[i + AHEAD])[hashes[i + AHEAD] >> 16 & t->region_mask]);
        if (i + AHEAD / 2 < n) {
            uint64_t h = hashes[i + AHEAD / 2], e = region_of(t, h)[h >> 16 & t->region_mask];
            if (e)
                __builtin_prefetch(t->keys + (size_t)((uint32_t)e - 1) * words);
        }
        ret[i] = skip[i] ? JOIN_NONE : probe_one(t, keys + (size_t)i * words, hashes[i], words);
    }
}
