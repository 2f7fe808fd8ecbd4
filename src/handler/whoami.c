/* SPDX-License-Identifier: MIT
 *
 * GET /whoami: which process, thread or coroutine answers, and whom. Under load, asking
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
    char body[320], client[HTTP_CLIENT_SIZE];
    int error, length;
    uint64_t requests;

    if (!http_query_check(x, NULL, 0, &error))
        return error;

    /* Counted by this incarnation of the worker; one that died left its count behind. */
    requests = stats_get(&io->stats->requests) - stats_get(&io->stats->requests_before);
    http_client(x, client);
    length = snprintf(body, sizeof body,
                      "{\"model\":\"%s\",\"pid\":%d,\"tid\":%d,\"worker\":%u,\"context\":%u,"
                      "\"requests\":%" PRIu64 ",\"client\":\"%s\"}\n",
                      io->ops->model, (int)getpid(), (int)gettid(), io->worker, io->context,
                      requests, client);
    return http_reply(x, 200, "application/json", body, (size_t)length);
}
