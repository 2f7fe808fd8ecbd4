/* SPDX-License-Identifier: MIT
 *
 * Each worker waits for the listening socket in an epoll set of its own with
 * EPOLLEXCLUSIVE, so that one new connection wakes one worker, not all. If that one is killed or
 * stopped before it accepts, nobody else would know of the connection until the next
 * came; so a worker that has been idle for a while looks for itself.
 */
#include "models/pool/dedicated.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

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
    int epoll_fd; /* the listening socket and the stop descriptor; -1 once it stops */
};

enum accepted {
    ACCEPTED,    /* and served; or it was gone already */
    NONE_WAITS,  /* to be accepted */
    NO_ROOM_NOW, /* for the next that does */
};

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
        poll(&stop, 1, FULL_PAUSE_MS);
        return NO_ROOM_NOW;
    }
    fd = listen_accept(server->listen_fd, &client);
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

static int open_epoll(const struct attendant *a)
{
    struct epoll_event listener = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                                   .data.fd = a->io->server->listen_fd};
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = a->stop_fd};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (epoll_ctl(fd, EPOLL_CTL_ADD, listener.data.fd, &listener) < 0 ||
        epoll_ctl(fd, EPOLL_CTL_ADD, stop.data.fd, &stop) < 0) {
        int result = -errno;

        close(fd);
        return result;
    }
    return fd;
}

struct dedicated *dedicated_new(struct io *io, int stop_fd)
{
    struct dedicated *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    d->epoll_fd = attendant_init(&d->attendant, io, stop_fd);
    if (d->epoll_fd == 0)
        d->epoll_fd = open_epoll(&d->attendant);
    if (d->epoll_fd < 0) {
        int error = -d->epoll_fd;

        dedicated_free(d);
        errno = error;
        return NULL;
    }
    return d;
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

bool dedicated_wait(struct dedicated *d)
{
    struct attendant *a = &d->attendant;
    struct epoll_event events[2]; /* both, as the stop comes first */
    int count = a->stopping ? 0 : epoll_wait(d->epoll_fd, events, 2, attendant_look_ms(a));

    a->stopping |= server_told_to_finish(a->io->server);
    for (int i = 0; i < count; i++)
        a->stopping |= events[i].data.fd == a->stop_fd;
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
 * of another program is left to whoever that starts next.
 */
void dedicated_accept_last(struct dedicated *d)
{
    const struct server *server = d->attendant.io->server;
    enum accepted result = ACCEPTED;

    close(d->epoll_fd);
    d->epoll_fd = -1;
    if (!atomic_load(&server->control->take_backlog)) {
        if (!server_stopping(server))
            (void)accept_and_serve(d, false);
        return;
    }
    for (unsigned left = LISTEN_MOST_WAIT; left > 0 && result == ACCEPTED; left--)
        result = accept_and_serve(d, true);
    if (result != NO_ROOM_NOW)
        worker_backlog_taken(server);
}
