/* SPDX-License-Identifier: MIT
 *
 * Workers of a pool that wait for their clients, and which of them must give way.
 *
 * A worker that blocks for a slow body or a slow reader serves nobody else. So only
 * some of a pool may do so at a time (all but a quarter, at least one); while more
 * do and a connection waits for a worker, the client that has kept its worker
 * waiting longest is given up.
 */
#ifndef MODELS_POOL_WAITERS_H
#define MODELS_POOL_WAITERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system/bells.h"
#include "io.h"

/* Nobody is given up before it was waited for so long: more than most round trips, so that an
 * upload is not held against a client for its distance; and short enough that a quarter of a pool
 * of 64 takes a hundred new slow clients a second. */
enum { WAITERS_PATIENCE_MS = 100 };

/* One worker's wait. Written by the worker, but for `given_up`. */
struct waiter {
    _Atomic int64_t since_ms;  /* when its client began to be slow; 0: not waiting */
    _Atomic uint32_t turn;     /* number of the wait */
    _Atomic uint32_t given_up; /* number of the last wait that was to end */
    _Atomic int bell;          /* rings when it is to look at given_up; 0: it has none */
};

/* Lies in memory that all workers share. */
struct waiters {
    int work_fd;            /* readable while a connection waits for a worker; not owned */
    _Atomic unsigned count; /* one more than the highest worker that has ever waited */
    _Atomic unsigned limit; /* that may wait at a time */
    struct bells bells;
    struct waiter each[];
};

/* Bytes that waiters of up to `room` workers take. */
size_t waiters_size(unsigned room);

/* Makes them, for a pool of so many workers, in zeroed memory of waiters_size(room) bytes. Returns
 * 0 or a negative errno; waiters_term() in either case. */
int waiters_init(struct waiters *waiters, unsigned workers, int work_fd)
    __attribute__((warn_unused_result));
void waiters_term(struct waiters *waiters);

/* From now on so many workers serve at a time. */
void waiters_expect(struct waiters *waiters, unsigned workers);

/* True when fd is one of the descriptors of these. */
bool waiters_own(const struct waiters *waiters, int fd);

/* io_ops.wait_client for one worker of the pool; worker is its index. */
int waiters_wait(struct waiters *waiters, unsigned worker, int fd, int events, int64_t deadline_ms,
                 int64_t spent_ms);

/* A worker process has died, perhaps waiting. */
void waiters_died(struct waiters *waiters, unsigned worker);

#endif
