/* What makes and drops views, tables and databases. Nothing is done here: the statement's effect says what to do. */
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

struct options ddl_options(struct arena *ar, const struct ast_option *in, uint32_t count)
{
    struct options o = {.count = 0, .items = ARENA_ARRAY(ar, struct option, count)};
    for (uint32_t i = 0; i < count; i++)
        o.items[o.count++] = (struct option){arena_strdup(ar, in[i].key), arena_strdup(ar, in[i].value ? in[i].value : "")};
    return o;
}

void schema_of_plan(struct binder *b, const struct logical *lp, struct schema *ret)
{
    ret->count = lp->out_count;
    ret->fields = ARENA_ARRAY(b->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        ret->fields[i] = (struct field){lp->out[i].name, lp->out[i].type, lp->out[i].nullable};
}

static void copy_schema(struct arena *ar, struct schema *to, const struct schema *from)
{
    *to = (struct schema){from->count, ARENA_ARRAY(ar, struct field, from->count)};
    for (uint32_t i = 0; i < from->count; i++)
        to->fields[i] = (struct field){arena_strdup(ar, from->fields[i].name), from->fields[i].type, from->fields[i].nullable};
}

static int check_unique(struct binder *b, const struct schema *sch, struct span span)
{
    for (uint32_t i = 0; i < sch->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (bind_name_eq(b, sch->fields[i].name, sch->fields[j].name)) {
                error_set(b->err, ERR_COLUMN_EXISTS, "columnName", quoted(b->ar, sch->fields[i].name), NULL);
                return bind_fail_at(b, span);
            }
        }
    }
    return 0;
}

/* Where a new relation of the catalog goes. */
static int place(struct binder *b, const struct ast_name *n, struct relation *r)
{
    const char *database, *name;
    TRY(name_split(b, n, &database, &name));
    r->name = arena_strdup(&r->ar, name);
    r->database = arena_strdup(&r->ar, database ? database : b->snap->database);
    r->created_us = b->cx->now_us;
    return 0;
}

static int exists(struct binder *b, const struct ast_name *n, const struct relation *r)
{
    if (r->temporary)
        error_set(b->err, ERR_VIEW_EXISTS, "relationName", relation_quoted(b->ar, r), NULL);
    else
        error_set(b->err, ERR_TABLE_EXISTS, "relationName", relation_quoted(b->ar, r), NULL);
    return bind_fail_at(b, n->span);
}

/* ---- views ---- */

/* Text of a column list: "`a`, `b`". */
static const char *column_names(struct binder *b, const struct ast_statement *st)
{
    struct schema sch = {st->column_count, ARENA_ARRAY(b->ar, struct field, st->column_count)};
    for (uint32_t i = 0; i < st->column_count; i++)
        sch.fields[i].name = st->columns[i].name.text;
    return name_list(b->ar, &sch);
}

static void take_comments(struct relation *r, const struct ast_statement *st)
{
    r->comments = ARENA_ARRAY(&r->ar, const char *, r->schema.count);
    for (uint32_t i = 0; i < st->column_count && i < r->schema.count; i++)
        r->comments[i] = text_or_null(&r->ar, st->columns[i].comment);
}

static bool reads_view(const struct ast_rel *rel, const char *name);

static bool any_reads_view(struct ast_rel *const *rels, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (reads_view(rels[i], name))
            return true;
    }
    return false;
}

/* Whether the view's text names itself in a FROM: replacing it would then leave it without a bottom. */
static bool reads_view(const struct ast_rel *rel, const char *name)
{
    if (rel->kind == AST_TABLE)
        return rel->name.count == 1 && str_eq_nocase(rel->name.parts[0].text, name);
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        if (reads_view(rel->ctes[i].query, name))
            return true;
    }
    return any_reads_view(rel->inputs, rel->input_count, name);
}

static int view_of_query(struct binder *b, const struct ast_statement *st, struct relation *r)
{
    struct logical *lp;
    struct schema sch;
    const struct ast_rel *q = st->query;
    b->permanent = !st->temporary;
    TRY(bind_query(b, q, &lp)); /* checked now, bound again at each use */
    b->permanent = false;
    schema_of_plan(b, lp, &sch);
    if (st->column_count && st->column_count != sch.count) {
        error_set(b->err, st->column_count > sch.count ? ERR_VIEW_COLUMNS_FEW : ERR_VIEW_COLUMNS_MANY, "viewName", relation_quoted(b->ar, r),
                  "viewColumns", column_names(b, st), "dataColumns", name_list(b->ar, &sch), NULL);
        return bind_fail_at(b, st->name.span);
    }
    if (st->or_replace && reads_view(q, r->name)) {
        const char *id = relation_quoted(b->ar, r);
        error_set(b->err, ERR_VIEW_RECURSIVE, "viewIdent", id, "newPath", arena_printf(b->ar, "%s -> %s", id, id), NULL);
        return bind_fail_at(b, st->name.span);
    }
    r->is_view = true;
    r->sql = arena_strndup(&r->ar, b->sql + q->span.start, q->span.stop - q->span.start);
    r->sql_database = arena_strdup(&r->ar, b->snap->database);
    copy_schema(&r->ar, &r->schema, &sch);
    r->renames = st->column_count > 0;
    for (uint32_t i = 0; i < st->column_count; i++)
        r->schema.fields[i].name = arena_strdup(&r->ar, st->columns[i].name.text);
    TRY(check_unique(b, &r->schema, st->name.span));
    take_comments(r, st);
    return 0;
}

static void take_table_schema(struct relation *r, const struct table_ref *t)
{
    struct schema all = {t->file_schema.count + t->partition_schema.count, ARENA_ARRAY(&r->ar, struct field, t->file_schema.count + t->partition_schema.count)};
    for (uint32_t i = 0; i < all.count; i++)
        all.fields[i] = i < t->file_schema.count ? t->file_schema.fields[i] : t->partition_schema.fields[i - t->file_schema.count];
    copy_schema(&r->ar, &r->schema, &all);
    r->partition_count = t->partition_schema.count;
}

static void schema_of_defs(struct arena *ar, const struct ast_column_def *defs, uint32_t count, struct schema *ret)
{
    *ret = (struct schema){count, ARENA_ARRAY(ar, struct field, count)};
    for (uint32_t i = 0; i < count; i++)
        ret->fields[i] = (struct field){arena_strdup(ar, defs[i].name.text), defs[i].type, true}; /* files promise no more */
}

static int view_of_files(struct binder *b, const struct ast_statement *st, struct relation *r)
{
    const struct table_ref *t;
    r->format = arena_strdup(&r->ar, st->format);
    r->options = ddl_options(&r->ar, st->options, st->option_count);
    const char *path = options_get(&r->options, "path");
    r->path_count = path ? 1 : 0;
    r->paths = ARENA_ARRAY(&r->ar, const char *, 1);
    if (path)
        r->paths[0] = arena_strdup(&r->ar, snapshot_path(b->snap, b->ar, path));
    schema_of_defs(&r->ar, st->columns, st->column_count, &r->schema);
    TRY(check_unique(b, &r->schema, st->name.span));
    TRY(table_of_relation(b, r, st->name.span, &t));
    if (st->column_count == 0)
        take_table_schema(r, t); /* inferred once, for the view's life */
    take_comments(r, st);
    return 0;
}

static int view_name(struct binder *b, const struct ast_statement *st, struct relation *r)
{
    if (!st->temporary)
        return place(b, &st->name, r);
    if (st->name.count > 1) {
        error_set(b->err, ERR_TEMP_QUALIFIER, "objectType", "VIEW", "objectName", quoted(b->ar, name_last(&st->name)), "qualifier",
                  quoted(b->ar, st->name.parts[0].text), NULL);
        return bind_fail_at(b, st->span);
    }
    r->temporary = true;
    r->name = arena_strdup(&r->ar, name_last(&st->name));
    r->created_us = b->cx->now_us;
    if (st->global)
        r->database = CATALOG_GLOBAL_TEMP;
    return 0;
}

static int make_view(struct binder *b, const struct ast_statement *st, struct relation *r, bool *ret_exists)
{
    TRY(view_name(b, st, r));
    const struct relation *old = r->database ? catalog_find(b->snap->catalog, r->database, r->name) : snapshot_view(b->snap, r->name);
    *ret_exists = old && st->if_not_exists && !st->temporary;
    if (*ret_exists)
        return 0;
    if (old && !st->or_replace)
        return exists(b, &st->name, old);
    if (old && !old->is_view && !old->temporary)
        return exists(b, &st->name, old); /* a table is not replaced by a view */
    return st->query ? view_of_query(b, st, r) : view_of_files(b, st, r);
}

int ddl_create_view(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r = relation_new();
    bool there = false;
    if (st->temporary && st->if_not_exists) {
        error_set(b->err, ERR_STATEMENT_CLAUSE, "operation", "CREATE TEMPORARY VIEW IF NOT EXISTS", NULL);
        relation_unref(r);
        return bind_fail_at(b, st->span);
    }
    r->comment = text_or_null(&r->ar, st->comment);
    r->properties = ddl_options(&r->ar, st->properties, st->property_count);
    int rc = make_view(b, st, r, &there);
    rows_none(ret);
    if (rc != 0 || there) {
        relation_unref(r);
        return rc;
    }
    ret->effect = (struct effect){.kind = r->database ? EFFECT_RELATION : EFFECT_VIEW, .relation = r, .replace = st->or_replace};
    return 0;
}

/* ---- tables ---- */

static const char *default_folder(struct binder *b, const struct relation *r)
{
    const struct database *db = catalog_database(b->snap->catalog, r->database);
    if (db->location)
        return arena_printf(b->ar, "%s/%s", db->location, catalog_key(b->ar, r->name));
    return arena_printf(b->ar, "%s/spark-warehouse/%s", b->snap->working_dir, catalog_key(b->ar, r->name));
}

static int partition_problem(struct binder *b, const struct relation *r, const char *name, struct span span)
{
    error_set(b->err, ERR_COLUMN_UNDEFINED, "colType", "partition", "colName", quoted(b->ar, name), "tableName", relation_quoted(b->ar, r),
              "tableCols", name_list(b->ar, &r->schema), NULL);
    return bind_fail_at(b, span);
}

static void swap_in(void *items, size_t bytes, uint32_t from, uint32_t to)
{
    char *p = items, tmp[sizeof(struct field)];
    ASSERT(bytes <= sizeof tmp && from <= to);
    memcpy(tmp, p + from * bytes, bytes);
    memmove(p + from * bytes, p + (from + 1) * bytes, (to - from) * bytes);
    memcpy(p + to * bytes, tmp, bytes);
}

/* Partition columns go to the end of the schema, in the order of PARTITIONED BY, with what is known of them. */
static int move_partitions(struct binder *b, const struct ast_statement *st, struct relation *r)
{
    uint32_t last = r->schema.count - 1;
    for (uint32_t p = 0; p < st->partition_count; p++) {
        uint32_t i = 0;
        const struct ast_part *name = &st->partitions[p].name;
        while (i < r->schema.count - p && !bind_name_eq(b, r->schema.fields[i].name, name->text))
            i++;
        if (i == r->schema.count - p)
            return partition_problem(b, r, name->text, name->span);
        if (type_is_nested(r->schema.fields[i].type)) {
            error_set(b->err, ERR_PARTITION_TYPE, "type", quoted_type(b->ar, r->schema.fields[i].type), NULL);
            return bind_fail_at(b, name->span);
        }
        swap_in(r->schema.fields, sizeof *r->schema.fields, i, last);
        if (r->comments)
            swap_in(r->comments, sizeof *r->comments, i, last);
        if (r->defaults)
            swap_in(r->defaults, sizeof *r->defaults, i, last);
    }
    r->partition_count = st->partition_count;
    if (st->partition_count && st->partition_count == r->schema.count) {
        error_set(b->err, ERR_ALL_PARTITION_COLUMNS, NULL);
        return bind_fail_at(b, st->name.span);
    }
    return 0;
}

/* Columns as written: (a INT, ...) and PARTITIONED BY (p INT). */
static int take_columns(struct binder *b, const struct ast_statement *st, struct relation *r)
{
    uint32_t n = st->column_count + st->partition_def_count;
    struct ast_column_def *defs = ARENA_ARRAY(b->ar, struct ast_column_def, n);
    if (st->column_count)
        memcpy(defs, st->columns, st->column_count * sizeof *defs);
    if (st->partition_def_count)
        memcpy(defs + st->column_count, st->partition_defs, st->partition_def_count * sizeof *defs);
    schema_of_defs(&r->ar, defs, n, &r->schema);
    r->comments = ARENA_ARRAY(&r->ar, const char *, n);
    r->defaults = ARENA_ARRAY(&r->ar, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct ast_expr *e = defs[i].default_expr;
        r->comments[i] = text_or_null(&r->ar, defs[i].comment);
        r->defaults[i] = e ? arena_strndup(&r->ar, b->sql + e->span.start, e->span.stop - e->span.start) : NULL;
    }
    TRY(check_unique(b, &r->schema, st->name.span));
    return move_partitions(b, st, r);
}

/* AS SELECT: the columns are the query's; they are written when the files are. */
static int take_query(struct binder *b, const struct ast_statement *st, struct relation *r, struct analyzed *ret)
{
    struct logical *lp;
    struct schema sch;
    if (st->column_count || st->partition_def_count) {
        error_set(b->err, ERR_SEMANTICS, "inputString", "CREATE TABLE AS SELECT takes its columns from the query: name none", NULL);
        return bind_fail_at(b, st->name.span);
    }
    TRY(bind_query(b, st->query, &lp));
    schema_of_plan(b, lp, &sch);
    for (uint32_t i = 0; i < sch.count; i++)
        sch.fields[i].nullable = true;
    copy_schema(&r->ar, &r->schema, &sch);
    TRY(check_unique(b, &r->schema, st->name.span));
    TRY(move_partitions(b, st, r));
    struct ast_part *parts = ARENA_ARRAY(b->ar, struct ast_part, st->partition_count);
    for (uint32_t i = 0; i < st->partition_count; i++)
        parts[i] = st->partitions[i].name;
    /* The plan may live longer than the relation, which EXPLAIN forgets and another session may drop. */
    struct options options = ddl_options(b->ar, st->options, st->option_count);
    struct write_target target = {.path = arena_strdup(b->ar, r->paths[0]), .mode = WRITE_NEW};
    return write_plan(b, r->format, &options, &target, parts, st->partition_count, lp, st->location ? st->location_span : st->name.span, ret);
}

static int make_table(struct binder *b, const struct ast_statement *st, struct relation *r, bool *ret_exists, struct analyzed *ret)
{
    TRY(place(b, &st->name, r));
    const struct relation *old = catalog_find(b->snap->catalog, r->database, r->name);
    if (st->or_replace) {
        error_set(b->err, ERR_TABLE_OPERATION, "tableName", relation_quoted(b->ar, r), "operation", "REPLACE TABLE", NULL);
        return bind_fail_at(b, st->span);
    }
    *ret_exists = old && st->if_not_exists;
    if (old)
        return *ret_exists ? 0 : exists(b, &st->name, old);
    r->format = arena_strdup(&r->ar, st->format ? st->format : settings_text(&b->snap->settings, "spark.sql.sources.default"));
    r->options = ddl_options(&r->ar, st->options, st->option_count);
    if (!format_find(r->format)) {
        error_set(b->err, ERR_FORMAT_MISSING, "provider", r->format, NULL);
        return bind_fail_at(b, st->format_span.stop ? st->format_span : st->name.span);
    }
    const char *path = st->location ? st->location : options_get(&r->options, "path");
    r->managed = !path;
    r->path_count = 1;
    r->paths = ARENA_ARRAY(&r->ar, const char *, 1);
    r->paths[0] = arena_strdup(&r->ar, path ? snapshot_path(b->snap, b->ar, path) : default_folder(b, r));
    if (st->query)
        return take_query(b, st, r, ret);
    if (st->column_count || st->partition_def_count)
        return take_columns(b, st, r);
    struct table_source src = {.name = r->name, .format = r->format, .options = &r->options, .paths = r->paths, .path_count = 1,
                               .partition_count = -1, .may_be_missing = true};
    const struct table_ref *t;
    TRY(table_resolve(b, &src, st->name.span, &t));
    take_table_schema(r, t);
    return st->partition_count ? move_partitions(b, st, r) : 0;
}

/* CREATE TEMPORARY TABLE is an old way to write a temporary view of files; of a query it would be a table that stays. */
static int temporary_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct ast_statement view = *st;
    view.kind = AST_STMT_CREATE_VIEW;
    if (!st->query && st->format)
        return ddl_create_view(b, &view, ret);
    error_set(b->err, ERR_STATEMENT_CLAUSE, "operation", st->query ? "CREATE TEMPORARY TABLE AS, instead of CREATE TEMPORARY VIEW AS," :
              "CREATE TEMPORARY TABLE without USING", NULL);
    return bind_fail_at(b, st->name.span);
}

/* A table whose folder is ours to choose does not take over what somebody left there. */
static int check_location(struct binder *b, const struct ast_statement *st, const struct relation *r)
{
    if (!r->managed || !fs_has_entries(r->paths[0]))
        return 0;
    error_set(b->err, ERR_LOCATION_EXISTS, "location", arena_printf(b->ar, "'file:%s'", r->paths[0]), "identifier",
              arena_printf(b->ar, "`%s`.`%s`.`%s`", CATALOG_NAME, r->database, r->name), NULL);
    return bind_fail_at(b, st->name.span);
}

int ddl_create_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    if (st->temporary)
        return temporary_table(b, st, ret);
    struct relation *r = relation_new();
    bool there = false;
    rows_none(ret);
    r->comment = text_or_null(&r->ar, st->comment);
    r->properties = ddl_options(&r->ar, st->properties, st->property_count);
    int rc = make_table(b, st, r, &there, ret);
    if (rc == 0 && !there)
        rc = check_location(b, st, r);
    if (rc != 0 || there) {
        relation_unref(r);
        return rc;
    }
    ret->effect = (struct effect){.kind = EFFECT_RELATION, .relation = r, .if_exists = st->if_not_exists};
    return 0;
}

/* ---- drops ---- */

static int wrong_kind(struct binder *b, const struct ast_statement *st, const struct relation *r)
{
    error_set(b->err, ERR_WRONG_COMMAND, "operation", "DROP VIEW", "requiredType", "VIEW", "objectName",
              arena_printf(b->ar, "%s.%s.%s", CATALOG_NAME, r->database, r->name), "foundType", r->managed ? "MANAGED" : "EXTERNAL", "alternative",
              "DROP TABLE", NULL);
    return bind_fail_at(b, st->name.span);
}

int ddl_drop(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    rows_none(ret);
    TRY(name_find(b, &st->name, &r));
    if (!r)
        return st->if_exists ? 0 : name_missing_to_drop(b, &st->name);
    if (st->kind == AST_STMT_DROP_VIEW && !r->is_view && !r->temporary)
        return wrong_kind(b, st, r);
    ret->effect = (struct effect){.kind = r->database ? EFFECT_DROP_RELATION : EFFECT_DROP_VIEW, .name = arena_strdup(b->ar, r->name),
                                  .database = text_or_null(b->ar, r->database), .if_exists = st->if_exists};
    if (r->managed) {
        ret->effect.folder_count = 1;
        ret->effect.folders = ARENA_ARRAY(b->ar, const char *, 1);
        ret->effect.folders[0] = arena_strdup(b->ar, r->paths[0]);
    }
    return 0;
}

/* ---- databases ---- */

int ddl_create_database(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = name_last(&st->name);
    rows_none(ret);
    if (catalog_database(b->snap->catalog, name)) {
        if (st->if_not_exists)
            return 0;
        error_set(b->err, ERR_DATABASE_EXISTS, "schemaName", quoted(b->ar, name), NULL);
        return bind_fail_at(b, st->name.span);
    }
    const char *where = st->location ? st->location : arena_printf(b->ar, "spark-warehouse/%s.db", catalog_key(b->ar, name));
    ret->effect = (struct effect){.kind = EFFECT_DATABASE, .name = arena_strdup(b->ar, name), .comment = text_or_null(b->ar, st->comment),
                                  .location = snapshot_path(b->snap, b->ar, where), .if_exists = st->if_not_exists};
    return 0;
}

int ddl_drop_database(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = name_last(&st->name);
    const struct database *db = catalog_database(b->snap->catalog, name);
    rows_none(ret);
    if (!db)
        return st->if_exists ? 0 : name_missing_database(b, name, st->name.span);
    if (str_eq_nocase(name, CATALOG_DATABASE) || str_eq_nocase(name, CATALOG_GLOBAL_TEMP)) {
        error_set(b->err, ERR_DROP_DATABASE, "database", arena_printf(b->ar, "`%s`.`%s`", CATALOG_NAME, name), NULL);
        return bind_fail_at(b, st->name.span);
    }
    if (db->relations.live && !st->cascade) {
        error_set(b->err, ERR_DATABASE_NOT_EMPTY, "schemaName", quoted(b->ar, name), NULL);
        return bind_fail_at(b, st->name.span);
    }
    struct effect *e = &ret->effect;
    *e = (struct effect){.kind = EFFECT_DROP_DATABASE, .name = arena_strdup(b->ar, name), .if_exists = st->if_exists, .replace = st->cascade};
    e->folders = ARENA_ARRAY(b->ar, const char *, db->relations.live);
    STRMAP_EACH(&db->relations, it) {
        const struct relation *r = it->value;
        if (r->managed)
            e->folders[e->folder_count++] = arena_strdup(b->ar, r->paths[0]);
    }
    return 0;
}

int ddl_use(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = name_last(&st->name);
    rows_none(ret);
    if (st->name.count == 1 && str_eq_nocase(name, CATALOG_NAME))
        return 0; /* USE spark_catalog */
    if (!catalog_database(b->snap->catalog, name))
        return name_missing_database(b, name, st->name.span);
    ret->effect = (struct effect){.kind = EFFECT_USE, .name = catalog_key(b->ar, name)};
    return 0;
}

/* ---- CACHE: a name is checked, or made a view; nothing is kept in memory between statements ---- */

int ddl_cache(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    rows_none(ret);
    if (st->kind == AST_STMT_CACHE && st->query) {
        struct ast_statement view = *st;
        view.kind = AST_STMT_CREATE_VIEW;
        view.temporary = true;
        return ddl_create_view(b, &view, ret);
    }
    TRY(name_find(b, &st->name, &r));
    return r || st->if_exists ? 0 : name_missing(b, &st->name, st->name.span);
}
