/* SPDX-License-Identifier: MIT */
#include "models/pool/shared_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/context.h"
#include "models/pool/leaders.h"
#include "models/pool/slow_clients.h"
#include "server.h"
#include "system/latch.h"

struct shared_pool {
    unsigned users; /* generations */
    struct pool *pool;
    int stop_fd;         /* the pool's */
    size_t max_header;   /* what the pool's memory was made for */
    struct io master_io; /* for what the master does to connections; never waits */
};

static void destroy(struct shared_pool *shared)
{
    if (shared->pool != NULL)
        pool_free(shared->pool);
    if (shared->stop_fd >= 0)
        close(shared->stop_fd);
    context_term(&shared->master_io);
    free(shared);
}

/* NULL with errno. */
static struct shared_pool *create(struct server *server)
{
    struct shared_pool *shared = calloc(1, sizeof *shared);
    int saved;

    if (shared == NULL)
        return NULL;
    shared->max_header = server->config->max_header;
    shared->stop_fd = latch_new();
    if (shared->stop_fd < 0)
        errno = -shared->stop_fd;
    else if (context_init(&shared->master_io, &context_never_waits, server, SHARED_MASTER) < 0)
        errno = ENOMEM;
    else
        shared->pool = pool_new(server, shared->stop_fd);
    if (shared->pool != NULL)
        return shared;
    saved = errno;
    destroy(shared);
    errno = saved;
    return NULL;
}

struct shared_pool *shared_pool_new(struct server *server, struct shared_pool *before)
{
    struct shared_pool *shared = before;

    if (before == NULL || before->max_header != server->config->max_header)
        shared = create(server); /* memory for parked heads is of the size that they may have */
    if (shared == NULL)
        return NULL;
    server->descriptors = shared->pool->lot->descriptors;
    shared->users++;
    return shared;
}

void shared_pool_free(struct shared_pool *shared)
{
    if (--shared->users == 0)
        destroy(shared);
}

struct pool *shared_pool_of(struct shared_pool *shared)
{
    return shared->pool;
}

/* The context of what the master does to connections for that generation. */
static struct io *master_io(struct shared_pool *shared, struct server *server)
{
    shared->master_io.server = server;
    return &shared->master_io;
}

void shared_pool_died(unsigned first, bool killed, void *arg)
{
    pool_died(((struct shared_pool *)arg)->pool, first, killed);
}

void shared_pool_release(struct server *server, void *arg)
{
    struct shared_pool *shared = arg;

    pool_release(shared->pool, master_io(shared, server));
}

bool shared_pool_dismiss(struct server *server, unsigned first, void *arg)
{
    (void)arg;
    return leaders_dismiss(&server->shared->workers[first].control);
}

void shared_pool_tick(struct server *server, void *arg)
{
    struct shared_pool *shared = arg;

    slow_clients_set_workers(shared->pool->slow_clients, server->workers);
    pool_sweep(shared->pool, master_io(shared, server));
}

bool shared_pool_owns(const void *arg, int fd)
{
    const struct shared_pool *shared = arg;

    return fd == shared->stop_fd || pool_owns(shared->pool, fd);
}

int32_t shared_pool_connections(const void *arg)
{
    return lot_connections(((const struct shared_pool *)arg)->pool->lot);
}

void shared_pool_take_backlog(struct server *server, void *arg)
{
    struct shared_pool *shared = arg;

    pool_take_backlog(shared->pool, master_io(shared, server));
}

void shared_pool_retire(struct server *server, void *arg)
{
    (void)server;
    pool_retire(((struct shared_pool *)arg)->pool);
}

bool shared_pool_drained(struct server *server, void *arg)
{
    struct shared_pool *shared = arg;

    return pool_drain(shared->pool, master_io(shared, server));
}

void shared_pool_finish(void *arg)
{
    latch_set(((struct shared_pool *)arg)->stop_fd);
}
