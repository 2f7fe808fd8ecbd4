/* SPDX-License-Identifier: MIT
 *
 * RLIMIT_NOFILE of this process: no descriptor that is opened gets a number from the limit on.
 */
#ifndef SYSTEM_DESCRIPTOR_LIMIT_H
#define SYSTEM_DESCRIPTOR_LIMIT_H

/* Raises the soft limit as far as it goes and is useful. *count: every descriptor is below this.
 * Returns 0 or a negative errno. */
int descriptor_limit_raise(unsigned *count) __attribute__((warn_unused_result));

/* No descriptor is to have a number of `count` or above: lowers the soft limit to that, unless it
 * is lower. Returns 0 or a negative errno. */
int descriptor_limit_lower(unsigned count) __attribute__((warn_unused_result));

#endif
