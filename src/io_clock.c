/* SPDX-License-Identifier: MIT
 *
 * The clocks of io.h, alone, so that a test can put its own in their place. Both are read through
 * the vDSO, without a system call.
 */
#include "io.h"

#include <time.h>

int64_t io_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t io_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
