/*
 * Frames: what travels on every connection between our processes.
 *
 *   offset  bytes
 *   0       4   magic "DRV1"
 *   4       2   message type (messages.def)
 *   6       2   zero
 *   8       4   bytes of the message part (protobuf)
 *   12      4   bytes of the bulk part (raw; its content carries checksums of its own)
 *   16      4   crc32c of the header with this field zero, continued over the message part
 *   20      4   zero
 *   24      8   driver epoch (0: not known yet)
 *   32      8   incarnation of the sender (executors; else 0)
 *   40      8   frame id: an answer repeats the id of its request
 *   48      ... message part, then bulk part
 *
 * Lengths are checked against the message's row before a byte of the body is read, messages are
 * pre-scanned for depth and count and unpacked into a capped arena (protobuf-c has no limits of its own).
 * Thread: any; no state.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/error/error.h"

enum msg_type {
#define MSG(number, id, prefix, name, from, limit_kib, bulk_kib) MSG_##id = number,
#include "common/rpc/messages.def"
#undef MSG
    MSG_MAX = 64
};

/* Who sends a frame: a client or an executor to the driver, the driver to them; between executors the one that
 * fetches (PEER) and the one that serves (SERVER). */
enum msg_from { FROM_CLIENT = 1, FROM_EXECUTOR = 2, FROM_DRIVER = 4, FROM_PEER = 8, FROM_SERVER = 16, FROM_ANY = 31 };

enum { FRAME_HEADER_BYTES = 48, PROTOCOL_VERSION = 1 };

struct frame_header {
    enum msg_type type;
    uint32_t message_bytes, bulk_bytes, crc;
    uint64_t epoch, incarnation, id;
};

/* A received frame; all of it valid until the handler returns. */
struct frame {
    enum msg_type type;
    uint64_t epoch, incarnation, id;
    const void *message; /* the unpacked protobuf-c struct of the type */
    const char *bulk;
    size_t bulk_bytes;
};

const char *msg_name(enum msg_type type); /* "LAUNCH", "?" for unknown ones */
size_t msg_limit(enum msg_type type);     /* most bytes of the message part */

/* The header and the packed message, appended; the bulk part is written by the caller after it. */
void frame_put(struct buf *out, enum msg_type type, uint64_t epoch, uint64_t incarnation, uint64_t id,
               const ProtobufCMessage *message, size_t bulk_bytes);
/* Checks everything that can be checked before the body: magic, type, sender, lengths. ERR_PROTOCOL. */
WARN_UNUSED int frame_header_parse(const void *p, enum msg_from from, struct frame_header *ret, struct error *err);
/* Checks the checksum over header and message and unpacks the message into ar. ERR_PROTOCOL. */
WARN_UNUSED int frame_unpack(const struct frame_header *h, const void *header, const void *message, struct arena *ar,
                             const void **ret, struct error *err);
/* Depth and element count of protobuf bytes against a descriptor, before they are unpacked; used for plans too. */
WARN_UNUSED int protobuf_prescan(const ProtobufCMessageDescriptor *d, const void *p, size_t bytes, unsigned depth_max,
                                 size_t count_max, struct error *err);
/* An allocator over an arena that refuses past cap bytes, for protobuf-c's unpack. */
struct capped_arena {
    struct arena *ar;
    size_t left;
};
ProtobufCAllocator capped_allocator(struct capped_arena *cap);
