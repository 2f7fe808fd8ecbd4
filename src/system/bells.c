/* SPDX-License-Identifier: MIT
 *
 * Lending latches.
 */
#include "system/bells.h"

#include <unistd.h>

#include "system/kept.h"
#include "system/latch.h"

int bells_init(struct bells *bells)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++) {
        int fd = latch_new();

        if (fd < 0)
            return fd;
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

void bells_keep(const struct bells *bells, struct kept *kept)
{
    for (unsigned i = 0; i < BELLS_COUNT; i++)
        kept_add(kept, bells->each[i].fd);
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
    if (fd > 0)
        latch_set(fd);
}

void bell_heard(int fd)
{
    latch_unset(fd); /* it may have been for who had it before, and be over */
}
