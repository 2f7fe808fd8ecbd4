// SPDX-License-Identifier: MIT
/* The event loop that tasks run on: descriptors, timers, stopping. One loop belongs to one
 * thread; nothing here may be called from another thread or from a signal handler. A loop does not
 * survive fork(): make it in the process that runs it.
 *
 * A loop turn runs the tasks that are runnable, then waits for events and calls their callbacks.
 * Callbacks run on the loop's own stack: they may start and stop watches and timers, spawn, unpark
 * and resume tasks, but not wait.
 *
 * loop.c is the only file that knows libev; the watch struct below only reserves the room for
 * libev's.
 */
#ifndef CORO_LOOP_H
#define CORO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORO_READ = 1, CORO_WRITE = 2 }; /* bits of `events` */

#define CORO_FOREVER ((int64_t)-1) /* no deadline */

struct coro_loop;

/* All fields may be 0. */
struct coro_loop_config {
    size_t stack_bytes;       /* of each task; 0: 64 KiB */
    unsigned max_tasks;       /* alive at a time; 0: no limit but memory */
    unsigned offload_threads; /* started when first needed; 0: 4 */
    int64_t cleanup_ms;       /* what a cancelled task may still wait, in all; 0: 1000 */
};

/* Makes a loop. config: copied; NULL for all defaults. The caller owns the loop.
 * NULL with errno: ENOMEM, EINVAL (stack size), EMFILE, ENOSPC and the like from the kernel. */
struct coro_loop *coro_loop_new(const struct coro_loop_config *config);

/* Runs the loop until a coro_loop_stop() has completed. Must not be called from a task.
 * 0: stopped, all tasks have ended. -ETIMEDOUT: stopped, but tasks remained when the grace was
 * over. -EDEADLK: nothing is runnable and nothing that could change that is being waited for.
 * -EBUSY: this loop, or a task of another on this thread, is already running.
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

/* Milliseconds of CLOCK_MONOTONIC, the base of every deadline here. Any context. */
int64_t coro_now_ms(void);

unsigned coro_loop_tasks(const struct coro_loop *loop); /* alive now */

/* The most bytes of stack any task was seen to use (see coro_stack_pool_peak()). */
size_t coro_loop_stack_peak(const struct coro_loop *loop);

size_t coro_loop_stack_bytes(const struct coro_loop *loop); /* size of each task's stack */

/* ---- descriptors ---------------------------------------------------------------------- */

struct coro_watch;
/* events: CORO_READ and/or CORO_WRITE; an error on the descriptor reports both. 0: the kernel has
 * no room for the watch, or the descriptor is not open (epoll_ctl(2)); it has been stopped, and may
 * be started again, but not before others had their turn: it would fail at once. */
typedef void coro_watch_fn(struct coro_loop *loop, struct coro_watch *watch, int events);

/* A watch on one descriptor, embedded in the caller's memory, which must stay in place while it
 * is active. Level-triggered. Starting it the first time costs an epoll_ctl(); while it stays
 * active it costs none. Stop it before closing the descriptor. */
struct coro_watch {
    union {
        uint64_t room[6];
        void *align;
    } ev;
    coro_watch_fn *fn;
    void *data; /* the user's */
};

void coro_watch_init(struct coro_watch *watch, int fd, int events, coro_watch_fn *fn, void *data);
void coro_watch_start(struct coro_loop *loop, struct coro_watch *watch); /* no-op if active */
void coro_watch_stop(struct coro_loop *loop, struct coro_watch *watch);  /* no-op if not */

/* Starts one that must not fail later, and asks the kernel at once, before the loop runs: 0, or
 * -ENOSPC and it is not active. For every watch started before, too, room has then been asked. */
int coro_watch_start_now(struct coro_loop *loop, struct coro_watch *watch)
    __attribute__((warn_unused_result));
bool coro_watch_active(const struct coro_watch *watch);

/* ---- timers ---------------------------------------------------------------------------- */

struct coro_timer;
typedef void coro_timer_fn(struct coro_loop *loop, struct coro_timer *timer);

/* A timer, embedded in the caller's memory like a watch; fires at the time asked for or as soon
 * after as the kernel can, to well under a millisecond. All but `data` is the library's. */
struct coro_timer {
    int64_t at_ns, repeat_ns; /* on CLOCK_MONOTONIC; 0: does not repeat */
    struct coro_timer *child, *next, *prev;
    bool active;
    coro_timer_fn *fn;
    void *data; /* the user's */
};

void coro_timer_init(struct coro_timer *timer, coro_timer_fn *fn, void *data);

/* Calls fn in after_ms milliseconds, then every repeat_ms (0: once only). An active timer is
 * restarted. */
void coro_timer_start(struct coro_loop *loop, struct coro_timer *timer, int64_t after_ms,
                      int64_t repeat_ms);
void coro_timer_stop(struct coro_loop *loop, struct coro_timer *timer); /* no-op if not active */
bool coro_timer_active(const struct coro_timer *timer);

#endif
