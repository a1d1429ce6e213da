/*
 * Compiled expressions. A program is an immutable flat array of steps made once per executor and stage
 * from bound expressions; common subexpressions are computed once. Each slot that runs it owns an
 * `expr_state`, with the scratch columns. Branches (CASE, AND, OR, COALESCE, IF) evaluate under
 * sub-selections, so errors are raised only for rows that Spark would evaluate.
 */
#pragma once

#include "common/expr/expr.h"

struct account; /* common/base/account.h */
struct program;

/* Compiles count expressions over an input of the given column types; EXPR_COLUMN.column is the ordinal. */
WARN_UNUSED int program_compile(struct arena *ar, const struct query_ctx *cx, struct expr *const *exprs, uint32_t count,
                                const struct type *const *input_types, uint32_t input_count,
                                const struct program **ret, struct error *err);

struct expr_state;
/* partition seeds rand() and friends; params are the launch's values for EXPR_PARAM (may be NULL). */
struct expr_state *expr_state_new(const struct program *p, uint64_t seed, uint32_t stage, uint32_t partition,
                                  const struct value *params);
void expr_state_free(struct expr_state *st);
/* A new partition begins: nondeterministic functions start again. */
void expr_state_restart(struct expr_state *st, uint64_t seed, uint32_t stage, uint32_t partition,
                        const struct value *params);

/* What results take is reserved from the account from here on: evaluating may answer ERR_TASK_MEMORY. */
void expr_state_charge(struct expr_state *st, struct account *account);
/* The account goes, which gives back what is reserved; large memory is freed. */
void expr_state_rest(struct expr_state *st);

/*
 * Evaluates all expressions over the live rows of b into out[0..count): columns of b->rows rows whose
 * unselected positions are undefined. Results live until the next call with st or the next push, and may
 * alias columns of b.
 */
WARN_UNUSED int program_eval(struct expr_state *st, const struct batch *b, struct column *out, struct error *err);
/*
 * The program's expressions are conjuncts: writes the rows where all are true into sel_out (room for
 * b->rows), *ret_count of them. Cheap and selective ones first; order is adaptive only among conjuncts that
 * cannot raise.
 */
WARN_UNUSED int program_filter(struct expr_state *st, const struct batch *b, uint16_t *sel_out, uint32_t *ret_count,
                               struct error *err);
