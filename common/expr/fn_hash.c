/* Digests and hashes. hash() is Spark's Murmur3 and xxhash64() the usual one, both chained over their arguments. */
#include <openssl/evp.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#include <zlib.h>

#include "common/expr/fn_impl.h"

/* ---- digests ---- */

static int resolve_digest(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BINARY), err));
    if (c->arg_count == 2)
        TRY(fn_cast_arg(c, 1, type_of(TYPE_INT), err));
    c->type = type_of(TYPE_STRING);
    c->nullable |= c->arg_count == 2;
    return 0;
}

static struct strview hex_of(struct kernel *k, const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(k->ar, 2 * n);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    return strview_make(out, (uint32_t)(2 * n));
}

/* sha2(value, bits): 0 is 256; another number of bits gives null. */
static const EVP_MD *sha2_of(int64_t bits)
{
    switch (bits) {
    case 0:
    case 256: return EVP_sha256();
    case 224: return EVP_sha224();
    case 384: return EVP_sha384();
    case 512: return EVP_sha512();
    default: return NULL;
    }
}

static int run_digest(struct kernel *k, const struct column *args, struct column *out)
{
    struct strview *o = kernel_out(k, out);
    uint8_t *nulls = NULL;
    const char *name = k->node->fn->name;
    bool sha2 = strcmp(name, "sha2") == 0;
    const EVP_MD *md = name[0] == 'm' ? EVP_md5() : EVP_sha1();
    KERNEL_EACH_VALUE(k, r) {
        if (sha2)
            md = sha2_of(arg_i64(&args[1], r));
        if (!md) {
            kernel_set_null(k, out, &nulls, r);
            continue;
        }
        const struct strview *v = arg_text(&args[0], r);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        ASSERT(EVP_Digest(strview_data(v), v->bytes, digest, &n, md, NULL) == 1);
        o[r] = hex_of(k, digest, n);
    }
    return 0;
}

static int resolve_crc(struct fn_call *c, struct error *err)
{
    TRY(fn_cast_arg(c, 0, type_of(TYPE_BINARY), err));
    c->type = type_of(TYPE_BIGINT);
    return 0;
}

static int run_crc(struct kernel *k, const struct column *args, struct column *out)
{
    int64_t *o = kernel_out(k, out);
    KERNEL_EACH_VALUE(k, r) {
        const struct strview *v = arg_text(&args[0], r);
        o[r] = (int64_t)crc32(0, (const unsigned char *)strview_data(v), v->bytes);
    }
    return 0;
}

/* ---- Murmur3, as Spark has it: the bytes after the last word of four are mixed in one by one ---- */

static uint32_t rotate(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

static uint32_t mix(uint32_t h, uint32_t k)
{
    k *= 0xcc9e2d51;
    k = rotate(k, 15) * 0x1b873593;
    return rotate(h ^ k, 13) * 5 + 0xe6546b64;
}

static uint32_t finish(uint32_t h, uint32_t bytes)
{
    h ^= bytes;
    h = (h ^ h >> 16) * 0x85ebca6b;
    h = (h ^ h >> 13) * 0xc2b2ae35;
    return h ^ h >> 16;
}

static uint32_t murmur_i32(uint32_t v, uint32_t seed)
{
    return finish(mix(seed, v), 4);
}

static uint32_t murmur_i64(uint64_t v, uint32_t seed)
{
    return finish(mix(mix(seed, (uint32_t)v), (uint32_t)(v >> 32)), 8);
}

static uint32_t murmur_bytes(const char *p, uint32_t n, uint32_t seed)
{
    uint32_t h = seed, i = 0, word;
    for (; i + 4 <= n; i += 4) {
        memcpy(&word, p + i, 4);
        h = mix(h, word);
    }
    for (; i < n; i++)
        h = mix(h, (uint32_t)(int32_t)(signed char)p[i]);
    return finish(h, n);
}

/* What is hashed of a value: 4 bytes, 8 bytes, or a run of bytes. */
struct hashed {
    enum { HASHED_I32, HASHED_I64, HASHED_BYTES } kind;
    uint64_t word;
    const char *p;
    uint32_t bytes;
};

/* Java's BigInteger.toByteArray: two's complement, big-endian, as few bytes as hold it. */
static uint32_t big_endian(int128_t v, char out[16])
{
    uint32_t n = 16;
    for (int i = 15; i >= 0; i--, v >>= 8)
        out[i] = (char)(v & 0xff);
    uint32_t skip = 0;
    while (skip < 15 && ((out[skip] == 0 && out[skip + 1] >= 0) || (out[skip] == -1 && out[skip + 1] < 0)))
        skip++;
    memmove(out, out + skip, n - skip);
    return n - skip;
}

static struct hashed hashed_of(const struct column *col, uint32_t row, char scratch[16])
{
    uint32_t at = column_idx(col, row);
    struct hashed h = {.kind = HASHED_I32};
    switch (col->type->id) {
    case TYPE_FLOAT: {
        float f = ((const float *)col->data)[at];
        uint32_t bits = 0x7fc00000;
        if (f == 0)
            bits = 0;
        else if (f == f)
            memcpy(&bits, &f, 4);
        h.word = bits;
        return h;
    }
    case TYPE_DOUBLE: {
        double f = ((const double *)col->data)[at];
        h.kind = HASHED_I64;
        h.word = 0x7ff8000000000000ull;
        if (f == 0)
            h.word = 0;
        else if (f == f)
            memcpy(&h.word, &f, 8);
        return h;
    }
    case TYPE_STRING:
    case TYPE_BINARY: {
        const struct strview *s = (const struct strview *)col->data + at;
        h.kind = HASHED_BYTES;
        h.p = strview_data(s);
        h.bytes = s->bytes;
        return h;
    }
    case TYPE_DECIMAL: {
        int128_t v = col->phys == PHYS_I128 ? ((const int128_t *)col->data)[at] : (int128_t)((const int64_t *)col->data)[at];
        if (col->type->precision > 18) {
            h.kind = HASHED_BYTES;
            h.p = scratch;
            h.bytes = big_endian(v, scratch);
            return h;
        }
        h.kind = HASHED_I64;
        h.word = (uint64_t)v;
        return h;
    }
    default: {
        int64_t v = col->phys == PHYS_BOOL || col->phys == PHYS_I8 ? ((const int8_t *)col->data)[at]
                    : col->phys == PHYS_I16                         ? ((const int16_t *)col->data)[at]
                    : col->phys == PHYS_I32                         ? ((const int32_t *)col->data)[at]
                                                                    : ((const int64_t *)col->data)[at];
        h.kind = col->phys == PHYS_I64 ? HASHED_I64 : HASHED_I32;
        h.word = (uint64_t)v;
        return h;
    }
    }
}

static uint64_t hash_value(const struct column *col, uint32_t row, bool xx, uint64_t seed);

static uint64_t hash_children(const struct column *col, uint32_t row, bool xx, uint64_t seed)
{
    uint32_t at = column_idx(col, row);
    if (col->type->id == TYPE_STRUCT) {
        for (uint32_t i = 0; i < col->type->child_count; i++)
            seed = hash_value(&col->children[i], at, xx, seed);
        return seed;
    }
    struct listview lv = ((const struct listview *)col->data)[at];
    for (uint32_t j = 0; j < lv.count; j++) {
        for (uint32_t i = 0; i < col->type->child_count; i++)
            seed = hash_value(&col->children[i], lv.offset + j, xx, seed);
    }
    return seed;
}

static uint64_t hash_value(const struct column *col, uint32_t row, bool xx, uint64_t seed)
{
    if (column_is_null(col, row) || col->type->id == TYPE_NULL)
        return seed;
    if (type_is_nested(col->type))
        return hash_children(col, row, xx, seed);
    char scratch[16];
    struct hashed h = hashed_of(col, row, scratch);
    uint32_t low = (uint32_t)h.word;
    switch (h.kind) {
    case HASHED_I32: return xx ? XXH64(&low, 4, seed) : murmur_i32(low, (uint32_t)seed);
    case HASHED_I64: return xx ? XXH64(&h.word, 8, seed) : murmur_i64(h.word, (uint32_t)seed);
    case HASHED_BYTES: return xx ? XXH64(h.p, h.bytes, seed) : murmur_bytes(h.p, h.bytes, (uint32_t)seed);
    }
    UNREACHABLE("a kind of the enum");
}

static int resolve_hash(struct fn_call *c, struct error *err)
{
    (void)err;
    c->type = type_of(c->row->name[0] == 'x' ? TYPE_BIGINT : TYPE_INT);
    c->nullable = false;
    return 0;
}

static int run_hash(struct kernel *k, const struct column *args, struct column *out)
{
    void *data = kernel_out(k, out);
    bool xx = k->node->fn->name[0] == 'x';
    for (KERNEL_EACH(k, r)) {
        uint64_t h = 42;
        for (uint32_t i = 0; i < k->node->arg_count; i++)
            h = hash_value(&args[i], r, xx, h);
        if (xx)
            ((int64_t *)data)[r] = (int64_t)h;
        else
            ((int32_t *)data)[r] = (int32_t)(uint32_t)h;
    }
    return 0;
}

const struct fn_row fn_hash_rows[] = {
    {"md5", 1, 1, FN_NULL_ANY, resolve_digest, run_digest, "MD5 digest in hexadecimal"},
    {"sha", 1, 1, FN_NULL_ANY, resolve_digest, run_digest, "SHA-1 digest in hexadecimal"},
    {"sha1", 1, 1, FN_NULL_ANY, resolve_digest, run_digest, "SHA-1 digest in hexadecimal"},
    {"sha2", 2, 2, FN_NULL_ANY | FN_OWN_NULLS, resolve_digest, run_digest, "SHA-2 digest of 224, 256, 384 or 512 bits in hexadecimal"},
    {"crc32", 1, 1, FN_NULL_ANY, resolve_crc, run_crc, "CRC-32 checksum"},
    {"hash", 1, 255, FN_NEVER_NULL, resolve_hash, run_hash, "Murmur3 hash of the arguments, seed 42"},
    {"xxhash64", 1, 255, FN_NEVER_NULL, resolve_hash, run_hash, "xxHash of the arguments, seed 42"},
    {0}};
