/* Who is meant by a name: temporary views first, then the catalog. */
#include "driver/analyze/analyze_impl.h"

int bind_fail_at(struct binder *b, struct span span)
{
    error_at(b->err, span);
    return (int)b->err->code;
}

const char *name_last(const struct ast_name *n)
{
    return n->parts[n->count - 1].text;
}

const char *text_or_null(struct arena *ar, const char *s)
{
    return s ? arena_strdup(ar, s) : NULL;
}

const char *quoted(struct arena *ar, const char *name)
{
    return arena_printf(ar, "`%s`", name);
}

const char *quoted_type(struct arena *ar, const struct type *t)
{
    struct buf text = BUF_INIT;
    type_sql(t, &text);
    const char *ret = arena_printf(ar, "\"%s\"", text.data);
    buf_fini(&text);
    return ret;
}

const char *name_list(struct arena *ar, const struct schema *sch)
{
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; i < sch->count; i++)
        buf_addf(&text, "%s`%s`", i ? ", " : "", sch->fields[i].name);
    const char *ret = arena_strdup(ar, text.data ? text.data : "");
    buf_fini(&text);
    return ret;
}

int name_missing_database(struct binder *b, const char *name, struct span span)
{
    error_set(b->err, ERR_DATABASE_MISSING, "schemaName", arena_printf(b->ar, "`%s`.`%s`", CATALOG_NAME, name), NULL);
    return bind_fail_at(b, span);
}

static int no_such_catalog(struct binder *b, const struct ast_name *n)
{
    error_set(b->err, ERR_DATABASE_MISSING, "schemaName", arena_printf(b->ar, "`%s`", n->parts[0].text), NULL);
    return bind_fail_at(b, n->span);
}

int name_split(struct binder *b, const struct ast_name *n, const char **ret_database, const char **ret_name)
{
    *ret_name = name_last(n);
    *ret_database = n->count > 1 ? n->parts[n->count - 2].text : NULL;
    if (n->count > 3 || (n->count == 3 && !str_eq_nocase(n->parts[0].text, CATALOG_NAME)))
        return no_such_catalog(b, n);
    if (*ret_database && !catalog_database(b->snap->catalog, *ret_database))
        return name_missing_database(b, *ret_database, n->span);
    return 0;
}

/* The database of bare names: the one that the view at hand was made in, or the session's. */
static const char *here(const struct binder *b)
{
    return b->view && b->view->sql_database ? b->view->sql_database : b->snap->database;
}

static int check_temporary(struct binder *b, const struct relation *r, struct span span)
{
    if (!b->permanent || !r->temporary)
        return 0;
    error_set(b->err, ERR_TEMP_REFERENCE, "obj", "VIEW", "objName", "the new view", "tempObj", "VIEW", "tempObjName", quoted(b->ar, r->name), NULL);
    return bind_fail_at(b, span);
}

int name_find(struct binder *b, const struct ast_name *n, struct relation **ret)
{
    const char *name = name_last(n);
    *ret = NULL;
    if (n->count == 1) {
        bool of_catalog = b->view && !b->view->temporary; /* such a view sees no one's temporary views */
        *ret = of_catalog ? NULL : snapshot_view(b->snap, name);
        if (!*ret)
            *ret = catalog_find(b->snap->catalog, here(b), name);
    } else if (n->count == 2 || (n->count == 3 && str_eq_nocase(n->parts[0].text, CATALOG_NAME))) {
        *ret = catalog_find(b->snap->catalog, n->parts[n->count - 2].text, name);
    }
    return *ret ? check_temporary(b, *ret, n->span) : 0;
}

int name_need(struct binder *b, const struct ast_name *n, struct relation **ret)
{
    TRY(name_find(b, n, ret));
    return *ret ? 0 : name_missing(b, n, n->span);
}

const char *name_search_path(struct binder *b)
{
    return arena_printf(b->ar, "[`system`.`builtin`, `system`.`session`, `%s`.`%s`]", CATALOG_NAME, b->snap->database);
}

int name_missing_to_drop(struct binder *b, const struct ast_name *n)
{
    const char *database = n->count > 1 ? n->parts[n->count - 2].text : b->snap->database;
    error_set(b->err, ERR_TABLE_MISSING, "relationName", arena_printf(b->ar, "`%s`.`%s`.`%s`", CATALOG_NAME, database, name_last(n)), "searchPath",
              arena_printf(b->ar, "[`%s`.`%s`]", CATALOG_NAME, database), "proposal", "SHOW TABLES lists what there is", NULL);
    return bind_fail_at(b, n->span);
}

int name_missing(struct binder *b, const struct ast_name *n, struct span span)
{
    struct buf text = BUF_INIT;
    struct slip slip = {.wrong = name_last(n)};
    for (uint32_t i = 0; i < n->count; i++)
        buf_addf(&text, "%s`%s`", i ? "." : "", n->parts[i].text);
    STRMAP_EACH(&b->snap->views, e)
        slip_try(&slip, e->key);
    const struct database *db = catalog_database(b->snap->catalog, b->snap->database);
    if (db) {
        STRMAP_EACH(&db->relations, e)
            slip_try(&slip, e->key);
    }
    error_set(b->err, ERR_TABLE_MISSING, "relationName", text.data, "searchPath", name_search_path(b), "proposal",
              slip.meant ? arena_printf(b->ar, "the nearest is %s", slip.meant) : "SHOW TABLES lists what there is", NULL);
    buf_fini(&text);
    return bind_fail_at(b, span);
}
