/* See settings.h. */
#include "common/config/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct setting_row setting_rows[] = {
#define FLAG(key, fallback, doc) {key, fallback, SETTING_BOOL, 0, 0, NULL, doc},
#define NUMBER(key, fallback, kind, least, most, doc) {key, fallback, SETTING_##kind, least, most, NULL, doc},
#define WORDS(key, fallback, options, doc) {key, fallback, SETTING_TEXT, 0, 0, options, doc},
#include "common/config/settings.def"
#undef FLAG
#undef NUMBER
#undef WORDS
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

static bool is_option(const char *options, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = options; *p; p += strspn(p, ", ")) {
        size_t bytes = strcspn(p, ",");
        if (bytes == n && strncasecmp(p, value, n) == 0)
            return true;
        p += bytes;
    }
    return false;
}

/* False: not a number of that kind. */
static bool number_of(enum setting_kind kind, const char *value, int64_t *ret)
{
    char *end;
    switch (kind) {
    case SETTING_INT:
    case SETTING_LONG:
        errno = 0;
        *ret = strtoll(value, &end, 10);
        return *value && *end == 0 && errno == 0 && (kind == SETTING_LONG || *ret == (int32_t)*ret);
    case SETTING_BYTES: *ret = str_parse_bytes(value); return *ret >= 0 || strcmp(value, "-1") == 0;
    case SETTING_MS: *ret = str_parse_ms(value, 1); return *ret >= 0;
    case SETTING_BOOL:
    case SETTING_TEXT: break;
    }
    return false;
}

/* What lies outside of the bounds would be refused later, or do harm. */
static int refuse_bound(const struct setting_row *row, const char *value, struct error *err)
{
    char text[80];
    const char *unit = row->kind == SETTING_MS ? "ms" : "";
    if (row->most)
        snprintf(text, sizeof text, "it must be from %lld to %lld", (long long)row->least, (long long)row->most);
    else if (row->least == 1)
        snprintf(text, sizeof text, "it must be positive");
    else
        snprintf(text, sizeof text, "it must be %lld%s at least", (long long)row->least, unit);
    return error_set(err, ERR_SETTING_REQUIREMENT, "confName", row->key, "confValue", value, "confRequirement", text, NULL);
}

static int check(const struct setting_row *row, const char *value, struct error *err)
{
    static const char *const kinds[] = {"boolean", "int", "long", "a size such as 64m", "a time such as 30s", "string"};
    int64_t v = 0;
    bool fits = row->kind == SETTING_TEXT || (row->kind == SETTING_BOOL ? str_eq_nocase(value, "true") || str_eq_nocase(value, "false")
                                                                         : number_of(row->kind, value, &v));
    if (!fits)
        return error_set(err, ERR_INVALID_SETTING, "confName", row->key, "confValue", value, "confType", kinds[row->kind], NULL);
    if (row->options && !is_option(row->options, value))
        return error_set(err, ERR_SETTING_OPTIONS, "confName", row->key, "confValue", value, "confOptions", row->options, NULL);
    bool within = row->kind == SETTING_TEXT || row->kind == SETTING_BOOL || (v >= row->least && (!row->most || v <= row->most));
    return within ? 0 : refuse_bound(row, value, err);
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
    *ret_warning = NULL;
    const struct setting_row *row = find(key);
    if (!row && str_has_prefix(key, "drover."))
        return unknown(key, err);
    if (row)
        TRY(check(row, value, err));
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
    int64_t v;
    ASSERT(row && number_of(row->kind, settings_text(s, key), &v));
    return v;
}
