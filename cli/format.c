/*
 * Results as text; see format.h. Cells come from column_format, so every format shows what Spark's shell shows;
 * JSON alone looks at types. A table keeps its first rows (HEAD_ROWS or HEAD_BYTES) to choose widths and then
 * streams in these widths: a later cell that is longer is cut on a terminal and sticks out elsewhere.
 */
#include "cli/format.h"

#include <stdio.h>
#include <sys/ioctl.h>

enum { FLUSH_BYTES = 64 << 10, HEAD_ROWS = 1000, HEAD_BYTES = 1 << 20, CELL_WIDTH_MIN = 8 };

struct cell {
    uint32_t offset, bytes; /* in head */
};

struct printer {
    struct printer_options opt;
    struct buf out;
    bool failed;
    bool begun;           /* between begin and end */
    bool headed;          /* what stands before the rows is out; it waits for them, since the statement may still fail */
    uint64_t statement;   /* from 1 */
    uint64_t rows;        /* of this statement */
    struct schema sch;    /* copied */
    char **names;
    struct buf scratch;
    /* TABLE */
    struct buf head;      /* texts of the rows kept */
    struct cell *cells;
    size_t cell_count, cell_cap;
    uint32_t *widths;
    bool laid_out;        /* widths are fixed, the header is out */
};

bool output_format_parse(const char *name, enum output_format *ret)
{
    static const char *const names[] = {"table", "csv", "tsv", "json", "jsonl"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum output_format)i;
            return true;
        }
    }
    return false;
}

uint32_t terminal_width(int fd)
{
    struct winsize w;
    return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* ---- widths ---- */

/* One character at s (bytes left): its code and length; a bad byte is one character. */
static uint32_t decode(const char *s, size_t left, size_t *ret_bytes)
{
    unsigned char c = (unsigned char)s[0];
    size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    if (n > left)
        n = 1;
    uint32_t v = n == 1 ? c : c & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80) {
            *ret_bytes = 1;
            return c;
        }
        v = v << 6 | ((unsigned char)s[i] & 0x3F);
    }
    *ret_bytes = n;
    return v;
}

static uint32_t char_width(uint32_t c)
{
    static const struct {
        uint32_t low, high, width;
    } ranges[] = {{0x300, 0x36F, 0},     {0x1100, 0x115F, 2},   {0x200B, 0x200F, 0},   {0x20D0, 0x20FF, 0},
                  {0x2E80, 0x303E, 2},   {0x3041, 0x33FF, 2},   {0x3400, 0x4DBF, 2},   {0x4E00, 0x9FFF, 2},
                  {0xA000, 0xA4CF, 2},   {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},   {0xFE00, 0xFE0F, 0},
                  {0xFE30, 0xFE6F, 2},   {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2},
                  {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2}};
    for (size_t i = 0; i < ARRAY_LEN(ranges) && c >= ranges[i].low; i++) {
        if (c <= ranges[i].high)
            return ranges[i].width;
    }
    return 1;
}

uint32_t text_width(const char *s, size_t bytes)
{
    uint32_t width = 0;
    for (size_t i = 0, n; i < bytes; i += n)
        width += char_width(decode(s + i, bytes - i, &n));
    return width;
}

/* ---- output ---- */

void printer_flush(struct printer *p);

static void drain(struct printer *p)
{
    if (p->out.bytes && !p->failed && p->opt.write(p->opt.ctx, p->out.data, p->out.bytes) != 0)
        p->failed = true;
    buf_reset(&p->out);
}

static void drain_if_full(struct printer *p)
{
    if (p->out.bytes >= FLUSH_BYTES)
        drain(p);
}

struct printer *printer_new(const struct printer_options *options)
{
    struct printer *p = xcalloc(1, sizeof *p);
    p->opt = *options;
    return p;
}

static void forget_schema(struct printer *p)
{
    for (uint32_t i = 0; i < p->sch.count; i++)
        xfree(p->names[i]);
    xfree(p->names);
    xfree(p->sch.fields);
    xfree(p->widths);
    p->names = NULL;
    p->widths = NULL;
    p->sch = (struct schema){0};
}

void printer_free(struct printer *p)
{
    if (!p)
        return;
    printer_flush(p);
    forget_schema(p);
    buf_fini(&p->out);
    buf_fini(&p->scratch);
    buf_fini(&p->head);
    xfree(p->cells);
    xfree(p);
}

void printer_set_zone(struct printer *p, const struct zone *zone)
{
    p->opt.zone = zone;
}

void printer_set_width(struct printer *p, uint32_t columns)
{
    p->opt.terminal_width = columns;
}

bool printer_failed(const struct printer *p)
{
    return p->failed;
}

uint64_t printer_row_count(const struct printer *p)
{
    return p->rows;
}

/* The text of a cell in scratch; false when it is null. */
static bool cell_text(struct printer *p, const struct column *col, uint32_t row)
{
    buf_reset(&p->scratch);
    if (column_is_null(col, row))
        return false;
    column_format_shell(col, row, p->opt.zone, "NULL", &p->scratch);
    return true;
}

/* ---- table ---- */

static bool is_right(const struct type *t)
{
    return type_is_numeric(t);
}

/* Control characters would break the box. */
static void add_visible(struct buf *out, const char *s, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != 0x7F)
            buf_addc(out, (char)c);
        else if (c == '\n')
            buf_adds(out, "\\n");
        else if (c == '\t')
            buf_adds(out, "\\t");
        else if (c == '\r')
            buf_adds(out, "\\r");
        else
            buf_addf(out, "\\x%02X", c);
    }
}

static void add_pad(struct buf *out, uint32_t n)
{
    buf_reserve(out, n);
    memset(out->data + out->bytes, ' ', n);
    out->bytes += n;
    out->data[out->bytes] = 0;
}

/* text in width columns; cut with an ellipsis when cut is asked for. */
static void add_cell(struct buf *out, const char *s, size_t bytes, uint32_t width, bool right, bool cut)
{
    uint32_t w = text_width(s, bytes);
    if (w > width && cut) {
        size_t used = 0;
        uint32_t have = 0;
        for (size_t n; used < bytes; used += n) {
            uint32_t cw = char_width(decode(s + used, bytes - used, &n));
            if (have + cw + 1 > width)
                break;
            have += cw;
        }
        buf_add(out, s, used);
        buf_adds(out, "\xE2\x80\xA6");
        add_pad(out, width - have - 1);
        return;
    }
    uint32_t pad = w < width ? width - w : 0;
    if (right)
        add_pad(out, pad);
    buf_add(out, s, bytes);
    if (!right)
        add_pad(out, pad);
}

static void add_rule(struct printer *p)
{
    for (uint32_t i = 0; i < p->sch.count; i++) {
        buf_addc(&p->out, '+');
        for (uint32_t j = 0; j < p->widths[i] + 2; j++)
            buf_addc(&p->out, '-');
    }
    buf_adds(&p->out, "+\n");
}

/* Shrinks the widest columns until the table fits; columns stay readable, so it may still be too wide. */
static void fit(struct printer *p)
{
    uint32_t total = 1;
    for (uint32_t i = 0; i < p->sch.count; i++)
        total += p->widths[i] + 3;
    while (total > p->opt.terminal_width) {
        uint32_t widest = 0, second = 0;
        for (uint32_t i = 1; i < p->sch.count; i++)
            widest = p->widths[i] > p->widths[widest] ? i : widest;
        for (uint32_t i = 0; i < p->sch.count; i++)
            second = i != widest && p->widths[i] > second ? p->widths[i] : second;
        uint32_t least = second > CELL_WIDTH_MIN ? second - 1 : CELL_WIDTH_MIN;
        uint32_t over = total - p->opt.terminal_width, w = p->widths[widest];
        if (w <= CELL_WIDTH_MIN)
            return;
        uint32_t next = w > over && w - over > least ? w - over : least;
        total -= w - next;
        p->widths[widest] = next;
    }
}

/* Fixes the widths, writes the header and the rows kept. */
static void lay_out(struct printer *p)
{
    uint32_t n = p->sch.count;
    bool cut = p->opt.terminal_width > 0;
    p->laid_out = true;
    p->widths = xcalloc(n ? n : 1, sizeof *p->widths);
    for (uint32_t i = 0; i < n; i++)
        p->widths[i] = text_width(p->names[i], strlen(p->names[i]));
    for (size_t i = 0; i < p->cell_count; i++) {
        uint32_t w = text_width(p->head.data + p->cells[i].offset, p->cells[i].bytes);
        if (w > p->widths[i % n])
            p->widths[i % n] = w;
    }
    if (cut)
        fit(p);
    add_rule(p);
    for (uint32_t i = 0; i < n; i++) {
        buf_adds(&p->out, "| ");
        add_cell(&p->out, p->names[i], strlen(p->names[i]), p->widths[i], is_right(p->sch.fields[i].type), cut);
        buf_addc(&p->out, ' ');
    }
    buf_adds(&p->out, "|\n");
    add_rule(p);
    for (size_t i = 0; i < p->cell_count; i++) {
        uint32_t c = (uint32_t)(i % n);
        buf_adds(&p->out, "| ");
        add_cell(&p->out, p->head.data + p->cells[i].offset, p->cells[i].bytes, p->widths[c], is_right(p->sch.fields[c].type), cut);
        buf_adds(&p->out, c + 1 == n ? " |\n" : " ");
        drain_if_full(p);
    }
    p->cell_count = 0;
    buf_reset(&p->head);
}

static void keep_cell(struct printer *p, const char *s, size_t bytes)
{
    ARRAY_GROW(p->cells, p->cell_count, p->cell_cap);
    uint32_t offset = (uint32_t)p->head.bytes;
    add_visible(&p->head, s, bytes);
    p->cells[p->cell_count++] = (struct cell){offset, (uint32_t)p->head.bytes - offset};
}

/* A text of several lines in the only column, such as EXPLAIN's, stays lines. False: it is none, or widths are fixed already. */
static bool table_lines(struct printer *p, const struct column *col, uint32_t row)
{
    if (p->laid_out || !cell_text(p, col, row) || !p->scratch.bytes || !memchr(p->scratch.data, '\n', p->scratch.bytes))
        return false;
    const char *at = p->scratch.data, *stop = at + p->scratch.bytes;
    while (at < stop) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        keep_cell(p, at, (size_t)((end ? end : stop) - at));
        at = end ? end + 1 : stop;
    }
    if (p->cell_count >= HEAD_ROWS || p->head.bytes >= HEAD_BYTES)
        lay_out(p);
    return true;
}

static void table_row(struct printer *p, const struct batch *b, uint32_t row)
{
    struct buf visible = BUF_INIT;
    if (p->sch.count == 1 && table_lines(p, &b->cols[0], row))
        return;
    for (uint32_t i = 0; i < p->sch.count; i++) {
        if (!cell_text(p, &b->cols[i], row))
            buf_adds(&p->scratch, "NULL");
        if (p->laid_out) {
            buf_reset(&visible);
            add_visible(&visible, p->scratch.data, p->scratch.bytes);
            buf_adds(&p->out, "| ");
            add_cell(&p->out, visible.data ? visible.data : "", visible.bytes, p->widths[i], is_right(p->sch.fields[i].type),
                     p->opt.terminal_width > 0);
            buf_adds(&p->out, i + 1 == p->sch.count ? " |\n" : " ");
            continue;
        }
        keep_cell(p, p->scratch.data, p->scratch.bytes);
    }
    buf_fini(&visible);
    if (!p->laid_out && (p->cell_count >= (size_t)HEAD_ROWS * p->sch.count || p->head.bytes >= HEAD_BYTES))
        lay_out(p);
}

void printer_flush(struct printer *p)
{
    if (p->begun && p->opt.format == OUTPUT_TABLE && p->sch.count && !p->laid_out && p->cell_count)
        lay_out(p);
    drain(p);
}

static void table_end(struct printer *p, double ms)
{
    if (p->sch.count) {
        if (!p->laid_out)
            lay_out(p);
        add_rule(p);
    }
    if (!p->opt.counts)
        return;
    if (p->sch.count)
        buf_addf(&p->out, "%llu row%s", (unsigned long long)p->rows, p->rows == 1 ? "" : "s");
    else
        buf_adds(&p->out, "done");
    buf_addf(&p->out, ms < 1000 ? " (%.1f ms)\n" : " (%.2f s)\n", ms < 1000 ? ms : ms / 1000);
}

/* ---- csv and tsv ---- */

static void csv_text(struct buf *out, const char *s, size_t bytes)
{
    bool quote = bytes == 0;
    for (size_t i = 0; i < bytes && !quote; i++)
        quote = s[i] == ',' || s[i] == '"' || s[i] == '\n' || s[i] == '\r';
    if (!quote) {
        buf_add(out, s, bytes);
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (s[i] == '"')
            buf_addc(out, '"');
        buf_addc(out, s[i]);
    }
    buf_addc(out, '"');
}

static void tsv_text(struct buf *out, const char *s, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const char *escape = s[i] == '\t' ? "\\t" : s[i] == '\n' ? "\\n" : s[i] == '\r' ? "\\r" : s[i] == '\\' ? "\\\\" : NULL;
        if (escape)
            buf_adds(out, escape);
        else
            buf_addc(out, s[i]);
    }
}

static void separated_row(struct printer *p, const struct batch *b, uint32_t row)
{
    bool csv = p->opt.format == OUTPUT_CSV;
    for (uint32_t i = 0; i < p->sch.count; i++) {
        if (i)
            buf_addc(&p->out, csv ? ',' : '\t');
        if (!cell_text(p, &b->cols[i], row))
            buf_adds(&p->out, csv ? "" : "\\N");
        else if (csv)
            csv_text(&p->out, p->scratch.data ? p->scratch.data : "", p->scratch.bytes);
        else
            tsv_text(&p->out, p->scratch.data, p->scratch.bytes);
    }
    buf_addc(&p->out, '\n');
}

/* ---- json ---- */

static void add_base64(struct buf *out, const unsigned char *s, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        size_t n = bytes - i < 3 ? bytes - i : 3;
        uint32_t v = (uint32_t)s[i] << 16 | (n > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (n > 2 ? s[i + 2] : 0);
        buf_addc(out, digits[v >> 18]);
        buf_addc(out, digits[v >> 12 & 63]);
        buf_addc(out, n > 1 ? digits[v >> 6 & 63] : '=');
        buf_addc(out, n > 2 ? digits[v & 63] : '=');
    }
}

static void json_value(struct printer *p, const struct column *col, uint32_t row);

static void json_list(struct printer *p, const struct column *col, uint32_t at)
{
    const struct listview *lv = (const struct listview *)col->data + at;
    bool map = col->type->id == TYPE_MAP;
    buf_addc(&p->out, map ? '{' : '[');
    for (uint32_t i = 0; i < lv->count; i++) {
        uint32_t r = lv->offset + i;
        if (i)
            buf_addc(&p->out, ',');
        if (!map) {
            json_value(p, &col->children[0], r);
            continue;
        }
        cell_text(p, &col->children[0], r);
        buf_add_json(&p->out, p->scratch.data ? p->scratch.data : "", p->scratch.bytes);
        buf_addc(&p->out, ':');
        json_value(p, &col->children[1], r);
    }
    buf_addc(&p->out, map ? '}' : ']');
}

static void json_value(struct printer *p, const struct column *col, uint32_t row)
{
    if (column_is_null(col, row)) {
        buf_adds(&p->out, "null");
        return;
    }
    uint32_t at = column_idx(col, row);
    switch (col->type->id) {
    case TYPE_ARRAY:
    case TYPE_MAP: json_list(p, col, at); return;
    case TYPE_STRUCT:
        buf_addc(&p->out, '{');
        for (uint32_t i = 0; i < col->type->child_count; i++) {
            buf_adds(&p->out, i ? "," : "");
            buf_add_json(&p->out, col->type->names[i], strlen(col->type->names[i]));
            buf_addc(&p->out, ':');
            json_value(p, &col->children[i], at);
        }
        buf_addc(&p->out, '}');
        return;
    case TYPE_BINARY: {
        const struct strview *s = (const struct strview *)col->data + at;
        buf_addc(&p->out, '"');
        add_base64(&p->out, (const unsigned char *)strview_data(s), s->bytes);
        buf_addc(&p->out, '"');
        return;
    }
    default: break;
    }
    cell_text(p, col, row);
    const char *s = p->scratch.data ? p->scratch.data : "";
    bool number = type_is_numeric(col->type) && s[0] != 'N' && s[0] != 'I' && s[1] != 'I'; /* NaN, Infinity, -Infinity */
    if (number || col->type->id == TYPE_BOOLEAN)
        buf_add(&p->out, s, p->scratch.bytes);
    else
        buf_add_json(&p->out, s, p->scratch.bytes);
}

static void json_row(struct printer *p, const struct batch *b, uint32_t row)
{
    buf_adds(&p->out, p->rows ? ",\n{" : "\n{");
    for (uint32_t i = 0; i < p->sch.count; i++) {
        buf_adds(&p->out, i ? "," : "");
        buf_add_json(&p->out, p->names[i], strlen(p->names[i]));
        buf_addc(&p->out, ':');
        json_value(p, &b->cols[i], row);
    }
    buf_addc(&p->out, '}');
}

static void jsonl_row(struct printer *p, const struct batch *b, uint32_t row)
{
    buf_adds(&p->out, p->rows ? ",[" : "[");
    for (uint32_t i = 0; i < p->sch.count; i++) {
        buf_adds(&p->out, i ? "," : "");
        if (cell_text(p, &b->cols[i], row))
            buf_add_json(&p->out, p->scratch.data ? p->scratch.data : "", p->scratch.bytes);
        else
            buf_adds(&p->out, "null");
    }
    buf_addc(&p->out, ']');
}

/* ---- the life of a statement ---- */

static void header(struct printer *p)
{
    if (p->headed)
        return;
    p->headed = true;
    bool csv = p->opt.format == OUTPUT_CSV;
    switch (p->opt.format) {
    case OUTPUT_TABLE: break;
    case OUTPUT_CSV:
    case OUTPUT_TSV:
        for (uint32_t i = 0; i < p->sch.count; i++) {
            if (i)
                buf_addc(&p->out, csv ? ',' : '\t');
            (csv ? csv_text : tsv_text)(&p->out, p->names[i], strlen(p->names[i]));
        }
        buf_adds(&p->out, p->sch.count ? "\n" : "");
        break;
    case OUTPUT_JSON: buf_adds(&p->out, p->sch.count ? "[" : ""); break;
    case OUTPUT_JSONL: {
        const char *text = p->sch.count ? schema_as_struct(&p->sch)->text : "struct<>";
        buf_addf(&p->out, "{\"statement\":%llu,\"schema\":", (unsigned long long)p->statement);
        buf_add_json(&p->out, text, strlen(text));
        buf_adds(&p->out, ",\"rows\":[");
        break;
    }
    }
}

void printer_begin(struct printer *p, const struct schema *sch)
{
    ASSERT(!p->begun);
    forget_schema(p);
    p->statement++;
    p->rows = 0;
    p->laid_out = false;
    p->cell_count = 0;
    p->begun = true;
    p->headed = false;
    uint32_t n = sch ? sch->count : 0;
    p->sch.count = n;
    p->sch.fields = xcalloc(n ? n : 1, sizeof *p->sch.fields);
    p->names = xcalloc(n ? n : 1, sizeof *p->names);
    for (uint32_t i = 0; i < n; i++) {
        p->names[i] = xstrdup(sch->fields[i].name);
        p->sch.fields[i] = sch->fields[i];
        p->sch.fields[i].name = p->names[i];
    }
}

void printer_rows(struct printer *p, const struct batch *b)
{
    static void (*const fns[])(struct printer *, const struct batch *, uint32_t) = {
        [OUTPUT_TABLE] = table_row, [OUTPUT_CSV] = separated_row, [OUTPUT_TSV] = separated_row, [OUTPUT_JSON] = json_row,
        [OUTPUT_JSONL] = jsonl_row};
    if (p->begun && p->sch.count == 0) /* SELECT * EXCEPT (all of them): rows that have nothing to show */
        return;
    ASSERT(p->begun && b->col_count == p->sch.count);
    header(p);
    for (uint32_t i = 0; i < b->sel_count; i++) {
        fns[p->opt.format](p, b, b->sel ? b->sel[i] : i);
        p->rows++;
        drain_if_full(p);
    }
}

void printer_end(struct printer *p, double ms)
{
    if (!p->begun)
        printer_begin(p, NULL);
    header(p);
    switch (p->opt.format) {
    case OUTPUT_TABLE: table_end(p, ms); break;
    case OUTPUT_CSV:
    case OUTPUT_TSV: break;
    case OUTPUT_JSON: buf_adds(&p->out, !p->sch.count ? "" : p->rows ? "\n]\n" : "]\n"); break;
    case OUTPUT_JSONL: buf_addf(&p->out, "],\"timeMs\":%.1f}\n", ms); break;
    }
    drain(p);
    p->begun = false;
}

bool printer_error(struct printer *p, const struct error *err, const char *sql)
{
    bool jsonl = p->opt.format == OUTPUT_JSONL;
    if (!p->begun)
        p->statement++;
    if (jsonl) {
        if (p->begun && p->headed) /* rows are out already: the line stays one document */
            buf_adds(&p->out, "],\"error\":");
        else
            buf_addf(&p->out, "{\"statement\":%llu,\"error\":", (unsigned long long)p->statement);
        error_to_json(err, sql, &p->out);
        buf_adds(&p->out, "}\n");
    } else if (p->begun && p->headed && p->opt.format == OUTPUT_JSON && p->sch.count) {
        buf_adds(&p->out, p->rows ? "\n]\n" : "]\n");
    } else if (p->begun && p->opt.format == OUTPUT_TABLE && p->sch.count && p->rows) {
        if (!p->laid_out)
            lay_out(p);
        add_rule(p);
    }
    drain(p);
    p->begun = false;
    return !jsonl;
}
