/* Sort keys, sorting and merging; see order.h. */
#include "executor/op/order.h"

#include <stdlib.h>

/* Bits of a key's value in the norm, 0: as many bytes as are left (strings, wide decimals). */
static uint32_t value_bits(const struct type *t)
{
    switch (type_phys(t)) {
    case PHYS_BOOL:
    case PHYS_I8: return 8;
    case PHYS_I16: return 16;
    case PHYS_I32:
    case PHYS_F32: return 32;
    case PHYS_I64:
    case PHYS_F64: return 64;
    default: return 0;
    }
}

int order_compile(struct node_code *nc, const struct sort_key *keys, uint32_t count, struct order_code *ret,
                  struct error *err)
{
    struct arena *ar = &nc->stage->ar;
    const struct pnode *in = nc->node->input_count ? nc->node->inputs[0] : nc->node;
    const struct type *const *in_types = nc->node->input_count ? nc->in_types : nc->out_types;
    struct order_code o = {.count = count, .keys = keys, .in_count = in->out.count, .exact = true};
    struct expr **list = ARENA_ARRAY(ar, struct expr *, count);
    o.types = ARENA_ARRAY(ar, const struct type *, o.in_count + count);
    o.key_col = ARENA_ARRAY(ar, uint32_t, count);
    memcpy(o.types, in_types, o.in_count * sizeof *o.types);
    o.col_count = o.in_count;
    uint32_t bits = 0;
    for (uint32_t k = 0; k < count; k++) {
        const struct expr *e = list[k] = keys[k].expr;
        if (e->kind == EXPR_COLUMN) {
            o.key_col[k] = e->column;
        } else {
            o.key_col[k] = o.col_count;
            o.types[o.col_count++] = e->type;
        }
        uint32_t value = value_bits(e->type);
        bits += value + (e->nullable ? 8 : 0);
        if (value == 0 || bits > 128)
            o.exact = false;
    }
    TRY(exprs_compile(nc->stage, list, count, in_types, o.in_count, &o.exprs, err));
    *ret = o;
    return 0;
}

static uint64_t flip_double(double v)
{
    uint64_t u;
    if (v == 0)
        v = 0;
    if (v != v)
        return UINT64_MAX; /* NaN is the largest */
    memcpy(&u, &v, 8);
    return u >> 63 ? ~u : u | 1ull << 63;
}

static uint64_t flip_float(float v)
{
    uint32_t u;
    if (v == 0)
        v = 0;
    if (v != v)
        return UINT32_MAX;
    memcpy(&u, &v, 4);
    return u >> 31 ? (uint32_t)~u : u | 1u << 31;
}

/* The value's bits, left-aligned in 128. */
static uint128_t value_norm(const struct column *col, uint32_t at)
{
    switch (col->phys) {
    case PHYS_BOOL: return (uint128_t)((const uint8_t *)col->data)[at] << 120;
    case PHYS_I8: return (uint128_t)(uint8_t)(((const uint8_t *)col->data)[at] ^ 0x80) << 120;
    case PHYS_I16: return (uint128_t)(uint16_t)(((const uint16_t *)col->data)[at] ^ 0x8000) << 112;
    case PHYS_I32: return (uint128_t)(((const uint32_t *)col->data)[at] ^ 1u << 31) << 96;
    case PHYS_F32: return (uint128_t)flip_float(((const float *)col->data)[at]) << 96;
    case PHYS_F64: return (uint128_t)flip_double(((const double *)col->data)[at]) << 64;
    case PHYS_I64:
        if (col->type->precision > 18 && col->type->id == TYPE_DECIMAL) /* as its wide brothers */
            return (uint128_t)((int128_t)((const int64_t *)col->data)[at]) ^ (uint128_t)1 << 127;
        return (uint128_t)(((const uint64_t *)col->data)[at] ^ 1ull << 63) << 64;
    case PHYS_I128: return (uint128_t)((const int128_t *)col->data)[at] ^ (uint128_t)1 << 127;
    case PHYS_STR: {
        const struct strview *s = (const struct strview *)col->data + at;
        unsigned char p[16] = {0};
        memcpy(p, strview_data(s), s->bytes < 16 ? s->bytes : 16);
        uint64_t hi, lo;
        memcpy(&hi, p, 8);
        memcpy(&lo, p + 8, 8);
        return (uint128_t)__builtin_bswap64(hi) << 64 | __builtin_bswap64(lo);
    }
    default: return 0; /* nested: by the columns */
    }
}

void order_norm(const struct order_code *o, const struct column *keys, const uint16_t *sel, uint32_t n, uint128_t *norm)
{
    memset(norm, 0, n * sizeof *norm);
    uint32_t used = 0;
    for (uint32_t k = 0; k < o->count && used < 128; k++) {
        const struct sort_key *key = &o->keys[k];
        uint32_t bits = value_bits(keys[k].type), flag = key->expr->nullable ? 8 : 0;
        uint128_t mask = bits ? ~((~(uint128_t)0) >> bits) : ~(uint128_t)0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = column_idx(&keys[k], sel ? sel[i] : i);
            bool null = keys[k].nulls && keys[k].nulls[at];
            if (flag)
                norm[i] |= (uint128_t)(null == key->nulls_last) << (120 - used);
            if (null || used + flag >= 128)
                continue;
            uint128_t v = value_norm(&keys[k], at);
            if (key->descending)
                v = ~v & mask;
            norm[i] |= v >> (used + flag);
        }
        used += flag + bits;
        if (bits == 0)
            break;
    }
}

int order_cmp(const struct order_code *o, const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b)
{
    for (uint32_t k = 0; k < o->count; k++) {
        const struct column *ca = &a[o->key_col[k]], *cb = &b[o->key_col[k]];
        bool na = column_is_null(ca, row_a), nb = column_is_null(cb, row_b);
        if (na || nb) {
            if (na != nb)
                return na == o->keys[k].nulls_last ? 1 : -1;
            continue;
        }
        int c = column_cmp(ca, row_a, cb, row_b);
        if (c != 0)
            return o->keys[k].descending ? -c : c;
    }
    return 0;
}

/* ---- sorting: a merge sort, stable ---- */

static inline bool not_after(const struct order_code *o, const struct order_entry *a, const struct order_entry *b,
                             const struct column *cols)
{
    if (a->hi != b->hi)
        return a->hi < b->hi;
    if (a->lo != b->lo)
        return a->lo < b->lo;
    return o->exact || order_cmp(o, cols, a->row, cols, b->row) <= 0;
}

static void insertion(const struct order_code *o, struct order_entry *e, uint32_t n, const struct column *cols)
{
    for (uint32_t i = 1; i < n; i++) {
        struct order_entry v = e[i];
        uint32_t j = i;
        for (; j > 0 && !not_after(o, &e[j - 1], &v, cols); j--)
            e[j] = e[j - 1];
        e[j] = v;
    }
}

void order_sort(const struct order_code *o, struct order_entry *entries, struct order_entry *tmp, uint32_t count,
                const struct column *cols)
{
    enum { SMALL = 16 };
    if (count <= SMALL) {
        insertion(o, entries, count, cols);
        return;
    }
    uint32_t half = count / 2;
    order_sort(o, entries, tmp, half, cols);
    order_sort(o, entries + half, tmp, count - half, cols);
    if (not_after(o, &entries[half - 1], &entries[half], cols))
        return;
    memcpy(tmp, entries, half * sizeof *tmp);
    uint32_t a = 0, b = half, out = 0;
    while (a < half && b < count)
        entries[out++] = not_after(o, &tmp[a], &entries[b], cols) ? tmp[a++] : entries[b++];
    memcpy(entries + out, tmp + a, (half - a) * sizeof *tmp);
}

/* ---- merging ---- */

static void drop_norm(struct order_cursor *c)
{
    if (!c->norm_bytes)
        return;
    free(c->norm);
    account_release(c->account, c->norm_bytes);
    c->norm = NULL;
    c->norm_bytes = 0;
}

void order_cursor_fini(struct order_cursor *c)
{
    sealed_unref(c->piece);
    for (; c->more_at < c->more_count; c->more_at++)
        sealed_unref(c->more[c->more_at]);
    free(c->more);
    drop_norm(c);
    buf_fini(&c->frames);
    *c = (struct order_cursor){0};
}

static int make_norm(const struct order_code *o, struct order_cursor *c, struct account *account, struct error *err)
{
    size_t bytes = (size_t)c->piece->rows * sizeof *c->norm + 16;
    TRY(account_reserve(account, bytes, err));
    c->account = account;
    c->norm_bytes = bytes;
    c->norm = xmalloc(bytes);
    struct column *keys = xcalloc(o->count + 1, sizeof *keys);
    for (uint32_t k = 0; k < o->count; k++)
        keys[k] = c->piece->cols[o->key_col[k]];
    order_norm(o, keys, NULL, c->piece->rows, c->norm);
    free(keys);
    return 0;
}

int order_cursor_load(const struct order_code *o, struct order_cursor *c, struct account *account, struct error *err)
{
    struct sealed *next = NULL;
    if (c->more_at < c->more_count) {
        next = c->more[c->more_at++];
    } else if (c->frame_at < c->frames.bytes) {
        size_t used;
        TRY(frame_decode(c->frames.data + c->frame_at, c->frames.bytes - c->frame_at, account, &next, &used, err));
        c->frame_at += used;
    }
    sealed_unref(c->piece);
    drop_norm(c);
    c->piece = next;
    c->at = 0;
    c->order = NULL;
    c->norm = NULL;
    return next ? make_norm(o, c, account, err) : 0;
}

static uint32_t cursor_row(const struct order_cursor *c)
{
    return c->order ? c->order[c->at] : c->at;
}

/* The first of equal rows comes from the first cursor, so that the merge is stable. */
static bool before(const struct order_merge *m, uint32_t x, uint32_t y)
{
    const struct order_cursor *a = &m->cursors[x], *b = &m->cursors[y];
    if (a->norm[a->at] != b->norm[b->at])
        return a->norm[a->at] < b->norm[b->at];
    int c = m->code->exact ? 0 : order_cmp(m->code, a->piece->cols, cursor_row(a), b->piece->cols, cursor_row(b));
    return c != 0 ? c < 0 : x < y;
}

static void sift(struct order_merge *m, uint32_t at)
{
    uint32_t *h = m->heap, v = h[at];
    for (uint32_t child; (child = at * 2 + 1) < m->live; at = child) {
        if (child + 1 < m->live && before(m, h[child + 1], h[child]))
            child++;
        if (!before(m, h[child], v))
            break;
        h[at] = h[child];
    }
    h[at] = v;
}

static void start(struct order_merge *m, struct account *account)
{
    builder_init(&m->out, m->code->col_count, m->code->types, account);
    m->heap = xmalloc((m->count + 1) * sizeof *m->heap);
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->cursors[i].piece)
            m->heap[m->live++] = i;
    }
    for (uint32_t i = m->live / 2; i-- > 0;)
        sift(m, i);
    m->started = true;
}

static int add_rows(struct order_merge *m, const struct order_cursor *c, const uint32_t *rows, uint32_t n, struct error *err)
{
    struct batch b = {.rows = c->piece->rows, .sel_count = c->piece->rows, .col_count = c->piece->col_count,
                      .cols = c->piece->cols};
    return n ? builder_append_rows(&m->out, &b, rows, n, err) : 0;
}

int order_merge_next(struct order_merge *m, uint32_t most, struct account *account, struct sealed **ret, struct error *err)
{
    if (!m->started)
        start(m, account);
    uint32_t rows[BATCH_ROWS], n = 0, total = 0; /* a stretch of rows of one cursor */
    struct order_cursor *from = NULL;
    while (total < most && m->live) {
        struct order_cursor *c = &m->cursors[m->heap[0]];
        if (c != from || n == BATCH_ROWS) {
            if (from)
                TRY(add_rows(m, from, rows, n, err));
            n = 0;
            from = c;
        }
        rows[n++] = cursor_row(c);
        total++;
        if (++c->at == c->piece->rows) {
            TRY(add_rows(m, c, rows, n, err));
            n = 0;
            from = NULL;
            TRY(order_cursor_load(m->code, c, account, err));
            if (!c->piece)
                m->heap[0] = m->heap[--m->live];
        }
        if (m->live)
            sift(m, 0);
    }
    if (from)
        TRY(add_rows(m, from, rows, n, err));
    *ret = builder_seal(&m->out);
    return 0;
}

void order_merge_fini(struct order_merge *m)
{
    for (uint32_t i = 0; i < m->count && m->cursors; i++)
        order_cursor_fini(&m->cursors[i]);
    free(m->cursors);
    free(m->heap);
    if (m->started)
        builder_fini(&m->out);
    *m = (struct order_merge){0};
}
