/* SPDX-License-Identifier: MIT
 *
 * Durations counted in steps of at most a thousandth of their length, in HdrHistogram's layout:
 * lowest discernible value 1, three significant digits, highest value an hour in nanoseconds. Its
 * readers (hdr.h writes for them) therefore see the very same steps.
 *
 *   index      0 ... 2047 | 2048 ... 3071 | 3072 ... 4095 | ...
 *   value, ns  0 ... 2047 | 2048 ... 4095 | 4096 ... 8191 | ...
 *   step, ns        1     |       2       |       4       | ...
 *
 * The counts are all there is: whatever is said of them is computed from them when it is asked. So
 * adding histograms loses nothing, and neither does writing and reading one. All zero is an empty
 * one. One thread records; another one may only read when that has ended.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_DIGITS = 3,
    HISTOGRAM_HALF_BITS = 10, /* half of a bucket has 2^10 steps */
    HISTOGRAM_HALF_STEPS =
        1 << HISTOGRAM_HALF_BITS, /* of 2048, the least that tell 3 digits apart */
    HISTOGRAM_BUCKETS = 32,       /* 2048 << 31 ns are more than an hour */
    HISTOGRAM_STEPS = (HISTOGRAM_BUCKETS + 1) * HISTOGRAM_HALF_STEPS,
};

#define HISTOGRAM_HIGHEST_NS INT64_C(3600000000000)

struct histogram {
    uint64_t counts[HISTOGRAM_STEPS];
};

/* The step that counts a value of 0 to HISTOGRAM_HIGHEST_NS. */
static inline size_t histogram_step(uint64_t ns)
{
    const uint64_t first_bucket = 2 * HISTOGRAM_HALF_STEPS - 1;
    unsigned bucket = 63 - HISTOGRAM_HALF_BITS - (unsigned)__builtin_clzll(ns | first_bucket);

    return bucket * (size_t)HISTOGRAM_HALF_STEPS + (size_t)(ns >> bucket);
}

/* Counts one duration; less than nothing as 0, more than an hour as an hour. */
static inline void histogram_record(struct histogram *histogram, int64_t ns)
{
    int64_t kept = ns < 0 ? 0 : ns > HISTOGRAM_HIGHEST_NS ? HISTOGRAM_HIGHEST_NS : ns;

    histogram->counts[histogram_step((uint64_t)kept)]++;
}

/* Adds all that other has counted. */
void histogram_add(struct histogram *histogram, const struct histogram *other);

/* The lowest and the highest duration, in ns, that a step counts. */
int64_t histogram_lowest_ns(size_t step);
int64_t histogram_highest_ns(size_t step);

/* How many were recorded. */
uint64_t histogram_total(const struct histogram *histogram);

/* The highest duration, in ns, of the step where the highest recorded one is; 0 of none. */
int64_t histogram_max_ns(const struct histogram *histogram);

/* Their mean in ns, each taken for the middle of its step; 0 of none. */
double histogram_mean_ns(const struct histogram *histogram);

/*
 * The duration, in ns, that a share of them do not exceed: the highest of the step where the last
 * of these is. per_10000: the share in ten thousandths, 1 to 10000 (9990: the percentile 99.9). 0
 * of none.
 */
int64_t histogram_percentile_ns(const struct histogram *histogram, unsigned per_10000);

/* How many were recorded beyond the one that histogram_percentile_ns() finds. */
uint64_t histogram_beyond(const struct histogram *histogram, unsigned per_10000);

#endif
