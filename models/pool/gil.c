/* SPDX-License-Identifier: MIT
 *
 * The lock is a flag under a mutex, not the mutex itself: a waiting thread must
 * be able to lose patience and say so.
 */
#include "models/pool/gil.h"

#include <errno.h>
#include <time.h>

void gil_init(struct gil *gil)
{
    pthread_condattr_t clock;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&gil->mutex, NULL);
    pthread_cond_init(&gil->released, &clock);
    pthread_cond_init(&gil->switched, NULL);
    pthread_condattr_destroy(&clock);
    gil->held = false;
    gil->switches = 0;
    atomic_init(&gil->drop_wanted, false);
}

void gil_term(struct gil *gil)
{
    pthread_cond_destroy(&gil->switched);
    pthread_cond_destroy(&gil->released);
    pthread_mutex_destroy(&gil->mutex);
}

static struct timespec in_one_interval(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GIL_INTERVAL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

void gil_acquire(struct gil *gil)
{
    pthread_mutex_lock(&gil->mutex);
    while (gil->held) {
        uint64_t seen = gil->switches;
        struct timespec until = in_one_interval();

        /* Patience starts anew whenever the lock has changed hands. */
        if (pthread_cond_timedwait(&gil->released, &gil->mutex, &until) == ETIMEDOUT && gil->held &&
            gil->switches == seen)
            atomic_store_explicit(&gil->drop_wanted, true, memory_order_relaxed);
    }
    gil->held = true;
    gil->switches++;
    atomic_store_explicit(&gil->drop_wanted, false, memory_order_relaxed);
    pthread_cond_signal(&gil->switched);
    pthread_mutex_unlock(&gil->mutex);
}

void gil_release(struct gil *gil)
{
    pthread_mutex_lock(&gil->mutex);
    gil->held = false;
    pthread_cond_signal(&gil->released);
    pthread_mutex_unlock(&gil->mutex);
}

void gil_checkpoint(struct gil *gil)
{
    uint64_t seen;

    if (!atomic_load_explicit(&gil->drop_wanted, memory_order_relaxed))
        return;
    pthread_mutex_lock(&gil->mutex);
    seen = gil->switches;
    gil->held = false;
    pthread_cond_signal(&gil->released);
    while (gil->switches == seen) /* whoever asked still waits, and will take it */
        pthread_cond_wait(&gil->switched, &gil->mutex);
    pthread_mutex_unlock(&gil->mutex);
    gil_acquire(gil);
}
