/* SPDX-License-Identifier: MIT
 *
 * How a worker of a pool waits inside a handler: it blocks, and another worker looks for
 * connections meanwhile. The functions are io_ops of a struct pool_io.
 */
#ifndef MODELS_POOL_POOL_IO_H
#define MODELS_POOL_POOL_IO_H

#include "io.h"
#include "models/pool/pool.h"

struct gil;

struct pool_io {
    struct io io;      /* first: the functions below are given this */
    struct pool *pool; /* NULL with --dispatch=connection */
    unsigned number;   /* of the worker in its pool, from 0 */
    struct gil *gil;   /* NULL without --gil */
    bool in_handler;   /* the HTTP code blocks outside of it too */
};

void pool_io_blocks(struct io *io);

/* Where there is a pool. */
int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms);
bool pool_io_give_way(struct io *io);

/* With --gil: handler code holds the lock, except while it blocks. */
void pool_io_goes_on(struct io *io);
void pool_io_begin(struct io *io);
void pool_io_end(struct io *io);
void pool_io_checkpoint(struct io *io);

/* Of workers that share a descriptor table; there is a pool. */
extern const struct io_sharing pool_io_sharing;

#endif
