/*
 * Running aggregates: states in rows of memory that a hash table owns, updated a batch at a time.
 *
 * A state is `state_bytes` zeroed bytes inside a group's row. update and merge get one row pointer per live
 * row of the batch; what has no fixed length (kept strings, registers of a sketch) is allocated from `ar`,
 * which lives as long as the groups. Thread: the task's.
 */
#pragma once

#include "common/base/account.h"
#include "common/expr/agg.h"

struct agg_run {
    const struct agg_spec *spec;
    struct arena *ar;       /* of the groups: what states point to */
    struct arena *scratch;  /* of the batch */
    const uint16_t *sel;    /* live rows, or NULL: rows 0..n-1 */
    uint32_t n;
    char *const *rows;      /* n group rows: rows[i] belongs to live row i. NULL: all go to `one` */
    char *one;
    uint32_t offset;        /* of the state in the row */
    struct error *err;
};

struct agg_ops {
    uint32_t state_bytes; /* multiple of 8 */
    /* Arguments as columns of any kind. */
    int (*update)(struct agg_run *r, const struct column *args);
    /* Partial columns of this aggregate. */
    int (*merge)(struct agg_run *r, const struct column *partial);
    /* Writes n rows of partial columns or of the result; memory from scratch, strings may point into states. */
    int (*emit_partial)(struct agg_run *r, struct column *ret);
    int (*emit)(struct agg_run *r, struct column *ret);
};

const struct agg_ops *agg_ops(const struct agg_spec *spec);
