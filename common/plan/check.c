/*
 * Whether a stage plan is consistent in itself: the contract between planner and operators, in code. The
 * planner runs it on what it makes, the decoder on what it gets; operators then need no checks of their own.
 */
#include "common/plan/plan_impl.h"

struct checker {
    const struct stage_plan *plan;
    uint8_t *seen_ids;
    uint32_t scans;
    struct error *err;
};

static int bad(struct checker *ck, const struct pnode *n, const char *what)
{
    return error_setf(ck->err, ERR_PROTOCOL, "message", "stage plan: %s %u: %s", pnode_kind_name(n->kind), n->id, what);
}

static int check_expr(struct checker *ck, const struct pnode *n, const struct expr *e, const struct schema *in)
{
    switch (e->kind) {
    case EXPR_COLUMN:
        if (e->column >= in->count)
            return bad(ck, n, "no such input column");
        if (e->type != in->fields[e->column].type) {
            return error_setf(ck->err, ERR_PROTOCOL, "message", "stage plan: %s %u: column %u is %s, expected %s",
                              pnode_kind_name(n->kind), n->id, e->column, in->fields[e->column].type->text,
                              e->type->text);
        }
        return 0;
    case EXPR_PARAM:
        if (e->column >= ck->plan->param_count || ck->plan->param_types[e->column] != e->type)
            return bad(ck, n, "no such parameter");
        return 0;
    case EXPR_LITERAL:
        return 0;
    case EXPR_CALL:
        for (uint32_t i = 0; i < e->arg_count; i++)
            TRY(check_expr(ck, n, e->args[i], in));
        return 0;
    default:
        return bad(ck, n, "an expression of the driver's");
    }
}

static int check_bool(struct checker *ck, const struct pnode *n, const struct expr *e, const struct schema *in)
{
    if (e->type->id != TYPE_BOOLEAN)
        return bad(ck, n, "a condition that is not boolean");
    return check_expr(ck, n, e, in);
}

static int check_sort_keys(struct checker *ck, const struct pnode *n, const struct sort_key *keys, uint32_t count,
                           const struct schema *in)
{
    for (uint32_t i = 0; i < count; i++)
        TRY(check_expr(ck, n, keys[i].expr, in));
    return 0;
}

static int check_same(struct checker *ck, const struct pnode *n, const struct schema *a, const struct schema *b)
{
    if (a->count != b->count)
        return bad(ck, n, "another number of columns than its input");
    for (uint32_t i = 0; i < a->count; i++)
        if (a->fields[i].type != b->fields[i].type)
            return bad(ck, n, "another column type than its input");
    return 0;
}

static int check_scan(struct checker *ck, const struct pnode *n)
{
    const struct scan_spec *s = n->scan;
    if (!s)
        return bad(ck, n, "no scan");
    uint32_t total = s->file_schema.count + s->partition_schema.count;
    if (n->out.count != s->column_count)
        return bad(ck, n, "another number of columns than its scan");
    for (uint32_t i = 0; i < s->column_count; i++) {
        uint32_t c = s->columns[i];
        if (c >= total)
            return bad(ck, n, "no such table column");
        const struct field *f = c < s->file_schema.count ? &s->file_schema.fields[c]
                                                         : &s->partition_schema.fields[c - s->file_schema.count];
        if (f->type != n->out.fields[i].type)
            return bad(ck, n, "column type");
    }
    for (uint32_t i = 0; i < s->prune_count; i++) {
        if (s->prunes[i].column >= s->column_count)
            return bad(ck, n, "no such column to prune by");
        uint32_t need = s->prunes[i].op == PRUNE_IS_NULL || s->prunes[i].op == PRUNE_NOT_NULL ? 0 : 1;
        if (s->prunes[i].op == PRUNE_IN ? s->prunes[i].value_count < 1 : s->prunes[i].value_count != need)
            return bad(ck, n, "values to prune by");
        for (uint32_t j = 0; j < s->prunes[i].value_count; j++)
            if (s->prunes[i].values[j].type != n->out.fields[s->prunes[i].column].type)
                return bad(ck, n, "type of a value to prune by");
    }
    for (uint32_t i = 0; i < s->conjunct_count; i++)
        TRY(check_bool(ck, n, s->conjuncts[i], &n->out));
    ck->scans++;
    return 0;
}

static int check_agg(struct checker *ck, const struct pnode *n, const struct schema *in)
{
    bool final = n->agg_mode == AGG_MODE_FINAL, partial = n->agg_mode == AGG_MODE_PARTIAL;
    uint32_t in_at = n->key_count, out_at = n->key_count;
    if (n->out.count < n->key_count)
        return bad(ck, n, "columns");
    for (uint32_t i = 0; i < n->key_count; i++) {
        TRY(check_expr(ck, n, n->keys[i], in));
        if (n->keys[i]->type != n->out.fields[i].type)
            return bad(ck, n, "key type");
        if (final && (n->keys[i]->kind != EXPR_COLUMN || n->keys[i]->column != i))
            return bad(ck, n, "keys of a final aggregation are its first columns");
    }
    for (uint32_t i = 0; i < n->agg_count; i++) {
        const struct plan_agg *a = &n->aggs[i];
        const struct type *types[AGG_PARTIAL_MAX];
        uint32_t count = 1;
        if (final || partial)
            count = agg_partial_types(&a->spec, types);
        if (final) {
            for (uint32_t j = 0; j < count; j++, in_at++)
                if (in_at >= in->count || in->fields[in_at].type != types[j])
                    return bad(ck, n, "partial state");
            if (a->distinct || a->filter)
                return bad(ck, n, "distinct or filter in a final aggregation");
        } else {
            if (a->spec.arg_count && !a->args)
                return bad(ck, n, "arguments");
            for (uint32_t j = 0; j < a->spec.arg_count; j++) {
                TRY(check_expr(ck, n, a->args[j], in));
                if (a->args[j]->type != a->spec.arg_types[j])
                    return bad(ck, n, "argument type");
            }
            if (a->filter)
                TRY(check_bool(ck, n, a->filter, in));
            if (a->distinct && partial)
                return bad(ck, n, "distinct in a partial aggregation");
        }
        if (!partial) {
            types[0] = a->spec.result;
            count = 1;
        }
        for (uint32_t j = 0; j < count; j++, out_at++)
            if (out_at >= n->out.count || n->out.fields[out_at].type != types[j])
                return bad(ck, n, "result type");
    }
    if (out_at != n->out.count || (final && in_at != in->count))
        return bad(ck, n, "number of columns");
    return 0;
}

static int check_join(struct checker *ck, const struct pnode *n)
{
    const struct schema *probe = &n->inputs[0]->out, *build = &n->inputs[1]->out;
    struct schema both = {.count = probe->count + build->count};
    for (uint32_t i = 0; i < n->join_key_count; i++) {
        TRY(check_expr(ck, n, n->probe_keys[i], probe));
        TRY(check_expr(ck, n, n->build_keys[i], build));
        if (n->probe_keys[i]->type != n->build_keys[i]->type)
            return bad(ck, n, "keys of different types");
    }
    struct field mark = {"mark", type_of(TYPE_BOOLEAN), true};
    both.fields = xcalloc(both.count + 1, sizeof *both.fields);
    if (probe->count)
        memcpy(both.fields, probe->fields, probe->count * sizeof *both.fields);
    if (build->count)
        memcpy(both.fields + probe->count, build->fields, build->count * sizeof *both.fields);
    int rc = n->residual ? check_bool(ck, n, n->residual, &both) : 0;
    if (rc == 0 && n->out_column_count != n->out.count)
        rc = bad(ck, n, "number of columns");
    uint32_t visible = both.count; /* the mark is column probe ++ build; semi and anti show the probe side only */
    if (n->join_kind == JOIN_MARK)
        both.fields[visible++] = mark;
    bool probe_only = n->join_kind == JOIN_SEMI || n->join_kind == JOIN_ANTI || n->join_kind == JOIN_ANTI_NULL_AWARE ||
                      n->join_kind == JOIN_MARK;
    for (uint32_t i = 0; rc == 0 && i < n->out.count; i++) {
        uint32_t c = n->out_columns[i];
        if (c >= visible || (probe_only && c >= probe->count && c < both.count))
            rc = bad(ck, n, "no such output column");
        else if (both.fields[c].type != n->out.fields[i].type)
            rc = bad(ck, n, "output column type");
    }
    xfree(both.fields);
    TRY(rc);
    if (n->shared_build) {
        const struct pnode *b = n->inputs[1];
        if (n->join_kind == JOIN_RIGHT || n->join_kind == JOIN_FULL)
            return bad(ck, n, "a shared build cannot preserve its rows");
        if (b->kind != PN_EXCHANGE_READ || !b->read_all)
            return bad(ck, n, "a shared build reads an exchange whole");
    }
    return 0;
}

static int check_node(struct checker *ck, const struct pnode *n, bool is_root)
{
    static const uint8_t inputs[] = {
        [PN_FILTER] = 1, [PN_PROJECT] = 1, [PN_EXPAND] = 1, [PN_AGGREGATE] = 1,     [PN_JOIN] = 2,        [PN_SORT] = 1,
        [PN_TOP] = 1,    [PN_LIMIT] = 1,   [PN_UNION] = 0,  [PN_SINK_EXCHANGE] = 1, [PN_SINK_RESULT] = 1, [PN_SINK_WRITE] = 1,
    };
    if (n->kind == PN_UNION ? n->input_count == 0 : n->input_count != inputs[n->kind])
        return bad(ck, n, "number of inputs");
    if (is_root != (n->kind >= PN_SINK_EXCHANGE))
        return bad(ck, n, "the root and only the root is a sink");
    if (n->id >= ck->plan->node_count || ck->seen_ids[n->id])
        return bad(ck, n, "id");
    ck->seen_ids[n->id] = 1;
    for (uint32_t i = 0; i < n->input_count; i++)
        TRY(check_node(ck, n->inputs[i], false));
    const struct schema *in = n->input_count ? &n->inputs[0]->out : NULL;
    switch (n->kind) {
    case PN_SCAN:
        return check_scan(ck, n);
    case PN_RANGE:
        if (n->out.count != 1 || n->out.fields[0].type->id != TYPE_BIGINT || n->range_step == 0 || n->range_parts < 1)
            return bad(ck, n, "range");
        return 0;
    case PN_VALUES:
        return 0;
    case PN_EXCHANGE_READ:
        if (n->exchange >= ck->plan->stage)
            return bad(ck, n, "reads a stage that does not come before");
        return check_sort_keys(ck, n, n->merge_keys, n->merge_key_count, &n->out);
    case PN_FILTER:
        for (uint32_t i = 0; i < n->expr_count; i++)
            TRY(check_bool(ck, n, n->exprs[i], in));
        return check_same(ck, n, &n->out, in);
    case PN_PROJECT:
        if (n->expr_count != n->out.count)
            return bad(ck, n, "number of columns");
        for (uint32_t i = 0; i < n->expr_count; i++) {
            TRY(check_expr(ck, n, n->exprs[i], in));
            if (n->exprs[i]->type != n->out.fields[i].type)
                return bad(ck, n, "column type");
        }
        return 0;
    case PN_EXPAND:
        for (uint32_t i = 0; i < n->list_count; i++)
            for (uint32_t j = 0; j < n->out.count; j++) {
                TRY(check_expr(ck, n, n->lists[i][j], in));
                if (n->lists[i][j]->type != n->out.fields[j].type)
                    return bad(ck, n, "column type");
            }
        return 0;
    case PN_AGGREGATE:
        return check_agg(ck, n, in);
    case PN_JOIN:
        return check_join(ck, n);
    case PN_SORT:
    case PN_TOP:
        TRY(check_sort_keys(ck, n, n->sort_keys, n->sort_key_count, in));
        return check_same(ck, n, &n->out, in);
    case PN_LIMIT:
        return check_same(ck, n, &n->out, in);
    case PN_UNION:
        if (!n->branch_first || n->branch_first[0] != 0)
            return bad(ck, n, "branches");
        for (uint32_t i = 0; i < n->input_count; i++) {
            if (n->branch_first[i + 1] < n->branch_first[i])
                return bad(ck, n, "branches");
            TRY(check_same(ck, n, &n->out, &n->inputs[i]->out));
        }
        if (n->branch_first[n->input_count] > ck->plan->partition_count)
            return bad(ck, n, "branches");
        return 0;
    case PN_SINK_EXCHANGE:
        for (uint32_t i = 0; i < n->expr_count; i++)
            TRY(check_expr(ck, n, n->exprs[i], in));
        if (n->exchange_partitions != ck->plan->output_partitions || n->exchange_partitions == 0 ||
            (n->exchange_partitions != 1 && (n->exchange_kind == EXCHANGE_GATHER || n->exchange_kind == EXCHANGE_BROADCAST)))
            return bad(ck, n, "output partitions");
        return 0;
    case PN_SINK_RESULT:
        return 0;
    case PN_SINK_WRITE:
        if (!n->write_format || !n->write_dir || n->write_partition_count > in->count)
            return bad(ck, n, "what to write");
        return check_same(ck, n, &n->out, in);
    }
    return bad(ck, n, "kind");
}

int stage_plan_check(const struct stage_plan *plan, struct error *err)
{
    struct checker ck = {.plan = plan, .err = err};
    if (plan->partition_count == 0 || plan->output_partitions == 0 || plan->batch_rows > BATCH_ROWS)
        return error_setf(err, ERR_PROTOCOL, "message", "stage plan: no partitions or batches too large");
    ck.seen_ids = xcalloc(plan->node_count ? plan->node_count : 1, 1);
    int rc = check_node(&ck, plan->root, true);
    xfree(ck.seen_ids);
    return rc;
}
