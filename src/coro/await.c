/* SPDX-License-Identifier: MIT
 *
 * Who waits hangs what is to be told, in its own frame, on the future, and sleeps until all it hung
 * have been told or it need wait no longer; then it takes down those that have not.
 */
#include "coro/await.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* One task's wait for one future or several. */
struct waiting {
    struct coro_task *task;
    size_t left;     /* not yet completed */
    int first_error; /* of those that are */
};

/* Its part in one of them. */
struct hung {
    struct coro_waiter waiter;
    struct coro_future *future; /* NULL once completed */
    struct waiting *waiting;
};

static void on_completed(struct coro_waiter *waiter)
{
    struct hung *h = CORO_HOLDER(waiter, struct hung, waiter);
    struct waiting *waiting = h->waiting;

    waiting->left--;
    if (h->future->error != 0 && waiting->first_error == 0)
        waiting->first_error = h->future->error;
    h->future = NULL;
    coro_wake(waiting->task);
}

static void hang(struct hung *h, struct coro_future *f, struct waiting *waiting)
{
    *h = (struct hung){.waiter.tell = on_completed, .future = f, .waiting = waiting};
    coro_list_append(&f->waiters, &h->waiter.link);
    waiting->left++;
}

static void unhang(struct hung *h)
{
    if (h->future != NULL)
        coro_list_remove(&h->future->waiters, &h->waiter.link);
}

enum { CANCEL_ON_CANCEL = 1, CANCEL_ON_DEADLINE = 2 };

/* The three waits of the header's table; f is not completed. 0: it is now, and nothing happened
 * meanwhile or nothing came of it. */
static int wait_for(struct coro_future *f, int64_t deadline_ms, int mode)
{
    struct waiting waiting = {.task = coro_thread.task};
    bool told_before = waiting.task->flags & CORO_TOLD;
    struct hung hung;
    bool cancel;
    int rc = 0;

    hang(&hung, f, &waiting);
    while (waiting.left > 0 && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    cancel = rc == -ETIMEDOUT ? mode & CANCEL_ON_DEADLINE : mode & CANCEL_ON_CANCEL;
    if (waiting.left > 0 && rc != 0 && cancel) {
        (void)coro_future_cancel(f);
        while (waiting.left > 0)
            coro_block_uncancellable();
        if (f->state == CORO_DONE && rc == -ECANCELED && !told_before)
            coro_untell(); /* the result is returned now, the cancellation told later */
        if (f->state == CORO_DONE)
            rc = 0;
    } else if (waiting.left == 0) {
        rc = 0;
    }
    unhang(&hung);
    return rc;
}

static int await_in(struct coro_future *f, void **value, int64_t deadline_ms, int mode)
{
    int rc = 0;

    assert(coro_thread.task != NULL);
    if (f == &coro_thread.task->future)
        return -EDEADLK;
    coro_future_ref(f);
    if (f->state < CORO_DONE)
        rc = wait_for(f, deadline_ms, mode);
    if (rc == 0)
        rc = coro_future_result(f, value);
    coro_future_unref(f);
    return rc;
}

int coro_await(struct coro_future *f, void **value, int64_t deadline_ms)
{
    return await_in(f, value, deadline_ms, CANCEL_ON_CANCEL);
}

int coro_await_within(struct coro_future *f, void **value, int64_t deadline_ms)
{
    return await_in(f, value, deadline_ms, CANCEL_ON_CANCEL | CANCEL_ON_DEADLINE);
}

int coro_shield(struct coro_future *f, void **value, int64_t deadline_ms)
{
    return await_in(f, value, deadline_ms, 0);
}

int coro_gather(struct coro_future *const *futures, size_t n, int64_t deadline_ms)
{
    struct waiting waiting = {.task = coro_thread.task};
    struct hung *hung = calloc(n + 1, sizeof *hung);
    int rc = 0;

    assert(waiting.task != NULL);
    if (hung == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        coro_future_ref(futures[i]);
        if (futures[i]->state < CORO_DONE)
            hang(&hung[i], futures[i], &waiting);
        else if (futures[i]->error != 0 && waiting.first_error == 0)
            waiting.first_error = futures[i]->error;
    }
    while (waiting.left > 0 && waiting.first_error == 0 && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    if (waiting.first_error != 0) {
        rc = waiting.first_error;
    } else if (waiting.left == 0) {
        rc = 0;
    } else if (rc == -ECANCELED) {
        for (size_t i = 0; i < n; i++)
            (void)coro_future_cancel(futures[i]);
        while (waiting.left > 0)
            coro_block_uncancellable();
    }
    for (size_t i = 0; i < n; i++) {
        unhang(&hung[i]);
        coro_future_unref(futures[i]);
    }
    free(hung);
    return rc;
}
