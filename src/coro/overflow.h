/* SPDX-License-Identifier: MIT
 *
 * Reports a stack overflow as what it is. Without it, a runaway recursion ends as a bare
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

/* Makes overflows of this thread's coroutines reported. To be called once in every thread (and
 * in a forked process if not before the fork): the handler is the process's, but the stack that
 * it runs on, because the overflown one is full, is the thread's. 0 or -errno. */
int coro_overflow_report_install(void) __attribute__((warn_unused_result));

/* Also reports an overflow of an ordinary stack, the one that the caller, a thread, runs on; again,
 * also in a process forked since: under another name. name: what to call it, "thread 3" or
 * "process 17"; copied, 47 characters at most. The first call asks the thread library for the
 * bounds, and that may open a file. 0 or -errno. */
int coro_overflow_register_self(const char *name) __attribute__((warn_unused_result));

#endif
