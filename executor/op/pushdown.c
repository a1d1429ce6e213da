/*
 * Run-time filters: once a chain's builds are ready, the joins that drop probe rows without a match tell the
 * scan at the chain's source which keys exist, so that it need not decode the other columns of the rest.
 *
 * A key's column is followed back through operators that only drop rows or pass columns on. A right or full
 * join ends the search, since it tells unmatched build rows by the probe rows that it saw.
 */
#include "executor/op/op.h"

static bool keeps_columns(const struct pnode *n)
{
    return n->kind == PN_FILTER;
}

/* map[i]: scan column of the operator's output column i, or -1. False: nothing further down may be used. */
static bool step_down(const struct pnode *n, const struct exprs *project, int32_t *map, uint32_t *count, struct arena *ar)
{
    if (keeps_columns(n))
        return true;
    int32_t *old = arena_dup(ar, map, (*count + 1) * sizeof *map);
    uint32_t old_count = *count;
    if (n->kind == PN_PROJECT) {
        *count = project->count;
        for (uint32_t i = 0; i < project->count; i++)
            map[i] = project->column[i] >= 0 ? old[project->column[i]] : -1;
        return true;
    }
    if (n->kind == PN_JOIN && n->join_kind != JOIN_RIGHT && n->join_kind != JOIN_FULL) {
        *count = n->out_column_count;
        for (uint32_t i = 0; i < n->out_column_count; i++)
            map[i] = n->out_columns[i] < old_count ? old[n->out_columns[i]] : -1;
        return true;
    }
    return false;
}

uint32_t chain_filters(struct op **ops, uint32_t count, struct scan_filter *ret)
{
    uint32_t found = 0, most = ops[0]->node->out.count, width = most;
    for (uint32_t i = 1; i < count; i++) {
        const struct pnode *n = ops[i]->node;
        uint32_t w = n->kind == PN_JOIN ? n->out_column_count : n->out.count;
        most = w > most ? w : most;
    }
    struct arena *ar = &ops[0]->ar;
    int32_t *map = arena_alloc(ar, (most + 1) * sizeof *map);
    for (uint32_t i = 0; i < width; i++)
        map[i] = (int32_t)i;
    for (uint32_t i = 1; i < count && found < SCAN_FILTERS_MAX; i++) {
        uint32_t col;
        struct scan_filter f;
        if (ops[i]->vt == &op_join && join_scan_filter(ops[i], &f, &col) && map[col] >= 0) {
            f.column = (uint32_t)map[col];
            ret[found++] = f;
        }
        if (!step_down(ops[i]->node, ops[i]->nc->priv, map, &width, ar))
            break;
    }
    return found;
}
