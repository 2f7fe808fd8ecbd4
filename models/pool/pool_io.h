/* SPDX-License-Identifier: MIT
 *
 * How a worker of a pool waits inside a handler: it blocks, and another worker looks for
 * connections meanwhile. The functions are io_ops of a struct pool_io; where its pool is NULL they
 * only block.
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

int pool_io_wait(struct io *io, int fd, int events, int64_t deadline_ms);
int pool_io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms);
int pool_io_sleep(struct io *io, int64_t ms);
int pool_io_suspend(struct io *io, int64_t deadline_ms);
int pool_io_offload(struct io *io, void (*call)(void *arg), void *arg);
bool pool_io_give_way(struct io *io);

#endif
