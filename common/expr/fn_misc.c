/* What the query and its task are, functions made of others, and errors raised on purpose. */
#include "common/base/version.h"
#include "common/expr/fn_impl.h"

/* ---- made of others ---- */

static int resolve_between(struct fn_call *c, struct error *err)
{
    struct expr *low[2] = {c->args[0], c->args[1]}, *high[2] = {c->args[0], c->args[2]}, *both[2];
    TRY(expr_call(c->ar, c->cx, ">=", low, 2, c->span, &both[0], err));
    TRY(expr_call(c->ar, c->cx, "<=", high, 2, c->span, &both[1], err));
    return fn_become(c, "and", both, 2, err);
}

static int resolve_equal_null(struct fn_call *c, struct error *err)
{
    return fn_become(c, "<=>", c->args, 2, err);
}

static int resolve_nullifzero(struct fn_call *c, struct error *err)
{
    struct expr *args[2] = {c->args[0], expr_int(c->ar, 0)};
    return fn_become(c, "nullif", args, 2, err);
}

static int resolve_zeroifnull(struct fn_call *c, struct error *err)
{
    struct expr *args[2] = {c->args[0], expr_int(c->ar, 0)};
    return fn_become(c, "coalesce", args, 2, err);
}

static int run_never(struct kernel *k, const struct column *args, struct column *out)
{
    (void)k;
    (void)args;
    (void)out;
    UNREACHABLE("the function was replaced when it was resolved");
}

/* ---- the query ---- */

static int resolve_info(struct fn_call *c, struct error *err)
{
    (void)err;
    const char *n = c->row->name, *text = c->cx->user;
    if (strcmp(n, "current_timezone") == 0)
        text = c->cx->zone_name ? c->cx->zone_name : "UTC";
    else if (strcmp(n, "current_catalog") == 0)
        text = c->cx->catalog ? c->cx->catalog : "spark_catalog";
    else if (strcmp(n, "current_database") == 0 || strcmp(n, "current_schema") == 0)
        text = c->cx->database ? c->cx->database : "default";
    else if (strcmp(n, "version") == 0)
        text = SPARK_VERSION " drover";
    struct expr *one = expr_string(c->ar, text ? text : "");
    fn_become_expr(c, one);
    return 0;
}

/* ---- the task ---- */

static int resolve_task_number(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(c->row->name[0] == 'm' ? TYPE_BIGINT : TYPE_INT);
    c->nullable = false;
    return 0;
}

static int run_partition_id(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    int32_t *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r))
        o[r] = (int32_t)k->partition;
    return 0;
}

static void counter_free(void *p)
{
    xfree(p);
}

/* The partition in the upper 31 bits, a count of the rows seen below. */
static int run_increasing_id(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    int64_t *o = kernel_out(k, out), *next = k->cache->data;
    if (!next || next[0] != k->partition) {
        next = xcalloc(2, sizeof *next);
        next[0] = k->partition;
        kernel_cache_set(k, next, counter_free);
    }
    for (KERNEL_EACH(k, r))
        o[r] = ((int64_t)k->partition << 33) + next[1]++;
    return 0;
}

static int resolve_uuid(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(TYPE_STRING);
    c->nullable = false;
    return 0;
}

static int run_uuid(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    struct strview *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r)) {
        uint64_t a = rng_next(k->rng), b = rng_next(k->rng);
        char *p = arena_printf(k->ar, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                               (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                               (unsigned long long)(b & 0xffffffffffffull));
        o[r] = strview_make(p, 36);
    }
    return 0;
}

/* ---- errors on purpose ---- */

static int resolve_raise(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    c->type = type_of(TYPE_NULL);
    c->nullable = true;
    return 0;
}

static int run_raise(struct kernel *k, const struct column *args, struct column *out)
{
    *out = column_null(out->type, k->rows, k->ar);
    for (KERNEL_EACH(k, r)) {
        bool null = column_is_null(&args[0], r);
        const struct strview *v = arg_text(&args[0], r);
        char *text = null ? arena_strdup(k->ar, "null") : arena_strndup(k->ar, strview_data(v), v->bytes);
        return kernel_raise(k, ERR_USER_RAISED, "errorMessage", text, NULL);
    }
    return 0;
}

/* assert_true(condition, [message]) */
static int resolve_assert(struct fn_call *c, struct error *err)
{
    if (c->args[0]->type->id != TYPE_BOOLEAN && c->args[0]->type->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "BOOLEAN", err);
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BOOLEAN), err));
    struct expr *message, *raise, *args[3];
    if (c->arg_count == 2) {
        message = c->args[1];
    } else {
        struct buf b = BUF_INIT;
        buf_addc(&b, '\'');
        expr_print(c->args[0], true, &b);
        buf_adds(&b, "' is not true!");
        message = expr_string(c->ar, b.data);
        buf_fini(&b);
    }
    TRY(expr_call(c->ar, c->cx, "raise_error", &message, 1, c->span, &raise, err));
    args[0] = c->args[0];
    args[1] = expr_null(c->ar, type_of(TYPE_NULL));
    args[2] = raise;
    return fn_become(c, "if", args, 3, err);
}

#define TEXT_ROW(name, doc) {name, 0, 0, FN_NEVER_NULL, resolve_info, run_never, doc}
const struct fn_row fn_misc_rows[] = {
    {"between", 3, 3, 0, resolve_between, run_never, "whether the first argument lies between the two others"},
    {"equal_null", 2, 2, 0, resolve_equal_null, run_never, "equal, two nulls too"},
    {"nullifzero", 1, 1, 0, resolve_nullifzero, run_never, "null for 0"},
    {"zeroifnull", 1, 1, 0, resolve_zeroifnull, run_never, "0 for null"},
    TEXT_ROW("current_timezone", "the session's time zone"),
    TEXT_ROW("current_catalog", "the session's catalog"),
    TEXT_ROW("current_database", "the session's database"),
    TEXT_ROW("current_schema", "the session's database"),
    TEXT_ROW("current_user", "who runs the query"),
    TEXT_ROW("session_user", "who runs the query"),
    TEXT_ROW("user", "who runs the query"),
    TEXT_ROW("version", "the version that runs"),
    {"spark_partition_id", 0, 0, FN_RANDOM | FN_NEVER_NULL, resolve_task_number, run_partition_id, "the number of the partition"},
    {"monotonically_increasing_id", 0, 0, FN_RANDOM | FN_NEVER_NULL, resolve_task_number, run_increasing_id, "a number of its own for every row"},
    {"uuid", 0, 1, FN_RANDOM | FN_NEVER_NULL, resolve_uuid, run_uuid, "a random UUID"},
    {"raise_error", 1, 1, FN_RAISES_ALWAYS, resolve_raise, run_raise, "raises an error with the message"},
    {"assert_true", 1, 2, FN_RAISES, resolve_assert, run_never, "raises an error unless the condition is true"},
    {0}};
