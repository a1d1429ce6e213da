/* The table of groups; see groups.h. */
#include "executor/op/groups.h"

#include <stdlib.h>

#include "executor/op/big.h"

enum { DIR_MIN = 64, DIR_KEEP = 1024, CHUNK_MIN = 1024, CHUNK_MAX = 1 << 21 };

void groups_init(struct groups *g, const struct key_spec *ks, uint32_t state_bytes, struct account *account)
{
    *g = (struct groups){.ks = ks, .account = account};
    g->state_at = GROUP_KEY_AT + ks->words * 8;
    g->row_bytes = g->state_at + state_bytes;
}

static size_t chunk_bytes(const struct groups *g, const struct group_chunk *c)
{
    return sizeof *c + (size_t)c->cap * g->row_bytes;
}

void groups_reset_part(struct groups *g, uint32_t part)
{
    struct group_part *p = &g->parts[part];
    size_t freed = 0;
    while (p->first) {
        struct group_chunk *next = p->first->next;
        freed += chunk_bytes(g, p->first);
        free(p->first);
        p->first = next;
    }
    p->last = NULL;
    if (p->dir && p->mask >= DIR_KEEP) {
        freed += (p->mask + 1) * 8;
        free(p->dir);
        p->dir = NULL;
    } else if (p->dir && p->count) {
        memset(p->dir, 0, (p->mask + 1) * 8);
    }
    arena_fini(&p->ar);
    g->count -= p->count;
    p->count = 0;
    g->bytes -= freed;
    account_release(g->account, freed);
}

void groups_reset(struct groups *g)
{
    for (uint32_t i = 0; i < GROUP_PARTS; i++)
        groups_reset_part(g, i);
    account_release(g->account, g->text_bytes);
    g->text_bytes = 0;
}

void groups_clear(struct groups *g)
{
    for (uint32_t i = 0; i < GROUP_PARTS; i++) {
        struct group_part *p = &g->parts[i];
        if (p->count == 0)
            continue;
        memset(p->dir, 0, (p->mask + 1) * 8);
        for (struct group_chunk *c = p->first; c; c = c->next)
            c->count = 0;
        p->last = p->first;
        p->count = 0;
        arena_reset(&p->ar);
    }
    g->count = 0;
}

void groups_close(struct groups *g)
{
    if (!g->ks)
        return;
    groups_reset(g);
    for (uint32_t i = 0; i < GROUP_PARTS; i++) {
        free(g->parts[i].dir);
        g->parts[i].dir = NULL;
    }
    account_release(g->account, g->bytes);
    g->bytes = 0;
}

static int reserve(struct groups *g, size_t bytes, struct error *err)
{
    TRY(account_reserve(g->account, bytes, err));
    g->bytes += bytes;
    return 0;
}

static uint64_t entry_of(uint64_t hash, const char *row)
{
    return (hash & 0xffff) << 48 | (uint64_t)(uintptr_t)row;
}

static char *row_of(uint64_t entry)
{
    return (char *)(uintptr_t)(entry & 0xffffffffffffull);
}

/* The directory position: bits between the tag (low 16) and the partition (top 4). */
static inline uint64_t slot_of(uint64_t hash, uint64_t mask)
{
    return hash >> 16 & mask;
}

static int grow(struct groups *g, struct group_part *p, struct error *err)
{
    uint64_t slots = p->dir ? (p->mask + 1) * 4 : DIR_MIN;
    TRY(reserve(g, slots * 8, err));
    uint64_t *dir = big_alloc(slots * 8, true);
    for (struct group_chunk *c = p->first; c; c = c->next) {
        for (uint32_t i = 0; i < c->count; i++) {
            char *row = c->rows + (size_t)i * g->row_bytes;
            uint64_t hash;
            memcpy(&hash, row, 8);
            uint64_t at = slot_of(hash, slots - 1);
            while (dir[at])
                at = (at + 1) & (slots - 1);
            dir[at] = entry_of(hash, row);
        }
    }
    if (p->dir) {
        size_t old = (p->mask + 1) * 8;
        g->bytes -= old;
        account_release(g->account, old);
        free(p->dir);
    }
    p->dir = dir;
    p->mask = slots - 1;
    return 0;
}

static char *new_row(struct groups *g, struct group_part *p, const uint64_t *key, uint64_t hash, struct error *err)
{
    struct group_chunk *c = p->last;
    if (c && c->count == c->cap && c->next) {
        p->last = c = c->next; /* kept from before groups_clear */
    } else if (!c || c->count == c->cap) {
        size_t room = c ? (size_t)c->cap * g->row_bytes * 2 : CHUNK_MIN;
        if (room > CHUNK_MAX)
            room = CHUNK_MAX;
        uint32_t cap = (uint32_t)(room / g->row_bytes) + 4;
        if (reserve(g, sizeof *c + (size_t)cap * g->row_bytes, err))
            return NULL;
        c = big_alloc(sizeof *c + (size_t)cap * g->row_bytes, false);
        *c = (struct group_chunk){.cap = cap};
        if (p->last)
            p->last->next = c;
        else
            p->first = c;
        p->last = c;
    }
    char *row = c->rows + (size_t)c->count++ * g->row_bytes;
    memcpy(row, &hash, 8);
    memcpy(row + GROUP_KEY_AT, key, g->ks->words * 8ul);
    memset(row + g->state_at, 0, g->row_bytes - g->state_at);
    size_t text = g->ks->any_text ? key_text_bytes(g->ks, key) : 0;
    if (text)
        key_text_move(g->ks, (uint64_t *)(void *)(row + GROUP_KEY_AT), arena_alloc(&p->ar, text));
    p->count++;
    g->count++;
    return row;
}

static inline bool same_key(const struct groups *g, const char *row, const uint64_t *key, uint32_t words)
{
    const uint64_t *have = (const uint64_t *)(const void *)(row + GROUP_KEY_AT);
    return words == 1 ? have[0] == key[0] : keys_eq(g->ks, have, key);
}

static inline __attribute__((always_inline)) int find_one(struct groups *g, const uint64_t *key, uint64_t hash,
                                                          uint32_t words, char **ret, uint8_t *fresh, struct error *err)
{
    struct group_part *p = &g->parts[groups_part_of(hash)];
    if (UNLIKELY(!p->dir || p->count * 2 >= p->mask))
        TRY(grow(g, p, err));
    uint64_t at = slot_of(hash, p->mask), tag = hash & 0xffff;
    for (uint64_t e; (e = p->dir[at]) != 0; at = (at + 1) & p->mask) {
        if (e >> 48 == tag && same_key(g, row_of(e), key, words)) {
            *ret = row_of(e);
            return 0;
        }
    }
    char *row = new_row(g, p, key, hash, err);
    if (!row)
        return (int)err->code;
    p->dir[at] = entry_of(hash, row);
    if (fresh)
        *fresh = 1;
    *ret = row;
    return 0;
}

static inline void prefetch_slot(const struct groups *g, uint64_t h)
{
    const struct group_part *p = &g->parts[groups_part_of(h)];
    if (p->dir)
        __builtin_prefetch(&p->dir[slot_of(h, p->mask)]);
}

static inline void prefetch_row(const struct groups *g, uint64_t h)
{
    const struct group_part *p = &g->parts[groups_part_of(h)];
    if (p->dir)
        __builtin_prefetch(row_of(p->dir[slot_of(h, p->mask)]));
}

/* Data often lies in runs of equal keys: a hash like the one before is looked at there first. */
static inline __attribute__((always_inline)) int find_all(struct groups *g, const uint64_t *keys, const uint64_t *hashes,
                                                          uint32_t n, uint32_t words, bool far, char **ret_rows,
                                                          uint8_t *fresh, struct error *err)
{
    enum { AHEAD = 24 };
    for (uint32_t i = 0; i < n; i++) {
        if (far && i + AHEAD < n)
            prefetch_slot(g, hashes[i + AHEAD]);
        if (far && i + AHEAD / 2 < n)
            prefetch_row(g, hashes[i + AHEAD / 2]);
        if (i > 0 && hashes[i] == hashes[i - 1] && same_key(g, ret_rows[i - 1], keys + (size_t)i * words, words)) {
            ret_rows[i] = ret_rows[i - 1];
            continue;
        }
        TRY(find_one(g, keys + (size_t)i * words, hashes[i], words, &ret_rows[i], fresh ? &fresh[i] : NULL, err));
    }
    return 0;
}

int groups_find(struct groups *g, const uint64_t *keys, const uint64_t *hashes, uint32_t n, char **ret_rows,
                uint8_t *fresh, struct error *err)
{
    uint32_t words = g->ks->words;
    bool far = g->count > 4096; /* not in the first cache: ask for the slots ahead, then for the rows */
    if (fresh)
        memset(fresh, 0, n);
    if (words == 1)
        return far ? find_all(g, keys, hashes, n, 1, true, ret_rows, fresh, err)
                   : find_all(g, keys, hashes, n, 1, false, ret_rows, fresh, err);
    return far ? find_all(g, keys, hashes, n, words, true, ret_rows, fresh, err)
               : find_all(g, keys, hashes, n, words, false, ret_rows, fresh, err);
}

int groups_charge(struct groups *g, struct error *err)
{
    size_t now = 0;
    for (uint32_t i = 0; i < GROUP_PARTS; i++)
        now += g->parts[i].ar.bytes;
    if (now > g->text_bytes) {
        TRY(account_reserve(g->account, now - g->text_bytes, err));
    } else {
        account_release(g->account, g->text_bytes - now);
    }
    g->text_bytes = now;
    return 0;
}
