/*
 * Operators by hand: plans made node by node, random rows, and rows as text to compare with references. A test is a process,
 * so all of this is static.
 */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/local_runner.c"
#include "tests/unit/suite.h"

/* ---- plans ---- */

static struct arena ar;
static const struct query_ctx cx = {.ansi = true, .zone_name = "UTC", .user = "t", .catalog = "c", .database = "d"};

static inline struct pnode *node(enum pnode_kind kind, uint32_t inputs, struct pnode *a, struct pnode *b)
{
    struct pnode *n = ARENA_NEW(&ar, struct pnode);
    n->kind = kind;
    n->input_count = inputs;
    n->inputs = ARENA_ARRAY(&ar, struct pnode *, 2);
    n->inputs[0] = a;
    n->inputs[1] = b;
    n->limit = -1;
    if (a)
        n->out = a->out;
    return n;
}

static inline struct schema schema_of(uint32_t n, const struct type *const *types)
{
    struct schema s = {.count = n, .fields = ARENA_ARRAY(&ar, struct field, n)};
    for (uint32_t i = 0; i < n; i++)
        s.fields[i] = (struct field){arena_printf(&ar, "c%u", i), types[i], true};
    return s;
}

static inline struct pnode *values(struct sealed *rows, uint32_t n, const struct type *const *types)
{
    struct pnode *v = node(PN_VALUES, 0, NULL, NULL);
    v->out = schema_of(n, types);
    if (rows) {
        struct buf b = BUF_INIT;
        frame_encode(rows, FRAME_RAW, &b);
        v->values_frame = b;
        v->values_frame.data = arena_dup(&ar, b.data, b.bytes);
        buf_fini(&b);
    }
    return v;
}

static inline struct expr *col(const struct pnode *in, uint32_t c)
{
    return expr_column(&ar, c, in->out.fields[c].type, in->out.fields[c].nullable, in->out.fields[c].name);
}

static inline uint32_t number(struct pnode *n, uint32_t id)
{
    n->id = id++;
    for (uint32_t i = 0; i < n->input_count; i++)
        id = number(n->inputs[i], id);
    return id;
}

static inline struct stage_plan *stage(struct pnode *root, uint32_t partitions, uint32_t out)
{
    struct stage_plan *p = ARENA_NEW(&ar, struct stage_plan);
    p->root = root;
    p->node_count = number(root, 0);
    p->partition_count = partitions;
    p->output_partitions = out;
    p->cx = cx;
    return p;
}

static inline struct pnode *result(struct pnode *in)
{
    struct pnode *n = node(PN_SINK_RESULT, 1, in, NULL);
    n->out = (struct schema){0};
    return n;
}

static inline struct pnode *exchange(struct pnode *in, enum exchange_kind kind, uint32_t parts, uint32_t keys)
{
    struct pnode *n = node(PN_SINK_EXCHANGE, 1, in, NULL);
    n->out = (struct schema){0};
    n->exchange_kind = kind;
    n->exchange_partitions = parts;
    n->expr_count = keys;
    n->exprs = ARENA_ARRAY(&ar, struct expr *, keys);
    for (uint32_t i = 0; i < keys; i++)
        n->exprs[i] = col(in, i);
    return n;
}

static inline struct pnode *read_of(uint32_t stage_no, struct pnode *in, bool all)
{
    struct pnode *n = node(PN_EXCHANGE_READ, 0, NULL, NULL);
    n->out = in->out;
    n->exchange = stage_no;
    n->read_all = all;
    return n;
}

static inline struct plan_agg agg(const char *name, struct expr **args, uint32_t count)
{
    struct error err = ERROR_INIT;
    struct expr *e;
    ck_assert_int_eq(agg_call(&ar, &cx, agg_find(name), args, count, false, NULL, (struct span){0}, &e, &err), 0);
    const struct type **types = ARENA_ARRAY(&ar, const struct type *, count);
    for (uint32_t i = 0; i < count; i++)
        types[i] = e->args[i]->type;
    return (struct plan_agg){
        .spec = {.row = e->agg, .result = e->type, .arg_count = count, .arg_types = types, .mode = e->mode}, .args = e->args};
}

/* Keys are the first columns of in. FINAL: in has partial rows and aggs are those of the partial node. */
static inline struct pnode *aggregate(struct pnode *in, enum agg_mode mode, uint32_t keys, struct plan_agg *aggs, uint32_t count)
{
    struct pnode *n = node(PN_AGGREGATE, 1, in, NULL);
    n->agg_mode = mode;
    n->key_count = keys;
    n->keys = ARENA_ARRAY(&ar, struct expr *, keys);
    n->aggs = aggs;
    n->agg_count = count;
    const struct type *types[64];
    uint32_t k = 0;
    for (; k < keys; k++) {
        n->keys[k] = col(in, k);
        types[k] = n->keys[k]->type;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (mode == AGG_MODE_PARTIAL)
            k += agg_partial_types(&aggs[i].spec, types + k);
        else
            types[k++] = aggs[i].spec.result;
    }
    n->out = schema_of(k, types);
    return n;
}

/* ---- rows as text, to compare with references ---- */

static inline int cmp_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char **lines_of(const struct local_result *r, uint32_t *ret)
{
    char **lines = xcalloc(r->rows + 1, sizeof *lines);
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        for (uint32_t row = 0; row < r->runs[i]->rows; row++) {
            struct buf b = BUF_INIT;
            for (uint32_t c = 0; c < r->runs[i]->col_count; c++) {
                column_format(&r->runs[i]->cols[c], row, NULL, "-", &b);
                buf_addc(&b, '|');
            }
            lines[n++] = buf_steal(&b);
        }
    }
    *ret = n;
    return lines;
}

static inline void same_lines(char **got, uint32_t n, char **want, uint32_t m, bool ordered)
{
    if (!ordered && n && m) {
        qsort(got, n, sizeof *got, cmp_line);
        qsort(want, m, sizeof *want, cmp_line);
    }
    for (uint32_t i = 0; i < n && i < m; i++)
        ck_assert_msg(strcmp(got[i], want[i]) == 0, "row %u of %u/%u: got %s, want %s", i, n, m, got[i], want[i]);
    ck_assert_uint_eq(n, m);
}

static inline void free_lines(char **l, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free(l[i]);
    free(l);
}

static inline char **run_lines(struct local_job *job, uint32_t *ret_n, struct local_result *res)
{
    struct error err = ERROR_INIT;
    struct local_result own;
    struct local_result *r = res ? res : &own;
    if (local_run(job, r, &err)) {
        struct buf b = BUF_INIT;
        error_format(&err, &b);
        ck_abort_msg("%s", b.data);
    }
    char **l = lines_of(r, ret_n);
    if (!res)
        local_result_fini(r);
    return l;
}

/* ---- random rows ---- */

enum { ROW_COLS = 6 };
/* key int, key string, key double, value bigint, value decimal(12,2), value string */
static const struct type *row_types[ROW_COLS];
struct row {
    bool null[ROW_COLS];
    int32_t i;
    char s[24];
    double f;
    int64_t v;
    int64_t d;
    char t[24];
};

static inline void init(void)
{
    arena_init(&ar);
    row_types[0] = type_of(TYPE_INT);
    row_types[1] = type_of(TYPE_STRING);
    row_types[2] = type_of(TYPE_DOUBLE);
    row_types[3] = type_of(TYPE_BIGINT);
    row_types[4] = type_decimal(12, 2);
    row_types[5] = type_of(TYPE_STRING);
}

static inline void fini(void)
{
    arena_fini(&ar);
}

static inline struct row *make_rows(uint32_t n, uint32_t keys, uint64_t seed, struct sealed **ret)
{
    struct row *rows = xcalloc(n + 1, sizeof *rows);
    struct rng rng;
    rng_init(&rng, seed);
    struct builder bd;
    builder_init(&bd, ROW_COLS, row_types, NULL);
    struct error err = ERROR_INIT;
    static const double odd[] = {0.0, -0.0, NAN, INFINITY, 1.5, -2.25};
    for (uint32_t r = 0; r < n; r++) {
        struct row *x = &rows[r];
        for (uint32_t c = 0; c < ROW_COLS; c++)
            x->null[c] = rng_below(&rng, 10) == 0;
        uint64_t k = rng_below(&rng, keys);
        x->i = (int32_t)k - (int32_t)keys / 2;
        snprintf(x->s, sizeof x->s, k % 3 ? "k%d" : "a long key number %d", (int)(k % 1000));
        x->f = odd[rng_below(&rng, 6)];
        x->v = (int64_t)rng_below(&rng, 1000000) - 500000;
        x->d = (int64_t)rng_below(&rng, 1000000000) - 500000000;
        snprintf(x->t, sizeof x->t, "%llu", (unsigned long long)rng_below(&rng, 100000000000000ull));
        if (x->null[0]) builder_put_null(&bd, 0); else builder_put_i64(&bd, 0, x->i);
        if (x->null[1]) builder_put_null(&bd, 1); else builder_put_str(&bd, 1, x->s, (uint32_t)strlen(x->s));
        if (x->null[2]) builder_put_null(&bd, 2); else builder_put_f64(&bd, 2, x->f);
        if (x->null[3]) builder_put_null(&bd, 3); else builder_put_i64(&bd, 3, x->v);
        if (x->null[4]) builder_put_null(&bd, 4); else builder_put_i64(&bd, 4, x->d);
        if (x->null[5]) builder_put_null(&bd, 5); else builder_put_str(&bd, 5, x->t, (uint32_t)strlen(x->t));
        ck_assert_int_eq(builder_end_row(&bd, &err), 0);
    }
    *ret = builder_seal(&bd);
    builder_fini(&bd);
    return rows;
}

/* ---- operators over the rows ---- */

static inline struct plan_agg *test_aggs(struct pnode *in, uint32_t *count)
{
    struct plan_agg *a = ARENA_ARRAY(&ar, struct plan_agg, 8);
    struct expr *one = expr_int(&ar, 1), *v = col(in, 3), *d = col(in, 4), *t = col(in, 5);
    a[0] = agg("count", &one, 1);
    a[1] = agg("count", &v, 1);
    a[2] = agg("sum", &v, 1);
    a[3] = agg("max", &v, 1);
    a[4] = agg("sum", &d, 1);
    a[5] = agg("avg", &d, 1);
    a[6] = agg("min", &t, 1);
    *count = 7;
    return a;
}

static inline struct pnode *join_node(struct pnode *probe, struct pnode *build, enum join_kind kind, int keys, bool residual)
{
    struct pnode *j = node(PN_JOIN, 2, probe, build);
    j->join_kind = kind;
    j->join_key_count = keys ? 1 : 0;
    j->probe_keys = ARENA_ARRAY(&ar, struct expr *, 1);
    j->build_keys = ARENA_ARRAY(&ar, struct expr *, 1);
    j->null_safe = ARENA_ARRAY(&ar, bool, 1);
    j->probe_keys[0] = col(probe, keys == 2 ? 1 : 0);
    j->build_keys[0] = col(build, keys == 2 ? 1 : 0);
    j->null_safe[0] = keys == 3;
    if (residual) {
        struct error err = ERROR_INIT;
        struct expr *args[2] = {col(probe, 3), expr_column(&ar, ROW_COLS + 3, row_types[3], true, "bv")};
        ck_assert_int_eq(expr_call(&ar, &cx, "<", args, 2, (struct span){0}, &j->residual, &err), 0);
    }
    static const uint32_t out[] = {0, 3, ROW_COLS, ROW_COLS + 3, ROW_COLS * 2};
    const struct type *types[] = {row_types[0], row_types[3], row_types[0], row_types[3]};
    j->out_columns = ARENA_ARRAY(&ar, uint32_t, 5);
    memcpy(j->out_columns, out, sizeof out);
    j->out_column_count = kind == JOIN_SEMI || kind == JOIN_ANTI || kind == JOIN_ANTI_NULL_AWARE ? 2 : 4;
    if (kind == JOIN_MARK) {
        j->out_column_count = 3;
        j->out_columns[2] = ROW_COLS * 2;
        types[2] = type_of(TYPE_BOOLEAN);
    }
    j->out = schema_of(j->out_column_count, types);
    return j;
}

/* ---- sorting ---- */

static inline struct sort_key *keys_for(struct pnode *in, uint32_t count, uint32_t variant)
{
    static const uint32_t cols[] = {2, 5, 0};
    struct sort_key *k = ARENA_ARRAY(&ar, struct sort_key, count);
    for (uint32_t i = 0; i < count; i++)
        k[i] = (struct sort_key){col(in, cols[(i + variant) % 3]), (variant >> i) & 1, (variant >> (i + 1)) & 1};
    return k;
}
