/* CSV under any options: two bytes of options, one that says whether the schema is inferred, then the file. */
#include "tests/fuzz/format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct fuzz_choice choices[] = {
        {"multiLine", "true"}, {"header", "true"}, {"inferSchema", "true"}, {"sep", "||"}, {"quote", "'"}, {"escape", "\""},
        {"comment", "#"}, {"lineSep", ";"}, {"ignoreLeadingWhiteSpace", "true"}, {"ignoreTrailingWhiteSpace", "true"}, {"mode", "DROPMALFORMED"},
        {"encoding", "ISO-8859-1"}, {"dateFormat", "dd/MM/yyyy"}, {"maxCharsPerColumn", "9"}, {"nullValue", "n"}, {"charToEscapeQuoteEscaping", "'"},
    };
    fuzz_format(&format_csv, data, bytes, choices, ARRAY_LEN(choices),
                "struct<a:int,b:string,c:date,d:decimal(12,3),e:double,f:timestamp,g:boolean,_corrupt_record:string>");
    return 0;
}
