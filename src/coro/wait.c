/* SPDX-License-Identifier: MIT
 *
 * Each wait keeps what it waits with in its own frame and looks at its condition again after every
 * wake-up.
 */
#include "coro/wait.h"

#include <errno.h>
#include <poll.h>

#include "coro/loop.h"

enum { LOOK_MS = 20 }; /* between looks at a descriptor that cannot be watched */

int coro_sleep(int64_t ms)
{
    int64_t until;
    int rc;

    if (ms <= 0)
        return coro_pause();
    until = coro_now_ns() + coro_ms_to_ns(ms);
    while ((rc = coro_block(until)) == 0)
        continue;
    return rc == -ETIMEDOUT ? 0 : rc;
}

struct fd_wait {
    struct coro_task *task;
    int events;
    bool failed;
};

static void on_fd(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct fd_wait *wait = watch->data;

    coro_watch_stop(loop, watch);
    wait->events = events;
    wait->failed = events == 0;
    coro_wake(wait->task);
}

static int look_at_fd(int fd, int events, int64_t deadline_ms)
{
    const short wanted =
        (short)((events & CORO_READ ? POLLIN : 0) | (events & CORO_WRITE ? POLLOUT : 0));
    struct pollfd at = {.fd = fd, .events = wanted};

    for (;;) {
        int64_t left = deadline_ms < 0 ? LOOK_MS : deadline_ms - coro_now_ms();
        int rc;

        if (poll(&at, 1, 0) > 0) {
            if (at.revents & ~(POLLIN | POLLOUT))
                return events; /* an error is both */
            return (at.revents & POLLIN ? CORO_READ : 0) | (at.revents & POLLOUT ? CORO_WRITE : 0);
        }
        if (left <= 0)
            return -ETIMEDOUT;
        rc = coro_sleep(left < LOOK_MS ? left : LOOK_MS);
        if (rc != 0)
            return rc;
    }
}

int coro_wait_fd(int fd, int events, int64_t deadline_ms)
{
    int rc = coro_cancellation_point();
    struct coro_task *t = coro_thread.task;
    struct coro_loop *loop = coro_task_loop(t);
    struct fd_wait wait = {.task = t};
    struct coro_watch watch;

    if (rc != 0)
        return rc;
    coro_watch_init(&watch, fd, events, on_fd, &wait);
    coro_watch_start(loop, &watch);
    while (wait.events == 0 && !wait.failed && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    coro_watch_stop(loop, &watch);
    if (wait.failed)
        return look_at_fd(fd, events, deadline_ms);
    return wait.events != 0 ? wait.events : rc;
}

/* ---- several calls at once ---- */

/* Each call is a task of its own that tells the group when it ends. */
struct group {
    struct coro_task *waiter;
    size_t left;
};

static void *call_main(void *arg)
{
    struct coro_call *call = arg;
    struct group *group = call->group;

    call->result = call->fn(call->arg);
    call->error = coro_task_error(coro_thread.task);
    call->task = NULL;
    group->left--;
    coro_wake(group->waiter);
    return NULL;
}

static void start_calls(struct group *group, struct coro_call *calls, size_t n)
{
    struct coro_task *self = group->waiter;

    for (size_t i = 0; i < n; i++) {
        calls[i].result = NULL;
        calls[i].error = 0;
        calls[i].group = group;
        calls[i].task = coro_spawn(coro_task_loop(self), call_main, &calls[i], self->name);
        if (calls[i].task != NULL)
            group->left++;
        else
            calls[i].error = -errno;
    }
}

int coro_run_all(struct coro_call *calls, size_t n, int64_t deadline_ms)
{
    struct group group = {.waiter = coro_thread.task};
    int rc = coro_cancellation_point();

    if (rc != 0) {
        for (size_t i = 0; i < n; i++) {
            calls[i].result = NULL;
            calls[i].error = rc;
        }
        return rc;
    }
    start_calls(&group, calls, n);
    while (group.left > 0 && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    if (group.left > 0) {
        for (size_t i = 0; i < n; i++) {
            if (calls[i].task != NULL)
                (void)coro_task_cancel(calls[i].task);
        }
        while (group.left > 0)
            coro_block_uncancellable();
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (calls[i].error != 0)
            return calls[i].error;
    }
    return 0;
}
