/* The elements of a file's schema, parsed and linked into a tree. */
#include "common/format/parquet/meta.h"

static enum pq_logical logical_of_converted(int64_t v)
{
    static const uint8_t table[] = {PQL_STRING,           PQL_MAP,    PQL_MAP,    PQL_LIST,   PQL_STRING, PQL_DECIMAL,
                                    PQL_DATE,             PQL_TIME,   PQL_TIME,   PQL_TIMESTAMP_MILLIS,
                                    PQL_TIMESTAMP_MICROS, PQL_UINT8,  PQL_UINT16, PQL_UINT32, PQL_UINT64, PQL_INT8,
                                    PQL_INT16,            PQL_INT32,  PQL_INT64,  PQL_STRING, PQL_BSON,   PQL_INTERVAL};
    return v >= 0 && v < (int64_t)sizeof table ? table[v] : PQL_NONE;
}

static int parse_unit(struct thrift *t) /* 1 ms, 2 us, 3 ns, 0 unknown */
{
    int unit = 0;
    struct thrift_field f = {0};
    if (!thrift_enter(t))
        return 0;
    while (thrift_field(t, &f)) {
        if (f.id >= 1 && f.id <= 3)
            unit = f.id;
        thrift_skip(t, f.type);
    }
    thrift_leave(t);
    return unit;
}

static void parse_logical(struct thrift *t, struct pq_node *n)
{
    struct thrift_field f = {0};
    if (!thrift_enter(t))
        return;
    while (thrift_field(t, &f)) {
        if (f.type != THRIFT_STRUCT) {
            thrift_skip(t, f.type);
            continue;
        }
        int64_t a = 0;
        bool flag = false;
        int unit = 0;
        int64_t b = 0;
        struct thrift_field g = {0};
        if (!thrift_enter(t))
            return;
        while (thrift_field(t, &g)) {
            if (g.id == 1 && g.type == THRIFT_I32)
                a = thrift_int(t);
            else if (g.id == 2 && g.type == THRIFT_I32)
                b = thrift_int(t);
            else if (g.id == 1 && g.type == THRIFT_I8)
                a = t->p < t->end ? *t->p++ : 0;
            else if (g.type == THRIFT_TRUE)
                flag = true;
            else if (g.id == 2 && g.type == THRIFT_STRUCT)
                unit = parse_unit(t);
            else
                thrift_skip(t, g.type);
        }
        thrift_leave(t);
        switch (f.id) {
        case 1:
        case 4:
        case 12:
            n->logical = PQL_STRING;
            break;
        case 2:
            n->logical = PQL_MAP;
            break;
        case 3:
            n->logical = PQL_LIST;
            break;
        case 5:
            n->logical = PQL_DECIMAL;
            n->scale = a >= 0 && a <= 255 ? (uint8_t)a : 255;
            n->precision = b >= 0 && b <= 255 ? (uint8_t)b : 255;
            break;
        case 6:
            n->logical = PQL_DATE;
            break;
        case 7:
            n->logical = PQL_TIME;
            break;
        case 8:
            n->logical = unit == 1   ? PQL_TIMESTAMP_MILLIS
                         : unit == 2 ? PQL_TIMESTAMP_MICROS
                         : unit == 3 ? PQL_TIMESTAMP_NANOS
                                     : PQL_NONE;
            n->utc = flag;
            break;
        case 10:
            n->logical = a == 8    ? (flag ? PQL_INT8 : PQL_UINT8)
                         : a == 16 ? (flag ? PQL_INT16 : PQL_UINT16)
                         : a == 32 ? (flag ? PQL_INT32 : PQL_UINT32)
                         : a == 64 ? (flag ? PQL_INT64 : PQL_UINT64)
                                   : PQL_NONE;
            break;
        case 11:
            n->logical = PQL_UNKNOWN;
            break;
        case 13:
            n->logical = PQL_BSON;
            break;
        case 14:
            n->logical = PQL_UUID;
            break;
        case 15:
            n->logical = PQL_FLOAT16;
            break;
        default:
            break;
        }
    }
    thrift_leave(t);
}

/* An annotation that does not go with its physical type is ignored, as other readers do. */
static bool logical_fits(const struct pq_node *n)
{
    if (!n->is_leaf)
        return n->logical == PQL_LIST || n->logical == PQL_MAP || n->logical == PQL_NONE;
    switch (n->logical) {
    case PQL_NONE:
    case PQL_UNKNOWN:
        return true;
    case PQL_STRING:
        return n->phys == PQ_BYTE_ARRAY || n->phys == PQ_FIXED;
    case PQL_BSON:
        return n->phys == PQ_BYTE_ARRAY;
    case PQL_DECIMAL:
        if (n->precision < 1 || n->precision > DECIMAL_PRECISION_MAX || n->scale > n->precision)
            return false;
        return n->phys == PQ_INT32 || n->phys == PQ_INT64 || n->phys == PQ_BYTE_ARRAY || n->phys == PQ_FIXED;
    case PQL_DATE:
    case PQL_INT8:
    case PQL_INT16:
    case PQL_INT32:
    case PQL_UINT8:
    case PQL_UINT16:
    case PQL_UINT32:
        return n->phys == PQ_INT32;
    case PQL_TIMESTAMP_MILLIS:
    case PQL_TIMESTAMP_MICROS:
    case PQL_TIMESTAMP_NANOS:
    case PQL_INT64:
    case PQL_UINT64:
        return n->phys == PQ_INT64;
    case PQL_TIME:
        return n->phys == PQ_INT32 || n->phys == PQ_INT64;
    case PQL_INTERVAL:
        return n->phys == PQ_FIXED && n->type_length == 12;
    case PQL_UUID:
        return n->phys == PQ_FIXED && n->type_length == 16;
    case PQL_FLOAT16:
        return n->phys == PQ_FIXED && n->type_length == 2;
    default:
        return false;
    }
}

static bool parse_node(struct thrift *t, struct arena *ar, struct pq_node *n)
{
    struct thrift_field f = {0};
    int64_t converted = -1, scale = 0, precision = 0, children = 0, v;
    bool has_type = false, has_logical = false;
    uint32_t bytes;
    n->name = "";
    n->utc = true;
    if (!thrift_enter(t))
        return false;
    while (thrift_field(t, &f)) {
        if (f.id == 4 && f.type == THRIFT_BINARY) {
            const uint8_t *p = thrift_binary(t, &bytes);
            n->name = arena_strndup(ar, (const char *)p, bytes);
        } else if (f.id == 10 && f.type == THRIFT_STRUCT) {
            parse_logical(t, n);
            has_logical = n->logical != PQL_NONE;
        } else if (f.type == THRIFT_I32 && f.id >= 1 && f.id <= 8) {
            v = thrift_int(t);
            switch (f.id) {
            case 1:
                if (v < 0 || v >= PQ_PHYS_COUNT)
                    return false;
                n->phys = (enum pq_phys)v;
                has_type = true;
                break;
            case 2:
                if (v < 0 || v > 1 << 24)
                    return false;
                n->type_length = (uint32_t)v;
                break;
            case 3:
                if (v < 0 || v > 2)
                    return false;
                n->repetition = (enum pq_repetition)v;
                break;
            case 5:
                if (v < 0 || v > PQ_NODES_MAX)
                    return false;
                children = v;
                break;
            case 6:
                converted = v;
                break;
            case 7:
                scale = v;
                break;
            case 8:
                precision = v;
                break;
            }
        } else {
            thrift_skip(t, f.type);
        }
    }
    thrift_leave(t);
    n->is_leaf = has_type && children == 0;
    n->child_count = n->is_leaf ? 0 : (uint32_t)children;
    if (!has_logical && converted >= 0) {
        n->logical = logical_of_converted(converted);
        n->scale = scale >= 0 && scale <= 255 ? (uint8_t)scale : 255;
        n->precision = precision >= 0 && precision <= 255 ? (uint8_t)precision : 255;
    }
    if (!logical_fits(n))
        n->logical = PQL_NONE;
    if (n->is_leaf && n->phys == PQ_FIXED && n->type_length == 0)
        return false;
    return !t->bad;
}

/* Links children; the list is in depth-first order. */
static bool link_nodes(struct pq_footer *f)
{
    struct {
        uint32_t node, next;
    } stack[PQ_DEPTH_MAX];
    uint32_t depth = 0, at = 1, leaf = 0;
    if (f->node_count == 0 || f->nodes[0].is_leaf)
        return false;
    f->leaf_nodes = ARENA_ARRAY(&f->arena, uint32_t, f->node_count);
    f->nodes[0].repetition = PQ_REQUIRED;
    f->nodes[0].children = ARENA_ARRAY(&f->arena, uint32_t, 1);
    stack[depth].node = 0;
    stack[depth++].next = 0;
    if (f->nodes[0].child_count > f->node_count)
        return false;
    f->nodes[0].children = ARENA_ARRAY(&f->arena, uint32_t, f->nodes[0].child_count);
    while (depth > 0) {
        struct pq_node *p = &f->nodes[stack[depth - 1].node];
        if (stack[depth - 1].next == p->child_count) {
            depth--;
            continue;
        }
        if (at >= f->node_count)
            return false;
        struct pq_node *n = &f->nodes[at];
        p->children[stack[depth - 1].next++] = at;
        n->parent = stack[depth - 1].node;
        n->max_def = (uint8_t)(p->max_def + (n->repetition != PQ_REQUIRED));
        n->max_rep = (uint8_t)(p->max_rep + (n->repetition == PQ_REPEATED));
        n->leaf = leaf;
        if (n->is_leaf) {
            f->leaf_nodes[leaf++] = at;
        } else {
            if (n->child_count > f->node_count - at || depth == PQ_DEPTH_MAX)
                return false;
            n->children = ARENA_ARRAY(&f->arena, uint32_t, n->child_count);
            stack[depth].node = at;
            stack[depth++].next = 0;
        }
        at++;
    }
    f->leaf_count = leaf;
    return at == f->node_count;
}

const char *pq_nodes_parse(struct thrift *t, struct pq_footer *ft)
{
    uint8_t type;
    uint32_t count = thrift_list(t, &type);
    if (type != THRIFT_STRUCT || ft->nodes || count > PQ_NODES_MAX)
        return "the schema is not readable";
    ft->nodes = ARENA_ARRAY(&ft->arena, struct pq_node, count);
    ft->node_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (!parse_node(t, &ft->arena, &ft->nodes[i]))
            return "an element of the schema is not readable";
    return link_nodes(ft) ? NULL : "the schema is not a tree";
}
