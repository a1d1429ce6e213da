/* Interned logical types, their parser and their spellings; see type.h. */
#include "common/col/type.h"

#include <ctype.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>

static const struct {
    const char *text, *sql;
    enum phys phys;
} simple[TYPE_ID_COUNT] = {
    [TYPE_NULL] = {"void", "VOID", PHYS_BOOL},
    [TYPE_BOOLEAN] = {"boolean", "BOOLEAN", PHYS_BOOL},
    [TYPE_TINYINT] = {"tinyint", "TINYINT", PHYS_I8},
    [TYPE_SMALLINT] = {"smallint", "SMALLINT", PHYS_I16},
    [TYPE_INT] = {"int", "INT", PHYS_I32},
    [TYPE_BIGINT] = {"bigint", "BIGINT", PHYS_I64},
    [TYPE_FLOAT] = {"float", "FLOAT", PHYS_F32},
    [TYPE_DOUBLE] = {"double", "DOUBLE", PHYS_F64},
    [TYPE_DECIMAL] = {NULL, NULL, PHYS_I128},
    [TYPE_STRING] = {"string", "STRING", PHYS_STR},
    [TYPE_BINARY] = {"binary", "BINARY", PHYS_STR},
    [TYPE_DATE] = {"date", "DATE", PHYS_I32},
    [TYPE_TIMESTAMP] = {"timestamp", "TIMESTAMP", PHYS_I64},
    [TYPE_TIMESTAMP_NTZ] = {"timestamp_ntz", "TIMESTAMP_NTZ", PHYS_I64},
    [TYPE_INTERVAL_YM] = {NULL, NULL, PHYS_I32},
    [TYPE_INTERVAL_DT] = {NULL, NULL, PHYS_I64},
    [TYPE_ARRAY] = {NULL, NULL, PHYS_LIST},
    [TYPE_MAP] = {NULL, NULL, PHYS_LIST},
    [TYPE_STRUCT] = {NULL, NULL, PHYS_STRUCT},
};

/* ---- the intern table: by text plus nullability, which catalogStrings leave out ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct strmap interned;
static const struct type *by_id[TYPE_ID_COUNT];
static const struct type *decimals[DECIMAL_PRECISION_MAX + 1][DECIMAL_PRECISION_MAX + 1];

/* Builds a permanent copy of proto unless one with this key exists. Lock held. */
static const struct type *intern(const char *key, const char *text, const char *ddl, const struct type *proto)
{
    const struct type *t = strmap_get(&interned, key);
    if (t)
        return t;
    struct type *fresh = xmalloc(sizeof *fresh);
    *fresh = *proto;
    fresh->text = xstrdup(text);
    fresh->ddl = strcmp(text, ddl) == 0 ? fresh->text : xstrdup(ddl);
    uint32_t n = proto->child_count;
    if (n) {
        const struct type **children = xmalloc(n * sizeof *children);
        bool *nullable = xmalloc(n * sizeof *nullable);
        memcpy(children, proto->children, n * sizeof *children);
        memcpy(nullable, proto->child_nullable, n * sizeof *nullable);
        fresh->children = children;
        fresh->child_nullable = nullable;
        if (proto->names) {
            const char **names = xmalloc(n * sizeof *names);
            for (uint32_t i = 0; i < n; i++)
                names[i] = xstrdup(proto->names[i]);
            fresh->names = names;
        }
    }
    strmap_put(&interned, key, fresh);
    return fresh;
}

__attribute__((constructor)) static void intern_simple(void)
{
    for (int i = 0; i < TYPE_ID_COUNT; i++) {
        if (simple[i].text) {
            struct type t = {.id = (enum type_id)i};
            by_id[i] = intern(simple[i].text, simple[i].text, simple[i].text, &t);
        }
    }
}

const struct type *type_of(enum type_id id)
{
    if (id == TYPE_INTERVAL_YM)
        return type_interval(id, 0, 1);
    if (id == TYPE_INTERVAL_DT)
        return type_interval(id, 0, 3);
    ASSERT(by_id[id]);
    return by_id[id];
}

const struct type *type_decimal(unsigned precision, unsigned scale)
{
    ASSERT(precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale <= precision);
    const struct type *t = __atomic_load_n(&decimals[precision][scale], __ATOMIC_ACQUIRE);
    if (t)
        return t;
    char text[32];
    struct buf b = BUF_INIT;
    buf_addf(&b, "decimal(%u,%u)", precision, scale);
    memcpy(text, b.data, b.bytes + 1);
    buf_fini(&b);
    struct type proto = {.id = TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
    pthread_mutex_lock(&lock);
    t = intern(text, text, text, &proto);
    pthread_mutex_unlock(&lock);
    __atomic_store_n(&decimals[precision][scale], t, __ATOMIC_RELEASE);
    return t;
}

static const char *const ym_fields[] = {"year", "month"};
static const char *const dt_fields[] = {"day", "hour", "minute", "second"};

const struct type *type_interval(enum type_id id, unsigned from, unsigned to)
{
    const char *const *fields = id == TYPE_INTERVAL_YM ? ym_fields : dt_fields;
    ASSERT(from <= to && to < (id == TYPE_INTERVAL_YM ? 2u : 4u));
    struct buf b = BUF_INIT;
    buf_addf(&b, "interval %s", fields[from]);
    if (to != from)
        buf_addf(&b, " to %s", fields[to]);
    struct type proto = {.id = id, .interval_from = (uint8_t)from, .interval_to = (uint8_t)to};
    pthread_mutex_lock(&lock);
    const struct type *t = intern(b.data, b.data, b.data, &proto);
    pthread_mutex_unlock(&lock);
    buf_fini(&b);
    return t;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* A field's name for the parser. */
static void add_name(const char *name, struct buf *out)
{
    const char *p = name;
    while (is_word_char(*p))
        p++;
    if (!*p && p > name) {
        buf_adds(out, name);
        return;
    }
    buf_addc(out, '`');
    for (p = name; *p; p++)
        buf_adds(out, *p == '`' ? "``" : (char[]){*p, 0});
    buf_addc(out, '`');
}

static const struct type *intern_nested(struct type *proto)
{
    struct buf text = BUF_INIT, ddl = BUF_INIT, key = BUF_INIT;
    const char *head = proto->id == TYPE_ARRAY ? "array<" : proto->id == TYPE_MAP ? "map<" : "struct<";
    buf_adds(&text, head);
    buf_adds(&ddl, head);
    for (uint32_t i = 0; i < proto->child_count; i++) {
        if (i) {
            buf_addc(&text, ',');
            buf_addc(&ddl, ',');
        }
        if (proto->names) {
            buf_addf(&text, "%s:", proto->names[i]);
            add_name(proto->names[i], &ddl);
            buf_addc(&ddl, ':');
        }
        buf_adds(&text, proto->children[i]->text);
        buf_adds(&ddl, proto->children[i]->ddl);
    }
    buf_addc(&text, '>');
    buf_addc(&ddl, '>');
    /* The children's addresses tell their own nullability apart. */
    buf_addf(&key, "%s|", ddl.data);
    for (uint32_t i = 0; i < proto->child_count; i++)
        buf_addf(&key, "%p%c", (const void *)proto->children[i], proto->child_nullable[i] ? '?' : '!');
    pthread_mutex_lock(&lock);
    const struct type *t = intern(key.data, text.data, ddl.data, proto);
    pthread_mutex_unlock(&lock);
    buf_fini(&text);
    buf_fini(&ddl);
    buf_fini(&key);
    return t;
}

const struct type *type_array(const struct type *element, bool contains_null)
{
    struct type proto = {.id = TYPE_ARRAY, .child_count = 1, .children = &element, .child_nullable = &contains_null};
    return intern_nested(&proto);
}

const struct type *type_map(const struct type *key, const struct type *value, bool value_contains_null)
{
    const struct type *children[2] = {key, value};
    bool nullable[2] = {false, value_contains_null};
    struct type proto = {.id = TYPE_MAP, .child_count = 2, .children = children, .child_nullable = nullable};
    return intern_nested(&proto);
}

const struct type *type_struct(uint32_t count, const struct type *const *types, const char *const *names,
                               const bool *nullable)
{
    struct type proto = {.id = TYPE_STRUCT, .child_count = count, .children = types, .names = names, .child_nullable = nullable};
    return intern_nested(&proto);
}

const struct type *schema_as_struct(const struct schema *sch)
{
    uint32_t n = sch->count;
    const struct type **types = xmalloc((n + 1) * sizeof *types);
    const char **names = xmalloc((n + 1) * sizeof *names);
    bool *nullable = xmalloc(n + 1);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = sch->fields[i].type;
        names[i] = sch->fields[i].name;
        nullable[i] = sch->fields[i].nullable;
    }
    const struct type *t = type_struct(n, types, names, nullable);
    xfree(types);
    xfree(names);
    xfree(nullable);
    return t;
}

enum phys type_phys(const struct type *t)
{
    if (t->id == TYPE_DECIMAL)
        return t->precision <= 18 ? PHYS_I64 : PHYS_I128;
    return simple[t->id].phys;
}

void type_sql(const struct type *t, struct buf *out)
{
    if (simple[t->id].sql) {
        buf_adds(out, simple[t->id].sql);
        return;
    }
    if (t->id == TYPE_ARRAY || t->id == TYPE_MAP || t->id == TYPE_STRUCT) {
        buf_adds(out, t->id == TYPE_ARRAY ? "ARRAY<" : t->id == TYPE_MAP ? "MAP<" : "STRUCT<");
        for (uint32_t i = 0; i < t->child_count; i++) {
            if (i)
                buf_adds(out, ", ");
            if (t->names)
                buf_addf(out, "%s: ", t->names[i]);
            type_sql(t->children[i], out);
            if (t->names && !t->child_nullable[i])
                buf_adds(out, " NOT NULL");
        }
        buf_addc(out, '>');
        return;
    }
    for (const char *p = t->text; *p; p++)
        buf_addc(out, (char)toupper((unsigned char)*p));
}

/* ---- parser ---- */

struct parser {
    const char *text, *at;
    struct error *err;
};

static void skip_space(struct parser *ps)
{
    while (isspace((unsigned char)*ps->at))
        ps->at++;
}

static int fail(struct parser *ps)
{
    struct buf quoted = BUF_INIT;
    buf_addc(&quoted, '"');
    for (const char *c = ps->text; *c; c++)
        buf_addc(&quoted, (char)toupper((unsigned char)*c));
    buf_addc(&quoted, '"');
    int rc = error_set(ps->err, ERR_UNSUPPORTED_TYPE, "typeName", quoted.data, NULL);
    buf_fini(&quoted);
    return rc;
}

static int fail_decimal(struct parser *ps, unsigned p, unsigned s)
{
    char precision[16], scale[16];
    snprintf(precision, sizeof precision, "%u", p);
    snprintf(scale, sizeof scale, "%u", s);
    if (p > DECIMAL_PRECISION_MAX)
        return error_set(ps->err, ERR_DECIMAL_DIGITS, "precision", precision, "maxPrecision", "38", NULL);
    return error_set(ps->err, ERR_DECIMAL_SCALE, "precision", precision, "scale", scale, NULL);
}

static bool take(struct parser *ps, char c)
{
    skip_space(ps);
    if (*ps->at != c)
        return false;
    ps->at++;
    return true;
}

/* A word in lower case; false when there is none, or one that no type has. */
static bool word(struct parser *ps, char *out, size_t max)
{
    skip_space(ps);
    size_t n = 0;
    for (; is_word_char(*ps->at); ps->at++) {
        if (n + 1 >= max)
            return false;
        out[n++] = (char)tolower((unsigned char)*ps->at);
    }
    out[n] = 0;
    return n > 0;
}

/* A field's name: a word as it is, or anything in backticks, of which two stand for one. NULL when there is none. */
static char *field_name(struct parser *ps)
{
    struct buf name = BUF_INIT;
    skip_space(ps);
    bool quoted = *ps->at == '`', closed = !quoted;
    if (quoted) {
        for (ps->at++; *ps->at && !closed; ps->at++) {
            if (*ps->at == '`' && ps->at[1] != '`') {
                closed = true;
                continue;
            }
            buf_addc(&name, *ps->at);
            ps->at += *ps->at == '`';
        }
    } else {
        for (; is_word_char(*ps->at); ps->at++)
            buf_addc(&name, *ps->at);
    }
    char *ret = closed && (quoted || name.bytes) ? xstrndup(name.data ? name.data : "", name.bytes) : NULL;
    buf_fini(&name);
    return ret;
}

static bool number(struct parser *ps, unsigned *ret)
{
    skip_space(ps);
    if (!isdigit((unsigned char)*ps->at))
        return false;
    char *end;
    unsigned long v = strtoul(ps->at, &end, 10);
    ps->at = end;
    *ret = v > 1000000 ? 1000000 : (unsigned)v;
    return true;
}

static int parse_type(struct parser *ps, unsigned depth, const struct type **ret);

static int parse_struct(struct parser *ps, unsigned depth, const struct type **ret)
{
    const struct type **types = NULL;
    char **names = NULL;
    bool *nullable = NULL;
    uint32_t count = 0, cap_t = 0, cap_n = 0, cap_b = 0;
    int rc = 0;
    if (!take(ps, '>')) {
        do {
            char next[16], *name = field_name(ps);
            if (!name) {
                rc = fail(ps);
                break;
            }
            take(ps, ':');
            ARRAY_GROW(types, count, cap_t);
            ARRAY_GROW(names, count, cap_n);
            ARRAY_GROW(nullable, count, cap_b);
            rc = parse_type(ps, depth, &types[count]);
            if (rc != 0) {
                xfree(name);
                break;
            }
            names[count] = name;
            nullable[count] = true;
            struct parser save = *ps;
            if (word(ps, next, sizeof next) && strcmp(next, "not") == 0 && word(ps, next, sizeof next) &&
                strcmp(next, "null") == 0)
                nullable[count] = false;
            else
                *ps = save;
            count++;
        } while (take(ps, ','));
        if (rc == 0 && !take(ps, '>'))
            rc = fail(ps);
    }
    if (rc == 0)
        *ret = type_struct(count, types, (const char *const *)names, nullable);
    for (uint32_t i = 0; i < count; i++)
        xfree(names[i]);
    xfree(names);
    xfree(types);
    xfree(nullable);
    return rc;
}

static int field_of(const char *const *fields, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(fields[i], name) == 0)
            return i;
    }
    return -1;
}

static int parse_interval(struct parser *ps, const struct type **ret)
{
    char from[16], to[16];
    if (!word(ps, from, sizeof from))
        return fail(ps);
    enum type_id id = field_of(ym_fields, 2, from) >= 0 ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DT;
    const char *const *fields = id == TYPE_INTERVAL_YM ? ym_fields : dt_fields;
    int n = id == TYPE_INTERVAL_YM ? 2 : 4;
    int f = field_of(fields, n, from), t = f;
    struct parser save = *ps;
    if (word(ps, to, sizeof to) && strcmp(to, "to") == 0 && word(ps, to, sizeof to))
        t = field_of(fields, n, to);
    else
        *ps = save;
    if (f < 0 || t < f)
        return fail(ps);
    *ret = type_interval(id, (unsigned)f, (unsigned)t);
    return 0;
}

static int parse_type(struct parser *ps, unsigned depth, const struct type **ret)
{
    static const struct {
        const char *name;
        enum type_id id;
    } words[] = {{"void", TYPE_NULL},         {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
                 {"bool", TYPE_BOOLEAN},      {"tinyint", TYPE_TINYINT}, {"byte", TYPE_TINYINT},
                 {"smallint", TYPE_SMALLINT}, {"short", TYPE_SMALLINT},  {"int", TYPE_INT},
                 {"integer", TYPE_INT},       {"bigint", TYPE_BIGINT},   {"long", TYPE_BIGINT},
                 {"float", TYPE_FLOAT},       {"real", TYPE_FLOAT},      {"double", TYPE_DOUBLE},
                 {"string", TYPE_STRING},     {"binary", TYPE_BINARY},   {"date", TYPE_DATE},
                 {"timestamp", TYPE_TIMESTAMP}, {"timestamp_ltz", TYPE_TIMESTAMP}, {"timestamp_ntz", TYPE_TIMESTAMP_NTZ}};
    char name[64];
    if (depth == 0 || !word(ps, name, sizeof name))
        return fail(ps);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(name, words[i].name) == 0) {
            *ret = type_of(words[i].id);
            return 0;
        }
    }
    if (strcmp(name, "decimal") == 0 || strcmp(name, "dec") == 0 || strcmp(name, "numeric") == 0) {
        unsigned p = 10, s = 0;
        if (take(ps, '(')) {
            if (!number(ps, &p) || (take(ps, ',') && !number(ps, &s)) || !take(ps, ')'))
                return fail(ps);
        }
        if (p > DECIMAL_PRECISION_MAX || s > p)
            return fail_decimal(ps, p, s);
        if (p < 1)
            return fail(ps);
        *ret = type_decimal(p, s);
        return 0;
    }
    if (strcmp(name, "varchar") == 0 || strcmp(name, "char") == 0 || strcmp(name, "character") == 0) {
        unsigned n;
        if (!take(ps, '(') || !number(ps, &n) || !take(ps, ')'))
            return fail(ps);
        *ret = type_of(TYPE_STRING); /* Spark reads both as string; lengths bind writers of tables only */
        return 0;
    }
    if (strcmp(name, "interval") == 0)
        return parse_interval(ps, ret);
    const struct type *a, *b;
    if (strcmp(name, "array") == 0) {
        if (!take(ps, '<'))
            return fail(ps);
        TRY(parse_type(ps, depth - 1, &a));
        if (!take(ps, '>'))
            return fail(ps);
        *ret = type_array(a, true);
        return 0;
    }
    if (strcmp(name, "map") == 0) {
        if (!take(ps, '<'))
            return fail(ps);
        TRY(parse_type(ps, depth - 1, &a));
        if (!take(ps, ','))
            return fail(ps);
        TRY(parse_type(ps, depth - 1, &b));
        if (!take(ps, '>'))
            return fail(ps);
        *ret = type_map(a, b, true);
        return 0;
    }
    if (strcmp(name, "struct") == 0) {
        if (!take(ps, '<'))
            return fail(ps);
        return parse_struct(ps, depth - 1, ret);
    }
    return fail(ps);
}

int type_parse(const char *text, const struct type **ret_type, struct error *err)
{
    struct parser ps = {text, text, err};
    const struct type *t;
    TRY(parse_type(&ps, TYPE_DEPTH_MAX, &t));
    skip_space(&ps);
    if (*ps.at)
        return fail(&ps);
    *ret_type = t;
    return 0;
}
