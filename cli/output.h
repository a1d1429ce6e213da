/*
 * Printers of results: --format table, csv, json, jsonl, tsv. One object a statement; rows stream, except that a table
 * looks at its first rows to size its columns. Thread: the client's.
 */
#pragma once

#include <stdio.h>

#include "common/col/builder.h"
#include "common/error/error.h"

enum output_format { OUTPUT_TABLE, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_TSV };
bool output_format_parse(const char *name, enum output_format *ret);

struct output;
struct output *output_new(enum output_format format, FILE *to, uint64_t statement, const struct zone *zone);
void output_schema(struct output *o, const struct type *row);
void output_rows(struct output *o, const struct sealed *rows);
void output_end(struct output *o, double ms);                                     /* frees */
void output_fail(struct output *o, const struct error *err, const char *sql);    /* frees; the document of a failure (jsonl only) */
