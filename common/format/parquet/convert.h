/* From the physical values of a file to those of a column: what must be done for a type, and the loops that do it. */
#pragma once

#include "common/col/column.h"
#include "common/format/parquet/meta.h"

/* How values lie after decoding, before conversion to the column's type. */
enum pq_raw { PQ_RAW_BOOL, PQ_RAW_4, PQ_RAW_8, PQ_RAW_VIEW };
enum pq_conv_op {
    PQ_CONV_NONE,
    PQ_CONV_I32_I8,
    PQ_CONV_I32_I16,
    PQ_CONV_I32_I64,  /* times mul */
    PQ_CONV_U32_I64,
    PQ_CONV_I32_F64,
    PQ_CONV_I32_I128, /* times mul */
    PQ_CONV_I64_MUL,
    PQ_CONV_I64_DIV,  /* floor */
    PQ_CONV_I64_I128, /* times mul */
    PQ_CONV_U64_I128,
    PQ_CONV_F32_F64,
    PQ_CONV_VIEW_I64, /* big-endian decimals, times mul */
    PQ_CONV_VIEW_I128,
    PQ_CONV_INT96,
    PQ_CONV_FLOAT16
};
struct pq_conv {
    enum pq_raw raw;
    enum pq_conv_op op;
    enum phys phys; /* of the result */
    int128_t mul;
};
/* How a file's leaf becomes a column of type t; ERR_FILE_TYPE when it cannot. */
WARN_UNUSED int pq_conv_choose(const char *path, const struct pq_node *n, const struct type *t, struct pq_conv *ret,
                               struct error *err);
/* Converts the selected (sel NULL: all count) values; false when one does not fit. */
WARN_UNUSED bool pq_convert(const struct pq_conv *cv, const void *raw, void *out, const uint16_t *sel, uint32_t count);
