/* SPDX-License-Identifier: MIT
 *
 * A loop from its making to its end: what is noticed, what is refused, how it is stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

static void *sleeps_then_parks(void *arg)
{
    assert_int_equal(coro_sleep(1), 0);
    return coro_park(CORO_FOREVER) == 0 ? arg : NULL;
}

static void test_deadlock_is_noticed(void **state)
{
    struct coro_loop *loop = new_loop();

    (void)state;
    spawn(loop, sleeps_then_parks, NULL);
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    coro_loop_stop(loop, 1000); /* it can still be ended in order */
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

static void *never_ends(void *arg)
{
    int *go_on = arg;

    while (*go_on)
        (void)!coro_pause();
    return NULL;
}

static void test_grace_ends(void **state)
{
    int go_on = 1;
    struct coro_loop *loop = new_loop();

    (void)state;
    spawn(loop, never_ends, &go_on);
    coro_loop_stop(loop, 20);
    assert_null(coro_spawn(loop, never_ends, &go_on, "late"));
    assert_int_equal(errno, ECANCELED);
    assert_int_equal(coro_loop_run(loop), -ETIMEDOUT);
    coro_loop_free(loop); /* with the task still in it */
}

static void *stops_the_loop(void *arg)
{
    coro_loop_stop(this_loop(), CORO_FOREVER);
    return arg;
}

static void on_done(struct coro_future *f, void *arg)
{
    (void)f;
    note(arg);
}

static void test_the_last_done_callbacks_are_called(void **state)
{
    struct coro_loop *loop = new_loop();
    struct coro_task *last = coro_spawn(loop, stops_the_loop, NULL, "last");
    struct coro_done done;

    (void)state;
    assert_non_null(last);
    coro_future_add_done(coro_task_future(last), &done, on_done, "done");
    assert_int_equal(coro_loop_run(loop), 0);
    assert_string_equal(trace, "done");
    coro_loop_free(loop);
}

static void *runs_another(void *arg)
{
    struct coro_loop *another = coro_loop_new(NULL);

    *(int *)arg = coro_loop_run(another);
    coro_loop_free(another);
    return NULL;
}

static void on_tick_run(struct coro_loop *loop, struct coro_timer *timer)
{
    struct coro_loop *inner = coro_loop_new(NULL);

    assert_int_equal(coro_loop_run(loop), -EBUSY);
    assert_int_equal(coro_loop_run(inner), -EDEADLK); /* another one may, from a callback */
    coro_loop_free(inner);
    *(int *)timer->data = coro_loop_run(loop);
    coro_loop_stop(loop, CORO_FOREVER);
}

static void test_a_running_loop_is_busy(void **state)
{
    struct coro_loop *loop = new_loop();
    int from_task = 0, from_callback = 0;
    struct coro_timer timer;

    (void)state;
    spawn(loop, runs_another, &from_task);
    coro_timer_init(&timer, on_tick_run, &from_callback);
    coro_timer_start(loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(from_task, -EBUSY);
    assert_int_equal(from_callback, -EBUSY);
    coro_loop_free(loop);
}

static void *refuses_to_end(void *arg)
{
    while (coro_park(CORO_FOREVER) == 0 || *(int *)arg)
        coro_uncancel();
    (void)!coro_sleep(1); /* cleans up */
    return NULL;
}

static void test_a_second_stop_may_shorten_the_grace(void **state)
{
    struct coro_loop *loop = new_loop();
    int64_t before = coro_now_ms();
    int refuses = 1;

    (void)state;
    spawn(loop, refuses_to_end, &refuses);
    coro_loop_stop(loop, 60000);
    coro_loop_stop(loop, 1);
    coro_loop_stop(loop, 60000); /* does not lengthen it */
    assert_int_equal(coro_loop_run(loop), -ETIMEDOUT);
    assert_true(coro_now_ms() - before < 60000);
    assert_int_equal(coro_loop_tasks(loop), 1);
    refuses = 0;
    coro_loop_stop(loop, CORO_FOREVER);
    assert_int_equal(coro_loop_run(loop), 0); /* it may be run again */
    assert_int_equal(coro_loop_tasks(loop), 0);
    coro_loop_free(loop);
}

static void test_settings_are_taken(void **state)
{
    struct coro_loop_config config = {.stack_bytes = 128 * 1024};
    struct coro_loop *loop = coro_loop_new(&config);

    (void)state;
    assert_int_equal(coro_loop_stack_bytes(loop), 128 * 1024);
    coro_loop_free(loop);
    loop = coro_loop_new(NULL);
    assert_int_equal(coro_loop_stack_bytes(loop), 64 * 1024);
    coro_loop_free(loop);
    config.stack_bytes = (size_t)2 << 30;
    errno = 0;
    assert_null(coro_loop_new(&config));
    assert_int_equal(errno, EINVAL);
    coro_loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlock_is_noticed),
        cmocka_unit_test(test_grace_ends),
        cmocka_unit_test(test_the_last_done_callbacks_are_called),
        cmocka_unit_test(test_a_running_loop_is_busy),
        cmocka_unit_test(test_a_second_stop_may_shorten_the_grace),
        cmocka_unit_test(test_settings_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
