/* SPDX-License-Identifier: MIT
 *
 * See limits.h.
 */
#include "load/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROCESS_DESCRIPTORS = 32, THREAD_DESCRIPTORS = 8 }; /* beside the connections */

/* Room in the kernel's table of descriptors, before threads share it: whoever needs more of it then
 * waits for an RCU grace period, some 10 ms, and what is due meanwhile is late. */
static void make_room(rlim_t needed)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)needed - 1);

    if (fd >= 0)
        close(fd);
}

int limits_raise(unsigned connections, unsigned threads, char *error, size_t error_size)
{
    rlim_t needed = (rlim_t)connections + PROCESS_DESCRIPTORS + threads * THREAD_DESCRIPTORS;
    struct rlimit limit;
    int result = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < needed) {
        limit.rlim_cur = needed;
        if (limit.rlim_max < needed)
            limit.rlim_max = needed;
        result = setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
    }
    if (result == 0) {
        make_room(needed);
        return 0;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(error, error_size,
             "--connections=%u: needs %llu descriptors, and ulimit -Hn allows %llu: %s",
             connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max,
             strerror(-result));
    return result;
}

const char *limits_advice(int error)
{
    switch (error) {
    case EADDRNOTAVAIL:
        return "no local port is left for that destination; see net.ipv4.ip_local_port_range";
    case EMFILE:
    case ENFILE:
        return "no descriptor is left; see ulimit -n and fs.file-max";
    case EAGAIN:
        return "the socket's backlog is full";
    default:
        return "no memory is left for a connection or its coroutine; see vm.max_map_count";
    }
}
