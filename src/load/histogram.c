/* SPDX-License-Identifier: MIT
 *
 * What a histogram's counts say.
 */
#include "load/histogram.h"

void histogram_add(struct histogram *histogram, const struct histogram *other)
{
    for (size_t step = 0; step < HISTOGRAM_STEPS; step++)
        histogram->counts[step] += other->counts[step];
}

/* By how many bits the values of a step are shifted: its bucket. The first one has two halves. */
static unsigned bucket_of(size_t step)
{
    return step < 2 * HISTOGRAM_HALF_STEPS ? 0 : (unsigned)(step >> HISTOGRAM_HALF_BITS) - 1;
}

int64_t histogram_lowest_ns(size_t step)
{
    unsigned bucket = bucket_of(step);

    return (int64_t)(step - bucket * (size_t)HISTOGRAM_HALF_STEPS) << bucket;
}

int64_t histogram_highest_ns(size_t step)
{
    return histogram_lowest_ns(step) + (INT64_C(1) << bucket_of(step)) - 1;
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;

    for (size_t step = 0; step < HISTOGRAM_STEPS; step++)
        total += histogram->counts[step];
    return total;
}

int64_t histogram_max_ns(const struct histogram *histogram)
{
    for (size_t step = HISTOGRAM_STEPS; step-- > 0;)
        if (histogram->counts[step] > 0)
            return histogram_highest_ns(step);
    return 0;
}

double histogram_mean_ns(const struct histogram *histogram)
{
    uint64_t total = 0;
    double sum = 0;

    for (size_t step = 0; step < HISTOGRAM_STEPS; step++) {
        uint64_t count = histogram->counts[step];

        if (count == 0)
            continue;
        total += count;
        sum += (double)count *
               (double)(histogram_lowest_ns(step) + ((INT64_C(1) << bucket_of(step)) >> 1));
    }
    return total == 0 ? 0 : sum / (double)total;
}

/* Of total in ascending order, the number (from 1) of the first that is not exceeded by the share.
 * In whole numbers, for rounding would move it; of the total's ten thousands and their rest, for
 * the product must not overflow. */
static uint64_t rank(uint64_t total, unsigned per_10000)
{
    uint64_t whole = total / 10000 * per_10000;
    uint64_t rest = (total % 10000 * per_10000 + 9999) / 10000;

    return whole + rest;
}

int64_t histogram_percentile_ns(const struct histogram *histogram, unsigned per_10000)
{
    uint64_t wanted = rank(histogram_total(histogram), per_10000);
    uint64_t seen = 0;

    for (size_t step = 0; wanted > 0 && step < HISTOGRAM_STEPS; step++) {
        seen += histogram->counts[step];
        if (seen >= wanted)
            return histogram_highest_ns(step);
    }
    return 0;
}

uint64_t histogram_beyond(const struct histogram *histogram, unsigned per_10000)
{
    uint64_t total = histogram_total(histogram);

    return total - rank(total, per_10000);
}
