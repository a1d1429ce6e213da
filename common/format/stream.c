/* Codecs of text files by name; see stream.h. */
#include "common/format/stream.h"

static const struct codec_row {
    enum stream_codec codec;
    const char *extension, *names[2];
} codecs[STREAM_CODEC_COUNT] = {
    {STREAM_PLAIN, "", {"none", "uncompressed"}},
    {STREAM_GZIP, ".gz", {"gzip", NULL}},
    {STREAM_DEFLATE, ".deflate", {"deflate", NULL}},
    {STREAM_ZSTD, ".zst", {"zstd", NULL}},
};

int stream_codec_of_path(const char *path, enum stream_codec *ret, struct error *err)
{
    static const char *const foreign[] = {".bz2", ".lz4", ".snappy", ".xz", ".lzo", ".br", ".zip"};
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        if (str_has_suffix(path, foreign[i]))
            return error_set(err, ERR_FILE_READ, "path", path, "message",
                             "files of this compression cannot be read; use .gz, .zst or .deflate", NULL);
    *ret = STREAM_PLAIN;
    for (size_t i = 1; i < ARRAY_LEN(codecs); i++)
        if (str_has_suffix(path, codecs[i].extension))
            *ret = codecs[i].codec;
    return 0;
}

int stream_codec_of_options(const struct options *o, const char *format, enum stream_codec *ret, struct error *err)
{
    const char *v = options_get(o, "compression");
    if (!v)
        v = options_get(o, "codec");
    if (!v)
        v = "none";
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        for (int k = 0; k < 2; k++)
            if (codecs[i].names[k] && str_eq_nocase(v, codecs[i].names[k])) {
                *ret = codecs[i].codec;
                return 0;
            }
    error_setf(err, ERR_OPTION, "message", "%s is not a compression that can be written: none, gzip, zstd or deflate", v);
    error_add_param(err, "option", "compression");
    error_add_param(err, "format", format);
    return (int)err->code;
}

const char *stream_codec_extension(enum stream_codec codec)
{
    return codecs[codec].extension;
}
