/* SPDX-License-Identifier: MIT
 *
 * GET /mix?cpu=N&wait=MS&rounds=R: computing and waiting in turn, the shape of a
 * real service. The result runs through all rounds, so none can be left out.
 */
#include "handler.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAX_TOTAL_CPU = 10000000 }; /* as /cpu */

int handler_mix(struct http_exchange *x)
{
    static const char *const names[] = {"cpu", "wait", "rounds"};
    uint64_t cpu, wait_ms, rounds;
    uint64_t state = CPU_SEED;
    char body[128];
    int error, length;

    if (!http_query_check(x, names, 3, &error) ||
        !http_query_number(x, "cpu", 0, 10000000, 100, &cpu, &error) ||
        !http_query_number(x, "wait", 0, 60000, 2, &wait_ms, &error) ||
        !http_query_number(x, "rounds", 1, 1000, 3, &rounds, &error))
        return error;
    if (rounds * cpu > MAX_TOTAL_CPU)
        return http_error(x, 400, "rounds times cpu: expected at most %d", MAX_TOTAL_CPU);
    if (rounds * wait_ms > HANDLER_MAX_TOTAL_MS)
        return http_error(x, 400, "rounds times wait: expected at most %d", HANDLER_MAX_TOTAL_MS);

    for (uint64_t round = 0; round < rounds; round++) {
        state = cpu_burn(x->io, state, cpu);
        error = io_sleep(x->io, (int64_t)wait_ms);
        if (error != 0)
            return error;
    }
    length = snprintf(body, sizeof body,
                      "mixed %" PRIu64 " rounds of %" PRIu64 " + %" PRIu64 " ms: %016" PRIx64 "\n",
                      rounds, cpu, wait_ms, state);
    return http_reply(x, 200, "text/plain", body, (size_t)length);
}
