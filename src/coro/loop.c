/* SPDX-License-Identifier: MIT
 *
 * The one file that knows libev. It lends libev's watchers the room reserved in loop.h's struct and
 * turns their callbacks into ours.
 *
 * libev's own timers end in an epoll_wait() whose timeout is whole milliseconds, rounded up, so
 * that every sleep takes half a millisecond to one and a half too long; at 20 ms a wait that is
 * 5 % of what a loop can serve. Here a turn that ends at a given time watches a timerfd instead.
 *
 * loop->active counts the watches, timers and jobs that can still cause a callback. libev keeps
 * such a count but does not show it; ours tells a loop that waits from one that is dead.
 */
#include "coro/loop.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coro/growable.h"

static_assert(sizeof(ev_io) <= sizeof(((struct coro_watch *)0)->ev), "room for libev's watcher");
static_assert(sizeof(struct coro_watch) <= 64, "a watch per idle connection must stay small");
static_assert((int)EV_READ == (int)CORO_READ && (int)EV_WRITE == (int)CORO_WRITE,
              "passed through unchanged");

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
    ev_async *async;

    if (n == NULL)
        return NULL;
    n->loop = loop;
    n->fn = fn;
    n->arg = arg;
    async = &n->async;
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

/* The time of a turn has come. */
static void on_clock(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    (void)watch, (void)events;
    loop->clock.at_ns = 0;
}

/* libev is about to wait for events, even where a watch has just failed and its callback is due:
 * then the clock, set to a time long past, ends the wait at once. */
static void on_wait(struct ev_loop *ev)
{
    struct coro_loop *loop = ev_userdata(ev);

    if (ev_pending_count(ev) != 0)
        coro_clock_set(&loop->clock, 1);
    if (loop->hook != NULL)
        loop->hook(loop->hook_arg, true);
}

static void on_waited(struct ev_loop *ev)
{
    struct coro_loop *loop = ev_userdata(ev);

    loop->hook(loop->hook_arg, false);
}

void coro_loop_on_wait(struct coro_loop *loop, coro_wait_hook *fn, void *arg)
{
    loop->hook = fn;
    loop->hook_arg = arg;
    ev_set_loop_release_cb(loop->ev, on_wait, on_waited);
}

int coro_loop_open(struct coro_loop *loop)
{
    int rc;

    pthread_once(&allocator_once, set_allocator);
    errno = ENOMEM; /* where libev says nothing */
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL)
        return -errno;
    ev_set_userdata(loop->ev, loop);
    prime(loop->ev);
    rc = coro_clock_open(&loop->clock);
    if (rc < 0)
        goto no_clock;
    coro_watch_init(&loop->on_clock, loop->clock.fd, CORO_READ, on_clock, NULL);
    rc = coro_watch_start_now(loop, &loop->on_clock);
    if (rc < 0)
        goto not_watched;
    loop->active--; /* the clock wakes nobody by itself */
    ev_set_loop_release_cb(loop->ev, on_wait, NULL);
    return 0;
not_watched:
    close(loop->clock.fd);
no_clock:
    ev_loop_destroy(loop->ev);
    return rc;
}

void coro_loop_close(struct coro_loop *loop)
{
    ev_loop_destroy(loop->ev);
    close(loop->clock.fd);
}

bool coro_loop_turn(struct coro_loop *loop, int64_t until_ns)
{
    if (until_ns != 0)
        coro_clock_set(&loop->clock, until_ns);
    ev_run(loop->ev, until_ns == 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
    return until_ns == 0 || loop->clock.at_ns == 0;
}
