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

void worker_look_spent(const struct server *server, unsigned first, unsigned count)
{
    uint64_t most = server->config->max_requests, served = 0;

    for (unsigned i = first; most > 0 && i < first + count; i++) {
        const struct worker_stats *stats = &server->shared->workers[i];

        served += stats_get(&stats->requests) - stats_get(&stats->requests_before);
    }
    if (most > 0 && served >= most &&
        !atomic_exchange_explicit(&server->control->spent, true, memory_order_relaxed))
        latch_set(server->master_fd);
}
