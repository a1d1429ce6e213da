/* not yet */
#include "common/format/parquet/writer.h"
int pq_can_write(const struct type *t, const char *name, struct error *err) { (void)t; return error_setf(err, ERR_INTERNAL, "message", "%s", name); }
int pq_create(const struct options *o, const struct schema *sch, const char *path, const struct query_ctx *cx, struct account *account, struct writer **ret, struct error *err) { (void)o; (void)sch; (void)cx; (void)account; (void)ret; return error_setf(err, ERR_INTERNAL, "message", "%s", path); }
int pq_write(struct writer *w, const struct batch *b, struct error *err) { (void)w; (void)b; return error_setf(err, ERR_INTERNAL, "message", "no writer"); }
int pq_finish(struct writer *w, uint64_t *ret_rows, uint64_t *ret_bytes, struct error *err) { (void)w; (void)ret_rows; (void)ret_bytes; return error_setf(err, ERR_INTERNAL, "message", "no writer"); }
void pq_discard(struct writer *w) { (void)w; }
const char *pq_extension(const struct options *o) { (void)o; return ".snappy.parquet"; }
