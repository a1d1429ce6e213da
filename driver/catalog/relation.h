/*
 * What a name of the catalog or of a session stands for: files, or the text of a query. Immutable once it is
 * published, counted, in an arena of its own. Thread: any.
 */
#pragma once

#include "common/format/provider.h"

struct relation {
    uint32_t refs;
    struct arena ar;
    const char *database;    /* NULL: temporary */
    const char *name;        /* as written */
    bool temporary;
    bool is_view;            /* a query's text; else files */
    bool managed;            /* its folder goes when it is dropped */
    int64_t created_us;      /* wall clock */
    const char *comment;     /* or NULL */
    struct options properties; /* TBLPROPERTIES */
    struct schema schema;    /* files: the user's, or what was inferred, partition columns last. Views: names and types when made */
    const char **comments;   /* per column of the schema; NULL: none has one */
    const char **defaults;   /* per column: SQL text of DEFAULT, or NULL; NULL: none has one */
    /* views */
    const char *sql;
    const char *sql_database; /* in which its names are looked up */
    bool renames;            /* CREATE VIEW v (a, b): the schema's names are in place of the query's */
    /* files */
    const char *format;
    struct options options;
    uint32_t path_count;
    const char **paths;      /* absolute, globs and folders not expanded */
    uint32_t partition_count; /* trailing columns of the schema that are folders */
};
struct relation *relation_new(void); /* one reference */
struct relation *relation_ref(struct relation *r);
void relation_unref(struct relation *r); /* accepts NULL */
/* "`spark_catalog`.`default`.`t`", or "`v`" of a temporary one. In ar. */
char *relation_quoted(struct arena *ar, const struct relation *r);
