/*
 * Sessions and what they know: settings and temporary views; the catalog of tables that lives as long as its
 * driver. What statements see is a snapshot, immutable and counted: the loop thread makes a new one for every
 * change, planning workers keep theirs. Thread: snapshots any; changes and sessions: loop.
 */
#pragma once

#include "common/config/settings.h"
#include "common/expr/context.h"
#include "driver/analyze/logical.h"

/* A name of the catalog: a view over a query's text, or a relation of files. Immutable, in its own arena. */
struct relation {
    uint32_t refs;
    struct arena ar;
    const char *name;
    bool temporary;
    bool is_view;            /* query below; else files */
    const char *sql;         /* text of the query */
    uint32_t column_count;   /* CREATE VIEW v (a, b): names in place of the query's */
    const char **columns;
    const char *format;      /* files */
    struct options options;
    uint32_t path_count;
    const char **paths;      /* absolute, globs and folders not expanded */
    struct schema schema;    /* the user's, or what was inferred; partition columns last */
    bool has_schema;
};
struct relation *relation_new(void); /* one reference */
struct relation *relation_ref(struct relation *r);
void relation_unref(struct relation *r);

struct snapshot {
    uint32_t refs;
    struct settings settings;
    struct strmap relations;  /* lower-case name -> struct relation, each with a reference */
    const char *working_dir;  /* the client's */
    const char *user;
};
struct snapshot *snapshot_new(const char *working_dir, const char *user);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
/* A copy with one reference, to be changed before it is published. */
struct snapshot *snapshot_copy(const struct snapshot *s);
struct relation *snapshot_find(const struct snapshot *s, const char *name); /* any case; borrowed */
void snapshot_put(struct snapshot *s, struct relation *take);
bool snapshot_drop(struct snapshot *s, const char *name);

/* The frozen context of a query that starts now, in ar. */
WARN_UNUSED int snapshot_context(const struct snapshot *s, struct arena *ar, int64_t now_us, uint64_t seed,
                                 struct query_ctx *ret, struct error *err);
/* Absolute form of a path as the client wrote it; file: URIs too. In ar. */
const char *snapshot_path(const struct snapshot *s, struct arena *ar, const char *path);
