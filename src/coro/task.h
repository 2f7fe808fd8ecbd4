/* SPDX-License-Identifier: MIT
 *
 * Tasks: coroutines scheduled on a loop.
 *
 * Who frees a task. coro_spawn() makes a task that the loop owns and frees when its function has
 * returned. Its pointer is therefore good until the spawner next waits, or for as long as the
 * task is known not to have ended; whoever needs it longer calls coro_task_ref() before that.
 *
 * Waiting, here and in await.h, offload.h, sync.h and wait.h. All functions that wait do so at once
 * with -ECANCELED when the task has been cancelled and was not told yet. A wait whose condition
 * came true reports that, and the cancellation is told at the next wait: nothing that was handed
 * over is lost. After it was told, clean-up code may wait again, but in all no longer than the
 * loop's cleanup_ms; from then on every wait is refused with -ECANCELED.
 *
 * A deadline is an absolute time on coro_now_ms()'s clock, or CORO_FOREVER; one that has passed
 * means "do not wait". The waiting functions may be called only in a task (assert), also from
 * inside a generator that the task runs: the whole task waits.
 */
#ifndef CORO_TASK_H
#define CORO_TASK_H

#include "coro/clock.h"
#include "coro/future.h"

struct coro_loop;
struct coro_task;
typedef void *coro_task_fn(void *arg);

/* Makes a task that will run fn(arg) from the loop. name: for reports, borrowed while the task
 * lives. From a callback, a task, or before coro_loop_run(). The function always runs, also
 * when the task is cancelled before its first turn (its first wait then says so), so that
 * whatever arg owns is released in one place.
 * NULL with errno: EAGAIN (max_tasks are alive), ENOMEM, ECANCELED (the loop is stopping). */
struct coro_task *coro_spawn(struct coro_loop *loop, coro_task_fn *fn, void *arg, const char *name)
    __attribute__((warn_unused_result));

/* The running task, or NULL on a loop's own stack and outside of loops. */
struct coro_task *coro_task_self(void);
struct coro_loop *coro_task_loop(const struct coro_task *task);

struct coro_task *coro_task_ref(struct coro_task *task);
void coro_task_unref(struct coro_task *task); /* NULL allowed */

/* The future that a task is: the same object, the same count of references. */
struct coro_future *coro_task_future(struct coro_task *task);

/* Waits until coro_unpark() or coro_resume_now() is called on this task. An unpark that came
 * first is remembered (one, not a count) and ends the next park at once.
 * 0, -ETIMEDOUT, -ECANCELED. With CORO_FOREVER no timer and no system call is involved. */
__attribute__((warn_unused_result)) static inline int coro_park(int64_t deadline_ms);

/* Makes a parked task runnable on the loop's next turn, or lets its next park return at once.
 * From a callback or a task of the same thread. */
void coro_unpark(struct coro_task *task);

/* Runs a task at once, until it next waits: one that is parked, whose park returns 0, or one
 * just spawned. One that waits for something else is treated as by coro_unpark(). From a
 * callback only. */
static inline void coro_resume_now(struct coro_task *task);

/* Asks a task to end: its present wait, or its next one, returns -ECANCELED. 0, or -EALREADY if
 * it has ended. Asking again before it was told changes nothing. From a callback or a task. */
int coro_task_cancel(struct coro_task *task);

/* Makes the running task forget a cancellation it was told of: it goes on as if never cancelled,
 * with unbounded waits. */
void coro_uncancel(void);

/* Makes the running task end as failed: `return coro_fail(-EIO);` in its function. error: a
 * negative errno. Returns NULL. */
void *coro_fail(int error);

/* Lets other runnable tasks and ready descriptors have their turn. 0 or -ECANCELED. */
int coro_pause(void) __attribute__((warn_unused_result));

#include "coro/task_inline.h"

/* ---- for the other kinds of waiting ---------------------------------------------------- */

/* Suspends the running task until coro_wake(), the deadline or a cancellation: 0, -ETIMEDOUT,
 * -ECANCELED. Wakes may be spurious: call it in a loop around the condition. */
int coro_block(int64_t deadline_ns);

/* coro_block() without a deadline and without being told of a cancellation. */
void coro_block_uncancellable(void);

/* Makes a blocked task runnable; nothing if it is not blocked. */
void coro_wake(struct coro_task *task);

/* 0, or -ECANCELED if the running task has been cancelled and was not told or may not wait any
 * more: what every wait asks first. */
int coro_cancellation_point(void);

/* Takes back that the running task was told of its cancellation: the next wait tells it. */
void coro_untell(void);

/* What a task that has ended, or is about to, ends with. */
int coro_task_error(const struct coro_task *task);

/* ---- for run.c ------------------------------------------------------------------------- */

/* The tasks of one loop and what they are made with. */
struct coro_scheduler {
    struct coro_loop *loop;
    struct coro_list ready;
    struct coro_list alive;
    struct coro_stack_pool *stacks;
    size_t stack_bytes;
    unsigned tasks, max_tasks; /* alive; 0: no limit */
    int64_t cleanup_ms;
    bool stopping; /* no more tasks */
    bool paused;   /* a task wants descriptors to have their turn */
};

/* Runs the tasks that are ready now, each until it next waits. */
void coro_run_ready(struct coro_scheduler *scheduler);
void coro_cancel_all(struct coro_scheduler *scheduler);
void coro_release_all(struct coro_scheduler *scheduler); /* their stacks go with the pool */

#endif
