/* SPDX-License-Identifier: MIT
 *
 * Closing what lies between.
 */
#include "system/kept.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "expect.h"

void kept_add(struct kept *kept, int fd)
{
    if (fd < 0)
        return;
    expect(kept->count < KEPT_MOST, "no room for descriptor %d", fd);
    kept->fds[kept->count++] = fd;
}

bool kept_has(const struct kept *kept, int fd)
{
    for (unsigned i = 0; i < kept->count; i++)
        if (kept->fds[i] == fd)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    const int *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Those from first on that are below `end`. */
static void close_below(int first, int end, int most)
{
    if (first >= end || close_range((unsigned)first, (unsigned)end - 1, 0) == 0)
        return;
    for (int fd = first; fd < end && fd < most; fd++) /* the kernel has no close_range() */
        close(fd);
}

void kept_close_others(struct kept *kept, unsigned descriptors)
{
    int from = STDERR_FILENO + 1;

    qsort(kept->fds, kept->count, sizeof kept->fds[0], compare);
    for (unsigned i = 0; i < kept->count; i++) {
        close_below(from, kept->fds[i], (int)descriptors);
        if (kept->fds[i] >= from)
            from = kept->fds[i] + 1;
    }
    close_below(from, INT_MAX, (int)descriptors);
}
