/* Statements: who binds which kind. */
#include "driver/analyze/analyze.h"

#include "driver/analyze/analyze_impl.h"

static int query(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    TRY(bind_query(b, st->query, &ret->plan));
    ret->kind = ANALYZED_QUERY;
    schema_of_plan(b, ret->plan, &ret->schema);
    return 0;
}

/* Nothing is kept between statements that could be stale: only the name is checked. */
static int refresh(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    struct relation *r;
    rows_none(ret);
    return st->name.count ? name_need(b, &st->name, &r) : 0;
}

static int nothing(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    (void)b;
    (void)st;
    rows_none(ret);
    return 0;
}

static int add_resource(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    (void)ret;
    error_setf(b->err, ERR_UNSUPPORTED_FEATURE, "message", "ADD %s: nothing here loads resources", st->key);
    return bind_fail_at(b, st->span);
}

static int explain(struct binder *b, const struct ast_statement *st, struct analyzed *ret);

typedef int (*statement_fn)(struct binder *b, const struct ast_statement *st, struct analyzed *ret);

static const statement_fn statements[] = {
    [AST_STMT_QUERY] = query,
    [AST_STMT_CREATE_VIEW] = ddl_create_view,
    [AST_STMT_CREATE_TABLE] = ddl_create_table,
    [AST_STMT_DROP_TABLE] = ddl_drop,
    [AST_STMT_DROP_VIEW] = ddl_drop,
    [AST_STMT_INSERT] = insert_table,
    [AST_STMT_INSERT_DIR] = insert_directory,
    [AST_STMT_DESCRIBE] = describe_statement,
    [AST_STMT_DESCRIBE_QUERY] = describe_statement,
    [AST_STMT_DESCRIBE_FUNCTION] = describe_statement,
    [AST_STMT_DESCRIBE_DATABASE] = describe_statement,
    [AST_STMT_SHOW_TABLES] = show_statement,
    [AST_STMT_SHOW_VIEWS] = show_statement,
    [AST_STMT_SHOW_COLUMNS] = show_statement,
    [AST_STMT_SHOW_FUNCTIONS] = show_statement,
    [AST_STMT_SHOW_DATABASES] = show_statement,
    [AST_STMT_SHOW_CREATE_TABLE] = show_statement,
    [AST_STMT_SHOW_PARTITIONS] = show_statement,
    [AST_STMT_SHOW_TBLPROPERTIES] = show_statement,
    [AST_STMT_SHOW_CURRENT] = show_statement,
    [AST_STMT_SHOW_CATALOGS] = show_statement,
    [AST_STMT_SET] = setting_statement,
    [AST_STMT_RESET] = setting_statement,
    [AST_STMT_SET_TIME_ZONE] = setting_statement,
    [AST_STMT_USE] = ddl_use,
    [AST_STMT_CREATE_DATABASE] = ddl_create_database,
    [AST_STMT_DROP_DATABASE] = ddl_drop_database,
    [AST_STMT_CACHE] = ddl_cache,
    [AST_STMT_UNCACHE] = ddl_cache,
    [AST_STMT_CLEAR_CACHE] = nothing,
    [AST_STMT_REFRESH] = refresh,
    [AST_STMT_ANALYZE] = refresh,
    [AST_STMT_EXPLAIN] = explain,
    [AST_STMT_ADD_RESOURCE] = add_resource,
};

static int statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    ASSERT((size_t)st->kind < ARRAY_LEN(statements) && statements[st->kind]);
    return statements[st->kind](b, st, ret);
}

/* A command has no plan: it is said which one it is, and nothing happens. */
static int explain(struct binder *b, const struct ast_statement *st, struct analyzed *ret)
{
    TRY(statement(b, st->inner, ret));
    relation_unref(ret->effect.relation);
    ret->effect = (struct effect){0};
    if (ret->kind == ANALYZED_ROWS) {
        struct buf text = BUF_INIT;
        sealed_unref(ret->rows);
        *ret = (struct analyzed){0};
        buf_adds(&text, "== Physical Plan ==\nExecute ");
        ast_print(st->inner, &text);
        buf_addc(&text, '\n');
        rows_one(b, "plan", text.data, ret);
        buf_fini(&text);
        return 0;
    }
    if (ret->kind == ANALYZED_EXPLAIN)
        return 0;
    ret->kind = ANALYZED_EXPLAIN;
    ret->explain = st->explain;
    ret->explained = st->inner;
    return 0;
}

int analyze_statement(struct arena *ar, const struct snapshot *snap, const struct query_ctx *cx,
                      const struct ast_statement *st, const char *sql, struct analyzed *ret, struct error *err)
{
    struct binder b = {.ar = ar, .cx = cx, .snap = snap, .err = err, .sql = sql, .next_id = 1};
    *ret = (struct analyzed){0};
    int rc = statement(&b, st, ret);
    if (rc != 0) {
        relation_unref(ret->effect.relation);
        ret->effect = (struct effect){0};
    }
    return rc;
}
