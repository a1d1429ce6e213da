/*
 * The built side of a join: its rows in contiguous columns, addressed by u32 row number, and an index from
 * key to the first row that has it; further rows of the key hang on next[]. Immutable once it is ready.
 *
 * Index, whichever suits: `direct`, an array over the range of one integer key when the range is small
 * against the rows; otherwise a directory of 8-byte entries, 16 bits of hash as a tag above the row number, with linear
 * probing inside one of `regions` pieces.
 *
 * Building goes in steps whose items are independent, so that several threads may take them: fill (copies
 * one run, encodes and hashes its keys) and index (inserts all rows of one region, in falling row order, so
 * that chains rise and nothing depends on who was faster).
 */
#pragma once

#include "common/base/account.h"
#include "executor/op/keys.h"
#include "executor/op/op.h"

enum { JOIN_NONE = UINT32_MAX, JOIN_REGIONS = 8 };

struct join_code;
struct join_table {
    const struct join_code *code;
    struct account *account;
    size_t bytes;           /* reserved */
    struct sealed **runs;   /* references; strings of the columns live in them */
    uint32_t run_count, run_cap;
    uint32_t *run_at;       /* first row of each */
    struct arena *texts;    /* per run: text of computed keys; NULL when none is computed */
    uint32_t text_count;
    struct sealed view;     /* rows, col_count, cols: contiguous */
    bool copied;            /* columns are ours */
    uint32_t words;
    uint64_t *keys;
    uint64_t *hashes;       /* gone once indexed */
    uint8_t *skip;          /* rows with a null key, or NULL */
    uint32_t *next;         /* row + 1 of the next with the same key, 0: none */
    bool has_null_key;      /* atomic while filling */
    bool has_dups;
    int64_t key_min, key_max;
    uint32_t *direct;       /* row + 1 by key - key_min */
    uint64_t direct_size;
    uint8_t *bits;          /* one integer key, not direct: a bit for each key that exists, by key - key_min */
    uint64_t *dir;
    uint64_t region_mask;   /* slots of a region - 1 */
    uint32_t regions;
};

void join_table_init(struct join_table *t, const struct join_code *code, struct account *account);
void join_table_fini(struct join_table *t);
void join_table_add(struct join_table *t, struct sealed *take);
/* After the last run: allocates. Returns the number of fill items. */
WARN_UNUSED int join_table_layout(struct join_table *t, uint32_t *ret_items, struct error *err);
WARN_UNUSED int join_table_fill(struct join_table *t, uint32_t item, struct exprs_state *keys, struct error *err);
WARN_UNUSED int join_table_plan_index(struct join_table *t, uint32_t *ret_items, struct error *err);
void join_table_index(struct join_table *t, uint32_t item);
void join_table_ready(struct join_table *t);
/* All steps on this thread. */
WARN_UNUSED int join_table_build(struct join_table *t, struct exprs_state *keys, struct error *err);
/* First row of each of n keys, or JOIN_NONE. hashes may be NULL when direct. */
void join_table_probe(const struct join_table *t, const uint64_t *keys, const uint64_t *hashes, const uint8_t *skip,
                      uint32_t n, uint32_t *ret);

/* Rows of col whose key may exist: a selection. False: this table cannot tell. */
bool join_table_narrows(const struct join_table *t);
uint32_t join_table_narrow(const void *table, const struct column *col, const uint16_t *sel, uint32_t n, uint16_t *out);

/* What a JOIN node compiles to; join.c fills it. */
struct join_code {
    struct key_spec ks;
    const bool *null_safe;
    bool int_key;             /* one integer key: may be direct */
    uint32_t key_count;
    struct exprs probe_keys, build_keys;
    uint32_t probe_cols, build_cols;
    const struct type **build_types;
    const struct type **all_types; /* probe ++ build */
    const struct program *residual;
    bool *need;               /* probe ++ build: delivered or looked at by the residual */
    bool nested;              /* some build column has children: runs are merged by a builder */
    struct shared_build *shared;
};
