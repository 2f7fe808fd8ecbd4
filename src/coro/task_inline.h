/* SPDX-License-Identifier: MIT
 *
 * Parking and resuming, inline in their callers: what a server does for every request it hands to
 * a waiting task. The reason is generator_inline.h's: no `ret` is executed right after a switch,
 * and only registers that are live there are saved.
 *
 * Included by task.h only; the struct is the library's own business. A function that parks or
 * resumes must not use alloca() or variable-length arrays (see context.h).
 */
#ifndef CORO_TASK_INLINE_H
#define CORO_TASK_INLINE_H

#include "coro/coro.h"

#include <assert.h>

enum coro_run_state {
    CORO_RUNNING_NOW, /* its stack, or that of a generator it runs, is the current one */
    CORO_READY,       /* in the loop's ready list */
    CORO_PARKED,      /* in coro_park() */
    CORO_BLOCKED,     /* in any other wait */
    CORO_ENDED
};

/* Bits of flags; 0 is what the fast path of coro_park() asks for. */
enum {
    CORO_PERMIT = 1, /* an unpark not yet consumed */
    CORO_CANCEL = 2, /* cancelled, not yet told */
    CORO_TOLD = 4    /* was told; its waits are bounded by cleanup_at_ns */
};

struct coro_scheduler;

/* Invariant: on the ready list exactly when state == CORO_READY. It lies in its stack's record. */
struct coro_task {
    struct coro co;
    struct coro *leaf; /* whose stack to continue: co, or a generator the task is inside */
    enum coro_run_state state;
    unsigned flags;
    struct coro_scheduler *scheduler;
    struct coro_link ready, alive; /* in the scheduler's lists */
    coro_task_fn *fn;
    void *arg;
    const char *name;
    int error;                 /* from coro_fail() */
    int64_t cleanup_at_ns;     /* with CORO_TOLD */
    struct coro_future future; /* one reference is the loop's until it has ended */
};

/* The rest of both, out of line. */
int coro_park_slowly(int64_t deadline_ms);
void coro_resume_else(struct coro_task *task);
void coro_task_ended(struct coro_task *task);

/* Back to the loop, from wherever the task is; returns when the task is run again. */
__attribute__((always_inline)) static inline void coro_task_leave(struct coro_task *t,
                                                                  enum coro_run_state state)
{
    t->state = state;
    t->leaf = coro_thread.current;
    coro_thread.task = NULL;
    (void)coro_switch(t->leaf, coro_thread.looper, NULL);
}

/* Continues a task that is not in the ready list, until it next waits or ends. */
__attribute__((always_inline)) static inline void coro_task_run(struct coro_task *t)
{
    t->state = CORO_RUNNING_NOW;
    coro_thread.task = t;
    (void)coro_switch(coro_thread.current, t->leaf, NULL);
    if (__builtin_expect(t->state == CORO_ENDED, 0))
        coro_task_ended(t);
}

__attribute__((always_inline)) static inline int coro_park(int64_t deadline_ms)
{
    struct coro_task *t = coro_thread.task;

    assert(t != NULL);
    if (__builtin_expect(t->flags != 0 || deadline_ms != CORO_FOREVER, 0))
        return coro_park_slowly(deadline_ms);
    coro_task_leave(t, CORO_PARKED);
    return __builtin_expect(t->flags != 0, 0) ? coro_park_slowly(CORO_FOREVER) : 0;
}

__attribute__((always_inline)) static inline void coro_resume_now(struct coro_task *task)
{
    assert(coro_thread.task == NULL);
    if (__builtin_expect(task->state != CORO_PARKED, 0))
        coro_resume_else(task);
    else
        coro_task_run(task);
}

#endif
