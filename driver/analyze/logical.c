/* The logical plan as text: EXPLAIN and tests. */
#include "driver/analyze/logical.h"

static const char *const names[] = {"Scan", "Range", "Values", "Project", "Filter", "Aggregate", "Join", "Sort", "Limit",
                                    "Union", "SetOp", "Distinct", "Expand", "Write"};
static const char *const joins[] = {"Inner", "Left", "Right", "Full", "Semi", "Anti", "AntiNullAware", "Single", "Mark"};

static void print_exprs(struct expr *const *e, uint32_t n, struct buf *out)
{
    buf_adds(out, " [");
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_adds(out, ", ");
        expr_print(e[i], false, out);
    }
    buf_addc(out, ']');
}

void logical_print(const struct logical *lp, int indent, struct buf *out)
{
    buf_addf(out, "%*s%s", indent * 2, "", names[lp->kind]);
    switch (lp->kind) {
    case LP_SCAN:
        buf_addf(out, " %s %s", lp->table->format, lp->table->name);
        if (lp->conjunct_count)
            print_exprs(lp->conjuncts, lp->conjunct_count, out);
        break;
    case LP_RANGE:
        buf_addf(out, " (%lld, %lld, %lld)", (long long)lp->range_start, (long long)lp->range_end, (long long)lp->range_step);
        break;
    case LP_VALUES: buf_addf(out, " %u rows", lp->row_count); break;
    case LP_PROJECT: print_exprs(lp->exprs, lp->expr_count, out); break;
    case LP_AGGREGATE:
        print_exprs(lp->exprs, lp->expr_count, out);
        print_exprs(lp->aggs, lp->agg_count, out);
        break;
    case LP_FILTER:
    case LP_JOIN:
        if (lp->kind == LP_JOIN)
            buf_addf(out, " %s", joins[lp->join_kind]);
        if (lp->condition) {
            buf_addc(out, ' ');
            expr_print(lp->condition, false, out);
        }
        break;
    case LP_SORT:
        for (uint32_t i = 0; i < lp->sort_count; i++) {
            buf_adds(out, i ? ", " : " ");
            expr_print(lp->sorts[i].expr, false, out);
            buf_adds(out, lp->sorts[i].descending ? " DESC" : " ASC");
            buf_adds(out, lp->sorts[i].nulls_last ? " NULLS LAST" : " NULLS FIRST");
        }
        break;
    case LP_LIMIT: buf_addf(out, " %lld offset %lld", (long long)lp->limit, (long long)lp->offset); break;
    case LP_SETOP: buf_addf(out, " %s%s", lp->setop == SETOP_EXCEPT ? "Except" : "Intersect", lp->setop_all ? " All" : ""); break;
    case LP_EXPAND: buf_addf(out, " %u lists", lp->list_count); break;
    case LP_WRITE: buf_addf(out, " %s %s", lp->write_format, lp->write_target.path); break;
    case LP_UNION:
    case LP_DISTINCT: break;
    }
    buf_adds(out, " => [");
    for (uint32_t i = 0; i < lp->out_count; i++)
        buf_addf(out, "%s%s#%u", i ? ", " : "", lp->out[i].name, lp->out[i].id);
    buf_adds(out, "]\n");
    for (uint32_t i = 0; i < lp->input_count; i++)
        logical_print(lp->inputs[i], indent + 1, out);
}
