/* Files behind names: listing, schemas, partition columns from key=value folders. */
#include "common/expr/parse.h"
#include "common/fs/list.h"
#include "driver/analyze/analyze_impl.h"

/* key=value folders of a path below its root, first to last. */
static uint32_t partition_keys(struct arena *ar, const char *below, struct option *out, uint32_t max)
{
    uint32_t n = 0;
    for (const char *p = below, *slash; (slash = strchr(p, '/')) != NULL; p = slash + 1) {
        const char *eq = memchr(p, '=', (size_t)(slash - p));
        if (eq && n < max)
            out[n++] = (struct option){arena_strndup(ar, p, (size_t)(eq - p)), arena_strndup(ar, eq + 1, (size_t)(slash - eq - 1))};
    }
    return n;
}

/* The narrowest of int, bigint, double, date, string that takes all values, as Spark infers. */
static const struct type *value_type(const char *v, const struct type *so_far)
{
    static const enum type_id order[] = {TYPE_INT, TYPE_BIGINT, TYPE_DOUBLE, TYPE_DATE, TYPE_STRING};
    size_t n = strlen(v);
    if (strcmp(v, "__HIVE_DEFAULT_PARTITION__") == 0)
        return so_far;
    int64_t i;
    double f;
    int32_t d;
    enum type_id id = TYPE_STRING;
    if (parse_i64(v, n, &i))
        id = i == (int32_t)i ? TYPE_INT : TYPE_BIGINT;
    else if (n == 10 && parse_date(v, n, &d))
        id = TYPE_DATE;
    else if (parse_f64(v, n, &f))
        id = TYPE_DOUBLE;
    if (!so_far)
        return type_of(id);
    if (so_far->id == id)
        return so_far;
    if (id == TYPE_DATE || so_far->id == TYPE_DATE)
        return type_of(TYPE_STRING);
    int a = 0, b = 0;
    while (order[a] != id)
        a++;
    while (order[b] != so_far->id)
        b++;
    return type_of(order[a > b ? a : b]);
}

enum { KEYS_MAX = 64 };

static void find_partitions(struct binder *b, const struct file_list *files, const struct schema *user, struct schema *ret)
{
    struct option keys[KEYS_MAX];
    uint32_t count = files->count ? partition_keys(b->ar, files->items[0].below, keys, KEYS_MAX) : 0;
    ret->count = count;
    ret->fields = ARENA_ARRAY(b->ar, struct field, count);
    for (uint32_t i = 0; i < count; i++)
        ret->fields[i] = (struct field){keys[i].name, NULL, true};
    for (uint32_t f = 0; f < files->count; f++) {
        struct option have[KEYS_MAX];
        uint32_t n = partition_keys(b->ar, files->items[f].below, have, KEYS_MAX);
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

int table_resolve(struct binder *b, const char *name, const char *format, const struct options *options,
                  const char *const *paths, uint32_t path_count, const struct schema *schema, struct span span,
                  const struct table_ref **ret)
{
    const struct format_row *row = format_find(format);
    if (!row) {
        error_setf(b->err, ERR_ANALYSIS, "message", "there is no format %s: use parquet, csv, json or text", format);
        error_at(b->err, span);
        return (int)b->err->code;
    }
    struct file_list files = {0};
    for (uint32_t i = 0; i < path_count; i++) {
        int rc = fs_list(b->ar, paths[i], &files, b->err);
        if (rc != 0) {
            error_at(b->err, span);
            return rc;
        }
    }
    struct table_ref *t = ARENA_NEW(b->ar, struct table_ref);
    t->name = name;
    t->format = row->name;
    t->options = *options;
    t->path_count = files.count;
    t->paths = ARENA_ARRAY(b->ar, const char *, files.count);
    for (uint32_t i = 0; i < files.count; i++)
        t->paths[i] = files.items[i].path;
    find_partitions(b, &files, schema, &t->partition_schema);
    struct schema all;
    if (schema && schema->count) {
        all = *schema;
    } else {
        if (files.count == 0) {
            error_set(b->err, ERR_SCHEMA_INFER, "format", row->name, NULL);
            error_at(b->err, span);
            return (int)b->err->code;
        }
        int rc = row->infer(options, t->paths, t->path_count, b->cx, b->ar, &all, b->err);
        if (rc != 0) {
            error_at(b->err, span);
            return rc;
        }
    }
    without(b, &all, &t->partition_schema, &t->file_schema);
    *ret = t;
    return 0;
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
