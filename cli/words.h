/*
 * What the shell completes: keywords, functions, tables, columns and, inside quotes, files. Names are asked from the driver
 * when Tab is pressed and something may have changed since. Thread: one.
 */
#pragma once

#include "cli/client.h"
#include "cli/edit.h"

struct words;

struct words *words_new(struct client *c);
void words_free(struct words *w); /* accepts NULL */
void words_forget(struct words *w); /* a statement ran: tables may be others now */
/* before: what was typed in earlier lines of the statement. */
void words_complete(struct words *w, const char *before, const char *line, size_t cursor, struct edit_completion *ret);
