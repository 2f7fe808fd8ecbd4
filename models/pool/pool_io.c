/* SPDX-License-Identifier: MIT */
#include "models/pool/pool_io.h"

#include "models/pool/blocking.h"
#include "models/pool/leaders.h"
#include "models/pool/slow_clients.h"

static struct pool *pool_of(struct io *io)
{
    return ((struct pool_io *)io)->pool;
}

static void let_another_lead(struct io *io)
{
    if (pool_of(io) != NULL)
        leaders_quit(pool_of(io)->leaders, io->worker);
}

int pool_io_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    let_another_lead(io);
    return blocking_wait(io, fd, events, deadline_ms);
}

int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    if (pool_of(io) == NULL)
        return blocking_wait(io, fd, events, deadline_ms);
    let_another_lead(io);
    return slow_clients_wait(pool_of(io)->slow_clients, ((struct pool_io *)io)->number, fd, events,
                             deadline_ms, spent_ms);
}

int pool_io_sleep(struct io *io, int64_t ms)
{
    let_another_lead(io);
    return blocking_sleep(io, ms);
}

int pool_io_suspend(struct io *io, int64_t deadline_ms)
{
    let_another_lead(io);
    return blocking_suspend(io, deadline_ms);
}

int pool_io_offload(struct io *io, void (*call)(void *arg), void *arg)
{
    let_another_lead(io);
    return blocking_offload(io, call, arg);
}

bool pool_io_give_way(struct io *io)
{
    return pool_of(io) != NULL && leaders_work_waits(pool_of(io)->leaders);
}
