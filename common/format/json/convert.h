/*
 * From nodes of a document to values of a type, by the rules of Spark's JSON reader: a field that does not fit is null
 * and makes its record bad; a struct keeps its other fields, an array or map of values is lost whole. Thread: any.
 */
#pragma once

#include "common/col/builder.h"
#include "common/format/json/parse.h"

/* A type and how to find the fields of its structs by name. Lives in an arena. */
struct json_shape {
    const struct type *type;
    uint32_t child_count;
    struct json_shape *children;
    const char **names; /* structs */
    uint32_t *name_bytes;
    uint32_t *slots, slot_mask; /* child + 1 by hash of its name */
};
void json_shape_init(struct json_shape *s, const struct type *t, struct arena *ar);
/* The same for columns without a struct around them. */
void json_shape_fields(struct json_shape *s, const struct field *fields, uint32_t count, struct arena *ar);
/* The child of that name, or UINT32_MAX; hint: the one to look at first. */
uint32_t json_shape_find(const struct json_shape *s, const char *name, uint32_t bytes, uint32_t hint);
/* NULL, or the part of t that JSON cannot hold (maps whose keys are no strings). */
const struct type *json_cannot_hold(const struct type *t);

struct json_convert {
    const struct json_options *o;
    const struct json_node *nodes;
    struct buf scratch;
};
/* Puts the value of node `at` (UINT32_MAX: it is missing); false when something in it did not fit. */
bool json_put(struct json_convert *c, const struct json_shape *s, uint32_t at, struct column_builder *cb);
/* Whether json_put would put all of it. */
bool json_fits(struct json_convert *c, const struct json_shape *s, uint32_t at);
