/* Binding expressions: names to column ids, calls to rows of the function tables, literals to values. */
#include <stdlib.h>

#include "common/expr/fn.h"
#include "driver/analyze/analyze_impl.h"

bool bind_name_eq(const struct binder *b, const char *a, const char *c)
{
    return settings_bool(&b->snap->settings, "spark.sql.caseSensitive") ? strcmp(a, c) == 0 : str_eq_nocase(a, c);
}

struct lcol bind_new_col(struct binder *b, const char *name, const struct type *type, bool nullable)
{
    return (struct lcol){b->next_id++, name, type, nullable};
}

struct expr *bind_column_of(struct binder *b, const struct lcol *c)
{
    return expr_column(b->ar, c->id, c->type, c->nullable, c->name);
}

bool bind_has_aggregate(const struct expr *e)
{
    if (e->kind == EXPR_AGG)
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (bind_has_aggregate(e->args[i]))
            return true;
    }
    return false;
}

void bind_quoted(const struct expr *e, struct buf *out)
{
    buf_addc(out, '"');
    expr_print(e, true, out);
    buf_addc(out, '"');
}

void bind_quoted_type(const struct type *t, struct buf *out)
{
    buf_addc(out, '"');
    type_sql(t, out);
    buf_addc(out, '"');
}

static int fail_at(struct binder *b, struct span span)
{
    error_at(b->err, span);
    return (int)b->err->code;
}

/* ---- names ---- */

static void name_text(const struct ast_name *n, struct buf *out)
{
    for (uint32_t i = 0; i < n->count; i++)
        buf_addf(out, "%s`%s`", i ? "." : "", n->parts[i].text);
}

static int unresolved(struct binder *b, const struct scope *s, const struct ast_name *n, struct span span)
{
    struct buf name = BUF_INIT, proposal = BUF_INIT;
    name_text(n, &name);
    const char *last = n->parts[n->count - 1].text;
    bool used[64] = {false};
    for (int k = 0; k < 5; k++) { /* the five nearest */
        int best = -1, least = 1 << 20;
        for (uint32_t i = 0; i < s->count && i < 64; i++) {
            int d = str_distance(last, s->cols[i].col.name);
            if (!used[i] && !s->cols[i].qualified_only && d < least) {
                least = d;
                best = (int)i;
            }
        }
        if (best < 0)
            break;
        used[best] = true;
        buf_adds(&proposal, k ? ", " : "");
        if (n->count > 1 && s->cols[best].qualifier)
            buf_addf(&proposal, "`%s`.", s->cols[best].qualifier);
        buf_addf(&proposal, "`%s`", s->cols[best].col.name);
    }
    if (proposal.bytes)
        error_set(b->err, ERR_UNRESOLVED_COLUMN, "objectName", name.data, "proposal", proposal.data, NULL);
    else
        error_set(b->err, ERR_UNRESOLVED_COLUMN_BARE, "objectName", name.data, NULL);
    buf_fini(&name);
    buf_fini(&proposal);
    return fail_at(b, span);
}

/* Columns of s that parts[0..used) name: 1 or 2 parts. Returns how many match, the first in *ret. */
static uint32_t match(const struct binder *b, const struct scope *s, const struct ast_name *n, uint32_t used, struct lcol *ret)
{
    uint32_t found = 0;
    const char *name = n->parts[used - 1].text;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct scope_col *c = &s->cols[i];
        if (used == 1 ? c->qualified_only : !c->qualifier || !bind_name_eq(b, c->qualifier, n->parts[used - 2].text))
            continue;
        if (!bind_name_eq(b, c->col.name, name))
            continue;
        if (found && ret->id == c->col.id)
            continue; /* the same column twice */
        if (!found)
            *ret = c->col;
        found++;
    }
    return found;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int ambiguous(struct binder *b, const struct scope *s, const struct ast_name *n, uint32_t used, struct span span)
{
    struct buf name = BUF_INIT, names = BUF_INIT;
    const char **all = ARENA_ARRAY(b->ar, const char *, s->count);
    uint32_t count = 0;
    name_text(n, &name);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct scope_col *c = &s->cols[i];
        if (bind_name_eq(b, c->col.name, n->parts[used - 1].text) && !c->qualified_only)
            all[count++] = c->qualifier ? arena_printf(b->ar, "`%s`.`%s`", c->qualifier, c->col.name) : arena_printf(b->ar, "`%s`", c->col.name);
    }
    qsort(all, count, sizeof *all, by_text);
    for (uint32_t i = 0; i < count; i++)
        buf_addf(&names, "%s%s", i ? ", " : "[", all[i]);
    buf_addc(&names, ']');
    error_set(b->err, ERR_AMBIGUOUS_COLUMN, "name", name.data, "referenceNames", names.data, NULL);
    buf_fini(&name);
    buf_fini(&names);
    return fail_at(b, span);
}

/* Fields below a struct column: parts[from..). */
static int fields_below(struct binder *b, struct expr *e, const struct ast_name *n, uint32_t from, struct expr **ret)
{
    if (from < n->count) {
        if (e->type->id != TYPE_STRUCT) {
            struct buf base = BUF_INIT, type = BUF_INIT;
            bind_quoted(e, &base);
            bind_quoted_type(e->type, &type);
            error_set(b->err, ERR_EXTRACT_BASE, "base", base.data, "other", type.data, NULL);
            buf_fini(&base);
            buf_fini(&type);
        } else {
            error_setf(b->err, ERR_UNSUPPORTED_FEATURE, "message", "reading the field %s of a struct", n->parts[from].text);
        }
        return fail_at(b, n->span);
    }
    *ret = e;
    return 0;
}

static const char *const bare_functions[] = {"current_date", "current_timestamp", "localtimestamp", "current_user",
                                             "session_user", "user", "current_catalog", "current_database"};

/* A lateral alias that two items before have. */
static int ambiguous_alias(struct binder *b, const struct ast_name *n, uint32_t count)
{
    error_set(b->err, ERR_LATERAL_ALIAS, "name", arena_printf(b->ar, "`%s`", n->parts[0].text), "n", arena_printf(b->ar, "%u", count), NULL);
    return fail_at(b, n->span);
}

static uint32_t count_aliases(const struct binder *b, const struct scope *s, const struct ast_name *n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; n->count == 1 && i < s->alias_count; i++)
        count += bind_name_eq(b, s->aliases[i].name, n->parts[0].text);
    return count;
}

static bool find_alias(const struct binder *b, const struct scope *s, const struct ast_name *n, struct expr **ret)
{
    for (uint32_t i = s->alias_count; n->count == 1 && i-- > 0;) {
        if (bind_name_eq(b, s->aliases[i].name, n->parts[0].text)) {
            *ret = s->aliases[i].expr;
            return true;
        }
    }
    return false;
}

static int bind_column(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    const struct ast_name *n = &e->name;
    if (s->alias_first && find_alias(b, s, n, ret))
        return 0;
    bool outer = false;
    for (struct scope *at = s; at; at = at->outer, outer = true) {
        /* table.column first, then column.field; db.table.column drops the database. */
        struct lcol c;
        for (uint32_t used = n->count < 3 ? n->count : 3; used >= 1; used--) {
            uint32_t found = match(b, at, n, used, &c);
            if (found > 1)
                return ambiguous(b, at, n, used, e->span);
            if (found == 0)
                continue;
            struct expr *col = bind_column_of(b, &c);
            col->span = e->span;
            if (outer)
                col->kind = EXPR_OUTER;
            return fields_below(b, col, n, used, ret);
        }
        if (!outer && !s->alias_first && find_alias(b, s, n, ret)) {
            uint32_t count = count_aliases(b, s, n);
            return count > 1 ? ambiguous_alias(b, n, count) : 0;
        }
    }
    for (size_t i = 0; n->count == 1 && i < ARRAY_LEN(bare_functions); i++) {
        if (str_eq_nocase(n->parts[0].text, bare_functions[i]) && fn_find(bare_functions[i]))
            return expr_call(b->ar, b->cx, bare_functions[i], NULL, 0, e->span, ret, b->err);
    }
    return unresolved(b, s, n, e->span);
}

/* ---- literals ---- */

static int typed_literal(struct binder *b, const struct ast_expr *e, const struct type *t, struct expr **ret)
{
    struct expr *text = expr_string(b->ar, e->lit.text), *cast;
    struct value v;
    TRY(expr_cast(b->ar, text, t, EVAL_TRY, e->span, &cast, b->err));
    TRY(expr_fold(b->ar, b->cx, cast, &v, b->err));
    if (v.null) {
        struct buf sql = BUF_INIT, quoted = BUF_INIT;
        bind_quoted_type(t, &sql);
        buf_addf(&quoted, "'%s'", e->lit.text);
        error_set(b->err, ERR_INVALID_LITERAL, "valueType", sql.data, "value", quoted.data, NULL);
        buf_fini(&sql);
        buf_fini(&quoted);
        return fail_at(b, e->span);
    }
    *ret = expr_literal(b->ar, v);
    if (t->id == TYPE_TIMESTAMP) { /* its name shows the session's clock */
        struct buf name = BUF_INIT;
        struct column col = value_column(&v, 1, b->ar);
        buf_adds(&name, "TIMESTAMP '");
        column_format(&col, 0, b->cx->zone, "NULL", &name);
        buf_addc(&name, '\'');
        (*ret)->name = arena_strndup(b->ar, name.data, name.bytes);
        buf_fini(&name);
    }
    return 0;
}

static int bind_literal(struct binder *b, const struct ast_expr *e, struct expr **ret)
{
    const struct ast_literal *l = &e->lit;
    struct value v = {.i = l->i};
    switch (l->kind) {
    case AST_LIT_NULL:
        v.type = type_of(TYPE_NULL);
        v.null = true;
        break;
    case AST_LIT_BOOL: v.type = type_of(TYPE_BOOLEAN); break;
    case AST_LIT_TINYINT: v.type = type_of(TYPE_TINYINT); break;
    case AST_LIT_SMALLINT: v.type = type_of(TYPE_SMALLINT); break;
    case AST_LIT_INT: v.type = type_of(TYPE_INT); break;
    case AST_LIT_BIGINT: v.type = type_of(TYPE_BIGINT); break;
    case AST_LIT_DECIMAL:
        v.type = type_decimal(l->precision, l->scale);
        v.d = l->d;
        break;
    case AST_LIT_FLOAT:
    case AST_LIT_DOUBLE:
        v.type = type_of(l->kind == AST_LIT_FLOAT ? TYPE_FLOAT : TYPE_DOUBLE);
        v.f = l->f;
        break;
    case AST_LIT_STRING:
    case AST_LIT_BINARY:
        v.type = type_of(l->kind == AST_LIT_STRING ? TYPE_STRING : TYPE_BINARY);
        v.s.ptr = l->text;
        v.s.bytes = l->bytes;
        break;
    case AST_LIT_DATE: TRY(typed_literal(b, e, type_of(TYPE_DATE), ret)); (*ret)->span = e->span; return 0;
    case AST_LIT_TIMESTAMP: TRY(typed_literal(b, e, type_of(TYPE_TIMESTAMP), ret)); (*ret)->span = e->span; return 0;
    case AST_LIT_TIMESTAMP_NTZ: TRY(typed_literal(b, e, type_of(TYPE_TIMESTAMP_NTZ), ret)); (*ret)->span = e->span; return 0;
    case AST_LIT_INTERVAL_YM: v.type = type_interval(TYPE_INTERVAL_YM, l->from, l->to); break;
    case AST_LIT_INTERVAL_DT: v.type = type_interval(TYPE_INTERVAL_DT, l->from, l->to); break;
    }
    *ret = expr_literal(b->ar, v);
    (*ret)->span = e->span;
    return 0;
}

/* ---- calls ---- */

static int bind_args(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr ***ret)
{
    *ret = ARENA_ARRAY(b->ar, struct expr *, e->arg_count + 1);
    for (uint32_t i = 0; i < e->arg_count; i++)
        TRY(bind_expr(b, s, e->args[i], &(*ret)[i]));
    return 0;
}

static const struct expr *first_aggregate(const struct expr *e)
{
    if (e->kind == EXPR_AGG)
        return e;
    const struct expr *found = NULL;
    for (uint32_t i = 0; i < e->arg_count && !found; i++)
        found = first_aggregate(e->args[i]);
    return found;
}

int bind_refuse_aggregate(struct binder *b, const struct expr *e, const char *where, struct span span)
{
    const struct expr *agg = first_aggregate(e);
    if (!agg)
        return 0;
    struct buf text = BUF_INIT;
    bind_quoted(agg, &text);
    error_set(b->err, ERR_UNSUPPORTED_EXPR, "operator", where, "invalidExprSqls", text.data, NULL);
    buf_fini(&text);
    return fail_at(b, span);
}

/* FILTER (WHERE ...) */
static int bind_agg_filter(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    struct expr *f;
    TRY(bind_expr(b, s, e->filter, &f));
    const struct expr *agg = first_aggregate(f);
    if (!agg && (f->type->id == TYPE_BOOLEAN || f->type->id == TYPE_NULL))
        return expr_cast(b->ar, f, type_of(TYPE_BOOLEAN), EVAL_LEGACY, (struct span){0}, ret, b->err);
    struct buf text = BUF_INIT, inner = BUF_INIT;
    bind_quoted(f, &text);
    if (agg) {
        bind_quoted(agg, &inner);
        error_set(b->err, ERR_AGG_FILTER_AGG, "filterExpr", text.data, "aggExpr", inner.data, NULL);
    } else {
        error_set(b->err, ERR_AGG_FILTER_TYPE, "filterExpr", text.data, NULL);
    }
    buf_fini(&text);
    buf_fini(&inner);
    return fail_at(b, e->span);
}

static int bind_aggregate(struct binder *b, struct scope *s, const struct ast_expr *e, const struct agg_row *row, struct expr **ret)
{
    struct scope inner = *s;
    inner.alias_count = 0;
    struct expr **args, *filter = NULL;
    uint32_t count = e->arg_count;
    bool star = count == 1 && e->args[0]->kind == AST_STAR && str_eq_nocase(agg_name(row), "count");
    if (star && e->distinct) { /* of whole rows */
        args = ARENA_ARRAY(b->ar, struct expr *, s->count + 1);
        count = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            if (!s->cols[i].qualified_only)
                args[count++] = bind_column_of(b, &s->cols[i].col);
        }
    } else if (star) {
        args = ARENA_ARRAY(b->ar, struct expr *, 1);
        args[0] = expr_int(b->ar, 1);
    } else {
        TRY(bind_args(b, &inner, e, &args));
    }
    for (uint32_t i = 0; i < count && !star; i++) {
        if (bind_has_aggregate(args[i])) {
            error_set(b->err, ERR_AGG_NESTED, NULL);
            return fail_at(b, e->args[i]->span);
        }
    }
    if (e->filter)
        TRY(bind_agg_filter(b, &inner, e, &filter));
    /* IGNORE NULLS of first, last, any_value is a second argument. */
    if (e->nulls == AST_NULLS_IGNORE && count == 1) {
        struct expr **two = ARENA_ARRAY(b->ar, struct expr *, 2);
        two[0] = args[0];
        two[1] = expr_bool(b->ar, true);
        args = two;
        count = 2;
    }
    return agg_call(b->ar, b->cx, row, args, count, e->distinct, filter, e->span, ret, b->err);
}

/* grouping(x) and grouping_id(...) read bits of the set number that Expand made. */
static int bind_grouping(struct binder *b, struct scope *s, const struct ast_expr *e, bool id, struct expr **ret)
{
    if (!b->gid) {
        error_set(b->err, ERR_GROUPING, NULL);
        return fail_at(b, e->span);
    }
    struct expr *gid = b->gid->id ? bind_column_of(b, b->gid) : expr_bigint(b->ar, 0);
    if (id) {
        TRY(expr_call(b->ar, b->cx, "_same", &gid, 1, e->span, ret, b->err));
        (*ret)->name = "grouping_id()";
        return 0;
    }
    struct expr *arg, *args[2], *bit;
    struct scope inner = *s;
    TRY(bind_expr(b, &inner, e->args[0], &arg));
    uint32_t at = 0;
    while (at < b->group_count && !expr_eq(b->groups[at], arg))
        at++;
    if (at == b->group_count) {
        error_set(b->err, ERR_ANALYSIS, "message", "the argument of grouping() must be in GROUP BY", NULL);
        return fail_at(b, e->span);
    }
    args[0] = gid;
    args[1] = expr_bigint(b->ar, 1ll << (b->group_count - 1 - at));
    TRY(expr_call(b->ar, b->cx, "div", args, 2, e->span, &bit, b->err));
    args[0] = bit;
    args[1] = expr_bigint(b->ar, 2);
    TRY(expr_call(b->ar, b->cx, "%", args, 2, e->span, &bit, b->err));
    TRY(expr_cast(b->ar, bit, type_of(TYPE_TINYINT), EVAL_ANSI, e->span, &bit, b->err));
    TRY(expr_call(b->ar, b->cx, "_same", &bit, 1, e->span, ret, b->err));
    struct buf name = BUF_INIT;
    buf_adds(&name, "grouping(");
    expr_print(arg, true, &name);
    buf_addc(&name, ')');
    (*ret)->name = arena_strndup(b->ar, name.data, name.bytes);
    buf_fini(&name);
    return 0;
}

static int bind_call(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    const char *name = e->name.parts[e->name.count - 1].text;
    if (e->over) {
        error_setf(b->err, ERR_UNSUPPORTED_FEATURE, "message", "window functions (%s OVER ...)", name);
        return fail_at(b, e->span);
    }
    if (str_eq_nocase(name, "grouping") || str_eq_nocase(name, "grouping_id"))
        return bind_grouping(b, s, e, name[8] != 0, ret);
    const struct agg_row *row = agg_find(name);
    if (row)
        return bind_aggregate(b, s, e, row, ret);
    if (e->filter || e->distinct) {
        error_set(b->err, ERR_FUNCTION_SYNTAX, "prettyName", arena_printf(b->ar, "`%s`", name), "syntax", e->distinct ? "DISTINCT" : "FILTER CLAUSE", NULL);
        return fail_at(b, e->span);
    }
    struct expr **args;
    TRY(bind_args(b, s, e, &args));
    uint32_t count = e->arg_count;
    /* trim(set, text) of the parser's special syntax: here the text comes first. */
    if (count == 2 && (str_eq_nocase(name, "trim") || str_eq_nocase(name, "ltrim") || str_eq_nocase(name, "rtrim"))) {
        struct expr *swap = args[0];
        args[0] = args[1];
        args[1] = swap;
    }
    TRY(expr_call(b->ar, b->cx, name, args, count, e->span, ret, b->err));
    if (str_eq_nocase(name, "negative") && (*ret)->kind == EXPR_CALL) {
        struct buf text = BUF_INIT; /* written as a call, not as a sign */
        buf_addf(&text, "%s(", (*ret)->fn->name);
        expr_print(args[0], true, &text);
        buf_addc(&text, ')');
        (*ret)->name = arena_strndup(b->ar, text.data, text.bytes);
        buf_fini(&text);
    }
    return 0;
}

static int bind_op(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    struct expr **args;
    TRY(bind_args(b, s, e, &args));
    if (strcmp(e->op, "between") == 0) {
        struct expr *low[2] = {args[0], args[1]}, *high[2] = {args[0], args[2]}, *both[2];
        TRY(expr_call(b->ar, b->cx, ">=", low, 2, e->span, &both[0], b->err));
        TRY(expr_call(b->ar, b->cx, "<=", high, 2, e->span, &both[1], b->err));
        TRY(expr_call(b->ar, b->cx, "and", both, 2, e->span, ret, b->err));
        struct buf name = BUF_INIT;
        for (uint32_t i = 0; i < 3; i++) {
            buf_adds(&name, i ? ", " : "between(");
            expr_print(args[i], true, &name);
        }
        buf_addc(&name, ')');
        (*ret)->name = arena_strndup(b->ar, name.data, name.bytes);
        buf_fini(&name);
        return 0;
    }
    return expr_call(b->ar, b->cx, e->op, args, e->arg_count, e->span, ret, b->err);
}

/* ---- subqueries ---- */

static int in_widths(struct binder *b, const struct expr *q, const struct logical *plan, struct span span)
{
    struct buf left = BUF_INIT, right = BUF_INIT, sql = BUF_INIT;
    for (uint32_t i = 0; i < q->arg_count; i++) {
        buf_adds(&left, i ? ", " : "");
        bind_quoted(q->args[i], &left);
    }
    for (uint32_t i = 0; i < plan->out_count; i++)
        buf_addf(&right, "%s\"%s\"", i ? ", " : "", plan->out[i].name);
    bind_quoted(q, &sql);
    error_set(b->err, ERR_DATATYPE_MISMATCH_IN, "sqlExpr", sql.data, "leftLength", arena_printf(b->ar, "%u", q->arg_count), "leftColumns",
              left.data, "rightLength", arena_printf(b->ar, "%u", plan->out_count), "rightColumns", right.data, NULL);
    buf_fini(&left);
    buf_fini(&right);
    buf_fini(&sql);
    return fail_at(b, span);
}

static int in_types(struct binder *b, const struct expr *q, const struct logical *plan, uint32_t at, struct span span)
{
    struct buf left = BUF_INIT, right = BUF_INIT, pair = BUF_INIT, sql = BUF_INIT;
    bind_quoted_type(q->args[at]->type, &left);
    bind_quoted_type(plan->out[at].type, &right);
    buf_adds(&pair, "(\"");
    expr_print(q->args[at], true, &pair);
    buf_addf(&pair, ":%s\", \"%s:%s\")", q->args[at]->type->text, plan->out[at].name, plan->out[at].type->text);
    bind_quoted(q, &sql);
    error_set(b->err, ERR_DATATYPE_MISMATCH_IN_TYPES, "sqlExpr", sql.data, "mismatchedColumns", pair.data, "leftType", left.data, "rightType",
              right.data, NULL);
    buf_fini(&left);
    buf_fini(&right);
    buf_fini(&pair);
    buf_fini(&sql);
    return fail_at(b, span);
}

static int bind_subquery(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    struct scope *outer = b->outer;
    struct lcol *gid = b->gid;
    b->outer = s;
    b->gid = NULL;
    struct logical *plan = NULL;
    int rc = bind_query(b, e->query, &plan);
    b->outer = outer;
    b->gid = gid;
    TRY(rc);
    struct expr *q = ARENA_NEW(b->ar, struct expr);
    q->kind = EXPR_SUBQUERY;
    q->span = e->span;
    q->plan = plan;
    q->name = outer_names(b, s, plan);
    q->nullable = true;
    q->type = type_of(TYPE_BOOLEAN);
    if (e->subquery_mode == AST_SUBQUERY_SCALAR) {
        q->subquery_mode = SUBQUERY_SCALAR;
        if (plan->out_count != 1) {
            struct buf n = BUF_INIT;
            buf_addf(&n, "%u", plan->out_count);
            error_set(b->err, ERR_SCALAR_SUBQUERY_COLUMNS, "number", n.data, NULL);
            buf_fini(&n);
            return fail_at(b, e->span);
        }
        q->type = plan->out[0].type;
    } else if (e->subquery_mode == AST_SUBQUERY_EXISTS) {
        q->subquery_mode = SUBQUERY_EXISTS;
        q->nullable = false;
    } else {
        q->subquery_mode = SUBQUERY_IN;
        TRY(bind_args(b, s, e, &q->args));
        q->arg_count = e->arg_count;
        if (e->arg_count != plan->out_count)
            return in_widths(b, q, plan, e->span);
        /* Both sides to their common type. */
        struct expr **casts = ARENA_ARRAY(b->ar, struct expr *, plan->out_count);
        const char **names = ARENA_ARRAY(b->ar, const char *, plan->out_count);
        bool differ = false;
        for (uint32_t i = 0; i < plan->out_count; i++) {
            const struct type *t = type_common(b->cx, q->args[i]->type, plan->out[i].type);
            if (!t) {
                return in_types(b, q, plan, i, e->span);
            }
            q->args[i] = expr_cast_must(b->ar, b->cx, q->args[i], t);
            casts[i] = expr_cast_must(b->ar, b->cx, bind_column_of(b, &plan->out[i]), t);
            names[i] = plan->out[i].name;
            differ |= t != plan->out[i].type;
        }
        if (differ)
            q->plan = lp_project(b, plan, casts, names, plan->out_count);
    }
    *ret = q;
    return 0;
}

/* ---- all together ---- */

static int refuse(struct binder *b, const struct ast_expr *e, const char *what)
{
    error_setf(b->err, ERR_UNSUPPORTED_FEATURE, "message", "%s here", what);
    return fail_at(b, e->span);
}

/* A cast to the type that is there already does nothing, but names the column: CAST(1 AS INT). */
static int name_idle_cast(struct binder *b, const struct ast_expr *e, const struct expr *from, struct expr **ret)
{
    if (from->kind == EXPR_COLUMN)
        return 0;
    struct buf text = BUF_INIT;
    buf_adds(&text, e->try_cast ? "TRY_CAST(" : "CAST(");
    expr_print(from, true, &text);
    buf_adds(&text, " AS ");
    type_sql(e->type, &text);
    buf_addc(&text, ')');
    int rc = expr_call(b->ar, b->cx, "_same", ret, 1, e->span, ret, b->err);
    if (rc == 0)
        (*ret)->name = arena_strndup(b->ar, text.data, text.bytes);
    buf_fini(&text);
    return rc;
}

int bind_expr(struct binder *b, struct scope *s, const struct ast_expr *e, struct expr **ret)
{
    struct expr **args;
    switch (e->kind) {
    case AST_LITERAL: return bind_literal(b, e, ret);
    case AST_COLUMN: return bind_column(b, s, e, ret);
    case AST_CALL: return bind_call(b, s, e, ret);
    case AST_OP: return bind_op(b, s, e, ret);
    case AST_CAST:
        TRY(bind_args(b, s, e, &args));
        TRY(expr_cast(b->ar, args[0], e->type, e->try_cast ? EVAL_TRY : b->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, e->span, ret, b->err));
        return *ret != args[0] && (*ret)->kind == EXPR_CALL ? 0 : name_idle_cast(b, e, args[0], ret);
    case AST_CASE:
        TRY(bind_args(b, s, e, &args));
        return expr_call(b->ar, b->cx, "case", args, e->arg_count, e->span, ret, b->err);
    case AST_ALIAS: return bind_expr(b, s, e->args[0], ret);
    case AST_SUBQUERY: return bind_subquery(b, s, e, ret);
    case AST_STAR: return refuse(b, e, "a star");
    case AST_ROW: return refuse(b, e, "a row value");
    case AST_SUBSCRIPT: return refuse(b, e, "a subscript");
    case AST_FIELD: return refuse(b, e, "a field");
    case AST_LAMBDA: return refuse(b, e, "a lambda");
    case AST_NAMED_ARG: return refuse(b, e, "a named argument");
    case AST_PARAM: return refuse(b, e, "a parameter marker");
    case AST_DEFAULT: return refuse(b, e, "DEFAULT");
    }
    UNREACHABLE("a kind of the enum");
}

int bind_filter(struct binder *b, struct scope *s, const struct ast_expr *ast, struct span whole, struct expr **ret)
{
    struct expr *e;
    TRY(bind_expr(b, s, ast, &e));
    if (e->type->id == TYPE_BOOLEAN || e->type->id == TYPE_NULL)
        return expr_cast(b->ar, e, type_of(TYPE_BOOLEAN), EVAL_LEGACY, (struct span){0}, ret, b->err);
    struct buf sql = BUF_INIT, have = BUF_INIT;
    bind_quoted(e, &sql);
    bind_quoted_type(e->type, &have);
    error_set(b->err, ERR_DATATYPE_MISMATCH_FILTER, "sqlExpr", sql.data, "filter", sql.data, "type", have.data, NULL);
    buf_fini(&sql);
    buf_fini(&have);
    return fail_at(b, whole);
}

const char *bind_item_name(struct binder *b, const struct ast_expr *ast, const struct expr *e)
{
    if (ast->kind == AST_ALIAS)
        return ast->alias_count ? ast->aliases[0].text : ast->name.parts[0].text;
    if (ast->kind == AST_CAST && ast->args[0]->kind == AST_COLUMN)
        ast = ast->args[0]; /* a cast column keeps its name */
    bool bare_function = e->kind == EXPR_CALL && e->arg_count == 0; /* current_date: its column is current_date() */
    if (ast->kind == AST_COLUMN && !bare_function)
        return ast->name.parts[ast->name.count - 1].text;
    struct buf out = BUF_INIT;
    expr_print(e, true, &out);
    const char *name = arena_strndup(b->ar, out.data ? out.data : "", out.bytes);
    buf_fini(&out);
    return name;
}
