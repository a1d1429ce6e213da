/*
 * Builders collect rows; sealing one gives immutable batches that are shared by reference count and may
 * cross threads, be kept, spilled, hashed again or put on a wire. A builder belongs to one thread.
 *
 * A sealed run owns all its memory (string bytes included) and may hold more than BATCH_ROWS rows: it is
 * stored as whole columns; sealed_batch() gives windows of batch_rows() over them.
 */
#pragma once

#include "common/col/column.h"

struct account; /* common/base/account.h */

struct sealed {
    uint32_t refs; /* atomic */
    uint32_t rows;
    uint32_t col_count;
    struct column *cols;  /* FLAT (CONST and DICT only when built by sealed_wrap), rows values each */
    size_t bytes;         /* memory held, charged to account */
    struct account *account;
    struct sealed_mem *mem; /* what is freed at the end */
};

struct sealed *sealed_ref(struct sealed *s);
void sealed_unref(struct sealed *s); /* accepts NULL */
/* A view of rows [at, at + count): cols must have room for col_count columns. Borrowed from s; ar takes the children of
 * struct columns. */
void sealed_window(const struct sealed *s, uint32_t at, uint32_t count, struct column *cols, struct batch *ret_batch,
                   struct arena *ar);

struct builder {
    uint32_t col_count;
    uint32_t rows;
    size_t bytes;                  /* reserved from the account */
    struct account *account;       /* may be NULL: not charged */
    struct column_builder *cols;
};

void builder_init(struct builder *bd, uint32_t col_count, const struct type *const *types, struct account *account);
void builder_fini(struct builder *bd); /* drops what is not sealed */
/* Appends the selected rows of b (whose columns have the builder's types), copying string bytes. ERR_TASK_MEMORY: they
 * are in, but not charged. */
WARN_UNUSED int builder_append(struct builder *bd, const struct batch *b, struct error *err);
/* Appends rows idx[0..count) of b in that order (selection ignored; UINT32_MAX: a null row). */
WARN_UNUSED int builder_append_rows(struct builder *bd, const struct batch *b, const uint32_t *idx, uint32_t count,
                                    struct error *err);
/* Row-wise: for readers of text formats and small tables. Call one builder_put_* per column, then builder_end_row. */
void builder_put_null(struct builder *bd, uint32_t col);
void builder_put_i64(struct builder *bd, uint32_t col, int64_t v);  /* BOOL, I8..I64, decimals p <= 18 too */
void builder_put_i128(struct builder *bd, uint32_t col, int128_t v);
void builder_put_f64(struct builder *bd, uint32_t col, double v);   /* F32 too */
void builder_put_str(struct builder *bd, uint32_t col, const char *p, uint32_t bytes); /* copies */
/* Nested: opens a list or struct value; puts go to builder_child(bd, col, i) until builder_close. */
struct column_builder *builder_column(struct builder *bd, uint32_t col);
struct column_builder *column_builder_child(struct column_builder *cb, uint32_t child);
void column_builder_put_null(struct column_builder *cb);
void column_builder_put_i64(struct column_builder *cb, int64_t v);
void column_builder_put_i128(struct column_builder *cb, int128_t v);
void column_builder_put_f64(struct column_builder *cb, double v);
void column_builder_put_str(struct column_builder *cb, const char *p, uint32_t bytes);
void column_builder_put_list(struct column_builder *cb, uint32_t count); /* its last count child rows are the list */
void column_builder_put_struct(struct column_builder *cb);               /* each child got one row before */
uint32_t column_builder_rows(const struct column_builder *cb);
/* Ends a row of puts: every column has the same count of rows now (asserted). */
WARN_UNUSED int builder_end_row(struct builder *bd, struct error *err);
/* Memory that the rows so far take: more than `bytes` after an append that was refused, whose rows are in nevertheless. */
size_t builder_held(const struct builder *bd);
/* Seals all rows so far: a new reference; the builder is empty again. NULL when there are no rows. */
struct sealed *builder_seal(struct builder *bd);

/*
 * The batch frame: a sealed run as checksummed bytes, for exchanges, spill and cache. Little-endian:
 *   u32 magic "DBF1", u32 crc32c of all that follows, u64 total bytes, u32 rows, u32 columns, u8 codec, pad,
 *   then each column: type text, phys, kind, has-nulls, buffers 8-aligned (strings: lengths, then bytes).
 * decode checks the checksum, the count of rows (2^24 at most) and every length before use: ERR_CHUNK_DAMAGED. The types come from the frame
 * and must equal the expected ones when given.
 */
enum frame_codec { FRAME_RAW = 0, FRAME_LZ4 = 1, FRAME_ZSTD = 2 };
void frame_encode(const struct sealed *s, enum frame_codec codec, struct buf *out); /* appended, 8-aligned start */
/* Bytes of the frame that begins at p, or 0 when bytes are too few to tell or nothing such begins there. */
uint64_t frame_bytes(const void *p, size_t bytes);
/* Decodes one frame from p; *ret_used gets its bytes. The sealed run copies what it needs. */
WARN_UNUSED int frame_decode(const void *p, size_t bytes, struct account *account, struct sealed **ret_sealed,
                             size_t *ret_used, struct error *err);
