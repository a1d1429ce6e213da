/* Text: two bytes of options, one unused, then the file. */
#include "tests/fuzz/format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct fuzz_choice choices[] = {
        {"wholetext", "true"}, {"lineSep", "<>"}, {"lineSep", "\r\n"}, {"encoding", "ISO-8859-1"}, {"encoding", "US-ASCII"},
    };
    fuzz_format(&format_text, data, bytes, choices, ARRAY_LEN(choices), "struct<value:string>");
    return 0;
}
