/* JSON lines under any options: two bytes of options, one that says whether the schema is inferred, then the file. */
#include "tests/fuzz/format_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct fuzz_choice choices[] = {
        {"multiLine", "true"}, {"allowComments", "true"}, {"allowUnquotedFieldNames", "true"}, {"allowSingleQuotes", "false"},
        {"allowNumericLeadingZeros", "true"}, {"allowNonNumericNumbers", "false"}, {"allowBackslashEscapingAnyCharacter", "true"},
        {"allowUnquotedControlChars", "true"}, {"primitivesAsString", "true"}, {"prefersDecimal", "true"}, {"inferTimestamp", "true"},
        {"dropFieldIfAllNull", "true"}, {"mode", "DROPMALFORMED"}, {"lineSep", "}"}, {"encoding", "US-ASCII"}, {"dateFormat", "dd/MM/yyyy"},
    };
    fuzz_format(&format_json, data, bytes, choices, ARRAY_LEN(choices),
                "struct<a:int,b:string,c:struct<x:array<int>,y:map<string,double>>,d:date,e:binary,f:decimal(20,2),_corrupt_record:string>");
    return 0;
}
