/*
 * Arrays, maps and structs out of definition and repetition levels.
 *
 * A column of a nested type has a tree of nodes beside its type's; each node knows at which levels an
 * entry of its leaves means "a slot of mine", "null", "another element". A leaf's entries of a batch are
 * decoded once; every node above then makes one pass over the entries of one leaf below it.
 */
#pragma once

#include "common/format/parquet/leaf.h"

struct pq_nested;
typedef struct pq_leaf *(*pq_leaf_fn)(void *ctx, uint32_t number, const struct type *type, struct pq_conv conv);

/* Upper bound of the leaves that pq_nested_plan asks for. */
uint32_t pq_nested_leaves_max(const struct type *t);
/* Matches a type with a node of the file; leaves come from add. Memory in ar. ERR_FILE_TYPE. */
WARN_UNUSED int pq_nested_plan(const char *path, const struct pq_footer *f, uint32_t node, const struct type *t,
                               struct arena *ar, pq_leaf_fn add, void *ctx, struct pq_nested **ret, struct error *err);
/* The next rows as a flat column; memory in ar or in the leaves, until the next read. */
WARN_UNUSED int pq_nested_read(struct pq_nested *n, uint32_t rows, struct arena *ar, struct column *ret,
                               struct error *err);
void pq_nested_skip(struct pq_nested *n, uint64_t rows);
/* reader.c: the child of a group by name, exactly or else without case; -1. */
int pq_child_find(const struct pq_footer *f, const struct pq_node *n, const char *name);
