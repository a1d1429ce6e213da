/*
 * Bytes as an output that rode: refused, or the frames of each partition lie within it, and one that decodes is no longer than
 * the part that was found. Byte 0: the checksum is made right, so that the table is believed.
 */
#include "executor/shuffle/riding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 8, ENTRY_BYTES = 8 };

static void make_right(char *p, size_t bytes)
{
    uint32_t count;
    memcpy(&count, p + 4, sizeof count);
    if (count > (bytes - HEAD_BYTES) / ENTRY_BYTES)
        return;
    uint32_t crc = crc32c(0, p + 4, 4 + (size_t)count * ENTRY_BYTES);
    memcpy(p, &crc, sizeof crc);
}

static void look_up(const struct buf *b, uint32_t partition)
{
    struct error err = ERROR_INIT;
    struct sealed *s = NULL;
    size_t from, to, used;
    if (riding_find(b->data, b->bytes, partition, &from, &to, &err) == 0) {
        ASSERT(from <= to && to <= b->bytes && (from == to || from >= HEAD_BYTES + ENTRY_BYTES));
        if (from < to && frame_decode(b->data + from, to - from, NULL, &s, &used, &err) == 0)
            ASSERT(used <= to - from);
    }
    sealed_unref(s);
    error_fini(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT;
    if (size == 0)
        return 0;
    buf_add(&b, data + 1, size - 1);
    if ((data[0] & 1) && b.bytes >= HEAD_BYTES)
        make_right(b.data, b.bytes);
    for (uint32_t p = 0; p < 8; p++)
        look_up(&b, p);
    look_up(&b, OUTPUT_ALL);
    buf_fini(&b);
    return 0;
}
