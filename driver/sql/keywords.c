/* The table of keywords and its look-ups; see keywords.h. */
#include "driver/sql/keywords.h"

#include <ctype.h>

enum class { FREE = 0, ANSI = 1, STRICT = 2, BOTH = 3 };

static const struct {
    const char *text;
    uint8_t bytes, class;
} rows[KW_COUNT] = {
    [KW_NO_KEYWORD] = {"", 0, FREE},
#define KW(word, class) [KW_##word] = {#word, sizeof #word - 1, class},
#include "driver/sql/keywords.def"
#undef KW
};

const char *keyword_text(enum keyword kw)
{
    ASSERT((unsigned)kw < KW_COUNT);
    return rows[kw].text;
}

bool keyword_is_reserved(enum keyword kw)
{
    return rows[kw].class & ANSI;
}

bool keyword_is_strict(enum keyword kw)
{
    return rows[kw].class & STRICT;
}

enum keyword keyword_find(const char *word, size_t bytes)
{
    char up[32];
    if (bytes == 0 || bytes >= sizeof up)
        return KW_NO_KEYWORD;
    for (size_t i = 0; i < bytes; i++)
        up[i] = (char)toupper((unsigned char)word[i]);
    up[bytes] = 0;
    unsigned low = 1, high = KW_COUNT; /* the rows are sorted as ASCII sorts, '_' after letters */
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int c = strcmp(rows[mid].text, up);
        if (c == 0)
            return (enum keyword)mid;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return KW_NO_KEYWORD;
}

enum keyword keyword_nearest(const char *word, size_t bytes)
{
    static const uint16_t common[] = {
        KW_SELECT, KW_FROM,  KW_WHERE,   KW_GROUP,  KW_ORDER,    KW_BY,      KW_HAVING, KW_LIMIT,     KW_OFFSET,
        KW_JOIN,   KW_INNER, KW_LEFT,    KW_RIGHT,  KW_FULL,     KW_OUTER,   KW_CROSS,  KW_NATURAL,   KW_USING,
        KW_UNION,  KW_EXCEPT, KW_INTERSECT, KW_DISTINCT, KW_VALUES, KW_WITH, KW_BETWEEN, KW_LIKE,     KW_CASE,
        KW_WHEN,   KW_THEN,  KW_ELSE,    KW_END,    KW_CAST,     KW_INTERVAL, KW_EXISTS, KW_CREATE,   KW_REPLACE,
        KW_TEMPORARY, KW_VIEW, KW_TABLE, KW_DROP,   KW_INSERT,   KW_INTO,    KW_OVERWRITE, KW_DIRECTORY, KW_OPTIONS,
        KW_PARTITIONED, KW_PARTITION, KW_LOCATION, KW_COMMENT, KW_DESCRIBE, KW_SHOW, KW_TABLES, KW_COLUMNS,
        KW_EXPLAIN, KW_EXTENDED, KW_FORMATTED, KW_RESET, KW_CACHE, KW_UNCACHE, KW_LATERAL, KW_WINDOW, KW_OVER,
        KW_NULLS,  KW_FIRST, KW_LAST,    KW_ROLLUP, KW_CUBE,     KW_GROUPING, KW_SETS,  KW_TABLESAMPLE, KW_FUNCTIONS,
        KW_DATABASES, KW_SORT, KW_CLUSTER, KW_DISTRIBUTE};
    char up[32];
    if (bytes < 3 || bytes >= sizeof up || keyword_find(word, bytes) != KW_NO_KEYWORD)
        return KW_NO_KEYWORD;
    for (size_t i = 0; i < bytes; i++)
        up[i] = (char)toupper((unsigned char)word[i]);
    up[bytes] = 0;
    enum keyword best = KW_NO_KEYWORD;
    int best_distance = bytes <= 4 ? 3 : 3; /* a transposition counts two */
    if (bytes <= 3)
        best_distance = 2;
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        int d = str_distance(up, rows[common[i]].text);
        if (d < best_distance) {
            best_distance = d;
            best = common[i];
        }
    }
    return best;
}
