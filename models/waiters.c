/* SPDX-License-Identifier: MIT
 *
 * No lock and no counter that a killed worker could leave wrong: who waits is seen
 * by looking at all of them, which costs less than the wait that follows.
 */
#include "models/waiters.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 10 }; /* while too many wait */

size_t waiters_size(unsigned room)
{
    return sizeof(struct waiters) + room * sizeof(struct waiter);
}

int waiters_init(struct waiters *w, unsigned workers, unsigned room, int work_fd)
{
    int result = 0;

    w->work_fd = work_fd;
    w->room = room;
    waiters_expect(w, workers);
    for (unsigned i = 0; i < workers && result == 0; i++)
        result = waiters_add(w, i);
    return result;
}

void waiters_term(struct waiters *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->each[i].wake_fd > 0)
            close(w->each[i].wake_fd);
}

int waiters_add(struct waiters *w, unsigned worker)
{
    int fd;

    if (worker >= w->room)
        return -ENOSPC;
    if (w->each[worker].wake_fd > 0)
        return 0;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    w->each[worker].wake_fd = fd;
    if (worker >= w->count)
        w->count = worker + 1;
    return 0;
}

void waiters_expect(struct waiters *w, unsigned workers)
{
    unsigned reserve = workers >= 4 ? workers / 4 : 1;

    w->limit = workers - reserve;
}

bool waiters_own(const struct waiters *w, int fd)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->each[i].wake_fd == fd)
            return true;
    return false;
}

void waiters_died(struct waiters *w, unsigned worker)
{
    atomic_store(&w->each[worker].since_ms, 0);
}

static void give_up(struct waiter *victim)
{
    uint64_t one = 1;

    atomic_store(&victim->given_up, atomic_load(&victim->turn));
    if (write(victim->wake_fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is readable already */
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

        if (its == 0 || atomic_load(&w->each[i].given_up) == atomic_load(&w->each[i].turn))
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

/* Waits until fd is ready (its events), the worker's turn is given up (-EBUSY) or the deadline has
 * passed (-ETIMEDOUT). */
static int wait_turn(struct waiters *w, struct waiter *self, struct pollfd *fds,
                     int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - io_now_ms();
        uint64_t count;
        int ready;

        if (left <= 0)
            return -ETIMEDOUT;
        if (too_many(w) && left > LOOK_AGAIN_MS)
            left = LOOK_AGAIN_MS;
        ready = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0 && fds[0].revents != 0)
            return fds[0].revents;
        if (ready > 0 && read(self->wake_fd, &count, sizeof count) > 0 &&
            atomic_load(&self->given_up) == atomic_load(&self->turn))
            return -EBUSY;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

int waiters_wait(struct waiters *w, unsigned worker, int fd, int events, int64_t deadline_ms,
                 int64_t spent_ms)
{
    struct waiter *self = &w->each[worker];
    struct pollfd fds[2] = {{.fd = fd}, {.fd = self->wake_fd, .events = POLLIN}};
    int result, ready = 0;

    if (events & IO_READ)
        fds[0].events |= POLLIN;
    if (events & IO_WRITE)
        fds[0].events |= POLLOUT;
    atomic_fetch_add(&self->turn, 1);
    atomic_store(&self->since_ms, io_now_ms() - spent_ms);
    result = wait_turn(w, self, fds, deadline_ms);
    atomic_store(&self->since_ms, 0);
    if (result < 0)
        return result;
    if (result & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_READ;
    if (result & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_WRITE;
    return ready;
}
