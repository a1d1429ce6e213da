/*
 * The catalog of a driver: databases, and their tables and views. It lives as long as its driver and is seen by all
 * sessions. What statements see is a snapshot, immutable and counted: the loop thread makes a new one for every
 * change. Names compare without case. Thread: snapshots any; changes: loop.
 */
#pragma once

#include "driver/catalog/relation.h"

#define CATALOG_NAME "spark_catalog"
#define CATALOG_DATABASE "default"
#define CATALOG_GLOBAL_TEMP "global_temp" /* of global temporary views: all sessions see it, no list shows it */

struct database {
    uint32_t refs;
    char *name, *comment, *location; /* comment may be NULL; location absolute, or NULL: spark-warehouse of the client */
    struct strmap relations; /* lower-case name -> struct relation, each with a reference */
};
struct catalog {
    uint32_t refs;
    struct strmap databases; /* lower-case name -> struct database, each with a reference */
};

struct catalog *catalog_new(void); /* with default and global_temp; one reference */
struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c); /* accepts NULL */
/* A copy with one reference, to be changed before it is published. Databases are copied when they change. */
struct catalog *catalog_copy(const struct catalog *c);

const struct database *catalog_database(const struct catalog *c, const char *name);             /* borrowed, NULL: none */
struct relation *catalog_find(const struct catalog *c, const char *database, const char *name); /* borrowed, NULL: none */
/* take->database exists. Replaces one of the same name. */
void catalog_put(struct catalog *c, struct relation *take);
bool catalog_drop(struct catalog *c, const char *database, const char *name);
void catalog_put_database(struct catalog *c, const char *name, const char *comment, const char *location);
bool catalog_drop_database(struct catalog *c, const char *name);
/* The key of a name: lower case. In ar. */
char *catalog_key(struct arena *ar, const char *name);
