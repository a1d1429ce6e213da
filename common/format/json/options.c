/* JSON's options, by Spark's names, and the format's row. */
#include "common/format/json/json.h"
#include "common/format/text_writer.h"

int json_options_read(const struct options *o, const struct query_ctx *cx, struct arena *ar, struct json_options *ret,
                      struct error *err)
{
    struct json_options j = {.single_quotes = true, .non_numeric = true, .ignore_null_fields = true, .sampling = 1};
    struct {
        const char *name;
        bool *value;
    } flags[] = {
        {"allowComments", &j.comments},
        {"allowUnquotedFieldNames", &j.unquoted_names},
        {"allowSingleQuotes", &j.single_quotes},
        {"allowNumericLeadingZeros", &j.leading_zeros},
        {"allowNonNumericNumbers", &j.non_numeric},
        {"allowBackslashEscapingAnyCharacter", &j.backslash_any},
        {"allowUnquotedControlChars", &j.control_chars},
        {"primitivesAsString", &j.primitives_as_string},
        {"prefersDecimal", &j.prefers_decimal},
        {"dropFieldIfAllNull", &j.drop_all_null},
        {"inferTimestamp", &j.infer_timestamp},
        {"ignoreNullFields", &j.ignore_null_fields},
    };
    TRY(text_options_read(o, "JSON", cx, ar, &j.text, err));
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        TRY(option_bool(&j.text, flags[i].name, flags[i].value, err));
    TRY(option_double(&j.text, "samplingRatio", &j.sampling, err));
    *ret = j;
    return 0;
}

const struct format_row format_json = {
    .name = "json",
    .infer = json_infer,
    .splittable = text_splittable,
    .open = json_open,
    .next = json_next,
    .metrics = json_metrics,
    .filter = json_filter,
    .close = json_close,
    .can_write = json_can_write,
    .create = json_create,
    .write = json_write,
    .finish = text_writer_finish,
    .discard = text_writer_discard,
    .extension = json_extension,
};
