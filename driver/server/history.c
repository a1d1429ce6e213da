/* See history.h. */
#include "driver/server/history.h"

struct history *history_new(void)
{
    return xcalloc(1, sizeof(struct history));
}

static void forget_tasks(struct history *h, struct stage_record *sr)
{
    for (uint32_t i = 0; i < sr->task_records; i++)
        xfree(sr->tasks[i].error);
    h->task_total -= sr->task_records;
    xfree(sr->tasks);
    xfree(sr->latest);
    sr->tasks = NULL;
    sr->latest = NULL;
    sr->task_records = sr->task_cap = 0;
}

static void statement_free(struct history *h, struct statement *st)
{
    for (uint32_t i = 0; i < st->stage_count; i++) {
        struct stage_record *sr = &st->stages[i];
        forget_tasks(h, sr);
        xfree(sr->name);
        xfree(sr->details);
        xfree(sr->parents);
        xfree(sr->failure);
    }
    st->app->statements--;
    xfree(st->stages);
    xfree(st->sql);
    xfree(st->error);
    xfree(st);
}

static void app_free(struct app *app)
{
    xfree(app->id);
    xfree(app->user);
    xfree(app);
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (uint32_t i = 0; i < h->count; i++)
        statement_free(h, h->statements[i]);
    while (h->apps) {
        struct app *next = h->apps->next;
        app_free(h->apps);
        h->apps = next;
    }
    xfree(h->statements);
    xfree(h);
}

/* ---- applications ---- */

/* Forgets the ended ones past HISTORY_APPS that no record points to. */
static void trim_apps(struct history *h)
{
    uint32_t n = 0;
    for (struct app **p = &h->apps; *p;) {
        struct app *a = *p;
        if (++n > HISTORY_APPS && a->ended_us && a->statements == 0) {
            *p = a->next;
            app_free(a);
        } else {
            p = &a->next;
        }
    }
}

struct app *history_app(struct history *h, const char *id, uint64_t number, const char *user)
{
    for (struct app *a = h->apps; a; a = a->next) {
        if (strcmp(a->id, id) == 0)
            return a;
    }
    trim_apps(h);
    struct app *a = xcalloc(1, sizeof *a);
    *a = (struct app){.id = xstrdup(id), .user = xstrdup(user), .number = number, .started_us = clock_wall_us(), .next = h->apps};
    h->apps = a;
    return a;
}

void history_app_opened(struct app *app)
{
    app->clients++;
    app->ended_us = 0;
}

void history_app_closed(struct app *app)
{
    ASSERT(app->clients > 0);
    if (--app->clients == 0)
        app->ended_us = clock_wall_us();
}

/* ---- statements ---- */

static void trim_statements(struct history *h)
{
    if (h->count < HISTORY_STATEMENTS)
        return;
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->statements[i]->state == STATEMENT_RUNNING)
            continue;
        statement_free(h, h->statements[i]);
        memmove(h->statements + i, h->statements + i + 1, (h->count - i - 1) * sizeof *h->statements);
        h->count--;
        return;
    }
}

struct statement *history_begin(struct history *h, struct app *app, uint64_t number, const char *sql)
{
    size_t bytes = strlen(sql);
    trim_statements(h);
    struct statement *st = xcalloc(1, sizeof *st);
    *st = (struct statement){.number = number, .app = app, .started_us = clock_mono_us(),
                             .sql = xstrndup(sql, bytes < HISTORY_SQL_BYTES ? bytes : HISTORY_SQL_BYTES)};
    app->statements++;
    h->begun++;
    ARRAY_GROW(h->statements, h->count, h->cap);
    h->statements[h->count++] = st;
    return st;
}

/* "Scan orders, Filter, HashAggregate": the way of the rows, without the build sides of joins and what every stage has. */
static void name_nodes(const struct dag_stage *ds, const struct pnode *n, struct buf *out)
{
    if (n->input_count)
        name_nodes(ds, n->inputs[0], out);
    if (n->kind == PN_SINK_EXCHANGE || n->kind == PN_SINK_RESULT || n->kind == PN_PROJECT)
        return;
    if (out->bytes == strlen("ExchangeRead") && strcmp(out->data, "ExchangeRead") == 0)
        buf_reset(out); /* worth a word only when nothing else is done */
    buf_adds(out, out->bytes ? ", " : "");
    buf_adds(out, pnode_kind_name(n->kind));
    if (n->kind == PN_SCAN && n->scan_index < ds->scan_count && ds->scans[n->scan_index].table)
        buf_addf(out, " %.80s", ds->scans[n->scan_index].table);
}

void history_planned(struct history *h, struct statement *st, const struct stage_dag *dag)
{
    st->stage_count = dag->stage_count;
    st->stages = xcalloc(dag->stage_count, sizeof *st->stages);
    for (uint32_t i = 0; i < dag->stage_count; i++) {
        const struct dag_stage *ds = &dag->stages[i];
        struct stage_record *sr = &st->stages[i];
        struct buf name = BUF_INIT, details = BUF_INIT;
        name_nodes(ds, ds->plan.root, &name);
        stage_plan_print(&ds->plan, &details);
        sr->id = h->next_stage++;
        sr->name = buf_steal(&name);
        if (details.bytes > HISTORY_PLAN_BYTES) { /* a list of thousands of values, say */
            details.bytes = HISTORY_PLAN_BYTES;
            buf_adds(&details, "...");
        }
        sr->details = buf_steal(&details);
        sr->task_count = ds->plan.partition_count;
        sr->parent_count = ds->parent_count;
        sr->parents = xcalloc(ds->parent_count + 1, sizeof *sr->parents);
        for (uint32_t p = 0; p < ds->parent_count; p++)
            sr->parents[p] = ds->parents[p];
    }
}

/* What still ran is not heard of again. */
static void close_tasks(struct stage_record *sr, int64_t now)
{
    for (uint32_t i = 0; i < sr->task_records; i++) {
        struct task_record *t = &sr->tasks[i];
        if (t->outcome == RECORD_RUNNING) {
            t->outcome = RECORD_KILLED;
            t->ended_us = now;
            sr->killed_attempts++;
        }
    }
}

void history_end(struct history *h, struct statement *st, uint64_t rows, const struct error *err)
{
    h->ended++;
    h->failed += err->code != ERR_OK;
    h->rows += rows;
    st->state = err->code ? STATEMENT_FAILED : STATEMENT_DONE;
    st->cancelled = err->code == ERR_CANCELLED;
    st->ended_us = clock_mono_us();
    st->rows = rows;
    if (err->code) {
        struct buf text = BUF_INIT;
        error_format_caret(err, st->sql, &text);
        st->error = buf_steal(&text);
    }
    for (uint32_t i = 0; i < st->stage_count; i++)
        close_tasks(&st->stages[i], st->ended_us);
}

struct statement *history_find(const struct history *h, uint64_t number)
{
    uint32_t low = 0, high = h->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (h->statements[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < h->count && h->statements[low]->number == number ? h->statements[low] : NULL;
}

struct statement *history_find_stage(const struct history *h, uint64_t id, uint32_t *ret_index)
{
    for (uint32_t i = h->count; i-- > 0;) {
        struct statement *st = h->statements[i];
        for (uint32_t s = 0; s < st->stage_count; s++) {
            if (st->stages[s].id == id) {
                *ret_index = s;
                return st;
            }
        }
    }
    return NULL;
}

/* ---- attempts ---- */

/* Makes room for more records at the cost of the oldest ended statements; false: there is none. */
static bool task_room(struct history *h, uint64_t more)
{
    for (uint32_t i = 0; h->task_total + more > HISTORY_TASKS && i < h->count; i++) {
        for (uint32_t s = 0; h->statements[i]->state != STATEMENT_RUNNING && s < h->statements[i]->stage_count; s++)
            forget_tasks(h, &h->statements[i]->stages[s]);
    }
    return h->task_total + more <= HISTORY_TASKS;
}

void history_launched(struct history *h, struct statement *st, const struct sched_action *launch)
{
    struct stage_record *sr = &st->stages[launch->stage];
    int64_t now = clock_mono_us();
    if (!task_room(h, launch->count)) {
        sr->unrecorded += launch->count;
        return;
    }
    if (!sr->latest)
        sr->latest = xcalloc(sr->task_count, sizeof *sr->latest);
    h->task_total += launch->count;
    for (uint32_t i = 0; i < launch->count; i++) {
        uint32_t p = launch->partitions[i], before = sr->latest[p];
        ARRAY_GROW(sr->tasks, sr->task_records, sr->task_cap);
        uint8_t number = before ? (uint8_t)(sr->tasks[before - 1].number + 1) : 0;
        sr->tasks[sr->task_records++] = (struct task_record){.attempt_id = launch->attempt_ids[i], .launched_us = now, .partition = p,
                                                             .executor_id = (uint32_t)launch->executor_id, .number = number};
        sr->latest[p] = sr->task_records;
    }
}

static struct task_record *record_of(struct stage_record *sr, uint32_t partition, uint64_t attempt_id)
{
    if (!sr->latest || partition >= sr->task_count || sr->latest[partition] == 0)
        return NULL;
    struct task_record *t = &sr->tasks[sr->latest[partition] - 1];
    return t->attempt_id == attempt_id && t->outcome == RECORD_RUNNING ? t : NULL;
}

void history_done(struct history *h, struct statement *st, uint32_t stage, uint32_t partition, const struct attempt_result *r)
{
    struct task_record *t = record_of(&st->stages[stage], partition, r->attempt_id);
    h->totals.tasks++;
    h->totals.rows_in += r->rows_in;
    h->totals.bytes_in += r->bytes_in;
    h->totals.shuffle_bytes_in += r->shuffle_bytes_in;
    if (!t)
        return;
    t->outcome = RECORD_DONE;
    t->ended_us = clock_mono_us();
    t->run_us = r->run_us;
    t->rows_in = r->rows_in;
    t->bytes_in = r->bytes_in;
    t->shuffle_bytes_in = r->shuffle_bytes_in;
    t->rows_out = r->rows_out;
    t->bytes_out = r->bytes_out;
    t->peak_memory = r->peak_memory;
}

void history_failed(struct statement *st, uint32_t stage, uint32_t partition, uint64_t attempt_id,
                    const struct error *err)
{
    struct stage_record *sr = &st->stages[stage];
    struct task_record *t = record_of(sr, partition, attempt_id);
    struct buf text = BUF_INIT;
    error_format_caret(err, st->sql, &text);
    if (!sr->failure)
        sr->failure = xstrdup(text.data);
    if (t) {
        t->outcome = RECORD_FAILED;
        t->ended_us = clock_mono_us();
        t->error = xstrdup(text.data);
    }
    buf_fini(&text);
}

void history_executor_lost(struct history *h, uint64_t executor_id, const char *reason)
{
    int64_t now = clock_mono_us();
    for (uint32_t i = 0; i < h->count; i++) {
        struct statement *st = h->statements[i];
        for (uint32_t s = 0; st->state == STATEMENT_RUNNING && s < st->stage_count; s++) {
            struct stage_record *sr = &st->stages[s];
            for (uint32_t k = 0; k < sr->task_records; k++) {
                struct task_record *t = &sr->tasks[k];
                if (t->executor_id != executor_id || t->outcome != RECORD_RUNNING)
                    continue;
                t->outcome = RECORD_FAILED;
                t->ended_us = now;
                t->error = xasprintf("executor %llu was lost: %s", (unsigned long long)executor_id, reason);
                sr->lost_attempts++;
                if (!sr->failure)
                    sr->failure = xstrdup(t->error);
            }
        }
    }
}

void history_add_sample(struct history *h, const struct history_sample *s)
{
    struct history_sample *to = &h->samples[h->sample_next];
    *to = *s;
    to->tasks = h->totals.tasks;
    to->rows_in = h->totals.rows_in;
    to->bytes_in = h->totals.bytes_in;
    to->shuffle_bytes_in = h->totals.shuffle_bytes_in;
    h->sample_next = (h->sample_next + 1) % HISTORY_SAMPLES;
    if (h->sample_count < HISTORY_SAMPLES)
        h->sample_count++;
}
