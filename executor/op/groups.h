/*
 * A hash table from keys to group rows: [hash][key words][states], in radix partitions by the top bits of the
 * hash. Each partition owns its directory, its rows and what they point to, so that one can leave alone.
 * Rows never move. Directory entries: 16 bits of hash as a tag, 48 of pointer; linear probing, half full at
 * most. Thread: the task's.
 */
#pragma once

#include "common/base/account.h"
#include "executor/op/keys.h"

enum { GROUP_PARTS = 16, GROUP_PART_BITS = 4, GROUP_KEY_AT = 8 };

struct group_part {
    uint64_t *dir;
    uint64_t mask;
    uint64_t count;
    struct group_chunk *first, *last; /* of rows */
    struct arena ar;                  /* text of keys, what states point to */
};
struct groups {
    const struct key_spec *ks;
    uint32_t row_bytes, state_at;
    struct account *account;
    size_t bytes;      /* reserved */
    size_t text_bytes; /* of arenas, reserved */
    uint64_t count;
    struct group_part parts[GROUP_PARTS];
};
struct group_chunk {
    struct group_chunk *next;
    uint32_t count, cap; /* rows */
    char rows[];
};

/* state_bytes: multiple of 8. ks is borrowed. */
void groups_init(struct groups *g, const struct key_spec *ks, uint32_t state_bytes, struct account *account);
/* Empty again; small directories are kept. */
void groups_reset(struct groups *g);
void groups_reset_part(struct groups *g, uint32_t part);
/* Empty, keeps its memory and charges for the next groups. */
void groups_clear(struct groups *g);
/* Empty, without any memory, charges given back; ready for use again. */
void groups_close(struct groups *g);
/*
 * The group row of each of n keys, made zeroed when new. fresh, when given, gets 1 for keys seen for the first
 * time. ERR_TASK_MEMORY.
 */
WARN_UNUSED int groups_find(struct groups *g, const uint64_t *keys, const uint64_t *hashes, uint32_t n, char **ret_rows,
                            uint8_t *fresh, struct error *err);
/* Charges what the arenas grew by. */
WARN_UNUSED int groups_charge(struct groups *g, struct error *err);
static inline uint32_t groups_part_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - GROUP_PART_BITS));
}
