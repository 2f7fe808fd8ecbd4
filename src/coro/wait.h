/* SPDX-License-Identifier: MIT
 *
 * Waits of a task: for time, for a descriptor, for several calls at once.
 */
#ifndef CORO_WAIT_H
#define CORO_WAIT_H

#include "coro/task.h"

/* Waits ms milliseconds (0 or less: as coro_pause()). 0 or -ECANCELED. */
int coro_sleep(int64_t ms) __attribute__((warn_unused_result));

/* Waits until fd is ready for one of `events` (loop.h). >0: the ready events; -ETIMEDOUT;
 * -ECANCELED. Where the kernel has no room for a watch it looks now and then itself. fd must be
 * open and stay so meanwhile: libev ends the program over one that is not. */
int coro_wait_fd(int fd, int events, int64_t deadline_ms) __attribute__((warn_unused_result));

/* One of several functions to be run concurrently. */
struct coro_call {
    coro_task_fn *fn;
    void *arg;
    void *result;           /* out: what fn returned */
    int error;              /* out: 0; what fn gave coro_fail(); -EAGAIN, -ENOMEM: not started;
                               -ECANCELED: not started, or was cancelled */
    struct coro_task *task; /* private, as what follows */
    void *group;
};

/* Runs n calls, each as a task of its own, and waits until all have ended; on the deadline or
 * when this task is cancelled, cancels them first (and still waits for them).
 * 0: all ran to their end; -ETIMEDOUT; -ECANCELED (if cancelled before, none was started); or the
 * first error among calls[].error, in their order. */
int coro_run_all(struct coro_call *calls, size_t n, int64_t deadline_ms)
    __attribute__((warn_unused_result));

#endif
