/* Dates and times as text, by pattern and back, as seconds since 1970, and made from their parts. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "common/expr/datetime.h"
#include "common/expr/fn_impl.h"
#include "common/expr/zone.h"

static void pattern_free(void *p)
{
    datetime_pattern_free(p);
}

static int get_pattern(struct kernel *k, const struct column *col, uint32_t r, bool reading, const struct datetime_pattern **ret)
{
    const struct strview *s = arg_text(col, r);
    struct datetime_pattern *p = k->cache->data;
    if (!p || !datetime_pattern_is(p, strview_data(s), s->bytes)) {
        if (datetime_pattern_new(strview_data(s), s->bytes, &p, k->err) != 0) {
            error_at(k->err, k->node->span);
            return (int)k->err->code;
        }
        kernel_cache_set(k, p, pattern_free);
        if (reading)
            TRY(datetime_pattern_reads(p, k->err));
    }
    *ret = p;
    return 0;
}

/* ---- to text ---- */

static int resolve_date_format(struct fn_call *c, struct error *err)
{
    if (c->args[0]->type->id != TYPE_TIMESTAMP)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    TRY(fn_cast_text(c, 1, err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_date_format(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    const struct datetime_pattern *p = NULL;
    struct buf b = BUF_INIT;
    int rc = 0;
    int64_t unit = args[0].type->id == TYPE_BIGINT ? US_SECOND : 1; /* from_unixtime has seconds */
    KERNEL_EACH_VALUE(k, r) {
        if ((!p || args[1].kind != COL_CONST) && (rc = get_pattern(k, &args[1], r, false, &p)) != 0)
            break;
        int64_t us, offset;
        (void)__builtin_mul_overflow(arg_i64(&args[0], r), unit, &us); /* wraps, as in Java */
        offset = zone_offset_us(k->cx->zone, us);
        buf_reset(&b);
        datetime_format(p, zone_local_us(k->cx->zone, us), offset, k->cx->zone_name ? k->cx->zone_name : "UTC", &b);
        o[r] = kernel_keep(k, b.data, b.bytes);
    }
    buf_fini(&b);
    return rc;
}

static int resolve_from_unixtime(struct fn_call *c, struct error *err)
{
    struct expr *args[2] = {c->args[0], c->arg_count == 2 ? c->args[1] : expr_string(c->ar, "yyyy-MM-dd HH:mm:ss")};
    c->args = arena_dup(c->ar, args, sizeof args);
    c->arg_count = 2;
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    TRY(fn_cast_text(c, 1, err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

/* ---- from text ---- */

/* _parse_timestamp(text, pattern): to_timestamp and its like. Null or an error when the text does not follow. */
static int resolve_parse(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_text(c, 0, err));
    TRY(fn_cast_text(c, 1, err));
    c->type = type_of(strstr(c->row->name, "ntz") ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    if (str_has_prefix(c->row->name, "_try"))
        c->mode = EVAL_TRY;
    c->nullable |= c->mode != EVAL_ANSI;
    return 0;
}

static int run_parse(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    const struct datetime_pattern *p = NULL;
    bool ntz = k->node->type->id == TYPE_TIMESTAMP_NTZ;
    KERNEL_EACH_VALUE(k, r) {
        if (!p || args[1].kind != COL_CONST)
            TRY(get_pattern(k, &args[1], r, true, &p));
        const struct strview *s = arg_text(&args[0], r);
        size_t at;
        bool ok = ntz ? datetime_parse_ntz(p, strview_data(s), s->bytes, &o[r], &at)
                      : datetime_parse_timestamp(p, strview_data(s), s->bytes, k->cx->zone, &o[r], &at);
        if (ok)
            continue;
        if (k->node->mode == EVAL_ANSI) {
            struct buf b = BUF_INIT;
            buf_addf(&b, "the text '%.*s' does not follow its pattern from index %zu on", (int)s->bytes, strview_data(s), at);
            int rc = kernel_raise(k, ERR_DATETIME_PARSE, "message", b.data, "func",
                                  strstr(k->node->fn->name, "date") ? "`try_to_date`" : "`try_to_timestamp`", NULL);
            buf_fini(&b);
            return rc;
        }
        kernel_set_null(k, out, &nulls, r);
    }
    return 0;
}

/* to_date, to_timestamp, to_timestamp_ntz, to_timestamp_ltz, try_to_date, try_to_timestamp: (value, [pattern]) */
static int resolve_to_datetime(struct fn_call *c, struct error *err)
{
    const char *n = c->row->name;
    bool try_form = str_has_prefix(n, "try_"), date = strstr(n, "date") != NULL, ntz = strstr(n, "ntz") != NULL;
    const struct type *t = type_of(date ? TYPE_DATE : ntz ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    enum eval_mode mode = try_form ? EVAL_TRY : c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY;
    struct expr *e = c->args[0];
    bool text = e->type->id == TYPE_STRING || e->type->id == TYPE_NULL;
    if (c->arg_count == 2 && text)
        TRY(expr_call(c->ar, c->cx, try_form ? (ntz ? "_try_parse_timestamp_ntz" : "_try_parse_timestamp")
                                    : ntz    ? "_parse_timestamp_ntz"
                                    : date   ? "_parse_date"
                                             : "_parse_timestamp",
                      c->args, 2, c->span, &e, err));
    else if (type_is_numeric(e->type) && (date || ntz))
        return fn_wrong_arg(c, 0, "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\")", err);
    TRY(expr_cast(c->ar, e, t, mode, c->span, &e, err));
    fn_become_expr(c, e);
    return 0;
}

/* unix_timestamp(), (value), (text, pattern) */
static int resolve_unix(struct fn_call *c, struct error *err)
{
    struct expr *e, *args[2];
    enum type_id id = c->arg_count ? c->args[0]->type->id : TYPE_NULL, pattern = c->arg_count == 2 ? c->args[1]->type->id : TYPE_STRING;
    if (id != TYPE_STRING && id != TYPE_DATE && id != TYPE_NULL && !is_timestamp(c->args[0]->type))
        return fn_wrong_arg(c, 0, "(\"STRING\" or \"DATE\" or \"TIMESTAMP\" or \"TIMESTAMP_NTZ\" or "
                                  "\"(TIMESTAMP_LTZ(P) OR TIMESTAMP_NTZ(P) WITH P IN [7, 9])\")", err);
    if (pattern != TYPE_STRING && pattern != TYPE_NULL)
        return fn_wrong_arg(c, 1, "STRING", err);
    if (c->arg_count == 0) {
        TRY(expr_call(c->ar, c->cx, "current_timestamp", NULL, 0, c->span, &e, err));
    } else if (c->args[0]->type->id == TYPE_STRING) {
        args[0] = c->args[0];
        args[1] = c->arg_count == 2 ? c->args[1] : expr_string(c->ar, "yyyy-MM-dd HH:mm:ss");
        TRY(expr_call(c->ar, c->cx, "_parse_timestamp", args, 2, c->span, &e, err));
    } else {
        TRY(expr_cast(c->ar, c->args[0], type_of(TYPE_TIMESTAMP), c->cx->ansi ? EVAL_ANSI : EVAL_LEGACY, c->span, &e, err));
    }
    return fn_become(c, "_whole_seconds", &e, 1, err);
}

/* ---- numbers of seconds, milliseconds, microseconds, days ---- */

static int64_t unit_of(const char *name)
{
    return strstr(name, "second") ? US_SECOND : strstr(name, "milli") ? 1000 : 1;
}

static int resolve_unix_unit(struct fn_call *c, struct error *err)
{
    if (!is_timestamp(c->args[0]->type) && c->args[0]->type->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "(\"(TIMESTAMP OR TIMESTAMP WITHOUT TIME ZONE)\" or \"(TIMESTAMP_LTZ(P) OR TIMESTAMP_NTZ(P) WITH P IN [7, 9])\")", err);
    TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    c->type = type_of(TYPE_BIGINT);
    return 0;
}

static int run_unix_unit(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out), unit = unit_of(k->node->fn->name);
    for (KERNEL_EACH(k, r))
        o[r] = k->node->fn->name[0] == '_' ? arg_i64(&args[0], r) / unit : floor_div(arg_i64(&args[0], r), unit);
    return 0;
}

static int resolve_timestamp_unit(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    if (unit_of(c->row->name) == US_SECOND && (type_is_numeric(t) && !type_is_integral(t))) {
        fn_become_expr(c, expr_cast_must(c->ar, c->cx, c->args[0], type_of(TYPE_TIMESTAMP)));
        return 0;
    }
    if (!type_is_integral(t) && t->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, unit_of(c->row->name) == US_SECOND ? "NUMERIC" : "INTEGRAL", err);
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BIGINT), err));
    c->type = type_of(TYPE_TIMESTAMP);
    return 0;
}

static int run_timestamp_unit(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out), unit = unit_of(k->node->fn->name);
    for (KERNEL_EACH(k, r)) {
        if (!kernel_null(k, r) && __builtin_mul_overflow(arg_i64(&args[0], r), unit, &o[r])) {
            char text[80];
            snprintf(text, sizeof text, "create a TIMESTAMP from %lldL %s since the epoch", (long long)arg_i64(&args[0], r),
                     unit == US_SECOND ? "seconds" : "milliseconds");
            return kernel_raise(k, ERR_DATETIME_OVERFLOW, "operation", text, NULL);
        }
    }
    return 0;
}

static int resolve_unix_date(struct fn_call *c, struct error *err)
{
    bool from = c->row->name[0] == 'd';
    if (!from && c->args[0]->type->id != TYPE_DATE && c->args[0]->type->id != TYPE_NULL)
        return fn_wrong_arg(c, 0, "DATE", err);
    TRY(fn_cast_arg(c, 0, type_of(from ? TYPE_INT : TYPE_DATE), err));
    c->type = type_of(from ? TYPE_DATE : TYPE_INT);
    return 0;
}

static int run_copy(struct kernel *k, const struct column *args, struct column *out)
{
    (void)k;
    const struct type *t = out->type;
    *out = args[0];
    out->type = t;
    return 0;
}

/* ---- zones ---- */

static int resolve_utc(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    TRY(fn_cast_text(c, 1, err));
    c->type = type_of(TYPE_TIMESTAMP);
    return 0;
}

static int zone_of(struct kernel *k, const struct strview *s, const struct zone **ret)
{
    char *name = arena_strndup(k->ar, strview_data(s), s->bytes);
    struct error of_setting = ERROR_INIT; /* zone_find speaks of the session's zone */
    if (zone_find(name, ret, &of_setting) == 0)
        return 0;
    error_fini(&of_setting);
    return kernel_raise(k, ERR_TIMEZONE, "timeZone", name, NULL);
}

static int run_utc(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    bool from = k->node->fn->name[0] == 'f';
    const struct zone *z = NULL;
    bool have = false;
    KERNEL_EACH_VALUE(k, r) {
        if (!have || args[1].kind != COL_CONST)
            TRY(zone_of(k, arg_text(&args[1], r), &z));
        have = true;
        int64_t v = arg_i64(&args[0], r);
        o[r] = from ? zone_local_us(z, v) : zone_to_utc_us(z, v); /* as if the session's zone were UTC */
    }
    return 0;
}

/* convert_timezone([from], to, wall clock) */
static int resolve_convert(struct fn_call *c, struct error *err)
{
    if (c->arg_count == 2) {
        struct expr *three[3] = {expr_string(c->ar, c->cx->zone_name ? c->cx->zone_name : "UTC"), c->args[0], c->args[1]};
        c->args = arena_dup(c->ar, three, sizeof three);
        c->arg_count = 3;
    }
    TRY(fn_cast_text(c, 0, err));
    TRY(fn_cast_text(c, 1, err));
    TRY(fn_cast_arg(c, 2, type_of(TYPE_TIMESTAMP_NTZ), err));
    c->type = type_of(TYPE_TIMESTAMP_NTZ);
    return 0;
}

static int run_convert(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    const struct zone *from, *to;
    KERNEL_EACH_VALUE(k, r) {
        TRY(zone_of(k, arg_text(&args[0], r), &from));
        TRY(zone_of(k, arg_text(&args[1], r), &to));
        int64_t utc = zone_to_utc_us(from, arg_i64(&args[2], r));
        o[r] = zone_local_us(to, utc);
    }
    return 0;
}

/* ---- names ---- */

static int resolve_name(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_DATE), err));
    c->type = type_of(TYPE_STRING);
    return 0;
}

static int run_name(struct kernel *k, const struct column *args, struct column *out)
{
    static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec", day_names[] = "MonTueWedThuFriSatSun";
    struct strview *o = kernel_out(k, out);
    bool day = k->node->fn->name[0] == 'd';
    KERNEL_EACH_VALUE(k, r) {
        int32_t days = (int32_t)arg_i64(&args[0], r);
        int64_t y;
        unsigned m, d;
        civil_from_days(days, &y, &m, &d);
        o[r] = strview_make(day ? day_names + (((int64_t)days + 3) % 7 + 7) % 7 * 3 : month_names + (m - 1) * 3, 3);
    }
    return 0;
}

/* ---- from parts ---- */

/* make_timestamp(year, month, day, hour, minute, second, [zone]); seconds are decimal(16,6). */
static int resolve_make_timestamp(struct fn_call *c, struct error *err)
{
    if (c->arg_count != 6 && c->arg_count != 7)
        return fn_wrong_arg(c, 0, "INT", err);
    for (uint32_t i = 0; i < 5; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_INT), err));
    TRY(fn_cast_arg(c, 5, type_decimal(16, 6), err));
    if (c->arg_count == 7)
        TRY(fn_cast_text(c, 6, err));
    c->type = type_of(strstr(c->row->name, "ntz") ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    c->nullable |= c->mode != EVAL_ANSI;
    return 0;
}

static int run_make_timestamp(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        int64_t y = arg_i64(&args[0], r), m = arg_i64(&args[1], r), d = arg_i64(&args[2], r), h = arg_i64(&args[3], r),
                mi = arg_i64(&args[4], r), s = (int64_t)arg_i128(&args[5], r), yy;
        unsigned mm = 0, dd = 0;
        int32_t days = 0;
        bool ok = y >= -290000 && y <= 290000 && m >= 1 && m <= 12 && d >= 1 && d <= 31;
        if (ok) {
            days = days_from_civil(y, (unsigned)m, (unsigned)d);
            civil_from_days(days, &yy, &mm, &dd);
        }
        /* 60 seconds sharp are the next minute */
        ok = ok && mm == (unsigned)m && dd == (unsigned)d && h >= 0 && h <= 23 && mi >= 0 && mi <= 59 && s >= 0 && s <= 60 * US_SECOND;
        if (!ok) {
            if (k->node->mode == EVAL_ANSI)
                return kernel_raise(k, ERR_DATETIME_FIELD_PLAIN, "rangeMessage", "the parts make no date and time", NULL);
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        int64_t local = days * US_DAY + (h * 3600 + mi * 60) * US_SECOND + s;
        const struct zone *z = k->cx->zone;
        if (k->node->arg_count == 7)
            TRY(zone_of(k, arg_text(&args[6], r), &z));
        o[r] = out->type->id == TYPE_TIMESTAMP ? zone_to_utc_us(z, local) : local;
    }
    return 0;
}

/* make_ym_interval([years, [months]]), make_dt_interval([days, [hours, [minutes, [seconds]]]]) */
static int resolve_make_interval(struct fn_call *c, struct error *err)
{
    bool ym = c->row->name[5] == 'y';
    uint32_t want = ym ? 2 : 4;
    struct expr **args = ARENA_ARRAY(c->ar, struct expr *, want);
    for (uint32_t i = 0; i < want; i++)
        args[i] = i < c->arg_count ? c->args[i] : i < 3 ? expr_int(c->ar, 0) : expr_literal(c->ar, (struct value){.type = type_decimal(8, 6)});
    c->args = args;
    c->arg_count = want;
    for (uint32_t i = 0; i < want; i++)
        TRY(fn_cast_arg(c, i, i == 3 ? type_decimal(18, 6) : type_of(TYPE_INT), err));
    c->type = type_of(ym ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DT);
    return 0;
}

static int run_make_interval(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    bool ym = out->type->id == TYPE_INTERVAL_YM;
    KERNEL_EACH_VALUE(k, r) {
        if (ym) {
            int64_t v = arg_i64(&args[0], r) * 12 + arg_i64(&args[1], r);
            if (v != (int32_t)v)
                return kernel_raise(k, ERR_INTERVAL_OVERFLOW, NULL);
            ((int32_t *)data)[r] = (int32_t)v;
        } else {
            int128_t v = (int128_t)arg_i64(&args[0], r) * US_DAY + (int128_t)arg_i64(&args[1], r) * 3600 * US_SECOND +
                         (int128_t)arg_i64(&args[2], r) * 60 * US_SECOND + arg_i128(&args[3], r);
            if (v != (int64_t)v)
                return kernel_raise(k, ERR_INTERVAL_OVERFLOW, NULL);
            ((int64_t *)data)[r] = (int64_t)v;
        }
    }
    return 0;
}

/* ---- timestampadd(unit, count, moment), timestampdiff(unit, from, to) ---- */

static const struct unit {
    const char *name;
    int months;
    int64_t us;
} units[] = {{"year", 12, 0}, {"quarter", 3, 0}, {"month", 1, 0}, {"week", 0, 7 * 86400000000ll}, {"day", 0, 86400000000},
             {"dayofyear", 0, 86400000000}, {"hour", 0, 3600000000}, {"minute", 0, 60000000}, {"second", 0, 1000000},
             {"millisecond", 0, 1000}, {"microsecond", 0, 1}};

static const struct unit *find_unit(const struct strview *s)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t n = strlen(units[i].name);
        bool plural = s->bytes == n + 1 && (strview_data(s)[n] | 32) == 's';
        if ((s->bytes == n || plural) && strncasecmp(strview_data(s), units[i].name, n) == 0)
            return &units[i];
    }
    return NULL;
}

static int resolve_unit_call(struct fn_call *c, struct error *err)
{
    bool add = strcmp(c->row->name, "timestampadd") == 0;
    struct value v;
    if (c->args[0]->kind != EXPR_LITERAL || c->args[0]->type->id != TYPE_STRING)
        return fn_missing(c->row->name, c->span, err); /* only the parser's form of it is known */
    TRY(fn_constant_arg(c, 0, "unit", &v, err));
    struct strview s = strview_make(v.null ? "" : v.s.ptr, v.null ? 0 : v.s.bytes);
    if (!find_unit(&s))
        return fn_missing(c->row->name, c->span, err);
    if (add)
        TRY(fn_cast_arg(c, 1, type_of(TYPE_BIGINT), err));
    else if (!is_timestamp(c->args[1]->type))
        TRY(fn_cast_arg(c, 1, type_of(TYPE_TIMESTAMP), err));
    if (!is_timestamp(c->args[2]->type))
        TRY(fn_cast_arg(c, 2, type_of(TYPE_TIMESTAMP), err));
    c->type = add ? c->args[2]->type : type_of(TYPE_BIGINT);
    return 0;
}

static int64_t wall(const struct kernel *k, const struct column *col, uint32_t r)
{
    int64_t v = arg_i64(col, r);
    return col->type->id == TYPE_TIMESTAMP ? zone_local_us(k->cx->zone, v) : v;
}

static int timestampadd_overflow(struct kernel *k, const char *unit, int64_t n, const struct column *col, uint32_t r)
{
    struct buf text = BUF_INIT;
    struct value v = column_value(col, r);
    buf_addf(&text, "add %lldL ", (long long)n);
    for (const char *c = unit; *c; c++)
        buf_addc(&text, (char)toupper((unsigned char)*c));
    buf_adds(&text, " to ");
    value_print(&v, &text);
    int rc = kernel_raise(k, ERR_DATETIME_OVERFLOW, "operation", text.data, NULL);
    buf_fini(&text);
    return rc;
}

static int run_timestampadd(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    const struct unit *u = find_unit(arg_text(&args[0], 0));
    KERNEL_EACH_VALUE(k, r) {
        int64_t n = arg_i64(&args[1], r), v = arg_i64(&args[2], r);
        bool bad = false;
        if (u->months || u->us % US_DAY == 0) { /* days are days of the calendar, whatever their hours */
            int64_t local = wall(k, &args[2], r);
            int64_t years = u->months ? n / (12 / u->months) : n / (366 * US_DAY / u->us), year = floor_div(local, 366 * US_DAY) + 1970;
            bad = years > 600000 || years < -600000 || year + years > 294000 || year + years < -290000;
            if (!bad)
                local = u->months ? days_add_months((int32_t)floor_div(local, US_DAY), n * u->months) * US_DAY + floor_mod(local, US_DAY) : local + n * u->us;
            o[r] = args[2].type->id == TYPE_TIMESTAMP ? zone_to_utc_us(k->cx->zone, local) : local;
        } else {
            bad = __builtin_mul_overflow(n, u->us, &n) || __builtin_add_overflow(v, n, &o[r]);
        }
        if (bad)
            return timestampadd_overflow(k, u->name, arg_i64(&args[1], r), &args[2], r);
    }
    return 0;
}

static int run_timestampdiff(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    const struct unit *u = find_unit(arg_text(&args[0], 0));
    KERNEL_EACH_VALUE(k, r) {
        int64_t a = wall(k, &args[1], r), b = wall(k, &args[2], r);
        if (!u->months) {
            o[r] = (int64_t)(((int128_t)b - a) / u->us);
            continue;
        }
        int64_t ya, yb;
        unsigned ma, mb, da, db;
        civil_from_days((int32_t)floor_div(a, US_DAY), &ya, &ma, &da);
        civil_from_days((int32_t)floor_div(b, US_DAY), &yb, &mb, &db);
        int64_t n = (yb - ya) * 12 + (int64_t)mb - (int64_t)ma;
        /* A month is full when its day and time are reached, though the last month may have no such day. */
        int64_t in_a = (int64_t)da * US_DAY + floor_mod(a, US_DAY), in_b = (int64_t)db * US_DAY + floor_mod(b, US_DAY);
        n -= n > 0 && in_b < in_a;
        n += n < 0 && in_b > in_a;
        o[r] = n / u->months;
    }
    return 0;
}

#define N FN_NULL_ANY
const struct fn_row fn_datetime_rows[] = {
    {"date_format", 2, 2, N | FN_RAISES_PATTERN, resolve_date_format, run_date_format, "a date or timestamp as text, by a pattern"},
    {"from_unixtime", 1, 2, N | FN_RAISES_PATTERN, resolve_from_unixtime, run_date_format, "seconds since 1970 as text, by a pattern"},
    {"to_date", 1, 2, N, resolve_to_datetime, run_parse, "a date from a text, by a pattern when given"},
    {"to_timestamp", 1, 2, N, resolve_to_datetime, run_parse, "a timestamp from a text, by a pattern when given"},
    {"to_timestamp_ltz", 1, 2, N, resolve_to_datetime, run_parse, "a timestamp from a text, by a pattern when given"},
    {"to_timestamp_ntz", 1, 2, N, resolve_to_datetime, run_parse, "a wall clock's time from a text, by a pattern when given"},
    {"try_to_date", 1, 2, N, resolve_to_datetime, run_parse, "a date from a text, null when it is none"},
    {"try_to_timestamp", 1, 2, N, resolve_to_datetime, run_parse, "a timestamp from a text, null when it is none"},
    {"_parse_timestamp", 2, 2, N | FN_RAISES | FN_OWN_NULLS, resolve_parse, run_parse, "a timestamp from a text by a pattern"},
    {"_parse_date", 2, 2, N | FN_RAISES | FN_OWN_NULLS, resolve_parse, run_parse, "a timestamp of a date from a text by a pattern"},
    {"_parse_timestamp_ntz", 2, 2, N | FN_RAISES | FN_OWN_NULLS, resolve_parse, run_parse, "a wall clock's time from a text by a pattern"},
    {"_try_parse_timestamp", 2, 2, N | FN_OWN_NULLS, resolve_parse, run_parse, "a timestamp from a text by a pattern, or null"},
    {"_try_parse_timestamp_ntz", 2, 2, N | FN_OWN_NULLS, resolve_parse, run_parse, "a wall clock's time from a text by a pattern, or null"},
    {"unix_timestamp", 0, 2, N, resolve_unix, run_unix_unit, "seconds since 1970"},
    {"to_unix_timestamp", 1, 2, N, resolve_unix, run_unix_unit, "seconds since 1970"},
    {"_whole_seconds", 1, 1, N, resolve_unix_unit, run_unix_unit, "seconds from 1970, fractions cut off towards it"},
    {"unix_seconds", 1, 1, N, resolve_unix_unit, run_unix_unit, "seconds since 1970"},
    {"unix_millis", 1, 1, N, resolve_unix_unit, run_unix_unit, "milliseconds since 1970"},
    {"unix_micros", 1, 1, N, resolve_unix_unit, run_unix_unit, "microseconds since 1970"},
    {"unix_date", 1, 1, N, resolve_unix_date, run_copy, "days since 1970"},
    {"date_from_unix_date", 1, 1, N, resolve_unix_date, run_copy, "the date so many days after 1970"},
    {"timestamp_seconds", 1, 1, N | FN_RAISES_ALWAYS, resolve_timestamp_unit, run_timestamp_unit, "the moment so many seconds after 1970"},
    {"timestamp_millis", 1, 1, N | FN_RAISES_ALWAYS, resolve_timestamp_unit, run_timestamp_unit, "the moment so many milliseconds after 1970"},
    {"timestamp_micros", 1, 1, N | FN_RAISES_ALWAYS, resolve_timestamp_unit, run_timestamp_unit, "the moment so many microseconds after 1970"},
    {"from_utc_timestamp", 2, 2, N | FN_RAISES_PATTERN, resolve_utc, run_utc, "a clock of UTC as one of the zone"},
    {"to_utc_timestamp", 2, 2, N | FN_RAISES_PATTERN, resolve_utc, run_utc, "a clock of the zone as one of UTC"},
    {"convert_timezone", 2, 3, N | FN_RAISES_ALWAYS, resolve_convert, run_convert, "a clock of one zone as one of another"},
    {"dayname", 1, 1, N, resolve_name, run_name, "Mon to Sun"},
    {"monthname", 1, 1, N, resolve_name, run_name, "Jan to Dec"},
    {"make_timestamp", 6, 7, N | FN_RAISES | FN_OWN_NULLS, resolve_make_timestamp, run_make_timestamp, "a timestamp from its parts"},
    {"make_timestamp_ntz", 6, 6, N | FN_RAISES | FN_OWN_NULLS, resolve_make_timestamp, run_make_timestamp, "a wall clock's time from its parts"},
    {"make_ym_interval", 0, 2, N | FN_RAISES_ALWAYS, resolve_make_interval, run_make_interval, "an interval of years and months"},
    {"make_dt_interval", 0, 4, N | FN_RAISES_ALWAYS, resolve_make_interval, run_make_interval, "an interval of days, hours, minutes and seconds"},
    {"timestampadd", 3, 3, N | FN_RAISES_ALWAYS, resolve_unit_call, run_timestampadd, "so many units later"},
    {"timestampdiff", 3, 3, N, resolve_unit_call, run_timestampdiff, "whole units from the first moment to the second"},
    {0}};
