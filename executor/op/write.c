/* Files: one per attempt and partition folder, in the attempt's own folder until the driver commits. */
#include "executor/op/op.h"

static int write_compile(struct node_code *nc, struct error *err)
{
    (void)nc;
    return error_set(err, ERR_UNSUPPORTED_FEATURE, "message", "writing files", NULL);
}

const struct op_vtable op_sink_write = {.name = "Write", .state_bytes = sizeof(struct op), .compile = write_compile};
