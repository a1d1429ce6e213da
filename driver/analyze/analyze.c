/* Statements: queries, writes, and the commands that are answered on the driver. */
#include "driver/analyze/analyze.h"

#include <ctype.h>
#include <fnmatch.h>

#include "common/col/builder.h"
#include "common/expr/fn.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

static int fail_at(struct binder *b, struct span span)
{
    error_at(b->err, span);
    return (int)b->err->code;
}

/* ---- rows made here: all columns strings unless said ---- */

struct rows {
    struct builder bd;
    struct schema schema;
};

static void rows_init(struct binder *b, struct rows *r, uint32_t count, const char *const *names, const struct type *const *types)
{
    const struct type **all = ARENA_ARRAY(b->ar, const struct type *, count);
    r->schema.count = count;
    r->schema.fields = ARENA_ARRAY(b->ar, struct field, count);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = types ? types[i] : type_of(TYPE_STRING);
        r->schema.fields[i] = (struct field){names[i], all[i], true};
    }
    builder_init(&r->bd, count, all, NULL);
}

static void put_text(struct rows *r, uint32_t col, const char *s)
{
    if (s)
        builder_put_str(&r->bd, col, s, (uint32_t)strlen(s));
    else
        builder_put_null(&r->bd, col);
}

static void end_row(struct rows *r)
{
    struct error err = ERROR_INIT;
    int rc = builder_end_row(&r->bd, &err);
    ASSERT(rc == 0); /* nothing is charged */
}

static void rows_done(struct rows *r, struct analyzed *ret)
{
    ret->kind = ANALYZED_ROWS;
    ret->schema = r->schema;
    ret->rows = builder_seal(&r->bd);
    builder_fini(&r->bd);
}

static void no_rows(struct analyzed *ret)
{
    ret->kind = ANALYZED_ROWS;
    ret->schema = (struct schema){0};
}

/* ---- helpers over the statement ---- */

static struct options options_of(struct arena *ar, const struct ast_option *in, uint32_t count)
{
    struct options o = {.count = 0, .items = ARENA_ARRAY(ar, struct option, count)};
    for (uint32_t i = 0; i < count; i++)
        o.items[o.count++] = (struct option){arena_strdup(ar, in[i].key), arena_strdup(ar, in[i].value ? in[i].value : "")};
    return o;
}

static const char *last_part(const struct ast_name *n)
{
    return n->parts[n->count - 1].text;
}

static struct schema schema_of_defs(struct arena *ar, const struct ast_column_def *defs, uint32_t count)
{
    struct schema s = {.count = count, .fields = ARENA_ARRAY(ar, struct field, count)};
    for (uint32_t i = 0; i < count; i++)
        s.fields[i] = (struct field){arena_strdup(ar, defs[i].name.text), defs[i].type, !defs[i].not_null};
    return s;
}

static void schema_of_plan(struct binder *b, const struct logical *lp, struct schema *ret)
{
    ret->count = lp->out_count;
    ret->fields = ARENA_ARRAY(b->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        ret->fields[i] = (struct field){lp->out[i].name, lp->out[i].type, lp->out[i].nullable};
}

static int missing(struct binder *b, const struct ast_name *n)
{
    error_set(b->err, ERR_TABLE_MISSING, "relationName", last_part(n), "proposal", "SHOW TABLES lists what there is", NULL);
    return fail_at(b, n->span);
}

/* ---- CREATE VIEW ---- */

static int create_view(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = last_part(&st->name);
    struct relation *old = snapshot_find(b->snap, name);
    if (old && !st->or_replace) {
        no_rows(ret);
        if (st->if_not_exists)
            return 0;
        error_set(b->err, ERR_TABLE_EXISTS, "relationName", name, NULL);
        return fail_at(b, st->name.span);
    }
    struct relation *r = relation_new();
    r->name = arena_strdup(&r->ar, name);
    r->temporary = st->temporary;
    int rc = 0;
    if (st->query) {
        struct logical *lp;
        rc = bind_query(b, st->query, &lp); /* checked now, bound again at each use */
        r->is_view = true;
        r->sql = arena_strndup(&r->ar, b->sql + st->query->span.start, st->query->span.stop - st->query->span.start);
        r->column_count = rc == 0 ? st->column_count : 0;
        if (rc == 0 && st->column_count && st->column_count != lp->out_count) {
            error_setf(b->err, ERR_ANALYSIS, "message", "the view names %u columns, its query has %u", st->column_count, lp->out_count);
            rc = fail_at(b, st->name.span);
        }
        r->columns = ARENA_ARRAY(&r->ar, const char *, st->column_count);
        for (uint32_t i = 0; i < st->column_count; i++)
            r->columns[i] = arena_strdup(&r->ar, st->columns[i].name.text);
    } else {
        r->format = arena_strdup(&r->ar, st->format ? st->format : "parquet");
        r->options = options_of(&r->ar, st->options, st->option_count);
        const char *path = options_get(&r->options, "path");
        r->path_count = path ? 1 : 0;
        r->paths = ARENA_ARRAY(&r->ar, const char *, 1);
        if (path)
            r->paths[0] = arena_strdup(&r->ar, snapshot_path(b->snap, b->ar, path));
        r->schema = schema_of_defs(&r->ar, st->columns, st->column_count);
        const struct table_ref *t;
        rc = table_resolve(b, r->name, r->format, &r->options, r->paths, r->path_count, st->column_count ? &r->schema : NULL,
                           st->name.span, &t);
        if (rc == 0 && st->column_count == 0) { /* inferred once, for the view's life */
            uint32_t n = t->file_schema.count;
            r->schema.count = n + t->partition_schema.count;
            r->schema.fields = ARENA_ARRAY(&r->ar, struct field, r->schema.count);
            for (uint32_t i = 0; i < r->schema.count; i++) {
                r->schema.fields[i] = i < n ? t->file_schema.fields[i] : t->partition_schema.fields[i - n];
                r->schema.fields[i].name = arena_strdup(&r->ar, r->schema.fields[i].name);
            }
        }
        r->has_schema = true;
    }
    if (rc != 0) {
        relation_unref(r);
        return rc;
    }
    no_rows(ret);
    ret->effect = (struct effect){.kind = EFFECT_RELATION, .relation = r};
    return 0;
}

/* ---- writes ---- */

/* Moves the named columns to the end: they become folders. */
static int move_partitions(struct binder *b, const struct ast_partition *parts, uint32_t count, struct logical *in, struct logical **ret)
{
    if (count == 0) {
        *ret = in;
        return 0;
    }
    struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, in->out_count);
    const char **names = ARENA_ARRAY(b->ar, const char *, in->out_count);
    bool *taken = ARENA_ARRAY(b->ar, bool, in->out_count);
    uint32_t n = in->out_count - count;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t i = 0;
        while (i < in->out_count && !bind_name_eq(b, in->out[i].name, parts[p].name.text))
            i++;
        if (i == in->out_count || count >= in->out_count) {
            error_setf(b->err, ERR_ANALYSIS, "message",
                       i == in->out_count ? "the partition column %s is not in the query" : "a table needs a column besides its partition columns (%s)", parts[p].name.text);
            return fail_at(b, parts[p].name.span);
        }
        taken[i] = true;
        exprs[n + p] = bind_column_of(b, &in->out[i]);
        names[n + p] = in->out[i].name;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < in->out_count; i++) {
        if (!taken[i]) {
            exprs[at] = bind_column_of(b, &in->out[i]);
            names[at++] = in->out[i].name;
        }
    }
    *ret = lp_project(b, in, exprs, names, in->out_count);
    return 0;
}

static int write_plan(struct binder *b, const struct ast_statement *st, const char *format, const char *path, enum write_mode mode,
                      struct logical *in, const struct options *options, struct span span, struct analyzed *ret)
{
    const struct format_row *row = format_find(format);
    if (!row || !row->create) {
        error_setf(b->err, ERR_ANALYSIS, "message", "the format %s cannot be written: use parquet, csv, json or text", format);
        return fail_at(b, st->format_span.stop ? st->format_span : span);
    }
    TRY(move_partitions(b, st->partitions, st->partition_count, in, &in));
    for (uint32_t i = 0; row->can_write && i + st->partition_count < in->out_count; i++) {
        if (row->can_write(in->out[i].type, in->out[i].name, b->err) != 0)
            return fail_at(b, span);
    }
    struct logical *lp = lp_new(b, LP_WRITE, span, in, NULL);
    lp->out_count = 0;
    lp->write_format = row->name;
    lp->write_target = (struct write_target){.path = path, .mode = mode};
    lp->write_options = *options;
    lp->write_partition_count = st->partition_count;
    ret->kind = ANALYZED_WRITE;
    ret->plan = lp;
    return 0;
}

static int create_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = last_part(&st->name);
    const char *format = st->format ? st->format : settings_text(&b->snap->settings, "spark.sql.sources.default");
    if (snapshot_find(b->snap, name) && !st->or_replace) {
        no_rows(ret);
        if (st->if_not_exists)
            return 0;
        error_set(b->err, ERR_TABLE_EXISTS, "relationName", name, NULL);
        return fail_at(b, st->name.span);
    }
    struct options options = options_of(b->ar, st->options, st->option_count);
    const char *path = st->location ? st->location : options_get(&options, "path");
    if (!path)
        path = arena_printf(b->ar, "spark-warehouse/%s", name);
    path = snapshot_path(b->snap, b->ar, path);
    struct relation *r = relation_new();
    r->name = arena_strdup(&r->ar, name);
    r->format = arena_strdup(&r->ar, format);
    r->options = options_of(&r->ar, st->options, st->option_count);
    r->path_count = 1;
    r->paths = ARENA_ARRAY(&r->ar, const char *, 1);
    r->paths[0] = arena_strdup(&r->ar, path);
    r->schema = schema_of_defs(&r->ar, st->columns, st->column_count);
    r->has_schema = st->column_count > 0;
    int rc = 0;
    no_rows(ret);
    if (st->query) {
        struct logical *lp;
        rc = bind_query(b, st->query, &lp);
        if (rc == 0)
            rc = write_plan(b, st, format, path, st->or_replace ? WRITE_OVERWRITE : WRITE_NEW, lp, &options, st->name.span, ret);
        if (rc == 0) { /* known columns: an empty result has no file to infer from */
            const struct logical *in = ret->plan->inputs[0];
            r->schema = (struct schema){.count = in->out_count, .fields = ARENA_ARRAY(&r->ar, struct field, in->out_count)};
            for (uint32_t i = 0; i < in->out_count; i++)
                r->schema.fields[i] = (struct field){arena_strdup(&r->ar, in->out[i].name), in->out[i].type, true};
            r->has_schema = true;
        }
    } else if (!r->has_schema) {
        const struct table_ref *t;
        rc = table_resolve(b, r->name, r->format, &r->options, r->paths, 1, NULL, st->name.span, &t);
    } else if (!fs_exists(path)) {
        rc = fs_make_folder(path, b->err);
    }
    if (rc != 0) {
        relation_unref(r);
        return rc;
    }
    ret->effect = (struct effect){.kind = EFFECT_RELATION, .relation = r};
    return 0;
}

static int insert_dir(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct logical *lp;
    struct options options = options_of(b->ar, st->options, st->option_count);
    const char *path = st->location ? st->location : options_get(&options, "path");
    if (!path) {
        error_set(b->err, ERR_ANALYSIS, "message", "INSERT OVERWRITE DIRECTORY needs a path", NULL);
        return fail_at(b, st->span);
    }
    TRY(bind_query(b, st->query, &lp));
    return write_plan(b, st, st->format ? st->format : "parquet", snapshot_path(b->snap, b->ar, path), WRITE_OVERWRITE, lp, &options,
                      st->location_span, ret);
}

/* INSERT INTO t: by position, cast to the table's types. */
static int insert_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const struct relation *r = snapshot_find(b->snap, last_part(&st->name));
    if (!r || r->is_view)
        return missing(b, &st->name);
    const struct table_ref *t;
    struct logical *lp;
    bool empty = !fs_exists(r->paths[0]);
    if (empty)
        TRY(fs_make_folder(r->paths[0], b->err));
    TRY(table_resolve(b, r->name, r->format, &r->options, r->paths, r->path_count, r->has_schema ? &r->schema : NULL, st->name.span, &t));
    TRY(bind_query(b, st->query, &lp));
    uint32_t n = t->file_schema.count + t->partition_schema.count;
    if (lp->out_count != n) {
        error_setf(b->err, ERR_ANALYSIS, "message", "the table %s has %u columns, the query %u", r->name, n, lp->out_count);
        return fail_at(b, st->query->span);
    }
    struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, n);
    const char **names = ARENA_ARRAY(b->ar, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f = i < t->file_schema.count ? &t->file_schema.fields[i] : &t->partition_schema.fields[i - t->file_schema.count];
        names[i] = f->name;
        TRY(expr_cast(b->ar, bind_column_of(b, &lp->out[i]), f->type, b->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, st->query->span, &exprs[i], b->err));
    }
    struct ast_statement parts = *st;
    parts.partition_count = t->partition_schema.count;
    parts.partitions = ARENA_ARRAY(b->ar, struct ast_partition, parts.partition_count);
    for (uint32_t i = 0; i < parts.partition_count; i++)
        parts.partitions[i].name.text = t->partition_schema.fields[i].name;
    return write_plan(b, &parts, r->format, r->paths[0], st->overwrite ? WRITE_OVERWRITE : WRITE_APPEND, lp_project(b, lp, exprs, names, n), &r->options,
                      st->name.span, ret);
}

/* ---- SHOW, DESCRIBE, SET ---- */

/* Spark's patterns: * any text, | between alternatives. */
static bool matches(const char *pattern, const char *name)
{
    if (!pattern)
        return true;
    char *copy = xstrdup(pattern), *save = NULL;
    bool hit = false;
    for (char *p = strtok_r(copy, "|", &save); p && !hit; p = strtok_r(NULL, "|", &save)) {
        for (char *c = p; *c; c++)
            *c = *c == '%' ? '*' : *c;
        hit = fnmatch(p, name, FNM_CASEFOLD) == 0;
    }
    xfree(copy);
    return hit;
}

static int show_relations(struct binder *b, const struct ast_statement *st, bool views_only, struct analyzed *ret)
{
    static const char *const names[] = {"namespace", "tableName", "isTemporary"};
    static const char *const view_names[] = {"namespace", "viewName", "isTemporary"};
    const struct type *types[] = {type_of(TYPE_STRING), type_of(TYPE_STRING), type_of(TYPE_BOOLEAN)};
    struct rows r;
    rows_init(b, &r, 3, views_only ? view_names : names, types);
    STRMAP_EACH(&b->snap->relations, e) {
        const struct relation *rel = e->value;
        if ((views_only && !rel->temporary && !rel->is_view) || !matches(st->pattern, e->key))
            continue;
        put_text(&r, 0, rel->temporary ? "" : "default");
        put_text(&r, 1, e->key);
        builder_put_i64(&r.bd, 2, rel->temporary);
        end_row(&r);
    }
    rows_done(&r, ret);
    return 0;
}

static int relation_columns(struct binder *b, const struct ast_name *name, struct schema *ret)
{
    struct ast_rel table = {.kind = AST_TABLE, .name = *name, .span = name->span};
    struct logical *lp;
    struct scope s = {0};
    TRY(bind_relation(b, &table, &s, &lp));
    schema_of_plan(b, lp, ret);
    return 0;
}

static int describe(struct binder *b, const struct schema *sch, struct analyzed *ret)
{
    static const char *const names[] = {"col_name", "data_type", "comment"};
    struct rows r;
    rows_init(b, &r, 3, names, NULL);
    for (uint32_t i = 0; i < sch->count; i++) {
        put_text(&r, 0, sch->fields[i].name);
        put_text(&r, 1, sch->fields[i].type->text);
        put_text(&r, 2, NULL);
        end_row(&r);
    }
    rows_done(&r, ret);
    return 0;
}

static int show_columns(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const char *const names[] = {"col_name"};
    struct schema sch;
    TRY(relation_columns(b, &st->name, &sch));
    struct rows r;
    rows_init(b, &r, 1, names, NULL);
    for (uint32_t i = 0; i < sch.count; i++) {
        put_text(&r, 0, sch.fields[i].name);
        end_row(&r);
    }
    rows_done(&r, ret);
    return 0;
}

static int show_functions(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const char *const names[] = {"function"};
    struct rows r;
    rows_init(b, &r, 1, names, NULL);
    const struct fn_row *f;
    for (uint32_t i = 0; (f = fn_at(i)) != NULL; i++) {
        if (f->name[0] == '_' || !matches(st->pattern, f->name))
            continue;
        put_text(&r, 0, f->name);
        end_row(&r);
    }
    for (const char *const *a = agg_names(); *a; a++) {
        if (matches(st->pattern, *a)) {
            put_text(&r, 0, *a);
            end_row(&r);
        }
    }
    rows_done(&r, ret);
    return 0;
}

static int show_one_name(struct binder *b, const char *column, const char *value, struct analyzed *ret)
{
    const char *const names[] = {column};
    struct rows r;
    rows_init(b, &r, 1, names, NULL);
    put_text(&r, 0, value);
    end_row(&r);
    rows_done(&r, ret);
    return 0;
}

static int set_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const char *const names[] = {"key", "value", "meaning"};
    struct rows r;
    const struct settings *s = &b->snap->settings;
    if (st->value) { /* checked here, so that the error has a place */
        struct settings copy;
        char *warning = NULL;
        settings_copy(&copy, s);
        int rc = settings_set(&copy, st->key, st->value, &warning, b->err);
        settings_fini(&copy);
        xfree(warning);
        if (rc != 0)
            return fail_at(b, st->key_span);
        ret->effect = (struct effect){.kind = EFFECT_SET, .name = st->key, .value = st->value};
    }
    rows_init(b, &r, st->verbose ? 3 : 2, names, NULL);
    if (st->key) {
        const char *v = st->value ? st->value : settings_text(s, st->key);
        put_text(&r, 0, st->key);
        put_text(&r, 1, v ? v : "<undefined>");
        end_row(&r);
    } else if (st->verbose) {
        for (uint32_t i = 0; i < setting_count; i++) {
            put_text(&r, 0, setting_rows[i].key);
            put_text(&r, 1, settings_text(s, setting_rows[i].key));
            put_text(&r, 2, setting_rows[i].doc);
            end_row(&r);
        }
    } else {
        STRMAP_EACH(&s->values, e) {
            put_text(&r, 0, e->key);
            put_text(&r, 1, e->value);
            end_row(&r);
        }
    }
    rows_done(&r, ret);
    return 0;
}

static int drop(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    no_rows(ret);
    if (!snapshot_find(b->snap, last_part(&st->name)))
        return st->if_exists ? 0 : missing(b, &st->name);
    ret->effect = (struct effect){.kind = EFFECT_DROP, .name = last_part(&st->name)};
    return 0;
}

static int statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct schema sch;
    switch (st->kind) {
    case AST_STMT_QUERY:
        TRY(bind_query(b, st->query, &ret->plan));
        ret->kind = ANALYZED_QUERY;
        schema_of_plan(b, ret->plan, &ret->schema);
        return 0;
    case AST_STMT_CREATE_VIEW: return create_view(b, st, ret);
    case AST_STMT_CREATE_TABLE: return create_table(b, st, ret);
    case AST_STMT_INSERT_DIR: return insert_dir(b, st, ret);
    case AST_STMT_INSERT: return insert_table(b, st, ret);
    case AST_STMT_DROP_TABLE:
    case AST_STMT_DROP_VIEW: return drop(b, st, ret);
    case AST_STMT_DESCRIBE:
        TRY(relation_columns(b, &st->name, &sch));
        return describe(b, &sch, ret);
    case AST_STMT_DESCRIBE_QUERY:
        TRY(bind_query(b, st->query, &ret->plan));
        schema_of_plan(b, ret->plan, &sch);
        return describe(b, &sch, ret);
    case AST_STMT_SHOW_TABLES: return show_relations(b, st, false, ret);
    case AST_STMT_SHOW_VIEWS: return show_relations(b, st, true, ret);
    case AST_STMT_SHOW_COLUMNS: return show_columns(b, st, ret);
    case AST_STMT_SHOW_FUNCTIONS: return show_functions(b, st, ret);
    case AST_STMT_SHOW_DATABASES: return show_one_name(b, "namespace", "default", ret);
    case AST_STMT_SHOW_CATALOGS: return show_one_name(b, "catalog", "spark_catalog", ret);
    case AST_STMT_SHOW_CURRENT: return show_one_name(b, "namespace", "default", ret);
    case AST_STMT_SET: return set_statement(b, st, ret);
    case AST_STMT_RESET:
        no_rows(ret);
        ret->effect = (struct effect){.kind = EFFECT_UNSET, .name = st->key};
        return 0;
    case AST_STMT_SET_TIME_ZONE: {
        struct ast_statement set = *st;
        set.key = "spark.sql.session.timeZone";
        set.value = str_eq_nocase(st->value, "LOCAL") ? "" : st->value;
        return set_statement(b, &set, ret);
    }
    case AST_STMT_USE:
        no_rows(ret);
        if (str_eq_nocase(last_part(&st->name), "default"))
            return 0;
        error_setf(b->err, ERR_ANALYSIS, "message", "there is no database %s: all tables are in default", last_part(&st->name));
        return fail_at(b, st->name.span);
    case AST_STMT_REFRESH:
    case AST_STMT_ANALYZE:
    case AST_STMT_CLEAR_CACHE: no_rows(ret); return 0; /* nothing is cached between statements */
    case AST_STMT_EXPLAIN: {
        TRY(statement(b, st->inner, ret));
        if (ret->kind == ANALYZED_ROWS) {
            sealed_unref(ret->rows);
            relation_unref(ret->effect.relation);
            *ret = (struct analyzed){0};
            return show_one_name(b, "plan", "a command, answered by the driver", ret);
        }
        relation_unref(ret->effect.relation);
        ret->effect = (struct effect){0};
        ret->kind = ANALYZED_EXPLAIN;
        ret->explain = st->explain;
        return 0;
    }
    default: break;
    }
    error_set(b->err, ERR_UNSUPPORTED_FEATURE, "message", "this statement", NULL);
    return fail_at(b, st->span);
}

int analyze_statement(struct arena *ar, const struct snapshot *snap, const struct query_ctx *cx,
                      const struct ast_statement *st, const char *sql, struct analyzed *ret, struct error *err)
{
    struct binder b = {.ar = ar, .cx = cx, .snap = snap, .err = err, .sql = sql, .next_id = 1};
    *ret = (struct analyzed){0};
    return statement(&b, st, ret);
}
