/* See log.h. */
#include "common/log/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum log_level log_level_now = LOG_WARN;
static const char *const names[] = {"debug", "info", "warn", "error", "off"};

void log_set_level(enum log_level level)
{
    log_level_now = level;
}

bool log_level_parse(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_nocase(name, names[i])) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    int64_t us = clock_wall_us();
    time_t t = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    char when[32];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_addf(&b, "%s.%03dZ %-5s %s: ", when, (int)(us / 1000 % 1000), names[level], area);
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    buf_addc(&b, '\n');
    ssize_t n = write(STDERR_FILENO, b.data, b.bytes);
    (void)n; /* nobody to tell */
    buf_fini(&b);
}
