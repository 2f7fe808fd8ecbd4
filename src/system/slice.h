/* SPDX-License-Identifier: MIT
 *
 * The time slice of a thread: how long it may keep its core while others wait for it.
 */
#ifndef SYSTEM_SLICE_H
#define SYSTEM_SLICE_H

#include <stdint.h>

/* The calling thread's, in ns; 0 where the kernel has one for all. */
uint64_t slice_ns(void);

/*
 * Shortens the calling thread's slice to ns, 100,000 to 100,000,000; a shorter one is left. It gets
 * as much of its core as before, in smaller pieces: so it is sooner on the core when it wakes up,
 * and sooner gives it away. Policy and nice value stay. Nothing happens where the kernel does not
 * know of this (before Linux 6.12), forbids it, or the thread is a realtime one, which has no
 * slice.
 */
void slice_shorten(uint64_t ns);

#endif
