/*
 * struct stage_plan to bytes. Types and names go once each into tables; an expression shared by several
 * places is written once, so that the executor's compiler sees the sharing. The protobuf tree is built in
 * an arena that ends with the call.
 */
#include "common/plan/plan_impl.h"
#include "common/expr/fn.h"
#include "proto/plan.pb-c.h"

struct ptr_entry {
    const void *key;
    uint32_t value;
};

struct encoder {
    struct arena ar;
    struct ptr_entry *slots; /* expressions and types by address */
    uint32_t slot_count, used;
    struct strmap names;
    char **name_items;
    uint32_t name_count, name_cap;
    char **type_items;
    uint32_t type_count, type_cap;
    Pb__Expr **exprs;
    uint32_t expr_count, expr_cap;
    Pb__Node **nodes;
    uint32_t node_count, node_cap;
    bool rows_only; /* leave out what does not change the rows */
};

#define SET(m, field, v) ((m)->has_##field = 1, (m)->field = (v))

static struct ptr_entry *ptr_slot(struct encoder *en, const void *key)
{
    if ((en->used + 1) * 2 > en->slot_count) {
        uint32_t count = en->slot_count ? en->slot_count * 2 : 256;
        struct ptr_entry *old = en->slots;
        uint32_t old_count = en->slot_count;
        en->slots = ARENA_ARRAY(&en->ar, struct ptr_entry, count);
        en->slot_count = count;
        for (uint32_t i = 0; i < old_count; i++) {
            if (!old[i].key)
                continue;
            uint32_t at = (uint32_t)hash_u64((uintptr_t)old[i].key) & (count - 1);
            while (en->slots[at].key)
                at = (at + 1) & (count - 1);
            en->slots[at] = old[i];
        }
    }
    uint32_t at = (uint32_t)hash_u64((uintptr_t)key) & (en->slot_count - 1);
    while (en->slots[at].key && en->slots[at].key != key)
        at = (at + 1) & (en->slot_count - 1);
    return &en->slots[at];
}

static uint32_t put_type(struct encoder *en, const struct type *t)
{
    struct ptr_entry *e = ptr_slot(en, t);
    if (!e->key) {
        *e = (struct ptr_entry){t, en->type_count};
        en->used++;
        ARENA_PUSH(&en->ar, en->type_items, en->type_count, en->type_cap, (char *)(uintptr_t)t->ddl);
        return en->type_count - 1;
    }
    return e->value;
}

static uint32_t put_name(struct encoder *en, const char *name)
{
    void *at = strmap_get(&en->names, name);
    if (at)
        return (uint32_t)(uintptr_t)at - 1;
    ARENA_PUSH(&en->ar, en->name_items, en->name_count, en->name_cap, arena_strdup(&en->ar, name));
    strmap_put(&en->names, name, (void *)(uintptr_t)en->name_count);
    return en->name_count - 1;
}

static void *bytes_dup(struct encoder *en, const void *p, size_t bytes)
{
    return arena_dup(&en->ar, bytes ? p : "", bytes ? bytes : 1);
}

static void fill_value(struct encoder *en, Pb__Value *m, const struct value *v)
{
    pb__value__init(m);
    SET(m, type, put_type(en, v->type));
    if (v->null) {
        SET(m, null, 1);
        return;
    }
    switch (v->type->id) {
    case TYPE_DECIMAL:
        SET(m, lo, (uint64_t)(uint128_t)v->d);
        SET(m, hi, (uint64_t)((uint128_t)v->d >> 64));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        SET(m, f, v->f);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        m->has_s = 1;
        m->s.len = v->s.bytes;
        m->s.data = bytes_dup(en, v->s.ptr, v->s.bytes);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: {
        struct buf frame = BUF_INIT;
        nested_encode(v->nested, &frame);
        m->has_nested = 1;
        m->nested.len = frame.bytes;
        m->nested.data = bytes_dup(en, frame.data, frame.bytes);
        buf_fini(&frame);
        break;
    }
    default:
        SET(m, i, v->i);
    }
}

static uint32_t put_expr(struct encoder *en, const struct expr *e);

static uint32_t *put_exprs(struct encoder *en, struct expr *const *exprs, uint32_t count)
{
    uint32_t *idx = ARENA_ARRAY(&en->ar, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        idx[i] = put_expr(en, exprs[i]);
    return idx;
}

static uint32_t put_expr(struct encoder *en, const struct expr *e)
{
    struct ptr_entry *slot = ptr_slot(en, e);
    if (slot->key)
        return slot->value;
    ASSERT(e->kind == EXPR_COLUMN || e->kind == EXPR_LITERAL || e->kind == EXPR_CALL || e->kind == EXPR_PARAM);
    Pb__Expr *m = ARENA_NEW(&en->ar, Pb__Expr);
    pb__expr__init(m);
    m->kind = e->kind;
    m->type = put_type(en, e->type);
    if (e->nullable)
        SET(m, nullable, 1);
    if (e->span.stop && !en->rows_only) {
        SET(m, span_start, e->span.start);
        SET(m, span_stop, e->span.stop);
    }
    if (e->column)
        SET(m, column, e->column);
    m->n_args = e->arg_count;
    m->args = put_exprs(en, e->args, e->arg_count);
    if (e->kind == EXPR_CALL)
        SET(m, fn, put_name(en, e->fn->name));
    if (e->kind == EXPR_LITERAL) {
        m->literal = ARENA_NEW(&en->ar, Pb__Value);
        fill_value(en, m->literal, &e->literal);
    }
    if (e->mode)
        SET(m, mode, e->mode);
    if (e->name && !en->rows_only)
        SET(m, name, put_name(en, e->name) + 1);
    uint32_t idx = en->expr_count;
    ARENA_PUSH(&en->ar, en->exprs, en->expr_count, en->expr_cap, m);
    slot = ptr_slot(en, e); /* the table may have grown */
    *slot = (struct ptr_entry){e, idx};
    en->used++;
    return idx;
}

static Pb__Field **put_fields(struct encoder *en, const struct schema *sch)
{
    Pb__Field **list = ARENA_ARRAY(&en->ar, Pb__Field *, sch->count);
    Pb__Field *items = ARENA_ARRAY(&en->ar, Pb__Field, sch->count);
    for (uint32_t i = 0; i < sch->count; i++) {
        const struct field *f = &sch->fields[i];
        list[i] = &items[i];
        pb__field__init(list[i]);
        list[i]->name = put_name(en, f->name && !en->rows_only ? f->name : "");
        list[i]->type = put_type(en, f->type);
        if (f->nullable)
            SET(list[i], nullable, 1);
    }
    return list;
}

static Pb__Option **put_options(struct encoder *en, const struct options *o)
{
    Pb__Option **list = ARENA_ARRAY(&en->ar, Pb__Option *, o->count);
    for (uint32_t i = 0; i < o->count; i++) {
        list[i] = ARENA_NEW(&en->ar, Pb__Option);
        pb__option__init(list[i]);
        list[i]->name = arena_strdup(&en->ar, o->items[i].name);
        list[i]->value = arena_strdup(&en->ar, o->items[i].value);
    }
    return list;
}

static Pb__SortKey **put_sort_keys(struct encoder *en, const struct sort_key *keys, uint32_t count)
{
    Pb__SortKey **list = ARENA_ARRAY(&en->ar, Pb__SortKey *, count);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = ARENA_NEW(&en->ar, Pb__SortKey);
        pb__sort_key__init(list[i]);
        list[i]->expr = put_expr(en, keys[i].expr);
        if (keys[i].descending)
            SET(list[i], descending, 1);
        if (keys[i].nulls_last)
            SET(list[i], nulls_last, 1);
    }
    return list;
}

static Pb__Scan *put_scan(struct encoder *en, const struct scan_spec *scan)
{
    Pb__Scan *m = ARENA_NEW(&en->ar, Pb__Scan);
    pb__scan__init(m);
    m->format = arena_strdup(&en->ar, scan->format);
    m->n_options = scan->options.count;
    m->options = put_options(en, &scan->options);
    bool rows_only = en->rows_only;
    en->rows_only = false; /* names of the table's columns are what is read */
    m->n_file_fields = scan->file_schema.count;
    m->file_fields = put_fields(en, &scan->file_schema);
    m->n_partition_fields = scan->partition_schema.count;
    m->partition_fields = put_fields(en, &scan->partition_schema);
    en->rows_only = rows_only;
    m->n_columns = scan->column_count;
    m->columns = bytes_dup(en, scan->columns, scan->column_count * sizeof *scan->columns);
    m->n_prunes = scan->prune_count;
    m->prunes = ARENA_ARRAY(&en->ar, Pb__Prune *, scan->prune_count);
    for (uint32_t i = 0; i < scan->prune_count; i++) {
        const struct prune *p = &scan->prunes[i];
        Pb__Prune *pm = m->prunes[i] = ARENA_NEW(&en->ar, Pb__Prune);
        pb__prune__init(pm);
        pm->column = p->column;
        pm->op = p->op;
        pm->n_values = p->value_count;
        pm->values = ARENA_ARRAY(&en->ar, Pb__Value *, p->value_count);
        for (uint32_t j = 0; j < p->value_count; j++) {
            pm->values[j] = ARENA_NEW(&en->ar, Pb__Value);
            fill_value(en, pm->values[j], &p->values[j]);
        }
    }
    m->n_conjuncts = scan->conjunct_count;
    m->conjuncts = put_exprs(en, scan->conjuncts, scan->conjunct_count);
    return m;
}

static Pb__Aggregate *put_agg(struct encoder *en, const struct plan_agg *agg)
{
    Pb__Aggregate *m = ARENA_NEW(&en->ar, Pb__Aggregate);
    pb__aggregate__init(m);
    m->name = put_name(en, agg_name(agg->spec.row));
    m->result = put_type(en, agg->spec.result);
    m->n_arg_types = agg->spec.arg_count;
    m->arg_types = ARENA_ARRAY(&en->ar, uint32_t, agg->spec.arg_count);
    for (uint32_t i = 0; i < agg->spec.arg_count; i++)
        m->arg_types[i] = put_type(en, agg->spec.arg_types[i]);
    if (agg->spec.mode)
        SET(m, mode, agg->spec.mode);
    if (agg->spec.ignore_nulls)
        SET(m, ignore_nulls, 1);
    if (agg->args) {
        m->n_args = agg->spec.arg_count;
        m->args = put_exprs(en, agg->args, agg->spec.arg_count);
    }
    if (agg->filter)
        SET(m, filter, put_expr(en, agg->filter) + 1);
    if (agg->distinct)
        SET(m, distinct, 1);
    return m;
}

static uint32_t put_node(struct encoder *en, const struct pnode *n)
{
    Pb__Node *m = ARENA_NEW(&en->ar, Pb__Node);
    pb__node__init(m);
    m->inputs = ARENA_ARRAY(&en->ar, uint32_t, n->input_count);
    m->n_inputs = n->input_count;
    for (uint32_t i = 0; i < n->input_count; i++)
        m->inputs[i] = put_node(en, n->inputs[i]);
    m->kind = n->kind;
    m->id = n->id;
    m->n_out = n->out.count;
    m->out = put_fields(en, &n->out);
    if (!en->rows_only)
        SET(m, rows_estimate, n->rows_estimate);
    if (n->scan)
        m->scan = put_scan(en, n->scan);
    if (n->kind == PN_SCAN)
        SET(m, scan_index, n->scan_index);
    if (n->kind == PN_RANGE) {
        SET(m, range_start, n->range_start);
        SET(m, range_end, n->range_end);
        SET(m, range_step, n->range_step);
        SET(m, range_parts, n->range_parts);
    }
    if (n->values_frame.bytes) {
        m->has_values_frame = 1;
        m->values_frame.len = n->values_frame.bytes;
        m->values_frame.data = (uint8_t *)n->values_frame.data;
    }
    if (n->kind == PN_EXCHANGE_READ) {
        SET(m, exchange, n->exchange);
        SET(m, read_all, n->read_all);
    }
    m->n_merge_keys = n->merge_key_count;
    m->merge_keys = put_sort_keys(en, n->merge_keys, n->merge_key_count);
    m->n_exprs = n->expr_count;
    m->exprs = put_exprs(en, n->exprs, n->expr_count);
    if (n->list_count) {
        SET(m, list_count, n->list_count);
        uint32_t width = n->out.count;
        m->n_lists = (size_t)n->list_count * width;
        m->lists = ARENA_ARRAY(&en->ar, uint32_t, m->n_lists);
        for (uint32_t i = 0; i < n->list_count; i++)
            for (uint32_t j = 0; j < width; j++)
                m->lists[i * width + j] = put_expr(en, n->lists[i][j]);
    }
    if (n->kind == PN_AGGREGATE) {
        SET(m, agg_mode, n->agg_mode);
        m->n_keys = n->key_count;
        m->keys = put_exprs(en, n->keys, n->key_count);
        m->n_aggs = n->agg_count;
        m->aggs = ARENA_ARRAY(&en->ar, Pb__Aggregate *, n->agg_count);
        for (uint32_t i = 0; i < n->agg_count; i++)
            m->aggs[i] = put_agg(en, &n->aggs[i]);
    }
    if (n->kind == PN_JOIN) {
        SET(m, join_kind, n->join_kind);
        m->n_probe_keys = m->n_build_keys = m->n_null_safe = n->join_key_count;
        m->probe_keys = put_exprs(en, n->probe_keys, n->join_key_count);
        m->build_keys = put_exprs(en, n->build_keys, n->join_key_count);
        m->null_safe = ARENA_ARRAY(&en->ar, protobuf_c_boolean, n->join_key_count);
        for (uint32_t i = 0; i < n->join_key_count; i++)
            m->null_safe[i] = n->null_safe && n->null_safe[i];
        if (n->residual)
            SET(m, residual, put_expr(en, n->residual) + 1);
        SET(m, shared_build, n->shared_build);
        m->n_out_columns = n->out_column_count;
        m->out_columns = bytes_dup(en, n->out_columns, n->out_column_count * sizeof *n->out_columns);
    }
    m->n_sort_keys = n->sort_key_count;
    m->sort_keys = put_sort_keys(en, n->sort_keys, n->sort_key_count);
    if (n->kind == PN_TOP || n->kind == PN_LIMIT) {
        SET(m, limit, n->limit);
        SET(m, offset, n->offset);
    }
    if (n->branch_first) {
        m->n_branch_first = n->input_count + 1;
        m->branch_first = bytes_dup(en, n->branch_first, m->n_branch_first * sizeof *n->branch_first);
    }
    if (n->kind == PN_SINK_EXCHANGE) {
        SET(m, exchange_kind, n->exchange_kind);
        SET(m, exchange_partitions, n->exchange_partitions);
    }
    if (n->kind == PN_SINK_WRITE) {
        m->write_format = arena_strdup(&en->ar, n->write_format);
        m->write_dir = arena_strdup(&en->ar, n->write_dir);
        m->n_write_options = n->write_options.count;
        m->write_options = put_options(en, &n->write_options);
        SET(m, write_partition_count, n->write_partition_count);
    }
    ARENA_PUSH(&en->ar, en->nodes, en->node_count, en->node_cap, m);
    return en->node_count - 1;
}

static void encode(const struct stage_plan *plan, bool rows_only, struct buf *out)
{
    struct encoder en = {.rows_only = rows_only};
    arena_init(&en.ar);
    strmap_init(&en.names);
    Pb__StagePlan m = PB__STAGE_PLAN__INIT;
    m.job_id = plan->job_id;
    m.stage = plan->stage;
    m.partition_count = plan->partition_count;
    m.output_partitions = plan->output_partitions;
    put_node(&en, plan->root);
    m.n_param_types = plan->param_count;
    m.param_types = ARENA_ARRAY(&en.ar, uint32_t, plan->param_count);
    for (uint32_t i = 0; i < plan->param_count; i++)
        m.param_types[i] = put_type(&en, plan->param_types[i]);
    Pb__Context cx = PB__CONTEXT__INIT;
    cx.now_us = plan->cx.now_us;
    cx.zone = plan->cx.zone_name ? arena_strdup(&en.ar, plan->cx.zone_name) : NULL;
    SET(&cx, seed, plan->cx.seed);
    SET(&cx, ansi, plan->cx.ansi);
    cx.user = plan->cx.user ? arena_strdup(&en.ar, plan->cx.user) : NULL;
    cx.catalog = plan->cx.catalog ? arena_strdup(&en.ar, plan->cx.catalog) : NULL;
    cx.database = plan->cx.database ? arena_strdup(&en.ar, plan->cx.database) : NULL;
    m.cx = &cx;
    SET(&m, batch_rows, plan->batch_rows);
    m.sql = plan->sql ? arena_strdup(&en.ar, plan->sql) : NULL;
    m.n_types = en.type_count;
    m.types = en.type_items;
    m.n_names = en.name_count;
    m.names = en.name_items;
    m.n_exprs = en.expr_count;
    m.exprs = en.exprs;
    m.n_nodes = en.node_count;
    m.nodes = en.nodes;
    size_t bytes = pb__stage_plan__get_packed_size(&m);
    buf_reserve(out, bytes);
    pb__stage_plan__pack(&m, (uint8_t *)out->data + out->bytes);
    out->bytes += bytes;
    out->data[out->bytes] = 0;
    strmap_fini(&en.names);
    arena_fini(&en.ar);
}

void stage_plan_encode(const struct stage_plan *plan, struct buf *out)
{
    encode(plan, false, out);
}

void stage_plan_key(const struct stage_plan *plan, struct buf *out)
{
    encode(plan, true, out);
}
