/*
 * What a session knows: settings, temporary views, the database that bare names are looked up in, and the catalog of
 * its driver. What statements see is a snapshot, immutable and counted: the loop thread makes a new one for every
 * change, planning workers keep theirs. Thread: snapshots any; changes: loop.
 */
#pragma once

#include "common/config/settings.h"
#include "common/expr/context.h"
#include "driver/catalog/catalog.h"

struct snapshot {
    uint32_t refs;
    struct settings settings;
    struct strmap views;      /* temporary: lower-case name -> struct relation, each with a reference */
    struct catalog *catalog;  /* a reference */
    const char *database;     /* the current one */
    const char *working_dir;  /* the client's */
    const char *user;
};
struct snapshot *snapshot_new(struct catalog *catalog, const char *working_dir, const char *user);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
/* A copy with one reference, to be changed before it is published. */
struct snapshot *snapshot_copy(const struct snapshot *s);
void snapshot_set_catalog(struct snapshot *s, struct catalog *c);
void snapshot_set_database(struct snapshot *s, const char *name);
struct relation *snapshot_view(const struct snapshot *s, const char *name); /* temporary, any case; borrowed */
void snapshot_put_view(struct snapshot *s, struct relation *take);
bool snapshot_drop_view(struct snapshot *s, const char *name);

/* The frozen context of a query that starts now, in ar. */
WARN_UNUSED int snapshot_context(const struct snapshot *s, struct arena *ar, int64_t now_us, uint64_t seed,
                                 struct query_ctx *ret, struct error *err);
/* Absolute form of a path as the client wrote it; file: URIs too. In ar. */
const char *snapshot_path(const struct snapshot *s, struct arena *ar, const char *path);
