/* SPDX-License-Identifier: MIT
 *
 * Between two requests it waits for the client and for the order to stop at once, by poll(2).
 */
#include "models/pool/attendant.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/connection.h"
#include "server.h"
#include "worker.h"

enum {
    DRAIN_LOOK_MS = 50, /* between looks whether an idle connection may still stay */
    LOOK_MS = 250,      /* between those of attendant_look_ms(), at least */
    LOOK_MS_EACH = 1,   /* of all workers */
};

int attendant_init(struct attendant *a, struct io *io, int stop_fd)
{
    *a = (struct attendant){.io = io, .stop_fd = stop_fd};
    a->spill = malloc(connection_spill_size(io->server->config));
    return a->spill == NULL ? -ENOMEM : 0;
}

void attendant_term(struct attendant *a)
{
    free(a->spill);
    a->spill = NULL;
}

/* Once it has served --max-requests, no descriptor tells it to finish, as it may have to do so
 * alone: it looks. */
static bool is_spent(const struct attendant *a)
{
    return atomic_load_explicit(&a->io->server->control->spent, memory_order_relaxed);
}

int attendant_look_ms(const struct attendant *a)
{
    int of_all_ms = (int)a->io->server->workers * LOOK_MS_EACH;

    return is_spent(a) || of_all_ms < LOOK_MS ? LOOK_MS : of_all_ms;
}

/* Waits until the parked connection is readable, its deadline has passed or the attendant is to
 * finish, and says what becomes of it. */
static enum conn_next wait_parked(struct attendant *a, struct conn *conn)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = conn->fd, .events = POLLIN},
                                {.fd = a->stopping ? -1 : a->stop_fd, .events = POLLIN}};
        int64_t deadline = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);
        int64_t left = deadline - io_now_ms();
        int ready;

        if (left <= 0 && connection_expire(conn, a->io) == CONN_CLOSE)
            return CONN_CLOSE;
        if (left < 0)
            left = 0; /* input has come in time, and is seen at once; or the deadline is another */
        if (left > attendant_look_ms(a))
            left = attendant_look_ms(a);
        if (a->stopping && left > DRAIN_LOOK_MS)
            left = DRAIN_LOOK_MS;
        ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0 && fds[0].revents != 0)
            return connection_serve(conn, a->io);
        if (ready > 0 || server_told_to_finish(a->io->server))
            a->stopping = true;
        if (a->stopping && connection_drain(conn, a->io) == CONN_CLOSE)
            return CONN_CLOSE;
        if (ready == 0 && connection_make_room(conn, a->io) == CONN_CLOSE)
            return CONN_CLOSE;
    }
}

void attendant_attend(struct attendant *a, struct conn *conn)
{
    struct server *server = a->io->server;
    enum conn_next next;

    shared_context_enter(server->shared, a->io->stats);
    next = connection_serve(conn, a->io);
    while (next == CONN_PARK) {
        worker_look_spent(server, a->io->worker, 1);
        next = wait_parked(a, conn);
    }
    worker_look_spent(server, a->io->worker, 1);
    shared_context_leave(server->shared, a->io->stats);
}

void attendant_serve(struct attendant *a, int fd, const struct in6_addr *client)
{
    struct server *server = a->io->server;
    struct conn conn;

    connection_init(&conn, fd, client, a->spill, server->config);
    attendant_attend(a, &conn);
    close(fd);
    shared_connection_closed(server->shared, a->io->stats);
}
