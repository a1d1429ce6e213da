/* Compressed files: the first byte says which compression, the rest is the file as it lies on disk. */
#include "tests/fuzz/format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const extensions[] = {".gz", ".zst", ".deflate"};
    struct options o = {0};
    char path[96];
    if (bytes < 1)
        return 0;
    snprintf(path, sizeof path, "/dev/shm/fuzz_stream.%d%s", (int)getpid(), extensions[data[0] % ARRAY_LEN(extensions)]);
    FILE *f = fopen(path, "we");
    if (!f)
        return 0;
    bool written = fwrite(data + 1, 1, bytes - 1, f) == bytes - 1;
    if (fclose(f) == 0 && written)
        fuzz_file(&format_text, path, bytes - 1, &o, "struct<value:string>");
    unlink(path);
    return 0;
}
