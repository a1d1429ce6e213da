/* Memory accounts; see account.h. */
#include "common/base/account.h"

#include <inttypes.h>

#include "common/base/testpoint.h"

void account_init(struct account *a, const char *name, struct account *parent, int64_t limit)
{
    *a = (struct account){.parent = parent, .name = name, .limit = limit};
    if (parent) {
        a->next_sibling = parent->first_child;
        parent->first_child = a;
    }
}

void account_fini(struct account *a)
{
    int64_t left = __atomic_load_n(&a->used, __ATOMIC_RELAXED);
    if (left > 0)
        account_release(a, (size_t)left);
    if (a->parent) {
        struct account **p = &a->parent->first_child;
        while (*p && *p != a)
            p = &(*p)->next_sibling;
        if (*p)
            *p = a->next_sibling;
    }
    *a = (struct account){0};
}

bool account_try(struct account *a, size_t bytes)
{
    if (a && TEST_POINT_FAILS("reserve"))
        return false;
    for (struct account *at = a; at; at = at->parent) {
        int64_t now = __atomic_add_fetch(&at->used, (int64_t)bytes, __ATOMIC_RELAXED);
        if (now > at->limit) {
            for (struct account *undo = a;; undo = undo->parent) {
                __atomic_sub_fetch(&undo->used, (int64_t)bytes, __ATOMIC_RELAXED);
                if (undo == at)
                    return false;
            }
        }
    }
    for (struct account *at = a; at; at = at->parent) { /* what was refused is no peak */
        int64_t now = __atomic_load_n(&at->used, __ATOMIC_RELAXED);
        int64_t peak = __atomic_load_n(&at->peak, __ATOMIC_RELAXED);
        while (now > peak &&
               !__atomic_compare_exchange_n(&at->peak, &peak, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
    }
    return true;
}

void account_release(struct account *a, size_t bytes)
{
    for (; a; a = a->parent)
        __atomic_sub_fetch(&a->used, (int64_t)bytes, __ATOMIC_RELAXED);
}

static void add_size(struct buf *out, int64_t bytes)
{
    if (bytes >= 1 << 20)
        buf_addf(out, "%.1f MiB", (double)bytes / (1 << 20));
    else
        buf_addf(out, "%.1f KiB", (double)bytes / 1024);
}

void account_table(const struct account *a, struct buf *out)
{
    const char *sep = "";
    for (const struct account *c = a->first_child; c; c = c->next_sibling) {
        buf_addf(out, "%s%s ", sep, c->name);
        add_size(out, c->used);
        buf_adds(out, " (peak ");
        add_size(out, c->peak);
        buf_adds(out, ")");
        sep = ", ";
    }
    if (!*sep)
        buf_adds(out, "nothing");
}

/* The account that refused: the first whose limit the bytes would pass, by what is used now. */
static const struct account *refuser(const struct account *a, size_t bytes)
{
    while (a->parent && __atomic_load_n(&a->used, __ATOMIC_RELAXED) + (int64_t)bytes <= a->limit)
        a = a->parent;
    return a;
}

int account_reserve(struct account *a, size_t bytes, struct error *err)
{
    if (LIKELY(account_try(a, bytes)))
        return 0;
    const struct account *limited = a, *full = refuser(a, bytes);
    while (limited->parent && limited->limit == INT64_MAX)
        limited = limited->parent;
    struct buf grant = BUF_INIT, asked = BUF_INIT, table = BUF_INIT;
    add_size(&grant, limited->limit);
    add_size(&asked, (int64_t)bytes);
    account_table(limited, &table);
    if (full != limited && full->limit != INT64_MAX) {
        buf_adds(&table, "; of the ");
        add_size(&table, full->limit);
        buf_addf(&table, " of its %s, outputs and other tasks hold ", full->name);
        add_size(&table, __atomic_load_n(&full->used, __ATOMIC_RELAXED) - __atomic_load_n(&limited->used, __ATOMIC_RELAXED));
    }
    error_set(err, ERR_TASK_MEMORY, "grant", grant.data, "bytes", asked.data, "table", table.data, NULL);
    buf_fini(&grant);
    buf_fini(&asked);
    buf_fini(&table);
    return (int)err->code;
}
