/* UTF-8: code points in and out of bytes that are taken for valid. Thread: any. */
#pragma once

#include "common/base/base.h"

static inline uint32_t utf8_bytes(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static inline bool utf8_is_ascii(const char *p, size_t n)
{
    unsigned char any = 0;
    for (size_t i = 0; i < n; i++)
        any |= (unsigned char)p[i];
    return any < 0x80;
}

static inline uint32_t utf8_count(const char *p, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

/* The code point at p (n > 0 bytes left) and its length; damaged bytes stand for themselves. */
static inline uint32_t utf8_decode(const char *p, size_t n, uint32_t *ret_bytes)
{
    const unsigned char *s = (const unsigned char *)p;
    uint32_t len = utf8_bytes(s[0]);
    if (len == 1 || len > n) {
        *ret_bytes = 1;
        return s[0];
    }
    uint32_t c = s[0] & (0xffu >> (len + 1));
    for (uint32_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3f);
    *ret_bytes = len;
    return c;
}

/* Writes the code point, returns its bytes (at most 4). */
static inline uint32_t utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}
