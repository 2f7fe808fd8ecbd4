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
 * (strays.h, which says how workers keep that from hitting anything else).
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
#include "models/context.h"
#include "models/pool/dedicated.h"
#include "master/master.h"
#include "models/model.h"
#include "models/pool/pool_io.h"
#include "server.h"
#include "system/latch.h"
#include "worker.h"

/* What two generations share when connections pass from one to the other. */
struct prefork {
    unsigned users; /* generations */
    struct pool *pool;
    int stop_fd;         /* the pool's */
    size_t max_header;   /* what the pool's memory was made for */
    struct io master_io; /* for expiring connections; never waits */
};

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

static int work_by_request(struct server *server, const struct worker_process *self, void *arg)
{
    struct prefork *prefork = arg;
    struct pool_io context = {.pool = prefork->pool, .number = self->first};
    int result = context_init(&context.io, &REQUEST_OPS, server, self->first);

    shared_toggle_passing(context.io.stats); /* see strays.h */
    if (result < 0)
        return EXIT_FAILURE;
    context_begin(&context.io, "process");
    shared_toggle_passing(context.io.stats); /* of what libraries opened nothing is open any more */
    worker_ready(server, self);
    pool_work(prefork->pool, &context.io);
    shared_toggle_passing(context.io.stats); /* to the end */
    context_term(&context.io);
    return EXIT_SUCCESS;
}

static int work_by_connection(struct server *server, const struct worker_process *self, void *arg)
{
    struct dedicated *dedicated;
    struct io io;

    (void)arg;
    if (context_init(&io, &CONNECTION_OPS, server, self->first) < 0)
        return EXIT_FAILURE;
    dedicated = dedicated_new(&io, self->stop_fd);
    if (dedicated == NULL) {
        log_line(LOG_ERROR, "process %u cannot serve: %s", self->first, strerror(errno));
        return EXIT_FAILURE;
    }
    context_begin(&io, "process");
    worker_ready(server, self);
    dedicated_work(dedicated);
    dedicated_free(dedicated);
    context_term(&io);
    return EXIT_SUCCESS;
}

/* The context of what the master does to connections for that generation. */
static struct io *master_io(struct prefork *prefork, struct server *server)
{
    prefork->master_io.server = server;
    return &prefork->master_io;
}

static void died_by_request(struct server *server, unsigned first, bool killed, void *arg)
{
    struct prefork *prefork = arg;

    shared_worker_died(server->shared, first);
    pool_died(prefork->pool, first, killed);
}

static void release(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    pool_release(prefork->pool, master_io(prefork, server));
}

static void died_by_connection(struct server *server, unsigned first, bool killed, void *arg)
{
    (void)killed;
    (void)arg;
    shared_worker_lost_connections(server->shared, first);
    shared_worker_died(server->shared, first);
}

static bool owns(const void *arg, int fd)
{
    const struct prefork *prefork = arg;

    return fd == prefork->stop_fd || pool_owns(prefork->pool, fd);
}

static bool dismiss(struct server *server, unsigned first, void *arg)
{
    (void)arg;
    return leaders_dismiss(&server->shared->workers[first].control);
}

static int32_t connections(const void *arg)
{
    return lot_connections(((const struct prefork *)arg)->pool->lot);
}

static void tick(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    slow_clients_set_workers(prefork->pool->slow_clients, server->workers);
    pool_sweep(prefork->pool, master_io(prefork, server));
}

static void take_backlog(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    pool_take_backlog(prefork->pool, master_io(prefork, server));
}

static void retire(struct server *server, void *arg)
{
    const struct prefork *prefork = arg;

    (void)server;
    pool_retire(prefork->pool);
}

static bool drained(struct server *server, void *arg)
{
    struct prefork *prefork = arg;

    return pool_drain(prefork->pool, master_io(prefork, server));
}

static void finish(void *arg)
{
    const struct prefork *prefork = arg;

    latch_set(prefork->stop_fd);
}

static void free_shared(struct prefork *prefork)
{
    if (prefork->pool != NULL)
        pool_free(prefork->pool);
    if (prefork->stop_fd >= 0)
        close(prefork->stop_fd);
    context_term(&prefork->master_io);
    free(prefork);
}

/* NULL with errno. */
static struct prefork *new_shared(struct server *server)
{
    struct prefork *prefork = calloc(1, sizeof *prefork);
    int saved;

    if (prefork == NULL)
        return NULL;
    prefork->max_header = server->config->max_header;
    prefork->stop_fd = latch_new();
    if (prefork->stop_fd < 0)
        errno = -prefork->stop_fd;
    else if (context_init(&prefork->master_io, &context_never_waits, server, SHARED_MASTER) < 0)
        errno = ENOMEM;
    else
        prefork->pool = pool_new(server, prefork->stop_fd);
    if (prefork->pool != NULL)
        return prefork;
    saved = errno;
    free_shared(prefork);
    errno = saved;
    return NULL;
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

/* By all workers together, which share a table: each a file that it is sending and, where there are
 * more of them than connections to the database, what it asked with last, its permit lent to
 * another meanwhile. */
static unsigned descriptors_kept(const struct server *server)
{
    unsigned connections = server->config->db_connections;

    return server->workers +
           (server->workers > connections ? server->workers - connections : 0) * DESCRIPTORS_FOR_DB;
}

static int open_by_request(struct server *server, const struct master_plan *before,
                           struct master_plan *plan)
{
    struct prefork *prefork = before != NULL ? before->arg : NULL;
    int result;

    if (prefork != NULL && prefork->max_header != server->config->max_header)
        prefork = NULL; /* its memory for parked heads is of another size */
    if (prefork == NULL) {
        result = try_sharing();
        if (result < 0) {
            log_line(LOG_ERROR,
                     "processes cannot share descriptors here (clone: %s); "
                     "try --dispatch=connection",
                     strerror(-result));
            return result;
        }
        prefork = new_shared(server);
    }
    if (prefork == NULL)
        return -errno;
    server->descriptors = prefork->pool->lot->descriptors;
    descriptors_resolve(server, 1, descriptors_kept(server));
    /* For its workers, whose stack is at the same place: to ask for it opens a file. */
    result = coro_overflow_register_self("the master");
    if (result < 0)
        log_line(LOG_WARN, "the bounds of the stack are not known: %s", strerror(-result));
    prefork->users++;
    *plan = (struct master_plan){
        .processes = server->workers,
        .slots_each = 1,
        .batch = true,
        .work = work_by_request,
        .died = died_by_request,
        .release = release,
        .share_descriptors = true,
        .dismiss = dismiss,
        .tick = tick,
        .owns = owns,
        .connections = connections,
        .take_backlog = take_backlog,
        .retire = retire,
        .drained = drained,
        .finish = finish,
        .arg = prefork,
    };
    return 0;
}

static int prefork_open(struct server *server, const struct master_plan *before,
                        struct master_plan *plan)
{
    if (server->config->dispatch == DISPATCH_REQUEST)
        return open_by_request(server, before, plan);
    descriptors_resolve(server, 1, 0);
    *plan = (struct master_plan){
        .processes = server->workers,
        .slots_each = 1,
        .batch = true,
        .work = work_by_connection,
        .died = died_by_connection,
    };
    return 0;
}

static void prefork_close(struct master_plan *plan)
{
    struct prefork *prefork = plan->arg;

    if (prefork != NULL && --prefork->users == 0)
        free_shared(prefork);
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
    .open = prefork_open,
    .close = prefork_close,
};
