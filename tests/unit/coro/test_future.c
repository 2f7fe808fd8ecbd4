// SPDX-License-Identifier: MIT
/* Futures, gather, the three ways to await, done callbacks, semaphore, queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/sync.h"
#include "tests/unit/coro/tasks.h"

static struct coro_loop *this_loop(void)
{
    return coro_task_loop(coro_task_self());
}

/* Spawns a task and takes a reference to it as a future. */
static struct coro_future *go(coro_task_fn *fn, void *arg)
{
    struct coro_task *t = coro_spawn(this_loop(), fn, arg, "test");
    assert_non_null(t);
    return coro_future_ref(coro_task_future(t));
}

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

/* ---- states and results ---- */

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

static void *sets_future(void *arg)
{
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_set_result(arg, arg), 0);
    assert_int_equal(coro_future_set_result(arg, NULL), -EALREADY);
    assert_int_equal(coro_future_cancel(arg), -EALREADY);
    return NULL;
}

static void on_done(struct coro_future *f, void *arg)
{
    assert_null(coro_task_self());
    assert_true(coro_future_state(f) >= CORO_DONE);
    note(arg);
}

static void *plain_main(void *arg)
{
    struct coro_future *f = coro_future_new(this_loop()), *g = coro_future_new(this_loop());
    struct coro_done d[4];
    void *value;
    (void)arg;
    assert_int_equal(coro_await(f, &value, coro_now_ms() + 5), -ETIMEDOUT);
    assert_int_equal(coro_future_state(f), CORO_PENDING);
    for (int i = 0; i < 3; i++)
        coro_future_add_done(f, &d[i], on_done, i == 0 ? "1" : i == 1 ? "2" : "3");
    coro_future_remove_done(&d[1]);
    coro_future_unref(go(sets_future, f));
    assert_int_equal(coro_await(f, &value, CORO_FOREVER), 0);
    assert_ptr_equal(value, f);
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "13");
    coro_future_add_done(f, &d[3], on_done, "4"); /* of one that is done: next turn */
    assert_string_equal(trace, "13");
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "134");
    coro_future_add_done(f, &d[1], on_done, "never");
    coro_future_remove_done(&d[1]);
    coro_future_remove_done(&d[1]);
    assert_int_equal(coro_future_set_error(g, -EPERM), 0);
    assert_int_equal(coro_await(g, NULL, CORO_FOREVER), -EPERM);
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "134");
    coro_future_unref(f);
    coro_future_unref(g);
    return NULL;
}

static void test_plain_future_and_callbacks(void **state)
{
    (void)state;
    run_main(plain_main, NULL);
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
    a->f = go(inner, NULL);
    struct coro_future *outer = go(awaits, a);
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_cancel(outer), 0);
    assert_int_equal(coro_shield(outer, NULL, CORO_FOREVER), -ECANCELED);
    coro_future_unref(outer);
}

static void *await_main(void *arg)
{
    int (*const both[])(struct coro_future *, void **, int64_t) = {coro_await, coro_await_within};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct awaits a = {.await = both[i]};
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
    struct awaits a = {.await = coro_shield};
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
    void *value;
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
    struct coro_future *g = go(gathers, &f[1]);
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

/* ---- semaphore and queue ---- */

static struct coro_sem sem;
static struct coro_queue queue;

static void *acquires(void *arg)
{
    int rc = coro_sem_acquire(&sem, CORO_FOREVER);
    note(rc == 0 ? arg : "x");
    return NULL;
}

static void *sem_main(void *arg)
{
    struct coro_future *f[3];
    (void)arg;
    coro_sem_init(&sem, 1);
    assert_int_equal(coro_sem_acquire(&sem, CORO_FOREVER), 0);
    assert_int_equal(coro_sem_acquire(&sem, coro_now_ms() + 2), -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        f[i] = go(acquires, i == 0 ? "1" : i == 1 ? "2" : "3");
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_cancel(f[1]), 0);
    coro_sem_release(&sem);
    coro_sem_release(&sem);
    assert_int_equal(coro_sem_acquire(&sem, coro_now_ms()), -ETIMEDOUT); /* handed to 1, 2 */
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "21"); /* 2, woken first, was handed it before it could be told */
    assert_int_equal(coro_future_cancel(f[2]), 0);
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "21x");
    coro_sem_release(&sem);
    assert_int_equal(sem.count, 1);
    for (int i = 0; i < 3; i++)
        coro_future_unref(f[i]);
    return NULL;
}

static void test_semaphore(void **state)
{
    (void)state;
    run_main(sem_main, NULL);
}

static void *produces(void *arg)
{
    for (uintptr_t i = 1; i <= 10; i++)
        assert_int_equal(coro_queue_put(&queue, (void *)i, CORO_FOREVER), 0);
    coro_queue_close(&queue);
    return arg;
}

static void *gets_one(void *arg)
{
    void *item;
    *(int *)arg = coro_queue_get(&queue, &item, CORO_FOREVER);
    return NULL;
}

static void *puts_full(void *arg)
{
    *(int *)arg = coro_queue_put(&queue, arg, CORO_FOREVER);
    return NULL;
}

static void *queue_main(void *arg)
{
    void *item;
    int rc = 1;
    (void)arg;
    assert_int_equal(coro_queue_init(&queue, 3), 0);
    assert_int_equal(coro_queue_get(&queue, &item, coro_now_ms() + 2), -ETIMEDOUT);
    struct coro_future *f = go(gets_one, &rc);
    assert_int_equal(coro_pause(), 0);
    assert_int_equal(coro_future_cancel(f), 0);
    assert_int_equal(coro_await(f, NULL, CORO_FOREVER), -ECANCELED);
    assert_int_equal(rc, -ECANCELED);
    coro_future_unref(f);
    f = go(produces, NULL);
    for (uintptr_t i = 1; i <= 10; i++) {
        assert_int_equal(coro_queue_get(&queue, &item, CORO_FOREVER), 0);
        assert_int_equal((uintptr_t)item, i);
        if (i % 3 == 0)
            assert_int_equal(coro_pause(), 0);
    }
    assert_int_equal(coro_queue_get(&queue, &item, CORO_FOREVER), -EPIPE);
    assert_int_equal(coro_queue_put(&queue, NULL, CORO_FOREVER), -EPIPE);
    assert_int_equal(coro_await(f, NULL, CORO_FOREVER), 0);
    coro_future_unref(f);
    coro_queue_term(&queue);

    assert_int_equal(coro_queue_init(&queue, 1), 0);
    assert_int_equal(coro_queue_put(&queue, NULL, CORO_FOREVER), 0);
    f = go(puts_full, &rc);
    assert_int_equal(coro_pause(), 0);
    assert_int_equal(coro_future_cancel(f), 0);
    assert_int_equal(coro_await(f, NULL, CORO_FOREVER), -ECANCELED);
    assert_int_equal(rc, -ECANCELED);
    assert_int_equal(queue.count, 1);
    coro_future_unref(f);
    coro_queue_term(&queue);
    return NULL;
}

static void test_queue(void **state)
{
    (void)state;
    run_main(queue_main, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_plain_future_and_callbacks),
        cmocka_unit_test(test_await_shield_within),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_semaphore),
        cmocka_unit_test(test_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
