/*
 * Statements by their first word, and the entry points of parser.h. Whatever is no other statement is a query.
 */
#include "driver/sql/parser_impl.h"

#include <ctype.h>
#include <stdio.h>

static struct ast_statement *new_statement(struct ps *ps, enum ast_statement_kind kind)
{
    struct ast_statement *st = ARENA_NEW(ps->ar, struct ast_statement);
    st->kind = kind;
    st->span.start = p_start(ps);
    return st;
}

static bool at_end(const struct ps *ps)
{
    return p_is(ps, T_END) || p_is(ps, T_SEMICOLON);
}

/* IF NOT EXISTS / IF EXISTS */
static bool take_if_not_exists(struct ps *ps)
{
    if (!p_is_kw(ps, KW_IF) || !p_peek_kw(ps, 1, KW_NOT) || !p_peek_kw(ps, 2, KW_EXISTS))
        return false;
    ps->at += 3;
    return true;
}

static bool take_if_exists(struct ps *ps)
{
    return p_take_kw2(ps, KW_IF, KW_EXISTS);
}

static bool is_database_word(const struct ps *ps, uint32_t n)
{
    return p_peek_kw(ps, n, KW_DATABASE) || p_peek_kw(ps, n, KW_SCHEMA) || p_peek_kw(ps, n, KW_NAMESPACE);
}

int p_column_defs(struct ps *ps, struct ast_column_def **ret, uint32_t *ret_count, bool types)
{
    struct ast_column_def *items = NULL;
    uint32_t count = 0, cap = 0;
    do {
        struct ast_column_def def = {0};
        TRY(p_identifier(ps, &def.name, "a column name"));
        p_take(ps, T_COLON);
        bool typed = types && !p_is(ps, T_COMMA) && !p_is(ps, T_RPAREN) && !p_is_kw(ps, KW_COMMENT);
        if (typed)
            TRY(p_type(ps, &def.type, &def.type_span));
        for (;;) {
            if (p_take_kw2(ps, KW_NOT, KW_NULL)) {
                def.not_null = true;
            } else if (p_is_kw(ps, KW_NULL)) {
                ps->at++;
            } else if (p_take_kw(ps, KW_COMMENT)) {
                TRY(p_cstring(ps, &def.comment, "a comment in quotes"));
            } else if (types && p_is_kw(ps, KW_DEFAULT)) {
                ps->at++;
                TRY(p_expr(ps, &def.default_expr));
            } else {
                break;
            }
        }
        ARENA_PUSH(ps->ar, items, count, cap, def);
    } while (p_take(ps, T_COMMA));
    *ret = items;
    *ret_count = count;
    return 0;
}

static int p_format(struct ps *ps, struct ast_statement *st)
{
    struct ast_name name;
    TRY(p_name(ps, &name, "a format: csv, json, parquet, text"));
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < name.count; i++)
        buf_addf(&b, "%s%s", i ? "." : "", name.parts[i].text);
    st->format = arena_strdup(ps->ar, b.data);
    st->format_span = name.span;
    buf_fini(&b);
    return 0;
}

static int p_location(struct ps *ps, struct ast_statement *st)
{
    uint32_t start = p_start(ps);
    TRY(p_cstring(ps, &st->location, "a path in quotes"));
    st->location_span = p_span(ps, start);
    return 0;
}

/* PARTITIONED BY (a, b) or (p INT, ...). */
static int p_partitioned_by(struct ps *ps, struct ast_statement *st)
{
    uint32_t cap = 0, count;
    struct ast_column_def *defs;
    TRY(p_need(ps, T_LPAREN, NULL));
    TRY(p_column_defs(ps, &defs, &count, true));
    TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    for (uint32_t i = 0; i < count; i++) {
        struct ast_partition part = {.name = defs[i].name};
        ARENA_PUSH(ps->ar, st->partitions, st->partition_count, cap, part);
    }
    if (defs[0].type) {
        st->partition_defs = defs;
        st->partition_def_count = count;
    }
    return 0;
}

/* The clauses of CREATE TABLE and CREATE VIEW, in any order. */
static int p_create_clauses(struct ps *ps, struct ast_statement *st)
{
    for (;;) {
        if (p_take_kw(ps, KW_USING)) {
            TRY(p_format(ps, st));
        } else if (p_is_kw(ps, KW_OPTIONS)) {
            ps->at++;
            TRY(p_options(ps, &st->options, &st->option_count));
        } else if (p_take_kw(ps, KW_TBLPROPERTIES)) {
            TRY(p_options(ps, &st->properties, &st->property_count));
        } else if (p_is_kw(ps, KW_WITH) && (p_peek_kw(ps, 1, KW_DBPROPERTIES) || p_word_is(ps, 1, "PROPERTIES"))) {
            ps->at += 2;
            TRY(p_options(ps, &st->properties, &st->property_count));
        } else if (p_take_kw2(ps, KW_PARTITIONED, KW_BY)) {
            TRY(p_partitioned_by(ps, st));
        } else if (p_take_kw(ps, KW_LOCATION)) {
            TRY(p_location(ps, st));
        } else if (p_take_kw(ps, KW_COMMENT)) {
            TRY(p_cstring(ps, &st->comment, "a comment in quotes"));
        } else {
            return 0;
        }
    }
}

static int p_create_table(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_CREATE_TABLE;
    st->if_not_exists = take_if_not_exists(ps);
    TRY(p_name(ps, &st->name, "the name of the table"));
    if (p_is(ps, T_LPAREN) && !p_is_query(ps, 1)) {
        ps->at++;
        TRY(p_column_defs(ps, &st->columns, &st->column_count, true));
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    }
    TRY(p_create_clauses(ps, st));
    if (p_take_kw(ps, KW_AS) || p_is_query(ps, 0))
        return p_query(ps, &st->query);
    if (!at_end(ps))
        return p_fail(ps, "USING, OPTIONS, PARTITIONED BY, LOCATION, COMMENT, TBLPROPERTIES, AS or the end of the statement");
    return 0;
}

static int p_create_view(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_CREATE_VIEW;
    st->if_not_exists = take_if_not_exists(ps);
    TRY(p_name(ps, &st->name, "the name of the view"));
    if (p_take(ps, T_LPAREN)) {
        TRY(p_column_defs(ps, &st->columns, &st->column_count, true));
        TRY(p_need(ps, T_RPAREN, "',' or ')'"));
    }
    TRY(p_create_clauses(ps, st));
    if (st->format && !st->temporary)
        return p_fail_at(ps, st->format_span, "only a temporary view can be made USING a format; write CREATE TEMPORARY VIEW");
    if (st->format)
        return 0;
    if (!p_take_kw(ps, KW_AS))
        return p_fail(ps, st->temporary ? "AS and a query, or USING and a format" : "AS and a query");
    return p_query(ps, &st->query);
}

static int p_create(struct ps *ps, struct ast_statement *st)
{
    ps->at++;
    st->or_replace = p_take_kw2(ps, KW_OR, KW_REPLACE);
    if (is_database_word(ps, 0)) {
        st->kind = AST_STMT_CREATE_DATABASE;
        ps->at++;
        st->if_not_exists = take_if_not_exists(ps);
        TRY(p_name(ps, &st->name, "the name of the database"));
        return p_create_clauses(ps, st);
    }
    st->global = p_take_kw(ps, KW_GLOBAL);
    st->temporary = p_take_kw(ps, KW_TEMPORARY) || p_take_kw(ps, KW_TEMP);
    if (p_take_kw(ps, KW_VIEW))
        return p_create_view(ps, st);
    if (!st->global && (p_take_kw(ps, KW_TABLE) || p_take_kw2(ps, KW_EXTERNAL, KW_TABLE)))
        return p_create_table(ps, st);
    return p_fail(ps, "%s", st->temporary ? "VIEW" : "TABLE, VIEW, TEMPORARY VIEW or DATABASE");
}

static int p_drop(struct ps *ps, struct ast_statement *st)
{
    ps->at++;
    bool temporary = p_take_kw(ps, KW_TEMPORARY) || p_take_kw(ps, KW_TEMP);
    if (is_database_word(ps, 0) && !temporary)
        st->kind = AST_STMT_DROP_DATABASE;
    else if (p_is_kw(ps, KW_TABLE))
        st->kind = AST_STMT_DROP_TABLE;
    else if (p_is_kw(ps, KW_VIEW))
        st->kind = AST_STMT_DROP_VIEW;
    else
        return p_fail(ps, "TABLE, VIEW or DATABASE");
    ps->at++;
    st->if_exists = take_if_exists(ps);
    TRY(p_name(ps, &st->name, "a name"));
    if (st->kind == AST_STMT_DROP_DATABASE)
        st->cascade = p_take_kw(ps, KW_CASCADE);
    if (p_is_kw(ps, KW_RESTRICT) || p_is_kw(ps, KW_PURGE))
        ps->at++;
    return 0;
}

static int p_partition_spec(struct ps *ps, struct ast_statement *st)
{
    uint32_t cap = 0;
    TRY(p_need(ps, T_LPAREN, NULL));
    do {
        struct ast_partition part = {0};
        TRY(p_identifier(ps, &part.name, "a partition column"));
        if (p_take(ps, T_EQ))
            TRY(p_value(ps, &part.value));
        ARENA_PUSH(ps->ar, st->partitions, st->partition_count, cap, part);
    } while (p_take(ps, T_COMMA));
    return p_need(ps, T_RPAREN, "',' or ')'");
}

static int p_insert(struct ps *ps, struct ast_statement *st)
{
    ps->at++;
    st->overwrite = p_is_kw(ps, KW_OVERWRITE);
    if (!p_is_kw(ps, KW_INTO) && !st->overwrite)
        return p_fail(ps, "INTO or OVERWRITE");
    ps->at++;
    bool local = st->overwrite && p_is_kw(ps, KW_LOCAL) && p_peek_kw(ps, 1, KW_DIRECTORY);
    if (st->overwrite && (local || (p_is_kw(ps, KW_DIRECTORY) && (p_peek(ps, 1)->kind == T_STRING || p_peek_kw(ps, 1, KW_USING))))) {
        st->kind = AST_STMT_INSERT_DIR;
        st->local = local;
        ps->at += 1 + local;
        if (p_is(ps, T_STRING))
            TRY(p_location(ps, st));
        if (!p_is_kw(ps, KW_USING))
            return p_fail(ps, "USING and a format");
        ps->at++;
        TRY(p_format(ps, st));
        if (p_take_kw(ps, KW_OPTIONS))
            TRY(p_options(ps, &st->options, &st->option_count));
        return p_query(ps, &st->query);
    }
    st->kind = AST_STMT_INSERT;
    if (p_is_kw(ps, KW_TABLE) && p_is_name(p_peek(ps, 1)))
        ps->at++;
    TRY(p_name(ps, &st->name, "the name of a table"));
    if (p_is_kw(ps, KW_PARTITION) && p_peek(ps, 1)->kind == T_LPAREN) {
        ps->at++;
        TRY(p_partition_spec(ps, st));
    }
    st->if_not_exists = take_if_not_exists(ps);
    if (p_is_kw(ps, KW_BY) && p_word_is(ps, 1, "NAME")) {
        ps->at += 2;
        st->by_name = true;
    } else if (p_is(ps, T_LPAREN) && !p_is_query(ps, 1)) {
        TRY(p_identifier_list(ps, &st->insert_columns, &st->insert_column_count));
    }
    return p_query(ps, &st->query);
}

static int p_describe(struct ps *ps, struct ast_statement *st)
{
    ps->at++;
    if (p_is_kw(ps, KW_FUNCTION) && p_is_name(p_peek(ps, 1))) {
        st->kind = AST_STMT_DESCRIBE_FUNCTION;
        ps->at++;
        st->extended = p_is_kw(ps, KW_EXTENDED) && p_is_name(p_peek(ps, 1)) && p_take_kw(ps, KW_EXTENDED);
        return p_name(ps, &st->name, "a function");
    }
    if (is_database_word(ps, 0) && p_is_name(p_peek(ps, 1))) {
        st->kind = AST_STMT_DESCRIBE_DATABASE;
        ps->at++;
        st->extended = p_is_kw(ps, KW_EXTENDED) && p_is_name(p_peek(ps, 1)) && p_take_kw(ps, KW_EXTENDED);
        return p_name(ps, &st->name, "a database");
    }
    bool word = p_is_kw(ps, KW_QUERY) && !at_end(ps) && (p_is_name(p_peek(ps, 1)) || p_peek(ps, 1)->kind == T_LPAREN);
    if (word || (!p_is_kw(ps, KW_TABLE) && p_is_query(ps, 0))) {
        st->kind = AST_STMT_DESCRIBE_QUERY;
        ps->at += word;
        return p_query(ps, &st->query);
    }
    st->kind = AST_STMT_DESCRIBE;
    if (p_is_kw(ps, KW_TABLE) && p_is_name(p_peek(ps, 1)))
        ps->at++;
    st->extended = (p_is_kw(ps, KW_EXTENDED) || p_is_kw(ps, KW_FORMATTED)) && p_is_name(p_peek(ps, 1));
    ps->at += st->extended;
    TRY(p_name(ps, &st->name, "a table, a view or a query"));
    if (p_is_name(p_tok(ps))) {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "a column"));
        st->insert_columns = arena_dup(ps->ar, &part, sizeof part);
        st->insert_column_count = 1;
    }
    return 0;
}

/* [IN|FROM db] [[LIKE] 'pattern'] */
static int p_show_tail(struct ps *ps, struct ast_statement *st)
{
    if (p_take_kw(ps, KW_FROM) || p_take_kw(ps, KW_IN))
        TRY(p_name(ps, &st->name, "a database"));
    if (p_take_kw(ps, KW_LIKE) || p_is(ps, T_STRING))
        TRY(p_cstring(ps, &st->pattern, "a pattern in quotes"));
    return 0;
}

static int p_show(struct ps *ps, struct ast_statement *st)
{
    ps->at++;
    enum keyword kw = (enum keyword)p_tok(ps)->kw;
    switch (kw) {
    case KW_TABLES:
    case KW_VIEWS:
        st->kind = kw == KW_TABLES ? AST_STMT_SHOW_TABLES : AST_STMT_SHOW_VIEWS;
        ps->at++;
        return p_show_tail(ps, st);
    case KW_TABLE:
        if (!p_peek_kw(ps, 1, KW_EXTENDED))
            break;
        st->kind = AST_STMT_SHOW_TABLES;
        st->extended = true;
        ps->at += 2;
        return p_show_tail(ps, st);
    case KW_COLUMNS: {
        st->kind = AST_STMT_SHOW_COLUMNS;
        ps->at++;
        if (!p_is_kw(ps, KW_FROM) && !p_is_kw(ps, KW_IN))
            return p_fail(ps, "FROM or IN and a table");
        ps->at++;
        TRY(p_name(ps, &st->name, "a table"));
        if (p_take_kw(ps, KW_FROM) || p_take_kw(ps, KW_IN)) {
            struct ast_name db;
            TRY(p_name(ps, &db, "a database"));
            struct ast_part *parts = ARENA_ARRAY(ps->ar, struct ast_part, db.count + 1);
            memcpy(parts, db.parts, db.count * sizeof *parts);
            parts[db.count] = st->name.parts[st->name.count - 1];
            st->name = (struct ast_name){db.count + 1, parts, st->name.span};
        }
        return 0;
    }
    case KW_DATABASES:
    case KW_SCHEMAS:
    case KW_NAMESPACES:
        st->kind = AST_STMT_SHOW_DATABASES;
        ps->at++;
        return p_show_tail(ps, st);
    case KW_CATALOGS:
        st->kind = AST_STMT_SHOW_CATALOGS;
        ps->at++;
        return p_show_tail(ps, st);
    case KW_CURRENT:
        if (!is_database_word(ps, 1))
            break;
        st->kind = AST_STMT_SHOW_CURRENT;
        ps->at += 2;
        return 0;
    case KW_CREATE:
        if (!p_peek_kw(ps, 1, KW_TABLE))
            break;
        st->kind = AST_STMT_SHOW_CREATE_TABLE;
        ps->at += 2;
        TRY(p_name(ps, &st->name, "a table"));
        p_take_kw2(ps, KW_AS, KW_SERDE);
        return 0;
    case KW_PARTITIONS:
        st->kind = AST_STMT_SHOW_PARTITIONS;
        ps->at++;
        TRY(p_name(ps, &st->name, "a table"));
        return p_take_kw(ps, KW_PARTITION) ? p_partition_spec(ps, st) : 0;
    case KW_TBLPROPERTIES:
        st->kind = AST_STMT_SHOW_TBLPROPERTIES;
        ps->at++;
        TRY(p_name(ps, &st->name, "a table"));
        if (p_take(ps, T_LPAREN)) {
            TRY(p_cstring(ps, &st->key, "the name of a property in quotes"));
            return p_need(ps, T_RPAREN, NULL);
        }
        return 0;
    default: break;
    }
    if (p_peek_kw(ps, 1, KW_FUNCTIONS) && (p_word_is(ps, 0, "USER") || p_word_is(ps, 0, "SYSTEM") || p_word_is(ps, 0, "ALL"))) {
        st->scope = p_word_is(ps, 0, "USER") ? "user" : p_word_is(ps, 0, "SYSTEM") ? "system" : "all";
        ps->at++;
    }
    if (p_is_kw(ps, KW_FUNCTIONS)) {
        st->kind = AST_STMT_SHOW_FUNCTIONS;
        ps->at++;
        TRY(p_show_tail(ps, st));
        if (p_is_name(p_tok(ps)) && !st->pattern) { /* SHOW FUNCTIONS concat */
            struct ast_name name;
            TRY(p_name(ps, &name, "a function"));
            st->pattern = name.parts[name.count - 1].text;
        }
        return 0;
    }
    return p_fail(ps, "TABLES, VIEWS, COLUMNS, FUNCTIONS, DATABASES, PARTITIONS, CREATE TABLE or TBLPROPERTIES");
}

/* The raw text from the current token up to the end of the statement, blanks at its ends dropped. */
static const char *rest_of_text(struct ps *ps)
{
    uint32_t start = p_start(ps), stop = start;
    while (!at_end(ps))
        stop = ps->toks[ps->at++].stop;
    return arena_strndup(ps->ar, ps->sql + start, stop - start);
}

/* A setting's name: words, dots, dashes and numbers as they stand, or one `quoted` name. */
static int p_key(struct ps *ps, struct ast_statement *st)
{
    uint32_t start = p_start(ps), stop = start;
    if (p_is(ps, T_QUOTED)) {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "the name of a setting"));
        st->key = part.text;
        st->key_span = part.span;
        return 0;
    }
    while (p_is(ps, T_WORD) || p_is(ps, T_DOT) || p_is(ps, T_MINUS) || p_is(ps, T_NUMBER) || p_is(ps, T_COLON)) {
        if (stop != start && p_start(ps) != stop)
            break; /* a blank ends it */
        stop = p_tok(ps)->stop;
        ps->at++;
    }
    if (stop == start)
        return p_fail(ps, "the name of a setting");
    st->key = arena_strndup(ps->ar, ps->sql + start, stop - start);
    st->key_span = (struct span){start, stop};
    return 0;
}

static int p_time_zone(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_SET_TIME_ZONE;
    if (p_is(ps, T_STRING))
        return p_cstring(ps, &st->value, "a time zone");
    if (p_is_interval(ps)) {
        struct ast_expr *e;
        TRY(p_interval(ps, &e));
        int64_t s = e->lit.i / 1000000;
        if (e->lit.kind != AST_LIT_INTERVAL_DT || s < -18 * 3600 || s > 18 * 3600 || e->lit.i % 1000000)
            return p_fail_at(ps, e->span, "the offset of a time zone lies between -18 and +18 hours");
        int64_t a = s < 0 ? -s : s;
        st->value = arena_printf(ps->ar, "%c%02d:%02d", s < 0 ? '-' : '+', (int)(a / 3600), (int)(a / 60 % 60));
        if (a % 60)
            st->value = arena_printf(ps->ar, "%s:%02d", st->value, (int)(a % 60));
        return 0;
    }
    if (p_take_kw(ps, KW_LOCAL)) {
        st->value = "LOCAL";
        return 0;
    }
    return p_fail(ps, "LOCAL, a time zone in quotes, or an INTERVAL");
}

static int p_set(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_SET;
    ps->at++;
    if (at_end(ps))
        return 0;
    if (p_is(ps, T_MINUS) && p_word_is(ps, 1, "V") && p_peek(ps, 2)->kind != T_EQ) {
        ps->at += 2;
        st->verbose = true;
        return 0;
    }
    if (p_is_kw(ps, KW_TIME) && p_peek_kw(ps, 1, KW_ZONE)) {
        ps->at += 2;
        return p_time_zone(ps, st);
    }
    TRY(p_key(ps, st));
    if (!p_is(ps, T_EQ))
        return at_end(ps) ? 0 : p_fail(ps, "'=' and a value, or the end of the statement");
    ps->at++;
    if (p_is(ps, T_QUOTED) && (p_peek(ps, 1)->kind == T_END || p_peek(ps, 1)->kind == T_SEMICOLON)) {
        struct ast_part part;
        TRY(p_identifier(ps, &part, "a value"));
        st->value = part.text;
        return 0;
    }
    st->value = rest_of_text(ps);
    return 0;
}

static int p_reset(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_RESET;
    ps->at++;
    return at_end(ps) ? 0 : p_key(ps, st);
}

static int p_cache(struct ps *ps, struct ast_statement *st)
{
    bool un = p_is_kw(ps, KW_UNCACHE);
    st->kind = un ? AST_STMT_UNCACHE : AST_STMT_CACHE;
    ps->at++;
    st->lazy = !un && p_take_kw(ps, KW_LAZY);
    TRY(p_need_kw(ps, KW_TABLE));
    st->if_exists = un && take_if_exists(ps);
    TRY(p_name(ps, &st->name, "a table"));
    if (un)
        return 0;
    if (p_take_kw(ps, KW_OPTIONS))
        TRY(p_options(ps, &st->options, &st->option_count));
    if (p_take_kw(ps, KW_AS) || !at_end(ps))
        TRY(p_query(ps, &st->query));
    return 0;
}

static int p_explain(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_EXPLAIN;
    ps->at++;
    static const struct {
        uint16_t kw;
        enum ast_explain mode;
    } modes[] = {{KW_EXTENDED, AST_EXPLAIN_EXTENDED}, {KW_FORMATTED, AST_EXPLAIN_FORMATTED}, {KW_COST, AST_EXPLAIN_COST},
                 {KW_CODEGEN, AST_EXPLAIN_CODEGEN},   {KW_LOGICAL, AST_EXPLAIN_EXTENDED}};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (p_is_kw(ps, modes[i].kw)) {
            st->explain = modes[i].mode;
            ps->at++;
            break;
        }
    }
    TRY(p_enter(ps));
    TRY(p_statement(ps, &st->inner));
    p_leave(ps);
    return 0;
}

static int p_use(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_USE;
    ps->at++;
    if ((is_database_word(ps, 0) || p_is_kw(ps, KW_CATALOG)) && p_is_name(p_peek(ps, 1)))
        ps->at++;
    return p_name(ps, &st->name, "a database");
}

static int p_refresh(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_REFRESH;
    ps->at++;
    if (p_is_kw(ps, KW_TABLE) && p_is_name(p_peek(ps, 1))) {
        ps->at++;
        return p_name(ps, &st->name, "a table");
    }
    if (p_is(ps, T_STRING))
        return p_cstring(ps, &st->value, "a path");
    if (at_end(ps))
        return p_fail(ps, "TABLE and a name, or a path");
    st->value = rest_of_text(ps);
    return 0;
}

static int p_analyze(struct ps *ps, struct ast_statement *st)
{
    st->kind = AST_STMT_ANALYZE;
    ps->at += 2;
    TRY(p_name(ps, &st->name, "a table"));
    if (p_take_kw(ps, KW_PARTITION))
        TRY(p_partition_spec(ps, st));
    TRY(p_need_kw(ps, KW_COMPUTE));
    TRY(p_need_kw(ps, KW_STATISTICS));
    rest_of_text(ps); /* NOSCAN, FOR COLUMNS a, b, FOR ALL COLUMNS */
    return 0;
}

static int dispatch(struct ps *ps, struct ast_statement *st)
{
    const struct tok *next = p_peek(ps, 1);
    switch (p_tok(ps)->kw) {
    case KW_CREATE: return p_create(ps, st);
    case KW_DROP: return p_drop(ps, st);
    case KW_INSERT: return p_insert(ps, st);
    case KW_DESCRIBE:
    case KW_DESC: return p_describe(ps, st);
    case KW_SHOW: return p_show(ps, st);
    case KW_SET: return p_set(ps, st);
    case KW_RESET: return p_reset(ps, st);
    case KW_USE: return p_use(ps, st);
    case KW_CACHE:
    case KW_UNCACHE: return p_cache(ps, st);
    case KW_EXPLAIN: return p_explain(ps, st);
    case KW_REFRESH: return p_refresh(ps, st);
    case KW_CLEAR:
        if (next->kw != KW_CACHE)
            break;
        st->kind = AST_STMT_CLEAR_CACHE;
        ps->at += 2;
        return 0;
    case KW_ANALYZE:
        if (next->kw != KW_TABLE)
            break;
        return p_analyze(ps, st);
    case KW_ADD:
        if (next->kind != T_WORD)
            break;
        st->kind = AST_STMT_ADD_RESOURCE;
        ps->at++;
        char *key = arena_strdup(ps->ar, p_text(ps, next));
        for (char *c = key; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        st->key = key;
        ps->at++;
        st->value = rest_of_text(ps);
        return 0;
    default: break;
    }
    st->kind = AST_STMT_QUERY;
    switch (p_tok(ps)->kw) {
    case KW_SELECT:
    case KW_WITH:
    case KW_FROM:
    case KW_VALUES:
    case KW_TABLE: return p_query(ps, &st->query);
    default: break;
    }
    if (p_is(ps, T_LPAREN))
        return p_query(ps, &st->query);
    return p_fail(ps, "a statement (SELECT, WITH, VALUES, INSERT, CREATE, DROP, DESCRIBE, SHOW, SET, EXPLAIN, ...)");
}

int p_statement(struct ps *ps, struct ast_statement **ret)
{
    struct ast_statement *st = new_statement(ps, AST_STMT_QUERY);
    TRY(dispatch(ps, st));
    st->span = p_span(ps, st->span.start);
    *ret = st;
    return 0;
}

/* ---- entry points ---- */

static int start(struct ps *ps, struct arena *ar, const char *sql, struct error *err)
{
    *ps = (struct ps){.ar = ar, .sql = sql, .err = err};
    return lex(ps);
}

static int expect_end(struct ps *ps)
{
    return p_is(ps, T_END) ? 0 : p_fail(ps, "the end of the statement");
}

int sql_parse(struct arena *ar, const char *sql, struct ast_statement **ret, struct error *err)
{
    struct ps ps;
    TRY(start(&ps, ar, sql, err));
    if (p_is(&ps, T_END) || (p_is(&ps, T_SEMICOLON) && p_peek(&ps, 1)->kind == T_END))
        return error_set(err, ERR_PARSE_EMPTY, NULL);
    struct ast_statement *st;
    TRY(p_statement(&ps, &st));
    while (p_take(&ps, T_SEMICOLON)) {
    }
    TRY(expect_end(&ps));
    *ret = st;
    return 0;
}

int sql_parse_expr(struct arena *ar, const char *sql, struct ast_expr **ret, struct error *err)
{
    struct ps ps;
    struct ast_expr *e;
    TRY(start(&ps, ar, sql, err));
    if (p_is(&ps, T_END))
        return error_set(err, ERR_PARSE_EMPTY, NULL);
    TRY(p_named_expr(&ps, &e));
    TRY(expect_end(&ps));
    *ret = e;
    return 0;
}

int sql_parse_columns(struct arena *ar, const char *ddl, struct ast_column_def **ret, uint32_t *ret_count, struct error *err)
{
    struct ps ps;
    TRY(start(&ps, ar, ddl, err));
    if (p_is(&ps, T_END)) {
        *ret = NULL;
        *ret_count = 0;
        return 0;
    }
    TRY(p_column_defs(&ps, ret, ret_count, true));
    return expect_end(&ps);
}

int sql_parse_name(struct arena *ar, const char *text, struct ast_name *ret, struct error *err)
{
    struct ps ps;
    TRY(start(&ps, ar, text, err));
    TRY(p_name(&ps, ret, "a name"));
    return expect_end(&ps);
}
