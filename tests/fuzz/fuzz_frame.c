/*
 * Bytes as the frames of a connection after its handshake: each either is refused or unpacks to a message that packs
 * again. Byte 0: who sends; bit 7: checksums are made right, so that what lies behind them is reached.
 */
#include "common/rpc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_right(char *p, const struct frame_header *h)
{
    memset(p + 16, 0, 4);
    uint32_t crc = crc32c(0, p, FRAME_HEADER_BYTES + h->message_bytes);
    memcpy(p + 16, &crc, 4);
}

static void take(const struct frame_header *h, const ProtobufCMessage *m)
{
    struct buf out = BUF_INIT;
    if (protobuf_c_message_get_packed_size(m) <= msg_limit(h->type)) /* unknown fields and defaults may make it longer */
        frame_put(&out, h->type, h->epoch, h->incarnation, h->id, m, h->bulk_bytes);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct buf in = BUF_INIT;
    struct arena ar;
    arena_init(&ar);
    buf_add(&in, data + 1, size - 1);
    for (size_t at = 0; in.bytes - at >= FRAME_HEADER_BYTES;) {
        struct frame_header h;
        struct error err = ERROR_INIT;
        const void *m;
        char *p = in.data + at;
        bool good = frame_header_parse(p, (enum msg_from)(data[0] & FROM_ANY), &h, &err) == 0;
        size_t total = good ? FRAME_HEADER_BYTES + (size_t)h.message_bytes + h.bulk_bytes : 0;
        good = good && total <= in.bytes - at;
        if (good && (data[0] & 0x80))
            make_right(p, &h);
        good = good && frame_unpack(&h, p, p + FRAME_HEADER_BYTES, &ar, &m, &err) == 0;
        if (good)
            take(&h, m);
        error_fini(&err);
        if (!good)
            break;
        arena_reset(&ar);
        at += total;
    }
    arena_fini(&ar);
    buf_fini(&in);
    return 0;
}
