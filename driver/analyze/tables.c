/* Files behind names: listing, schemas, partition columns from key=value folders. */
#include <ctype.h>

#include "common/expr/parse.h"
#include "common/format/commit.h"
#include "common/format/partition.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

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

/* The narrowest of int, bigint, double, date, timestamp, string that takes all values, as Spark infers. */
static const struct type *value_type(const char *v, const struct type *so_far)
{
    static const enum type_id order[] = {TYPE_INT, TYPE_BIGINT, TYPE_DOUBLE, TYPE_STRING};
    size_t n = strlen(v);
    if (strcmp(v, PARTITION_NULL) == 0)
        return so_far;
    int64_t i, us;
    double f;
    int32_t d;
    enum type_id id = TYPE_STRING;
    if (parse_i64(v, n, &i))
        id = i == (int32_t)i ? TYPE_INT : TYPE_BIGINT;
    else if (n == 10 && parse_date(v, n, &d))
        id = TYPE_DATE;
    else if (parse_f64(v, n, &f))
        id = TYPE_DOUBLE;
    else if (n >= 19 && v[10] == ' ' && parse_timestamp(v, n, true, NULL, &us))
        id = TYPE_TIMESTAMP;
    if (!so_far)
        return type_of(id);
    if (so_far->id == id)
        return so_far;
    bool day = id == TYPE_DATE || id == TYPE_TIMESTAMP, day_so_far = so_far->id == TYPE_DATE || so_far->id == TYPE_TIMESTAMP;
    if (day || day_so_far)
        return type_of(day && day_so_far ? TYPE_TIMESTAMP : TYPE_STRING);
    int a = 0, b = 0;
    while (order[a] != id)
        a++;
    while (order[b] != so_far->id)
        b++;
    return type_of(order[a > b ? a : b]);
}

static void find_partitions(struct binder *b, const struct file_list *files, const struct schema *user, struct schema *ret)
{
    struct option keys[TABLE_FOLDERS_MAX];
    uint32_t count = files->count ? table_folders(b->ar, files->items[0].below, keys, TABLE_FOLDERS_MAX) : 0;
    ret->count = count;
    ret->fields = ARENA_ARRAY(b->ar, struct field, count);
    for (uint32_t i = 0; i < count; i++)
        ret->fields[i] = (struct field){keys[i].name, NULL, true};
    for (uint32_t f = 0; f < files->count; f++) {
        struct option have[TABLE_FOLDERS_MAX];
        uint32_t n = table_folders(b->ar, files->items[f].below, have, TABLE_FOLDERS_MAX);
        for (uint32_t i = 0; i < n && i < count; i++)
            ret->fields[i].type = value_type(have[i].value, ret->fields[i].type);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!ret->fields[i].type)
            ret->fields[i].type = type_of(TYPE_STRING);
        for (uint32_t u = 0; user && u < user->count; u++) {
            if (str_eq_nocase(user->fields[u].name, ret->fields[i].name))
                ret->fields[i].type = user->fields[u].type;
        }
    }
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
    t->name = src->name;
    t->format = row->name;
    t->options = *src->options;
    t->path_count = files.count;
    t->paths = ARENA_ARRAY(b->ar, const char *, files.count);
    for (uint32_t i = 0; i < files.count; i++)
        t->paths[i] = files.items[i].path;
    bool given = src->schema && src->schema->count;
    if (given && src->partition_count >= 0)
        declared_partitions(b, src->schema, (uint32_t)src->partition_count, &t->partition_schema);
    else
        find_partitions(b, &files, src->schema, &t->partition_schema);
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
