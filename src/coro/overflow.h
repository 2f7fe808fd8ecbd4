// SPDX-License-Identifier: MIT
/* Reports a stack overflow as what it is. Without it, a runaway recursion ends as a bare
 * "Segmentation fault" that says neither whose stack it was nor how large it was. One line goes
 * to standard error,
 *
 *     stack overflow in coroutine NAME, whose stack has 65536 bytes
 *
 * and the process then ends by the same signal as it would have, with the same core dump.
 *
 * Faults that are no stack overflow are left to whatever handled SIGSEGV before.
 */
#ifndef CORO_OVERFLOW_H
#define CORO_OVERFLOW_H

#include <stddef.h>

/* Makes overflows of this thread's coroutines reported. To be called once in every thread (and
 * in a forked process if not before the fork): the handler is the process's, but the stack that
 * it runs on, because the overflown one is full, is the thread's. 0 or -errno. */
int coro_overflow_report_install(void) __attribute__((warn_unused_result));

/* Also reports an overflow of an ordinary stack, the calling thread's own; one per thread, a
 * second call replaces the first. name: what to call it, "thread 3" or "process 17"; copied, 47
 * characters at most. low: its lowest address, above the guard; bytes: its size. */
void coro_overflow_register_stack(const char *name, const void *low, size_t bytes);

/* The same for the stack the caller runs on, whose bounds are asked of the thread library.
 * 0 or -errno. */
int coro_overflow_register_self(const char *name) __attribute__((warn_unused_result));

#endif
