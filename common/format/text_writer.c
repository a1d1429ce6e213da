/* Lines become a file; see text_writer.h. */
#include "common/format/text_writer.h"

enum { FLUSH_BYTES = 64 << 10 };

void *text_writer_new(size_t bytes, const struct schema *sch)
{
    struct writer *w = xcalloc(1, bytes);
    arena_init(&w->arena);
    w->col_count = sch->count;
    return w;
}

int text_writer_open(struct writer *w, const struct text_options *t, const char *path, struct account *account,
                     struct error *err)
{
    enum stream_codec codec;
    TRY(stream_codec_of_options(t->all, t->format, &codec, err));
    w->line_sep = t->line_sep ? t->line_sep : "\n";
    w->line_sep_bytes = (uint32_t)strlen(w->line_sep);
    return byte_sink_create(path, codec, account, &w->sink, err);
}

static int flush(struct writer *w, struct error *err)
{
    int rc = byte_sink_write(w->sink, w->text.data, w->text.bytes, err);
    buf_reset(&w->text);
    return rc;
}

int text_writer_rows(struct writer *w, const struct batch *b, text_row_cb put_row, struct error *err)
{
    ASSERT(b->col_count == w->col_count);
    for (uint32_t k = 0; k < b->sel_count; k++) {
        put_row(w, b, b->sel ? b->sel[k] : k);
        if (w->text.bytes >= FLUSH_BYTES)
            TRY(flush(w, err));
    }
    w->rows += b->sel_count;
    return 0;
}

static void writer_free(struct writer *w)
{
    buf_fini(&w->text);
    buf_fini(&w->cell);
    arena_fini(&w->arena);
    xfree(w);
}

int text_writer_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err)
{
    int rc = w->text.bytes ? flush(w, err) : 0;
    if (rc == 0)
        rc = byte_sink_finish(w->sink, ret_bytes, err);
    else
        byte_sink_discard(w->sink);
    if (rc == 0)
        *ret_rows = w->rows;
    writer_free(w);
    return rc;
}

void text_writer_discard(struct writer *w)
{
    if (!w)
        return;
    byte_sink_discard(w->sink);
    writer_free(w);
}

const char *text_writer_extension(const struct options *o, const char *format, const char *const *names)
{
    enum stream_codec codec;
    struct error err = ERROR_INIT;
    if (stream_codec_of_options(o, format, &codec, &err) != 0) { /* create says so */
        error_fini(&err);
        return names[STREAM_PLAIN];
    }
    return names[codec];
}
