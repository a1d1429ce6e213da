/*
 * The ground floor: assertions, memory that cannot fail, arenas, strings, byte buffers, hashing,
 * a seeded random generator and a monotonic clock. Everything else in the tree includes this file,
 * so it includes nothing of ours. All of it is thread-neutral: an object belongs to the thread that
 * uses it unless its comment says otherwise.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef __int128 int128_t;
__extension__ typedef unsigned __int128 uint128_t;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define WARN_UNUSED __attribute__((warn_unused_result))

/* ---- assertions: for bugs of ours, never for input. On in every build. ---- */
#define ASSERT(x) (LIKELY(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
#define UNREACHABLE(why) assert_failed(why, __FILE__, __LINE__)
#ifdef DROVER_DEBUG
#define DCHECK(x) ASSERT(x)
#else
#define DCHECK(x) ((void)0)
#endif

/* Prints the place and aborts. */
__attribute__((noreturn, cold)) void assert_failed(const char *what, const char *file, int line);

/* ---- memory for metadata: aborts when there is none ---- */
void *xmalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *xrealloc(void *p, size_t bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t bytes) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
void xfree(void *p); /* accepts NULL */

/* Grows a heap array: ARRAY_GROW(items, count, cap) makes room for at least count + 1. */
#define ARRAY_GROW(items, count, cap) ARRAY_RESERVE(items, (size_t)(count) + 1, cap)
#define ARRAY_RESERVE(items, need, cap)                                                            \
    do {                                                                                           \
        if ((size_t)(need) > (size_t)(cap)) {                                                      \
            size_t cap_new_ = (cap) ? (size_t)(cap)*2 : 8;                                         \
            while (cap_new_ < (size_t)(need)) cap_new_ *= 2;                                       \
            (items) = xrealloc((items), cap_new_ * sizeof *(items));                               \
            (cap) = (__typeof__(cap))cap_new_;                                                     \
        }                                                                                          \
    } while (0)

/* ---- arena: a bump allocator whose end is the end of everything in it ---- */
struct arena {
    struct arena_chunk *chunks;   /* newest first */
    struct arena_defer *defers;   /* run LIFO at reset */
    char *at, *end;               /* free room in the newest chunk */
    size_t bytes;                 /* total taken from malloc */
};

void arena_init(struct arena *ar);
void arena_fini(struct arena *ar);
/* Runs the deferred calls and forgets all, keeping one chunk for reuse. */
void arena_reset(struct arena *ar);
void *arena_alloc(struct arena *ar, size_t bytes) __attribute__((returns_nonnull)); /* 16-aligned, not zeroed */
void *arena_zalloc(struct arena *ar, size_t bytes) __attribute__((returns_nonnull)); /* zeroed */
char *arena_strdup(struct arena *ar, const char *s);
char *arena_strndup(struct arena *ar, const char *s, size_t bytes);
char *arena_printf(struct arena *ar, const char *fmt, ...) PRINTF_LIKE(2, 3);
void *arena_dup(struct arena *ar, const void *p, size_t bytes);
/* fn(arg) runs at reset or fini, last registered first: for files and references. */
void arena_defer(struct arena *ar, void (*fn)(void *arg), void *arg);
#define ARENA_NEW(ar, type) ((type *)arena_zalloc((ar), sizeof(type)))
#define ARENA_ARRAY(ar, type, n) ((type *)arena_zalloc((ar), sizeof(type) * ((n) ? (size_t)(n) : 1)))
/* An arena array that grows by doubling: items stay in the arena. */
#define ARENA_PUSH(ar, items, count, cap, item)                                                    \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            size_t cap_new_ = (cap) ? (size_t)(cap)*2 : 4;                                         \
            __typeof__(items) items_new_ = arena_zalloc((ar), cap_new_ * sizeof *(items));         \
            if (count) memcpy(items_new_, (items), (size_t)(count) * sizeof *(items));             \
            (items) = items_new_;                                                                  \
            (cap) = (__typeof__(cap))cap_new_;                                                     \
        }                                                                                          \
        (items)[(count)++] = (item);                                                               \
    } while (0)

/* ---- buf: owned bytes that grow; also the string builder (keeps a NUL after the end) ---- */
struct buf {
    char *data;
    size_t bytes; /* used */
    size_t cap;
};
#define BUF_INIT ((struct buf){0})
void buf_fini(struct buf *b);
void buf_reserve(struct buf *b, size_t more); /* room for more bytes and a NUL */
void buf_add(struct buf *b, const void *p, size_t bytes);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_add_json(struct buf *b, const char *s, size_t bytes); /* with the quotes; bad UTF-8 becomes U+FFFD */
void buf_reset(struct buf *b);                                 /* empty, keeps its memory */
char *buf_steal(struct buf *b);                                /* caller owns the NUL-ended bytes; b is empty */

/* ---- strings ---- */
bool str_eq_nocase(const char *a, const char *b);
bool str_has_prefix(const char *s, const char *prefix);
bool str_has_suffix(const char *s, const char *suffix);
/* Levenshtein distance bounded by 64 characters a side: to name the nearest of a wrong word. */
int str_distance(const char *a, const char *b);
/* What a mistyped word may have meant. Two letters that changed places are one slip; a third of the letters may be wrong. */
struct slip {
    const char *wrong, *meant; /* meant: NULL when nothing is near */
    int slips;
};
void slip_try(struct slip *s, const char *word); /* keeps the word if it is nearer than those before it */
/* "64m", "1.5g", "1024", "512KiB": bytes; -1 when it is none. */
int64_t str_parse_bytes(const char *s);
/* "10s", "150ms", "2min", "1h", "1d": milliseconds; -1 when it is none. A bare number is in unit_ms. */
int64_t str_parse_ms(const char *s, int64_t unit_ms);

/* ---- hashing ---- */
uint64_t hash_bytes(const void *p, size_t bytes, uint64_t seed); /* XXH3 */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    x ^= x >> 32;
    return x;
}
static inline uint64_t hash_combine(uint64_t a, uint64_t b)
{
    return (a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdull;
}
uint32_t crc32c(uint32_t crc, const void *p, size_t bytes); /* hardware where there is one */

/* ---- random: xoshiro256**, seeded, never from the outside ---- */
struct rng {
    uint64_t s[4];
};
void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* uniform in [0, bound), bound > 0 */
double rng_double(struct rng *r);                  /* uniform in [0, 1) */

/* ---- clocks ---- */
int64_t clock_mono_us(void); /* for durations */
int64_t clock_wall_us(void); /* since 1970, UTC */

/* ---- sort: an introsort over n items of bytes each, context passed; not stable ---- */
typedef int (*sort_cmp_fn)(const void *a, const void *b, void *ctx);
void sort_items(void *items, size_t count, size_t bytes, sort_cmp_fn cmp, void *ctx);

/* ---- strmap: a hash map from NUL-ended names to pointers; keys are copied; insertion order kept ---- */
struct strmap {
    struct strmap_entry {
        char *key;
        void *value;
        uint64_t hash;
    } *entries; /* in insertion order; key NULL once removed */
    uint32_t *slots;
    uint32_t count, cap, slot_count, live;
};
void strmap_init(struct strmap *m);
void strmap_fini(struct strmap *m); /* values stay the caller's */
void *strmap_get(const struct strmap *m, const char *key); /* NULL when absent */
void *strmap_put(struct strmap *m, const char *key, void *value); /* returns the value replaced or NULL */
void *strmap_remove(struct strmap *m, const char *key);
#define STRMAP_EACH(m, e)                                                                          \
    for (struct strmap_entry *e = (m)->entries; e < (m)->entries + (m)->count; e++)                \
        if (e->key)
