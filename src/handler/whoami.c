/* SPDX-License-Identifier: MIT
 *
 * GET /whoami: which process, thread or coroutine answers. Under load, asking
 * often shows how a model spreads requests over its contexts.
 */
#include "handler.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "server.h"

int handler_whoami(struct http_exchange *x)
{
    const struct io *io = x->io;
    char body[256];
    int error, length;
    uint64_t requests;

    if (!http_query_check(x, NULL, 0, &error))
        return error;

    /* Counted by this incarnation of the worker; one that died left its count behind. */
    requests = stats_get(&io->stats->requests) - stats_get(&io->stats->requests_before);
    length =
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"pid\":%d,\"tid\":%d,\"worker\":%u,\"context\":%u,"
                 "\"requests\":%" PRIu64 "}\n",
                 io->ops->model, (int)getpid(), (int)gettid(), io->worker, io->context, requests);
    return http_reply(x, 200, "application/json", body, (size_t)length);
}
