/* The rows, and their text; see metrics.h. */
#include "common/metrics/metrics.h"

const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, name, kind, label, doc) {name, label, doc, METRIC_##kind},
#include "common/metrics/metrics.def"
#undef METRIC
};

void metric_head(enum metric m, struct buf *out)
{
    const struct metric_row *row = &metric_rows[m];
    buf_addf(out, "# HELP drover_%s %s\n# TYPE drover_%s %s\n", row->name, row->doc, row->name,
             row->kind == METRIC_COUNTER ? "counter" : "gauge");
}

/* Within a label's quotes. */
static void add_escaped(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            buf_adds(out, "\\n");
        else if (*s == '"' || *s == '\\')
            buf_addf(out, "\\%c", *s);
        else
            buf_addc(out, *s);
    }
}

void metric_value(enum metric m, const char *label_value, double value, struct buf *out)
{
    const struct metric_row *row = &metric_rows[m];
    ASSERT((label_value != NULL) == (row->label[0] != 0));
    buf_addf(out, "drover_%s", row->name);
    if (label_value) {
        buf_addf(out, "{%s=\"", row->label);
        add_escaped(out, label_value);
        buf_adds(out, "\"}");
    }
    if (value > -9e15 && value < 9e15 && value == (double)(int64_t)value)
        buf_addf(out, " %lld\n", (long long)value);
    else
        buf_addf(out, " %.17g\n", value);
}
