/*
 * Leaves: scans with their splits and pruning conditions, ranges, rows written in the query.
 *
 * Splits are cut by bytes for about four tasks a slot, never larger than spark.sql.files.maxPartitionBytes; a reader
 * of Parquet takes the row groups that begin in its split, so that any cut is right. Small files share a task.
 */
#include "driver/physical/physical_impl.h"
#include "common/col/builder.h"
#include "common/expr/fn.h"
#include "common/format/partition.h"

#include <math.h>

enum { SPLIT_BYTES_MIN = 1 << 20 };

/* ---- pruning ---- */

static void add_prune(struct planner *pl, struct prune **list, uint32_t *count, uint32_t *cap, struct prune p)
{
    ARENA_PUSH(pl->ar, *list, *count, *cap, p);
}

/* The literal beginning of a LIKE pattern; false when it has none. */
static bool like_prefix(struct planner *pl, const struct value *pattern, struct value *ret)
{
    uint32_t n = 0;
    while (n < pattern->s.bytes && !strchr("%_\\", pattern->s.ptr[n]))
        n++;
    if (n == 0)
        return false;
    *ret = *pattern;
    ret->s.ptr = arena_strndup(pl->ar, pattern->s.ptr, n);
    ret->s.bytes = n;
    return true;
}

static bool prune_of(struct planner *pl, const struct expr *e, struct prune *ret)
{
    static const struct {
        const char *name;
        enum prune_op op;
    } ops[] = {{"=", PRUNE_EQ}, {"<", PRUNE_LT}, {"<=", PRUNE_LE}, {">", PRUNE_GT}, {">=", PRUNE_GE},
               {"in", PRUNE_IN}, {"isnull", PRUNE_IS_NULL}, {"isnotnull", PRUNE_NOT_NULL}, {"startswith", PRUNE_PREFIX},
               {"like", PRUNE_PREFIX}};
    if (e->kind != EXPR_CALL || e->arg_count == 0 || e->args[0]->kind != EXPR_COLUMN)
        return false;
    for (uint32_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (!is_call(e, ops[i].name))
            continue;
        *ret = (struct prune){.column = e->args[0]->column, .op = ops[i].op, .value_count = e->arg_count - 1};
        if (is_call(e, "like") && (e->arg_count < 2 || e->arg_count > 3))
            return false;
        if (is_call(e, "like"))
            ret->value_count = 1;
        struct value *values = ARENA_ARRAY(pl->ar, struct value, e->arg_count);
        for (uint32_t v = 0; v < ret->value_count; v++) {
            const struct expr *lit = e->args[v + 1];
            if (lit->kind != EXPR_LITERAL || lit->literal.null || lit->type != e->args[0]->type || type_is_nested(lit->type))
                return false;
            values[v] = lit->literal;
        }
        if (is_call(e, "like") && (e->arg_count == 3 || !like_prefix(pl, &values[0], &values[0])))
            return false;
        ret->values = values;
        return true;
    }
    return false;
}

/* ---- partition folders ---- */

/* The value of the last folder name=... in path; names differ by case only when nothing else does. NULL when there is none. */
static const char *folder_value(struct planner *pl, const char *path, const char *name)
{
    const char *exact = NULL, *alike = NULL;
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        const char *end = strchr(++p, '/'), *eq = end ? memchr(p, '=', (size_t)(end - p)) : NULL;
        char *have = eq ? partition_unescape(pl->ar, p, (size_t)(eq - p)) : NULL;
        if (have && strcmp(have, name) == 0)
            exact = eq + 1;
        else if (have && str_eq_nocase(have, name))
            alike = eq + 1;
    }
    const char *found = exact ? exact : alike;
    return found ? partition_unescape(pl->ar, found, strcspn(found, "/")) : NULL;
}

static int folder_values(struct planner *pl, const struct table_ref *t, const char *path, struct value **ret)
{
    struct value *values = ARENA_ARRAY(pl->ar, struct value, t->partition_schema.count);
    for (uint32_t i = 0; i < t->partition_schema.count; i++) {
        const struct field *f = &t->partition_schema.fields[i];
        const char *text = folder_value(pl, path, f->name);
        if (!text || strcmp(text, PARTITION_NULL) == 0) {
            values[i] = (struct value){.type = f->type, .null = true};
            continue;
        }
        struct expr *e;
        TRY(expr_cast(pl->ar, expr_string(pl->ar, text), f->type, EVAL_ANSI, (struct span){0, 0}, &e, pl->err));
        if (expr_fold(pl->ar, pl->cx, e, &values[i], pl->err) != 0)
            return error_note(pl->err, "while reading the folder names of %s", path);
        values[i].type = f->type;
    }
    *ret = values;
    return 0;
}

/* Whether the file's folder values leave a chance to the conjuncts. */
static bool folder_matches(struct planner *pl, const struct logical *lp, const struct value *values)
{
    uint32_t first = lp->table->file_schema.count, count = 0;
    struct lcol *ids = ARENA_ARRAY(pl->ar, struct lcol, lp->out_count);
    struct expr **by = ARENA_ARRAY(pl->ar, struct expr *, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        if (lp->table_columns[i] >= first) {
            ids[count].id = lp->out[i].id;
            by[count++] = expr_literal(pl->ar, values[lp->table_columns[i] - first]);
        }
    struct opt o = {.ar = pl->ar, .cx = pl->cx, .err = pl->err};
    for (uint32_t i = 0; count && i < lp->conjunct_count; i++) {
        struct expr *e = expr_replace(&o, lp->conjuncts[i], ids, by, count);
        struct value v;
        struct error err = ERROR_INIT;
        if (!expr_is_foldable(e) || expr_fold(pl->ar, pl->cx, e, &v, &err) != 0) {
            error_fini(&err);
            continue;
        }
        if (v.null || !v.i)
            return false;
    }
    return true;
}

/* ---- splits ---- */

static int cut_splits(struct planner *pl, const struct logical *lp, const struct table_est *te, struct stage_scan *scan)
{
    const struct table_ref *t = lp->table;
    const struct format_row *format = format_find(t->format);
    uint64_t max = pl->env->max_partition_bytes ? pl->env->max_partition_bytes : (uint64_t)128 << 20;
    uint32_t slots = pl->env->shape.slots ? pl->env->shape.slots : 1;
    uint64_t target = te->bytes / (slots * 4u) + 1;
    if (target < SPLIT_BYTES_MIN)
        target = SPLIT_BYTES_MIN;
    if (target > max)
        target = max;
    if (pl->single)
        target = UINT64_MAX;
    uint32_t split_cap = 0, first_cap = 0, first_count = 0;
    uint64_t in_task = 0;
    ARENA_PUSH(pl->ar, scan->split_first, first_count, first_cap, 0);
    for (uint32_t i = 0; i < te->file_count; i++) {
        const struct file_est *f = &te->files[i];
        struct value *values = NULL;
        if (t->partition_schema.count) {
            TRY(folder_values(pl, t, f->path, &values));
            if (!folder_matches(pl, lp, values))
                continue;
        }
        uint64_t pieces = 1;
        if (target != UINT64_MAX && f->bytes > target && format && format->splittable && format->splittable(&t->options, f->path))
            pieces = (f->bytes + target - 1) / target;
        uint64_t step = (f->bytes + pieces - 1) / pieces;
        for (uint64_t p = 0; p < pieces; p++) {
            uint64_t start = p * step, length = start + step > f->bytes ? f->bytes - start : step;
            if (f->unknown)
                length = UINT64_MAX;
            if (start >= f->bytes && p > 0)
                break;
            if (in_task > 0 && in_task + length > target) {
                ARENA_PUSH(pl->ar, scan->split_first, first_count, first_cap, scan->split_count);
                in_task = 0;
            }
            struct file_split s = {.path = f->path, .start = start, .length = length, .file_bytes = f->bytes, .mtime_us = f->mtime_us,
                                   .partition_count = t->partition_schema.count, .partition_values = values};
            ARENA_PUSH(pl->ar, scan->splits, scan->split_count, split_cap, s);
            in_task += length ? length : 1;
        }
    }
    scan->task_count = first_count;
    ARENA_PUSH(pl->ar, scan->split_first, first_count, first_cap, scan->split_count);
    return 0;
}

static void copy_schema(struct planner *pl, struct schema *to, const struct schema *from)
{
    to->count = from->count;
    to->fields = arena_dup(pl->ar, from->count ? from->fields : &(struct field){0},
                           (from->count ? from->count : 1) * sizeof *from->fields);
}

int plan_scan(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    const struct table_est *te = estimate_table(pl->es, lp->table);
    struct pnode *n = new_pnode(pl, PN_SCAN, 0);
    struct scan_spec *spec = ARENA_NEW(pl->ar, struct scan_spec);
    spec->format = lp->table->format;
    spec->options = lp->table->options;
    copy_schema(pl, &spec->file_schema, &lp->table->file_schema);
    copy_schema(pl, &spec->partition_schema, &lp->table->partition_schema);
    spec->column_count = lp->out_count;
    spec->columns = lp->table_columns;
    spec->cx = pl->cx;
    n->scan = spec;
    n->out.count = lp->out_count;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
    for (uint32_t i = 0; i < lp->out_count; i++)
        n->out.fields[i] = field_of(&lp->out[i]);
    struct frag *f = new_frag(pl, n, lp, 1);
    f->source_rows = te->rows;
    struct expr **conjuncts = ARENA_ARRAY(pl->ar, struct expr *, lp->conjunct_count);
    struct prune *prunes = NULL;
    uint32_t prune_cap = 0;
    for (uint32_t i = 0; i < lp->conjunct_count; i++) {
        struct prune p;
        conjuncts[i] = place_expr(pl, f, lp->conjuncts[i]);
        if (prune_of(pl, conjuncts[i], &p))
            add_prune(pl, &prunes, &spec->prune_count, &prune_cap, p);
    }
    spec->prunes = prunes;
    spec->conjuncts = conjuncts;
    spec->conjunct_count = lp->conjunct_count;
    struct scan_use *use = ARENA_NEW(pl->ar, struct scan_use);
    use->scan.node = n;
    use->scan.table = lp->table->name;
    TRY(cut_splits(pl, lp, te, &use->scan));
    f->scans = use;
    f->tasks = use->scan.task_count;
    *ret = f;
    return 0;
}

int plan_range(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    struct pnode *n = new_pnode(pl, PN_RANGE, 0);
    n->range_start = lp->range_start;
    n->range_end = lp->range_end;
    n->range_step = lp->range_step ? lp->range_step : 1;
    n->out.count = 1;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, 1);
    n->out.fields[0] = (struct field){"id", type_of(TYPE_BIGINT), false};
    if (lp->out_count)
        n->out.fields[0] = field_of(&lp->out[0]);
    double rows = estimate_rows(pl->es, lp);
    uint32_t slots = pl->env->shape.slots ? pl->env->shape.slots : 1;
    int64_t parts = lp->range_parts;
    if (parts <= 0)
        parts = pl->single || rows <= 1e6 ? 1 : (int64_t)fmin(slots * 4.0, ceil(rows / 1e6));
    TRY(check_tasks(pl, parts));
    n->range_parts = parts;
    *ret = new_frag(pl, n, lp, (uint32_t)parts);
    return 0;
}

/* ---- VALUES ---- */

static bool all_literals(const struct logical *lp)
{
    for (uint32_t r = 0; r < lp->row_count; r++)
        for (uint32_t c = 0; c < lp->out_count; c++)
            if (lp->rows[r][c]->kind != EXPR_LITERAL || lp->rows[r][c]->type != lp->out[c].type)
                return false;
    return true;
}

static int values_frame(struct planner *pl, const struct logical *lp, const struct schema *sch, struct buf *ret)
{
    const struct type **types = ARENA_ARRAY(pl->ar, const struct type *, sch->count);
    for (uint32_t c = 0; c < sch->count; c++)
        types[c] = sch->fields[c].type;
    struct builder bd;
    builder_init(&bd, sch->count, types, NULL);
    struct arena tmp;
    arena_init(&tmp);
    int rc = 0;
    struct column *cols = ARENA_ARRAY(pl->ar, struct column, sch->count);
    for (uint32_t r = 0; rc == 0 && r < lp->row_count; r++) {
        for (uint32_t c = 0; c < sch->count; c++) {
            struct value v = lp->out_count ? lp->rows[r][c]->literal : (struct value){.type = types[c], .i = 1};
            v.type = types[c];
            cols[c] = value_column(&v, 1, &tmp);
        }
        struct batch b = {.rows = 1, .col_count = sch->count, .cols = cols, .sel_count = 1};
        rc = builder_append(&bd, &b, pl->err);
        arena_reset(&tmp);
    }
    struct sealed *s = rc == 0 ? builder_seal(&bd) : NULL;
    if (s) {
        struct buf frame = BUF_INIT;
        frame_encode(s, FRAME_RAW, &frame);
        ret->data = arena_dup(pl->ar, frame.data, frame.bytes);
        ret->bytes = ret->cap = frame.bytes;
        buf_fini(&frame);
        sealed_unref(s);
    }
    builder_fini(&bd);
    arena_fini(&tmp);
    return rc;
}

int plan_values(struct planner *pl, const struct logical *lp, struct frag **ret)
{
    bool literal = all_literals(lp) && lp->out_count > 0;
    struct pnode *n = new_pnode(pl, PN_VALUES, 0);
    if (literal || lp->row_count == 0) {
        n->out.count = lp->out_count ? lp->out_count : 1;
        n->out.fields = ARENA_ARRAY(pl->ar, struct field, n->out.count);
        n->out.fields[0] = (struct field){"", type_of(TYPE_BOOLEAN), false};
        for (uint32_t i = 0; i < lp->out_count; i++)
            n->out.fields[i] = field_of(&lp->out[i]);
        TRY(values_frame(pl, lp, &n->out, &n->values_frame));
        *ret = new_frag(pl, n, lp, 1);
        return 0;
    }
    /* Rows of expressions: one dummy row, each list of expressions once over it. */
    n->out.count = 1;
    n->out.fields = ARENA_ARRAY(pl->ar, struct field, 1);
    n->out.fields[0] = (struct field){"", type_of(TYPE_BOOLEAN), false};
    struct logical *one = ARENA_NEW(pl->ar, struct logical);
    one->kind = LP_VALUES;
    one->row_count = lp->out_count ? 1 : lp->row_count;
    TRY(values_frame(pl, one, &n->out, &n->values_frame));
    struct frag *f = new_frag(pl, n, one, 1);
    if (lp->out_count) {
        struct pnode *ex = new_pnode(pl, PN_EXPAND, 1);
        ex->inputs[0] = n;
        ex->list_count = lp->row_count;
        ex->out.count = lp->out_count;
        ex->out.fields = ARENA_ARRAY(pl->ar, struct field, lp->out_count);
        for (uint32_t i = 0; i < lp->out_count; i++)
            ex->out.fields[i] = field_of(&lp->out[i]);
        ex->lists = ARENA_ARRAY(pl->ar, struct expr **, lp->row_count);
        for (uint32_t r = 0; r < lp->row_count; r++) {
            ex->lists[r] = ARENA_ARRAY(pl->ar, struct expr *, lp->out_count);
            for (uint32_t c = 0; c < lp->out_count; c++)
                ex->lists[r][c] = expr_cast_must(pl->ar, pl->cx, lp->rows[r][c], lp->out[c].type);
        }
        *ret = new_frag(pl, ex, lp, 1);
        return 0;
    }
    *ret = f;
    return 0;
}
