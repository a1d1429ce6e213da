/* Assertions, memory, arenas and the small tools that everything stands on; see base.h. */
#include "common/base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "drover: broken invariant at %s:%d: %s\n", file, line, what);
    fflush(stderr);
    abort();
}

/* ---- memory ---- */

__attribute__((noreturn, cold)) static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "drover: no memory for %zu bytes of metadata\n", bytes);
    abort();
}

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

void *xcalloc(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1);
    if (!p)
        out_of_memory(count * bytes);
    return p;
}

void *xrealloc(void *p, size_t bytes)
{
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q)
        out_of_memory(bytes);
    return q;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t bytes)
{
    char *p = xmalloc(bytes + 1);
    memcpy(p, s, bytes);
    p[bytes] = 0;
    return p;
}

char *xasprintf(const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    return buf_steal(&b);
}

void xfree(void *p)
{
    free(p);
}

/* ---- arena ---- */

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes;
    _Alignas(16) char data[];
};

struct arena_defer {
    struct arena_defer *next;
    void (*fn)(void *arg);
    void *arg;
};

enum { ARENA_CHUNK_MIN = 4096 - 64, ARENA_CHUNK_MAX = 1 << 20 };

void arena_init(struct arena *ar)
{
    *ar = (struct arena){0};
}

static void run_defers(struct arena *ar)
{
    while (ar->defers) {
        struct arena_defer *d = ar->defers;
        ar->defers = d->next;
        d->fn(d->arg);
    }
}

void arena_fini(struct arena *ar)
{
    run_defers(ar);
    while (ar->chunks) {
        struct arena_chunk *next = ar->chunks->next;
        free(ar->chunks);
        ar->chunks = next;
    }
    arena_init(ar);
}

static void add_chunk(struct arena *ar, size_t need)
{
    size_t bytes = ar->bytes < ARENA_CHUNK_MIN   ? ARENA_CHUNK_MIN
                   : ar->bytes > ARENA_CHUNK_MAX ? ARENA_CHUNK_MAX
                                                 : ar->bytes;
    if (bytes < need)
        bytes = need;
    struct arena_chunk *c = xmalloc(sizeof *c + bytes);
    c->bytes = bytes;
    c->next = ar->chunks;
    ar->chunks = c;
    ar->at = c->data;
    ar->end = c->data + bytes;
    ar->bytes += bytes;
}

void arena_reset(struct arena *ar)
{
    run_defers(ar);
    if (!ar->chunks)
        return;
    if (ar->chunks->next) { /* one chunk as large as all: the next round will fit without asking malloc */
        size_t total = ar->bytes;
        arena_fini(ar);
        add_chunk(ar, total);
        return;
    }
    ar->at = ar->chunks->data;
}

void *arena_alloc(struct arena *ar, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (UNLIKELY((size_t)(ar->end - ar->at) < bytes || !ar->at))
        add_chunk(ar, bytes ? bytes : 16);
    void *p = ar->at;
    ar->at += bytes;
    return p;
}

void *arena_zalloc(struct arena *ar, size_t bytes)
{
    return memset(arena_alloc(ar, bytes), 0, bytes);
}

char *arena_strdup(struct arena *ar, const char *s)
{
    return arena_strndup(ar, s, strlen(s));
}

char *arena_strndup(struct arena *ar, const char *s, size_t bytes)
{
    char *p = arena_alloc(ar, bytes + 1);
    memcpy(p, s, bytes);
    p[bytes] = 0;
    return p;
}

char *arena_printf(struct arena *ar, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    char *p = arena_strndup(ar, b.data ? b.data : "", b.bytes);
    buf_fini(&b);
    return p;
}

void *arena_dup(struct arena *ar, const void *p, size_t bytes)
{
    void *q = arena_alloc(ar, bytes);
    if (bytes)
        memcpy(q, p, bytes);
    return q;
}

void arena_defer(struct arena *ar, void (*fn)(void *arg), void *arg)
{
    struct arena_defer *d = arena_alloc(ar, sizeof *d);
    *d = (struct arena_defer){.next = ar->defers, .fn = fn, .arg = arg};
    ar->defers = d;
}

/* ---- buf ---- */

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT;
}

void buf_reserve(struct buf *b, size_t more)
{
    if (b->cap - b->bytes > more && b->data)
        return;
    size_t cap = b->cap ? b->cap * 2 : 64;
    while (cap - b->bytes <= more)
        cap *= 2;
    b->data = xrealloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t bytes)
{
    buf_reserve(b, bytes);
    if (bytes)
        memcpy(b->data + b->bytes, p, bytes);
    b->bytes += bytes;
    b->data[b->bytes] = 0;
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    ASSERT(n >= 0);
    buf_reserve(b, (size_t)n);
    vsnprintf(b->data + b->bytes, (size_t)n + 1, fmt, again);
    va_end(again);
    b->bytes += (size_t)n;
}

/* Bytes of the valid UTF-8 sequence at p, 0 when it is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5                 ? 4
                                                             : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

void buf_add_json(struct buf *b, const char *s, size_t bytes)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < bytes;) {
        unsigned char c = (unsigned char)s[i];
        size_t n = utf8_sequence((const unsigned char *)s + i, bytes - i);
        if (n == 0) {
            buf_adds(b, "\xef\xbf\xbd");
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_addc(b, '\\');
            buf_addc(b, (char)c);
        } else if (c == '\n') {
            buf_adds(b, "\\n");
        } else if (c == '\t') {
            buf_adds(b, "\\t");
        } else if (c == '\r') {
            buf_adds(b, "\\r");
        } else if (c < 0x20) {
            buf_addf(b, "\\u%04x", c);
        } else {
            buf_add(b, s + i, n);
        }
        i += n;
    }
    buf_addc(b, '"');
}

void buf_reset(struct buf *b)
{
    b->bytes = 0;
    if (b->data)
        b->data[0] = 0;
}

char *buf_steal(struct buf *b)
{
    char *p = b->data ? b->data : xstrdup("");
    *b = BUF_INIT;
    return p;
}

/* ---- strings ---- */

bool str_eq_nocase(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

bool str_has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* Edits of one letter and, with exchanges, of neighbours that changed places (Levenshtein; optimal string alignment). */
static int edits_between(const char *a, const char *b, bool exchanges)
{
    enum { MAX = 64 };
    size_t n = strnlen(a, MAX), m = strnlen(b, MAX);
    int rows[3][MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (exchanges && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        int *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[m];
}

int str_distance(const char *a, const char *b)
{
    return edits_between(a, b, false);
}

void slip_try(struct slip *s, const char *word)
{
    enum { MOST = 3 };
    int allowed = (int)(strlen(s->wrong) + 1) / 3;
    if (!s->meant)
        s->slips = (allowed < MOST ? allowed : MOST) + 1;
    int n = edits_between(s->wrong, word, true);
    if (n < s->slips) {
        s->slips = n;
        s->meant = word;
    }
}

int64_t str_parse_bytes(const char *s)
{
    static const struct {
        const char *suffix;
        int shift;
    } units[] = {{"", 0},    {"b", 0},    {"k", 10},   {"kb", 10},  {"kib", 10}, {"m", 20},
                 {"mb", 20}, {"mib", 20}, {"g", 30},   {"gb", 30},  {"gib", 30}, {"t", 40},
                 {"tb", 40}, {"tib", 40}, {"p", 50},   {"pb", 50},  {"pib", 50}};
    char *end;
    double v = strtod(s, &end);
    if (end == s || !(v >= 0) || strspn(s, "0123456789.") < (size_t)(end - s)) /* no hexadecimal, no exponent */
        return -1;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcasecmp(end, units[i].suffix) == 0) {
            double bytes = v * (double)(1ull << units[i].shift);
            return bytes < 9e18 ? (int64_t)bytes : -1;
        }
    }
    return -1;
}

int64_t str_parse_ms(const char *s, int64_t unit_ms)
{
    static const struct {
        const char *suffix;
        double ms;
    } units[] = {{"us", 0.001}, {"ms", 1},      {"s", 1e3},      {"m", 6e4},
                 {"min", 6e4},  {"h", 3.6e6},   {"d", 8.64e7},   {"sec", 1e3}};
    char *end;
    double v = strtod(s, &end);
    if (end == s || !(v >= 0))
        return -1;
    if (*end == 0)
        return (int64_t)(v * (double)unit_ms);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcasecmp(end, units[i].suffix) == 0)
            return (int64_t)(v * units[i].ms);
    }
    return -1;
}

/* ---- hashing ---- */

uint64_t hash_bytes(const void *p, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, bytes, seed);
}

static uint32_t crc32c_table[8][256];

__attribute__((constructor)) static void crc32c_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
        crc32c_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++)
            crc32c_table[t][i] = (crc32c_table[t - 1][i] >> 8) ^ crc32c_table[0][crc32c_table[t - 1][i] & 0xff];
    }
}

static uint32_t crc32c_soft(uint32_t c, const unsigned char *p, size_t bytes)
{
    for (; bytes >= 8; p += 8, bytes -= 8) {
        uint32_t lo, hi;
        memcpy(&lo, p, 4);
        memcpy(&hi, p + 4, 4);
        lo ^= c;
        c = crc32c_table[7][lo & 0xff] ^ crc32c_table[6][(lo >> 8) & 0xff] ^ crc32c_table[5][(lo >> 16) & 0xff] ^
            crc32c_table[4][lo >> 24] ^ crc32c_table[3][hi & 0xff] ^ crc32c_table[2][(hi >> 8) & 0xff] ^
            crc32c_table[1][(hi >> 16) & 0xff] ^ crc32c_table[0][hi >> 24];
    }
    for (; bytes; p++, bytes--)
        c = (c >> 8) ^ crc32c_table[0][(c ^ *p) & 0xff];
    return c;
}

#if defined(__x86_64__)
/* One stream of the SSE4.2 instruction: 8 bytes each 3 cycles, some 7 GB/s; enough beside a copy. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_hard(uint32_t crc, const unsigned char *p, size_t bytes)
{
    uint64_t c = crc;
    for (; bytes >= 8; p += 8, bytes -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = __builtin_ia32_crc32di(c, v);
    }
    for (; bytes; p++, bytes--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t bytes)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_hard(crc, p, bytes);
#endif
    return ~crc32c_soft(crc, p, bytes);
}

/* ---- random: Blackman and Vigna's xoshiro256**, seeded by splitmix64 ---- */

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        r->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    ASSERT(bound > 0);
    return (uint64_t)(((uint128_t)rng_next(r) * bound) >> 64);
}

double rng_double(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

/* ---- clocks ---- */

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

/* ---- sort ---- */

void sort_items(void *items, size_t count, size_t bytes, sort_cmp_fn cmp, void *ctx)
{
    if (count > 1)
        qsort_r(items, count, bytes, cmp, ctx);
}

/* ---- strmap: open addressing over an insertion-ordered entry array ---- */

enum { SLOT_EMPTY = 0 }; /* a slot holds entry index + 1 */

void strmap_init(struct strmap *m)
{
    *m = (struct strmap){0};
}

void strmap_fini(struct strmap *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        free(m->entries[i].key);
    free(m->entries);
    free(m->slots);
    strmap_init(m);
}

static void rebuild(struct strmap *m)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->entries[i].key)
            m->entries[at++] = m->entries[i];
    }
    m->count = at;
    if (m->slot_count < at * 2 + 8) {
        m->slot_count = m->slot_count ? m->slot_count * 2 : 16;
        m->slots = xrealloc(m->slots, m->slot_count * sizeof *m->slots);
    }
    memset(m->slots, 0, m->slot_count * sizeof *m->slots);
    for (uint32_t i = 0; i < at; i++) {
        uint32_t s = (uint32_t)m->entries[i].hash & (m->slot_count - 1);
        while (m->slots[s] != SLOT_EMPTY)
            s = (s + 1) & (m->slot_count - 1);
        m->slots[s] = i + 1;
    }
}

static struct strmap_entry *find(const struct strmap *m, const char *key, uint64_t hash)
{
    if (m->slot_count == 0)
        return NULL;
    for (uint32_t s = (uint32_t)hash & (m->slot_count - 1); m->slots[s] != SLOT_EMPTY;
         s = (s + 1) & (m->slot_count - 1)) {
        struct strmap_entry *e = &m->entries[m->slots[s] - 1];
        if (e->key && e->hash == hash && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

void *strmap_get(const struct strmap *m, const char *key)
{
    struct strmap_entry *e = find(m, key, hash_bytes(key, strlen(key), 0));
    return e ? e->value : NULL;
}

void *strmap_put(struct strmap *m, const char *key, void *value)
{
    uint64_t hash = hash_bytes(key, strlen(key), 0);
    struct strmap_entry *e = find(m, key, hash);
    if (e) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    ARRAY_GROW(m->entries, m->count, m->cap);
    m->entries[m->count++] = (struct strmap_entry){.key = xstrdup(key), .value = value, .hash = hash};
    m->live++;
    if (m->count * 2 + 8 > m->slot_count) {
        rebuild(m);
        return NULL;
    }
    uint32_t s = (uint32_t)hash & (m->slot_count - 1);
    while (m->slots[s] != SLOT_EMPTY)
        s = (s + 1) & (m->slot_count - 1);
    m->slots[s] = m->count;
    return NULL;
}

void *strmap_remove(struct strmap *m, const char *key)
{
    struct strmap_entry *e = find(m, key, hash_bytes(key, strlen(key), 0));
    if (!e)
        return NULL;
    void *old = e->value;
    free(e->key);
    e->key = NULL; /* the slot keeps pointing here: probing walks past it until the next rebuild */
    e->value = NULL;
    m->live--;
    return old;
}
