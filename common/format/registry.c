/* The formats there are, by name. */
#include "common/format/provider.h"

const char *options_get(const struct options *o, const char *name)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (str_eq_nocase(o->items[i].name, name))
            return o->items[i].value;
    }
    return NULL;
}

bool options_bool(const struct options *o, const char *name, bool fallback)
{
    const char *v = options_get(o, name);
    return v ? str_eq_nocase(v, "true") : fallback;
}

const struct format_row *format_find(const char *name)
{
    static const struct {
        const struct format_row *row;
        const char *class; /* what configurations written for Spark may say instead */
    } rows[] = {
        {&format_parquet, "org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat"},
        {&format_csv, "org.apache.spark.sql.execution.datasources.csv.CSVFileFormat"},
        {&format_json, "org.apache.spark.sql.execution.datasources.json.JsonFileFormat"},
        {&format_text, "org.apache.spark.sql.execution.datasources.text.TextFileFormat"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq_nocase(rows[i].row->name, name) || strcmp(rows[i].class, name) == 0)
            return rows[i].row;
    }
    return NULL;
}
