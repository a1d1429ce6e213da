/* See relation.h. */
#include "driver/catalog/relation.h"

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

char *relation_quoted(struct arena *ar, const struct relation *r)
{
    return r->temporary ? arena_printf(ar, "`%s`", r->name) : arena_printf(ar, "`spark_catalog`.`%s`.`%s`", r->database, r->name);
}
