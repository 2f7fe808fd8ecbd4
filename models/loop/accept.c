/* SPDX-License-Identifier: MIT
 *
 * Accepting for one loop process: so that newcomers and those who are there already never starve
 * each other, and so that several loops on one listening socket end up with equal shares.
 *
 * What is accepted is served at once, in batches bounded in number and in time. A loop that comes
 * late to the listening socket, as each of its turns takes long, would let newcomers in one batch a
 * turn; so it accepts all of them, or its part of them, and leaves all but a batch to the next
 * turn.
 *
 * All loops are told of a new connection. One that holds more connections than another, by more
 * than a little, leaves it to that other: it looks away from the listening socket for a moment,
 * then judges again by what the loops count in shared memory. A loop that is computing does not
 * come for what is left to it; after a head start that it has not used it is left out of the
 * comparison, until it is seen to have looked at the listening socket again. So shares are equal
 * wherever the loops have time to accept, and no connection waits long for one that has not.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "models/loop/loop.h"
#include "shortage.h"

enum {
    ACCEPT_BATCH = 16,    /* connections accepted and served in one turn of the loop, at most */
    ACCEPT_MOST = 4096,   /* accepted in one turn by a loop that comes late */
    LATE_MS = 4,          /* since it last came; the clock's tick */
    SLACK = 2,            /* a loop may have these, and a sixteenth, more than another */
    ACCEPT_DEFER_MS = 1,  /* between looks at what was left to others */
    HEAD_START_MS = 20,   /* how long one of them has time to come for it */
    ACCEPT_RETRY_MS = 100 /* after running out of descriptors, memory or coroutines */
};

static uint64_t open_at(const struct worker_stats *stats)
{
    return stats_get(&stats->accepted) - stats_get(&stats->closed);
}

/* Whether loop i is to be compared with: it lives and accepts, and has looked since it was last
 * found not to come. `over`: the present head start has lasted long enough. */
static bool comes(struct loop_process *p, unsigned i, bool over)
{
    const struct worker_stats *other = &p->server->shared->workers[i];
    struct loop_rival *rival = &p->rivals[i];
    uint64_t looks = stats_get(&other->looks);

    if (looks != rival->looks) {
        rival->looks = looks;
        rival->absent = false;
    } else if (over) {
        rival->absent = true;
    }
    return !rival->absent && atomic_load_explicit(&other->pid, memory_order_relaxed) != 0 &&
           !atomic_load_explicit(&other->control.draining, memory_order_relaxed);
}

/* This loop's part of the connections that wait to be accepted; 0 if they are few, or not known,
 * as on a Unix socket. */
static unsigned part_of_backlog(const struct loop_process *p)
{
    unsigned part = listen_backlog(p->server->listen_fd) / p->server->workers;

    return part > ACCEPT_BATCH ? part : 0;
}

/* How many connections to accept now; 0 leaves them to a loop that has fewer. */
static unsigned accept_share(struct loop_process *p, bool late)
{
    unsigned most_now = late ? ACCEPT_MOST : ACCEPT_BATCH, part = 0;
    bool over = p->left_since_ms != 0 && io_now_ms() - p->left_since_ms >= HEAD_START_MS;
    uint64_t share = UINT64_MAX; /* connections this loop may hold */

    if (!p->fair)
        return most_now;
    for (unsigned i = 0; i < shared_slots(p->server->shared); i++) {
        uint64_t open = open_at(&p->server->shared->workers[i]);
        uint64_t most = open + SLACK + open / 16; /* for this loop, as that one has no more */

        if (i != p->worker && most < share && (p->open < most || comes(p, i, over)))
            share = most;
    }
    share = share > p->open ? share - p->open : 0;
    if (late && share < most_now)
        part = part_of_backlog(p);
    if (share < part)
        share = part;
    return share < most_now ? (unsigned)share : most_now;
}

/* Stops watching the listening socket for a while. */
static void look_away(struct loop_process *p, int64_t ms)
{
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_start(p->loop, &p->retry, ms, 0);
}

/* There is no room. A connection that closes makes some, here; elsewhere it is found later. */
static void wait_for_room(struct loop_process *p)
{
    p->blocked = true;
    look_away(p, ACCEPT_RETRY_MS);
}

/* With connections that wait for a coroutine, more of them would not be served any sooner. */
static bool has_room(const struct loop_process *p)
{
    return p->open < p->server->process_connections && !server_is_full(p->server) &&
           p->queue == NULL;
}

static void watch_again(struct loop_process *p)
{
    p->left_since_ms = 0;
    p->blocked = false;
    coro_timer_stop(p->loop, &p->retry);
    coro_watch_start(p->loop, &p->listener);
}

/* After accept() has failed: whether to go on at once; else the listening socket is watched no
 * longer than is of use. */
static bool accept_on(struct loop_process *p, int error)
{
    switch (shortage_of_accept(p->server, error)) {
    case ACCEPT_NEXT:
        return true;
    case ACCEPT_LATER:
        wait_for_room(p);
        return false;
    case ACCEPT_SHUT:
        coro_watch_stop(p->loop, &p->listener);
        return false;
    default:
        return false;
    }
}

static void accept_some(struct loop_process *p, unsigned share, bool late)
{
    int64_t began_ms = io_now_ms();
    unsigned batch = ACCEPT_BATCH;

    while (share-- > 0 && has_room(p)) {
        struct in6_addr client;
        int fd = descriptors_admit(p->server, p->stats, &client);

        if (fd == -EDQUOT)
            break;
        if (fd < 0) {
            if (accept_on(p, -fd))
                continue;
            return;
        }
        p->admit(p, fd, &client, batch > 0);
        if (batch > 0)
            batch--;
        if (io_now_ms() != began_ms)
            batch = 0; /* a tick of the clock has been used */
        if (batch == 0 && !late)
            break;
    }
    if (!has_room(p))
        wait_for_room(p);
}

/* Connections are there: takes some, or leaves them for now. */
static void look(struct loop_process *p)
{
    int64_t now_ms = io_now_ms();
    bool late = now_ms - p->looked_ms >= LATE_MS;
    unsigned share = accept_share(p, late);

    p->looked_ms = now_ms;
    stats_add(&p->stats->looks, 1);
    if (share > 0) {
        watch_again(p);
        accept_some(p, share, late);
        return;
    }
    if (p->left_since_ms == 0)
        p->left_since_ms = io_now_ms();
    look_away(p, ACCEPT_DEFER_MS);
}

static void on_connection(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct loop_process *p = watch->data;

    (void)loop;
    if (events != 0) {
        look(p);
    } else {
        shortage_report(p->server, "epoll", ENOSPC);
        look_away(p, ACCEPT_RETRY_MS);
    }
}

static void on_retry(struct coro_loop *loop, struct coro_timer *timer)
{
    struct loop_process *p = timer->data;
    struct pollfd listener = {.fd = p->server->listen_fd, .events = POLLIN};

    (void)loop;
    if (p->draining)
        return;
    if (p->left_since_ms != 0 && poll(&listener, 1, 0) > 0)
        look(p);
    else /* others have taken what was left to them; or it is time to try again */
        watch_again(p);
}

int loop_accept_start(struct loop_process *p, loop_admit *admit)
{
    p->admit = admit;
    p->rivals = calloc(SHARED_SLOTS, sizeof *p->rivals);
    if (p->rivals == NULL)
        return -ENOMEM;
    coro_watch_init(&p->listener, p->server->listen_fd, CORO_READ, on_connection, p);
    coro_timer_init(&p->retry, on_retry, p);
    coro_watch_start(p->loop, &p->listener);
    return 0;
}

void loop_accept_free(struct loop_process *p)
{
    free(p->rivals);
}

void loop_accept_resume(struct loop_process *p)
{
    if (p->draining || coro_watch_active(&p->listener))
        return;
    if (p->blocked || !coro_timer_active(&p->retry) ||
        (p->left_since_ms != 0 && accept_share(p, false) > 0))
        watch_again(p);
}

void loop_accept_end(struct loop_process *p)
{
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_stop(p->loop, &p->retry);
}

bool loop_accept_rest(struct loop_process *p)
{
    for (unsigned left = LISTEN_MOST_WAIT; left > 0; left--) {
        struct in6_addr client;
        int fd = descriptors_accept(p->server->listen_fd, p->server->descriptors, &client);
        enum accept_failure failure;

        if (fd >= 0) {
            shared_connection_opened(p->server->shared, p->stats);
            p->admit(p, fd, &client, true);
            continue;
        }
        failure = shortage_of_accept(p->server, -fd);
        if (failure != ACCEPT_NEXT)
            return failure != ACCEPT_LATER;
    }
    return true;
}
