/* SPDX-License-Identifier: MIT
 *
 * Futures: something that will have a result. Every task is one. How a task waits for one: await.h.
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

#include "coro/list.h"

#include <errno.h>
#include <stdbool.h>

enum coro_future_state { CORO_PENDING, CORO_RUNNING, CORO_DONE, CORO_CANCELLED };

struct coro_future;
struct coro_loop;

/* A future that its maker will complete. NULL with errno ENOMEM. */
struct coro_future *coro_future_new(struct coro_loop *loop) __attribute__((warn_unused_result));
static inline struct coro_future *coro_future_ref(struct coro_future *f);
void coro_future_unref(struct coro_future *f); /* NULL allowed; not a task's last one while alive */

/* Completes a plain future. 0, or -EALREADY. error: a negative errno, not -ECANCELED. */
int coro_future_set_result(struct coro_future *f, void *value);
int coro_future_set_error(struct coro_future *f, int error);

/* A plain future becomes CANCELLED at once; a task is cancelled as by coro_task_cancel() and
 * becomes CANCELLED when it has ended. 0, or -EALREADY. */
int coro_future_cancel(struct coro_future *f);

enum coro_future_state coro_future_state(const struct coro_future *f);

/* 0 with *value (may be NULL) set; its error; -ECANCELED; -EINPROGRESS: not yet completed. A
 * cancelled task's value is set too, so that what it returned is not lost. */
static inline int coro_future_result(const struct coro_future *f, void **value);

/* Whoever is to be told at once that a future has been completed, in whoever's memory: told once,
 * when it is on the future's list no more. */
struct coro_waiter {
    struct coro_link link; /* in coro_future.waiters */
    void (*tell)(struct coro_waiter *waiter);
};

/* Called on the loop's stack, in the turn after the future was completed, or in the next one if
 * it is already. */
typedef void coro_done_fn(struct coro_future *f, void *arg);
struct coro_done { /* the caller's memory; must stay until fn has been called or it is removed */
    coro_done_fn *fn;
    void *arg;
    struct coro_future *future; /* private, as what follows */
    struct coro_waiter waiter;  /* once told, its link is in the loop's `soon` */
    bool told;
};
void coro_future_add_done(struct coro_future *f, struct coro_done *done, coro_done_fn *fn,
                          void *arg);
void coro_future_remove_done(struct coro_done *done); /* no-op once fn has been called */

/* ---- for what stands on futures -------------------------------------------------------- */

/* What a future that is part of something else leaves to that. */
struct coro_future_hooks {
    int (*cancel)(struct coro_future *f);   /* as coro_future_cancel() */
    void (*release)(struct coro_future *f); /* its last reference is gone */
};

/* Invariant: nobody waits once state >= CORO_DONE. */
struct coro_future {
    struct coro_loop *loop;
    const struct coro_future_hooks *hooks; /* NULL: a plain future */
    enum coro_future_state state;
    int error; /* once completed */
    void *value;
    unsigned refs;
    struct coro_list waiters;
};

static inline struct coro_future *coro_future_ref(struct coro_future *f)
{
    f->refs++;
    return f;
}

static inline int coro_future_result(const struct coro_future *f, void **value)
{
    if (f->state < CORO_DONE)
        return -EINPROGRESS;
    if (value != NULL)
        *value = f->value;
    return f->error;
}

void coro_future_complete(struct coro_future *f, enum coro_future_state state, void *value,
                          int error);
void coro_future_run_soon(struct coro_loop *loop); /* the callbacks scheduled until now */

#endif
