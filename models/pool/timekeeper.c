/* SPDX-License-Identifier: MIT */
#include "models/pool/timekeeper.h"

#include <poll.h>

#include "io.h"
#include "models/pool/pool.h"
#include "server.h"
#include "worker.h"

enum { TICK_MS = 250, DRAIN_TICK_MS = 20 };

static bool pass_time(const struct timekeeper *keeper, int stop_fd, int timeout_ms)
{
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};

    return keeper->pass != NULL ? keeper->pass(keeper->arg, stop_fd, timeout_ms)
                                : poll(&stop, 1, timeout_ms) > 0;
}

static void tick(const struct timekeeper *keeper)
{
    const struct server *server = keeper->io->server;

    atomic_store(&server->control->beat_ms, io_now_ms());
    if (keeper->pool != NULL)
        pool_sweep(keeper->pool, keeper->io);
    worker_look_spent(server, keeper->first, keeper->slots);
}

bool timekeeper_run(const struct timekeeper *keeper, const struct worker_process *self)
{
    const struct server *server = keeper->io->server;
    bool stopping = false;

    do
        tick(keeper);
    while (!server_told_to_finish(server) && !pass_time(keeper, self->stop_fd, TICK_MS));
    if (keeper->pool == NULL)
        return true;
    pool_retire(keeper->pool);
    for (;;) {
        if (!stopping && atomic_load(&server->control->take_backlog)) {
            stopping = true;
            pool_take_backlog(keeper->pool, keeper->io);
            worker_backlog_taken(server);
        }
        if (pool_drain(keeper->pool, keeper->io))
            return true;
        if (io_now_ms() >= server_drain_deadline(server))
            return false;
        pass_time(keeper, -1, DRAIN_TICK_MS);
        tick(keeper);
    }
}
