/* Rows that commands answer with, made on the driver. */
#include <fnmatch.h>

#include "driver/analyze/analyze_impl.h"

void rows_init(struct binder *b, struct rows *r, const struct rows_column *columns, uint32_t count)
{
    const struct type **types = ARENA_ARRAY(b->ar, const struct type *, count);
    r->schema.count = count;
    r->schema.fields = ARENA_ARRAY(b->ar, struct field, count);
    for (uint32_t i = 0; i < count; i++) {
        types[i] = type_of(columns[i].type);
        r->schema.fields[i] = (struct field){columns[i].name, types[i], true};
    }
    builder_init(&r->bd, count, types, NULL);
}

void rows_text(struct rows *r, uint32_t col, const char *s)
{
    if (s)
        builder_put_str(&r->bd, col, s, (uint32_t)strlen(s));
    else
        builder_put_null(&r->bd, col);
}

void rows_bool(struct rows *r, uint32_t col, bool v)
{
    builder_put_i64(&r->bd, col, v);
}

void rows_end(struct rows *r)
{
    struct error err = ERROR_INIT;
    int rc = builder_end_row(&r->bd, &err);
    ASSERT(rc == 0); /* nothing is charged */
}

void rows_texts(struct rows *r, const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};
    ASSERT(r->schema.count <= ARRAY_LEN(texts));
    for (uint32_t i = 0; i < r->schema.count; i++)
        rows_text(r, i, texts[i]);
    rows_end(r);
}

void rows_done(struct rows *r, struct analyzed *ret)
{
    ret->kind = ANALYZED_ROWS;
    ret->schema = r->schema;
    ret->rows = builder_seal(&r->bd);
    builder_fini(&r->bd);
}

void rows_none(struct analyzed *ret)
{
    ret->kind = ANALYZED_ROWS;
    ret->schema = (struct schema){0};
}

int rows_one(struct binder *b, const char *column, const char *value, struct analyzed *ret)
{
    struct rows r;
    rows_init(b, &r, &(struct rows_column){column, TYPE_STRING}, 1);
    rows_texts(&r, value, NULL, NULL);
    rows_done(&r, ret);
    return 0;
}

bool rows_match(const char *pattern, const char *name)
{
    if (!pattern)
        return true;
    char *copy = xstrdup(pattern), *save = NULL;
    bool hit = false;
    for (char *p = strtok_r(copy, "|", &save); p && !hit; p = strtok_r(NULL, "|", &save)) {
        while (*p == ' ')
            p++;
        hit = fnmatch(p, name, FNM_CASEFOLD) == 0;
    }
    xfree(copy);
    return hit;
}
