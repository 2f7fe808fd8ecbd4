/* SPDX-License-Identifier: MIT
 *
 * An eventfd.
 */
#include "system/latch.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int latch_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void latch_set(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is readable already */
}

void latch_unset(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0)
        return; /* EAGAIN: nobody has set it */
}
