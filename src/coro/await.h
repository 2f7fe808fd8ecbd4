/* SPDX-License-Identifier: MIT
 *
 * How a task waits for futures. In a task (assert).
 *
 * Each of the first three returns what coro_future_result() says once f is completed, or
 * -ETIMEDOUT; -EDEADLK for a task that waits for itself. They differ in what becomes of f:
 *
 *                      the deadline passes              the waiting task is cancelled
 *   coro_await         -ETIMEDOUT, f goes on            f is cancelled and waited for
 *   coro_await_within  f is cancelled and waited for,   f is cancelled and waited for
 *                      then -ETIMEDOUT
 *   coro_shield        -ETIMEDOUT, f goes on            -ECANCELED, f goes on
 *
 * "Cancelled and waited for": if f nevertheless is completed with a result, that is returned,
 * and a cancellation of the waiting task is told at its next wait.
 */
#ifndef CORO_AWAIT_H
#define CORO_AWAIT_H

#include "coro/future.h"
#include "coro/task.h"

int coro_await(struct coro_future *f, void **value, int64_t deadline_ms)
    __attribute__((warn_unused_result));
int coro_await_within(struct coro_future *f, void **value, int64_t deadline_ms)
    __attribute__((warn_unused_result));
int coro_shield(struct coro_future *f, void **value, int64_t deadline_ms)
    __attribute__((warn_unused_result));

/* Waits for n futures together. 0: all are DONE with a value (coro_future_result() has them); the
 * error (or -ECANCELED) of the first one to fail, as soon as it does, while the others go on;
 * -ETIMEDOUT, and all go on; -ENOMEM. If the waiting task is cancelled, all n are, and they are
 * waited for; -ECANCELED. */
int coro_gather(struct coro_future *const *futures, size_t n, int64_t deadline_ms)
    __attribute__((warn_unused_result));

#endif
