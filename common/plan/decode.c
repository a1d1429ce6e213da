/*
 * Bytes to struct stage_plan. The bytes come from a socket, so in this order: a scan of the top-level fields
 * counts nodes, expressions and names against the bounds; protobuf-c unpacks into an arena with a cap (it
 * allocates a block a submessage, so its memory is a multiple of the input); indices must point backwards,
 * which makes recursion unnecessary and cycles impossible; depth and unfolded size of expressions are bounded
 * while they are built; stage_plan_check then proves that ordinals and types fit.
 */
#include "common/plan/plan_impl.h"
#include "common/expr/fn.h"
#include "common/expr/zone.h"
#include "proto/plan.pb-c.h"

struct decoder {
    struct arena *ar;      /* of the result */
    struct arena tmp;      /* of the protobuf tree */
    size_t tmp_max;
    const Pb__StagePlan *m;
    const struct type **types;
    struct expr **exprs;
    uint32_t *expr_weight;
    uint16_t *expr_depth;
    struct pnode **nodes;
    struct error *err;
};

static int bad(struct decoder *de, const char *what)
{
    return error_setf(de->err, ERR_PROTOCOL, "message", "stage plan: %s", what);
}

static void *capped_alloc(void *data, size_t bytes)
{
    struct decoder *de = data;
    if (bytes > de->tmp_max || de->tmp.bytes > de->tmp_max - bytes)
        return NULL;
    return arena_alloc(&de->tmp, bytes);
}

static void capped_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

static bool skip_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t c = *(*at)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* Counts the repeated top-level messages before anything is allocated for them. */
static int prescan(struct decoder *de, const uint8_t *p, size_t bytes)
{
    const uint8_t *end = p + bytes;
    uint32_t counts[16] = {0};
    while (p < end) {
        uint64_t tag, len;
        if (!skip_varint(&p, end, &tag))
            return bad(de, "damaged");
        uint64_t field = tag >> 3;
        if (field == 0 || field >= ARRAY_LEN(counts))
            return bad(de, "unknown field");
        switch (tag & 7) {
        case 0:
            if (!skip_varint(&p, end, &len))
                return bad(de, "damaged");
            break;
        case 2:
            if (!skip_varint(&p, end, &len) || len > (uint64_t)(end - p))
                return bad(de, "damaged");
            p += len;
            break;
        default:
            return bad(de, "damaged");
        }
        if (++counts[field] > PLAN_EXPRS_MAX)
            return bad(de, "too large");
    }
    if (counts[6] > PLAN_NODES_MAX)
        return bad(de, "too many nodes");
    return 0;
}

static int get_type(struct decoder *de, uint32_t idx, const struct type **ret)
{
    if (idx >= de->m->n_types)
        return bad(de, "no such type");
    *ret = de->types[idx];
    return 0;
}

static int get_name(struct decoder *de, uint32_t idx, const char **ret)
{
    if (idx >= de->m->n_names)
        return bad(de, "no such name");
    *ret = de->m->names[idx];
    return 0;
}

static int get_value(struct decoder *de, const Pb__Value *m, struct value *ret)
{
    struct value v = {0};
    TRY(get_type(de, m->type, &v.type));
    v.null = m->null;
    if (!v.null) {
        switch (v.type->id) {
        case TYPE_NULL:
            return bad(de, "a void value that is not null");
        case TYPE_DECIMAL:
            v.d = (int128_t)((uint128_t)m->hi << 64 | m->lo);
            break;
        case TYPE_FLOAT:
        case TYPE_DOUBLE:
            v.f = m->f;
            break;
        case TYPE_STRING:
        case TYPE_BINARY:
            if (m->s.len > UINT32_MAX)
                return bad(de, "value too long");
            v.s.ptr = arena_strndup(de->ar, m->s.len ? (const char *)m->s.data : "", m->s.len);
            v.s.bytes = (uint32_t)m->s.len;
            break;
        case TYPE_ARRAY:
        case TYPE_MAP:
        case TYPE_STRUCT:
            TRY(nested_decode(de->ar, v.type, m->nested.data, m->nested.len, &v.nested, de->err));
            break;
        default:
            v.i = m->i;
        }
    }
    *ret = v;
    return 0;
}

/* Expression idx, which must be one of the first `below`. */
static int get_expr(struct decoder *de, uint32_t idx, size_t below, struct expr **ret)
{
    if (idx >= below)
        return bad(de, "an expression that does not point backwards");
    *ret = de->exprs[idx];
    return 0;
}

static int get_exprs(struct decoder *de, const uint32_t *idx, size_t count, size_t below, struct expr ***ret)
{
    struct expr **list = ARENA_ARRAY(de->ar, struct expr *, count);
    for (size_t i = 0; i < count; i++)
        TRY(get_expr(de, idx[i], below, &list[i]));
    *ret = list;
    return 0;
}

static int build_expr(struct decoder *de, uint32_t at)
{
    const Pb__Expr *m = de->m->exprs[at];
    struct expr *e = ARENA_NEW(de->ar, struct expr);
    if (m->kind != EXPR_COLUMN && m->kind != EXPR_LITERAL && m->kind != EXPR_CALL && m->kind != EXPR_PARAM)
        return bad(de, "expression kind");
    e->kind = (enum expr_kind)m->kind;
    TRY(get_type(de, m->type, &e->type));
    e->nullable = m->nullable;
    e->span = (struct span){m->span_start, m->span_stop};
    e->column = m->column;
    if (m->mode > EVAL_TRY)
        return bad(de, "evaluation mode");
    e->mode = (enum eval_mode)m->mode;
    if ((m->n_args && e->kind != EXPR_CALL) || (e->kind == EXPR_LITERAL) != (m->literal != NULL))
        return bad(de, "expression");
    e->arg_count = (uint32_t)m->n_args;
    TRY(get_exprs(de, m->args, m->n_args, at, &e->args));
    uint64_t weight = 1;
    uint16_t depth = 0;
    for (size_t i = 0; i < m->n_args; i++) {
        weight += de->expr_weight[m->args[i]];
        if (de->expr_depth[m->args[i]] > depth)
            depth = de->expr_depth[m->args[i]];
    }
    if (weight > PLAN_EXPR_WEIGHT_MAX || depth >= PLAN_EXPR_DEPTH_MAX)
        return bad(de, "expression too large or too deep");
    de->expr_weight[at] = (uint32_t)weight;
    de->expr_depth[at] = (uint16_t)(depth + 1);
    if (e->kind == EXPR_CALL) {
        const char *name = NULL;
        TRY(get_name(de, m->fn, &name));
        e->fn = fn_find(name);
        if (!e->fn)
            return bad(de, "unknown function");
    }
    if (e->kind == EXPR_LITERAL) {
        TRY(get_value(de, m->literal, &e->literal));
        if (e->literal.type != e->type)
            return bad(de, "literal of another type");
    }
    if (m->name)
        TRY(get_name(de, m->name - 1, &e->name));
    de->exprs[at] = e;
    return 0;
}

static int get_schema(struct decoder *de, Pb__Field **fields, size_t count, struct schema *ret)
{
    if (count > PLAN_COLUMNS_MAX)
        return bad(de, "too many columns");
    ret->count = (uint32_t)count;
    ret->fields = ARENA_ARRAY(de->ar, struct field, count);
    for (size_t i = 0; i < count; i++) {
        TRY(get_name(de, fields[i]->name, &ret->fields[i].name));
        TRY(get_type(de, fields[i]->type, &ret->fields[i].type));
        ret->fields[i].nullable = fields[i]->nullable;
    }
    return 0;
}

static void get_options(struct decoder *de, Pb__Option **list, size_t count, struct options *ret)
{
    ret->count = (uint32_t)count;
    ret->items = ARENA_ARRAY(de->ar, struct option, count);
    for (size_t i = 0; i < count; i++) {
        ret->items[i].name = arena_strdup(de->ar, list[i]->name);
        ret->items[i].value = arena_strdup(de->ar, list[i]->value);
    }
}

static int get_sort_keys(struct decoder *de, Pb__SortKey **list, size_t count, struct sort_key **ret)
{
    struct sort_key *keys = ARENA_ARRAY(de->ar, struct sort_key, count);
    for (size_t i = 0; i < count; i++) {
        TRY(get_expr(de, list[i]->expr, de->m->n_exprs, &keys[i].expr));
        keys[i].descending = list[i]->descending;
        keys[i].nulls_last = list[i]->nulls_last;
    }
    *ret = keys;
    return 0;
}

static int get_scan(struct decoder *de, const Pb__Scan *m, const struct query_ctx *cx, struct scan_spec **ret)
{
    struct scan_spec *s = ARENA_NEW(de->ar, struct scan_spec);
    s->format = arena_strdup(de->ar, m->format);
    s->cx = cx;
    get_options(de, m->options, m->n_options, &s->options);
    TRY(get_schema(de, m->file_fields, m->n_file_fields, &s->file_schema));
    TRY(get_schema(de, m->partition_fields, m->n_partition_fields, &s->partition_schema));
    if (m->n_columns > PLAN_COLUMNS_MAX)
        return bad(de, "too many columns");
    s->column_count = (uint32_t)m->n_columns;
    s->columns = arena_dup(de->ar, m->n_columns ? m->columns : &(uint32_t){0},
                           (m->n_columns ? m->n_columns : 1) * sizeof(uint32_t));
    s->prune_count = (uint32_t)m->n_prunes;
    struct prune *prunes = ARENA_ARRAY(de->ar, struct prune, m->n_prunes);
    for (size_t i = 0; i < m->n_prunes; i++) {
        const Pb__Prune *pm = m->prunes[i];
        if (pm->op > PRUNE_PREFIX)
            return bad(de, "pruning operator");
        prunes[i].column = pm->column;
        prunes[i].op = (enum prune_op)pm->op;
        prunes[i].value_count = (uint32_t)pm->n_values;
        struct value *values = ARENA_ARRAY(de->ar, struct value, pm->n_values);
        for (size_t j = 0; j < pm->n_values; j++)
            TRY(get_value(de, pm->values[j], &values[j]));
        prunes[i].values = values;
    }
    s->prunes = prunes;
    struct expr **conjuncts;
    TRY(get_exprs(de, m->conjuncts, m->n_conjuncts, de->m->n_exprs, &conjuncts));
    s->conjuncts = conjuncts;
    s->conjunct_count = (uint32_t)m->n_conjuncts;
    *ret = s;
    return 0;
}

static int get_agg(struct decoder *de, const Pb__Aggregate *m, struct plan_agg *ret)
{
    const char *name = NULL;
    TRY(get_name(de, m->name, &name));
    ret->spec.row = agg_find(name);
    if (!ret->spec.row)
        return bad(de, "unknown aggregate function");
    TRY(get_type(de, m->result, &ret->spec.result));
    ret->spec.arg_count = (uint32_t)m->n_arg_types;
    const struct type **types = ARENA_ARRAY(de->ar, const struct type *, m->n_arg_types);
    for (size_t i = 0; i < m->n_arg_types; i++)
        TRY(get_type(de, m->arg_types[i], &types[i]));
    ret->spec.arg_types = types;
    if (m->mode > EVAL_TRY)
        return bad(de, "evaluation mode");
    ret->spec.mode = (enum eval_mode)m->mode;
    ret->spec.ignore_nulls = m->ignore_nulls;
    if (m->n_args && m->n_args != m->n_arg_types)
        return bad(de, "arguments of an aggregate");
    if (m->n_args)
        TRY(get_exprs(de, m->args, m->n_args, de->m->n_exprs, &ret->args));
    if (m->filter)
        TRY(get_expr(de, m->filter - 1, de->m->n_exprs, &ret->filter));
    ret->distinct = m->distinct;
    return 0;
}

static int build_node(struct decoder *de, uint32_t at, const struct query_ctx *cx, uint16_t *depths)
{
    const Pb__Node *m = de->m->nodes[at];
    size_t expr_max = de->m->n_exprs;
    struct pnode *n = ARENA_NEW(de->ar, struct pnode);
    if (m->kind > PN_SINK_WRITE)
        return bad(de, "node kind");
    n->kind = (enum pnode_kind)m->kind;
    if (m->id >= de->m->n_nodes)
        return bad(de, "node id");
    n->id = m->id;
    TRY(get_schema(de, m->out, m->n_out, &n->out));
    n->input_count = (uint32_t)m->n_inputs;
    n->inputs = ARENA_ARRAY(de->ar, struct pnode *, m->n_inputs);
    uint16_t depth = 0;
    for (size_t i = 0; i < m->n_inputs; i++) {
        uint32_t in = m->inputs[i];
        if (in >= at || !de->nodes[in])
            return bad(de, "a node that does not point backwards");
        n->inputs[i] = de->nodes[in];
        de->nodes[in] = NULL; /* a tree: each node has one consumer */
        if (depths[in] > depth)
            depth = depths[in];
    }
    if (depth >= PLAN_NODE_DEPTH_MAX)
        return bad(de, "too deep");
    depths[at] = (uint16_t)(depth + 1);
    n->rows_estimate = m->has_rows_estimate ? m->rows_estimate : -1;
    if (m->scan)
        TRY(get_scan(de, m->scan, cx, &n->scan));
    n->scan_index = m->scan_index;
    n->range_start = m->range_start;
    n->range_end = m->range_end;
    n->range_step = m->range_step;
    n->range_parts = m->range_parts;
    if (m->values_frame.len) {
        n->values_frame.data = arena_dup(de->ar, m->values_frame.data, m->values_frame.len);
        n->values_frame.bytes = n->values_frame.cap = m->values_frame.len;
    }
    n->exchange = m->exchange;
    n->read_all = m->read_all;
    n->merge_key_count = (uint32_t)m->n_merge_keys;
    TRY(get_sort_keys(de, m->merge_keys, m->n_merge_keys, &n->merge_keys));
    n->expr_count = (uint32_t)m->n_exprs;
    TRY(get_exprs(de, m->exprs, m->n_exprs, expr_max, &n->exprs));
    if ((uint64_t)m->list_count * n->out.count != m->n_lists || m->list_count > 65536)
        return bad(de, "lists of an expand");
    n->list_count = m->list_count;
    n->lists = ARENA_ARRAY(de->ar, struct expr **, m->list_count);
    for (uint32_t i = 0; i < m->list_count; i++)
        TRY(get_exprs(de, m->n_lists ? &m->lists[(size_t)i * n->out.count] : NULL, n->out.count, expr_max, &n->lists[i]));
    if (m->agg_mode > AGG_MODE_COMPLETE || m->join_kind > JOIN_MARK || m->exchange_kind > EXCHANGE_ROUND_ROBIN)
        return bad(de, "mode of a node");
    n->agg_mode = (enum agg_mode)m->agg_mode;
    n->key_count = (uint32_t)m->n_keys;
    TRY(get_exprs(de, m->keys, m->n_keys, expr_max, &n->keys));
    n->agg_count = (uint32_t)m->n_aggs;
    n->aggs = ARENA_ARRAY(de->ar, struct plan_agg, m->n_aggs);
    for (size_t i = 0; i < m->n_aggs; i++)
        TRY(get_agg(de, m->aggs[i], &n->aggs[i]));
    n->join_kind = (enum join_kind)m->join_kind;
    if (m->n_probe_keys != m->n_build_keys || m->n_probe_keys != m->n_null_safe)
        return bad(de, "keys of a join");
    n->join_key_count = (uint32_t)m->n_probe_keys;
    TRY(get_exprs(de, m->probe_keys, m->n_probe_keys, expr_max, &n->probe_keys));
    TRY(get_exprs(de, m->build_keys, m->n_build_keys, expr_max, &n->build_keys));
    n->null_safe = ARENA_ARRAY(de->ar, bool, m->n_null_safe);
    for (size_t i = 0; i < m->n_null_safe; i++)
        n->null_safe[i] = m->null_safe[i];
    if (m->residual)
        TRY(get_expr(de, m->residual - 1, expr_max, &n->residual));
    n->shared_build = m->shared_build;
    if (m->n_out_columns > PLAN_COLUMNS_MAX)
        return bad(de, "too many columns");
    n->out_column_count = (uint32_t)m->n_out_columns;
    n->out_columns = ARENA_ARRAY(de->ar, uint32_t, m->n_out_columns);
    for (size_t i = 0; i < m->n_out_columns; i++)
        n->out_columns[i] = m->out_columns[i];
    n->sort_key_count = (uint32_t)m->n_sort_keys;
    TRY(get_sort_keys(de, m->sort_keys, m->n_sort_keys, &n->sort_keys));
    n->limit = m->has_limit ? m->limit : -1;
    n->offset = m->offset;
    if (m->n_branch_first) {
        if (m->n_branch_first != m->n_inputs + 1)
            return bad(de, "branches of a union");
        n->branch_first = arena_dup(de->ar, m->branch_first, m->n_branch_first * sizeof(uint32_t));
    }
    n->exchange_kind = (enum exchange_kind)m->exchange_kind;
    n->exchange_partitions = m->exchange_partitions;
    if (m->write_format)
        n->write_format = arena_strdup(de->ar, m->write_format);
    if (m->write_dir)
        n->write_dir = arena_strdup(de->ar, m->write_dir);
    get_options(de, m->write_options, m->n_write_options, &n->write_options);
    n->write_partition_count = m->write_partition_count;
    de->nodes[at] = n;
    return 0;
}

static int build(struct decoder *de, struct stage_plan **ret)
{
    const Pb__StagePlan *m = de->m;
    struct arena *ar = de->ar;
    struct stage_plan *plan = ARENA_NEW(ar, struct stage_plan);
    if (m->n_nodes == 0)
        return bad(de, "empty");
    de->types = ARENA_ARRAY(&de->tmp, const struct type *, m->n_types);
    for (size_t i = 0; i < m->n_types; i++) {
        if (strlen(m->types[i]) > PLAN_TYPE_BYTES_MAX)
            return bad(de, "type too long");
        TRY(type_parse(m->types[i], &de->types[i], de->err));
    }
    for (size_t i = 0; i < m->n_names; i++)
        m->names[i] = arena_strdup(ar, m->names[i]);
    de->exprs = ARENA_ARRAY(&de->tmp, struct expr *, m->n_exprs);
    de->expr_weight = ARENA_ARRAY(&de->tmp, uint32_t, m->n_exprs);
    de->expr_depth = ARENA_ARRAY(&de->tmp, uint16_t, m->n_exprs);
    for (size_t i = 0; i < m->n_exprs; i++)
        TRY(build_expr(de, (uint32_t)i));

    const Pb__Context *cx = m->cx;
    plan->cx.now_us = cx->now_us;
    plan->cx.seed = cx->seed;
    plan->cx.ansi = cx->ansi;
    plan->cx.user = cx->user ? arena_strdup(ar, cx->user) : NULL;
    plan->cx.catalog = cx->catalog ? arena_strdup(ar, cx->catalog) : NULL;
    plan->cx.database = cx->database ? arena_strdup(ar, cx->database) : NULL;
    if (cx->zone) {
        plan->cx.zone_name = arena_strdup(ar, cx->zone);
        TRY(zone_find(plan->cx.zone_name, &plan->cx.zone, de->err));
    }
    de->nodes = ARENA_ARRAY(&de->tmp, struct pnode *, m->n_nodes);
    uint16_t *depths = ARENA_ARRAY(&de->tmp, uint16_t, m->n_nodes);
    for (size_t i = 0; i < m->n_nodes; i++)
        TRY(build_node(de, (uint32_t)i, &plan->cx, depths));
    for (size_t i = 0; i + 1 < m->n_nodes; i++)
        if (de->nodes[i])
            return bad(de, "a node without a consumer");
    plan->root = de->nodes[m->n_nodes - 1];
    plan->node_count = (uint32_t)m->n_nodes;
    plan->job_id = m->job_id;
    plan->stage = m->stage;
    plan->partition_count = m->partition_count;
    plan->output_partitions = m->output_partitions;
    plan->param_count = (uint32_t)m->n_param_types;
    plan->param_types = ARENA_ARRAY(ar, const struct type *, m->n_param_types);
    for (size_t i = 0; i < m->n_param_types; i++)
        TRY(get_type(de, m->param_types[i], &plan->param_types[i]));
    plan->batch_rows = m->batch_rows;
    plan->sql = m->sql ? arena_strdup(ar, m->sql) : NULL;
    TRY(stage_plan_check(plan, de->err));
    *ret = plan;
    return 0;
}

int stage_plan_decode(struct arena *ar, const void *p, size_t bytes, struct stage_plan **ret, struct error *err)
{
    struct decoder de = {.ar = ar, .err = err, .tmp_max = ((size_t)1 << 20) + bytes * 64};
    TRY(prescan(&de, p, bytes));
    arena_init(&de.tmp);
    ProtobufCAllocator alloc = {capped_alloc, capped_free, &de};
    int rc;
    de.m = pb__stage_plan__unpack(&alloc, bytes, p);
    rc = de.m ? build(&de, ret) : bad(&de, "damaged");
    arena_fini(&de.tmp);
    return rc;
}
