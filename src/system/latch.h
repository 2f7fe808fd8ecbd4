/* SPDX-License-Identifier: MIT
 *
 * A descriptor that says one thing once, to whoever polls it: not readable until it is set, then
 * for good. Master and workers call each other with such.
 */
#ifndef SYSTEM_LATCH_H
#define SYSTEM_LATCH_H

/* Makes a descriptor that is not readable, owned by the caller; -errno. It does not block, so what
 * only wakes its owner may be read until it is not readable again. */
int latch_new(void) __attribute__((warn_unused_result));

/* Makes it readable. */
void latch_set(int fd);

#endif
