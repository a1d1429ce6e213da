/* Bytes as an error from another process: refused, or one that prints, and encodes to what decodes the same. */
#include "common/error/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT, again = ERROR_INIT;
    struct buf text = BUF_INIT, bytes = BUF_INIT, same = BUF_INIT;
    if (error_decode(data, size, &err)) {
        error_format_caret(&err, "SELECT a\nFROM t", &text);
        error_to_json(&err, "SELECT a\nFROM t", &text);
        error_encode(&err, &bytes);
        bool good = error_decode(bytes.data, bytes.bytes, &again);
        ASSERT(good);
        error_encode(&again, &same);
        ASSERT(same.bytes == bytes.bytes && memcmp(same.data, bytes.data, bytes.bytes) == 0);
    }
    error_fini(&err);
    error_fini(&again);
    buf_fini(&text);
    buf_fini(&bytes);
    buf_fini(&same);
    return 0;
}
