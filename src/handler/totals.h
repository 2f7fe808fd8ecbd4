/* SPDX-License-Identifier: MIT
 *
 * What the workers have counted, added up: for /status and /metrics.
 *
 * The counters are read while their owners go on counting, each at a moment of
 * its own: a sum is exact once the server is quiet, and never far off.
 */
#ifndef HANDLER_TOTALS_H
#define HANDLER_TOTALS_H

#include <stdint.h>

struct server_shared;

struct totals {
    uint64_t requests;
    uint64_t responses[6]; /* by class, as in struct worker_stats */
    uint64_t bytes_in, bytes_out;
    uint64_t stack_peak; /* the greatest */
    int32_t open;        /* connections */
    int32_t active;      /* requests being served, the one that asks among them */
    int32_t active_peak; /* the most that ever were together */
};

/* Sums over all workers that there are or ever were, and the master. Any context. */
struct totals totals_of(struct server_shared *shared);

#endif
