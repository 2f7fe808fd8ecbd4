/* SPDX-License-Identifier: MIT
 *
 * Each worker waits for the listening socket in an epoll set of its own with
 * EPOLLEXCLUSIVE, so that one new connection wakes one worker, not all. If that one is killed or
 * stopped before it accepts, nobody else would know of the connection until the next
 * came; so a worker that has been idle for a while looks for itself.
 */
#include "models/pool/dedicated.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connection.h"
#include "system/listen.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

enum {
    PAUSE_MS = 500,     /* after running out of descriptors or memory */
    FULL_PAUSE_MS = 50, /* while there are --max-connections */
    DRAIN_LOOK_MS = 50, /* between looks whether an idle connection may still stay */
    LOOK_MS = 250,      /* see above, for the order to finish, for who needs a place; at least */
    LOOK_MS_EACH = 1,   /* of all workers: thousands would wake the machine without end */
};

struct dedicated {
    struct io *io;
    int stop_fd;
    int epoll_fd; /* the listening socket and stop_fd; -1 once it stops */
    bool stopping;
    char *spill;
};

/* Once it has served --max-requests, no descriptor tells it to finish, as it may have to do so
 * alone: it looks. */
static bool is_spent(const struct dedicated *d)
{
    return atomic_load_explicit(&d->io->server->control->spent, memory_order_relaxed);
}

static int look_ms(const struct dedicated *d)
{
    const struct server *server = d->io->server;
    int of_all_ms = (int)server->workers * LOOK_MS_EACH;

    return is_spent(d) || of_all_ms < LOOK_MS ? LOOK_MS : of_all_ms;
}

/* Waits until the parked connection is readable, its deadline has passed or the worker is to
 * finish, and says what becomes of it. */
static enum conn_next wait_parked(struct dedicated *d, struct conn *conn)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = conn->fd, .events = POLLIN},
                                {.fd = d->stopping ? -1 : d->stop_fd, .events = POLLIN}};
        int64_t deadline = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);
        int64_t left = deadline - io_now_ms();
        int ready;

        if (left <= 0 && connection_expire(conn, d->io) == CONN_CLOSE)
            return CONN_CLOSE;
        if (left < 0)
            left = 0; /* input has come in time, and is seen at once; or the deadline is another */
        if (left > look_ms(d))
            left = look_ms(d);
        if (d->stopping && left > DRAIN_LOOK_MS)
            left = DRAIN_LOOK_MS;
        ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0 && fds[0].revents != 0)
            return connection_serve(conn, d->io);
        if (ready > 0 || server_told_to_finish(d->io->server))
            d->stopping = true;
        if (d->stopping && connection_drain(conn, d->io) == CONN_CLOSE)
            return CONN_CLOSE;
        if (ready == 0 && connection_make_room(conn, d->io) == CONN_CLOSE)
            return CONN_CLOSE;
    }
}

static void serve(struct dedicated *d, int fd, const struct in6_addr *client)
{
    struct server *server = d->io->server;
    struct conn conn;
    enum conn_next next;

    connection_init(&conn, fd, client, d->spill, server->config);
    shared_context_enter(server->shared, d->io->stats);
    next = connection_serve(&conn, d->io);
    while (next == CONN_PARK) {
        worker_look_spent(server, d->io->worker, 1);
        next = wait_parked(d, &conn);
    }
    worker_look_spent(server, d->io->worker, 1);
    shared_context_leave(server->shared, d->io->stats);
    close(fd);
    shared_connection_closed(server->shared, d->io->stats);
}

enum accepted {
    ACCEPTED,    /* and served; or it was gone already */
    NONE_WAITS,  /* to be accepted */
    NO_ROOM_NOW, /* for the next that does */
};

/* last: even where there is no place left, as nobody else is going to. */
static enum accepted accept_and_serve(struct dedicated *d, bool last)
{
    struct server *server = d->io->server;
    struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
    struct in6_addr client;
    int fd;

    if (last) {
        shared_connection_opened(server->shared, d->io->stats);
    } else if (!shared_connection_reserve(server->shared, d->io->stats, server->max_connections)) {
        poll(&stop, 1, FULL_PAUSE_MS);
        return NO_ROOM_NOW;
    }
    fd = listen_accept(server->listen_fd, &client);
    if (fd >= 0) {
        serve(d, fd, &client);
        return ACCEPTED;
    }
    shared_connection_unreserve(server->shared, d->io->stats);
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

static int open_epoll(const struct dedicated *d)
{
    struct epoll_event listener = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                                   .data.fd = d->io->server->listen_fd};
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = d->stop_fd};
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
    d->io = io;
    d->stop_fd = stop_fd;
    d->spill = malloc(connection_spill_size(io->server->config));
    d->epoll_fd = d->spill == NULL ? -ENOMEM : open_epoll(d);
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
    free(d->spill);
    free(d);
}

bool dedicated_wait(struct dedicated *d)
{
    struct epoll_event events[2]; /* both, as the stop comes first */
    int count = d->stopping ? 0 : epoll_wait(d->epoll_fd, events, 2, look_ms(d));

    d->stopping |= server_told_to_finish(d->io->server);
    for (int i = 0; i < count; i++)
        d->stopping |= events[i].data.fd == d->stop_fd;
    return !d->stopping;
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
    const struct server *server = d->io->server;
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
