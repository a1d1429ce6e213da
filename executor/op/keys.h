/*
 * Keys as rows of 8-byte words, so that grouping, joining and dedup compare plain memory. Equal keys (as
 * column_eq says: null with null, NaN with NaN, -0.0 with 0.0) have equal words, long strings apart, whose
 * second word points to their bytes.
 *
 * Layout of a key: each part's words in order (1: integers, doubles, dates; 2: decimals over 18 digits,
 * strings), then one word of null bits when any part may be null; a null part's words are zero.
 */
#pragma once

#include "common/col/builder.h"

enum { KEY_PARTS_MAX = 64 };

struct key_part {
    enum { KEY_WORD, KEY_WIDE, KEY_TEXT } kind;
    const struct type *type;
    uint32_t at; /* its first word */
};
struct key_spec {
    uint32_t part_count, words;
    int32_t null_word; /* or -1 */
    bool any_text;
    struct key_part *parts;
};

/* nullable may be NULL: all are. ERR_UNSUPPORTED_FEATURE for nested types. b: the types on the other side of a join, or NULL. */
WARN_UNUSED int key_spec_init(struct arena *ar, uint32_t count, const struct type *const *types,
                              const struct type *const *b, const bool *nullable, struct key_spec *ret, struct error *err);
/*
 * Writes the keys of the live rows, densely, into out (n * words). Text stays where it is. skip, when given,
 * gets 1 for rows with a null in a part that is not null_safe.
 */
void keys_encode(const struct key_spec *ks, const struct column *cols, const uint16_t *sel, uint32_t n, uint64_t *out,
                 uint8_t *skip, const bool *null_safe, struct arena *ar);
void keys_hash(const struct key_spec *ks, const uint64_t *keys, uint32_t n, uint64_t *hashes);
bool keys_eq_text(const struct key_spec *ks, const uint64_t *a, const uint64_t *b);
static inline bool keys_eq(const struct key_spec *ks, const uint64_t *a, const uint64_t *b)
{
    if (ks->any_text)
        return keys_eq_text(ks, a, b);
    for (uint32_t w = 0; w < ks->words; w++) {
        if (a[w] != b[w])
            return false;
    }
    return true;
}
/* Columns of the keys at rows[i] + offset bytes, memory from ar; text points to where the keys say. */
void keys_decode(const struct key_spec *ks, char *const *rows, uint32_t offset, uint32_t n, struct column *ret,
                 struct arena *ar);
/* Bytes of text outside of the words. */
size_t key_text_bytes(const struct key_spec *ks, const uint64_t *key);
/* Moves the text of key to p (key_text_bytes of it). */
void key_text_move(const struct key_spec *ks, uint64_t *key, char *p);
