/* SPDX-License-Identifier: MIT
 *
 * Workers of a pool that wait for slow clients, and which of these are given up.
 *
 * A worker that blocks for a slow body or a slow reader serves nobody else. So only
 * some of a pool may do so at a time (all but a quarter, at least one); while more
 * do and a connection waits for a worker, the client that has kept its worker
 * waiting longest is given up.
 */
#ifndef MODELS_POOL_SLOW_CLIENTS_H
#define MODELS_POOL_SLOW_CLIENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system/bells.h"
#include "io.h"

struct kept;

/* Nobody is given up before it was waited for so long: more than most round trips, so that an
 * upload is not held against a client for its distance; and short enough that a quarter of a pool
 * of 64 takes a hundred new slow clients a second. */
enum { SLOW_CLIENTS_PATIENCE_MS = 100 };

/* One worker's wait. Written by the worker, but for `given_up`. */
struct slow_client {
    _Atomic int64_t since_ms;  /* when its client began to be slow; 0: not waiting */
    _Atomic uint32_t wait;     /* number of the wait */
    _Atomic uint32_t given_up; /* number of the last wait that was to end */
    _Atomic int bell;          /* rings when it is to look at given_up; 0: it has none */
};

/* Lies in memory that all workers share. */
struct slow_clients {
    int work_fd;            /* readable while a connection waits for a worker; not owned */
    _Atomic unsigned count; /* one more than the highest worker that has ever waited */
    _Atomic unsigned limit; /* that may wait at a time */
    struct bells bells;
    struct slow_client each[];
};

/* Bytes that those of up to `room` workers take. */
size_t slow_clients_size(unsigned room);

/* Makes them, for a pool of so many workers, in zeroed memory of slow_clients_size(room) bytes.
 * Returns 0 or a negative errno; slow_clients_term() in either case. */
int slow_clients_init(struct slow_clients *slow, unsigned workers, int work_fd)
    __attribute__((warn_unused_result));
void slow_clients_term(struct slow_clients *slow);

/* From now on so many workers serve at a time. */
void slow_clients_set_workers(struct slow_clients *slow, unsigned workers);

/* Adds the descriptors of these. */
void slow_clients_keep(const struct slow_clients *slow, struct kept *kept);

/* io_ops.wait_client for one worker of the pool; worker is its index. */
int slow_clients_wait(struct slow_clients *slow, unsigned worker, int fd, int events,
                      int64_t deadline_ms, int64_t spent_ms);

/* A worker process has died, perhaps waiting. */
void slow_clients_died(struct slow_clients *slow, unsigned worker);

#endif
