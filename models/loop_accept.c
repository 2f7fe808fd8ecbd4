/* SPDX-License-Identifier: MIT
 *
 * Accepting for one loop process: in batches bounded in number and, since what is accepted is
 * served at once, in time, so that it never starves those who are there already; and so that
 * several loops on one listening socket end up with equal shares.
 */
#include <errno.h>
#include <sys/socket.h>

#include "models/loop.h"
#include "shortage.h"

enum {
    ACCEPT_BATCH = 16,     /* connections accepted in one turn of the loop, at most */
    ACCEPT_DEFER_MS = 2,   /* head start for loops with fewer connections ... */
    ACCEPT_EAGER_MS = 100, /* ... which none gets for so long after one was not used */
    ACCEPT_RETRY_MS = 100, /* after running out of descriptors, memory or coroutines */
};

/* The fewest connections any other loop has. */
static uint64_t fewest_elsewhere(const struct loop_process *p)
{
    uint64_t fewest = UINT64_MAX;

    for (unsigned i = 0; i < p->server->workers; i++) {
        const struct worker_stats *other = &p->server->shared->workers[i];
        uint64_t open = stats_get(&other->accepted) - stats_get(&other->closed);

        if (i != p->worker && open < fewest && atomic_load(&other->pid) != 0)
            fewest = open;
    }
    return fewest;
}

/* How many connections to accept now. All loops are told of a new connection; so that they end
 * up with equal shares, one that has more than another gives it a head start: 0. Where nobody
 * uses it, because the others are busy, it is not given again for a while. */
static unsigned accept_share(const struct loop_process *p)
{
    uint64_t fewest;

    if (p->server->workers == 1 || p->deferred || io_now_ms() < p->eager_until_ms)
        return ACCEPT_BATCH;
    fewest = fewest_elsewhere(p);
    if (p->open > fewest)
        return 0;
    return fewest - p->open < ACCEPT_BATCH ? (unsigned)(fewest - p->open) + 1 : ACCEPT_BATCH;
}

static void retry_later(struct loop_process *p, int64_t ms)
{
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_start(p->loop, &p->retry, ms, 0);
}

/* There is no room. A connection that closes makes some, here; elsewhere it is found later. */
static void wait_for_room(struct loop_process *p)
{
    p->blocked = true;
    retry_later(p, ACCEPT_RETRY_MS);
}

static void on_retry(struct coro_loop *loop, struct coro_timer *timer)
{
    struct loop_process *p = timer->data;

    p->blocked = false;
    if (!p->draining)
        coro_watch_start(loop, &p->listener);
}

/* With connections that wait for a coroutine, more of them would not be served any sooner. */
static bool has_room(const struct loop_process *p)
{
    return !server_is_full(p->server) && p->queue == NULL;
}

static void on_connection(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct loop_process *p = watch->data;
    unsigned share = accept_share(p);
    bool was_deferred = p->deferred;
    int64_t began_ms = io_now_ms();

    (void)events;
    p->deferred = share == 0;
    if (share == 0) {
        retry_later(p, ACCEPT_DEFER_MS);
        return;
    }
    while (share-- > 0 && has_room(p)) {
        int fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            if (was_deferred)
                p->eager_until_ms = io_now_ms() + ACCEPT_EAGER_MS;
            loop_open_conn(p, fd);
            if (io_now_ms() != began_ms)
                break; /* a tick of the clock has been used */
        } else if (shortage_is(errno)) {
            shortage_report(p->server, "accept", errno);
            wait_for_room(p);
            return;
        } else if (errno == EINVAL) { /* shut down for draining */
            coro_watch_stop(loop, watch);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
    if (!has_room(p))
        wait_for_room(p);
}

void loop_accept_start(struct loop_process *p)
{
    coro_watch_init(&p->listener, p->server->listen_fd, CORO_READ, on_connection, p);
    coro_timer_init(&p->retry, on_retry, p);
    coro_watch_start(p->loop, &p->listener);
}

void loop_accept_resume(struct loop_process *p)
{
    if (p->draining || (coro_timer_active(&p->retry) && !p->blocked))
        return;
    coro_timer_stop(p->loop, &p->retry);
    p->blocked = false;
    coro_watch_start(p->loop, &p->listener);
}

void loop_accept_end(struct loop_process *p)
{
    int fd;

    while ((fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        loop_open_conn(p, fd);
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_stop(p->loop, &p->retry);
}
