/* SPDX-License-Identifier: MIT
 *
 * A loop from its making to its end. One loop belongs to one thread; nothing here may be called
 * from another thread or from a signal handler. A loop does not survive fork(): make it in the
 * process that runs it.
 *
 * A loop turn calls the done callbacks of completed futures and runs the tasks that are ready, then
 * waits for events and calls the watches and timers that are due. Callbacks run on the loop's own
 * stack: they may start and stop watches and timers, spawn, unpark and resume tasks, but not wait.
 */
#ifndef CORO_RUN_H
#define CORO_RUN_H

#include "coro/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct coro_loop;

/* All fields may be 0. */
struct coro_loop_config {
    size_t stack_bytes;       /* of each task; 0: 64 KiB */
    bool stacks_anew;         /* each is mapped for its task and unmapped when that has ended */
    unsigned max_tasks;       /* alive at a time; 0: no limit but memory */
    unsigned offload_threads; /* started when first needed; 0: 4 */
    int64_t cleanup_ms;       /* what a cancelled task may still wait, in all; 0: 1000 */
};

/* Makes a loop. config: copied; NULL for all defaults. The caller owns the loop.
 * NULL with errno: ENOMEM, EINVAL (stack size), EMFILE, ENOSPC and the like from the kernel. */
struct coro_loop *coro_loop_new(const struct coro_loop_config *config);

/* Runs the loop until a coro_loop_stop() has completed. Must not be called from a task.
 * 0: stopped; all tasks have ended, all done callbacks were called. -ETIMEDOUT: stopped, but tasks
 * remained when the grace was over. -EDEADLK: nothing is runnable and nothing that could change
 * that is being waited for. -EBUSY: this loop, or a task of another on this thread, is already
 * running.
 * May be run again afterwards. */
int coro_loop_run(struct coro_loop *loop) __attribute__((warn_unused_result));

/* Cancels all tasks and makes coro_loop_run() return when they have ended, or in grace_ms
 * milliseconds if that is sooner (CORO_FOREVER: no limit). From now on coro_spawn() fails with
 * ECANCELED. From a callback or a task, which is cancelled too, at its next wait. A second call
 * may shorten the grace. */
void coro_loop_stop(struct coro_loop *loop, int64_t grace_ms);

/* Frees the loop and whatever remains of it. Jobs that run on the offload threads are waited for;
 * tasks that had not ended are freed as they stand, without unwinding, so they leak what they
 * held. Watches and timers need not have been stopped. NULL allowed. Not while running. */
void coro_loop_free(struct coro_loop *loop);

unsigned coro_loop_tasks(const struct coro_loop *loop); /* alive now */

/* The most bytes of stack any task was seen to use (see coro_stack_pool_peak()). */
size_t coro_loop_stack_peak(const struct coro_loop *loop);

size_t coro_loop_stack_bytes(const struct coro_loop *loop); /* size of each task's stack */

#endif
