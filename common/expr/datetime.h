/*
 * Patterns of dates and times as Spark 3 and later have them ("yyyy-MM-dd HH:mm:ss[.SSS]XXX"), compiled once
 * and used for many values: by functions, and by the readers and writers of text formats. English names of
 * months and days, case ignored when reading. What a text does not say is 1970-01-01 00:00:00.
 * A compiled pattern is immutable. Thread: any.
 */
#pragma once

#include "common/error/error.h"

struct zone;
struct datetime_pattern;

/* One of ERR_DATETIME_PATTERN* when the pattern has what means nothing. */
WARN_UNUSED int datetime_pattern_new(const char *p, size_t bytes, struct datetime_pattern **ret, struct error *err);
void datetime_pattern_free(struct datetime_pattern *p); /* accepts NULL */
/* The same errors when it has what can only be written: days of the week, quarters. To be asked before texts are read. */
WARN_UNUSED int datetime_pattern_reads(const struct datetime_pattern *p, struct error *err);
bool datetime_pattern_is(const struct datetime_pattern *p, const char *text, size_t bytes);

/* Each false when the whole text does not follow the pattern or is no date; *ret_at: how many bytes were understood. */
bool datetime_parse_date(const struct datetime_pattern *p, const char *s, size_t bytes, int32_t *ret_days, size_t *ret_at);
/* zone holds unless the text has one. */
bool datetime_parse_timestamp(const struct datetime_pattern *p, const char *s, size_t bytes, const struct zone *zone,
                              int64_t *ret_us, size_t *ret_at);
bool datetime_parse_ntz(const struct datetime_pattern *p, const char *s, size_t bytes, int64_t *ret_us, size_t *ret_at);

/* Appends. offset_us and zone_name: of the zone that local_us is in, for patterns that show them. */
void datetime_format(const struct datetime_pattern *p, int64_t local_us, int64_t offset_us, const char *zone_name,
                     struct buf *out);
