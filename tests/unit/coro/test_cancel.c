/* SPDX-License-Identifier: MIT
 *
 * Cancellation in each wait, and bounded clean-up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

#include <unistd.h>

static int broken_pipe[2];

static void *wait_descriptor(void *arg)
{
    *(int *)arg = coro_wait_fd(broken_pipe[0], CORO_READ, CORO_FOREVER);
    return NULL;
}

static void *wait_parked(void *arg)
{
    *(int *)arg = coro_park(coro_now_ms() + 60000);
    return NULL;
}

static void *wait_group(void *arg)
{
    int inner = 0;
    struct coro_call call = {.fn = wait_sleep, .arg = &inner};

    *(int *)arg = coro_run_all(&call, 1, CORO_FOREVER);
    assert_int_equal(call.error, -ECANCELED);
    note(inner == -ECANCELED ? "i" : "n"); /* was it begun at all? */
    return NULL;
}

static void *cancel_cases(void *arg)
{
    struct coro_loop *loop;

    static coro_task_fn *const waits[] = {wait_sleep, wait_descriptor, wait_parked, wait_group};
    loop = coro_task_loop(coro_task_self());
    (void)arg;
    for (size_t i = 0; i < 2 * sizeof waits / sizeof *waits; i++) {
        int result = 1;
        struct coro_task *t = coro_spawn(loop, waits[i / 2], &result, "waits");

        assert_non_null(t);
        coro_task_ref(t);
        if (i % 2 == 0) /* let it wait first; otherwise it is cancelled before its first turn */
            assert_int_equal(coro_sleep(1), 0);
        assert_int_equal(coro_task_cancel(t), 0);
        assert_int_equal(coro_task_cancel(t), 0);
        while (coro_loop_tasks(loop) > 1)
            assert_int_equal(coro_pause(), 0);
        assert_int_equal(result, -ECANCELED);
        assert_int_equal(coro_task_cancel(t), -EALREADY);
        coro_task_unref(t);
    }
    return NULL;
}

static void test_cancel_in_each_wait(void **state)
{
    (void)state;
    assert_int_equal(pipe(broken_pipe), 0);
    run_main(cancel_cases, NULL);
    assert_string_equal(trace, "in");
    close(broken_pipe[0]);
    close(broken_pipe[1]);
}

static void *clean_up_slowly(void *arg)
{
    assert_int_equal(coro_park(CORO_FOREVER), -ECANCELED);
    assert_int_equal(coro_sleep(1), 0);                    /* clean-up may wait */
    assert_int_equal(coro_park(CORO_FOREVER), -ECANCELED); /* but not for ever */
    assert_int_equal(coro_sleep(1000), -ECANCELED);
    assert_int_equal(coro_pause(), -ECANCELED);
    *(int *)arg = 1;
    return NULL;
}

static void on_stop_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    (void)timer;
    coro_loop_stop(loop, 1000);
}

static void test_cleanup_is_bounded(void **state)
{
    int done = 0;
    struct coro_loop_config config = {.cleanup_ms = 30};
    struct coro_loop *loop = coro_loop_new(&config);
    struct coro_timer timer;

    (void)state;
    spawn(loop, clean_up_slowly, &done);
    coro_timer_init(&timer, on_stop_tick, NULL);
    coro_timer_start(loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(done, 1);
    coro_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_in_each_wait),
        cmocka_unit_test(test_cleanup_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
