/*
 * The schema of CSV files: names and the number of columns from the first record, types (with inferSchema) from every
 * record of every file, each column narrowing from integer down the chain that Spark tries.
 */
#include "common/format/csv/token.h"

#include <ctype.h>

struct guess {
    const struct csv_options *o;
    struct datetime_pattern *date; /* strict: 2020-1-2 is no date here */
    uint32_t count;
    const struct type **types;
};

/* ---- one value ---- */

static bool is_special(const struct csv_options *o, const char *p, size_t n)
{
    const char *const words[] = {o->nan_value, o->negative_inf, o->positive_inf};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && memcmp(words[i], p, n) == 0)
            return true;
    return false;
}

/* A whole number of at most 38 digits, a point at its end allowed. */
static const struct type *whole_decimal(const char *p, size_t n)
{
    size_t i = n && (*p == '-' || *p == '+'), digits = 0;
    bool any = false;
    for (; i < n && isdigit((unsigned char)p[i]); i++) {
        any = true;
        digits += digits || p[i] != '0';
    }
    i += i < n && p[i] == '.';
    if (!any || i != n || digits > DECIMAL_PRECISION_MAX)
        return NULL;
    return type_decimal(digits ? (unsigned)digits : 1, 0);
}

/* The chain: each step holds what the steps before it do not. */
enum step { STEP_INT, STEP_LONG, STEP_DECIMAL, STEP_DOUBLE, STEP_DATE, STEP_TIMESTAMP, STEP_BOOLEAN, STEP_STRING };

static enum step first_step(const struct type *so_far)
{
    switch (so_far->id) {
    case TYPE_BIGINT: return STEP_LONG;
    case TYPE_DECIMAL: return STEP_DECIMAL;
    case TYPE_DOUBLE: return STEP_DOUBLE;
    case TYPE_DATE: return STEP_DATE;
    case TYPE_TIMESTAMP: return STEP_TIMESTAMP;
    case TYPE_BOOLEAN: return STEP_BOOLEAN;
    case TYPE_STRING: return STEP_STRING;
    default: return STEP_INT;
    }
}

static const struct type *type_of_text(const struct guess *g, enum step step, const char *p, size_t n)
{
    const struct csv_options *o = g->o;
    const struct type *t;
    int64_t v;
    int32_t days;
    size_t at;
    double f;
    bool truth;
    switch (step) {
    case STEP_INT:
        if (cell_parse_integer(p, n, t = type_of(TYPE_INT), &v))
            return t;
        __attribute__((fallthrough));
    case STEP_LONG:
        if (cell_parse_integer(p, n, t = type_of(TYPE_BIGINT), &v))
            return t;
        __attribute__((fallthrough));
    case STEP_DECIMAL:
        if ((t = whole_decimal(p, n)) != NULL)
            return t;
        __attribute__((fallthrough));
    case STEP_DOUBLE:
        if (cell_parse_f64(p, n, &f) || is_special(o, p, n))
            return type_of(TYPE_DOUBLE);
        __attribute__((fallthrough));
    case STEP_DATE:
        if ((o->prefer_date || step == STEP_DATE) && datetime_parse_date(g->date, p, n, &days, &at))
            return type_of(TYPE_DATE);
        __attribute__((fallthrough));
    case STEP_TIMESTAMP:
        if (cell_parse_ntz(&o->text, p, n, &v) || cell_parse_timestamp(&o->text, p, n, &v))
            return type_of(TYPE_TIMESTAMP);
        __attribute__((fallthrough));
    case STEP_BOOLEAN:
        if (cell_parse_bool(p, n, &truth))
            return type_of(TYPE_BOOLEAN);
        __attribute__((fallthrough));
    case STEP_STRING:
        break;
    }
    return type_of(TYPE_STRING);
}

static const struct type *decimals(const struct type *a, const struct type *b)
{
    unsigned scale = a->scale > b->scale ? a->scale : b->scale;
    unsigned wa = (unsigned)a->precision - a->scale, wb = (unsigned)b->precision - b->scale, whole = wa > wb ? wa : wb;
    return whole + scale > DECIMAL_PRECISION_MAX ? type_of(TYPE_DOUBLE) : type_decimal(whole + scale, scale);
}

static const struct type *as_decimal(const struct type *t)
{
    return t->id == TYPE_INT ? type_decimal(10, 0) : t->id == TYPE_BIGINT ? type_decimal(20, 0) : t;
}

static bool is_date_or_time(const struct type *t)
{
    return t->id == TYPE_DATE || t->id == TYPE_TIMESTAMP;
}

static const struct type *common(const struct guess *g, const struct type *a, const struct type *b)
{
    if (a->id == TYPE_NULL || a == b)
        return b;
    if (a->id == TYPE_STRING || b->id == TYPE_STRING)
        return type_of(TYPE_STRING);
    if (type_is_numeric(a) && type_is_numeric(b)) {
        if (a->id == TYPE_DOUBLE || b->id == TYPE_DOUBLE)
            return type_of(TYPE_DOUBLE);
        if (a->id == TYPE_DECIMAL || b->id == TYPE_DECIMAL) {
            const struct type *wide = a->id == TYPE_DECIMAL ? a : b, *other = as_decimal(a->id == TYPE_DECIMAL ? b : a);
            bool holds = wide->precision - wide->scale >= other->precision - other->scale;
            return holds && other->scale <= wide->scale ? wide : decimals(wide, other);
        }
        return type_of(TYPE_BIGINT);
    }
    /* Dates are timestamps where the usual reading of timestamps understands them. */
    if (is_date_or_time(a) && is_date_or_time(b) && !g->o->text.timestamp && !g->o->text.date)
        return type_of(TYPE_TIMESTAMP);
    return type_of(TYPE_STRING);
}

static void guess_field(struct guess *g, uint32_t i, const struct csv_field *f)
{
    if (!f->p || f->bytes == 0 || (f->bytes == g->o->null_bytes && memcmp(f->p, g->o->null_value, f->bytes) == 0))
        return;
    if (g->types[i]->id == TYPE_STRING)
        return;
    g->types[i] = common(g, g->types[i], type_of_text(g, first_step(g->types[i]), f->p, f->bytes));
}

/* ---- files ---- */

struct scan {
    const struct query_ctx *cx;
    struct csv_tokens tokens;
    struct text_window window;
    struct arena record_arena;
    struct rng rng;
};

static int open_file(struct scan *s, const struct csv_options *o, const char *path, struct error *err)
{
    TRY(window_open(&s->window, path, 0, UINT64_MAX, &o->text, NULL, err));
    s->tokens.crlf = s->tokens.cr = false;
    if (o->text.multi_line)
        csv_detect_line_end(&s->tokens, &s->window);
    return 0;
}

static int next_record(struct scan *s, bool *ret_any, struct error *err)
{
    arena_reset(&s->record_arena);
    TRY(csv_take(&s->tokens, &s->window, 1, err));
    *ret_any = s->tokens.rows > 0;
    return 0;
}

static int guess_file(struct scan *s, struct guess *g, const char *path, const struct csv_field *header, struct error *err)
{
    bool any;
    TRY(open_file(s, g->o, path, err));
    for (;;) {
        TRY(next_record(s, &any, err));
        if (!any)
            break;
        if (query_is_cancelled(s->cx))
            return error_set(err, ERR_CANCELLED, "reason", "", NULL);
        const struct csv_field *record = &s->tokens.records[0];
        if (g->o->header && record->bytes == header->bytes && memcmp(record->p, header->p, record->bytes) == 0)
            continue;
        if (g->o->sampling < 1 && rng_double(&s->rng) >= g->o->sampling)
            continue;
        for (uint32_t i = 0; i < g->count && i < s->tokens.last_count; i++)
            guess_field(g, i, &s->tokens.all[i]);
    }
    window_close(&s->window);
    return 0;
}

/* Spark's names: empty ones and, case aside, repeated ones get their number. */
static void name_columns(const struct csv_options *o, const struct csv_field *fields, uint32_t count, struct arena *ar,
                         struct schema *ret)
{
    ret->count = count;
    ret->fields = ARENA_ARRAY(ar, struct field, count);
    char **names = ARENA_ARRAY(ar, char *, count);
    for (uint32_t i = 0; i < count; i++) {
        struct buf text = BUF_INIT;
        utf8_repair(fields[i].p ? fields[i].p : "", fields[i].p ? fields[i].bytes : 0, &text);
        names[i] = arena_strndup(ar, text.data ? text.data : "", text.bytes);
        buf_fini(&text);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool twice = false;
        for (uint32_t k = 0; k < count && o->header; k++)
            twice |= k != i && str_eq_nocase(names[k], names[i]);
        const char *name = names[i];
        if (!o->header || !*name || strcmp(name, o->null_value) == 0)
            name = arena_printf(ar, "_c%u", i);
        else if (twice)
            name = arena_printf(ar, "%s%u", name, i);
        ret->fields[i] = (struct field){name, type_of(TYPE_STRING), true};
    }
}

/* The first record there is: its fields are copied to the arena. */
static int first_record(struct scan *s, const struct csv_options *o, const char *const *paths, uint32_t path_count,
                        struct arena *ar, struct csv_field **ret, uint32_t *ret_count, struct csv_field *ret_text,
                        struct error *err)
{
    *ret_count = 0;
    for (uint32_t f = 0; f < path_count; f++) {
        bool any;
        TRY(open_file(s, o, paths[f], err));
        TRY(next_record(s, &any, err));
        if (any) {
            uint32_t n = s->tokens.last_count;
            struct csv_field *fields = ARENA_ARRAY(ar, struct csv_field, n);
            for (uint32_t i = 0; i < n; i++) {
                const struct csv_field *from = &s->tokens.all[i];
                if (from->p)
                    fields[i] = (struct csv_field){arena_dup(ar, from->p, from->bytes + 1), from->bytes};
            }
            const struct csv_field *text = &s->tokens.records[0];
            *ret_text = (struct csv_field){arena_strndup(ar, text->p, text->bytes), text->bytes};
            *ret = fields;
            *ret_count = n;
        }
        window_close(&s->window);
        if (any)
            return 0;
    }
    return 0;
}

static int infer(struct scan *s, struct csv_options *o, const char *const *paths, uint32_t path_count, struct arena *ar,
                 struct schema *ret, struct error *err)
{
    struct guess g = {.o = o, .date = o->text.date};
    struct csv_field *fields = NULL, header = {NULL, 0};
    TRY(first_record(s, o, paths, path_count, ar, &fields, &g.count, &header, err));
    name_columns(o, fields, g.count, ar, ret);
    if (!o->infer)
        return 0;
    if (!g.date)
        TRY(datetime_pattern_new("yyyy-MM-dd", 10, &g.date, err));
    g.types = ARENA_ARRAY(ar, const struct type *, g.count);
    for (uint32_t i = 0; i < g.count; i++)
        g.types[i] = type_of(TYPE_NULL);
    int rc = 0;
    for (uint32_t f = 0; f < path_count && rc == 0; f++)
        rc = guess_file(s, &g, paths[f], &header, err);
    for (uint32_t i = 0; i < g.count; i++)
        ret->fields[i].type = g.types[i]->id == TYPE_NULL ? type_of(TYPE_STRING) : g.types[i];
    if (g.date != o->text.date)
        datetime_pattern_free(g.date);
    return rc;
}

int csv_infer(const struct options *options, const char *const *paths, uint32_t path_count, const struct query_ctx *cx,
              struct arena *ar, struct schema *ret, struct error *err)
{
    struct csv_options o;
    struct scan s = {.cx = cx};
    TRY(csv_options_read(options, cx, ar, &o, err));
    TRY(text_options_for_reading(&o.text, err));
    arena_init(&s.record_arena);
    rng_init(&s.rng, 1);
    s.tokens = (struct csv_tokens){.o = &o, .arena = &s.record_arena, .keep_records = true};
    s.tokens.records = ARENA_ARRAY(ar, struct csv_field, 1);
    s.tokens.bad = ARENA_ARRAY(ar, uint8_t, 1);
    s.tokens.all_cap = (uint32_t)o.columns_max;
    s.tokens.all = xmalloc(((size_t)o.columns_max + 1) * sizeof *s.tokens.all);
    int rc = infer(&s, &o, paths, path_count, ar, ret, err);
    window_close(&s.window);
    buf_fini(&s.tokens.scratch);
    xfree(s.tokens.all);
    arena_fini(&s.record_arena);
    return rc;
}
