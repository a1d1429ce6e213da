/* Lists of expressions; see op.h. */
#include "common/expr/program.h"
#include "executor/op/op.h"

int exprs_compile(struct stage_code *stage, struct expr *const *list, uint32_t count, const struct type *const *input,
                  uint32_t input_count, struct exprs *ret, struct error *err)
{
    struct arena *ar = &stage->ar;
    struct exprs e = {.count = count, .column = ARENA_ARRAY(ar, int32_t, count)};
    struct expr **computed = ARENA_ARRAY(ar, struct expr *, count);
    for (uint32_t i = 0; i < count; i++) {
        if (list[i]->kind == EXPR_COLUMN) {
            if (list[i]->column >= input_count)
                return error_setf(err, ERR_INTERNAL, "message", "column %u of an input with %u", list[i]->column,
                                  input_count);
            e.column[i] = (int32_t)list[i]->column;
        } else {
            e.column[i] = -1 - (int32_t)e.program_count;
            computed[e.program_count++] = list[i];
        }
    }
    if (e.program_count)
        TRY(program_compile(ar, &stage->plan->cx, computed, e.program_count, input, input_count, &e.program, err));
    *ret = e;
    return 0;
}

static void open_state(struct exprs_state *s, const struct exprs *code, uint64_t seed, uint32_t stage,
                       uint32_t partition, const struct value *params)
{
    s->code = code;
    if (!code->program)
        return;
    if (s->st) {
        expr_state_restart(s->st, seed, stage, partition, params);
        return;
    }
    s->st = expr_state_new(code->program, seed, stage, partition, params);
    s->tmp = xcalloc(code->program_count, sizeof *s->tmp);
}

void exprs_open(struct exprs_state *s, const struct exprs *code, const struct task *task)
{
    const struct stage_plan *plan = task->code->plan;
    open_state(s, code, plan->cx.seed, plan->stage, task->spec->partition, task->spec->params);
}

void exprs_open_stage(struct exprs_state *s, const struct exprs *code, const struct stage_code *stage)
{
    open_state(s, code, stage->plan->cx.seed, stage->plan->stage, 0, NULL);
}

int exprs_eval(struct exprs_state *s, const struct batch *b, struct column *out, struct error *err)
{
    const struct exprs *e = s->code;
    if (e->program)
        TRY(program_eval(s->st, b, s->tmp, err));
    for (uint32_t i = 0; i < e->count; i++)
        out[i] = e->column[i] >= 0 ? b->cols[e->column[i]] : s->tmp[-1 - e->column[i]];
    return 0;
}

void exprs_fini(struct exprs_state *s)
{
    expr_state_free(s->st);
    xfree(s->tmp);
    *s = (struct exprs_state){0};
}
