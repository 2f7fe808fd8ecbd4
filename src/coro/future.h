// SPDX-License-Identifier: MIT
/* Futures: something that will have a result, and the ways to wait for it. Every task is one.
 *
 *               the loop runs it first         its function returns, or fails
 *     PENDING ─────────────────────► RUNNING ─────────────────────────────────► DONE
 *        │                              │                               (value or error)
 *        │ cancel (plain future)        │ cancelled, told at a wait, and ended by it
 *        └──────────────────────────────┴──────────────────────────────────► CANCELLED
 *
 * A plain future (coro_future_new) goes from PENDING to DONE when somebody sets its result or
 * error; it is never RUNNING. A task that was told of a cancellation ends CANCELLED whatever it
 * returns, unless it called coro_uncancel(); one that was never told ends DONE.
 *
 * All of this is for the thread of the loop that the future belongs to. Futures are counted: new
 * gives the caller one reference, a task's first one is the loop's (see task.h). Whoever waits
 * holds one for as long as it waits. The value belongs to whoever takes it; the library never
 * frees it.
 */
#ifndef CORO_FUTURE_H
#define CORO_FUTURE_H

#include "coro/task.h"

enum coro_future_state { CORO_PENDING, CORO_RUNNING, CORO_DONE, CORO_CANCELLED };

struct coro_future;

/* A future that its maker will complete. NULL with errno ENOMEM. */
struct coro_future *coro_future_new(struct coro_loop *loop) __attribute__((warn_unused_result));
struct coro_future *coro_future_ref(struct coro_future *f);
void coro_future_unref(struct coro_future *f); /* NULL allowed; not a task's last one while alive */

/* The future that a task is: the same object, the same count of references. */
struct coro_future *coro_task_future(struct coro_task *task);

/* Completes a plain future. 0, or -EALREADY. error: a negative errno, not -ECANCELED. */
int coro_future_set_result(struct coro_future *f, void *value);
int coro_future_set_error(struct coro_future *f, int error);

/* A plain future becomes CANCELLED at once; a task is cancelled as by coro_task_cancel() and
 * becomes CANCELLED when it has ended. 0, or -EALREADY. */
int coro_future_cancel(struct coro_future *f);

enum coro_future_state coro_future_state(const struct coro_future *f);

/* 0 with *value (may be NULL) set; its error; -ECANCELED; -EINPROGRESS: not yet completed. A
 * cancelled task's value is set too, so that what it returned is not lost. */
int coro_future_result(const struct coro_future *f, void **value);

/* Called on the loop's stack, in the turn after the future was completed, or in the next one if
 * it is already. */
struct coro_done;
typedef void coro_done_fn(struct coro_future *f, void *arg);
struct coro_done { /* the caller's memory; must stay until fn has been called or it is removed */
    coro_done_fn *fn;
    void *arg;
    struct coro_future *future; /* private, as what follows */
    struct coro_done *prev, *next;
    bool scheduled;
};
void coro_future_add_done(struct coro_future *f, struct coro_done *done, coro_done_fn *fn,
                          void *arg);
void coro_future_remove_done(struct coro_done *done); /* no-op once fn has been called */

/* ---- waiting, in a task ---------------------------------------------------------------- */

/* Each returns what coro_future_result() says once f is completed, or -ETIMEDOUT; -EDEADLK for a
 * task that waits for itself. They differ in what becomes of f:
 *
 *                      the deadline passes              the waiting task is cancelled
 *   coro_await         -ETIMEDOUT, f goes on            f is cancelled and waited for
 *   coro_await_within  f is cancelled and waited for,   f is cancelled and waited for
 *                      then -ETIMEDOUT
 *   coro_shield        -ETIMEDOUT, f goes on            -ECANCELED, f goes on
 *
 * "Cancelled and waited for": if f nevertheless is completed with a result, that is returned,
 * and a cancellation of the waiting task is told at its next wait. */
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

/* Makes the running task forget a cancellation it was told of: it goes on as if never cancelled,
 * with unbounded waits. */
void coro_uncancel(void);

#endif
