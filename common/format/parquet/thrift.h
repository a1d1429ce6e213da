/*
 * Thrift's compact protocol, as far as Parquet's footers and page headers need it. A reader never looks
 * past its end: whatever is too short, too deep or of a wrong type sets `bad`, after which every read gives
 * zeros, so callers look at `bad` once at the end. A writer appends to a buf. Thread: the caller's.
 */
#pragma once

#include "common/base/base.h"

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I8 = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12
};

struct thrift {
    const uint8_t *p, *end;
    bool bad;
    int depth; /* of structs being read */
};
struct thrift_field {
    int16_t id;
    uint8_t type;
};

enum { THRIFT_DEPTH_MAX = 32 };

uint64_t thrift_varint(struct thrift *t);
static inline int64_t thrift_int(struct thrift *t) /* zigzag: I16, I32, I64 */
{
    uint64_t v = thrift_varint(t);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
static inline int32_t thrift_i32(struct thrift *t)
{
    return (int32_t)thrift_int(t);
}
/* Steps to the next field of a struct; false at its end. f starts zeroed. */
bool thrift_field(struct thrift *t, struct thrift_field *f);
/* The head of a list; the count is bounded by the bytes left. */
uint32_t thrift_list(struct thrift *t, uint8_t *ret_type);
/* Bytes borrowed from the input. */
const uint8_t *thrift_binary(struct thrift *t, uint32_t *ret_bytes);
bool thrift_enter(struct thrift *t); /* before the fields of a struct; false (bad) when too deep */
void thrift_leave(struct thrift *t);
void thrift_skip(struct thrift *t, uint8_t type);

/* ---- writing ---- */
struct thrift_out {
    struct buf *buf;
    int16_t last[8]; /* field ids of the open structs */
    int depth;
};
void thrift_out_init(struct thrift_out *t, struct buf *buf);
void thrift_put_varint(struct thrift_out *t, uint64_t v);
void thrift_put_field(struct thrift_out *t, int16_t id, uint8_t type);
void thrift_put_int(struct thrift_out *t, int16_t id, uint8_t type, int64_t v);
void thrift_put_bool(struct thrift_out *t, int16_t id, bool v);
void thrift_put_binary(struct thrift_out *t, int16_t id, const void *p, size_t bytes);
void thrift_put_list(struct thrift_out *t, int16_t id, uint8_t type, uint32_t count);
void thrift_put_begin(struct thrift_out *t, int16_t id); /* a struct as a field; id 0: as a list item */
void thrift_put_end(struct thrift_out *t);
/* Items of lists. */
void thrift_item_int(struct thrift_out *t, int64_t v);
void thrift_item_binary(struct thrift_out *t, const void *p, size_t bytes);
