/* The main of a fuzz target without libFuzzer: runs it over files, so that what was found once stays found. */
#include <signal.h>
#include <stdio.h>

#include "common/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_file(const char *path, struct buf *out)
{
    char piece[65536];
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_add(out, piece, n);
    bool good = !ferror(f);
    fclose(f);
    return good;
}

static const char *reading;

/* Names the input that it dies of, then dies of it. */
static void died(int signum)
{
    fprintf(stderr, "\nsignal %d while reading %s\n", signum, reading);
    signal(signum, SIG_DFL);
    raise(signum);
}

int main(int argc, char **argv)
{
    signal(SIGABRT, died);
    for (int i = 1; i < argc; i++) {
        struct buf bytes = BUF_INIT;
        if (!read_file(argv[i], &bytes)) {
            perror(argv[i]);
            return 1;
        }
        /* a copy of its exact size: the sanitizer sees every byte past it */
        uint8_t *data = xmalloc(bytes.bytes ? bytes.bytes : 1);
        if (bytes.bytes)
            memcpy(data, bytes.data, bytes.bytes);
        reading = argv[i];
        LLVMFuzzerTestOneInput(data, bytes.bytes);
        xfree(data);
        buf_fini(&bytes);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
