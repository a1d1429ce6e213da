/*
 * Metrics are rows (metrics.def): name, kind, label, what it means. Values are read from the states that they tell of
 * when somebody asks, so that they cannot disagree; nothing is counted twice for being measured. This writes
 * Prometheus' text format 0.0.4. Thread: any; no state.
 */
#pragma once

#include "common/base/base.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };
enum metric {
#define METRIC(id, name, kind, label, doc) METRIC_##id,
#include "common/metrics/metrics.def"
#undef METRIC
    METRIC_COUNT
};
struct metric_row {
    const char *name, *label, *doc;
    enum metric_kind kind;
};
extern const struct metric_row metric_rows[METRIC_COUNT];

/* The two lines that stand once before a metric's values. Appended. */
void metric_head(enum metric m, struct buf *out);
/* One value; label_value NULL exactly for a metric without a label. Whole numbers print as such. Appended. */
void metric_value(enum metric m, const char *label_value, double value, struct buf *out);
