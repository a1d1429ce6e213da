/* Fragments: nodes, columns by id and ordinal; see physical_impl.h. */
#include "driver/physical/physical_impl.h"

struct pnode *new_pnode(struct planner *pl, enum pnode_kind kind, uint32_t inputs)
{
    struct pnode *n = ARENA_NEW(pl->ar, struct pnode);
    n->kind = kind;
    n->input_count = inputs;
    n->inputs = ARENA_ARRAY(pl->ar, struct pnode *, inputs);
    n->rows_estimate = -1;
    n->limit = -1;
    return n;
}

struct frag *new_frag(struct planner *pl, struct pnode *node, const struct logical *lp, uint32_t tasks)
{
    struct frag *f = ARENA_NEW(pl->ar, struct frag);
    f->node = node;
    f->tasks = tasks;
    if (lp) {
        set_places(pl, f, lp->out, lp->out_count);
        f->rows = estimate_rows(pl->es, lp);
        f->row_bytes = estimate_row_bytes(pl->es, lp->out, lp->out_count);
        f->source_rows = f->rows;
        node->rows_estimate = f->rows;
    }
    return f;
}

struct pnode *stack(struct planner *pl, struct frag *f, enum pnode_kind kind)
{
    struct pnode *n = new_pnode(pl, kind, 1);
    n->inputs[0] = f->node;
    n->out = f->node->out;
    f->node = n;
    return n;
}

void set_places(struct planner *pl, struct frag *f, const struct lcol *out, uint32_t count)
{
    f->places = ARENA_ARRAY(pl->ar, struct place, count);
    f->place_count = count;
    for (uint32_t i = 0; i < count; i++)
        f->places[i] = (struct place){out[i].id, i};
}

uint32_t ordinal_of(const struct frag *f, uint32_t id)
{
    for (uint32_t i = 0; i < f->place_count; i++)
        if (f->places[i].id == id)
            return f->places[i].ordinal;
    return UINT32_MAX;
}

bool frag_has(const struct frag *f, uint32_t id)
{
    return ordinal_of(f, id) != UINT32_MAX;
}

struct bind_ctx {
    const struct frag *a, *b;
};

static struct expr *bind_one(struct arena *ar, struct expr *e, void *arg)
{
    const struct bind_ctx *bc = arg;
    if (e->kind != EXPR_COLUMN)
        return e;
    uint32_t at = ordinal_of(bc->a, e->column);
    if (at == UINT32_MAX && bc->b) {
        at = ordinal_of(bc->b, e->column);
        if (at != UINT32_MAX)
            at += bc->a->node->out.count;
    }
    if (at == UINT32_MAX)
        UNREACHABLE("a column that no input delivers");
    struct expr *col = expr_column(ar, at, e->type, e->nullable, e->name);
    col->span = e->span;
    return col;
}

struct expr *place_expr2(struct planner *pl, const struct frag *a, const struct frag *b, struct expr *e)
{
    struct bind_ctx bc = {a, b};
    return expr_rewrite(pl->ar, e, bind_one, &bc);
}

struct expr *place_expr(struct planner *pl, const struct frag *f, struct expr *e)
{
    return place_expr2(pl, f, NULL, e);
}

struct field field_of(const struct lcol *col)
{
    return (struct field){col->name ? col->name : "", col->type, col->nullable};
}

static void project(struct planner *pl, struct frag *f, const struct lcol *out, uint32_t count)
{
    /* Nothing is asked for: one column stays, without a name to call it by. */
    uint32_t width = count ? count : 1;
    struct pnode *n = new_pnode(pl, PN_PROJECT, 1);
    n->inputs[0] = f->node;
    n->rows_estimate = f->node->rows_estimate;
    n->expr_count = n->out.count = width;
    n->exprs = ARENA_ARRAY(pl->ar, struct expr *, width);
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, width);
    for (uint32_t i = 0; i < width; i++) {
        uint32_t at = count ? ordinal_of(f, out[i].id) : 0;
        ASSERT(at != UINT32_MAX);
        const struct field *from = &f->node->out.fields[at];
        n->exprs[i] = expr_column(pl->ar, at, from->type, from->nullable, from->name);
        n->out.fields[i] = *from;
        if (count)
            n->out.fields[i].name = out[i].name ? out[i].name : from->name;
    }
    f->node = n;
    set_places(pl, f, out, count);
}

void exactly_columns(struct planner *pl, struct frag *f, const struct lcol *out, uint32_t count)
{
    bool same = f->node->out.count == count;
    for (uint32_t i = 0; same && i < count; i++)
        same = ordinal_of(f, out[i].id) == i;
    if (!same)
        project(pl, f, out, count);
}

void narrow(struct planner *pl, struct frag *f, const struct colset *need)
{
    const struct schema *have = &f->node->out;
    uint32_t used = 0, kept = 0;
    bool *seen = ARENA_ARRAY(pl->ar, bool, have->count);
    struct lcol *cols = ARENA_ARRAY(pl->ar, struct lcol, f->place_count);
    for (uint32_t i = 0; i < f->place_count; i++) {
        const struct place *p = &f->places[i];
        if (!colset_has(need, p->id))
            continue;
        const struct field *fd = &have->fields[p->ordinal];
        cols[kept++] = (struct lcol){p->id, fd->name, fd->type, fd->nullable};
        used += !seen[p->ordinal];
        seen[p->ordinal] = true;
    }
    if (used == have->count || (used == 0 && have->count == 1))
        return;
    project(pl, f, cols, kept);
}

void absorb(struct frag *into, struct frag *f)
{
    for (struct scan_use *u = f->scans, *next; u; u = next) {
        next = u->next;
        u->next = into->scans;
        into->scans = u;
    }
    for (struct parent_use *u = f->parents, *next; u; u = next) {
        next = u->next;
        u->next = into->parents;
        into->parents = u;
    }
    into->source_rows += f->source_rows;
    into->unordered |= f->unordered;
    into->indeterminate |= f->indeterminate;
}
