/* SPDX-License-Identifier: MIT
 *
 * What a thread took of its core: the time for which it ran, and that for which it could have run
 * but others did. Both are time in which it could do nothing else.
 */
#ifndef LOAD_CPU_TIME_H
#define LOAD_CPU_TIME_H

#include <stdint.h>

/* Of the calling thread, in ns, since it began. Where the kernel does not say how long others ran
 * in its stead (CONFIG_SCHED_INFO), that is taken for 0. */
int64_t cpu_time_ns(void);

#endif
