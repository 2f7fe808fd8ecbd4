/* SPDX-License-Identifier: MIT
 *
 * The descriptors by which master and workers call each other, and what a worker says with its own:
 * the worker's side of master.h.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "master/master.h"
#include "server.h"

int master_stop_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void master_stop(int stop_fd)
{
    uint64_t one = 1;

    if (write(stop_fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is readable already */
}

void master_worker_ready(const struct server *server, const struct master_worker *self)
{
    struct pollfd gate = {.fd = self->gate_fd, .events = POLLIN};

    atomic_store(&server->control->ready, true);
    server_wake_master(server);
    while (poll(&gate, 1, -1) < 0 && errno == EINTR)
        ;
}

void master_backlog_taken(const struct server *server)
{
    atomic_store(&server->control->backlog_taken, true);
    server_wake_master(server);
}
