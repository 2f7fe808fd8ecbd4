/* SPDX-License-Identifier: MIT
 *
 * The event loop below tasks and timers: watches on descriptors, wake-ups from other threads, and
 * one turn at a time. How a loop is made, run, stopped and freed: run.h.
 *
 * One loop belongs to one thread; nothing here may be called from another thread or from a signal
 * handler but coro_notifier_send(). loop.c is the only file that knows libev; the watch struct
 * below only reserves the room for libev's.
 */
#ifndef CORO_LOOP_H
#define CORO_LOOP_H

#include "coro/clock.h"
#include "coro/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CORO_READ = 1, CORO_WRITE = 2 }; /* bits of `events` */

struct coro_loop;
struct coro_watch;
/* events: CORO_READ and/or CORO_WRITE; an error on the descriptor reports both. 0: the kernel has
 * no room for the watch (epoll_ctl(2)); it has been stopped, and may be started again, but not
 * before others had their turn: it would fail at once. */
typedef void coro_watch_fn(struct coro_loop *loop, struct coro_watch *watch, int events);

/* A watch on one descriptor, embedded in the caller's memory, which must stay in place while it
 * is active. Level-triggered. Starting it the first time costs an epoll_ctl(); while it stays
 * active it costs none. The descriptor must be open, and stay so until the watch is stopped: libev
 * ends the program over one that is not. */
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

/* ---- for what stands on the loop ------------------------------------------------------- */

/* Has fn called whenever the loop is about to ask the kernel what is ready, which may be to wait
 * for it (waits: true), and when it has been told (false): for who must know whether this thread
 * moves. It may call nothing of the loop. */
typedef void coro_wait_hook(void *arg, bool waits);
void coro_loop_on_wait(struct coro_loop *loop, coro_wait_hook *fn, void *arg);

struct coro_offload;
struct coro_scheduler;
struct coro_timer;

struct coro_loop {
    struct ev_loop *ev;
    size_t active; /* watches, timers and jobs that can still wake somebody */
    struct coro_clock clock;
    struct coro_watch on_clock;
    coro_wait_hook *hook; /* NULL: nobody asked */
    void *hook_arg;
    /* Where those who stand on it have their own; loop.c looks at none of them. */
    struct coro_timer *timers;        /* root of the heap of active ones */
    struct coro_list soon;            /* done callbacks of completed futures */
    struct coro_scheduler *scheduler; /* of its tasks */
    struct coro_offload *offload;
};

/* *loop: all zero. 0 or -errno. */
int coro_loop_open(struct coro_loop *loop) __attribute__((warn_unused_result));
void coro_loop_close(struct coro_loop *loop);

/* Calls the watches whose descriptors are ready, waiting for one until until_ns: 0: does not wait;
 * INT64_MAX: for ever. Returns whether that time may have come. */
bool coro_loop_turn(struct coro_loop *loop, int64_t until_ns);

/* A wake-up of the loop from other threads. fn runs on the loop's stack. NULL: no memory. */
struct coro_notifier;
typedef void coro_notify_fn(void *arg);
struct coro_notifier *coro_notifier_new(struct coro_loop *loop, coro_notify_fn *fn, void *arg);
void coro_notifier_send(struct coro_notifier *notifier); /* any thread */
void coro_notifier_free(struct coro_notifier *notifier);

#endif
