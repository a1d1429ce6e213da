/* EXPLAIN's text of stage plans: one line a node, children indented below. */
#include "common/plan/plan_impl.h"

const char *pnode_kind_name(enum pnode_kind kind)
{
    static const char *const names[] = {
        [PN_SCAN] = "Scan",
        [PN_RANGE] = "Range",
        [PN_VALUES] = "Values",
        [PN_EXCHANGE_READ] = "ExchangeRead",
        [PN_FILTER] = "Filter",
        [PN_PROJECT] = "Project",
        [PN_EXPAND] = "Expand",
        [PN_AGGREGATE] = "HashAggregate",
        [PN_JOIN] = "HashJoin",
        [PN_SORT] = "Sort",
        [PN_TOP] = "Top",
        [PN_LIMIT] = "Limit",
        [PN_UNION] = "Union",
        [PN_SINK_EXCHANGE] = "Exchange",
        [PN_SINK_RESULT] = "Result",
        [PN_SINK_WRITE] = "Write",
    };
    return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

const char *exchange_kind_name(enum exchange_kind kind)
{
    static const char *const names[] = {"hash", "range", "gather", "broadcast", "round robin"};
    return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

const char *join_kind_name(enum join_kind kind)
{
    static const char *const names[] = {"inner", "left", "right", "full", "semi", "anti", "null-aware anti", "single", "mark"};
    return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

static void add_exprs(struct buf *out, struct expr *const *exprs, uint32_t count)
{
    buf_addc(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_adds(out, ", ");
        expr_print(exprs[i], true, out);
    }
    buf_addc(out, ']');
}

static void add_sort_keys(struct buf *out, const struct sort_key *keys, uint32_t count)
{
    buf_addc(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buf_adds(out, ", ");
        expr_print(keys[i].expr, true, out);
        buf_adds(out, keys[i].descending ? " DESC" : " ASC");
        if (keys[i].nulls_last != keys[i].descending)
            buf_adds(out, keys[i].nulls_last ? " NULLS LAST" : " NULLS FIRST");
    }
    buf_addc(out, ']');
}

static void add_names(struct buf *out, const struct schema *sch)
{
    buf_addc(out, '[');
    for (uint32_t i = 0; i < sch->count; i++)
        buf_addf(out, "%s%s", i ? ", " : "", sch->fields[i].name ? sch->fields[i].name : "?");
    buf_addc(out, ']');
}

static void add_aggs(struct buf *out, const struct pnode *n)
{
    buf_addc(out, '[');
    for (uint32_t i = 0; i < n->agg_count; i++) {
        const struct plan_agg *a = &n->aggs[i];
        buf_addf(out, "%s%s(%s", i ? ", " : "", agg_name(a->spec.row), a->distinct ? "DISTINCT " : "");
        for (uint32_t j = 0; a->args && j < a->spec.arg_count; j++) {
            if (j)
                buf_adds(out, ", ");
            expr_print(a->args[j], true, out);
        }
        buf_addc(out, ')');
        if (a->filter) {
            buf_adds(out, " FILTER ");
            expr_print(a->filter, true, out);
        }
    }
    buf_addc(out, ']');
}

static void add_limit(struct buf *out, const struct pnode *n)
{
    if (n->limit >= 0)
        buf_addf(out, " limit=%lld", (long long)n->limit);
    if (n->offset > 0)
        buf_addf(out, " offset=%lld", (long long)n->offset);
}

static void add_details(struct buf *out, const struct pnode *n)
{
    switch (n->kind) {
    case PN_SCAN:
        buf_addf(out, " %s ", n->scan->format);
        add_names(out, &n->out);
        if (n->scan->conjunct_count) {
            buf_adds(out, " filter=");
            add_exprs(out, n->scan->conjuncts, n->scan->conjunct_count);
        }
        if (n->scan->prune_count)
            buf_addf(out, " prunes=%u", n->scan->prune_count);
        break;
    case PN_RANGE:
        buf_addf(out, " (%lld, %lld, %lld) parts=%lld", (long long)n->range_start, (long long)n->range_end,
                 (long long)n->range_step, (long long)n->range_parts);
        break;
    case PN_VALUES:
        buf_addc(out, ' ');
        add_names(out, &n->out);
        break;
    case PN_EXCHANGE_READ:
        buf_addf(out, " stage=%u%s ", n->exchange, n->read_all ? " all" : "");
        add_names(out, &n->out);
        if (n->merge_key_count) {
            buf_adds(out, " merge=");
            add_sort_keys(out, n->merge_keys, n->merge_key_count);
        }
        break;
    case PN_FILTER:
    case PN_PROJECT:
        buf_addc(out, ' ');
        add_exprs(out, n->exprs, n->expr_count);
        break;
    case PN_EXPAND:
        for (uint32_t i = 0; i < n->list_count; i++) {
            buf_addc(out, ' ');
            add_exprs(out, n->lists[i], n->out.count);
        }
        break;
    case PN_AGGREGATE: {
        static const char *const modes[] = {"partial", "final", "complete"};
        buf_addf(out, " %s keys=", modes[n->agg_mode]);
        add_exprs(out, n->keys, n->key_count);
        buf_adds(out, " aggs=");
        add_aggs(out, n);
        break;
    }
    case PN_JOIN:
        buf_addf(out, " %s%s", join_kind_name(n->join_kind), n->shared_build ? " shared" : "");
        if (n->join_key_count) {
            buf_adds(out, " on=");
            add_exprs(out, n->probe_keys, n->join_key_count);
            buf_adds(out, "=");
            add_exprs(out, n->build_keys, n->join_key_count);
        }
        if (n->residual) {
            buf_adds(out, " residual=");
            expr_print(n->residual, true, out);
        }
        buf_addc(out, ' ');
        add_names(out, &n->out);
        break;
    case PN_SORT:
    case PN_TOP:
        buf_addc(out, ' ');
        add_sort_keys(out, n->sort_keys, n->sort_key_count);
        add_limit(out, n);
        break;
    case PN_LIMIT:
        add_limit(out, n);
        break;
    case PN_UNION:
        break;
    case PN_SINK_EXCHANGE:
        buf_addf(out, " %s", exchange_kind_name(n->exchange_kind));
        if (n->expr_count) {
            buf_addc(out, ' ');
            add_exprs(out, n->exprs, n->expr_count);
        }
        if (n->exchange_partitions != 1)
            buf_addf(out, " partitions=%u", n->exchange_partitions);
        break;
    case PN_SINK_RESULT:
        break;
    case PN_SINK_WRITE:
        buf_addf(out, " %s %s", n->write_format, n->write_dir);
        if (n->write_partition_count)
            buf_addf(out, " partitioned by the last %u columns", n->write_partition_count);
        break;
    }
    if (n->rows_estimate >= 0)
        buf_addf(out, " rows~%.0f", n->rows_estimate);
}

static void print_node(struct buf *out, const struct pnode *n, unsigned depth)
{
    for (unsigned i = 0; i < depth * 2; i++)
        buf_addc(out, ' ');
    buf_adds(out, pnode_kind_name(n->kind));
    add_details(out, n);
    buf_addc(out, '\n');
    for (uint32_t i = 0; i < n->input_count; i++)
        print_node(out, n->inputs[i], depth + 1);
}

void stage_plan_print(const struct stage_plan *plan, struct buf *out)
{
    buf_addf(out, "Stage %u: %u task%s\n", plan->stage, plan->partition_count, plan->partition_count == 1 ? "" : "s");
    print_node(out, plan->root, 1);
}
