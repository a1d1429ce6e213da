/*
 * The bound logical plan: typed relational operators over columns with ids. After analysis a column is
 * its id, unique within the query; nothing is looked up by name. Nodes live in the query's arena and are
 * never changed in place once another node points at them: optimizer rules build new ones.
 */
#pragma once

#include "common/expr/agg.h"
#include "common/expr/expr.h"
#include "common/format/commit.h"
#include "common/format/provider.h"
#include "common/plan/plan.h"

struct lcol {
    uint32_t id;
    const char *name;
    const struct type *type;
    bool nullable;
};

enum logical_kind {
    LP_SCAN,      /* files of a table: `table`; out = the columns read */
    LP_RANGE,
    LP_VALUES,    /* rows of foldable expressions (also the one row of a FROM-less SELECT) */
    LP_PROJECT,   /* exprs[i] computes out[i] */
    LP_FILTER,    /* condition; out = input's */
    LP_AGGREGATE, /* keys (exprs) then aggs (EXPR_AGG each): out = keys ++ aggs */
    LP_JOIN,      /* join_kind, condition over both outs (NULL: cross); out by kind: left ++ right, left (semi, anti), left ++ mark */
    LP_SORT,      /* keys; global order */
    LP_LIMIT,     /* limit (< 0 none), offset */
    LP_UNION,     /* all; inputs have equal types column by column; out has fresh ids */
    LP_SETOP,     /* intersect/except [all]; the optimizer turns it into joins and aggregates */
    LP_DISTINCT,  /* likewise an aggregate over all columns */
    LP_EXPAND,    /* grouping sets: lists[i][j] computes out[j] */
    LP_WRITE,     /* input to files; no output columns */
};

enum setop_kind { SETOP_INTERSECT, SETOP_EXCEPT };

/* A resolved relation of files: agreed with the catalog; immutable. */
struct table_ref {
    const char *name;              /* as the user named it, for messages and EXPLAIN */
    const char *format;
    struct options options;
    uint32_t path_count;
    const char **paths;            /* absolute, globs already expanded by common/format/files */
    struct schema file_schema, partition_schema;
};

struct lsort {
    struct expr *expr;
    bool descending, nulls_last;
};

struct logical {
    enum logical_kind kind;
    struct span span;
    uint32_t out_count;
    struct lcol *out;
    uint32_t input_count;
    struct logical **inputs;

    const struct table_ref *table;  /* SCAN */
    uint32_t *table_columns;        /* SCAN: per out, index into file_schema ++ partition_schema */
    uint32_t conjunct_count;        /* SCAN: pushed filters over its own column ids (optimizer) */
    struct expr **conjuncts;
    int64_t range_start, range_end, range_step, range_parts; /* RANGE; parts <= 0: not given by the user */
    uint32_t row_count;             /* VALUES: rows[i][j] */
    struct expr ***rows;
    uint32_t expr_count;            /* PROJECT outputs; AGGREGATE keys */
    struct expr **exprs;
    uint32_t agg_count;             /* AGGREGATE */
    struct expr **aggs;
    struct expr *condition;         /* FILTER, JOIN */
    enum join_kind join_kind;       /* JOIN */
    uint32_t sort_count;            /* SORT */
    struct lsort *sorts;
    int64_t limit, offset;          /* LIMIT */
    enum setop_kind setop;          /* SETOP */
    bool setop_all;
    uint32_t list_count;            /* EXPAND */
    struct expr ***lists;
    const char *write_format;       /* WRITE */
    struct write_target write_target;
    struct options write_options;
    struct schema write_schema;     /* WRITE: names in the files and folders, by position of the input's columns */
    uint32_t write_partition_count; /* WRITE: trailing columns of the input are partition folders */
};

/* The tree as EXPLAIN shows it; appended. */
void logical_print(const struct logical *lp, int indent, struct buf *out);
