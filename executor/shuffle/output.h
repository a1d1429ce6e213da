/*
 * A map output: what one attempt leaves for each reduce partition. It is in one of two forms:
 *
 *   runs     sealed batches, handed over to readers of the same executor by reference, unserialised
 *   frames   batch frames (checksummed bytes), partition after partition, in pieces; a piece lies in memory or in the
 *            stage's segment file
 *
 * Runs become frames on the attempt's own thread: when peers will read them (the driver says so with the plan), when
 * the attempt has collected PIECE_BYTES of them, or when the store holds more memory than it may. A peer that comes
 * unexpectedly makes the serving thread do it.
 *
 * An attempt fills an output that nobody else sees; the store publishes it whole at the attempt's end, immutable from
 * then on but for the second form that a peer may call for. Counted references. Thread: any, as said.
 */
#pragma once

#include "common/col/builder.h"

struct account;
struct map_output;
struct store;

/*
 * The store's limit on memory and its segment file decide where pieces go. encode: frames from the start. Not yet in
 * the store.
 */
struct map_output *map_output_new(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id,
                                  uint32_t partitions, bool encode);
/* Takes the run. ERR_TASK_MEMORY or ERR_IO. Thread: the attempt's. */
WARN_UNUSED int map_output_add(struct map_output *o, uint32_t partition, struct sealed *take, struct error *err);
/* Nothing more comes: chooses the final form. Thread: the attempt's. */
WARN_UNUSED int map_output_finish(struct map_output *o, struct error *err);
void map_output_unref(struct map_output *o); /* accepts NULL */
uint64_t map_output_bytes(const struct map_output *o); /* of the runs that were added */
uint32_t map_output_partitions(const struct map_output *o);

/* ---- reading, after publication ---- */

enum { OUTPUT_ALL = UINT32_MAX };
struct output_cursor {
    uint64_t at; /* run, or byte of the partition's frames */
    uint32_t partition, piece;
};
/*
 * The next run of a partition (OUTPUT_ALL: of all, in order): *ret a reference, or NULL at the end. What is decoded is
 * charged to account. ERR_CHUNK_DAMAGED when bytes changed since they were written.
 */
WARN_UNUSED int map_output_next(struct map_output *o, uint32_t partition, struct output_cursor *c, struct account *account,
                                struct sealed **ret, struct error *err);
/*
 * Appends whole frames of a partition until max bytes are passed (at least one, if there is one): *ret_done tells that
 * these were the last. Thread: serving.
 */
WARN_UNUSED int map_output_copy(struct map_output *o, uint32_t partition, struct output_cursor *c, size_t max, struct buf *out,
                                bool *ret_done, struct error *err);
