/* SPDX-License-Identifier: MIT
 *
 * See descriptor_limit.h.
 */
#include "system/descriptor_limit.h"

#include <errno.h>
#include <sys/resource.h>

/* More are not asked for: the parking lot reserves address space for each. */
enum { MOST = 1 << 20 };

int descriptor_limit_raise(unsigned *count)
{
    struct rlimit limit;
    rlim_t wanted;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    wanted = limit.rlim_max < MOST ? limit.rlim_max : MOST;
    if (wanted != limit.rlim_cur) { /* lowered as well: no descriptor is to be above MOST */
        limit.rlim_cur = wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
            return -errno;
    }
    *count = limit.rlim_cur < MOST ? (unsigned)limit.rlim_cur : MOST;
    return 0;
}

int descriptor_limit_lower(unsigned count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur > count)
        limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}
