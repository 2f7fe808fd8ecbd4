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
    kept_add_some(kept, fd, 1);
}

void kept_add_some(struct kept *kept, int fd, unsigned count)
{
    if (fd < 0)
        return;
    expect(kept->count < KEPT_MOST, "no room for descriptor %d", fd);
    kept->ranges[kept->count++] = (struct kept_range){.first = fd, .end = fd + (int)count};
}

bool kept_has(const struct kept *kept, int fd)
{
    for (unsigned i = 0; i < kept->count; i++)
        if (kept->ranges[i].first <= fd && fd < kept->ranges[i].end)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    const struct kept_range *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
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

    qsort(kept->ranges, kept->count, sizeof kept->ranges[0], compare);
    for (unsigned i = 0; i < kept->count; i++) {
        close_below(from, kept->ranges[i].first, (int)descriptors);
        if (kept->ranges[i].end > from)
            from = kept->ranges[i].end;
    }
    close_below(from, INT_MAX, (int)descriptors);
}
