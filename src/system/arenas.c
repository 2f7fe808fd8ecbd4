/* SPDX-License-Identifier: MIT
 *
 * See arenas.h. An arena is HEAP_MAX_SIZE in glibc: 64 MB where a long has 64 bits.
 */
#include "system/arenas.h"

#include <malloc.h>
#include <sys/resource.h>

static const rlim_t ARENA_BYTES = 64 << 20;
enum { SHARE = 8, MOST = 1024 };

void arenas_limit(void)
{
    struct rlimit limit;
    rlim_t fit;

    if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    fit = limit.rlim_cur / SHARE / ARENA_BYTES;
    if (fit < MOST)
        mallopt(M_ARENA_MAX, fit > 0 ? (int)fit : 1);
}
