/*
 * Settings: rows of a table (settings.def) and what a session set. Unknown spark.* keys are kept, with one
 * warning that names the nearest; unknown drover.* keys are errors. A struct settings is a plain value owned by
 * its holder. Thread: the holder's.
 */
#pragma once

#include "common/error/error.h"

enum setting_kind { SETTING_BOOL, SETTING_INT, SETTING_LONG, SETTING_BYTES, SETTING_MS, SETTING_TEXT };
struct setting_row {
    const char *key, *fallback;
    enum setting_kind kind;
    int64_t least, most; /* of numbers, in bytes and milliseconds; most 0: no bound */
    const char *options; /* of a TEXT: the only ones, "a, b"; NULL: any */
    const char *doc;
};
extern const struct setting_row setting_rows[];
extern const uint32_t setting_count;

struct settings {
    struct strmap values; /* key -> char *, owned */
};
void settings_init(struct settings *s);
void settings_fini(struct settings *s);
void settings_copy(struct settings *to, const struct settings *from);
/* ERR_INVALID_SETTING, ERR_SETTING_OPTIONS for a bad value, ERR_SETTING_UNKNOWN for an unknown drover.* key. *ret_warning: owned text, or NULL. */
WARN_UNUSED int settings_set(struct settings *s, const char *key, const char *value, char **ret_warning, struct error *err);
void settings_unset(struct settings *s, const char *key);
void settings_reset(struct settings *s, const char *key, const struct settings *initial); /* one key, or all with NULL, as there */
const char *settings_text(const struct settings *s, const char *key); /* set, default, or NULL for unknown ones */
bool settings_is_set(const struct settings *s, const char *key);
bool settings_bool(const struct settings *s, const char *key);
int64_t settings_i64(const struct settings *s, const char *key); /* INT, BYTES, MS */
