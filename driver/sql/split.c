/*
 * Where statements end in a stream of text; see parser.h. A scanner of a few states over bytes: what it must
 * know of SQL is only what can hide a ';'. A two-byte opener may be cut by the end of a piece, so the scanner
 * stops one byte early until more comes or the input is finished.
 */
#include "driver/sql/parser.h"

#include <ctype.h>

void split_init(struct splitter *sp)
{
    *sp = (struct splitter){.blank = true};
}

void split_fini(struct splitter *sp)
{
    buf_fini(&sp->text);
}

void split_reset(struct splitter *sp)
{
    for (size_t i = sp->start; i < sp->text.bytes; i++)
        sp->line += sp->text.data[i] == '\n';
    sp->base += sp->text.bytes;
    buf_reset(&sp->text);
    sp->start = sp->at = 0;
    sp->state = SPLIT_TEXT;
    sp->nesting = 0;
    sp->blank = true;
    sp->previous = sp->before = 0;
}

/* Drops what was handed out, once it is worth the move. */
static void compact(struct splitter *sp)
{
    if (sp->start == 0)
        return;
    memmove(sp->text.data, sp->text.data + sp->start, sp->text.bytes - sp->start);
    sp->text.bytes -= sp->start;
    sp->text.data[sp->text.bytes] = 0;
    sp->base += sp->start;
    sp->at -= sp->start;
    sp->start = 0;
}

void split_feed(struct splitter *sp, const char *data, size_t bytes)
{
    compact(sp);
    buf_add(&sp->text, data, bytes);
}

void split_finish(struct splitter *sp)
{
    sp->finished = true;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* One step in SPLIT_TEXT; true when the byte was the ';' that ends a statement. */
static bool step_text(struct splitter *sp, char c, char next)
{
    size_t used = 1;
    char quote = 0;
    if (c == ';')
        return true;
    if (c == '-' && next == '-') {
        sp->state = SPLIT_LINE_COMMENT;
        used = 2;
    } else if (c == '/' && next == '*') {
        sp->state = SPLIT_BLOCK_COMMENT;
        sp->nesting = 1;
        used = 2;
    } else {
        if (c == '\'' || c == '"' || c == '`') {
            quote = c;
            sp->state = c == '\'' ? SPLIT_SINGLE : c == '"' ? SPLIT_DOUBLE : SPLIT_BACKTICK;
            sp->raw = (sp->previous == 'r' || sp->previous == 'R') && !is_word(sp->before);
        }
        if (!isspace((unsigned char)c))
            sp->blank = false;
    }
    sp->before = sp->previous;
    sp->previous = quote ? 0 : used == 2 ? ' ' : c;
    sp->at += used;
    return false;
}

static void step_inside(struct splitter *sp, char c, char next)
{
    size_t used = 1;
    switch (sp->state) {
    case SPLIT_SINGLE:
    case SPLIT_DOUBLE:
        if (c == '\\' && !sp->raw && next)
            used = 2;
        else if (c == (sp->state == SPLIT_SINGLE ? '\'' : '"')) /* '' closes and opens again, which is as good */
            sp->state = SPLIT_TEXT;
        break;
    case SPLIT_BACKTICK:
        if (c == '`')
            sp->state = SPLIT_TEXT;
        break;
    case SPLIT_LINE_COMMENT:
        if (c == '\n')
            sp->state = SPLIT_TEXT;
        else if (c == '\\' && next == '\n')
            used = 2; /* as in Spark, a backslash continues the comment */
        break;
    case SPLIT_BLOCK_COMMENT:
        if (c == '*' && next == '/') {
            used = 2;
            if (--sp->nesting == 0)
                sp->state = SPLIT_TEXT;
        } else if (c == '/' && next == '*') {
            used = 2;
            sp->nesting++;
        }
        break;
    case SPLIT_TEXT: UNREACHABLE("text is stepped elsewhere");
    }
    sp->at += used;
}

static bool hand_out(struct splitter *sp, bool terminated, struct split_statement *ret)
{
    size_t end = sp->at, start = sp->start;
    bool blank = sp->blank;
    if (terminated) {
        sp->text.data[end] = 0; /* over the ';' */
        sp->at++;
    }
    sp->start = sp->at;
    sp->blank = true;
    sp->previous = sp->before = 0;
    uint64_t line = sp->line + 1;
    for (size_t i = start; i < sp->at; i++)
        sp->line += sp->text.data[i] == '\n';
    if (blank)
        return false;
    size_t first = start;
    while (first < end && isspace((unsigned char)sp->text.data[first]))
        line += sp->text.data[first++] == '\n';
    *ret = (struct split_statement){sp->text.data + first, end - first, sp->base + first, line, terminated};
    return true;
}

bool split_next(struct splitter *sp, struct split_statement *ret)
{
    for (;;) {
        if (sp->at >= sp->text.bytes)
            break;
        char c = sp->text.data[sp->at];
        bool last = sp->at + 1 == sp->text.bytes;
        char next = last ? 0 : sp->text.data[sp->at + 1];
        /* the pair may be cut here; a ';' or a quote needs no second byte */
        if (last && !sp->finished && (c == '-' || c == '/' || c == '*' || c == '\\'))
            break;
        if (sp->state != SPLIT_TEXT) {
            step_inside(sp, c, next);
        } else if (step_text(sp, c, next)) {
            if (hand_out(sp, true, ret))
                return true;
        }
    }
    if (!sp->finished || sp->at < sp->text.bytes || sp->start == sp->text.bytes)
        return false;
    if (sp->state == SPLIT_BLOCK_COMMENT)
        sp->blank = false; /* let the parser say that it is not closed */
    sp->state = SPLIT_TEXT;
    return hand_out(sp, false, ret);
}

bool split_is_open(const struct splitter *sp)
{
    return !sp->blank || (sp->state != SPLIT_TEXT && sp->state != SPLIT_LINE_COMMENT);
}

char split_prompt(const struct splitter *sp)
{
    switch (sp->state) {
    case SPLIT_SINGLE: return '\'';
    case SPLIT_DOUBLE: return '"';
    case SPLIT_BACKTICK: return '`';
    case SPLIT_BLOCK_COMMENT: return '*';
    default: return '-';
    }
}
