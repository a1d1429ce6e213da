/*
 * Bytes as batch frames of a peer: refused, or runs whose every cell can be read and that encode again. Bit 0 of byte 0:
 * the checksum is made right.
 */
#include "common/base/account.h"
#include "common/col/builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct sealed *s)
{
    uint64_t *hashes = xmalloc((s->rows + 1) * sizeof *hashes);
    struct buf out = BUF_INIT;
    for (uint32_t c = 0; c < s->col_count; c++) {
        struct arena ar;
        arena_init(&ar);
        struct column col = s->cols[c];
        if (col.kind == COL_DICT)
            col = column_flatten(&col, NULL, s->rows, &ar);
        column_hash(&col, NULL, s->rows, hashes, c > 0);
        arena_fini(&ar);
    }
    frame_encode(s, FRAME_RAW, &out);
    buf_fini(&out);
    xfree(hashes);
}

static void make_right(char *p, size_t bytes)
{
    uint64_t total;
    for (; bytes >= 32; p += total, bytes -= total) {
        memcpy(&total, p + 8, 8);
        if (total < 32 || total > bytes)
            return;
        uint32_t crc = crc32c(0, p + 8, total - 8);
        memcpy(p + 4, &crc, 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct account account;
    struct error err = ERROR_INIT;
    struct buf in = BUF_INIT;
    account_init(&account, "fuzz", NULL, 64 << 20);
    buf_add(&in, data + 1, size - 1);
    if (data[0] & 1)
        make_right(in.data, in.bytes);
    for (size_t at = 0, used; at < in.bytes; at += used) {
        struct sealed *s = NULL;
        if (frame_decode(in.data + at, in.bytes - at, &account, &s, &used, &err) != 0)
            break;
        ASSERT(used > 0 && used <= in.bytes - at);
        read_all(s);
        sealed_unref(s);
    }
    error_fini(&err);
    ASSERT(account.used == 0);
    account_fini(&account);
    buf_fini(&in);
    return 0;
}
