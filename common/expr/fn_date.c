/* Dates, timestamps and intervals. Wall-clock parts are taken in the query's time zone. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "common/expr/fn_impl.h"
#include "common/expr/zone.h"

/* Wall-clock microseconds of a timestamp. */
static int64_t local_us(const struct kernel *k, const struct column *col, uint32_t row)
{
    int64_t v = arg_i64(col, row);
    return col->type->id == TYPE_TIMESTAMP ? zone_local_us(k->cx->zone, v) : v;
}

static int64_t from_local(const struct kernel *k, const struct type *t, int64_t local)
{
    return t->id == TYPE_TIMESTAMP ? zone_to_utc_us(k->cx->zone, local) : local;
}

/* Whether a date so many months later is in a year up to the given one, before or after year 0. */
static bool months_fit(int32_t days, int64_t months, int64_t year)
{
    int64_t y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    y += months / 12;
    return y > -year && y < year;
}
enum { DATE_YEARS = 5879000, TIMESTAMP_YEARS = 294000 };

int32_t days_add_months(int32_t days, int64_t months)
{
    int64_t y;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    int64_t total = y * 12 + (m - 1) + months, ny = floor_div(total, 12);
    unsigned nm = (unsigned)floor_mod(total, 12) + 1;
    int64_t first = days_from_civil(ny, nm, 1), next = nm == 12 ? days_from_civil(ny + 1, 1, 1) : days_from_civil(ny, nm + 1, 1);
    int64_t last = (int32_t)(next - first);
    return (int32_t)(first + (d < last ? d : last) - 1);
}

/* ---- parts ---- */

enum part {
    PART_YEAR, PART_QUARTER, PART_MONTH, PART_WEEK, PART_DAY, PART_DOW, PART_DOW_ISO, PART_WEEKDAY, PART_DOY,
    PART_HOUR, PART_MINUTE, PART_SECOND, PART_YEAROFWEEK, PART_NONE
};

static enum part part_of(const char *name, size_t n)
{
    static const struct {
        const char *name;
        enum part part;
    } words[] = {{"year", PART_YEAR}, {"years", PART_YEAR}, {"y", PART_YEAR}, {"yr", PART_YEAR}, {"yyyy", PART_YEAR},
                 {"quarter", PART_QUARTER}, {"qtr", PART_QUARTER}, {"month", PART_MONTH}, {"months", PART_MONTH},
                 {"mon", PART_MONTH}, {"mons", PART_MONTH}, {"week", PART_WEEK}, {"weeks", PART_WEEK}, {"w", PART_WEEK},
                 {"weekofyear", PART_WEEK}, {"day", PART_DAY}, {"days", PART_DAY}, {"d", PART_DAY},
                 {"dayofmonth", PART_DAY}, {"dayofweek", PART_DOW}, {"dow", PART_DOW}, {"dayofweek_iso", PART_DOW_ISO},
                 {"dow_iso", PART_DOW_ISO}, {"weekday", PART_WEEKDAY}, {"doy", PART_DOY}, {"dayofyear", PART_DOY},
                 {"hour", PART_HOUR}, {"hours", PART_HOUR}, {"h", PART_HOUR}, {"hr", PART_HOUR}, {"hrs", PART_HOUR},
                 {"minute", PART_MINUTE}, {"minutes", PART_MINUTE}, {"m", PART_MINUTE}, {"min", PART_MINUTE},
                 {"mins", PART_MINUTE}, {"second", PART_SECOND}, {"seconds", PART_SECOND}, {"s", PART_SECOND},
                 {"sec", PART_SECOND}, {"secs", PART_SECOND}, {"yearofweek", PART_YEAROFWEEK}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i].name) == n && strncasecmp(words[i].name, name, n) == 0)
            return words[i].part;
    }
    return PART_NONE;
}

static enum part part_of_row(const struct fn_row *row)
{
    const char *name = row->name + (row->name[0] == '_'); /* fields of extract that are no functions */
    return part_of(name, strlen(name));
}

/* ISO 8601: the week with the year's first Thursday is week 1. */
static void iso_week(int32_t days, int64_t *year, int *week)
{
    int32_t thursday = (int32_t)(days - floor_mod((int64_t)days + 3, 7) + 3);
    unsigned m, d;
    civil_from_days(thursday, year, &m, &d);
    *week = (int32_t)((int64_t)thursday - days_from_civil(*year, 1, 1)) / 7 + 1; /* it may begin before the first day there is */
}

/* rest: microseconds of the day. */
static int64_t take_part(enum part part, int32_t days, int64_t rest)
{
    int64_t y;
    unsigned m, d;
    int week;
    switch (part) {
    case PART_HOUR: return rest / US_HOUR;
    case PART_MINUTE: return rest / US_MINUTE % 60;
    case PART_SECOND: return rest / US_SECOND % 60;
    case PART_DOW: return floor_mod((int64_t)days + 4, 7) + 1;
    case PART_DOW_ISO: return floor_mod((int64_t)days + 3, 7) + 1;
    case PART_WEEKDAY: return floor_mod((int64_t)days + 3, 7);
    case PART_WEEK: iso_week(days, &y, &week); return week;
    case PART_YEAROFWEEK: iso_week(days, &y, &week); return y;
    default: break;
    }
    civil_from_days(days, &y, &m, &d);
    switch (part) {
    case PART_YEAR: return y;
    case PART_QUARTER: return (m + 2) / 3;
    case PART_MONTH: return m;
    case PART_DOY: return (int32_t)((int64_t)days - days_from_civil(y, 1, 1)) + 1; /* a year may begin before the first day there is */
    default: return d;
    }
}

/* Casts text to a date or timestamp; leaves the two as they are. */
static int to_date_like(struct fn_call *c, uint32_t i, enum type_id want, struct error *err)
{
    const struct type *t = c->args[i]->type;
    if (t->id == TYPE_DATE || is_timestamp(t)) {
        if (want == TYPE_DATE && is_timestamp(t))
            return fn_cast_arg(c, i, type_of(TYPE_DATE), err);
        return 0;
    }
    return fn_cast_arg(c, i, type_of(want), err);
}

static int resolve_part(struct fn_call *c, struct error *err)
{
    enum part p = part_of_row(c->row);
    bool time = p == PART_HOUR || p == PART_MINUTE || p == PART_SECOND;
    TRY(to_date_like(c, 0, time ? TYPE_TIMESTAMP : TYPE_DATE, err));
    if (time && c->args[0]->type->id == TYPE_DATE)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    c->type = type_of(TYPE_INT);
    return 0;
}

static int run_part(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    enum part p = part_of_row(k->node->fn);
    for (KERNEL_EACH(k, r)) {
        if (kernel_null(k, r))
            continue;
        if (args[0].type->id == TYPE_DATE) {
            o[r] = (int32_t)take_part(p, (int32_t)arg_i64(&args[0], r), 0);
        } else {
            int64_t local = local_us(k, &args[0], r);
            o[r] = (int32_t)take_part(p, (int32_t)floor_div(local, US_DAY), floor_mod(local, US_DAY));
        }
    }
    return 0;
}

/* _interval_part(interval, number of the field): 0 year, 1 month, 2 day, 3 hour, 4 minute. */
static int resolve_interval_part(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(c->args[1]->literal.i == 2 || c->args[1]->literal.i == 0 ? TYPE_INT : TYPE_TINYINT);
    return 0;
}

static int run_interval_part(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    int64_t field = arg_i64(&args[1], 0);
    KERNEL_EACH_VALUE(k, r) {
        int64_t v = arg_i64(&args[0], r), x;
        switch (field) {
        case 0: x = v / 12; break;
        case 1: x = v % 12; break;
        case 2: x = v / US_DAY; break;
        case 3: x = v / US_HOUR % 24; break;
        default: x = v / US_MINUTE % 60; break;
        }
        if (out->phys == PHYS_I32)
            ((int32_t *)data)[r] = (int32_t)x;
        else
            ((int8_t *)data)[r] = (int8_t)x;
    }
    return 0;
}

/* extract(field, source) and date_part: becomes the function of the field; seconds are decimal(8,6). */
static int resolve_extract(struct fn_call *c, struct error *err)
{
    struct expr *f = c->args[0];
    if (f->kind != EXPR_LITERAL || f->literal.null || f->type->id != TYPE_STRING) {
        error_set(err, ERR_NON_FOLDABLE_INT, "funcName", arena_printf(c->ar, "`%s`", c->row->name), "paramName", "`field`", "paramType",
                  "\"STRING\"", NULL);
        error_at(err, c->span);
        return (int)err->code;
    }
    enum part p = part_of(f->literal.s.ptr, f->literal.s.bytes);
    static const char *const names[] = {"year", "quarter", "month", "weekofyear", "dayofmonth", "dayofweek", "_dow_iso",
                                        "weekday", "dayofyear", "hour", "minute", "_second_fraction", "_yearofweek"};
    const struct type *t = c->args[1]->type;
    struct expr *e, *args[2] = {c->args[1], NULL};
    if (t->id == TYPE_INTERVAL_YM || t->id == TYPE_INTERVAL_DT) {
        int field = p == PART_YEAR ? 0 : p == PART_MONTH ? 1 : p == PART_DAY ? 2 : p == PART_HOUR ? 3 : p == PART_MINUTE ? 4 : -1;
        if (p == PART_SECOND && t->id == TYPE_INTERVAL_DT) {
            TRY(expr_call(c->ar, c->cx, "_second_fraction", args, 1, c->span, &e, err));
        } else if (field >= 0 && (field < 2) == (t->id == TYPE_INTERVAL_YM)) {
            args[1] = expr_int(c->ar, field);
            TRY(expr_call(c->ar, c->cx, "_interval_part", args, 2, c->span, &e, err));
        } else {
            p = PART_NONE;
        }
    } else if (p != PART_NONE) {
        TRY(expr_call(c->ar, c->cx, names[p], args, 1, c->span, &e, err));
    }
    if (p == PART_NONE) {
        struct buf field = BUF_INIT, source = BUF_INIT;
        buf_addf(&field, "`%.*s`", (int)f->literal.s.bytes, f->literal.s.ptr);
        buf_addc(&source, '"');
        expr_print(c->args[1], true, &source);
        buf_addc(&source, '"');
        error_set(err, ERR_EXTRACT_FIELD, "field", field.data, "expr", source.data, NULL);
        error_at(err, c->span);
        buf_fini(&field);
        buf_fini(&source);
        return (int)err->code;
    }
    fn_become_expr(c, e);
    return 0;
}

static int resolve_second_fraction(struct fn_call *c, struct error *err)
{
    if (c->args[0]->type->id != TYPE_INTERVAL_DT) {
        TRY(to_date_like(c, 0, TYPE_TIMESTAMP, err));
        if (c->args[0]->type->id == TYPE_DATE)
            TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    }
    c->type = type_decimal(8, 6);
    return 0;
}

static int run_second_fraction(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        if (args[0].type->id == TYPE_INTERVAL_DT)
            o[r] = arg_i64(&args[0], r) % US_MINUTE;
        else
            o[r] = floor_mod(local_us(k, &args[0], r), US_MINUTE);
    }
    return 0;
}

/* ---- days and months ---- */

static int resolve_add_days(struct fn_call *c, struct error *err)
{
    TRY(to_date_like(c, 0, TYPE_DATE, err));
    const struct type *n = c->args[1]->type;
    if (n->id == TYPE_BIGINT || (type_is_numeric(n) && !type_is_integral(n)))
        return fn_wrong_arg(c, 1, "(\"INT\" or \"SMALLINT\" or \"TINYINT\")", err);
    if (!type_is_integral(n))
        TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_DATE);
    return 0;
}

static int run_add_days(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    bool sub = strstr(k->node->fn->name, "sub") != NULL;
    for (KERNEL_EACH(k, r)) {
        int64_t n = arg_i64(&args[1], r);
        o[r] = (int32_t)(arg_i64(&args[0], r) + (sub ? -n : n));
    }
    return 0;
}

static int resolve_add_months(struct fn_call *c, struct error *err)
{
    TRY(to_date_like(c, 0, TYPE_DATE, err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_DATE);
    return 0;
}

static int month_overflow(struct kernel *k)
{
    return kernel_raise(k, ERR_ARITHMETIC_OVERFLOW, "message", "months lead out of the range of dates", "alternative", "", "config",
                        "\"spark.sql.ansi.enabled\"", NULL);
}

static int run_add_months(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        int32_t day = (int32_t)arg_i64(&args[0], r);
        if (!months_fit(day, arg_i64(&args[1], r), DATE_YEARS))
            return month_overflow(k);
        o[r] = days_add_months(day, arg_i64(&args[1], r));
    }
    return 0;
}

/* _add_interval(date or timestamp, interval), _sub_interval. A date with a sub-day interval is a timestamp. */
static int resolve_add_interval(struct fn_call *c, struct error *err)
{
    const struct type *iv = c->args[1]->type;
    if (c->args[0]->type->id == TYPE_DATE && iv->id == TYPE_INTERVAL_DT && iv->interval_to > 0)
        TRY(fn_cast_arg(c, 0, type_of(TYPE_TIMESTAMP), err));
    c->type = c->args[0]->type;
    return 0;
}

static int run_add_interval(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    bool sub = k->node->fn->name[1] == 's';
    const struct type *t = args[0].type;
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        int64_t n = arg_i64(&args[1], r), v = arg_i64(&args[0], r);
        if (sub && __builtin_sub_overflow(0, n, &n))
            n = INT64_MAX;
        int64_t years = t->id == TYPE_DATE ? DATE_YEARS : TIMESTAMP_YEARS;
        int32_t day = t->id == TYPE_DATE ? (int32_t)v : (int32_t)floor_div(v, US_DAY);
        bool bad = false;
        if (args[1].type->id == TYPE_INTERVAL_YM && !months_fit(day, n, years)) {
            if (k->node->mode != EVAL_TRY)
                return month_overflow(k);
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        if (t->id == TYPE_DATE) {
            ((int32_t *)data)[r] = args[1].type->id == TYPE_INTERVAL_YM ? days_add_months((int32_t)v, n)
                                                                       : (int32_t)(v + n / US_DAY);
            continue;
        }
        if (args[1].type->id == TYPE_INTERVAL_YM) {
            int64_t local = local_us(k, &args[0], r);
            int64_t days = days_add_months((int32_t)floor_div(local, US_DAY), n);
            ((int64_t *)data)[r] = from_local(k, t, days * US_DAY + floor_mod(local, US_DAY));
            continue;
        }
        if (t->id == TYPE_TIMESTAMP && k->cx->zone && (n >= US_DAY || n <= -US_DAY)) {
            /* whole days are days of the calendar, whatever their hours */
            bad = __builtin_add_overflow(local_us(k, &args[0], r), n / US_DAY * US_DAY, &v);
            v = from_local(k, t, v);
            n %= US_DAY;
        }
        if (__builtin_add_overflow(v, n, &((int64_t *)data)[r]) || bad) {
            if (k->node->mode != EVAL_TRY)
                return kernel_raise(k, ERR_DATETIME_OVERFLOW, "operation", "adding the interval", NULL);
            kernel_set_null(k, out, &nulls, r);
        }
    }
    return 0;
}

static int resolve_mul_interval(struct fn_call *c, struct error *err)
{
    const struct type *t = c->args[0]->type;
    TRY(fn_cast_arg(c, 1, type_of(TYPE_DOUBLE), err));
    c->type = type_of(t->id);
    return 0;
}

static int run_mul_interval(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    bool divide = k->node->fn->name[1] == 'd';
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        double f = ((const double *)args[1].data)[args[1].kind == COL_CONST ? 0 : r];
        double v = divide ? (double)arg_i64(&args[0], r) / f : (double)arg_i64(&args[0], r) * f;
        double limit = out->phys == PHYS_I32 ? 0x1p31 : 9.2e18;
        if (!(v > -limit && v < limit)) { /* by zero too */
            if (k->node->mode == EVAL_TRY) {
                kernel_set_null(k, out, &nulls, r);
                continue;
            }
            return divide && f == 0 ? kernel_raise(k, ERR_INTERVAL_ZERO, NULL)
                                    : kernel_raise(k, ERR_INTERVAL_OVERFLOW, NULL);
        }
        int64_t x = (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
        if (out->phys == PHYS_I32)
            ((int32_t *)data)[r] = (int32_t)x;
        else
            ((int64_t *)data)[r] = x;
    }
    return 0;
}

/* datediff and subtraction: dates give days; subtraction of timestamps an interval. */
static int resolve_datediff(struct fn_call *c, struct error *err)
{
    TRY(to_date_like(c, 0, TYPE_DATE, err));
    TRY(to_date_like(c, 1, TYPE_DATE, err));
    bool minus = c->row->name[0] == '_';
    c->type = minus ? type_interval(TYPE_INTERVAL_DT, 0, 0) : type_of(TYPE_INT);
    return 0;
}

static int run_datediff(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        int64_t d = arg_i64(&args[0], r) - arg_i64(&args[1], r);
        if (out->phys == PHYS_I32)
            ((int32_t *)data)[r] = (int32_t)d;
        else if (__builtin_mul_overflow(d, US_DAY, &((int64_t *)data)[r]))
            return kernel_raise(k, ERR_INTERVAL_OVERFLOW, NULL);
    }
    return 0;
}

static int resolve_timestamp_minus(struct fn_call *c, struct error *err)
{
    const struct type *t = type_of(c->args[0]->type->id == TYPE_TIMESTAMP_NTZ && c->args[1]->type->id == TYPE_TIMESTAMP_NTZ
                                       ? TYPE_TIMESTAMP_NTZ
                                       : TYPE_TIMESTAMP);
    TRY(fn_cast_arg(c, 0, t, err));
    TRY(fn_cast_arg(c, 1, t, err));
    c->type = type_of(TYPE_INTERVAL_DT);
    return 0;
}

static int run_timestamp_minus(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        if (__builtin_sub_overflow(local_us(k, &args[0], r), local_us(k, &args[1], r), &o[r]))
            return kernel_raise(k, ERR_INTERVAL_OVERFLOW, NULL);
    }
    return 0;
}

static int resolve_months_between(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < 2; i++) {
        TRY(fn_cast_arg(c, i, type_of(TYPE_TIMESTAMP), err));
    }
    if (c->arg_count == 3)
        TRY(fn_cast_arg(c, 2, type_of(TYPE_BOOLEAN), err));
    c->type = type_of(TYPE_DOUBLE);
    return 0;
}

static bool last_of_month(int32_t days)
{
    int64_t y;
    unsigned m, d;
    civil_from_days((int32_t)((int64_t)days + 1), &y, &m, &d);
    return d == 1;
}

static int run_months_between(struct kernel *k, const struct column *args, struct column *out)
{
    double *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        int64_t a = local_us(k, &args[0], r), b = local_us(k, &args[1], r), ya, yb;
        unsigned ma, mb, da, db;
        int32_t dda = (int32_t)floor_div(a, US_DAY), ddb = (int32_t)floor_div(b, US_DAY);
        civil_from_days(dda, &ya, &ma, &da);
        civil_from_days(ddb, &yb, &mb, &db);
        double months = (double)((ya - yb) * 12 + (int64_t)ma - (int64_t)mb);
        if (da != db && !(last_of_month(dda) && last_of_month(ddb))) {
            double seconds = (double)(floor_mod(a, US_DAY) / US_SECOND - floor_mod(b, US_DAY) / US_SECOND) +
                             ((double)da - (double)db) * 86400;
            months += seconds / (31 * 86400.0);
        }
        bool round_off = k->node->arg_count < 3 || ((const uint8_t *)args[2].data)[args[2].kind == COL_CONST ? 0 : r];
        o[r] = round_off ? (double)(int64_t)(months * 1e8 + (months < 0 ? -0.5 : 0.5)) / 1e8 : months;
    }
    return 0;
}

static int resolve_last_day(struct fn_call *c, struct error *err)
{
    TRY(to_date_like(c, 0, TYPE_DATE, err));
    c->type = type_of(TYPE_DATE);
    return 0;
}

static int run_last_day(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    for (KERNEL_EACH(k, r)) {
        int64_t y;
        unsigned m, d;
        civil_from_days((int32_t)arg_i64(&args[0], r), &y, &m, &d);
        o[r] = (m == 12 ? days_from_civil(y + 1, 1, 1) : days_from_civil(y, m + 1, 1)) - 1;
    }
    return 0;
}

static int resolve_next_day(struct fn_call *c, struct error *err)
{
    TRY(to_date_like(c, 0, TYPE_DATE, err));
    TRY(fn_cast_arg(c, 1, type_of(TYPE_STRING), err));
    c->type = type_of(TYPE_DATE);
    c->nullable = true;
    return 0;
}

static int bad_day(struct kernel *k, const struct strview *s)
{
    return kernel_raise(k, ERR_DAY_OF_WEEK, "string", arena_strndup(k->ar, strview_data(s), s->bytes), NULL);
}

static int run_next_day(struct kernel *k, const struct column *args, struct column *out)
{
    static const char *const names[] = {"thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"};
    int32_t *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *s = arg_text(&args[1], r);
        int day = -1;
        for (int i = 0; i < 7; i++) {
            bool shape = s->bytes == 2 || s->bytes == 3 || s->bytes == strlen(names[i]);
            if (shape && strncasecmp(strview_data(s), names[i], s->bytes) == 0)
                day = i;
        }
        if (day < 0) {
            if (k->node->mode == EVAL_ANSI)
                return bad_day(k, s);
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
            continue;
        }
        int32_t d = (int32_t)arg_i64(&args[0], r);
        o[r] = (int32_t)((int64_t)d + 1 + floor_mod((int64_t)day - 1 - d, 7));
    }
    return 0;
}

/* ---- trunc(date, unit), date_trunc(unit, timestamp) ---- */

/* Whether the unit is one of days or longer: *day becomes the first of those that it lies in. */
static bool truncate_day(const char *unit, size_t n, int32_t *day)
{
    static const struct {
        const char *name;
        enum part part;
    } more[] = {{"mm", PART_MONTH}, {"yy", PART_YEAR}, {"dd", PART_DAY}};
    int64_t y;
    unsigned m, d;
    enum part part = part_of(unit, n);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if (n == 2 && strncasecmp(unit, more[i].name, 2) == 0)
            part = more[i].part;
    }
    civil_from_days(*day, &y, &m, &d);
    switch (part) {
    case PART_YEAR: *day = days_from_civil(y, 1, 1); return true;
    case PART_QUARTER: *day = days_from_civil(y, (m - 1) / 3 * 3 + 1, 1); return true;
    case PART_MONTH: *day = days_from_civil(y, m, 1); return true;
    case PART_WEEK: *day = (int32_t)(*day - floor_mod((int64_t)*day + 3, 7)); return true;
    case PART_DAY: return true;
    default: return false;
    }
}

/* The same for units of time within a day: *rest, in microseconds. */
static bool truncate_rest(const char *unit, size_t n, int64_t *rest)
{
    if (n == 11 && strncasecmp(unit, "microsecond", 11) == 0)
        return true;
    bool milli = n == 11 && strncasecmp(unit, "millisecond", 11) == 0;
    enum part part = part_of(unit, n);
    int64_t us = milli ? 1000 : part == PART_HOUR ? US_HOUR : part == PART_MINUTE ? US_MINUTE : part == PART_SECOND ? US_SECOND : 0;
    *rest -= us ? *rest % us : 0;
    return us != 0;
}

static int resolve_trunc(struct fn_call *c, struct error *err)
{
    bool date = c->row->name[0] == 't';
    if (date)
        TRY(to_date_like(c, 0, TYPE_DATE, err));
    else if (!is_timestamp(c->args[1]->type))
        TRY(fn_cast_arg(c, 1, type_of(TYPE_TIMESTAMP), err));
    TRY(fn_cast_arg(c, date ? 1 : 0, type_of(TYPE_STRING), err));
    c->type = date ? type_of(TYPE_DATE) : c->args[1]->type;
    c->nullable = true;
    return 0;
}

/* trunc knows years, quarters, months and weeks only. */
static bool is_day(const char *unit, size_t n)
{
    return (n == 3 && strncasecmp(unit, "day", n) == 0) || (n == 2 && strncasecmp(unit, "dd", n) == 0);
}

static int run_trunc(struct kernel *k, const struct column *args, struct column *out)
{
    bool date = k->node->fn->name[0] == 't';
    const struct column *when = &args[date ? 0 : 1], *unit = &args[date ? 1 : 0];
    void *data = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *u = arg_text(unit, r);
        const char *name = strview_data(u);
        int64_t local = date ? 0 : local_us(k, when, r), rest = floor_mod(local, US_DAY);
        int32_t day = date ? (int32_t)arg_i64(when, r) : (int32_t)floor_div(local, US_DAY);
        bool whole = truncate_day(name, u->bytes, &day) && !(date && is_day(name, u->bytes));
        if (!whole && (date || !truncate_rest(name, u->bytes, &rest))) {
            kernel_set_null(k, out, &nulls, r);
        } else if (date) {
            ((int32_t *)data)[r] = day;
        } else {
            int64_t t;
            if (__builtin_mul_overflow(day, US_DAY, &t) || __builtin_add_overflow(t, whole ? 0 : rest, &t))
                return kernel_raise(k, ERR_DATETIME_OVERFLOW, "operation", "truncating the timestamp", NULL);
            ((int64_t *)data)[r] = from_local(k, when->type, t);
        }
    }
    return 0;
}

/* ---- now, and making dates ---- */

static int resolve_now(struct fn_call *c, struct error *err)
{
    (void)err;
    bool date = strstr(c->row->name, "date") != NULL;
    c->type = type_of(date ? TYPE_DATE : strcmp(c->row->name, "localtimestamp") == 0 ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    c->nullable = false;
    return 0;
}

static int run_now(struct kernel *k, const struct column *args, struct column *out)
{
    (void)args;
    void *data = kernel_out(k, out);
    int64_t now = k->cx->now_us, local = zone_local_us(k->cx->zone, now);
    for (KERNEL_EACH(k, r)) {
        if (out->phys == PHYS_I32)
            ((int32_t *)data)[r] = (int32_t)floor_div(local, US_DAY);
        else
            ((int64_t *)data)[r] = k->node->type->id == TYPE_TIMESTAMP ? now : local;
    }
    return 0;
}

static int resolve_make_date(struct fn_call *c, struct error *err)
{
    for (uint32_t i = 0; i < 3; i++)
        TRY(fn_cast_arg(c, i, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_DATE);
    c->nullable |= !c->cx->ansi;
    return 0;
}

static int run_make_date(struct kernel *k, const struct column *args, struct column *out)
{
    int32_t *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    KERNEL_EACH_VALUE(k, r) {
        int64_t y = arg_i64(&args[0], r), m = arg_i64(&args[1], r), d = arg_i64(&args[2], r), yy = 0;
        unsigned mm = 0, dd = 0;
        int32_t days = 0;
        if (m >= 1 && m <= 12 && d >= 1 && d <= 31) {
            days = days_from_civil(y, (unsigned)m, (unsigned)d);
            civil_from_days(days, &yy, &mm, &dd);
        }
        if (mm != (unsigned)m || dd != (unsigned)d || mm == 0 || yy != y) { /* far years: the days do not fit */
            if (k->node->mode == EVAL_ANSI)
                return kernel_raise(k, ERR_DATETIME_FIELD_PLAIN, "rangeMessage", "year, month and day make no date", NULL);
            if (!nulls)
                nulls = kernel_nulls(k, out);
            nulls[r] = 1;
            continue;
        }
        o[r] = days;
    }
    return 0;
}

#define D FN_NULL_ANY
#define PART(name, doc) {name, 1, 1, D, resolve_part, run_part, doc}
const struct fn_row fn_date_rows[] = {
    PART("year", "year"),
    PART("quarter", "quarter, 1 to 4"),
    PART("month", "month, 1 to 12"),
    PART("weekofyear", "ISO week"),
    PART("day", "day of the month"),
    PART("dayofmonth", "day of the month"),
    PART("dayofweek", "day of the week, Sunday is 1"),
    PART("_dow_iso", "day of the week, Monday is 1"),
    PART("weekday", "day of the week, Monday is 0"),
    PART("dayofyear", "day of the year"),
    PART("_yearofweek", "year of the ISO week"),
    PART("hour", "hour"),
    PART("minute", "minute"),
    PART("second", "second"),
    {"extract", 2, 2, D, resolve_extract, run_part, "a field of a date, timestamp or interval"},
    {"date_part", 2, 2, D, resolve_extract, run_part, "a field of a date, timestamp or interval"},
    {"datepart", 2, 2, D, resolve_extract, run_part, "a field of a date, timestamp or interval"},
    {"_second_fraction", 1, 1, D, resolve_second_fraction, run_second_fraction, "seconds with their fraction"},
    {"_interval_part", 2, 2, D, resolve_interval_part, run_interval_part, "a field of an interval"},
    {"date_add", 2, 2, D, resolve_add_days, run_add_days, "days later"},
    {"dateadd", 2, 2, D, resolve_add_days, run_add_days, "days later"},
    {"date_sub", 2, 2, D, resolve_add_days, run_add_days, "days earlier"},
    {"add_months", 2, 2, D | FN_RAISES_ALWAYS, resolve_add_months, run_add_months, "months later"},
    {"_add_interval", 2, 2, D | FN_RAISES_ALWAYS | FN_OWN_NULLS, resolve_add_interval, run_add_interval, "an interval later"},
    {"_sub_interval", 2, 2, D | FN_RAISES_ALWAYS | FN_OWN_NULLS, resolve_add_interval, run_add_interval, "an interval earlier"},
    {"_mul_interval", 2, 2, D | FN_RAISES_ALWAYS | FN_OWN_NULLS, resolve_mul_interval, run_mul_interval, "an interval so many times"},
    {"_div_interval", 2, 2, D | FN_RAISES_ALWAYS | FN_OWN_NULLS, resolve_mul_interval, run_mul_interval, "a part of an interval"},
    {"datediff", 2, 2, D, resolve_datediff, run_datediff, "days from the second date to the first"},
    {"date_diff", 2, 2, D, resolve_datediff, run_datediff, "days from the second date to the first"},
    {"_date_minus_date", 2, 2, D, resolve_datediff, run_datediff, "days between, as an interval"},
    {"_timestamp_minus", 2, 2, D, resolve_timestamp_minus, run_timestamp_minus, "time between, as an interval"},
    {"months_between", 2, 3, D, resolve_months_between, run_months_between, "months from the second to the first"},
    {"last_day", 1, 1, D, resolve_last_day, run_last_day, "last day of the month"},
    {"next_day", 2, 2, D | FN_RAISES | FN_OWN_NULLS, resolve_next_day, run_next_day, "the next such day of the week"},
    {"trunc", 2, 2, D | FN_OWN_NULLS, resolve_trunc, run_trunc, "start of the unit that the date lies in"},
    {"date_trunc", 2, 2, D | FN_OWN_NULLS, resolve_trunc, run_trunc, "start of the unit that the timestamp lies in"},
    {"current_date", 0, 0, FN_NEVER_NULL, resolve_now, run_now, "the day the query started"},
    {"curdate", 0, 0, FN_NEVER_NULL, resolve_now, run_now, "the day the query started"},
    {"current_timestamp", 0, 0, FN_NEVER_NULL, resolve_now, run_now, "the moment the query started"},
    {"now", 0, 0, FN_NEVER_NULL, resolve_now, run_now, "the moment the query started"},
    {"localtimestamp", 0, 0, FN_NEVER_NULL, resolve_now, run_now, "the wall clock when the query started"},
    {"make_date", 3, 3, D | FN_RAISES | FN_OWN_NULLS, resolve_make_date, run_make_date, "a date from year, month, day"},
    {0}};
