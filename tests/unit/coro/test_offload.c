/* SPDX-License-Identifier: MIT
 *
 * Calls on threads: their results, and a cancellation or a deadline before and while they run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static atomic_int begun;

static void *through_gate(void *arg)
{
    begun++;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    ++*(int *)arg;
    return arg;
}

struct offloaded {
    int64_t deadline_ms;
    int ran, rc;
    void *result;
};

static void *offloads(void *arg)
{
    struct offloaded *o = arg;

    o->rc = coro_offload(through_gate, &o->ran, &o->result, o->deadline_ms);
    if (o->rc == 0 && coro_sleep(0) == -ECANCELED)
        note("c"); /* told at the next wait */
    return NULL;
}

static void *offload_cases(void *arg)
{
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    int64_t later_ms = coro_now_ms() + 1000;
    const int64_t deadlines[4] = {CORO_FOREVER, later_ms, CORO_FOREVER, coro_now_ms()};
    struct offloaded o[4] = {0};
    struct coro_task *t[4];

    (void)arg;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 4; i++) {
        o[i].deadline_ms = deadlines[i];
        t[i] = coro_spawn(loop, offloads, &o[i], "offloads");
        assert_non_null(t[i]);
    }
    while (begun < 2) /* 0 and 1 hold the two threads, 2 is queued, 3 is not any more */
        assert_int_equal(coro_sleep(1), 0);
    while (coro_now_ms() <= later_ms)
        assert_int_equal(coro_sleep(100), 0);
    assert_int_equal(o[3].rc, -ETIMEDOUT);
    assert_int_equal(coro_task_cancel(t[0]), 0);
    assert_int_equal(coro_task_cancel(t[2]), 0);
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_loop_tasks(loop), 3);
    pthread_mutex_unlock(&gate);
    while (coro_loop_tasks(loop) > 1)
        assert_int_equal(coro_pause(), 0);
    assert_int_equal(o[0].rc, 0);
    assert_int_equal(o[0].ran, 1);
    assert_int_equal(o[1].rc, 0);
    assert_ptr_equal(o[1].result, &o[1].ran);
    assert_int_equal(o[2].rc, -ECANCELED);
    assert_int_equal(o[2].ran, 0);
    assert_int_equal(o[3].ran, 0);
    assert_string_equal(trace, "c");
    coro_loop_stop(loop, 1000);
    return NULL;
}

static void test_offload(void **state)
{
    struct coro_loop_config config = {.offload_threads = 2};
    struct coro_loop *loop = coro_loop_new(&config);

    (void)state;
    trace[0] = '\0';
    spawn(loop, offload_cases, NULL);
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
