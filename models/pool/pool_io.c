/* SPDX-License-Identifier: MIT */
#include "models/pool/pool_io.h"

#include "models/pool/leaders.h"
#include "models/pool/slow_clients.h"

static struct pool *pool_of(struct io *io)
{
    return ((struct pool_io *)io)->pool;
}

void pool_io_blocks(struct io *io)
{
    if (pool_of(io) != NULL)
        leaders_quit(pool_of(io)->leaders, io->worker);
}

int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    return slow_clients_wait(pool_of(io)->slow_clients, ((struct pool_io *)io)->number, fd, events,
                             deadline_ms, spent_ms);
}

bool pool_io_give_way(struct io *io)
{
    return pool_of(io) != NULL && leaders_work_waits(pool_of(io)->leaders);
}

static void hold(struct io *io, int fd)
{
    pool_hold(pool_of(io), io, fd);
}

static void unhold(struct io *io, int fd)
{
    pool_unhold(pool_of(io), io, fd);
}

static void close_held(struct io *io, int fd)
{
    pool_close(pool_of(io), io, fd);
}

const struct io_sharing pool_io_sharing = {
    .opening = pool_opening,
    .hold = hold,
    .unhold = unhold,
    .close = close_held,
};
