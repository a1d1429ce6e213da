/* Frames on the wire, and protobuf-c under limits; see frame.h. */
#include "common/rpc/frame.h"

#include "proto/client.pb-c.h"
#include "proto/cluster.pb-c.h"

static const uint32_t MAGIC = 0x31565244; /* "DRV1" */

static const struct msg_row {
    const char *name;
    const ProtobufCMessageDescriptor *descriptor;
    enum msg_from from;
    uint32_t limit_kib, bulk_kib;
} rows[MSG_MAX] = {
#define MSG(number, id, prefix, type, from, limit, bulk) [number] = {#id, &drover__##prefix##__descriptor, FROM_##from, limit, bulk},
#include "common/rpc/messages.def"
#undef MSG
};

const char *msg_name(enum msg_type type)
{
    return (unsigned)type < MSG_MAX && rows[type].name ? rows[type].name : "?";
}

static void put(char *h, size_t at, const void *v, size_t bytes)
{
    memcpy(h + at, v, bytes);
}

void frame_put(struct buf *out, enum msg_type type, uint64_t epoch, uint64_t incarnation, uint64_t id,
               const ProtobufCMessage *message, size_t bulk_bytes)
{
    ASSERT((unsigned)type < MSG_MAX && rows[type].name && message->descriptor == rows[type].descriptor);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    ASSERT(bytes <= (size_t)rows[type].limit_kib * 1024 && bulk_bytes <= (size_t)rows[type].bulk_kib * 1024);
    buf_reserve(out, FRAME_HEADER_BYTES + bytes);
    char *h = out->data + out->bytes;
    memset(h, 0, FRAME_HEADER_BYTES);
    uint16_t type16 = (uint16_t)type;
    uint32_t message32 = (uint32_t)bytes, bulk32 = (uint32_t)bulk_bytes;
    put(h, 0, &MAGIC, 4);
    put(h, 4, &type16, 2);
    put(h, 8, &message32, 4);
    put(h, 12, &bulk32, 4);
    put(h, 24, &epoch, 8);
    put(h, 32, &incarnation, 8);
    put(h, 40, &id, 8);
    protobuf_c_message_pack(message, (uint8_t *)h + FRAME_HEADER_BYTES);
    uint32_t crc = crc32c(0, h, FRAME_HEADER_BYTES + bytes);
    put(h, 16, &crc, 4);
    out->bytes += FRAME_HEADER_BYTES + bytes;
}

static uint32_t get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static uint64_t get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

size_t msg_limit(enum msg_type type)
{
    ASSERT((unsigned)type < MSG_MAX && rows[type].name);
    return (size_t)rows[type].limit_kib * 1024;
}

int frame_header_parse(const void *p, enum msg_from from, struct frame_header *ret, struct error *err)
{
    const char *h = p;
    if (get32(h) != MAGIC) {
        return error_setf(err, ERR_PROTOCOL, "message", "the bytes are not ours (they begin with %02x %02x %02x %02x)",
                          (unsigned char)h[0], (unsigned char)h[1], (unsigned char)h[2], (unsigned char)h[3]);
    }
    uint16_t type;
    memcpy(&type, h + 4, 2);
    if (type >= MSG_MAX || !rows[type].name || h[6] || h[7])
        return error_setf(err, ERR_PROTOCOL, "message", "unknown message type %u", type);
    if (!(rows[type].from & from))
        return error_setf(err, ERR_PROTOCOL, "message", "%s is not for this side of the connection", rows[type].name);
    struct frame_header f = {.type = (enum msg_type)type,
                             .message_bytes = get32(h + 8),
                             .bulk_bytes = get32(h + 12),
                             .crc = get32(h + 16),
                             .epoch = get64(h + 24),
                             .incarnation = get64(h + 32),
                             .id = get64(h + 40)};
    if (f.message_bytes > rows[type].limit_kib * 1024ull || f.bulk_bytes > rows[type].bulk_kib * 1024ull)
        return error_setf(err, ERR_PROTOCOL, "message", "%s with %u + %u bytes is over its limit of %u + %u KiB",
                          rows[type].name, f.message_bytes, f.bulk_bytes, rows[type].limit_kib, rows[type].bulk_kib);
    *ret = f;
    return 0;
}

int frame_unpack(const struct frame_header *h, const void *header, const void *message, struct arena *ar,
                 const void **ret, struct error *err)
{
    char head[FRAME_HEADER_BYTES];
    memcpy(head, header, sizeof head);
    memset(head + 16, 0, 4);
    if (crc32c(crc32c(0, head, sizeof head), message, h->message_bytes) != h->crc)
        return error_setf(err, ERR_PROTOCOL, "message", "%s with a wrong checksum", msg_name(h->type));
    const ProtobufCMessageDescriptor *d = rows[h->type].descriptor;
    size_t count_max = 1024 + (size_t)h->message_bytes;
    TRY(protobuf_prescan(d, message, h->message_bytes, 8, count_max, err));
    struct capped_arena cap = {ar, 65536 + (size_t)h->message_bytes * 64};
    ProtobufCAllocator alloc = capped_allocator(&cap);
    const void *m = protobuf_c_message_unpack(d, &alloc, h->message_bytes, message);
    if (!m)
        return error_setf(err, ERR_PROTOCOL, "message", "%s that cannot be unpacked", msg_name(h->type));
    *ret = m;
    return 0;
}

/* ---- protobuf under limits ---- */

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static int prescan(const ProtobufCMessageDescriptor *d, const uint8_t *p, const uint8_t *end, unsigned depth,
                   size_t *left, struct error *err)
{
    while (p < end) {
        uint64_t key, bytes;
        if (*left == 0)
            return error_setf(err, ERR_PROTOCOL, "message", "%s has too many elements", d->name);
        --*left;
        if (!read_varint(&p, end, &key))
            return error_setf(err, ERR_PROTOCOL, "message", "%s is cut short", d->name);
        switch (key & 7) {
        case 0:
            if (!read_varint(&p, end, &bytes))
                return error_setf(err, ERR_PROTOCOL, "message", "%s is cut short", d->name);
            continue;
        case 1:
        case 5:
            bytes = (key & 7) == 1 ? 8 : 4;
            break;
        case 2:
            if (!read_varint(&p, end, &bytes))
                return error_setf(err, ERR_PROTOCOL, "message", "%s is cut short", d->name);
            break;
        default:
            return error_setf(err, ERR_PROTOCOL, "message", "%s has a field of an unknown wire type", d->name);
        }
        if ((uint64_t)(end - p) < bytes)
            return error_setf(err, ERR_PROTOCOL, "message", "%s is cut short", d->name);
        const ProtobufCFieldDescriptor *f =
            key >> 3 <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(d, (unsigned)(key >> 3)) : NULL;
        if (f && f->type == PROTOBUF_C_TYPE_MESSAGE && (key & 7) == 2) {
            if (depth == 0)
                return error_setf(err, ERR_PROTOCOL, "message", "%s nests too deep", d->name);
            TRY(prescan(f->descriptor, p, p + bytes, depth - 1, left, err));
        }
        p += bytes;
    }
    return 0;
}

int protobuf_prescan(const ProtobufCMessageDescriptor *d, const void *p, size_t bytes, unsigned depth_max,
                     size_t count_max, struct error *err)
{
    const uint8_t *at = p;
    return prescan(d, at, at + bytes, depth_max, &count_max, err);
}

static void *capped_alloc(void *ctx, size_t bytes)
{
    struct capped_arena *cap = ctx;
    if (bytes > cap->left)
        return NULL;
    cap->left -= bytes;
    return arena_alloc(cap->ar, bytes);
}

static void capped_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

ProtobufCAllocator capped_allocator(struct capped_arena *cap)
{
    return (ProtobufCAllocator){.alloc = capped_alloc, .free = capped_free, .allocator_data = cap};
}
