/* SPDX-License-Identifier: MIT
 *
 * Each worker waits for the listening socket in an epoll set of its own with
 * EPOLLEXCLUSIVE, so that one new connection wakes one worker, not all. If that one is killed or
 * stopped before it accepts, nobody else would know of the connection until the next
 * came; so a worker that has been idle for a while looks for itself.
 *
 * With --accept=lock it waits for its turn and then by poll(2), which only the holder does: epoll
 * sets that nobody waits for would be asked all the same, one after another, for each connection.
 * Nobody waits for a turn for longer than between two such looks, so the order to finish is seen,
 * and a turn that was given to one who is stopped is taken by the next.
 */
#include "models/pool/dedicated.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "coro/sanitize.h"
#include "models/pool/attendant.h"
#include "system/listen.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

enum {
    PAUSE_MS = 500,     /* after running out of descriptors or memory */
    FULL_PAUSE_MS = 50, /* while there are --max-connections */
};

struct dedicated {
    struct attendant attendant;
    int listen_fd; /* where a connection waits, or may do so */
    int epoll_fd;  /* those that are its own, and the stop descriptor; -1: with lock, or stopping */
    bool turn;     /* it is this one's, see server_shared.accept_turn */
};

enum accepted {
    ACCEPTED,    /* and served; or it was gone already */
    NONE_WAITS,  /* no connection is there to be accepted */
    NO_ROOM_NOW, /* for one that may be */
};

/* Waits for its turn, not for ever. */
static void take_turn(struct dedicated *d)
{
    pthread_mutex_t *turn = &d->attendant.io->server->shared->accept_turn;
    int look_ms = attendant_look_ms(&d->attendant), result;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += look_ms % 1000 * 1000000L;
    until.tv_sec += look_ms / 1000 + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
#ifdef CORO_TSAN /* it does not know the function */
    __tsan_mutex_pre_lock(turn, __tsan_mutex_try_lock);
#endif
    result = pthread_mutex_clocklock(turn, CLOCK_MONOTONIC, &until);
#ifdef CORO_TSAN
    __tsan_mutex_post_lock(turn,
                           result == 0 || result == EOWNERDEAD
                               ? __tsan_mutex_try_lock
                               : __tsan_mutex_try_lock | __tsan_mutex_try_lock_failed,
                           0);
#endif
    if (result == EOWNERDEAD) /* killed while it waited, or accepted: nothing is half done */
        result = pthread_mutex_consistent(turn);
    d->turn = result == 0;
}

static void give_turn(struct dedicated *d)
{
    if (d->turn)
        pthread_mutex_unlock(&d->attendant.io->server->shared->accept_turn);
    d->turn = false;
}

/* last: even where there is no place left, as nobody else is going to. */
static enum accepted accept_and_serve(struct dedicated *d, bool last)
{
    const struct io *io = d->attendant.io;
    struct server *server = io->server;
    struct pollfd stop = {.fd = d->attendant.stop_fd, .events = POLLIN};
    struct in6_addr client;
    int fd;

    if (last) {
        shared_connection_opened(server->shared, io->stats);
    } else if (!shared_connection_reserve(server->shared, io->stats, server->max_connections)) {
        give_turn(d);
        poll(&stop, 1, FULL_PAUSE_MS);
        return NO_ROOM_NOW;
    }
    fd = listen_accept(d->listen_fd, &client);
    give_turn(d);
    if (fd >= 0) {
        attendant_serve(&d->attendant, fd, &client);
        return ACCEPTED;
    }
    shared_connection_unreserve(server->shared, io->stats);
    switch (shortage_of_accept(server, -fd)) {
    case ACCEPT_LATER:
        poll(&stop, 1, PAUSE_MS);
        return NO_ROOM_NOW;
    case ACCEPT_SHUT:
        poll(&stop, 1, -1); /* the stop descriptor follows */
        return NONE_WAITS;
    case ACCEPT_NONE:
        return NONE_WAITS;
    default:
        return ACCEPTED;
    }
}

/* Makes the set, of the listening sockets that are this worker's. 0 or -errno. */
static int open_epoll(struct dedicated *d, unsigned number)
{
    const struct server *server = d->attendant.io->server;
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = d->attendant.stop_fd};
    /* One of several may be another's too, of another generation: both hear of what comes. */
    uint32_t events = server->more_listeners == 0 ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;
    int result;

    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    result = d->epoll_fd < 0 ? -1 : epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, stop.data.fd, &stop);
    for (unsigned k = 0; result == 0 && k <= server->more_listeners; k++) {
        struct epoll_event listener = {.events = events, .data.fd = server->listen_fd + (int)k};

        if (!server_own(server, number, k))
            continue;
        d->listen_fd = listener.data.fd;
        result = epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, listener.data.fd, &listener);
    }
    return result < 0 ? -errno : 0;
}

struct dedicated *dedicated_new(struct io *io, int stop_fd, unsigned number)
{
    struct dedicated *d = calloc(1, sizeof *d);
    int result;

    if (d == NULL)
        return NULL;
    d->epoll_fd = -1;
    d->listen_fd = io->server->listen_fd;
    result = attendant_init(&d->attendant, io, stop_fd);
    if (result == 0 && io->server->config->accept != ACCEPT_LOCK)
        result = open_epoll(d, number);
    if (result == 0)
        return d;
    dedicated_free(d);
    errno = -result;
    return NULL;
}

void dedicated_free(struct dedicated *d)
{
    if (d == NULL)
        return;
    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    attendant_term(&d->attendant);
    free(d);
}

static void wait_by_epoll(struct dedicated *d)
{
    struct attendant *a = &d->attendant;
    struct epoll_event events[2]; /* both, as the stop comes first */
    int count = epoll_wait(d->epoll_fd, events, 2, attendant_look_ms(a));

    for (int i = 0; i < count; i++)
        if (events[i].data.fd == a->stop_fd)
            a->stopping = true;
        else
            d->listen_fd = events[i].data.fd;
}

static void wait_in_turn(struct dedicated *d)
{
    struct attendant *a = &d->attendant;
    struct pollfd fds[2] = {{.fd = d->listen_fd, .events = POLLIN},
                            {.fd = a->stop_fd, .events = POLLIN}};

    do
        take_turn(d);
    while (!d->turn && !server_told_to_finish(a->io->server));
    if (d->turn && poll(fds, 2, attendant_look_ms(a)) > 0)
        a->stopping |= fds[1].revents != 0;
}

bool dedicated_wait(struct dedicated *d)
{
    struct attendant *a = &d->attendant;

    if (!a->stopping && a->io->server->config->accept == ACCEPT_LOCK)
        wait_in_turn(d);
    else if (!a->stopping)
        wait_by_epoll(d);
    a->stopping |= server_told_to_finish(a->io->server);
    if (a->stopping)
        give_turn(d);
    return !a->stopping;
}

void dedicated_accept(struct dedicated *d)
{
    (void)accept_and_serve(d, false);
}

/*
 * No more than a backlog holds can have waited. Where others go on accepting it is one connection
 * at most: the kernel may have woken this worker, and this one alone, for a connection that came
 * just before. Of those that came while it was busy others know. At a stop what waits at a socket
 * of another program is left to whoever that starts next. At all sockets, not only this worker's:
 * whose else they are may be busy.
 */
void dedicated_accept_last(struct dedicated *d)
{
    const struct server *server = d->attendant.io->server;
    bool taken = true;

    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    d->epoll_fd = -1;
    if (!atomic_load(&server->control->take_backlog)) {
        if (!server_stopping(server))
            (void)accept_and_serve(d, false);
        return;
    }
    for (unsigned k = 0; k <= server->more_listeners; k++) {
        enum accepted result = ACCEPTED;

        d->listen_fd = server->listen_fd + (int)k;
        for (unsigned left = LISTEN_MOST_WAIT; left > 0 && result == ACCEPTED; left--)
            result = accept_and_serve(d, true);
        taken &= result != NO_ROOM_NOW;
    }
    if (taken)
        worker_backlog_taken(server);
}
