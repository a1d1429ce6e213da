/* See partition.h. */
#include "common/format/partition.h"

static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == 0x7f || (c < 0x80 && strchr("\"#%'*/:=?\\{[]^", c) != NULL);
}

void partition_escape(const char *p, size_t bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes; i++) {
        if (must_escape((unsigned char)p[i]))
            buf_addf(out, "%%%02X", (unsigned char)p[i]);
        else
            buf_addc(out, p[i]);
    }
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *partition_unescape(struct arena *ar, const char *p, size_t bytes)
{
    char *out = arena_alloc(ar, bytes + 1);
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        bool escaped = p[i] == '%' && i + 2 < bytes && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0;
        out[n++] = escaped ? (char)(hex(p[i + 1]) * 16 + hex(p[i + 2])) : p[i];
        i += escaped ? 2 : 0;
    }
    out[n] = 0;
    return out;
}

void partition_folder(const char *name, const struct column *col, uint32_t row, const struct zone *zone, struct buf *out)
{
    struct buf text = BUF_INIT;
    column_format(col, row, zone, "", &text);
    partition_escape(name, strlen(name), out);
    buf_addc(out, '=');
    if (text.bytes == 0)
        buf_adds(out, PARTITION_NULL);
    else
        partition_escape(text.data, text.bytes, out);
    buf_fini(&text);
}
