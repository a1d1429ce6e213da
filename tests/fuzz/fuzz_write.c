/* Bytes into the decoders of write manifests and intents: they refuse, or give paths that stay below their folder. */
#include <stdlib.h>

#include "common/format/commit.h"
#include "common/format/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *path)
{
    if (path[0] == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 || strstr(path, "/../"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena ar;
    struct error err = ERROR_INIT;
    struct manifest m;
    struct write_intent in;
    arena_init(&ar);
    const char *p = (const char *)data + 1;
    if (data[0] % 2 == 0 && manifest_decode(&ar, p, size - 1, &m, &err) == 0) {
        for (uint32_t i = 0; i < m.count; i++)
            check(m.entries[i].path);
    } else if (data[0] % 2 == 1) {
        /* a sum made valid, so that the lines are reached */
        struct buf text = BUF_INIT;
        buf_adds(&text, "drover write 1\n");
        buf_add(&text, p, size - 1);
        buf_addf(&text, "end %08x\n", crc32c(0, text.data, text.bytes));
        if (write_intent_decode(&ar, text.data, text.bytes, "intent", &in, &err) == 0) {
            for (uint32_t i = 0; i < in.old_count; i++)
                check(in.olds[i]);
            for (uint32_t i = 0; i < in.move_count; i++)
                check(in.moves[i].to);
        }
        buf_fini(&text);
    }
    error_fini(&err);
    arena_fini(&ar);
    return 0;
}
