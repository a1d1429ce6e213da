/*
 * The analyzer: an unresolved statement in, a bound logical plan or a command's rows and effect out. It works on a
 * snapshot, so it runs on planning workers. What a command changes comes back as data (struct effect), which the
 * server applies on its loop thread. Thread: worker.
 */
#pragma once

#include "driver/analyze/logical.h"
#include "driver/catalog/session.h"
#include "driver/sql/ast.h"

/*
 * What a statement changes, as data. The catalog may have changed since the snapshot: what another session did meanwhile
 * is an error of the statement (if_not_exists, if_exists: none).
 */
enum effect_kind {
    EFFECT_NONE,
    EFFECT_SET,           /* name = value */
    EFFECT_UNSET,         /* name; NULL: every setting */
    EFFECT_USE,           /* name of a database */
    EFFECT_VIEW,          /* relation becomes a temporary view of the session */
    EFFECT_DROP_VIEW,     /* name of a temporary view */
    EFFECT_RELATION,      /* relation becomes a table or view of the catalog */
    EFFECT_DROP_RELATION, /* database, name */
    EFFECT_DATABASE,      /* name, comment, location */
    EFFECT_DROP_DATABASE, /* name */
};
struct effect {
    enum effect_kind kind;
    bool replace, if_exists;
    const char *name, *value, *database, *comment, *location;
    struct relation *relation;  /* a reference that passes to the server */
    uint32_t folder_count;      /* DROP_*: folders of managed tables, which go once the catalog has forgotten them */
    const char **folders;
};

enum analyzed_kind {
    ANALYZED_QUERY,   /* plan; its rows are the result */
    ANALYZED_WRITE,   /* plan's root is LP_WRITE; effect is applied after the commit */
    ANALYZED_ROWS,    /* rows made here, schema beside; effect is applied at once */
    ANALYZED_EXPLAIN, /* plan of the inner statement; the server answers with its text */
};
struct analyzed {
    enum analyzed_kind kind;
    struct logical *plan;
    struct schema schema;     /* ROWS, QUERY: names and types of the result */
    struct sealed *rows;      /* ROWS: a reference, or NULL for none */
    struct effect effect;
    const struct ast_statement *explained; /* EXPLAIN: the inner statement */
    enum ast_explain explain;
};

WARN_UNUSED int analyze_statement(struct arena *ar, const struct snapshot *snap, const struct query_ctx *cx,
                                  const struct ast_statement *st, const char *sql, struct analyzed *ret, struct error *err);
