/* See catalog.h. */
#include "driver/catalog/catalog.h"

#include <ctype.h>

char *catalog_key(struct arena *ar, const char *name)
{
    char *key = arena_strdup(ar, name);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return key;
}

/* ---- databases ---- */

static struct database *database_new(const char *name, const char *comment, const char *location)
{
    struct database *db = xcalloc(1, sizeof *db);
    db->refs = 1;
    db->name = xstrdup(name);
    db->comment = comment ? xstrdup(comment) : NULL;
    db->location = location ? xstrdup(location) : NULL;
    strmap_init(&db->relations);
    return db;
}

static struct database *database_ref(struct database *db)
{
    __atomic_add_fetch(&db->refs, 1, __ATOMIC_RELAXED);
    return db;
}

static void database_unref(struct database *db)
{
    if (!db || __atomic_sub_fetch(&db->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    STRMAP_EACH(&db->relations, e)
        relation_unref(e->value);
    strmap_fini(&db->relations);
    xfree(db->name);
    xfree(db->comment);
    xfree(db->location);
    xfree(db);
}

static struct database *database_copy(const struct database *db)
{
    struct database *copy = database_new(db->name, db->comment, db->location);
    STRMAP_EACH(&db->relations, e)
        strmap_put(&copy->relations, e->key, relation_ref(e->value));
    return copy;
}

/* ---- the whole ---- */

static struct catalog *empty(void)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    c->refs = 1;
    strmap_init(&c->databases);
    return c;
}

struct catalog *catalog_new(void)
{
    struct catalog *c = empty();
    catalog_put_database(c, CATALOG_DATABASE, "default database", NULL);
    catalog_put_database(c, CATALOG_GLOBAL_TEMP, NULL, NULL);
    return c;
}

struct catalog *catalog_ref(struct catalog *c)
{
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    STRMAP_EACH(&c->databases, e)
        database_unref(e->value);
    strmap_fini(&c->databases);
    xfree(c);
}

struct catalog *catalog_copy(const struct catalog *c)
{
    struct catalog *copy = empty();
    STRMAP_EACH(&c->databases, e)
        strmap_put(&copy->databases, e->key, database_ref(e->value));
    return copy;
}

static struct database *find(const struct catalog *c, const char *name)
{
    struct arena ar;
    arena_init(&ar);
    struct database *db = strmap_get(&c->databases, catalog_key(&ar, name));
    arena_fini(&ar);
    return db;
}

const struct database *catalog_database(const struct catalog *c, const char *name)
{
    return find(c, name);
}

struct relation *catalog_find(const struct catalog *c, const char *database, const char *name)
{
    const struct database *db = find(c, database);
    struct arena ar;
    if (!db)
        return NULL;
    arena_init(&ar);
    struct relation *r = strmap_get(&db->relations, catalog_key(&ar, name));
    arena_fini(&ar);
    return r;
}

/* The database, for a change: other snapshots keep theirs. */
static struct database *own(struct catalog *c, const char *name)
{
    struct database *db = find(c, name);
    ASSERT(db);
    struct database *copy = database_copy(db);
    struct arena ar;
    arena_init(&ar);
    database_unref(strmap_put(&c->databases, catalog_key(&ar, name), copy));
    arena_fini(&ar);
    return copy;
}

void catalog_put(struct catalog *c, struct relation *take)
{
    struct database *db = own(c, take->database);
    struct arena ar;
    arena_init(&ar);
    relation_unref(strmap_put(&db->relations, catalog_key(&ar, take->name), take));
    arena_fini(&ar);
}

bool catalog_drop(struct catalog *c, const char *database, const char *name)
{
    if (!catalog_find(c, database, name))
        return false;
    struct database *db = own(c, database);
    struct arena ar;
    arena_init(&ar);
    relation_unref(strmap_remove(&db->relations, catalog_key(&ar, name)));
    arena_fini(&ar);
    return true;
}

void catalog_put_database(struct catalog *c, const char *name, const char *comment, const char *location)
{
    struct arena ar;
    arena_init(&ar);
    database_unref(strmap_put(&c->databases, catalog_key(&ar, name), database_new(name, comment, location)));
    arena_fini(&ar);
}

bool catalog_drop_database(struct catalog *c, const char *name)
{
    struct arena ar;
    arena_init(&ar);
    struct database *db = strmap_remove(&c->databases, catalog_key(&ar, name));
    arena_fini(&ar);
    database_unref(db);
    return db != NULL;
}
