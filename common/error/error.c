/* The table of errors and the objects that carry them; see error.h. */
#include "common/error/error.h"

#include "common/base/utf8.h"

static const struct row {
    const char *id, *class, *sqlstate, *text;
    enum err_policy policy;
} rows[ERR_COUNT] = {
    [ERR_OK] = {"OK", "OK", "00000", "no error", POLICY_NEVER},
#define ERR(id, class, sqlstate, policy, text) [ERR_##id] = {#id, class, sqlstate, text, POLICY_##policy},
#include "common/error/errcodes.def"
#undef ERR
};

static const struct row *row_of(enum errcode code)
{
    ASSERT((unsigned)code < ERR_COUNT);
    return &rows[code];
}

const char *errcode_id(enum errcode code)
{
    return row_of(code)->id;
}

const char *errcode_class(enum errcode code)
{
    return row_of(code)->class;
}

const char *errcode_sqlstate(enum errcode code)
{
    return row_of(code)->sqlstate;
}

enum err_policy errcode_policy(enum errcode code)
{
    return row_of(code)->policy;
}

void error_fini(struct error *err)
{
    struct error_detail *d = err->detail;
    if (d) {
        for (uint32_t i = 0; i < d->param_count; i++) {
            xfree(d->params[i].name);
            xfree(d->params[i].value);
        }
        xfree(d->params);
        xfree(d->notes);
        xfree(d->origin);
        xfree(d);
    }
    *err = ERROR_INIT;
}

void error_move(struct error *to, struct error *from)
{
    ASSERT(to->code == ERR_OK && to->detail == NULL);
    *to = *from;
    *from = ERROR_INIT;
}

static struct error_detail *detail_of(struct error *err)
{
    if (!err->detail)
        err->detail = xcalloc(1, sizeof *err->detail);
    return err->detail;
}

/* A text of an error is shown to a person and sent in a message of limited size: a longer one is cut. */
static char *shortened(char *text_taken)
{
    size_t bytes = strlen(text_taken), keep = ERROR_TEXT_MAX;
    if (bytes <= ERROR_TEXT_MAX)
        return text_taken;
    while (keep > ERROR_TEXT_MAX - 4 && ((unsigned char)text_taken[keep] & 0xc0) == 0x80)
        keep--; /* not in the middle of a character */
    char *cut = xasprintf("%.*s... (%zu bytes more)", (int)keep, text_taken, bytes - keep);
    xfree(text_taken);
    return cut;
}

static void add_param(struct error *err, const char *name, char *value_taken)
{
    struct error_detail *d = detail_of(err);
    value_taken = shortened(value_taken);
    ARRAY_GROW(d->params, d->param_count, d->param_cap);
    d->params[d->param_count++] = (struct error_param){xstrdup(name), value_taken};
}

void error_add_param(struct error *err, const char *name, const char *value)
{
    add_param(err, name, xstrdup(value));
}

void error_copy(struct error *to, const struct error *from)
{
    ASSERT(to->code == ERR_OK && to->detail == NULL);
    to->code = from->code;
    if (!from->detail)
        return;
    for (uint32_t i = 0; i < from->detail->param_count; i++)
        error_add_param(to, from->detail->params[i].name, from->detail->params[i].value);
    struct error_detail *d = detail_of(to);
    d->span = from->detail->span;
    d->notes = from->detail->notes ? xstrdup(from->detail->notes) : NULL;
    d->origin = from->detail->origin ? xstrdup(from->detail->origin) : NULL;
}

int error_set(struct error *err, enum errcode code, ...)
{
    ASSERT(err->code == ERR_OK && code != ERR_OK);
    err->code = code;
    va_list ap;
    va_start(ap, code);
    for (;;) {
        const char *name = va_arg(ap, const char *);
        if (!name)
            break;
        const char *value = va_arg(ap, const char *);
        error_add_param(err, name, value ? value : "");
    }
    va_end(ap);
    return (int)code;
}

int error_setf(struct error *err, enum errcode code, const char *param, const char *fmt, ...)
{
    ASSERT(err->code == ERR_OK && code != ERR_OK);
    err->code = code;
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    add_param(err, param, buf_steal(&b));
    return (int)code;
}

int error_note(struct error *err, const char *fmt, ...)
{
    ASSERT(err->code != ERR_OK);
    struct error_detail *d = detail_of(err);
    struct buf b = BUF_INIT;
    if (d->notes)
        buf_addf(&b, "%s, ", d->notes);
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    xfree(d->notes);
    d->notes = shortened(buf_steal(&b));
    return (int)err->code;
}

void error_at(struct error *err, struct span span)
{
    ASSERT(err->code != ERR_OK);
    struct error_detail *d = detail_of(err);
    if (d->span.stop == 0)
        d->span = span;
}

void error_set_origin(struct error *err, const char *origin)
{
    struct error_detail *d = detail_of(err);
    xfree(d->origin);
    d->origin = xstrdup(origin);
}

const char *error_param_get(const struct error *err, const char *name)
{
    for (uint32_t i = 0; err->detail && i < err->detail->param_count; i++) {
        if (strcmp(err->detail->params[i].name, name) == 0)
            return err->detail->params[i].value;
    }
    return NULL;
}

void error_sentence(const struct error *err, struct buf *out)
{
    for (const char *p = row_of(err->code)->text; *p;) {
        const char *close = *p == '<' ? strchr(p, '>') : NULL;
        if (!close) {
            buf_addc(out, *p++);
            continue;
        }
        char name[64];
        size_t bytes = (size_t)(close - p - 1);
        const char *value = NULL;
        if (bytes < sizeof name) {
            memcpy(name, p + 1, bytes);
            name[bytes] = 0;
            value = error_param_get(err, name);
        }
        buf_adds(out, value ? value : "?");
        p = close + 1;
    }
}

void error_format(const struct error *err, struct buf *out)
{
    buf_addf(out, "[%s] ", errcode_class(err->code));
    error_sentence(err, out);
    if (err->detail && err->detail->origin)
        buf_addf(out, " (%s)", err->detail->origin);
    if (err->detail && err->detail->notes)
        buf_addf(out, " (%s)", err->detail->notes);
    buf_addf(out, ". SQLSTATE: %s", errcode_sqlstate(err->code));
}

/* 1-based line and column of byte at, and where its line starts and stops. */
static void locate(const char *sql, uint32_t at, uint32_t *line, const char **start, const char **stop)
{
    *line = 1;
    *start = sql;
    for (uint32_t i = 0; i < at && sql[i]; i++) {
        if (sql[i] == '\n') {
            ++*line;
            *start = sql + i + 1;
        }
    }
    *stop = *start + strcspn(*start, "\n");
}

/* Bytes of n characters from p on, or up to stop. */
static const char *skip_chars(const char *p, const char *stop, int n)
{
    while (p < stop && n-- > 0) {
        p++;
        while (p < stop && ((unsigned char)*p & 0xC0) == 0x80)
            p++;
    }
    return p;
}

static int count_chars(const char *p, const char *stop)
{
    return p < stop ? (int)utf8_count(p, (size_t)(stop - p)) : 0;
}

/* Of a line longer than LINE_SHOWN characters, as programs write them, the part around the place. */
enum { LINE_SHOWN = 160, LINE_BEFORE = 60 };

void error_format_caret(const struct error *err, const char *sql, struct buf *out)
{
    error_format(err, out);
    struct span s = err->detail ? err->detail->span : (struct span){0};
    if (!sql || s.stop == 0 || s.start > strlen(sql))
        return;
    uint32_t line;
    const char *start, *stop, *at = sql + s.start;
    locate(sql, s.start, &line, &start, &stop);
    int column = count_chars(start, at), width = count_chars(at, s.stop < (size_t)(stop - sql) ? sql + s.stop : stop);
    const char *from = start, *to = stop;
    if (count_chars(start, stop) > LINE_SHOWN) {
        from = column > LINE_BEFORE ? skip_chars(start, stop, column - LINE_BEFORE) : start;
        to = skip_chars(from, stop, LINE_SHOWN);
        int room = count_chars(at, to);
        width = width < room ? width : room;
    }
    const char *head = from > start ? "..." : "";
    buf_addf(out, "\n  line %u, column %d:\n  %s%.*s%s\n  %*s", line, column + 1, head, (int)(to - from), from, to < stop ? "..." : "",
             (int)strlen(head), "");
    for (const char *p = from; p < at; p = skip_chars(p, at, 1))
        buf_addc(out, *p == '\t' ? '\t' : ' ');
    for (int i = 0; i < (width > 0 ? width : 1); i++)
        buf_addc(out, '^');
}

void error_to_json(const struct error *err, const char *sql, struct buf *out)
{
    const struct error_detail *d = err->detail;
    buf_addf(out, "{\"errorClass\":\"%s\",\"sqlState\":\"%s\",\"messageParameters\":{", errcode_class(err->code),
             errcode_sqlstate(err->code));
    for (uint32_t i = 0; d && i < d->param_count; i++) {
        if (i)
            buf_addc(out, ',');
        buf_add_json(out, d->params[i].name, strlen(d->params[i].name));
        buf_addc(out, ':');
        buf_add_json(out, d->params[i].value, strlen(d->params[i].value));
    }
    buf_adds(out, "},\"queryContext\":[");
    if (d && d->span.stop && sql && d->span.stop <= strlen(sql)) {
        buf_addf(out, "{\"objectType\":\"\",\"objectName\":\"\",\"startIndex\":%u,\"stopIndex\":%u,\"fragment\":",
                 d->span.start + 1, d->span.stop);
        buf_add_json(out, sql + d->span.start, d->span.stop - d->span.start);
        buf_addc(out, '}');
    }
    buf_adds(out, "],\"message\":");
    struct buf text = BUF_INIT;
    error_format(err, &text);
    buf_add_json(out, text.data, text.bytes);
    buf_fini(&text);
    buf_addc(out, '}');
}

/* ---- bytes: u16 code, u32 span start, u32 span stop, notes, origin, u32 count, (name, value)*; strings u32 + bytes ---- */

static void put_u32(struct buf *out, uint32_t v)
{
    buf_add(out, &v, sizeof v);
}

static void put_str(struct buf *out, const char *s)
{
    put_u32(out, s ? (uint32_t)strlen(s) + 1 : 0); /* 0: none */
    if (s)
        buf_add(out, s, strlen(s));
}

void error_encode(const struct error *err, struct buf *out)
{
    const struct error_detail *d = err->detail;
    /* The class's id as text, so that peers of another version understand each other's codes. */
    put_str(out, errcode_id(err->code));
    put_u32(out, d ? d->span.start : 0);
    put_u32(out, d ? d->span.stop : 0);
    put_str(out, d ? d->notes : NULL);
    put_str(out, d ? d->origin : NULL);
    put_u32(out, d ? d->param_count : 0);
    for (uint32_t i = 0; d && i < d->param_count; i++) {
        put_str(out, d->params[i].name);
        put_str(out, d->params[i].value);
    }
}

struct reader {
    const char *at, *end;
    bool bad;
};

static uint32_t get_u32(struct reader *r)
{
    uint32_t v = 0;
    if ((size_t)(r->end - r->at) < sizeof v) {
        r->bad = true;
        return 0;
    }
    memcpy(&v, r->at, sizeof v);
    r->at += sizeof v;
    return v;
}

static char *get_str(struct reader *r)
{
    uint32_t n = get_u32(r);
    if (n == 0)
        return NULL;
    if ((size_t)(r->end - r->at) < n - 1) {
        r->bad = true;
        return NULL;
    }
    char *s = xstrndup(r->at, n - 1);
    r->at += n - 1;
    return s;
}

bool error_decode(const void *p, size_t bytes, struct error *ret_err)
{
    struct reader r = {p, (const char *)p + bytes, false};
    struct error err = ERROR_INIT;
    struct error_detail *d = detail_of(&err);
    char *id = get_str(&r);
    for (int i = 0; id && i < ERR_COUNT; i++) {
        if (strcmp(rows[i].id, id) == 0)
            err.code = (enum errcode)i;
    }
    if (err.code == ERR_OK)
        err.code = ERR_INTERNAL; /* a newer peer's code: its parameters still tell the story */
    bool bad = id == NULL;
    xfree(id);
    d->span.start = get_u32(&r);
    d->span.stop = get_u32(&r);
    bad |= d->span.start > d->span.stop;
    d->notes = get_str(&r);
    d->origin = get_str(&r);
    uint32_t count = get_u32(&r);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        char *name = get_str(&r);
        char *value = get_str(&r);
        if (name && value)
            error_add_param(&err, name, value);
        bad |= !name || !value;
        xfree(name);
        xfree(value);
    }
    if (bad || r.bad || r.at != r.end) {
        error_fini(&err);
        return false;
    }
    *ret_err = err;
    return true;
}
