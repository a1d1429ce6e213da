/* See web.h. */
#include "driver/web/web.h"

int web_start(struct driver *dr, const char *address, struct web **ret, char **ret_address, struct error *err)
{
    (void)dr;
    (void)address;
    (void)err;
    *ret = NULL;
    *ret_address = NULL;
    return 0;
}

void web_stop(struct web *w)
{
    (void)w;
}
