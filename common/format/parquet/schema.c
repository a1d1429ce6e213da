/*
 * From Parquet's schema to types, by Spark's rules: annotated groups are arrays and maps, in their modern
 * and their legacy shapes; other groups are structs; a bare repeated field is an array of required items.
 */
#include "common/format/parquet/meta.h"

static int unsupported(const char *path, const struct pq_node *n, const char *what, struct error *err)
{
    error_setf(err, ERR_UNSUPPORTED_FEATURE, "message", "%s: the column %s is %s %s, which has no type in Spark", path,
               n->name, pq_phys_name(n->phys), what);
    return err->code;
}

static int leaf_type(const char *path, const struct pq_node *n, const struct type **ret, struct error *err)
{
    enum type_id id = TYPE_NULL;
    switch (n->logical) {
    case PQL_STRING:
        id = TYPE_STRING;
        break;
    case PQL_DECIMAL:
        *ret = type_decimal(n->precision, n->scale);
        return 0;
    case PQL_DATE:
        id = TYPE_DATE;
        break;
    case PQL_TIMESTAMP_MILLIS:
    case PQL_TIMESTAMP_MICROS:
    case PQL_TIMESTAMP_NANOS:
        id = n->utc ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_NTZ;
        break;
    case PQL_TIME:
        return unsupported(path, n, "(TIME)", err);
    case PQL_INTERVAL:
        return unsupported(path, n, "(INTERVAL)", err);
    case PQL_INT8:
        id = TYPE_TINYINT;
        break;
    case PQL_INT16:
    case PQL_UINT8:
        id = TYPE_SMALLINT;
        break;
    case PQL_UINT16:
        id = TYPE_INT;
        break;
    case PQL_UINT32:
        id = TYPE_BIGINT;
        break;
    case PQL_UINT64:
        *ret = type_decimal(20, 0);
        return 0;
    case PQL_FLOAT16:
        id = TYPE_FLOAT;
        break;
    case PQL_UNKNOWN:
        id = TYPE_NULL;
        *ret = type_of(id);
        return 0;
    default:
        break;
    }
    if (id == TYPE_NULL) {
        static const enum type_id plain[PQ_PHYS_COUNT] = {TYPE_BOOLEAN, TYPE_INT,    TYPE_BIGINT, TYPE_TIMESTAMP,
                                                          TYPE_FLOAT,   TYPE_DOUBLE, TYPE_BINARY, TYPE_BINARY};
        id = plain[n->phys];
    }
    *ret = type_of(id);
    return 0;
}

bool pq_list_shape(const struct pq_footer *f, const struct pq_node *n, uint32_t *ret_repeated, uint32_t *ret_element)
{
    if (n->is_leaf || n->child_count != 1)
        return false;
    uint32_t rep = n->children[0];
    const struct pq_node *r = &f->nodes[rep];
    if (r->repetition != PQ_REPEATED)
        return false;
    *ret_repeated = rep;
    /* The legacy shapes, in which the repeated node is itself the element. */
    if (r->is_leaf || r->child_count != 1 || !strcmp(r->name, "array") ||
        (str_has_prefix(r->name, n->name) && !strcmp(r->name + strlen(n->name), "_tuple")) ||
        f->nodes[r->children[0]].repetition == PQ_REPEATED)
        *ret_element = rep;
    else
        *ret_element = r->children[0];
    return true;
}

bool pq_map_shape(const struct pq_footer *f, const struct pq_node *n, uint32_t *ret_repeated)
{
    if (n->is_leaf || n->child_count != 1)
        return false;
    const struct pq_node *r = &f->nodes[n->children[0]];
    if (r->repetition != PQ_REPEATED || r->is_leaf || r->child_count != 2 ||
        f->nodes[r->children[0]].repetition == PQ_REPEATED || f->nodes[r->children[1]].repetition == PQ_REPEATED)
        return false;
    *ret_repeated = n->children[0];
    return true;
}

/* The type of a node without its own repetition. Depth is bounded by PQ_DEPTH_MAX. */
static int item_type(const char *path, const struct pq_footer *f, uint32_t node, const struct type **ret,
                     struct error *err)
{
    const struct pq_node *n = &f->nodes[node];
    uint32_t rep, element;
    const struct type *a, *b;
    if (n->is_leaf)
        return leaf_type(path, n, ret, err);
    if (n->logical == PQL_LIST && pq_list_shape(f, n, &rep, &element)) {
        if (element == rep)
            TRY(item_type(path, f, element, &a, err));
        else
            TRY(pq_node_type(path, f, element, &a, err));
        *ret = type_array(a, true);
        return 0;
    }
    if (n->logical == PQL_MAP && pq_map_shape(f, n, &rep)) {
        TRY(pq_node_type(path, f, f->nodes[rep].children[0], &a, err));
        TRY(pq_node_type(path, f, f->nodes[rep].children[1], &b, err));
        *ret = type_map(a, b, true);
        return 0;
    }
    const struct type **types = xcalloc(n->child_count + 1, sizeof *types);
    const char **names = xcalloc(n->child_count + 1, sizeof *names);
    bool *nullable = xcalloc(n->child_count + 1, sizeof *nullable);
    int rc = 0;
    for (uint32_t i = 0; i < n->child_count && !rc; i++) {
        names[i] = f->nodes[n->children[i]].name;
        nullable[i] = true;
        rc = pq_node_type(path, f, n->children[i], &types[i], err);
    }
    if (!rc)
        *ret = type_struct(n->child_count, types, names, nullable);
    xfree(types);
    xfree(names);
    xfree(nullable);
    return rc;
}

int pq_node_type(const char *path, const struct pq_footer *f, uint32_t node, const struct type **ret, struct error *err)
{
    const struct type *t;
    TRY(item_type(path, f, node, &t, err));
    *ret = f->nodes[node].repetition == PQ_REPEATED ? type_array(t, true) : t;
    return 0;
}
