/* SPDX-License-Identifier: MIT
 *
 * See descriptor_limit.h.
 */
#include "system/descriptor_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* More are not asked for: the parking lot reserves address space for each. */
enum { MOST = 1 << 20 };

/* 8 bytes each; and who lists /proc/PID/fd looks at all of them. */
enum { MOST_ROOM = 1 << 16 };

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

void descriptor_table_grow(unsigned count)
{
    unsigned last = count < MOST_ROOM ? count : MOST_ROOM;
    int fd = last == 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)last - 1);

    if (fd >= 0)
        close(fd);
}
