/* SPDX-License-Identifier: MIT
 *
 * The timerfd is absolute, and setting it costs a system call, which is made only when the time
 * asked for is another.
 */
#include "coro/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

int64_t coro_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t coro_now_ms(void)
{
    return coro_now_ns() / 1000000;
}

int coro_clock_open(struct coro_clock *clock)
{
    clock->at_ns = INT64_MAX;
    clock->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return clock->fd < 0 ? -errno : 0;
}

void coro_clock_set(struct coro_clock *clock, int64_t at_ns)
{
    struct itimerspec when = {.it_interval = {0, 0}};

    if (at_ns == clock->at_ns)
        return;
    clock->at_ns = at_ns;
    if (at_ns != INT64_MAX) {
        when.it_value.tv_sec = (time_t)(at_ns / 1000000000);
        when.it_value.tv_nsec = (long)(at_ns % 1000000000);
    }
    (void)timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &when, NULL);
}
