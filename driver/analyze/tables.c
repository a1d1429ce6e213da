/* Files behind names: listing, schemas, partition columns from key=value folders. */
#include <ctype.h>

#include "common/expr/parse.h"
#include "common/format/commit.h"
#include "common/format/partition.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

uint32_t table_folders(struct arena *ar, const char *below, struct option *out, uint32_t max)
{
    uint32_t n = 0;
    for (const char *p = below, *slash; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
        const char *eq = memchr(p, '=', (size_t)(slash - p));
        if (eq && n < max)
            out[n++] = (struct option){partition_unescape(ar, p, (size_t)(eq - p)), partition_unescape(ar, eq + 1, (size_t)(slash - eq - 1))};
    }
    return n;
}

/* A number without a fraction, as BigDecimal reads it: its digits; 0: it is none. */
static unsigned whole_digits(const char *v)
{
    const char *p = v + (*v == '-' || *v == '+');
    unsigned digits = 0, zeros = 0;
    if (!isdigit((unsigned char)*p))
        return 0;
    for (; isdigit((unsigned char)*p); p++)
        digits += digits || *p != '0';
    if ((*p | 32) == 'e' && p[1 + (p[1] == '+')]) {
        char *end;
        unsigned long e = strtoul(p + 1, &end, 10);
        if (*end || e > DECIMAL_PRECISION_MAX || !isdigit((unsigned char)p[1 + (p[1] == '+')]))
            return 0;
        zeros = (unsigned)e;
        p = end;
    }
    digits = (digits ? digits : 1) + zeros;
    return *p || digits > DECIMAL_PRECISION_MAX ? 0 : digits;
}

/* What Spark takes the value of one folder for: int, bigint, decimal, double, timestamp, date, string; void for null. */
static const struct type *value_type(const char *v)
{
    size_t n = strlen(v);
    int64_t i;
    double f;
    int32_t d;
    unsigned digits = whole_digits(v);
    bool space = n == 0 || isspace((unsigned char)v[0]) || isspace((unsigned char)v[n - 1]);
    if (strcmp(v, PARTITION_NULL) == 0)
        return type_of(TYPE_NULL);
    if (space)
        return type_of(TYPE_STRING);
    if (digits && parse_i64(v, n, &i))
        return type_of(i == (int32_t)i ? TYPE_INT : TYPE_BIGINT);
    if (digits)
        return type_decimal(digits, 0);
    if (parse_f64(v, n, &f) && strcasecmp(v, "inf") != 0 && (strcasecmp(v, "nan") != 0 || strcmp(v, "NaN") == 0))
        return type_of(TYPE_DOUBLE);
    bool day = n >= 10 && v[4] == '-' && v[7] == '-' && parse_date(v, 10, &d);
    if (day && n == 10)
        return type_of(TYPE_DATE);
    if (day && n >= 19 && v[10] == ' ' && v[13] == ':' && v[16] == ':' && strspn(v + 11, "0123456789:.") == n - 11 &&
        parse_timestamp(v, n, false, NULL, &i))
        return type_of(TYPE_TIMESTAMP);
    return type_of(TYPE_STRING);
}

/* The type that holds the values of two folders. */
static const struct type *wider_type(const struct query_ctx *cx, const struct type *a, const struct type *b)
{
    if (a == b)
        return a;
    if (a->id == TYPE_NULL || b->id == TYPE_NULL)
        return a->id == TYPE_NULL ? b : a;
    bool real = a->id == TYPE_DOUBLE || b->id == TYPE_DOUBLE;
    const struct type *other = a->id == TYPE_DOUBLE ? b : a;
    if (real && (other->id == TYPE_DECIMAL || other->id == TYPE_BIGINT)) /* neither holds all of the other */
        return type_of(TYPE_STRING);
    if (!type_is_numeric(a) != !type_is_numeric(b) || a->id == TYPE_STRING || b->id == TYPE_STRING)
        return type_of(TYPE_STRING);
    const struct type *t = type_common(cx, a, b);
    return t ? t : type_of(TYPE_STRING);
}

static int conflicting(struct binder *b, const struct option *have, uint32_t n, const struct schema *sch)
{
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; i < sch->count; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", sch->fields[i].name);
    buf_adds(&text, " and ");
    for (uint32_t i = 0; i < n; i++)
        buf_addf(&text, "%s%s", i ? ", " : "", have[i].name);
    error_set(b->err, ERR_PARTITION_NAMES, "distinctPartColLists", text.data, NULL);
    buf_fini(&text);
    return (int)b->err->code;
}

static void drop_files(struct file_list *files, const bool *drop)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < files->count; i++)
        if (!drop[i])
            files->items[n++] = files->items[i];
    files->count = n;
}

/*
 * The columns that key=value folders stand for, with the types of their values. Once there are such folders, files
 * beside them are not part of the table; without any, files of folders below are not, unless recursiveFileLookup.
 */
static int find_partitions(struct binder *b, struct file_list *files, const struct options *options, const struct schema *user,
                           struct schema *ret)
{
    struct option keys[TABLE_FOLDERS_MAX];
    uint32_t count = 0;
    bool deep = options_bool(options, "recursiveFileLookup", false);
    bool *drop = ARENA_ARRAY(b->ar, bool, files->count);
    for (uint32_t f = 0; f < files->count && count == 0 && !deep; f++)
        count = table_folders(b->ar, files->items[f].below, keys, TABLE_FOLDERS_MAX);
    ret->count = count;
    ret->fields = ARENA_ARRAY(b->ar, struct field, count);
    for (uint32_t i = 0; i < count; i++)
        ret->fields[i] = (struct field){keys[i].name, type_of(TYPE_NULL), true};
    for (uint32_t f = 0; f < files->count && !deep; f++) {
        struct option have[TABLE_FOLDERS_MAX];
        uint32_t n = count ? table_folders(b->ar, files->items[f].below, have, TABLE_FOLDERS_MAX) : 0;
        drop[f] = count ? n == 0 : strchr(files->items[f].below, '/') != NULL;
        bool same = n == count;
        for (uint32_t i = 0; i < n && same; i++)
            same = strcmp(have[i].name, ret->fields[i].name) == 0;
        if (n && !same)
            return conflicting(b, have, n, ret);
        for (uint32_t i = 0; i < n; i++)
            ret->fields[i].type = wider_type(b->cx, ret->fields[i].type, value_type(have[i].value));
    }
    drop_files(files, drop);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t u = 0; user && u < user->count; u++) {
            if (str_eq_nocase(user->fields[u].name, ret->fields[i].name))
                ret->fields[i] = (struct field){user->fields[u].name, user->fields[u].type, true};
        }
    }
    return 0;
}

/* Schema columns that are not partition columns. */
static void without(struct binder *b, const struct schema *all, const struct schema *parts, struct schema *ret)
{
    ret->fields = ARENA_ARRAY(b->ar, struct field, all->count);
    ret->count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        bool is_part = false;
        for (uint32_t p = 0; p < parts->count; p++)
            is_part |= str_eq_nocase(all->fields[i].name, parts->fields[p].name);
        if (!is_part)
            ret->fields[ret->count++] = all->fields[i];
    }
}

/* The columns that a table says are folders. */
static void declared_partitions(struct binder *b, const struct schema *schema, uint32_t count, struct schema *ret)
{
    ret->count = count;
    ret->fields = arena_dup(b->ar, schema->fields + schema->count - count, count * sizeof *ret->fields);
}

/* Finishes what a dead driver left half done in the folder, or in one that it is a partition of. */
static int recover(struct binder *b, const char *path)
{
    for (char *p = arena_strdup(b->ar, path), *slash;; *slash = 0) {
        TRY(file_write_recover(p, b->err));
        slash = strrchr(p, '/');
        if (!slash || slash == p || !strchr(slash, '='))
            return 0;
    }
}

static int list_files(struct binder *b, const struct table_source *src, struct file_list *files)
{
    for (uint32_t i = 0; i < src->path_count; i++) {
        TRY(recover(b, src->paths[i]));
        if (src->may_be_missing && !fs_exists(src->paths[i]))
            continue;
        TRY(fs_list(b->ar, src->paths[i], files, b->err));
    }
    return 0;
}

/* "Parquet", "JSON": a format as messages name it. */
static const char *format_title(struct arena *ar, const char *name)
{
    char *title = arena_strdup(ar, name);
    bool short_name = strlen(name) < 5 && strcmp(name, "text") != 0;
    for (char *p = title; *p && (p == title || short_name); p++)
        *p = (char)toupper((unsigned char)*p);
    return title;
}

static int resolve(struct binder *b, const struct table_source *src, const struct table_ref **ret)
{
    const struct format_row *row = format_find(src->format);
    if (!row)
        return error_set(b->err, ERR_FORMAT_MISSING, "provider", src->format, NULL);
    struct file_list files = {0};
    TRY(list_files(b, src, &files));
    struct table_ref *t = ARENA_NEW(b->ar, struct table_ref);
    bool given = src->schema && src->schema->count;
    if (given && src->partition_count >= 0)
        declared_partitions(b, src->schema, (uint32_t)src->partition_count, &t->partition_schema);
    else
        TRY(find_partitions(b, &files, src->options, src->schema, &t->partition_schema));
    t->name = src->name;
    t->format = row->name;
    t->options = *src->options;
    t->path_count = files.count;
    t->paths = ARENA_ARRAY(b->ar, const char *, files.count);
    for (uint32_t i = 0; i < files.count; i++)
        t->paths[i] = files.items[i].path;
    struct schema all;
    if (given)
        all = *src->schema;
    else if (files.count == 0)
        return error_set(b->err, ERR_SCHEMA_INFER, "format", format_title(b->ar, row->name), NULL);
    else
        TRY(row->infer(src->options, t->paths, t->path_count, b->cx, b->ar, &all, b->err));
    without(b, &all, &t->partition_schema, &t->file_schema);
    *ret = t;
    return 0;
}

int table_resolve(struct binder *b, const struct table_source *src, struct span span, const struct table_ref **ret)
{
    return resolve(b, src, ret) == 0 ? 0 : bind_fail_at(b, span);
}

int table_of_relation(struct binder *b, const struct relation *r, struct span span, const struct table_ref **ret)
{
    struct table_source src = {.name = r->name, .format = r->format, .options = &r->options, .paths = r->paths, .path_count = r->path_count,
                               .schema = &r->schema, .partition_count = r->temporary ? -1 : (int32_t)r->partition_count,
                               .may_be_missing = !r->temporary};
    return table_resolve(b, &src, span, ret);
}

int table_scan(struct binder *b, const struct table_ref *t, struct span span, struct logical **ret)
{
    struct logical *lp = lp_new(b, LP_SCAN, span, NULL, NULL);
    uint32_t n = t->file_schema.count, total = n + t->partition_schema.count;
    lp->table = t;
    lp->out_count = total;
    lp->out = ARENA_ARRAY(b->ar, struct lcol, total);
    lp->table_columns = ARENA_ARRAY(b->ar, uint32_t, total);
    for (uint32_t i = 0; i < total; i++) {
        const struct field *f = i < n ? &t->file_schema.fields[i] : &t->partition_schema.fields[i - n];
        lp->out[i] = bind_new_col(b, f->name, f->type, true);
        lp->table_columns[i] = i;
    }
    *ret = lp;
    return 0;
}
