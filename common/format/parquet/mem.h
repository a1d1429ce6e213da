/* Memory of a reader, charged to its account before it is touched. Thread: the reader's. */
#pragma once

#include "common/base/account.h"

struct pq_mem {
    struct account *account;
    size_t bytes;
};
/* Grows *p to at least need bytes (contents kept up to the old capacity). ERR_TASK_MEMORY. */
WARN_UNUSED int pq_mem_grow(struct pq_mem *m, void *pp, size_t *cap, size_t need, struct error *err);
void pq_mem_free(struct pq_mem *m, void *pp, size_t *cap);

struct pq_bytes {
    uint8_t *p;
    size_t cap;
};
