/* What the files of common/plan share. */
#pragma once

#include "common/plan/plan.h"

/* Bounds of a decoded plan: whoever consumes it may recurse over nodes and expressions. */
enum {
    PLAN_NODES_MAX = 4096,
    PLAN_NODE_DEPTH_MAX = 512,
    PLAN_EXPRS_MAX = 1 << 20,
    PLAN_EXPR_DEPTH_MAX = 2048,
    PLAN_EXPR_WEIGHT_MAX = 1 << 20, /* nodes of an expression written out as a tree */
    PLAN_COLUMNS_MAX = 1 << 16,
    PLAN_TYPE_BYTES_MAX = 1 << 20, /* of a type written out: nested ones have the names of their fields */
};

/* A nested value as a batch frame of one row, and back (the sealed run is tied to ar). */
void nested_encode(const struct column *col, struct buf *out);
WARN_UNUSED int nested_decode(struct arena *ar, const struct type *type, const void *p, size_t bytes,
                              const struct column **ret, struct error *err);
/*
 * Whether a plan is consistent: what each node takes is what its inputs deliver, ordinals and types of
 * expressions included. ERR_PROTOCOL. Run on every decoded plan and on every plan the driver makes.
 */
WARN_UNUSED int stage_plan_check(const struct stage_plan *plan, struct error *err);
/* The encoding without what does not change the rows - spans, names of columns - to find equal stages by. */
void stage_plan_key(const struct stage_plan *plan, struct buf *out);
const char *exchange_kind_name(enum exchange_kind kind);
const char *join_kind_name(enum join_kind kind);
