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
 * --pool=none has no pool: a process is made for each request, or connection, as CGI has it
 * (pool/spawner.h). It shows what forking before is worth.
 *
 * A descriptor table that is shared outlives a killed process with all that it
 * had open, so the master closes on its behalf: what the records say it owned at
 * once (pool_release), and what it had opened but not yet recorded a little later
 * (strays.h, which says how workers keep that from hitting anything else).
 *
 * Read this with pool/lot.h (who may touch a connection), pool/pool.c (one worker's turn),
 * pool/leaders.h (which workers look for work) and pool/pool_io.c (how they wait); for deaths and
 * reloads pool/shared_pool.c and pool/sweep.c; for --dispatch=connection pool/dedicated.c; for
 * --pool=none pool/spawner.h and pool/forked.c.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coro/overflow.h"
#include "descriptors.h"
#include "io.h"
#include "log.h"
#include "http/context.h"
#include "models/pool/dedicated.h"
#include "models/pool/forked.h"
#include "models/model.h"
#include "models/pool/pool_io.h"
#include "models/pool/shared_pool.h"
#include "server.h"
#include "worker.h"

static const struct io_ops REQUEST_OPS = {
    .model = "prefork",
    .context_is = "process",
    .blocks = pool_io_blocks,
    .wait_client = pool_io_wait_client,
    .give_way = pool_io_give_way,
    .sharing = &pool_io_sharing,
};

/* A process with a descriptor table of its own leaves nothing open when it dies. */
static const struct io_ops CONNECTION_OPS = {.model = "prefork", .context_is = "process"};

/* ---- a worker ---- */

/* Its exit status. */
static int cannot_serve(const struct worker_process *self, int error)
{
    log_line(LOG_ERROR, "process %u cannot serve: %s", self->first, strerror(error));
    return EXIT_FAILURE;
}

static int work_by_request(struct server *server, const struct worker_process *self, void *arg)
{
    struct pool *pool = shared_pool_of(arg);
    struct pool_io context = {.pool = pool, .number = self->first};
    int result = context_init(&context.io, &REQUEST_OPS, server, self->first);

    shared_toggle_passing(context.io.stats); /* see strays.h */
    if (result < 0)
        return cannot_serve(self, -result);
    model_begin_worker(&context.io, "process");
    shared_toggle_passing(context.io.stats); /* what libraries opened is closed again */
    worker_ready(server, self);
    pool_work(pool, &context.io);
    shared_toggle_passing(context.io.stats); /* until it is reaped */
    context_term(&context.io);
    return EXIT_SUCCESS;
}

static int work_by_connection(struct server *server, const struct worker_process *self)
{
    struct dedicated *dedicated;
    struct io io;

    if (context_init(&io, &CONNECTION_OPS, server, self->first) < 0)
        return cannot_serve(self, ENOMEM);
    dedicated = dedicated_new(&io, self->stop_fd, server->seat);
    if (dedicated == NULL)
        return cannot_serve(self, errno);
    model_begin_worker(&io, "process");
    worker_ready(server, self);
    while (dedicated_wait(dedicated))
        dedicated_accept(dedicated);
    dedicated_accept_last(dedicated);
    dedicated_free(dedicated);
    context_term(&io);
    return EXIT_SUCCESS;
}

/* A process that shares the descriptor table, to see whether there can be one. 0 or -errno. */
static int try_sharing(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);

    if (pid == 0)
        _exit(EXIT_SUCCESS);
    if (pid < 0)
        return -errno;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* Of all workers together, which share a table: a file that each sends and, where there are more of
 * them than connections to the database, the connection that each used last, its permit lent. */
static unsigned descriptors_kept(const struct server *server)
{
    unsigned connections = server->config->db_connections;

    return server->workers +
           (server->workers > connections ? server->workers - connections : 0) * DESCRIPTORS_FOR_DB;
}

static int work(struct server *server, const struct worker_process *self, void *arg)
{
    if (server->config->pool == POOL_NONE)
        return spawner_work(server, self, &forked_processes);
    return server->config->dispatch == DISPATCH_REQUEST ? work_by_request(server, self, arg)
                                                        : work_by_connection(server, self);
}

/* ---- the model ---- */

/* What the master does for the processes, which have its descriptors. */
static const struct shared_pool_ops SHARED_POOL_OPS = {
    .died = shared_pool_died,
    .release = shared_pool_release,
    .dismiss = shared_pool_dismiss,
    .tick = shared_pool_tick,
    .owns = shared_pool_owns,
    .connections = shared_pool_connections,
    .take_backlog = shared_pool_take_backlog,
    .retire = shared_pool_retire,
    .drained = shared_pool_drained,
    .finish = shared_pool_finish,
};

static int open_by_request(struct server *server, const struct model_plan *before,
                           struct model_plan *plan)
{
    struct shared_pool *running = before == NULL ? NULL : before->arg;
    int result = running == NULL ? try_sharing() : 0;

    if (result < 0) {
        log_line(LOG_ERROR,
                 "processes cannot share descriptors here (clone: %s); try --dispatch=connection",
                 strerror(-result));
        return result;
    }
    plan->shared = &SHARED_POOL_OPS;
    plan->arg = shared_pool_new(server, running);
    if (plan->arg == NULL)
        return -errno;
    descriptors_resolve(server, 1, descriptors_kept(server));
    /* Asked here, once: it opens a file, and its workers' stack is at the same place. */
    result = coro_overflow_register_self("the master");
    if (result < 0 && result != -ENOENT)
        log_line(LOG_WARN, "the bounds of the stack are not known: %s", strerror(-result));
    return 0;
}

static int plan_spawner(struct server *server, struct model_plan *plan)
{
    descriptors_resolve(server, 1, server->workers);
    plan->processes = 1;
    plan->slots_each = server->workers + 1; /* the spawner's as well */
    plan->serving_each = server->workers;
    return 0;
}

static int prefork_open(struct server *server, const struct model_plan *before,
                        struct model_plan *plan)
{
    if (server->config->pool == POOL_NONE)
        return plan_spawner(server, plan);
    if (server->config->dispatch == DISPATCH_REQUEST)
        return open_by_request(server, before, plan);
    return 0;
}

static void prefork_close(struct model_plan *plan)
{
    if (plan->arg != NULL)
        shared_pool_free(plan->arg);
}

static int prefork_check(const struct config *config, char *error, size_t error_size)
{
    if (config->gil) {
        snprintf(error, error_size, "--gil: only --model=threads has a lock to share, not prefork");
        return -EINVAL;
    }
    if (model_check_accept(config, true, error, error_size) < 0)
        return -EINVAL;
    return model_check_slice(config, error, error_size);
}

const struct model prefork_model = {
    .name = "prefork",
    .summary = "a pool of processes: one is taken for each request and blocks while it waits",
    .workers_per_core = 16,
    .work = work,
    .check = prefork_check,
    .open = prefork_open,
    .close = prefork_close,
};
