/* SHOW: what there is. */
#include <stdio.h>

#include "common/expr/fn.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

static int cmp_name(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys of a map, in order. */
static const char **sorted_keys(struct arena *ar, const struct strmap *m, uint32_t *ret_count)
{
    const char **keys = ARENA_ARRAY(ar, const char *, m->live);
    uint32_t n = 0;
    STRMAP_EACH(m, e)
        keys[n++] = e->key;
    sort_items(keys, n, sizeof *keys, cmp_name, NULL);
    *ret_count = n;
    return keys;
}

/* ---- tables and views ---- */

struct listing {
    const struct ast_statement *st;
    struct rows rows;
    bool views; /* only those */
};

static void tree(const struct type *t, const char *name, bool nullable, const char *indent, struct buf *out);

static void tree_children(const struct type *t, const char *indent, struct buf *out)
{
    static const char *const list_names[] = {"element"}, *const map_names[] = {"key", "value"};
    char deeper[256];
    snprintf(deeper, sizeof deeper, "%s |   ", indent);
    for (uint32_t i = 0; i < t->child_count; i++) {
        const char *name = t->id == TYPE_STRUCT ? t->names[i] : t->id == TYPE_MAP ? map_names[i] : list_names[0];
        tree(t->children[i], name, t->id == TYPE_STRUCT || (t->child_nullable && t->child_nullable[i]), deeper, out);
    }
}

static void tree(const struct type *t, const char *name, bool nullable, const char *indent, struct buf *out)
{
    static const struct {
        enum type_id id;
        const char *name;
    } names[] = {{TYPE_TINYINT, "byte"}, {TYPE_SMALLINT, "short"}, {TYPE_INT, "integer"}, {TYPE_BIGINT, "long"},
                 {TYPE_ARRAY, "array"},  {TYPE_MAP, "map"},        {TYPE_STRUCT, "struct"}};
    const char *text = t->text;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        text = names[i].id == t->id ? names[i].name : text;
    bool inner = t->id == TYPE_STRUCT || strcmp(name, "element") != 0 || *indent == 0;
    buf_addf(out, "%s |-- %s: %s (%s = %s)\n", indent, name, text, inner ? "nullable" : "containsNull", nullable ? "true" : "false");
    tree_children(t, indent, out);
}

static const char *information(struct binder *b, const struct relation *r)
{
    struct option details[32];
    struct buf text = BUF_INIT;
    uint32_t n = describe_details(b, r, details, ARRAY_LEN(details));
    for (uint32_t i = 0; i < n; i++)
        buf_addf(&text, "%s: %s\n", details[i].name, details[i].value);
    if (r->partition_count) {
        struct schema parts = {r->partition_count, r->schema.fields + r->schema.count - r->partition_count};
        buf_addf(&text, "Partition Columns: [%s]\n", name_list(b->ar, &parts));
    }
    buf_adds(&text, "Schema: root\n");
    for (uint32_t i = 0; i < r->schema.count; i++)
        tree(r->schema.fields[i].type, r->schema.fields[i].name, r->schema.fields[i].nullable, "", &text);
    buf_addc(&text, '\n');
    const char *ret = arena_strdup(b->ar, text.data);
    buf_fini(&text);
    return ret;
}

static void list_all(struct binder *b, struct listing *l, const struct strmap *m, const char *database)
{
    uint32_t n;
    const char **keys = sorted_keys(b->ar, m, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct relation *r = strmap_get(m, keys[i]);
        if ((l->views && !r->is_view && !r->temporary) || !rows_match(l->st->pattern, keys[i]))
            continue;
        rows_text(&l->rows, 0, database);
        rows_text(&l->rows, 1, keys[i]);
        rows_bool(&l->rows, 2, r->temporary);
        if (l->st->extended)
            rows_text(&l->rows, 3, information(b, r));
        rows_end(&l->rows);
    }
}

static int show_relations(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct listing l = {.st = st, .views = st->kind == AST_STMT_SHOW_VIEWS};
    struct rows_column columns[] = {{"namespace", TYPE_STRING},
                                    {l.views ? "viewName" : "tableName", TYPE_STRING},
                                    {"isTemporary", TYPE_BOOLEAN},
                                    {"information", TYPE_STRING}};
    const char *database = st->name.count ? name_last(&st->name) : b->snap->database;
    const struct database *db = catalog_database(b->snap->catalog, database);
    if (!db)
        return name_missing_database(b, database, st->name.span);
    rows_init(b, &l.rows, columns, st->extended ? 4 : 3);
    list_all(b, &l, &db->relations, db->name);
    list_all(b, &l, &b->snap->views, "");
    rows_done(&l.rows, ret);
    return 0;
}

/* ---- what a relation consists of ---- */

static int show_columns(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    struct rows rows;
    TRY(name_need(b, &st->name, &r));
    rows_init(b, &rows, &(struct rows_column){"col_name", TYPE_STRING}, 1);
    for (uint32_t i = 0; i < r->schema.count; i++)
        rows_texts(&rows, r->schema.fields[i].name, NULL, NULL);
    rows_done(&rows, ret);
    return 0;
}

static int need_table(struct binder *b, const struct ast_statement *st, const char *operation, struct relation **ret)
{
    TRY(name_need(b, &st->name, ret));
    if (!(*ret)->temporary && !(*ret)->is_view)
        return 0;
    error_set(b->err, ERR_NOT_TABLE, "viewName", relation_quoted(b->ar, *ret), "operation", operation, NULL);
    return bind_fail_at(b, st->name.span);
}

/* Whether the folders have the values of PARTITION (p = 1). */
static bool has_values(struct binder *b, const struct ast_statement *st, const struct option *folders, uint32_t count)
{
    for (uint32_t p = 0; p < st->partition_count; p++) {
        const struct ast_literal *lit = st->partitions[p].value ? &st->partitions[p].value->lit : NULL;
        char number[32];
        snprintf(number, sizeof number, "%lld", lit ? (long long)lit->i : 0);
        for (uint32_t i = 0; i < count && lit; i++) {
            const char *want = lit->text ? lit->text : number;
            if (bind_name_eq(b, folders[i].name, st->partitions[p].name.text) && strcmp(folders[i].value, want) != 0)
                return false;
        }
    }
    return true;
}

static int show_partitions(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    struct rows rows;
    struct file_list files = {0};
    struct strmap seen;
    TRY(need_table(b, st, "SHOW PARTITIONS", &r));
    if (r->partition_count == 0) {
        error_set(b->err, ERR_PARTITIONS_NONE, "name", relation_quoted(b->ar, r), NULL);
        return bind_fail_at(b, st->name.span);
    }
    if (fs_exists(r->paths[0]))
        TRY(fs_list(b->ar, r->paths[0], &files, b->err));
    rows_init(b, &rows, &(struct rows_column){"partition", TYPE_STRING}, 1);
    strmap_init(&seen);
    for (uint32_t i = 0; i < files.count; i++) {
        struct option folders[TABLE_FOLDERS_MAX];
        const char *below = files.items[i].below, *slash = strrchr(below, '/');
        char *folder = slash ? arena_strndup(b->ar, below, (size_t)(slash - below)) : NULL;
        uint32_t n = table_folders(b->ar, below, folders, TABLE_FOLDERS_MAX);
        if (folder && !strmap_put(&seen, folder, b) && has_values(b, st, folders, n))
            rows_texts(&rows, folder, NULL, NULL);
    }
    strmap_fini(&seen);
    rows_done(&rows, ret);
    return 0;
}

static int show_properties(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const struct rows_column columns[] = {{"key", TYPE_STRING}, {"value", TYPE_STRING}};
    struct relation *r;
    struct rows rows;
    TRY(name_need(b, &st->name, &r));
    rows_init(b, &rows, columns, 2);
    const char *value = st->key ? options_get(&r->properties, st->key) : NULL;
    if (st->key)
        rows_texts(&rows, st->key,
                   value ? value
                         : arena_printf(b->ar, "Table %s.%s.%s does not have property: %s", CATALOG_NAME, r->database ? r->database : "",
                                        r->name, st->key),
                   NULL);
    for (uint32_t i = 0; i < r->properties.count && !st->key; i++)
        rows_texts(&rows, r->properties.items[i].name, r->properties.items[i].value, NULL);
    rows_done(&rows, ret);
    return 0;
}

/* ---- SHOW CREATE TABLE ---- */

static void put_literal(struct buf *out, const char *text)
{
    buf_addc(out, '\'');
    for (const char *p = text; *p; p++)
        buf_addf(out, "%s%c", *p == '\'' || *p == '\\' ? "\\" : "", *p);
    buf_addc(out, '\'');
}

static void put_options(struct buf *out, const char *word, const struct options *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        if (str_eq_nocase(o->items[i].name, "path"))
            continue;
        buf_addf(out, "%s", n++ ? ",\n  " : word);
        put_literal(out, o->items[i].name);
        buf_adds(out, " = ");
        put_literal(out, o->items[i].value);
    }
    if (n)
        buf_adds(out, ")\n");
}

static void put_columns(struct buf *out, const struct relation *r)
{
    for (uint32_t i = 0; i < r->schema.count; i++) {
        buf_addf(out, "%s  %s ", i ? ",\n" : "", r->schema.fields[i].name);
        type_sql(r->schema.fields[i].type, out);
        if (r->schema.fields[i].type->id == TYPE_STRING)
            buf_adds(out, " COLLATE UTF8_BINARY");
        if (r->defaults && r->defaults[i])
            buf_addf(out, " DEFAULT %s", r->defaults[i]);
        if (r->comments && r->comments[i]) {
            buf_adds(out, " COMMENT ");
            put_literal(out, r->comments[i]);
        }
    }
}

static void put_table(struct buf *out, const struct relation *r)
{
    buf_addf(out, "CREATE TABLE %s.%s.%s (\n", CATALOG_NAME, r->database, r->name);
    put_columns(out, r);
    buf_addf(out, ")\nUSING %s\n", r->format);
    put_options(out, "OPTIONS (\n  ", &r->options);
    for (uint32_t i = 0; i < r->partition_count; i++)
        buf_addf(out, "%s%s", i ? ", " : "PARTITIONED BY (", r->schema.fields[r->schema.count - r->partition_count + i].name);
    buf_adds(out, r->partition_count ? ")\n" : "");
    if (r->comment) {
        buf_adds(out, "COMMENT ");
        put_literal(out, r->comment);
        buf_addc(out, '\n');
    }
    if (!r->managed) {
        buf_adds(out, "LOCATION 'file:");
        buf_addf(out, "%s'\n", r->paths[0]);
    }
    put_options(out, "TBLPROPERTIES (\n  ", &r->properties);
}

static void put_view(struct buf *out, const struct relation *r)
{
    buf_addf(out, "CREATE VIEW %s.%s (\n", r->database, r->name);
    for (uint32_t i = 0; i < r->schema.count; i++)
        buf_addf(out, "%s  %s", i ? ",\n" : "", r->schema.fields[i].name);
    buf_adds(out, ")\n");
    if (r->comment) {
        buf_adds(out, "COMMENT ");
        put_literal(out, r->comment);
        buf_addc(out, '\n');
    }
    buf_addf(out, "WITH SCHEMA COMPENSATION\nAS %s\n", r->sql);
}

static int show_create(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    struct buf text = BUF_INIT;
    TRY(name_need(b, &st->name, &r));
    if (r->temporary) {
        error_set(b->err, ERR_NOT_PERMANENT_VIEW, "viewName", relation_quoted(b->ar, r), "operation", "SHOW CREATE TABLE", NULL);
        return bind_fail_at(b, st->name.span);
    }
    if (r->is_view)
        put_view(&text, r);
    else
        put_table(&text, r);
    rows_one(b, "createtab_stmt", text.data, ret);
    buf_fini(&text);
    return 0;
}

/* ---- functions, databases, catalogs ---- */

static int show_functions(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct rows rows;
    struct strmap names;
    const struct fn_row *f;
    strmap_init(&names);
    for (uint32_t i = 0; (f = fn_at(i)) != NULL; i++) {
        if (f->name[0] != '_')
            strmap_put(&names, f->name, b);
    }
    for (const char *const *a = agg_names(); *a; a++)
        strmap_put(&names, *a, b);
    uint32_t n;
    const char **keys = sorted_keys(b->ar, &names, &n);
    bool user = st->scope && strcmp(st->scope, "user") == 0; /* nobody has made any */
    rows_init(b, &rows, &(struct rows_column){"function", TYPE_STRING}, 1);
    for (uint32_t i = 0; i < n && !user; i++) {
        if (rows_match(st->pattern, keys[i]))
            rows_texts(&rows, keys[i], NULL, NULL);
    }
    strmap_fini(&names);
    rows_done(&rows, ret);
    return 0;
}

static int show_databases(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct rows rows;
    uint32_t n;
    const char **keys = sorted_keys(b->ar, &b->snap->catalog->databases, &n);
    rows_init(b, &rows, &(struct rows_column){"namespace", TYPE_STRING}, 1);
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(keys[i], CATALOG_GLOBAL_TEMP) != 0 && rows_match(st->pattern, keys[i]))
            rows_texts(&rows, keys[i], NULL, NULL);
    }
    rows_done(&rows, ret);
    return 0;
}

static int show_current(struct binder *b, struct analyzed *ret)
{
    static const struct rows_column columns[] = {{"catalog", TYPE_STRING}, {"namespace", TYPE_STRING}};
    struct rows rows;
    rows_init(b, &rows, columns, 2);
    rows_texts(&rows, CATALOG_NAME, b->snap->database, NULL);
    rows_done(&rows, ret);
    return 0;
}

static int show_catalogs(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct rows rows;
    rows_init(b, &rows, &(struct rows_column){"catalog", TYPE_STRING}, 1);
    if (rows_match(st->pattern, CATALOG_NAME))
        rows_texts(&rows, CATALOG_NAME, NULL, NULL);
    rows_done(&rows, ret);
    return 0;
}

int show_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    switch (st->kind) {
    case AST_STMT_SHOW_TABLES:
    case AST_STMT_SHOW_VIEWS: return show_relations(b, st, ret);
    case AST_STMT_SHOW_COLUMNS: return show_columns(b, st, ret);
    case AST_STMT_SHOW_PARTITIONS: return show_partitions(b, st, ret);
    case AST_STMT_SHOW_TBLPROPERTIES: return show_properties(b, st, ret);
    case AST_STMT_SHOW_CREATE_TABLE: return show_create(b, st, ret);
    case AST_STMT_SHOW_FUNCTIONS: return show_functions(b, st, ret);
    case AST_STMT_SHOW_DATABASES: return show_databases(b, st, ret);
    case AST_STMT_SHOW_CATALOGS: return show_catalogs(b, st, ret);
    case AST_STMT_SHOW_CURRENT: return show_current(b, ret);
    default: break;
    }
    UNREACHABLE("a SHOW of the parser");
}
