/*
 * A riding output: a map output of a few KiB as one piece of bytes, which goes to the driver with the completion of its
 * attempt and from there, with the inputs, to whoever reads it. It costs no fetch and outlives its executor.
 *
 *   u32 crc       CRC32C of what follows up to the frames
 *   u32 count     of entries
 *   count x       u32 partition, u32 bytes of its frames; by partition, those without rows left out
 *   frames        as the batch frames of a map output, with checksums of their own
 *
 * Little endian. Thread: any.
 */
#pragma once

#include "executor/shuffle/output.h"

/* Appends a finished output as riding bytes; false, and nothing is appended, when they would be more than max. */
bool riding_encode(struct map_output *o, size_t max, struct buf *out);
/*
 * Where the frames of a partition (OUTPUT_ALL: of all) are in an output that rode: [*ret_from, *ret_to), empty when it has
 * none. ERR_CHUNK_DAMAGED.
 */
WARN_UNUSED int riding_find(const void *bytes, size_t count, uint32_t partition, size_t *ret_from, size_t *ret_to,
                            struct error *err);
