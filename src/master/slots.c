/* SPDX-License-Identifier: MIT
 *
 * First fit.
 */
#include "master/slots.h"

#include <errno.h>
#include <string.h>

#include "expect.h"

int slots_take(struct slots *slots, unsigned count)
{
    unsigned run = 0;

    while (slots->from < SHARED_SLOTS && slots->used[slots->from])
        slots->from++;
    for (unsigned i = slots->from; i < SHARED_SLOTS; i++) {
        run = slots->used[i] ? 0 : run + 1;
        if (run < count)
            continue;
        memset(&slots->used[i + 1 - count], true, count);
        return (int)(i + 1 - count);
    }
    return -ENOSPC;
}

void slots_give(struct slots *slots, unsigned first, unsigned count)
{
    expect(first + count <= SHARED_SLOTS && slots->used[first],
           "slots %u to %u are given back, which nobody has", first, first + count - 1);
    memset(&slots->used[first], false, count);
    if (first < slots->from)
        slots->from = first;
}
