/*
 * The unresolved plan: where all front ends meet. SQL text (parser.h), Spark Connect messages and native
 * jobs are three ways to write this tree; the analyzer turns it into the bound logical plan. Nothing is
 * looked up here: names are paths, functions are names, types are types.
 *
 * Every node lives in the arena that the parser was given, together with every string it points at, and is
 * never changed once the parser returned. Strings are UTF-8, NUL-ended. Nodes may be shared (CASE x WHEN a..
 * WHEN b.. has x in both conditions), so the plan is a DAG that is read like a tree.
 *
 * Depth is bounded: no path from a statement down to a leaf is longer than AST_DEPTH_MAX nodes (expressions,
 * relations and subqueries counted together); the parser refuses more with ERR_TOO_DEEP. AND and OR chains
 * are balanced binary trees (as Spark builds them, so names agree), chains of one set operation are one
 * n-ary node. Recursion over the plan is therefore safe.
 *
 * Spans are byte offsets into the statement's text as it was given to sql_parse; {0,0} where a front end
 * has none. Thread: any, read-only.
 */
#pragma once

#include "common/base/base.h"
#include "common/col/type.h"
#include "common/error/error.h"

enum { AST_DEPTH_MAX = 1000 };

struct ast_expr;
struct ast_rel;
struct ast_statement;

/* ---- names ---- */
struct ast_part {
    const char *text; /* without quotes; case as written */
    bool quoted;      /* was in backticks */
    struct span span; /* with its quotes */
};
/* a.b.c; count 0: no name there. */
struct ast_name {
    uint32_t count;
    struct ast_part *parts;
    struct span span;
};

/* ---- expressions ---- */
enum ast_lit_kind {
    AST_LIT_NULL,
    AST_LIT_BOOL,          /* i: 0 or 1 */
    AST_LIT_TINYINT,       /* i: 1Y */
    AST_LIT_SMALLINT,      /* i: 1S */
    AST_LIT_INT,           /* i */
    AST_LIT_BIGINT,        /* i: 1L, or a bare number beyond INT */
    AST_LIT_DECIMAL,       /* d, precision, scale: 1.5, 1.5BD, 2BD, or a bare number beyond BIGINT */
    AST_LIT_FLOAT,         /* f: 1.5F */
    AST_LIT_DOUBLE,        /* f: 1e3, 1.5D */
    AST_LIT_STRING,        /* text, bytes (may hold NUL bytes) */
    AST_LIT_BINARY,        /* text, bytes: X'1F' decoded */
    AST_LIT_DATE,          /* text: DATE '2020-01-01', not parsed (the analyzer casts it: ERR_INVALID_LITERAL) */
    AST_LIT_TIMESTAMP,     /* text: TIMESTAMP '..' and TIMESTAMP_LTZ '..'. Spark: without a zone it is in the session's */
    AST_LIT_TIMESTAMP_NTZ, /* text */
    AST_LIT_INTERVAL_YM,   /* i: months; type is interval `from` to `to` (0 YEAR 1 MONTH) */
    AST_LIT_INTERVAL_DT,   /* i: microseconds; type is interval `from` to `to` (0 DAY 1 HOUR 2 MINUTE 3 SECOND) */
};

struct ast_literal {
    enum ast_lit_kind kind;
    uint8_t precision, scale; /* DECIMAL */
    uint8_t from, to;         /* INTERVAL_* */
    int64_t i;
    double f;
    int128_t d;
    const char *text;         /* STRING..TIMESTAMP_NTZ */
    uint32_t bytes;           /* of text */
};

enum ast_expr_kind {
    AST_LITERAL,   /* lit. A sign in front of a number is part of the literal: -1 */
    AST_COLUMN,    /* name. One part that is no column may be a function without parentheses: current_date,
                      current_timestamp, current_time, localtimestamp, current_user, session_user, user,
                      current_catalog, current_database, grouping__id (Spark's order: column first) */
    AST_STAR,      /* name: qualifier (count 0: plain *); excepts: names of EXCEPT (...). Also the argument of count(*) */
    AST_CALL,      /* name(args): a function, scalar, aggregate or window, by its name; see "calls" below */
    AST_OP,        /* op(args): an operator by expr_call's name; see "operators" below. name is empty */
    AST_CAST,      /* CAST(args[0] AS type), args[0]::type; try_cast */
    AST_CASE,      /* args: condition, value, ..., [else] (odd count: there is an else). CASE x WHEN a is already x = a */
    AST_ALIAS,     /* args[0] AS name (one part), or AS (a, b): alias_count > 1 in aliases. In select lists, struct(a AS b), PIVOT */
    AST_ROW,       /* (a, b): a struct of its args, which may be AST_ALIAS */
    AST_SUBSCRIPT, /* args[0][args[1]] */
    AST_FIELD,     /* args[0].name where args[0] is no plain name: f(x).a, a[0].b */
    AST_LAMBDA,    /* (aliases) -> args[0] */
    AST_NAMED_ARG, /* name => args[0], only directly in args of a CALL */
    AST_SUBQUERY,  /* query by subquery_mode: scalar, EXISTS, or args IN (query) (several args: a tuple) */
    AST_PARAM,     /* ? (name empty, lit.i the ordinal from 0) or :name */
    AST_DEFAULT,   /* DEFAULT as a whole value of an INSERT ... VALUES row */
};

enum ast_subquery_mode { AST_SUBQUERY_SCALAR, AST_SUBQUERY_EXISTS, AST_SUBQUERY_IN };
enum ast_null_treatment { AST_NULLS_UNSAID, AST_NULLS_IGNORE, AST_NULLS_RESPECT };

/*
 * Calls. Special syntaxes come as plain calls in the argument order of Spark's functions:
 *   EXTRACT(YEAR FROM d)            extract('YEAR', d)
 *   SUBSTRING(s FROM 2 FOR 3)       substring(s, 2, 3)
 *   TRIM(BOTH 'x' FROM s)           trim('x', s); LEADING: ltrim('x', s); TRAILING: rtrim('x', s)
 *   POSITION(a IN b)                locate(a, b)
 *   OVERLAY(a PLACING b FROM 1 FOR 2)  overlay(a, b, 1, 2)
 *   TIMESTAMPADD(DAY, 1, t), DATEADD   timestampadd('DAY', 1, t); likewise timestampdiff('DAY', a, b)
 *   IF(a, b, c), LEFT(s, 1), DATE(s)   calls of these names
 *
 * Operators (op), named as in common/expr/expr.h:
 *   "+" "-" "*" "/" "%" "div" "||" "&" "|" "^" "<<" ">>" ">>>"  "=" "<=>" "<" "<=" ">" ">=" "!="  "and" "or"   (2 args)
 *   "not" "negative" "positive" "~" "isnull" "isnotnull"                                                    (1 arg)
 *   "in" (value, list...)   "between" (value, low, high)
 *   "like" "ilike" (value, pattern[, escape: a string literal])   "rlike" (value, pattern)
 *   "collate" (value, string literal)
 * Written out by the parser: NOT IN/BETWEEN/LIKE = not(..); IS [NOT] TRUE = [not] a <=> true; IS UNKNOWN = isnull;
 * IS DISTINCT FROM = not(a <=> b); LIKE ANY/SOME/ALL = or/and of likes; a == b is "="; a <> b is "!=" ; ! is "not".
 */
struct ast_window;

struct ast_expr {
    enum ast_expr_kind kind;
    struct span span;
    uint32_t depth; /* 1 for a leaf: 1 + the deepest child, subqueries included */
    uint32_t arg_count;
    struct ast_expr **args;
    const char *op;               /* OP: a constant string; compare by strcmp */
    struct ast_name name;         /* COLUMN, STAR, CALL, ALIAS, FIELD, NAMED_ARG, PARAM */
    struct ast_literal lit;       /* LITERAL, PARAM */
    uint32_t alias_count;         /* ALIAS (a, b), LAMBDA */
    struct ast_part *aliases;
    uint32_t except_count;        /* STAR */
    struct ast_name *excepts;
    /* CALL: */
    bool distinct;
    enum ast_null_treatment nulls; /* IGNORE NULLS, inside or after the parentheses */
    struct ast_expr *filter;       /* FILTER (WHERE ...) or NULL */
    uint32_t within_count;         /* WITHIN GROUP (ORDER BY ...) */
    struct ast_sort *within;
    struct ast_window *over;       /* OVER ... or NULL */
    /* CAST: */
    const struct type *type;
    struct span type_span;
    bool try_cast;
    /* SUBQUERY: */
    enum ast_subquery_mode subquery_mode;
    struct ast_rel *query;
};

struct ast_sort {
    struct ast_expr *expr;
    bool descending;
    enum ast_nulls_order { AST_NULLS_DEFAULT, AST_NULLS_FIRST, AST_NULLS_LAST } nulls; /* default: first iff ascending */
    struct span span;
};

enum ast_frame_unit { AST_FRAME_NONE, AST_FRAME_ROWS, AST_FRAME_RANGE };
enum ast_bound_kind { AST_BOUND_UNBOUNDED_PRECEDING, AST_BOUND_PRECEDING, AST_BOUND_CURRENT, AST_BOUND_FOLLOWING,
                      AST_BOUND_UNBOUNDED_FOLLOWING };
struct ast_window {
    const char *name;          /* OVER w, or the named window that this one starts from, or NULL */
    uint32_t partition_count;
    struct ast_expr **partitions;
    uint32_t sort_count;
    struct ast_sort *sorts;
    enum ast_frame_unit unit;
    enum ast_bound_kind low, high; /* high is CURRENT when only one bound was written */
    struct ast_expr *low_expr, *high_expr; /* n PRECEDING/FOLLOWING */
    struct span span;
};

/* ---- relations; a query is one too ---- */
enum ast_rel_kind {
    AST_TABLE,        /* name; also format.`path`: two parts where the catalog has no such table. options: WITH (k = v) */
    AST_VALUES,       /* rows of row_width expressions (rows[i * row_width + j]); all rows are equally wide. Columns col1.. */
    AST_TABLE_FN,     /* name(exprs): range(..), explode(..); args may be AST_NAMED_ARG */
    AST_JOIN,         /* inputs[0] join inputs[1] */
    AST_REL_ALIAS,    /* inputs[0] AS alias(columns). alias NULL: a subquery without name. Either way the qualifiers
                         below are hidden: only alias.column is seen */
    AST_SELECT,       /* the core: SELECT exprs FROM inputs[0] WHERE .. GROUP BY .. HAVING; input_count 0: no FROM */
    AST_SETOP,        /* inputs (2 or more) by setop, left to right */
    AST_QUERY,        /* [WITH ..] inputs[0] [ORDER BY ..] [LIMIT ..] [OFFSET ..]; only there when one of them is.
                         ORDER BY over a SELECT sees its output first, then its input */
    AST_SAMPLE,       /* inputs[0] TABLESAMPLE (sample) */
    AST_LATERAL_VIEW, /* inputs[0] LATERAL VIEW [OUTER] call(exprs) alias AS columns */
    AST_PIVOT,        /* inputs[0] PIVOT (exprs FOR pivot_columns IN (pivot_values)) */
};

enum ast_join_kind { AST_JOIN_INNER, AST_JOIN_CROSS /* CROSS JOIN or a comma */, AST_JOIN_LEFT, AST_JOIN_RIGHT,
                     AST_JOIN_FULL, AST_JOIN_LEFT_SEMI, AST_JOIN_LEFT_ANTI };
enum ast_setop { AST_UNION, AST_INTERSECT, AST_EXCEPT };
enum ast_sort_scope { AST_SORT_ORDER /* ORDER BY */, AST_SORT_LOCAL /* SORT BY */, AST_SORT_CLUSTER /* CLUSTER BY */ };

struct ast_hint {
    const char *name; /* upper case: BROADCAST, REPARTITION, COALESCE, MERGE, ... */
    uint32_t arg_count;
    struct ast_expr **args; /* names of tables are AST_COLUMN */
    struct span span;
};

/* One member of WITH. */
struct ast_cte {
    struct ast_part name;
    uint32_t column_count;
    struct ast_part *columns;
    struct ast_rel *query;
    struct span span;
};

struct ast_named_window {
    const char *name;
    struct ast_window *window;
};

struct ast_option {
    const char *key;   /* a.b.c parts joined by dots, case as written */
    const char *value; /* literals as text; NULL when none was given */
    struct span span;
};

/* One grouping set: indices into group_exprs. */
struct ast_grouping_set {
    uint32_t count;
    uint32_t *exprs;
};

struct ast_rel {
    enum ast_rel_kind kind;
    struct span span;
    uint32_t depth;
    uint32_t input_count;
    struct ast_rel **inputs;

    struct ast_name name;         /* TABLE, TABLE_FN, LATERAL_VIEW: the function */
    struct ast_part alias;        /* REL_ALIAS, LATERAL_VIEW: text NULL when there is none */
    uint32_t column_count;        /* REL_ALIAS, LATERAL_VIEW: t(a, b); JOIN: USING (a, b) */
    struct ast_part *columns;
    uint32_t option_count;        /* TABLE */
    struct ast_option *options;
    uint32_t expr_count;          /* SELECT: the projection (AST_ALIAS where aliased); TABLE_FN, LATERAL_VIEW: args; PIVOT: aggregates */
    struct ast_expr **exprs;
    /* VALUES */
    uint32_t row_count, row_width;
    struct ast_expr **rows;
    /* JOIN */
    enum ast_join_kind join;
    bool natural, lateral;        /* lateral: the right side sees the left one's columns */
    struct ast_expr *on;          /* or NULL; USING is in columns */
    /* SELECT */
    bool distinct;
    struct ast_expr *where, *having, *qualify;
    bool group_by_all;            /* GROUP BY ALL */
    uint32_t group_count;         /* GROUP BY expressions; integer literals are ordinals */
    struct ast_expr **group_exprs;
    uint32_t set_count;           /* ROLLUP, CUBE, GROUPING SETS written out; 0: one plain set of all group_exprs.
                                     Equal expressions that are written differently (t.a, a) are listed twice */
    struct ast_grouping_set *sets;
    uint32_t hint_count;
    struct ast_hint *hints;
    uint32_t window_count;        /* WINDOW w AS (...) */
    struct ast_named_window *windows;
    /* SETOP */
    enum ast_setop setop;
    bool all;                     /* UNION ALL, ... */
    /* QUERY */
    bool recursive;               /* WITH RECURSIVE */
    uint32_t cte_count;
    struct ast_cte *ctes;
    uint32_t sort_count;
    struct ast_sort *sorts;
    enum ast_sort_scope sort_scope;
    uint32_t distribute_count;    /* DISTRIBUTE BY; CLUSTER BY has sorts alone */
    struct ast_expr **distribute;
    struct ast_expr *limit, *offset; /* NULL: none; LIMIT ALL is none */
    /* SAMPLE: percent of rows, or rows, or bucket x of y */
    enum ast_sample { AST_SAMPLE_PERCENT, AST_SAMPLE_ROWS, AST_SAMPLE_BUCKET } sample;
    struct ast_expr *sample_value;
    int64_t sample_bucket, sample_buckets;
    bool sample_seeded;           /* REPEATABLE (seed) */
    int64_t sample_seed;
    /* LATERAL_VIEW */
    bool outer;
    /* PIVOT */
    uint32_t pivot_column_count;
    struct ast_expr **pivot_columns;
    uint32_t pivot_value_count;
    struct ast_expr **pivot_values; /* AST_ALIAS where aliased, AST_ROW for several columns */
};

/* ---- statements ---- */
enum ast_statement_kind {
    AST_STMT_QUERY,           /* query */
    AST_STMT_CREATE_VIEW,     /* name; or_replace, if_not_exists, temporary, global; columns (names, comments); query. Or, temporary
                                 only: columns with types (may be none), format, options */
    AST_STMT_CREATE_TABLE,    /* name; or_replace, if_not_exists, temporary, columns, format (NULL: default), options, properties,
                                 partitions, location, comment, query */
    AST_STMT_DROP_TABLE,      /* name, if_exists */
    AST_STMT_DROP_VIEW,       /* name, if_exists */
    AST_STMT_INSERT,          /* name, overwrite, if_not_exists, partitions (with values where static), insert_columns, by_name, query */
    AST_STMT_INSERT_DIR,      /* overwrite; location (NULL: options has path), local, format, options, query */
    AST_STMT_DESCRIBE,        /* name, extended; insert_columns[0]: DESCRIBE t c */
    AST_STMT_DESCRIBE_QUERY,  /* query */
    AST_STMT_DESCRIBE_FUNCTION, /* name, extended */
    AST_STMT_DESCRIBE_DATABASE, /* name, extended */
    AST_STMT_SHOW_TABLES,     /* name: database or empty; pattern or NULL; extended */
    AST_STMT_SHOW_VIEWS,      /* the same */
    AST_STMT_SHOW_COLUMNS,    /* name: of the table (FROM db prefixed) */
    AST_STMT_SHOW_FUNCTIONS,  /* name: database or empty; pattern; scope: "user", "system", "all" or NULL */
    AST_STMT_SHOW_DATABASES,  /* pattern */
    AST_STMT_SHOW_CREATE_TABLE, /* name */
    AST_STMT_SHOW_PARTITIONS, /* name, partitions */
    AST_STMT_SHOW_TBLPROPERTIES, /* name; key or NULL */
    AST_STMT_SHOW_CURRENT,    /* SHOW CURRENT DATABASE */
    AST_STMT_SHOW_CATALOGS,   /* pattern */
    AST_STMT_SET,             /* key NULL: all of them (verbose: SET -v); value NULL: show that one */
    AST_STMT_RESET,           /* key or NULL: all */
    AST_STMT_SET_TIME_ZONE,   /* value: a zone, "LOCAL", or an offset as "+02:00" from INTERVAL */
    AST_STMT_USE,             /* name */
    AST_STMT_CREATE_DATABASE, /* name, if_not_exists, comment, location, properties */
    AST_STMT_DROP_DATABASE,   /* name, if_exists, cascade */
    AST_STMT_CACHE,           /* name, lazy, options, query or NULL */
    AST_STMT_UNCACHE,         /* name, if_exists */
    AST_STMT_CLEAR_CACHE,
    AST_STMT_REFRESH,         /* name, or value: a path */
    AST_STMT_ANALYZE,         /* ANALYZE TABLE name COMPUTE STATISTICS ...; parsed, details dropped */
    AST_STMT_EXPLAIN,         /* explain, inner */
    AST_STMT_ADD_RESOURCE,    /* ADD JAR|FILE|ARCHIVE: key is the kind in upper case, value the rest of the line */
};

enum ast_explain { AST_EXPLAIN_SIMPLE, AST_EXPLAIN_EXTENDED, AST_EXPLAIN_FORMATTED, AST_EXPLAIN_COST, AST_EXPLAIN_CODEGEN };

struct ast_column_def {
    struct ast_part name;
    const struct type *type;       /* NULL in a view's column list and in PARTITIONED BY (a, b) */
    struct span type_span;
    bool not_null;
    const char *comment;           /* or NULL */
    struct ast_expr *default_expr; /* or NULL */
};

struct ast_partition {
    struct ast_part name;
    struct ast_expr *value; /* PARTITION (p = 1); NULL: dynamic */
};

struct ast_statement {
    enum ast_statement_kind kind;
    struct span span;
    struct ast_name name;
    struct ast_rel *query;
    struct ast_statement *inner;   /* EXPLAIN */
    enum ast_explain explain;
    bool or_replace, if_not_exists, if_exists, temporary, global, overwrite, local, by_name, extended, verbose, lazy, cascade;
    uint32_t column_count;
    struct ast_column_def *columns;
    uint32_t partition_count;      /* PARTITIONED BY names in CREATE TABLE; PARTITION (...) in INSERT */
    struct ast_partition *partitions;
    uint32_t partition_def_count;  /* CREATE TABLE ... PARTITIONED BY (p INT): with types; also listed in partitions */
    struct ast_column_def *partition_defs;
    uint32_t insert_column_count;
    struct ast_part *insert_columns;
    const char *format;            /* USING, or NULL */
    struct span format_span;
    uint32_t option_count;
    struct ast_option *options;
    uint32_t property_count;
    struct ast_option *properties; /* TBLPROPERTIES, DBPROPERTIES */
    const char *location, *comment, *pattern, *scope, *key, *value;
    struct span location_span, key_span;
};

/* The plan as text, one node a line, indented: for tests and debugging. Appended. */
void ast_print(const struct ast_statement *st, struct buf *out);
void ast_print_rel(const struct ast_rel *rel, int indent, struct buf *out);
/* One line: "(and (= a 1) (call f DISTINCT b))". Appended. */
void ast_print_expr(const struct ast_expr *e, struct buf *out);
/* "a.b.`c d`": quoted only where it was. Appended. */
void ast_print_name(const struct ast_name *name, struct buf *out);
