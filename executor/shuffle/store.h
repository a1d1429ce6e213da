/*
 * The output store: the map outputs that this executor holds, by (job, stage, map partition, attempt).
 * An output is a list of sealed runs per output partition, shared by reference with whoever reads it here;
 * for peers the runs are encoded into frames by the serving thread (serve.h).
 *
 * An attempt collects its runs in an `output` of its own and publishes it whole at its end, so a reader
 * sees all of an attempt or nothing. The registry of what exists cluster-wide is the driver's; a reader
 * asks by attempt id, and gets "missing" when this executor no longer has it.
 *
 * Thread: any; one lock, held for look-ups only.
 */
#pragma once

#include "common/col/builder.h"

struct store;
struct map_output; /* of one attempt */

struct store *store_new(void);
void store_free(struct store *st);

struct map_output *map_output_new(uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id, uint32_t partitions);
void map_output_add(struct map_output *o, uint32_t partition, struct sealed *take);
uint64_t map_output_bytes(const struct map_output *o);
void map_output_unref(struct map_output *o); /* accepts NULL */

/* Takes the reference. */
void store_publish(struct store *st, struct map_output *take);
/* A reference, or NULL when it is not (any more) here. */
struct map_output *store_find(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id);
/* Drops the outputs of one stage, or of the whole job with UINT32_MAX. */
void store_release(struct store *st, uint64_t job_id, uint32_t stage);
uint64_t store_bytes(struct store *st);

/* The runs of one partition: borrowed, as long as o is referenced. */
struct sealed *const *map_output_runs(const struct map_output *o, uint32_t partition, uint32_t *ret_count);
uint32_t map_output_partitions(const struct map_output *o);
