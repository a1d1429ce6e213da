/* See riding.h. */
#include "executor/shuffle/riding.h"

#include "executor/shuffle/store_impl.h"

enum { HEAD_BYTES = 8, ENTRY_BYTES = 8 };

static uint32_t table_crc(const char *bytes, uint32_t entries)
{
    return crc32c(0, bytes + sizeof(uint32_t), HEAD_BYTES - sizeof(uint32_t) + (size_t)entries * ENTRY_BYTES);
}

/* What an output that expects peers is after its end: frames in one piece, or nothing at all. */
bool riding_encode(struct map_output *o, size_t max, struct buf *out)
{
    const struct piece *p = o->piece_count ? &o->pieces[0] : NULL;
    if (o->run_count > 0 || o->piece_count > 1 || (p && (p->segment || p->bytes.bytes > max)))
        return false;
    uint32_t head[2] = {0, 0};
    for (uint32_t i = 0; p && i < o->partitions; i++)
        head[1] += p->starts[i + 1] > p->starts[i];
    size_t at = out->bytes, frames = p ? p->bytes.bytes : 0;
    if (HEAD_BYTES + (size_t)head[1] * ENTRY_BYTES + frames > max)
        return false;
    buf_add(out, head, sizeof head);
    for (uint32_t i = 0; p && i < o->partitions; i++) {
        uint32_t entry[2] = {i, (uint32_t)(p->starts[i + 1] - p->starts[i])};
        if (entry[1])
            buf_add(out, entry, sizeof entry);
    }
    head[0] = table_crc(out->data + at, head[1]);
    memcpy(out->data + at, head, sizeof head);
    if (frames)
        buf_add(out, p->bytes.data, frames);
    return true;
}

static int damaged(struct error *err)
{
    return error_set(err, ERR_CHUNK_DAMAGED, "message", "an output that came with the inputs is not as it was written", NULL);
}

int riding_find(const void *bytes, size_t count, uint32_t partition, size_t *ret_from, size_t *ret_to, struct error *err)
{
    const char *p = bytes;
    uint32_t head[2];
    if (count < HEAD_BYTES)
        return damaged(err);
    memcpy(head, p, sizeof head);
    if (head[1] > (count - HEAD_BYTES) / ENTRY_BYTES || table_crc(p, head[1]) != head[0])
        return damaged(err);
    size_t frames = HEAD_BYTES + (size_t)head[1] * ENTRY_BYTES, at = frames;
    *ret_from = *ret_to = partition == OUTPUT_ALL ? frames : count;
    for (uint32_t i = 0; i < head[1]; i++) {
        uint32_t entry[2];
        memcpy(entry, p + HEAD_BYTES + (size_t)i * ENTRY_BYTES, sizeof entry);
        if (entry[1] > count - at)
            return damaged(err);
        if (entry[0] == partition) {
            *ret_from = at;
            *ret_to = at + entry[1];
        }
        at += entry[1];
    }
    if (at != count)
        return damaged(err);
    if (partition == OUTPUT_ALL)
        *ret_to = count;
    return 0;
}
