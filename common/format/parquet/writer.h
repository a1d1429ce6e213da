/* The writer's half of the format's row; see writer.c. */
#pragma once

#include "common/format/provider.h"

int pq_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx,
              struct account *account, struct writer **ret, struct error *err);
int pq_write(struct writer *w, const struct batch *b, struct error *err);
int pq_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err);
void pq_discard(struct writer *w);
const char *pq_extension(const struct options *o);
