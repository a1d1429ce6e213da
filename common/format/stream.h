/*
 * Bytes of text files, in and out: plain, gzip, zstd or deflate, told by the file's extension when reading and by the
 * option `compression` when writing. Memory is charged to the account and does not grow with the file. A stream
 * belongs to one thread.
 */
#pragma once

#include "common/format/provider.h"

enum stream_codec { STREAM_PLAIN, STREAM_GZIP, STREAM_DEFLATE, STREAM_ZSTD, STREAM_CODEC_COUNT };
/* How names of files end, by codec; stem is a literal like ".csv". */
#define STREAM_EXTENSIONS(stem) {stem, stem ".gz", stem ".deflate", stem ".zst"}

/* By the extension of path; ERR_FILE_READ for one that stands for a compression we do not read. */
WARN_UNUSED int stream_codec_of_path(const char *path, enum stream_codec *ret, struct error *err);
/* The option `compression` (or `codec`) of a table to write; ERR_OPTION for one we do not write. */
WARN_UNUSED int stream_codec_of_options(const struct options *o, const char *format, enum stream_codec *ret,
                                        struct error *err);

/* ---- in ---- */
struct byte_source;
/* Opens path at byte `start` (0 unless plain). ERR_FILE_READ, ERR_TASK_MEMORY. */
WARN_UNUSED int byte_source_open(const char *path, uint64_t start, struct account *account, struct byte_source **ret,
                                 struct error *err);
/* Up to bytes of the content into p; *ret_bytes is 0 only at the end. ERR_FILE_DAMAGED with the offset in the file. */
WARN_UNUSED int byte_source_read(struct byte_source *s, void *p, size_t bytes, size_t *ret_bytes, struct error *err);
uint64_t byte_source_consumed(const struct byte_source *s); /* bytes of the file read so far */
void byte_source_close(struct byte_source *s);              /* accepts NULL */

/* ---- out ---- */
struct byte_sink;
/* Creates (or empties) the file. ERR_FILE_WRITE, ERR_TASK_MEMORY. */
WARN_UNUSED int byte_sink_create(const char *path, enum stream_codec codec, struct account *account,
                                 struct byte_sink **ret, struct error *err);
WARN_UNUSED int byte_sink_write(struct byte_sink *s, const void *p, size_t bytes, struct error *err);
/* Ends the stream and closes; bytes of the file out. Frees the sink whatever comes back. */
WARN_UNUSED int byte_sink_finish(struct byte_sink *s, uint64_t *ret_bytes, struct error *err);
void byte_sink_discard(struct byte_sink *s); /* closes and frees; the file stays as it is. Accepts NULL */
