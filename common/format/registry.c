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
    static const struct format_row *const rows[] = {&format_parquet};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq_nocase(rows[i]->name, name))
            return rows[i];
    }
    return NULL;
}
