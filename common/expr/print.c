/* Text of expressions: Spark's names of unaliased columns, and EXPLAIN; see expr.h. */
#include <ctype.h>
#include <math.h>

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
    } else if (id == TYPE_DECIMAL) {
        format_decimal_java(v->d, v->type->scale, out);
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

void value_literal(const struct value *v, struct buf *out)
{
    static const struct {
        enum type_id id;
        const char *suffix;
    } suffixes[] = {{TYPE_TINYINT, "Y"}, {TYPE_SMALLINT, "S"}, {TYPE_BIGINT, "L"}, {TYPE_DOUBLE, "D"}, {TYPE_DECIMAL, "BD"}};
    bool real = v->type->id == TYPE_FLOAT || v->type->id == TYPE_DOUBLE;
    if (real && !isfinite(v->f)) {
        value_print(v, out);
        return;
    }
    if (!v->null && (v->type->id == TYPE_STRING || v->type->id == TYPE_FLOAT)) {
        bool text = v->type->id == TYPE_STRING;
        buf_adds(out, text ? "'" : "CAST('");
        value_print(v, out);
        buf_addf(out, text ? "'" : "' AS FLOAT)");
        return;
    }
    value_print(v, out);
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && !v->null; i++) {
        if (suffixes[i].id == v->type->id)
            buf_adds(out, suffixes[i].suffix);
    }
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
    return strchr("+-*/%=<>!&|^", n[0]) != NULL || strcmp(n, "div") == 0;
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

/* Casts that the analyzer put in are not part of a name; those that the user wrote are. */
static void print_cast(const struct expr *e, bool pretty, struct buf *out)
{
    if (pretty && e->implicit) {
        expr_print(e->args[0], pretty, out);
        return;
    }
    buf_adds(out, e->mode == EVAL_TRY ? "TRY_CAST(" : "CAST(");
    expr_print(e->args[0], pretty, out);
    buf_adds(out, " AS ");
    type_sql(e->type, out);
    buf_addc(out, ')');
}

/*
 * How Spark writes calls that are not name(arguments): $1 is the first argument, $* all of them. Arguments that
 * the user left out show their defaults. args 0: any number of them.
 */
static const struct form {
    const char *fn;
    uint8_t args;
    const char *text;
} forms[] = {{"and", 2, "($1 AND $2)"},
             {"or", 2, "($1 OR $2)"},
             {"not", 1, "(NOT $1)"},
             {"!=", 2, "(NOT ($1 = $2))"},
             {"negative", 1, "(- $1)"},
             {"positive", 1, "(+ $1)"},
             {"~", 1, "~$1"},
             {"isnull", 1, "($1 IS NULL)"},
             {"isnotnull", 1, "($1 IS NOT NULL)"},
             {"if", 3, "(IF($*))"},
             {"||", 0, "concat($*)"},
             {"like", 2, "$1 LIKE $2"},
             {"like", 3, "$1 LIKE $2 ESCAPE '$3'"},
             {"_likeany", 0, "likeany($1)"},
             {"_likeall", 0, "likeall($1)"},
             {"_notlikeany", 0, "notlikeany($1)"},
             {"_notlikeall", 0, "notlikeall($1)"},
             {"_ilikeany", 0, "likeany(lower($1))"},
             {"_ilikeall", 0, "likeall(lower($1))"},
             {"_notilikeany", 0, "notlikeany(lower($1))"},
             {"_notilikeall", 0, "notlikeall(lower($1))"},
             {"ilike", 3, "ilike($1, $2)"},
             {"rlike", 2, "RLIKE($1, $2)"},
             {"assert_true", 1, "assert_true($1, '$1' is not true!)"},
             {"_same", 1, "$1"},
             {"_add_interval", 2, "$1 + $2"},
             {"_sub_interval", 2, "$1 - $2"},
             {"_mul_interval", 2, "($1 * $2)"},
             {"_div_interval", 2, "($1 / $2)"},
             {"_date_minus_date", 2, "($1 - $2)"},
             {"_timestamp_minus", 2, "($1 - $2)"},
             {"ceil", 1, "CEIL($1)"},
             {"floor", 1, "FLOOR($1)"},
             {"round", 1, "round($1, 0)"},
             {"bround", 1, "bround($1, 0)"},
             {"log", 1, "LOG(E(), $1)"},
             {"trim", 2, "TRIM(BOTH $2 FROM $1)"},
             {"ltrim", 2, "TRIM(LEADING $2 FROM $1)"},
             {"rtrim", 2, "TRIM(TRAILING $2 FROM $1)"},
             {"substring", 2, "substring($1, $2, 2147483647)"},
             {"substr", 2, "substr($1, $2, 2147483647)"},
             {"locate", 2, "locate($1, $2, 1)"},
             {"position", 2, "position($1, $2, 1)"},
             {"replace", 2, "replace($1, $2, )"},
             {"regexp_replace", 3, "regexp_replace($1, $2, $3, 1)"},
             {"regexp_extract", 2, "regexp_extract($1, $2, 1)"},
             {"months_between", 2, "months_between($1, $2, true)"},
             {"unix_timestamp", 1, "unix_timestamp($1, yyyy-MM-dd HH:mm:ss)"},
             {"to_unix_timestamp", 1, "to_unix_timestamp($1, yyyy-MM-dd HH:mm:ss)"},
             {"regexp_instr", 2, "regexp_instr($1, $2, 0)"},
             {"regexp_like", 2, "REGEXP_LIKE($1, $2)"},
             {"regexp", 2, "REGEXP($1, $2)"},
             {"dateadd", 2, "date_add($1, $2)"},
             {"hypot", 2, "HYPOT($1, $2)"},
             {"from_unixtime", 1, "from_unixtime($1, yyyy-MM-dd HH:mm:ss)"},
             {"current_database", 0, "current_schema()"},
             {"datepart", 2, "datepart($1 FROM $2)"},
             {"extract", 2, "extract($1 FROM $2)"}};

static void print_form(const struct form *f, const struct expr *e, bool pretty, struct buf *out)
{
    for (const char *c = f->text; *c; c++) {
        if (*c != '$')
            buf_addc(out, *c);
        else if (*++c == '*')
            print_args(e, 0, pretty, out);
        else
            expr_print(e->args[*c - '1'], pretty, out);
    }
}

/* Functions of one of Spark's families that prints its names in capitals. */
static bool in_capitals(const char *n)
{
    static const char *const names[] = {"acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "cot", "csc",
                                        "degrees", "e", "exp", "expm1", "log", "log10", "log1p", "log2", "pi", "power", "radians",
                                        "sec", "signum", "sin", "sinh", "sqrt", "tan", "tanh"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(n, names[i]) == 0)
            return true;
    }
    return false;
}

/* A date and an interval of days: Spark shows what it makes of them. */
static bool print_date_shift(const struct expr *e, bool pretty, struct buf *out)
{
    bool add = strcmp(e->fn->name, "_add_interval") == 0;
    if (!add && strcmp(e->fn->name, "_sub_interval") != 0)
        return false;
    if (e->args[0]->type->id != TYPE_DATE || e->args[1]->type->id != TYPE_INTERVAL_DT)
        return false;
    buf_adds(out, "date_add(");
    expr_print(e->args[0], pretty, out);
    buf_adds(out, add ? ", extractansiintervaldays(" : ", (- extractansiintervaldays(");
    expr_print(e->args[1], pretty, out);
    buf_adds(out, add ? "))" : ")))");
    return true;
}

static void print_call(const struct expr *e, bool pretty, struct buf *out)
{
    const char *n = e->fn->name;
    if (pretty && e->name) {
        buf_adds(out, e->name);
        return;
    }
    if (strcmp(n, "cast") == 0 || strcmp(n, "_stored") == 0) {
        print_cast(e, pretty, out);
        return;
    }
    if (strcmp(n, "case") == 0) {
        print_case(e, pretty, out);
        return;
    }
    if (n[0] == '_' && print_date_shift(e, pretty, out))
        return;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (strcmp(n, forms[i].fn) == 0 && (forms[i].args == e->arg_count || forms[i].args == 0)) {
            print_form(&forms[i], e, pretty, out);
            return;
        }
    }
    if (strcmp(n, "and") == 0 || strcmp(n, "or") == 0) {
        print_infix(e, n[0] == 'a' ? "AND" : "OR", pretty, out); /* flattened by the optimizer */
    } else if (is_operator(n) && e->arg_count == 2) {
        print_infix(e, n, pretty, out);
    } else if (strcmp(n, "in") == 0) {
        buf_addc(out, '(');
        expr_print(e->args[0], pretty, out);
        buf_adds(out, " IN (");
        print_args(e, 1, pretty, out);
        buf_adds(out, "))");
    } else {
        bool capitals = in_capitals(n);
        for (const char *p = n; *p; p++)
            buf_addc(out, capitals ? (char)toupper((unsigned char)*p) : *p);
        buf_addc(out, '(');
        print_args(e, 0, pretty, out);
        buf_addc(out, ')');
    }
}

/* Whether first and last skip nulls is no part of their name, nor how exact a sketch is. */
static void print_agg_args(const struct expr *e, bool pretty, struct buf *out)
{
    struct expr shown = *e;
    const char *n = agg_name(e->agg);
    if (pretty && e->arg_count == 2 && (strstr(n, "first") || strstr(n, "last") || strcmp(n, "any_value") == 0 || strstr(n, "approx")))
        shown.arg_count = 1;
    print_args(&shown, 0, pretty, out);
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
    case EXPR_LITERAL:
        if (pretty && e->name)
            buf_adds(out, e->name);
        else
            value_print(&e->literal, out);
        return;
    case EXPR_PARAM: buf_addf(out, "$%u", e->column); return;
    case EXPR_SUBQUERY:
        if (e->subquery_mode == SUBQUERY_IN) {
            buf_addc(out, '(');
            print_args(e, 0, pretty, out);
            buf_adds(out, " IN (listquery(");
        } else {
            buf_adds(out, e->subquery_mode == SUBQUERY_SCALAR ? "scalarsubquery(" : "exists(");
        }
        buf_adds(out, e->name ? e->name : ""); /* the outer columns that it reads */
        buf_adds(out, e->subquery_mode == SUBQUERY_IN ? ")))" : ")");
        return;
    case EXPR_AGG:
        buf_addf(out, "%s(%s", agg_name(e->agg), e->distinct ? "DISTINCT " : "");
        print_agg_args(e, pretty, out);
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
