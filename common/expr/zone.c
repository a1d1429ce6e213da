/* Time zones from TZif files; see zone.h. */
#include "common/expr/zone.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/col/column.h"

struct zone {
    uint32_t count;
    int64_t *at;      /* transition times in seconds, ascending */
    int32_t *offset;  /* seconds east of UTC from at[i] on */
    int32_t first;    /* before at[0] */
    char (*name)[8];  /* "CEST" from at[i] on; name[count] is before */
    /* Rule after the last transition (POSIX TZ string): standard and daylight. */
    bool has_rule;
    struct rule {
        int32_t std, dst;
        struct change {
            int month, week, day, seconds;
        } start, end;
    } rule;
    char rule_names[2][8]; /* standard, daylight */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct strmap zones;

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* ---- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

static const char *skip_name(const char *p)
{
    if (*p == '<') {
        while (*p && *p != '>')
            p++;
        return *p ? p + 1 : p;
    }
    while (*p && ((*p | 32) >= 'a' && (*p | 32) <= 'z'))
        p++;
    return p;
}

static const char *parse_hms(const char *p, int32_t *ret)
{
    int sign = 1, parts[3] = {0, 0, 0};
    if (*p == '-' || *p == '+')
        sign = *p++ == '-' ? -1 : 1;
    for (int i = 0; i < 3; i++) {
        char *end;
        long part = strtol(p, &end, 10);
        parts[i] = part > 1000 ? 1000 : part < -1000 ? -1000 : (int)part; /* what is more is refused by its length of time */
        p = end;
        if (*p != ':')
            break;
        p++;
    }
    *ret = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return p;
}

static const char *parse_change(const char *p, struct change *c)
{
    c->seconds = 7200;
    if (sscanf(p, ",M%d.%d.%d", &c->month, &c->week, &c->day) != 3)
        return NULL;
    p++;
    while (*p && *p != ',' && *p != '/')
        p++;
    if (*p == '/')
        p = parse_hms(p + 1, &c->seconds);
    return p;
}

static void keep_name(const char *p, size_t n, char *ret)
{
    bool letters = n > 0 && n < 8 && ((p[0] | 32) >= 'a' && (p[0] | 32) <= 'z'); /* "<+04>" is none */
    memcpy(ret, letters ? p : "", letters ? n : 0);
    ret[letters ? n : 0] = 0;
}

static void parse_footer(struct zone *z, const char *p)
{
    int32_t v;
    keep_name(p, (size_t)(skip_name(p) - p), z->rule_names[0]);
    p = parse_hms(skip_name(p), &v);
    z->rule.std = z->rule.dst = -v;
    z->has_rule = true;
    if (!*p || *p == '\n')
        return;
    keep_name(p, (size_t)(skip_name(p) - p), z->rule_names[1]);
    p = skip_name(p);
    z->rule.dst = z->rule.std + 3600;
    if (*p && *p != ',') {
        p = parse_hms(p, &v);
        z->rule.dst = -v;
    }
    p = parse_change(p, &z->rule.start);
    if (!p || !parse_change(p, &z->rule.end))
        z->rule.dst = z->rule.std;
}

static int64_t change_at(int64_t year, const struct change *c, int32_t offset_before)
{
    int32_t first = days_from_civil(year, (unsigned)c->month, 1);
    int weekday = (int)(((int64_t)first % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
    int day = (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
    int32_t next = c->month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, (unsigned)c->month + 1, 1);
    while (first + day >= next)
        day -= 7;
    return ((int64_t)first + day) * 86400 + c->seconds - offset_before;
}

static int32_t rule_offset(const struct rule *r, int64_t t)
{
    if (r->std == r->dst)
        return r->std;
    int64_t year;
    unsigned m, d;
    int64_t local = t + r->std;
    civil_from_days((int32_t)((local >= 0 ? local : local - 86399) / 86400), &year, &m, &d);
    int64_t start = change_at(year, &r->start, r->std), end = change_at(year, &r->end, r->dst);
    bool dst = start < end ? t >= start && t < end : t >= start || t < end;
    return dst ? r->dst : r->std;
}

/* ---- the file ---- */

/* The abbreviation of a local time type. */
static void type_name(const unsigned char *type, const char *names, uint32_t chars, char *ret)
{
    uint32_t at = type[5];
    keep_name(names + at, at < chars ? strnlen(names + at, chars - at) : 0, ret);
}

static struct zone *parse_tzif(const unsigned char *p, size_t bytes)
{
    if (bytes < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return NULL;
    /* The first block has 32-bit times: skip it. */
    size_t skip = 44 + (size_t)be32(p + 32) * 5 + (size_t)be32(p + 36) * 6 + be32(p + 40) + (size_t)be32(p + 28) * 8 +
                  be32(p + 24) + be32(p + 20);
    if (bytes < skip + 44)
        return NULL;
    const unsigned char *h = p + skip;
    uint32_t isut = be32(h + 20), isstd = be32(h + 24), leap = be32(h + 28), count = be32(h + 32), types = be32(h + 36),
             chars = be32(h + 40);
    size_t need = 44 + (size_t)count * 9 + (size_t)types * 6 + chars + (size_t)leap * 12 + isstd + isut;
    if (bytes < skip + need || types == 0)
        return NULL;
    struct zone *z = xcalloc(1, sizeof *z);
    z->count = count;
    z->at = xcalloc(count + 1, sizeof *z->at);
    z->offset = xcalloc(count + 1, sizeof *z->offset);
    const unsigned char *times = h + 44, *index = times + (size_t)count * 8, *type = index + count;
    const char *names = (const char *)type + (size_t)types * 6;
    z->first = (int32_t)be32(type);
    z->name = xcalloc(count + 1, sizeof *z->name);
    type_name(type, names, chars, z->name[count]);
    for (uint32_t i = 0; i < count; i++) {
        z->at[i] = be64(times + (size_t)i * 8);
        if (index[i] >= types) {
            xfree(z->at);
            xfree(z->offset);
            xfree(z->name);
            xfree(z);
            return NULL;
        }
        type_name(type + (size_t)index[i] * 6, names, chars, z->name[i]);
        z->offset[i] = (int32_t)be32(type + (size_t)index[i] * 6);
    }
    const unsigned char *foot = h + need;
    if (foot < p + bytes && *foot == '\n') {
        char text[128];
        size_t n = (size_t)(p + bytes - foot - 1);
        n = n < sizeof text - 1 ? n : sizeof text - 1;
        memcpy(text, foot + 1, n);
        text[n] = 0;
        text[strcspn(text, "\n")] = 0;
        if (text[0])
            parse_footer(z, text);
    }
    return z;
}

static struct zone *fixed(int32_t seconds)
{
    struct zone *z = xcalloc(1, sizeof *z);
    z->first = seconds;
    return z;
}

/* "+02:00", "GMT+2", "UTC-05:30": false when it is none. */
static bool parse_offset(const char *name, int32_t *ret)
{
    if (str_has_prefix(name, "GMT") || str_has_prefix(name, "UTC"))
        name += 3;
    if ((*name != '+' && *name != '-') || name[1] < '0' || name[1] > '9')
        return false;
    int32_t v;
    const char *end = parse_hms(name, &v);
    *ret = v;
    return *end == 0 && v >= -18 * 3600 && v <= 18 * 3600;
}

/* Java's three-letter names that tzdata lacks or means otherwise. */
static const char *const short_ids[][2] = {
    {"ACT", "Australia/Darwin"}, {"AET", "Australia/Sydney"}, {"AGT", "America/Argentina/Buenos_Aires"}, {"ART", "Africa/Cairo"},
    {"AST", "America/Anchorage"}, {"BET", "America/Sao_Paulo"}, {"BST", "Asia/Dhaka"}, {"CAT", "Africa/Harare"},
    {"CNT", "America/St_Johns"}, {"CST", "America/Chicago"}, {"CTT", "Asia/Shanghai"}, {"EAT", "Africa/Addis_Ababa"},
    {"ECT", "Europe/Paris"}, {"EST", "-05:00"}, {"HST", "-10:00"}, {"IET", "America/Indiana/Indianapolis"}, {"IST", "Asia/Kolkata"},
    {"JST", "Asia/Tokyo"}, {"MIT", "Pacific/Apia"}, {"MST", "-07:00"}, {"NET", "Asia/Yerevan"}, {"NST", "Pacific/Auckland"},
    {"PLT", "Asia/Karachi"}, {"PNT", "America/Phoenix"}, {"PRT", "America/Puerto_Rico"}, {"PST", "America/Los_Angeles"},
    {"SST", "Pacific/Guadalcanal"}, {"VST", "Asia/Ho_Chi_Minh"}};

static struct zone *load(const char *name)
{
    int32_t seconds;
    for (size_t i = 0; i < ARRAY_LEN(short_ids); i++) {
        if (strcmp(name, short_ids[i][0]) == 0)
            name = short_ids[i][1];
    }
    if (parse_offset(name, &seconds))
        return fixed(seconds);
    if (name[0] == '/' || strstr(name, "..") || strlen(name) > 100)
        return NULL;
    char *path = xasprintf("/usr/share/zoneinfo/%s", name);
    FILE *f = fopen(path, "re");
    xfree(path);
    if (!f)
        return NULL;
    static unsigned char bytes[1 << 16]; /* under the lock */
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return parse_tzif(bytes, n);
}

int zone_find(const char *name, const struct zone **ret, struct error *err)
{
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 || strcmp(name, "GMT") == 0 || strcmp(name, "Etc/UTC") == 0) {
        *ret = NULL;
        return 0;
    }
    pthread_mutex_lock(&lock);
    struct zone *z = strmap_get(&zones, name);
    if (!z) {
        z = load(name);
        if (z)
            strmap_put(&zones, name, z);
    }
    pthread_mutex_unlock(&lock);
    if (!z)
        return error_set(err, ERR_INVALID_SETTING, "confName", "spark.sql.session.timeZone", "confValue", name, "confType",
                         "a zone such as Europe/Berlin or +02:00 (package tzdata has the names)", NULL);
    *ret = z;
    return 0;
}

static int32_t offset_at(const struct zone *z, int64_t t)
{
    if (z->count == 0 || t < z->at[0])
        return z->count == 0 && z->has_rule ? rule_offset(&z->rule, t) : z->first;
    if (t >= z->at[z->count - 1])
        return z->has_rule ? rule_offset(&z->rule, t) : z->offset[z->count - 1];
    uint32_t lo = 0, hi = z->count - 1;
    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (z->at[mid] <= t)
            lo = mid;
        else
            hi = mid;
    }
    return z->offset[lo];
}

const char *zone_abbreviation(const struct zone *z, int64_t utc_us)
{
    int64_t t = utc_us / 1000000 - (utc_us % 1000000 < 0);
    if (!z)
        return "UTC";
    if (!z->name)
        return "";
    if (z->has_rule && (z->count == 0 || t >= z->at[z->count - 1]))
        return z->rule_names[rule_offset(&z->rule, t) != z->rule.std];
    uint32_t i = z->count;
    while (i > 0 && t < z->at[i - 1])
        i--;
    return z->name[i ? i - 1 : z->count];
}

int64_t zone_offset_us(const struct zone *z, int64_t utc_us)
{
    if (!z)
        return 0;
    int64_t s = utc_us / 1000000 - (utc_us % 1000000 < 0);
    return (int64_t)offset_at(z, s) * 1000000;
}

static int64_t add_within(int64_t us, int64_t more)
{
    int64_t ret;
    return !__builtin_add_overflow(us, more, &ret) ? ret : more < 0 ? INT64_MIN : INT64_MAX;
}

int64_t zone_local_us(const struct zone *z, int64_t utc_us)
{
    return add_within(utc_us, zone_offset_us(z, utc_us));
}

int64_t zone_to_utc_us(const struct zone *z, int64_t local_us)
{
    if (!z)
        return local_us;
    /* The offsets a day before and after bound what can hold here. */
    int64_t early = zone_offset_us(z, add_within(local_us, -86400000000)), late = zone_offset_us(z, add_within(local_us, 86400000000));
    int64_t utc = add_within(local_us, -early), other = add_within(local_us, -late);
    if (zone_offset_us(z, utc) == early)
        return utc;
    if (zone_offset_us(z, other) == late)
        return other;
    return utc; /* a gap: the clock jumps forward over it */
}

__attribute__((constructor)) static void register_hook(void)
{
    column_zone_local_fn = zone_local_us;
}
