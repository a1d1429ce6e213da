/*
 * Results as text: one printer per output, fed statement by statement as rows arrive. Nothing is held back but
 * the head of a table, from which its widths are taken. Text goes out through a callback in pieces of about
 * 64 KiB, so memory is bounded whatever the result. Thread: one.
 *
 *     printer_begin(p, &sch); printer_rows(p, &batch)...; printer_end(p, ms);     or printer_error in place of end
 */
#pragma once

#include "common/col/column.h"

enum output_format {
    OUTPUT_TABLE, /* boxes; on a terminal cut to its width, with a line of counts below */
    OUTPUT_CSV,   /* RFC 4180 with names; null is nothing, an empty string is "" */
    OUTPUT_TSV,   /* names, then cells with \t \n \r \\ escaped; null is \N */
    OUTPUT_JSON,  /* an array of objects a statement, values typed */
    OUTPUT_JSONL, /* {"statement":1,"schema":"struct<a:int>","rows":[["1"]],"timeMs":0.8} a line; cells are texts or null */
};

/* "table", "csv", "tsv", "json", "jsonl"; false for another name. */
bool output_format_parse(const char *name, enum output_format *ret);

struct printer_options {
    enum output_format format;
    uint32_t terminal_width; /* columns to fit a table into; 0: no terminal, cells are never cut */
    bool counts;             /* TABLE: "3 rows (1.2 ms)" after each */
    const struct zone *zone; /* timestamps are shown in it; NULL: UTC */
    /* Takes all bytes or returns non-zero, after which the printer drops what comes and printer_failed is true. */
    int (*write)(void *ctx, const char *data, size_t bytes);
    void *ctx;
};

struct printer;

struct printer *printer_new(const struct printer_options *options);
void printer_free(struct printer *p); /* flushes; accepts NULL */
/* Between statements: the zone of timestamps, and the terminal's width when it has one. */
void printer_set_zone(struct printer *p, const struct zone *zone);
void printer_set_width(struct printer *p, uint32_t columns);
/* A statement's result starts; sch is copied. A statement without a result has no columns. */
void printer_begin(struct printer *p, const struct schema *sch);
/* Borrows b, whose columns have the schema's types. */
void printer_rows(struct printer *p, const struct batch *b);
/* The statement is done after ms milliseconds; flushed. printer_begin may be left out for one without a result. */
void printer_end(struct printer *p, double ms);
/*
 * The statement failed, before or within its rows; flushed. JSONL has the error within its line; for the others true is
 * returned: the caller writes error_format_caret to standard error.
 */
bool printer_error(struct printer *p, const struct error *err, const char *sql);
void printer_flush(struct printer *p); /* what stands as text so far, also the head of an open table */
uint64_t printer_row_count(const struct printer *p); /* of the open or last statement */
bool printer_failed(const struct printer *p);

/* Columns that UTF-8 text takes on a terminal: wide characters two, combining ones none. */
uint32_t text_width(const char *s, size_t bytes);
/* Of the terminal fd, 0 when it is none. */
uint32_t terminal_width(int fd);
