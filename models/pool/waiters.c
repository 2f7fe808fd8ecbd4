/* SPDX-License-Identifier: MIT
 *
 * No lock and no counter that a killed worker could leave wrong: who waits is seen
 * by looking at all of them, which costs less than the wait that follows.
 */
#include "models/pool/waiters.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

enum {
    LOOK_AGAIN_MS = 10,  /* while too many wait */
    LOOK_ALONE_MS = 100, /* whether it was given up, by one that has no bell */
    LOOKERS_PER_MS = 16, /* and later where thousands look, since each looks at all */
};

size_t waiters_size(unsigned room)
{
    return sizeof(struct waiters) + room * sizeof(struct waiter);
}

int waiters_init(struct waiters *w, unsigned workers, int work_fd)
{
    w->work_fd = work_fd;
    waiters_expect(w, workers);
    return bells_init(&w->bells);
}

void waiters_term(struct waiters *w)
{
    bells_term(&w->bells);
}

void waiters_expect(struct waiters *w, unsigned workers)
{
    unsigned reserve = workers >= 4 ? workers / 4 : 1;

    w->limit = workers - reserve;
}

bool waiters_own(const struct waiters *w, int fd)
{
    return bells_next_owned(&w->bells, fd) == fd;
}

void waiters_died(struct waiters *w, unsigned worker)
{
    atomic_store(&w->each[worker].since_ms, 0);
    bells_give(&w->bells, worker);
}

static void give_up(struct waiter *victim)
{
    atomic_store(&victim->given_up, atomic_load(&victim->turn));
    bell_ring(atomic_load(&victim->bell));
}

static bool is_given_up(const struct waiter *waiter)
{
    return atomic_load(&waiter->given_up) == atomic_load(&waiter->turn);
}

static bool work_waits(const struct waiters *w)
{
    struct pollfd work = {.fd = w->work_fd, .events = POLLIN};

    return poll(&work, 1, 0) > 0;
}

/* Looks whether too many wait. If so, and work waits too, gives up the one that has waited longest,
 * if that is long enough; returns true while there are still too many. */
static bool too_many(struct waiters *w)
{
    struct waiter *longest = NULL;
    int64_t since = INT64_MAX;
    unsigned waiting = 0;

    for (unsigned i = 0; i < w->count; i++) {
        int64_t its = atomic_load(&w->each[i].since_ms);

        if (its == 0 || is_given_up(&w->each[i]))
            continue;
        waiting++;
        if (its < since) {
            since = its;
            longest = &w->each[i];
        }
    }
    if (longest == NULL || waiting <= w->limit)
        return false;
    if (io_now_ms() - since < WAITERS_PATIENCE_MS || !work_waits(w))
        return true;
    give_up(longest);
    return waiting - 1 > w->limit;
}

/* Waits until fds[0] is ready (its events), the worker's turn is given up (-EBUSY) or the deadline
 * has passed (-ETIMEDOUT). */
static int wait_turn(struct waiters *w, unsigned worker, struct pollfd *fds, int64_t deadline_ms)
{
    struct waiter *self = &w->each[worker];

    for (;;) {
        int64_t left = deadline_ms - io_now_ms(), look_ms = left;
        bool given_up;
        int ready;

        if (left <= 0)
            return -ETIMEDOUT;
        if (atomic_load(&self->bell) == 0) /* before the looks: what comes after them rings it */
            atomic_store(&self->bell, bells_take(&w->bells, worker));
        fds[1].fd = atomic_load(&self->bell) == 0 ? -1 : atomic_load(&self->bell);
        if (too_many(w))
            look_ms = LOOK_AGAIN_MS + w->count / LOOKERS_PER_MS;
        else if (fds[1].fd < 0)
            look_ms = LOOK_ALONE_MS + w->count / LOOKERS_PER_MS;
        given_up = is_given_up(self);
        if (given_up)
            look_ms = 0;
        left = look_ms < left ? look_ms : left;
        ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0 && fds[0].revents != 0)
            return fds[0].revents;
        if (given_up)
            return -EBUSY;
        if (ready > 0)
            bell_heard(fds[1].fd);
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

/* So that all who wait are looked at. */
static void raise_count(struct waiters *w, unsigned worker)
{
    unsigned count = atomic_load(&w->count);

    while (count <= worker && !atomic_compare_exchange_weak(&w->count, &count, worker + 1))
        ;
}

int waiters_wait(struct waiters *w, unsigned worker, int fd, int events, int64_t deadline_ms,
                 int64_t spent_ms)
{
    struct waiter *self = &w->each[worker];
    struct pollfd fds[2] = {{.fd = fd}, {.fd = -1, .events = POLLIN}};
    int result, ready = 0;

    if (events & IO_READ)
        fds[0].events |= POLLIN;
    if (events & IO_WRITE)
        fds[0].events |= POLLOUT;
    raise_count(w, worker);
    atomic_store(&self->bell, 0); /* of one killed in this place */
    atomic_fetch_add(&self->turn, 1);
    atomic_store(&self->since_ms, io_now_ms() - spent_ms);
    result = wait_turn(w, worker, fds, deadline_ms);
    atomic_store(&self->since_ms, 0);
    atomic_store(&self->bell, 0);
    bells_give(&w->bells, worker);
    if (result < 0)
        return result;
    if (result & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_READ;
    if (result & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_WRITE;
    return ready;
}
