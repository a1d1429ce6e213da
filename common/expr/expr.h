/*
 * Bound expressions: typed trees over the columns of an input. The driver's analyzer builds them (all
 * names resolved, every cast written out), the optimizer rewrites them, plans carry them, and executors
 * compile them once per stage into programs (program.h). Trees live in an arena and are immutable once
 * built: a rewrite makes new nodes and may share old ones. Thread: any.
 *
 * Everything that computes is a CALL of a row of the function table (fn.h), operators, casts, AND, OR,
 * CASE and COALESCE included; those that must not evaluate all arguments say so in their row.
 */
#pragma once

#include "common/col/column.h"
#include "common/error/error.h"
#include "common/expr/context.h"

/* One value of any type; strings and nested values borrow memory (mostly the expression's arena). */
struct value {
    const struct type *type;
    bool null;
    union {
        int64_t i;    /* BOOLEAN, integers, DATE, TIMESTAMP*, INTERVAL_* */
        int128_t d;   /* DECIMAL: unscaled */
        double f;     /* FLOAT, DOUBLE */
        struct {
            const char *ptr;
            uint32_t bytes;
        } s;          /* STRING, BINARY */
        const struct column *nested; /* ARRAY, MAP, STRUCT: a column of one row */
    };
};

enum expr_kind {
    EXPR_COLUMN,   /* column id `column` (driver) or ordinal in the input batch (in physical plans) */
    EXPR_LITERAL,
    EXPR_CALL,     /* fn(args) */
    EXPR_PARAM,    /* a typed parameter of the stage plan, known at launch: number `column` */
    /* On the driver only; none is left in a physical plan: */
    EXPR_OUTER,    /* column id of an enclosing query, inside a subquery */
    EXPR_SUBQUERY, /* plan + mode; args[0]: the left side of IN (args: several for a tuple) */
    EXPR_AGG,      /* an aggregate call before it is taken out into an Aggregate node */
};

enum subquery_mode { SUBQUERY_SCALAR, SUBQUERY_EXISTS, SUBQUERY_IN };

struct fn_row;  /* fn.h: scalar functions */
struct agg_row; /* agg.h: aggregate functions */
struct logical; /* driver/analyze/logical.h */

struct expr {
    enum expr_kind kind;
    const struct type *type;
    bool nullable;
    struct span span; /* of the statement's text; {0,0} for what the planner made */
    uint32_t column;
    uint32_t arg_count;
    struct expr **args;
    const struct fn_row *fn;
    struct value literal;
    /* EXPR_CALL of cast: type is the target. `mode` tells ANSI casts and arithmetic from try_ and legacy ones. */
    enum eval_mode { EVAL_LEGACY, EVAL_ANSI, EVAL_TRY } mode;
    bool implicit; /* a cast that the analyzer put in: not part of a name */
    /* EXPR_AGG: */
    const struct agg_row *agg;
    bool distinct;
    struct expr *filter; /* FILTER (WHERE ...), or NULL */
    /* EXPR_SUBQUERY: */
    enum subquery_mode subquery_mode;
    struct logical *plan;
    const char *name; /* EXPR_COLUMN: for messages and EXPLAIN; may be NULL. EXPR_CALL that became another function (nvl2 an
                         if, extract a year): what Spark calls it. EXPR_SUBQUERY: "a, b", the outer columns that it reads, or NULL. */
};

struct expr *expr_column(struct arena *ar, uint32_t column, const struct type *type, bool nullable, const char *name);
struct expr *expr_literal(struct arena *ar, struct value v);
struct expr *expr_bool(struct arena *ar, bool v);
struct expr *expr_int(struct arena *ar, int32_t v);
struct expr *expr_bigint(struct arena *ar, int64_t v);
struct expr *expr_null(struct arena *ar, const struct type *type);
struct expr *expr_string(struct arena *ar, const char *s);

/*
 * Builds fn(args) by Spark's rules: finds the row, coerces arguments (inserting casts in place of args[i]),
 * computes type and nullability. ERR_FUNCTION_MISSING, ERR_FUNCTION_ARGS, ERR_DATATYPE_MISMATCH*.
 * Operators are functions by name: "+", "-", "*", "/", "%", "div", "=", "<=>", "<", "<=", ">", ">=", "!=" , "and",
 * "or", "not", "negative" (unary -), "||" is concat, "isnull", "isnotnull", "in" (value, list...), "like"
 * (value, pattern, escape), "case" (cond, value, ..., [else]), "if", "coalesce", "between" is >= and <=.
 */
WARN_UNUSED int expr_call(struct arena *ar, const struct query_ctx *cx, const char *name, struct expr **args,
                          uint32_t arg_count, struct span span, struct expr **ret, struct error *err);
/* CAST(e AS type) in the given mode, e itself when the type is the same. ERR_DATATYPE_MISMATCH_CAST when Spark forbids it. */
WARN_UNUSED int expr_cast(struct arena *ar, struct expr *e, const struct type *type, enum eval_mode mode,
                          struct span span, struct expr **ret, struct error *err);
/* The same for an INSERT: what does not fit is an error that names the column (CAST_OVERFLOW_IN_TABLE_INSERT). */
WARN_UNUSED int expr_cast_stored(struct arena *ar, struct expr *e, const struct type *type, const char *column, struct span span,
                                 struct expr **ret, struct error *err);
/* The same, chosen by the planner itself: must be a legal cast. */
struct expr *expr_cast_must(struct arena *ar, const struct query_ctx *cx, struct expr *e, const struct type *type);
struct expr *expr_and(struct arena *ar, struct expr *a, struct expr *b); /* either may be NULL: the other */
/* The type both sides of a set operation, CASE, COALESCE, IN, VALUES get; NULL when there is none. */
const struct type *type_common(const struct query_ctx *cx, const struct type *a, const struct type *b);
bool expr_cast_allowed(const struct type *from, const struct type *to, enum eval_mode mode);

bool expr_eq(const struct expr *a, const struct expr *b); /* structurally, spans apart */
uint64_t expr_hash(const struct expr *e);
bool expr_is_deterministic(const struct expr *e);
bool expr_can_raise(const struct expr *e);
/* Calls fn for each node, children first. */
void expr_walk(struct expr *e, void (*fn)(struct expr *e, void *ctx), void *ctx);
/* Copy on write: fn gets each node, children already rewritten, and returns its replacement (or itself). */
struct expr *expr_rewrite(struct arena *ar, struct expr *e, struct expr *(*fn)(struct arena *ar, struct expr *e, void *ctx),
                          void *ctx);
/* Evaluates an expression without columns. Result memory in ar. Run-time errors come back as err with the span. */
WARN_UNUSED int expr_fold(struct arena *ar, const struct query_ctx *cx, const struct expr *e, struct value *ret,
                          struct error *err);
bool expr_is_foldable(const struct expr *e); /* deterministic, without columns, params, subqueries, aggregates */

/* Spark's text of an expression: the name of an unaliased column ("(a + 1)", "count(1)", "CAST(a AS STRING)", see
 * Spark's Expression.sql / usePrettyExpression). Appended. pretty: column names without quotes and casts as Spark
 * prints them in column names. */
void expr_print(const struct expr *e, bool pretty, struct buf *out);
/* value as a name of a column has it (a string bare, a date as DATE '...'); appended. */
void value_print(const struct value *v, struct buf *out);
/* value as the literal that makes it: 'x', 128S, 1.5D, 2.50BD; appended. */
void value_literal(const struct value *v, struct buf *out);
/* A column of `rows` equal values. */
struct column value_column(const struct value *v, uint32_t rows, struct arena *ar);
/* The value of one row; borrows from col. */
struct value column_value(const struct column *col, uint32_t row);
