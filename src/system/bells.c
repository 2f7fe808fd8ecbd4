/* SPDX-License-Identifier: MIT
 *
 * Lending eventfds.
 */
#include "system/bells.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bells_init(struct bells *bells)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0)
            return -errno;
        bells->each[i].fd = fd;
    }
    return 0;
}

void bells_term(struct bells *bells)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++)
        if (bells->each[i].fd > 0)
            close(bells->each[i].fd);
}

int bells_next_owned(const struct bells *bells, int from)
{
    int next = INT_MAX;

    for (unsigned i = 0; i < BELLS_COUNT; i++)
        if (bells->each[i].fd >= from && bells->each[i].fd < next)
            next = bells->each[i].fd;
    return next;
}

int bells_take(struct bells *bells, uint32_t who)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++) {
        uint32_t nobody = 0;

        if (atomic_load(&bells->each[i].holder) == 0 &&
            atomic_compare_exchange_strong(&bells->each[i].holder, &nobody, who + 1))
            return bells->each[i].fd;
    }
    return 0;
}

void bells_give(struct bells *bells, uint32_t who)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++) {
        uint32_t holder = who + 1;

        if (atomic_load(&bells->each[i].holder) == holder)
            atomic_compare_exchange_strong(&bells->each[i].holder, &holder, 0);
    }
}

void bell_ring(int fd)
{
    uint64_t one = 1;

    if (fd > 0 && write(fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is readable already */
}

void bell_heard(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0)
        return; /* EAGAIN: it was for who had it before, and is over */
}
