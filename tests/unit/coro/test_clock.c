/* SPDX-License-Identifier: MIT
 *
 * The clock's descriptor: readable at the time it was set to, until it is set to another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/clock.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct coro_clock open_clock(void)
{
    struct coro_clock clock;

    assert_int_equal(coro_clock_open(&clock), 0);
    return clock;
}

static int readable(const struct coro_clock *clock, int within_ms)
{
    struct pollfd at = {.fd = clock->fd, .events = POLLIN};

    return poll(&at, 1, within_ms);
}

static void test_readable_at_its_time_and_not_before(void **state)
{
    struct coro_clock clock = open_clock();
    int64_t at_ns = coro_now_ns() + 5500000; /* no whole milliseconds */

    (void)state;
    assert_int_equal(readable(&clock, 0), 0);
    coro_clock_set(&clock, at_ns);
    assert_int_equal(readable(&clock, 10000), 1);
    assert_true(coro_now_ns() >= at_ns);
    assert_int_equal(readable(&clock, 0), 1); /* and stays so */
    close(clock.fd);
}

static int64_t remaining(const struct coro_clock *clock)
{
    struct itimerspec left;

    assert_int_equal(timerfd_gettime(clock->fd, &left), 0);
    return left.it_value.tv_sec * INT64_C(1000000000) + left.it_value.tv_nsec;
}

static void test_set_to_the_nanosecond(void **state)
{
    struct coro_clock clock = open_clock();
    int64_t at_ns = coro_now_ns() + INT64_C(3600123456789), before, left;

    (void)state;
    coro_clock_set(&clock, at_ns);
    before = coro_now_ns();
    left = remaining(&clock);
    assert_true(left <= at_ns - before);
    assert_true(left >= at_ns - coro_now_ns());
    coro_clock_set(&clock, INT64_MAX);
    assert_int_equal(remaining(&clock), 0);
    close(clock.fd);
}

static void test_setting_takes_back(void **state)
{
    struct coro_clock clock = open_clock();

    (void)state;
    coro_clock_set(&clock, 1); /* long past */
    assert_int_equal(readable(&clock, 10000), 1);
    coro_clock_set(&clock, coro_now_ns() + INT64_C(3600) * 1000000000);
    assert_int_equal(readable(&clock, 0), 0);
    coro_clock_set(&clock, 1);
    assert_int_equal(readable(&clock, 10000), 1);
    coro_clock_set(&clock, INT64_MAX); /* none */
    assert_int_equal(readable(&clock, 0), 0);
    close(clock.fd);
}

/* Whoever sees it fire sets at_ns to 0, and may then ask for the same time again. */
static void test_the_same_time_after_it_fired(void **state)
{
    struct coro_clock clock = open_clock();
    int64_t at_ns = coro_now_ns() + 1000000;

    (void)state;
    coro_clock_set(&clock, at_ns);
    assert_int_equal(readable(&clock, 10000), 1);
    clock.at_ns = 0;
    coro_clock_set(&clock, at_ns);
    assert_int_equal(clock.at_ns, at_ns);
    assert_int_equal(readable(&clock, 10000), 1);
    close(clock.fd);
}

static void test_milliseconds(void **state)
{
    int64_t before = coro_now_ms();

    (void)state;
    assert_true(coro_now_ns() / 1000000 >= before);
    assert_int_equal(coro_ms_to_ns(0), 0);
    assert_int_equal(coro_ms_to_ns(7), 7000000);
    assert_int_equal(coro_ms_to_ns(CORO_FOREVER), CORO_FOREVER);
    assert_int_equal(coro_ms_to_ns(INT64_MAX / 1000000), INT64_MAX / 1000000 * 1000000);
    assert_int_equal(coro_ms_to_ns(INT64_MAX / 1000000 + 1), CORO_FOREVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable_at_its_time_and_not_before),
        cmocka_unit_test(test_set_to_the_nanosecond),
        cmocka_unit_test(test_setting_takes_back),
        cmocka_unit_test(test_the_same_time_after_it_fired),
        cmocka_unit_test(test_milliseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
