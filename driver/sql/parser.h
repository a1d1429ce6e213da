/*
 * SQL text to the unresolved plan (ast.h), and where a statement ends in a stream of text. Pure functions of
 * their arguments: no settings, no catalog. Thread: any.
 */
#pragma once

#include "driver/sql/ast.h"

enum { SQL_BYTES_MAX = 256 << 20 };

/*
 * Parses one statement, optionally ended by ';'. The plan lives in ar; sql is not needed afterwards.
 * ERR_PARSE_SYNTAX (error, hint, span), ERR_PARSE_EMPTY, ERR_TOO_DEEP, ERR_INVALID_LITERAL, ERR_SEMANTICS, ERR_UNSUPPORTED_TYPE.
 * What was allocated in ar before an error stays there.
 */
WARN_UNUSED int sql_parse(struct arena *ar, const char *sql, struct ast_statement **ret, struct error *err);
/* One expression, for expr("...") of data frames and for tests; a trailing alias is allowed. */
WARN_UNUSED int sql_parse_expr(struct arena *ar, const char *sql, struct ast_expr **ret, struct error *err);
/* A list of columns "a INT, b STRING COMMENT 'x'" (or struct<...>'s inside), as schemas are given to readers. */
WARN_UNUSED int sql_parse_columns(struct arena *ar, const char *ddl, struct ast_column_def **ret, uint32_t *ret_count,
                                  struct error *err);
/* "a.b.`c d`" to its parts, as in spark.table("..."). */
WARN_UNUSED int sql_parse_name(struct arena *ar, const char *text, struct ast_name *ret, struct error *err);

/*
 * The splitter: finds where statements end in text that arrives in pieces, honouring strings, quoted
 * identifiers and comments, without parsing. Feed bytes, then take statements until none is complete:
 *
 *     split_feed(&sp, data, bytes);
 *     while (split_next(&sp, &st)) run(st.text, st.bytes);
 *     ... at the end of input: split_finish(&sp) and once more split_next
 *
 * It keeps its own copy of what has not been taken, so offsets count from the first byte ever fed.
 */
enum split_state {
    SPLIT_TEXT,          /* outside of everything */
    SPLIT_SINGLE,        /* in '...' */
    SPLIT_DOUBLE,        /* in "..." */
    SPLIT_BACKTICK,      /* in `...` */
    SPLIT_LINE_COMMENT,  /* after -- */
    SPLIT_BLOCK_COMMENT, /* in a comment with slash and star; they nest */
};

struct splitter {
    struct buf text;         /* from base on */
    uint64_t base, line;     /* offset in the stream of text.data[0]; lines before start */
    size_t start, at;        /* in text: start of the open statement; next byte to look at */
    enum split_state state;
    uint32_t nesting;        /* of block comments */
    bool raw;                /* the open string is r'...': no escapes */
    bool blank;              /* nothing but spaces and comments since start */
    bool finished;
    char previous, before;   /* the last two bytes outside of strings and comments, to see r' */
};

struct split_statement {
    const char *text;        /* NUL-ended, without the ';', blanks and comments around it left in; valid until the next call */
    size_t bytes;
    uint64_t offset, line;   /* of its first byte that is no blank, from 0 and from 1 */
    bool terminated;         /* it ended in ';' (else by split_finish) */
};

/* The next byte from i on that is no blank nor in a comment; *ret_open: it is the start of a comment without an end. */
size_t sql_skip_blank(const char *s, size_t i, bool *ret_open);

void split_init(struct splitter *sp);
void split_fini(struct splitter *sp);
void split_feed(struct splitter *sp, const char *data, size_t bytes);
void split_finish(struct splitter *sp);
/* The next complete statement that is not blank; false when more input is needed. */
bool split_next(struct splitter *sp, struct split_statement *ret);
/* Whether a statement is open (something other than blanks since the last ';'): for the prompt. */
bool split_is_open(const struct splitter *sp);
/* What a prompt shows for a continued line: "'" "\"" "`" "*" (in a block comment) or "-". */
char split_prompt(const struct splitter *sp);
/* Forgets what is open (Ctrl-C at the prompt). */
void split_reset(struct splitter *sp);
