/* SPDX-License-Identifier: MIT
 *
 * The timers' heap against what a sorted list would do. Times lie in the past, so that all are due
 * at once and nothing waits.
 */
#include "coro/run.h"
#include "coro/timer.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 1000 };

struct record {
    struct coro_timer timers[MANY];
    int64_t fired[MANY]; /* at_ns of each that fired, in order */
    size_t count;
    struct coro_timer *victim; /* stopped by the first that fires */
    unsigned seed;
};

static unsigned random_below(struct record *r, unsigned bound)
{
    r->seed = r->seed * 1664525u + 1013904223u;
    return (r->seed >> 8) % bound;
}

static void note(struct coro_loop *loop, struct coro_timer *timer)
{
    struct record *r = timer->data;

    assert_false(coro_timer_active(timer));
    r->fired[r->count++] = timer->at_ns;
    if (r->victim != NULL)
        coro_timer_stop(loop, r->victim);
    r->victim = NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static struct record *record_new(unsigned seed)
{
    struct record *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->seed = seed;
    for (size_t i = 0; i < MANY; i++)
        coro_timer_init(&r->timers[i], note, r);
    return r;
}

/* Starts, restarts and stops at random; then what is left fires, each once, in order of time. */
static void test_order(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct coro_loop *loop = coro_loop_new(NULL);
        struct record *r = record_new(seed);
        int64_t expected[MANY] = {0};
        size_t count = 0;

        assert_non_null(loop);
        for (unsigned step = 0; step < 5 * MANY; step++) {
            struct coro_timer *t = &r->timers[random_below(r, MANY)];

            if (random_below(r, 3) == 0)
                coro_timer_stop(loop, t);
            else
                coro_timer_start_at(loop, t, 1 + random_below(r, 500));
        }
        for (size_t i = 0; i < MANY; i++)
            if (coro_timer_active(&r->timers[i]))
                expected[count++] = r->timers[i].at_ns;
        qsort(expected, count, sizeof expected[0], compare);
        assert_true(count > MANY / 3);
        assert_int_equal(coro_loop_run(loop), -EDEADLK); /* nothing is left to wait for */
        assert_int_equal(r->count, count);
        assert_memory_equal(r->fired, expected, count * sizeof expected[0]);
        coro_loop_free(loop);
        free(r);
    }
}

/* A callback may stop a timer that is due in the same turn. */
static void test_stop_from_callback(void **state)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct record *r = record_new(1);

    (void)state;
    for (size_t i = 0; i < 10; i++)
        coro_timer_start_at(loop, &r->timers[i], (int64_t)i + 1);
    r->victim = &r->timers[7];
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    assert_int_equal(r->count, 9);
    assert_int_equal(r->fired[7], 9); /* the ninth: the eighth did not fire */
    coro_loop_free(loop);
    free(r);
}

struct repeating {
    unsigned count;
    int64_t last_ns;
};

static void repeat(struct coro_loop *loop, struct coro_timer *timer)
{
    struct repeating *r = timer->data;

    assert_true(coro_timer_active(timer));
    assert_true(coro_now_ns() > r->last_ns);
    r->last_ns = timer->at_ns;
    if (++r->count == 5)
        coro_timer_stop(loop, timer);
}

/* Never before its time, and active until it is stopped. */
static void test_repeat(void **state)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct repeating r = {.last_ns = coro_now_ns()};
    struct coro_timer timer;
    int64_t began = coro_now_ns();

    (void)state;
    coro_timer_init(&timer, repeat, &r);
    coro_timer_start(loop, &timer, 1, 2);
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    assert_int_equal(r.count, 5);
    assert_true(coro_now_ns() - began >= 9 * 1000000);
    coro_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_stop_from_callback),
        cmocka_unit_test(test_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
