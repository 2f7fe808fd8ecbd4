/* SPDX-License-Identifier: MIT
 *
 * Timers: functions that a loop calls when their time has come, or as soon after as the kernel
 * can, to well under a millisecond. For the thread of the loop.
 */
#ifndef CORO_TIMER_H
#define CORO_TIMER_H

#include "coro/loop.h"

struct coro_timer;
typedef void coro_timer_fn(struct coro_loop *loop, struct coro_timer *timer);

/* A timer, embedded in the caller's memory like a watch. All but `data` is the library's. */
struct coro_timer {
    int64_t at_ns, repeat_ns; /* on CLOCK_MONOTONIC; 0: does not repeat */
    struct coro_timer *child, *next, *prev;
    bool active;
    coro_timer_fn *fn;
    void *data; /* the user's */
};

void coro_timer_init(struct coro_timer *timer, coro_timer_fn *fn, void *data);

/* Calls fn in after_ms milliseconds, then every repeat_ms (0: once only). An active timer is
 * restarted. */
void coro_timer_start(struct coro_loop *loop, struct coro_timer *timer, int64_t after_ms,
                      int64_t repeat_ms);
void coro_timer_start_at(struct coro_loop *loop, struct coro_timer *timer, int64_t at_ns);
void coro_timer_stop(struct coro_loop *loop, struct coro_timer *timer); /* no-op if not active */
bool coro_timer_active(const struct coro_timer *timer);

/* ---- for run.c ------------------------------------------------------------------------- */

/* When the earliest is due, as coro_loop_turn() wants it. */
int64_t coro_timers_next(const struct coro_loop *loop);

/* Calls the functions of those that are due. */
void coro_timers_run(struct coro_loop *loop);

#endif
