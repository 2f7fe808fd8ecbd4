/* SPDX-License-Identifier: MIT
 *
 * What a worker process says.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>

#include "system/latch.h"
#include "server.h"

void worker_ready(const struct server *server, const struct worker_process *self)
{
    struct pollfd gate = {.fd = self->gate_fd, .events = POLLIN};

    atomic_store(&server->control->ready, true);
    latch_set(server->master_fd);
    while (poll(&gate, 1, -1) < 0 && errno == EINTR)
        ;
}

void worker_backlog_taken(const struct server *server)
{
    atomic_store(&server->control->backlog_taken, true);
    latch_set(server->master_fd);
}

void worker_spent(const struct server *server)
{
    if (!atomic_exchange_explicit(&server->control->spent, true, memory_order_relaxed))
        latch_set(server->master_fd);
}
