/* See output.h. */
#include "cli/output.h"

#include "common/expr/zone.h"

enum { TABLE_SAMPLE = 1000, CELL_MAX = 120 };

struct output {
    enum output_format format;
    FILE *to;
    uint64_t statement, rows;
    const struct zone *zone;
    const struct type *row;
    struct buf line;
    bool begun;
    /* table */
    char ***sample;
    uint32_t sample_count;
    uint32_t *width;
    bool *right;
    bool sized;
};

bool output_format_parse(const char *name, enum output_format *ret)
{
    static const char *const names[] = {"table", "csv", "json", "jsonl", "tsv"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum output_format)i;
            return true;
        }
    }
    return false;
}

struct output *output_new(enum output_format format, FILE *to, uint64_t statement, const struct zone *zone)
{
    struct output *o = xcalloc(1, sizeof *o);
    o->format = format;
    o->to = to;
    o->statement = statement;
    o->zone = zone;
    return o;
}

static void flush(struct output *o)
{
    if (o->line.bytes)
        fwrite(o->line.data, 1, o->line.bytes, o->to);
    buf_reset(&o->line);
}

static uint32_t columns(const struct output *o)
{
    return o->row ? o->row->child_count : 0;
}

/* Characters on the screen, near enough: code points. */
static uint32_t width_of(const char *s)
{
    uint32_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void add_csv(struct buf *out, const char *s, size_t n)
{
    if (n && !memchr(s, '"', n) && !memchr(s, ',', n) && !memchr(s, '\n', n) && !memchr(s, '\r', n)) {
        buf_add(out, s, n);
        return;
    }
    if (n == 0) {
        buf_adds(out, "\"\"");
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"')
            buf_addc(out, '"');
        buf_addc(out, s[i]);
    }
    buf_addc(out, '"');
}

static void add_tsv(struct buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\t' || s[i] == '\n' || s[i] == '\\') {
            buf_addc(out, '\\');
            buf_addc(out, s[i] == '\t' ? 't' : s[i] == '\n' ? 'n' : '\\');
        } else {
            buf_addc(out, s[i]);
        }
    }
}

void output_schema(struct output *o, const struct type *row)
{
    o->row = row;
    switch (o->format) {
    case OUTPUT_JSONL:
        buf_addf(&o->line, "{\"statement\":%llu,\"schema\":", (unsigned long long)o->statement);
        buf_add_json(&o->line, row->text, strlen(row->text));
        buf_adds(&o->line, ",\"rows\":[");
        o->begun = true;
        break;
    case OUTPUT_CSV:
    case OUTPUT_TSV:
        for (uint32_t i = 0; i < row->child_count; i++) {
            if (i)
                buf_addc(&o->line, o->format == OUTPUT_CSV ? ',' : '\t');
            (o->format == OUTPUT_CSV ? add_csv : add_tsv)(&o->line, row->names[i], strlen(row->names[i]));
        }
        if (row->child_count)
            buf_addc(&o->line, '\n');
        break;
    case OUTPUT_TABLE:
        o->width = xcalloc(row->child_count + 1, sizeof *o->width);
        o->right = xcalloc(row->child_count + 1, sizeof *o->right);
        o->sample = xcalloc(TABLE_SAMPLE, sizeof *o->sample);
        for (uint32_t i = 0; i < row->child_count; i++) {
            o->width[i] = width_of(row->names[i]);
            o->right[i] = type_is_numeric(row->children[i]);
        }
        break;
    case OUTPUT_JSON: break;
    }
    flush(o);
}

/* ---- tables ---- */

static void rule(struct output *o)
{
    for (uint32_t i = 0; i < columns(o); i++) {
        buf_addc(&o->line, '+');
        for (uint32_t k = 0; k < o->width[i] + 2; k++)
            buf_addc(&o->line, '-');
    }
    buf_adds(&o->line, "+\n");
}

static void table_row(struct output *o, char *const *cells, bool head)
{
    for (uint32_t i = 0; i < columns(o); i++) {
        uint32_t w = width_of(cells[i]), pad = o->width[i] > w ? o->width[i] - w : 0;
        buf_adds(&o->line, "| ");
        for (uint32_t k = 0; k < pad && o->right[i] && !head; k++)
            buf_addc(&o->line, ' ');
        buf_adds(&o->line, cells[i]);
        for (uint32_t k = 0; k < pad && (!o->right[i] || head); k++)
            buf_addc(&o->line, ' ');
        buf_addc(&o->line, ' ');
    }
    buf_adds(&o->line, "|\n");
}

static void free_cells(struct output *o, char **cells)
{
    for (uint32_t i = 0; i < columns(o); i++)
        xfree(cells[i]);
    xfree(cells);
}

static void table_sized(struct output *o)
{
    if (o->sized || columns(o) == 0)
        return;
    o->sized = true;
    rule(o);
    table_row(o, (char *const *)(uintptr_t)o->row->names, true);
    rule(o);
    for (uint32_t r = 0; r < o->sample_count; r++) {
        table_row(o, o->sample[r], false);
        free_cells(o, o->sample[r]);
    }
    o->sample_count = 0;
}

static char *table_cell(struct output *o, const struct column *col, uint32_t row)
{
    struct buf b = BUF_INIT;
    column_format(col, row, o->zone, "NULL", &b);
    char *s = buf_steal(&b);
    for (char *p = s; *p; p++) {
        if (*p == '\n' || *p == '\t' || *p == '\r')
            *p = ' ';
    }
    if (width_of(s) > CELL_MAX) {
        uint32_t n = 0;
        char *p = s;
        while (n < CELL_MAX - 3) {
            p++;
            while (((unsigned char)*p & 0xc0) == 0x80)
                p++;
            n++;
        }
        strcpy(p, "...");
    }
    return s;
}

/* ---- rows ---- */

static void json_cell(struct output *o, const struct column *col, uint32_t row)
{
    struct buf b = BUF_INIT;
    if (column_is_null(col, row)) {
        buf_adds(&o->line, "null");
        return;
    }
    column_format(col, row, o->zone, "null", &b);
    enum type_id id = col->type->id;
    bool plain = o->format == OUTPUT_JSON && (type_is_numeric(col->type) || id == TYPE_BOOLEAN) &&
                 (!b.data || (!strstr(b.data, "NaN") && !strstr(b.data, "Inf")));
    if (plain)
        buf_add(&o->line, b.data, b.bytes);
    else
        buf_add_json(&o->line, b.data ? b.data : "", b.bytes);
    buf_fini(&b);
}

static void one_row(struct output *o, const struct batch *b, uint32_t r)
{
    struct buf cell = BUF_INIT;
    uint32_t n = columns(o);
    switch (o->format) {
    case OUTPUT_JSONL:
        buf_adds(&o->line, o->rows ? ",[" : "[");
        for (uint32_t i = 0; i < n; i++) {
            buf_adds(&o->line, i ? "," : "");
            json_cell(o, &b->cols[i], r);
        }
        buf_addc(&o->line, ']');
        break;
    case OUTPUT_JSON:
        buf_addc(&o->line, '{');
        for (uint32_t i = 0; i < n; i++) {
            buf_adds(&o->line, i ? "," : "");
            buf_add_json(&o->line, o->row->names[i], strlen(o->row->names[i]));
            buf_addc(&o->line, ':');
            json_cell(o, &b->cols[i], r);
        }
        buf_adds(&o->line, "}\n");
        break;
    case OUTPUT_CSV:
    case OUTPUT_TSV:
        for (uint32_t i = 0; i < n; i++) {
            if (i)
                buf_addc(&o->line, o->format == OUTPUT_CSV ? ',' : '\t');
            if (column_is_null(&b->cols[i], r)) {
                buf_adds(&o->line, o->format == OUTPUT_CSV ? "" : "NULL");
                continue;
            }
            buf_reset(&cell);
            column_format(&b->cols[i], r, o->zone, "", &cell);
            (o->format == OUTPUT_CSV ? add_csv : add_tsv)(&o->line, cell.data ? cell.data : "", cell.bytes);
        }
        buf_addc(&o->line, '\n');
        buf_fini(&cell);
        break;
    case OUTPUT_TABLE: {
        char **cells = xcalloc(n + 1, sizeof *cells);
        for (uint32_t i = 0; i < n; i++) {
            cells[i] = table_cell(o, &b->cols[i], r);
            uint32_t w = width_of(cells[i]);
            if (!o->sized && w > o->width[i])
                o->width[i] = w;
        }
        if (!o->sized && o->sample_count < TABLE_SAMPLE) {
            o->sample[o->sample_count++] = cells;
            break;
        }
        table_sized(o);
        table_row(o, cells, false);
        free_cells(o, cells);
        break;
    }
    }
    o->rows++;
}

void output_rows(struct output *o, const struct sealed *rows)
{
    struct arena ar;
    struct batch b;
    arena_init(&ar);
    struct column *cols = ARENA_ARRAY(&ar, struct column, rows->col_count);
    for (uint32_t at = 0; at < rows->rows; at += b.rows) {
        uint32_t n = rows->rows - at < BATCH_ROWS ? rows->rows - at : BATCH_ROWS;
        sealed_window(rows, at, n, cols, &b, &ar);
        for (uint32_t r = 0; r < n; r++)
            one_row(o, &b, r);
        if (o->line.bytes > 65536)
            flush(o);
    }
    flush(o);
    arena_fini(&ar);
}

static void output_free(struct output *o)
{
    for (uint32_t r = 0; r < o->sample_count; r++)
        free_cells(o, o->sample[r]);
    xfree(o->sample);
    xfree(o->width);
    xfree(o->right);
    buf_fini(&o->line);
    xfree(o);
}

void output_end(struct output *o, double ms)
{
    if (o->format == OUTPUT_JSONL)
        buf_addf(&o->line, "],\"timeMs\":%.1f}\n", ms);
    if (o->format == OUTPUT_TABLE && columns(o)) {
        table_sized(o);
        rule(o);
        buf_addf(&o->line, "%llu row%s\n", (unsigned long long)o->rows, o->rows == 1 ? "" : "s");
    }
    flush(o);
    fflush(o->to);
    output_free(o);
}

void output_fail(struct output *o, const struct error *err, const char *sql)
{
    if (o->format == OUTPUT_JSONL) {
        /* Rows that were written already stay: the line closes them and carries the error as well. */
        if (o->begun)
            buf_adds(&o->line, "],\"error\":");
        else
            buf_addf(&o->line, "{\"statement\":%llu,\"error\":", (unsigned long long)o->statement);
        error_to_json(err, sql, &o->line);
        buf_adds(&o->line, "}\n");
    } else if (o->format == OUTPUT_TABLE && o->row && columns(o) && o->rows) {
        table_sized(o);
    }
    flush(o);
    fflush(o->to);
    output_free(o);
}
