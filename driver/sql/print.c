/* The plan as text, for tests and debugging; see ast.h. Depth is bounded, so this recurses. */
#include "driver/sql/ast.h"

#include "common/col/column.h"

static void print_part(const struct ast_part *p, struct buf *out)
{
    if (!p->quoted) {
        buf_adds(out, p->text);
        return;
    }
    buf_addc(out, '`');
    for (const char *s = p->text; *s; s++) {
        if (*s == '`')
            buf_addc(out, '`');
        buf_addc(out, *s);
    }
    buf_addc(out, '`');
}

void ast_print_name(const struct ast_name *name, struct buf *out)
{
    for (uint32_t i = 0; i < name->count; i++) {
        if (i)
            buf_addc(out, '.');
        print_part(&name->parts[i], out);
    }
}

static void print_parts(const struct ast_part *parts, uint32_t count, struct buf *out)
{
    buf_addc(out, '(');
    for (uint32_t i = 0; i < count; i++) {
        buf_adds(out, i ? " " : "");
        print_part(&parts[i], out);
    }
    buf_addc(out, ')');
}

static void print_string(const char *s, uint32_t bytes, struct buf *out)
{
    buf_addc(out, '\'');
    for (uint32_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\'' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n')
            buf_adds(out, "\\n");
        else if (c < 0x20)
            buf_addf(out, "\\%03o", c);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '\'');
}

static void print_literal(const struct ast_literal *lit, struct buf *out)
{
    switch (lit->kind) {
    case AST_LIT_NULL: buf_adds(out, "NULL"); break;
    case AST_LIT_BOOL: buf_adds(out, lit->i ? "true" : "false"); break;
    case AST_LIT_TINYINT: buf_addf(out, "%lldY", (long long)lit->i); break;
    case AST_LIT_SMALLINT: buf_addf(out, "%lldS", (long long)lit->i); break;
    case AST_LIT_INT: buf_addf(out, "%lld", (long long)lit->i); break;
    case AST_LIT_BIGINT: buf_addf(out, "%lldL", (long long)lit->i); break;
    case AST_LIT_DECIMAL:
        format_decimal(lit->d, lit->scale, out);
        buf_addf(out, "BD(%u,%u)", lit->precision, lit->scale);
        break;
    case AST_LIT_FLOAT:
        format_float((float)lit->f, out);
        buf_addc(out, 'F');
        break;
    case AST_LIT_DOUBLE:
        format_double(lit->f, out);
        buf_addc(out, 'D');
        break;
    case AST_LIT_STRING: print_string(lit->text, lit->bytes, out); break;
    case AST_LIT_BINARY:
        buf_adds(out, "X'");
        for (uint32_t i = 0; i < lit->bytes; i++)
            buf_addf(out, "%02X", (unsigned char)lit->text[i]);
        buf_addc(out, '\'');
        break;
    case AST_LIT_DATE: buf_addf(out, "DATE '%s'", lit->text); break;
    case AST_LIT_TIMESTAMP: buf_addf(out, "TIMESTAMP '%s'", lit->text); break;
    case AST_LIT_TIMESTAMP_NTZ: buf_addf(out, "TIMESTAMP_NTZ '%s'", lit->text); break;
    case AST_LIT_INTERVAL_YM:
    case AST_LIT_INTERVAL_DT: {
        static const char *const fields[2][4] = {{"YEAR", "MONTH"}, {"DAY", "HOUR", "MINUTE", "SECOND"}};
        bool dt = lit->kind == AST_LIT_INTERVAL_DT;
        buf_addf(out, "INTERVAL %lld%s %s", (long long)lit->i, dt ? "us" : "m", fields[dt][lit->from]);
        if (lit->to != lit->from)
            buf_addf(out, " TO %s", fields[dt][lit->to]);
        break;
    }
    }
}

static void print_sorts(const struct ast_sort *sorts, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_adds(out, i ? ", " : "");
        ast_print_expr(sorts[i].expr, out);
        buf_adds(out, sorts[i].descending ? " DESC" : "");
        buf_adds(out, sorts[i].nulls == AST_NULLS_FIRST ? " NULLS FIRST" : sorts[i].nulls == AST_NULLS_LAST ? " NULLS LAST" : "");
    }
}

static void print_exprs(struct ast_expr *const *items, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_adds(out, i ? ", " : "");
        ast_print_expr(items[i], out);
    }
}

static void print_bound(enum ast_bound_kind kind, const struct ast_expr *e, struct buf *out)
{
    static const char *const names[] = {"UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING"};
    if (e) {
        ast_print_expr(e, out);
        buf_addc(out, ' ');
    }
    buf_adds(out, names[kind]);
}

static void print_window(const struct ast_window *w, struct buf *out)
{
    const char *gap = "";
    buf_addc(out, '{');
    if (w->name) {
        buf_adds(out, w->name);
        gap = " ";
    }
    if (w->partition_count) {
        buf_addf(out, "%spartition ", gap);
        print_exprs(w->partitions, w->partition_count, out);
        gap = " ";
    }
    if (w->sort_count) {
        buf_addf(out, "%sorder ", gap);
        print_sorts(w->sorts, w->sort_count, out);
        gap = " ";
    }
    if (w->unit) {
        buf_addf(out, "%s%s ", gap, w->unit == AST_FRAME_ROWS ? "rows" : "range");
        print_bound(w->low, w->low_expr, out);
        buf_adds(out, " to ");
        print_bound(w->high, w->high_expr, out);
    }
    buf_addc(out, '}');
}

/* The query on one line, in brackets: deep indentation helps nobody inside an expression. */
static void print_query_inline(const struct ast_rel *query, struct buf *out)
{
    struct buf b = BUF_INIT;
    ast_print_rel(query, 0, &b);
    buf_addc(out, '[');
    for (size_t i = 0; i + 1 < b.bytes; i++) { /* the last newline apart */
        if (b.data[i] != '\n') {
            buf_addc(out, b.data[i]);
            continue;
        }
        buf_adds(out, "; ");
        while (b.data[i + 1] == ' ')
            i++;
    }
    buf_addc(out, ']');
    buf_fini(&b);
}

static void print_args(const struct ast_expr *e, struct buf *out)
{
    for (uint32_t i = 0; i < e->arg_count; i++) {
        buf_addc(out, ' ');
        ast_print_expr(e->args[i], out);
    }
}

static void print_call(const struct ast_expr *e, struct buf *out)
{
    buf_adds(out, "(call ");
    ast_print_name(&e->name, out);
    buf_adds(out, e->distinct ? " DISTINCT" : "");
    print_args(e, out);
    buf_adds(out, e->nulls == AST_NULLS_IGNORE ? " IGNORE NULLS" : e->nulls == AST_NULLS_RESPECT ? " RESPECT NULLS" : "");
    if (e->within_count) {
        buf_adds(out, " WITHIN ");
        print_sorts(e->within, e->within_count, out);
    }
    if (e->filter) {
        buf_adds(out, " FILTER ");
        ast_print_expr(e->filter, out);
    }
    if (e->over) {
        buf_adds(out, " OVER ");
        print_window(e->over, out);
    }
    buf_addc(out, ')');
}

void ast_print_expr(const struct ast_expr *e, struct buf *out)
{
    switch (e->kind) {
    case AST_LITERAL: print_literal(&e->lit, out); return;
    case AST_COLUMN: ast_print_name(&e->name, out); return;
    case AST_DEFAULT: buf_adds(out, "DEFAULT"); return;
    case AST_PARAM:
        if (e->name.count)
            buf_addf(out, ":%s", e->name.parts[0].text);
        else
            buf_addf(out, "?%lld", (long long)e->lit.i);
        return;
    case AST_STAR:
        ast_print_name(&e->name, out);
        buf_adds(out, e->name.count ? ".*" : "*");
        for (uint32_t i = 0; i < e->except_count; i++) {
            buf_adds(out, i ? "," : "-(");
            ast_print_name(&e->excepts[i], out);
        }
        buf_adds(out, e->except_count ? ")" : "");
        return;
    case AST_CALL: print_call(e, out); return;
    case AST_OP: buf_addf(out, "(%s", e->op); break;
    case AST_CAST: buf_addf(out, "(%s %s", e->try_cast ? "try_cast" : "cast", e->type->text); break;
    case AST_CASE: buf_adds(out, "(case"); break;
    case AST_ALIAS:
        buf_adds(out, "(as ");
        if (e->alias_count)
            print_parts(e->aliases, e->alias_count, out);
        else
            ast_print_name(&e->name, out);
        break;
    case AST_ROW: buf_adds(out, "(row"); break;
    case AST_SUBSCRIPT: buf_adds(out, "(at"); break;
    case AST_FIELD:
        buf_adds(out, "(field ");
        ast_print_name(&e->name, out);
        break;
    case AST_LAMBDA:
        buf_adds(out, "(lambda ");
        print_parts(e->aliases, e->alias_count, out);
        break;
    case AST_NAMED_ARG:
        buf_adds(out, "(named ");
        ast_print_name(&e->name, out);
        break;
    case AST_SUBQUERY: {
        static const char *const modes[] = {"scalar", "exists", "in"};
        buf_addf(out, "(%s", modes[e->subquery_mode]);
        break;
    }
    }
    print_args(e, out);
    if (e->query) {
        buf_addc(out, ' ');
        print_query_inline(e->query, out);
    }
    buf_addc(out, ')');
}

/* ---- relations ---- */

static void print_options(const char *what, const struct ast_option *items, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++)
        buf_addf(out, "%s%s=%s", i ? ", " : what, items[i].key, items[i].value ? items[i].value : "NULL");
    buf_adds(out, count ? ")" : "");
}

static void print_select(const struct ast_rel *rel, struct buf *out)
{
    buf_addf(out, "select %s", rel->distinct ? "distinct " : "");
    for (uint32_t i = 0; i < rel->hint_count; i++) {
        buf_addf(out, "/*+ %s(", rel->hints[i].name);
        print_exprs(rel->hints[i].args, rel->hints[i].arg_count, out);
        buf_adds(out, ") */ ");
    }
    print_exprs(rel->exprs, rel->expr_count, out);
    struct {
        const char *name;
        const struct ast_expr *e;
    } parts[] = {{" where ", rel->where}, {NULL, NULL}, {" having ", rel->having}, {" qualify ", rel->qualify}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].e) {
            buf_adds(out, parts[i].name);
            ast_print_expr(parts[i].e, out);
        } else if (i == 1 && rel->group_by_all) {
            buf_adds(out, " group all");
        } else if (i == 1 && (rel->group_count || rel->set_count)) {
            buf_adds(out, " group ");
            print_exprs(rel->group_exprs, rel->group_count, out);
            for (uint32_t s = 0; s < rel->set_count; s++) {
                buf_adds(out, s ? "," : " sets ");
                buf_addc(out, '(');
                for (uint32_t j = 0; j < rel->sets[s].count; j++)
                    buf_addf(out, "%s%u", j ? " " : "", rel->sets[s].exprs[j]);
                buf_addc(out, ')');
            }
        }
    }
    for (uint32_t i = 0; i < rel->window_count; i++) {
        buf_addf(out, " window %s ", rel->windows[i].name);
        print_window(rel->windows[i].window, out);
    }
}

static void print_query(const struct ast_rel *rel, int indent, struct buf *out)
{
    static const char *const scopes[] = {"order ", "sort ", "cluster "};
    buf_adds(out, "query");
    if (rel->distribute_count) {
        buf_adds(out, " distribute ");
        print_exprs(rel->distribute, rel->distribute_count, out);
    }
    if (rel->sort_count) {
        buf_addf(out, " %s", scopes[rel->sort_scope]);
        print_sorts(rel->sorts, rel->sort_count, out);
    }
    if (rel->limit) {
        buf_adds(out, " limit ");
        ast_print_expr(rel->limit, out);
    }
    if (rel->offset) {
        buf_adds(out, " offset ");
        ast_print_expr(rel->offset, out);
    }
    for (uint32_t i = 0; i < rel->cte_count; i++) {
        buf_addf(out, "\n%*swith%s %s", indent * 2 + 2, "", rel->recursive ? " recursive" : "", rel->ctes[i].name.text);
        if (rel->ctes[i].column_count)
            print_parts(rel->ctes[i].columns, rel->ctes[i].column_count, out);
        buf_addc(out, '\n');
        ast_print_rel(rel->ctes[i].query, indent + 2, out);
        out->data[--out->bytes] = 0; /* its newline: ours follows */
    }
}

void ast_print_rel(const struct ast_rel *rel, int indent, struct buf *out)
{
    static const char *const joins[] = {"inner", "cross", "left", "right", "full", "semi", "anti"};
    static const char *const setops[] = {"union", "intersect", "except"};
    buf_addf(out, "%*s", indent * 2, "");
    switch (rel->kind) {
    case AST_TABLE:
        buf_adds(out, "table ");
        ast_print_name(&rel->name, out);
        print_options(" with(", rel->options, rel->option_count, out);
        break;
    case AST_VALUES:
        buf_adds(out, "values");
        for (uint32_t i = 0; i < rel->row_count; i++) {
            buf_adds(out, i ? ", (" : " (");
            print_exprs(rel->rows + (size_t)i * rel->row_width, rel->row_width, out);
            buf_addc(out, ')');
        }
        break;
    case AST_TABLE_FN:
        buf_adds(out, "function ");
        ast_print_name(&rel->name, out);
        buf_addc(out, '(');
        print_exprs(rel->exprs, rel->expr_count, out);
        buf_addc(out, ')');
        break;
    case AST_JOIN:
        buf_addf(out, "join %s%s%s", rel->natural ? "natural " : "", rel->lateral ? "lateral " : "", joins[rel->join]);
        if (rel->on) {
            buf_adds(out, " on ");
            ast_print_expr(rel->on, out);
        }
        if (rel->column_count) {
            buf_adds(out, " using ");
            print_parts(rel->columns, rel->column_count, out);
        }
        break;
    case AST_REL_ALIAS:
        buf_adds(out, "alias ");
        if (rel->alias.text)
            print_part(&rel->alias, out);
        else
            buf_adds(out, "-");
        if (rel->column_count)
            print_parts(rel->columns, rel->column_count, out);
        break;
    case AST_SELECT: print_select(rel, out); break;
    case AST_SETOP: buf_addf(out, "%s%s", setops[rel->setop], rel->all ? " all" : ""); break;
    case AST_QUERY: print_query(rel, indent, out); break;
    case AST_SAMPLE:
        if (rel->sample == AST_SAMPLE_BUCKET) {
            buf_addf(out, "sample bucket %lld of %lld", (long long)rel->sample_bucket, (long long)rel->sample_buckets);
        } else {
            buf_adds(out, "sample ");
            ast_print_expr(rel->sample_value, out);
            buf_adds(out, rel->sample == AST_SAMPLE_ROWS ? " rows" : " percent");
        }
        if (rel->sample_seeded)
            buf_addf(out, " seed %lld", (long long)rel->sample_seed);
        break;
    case AST_LATERAL_VIEW:
        buf_addf(out, "lateral view %s", rel->outer ? "outer " : "");
        ast_print_name(&rel->name, out);
        buf_addc(out, '(');
        print_exprs(rel->exprs, rel->expr_count, out);
        buf_addf(out, ") %s", rel->alias.text ? rel->alias.text : "-");
        print_parts(rel->columns, rel->column_count, out);
        break;
    case AST_PIVOT:
        buf_adds(out, "pivot ");
        print_exprs(rel->exprs, rel->expr_count, out);
        buf_adds(out, " for ");
        print_exprs(rel->pivot_columns, rel->pivot_column_count, out);
        buf_adds(out, " in ");
        print_exprs(rel->pivot_values, rel->pivot_value_count, out);
        break;
    }
    buf_addc(out, '\n');
    for (uint32_t i = 0; i < rel->input_count; i++)
        ast_print_rel(rel->inputs[i], indent + 1, out);
}

/* ---- statements ---- */

static const char *const statement_names[] = {
    [AST_STMT_QUERY] = "query",
    [AST_STMT_CREATE_VIEW] = "create view",
    [AST_STMT_CREATE_TABLE] = "create table",
    [AST_STMT_DROP_TABLE] = "drop table",
    [AST_STMT_DROP_VIEW] = "drop view",
    [AST_STMT_INSERT] = "insert",
    [AST_STMT_INSERT_DIR] = "insert directory",
    [AST_STMT_DESCRIBE] = "describe",
    [AST_STMT_DESCRIBE_QUERY] = "describe query",
    [AST_STMT_DESCRIBE_FUNCTION] = "describe function",
    [AST_STMT_DESCRIBE_DATABASE] = "describe database",
    [AST_STMT_SHOW_TABLES] = "show tables",
    [AST_STMT_SHOW_VIEWS] = "show views",
    [AST_STMT_SHOW_COLUMNS] = "show columns",
    [AST_STMT_SHOW_FUNCTIONS] = "show functions",
    [AST_STMT_SHOW_DATABASES] = "show databases",
    [AST_STMT_SHOW_CREATE_TABLE] = "show create table",
    [AST_STMT_SHOW_PARTITIONS] = "show partitions",
    [AST_STMT_SHOW_TBLPROPERTIES] = "show tblproperties",
    [AST_STMT_SHOW_CURRENT] = "show current",
    [AST_STMT_SHOW_CATALOGS] = "show catalogs",
    [AST_STMT_SET] = "set",
    [AST_STMT_RESET] = "reset",
    [AST_STMT_SET_TIME_ZONE] = "set time zone",
    [AST_STMT_USE] = "use",
    [AST_STMT_CREATE_DATABASE] = "create database",
    [AST_STMT_DROP_DATABASE] = "drop database",
    [AST_STMT_CACHE] = "cache",
    [AST_STMT_UNCACHE] = "uncache",
    [AST_STMT_CLEAR_CACHE] = "clear cache",
    [AST_STMT_REFRESH] = "refresh",
    [AST_STMT_ANALYZE] = "analyze",
    [AST_STMT_EXPLAIN] = "explain",
    [AST_STMT_ADD_RESOURCE] = "add",
};

static void print_defs(const char *what, const struct ast_column_def *defs, uint32_t count, struct buf *out)
{
    if (!count)
        return;
    buf_adds(out, what);
    for (uint32_t i = 0; i < count; i++) {
        buf_adds(out, i ? ", " : "");
        print_part(&defs[i].name, out);
        if (defs[i].type)
            buf_addf(out, " %s", defs[i].type->text);
        buf_adds(out, defs[i].not_null ? " not null" : "");
        if (defs[i].default_expr) {
            buf_adds(out, " default ");
            ast_print_expr(defs[i].default_expr, out);
        }
        if (defs[i].comment)
            buf_addf(out, " comment '%s'", defs[i].comment);
    }
    buf_addc(out, ')');
}

void ast_print(const struct ast_statement *st, struct buf *out)
{
    static const char *const modes[] = {"simple", "extended", "formatted", "cost", "codegen"};
    const struct {
        bool on;
        const char *name;
    } flags[] = {{st->or_replace, "or_replace"}, {st->if_not_exists, "if_not_exists"}, {st->if_exists, "if_exists"},
                 {st->temporary, "temporary"},   {st->global, "global"},               {st->overwrite, "overwrite"},
                 {st->local, "local"},           {st->by_name, "by_name"},             {st->extended, "extended"},
                 {st->verbose, "verbose"},       {st->lazy, "lazy"},                   {st->cascade, "cascade"}};
    const struct {
        const char *value, *name;
    } texts[] = {{st->format, "using"},     {st->location, "location"}, {st->comment, "comment"}, {st->pattern, "like"},
                 {st->scope, "scope"},      {st->key, "key"},           {st->value, "value"}};
    buf_adds(out, statement_names[st->kind]);
    if (st->kind == AST_STMT_EXPLAIN)
        buf_addf(out, " %s", modes[st->explain]);
    if (st->name.count) {
        buf_addc(out, ' ');
        ast_print_name(&st->name, out);
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].on)
            buf_addf(out, " %s", flags[i].name);
    }
    print_defs(" (", st->columns, st->column_count, out);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].value)
            buf_addf(out, " %s=%s", texts[i].name, texts[i].value);
    }
    print_options(" options(", st->options, st->option_count, out);
    print_options(" properties(", st->properties, st->property_count, out);
    for (uint32_t i = 0; i < st->partition_count; i++) {
        buf_adds(out, i ? ", " : " partition(");
        print_part(&st->partitions[i].name, out);
        if (st->partitions[i].value) {
            buf_addc(out, '=');
            ast_print_expr(st->partitions[i].value, out);
        }
    }
    buf_adds(out, st->partition_count ? ")" : "");
    print_defs(" partition_defs(", st->partition_defs, st->partition_def_count, out);
    if (st->insert_column_count) {
        buf_adds(out, " columns ");
        print_parts(st->insert_columns, st->insert_column_count, out);
    }
    buf_addc(out, '\n');
    if (st->query)
        ast_print_rel(st->query, 1, out);
    if (st->inner)
        ast_print(st->inner, out);
}
