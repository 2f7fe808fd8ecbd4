/* SPDX-License-Identifier: MIT
 *
 * sched_setattr(2), for which the C library has no function; slice.h has the rules.
 */
#include "system/slice.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether *attr is now what the kernel holds of the calling thread. */
static bool get(struct sched_attr *attr)
{
    return syscall(SYS_sched_getattr, 0, attr, sizeof *attr, 0) == 0;
}

uint64_t slice_ns(void)
{
    struct sched_attr attr;

    return get(&attr) ? attr.sched_runtime : 0;
}

void slice_shorten(uint64_t ns)
{
    struct sched_attr attr;

    if (!get(&attr) || attr.sched_runtime <= ns)
        return;
    if (attr.sched_policy != SCHED_NORMAL && attr.sched_policy != SCHED_BATCH)
        return;
    attr.sched_runtime = ns;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}
