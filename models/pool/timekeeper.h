/* SPDX-License-Identifier: MIT
 *
 * The thread that serves nothing, in a worker process with connections of its own: several times a
 * second it looks at what happens without an event and says that the process is alive; it takes the
 * order to finish. In threads it is the first one, with --pool=none the one that makes the workers
 * (spawner.h). (The keeper of leaders.h is a worker that stands by.)
 */
#ifndef MODELS_POOL_TIMEKEEPER_H
#define MODELS_POOL_TIMEKEEPER_H

#include <stdbool.h>

struct io;
struct pool;
struct worker_process;

struct timekeeper {
    struct pool *pool;     /* NULL: the workers look after their connections themselves */
    struct io *io;         /* its own: never waits */
    unsigned first, slots; /* those of the workers, whose requests count for --max-requests */
    /* Passes the time until stop_fd (-1: none) is readable, at most timeout_ms; true: it is. NULL:
     * there is nothing else to do meanwhile. */
    bool (*pass)(void *arg, int stop_fd, int timeout_ms);
    void *arg;
};

/* Until the process is to finish and has drained the pool, or its time is up: false then. */
bool timekeeper_run(const struct timekeeper *keeper, const struct worker_process *self)
    __attribute__((warn_unused_result));

#endif
