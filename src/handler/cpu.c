/* SPDX-License-Identifier: MIT
 *
 * GET /cpu?n=N: N rounds of computing, and the computation itself, which /mix
 * shares.
 *
 * A round is a chain of steps, each an xor-shift and a multiplication that need
 * the step before: it cannot be vectorised, runs no faster with more execution
 * units, touches no memory, and has no closed form that a compiler could put in
 * its place. Each step is a bijection of 64-bit numbers that maps only 0 to 0,
 * so a chain never degenerates. The result depends on N alone: every model, on
 * every machine, answers the same 16 digits, which is how a client sees that the
 * work was done.
 */
#include "handler.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    /* A step is a dependent chain of about 5 cycles (shift, xor,
     * multiply). Calibrated on an AMD EPYC at about 3.6 GHz, where 500 steps took
     * 0.69 us with both gcc 12 and clang 14 at -O2: 720 steps make 0.99 us. */
    CPU_STEPS_PER_ROUND = 720,
    CPU_ROUNDS_PER_CHECKPOINT = 100,
};

static uint64_t cpu_round(uint64_t state)
{
    for (int step = 0; step < CPU_STEPS_PER_ROUND; step++)
        state = (state ^ (state >> 29)) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
    return state;
}

uint64_t cpu_burn(struct io *io, uint64_t state, uint64_t rounds)
{
    unsigned until_checkpoint = CPU_ROUNDS_PER_CHECKPOINT;

    for (uint64_t i = 0; i < rounds; i++) {
        state = cpu_round(state);
        if (--until_checkpoint == 0) {
            until_checkpoint = CPU_ROUNDS_PER_CHECKPOINT;
            io_checkpoint(io);
        }
    }
    return state;
}

int handler_cpu(struct http_exchange *x)
{
    static const char *const names[] = {"n"};
    uint64_t rounds, result;
    char body[18];
    int error, length;

    if (!http_query_check(x, names, 1, &error) ||
        !http_query_number(x, "n", 1, 10000000, 1000, &rounds, &error))
        return error;

    result = cpu_burn(x->io, CPU_SEED, rounds);
    length = snprintf(body, sizeof body, "%016" PRIx64 "\n", result);
    return http_reply(x, 200, "text/plain", body, (size_t)length);
}
