/* The writer's encodings: appended to a buf. Thread: the caller's. */
#pragma once

#include "common/base/base.h"

/* RLE/bit-packed hybrid runs of values below 2^width. */
void pq_rle_encode(const uint32_t *v, size_t count, unsigned width, struct buf *out);
/* Bits one after the other, the first in the lowest place. */
void pq_pack_bits(const uint8_t *v, size_t count, struct buf *out);
