/* SPDX-License-Identifier: MIT
 *
 * GET /healthz and /readyz, by Kubernetes' names: whether this server is alive, and whether a load
 * balancer is to send it more. A server that was told to stop is not ready, which /readyz says
 * for as long as it still answers at all (--lame-duck).
 *
 * Neither asks the database: where all instances share one, a balancer that leaves out each that
 * cannot reach it leaves out all, and those requests that need none fail with the rest.
 */
#include "handler.h"

#include "server.h"

static int answer(struct http_exchange *x, bool well)
{
    static const char body[] = "ok\n";
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    http_add_header(x, "Cache-Control", "no-store");
    if (!well)
        return http_error(x, 503, "this server was told to stop");
    return http_reply(x, 200, "text/plain", body, sizeof body - 1);
}

int handler_healthz(struct http_exchange *x)
{
    return answer(x, true);
}

int handler_readyz(struct http_exchange *x)
{
    return answer(x, !server_leaving(x->io->server));
}
