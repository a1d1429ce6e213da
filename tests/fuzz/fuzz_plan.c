/* Bytes into the decoders of stage plans, splits and values: they refuse or they give something that encodes again. */
#include "common/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena ar;
    struct error err = ERROR_INIT;
    struct buf out = BUF_INIT;
    arena_init(&ar);
    const char *p = (const char *)data + 1, *end = (const char *)data + size;
    struct stage_plan *plan;
    struct file_split split;
    struct value value;
    switch (data[0] % 3) {
    case 0:
        if (stage_plan_decode(&ar, p, size - 1, &plan, &err) == 0) {
            stage_plan_print(plan, &out);
            stage_plan_encode(plan, &out);
        }
        break;
    case 1:
        while (p < end && file_split_decode(&ar, &p, end, &split, &err) == 0)
            file_split_encode(&split, &out);
        break;
    default:
        while (p < end && value_decode(&ar, &p, end, &value, &err) == 0)
            value_encode(&value, &out);
    }
    error_fini(&err);
    buf_fini(&out);
    arena_fini(&ar);
    return 0;
}
