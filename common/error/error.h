/*
 * Errors: a compact code from the table errcodes.def, and an owned detail that travels whole from where
 * it happened to the user: parameters by name, the fragment of SQL it happened in, and the notes that
 * each layer added on the way up. A function that can fail returns int (0 or the code) and takes a
 * struct error last; it sets it once, at the origin, and leaves it untouched on success. Nobody decides
 * by matching text: the scheduler looks up error_policy().
 */
#pragma once

#include "common/base/base.h"

enum errcode {
    ERR_OK = 0,
#define ERR(id, class, sqlstate, policy, text) ERR_##id,
#include "common/error/errcodes.def"
#undef ERR
    ERR_COUNT
};

enum err_policy { POLICY_NEVER, POLICY_HERE, POLICY_ELSEWHERE, POLICY_PARENT };

enum { ERROR_TEXT_MAX = 64 << 10 }; /* bytes of a parameter or of the notes; longer ones are cut, and say so */

/* A fragment of the statement's text: bytes [start, stop). {0,0} when there is none. */
struct span {
    uint32_t start, stop;
};

struct error_param {
    char *name, *value;
};

struct error_detail {
    struct error_param *params; /* owned, in the order given */
    uint32_t param_count, param_cap;
    struct span span;
    char *notes;  /* "while reading part-0.csv: in stage 3, ..." or NULL; innermost first */
    char *origin; /* where it failed: host, executor, attempt; NULL when here */
};

struct error {
    enum errcode code;
    struct error_detail *detail; /* owned; NULL when the code says all */
};

#define ERROR_INIT ((struct error){0})

/* Propagates: returns the code from the calling function when the call failed. Only without clean-up. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (UNLIKELY(rc_ != 0))                                                                    \
            return rc_;                                                                            \
    } while (0)

void error_fini(struct error *err); /* forgets the detail; err is OK again */
void error_move(struct error *to, struct error *from);
void error_copy(struct error *to, const struct error *from);

/*
 * Sets err, which must be OK, and returns the code. The arguments are pairs of C strings, parameter name
 * and value, ended by NULL: error_set(err, ERR_PATH_MISSING, "path", path, NULL).
 */
int error_set(struct error *err, enum errcode code, ...) __attribute__((sentinel, cold));
/* The same with one printf-formatted parameter: the table's texts call it mostly "message". */
int error_setf(struct error *err, enum errcode code, const char *param, const char *fmt, ...)
    PRINTF_LIKE(4, 5) __attribute__((cold));
/* Adds a note of the caller's context ("reading %s") and returns the code. */
int error_note(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((cold));
void error_add_param(struct error *err, const char *name, const char *value);
/* Sets the span when none is set yet: the innermost fragment is the one to show. */
void error_at(struct error *err, struct span span);
void error_set_origin(struct error *err, const char *origin);

const char *error_param_get(const struct error *err, const char *name); /* NULL when absent */
const char *errcode_id(enum errcode code);                              /* "DIVIDE_BY_ZERO" */
const char *errcode_class(enum errcode code);                           /* Spark's name of it */
const char *errcode_sqlstate(enum errcode code);
enum err_policy errcode_policy(enum errcode code);

/* "[CLASS] sentence. SQLSTATE: 42P01", then the notes; appended to out. */
void error_format(const struct error *err, struct buf *out);
/* error_format, then the line of sql that the span lies in with a caret line below; sql may be NULL. */
void error_format_caret(const struct error *err, const char *sql, struct buf *out);
/* The sentence alone, parameters filled in. */
void error_sentence(const struct error *err, struct buf *out);
/* {"errorClass":..,"sqlState":..,"messageParameters":{..},"queryContext":[..],"message":..}; sql may be NULL. */
void error_to_json(const struct error *err, const char *sql, struct buf *out);

/* The whole error as bytes, and back: self-delimiting, checked; decode returns false on damage. */
void error_encode(const struct error *err, struct buf *out);
WARN_UNUSED bool error_decode(const void *p, size_t bytes, struct error *ret_err);
