/* Expression trees: making, comparing, walking and rewriting them; coercion and casts by Spark's rules. */
#include "common/expr/expr.h"

#include "common/base/account.h"
#include "common/expr/agg.h"
#include "common/expr/fn_impl.h"
#include "common/expr/program.h"

static struct expr *node(struct arena *ar, enum expr_kind kind, const struct type *type, bool nullable)
{
    struct expr *e = ARENA_NEW(ar, struct expr);
    e->kind = kind;
    e->type = type;
    e->nullable = nullable;
    return e;
}

struct expr *expr_column(struct arena *ar, uint32_t column, const struct type *type, bool nullable, const char *name)
{
    struct expr *e = node(ar, EXPR_COLUMN, type, nullable);
    e->column = column;
    e->name = name;
    return e;
}

struct expr *expr_literal(struct arena *ar, struct value v)
{
    struct expr *e = node(ar, EXPR_LITERAL, v.type, v.null);
    e->literal = v;
    return e;
}

struct expr *expr_bool(struct arena *ar, bool v)
{
    return expr_literal(ar, (struct value){.type = type_of(TYPE_BOOLEAN), .i = v});
}

struct expr *expr_int(struct arena *ar, int32_t v)
{
    return expr_literal(ar, (struct value){.type = type_of(TYPE_INT), .i = v});
}

struct expr *expr_bigint(struct arena *ar, int64_t v)
{
    return expr_literal(ar, (struct value){.type = type_of(TYPE_BIGINT), .i = v});
}

struct expr *expr_null(struct arena *ar, const struct type *type)
{
    return expr_literal(ar, (struct value){.type = type, .null = true});
}

struct expr *expr_string(struct arena *ar, const char *s)
{
    struct value v = {.type = type_of(TYPE_STRING)};
    v.s.ptr = arena_strdup(ar, s);
    v.s.bytes = (uint32_t)strlen(s);
    return expr_literal(ar, v);
}

/* ---- types: which casts exist, what two types have in common ---- */

static bool is_datetime(const struct type *t)
{
    return t->id == TYPE_DATE || t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_NTZ;
}

static bool is_interval(const struct type *t)
{
    return t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT;
}

bool expr_cast_allowed(const struct type *from, const struct type *to, enum eval_mode mode)
{
    bool ansi = mode != EVAL_LEGACY;
    if (from == to || from->id == TYPE_NULL)
        return true;
    if (to->id == TYPE_STRING)
        return true;
    if (from->id == TYPE_STRING)
        return type_is_numeric(to) || is_datetime(to) || is_interval(to) || to->id == TYPE_BOOLEAN || to->id == TYPE_BINARY;
    if (type_is_numeric(from) || from->id == TYPE_BOOLEAN) {
        if (type_is_numeric(to) || to->id == TYPE_BOOLEAN)
            return true;
        if (to->id == TYPE_TIMESTAMP)
            return type_is_numeric(from) || !ansi;
        if (is_interval(to))
            return type_is_integral(from) || from->id == TYPE_DECIMAL;
        return to->id == TYPE_BINARY && !ansi && type_is_integral(from);
    }
    if (is_datetime(from)) {
        if (is_datetime(to))
            return true;
        if (from->id == TYPE_DATE)
            return !ansi && (type_is_numeric(to) || to->id == TYPE_BOOLEAN); /* always null */
        return from->id == TYPE_TIMESTAMP && (type_is_numeric(to) || (!ansi && to->id == TYPE_BOOLEAN));
    }
    if (is_interval(from))
        return to->id == from->id || type_is_integral(to) || to->id == TYPE_DECIMAL;
    if (from->id == to->id && type_is_nested(from) && from->child_count == to->child_count) {
        for (uint32_t i = 0; i < from->child_count; i++) {
            if (!expr_cast_allowed(from->children[i], to->children[i], mode))
                return false;
        }
        return true;
    }
    return false;
}

static const struct type *wider_decimal(const struct type *a, const struct type *b)
{
    unsigned scale = a->scale > b->scale ? a->scale : b->scale;
    unsigned whole_a = a->precision - a->scale, whole_b = b->precision - b->scale;
    unsigned p = (whole_a > whole_b ? whole_a : whole_b) + scale;
    if (p > DECIMAL_PRECISION_MAX) { /* digits before the point win */
        unsigned whole = p - scale;
        p = DECIMAL_PRECISION_MAX;
        scale = whole >= p ? 0 : p - whole;
    }
    return type_decimal(p, scale);
}

const struct type *type_common(const struct query_ctx *cx, const struct type *a, const struct type *b)
{
    if (a == b || b->id == TYPE_NULL)
        return a;
    if (a->id == TYPE_NULL)
        return b;
    if (type_is_numeric(a) && type_is_numeric(b)) {
        if (a->id == TYPE_DECIMAL || b->id == TYPE_DECIMAL) {
            if (a->id == TYPE_FLOAT || a->id == TYPE_DOUBLE || b->id == TYPE_FLOAT || b->id == TYPE_DOUBLE)
                return type_of(TYPE_DOUBLE);
            return wider_decimal(a->id == TYPE_DECIMAL ? a : decimal_of_integral(a),
                                 b->id == TYPE_DECIMAL ? b : decimal_of_integral(b));
        }
        /* Spark's ANSI mode takes an integral with a float to double. */
        if (cx->ansi && ((a->id == TYPE_FLOAT && type_is_integral(b)) || (b->id == TYPE_FLOAT && type_is_integral(a))))
            return type_of(TYPE_DOUBLE);
        return a->id > b->id ? a : b;
    }
    if (a->id == TYPE_STRING || b->id == TYPE_STRING) {
        const struct type *other = a->id == TYPE_STRING ? b : a;
        if (!cx->ansi)
            return type_is_nested(other) ? NULL : type_of(TYPE_STRING);
        if (type_is_integral(other))
            return type_of(TYPE_BIGINT);
        if (type_is_numeric(other))
            return type_of(TYPE_DOUBLE);
        if (is_datetime(other) || other->id == TYPE_BOOLEAN || other->id == TYPE_BINARY)
            return other;
        return NULL;
    }
    if (is_datetime(a) && is_datetime(b)) {
        if (a->id == TYPE_TIMESTAMP || b->id == TYPE_TIMESTAMP)
            return type_of(TYPE_TIMESTAMP);
        return type_of(TYPE_TIMESTAMP_NTZ);
    }
    if (is_interval(a) && a->id == b->id) {
        unsigned from = a->interval_from < b->interval_from ? a->interval_from : b->interval_from;
        unsigned to = a->interval_to > b->interval_to ? a->interval_to : b->interval_to;
        return type_interval(a->id, from, to);
    }
    if (a->id == b->id && a->id == TYPE_ARRAY) {
        const struct type *e = type_common(cx, a->children[0], b->children[0]);
        return e ? type_array(e, a->child_nullable[0] || b->child_nullable[0]) : NULL;
    }
    if (a->id == b->id && a->id == TYPE_MAP) {
        const struct type *k = type_common(cx, a->children[0], b->children[0]);
        const struct type *v = type_common(cx, a->children[1], b->children[1]);
        return k && v ? type_map(k, v, a->child_nullable[1] || b->child_nullable[1]) : NULL;
    }
    return NULL;
}

/* ---- casts and calls ---- */

/* The function that does what a cast refuses to guess, or NULL. */
static const char *instead_of_cast(const struct type *from, const struct type *to)
{
    if (from->id == TYPE_DATE && type_is_numeric(to))
        return "`UNIX_DATE`";
    return type_is_numeric(from) && to->id == TYPE_DATE ? "`DATE_FROM_UNIX_DATE`" : NULL;
}

static int cast_forbidden(const struct expr *e, const struct type *type, enum eval_mode mode, struct span span, struct error *err)
{
    struct buf sql = BUF_INIT, from = BUF_INIT, to = BUF_INIT;
    const char *other = mode == EVAL_LEGACY ? NULL : instead_of_cast(e->type, type);
    fn_quoted_type(e->type, &from);
    fn_quoted_type(type, &to);
    buf_adds(&sql, mode == EVAL_TRY ? "\"TRY_CAST(" : "\"CAST(");
    expr_print(e, true, &sql);
    buf_adds(&sql, " AS ");
    type_sql(type, &sql);
    buf_adds(&sql, ")\"");
    if (other)
        error_set(err, ERR_DATATYPE_MISMATCH_CAST_FUNC, "sqlExpr", sql.data, "srcType", from.data, "targetType", to.data, "functionNames", other, NULL);
    else if (mode == EVAL_ANSI && expr_cast_allowed(e->type, type, EVAL_LEGACY))
        error_set(err, ERR_DATATYPE_MISMATCH_CAST_CONF, "sqlExpr", sql.data, "srcType", from.data, "targetType", to.data, "config",
                  "\"spark.sql.ansi.enabled\"", "configVal", "'false'", NULL);
    else
        error_set(err, ERR_DATATYPE_MISMATCH_CAST, "sqlExpr", sql.data, "srcType", from.data, "targetType", to.data, NULL);
    error_at(err, span);
    buf_fini(&sql);
    buf_fini(&from);
    buf_fini(&to);
    return (int)err->code;
}

int expr_cast(struct arena *ar, struct expr *e, const struct type *type, enum eval_mode mode, struct span span,
              struct expr **ret, struct error *err)
{
    if (e->type == type) {
        *ret = e;
        return 0;
    }
    if (!expr_cast_allowed(e->type, type, mode))
        return cast_forbidden(e, type, mode, span, err);
    if (e->kind == EXPR_LITERAL && e->literal.null) {
        *ret = expr_null(ar, type);
        (*ret)->span = span.stop ? span : e->span;
        return 0;
    }
    bool lossy = !((type_is_integral(e->type) && type_is_integral(type) && type->id > e->type->id) ||
                   (e->type->id == TYPE_DATE && is_datetime(type)));
    struct expr *c = node(ar, EXPR_CALL, type, e->nullable || (mode != EVAL_ANSI && lossy));
    c->fn = fn_find("cast");
    c->mode = mode;
    c->span = span.stop ? span : e->span;
    c->implicit = span.stop == 0;
    c->arg_count = 1;
    c->args = ARENA_ARRAY(ar, struct expr *, 1);
    c->args[0] = e;
    *ret = c;
    return 0;
}

int expr_cast_stored(struct arena *ar, struct expr *e, const struct type *type, const char *column, struct span span, struct expr **ret,
                     struct error *err)
{
    struct expr *c;
    TRY(expr_cast(ar, e, type, EVAL_ANSI, span, &c, err));
    if (c->kind == EXPR_CALL && c != e && type_is_numeric(type)) {
        struct expr **args = ARENA_ARRAY(ar, struct expr *, 2);
        args[0] = e;
        args[1] = expr_string(ar, column);
        c->fn = fn_find("_stored");
        c->args = args;
        c->arg_count = 2;
    }
    *ret = c;
    return 0;
}

struct expr *expr_cast_must(struct arena *ar, const struct query_ctx *cx, struct expr *e, const struct type *type)
{
    struct error err = ERROR_INIT;
    struct expr *out;
    int rc = expr_cast(ar, e, type, cx->ansi ? EVAL_ANSI : EVAL_LEGACY, (struct span){0}, &out, &err);
    ASSERT(rc == 0);
    return out;
}

struct expr *expr_and(struct arena *ar, struct expr *a, struct expr *b)
{
    if (!a || !b)
        return a ? a : b;
    struct expr *c = node(ar, EXPR_CALL, type_of(TYPE_BOOLEAN), a->nullable || b->nullable);
    c->fn = fn_find("and");
    c->arg_count = 2;
    c->args = ARENA_ARRAY(ar, struct expr *, 2);
    c->args[0] = a;
    c->args[1] = b;
    return c;
}

int fn_missing(const char *name, struct span span, struct error *err)
{
    const struct fn_row *r;
    struct buf quoted = BUF_INIT, lower = BUF_INIT, advice = BUF_INIT;
    buf_addf(&quoted, "`%s`", name);
    for (const char *c = name; *c; c++)
        buf_addc(&lower, *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c);
    struct slip slip = {.wrong = lower.data ? lower.data : ""};
    for (uint32_t i = 0; (r = fn_at(i)) != NULL; i++) {
        if (r->name[0] != '_')
            slip_try(&slip, r->name);
    }
    for (const char *const *a = agg_names(); *a; a++)
        slip_try(&slip, *a);
    if (slip.meant)
        buf_addf(&advice, "the nearest is %s", slip.meant);
    else
        buf_adds(&advice, "SHOW FUNCTIONS lists what there is");
    error_set(err, ERR_FUNCTION_MISSING, "routineName", quoted.data, "searchPath",
              "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]", "advice", advice.data, NULL);
    buf_fini(&quoted);
    buf_fini(&lower);
    buf_fini(&advice);
    error_at(err, span);
    return (int)err->code;
}

static const char *plain_name(struct arena *ar, const struct expr *e)
{
    struct buf b = BUF_INIT;
    expr_print(e, true, &b);
    const char *name = arena_strndup(ar, b.data, b.bytes);
    buf_fini(&b);
    return name;
}

/* What Spark calls a call that turned into another expression. */
static const char *call_name(struct arena *ar, const struct fn_row *row, struct expr **args, uint32_t arg_count, struct span span)
{
    struct expr call = {.kind = EXPR_CALL, .fn = row, .args = args, .arg_count = arg_count, .span = span, .type = type_of(TYPE_NULL)};
    return plain_name(ar, &call);
}

int expr_call(struct arena *ar, const struct query_ctx *cx, const char *name, struct expr **args, uint32_t arg_count,
              struct span span, struct expr **ret, struct error *err)
{
    const struct fn_row *row = fn_find(name);
    if (!row)
        return fn_missing(name, span, err);
    if (arg_count < row->args_min || (row->args_max != 255 && arg_count > row->args_max)) {
        char want[32], have[16];
        struct buf b = BUF_INIT;
        buf_addf(&b, row->args_max == row->args_min ? "%u" : row->args_max == 255 ? "> %u" : "[%u, %u]",
                 row->args_max == 255 ? row->args_min - 1u : row->args_min, row->args_max);
        memcpy(want, b.data, b.bytes < 31 ? b.bytes + 1 : 31);
        buf_reset(&b);
        buf_addf(&b, "%u", arg_count);
        memcpy(have, b.data, b.bytes + 1);
        buf_fini(&b);
        struct buf quoted = BUF_INIT;
        buf_addf(&quoted, "`%s`", row->name);
        error_set(err, ERR_FUNCTION_ARGS, "functionName", quoted.data, "expectedNum", want, "actualNum", have, NULL);
        buf_fini(&quoted);
        error_at(err, span);
        return (int)err->code;
    }
    struct fn_call c = {.ar = ar, .cx = cx, .row = row, .span = span, .arg_count = arg_count,
                        .mode = cx->ansi ? EVAL_ANSI : EVAL_LEGACY};
    c.args = ARENA_ARRAY(ar, struct expr *, arg_count);
    for (uint32_t i = 0; i < arg_count; i++)
        c.args[i] = args[i];
    if (str_has_prefix(row->name, "try_"))
        c.mode = EVAL_TRY;
    c.nullable = fn_any_nullable(&c);
    TRY(row->resolve(&c, err));
    ASSERT(c.type);
    struct expr *e = node(ar, EXPR_CALL, c.type, c.nullable && !(c.row->flags & FN_NEVER_NULL));
    e->fn = c.row;
    e->mode = c.mode;
    e->args = c.args;
    e->arg_count = c.arg_count;
    if (c.whole && c.whole->kind == EXPR_CALL) {
        *e = *c.whole;
    } else if (c.whole) { /* an argument as it is */
        e->fn = fn_find("_same");
        e->args = ARENA_ARRAY(ar, struct expr *, 1);
        e->args[0] = c.whole;
        e->arg_count = 1;
        e->nullable = c.whole->nullable;
    }
    e->span = span;
    bool operator = strchr("+-*/%", row->name[0]) != NULL; /* shows what it turned into: a day added is date_add */
    if ((c.whole && !c.bare && !(row->flags & FN_BARE) && !operator) || c.row != row)
        e->name = call_name(ar, row, args, arg_count, span);
    else if (c.whole && c.whole == args[0])
        e->name = plain_name(ar, args[0]);
    *ret = e;
    return 0;
}

/* ---- structure ---- */

static bool value_eq(const struct value *a, const struct value *b)
{
    if (a->type != b->type || a->null != b->null)
        return false;
    if (a->null)
        return true;
    switch (a->type->id) {
    case TYPE_DECIMAL: return a->d == b->d;
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return memcmp(&a->f, &b->f, 8) == 0;
    case TYPE_STRING:
    case TYPE_BINARY: return a->s.bytes == b->s.bytes && memcmp(a->s.ptr, b->s.ptr, a->s.bytes) == 0;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT: return column_eq(a->nested, 0, b->nested, 0);
    default: return a->i == b->i;
    }
}

bool expr_eq(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->kind != b->kind || a->type != b->type || a->arg_count != b->arg_count || a->column != b->column ||
        a->fn != b->fn || a->mode != b->mode || a->agg != b->agg || a->distinct != b->distinct || a->plan != b->plan)
        return false;
    if (a->kind == EXPR_LITERAL && !value_eq(&a->literal, &b->literal))
        return false;
    if ((a->filter || b->filter) && (!a->filter || !b->filter || !expr_eq(a->filter, b->filter)))
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++) {
        if (!expr_eq(a->args[i], b->args[i]))
            return false;
    }
    return true;
}

uint64_t expr_hash(const struct expr *e)
{
    uint64_t h = hash_combine(e->kind, (uintptr_t)e->type);
    h = hash_combine(h, e->column);
    h = hash_combine(h, (uintptr_t)e->fn ^ (uintptr_t)e->agg);
    if (e->kind == EXPR_LITERAL && !e->literal.null && e->type->id != TYPE_STRING && e->type->id != TYPE_BINARY &&
        !type_is_nested(e->type))
        h = hash_combine(h, (uint64_t)e->literal.i);
    for (uint32_t i = 0; i < e->arg_count; i++)
        h = hash_combine(h, expr_hash(e->args[i]));
    return h;
}

bool expr_is_deterministic(const struct expr *e)
{
    if (e->kind == EXPR_CALL && (e->fn->flags & FN_RANDOM))
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (!expr_is_deterministic(e->args[i]))
            return false;
    }
    return true;
}

bool fn_raises(const struct expr *call)
{
    uint32_t flags = call->fn->flags;
    bool literals = true;
    for (uint32_t i = 1; i < call->arg_count; i++)
        literals = literals && call->args[i]->kind == EXPR_LITERAL;
    return (flags & FN_RAISES_ALWAYS) || ((flags & FN_RAISES_PATTERN) && !literals) || ((flags & FN_RAISES) && call->mode == EVAL_ANSI);
}

bool expr_can_raise(const struct expr *e)
{
    if (e->kind == EXPR_SUBQUERY || e->kind == EXPR_AGG || (e->kind == EXPR_CALL && fn_raises(e)))
        return true;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (expr_can_raise(e->args[i]))
            return true;
    }
    return false;
}

void expr_walk(struct expr *e, void (*fn)(struct expr *e, void *ctx), void *ctx)
{
    for (uint32_t i = 0; i < e->arg_count; i++)
        expr_walk(e->args[i], fn, ctx);
    if (e->filter)
        expr_walk(e->filter, fn, ctx);
    fn(e, ctx);
}

struct expr *expr_rewrite(struct arena *ar, struct expr *e,
                          struct expr *(*fn)(struct arena *ar, struct expr *e, void *ctx), void *ctx)
{
    struct expr *out = e;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        struct expr *a = expr_rewrite(ar, e->args[i], fn, ctx);
        if (a == e->args[i])
            continue;
        if (out == e) {
            out = arena_dup(ar, e, sizeof *e);
            out->args = arena_dup(ar, e->args, e->arg_count * sizeof *e->args);
        }
        out->args[i] = a;
    }
    if (e->filter) {
        struct expr *f = expr_rewrite(ar, e->filter, fn, ctx);
        if (f != e->filter) {
            if (out == e)
                out = arena_dup(ar, e, sizeof *e);
            out->filter = f;
        }
    }
    return fn(ar, out, ctx);
}

bool expr_is_foldable(const struct expr *e)
{
    if (e->kind != EXPR_LITERAL && e->kind != EXPR_CALL)
        return false;
    if (e->kind == EXPR_CALL && (e->fn->flags & FN_RANDOM))
        return false;
    for (uint32_t i = 0; i < e->arg_count; i++) {
        if (!expr_is_foldable(e->args[i]))
            return false;
    }
    return true;
}

/* ---- values ---- */

struct column value_column(const struct value *v, uint32_t rows, struct arena *ar)
{
    if (v->null)
        return column_null(v->type, rows, ar);
    if (type_is_nested(v->type)) {
        uint32_t *idx = ARENA_ARRAY(ar, uint32_t, rows);
        return column_gather(v->nested, idx, rows, ar);
    }
    struct column col = {.type = v->type, .phys = type_phys(v->type), .kind = COL_CONST, .rows = rows};
    void *p = arena_zalloc(ar, 16);
    col.data = p;
    switch (col.phys) {
    case PHYS_BOOL:
    case PHYS_I8: *(int8_t *)p = (int8_t)v->i; break;
    case PHYS_I16: *(int16_t *)p = (int16_t)v->i; break;
    case PHYS_I32: *(int32_t *)p = (int32_t)v->i; break;
    case PHYS_I64: *(int64_t *)p = v->type->id == TYPE_DECIMAL ? (int64_t)v->d : v->i; break;
    case PHYS_I128:
        if ((int128_t)(int64_t)v->d == v->d) {
            col.phys = PHYS_I64;
            *(int64_t *)p = (int64_t)v->d;
        } else {
            *(int128_t *)p = v->d;
        }
        break;
    case PHYS_F32: *(float *)p = (float)v->f; break;
    case PHYS_F64: *(double *)p = v->f; break;
    case PHYS_STR: *(struct strview *)p = strview_make(v->s.ptr, v->s.bytes); break;
    default: UNREACHABLE("a flat type");
    }
    return col;
}

struct value column_value(const struct column *col, uint32_t row)
{
    uint32_t at = column_idx(col, row);
    struct value v = {.type = col->type, .null = col->nulls && col->nulls[at]};
    if (v.null)
        return v;
    switch (col->phys) {
    case PHYS_BOOL: v.i = ((const uint8_t *)col->data)[at]; break;
    case PHYS_I8: v.i = ((const int8_t *)col->data)[at]; break;
    case PHYS_I16: v.i = ((const int16_t *)col->data)[at]; break;
    case PHYS_I32: v.i = ((const int32_t *)col->data)[at]; break;
    case PHYS_I64:
        if (col->type->id == TYPE_DECIMAL)
            v.d = ((const int64_t *)col->data)[at];
        else
            v.i = ((const int64_t *)col->data)[at];
        break;
    case PHYS_I128: v.d = ((const int128_t *)col->data)[at]; break;
    case PHYS_F32: v.f = ((const float *)col->data)[at]; break;
    case PHYS_F64: v.f = ((const double *)col->data)[at]; break;
    case PHYS_STR: {
        const struct strview *s = (const struct strview *)col->data + at;
        v.s.ptr = strview_data(s);
        v.s.bytes = s->bytes;
        break;
    }
    default: UNREACHABLE("nested values are read as columns");
    }
    return v;
}

int expr_fold(struct arena *ar, const struct query_ctx *cx, const struct expr *e, struct value *ret, struct error *err)
{
    if (e->kind == EXPR_LITERAL) {
        *ret = e->literal;
        return 0;
    }
    const struct program *p;
    struct expr *one[1] = {(struct expr *)(uintptr_t)e};
    TRY(program_compile(ar, cx, one, 1, NULL, 0, &p, err));
    enum { FOLDED_MAX = 16 << 20 }; /* what takes more is left to a task, whose memory is its own */
    struct account account;
    account_init(&account, "constant", NULL, FOLDED_MAX);
    struct expr_state *st = expr_state_new(p, cx->seed, 0, 0, NULL);
    expr_state_charge(st, &account);
    struct batch b = {.rows = 1, .sel_count = 1};
    struct column out;
    int rc = program_eval(st, &b, &out, err);
    if (rc == 0 && type_is_nested(e->type)) {
        uint32_t zero = 0;
        struct column *col = ARENA_NEW(ar, struct column);
        *col = column_gather(&out, &zero, 1, ar);
        *ret = (struct value){.type = e->type, .null = column_is_null(&out, 0), .nested = col};
    } else if (rc == 0) {
        *ret = column_value(&out, 0);
        ret->type = e->type;
        if (!ret->null && (e->type->id == TYPE_STRING || e->type->id == TYPE_BINARY))
            ret->s.ptr = arena_strndup(ar, ret->s.ptr, ret->s.bytes);
    }
    if (rc == ERR_TASK_MEMORY) {
        error_fini(err);
        error_set(err, ERR_CONSTANT_TOO_LARGE, "limit", "16 MiB", NULL);
        error_at(err, e->span);
        rc = ERR_CONSTANT_TOO_LARGE;
    }
    expr_state_free(st);
    account_fini(&account);
    return rc;
}
