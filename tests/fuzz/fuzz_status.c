/* Fuzzes the paths of the REST API, which come from strangers: any bytes give JSON and a status, over a driver with a few jobs in it. */
#include <jansson.h>

#include "driver/server/driver_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct driver *new_driver(void)
{
    struct driver *dr = xcalloc(1, sizeof *dr);
    struct sched_config config = {.max_failures = 4, .losses_max = 16, .stage_reruns_max = 40, .executors_wait_us = 1000000, .first_attempt = 1};
    dr->sched = sched_new(&config);
    dr->history = history_new();
    struct app *app = history_app(dr->history, "s", 1, "user");
    history_app_opened(app);
    for (uint64_t n = 1; n <= 3; n++) {
        struct error err = ERROR_INIT;
        struct statement *st = history_begin(dr->history, app, n, "SELECT 'a' FROM t");
        if (n == 2)
            error_set(&err, ERR_INTERNAL, "message", "an \"error\"", NULL);
        if (n < 3)
            history_end(dr->history, st, n, &err);
        error_fini(&err);
    }
    return dr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct driver *dr;
    char *path = xstrndup((const char *)data, bytes);
    struct buf out = BUF_INIT;
    if (!dr)
        dr = new_driver();
    bool listener = strstr(path, "overview"), text = strstr(path, "metrics"); /* one is not there, the other is no JSON */
    if (!listener && !text) {
        unsigned status = status_json(dr, path, &out);
        ASSERT(status == 200 || status == 400 || status == 404);
        json_t *json = json_loadb(out.data, out.bytes, JSON_DECODE_ANY, NULL);
        ASSERT(json);
        json_decref(json);
    }
    buf_fini(&out);
    xfree(path);
    return 0;
}
