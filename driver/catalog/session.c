/* Snapshots of what a session knows; see session.h. */
#include "driver/catalog/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/expr/zone.h"

struct snapshot *snapshot_new(struct catalog *catalog, const char *working_dir, const char *user)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    settings_init(&s->settings);
    strmap_init(&s->views);
    s->catalog = catalog_ref(catalog);
    s->database = xstrdup(CATALOG_DATABASE);
    s->working_dir = xstrdup(working_dir);
    s->user = xstrdup(user);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    settings_fini(&s->settings);
    STRMAP_EACH(&s->views, e)
        relation_unref(e->value);
    strmap_fini(&s->views);
    catalog_unref(s->catalog);
    xfree((void *)(uintptr_t)s->database);
    xfree((void *)(uintptr_t)s->working_dir);
    xfree((void *)(uintptr_t)s->user);
    xfree(s);
}

struct snapshot *snapshot_copy(const struct snapshot *s)
{
    struct snapshot *c = snapshot_new(s->catalog, s->working_dir, s->user);
    settings_fini(&c->settings);
    settings_copy(&c->settings, &s->settings);
    snapshot_set_database(c, s->database);
    STRMAP_EACH(&s->views, e)
        strmap_put(&c->views, e->key, relation_ref(e->value));
    return c;
}

void snapshot_set_catalog(struct snapshot *s, struct catalog *c)
{
    catalog_ref(c);
    catalog_unref(s->catalog);
    s->catalog = c;
}

void snapshot_set_database(struct snapshot *s, const char *name)
{
    char *copy = xstrdup(name);
    xfree((void *)(uintptr_t)s->database);
    s->database = copy;
}

struct relation *snapshot_view(const struct snapshot *s, const char *name)
{
    struct arena ar;
    arena_init(&ar);
    struct relation *r = strmap_get(&s->views, catalog_key(&ar, name));
    arena_fini(&ar);
    return r;
}

void snapshot_put_view(struct snapshot *s, struct relation *take)
{
    struct arena ar;
    arena_init(&ar);
    relation_unref(strmap_put(&s->views, catalog_key(&ar, take->name), take));
    arena_fini(&ar);
}

bool snapshot_drop_view(struct snapshot *s, const char *name)
{
    struct arena ar;
    arena_init(&ar);
    struct relation *r = strmap_remove(&s->views, catalog_key(&ar, name));
    arena_fini(&ar);
    relation_unref(r);
    return r != NULL;
}

/* The machine's zone as TZ or /etc/localtime say it. */
static const char *system_zone(struct arena *ar)
{
    const char *tz = getenv("TZ");
    if (tz && *tz)
        return tz[0] == ':' ? tz + 1 : tz;
    char path[512];
    ssize_t n = readlink("/etc/localtime", path, sizeof path - 1);
    if (n > 0) {
        path[n] = 0;
        const char *at = strstr(path, "zoneinfo/");
        if (at)
            return arena_strdup(ar, at + 9);
    }
    return "UTC";
}

int snapshot_context(const struct snapshot *s, struct arena *ar, int64_t now_us, uint64_t seed, struct query_ctx *ret,
                     struct error *err)
{
    const char *name = settings_text(&s->settings, "spark.sql.session.timeZone");
    if (!*name)
        name = system_zone(ar);
    struct query_ctx cx = {.now_us = now_us, .seed = seed, .zone_name = arena_strdup(ar, name),
                           .ansi = settings_bool(&s->settings, "spark.sql.ansi.enabled"),
                           .user = arena_strdup(ar, s->user), .catalog = CATALOG_NAME,
                           .database = arena_strdup(ar, s->database)};
    TRY(zone_find(name, &cx.zone, err));
    *ret = cx;
    return 0;
}

const char *snapshot_path(const struct snapshot *s, struct arena *ar, const char *path)
{
    if (str_has_prefix(path, "file:")) {
        path += 5;
        while (path[0] == '/' && path[1] == '/')
            path++;
    }
    return path[0] == '/' ? arena_strdup(ar, path) : arena_printf(ar, "%s/%s", s->working_dir, path);
}
