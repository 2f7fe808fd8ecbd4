/* SPDX-License-Identifier: MIT
 *
 * GET /fanout?n=N&ms=M: N waits of M ms inside one request, gathered: the page
 * that asks ten services at once. How long it takes is the model's answer to
 * "what does a context cost"; the body says how the waits were run.
 */
#include "handler.h"

#include <inttypes.h>
#include <stdio.h>

static int wait_job(struct io *io, void *arg)
{
    return io_sleep(io, *(const int64_t *)arg);
}

int handler_fanout(struct http_exchange *x)
{
    static const char *const names[] = {"n", "ms"};
    uint64_t count, ms;
    char body[128];
    int error, length;
    int64_t wait_ms;

    if (!http_query_check(x, names, 2, &error) ||
        !http_query_number(x, "n", 1, 1000, 10, &count, &error) ||
        !http_query_number(x, "ms", 0, 60000, 50, &ms, &error))
        return error;
    /* Where waits cannot run side by side a context is held for one after another. */
    if (count * ms > HANDLER_MAX_TOTAL_MS)
        return http_error(x, 400, "n times ms: expected at most %d", HANDLER_MAX_TOTAL_MS);

    wait_ms = (int64_t)ms;
    error = io_gather(x->io, wait_job, &wait_ms, 0, count); /* size 0: all jobs read one argument */
    if (error != 0)
        return error;
    length = snprintf(body, sizeof body, "%" PRIu64 " waits of %" PRIu64 " ms: %s\n", count, ms,
                      io_gather_how(x->io));
    if (length >= (int)sizeof body)
        length = (int)sizeof body - 1;
    return http_reply(x, 200, "text/plain", body, (size_t)length);
}
