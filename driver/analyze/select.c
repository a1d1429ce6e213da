/* Queries: SELECT with grouping, ORDER BY over outputs and inputs, set operations, WITH. */
#include "driver/analyze/analyze_impl.h"

static int fail_at(struct binder *b, struct span span)
{
    error_at(b->err, span);
    return (int)b->err->code;
}

struct item {
    const char *name;
    struct expr *expr;
    const struct ast_expr *ast; /* NULL: from a star */
};
struct items {
    uint32_t count, cap;
    struct item *v;
};

struct sort_item {
    struct expr *expr;
    const struct ast_sort *ast;
};

/* What ORDER BY above a SELECT asks of it. */
struct order {
    uint32_t count;
    const struct ast_sort *sorts;
};

/* ---- the select list ---- */

static bool star_covers(const struct binder *b, const struct ast_expr *star, const struct scope_col *c)
{
    if (star->name.count == 0)
        return !c->qualified_only;
    return c->qualifier && bind_name_eq(b, c->qualifier, star->name.parts[star->name.count - 1].text);
}

static bool except_names(const struct binder *b, const struct ast_name *name, const struct scope_col *c)
{
    if (name->count > 1 && (!c->qualifier || !bind_name_eq(b, c->qualifier, name->parts[name->count - 2].text)))
        return false;
    return bind_name_eq(b, c->col.name, name->parts[name->count - 1].text);
}

/* EXCEPT names columns that the star has. */
static int check_excepts(struct binder *b, const struct scope *s, const struct ast_expr *star)
{
    for (uint32_t x = 0; x < star->except_count; x++) {
        const struct ast_name *name = &star->excepts[x];
        bool found = false;
        for (uint32_t i = 0; i < s->count; i++)
            found |= star_covers(b, star, &s->cols[i]) && except_names(b, name, &s->cols[i]);
        if (found)
            continue;
        struct buf columns = BUF_INIT, object = BUF_INIT;
        for (uint32_t i = 0; i < s->count; i++) {
            const struct scope_col *c = &s->cols[i];
            if (!star_covers(b, star, c))
                continue;
            buf_adds(&columns, columns.bytes ? ", " : "");
            if (name->count > 1 && c->qualifier)
                buf_addf(&columns, "`%s`.", c->qualifier);
            buf_addf(&columns, "`%s`", c->col.name);
        }
        for (uint32_t i = 0; i < name->count; i++)
            buf_addf(&object, "%s`%s`", i ? "." : "", name->parts[i].text);
        error_set(b->err, ERR_UNRESOLVED_COLUMN, "objectName", object.data, "proposal", columns.data ? columns.data : "", NULL);
        buf_fini(&columns);
        buf_fini(&object);
        return fail_at(b, star->span);
    }
    return 0;
}

static int expand_star(struct binder *b, struct scope *s, const struct ast_expr *star, struct items *items)
{
    TRY(check_excepts(b, s, star));
    uint32_t before = items->count;
    const char *qualifier = star->name.count ? star->name.parts[star->name.count - 1].text : NULL;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct scope_col *c = &s->cols[i];
        if (!star_covers(b, star, c))
            continue;
        bool excepted = false;
        for (uint32_t x = 0; x < star->except_count; x++)
            excepted |= except_names(b, &star->excepts[x], c);
        struct item it = {c->col.name, bind_column_of(b, &c->col), NULL};
        if (!excepted)
            ARENA_PUSH(b->ar, items->v, items->count, items->cap, it);
    }
    if (items->count == before && star->except_count == 0) {
        if (!qualifier) {
            error_set(b->err, ERR_ANALYSIS, "message", "SELECT * needs a FROM clause", NULL);
        } else {
            struct buf columns = BUF_INIT;
            for (uint32_t i = 0; i < s->count; i++)
                buf_addf(&columns, "%s`%s`", i ? ", " : "", s->cols[i].col.name);
            error_set(b->err, ERR_STAR_EXPAND, "targetString", arena_printf(b->ar, "`%s`", qualifier), "columns", columns.data ? columns.data : "", NULL);
            buf_fini(&columns);
        }
        return fail_at(b, star->span);
    }
    return 0;
}

static int bind_items(struct binder *b, struct scope *s, const struct ast_rel *rel, struct items *items)
{
    for (uint32_t i = 0; i < rel->expr_count; i++) {
        const struct ast_expr *ast = rel->exprs[i];
        if (ast->kind == AST_STAR) {
            TRY(expand_star(b, s, ast, items));
            continue;
        }
        struct item it = {.ast = ast};
        TRY(bind_expr(b, s, ast, &it.expr));
        it.name = bind_item_name(b, ast, it.expr);
        ARENA_PUSH(b->ar, items->v, items->count, items->cap, it);
        if (ast->kind == AST_ALIAS) { /* lateral: later items may name it */
            struct alias a = {it.name, it.expr};
            ARENA_PUSH(b->ar, s->aliases, s->alias_count, s->alias_cap, a);
        }
    }
    return 0;
}

/* ---- GROUP BY ---- */

static bool is_ordinal(const struct ast_expr *e)
{
    return e->kind == AST_LITERAL && e->lit.kind == AST_LIT_INT;
}

static int bind_group(struct binder *b, struct scope *s, const struct items *items, const struct ast_expr *ast, struct expr **ret)
{
    if (is_ordinal(ast)) {
        if (ast->lit.i < 1 || ast->lit.i > (int64_t)items->count) {
            struct buf i = BUF_INIT, n = BUF_INIT;
            buf_addf(&i, "%lld", (long long)ast->lit.i);
            buf_addf(&n, "%u", items->count);
            error_set(b->err, ERR_DIVISION_GROUP_BY, "index", i.data, "size", n.data, NULL);
            buf_fini(&i);
            buf_fini(&n);
            return fail_at(b, ast->span);
        }
        *ret = items->v[ast->lit.i - 1].expr;
    } else {
        TRY(bind_expr(b, s, ast, ret));
    }
    if (bind_has_aggregate(*ret)) {
        struct buf text = BUF_INIT;
        expr_print(*ret, true, &text);
        if (is_ordinal(ast))
            error_set(b->err, ERR_GROUP_BY_POS_AGGREGATE, "index", arena_printf(b->ar, "%lld", (long long)ast->lit.i), "aggExpr", text.data, NULL);
        else
            error_set(b->err, ERR_GROUP_BY_AGGREGATE, "sqlExpr", text.data, NULL);
        buf_fini(&text);
        return fail_at(b, ast->span);
    }
    return 0;
}

/* ---- over the aggregate: expressions of keys and aggregates become its columns ---- */

struct regroup {
    struct binder *b;
    uint32_t key_count;
    struct expr **keys;      /* as written over the input */
    struct lcol *key_cols;
    uint32_t agg_count, agg_cap;
    struct expr **aggs;
    struct lcol *agg_cols;
    uint32_t agg_cols_cap;
    const struct lcol *gid;
    const struct logical *in; /* what is grouped */
    const struct expr *missing; /* the first column that is neither */
    const struct expr *within;  /* the subquery that reads it, or NULL */
};

static struct expr *regroup_expr(struct regroup *g, struct expr *e)
{
    for (uint32_t i = 0; i < g->key_count; i++) {
        if (expr_eq(g->keys[i], e)) {
            struct expr *c = bind_column_of(g->b, &g->key_cols[i]);
            c->span = e->span;
            return c;
        }
    }
    if (e->kind == EXPR_AGG) {
        uint32_t i = 0;
        while (i < g->agg_count && !expr_eq(g->aggs[i], e))
            i++;
        if (i == g->agg_count) {
            struct buf name = BUF_INIT;
            expr_print(e, true, &name);
            struct lcol c = bind_new_col(g->b, arena_strndup(g->b->ar, name.data, name.bytes), e->type, e->nullable);
            buf_fini(&name);
            uint32_t n = g->agg_count;
            ARENA_PUSH(g->b->ar, g->aggs, g->agg_count, g->agg_cap, e);
            ARENA_PUSH(g->b->ar, g->agg_cols, n, g->agg_cols_cap, c);
        }
        struct expr *c = bind_column_of(g->b, &g->agg_cols[i]);
        c->span = e->span;
        return c;
    }
    if (e->kind == EXPR_COLUMN && !(g->gid && e->column == g->gid->id)) {
        if (!g->missing)
            g->missing = e;
        return e;
    }
    if (e->kind == EXPR_SUBQUERY && !g->missing) {
        g->missing = outer_but_keys(e, g->in, g->key_cols, g->key_count);
        g->within = g->missing ? e : NULL;
    }
    struct expr *out = e;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        struct expr *a = regroup_expr(g, e->args[i]);
        if (a == e->args[i])
            continue;
        if (out == e) {
            out = arena_dup(g->b->ar, e, sizeof *e);
            out->args = arena_dup(g->b->ar, e->args, e->arg_count * sizeof *e->args);
        }
        out->args[i] = a;
    }
    return out;
}

static int check_grouped(struct regroup *g, bool has_groups, struct span whole)
{
    if (!g->missing)
        return 0;
    if (g->within && g->within->subquery_mode == SUBQUERY_SCALAR) {
        error_set(g->b->err, ERR_SUBQUERY_UNGROUPED, "sqlExpr", arena_printf(g->b->ar, "\"scalarsubquery(%s)\"", g->within->name), NULL);
        return fail_at(g->b, g->within->span);
    }
    if (!has_groups) {
        error_set(g->b->err, ERR_MISSING_GROUP_BY, NULL);
        return fail_at(g->b, whole);
    }
    struct buf name = BUF_INIT, any = BUF_INIT;
    bind_quoted(g->missing, &name);
    buf_adds(&any, "\"any_value(");
    expr_print(g->missing, true, &any);
    buf_adds(&any, ")\"");
    error_set(g->b->err, ERR_MISSING_AGGREGATION, "expression", name.data, "expressionAnyValue", any.data, NULL);
    buf_fini(&name);
    buf_fini(&any);
    return fail_at(g->b, g->missing->span);
}

/* Grouping sets: every row once per set, the keys outside of the set null, beside the number of the set. */
static struct logical *expand_sets(struct binder *b, struct logical *in, const struct ast_rel *rel, struct expr **keys,
                                   uint32_t key_count, struct lcol *copies, struct lcol *gid)
{
    struct logical *lp = lp_new(b, LP_EXPAND, rel->span, in, NULL);
    uint32_t n = in->out_count, total = n + key_count + 1;
    lp->out_count = total;
    lp->out = ARENA_ARRAY(b->ar, struct lcol, total);
    for (uint32_t i = 0; i < n; i++) {
        lp->out[i] = in->out[i];
    }
    for (uint32_t k = 0; k < key_count; k++) {
        struct buf name = BUF_INIT;
        expr_print(keys[k], true, &name);
        copies[k] = lp->out[n + k] = bind_new_col(b, arena_strndup(b->ar, name.data, name.bytes), keys[k]->type, true);
        buf_fini(&name);
    }
    *gid = lp->out[total - 1] = bind_new_col(b, "spark_grouping_id", type_of(TYPE_BIGINT), false);
    lp->list_count = rel->set_count;
    lp->lists = ARENA_ARRAY(b->ar, struct expr **, rel->set_count);
    for (uint32_t s = 0; s < rel->set_count; s++) {
        struct expr **list = lp->lists[s] = ARENA_ARRAY(b->ar, struct expr *, total);
        for (uint32_t i = 0; i < n; i++)
            list[i] = bind_column_of(b, &in->out[i]);
        int64_t bits = 0;
        for (uint32_t k = 0; k < key_count; k++) {
            bool in_set = false;
            for (uint32_t x = 0; x < rel->sets[s].count; x++)
                in_set |= rel->sets[s].exprs[x] == k;
            list[n + k] = in_set ? keys[k] : expr_null(b->ar, keys[k]->type);
            if (!in_set)
                bits |= 1ll << (key_count - 1 - k);
        }
        list[total - 1] = expr_bigint(b->ar, bits);
    }
    return lp;
}

/* ---- SELECT ---- */

static int bind_order_item(struct binder *b, struct scope *s, const struct items *items, const struct ast_expr *ast, struct expr **ret)
{
    if (is_ordinal(ast)) {
        if (ast->lit.i < 1 || ast->lit.i > (int64_t)items->count) {
            struct buf i = BUF_INIT, n = BUF_INIT;
            buf_addf(&i, "%lld", (long long)ast->lit.i);
            buf_addf(&n, "%u", items->count);
            error_set(b->err, ERR_ORDER_BY_POS, "index", i.data, "size", n.data, NULL);
            buf_fini(&i);
            buf_fini(&n);
            return fail_at(b, ast->span);
        }
        *ret = items->v[ast->lit.i - 1].expr;
        return 0;
    }
    return bind_expr(b, s, ast, ret);
}

/* ORDER BY ALL: by each column of the list, unless one of them has that name. */
static struct order order_by_all(struct binder *b, const struct items *items, const struct order *order)
{
    const struct ast_expr *e = order->count == 1 ? order->sorts[0].expr : NULL;
    bool all = e && e->kind == AST_COLUMN && e->name.count == 1 && str_eq_nocase(e->name.parts[0].text, "all");
    for (uint32_t i = 0; all && i < items->count; i++)
        all = !items->v[i].name || !bind_name_eq(b, items->v[i].name, "all");
    if (!all)
        return *order;
    struct ast_sort *sorts = ARENA_ARRAY(b->ar, struct ast_sort, items->count);
    for (uint32_t i = 0; i < items->count; i++) {
        struct ast_expr *place = ARENA_NEW(b->ar, struct ast_expr);
        *place = (struct ast_expr){.kind = AST_LITERAL, .lit = {.kind = AST_LIT_INT, .i = i + 1}, .span = e->span};
        sorts[i] = order->sorts[0];
        sorts[i].expr = place;
    }
    return (struct order){items->count, sorts};
}

static struct logical *sorted(struct binder *b, struct logical *in, const struct order *order, struct expr **exprs)
{
    struct logical *lp = lp_new(b, LP_SORT, in->span, in, NULL);
    lp->sort_count = order->count;
    lp->sorts = ARENA_ARRAY(b->ar, struct lsort, order->count);
    for (uint32_t i = 0; i < order->count; i++) {
        const struct ast_sort *a = &order->sorts[i];
        bool last = a->nulls == AST_NULLS_LAST || (a->nulls == AST_NULLS_DEFAULT && a->descending);
        lp->sorts[i] = (struct lsort){exprs[i], a->descending, last};
    }
    return lp;
}

enum { NO_ITEM = UINT32_MAX };

/* ORDER BY behind DISTINCT sees the rows that are left: an expression must be made of what the list has. */
static int sort_of_items(struct binder *b, const struct logical *lp, const struct items *items, struct expr *sort, struct span span,
                         struct expr **ret)
{
    struct regroup g = {.b = b, .key_count = items->count, .key_cols = lp->out, .in = lp};
    g.keys = ARENA_ARRAY(b->ar, struct expr *, items->count);
    for (uint32_t i = 0; i < items->count; i++)
        g.keys[i] = items->v[i].expr;
    *ret = regroup_expr(&g, sort);
    if (!g.missing)
        return 0;
    struct buf text = BUF_INIT, there = BUF_INIT;
    expr_print(g.missing, true, &text);
    for (uint32_t i = 0; i < items->count; i++)
        buf_addf(&there, "%s`%s`", i ? ", " : "", items->v[i].name);
    error_set(b->err, ERR_UNRESOLVED_COLUMN, "objectName", arena_printf(b->ar, "`%s`", text.data), "proposal", there.data, NULL);
    buf_fini(&text);
    buf_fini(&there);
    return fail_at(b, g.missing->span.stop ? g.missing->span : span);
}

/* Projects items, sorts by what may be neither in them, and cuts the helpers off again. */
static int project_and_sort(struct binder *b, struct logical *in, struct items *items, const struct order *order,
                            struct expr **sorts, bool distinct, struct span span, struct logical **ret)
{
    uint32_t n = items->count, total = n;
    struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, n + order->count);
    const char **names = ARENA_ARRAY(b->ar, const char *, n + order->count);
    uint32_t *at = ARENA_ARRAY(b->ar, uint32_t, order->count);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = items->v[i].expr;
        names[i] = items->v[i].name;
    }
    for (uint32_t i = 0; i < n; i++)
        TRY(bind_refuse_aggregate(b, exprs[i], "Project", span));
    for (uint32_t i = 0; i < order->count; i++) {
        TRY(bind_refuse_aggregate(b, sorts[i], "Sort", order->sorts[i].span));
        uint32_t j = 0;
        while (j < total && !expr_eq(exprs[j], sorts[i]))
            j++;
        if (j == total) {
            if (distinct) {
                at[i] = NO_ITEM;
                continue;
            }
            exprs[total] = sorts[i];
            names[total++] = "sort";
        }
        at[i] = j;
    }
    struct logical *lp = lp_project(b, in, exprs, names, total);
    lp->span = span;
    if (distinct)
        lp = lp_new(b, LP_DISTINCT, span, lp, NULL);
    if (order->count) {
        struct expr **keys = ARENA_ARRAY(b->ar, struct expr *, order->count);
        for (uint32_t i = 0; i < order->count; i++) {
            if (at[i] == NO_ITEM)
                TRY(sort_of_items(b, lp, items, sorts[i], order->sorts[i].expr->span, &keys[i]));
            else
                keys[i] = bind_column_of(b, &lp->out[at[i]]);
        }
        lp = sorted(b, lp, order, keys);
    }
    if (total > n) {
        struct expr **keep = ARENA_ARRAY(b->ar, struct expr *, n);
        for (uint32_t i = 0; i < n; i++)
            keep[i] = bind_column_of(b, &lp->out[i]);
        lp = lp_project(b, lp, keep, names, n);
    }
    *ret = lp;
    return 0;
}

static int bind_select(struct binder *b, const struct ast_rel *rel, const struct order *order, struct logical **ret)
{
    struct scope s = {.outer = b->outer};
    struct logical *lp;
    struct lcol *saved_gid = b->gid;
    uint32_t saved_groups = b->group_count;
    struct expr **saved_group_exprs = b->groups;
    if (rel->qualify) {
        error_set(b->err, ERR_UNSUPPORTED_FEATURE, "message", "QUALIFY", NULL);
        return fail_at(b, rel->qualify->span);
    }
    if (rel->input_count) {
        TRY(bind_relation(b, rel->inputs[0], &s, &lp));
    } else {
        lp = lp_new(b, LP_VALUES, rel->span, NULL, NULL); /* one row without columns */
        lp->row_count = 1;
        lp->rows = ARENA_ARRAY(b->ar, struct expr **, 1);
        lp->rows[0] = ARENA_ARRAY(b->ar, struct expr *, 1);
    }
    if (rel->where) {
        struct logical *f = lp_new(b, LP_FILTER, rel->where->span, lp, NULL);
        TRY(bind_filter(b, &s, rel->where, rel->span, &f->condition));
        if (bind_has_aggregate(f->condition)) {
            struct buf text = BUF_INIT;
            bind_quoted(f->condition, &text);
            error_set(b->err, ERR_WHERE_AGGREGATE, "condition", text.data, "expressionList", text.data, NULL);
            buf_fini(&text);
            return fail_at(b, rel->span);
        }
        lp = f;
    }
    struct lcol gid = {0};
    bool sets = rel->set_count > 1 || (rel->set_count == 1 && rel->group_count > 0); /* (()) alone is the whole, with a row of no rows */
    if (rel->set_count > 0) {
        b->gid = &gid;
        b->group_count = 0;
    }
    if (sets) { /* grouping() in the list needs the number of the set before Expand exists */
        gid = bind_new_col(b, "spark_grouping_id", type_of(TYPE_BIGINT), false);
        b->group_count = rel->group_count;
        b->groups = ARENA_ARRAY(b->ar, struct expr *, rel->group_count);
        struct items none = {0};
        for (uint32_t i = 0; i < rel->group_count; i++) {
            if (is_ordinal(rel->group_exprs[i]))
                b->groups[i] = expr_null(b->ar, type_of(TYPE_NULL));
            else
                TRY(bind_group(b, &s, &none, rel->group_exprs[i], &b->groups[i]));
        }
    }
    struct items items = {0};
    TRY(bind_items(b, &s, rel, &items));
    /* Groups */
    uint32_t key_count = rel->group_by_all ? 0 : rel->group_count;
    struct expr **keys = ARENA_ARRAY(b->ar, struct expr *, (rel->group_by_all ? items.count : key_count) + 1);
    for (uint32_t i = 0; i < key_count; i++)
        TRY(bind_group(b, &s, &items, rel->group_exprs[i], &keys[i]));
    for (uint32_t i = 0; rel->group_by_all && i < items.count; i++) {
        if (!bind_has_aggregate(items.v[i].expr))
            keys[key_count++] = items.v[i].expr;
    }
    bool grouped = rel->group_by_all || rel->group_count > 0 || rel->set_count > 0;
    /* HAVING and ORDER BY */
    struct order expanded = order_by_all(b, &items, order);
    order = &expanded;
    struct expr *having = NULL;
    struct expr **sorts = ARENA_ARRAY(b->ar, struct expr *, order->count);
    struct scope by_name = s;
    by_name.alias_first = true;
    by_name.alias_count = 0;
    by_name.aliases = NULL;
    by_name.alias_cap = 0;
    for (uint32_t i = items.count; i-- > 0;) {
        struct alias a = {items.v[i].name, items.v[i].expr};
        ARENA_PUSH(b->ar, by_name.aliases, by_name.alias_count, by_name.alias_cap, a);
    }
    if (rel->having)
        TRY(bind_filter(b, &by_name, rel->having, rel->span, &having));
    for (uint32_t i = 0; i < order->count; i++)
        TRY(bind_order_item(b, &by_name, &items, order->sorts[i].expr, &sorts[i]));
    bool any_agg = grouped || (having != NULL);
    for (uint32_t i = 0; i < items.count; i++)
        any_agg |= bind_has_aggregate(items.v[i].expr);
    for (uint32_t i = 0; i < order->count; i++)
        any_agg |= bind_has_aggregate(sorts[i]);
    if (any_agg) {
        struct regroup g = {.b = b, .in = lp, .key_count = key_count, .keys = keys};
        struct expr **agg_keys = keys;
        g.key_cols = ARENA_ARRAY(b->ar, struct lcol, key_count + 1);
        uint32_t agg_key_count = key_count;
        if (sets) {
            struct lcol made;
            lp = expand_sets(b, lp, rel, keys, key_count, g.key_cols, &made);
            lp->out[lp->out_count - 1].id = gid.id;
            agg_keys = ARENA_ARRAY(b->ar, struct expr *, key_count + 1);
            for (uint32_t i = 0; i < key_count; i++)
                agg_keys[i] = bind_column_of(b, &g.key_cols[i]);
            agg_keys[key_count] = bind_column_of(b, &gid);
            g.key_cols[key_count] = gid;
            g.gid = &gid;
            agg_key_count++;
        } else {
            for (uint32_t i = 0; i < key_count; i++) {
                struct buf name = BUF_INIT;
                expr_print(keys[i], true, &name);
                g.key_cols[i] = bind_new_col(b, arena_strndup(b->ar, name.data, name.bytes), keys[i]->type, keys[i]->nullable);
                buf_fini(&name);
                bool used = false;
                for (uint32_t j = 0; j < i; j++)
                    used |= keys[i]->kind == EXPR_COLUMN && g.key_cols[j].id == keys[i]->column;
                if (keys[i]->kind == EXPR_COLUMN && !used)
                    g.key_cols[i].id = keys[i]->column; /* outer references from subqueries go on to hold */
            }
        }
        for (uint32_t i = 0; i < items.count; i++)
            items.v[i].expr = regroup_expr(&g, items.v[i].expr);
        if (having)
            having = regroup_expr(&g, having);
        for (uint32_t i = 0; i < order->count; i++)
            sorts[i] = regroup_expr(&g, sorts[i]);
        TRY(check_grouped(&g, grouped, rel->span));
        struct logical *agg = lp_new(b, LP_AGGREGATE, rel->span, lp, NULL);
        agg->expr_count = agg_key_count;
        agg->exprs = agg_keys;
        agg->agg_count = g.agg_count;
        agg->aggs = g.aggs;
        agg->out_count = agg_key_count + g.agg_count;
        agg->out = ARENA_ARRAY(b->ar, struct lcol, agg->out_count);
        memcpy(agg->out, g.key_cols, agg_key_count * sizeof *agg->out);
        if (g.agg_count)
            memcpy(agg->out + agg_key_count, g.agg_cols, g.agg_count * sizeof *agg->out);
        lp = agg;
        if (having) {
            struct logical *f = lp_new(b, LP_FILTER, rel->having->span, lp, NULL);
            f->condition = having;
            lp = f;
        }
    }
    b->gid = saved_gid;
    b->group_count = saved_groups;
    b->groups = saved_group_exprs;
    return project_and_sort(b, lp, &items, order, sorts, rel->distinct, rel->span, ret);
}

/* ---- set operations ---- */

static const char *ordinal(uint32_t n)
{
    static const char *const names[] = {"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"};
    return n < ARRAY_LEN(names) ? names[n] : "later";
}

static int unify_inputs(struct binder *b, const struct ast_rel *rel, struct logical **in, uint32_t n)
{
    static const char *const names[] = {"UNION", "INTERSECT", "EXCEPT"};
    uint32_t width = in[0]->out_count;
    for (uint32_t i = 1; i < n; i++) {
        if (in[i]->out_count == width)
            continue;
        struct buf a = BUF_INIT, c = BUF_INIT;
        buf_addf(&a, "%u", width);
        buf_addf(&c, "%u", in[i]->out_count);
        error_set(b->err, ERR_COLUMN_ALIASES, "operator", names[rel->setop], "firstNumColumns", a.data, "invalidOrdinalNum", ordinal(i),
                  "invalidNumColumns", c.data, NULL);
        buf_fini(&a);
        buf_fini(&c);
        return fail_at(b, rel->span);
    }
    for (uint32_t j = 0; j < width; j++) {
        const struct type *t = in[0]->out[j].type;
        for (uint32_t i = 1; i < n; i++) {
            const struct type *u = type_common(b->cx, t, in[i]->out[j].type);
            if (!u) {
                struct buf have = BUF_INIT, first = BUF_INIT;
                bind_quoted_type(in[i]->out[j].type, &have);
                bind_quoted_type(t, &first);
                error_set(b->err, ERR_DATATYPE_MISMATCH_SETS, "operator", names[rel->setop], "columnOrdinalNumber", ordinal(j),
                          "tableOrdinalNumber", ordinal(i), "dataType1", have.data, "dataType2", first.data, "hint", "", NULL);
                buf_fini(&have);
                buf_fini(&first);
                return fail_at(b, rel->span);
            }
            t = u;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (in[i]->out[j].type == t)
                continue;
            struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, width);
            const char **col_names = ARENA_ARRAY(b->ar, const char *, width);
            for (uint32_t k = 0; k < width; k++) {
                exprs[k] = bind_column_of(b, &in[i]->out[k]);
                col_names[k] = in[i]->out[k].name;
            }
            exprs[j] = expr_cast_must(b->ar, b->cx, exprs[j], t);
            exprs[j]->span = rel->span;
            in[i] = lp_project(b, in[i], exprs, col_names, width);
        }
    }
    return 0;
}

static struct logical *setop_node(struct binder *b, const struct ast_rel *rel, struct logical **in, uint32_t n)
{
    struct logical *lp = lp_new(b, rel->setop == AST_UNION ? LP_UNION : LP_SETOP, rel->span, in[0], NULL);
    lp->input_count = n;
    lp->inputs = arena_dup(b->ar, in, n * sizeof *in);
    lp->setop = rel->setop == AST_EXCEPT ? SETOP_EXCEPT : SETOP_INTERSECT;
    lp->setop_all = rel->all;
    lp->out_count = in[0]->out_count;
    lp->out = ARENA_ARRAY(b->ar, struct lcol, lp->out_count);
    for (uint32_t j = 0; j < lp->out_count; j++) {
        bool nullable = false;
        for (uint32_t i = 0; i < n; i++)
            nullable |= in[i]->out[j].nullable;
        lp->out[j] = bind_new_col(b, in[0]->out[j].name, in[0]->out[j].type, nullable);
    }
    return lp;
}

static int bind_setop(struct binder *b, const struct ast_rel *rel, struct logical **ret)
{
    struct logical **in = ARENA_ARRAY(b->ar, struct logical *, rel->input_count);
    for (uint32_t i = 0; i < rel->input_count; i++)
        TRY(bind_query(b, rel->inputs[i], &in[i]));
    TRY(unify_inputs(b, rel, in, rel->input_count));
    if (rel->setop == AST_UNION) {
        *ret = setop_node(b, rel, in, rel->input_count);
        if (!rel->all)
            *ret = lp_new(b, LP_DISTINCT, rel->span, *ret, NULL);
        return 0;
    }
    struct logical *acc = in[0];
    for (uint32_t i = 1; i < rel->input_count; i++) {
        struct logical *two[2] = {acc, in[i]};
        acc = setop_node(b, rel, two, 2);
    }
    *ret = acc;
    return 0;
}

/* ---- WITH, ORDER BY, LIMIT ---- */

static int limit_value(struct binder *b, const struct ast_expr *ast, const char *what, int64_t *ret)
{
    struct scope none = {.outer = NULL};
    struct expr *e;
    struct value v;
    TRY(bind_expr(b, &none, ast, &e));
    struct buf text = BUF_INIT, type = BUF_INIT;
    bind_quoted(e, &text);
    bind_quoted_type(e->type, &type);
    if (!expr_is_foldable(e)) {
        error_set(b->err, ERR_LIMIT_EXPR, "name", what, "expr", text.data, NULL);
    } else if (!type_is_integral(e->type)) {
        error_set(b->err, ERR_LIMIT_TYPE, "name", what, "expr", text.data, "dataType", type.data, NULL);
    } else if (expr_fold(b->ar, b->cx, e, &v, b->err) == 0 && (v.null || v.i < 0)) {
        error_set(b->err, ERR_LIMIT_NEGATIVE, "name", what, "expr", text.data, "v",
                  arena_printf(b->ar, "%lld", v.null ? 0ll : (long long)v.i), NULL);
    }
    buf_fini(&text);
    buf_fini(&type);
    if (b->err->code)
        return fail_at(b, ast->span);
    *ret = v.i;
    return 0;
}

static int bind_with(struct binder *b, const struct ast_rel *rel)
{
    if (rel->recursive) {
        error_set(b->err, ERR_UNSUPPORTED_FEATURE, "message", "WITH RECURSIVE", NULL);
        return fail_at(b, rel->span);
    }
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (!bind_name_eq(b, rel->ctes[i].name.text, rel->ctes[j].name.text))
                continue;
            error_set(b->err, ERR_DUPLICATED_CTE, "duplicateNames", arena_printf(b->ar, "`%s`", rel->ctes[i].name.text), NULL);
            return fail_at(b, rel->span);
        }
        struct cte *c = ARENA_NEW(b->ar, struct cte);
        *c = (struct cte){.name = rel->ctes[i].name.text, .ast = &rel->ctes[i], .visible = b->ctes, .outer = b->outer, .next = b->ctes};
        b->ctes = c;
    }
    return 0;
}

static int bind_inner(struct binder *b, const struct ast_rel *rel, const struct order *order, struct logical **ret)
{
    struct order none = {0};
    if (rel->kind == AST_SELECT)
        return bind_select(b, rel, order, ret);
    struct logical *lp;
    if (rel->kind == AST_SETOP) {
        TRY(bind_setop(b, rel, &lp));
    } else if (rel->kind == AST_QUERY) {
        TRY(bind_query(b, rel, &lp));
    } else { /* VALUES, TABLE t, or a name alone */
        struct scope s = {.outer = b->outer};
        struct items items = {0};
        TRY(bind_relation(b, rel, &s, &lp));
        for (uint32_t i = 0; i < s.count; i++) {
            struct item it = {s.cols[i].col.name, bind_column_of(b, &s.cols[i].col), NULL};
            if (!s.cols[i].qualified_only)
                ARENA_PUSH(b->ar, items.v, items.count, items.cap, it);
        }
        TRY(project_and_sort(b, lp, &items, &none, NULL, false, rel->span, &lp));
    }
    if (order->count) {
        struct scope s = {.outer = b->outer};
        struct items items = {0};
        scope_add(b, &s, NULL, lp->out, lp->out_count);
        for (uint32_t i = 0; i < lp->out_count; i++) {
            struct item it = {lp->out[i].name, bind_column_of(b, &lp->out[i]), NULL};
            ARENA_PUSH(b->ar, items.v, items.count, items.cap, it);
        }
        struct order expanded = order_by_all(b, &items, order);
        order = &expanded;
        struct expr **keys = ARENA_ARRAY(b->ar, struct expr *, order->count);
        for (uint32_t i = 0; i < order->count; i++)
            TRY(bind_order_item(b, &s, &items, order->sorts[i].expr, &keys[i]));
        return project_and_sort(b, lp, &items, order, keys, false, rel->span, ret);
    }
    *ret = lp;
    return 0;
}

int bind_query(struct binder *b, const struct ast_rel *rel, struct logical **ret)
{
    struct order none = {0};
    if (rel->kind != AST_QUERY)
        return bind_inner(b, rel, &none, ret);
    struct cte *ctes = b->ctes;
    TRY(bind_with(b, rel));
    struct order order = {rel->sort_count, rel->sorts};
    int rc = bind_inner(b, rel->inputs[0], &order, ret);
    b->ctes = ctes;
    TRY(rc);
    if (rel->limit || rel->offset) {
        struct logical *lp = lp_new(b, LP_LIMIT, rel->span, *ret, NULL);
        if (rel->limit)
            TRY(limit_value(b, rel->limit, "limit", &lp->limit));
        if (rel->offset)
            TRY(limit_value(b, rel->offset, "offset", &lp->offset));
        *ret = lp;
    }
    return 0;
}
