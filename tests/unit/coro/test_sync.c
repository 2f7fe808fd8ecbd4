/* SPDX-License-Identifier: MIT
 *
 * The semaphore and the queue.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/sync.h"
#include "tests/unit/coro/tasks.h"

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
    struct coro_future *f;

    (void)arg;
    assert_int_equal(coro_queue_init(&queue, 3), 0);
    assert_int_equal(coro_queue_get(&queue, &item, coro_now_ms() + 2), -ETIMEDOUT);
    f = go(gets_one, &rc);
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

static void *close_main(void *arg)
{
    struct coro_future *f;
    int rc = 1;

    (void)arg;
    assert_int_equal(coro_queue_init(&queue, 1), 0);
    f = go(gets_one, &rc);
    assert_int_equal(coro_pause(), 0);
    coro_queue_close(&queue);
    assert_int_equal(coro_await(f, NULL, CORO_FOREVER), 0);
    assert_int_equal(rc, -EPIPE);
    coro_future_unref(f);
    coro_queue_term(&queue);

    assert_int_equal(coro_queue_init(&queue, 1), 0);
    assert_int_equal(coro_queue_put(&queue, NULL, CORO_FOREVER), 0);
    f = go(puts_full, &rc);
    assert_int_equal(coro_pause(), 0);
    coro_queue_close(&queue);
    assert_int_equal(coro_await(f, NULL, CORO_FOREVER), 0);
    assert_int_equal(rc, -EPIPE);
    coro_future_unref(f);
    coro_queue_term(&queue);
    return NULL;
}

static void test_who_waits_is_told_of_the_closing(void **state)
{
    (void)state;
    run_main(close_main, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_semaphore),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_who_waits_is_told_of_the_closing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
