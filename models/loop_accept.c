/* SPDX-License-Identifier: MIT
 *
 * Accepting for one loop process: in bounded batches, so that it never starves serving,
 * and so that several loops on one listening socket end up with equal shares.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "models/loop.h"

enum {
    ACCEPT_BATCH = 16,     /* connections accepted in one turn of the loop */
    ACCEPT_DEFER_MS = 2,   /* head start for loops with fewer connections ... */
    ACCEPT_EAGER_MS = 100, /* ... which none gets for so long after one was not used */
    ACCEPT_RETRY_MS = 100, /* after running out of descriptors or memory */
};

/* The fewest connections any other loop has. */
static uint64_t fewest_elsewhere(const struct loop_process *p)
{
    uint64_t fewest = UINT64_MAX;

    for (unsigned i = 0; i < server_slots(p->server); i++) {
        const struct worker_stats *other = &p->server->shared->workers[i];
        uint64_t open = stats_get(&other->accepted) - stats_get(&other->closed);

        if (i != p->worker && open < fewest && atomic_load(&other->pid) != 0 &&
            !atomic_load(&other->control.draining))
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

static void on_retry(struct coro_loop *loop, struct coro_timer *timer)
{
    struct loop_process *p = timer->data;

    if (!p->draining)
        coro_watch_start(loop, &p->listener);
}

static void on_connection(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct loop_process *p = watch->data;
    unsigned share = accept_share(p);
    bool was_deferred = p->deferred;

    (void)events;
    p->deferred = share == 0;
    if (share == 0) {
        retry_later(p, ACCEPT_DEFER_MS);
        return;
    }
    while (share-- > 0 && !server_is_full(p->server)) {
        int fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            if (was_deferred)
                p->eager_until_ms = io_now_ms() + ACCEPT_EAGER_MS;
            loop_open_conn(p, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            loop_complain(p, "accept", errno);
            retry_later(p, ACCEPT_RETRY_MS);
            return;
        } else if (errno == EINVAL) { /* shut down for draining */
            coro_watch_stop(loop, watch);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
    if (server_is_full(p->server))
        retry_later(p, ACCEPT_RETRY_MS);
}

void loop_accept_start(struct loop_process *p)
{
    coro_watch_init(&p->listener, p->server->listen_fd, CORO_READ, on_connection, p);
    coro_timer_init(&p->retry, on_retry, p);
    coro_watch_start(p->loop, &p->listener);
}

void loop_accept_resume(struct loop_process *p)
{
    if (!p->draining && !coro_watch_active(&p->listener) && !coro_timer_active(&p->retry))
        coro_watch_start(p->loop, &p->listener);
}

void loop_accept_end(struct loop_process *p)
{
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_stop(p->loop, &p->retry);
}

void loop_accept_rest(struct loop_process *p)
{
    int fd;

    while ((fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        loop_open_conn(p, fd);
}
