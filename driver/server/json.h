/* A writer of JSON: commas are its business, nesting the caller's. Appends to a buf. Thread: any. */
#pragma once

#include <time.h>

#include "common/base/base.h"

struct json {
    struct buf *out;
    bool comma; /* a value stands before: the next one needs a comma */
};

static inline void json_key(struct json *j, const char *key)
{
    if (j->comma)
        buf_addc(j->out, ',');
    j->comma = false;
    if (key) {
        buf_addc(j->out, '"');
        buf_adds(j->out, key);
        buf_adds(j->out, "\":");
    }
}

/* key NULL: an element of an array. open: '{' or '['. */
static inline void json_open(struct json *j, const char *key, char open)
{
    json_key(j, key);
    buf_addc(j->out, open);
}

static inline void json_close(struct json *j, char close)
{
    buf_addc(j->out, close);
    j->comma = true;
}

static inline void json_u64(struct json *j, const char *key, uint64_t v)
{
    char digits[24], *p = digits + sizeof digits;
    json_key(j, key);
    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    buf_add(j->out, p, (size_t)(digits + sizeof digits - p));
    j->comma = true;
}

static inline void json_i64(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    buf_addf(j->out, "%lld", (long long)v);
    j->comma = true;
}

static inline void json_double(struct json *j, const char *key, double v)
{
    json_key(j, key);
    buf_addf(j->out, "%.17g", v);
    j->comma = true;
}

static inline void json_text(struct json *j, const char *key, const char *v)
{
    json_key(j, key);
    buf_add_json(j->out, v, strlen(v));
    j->comma = true;
}

static inline void json_bool(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    buf_adds(j->out, v ? "true" : "false");
    j->comma = true;
}

/* JSON text as it stands: a value, or with key NULL and members "a":1,"b":2 a part of an object. */
static inline void json_raw(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    buf_adds(j->out, text);
    j->comma = true;
}

/* As Spark writes it: 2026-01-02T03:04:05.678GMT. */
static inline void json_wall(struct json *j, const char *key, int64_t wall_us)
{
    time_t t = (time_t)(wall_us / 1000000);
    struct tm tm;
    char text[40];
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    json_key(j, key);
    buf_addf(j->out, "\"%s.%03dGMT\"", text, (int)(wall_us / 1000 % 1000));
    j->comma = true;
}

/* A moment of the monotonic clock; 0: left out. */
static inline void json_time(struct json *j, const char *key, int64_t mono_us)
{
    if (mono_us)
        json_wall(j, key, clock_wall_us() - (clock_mono_us() - mono_us));
}
