/* Text of expressions: Spark's names of unaliased columns, and EXPLAIN; see expr.h. */
#include <ctype.h>

#include "common/expr/agg.h"
#include "common/expr/fn.h"

void value_print(const struct value *v, struct buf *out)
{
    if (v->null) {
        buf_adds(out, "NULL");
        return;
    }
    struct arena ar;
    arena_init(&ar);
    struct column col = value_column(v, 1, &ar);
    enum type_id id = v->type->id;
    if (id == TYPE_STRING) {
        buf_add(out, v->s.ptr, v->s.bytes);
    } else if (id == TYPE_DATE || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMP_NTZ) {
        buf_adds(out, id == TYPE_DATE ? "DATE '" : id == TYPE_TIMESTAMP ? "TIMESTAMP '" : "TIMESTAMP_NTZ '");
        column_format(&col, 0, NULL, "NULL", out);
        buf_addc(out, '\'');
    } else if (id == TYPE_BINARY) {
        buf_adds(out, "X'");
        for (uint32_t i = 0; i < v->s.bytes; i++)
            buf_addf(out, "%02X", (unsigned char)v->s.ptr[i]);
        buf_addc(out, '\'');
    } else {
        column_format(&col, 0, NULL, "NULL", out);
    }
    arena_fini(&ar);
}

static void print_args(const struct expr *e, uint32_t from, bool pretty, struct buf *out)
{
    for (uint32_t i = from; i < e->arg_count; i++) {
        if (i > from)
            buf_adds(out, ", ");
        expr_print(e->args[i], pretty, out);
    }
}

static void print_case(const struct expr *e, bool pretty, struct buf *out)
{
    buf_adds(out, "CASE");
    for (uint32_t i = 0; i + 1 < e->arg_count; i += 2) {
        buf_adds(out, " WHEN ");
        expr_print(e->args[i], pretty, out);
        buf_adds(out, " THEN ");
        expr_print(e->args[i + 1], pretty, out);
    }
    if (e->arg_count % 2) {
        buf_adds(out, " ELSE ");
        expr_print(e->args[e->arg_count - 1], pretty, out);
    }
    buf_adds(out, " END");
}

static bool is_operator(const char *n)
{
    return strchr("+-*/%=<>!&|^", n[0]) != NULL || strcmp(n, "and") == 0 || strcmp(n, "or") == 0 || strcmp(n, "div") == 0;
}

static void print_infix(const struct expr *e, const char *op, bool pretty, struct buf *out)
{
    buf_addc(out, '(');
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (i)
            buf_addf(out, " %s ", op);
        expr_print(e->args[i], pretty, out);
    }
    buf_addc(out, ')');
}

/* Casts that the analyzer put in are not part of a name; those that the user wrote are (they have a span). */
static void print_cast(const struct expr *e, bool pretty, struct buf *out)
{
    bool implicit = e->span.stop == 0 || (e->args[0]->span.stop && e->span.start == e->args[0]->span.start && e->span.stop == e->args[0]->span.stop);
    if (pretty && (implicit || e->args[0]->kind == EXPR_COLUMN)) {
        expr_print(e->args[0], pretty, out);
        return;
    }
    buf_adds(out, e->mode == EVAL_TRY ? "TRY_CAST(" : "CAST(");
    expr_print(e->args[0], pretty, out);
    buf_adds(out, " AS ");
    type_sql(e->type, out);
    buf_addc(out, ')');
}

static void print_call(const struct expr *e, bool pretty, struct buf *out)
{
    const char *n = e->fn->name;
    if (pretty && e->name) {
        buf_adds(out, e->name);
    } else if (strcmp(n, "cast") == 0) {
        print_cast(e, pretty, out);
    } else if (strcmp(n, "case") == 0) {
        print_case(e, pretty, out);
    } else if (strcmp(n, "||") == 0) {
        buf_adds(out, "concat(");
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
    } else if (strcmp(n, "!=") == 0) {
        buf_adds(out, "(NOT ");
        print_infix(e, "=", pretty, out);
        buf_addc(out, ')');
    } else if (strcmp(n, "and") == 0 || strcmp(n, "or") == 0) {
        print_infix(e, n[0] == 'a' ? "AND" : "OR", pretty, out);
    } else if (is_operator(n) && e->arg_count == 2) {
        print_infix(e, n, pretty, out);
    } else if (strcmp(n, "not") == 0) {
        buf_adds(out, "(NOT ");
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
    } else if (strcmp(n, "negative") == 0) {
        buf_adds(out, "(- ");
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
    } else if (strcmp(n, "isnull") == 0 || strcmp(n, "isnotnull") == 0) {
        buf_addc(out, '(');
        print_args(e, 0, pretty, out);
        buf_adds(out, n[2] == 'n' && n[3] == 'u' ? " IS NULL)" : " IS NOT NULL)");
    } else if (strcmp(n, "in") == 0) {
        buf_addc(out, '(');
        expr_print(e->args[0], pretty, out);
        buf_adds(out, " IN (");
        print_args(e, 1, pretty, out);
        buf_adds(out, "))");
    } else if (strcmp(n, "like") == 0) {
        expr_print(e->args[0], pretty, out);
        buf_adds(out, " LIKE ");
        expr_print(e->args[1], pretty, out);
    } else if (strcmp(n, "_add_interval") == 0 || strcmp(n, "_sub_interval") == 0) {
        expr_print(e->args[0], pretty, out);
        buf_adds(out, n[1] == 'a' ? " + " : " - ");
        expr_print(e->args[1], pretty, out);
    } else if ((strcmp(n, "round") == 0 || strcmp(n, "bround") == 0) && e->arg_count == 1) {
        buf_addf(out, "%s(", n);
        print_args(e, 0, pretty, out);
        buf_adds(out, ", 0)");
    } else if (strcmp(n, "if") == 0) {
        buf_adds(out, "(IF(");
        print_args(e, 0, pretty, out);
        buf_adds(out, "))");
    } else {
        if (n[0] == 'c' && (strcmp(n, "ceil") == 0 || strcmp(n, "ceiling") == 0 || strcmp(n, "coalesce") == 0)) {
            for (const char *p = n; *p; p++)
                buf_addc(out, n[1] == 'e' ? (char)toupper((unsigned char)*p) : *p);
        } else if (strcmp(n, "floor") == 0 || strcmp(n, "log10") == 0 || strcmp(n, "exp") == 0 || strcmp(n, "sqrt") == 0) {
            for (const char *p = n; *p; p++)
                buf_addc(out, (char)toupper((unsigned char)*p));
        } else {
            buf_adds(out, n);
        }
        buf_addc(out, '(');
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
    }
}

void expr_print(const struct expr *e, bool pretty, struct buf *out)
{
    switch (e->kind) {
    case EXPR_COLUMN:
    case EXPR_OUTER:
        if (e->kind == EXPR_OUTER && !pretty)
            buf_adds(out, "outer(");
        if (e->name)
            buf_adds(out, e->name);
        if (!pretty || !e->name)
            buf_addf(out, "#%u", e->column);
        if (e->kind == EXPR_OUTER && !pretty)
            buf_addc(out, ')');
        return;
    case EXPR_LITERAL: value_print(&e->literal, out); return;
    case EXPR_PARAM: buf_addf(out, "$%u", e->column); return;
    case EXPR_SUBQUERY:
        if (e->subquery_mode == SUBQUERY_SCALAR) {
            buf_adds(out, "scalarsubquery()");
        } else if (e->subquery_mode == SUBQUERY_EXISTS) {
            buf_adds(out, "exists()");
        } else {
            buf_addc(out, '(');
            print_args(e, 0, pretty, out);
            buf_adds(out, " IN (listquery()))");
        }
        return;
    case EXPR_AGG:
        buf_addf(out, "%s(%s", agg_name(e->agg), e->distinct ? "DISTINCT " : "");
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
        if (e->filter) {
            buf_adds(out, " FILTER (WHERE ");
            expr_print(e->filter, pretty, out);
            buf_addc(out, ')');
        }
        return;
    case EXPR_CALL: print_call(e, pretty, out); return;
    }
}
