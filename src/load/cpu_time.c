/* SPDX-License-Identifier: MIT
 *
 * See cpu_time.h.
 */
#include "load/cpu_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* The second number of /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst). */
static int64_t waited_ns(void)
{
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    int64_t waited;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %" SCNd64, &waited) != 1)
        waited = 0;
    fclose(file);
    return waited;
}

struct cpu_time cpu_time_now(void)
{
    struct timespec ran;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran);
    return (struct cpu_time){(int64_t)ran.tv_sec * 1000000000 + ran.tv_nsec, waited_ns()};
}
