/*
 * The log: one line per event on standard error, "2026-01-02T03:04:05.678Z warn rpc text". Warnings end with
 * what was done about it. Library code logs at debug only. Thread: any; a line is one write.
 */
#pragma once

#include "common/base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret);
void log_line(enum log_level level, const char *area, const char *fmt, ...) PRINTF_LIKE(3, 4);
extern enum log_level log_level_now;

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if (UNLIKELY((level) >= log_level_now))                                                    \
            log_line(level, __VA_ARGS__);                                                          \
    } while (0)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
