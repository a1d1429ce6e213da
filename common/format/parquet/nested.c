/* Arrays, maps and structs out of levels; see nested.h. */
#include "common/format/parquet/nested.h"

enum kind { KIND_LEAF, KIND_STRUCT, KIND_LIST, KIND_MAP, KIND_MISSING };

struct pq_nested {
    enum kind kind;
    const struct type *type;
    const char *path;
    /* An entry is a slot of this node when rep <= slot_rep and def >= slot_def; the slot is null below def. */
    uint8_t slot_rep, slot_def, def;
    uint8_t item_rep, item_def; /* LIST, MAP: the same for their elements */
    struct pq_leaf *leaf;       /* whose entries show the structure; owned here when LEAF or lent by a child */
    struct pq_leaf *own;        /* read for its levels only, when no child has one */
    uint32_t child_count;
    struct pq_nested **children;
};

uint32_t pq_nested_leaves_max(const struct type *t)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < t->child_count; i++)
        n += pq_nested_leaves_max(t->children[i]);
    return n;
}

struct plan {
    const char *path;
    const struct pq_footer *f;
    struct arena *ar;
    pq_leaf_fn add;
    void *ctx;
};

static int mismatch(struct plan *p, const struct pq_node *n, const struct type *t, struct error *err)
{
    return error_set(err, ERR_FILE_TYPE, "path", p->path, "column", n->name, "actualType",
                     n->is_leaf ? pq_phys_name(n->phys) : "a group", "expectedType", t->text, NULL);
}

/* A leaf read only for its levels: any conversion that its type allows. */
static int level_leaf(struct plan *p, uint32_t number, struct pq_leaf **ret, struct error *err)
{
    const struct pq_node *n = &p->f->nodes[p->f->leaf_nodes[number]];
    static const enum pq_raw raws[PQ_PHYS_COUNT] = {PQ_RAW_BOOL, PQ_RAW_4, PQ_RAW_8,    PQ_RAW_VIEW,
                                                    PQ_RAW_4,    PQ_RAW_8, PQ_RAW_VIEW, PQ_RAW_VIEW};
    static const enum phys physes[] = {PHYS_BOOL, PHYS_I32, PHYS_I64, PHYS_STR};
    struct pq_conv conv = {.raw = raws[n->phys], .op = PQ_CONV_NONE, .phys = physes[raws[n->phys]], .mul = 1};
    (void)err;
    *ret = p->add(p->ctx, number, type_of(TYPE_NULL), conv);
    return 0;
}

/*
 * node without its own repetition when `item` (it is the element of a list already entered); slot levels
 * are those of the list around.
 */
static int plan_node(struct plan *p, uint32_t node, bool item, uint8_t slot_rep, uint8_t slot_def,
                     const struct type *t, struct pq_nested **ret, struct error *err)
{
    const struct pq_node *n = &p->f->nodes[node];
    struct pq_nested *x = ARENA_NEW(p->ar, struct pq_nested);
    x->type = t;
    x->path = p->path;
    x->slot_rep = slot_rep;
    x->slot_def = slot_def;
    x->def = n->max_def;
    x->children = ARENA_ARRAY(p->ar, struct pq_nested *, t->child_count);
    x->child_count = t->child_count;
    *ret = x;
    uint32_t rep, element;
    if (n->repetition == PQ_REPEATED && !item) { /* a bare repeated field: never null itself */
        if (t->id != TYPE_ARRAY)
            return mismatch(p, n, t, err);
        x->kind = KIND_LIST;
        x->def = slot_def;
        x->item_rep = n->max_rep;
        x->item_def = n->max_def;
        TRY(plan_node(p, node, true, n->max_rep, n->max_def, t->children[0], &x->children[0], err));
        x->leaf = x->children[0]->leaf;
        return 0;
    }
    switch (t->id) {
    case TYPE_ARRAY:
        if (n->logical != PQL_LIST || !pq_list_shape(p->f, n, &rep, &element))
            return mismatch(p, n, t, err);
        x->kind = KIND_LIST;
        x->item_rep = p->f->nodes[rep].max_rep;
        x->item_def = p->f->nodes[rep].max_def;
        TRY(plan_node(p, element, element == rep, x->item_rep, x->item_def, t->children[0], &x->children[0], err));
        x->leaf = x->children[0]->leaf;
        break;
    case TYPE_MAP:
        if (n->logical != PQL_MAP || !pq_map_shape(p->f, n, &rep))
            return mismatch(p, n, t, err);
        x->kind = KIND_MAP;
        x->item_rep = p->f->nodes[rep].max_rep;
        x->item_def = p->f->nodes[rep].max_def;
        for (uint32_t i = 0; i < 2; i++)
            TRY(plan_node(p, p->f->nodes[rep].children[i], false, x->item_rep, x->item_def, t->children[i],
                          &x->children[i], err));
        x->leaf = x->children[0]->leaf;
        break;
    case TYPE_STRUCT:
        if (n->is_leaf)
            return mismatch(p, n, t, err);
        x->kind = KIND_STRUCT;
        for (uint32_t i = 0; i < t->child_count; i++) {
            int child = pq_child_find(p->f, n, t->names[i]);
            if (child < 0 || (p->f->nodes[child].is_leaf && p->f->nodes[child].logical == PQL_UNKNOWN)) {
                x->children[i] = ARENA_NEW(p->ar, struct pq_nested);
                x->children[i]->kind = KIND_MISSING;
                x->children[i]->type = t->children[i];
                continue;
            }
            TRY(plan_node(p, (uint32_t)child, false, slot_rep, slot_def, t->children[i], &x->children[i], err));
            if (!x->leaf)
                x->leaf = x->children[i]->leaf;
        }
        if (!x->leaf && n->child_count == 0)
            return mismatch(p, n, t, err);
        if (!x->leaf) {
            TRY(level_leaf(p, n->leaf, &x->own, err));
            x->leaf = x->own;
        }
        break;
    default: {
        struct pq_conv conv;
        x->kind = KIND_LEAF;
        if (n->is_leaf && n->logical == PQL_UNKNOWN) {
            TRY(level_leaf(p, n->leaf, &x->leaf, err));
            break;
        }
        TRY(pq_conv_choose(p->path, n, t, &conv, err));
        x->leaf = p->add(p->ctx, n->leaf, t, conv);
    }
    }
    return 0;
}

int pq_nested_plan(const char *path, const struct pq_footer *f, uint32_t node, const struct type *t, struct arena *ar,
                   pq_leaf_fn add, void *ctx, struct pq_nested **ret, struct error *err)
{
    struct plan p = {path, f, ar, add, ctx};
    return plan_node(&p, node, false, 0, 0, t, ret, err);
}

static int read_entries(struct pq_nested *x, uint32_t rows, struct error *err)
{
    if (x->kind == KIND_LEAF)
        return pq_leaf_entries(x->leaf, rows, err);
    if (x->own)
        TRY(pq_leaf_entries(x->own, rows, err));
    for (uint32_t i = 0; i < x->child_count; i++)
        if (x->children[i]->kind != KIND_MISSING)
            TRY(read_entries(x->children[i], rows, err));
    return 0;
}

static int inconsistent(const struct pq_nested *x, struct error *err)
{
    return pq_damaged(err, x->path, x->leaf ? x->leaf->source.page_at : 0,
                      "the columns of a nested value do not have the same structure");
}

static int build(struct pq_nested *x, uint32_t rows, struct arena *ar, struct column *ret, struct error *err)
{
    if (x->kind == KIND_MISSING || x->type->id == TYPE_NULL) {
        struct column c = column_null(x->type, rows, ar);
        *ret = column_flatten(&c, NULL, rows, ar);
        return 0;
    }
    const struct pq_leaf *l = x->leaf;
    const uint8_t *def = l->e_def, *rep = l->e_rep;
    uint32_t n = l->entry_count, slots = 0, null_count = 0;
    uint8_t *nulls = arena_alloc(ar, rows + 1u);
    *ret = (struct column){.type = x->type, .phys = type_phys(x->type), .kind = COL_FLAT, .rows = rows};
    if (x->kind == KIND_LEAF) {
        uint32_t bytes = phys_bytes(l->conv.phys), k = 0;
        ret->phys = l->conv.phys;
        char *data = arena_alloc(ar, (size_t)rows * bytes + 16);
        for (uint32_t e = 0; e < n; e++) {
            if (rep[e] > x->slot_rep || def[e] < x->slot_def)
                continue;
            if (slots == rows)
                return inconsistent(x, err);
            bool null = def[e] < x->def;
            nulls[slots] = null;
            null_count += null;
            if (null)
                memset(data + (size_t)slots * bytes, 0, bytes);
            else
                memcpy(data + (size_t)slots * bytes, (char *)l->out + (size_t)k++ * bytes, bytes);
            slots++;
        }
        if (slots != rows || k != l->value_count)
            return inconsistent(x, err);
        ret->data = data;
        ret->nulls = null_count ? nulls : NULL;
        return 0;
    }
    struct listview *lists = x->kind == KIND_STRUCT ? NULL : arena_alloc(ar, ((size_t)rows + 1) * sizeof *lists);
    uint32_t items = 0;
    for (uint32_t e = 0; e < n; e++) {
        if (rep[e] <= x->slot_rep && def[e] >= x->slot_def) {
            if (slots == rows)
                return inconsistent(x, err);
            nulls[slots] = def[e] < x->def;
            null_count += nulls[slots];
            if (lists)
                lists[slots] = (struct listview){items, 0};
            slots++;
        }
        if (lists && rep[e] <= x->item_rep && def[e] >= x->item_def) {
            if (slots == 0)
                return inconsistent(x, err);
            lists[slots - 1].count++;
            items++;
        }
    }
    if (slots != rows)
        return inconsistent(x, err);
    ret->nulls = null_count ? nulls : NULL;
    ret->data = lists;
    ret->children = ARENA_ARRAY(ar, struct column, x->child_count);
    for (uint32_t i = 0; i < x->child_count; i++)
        TRY(build(x->children[i], lists ? items : rows, ar, &ret->children[i], err));
    return 0;
}

int pq_nested_read(struct pq_nested *x, uint32_t rows, struct arena *ar, struct column *ret, struct error *err)
{
    TRY(read_entries(x, rows, err));
    return build(x, rows, ar, ret, err);
}

void pq_nested_skip(struct pq_nested *x, uint64_t rows)
{
    if (x->kind == KIND_LEAF)
        pq_leaf_skip(x->leaf, rows);
    if (x->own)
        pq_leaf_skip(x->own, rows);
    for (uint32_t i = 0; i < x->child_count; i++)
        pq_nested_skip(x->children[i], rows);
}
