/*
 * Cardinality estimates; see estimate.h.
 *
 * Footers give rows, minima and maxima and rarely distinct counts. An integer column has at most max - min + 1
 * distinct values. Strings of a small table are all distinct; of a large one, the bytes that a row takes tell the
 * size of the dictionary, and without bytes they are taken for 25 different ones. Two key columns of the same range
 * and different row counts are taken for a foreign key and its primary key: the domain they share is the smaller
 * one's number of distinct values.
 */
#include "driver/optimize/estimate.h"
#include "driver/optimize/rule.h"
#include "common/expr/fn.h"

#include <math.h>
#include <sys/stat.h>

enum { STATS_FILES_MAX = 64, STRING_NDV = 25 };

struct node_est {
    const struct logical *lp;
    double rows;
};

struct estimates {
    struct arena *ar;
    const struct query_ctx *cx;
    struct file_stats *(*table_stats)(const struct table_ref *table, void *ctx);
    void *ctx;
    struct col_est *cols; /* by id */
    uint32_t col_cap;
    struct node_est *nodes; /* open addressing by address */
    uint32_t node_count, node_cap;
    struct table_entry {
        const struct table_ref *table;
        struct table_est est;
        struct file_stats *stats; /* merged over the files that were read; NULL: none */
    } *tables;
    uint32_t table_count, table_cap;
};

struct estimates *estimates_new(struct arena *ar, const struct query_ctx *cx,
                                struct file_stats *(*table_stats)(const struct table_ref *table, void *ctx), void *ctx)
{
    struct estimates *es = ARENA_NEW(ar, struct estimates);
    es->ar = ar;
    es->cx = cx;
    es->table_stats = table_stats;
    es->ctx = ctx;
    return es;
}

struct col_est *estimate_column(struct estimates *es, uint32_t id)
{
    if (id >= es->col_cap) {
        uint32_t cap = id + 64;
        struct col_est *cols = ARENA_ARRAY(es->ar, struct col_est, cap);
        if (es->col_cap)
            memcpy(cols, es->cols, es->col_cap * sizeof *cols);
        es->cols = cols;
        es->col_cap = cap;
    }
    return &es->cols[id];
}

static double type_bytes(const struct type *t)
{
    switch (t->id) {
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
    case TYPE_NULL:
        return 1;
    case TYPE_SMALLINT:
        return 2;
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_DATE:
        return 4;
    case TYPE_DECIMAL:
        return t->precision <= 18 ? 8 : 16;
    case TYPE_STRING:
    case TYPE_BINARY:
        return 32;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        return 64;
    default:
        return 8;
    }
}

double estimate_row_bytes(struct estimates *es, const struct lcol *cols, uint32_t count)
{
    double bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct col_est *ce = estimate_column(es, cols[i].id);
        bytes += ce->known && ce->bytes > 0 ? ce->bytes : type_bytes(cols[i].type);
    }
    return bytes > 1 ? bytes : 1;
}

/* A value as a number on its column's axis. */
static bool value_number(const struct value *v, double *ret)
{
    if (v->null)
        return false;
    switch (v->type->id) {
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        *ret = (double)v->i;
        return true;
    case TYPE_DECIMAL:
        *ret = (double)v->d / pow(10, v->type->scale);
        return true;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        *ret = v->f;
        return isfinite(v->f);
    default:
        return false;
    }
}

/* ---- tables ---- */

static const struct field *table_field(const struct table_ref *t, uint32_t i)
{
    return i < t->file_schema.count ? &t->file_schema.fields[i]
                                    : &t->partition_schema.fields[i - t->file_schema.count];
}

static bool value_less(const struct value *a, const struct value *b)
{
    double x, y;
    return value_number(a, &x) && value_number(b, &y) && x < y;
}

static void merge_stats(struct arena *ar, struct file_stats **all, const struct file_stats *one)
{
    if (!*all) {
        *all = arena_dup(ar, one, sizeof *one);
        (*all)->columns = arena_dup(ar, one->column_count ? one->columns : &(struct column_stats){0},
                                    (one->column_count ? one->column_count : 1) * sizeof *one->columns);
        if (one->column_bytes)
            (*all)->column_bytes = arena_dup(ar, one->column_bytes, (one->column_count ? one->column_count : 1) * 8);
        return;
    }
    struct file_stats *a = *all;
    a->rows += one->rows;
    for (uint32_t i = 0; i < a->column_count && i < one->column_count; i++) {
        struct column_stats *c = &a->columns[i];
        const struct column_stats *d = &one->columns[i];
        c->has_range = c->has_range && d->has_range;
        if (c->has_range) {
            if (value_less(&d->min, &c->min))
                c->min = d->min;
            if (value_less(&c->max, &d->max))
                c->max = d->max;
        }
        c->null_count = c->null_count >= 0 && d->null_count >= 0 ? c->null_count + d->null_count : -1;
        if (c->distinct_count >= 0)
            c->distinct_count = d->distinct_count > c->distinct_count ? d->distinct_count : c->distinct_count;
        if (a->column_bytes)
            a->column_bytes[i] += one->column_bytes ? one->column_bytes[i] : 0;
    }
}

static struct table_entry *table_entry(struct estimates *es, const struct table_ref *table)
{
    for (uint32_t i = 0; i < es->table_count; i++)
        if (es->tables[i].table == table)
            return &es->tables[i];
    struct table_entry te = {.table = table};
    te.est.file_count = table->path_count;
    te.est.files = ARENA_ARRAY(es->ar, struct file_est, table->path_count);
    const struct format_row *format = format_find(table->format);
    uint64_t read_bytes = 0;
    te.est.exact = true;
    for (uint32_t i = 0; i < table->path_count; i++) {
        struct file_est *f = &te.est.files[i];
        struct stat st;
        f->path = table->paths[i];
        f->unknown = stat(f->path, &st) != 0;
        if (!f->unknown && S_ISREG(st.st_mode)) {
            f->bytes = (uint64_t)st.st_size;
            f->mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
        }
        te.est.bytes += f->bytes;
        f->rows = -1;
        if (!es->table_stats && format && format->stats && i < STATS_FILES_MAX) {
            struct error err = ERROR_INIT;
            struct file_stats *fs = NULL;
            if (format->stats(f->path, &table->file_schema, es->ar, &fs, &err) == 0 && fs) {
                f->rows = (double)fs->rows;
                read_bytes += f->bytes;
                merge_stats(es->ar, &te.stats, fs);
            }
            error_fini(&err); /* a damaged footer is the scan's to report */
        }
    }
    if (es->table_stats) {
        te.stats = es->table_stats(table, es->ctx);
        read_bytes = te.est.bytes;
    }
    if (te.stats) {
        te.est.rows = (double)te.stats->rows;
        if (read_bytes < te.est.bytes && read_bytes > 0)
            te.est.rows *= (double)te.est.bytes / (double)read_bytes;
        te.est.exact = read_bytes == te.est.bytes;
    } else {
        double width = 0;
        for (uint32_t i = 0; i < table->file_schema.count; i++)
            width += type_bytes(table->file_schema.fields[i].type) * 0.8;
        te.est.rows = (double)te.est.bytes / (width > 1 ? width : 1);
        te.est.exact = false;
    }
    for (uint32_t i = 0; i < table->path_count; i++)
        if (te.est.files[i].rows < 0)
            te.est.files[i].rows = te.est.bytes ? te.est.rows * (double)te.est.files[i].bytes / (double)te.est.bytes : 0;
    ARENA_PUSH(es->ar, es->tables, es->table_count, es->table_cap, te);
    return &es->tables[es->table_count - 1];
}

const struct table_est *estimate_table(struct estimates *es, const struct table_ref *table)
{
    return &table_entry(es, table)->est;
}

static double range_ndv(const struct type *t, double min, double max)
{
    switch (t->id) {
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_DATE:
        return max - min + 1;
    case TYPE_DECIMAL:
        return (max - min) * pow(10, t->scale) + 1;
    default:
        return INFINITY;
    }
}

static double scan_rows(struct estimates *es, const struct logical *lp)
{
    const struct table_entry *te = table_entry(es, lp->table);
    double rows = te->est.rows;
    for (uint32_t i = 0; i < lp->out_count; i++) {
        uint32_t c = lp->table_columns[i];
        const struct field *f = table_field(lp->table, c);
        struct col_est ce = {.known = true, .ndv = rows, .bytes = type_bytes(f->type)};
        const struct column_stats *cs = te->stats && c < te->stats->column_count ? &te->stats->columns[c] : NULL;
        if (cs && cs->has_range && value_number(&cs->min, &ce.min) && value_number(&cs->max, &ce.max)) {
            ce.ranged = true;
            ce.ndv = fmin(rows, range_ndv(f->type, ce.min, ce.max));
        } else if (f->type->id == TYPE_BOOLEAN) {
            ce.ndv = 2;
        } else if (f->type->id == TYPE_STRING || f->type->id == TYPE_BINARY) {
            ce.ndv = rows <= 1000 ? rows : STRING_NDV;
            /* Codes of a dictionary of n entries take log2(n) bits a row: few bytes a row tell n. */
            if (te->stats && te->stats->column_bytes && c < te->stats->column_count && rows > 1000) {
                double bits = 8.0 * (double)te->stats->column_bytes[c] / rows;
                ce.ndv = bits < 16 ? fmax(2, fmin(rows, 0.75 * pow(2, bits))) : rows / 2;
            }
        }
        if (cs && cs->distinct_count > 0)
            ce.ndv = fmin(rows, (double)cs->distinct_count);
        if (cs && cs->null_count >= 0 && rows > 0)
            ce.null_frac = fmin(1, (double)cs->null_count / rows);
        if (te->stats && te->stats->column_bytes && c < te->stats->column_count && rows > 0 && type_bytes(f->type) >= 32)
            ce.bytes = 16 + (double)te->stats->column_bytes[c] / rows;
        if (ce.ndv < 1)
            ce.ndv = 1;
        *estimate_column(es, lp->out[i].id) = ce;
    }
    if (lp->conjunct_count)
        rows *= estimate_selectivity(es, lp->conjuncts, lp->conjunct_count);
    return rows;
}

/* ---- expressions ---- */

double estimate_ndv(struct estimates *es, const struct expr *e, double rows)
{
    double ndv = rows;
    if (e->kind == EXPR_COLUMN) {
        const struct col_est *ce = estimate_column(es, e->column);
        if (ce->known)
            ndv = ce->ndv;
    } else if (e->kind == EXPR_LITERAL || e->arg_count == 0) {
        return 1;
    } else if (is_call(e, "year") || is_call(e, "extract") || is_call(e, "date_part")) {
        const struct expr *a = e->args[e->arg_count - 1];
        const struct col_est *ce = a->kind == EXPR_COLUMN ? estimate_column(es, a->column) : NULL;
        ndv = ce && ce->ranged && a->type->id == TYPE_DATE ? (ce->max - ce->min) / 365.25 + 1 : 10;
    } else if (is_call(e, "month")) {
        ndv = 12;
    } else if ((is_call(e, "substring") || is_call(e, "left")) && e->args[e->arg_count - 1]->kind == EXPR_LITERAL &&
               e->args[e->arg_count - 1]->type->id == TYPE_INT) {
        double length = (double)e->args[e->arg_count - 1]->literal.i; /* a few different letters a place */
        ndv = fmin(estimate_ndv(es, e->args[0], rows), length < 8 ? pow(5, fmax(length, 1)) : rows);
    } else if (e->type->id == TYPE_BOOLEAN) {
        ndv = 2;
    } else {
        ndv = 1;
        for (uint32_t i = 0; i < e->arg_count; i++)
            ndv *= estimate_ndv(es, e->args[i], rows);
    }
    ndv = fmin(ndv, rows);
    return ndv >= 1 ? ndv : 1;
}

double estimate_groups(struct estimates *es, struct expr *const *keys, uint32_t count, double rows)
{
    double groups = 1;
    for (uint32_t i = 0; i < count; i++)
        groups *= estimate_ndv(es, keys[i], rows);
    return fmax(1, fmin(groups, rows));
}

double estimate_domain(struct estimates *es, const struct expr *a, double rows_a, const struct expr *b, double rows_b)
{
    double x = estimate_ndv(es, a, fmax(rows_a, 1)), y = estimate_ndv(es, b, fmax(rows_b, 1));
    if (a->kind == EXPR_COLUMN && b->kind == EXPR_COLUMN) {
        const struct col_est *ca = estimate_column(es, a->column), *cb = estimate_column(es, b->column);
        if (ca->known)
            x = ca->ndv;
        if (cb->known)
            y = cb->ndv;
        if (ca->ranged && cb->ranged) {
            double lo = fmax(ca->min, cb->min), hi = fmin(ca->max, cb->max);
            double wide = fmax(ca->max - ca->min, cb->max - cb->min);
            if (hi >= lo && (hi - lo) >= wide * 0.5) /* the same range: a foreign key and its primary key */
                return fmax(1, fmin(x, y));
        }
    }
    return fmax(1, fmax(x, y));
}

struct bounds {
    uint32_t column;
    double lo, hi;
    bool has_lo, has_hi;
};

/* column op literal, as a bound of the column; false when it is none. */
static bool bound_of(const struct expr *e, struct bounds *b)
{
    static const char *const ops[] = {"<", "<=", ">", ">="};
    if (e->kind != EXPR_CALL || e->arg_count != 2 || e->args[0]->kind != EXPR_COLUMN || e->args[1]->kind != EXPR_LITERAL)
        return false;
    double v;
    for (uint32_t i = 0; i < 4; i++) {
        if (!is_call(e, ops[i]) || !value_number(&e->args[1]->literal, &v))
            continue;
        b->column = e->args[0]->column;
        if (i < 2) {
            b->hi = v;
            b->has_hi = true;
        } else {
            b->lo = v;
            b->has_lo = true;
        }
        return true;
    }
    return false;
}

static double selectivity(struct estimates *es, const struct expr *e)
{
    if (e->kind == EXPR_LITERAL)
        return is_literal_bool(e, true) ? 1 : 0;
    if (e->kind != EXPR_CALL)
        return 0.5;
    if (is_call(e, "and"))
        return estimate_selectivity(es, e->args, e->arg_count);
    if (is_call(e, "or")) {
        double none = 1;
        for (uint32_t i = 0; i < e->arg_count; i++)
            none *= 1 - selectivity(es, e->args[i]);
        return 1 - none;
    }
    if (is_call(e, "not"))
        return 1 - selectivity(es, e->args[0]);
    const struct col_est *ce = NULL;
    if (e->arg_count && e->args[0]->kind == EXPR_COLUMN) {
        ce = estimate_column(es, e->args[0]->column);
        if (!ce->known)
            ce = NULL;
    }
    if (is_call(e, "=") || is_call(e, "<=>") || is_call(e, "!=")) {
        double n = fmax(estimate_ndv(es, e->args[0], 1e9), estimate_ndv(es, e->args[1], 1e9));
        double v, sel = n < 1e9 ? 1 / n : 0.1;
        if (ce && ce->ranged && e->args[1]->kind == EXPR_LITERAL && value_number(&e->args[1]->literal, &v) &&
            (v < ce->min || v > ce->max))
            sel = 0;
        return is_call(e, "!=") ? 1 - sel : sel;
    }
    if (is_call(e, "in")) {
        double n = estimate_ndv(es, e->args[0], 1e9), sel = (n < 1e9 ? 1 / n : 0.05) * (e->arg_count - 1);
        return fmin(sel, 1);
    }
    if (is_call(e, "isnull"))
        return ce ? ce->null_frac : 0.05;
    if (is_call(e, "isnotnull"))
        return ce ? 1 - ce->null_frac : 0.95;
    if (is_call(e, "like"))
        return 0.1;
    if (is_call(e, "startswith"))
        return 0.05;
    if (is_call(e, "<") || is_call(e, "<=") || is_call(e, ">") || is_call(e, ">=")) {
        struct bounds b = {0};
        if (ce && ce->ranged && bound_of(e, &b)) {
            double width = fmax(ce->max - ce->min, 1e-9);
            double sel = b.has_lo ? (ce->max - b.lo) / width : (b.hi - ce->min) / width;
            return fmin(1, fmax(0, sel));
        }
        bool columns = e->args[0]->kind != EXPR_LITERAL && e->args[1]->kind != EXPR_LITERAL;
        return columns ? 0.5 : 0.3;
    }
    return 0.2;
}

double estimate_selectivity(struct estimates *es, struct expr *const *conjuncts, uint32_t count)
{
    struct exprs all = {0};
    for (uint32_t i = 0; i < count; i++)
        exprs_add_conjuncts(es->ar, &all, conjuncts[i]);
    struct bounds *seen = ARENA_ARRAY(es->ar, struct bounds, all.count);
    uint32_t seen_count = 0;
    double sel = 1;
    for (uint32_t i = 0; i < all.count; i++) {
        struct expr *e = all.items[i];
        struct bounds b = {0};
        const struct col_est *ce = bound_of(e, &b) ? estimate_column(es, b.column) : NULL;
        if (!ce || !ce->known || !ce->ranged) {
            sel *= selectivity(es, e);
            continue;
        }
        uint32_t s = 0; /* two bounds of a column are one range, not two chances */
        while (s < seen_count && seen[s].column != b.column)
            s++;
        if (s == seen_count)
            seen[seen_count++] = (struct bounds){.column = b.column, .lo = ce->min, .hi = ce->max};
        if (b.has_lo)
            seen[s].lo = fmax(seen[s].lo, b.lo);
        if (b.has_hi)
            seen[s].hi = fmin(seen[s].hi, b.hi);
    }
    for (uint32_t s = 0; s < seen_count; s++) {
        const struct col_est *ce = estimate_column(es, seen[s].column);
        double width = fmax(ce->max - ce->min, 1e-9);
        sel *= fmin(1, fmax(1.0 / fmax(ce->ndv, 2), (seen[s].hi - seen[s].lo) / width));
    }
    return fmin(1, fmax(0, sel));
}

/* ---- nodes ---- */

static double join_rows(struct estimates *es, const struct logical *lp)
{
    double l = estimate_rows(es, lp->inputs[0]), r = estimate_rows(es, lp->inputs[1]);
    struct exprs conj = {0}, rest = {0};
    exprs_add_conjuncts(es->ar, &conj, lp->condition);
    struct colset left = {0}, right = {0};
    colset_add_out(es->ar, &left, lp->inputs[0]);
    colset_add_out(es->ar, &right, lp->inputs[1]);
    double domain = 1, match = 1;
    bool keyed = false;
    for (uint32_t i = 0; i < conj.count; i++) {
        bool null_safe;
        struct expr *e = conj.items[i];
        if (is_equality(e, &null_safe)) {
            struct expr *a = e->args[0], *b = e->args[1];
            if (expr_within(a, &right) && expr_within(b, &left)) {
                struct expr *t = a;
                a = b;
                b = t;
            }
            if (expr_within(a, &left) && expr_within(b, &right)) {
                domain *= estimate_domain(es, a, l, b, r);
                double nl = estimate_ndv(es, a, fmax(l, 1)), nr = estimate_ndv(es, b, fmax(r, 1));
                match *= fmin(1, nr / fmax(nl, 1));
                keyed = true;
                continue;
            }
        }
        exprs_add(es->ar, &rest, e);
    }
    domain = fmin(domain, fmax(fmax(l, r), 1));
    double rest_sel = rest.count ? estimate_selectivity(es, rest.items, rest.count) : 1;
    double inner = l * r / fmax(domain, 1) * rest_sel;
    switch (lp->join_kind) {
    case JOIN_INNER:
        return inner;
    case JOIN_LEFT:
        return fmax(l, inner);
    case JOIN_RIGHT:
        return fmax(r, inner);
    case JOIN_FULL:
        return fmax(l, r) + inner * 0.1;
    case JOIN_SEMI:
        return keyed ? l * match * (rest.count ? 0.7 : 1) : l * 0.9;
    case JOIN_ANTI:
    case JOIN_ANTI_NULL_AWARE:
        return keyed ? l * fmax(0.2, 1 - match * (rest.count ? 0.7 : 1)) : l * 0.1;
    case JOIN_SINGLE:
    case JOIN_MARK:
        return l;
    }
    return inner;
}

/* An aggregate's results lie in the range of its argument; a sum's in so many times that range as groups have rows. */
static struct col_est aggregate_est(struct estimates *es, const struct expr *agg, double rows, double groups)
{
    struct col_est ce = {.known = true, .ndv = groups, .bytes = type_bytes(agg->type)};
    const char *name = agg_name(agg->agg);
    if (strcmp(name, "count") == 0) {
        ce.ndv = fmax(1, sqrt(groups));
        return ce;
    }
    const struct col_est *arg =
        agg->arg_count && agg->args[0]->kind == EXPR_COLUMN ? estimate_column(es, agg->args[0]->column) : NULL;
    bool sum = strcmp(name, "sum") == 0;
    if (arg && arg->known && arg->ranged && (sum || strcmp(name, "avg") == 0 || strcmp(name, "min") == 0 || strcmp(name, "max") == 0)) {
        double times = sum ? fmax(1, rows / groups) : 1;
        ce.ranged = true;
        ce.min = fmin(arg->min, arg->min * times);
        ce.max = fmax(arg->max, arg->max * times);
    }
    return ce;
}

static double node_rows(struct estimates *es, const struct logical *lp)
{
    switch (lp->kind) {
    case LP_SCAN:
        return scan_rows(es, lp);
    case LP_RANGE: {
        double rows = lp->range_step ? ceil(((double)lp->range_end - (double)lp->range_start) / (double)lp->range_step) : 0;
        rows = fmax(rows, 0);
        if (lp->out_count) {
            *estimate_column(es, lp->out[0].id) =
                (struct col_est){.known = true, .ranged = true, .min = (double)lp->range_start, .max = (double)lp->range_end,
                                 .ndv = fmax(rows, 1), .bytes = 8};
        }
        return rows;
    }
    case LP_VALUES:
        for (uint32_t i = 0; i < lp->out_count; i++)
            *estimate_column(es, lp->out[i].id) =
                (struct col_est){.known = true, .ndv = fmax(lp->row_count, 1), .bytes = type_bytes(lp->out[i].type)};
        return lp->row_count;
    case LP_PROJECT: {
        double rows = estimate_rows(es, lp->inputs[0]);
        for (uint32_t i = 0; i < lp->out_count; i++) {
            const struct expr *e = lp->exprs[i];
            struct col_est ce = {.known = true, .ndv = estimate_ndv(es, e, fmax(rows, 1)), .bytes = type_bytes(e->type)};
            if (e->kind == EXPR_COLUMN && estimate_column(es, e->column)->known)
                ce = *estimate_column(es, e->column);
            *estimate_column(es, lp->out[i].id) = ce;
        }
        return rows;
    }
    case LP_FILTER: {
        double rows = estimate_rows(es, lp->inputs[0]);
        return rows * estimate_selectivity(es, &lp->condition, 1);
    }
    case LP_AGGREGATE: {
        double rows = estimate_rows(es, lp->inputs[0]);
        double groups = lp->expr_count ? fmin(rows, estimate_groups(es, lp->exprs, lp->expr_count, fmax(rows, 1))) : 1;
        for (uint32_t i = 0; i < lp->expr_count; i++) {
            const struct expr *e = lp->exprs[i];
            struct col_est ce = {.known = true, .bytes = type_bytes(e->type), .ndv = estimate_ndv(es, e, fmax(rows, 1))};
            if (e->kind == EXPR_COLUMN && estimate_column(es, e->column)->known)
                ce = *estimate_column(es, e->column);
            ce.ndv = fmax(1, fmin(ce.ndv, groups));
            *estimate_column(es, lp->out[i].id) = ce;
        }
        for (uint32_t i = 0; i < lp->agg_count; i++)
            *estimate_column(es, lp->out[lp->expr_count + i].id) = aggregate_est(es, lp->aggs[i], rows, fmax(1, groups));
        return groups;
    }
    case LP_JOIN:
        return join_rows(es, lp);
    case LP_LIMIT: {
        double rows = estimate_rows(es, lp->inputs[0]);
        return lp->limit >= 0 ? fmin(rows, (double)lp->limit) : rows;
    }
    case LP_UNION: {
        double rows = 0;
        for (uint32_t i = 0; i < lp->input_count; i++)
            rows += estimate_rows(es, lp->inputs[i]);
        for (uint32_t c = 0; c < lp->out_count; c++) {
            struct col_est ce = {.known = true, .bytes = type_bytes(lp->out[c].type)};
            for (uint32_t i = 0; i < lp->input_count; i++) {
                const struct col_est *in = estimate_column(es, lp->inputs[i]->out[c].id);
                ce.ndv += in->known ? in->ndv : estimate_rows(es, lp->inputs[i]);
            }
            ce.ndv = fmax(1, ce.ndv);
            *estimate_column(es, lp->out[c].id) = ce;
        }
        return rows;
    }
    case LP_EXPAND: {
        double rows = estimate_rows(es, lp->inputs[0]) * lp->list_count;
        for (uint32_t c = 0; c < lp->out_count; c++) {
            struct col_est ce = {.known = true, .ndv = lp->list_count, .bytes = type_bytes(lp->out[c].type)};
            for (uint32_t i = 0; i < lp->list_count; i++)
                if (lp->lists[i][c]->kind == EXPR_COLUMN && estimate_column(es, lp->lists[i][c]->column)->known)
                    ce = *estimate_column(es, lp->lists[i][c]->column);
            *estimate_column(es, lp->out[c].id) = ce;
        }
        return rows;
    }
    case LP_SORT:
    case LP_WRITE:
        return estimate_rows(es, lp->inputs[0]);
    case LP_SETOP:
    case LP_DISTINCT:
        break;
    }
    return lp->input_count ? estimate_rows(es, lp->inputs[0]) : 1;
}

static struct node_est *node_slot(struct estimates *es, const struct logical *lp)
{
    if ((es->node_count + 1) * 2 > es->node_cap) {
        struct node_est *old = es->nodes;
        uint32_t old_cap = es->node_cap;
        es->node_cap = old_cap ? old_cap * 2 : 128;
        es->nodes = ARENA_ARRAY(es->ar, struct node_est, es->node_cap);
        es->node_count = 0;
        for (uint32_t i = 0; i < old_cap; i++)
            if (old[i].lp) {
                struct node_est *slot = node_slot(es, old[i].lp);
                *slot = old[i];
                es->node_count++;
            }
    }
    uint32_t at = (uint32_t)hash_u64((uintptr_t)lp) & (es->node_cap - 1);
    while (es->nodes[at].lp && es->nodes[at].lp != lp)
        at = (at + 1) & (es->node_cap - 1);
    return &es->nodes[at];
}

double estimate_rows(struct estimates *es, const struct logical *lp)
{
    struct node_est *slot = node_slot(es, lp);
    if (slot->lp)
        return slot->rows;
    double rows = node_rows(es, lp);
    slot = node_slot(es, lp); /* the table may have grown */
    *slot = (struct node_est){lp, rows};
    es->node_count++;
    return rows;
}

double estimate_bytes(struct estimates *es, const struct logical *lp)
{
    double rows = estimate_rows(es, lp);
    return rows * estimate_row_bytes(es, lp->out, lp->out_count);
}
