/*
 * What statements change: settings, views and the database of their session, the catalog of all. Changes are made here,
 * on the loop thread, one after another, each as a new snapshot; statements that are under way keep theirs. A dropped
 * table is out of the catalog first, then its folder goes, then the statement answers.
 */
#include "common/fs/list.h"
#include "common/log/log.h"
#include "driver/server/driver_impl.h"

void session_refresh(struct session *s, struct catalog *now)
{
    if (s->snapshot->catalog == now)
        return;
    struct snapshot *next = snapshot_copy(s->snapshot);
    snapshot_set_catalog(next, now);
    if (!catalog_database(now, next->database))
        snapshot_set_database(next, CATALOG_DATABASE); /* somebody dropped the one it used */
    snapshot_unref(s->snapshot);
    s->snapshot = next;
}

/* ---- of the session ---- */

static void change_setting(struct operation *op, struct snapshot *next)
{
    const struct effect *e = &op->analyzed.effect;
    struct error err = ERROR_INIT;
    char *warning = NULL;
    if (e->kind == EFFECT_UNSET)
        settings_reset(&next->settings, e->name, &op->session->initial);
    else if (settings_set(&next->settings, e->name, e->value, &warning, &err) != 0)
        error_fini(&err); /* it was checked while planning */
    if (warning)
        buf_adds(&op->warnings, warning);
    xfree(warning);
}

static int change_session(struct operation *op, struct error *err)
{
    struct effect *e = &op->analyzed.effect;
    struct snapshot *next = snapshot_copy(op->session->snapshot);
    int rc = 0;
    switch (e->kind) {
    case EFFECT_USE: snapshot_set_database(next, e->name); break;
    case EFFECT_VIEW:
        if (!e->replace && snapshot_view(next, e->relation->name)) {
            rc = error_set(err, ERR_VIEW_EXISTS, "relationName", e->relation->name, NULL);
            break;
        }
        snapshot_put_view(next, e->relation);
        e->relation = NULL;
        break;
    case EFFECT_DROP_VIEW: snapshot_drop_view(next, e->name); break;
    default: change_setting(op, next); break;
    }
    snapshot_unref(op->session->snapshot);
    op->session->snapshot = next;
    return rc;
}

/* ---- of the catalog ---- */

/* Another statement is writing the files of a table of this name: it will get it. */
static bool is_being_made(const struct operation *op, const struct relation *r)
{
    for (const struct operation *o = op->dr->ops; o; o = o->next) {
        const struct relation *other = o->analyzed.effect.relation;
        bool runs = o != op && o->state != OP_PLANNING && o->state != OP_ENDED && o->analyzed.kind == ANALYZED_WRITE;
        if (runs && other && str_eq_nocase(other->database, r->database) && str_eq_nocase(other->name, r->name))
            return true;
    }
    return false;
}

static bool is_taken(const struct operation *op)
{
    const struct effect *e = &op->analyzed.effect;
    const struct relation *r = e->relation;
    return !e->replace && (catalog_find(op->dr->catalog, r->database, r->name) || is_being_made(op, r));
}

static int taken(const struct relation *r, struct error *err)
{
    struct arena ar;
    arena_init(&ar);
    int rc = error_set(err, ERR_TABLE_EXISTS, "relationName", relation_quoted(&ar, r), NULL);
    arena_fini(&ar);
    return rc;
}

int effect_check(const struct operation *op, bool *ret_done, struct error *err)
{
    const struct effect *e = &op->analyzed.effect;
    *ret_done = false;
    if (e->kind != EFFECT_RELATION || !is_taken(op))
        return 0;
    *ret_done = e->if_exists;
    return e->if_exists ? 0 : taken(e->relation, err);
}

static int put_relation(struct operation *op, struct catalog *next, struct error *err)
{
    struct effect *e = &op->analyzed.effect;
    struct relation *r = e->relation;
    if (!catalog_database(next, r->database))
        return error_set(err, ERR_DATABASE_MISSING, "schemaName", r->database, NULL);
    if (is_taken(op))
        return e->if_exists ? 0 : taken(r, err);
    catalog_put(next, r);
    e->relation = NULL;
    return 0;
}

static int drop_database(struct catalog *next, const struct effect *e, struct error *err)
{
    const struct database *db = catalog_database(next, e->name);
    if (db && db->relations.live && !e->replace)
        return error_set(err, ERR_DATABASE_NOT_EMPTY, "schemaName", e->name, NULL);
    catalog_drop_database(next, e->name);
    return 0;
}

static int change_catalog(struct operation *op, struct error *err)
{
    struct effect *e = &op->analyzed.effect;
    struct catalog *next = catalog_copy(op->dr->catalog);
    int rc = 0;
    switch (e->kind) {
    case EFFECT_RELATION: rc = put_relation(op, next, err); break;
    case EFFECT_DROP_RELATION:
        if (!catalog_drop(next, e->database, e->name) && !e->if_exists)
            rc = error_set(err, ERR_TABLE_MISSING, "relationName", e->name, "proposal", "another session dropped it", NULL);
        break;
    case EFFECT_DATABASE:
        if (!catalog_database(next, e->name))
            catalog_put_database(next, e->name, e->comment, e->location);
        else if (!e->if_exists)
            rc = error_set(err, ERR_DATABASE_EXISTS, "schemaName", e->name, NULL);
        break;
    default: rc = drop_database(next, e, err); break;
    }
    if (rc != 0) {
        catalog_unref(next);
        return rc;
    }
    catalog_unref(op->dr->catalog);
    op->dr->catalog = next;
    return 0;
}

/* ---- the whole ---- */

static struct operation *operation_of(struct work *w)
{
    return (struct operation *)((char *)w - offsetof(struct operation, write.work));
}

static void remove_run(struct work *w)
{
    struct operation *op = operation_of(w);
    for (uint32_t i = 0; i < op->analyzed.effect.folder_count; i++) {
        struct error err = ERROR_INIT;
        if (fs_remove(op->analyzed.effect.folders[i], &err) == 0)
            continue;
        log_warn("driver", "the folder %s of a dropped table could not be removed", op->analyzed.effect.folders[i]);
        error_fini(&err);
    }
}

static void remove_done(struct work *w)
{
    struct error none = ERROR_INIT;
    operation_effect_done(operation_of(w), &none);
}

static bool of_session(enum effect_kind kind)
{
    return kind == EFFECT_SET || kind == EFFECT_UNSET || kind == EFFECT_USE || kind == EFFECT_VIEW || kind == EFFECT_DROP_VIEW;
}

void effect_apply(struct operation *op)
{
    const struct effect *e = &op->analyzed.effect;
    struct error err = ERROR_INIT;
    int rc = e->kind == EFFECT_NONE ? 0 : of_session(e->kind) ? change_session(op, &err) : change_catalog(op, &err);
    if (rc == 0 && e->folder_count) {
        ASSERT(!op->write.work.busy);
        op->write.work = (struct work){.run = remove_run, .done = remove_done};
        driver_submit_work(op->dr, &op->write.work);
        return;
    }
    operation_effect_done(op, &err);
}
