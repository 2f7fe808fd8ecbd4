/* SPDX-License-Identifier: MIT
 *
 * The arenas that glibc's malloc() gives its threads, so that they need not wait for one another.
 *
 * Each reserves 64 MB of address space, and there may be eight for each core. Where address space
 * is limited they would take all that is left, and the next thread's stack finds none.
 */
#ifndef SYSTEM_ARENAS_H
#define SYSTEM_ARENAS_H

/* Allows for as many as take an eighth of RLIMIT_AS, at least one; without that limit, for as many
 * as ever. For this process and those it will make; before there are threads. */
void arenas_limit(void);

#endif
