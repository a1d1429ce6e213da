/*
 * TPC-H Q1, Q3, Q9 and Q18 as hand-made stage plans over real files, through the local runner: what the
 * operators cost without planner, daemons and sockets.  tpch_ops DIR [THREADS] [RUNS] [QUERY]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/local_runner.c"

static struct arena ar;
static struct query_ctx cx = {.ansi = true, .zone_name = "UTC", .user = "t", .catalog = "c", .database = "d"};
static const char *data_dir;
static struct local_splits splits[32];
static uint32_t splits_count;

static void die(struct error *err)
{
    struct buf b = BUF_INIT;
    error_format(err, &b);
    fprintf(stderr, "%s\n", b.data);
    exit(1);
}
#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct error err = ERROR_INIT;                                                             \
        if (call)                                                                                  \
            die(&err);                                                                             \
    } while (0)

static struct pnode *node(enum pnode_kind kind, struct pnode *a, struct pnode *b)
{
    struct pnode *n = ARENA_NEW(&ar, struct pnode);
    n->kind = kind;
    n->input_count = b ? 2 : a ? 1 : 0;
    n->inputs = ARENA_ARRAY(&ar, struct pnode *, 2);
    n->inputs[0] = a;
    n->inputs[1] = b;
    n->limit = -1;
    n->rows_estimate = -1;
    if (a)
        n->out = a->out;
    return n;
}

static struct expr *col(const struct pnode *in, const char *name)
{
    for (uint32_t i = 0; i < in->out.count; i++) {
        if (strcmp(in->out.fields[i].name, name) == 0)
            return expr_column(&ar, i, in->out.fields[i].type, in->out.fields[i].nullable, name);
    }
    fprintf(stderr, "no column %s\n", name);
    exit(1);
}

static struct expr *fn(const char *name, struct expr *a, struct expr *b)
{
    struct expr *args[2] = {a, b}, *e;
    MUST(expr_call(&ar, &cx, name, args, b ? 2 : 1, (struct span){0}, &e, &err));
    return e;
}

static struct expr *date(int y, unsigned m, unsigned d)
{
    return expr_literal(&ar, (struct value){.type = type_of(TYPE_DATE), .i = days_from_civil(y, m, d)});
}

static struct schema file_schema(const char *table)
{
    struct options none = {0};
    struct schema s;
    const char *path = arena_printf(&ar, "%s/%s.parquet", data_dir, table);
    MUST(format_parquet.infer(&none, &path, 1, &cx, &ar, &s, &err));
    return s;
}

static struct pnode *scan(uint32_t stage, uint32_t index, const char *table, const char *columns, uint32_t pieces)
{
    struct pnode *n = node(PN_SCAN, NULL, NULL);
    struct scan_spec *s = ARENA_NEW(&ar, struct scan_spec);
    s->format = "parquet";
    s->file_schema = file_schema(table);
    s->cx = &cx;
    uint32_t *cols = ARENA_ARRAY(&ar, uint32_t, 32);
    n->out.fields = ARENA_ARRAY(&ar, struct field, 32);
    char *list = arena_strdup(&ar, columns), *save;
    for (char *c = strtok_r(list, ",", &save); c; c = strtok_r(NULL, ",", &save)) {
        for (uint32_t i = 0; i < s->file_schema.count; i++) {
            if (strcmp(s->file_schema.fields[i].name, c) == 0) {
                n->out.fields[n->out.count] = s->file_schema.fields[i];
                n->out.fields[n->out.count].nullable = false;
                cols[n->out.count++] = i;
            }
        }
    }
    s->columns = cols;
    s->column_count = n->out.count;
    n->scan = s;
    n->scan_index = index;
    const char *path = arena_printf(&ar, "%s/%s.parquet", data_dir, table);
    struct stat st;
    if (stat(path, &st))
        exit(1);
    struct file_split *fs = ARENA_ARRAY(&ar, struct file_split, pieces);
    for (uint32_t i = 0; i < pieces; i++) {
        uint64_t from = (uint64_t)st.st_size * i / pieces, to = (uint64_t)st.st_size * (i + 1) / pieces;
        fs[i] = (struct file_split){.path = path, .start = from, .length = to - from, .file_bytes = (uint64_t)st.st_size,
                                    .mtime_us = st.st_mtim.tv_sec * 1000000ll + st.st_mtim.tv_nsec / 1000};
    }
    splits[splits_count++] = (struct local_splits){.stage = stage, .scan_index = index, .splits = fs, .count = pieces};
    return n;
}

static void where(struct pnode *scan_node, struct expr *e)
{
    struct scan_spec *s = scan_node->scan;
    struct expr **list = ARENA_ARRAY(&ar, struct expr *, s->conjunct_count + 1);
    if (s->conjunct_count)
        memcpy(list, s->conjuncts, s->conjunct_count * sizeof *list);
    list[s->conjunct_count++] = e;
    s->conjuncts = list;
}

static struct pnode *project(struct pnode *in, uint32_t n, struct expr **exprs, const char *const *names)
{
    struct pnode *p = node(PN_PROJECT, in, NULL);
    p->expr_count = n;
    p->exprs = arena_dup(&ar, exprs, n * sizeof *exprs);
    p->out = (struct schema){n, ARENA_ARRAY(&ar, struct field, n)};
    for (uint32_t i = 0; i < n; i++)
        p->out.fields[i] = (struct field){names[i], exprs[i]->type, exprs[i]->nullable};
    return p;
}

/* A shared build. out: comma-separated names of probe or build columns. */
static struct pnode *join(struct pnode *probe, struct pnode *build, enum join_kind kind, const char *pk, const char *bk,
                          const char *pk2, const char *bk2, const char *out)
{
    struct pnode *j = node(PN_JOIN, probe, build);
    j->join_kind = kind;
    j->join_key_count = pk2 ? 2 : 1;
    j->probe_keys = ARENA_ARRAY(&ar, struct expr *, 2);
    j->build_keys = ARENA_ARRAY(&ar, struct expr *, 2);
    j->null_safe = ARENA_ARRAY(&ar, bool, 2);
    j->probe_keys[0] = col(probe, pk);
    j->build_keys[0] = col(build, bk);
    if (pk2) {
        j->probe_keys[1] = col(probe, pk2);
        j->build_keys[1] = col(build, bk2);
    }
    j->shared_build = true;
    j->out_columns = ARENA_ARRAY(&ar, uint32_t, 32);
    j->out = (struct schema){0, ARENA_ARRAY(&ar, struct field, 32)};
    char *list = arena_strdup(&ar, out), *save;
    for (char *c = strtok_r(list, ",", &save); c; c = strtok_r(NULL, ",", &save)) {
        for (uint32_t i = 0; i < probe->out.count + build->out.count; i++) {
            const struct field *f = i < probe->out.count ? &probe->out.fields[i] : &build->out.fields[i - probe->out.count];
            if (strcmp(f->name, c) == 0) {
                j->out.fields[j->out.count++] = *f;
                j->out_columns[j->out_column_count++] = i;
                break;
            }
        }
    }
    return j;
}

static struct plan_agg agg(const char *name, struct expr *arg)
{
    struct expr *e;
    MUST(agg_call(&ar, &cx, agg_find(name), &arg, 1, false, NULL, (struct span){0}, &e, &err));
    const struct type **types = ARENA_ARRAY(&ar, const struct type *, 1);
    types[0] = e->args[0]->type;
    return (struct plan_agg){
        .spec = {.row = e->agg, .result = e->type, .arg_count = 1, .arg_types = types, .mode = e->mode}, .args = e->args};
}

static struct pnode *aggregate(struct pnode *in, enum agg_mode mode, uint32_t keys, const char *const *names,
                               struct plan_agg *aggs, uint32_t count)
{
    struct pnode *n = node(PN_AGGREGATE, in, NULL);
    n->agg_mode = mode;
    n->key_count = keys;
    n->keys = ARENA_ARRAY(&ar, struct expr *, keys);
    n->aggs = aggs;
    n->agg_count = count;
    n->out = (struct schema){0, ARENA_ARRAY(&ar, struct field, keys + count * AGG_PARTIAL_MAX)};
    for (uint32_t k = 0; k < keys; k++) {
        n->keys[k] = col(in, names[k]);
        n->out.fields[n->out.count++] = in->out.fields[n->keys[k]->column];
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct type *types[AGG_PARTIAL_MAX] = {aggs[i].spec.result};
        uint32_t c = mode == AGG_MODE_PARTIAL ? agg_partial_types(&aggs[i].spec, types) : 1;
        for (uint32_t k = 0; k < c; k++)
            n->out.fields[n->out.count++] = (struct field){arena_printf(&ar, "a%u", i), types[k], true};
    }
    return n;
}

static struct pnode *read_of(uint32_t stage, struct pnode *in, bool all)
{
    struct pnode *n = node(PN_EXCHANGE_READ, NULL, NULL);
    n->out = in->out;
    n->exchange = stage;
    n->read_all = all;
    return n;
}

static struct pnode *exchange(struct pnode *in, enum exchange_kind kind, uint32_t parts, const char *key)
{
    struct pnode *n = node(PN_SINK_EXCHANGE, in, NULL);
    n->out = (struct schema){0};
    n->exchange_kind = kind;
    n->exchange_partitions = parts;
    n->exprs = ARENA_ARRAY(&ar, struct expr *, 1);
    if (key)
        n->exprs[n->expr_count++] = col(in, key);
    return n;
}

static struct pnode *top(struct pnode *in, int64_t limit, const char *k1, bool d1, const char *k2, bool d2)
{
    struct pnode *n = node(limit >= 0 ? PN_TOP : PN_SORT, in, NULL);
    n->limit = limit;
    n->sort_keys = ARENA_ARRAY(&ar, struct sort_key, 2);
    n->sort_keys[n->sort_key_count++] = (struct sort_key){col(in, k1), d1, false};
    n->sort_keys[n->sort_key_count++] = (struct sort_key){col(in, k2), d2, false};
    return n;
}

static struct pnode *result(struct pnode *in)
{
    struct pnode *n = node(PN_SINK_RESULT, in, NULL);
    n->out = (struct schema){0};
    return n;
}

static uint32_t number(struct pnode *n, uint32_t id)
{
    n->id = id++;
    for (uint32_t i = 0; i < n->input_count; i++)
        id = number(n->inputs[i], id);
    return id;
}

static struct stage_plan *plans[16];
static uint32_t plan_count;
enum { PARTS = 8 };

static void stage(struct pnode *root, uint32_t tasks)
{
    struct stage_plan *p = ARENA_NEW(&ar, struct stage_plan);
    p->root = root;
    p->stage = plan_count;
    p->node_count = number(root, 0);
    p->partition_count = tasks;
    p->output_partitions = root->kind == PN_SINK_EXCHANGE ? root->exchange_partitions : 1;
    p->cx = cx;
    plans[plan_count++] = p;
}

static void broadcast(struct pnode *in, uint32_t tasks)
{
    stage(exchange(in, EXCHANGE_BROADCAST, 1, NULL), tasks);
}

static struct expr *one(void)
{
    return expr_literal(&ar, (struct value){.type = type_decimal(1, 0), .d = 1});
}

static struct expr *revenue(struct pnode *in)
{
    return fn("*", col(in, "l_extendedprice"), fn("-", one(), col(in, "l_discount")));
}

static void q1(void)
{
    struct pnode *l =
        scan(0, 0, "lineitem", "l_returnflag,l_linestatus,l_quantity,l_extendedprice,l_discount,l_tax,l_shipdate", PARTS);
    where(l, fn("<=", col(l, "l_shipdate"), date(1998, 9, 2)));
    static const char *keys[] = {"l_returnflag", "l_linestatus"};
    static struct plan_agg a[8];
    struct expr *rev = revenue(l);
    a[0] = agg("sum", col(l, "l_quantity"));
    a[1] = agg("sum", col(l, "l_extendedprice"));
    a[2] = agg("sum", rev);
    a[3] = agg("sum", fn("*", rev, fn("+", one(), col(l, "l_tax"))));
    a[4] = agg("avg", col(l, "l_quantity"));
    a[5] = agg("avg", col(l, "l_extendedprice"));
    a[6] = agg("avg", col(l, "l_discount"));
    a[7] = agg("count", expr_int(&ar, 1));
    struct pnode *p = aggregate(l, AGG_MODE_PARTIAL, 2, keys, a, 8);
    stage(exchange(p, EXCHANGE_GATHER, 1, NULL), PARTS);
    struct pnode *f = aggregate(read_of(0, p, false), AGG_MODE_FINAL, 2, keys, a, 8);
    stage(result(top(f, -1, "l_returnflag", false, "l_linestatus", false)), 1);
}

static void q3(void)
{
    struct pnode *c = scan(0, 0, "customer", "c_custkey,c_mktsegment", 2);
    where(c, fn("=", col(c, "c_mktsegment"), expr_string(&ar, "BUILDING")));
    broadcast(c, 2);
    struct pnode *o = scan(1, 0, "orders", "o_orderkey,o_custkey,o_orderdate,o_shippriority", PARTS);
    where(o, fn("<", col(o, "o_orderdate"), date(1995, 3, 15)));
    struct pnode *oc = join(o, read_of(0, c, true), JOIN_SEMI, "o_custkey", "c_custkey", NULL, NULL,
                            "o_orderkey,o_orderdate,o_shippriority");
    broadcast(oc, PARTS);
    struct pnode *l = scan(2, 0, "lineitem", "l_orderkey,l_extendedprice,l_discount,l_shipdate", PARTS);
    where(l, fn(">", col(l, "l_shipdate"), date(1995, 3, 15)));
    struct pnode *j = join(l, read_of(1, oc, true), JOIN_INNER, "l_orderkey", "o_orderkey", NULL, NULL,
                           "l_orderkey,o_orderdate,o_shippriority,l_extendedprice,l_discount");
    static const char *keys[] = {"l_orderkey", "o_orderdate", "o_shippriority"};
    static struct plan_agg a[1];
    a[0] = agg("sum", revenue(j));
    struct pnode *p = aggregate(j, AGG_MODE_PARTIAL, 3, keys, a, 1);
    stage(exchange(p, EXCHANGE_HASH, 2, "l_orderkey"), PARTS);
    struct pnode *f = aggregate(read_of(2, p, false), AGG_MODE_FINAL, 3, keys, a, 1);
    struct pnode *t = top(f, 10, "a0", true, "o_orderdate", false);
    stage(exchange(t, EXCHANGE_GATHER, 1, NULL), 2);
    stage(result(top(read_of(3, t, false), 10, "a0", true, "o_orderdate", false)), 1);
}

static void q9(void)
{
    struct pnode *pa = scan(0, 0, "part", "p_partkey,p_name", 2);
    where(pa, fn("like", col(pa, "p_name"), expr_string(&ar, "%green%")));
    broadcast(pa, 2);
    struct pnode *n = scan(1, 0, "nation", "n_nationkey,n_name", 1);
    broadcast(n, 1);
    struct pnode *s = scan(2, 0, "supplier", "s_suppkey,s_nationkey", 1);
    struct pnode *sn =
        join(s, read_of(1, n, true), JOIN_INNER, "s_nationkey", "n_nationkey", NULL, NULL, "s_suppkey,n_name");
    broadcast(sn, 1);
    struct pnode *ps = scan(3, 0, "partsupp", "ps_partkey,ps_suppkey,ps_supplycost", 4);
    struct pnode *pps = join(ps, read_of(0, pa, true), JOIN_SEMI, "ps_partkey", "p_partkey", NULL, NULL,
                             "ps_partkey,ps_suppkey,ps_supplycost");
    broadcast(pps, 4);
    struct pnode *l =
        scan(4, 0, "lineitem", "l_orderkey,l_partkey,l_suppkey,l_quantity,l_extendedprice,l_discount", PARTS);
    struct pnode *j1 = join(l, read_of(0, pa, true), JOIN_SEMI, "l_partkey", "p_partkey", NULL, NULL,
                            "l_orderkey,l_partkey,l_suppkey,l_quantity,l_extendedprice,l_discount");
    struct pnode *j2 = join(j1, read_of(3, pps, true), JOIN_INNER, "l_partkey", "ps_partkey", "l_suppkey", "ps_suppkey",
                            "l_orderkey,l_suppkey,l_quantity,l_extendedprice,l_discount,ps_supplycost");
    struct pnode *j3 = join(j2, read_of(2, sn, true), JOIN_INNER, "l_suppkey", "s_suppkey", NULL, NULL,
                            "l_orderkey,l_quantity,l_extendedprice,l_discount,ps_supplycost,n_name");
    broadcast(j3, PARTS); /* the small side is built */
    struct pnode *o = scan(5, 0, "orders", "o_orderkey,o_orderdate", PARTS);
    struct pnode *j4 = join(o, read_of(4, j3, true), JOIN_INNER, "o_orderkey", "l_orderkey", NULL, NULL,
                            "n_name,o_orderdate,l_quantity,l_extendedprice,l_discount,ps_supplycost");
    struct expr *e[3] = {col(j4, "n_name"), fn("year", col(j4, "o_orderdate"), NULL),
                         fn("-", revenue(j4), fn("*", col(j4, "ps_supplycost"), col(j4, "l_quantity")))};
    static const char *names[] = {"nation", "o_year", "amount"};
    struct pnode *pr = project(j4, 3, e, names);
    static struct plan_agg a[1];
    a[0] = agg("sum", col(pr, "amount"));
    struct pnode *p = aggregate(pr, AGG_MODE_PARTIAL, 2, names, a, 1);
    stage(exchange(p, EXCHANGE_GATHER, 1, NULL), PARTS);
    struct pnode *f = aggregate(read_of(5, p, false), AGG_MODE_FINAL, 2, names, a, 1);
    stage(result(top(f, -1, "nation", false, "o_year", true)), 1);
}

static void q18(void)
{
    struct pnode *l = scan(0, 0, "lineitem", "l_orderkey,l_quantity", PARTS);
    static const char *keys[] = {"l_orderkey"};
    static struct plan_agg a[1], a2[1];
    a[0] = agg("sum", col(l, "l_quantity"));
    struct pnode *p = aggregate(l, AGG_MODE_PARTIAL, 1, keys, a, 1);
    stage(exchange(p, EXCHANGE_HASH, 2, "l_orderkey"), PARTS);
    struct pnode *f = aggregate(read_of(0, p, false), AGG_MODE_FINAL, 1, keys, a, 1);
    struct pnode *fi = node(PN_FILTER, f, NULL);
    fi->expr_count = 1;
    fi->exprs = ARENA_ARRAY(&ar, struct expr *, 1);
    fi->exprs[0] = fn(">", col(f, "a0"), expr_literal(&ar, (struct value){.type = type_decimal(25, 2), .d = 30000}));
    broadcast(fi, 2);
    struct pnode *o = scan(2, 0, "orders", "o_orderkey,o_custkey,o_orderdate,o_totalprice", PARTS);
    struct pnode *j1 = join(o, read_of(1, fi, true), JOIN_SEMI, "o_orderkey", "l_orderkey", NULL, NULL,
                            "o_orderkey,o_custkey,o_orderdate,o_totalprice");
    broadcast(j1, PARTS);
    struct pnode *c = scan(3, 0, "customer", "c_custkey,c_name", 2);
    struct pnode *j2 = join(c, read_of(2, j1, true), JOIN_INNER, "c_custkey", "o_custkey", NULL, NULL,
                            "c_name,c_custkey,o_orderkey,o_orderdate,o_totalprice");
    broadcast(j2, 2);
    struct pnode *l2 = scan(4, 0, "lineitem", "l_orderkey,l_quantity", PARTS);
    struct pnode *j3 = join(l2, read_of(3, j2, true), JOIN_INNER, "l_orderkey", "o_orderkey", NULL, NULL,
                            "c_name,c_custkey,o_orderkey,o_orderdate,o_totalprice,l_quantity");
    static const char *keys2[] = {"c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice"};
    a2[0] = agg("sum", col(j3, "l_quantity"));
    struct pnode *p2 = aggregate(j3, AGG_MODE_PARTIAL, 5, keys2, a2, 1);
    stage(exchange(p2, EXCHANGE_GATHER, 1, NULL), PARTS);
    struct pnode *f2 = aggregate(read_of(4, p2, false), AGG_MODE_FINAL, 5, keys2, a2, 1);
    stage(result(top(f2, 100, "o_totalprice", true, "o_orderdate", false)), 1);
}

static void print_metrics(const struct local_result *r)
{
    for (uint32_t s = 0; s < plan_count; s++) {
        printf("  stage %u %.1f ms\n", s, (double)r->stage_us[s] / 1000);
        const struct pnode *list[64], *stack[64];
        uint32_t n = 0, depth = 0;
        stack[depth++] = plans[s]->root;
        while (depth) {
            const struct pnode *p = stack[--depth];
            list[n++] = p;
            for (uint32_t i = 0; i < p->input_count; i++)
                stack[depth++] = p->inputs[i];
        }
        for (uint32_t i = 0; i < n; i++)
            printf("    %-12s %10llu rows %8.1f ms\n", pnode_kind_name(list[i]->kind),
                   (unsigned long long)r->metrics[s * 64 + list[i]->id].rows_out,
                   (double)r->metrics[s * 64 + list[i]->id].time_us / 1000);
    }
}

static void print_rows(const struct local_result *r, uint32_t most)
{
    for (uint32_t i = 0; i < r->count && most; i++) {
        for (uint32_t row = 0; row < r->runs[i]->rows && most; row++, most--) {
            struct buf b = BUF_INIT;
            for (uint32_t c = 0; c < r->runs[i]->col_count; c++) {
                column_format(&r->runs[i]->cols[c], row, NULL, "NULL", &b);
                buf_adds(&b, " ");
            }
            printf("  %s\n", b.data);
            buf_fini(&b);
        }
    }
}

int main(int argc, char **argv)
{
    data_dir = argc > 1 ? argv[1] : "/tmp/data/sf1";
    uint32_t threads = argc > 2 ? (uint32_t)atoi(argv[2]) : 2, runs = argc > 3 ? (uint32_t)atoi(argv[3]) : 3;
    static const struct {
        const char *name;
        void (*make)(void);
    } queries[] = {{"q1", q1}, {"q3", q3}, {"q9", q9}, {"q18", q18}};
    for (uint32_t q = 0; q < ARRAY_LEN(queries); q++) {
        if (argc > 4 && strcmp(argv[4], queries[q].name) != 0)
            continue;
        int64_t best = INT64_MAX;
        for (uint32_t i = 0; i < runs; i++) {
            arena_init(&ar);
            splits_count = plan_count = 0;
            queries[q].make();
            struct local_job job = {.stages = plans, .stage_count = plan_count, .splits = splits,
                                    .splits_count = splits_count, .threads = threads};
            struct local_result res;
            int64_t from = clock_mono_us();
            MUST(local_run(&job, &res, &err));
            int64_t us = clock_mono_us() - from;
            best = us < best ? us : best;
            if (i + 1 == runs) {
                printf("%s %.1f ms, %llu rows\n", queries[q].name, (double)best / 1000, (unsigned long long)res.rows);
                print_metrics(&res);
                print_rows(&res, 3);
            }
            local_result_fini(&res);
            arena_fini(&ar);
        }
    }
    return 0;
}
