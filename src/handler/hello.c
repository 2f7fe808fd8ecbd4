/* SPDX-License-Identifier: MIT
 *
 * GET /hello: 13 fixed bytes. What remains is the cost of the server itself, so
 * this is the route that the benchmarks and the instruction budget measure.
 */
#include "handler.h"

int handler_hello(struct http_exchange *x)
{
    static const char body[] = "Hello, World!";
    int error;

    if (x->request->query.length != 0 && !http_query_check(x, NULL, 0, &error))
        return error;
    return http_reply(x, 200, "text/plain", body, sizeof body - 1);
}
