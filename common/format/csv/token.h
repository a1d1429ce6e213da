/*
 * CSV records as fields: where each one lies, or what stands in its place. Two ways to one result: lines without
 * quotes are cut by vector compares, fields with quotes by a machine that follows the parser Spark uses through all
 * its odd corners (unescaped quotes, text after a closing quote, an escaped escape). One thread.
 */
#pragma once

#include "common/format/csv/csv.h"
#include "common/format/window.h"

struct csv_field {
    const char *p;  /* NULL: null (nothing between the separators, or the record has no such field) */
    uint32_t bytes;
};

/* Apart by more than a power of two, or the fields of a record would share few lines of the cache. */
enum { CSV_STRIDE = BATCH_ROWS + 20, CSV_VALUE_PAD = 16 /* readable bytes behind any field */ };

struct csv_tokens {
    const struct csv_options *o;
    /* Which fields of a record are wanted: slots[k] is the column that field k fills, or UINT32_MAX. */
    uint32_t *slots, slot_count, slot_last; /* fields from slot_last on are not wanted */
    bool count_fields;                      /* a wrong count makes a record bad: all fields are walked */
    uint32_t expected;
    /* The batch: columns of BATCH_ROWS fields, and each record's own text. */
    uint32_t rows;
    struct csv_field *fields; /* [column * CSV_STRIDE + row] */
    struct csv_field **to;    /* [field]: where its column begins in fields, or NULL; slot_last of them */
    bool not_ascii;           /* some byte of the batch may have its high bit set */
    struct csv_field *records;
    uint8_t *bad;
    bool keep_records;
    struct arena *arena;      /* for values that are not as they lie in the file; reset by the owner */
    struct buf scratch;
    bool plain;               /* set by csv_take: cut_plain may begin a line */
    bool crlf, cr;            /* multiLine: what ends a line besides \n */
    uint32_t last_count;      /* fields of the last record: for headers */
    struct csv_field *all;    /* of the last record, up to all_cap: when wanted */
    uint32_t all_cap;
};

/*
 * Takes records from the window until rows_max of them are there or the window has no whole one left (then, if there
 * are none at all, it is filled). rows 0: the split has ended. ERR_MALFORMED_CSV for a record over the limits.
 */
WARN_UNUSED int csv_take(struct csv_tokens *t, struct text_window *w, uint32_t rows_max, struct error *err);
/* Cuts one record out of a line, all fields into t->all (values live in the arena or the line). */
WARN_UNUSED int csv_take_line(struct csv_tokens *t, const char *p, size_t bytes, struct error *err);
/* multiLine: finds out what ends the lines of this file, by its first line end. */
void csv_detect_line_end(struct csv_tokens *t, const struct text_window *w);
/* Whether a line holds no record: blank or a comment. */
bool csv_skips_line(const struct csv_options *o, const char *p, size_t bytes);
