/* SPDX-License-Identifier: MIT
 *
 * Time in the hands of the test: the clocks that the server reads are replaced,
 * so that deadlines can be compared exactly and nothing needs to be waited for.
 *
 * Included by a test program, whose definitions are used instead of libc's. Any
 * other clock stays the real one.
 */
#ifndef CLOCKS_H
#define CLOCKS_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct clocks {
    _Atomic int64_t now_ms; /* of io_now_ms() */
    _Atomic int64_t date;   /* seconds since the epoch */
};

enum { CLOCKS_DATE = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example */

static struct clocks clocks = {.now_ms = 1000000, .date = CLOCKS_DATE};

static inline void clocks_advance(int64_t ms)
{
    atomic_fetch_add(&clocks.now_ms, ms);
}

/* Linked under the name that everything calls. */
int clocks_gettime(clockid_t clock, struct timespec *now) __asm__("clock_gettime");
int clocks_gettime(clockid_t clock, struct timespec *now)
{
    if (clock == CLOCK_MONOTONIC_COARSE) {
        int64_t ms = atomic_load(&clocks.now_ms);

        *now = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        return 0;
    }
    if (clock == CLOCK_REALTIME_COARSE) {
        *now = (struct timespec){.tv_sec = atomic_load(&clocks.date)};
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

#endif
