/* See token.h. The fast way: fields of a line by vector compares. The slow one is machine.c. */
#include "common/format/csv/machine.h"

#include <emmintrin.h>
#include <stdio.h>

/* Bits of the 64 bytes at p that are c; the bytes are collected in seen. */
static inline uint64_t mask_of(const char *p, __m128i c, __m128i *seen)
{
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        *seen = _mm_or_si128(*seen, v);
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, c)) << (16 * i);
    }
    return mask;
}

static int over_limit(const char *p, size_t bytes, const char *why, struct error *err)
{
    struct buf text = BUF_INIT;
    utf8_repair(p, bytes < 1000 ? bytes : 1000, &text);
    int rc = error_set(err, ERR_MALFORMED_CSV, "badRecord", text.data ? text.data : "", NULL);
    buf_fini(&text);
    error_note(err, "%s", why);
    return rc;
}

static int too_many(const struct csv_tokens *t, const char *p, size_t bytes, struct error *err)
{
    char why[96];
    snprintf(why, sizeof why, "it has more fields than the option maxColumns allows: %lld", (long long)t->o->columns_max);
    return over_limit(p, bytes, why, err);
}

/* Puts field k of the record; false when it is too long. */
static inline bool put(struct csv_tokens *t, uint32_t row, uint32_t k, const char *p, size_t bytes)
{
    if (UNLIKELY(t->o->column_chars_max >= 0 && bytes > (uint64_t)t->o->column_chars_max))
        return false;
    if (k < t->slot_last && t->to[k])
        t->to[k][row] = (struct csv_field){p, (uint32_t)bytes};
    if (k < t->all_cap)
        t->all[k] = (struct csv_field){p, (uint32_t)bytes};
    return true;
}

/* A value that does not lie in the file as it is. */
static const char *keep(struct csv_tokens *t)
{
    char *p = arena_alloc(t->arena, t->scratch.bytes + CSV_VALUE_PAD);
    memcpy(p, t->scratch.data, t->scratch.bytes);
    memset(p + t->scratch.bytes, 0, CSV_VALUE_PAD);
    return p;
}

/* Field k from the quoted text at *p; *p is then behind it. 0, or the machine's END, SEP, NL or MORE in *ret_stop. */
static bool quoted(struct csv_tokens *t, struct csv_machine *m, uint32_t row, uint32_t k, int *ret_stop)
{
    const char *from;
    size_t bytes;
    if (csv_machine_plain_quoted(m, &from, &bytes, ret_stop)) {
        if (bytes == 0) {
            from = t->o->empty_value;
            bytes = t->o->empty_bytes;
        }
        return put(t, row, k, from, bytes);
    }
    buf_reset(&t->scratch);
    *ret_stop = csv_machine_quoted(m, &t->scratch);
    if (*ret_stop == CSV_MORE)
        return true;
    if (t->scratch.bytes == 0)
        return put(t, row, k, t->o->empty_value, t->o->empty_bytes);
    return put(t, row, k, keep(t), t->scratch.bytes);
}

static inline bool put_plain(struct csv_tokens *t, uint32_t row, uint32_t k, const char *p, const char *end)
{
    if (t->o->trim_left)
        while (p < end && (unsigned char)*p <= ' ')
            p++;
    if (t->o->trim_right)
        while (p < end && (unsigned char)end[-1] <= ' ')
            end--;
    return put(t, row, k, p == end ? NULL : p, (size_t)(end - p));
}

/* The fields from k on are missing. */
static void end_record(struct csv_tokens *t, uint32_t row, uint32_t k, const char *p, size_t bytes)
{
    t->last_count = k;
    for (uint32_t f = k; f < t->slot_last; f++)
        if (t->to[f])
            t->to[f][row] = (struct csv_field){NULL, 0};
    t->bad[row] = t->count_fields && k != t->expected;
    if (t->keep_records)
        t->records[row] = (struct csv_field){p, (uint32_t)bytes};
}

static inline bool is_sep(const struct csv_options *o, const char *p, const char *end)
{
    return o->sep_bytes == 1 || ((size_t)(end - p) >= o->sep_bytes && memcmp(p, o->sep, o->sep_bytes) == 0);
}

/*
 * The usual line, as far as it goes: one-byte separators, no quotes, nothing to trim or to measure. Puts fields from
 * the front and returns how many; *ret_at is where the next one begins, NULL when the line has ended.
 */
static uint32_t cut_plain(struct csv_tokens *t, const char *p, const char *end, uint32_t row, const char **ret_at)
{
    const __m128i sep = _mm_set1_epi8(t->o->sep[0]);
    __m128i seen = _mm_setzero_si128();
    const uint32_t last = t->slot_last;
    struct csv_field **const to = t->to;
    const char quote = t->o->quote, *at = p, *base = p;
    uint64_t mask = mask_of(base, sep, &seen);
    uint32_t k = 0;
    for (; k < last; k++) {
        if (UNLIKELY(*at == quote) && at < end && quote)
            break;
        while (!mask && (base += 64) < end)
            mask = mask_of(base, sep, &seen);
        const char *q = mask ? base + __builtin_ctzll(mask) : end;
        mask &= mask - 1;
        bool ended = q >= end;
        q = ended ? end : q;
        if (to[k])
            to[k][row] = (struct csv_field){q == at ? NULL : at, (uint32_t)(q - at)};
        at = q + 1;
        if (ended) {
            at = NULL;
            k++;
            break;
        }
    }
    t->not_ascii |= _mm_movemask_epi8(seen) != 0;
    *ret_at = at;
    return k;
}

/* One line, whose end is the end of its last field. */
static int cut(struct csv_tokens *t, const char *p, const char *end, uint32_t row, struct error *err)
{
    const struct csv_options *o = t->o;
    const __m128i sep = _mm_set1_epi8(o->sep[0]);
    __m128i seen = _mm_setzero_si128();
    const char *at = p;
    uint32_t k = 0;
    bool ok = true, more = true;
    if (t->plain) {
        k = cut_plain(t, p, end, row, &at);
        if (!at || (!t->count_fields && k >= t->slot_last)) {
            end_record(t, row, k, p, (size_t)(end - p));
            return 0;
        }
    }
    const char *base = at;
    uint64_t mask = mask_of(base, sep, &seen);
    while (more && ok) {
        if (UNLIKELY(k >= o->columns_max))
            return too_many(t, p, (size_t)(end - p), err);
        if (!t->count_fields && k >= t->slot_last && k >= t->all_cap)
            break;
        const char *begin = at;
        if (o->trim_left)
            while (begin < end && (unsigned char)*begin <= ' ' && *begin != o->sep[0])
                begin++;
        if (UNLIKELY(begin < end && *begin == o->quote && o->quote)) {
            struct csv_machine m = {.o = o, .p = begin + 1, .end = end, .eof = true};
            int stop;
            ok = quoted(t, &m, row, k, &stop);
            more = stop == CSV_SEP;
            at = base = m.p;
            mask = mask_of(base, sep, &seen);
        } else {
            const char *q = end;
            for (;;) {
                while (!mask && (base += 64) < end)
                    mask = mask_of(base, sep, &seen);
                if (!mask || base + __builtin_ctzll(mask) >= end)
                    break;
                const char *s = base + __builtin_ctzll(mask);
                mask &= mask - 1;
                if (s >= begin && is_sep(o, s, end)) {
                    q = s;
                    break;
                }
            }
            ok = put_plain(t, row, k, begin, q);
            more = q < end;
            at = q + o->sep_bytes;
        }
        k++;
    }
    if (!ok)
        return over_limit(p, (size_t)(end - p), "a field is longer than the option maxCharsPerColumn allows", err);
    t->not_ascii |= _mm_movemask_epi8(seen) != 0;
    end_record(t, row, k, p, (size_t)(end - p));
    return 0;
}

bool csv_skips_line(const struct csv_options *o, const char *p, size_t n)
{
    if (n && *p == o->comment)
        return true;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] > ' ')
            return false;
    return true;
}

int csv_take_line(struct csv_tokens *t, const char *p, size_t n, struct error *err)
{
    return cut(t, p, p + n, 0, err);
}

static int take_lines(struct csv_tokens *t, struct text_window *w, uint32_t rows_max, struct error *err)
{
    while (t->rows < rows_max) {
        const char *p;
        size_t n;
        bool any;
        TRY(window_line(w, t->rows > 0, &p, &n, &any, err));
        if (!any)
            break;
        if (n == 0 || (unsigned char)*p <= ' ' || *p == t->o->comment) {
            if (csv_skips_line(t->o, p, n))
                continue;
        }
        TRY(cut(t, p, p + n, t->rows, err));
        t->rows++;
    }
    return 0;
}

/* ---- multiLine ---- */

void csv_detect_line_end(struct csv_tokens *t, const struct text_window *w)
{
    if (t->o->text.line_sep)
        return;
    for (size_t i = w->at; i < w->end; i++) {
        if (w->data[i] == '\n')
            return;
        if (w->data[i] == '\r') {
            t->crlf = i + 1 < w->end && w->data[i + 1] == '\n';
            t->cr = !t->crlf;
            return;
        }
    }
}

/* One record from the machine's place on: CSV_NL, CSV_END, or CSV_MORE when the window ends before it. */
static int cut_multi(struct csv_tokens *t, struct csv_machine *m, uint32_t row, bool *ret_any, struct error *err)
{
    const struct csv_options *o = t->o;
    const char *start = m->p;
    uint32_t k = 0;
    int stop = CSV_SEP;
    bool ok = true;
    *ret_any = false;
    while (stop == CSV_SEP && ok) {
        if (k >= o->columns_max) {
            *ret_any = true;
            return too_many(t, start, (size_t)(m->p - start), err);
        }
        const char *begin = m->p;
        int c = csv_machine_skip(m); /* blanks, where they are to be ignored */
        if (c == CSV_MORE)
            return CSV_MORE;
        if (k == 0 && (c == CSV_NL || c == CSV_END))
            return c; /* nothing at all */
        if (c == (unsigned char)o->quote && o->quote) {
            ok = quoted(t, m, row, k, &stop);
        } else {
            const char *from = o->trim_left ? m->at : begin;
            m->p = m->at;
            stop = csv_machine_plain(m);
            ok = stop == CSV_MORE || put_plain(t, row, k, from, m->at);
        }
        if (stop == CSV_MORE)
            return CSV_MORE;
        k++;
    }
    *ret_any = true;
    if (!ok)
        return over_limit(start, (size_t)(m->p - start), "a field is longer than the option maxCharsPerColumn allows", err);
    const char *end = m->at; /* what is shown of a bad record ends before its line end, whichever it is */
    if (end > start && end[-1] == '\r')
        end--;
    end_record(t, row, k, start, (size_t)(end - start));
    return stop;
}

static int take_multi(struct csv_tokens *t, struct text_window *w, uint32_t rows_max, struct error *err)
{
    while (t->rows < rows_max && !window_done(w)) {
        struct csv_machine m = {.o = t->o, .p = w->data + w->at, .end = w->data + w->end, .eof = w->eof,
                                .multi = true, .crlf = t->crlf, .cr = t->cr};
        bool any = false;
        int stop;
        if (t->o->comment && m.p < m.end && *m.p == t->o->comment) {
            stop = csv_machine_comment(&m);
        } else {
            stop = cut_multi(t, &m, t->rows, &any, err);
            if (stop > 0 && err->code)
                return (int)err->code;
        }
        if (stop == CSV_MORE) {
            if (t->rows)
                break;
            TRY(window_fill(w, err));
            continue;
        }
        w->at = (size_t)(m.p - w->data);
        t->rows += any;
    }
    return 0;
}

int csv_take(struct csv_tokens *t, struct text_window *w, uint32_t rows_max, struct error *err)
{
    t->rows = 0;
    t->not_ascii = t->o->text.multi_line;
    t->plain = t->o->sep_bytes == 1 && !t->o->trim_left && !t->o->trim_right && t->o->column_chars_max < 0 &&
               t->all_cap == 0 && t->slot_last <= t->o->columns_max;
    return t->o->text.multi_line ? take_multi(t, w, rows_max, err) : take_lines(t, w, rows_max, err);
}
