/*
 * Orders: sort keys as 128-bit numbers that compare like the rows (null flags, inverted when descending,
 * strings by their first bytes). `exact` orders need nothing else; others compare the columns on a tie.
 */
#pragma once

#include "executor/op/op.h"

struct order_code {
    uint32_t count;
    const struct sort_key *keys;
    struct exprs exprs;
    uint32_t col_count;          /* of a kept row: input columns, then computed keys */
    const struct type **types;
    uint32_t in_count;
    uint32_t *key_col;           /* where key k lies in a kept row */
    bool exact;
};
int order_compile(struct node_code *nc, const struct sort_key *keys, uint32_t count, struct order_code *ret,
                  struct error *err);
/* norm[i] of the n live rows of key columns. */
void order_norm(const struct order_code *o, const struct column *keys, const uint16_t *sel, uint32_t n, uint128_t *norm);
/* By the columns: cols are those of kept rows. */
int order_cmp(const struct order_code *o, const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b);

struct order_entry {
    uint64_t hi, lo;
    uint32_t row;
};
/* Stable. cols: of the rows that entries name. tmp has room for count entries. */
void order_sort(const struct order_code *o, struct order_entry *entries, struct order_entry *tmp, uint32_t count,
                const struct column *cols);

/* ---- merging sorted sequences ---- */

struct order_cursor {
    struct sealed *piece;      /* NULL: exhausted */
    uint32_t at;
    const uint32_t *order;     /* row numbers of the piece, or NULL: as they lie */
    uint128_t *norm;           /* by position */
    size_t norm_bytes;         /* reserved for norm when it is the cursor's own */
    struct account *account;   /* where */
    /* Where further pieces come from: sealed runs, or frames in memory. */
    struct sealed **more;
    uint32_t more_count, more_at;
    struct buf frames;
    size_t frame_at;
};
struct order_merge {
    const struct order_code *code;
    struct order_cursor *cursors;
    uint32_t count;
    uint32_t *heap, live;      /* cursors that are not exhausted, the one with the smallest row first */
    struct builder out;
    bool started;
};
/* The next piece; ERR_CHUNK_DAMAGED, ERR_TASK_MEMORY. */
WARN_UNUSED int order_cursor_load(const struct order_code *o, struct order_cursor *c, struct account *account,
                                  struct error *err);
void order_cursor_fini(struct order_cursor *c);
/* Up to most rows in order, as a sealed run of the kept columns; NULL at the end. */
WARN_UNUSED int order_merge_next(struct order_merge *m, uint32_t most, struct account *account, struct sealed **ret,
                                 struct error *err);
void order_merge_fini(struct order_merge *m);
