// SPDX-License-Identifier: MIT
/* Tasks: coroutines scheduled on a loop, and the ways in which they wait.
 *
 * Who frees a task. coro_spawn() makes a task that the loop owns and frees when its function has
 * returned. Its pointer is therefore good until the spawner next waits, or for as long as the
 * task is known not to have ended; whoever needs it longer calls coro_task_ref() before that.
 *
 * Waiting. All functions here that wait do so at once with -ECANCELED when the task has been
 * cancelled and was not told yet. A wait whose condition came true reports that, and the
 * cancellation is told at the next wait: nothing that was handed over is lost. After it was
 * told, clean-up code may wait again, but in all no longer than the loop's cleanup_ms; from then
 * on every wait is refused with -ECANCELED.
 *
 * A deadline is an absolute time on coro_now_ms()'s clock, or CORO_FOREVER; one that has passed
 * means "do not wait". The waiting functions may be called only in a task (assert), also from
 * inside a generator that the task runs: the whole task waits.
 */
#ifndef CORO_TASK_H
#define CORO_TASK_H

#include "coro/loop.h"

#include <stddef.h>
#include <stdint.h>

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
const char *coro_task_name(const struct coro_task *task);

struct coro_task *coro_task_ref(struct coro_task *task);
void coro_task_unref(struct coro_task *task); /* NULL allowed */

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

/* Makes the running task end as failed: `return coro_fail(-EIO);` in its function. error: a
 * negative errno. Returns NULL. */
void *coro_fail(int error);

/* Lets other runnable tasks and ready descriptors have their turn. 0 or -ECANCELED. */
int coro_pause(void) __attribute__((warn_unused_result));

/* Waits ms milliseconds (0 or less: as coro_pause()). 0 or -ECANCELED. */
int coro_sleep(int64_t ms) __attribute__((warn_unused_result));

/* Waits until fd is ready for one of `events`. >0: the ready events; -ETIMEDOUT; -ECANCELED.
 * Where the kernel has no room for a watch it looks now and then itself. fd must be open and stay
 * so meanwhile: libev ends the program over one that is not. */
int coro_wait_fd(int fd, int events, int64_t deadline_ms) __attribute__((warn_unused_result));

/* Runs fn(arg) on the loop's thread pool and waits for it; *result (may be NULL) is set to what
 * it returned. fn runs with all signals blocked and must not call anything of this library.
 * 0; -ECANCELED: cancelled before it had begun, fn will not run (once begun it is waited for,
 * and the cancellation is told at the next wait); -EAGAIN: no thread could be started. */
int coro_offload(void *(*fn)(void *), void *arg, void **result) __attribute__((warn_unused_result));

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

#include "coro/task_inline.h"

#endif
