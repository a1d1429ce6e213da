/*
 * What readers share above single values: the filter of a scan (its conjuncts, then what joins already know) over a batch
 * whose columns are decoded when they are first needed. A row_scan belongs to one reader.
 */
#pragma once

#include "common/expr/program.h"
#include "common/format/provider.h"

struct row_conjunct {
    struct expr_state *state;
    uint32_t *cols; /* scan columns it looks at */
    uint32_t col_count;
    bool safe;      /* deterministic and cannot raise */
};

struct row_scan {
    const struct scan_spec *spec;
    uint32_t conjunct_count;
    struct row_conjunct *conjuncts; /* those that cannot raise first, single columns before several */
    uint32_t filter_count;
    struct row_filter {
        struct scan_filter f;
        uint64_t seen, kept;
        bool off; /* keeps nearly all */
    } filters[SCAN_FILTERS_MAX];
    uint16_t *sel; /* BATCH_ROWS of them */
};

/* Type of column i of the scan. */
const struct type *row_scan_type(const struct scan_spec *spec, uint32_t i);
WARN_UNUSED int row_scan_open(struct row_scan *rs, const struct scan_spec *spec, struct arena *ar, struct error *err);
void row_scan_close(struct row_scan *rs); /* accepts one that was zeroed only */
void row_scan_filters(struct row_scan *rs, const struct scan_filter *filters, uint32_t count);

/* One step each, whose columns are decoded: narrows b's selection to the rows that satisfy it. */
WARN_UNUSED int row_scan_conjunct(struct row_scan *rs, uint32_t i, struct batch *b, struct error *err);
void row_scan_narrow(struct row_scan *rs, struct row_filter *f, struct batch *b);

/* Makes column col of the batch, under the batch's selection. */
typedef int (*row_decode_cb)(void *ctx, uint32_t col, struct error *err);
/* All steps. decode may be NULL: all columns are there. */
WARN_UNUSED int row_scan_apply(struct row_scan *rs, struct batch *b, row_decode_cb decode, void *ctx, struct error *err);
