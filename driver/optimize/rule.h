/* What the rules share: the run's context, sets of columns, copies of nodes, expressions. */
#pragma once

#include "driver/optimize/estimate.h"
#include "driver/optimize/optimize.h"

struct opt {
    struct arena *ar;
    const struct query_ctx *cx;
    struct optimize_env *env;
    struct estimates *est;
    uint32_t next_id; /* of columns */
    struct error *err;
};

/* A set of column ids. */
struct colset {
    uint64_t *words;
    uint32_t word_count;
};
void colset_add(struct arena *ar, struct colset *s, uint32_t id);
bool colset_has(const struct colset *s, uint32_t id);
void colset_add_expr(struct arena *ar, struct colset *s, const struct expr *e); /* EXPR_COLUMN ids */
void colset_add_out(struct arena *ar, struct colset *s, const struct logical *lp);
void colset_add_set(struct arena *ar, struct colset *s, const struct colset *other);
bool colset_empty(const struct colset *s);
bool colset_subset(const struct colset *a, const struct colset *b); /* a within b */
bool colset_meets(const struct colset *a, const struct colset *b);
bool expr_within(const struct expr *e, const struct colset *s);     /* all its columns are in s */
bool expr_touches(const struct expr *e, const struct colset *s);    /* any is */
bool expr_has_kind(const struct expr *e, enum expr_kind kind);      /* not looking into subquery plans */
bool expr_has_columns(const struct expr *e);

/* Conjuncts. */
struct exprs {
    struct expr **items;
    uint32_t count, cap;
};
void exprs_add(struct arena *ar, struct exprs *list, struct expr *e);
void exprs_add_conjuncts(struct arena *ar, struct exprs *list, struct expr *e); /* splits at AND; NULL: none; drops literal true */
void exprs_add_disjuncts(struct arena *ar, struct exprs *list, struct expr *e);
bool exprs_has(const struct exprs *list, const struct expr *e);
struct expr *exprs_and(struct arena *ar, const struct exprs *list); /* NULL when empty */
struct expr *exprs_or(struct opt *o, const struct exprs *list);

bool is_call(const struct expr *e, const char *name);
bool is_literal_bool(const struct expr *e, bool v);
bool is_literal_null(const struct expr *e);
/* fn(args), which must be legal: planner's own. */
struct expr *call1(struct opt *o, const char *name, struct expr *a);
struct expr *call2(struct opt *o, const char *name, struct expr *a, struct expr *b);
struct expr *call3(struct opt *o, const char *name, struct expr *a, struct expr *b, struct expr *c);
struct expr *column_of(struct opt *o, const struct lcol *col);
/* Whether lp's columns are these, in this order. */
bool has_columns(const struct logical *lp, const struct lcol *out, uint32_t count);
/* A column = column comparison of equal types: "=" or (when asked) "<=>". */
bool is_equality(const struct expr *e, bool *ret_null_safe);
/* Copy with columns replaced: by[i] stands for column id ids[i]. */
struct expr *expr_replace(struct opt *o, struct expr *e, const struct lcol *ids, struct expr *const *by, uint32_t count);
/* Whether e is null or false whenever all columns of s are null. */
bool null_rejecting(const struct expr *e, const struct colset *s);
/* Whether e is null whenever all columns of s are null. */
bool null_on_null(const struct expr *e, const struct colset *s);

/* Nodes. */
struct logical *logical_copy(struct opt *o, const struct logical *lp);
struct logical *logical_with_inputs(struct opt *o, const struct logical *lp, struct logical *const *inputs); /* lp itself when equal */
struct logical *logical_map(struct opt *o, const struct logical *lp,
                            struct expr *(*fn)(struct opt *o, struct expr *e, void *ctx), void *ctx); /* every expression of this node */
struct logical *make_filter(struct opt *o, struct logical *in, struct expr *condition); /* in itself for NULL or true */
struct logical *make_join(struct opt *o, enum join_kind kind, struct logical *left, struct logical *right, struct expr *condition);
struct logical *make_project(struct opt *o, struct logical *in, struct lcol *out, struct expr **exprs, uint32_t count);
struct logical *make_limit(struct opt *o, struct logical *in, int64_t limit, int64_t offset);
/* Passes in's columns through and adds one more, whose id comes back. */
struct logical *project_add(struct opt *o, struct logical *in, struct expr *e, const char *name, uint32_t *ret_id);
struct lcol new_col(struct opt *o, const char *name, const struct type *type, bool nullable);
struct logical *make_empty(struct opt *o, const struct logical *like); /* VALUES without rows */
bool logical_is_empty(const struct logical *lp);

/* The rules, in the order in which optimize() runs them. */
struct logical *rule_simplify(struct opt *o, struct logical *lp);                      /* simplify.c */
struct expr *simplify_expr(struct opt *o, struct expr *e);
WARN_UNUSED int rule_subqueries(struct opt *o, struct logical *lp, struct logical **ret); /* subquery.c */
/* A correlated scalar subquery that ends in LIMIT without it; others as they are; pick.c */
struct logical *pick_row(struct opt *o, struct logical *lp);
/* sub without its outer columns, all of which belong to left: ret_preds gets the conditions that join it to left; domain.c */
WARN_UNUSED int domain_join(struct opt *o, struct logical *left, struct logical *sub, struct exprs *ret_preds, struct logical **ret);
struct logical *rule_setops(struct opt *o, struct logical *lp);                        /* setop.c */
struct logical *rule_pushdown(struct opt *o, struct logical *lp);                      /* pushdown.c */
struct logical *rule_distinct_aggregates(struct opt *o, struct logical *lp);           /* distinct.c */
struct logical *rule_reorder(struct opt *o, struct logical *lp);                       /* reorder.c */
struct logical *rule_merge_projects(struct opt *o, struct logical *lp);                /* project.c */
struct logical *rule_limits(struct opt *o, struct logical *lp);                        /* limit.c */
struct logical *rule_prune(struct opt *o, struct logical *lp);                         /* prune.c */
