/*
 * The Parquet reader: row groups of a split, in batches.
 *
 * A batch is made in this order: conjuncts first, one after the other, each over the columns it needs,
 * decoded under the selection that the conjuncts before it left; then the other columns under the final
 * selection. What nobody selected is skipped lazily: a leaf only notes how many rows to pass over, and
 * whole pages of them are never decompressed.
 *
 * A conjunct over one column whose chunk is dictionary-encoded is evaluated once per dictionary entry; the
 * batch then only looks its codes up in a table of bytes. When no entry passes, the row group ends at once.
 *
 * Order of conjuncts: those that cannot raise come first, single columns before several; those that can
 * raise keep their order after them, so an error appears only on rows that all the others let through.
 */
#include "common/format/parquet/form.h"
#include "common/format/parquet/nested.h"
#include "common/format/parquet/prune.h"
#include "common/format/parquet/writer.h"
#include "common/format/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Which entries of a dictionary pass a conjunct. */
struct entry_table {
    uint64_t dict_id; /* of which dictionary, 0: none yet */
    uint8_t *passes;
    size_t cap;
    bool none;        /* no entry passes */
};

enum source { SOURCE_LEAF, SOURCE_NESTED, SOURCE_PARTITION, SOURCE_MISSING };

struct scan_col {
    enum source source;
    const struct type *type;
    uint32_t node;          /* of the file's schema */
    uint32_t leaf;          /* SOURCE_LEAF: number in leaves */
    struct pq_nested *nested;
    uint32_t partition;
    bool decoded;           /* in the current batch */
    bool filtering;         /* some conjunct looks at it */
};

struct range {
    int64_t from, to; /* rows of the group */
};

struct reader {
    const struct scan_spec *spec;
    struct file_split split;
    char *path;
    int fd;
    struct pq_footer *footer;
    struct pq_mem mem;
    struct pq_codecs codecs;
    struct arena arena;        /* the reader's life */
    struct arena group_arena;  /* page index */
    struct arena batch_arena;

    uint32_t col_count;
    struct scan_col *cols;
    uint32_t leaf_count;
    struct pq_leaf *leaves;
    uint32_t *leaf_numbers;    /* column number in the file of each leaf */
    struct row_scan scan;
    struct entry_table *tables; /* one a conjunct */
    bool nothing;              /* statistics of a missing column exclude all */

    uint32_t next_group;
    const struct pq_group *group;
    struct range *ranges;      /* rows of the group that the page index left */
    uint32_t range_count, range_at;
    int64_t row;               /* next row of the group */

    struct column *columns;    /* of the batch */
    struct batch batch;
    struct reader_metrics metrics;
};

/* ---- opening ---- */

static int open_file(const char *path, uint64_t *ret_bytes, int64_t *ret_mtime_us, int *ret_fd, struct error *err)
{
    char text[128];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        const char *why = strerror_r(errno, text, sizeof text);
        if (fd >= 0)
            close(fd);
        return error_set(err, ERR_FILE_READ, "path", path, "message", why, NULL);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(err, ERR_FILE_READ, "path", path, "message", "not a regular file", NULL);
    }
    *ret_bytes = (uint64_t)st.st_size;
    *ret_mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    *ret_fd = fd;
    return 0;
}

/* The child of a group by name: exactly, or else without case when only one fits. */
int pq_child_find(const struct pq_footer *f, const struct pq_node *n, const char *name)
{
    int found = -1;
    for (uint32_t i = 0; i < n->child_count; i++)
        if (!strcmp(f->nodes[n->children[i]].name, name))
            return (int)n->children[i];
    for (uint32_t i = 0; i < n->child_count; i++)
        if (str_eq_nocase(f->nodes[n->children[i]].name, name)) {
            if (found >= 0)
                return -1;
            found = (int)n->children[i];
        }
    return found;
}

static uint32_t add_leaf(struct reader *r, uint32_t number, const struct type *type, struct pq_conv conv)
{
    uint32_t at = r->leaf_count++;
    struct pq_file file = {r->path, r->fd, &r->mem, &r->codecs, &r->metrics.bytes_read, &r->metrics.pages_skipped};
    pq_leaf_init(&r->leaves[at], &file, &r->footer->nodes[r->footer->leaf_nodes[number]], type, conv);
    r->leaf_numbers[at] = number;
    return at;
}

static struct pq_leaf *nested_leaf(void *ctx, uint32_t number, const struct type *type, struct pq_conv conv)
{
    struct reader *r = ctx;
    return &r->leaves[add_leaf(r, number, type, conv)];
}

static int open_columns(struct reader *r, struct error *err)
{
    const struct scan_spec *spec = r->spec;
    const struct pq_footer *f = r->footer;
    uint32_t fields = spec->file_schema.count, leaves_max = 0;
    r->col_count = spec->column_count;
    r->cols = ARENA_ARRAY(&r->arena, struct scan_col, r->col_count);
    r->columns = ARENA_ARRAY(&r->arena, struct column, r->col_count);
    for (uint32_t i = 0; i < r->col_count; i++) {
        struct scan_col *c = &r->cols[i];
        uint32_t field = spec->columns[i];
        if (field >= fields) {
            c->source = SOURCE_PARTITION;
            c->partition = field - fields;
            ASSERT(c->partition < spec->partition_schema.count && c->partition < r->split.partition_count);
            c->type = spec->partition_schema.fields[c->partition].type;
            continue;
        }
        c->type = spec->file_schema.fields[field].type;
        int node = pq_child_find(f, &f->nodes[0], spec->file_schema.fields[field].name);
        c->source = SOURCE_MISSING;
        if (node < 0)
            continue;
        const struct pq_node *n = &f->nodes[node];
        c->node = (uint32_t)node;
        if (n->logical == PQL_UNKNOWN && n->is_leaf && n->repetition != PQ_REPEATED)
            continue;
        c->source = n->is_leaf && n->max_rep == 0 ? SOURCE_LEAF : SOURCE_NESTED;
        leaves_max += c->source == SOURCE_LEAF ? 1 : pq_nested_leaves_max(c->type);
    }
    r->leaves = ARENA_ARRAY(&r->arena, struct pq_leaf, leaves_max);
    r->leaf_numbers = ARENA_ARRAY(&r->arena, uint32_t, leaves_max);
    for (uint32_t i = 0; i < r->col_count; i++) {
        struct scan_col *c = &r->cols[i];
        if (c->source == SOURCE_LEAF) {
            struct pq_conv conv;
            TRY(pq_conv_choose(r->path, &f->nodes[c->node], c->type, &conv, err));
            c->leaf = add_leaf(r, f->nodes[c->node].leaf, c->type, conv);
        } else if (c->source == SOURCE_NESTED) {
            TRY(pq_nested_plan(r->path, f, c->node, c->type, &r->arena, nested_leaf, r, &c->nested, err));
        }
    }
    ASSERT(r->leaf_count <= leaves_max);
    return 0;
}

static int open_conjuncts(struct reader *r, struct error *err)
{
    TRY(row_scan_open(&r->scan, r->spec, &r->arena, err));
    r->tables = ARENA_ARRAY(&r->arena, struct entry_table, r->scan.conjunct_count);
    for (uint32_t i = 0; i < r->scan.conjunct_count; i++)
        for (uint32_t k = 0; k < r->scan.conjuncts[i].col_count; k++)
            r->cols[r->scan.conjuncts[i].cols[k]].filtering = true;
    return 0;
}

static void parquet_close(struct reader *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->leaf_count; i++)
        pq_leaf_fini(&r->leaves[i]);
    for (uint32_t i = 0; i < r->scan.conjunct_count && r->tables; i++)
        pq_mem_free(&r->mem, &r->tables[i].passes, &r->tables[i].cap);
    row_scan_close(&r->scan);
    pq_codecs_fini(&r->codecs);
    pq_footer_unref(r->footer);
    if (r->fd >= 0)
        close(r->fd);
    arena_fini(&r->batch_arena);
    arena_fini(&r->group_arena);
    arena_fini(&r->arena);
    xfree(r->path);
    xfree(r);
}

static int parquet_open(const struct scan_spec *spec, const struct file_split *split, struct account *account,
                        struct reader **ret, struct error *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    uint64_t bytes;
    int64_t mtime_us;
    int rc;
    r->spec = spec;
    r->split = *split;
    r->path = xstrdup(split->path);
    r->fd = -1;
    r->mem.account = account;
    arena_init(&r->arena);
    arena_init(&r->group_arena);
    arena_init(&r->batch_arena);
    if ((rc = open_file(r->path, &bytes, &mtime_us, &r->fd, err)) != 0)
        goto out;
    if ((rc = pq_footer_get(r->path, r->fd, bytes, mtime_us, &r->footer, err)) != 0)
        goto out;
    if ((rc = open_columns(r, err)) != 0 || (rc = open_conjuncts(r, err)) != 0)
        goto out;
    for (uint32_t i = 0; i < spec->prune_count; i++)
        if (spec->prunes[i].column < r->col_count && r->cols[spec->prunes[i].column].source == SOURCE_MISSING &&
            !pq_may_match_missing(&spec->prunes[i]))
            r->nothing = true;
    *ret = r;
    return 0;
out:
    parquet_close(r);
    return rc;
}

/* ---- groups ---- */

static bool group_may_match(struct reader *r, const struct pq_group *g)
{
    for (uint32_t i = 0; i < r->spec->prune_count; i++) {
        const struct prune *p = &r->spec->prunes[i];
        if (p->column >= r->col_count || r->cols[p->column].source != SOURCE_LEAF)
            continue;
        const struct scan_col *c = &r->cols[p->column];
        const struct pq_node *n = &r->footer->nodes[c->node];
        if (!pq_may_match(r->footer, n, c->type, &g->chunks[n->leaf].stats, g->rows, p))
            return false;
    }
    return true;
}

static int read_index(struct reader *r, uint64_t at, uint32_t bytes, const uint8_t **ret, struct error *err)
{
    uint8_t *p = arena_alloc(&r->group_arena, bytes);
    TRY(pq_read(r->path, r->fd, p, bytes, at, err));
    r->metrics.bytes_read += bytes;
    *ret = p;
    return 0;
}

/* Takes [from, to) out of the ranges. */
static void ranges_cut(struct reader *r, int64_t from, int64_t to)
{
    uint32_t count = 0;
    struct range *out = ARENA_ARRAY(&r->group_arena, struct range, r->range_count + 1);
    for (uint32_t i = 0; i < r->range_count; i++) {
        struct range g = r->ranges[i];
        if (to <= g.from || from >= g.to) {
            out[count++] = g;
            continue;
        }
        if (g.from < from)
            out[count++] = (struct range){g.from, from};
        if (to < g.to)
            out[count++] = (struct range){to, g.to};
    }
    r->ranges = out;
    r->range_count = count;
}

/* Reads the column indexes that conjuncts can use and cuts the rows that they exclude. */
static int apply_page_index(struct reader *r, const struct pq_group *g, struct error *err)
{
    for (uint32_t i = 0; i < r->spec->prune_count && r->range_count > 0; i++) {
        const struct prune *p = &r->spec->prunes[i];
        if (p->column >= r->col_count || r->cols[p->column].source != SOURCE_LEAF)
            continue;
        const struct scan_col *c = &r->cols[p->column];
        const struct pq_node *n = &r->footer->nodes[c->node];
        const struct pq_chunk *chunk = &g->chunks[n->leaf];
        if (!chunk->column_index || !chunk->offset_index)
            continue;
        const uint8_t *bytes;
        uint32_t count;
        struct pq_column_index ci;
        TRY(read_index(r, chunk->offset_index, chunk->offset_index_bytes, &bytes, err));
        struct pq_location *loc =
            pq_offset_index_parse(bytes, chunk->offset_index_bytes, chunk, g->rows, &r->group_arena, &count);
        if (!loc || count < 2)
            continue;
        TRY(read_index(r, chunk->column_index, chunk->column_index_bytes, &bytes, err));
        if (!pq_column_index_parse(bytes, chunk->column_index_bytes, count, &r->group_arena, &ci))
            continue;
        int64_t cut_from = -1;
        for (uint32_t k = 0; k <= count; k++) {
            bool cut = false;
            if (k < count) {
                int64_t rows = (k + 1 < count ? loc[k + 1].first_row : g->rows) - loc[k].first_row;
                if (ci.null_pages[k])
                    cut = p->op != PRUNE_IS_NULL;
                else
                    cut = !pq_may_match(r->footer, n, c->type, &ci.pages[k], rows, p);
            }
            if (cut && cut_from < 0)
                cut_from = loc[k].first_row;
            if (!cut && cut_from >= 0) {
                ranges_cut(r, cut_from, k < count ? loc[k].first_row : g->rows);
                cut_from = -1;
            }
        }
    }
    return 0;
}

/* The leaf whose dictionary decides about conjunct i, when it looks at one such column and cannot raise; or NULL. */
static struct pq_leaf *coded_leaf(struct reader *r, uint32_t i)
{
    const struct row_conjunct *c = &r->scan.conjuncts[i];
    const struct scan_col *col = c->col_count == 1 ? &r->cols[c->cols[0]] : NULL;
    return c->safe && col && col->source == SOURCE_LEAF ? &r->leaves[col->leaf] : NULL;
}

static int fill_table(struct reader *r, uint32_t i, struct pq_leaf *l, struct error *err)
{
    const struct row_conjunct *c = &r->scan.conjuncts[i];
    struct entry_table *t = &r->tables[i];
    uint32_t rows = l->dict_count + 1, step = batch_rows(), n;
    uint16_t sel[BATCH_ROWS];
    struct column *columns = ARENA_ARRAY(&r->batch_arena, struct column, r->col_count);
    struct column *col = &columns[c->cols[0]];
    TRY(pq_mem_grow(&r->mem, &t->passes, &t->cap, rows, err));
    memset(t->passes, 0, rows);
    t->none = true;
    for (uint32_t at = 0; at < rows; at += step) {
        struct batch b = {.col_count = r->col_count, .cols = columns};
        b.rows = b.sel_count = rows - at < step ? rows - at : step;
        *col = (struct column){.type = l->type,
                               .phys = l->conv.phys,
                               .kind = COL_FLAT,
                               .rows = b.rows,
                               .data = (char *)l->dict + (size_t)at * phys_bytes(l->conv.phys),
                               .nulls = at + b.rows == rows ? l->dict_nulls + at : NULL};
        TRY(program_filter(c->state, &b, sel, &n, err));
        for (uint32_t k = 0; k < n; k++)
            t->passes[at + sel[k]] = 1;
        if (n)
            t->none = false;
    }
    t->dict_id = l->dict_id;
    return 0;
}

static bool table_worth(const struct reader *r, const struct pq_leaf *l)
{
    return l->dict_id && (int64_t)l->dict_count * 2 <= r->group->rows + 64;
}

/* Looks at the dictionaries of all-dictionary chunks before any data page: may end the group. */
static int apply_dictionaries(struct reader *r, bool *ret_none, struct error *err)
{
    *ret_none = false;
    for (uint32_t i = 0; i < r->scan.conjunct_count && !*ret_none; i++) {
        struct pq_leaf *l = coded_leaf(r, i);
        if (!l || !l->chunk->all_dictionary || !l->chunk->has_dictionary)
            continue;
        TRY(pq_leaf_dictionary(l, err));
        if (!table_worth(r, l))
            continue;
        TRY(fill_table(r, i, l, err));
        *ret_none = r->tables[i].none;
    }
    return 0;
}

/* When rows were cut, the leaves go by their offset indexes and read only the pages they need. */
static int begin_leaves(struct reader *r, const struct pq_group *g, struct error *err)
{
    bool cut = r->range_count > 1 || r->ranges[0].from > 0 || r->ranges[0].to < g->rows;
    for (uint32_t i = 0; i < r->leaf_count; i++) {
        const struct pq_chunk *c = &g->chunks[r->leaf_numbers[i]];
        struct pq_location *loc = NULL;
        uint32_t count = 0;
        if (cut && c->offset_index && r->leaves[i].node->max_rep == 0) {
            const uint8_t *bytes;
            TRY(read_index(r, c->offset_index, c->offset_index_bytes, &bytes, err));
            loc = pq_offset_index_parse(bytes, c->offset_index_bytes, c, g->rows, &r->group_arena, &count);
        }
        pq_leaf_begin(&r->leaves[i], c, loc, count);
    }
    return 0;
}

/* Begins the next row group that may have rows; r->group is NULL at the end. */
static int begin_group(struct reader *r, struct error *err)
{
    r->group = NULL;
    while (!r->nothing && r->next_group < r->footer->group_count) {
        const struct pq_group *g = &r->footer->groups[r->next_group++];
        if (g->start < r->split.start || g->start - r->split.start >= r->split.length || g->rows == 0)
            continue;
        if (!group_may_match(r, g)) {
            r->metrics.groups_skipped++;
            continue;
        }
        arena_reset(&r->group_arena);
        r->ranges = ARENA_ARRAY(&r->group_arena, struct range, 1);
        r->ranges[0] = (struct range){0, g->rows};
        r->range_count = 1;
        TRY(apply_page_index(r, g, err));
        if (r->range_count == 0) {
            r->metrics.groups_skipped++;
            continue;
        }
        TRY(begin_leaves(r, g, err));
        bool none;
        r->group = g;
        r->range_at = 0;
        r->row = 0;
        arena_reset(&r->batch_arena);
        TRY(apply_dictionaries(r, &none, err));
        if (!none)
            return 0;
        r->metrics.groups_skipped++;
        r->group = NULL;
    }
    return 0;
}

/* ---- batches ---- */

static int decode(struct reader *r, uint32_t i, bool keep_codes, struct error *err)
{
    struct scan_col *c = &r->cols[i];
    struct batch *b = &r->batch;
    struct column *col = &r->columns[i];
    if (c->decoded)
        return 0;
    c->decoded = true;
    switch (c->source) {
    case SOURCE_LEAF:
        return pq_leaf_read(&r->leaves[c->leaf], b->rows, b->sel, b->sel_count, keep_codes || col->phys == PHYS_STR, col,
                            err);
    case SOURCE_NESTED:
        return pq_nested_read(c->nested, b->rows, &r->batch_arena, col, err);
    case SOURCE_PARTITION:
        *col = value_column(&r->split.partition_values[c->partition], b->rows, &r->batch_arena);
        return 0;
    case SOURCE_MISSING:
        *col = column_null(c->type, b->rows, &r->batch_arena);
        return 0;
    }
    UNREACHABLE("a source");
}

static void flatten_numbers(struct reader *r, uint32_t i)
{
    struct column *col = &r->columns[i];
    if (r->cols[i].source == SOURCE_LEAF && col->kind == COL_DICT && col->phys != PHYS_STR)
        pq_leaf_flatten(&r->leaves[r->cols[i].leaf], col, r->batch.sel, r->batch.sel_count);
}

static void select_codes(struct reader *r, const uint8_t *table, const uint32_t *codes)
{
    struct batch *b = &r->batch;
    uint16_t *sel = r->scan.sel;
    uint32_t n = 0;
    if (b->sel) {
        for (uint32_t k = 0; k < b->sel_count; k++) {
            sel[n] = b->sel[k];
            n += table[codes[b->sel[k]]];
        }
    } else {
        for (uint32_t i = 0; i < b->rows; i++) {
            sel[n] = (uint16_t)i;
            n += table[codes[i]];
        }
    }
    if (n < b->rows) {
        b->sel = sel;
        b->sel_count = n;
    }
}

static int apply_conjunct(struct reader *r, uint32_t i, struct error *err)
{
    const struct row_conjunct *c = &r->scan.conjuncts[i];
    struct entry_table *t = &r->tables[i];
    struct pq_leaf *l = coded_leaf(r, i);
    for (uint32_t k = 0; k < c->col_count; k++)
        TRY(decode(r, c->cols[k], l != NULL, err));
    if (l && r->columns[c->cols[0]].kind == COL_DICT && (t->dict_id == l->dict_id || table_worth(r, l))) {
        if (t->dict_id != l->dict_id)
            TRY(fill_table(r, i, l, err));
        select_codes(r, t->passes, r->columns[c->cols[0]].codes);
        return 0;
    }
    for (uint32_t k = 0; k < c->col_count; k++)
        flatten_numbers(r, c->cols[k]);
    return row_scan_conjunct(&r->scan, i, &r->batch, err);
}

/* What a join further up already knows to be unwanted. */
static int apply_filter(struct reader *r, struct row_filter *f, struct error *err)
{
    TRY(decode(r, f->f.column, false, err));
    flatten_numbers(r, f->f.column);
    row_scan_narrow(&r->scan, f, &r->batch);
    return 0;
}

static void parquet_filter(struct reader *r, const struct scan_filter *filters, uint32_t count)
{
    row_scan_filters(&r->scan, filters, count);
}

static void skip_all(struct reader *r, uint64_t rows)
{
    for (uint32_t i = 0; i < r->leaf_count; i++)
        pq_leaf_skip(&r->leaves[i], rows);
    r->row += (int64_t)rows;
}

static int make_batch(struct reader *r, uint32_t rows, struct error *err)
{
    struct batch *b = &r->batch;
    arena_reset(&r->batch_arena);
    *b = (struct batch){.rows = rows, .col_count = r->col_count, .cols = r->columns, .sel_count = rows};
    for (uint32_t i = 0; i < r->col_count; i++) {
        r->cols[i].decoded = false;
        r->columns[i].type = r->cols[i].type;
        r->columns[i].rows = rows;
        r->columns[i].phys = type_phys(r->cols[i].type);
    }
    for (uint32_t i = 0; i < r->scan.conjunct_count && b->sel_count > 0; i++)
        TRY(apply_conjunct(r, i, err));
    for (uint32_t i = 0; i < r->scan.filter_count && b->sel_count > 0; i++) {
        if (!r->scan.filters[i].off)
            TRY(apply_filter(r, &r->scan.filters[i], err));
    }
    for (uint32_t i = 0; i < r->col_count; i++) {
        struct scan_col *c = &r->cols[i];
        if (b->sel_count > 0) {
            TRY(decode(r, i, false, err));
            flatten_numbers(r, i);
        } else if (!c->decoded && c->source == SOURCE_LEAF) {
            pq_leaf_skip(&r->leaves[c->leaf], rows);
        } else if (!c->decoded && c->source == SOURCE_NESTED) {
            pq_nested_skip(c->nested, rows);
        }
    }
    r->row += rows;
    r->metrics.rows_read += rows;
    r->metrics.rows_out += b->sel_count;
    return 0;
}

static int parquet_next(struct reader *r, struct batch **ret, struct error *err)
{
    *ret = NULL;
    for (;;) {
        if (!r->group) {
            TRY(begin_group(r, err));
            if (!r->group)
                return 0;
        }
        if (r->range_at == r->range_count) {
            r->group = NULL;
            continue;
        }
        struct range *g = &r->ranges[r->range_at];
        if (r->row >= g->to) {
            r->range_at++;
            continue;
        }
        if (r->row < g->from)
            skip_all(r, (uint64_t)(g->from - r->row));
        int64_t left = g->to - r->row;
        TRY(make_batch(r, left < batch_rows() ? (uint32_t)left : batch_rows(), err));
        *ret = &r->batch;
        return 0;
    }
}

static void parquet_metrics(const struct reader *r, struct reader_metrics *ret)
{
    *ret = r->metrics;
}

/* ---- the driver's half ---- */

static int parquet_infer(const struct options *o, const char *const *paths, uint32_t path_count,
                         const struct query_ctx *cx, struct arena *ar, struct schema *ret, struct error *err)
{
    (void)cx;
    bool merge = options_bool(o, "mergeSchema", false);
    struct schema sch = {0};
    uint32_t cap = 0;
    if (path_count == 0)
        return error_set(err, ERR_SCHEMA_INFER, "format", "Parquet", NULL);
    for (uint32_t k = 0; k < (merge ? path_count : 1); k++) {
        uint64_t bytes;
        int64_t mtime_us;
        int fd, rc;
        struct pq_footer *f = NULL;
        TRY(open_file(paths[k], &bytes, &mtime_us, &fd, err));
        rc = pq_footer_get(paths[k], fd, bytes, mtime_us, &f, err);
        close(fd);
        for (uint32_t i = 0; !rc && i < f->nodes[0].child_count; i++) {
            const struct type *t;
            const char *name = f->nodes[f->nodes[0].children[i]].name;
            uint32_t at = 0;
            if ((rc = pq_node_type(paths[k], f, f->nodes[0].children[i], &t, err)) != 0)
                break;
            while (at < sch.count && (k == 0 || !str_eq_nocase(sch.fields[at].name, name)))
                at++;
            if (at == sch.count) {
                struct field field = {arena_strdup(ar, name), t, true};
                ARENA_PUSH(ar, sch.fields, sch.count, cap, field);
            } else if (sch.fields[at].type != t) {
                rc = error_set(err, ERR_FILE_TYPE, "path", paths[k], "column", name, "actualType", t->text,
                               "expectedType", sch.fields[at].type->text, NULL);
            }
        }
        pq_footer_unref(f);
        if (rc)
            return rc;
    }
    *ret = sch;
    return 0;
}

static void widen_range(struct column_stats *cs, const struct value *min, const struct value *max, struct arena *ar)
{
    struct value *bounds[2] = {&cs->min, &cs->max};
    const struct value *news[2] = {min, max};
    for (int i = 0; i < 2; i++) {
        struct value *b = bounds[i];
        const struct value *v = news[i];
        bool take = !cs->has_range;
        if (!take) {
            struct column ca = value_column(b, 1, ar), cb = value_column(v, 1, ar);
            int c = column_cmp(&cb, 0, &ca, 0);
            take = i == 0 ? c < 0 : c > 0;
        }
        if (take) {
            *b = *v;
            if (v->type->id == TYPE_STRING || v->type->id == TYPE_BINARY)
                b->s.ptr = arena_dup(ar, v->s.ptr, v->s.bytes);
        }
    }
    cs->has_range = true;
}

static int parquet_stats(const char *path, const struct schema *sch, struct arena *ar, struct file_stats **ret,
                         struct error *err)
{
    uint64_t bytes;
    int64_t mtime_us;
    int fd, rc;
    struct pq_footer *f;
    struct file_stats *st = ARENA_NEW(ar, struct file_stats);
    TRY(open_file(path, &bytes, &mtime_us, &fd, err));
    rc = pq_footer_get(path, fd, bytes, mtime_us, &f, err);
    close(fd);
    if (rc)
        return rc;
    st->rows = f->rows;
    st->column_count = sch->count;
    st->columns = ARENA_ARRAY(ar, struct column_stats, sch->count);
    st->column_bytes = ARENA_ARRAY(ar, uint64_t, sch->count);
    for (uint32_t i = 0; i < sch->count; i++) {
        struct column_stats *cs = &st->columns[i];
        int node = pq_child_find(f, &f->nodes[0], sch->fields[i].name);
        bool ranged = true;
        cs->null_count = cs->distinct_count = -1;
        if (node < 0) {
            cs->null_count = f->rows;
            continue;
        }
        const struct pq_node *n = &f->nodes[node];
        uint32_t first = n->leaf, last = first + 1;
        while (!n->is_leaf && last < f->leaf_count) { /* all leaves below the node */
            uint32_t up = f->leaf_nodes[last];
            while (up != (uint32_t)node && up != 0)
                up = f->nodes[up].parent;
            if (up == 0)
                break;
            last++;
        }
        cs->null_count = n->is_leaf ? 0 : -1;
        for (uint32_t g = 0; g < f->group_count; g++) {
            for (uint32_t k = first; k < last && k < f->leaf_count; k++)
                st->column_bytes[i] += (uint64_t)(f->groups[g].chunks[k].bytes_raw > 0 ? f->groups[g].chunks[k].bytes_raw : 0);
            if (!n->is_leaf || n->max_rep)
                continue;
            const struct pq_stats *s = &f->groups[g].chunks[n->leaf].stats;
            struct value lo, hi;
            if (s->null_count < 0)
                cs->null_count = -1;
            else if (cs->null_count >= 0)
                cs->null_count += s->null_count;
            if (s->null_count == f->groups[g].rows)
                continue;
            if (ranged && pq_stats_value(f, n, sch->fields[i].type, s, false, &lo) &&
                pq_stats_value(f, n, sch->fields[i].type, s, true, &hi))
                widen_range(cs, &lo, &hi, ar);
            else
                ranged = cs->has_range = false;
        }
        if (!ranged)
            cs->has_range = false;
    }
    pq_footer_unref(f);
    *ret = st;
    return 0;
}

static bool parquet_splittable(const struct options *o, const char *path)
{
    (void)o;
    (void)path;
    return true;
}

const struct format_row format_parquet = {
    .name = "parquet",
    .infer = parquet_infer,
    .stats = parquet_stats,
    .splittable = parquet_splittable,
    .open = parquet_open,
    .next = parquet_next,
    .metrics = parquet_metrics,
    .filter = parquet_filter,
    .close = parquet_close,
    .can_write = pq_can_write,
    .create = pq_create,
    .write = pq_write,
    .finish = pq_finish,
    .discard = pq_discard,
    .extension = pq_extension,
};
