/* SPDX-License-Identifier: MIT
 *
 * Generators in tasks: a body that waits suspends the whole task, and a cancellation reaches it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/generator.h"
#include "coro/run.h"
#include "coro/wait.h"

#include <errno.h>

static void *sleepy(void *arg)
{
    for (uintptr_t i = 1; i <= 3; i++) {
        if (coro_sleep(1) != 0)
            return coro_raise((struct coro_error){-ECANCELED, "cancelled"});
        if (coro_yield((void *)i, NULL) != 0)
            return coro_raise_again();
    }
    return arg;
}

static void *sums_sleepy(void *arg)
{
    struct coro_gen *g = coro_gen_new(NULL, sleepy, NULL, "sleepy");
    void *out;

    while (coro_send(g, NULL, &out) == CORO_YIELDED) {
        assert_int_equal(coro_pause(), 0);
        *(uintptr_t *)arg += (uintptr_t)out;
    }
    coro_gen_free(g);
    return NULL;
}

static void *sums_many(void *arg)
{
    uintptr_t sums[8] = {0};
    struct coro_call run[8];

    for (int i = 0; i < 8; i++)
        run[i] = (struct coro_call){.fn = sums_sleepy, .arg = &sums[i]};
    assert_int_equal(coro_run_all(run, 8, CORO_FOREVER), 0);
    for (int i = 0; i < 8; i++)
        *(uintptr_t *)arg += sums[i];
    coro_loop_stop(coro_task_loop(coro_task_self()), 1000);
    return NULL;
}

static void test_body_suspends_its_task(void **state)
{
    uintptr_t sum = 0;
    struct coro_loop *loop = coro_loop_new(NULL);

    (void)state;
    assert_non_null(coro_spawn(loop, sums_many, &sum, "sums"));
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(sum, 8 * 6);
    coro_loop_free(loop);
}

static void *cancelled_inside(void *arg)
{
    struct coro_gen *g = coro_gen_new(NULL, sleepy, NULL, "sleepy");

    *(enum coro_status *)arg = coro_send(g, NULL, NULL);
    assert_int_equal(coro_gen_error(g).code, -ECANCELED);
    coro_gen_free(g);
    return NULL;
}

static void test_cancel_reaches_the_body(void **state)
{
    enum coro_status status = CORO_YIELDED;
    struct coro_loop *loop = coro_loop_new(NULL);

    (void)state;
    assert_non_null(coro_spawn(loop, cancelled_inside, &status, "cancelled"));
    coro_loop_stop(loop, 1000);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(status, CORO_FAILED);
    coro_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_suspends_its_task),
        cmocka_unit_test(test_cancel_reaches_the_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
