/* SPDX-License-Identifier: MIT
 *
 * Parts that are added are the whole; figures are void for each reason, and for no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "load/figures.h"
#include "tests/unit/load/sample.h"

static struct figures *nothing(void)
{
    struct figures *figures = figures_new();

    assert_non_null(figures);
    return figures;
}

static void test_three_shares_are_what_one_counts(void **state)
{
    enum { COUNT = 9000, SHARES = 3 };
    struct figures *one = nothing(), *whole = nothing();

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        sample_request(one, i);
    for (uint64_t share = 0; share < SHARES; share++) {
        struct figures *part = nothing();

        for (uint64_t i = share; i < COUNT; i += SHARES)
            sample_request(part, i);
        assert_int_equal(figures_add(whole, part), 0);
        figures_free(part);
    }
    assert_memory_equal(one, whole, sizeof *one);
    figures_free(whole);
    figures_free(one);
}

static void test_what_cannot_be_added_is_the_most(void **state)
{
    struct figures *whole = nothing(), *part = nothing();

    (void)state;
    whole->connections_most = 3;
    whole->queued_most = 1;
    whole->connections_opened = 5;
    whole->seconds = 2;
    whole->busy = 0.25;
    whole->waited = 0.5;
    whole->stopped = FIGURES_GIVE_UP;
    part->connections_most = 4;
    part->shortages = 2;
    part->queued_most = 2;
    part->connections_opened = 6;
    part->seconds = 1.5;
    part->busy = 0.5;
    part->waited = 0.25;
    part->stopped = FIGURES_SIGINT;
    assert_int_equal(figures_add(whole, part), 0);
    assert_int_equal(whole->connections_most, 7);
    assert_int_equal(whole->shortages, 2);
    assert_int_equal(whole->queued_most, 3);
    assert_int_equal(whole->connections_opened, 11);
    assert_true(whole->seconds > 1.9 && whole->seconds < 2.1);
    assert_true(whole->busy == 0.5 && whole->waited == 0.5);
    assert_int_equal(whole->stopped, FIGURES_GIVE_UP);
    figures_free(part);
    figures_free(whole);
}

static void test_backlogs_of_any_lengths(void **state)
{
    static const int64_t first[] = {10, 0, 30}, second[] = {5, 20, 20, 40};
    static const int64_t oldest[] = {10, 20, 30, 40};

    (void)state;
    for (int order = 0; order < 2; order++) {
        struct figures *one = nothing(), *other = nothing(), *whole = nothing();

        for (size_t i = 0; i < 3; i++)
            assert_int_equal(figures_add_backlog(one, first[i]), 0);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(figures_add_backlog(other, second[i]), 0);
        assert_int_equal(figures_add(whole, order == 0 ? one : other), 0);
        assert_int_equal(figures_add(whole, order == 0 ? other : one), 0);
        assert_int_equal(whole->backlog_seconds, 4);
        assert_memory_equal(whole->backlog_ns, oldest, sizeof oldest);
        figures_free(whole);
        figures_free(other);
        figures_free(one);
    }
}

/* A run that is not void, of 100,000 requests. */
static struct figures *sound(void)
{
    struct figures *figures = nothing();

    for (int i = 0; i < 100; i++) {
        histogram_record(&figures->lag, 1000);
        histogram_record(&figures->latency, 10000);
    }
    figures->due = 100000;
    figures->requests = 100000;
    figures->busy = 0.85;
    figures->waited = 0.05;
    return figures;
}

/* The one reason, NULL of none. It frees the figures. */
static const char *reason(struct figures *figures)
{
    static char words[200];
    struct reasons reasons = {0};
    size_t count;

    assert_int_equal(figures_void(figures, "agent a: ", &reasons), 0);
    figures_free(figures);
    count = reasons.count;
    if (count > 0)
        snprintf(words, sizeof words, "%s", reasons.words[0]);
    reasons_free(&reasons);
    assert_int_equal(reasons.count, 0);
    assert_true(count <= 1);
    return count == 1 ? words : NULL;
}

static void expect_reason(struct figures *figures, const char *wanted)
{
    const char *words = reason(figures);

    assert_non_null(words);
    assert_string_equal(words, wanted);
}

static void test_void_for_each_reason(void **state)
{
    struct figures *figures = sound();

    (void)state;
    histogram_record(&figures->lag, 1001);
    histogram_record(&figures->lag, 1001);
    expect_reason(figures, "agent a: late itself: its 99 % lag of 1.00 µs is over a tenth of the "
                           "99 % latency of 10.0 µs");
    figures = sound();
    figures->busy = 0.8501;
    expect_reason(figures, "agent a: busy itself: it used 85.0 % of its core, over 85 %");
    figures = sound();
    figures->waited = 0.0501;
    expect_reason(figures, "agent a: kept waiting itself: others had its core for 5.0 % of the "
                           "time, over 5 %");
    figures = sound();
    figures->shortages = 3;
    expect_reason(figures, "agent a: short itself: 3 times it had no port, descriptor or memory "
                           "for a connection");
    figures = sound();
    figures->requests -= 101;
    expect_reason(figures,
                  "agent a: offered 99899 requests where 100000 were due, over 0.1 % apart");
    figures = sound();
    figures->requests += 101;
    expect_reason(figures,
                  "agent a: offered 100101 requests where 100000 were due, over 0.1 % apart");
}

static void test_not_void_at_the_bounds(void **state)
{
    struct figures *figures;

    (void)state;
    assert_null(reason(sound()));
    figures = sound();
    histogram_record(&figures->lag, 1000000000); /* one in 101 is not one in 100 */
    assert_null(reason(figures));
    figures = sound();
    memset(&figures->latency, 0, sizeof figures->latency);
    histogram_record(&figures->latency, 2000);
    memset(&figures->lag, 0, sizeof figures->lag);
    histogram_record(&figures->lag, 200); /* a tenth is not over a tenth */
    assert_null(reason(figures));
    figures = sound();
    figures->requests -= 100;
    assert_null(reason(figures));
    figures = sound();
    figures->stopped = FIGURES_GIVE_UP; /* overload is the server's */
    assert_null(reason(figures));
}

static void test_with_nothing_recorded_the_lag_is_compared_with_nothing(void **state)
{
    struct figures *figures = sound();

    (void)state;
    memset(&figures->latency, 0, sizeof figures->latency);
    assert_null(reason(figures));
}

static void test_each_kind_has_its_own_name(void **state)
{
    (void)state;
    for (enum figures_error i = 0; i < FIGURES_ERRORS; i++)
        for (enum figures_error j = 0; j < i; j++)
            assert_string_not_equal(figures_error_name(i), figures_error_name(j));
    assert_null(figures_stop_name(FIGURES_NOT_STOPPED));
    assert_string_equal(figures_stop_name(FIGURES_SIGTERM), "SIGTERM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_shares_are_what_one_counts),
        cmocka_unit_test(test_what_cannot_be_added_is_the_most),
        cmocka_unit_test(test_backlogs_of_any_lengths),
        cmocka_unit_test(test_void_for_each_reason),
        cmocka_unit_test(test_not_void_at_the_bounds),
        cmocka_unit_test(test_with_nothing_recorded_the_lag_is_compared_with_nothing),
        cmocka_unit_test(test_each_kind_has_its_own_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
