/* SPDX-License-Identifier: MIT
 *
 * No lock and no counter that a killed worker could leave wrong: who waits is seen
 * by looking at all of them, which costs less than the wait that follows.
 */
#include "models/pool/slow_clients.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "system/kept.h"

enum {
    LOOK_AGAIN_MS = 10,  /* while too many wait */
    LOOK_ALONE_MS = 100, /* whether it was given up, by one that has no bell */
    LOOKERS_PER_MS = 16, /* and later where thousands look, since each looks at all */
};

size_t slow_clients_size(unsigned room)
{
    return sizeof(struct slow_clients) + room * sizeof(struct slow_client);
}

int slow_clients_init(struct slow_clients *slow, unsigned workers, int work_fd)
{
    slow->work_fd = work_fd;
    slow_clients_set_workers(slow, workers);
    return bells_init(&slow->bells);
}

void slow_clients_term(struct slow_clients *slow)
{
    bells_term(&slow->bells);
}

void slow_clients_set_workers(struct slow_clients *slow, unsigned workers)
{
    unsigned reserve = workers >= 4 ? workers / 4 : 1;

    slow->limit = workers - reserve;
}

void slow_clients_keep(const struct slow_clients *slow, struct kept *kept)
{
    bells_keep(&slow->bells, kept);
}

void slow_clients_died(struct slow_clients *slow, unsigned worker)
{
    atomic_store(&slow->each[worker].since_ms, 0);
    bells_give(&slow->bells, worker);
}

static void give_up(struct slow_client *victim)
{
    atomic_store(&victim->given_up, atomic_load(&victim->wait));
    bell_ring(atomic_load(&victim->bell));
}

static bool is_given_up(const struct slow_client *client)
{
    return atomic_load(&client->given_up) == atomic_load(&client->wait);
}

static bool work_waits(const struct slow_clients *slow)
{
    struct pollfd work = {.fd = slow->work_fd, .events = POLLIN};

    return poll(&work, 1, 0) > 0;
}

/* Looks whether too many wait. If so, and work waits too, gives up the one that has waited longest,
 * if that is long enough; returns true while there are still too many. */
static bool too_many(struct slow_clients *slow)
{
    struct slow_client *longest = NULL;
    int64_t since = INT64_MAX;
    unsigned waiting = 0;

    for (unsigned i = 0; i < slow->count; i++) {
        int64_t its = atomic_load(&slow->each[i].since_ms);

        if (its == 0 || is_given_up(&slow->each[i]))
            continue;
        waiting++;
        if (its < since) {
            since = its;
            longest = &slow->each[i];
        }
    }
    if (longest == NULL || waiting <= slow->limit)
        return false;
    if (io_now_ms() - since < SLOW_CLIENTS_PATIENCE_MS || !work_waits(slow))
        return true;
    give_up(longest);
    return waiting - 1 > slow->limit;
}

/* Waits until fds[0] is ready (its events), the client is given up (-EBUSY) or the deadline has
 * passed (-ETIMEDOUT). */
static int wait_unless_given_up(struct slow_clients *slow, unsigned worker, struct pollfd *fds,
                                int64_t deadline_ms)
{
    struct slow_client *self = &slow->each[worker];

    for (;;) {
        int64_t left = deadline_ms - io_now_ms(), look_ms = left;
        bool given_up;
        int ready;

        if (left <= 0)
            return -ETIMEDOUT;
        if (atomic_load(&self->bell) == 0) /* before the looks: what comes after them rings it */
            atomic_store(&self->bell, bells_take(&slow->bells, worker));
        fds[1].fd = atomic_load(&self->bell) == 0 ? -1 : atomic_load(&self->bell);
        if (too_many(slow))
            look_ms = LOOK_AGAIN_MS + slow->count / LOOKERS_PER_MS;
        else if (fds[1].fd < 0)
            look_ms = LOOK_ALONE_MS + slow->count / LOOKERS_PER_MS;
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
static void raise_count(struct slow_clients *slow, unsigned worker)
{
    unsigned count = atomic_load(&slow->count);

    while (count <= worker && !atomic_compare_exchange_weak(&slow->count, &count, worker + 1))
        ;
}

int slow_clients_wait(struct slow_clients *slow, unsigned worker, int fd, int events,
                      int64_t deadline_ms, int64_t spent_ms)
{
    struct slow_client *self = &slow->each[worker];
    struct pollfd fds[2] = {{.fd = fd}, {.fd = -1, .events = POLLIN}};
    int result, ready = 0;

    if (events & IO_READ)
        fds[0].events |= POLLIN;
    if (events & IO_WRITE)
        fds[0].events |= POLLOUT;
    raise_count(slow, worker);
    atomic_store(&self->bell, 0); /* of one killed in this place */
    atomic_fetch_add(&self->wait, 1);
    atomic_store(&self->since_ms, io_now_ms() - spent_ms);
    result = wait_unless_given_up(slow, worker, fds, deadline_ms);
    atomic_store(&self->since_ms, 0);
    atomic_store(&self->bell, 0);
    bells_give(&slow->bells, worker);
    if (result < 0)
        return result;
    if (result & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_READ;
    if (result & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
        ready |= events & IO_WRITE;
    return ready;
}
