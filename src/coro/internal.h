// SPDX-License-Identifier: MIT
/* What the files of src/coro share about loops and tasks and users do not see. */
#ifndef CORO_INTERNAL_H
#define CORO_INTERNAL_H

#include "coro/coro.h"
#include "coro/future.h"
#include "coro/loop.h"
#include "coro/task.h"

#include <errno.h>
#include <stdbool.h>

struct coro_waiter;

/* Invariant: waiters and dones are empty once state >= CORO_DONE. */
struct coro_future {
    struct coro_loop *loop;
    struct coro_task *task; /* that it is part of; NULL: a plain future */
    enum coro_future_state state;
    int error; /* once completed */
    void *value;
    unsigned refs;
    struct coro_waiter *waiters;
    struct coro_done *dones; /* newest first */
};

/* Invariant: in the ready list exactly when hot.state == CORO_READY. */
struct coro_task {
    struct coro_task_hot hot;
    struct coro_loop *loop;
    struct coro_task *ready_prev, *ready_next;
    coro_task_fn *fn;
    void *arg;
    const char *name;
    int error;                             /* from coro_fail() */
    int64_t cleanup_at_ns;                 /* with CORO_TOLD */
    struct coro_task *all_prev, *all_next; /* the loop's list of tasks alive */
    struct coro_future future;             /* one reference is the loop's until it has ended */
};

struct coro_offload;

struct coro_loop {
    struct ev_loop *ev;
    struct coro_task *ready_head, *ready_tail;
    struct coro_done *soon_head, *soon_tail; /* callbacks of completed futures */
    struct coro_stack_pool *stacks;
    struct coro_task *all;
    unsigned tasks;
    struct coro_loop_config config;
    struct coro_offload *offload; /* NULL until first used */
    size_t active;                /* watches, timers and jobs that can still wake somebody */
    bool running, stopping, grace_over;
    bool paused;               /* a task wants descriptors to have their turn */
    struct coro_timer *timers; /* root of the heap of active ones; see timer.c */
    int clock_fd;              /* a timerfd */
    int64_t clock_ns;          /* what it is set to; INT64_MAX: nothing; 0: it has fired */
    struct coro_watch clock;
    struct coro_timer grace;
    int64_t grace_at_ns;
};

/* ---- task.c, for the other kinds of waiting ---- */

/* Suspends the running task until coro_wake(), the deadline or a cancellation: 0, -ETIMEDOUT,
 * -ECANCELED. Wakes may be spurious: call it in a loop around the condition. */
int coro_block(int64_t deadline_ns);

/* 0, or -ECANCELED if the running task has been cancelled and was not told or may not wait any
 * more: what every wait asks first. */
int coro_cancellation_point(void);

/* coro_block() without a deadline and without being told of a cancellation. */
void coro_block_uncancellable(void);

/* Makes a blocked task runnable; nothing if it is not blocked. */
void coro_wake(struct coro_task *task);

/* What a task that has ended, or is about to, ends with. */
int coro_task_error(const struct coro_task *task);

/* Takes back that the running task was told of its cancellation: the next wait tells it. */
void coro_untell(void);

void coro_task_release(struct coro_task *task); /* its last reference is gone */

/* Runs the tasks that are ready now, each until it next waits. */
void coro_run_ready(struct coro_loop *loop);

void coro_task_release_all(struct coro_loop *loop); /* for coro_loop_free() */

static inline int64_t coro_ms_to_ns(int64_t ms)
{
    return ms < 0 ? CORO_FOREVER : ms > INT64_MAX / 1000000 ? CORO_FOREVER : ms * 1000000;
}

/* ---- future.c ---- */

void coro_future_complete(struct coro_future *f, enum coro_future_state state, void *value,
                          int error);
void coro_future_run_soon(struct coro_loop *loop); /* the callbacks scheduled until now */

/* ---- loop.c ---- */

int64_t coro_now_ns(void);
void coro_timer_start_at(struct coro_loop *loop, struct coro_timer *timer, int64_t at_ns);

/* timer.c: calls the functions of the timers that are due. */
void coro_timers_run(struct coro_loop *loop);

/* A wake-up of the loop from other threads. fn runs on the loop's stack. */
struct coro_notifier;
typedef void coro_notify_fn(void *arg);
struct coro_notifier *coro_notifier_new(struct coro_loop *loop, coro_notify_fn *fn, void *arg);
void coro_notifier_send(struct coro_notifier *notifier); /* any thread */
void coro_notifier_free(struct coro_notifier *notifier);

/* ---- offload.c ---- */

void coro_offload_free(struct coro_offload *offload); /* waits for jobs that run */

#endif
