/* SPDX-License-Identifier: MIT
 *
 * A descriptor that says one thing, to all who poll it: not readable until it is set, then for
 * good, or until its one owner has seen it. Master and workers call each other with such.
 */
#ifndef SYSTEM_LATCH_H
#define SYSTEM_LATCH_H

/* Makes a descriptor that is not readable, owned by the caller; -errno. */
int latch_new(void) __attribute__((warn_unused_result));

/* Makes it readable; no longer readable. Neither waits, and each does nothing where it is so. */
void latch_set(int fd);
void latch_unset(int fd);

#endif
