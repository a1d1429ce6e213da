/* See machine.h. */
#include "common/format/csv/machine.h"

#include <emmintrin.h>

static bool sep_at(const struct csv_machine *m, const char *p)
{
    return (size_t)(m->end - p) >= m->o->sep_bytes && memcmp(p, m->o->sep, m->o->sep_bytes) == 0;
}

/* The next thing: a byte, a separator, a line end, the end of all, or not known before more text comes. */
static int next(struct csv_machine *m)
{
    const struct csv_options *o = m->o;
    m->at = m->p;
    if (m->p == m->end)
        return m->eof ? CSV_END : CSV_MORE;
    unsigned char c = (unsigned char)*m->p;
    uint32_t ahead = o->sep_bytes > o->text.line_sep_bytes ? o->sep_bytes : o->text.line_sep_bytes;
    if (!m->eof && (size_t)(m->end - m->p) < (ahead > 2 ? ahead : 2))
        return CSV_MORE;
    if (c == (unsigned char)o->sep[0] && sep_at(m, m->p)) {
        m->p += o->sep_bytes;
        return CSV_SEP;
    }
    if (m->multi && o->text.line_sep) {
        uint32_t n = o->text.line_sep_bytes;
        if ((size_t)(m->end - m->p) >= n && memcmp(m->p, o->text.line_sep, n) == 0) {
            m->p += n;
            return CSV_NL;
        }
    } else if (m->multi && (c == '\n' || (c == '\r' && m->cr))) {
        m->p++;
        return CSV_NL;
    } else if (m->multi && c == '\r' && m->crlf && m->p + 1 < m->end && m->p[1] == '\n') {
        m->p += 2;
        return CSV_NL;
    }
    m->p++;
    return c;
}

/* What was taken last, as bytes of a value. */
static void add(struct csv_machine *m, int c, struct buf *out)
{
    if (c == CSV_NL && !m->o->text.line_sep)
        buf_addc(out, '\n'); /* line ends inside values are all written alike */
    else
        buf_add(out, m->at, (size_t)(m->p - m->at));
}

static bool is_end(int c)
{
    return c == CSV_END || c == CSV_MORE;
}

static void trim_right(const struct csv_machine *m, struct buf *out)
{
    while (m->o->trim_right && out->bytes && (unsigned char)out->data[out->bytes - 1] <= ' ')
        out->bytes--;
}

/*
 * A quote was not what it seemed: the value is everything from the opening quote to the next separator. The parser
 * that is followed here remembers the first character of that rest when the text ends with it: a quote is added once more
 * (adds_quote: where blanks and something else came before).
 */
static int as_it_is(struct csv_machine *m, bool adds_quote, struct buf *out)
{
    buf_addc(out, 0);
    memmove(out->data + 1, out->data, out->bytes - 1);
    out->data[0] = m->o->quote;
    int first = next(m), c = first;
    for (; c >= 0; c = next(m))
        add(m, c, out);
    if (c == CSV_END && adds_quote && first == (unsigned char)m->o->quote)
        buf_addc(out, m->o->quote);
    trim_right(m, out);
    return c;
}

/* A quote or an escape c after prev that stands for a character; false when it stands for none. */
static bool add_escaped(const struct csv_machine *m, int *c, int prev, struct buf *out)
{
    int quote = (unsigned char)m->o->quote, escape = (unsigned char)m->o->escape, escape2 = (unsigned char)m->o->escape_escape;
    if (*c == escape && prev == escape2 && escape2) {
        buf_addc(out, (char)escape);
        *c = 0;
    } else if (prev == escape) {
        buf_addc(out, (char)(*c == quote ? quote : prev));
        *c = *c == quote ? 0 : *c;
    } else if (*c == quote && prev == quote) {
        buf_addc(out, (char)quote);
    } else {
        return false;
    }
    return true;
}

/* A quote inside that the escape c follows: text up to the separator, in which escapes still count. */
static int escaped_text(struct csv_machine *m, int c, struct buf *out)
{
    int quote = (unsigned char)m->o->quote, escape = (unsigned char)m->o->escape, prev = c;
    for (; c >= 0; c = next(m)) {
        if (prev == quote && c != quote) {
            buf_addc(out, (char)quote);
            prev = c;
        }
        if (c != quote && c != escape)
            buf_addc(out, (char)c);
        else
            add_escaped(m, &c, prev, out);
        prev = c;
    }
    return c;
}

/* Blanks after a closing quote mean nothing, unless text follows them. */
static int after_quote(struct csv_machine *m, int c, struct buf *out)
{
    if (c < 0)
        return c;
    const char *blanks = m->at;
    do {
        c = next(m);
        if (c == CSV_NL || is_end(c))
            return c;
    } while (c >= 0 && c <= ' ');
    if (c == CSV_SEP)
        return c;
    buf_addc(out, m->o->quote);
    buf_add(out, blanks, (size_t)(m->p - blanks));
    return as_it_is(m, c != (unsigned char)m->o->quote, out);
}

/* Takes the rest of a run without quotes and escapes; returns what stopped it. */
static int run(struct csv_machine *m, int c, int quote, int escape, int escape2, struct buf *out)
{
    while (!is_end(c) && !(c >= 0 && (c == quote || c == escape || (escape2 && c == escape2)))) {
        add(m, c, out);
        if (!m->multi) { /* nothing but these ends a run within a line */
            const char *from = m->p;
            while (m->p < m->end && (unsigned char)*m->p != quote && (unsigned char)*m->p != escape &&
                   (!escape2 || (unsigned char)*m->p != escape2))
                m->p++;
            buf_add(out, from, (size_t)(m->p - from));
        }
        c = next(m);
    }
    return c;
}

int csv_machine_quoted(struct csv_machine *m, struct buf *out)
{
    int quote = (unsigned char)m->o->quote, escape = (unsigned char)m->o->escape;
    int escape2 = (unsigned char)m->o->escape_escape, prev = 0, c = next(m);
    if (c == CSV_END) { /* a lone quote at the end is a quote */
        buf_addc(out, (char)quote);
        return c;
    }
    for (;;) {
        if (is_end(c))
            return c;
        if (prev == quote && (c == CSV_SEP || c == CSV_NL || (c >= 0 && c <= ' ')))
            return after_quote(m, c, out);
        if (c < 0 || (c != quote && c != escape)) {
            if (prev == quote) {
                buf_addc(out, (char)quote);
                buf_addc(out, (char)c);
                return as_it_is(m, false, out);
            }
            if (prev == escape && escape)
                buf_addc(out, (char)escape);
            c = run(m, c, quote, escape, escape2, out);
            if (is_end(c))
                return c;
            prev = c;
            c = next(m);
            continue;
        }
        if (!add_escaped(m, &c, prev, out) && prev == quote) {
            buf_addc(out, (char)quote);
            c = escaped_text(m, c, out); /* takes the separator along */
            if (is_end(c))
                return c;
        }
        prev = c;
        c = next(m);
    }
}

/* The closing quote of a value that can be taken as it lies there; NULL when an escape may mean something. */
static const char *find_close(const struct csv_machine *m, bool *ret_escapes)
{
    char quote = m->o->quote, escape = m->o->escape, escape2 = m->o->escape_escape;
    *ret_escapes = false;
    for (const char *p = m->p; p < m->end; p++) {
        if (*p == quote)
            return p[-1] == escape && escape && p > m->p ? NULL : p;
        if (*p == escape && escape) {
            if (p + 1 < m->end && (p[1] == quote || (p[1] == escape2 && escape2)))
                return NULL;
            *ret_escapes = true;
        }
        *ret_escapes |= *p == escape2 && escape2;
        if (m->multi && (*p == '\n' || *p == '\r'))
            return NULL;
    }
    return NULL;
}

bool csv_machine_plain_quoted(struct csv_machine *m, const char **ret_p, size_t *ret_bytes, int *ret_stop)
{
    bool escapes;
    const char *q = find_close(m, &escapes);
    if (!q)
        return false;
    struct csv_machine after = *m;
    after.p = q + 1;
    int stop = next(&after);
    if (stop == CSV_MORE || stop >= 0 || (escapes && (stop == CSV_END || m->o->sep_bytes > 1)))
        return false;
    *ret_p = m->p;
    *ret_bytes = (size_t)(q - m->p);
    *ret_stop = stop;
    *m = after;
    return true;
}

/* The first byte that may end an unquoted value. */
static const char *find_stop(const struct csv_machine *m)
{
    const char *p = m->p;
    char line_end = m->o->text.line_sep ? m->o->text.line_sep[0] : '\n';
    const __m128i sep = _mm_set1_epi8(m->o->sep[0]), end1 = _mm_set1_epi8(line_end), end2 = _mm_set1_epi8('\r');
    for (; p < m->end; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, end2), _mm_or_si128(_mm_cmpeq_epi8(v, sep), _mm_cmpeq_epi8(v, end1)));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) {
            p += __builtin_ctz(mask);
            break;
        }
    }
    return p < m->end ? p : m->end;
}

int csv_machine_plain(struct csv_machine *m)
{
    int c;
    do {
        m->p = find_stop(m);
        c = next(m);
    } while (c >= 0);
    return c;
}

int csv_machine_skip(struct csv_machine *m)
{
    int c = next(m);
    while (m->o->trim_left && c >= 0 && c <= ' ')
        c = next(m);
    return c;
}

int csv_machine_comment(struct csv_machine *m)
{
    for (;;) {
        int c = next(m);
        if (c == CSV_NL || is_end(c))
            return c;
    }
}
