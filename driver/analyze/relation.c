/* FROM: tables, views, subqueries, VALUES, range() and joins. */
#include "driver/analyze/analyze_impl.h"
#include "driver/sql/parser.h"

struct logical *lp_new(struct binder *b, enum logical_kind kind, struct span span, struct logical *in0, struct logical *in1)
{
    struct logical *lp = ARENA_NEW(b->ar, struct logical);
    lp->kind = kind;
    lp->span = span;
    lp->limit = -1;
    lp->input_count = in1 ? 2 : in0 ? 1 : 0;
    lp->inputs = ARENA_ARRAY(b->ar, struct logical *, 2);
    lp->inputs[0] = in0;
    lp->inputs[1] = in1;
    if (in0) {
        lp->out = in0->out;
        lp->out_count = in0->out_count;
    }
    return lp;
}

void scope_add(struct binder *b, struct scope *s, const char *qualifier, const struct lcol *cols, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct scope_col c = {.qualifier = qualifier, .col = cols[i]};
        ARENA_PUSH(b->ar, s->cols, s->count, s->cap, c);
    }
}

/* Plain columns keep their ids, each once; everything else gets a new one. */
struct logical *lp_project(struct binder *b, struct logical *in, struct expr **exprs, const char **names, uint32_t count)
{
    struct logical *lp = lp_new(b, LP_PROJECT, in->span, in, NULL);
    lp->expr_count = lp->out_count = count;
    lp->exprs = exprs;
    lp->out = ARENA_ARRAY(b->ar, struct lcol, count);
    for (uint32_t i = 0; i < count; i++) {
        lp->out[i] = bind_new_col(b, names[i], exprs[i]->type, exprs[i]->nullable);
        if (exprs[i]->kind != EXPR_COLUMN)
            continue;
        bool used = false;
        for (uint32_t j = 0; j < i; j++)
            used |= lp->out[j].id == exprs[i]->column;
        if (!used)
            lp->out[i].id = exprs[i]->column;
    }
    return lp;
}

struct logical *lp_fresh(struct binder *b, struct logical *in)
{
    struct logical *lp = lp_new(b, LP_PROJECT, in->span, in, NULL);
    lp->expr_count = in->out_count;
    lp->exprs = ARENA_ARRAY(b->ar, struct expr *, in->out_count);
    lp->out = ARENA_ARRAY(b->ar, struct lcol, in->out_count);
    for (uint32_t i = 0; i < in->out_count; i++) {
        lp->exprs[i] = bind_column_of(b, &in->out[i]);
        lp->out[i] = bind_new_col(b, in->out[i].name, in->out[i].type, in->out[i].nullable);
    }
    return lp;
}

static int fail_at(struct binder *b, struct span span)
{
    error_at(b->err, span);
    return (int)b->err->code;
}

static int wrong_alias_count(struct binder *b, uint32_t names, uint32_t columns, struct span span)
{
    error_set(b->err, ERR_ASSIGNMENT_ARITY, "numExpr", arena_printf(b->ar, "%u", names), "numTarget", arena_printf(b->ar, "%u", columns), NULL);
    return fail_at(b, span);
}

/* Gives lp's columns other names: same ids. */
static int rename_columns(struct binder *b, struct logical *lp, const struct ast_part *names, uint32_t count, struct span span)
{
    if (count == 0)
        return 0;
    if (count != lp->out_count) {
        return wrong_alias_count(b, count, lp->out_count, span);
    }
    lp->out = arena_dup(b->ar, lp->out, lp->out_count * sizeof *lp->out);
    for (uint32_t i = 0; i < count; i++)
        lp->out[i].name = names[i].text;
    return 0;
}

static int bind_view(struct binder *b, const struct relation *r, struct span span, struct logical **ret)
{
    if (b->view_depth >= VIEW_DEPTH_MAX) {
        error_set(b->err, ERR_TOO_DEEP, "limit", "100", NULL);
        return fail_at(b, span);
    }
    struct ast_statement *st;
    int rc = sql_parse(b->ar, r->sql, &st, b->err);
    struct cte *ctes = b->ctes;
    struct scope *outer = b->outer;
    struct lcol *gid = b->gid;
    const struct relation *view = b->view;
    b->ctes = NULL;
    b->outer = NULL;
    b->gid = NULL;
    b->view = r;
    b->view_depth++;
    struct logical *lp = NULL;
    if (rc == 0)
        rc = bind_query(b, st->query, &lp);
    b->view_depth--;
    b->ctes = ctes;
    b->outer = outer;
    b->gid = gid;
    b->view = view;
    if (rc != 0) {
        if (b->err->detail)
            b->err->detail->span = span; /* offsets into the view's text mean nothing here */
        error_note(b->err, "in the view %s", r->name);
        return rc;
    }
    if (r->renames && r->schema.count == lp->out_count) {
        lp->out = arena_dup(b->ar, lp->out, lp->out_count * sizeof *lp->out);
        for (uint32_t i = 0; i < lp->out_count; i++)
            lp->out[i].name = r->schema.fields[i].name;
    }
    *ret = lp;
    return 0;
}

static int bind_cte(struct binder *b, const struct cte *c, struct logical **ret)
{
    struct cte *ctes = b->ctes;
    struct scope *outer = b->outer;
    struct lcol *gid = b->gid;
    b->ctes = c->visible;
    b->outer = c->outer;
    b->gid = NULL;
    int rc = bind_query(b, c->ast->query, ret);
    b->ctes = ctes;
    b->outer = outer;
    b->gid = gid;
    TRY(rc);
    return rename_columns(b, *ret, c->ast->columns, c->ast->column_count, c->ast->span);
}

static int bind_table(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret)
{
    const struct ast_name *n = &rel->name;
    const char *last = n->parts[n->count - 1].text;
    struct logical *lp;
    if (n->count == 1) {
        for (const struct cte *c = b->ctes; c; c = c->next) {
            if (bind_name_eq(b, c->name, last)) {
                TRY(bind_cte(b, c, &lp));
                scope_add(b, s, last, lp->out, lp->out_count);
                *ret = lp;
                return 0;
            }
        }
    }
    struct relation *r;
    const struct table_ref *t;
    TRY(name_find(b, n, &r));
    if (r && r->is_view) {
        TRY(bind_view(b, r, rel->span, &lp));
    } else if (r) {
        TRY(table_of_relation(b, r, rel->span, &t));
        TRY(table_scan(b, t, rel->span, &lp));
    } else if (n->count == 2 && format_find(n->parts[0].text)) {
        struct options options = ddl_options(b->ar, rel->options, rel->option_count);
        const char *path = snapshot_path(b->snap, b->ar, last);
        struct table_source src = {.name = last, .format = n->parts[0].text, .options = &options, .paths = &path, .path_count = 1, .partition_count = -1};
        TRY(table_resolve(b, &src, rel->span, &t));
        TRY(table_scan(b, t, rel->span, &lp));
    } else {
        return name_missing(b, n, rel->span);
    }
    scope_add(b, s, last, lp->out, lp->out_count);
    *ret = lp;
    return 0;
}

static int bind_values(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret)
{
    struct logical *lp = lp_new(b, LP_VALUES, rel->span, NULL, NULL);
    uint32_t rows = rel->row_count, width = rel->row_width;
    struct scope none = {.outer = b->outer};
    lp->row_count = rows;
    lp->rows = ARENA_ARRAY(b->ar, struct expr **, rows);
    for (uint32_t i = 0; i < rows; i++) {
        lp->rows[i] = ARENA_ARRAY(b->ar, struct expr *, width);
        for (uint32_t j = 0; j < width; j++) {
            TRY(bind_expr(b, &none, rel->rows[i * width + j], &lp->rows[i][j]));
            TRY(bind_refuse_aggregate(b, lp->rows[i][j], "VALUES", rel->span));
        }
    }
    lp->out_count = width;
    lp->out = ARENA_ARRAY(b->ar, struct lcol, width);
    for (uint32_t j = 0; j < width; j++) {
        const struct type *t = type_of(TYPE_NULL);
        bool nullable = false;
        for (uint32_t i = 0; i < rows; i++) {
            const struct type *u = type_common(b->cx, t, lp->rows[i][j]->type);
            if (!u) {
                error_set(b->err, ERR_INLINE_TABLE_TYPES, "colName", arena_printf(b->ar, "`col%u`", j + 1), NULL);
                return fail_at(b, rel->span);
            }
            t = u;
            nullable |= lp->rows[i][j]->nullable;
        }
        for (uint32_t i = 0; i < rows; i++)
            TRY(expr_cast(b->ar, lp->rows[i][j], t, b->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, (struct span){0}, &lp->rows[i][j], b->err));
        lp->out[j] = bind_new_col(b, arena_printf(b->ar, "col%u", j + 1), t, nullable);
    }
    scope_add(b, s, NULL, lp->out, width);
    *ret = lp;
    return 0;
}

/* range([start,] end [, step [, partitions]]) */
static int bind_range(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret)
{
    int64_t v[4] = {0};
    struct scope none = {.outer = NULL};
    if (!str_eq_nocase(rel->name.parts[rel->name.count - 1].text, "range")) {
        error_set(b->err, ERR_TABLE_FUNCTION_MISSING, "name", arena_printf(b->ar, "`%s`", rel->name.parts[rel->name.count - 1].text), NULL);
        return fail_at(b, rel->span);
    }
    if (rel->expr_count < 1 || rel->expr_count > 4) {
        error_set(b->err, ERR_FUNCTION_ARGS, "functionName", "`range`", "expectedNum", "[1, 2, 3, 4]", "actualNum",
                  arena_printf(b->ar, "%u", rel->expr_count), NULL);
        return fail_at(b, rel->span);
    }
    for (uint32_t i = 0; i < rel->expr_count; i++) {
        struct expr *e;
        struct value value;
        TRY(bind_expr(b, &none, rel->exprs[i], &e));
        TRY(expr_cast(b->ar, e, type_of(TYPE_BIGINT), EVAL_ANSI, rel->span, &e, b->err));
        if (!expr_is_foldable(e)) {
            error_set(b->err, ERR_ANALYSIS, "message", "the arguments of range() must be constants", NULL);
            return fail_at(b, rel->exprs[i]->span);
        }
        TRY(expr_fold(b->ar, b->cx, e, &value, b->err));
        v[i] = value.null ? 0 : value.i;
    }
    struct logical *lp = lp_new(b, LP_RANGE, rel->span, NULL, NULL);
    lp->range_start = rel->expr_count > 1 ? v[0] : 0;
    lp->range_end = rel->expr_count > 1 ? v[1] : v[0];
    lp->range_step = rel->expr_count > 2 ? v[2] : 1;
    lp->range_parts = rel->expr_count > 3 ? v[3] : 0;
    if (lp->range_step == 0 || (rel->expr_count > 3 && v[3] <= 0)) {
        error_set(b->err, ERR_FUNCTION_CALL, "funcName", "`range`", "message",
                  lp->range_step == 0 ? "the step of range() must not be 0" : "range() needs at least one partition", NULL);
        return fail_at(b, rel->span);
    }
    lp->out_count = 1;
    lp->out = ARENA_NEW(b->ar, struct lcol);
    lp->out[0] = bind_new_col(b, "id", type_of(TYPE_BIGINT), false);
    scope_add(b, s, NULL, lp->out, 1);
    *ret = lp;
    return 0;
}

/* ---- joins ---- */

static void set_nullable(struct lcol *cols, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cols[i].nullable = true;
}

static const struct lcol *find_col(struct binder *b, const struct scope *s, uint32_t from, uint32_t to, const char *name)
{
    for (uint32_t i = from; i < to; i++) {
        if (!s->cols[i].qualified_only && bind_name_eq(b, s->cols[i].col.name, name))
            return &s->cols[i].col;
    }
    return NULL;
}

/* Names shared by both sides, in the order of the left. */
static uint32_t natural_columns(struct binder *b, const struct scope *s, uint32_t split, struct ast_part **ret)
{
    uint32_t n = 0, cap = 0;
    *ret = NULL;
    for (uint32_t i = 0; i < split; i++) {
        if (!s->cols[i].qualified_only && find_col(b, s, split, s->count, s->cols[i].col.name)) {
            struct ast_part p = {.text = s->cols[i].col.name};
            ARENA_PUSH(b->ar, *ret, n, cap, p);
        }
    }
    return n;
}

static int bind_on(struct binder *b, struct scope *s, const struct ast_rel *rel, struct expr **ret)
{
    struct expr *e;
    TRY(bind_expr(b, s, rel->on, &e));
    if (e->type->id == TYPE_NULL)
        TRY(expr_cast(b->ar, e, type_of(TYPE_BOOLEAN), EVAL_LEGACY, (struct span){0}, &e, b->err));
    *ret = e;
    if (e->type->id == TYPE_BOOLEAN && !bind_has_aggregate(e))
        return 0;
    struct buf text = BUF_INIT, type = BUF_INIT;
    bind_quoted(e, &text);
    bind_quoted_type(e->type, &type);
    if (e->type->id != TYPE_BOOLEAN)
        error_set(b->err, ERR_JOIN_CONDITION, "joinCondition", text.data, "conditionType", type.data, NULL);
    else
        error_set(b->err, ERR_UNSUPPORTED_EXPR, "operator", "Join", "invalidExprSqls", text.data, NULL);
    buf_fini(&text);
    buf_fini(&type);
    return fail_at(b, rel->on->span);
}

static int bind_join(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret)
{
    static const enum join_kind kinds[] = {JOIN_INNER, JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL, JOIN_SEMI, JOIN_ANTI};
    enum join_kind kind = kinds[rel->join];
    struct logical *left, *right;
    struct scope both = {.outer = s->outer};
    if (rel->lateral) {
        error_set(b->err, ERR_UNSUPPORTED_FEATURE, "message", "LATERAL joins", NULL);
        return fail_at(b, rel->span);
    }
    TRY(bind_relation(b, rel->inputs[0], &both, &left));
    uint32_t split = both.count;
    TRY(bind_relation(b, rel->inputs[1], &both, &right));
    /* The two sides must not share ids: a table bound twice does not, a shared CTE neither; be sure. */
    struct logical *lp = lp_new(b, LP_JOIN, rel->span, left, right);
    lp->join_kind = kind;
    struct ast_part *using = rel->columns;
    uint32_t using_count = rel->column_count;
    if (rel->natural)
        using_count = natural_columns(b, &both, split, &using);
    struct lcol *ul = ARENA_ARRAY(b->ar, struct lcol, using_count), *ur = ARENA_ARRAY(b->ar, struct lcol, using_count);
    for (uint32_t i = 0; i < using_count; i++) {
        const struct lcol *l = find_col(b, &both, 0, split, using[i].text), *r = find_col(b, &both, split, both.count, using[i].text);
        if (!l || !r) {
            const struct logical *side = l ? right : left;
            struct buf names = BUF_INIT;
            for (uint32_t k = 0; k < side->out_count; k++)
                buf_addf(&names, "%s`%s`", k ? ", " : "", side->out[k].name);
            error_set(b->err, ERR_USING_COLUMN, "colName", arena_printf(b->ar, "`%s`", using[i].text), "side", l ? "right" : "left", "suggestion",
                      names.data ? names.data : "", NULL);
            buf_fini(&names);
            return fail_at(b, using[i].span);
        }
        ul[i] = *l;
        ur[i] = *r;
        struct expr *eq, *args[2] = {bind_column_of(b, l), bind_column_of(b, r)};
        TRY(expr_call(b->ar, b->cx, "=", args, 2, rel->span, &eq, b->err));
        lp->condition = expr_and(b->ar, lp->condition, eq);
    }
    if (rel->on) {
        TRY(bind_on(b, &both, rel, &lp->condition));
    }
    bool semi = kind == JOIN_SEMI || kind == JOIN_ANTI;
    lp->out_count = left->out_count + (semi ? 0 : right->out_count);
    lp->out = ARENA_ARRAY(b->ar, struct lcol, lp->out_count);
    memcpy(lp->out, left->out, left->out_count * sizeof *lp->out);
    if (!semi)
        memcpy(lp->out + left->out_count, right->out, right->out_count * sizeof *lp->out);
    if (kind == JOIN_RIGHT || kind == JOIN_FULL)
        set_nullable(lp->out, left->out_count);
    if (!semi && (kind == JOIN_LEFT || kind == JOIN_FULL))
        set_nullable(lp->out + left->out_count, right->out_count);
    *ret = lp;
    /* The scope above: USING columns once and first, then the rest of both sides. */
    for (uint32_t i = 0; i < both.count; i++) {
        bool from_left = i < split;
        if (kind == JOIN_FULL || (from_left ? kind == JOIN_RIGHT : kind == JOIN_LEFT))
            both.cols[i].col.nullable = true;
    }
    if (using_count && kind == JOIN_FULL) { /* coalesce(l, r) under a project */
        uint32_t n = lp->out_count;
        struct expr **exprs = ARENA_ARRAY(b->ar, struct expr *, n + using_count);
        const char **names = ARENA_ARRAY(b->ar, const char *, n + using_count);
        for (uint32_t i = 0; i < n; i++) {
            exprs[i] = bind_column_of(b, &lp->out[i]);
            names[i] = lp->out[i].name;
        }
        for (uint32_t i = 0; i < using_count; i++) {
            struct expr *args[2] = {bind_column_of(b, &ul[i]), bind_column_of(b, &ur[i])};
            TRY(expr_call(b->ar, b->cx, "coalesce", args, 2, rel->span, &exprs[n + i], b->err));
            names[n + i] = using[i].text;
        }
        *ret = lp_project(b, lp, exprs, names, n + using_count);
        scope_add(b, s, NULL, (*ret)->out + n, using_count);
    } else {
        for (uint32_t i = 0; i < using_count; i++) {
            struct lcol c = kind == JOIN_RIGHT ? ur[i] : ul[i];
            scope_add(b, s, NULL, &c, 1);
        }
    }
    for (uint32_t i = 0; i < both.count && !(semi && i >= split); i++) {
        struct scope_col c = both.cols[i];
        for (uint32_t u = 0; u < using_count; u++)
            c.qualified_only |= c.col.id == ul[u].id || c.col.id == ur[u].id;
        ARENA_PUSH(b->ar, s->cols, s->count, s->cap, c);
    }
    return 0;
}

int bind_relation(struct binder *b, const struct ast_rel *rel, struct scope *s, struct logical **ret)
{
    if (++b->relations > RELATIONS_BOUND_MAX) {
        error_set(b->err, ERR_TOO_LARGE, "limit", arena_printf(b->ar, "%d", RELATIONS_BOUND_MAX), "what",
                  "relations, views and common table expressions written out at each use", NULL);
        return fail_at(b, rel->span);
    }
    switch (rel->kind) {
    case AST_TABLE: return bind_table(b, rel, s, ret);
    case AST_VALUES: return bind_values(b, rel, s, ret);
    case AST_TABLE_FN: return bind_range(b, rel, s, ret);
    case AST_JOIN: return bind_join(b, rel, s, ret);
    case AST_REL_ALIAS: {
        struct scope inner = {.outer = s->outer};
        TRY(bind_relation(b, rel->inputs[0], &inner, ret));
        /* what * of the inside gives, in its order */
        struct lcol *cols = ARENA_ARRAY(b->ar, struct lcol, inner.count);
        uint32_t n = 0;
        for (uint32_t i = 0; i < inner.count; i++) {
            if (!inner.cols[i].qualified_only)
                cols[n++] = inner.cols[i].col;
        }
        if (rel->column_count && rel->column_count != n) {
            return wrong_alias_count(b, rel->column_count, n, rel->span);
        }
        for (uint32_t i = 0; i < rel->column_count; i++)
            cols[i].name = rel->columns[i].text;
        scope_add(b, s, rel->alias.text, cols, n);
        return 0;
    }
    case AST_SELECT:
    case AST_SETOP:
    case AST_QUERY: /* a derived table sees what its query is in, but not its siblings */
        TRY(bind_query(b, rel, ret));
        scope_add(b, s, NULL, (*ret)->out, (*ret)->out_count);
        return 0;
    case AST_SAMPLE:
    case AST_LATERAL_VIEW:
    case AST_PIVOT:
        error_set(b->err, ERR_UNSUPPORTED_FEATURE, "message",
                  rel->kind == AST_SAMPLE ? "TABLESAMPLE" : rel->kind == AST_PIVOT ? "PIVOT" : "LATERAL VIEW", NULL);
        return fail_at(b, rel->span);
    }
    UNREACHABLE("a kind of the enum");
}
