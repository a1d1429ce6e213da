/*
 * What statistics prove: whether no value of a chunk or page can satisfy a conjunct. Sound by doubt: what
 * cannot be decoded or compared prunes nothing. Thread: any.
 */
#pragma once

#include "common/format/parquet/leaf.h"
#include "common/format/provider.h"

/* A bound of a leaf's statistics as a value of type t; false when it says nothing. Binaries borrow. */
bool pq_stats_value(const struct pq_footer *f, const struct pq_node *n, const struct type *t, const struct pq_stats *s,
                    bool max, struct value *ret);
/* False when no row can satisfy p; rows is the count that the statistics cover (-1: not known). */
bool pq_may_match(const struct pq_footer *f, const struct pq_node *n, const struct type *t, const struct pq_stats *s,
                  int64_t rows, const struct prune *p);
/* The same for a column that the file does not have: all null. */
bool pq_may_match_missing(const struct prune *p);
