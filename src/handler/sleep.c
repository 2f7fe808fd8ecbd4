/* SPDX-License-Identifier: MIT
 *
 * GET /sleep?ms=N: waits as the model waits. It stands for a request to another
 * service or a database: how many of these are served together is what tells
 * the models apart.
 */
#include "handler.h"

#include <inttypes.h>
#include <stdio.h>

int handler_sleep(struct http_exchange *x)
{
    static const char *const names[] = {"ms"};
    uint64_t ms;
    char body[32];
    int error, length;

    if (!http_query_check(x, names, 1, &error) ||
        !http_query_number(x, "ms", 0, 60000, 20, &ms, &error))
        return error;

    error = io_sleep(x->io, (int64_t)ms);
    if (error != 0)
        return error;
    length = snprintf(body, sizeof body, "slept %" PRIu64 "\n", ms);
    return http_reply(x, 200, "text/plain", body, (size_t)length);
}
