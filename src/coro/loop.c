// SPDX-License-Identifier: MIT
/* The loop: the one file that knows libev. It lends libev's watchers the room reserved in
 * loop.h's structs, turns their callbacks into ours, and alternates between running ready tasks
 * and one turn of libev's loop.
 *
 * loop->active counts the watches, timers and jobs that can still cause a callback. libev keeps
 * such a count but does not show it; ours tells a loop that waits from one that is dead.
 */
#include "coro/internal.h"

#include <assert.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static_assert(sizeof(ev_io) <= sizeof(((struct coro_watch *)0)->ev), "room for libev's watcher");
static_assert(sizeof(ev_timer) <= sizeof(((struct coro_timer *)0)->ev), "room for libev's timer");
static_assert(sizeof(struct coro_watch) <= 64, "a watch per idle connection must stay small");
static_assert((int)EV_READ == (int)CORO_READ && (int)EV_WRITE == (int)CORO_WRITE,
              "passed through unchanged");

#define WARM_STACKS     16
#define OFFLOAD_THREADS 4
#define CLEANUP_MS      1000

int64_t coro_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t coro_now_ms(void)
{
    return coro_now_ns() / 1000000;
}

/* ---- descriptors ---- */

static ev_io *io_of(struct coro_watch *w)
{
    return (ev_io *)(void *)&w->ev;
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
    struct coro_watch *w = (struct coro_watch *)(void *)io;
    struct coro_loop *loop = ev_userdata(ev);
    if (!ev_is_active(io))
        loop->active--; /* libev dropped it: the descriptor is not open */
    w->fn(loop, w, revents & (CORO_READ | CORO_WRITE));
}

void coro_watch_init(struct coro_watch *w, int fd, int events, coro_watch_fn *fn, void *data)
{
    ev_io *io = io_of(w);
    memset(w, 0, sizeof *w);
    w->fn = fn;
    w->data = data;
    ev_io_init(io, on_io, fd, events);
}

void coro_watch_start(struct coro_loop *loop, struct coro_watch *w)
{
    if (ev_is_active(io_of(w)))
        return;
    ev_io_start(loop->ev, io_of(w));
    loop->active++;
}

void coro_watch_stop(struct coro_loop *loop, struct coro_watch *w)
{
    if (!ev_is_active(io_of(w)))
        return;
    ev_io_stop(loop->ev, io_of(w));
    loop->active--;
}

bool coro_watch_active(const struct coro_watch *w)
{
    return ev_is_active((const ev_io *)(const void *)&w->ev);
}

/* ---- timers ---- */

static ev_timer *timer_of(struct coro_timer *t)
{
    return (ev_timer *)(void *)&t->ev;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
    struct coro_timer *t = (struct coro_timer *)(void *)timer;
    struct coro_loop *loop = ev_userdata(ev);
    (void)revents;
    if (!ev_is_active(timer))
        loop->active--;
    t->fn(loop, t);
}

void coro_timer_init(struct coro_timer *t, coro_timer_fn *fn, void *data)
{
    memset(t, 0, sizeof *t);
    t->fn = fn;
    t->data = data;
    ev_timer_init(timer_of(t), on_timer, 0., 0.);
}

static void timer_start_ns(struct coro_loop *loop, struct coro_timer *t, int64_t after_ns,
                           int64_t repeat_ns)
{
    coro_timer_stop(loop, t);
    /* libev counts from the time of its last turn, which a busy task may have left far behind. */
    ev_now_update(loop->ev);
    ev_timer_set(timer_of(t), after_ns > 0 ? (double)after_ns / 1e9 : 0., (double)repeat_ns / 1e9);
    ev_timer_start(loop->ev, timer_of(t));
    loop->active++;
}

void coro_timer_start(struct coro_loop *loop, struct coro_timer *t, int64_t after_ms,
                      int64_t repeat_ms)
{
    timer_start_ns(loop, t, after_ms * 1000000, repeat_ms * 1000000);
}

void coro_timer_start_at(struct coro_loop *loop, struct coro_timer *t, int64_t at_ns)
{
    timer_start_ns(loop, t, at_ns - coro_now_ns(), 0);
}

void coro_timer_stop(struct coro_loop *loop, struct coro_timer *t)
{
    if (!ev_is_active(timer_of(t)))
        return;
    ev_timer_stop(loop->ev, timer_of(t));
    loop->active--;
}

bool coro_timer_active(const struct coro_timer *t)
{
    return ev_is_active((const ev_timer *)(const void *)&t->ev);
}

/* ---- wake-ups from other threads ---- */

struct coro_notifier {
    ev_async async;
    struct coro_loop *loop;
    coro_notify_fn *fn;
    void *arg;
};

static void on_async(struct ev_loop *ev, ev_async *async, int revents)
{
    struct coro_notifier *n = async->data;
    (void)ev, (void)revents;
    n->fn(n->arg);
}

struct coro_notifier *coro_notifier_new(struct coro_loop *loop, coro_notify_fn *fn, void *arg)
{
    struct coro_notifier *n = calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    n->loop = loop;
    n->fn = fn;
    n->arg = arg;
    ev_async *async = &n->async;
    ev_async_init(async, on_async);
    n->async.data = n;
    ev_async_start(loop->ev, &n->async);
    return n;
}

void coro_notifier_send(struct coro_notifier *n)
{
    ev_async_send(n->loop->ev, &n->async);
}

void coro_notifier_free(struct coro_notifier *n)
{
    ev_async_stop(n->loop->ev, &n->async);
    free(n);
}

/* ---- the loop itself ---- */

static void on_grace_over(struct coro_loop *loop, struct coro_timer *timer)
{
    (void)timer;
    loop->grace_over = true;
}

struct coro_loop *coro_loop_new(const struct coro_loop_config *config)
{
    struct coro_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    if (config != NULL)
        loop->config = *config;
    if (loop->config.offload_threads == 0)
        loop->config.offload_threads = OFFLOAD_THREADS;
    if (loop->config.cleanup_ms <= 0)
        loop->config.cleanup_ms = CLEANUP_MS;
    loop->stacks = coro_stack_pool_new(loop->config.stack_bytes, WARM_STACKS);
    if (loop->stacks == NULL)
        goto fail;
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL)
        goto fail;
    ev_set_userdata(loop->ev, loop);
    coro_timer_init(&loop->grace, on_grace_over, NULL);
    return loop;
fail:;
    int saved = errno;
    coro_stack_pool_free(loop->stacks);
    free(loop);
    errno = saved;
    return NULL;
}

void coro_loop_free(struct coro_loop *loop)
{
    if (loop == NULL)
        return;
    assert(!loop->running);
    coro_offload_free(loop->offload);
    coro_task_release_all(loop);
    ev_loop_destroy(loop->ev);
    coro_stack_pool_free(loop->stacks);
    free(loop);
}

int coro_loop_run(struct coro_loop *loop)
{
    int rc = 0;
    if (loop->running || coro_thread.task != NULL)
        return -EBUSY;
    loop->running = true;
    struct coro *outer = coro_thread.looper; /* of a loop whose callback runs this one */
    coro_thread.looper = coro_thread.current = coro_running();
    for (;;) {
        coro_future_run_soon(loop);
        coro_run_ready(loop);
        if (loop->stopping && loop->tasks == 0)
            break;
        if (loop->grace_over) {
            rc = -ETIMEDOUT;
            break;
        }
        bool ready = loop->ready_head != NULL || loop->soon_head != NULL;
        if (!ready && loop->active == 0) {
            rc = -EDEADLK;
            break;
        }
        ev_run(loop->ev, ready ? EVRUN_NOWAIT : EVRUN_ONCE);
    }
    coro_thread.looper = outer;
    coro_timer_stop(loop, &loop->grace);
    loop->stopping = loop->grace_over = loop->running = false;
    return rc;
}

void coro_loop_stop(struct coro_loop *loop, int64_t grace_ms)
{
    if (grace_ms >= 0) {
        int64_t at = coro_now_ns() + coro_ms_to_ns(grace_ms);
        if (!coro_timer_active(&loop->grace) || at < loop->grace_at_ns) {
            loop->grace_at_ns = at;
            coro_timer_start_at(loop, &loop->grace, at);
        }
    }
    if (loop->stopping)
        return;
    loop->stopping = true;
    for (struct coro_task *t = loop->all; t != NULL; t = t->all_next)
        (void)coro_task_cancel(t);
}

unsigned coro_loop_tasks(const struct coro_loop *loop)
{
    return loop->tasks;
}

size_t coro_loop_stack_peak(const struct coro_loop *loop)
{
    return coro_stack_pool_peak(loop->stacks);
}

size_t coro_loop_stack_bytes(const struct coro_loop *loop)
{
    return coro_stack_pool_bytes(loop->stacks);
}
