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

struct expr_state *task_expr_state(struct task *task, const struct program *p, struct expr_state *st)
{
    const struct stage_plan *plan = task->code->plan;
    const struct task_spec *spec = task->spec;
    if (st) {
        expr_state_restart(st, plan->cx.seed, plan->stage, spec->partition, spec->params);
    } else {
        st = expr_state_new(p, plan->cx.seed, plan->stage, spec->partition, spec->params);
        ARRAY_GROW(task->states, task->state_count, task->state_cap);
        task->states[task->state_count++] = st;
    }
    expr_state_charge(st, &task->exprs);
    return st;
}

void exprs_open(struct exprs_state *s, const struct exprs *code, struct task *task)
{
    s->code = code;
    if (!code->program)
        return;
    s->st = task_expr_state(task, code->program, s->st);
    if (!s->tmp)
        s->tmp = xcalloc(code->program_count, sizeof *s->tmp);
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
