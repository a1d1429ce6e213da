/*
 * Partition folders: key=value, escaped as Spark and Hive do it. A null or an empty text is the folder
 * __HIVE_DEFAULT_PARTITION__. Thread: any.
 */
#pragma once

#include "common/col/column.h"

#define PARTITION_NULL "__HIVE_DEFAULT_PARTITION__"

void partition_escape(const char *p, size_t bytes, struct buf *out); /* appended */
char *partition_unescape(struct arena *ar, const char *p, size_t bytes);
/* Appends "name=value" of a row. */
void partition_folder(const char *name, const struct column *col, uint32_t row, const struct zone *zone, struct buf *out);
