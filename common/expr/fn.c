/* The list of function families, and what their rows share; see fn.h. */
#include "common/expr/fn_impl.h"

#include <ctype.h>
#include <pthread.h>

static const struct fn_row *const families[] = {fn_arith_rows, fn_compare_rows, fn_logic_rows, fn_cast_rows,
                                                fn_string_rows, fn_date_rows, fn_math_rows, fn_hash_rows,
                                                fn_regex_rows, fn_like_rows, fn_format_rows, fn_datetime_rows, fn_bit_rows,
                                                fn_misc_rows, fn_text_rows, fn_charset_rows};

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

/* Which casts Spark inserts by itself: all that are safe, texts to what is asked for, anything simple to text. */
static bool implicit_allowed(const struct query_ctx *cx, const struct type *from, const struct type *to)
{
    if (!expr_cast_allowed(from, to, cx->ansi ? EVAL_ANSI : EVAL_LEGACY))
        return false;
    if (to->id == TYPE_BOOLEAN)
        return from->id == TYPE_NULL || from->id == TYPE_BOOLEAN || from->id == TYPE_STRING;
    if (from->id == TYPE_BOOLEAN)
        return to->id == TYPE_STRING;
    if (type_is_numeric(to))
        return type_is_numeric(from) || from->id == TYPE_STRING || from->id == TYPE_NULL;
    if (to->id == TYPE_DATE || to->id == TYPE_TIMESTAMP || to->id == TYPE_TIMESTAMP_NTZ)
        return !type_is_numeric(from);
    if (to->id == TYPE_BINARY)
        return from->id == TYPE_STRING || from->id == TYPE_NULL;
    return true;
}

int fn_cast_arg(struct fn_call *c, uint32_t i, const struct type *type, struct error *err)
{
    enum eval_mode mode = c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
    struct expr *e = c->args[i];
    if (e->type == type)
        return 0;
    if (!implicit_allowed(c->cx, e->type, type)) {
        struct buf want = BUF_INIT;
        type_sql(type, &want);
        int rc = fn_wrong_arg(c, i, want.data, err);
        buf_fini(&want);
        return rc;
    }
    TRY(expr_cast(c->ar, e, type, mode, (struct span){0}, &c->args[i], err));
    if (c->args[i]->kind == EXPR_CALL && c->args[i]->implicit && c->span.stop)
        c->args[i]->span = c->span; /* as Spark blames the whole call for a bad value among its arguments */
    return 0;
}

bool fn_any_nullable(const struct fn_call *c)
{
    for (uint32_t i = 0; i < c->arg_count; i++) {
        if (c->args[i]->nullable)
            return true;
    }
    return false;
}

int fn_cast_text(struct fn_call *c, uint32_t i, struct error *err)
{
    return fn_cast_arg(c, i, type_of(TYPE_STRING), err);
}

int fn_cast_text_or_binary(struct fn_call *c, uint32_t i, struct error *err)
{
    return c->args[i]->type->id == TYPE_BINARY ? 0 : fn_cast_text(c, i, err);
}

int fn_cast_all(struct fn_call *c, const enum type_id *types, uint32_t count, const struct type *result, struct error *err)
{
    for (uint32_t i = 0; i < c->arg_count; i++)
        TRY(fn_cast_arg(c, i, type_of(types[i < count ? i : count - 1]), err));
    c->type = result;
    return 0;
}

/* "name(args)" as Spark names the call, for messages. */
static void call_text(const struct fn_call *c, struct buf *out)
{
    struct expr call = {.kind = EXPR_CALL, .fn = c->row, .args = c->args, .arg_count = c->arg_count, .span = c->span,
                        .type = type_of(TYPE_NULL), .mode = c->mode};
    buf_addc(out, '"');
    expr_print(&call, true, out);
    buf_addc(out, '"');
}

void fn_quoted_type(const struct type *t, struct buf *out)
{
    buf_addc(out, '"');
    type_sql(t, out);
    buf_addc(out, '"');
}

int fn_diff_types(struct fn_call *c, const struct type *a, const struct type *b, struct error *err)
{
    struct buf x = BUF_INIT, y = BUF_INIT, call = BUF_INIT;
    fn_quoted_type(a, &x);
    fn_quoted_type(b, &y);
    call_text(c, &call);
    error_set(err, ERR_DATATYPE_MISMATCH_DIFF, "sqlExpr", call.data, "left", x.data, "right", y.data, NULL);
    error_at(err, c->span);
    buf_fini(&x);
    buf_fini(&y);
    buf_fini(&call);
    return (int)err->code;
}

int fn_wrong_operands(struct fn_call *c, const char *required, struct error *err)
{
    struct buf have = BUF_INIT, call = BUF_INIT;
    fn_quoted_type(c->args[0]->type, &have);
    call_text(c, &call);
    error_set(err, ERR_DATATYPE_MISMATCH_OP, "sqlExpr", call.data, "inputType", required, "actualDataType", have.data, NULL);
    error_at(err, c->span);
    buf_fini(&have);
    buf_fini(&call);
    return (int)err->code;
}

int fn_data_diff_types(struct fn_call *c, const char *name, uint32_t first, uint32_t step, bool with_last, struct error *err)
{
    struct buf types = BUF_INIT, call = BUF_INIT, quoted = BUF_INIT;
    bool list = strcmp(name, "coalesce") != 0;
    for (uint32_t i = first; i < c->arg_count; i += step) {
        buf_adds(&types, i == first ? (list ? "[" : "(") : list ? ", " : " or ");
        fn_quoted_type(c->args[i]->type, &types);
    }
    if (with_last) {
        buf_adds(&types, list ? ", " : " or ");
        fn_quoted_type(c->args[c->arg_count - 1]->type, &types);
    }
    buf_addc(&types, list ? ']' : ')');
    call_text(c, &call);
    buf_addf(&quoted, "`%s`", name);
    error_set(err, ERR_DATATYPE_MISMATCH_TYPES, "sqlExpr", call.data, "functionName", quoted.data, "dataType", types.data, NULL);
    error_at(err, c->span);
    buf_fini(&types);
    buf_fini(&call);
    buf_fini(&quoted);
    return (int)err->code;
}

int fn_wrong_arg(struct fn_call *c, uint32_t i, const char *required, struct error *err)
{
    struct buf want = BUF_INIT, have = BUF_INIT, sql = BUF_INIT, index = BUF_INIT, call = BUF_INIT;
    static const char *const ordinals[] = {"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"};
    buf_addf(&want, strchr(required, '"') || required[0] == '(' ? "%s" : "\"%s\"", required);
    fn_quoted_type(c->args[i]->type, &have);
    buf_addc(&sql, '"');
    expr_print(c->args[i], true, &sql);
    buf_addc(&sql, '"');
    if (i < ARRAY_LEN(ordinals))
        buf_adds(&index, ordinals[i]);
    else
        buf_addf(&index, "%uth", i + 1);
    call_text(c, &call);
    error_set(err, ERR_DATATYPE_MISMATCH, "sqlExpr", call.data, "paramIndex", index.data, "requiredType",
              want.data, "inputSql", sql.data, "inputType", have.data, NULL);
    error_at(err, c->span);
    buf_fini(&call);
    buf_fini(&want);
    buf_fini(&have);
    buf_fini(&sql);
    buf_fini(&index);
    return (int)err->code;
}

int fn_constant_arg(struct fn_call *c, uint32_t i, const char *name, struct value *ret, struct error *err)
{
    struct expr *e = c->args[i];
    if (!expr_is_foldable(e)) {
        struct buf call = BUF_INIT, quoted = BUF_INIT, type = BUF_INIT, input = BUF_INIT;
        call_text(c, &call);
        buf_addf(&quoted, "`%s`", name);
        fn_quoted_type(e->type, &type);
        buf_addc(&input, '"');
        expr_print(e, true, &input);
        buf_addc(&input, '"');
        error_set(err, ERR_NON_FOLDABLE, "sqlExpr", call.data, "inputName", quoted.data, "inputType", type.data, "inputExpr", input.data, NULL);
        error_at(err, c->span);
        buf_fini(&call);
        buf_fini(&quoted);
        buf_fini(&type);
        buf_fini(&input);
        return (int)err->code;
    }
    return expr_fold(c->ar, c->cx, e, ret, err);
}

int fn_out_of_range(struct fn_call *c, const char *name, int64_t v, const char *range, struct error *err)
{
    struct buf call = BUF_INIT, value = BUF_INIT;
    call_text(c, &call);
    buf_addf(&value, "%lld", (long long)v);
    error_set(err, ERR_DATATYPE_MISMATCH_RANGE, "sqlExpr", call.data, "exprName", name, "currentValue", value.data, "valueRange", range, NULL);
    error_at(err, c->span);
    buf_fini(&call);
    buf_fini(&value);
    return (int)err->code;
}

int fn_become(struct fn_call *c, const char *name, struct expr **args, uint32_t count, struct error *err)
{
    struct expr *e;
    TRY(expr_call(c->ar, c->cx, name, args, count, c->span, &e, err));
    fn_become_expr(c, e);
    return 0;
}

void fn_become_expr(struct fn_call *c, struct expr *e)
{
    c->whole = e;
    c->type = e->type;
}

void text_quoted(const char *p, size_t n, struct buf *out)
{
    buf_addc(out, '\'');
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' || p[i] == '\'')
            buf_addc(out, '\\');
        buf_addc(out, p[i]);
    }
    buf_addc(out, '\'');
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

void kernel_cache_set(struct kernel *k, void *data, void (*fini)(void *data))
{
    if (k->cache->fini)
        k->cache->fini(k->cache->data);
    *k->cache = (struct kernel_cache){data, fini};
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
