/* See rows.h. */
#include "common/format/rows.h"

const struct type *row_scan_type(const struct scan_spec *spec, uint32_t i)
{
    uint32_t field = spec->columns[i], n = spec->file_schema.count;
    return field < n ? spec->file_schema.fields[field].type : spec->partition_schema.fields[field - n].type;
}

struct col_set {
    uint8_t *seen;
    uint32_t count;
};

static void collect_column(struct expr *e, void *ctx)
{
    struct col_set *s = ctx;
    if (e->kind == EXPR_COLUMN && !s->seen[e->column]) {
        s->seen[e->column] = 1;
        s->count++;
    }
}

static int rank(const struct row_conjunct *c)
{
    return !c->safe ? 2 : c->col_count > 1;
}

static int open_conjunct(struct row_scan *rs, struct expr *e, const struct type *const *types, struct arena *ar,
                         struct error *err)
{
    const struct scan_spec *spec = rs->spec;
    struct row_conjunct c = {0};
    const struct program *p;
    struct col_set set = {ARENA_ARRAY(ar, uint8_t, spec->column_count), 0};
    expr_walk(e, collect_column, &set);
    c.cols = ARENA_ARRAY(ar, uint32_t, set.count);
    for (uint32_t k = 0; k < spec->column_count; k++)
        if (set.seen[k])
            c.cols[c.col_count++] = k;
    c.safe = expr_is_deterministic(e) && !expr_can_raise(e);
    TRY(program_compile(ar, spec->cx, &e, 1, types, spec->column_count, &p, err));
    c.state = expr_state_new(p, spec->cx ? spec->cx->seed : 0, 0, 0, NULL);
    uint32_t at = rs->conjunct_count++; /* a stable insertion by rank */
    for (; at > 0 && rank(&rs->conjuncts[at - 1]) > rank(&c); at--)
        rs->conjuncts[at] = rs->conjuncts[at - 1];
    rs->conjuncts[at] = c;
    return 0;
}

int row_scan_open(struct row_scan *rs, const struct scan_spec *spec, struct arena *ar, struct error *err)
{
    const struct type **types = ARENA_ARRAY(ar, const struct type *, spec->column_count);
    rs->spec = spec;
    rs->sel = ARENA_ARRAY(ar, uint16_t, BATCH_ROWS);
    for (uint32_t i = 0; i < spec->column_count; i++)
        types[i] = row_scan_type(spec, i);
    rs->conjuncts = ARENA_ARRAY(ar, struct row_conjunct, spec->conjunct_count);
    for (uint32_t i = 0; i < spec->conjunct_count; i++)
        TRY(open_conjunct(rs, spec->conjuncts[i], types, ar, err));
    return 0;
}

void row_scan_close(struct row_scan *rs)
{
    for (uint32_t i = 0; i < rs->conjunct_count; i++)
        expr_state_free(rs->conjuncts[i].state);
    rs->conjunct_count = 0;
}

void row_scan_filters(struct row_scan *rs, const struct scan_filter *filters, uint32_t count)
{
    rs->filter_count = count < SCAN_FILTERS_MAX ? count : SCAN_FILTERS_MAX;
    for (uint32_t i = 0; i < rs->filter_count; i++)
        rs->filters[i] = (struct row_filter){.f = filters[i]};
}

static void select_rows(struct row_scan *rs, struct batch *b, uint32_t n)
{
    if (n < b->sel_count) {
        b->sel = rs->sel;
        b->sel_count = n;
    }
}

int row_scan_conjunct(struct row_scan *rs, uint32_t i, struct batch *b, struct error *err)
{
    uint32_t n;
    TRY(program_filter(rs->conjuncts[i].state, b, rs->sel, &n, err));
    select_rows(rs, b, n);
    return 0;
}

void row_scan_narrow(struct row_scan *rs, struct row_filter *f, struct batch *b)
{
    uint32_t before = b->sel_count, n = f->f.narrow(f->f.ctx, &b->cols[f->f.column], b->sel, before, rs->sel);
    select_rows(rs, b, n);
    f->seen += before;
    f->kept += n;
    if (f->seen > 1 << 15)
        f->off = f->kept * 10 > f->seen * 9;
}

int row_scan_apply(struct row_scan *rs, struct batch *b, row_decode_cb decode, void *ctx, struct error *err)
{
    for (uint32_t i = 0; i < rs->conjunct_count && b->sel_count > 0; i++) {
        const struct row_conjunct *c = &rs->conjuncts[i];
        for (uint32_t k = 0; k < c->col_count && decode; k++)
            TRY(decode(ctx, c->cols[k], err));
        TRY(row_scan_conjunct(rs, i, b, err));
    }
    for (uint32_t i = 0; i < rs->filter_count && b->sel_count > 0; i++) {
        struct row_filter *f = &rs->filters[i];
        if (f->off)
            continue;
        if (decode)
            TRY(decode(ctx, f->f.column, err));
        row_scan_narrow(rs, f, b);
    }
    return 0;
}
