/* SPDX-License-Identifier: MIT
 *
 * See limits.h.
 */
#include "load/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { PROCESS_DESCRIPTORS = 32, THREAD_DESCRIPTORS = 8 }; /* beside the connections */

int limits_raise(unsigned connections, unsigned threads, char *error, size_t error_size)
{
    rlim_t needed = (rlim_t)connections + PROCESS_DESCRIPTORS + threads * THREAD_DESCRIPTORS;
    struct rlimit limit;
    int result;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= needed)
        return 0;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed)
        limit.rlim_max = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    result = -errno;
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
