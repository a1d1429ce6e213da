/*
 * Values from text, as Spark's casts read them: surrounding white space is cut, what is left must be a value
 * whole. Each returns false when it is none. Used by casts and by the readers of text formats. Thread: any.
 */
#pragma once

#include "common/col/type.h"

struct zone;
bool parse_i64(const char *p, size_t bytes, int64_t *ret);
bool parse_f64(const char *p, size_t bytes, double *ret);
/* Rounds half up. NUMBER_DIGITS: more than 38 of them before the point, which no decimal holds. */
enum number { NUMBER_OK, NUMBER_NONE, NUMBER_RANGE, NUMBER_DIGITS };
enum number parse_number(const char *p, size_t bytes, const struct type *t, int128_t *ret);
bool parse_decimal(const char *p, size_t bytes, const struct type *t, int128_t *ret); /* the same, all or nothing */
bool parse_bool(const char *p, size_t bytes, bool *ret);
bool parse_date(const char *p, size_t bytes, int32_t *ret);
/* "[T]hh:mm[:ss[.ffffff]]": microseconds of the day. */
bool parse_time_of_day(const char *p, size_t bytes, int64_t *ret_us);
/* with_zone: a zone in the text counts, zone is the default; else (NTZ) the text's zone is ignored. */
bool parse_timestamp(const char *p, size_t bytes, bool with_zone, const struct zone *zone, int64_t *ret_us);
/* The text inside an interval literal of type t ("1-2", "3 04:05:06.7", "-5"), or the whole literal
 * ("INTERVAL '1-2' YEAR TO MONTH"): months or microseconds. */
bool parse_interval(const char *p, size_t bytes, const struct type *t, int64_t *ret);
