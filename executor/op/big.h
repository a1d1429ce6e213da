/* Memory for tables that are read at random: huge pages where they pay. Freed by free(). */
#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include "common/base/base.h"

enum { BIG_PAGE = 2 << 20 };

static inline void *big_alloc(size_t bytes, bool zeroed)
{
    if (bytes < BIG_PAGE) {
        void *p = xmalloc(bytes ? bytes : 1);
        return zeroed ? memset(p, 0, bytes) : p;
    }
    size_t room = (bytes + BIG_PAGE - 1) / BIG_PAGE * BIG_PAGE;
    void *p = aligned_alloc(BIG_PAGE, room);
    ASSERT(p);
    madvise(p, room, MADV_HUGEPAGE); /* no matter when refused */
    return zeroed ? memset(p, 0, bytes) : p;
}
