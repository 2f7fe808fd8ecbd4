/* SPDX-License-Identifier: MIT
 *
 * Tasks as futures, the three ways to await, gather.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

/* ---- tasks to wait for ---- */

static void *returns(void *arg)
{
    return coro_pause() == 0 ? arg : NULL;
}

static void *fails(void *arg)
{
    return coro_pause() == 0 ? coro_fail(-EIO) : arg;
}

static void *sleeps(void *arg)
{
    int rc = coro_sleep(60000);

    note(rc == -ECANCELED ? "C" : "?");
    return arg;
}

static void *swallows(void *arg)
{
    assert_int_equal(coro_sleep(60000), -ECANCELED);
    coro_uncancel();
    assert_int_equal(coro_sleep(1), 0);
    return arg;
}

static void *states_main(void *arg)
{
    void *value = NULL;
    char there;
    struct coro_future *a = go(returns, &there), *b = go(fails, NULL), *c = go(sleeps, &there);

    (void)arg;
    assert_int_equal(coro_future_state(a), CORO_PENDING);
    assert_int_equal(coro_future_result(a, &value), -EINPROGRESS);
    assert_int_equal(coro_pause(), 0);
    assert_int_equal(coro_future_state(a), CORO_RUNNING);
    assert_int_equal(coro_await(a, &value, CORO_FOREVER), 0);
    assert_ptr_equal(value, &there);
    assert_int_equal(coro_future_state(a), CORO_DONE);
    assert_int_equal(coro_await(a, &value, CORO_FOREVER), 0); /* once more */
    assert_int_equal(coro_await(b, NULL, CORO_FOREVER), -EIO);
    assert_int_equal(coro_future_state(b), CORO_DONE);
    assert_int_equal(coro_future_cancel(c), 0);
    assert_int_equal(coro_future_state(c), CORO_RUNNING); /* until it has unwound */
    value = NULL;
    assert_int_equal(coro_await(c, &value, CORO_FOREVER), -ECANCELED);
    assert_int_equal(coro_future_state(c), CORO_CANCELLED);
    assert_int_equal(coro_future_result(c, &value), -ECANCELED);
    assert_ptr_equal(value, &there);
    assert_int_equal(coro_future_cancel(c), -EALREADY);
    assert_int_equal(coro_await(coro_task_future(coro_task_self()), NULL, CORO_FOREVER), -EDEADLK);
    coro_future_unref(a);
    coro_future_unref(b);
    coro_future_unref(c);
    return NULL;
}

static void test_states(void **state)
{
    (void)state;
    run_main(states_main, NULL);
}

/* ---- cancelling who waits: the header's table ---- */

struct awaits {
    int (*await)(struct coro_future *, void **, int64_t);
    struct coro_future *f;
    int rc, next;
};

static void *awaits(void *arg)
{
    struct awaits *a = arg;

    a->rc = a->await(a->f, NULL, CORO_FOREVER);
    a->next = coro_pause();
    return NULL;
}

static void await_case(struct awaits *a, coro_task_fn *inner)
{
    struct coro_future *outer;

    a->f = go(inner, NULL);
    outer = go(awaits, a);
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_cancel(outer), 0);
    assert_int_equal(coro_shield(outer, NULL, CORO_FOREVER), -ECANCELED);
    coro_future_unref(outer);
}

static void *await_main(void *arg)
{
    int (*const both[])(struct coro_future *, void **, int64_t) = {coro_await, coro_await_within};
    struct awaits a;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        a = (struct awaits){.await = both[i]};
        await_case(&a, sleeps);
        assert_int_equal(a.rc, -ECANCELED);
        assert_int_equal(coro_future_state(a.f), CORO_CANCELLED);
        coro_future_unref(a.f);
        await_case(&a, swallows); /* completed all the same: result now, cancellation next */
        assert_int_equal(a.rc, 0);
        assert_int_equal(a.next, -ECANCELED);
        assert_int_equal(coro_future_state(a.f), CORO_DONE);
        coro_future_unref(a.f);
    }
    a = (struct awaits){.await = coro_shield};
    await_case(&a, sleeps);
    assert_int_equal(a.rc, -ECANCELED);
    assert_int_equal(coro_future_state(a.f), CORO_RUNNING);
    assert_int_equal(coro_await_within(a.f, NULL, coro_now_ms() + 2), -ETIMEDOUT);
    assert_int_equal(coro_future_state(a.f), CORO_CANCELLED);
    coro_future_unref(a.f);
    assert_string_equal(trace, "CCC");
    return NULL;
}

static void test_await_shield_within(void **state)
{
    (void)state;
    run_main(await_main, NULL);
}

/* ---- gather ---- */

static void *gathers(void *arg)
{
    struct coro_future **f = arg;

    assert_int_equal(coro_gather(f, 2, CORO_FOREVER), -ECANCELED);
    note("G");
    return NULL;
}

static void *gather_main(void *arg)
{
    struct coro_future *f[3] = {go(returns, "a"), go(returns, "b"), go(returns, "c")};
    void *value = NULL;
    struct coro_future *g;

    (void)arg;
    assert_int_equal(coro_gather(f, 3, CORO_FOREVER), 0);
    assert_int_equal(coro_gather(f, 3, CORO_FOREVER), 0);
    assert_int_equal(coro_gather(NULL, 0, CORO_FOREVER), 0);
    assert_int_equal(coro_future_result(f[1], &value), 0);
    assert_string_equal(value, "b");
    coro_future_unref(f[1]);
    coro_future_unref(f[2]);
    f[1] = go(fails, NULL);
    f[2] = go(sleeps, NULL);
    assert_int_equal(coro_gather(f, 3, CORO_FOREVER), -EIO); /* at once: 2 goes on */
    assert_int_equal(coro_future_state(f[2]), CORO_RUNNING);
    assert_int_equal(coro_gather(&f[2], 1, coro_now_ms() + 2), -ETIMEDOUT);
    coro_future_unref(f[1]);
    f[1] = go(sleeps, NULL);
    g = go(gathers, &f[1]);
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_cancel(g), 0);
    assert_int_equal(coro_await(g, NULL, CORO_FOREVER), -ECANCELED);
    assert_string_equal(trace, "CCG");
    for (int i = 0; i < 3; i++)
        coro_future_unref(f[i]);
    coro_future_unref(g);
    return NULL;
}

static void test_gather(void **state)
{
    (void)state;
    run_main(gather_main, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_await_shield_within),
        cmocka_unit_test(test_gather),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
