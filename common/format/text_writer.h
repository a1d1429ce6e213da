/*
 * What the writers of CSV, JSON and text files share: lines on their way to a sink, how many there are, and how a file
 * ends. This is the `struct writer` of these formats; one that needs more embeds it as its first member. A writer
 * belongs to one thread.
 */
#pragma once

#include "common/format/stream.h"
#include "common/format/text_options.h"

struct writer {
    struct arena arena;     /* of what lives as long as the writer */
    struct byte_sink *sink; /* NULL before text_writer_open */
    struct buf text;        /* whole lines that wait */
    struct buf cell;        /* a value before it is quoted */
    const char *line_sep;
    uint32_t line_sep_bytes;
    uint32_t col_count;
    uint64_t rows;
};

/* A zeroed writer of this size with an arena. To be opened, or else discarded. */
void *text_writer_new(size_t bytes, const struct schema *sch);
/* Creates the file as the options say, which live in the writer's arena. ERR_OPTION, ERR_FILE_WRITE, ERR_TASK_MEMORY. */
WARN_UNUSED int text_writer_open(struct writer *w, const struct text_options *t, const char *path, struct account *account,
                                 struct error *err);
/* Adds one row to w->text, with the end of its line. */
typedef void (*text_row_cb)(struct writer *w, const struct batch *b, uint32_t row);
WARN_UNUSED int text_writer_rows(struct writer *w, const struct batch *b, text_row_cb put_row, struct error *err);

/* For the format's row, see provider.h. */
int text_writer_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err);
void text_writer_discard(struct writer *w);
/* Which of names, STREAM_EXTENSIONS of the format, the options ask for. */
const char *text_writer_extension(const struct options *o, const char *format, const char *const *names);
