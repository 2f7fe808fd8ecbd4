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

static void opening(struct io *io)
{
    shared_begin_change(io->stats);
}

static void hold(struct io *io, int fd)
{
    lot_hold(pool_of(io)->lot, fd, io);
    shared_end_change(io->stats);
}

static void unhold(struct io *io, int fd)
{
    shared_begin_change(io->stats);
    lot_unhold(pool_of(io)->lot, fd, io);
}

static void close_held(struct io *io, int fd)
{
    unhold(io, fd);
    close(fd);
    shared_end_change(io->stats);
}

const struct io_sharing pool_io_sharing = {
    .opening = opening,
    .hold = hold,
    .unhold = unhold,
    .close = close_held,
};
