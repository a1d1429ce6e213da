/*
 * The table of keywords: for the lexer, the shell's completion, sql_keywords() and "did you mean".
 * Constant data; thread: any.
 */
#pragma once

#include "common/base/base.h"

enum keyword {
    KW_NO_KEYWORD,
#define KW(word, class) KW_##word,
#include "driver/sql/keywords.def"
#undef KW
    KW_COUNT
};

const char *keyword_text(enum keyword kw);      /* upper case */
bool keyword_is_reserved(enum keyword kw);      /* under spark.sql.ansi.enforceReservedKeywords; nothing is by default */
bool keyword_is_strict(enum keyword kw);        /* no table alias without AS */
enum keyword keyword_find(const char *word, size_t bytes); /* any case; KW_NO_KEYWORD */
/* The keyword that a mistyped word most likely means, or KW_NO_KEYWORD; only common ones are offered. */
enum keyword keyword_nearest(const char *word, size_t bytes);
