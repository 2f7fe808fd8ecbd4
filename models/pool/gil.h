/* SPDX-License-Identifier: MIT
 *
 * A global interpreter lock, as CPython has one, around handler code (--gil).
 *
 * It lets one thread at a time run handlers. A thread gives it up while it waits;
 * one that computes is asked to after GIL_INTERVAL_MS and does so at its next
 * gil_checkpoint(), and then waits until another thread has had it. This is
 * CPython's protocol since 3.2 (Python/ceval_gil.h), and its effect is the same:
 * threads that wait overlap, threads that compute take turns on one core.
 */
#ifndef MODELS_POOL_GIL_H
#define MODELS_POOL_GIL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { GIL_INTERVAL_MS = 5 };

struct gil {
    pthread_mutex_t mutex;
    pthread_cond_t released; /* the lock is free */
    pthread_cond_t switched; /* another thread has taken it */
    bool held;
    uint64_t switches;        /* how often it was taken */
    _Atomic bool drop_wanted; /* a waiting thread's patience is over */
};

void gil_init(struct gil *gil);
void gil_term(struct gil *gil);

/* Takes the lock, waiting for it; gives it up. Not recursive. */
void gil_acquire(struct gil *gil);
void gil_release(struct gil *gil);

/* To be called by its holder often: one load unless another thread wants the lock. */
void gil_checkpoint(struct gil *gil);

#endif
