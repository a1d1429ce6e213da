/*
 * Writes: INSERT into tables and directories, and the root of every plan that writes. Values become a table's types as
 * Spark's store assignment says: what could lose its meaning is refused, what does not fit is an error at run time.
 */


#include "common/format/partition.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"
#include "driver/sql/parser.h"

/* ---- the root ---- */

/* The named columns at the end: they become folders. */
static int move_partitions(struct binder *b, const struct ast_part *parts, uint32_t count, struct logical *in, struct span span, struct logical **ret)
{
    struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, in->out_count);
    const char **names = ARENA_ARRAY(b->ar, const char *, in->out_count);
    bool *taken = ARENA_ARRAY(b->ar, bool, in->out_count);
    uint32_t n = in->out_count - count, at = 0;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t i = 0;
        while (i < in->out_count && !bind_name_eq(b, in->out[i].name, parts[p].text))
            i++;
        if (i == in->out_count || count >= in->out_count) {
            error_set(b->err, count >= in->out_count ? ERR_ALL_PARTITION_COLUMNS : ERR_COLUMN_MISSING, "colName", quoted(b->ar, parts[p].text), NULL);
            return bind_fail_at(b, parts[p].span.stop ? parts[p].span : span);
        }
        taken[i] = true;
        exprs[n + p] = bind_column_of(b, &in->out[i]);
        names[n + p] = in->out[i].name;
    }
    for (uint32_t i = 0; i < in->out_count; i++) {
        if (!taken[i]) {
            exprs[at] = bind_column_of(b, &in->out[i]);
            names[at++] = in->out[i].name;
        }
    }
    *ret = lp_project(b, in, exprs, names, in->out_count);
    return 0;
}

static void add_option(struct binder *b, struct options *o, const char *name, const char *value)
{
    struct option *items = ARENA_ARRAY(b->ar, struct option, o->count + 1);
    if (o->count)
        memcpy(items, o->items, o->count * sizeof *items);
    items[o->count] = (struct option){name, value};
    o->items = items;
    o->count++;
}

/* What the session's settings say where the statement says nothing. */
static struct options effective_options(struct binder *b, const char *format, const struct options *given)
{
    struct options o = *given;
    const struct settings *s = &b->snap->settings;
    if (str_eq_nocase(format, "parquet") && !options_get(&o, "compression") && !options_get(&o, "parquet.compression"))
        add_option(b, &o, "compression", settings_text(s, "spark.sql.parquet.compression.codec"));
    if (!options_get(&o, "maxRecordsPerFile") && settings_i64(s, "spark.sql.files.maxRecordsPerFile") > 0)
        add_option(b, &o, "maxRecordsPerFile", settings_text(s, "spark.sql.files.maxRecordsPerFile"));
    return o;
}

/* A path is read by the plan when a file of a scan lies below it. */
static bool reads_below(const struct logical *lp, const char *path)
{
    size_t n = strlen(path);
    if (lp->kind == LP_SCAN) {
        for (uint32_t i = 0; i < lp->table->path_count; i++) {
            const char *p = lp->table->paths[i];
            if (strncmp(p, path, n) == 0 && (p[n] == '/' || p[n] == 0))
                return true;
        }
    }
    for (uint32_t i = 0; i < lp->input_count; i++) {
        if (reads_below(lp->inputs[i], path))
            return true;
    }
    return false;
}

static int check_columns(struct binder *b, const struct format_row *row, const struct logical *in, uint32_t partition_count, struct span span)
{
    for (uint32_t i = 0; i < in->out_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (bind_name_eq(b, in->out[i].name, in->out[j].name)) {
                error_set(b->err, ERR_COLUMN_EXISTS, "columnName", quoted(b->ar, in->out[i].name), NULL);
                return bind_fail_at(b, span);
            }
        }
        if (i + partition_count >= in->out_count) {
            if (!type_is_nested(in->out[i].type))
                continue;
            error_set(b->err, ERR_PARTITION_TYPE, "type", quoted_type(b->ar, in->out[i].type), NULL);
            return bind_fail_at(b, span);
        }
        if (row->can_write && row->can_write(in->out[i].type, in->out[i].name, b->err) != 0)
            return bind_fail_at(b, span);
    }
    return 0;
}

int write_plan(struct binder *b, const char *format, const struct options *options, const struct write_target *target,
               const struct ast_part *partitions, uint32_t partition_count, struct logical *in, struct span span, struct analyzed *ret)
{
    const struct format_row *row = format_find(format);
    if (!row || !row->create) {
        error_set(b->err, ERR_FORMAT_MISSING, "provider", format, NULL);
        return bind_fail_at(b, span);
    }
    if (target->mode == WRITE_OVERWRITE && reads_below(in, target->path)) {
        error_set(b->err, ERR_OVERWRITE_PATH, "path", target->path, NULL);
        return bind_fail_at(b, span);
    }
    if (partition_count)
        TRY(move_partitions(b, partitions, partition_count, in, span, &in));
    TRY(check_columns(b, row, in, partition_count, span));
    struct logical *lp = lp_new(b, LP_WRITE, span, in, NULL);
    lp->out_count = 0;
    schema_of_plan(b, in, &lp->write_schema);
    lp->write_format = row->name;
    lp->write_target = *target;
    lp->write_options = effective_options(b, row->name, options);
    lp->write_partition_count = partition_count;
    ret->kind = ANALYZED_WRITE;
    ret->plan = lp;
    return 0;
}

/* ---- INSERT OVERWRITE DIRECTORY ---- */

int insert_directory(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct logical *lp;
    struct options options = ddl_options(b->ar, st->options, st->option_count);
    const char *path = st->location ? st->location : options_get(&options, "path");
    if (!path) {
        error_set(b->err, ERR_SEMANTICS, "inputString", "INSERT OVERWRITE DIRECTORY needs a path, behind DIRECTORY or as an option", NULL);
        return bind_fail_at(b, st->span);
    }
    TRY(bind_query(b, st->query, &lp));
    struct write_target target = {.path = snapshot_path(b->snap, b->ar, path), .mode = WRITE_OVERWRITE};
    struct span span = st->location ? st->location_span : st->format_span;
    return write_plan(b, st->format ? st->format : "parquet", &options, &target, NULL, 0, lp, span, ret);
}

/* ---- INSERT INTO a table ---- */

struct insertion {
    const struct ast_statement *st;
    const struct relation *r;
    const char *table;         /* quoted */
    uint32_t count;            /* columns of the table */
    struct expr **values;      /* by column: what is static */
    uint32_t *place;           /* by column of the query: the table's */
    uint32_t place_count;
};

static struct schema out_schema(struct binder *b, const struct logical *lp)
{
    struct schema sch;
    schema_of_plan(b, lp, &sch);
    return sch;
}

static int find_column(struct binder *b, const struct relation *r, const char *name)
{
    for (uint32_t i = 0; i < r->schema.count; i++) {
        if (bind_name_eq(b, r->schema.fields[i].name, name))
            return (int)i;
    }
    return -1;
}

/* Whether values of one type may be stored in a column of another: Spark's ANSI store assignment. */
static bool storable(const struct type *from, const struct type *to)
{
    bool from_time = from->id == TYPE_DATE || from->id == TYPE_TIMESTAMP || from->id == TYPE_TIMESTAMP_NTZ;
    bool to_time = to->id == TYPE_DATE || to->id == TYPE_TIMESTAMP || to->id == TYPE_TIMESTAMP_NTZ;
    if (from == to || from->id == TYPE_NULL)
        return true;
    if (from->id != to->id)
        return (type_is_numeric(from) && type_is_numeric(to)) || (to->id == TYPE_STRING && !type_is_nested(from)) || (from_time && to_time);
    for (uint32_t i = 0; i < to->child_count; i++) {
        if (from->child_count != to->child_count || !storable(from->children[i], to->children[i]))
            return false;
    }
    return true;
}

static int store(struct binder *b, const struct insertion *in, struct expr *e, uint32_t column, struct span span, struct expr **ret)
{
    const struct field *f = &in->r->schema.fields[column];
    if (!storable(e->type, f->type)) {
        error_set(b->err, ERR_INSERT_UNSAFE, "tableName", in->table, "colName", quoted(b->ar, f->name), "srcType", quoted_type(b->ar, e->type),
                  "targetType", quoted_type(b->ar, f->type), NULL);
        return bind_fail_at(b, span);
    }
    return expr_cast_stored(b->ar, e, f->type, f->name, span, ret, b->err);
}

/* PARTITION (p = 1, q): static values; they must come before the dynamic ones, as their folders do. */
static int static_partitions(struct binder *b, struct insertion *in)
{
    const struct ast_statement *st = in->st;
    uint32_t first = in->count - in->r->partition_count;
    for (uint32_t p = 0; p < st->partition_count; p++) {
        const struct ast_partition *part = &st->partitions[p];
        int at = find_column(b, in->r, part->name.text);
        if (at < (int)first) {
            error_set(b->err, ERR_PARTITIONS_MISSING, "partitionList", quoted(b->ar, part->name.text), "tableName", in->table, NULL);
            return bind_fail_at(b, part->name.span);
        }
        if (!part->value)
            continue;
        struct scope none = {0};
        struct expr *e;
        TRY(bind_expr(b, &none, part->value, &e));
        TRY(expr_cast(b->ar, e, in->r->schema.fields[at].type, EVAL_ANSI, part->value->span, &in->values[at], b->err));
    }
    bool dynamic = false;
    for (uint32_t i = first; i < in->count; i++) {
        if (in->values[i] && dynamic) {
            error_set(b->err, ERR_SEMANTICS, "inputString",
                      "in PARTITION, columns with values must come before those without, in the order of the table's folders", NULL);
            return bind_fail_at(b, st->name.span);
        }
        dynamic |= !in->values[i];
    }
    return 0;
}

/* INSERT INTO t (a, b): which column of the table each column of the query is. */
static int place_columns(struct binder *b, struct insertion *in)
{
    const struct ast_statement *st = in->st;
    in->place = ARENA_ARRAY(b->ar, uint32_t, in->count);
    for (uint32_t i = 0; i < st->insert_column_count; i++) {
        int at = find_column(b, in->r, st->insert_columns[i].text);
        if (at < 0) {
            error_set(b->err, ERR_UNRESOLVED_COLUMN, "objectName", quoted(b->ar, st->insert_columns[i].text), "proposal",
                      name_list(b->ar, &in->r->schema), NULL);
            return bind_fail_at(b, st->insert_columns[i].span);
        }
        for (uint32_t j = 0; j < in->place_count; j++) {
            if (in->place[j] == (uint32_t)at) {
                error_set(b->err, ERR_COLUMN_EXISTS, "columnName", quoted(b->ar, st->insert_columns[i].text), NULL);
                return bind_fail_at(b, st->insert_columns[i].span);
            }
        }
        in->place[in->place_count++] = (uint32_t)at;
    }
    if (st->insert_column_count)
        return 0;
    for (uint32_t i = 0; i < in->count; i++) {
        if (!in->values[i])
            in->place[in->place_count++] = i;
    }
    return 0;
}

/* BY NAME: places by the names of the query's columns. */
static int place_by_name(struct binder *b, struct insertion *in, const struct logical *lp)
{
    in->place_count = 0;
    for (uint32_t i = 0; i < lp->out_count; i++) {
        int at = find_column(b, in->r, lp->out[i].name);
        if (at < 0 || in->values[at]) {
            error_set(b->err, ERR_UNRESOLVED_COLUMN, "objectName", quoted(b->ar, lp->out[i].name), "proposal", name_list(b->ar, &in->r->schema), NULL);
            return bind_fail_at(b, in->st->query->span);
        }
        in->place[in->place_count++] = (uint32_t)at;
    }
    return 0;
}

static int wrong_count(struct binder *b, const struct insertion *in, const struct logical *lp)
{
    struct schema have = out_schema(b, lp);
    const char *columns = name_list(b->ar, &in->r->schema), *data = name_list(b->ar, &have);
    struct schema fixed = {0, ARENA_ARRAY(b->ar, struct field, in->count)};
    for (uint32_t i = 0; i < in->count; i++) {
        if (in->values[i])
            fixed.fields[fixed.count++] = in->r->schema.fields[i];
    }
    if (fixed.count)
        error_set(b->err, ERR_INSERT_PARTITION_COLUMNS, "tableName", in->table, "tableColumns", columns, "dataColumns", data, "staticPartCols",
                  name_list(b->ar, &fixed), NULL);
    else
        error_set(b->err, lp->out_count < in->place_count ? ERR_INSERT_FEW : ERR_INSERT_MANY, "tableName", in->table, "tableColumns", columns,
                  "dataColumns", data, NULL);
    return bind_fail_at(b, in->st->query->span);
}

static int default_of(struct binder *b, const struct relation *r, uint32_t column, struct ast_expr **ret)
{
    const char *sql = r->defaults ? r->defaults[column] : NULL;
    return sql_parse_expr(b->ar, sql ? sql : "NULL", ret, b->err);
}

/* VALUES (1, DEFAULT): the words DEFAULT become what they stand for. The parser's tree is not touched. */
static int fill_defaults(struct binder *b, const struct insertion *in, const struct ast_rel *rel, const struct ast_rel **ret)
{
    *ret = rel;
    bool any = false;
    for (uint32_t i = 0; rel->kind == AST_VALUES && i < rel->row_count * rel->row_width; i++)
        any |= rel->rows[i]->kind == AST_DEFAULT;
    if (!any)
        return 0;
    struct ast_rel *copy = arena_dup(b->ar, rel, sizeof *rel);
    copy->rows = arena_dup(b->ar, rel->rows, (size_t)rel->row_count * rel->row_width * sizeof *rel->rows);
    for (uint32_t i = 0; i < rel->row_count * rel->row_width; i++) {
        uint32_t j = i % rel->row_width;
        if (rel->rows[i]->kind == AST_DEFAULT && j < in->place_count)
            TRY(default_of(b, in->r, in->place[j], &copy->rows[i]));
    }
    *ret = copy;
    return 0;
}

/* The rows as the table has them: every column by place, static value, or default. */
static int table_rows(struct binder *b, struct insertion *in, struct logical *lp, struct logical **ret)
{
    struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, in->count);
    const char **names = ARENA_ARRAY(b->ar, const char *, in->count);
    for (uint32_t i = 0; i < in->place_count; i++)
        TRY(store(b, in, bind_column_of(b, &lp->out[i]), in->place[i], in->st->query->span, &exprs[in->place[i]]));
    for (uint32_t i = 0; i < in->count; i++) {
        names[i] = in->r->schema.fields[i].name;
        if (!exprs[i])
            exprs[i] = in->values[i];
        if (exprs[i])
            continue;
        struct ast_expr *ast;
        struct scope none = {0};
        struct expr *e;
        TRY(default_of(b, in->r, i, &ast));
        TRY(bind_expr(b, &none, ast, &e));
        TRY(store(b, in, e, i, (struct span){0}, &exprs[i]));
    }
    *ret = lp_project(b, lp, exprs, names, in->count);
    return 0;
}

/* "p=1/q=x": the folder of the static values. */
static int static_folder(struct binder *b, const struct insertion *in, const char **ret)
{
    struct buf text = BUF_INIT;
    int rc = 0;
    for (uint32_t i = 0; i < in->count && rc == 0; i++) {
        struct value v;
        if (!in->values[i])
            continue;
        struct expr *e = NULL;
        rc = expr_cast(b->ar, in->values[i], type_of(TYPE_STRING), EVAL_ANSI, (struct span){0}, &e, b->err);
        if (rc == 0)
            rc = expr_fold(b->ar, b->cx, e, &v, b->err);
        if (rc != 0)
            break;
        if (text.bytes)
            buf_addc(&text, '/');
        partition_escape(in->r->schema.fields[i].name, strlen(in->r->schema.fields[i].name), &text);
        buf_addc(&text, '=');
        if (v.null || v.s.bytes == 0)
            buf_adds(&text, PARTITION_NULL);
        else
            partition_escape(v.s.ptr, v.s.bytes, &text);
    }
    *ret = text.data ? arena_strdup(b->ar, text.data) : NULL;
    buf_fini(&text);
    return rc;
}

static int target_of(struct binder *b, const struct insertion *in, struct write_target *ret)
{
    *ret = (struct write_target){.path = arena_strdup(b->ar, in->r->paths[0]), .mode = in->st->overwrite ? WRITE_OVERWRITE : WRITE_APPEND};
    if (in->st->overwrite) {
        ret->dynamic = in->r->partition_count && str_eq_nocase(settings_text(&b->snap->settings, "spark.sql.sources.partitionOverwriteMode"), "dynamic");
        TRY(static_folder(b, in, &ret->below));
    }
    return 0;
}

/* A view over files is written like a table of them. */
static int find_target(struct binder *b, const struct ast_statement *st, struct relation **ret)
{
    TRY(name_need(b, &st->name, ret));
    if ((*ret)->is_view) {
        error_set(b->err, ERR_NOT_TABLE, "viewName", relation_quoted(b->ar, *ret), "operation", "INSERT", NULL);
        return bind_fail_at(b, st->name.span);
    }
    if ((*ret)->path_count == 0) {
        error_set(b->err, ERR_TABLE_OPERATION, "tableName", relation_quoted(b->ar, *ret), "operation", "INSERT without a path", NULL);
        return bind_fail_at(b, st->name.span);
    }
    return 0;
}

int insert_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    struct logical *lp;
    const struct ast_rel *query;
    TRY(find_target(b, st, &r));
    struct insertion in = {.st = st, .r = r, .table = relation_quoted(b->ar, r), .count = r->schema.count,
                           .values = ARENA_ARRAY(b->ar, struct expr *, r->schema.count)};
    if (st->if_not_exists && !st->overwrite) {
        error_set(b->err, ERR_STATEMENT_CLAUSE, "operation", "INSERT INTO ... IF NOT EXISTS", NULL);
        struct span head = {st->span.start, st->query->span.start};
        while (head.stop > head.start && b->sql[head.stop - 1] <= ' ')
            head.stop--;
        return bind_fail_at(b, head);
    }
    TRY(static_partitions(b, &in));
    TRY(place_columns(b, &in));
    TRY(fill_defaults(b, &in, st->query, &query));
    TRY(bind_query(b, query, &lp));
    if (st->by_name)
        TRY(place_by_name(b, &in, lp));
    if (lp->out_count != in.place_count)
        return wrong_count(b, &in, lp);
    struct write_target target;
    TRY(target_of(b, &in, &target));
    if (st->if_not_exists && target.below && fs_exists(arena_printf(b->ar, "%s/%s", target.path, target.below))) {
        rows_none(ret);
        return 0;
    }
    if (target.mode == WRITE_OVERWRITE && reads_below(lp, target.path)) {
        error_set(b->err, ERR_OVERWRITE_TABLE, "table", in.table, NULL);
        return bind_fail_at(b, st->name.span);
    }
    struct logical *rows;
    TRY(table_rows(b, &in, lp, &rows));
    struct ast_part *parts = ARENA_ARRAY(b->ar, struct ast_part, r->partition_count);
    for (uint32_t i = 0; i < r->partition_count; i++)
        parts[i].text = arena_strdup(b->ar, r->schema.fields[r->schema.count - r->partition_count + i].name);
    return write_plan(b, arena_strdup(b->ar, r->format), &r->options, &target, parts, r->partition_count, rows, st->name.span, ret);
}
