/* Codecs of text files by name; see stream.h. */
#include "common/format/stream.h"

static const char *const extensions[STREAM_CODEC_COUNT] = STREAM_EXTENSIONS("");
static const char *const names[STREAM_CODEC_COUNT][2] = {
    [STREAM_PLAIN] = {"none", "uncompressed"}, [STREAM_GZIP] = {"gzip"}, [STREAM_DEFLATE] = {"deflate"}, [STREAM_ZSTD] = {"zstd"},
};

int stream_codec_of_path(const char *path, enum stream_codec *ret, struct error *err)
{
    static const char *const foreign[] = {".bz2", ".lz4", ".snappy", ".xz", ".lzo", ".br", ".zip"};
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        if (str_has_suffix(path, foreign[i]))
            return error_set(err, ERR_FILE_READ, "path", path, "message",
                             "files of this compression cannot be read; use .gz, .zst or .deflate", NULL);
    *ret = STREAM_PLAIN;
    for (size_t i = 1; i < ARRAY_LEN(extensions); i++)
        if (str_has_suffix(path, extensions[i]))
            *ret = (enum stream_codec)i;
    return 0;
}

int stream_codec_of_options(const struct options *o, const char *format, enum stream_codec *ret, struct error *err)
{
    const char *v = options_get(o, "compression");
    if (!v)
        v = options_get(o, "codec");
    if (!v)
        v = "none";
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (int k = 0; k < 2; k++)
            if (names[i][k] && str_eq_nocase(v, names[i][k])) {
                *ret = (enum stream_codec)i;
                return 0;
            }
    error_setf(err, ERR_OPTION, "message", "%s is not a compression that can be written: none, gzip, zstd or deflate", v);
    error_add_param(err, "option", "compression");
    error_add_param(err, "format", format);
    return (int)err->code;
}
