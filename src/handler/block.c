/* SPDX-License-Identifier: MIT
 *
 * GET /block?ms=N[&offload=1]: the wait of /sleep, made in a call that knows
 * nothing of io.h, as a library or a slow disk would. Where many requests share
 * one thread it stalls them all; offload=1 shows the remedy.
 *
 * The one place in src/handler that blocks on purpose.
 */
#include "handler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Waits *(const uint64_t *)arg milliseconds; the shape that io_offload() takes. */
static void block_ms(void *arg)
{
    uint64_t ms = *(const uint64_t *)arg;
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

int handler_block(struct http_exchange *x)
{
    static const char *const names[] = {"ms", "offload"};
    uint64_t ms, offload;
    char body[32];
    int error, length;

    if (!http_query_check(x, names, 2, &error) ||
        !http_query_number(x, "ms", 0, 60000, 20, &ms, &error) ||
        !http_query_number(x, "offload", 0, 1, 0, &offload, &error))
        return error;

    if (offload != 0) {
        error = io_offload(x->io, block_ms, &ms, IO_FOREVER);
        if (error != 0)
            return error;
    } else {
        block_ms(&ms);
    }
    length = snprintf(body, sizeof body, "blocked %" PRIu64 "\n", ms);
    return http_reply(x, 200, "text/plain", body, (size_t)length);
}
