/* SPDX-License-Identifier: MIT
 *
 * The schedule: its number, its distribution, and that shares make the whole. Seeds are fixed, so
 * that what passes a test at 1 % passes it each time.
 */
#include "load/arrivals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 10 };

/* Of Anderson and Darling's statistic where the distribution is known whole: 1 % exceed it
 * (Stephens, 1974). */
#define CRITICAL_AT_1_PERCENT 3.857

static const double one[] = {1};

static struct arrivals_plan plan_of(double rate, double duration_s, uint64_t seed)
{
    return (struct arrivals_plan){.rate = rate,
                                  .duration_s = duration_s,
                                  .seed = seed,
                                  .shares = 1,
                                  .weights = one,
                                  .paths = 1};
}

/* All arrivals of a plan, which the caller frees. */
static struct arrival *draw_all(const struct arrivals_plan *plan, size_t *count)
{
    struct arrival *all = calloc(1000000, sizeof *all);
    struct arrivals a;

    assert_non_null(all);
    arrivals_init(&a, plan);
    for (*count = 0; arrivals_next(&a, &all[*count]); ++*count)
        assert_true(*count < 999999);
    return all;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Anderson and Darling's A^2 of values against the exponential distribution of mean 1. Sorts them.
 */
static double anderson_darling(double *values, size_t count)
{
    double sum = 0;

    qsort(values, count, sizeof *values, compare);
    for (size_t i = 0; i < count; i++) {
        double low = log(-expm1(-values[i])); /* of the share below it */
        double high = -values[count - 1 - i]; /* and of that above its counterpart */

        sum += (double)(2 * i + 1) * (low + high);
    }
    return -(double)count - sum / (double)count;
}

/* A^2 of the gaps between arrivals, in units of their mean. */
static double statistic_of(const struct arrivals_plan *plan)
{
    size_t count;
    struct arrival *all = draw_all(plan, &count);
    double *gaps = calloc(count, sizeof *gaps), statistic;
    int64_t before_ns = 0;

    assert_non_null(gaps);
    for (size_t i = 0; i < count; i++) {
        gaps[i] = (double)(all[i].at_ns - before_ns + 1) * plan->rate / 1e9;
        before_ns = all[i].at_ns;
    }
    statistic = anderson_darling(gaps, count);
    free(gaps);
    free(all);
    return statistic;
}

static void gaps_are_exponential(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct arrivals_plan plan = plan_of(1000, 20, seed);

        assert_true(statistic_of(&plan) < CRITICAL_AT_1_PERCENT);
    }
}

static void the_test_sees_what_is_not_exponential(void **state)
{
    struct arrivals_plan constant = plan_of(1000, 20, 1), ramp = plan_of(1000, 20, 1);

    (void)state;
    constant.spacing = ARRIVALS_CONSTANT;
    ramp.ramp_s = 10;
    assert_true(statistic_of(&constant) > CRITICAL_AT_1_PERCENT);
    assert_true(statistic_of(&ramp) > CRITICAL_AT_1_PERCENT);
}

static void their_number_is_what_was_asked(void **state)
{
    static const double rates[] = {0.3, 1, 333.3, 10000};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        for (enum arrivals_spacing s = ARRIVALS_POISSON; s <= ARRIVALS_CONSTANT; s++) {
            struct arrivals_plan plan = plan_of(rates[i], 7, 5);
            size_t count;
            struct arrival *all;

            plan.spacing = s;
            all = draw_all(&plan, &count);
            assert_int_equal(count, llround(rates[i] * 7));
            assert_int_equal(count, arrivals_measured(&plan));
            for (size_t j = 0; j < count; j++) {
                assert_true(all[j].at_ns >= (j == 0 ? 0 : all[j - 1].at_ns));
                assert_true(all[j].at_ns <= 7000000000);
                assert_true(all[j].measured);
            }
            free(all);
        }
    }
}

/* In each tenth of the window a tenth of them, but for what chance allows: five sigma. */
static void they_fill_the_window_evenly(void **state)
{
    struct arrivals_plan plan = plan_of(10000, 10, 3);
    double tenths[10] = {0};
    size_t count;
    struct arrival *all = draw_all(&plan, &count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        tenths[all[i].at_ns / 1000000000]++;
    for (size_t i = 0; i < 10; i++)
        assert_true(fabs(tenths[i] - 10000) < 5 * sqrt(10000 * 0.9));
    free(all);
}

static void constant_spacing_is_constant(void **state)
{
    struct arrivals_plan plan = plan_of(1000, 1, 1);
    size_t count;
    struct arrival *all;

    (void)state;
    plan.spacing = ARRIVALS_CONSTANT;
    all = draw_all(&plan, &count);
    for (size_t i = 0; i < count; i++)
        assert_true(llabs(all[i].at_ns - (int64_t)(i * 1000000 + 500000)) <= 1);
    free(all);
}

/* The n-th of N arrivals of the ramp is due when sqrt(n/N) of it is over. */
static void the_ramp_climbs_in_a_straight_line(void **state)
{
    struct arrivals_plan plan = plan_of(20000, 2, 9);
    size_t count, ramp = 0;
    struct arrival *all;

    (void)state;
    plan.ramp_s = 4;
    all = draw_all(&plan, &count);
    while (!all[ramp].measured)
        ramp++;
    assert_int_equal(ramp, 40000);
    assert_int_equal(count - ramp, 40000);
    for (size_t i = 1; i < count; i++)
        assert_true(all[i].at_ns >= all[i - 1].at_ns);
    assert_true(all[ramp - 1].at_ns <= 4000000000 && all[ramp].at_ns >= 4000000000);
    for (size_t n = 1000; n < ramp; n += 1000) /* 2 % is over three sigma of where chance puts it */
        assert_true(fabs((double)all[n].at_ns / 4e9 - sqrt((double)n / 40000)) < 0.02);
    free(all);
}

static void shares_make_the_whole(void **state)
{
    static const double weights[] = {1, 2};
    struct arrivals_plan plan = plan_of(5000, 1, 77);
    struct arrivals shares[3];
    size_t count;
    struct arrival *all, next;

    (void)state;
    plan.ramp_s = 0.5;
    plan.weights = weights;
    plan.paths = 2;
    all = draw_all(&plan, &count);
    plan.shares = 3;
    for (plan.share = 0; plan.share < 3; plan.share++)
        arrivals_init(&shares[plan.share], &plan);
    for (size_t i = 0; i < count; i++) {
        assert_true(arrivals_next(&shares[i % 3], &next));
        assert_int_equal(next.at_ns, all[i].at_ns);
        assert_int_equal(next.path, all[i].path);
        assert_int_equal(next.measured, all[i].measured);
    }
    for (size_t i = 0; i < 3; i++)
        assert_false(arrivals_next(&shares[i], &next));
    free(all);
}

static void paths_are_drawn_by_weight(void **state)
{
    static const double weights[] = {1, 0.5, 6.5};
    struct arrivals_plan plan = plan_of(80000, 1, 4), alone = plan_of(80000, 1, 4);
    size_t count;
    struct arrival *all, *same;
    double drawn[3] = {0};

    (void)state;
    plan.weights = weights;
    plan.paths = 3;
    all = draw_all(&plan, &count);
    same = draw_all(&alone, &count);
    for (size_t i = 0; i < count; i++) {
        drawn[all[i].path]++;
        assert_int_equal(all[i].at_ns, same[i].at_ns); /* paths do not move arrivals */
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(drawn[i] / 10000 - weights[i]) < 0.05);
    free(all);
    free(same);
}

static void seeds_make_the_schedule(void **state)
{
    struct arrivals_plan plan = plan_of(100, 1, 1), other = plan_of(100, 1, 2);
    size_t count;
    struct arrival *first = draw_all(&plan, &count), *again = draw_all(&plan, &count),
                   *another = draw_all(&other, &count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(first[i].at_ns, again[i].at_ns);
    assert_int_not_equal(first[0].at_ns, another[0].at_ns);
    free(first);
    free(again);
    free(another);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_exponential),
        cmocka_unit_test(the_test_sees_what_is_not_exponential),
        cmocka_unit_test(their_number_is_what_was_asked),
        cmocka_unit_test(they_fill_the_window_evenly),
        cmocka_unit_test(constant_spacing_is_constant),
        cmocka_unit_test(the_ramp_climbs_in_a_straight_line),
        cmocka_unit_test(shares_make_the_whole),
        cmocka_unit_test(paths_are_drawn_by_weight),
        cmocka_unit_test(seeds_make_the_schedule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
