/* SPDX-License-Identifier: MIT
 *
 * The schedule: when each request is to be made, and for which path. It is one sequence, fixed by
 * the plan's seed, rate, duration, ramp and spacing alone. Whoever makes a share of it draws all of
 * it and leaves the rest to others, so that any number of threads or hosts together make the very
 * same schedule as one.
 *
 * Poisson arrivals are drawn given their number, exactly round(rate * duration_s): with n left and
 * a time T left, the first of n points that lie anywhere in T comes after T * (1 - u^(1/n)). What
 * is offered is thereby what was asked, and two runs differ by less.
 *
 * During the ramp, which comes before the window that is measured, the rate climbs from 0 in a
 * straight line: arrivals are drawn as if it were constant and moved by the inverse of the
 * cumulative rate, which is a square root.
 */
#ifndef LOAD_ARRIVALS_H
#define LOAD_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arrivals_spacing { ARRIVALS_POISSON, ARRIVALS_CONSTANT };

struct arrivals_plan {
    double rate;       /* requests a second */
    double duration_s; /* of the window that is measured */
    double ramp_s;     /* before it; 0: none */
    enum arrivals_spacing spacing;
    uint64_t seed;
    unsigned share, shares; /* every shares-th arrival from the share-th on; 0 of 1: all */
    const double *weights;  /* of the paths; borrowed while arrivals are drawn */
    size_t paths;           /* at least 1 */
};

struct arrival {
    int64_t at_ns; /* after the beginning of the schedule */
    unsigned path; /* which one */
    bool measured; /* in the window, not in the ramp */
};

/* All private. */
struct arrivals {
    struct arrivals_plan plan;
    double weight; /* of all paths */
    uint64_t random;
    uint64_t ramp, window; /* how many arrivals each has, of all shares */
    uint64_t drawn;        /* of all shares */
    double left;           /* of the ramp or the window: the part behind the last one drawn */
};

/* plan: copied. */
void arrivals_init(struct arrivals *arrivals, const struct arrivals_plan *plan);

/* How many arrivals are measured, of all shares. */
uint64_t arrivals_measured(const struct arrivals_plan *plan);

/* The next arrival of the share; they come in order of time. False: there are no more. */
bool arrivals_next(struct arrivals *arrivals, struct arrival *arrival);

#endif
