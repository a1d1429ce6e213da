/* Lines on standard error, one a running stage, drawn over each other and gone before anything else is written. Thread: one. */
#pragma once

#include "common/base/base.h"

struct progress_stage {
    uint32_t stage, total, done, running;
    uint64_t rows;
};

enum { PROGRESS_LINES = 8 };

struct progress {
    uint32_t lines;              /* on the terminal now */
    int64_t started_us;          /* of the statement */
    struct progress_seen {
        uint32_t stage;
        int64_t since_us;        /* when it was first seen, with so many rows */
        uint64_t rows;
    } seen[64];
    uint32_t seen_count;
};

void progress_begin(struct progress *p); /* a statement starts: nothing is shown for its first moment */
/* instead: one line that is shown in place of the stages, or NULL. */
void progress_show(struct progress *p, const struct progress_stage *stages, uint32_t count, const char *instead);
void progress_clear(struct progress *p);
