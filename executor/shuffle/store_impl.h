/* Shared by output.c, segment.c and store.c. */
#pragma once

#include <pthread.h>

#include "common/base/account.h"
#include "executor/shuffle/store.h"

/* Outputs of one stage that left memory: bytes appended to one unnamed file. Counted; closed with the last reference. */
struct segment;
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s); /* accepts NULL */
/* ERR_IO with the folder and what to do. */
WARN_UNUSED int segment_new(const char *folder, struct segment **ret, struct error *err);
/* Thread: any; appends of several threads do not mix. */
WARN_UNUSED int segment_append(struct segment *s, const void *p, size_t bytes, uint64_t *ret_offset, struct error *err);
WARN_UNUSED int segment_read(const struct segment *s, uint64_t offset, void *to, size_t bytes, struct error *err);

struct store {
    struct account *account;
    const char *folder;
    uint64_t memory_max;
    uint64_t memory;     /* atomic: of all outputs, published or not */
    uint64_t file_bytes; /* atomic */
    pthread_mutex_t lock;
    struct stage_outputs *buckets[256];
    uint64_t bytes;
};

/* The segment of a stage, made when there is none: a reference. */
WARN_UNUSED int store_segment(struct store *st, uint64_t job_id, uint32_t stage, struct segment **ret, struct error *err);

struct map_output {
    uint32_t refs; /* atomic */
    struct store *st;
    uint64_t job_id, attempt_id, bytes;
    uint32_t stage, map, partitions;
    bool encode;
    /* Runs, in order of arrival; most outputs have one run in one partition: it sits in the output itself. */
    uint32_t run_count, run_cap;
    struct run {
        uint32_t partition;
        struct sealed *sealed;
    } first, *runs;
    uint64_t run_bytes;
    struct sealed **sorted; /* by partition, once finished; NULL for at most one run of one partition */
    uint32_t *first_of;     /* partitions + 1 entries into sorted */
    /* Frames. */
    struct piece {
        struct buf bytes;        /* in memory, charged */
        struct segment *segment; /* or here, from offset */
        uint64_t offset;
        uint64_t *starts;        /* partitions + 1: of each partition within the piece */
    } *pieces;
    uint32_t piece_count, piece_cap;
    pthread_mutex_t lock; /* a peer's call for the second form */
    struct map_output *next; /* of other attempts at the same map */
};
