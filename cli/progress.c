/* See progress.h. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/format.h"

enum { QUIET_US = 400000, BAR_CELLS = 24 };

void progress_begin(struct progress *p)
{
    p->lines = 0;
    p->seen_count = 0;
    p->started_us = clock_mono_us();
}

void progress_clear(struct progress *p)
{
    if (p->lines == 0)
        return;
    fputs("\r\033[K", stderr);
    for (uint32_t i = 1; i < p->lines; i++)
        fputs("\033[A\033[K", stderr);
    fflush(stderr);
    p->lines = 0;
}

/* "12.3 M" */
static void add_count(struct buf *out, double n)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t u = 0;
    for (; n >= 10000 && u + 1 < ARRAY_LEN(units); u++)
        n /= 1000;
    buf_addf(out, u ? "%.1f%s" : "%.0f%s", n, units[u]);
}

static double rate_of(struct progress *p, const struct progress_stage *s)
{
    int64_t now = clock_mono_us();
    for (uint32_t i = 0; i < p->seen_count; i++) {
        struct progress_seen *seen = &p->seen[i];
        if (seen->stage == s->stage)
            return now > seen->since_us ? (double)(s->rows - seen->rows) * 1e6 / (double)(now - seen->since_us) : 0;
    }
    if (p->seen_count < ARRAY_LEN(p->seen))
        p->seen[p->seen_count++] = (struct progress_seen){s->stage, now, s->rows};
    return 0;
}

static void add_bar(struct buf *out, const struct progress_stage *s)
{
    uint32_t total = s->total ? s->total : 1, done = (uint32_t)((uint64_t)s->done * BAR_CELLS / total);
    uint32_t active = (uint32_t)((uint64_t)(s->done + s->running) * BAR_CELLS / total);
    for (uint32_t i = 0; i < BAR_CELLS; i++)
        buf_addc(out, i < done ? '=' : i < active ? '>' : ' ');
}

/* stage 3  [======>>      ]  12 done, 4 running of 64   1.2 M rows   340 k rows/s */
static void add_line(struct progress *p, const struct progress_stage *s, struct buf *out)
{
    double rate = rate_of(p, s);
    buf_addf(out, "stage %-3u [", s->stage);
    add_bar(out, s);
    buf_addf(out, "] %u done, %u running of %u", s->done, s->running, s->total);
    if (s->rows) {
        buf_adds(out, "   ");
        add_count(out, (double)s->rows);
        buf_adds(out, " rows");
    }
    if (rate > 0) {
        buf_adds(out, "   ");
        add_count(out, rate);
        buf_adds(out, " rows/s");
    }
}

void progress_show(struct progress *p, const struct progress_stage *stages, uint32_t count, const char *instead)
{
    struct buf out = BUF_INIT, line = BUF_INIT;
    uint32_t width = terminal_width(STDERR_FILENO);
    if (clock_mono_us() - p->started_us < QUIET_US)
        return;
    progress_clear(p);
    for (uint32_t i = 0; i < (instead ? 1 : count) && p->lines < PROGRESS_LINES; i++) {
        buf_reset(&line);
        if (instead)
            buf_adds(&line, instead);
        else
            add_line(p, &stages[i], &line);
        size_t bytes = width && line.bytes >= width ? width - 1 : line.bytes; /* a line that wraps could not be taken back */
        buf_adds(&out, p->lines ? "\n" : "");
        buf_add(&out, line.data, bytes);
        p->lines++;
    }
    if (out.bytes)
        fputs(out.data, stderr);
    fflush(stderr);
    buf_fini(&out);
    buf_fini(&line);
}
