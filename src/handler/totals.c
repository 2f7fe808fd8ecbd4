/* SPDX-License-Identifier: MIT
 *
 * Adding up what the workers have counted.
 */
#include "totals.h"

#include "server.h"

static void add(struct totals *totals, const struct worker_stats *stats)
{
    uint64_t stack_peak = stats_get(&stats->stack_peak);

    totals->requests += stats_get(&stats->requests);
    for (size_t class = 1; class < 6; class ++)
        totals->responses[class] += stats_get(&stats->responses[class]);
    totals->bytes_in += stats_get(&stats->bytes_in);
    totals->bytes_out += stats_get(&stats->bytes_out);
    if (stack_peak > totals->stack_peak)
        totals->stack_peak = stack_peak;
}

struct totals totals_of(struct server_shared *shared)
{
    struct totals totals = {
        .open = atomic_load_explicit(&shared->open_connections, memory_order_relaxed),
        .active = atomic_load_explicit(&shared->contexts, memory_order_relaxed),
        .active_peak = atomic_load_explicit(&shared->contexts_peak, memory_order_relaxed),
    };

    for (unsigned i = 0; i < shared_slots(shared); i++)
        add(&totals, &shared->workers[i]);
    add(&totals, &shared->master);
    return totals;
}
