/* SPDX-License-Identifier: MIT
 *
 * GET /json: a fixed JSON object, byte for byte the one that the TechEmpower
 * benchmarks ask for. It is not serialised anew for each request: this server
 * compares concurrency models, not JSON writers.
 */
#include "handler.h"

int handler_json(struct http_exchange *x)
{
    static const char body[] = "{\"message\":\"Hello, World!\"}";
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    return http_reply(x, 200, "application/json", body, sizeof body - 1);
}
