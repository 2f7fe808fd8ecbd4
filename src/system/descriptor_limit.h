/* SPDX-License-Identifier: MIT
 *
 * RLIMIT_NOFILE of this process: no descriptor that is opened gets a number from the limit on. And
 * the kernel's table of them, which has room for 64 until it needs more.
 */
#ifndef SYSTEM_DESCRIPTOR_LIMIT_H
#define SYSTEM_DESCRIPTOR_LIMIT_H

/* Raises the soft limit as far as it goes and is useful. *count: every descriptor is below this.
 * Returns 0 or a negative errno. */
int descriptor_limit_raise(unsigned *count) __attribute__((warn_unused_result));

/* No descriptor is to have a number of `count` or above: lowers the soft limit to that, unless it
 * is lower. Returns 0 or a negative errno. */
int descriptor_limit_lower(unsigned count) __attribute__((warn_unused_result));

/* Makes room in the table for `count` descriptors, or as many as are worth it, before threads or
 * processes share it. From then on whoever opens one that does not fit waits until the kernel has
 * made it twice as large, which takes an RCU grace period, 5 to 15 ms, and others with him: a
 * client's first thousand connections would stand still five times. */
void descriptor_table_grow(unsigned count);

#endif
