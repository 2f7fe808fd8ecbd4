/* SPDX-License-Identifier: MIT
 *
 * What a thread took of its core: the time for which it ran, and that for which it could have run
 * but others did.
 */
#ifndef LOAD_CPU_TIME_H
#define LOAD_CPU_TIME_H

#include <stdint.h>

struct cpu_time {
    int64_t ran_ns;
    int64_t waited_ns; /* where the kernel does not say (CONFIG_SCHED_INFO): 0 */
};

/* Of the calling thread, since it began. */
struct cpu_time cpu_time_now(void);

#endif
