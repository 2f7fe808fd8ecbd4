/* SPDX-License-Identifier: MIT
 *
 * prefork: a pool of processes, made before the first request; each request is
 * given a process, which goes back to the pool when the request is done.
 *
 * A request is served by whichever process is idle, though its connection was
 * accepted by another: the processes have memory of their own but share one
 * descriptor table (clone(2) with CLONE_FILES), one epoll set, and the parking
 * lot's records. What a process breaks is its own: a crash costs the request it
 * was serving. The price is what the operating system charges for processes:
 * address spaces to switch between, and pages to touch in each.
 *
 * A descriptor table that is shared outlives a killed process with all that it
 * had open, so the master closes on its behalf: what the records say it owned at
 * once (pool_release), and what it had opened but not yet recorded a little later
 * (strays.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "models/blocking.h"
#include "models/dedicated.h"
#include "models/master.h"
#include "models/model.h"
#include "models/pool.h"
#include "models/strays.h"
#include "server.h"

struct prefork {
    struct pool *pool;
    struct io master_io; /* for expiring connections; never waits */
    struct strays strays;
    bool noted; /* what is open from the start */
};

/* A worker's context. */
struct prefork_io {
    struct io io; /* first: the io functions below are given this */
    struct pool *pool;
};

static int wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    return waiters_wait(((struct prefork_io *)io)->pool->waiters, io->worker, fd, events,
                        deadline_ms, spent_ms);
}

static bool give_way(struct io *io)
{
    return pool_work_waits(((struct prefork_io *)io)->pool);
}

static void hold(struct io *io, int fd)
{
    pool_hold(((struct prefork_io *)io)->pool, io, fd);
}

static void unhold(struct io *io, int fd)
{
    pool_unhold(((struct prefork_io *)io)->pool, io, fd);
}

static void close_held(struct io *io, int fd)
{
    pool_close(((struct prefork_io *)io)->pool, io, fd);
}

static const struct io_ops REQUEST_OPS = {
    .wait = blocking_wait,
    .wait_client = wait_client,
    .sleep = blocking_sleep,
    .suspend = blocking_suspend,
    .resume = blocking_resume,
    .gather = blocking_gather,
    .offload = blocking_offload,
    .give_way = give_way,
    .opening = pool_opening,
    .hold = hold,
    .unhold = unhold,
    .close = close_held,
    .model = "prefork",
    .gather_how = "one after another",
    .context_is = "process",
};

/* A process with a descriptor table of its own leaves nothing open when it dies. */
static const struct io_ops CONNECTION_OPS = {
    .wait = blocking_wait,
    .sleep = blocking_sleep,
    .suspend = blocking_suspend,
    .resume = blocking_resume,
    .gather = blocking_gather,
    .offload = blocking_offload,
    .model = "prefork",
    .gather_how = "one after another",
    .context_is = "process",
};

static int work_by_request(struct server *server, const struct master_worker *self, void *arg)
{
    struct prefork *prefork = arg;
    struct prefork_io context = {.pool = prefork->pool};

    if (blocking_io_init(&context.io, &REQUEST_OPS, server, self->index) < 0)
        return EXIT_FAILURE;
    blocking_report_overflows("process", self->index);
    server_worker_begins(server, self->index, getpid(), gettid());
    master_worker_ready(self);
    pool_work(prefork->pool, &context.io);
    blocking_io_term(&context.io);
    return EXIT_SUCCESS;
}

static int work_by_connection(struct server *server, const struct master_worker *self, void *arg)
{
    struct io io;
    int result;

    (void)arg;
    if (blocking_io_init(&io, &CONNECTION_OPS, server, self->index) < 0)
        return EXIT_FAILURE;
    blocking_report_overflows("process", self->index);
    server_worker_begins(server, self->index, getpid(), gettid());
    master_worker_ready(self);
    result = dedicated_work(&io, self->stop_fd);
    blocking_io_term(&io);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void died_by_request(struct server *server, unsigned process, void *arg)
{
    struct prefork *prefork = arg;

    pool_release(prefork->pool, &prefork->master_io, process);
    if (!server_draining(server))
        strays_expect(&prefork->strays);
    server_worker_died(server, process);
}

static void died_by_connection(struct server *server, unsigned process, void *arg)
{
    (void)arg;
    server_worker_lost_connections(server, process);
    server_worker_died(server, process);
}

static void tick(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    if (!prefork->noted && strays_init(&prefork->strays) < 0)
        log_line(LOG_WARN, "no /proc: what killed workers had just opened stays open");
    prefork->noted = true;
    pool_sweep(prefork->pool, &prefork->master_io);
    if (!server_draining(server))
        strays_close(&prefork->strays, prefork->pool);
}

static void take_backlog(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    (void)server;
    pool_take_backlog(prefork->pool, &prefork->master_io);
}

static bool drained(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    (void)server;
    return pool_drain(prefork->pool, &prefork->master_io);
}

static int run_by_request(struct server *server, int stop_fd)
{
    struct prefork prefork = {0};
    struct master_plan plan = {
        .processes = server->workers,
        .share_descriptors = true,
        .stop_fd = stop_fd,
        .work = work_by_request,
        .died = died_by_request,
        .tick = tick,
        .take_backlog = take_backlog,
        .drained = drained,
        .arg = &prefork,
    };
    int result = blocking_io_init(&prefork.master_io, &blocking_never_ops, server, server->workers);

    if (result < 0)
        return result;
    prefork.pool = pool_new(server, stop_fd);
    if (prefork.pool == NULL) {
        result = -errno;
    } else {
        result = master_run(server, &plan);
        pool_free(prefork.pool);
    }
    if (result == -ENOSYS || result == -EPERM || result == -EINVAL)
        log_line(LOG_ERROR,
                 "processes cannot share descriptors here (clone: %s); try --dispatch=connection",
                 strerror(-result));
    strays_term(&prefork.strays);
    blocking_io_term(&prefork.master_io);
    return result;
}

static int prefork_run(struct server *server)
{
    struct master_plan plan = {
        .processes = server->workers,
        .work = work_by_connection,
        .died = died_by_connection,
    };
    int result;

    plan.stop_fd = master_stop_new();
    if (plan.stop_fd < 0)
        return plan.stop_fd;
    result = server->config->dispatch == DISPATCH_REQUEST ? run_by_request(server, plan.stop_fd)
                                                          : master_run(server, &plan);
    close(plan.stop_fd);
    return result;
}

static int prefork_check(const struct config *config, char *error, size_t error_size)
{
    if (!config->gil)
        return 0;
    snprintf(error, error_size, "--gil: only --model=threads has a lock to share, not prefork");
    return -EINVAL;
}

const struct model prefork_model = {
    .name = "prefork",
    .summary = "a pool of processes: one is taken for each request and blocks while it waits",
    .workers_per_core = 16,
    .check = prefork_check,
    .run = prefork_run,
};
