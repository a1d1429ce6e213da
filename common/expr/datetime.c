/* See datetime.h. A pattern is a row of items: letters with their count, literal text, and optional sections. */
#include "common/expr/datetime.h"

#include <ctype.h>
#include <strings.h>

#include "common/col/column.h"
#include "common/expr/fn.h"
#include "common/expr/zone.h"

struct item {
    char letter;      /* 0: literal text; '[' and ']': an optional section */
    uint8_t count;    /* of the letter */
    uint8_t reserve;  /* digits that the numbers right after this one take: adjacent values are cut apart so */
    bool fixed;       /* a number of exactly count digits */
    uint32_t at, bytes; /* literal: in text */
    uint32_t close;   /* '[': the item of its ']' */
};

struct datetime_pattern {
    char *source;
    size_t source_bytes;
    char *text;
    struct item *items;
    uint32_t count, cap;
    bool era; /* has a letter for it: years count from 1 then */
};

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days_of_week[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/*
 * What Spark refuses although its formatter knows it, in its order; `letters` without a count, `letter` so many times
 * in a row. Such parts of a pattern were understood otherwise before Spark 3, or would be read wrongly.
 */
static const struct refusal {
    const char *letters;
    uint8_t count;
    bool reading; /* only where texts are read */
    enum errcode code;
} refusals[] = {{"YWwuec", 1, false, ERR_DATETIME_PATTERN_WEEK},
                {"ABnNp", 1, false, ERR_DATETIME_PATTERN_LETTER},
                {"EFqQ", 1, true, ERR_DATETIME_PATTERN_LETTER},
                {"GMLEQq", 5, false, ERR_DATETIME_PATTERN_LENGTH},
                {"y", 7, false, ERR_DATETIME_PATTERN_LENGTH}};

/* Whether the formatter that Spark 2 had takes the pattern: then the error says that its meaning changed. */
static bool known_before(const char *p, size_t n)
{
    bool quoted = false;
    for (size_t i = 0, run = 0; i < n; i++) {
        run = i > 0 && p[i] == p[i - 1] ? run + 1 : 1;
        if (p[i] == '\'')
            quoted = !quoted;
        else if (!quoted && isalpha((unsigned char)p[i]) && (!strchr("GyMLdkHmsSEDFwWahKzZYuX", p[i]) || (p[i] == 'X' && run > 3)))
            return false;
    }
    return !quoted;
}

/* Raises what is wrong with the pattern: *r, at its first letter there, or that no formatter knows it (r NULL). */
static int refuse(const char *p, size_t n, const struct refusal *r, char letter, struct error *err)
{
    struct buf quoted = BUF_INIT;
    text_quoted(p, n, &quoted);
    char *plain = xstrndup(p, n), one[2] = {letter, 0};
    const char *config = "\"spark.sql.legacy.timeParserPolicy\"";
    int rc;
    if (known_before(p, n))
        rc = error_set(err, ERR_DATETIME_PATTERN_UNKNOWN, "pattern", quoted.data, "config", config, NULL);
    else if (!r)
        rc = error_set(err, ERR_DATETIME_PATTERN, "pattern", quoted.data, NULL);
    else if (r->code == ERR_DATETIME_PATTERN_WEEK)
        rc = error_set(err, r->code, "c", one, NULL);
    else if (r->code == ERR_DATETIME_PATTERN_LETTER)
        rc = error_set(err, r->code, "c", one, "pattern", plain, NULL);
    else
        rc = error_set(err, r->code, "pattern", plain, NULL);
    xfree(plain);
    buf_fini(&quoted);
    return rc;
}

/* The first refusal that the letters outside of quotes meet, each part between quotes for itself. */
static const struct refusal *find_refusal(const char *p, size_t n, bool reading, char *ret_letter)
{
    for (size_t from = 0, part = 0; from <= n; part++) {
        const char *quote = memchr(p + from, '\'', n - from);
        size_t stop = quote ? (size_t)(quote - p) : n;
        for (size_t i = 0; part % 2 == 0 && i < ARRAY_LEN(refusals); i++) {
            const struct refusal *r = &refusals[i];
            for (size_t at = from, run = 0; at < stop && (reading || !r->reading); at++) {
                run = at > from && p[at] == p[at - 1] ? run + 1 : 1;
                if (run >= r->count && strchr(r->letters, p[at])) {
                    *ret_letter = p[at];
                    return r;
                }
            }
        }
        from = stop + 1;
    }
    return NULL;
}

/* The most letters in a row that mean something; 0: the letter means nothing. */
static int longest(char letter)
{
    switch (letter) {
    case 'G': return 4;
    case 'y': return 6;
    case 'M':
    case 'L':
    case 'E': return 4;
    case 'd': return 2;
    case 'D': return 3;
    case 'g': return 19;
    case 'Q':
    case 'q': return 4;
    case 'F': return 1;
    case 'a': return 1;
    case 'h':
    case 'K':
    case 'k':
    case 'H':
    case 'm':
    case 's': return 2;
    case 'S': return 9;
    case 'V': return 2;
    case 'z': return 4;
    case 'O': return 4;
    case 'X':
    case 'x':
    case 'Z': return 5;
    default: return 0;
    }
}

static bool is_number(const struct item *it)
{
    if (strchr("yDdhKkHmsg", it->letter) && it->letter)
        return true;
    return (it->letter == 'M' || it->letter == 'L') && it->count <= 2;
}

/* What a number right after others takes from the digits that the first of them sees. */
static void set_reserves(struct datetime_pattern *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        struct item *it = &p->items[i];
        if (!is_number(it))
            continue;
        it->fixed = it->count >= 2 && !(it->letter == 'y' && it->count != 2) && it->letter != 'D' && it->letter != 'g';
        if (it->letter == 'D')
            it->fixed = it->count == 3;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        if (!is_number(&p->items[i]) || p->items[i].fixed)
            continue;
        for (uint32_t j = i + 1; j < p->count; j++) {
            const struct item *next = &p->items[j];
            if (next->letter == 'S')
                p->items[i].reserve = (uint8_t)(p->items[i].reserve + next->count);
            if (!is_number(next) || !next->fixed)
                break;
            p->items[i].reserve = (uint8_t)(p->items[i].reserve + next->count);
        }
    }
}

int datetime_pattern_new(const char *s, size_t n, struct datetime_pattern **ret, struct error *err)
{
    char letter = 0;
    const struct refusal *refusal = find_refusal(s, n, false, &letter);
    if (refusal)
        return refuse(s, n, refusal, letter, err);
    struct datetime_pattern *p = xcalloc(1, sizeof *p);
    p->source = xstrndup(s, n);
    p->source_bytes = n;
    p->text = xcalloc(n + 1, 1);
    uint32_t used = 0, open[16], depth = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < n;) {
        struct item it = {.at = used};
        char c = s[i];
        if (isalpha((unsigned char)c)) {
            size_t j = i;
            while (j < n && s[j] == c)
                j++;
            ok = (int)(j - i) <= longest(c) && !(c == 'V' && j - i != 2) && !(c == 'O' && j - i != 1 && j - i != 4);
            it.letter = c;
            p->era |= c == 'G';
            it.count = (uint8_t)(j - i);
            i = j;
        } else if (c == '[' || c == ']') {
            it.letter = c;
            if (c == '[') {
                ok = depth < ARRAY_LEN(open);
                if (ok)
                    open[depth++] = p->count;
            } else {
                ok = depth > 0;
                if (ok)
                    p->items[open[--depth]].close = p->count;
            }
            i++;
        } else if (c == '\'') {
            if (i + 1 < n && s[i + 1] == '\'') {
                p->text[used++] = '\'';
                i += 2;
            } else {
                for (i++; i < n; i++) {
                    if (s[i] == '\'' && !(i + 1 < n && s[i + 1] == '\''))
                        break;
                    if (s[i] == '\'')
                        i++;
                    p->text[used++] = s[i];
                }
                ok = i < n; /* the quote is closed */
                i++;
            }
            it.bytes = used - it.at;
        } else {
            ok = c != '{' && c != '}' && c != '#';
            p->text[used++] = c;
            it.bytes = 1;
            i++;
        }
        ARRAY_GROW(p->items, p->count, p->cap);
        p->items[p->count++] = it;
    }
    while (depth > 0) /* sections end with the pattern */
        p->items[open[--depth]].close = p->count;
    if (!ok) {
        int rc = refuse(s, n, NULL, 0, err);
        datetime_pattern_free(p);
        return rc;
    }
    set_reserves(p);
    *ret = p;
    return 0;
}

void datetime_pattern_free(struct datetime_pattern *p)
{
    if (!p)
        return;
    xfree(p->source);
    xfree(p->text);
    xfree(p->items);
    xfree(p);
}

int datetime_pattern_reads(const struct datetime_pattern *p, struct error *err)
{
    char letter = 0;
    const struct refusal *refusal = find_refusal(p->source, p->source_bytes, true, &letter);
    return refusal ? refuse(p->source, p->source_bytes, refusal, letter, err) : 0;
}

bool datetime_pattern_is(const struct datetime_pattern *p, const char *text, size_t n)
{
    return p->source_bytes == n && memcmp(p->source, text, n) == 0;
}

/* ---- reading ---- */

/* Names of the time in a zone, which abbreviations alone do not tell apart; id: the zone that a text with them means. */
static const struct zone_name {
    const char *abbreviation;
    int16_t minutes; /* east of UTC */
    const char *name, *id;
} zone_names[] = {{"UTC", 0, "Coordinated Universal Time", "UTC"},
                  {"GMT", 0, "Greenwich Mean Time", "UTC"},
                  {"PST", -480, "Pacific Standard Time", "America/Los_Angeles"},
                  {"PDT", -420, "Pacific Daylight Time", "America/Los_Angeles"},
                  {"MST", -420, "Mountain Standard Time", "America/Denver"},
                  {"MDT", -360, "Mountain Daylight Time", "America/Denver"},
                  {"CST", -360, "Central Standard Time", "America/Chicago"},
                  {"CDT", -300, "Central Daylight Time", "America/Chicago"},
                  {"EST", -300, "Eastern Standard Time", "America/New_York"},
                  {"EDT", -240, "Eastern Daylight Time", "America/New_York"},
                  {"AST", -240, "Atlantic Standard Time", "America/Halifax"},
                  {"ADT", -180, "Atlantic Daylight Time", "America/Halifax"},
                  {"NST", -210, "Newfoundland Standard Time", "America/St_Johns"},
                  {"NDT", -150, "Newfoundland Daylight Time", "America/St_Johns"},
                  {"AKST", -540, "Alaska Standard Time", "America/Anchorage"},
                  {"AKDT", -480, "Alaska Daylight Time", "America/Anchorage"},
                  {"HST", -600, "Hawaii-Aleutian Standard Time", "Pacific/Honolulu"},
                  {"BST", 60, "British Summer Time", "Europe/London"},
                  {"WET", 0, "Western European Standard Time", "Europe/Lisbon"},
                  {"WEST", 60, "Western European Summer Time", "Europe/Lisbon"},
                  {"CET", 60, "Central European Standard Time", "Europe/Paris"},
                  {"CEST", 120, "Central European Summer Time", "Europe/Paris"},
                  {"EET", 120, "Eastern European Standard Time", "Europe/Bucharest"},
                  {"EEST", 180, "Eastern European Summer Time", "Europe/Bucharest"},
                  {"MSK", 180, "Moscow Standard Time", "Europe/Moscow"},
                  {"SAST", 120, "South Africa Standard Time", "Africa/Johannesburg"},
                  {"IST", 330, "India Standard Time", "Asia/Kolkata"},
                  {"HKT", 480, "Hong Kong Standard Time", "Asia/Hong_Kong"},
                  {"CST", 480, "China Standard Time", "Asia/Shanghai"},
                  {"JST", 540, "Japan Standard Time", "Asia/Tokyo"},
                  {"KST", 540, "Korean Standard Time", "Asia/Seoul"},
                  {"AWST", 480, "Australian Western Standard Time", "Australia/Perth"},
                  {"ACST", 570, "Australian Central Standard Time", "Australia/Darwin"},
                  {"ACDT", 630, "Australian Central Daylight Time", "Australia/Adelaide"},
                  {"AEST", 600, "Australian Eastern Standard Time", "Australia/Sydney"},
                  {"AEDT", 660, "Australian Eastern Daylight Time", "Australia/Sydney"},
                  {"NZST", 720, "New Zealand Standard Time", "Pacific/Auckland"},
                  {"NZDT", 780, "New Zealand Daylight Time", "Pacific/Auckland"}};

struct fields {
    int64_t year;
    int month, day, day_of_year, hour, minute, second, half; /* -1: not said */
    int hour12, hour24, micros;
    bool bc, has_year, has_zone;
    const struct zone *zone;
};

static bool read_number(const struct item *it, const char **p, const char *end, int64_t *ret)
{
    const char *s = *p;
    bool negative = false;
    if (!it->fixed && s < end && (*s == '-' || (*s == '+' && it->letter == 'y'))) {
        negative = *s == '-';
        s++;
    }
    size_t digits = 0;
    while (s + digits < end && s[digits] >= '0' && s[digits] <= '9')
        digits++;
    size_t take = it->fixed ? it->count : digits;
    if (!it->fixed && it->reserve) {
        take = digits > it->reserve ? digits - it->reserve : 0;
        if (it->letter == 'y' && take < it->count)
            take = it->count;
    }
    if (take == 0 || take > digits || take > 18 || (!it->fixed && take < it->count))
        return false;
    if (it->letter == 'y' && it->count >= 4 && it->reserve == 0 && take > it->count && *p == s)
        return false; /* more digits than the pattern's need a sign */
    if (*p < s && !negative && (it->count < 4 || take <= it->count))
        return false; /* and only those have a plus */
    int64_t v = 0;
    for (size_t i = 0; i < take; i++)
        v = v * 10 + (s[i] - '0');
    *ret = negative ? -v : v;
    *p = s + take;
    return true;
}

/* One of the names at *p, its first `shorten` letters when not 0: its index, or -1. */
static int read_name(const char *const *names, int count, size_t shorten, const char **p, const char *end)
{
    for (int i = 0; i < count; i++) {
        size_t n = shorten ? shorten : strlen(names[i]);
        if ((size_t)(end - *p) >= n && strncasecmp(*p, names[i], n) == 0) {
            *p += n;
            return i;
        }
    }
    return -1;
}

static bool read_two(const char **p, const char *end, int *ret)
{
    if (end - *p < 2 || (*p)[0] < '0' || (*p)[0] > '9' || (*p)[1] < '0' || (*p)[1] > '9')
        return false;
    *ret = ((*p)[0] - '0') * 10 + ((*p)[1] - '0');
    *p += 2;
    return true;
}

static bool set_zone(struct fields *f, const char *name)
{
    struct error err = ERROR_INIT;
    if (zone_find(name, &f->zone, &err) != 0) {
        error_fini(&err);
        return false;
    }
    f->has_zone = true;
    return true;
}

static bool read_offset(const struct item *it, const char **p, const char *end, struct fields *f)
{
    if ((it->letter == 'X' || (it->letter == 'Z' && it->count == 5)) && *p < end && (**p == 'Z' || **p == 'z')) {
        ++*p;
        return set_zone(f, "UTC");
    }
    bool gmt = it->letter == 'O' || (it->letter == 'Z' && it->count == 4);
    if (gmt) {
        if (end - *p < 3 || strncasecmp(*p, "GMT", 3) != 0)
            return false;
        *p += 3;
        if (*p >= end || (**p != '+' && **p != '-'))
            return set_zone(f, "UTC");
    }
    if (*p >= end || (**p != '+' && **p != '-'))
        return false;
    char sign = *(*p)++, name[16];
    int h = 0, m = 0, s = 0;
    if (it->letter == 'O' && it->count == 1) {
        if (*p >= end || !isdigit((unsigned char)**p))
            return false;
        h = *(*p)++ - '0';
        if (*p < end && isdigit((unsigned char)**p))
            h = h * 10 + (*(*p)++ - '0');
    } else if (!read_two(p, end, &h)) {
        return false;
    }
    bool colon = gmt || it->count == 3 || it->count == 5;
    if (it->letter == 'Z' && it->count <= 3)
        colon = false;
    if (*p < end && (colon ? **p == ':' : isdigit((unsigned char)**p))) {
        *p += colon;
        if (!read_two(p, end, &m))
            return false;
        if (*p < end && colon && **p == ':') {
            ++*p;
            if (!read_two(p, end, &s))
                return false;
        }
    } else if (it->letter != 'O' && !(it->count == 1 && it->letter != 'Z')) {
        return false;
    }
    if (h > 18 || m > 59 || s > 59)
        return false;
    struct buf b = BUF_INIT;
    buf_addf(&b, "%c%02d:%02d:%02d", sign, h, m, s);
    memcpy(name, b.data, b.bytes + 1);
    buf_fini(&b);
    return set_zone(f, name);
}

/* "Pacific Daylight Time", or one of the abbreviations. */
static bool read_zone_name(bool full, const char **p, const char *end, struct fields *f)
{
    for (size_t i = 0; i < ARRAY_LEN(zone_names); i++) {
        const char *name = full ? zone_names[i].name : zone_names[i].abbreviation;
        size_t n = strlen(name);
        if ((size_t)(end - *p) >= n && strncasecmp(*p, name, n) == 0 && (*p + n == end || !isalpha((unsigned char)(*p)[n]))) {
            *p += n;
            return set_zone(f, zone_names[i].id);
        }
    }
    return false;
}

static bool read_zone_id(const char **p, const char *end, struct fields *f)
{
    char name[64];
    size_t n = 0;
    while (*p + n < end && n < sizeof name - 1 && (isalnum((unsigned char)(*p)[n]) || strchr("/_+-:", (*p)[n])))
        n++;
    for (; n > 0; n--) { /* the longest that is one */
        memcpy(name, *p, n);
        name[n] = 0;
        const char *offset = strpbrk(name, "+-"); /* has two digits in each of its parts */
        bool short_offset = offset && isdigit((unsigned char)offset[1]) && (offset - name == 3 || offset == name) && strlen(offset) < 6;
        if (!short_offset && set_zone(f, name)) {
            *p += n;
            return true;
        }
    }
    return false;
}

static bool put(int *field, int64_t v, int low, int high)
{
    if (v < low || v > high || (*field >= 0 && *field != v))
        return false;
    *field = (int)v;
    return true;
}

static bool read_item(const struct datetime_pattern *p, const struct item *it, const char **s, const char *end, struct fields *f)
{
    int64_t v;
    int i;
    if (it->letter == 0) {
        if ((size_t)(end - *s) < it->bytes || strncasecmp(*s, p->text + it->at, it->bytes) != 0)
            return false;
        *s += it->bytes;
        return true;
    }
    if (is_number(it)) {
        if (!read_number(it, s, end, &v))
            return false;
        switch (it->letter) {
        case 'y':
            f->has_year = true;
            f->year = it->count == 2 ? 2000 + v : v;
            return true;
        case 'M':
        case 'L': return put(&f->month, v, 1, 12);
        case 'd': return put(&f->day, v, 1, 31);
        case 'D': return put(&f->day_of_year, v, 1, 366);
        case 'H': return put(&f->hour, v, 0, 23);
        case 'h': return put(&f->hour12, v % 12, 0, 11) && v >= 1 && v <= 12;
        case 'K': return put(&f->hour12, v, 0, 11);
        case 'k': return put(&f->hour24, v % 24, 0, 23) && v >= 1 && v <= 24;
        case 'm': return put(&f->minute, v, 0, 59);
        case 's': return put(&f->second, v, 0, 59);
        default: return true; /* the day of an era that no table has */
        }
    }
    switch (it->letter) {
    case 'M':
    case 'L':
        i = read_name(months, 12, it->count == 3 ? 3 : 0, s, end);
        return i >= 0 && put(&f->month, i + 1, 1, 12);
    case 'a': {
        static const char *const halves[] = {"AM", "PM"};
        i = read_name(halves, 2, 0, s, end);
        return i >= 0 && put(&f->half, i, 0, 1);
    }
    case 'G': {
        static const char *const shorts[] = {"AD", "BC"}, *const longs[] = {"Anno Domini", "Before Christ"};
        i = read_name(it->count < 4 ? shorts : longs, 2, 0, s, end);
        f->bc = i == 1;
        return i >= 0;
    }
    case 'S': {
        int n = 0, us = 0;
        for (; n < it->count && *s < end && **s >= '0' && **s <= '9'; n++, ++*s)
            us = n < 6 ? us * 10 + (**s - '0') : us;
        for (int k = n; k < 6; k++)
            us *= 10;
        f->micros = us;
        return n > 0;
    }
    case 'z':
        if (read_zone_name(it->count == 4, s, end, f))
            return true;
        return read_zone_id(s, end, f);
    case 'V': return read_zone_id(s, end, f);
    case 'O':
    case 'X':
    case 'x':
    case 'Z': return read_offset(it, s, end, f);
    default: return false; /* what datetime_pattern_reads refuses */
    }
}

/* Items [from, to) at *s. */
static bool read_items(const struct datetime_pattern *p, uint32_t from, uint32_t to, const char **s, const char *end, struct fields *f)
{
    for (uint32_t i = from; i < to; i++) {
        const struct item *it = &p->items[i];
        if (it->letter == '[') {
            struct fields before = *f;
            const char *at = *s;
            if (!read_items(p, i + 1, it->close, s, end, f)) {
                *f = before;
                *s = at;
            }
            i = it->close;
            continue;
        }
        if (it->letter != ']' && !read_item(p, it, s, end, f))
            return false;
    }
    return true;
}

static bool read_all(const struct datetime_pattern *p, const char *s, size_t n, struct fields *f, int32_t *days, int64_t *rest,
                     size_t *ret_at)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *at = s, *end = s + n;
    *f = (struct fields){.year = 1970, .month = -1, .day = -1, .day_of_year = -1, .hour = -1, .minute = -1, .second = -1,
                         .half = -1, .hour12 = -1, .hour24 = -1};
    bool ok = read_items(p, 0, p->count, &at, end, f) && at == end;
    *ret_at = (size_t)(at - s);
    if (!ok)
        return false;
    *ret_at = 0;
    int64_t y = f->bc ? 1 - f->year : f->year;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (y < -9999999 || y > 9999999)
        return false;
    if (f->day_of_year > 0 && f->month < 0) {
        if (f->day_of_year > 365 + leap)
            return false;
        *days = days_from_civil(y, 1, 1) + f->day_of_year - 1;
    } else {
        int m = f->month > 0 ? f->month : 1, d = f->day > 0 ? f->day : 1;
        if (d > lengths[m - 1] + (m == 2 && leap))
            return false;
        *days = days_from_civil(y, (unsigned)m, (unsigned)d);
    }
    int hour = f->hour >= 0 ? f->hour : f->hour24 >= 0 ? f->hour24 : f->hour12 >= 0 ? f->hour12 + (f->half == 1 ? 12 : 0) : 0;
    int64_t seconds = hour * 3600 + (f->minute > 0 ? f->minute : 0) * 60 + (f->second > 0 ? f->second : 0);
    *rest = seconds * 1000000 + f->micros;
    return true;
}

bool datetime_parse_date(const struct datetime_pattern *p, const char *s, size_t n, int32_t *ret_days, size_t *ret_at)
{
    struct fields f;
    int64_t rest;
    return read_all(p, s, n, &f, ret_days, &rest, ret_at);
}

/* The wall clock's time. */
static bool read_local(const struct datetime_pattern *p, const char *s, size_t n, struct fields *f, int64_t *ret_us, size_t *ret_at)
{
    int32_t days;
    int64_t rest;
    if (!read_all(p, s, n, f, &days, &rest, ret_at))
        return false;
    *ret_us = days * 86400000000 + rest;
    return true;
}

bool datetime_parse_timestamp(const struct datetime_pattern *p, const char *s, size_t n, const struct zone *zone,
                              int64_t *ret_us, size_t *ret_at)
{
    struct fields f;
    int64_t local;
    if (!read_local(p, s, n, &f, &local, ret_at))
        return false;
    *ret_us = zone_to_utc_us(f.has_zone ? f.zone : zone, local);
    return true;
}

bool datetime_parse_ntz(const struct datetime_pattern *p, const char *s, size_t n, int64_t *ret_us, size_t *ret_at)
{
    struct fields f;
    return read_local(p, s, n, &f, ret_us, ret_at);
}

/* ---- writing ---- */

static void write_offset(const struct item *it, int64_t offset_us, struct buf *out)
{
    int s = (int)(offset_us / 1000000), a = s < 0 ? -s : s, h = a / 3600, m = a / 60 % 60, sec = a % 60;
    char sign = s < 0 ? '-' : '+';
    if (it->letter == 'O' || (it->letter == 'Z' && it->count == 4)) {
        buf_adds(out, "GMT");
        if (s == 0)
            return;
        if (it->letter == 'O' && it->count == 1) {
            buf_addf(out, "%c%d", sign, h);
            if (m || sec)
                buf_addf(out, ":%02d", m);
        } else {
            buf_addf(out, "%c%02d:%02d", sign, h, m);
        }
        if (sec)
            buf_addf(out, ":%02d", sec);
        return;
    }
    if (s == 0 && (it->letter == 'X' || (it->letter == 'Z' && it->count == 5))) {
        buf_addc(out, 'Z');
        return;
    }
    bool colon = it->letter == 'Z' ? it->count == 5 : it->count == 3 || it->count == 5;
    buf_addf(out, "%c%02d", sign, h);
    if (it->count > 1 || it->letter == 'Z' || m)
        buf_addf(out, colon ? ":%02d" : "%02d", m);
    if (sec && (it->count >= 4))
        buf_addf(out, colon ? ":%02d" : "%02d", sec);
}

/* The name of the zone's time; what has no name is shown as the zone. */
static void write_zone_name(bool full, int64_t utc_us, int64_t offset, const char *zone_name, struct buf *out)
{
    const struct zone *z = NULL;
    struct error err = ERROR_INIT;
    const char *name = zone_find(zone_name, &z, &err) == 0 ? zone_abbreviation(z, utc_us) : "";
    error_fini(&err);
    for (size_t i = 0; full && i < ARRAY_LEN(zone_names); i++) {
        if (strcmp(zone_names[i].abbreviation, name) == 0 && zone_names[i].minutes == offset / 60000000) {
            buf_adds(out, zone_names[i].name);
            return;
        }
    }
    buf_adds(out, full || !name[0] ? zone_name : name);
}

static void write_item(const struct datetime_pattern *p, const struct item *it, int64_t local, int64_t offset, const char *zone_name,
                       struct buf *out)
{
    int64_t day64 = floor_div(local, 86400000000), rest = floor_mod(local, 86400000000), y;
    int32_t days = (int32_t)day64;
    unsigned m, d;
    civil_from_days(days, &y, &m, &d);
    int hour = (int)(rest / 3600000000), n = it->count, weekday = (int)(((int64_t)days + 3) % 7 + 7) % 7;
    bool before = y < 0 && !p->era;
    int64_t era_year = !p->era ? (y < 0 ? -y : y) : y > 0 ? y : 1 - y;
    switch (it->letter) {
    case 0: buf_add(out, p->text + it->at, it->bytes); return;
    case 'G': buf_adds(out, n < 4 ? (y > 0 ? "AD" : "BC") : (y > 0 ? "Anno Domini" : "Before Christ")); return;
    case 'y':
        if (n == 2) {
            buf_addf(out, "%02d", (int)(era_year % 100));
        } else {
            if (before)
                buf_addc(out, '-');
            else if (n >= 4 && era_year >= pow10_i64[n])
                buf_addc(out, '+');
            buf_addf(out, "%0*lld", n, (long long)era_year);
        }
        return;
    case 'M':
    case 'L':
        if (n == 3)
            buf_addf(out, "%.3s", months[m - 1]);
        else if (n == 4)
            buf_adds(out, months[m - 1]);
        else
            buf_addf(out, "%0*u", n, m);
        return;
    case 'd': buf_addf(out, "%0*u", n, d); return;
    case 'g': buf_addf(out, "%0*d", n, days + 40587); return; /* the modified Julian day */
    case 'D': buf_addf(out, "%0*d", n, days - days_from_civil(y, 1, 1) + 1); return;
    case 'Q':
    case 'q': {
        static const char *const words[] = {"1st", "2nd", "3rd", "4th"};
        unsigned q = (m + 2) / 3;
        if (n <= 2)
            buf_addf(out, "%0*u", n, q);
        else if (n == 3)
            buf_addf(out, "Q%u", q);
        else
            buf_addf(out, "%s quarter", words[q - 1]);
        return;
    }
    case 'F': buf_addf(out, "%d", ((int)d - 1) % 7 + 1); return;
    case 'E': buf_addf(out, n == 4 ? "%s" : "%.3s", days_of_week[weekday]); return;
    case 'a': buf_adds(out, hour < 12 ? "AM" : "PM"); return;
    case 'h': buf_addf(out, "%0*d", n, hour % 12 ? hour % 12 : 12); return;
    case 'K': buf_addf(out, "%0*d", n, hour % 12); return;
    case 'k': buf_addf(out, "%0*d", n, hour ? hour : 24); return;
    case 'H': buf_addf(out, "%0*d", n, hour); return;
    case 'm': buf_addf(out, "%0*d", n, (int)(rest / 60000000 % 60)); return;
    case 's': buf_addf(out, "%0*d", n, (int)(rest / 1000000 % 60)); return;
    case 'S': {
        struct buf b = BUF_INIT;
        buf_addf(&b, "%06d000", (int)(rest % 1000000));
        buf_add(out, b.data, (size_t)n);
        buf_fini(&b);
        return;
    }
    case 'V': buf_adds(out, zone_name); return;
    case 'z': write_zone_name(n == 4, local - offset, offset, zone_name, out); return;
    default: write_offset(it, offset, out); return;
    }
}

void datetime_format(const struct datetime_pattern *p, int64_t local_us, int64_t offset_us, const char *zone_name, struct buf *out)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->items[i].letter != '[' && p->items[i].letter != ']')
            write_item(p, &p->items[i], local_us, offset_us, zone_name, out);
    }
}
