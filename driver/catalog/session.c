/* Snapshots of what a session knows; see session.h. */
#include "driver/catalog/session.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/expr/zone.h"

struct relation *relation_new(void)
{
    struct relation *r = xcalloc(1, sizeof *r);
    r->refs = 1;
    arena_init(&r->ar);
    return r;
}

struct relation *relation_ref(struct relation *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void relation_unref(struct relation *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_fini(&r->ar);
    xfree(r);
}

struct snapshot *snapshot_new(const char *working_dir, const char *user)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    settings_init(&s->settings);
    strmap_init(&s->relations);
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
    STRMAP_EACH(&s->relations, e)
        relation_unref(e->value);
    strmap_fini(&s->relations);
    xfree((void *)(uintptr_t)s->working_dir);
    xfree((void *)(uintptr_t)s->user);
    xfree(s);
}

struct snapshot *snapshot_copy(const struct snapshot *s)
{
    struct snapshot *c = snapshot_new(s->working_dir, s->user);
    settings_fini(&c->settings);
    settings_copy(&c->settings, &s->settings);
    STRMAP_EACH(&s->relations, e)
        strmap_put(&c->relations, e->key, relation_ref(e->value));
    return c;
}

static void fold(const char *name, char *out, size_t max)
{
    size_t n = 0;
    for (; name[n] && n + 1 < max; n++)
        out[n] = (char)tolower((unsigned char)name[n]);
    out[n] = 0;
}

struct relation *snapshot_find(const struct snapshot *s, const char *name)
{
    char key[256];
    fold(name, key, sizeof key);
    return strmap_get(&s->relations, key);
}

void snapshot_put(struct snapshot *s, struct relation *take)
{
    char key[256];
    fold(take->name, key, sizeof key);
    relation_unref(strmap_put(&s->relations, key, take));
}

bool snapshot_drop(struct snapshot *s, const char *name)
{
    char key[256];
    fold(name, key, sizeof key);
    struct relation *r = strmap_remove(&s->relations, key);
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
                           .user = arena_strdup(ar, s->user), .catalog = "spark_catalog", .database = "default"};
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
