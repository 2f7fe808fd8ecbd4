/* SPDX-License-Identifier: MIT */
#include "models/pool/pool_io.h"

#include "models/pool/gil.h"
#include "models/pool/leaders.h"
#include "models/pool/slow_clients.h"

static struct pool *pool_of(struct io *io)
{
    return ((struct pool_io *)io)->pool;
}

void pool_io_blocks(struct io *io)
{
    const struct pool_io *self = (const struct pool_io *)io;

    if (self->gil != NULL && self->in_handler)
        gil_release(self->gil);
    if (self->pool != NULL)
        leaders_quit(self->pool->leaders, io->worker);
}

void pool_io_goes_on(struct io *io)
{
    if (((struct pool_io *)io)->in_handler)
        gil_acquire(((struct pool_io *)io)->gil);
}

void pool_io_begin(struct io *io)
{
    gil_acquire(((struct pool_io *)io)->gil);
    ((struct pool_io *)io)->in_handler = true;
}

void pool_io_end(struct io *io)
{
    ((struct pool_io *)io)->in_handler = false;
    gil_release(((struct pool_io *)io)->gil);
}

void pool_io_checkpoint(struct io *io)
{
    gil_checkpoint(((struct pool_io *)io)->gil);
}

int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    return slow_clients_wait(pool_of(io)->slow_clients, ((struct pool_io *)io)->number, fd, events,
                             deadline_ms, spent_ms);
}

bool pool_io_give_way(struct io *io)
{
    return leaders_work_waits(pool_of(io)->leaders);
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
