/* The list of function families, and what their rows share; see fn.h. */
#include "common/expr/fn.h"

#include <ctype.h>
#include <pthread.h>

static const struct fn_row *const families[] = {fn_arith_rows, fn_compare_rows, fn_logic_rows, fn_cast_rows,
                                                fn_string_rows, fn_date_rows, fn_math_rows, fn_hash_rows,
                                                fn_regex_rows};

const struct fn_row *fn_at(uint32_t index)
{
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct fn_row *r = families[f]; r->name; r++) {
            if (index-- == 0)
                return r;
        }
    }
    return NULL;
}

static struct strmap by_name;

static void index_rows(void)
{
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct fn_row *r = families[f]; r->name; r++) {
            void *before = strmap_put(&by_name, r->name, (void *)(uintptr_t)r);
            ASSERT(before == NULL);
        }
    }
}

const struct fn_row *fn_find(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char lower[64];
    size_t n = strlen(name);
    if (n >= sizeof lower)
        return NULL;
    pthread_once(&once, index_rows);
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    return strmap_get(&by_name, lower);
}

int fn_cast_arg(struct fn_call *c, uint32_t i, const struct type *type, struct error *err)
{
    enum eval_mode mode = c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
    struct expr *e = c->args[i];
    if (e->type == type)
        return 0;
    if (!expr_cast_allowed(e->type, type, mode)) {
        struct buf want = BUF_INIT, have = BUF_INIT, sql = BUF_INIT, index = BUF_INIT;
        type_sql(type, &want);
        type_sql(e->type, &have);
        expr_print(e, true, &sql);
        buf_addf(&index, "%u", i + 1);
        error_set(err, ERR_DATATYPE_MISMATCH, "sqlExpr", c->row->name, "paramIndex", index.data, "requiredType",
                  want.data, "inputSql", sql.data, "inputType", have.data, NULL);
        error_at(err, c->span);
        buf_fini(&want);
        buf_fini(&have);
        buf_fini(&sql);
        buf_fini(&index);
        return (int)err->code;
    }
    return expr_cast(c->ar, e, type, mode, (struct span){0}, &c->args[i], err);
}

bool fn_any_nullable(const struct fn_call *c)
{
    for (uint32_t i = 0; i < c->arg_count; i++) {
        if (c->args[i]->nullable)
            return true;
    }
    return false;
}

void *kernel_out(struct kernel *k, struct column *out)
{
    void *data = arena_alloc(k->ar, (size_t)k->rows * phys_bytes(out->phys) + 64);
    out->data = data;
    return data;
}

uint8_t *kernel_nulls(struct kernel *k, struct column *out)
{
    uint8_t *nulls = arena_alloc(k->ar, k->rows + 16);
    if (k->nulls)
        memcpy(nulls, k->nulls, k->rows);
    else
        memset(nulls, 0, k->rows);
    out->nulls = nulls;
    return nulls;
}

int kernel_raise(struct kernel *k, enum errcode code, ...)
{
    error_set(k->err, code, NULL);
    va_list ap;
    va_start(ap, code);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;)
        error_add_param(k->err, name, va_arg(ap, const char *));
    va_end(ap);
    error_at(k->err, k->node->span);
    return (int)code;
}

/* ---- decimals ---- */

const int64_t pow10_i64[19] = {1,
                               10,
                               100,
                               1000,
                               10000,
                               100000,
                               1000000,
                               10000000,
                               100000000,
                               1000000000,
                               10000000000,
                               100000000000,
                               1000000000000,
                               10000000000000,
                               100000000000000,
                               1000000000000000,
                               10000000000000000,
                               100000000000000000,
                               1000000000000000000};
int128_t pow10_i128[39];

__attribute__((constructor)) static void fill_pow10(void)
{
    pow10_i128[0] = 1;
    for (int i = 1; i < 39; i++)
        pow10_i128[i] = pow10_i128[i - 1] * 10;
}

bool decimal_fits(int128_t v, unsigned precision)
{
    return v < pow10_i128[precision] && v > -pow10_i128[precision];
}

bool decimal_rescale(int128_t v, int from, int to, int128_t *ret)
{
    if (to >= from) {
        int128_t r;
        if (to - from > 38 || __builtin_mul_overflow(v, pow10_i128[to - from], &r))
            return v == 0 ? (*ret = 0, true) : false;
        *ret = r;
        return decimal_fits(r, 38);
    }
    if (from - to > 38) {
        *ret = 0;
        return true;
    }
    int128_t d = pow10_i128[from - to], q = v / d, rest = v % d;
    if (rest < 0)
        rest = -rest;
    if (rest >= d - rest)
        q += v < 0 ? -1 : 1;
    *ret = q;
    return true;
}

const struct type *decimal_of_integral(const struct type *t)
{
    switch (t->id) {
    case TYPE_TINYINT: return type_decimal(3, 0);
    case TYPE_SMALLINT: return type_decimal(5, 0);
    case TYPE_INT: return type_decimal(10, 0);
    case TYPE_BIGINT: return type_decimal(20, 0);
    default: UNREACHABLE("an integral type");
    }
}
