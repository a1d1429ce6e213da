/* DESCRIBE: columns and what else is known of tables, queries, functions and databases. */
#include <stdio.h>
#include <time.h>

#include "common/expr/fn.h"
#include "common/expr/zone.h"
#include "driver/analyze/analyze_impl.h"

/* "Fri Nov 27 15:06:20 UTC 2026" */
static const char *time_text(struct binder *b, int64_t us)
{
    char text[64];
    struct tm tm;
    time_t local = (time_t)((zone_local_us(b->cx->zone, us)) / 1000000);
    gmtime_r(&local, &tm);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S", &tm);
    return arena_printf(b->ar, "%s %s %d", text, b->cx->zone_name, tm.tm_year + 1900);
}

/* "[a=1,b=2]", the path left out: it is the location. */
static const char *options_text(struct arena *ar, const struct options *o)
{
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; i < o->count; i++) {
        if (!str_eq_nocase(o->items[i].name, "path"))
            buf_addf(&text, "%s%s=%s", text.bytes ? ", " : "[", o->items[i].name, o->items[i].value);
    }
    const char *ret = text.bytes ? arena_printf(ar, "%s]", text.data) : NULL;
    buf_fini(&text);
    return ret;
}

uint32_t describe_details(struct binder *b, const struct relation *r, struct option *out, uint32_t max)
{
    struct arena *ar = b->ar;
    bool files = !r->is_view;
    const struct option all[] = {
        {"Catalog", r->database ? CATALOG_NAME : NULL},
        {"Database", r->database},
        {"Table", r->name},
        {"Created Time", time_text(b, r->created_us)},
        {"Last Access", "UNKNOWN"},
        {"Created By", "Drover"},
        {"Type", r->is_view ? "VIEW" : r->managed ? "MANAGED" : "EXTERNAL"},
        {"Provider", r->format},
        {"Comment", r->comment},
        {"Table Properties", options_text(ar, &r->properties)},
        {"Location", files && r->path_count ? arena_printf(ar, "file:%s", r->paths[0]) : NULL},
        {"Storage Properties", files ? options_text(ar, &r->options) : NULL},
        {"Partition Provider", r->partition_count ? "Catalog" : NULL},
        {"View Text", r->sql},
        {"View Original Text", r->sql},
        {"View Schema Mode", r->is_view ? "COMPENSATION" : NULL},
        {"View Catalog and Namespace", r->is_view ? arena_printf(ar, "%s.%s", CATALOG_NAME, r->sql_database) : NULL},
        {"View Query Output Columns", r->is_view ? arena_printf(ar, "[%s]", name_list(ar, &r->schema)) : NULL},
    };
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].value && n < max)
            out[n++] = all[i];
    }
    return n;
}

static void begin(struct binder *b, struct rows *rows)
{
    static const struct rows_column columns[] = {{"col_name", TYPE_STRING}, {"data_type", TYPE_STRING}, {"comment", TYPE_STRING}};
    rows_init(b, rows, columns, 3);
}

static void put_columns(struct rows *rows, const struct schema *sch, const char *const *comments, uint32_t from)
{
    for (uint32_t i = from; i < sch->count; i++)
        rows_texts(rows, sch->fields[i].name, sch->fields[i].type->text, comments ? comments[i] : NULL);
}

static void put_defaults(struct rows *rows, const struct relation *r)
{
    bool first = true;
    for (uint32_t i = 0; r->defaults && i < r->schema.count; i++) {
        if (!r->defaults[i])
            continue;
        if (first) {
            rows_texts(rows, "", "", "");
            rows_texts(rows, "# Column Default Values", "", "");
        }
        first = false;
        rows_texts(rows, r->schema.fields[i].name, r->schema.fields[i].type->text, r->defaults[i]);
    }
}

static int describe_column(struct binder *b, const struct ast_statement *st, const struct relation *r, struct analyzed *ret)
{
    static const struct rows_column columns[] = {{"info_name", TYPE_STRING}, {"info_value", TYPE_STRING}};
    static const char *const statistics[] = {"min", "max", "num_nulls", "distinct_count", "avg_col_len", "max_col_len", "histogram"};
    const char *name = st->insert_columns[0].text;
    uint32_t i = 0;
    struct rows rows;
    while (i < r->schema.count && !bind_name_eq(b, r->schema.fields[i].name, name))
        i++;
    if (i == r->schema.count) {
        error_set(b->err, ERR_COLUMN_MISSING, "colName", quoted(b->ar, name), "caseSensitiveConfig", "\"spark.sql.caseSensitive\"", NULL);
        return bind_fail_at(b, st->insert_columns[0].span);
    }
    rows_init(b, &rows, columns, 2);
    rows_texts(&rows, "col_name", r->schema.fields[i].name, NULL);
    rows_texts(&rows, "data_type", r->schema.fields[i].type->text, NULL);
    rows_texts(&rows, "comment", r->comments && r->comments[i] ? r->comments[i] : "NULL", NULL);
    for (size_t s = 0; s < ARRAY_LEN(statistics) && st->extended; s++)
        rows_texts(&rows, statistics[s], "NULL", NULL);
    rows_done(&rows, ret);
    return 0;
}

static int describe_relation(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    struct rows rows;
    struct option details[32];
    TRY(name_need(b, &st->name, &r));
    if (st->insert_column_count)
        return describe_column(b, st, r, ret);
    begin(b, &rows);
    put_columns(&rows, &r->schema, r->comments, 0);
    if (r->partition_count && !r->temporary) {
        rows_texts(&rows, "# Partition Information", "", "");
        rows_texts(&rows, "# col_name", "data_type", "comment");
        put_columns(&rows, &r->schema, r->comments, r->schema.count - r->partition_count);
    }
    put_defaults(&rows, r);
    if (st->extended && !r->temporary) {
        uint32_t n = describe_details(b, r, details, ARRAY_LEN(details));
        rows_texts(&rows, "", "", "");
        rows_texts(&rows, "# Detailed Table Information", "", "");
        for (uint32_t i = 0; i < n; i++)
            rows_texts(&rows, details[i].name, details[i].value, "");
    }
    rows_done(&rows, ret);
    return 0;
}

static int describe_query(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct logical *lp;
    struct schema sch;
    struct rows rows;
    TRY(bind_query(b, st->query, &lp));
    schema_of_plan(b, lp, &sch);
    begin(b, &rows);
    put_columns(&rows, &sch, NULL, 0);
    rows_done(&rows, ret);
    return 0;
}

static int describe_database(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    static const struct rows_column columns[] = {{"info_name", TYPE_STRING}, {"info_value", TYPE_STRING}};
    const char *name = name_last(&st->name);
    const struct database *db = catalog_database(b->snap->catalog, name);
    struct rows rows;
    if (!db)
        return name_missing_database(b, name, st->name.span);
    rows_init(b, &rows, columns, 2);
    rows_texts(&rows, "Catalog Name", CATALOG_NAME, NULL);
    rows_texts(&rows, "Namespace Name", db->name, NULL);
    rows_texts(&rows, "Comment", db->comment ? db->comment : "", NULL);
    rows_texts(&rows, "Location",
               db->location ? arena_printf(b->ar, "file:%s", db->location)
                            : arena_printf(b->ar, "file:%s/spark-warehouse", b->snap->working_dir),
               NULL);
    rows_texts(&rows, "Owner", b->snap->user, NULL);
    rows_done(&rows, ret);
    return 0;
}

static int describe_function(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    const char *name = name_last(&st->name), *doc = NULL;
    const struct fn_row *f;
    struct rows rows;
    bool found = false;
    for (uint32_t i = 0; (f = fn_at(i)) != NULL && !doc; i++) {
        if (str_eq_nocase(f->name, name)) {
            found = true;
            doc = f->doc;
        }
    }
    for (const char *const *a = agg_names(); *a && !found; a++)
        found = str_eq_nocase(*a, name);
    if (!found) {
        error_set(b->err, ERR_FUNCTION_MISSING, "routineName", quoted(b->ar, name), "searchPath", name_search_path(b), "advice",
                  "SHOW FUNCTIONS lists what there is", NULL);
        return bind_fail_at(b, st->name.span);
    }
    rows_init(b, &rows, &(struct rows_column){"function_desc", TYPE_STRING}, 1);
    rows_texts(&rows, arena_printf(b->ar, "Function: %s", name), NULL, NULL);
    rows_texts(&rows, arena_printf(b->ar, "Usage: %s", doc && *doc ? doc : "an aggregate function"), NULL, NULL);
    rows_done(&rows, ret);
    return 0;
}

int describe_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    switch (st->kind) {
    case AST_STMT_DESCRIBE: return describe_relation(b, st, ret);
    case AST_STMT_DESCRIBE_QUERY: return describe_query(b, st, ret);
    case AST_STMT_DESCRIBE_DATABASE: return describe_database(b, st, ret);
    case AST_STMT_DESCRIBE_FUNCTION: return describe_function(b, st, ret);
    default: break;
    }
    UNREACHABLE("a DESCRIBE of the parser");
}
