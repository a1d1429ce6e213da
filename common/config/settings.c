/* See settings.h. */
#include "common/config/settings.h"

#include <stdlib.h>

const struct setting_row setting_rows[] = {
#define SET(key, fallback, kind, doc) {key, fallback, SETTING_##kind, doc},
#include "common/config/settings.def"
#undef SET
};
const uint32_t setting_count = ARRAY_LEN(setting_rows);

static const struct setting_row *find(const char *key)
{
    for (uint32_t i = 0; i < setting_count; i++) {
        if (strcmp(setting_rows[i].key, key) == 0)
            return &setting_rows[i];
    }
    return NULL;
}

/* Owned: what to do about a key that is unknown. */
static char *advice(const char *key)
{
    struct slip slip = {.wrong = key};
    for (uint32_t i = 0; i < setting_count; i++)
        slip_try(&slip, setting_rows[i].key);
    return slip.meant ? xasprintf("the nearest is %s", slip.meant) : xstrdup("SET -v lists what there is");
}

void settings_init(struct settings *s)
{
    strmap_init(&s->values);
}

void settings_fini(struct settings *s)
{
    STRMAP_EACH(&s->values, e)
        xfree(e->value);
    strmap_fini(&s->values);
}

void settings_copy(struct settings *to, const struct settings *from)
{
    settings_init(to);
    STRMAP_EACH(&from->values, e)
        strmap_put(&to->values, e->key, xstrdup(e->value));
}

/* Settings of the kind TEXT that take only these. */
static const struct choice {
    const char *key, *options[8];
} choices[] = {
    {"spark.sql.parquet.compression.codec", {"none", "uncompressed", "snappy", "gzip", "lz4_raw", "zstd"}},
    {"spark.sql.sources.partitionOverwriteMode", {"static", "dynamic"}},
    {"spark.sql.timestampType", {"TIMESTAMP_LTZ"}},
};

static int check_choice(const char *key, const char *value, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        if (strcmp(choices[i].key, key) != 0)
            continue;
        struct buf text = BUF_INIT;
        for (size_t o = 0; o < ARRAY_LEN(choices[i].options) && choices[i].options[o]; o++) {
            if (str_eq_nocase(choices[i].options[o], value)) {
                buf_fini(&text);
                return 0;
            }
            buf_addf(&text, "%s%s", o ? ", " : "", choices[i].options[o]);
        }
        error_set(err, ERR_SETTING_OPTIONS, "confName", key, "confValue", value, "confOptions", text.data, NULL);
        buf_fini(&text);
        return (int)err->code;
    }
    return 0;
}

/* What lies outside would be refused later, or do harm. In the setting's own unit; times in milliseconds. */
static const struct bound {
    const char *key;
    int64_t low, high;
    const char *requirement;
} bounds[] = {
    {"drover.batch.rows", 1, 2048, "it must be from 1 to 2048"},
    {"drover.executors.timeout", 100, INT64_MAX, "it must be 100ms at least"},
    {"drover.shuffle.ride.max", 0, INT64_MAX, "it must be 0 at least"},
    {"spark.sql.files.maxPartitionBytes", 1, INT64_MAX, "it must be larger than 0"},
};

static int64_t number_of(const struct setting_row *row, const char *value)
{
    if (row->kind == SETTING_BYTES)
        return str_parse_bytes(value);
    return row->kind == SETTING_MS ? str_parse_ms(value, 1) : strtoll(value, NULL, 10);
}

static int check_bound(const struct setting_row *row, const char *value, struct error *err)
{
    for (size_t i = 0; row && i < ARRAY_LEN(bounds); i++) {
        if (strcmp(bounds[i].key, row->key) != 0)
            continue;
        int64_t v = number_of(row, value);
        if (v < bounds[i].low || v > bounds[i].high)
            return error_set(err, ERR_SETTING_REQUIREMENT, "confName", row->key, "confValue", value, "confRequirement", bounds[i].requirement, NULL);
    }
    return 0;
}

static bool valid(const struct setting_row *row, const char *value)
{
    char *end;
    switch (row->kind) {
    case SETTING_BOOL: return str_eq_nocase(value, "true") || str_eq_nocase(value, "false");
    case SETTING_LONG: return *value && (strtoll(value, &end, 10), *end == 0);
    case SETTING_INT: return *value && (int64_t)(int32_t)strtoll(value, &end, 10) == strtoll(value, NULL, 10) && *end == 0;
    case SETTING_BYTES: return strcmp(value, "-1") == 0 || str_parse_bytes(value) >= 0;
    case SETTING_MS: return str_parse_ms(value, 1) >= 0;
    case SETTING_TEXT: return true;
    }
    return false;
}

static int unknown(const char *key, struct error *err)
{
    char *text = advice(key);
    error_set(err, ERR_SETTING_UNKNOWN, "config", key, "advice", text, NULL);
    xfree(text);
    return ERR_SETTING_UNKNOWN;
}

static char *kept(const char *key)
{
    char *text = advice(key), *warning = xasprintf("the setting %s means nothing here and is only kept; %s", key, text);
    xfree(text);
    return warning;
}

int settings_set(struct settings *s, const char *key, const char *value, char **ret_warning, struct error *err)
{
    static const char *const kinds[] = {"boolean", "int", "long", "a size such as 64m", "a time such as 30s", "string"};
    *ret_warning = NULL;
    const struct setting_row *row = find(key);
    if (!row && str_has_prefix(key, "drover."))
        return unknown(key, err);
    if (row && !valid(row, value))
        return error_set(err, ERR_INVALID_SETTING, "confName", key, "confValue", value, "confType", kinds[row->kind], NULL);
    TRY(check_choice(key, value, err));
    TRY(check_bound(row, value, err));
    if (row && row->kind == SETTING_INT && row->fallback[0] != '0' && strtoll(value, NULL, 10) <= 0)
        return error_set(err, ERR_SETTING_REQUIREMENT, "confName", key, "confValue", value, "confRequirement", "it must be positive", NULL);
    if (!row && str_has_prefix(key, "spark.") && !strmap_get(&s->values, key))
        *ret_warning = kept(key);
    xfree(strmap_put(&s->values, key, xstrdup(value)));
    return 0;
}

void settings_unset(struct settings *s, const char *key)
{
    xfree(strmap_remove(&s->values, key));
}

void settings_reset(struct settings *s, const char *key, const struct settings *initial)
{
    if (!key) {
        settings_fini(s);
        settings_copy(s, initial);
        return;
    }
    const char *v = strmap_get(&initial->values, key);
    if (v)
        xfree(strmap_put(&s->values, key, xstrdup(v)));
    else
        settings_unset(s, key);
}

const char *settings_text(const struct settings *s, const char *key)
{
    const char *v = strmap_get(&s->values, key);
    if (v)
        return v;
    const struct setting_row *row = find(key);
    return row ? row->fallback : NULL;
}

bool settings_is_set(const struct settings *s, const char *key)
{
    return strmap_get(&s->values, key) != NULL;
}

bool settings_bool(const struct settings *s, const char *key)
{
    const char *v = settings_text(s, key);
    ASSERT(v);
    return str_eq_nocase(v, "true");
}

int64_t settings_i64(const struct settings *s, const char *key)
{
    const struct setting_row *row = find(key);
    ASSERT(row && row->kind != SETTING_TEXT && row->kind != SETTING_BOOL);
    return number_of(row, settings_text(s, key));
}
