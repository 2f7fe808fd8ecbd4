// SPDX-License-Identifier: MIT
/* The loop: the one file that knows libev. It lends libev's watchers the room reserved in
 * loop.h's structs, turns their callbacks into ours, and alternates between running ready tasks
 * and one turn of libev's loop.
 *
 * loop->active counts the watches, timers and jobs that can still cause a callback. libev keeps
 * such a count but does not show it; ours tells a loop that waits from one that is dead.
 */
#include "coro/growable.h"
#include "coro/internal.h"

#include <assert.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static_assert(sizeof(ev_io) <= sizeof(((struct coro_watch *)0)->ev), "room for libev's watcher");
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

/* Between its failure and the callback that tells it, a watch is pending but not active. */
static bool has_failed(const struct coro_watch *w)
{
    const ev_io *io = (const ev_io *)(const void *)&w->ev;
    return !ev_is_active(io) && ev_is_pending(io);
}

/* libev has stopped it. When it is started again the kernel must be asked again, which libev,
 * taking it for known there, would not do. */
static void take_failure(struct coro_loop *loop, ev_io *io)
{
    ev_io_set(io, io->fd, io->events);
    loop->active--;
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
    struct coro_watch *w = (struct coro_watch *)(void *)io;
    struct coro_loop *loop = ev_userdata(ev);
    if (!(revents & EV_ERROR)) {
        w->fn(loop, w, revents & (CORO_READ | CORO_WRITE));
        return;
    }
    take_failure(loop, io);
    w->fn(loop, w, 0);
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
    if (ev_is_active(io_of(w)) || has_failed(w))
        return;
    ev_io_start(loop->ev, io_of(w));
    loop->active++;
}

void coro_watch_stop(struct coro_loop *loop, struct coro_watch *w)
{
    if (has_failed(w)) {
        ev_clear_pending(loop->ev, io_of(w));
        take_failure(loop, io_of(w));
    } else if (ev_is_active(io_of(w))) {
        ev_io_stop(loop->ev, io_of(w));
        loop->active--;
    }
}

static void keep_pending(struct ev_loop *ev)
{
    (void)ev;
}

int coro_watch_start_now(struct coro_loop *loop, struct coro_watch *w)
{
    coro_watch_start(loop, w);
    ev_set_invoke_pending_cb(loop->ev, keep_pending); /* a turn that calls nobody */
    ev_run(loop->ev, EVRUN_NOWAIT);
    ev_set_invoke_pending_cb(loop->ev, ev_invoke_pending);
    if (!has_failed(w))
        return 0;
    coro_watch_stop(loop, w);
    return -ENOSPC;
}

bool coro_watch_active(const struct coro_watch *w)
{
    return ev_is_active((const ev_io *)(const void *)&w->ev);
}

/* ---- the timers' clock ---- */

/* The timerfd has fired: coro_loop_run() runs what is due. */
static void on_clock(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    (void)watch, (void)events;
    loop->clock_ns = 0;
}

/* Sets the timerfd to the earliest timer, if it is not. Setting it also takes back what it has
 * reported. */
static void set_clock(struct coro_loop *loop)
{
    int64_t at = loop->timers == NULL ? INT64_MAX : loop->timers->at_ns;
    struct itimerspec when = {.it_interval = {0, 0}};

    if (at == loop->clock_ns)
        return;
    loop->clock_ns = at;
    if (at != INT64_MAX) {
        if (at < 1)
            at = 1; /* 0 would disarm it */
        when.it_value.tv_sec = (time_t)(at / 1000000000);
        when.it_value.tv_nsec = (long)(at % 1000000000);
    }
    (void)timerfd_settime(loop->clock_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* libev is about to wait for events, even where a watch has just failed and its callback is due:
 * then the clock ends the wait at once. */
static void on_wait(struct ev_loop *ev)
{
    const struct itimerspec now = {.it_value = {0, 1}};
    struct coro_loop *loop = ev_userdata(ev);
    if (ev_pending_count(ev) == 0)
        return;
    loop->clock_ns = now.it_value.tv_nsec;
    (void)timerfd_settime(loop->clock_fd, TFD_TIMER_ABSTIME, &now, NULL);
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

static pthread_once_t allocator_once = PTHREAD_ONCE_INIT;

static void set_allocator(void)
{
    ev_set_allocator(coro_growable_realloc);
}

static void on_nothing(struct ev_loop *ev, ev_async *async, int revents)
{
    (void)ev, (void)async, (void)revents;
}

/* Makes libev allocate and open now what it would when first used: where it cannot it ends the
 * process, so it must not come to that while serving. That is the list of pending events of each
 * priority in use (its own descriptor for wake-ups has the highest), the list of asyncs, and that
 * descriptor. */
static void prime(struct ev_loop *ev)
{
    ev_async async;
    ev_async_init(&async, on_nothing);
    ev_async_start(ev, &async);
    for (int priority = 0; priority <= EV_MAXPRI; priority += EV_MAXPRI) {
        ev_async event;
        ev_async_init(&event, on_nothing);
        ev_set_priority(&event, priority);
        ev_feed_event(ev, &event, EV_CUSTOM);
        ev_clear_pending(ev, &event);
    }
    ev_async_stop(ev, &async);
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
    pthread_once(&allocator_once, set_allocator);
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL)
        goto fail;
    ev_set_userdata(loop->ev, loop);
    prime(loop->ev);
    loop->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->clock_fd < 0)
        goto fail;
    loop->clock_ns = INT64_MAX;
    coro_watch_init(&loop->clock, loop->clock_fd, CORO_READ, on_clock, NULL);
    if (coro_watch_start_now(loop, &loop->clock) < 0) {
        close(loop->clock_fd);
        errno = ENOSPC;
        goto fail;
    }
    loop->active--; /* the clock wakes nobody by itself */
    ev_set_loop_release_cb(loop->ev, on_wait, NULL);
    coro_timer_init(&loop->grace, on_grace_over, NULL);
    return loop;
fail:;
    int saved = errno;
    if (loop->ev != NULL)
        ev_loop_destroy(loop->ev);
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
    close(loop->clock_fd);
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
        if (!ready)
            set_clock(loop);
        ev_run(loop->ev, ready ? EVRUN_NOWAIT : EVRUN_ONCE);
        if (ready || loop->clock_ns == 0)
            coro_timers_run(loop);
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
