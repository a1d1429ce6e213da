/*
 * Between the shell and drover-edit.so, which holds what needs libedit: it is loaded when a terminal is there to type at.
 * Ctrl-C is a key here, not a signal, so that a line can be dropped without one. Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { EDIT_MODULE_VERSION = 1 };

enum edit_result { EDIT_LINE, EDIT_INTERRUPT, EDIT_END };

/* What the line may be completed with at the cursor. */
struct edit_completion {
    size_t replace;       /* bytes before the cursor that each word begins with, whatever their case */
    const char *const *words; /* sorted, no duplicates; valid until the next call */
    size_t count;
    char append;          /* after the only word: ' ', a quote, or 0 */
};

struct edit_config {
    const char *history;  /* file, or NULL */
    void (*complete)(void *ctx, const char *line, size_t cursor, struct edit_completion *ret);
    void *ctx;
};

struct editor;

struct edit_module {
    unsigned version;
    struct editor *(*open)(const struct edit_config *config); /* NULL when the terminal cannot be used */
    /* *ret_line is valid until the next call, without its newline; only with EDIT_LINE. */
    enum edit_result (*read)(struct editor *e, const char *prompt, const char **ret_line);
    void (*remember)(struct editor *e, const char *text); /* into the history, and its file */
    void (*close)(struct editor *e);                      /* the terminal as it was; accepts NULL */
};

/* The symbol that the module exports. */
extern const struct edit_module drover_edit_module;
