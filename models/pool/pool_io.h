/* SPDX-License-Identifier: MIT
 *
 * How a worker of a pool waits inside a handler: it blocks, and another worker looks for
 * connections meanwhile. The functions are io_ops of a struct pool_io; where its pool is NULL they
 * do nothing of their own.
 */
#ifndef MODELS_POOL_POOL_IO_H
#define MODELS_POOL_POOL_IO_H

#include "io.h"
#include "models/pool/pool.h"

struct pool_io {
    struct io io;      /* first: the functions below are given this */
    struct pool *pool; /* NULL with --dispatch=connection */
    unsigned number;   /* of the worker in its pool, from 0 */
};

void pool_io_blocks(struct io *io);
int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms);
bool pool_io_give_way(struct io *io);

/* Of workers that share a descriptor table; there is a pool. */
extern const struct io_sharing pool_io_sharing;

#endif
