/* SPDX-License-Identifier: MIT
 *
 * Each worker waits for the listening socket in an epoll set of its own with
 * EPOLLEXCLUSIVE, so that one new connection wakes one worker, not all.
 */
#include "models/dedicated.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connection.h"
#include "server.h"
#include "shortage.h"

enum {
    PAUSE_MS = 500,     /* after running out of descriptors or memory */
    FULL_PAUSE_MS = 50, /* while there are --max-connections */
};

struct dedicated {
    struct io *io;
    int stop_fd;
    bool stopping;
    char *spill;
};

/* Waits until the parked connection is readable, its deadline has passed or the server stops, and
 * says what becomes of it. */
static enum conn_next wait_parked(struct dedicated *d, struct conn *conn)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = conn->fd, .events = POLLIN},
                                {.fd = d->stopping ? -1 : d->stop_fd, .events = POLLIN}};
        int64_t deadline = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);
        int64_t left = deadline - io_now_ms();
        int ready;

        if (left <= 0)
            return connection_expire(conn, d->io);
        ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0 && fds[0].revents != 0)
            return connection_serve(conn, d->io);
        if (ready > 0) {
            d->stopping = true;
            if (connection_drain(conn, d->io) == CONN_CLOSE)
                return CONN_CLOSE;
        }
    }
}

static void serve(struct dedicated *d, int fd)
{
    struct server *server = d->io->server;
    struct conn conn;
    enum conn_next next;

    connection_init(&conn, fd, d->spill, server->config);
    server_connection_opened(server, d->io->stats);
    server_context_enter(server, d->io->stats);
    next = connection_serve(&conn, d->io);
    while (next == CONN_PARK)
        next = wait_parked(d, &conn);
    server_context_leave(server, d->io->stats);
    close(fd);
    server_connection_closed(server, d->io->stats);
}

/* Serves the next connection that waits to be accepted. False when there is none to be had. */
static bool accept_and_serve(struct dedicated *d)
{
    struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
    int fd;

    if (server_is_full(d->io->server)) {
        poll(&stop, 1, FULL_PAUSE_MS);
        return false;
    }
    fd = accept4(d->io->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        serve(d, fd);
        return true;
    }
    if (shortage_is(errno)) {
        shortage_report(d->io->server, "accept", errno);
        poll(&stop, 1, PAUSE_MS);
    } else if (errno == EINVAL) { /* shut down for draining: the stop descriptor follows */
        poll(&stop, 1, -1);
    }
    return false;
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

int dedicated_work(struct io *io, int stop_fd)
{
    struct dedicated d = {.io = io, .stop_fd = stop_fd};
    int epoll_fd = open_epoll(&d);

    if (epoll_fd < 0)
        return epoll_fd;
    d.spill = malloc(connection_spill_size(io->server->config));
    if (d.spill == NULL) {
        close(epoll_fd);
        return -ENOMEM;
    }
    while (!d.stopping) {
        struct epoll_event event;

        if (epoll_wait(epoll_fd, &event, 1, -1) <= 0)
            continue;
        if (event.data.fd == stop_fd)
            d.stopping = true;
        else
            (void)accept_and_serve(&d);
    }
    while (accept_and_serve(&d)) /* what waited when the stop was seen */
        continue;
    free(d.spill);
    close(epoll_fd);
    return 0;
}
