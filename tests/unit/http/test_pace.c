/* SPDX-License-Identifier: MIT
 *
 * pace.h: the three rules that end a wait, each alone, and what is counted against a slow client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/pace.h"

enum { TIMEOUT_MS = 30000, FOR_EVER_MS = 100000000 };

/* A client that moves bytes after each ms milliseconds: for how long it is waited for, in all. */
static int64_t lasts(struct client_pace *pace, int64_t ms, uint64_t bytes, int64_t timeout_ms)
{
    int64_t waited = 0;

    while (waited < FOR_EVER_MS) {
        int64_t patience = pace_patience_ms(pace, timeout_ms);

        if (ms >= patience)
            return waited + patience;
        pace_waited(pace, ms);
        pace_moved(pace, bytes);
        waited += ms;
    }
    return FOR_EVER_MS;
}

static void how_long_a_client_is_waited_for(void **state)
{
    static const struct {
        int64_t ms;
        uint64_t bytes;
        int64_t timeout_ms, least_ms, most_ms;
    } rows[] = {
        /* silence: the time-out, whether shorter or longer than the grace period */
        {FOR_EVER_MS, 1, TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS},
        {FOR_EVER_MS, 1, 2000, 2000, 2000},
        /* a trickle: the grace period, and what its bytes pay for */
        {1000, 100, TIMEOUT_MS, 5000, 7000},
        {100, 1, TIMEOUT_MS, 5000, 5200},
        {1, 0, TIMEOUT_MS, 5000, 5002},
        {1000, 499, TIMEOUT_MS, 2500000, 2502000},
        /* the rate, in pieces of any size */
        {1000, 500, TIMEOUT_MS, FOR_EVER_MS, FOR_EVER_MS},
        {2, 1, TIMEOUT_MS, FOR_EVER_MS, FOR_EVER_MS},
        {4500, 2250, TIMEOUT_MS, FOR_EVER_MS, FOR_EVER_MS},
        {20000, 10000, TIMEOUT_MS, FOR_EVER_MS, FOR_EVER_MS},
        /* a byte now and then: the second silence is one too many */
        {8000, 1, TIMEOUT_MS, 16000, 16000},
        {29000, 1, TIMEOUT_MS, 29000, 29000 + 6002},
        /* pauses one after another, though each is made up for as far as the grace period goes */
        {29000, 2500, TIMEOUT_MS, 29000, 3 * 29000},
        {20000, 5000, TIMEOUT_MS, 40000, 100000},
        /* a time-out shorter than the grace period */
        {1900, 950, 2000, FOR_EVER_MS, FOR_EVER_MS},
        {1900, 500, 2000, 5000, 20000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_pace pace = {0};
        int64_t waited = lasts(&pace, rows[i].ms, rows[i].bytes, rows[i].timeout_ms);

        if (waited < rows[i].least_ms || waited > rows[i].most_ms)
            fail_msg("row %zu: %lld ms", i, (long long)waited);
    }
}

/* Who has moved much is waited for as long as anybody, and no longer: not for what it has saved. */
static void nothing_is_saved_up(void **state)
{
    struct client_pace pace = {0};

    (void)state;
    pace_waited(&pace, 3000);
    pace_moved(&pace, 50000000);
    assert_int_equal(pace_slow_ms(&pace), 0);
    assert_int_equal(pace_patience_ms(&pace, TIMEOUT_MS), TIMEOUT_MS);
    pace_waited(&pace, 8000); /* a pause, and then a little */
    pace_moved(&pace, 10);
    assert_true(pace_patience_ms(&pace, TIMEOUT_MS) > PACE_GRACE_MS);
    assert_in_range(lasts(&pace, 10, 10, TIMEOUT_MS), FOR_EVER_MS, FOR_EVER_MS);
    assert_in_range(lasts(&pace, 1000, 100, TIMEOUT_MS), 5000, 7000);
}

/* Bytes are counted, however few come at a time: 32 a millisecond are a good pace. */
static void slow_is_counted_in_bytes(void **state)
{
    static const struct {
        int64_t ms;
        uint64_t bytes;
        int64_t slow_ms; /* after 1,000 times */
    } rows[] = {
        {1, 32, 0},    {1, 1, 968},        {1, 16, 500},   {0, 1, 0},    {4, 128, 0},
        {4, 96, 1000}, {100, 1600, 50000}, {100, 3200, 0}, {1, 0, 1000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_pace pace = {0};

        for (int times = 0; times < 1000; times++) {
            pace_waited(&pace, rows[i].ms);
            for (uint64_t byte = 0; byte < rows[i].bytes; byte++)
                pace_moved(&pace, 1);
        }
        if (pace_slow_ms(&pace) != rows[i].slow_ms)
            fail_msg("row %zu: %lld ms", i, (long long)pace_slow_ms(&pace));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_long_a_client_is_waited_for),
        cmocka_unit_test(nothing_is_saved_up),
        cmocka_unit_test(slow_is_counted_in_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
