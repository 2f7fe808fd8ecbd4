// SPDX-License-Identifier: MIT
/* Futures. Who waits hangs a waiter, in its own frame, on the future; completing the future takes
 * all waiters off and calls them at once (they only wake tasks), and moves the done callbacks to
 * the loop's list of things to call on its next turn. A waiter or callback is thus on a list
 * exactly as long as its memory is needed.
 */
#include "coro/future.h"
#include "coro/internal.h"

#include <assert.h>
#include <stdlib.h>

struct coro_waiter {
    struct coro_waiter *prev, *next;
    struct coro_future *future; /* NULL once completed */
    struct waiting *waiting;
};

/* One task's wait for one future or several. */
struct waiting {
    struct coro_task *task;
    size_t left;     /* not yet completed */
    int first_error; /* of those that are */
};

struct coro_future *coro_future_new(struct coro_loop *loop)
{
    struct coro_future *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->loop = loop;
    f->refs = 1;
    return f;
}

struct coro_future *coro_future_ref(struct coro_future *f)
{
    f->refs++;
    return f;
}

void coro_future_unref(struct coro_future *f)
{
    if (f == NULL || --f->refs > 0)
        return;
    assert(f->waiters == NULL && f->dones == NULL);
    if (f->task != NULL)
        coro_task_release(f->task);
    else
        free(f);
}

struct coro_future *coro_task_future(struct coro_task *t)
{
    return &t->future;
}

/* ---- completion ---- */

static void schedule(struct coro_done *done)
{
    struct coro_loop *loop = done->future->loop;
    done->scheduled = true;
    done->next = NULL;
    done->prev = loop->soon_tail;
    if (loop->soon_tail != NULL)
        loop->soon_tail->next = done;
    else
        loop->soon_head = done;
    loop->soon_tail = done;
}

static void take_off(struct coro_future *f, struct coro_done *done)
{
    struct coro_loop *loop = f->loop;
    struct coro_done **head = done->scheduled ? &loop->soon_head : &f->dones;
    if (done->prev != NULL)
        done->prev->next = done->next;
    else
        *head = done->next;
    if (done->next != NULL)
        done->next->prev = done->prev;
    else if (done->scheduled)
        loop->soon_tail = done->prev;
    done->future = NULL;
}

void coro_future_add_done(struct coro_future *f, struct coro_done *done, coro_done_fn *fn,
                          void *arg)
{
    *done = (struct coro_done){.fn = fn, .arg = arg, .future = coro_future_ref(f)};
    if (f->state >= CORO_DONE) {
        schedule(done);
        return;
    }
    done->next = f->dones;
    if (f->dones != NULL)
        f->dones->prev = done;
    f->dones = done;
}

void coro_future_remove_done(struct coro_done *done)
{
    struct coro_future *f = done->future;
    if (f == NULL)
        return;
    take_off(f, done);
    coro_future_unref(f);
}

void coro_future_run_soon(struct coro_loop *loop)
{
    size_t now = 0; /* those added meanwhile are for the next turn */
    for (const struct coro_done *done = loop->soon_head; done != NULL; done = done->next)
        now++;
    for (; now > 0 && loop->soon_head != NULL; now--) {
        struct coro_done *done = loop->soon_head;
        struct coro_future *f = done->future;
        loop->soon_head = done->next;
        if (done->next != NULL)
            done->next->prev = NULL;
        else
            loop->soon_tail = NULL;
        done->future = NULL;
        done->fn(f, done->arg); /* may free done */
        coro_future_unref(f);
    }
}

void coro_future_complete(struct coro_future *f, enum coro_future_state state, void *value,
                          int error)
{
    f->state = state;
    f->value = value;
    f->error = error;
    while (f->waiters != NULL) {
        struct coro_waiter *w = f->waiters;
        f->waiters = w->next;
        w->future = NULL;
        w->waiting->left--;
        if (error != 0 && w->waiting->first_error == 0)
            w->waiting->first_error = error;
        coro_wake(w->waiting->task);
    }
    /* Newest first on the future's list; they are to be called in the order they were added. */
    struct coro_done *done = f->dones;
    while (done != NULL && done->next != NULL)
        done = done->next;
    f->dones = NULL;
    while (done != NULL) {
        struct coro_done *prev = done->prev;
        schedule(done);
        done = prev;
    }
}

static int complete_plain(struct coro_future *f, enum coro_future_state state, void *value,
                          int error)
{
    assert(f->task == NULL);
    if (f->state != CORO_PENDING)
        return -EALREADY;
    coro_future_complete(f, state, value, error);
    return 0;
}

int coro_future_set_result(struct coro_future *f, void *value)
{
    return complete_plain(f, CORO_DONE, value, 0);
}

int coro_future_set_error(struct coro_future *f, int error)
{
    assert(error < 0 && error != -ECANCELED);
    return complete_plain(f, CORO_DONE, NULL, error);
}

int coro_future_cancel(struct coro_future *f)
{
    if (f->task != NULL)
        return coro_task_cancel(f->task);
    return complete_plain(f, CORO_CANCELLED, NULL, -ECANCELED);
}

enum coro_future_state coro_future_state(const struct coro_future *f)
{
    return f->state;
}

int coro_future_result(const struct coro_future *f, void **value)
{
    if (f->state < CORO_DONE)
        return -EINPROGRESS;
    if (value != NULL)
        *value = f->value;
    return f->error;
}

/* ---- waiting ---- */

static void hang(struct coro_waiter *w, struct coro_future *f, struct waiting *waiting)
{
    *w = (struct coro_waiter){.next = f->waiters, .future = f, .waiting = waiting};
    if (f->waiters != NULL)
        f->waiters->prev = w;
    f->waiters = w;
    waiting->left++;
}

static void unhang(struct coro_waiter *w)
{
    struct coro_future *f = w->future;
    if (f == NULL)
        return; /* completed: it took the waiter off */
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        f->waiters = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
}

enum { CANCEL_ON_CANCEL = 1, CANCEL_ON_DEADLINE = 2 };

/* The three waits of the header's table; f is not completed. 0: it is now, and nothing happened
 * meanwhile or nothing came of it. */
static int wait_for(struct coro_future *f, int64_t deadline_ms, int mode)
{
    struct waiting waiting = {.task = coro_thread.task};
    bool told_before = waiting.task->hot.flags & CORO_TOLD;
    struct coro_waiter waiter;
    int rc = 0;
    hang(&waiter, f, &waiting);
    while (waiting.left > 0 && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    bool cancel = rc == -ETIMEDOUT ? mode & CANCEL_ON_DEADLINE : mode & CANCEL_ON_CANCEL;
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
    unhang(&waiter);
    return rc;
}

static int await_in(struct coro_future *f, void **value, int64_t deadline_ms, int mode)
{
    int rc = 0;
    assert(coro_thread.task != NULL);
    if (f->task == coro_thread.task)
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
    struct coro_waiter *waiters = calloc(n + 1, sizeof *waiters);
    int rc = 0;
    assert(waiting.task != NULL);
    if (waiters == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        coro_future_ref(futures[i]);
        if (futures[i]->state < CORO_DONE)
            hang(&waiters[i], futures[i], &waiting);
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
        unhang(&waiters[i]);
        coro_future_unref(futures[i]);
    }
    free(waiters);
    return rc;
}
