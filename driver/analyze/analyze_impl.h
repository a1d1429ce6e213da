/* Shared inside the analyzer: the binder, its scopes, and who binds what. */
#pragma once

#include "common/col/builder.h"
#include "driver/analyze/analyze.h"

/* Common table expressions and views are bound at each of their uses, so that a short text may stand for a huge plan. */
enum { VIEW_DEPTH_MAX = 100, RELATIONS_BOUND_MAX = 16384 };

struct scope_col {
    const char *qualifier; /* table alias or name; NULL: none */
    struct lcol col;
    bool qualified_only;   /* the copies of USING columns: not in *, not by bare name */
};

struct alias {
    const char *name;
    struct expr *expr;
};

struct scope {
    struct scope *outer;     /* of the enclosing query */
    uint32_t count, cap;
    struct scope_col *cols;
    uint32_t alias_count, alias_cap; /* select items that may be named: see alias_first */
    struct alias *aliases;
    bool alias_first;        /* ORDER BY: output names before input columns */
};

struct cte {
    const char *name;
    const struct ast_cte *ast;
    struct cte *visible;     /* what its own query sees, */
    struct scope *outer;     /* and the scope around the query that has it */
    struct cte *next;
};

struct binder {
    struct arena *ar;
    const struct query_ctx *cx;
    const struct snapshot *snap;
    struct error *err;
    const char *sql;
    uint32_t next_id;
    struct cte *ctes;
    struct scope *outer;     /* scope that a subquery being analyzed is in */
    unsigned view_depth;
    uint32_t relations;      /* bound so far */
    const struct relation *view; /* whose text is being bound; NULL: the statement's own */
    bool permanent;          /* CREATE VIEW of the catalog: it must not read temporary views */
    struct lcol *gid;        /* grouping_id of the SELECT at hand (its id 0: that is 0), with the group expressions it numbers */
    uint32_t group_count;
    struct expr **groups;
};

/* bind.c: expressions */
WARN_UNUSED int bind_expr(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret);
struct expr *bind_column_of(struct binder *b, const struct lcol *c);
/* "text" of an expression or a type, as messages show it; appended. */
void bind_quoted(const struct expr *e, struct buf *out);
void bind_quoted_type(const struct type *t, struct buf *out);
bool bind_has_aggregate(const struct expr *e);
/* UNSUPPORTED_EXPR_FOR_OPERATOR when an aggregate function is left in e, where nothing computes it. */
int bind_refuse_aggregate(struct binder *b, const struct expr *e, const char *where, struct span span);
struct lcol bind_new_col(struct binder *b, const char *name, const struct type *type, bool nullable);
/* The name of a select item without an alias. */
const char *bind_item_name(struct binder *b, const struct ast_expr *ast, const struct expr *e);
bool bind_name_eq(const struct binder *b, const char *a, const char *c);
/* WHERE and HAVING of the query at `whole`: a boolean. */
int bind_filter(struct binder *b, struct scope *s, const struct ast_expr *e, struct span whole, struct expr **ret);

/* outer.c */
/* A column of `in` that the subquery below e reads and that is none of the keys; NULL: there is none. */
const struct expr *outer_but_keys(const struct expr *e, const struct logical *in, const struct lcol *keys, uint32_t key_count);
/* "a, b": the columns of s and of what is around it that the subquery's plan reads, as its name shows them; NULL: none. */
const char *outer_names(struct binder *b, const struct scope *s, const struct logical *plan);

/* relation.c: FROM */
struct logical *lp_new(struct binder *b, enum logical_kind kind, struct span span, struct logical *in0, struct logical *in1);
WARN_UNUSED int bind_relation(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret);
void scope_add(struct binder *b, struct scope *s, const char *qualifier, const struct lcol *cols, uint32_t count);
/* A project that gives lp's columns new ids. */
struct logical *lp_fresh(struct binder *b, struct logical *lp);
struct logical *lp_project(struct binder *b, struct logical *in, struct expr **exprs, const char **names, uint32_t count);

/* select.c: queries; ret's out has the names of the result */
WARN_UNUSED int bind_query(struct binder *b, const struct ast_rel *rel, struct logical **ret);

/* tables.c: files behind names */
struct table_source {
    const char *name, *format;
    const struct options *options;
    const char *const *paths;
    uint32_t path_count;
    const struct schema *schema; /* NULL: inferred */
    int32_t partition_count;     /* trailing columns of the schema that are folders; -1: what the folders say */
    bool may_be_missing;         /* a table of the catalog that has no file yet */
};
WARN_UNUSED int table_resolve(struct binder *b, const struct table_source *src, struct span span, const struct table_ref **ret);
WARN_UNUSED int table_of_relation(struct binder *b, const struct relation *r, struct span span, const struct table_ref **ret);
WARN_UNUSED int table_scan(struct binder *b, const struct table_ref *t, struct span span, struct logical **ret);
/* Folders key=value of a path below its root, first to last, unescaped; the values of null are PARTITION_NULL. */
uint32_t table_folders(struct arena *ar, const char *below, struct option *out, uint32_t max);
enum { TABLE_FOLDERS_MAX = 64 };

/* names.c: who is meant */
/* [[spark_catalog.]database.]name; *ret_database NULL: a bare name. ERR_DATABASE_MISSING when the catalog has no such database. */
WARN_UNUSED int name_split(struct binder *b, const struct ast_name *n, const char **ret_database, const char **ret_name);
/* A temporary view, else a relation of the catalog; NULL in *ret: there is none. */
WARN_UNUSED int name_find(struct binder *b, const struct ast_name *n, struct relation **ret);
WARN_UNUSED int name_need(struct binder *b, const struct ast_name *n, struct relation **ret); /* ERR_TABLE_MISSING */
int name_missing(struct binder *b, const struct ast_name *n, struct span span);
int name_missing_to_drop(struct binder *b, const struct ast_name *n);
const char *name_search_path(struct binder *b); /* as errors show it */
int name_missing_database(struct binder *b, const char *name, struct span span);
const char *name_last(const struct ast_name *n);
/* Sets the span and returns the code. */
int bind_fail_at(struct binder *b, struct span span);
/* "`a`, `b`" */
const char *name_list(struct arena *ar, const struct schema *sch);
/* A NULL-safe copy. */
const char *text_or_null(struct arena *ar, const char *s);
const char *quoted(struct arena *ar, const char *name); /* "`a`" */
const char *quoted_type(struct arena *ar, const struct type *t); /* "\"INT\"" */

/* rows.c: answers made here */
struct rows {
    struct builder bd;
    struct schema schema;
};
struct rows_column {
    const char *name;
    enum type_id type; /* STRING or BOOLEAN */
};
void rows_init(struct binder *b, struct rows *r, const struct rows_column *columns, uint32_t count);
void rows_text(struct rows *r, uint32_t col, const char *s); /* NULL: null */
void rows_bool(struct rows *r, uint32_t col, bool v);
void rows_end(struct rows *r);
void rows_texts(struct rows *r, const char *a, const char *b, const char *c); /* a row of three columns; fewer: NULLs are ignored past them */
void rows_done(struct rows *r, struct analyzed *ret);
void rows_none(struct analyzed *ret);
int rows_one(struct binder *b, const char *column, const char *value, struct analyzed *ret);
/* Spark's patterns: * is any text, | lies between alternatives, case does not count. NULL matches all. */
bool rows_match(const char *pattern, const char *name);

/* ddl.c */
int ddl_create_view(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_create_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_create_database(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_drop(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_drop_database(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_use(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int ddl_cache(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
struct options ddl_options(struct arena *ar, const struct ast_option *in, uint32_t count);
void schema_of_plan(struct binder *b, const struct logical *lp, struct schema *ret);

/* insert.c: writes */
/* The root of a write: in's columns, the partition columns moved to the end. */
int write_plan(struct binder *b, const char *format, const struct options *options, const struct write_target *target,
               const struct ast_part *partitions, uint32_t partition_count, struct logical *in, struct span span, struct analyzed *ret);
int insert_directory(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int insert_table(struct binder *b, const struct ast_statement *st, struct analyzed *ret);

/* show.c, describe.c, setting.c: the other commands */
int show_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
int describe_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
/* Name and value of what is known of a table besides its columns, in the order of DESCRIBE EXTENDED. */
uint32_t describe_details(struct binder *b, const struct relation *r, struct option *out, uint32_t max);
int setting_statement(struct binder *b, const struct ast_statement *st, struct analyzed *ret);
