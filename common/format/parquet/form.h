/*
 * The form of a leaf's values in a file that we write: the physical type and width that Spark gives each type, the
 * annotations that tell other readers what they are, and how the writer holds them meanwhile. Thread: any.
 */
#pragma once

#include "common/error/error.h"
#include "common/format/parquet/meta.h"

/* How the writer holds values: canonical and dense. */
enum pq_hold { PQ_HOLD_BOOL, PQ_HOLD_I64, PQ_HOLD_F, PQ_HOLD_FIXED, PQ_HOLD_BYTES };

struct pq_form {
    const struct type *type;
    enum pq_phys phys;
    enum pq_hold hold;
    uint32_t width; /* plain bytes of a value, 0: varies */
};
struct pq_form pq_form_of(const struct type *t); /* a type without children */
/* The fields of a schema element that say what the leaf is: converted and logical type. */
void pq_form_put(const struct pq_form *f, struct thrift_out *t);
int pq_can_write(const struct type *t, const char *name, struct error *err);
