/* Shared inside the analyzer: the binder, its scopes, and who binds what. */
#pragma once

#include "driver/analyze/analyze.h"

enum { VIEW_DEPTH_MAX = 100 };

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
    struct cte *visible;     /* what its own query sees */
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
    bool outer_used;
    struct lcol *gid;        /* grouping_id of the SELECT at hand, with the group expressions it numbers */
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
struct lcol bind_new_col(struct binder *b, const char *name, const struct type *type, bool nullable);
/* The name of a select item without an alias. */
const char *bind_item_name(struct binder *b, const struct ast_expr *ast, const struct expr *e);
bool bind_name_eq(const struct binder *b, const char *a, const char *c);
/* WHERE and HAVING of the query at `whole`: a boolean. */
int bind_filter(struct binder *b, struct scope *s, const struct ast_expr *e, struct span whole, struct expr **ret);

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
WARN_UNUSED int table_resolve(struct binder *b, const char *name, const char *format, const struct options *options,
                              const char *const *paths, uint32_t path_count, const struct schema *schema, struct span span,
                              const struct table_ref **ret);
WARN_UNUSED int table_scan(struct binder *b, const struct table_ref *t, struct span span, struct logical **ret);
