/* SPDX-License-Identifier: MIT
 *
 * Steps as HdrHistogram has them, what is counted where, and percentiles against a sorted list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "load/histogram.h"
#include "tests/unit/load/sample.h"

static void test_steps_follow_each_other_without_a_gap(void **state)
{
    (void)state;
    assert_int_equal(histogram_lowest_ns(0), 0);
    for (size_t step = 0; step < HISTOGRAM_STEPS; step++) {
        int64_t lowest = histogram_lowest_ns(step), highest = histogram_highest_ns(step);

        assert_int_equal(histogram_step((uint64_t)lowest), step);
        assert_int_equal(histogram_step((uint64_t)highest), step);
        if (step + 1 < HISTOGRAM_STEPS)
            assert_int_equal(histogram_lowest_ns(step + 1), highest + 1);
        assert_true(highest - lowest <= lowest / 1000);
    }
    assert_true(histogram_highest_ns(HISTOGRAM_STEPS - 1) >= HISTOGRAM_HIGHEST_NS);
}

/* Indices from HdrHistogram's countsArrayIndex() of a histogram with 1, an hour, 3 digits. */
static void test_steps_are_those_of_hdr_histogram(void **state)
{
    static const struct {
        uint64_t ns;
        size_t step;
    } cases[] = {{0, 0},       {1, 1},       {2047, 2047}, {2048, 2048},
                 {2049, 2048}, {4095, 3071}, {4096, 3072}, {1000000, 11169}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(histogram_step(cases[i].ns), cases[i].step);
}

static void test_what_is_out_of_range_counts_at_its_ends(void **state)
{
    struct histogram *histogram = sample_histogram(0);

    (void)state;
    assert_non_null(histogram);
    histogram_record(histogram, -1);
    histogram_record(histogram, INT64_MIN);
    assert_int_equal(histogram->counts[0], 2);
    assert_int_equal(histogram_max_ns(histogram), 0);
    histogram_record(histogram, INT64_MAX);
    histogram_record(histogram, 2 * HISTOGRAM_HIGHEST_NS);
    histogram_record(histogram, HISTOGRAM_HIGHEST_NS);
    assert_int_equal(histogram->counts[histogram_step(HISTOGRAM_HIGHEST_NS)], 3);
    assert_int_equal(histogram_total(histogram), 5);
    free(histogram);
}

static void test_of_nothing_there_is_nothing(void **state)
{
    struct histogram *histogram = sample_histogram(0);

    (void)state;
    assert_non_null(histogram);
    assert_int_equal(histogram_total(histogram), 0);
    assert_int_equal(histogram_max_ns(histogram), 0);
    assert_int_equal(histogram_percentile_ns(histogram, 9900), 0);
    assert_int_equal(histogram_beyond(histogram, 9900), 0);
    assert_true(histogram_mean_ns(histogram) <= 0);
    free(histogram);
}

static int ascending(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

    return (a > b) - (a < b);
}

static void test_percentiles_are_the_step_of_the_sorted_list(void **state)
{
    enum { COUNT = 12345 };
    static const unsigned shares[] = {1, 2500, 5000, 9000, 9900, 9990, 9999, 10000};
    struct histogram *histogram = sample_histogram(COUNT);
    static int64_t sorted[COUNT];

    (void)state;
    assert_non_null(histogram);
    for (uint64_t i = 0; i < COUNT; i++)
        sorted[i] = sample_ns(i);
    qsort(sorted, COUNT, sizeof *sorted, ascending);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        size_t last = 0; /* the first whose number is at least that share of all */

        while ((last + 1) * 10000 < (size_t)COUNT * shares[i])
            last++;
        assert_int_equal(histogram_percentile_ns(histogram, shares[i]),
                         histogram_highest_ns(histogram_step((uint64_t)sorted[last])));
        assert_int_equal(histogram_beyond(histogram, shares[i]), COUNT - last - 1);
    }
    assert_int_equal(histogram_max_ns(histogram), histogram_percentile_ns(histogram, 10000));
    free(histogram);
}

static void test_the_mean_is_right_to_a_step(void **state)
{
    struct histogram *histogram = sample_histogram(5000);
    double sum = 0, mean;

    (void)state;
    assert_non_null(histogram);
    for (uint64_t i = 0; i < 5000; i++)
        sum += (double)sample_ns(i);
    mean = histogram_mean_ns(histogram);
    assert_true(mean > sum / 5000 * 0.999 && mean < sum / 5000 * 1.001);
    free(histogram);
}

static void test_a_great_many_do_not_overflow(void **state)
{
    struct histogram *histogram = sample_histogram(0);

    (void)state;
    assert_non_null(histogram);
    histogram->counts[10] = UINT64_C(1) << 62;
    histogram->counts[20] = 12;
    assert_int_equal(histogram_percentile_ns(histogram, 9999), 10);
    assert_int_equal(histogram_percentile_ns(histogram, 10000), 20);
    free(histogram);
}

static void test_shares_together_are_the_whole(void **state)
{
    struct histogram *all = sample_histogram(9000), *together = sample_histogram(0);

    (void)state;
    assert_non_null(all);
    assert_non_null(together);
    for (uint64_t share = 0; share < 3; share++) {
        struct histogram *part = sample_histogram(0);

        assert_non_null(part);
        for (uint64_t i = share; i < 9000; i += 3)
            histogram_record(part, sample_ns(i));
        histogram_add(together, part);
        free(part);
    }
    assert_memory_equal(all, together, sizeof *all);
    free(together);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_follow_each_other_without_a_gap),
        cmocka_unit_test(test_steps_are_those_of_hdr_histogram),
        cmocka_unit_test(test_what_is_out_of_range_counts_at_its_ends),
        cmocka_unit_test(test_of_nothing_there_is_nothing),
        cmocka_unit_test(test_percentiles_are_the_step_of_the_sorted_list),
        cmocka_unit_test(test_the_mean_is_right_to_a_step),
        cmocka_unit_test(test_a_great_many_do_not_overflow),
        cmocka_unit_test(test_shares_together_are_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
