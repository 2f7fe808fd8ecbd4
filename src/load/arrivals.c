/* SPDX-License-Identifier: MIT
 *
 * See arrivals.h. For each arrival two random numbers are drawn, whatever it needs: so neither the
 * number of paths nor the shares move any other arrival.
 */
#include "load/arrivals.h"

#include <math.h>

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static uint64_t random_bits(struct arrivals *a)
{
    uint64_t z = a->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Above 0, at most 1. */
static double random_share(struct arrivals *a)
{
    return (double)((random_bits(a) >> 11) + 1) * 0x1p-53;
}

static uint64_t rounded(double count)
{
    return (uint64_t)llround(count);
}

uint64_t arrivals_measured(const struct arrivals_plan *plan)
{
    return rounded(plan->rate * plan->duration_s);
}

void arrivals_init(struct arrivals *a, const struct arrivals_plan *plan)
{
    *a = (struct arrivals){.plan = *plan,
                           .random = plan->seed,
                           .ramp = rounded(plan->rate * plan->ramp_s / 2),
                           .window = arrivals_measured(plan),
                           .left = 1};
    for (size_t i = 0; i < plan->paths; i++)
        a->weight += plan->weights[i];
}

/* Where in the ramp or the window, as a part of it, arrival `index` of `count` is. */
static double place(struct arrivals *a, uint64_t index, uint64_t count)
{
    double share = random_share(a);

    if (a->plan.spacing == ARRIVALS_CONSTANT)
        return ((double)index + 0.5) / (double)count;
    if (index == 0)
        a->left = 1;
    a->left += a->left * expm1(log(share) / (double)(count - index));
    return 1 - a->left;
}

static unsigned choose_path(struct arrivals *a)
{
    double at = random_share(a) * a->weight;
    size_t path = 0;

    while (path + 1 < a->plan.paths && at > a->plan.weights[path])
        at -= a->plan.weights[path++];
    return (unsigned)path;
}

static void draw(struct arrivals *a, struct arrival *arrival)
{
    const struct arrivals_plan *plan = &a->plan;
    double at_s;

    arrival->measured = a->drawn >= a->ramp;
    if (arrival->measured)
        at_s = plan->ramp_s + plan->duration_s * place(a, a->drawn - a->ramp, a->window);
    else
        at_s = plan->ramp_s * sqrt(place(a, a->drawn, a->ramp));
    arrival->at_ns = llround(at_s * 1e9);
    arrival->path = choose_path(a);
    a->drawn++;
}

bool arrivals_next(struct arrivals *a, struct arrival *arrival)
{
    while (a->drawn < a->ramp + a->window) {
        uint64_t index = a->drawn;

        draw(a, arrival);
        if (index % a->plan.shares == a->plan.share)
            return true;
    }
    return false;
}
