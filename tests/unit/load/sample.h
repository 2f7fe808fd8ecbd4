/* SPDX-License-Identifier: MIT
 *
 * Histograms and figures that tests fill: durations of all lengths, the same for the same number.
 */
#ifndef TESTS_LOAD_SAMPLE_H
#define TESTS_LOAD_SAMPLE_H

#include <stdlib.h>

#include "load/figures.h"

/* The duration of that number, from nothing to 36 minutes. xorshift over the number. */
static inline int64_t sample_ns(uint64_t number)
{
    uint64_t bits = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

    bits ^= bits >> 29;
    bits *= UINT64_C(0xbf58476d1ce4e5b9);
    bits ^= bits >> 32;
    return (int64_t)(bits >> (23 + number % 41));
}

static inline struct histogram *sample_histogram(uint64_t count)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);

    for (uint64_t i = 0; histogram != NULL && i < count; i++)
        histogram_record(histogram, sample_ns(i));
    return histogram;
}

/* Counts the request of that number. */
static inline void sample_request(struct figures *figures, uint64_t number)
{
    histogram_record(&figures->lag, sample_ns(number) / 100);
    histogram_record(&figures->latency, sample_ns(number));
    histogram_record(&figures->service, sample_ns(number) / 2);
    figures->due++;
    figures->requests++;
    figures->answered += number % 7 != 0;
    figures->statuses[number % 5 == 0 ? 503 : 200]++;
    figures->errors[number % FIGURES_ERRORS]++;
    figures->bytes += number;
    if (sample_ns(number) > figures->oldest_ns)
        figures->oldest_ns = sample_ns(number);
}

#endif
