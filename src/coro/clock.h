/* SPDX-License-Identifier: MIT
 *
 * Time on CLOCK_MONOTONIC: what it is, and a descriptor that becomes readable at a given time, to
 * the nanosecond. A deadline is an absolute time in milliseconds, or CORO_FOREVER.
 */
#ifndef CORO_CLOCK_H
#define CORO_CLOCK_H

#include <stdint.h>

#define CORO_FOREVER ((int64_t)-1) /* no deadline */

/* Any context. */
int64_t coro_now_ms(void);
int64_t coro_now_ns(void);

static inline int64_t coro_ms_to_ns(int64_t ms)
{
    return ms < 0 ? CORO_FOREVER : ms > INT64_MAX / 1000000 ? CORO_FOREVER : ms * 1000000;
}

/* ---- for the loop ---------------------------------------------------------------------- */

struct coro_clock {
    int fd;        /* a timerfd */
    int64_t at_ns; /* what it is set to; INT64_MAX: nothing; 0: whoever watches it saw it fire */
};

/* 0 or -errno. Close it with close(clock->fd). */
int coro_clock_open(struct coro_clock *clock) __attribute__((warn_unused_result));

/* Sets it, if it is not, to a time (at least 1; INT64_MAX: none), which also takes back what it has
 * reported. */
void coro_clock_set(struct coro_clock *clock, int64_t at_ns);

#endif
