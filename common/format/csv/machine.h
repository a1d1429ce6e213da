/*
 * The character machine of CSV: what cannot be told by looking for separators. It follows the state changes of the
 * parser that Spark uses (univocity, unescapedQuoteHandling STOP_AT_DELIMITER), so that odd quotes mean the same here.
 * A machine lives on the stack for one record. Thread: any.
 */
#pragma once

#include "common/format/csv/token.h"

/* What ends a value, and what next gives besides bytes. */
enum { CSV_END = -1, CSV_MORE = -2, CSV_NL = -3, CSV_SEP = -4 };

struct csv_machine {
    const struct csv_options *o;
    const char *p, *end; /* what is left */
    const char *at;      /* where the last thing taken began */
    bool eof;            /* the text ends at `end`; else there is more to come */
    bool multi, crlf, cr;
};

/* After an opening quote: a quoted value without escapes that ends before a separator or line end lies there as it
 * is. False: nothing was taken. */
bool csv_machine_plain_quoted(struct csv_machine *m, const char **ret_p, size_t *ret_bytes, int *ret_stop);
/* After an opening quote: the value is appended to out; returns what ended it. */
int csv_machine_quoted(struct csv_machine *m, struct buf *out);
/* Skips to the end of an unquoted value, m->at being behind its last byte. */
int csv_machine_plain(struct csv_machine *m);
/* Takes the first character of a value, after blanks when they are ignored: a byte (m->at is its place), or CSV_*. */
int csv_machine_skip(struct csv_machine *m);
int csv_machine_comment(struct csv_machine *m); /* skips the line */
