/* SET and RESET. A value is checked here, so that its error has a place. */
#include "common/expr/zone.h"
#include "driver/analyze/analyze_impl.h"

static int check_zone(struct binder *b, const char *name)
{
    const struct zone *zone;
    struct error err = ERROR_INIT;
    if (zone_find(name, &zone, &err) == 0)
        return 0;
    error_fini(&err);
    return error_set(b->err, ERR_TIME_ZONE, "confName", "spark.sql.session.timeZone", "confValue", name, NULL);
}

static int check(struct binder *b, const struct ast_statement *st)
{
    struct settings copy;
    char *warning = NULL;
    settings_copy(&copy, &b->snap->settings);
    int rc = settings_set(&copy, st->key, st->value, &warning, b->err);
    settings_fini(&copy);
    xfree(warning); /* the server says it when it sets the value */
    if (rc == 0 && strcmp(st->key, "spark.sql.session.timeZone") == 0 && *st->value)
        rc = check_zone(b, st->value);
    return rc == 0 ? 0 : bind_fail_at(b, st->key_span);
}

static int cmp_key(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void show_set(struct binder *b, struct rows *r)
{
    const struct settings *s = &b->snap->settings;
    const char **keys = ARENA_ARRAY(b->ar, const char *, s->values.live);
    uint32_t n = 0;
    STRMAP_EACH(&s->values, e)
        keys[n++] = e->key;
    sort_items(keys, n, sizeof *keys, cmp_key, NULL);
    for (uint32_t i = 0; i < n; i++)
        rows_texts(r, keys[i], settings_text(s, keys[i]), NULL);
}

static void show_row(struct rows *r, const struct setting_row *row, const struct settings *s)
{
    const char *cells[] = {row->key, settings_text(s, row->key), row->doc, ""};
    for (uint32_t i = 0; i < ARRAY_LEN(cells); i++)
        rows_text(r, i, cells[i]);
    rows_end(r);
}

static int set(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const struct rows_column columns[] = {{"key", TYPE_STRING}, {"value", TYPE_STRING}, {"meaning", TYPE_STRING}, {"Since version", TYPE_STRING}};
    const struct settings *s = &b->snap->settings;
    struct rows r;
    if (st->value) {
        TRY(check(b, st));
        ret->effect = (struct effect){.kind = EFFECT_SET, .name = st->key, .value = st->value};
    }
    rows_init(b, &r, columns, st->verbose ? 4 : 2);
    if (st->key) {
        const char *v = st->value ? st->value : settings_text(s, st->key);
        rows_texts(&r, st->key, v ? v : "<undefined>", NULL);
    } else if (st->verbose) {
        for (uint32_t i = 0; i < setting_count; i++)
            show_row(&r, &setting_rows[i], s);
    } else {
        show_set(b, &r);
    }
    rows_done(&r, ret);
    return 0;
}

int setting_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    if (st->kind == AST_STMT_RESET) {
        rows_none(ret);
        ret->effect = (struct effect){.kind = EFFECT_UNSET, .name = st->key};
        return 0;
    }
    if (st->kind == AST_STMT_SET)
        return set(b, st, ret);
    struct ast_statement zone = *st;
    zone.key = "spark.sql.session.timeZone";
    zone.value = str_eq_nocase(st->value, "LOCAL") ? "" : st->value;
    return set(b, &zone, ret);
}
