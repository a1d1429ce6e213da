/* Builders and sealed runs; see builder.h. */
#include "common/col/builder.h"

#include <stdlib.h>

#include "common/base/account.h"

/* String bytes live in chunks that never move, so views into them stay valid. */
struct text_chunk {
    struct text_chunk *next;
    size_t bytes, cap;
    char data[];
};

enum { TEXT_CHUNK_MIN = 512, TEXT_CHUNK_MAX = 1 << 20 };

struct column_builder {
    const struct type *type;
    enum phys phys;
    uint32_t rows, cap;
    bool any_null;
    char *data;
    uint8_t *nulls; /* cap bytes once any_null */
    struct text_chunk *text;
    size_t *bytes;  /* the builder's growing total */
    struct column_builder *children;
};

/* Memory of a sealed run: a flat list of what to free. */
struct sealed_mem {
    uint32_t count, cap;
    void **items;
};

static void mem_keep(struct sealed_mem *m, void *p)
{
    if (!p)
        return;
    ARRAY_GROW(m->items, m->count, m->cap);
    m->items[m->count++] = p;
}

struct sealed *sealed_ref(struct sealed *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void sealed_unref(struct sealed *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < s->mem->count; i++)
        free(s->mem->items[i]);
    free(s->mem->items);
    free(s->mem);
    account_release(s->account, s->bytes);
    free(s);
}

/* A window of a column: lists keep their children whole, structs cut them alike. */
static struct column window(const struct column *col, uint32_t at, uint32_t count, struct arena *ar)
{
    struct column w = *col;
    w.rows = count;
    if (col->kind == COL_CONST)
        return w;
    if (col->kind == COL_DICT) {
        w.codes += at;
        return w;
    }
    if (w.nulls)
        w.nulls += at;
    if (col->phys != PHYS_STRUCT) {
        w.data = (const char *)col->data + (size_t)at * phys_bytes(col->phys);
        return w;
    }
    w.children = ARENA_ARRAY(ar, struct column, col->type->child_count);
    for (uint32_t i = 0; i < col->type->child_count; i++)
        w.children[i] = window(&col->children[i], at, count, ar);
    return w;
}

void sealed_window(const struct sealed *s, uint32_t at, uint32_t count, struct column *cols, struct batch *ret_batch,
                   struct arena *ar)
{
    ASSERT(at <= s->rows && count <= s->rows - at && count <= BATCH_ROWS);
    for (uint32_t i = 0; i < s->col_count; i++)
        cols[i] = window(&s->cols[i], at, count, ar);
    *ret_batch = (struct batch){.rows = count, .col_count = s->col_count, .cols = cols, .sel_count = count};
}

/* ---- column builders ---- */

static void cb_init(struct column_builder *cb, const struct type *type, size_t *bytes)
{
    *cb = (struct column_builder){.type = type, .phys = type_phys(type), .bytes = bytes};
    if (type->id == TYPE_DECIMAL)
        cb->phys = PHYS_I64; /* widened when the first wide value comes */
    if (type->child_count) {
        cb->children = xcalloc(type->child_count, sizeof *cb->children);
        for (uint32_t i = 0; i < type->child_count; i++)
            cb_init(&cb->children[i], type->children[i], bytes);
    }
}

static void cb_fini(struct column_builder *cb)
{
    free(cb->data);
    free(cb->nulls);
    while (cb->text) {
        struct text_chunk *next = cb->text->next;
        free(cb->text);
        cb->text = next;
    }
    for (uint32_t i = 0; i < cb->type->child_count; i++)
        cb_fini(&cb->children[i]);
    free(cb->children);
}

static void cb_reserve(struct column_builder *cb, uint32_t more)
{
    if (cb->cap - cb->rows >= more)
        return;
    uint64_t cap = cb->cap ? (uint64_t)cb->cap * 2 : more < 16 ? 16 : more;
    while (cap < (uint64_t)cb->rows + more)
        cap *= 2;
    ASSERT(cap < UINT32_MAX);
    uint32_t width = phys_bytes(cb->phys);
    cb->data = xrealloc(cb->data, cap * width);
    if (cb->nulls) {
        cb->nulls = xrealloc(cb->nulls, cap);
        memset(cb->nulls + cb->cap, 0, cap - cb->cap);
    }
    *cb->bytes += (cap - cb->cap) * (width + (cb->nulls ? 1 : 0));
    cb->cap = (uint32_t)cap;
}

static void cb_need_nulls(struct column_builder *cb)
{
    cb->any_null = true;
    if (cb->nulls || cb->cap == 0)
        return;
    cb->nulls = xcalloc(cb->cap, 1);
    *cb->bytes += cb->cap;
}

static void cb_widen(struct column_builder *cb)
{
    int128_t *wide = xmalloc((size_t)cb->cap * sizeof *wide + 16);
    for (uint32_t i = 0; i < cb->rows; i++)
        wide[i] = ((const int64_t *)(const void *)cb->data)[i];
    free(cb->data);
    cb->data = (char *)wide;
    cb->phys = PHYS_I128;
    *cb->bytes += (size_t)cb->cap * 8;
}

static char *text_room(struct column_builder *cb, uint32_t bytes)
{
    struct text_chunk *t = cb->text;
    if (!t || t->cap - t->bytes < bytes) {
        size_t cap = t ? t->cap * 2 : TEXT_CHUNK_MIN;
        if (cap > TEXT_CHUNK_MAX)
            cap = TEXT_CHUNK_MAX;
        if (cap < bytes)
            cap = bytes;
        t = xmalloc(sizeof *t + cap);
        t->next = cb->text;
        t->bytes = 0;
        t->cap = cap;
        cb->text = t;
        *cb->bytes += sizeof *t + cap;
    }
    char *p = t->data + t->bytes;
    t->bytes += bytes;
    return p;
}

static struct strview keep_view(struct column_builder *cb, const struct strview *s)
{
    if (s->bytes <= STRVIEW_INLINE)
        return *s;
    char *p = text_room(cb, s->bytes);
    memcpy(p, s->ptr, s->bytes);
    struct strview v = *s;
    v.ptr = p;
    return v;
}

/* ---- appending whole columns ---- */

static void cb_append(struct column_builder *cb, const struct column *col, const uint32_t *idx, const uint16_t *sel,
                      uint32_t n);

static void append_nulls(struct column_builder *cb, const struct column *col, const uint32_t *at, uint32_t n)
{
    bool missing = false;
    for (uint32_t i = 0; i < n; i++)
        missing |= at[i] == UINT32_MAX;
    if (!col->nulls && !missing) {
        if (cb->nulls)
            memset(cb->nulls + cb->rows, 0, n);
        return;
    }
    cb_need_nulls(cb);
    uint8_t *out = cb->nulls + cb->rows;
    for (uint32_t i = 0; i < n; i++)
        out[i] = at[i] == UINT32_MAX ? 1 : col->nulls ? col->nulls[at[i]] : 0;
}

#define APPEND(ctype)                                                                              \
    do {                                                                                           \
        const ctype *src = col->data;                                                              \
        ctype *dst = (ctype *)(void *)cb->data + cb->rows;                                         \
        for (uint32_t i = 0; i < n; i++)                                                           \
            dst[i] = at[i] == UINT32_MAX ? (ctype){0} : src[at[i]];                                \
    } while (0)

static void append_text(struct column_builder *cb, const struct column *col, const uint32_t *at, uint32_t n)
{
    const struct strview *src = col->data;
    struct strview *dst = (struct strview *)(void *)cb->data + cb->rows;
    static const struct strview empty;
    for (uint32_t i = 0; i < n; i++) {
        bool null = at[i] == UINT32_MAX || (col->nulls && col->nulls[at[i]]);
        dst[i] = null ? empty : keep_view(cb, &src[at[i]]);
    }
}

static void append_decimal(struct column_builder *cb, const struct column *col, const uint32_t *at, uint32_t n)
{
    if (col->phys == PHYS_I128 && cb->phys == PHYS_I64)
        cb_widen(cb);
    if (cb->phys == PHYS_I64) {
        APPEND(int64_t);
    } else if (col->phys == PHYS_I128) {
        APPEND(int128_t);
    } else {
        const int64_t *src = col->data;
        int128_t *dst = (int128_t *)(void *)cb->data + cb->rows;
        for (uint32_t i = 0; i < n; i++)
            dst[i] = at[i] == UINT32_MAX ? 0 : src[at[i]];
    }
}

static void append_lists(struct column_builder *cb, const struct column *col, const uint32_t *at, uint32_t n)
{
    const struct listview *src = col->data;
    struct listview *dst = (struct listview *)(void *)cb->data + cb->rows;
    uint32_t base = cb->children[0].rows, total = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool null = at[i] == UINT32_MAX || (col->nulls && col->nulls[at[i]]);
        dst[i] = (struct listview){base + total, null ? 0 : src[at[i]].count};
        total += dst[i].count;
    }
    uint32_t *child = xmalloc(((size_t)total + 1) * sizeof *child);
    for (uint32_t i = 0, k = 0; i < n; i++) {
        for (uint32_t j = 0; j < dst[i].count; j++)
            child[k++] = src[at[i]].offset + j;
    }
    for (uint32_t c = 0; c < col->type->child_count; c++)
        cb_append(&cb->children[c], &col->children[c], child, NULL, total);
    free(child);
}

/* Rows idx[0..n), or sel[0..n), or [0, n). */
static void cb_append(struct column_builder *cb, const struct column *col, const uint32_t *idx, const uint16_t *sel,
                      uint32_t n)
{
    ASSERT(col->type == cb->type || strcmp(col->type->text, cb->type->text) == 0);
    if (n == 0)
        return;
    cb_reserve(cb, n);
    uint32_t stack[BATCH_ROWS];
    uint32_t *at = n <= BATCH_ROWS ? stack : xmalloc(n * sizeof *at);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = idx ? idx[i] : sel ? sel[i] : i;
        at[i] = row == UINT32_MAX ? row : column_idx(col, row);
    }
    append_nulls(cb, col, at, n);
    switch (cb->phys) {
    case PHYS_BOOL:
    case PHYS_I8: APPEND(uint8_t); break;
    case PHYS_I16: APPEND(uint16_t); break;
    case PHYS_I32:
    case PHYS_F32: APPEND(uint32_t); break;
    case PHYS_I64:
        if (cb->type->id == TYPE_DECIMAL)
            append_decimal(cb, col, at, n);
        else
            APPEND(int64_t);
        break;
    case PHYS_I128: append_decimal(cb, col, at, n); break;
    case PHYS_F64: APPEND(double); break;
    case PHYS_STR: append_text(cb, col, at, n); break;
    case PHYS_LIST: append_lists(cb, col, at, n); break;
    case PHYS_STRUCT:
        for (uint32_t c = 0; c < cb->type->child_count; c++)
            cb_append(&cb->children[c], &col->children[c], at, NULL, n);
        break;
    case PHYS_COUNT: UNREACHABLE("a phys of the enum");
    }
    cb->rows += n;
    if (at != stack)
        free(at);
}

/* ---- row-wise puts ---- */

static void *put_slot(struct column_builder *cb, bool null)
{
    cb_reserve(cb, 1);
    if (null)
        cb_need_nulls(cb);
    if (cb->nulls)
        cb->nulls[cb->rows] = null;
    return cb->data + (size_t)cb->rows++ * phys_bytes(cb->phys);
}

void column_builder_put_null(struct column_builder *cb)
{
    void *p = put_slot(cb, true);
    memset(p, 0, phys_bytes(cb->phys));
    if (cb->phys == PHYS_LIST)
        ((struct listview *)p)->offset = cb->children[0].rows;
    if (cb->phys == PHYS_STRUCT) {
        for (uint32_t c = 0; c < cb->type->child_count; c++)
            column_builder_put_null(&cb->children[c]);
    }
}

void column_builder_put_i64(struct column_builder *cb, int64_t v)
{
    void *p = put_slot(cb, false);
    switch (cb->phys) {
    case PHYS_BOOL: *(uint8_t *)p = v != 0; break;
    case PHYS_I8: *(int8_t *)p = (int8_t)v; break;
    case PHYS_I16: *(int16_t *)p = (int16_t)v; break;
    case PHYS_I32: *(int32_t *)p = (int32_t)v; break;
    case PHYS_I64: *(int64_t *)p = v; break;
    case PHYS_I128: *(int128_t *)p = v; break;
    default: UNREACHABLE("an integer column");
    }
}

void column_builder_put_i128(struct column_builder *cb, int128_t v)
{
    if (cb->phys == PHYS_I64) {
        if ((int128_t)(int64_t)v == v) {
            column_builder_put_i64(cb, (int64_t)v);
            return;
        }
        ASSERT(cb->type->precision > 18);
        if (cb->cap == 0)
            cb_reserve(cb, 1);
        cb_widen(cb);
    }
    *(int128_t *)put_slot(cb, false) = v;
}

void column_builder_put_f64(struct column_builder *cb, double v)
{
    void *p = put_slot(cb, false);
    if (cb->phys == PHYS_F32)
        *(float *)p = (float)v;
    else
        *(double *)p = v;
}

void column_builder_put_str(struct column_builder *cb, const char *s, uint32_t bytes)
{
    struct strview v = strview_make(s, bytes);
    struct strview kept = keep_view(cb, &v);
    *(struct strview *)put_slot(cb, false) = kept;
}

void column_builder_put_list(struct column_builder *cb, uint32_t count)
{
    ASSERT(cb->children[0].rows >= count);
    uint32_t offset = cb->children[0].rows - count;
    *(struct listview *)put_slot(cb, false) = (struct listview){offset, count};
}

void column_builder_put_struct(struct column_builder *cb)
{
    put_slot(cb, false);
    for (uint32_t c = 0; c < cb->type->child_count; c++)
        ASSERT(cb->children[c].rows == cb->rows);
}

uint32_t column_builder_rows(const struct column_builder *cb)
{
    return cb->rows;
}

struct column_builder *column_builder_child(struct column_builder *cb, uint32_t child)
{
    ASSERT(child < cb->type->child_count);
    return &cb->children[child];
}

/* ---- builders ---- */

void builder_init(struct builder *bd, uint32_t col_count, const struct type *const *types, struct account *account)
{
    *bd = (struct builder){.col_count = col_count, .account = account};
    bd->cols = xcalloc(col_count + 1, sizeof *bd->cols);
    size_t *total = xcalloc(2, sizeof *total); /* [0] bytes held by columns, [1] of them reserved */
    for (uint32_t i = 0; i < col_count; i++)
        cb_init(&bd->cols[i], types[i], total);
    bd->cols[col_count].bytes = total;
}

static size_t *totals(const struct builder *bd)
{
    return bd->cols[bd->col_count].bytes;
}

void builder_fini(struct builder *bd)
{
    if (!bd->cols)
        return;
    for (uint32_t i = 0; i < bd->col_count; i++)
        cb_fini(&bd->cols[i]);
    account_release(bd->account, bd->bytes);
    free(totals(bd));
    free(bd->cols);
    *bd = (struct builder){0};
}

/* Growth is charged just after it happened: one batch's worth at most is ever touched unreserved. */
static int charge(struct builder *bd, struct error *err)
{
    size_t now = *totals(bd);
    if (now > bd->bytes) {
        TRY(account_reserve(bd->account, now - bd->bytes, err));
        bd->bytes = now;
    }
    return 0;
}

int builder_append(struct builder *bd, const struct batch *b, struct error *err)
{
    ASSERT(b->col_count == bd->col_count);
    for (uint32_t i = 0; i < bd->col_count; i++)
        cb_append(&bd->cols[i], &b->cols[i], NULL, b->sel, b->sel_count);
    bd->rows += b->sel_count;
    return charge(bd, err);
}

int builder_append_rows(struct builder *bd, const struct batch *b, const uint32_t *idx, uint32_t count,
                        struct error *err)
{
    ASSERT(b->col_count == bd->col_count);
    for (uint32_t i = 0; i < bd->col_count; i++)
        cb_append(&bd->cols[i], &b->cols[i], idx, NULL, count);
    bd->rows += count;
    return charge(bd, err);
}

struct column_builder *builder_column(struct builder *bd, uint32_t col)
{
    ASSERT(col < bd->col_count);
    return &bd->cols[col];
}

void builder_put_null(struct builder *bd, uint32_t col)
{
    column_builder_put_null(builder_column(bd, col));
}

void builder_put_i64(struct builder *bd, uint32_t col, int64_t v)
{
    column_builder_put_i64(builder_column(bd, col), v);
}

void builder_put_i128(struct builder *bd, uint32_t col, int128_t v)
{
    column_builder_put_i128(builder_column(bd, col), v);
}

void builder_put_f64(struct builder *bd, uint32_t col, double v)
{
    column_builder_put_f64(builder_column(bd, col), v);
}

void builder_put_str(struct builder *bd, uint32_t col, const char *p, uint32_t bytes)
{
    column_builder_put_str(builder_column(bd, col), p, bytes);
}

int builder_end_row(struct builder *bd, struct error *err)
{
    bd->rows++;
    for (uint32_t i = 0; i < bd->col_count; i++)
        ASSERT(bd->cols[i].rows == bd->rows);
    return charge(bd, err);
}

/* Moves what cb holds into a column; the builder's column starts anew. */
static struct column seal_column(struct column_builder *cb, struct sealed_mem *mem)
{
    struct column col = {.type = cb->type, .phys = cb->phys, .kind = COL_FLAT, .rows = cb->rows};
    col.data = cb->data;
    col.nulls = cb->any_null ? cb->nulls : NULL;
    mem_keep(mem, cb->data);
    mem_keep(mem, cb->nulls);
    for (struct text_chunk *t = cb->text; t; t = t->next)
        mem_keep(mem, t);
    if (cb->type->child_count) {
        col.children = xcalloc(cb->type->child_count, sizeof *col.children);
        mem_keep(mem, col.children);
        for (uint32_t i = 0; i < cb->type->child_count; i++)
            col.children[i] = seal_column(&cb->children[i], mem);
    }
    struct column_builder *children = cb->children;
    *cb = (struct column_builder){.type = cb->type, .phys = cb->type->id == TYPE_DECIMAL ? PHYS_I64 : cb->phys,
                                  .bytes = cb->bytes, .children = children};
    return col;
}

size_t builder_held(const struct builder *bd)
{
    return *totals(bd);
}

struct sealed *builder_seal(struct builder *bd)
{
    if (bd->rows == 0)
        return NULL;
    struct sealed *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->rows = bd->rows;
    s->col_count = bd->col_count;
    s->account = bd->account;
    s->bytes = bd->bytes;
    s->mem = xcalloc(1, sizeof *s->mem);
    s->cols = xcalloc(bd->col_count + 1, sizeof *s->cols);
    mem_keep(s->mem, s->cols);
    for (uint32_t i = 0; i < bd->col_count; i++)
        s->cols[i] = seal_column(&bd->cols[i], s->mem);
    bd->rows = 0;
    bd->bytes = 0;
    *totals(bd) = 0;
    return s;
}
