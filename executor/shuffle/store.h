/*
 * The output store: the map outputs that this executor holds, by (job, stage, map partition, attempt), and the segment
 * files that those which do not fit into memory lie in: one file a stage, without a name, so that nothing is left
 * behind however the process ends.
 *
 * The registry of what exists in the cluster is the driver's; a reader asks by attempt id, and gets nothing when this
 * executor does not hold it (any more). Thread: any; one lock, held for look-ups only.
 */
#pragma once

#include "executor/shuffle/output.h"

/*
 * folder: where segment files go; borrowed. memory_max: bytes of outputs in memory above which they go to files, for
 * whose room account is asked.
 */
struct store *store_new(struct account *account, const char *folder, uint64_t memory_max);
void store_free(struct store *st);
/* Takes the reference. */
void store_publish(struct store *st, struct map_output *take);
/* A reference, or NULL when it is not (any more) here. */
struct map_output *store_find(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id);
/* Drops one output, which another took the place of. */
void store_drop(struct store *st, uint64_t job_id, uint32_t stage, uint32_t map, uint64_t attempt_id);
/* Drops the outputs of one stage, or of the whole job with UINT32_MAX. */
void store_release(struct store *st, uint64_t job_id, uint32_t stage);
/* Bytes of published outputs, in memory or not. */
uint64_t store_bytes(struct store *st);
/* Bytes that lie in segment files. */
uint64_t store_file_bytes(struct store *st);
